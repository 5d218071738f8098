//! Packets as the data plane holds them: one owned buffer, a burst of them, and what is known of
//! each.
//!
//! Read [`buf`] (the trait every buffer obeys), [`meta`] (what travels with it), [`burst`] (up to
//! 64 at once), [`port`] (where bursts come from and go to), [`heap`] (the buffer of tests and
//! simulations). The buffer of real traffic is `dpdk::Mbuf`.
//!
//! Absent on purpose: headers. They are read through `wire`.
#![forbid(unsafe_code)]

pub mod buf;
pub mod burst;
pub mod heap;
pub mod meta;
pub mod port;

pub use buf::{NoRoom, PacketBuf, TooShort};
pub use burst::{BURST_MAX, Burst};
pub use heap::{HeapAlloc, HeapBuf};
pub use meta::PacketMeta;
pub use port::{PacketAlloc, PortRx, PortTx};
