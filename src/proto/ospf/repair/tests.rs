//! Repairs are judged by forwarding hop by hop, on distances that come out of a matrix.

use super::*;
use crate::base::ids::{PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::prng::Prng;
use crate::base::route::{RouteTarget, RouteUpdate};
use crate::proto::ospf::calculate::{Adjacency, RoutingTable};
use crate::proto::ospf::coverage::is_covered;
use crate::proto::ospf::order::Site;
use crate::proto::ospf::view::RouteView;
use crate::wire::ospf::{
    IntraAreaPrefix, IntraAreaPrefixLsa, LsType, Lsa, LsaBody, LsaKey, Options, PrefixOptions,
    RepairFlags, RepairLsa, RouterFlags, RouterLink, RouterLinkType, RouterLsa, SequenceNumber,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Far away, and still to be added to.
const FAR: u64 = 1 << 40;

/// More than any way in these clusters has.
const HOPS_MAX: u32 = 60;

/// The ends of a cable that was taken away; those left keep their numbers.
const NOWHERE: [usize; 2] = [usize::MAX; 2];

/// A cable: its ends and what each end asks for it.
#[derive(Clone, Copy, Debug)]
struct Cable {
    ends: [usize; 2],
    costs: [u16; 2],
}

/// Routers on cables; some may not end tunnels.
#[derive(Clone, Debug)]
struct Cluster {
    cables: Vec<Cable>,
    foreign: BTreeSet<usize>,
    count: usize,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Cable(usize),
    Router(usize),
}

/// A packet: headers with their destinations, the outermost first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    destinations: Vec<Ipv6Addr>,
}

fn id(router: usize) -> RouterId {
    RouterId(u32::try_from(router).unwrap() + 1)
}

fn loopback(router: usize) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xfd << 120 | u128::from(id(router).0))
}

fn adjacencies(router: usize) -> Ipv6Prefix {
    Ipv6Prefix::containing(Ipv6Addr::from_bits(0xfd << 120 | u128::from(id(router).0) << 16), 112)
}

/// Interface ID of an end of a cable, which is the port as well.
fn interface(cable: usize) -> u32 {
    u32::try_from(cable).unwrap() + 1
}

impl Cluster {
    fn new(count: usize, cables: &[([usize; 2], [u16; 2])]) -> Self {
        let cables = cables.iter().map(|(ends, costs)| Cable { ends: *ends, costs: *costs });
        Self { cables: cables.collect(), foreign: BTreeSet::new(), count }
    }

    /// The cables of a router: each with its number, the other end and the cost.
    fn ports(&self, router: usize) -> impl Iterator<Item = (usize, usize, u16)> {
        self.cables.iter().enumerate().flat_map(move |(number, cable)| {
            let [a, b] = cable.ends;
            let [from_a, from_b] = cable.costs;
            let here = (a == router).then_some((number, b, from_a));
            let there = (b == router).then_some((number, a, from_b));
            here.into_iter().chain(there)
        })
    }

    /// Distances between all routers, without what failed.
    fn matrix(&self, fault: Option<Fault>) -> Vec<Vec<u64>> {
        let mut matrix = vec![vec![FAR; self.count]; self.count];
        let cables = self.cables.iter().enumerate();
        for (number, cable) in cables.filter(|(_, cable)| cable.ends != NOWHERE) {
            let [a, b] = cable.ends;
            let is_dead = match fault {
                Some(Fault::Cable(dead)) => dead == number,
                Some(Fault::Router(dead)) => dead == a || dead == b,
                None => false,
            };
            if !is_dead {
                matrix[a][b] = matrix[a][b].min(cable.costs[0].into());
                matrix[b][a] = matrix[b][a].min(cable.costs[1].into());
            }
        }
        (0..self.count).for_each(|router| matrix[router][router] = 0);
        for middle in 0..self.count {
            for from in 0..self.count {
                for to in 0..self.count {
                    let over = matrix[from][middle] + matrix[middle][to];
                    matrix[from][to] = matrix[from][to].min(over);
                }
            }
        }
        matrix
    }

    fn lsas(&self, router: usize) -> Vec<Lsa> {
        let links = self.ports(router).map(|(cable, other, metric)| RouterLink {
            link_type: RouterLinkType::PointToPoint,
            metric,
            interface_id: interface(cable),
            neighbor_interface_id: interface(cable),
            neighbor_router_id: id(other),
        });
        let router_lsa = LsaBody::Router(RouterLsa {
            flags: RouterFlags::default(),
            options: Options::V6.with(Options::E).with(Options::R),
            links: links.collect(),
        });
        let prefixes = [Ipv6Prefix::host(loopback(router)), adjacencies(router)];
        let prefix =
            |prefix| IntraAreaPrefix { prefix, options: PrefixOptions::default(), metric: 0 };
        let prefix_lsa = LsaBody::IntraAreaPrefix(IntraAreaPrefixLsa {
            referenced_ls_type: LsType::ROUTER,
            referenced_link_state_id: 0,
            referenced_advertising_router: id(router),
            prefixes: prefixes.map(prefix).to_vec(),
        });
        let repair_lsa = LsaBody::Repair(RepairLsa {
            flags: RepairFlags::default(),
            endpoint: loopback(router),
            adjacencies: adjacencies(router),
        });
        let mut bodies =
            vec![(LsType::ROUTER, router_lsa), (LsType::INTRA_AREA_PREFIX, prefix_lsa)];
        if !self.foreign.contains(&router) {
            bodies.push((LsType::REPAIR, repair_lsa));
        }
        let lsa = |(ls_type, body)| {
            let key = LsaKey { ls_type, advertising_router: id(router), link_state_id: 0 };
            Lsa::build(key, SequenceNumber::INITIAL, 0, &body).unwrap()
        };
        bodies.into_iter().map(lsa).collect()
    }

    /// What everybody knows of the cluster.
    fn known(&self) -> RoutingTable {
        let mut table = RoutingTable::default();
        for router in 0..self.count {
            self.lsas(router).iter().for_each(|lsa| table.learn(lsa));
        }
        table
    }

    /// The table of a router, and what it tells.
    fn table(&self, own: usize) -> (RoutingTable, Vec<RouteUpdate>) {
        let mut table = self.known();
        let adjacency = |(cable, other, _)| Adjacency {
            port: PortId(u16::try_from(cable).unwrap()),
            interface_id: interface(cable),
            neighbor_router_id: id(other),
            neighbor_interface_id: interface(cable),
            address: loopback(other),
        };
        let adjacencies: Vec<Adjacency> = self.ports(own).map(adjacency).collect();
        let updates = table.calculate(id(own), &adjacencies);
        (table, updates)
    }

    /// The routes of a router, those to loopbacks.
    fn routes(&self, own: usize) -> BTreeMap<usize, Found> {
        let (table, updates) = self.table(own);
        let deep = |router: usize| {
            let vertex = table.area().router(id(router))?;
            let repairs = table.repairs();
            let position = common(&repairs.neighbors, table.tree().reach(vertex)?.next_hops)?;
            Some(repairs.too_deep(vertex, position))
        };
        let routes = updates.into_iter().filter_map(|update| {
            let router = (0..self.count).find(|r| update.prefix == Ipv6Prefix::host(loopback(*r)));
            let body = update.route?;
            let RouteTarget::Via(ways) = body.target else { return None };
            let too_deep = deep(router?).unwrap_or_default();
            Some((router?, Found { ways, repair: body.repair, too_deep }))
        });
        routes.collect()
    }

    /// Where a packet at `router` may go, by the distances before the failure: cables and routers.
    fn next(&self, matrix: &[Vec<u64>], router: usize, to: usize) -> Vec<(usize, usize)> {
        let leads = |(_, other, cost): &(usize, usize, u16)| {
            u64::from(*cost) + matrix[*other][to] == matrix[router][to]
        };
        self.ports(router).filter(leads).map(|(cable, other, _)| (cable, other)).collect()
    }
}

impl Packet {
    /// Takes off the headers that end at `router`; the cable to cross if the last one names it.
    fn open_at(&mut self, router: usize) -> Option<usize> {
        while let Some(top) = self.destinations.first().copied() {
            let is_crossing = adjacencies(router).contains(top);
            if top != loopback(router) && !is_crossing {
                break;
            }
            self.destinations.remove(0);
            if is_crossing {
                return Some(usize::try_from(top.to_bits() & 0xffff).unwrap() - 1);
            }
        }
        None
    }

    /// The router that the outermost header leads to.
    fn end(&self, cluster: &Cluster) -> Option<usize> {
        let top = *self.destinations.first()?;
        (0..cluster.count).find(|r| top == loopback(*r) || adjacencies(*r).contains(top))
    }
}

/// What becomes of a repaired packet, whichever equal-cost paths it takes.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    Lost(String),
}

/// Forwards by the tables before the failure; `source` alone knows of it.
fn forward(cluster: &Cluster, source: usize, to: usize, repair: &Repair, fault: Fault) -> Fate {
    let matrix = cluster.matrix(None);
    let first = usize::from(repair.via.port.0);
    let mut destinations = repair.segments.clone();
    destinations.push(loopback(to));
    let start = Packet { destinations };
    let mut seen = BTreeSet::new();
    let mut open = vec![(source, first, start, 0)];
    while let Some((from, cable, packet, hops)) = open.pop() {
        let ends = cluster.cables[cable].ends;
        let router = if ends[0] == from { ends[1] } else { ends[0] };
        if fault == Fault::Cable(cable) || fault == Fault::Router(router) {
            return Fate::Lost(format!("over {cable} to {router}: {packet:?}"));
        }
        let mut packet = packet;
        let crossing = packet.open_at(router);
        if packet.destinations.is_empty() {
            continue;
        }
        if hops == HOPS_MAX {
            return Fate::Lost(format!("round and round at {router}: {packet:?}"));
        }
        if !seen.insert((router, packet.clone(), crossing, hops)) {
            continue;
        }
        if let Some(cable) = crossing {
            open.push((router, cable, packet, hops + 1));
            continue;
        }
        let ways = cluster.next(&matrix, router, packet.end(cluster).unwrap());
        assert!(!ways.is_empty(), "the matrix knows a way");
        let onward = |(cable, _)| (router, cable, packet.clone(), hops + 1);
        open.extend(ways.into_iter().map(onward));
    }
    Fate::Arrives
}

/// Whether a packet can be on its way for ever while several cables are dead, each end knows of its
/// own, and everybody forwards by the tables before. A packet in a header is not repaired, nor is
/// one that was in a header.
fn circles(
    cluster: &Cluster,
    tables: &[BTreeMap<usize, Found>],
    dead: &[usize],
    source: usize,
    to: usize,
) -> bool {
    let mut seen = BTreeSet::new();
    let start = Packet { destinations: vec![loopback(to)] };
    let mut open = vec![(source, start, false, 0)];
    while let Some((router, mut packet, is_repaired, hops)) = open.pop() {
        if hops == HOPS_MAX {
            return true;
        }
        let crossing = packet.open_at(router);
        if !seen.insert((router, packet.clone(), crossing, is_repaired, hops)) {
            continue;
        }
        let other = |cable: usize| {
            let ends = cluster.cables[cable].ends;
            if ends[0] == router { ends[1] } else { ends[0] }
        };
        let mut send = |cable: usize, packet: &Packet, is_repaired| {
            if !dead.contains(&cable) {
                open.push((other(cable), packet.clone(), is_repaired, hops + 1));
            }
        };
        if let Some(cable) = crossing {
            send(cable, &packet, is_repaired);
            continue;
        }
        let Some(Found { ways, repair, .. }) =
            packet.end(cluster).and_then(|end| tables[router].get(&end))
        else {
            continue;
        };
        let cables = ways.iter().map(|way| usize::from(way.port.0));
        let living: Vec<usize> = cables.filter(|cable| !dead.contains(cable)).collect();
        living.iter().for_each(|cable| send(*cable, &packet, is_repaired));
        if let Some(repair) = repair.as_ref().filter(|_| living.is_empty() && !is_repaired) {
            let is_tunnel = !repair.segments.is_empty();
            packet.destinations.splice(0..0, repair.segments.iter().copied());
            send(usize::from(repair.via.port.0), &packet, is_tunnel);
        }
    }
    false
}

/// What was counted in a cluster.
#[derive(Debug, Default)]
struct Coverage {
    links: u32,
    nodes: u32,
    nodes_possible: u32,
}

#[test]
fn two_cables_to_a_neighbor_do_not_stand_in_for_it() {
    // 0 has two cables to 1, which is the way to 2; the way by 3 is longer.
    let ends = [([0, 1], 1), ([0, 1], 1), ([1, 2], 1), ([2, 3], 5), ([3, 0], 5)];
    let cluster = Cluster::new(4, &ends.map(|(ends, cost)| (ends, [cost, cost])));
    let routes = cluster.routes(0);
    assert_eq!(routes[&2].ways.len(), 2);
    assert_eq!(routes[&2].repair.as_ref().unwrap().protects, Protection::Node);
    assert_eq!(routes[&1].repair, None, "its other cable is left, or it is dead");
    assert!(judge(&cluster).is_ok());
}

#[test]
fn a_way_past_the_neighbor_is_known_whether_or_not_it_is_taken() {
    let ring = |count: usize| {
        let cables: Vec<_> = (0..count).map(|a| ([a, (a + 1) % count], [1, 1])).collect();
        Cluster::new(count, &cables)
    };
    let past = |cluster: &Cluster| -> Vec<usize> {
        let table = cluster.table(0).0;
        let routers = (0..cluster.count).filter(|router| {
            let is_it = |view: &&RouteView| view.prefix == Ipv6Prefix::host(loopback(*router));
            table.routes().iter().find(is_it).is_some_and(|view| view.has_way_past_neighbor)
        });
        routers.collect()
    };
    assert_eq!(past(&ring(4)), [0_usize; 0], "2 has equal-cost ways, 1 and 3 are neighbours");
    assert_eq!(past(&ring(5)), [2, 3]);
    let mut foreign = ring(5);
    foreign.foreign.extend([1, 2, 3, 4]);
    assert_eq!(past(&foreign), [2, 3], "nobody ends tunnels, yet the ways are there");
    let line = Cluster::new(3, &[([0, 1], [1, 1]), ([1, 2], [1, 1])]);
    assert_eq!(past(&line), [0_usize; 0]);
}

#[test]
fn a_router_that_asks_to_be_avoided_is_no_alternate() {
    // Of the two ways around the cable from 0 to 1 that by 2, a starting router, has fewer hops.
    let mut cables = [([0, 1], [1, 1]), ([0, 2], [1, METRIC_MAX]), ([2, 1], [METRIC_MAX, 1])];
    let others = [([0, 3], [9, 9]), ([3, 4], [9, 9]), ([4, 1], [9, 9])];
    let repair = |cables: &[_]| {
        let cluster = Cluster::new(5, &[cables, &others].concat());
        cluster.routes(0)[&1].repair.clone().unwrap()
    };
    assert_eq!(repair(&cables).via.port, PortId(3), "by 3");
    cables[1].1[1] = 1;
    cables[2].1[0] = 1;
    let mended = repair(&cables);
    assert_eq!((mended.via.port, mended.segments), (PortId(1), vec![loopback(2)]), "by 2");
}

/// A route, and whether a repair of its link, of its neighbour, would need too many headers.
struct Found {
    ways: Vec<RouteNextHop>,
    repair: Option<Repair>,
    too_deep: [bool; 2],
}

impl Repairs {
    fn too_deep(&self, vertex: VertexId, position: usize) -> [bool; 2] {
        let node = self.nodes.get(&(position, self.behind[vertex.index()]));
        [self.links.get(position), node].map(|answer| answer == Some(&Err(Bare::TooDeep)))
    }
}

/// Judges every repair of every router of the cluster.
fn judge(cluster: &Cluster) -> Result<Coverage, String> {
    let mut coverage = Coverage::default();
    for source in 0..cluster.count {
        for (to, Found { ways, repair, too_deep }) in cluster.routes(source) {
            let [link_is_too_deep, node_is_too_deep] = too_deep;
            let cables: Vec<usize> = ways.iter().map(|way| usize::from(way.port.0)).collect();
            let other_end = |cable: usize| {
                let ends = cluster.cables[cable].ends;
                if ends[0] == source { ends[1] } else { ends[0] }
            };
            let neighbor = other_end(cables[0]);
            if cables.iter().any(|cable| other_end(*cable) != neighbor) {
                continue;
            }
            let only = (cables.len() == 1).then_some(cables[0]);
            let is_left = only
                .is_some_and(|cable| cluster.matrix(Some(Fault::Cable(cable)))[source][to] < FAR);
            let survives =
                neighbor != to && cluster.matrix(Some(Fault::Router(neighbor)))[source][to] < FAR;
            coverage.nodes_possible += u32::from(survives && !node_is_too_deep);
            let Some(repair) = repair else {
                if is_left && cluster.foreign.is_empty() && !link_is_too_deep {
                    return Err(format!("{source} to {to} over {cables:?} has no repair"));
                }
                continue;
            };
            coverage.links += 1;
            let mut faults: Vec<Fault> = only.into_iter().map(Fault::Cable).collect();
            if repair.protects == Protection::Node {
                coverage.nodes += 1;
                faults.push(Fault::Router(neighbor));
            }
            for fault in faults {
                let fate = forward(cluster, source, to, &repair, fault);
                if fate != Fate::Arrives {
                    return Err(format!("{source} to {to}, {fault:?}: {repair:?}: {fate:?}"));
                }
            }
        }
    }
    Ok(coverage)
}

/// Whether the router `here` repairs all that only goes over the cables `dead`, of whose other end
/// nothing is left where `is_node`.
fn repairs_all(
    cluster: &Cluster,
    rest: &Cluster,
    here: usize,
    dead: &[usize],
    is_node: bool,
) -> bool {
    let left = rest.matrix(None);
    cluster.routes(here).iter().all(|(to, Found { ways, repair, .. })| {
        let is_lost = ways.iter().all(|way| dead.contains(&usize::from(way.port.0)));
        let protects = repair.as_ref().map(|repair| repair.protects);
        let is_enough = protects == Some(Protection::Node)
            || protects == Some(Protection::Link) && !is_node && dead.len() == 1;
        !is_lost || left[here][*to] == FAR || is_enough
    })
}

/// A ring with chords: no single cable is the only way.
fn cluster(costs_max: u16) -> impl Strategy<Value = Cluster> {
    (3..10_usize, 0..8_usize, any::<u64>(), any::<bool>()).prop_map(
        move |(count, chords, seed, is_symmetric)| {
            let mut prng = Prng::new(seed);
            let mut cost = || u16::try_from(prng.below(costs_max.into())).unwrap() + 1;
            let mut ends: Vec<[usize; 2]> = (0..count).map(|a| [a, (a + 1) % count]).collect();
            let mut prng = Prng::new(seed ^ 1);
            let mut router = || usize::try_from(prng.below(count as u64)).unwrap();
            let others = (0..chords).map(|_| [router(), router()]).filter(|[a, b]| a != b);
            ends.extend(others.collect::<Vec<_>>());
            let cables: Vec<([usize; 2], [u16; 2])> = ends
                .into_iter()
                .map(|ends| {
                    let (there, back) = (cost(), cost());
                    (ends, [there, if is_symmetric { there } else { back }])
                })
                .collect();
            Cluster::new(count, &cables)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_three_headers_can_survive_is_survived_at_small_costs(cluster in cluster(4)) {
        let coverage = judge(&cluster).map_err(TestCaseError::fail)?;
        prop_assert_eq!(coverage.nodes, coverage.nodes_possible);
    }

    #[test]
    fn what_three_headers_can_survive_is_survived_at_any_costs(cluster in cluster(200)) {
        let coverage = judge(&cluster).map_err(TestCaseError::fail)?;
        prop_assert_eq!(coverage.nodes, coverage.nodes_possible);
    }

    #[test]
    fn packets_never_circle_however_many_cables_die(
        mut cluster in cluster(4),
        starting in proptest::option::of(0..10_usize),
        dead in proptest::collection::vec(any::<prop::sample::Index>(), 2..5),
    ) {
        for cable in &mut cluster.cables {
            for (end, cost) in cable.ends.iter().zip(&mut cable.costs) {
                *cost = if Some(*end) == starting { METRIC_MAX } else { *cost };
            }
        }
        let dead: Vec<usize> = dead.iter().map(|at| at.index(cluster.cables.len())).collect();
        let tables: Vec<_> = (0..cluster.count).map(|router| cluster.routes(router)).collect();
        for source in 0..cluster.count {
            for to in 0..cluster.count {
                prop_assert!(
                    !circles(&cluster, &tables, &dead, source, to),
                    "{source} to {to} without {dead:?}",
                );
            }
        }
    }

    #[test]
    fn who_waits_knows_what_others_repair(
        mut cluster in cluster(20),
        foreign in proptest::collection::btree_set(0..10_usize, 0..5),
        cable in any::<prop::sample::Index>(),
    ) {
        cluster.foreign = foreign;
        let [a, b] = cluster.cables[cable.index(cluster.cables.len())].ends;
        let table = cluster.known();
        let vertex = |router: usize| table.area().router(id(router)).unwrap();
        let between = |cable: &Cable| cable.ends == [a, b] || cable.ends == [b, a];
        let at_a = |cable: &Cable| cable.ends.contains(&a);
        let judged = |is_dead: &dyn Fn(&Cable) -> bool, site| {
            let mut rest = cluster.clone();
            rest.cables.iter_mut().filter(|cable| is_dead(cable)).for_each(|c| c.ends = NOWHERE);
            let new = rest.known().area().graph();
            (is_covered(table.area(), (&table.area().graph(), &new), site), rest)
        };
        let repairs_all = |rest: &Cluster, is_dead: &dyn Fn(&Cable) -> bool, here, is_node| {
            let own = cluster.ports(here).map(|(cable, ..)| cable);
            let dead: Vec<usize> = own.filter(|cable| is_dead(&cluster.cables[*cable])).collect();
            repairs_all(&cluster, rest, here, &dead, is_node)
        };
        let (found, rest) = judged(&between, Site::Link(vertex(a), vertex(b)));
        let is_repaired = [a, b].iter().all(|here| repairs_all(&rest, &between, *here, false));
        prop_assert_eq!(found, is_repaired, "cut {:?}", [a, b]);
        let (found, rest) = judged(&at_a, Site::Router(vertex(a)));
        let mut neighbors = cluster.ports(a).map(|(_, other, _)| other);
        let is_repaired = neighbors.all(|here| repairs_all(&rest, &at_a, here, true));
        prop_assert_eq!(found, is_repaired, "death of {}", a);
    }

    #[test]
    fn no_repair_leads_astray_whoever_ends_tunnels(
        mut cluster in cluster(20),
        foreign in proptest::collection::btree_set(0..10_usize, 1..5),
    ) {
        cluster.foreign = foreign;
        judge(&cluster).map_err(TestCaseError::fail)?;
    }
}
