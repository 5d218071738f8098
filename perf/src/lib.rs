//! Measuring: what the router is compared with, in one run on one machine.
//!
//! Read [`command`] (the words of the program, one file a command), then what they drive:
//!
//! - [`rib`] (tables of prefixes: from a file, or made up), [`trace`] (destinations to be looked
//!   up), [`measure`] (interleaved rounds, medians), [`table`] (the bench of the FIB), `forward`
//!   and `testpmd` (the whole data path);
//! - [`traffic`] (our own packet generator and sink), [`rfc`] (searches and tests of the RFCs),
//!   [`lab`] (a router between two of our ports), [`profile`] (the same traffic for TRex and
//!   Pktgen-DPDK);
//! - [`area`] (an OSPF area of thousands of routers, made up) and [`speaker`] (a neighbour that
//!   tells of it);
//! - [`bgp`] (a full table through BGP routers, ours and others);
//! - [`kernels`] (pieces of work, for criterion and callgrind) and [`world`] (what they and
//!   `forward` forward in), [`segment`] (a tenant with many pseudowires and MACs);
//! - [`document`] (a result as data), [`report`] (the machine), [`comparison`], [`plot`] and
//!   [`html`].
//!
//! What belongs here drives the router's parts from outside and reports ratios against a baseline
//! of the same run, with the spread.
#![forbid(unsafe_code)]

pub mod area;
pub mod bgp;
pub mod command;
pub mod comparison;
pub mod document;
#[cfg(dpdk)]
pub mod forward;
pub mod html;
pub mod kernels;
pub mod lab;
pub mod measure;
pub mod plot;
pub mod profile;
pub mod report;
pub mod rfc;
pub mod rib;
pub mod segment;
pub mod speaker;
pub mod table;
#[cfg(dpdk)]
pub mod testpmd;
pub mod trace;
pub mod traffic;
pub mod update;
pub mod world;
