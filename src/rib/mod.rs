//! All routes that anybody announced, and what becomes of them.
//!
//! Read [`table`] (the [`Rib`]: routes, neighbours, ports in), `select` (which source wins),
//! `resolve` (gateways to neighbours), `exits` (gateways that many
//! routes share), `numbers` (next hops and groups get theirs), `backlog` (tables that come in),
//! `compile` (the world for the data plane comes out) and `verify` (whether it did).
//!
//! Absent on purpose: why a route exists (the protocols know) and when to publish (the owner
//! decides, after a burst of changes).

#![forbid(unsafe_code)]

mod backlog;
mod compile;
mod exits;
mod numbers;
mod resolve;
mod select;
pub mod table;
mod verify;

pub use resolve::{Path, Way};
pub use table::{Rib, RibCounters, RibError, RibLimits, RibRoute};
pub use verify::Verified;

#[cfg(test)]
mod tests;
