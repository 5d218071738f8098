//! Shortest paths against petgraph, and the rules of RFC 2328 §16.1 one by one.

use super::*;
use crate::base::ids::RouterId;
use crate::proto::ospf::area::Area;
use crate::wire::ospf::{
    LsType, Lsa, LsaBody, LsaKey, NetworkLsa, Options, RouterFlags, RouterLink, RouterLinkType,
    RouterLsa, SequenceNumber,
};
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// An area as a test writes it: cables and networks; both turn into a [`Graph`] and an oracle.
#[derive(Clone, Debug, Default)]
struct Plan {
    /// Whether each router forwards for others.
    routers: Vec<bool>,
    cables: Vec<Cable>,
    /// Members with their cost onto the network, and whether the network-LSA lists them.
    networks: Vec<Vec<(u32, u16, bool)>>,
}

#[derive(Clone, Copy, Debug)]
struct Cable {
    ends: (u32, u32),
    costs: (u16, u16),
    /// Which end's router-LSA has it.
    is_told: (bool, bool),
}

fn cable(a: u32, b: u32, cost: u16) -> Cable {
    Cable { ends: (a, b), costs: (cost, cost), is_told: (true, true) }
}

impl Plan {
    fn of(router_count: usize, cables: Vec<Cable>) -> Self {
        Self { routers: vec![true; router_count], cables, networks: Vec::new() }
    }

    /// Interface ids: cable `c` has `2c + 1` and `2c + 2` at its ends, network `n` the ones above.
    /// Vertex `n` is the router with that id; the Designated Router of network `n` has the id `n`.
    fn lsas(&self) -> Vec<Lsa> {
        let router_count = u32::try_from(self.routers.len()).unwrap();
        let mut links = vec![Vec::new(); self.routers.len()];
        for (cable, first_id) in self.cables.iter().zip((1..).step_by(2)) {
            let (a, b) = cable.ends;
            if cable.is_told.0 {
                links[a as usize].push(link(b, first_id, first_id + 1, cable.costs.0));
            }
            if cable.is_told.1 {
                links[b as usize].push(link(a, first_id + 1, first_id, cable.costs.1));
            }
        }
        let mut networks = Vec::new();
        for (network, members) in (router_count..).zip(&self.networks) {
            for (router, cost, _) in members {
                let link_type = RouterLinkType::Transit;
                let link = link(network, 1000 + network, 1, *cost);
                links[*router as usize].push(RouterLink { link_type, ..link });
            }
            let listed = members.iter().filter(|(.., is_listed)| *is_listed);
            let attached_routers = listed.map(|(router, ..)| RouterId(*router)).collect();
            let body = LsaBody::Network(NetworkLsa { options: Options::V6, attached_routers });
            networks.push(lsa(LsType::NETWORK, network, 1, &body));
        }
        let routers = (0..).zip(links).map(|(id, links)| {
            let forwards = self.routers[id as usize];
            let options = if forwards { Options::V6.with(Options::R) } else { Options::V6 };
            let body = RouterLsa { flags: RouterFlags::default(), options, links };
            lsa(LsType::ROUTER, id, 0, &LsaBody::Router(body))
        });
        routers.chain(networks).collect()
    }

    fn graph(&self) -> Graph {
        let mut area = Area::default();
        self.lsas().iter().for_each(|lsa| area.learn(lsa));
        area.graph()
    }

    /// Adjacencies of router 0 with the cost of their first link, over the links that both ends
    /// tell.
    fn first_hops(&self) -> Vec<(FirstHop, u32)> {
        let mut hops = Vec::new();
        for (cable, first_id) in self.cables.iter().zip((1..).step_by(2)) {
            let (here, there) = (first_id, first_id + 1);
            match cable.ends {
                (0, 0) => {}
                (0, b) => hops.push((hop(here, b, there), cable.costs.0.into())),
                (a, 0) => hops.push((hop(there, a, here), cable.costs.1.into())),
                _ => {}
            }
        }
        let router_count = u32::try_from(self.routers.len()).unwrap();
        for (network, members) in (router_count..).zip(&self.networks) {
            let Some((_, cost, _)) = members.iter().find(|(router, ..)| *router == 0) else {
                continue;
            };
            let others = members.iter().filter(|(router, ..)| *router != 0);
            hops.extend(others.map(|(r, ..)| (hop(1000 + network, *r, 0), u32::from(*cost))));
        }
        hops.truncate(FIRST_HOP_MAX);
        hops
    }

    fn tree(&self) -> Tree {
        let hops: Vec<FirstHop> = self.first_hops().into_iter().map(|(hop, _)| hop).collect();
        shortest_paths(&self.graph(), VertexId(0), &hops)
    }

    /// The same area for petgraph: links told by one end only are left out, so are the ways out of
    /// routers that do not forward.
    fn oracle(&self) -> DiGraph<(), u32> {
        let mut oracle = DiGraph::new();
        for _ in 0..self.routers.len() + self.networks.len() {
            oracle.add_node(());
        }
        let mut add = |from: u32, to: u32, cost: u32| {
            if self.routers.get(from as usize) != Some(&false) || from == 0 {
                oracle.add_edge(NodeIndex::from(from), NodeIndex::from(to), cost);
            }
        };
        for cable in self.cables.iter().filter(|cable| cable.is_told == (true, true)) {
            add(cable.ends.0, cable.ends.1, cable.costs.0.into());
            add(cable.ends.1, cable.ends.0, cable.costs.1.into());
        }
        let router_count = u32::try_from(self.routers.len()).unwrap();
        for (network, members) in (router_count..).zip(&self.networks) {
            for (router, cost, _) in members.iter().filter(|(.., is_listed)| *is_listed) {
                add(*router, network, (*cost).into());
                add(network, *router, 0);
            }
        }
        oracle
    }

    /// Whether both ends tell the links that an adjacency needs.
    fn is_usable(&self, hop: &FirstHop) -> bool {
        if hop.interface_id >= 1000 {
            let members = &self.networks[hop.interface_id as usize - 1000 - self.routers.len()];
            return [0, hop.neighbor.0].iter().all(|router| {
                members.iter().any(|(member, _, is_listed)| member == router && *is_listed)
            });
        }
        self.cables[(hop.interface_id as usize - 1) / 2].is_told == (true, true)
    }
}

fn lsa(ls_type: LsType, router: u32, link_state_id: u32, body: &LsaBody) -> Lsa {
    let key = LsaKey { ls_type, advertising_router: RouterId(router), link_state_id };
    Lsa::build(key, SequenceNumber::INITIAL, 1, body).unwrap()
}

fn link(to: u32, interface_id: u32, neighbor_interface_id: u32, metric: u16) -> RouterLink {
    RouterLink {
        link_type: RouterLinkType::PointToPoint,
        metric,
        interface_id,
        neighbor_interface_id,
        neighbor_router_id: RouterId(to),
    }
}

fn hop(interface_id: u32, neighbor: u32, neighbor_interface_id: u32) -> FirstHop {
    FirstHop { interface_id, neighbor: VertexId(neighbor), neighbor_interface_id }
}

fn distance(tree: &Tree, vertex: u32) -> Option<u32> {
    tree.reach(VertexId(vertex)).map(Reach::distance)
}

fn positions(tree: &Tree, vertex: u32) -> Vec<usize> {
    tree.reach(VertexId(vertex)).unwrap().next_hops.positions().collect()
}

#[test]
fn both_ways_round_a_ring_of_four_are_kept() {
    let tree =
        Plan::of(4, vec![cable(0, 1, 1), cable(1, 2, 1), cable(2, 3, 1), cable(3, 0, 1)]).tree();
    assert_eq!((distance(&tree, 2), positions(&tree, 2)), (Some(2), vec![0, 1]));
    assert_eq!((distance(&tree, 3), positions(&tree, 3)), (Some(1), vec![1]));
    assert_eq!(tree.reached().count(), 4);
}

// RFC 2328 §16.1 step 2 (b): a link that the other end does not name is not used.
#[test]
fn link_without_its_mirror_is_not_used() {
    for is_told in [(true, false), (false, true)] {
        let mut plan = Plan::of(2, vec![cable(0, 1, 1)]);
        plan.cables[0].is_told = is_told;
        assert_eq!(distance(&plan.tree(), 1), None);
    }
}

#[test]
fn one_dead_cable_of_two_parallel_ones_is_not_used() {
    let mut plan = Plan::of(3, vec![cable(0, 1, 5), cable(0, 1, 5), cable(1, 2, 1)]);
    assert_eq!(positions(&plan.tree(), 2), [0, 1]);
    plan.cables[0].is_told = (true, false);
    assert_eq!(positions(&plan.tree(), 2), [1]);
    // Interface ids that name the other cable are no mirror.
    plan.cables[1].is_told = (false, true);
    assert_eq!(distance(&plan.tree(), 1), None);
}

#[test]
fn parallel_cables_of_unequal_cost_are_not_shared() {
    let plan = Plan::of(2, vec![cable(0, 1, 5), cable(0, 1, 4)]);
    assert_eq!((distance(&plan.tree(), 1), positions(&plan.tree(), 1)), (Some(4), vec![1]));
}

// RFC 5340 §A.2: "If the router bit is clear, then routes that transit the advertising node cannot
// be computed."
#[test]
fn router_with_the_r_bit_clear_is_reached_but_not_crossed() {
    let mut plan = Plan::of(3, vec![cable(0, 1, 1), cable(1, 2, 1)]);
    plan.routers[1] = false;
    assert_eq!((distance(&plan.tree(), 1), distance(&plan.tree(), 2)), (Some(1), None));
    plan.routers = vec![false, true, true];
    assert_eq!(distance(&plan.tree(), 2), Some(2), "the root's own bit does not stop it");
}

// RFC 6987 §2: a router of MaxLinkMetric is crossed only where there is no other way.
#[test]
fn link_of_maximum_metric_is_the_last_resort() {
    let mut plan = Plan::of(4, vec![cable(0, 1, 1), cable(1, 2, 0xffff), cable(0, 3, 9)]);
    assert_eq!((distance(&plan.tree(), 2), positions(&plan.tree(), 2)), (Some(0x10000), vec![0]));
    plan.cables.push(cable(3, 2, 9));
    assert_eq!((distance(&plan.tree(), 2), positions(&plan.tree(), 2)), (Some(18), vec![1]));
}

#[test]
fn cost_of_zero_counts_as_one() {
    let plan = Plan::of(3, vec![cable(0, 1, 0), cable(1, 2, 0), cable(0, 2, 2)]);
    assert_eq!((distance(&plan.tree(), 2), positions(&plan.tree(), 2)), (Some(2), vec![0, 1]));
}

#[test]
fn link_without_an_adjacency_is_not_used() {
    let plan = Plan::of(2, vec![cable(0, 1, 1)]);
    let wrong = [hop(2, 1, 2), hop(1, 1, 9), hop(1, 0, 2)];
    let tree = shortest_paths(&plan.graph(), VertexId(0), &wrong);
    assert_eq!((distance(&tree, 0), distance(&tree, 1)), (Some(0), None));
}

// RFC 2328 §16.1.1: next hops onto an attached network are the neighbours themselves.
#[test]
fn neighbours_on_an_attached_network_are_their_own_next_hops() {
    let mut plan = Plan::of(4, vec![cable(2, 3, 1)]);
    plan.networks = vec![vec![(0, 10, true), (1, 10, true), (2, 10, true)]];
    let tree = plan.tree();
    assert_eq!((distance(&tree, 1), positions(&tree, 1)), (Some(10), vec![0]));
    assert_eq!((distance(&tree, 3), positions(&tree, 3)), (Some(11), vec![1]));
    assert!(tree.reach(VertexId(4)).unwrap().is_attached);
}

#[test]
fn router_missing_from_the_network_lsa_is_not_reached_over_it() {
    let mut plan = Plan::of(2, Vec::new());
    plan.networks = vec![vec![(0, 1, true), (1, 1, false)]];
    assert_eq!(distance(&plan.tree(), 1), None);
    plan.networks = vec![vec![(0, 1, false), (1, 1, true)]];
    assert_eq!(distance(&plan.tree(), 2), None);
}

#[test]
fn as_many_next_hops_as_there_are_ports_are_kept_in_order() {
    let cables: Vec<Cable> = (0..40).map(|_| cable(0, 1, 3)).collect();
    let set = Plan::of(2, cables).tree().reach(VertexId(1)).unwrap().next_hops;
    assert_eq!(set.positions().count(), 40);
    let first: Vec<usize> = (0..40).collect();
    assert_eq!(set.truncated().positions().collect::<Vec<_>>(), first);
    assert_eq!(NextHopSet::EMPTY.with(63).positions().collect::<Vec<_>>(), [63]);
}

#[test]
fn torus_of_five_thousand_routers_is_reached_by_manhattan_distance() {
    const WIDTH: u32 = 100;
    const HEIGHT: u32 = 50;
    let at = |x: u32, y: u32| x % WIDTH + y % HEIGHT * WIDTH;
    let mut cables = Vec::new();
    for (x, y) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))) {
        cables.extend([cable(at(x, y), at(x + 1, y), 1), cable(at(x, y), at(x, y + 1), 1)]);
    }
    let tree = Plan::of(5000, cables).tree();
    for (x, y) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))) {
        let expected = x.min(WIDTH - x) + y.min(HEIGHT - y);
        assert_eq!(distance(&tree, at(x, y)), Some(expected), "{x},{y}");
    }
    assert_eq!(positions(&tree, at(WIDTH / 2, HEIGHT / 2)).len(), 4);
    assert_eq!(positions(&tree, at(3, 3)).len(), 2);
}

fn plans() -> impl Strategy<Value = Plan> {
    (2_u32..10).prop_flat_map(|count| {
        let told = prop_oneof![6 => Just((true, true)), 1 => Just((true, false)),
            1 => Just((false, true))];
        let costs = prop_oneof![8 => 1_u16..4, 1 => Just(0xffff)];
        let cables = (0..count, 0..count, (costs.clone(), costs), told)
            .prop_filter("a cable has two routers", |(a, b, ..)| a != b)
            .prop_map(|(a, b, costs, is_told)| Cable { ends: (a, b), costs, is_told });
        let members = prop::collection::btree_map(
            0..count,
            (1_u16..4, prop::bool::weighted(0.9)),
            0..count as usize,
        );
        let members =
            members.prop_map(|members| members.into_iter().map(|(r, (c, l))| (r, c, l)).collect());
        (
            prop::collection::vec(prop::bool::weighted(0.9), count as usize),
            prop::collection::vec(cables, 0..24),
            prop::collection::vec(members, 0..3),
        )
            .prop_map(|(routers, cables, networks)| Plan { routers, cables, networks })
    })
}

proptest! {
    /// An adjacency is a next hop to a vertex exactly where its first link and the rest of the way
    /// from that neighbour add up to the distance; petgraph knows both.
    #[test]
    fn distances_and_next_hops_are_those_of_petgraph(plan in plans()) {
        let (tree, oracle) = (plan.tree(), plan.oracle());
        let from = |vertex: u32| dijkstra(&oracle, NodeIndex::from(vertex), None, |e| *e.weight());
        let from_root = from(0);
        let ways: Vec<_> = plan.first_hops().into_iter()
            .map(|(hop, cost)| (from(hop.neighbor.0), cost, plan.is_usable(&hop))).collect();
        for vertex in 0..u32::try_from(oracle.node_count()).unwrap() {
            let expected = from_root.get(&NodeIndex::from(vertex)).copied();
            prop_assert_eq!(distance(&tree, vertex), expected, "vertex {}", vertex);
            let Some(expected) = expected.filter(|distance| *distance > 0) else { continue };
            let next_hops: BTreeSet<usize> = ways.iter().enumerate()
                .filter(|(_, (rest, cost, is_usable))| *is_usable
                    && rest.get(&NodeIndex::from(vertex)).is_some_and(|r| r + cost == expected))
                .map(|(position, _)| position).collect();
            let found: BTreeSet<usize> = positions(&tree, vertex).into_iter().collect();
            prop_assert_eq!(found, next_hops, "vertex {}", vertex);
        }
    }

    #[test]
    fn order_of_links_does_not_matter(plan in plans()) {
        let mut area = Area::default();
        for lsa in plan.lsas() {
            // An order of LSAs that gives the same numbers, with their links turned round.
            let body = match lsa.body().unwrap() {
                LsaBody::Router(mut body) => {
                    body.links.reverse();
                    LsaBody::Router(body)
                }
                LsaBody::Network(mut body) => {
                    body.attached_routers.reverse();
                    LsaBody::Network(body)
                }
                other => other,
            };
            area.learn(&Lsa::build(lsa.key(), SequenceNumber::INITIAL, 1, &body).unwrap());
        }
        let hops: Vec<FirstHop> = plan.first_hops().into_iter().map(|(hop, _)| hop).collect();
        prop_assert_eq!(shortest_paths(&area.graph(), VertexId(0), &hops), plan.tree());
    }
}
