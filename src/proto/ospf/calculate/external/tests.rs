//! Routes out of the AS: rules of RFC 2328 §16.4 one by one, then histories against petgraph.

use super::super::tests::{
    ACTIVE, AreaView, Heard, ME, World, hear, lsa, lsas_of, part, plain, router, to, view, way,
    worlds,
};
use super::*;
use crate::base::route::{Protection, Repair, RouteBody, RouteTarget, RouteUpdate};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::{LsType, LsaKey, Options, RepairFlags, RepairLsa, RouterFlags, RouterLsa};
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use proptest::prelude::*;

impl Externals {
    /// The LSAs that are known.
    pub(in super::super) fn known(&self) -> impl Iterator<Item = LsaName> {
        self.lsas.keys().copied()
    }
}

const OUTSIDE: &str = "2001:db8::/32";

fn type_1(metric: u32) -> ExternalMetric {
    ExternalMetric::Type1(metric)
}

fn type_2(metric: u32) -> ExternalMetric {
    ExternalMetric::Type2(metric)
}

fn body(prefix: &str, metric: ExternalMetric, gateway: Option<&str>) -> AsExternalLsa {
    AsExternalLsa {
        metric,
        prefix: prefix.parse().unwrap(),
        options: PrefixOptions::default(),
        forwarding_address: gateway.map(|text| text.parse().unwrap()),
        tag: None,
        referenced: None,
    }
}

fn external(from: u32, id: u32, body: AsExternalLsa) -> Lsa {
    lsa(LsType::AS_EXTERNAL, from, id, &LsaBody::AsExternal(body))
}

/// The router-LSA of an AS boundary router.
fn edge(from: u32, options: Options, neighbors: &[(u32, u16)]) -> Lsa {
    let links = neighbors.iter().map(|(neighbor, cost)| to(from, *neighbor, *cost)).collect();
    let body = RouterLsa { flags: RouterFlags::EXTERNAL, options, links };
    lsa(LsType::ROUTER, from, 0, &LsaBody::Router(body))
}

/// A table that learns what changes and nothing else, as the machine's does.
#[derive(Default)]
struct Follower {
    table: RoutingTable,
    known: BTreeMap<LsaKey, Lsa>,
    heard: Heard,
}

impl Follower {
    fn learn(&mut self, lsas: &[Lsa]) {
        let wanted: BTreeMap<LsaKey, Lsa> =
            lsas.iter().map(|lsa| (lsa.key(), lsa.clone())).collect();
        for (key, lsa) in &self.known {
            if !wanted.contains_key(key) {
                self.table.learn(&lsa.at_age(MAX_AGE_S));
            }
        }
        for (key, lsa) in &wanted {
            if self.known.get(key) != Some(lsa) {
                self.table.learn(lsa);
            }
        }
        self.known = wanted;
    }

    fn calculate(&mut self, lsas: &[Lsa], neighbors: &[u32]) {
        self.learn(lsas);
        let AreaView { adjacencies, .. } = view(lsas, neighbors);
        hear(&mut self.heard, &self.table.calculate(ME, &adjacencies));
    }
}

/// A ring 1-2-4-3-1 of cost 10; 2 and 4 are boundary routers.
fn ring() -> Vec<Lsa> {
    vec![
        router(1, &[(2, 10), (3, 10)]),
        edge(2, ACTIVE, &[(1, 10), (4, 10)]),
        router(3, &[(1, 10), (4, 10)]),
        edge(4, ACTIVE, &[(2, 10), (3, 10)]),
    ]
}

/// Where a route leads: ports, or the address of a gateway on an own link.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    Ports(Vec<u32>),
    Gateway(Ipv6Addr),
}

fn spell(body: &RouteBody) -> (u32, Goal) {
    let goal = match &body.target {
        RouteTarget::Via(ways) => {
            assert!(!ways.is_empty());
            Goal::Ports(ways.iter().map(|way| way.port.0.into()).collect())
        }
        RouteTarget::Recursive(gateways) => Goal::Gateway(gateways[0]),
        other => panic!("{other:?}"),
    };
    (body.metric, goal)
}

/// What a fresh table says of one prefix.
fn route(lsas: &[Lsa], neighbors: &[u32], prefix: &str) -> Option<(u32, Goal)> {
    let mut table = RoutingTable::default();
    let updates = table.recalculate(&view(lsas, neighbors));
    let prefix: Ipv6Prefix = prefix.parse().unwrap();
    let body = updates.into_iter().find(|update| update.prefix == prefix)?.route?;
    Some(spell(&body))
}

fn ports(cost: u32, ports: &[u32]) -> Option<(u32, Goal)> {
    Some((cost, Goal::Ports(ports.to_vec())))
}

fn ring_with(externals: &[Lsa]) -> Vec<Lsa> {
    let mut lsas = ring();
    lsas.extend_from_slice(externals);
    lsas
}

// RFC 2328 §16.4 (5).
#[test]
fn type_1_counts_the_way_to_the_exit_and_type_2_does_not() {
    for (metric, cost) in [(type_1(5), 25), (type_2(5), 5)] {
        let lsas = ring_with(&[external(4, 7, body(OUTSIDE, metric, None))]);
        assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(cost, &[2, 3]));
    }
}

// RFC 2328 §11 and §16.4 (6): intra-area, then type 1, then type 2.
#[test]
fn intra_area_comes_before_type_1_and_type_1_before_type_2() {
    let mut lsas = ring_with(&[
        external(4, 1, body(OUTSIDE, type_1(1000), None)),
        external(2, 1, body(OUTSIDE, type_2(1), None)),
    ]);
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(1020, &[2, 3]));
    lsas.push(plain(3, &[(OUTSIDE, 60_000)]));
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(60_010, &[3]));
    // What this router has itself is in the area as well.
    lsas.push(plain(1, &[(OUTSIDE, 0)]));
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), None);
}

// RFC 2328 §16.4 (6) (b), (c).
#[test]
fn of_equal_type_2_metrics_the_nearer_exit_wins_and_equally_near_ones_share() {
    let at = |router, metric| external(router, 1, body(OUTSIDE, type_2(metric), None));
    assert_eq!(route(&ring_with(&[at(2, 9), at(4, 9)]), &[2, 3], OUTSIDE), ports(9, &[2]));
    assert_eq!(route(&ring_with(&[at(2, 9), at(4, 8)]), &[2, 3], OUTSIDE), ports(8, &[2, 3]));
    let mut lsas = ring_with(&[at(2, 9), at(3, 9)]);
    lsas[2] = edge(3, ACTIVE, &[(1, 10), (4, 10)]);
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(9, &[2, 3]));
}

#[test]
fn type_1_exits_share_at_equal_sums_only() {
    let at = |router, metric| external(router, 1, body(OUTSIDE, type_1(metric), None));
    // 10 + 15 over 2; 20 + 5 over 2 and 3.
    assert_eq!(route(&ring_with(&[at(2, 15), at(4, 5)]), &[2, 3], OUTSIDE), ports(25, &[2, 3]));
    assert_eq!(route(&ring_with(&[at(2, 14), at(4, 5)]), &[2, 3], OUTSIDE), ports(24, &[2]));
}

#[test]
fn an_exit_that_may_not_be_used_is_not() {
    let good = body(OUTSIDE, type_2(1), None);
    let infinite = |metric| AsExternalLsa { metric, ..good };
    let unusable = [
        (2, AsExternalLsa { options: PrefixOptions::NU, ..good }, "NU-bit"),
        (2, infinite(type_1(LS_INFINITY)), "LSInfinity"),
        (2, infinite(type_2(LS_INFINITY)), "LSInfinity"),
        (2, infinite(type_1(LS_INFINITY - 10)), "LSInfinity with the way"),
        (3, good, "E-bit clear"),
        (9, good, "nobody knows the router"),
        (1, good, "own"),
        (2, body(OUTSIDE, type_2(1), Some("fe80::1")), "link-local gateway"),
        (2, body(OUTSIDE, type_2(1), Some("::")), "unspecified gateway"),
        (2, body(OUTSIDE, type_2(1), Some("fd00:9::1")), "unreached gateway"),
    ];
    for (from, body, reason) in unusable {
        let lsas = ring_with(&[external(from, 1, body)]);
        assert_eq!(route(&lsas, &[2, 3], OUTSIDE), None, "{reason}");
    }
    let lsas = ring_with(&[external(2, 1, infinite(type_2(LS_INFINITY - 1)))]);
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(LS_INFINITY - 1, &[2]));
}

// RFC 5340 §A.2: no packets in transit over a router whose R-bit is clear; a gateway is another
// router.
#[test]
fn an_exit_whose_r_bit_is_clear_is_used_for_its_gateway_only() {
    let mut lsas = ring();
    lsas[1] = edge(2, Options::V6, &[(1, 10), (4, 10)]);
    lsas.push(plain(3, &[("fd00:3::/64", 5)]));
    lsas.push(external(2, 1, body(OUTSIDE, type_2(1), None)));
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), None);
    lsas.push(external(2, 2, body(OUTSIDE, type_2(1), Some("fd00:3::1"))));
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(1, &[3]));
}

// RFC 5340 §A.4.3: of several router-LSAs the flags of the lowest Link State ID hold.
#[test]
fn the_e_bit_of_the_lowest_router_lsa_holds() {
    let mut lsas = ring_with(&[external(2, 1, body(OUTSIDE, type_2(1), None))]);
    let low = part(2, 0, ACTIVE, Vec::new());
    let links = vec![to(2, 1, 10)];
    let flags = RouterFlags::EXTERNAL;
    let high = RouterLsa { flags, options: ACTIVE, links };
    lsas[1] = lsa(LsType::ROUTER, 2, 5, &LsaBody::Router(high));
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(1, &[2]));
    lsas.push(low);
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), None);
}

// RFC 2328 §16.4 (3): the way to the forwarding address counts, over a path within the area.
#[test]
fn a_gateway_is_reached_by_the_route_that_is_longest() {
    let mut lsas = ring_with(&[external(4, 1, body(OUTSIDE, type_1(1), Some("fd00:3::1")))]);
    lsas.push(plain(2, &[("fd00::/16", 1)]));
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(12, &[2]));
    lsas.push(plain(3, &[("fd00:3::/64", 5)]));
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(16, &[3]));
    // A prefix from outside leads to no gateway.
    lsas.push(external(2, 3, body("fd00:3::/96", type_1(1), None)));
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), ports(16, &[3]));
    // And the router that says so must still be there.
    lsas[3] = edge(4, ACTIVE, &[]);
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), None);
}

#[test]
fn a_gateway_on_an_own_link_is_left_to_the_table() {
    let mut lsas = ring_with(&[external(4, 1, body(OUTSIDE, type_2(3), Some("fd00:1::7")))]);
    lsas.push(plain(1, &[("fd00:1::/64", 0)]));
    let gateway = "fd00:1::7".parse().unwrap();
    assert_eq!(route(&lsas, &[2, 3], OUTSIDE), Some((3, Goal::Gateway(gateway))));
    let mut table = RoutingTable::default();
    table.recalculate(&view(&lsas, &[2, 3]));
    let row = table.routes().into_iter().find(|row| row.kind != "intra-area").unwrap();
    assert_eq!((row.gateway, row.next_hops.len()), (Some(gateway), 0));
}

#[test]
fn gateways_follow_the_routes_within_the_area() {
    let mut lsas = ring_with(&[external(4, 1, body(OUTSIDE, type_2(3), Some("fd00:3::1")))]);
    lsas.extend([plain(2, &[("fd00:3::/48", 1)]), plain(3, &[("fd00:3::/64", 5)])]);
    let mut table = RoutingTable::default();
    let mut heard = Heard::new();
    hear(&mut heard, &table.recalculate(&view(&lsas, &[2, 3])));
    let prefix: Ipv6Prefix = OUTSIDE.parse().unwrap();
    assert_eq!(heard.get(&prefix).map(spell), ports(3, &[3]));
    // Only prefixes change: no new tree.
    for (texts, expected) in [
        (vec![], ports(3, &[2])),
        (vec![("fd00:3::1/128", 5)], ports(3, &[3])),
        (vec![("fd00:3::2/128", 5)], ports(3, &[2])),
    ] {
        *lsas.last_mut().unwrap() = plain(3, &texts);
        let view = view(&lsas, &[2, 3]);
        table.turn_to(&view);
        hear(&mut heard, &table.calculate_prefixes());
        assert_eq!(heard.get(&prefix).map(spell), expected, "{texts:?}");
    }
}

#[test]
fn a_changed_lsa_costs_its_own_prefix_and_a_moved_exit_those_behind_it() {
    let at = |router: u32, id: u32| {
        let prefix = format!("2001:db8:{router:x}{id:02x}::/48");
        external(router, id, body(&prefix, type_1(1), None))
    };
    let mut lsas = vec![
        router(1, &[(2, 10), (3, 10)]),
        edge(2, ACTIVE, &[(1, 10)]),
        router(3, &[(1, 10), (4, 10)]),
        edge(4, ACTIVE, &[(3, 10)]),
    ];
    lsas.extend((0..50).flat_map(|id| [at(2, id), at(4, id)]));
    let mut table = RoutingTable::default();
    assert_eq!(table.recalculate(&view(&lsas, &[2, 3])).len(), 100);
    table.learn(&external(4, 7, body("2001:db8:407::/48", type_1(2), None)));
    assert_eq!(table.touched_exits.len(), 1);
    assert_eq!(table.calculate_externals().len(), 1);
    // A prefix of the area changes: nothing outside is looked at.
    table.learn(&plain(3, &[("fd00:3::/64", 5)]));
    table.follow_gateways();
    assert!(table.touched_exits.is_empty());
    table.calculate_prefixes();
    // 4 comes nearer. Whatever is looked at behind 2 would be said again.
    for destination in table.destinations.values_mut().filter(|one| !one.exits.is_empty()) {
        destination.route = None;
    }
    table.learn(&router(3, &[(1, 10), (4, 3)]));
    let adjacencies = view(&lsas, &[2, 3]).adjacencies;
    let updates = table.calculate(ME, &adjacencies);
    let is_behind_4 = |update: &RouteUpdate| update.prefix.address().segments()[2] >> 8 == 4;
    assert_eq!((updates.len(), updates.iter().all(is_behind_4)), (50, true));
}

#[test]
fn a_route_out_is_repaired_as_the_way_to_its_exit_is() {
    let loopback = "fd00:4::4/128";
    let mut lsas = vec![
        router(1, &[(2, 10), (3, 11)]),
        router(2, &[(1, 10), (4, 10)]),
        router(3, &[(1, 11), (4, 10)]),
        edge(4, ACTIVE, &[(2, 10), (3, 10)]),
    ];
    lsas.push(plain(4, &[(loopback, 0)]));
    lsas.push(external(4, 1, body(OUTSIDE, type_2(3), None)));
    let mut table = RoutingTable::default();
    table.recalculate(&view(&lsas, &[2, 3]));
    let bodies: BTreeMap<_, _> = table.announcements().collect();
    let repair = |text: &str| bodies[&text.parse::<Ipv6Prefix>().unwrap()].repair.clone();
    assert_eq!(repair(loopback).map(|repair| repair.via), Some(way(3)));
    assert_eq!(repair(OUTSIDE), repair(loopback));
    assert!(table.routes().iter().all(|row| row.has_way_past_neighbor));
}

fn endpoint(router: u32) -> RepairLsa {
    RepairLsa {
        flags: RepairFlags::default(),
        endpoint: format!("fd00:e::{router}").parse().unwrap(),
        adjacencies: format!("fd00:a::{router}:0/112").parse().unwrap(),
    }
}

fn ends_tunnels(router: u32) -> Lsa {
    lsa(LsType::REPAIR, router, 0, &LsaBody::Repair(endpoint(router)))
}

/// What a fresh table does for a prefix when its next hop dies.
fn repair_of(lsas: &[Lsa], neighbors: &[u32]) -> (Option<Repair>, bool) {
    let mut table = RoutingTable::default();
    table.recalculate(&view(lsas, neighbors));
    let prefix: Ipv6Prefix = OUTSIDE.parse().unwrap();
    let row = table.routes().into_iter().find(|row| row.prefix == prefix).unwrap();
    let (_, body) = table.announcements().find(|(known, _)| *known == prefix).unwrap();
    (body.repair, row.has_way_past_neighbor)
}

#[test]
fn when_the_exit_next_door_dies_packets_go_to_the_other_one_in_a_header() {
    // A ring of six; 2 and 4 are boundary routers.
    let all = |n: u32| [((n + 4) % 6 + 1, 10), (n % 6 + 1, 10)];
    let ring =
        |n: u32| if n == 2 || n == 4 { edge(n, ACTIVE, &all(n)) } else { router(n, &all(n)) };
    let at = |router| external(router, 1, body(OUTSIDE, type_2(1), None));
    let mut lsas: Vec<Lsa> = (1..7).map(ring).collect();
    lsas.extend((1..7).map(ends_tunnels));
    lsas.extend([at(2), at(4)]);
    let there =
        Repair { via: way(6), segments: vec![endpoint(4).endpoint], protects: Protection::Node };
    assert_eq!(repair_of(&lsas, &[2, 6]), (Some(there), true));
    // Nobody else has the prefix: only the link is repaired.
    let protects = |(repair, is_past): (Option<Repair>, bool)| (repair.unwrap().protects, is_past);
    let alone: Vec<Lsa> = lsas[..lsas.len() - 1].to_vec();
    assert_eq!(protects(repair_of(&alone, &[2, 6])), (Protection::Link, false));
    // The other exit ends no tunnels: there is a way, and it cannot be taken.
    let is_its = |lsa: &&Lsa| lsa.key() != ends_tunnels(4).key();
    let silent: Vec<Lsa> = lsas.iter().filter(is_its).cloned().collect();
    assert_eq!(protects(repair_of(&silent, &[2, 6])), (Protection::Link, true));
    // Nor may it be another one that asks for a gateway.
    *lsas.last_mut().unwrap() = external(4, 1, body(OUTSIDE, type_2(1), Some("fd00:5::1")));
    lsas.push(plain(5, &[("fd00:5::/64", 0)]));
    lsas.push(external(2, 2, body(OUTSIDE, type_2(0), None)));
    assert_eq!(protects(repair_of(&lsas, &[2, 6])), (Protection::Link, false));
}

#[test]
fn a_detour_that_changes_changes_the_routes_that_stand_on_it() {
    // 1 leaves by 2; the other exit, 4, is behind 3.
    let at = |router| external(router, 1, body(OUTSIDE, type_2(1), None));
    let lsas = |has_end: bool| {
        let mut lsas = vec![
            router(1, &[(2, 1), (3, 10)]),
            edge(2, ACTIVE, &[(1, 1)]),
            router(3, &[(1, 10), (4, 10)]),
            edge(4, ACTIVE, &[(3, 10)]),
            ends_tunnels(1),
            at(2),
            at(4),
        ];
        lsas.extend(has_end.then(|| ends_tunnels(4)));
        lsas
    };
    let mut follower = Follower::default();
    for has_end in [false, true, false] {
        follower.calculate(&lsas(has_end), &[2, 3]);
        assert_eq!(follower.heard.values().next().unwrap().repair.is_some(), has_end);
    }
}

#[test]
fn a_boundary_router_that_is_one_no_more_takes_its_routes_along() {
    let mut lsas = ring_with(&[external(2, 1, body(OUTSIDE, type_2(3), None))]);
    let mut follower = Follower::default();
    follower.calculate(&lsas, &[2, 3]);
    assert_eq!(follower.heard.len(), 1);
    for (options, is_edge, count) in
        [(ACTIVE, false, 0), (ACTIVE, true, 1), (Options::V6, true, 0), (ACTIVE, true, 1)]
    {
        let links: &[(u32, u16)] = &[(1, 10), (4, 10)];
        lsas[1] = if is_edge { edge(2, options, links) } else { router(2, links) };
        follower.calculate(&lsas, &[2, 3]);
        assert_eq!(follower.heard.len(), count);
    }
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    let gateway = Some("fd00:3::1");
    let mut lsas = ring_with(&[external(4, 1, body(OUTSIDE, type_2(3), gateway))]);
    let mut table = RoutingTable::default();
    table.recalculate(&view(&lsas, &[2, 3]));
    lsas.pop();
    table.recalculate(&view(&lsas, &[2, 3]));
    let Externals { lsas, groups, gateways } = &table.externals;
    assert!(lsas.is_empty() && groups.is_empty() && gateways.is_empty());
    assert!(table.destinations.is_empty());
}

/// An AS-external-LSA: router, Link State ID, number of the prefix, metric, number of the gateway.
type Outside = (u32, u32, u8, ExternalMetric, Option<u8>);
/// A state of the world, who is a boundary router, and what they say.
type Wide = (World, Vec<u32>, Vec<Outside>);

fn outsides() -> impl Strategy<Value = Vec<Outside>> {
    let metric = (any::<bool>(), 0_u32..4).prop_map(|(is_first, metric)| match is_first {
        true => type_1(metric),
        false => type_2(metric),
    });
    let gateway = prop::option::weighted(0.4, 1_u8..7);
    let one = ((1_u32..8, 0_u32..4), (1_u8..10, metric, gateway));
    let all = prop::collection::btree_map(one.0, one.1, 0..14);
    all.prop_map(|all| {
        all.into_iter().map(|((from, id), (n, metric, g))| (from, id, n, metric, g)).collect()
    })
}

fn wides() -> impl Strategy<Value = Wide> {
    let edges = prop::sample::subsequence((1..8).collect::<Vec<u32>>(), 0..=7);
    (worlds(), edges, outsides())
}

/// The first six are those of routers, too.
fn prefix_text(n: u8) -> String {
    if n < 7 { format!("fd00:{n}::/64") } else { format!("2001:db8:{n}::/48") }
}

fn gateway_text(n: u8) -> String {
    format!("fd00:{n}::1")
}

fn wide_lsas((world, edges, outsides): &Wide) -> Vec<Lsa> {
    let mut lsas = lsas_of(world);
    for lsa in &mut lsas {
        let from = lsa.header.advertising_router.0;
        if lsa.header.ls_type == LsType::ROUTER && edges.contains(&from) {
            let Ok(LsaBody::Router(body)) = lsa.body() else { panic!("a router-LSA") };
            let body = RouterLsa { flags: RouterFlags::EXTERNAL, ..body };
            *lsa = super::super::tests::lsa(LsType::ROUTER, from, 0, &LsaBody::Router(body));
        }
    }
    lsas.extend(outsides.iter().map(|(from, id, n, metric, gateway)| {
        let gateway = gateway.map(gateway_text);
        external(*from, *id, body(&prefix_text(*n), *metric, gateway.as_deref()))
    }));
    lsas
}

/// A cost, and the first routers of the ways that have it.
type Found<C> = (C, BTreeSet<u32>);

/// Cost and first routers of the ways to everybody, by Dijkstra once from each neighbour; zero
/// stands for this router itself.
fn ways((cables, _, neighbors): &World) -> BTreeMap<u32, Found<u32>> {
    let mut graph = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..8).map(|_| graph.add_node(())).collect();
    let node = |router: u32| nodes[router as usize];
    let mut first = Vec::new();
    for (a, b, cost, _) in cables.iter().filter(|(.., is_told)| *is_told) {
        if *a == ME.0 {
            first.push((*b, u32::from(*cost)));
        } else {
            graph.add_edge(node(*a), node(*b), u32::from(*cost));
            graph.add_edge(node(*b), node(*a), u32::from(*cost));
        }
    }
    let mut found = BTreeMap::from([(ME.0, (0, BTreeSet::from([0])))]);
    for (neighbor, cost) in first.into_iter().filter(|(n, _)| neighbors.contains(n)) {
        for (to, rest) in dijkstra(&graph, node(neighbor), None, |edge| *edge.weight()) {
            let to = u32::try_from(to.index()).unwrap();
            join(&mut found, to, cost + rest, BTreeSet::from([neighbor]));
        }
    }
    found
}

/// Takes a way if none is better, beside those that are as good.
fn join<K: Ord, C: Ord>(table: &mut BTreeMap<K, Found<C>>, key: K, cost: C, ways: BTreeSet<u32>) {
    match table.get_mut(&key) {
        Some((least, _)) if *least < cost => {}
        Some((least, known)) if *least == cost => known.extend(ways),
        _ => drop(table.insert(key, (cost, ways))),
    }
}

/// The announced table, from the text of RFC 2328 §16.4 and nothing else.
fn oracle((world, edges, outsides): &Wide) -> BTreeMap<Ipv6Prefix, (u32, Goal)> {
    let ways = ways(world);
    let mut within: BTreeMap<u8, Found<u32>> = BTreeMap::new();
    for (router, n, metric) in &world.1 {
        if let Some((distance, first)) = ways.get(router) {
            join(&mut within, *n, distance + u32::from(*metric), first.clone());
        }
    }
    // By prefix: type, cost, way; and the first routers, or 1000 and the number of a gateway here.
    let mut outside: BTreeMap<u8, Found<Rank>> = BTreeMap::new();
    for (from, _, n, metric, gateway) in outsides {
        let Some(exit) = ways.get(from).filter(|_| edges.contains(from) && *from != ME.0) else {
            continue;
        };
        let reached = gateway.map_or(Some(exit), |gateway| within.get(&gateway));
        let Some((distance, first)) = reached else { continue };
        let first = match gateway {
            Some(gateway) if first.contains(&0) => BTreeSet::from([1000 + u32::from(*gateway)]),
            _ => first.clone(),
        };
        let rank = match metric {
            ExternalMetric::Type1(metric) => (1, distance + metric, 0),
            ExternalMetric::Type2(metric) => (2, *metric, *distance),
        };
        join(&mut outside, *n, rank, first);
    }
    let mut table = BTreeMap::new();
    for (n, ((_, cost, _), first)) in outside {
        let gateway = first.iter().find(|first| **first > 1000).map(|first| first - 1000);
        let goal = match gateway {
            Some(n) => Goal::Gateway(gateway_text(u8::try_from(n).unwrap()).parse().unwrap()),
            None => Goal::Ports(first.into_iter().collect()),
        };
        table.insert(prefix_text(n).parse().unwrap(), (cost, goal));
    }
    for (n, (cost, first)) in within {
        let prefix = prefix_text(n).parse().unwrap();
        table.remove(&prefix);
        if !first.contains(&0) {
            table.insert(prefix, (cost, Goal::Ports(first.into_iter().collect())));
        }
    }
    table
}

/// Where a packet with these headers comes off its last one, from the router `at`, if no shortest
/// path that it may take leads by `dead`.
fn follow(world: &World, mut at: u32, dead: u32, segments: &[Ipv6Addr]) -> Result<u32, String> {
    let distance = |from: u32, to: u32| {
        let mut graph = DiGraph::new();
        let nodes: Vec<NodeIndex> = (0..8).map(|_| graph.add_node(())).collect();
        for (a, b, cost, _) in world.0.iter().filter(|(.., is_told)| *is_told) {
            let (a, b) = (nodes[*a as usize], nodes[*b as usize]);
            graph.add_edge(a, b, u64::from(*cost));
            graph.add_edge(b, a, u64::from(*cost));
        }
        let all = dijkstra(&graph, nodes[from as usize], None, |edge| *edge.weight());
        all.get(&nodes[to as usize]).copied().unwrap_or(1 << 30)
    };
    if at == dead {
        return Err("begins with the dead one".to_owned());
    }
    for segment in segments {
        let end = (1..8).find_map(|router| {
            let (said, ids) = (endpoint(router), 1..8_u32);
            let cross = ids
                .filter(|to| said.adjacency_address(100 * router + to).as_ref() == Some(segment));
            let whole = (said.endpoint == *segment).then_some((router, router));
            whole.or_else(|| cross.map(|to| (router, to)).next())
        });
        let (turn, next) = end.ok_or_else(|| format!("{segment} is nobody's"))?;
        if distance(at, turn) >= distance(at, dead) + distance(dead, turn) || next == dead {
            return Err(format!("{at} to {turn} may pass {dead}"));
        }
        at = next;
    }
    Ok(at)
}

fn spelled(heard: &Heard) -> BTreeMap<Ipv6Prefix, (u32, Goal)> {
    heard.iter().map(|(prefix, body)| (*prefix, spell(body))).collect()
}

proptest! {
    #[test]
    fn every_history_ends_where_the_oracle_is(
        history in prop::collection::vec((wides(), 0..5_u8), 1..8),
    ) {
        let mut follower = Follower::default();
        let mut state: Option<Wide> = None;
        for (next, part) in history {
            // Mostly one thing changes; the table has to find out what hangs on it.
            let wide = match (state.take(), part) {
                (None, _) | (_, 0) => next,
                (Some((world, edges, _)), 1) => (world, edges, next.2),
                (Some((world, _, outsides)), 2) => (world, next.1, outsides),
                (Some((world, edges, outsides)), 3) => {
                    ((world.0, next.0.1, world.2), edges, outsides)
                }
                (Some((world, edges, outsides)), _) => {
                    ((next.0.0, world.1, world.2), edges, outsides)
                }
            };
            let mut lsas = wide_lsas(&wide);
            lsas.extend((1..8_u32).filter(|n| wide.2.len() % 7 != *n as usize).map(ends_tunnels));
            follower.calculate(&lsas, &wide.0.2);
            prop_assert_eq!(spelled(&follower.heard), oracle(&wide));
            // With repairs, which the oracle does not know: as a table that begins now.
            let mut fresh = Follower::default();
            fresh.calculate(&lsas, &wide.0.2);
            prop_assert_eq!(&follower.heard, &fresh.heard);
            state = Some(wide);
        }
    }

    #[test]
    fn repairs_that_leave_by_another_exit_avoid_the_one_that_died(wide in wides()) {
        let mut lsas = wide_lsas(&wide);
        lsas.extend((1..8).map(ends_tunnels));
        let mut table = RoutingTable::default();
        table.recalculate(&view(&lsas, &wide.0.2));
        for (prefix, body) in table.announcements() {
            let RouteTarget::Via(ways) = &body.target else { continue };
            let dead = u32::from(ways[0].port.0);
            let exits = wide.2.iter().filter(|(from, _, n, _, gateway)| {
                prefix_text(*n).parse() == Ok(prefix) && gateway.is_none() && *from != ME.0
                    && wide.1.contains(from)
            });
            let exits: BTreeSet<u32> = exits.map(|(from, ..)| *from).collect();
            let Some(repair) = body.repair else { continue };
            let last = repair.segments.last().copied();
            let is_exit = |exit: &u32| Some(endpoint(*exit).endpoint) == last;
            let Some(exit) = exits.iter().copied().find(is_exit) else { continue };
            if exits.contains(&dead) && repair.protects == Protection::Node {
                prop_assert_ne!(exit, dead);
                let end = follow(&wide.0, u32::from(repair.via.port.0), dead, &repair.segments);
                prop_assert_eq!(end, Ok(exit), "{}: {:?}", prefix, repair.segments);
            }
        }
    }

    #[test]
    fn new_externals_need_no_new_tree(
        wide in wides(), then in outsides(), prefixes in worlds(),
    ) {
        let (world, edges, _) = wide.clone();
        let mut follower = Follower::default();
        follower.calculate(&wide_lsas(&wide), &world.2);
        let next: Wide = (world.clone(), edges.clone(), then.clone());
        follower.learn(&wide_lsas(&next));
        hear(&mut follower.heard, &follower.table.calculate_externals());
        prop_assert_eq!(spelled(&follower.heard), oracle(&next));
        // And new prefixes within the area none either.
        let last: Wide = ((world.0.clone(), prefixes.1, world.2.clone()), edges, then);
        follower.learn(&wide_lsas(&last));
        hear(&mut follower.heard, &follower.table.calculate_prefixes());
        prop_assert_eq!(spelled(&follower.heard), oracle(&last));
    }
}
