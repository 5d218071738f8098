//! Shortest paths through one area: Dijkstra with all equal-cost first hops.
//!
//! Owns the plain graph of an area ([`Graph`]: routers and transit networks as dense numbers) and
//! the tree that comes out of it ([`Tree`]: distance and set of own next hops of every vertex).
//! How LSAs become a graph, and a tree becomes routes, is the business of [`super::calculate`].
//!
//! *Invariants*: a link counts only where the other end names it too; costs out of a router are at
//! least one, so that no vertex is reached again at the distance at which it was left; the same
//! graph gives the same tree, whatever the order of its links.
//!
//! *Standards*: RFC 2328 §16.1 with RFC 5340 §4.8.1 (first stage: routers and transit networks);
//! RFC 6987 (a link of cost 0xffff is used where there is no other). Deviations: the check for the
//! link back compares interface ids where both ends are routers, so that one dead cable of two
//! parallel ones is seen; a cost of zero, which RFC 2328 §C.3 forbids, counts as one.

use crate::base::ids::PORT_MAX;
use crate::base::route::ECMP_WIDTH_MAX;
use core::cmp::Reverse;
use core::ops::Range;
use std::collections::BinaryHeap;

#[cfg(test)]
mod tests;

/// Own next hops a calculation tells apart: a port of a point-to-point cable has one neighbour.
pub const FIRST_HOP_MAX: usize = 64;

const _: () = assert!(FIRST_HOP_MAX >= PORT_MAX && FIRST_HOP_MAX >= ECMP_WIDTH_MAX);

/// Vertices of one graph: their number shares a word with the distance and one bit.
pub const VERTEX_MAX: usize = 1 << 31;

/// A router or transit network, counted from zero in the order of [`Graph::add_vertex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VertexId(pub u32);

impl VertexId {
    /// The number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a vertex is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VertexKind {
    /// A router that forwards for others: R-bit set.
    Router,
    /// A router that is an end only: R-bit clear (RFC 5340 §A.2).
    EndRouter,
    /// A transit network.
    Network,
}

/// A link out of a vertex. Its order is the order of the search for the link back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Where it leads.
    pub to: VertexId,
    /// Interface ID here; zero where a network is left.
    pub interface_id: u32,
    /// Interface ID there; of the Designated Router where `to` is a network.
    pub neighbor_interface_id: u32,
    /// Output cost; ignored where a network is left.
    pub cost: u16,
}

/// An area as a graph. One exists for the length of a calculation.
#[derive(Clone, Debug)]
pub struct Graph {
    kinds: Vec<VertexKind>,
    /// `links[first_link[v]..first_link[v + 1]]` leave `v`, sorted.
    first_link: Vec<usize>,
    links: Vec<Link>,
}

impl Graph {
    /// An empty graph with room.
    pub fn with_capacity(vertex_count: usize, link_count: usize) -> Self {
        let mut first_link = Vec::with_capacity(vertex_count + 1);
        first_link.push(0);
        Self {
            kinds: Vec::with_capacity(vertex_count),
            first_link,
            links: Vec::with_capacity(link_count),
        }
    }

    /// Adds the next vertex with all its links; they may lead to vertices that are added later.
    pub fn add_vertex(
        &mut self,
        kind: VertexKind,
        links: impl IntoIterator<Item = Link>,
    ) -> VertexId {
        let id = self.kinds.len();
        assert!(id < VERTEX_MAX, "the database limit keeps graphs far smaller");
        let start = self.links.len();
        self.links.extend(links);
        self.links[start..].sort_unstable();
        self.kinds.push(kind);
        self.first_link.push(self.links.len());
        VertexId(u32::try_from(id).unwrap_or_else(|_| unreachable!("below VERTEX_MAX")))
    }

    /// How many vertices it has.
    pub fn vertex_count(&self) -> usize {
        self.kinds.len()
    }

    fn links_of(&self, vertex: VertexId) -> &[Link] {
        &self.links[self.link_range(vertex)]
    }

    fn link_range(&self, vertex: VertexId) -> Range<usize> {
        self.first_link[vertex.index()]..self.first_link[vertex.index() + 1]
    }

    fn is_network(&self, vertex: VertexId) -> bool {
        self.kinds[vertex.index()] == VertexKind::Network
    }

    /// RFC 2328 §16.1 step 2 (b): whether the vertex at the other end has a link back.
    fn has_link_back(&self, from: VertexId, link: Link) -> bool {
        let back = self.links_of(link.to);
        if self.is_network(from) || self.is_network(link.to) {
            let at = back.partition_point(|candidate| candidate.to < from);
            return back.get(at).is_some_and(|candidate| candidate.to == from);
        }
        let wanted = (from, link.neighbor_interface_id, link.interface_id);
        back.binary_search_by(|candidate| {
            let key = (candidate.to, candidate.interface_id, candidate.neighbor_interface_id);
            key.cmp(&wanted)
        })
        .is_ok()
    }

    fn cost(&self, from: VertexId, link: Link) -> u32 {
        if self.is_network(from) { 0 } else { u32::from(link.cost.max(1)) }
    }
}

/// An own adjacency, by which a path may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstHop {
    /// Own Interface ID.
    pub interface_id: u32,
    /// The neighbour.
    pub neighbor: VertexId,
    /// Its Interface ID.
    pub neighbor_interface_id: u32,
}

/// A set of own adjacencies, by their position in the list given to [`shortest_paths`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextHopSet(u64);

const _: () = assert!(u64::BITS as usize == FIRST_HOP_MAX);

impl NextHopSet {
    /// No adjacency.
    pub const EMPTY: Self = Self(0);

    /// The set with `position` added; positions from [`FIRST_HOP_MAX`] on are our error.
    #[must_use]
    pub const fn with(self, position: usize) -> Self {
        assert!(position < FIRST_HOP_MAX);
        Self(self.0 | 1 << position)
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first [`ECMP_WIDTH_MAX`] of it.
    #[must_use]
    pub fn truncated(self) -> Self {
        self.positions().take(ECMP_WIDTH_MAX).fold(Self::EMPTY, Self::with)
    }

    /// Its positions, ascending.
    pub fn positions(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let position = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (position < u64::BITS).then_some(position as usize)
        })
    }
}

/// What a calculation found: a distance and a set of next hops for every vertex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    reaches: Vec<Reach>,
}

/// How a vertex is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    distance: u32,
    /// The own adjacencies by which the shortest paths begin.
    pub next_hops: NextHopSet,
    /// The vertex is this router or a network on one of its own links.
    pub is_attached: bool,
}

const UNREACHED: Reach =
    Reach { distance: u32::MAX, next_hops: NextHopSet::EMPTY, is_attached: false };

impl Reach {
    /// Sum of the costs from the root.
    pub const fn distance(self) -> u32 {
        self.distance
    }
}

impl Tree {
    /// How `vertex` is reached; `None` where it is not.
    pub fn reach(&self, vertex: VertexId) -> Option<Reach> {
        self.reaches.get(vertex.index()).copied().filter(|reach| reach.distance != u32::MAX)
    }

    /// Vertices that are reached, the root included.
    pub fn reached(&self) -> impl Iterator<Item = VertexId> {
        (0..).zip(&self.reaches).filter(|(_, r)| r.distance != u32::MAX).map(|(v, _)| VertexId(v))
    }
}

/// RFC 2328 §16.1, first stage: the tree of shortest paths from `root`.
///
/// `first_hops` lists at most [`FIRST_HOP_MAX`] own adjacencies; a link of the root that matches
/// none of them is not used, whatever its router-LSA still says.
pub fn shortest_paths(graph: &Graph, root: VertexId, first_hops: &[FirstHop]) -> Tree {
    assert!(first_hops.len() <= FIRST_HOP_MAX, "one neighbour per port");
    let reaches = vec![UNREACHED; graph.vertex_count()];
    let mut walk = Walk { graph, root, first_hops, reaches, candidates: BinaryHeap::new() };
    walk.run();
    Tree { reaches: walk.reaches }
}

/// One calculation under way.
struct Walk<'a> {
    graph: &'a Graph,
    root: VertexId,
    first_hops: &'a [FirstHop],
    reaches: Vec<Reach>,
    /// Nearest first; at equal distance networks before routers (RFC 2328 §16.1 step 3), so that
    /// every equal-cost path into a router is known before the router is left. Entries that were
    /// overtaken by a shorter path stay and are passed over.
    candidates: BinaryHeap<Reverse<u64>>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let root = self.root;
        self.reaches[root.index()] =
            Reach { distance: 0, next_hops: NextHopSet::EMPTY, is_attached: true };
        self.candidates.push(Reverse(self.candidate(root, 0)));
        while let Some(Reverse(entry)) = self.candidates.pop() {
            let (vertex, distance) = unpack(entry);
            let is_overtaken = self.reaches[vertex.index()].distance != distance;
            // RFC 5340 §A.2: routes that transit a router whose R-bit is clear cannot be computed.
            let is_end = self.graph.kinds[vertex.index()] == VertexKind::EndRouter;
            if is_overtaken || is_end && vertex != root {
                continue;
            }
            for at in self.graph.link_range(vertex) {
                self.relax(vertex, self.graph.links[at]);
            }
        }
    }

    fn relax(&mut self, from: VertexId, link: Link) {
        let here = self.reaches[from.index()];
        let known = self.reaches[link.to.index()].distance;
        let distance = here.distance.saturating_add(self.graph.cost(from, link));
        if distance > known || distance == u32::MAX {
            return;
        }
        let Some(next_hops) = self.next_hops(from, link) else { return };
        if !self.graph.has_link_back(from, link) {
            return;
        }
        let is_attached = from == self.root && self.graph.is_network(link.to);
        let reach = &mut self.reaches[link.to.index()];
        if distance < known {
            *reach = Reach { distance, next_hops, is_attached };
            self.candidates.push(Reverse(self.candidate(link.to, distance)));
        } else {
            reach.next_hops = reach.next_hops.union(next_hops);
            reach.is_attached |= is_attached;
        }
    }

    /// RFC 2328 §16.1.1: the next hops of a path that goes over `link`; `None` where this router
    /// has no adjacency to begin it with.
    fn next_hops(&self, from: VertexId, link: Link) -> Option<NextHopSet> {
        let inherited = self.reaches[from.index()].next_hops;
        let own = if from == self.root {
            if self.graph.is_network(link.to) {
                return Some(NextHopSet::EMPTY);
            }
            self.first_hops_where(|hop| {
                hop.neighbor == link.to
                    && hop.interface_id == link.interface_id
                    && hop.neighbor_interface_id == link.neighbor_interface_id
            })
        } else if self.reaches[from.index()].is_attached {
            self.first_hops_where(|hop| {
                hop.neighbor == link.to && self.is_way_onto(from, hop.interface_id)
            })
        } else {
            return Some(inherited);
        };
        Some(inherited.union(own)).filter(|next_hops| !next_hops.is_empty())
    }

    fn first_hops_where(&self, matches: impl Fn(&FirstHop) -> bool) -> NextHopSet {
        let hops = self.first_hops.iter().enumerate().filter(|(_, hop)| matches(hop));
        hops.fold(NextHopSet::EMPTY, |set, (position, _)| set.with(position))
    }

    /// Whether the own interface is a shortest way onto an attached network.
    fn is_way_onto(&self, network: VertexId, interface_id: u32) -> bool {
        let distance = self.reaches[network.index()].distance;
        self.graph.links_of(self.root).iter().any(|link| {
            link.to == network
                && link.interface_id == interface_id
                && self.graph.cost(self.root, *link) == distance
        })
    }

    fn candidate(&self, vertex: VertexId, distance: u32) -> u64 {
        let is_router = u64::from(!self.graph.is_network(vertex));
        u64::from(distance) << 32 | is_router << 31 | u64::from(vertex.0)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of one word")]
const fn unpack(entry: u64) -> (VertexId, u32) {
    (VertexId(entry as u32 & (u32::MAX >> 1)), (entry >> 32) as u32)
}
