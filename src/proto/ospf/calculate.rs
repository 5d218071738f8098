//! Routes of an area: from LSAs to a graph, from a tree to prefixes, from a table to the next.
//!
//! Owns [`RoutingTable`]: the tree of the last calculation and the routes that came out of it. The
//! walk itself is [`super::spf`], the moment of it [`super::backoff`].
//!
//! *Invariants*: every update replaces the whole next-hop set of its prefix; an update is returned
//! only where cost or next hops changed; next hops are sorted and at most
//! [`ECMP_WIDTH_MAX`](crate::base::route::ECMP_WIDTH_MAX); a prefix of this router itself is never
//! announced, since it is connected.
//!
//! *Standards*: RFC 5340 §4.8.1 (both stages), §4.8.3 (new intra-area-prefix-LSAs need no new
//! tree), §A.4.3 (router-LSAs of one router are one), §A.4.1.1 (NU-bit).
//!
//! Gap: virtual links (RFC 5340 §4.7) are never used; inter-area and AS-external routes (RFC 5340
//! §4.8.2, §4.8.4) are not computed: a cluster is one area.

use super::spf::shortest_paths;
use super::spf::{FirstHop, Graph, Link, NextHopSet, Reach, Tree, VertexId, VertexKind};
use super::view::RouteView;
use crate::base::ids::{PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate};
use crate::wire::ospf::{
    IntraAreaPrefixLsa, LsType, Lsa, LsaBody, NetworkLsa, Options, PrefixOptions, RouterLink,
    RouterLinkType, RouterLsa,
};
use core::cmp::Ordering;
use core::net::Ipv6Addr;

#[cfg(test)]
mod tests;

/// RFC 2328 §B, LSInfinity: a destination at this cost is unreachable.
pub const LS_INFINITY: u32 = 0x00ff_ffff;

/// What a calculation reads.
#[derive(Clone, Debug)]
pub struct AreaView<'a> {
    /// This router.
    pub router_id: RouterId,
    /// The LSAs of the area that are not at MaxAge, in any order.
    pub lsas: Vec<&'a Lsa>,
    /// Own adjacencies (neighbours in Full), in any order; at most one per port.
    pub adjacencies: Vec<Adjacency>,
}

/// A neighbour in Full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// The port.
    pub port: PortId,
    /// Own Interface ID there.
    pub interface_id: u32,
    /// The neighbour.
    pub neighbor_router_id: RouterId,
    /// Its Interface ID.
    pub neighbor_interface_id: u32,
    /// Its link-local address.
    pub address: Ipv6Addr,
}

/// OSPF's own routing table and the tree behind it. One exists per area.
#[derive(Clone, Debug, Default)]
pub struct RoutingTable {
    topology: Topology,
    /// The next hops that `routes` number; those of the topology at that time.
    ways: Vec<RouteNextHop>,
    /// By prefix.
    routes: Vec<Route>,
}

/// The area as the last calculation saw it.
#[derive(Clone, Debug, Default)]
struct Topology {
    /// Routers in the order of their vertices.
    routers: Vec<RouterId>,
    /// Transit networks (Designated Router, its Interface ID): their vertices follow the routers'.
    networks: Vec<(RouterId, u32)>,
    tree: Tree,
    /// Next hops in the order of the numbers in the tree's sets; sorted.
    ways: Vec<RouteNextHop>,
}

/// A prefix with the best that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    prefix: Ipv6Prefix,
    cost: u32,
    next_hops: NextHopSet,
    /// The best is this router itself or a network on one of its links.
    is_own: bool,
}

impl RoutingTable {
    /// Calculates everything anew; returns what changed.
    pub fn recalculate(&mut self, view: &AreaView<'_>) -> Vec<RouteUpdate> {
        self.topology = Topology::calculate(view);
        self.recalculate_prefixes(view)
    }

    /// RFC 5340 §4.8.3: only intra-area-prefix-LSAs changed, so that the tree still holds; returns
    /// what changed.
    pub fn recalculate_prefixes(&mut self, view: &AreaView<'_>) -> Vec<RouteUpdate> {
        let new = best_routes(self.topology.candidates(view));
        let updates = self.changes_to(&new);
        self.routes = new;
        self.ways.clone_from(&self.topology.ways);
        updates
    }

    /// Every prefix known, own ones included, by prefix.
    pub fn routes(&self) -> Vec<RouteView> {
        let view = |route: &Route| RouteView {
            prefix: route.prefix,
            cost: route.cost,
            kind: "intra-area",
            next_hops: resolve(route.next_hops, &self.ways),
        };
        self.routes.iter().map(view).collect()
    }

    /// Prefixes in the table.
    pub fn prefix_count(&self) -> u32 {
        u32::try_from(self.routes.len()).unwrap_or(u32::MAX)
    }

    /// Routers that the last tree reaches, this one included.
    pub fn router_count(&self) -> u32 {
        let routers = self.topology.routers.len();
        let reached = self.topology.tree.reached().take_while(|v| v.index() < routers).count();
        u32::try_from(reached).unwrap_or(u32::MAX)
    }

    /// Old and new table side by side.
    fn changes_to(&self, new: &[Route]) -> Vec<RouteUpdate> {
        let mut updates = Vec::new();
        let (mut old, mut new) = (self.routes.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return updates,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.prefix.cmp(&b.prefix),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            updates.extend(self.change(before, after));
        }
    }

    /// What has to be said about one prefix, if anything.
    fn change(&self, before: Option<&Route>, after: Option<&Route>) -> Option<RouteUpdate> {
        let before = before.filter(|route| !route.is_own);
        let after = after.filter(|route| !route.is_own);
        let prefix = before.or(after)?.prefix;
        if before == after && self.ways == self.topology.ways {
            return None;
        }
        let new = after.map(|route| body(route, &self.topology.ways));
        if new == before.map(|route| body(route, &self.ways)) {
            return None;
        }
        Some(RouteUpdate { prefix, source: RouteSource::Ospf, route: new })
    }
}

impl Topology {
    fn calculate(view: &AreaView<'_>) -> Self {
        let area = Area::read(&view.lsas);
        let mut topology = Self {
            routers: area.routers.iter().map(|router| router.id).collect(),
            networks: area.networks.iter().map(|(name, _)| *name).collect(),
            ..Self::default()
        };
        let mut adjacencies = view.adjacencies.clone();
        adjacencies.sort_unstable_by_key(|a| (a.port, a.address, a.interface_id));
        let mut first_hops = Vec::with_capacity(adjacencies.len());
        for adjacency in adjacencies {
            let Some(neighbor) = topology.router(adjacency.neighbor_router_id) else { continue };
            first_hops.push(FirstHop {
                interface_id: adjacency.interface_id,
                neighbor,
                neighbor_interface_id: adjacency.neighbor_interface_id,
            });
            topology.ways.push(RouteNextHop { port: adjacency.port, address: adjacency.address });
        }
        // Without a router-LSA of its own this router is not part of the area yet.
        if let Some(root) = topology.router(view.router_id) {
            topology.tree = shortest_paths(&topology.graph(&area), root, &first_hops);
        }
        topology
    }

    /// Vertices in the order of `routers` and `networks`.
    fn graph(&self, area: &Area) -> Graph {
        let links = area.links.len() + area.networks.iter().map(|(_, n)| n.len()).sum::<usize>();
        let mut graph = Graph::with_capacity(self.routers.len() + self.networks.len(), links);
        for router in &area.routers {
            let kind = if router.is_active { VertexKind::Router } else { VertexKind::EndRouter };
            let links = area.links.get(router.links.clone()).unwrap_or(&[]);
            graph.add_vertex(kind, links.iter().filter_map(|link| self.link(link)));
        }
        for (_, attached) in &area.networks {
            let members = attached.iter().filter_map(|router| self.router(*router));
            let link = |to| Link { to, interface_id: 0, neighbor_interface_id: 0, cost: 0 };
            graph.add_vertex(VertexKind::Network, members.map(link));
        }
        graph
    }

    fn link(&self, link: &RouterLink) -> Option<Link> {
        let to = match link.link_type {
            RouterLinkType::PointToPoint => self.router(link.neighbor_router_id)?,
            RouterLinkType::Transit => {
                self.network((link.neighbor_router_id, link.neighbor_interface_id))?
            }
            RouterLinkType::Virtual | RouterLinkType::Other(_) => return None,
        };
        Some(Link {
            to,
            interface_id: link.interface_id,
            neighbor_interface_id: link.neighbor_interface_id,
            cost: link.metric,
        })
    }

    fn router(&self, id: RouterId) -> Option<VertexId> {
        let at = self.routers.binary_search(&id).ok()?;
        u32::try_from(at).ok().map(VertexId)
    }

    fn network(&self, name: (RouterId, u32)) -> Option<VertexId> {
        let at = self.routers.len() + self.networks.binary_search(&name).ok()?;
        u32::try_from(at).ok().map(VertexId)
    }

    /// RFC 5340 §4.8.1, second stage: what every reached vertex offers.
    fn candidates(&self, view: &AreaView<'_>) -> Vec<Route> {
        let mut candidates = Vec::with_capacity(2 * self.routers.len());
        for lsa in of_type(&view.lsas, LsType::INTRA_AREA_PREFIX) {
            let Ok(LsaBody::IntraAreaPrefix(body)) = lsa.body() else { continue };
            let Some(reach) = self.referenced(&body) else { continue };
            let routes = body.prefixes.iter().filter_map(|prefix| {
                let cost = reach.distance().saturating_add(prefix.metric.into());
                // RFC 5340 §A.4.1.1: with the NU-bit the prefix is not for unicast. The LA-bit
                // marks an address of the router: a destination like any other.
                let is_usable = !prefix.options.contains(PrefixOptions::NU) && cost < LS_INFINITY;
                is_usable.then_some(Route {
                    prefix: prefix.prefix,
                    cost,
                    next_hops: reach.next_hops,
                    is_own: reach.is_attached,
                })
            });
            candidates.extend(routes);
        }
        candidates
    }

    /// How the vertex is reached that an intra-area-prefix-LSA speaks of.
    fn referenced(&self, body: &IntraAreaPrefixLsa) -> Option<Reach> {
        let router = body.referenced_advertising_router;
        let vertex = match body.referenced_ls_type {
            LsType::ROUTER => self.router(router)?,
            LsType::NETWORK => self.network((router, body.referenced_link_state_id))?,
            _ => return None,
        };
        self.tree.reach(vertex)
    }
}

/// The router- and network-LSAs of an area, read.
#[derive(Default)]
struct Area {
    /// By id.
    routers: Vec<Router>,
    /// Links of all routers, one router after the other.
    links: Vec<RouterLink>,
    /// By Designated Router and its Interface ID, with the routers attached.
    networks: Vec<((RouterId, u32), Vec<RouterId>)>,
}

struct Router {
    id: RouterId,
    is_active: bool,
    links: core::ops::Range<usize>,
}

impl Area {
    fn read(lsas: &[&Lsa]) -> Self {
        let mut area = Self::default();
        // In the order of keys the parts of one router stand together, lowest Link State ID first.
        let mut parts: Vec<&Lsa> = of_type(lsas, LsType::ROUTER).collect();
        parts.sort_unstable_by_key(|lsa| lsa.key());
        for parts in parts.chunk_by(|a, b| a.key().advertising_router == b.key().advertising_router)
        {
            area.read_router(parts);
        }
        for lsa in of_type(lsas, LsType::NETWORK) {
            let Ok(LsaBody::Network(NetworkLsa { attached_routers, .. })) = lsa.body() else {
                continue;
            };
            let name = (lsa.key().advertising_router, lsa.key().link_state_id);
            area.networks.push((name, attached_routers));
        }
        area.networks.sort_unstable_by_key(|(name, _)| *name);
        area
    }

    /// RFC 5340 §A.4.3: "When more than one router-LSA is received from a single router, the links
    /// are processed as if concatenated into a single LSA." Where options differ, those of the
    /// lowest Link State ID hold (§4.4.3.2).
    fn read_router(&mut self, parts: &[&Lsa]) {
        let start = self.links.len();
        let mut options = None;
        for part in parts {
            let Ok(LsaBody::Router(RouterLsa { options: said, links, .. })) = part.body() else {
                continue;
            };
            options.get_or_insert(said);
            self.links.extend(links);
        }
        // RFC 5340 §A.2: with the V6-bit clear the router is left out of IPv6 routing.
        match (parts.first(), options) {
            (Some(part), Some(options)) if options.contains(Options::V6) => {
                self.routers.push(Router {
                    id: part.key().advertising_router,
                    is_active: options.contains(Options::R),
                    links: start..self.links.len(),
                });
            }
            _ => self.links.truncate(start),
        }
    }
}

fn of_type<'a>(lsas: &[&'a Lsa], ls_type: LsType) -> impl Iterator<Item = &'a Lsa> {
    lsas.iter().copied().filter(move |lsa| lsa.header.ls_type == ls_type)
}

/// The least cost wins; equal costs share (anycast), unless one of them is this router's own.
fn best_routes(mut candidates: Vec<Route>) -> Vec<Route> {
    candidates.sort_unstable_by_key(|route| (route.prefix, route.cost));
    let mut best: Vec<Route> = Vec::with_capacity(candidates.len());
    for route in candidates {
        match best.last_mut() {
            Some(last) if last.prefix == route.prefix => {
                if last.cost == route.cost {
                    last.next_hops = last.next_hops.union(route.next_hops);
                    last.is_own |= route.is_own;
                }
            }
            _ => best.push(route),
        }
    }
    for route in &mut best {
        route.next_hops =
            if route.is_own { NextHopSet::EMPTY } else { route.next_hops.truncated() };
    }
    best
}

fn body(route: &Route, ways: &[RouteNextHop]) -> RouteBody {
    RouteBody::new(route.cost, RouteTarget::Via(resolve(route.next_hops, ways)))
}

/// Numbers are handed out in the order of the next hops, so that these come out sorted.
fn resolve(next_hops: NextHopSet, ways: &[RouteNextHop]) -> Vec<RouteNextHop> {
    let mut resolved: Vec<RouteNextHop> =
        next_hops.positions().filter_map(|position| ways.get(position).copied()).collect();
    resolved.dedup();
    resolved
}
