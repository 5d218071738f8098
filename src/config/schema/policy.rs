//! `[[prefix_list]]` and `[[policy]]`: which routes BGP takes and gives, and how they change.
//!
//! Owns the values and the tables of their keys. A policy is a list of clauses, asked in order: the
//! first that matches and says accept or reject decides; `next` changes the route and goes on. What
//! no clause decides has the policy's default. The engine is in `proto::bgp::policy`.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use crate::base::as_path_pattern::AsPathPattern;
use crate::base::community::{AnyCommunity, CommunityPattern};
use crate::base::prefix_range::PrefixRange;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// Most policies of a router: a few for each kind of neighbour.
pub const POLICIES_MAX: usize = 1024;
/// Most clauses of a policy: they are asked one after the other.
pub const CLAUSES_MAX: usize = 1024;

/// `[[prefix_list]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixList {
    /// Its name.
    pub name: String,
    /// What is in it, from `entries` or from the lines of `file`; the order says nothing.
    pub entries: Vec<PrefixRange>,
    /// The file that it came from; `None` for `entries`.
    #[serde(default)]
    pub file: Option<String>,
}

/// RFC 4271 §5.1.1: how a route came into BGP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BgpOrigin {
    /// By an interior protocol.
    Igp,
    /// By EGP.
    Egp,
    /// By other means.
    Incomplete,
}

impl BgpOrigin {
    /// Every origin, with its word in the file.
    pub const WORDS: &[(&str, Self)] =
        &[("igp", Self::Igp), ("egp", Self::Egp), ("incomplete", Self::Incomplete)];
}

/// RFC 6811 §2: what the RPKI says of the AS in which a route begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RpkiWord {
    /// It may begin there.
    Valid,
    /// It may not.
    Invalid,
    /// Nothing.
    NotFound,
}

impl RpkiWord {
    /// Every state, with its word in the file.
    pub const WORDS: &[(&str, Self)] =
        &[("valid", Self::Valid), ("invalid", Self::Invalid), ("not_found", Self::NotFound)];
}

/// What becomes of a route that a clause matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyAction {
    /// It is taken.
    Accept,
    /// It is not.
    Reject,
    /// The next clause is asked.
    Next,
}

impl PolicyAction {
    /// Every action, with its word in the file.
    pub const WORDS: &[(&str, Self)] =
        &[("accept", Self::Accept), ("reject", Self::Reject), ("next", Self::Next)];
}

/// What becomes of a route that no clause decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyDefault {
    /// It is taken.
    Accept,
    /// It is not.
    #[default]
    Reject,
}

impl PolicyDefault {
    /// Both, with their words in the file.
    pub const WORDS: &[(&str, Self)] = &[("accept", Self::Accept), ("reject", Self::Reject)];
}

/// `set.next_hop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyNextHop {
    /// This router.
    Own,
    /// This one.
    Address(Ipv6Addr),
}

/// `match.…`: what must all hold; what is not said always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyMatch {
    /// The prefix is in the list of this name.
    pub prefix_list: Option<String>,
    /// The prefix is in one of these.
    pub prefixes: Option<Vec<PrefixRange>>,
    /// The path is like one of these.
    pub as_path: Option<Vec<AsPathPattern>>,
    /// The path has this length at least.
    pub as_path_length_ge: Option<u32>,
    /// And at most this one.
    pub as_path_length_le: Option<u32>,
    /// The route has a community of each of these.
    pub communities: Option<Vec<CommunityPattern>>,
    /// It has one of these.
    pub communities_any: Option<Vec<CommunityPattern>>,
    /// LOCAL_PREF, 100 where there is none.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC, 0 where there is none.
    pub med: Option<u32>,
    /// ORIGIN.
    pub origin: Option<BgpOrigin>,
    /// The next hop.
    pub next_hop: Option<Ipv6Addr>,
    /// What the RPKI says.
    pub rpki: Option<RpkiWord>,
}

/// `set.…`: what changes; what is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicySet {
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC; with redistribution the metric.
    pub med: Option<u32>,
    /// ORIGIN.
    pub origin: Option<BgpOrigin>,
    /// How often our AS is put in front.
    pub prepend: Option<u8>,
    /// The communities instead of those there are.
    pub communities: Option<Vec<AnyCommunity>>,
    /// Communities that go.
    pub remove_communities: Option<Vec<CommunityPattern>>,
    /// Communities that come, after the others went.
    pub add_communities: Option<Vec<AnyCommunity>>,
    /// The next hop.
    pub next_hop: Option<PolicyNextHop>,
    /// With redistribution: the tag.
    pub tag: Option<u32>,
}

/// `[[policy.clause]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyClause {
    /// What it is called.
    pub name: Option<String>,
    /// When.
    #[serde(rename = "match")]
    pub when: PolicyMatch,
    /// What changes.
    pub set: PolicySet,
    /// What becomes of the route.
    pub action: PolicyAction,
}

/// `[[policy]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// What becomes of a route that no clause decided. Default: reject.
    pub default: PolicyDefault,
    /// Its clauses, in order.
    pub clauses: Vec<PolicyClause>,
}

/// The keys of `[[prefix_list]]`.
pub const PREFIX_LIST: BlockDoc = BlockDoc {
    name: "prefix_list",
    is_list: true,
    help: "Prefixes under a name, for `match.prefix_list` of any policy.",
    keys: &[
        KeyDoc {
            name: "name",
            kind: KeyKind::Text,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Its name.",
        },
        KeyDoc {
            name: "entries",
            kind: KeyKind::PrefixRanges,
            unit: "",
            default: "none: either entries or file is required",
            needs_restart: false,
            help: "A prefix alone is itself only; `ge` and `le` are the least and the most length \
                   of prefixes inside it, `ge` alone goes up to 128. The order says nothing.",
        },
        KeyDoc {
            name: "file",
            kind: KeyKind::File,
            unit: "",
            default: "none: either entries or file is required",
            needs_restart: false,
            help: "File with an entry a line, such as a program makes from a routing registry; \
                   `#` begins a comment.",
        },
    ],
};

/// The keys of `[[policy]]`.
pub const POLICY: BlockDoc = BlockDoc {
    name: "policy",
    is_list: true,
    help: "Which routes are taken or given, and how they change on the way: clauses, asked in \
           order. `kumiki policy test NAME --route PREFIX` tries one.",
    keys: &[
        KeyDoc {
            name: "name",
            kind: KeyKind::Text,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Name by which `import`, `export` and `[ospf.redistribute]` use it.",
        },
        KeyDoc {
            name: "default",
            kind: KeyKind::Choice(&["accept", "reject"]),
            unit: "",
            default: "reject",
            needs_restart: false,
            help: "What becomes of a route that no clause has decided.",
        },
    ],
};

const fn key(name: &'static str, kind: KeyKind, help: &'static str) -> KeyDoc {
    KeyDoc { name, kind, unit: "", default: "any", needs_restart: false, help }
}

const fn edit(name: &'static str, kind: KeyKind, help: &'static str) -> KeyDoc {
    KeyDoc { name, kind, unit: "", default: "as it is", needs_restart: false, help }
}

const U32: KeyKind = KeyKind::Integer { minimum: 0, maximum: 4_294_967_295 };

/// The keys of `[[policy.clause]]`.
pub const POLICY_CLAUSE: BlockDoc = BlockDoc {
    name: "policy.clause",
    is_list: true,
    help: "A clause of the `[[policy]]` above it: what must hold of a route (`match.…`, all of \
           it), what changes then (`set.…`), and what becomes of it (`action`). `match = { … }` \
           may be written for several keys at once.",
    keys: &[
        KeyDoc {
            name: "name",
            kind: KeyKind::Text,
            unit: "",
            default: "its number",
            needs_restart: false,
            help: "What `policy test` calls it.",
        },
        key("match.prefix_list", KeyKind::Text, "The prefix is in the list of this name."),
        key("match.prefixes", KeyKind::PrefixRanges, "The prefix is in one of these."),
        key(
            "match.as_path",
            KeyKind::AsPathPatterns,
            "The whole AS path is like one of these: words from the neighbour to the origin. A \
             number is this AS, `64512-65534` one of a range, `?` any one, `*` any number of any, \
             `64500+` one or more of it. `64500 *` came from that neighbour, `* 64500` began in \
             it, the empty pattern is what begins here. A set counts as one AS that is any of its \
             members.",
        ),
        key(
            "match.as_path_length_ge",
            U32,
            "The AS path has at least so many ASes; a set counts as one.",
        ),
        key("match.as_path_length_le", U32, "It has at most so many."),
        key(
            "match.communities",
            KeyKind::CommunityPatterns,
            "For each of these the route has a community that is like it: standard or large, by \
             number or name, with `*` and ranges for a number.",
        ),
        key(
            "match.communities_any",
            KeyKind::CommunityPatterns,
            "The route has a community that is like one of these.",
        ),
        key("match.local_pref", U32, "LOCAL_PREF, which counts as 100 where there is none."),
        key("match.med", U32, "MULTI_EXIT_DISC, which counts as 0 where there is none."),
        key("match.origin", KeyKind::Choice(&["igp", "egp", "incomplete"]), "ORIGIN."),
        key("match.next_hop", KeyKind::Address, "The next hop, as it was received."),
        key(
            "match.rpki",
            KeyKind::Choice(&["valid", "invalid", "not_found"]),
            "What the RPKI says of the AS in which the route begins (RFC 6811); not_found without \
             a cache.",
        ),
        edit("set.local_pref", U32, "LOCAL_PREF."),
        edit("set.med", U32, "MULTI_EXIT_DISC; with `[ospf.redistribute]` the metric."),
        edit("set.origin", KeyKind::Choice(&["igp", "egp", "incomplete"]), "ORIGIN."),
        edit(
            "set.prepend",
            KeyKind::Integer { minimum: 1, maximum: 32 },
            "How often our AS is put in front of the AS path, beside the once that every export \
             to another AS does.",
        ),
        edit(
            "set.communities",
            KeyKind::Communities,
            "These, instead of all standard and large communities there are; [] for none.",
        ),
        edit(
            "set.remove_communities",
            KeyKind::CommunityPatterns,
            "Takes communities like these away.",
        ),
        edit("set.add_communities", KeyKind::Communities, "Adds these, after the others went."),
        edit("set.next_hop", KeyKind::NextHop, "The next hop; self, for exports, is this router."),
        edit("set.tag", U32, "With `[ospf.redistribute]`: the tag of the route in OSPF."),
        KeyDoc {
            name: "action",
            kind: KeyKind::Choice(&["accept", "reject", "next"]),
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "What becomes of a route that matches: accept and reject decide, next asks the \
                   clauses below about the route as it is then.",
        },
    ],
};
