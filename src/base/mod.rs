//! The words of the house: types that every other folder uses and that use nothing but `std`.
//!
//! Read in this order: [`time`], [`ids`], [`prefix`], [`route`], [`machine`], [`timers`], [`prng`],
//! [`cursor`], [`checksum`], [`bounded`], [`counters`], and last [`rcu`], which is the one file here
//! with `unsafe` and with a memory-order argument.
//!
//! Absent on purpose: no I/O, no clock, no logging, no configuration. Whatever needs one of these
//! lives above.

pub mod bounded;
pub mod checksum;
pub mod counters;
pub mod cursor;
pub mod ids;
pub mod machine;
pub mod prefix;
pub mod prng;
pub mod rcu;
pub mod route;
pub mod time;
pub mod timers;
