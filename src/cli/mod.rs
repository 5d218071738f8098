//! The commands people type.
//!
//! Read [`arguments`] (which words exist, and the spellings of other routers that are understood),
//! then [`show`] (one file a table), [`config`] (check, diff, apply, schema), [`monitor`], [`run`]
//! (the arguments of the router itself), [`drain`], [`clear`], [`debug`], [`policy`] (a policy
//! tried), [`bgp`] (a table of BGP in a file), [`sim`] (a cluster that does not exist) and
//! [`replay`] (a recorded router again), [`capture`] and [`trace`] with what they share in
//! [`watch`], [`client`] (the socket), [`output`]. What the shell gets back is a word of the house:
//! [`crate::base::exit`].
//!
//! Rendering is pure: rows in, text out. Absent on purpose: the router and the lab; `main` puts
//! them beside the commands of this folder.
#![forbid(unsafe_code)]

pub mod arguments;
pub mod bgp;
pub mod capture;
pub mod clear;
pub mod client;
pub mod config;
pub mod debug;
pub mod drain;
pub mod files;
pub mod monitor;
pub mod output;
pub mod policy;
pub mod replay;
pub mod run;
pub mod show;
pub mod sim;
pub mod trace;
pub mod verify;
pub mod watch;

pub use crate::base::exit::Exit;
pub use arguments::{accept_habits, asks_for_later, host_name, without_aliases};
