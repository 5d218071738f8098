//! Routes out of the AS: from AS-external-LSAs and the tree to the exits that are used.
//!
//! Owns [`Externals`]: which prefixes hang on which AS boundary router, and on which forwarding
//! address. An LSA that changes costs its own prefix; a boundary router that moves costs those that
//! hang on it, a route within the area those whose forwarding address it leads to, and nothing
//! else. Making such LSAs is the business of `boundary`.
//!
//! A route is repaired as the way to its exit is. Packets that are let go on the way there stay on
//! course: whoever takes them would choose the same exit, or one that is nearer to it and whose
//! shortest paths avoid the failure as well. A router whose path to another exit led over the
//! failure could reach the first one over the same failure at no more cost. Where the exit itself
//! is the neighbour and another one has the prefix, packets take the detour to that.
//!
//! *Invariants*: the gateways are exactly the forwarding addresses of the LSAs; a gateway is looked
//! up anew whenever a route within the area that could lead to it may have changed.
//!
//! *Standards*: RFC 2328 §16.4 and RFC 5340 §4.8.4 (which refers to it), RFC 2328 §16.4.1
//! (preference), §16.6 (one LSA changes), RFC 5340 §A.2 (R-bit), §A.4.1.1 (NU-bit), §A.4.7. A
//! forwarding address is looked up among the routes within the area only: RFC 2328 §16.4 (3) asks
//! for a path within the AS, and what to do where a prefix from outside is longer it leaves open.

use super::{Cover, Destination, LS_INFINITY, PathType, Route, RoutingTable, Topology};
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::proto::ospf::area::VertexName;
use crate::proto::ospf::repair::Answer;
use crate::proto::ospf::spf::{VertexId, VertexKind};
use crate::wire::ospf::{AsExternalLsa, ExternalMetric, Lsa, LsaBody, PrefixOptions};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// Advertising Router and Link State ID.
type LsaName = (RouterId, u32);

/// What one AS-external-LSA says of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    /// The AS boundary router.
    vertex: VertexId,
    metric: ExternalMetric,
    /// Where packets should go instead.
    gateway: Option<Ipv6Addr>,
    /// The LSA that says so.
    lsa: LsaName,
}

/// All of them, by what they hang on. One exists per table.
#[derive(Clone, Debug, Default)]
pub(super) struct Externals {
    lsas: BTreeMap<LsaName, (Ipv6Prefix, Exit)>,
    /// The prefixes of each boundary router, with the Link State IDs.
    groups: BTreeMap<VertexId, BTreeSet<(Ipv6Prefix, u32)>>,
    gateways: BTreeMap<Ipv6Addr, Gateway>,
}

/// A forwarding address.
#[derive(Clone, Debug, Default)]
struct Gateway {
    /// The route within the area that leads there, and the vertex that it leads to.
    way: Option<(Route, VertexId)>,
    /// Who goes there.
    users: BTreeSet<(Ipv6Prefix, LsaName)>,
}

/// How good an exit is; less is better (RFC 2328 §16.4.1 and §16.4 (6)): the type, the metric, the
/// way to it.
type Rank = (u8, u32, u32);

impl Externals {
    /// The prefixes that hang on the boundary router at a vertex.
    pub(super) fn behind(&self, vertex: usize) -> impl Iterator<Item = Ipv6Prefix> {
        let vertex = u32::try_from(vertex).map(VertexId).ok();
        let group = vertex.and_then(|vertex| self.groups.get(&vertex));
        group.into_iter().flatten().map(|(prefix, _)| *prefix)
    }

    /// Octets on the heap, about.
    pub(super) fn heap_bytes(&self) -> usize {
        let users = self.lsas.len() * size_of::<(Ipv6Prefix, LsaName)>();
        let lsas = self.lsas.len() * size_of::<(LsaName, Ipv6Prefix, Exit)>();
        let gateways = self.gateways.len() * size_of::<(Ipv6Addr, Gateway)>();
        // The nodes of a map are two thirds full.
        (users + lsas + gateways) * 3 / 2
    }

    fn insert(&mut self, prefix: Ipv6Prefix, exit: Exit) {
        self.lsas.insert(exit.lsa, (prefix, exit));
        self.groups.entry(exit.vertex).or_default().insert((prefix, exit.lsa.1));
        if let Some(address) = exit.gateway {
            self.gateways.entry(address).or_default().users.insert((prefix, exit.lsa));
        }
    }

    fn remove(&mut self, lsa: LsaName) -> Option<(Ipv6Prefix, Exit)> {
        let (prefix, exit) = self.lsas.remove(&lsa)?;
        if let Some(group) = self.groups.get_mut(&exit.vertex) {
            group.remove(&(prefix, lsa.1));
            if group.is_empty() {
                self.groups.remove(&exit.vertex);
            }
        }
        if let Some(address) = exit.gateway
            && let Some(gateway) = self.gateways.get_mut(&address)
        {
            gateway.users.remove(&(prefix, lsa));
            if gateway.users.is_empty() {
                self.gateways.remove(&address);
            }
        }
        Some((prefix, exit))
    }

    fn way(&self, gateway: Ipv6Addr) -> Option<(Route, VertexId)> {
        self.gateways.get(&gateway)?.way
    }
}

impl RoutingTable {
    /// Takes an AS-external-LSA in place of the instance before.
    pub(super) fn learn_external(&mut self, lsa: &Lsa) {
        let name = (lsa.header.advertising_router, lsa.header.link_state_id);
        if let Some((prefix, exit)) = self.externals.remove(name) {
            self.area.release(exit.vertex);
            if let Some(destination) = self.destinations.get_mut(&prefix) {
                destination.exits.retain(|exit| exit.lsa != name);
            }
            self.touched_exits.insert(prefix);
        }
        if lsa.header.is_max_age() {
            return;
        }
        let Some(AsExternalLsa { prefix, metric, forwarding_address: gateway, .. }) = usable(lsa)
        else {
            return;
        };
        let vertex = self.area.hold(VertexName::Router(name.0));
        let exit = Exit { vertex, metric, gateway, lsa: name };
        self.externals.insert(prefix, exit);
        self.destinations.entry(prefix).or_default().exits.push(exit);
        self.touched_exits.insert(prefix);
        if let Some(address) = gateway {
            self.find_gateway(address);
        }
    }

    /// Looks up the forwarding addresses that routes in `touched` could lead to. Where one is
    /// reached otherwise than before, those that go there are looked at as well.
    pub(super) fn follow_gateways(&mut self) {
        if self.externals.gateways.is_empty() {
            return;
        }
        let mut concerned = BTreeSet::new();
        for prefix in &self.touched {
            let range = prefix.address()..=Ipv6Addr::from_bits(prefix.last_bits());
            concerned.extend(self.externals.gateways.range(range).map(|(address, _)| *address));
        }
        for address in concerned {
            self.find_gateway(address);
        }
    }

    /// Looks up all of them.
    pub(super) fn find_gateways(&mut self) {
        let all: Vec<Ipv6Addr> = self.externals.gateways.keys().copied().collect();
        for address in all {
            self.find_gateway(address);
        }
    }

    fn find_gateway(&mut self, address: Ipv6Addr) {
        let way = self.way_to(address);
        let Some(gateway) = self.externals.gateways.get_mut(&address) else { return };
        if core::mem::replace(&mut gateway.way, way) != way {
            self.touched_exits.extend(gateway.users.iter().map(|(prefix, _)| *prefix));
        }
    }

    /// The route within the area that an address is reached by.
    fn way_to(&self, address: Ipv6Addr) -> Option<(Route, VertexId)> {
        (0..=128).rev().find_map(|length| {
            let destination = self.destinations.get(&Ipv6Prefix::containing(address, length))?;
            let (mut route, vertex) = self.topology.nearest(&destination.offers)?;
            if !route.is_own {
                // Its users depend on the repair as well.
                route.cover = self.topology.covered(route, vertex).cover;
            }
            Some((route, vertex))
        })
    }
}

/// RFC 2328 §16.4 (1), RFC 5340 §A.4.1.1 and §A.4.7: what an LSA says, where it may be used at all.
fn usable(lsa: &Lsa) -> Option<AsExternalLsa> {
    let Ok(LsaBody::AsExternal(body)) = lsa.body() else { return None };
    let (ExternalMetric::Type1(metric) | ExternalMetric::Type2(metric)) = body.metric;
    // "It MUST NOT be set to the IPv6 Unspecified Address or an IPv6 Link-Local Address".
    let is_address = |address: Ipv6Addr| {
        !address.is_unspecified() && !address.is_unicast_link_local() && !address.is_multicast()
    };
    let is_usable = metric < LS_INFINITY
        && !body.options.contains(PrefixOptions::NU)
        && body.forwarding_address.is_none_or(is_address);
    is_usable.then_some(body)
}

impl Topology {
    /// The best of several exits; equal ones share.
    pub(super) fn nearest_exit(
        &self,
        exits: &[Exit],
        externals: &Externals,
    ) -> Option<(Route, VertexId)> {
        let mut best: Option<(Rank, Route, VertexId)> = None;
        for exit in exits {
            let Some((rank, route, vertex)) = self.way_out(exit, externals) else { continue };
            match &mut best {
                Some((least, ..)) if *least < rank => {}
                Some((least, shared, first)) if *least == rank => {
                    shared.next_hops = shared.next_hops.union(route.next_hops);
                    shared.gateway = match (shared.gateway, route.gateway) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                    let place = |vertex: VertexId| self.ranks.get(vertex.index());
                    if place(vertex) < place(*first) {
                        *first = vertex;
                    }
                }
                _ => best = Some((rank, route, vertex)),
            }
        }
        best.map(|(_, route, vertex)| (route, vertex))
    }

    /// What is done when the exit of a route dies and is a neighbour: packets go to the best of the
    /// others to which a detour leads. With a forwarding address the exit is not passed.
    pub(super) fn detour(
        &self,
        route: Route,
        vertex: VertexId,
        destination: &Destination,
        externals: &Externals,
    ) -> Option<Answer> {
        let others = destination.exits.iter().filter_map(|exit| {
            let (rank, ..) = self.way_out(exit, externals).filter(|_| exit.gateway.is_none())?;
            let answer = self.repairs.detour(vertex, route.next_hops, exit.vertex)?;
            let name = self.ranks.get(exit.vertex.index()).copied();
            Some(((answer.is_err(), rank, name), answer))
        });
        let is_passed =
            destination.exits.iter().any(|exit| exit.vertex == vertex && exit.gateway.is_none());
        others.min_by_key(|(order, _)| *order).map(|(_, answer)| answer).filter(|_| is_passed)
    }

    /// RFC 2328 §16.4 (2) to (5): the way to an exit and its rank; `None` where there is none.
    fn way_out(&self, exit: &Exit, externals: &Externals) -> Option<(Rank, Route, VertexId)> {
        // (2): own LSAs are for others.
        if self.root == Some(exit.vertex) {
            return None;
        }
        // (3): the router that says so must be reached, and be a boundary router. Its number may be
        // that of another one in a tree that is older than the LSA.
        let reach = self.tree.reach(exit.vertex)?;
        if self.boundary.get(&exit.vertex) != Some(&exit.lsa.0) {
            return None;
        }
        let (distance, next_hops, vertex, gateway) = match exit.gateway {
            // RFC 5340 §A.2: nothing goes through a router whose R-bit is clear.
            None if self.graph.kind(exit.vertex) != Some(VertexKind::Router) => return None,
            None => (reach.distance(), reach.next_hops, exit.vertex, None),
            Some(address) => {
                let (way, vertex) = externals.way(address)?;
                (way.cost, way.next_hops, vertex, way.is_own.then_some(address))
            }
        };
        let (path_type, cost, rank) = match exit.metric {
            ExternalMetric::Type1(metric) => {
                let cost = distance.saturating_add(metric);
                (PathType::Type1, cost, (1, cost, 0))
            }
            ExternalMetric::Type2(metric) => {
                (PathType::Type2 { distance }, metric, (2, metric, distance))
            }
        };
        if cost >= LS_INFINITY || distance >= LS_INFINITY {
            return None;
        }
        let (is_own, cover) = (false, Cover::Own);
        Some((rank, Route { path_type, cost, next_hops, gateway, is_own, cover }, vertex))
    }
}
