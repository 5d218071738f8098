//! Pure protocol machines.
//!
//! Each folder is one protocol and knows no other; they meet in `control`.
#![forbid(unsafe_code)]

pub mod bfd;
pub mod bgp;
pub mod bmp;
pub mod l2tp;
pub mod nd;
pub mod ospf;
pub mod rtr;
pub mod tenant;
