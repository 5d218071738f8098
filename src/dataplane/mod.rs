//! The packet path: what a worker lcore does with a burst.
//!
//! Read [`lcore`] (the loop), [`graph`] (the nodes and their order), [`node`] (one file each, in
//! the order of a packet), then what they use: [`ports`], [`flow`], [`limit`],
//! [`hand_over`] (packets for other workers), [`bfd`] (the sessions that a worker runs),
//! [`mac_table`] and [`overlay`] (what bridging learns, and what a worker needs for it). The border
//! to the control thread is [`punt`], [`inject`] and [`ring`]; what is counted stands in
//! [`mod@drop`], [`counters`] and [`member_counters`]. Who looks on from outside does so by [`tap`]
//! and [`trace`].
//!
//! Absent on purpose: protocols but BFD, which live in `proto` and see only what is punted.
#![forbid(unsafe_code)]

pub mod bfd;
pub mod counters;
pub mod drop;
pub mod flow;
pub mod graph;
pub mod hand_over;
pub mod inject;
pub mod lcore;
pub mod limit;
pub mod mac_table;
pub mod member_counters;
pub mod node;
pub mod overlay;
pub mod ports;
pub mod punt;
pub mod ring;
pub mod tap;
pub mod trace;

pub use bfd::{BfdRings, BfdSetup};
pub use counters::{LcoreCounters, LcoreSnapshot};
pub use drop::{DropReason, SilenceReason};
pub use graph::NodeId;
pub use hand_over::Peers;
pub use inject::Injected;
pub use lcore::{IdlePolicy, IdleWait, Worker, WorkerCommand, WorkerSetup};
pub use mac_table::MacTable;
pub use member_counters::MemberCounts;
pub use overlay::{OverlayEvent, OverlaySetup};
pub use ports::WorkerPort;
pub use punt::{PuntClass, PuntRings, PuntSender, Punted};
pub use ring::Ring;
pub use tap::{Record, Sight, Tap, TapSet, Wanted};
pub use trace::Step;
