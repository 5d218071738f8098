//! The few system calls that `std` lacks.
//!
//! Read [`poller`] (waiting for several things at once), [`companion`] (waiting for traffic on a
//! port without interrupts), [`netlink`] (links, addresses, routes of the kernel), [`namespace`],
//! [`tcp`], [`tun`], [`xdp`] (how much such a socket carries).
//!
//! Absent on purpose: policy. These are verbs; who uses them decides.

pub mod companion;
pub mod namespace;
pub mod netlink;
pub mod poller;
pub mod tcp;
pub mod tun;
pub mod xdp;
