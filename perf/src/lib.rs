//! Measuring: what the router is compared with, in one run on one machine.
//!
//! Read [`rib`] (tables of prefixes: from a file, or made up), [`trace`] (destinations to be looked
//! up), [`measure`] (interleaved rounds, medians), [`table`] (the bench of the FIB), [`report`]
//! (the machine, JSON), [`command`]
//! (the words of the program, one file a command).
//!
//! What belongs here drives the router's parts from outside and reports ratios against a baseline
//! of the same run, with the spread.
//!
// Gap: the packet generator and the throughput searches (RFC 2544, RFC 5180, RFC 8219, RFC 9004)
// and the bench of the whole data path.
#![forbid(unsafe_code)]

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
pub mod table;
#[cfg(dpdk)]
pub mod testpmd;
pub mod trace;
pub mod traffic;
pub mod update;
