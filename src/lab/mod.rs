//! A whole cluster of real routers on this machine: the `kumiki lab` command.
//!
//! Read [`layout`] (names and numbers), [`state`](mod@state) (what is remembered), [`lock`] (by
//! whom it may be changed), [`fabric`] (namespaces and cables), [`server`], [`router_file`] and
//! [`peer`] (what runs on a server), [`holder`] (what keeps a lab without root), [`client`] and
//! [`observe`] (what the routers say), [`ping`] and [`probe`] (what the hosts see), [`fault`] (what
//! can be broken), [`scenario`] (the beginning of a lab), [`trial`] (one fault), [`report`],
//! [`summary`], [`draw`] and [`session`] (what a person sees), [`cleanup`]; for clusters with exits
//! [`site`] (who has one), [`provider`] and [`provider_table`] (to whom), [`two_clusters`] and
//! [`exits_report`]; and at last [`command`] with [`actions`], [`mod@status`], [`mod@test`] and
//! [`demo`].
//!
//! *Invariants*: a lab needs nothing of the system but the kernel and, for peers, their programs;
//! it touches no service, no configuration and no device outside its own namespaces and directory.
//!
//! Absent on purpose: routing. What a router does is asked of it, never computed here.
#![forbid(unsafe_code)]

pub mod actions;
pub mod cleanup;
pub mod client;
pub mod command;
pub mod demo;
pub mod draw;
pub mod error;
mod exit_choice;
pub mod exits_report;
pub mod fabric;
pub mod fault;
pub mod holder;
pub mod layout;
pub mod lock;
pub mod observe;
pub mod peer;
pub mod ping;
pub mod probe;
pub mod process;
pub mod provider;
pub mod provider_table;
pub mod report;
pub mod router_file;
pub mod scenario;
pub mod server;
pub mod session;
pub mod site;
pub mod state;
pub mod status;
pub mod summary;
mod tap;
pub mod test;
pub mod trial;
pub mod two_clusters;

pub use command::{LabCommand, run};
