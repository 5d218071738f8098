//! Routes from LSAs: rules of RFC 5340 §4.8 one by one, then histories against an oracle.

use super::*;
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::{
    IntraAreaPrefix, LsaKey, NetworkLsa, Options, RouterFlags, RouterLink, RouterLinkType,
    RouterLsa, SequenceNumber,
};
use proptest::prelude::*;

pub(super) const ME: RouterId = RouterId(1);
pub(super) const ACTIVE: Options = Options::V6.with(Options::R);

pub(super) fn lsa(ls_type: LsType, router: u32, id: u32, body: &LsaBody) -> Lsa {
    let advertising_router = RouterId(router);
    let key = LsaKey { ls_type, advertising_router, link_state_id: id };
    Lsa::build(key, SequenceNumber::INITIAL, 1, body).unwrap()
}

/// Interface `i` of router `a` towards router `b` has the id `100 a + b` (parallel cables: + 50).
pub(super) fn to(from: u32, neighbor: u32, metric: u16) -> RouterLink {
    RouterLink {
        link_type: RouterLinkType::PointToPoint,
        metric,
        interface_id: 100 * from + neighbor,
        neighbor_interface_id: 100 * neighbor + from,
        neighbor_router_id: RouterId(neighbor),
    }
}

pub(super) fn part(router: u32, id: u32, options: Options, links: Vec<RouterLink>) -> Lsa {
    let body = RouterLsa { flags: RouterFlags::default(), options, links };
    lsa(LsType::ROUTER, router, id, &LsaBody::Router(body))
}

pub(super) fn router(router: u32, neighbors: &[(u32, u16)]) -> Lsa {
    part(router, 0, ACTIVE, neighbors.iter().map(|(n, cost)| to(router, *n, *cost)).collect())
}

fn at(router: u32, prefixes: &[(&str, PrefixOptions, u16)]) -> Lsa {
    let prefix = |(text, options, metric): &(&str, PrefixOptions, u16)| IntraAreaPrefix {
        prefix: text.parse().unwrap(),
        options: *options,
        metric: *metric,
    };
    let body = IntraAreaPrefixLsa {
        referenced_ls_type: LsType::ROUTER,
        referenced_link_state_id: 0,
        referenced_advertising_router: RouterId(router),
        prefixes: prefixes.iter().map(prefix).collect(),
    };
    lsa(LsType::INTRA_AREA_PREFIX, router, 0, &LsaBody::IntraAreaPrefix(body))
}

pub(super) fn plain(router: u32, prefixes: &[(&str, u16)]) -> Lsa {
    let none = PrefixOptions::default();
    at(router, &prefixes.iter().map(|(text, metric)| (*text, none, *metric)).collect::<Vec<_>>())
}

pub(super) fn way(neighbor: u32) -> RouteNextHop {
    let port = PortId(u16::try_from(neighbor).unwrap());
    RouteNextHop { port, address: format!("fe80::{neighbor}").parse().unwrap() }
}

fn adjacency(neighbor: u32) -> Adjacency {
    let RouteNextHop { port, address } = way(neighbor);
    Adjacency {
        port,
        interface_id: 100 * ME.0 + neighbor,
        neighbor_router_id: RouterId(neighbor),
        neighbor_interface_id: 100 * neighbor + ME.0,
        address,
    }
}

/// What a calculation shall see.
pub(super) struct AreaView<'a> {
    router_id: RouterId,
    lsas: Vec<&'a Lsa>,
    pub(super) adjacencies: Vec<Adjacency>,
}

impl RoutingTable {
    /// Learns what differs between the LSAs so far and those of the view.
    pub(super) fn turn_to(&mut self, view: &AreaView<'_>) {
        let instances = |lsas: &[&Lsa]| -> BTreeMap<LsaKey, Lsa> {
            lsas.iter().map(|lsa| (lsa.key(), (*lsa).clone())).collect()
        };
        let wanted = instances(&view.lsas);
        for gone in self.known().difference(&wanted.keys().copied().collect()) {
            let empty = LsaBody::Unknown(Vec::new());
            let lsa = Lsa::build(*gone, SequenceNumber::INITIAL, MAX_AGE_S, &empty).unwrap();
            self.learn(&lsa);
        }
        view.lsas.iter().for_each(|lsa| self.learn(lsa));
    }

    fn known(&self) -> BTreeSet<LsaKey> {
        let key = |ls_type, advertising_router, link_state_id| LsaKey {
            ls_type,
            advertising_router,
            link_state_id,
        };
        let prefixes = self.prefix_lsas.keys().map(|k| key(LsType::INTRA_AREA_PREFIX, k.0, k.1));
        let externals = self.externals.known().map(|k| key(LsType::AS_EXTERNAL, k.0, k.1));
        let area = self.area.known().chain(self.area.known_repairs());
        prefixes.chain(externals).chain(area).collect()
    }

    pub(super) fn recalculate(&mut self, view: &AreaView<'_>) -> Vec<RouteUpdate> {
        self.turn_to(view);
        self.calculate(view.router_id, &view.adjacencies)
    }

    fn recalculate_prefixes(&mut self, view: &AreaView<'_>) -> Vec<RouteUpdate> {
        self.turn_to(view);
        self.calculate_prefixes()
    }
}

pub(super) fn view<'a>(lsas: &'a [Lsa], neighbors: &[u32]) -> AreaView<'a> {
    let adjacencies = neighbors.iter().rev().map(|n| adjacency(*n)).collect();
    AreaView { router_id: ME, lsas: lsas.iter().rev().collect(), adjacencies }
}

/// A table as the RIB sees it, kept by updates alone.
pub(super) type Heard = BTreeMap<Ipv6Prefix, RouteBody>;

pub(super) fn hear(heard: &mut Heard, updates: &[RouteUpdate]) {
    for update in updates {
        assert_eq!(update.source, RouteSource::Ospf);
        let said_before = match &update.route {
            Some(route) => heard.insert(update.prefix, route.clone()),
            None => Some(heard.remove(&update.prefix).expect("withdrawn, but never announced")),
        };
        assert_ne!(said_before, update.route, "{} said again", update.prefix);
    }
}

/// What a fresh table announces: cost and neighbours by prefix.
fn announced(lsas: &[Lsa], neighbors: &[u32]) -> Vec<(String, u32, Vec<u32>)> {
    let updates = RoutingTable::default().recalculate(&view(lsas, neighbors));
    updates.into_iter().map(|update| spell(&update)).collect()
}

fn spell(update: &RouteUpdate) -> (String, u32, Vec<u32>) {
    let Some(RouteBody { metric, target: RouteTarget::Via(ways), .. }) = &update.route else {
        panic!("{update:?}");
    };
    let ports = ways.iter().map(|way| way.port.0.into()).collect();
    (update.prefix.to_string(), *metric, ports)
}

fn row(prefix: &str, cost: u32, neighbors: &[u32]) -> (String, u32, Vec<u32>) {
    (prefix.to_owned(), cost, neighbors.to_vec())
}

/// A ring 1-2-4-3-1 of cost 10.
fn ring() -> Vec<Lsa> {
    vec![
        router(1, &[(2, 10), (3, 10)]),
        router(2, &[(1, 10), (4, 10)]),
        router(3, &[(1, 10), (4, 10)]),
        router(4, &[(2, 10), (3, 10)]),
    ]
}

#[test]
fn prefix_across_the_ring_has_both_ways() {
    let mut lsas = ring();
    lsas.push(plain(4, &[("fd00:4::/64", 5)]));
    lsas.push(plain(2, &[("fd00:2::/64", 0)]));
    let expected = [row("fd00:2::/64", 10, &[2]), row("fd00:4::/64", 25, &[2, 3])];
    assert_eq!(announced(&lsas, &[2, 3]), expected);
    let table = {
        let mut table = RoutingTable::default();
        table.recalculate(&view(&lsas, &[2, 3]));
        table
    };
    assert_eq!((table.router_count(), table.prefix_count()), (4, 2));
    assert_eq!(table.routes()[1].next_hops, [way(2), way(3)]);
}

#[test]
fn prefix_at_two_routers_is_shared_at_equal_cost_only() {
    let mut lsas = ring();
    lsas.push(plain(2, &[("fd00:a::/64", 7), ("fd00:b::/64", 7)]));
    lsas.push(plain(3, &[("fd00:a::/64", 7), ("fd00:b::/64", 8)]));
    let expected = [row("fd00:a::/64", 17, &[2, 3]), row("fd00:b::/64", 17, &[2])];
    assert_eq!(announced(&lsas, &[2, 3]), expected);
}

// RFC 5340 §A.4.1.1: "If set, the prefix should be excluded from IPv6 unicast calculations."
#[test]
fn nu_bit_excludes_and_la_bit_does_not() {
    let mut lsas = ring();
    let both = [("fd00::a/128", PrefixOptions::LA, 0), ("fd00::b/128", PrefixOptions::NU, 0)];
    lsas.push(at(2, &both));
    assert_eq!(announced(&lsas, &[2, 3]), [row("fd00::a/128", 10, &[2])]);
}

#[test]
fn a_prefix_that_an_lsa_repeats_is_one_offer_at_the_least_metric() {
    let repeated: Vec<(&str, u16)> =
        (0..300).map(|n| ("fd00::/64", if n == 150 { 3 } else { 9 })).collect();
    let mut lsas = vec![router(1, &[(2, 10)]), router(2, &[(1, 10)]), plain(2, &repeated)];
    let mut table = RoutingTable::default();
    table.recalculate(&view(&lsas, &[2]));
    let destination = table.destinations.values().next().unwrap();
    assert_eq!((destination.offers.len(), destination.route.unwrap().cost), (1, 13));
    assert_eq!(table.offered.iter().map(Vec::len).sum::<usize>(), 1);
    lsas.pop();
    table.recalculate(&view(&lsas, &[2]));
    assert!(table.destinations.is_empty() && table.offered.iter().all(Vec::is_empty));
}

#[test]
fn own_prefix_is_listed_but_not_announced_unless_another_is_nearer() {
    let mut lsas = ring();
    let own = [("fd00:1::/64", 0), ("fd00:a::/64", 10), ("fd00:b::/64", 20)];
    lsas.push(plain(1, &own));
    lsas.push(plain(2, &[("fd00:a::/64", 0), ("fd00:b::/64", 0)]));
    assert_eq!(announced(&lsas, &[2, 3]), [row("fd00:b::/64", 10, &[2])]);
    let mut table = RoutingTable::default();
    table.recalculate(&view(&lsas, &[2, 3]));
    let listed: Vec<_> = table.routes().iter().map(|r| (r.cost, r.next_hops.len())).collect();
    assert_eq!(listed, [(0, 0), (10, 0), (10, 1)]);
}

// RFC 5340 §A.4.3: "the links are processed as if concatenated into a single LSA".
#[test]
fn router_lsas_of_one_router_are_one() {
    let mut lsas = vec![
        part(1, 0, ACTIVE, vec![to(1, 2, 10)]),
        part(1, 7, ACTIVE, vec![to(1, 3, 10)]),
        router(2, &[(1, 10)]),
        router(3, &[(1, 10)]),
        plain(2, &[("fd00:2::/64", 0)]),
        plain(3, &[("fd00:3::/64", 0)]),
    ];
    let expected = [row("fd00:2::/64", 10, &[2]), row("fd00:3::/64", 10, &[3])];
    assert_eq!(announced(&lsas, &[2, 3]), expected);
    lsas.remove(1);
    assert_eq!(announced(&lsas, &[2, 3]), expected[..1]);
}

#[test]
fn options_of_the_lowest_link_state_id_hold() {
    let line = |first: Options, second: Options| {
        vec![
            router(1, &[(2, 1)]),
            part(2, 3, first, vec![to(2, 1, 1)]),
            part(2, 9, second, vec![to(2, 3, 1)]),
            router(3, &[(2, 1)]),
            plain(2, &[("fd00:2::/64", 0)]),
            plain(3, &[("fd00:3::/64", 0)]),
        ]
    };
    assert_eq!(announced(&line(ACTIVE, Options::default()), &[2]).len(), 2);
    assert_eq!(announced(&line(Options::V6, ACTIVE), &[2]), [row("fd00:2::/64", 1, &[2])]);
    assert_eq!(announced(&line(Options::R, ACTIVE), &[2]), []);
}

#[test]
fn drained_router_is_crossed_only_where_there_is_no_other_way() {
    let mut lsas = ring();
    lsas[1] = router(2, &[(1, 0xffff), (4, 0xffff)]);
    lsas.extend([plain(4, &[("fd00:4::/64", 0)]), plain(2, &[("fd00:2::/64", 0)])]);
    let expected = [row("fd00:2::/64", 10, &[2]), row("fd00:4::/64", 20, &[3])];
    assert_eq!(announced(&lsas, &[2, 3]), expected);
    assert_eq!(announced(&lsas, &[2])[1], row("fd00:4::/64", 10 + 0xffff, &[2]));
}

#[test]
fn cost_of_ls_infinity_is_unreachable() {
    // 256 links of 0xffff and a prefix metric of 254 end one below LSInfinity.
    let mut lsas = vec![router(1, &[(2, 0xffff)])];
    for n in 2..=257 {
        lsas.push(router(n, &[(n - 1, 1), (n + 1, 0xffff)]));
    }
    lsas.push(router(258, &[(257, 1)]));
    let far = |metric| plain(257, &[("fd00::/64", metric)]);
    lsas.push(far(254));
    assert_eq!(announced(&lsas, &[2]), [row("fd00::/64", LS_INFINITY - 1, &[2])]);
    lsas.pop();
    lsas.push(far(255));
    assert_eq!(announced(&lsas, &[2]), []);
}

#[test]
fn prefixes_of_a_transit_network_hang_on_its_network_lsa() {
    // 1 and 2 by a cable; 2 (Designated Router, interface 9) and 3 on a network.
    let onto = |metric| RouterLink {
        link_type: RouterLinkType::Transit,
        metric,
        interface_id: 9,
        neighbor_interface_id: 9,
        neighbor_router_id: RouterId(2),
    };
    let network = NetworkLsa { options: ACTIVE, attached_routers: vec![RouterId(2), RouterId(3)] };
    let prefix = IntraAreaPrefix { prefix: "fd00:9::/64".parse().unwrap(), ..some_prefix(4) };
    let hangs = IntraAreaPrefixLsa {
        referenced_ls_type: LsType::NETWORK,
        referenced_link_state_id: 9,
        referenced_advertising_router: RouterId(2),
        prefixes: vec![prefix],
    };
    let lsas = vec![
        router(1, &[(2, 10)]),
        part(2, 0, ACTIVE, vec![to(2, 1, 10), onto(3)]),
        part(3, 0, ACTIVE, vec![onto(30)]),
        lsa(LsType::NETWORK, 2, 9, &LsaBody::Network(network)),
        lsa(LsType::INTRA_AREA_PREFIX, 2, 9, &LsaBody::IntraAreaPrefix(hangs)),
        plain(3, &[("fd00:3::/64", 0)]),
    ];
    let expected = [row("fd00:3::/64", 13, &[2]), row("fd00:9::/64", 17, &[2])];
    assert_eq!(announced(&lsas, &[2]), expected);
}

fn some_prefix(metric: u16) -> IntraAreaPrefix {
    let options = PrefixOptions::default();
    IntraAreaPrefix { prefix: Ipv6Prefix::DEFAULT, options, metric }
}

#[test]
fn neighbour_with_a_new_link_local_address_is_said_again() {
    let mut lsas = ring();
    lsas.extend([plain(4, &[("fd00:4::/64", 0)]), plain(3, &[("fd00:3::/64", 0)])]);
    let mut table = RoutingTable::default();
    let mut view = view(&lsas, &[2, 3]);
    assert_eq!(table.recalculate(&view).len(), 2);
    assert_eq!(table.recalculate(&view), []);
    let changed = view.adjacencies.iter_mut().find(|a| a.port == PortId(2)).unwrap();
    changed.address = "fe80::99".parse().unwrap();
    let updates = table.recalculate(&view);
    assert_eq!(updates.len(), 1, "the way over 3 did not change: {updates:?}");
    let body = RouteTarget::Via(vec![
        RouteNextHop { port: PortId(2), address: "fe80::99".parse().unwrap() },
        way(3),
    ]);
    assert_eq!(updates[0].route, Some(RouteBody::new(20, body)));
}

#[test]
fn router_without_its_own_lsa_has_no_routes_and_takes_back_those_it_had() {
    let mut lsas = ring();
    lsas.push(plain(4, &[("fd00:4::/64", 0)]));
    let mut table = RoutingTable::default();
    table.recalculate(&view(&lsas, &[2, 3]));
    lsas.remove(0);
    let gone = RouteUpdate {
        prefix: "fd00:4::/64".parse().unwrap(),
        source: RouteSource::Ospf,
        route: None,
    };
    assert_eq!(table.recalculate(&view(&lsas, &[2, 3])), [gone]);
    assert_eq!((table.router_count(), table.prefix_count()), (0, 0));
}

#[test]
fn forty_equal_ways_are_all_kept() {
    let neighbors: Vec<(u32, u16)> = (2..42).map(|n| (n, 1)).collect();
    let mut lsas = vec![router(1, &neighbors)];
    lsas.push(router(99, &neighbors));
    lsas.extend((2..42).map(|n| router(n, &[(1, 1), (99, 1)])));
    lsas.push(plain(99, &[("fd00::/64", 0)]));
    let ports: Vec<u32> = (2..42).collect();
    assert_eq!(announced(&lsas, &ports), [row("fd00::/64", 2, &ports)]);
}

/// A state of the world: cables with cost (one-way where only one end tells), prefixes, neighbours.
pub(super) type World = (Vec<(u32, u32, u16, bool)>, Vec<(u32, u8, u16)>, Vec<u32>);

pub(super) fn worlds() -> impl Strategy<Value = World> {
    let cables = prop::collection::btree_map(
        (1_u32..8, 1_u32..8).prop_filter("two ends", |(a, b)| a < b),
        (1_u16..4, prop::bool::weighted(0.9)),
        0..16,
    );
    let cables = cables.prop_map(|cables| {
        cables.into_iter().map(|((a, b), (cost, is_told))| (a, b, cost, is_told)).collect()
    });
    let prefixes = prop::collection::vec((1_u32..8, 1_u8..7, 0_u16..4), 0..12);
    (cables, prefixes, prop::sample::subsequence((2..8).collect::<Vec<u32>>(), 0..=6))
}

pub(super) fn lsas_of((cables, prefixes, _): &World) -> Vec<Lsa> {
    let mut lsas = Vec::new();
    for id in 1..8 {
        let links = cables.iter().filter_map(|(a, b, cost, is_told)| match id {
            _ if id == *a => Some((*b, *cost)),
            _ if id == *b && *is_told => Some((*a, *cost)),
            _ => None,
        });
        lsas.push(router(id, &links.collect::<Vec<_>>()));
        let mine = prefixes.iter().filter(|(router, ..)| *router == id);
        let texts: Vec<_> =
            mine.map(|(_, n, metric)| (format!("fd00:{n}::/64"), *metric)).collect();
        lsas.push(plain(id, &texts.iter().map(|(t, m)| (t.as_str(), *m)).collect::<Vec<_>>()));
    }
    lsas
}

/// The announced table by relaxation to a fixed point over `(distance, neighbours)`: no heap, no
/// order, no LSAs.
fn oracle(world: &World) -> BTreeMap<String, (u32, Vec<u32>)> {
    let (cables, prefixes, neighbors) = world;
    let told: Vec<_> = cables.iter().filter(|(.., is_told)| *is_told).collect();
    let mut best: BTreeMap<u32, (u32, Vec<u32>)> = BTreeMap::from([(1, (0, Vec::new()))]);
    for _ in 0..16 {
        let mut next: BTreeMap<u32, (u32, Vec<u32>)> = BTreeMap::from([(1, (0, Vec::new()))]);
        let ends = told.iter().flat_map(|(a, b, cost, _)| [(*a, *b, *cost), (*b, *a, *cost)]);
        for (from, to, cost) in ends.filter(|(from, to, _)| *to != 1 && best.contains_key(from)) {
            let (distance, mut ways) = best[&from].clone();
            if from == 1 {
                ways = neighbors.iter().copied().filter(|n| *n == to).collect();
            }
            if !ways.is_empty() {
                keep_best(&mut next, to, distance + u32::from(cost), ways);
            }
        }
        best = next;
    }
    let mut routes = BTreeMap::new();
    for (router, n, metric) in prefixes {
        let Some((distance, ways)) = best.get(router) else { continue };
        // Nothing stands for this router itself, and stays beside others at the same cost.
        let ways = if *router == 1 { vec![0] } else { ways.clone() };
        keep_best(&mut routes, format!("fd00:{n}::/64"), distance + u32::from(*metric), ways);
    }
    routes.retain(|_, (_, ways)| !ways.contains(&0));
    routes
}

fn keep_best<K: Ord>(table: &mut BTreeMap<K, (u32, Vec<u32>)>, key: K, cost: u32, ways: Vec<u32>) {
    let entry = table.entry(key).or_insert((u32::MAX, Vec::new()));
    if cost < entry.0 {
        *entry = (cost, ways);
    } else if cost == entry.0 {
        entry.1.extend(ways);
        entry.1.sort_unstable();
        entry.1.dedup();
    }
}

proptest! {
    #[test]
    fn differences_lead_from_each_table_to_the_next(
        history in prop::collection::vec(worlds(), 1..5),
    ) {
        let mut table = RoutingTable::default();
        let mut heard = Heard::new();
        for world in &history {
            let lsas = lsas_of(world);
            hear(&mut heard, &table.recalculate(&view(&lsas, &world.2)));
            let spelled: BTreeMap<_, _> = heard.iter().map(|(prefix, body)| {
                let update = RouteUpdate {
                    prefix: *prefix, source: RouteSource::Ospf, route: Some(body.clone()),
                };
                let (text, cost, ports) = spell(&update);
                (text, (cost, ports))
            }).collect();
            prop_assert_eq!(spelled, oracle(world));
        }
    }

    #[test]
    fn new_prefixes_need_no_new_tree(world in worlds(), prefixes in worlds()) {
        let changed: World = (world.0.clone(), prefixes.1, world.2.clone());
        let (before, after) = (lsas_of(&world), lsas_of(&changed));
        let (mut partial, mut full) = (RoutingTable::default(), RoutingTable::default());
        partial.recalculate(&view(&before, &world.2));
        full.recalculate(&view(&before, &world.2));
        let updates = partial.recalculate_prefixes(&view(&after, &world.2));
        prop_assert_eq!(updates, full.recalculate(&view(&after, &world.2)));
        prop_assert_eq!(partial.routes(), full.routes());
    }
}
