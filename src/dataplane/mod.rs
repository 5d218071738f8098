//! The packet path: what a worker lcore does with a burst.
//!
//! Read [`lcore`] (the loop), [`graph`] (the nodes and their order), [`node`] (one file each, in
//! the order of a packet), then what they use: [`ports`], [`flow`], [`limit`]. The border to the
//! control thread is [`punt`], [`inject`] and [`ring`]; what is counted stands in [`mod@drop`] and
//! [`counters`].
//!
//! Absent on purpose: `mac_table` and everything of bridging, which come with the overlay;
//! protocols, which live in `proto` and see only what is punted; copies of packets, which nothing
//! needs before bridging.
// Gap: trace (STYLE §2), the path of single packets through the nodes, for `kumiki trace`.
#![forbid(unsafe_code)]

pub mod counters;
pub mod drop;
pub mod flow;
pub mod graph;
pub mod inject;
pub mod lcore;
pub mod limit;
pub mod node;
pub mod ports;
pub mod punt;
pub mod ring;

pub use counters::{LcoreCounters, LcoreSnapshot};
pub use drop::{DropReason, SilenceReason};
pub use graph::NodeId;
pub use inject::Injected;
pub use lcore::{IdlePolicy, IdleWait, Worker, WorkerCommand, WorkerSetup};
pub use ports::WorkerPort;
pub use punt::{PuntClass, PuntRings, PuntSender, Punted};
pub use ring::Ring;
