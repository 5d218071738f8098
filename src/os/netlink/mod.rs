//! Links, addresses and routes of the kernel.
//!
//! Read [`socket`] (one request, one answer), [`link`] (devices, veth pairs, bridges), [`address`]
//! (addresses and routes), [`monitor`] (what changes on its own), [`offload`] (the ioctl for
//! checksum and segmentation offloads) and [`sysctl`] (what has no netlink message).
//!
//! *Invariants*: a socket acts in the network namespace of the thread that opened it, for ever;
//! every error says what was tried and keeps the kernel's errno.
//! *Standards*: RFC 3549 (the protocol's idea); rtnetlink(7) for the messages.
//!
//! Absent on purpose: a copy of the router's routes in the kernel. Only the host's own TUN has
//! routes.

pub mod address;
pub mod link;
pub mod monitor;
pub mod offload;
pub mod socket;
pub mod sysctl;

pub use link::{Link, NewVeth, VethEnd, link_index};
pub use monitor::{Heard, LinkEvent, LinkMonitor};
pub use offload::{Offload, offloads, offloads_off, offloads_on};
pub use socket::{NetlinkError, RouteSocket};
pub use sysctl::sysctl_write;
