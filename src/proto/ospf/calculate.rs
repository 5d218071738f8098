//! Routes of an area: from LSAs to a graph, from a tree to prefixes, from a table to the next.
//!
//! Owns [`RoutingTable`]: the area as LSAs tell it, the tree of the last calculation and the routes
//! that came out of it. LSAs are read once, when they come ([`RoutingTable::learn`]); a calculation
//! walks numbers. The area is [`super::area`], the walk itself [`super::spf`], the moment of it
//! [`super::backoff`]; what leads out of the AS is in `external`.
//!
//! *Invariants*: every update replaces the whole next-hop set of its prefix; an update is returned
//! only where cost or next hops changed; next hops are sorted and at most
//! [`ECMP_WIDTH_MAX`](crate::base::route::ECMP_WIDTH_MAX); a prefix of this router itself is never
//! announced, since it is connected. A table that learned LSAs one by one says what a new one says
//! that learned only those that are left, in any order.
//!
//! *Standards*: RFC 5340 §4.8.1 (both stages), §4.8.3 (new intra-area-prefix-LSAs need no new
//! tree), §A.4.1.1 (NU-bit).
//!
//! Gap: virtual links (RFC 5340 §4.7) are never used; inter-area routes (RFC 5340 §4.8.2) are not
//! computed: a cluster is one area.

use super::area::{Area, VertexName};
use super::coverage::is_covered;
use super::limits::MOVED_PART_MAX;
use super::order::{Order, order};
use super::repair::{Answer, Bare, Ground, Repairs};
use super::spf::{FirstHop, Graph, NextHopSet, Reach, Tree, VertexId, VertexKind, shortest_paths};
use super::view::{CoverView, RouteView};
use crate::base::ids::{PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{Repair, RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate};
use crate::wire::ospf::{IntraAreaPrefixLsa, LsType, Lsa, LsaBody, PrefixOptions, RepairFlags};
use core::net::Ipv6Addr;
use external::{Exit, Externals};
use std::collections::{BTreeMap, BTreeSet};

mod external;
#[cfg(test)]
mod tests;

/// RFC 2328 §B, LSInfinity: a destination at this cost is unreachable.
pub const LS_INFINITY: u32 = 0x00ff_ffff;

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
    /// As LSAs tell it now.
    area: Area,
    /// As the last calculation saw it.
    topology: Topology,
    /// What the routes number; those of the topology at that time.
    choices: Choices,
    destinations: BTreeMap<Ipv6Prefix, Destination>,
    /// The intra-area-prefix-LSAs behind the offers, by Advertising Router and Link State ID.
    prefix_lsas: BTreeMap<(RouterId, u32), (VertexId, Lsa)>,
    /// The prefixes of the offers of each vertex, at its number.
    offered: Vec<Vec<Ipv6Prefix>>,
    /// What the routes stand on, vertex by number.
    footing: Vec<Footing>,
    /// Prefixes whose offers changed since the last calculation.
    touched: BTreeSet<Ipv6Prefix>,
    /// The AS-external-LSAs.
    externals: Externals,
    /// Prefixes whose exits changed since the last calculation.
    touched_exits: BTreeSet<Ipv6Prefix>,
    /// The detours that routes out of the AS stand on: see [`Repairs::detours`].
    detours: BTreeMap<(VertexId, usize, VertexId), Answer>,
    prefix_count: u32,
}

/// What routes to a vertex depend on; `None` where it is not reached. Of an AS boundary router also
/// that it is one.
type Footing = Option<(Reach, Option<Answer>, Option<(RouterId, VertexKind)>)>;

/// The area as the last calculation saw it.
#[derive(Clone, Debug, Default)]
struct Topology {
    graph: Graph,
    tree: Tree,
    /// This router; `None` while it is not part of the area.
    root: Option<VertexId>,
    /// Own adjacencies in the order of the numbers in the tree's sets.
    first_hops: Vec<FirstHop>,
    /// Their next hops, in the same order: sorted.
    ways: Vec<RouteNextHop>,
    repairs: Repairs,
    /// Place of every vertex in the order of names.
    ranks: Vec<u32>,
    /// The AS boundary routers.
    boundary: BTreeMap<VertexId, RouterId>,
    router_count: u32,
}

/// What routes say by numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Choices {
    ways: Vec<RouteNextHop>,
    repairs: Vec<Repair>,
}

/// A prefix: who has it, and the best that was found.
#[derive(Clone, Debug, Default)]
struct Destination {
    offers: Vec<Offer>,
    /// Where it is left for, outside of the AS.
    exits: Vec<Exit>,
    route: Option<Route>,
}

impl Destination {
    fn is_known(&self) -> bool {
        !self.offers.is_empty() || !self.exits.is_empty()
    }
}

/// A vertex that has a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    vertex: VertexId,
    metric: u16,
    /// The LSA that says so.
    lsa: (RouterId, u32),
}

/// RFC 2328 §11: what kind of path it is, the preferred first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathType {
    IntraArea,
    /// Its cost is that of the way to the exit, and the metric.
    Type1,
    /// Its cost is the metric alone.
    Type2 {
        /// Cost of the way to the exit.
        distance: u32,
    },
}

/// The best way to a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    path_type: PathType,
    cost: u32,
    next_hops: NextHopSet,
    /// The forwarding address, where it is on a link of this router.
    gateway: Option<Ipv6Addr>,
    /// The best is this router itself or a network on one of its links.
    is_own: bool,
    cover: Cover,
}

/// What happens to the packets of a route when its next hop dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cover {
    /// Nothing of the kind: the destination is here.
    Own,
    /// They go by the other next hops.
    EqualCost,
    /// They are repaired.
    Repair(u16),
    /// They are lost.
    Bare(Bare),
}

impl RoutingTable {
    /// Takes an LSA of the area in place of the instance before; one at MaxAge is gone.
    pub fn learn(&mut self, lsa: &Lsa) {
        match lsa.header.ls_type {
            LsType::ROUTER | LsType::NETWORK | LsType::REPAIR => self.area.learn(lsa),
            LsType::INTRA_AREA_PREFIX => self.learn_prefixes(lsa),
            LsType::AS_EXTERNAL => self.learn_external(lsa),
            _ => {}
        }
    }

    /// All LSAs are gone. Routes stay until the next calculation, which withdraws them.
    pub fn forget_all(&mut self) {
        self.area = Area::default();
        self.prefix_lsas.clear();
        self.offered.clear();
        self.footing.clear();
        self.externals = Externals::default();
        for (prefix, destination) in &mut self.destinations {
            destination.offers.clear();
            destination.exits.clear();
            self.touched.insert(*prefix);
        }
    }

    /// Calculates everything anew for router `own`, whose neighbours in Full are given in any
    /// order, at most one a port; returns what changed.
    pub fn calculate(&mut self, own: RouterId, adjacencies: &[Adjacency]) -> Vec<RouteUpdate> {
        self.calculate_tree(own, adjacencies);
        self.calculate_repairs();
        self.calculate_routes()
    }

    /// First part of [`Self::calculate`]: the tree.
    pub fn calculate_tree(&mut self, own: RouterId, adjacencies: &[Adjacency]) {
        self.topology.grow(&self.area, own, adjacencies);
    }

    /// Second part: what to do when something next to this router dies.
    pub fn calculate_repairs(&mut self) {
        self.topology.repair(&self.area);
    }

    /// Third part: the routes of the tree; returns what changed. Where numbers mean what they meant
    /// and little changed, only routes to what changed are looked at.
    pub fn calculate_routes(&mut self) -> Vec<RouteUpdate> {
        let choices = self.topology.choices();
        let footing = self.topology.footing();
        let before = core::mem::replace(&mut self.footing, footing);
        let detours = self.topology.repairs.detours();
        let detours_before = core::mem::replace(&mut self.detours, detours);
        let is_same = choices.extends(&self.choices);
        let moved = moved(&before, &self.footing);
        if !is_same || moved.len() > self.footing.len() / MOVED_PART_MAX {
            return self.calculate_all(choices, is_same);
        }
        self.choices = choices;
        let offered = moved.iter().filter_map(|vertex| self.offered.get(*vertex)).flatten();
        self.touched.extend(offered);
        let moved = moved.into_iter().chain(turned(&detours_before, &self.detours));
        self.touched_exits.extend(moved.flat_map(|at| self.externals.behind(at)));
        self.calculate_prefixes()
    }

    /// Every route anew.
    fn calculate_all(&mut self, choices: Choices, is_same: bool) -> Vec<RouteUpdate> {
        self.touched.clear();
        self.touched_exits.clear();
        self.find_gateways();
        let mut updates = Vec::new();
        let (topology, externals, old) = (&self.topology, &self.externals, &self.choices);
        let step = Step { topology, externals, old, new: &choices, is_same };
        self.prefix_count = 0;
        self.destinations.retain(|prefix, destination| {
            updates.extend(step.update(*prefix, destination));
            self.prefix_count += u32::from(destination.route.is_some());
            destination.is_known()
        });
        self.choices = choices;
        updates
    }

    /// RFC 5340 §4.8.3: only intra-area-prefix-LSAs changed, so that the tree still holds; returns
    /// what changed.
    pub fn calculate_prefixes(&mut self) -> Vec<RouteUpdate> {
        self.follow_gateways();
        let mut prefixes = core::mem::take(&mut self.touched);
        prefixes.append(&mut self.touched_exits);
        self.update(prefixes)
    }

    /// RFC 2328 §16.6: only AS-external-LSAs are looked at, whatever else changed; returns what
    /// changed.
    pub fn calculate_externals(&mut self) -> Vec<RouteUpdate> {
        let prefixes = core::mem::take(&mut self.touched_exits);
        self.update(prefixes)
    }

    /// The routes to some prefixes anew, on the tree that there is.
    fn update(&mut self, prefixes: BTreeSet<Ipv6Prefix>) -> Vec<RouteUpdate> {
        let mut updates = Vec::new();
        let (topology, externals, old) = (&self.topology, &self.externals, &self.choices);
        let step = Step { topology, externals, old, new: old, is_same: true };
        for prefix in prefixes {
            let Some(destination) = self.destinations.get_mut(&prefix) else { continue };
            self.prefix_count -= u32::from(destination.route.is_some());
            updates.extend(step.update(prefix, destination));
            self.prefix_count += u32::from(destination.route.is_some());
            if !destination.is_known() {
                self.destinations.remove(&prefix);
            }
        }
        updates
    }

    /// Every prefix known, own ones included, by prefix.
    pub fn routes(&self) -> Vec<RouteView> {
        let view = |(prefix, destination): (&Ipv6Prefix, &Destination)| {
            let route = destination.route?;
            Some(RouteView {
                prefix: *prefix,
                cost: route.cost,
                kind: route.path_type.name(),
                next_hops: resolve(route.next_hops, &self.choices.ways),
                gateway: route.gateway,
                cover: self.choices.cover(route),
                has_way_past_neighbor: self
                    .topology
                    .has_way_past_neighbor(destination, &self.externals),
            })
        };
        self.destinations.iter().filter_map(view).collect()
    }

    /// Every prefix that is announced, by prefix.
    pub fn announcements(&self) -> impl Iterator<Item = (Ipv6Prefix, RouteBody)> + '_ {
        self.destinations.iter().filter_map(|(prefix, destination)| {
            let route = destination.route.filter(|route| !route.is_own)?;
            Some((*prefix, self.choices.body(&route)))
        })
    }

    /// Prefixes in the table.
    pub const fn prefix_count(&self) -> u32 {
        self.prefix_count
    }

    /// Routers that the last tree reaches, this one included.
    pub const fn router_count(&self) -> u32 {
        self.topology.router_count
    }

    /// The graph that the routes were calculated on, which stays until the next calculation.
    pub const fn graph(&self) -> &Graph {
        &self.topology.graph
    }

    /// The tree that the routes came out of.
    pub const fn tree(&self) -> &Tree {
        &self.topology.tree
    }

    /// Whether the tree reaches a router; where the area has changed since it was grown that may be
    /// another one.
    pub fn reaches(&self, router: RouterId) -> bool {
        self.area.router(router).is_some_and(|vertex| self.topology.tree.reach(vertex).is_some())
    }

    /// What to do when something next to this router dies.
    pub const fn repairs(&self) -> &Repairs {
        &self.topology.repairs
    }

    /// The area as LSAs tell it now, which may be newer than the tree.
    pub const fn area(&self) -> &Area {
        &self.area
    }

    /// When router `own` may take over what LSAs tell since the last calculation.
    pub fn order(&self, own: RouterId) -> Order {
        let Some(own) = self.area.router(own) else { return Order::Now };
        let new = self.area.graph();
        let graphs = (&self.topology.graph, &new);
        let is_stranger = |vertex| {
            let said = self.area.repair(vertex);
            let keeps_order = said.is_some_and(|said| said.flags.contains(RepairFlags::ORDERS));
            new.kind(vertex) != Some(VertexKind::Network) && !keeps_order
        };
        order(graphs, own, is_stranger, |site| is_covered(&self.area, graphs, site))
    }

    /// Whether packets would still go where they go, had this router taken over what LSAs tell and
    /// who its neighbours are now. Then it need not wait for its turn.
    pub fn keeps_ways(&self, own: RouterId, adjacencies: &[Adjacency]) -> bool {
        let mut next = Topology::default();
        next.grow(&self.area, own, adjacencies);
        if next.root != self.topology.root || next.ways != self.topology.ways {
            return false;
        }
        let count = next.graph.vertex_count().max(self.topology.graph.vertex_count());
        let vertices = || (0..).map(VertexId).take(count);
        let way = |tree: &Tree, vertex| tree.reach(vertex).map(|r| (r.next_hops, r.is_attached));
        let distance = |tree: &Tree, vertex| tree.reach(vertex).map(Reach::distance);
        let (old, new) = (&self.topology.tree, &next.tree);
        // Between two that have the same prefix distances decide.
        let is_shared =
            || self.destinations.values().any(|one| one.offers.len() + one.exits.len() > 1);
        vertices().all(|vertex| way(old, vertex) == way(new, vertex))
            && (vertices().all(|vertex| distance(old, vertex) == distance(new, vertex))
                || !is_shared())
    }

    /// Octets on the heap, about; those of LSAs belong to the database.
    pub fn heap_bytes(&self) -> usize {
        let offers = |destination: &Destination| {
            destination.offers.capacity() * size_of::<Offer>()
                + destination.exits.capacity() * size_of::<Exit>()
        };
        let prefixes = |list: &Vec<Ipv6Prefix>| list.capacity() * size_of::<Ipv6Prefix>();
        let destinations = self.destinations.len() * size_of::<(Ipv6Prefix, Destination)>();
        let lsas = self.prefix_lsas.len() * size_of::<((RouterId, u32), (VertexId, Lsa))>();
        self.area.heap_bytes()
            + self.topology.graph.heap_bytes()
            + self.topology.tree.heap_bytes()
            + self.destinations.values().map(offers).sum::<usize>()
            + self.offered.iter().map(prefixes).sum::<usize>()
            + self.offered.capacity() * size_of::<Vec<Ipv6Prefix>>()
            + self.footing.capacity() * size_of::<Footing>()
            + self.externals.heap_bytes()
            // The nodes of a map are two thirds full.
            + (destinations + lsas) * 3 / 2
    }

    /// RFC 5340 §4.8.1, second stage, prepared: what every vertex offers.
    fn learn_prefixes(&mut self, lsa: &Lsa) {
        let key = (lsa.header.advertising_router, lsa.header.link_state_id);
        if let Some((vertex, before)) = self.prefix_lsas.remove(&key) {
            self.area.release(vertex);
            let prefixes = unicast_prefixes(&before).into_iter().flat_map(|(_, list)| list);
            for (prefix, _) in prefixes {
                if let Some(destination) = self.destinations.get_mut(&prefix) {
                    destination.offers.retain(|offer| offer.lsa != key);
                }
                let offered = self.offered.get_mut(vertex.index());
                if let Some(offered) = offered
                    && let Some(at) = offered.iter().position(|other| *other == prefix)
                {
                    offered.swap_remove(at);
                }
                self.touched.insert(prefix);
            }
        }
        if lsa.header.is_max_age() {
            return;
        }
        let Some((name, prefixes)) = unicast_prefixes(lsa) else { return };
        let vertex = self.area.hold(name);
        if self.offered.len() <= vertex.index() {
            self.offered.resize(vertex.index() + 1, Vec::new());
        }
        self.offered[vertex.index()].extend(prefixes.iter().map(|(prefix, _)| *prefix));
        for (prefix, metric) in prefixes {
            let destination = self.destinations.entry(prefix).or_default();
            destination.offers.push(Offer { vertex, metric, lsa: key });
            self.touched.insert(prefix);
        }
        self.prefix_lsas.insert(key, (vertex, lsa.clone()));
    }
}

/// Whose prefixes they are, and the prefixes with their metrics. One that is repeated counts once,
/// at its least metric: an LSA has room for thousands, and each would be an offer.
fn unicast_prefixes(lsa: &Lsa) -> Option<(VertexName, Vec<(Ipv6Prefix, u16)>)> {
    let Ok(LsaBody::IntraAreaPrefix(body)) = lsa.body() else { return None };
    let IntraAreaPrefixLsa { referenced_link_state_id, referenced_advertising_router, .. } = body;
    let name = match body.referenced_ls_type {
        LsType::ROUTER => VertexName::Router(referenced_advertising_router),
        LsType::NETWORK => {
            VertexName::Network(referenced_advertising_router, referenced_link_state_id)
        }
        _ => return None,
    };
    // RFC 5340 §A.4.1.1: with the NU-bit the prefix is not for unicast. The LA-bit marks an
    // address of the router: a destination like any other.
    let prefixes = body.prefixes.iter().filter(|p| !p.options.contains(PrefixOptions::NU));
    let mut prefixes: Vec<(Ipv6Prefix, u16)> = prefixes.map(|p| (p.prefix, p.metric)).collect();
    prefixes.sort_unstable();
    prefixes.dedup_by_key(|(prefix, _)| *prefix);
    Some((name, prefixes))
}

impl Topology {
    fn grow(&mut self, area: &Area, own: RouterId, adjacencies: &[Adjacency]) {
        area.write_graph(&mut self.graph);
        let mut adjacencies = adjacencies.to_vec();
        adjacencies.sort_unstable_by_key(|a| (a.port, a.address, a.interface_id));
        self.first_hops.clear();
        self.ways.clear();
        for adjacency in adjacencies {
            let Some(neighbor) = area.router(adjacency.neighbor_router_id) else { continue };
            self.first_hops.push(FirstHop {
                interface_id: adjacency.interface_id,
                neighbor,
                neighbor_interface_id: adjacency.neighbor_interface_id,
            });
            self.ways.push(RouteNextHop { port: adjacency.port, address: adjacency.address });
        }
        self.ranks = area.ranks();
        self.boundary.clone_from(area.boundary_routers());
        // Without a router-LSA of its own this router is not part of the area yet.
        self.root = area.router(own);
        self.tree = match self.root {
            Some(root) => shortest_paths(&self.graph, root, &self.first_hops),
            None => Tree::default(),
        };
        let routers = self.tree.reached().filter(|vertex| !self.graph.is_network(*vertex));
        self.router_count = u32::try_from(routers.count()).unwrap_or(u32::MAX);
    }

    fn repair(&mut self, area: &Area) {
        let Self { graph, tree, first_hops, ways, ranks, .. } = &*self;
        self.repairs = self.root.map_or_else(Repairs::default, |root| {
            let exits: Vec<VertexId> = self.boundary.keys().copied().collect();
            let exits = &exits;
            let ground = Ground { area, graph, tree, root, first_hops, ways, ranks, exits };
            Repairs::calculate(ground).numbered_as(&self.repairs)
        });
    }

    /// What routes to each vertex depend on.
    fn footing(&self) -> Vec<Footing> {
        let vertices = (0..).map(VertexId).take(self.graph.vertex_count());
        let footing = |vertex| {
            let reach = self.tree.reach(vertex)?;
            let exit = self.boundary.get(&vertex).copied().zip(self.graph.kind(vertex));
            Some((reach, self.repairs.of(vertex, reach.next_hops), exit))
        };
        vertices.map(footing).collect()
    }

    fn choices(&self) -> Choices {
        Choices { ways: self.ways.clone(), repairs: self.repairs.list.clone() }
    }

    fn best(&self, destination: &Destination, externals: &Externals) -> Option<Route> {
        let (best, vertex) = self.choose(destination, externals)?;
        let mut best = self.covered(best, vertex);
        if best.path_type != PathType::IntraArea
            && let Some(Ok(detour)) = self.detour(best, vertex, destination, externals)
        {
            best.cover = Cover::Repair(detour);
        }
        Some(best)
    }

    /// RFC 2328 §11: a path within the area before all that lead out of the AS.
    fn choose(
        &self,
        destination: &Destination,
        externals: &Externals,
    ) -> Option<(Route, VertexId)> {
        let within = self.nearest(&destination.offers);
        within.or_else(|| self.nearest_exit(&destination.exits, externals))
    }

    /// A route to what is at `vertex`, with what happens when its next hop dies.
    fn covered(&self, mut best: Route, vertex: VertexId) -> Route {
        if best.is_own || best.gateway.is_some() {
            best.next_hops = NextHopSet::EMPTY;
            return best;
        }
        best.cover = match self.repairs.of(vertex, best.next_hops) {
            None => Cover::EqualCost,
            Some(Ok(repair)) => Cover::Repair(repair),
            Some(Err(bare)) => Cover::Bare(bare),
        };
        best.next_hops = best.next_hops.truncated();
        best
    }

    /// Asked when somebody looks: routes do not depend on it, so none is calculated anew for it.
    fn has_way_past_neighbor(&self, destination: &Destination, externals: &Externals) -> bool {
        self.choose(destination, externals).is_some_and(|(route, vertex)| {
            let is_bare = |answer| answer == Err(Bare::NoWay);
            let detour = self.detour(route, vertex, destination, externals);
            !route.is_own
                && (self.repairs.has_way_past_neighbor(vertex, route.next_hops)
                    || detour.is_some_and(|answer| !is_bare(answer)))
        })
    }

    /// The least cost wins; equal costs share (anycast), unless one of them is this router's own.
    /// With the vertex that stands for all that share.
    fn nearest(&self, offers: &[Offer]) -> Option<(Route, VertexId)> {
        let mut best: Option<(Route, VertexId)> = None;
        for offer in offers {
            let Some(reach) = self.tree.reach(offer.vertex) else { continue };
            let cost = reach.distance().saturating_add(offer.metric.into());
            let (next_hops, is_own) = (reach.next_hops, reach.is_attached);
            let (path_type, cover, gateway) = (PathType::IntraArea, Cover::Own, None);
            let route = Route { path_type, cost, next_hops, gateway, is_own, cover };
            match &mut best {
                Some((best, _)) if best.cost < cost => {}
                Some((best, vertex)) if best.cost == cost => {
                    best.next_hops = best.next_hops.union(route.next_hops);
                    best.is_own |= route.is_own;
                    let rank = |vertex: VertexId| self.ranks.get(vertex.index());
                    if rank(offer.vertex) < rank(*vertex) {
                        *vertex = offer.vertex;
                    }
                }
                _ => best = Some((route, offer.vertex)),
            }
        }
        best.filter(|(route, _)| route.cost < LS_INFINITY)
    }
}

impl PathType {
    /// In words, for `show`.
    const fn name(self) -> &'static str {
        match self {
            Self::IntraArea => "intra-area",
            Self::Type1 => "external type 1",
            Self::Type2 { .. } => "external type 2",
        }
    }
}

/// Numbers of the vertices to which routes may have changed.
fn moved(before: &[Footing], after: &[Footing]) -> Vec<usize> {
    let count = before.len().max(after.len());
    let at = |list: &[Footing], vertex: usize| list.get(vertex).copied().flatten();
    (0..count).filter(|vertex| at(before, *vertex) != at(after, *vertex)).collect()
}

/// Numbers of the exits whose detours changed.
fn turned<'a>(
    before: &'a BTreeMap<(VertexId, usize, VertexId), Answer>,
    after: &'a BTreeMap<(VertexId, usize, VertexId), Answer>,
) -> impl Iterator<Item = usize> + 'a {
    let gone = before.iter().filter(|(key, _)| !after.contains_key(key));
    let news = after.iter().filter(|(key, answer)| before.get(key) != Some(answer));
    gone.chain(news).map(|((exit, ..), _)| exit.index())
}

impl Choices {
    /// Whether the numbers of the choices before mean the same here.
    fn extends(&self, before: &Self) -> bool {
        self.ways == before.ways && self.repairs.starts_with(&before.repairs)
    }

    /// What protects a route, for `show`.
    fn cover(&self, route: Route) -> CoverView {
        match route.cover {
            Cover::Own => CoverView::Own,
            Cover::EqualCost => CoverView::EqualCost,
            Cover::Bare(bare) => CoverView::None(bare.name()),
            Cover::Repair(number) => match self.repairs.get(usize::from(number)) {
                Some(repair) => CoverView::Repair(repair.clone()),
                None => CoverView::None(Bare::NoWay.name()),
            },
        }
    }

    fn body(&self, route: &Route) -> RouteBody {
        let repair = match route.cover {
            Cover::Repair(number) => self.repairs.get(usize::from(number)).cloned(),
            Cover::Own | Cover::EqualCost | Cover::Bare(_) => None,
        };
        let target = match route.gateway {
            Some(address) => RouteTarget::Recursive(Vec::from([address])),
            None => RouteTarget::Via(resolve(route.next_hops, &self.ways)),
        };
        RouteBody { metric: route.cost, target, repair }
    }
}

/// From one table to the next.
#[derive(Clone, Copy)]
struct Step<'a> {
    topology: &'a Topology,
    externals: &'a Externals,
    /// What the routes so far number.
    old: &'a Choices,
    /// What those of the topology do.
    new: &'a Choices,
    /// Whether the numbers mean what they meant.
    is_same: bool,
}

impl Step<'_> {
    /// Calculates the best way to a prefix anew; returns what has to be said about it, if anything.
    fn update(&self, prefix: Ipv6Prefix, destination: &mut Destination) -> Option<RouteUpdate> {
        let after = self.topology.best(destination, self.externals);
        let before = core::mem::replace(&mut destination.route, after);
        let before = before.filter(|route| !route.is_own);
        let after = after.filter(|route| !route.is_own);
        if before == after && self.is_same {
            return None;
        }
        let new = after.map(|route| self.new.body(&route));
        if new == before.map(|route| self.old.body(&route)) {
            return None;
        }
        Some(RouteUpdate { prefix, source: RouteSource::Ospf, route: new })
    }
}

/// Numbers are handed out in the order of the next hops, so that these come out sorted.
fn resolve(next_hops: NextHopSet, ways: &[RouteNextHop]) -> Vec<RouteNextHop> {
    let mut resolved: Vec<RouteNextHop> =
        next_hops.positions().filter_map(|position| ways.get(position).copied()).collect();
    resolved.dedup();
    resolved
}
