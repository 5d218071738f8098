//! Ports as the data plane sees them: `PortRx` and `PortTx` over what is really there.
//!
//! Read [`device`] (what a port may be, and DPDK's word for it), `dpdk` (opening one; only where
//! DPDK is there) with `redial` (one whose other end comes and goes), [`wakeup`] (how an idle
//! worker waits for it), and the ports without DPDK: [`memory`] (a cable in memory, for tests) and
//! [`pcap`] (captures).
//!
//! Absent on purpose: a TAP device without DPDK (`tap:NAME` goes through DPDK), what a port is for,
//! and its number in the router. That is configuration.
#![forbid(unsafe_code)]

pub mod device;
#[cfg(dpdk)]
pub mod dpdk;
pub mod memory;
pub mod pcap;
#[cfg(dpdk)]
mod redial;
pub mod wakeup;

pub use device::DeviceSpec;
pub use wakeup::Wakeup;

/// Whether this build has DPDK, and with it a router; without, everything else is there.
pub const HAS_DPDK: bool = cfg!(dpdk);
