//! Shortest ways, found by other means than the routers'.
//!
//! Owns [`Map`]: the links that work at this moment, as nobody inside the world can see them, and
//! the distances over them by Bellman and Ford's relaxation. Shares nothing with `proto::ospf`,
//! whose answers it judges.

use crate::base::ids::PortId;

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
    /// `distances[to][from]`.
    distances: Vec<Vec<Option<u64>>>,
}

impl Map {
    /// The map of `router_count` routers with these hops.
    pub fn new(router_count: usize, hops: Vec<Hop>) -> Self {
        let distances = (0..router_count).map(|to| distances_to(to, router_count, &hops)).collect();
        Self { hops, distances }
    }

    /// The hops.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// The cost of the shortest way; `None` when there is none.
    pub fn distance(&self, from: usize, to: usize) -> Option<u64> {
        *self.distances.get(to)?.get(from)?
    }

    /// The first hops of all shortest ways, in order; empty for a router itself and without a way.
    pub fn first_hops(&self, from: usize, to: usize) -> Vec<Hop> {
        let Some(shortest) = self.distance(from, to).filter(|_| from != to) else {
            return Vec::new();
        };
        let is_shortest = |hop: &&Hop| {
            let rest = self.distance(hop.to, to);
            hop.from == from && rest.is_some_and(|rest| rest + u64::from(hop.cost) == shortest)
        };
        let mut found: Vec<Hop> = self.hops.iter().filter(is_shortest).copied().collect();
        found.sort_unstable();
        found
    }
}

fn distances_to(to: usize, router_count: usize, hops: &[Hop]) -> Vec<Option<u64>> {
    let mut distances = vec![None; router_count];
    distances[to] = Some(0);
    loop {
        let mut is_changed = false;
        for hop in hops {
            let Some(rest) = distances[hop.to] else { continue };
            let way = rest + u64::from(hop.cost);
            if distances[hop.from].is_none_or(|known| way < known) {
                distances[hop.from] = Some(way);
                is_changed = true;
            }
        }
        if !is_changed {
            return distances;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;
    use petgraph::algo::dijkstra;
    use petgraph::graph::{DiGraph, NodeIndex};

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

    #[test]
    fn distances_are_those_of_another_algorithm() {
        let mut prng = Prng::new(1);
        for count in [0, 10, 20, 40] {
            let hops = random_hops(&mut prng, count);
            let map = Map::new(12, hops.clone());
            let mut graph = DiGraph::<(), u64>::new();
            let nodes: Vec<NodeIndex> = (0..12).map(|_| graph.add_node(())).collect();
            for hop in &hops {
                graph.add_edge(nodes[hop.from], nodes[hop.to], u64::from(hop.cost));
            }
            for from in 0..12 {
                let found = dijkstra(&graph, nodes[from], None, |edge| *edge.weight());
                for (to, node) in nodes.iter().enumerate() {
                    assert_eq!(map.distance(from, to), found.get(node).copied());
                }
            }
        }
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
