//! Members of tenants find each other: announcements in, pseudowires out, as a pure machine.
//!
//! Read [`input`] and [`action`] first: they are the border; [`view`] is what the machine shows of
//! itself. Then [`key`] (what both ends of a pseudowire derive from the cluster key), [`epoch`]
//! (how cookies change without loss), `announcement` (what this router says), `peer` (what others
//! say), `numbers` (who has which session id), [`members`] (the whole) and `review` (one router
//! looked at anew). [`counters`] has what is counted, [`limits`] every bound.
//!
//! Absent on purpose: how announcements travel, which is OSPF's (`proto::ospf::Input::Opaque` and
//! `Action::Opaque`); numbers of members and domains of the data plane; whether a pseudowire works,
//! which is BFD's; peers outside of the cluster, which are configuration or `proto::l2tp`.

pub mod action;
mod announcement;
pub mod counters;
pub mod epoch;
pub mod input;
pub mod key;
pub mod limits;
pub mod members;
mod numbers;
mod peer;
mod review;
pub mod view;

#[cfg(test)]
mod tests;

pub use action::{Action, DownReason, Notice, Pseudowire, PseudowireName, Refusal};
pub use counters::Counters;
pub use input::{Gone, Input, Settings, TenantSettings};
pub use key::ClusterKey;
pub use members::Members;
pub use view::{MemberView, PseudowireView, TenantView, View};
