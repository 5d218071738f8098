//! Bytes to values and back, one file a format.
//!
//! Read [`ethernet`], [`ipv6`], [`ecn`] (two bits of it), [`icmpv6`], [`nd`], [`udp`], [`bfd`],
//! [`l2tp`], then [`ospf`] and [`bgp`]; beside it [`rtr`] (what an RPKI cache says), [`bmp`] (BGP
//! told to a station) and [`mrt`] (tables of BGP in files).
//!
//! Two kinds of reading stand side by side: *views* over a slice for the packet path (no copy,
//! fields by offset, checked once) and *values* for the control plane (`decode`, `encode`, errors
//! with the offset). Absent on purpose: state.
#![forbid(unsafe_code)]

pub mod bfd;
pub mod bgp;
pub mod bmp;
pub mod ecn;
pub mod ethernet;
pub mod icmpv6;
pub mod ipv6;
pub mod l2tp;
pub mod mrt;
pub mod nd;
pub mod ospf;
pub mod rtr;
pub mod udp;
