//! Routes as protocols announce them to the RIB.
//!
//! Owns the vocabulary between `proto`/`control` and `rib`: who says it ([`RouteSource`]), what it
//! says ([`RouteUpdate`]). Choosing between sources is the business of `rib::select`.
//!
//! *Invariants*: an update for a `(prefix, source)` replaces what that source said before, next
//! hops included; next-hop sets are never merged across updates.

use crate::base::ids::PortId;
use crate::base::prefix::Ipv6Prefix;
use core::fmt;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// Next hops one route may have: a torus node has four fabric links, a dense circulant sixteen.
pub const ECMP_WIDTH_MAX: usize = 64;

/// What a port is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortRole {
    /// A cable to another router: OSPFv3 point-to-point.
    Fabric,
    /// Servers or guests: a /64 and router advertisements.
    Lan,
    /// Another network: an address, BGP.
    Uplink,
    /// An address, no OSPF.
    Routed,
    /// Guests of tenants: frames are bridged, nothing is routed.
    Tenant,
}

/// Who announced a route. The order is the order of preference at equal distance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteSource {
    /// An address of this router or a prefix on one of its links.
    Connected,
    /// `[[route]]` in the configuration.
    Static,
    /// A neighbour resolved on a connected link: its /128.
    Neighbor,
    /// What a protocol had found before the control plane failed; kept until it speaks again.
    Inherited,
    /// BGP-4, learned from another AS.
    Ebgp,
    /// OSPFv3 intra-area.
    Ospf,
    /// BGP-4, learned within this AS.
    Ibgp,
    /// What this router announces of a whole that it knows parts of: discards what no part covers.
    Aggregate,
}

impl RouteSource {
    /// Administrative distance, the values administrators know from FRR; lower wins. What is
    /// inherited stands between the configuration and every protocol: half of what a protocol will
    /// say must not replace all of what it said.
    pub const fn distance(self) -> u8 {
        match self {
            Self::Connected | Self::Neighbor => 0,
            Self::Static => 1,
            Self::Inherited => 5,
            Self::Ebgp => 20,
            Self::Ospf => 110,
            Self::Ibgp => 200,
            Self::Aggregate => 254,
        }
    }
}

impl fmt::Display for RouteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connected => "connected",
            Self::Static => "static",
            Self::Neighbor => "neighbor",
            Self::Inherited => "inherited",
            Self::Ebgp => "ebgp",
            Self::Ospf => "ospf",
            Self::Ibgp => "ibgp",
            Self::Aggregate => "aggregate",
        })
    }
}

/// One way towards a destination: a neighbour's address on a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RouteNextHop {
    /// The port the packet leaves by.
    pub port: PortId,
    /// The neighbour's address on that link; usually link-local.
    pub address: Ipv6Addr,
}

/// A set of exits that many routes share, by the number that its owner gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ExitsId(pub u32);

/// Where packets leave the routes of a protocol with next hops of its own: an address that other
/// routes lead to, or a neighbour on the link of a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ExitGateway {
    /// The address.
    pub address: Ipv6Addr,
    /// The port, for a link-local address.
    pub port: Option<PortId>,
}

/// What happens to packets for a prefix.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// Forward by equal shares to these neighbours; sorted, without repeats, at most
    /// [`ECMP_WIDTH_MAX`].
    Via(Vec<RouteNextHop>),
    /// Forward as packets for these addresses (gateways) are forwarded; `rib` resolves them.
    Recursive(Vec<Ipv6Addr>),
    /// Forward by these exits, which are told apart: when one of them dies, no route changes.
    Exits(ExitsId),
    /// Destinations are neighbours on the link of this port.
    OnLink(PortId),
    /// An adjacency address of this router: what is tunnelled to it goes to this neighbour,
    /// whatever other routes say; anything else is refused.
    Cross(RouteNextHop),
    /// The router's own address.
    Local,
    /// Discard, and say so (Destination Unreachable, RFC 4443 §3.1).
    Unreachable,
    /// Discard silently; counted.
    Blackhole,
}

/// A source's word on one prefix.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RouteUpdate {
    /// The destinations.
    pub prefix: Ipv6Prefix,
    /// Who says it.
    pub source: RouteSource,
    /// The new target with its metric, or `None` to withdraw.
    pub route: Option<RouteBody>,
}

/// The part of a route that a source may change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RouteBody {
    /// The protocol's own metric; lower wins within one source.
    pub metric: u32,
    /// What happens to the packets.
    pub target: RouteTarget,
    /// Where they go while no next hop of a [`RouteTarget::Via`] lives, computed before that
    /// happens; `None` where there is no such way, and for other targets.
    pub repair: Option<Repair>,
}

impl RouteBody {
    /// A route without a repair.
    pub const fn new(metric: u32, target: RouteTarget) -> Self {
        Self { metric, target, repair: None }
    }
}

/// Headers that a repaired packet gets at most: each is 40 octets of the path's MTU, and three with
/// a VLAN tag are what fits the headroom of a received packet.
pub const REPAIR_SEGMENTS_MAX: usize = 3;

/// The way of packets around a failure on this router's own link or of its neighbour.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Repair {
    /// The neighbour that takes the packets.
    pub via: RouteNextHop,
    /// Destinations of the IPv6 headers that are put in front of the packet, the outermost first:
    /// loopbacks and adjacency addresses of other routers, each of which takes its header off. None
    /// for a loop-free alternate (RFC 5286); at most [`REPAIR_SEGMENTS_MAX`].
    pub segments: Vec<Ipv6Addr>,
    /// What may fail.
    pub protects: Protection,
}

/// What a repair avoids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// The link to the next hop only: packets still go through the neighbour behind it.
    Link,
    /// The neighbour as well.
    Node,
}
