//! From what a route says to where its packets go: ports that work, neighbours on their links.
//!
//! Owns [`Way`], [`Path`] and the resolution of gateways.
//!
//! A gateway (the next hop of a recursive route) is resolved by longest match, and only through
//! routes that need no resolution themselves; `::/0` does not count, or every gateway would seem
//! reachable. So recursion is one step deep, a route cannot resolve through itself, and what
//! resolves does not depend on what was resolved before.
//!
//! A repair belongs to the route that announced it and is handed on to the routes that resolve
//! through it: with several gateways the first one's that has any, because each gateway alone would
//! do for the packets.
//!
//! *Invariants*: a [`Way::Forward`] has 1 to [`ECMP_WIDTH_MAX`] neighbours, sorted, without
//! repeats. Those of one route are all on ports that exist and are up; or all on ports that are
//! down or gone, where it has a repair; those of several gateways may be of both kinds. The port of
//! a repair is up. A repair without segments is none of the neighbours; one with segments may go by
//! any of them, and is there only where the router has an address to send from.

use crate::base::ids::PortId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{
    ECMP_WIDTH_MAX, ExitsId, Repair, RouteBody, RouteNextHop, RouteSource, RouteTarget,
};
use crate::fib::InterfaceTable;
use crate::rib::select::{Candidate, select};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// A neighbour, and what packets are put into before they go there: what one next hop is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The neighbour.
    pub via: RouteNextHop,
    /// Destinations of the headers, the outermost first; none of a plain next hop.
    pub segments: Vec<Ipv6Addr>,
}

impl From<RouteNextHop> for Path {
    fn from(via: RouteNextHop) -> Self {
        Self { via, segments: Vec::new() }
    }
}

/// Where packets for a prefix go, in the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To these neighbours.
    Forward {
        /// By equal shares.
        members: Vec<RouteNextHop>,
        /// While none of them lives.
        repair: Option<Path>,
    },
    /// To whoever has the address on the link of this port.
    OnLink(PortId),
    /// To this neighbour, from an adjacency address.
    Cross(RouteNextHop),
    /// To this router.
    Local,
    /// Nowhere, and the sender hears of it.
    Unreachable,
    /// Nowhere.
    Blackhole,
    /// As the owner of these exits says at the time.
    Exits(ExitsId),
}

/// A gateway: what it resolved to at the last compilation, and who uses it.
#[derive(Clone, Debug, Default)]
pub(super) struct Gateway {
    pub(super) resolved: Resolved,
    pub(super) users: BTreeSet<Ipv6Prefix>,
}

/// The neighbours behind an address, none while it does not resolve, and the repair of the route
/// that leads to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) members: Vec<RouteNextHop>,
    pub(super) repair: Option<Path>,
    /// The metric of that route; zero on an own link.
    pub(super) cost: u32,
}

/// The way of a route; `None` when it cannot be used now.
pub(super) fn way(
    body: &RouteBody,
    interfaces: &InterfaceTable,
    gateways: &BTreeMap<Ipv6Addr, Gateway>,
) -> Option<Way> {
    let RouteTarget::Recursive(addresses) = &body.target else { return direct(body, interfaces) };
    let gateways = || addresses.iter().filter_map(|address| gateways.get(address));
    let members = gateways().flat_map(|gateway| gateway.resolved.members.iter().copied());
    let repair = gateways().find_map(|gateway| gateway.resolved.repair.clone());
    forward(members.collect(), repair)
}

/// The way of a route that needs no gateway; `None` for others and when no port of it works.
pub(super) fn direct(body: &RouteBody, interfaces: &InterfaceTable) -> Option<Way> {
    let is_up = |port: PortId| interfaces.get(port).is_some_and(|interface| interface.is_up);
    match &body.target {
        RouteTarget::Via(ways) => {
            let has_source = interfaces.repair_addresses().is_some();
            let is_usable = |repair: &&Repair| {
                is_up(repair.via.port) && (repair.segments.is_empty() || has_source)
            };
            let repair = body.repair.as_ref().filter(is_usable);
            let path =
                |repair: &Repair| Path { via: repair.via, segments: repair.segments.clone() };
            // While none of the ports is up, the repair is the way until the source says another.
            let is_any_up = ways.iter().any(|way| is_up(way.port));
            let counts = |way: &RouteNextHop| !is_any_up && repair.is_some() || is_up(way.port);
            forward(ways.iter().copied().filter(counts).collect(), repair.map(path))
        }
        RouteTarget::OnLink(port) => is_up(*port).then_some(Way::OnLink(*port)),
        RouteTarget::Cross(way) => is_up(way.port).then_some(Way::Cross(*way)),
        RouteTarget::Local => Some(Way::Local),
        RouteTarget::Unreachable => Some(Way::Unreachable),
        RouteTarget::Blackhole => Some(Way::Blackhole),
        RouteTarget::Recursive(_) | RouteTarget::Exits(_) => None,
    }
}

pub(super) fn forward(mut members: Vec<RouteNextHop>, repair: Option<Path>) -> Option<Way> {
    members.sort_unstable();
    members.dedup();
    members.truncate(ECMP_WIDTH_MAX);
    // Gateways may have each other's neighbour as their repair.
    let is_other = |repair: &Path| !repair.segments.is_empty() || !members.contains(&repair.via);
    let repair = repair.filter(is_other);
    (!members.is_empty()).then_some(Way::Forward { members, repair })
}

/// What is behind `gateway`.
pub(super) fn resolve_gateway<'a>(
    gateway: Ipv6Addr,
    candidates: impl Fn(Ipv6Prefix) -> Option<(Ipv6Prefix, &'a [Candidate])>,
    interfaces: &InterfaceTable,
) -> Resolved {
    let found = covering(gateway, candidates).find_map(|(prefix, candidates)| {
        if prefix == Ipv6Prefix::DEFAULT {
            return None;
        }
        select(candidates, |candidate| direct(&candidate.body, interfaces))
    });
    match found {
        Some((candidate, Way::Forward { members, repair })) => {
            let cost = match candidate.source {
                RouteSource::Connected | RouteSource::Neighbor => 0,
                _ => candidate.body.metric,
            };
            Resolved { members, repair, cost }
        }
        Some((_, Way::OnLink(port))) => {
            let members = vec![RouteNextHop { port, address: gateway }];
            Resolved { members, repair: None, cost: 0 }
        }
        _ => Resolved::default(),
    }
}

/// The entries whose prefix contains `address`, the longest first. `at_or_before` yields the last
/// entry of the table that does not stand after a prefix.
pub(super) fn covering<E>(
    address: Ipv6Addr,
    at_or_before: impl Fn(Ipv6Prefix) -> Option<(Ipv6Prefix, E)>,
) -> impl Iterator<Item = (Ipv6Prefix, E)> {
    let mut bound = Some(Ipv6Prefix::host(address));
    core::iter::from_fn(move || {
        loop {
            let (prefix, entry) = at_or_before(bound?)?;
            if prefix.contains(address) {
                let shorter = prefix.length().checked_sub(1);
                bound = shorter.map(|length| Ipv6Prefix::containing(address, length));
                return Some((prefix, entry));
            }
            // Whatever contains the address and stands before this entry contains both, so it is no
            // longer than what they have in common.
            let common = (prefix.bits() ^ address.to_bits()).leading_zeros();
            bound = u8::try_from(common).ok().map(|length| Ipv6Prefix::containing(address, length));
        }
    })
}
