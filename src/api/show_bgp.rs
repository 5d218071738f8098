//! What a router shows of BGP.
//!
//! Owns the rows of `show bgp`. Fields are only ever added within one version of the API.

use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// `show bgp summary`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpSummaryRow {
    /// Our AS; `None` where BGP is not configured.
    pub asn: Option<u32>,
    /// Our BGP identifier.
    pub router_id: Option<RouterId>,
    /// Prefixes in the tables.
    pub prefix_count: u64,
    /// Paths of all neighbours.
    pub path_count: u64,
    /// Different sets of attributes.
    pub attribute_set_count: u64,
    /// Groups of exits that prefixes share.
    pub exit_group_count: u64,
    /// Octets of all tables, without what the allocator adds.
    pub memory_bytes: u64,
    /// Aggregates that are announced now.
    pub aggregates: Vec<Ipv6Prefix>,
    /// Routes that went into OSPF.
    pub redistributed_count: u64,
    /// Routes that are held back from OSPF because they come and go.
    pub damped_count: u64,
    /// Next hops, and at which cost of the interior protocol they are reached.
    pub next_hops: Vec<BgpNextHopRow>,
    /// The neighbours.
    pub neighbors: Vec<BgpNeighborRow>,
}

/// A next hop of paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpNextHopRow {
    /// Its global address.
    pub address: Option<Ipv6Addr>,
    /// Its address on a link.
    pub link_local: Option<Ipv6Addr>,
    /// The cost, zero on an own link; `None` where it is not reached.
    pub cost: Option<u32>,
}

/// A neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpNeighborRow {
    /// What it is called.
    pub name: String,
    /// A word for people.
    pub description: Option<String>,
    /// Its address.
    pub address: Option<Ipv6Addr>,
    /// Own address on the session.
    pub local_address: Option<Ipv6Addr>,
    /// Its AS, once it is known.
    pub asn: Option<u32>,
    /// Its BGP identifier, once it is known.
    pub router_id: Option<RouterId>,
    /// State of RFC 4271 §8.2.2, or `inactive` where the block says nothing on this server.
    pub state: String,
    /// Why it is inactive, shut down or not up.
    pub reason: Option<String>,
    /// Time in this state.
    pub state_age_ms: u64,
    /// Hold time that was agreed on; zero for none.
    pub hold_time_ms: Option<u64>,
    /// Time between keepalives.
    pub keepalive_time_ms: Option<u64>,
    /// Paths that it has announced.
    pub received_count: u64,
    /// Those that may be used.
    pub accepted_count: u64,
    /// Those kept of an earlier session.
    pub stale_count: u64,
    /// Paths that it was told of.
    pub advertised_count: u64,
    /// Messages that came.
    pub messages_in: u64,
    /// Messages that were sent.
    pub messages_out: u64,
    /// Times the session was Established and ended.
    pub lost_count: u64,
    /// Why it ended last.
    pub last_down: Option<String>,
    /// What both ends can do, by name.
    pub capabilities: Vec<String>,
    /// Octets that its socket has not taken.
    pub queue_octets: u64,
}

/// A path of a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpPathRow {
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// From whom; `local` for what this router announces itself.
    pub from: String,
    /// Where packets go next; `None` for this router.
    pub next_hop: Option<Ipv6Addr>,
    /// Whether it is the best one.
    pub is_best: bool,
    /// How it stands, in a word: `best`, `multipath`, `lost`, `unreachable`, `refused`, `gone`.
    pub standing: String,
    /// The rule that decided: of the best path against the one that came nearest, of others
    /// against the best.
    pub decided_by: Option<String>,
    /// AS_PATH.
    pub as_path: String,
    /// ORIGIN.
    pub origin: String,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// COMMUNITIES and LARGE_COMMUNITY.
    pub communities: Vec<String>,
    /// Kept of an earlier session (RFC 4724).
    pub is_stale: bool,
}
