//! The words of the house: types that every other folder uses and that use nothing but `std`.
//!
//! Read in this order: [`time`], [`ids`], [`prefix`], [`prefix_map`], [`route`], [`prefix_range`],
//! [`community`] and [`as_path_pattern`] (what policies are written in), [`machine`], [`timers`],
//! [`prng`], [`cursor`], [`checksum`], [`digest`], [`hex`], [`bounded`], [`counters`], [`exit`],
//! [`prefetch`], and last [`rcu`], which has the memory-order argument. These last two are the only
//! files here with `unsafe`.
//!
//! Absent on purpose: no I/O, no clock, no logging, no configuration. Whatever needs one of these
//! lives above.

#![deny(unsafe_code)]

pub mod as_path_pattern;
pub mod bounded;
pub mod checksum;
pub mod community;
pub mod counters;
pub mod cursor;
pub mod digest;
pub mod exit;
pub mod hex;
pub mod ids;
pub mod machine;
#[allow(unsafe_code)]
pub mod prefetch;
pub mod prefix;
pub mod prefix_map;
pub mod prefix_range;
pub mod prng;
#[allow(unsafe_code)]
pub mod rcu;
pub mod route;
pub mod time;
pub mod timers;
