//! BMP (RFC 7854), the router's side: a station that is told of BGP.
//!
//! Read [`station`]: one station, its connection, its queue and how far it reads. [`limits`] has
//! every bound.
//!
//! Absent on purpose: BGP itself. What a station is told is made by `control`, which has the
//! tables; here it is octets, or the name of something whose octets are made when there is room for
//! them.

pub mod limits;
pub mod station;

#[cfg(test)]
mod tests;

pub use station::{Action, Counters, Failure, Input, Item, Name, PathName, State, Station, View};
