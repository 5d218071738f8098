//! Safe owners of what DPDK gives out: environment, threads, memory, packets, ports and queues.
//!
//! Read [`eal`] (started once, and the threads that may use it), [`mempool`] (where buffers live),
//! [`mbuf`] (a packet), [`port`] (a device from probe to removal), [`queue`] (its two halves, one
//! worker each), `gate` and [`redial`] (a device whose other end comes and goes), [`failure`] (what
//! DPDK says when it refuses). [`tables`] are DPDK's own tables of prefixes and
//! [`meter`] is a stopwatch in place of a driver: both for comparisons.
//!
//! One of the four rooms with `unsafe`. *Invariants*: whoever holds an [`Eal`] proves that EAL
//! runs; buffers return to their pool on drop, pools live as long as the process; a device is
//! closed when its [`Port`] and all its queues are gone, never before.
//!
//! Absent on purpose: which device to open and what for (`ports`, `daemon`); offloads that gain a
//! router nothing ([`port::Grant`]); `rte_eal_cleanup`, which would take the memory from under
//! buffers that still live.

pub mod eal;
pub mod failure;
mod gate;
pub mod mbuf;
pub mod mempool;
pub mod meter;
pub mod port;
pub mod queue;
pub mod redial;
pub mod tables;

pub use eal::{Eal, EalError, EalOptions, EalThread};
pub use failure::Failure;
pub use mbuf::{Mbuf, free_burst};
pub use mempool::{MbufAlloc, Mempool, MempoolFacts};
pub use meter::{Meter, MeterFrames, MeterWindow};
pub use port::{
    Grant, Link, Port, PortCounters, PortError, PortMonitor, PortOptions, Started, Stopped,
};
pub use queue::{RxInterrupt, RxQueue, TxQueue};
pub use redial::Redial;
pub use tables::{Fib6, Lpm6};
