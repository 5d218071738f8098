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
    /// Aggregates that are configured and not announced, because OSPF reaches no router in them.
    #[serde(default)]
    pub aggregates_waiting: Vec<Ipv6Prefix>,
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
    /// The port that its block names.
    #[serde(default)]
    pub port: Option<String>,
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
    /// State of the BFD session that watches it; `None` where it is not watched.
    #[serde(default)]
    pub bfd: Option<String>,
    /// The AS that its block says: a number, `external` or `internal`.
    #[serde(default)]
    pub remote_as: Option<String>,
    /// How long ago the session ended last.
    #[serde(default)]
    pub last_down_ago_ms: Option<u64>,
    /// In which time the session is tried again, where it waits or is kept down for a time.
    #[serde(default)]
    pub retry_in_ms: Option<u64>,
    /// What its block says; `None` where it is not on this server.
    #[serde(default)]
    pub settings: Option<BgpNeighborSettings>,
    /// The role that it says it has (RFC 9234).
    #[serde(default)]
    pub peer_role: Option<String>,
    /// How long its restart may take (RFC 4724); `None` where nothing is kept for it.
    #[serde(default)]
    pub peer_restart_time_ms: Option<u64>,
    /// Messages by type; bounds of a route refresh count as updates where they were sent.
    #[serde(default)]
    pub messages: Vec<BgpMessageRow>,
}

impl BgpNeighborRow {
    /// Whether this is its name or its address.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.address.is_some_and(|address| name.parse() == Ok(address))
    }
}

/// What a neighbour's block says, with what its group says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpNeighborSettings {
    /// Whether it is in another AS.
    pub is_external: bool,
    /// Name of the policy for what it sends.
    pub import: Option<String>,
    /// Name of the policy for what it is told.
    pub export: Option<String>,
    /// What this router is to it (RFC 9234).
    pub role: Option<String>,
    /// Whether packets have a password (RFC 2385).
    pub has_password: bool,
    /// The least hop limit of its packets (RFC 5082); zero for any.
    pub hop_limit_least: u8,
    /// Whether it is a client of this reflector (RFC 4456).
    pub is_client: bool,
    /// How many paths it may have.
    pub max_prefix: Option<u32>,
    /// After which time a session that had more is tried again.
    pub max_prefix_restart_time_ms: Option<u64>,
    /// Whether this router only listens for it.
    pub is_passive: bool,
}

/// Messages of a type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpMessageRow {
    /// Which type, such as `update`.
    pub kind: String,
    /// How many came.
    pub received_count: u64,
    /// How many were sent.
    pub sent_count: u64,
}

/// What became of a wish about sessions of BGP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpCleared {
    /// Why nothing was done, where nobody was meant.
    pub refusal: Option<String>,
    /// The neighbours that were meant.
    pub neighbors: Vec<BgpClearedRow>,
}

/// A neighbour whose session was to be cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpClearedRow {
    /// What it is called.
    pub name: String,
    /// Why it was not done.
    pub problem: Option<String>,
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
    /// against the best; of a refused one, why it is.
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
    /// Since when it is known, in milliseconds.
    pub age_ms: u64,
    /// What the RPKI says of its origin (RFC 6811): `valid`, `invalid` or `not_found`; `None`
    /// where no cache has said anything.
    pub rpki: Option<String>,
    /// Kept of an earlier session (RFC 4724).
    pub is_stale: bool,
}

/// What a route carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpAttributesRow {
    /// Where packets go next.
    pub next_hop: Option<Ipv6Addr>,
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
    /// EXTENDED_COMMUNITIES, hexadecimal.
    pub extended_communities: Vec<String>,
    /// RFC 9234: the AS behind which only customers may have it.
    pub only_to_customer: Option<u32>,
}

/// A path that a neighbour was told of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpAdvertisedRow {
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// RFC 7911: Path Identifier; `None` where the session has none.
    pub path_id: Option<u32>,
    /// From whom it came; `local` for what this router announces itself.
    pub from: String,
    /// Whether the neighbour was told of a path of this prefix already, or will be when it reads.
    pub is_told: bool,
    /// What it is told.
    #[serde(flatten)]
    pub attributes: BgpAttributesRow,
}

/// A path as a neighbour has sent it, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpReceivedRow {
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// RFC 7911: Path Identifier; `None` where the session has none.
    pub path_id: Option<u32>,
    /// Time since it came.
    pub age_ms: u64,
    /// Kept of an earlier session (RFC 4724).
    pub is_stale: bool,
    /// Whether it may be used.
    pub is_accepted: bool,
    /// Why not, in words.
    pub reason: Option<String>,
    /// The policy that was asked.
    pub policy: Option<String>,
    /// The number of the clause that decided, from one; `None` where the default did, or no policy
    /// was asked.
    pub clause: Option<u64>,
    /// The name of that clause.
    pub clause_name: Option<String>,
    /// What the policy changed.
    pub changes: Vec<BgpChangeRow>,
    /// What was sent.
    #[serde(flatten)]
    pub attributes: BgpAttributesRow,
}

/// An attribute that is another one behind a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpChangeRow {
    /// Which.
    pub attribute: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpPolicyRow {
    /// Its name.
    pub name: String,
    /// What becomes of routes that no clause decides: `accept` or `reject`.
    pub default: String,
    /// Whether the prefix is looked at: then it is asked about each route, else once about all
    /// routes with the same attributes.
    pub looks_at_prefix: bool,
    /// Who asks it, a phrase each.
    pub used_by: Vec<String>,
    /// Times that the default decided.
    pub default_count: u64,
    /// How many clauses it has.
    pub clause_count: u64,
    /// The clauses in order; none where there were too many for one answer.
    pub clauses: Vec<BgpClauseRow>,
    /// The prefix lists that it names.
    pub prefix_lists: Vec<BgpPrefixListRow>,
}

/// A clause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpClauseRow {
    /// Its number, from one.
    pub number: u64,
    /// Its name.
    pub name: Option<String>,
    /// What must hold, as in the configuration, without `match.`.
    pub conditions: Vec<String>,
    /// What changes, as in the configuration, without `set.`.
    pub changes: Vec<String>,
    /// `accept`, `reject` or `next`.
    pub action: String,
    /// Times that it matched, since the policy is as it is.
    pub match_count: u64,
}

/// A prefix list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpPrefixListRow {
    /// Its name.
    pub name: String,
    /// The file that it comes from.
    pub file: Option<String>,
    /// How many entries it has.
    pub entry_count: u64,
    /// The first of them.
    pub entries: Vec<String>,
}

/// A page of a table, not in the order of prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpTablePage {
    /// The paths.
    pub paths: Vec<BgpTablePath>,
    /// Where the next page begins; `None` where this is the last one.
    pub next: Option<u32>,
}

/// A path of a prefix with its attributes as octets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpTablePath {
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// Name of the neighbour; `None` for what this router announces itself.
    pub from: Option<String>,
    /// RFC 7911: Path Identifier; zero where there is none.
    pub path_id: u32,
    /// How long ago it came, in seconds.
    pub age_s: u64,
    /// The global address where packets go next.
    pub next_hop: Option<Ipv6Addr>,
    /// The one of the link.
    pub link_local: Option<Ipv6Addr>,
    /// Attributes but MP_REACH_NLRI as in an UPDATE within an AS, AS numbers with four octets, in
    /// hexadecimal digits.
    #[serde(with = "crate::base::hex")]
    pub attributes: Vec<u8>,
}
