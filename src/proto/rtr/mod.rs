//! RPKI to Router (RFC 8210, RFC 6810): what a cache has validated, kept up to date.
//!
//! Read [`session`] (one cache: its connection, queries, answers and times), then [`records`] (what
//! it has said, and how its owner hears of it in slices). [`limits`] has every bound.
//!
//! Absent on purpose: which of several caches is asked, what payloads mean for routes, sockets. The
//! first two are `control`'s.

pub mod limits;
pub mod records;
pub mod session;

#[cfg(test)]
mod tests;

pub use records::Records;
pub use session::{Action, Counters, Failure, Input, Session, Settings, State, View};
