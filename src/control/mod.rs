//! The control plane as one pure value.
//!
//! Read [`input`] and [`action`] first: they are the whole border. Then [`plane`] (what there is
//! and how one input runs through it), `apply` (a configuration becomes inputs of the machines),
//! `port` (what a port is to each of them), `connected` (the router's own routes), `death_mark`
//! (neighbours that OSPF lost), `bfd` (sessions with neighbours), `bgp` (the speaker at the edge)
//! with `bgp_query`, `bgp_table`, `bgp_clear`, `bgp_reason` and `redistribute`, `rpki` with
//! `rpki_query` (what caches say of origins), `bmp` with `bmp_query` (what stations are told),
//! `feed` (connections to both), [`bgp_settings`] (what a configuration says to BGP, and its
//! policies), `deliver` (what the machines want becomes actions), `frame` (octets around their
//! messages), [`inherit`] (from a control plane that failed to the next), `report` (events in
//! words), `stub` (when nobody shall send through this router), `self_check` (whether it forwards
//! as it believes), `tenant` with `tenant_query` (segments over the cluster), `query` (answers to
//! `show`). [`recording`] is a life of it, written down.
//!
//! Absent on purpose: clocks, sockets, threads (they are in `daemon` and `sim`) and anything that a
//! single protocol could decide alone.
#![forbid(unsafe_code)]

pub mod action;
mod apply;
mod bfd;
mod bgp;
mod bgp_clear;
mod bgp_deaf;
mod bgp_dynamic;
mod bgp_exchange;
mod bgp_link;
mod bgp_listing;
mod bgp_policy_query;
mod bgp_query;
mod bgp_reason;
pub mod bgp_settings;
mod bgp_table;
mod bgp_watch;
mod bmp;
mod bmp_query;
mod connected;
mod death_mark;
mod deliver;
mod feed;
mod frame;
pub mod inherit;
pub mod input;
pub mod plane;
mod port;
mod query;
pub mod recording;
mod redistribute;
mod report;
mod rpki;
mod rpki_query;
mod self_check;
mod stub;
mod tenant;
mod tenant_query;

#[cfg(test)]
mod tests;

pub use crate::proto::bgp::transport as bgp_transport;
pub use action::Action;
pub use bgp_link::{HostLink, scope_of};
pub use inherit::{Legacy, Testament};
pub use input::{AttachedPort, Input};
pub use plane::{ControlCounters, ControlOptions, ControlPlane, Plane};
pub use tenant::{MemberKey, TenantNumbers};
