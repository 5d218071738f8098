//! In which order routers take a change over, so that packets meet no loop on the way.
//!
//! Owns [`order`]: from the graph that the routes stand on and the one that the database tells now,
//! how many steps this router waits before it calculates. Each router finds its own place without
//! asking anybody, because all of them see the same two graphs. The length of a step and the timer
//! are `routes`' business.
//!
//! When something gets worse, those furthest from it go first and the routers at it last: until
//! then they send what still comes over their repairs. When something gets better, those at it go
//! first. A router then never sends packets to one that is nearer to the change and would send them
//! back by its old routes.
//!
//! *Invariants*: only the change of one link or of links that share one router is ordered; what is
//! left of all others is [`Order::Now`], as without this file. The graphs number routers alike.
//! *Standards*: RFC 6976 §4 (ranks), §8 (several changes at once). Deviation: a rank is counted
//! over all equal-cost paths, and nobody sends completion messages (RFC 6976 §6): a router that is
//! late by more than a step may meet a loop for that long.

use super::distances::{Direction, Distances, UNREACHED};
use super::spf::{Graph, Link, VertexId, VertexKind};
use crate::wire::ospf::router_lsa::METRIC_MAX;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// The last place in the order: with a step of 25 ms a second passes until then.
pub const RANK_MAX: u32 = 40;

/// When this router takes a change over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// At once.
    Now,
    /// After so many steps, 1 to [`RANK_MAX`].
    After(u32),
}

impl Order {
    fn after(rank: u32) -> Self {
        if rank == 0 { Self::Now } else { Self::After(rank.min(RANK_MAX)) }
    }
}

/// The place of router `own` in the change from the graph `old` to `new`.
pub fn order(old: &Graph, new: &Graph, own: VertexId) -> Order {
    let Some(change) = Change::between(old, new) else { return Order::Now };
    if own.index() >= old.vertex_count() || own.index() >= new.vertex_count() {
        return Order::Now;
    }
    let rank = match (change.trend, change.site) {
        (Trend::Worse, Site::Link(one, other)) => {
            let ways = [(one, other), (other, one)];
            ways.into_iter().filter_map(|(from, to)| depth_over(old, from, to, own)).max()
        }
        (Trend::Worse, Site::Router(router)) => depth_towards(old, router, own),
        (Trend::Better, Site::Link(one, other)) => {
            let walk = Walk::from(new, own);
            let ways = [(one, other), (other, one)];
            ways.into_iter().filter_map(|(from, to)| walk.hops_before(from, to)).max()
        }
        (Trend::Better, Site::Router(router)) if is_new_end(old, new, router) => None,
        (Trend::Better, Site::Router(router)) => Walk::from(new, own).hops(router),
    };
    rank.map_or(Order::Now, Order::after)
}

/// Which way a change goes, for paths over what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trend {
    Worse,
    Better,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// Links between two routers.
    Link(VertexId, VertexId),
    /// Links of one router, or whether it forwards.
    Router(VertexId),
}

/// A change that can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    trend: Trend,
    site: Site,
}

impl Change {
    /// `None` where there is none, several, or one that is neither better nor worse.
    fn between(old: &Graph, new: &Graph) -> Option<Self> {
        let mut trends = BTreeSet::new();
        let mut pairs: BTreeSet<(VertexId, VertexId)> = BTreeSet::new();
        let mut routers = BTreeSet::new();
        let count = old.vertex_count().max(new.vertex_count());
        for vertex in (0..).map(VertexId).take(count) {
            match (old.kind(vertex), new.kind(vertex)) {
                // Gap: RFC 6976 orders broadcast links too; a cable is none.
                (Some(VertexKind::Network), _) | (_, Some(VertexKind::Network))
                    if links(old, vertex) != links(new, vertex) =>
                {
                    return None;
                }
                (Some(VertexKind::Router), Some(VertexKind::EndRouter)) => {
                    trends.insert(Trend::Worse);
                    routers.insert(vertex);
                }
                (Some(VertexKind::EndRouter), Some(VertexKind::Router)) => {
                    trends.insert(Trend::Better);
                    routers.insert(vertex);
                }
                _ => {}
            }
            for (neighbor, trend) in changed_neighbors(old, new, vertex) {
                trends.insert(trend);
                pairs.insert((vertex.min(neighbor), vertex.max(neighbor)));
            }
        }
        let &trend = trends.first().filter(|_| trends.len() == 1)?;
        Some(Self { trend, site: site_of(&pairs, &routers)? })
    }
}

/// The one link, or the one router that everything has to do with.
fn site_of(pairs: &BTreeSet<(VertexId, VertexId)>, routers: &BTreeSet<VertexId>) -> Option<Site> {
    match (pairs.len(), routers.len()) {
        (1, 0) => pairs.first().map(|(one, other)| Site::Link(*one, *other)),
        (_, 0) => {
            let &(one, other) = pairs.first()?;
            let is_shared =
                |router: &VertexId| pairs.iter().all(|(a, b)| a == router || b == router);
            [one, other].into_iter().find(is_shared).map(Site::Router)
        }
        (_, 1) => {
            let router = *routers.first()?;
            let is_shared = pairs.iter().all(|(a, b)| *a == router || *b == router);
            is_shared.then_some(Site::Router(router))
        }
        _ => None,
    }
}

fn links(graph: &Graph, vertex: VertexId) -> &[Link] {
    if vertex.index() < graph.vertex_count() { graph.links_of(vertex) } else { &[] }
}

/// The neighbours that `vertex` reaches more or less cheaply than before. Of parallel links the
/// cheapest counts: losing another one of them moves nobody's distance.
fn changed_neighbors(old: &Graph, new: &Graph, vertex: VertexId) -> Vec<(VertexId, Trend)> {
    let (before, after) = (links(old, vertex), links(new, vertex));
    if before == after {
        return Vec::new();
    }
    let cheapest = |links: &[Link]| {
        let mut costs: BTreeMap<VertexId, u16> = BTreeMap::new();
        for link in links {
            let cost = costs.entry(link.to).or_insert(u16::MAX);
            *cost = link.cost.min(*cost);
        }
        costs
    };
    let (before, after) = (cheapest(before), cheapest(after));
    let neighbors: BTreeSet<VertexId> = before.keys().chain(after.keys()).copied().collect();
    let trend = |neighbor: &VertexId| match (before.get(neighbor), after.get(neighbor)) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) if old < new => Some(Trend::Worse),
        (Some(_), None) => Some(Trend::Worse),
        _ => Some(Trend::Better),
    };
    neighbors.iter().filter_map(|n| trend(n).map(|trend| (*n, trend))).collect()
}

/// A router that nobody knew and that leads nowhere yet, because it asks to be avoided (RFC 6987):
/// no packet takes a new way because of it.
fn is_new_end(old: &Graph, new: &Graph, router: VertexId) -> bool {
    let is_end = new.kind(router) == Some(VertexKind::EndRouter)
        || links(new, router).iter().all(|link| link.cost == METRIC_MAX)
        || links(new, router).len() == 1;
    links(old, router).is_empty() && is_end
}

/// Distances in a graph, from or towards one vertex.
struct Walk<'a> {
    graph: &'a Graph,
    distances: Distances,
    direction: Direction,
}

impl<'a> Walk<'a> {
    /// The distances from `root` to everybody.
    fn from(graph: &'a Graph, root: VertexId) -> Self {
        Self::run(graph, root, Direction::From)
    }

    /// The distances from everybody to `root`.
    fn towards(graph: &'a Graph, root: VertexId) -> Self {
        Self::run(graph, root, Direction::Towards)
    }

    fn run(graph: &'a Graph, root: VertexId, direction: Direction) -> Self {
        Self { graph, distances: Distances::all(graph, root, direction), direction }
    }

    /// Whether the shortest paths use `link` of `vertex` (away from the root of the walk).
    fn is_used(&self, vertex: VertexId, link: &Link) -> bool {
        let (here, there) = (self.distances[vertex], self.distances[link.to]);
        let may_be_passed = here == 0 || self.graph.kind(vertex) != Some(VertexKind::EndRouter);
        may_be_passed
            && here != UNREACHED
            && here.saturating_add(self.direction.cost(link)) == there
    }

    /// Hops of the longest of the shortest paths to each vertex.
    fn hop_counts(&self) -> Vec<u32> {
        let mut hops = vec![0_u32; self.graph.vertex_count()];
        for vertex in self.distances.settled() {
            for link in self.graph.links_of(*vertex) {
                if self.is_used(*vertex, link) {
                    hops[link.to.index()] = hops[link.to.index()].max(hops[vertex.index()] + 1);
                }
            }
        }
        hops
    }

    /// Hops to `router`; `None` where it is not reached.
    fn hops(&self, router: VertexId) -> Option<u32> {
        (self.distances[router] != UNREACHED).then(|| self.hop_counts()[router.index()])
    }

    /// Hops to the near end of a link from `from` to `to`; `None` where no shortest path uses it.
    fn hops_before(&self, from: VertexId, to: VertexId) -> Option<u32> {
        let mut links = self.graph.links_of(from).iter().filter(|link| link.to == to);
        links.any(|link| self.is_used(from, link)).then(|| self.hops(from))?
    }

    /// For a walk towards its root: the routers whose shortest paths lead by `first`, itself
    /// included.
    fn members_behind(&self, first: VertexId) -> Vec<bool> {
        let mut members = vec![false; self.graph.vertex_count()];
        members[first.index()] = true;
        for vertex in self.distances.settled() {
            if !members[vertex.index()] {
                continue;
            }
            for link in self.graph.links_of(*vertex) {
                if self.is_used(*vertex, link) {
                    members[link.to.index()] = true;
                }
            }
        }
        members
    }

    /// For a walk towards its root: the longest chain of routers among `members` that send their
    /// packets to `own`, one over the other.
    fn depth(&self, members: &[bool], own: VertexId) -> u32 {
        let mut depths = vec![0_u32; self.graph.vertex_count()];
        for vertex in self.distances.settled().iter().rev().filter(|v| members[v.index()]) {
            for link in self.graph.links_of(*vertex) {
                let further = link.to.index();
                if members[further] && self.is_used(*vertex, link) {
                    depths[vertex.index()] = depths[vertex.index()].max(depths[further] + 1);
                }
            }
        }
        depths[own.index()]
    }
}

/// RFC 6976 §4.3: the routers that sent packets over the link from `from` to `to` go from the
/// furthest to the nearest; `None` where `own` is not one of them.
fn depth_over(old: &Graph, from: VertexId, to: VertexId, own: VertexId) -> Option<u32> {
    if from.index() >= old.vertex_count() || to.index() >= old.vertex_count() {
        return None;
    }
    let walk = Walk::towards(old, to);
    let mut links = old.links_of(to).iter().filter(|link| link.to == from);
    if !links.any(|link| walk.is_used(to, link)) {
        return None;
    }
    let members = walk.members_behind(from);
    members[own.index()].then(|| walk.depth(&members, own))
}

/// The same for a router: everybody may have sent packets through it.
fn depth_towards(old: &Graph, router: VertexId, own: VertexId) -> Option<u32> {
    if router == own || router.index() >= old.vertex_count() {
        return None;
    }
    let walk = Walk::towards(old, router);
    let vertices = (0..).map(VertexId).take(old.vertex_count());
    let members: Vec<bool> = vertices.map(|vertex| walk.distances[vertex] != UNREACHED).collect();
    members[own.index()].then(|| walk.depth(&members, own))
}
