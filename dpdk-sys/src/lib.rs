//! Raw bindings to DPDK and to the C shim; empty where libdpdk is missing or `DPDK=off`.
//!
//! Owns the names only; `kumiki::dpdk` makes them safe. The shim (`shim/shim.h`) holds what is
//! inline in DPDK's headers and hides what differs between releases, the fields of the mbuf among
//! them.
//!
//! *Invariants*: no logic here.
#![no_std]

#[cfg(dpdk)]
#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    clippy::cast_possible_truncation,
    clippy::undocumented_unsafe_blocks,
    reason = "generated from C headers"
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

#[cfg(dpdk)]
pub use bindings::*;
