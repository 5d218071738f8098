//! Everything impure: threads, sockets, the clock, signals, devices.
//!
//! Read [`options`] and [`error`], [`messages`] (what the threads say to each other) over
//! [`mailbox`], then the threads: [`worker`] (the packet path), [`control`] (the control plane).
//! Around them: [`files`], [`devices`], [`cpus`], [`clock`], [`log`], [`counters`].
//!
//! Absent on purpose: protocols (`control` is a pure value, driven from here) and what happens to a
//! packet (`dataplane`).
#![forbid(unsafe_code)]

pub mod clock;
pub mod control;
pub mod counters;
pub mod cpus;
pub mod devices;
pub mod error;
pub mod files;
pub mod log;
pub mod mailbox;
pub mod messages;
pub mod options;
pub mod worker;

pub use error::RunError;
pub use options::RunOptions;
