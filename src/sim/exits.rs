//! Who can leave the cluster where, found by other means than the routers'.
//!
//! Owns [`Exits`]: for each prefix of the rest of the world the edges that have a working uplink to
//! somebody who announces it, and the metric at which each tells the cluster. Together with
//! [`Map`], whose distances are petgraph's, that says by which edges a router must leave. Shares
//! nothing with `proto` and `rib`, whose answers it judges.
//!
//! *Invariants*: all of it is what works at one instant; routers learn of it later.
//! *Standards*: RFC 5340 §4.8.4 and RFC 2328 §16.4 (6): the least metric of type 2, then the least
//! way to the edge; equal ones share.

use crate::sim::oracle::Map;
use std::collections::{BTreeMap, BTreeSet};

/// What an edge that works has of one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The router.
    pub router: usize,
    /// Its metric in OSPF; `None` where the edge keeps the prefix to itself.
    pub metric: Option<u32>,
}

/// The ways out at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exits {
    prefixes: Vec<BTreeMap<usize, Exit>>,
}

impl Exits {
    /// Of the exits of each prefix.
    pub fn new(prefixes: impl Iterator<Item = Vec<Exit>>) -> Self {
        let by_router = |exits: Vec<Exit>| exits.into_iter().map(|exit| (exit.router, exit));
        Self { prefixes: prefixes.map(|exits| by_router(exits).collect()).collect() }
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Whether a router leaves by its own uplink: what BGP has learned goes before OSPF.
    pub fn is_own(&self, prefix: usize, router: usize) -> bool {
        self.of(prefix).any(|exit| exit.router == router)
    }

    /// The edges of a prefix that tell the cluster.
    pub fn announcers(&self, prefix: usize) -> BTreeSet<usize> {
        self.of(prefix).filter(|exit| exit.metric.is_some()).map(|exit| exit.router).collect()
    }

    /// The edges by which a router leaves; empty where there is none.
    pub fn chosen(&self, map: &Map, router: usize, prefix: usize) -> BTreeSet<usize> {
        if self.is_own(prefix, router) {
            return BTreeSet::from([router]);
        }
        let rank = |exit: &Exit| Some((exit.metric?, map.distance(router, exit.router)?));
        let least = self.of(prefix).filter_map(rank).min();
        let best = self.of(prefix).filter(|exit| least.is_some() && rank(exit) == least);
        best.map(|exit| exit.router).collect()
    }

    fn of(&self, prefix: usize) -> impl Iterator<Item = &Exit> {
        self.prefixes.get(prefix).into_iter().flat_map(BTreeMap::values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::PortId;
    use crate::sim::oracle::Hop;

    /// A line of four routers.
    fn line() -> Map {
        let hop = |from, to| Hop { from, port: PortId(0), to, to_port: PortId(0), cost: 10 };
        let both = |(a, b)| [hop(a, b), hop(b, a)];
        Map::new(5, [(0, 1), (1, 2), (2, 3)].into_iter().flat_map(both).collect())
    }

    fn chosen(exits: &[(usize, Option<u32>)], router: usize) -> Vec<usize> {
        let exits = exits.iter().map(|(router, metric)| Exit { router: *router, metric: *metric });
        let exits = Exits::new(core::iter::once(exits.collect()));
        exits.chosen(&line(), router, 0).into_iter().collect()
    }

    #[test]
    fn the_metric_counts_before_the_way_and_an_own_uplink_before_both() {
        let dear = [(0, Some(20)), (3, Some(10))];
        assert_eq!((chosen(&dear, 1), chosen(&dear, 0)), (vec![3], vec![0]));
        let equal = [(0, Some(10)), (3, Some(10)), (2, None)];
        assert_eq!((chosen(&equal, 1), chosen(&equal, 2)), (vec![0], vec![2]));
        let around = [(0, Some(10)), (2, Some(10))];
        assert_eq!(chosen(&around, 1), [0, 2]);
        assert_eq!(chosen(&[(3, None)], 1), Vec::<usize>::new());
        assert_eq!(chosen(&[(0, Some(10))], 4), Vec::<usize>::new(), "nothing leads there");
    }
}
