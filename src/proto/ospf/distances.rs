//! Distances in the graph of an area from a vertex to everybody, or from everybody to it.
//!
//! Owns [`Distances`], which repairs and ordered updates are worked out from. The tree of this
//! router itself, with its next hops, is the business of [`super::spf`].
//!
//! *Invariants*: the origin is at zero; a vertex that is not reached is at [`UNREACHED`]; the same
//! graph gives the same distances and the same order, whatever the order of its links.
//!
//! *Standards*: RFC 2328 §16.1 step 2; RFC 5340 §A.2 (nothing goes through a router whose R-bit is
//! clear).

use super::spf::{Graph, Link, VertexId, VertexKind};
use core::cmp::Reverse;
use core::ops::Index;
use std::collections::BinaryHeap;

/// The distance of what is not reached.
pub const UNREACHED: u32 = u32::MAX;

/// Which way distances are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the origin to everybody.
    From,
    /// From everybody to the origin.
    Towards,
}

impl Direction {
    /// What `link` costs that way, where it is left at the end nearer to the origin.
    pub fn cost(self, link: &Link) -> u32 {
        match self {
            Self::From => link.cost.into(),
            Self::Towards => link.cost_back.into(),
        }
    }
}

/// The distance of every vertex of one graph, by its number.
#[derive(Clone, Debug)]
pub struct Distances {
    distances: Vec<u32>,
    settled: Vec<VertexId>,
}

impl Distances {
    /// Those of all vertices.
    pub fn all(graph: &Graph, origin: VertexId, direction: Direction) -> Self {
        Self::until(graph, origin, direction, &[])
    }

    /// Those of at least the vertices in `wanted`, which are named once each; of all where it is
    /// empty.
    pub fn until(
        graph: &Graph,
        origin: VertexId,
        direction: Direction,
        wanted: &[VertexId],
    ) -> Self {
        let mut distances = vec![UNREACHED; graph.vertex_count()];
        let mut settled = Vec::with_capacity(graph.vertex_count());
        let mut is_wanted = vec![false; graph.vertex_count()];
        wanted.iter().for_each(|vertex| is_wanted[vertex.index()] = true);
        let mut left = wanted.len();
        let mut candidates = BinaryHeap::from([Reverse((0_u32, origin))]);
        distances[origin.index()] = 0;
        while let Some(Reverse((distance, vertex))) = candidates.pop() {
            if distances[vertex.index()] != distance {
                continue;
            }
            settled.push(vertex);
            if is_wanted[vertex.index()] {
                left -= 1;
                if left == 0 {
                    break;
                }
            }
            if vertex != origin && graph.kind(vertex) == Some(VertexKind::EndRouter) {
                continue;
            }
            for link in graph.links_of(vertex) {
                let next = distance.saturating_add(direction.cost(link));
                if next < distances[link.to.index()] {
                    distances[link.to.index()] = next;
                    candidates.push(Reverse((next, link.to)));
                }
            }
        }
        Self { distances, settled }
    }

    /// The vertices whose distances are final, nearest first; of equal ones the least number.
    pub fn settled(&self) -> &[VertexId] {
        &self.settled
    }
}

impl Index<VertexId> for Distances {
    type Output = u32;

    fn index(&self, vertex: VertexId) -> &u32 {
        &self.distances[vertex.index()]
    }
}
