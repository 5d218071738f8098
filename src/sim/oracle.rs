//! Shortest ways and parts, found by other means than the routers'.
//!
//! Owns [`Map`]: the links that work at this moment, as nobody inside the world can see them. The
//! algorithms are petgraph's: Dijkstra on the reversed graph, once for each destination that
//! somebody asks for; union-find for the parts. Shares nothing with `proto::ospf`,
//! whose answers it judges.

use crate::base::ids::PortId;
use core::cell::OnceCell;
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::unionfind::UnionFind;

/// One way over a link that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// From this router …
    pub from: usize,
    /// … by its port …
    pub port: PortId,
    /// … to this one …
    pub to: usize,
    /// … at its port.
    pub to_port: PortId,
    /// Cost for the sender.
    pub cost: u16,
}

/// The world as it is now.
#[derive(Clone, Debug)]
pub struct Map {
    hops: Vec<Hop>,
    /// Indices into `hops` by the router that they start at.
    from: Vec<Vec<usize>>,
    /// Against the direction of the hops, so that one run finds all ways to a router.
    reversed: DiGraph<(), u64>,
    parts: Vec<usize>,
    /// `distances[to][from]`, found when first asked for.
    distances: Vec<OnceCell<Vec<Option<u64>>>>,
}

impl Map {
    /// The map of `router_count` routers with these hops.
    pub fn new(router_count: usize, hops: Vec<Hop>) -> Self {
        let mut reversed = DiGraph::with_capacity(router_count, hops.len());
        let nodes: Vec<NodeIndex> = (0..router_count).map(|_| reversed.add_node(())).collect();
        let mut parts = UnionFind::new(router_count);
        let mut from = vec![Vec::new(); router_count];
        for (index, hop) in hops.iter().enumerate() {
            reversed.add_edge(nodes[hop.to], nodes[hop.from], u64::from(hop.cost));
            parts.union(hop.from, hop.to);
            from[hop.from].push(index);
        }
        let distances = vec![OnceCell::new(); router_count];
        Self { hops, from, reversed, parts: parts.into_labeling(), distances }
    }

    /// The hops.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Whether links join two routers; the same one counts as joined.
    pub fn is_joined(&self, one: usize, other: usize) -> bool {
        self.parts.get(one).is_some_and(|part| self.parts.get(other) == Some(part))
    }

    /// A number for each part: two routers have the same one where links join them.
    pub fn part(&self, router: usize) -> Option<usize> {
        self.parts.get(router).copied()
    }

    /// The cost of the shortest way; `None` when there is none.
    pub fn distance(&self, from: usize, to: usize) -> Option<u64> {
        *self.distances_to(to)?.get(from)?
    }

    /// The first hops of all shortest ways, in order; empty for a router itself and without a way.
    pub fn first_hops(&self, from: usize, to: usize) -> Vec<Hop> {
        let Some(distances) = self.distances_to(to).filter(|_| from != to) else {
            return Vec::new();
        };
        let (Some(Some(shortest)), Some(own)) = (distances.get(from), self.from.get(from)) else {
            return Vec::new();
        };
        let is_shortest = |hop: &Hop| {
            distances[hop.to].is_some_and(|rest| rest + u64::from(hop.cost) == *shortest)
        };
        let own = own.iter().map(|index| self.hops[*index]);
        let mut found: Vec<Hop> = own.filter(is_shortest).collect();
        found.sort_unstable();
        found
    }

    fn distances_to(&self, to: usize) -> Option<&Vec<Option<u64>>> {
        Some(self.distances.get(to)?.get_or_init(|| {
            let start = NodeIndex::new(to);
            let found = dijkstra(&self.reversed, start, None, |edge| *edge.weight());
            // In the order of the routers, not in that of the answer.
            let routers = self.reversed.node_indices();
            routers.map(|router| found.get(&router).copied()).collect()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;

    fn random_hops(prng: &mut Prng, count: u64) -> Vec<Hop> {
        (0..count)
            .map(|number| Hop {
                from: usize::try_from(prng.below(12)).unwrap(),
                port: PortId(u16::try_from(number).unwrap()),
                to: usize::try_from(prng.below(12)).unwrap(),
                to_port: PortId(0),
                cost: 1 + u16::try_from(prng.below(5)).unwrap(),
            })
            .collect()
    }

    /// The distances to a router by Bellman and Ford's relaxation.
    fn relax(to: usize, hops: &[Hop]) -> Vec<Option<u64>> {
        let mut distances = vec![None; 12];
        distances[to] = Some(0);
        for _ in 0..12 {
            for hop in hops {
                let Some(rest) = distances[hop.to] else { continue };
                let way: u64 = rest + u64::from(hop.cost);
                let known = &mut distances[hop.from];
                *known = Some(known.map_or(way, |known| way.min(known)));
            }
        }
        distances
    }

    #[test]
    fn distances_are_those_of_another_algorithm() {
        let mut prng = Prng::new(1);
        for count in [0, 10, 20, 40] {
            let hops = random_hops(&mut prng, count);
            let map = Map::new(12, hops.clone());
            for to in 0..12 {
                let relaxed = relax(to, &hops);
                let found = (0..12).map(|from| map.distance(from, to));
                assert_eq!(found.collect::<Vec<_>>(), relaxed);
            }
        }
    }

    #[test]
    fn parts_are_those_of_the_links() {
        let hop = |from, to| Hop { from, port: PortId(0), to, to_port: PortId(0), cost: 1 };
        let both = |(a, b)| [hop(a, b), hop(b, a)];
        let hops = [(0, 1), (1, 2), (0, 2), (2, 3), (4, 5)].into_iter().flat_map(both).collect();
        let map = Map::new(7, hops);
        assert!(map.is_joined(0, 3) && map.is_joined(6, 6));
        assert!(!map.is_joined(0, 4) && !map.is_joined(6, 0) && !map.is_joined(0, 99));
    }

    #[test]
    fn first_hops_are_all_equal_ways() {
        let hop =
            |from, port, to, cost| Hop { from, port: PortId(port), to, to_port: PortId(9), cost };
        let square = vec![
            hop(0, 0, 1, 10),
            hop(0, 1, 2, 5),
            hop(1, 0, 3, 5),
            hop(2, 0, 3, 10),
            hop(3, 0, 0, 1),
        ];
        let map = Map::new(5, square);
        let ports =
            |from, to| map.first_hops(from, to).iter().map(|hop| hop.port.0).collect::<Vec<_>>();
        assert_eq!((ports(0, 3), ports(0, 1), ports(1, 0)), (vec![0, 1], vec![0], vec![0]));
        assert_eq!((ports(0, 0), ports(0, 4), map.distance(0, 4)), (vec![], vec![], None));
    }
}
