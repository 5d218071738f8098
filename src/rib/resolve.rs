//! From what a route says to where its packets go: ports that work, neighbours on their links.
//!
//! Owns [`Way`] and the resolution of gateways.
//!
//! A gateway (the next hop of a recursive route) is resolved by longest match, and only through
//! routes that need no resolution themselves; `::/0` does not count, or every gateway would seem
//! reachable. So recursion is one step deep, a route cannot resolve through itself, and what
//! resolves does not depend on what was resolved before.
//!
//! *Invariants*: a [`Way::Forward`] has 1 to [`ECMP_WIDTH_MAX`] neighbours, sorted, without
//! repeats, all on ports that exist and are up.

use crate::base::ids::PortId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{ECMP_WIDTH_MAX, RouteNextHop, RouteTarget};
use crate::fib::InterfaceTable;
use crate::rib::select::{Candidate, select};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// Where packets for a prefix go, in the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To these neighbours.
    Forward(Vec<RouteNextHop>),
    /// To whoever has the address on the link of this port.
    OnLink(PortId),
    /// To this router.
    Local,
    /// Nowhere, and the sender hears of it.
    Unreachable,
    /// Nowhere.
    Blackhole,
}

/// A gateway: what it resolved to at the last compilation, and who uses it.
#[derive(Clone, Debug, Default)]
pub(super) struct Gateway {
    /// Empty while it does not resolve.
    pub(super) members: Vec<RouteNextHop>,
    pub(super) users: BTreeSet<Ipv6Prefix>,
}

/// The way of a target; `None` when it cannot be used now.
pub(super) fn way(
    target: &RouteTarget,
    interfaces: &InterfaceTable,
    gateways: &BTreeMap<Ipv6Addr, Gateway>,
) -> Option<Way> {
    let RouteTarget::Recursive(addresses) = target else { return direct(target, interfaces) };
    let resolved = addresses.iter().filter_map(|address| gateways.get(address));
    forward(resolved.flat_map(|gateway| gateway.members.iter().copied()).collect())
}

/// The way of a target that needs no gateway; `None` for others and when no port of it works.
pub(super) fn direct(target: &RouteTarget, interfaces: &InterfaceTable) -> Option<Way> {
    let is_up = |port: PortId| interfaces.get(port).is_some_and(|interface| interface.is_up);
    match target {
        RouteTarget::Via(ways) => {
            forward(ways.iter().copied().filter(|way| is_up(way.port)).collect())
        }
        RouteTarget::OnLink(port) => is_up(*port).then_some(Way::OnLink(*port)),
        RouteTarget::Local => Some(Way::Local),
        RouteTarget::Unreachable => Some(Way::Unreachable),
        RouteTarget::Blackhole => Some(Way::Blackhole),
        RouteTarget::Recursive(_) => None,
    }
}

fn forward(mut members: Vec<RouteNextHop>) -> Option<Way> {
    members.sort_unstable();
    members.dedup();
    members.truncate(ECMP_WIDTH_MAX);
    (!members.is_empty()).then_some(Way::Forward(members))
}

/// The neighbours behind `gateway`; none when it does not resolve.
pub(super) fn gateway_members<'a>(
    gateway: Ipv6Addr,
    candidates: impl Fn(Ipv6Prefix) -> Option<(Ipv6Prefix, &'a [Candidate])>,
    interfaces: &InterfaceTable,
) -> Vec<RouteNextHop> {
    let found = covering(gateway, candidates).find_map(|(prefix, candidates)| {
        if prefix == Ipv6Prefix::DEFAULT {
            return None;
        }
        select(candidates, |candidate| direct(&candidate.body.target, interfaces))
    });
    match found {
        Some((_, Way::Forward(members))) => members,
        Some((_, Way::OnLink(port))) => vec![RouteNextHop { port, address: gateway }],
        _ => Vec::new(),
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
