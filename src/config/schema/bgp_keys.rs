//! The tables of the keys of `[bgp]`, `[[bgp.group]]`, `[[bgp.neighbor]]` and `[[bgp.dynamic]]`.
//!
//! Owns the documentation; the values are in [`super::bgp`].

use super::keys::{BlockDoc, KeyDoc, KeyKind};

/// Most neighbours of a router: a route server's worth.
pub const BGP_NEIGHBORS_MAX: usize = 1024;
/// Neighbours of a dynamic block where nothing else is said: a rack or two of servers.
pub const DYNAMIC_NEIGHBORS: u16 = 64;
/// Most prefixes that a neighbour may be allowed: four times the table of the world in 2026.
pub const MAX_PREFIX_MAX: u32 = 1_000_000;
/// Most octets of a text for the neighbour's administrator (RFC 9003 §2).
pub const SHUTDOWN_OCTETS_MAX: usize = 255;
/// The least hold time beside zero, in seconds (RFC 4271 §4.2).
pub const HOLD_TIME_S_MIN: u64 = 3;

/// The keys of `[bgp]`.
pub const BGP: BlockDoc = BlockDoc {
    name: "bgp",
    is_list: false,
    help: "BGP-4 (RFC 4271) with routers outside of the cluster. Nothing of OSPF ever goes into \
           BGP; what BGP learns goes into OSPF by `[ospf.redistribute]` only.",
    keys: &[
        KeyDoc {
            name: "asn",
            kind: KeyKind::Integer { minimum: 1, maximum: 4_294_967_294 },
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "AS number of this cluster, of two octets or four.",
        },
        KeyDoc {
            name: "router_id",
            kind: KeyKind::RouterId,
            unit: "",
            default: "ospf.router_id",
            needs_restart: false,
            help: "BGP identifier, unique in the AS.",
        },
        KeyDoc {
            name: "cluster_id",
            kind: KeyKind::RouterId,
            unit: "",
            default: "bgp.router_id",
            needs_restart: false,
            help: "For route reflectors (RFC 4456): the same on all that reflect for the same \
                   clients.",
        },
        KeyDoc {
            name: "aggregates",
            kind: KeyKind::Prefixes,
            unit: "",
            default: "[]",
            needs_restart: false,
            help: "Prefixes that the cluster announces to the world, each while this router \
                   reaches the cluster. The only routes that begin here.",
        },
        KeyDoc {
            name: "hold_time",
            kind: KeyKind::Integer { minimum: 0, maximum: 65535 },
            unit: "seconds",
            default: "90",
            needs_restart: false,
            help: "Silence after which a neighbour is dead; the smaller one of both ends counts. 0 \
                   for never, else 3 or more.",
        },
        KeyDoc {
            name: "keepalive_time",
            kind: KeyKind::Integer { minimum: 1, maximum: 21845 },
            unit: "seconds",
            default: "a third of the hold time that was agreed on",
            needs_restart: false,
            help: "Time between keepalives, where it is shorter than the default.",
        },
        KeyDoc {
            name: "connect_retry_time",
            kind: KeyKind::Integer { minimum: 1, maximum: 3600 },
            unit: "seconds",
            default: "15",
            needs_restart: false,
            help: "Time between two tries to connect to a neighbour that is not there.",
        },
        KeyDoc {
            name: "graceful_restart",
            kind: KeyKind::Choice(&["off", "helper", "full"]),
            unit: "",
            default: "full",
            needs_restart: false,
            help: "RFC 4724, RFC 8538: helper keeps routes of neighbours that restart, full also \
                   asks them to keep ours.",
        },
        KeyDoc {
            name: "restart_time",
            kind: KeyKind::Integer { minimum: 1, maximum: 4095 },
            unit: "seconds",
            default: "90",
            needs_restart: false,
            help: "How long neighbours shall keep our routes while this router restarts.",
        },
        KeyDoc {
            name: "multipath",
            kind: KeyKind::Integer { minimum: 1, maximum: 64 },
            unit: "paths",
            default: "8",
            needs_restart: false,
            help: "Equally good paths that share the traffic of a prefix; 1 for the best one only.",
        },
        KeyDoc {
            name: "multipath_any_as",
            kind: KeyKind::Boolean,
            unit: "",
            default: "true",
            needs_restart: false,
            help: "Whether paths that share traffic may come from different neighbouring ASes: two \
                   providers are two exits.",
        },
        KeyDoc {
            name: "always_compare_med",
            kind: KeyKind::Boolean,
            unit: "",
            default: "false",
            needs_restart: false,
            help: "Compare MULTI_EXIT_DISC of paths from different ASes too.",
        },
    ],
};

const NEIGHBOR_OWN: &[KeyDoc] = &[
    KeyDoc {
        name: "address",
        kind: KeyKind::Address,
        unit: "",
        default: "that of the other router on the link of `port`",
        needs_restart: false,
        help: "Its address; a link-local one needs `port`. Where the address is this router's own, \
               or no port leads to it, the block is inactive, so that one file serves all servers. \
               Without an address `port` is required: the neighbour is the router on that link, \
               in another AS, found by its router advertisements or when it connects.",
    },
    KeyDoc {
        name: "port",
        kind: KeyKind::Text,
        unit: "",
        default: "the port whose prefix holds the address",
        needs_restart: false,
        help: "Name of the port that it is on.",
    },
    KeyDoc {
        name: "name",
        kind: KeyKind::Text,
        unit: "",
        default: "its address, or its port where it has none",
        needs_restart: false,
        help: "What it is called in `show` and events.",
    },
    KeyDoc {
        name: "description",
        kind: KeyKind::Text,
        unit: "",
        default: "none",
        needs_restart: false,
        help: "A word for people.",
    },
    KeyDoc {
        name: "group",
        kind: KeyKind::Text,
        unit: "",
        default: "none",
        needs_restart: false,
        help: "Name of a `[[bgp.group]]`: what this block does not say, that one says.",
    },
];

const DYNAMIC_OWN: &[KeyDoc] = &[
    KeyDoc {
        name: "prefix",
        kind: KeyKind::Prefix,
        unit: "",
        default: "none: required",
        needs_restart: false,
        help: "Who connects from here is a neighbour; of several blocks the longest prefix counts, \
               and a [[bgp.neighbor]] before all of them.",
    },
    KeyDoc {
        name: "description",
        kind: KeyKind::Text,
        unit: "",
        default: "none",
        needs_restart: false,
        help: "A word for people.",
    },
    KeyDoc {
        name: "group",
        kind: KeyKind::Text,
        unit: "",
        default: "none",
        needs_restart: false,
        help: "Name of a `[[bgp.group]]`: what this block does not say, that one says.",
    },
    KeyDoc {
        name: "max_neighbors",
        kind: KeyKind::Integer { minimum: 1, maximum: 1024 },
        unit: "",
        default: "64",
        needs_restart: false,
        help: "Neighbours of this block at once; whoever comes then is turned away.",
    },
];

const GROUP_OWN: &[KeyDoc] = &[KeyDoc {
    name: "name",
    kind: KeyKind::Text,
    unit: "",
    default: "none: required",
    needs_restart: false,
    help: "Name by which neighbours join it.",
}];

const SHARED: &[KeyDoc] = &[
    KeyDoc {
        name: "asn",
        kind: KeyKind::RemoteAs,
        unit: "",
        default: "none: required, here or in the group",
        needs_restart: false,
        help: "AS of the neighbour: a number, external for any but ours, internal for ours.",
    },
    KeyDoc {
        name: "local_address",
        kind: KeyKind::Address,
        unit: "",
        default: "the router's on the link, else its loopback",
        needs_restart: false,
        help: "Own address on the session.",
    },
    KeyDoc {
        name: "passive",
        kind: KeyKind::Boolean,
        unit: "",
        default: "false",
        needs_restart: false,
        help: "Wait for the neighbour to connect.",
    },
    KeyDoc {
        name: "password",
        kind: KeyKind::FileReference,
        unit: "",
        default: "none",
        needs_restart: false,
        help: "File with the password of TCP-MD5 (RFC 2385), up to 80 octets; white space around \
               it does not count.",
    },
    KeyDoc {
        name: "multihop",
        kind: KeyKind::Integer { minimum: 1, maximum: 255 },
        unit: "hops",
        default: "1 to another AS, as far as it takes within ours",
        needs_restart: false,
        help: "How far away the neighbour may be: the hop limit of packets to it.",
    },
    KeyDoc {
        name: "ttl_security_hops",
        kind: KeyKind::Integer { minimum: 1, maximum: 254 },
        unit: "hops",
        default: "not asked",
        needs_restart: false,
        help: "GTSM (RFC 5082): packets from further away are not for BGP, whoever claims to have \
               sent them. Both ends need it. Instead of `multihop`.",
    },
    KeyDoc {
        name: "hold_time",
        kind: KeyKind::Integer { minimum: 0, maximum: 65535 },
        unit: "seconds",
        default: "bgp.hold_time",
        needs_restart: false,
        help: "Silence after which the neighbour is dead.",
    },
    KeyDoc {
        name: "keepalive_time",
        kind: KeyKind::Integer { minimum: 1, maximum: 21845 },
        unit: "seconds",
        default: "bgp.keepalive_time",
        needs_restart: false,
        help: "Time between keepalives.",
    },
    KeyDoc {
        name: "send_hold_time",
        kind: KeyKind::Integer { minimum: 3, maximum: 65535 },
        unit: "seconds",
        default: "twice the hold time, 480 at least",
        needs_restart: false,
        help: "How long the neighbour may read nothing of what it is sent (RFC 9687): then it is \
               dead, however often it says that it lives. Not less than the hold time.",
    },
    KeyDoc {
        name: "connect_retry_time",
        kind: KeyKind::Integer { minimum: 1, maximum: 3600 },
        unit: "seconds",
        default: "bgp.connect_retry_time",
        needs_restart: false,
        help: "Time between two tries to connect.",
    },
    KeyDoc {
        name: "graceful_restart",
        kind: KeyKind::Choice(&["off", "helper", "full"]),
        unit: "",
        default: "bgp.graceful_restart",
        needs_restart: false,
        help: "What is done for graceful restarts.",
    },
    KeyDoc {
        name: "role",
        kind: KeyKind::Choice(&[
            "provider",
            "route_server",
            "route_server_client",
            "customer",
            "peer",
        ]),
        unit: "",
        default: "none",
        needs_restart: false,
        help: "What this router is to a neighbour in another AS (RFC 9234): routes that would leak \
               are then neither taken nor sent. A route server stays out of paths and next hops; a \
               client of one takes paths that do not begin with its AS.",
    },
    KeyDoc {
        name: "role_strict",
        kind: KeyKind::Boolean,
        unit: "",
        default: "false",
        needs_restart: false,
        help: "Refuse a neighbour that says no role (RFC 9234 §4.2).",
    },
    KeyDoc {
        name: "import",
        kind: KeyKind::Text,
        unit: "",
        default: "nothing is taken from another AS (RFC 8212), all within ours",
        needs_restart: false,
        help: "Name of the `[[policy]]` for routes of the neighbour.",
    },
    KeyDoc {
        name: "export",
        kind: KeyKind::Text,
        unit: "",
        default: "nothing is told to another AS (RFC 8212), all within ours",
        needs_restart: false,
        help: "Name of the `[[policy]]` for routes to the neighbour.",
    },
    KeyDoc {
        name: "next_hop_self",
        kind: KeyKind::Boolean,
        unit: "",
        default: "true to another AS, false within ours",
        needs_restart: false,
        help: "Name this router as next hop of routes that other neighbours sent.",
    },
    KeyDoc {
        name: "route_reflector_client",
        kind: KeyKind::Boolean,
        unit: "",
        default: "false",
        needs_restart: false,
        help: "Reflect routes of other neighbours within our AS to it, and its own to them (RFC \
               4456).",
    },
    KeyDoc {
        name: "add_path",
        kind: KeyKind::Choice(&["off", "receive", "send", "both"]),
        unit: "",
        default: "off",
        needs_restart: false,
        help: "Several paths of one prefix (RFC 7911): whether they are taken or sent.",
    },
    KeyDoc {
        name: "add_path_max",
        kind: KeyKind::Integer { minimum: 1, maximum: 8 },
        unit: "paths",
        default: "8",
        needs_restart: false,
        help: "How many paths of a prefix it is sent.",
    },
    KeyDoc {
        name: "max_prefix",
        kind: KeyKind::Integer { minimum: 1, maximum: MAX_PREFIX_MAX as i64 },
        unit: "prefixes",
        default: "as many as fit",
        needs_restart: false,
        help: "How many prefixes it may send; one more ends the session.",
    },
    KeyDoc {
        name: "max_prefix_warning_percent",
        kind: KeyKind::Integer { minimum: 1, maximum: 100 },
        unit: "percent",
        default: "75",
        needs_restart: false,
        help: "Of max_prefix: with so many an event warns.",
    },
    KeyDoc {
        name: "max_prefix_restart_time",
        kind: KeyKind::Integer { minimum: 1, maximum: 604_800 },
        unit: "seconds",
        default: "none: it stays down until it is told to come back",
        needs_restart: false,
        help: "When a session that had too many prefixes is tried again.",
    },
    KeyDoc {
        name: "enforce_first_as",
        kind: KeyKind::Boolean,
        unit: "",
        default: "true",
        needs_restart: false,
        help: "Refuse paths of another AS that do not begin with it (RFC 4271 §6.3).",
    },
    KeyDoc {
        name: "allow_own_as",
        kind: KeyKind::Integer { minimum: 0, maximum: 10 },
        unit: "times",
        default: "0",
        needs_restart: false,
        help: "How often our AS may be in its paths, for sites that reach each other through it.",
    },
    KeyDoc {
        name: "blackhole",
        kind: KeyKind::Boolean,
        unit: "",
        default: "false",
        needs_restart: false,
        help: "Discard packets to prefixes that it marks with BLACKHOLE (RFC 7999).",
    },
    KeyDoc {
        name: "bfd",
        kind: KeyKind::Boolean,
        unit: "",
        default: "false",
        needs_restart: false,
        help: "End the session when BFD finds the neighbour dead (RFC 5882). A neighbour without \
               BFD keeps its session. One neighbour a port is watched.",
    },
    KeyDoc {
        name: "shutdown",
        kind: KeyKind::Text,
        unit: "",
        default: "none: the session runs",
        needs_restart: false,
        help: "Keep the session down, and tell the neighbour why (RFC 9003); an empty text for no \
               reason.",
    },
];

/// Two tables as one.
const fn joined<const N: usize>(first: &[KeyDoc], second: &[KeyDoc]) -> [KeyDoc; N] {
    assert!(first.len() + second.len() == N, "the length is that of both");
    let mut keys = [first[0]; N];
    let mut at = 0;
    while at < N {
        keys[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    keys
}

const GROUP_KEYS: [KeyDoc; GROUP_OWN.len() + SHARED.len()] = joined(GROUP_OWN, SHARED);
const DYNAMIC_KEYS: [KeyDoc; DYNAMIC_OWN.len() + SHARED.len()] = joined(DYNAMIC_OWN, SHARED);
const NEIGHBOR_KEYS: [KeyDoc; NEIGHBOR_OWN.len() + SHARED.len()] = joined(NEIGHBOR_OWN, SHARED);

/// The keys of `[[bgp.group]]`.
pub const BGP_GROUP: BlockDoc = BlockDoc {
    name: "bgp.group",
    is_list: true,
    help: "What several neighbours have in common; each joins by `group`, and what it says itself \
           wins.",
    keys: &GROUP_KEYS,
};

/// The keys of `[[bgp.neighbor]]`.
pub const BGP_NEIGHBOR: BlockDoc = BlockDoc {
    name: "bgp.neighbor",
    is_list: true,
    help: "A BGP neighbour. One in another AS needs `import` to be heard and `export` to hear.",
    keys: &NEIGHBOR_KEYS,
};

/// The keys of `[[bgp.dynamic]]`.
pub const BGP_DYNAMIC: BlockDoc = BlockDoc {
    name: "bgp.dynamic",
    is_list: true,
    help: "Neighbours that are not named one by one: whoever connects from a prefix. This router \
           only listens for them, and forgets one that stays away.",
    keys: &DYNAMIC_KEYS,
};
