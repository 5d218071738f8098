//! What the OSPFv3 machine shows of itself: rows for `show` and for checkers.
//!
//! Owns plain values copied out of the machine; spelling them for people is the business of
//! `control::query` and `cli`.

use super::helper::Helped;
use crate::base::ids::{AreaId, PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{Repair, RouteNextHop};
use crate::base::time::{Duration, Instant};
use core::fmt;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// RFC 2328 §10.1: states of a neighbour, in order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum NeighborState {
    /// No recent word from it.
    #[default]
    Down,
    /// Its hellos arrive.
    Init,
    /// It hears ours.
    TwoWay,
    /// Agreeing on master and sequence number.
    ExStart,
    /// Describing databases.
    Exchange,
    /// Fetching what is newer there.
    Loading,
    /// Adjacent.
    Full,
}

impl fmt::Display for NeighborState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Down => "Down",
            Self::Init => "Init",
            Self::TwoWay => "2-Way",
            Self::ExStart => "ExStart",
            Self::Exchange => "Exchange",
            Self::Loading => "Loading",
            Self::Full => "Full",
        })
    }
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborView {
    /// The port.
    pub port: PortId,
    /// Its router-id.
    pub router_id: RouterId,
    /// Its link-local address.
    pub address: Ipv6Addr,
    /// Its Interface ID.
    pub interface_id: u32,
    /// State.
    pub state: NeighborState,
    /// Since when.
    pub since: Instant,
    /// When it is declared dead.
    pub dead_at: Option<Instant>,
    /// LSAs on its retransmission list.
    pub retransmit_count: u32,
    /// LSAs on its request list.
    pub request_count: u32,
    /// It restarts gracefully and is helped.
    pub helped: Option<Helped>,
    /// What hinders the adjacency, a sentence.
    pub problem: Option<String>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceView {
    /// The port.
    pub port: PortId,
    /// Interface ID.
    pub interface_id: u32,
    /// State of RFC 2328 §9.1 in words: `Down` or `Point-to-point`.
    pub state: &'static str,
    /// Area.
    pub area: AreaId,
    /// Cost.
    pub cost: u16,
    /// HelloInterval.
    pub hello_interval: Duration,
    /// RouterDeadInterval.
    pub dead_interval: Duration,
    /// Neighbours.
    pub neighbor_count: u32,
    /// Neighbours in Full.
    pub full_count: u32,
    /// Why nobody is there, where nobody is.
    pub loneliness: Option<Loneliness>,
}

/// An interface without a neighbour, and without a stranger either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loneliness {
    /// Since when, or since carrier came or went.
    pub since: Instant,
    /// Whether it has carrier.
    pub is_up: bool,
    /// Whether the session with the last neighbour failed, and no hello came since.
    pub has_bfd_failed: bool,
    /// The neighbour it had last, and when that said hello last.
    pub last: Option<(RouterId, Instant)>,
}

/// An LSA of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LsaView {
    /// Port of a link-scope LSA.
    pub port: Option<PortId>,
    /// Area of an area-scope LSA.
    pub area: Option<AreaId>,
    /// LS type in words (`router`, `link`, `intra-area-prefix`, …), hexadecimal where unknown.
    pub kind: String,
    /// Link State ID.
    pub id: u32,
    /// Advertising Router.
    pub router: RouterId,
    /// Age in seconds at the time of asking.
    pub age_s: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Checksum.
    pub checksum: u16,
    /// Length with header, octets.
    pub length: u16,
    /// Body in words, a line each.
    pub body: Vec<String>,
}

/// A route in OSPF's own table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// Destinations.
    pub prefix: Ipv6Prefix,
    /// Cost.
    pub cost: u32,
    /// `intra-area`, `external type 1` or `external type 2`.
    pub kind: &'static str,
    /// Ways; empty where the prefix is this router's own.
    pub next_hops: Vec<RouteNextHop>,
    /// The forwarding address that packets go to, on a link of this router; there are no ways then.
    pub gateway: Option<Ipv6Addr>,
    /// What happens when one of them dies.
    pub cover: CoverView,
    /// Whether they all lead to one neighbour, and a way leads to the destination without it.
    pub has_way_past_neighbor: bool,
}

/// What protects a route against the death of a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoverView {
    /// The destination is here.
    Own,
    /// The other next hops.
    EqualCost,
    /// A repair.
    Repair(Repair),
    /// Nothing, for this reason.
    None(&'static str),
}

/// SPF so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpfView {
    /// Runs.
    pub run_count: u64,
    /// The last one.
    pub last_run: Option<Instant>,
    /// Routers reached by the last run.
    pub router_count: u32,
    /// Prefixes found by the last run.
    pub prefix_count: u32,
    /// State of RFC 8405 §5: `quiet`, `short wait`, `long wait`.
    pub backoff: &'static str,
    /// What triggered the last run.
    pub last_trigger: &'static str,
}
