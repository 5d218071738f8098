//! `[[route]]` and `[[neighbor]]`: what the administrator says instead of a protocol.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use crate::base::ids::MacAddress;
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// Where a static route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaticRouteTarget {
    /// `via` and, for link-local addresses, `port`.
    Via {
        /// The neighbour.
        address: Ipv6Addr,
        /// The port's name. Default (`None`): the port whose prefix holds the address.
        port: Option<String>,
    },
    /// `via = "blackhole"`: discard.
    Blackhole,
    /// `via = "unreachable"`: discard and say so.
    Unreachable,
}

/// `[[route]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticRoute {
    /// The destinations: `prefix`, or every line of the file named by `prefixes`.
    pub prefixes: Vec<Ipv6Prefix>,
    /// The file they came from; `None` for `prefix`.
    pub file: Option<String>,
    /// Where to.
    pub target: StaticRouteTarget,
}

/// `[[neighbor]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticNeighbor {
    /// The neighbour's address.
    pub address: Ipv6Addr,
    /// Its MAC address.
    pub mac: MacAddress,
    /// The port's name.
    pub port: String,
}

/// The keys of `[[route]]`.
pub const ROUTE: BlockDoc = BlockDoc {
    name: "route",
    is_list: true,
    help: "A static route; it wins over OSPF.",
    keys: &[
        KeyDoc {
            name: "prefix",
            kind: KeyKind::Prefix,
            unit: "",
            default: "none: either prefix or prefixes is required",
            needs_restart: false,
            help: "Destinations.",
        },
        KeyDoc {
            name: "prefixes",
            kind: KeyKind::File,
            unit: "",
            default: "none: either prefix or prefixes is required",
            needs_restart: false,
            help: "File with one prefix a line; empty lines and everything after # are skipped.",
        },
        KeyDoc {
            name: "via",
            kind: KeyKind::Gateway,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Next hop. blackhole discards silently, unreachable tells the sender.",
        },
        KeyDoc {
            name: "port",
            kind: KeyKind::Text,
            unit: "",
            default: "the port whose prefix holds via",
            needs_restart: false,
            help: "Name of the port; required where via is link-local.",
        },
    ],
};

/// The keys of `[[neighbor]]`.
pub const NEIGHBOR: BlockDoc = BlockDoc {
    name: "neighbor",
    is_list: true,
    help: "A static neighbour entry: an address whose MAC is not asked for.",
    keys: &[
        KeyDoc {
            name: "address",
            kind: KeyKind::Address,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Address of the neighbour.",
        },
        KeyDoc {
            name: "mac",
            kind: KeyKind::Mac,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Its MAC address.",
        },
        KeyDoc {
            name: "port",
            kind: KeyKind::Text,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Name of the port it is behind.",
        },
    ],
};
