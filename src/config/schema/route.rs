//! `[[route]]` and `[[neighbor]]`: what the administrator says instead of a protocol.

use crate::base::ids::MacAddress;
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;
use serde::Serialize;

/// Where a static route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaticRoute {
    /// The destinations: `prefix`, or every line of the file named by `prefixes`.
    pub prefixes: Vec<Ipv6Prefix>,
    /// Where to.
    pub target: StaticRouteTarget,
}

/// `[[neighbor]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaticNeighbor {
    /// The neighbour's address.
    pub address: Ipv6Addr,
    /// Its MAC address.
    pub mac: MacAddress,
    /// The port's name.
    pub port: String,
}
