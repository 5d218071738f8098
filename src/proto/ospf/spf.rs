//! Shortest paths through one area: Dijkstra with all equal-cost first hops.
//!
//! Owns the plain graph of an area ([`Graph`]: routers and transit networks as dense numbers) and
//! the tree that comes out of it ([`Tree`]: distance and set of own next hops of every vertex).
//! How LSAs become a graph is the business of [`super::area`], how a tree becomes routes that of
//! [`super::calculate`].
//!
//! *Invariants*: a link counts only where the other end names it too, which who fills the graph
//! sees to; costs out of a router are at least one, so that no vertex is reached again at the
//! distance at which it was left; the same graph gives the same tree, whatever the order of its
//! links.
//!
//! *Standards*: RFC 2328 §16.1 with RFC 5340 §4.8.1 (first stage: routers and transit networks);
//! RFC 6987 (a link of cost 0xffff is used where there is no other).

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

/// A link out of a vertex that the other end has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub to: VertexId,
    /// Interface ID here; zero where a network is left.
    pub interface_id: u32,
    /// Interface ID there; of the Designated Router where `to` is a network.
    pub neighbor_interface_id: u32,
    /// Output cost; zero where a network is left.
    pub cost: u16,
    /// Output cost of the other end; zero where that is a network.
    pub cost_back: u16,
}

/// An area as a graph. One exists per area: that of the last calculation.
#[derive(Clone, Debug)]
pub struct Graph {
    kinds: Vec<VertexKind>,
    /// `links[first_link[v]..first_link[v + 1]]` leave `v`.
    first_link: Vec<u32>,
    links: Vec<Link>,
}

impl Default for Graph {
    fn default() -> Self {
        Self { kinds: Vec::new(), first_link: vec![0], links: Vec::new() }
    }
}

impl Graph {
    /// Makes it empty; the memory stays.
    pub fn clear(&mut self) {
        self.kinds.clear();
        self.first_link.truncate(1);
        self.links.clear();
    }

    /// Adds the next vertex with all its links; they may lead to vertices that are added later.
    pub fn add_vertex(&mut self, kind: VertexKind, links: &[Link]) -> VertexId {
        let id = self.kinds.len();
        assert!(id < VERTEX_MAX, "the database limit keeps graphs far smaller");
        self.links.extend_from_slice(links);
        self.kinds.push(kind);
        let end = u32::try_from(self.links.len());
        self.first_link.push(end.unwrap_or_else(|_| unreachable!("the database is limited")));
        VertexId(u32::try_from(id).unwrap_or_else(|_| unreachable!("below VERTEX_MAX")))
    }

    /// How many vertices it has.
    pub fn vertex_count(&self) -> usize {
        self.kinds.len()
    }

    /// The links that leave a vertex.
    pub fn links_of(&self, vertex: VertexId) -> &[Link] {
        &self.links[self.link_range(vertex)]
    }

    /// Octets on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.kinds.capacity() * size_of::<VertexKind>()
            + self.first_link.capacity() * size_of::<u32>()
            + self.links.capacity() * size_of::<Link>()
    }

    fn link_range(&self, vertex: VertexId) -> Range<usize> {
        self.first_link[vertex.index()] as usize..self.first_link[vertex.index() + 1] as usize
    }

    /// What a vertex is; `None` for numbers beyond the last.
    pub fn kind(&self, vertex: VertexId) -> Option<VertexKind> {
        self.kinds.get(vertex.index()).copied()
    }

    /// Whether a vertex is a transit network.
    pub fn is_network(&self, vertex: VertexId) -> bool {
        self.kinds[vertex.index()] == VertexKind::Network
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

    /// The only position in it; `None` where there are none or several.
    pub fn only(self) -> Option<usize> {
        let mut positions = self.positions();
        let first = positions.next();
        first.filter(|_| positions.next().is_none())
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

    /// Octets on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.reaches.capacity() * size_of::<Reach>()
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
        let distance = here.distance.saturating_add(link.cost.into());
        if distance > known || distance == u32::MAX {
            return;
        }
        let Some(next_hops) = self.next_hops(from, link) else { return };
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
                && u32::from(link.cost) == distance
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
