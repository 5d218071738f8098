//! What is learned LSA by LSA against what is read at once, and against petgraph.

use super::*;
use crate::base::ids::PortId;
use crate::proto::ospf::calculate::{Adjacency, RoutingTable};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::{
    IntraAreaPrefix, IntraAreaPrefixLsa, PrefixOptions, RouterFlags, SequenceNumber,
};
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const ROUTERS: u32 = 7;
const ME: RouterId = RouterId(1);

/// A database as a test knows it.
type Database = BTreeMap<LsaKey, LsaBody>;

fn lsa(key: LsaKey, age_s: u16, body: &LsaBody) -> Lsa {
    Lsa::build(key, SequenceNumber::INITIAL, age_s, body).unwrap()
}

fn key(ls_type: LsType, router: u32, link_state_id: u32) -> LsaKey {
    LsaKey { ls_type, advertising_router: RouterId(router), link_state_id }
}

/// Two parallel cables lead from each router to each other.
fn cable(from: u32, to: u32, number: u32, metric: u16) -> RouterLink {
    RouterLink {
        link_type: RouterLinkType::PointToPoint,
        metric,
        interface_id: 100 * to + number,
        neighbor_interface_id: 100 * from + number,
        neighbor_router_id: RouterId(to),
    }
}

fn onto(designated: u32, metric: u16) -> RouterLink {
    RouterLink {
        link_type: RouterLinkType::Transit,
        metric,
        interface_id: 900 + designated,
        neighbor_interface_id: 9,
        neighbor_router_id: RouterId(designated),
    }
}

/// An instance that replaces what was there, or withdraws it.
fn changes() -> impl Strategy<Value = (LsaKey, Option<LsaBody>)> {
    let router = 1..=ROUTERS;
    let links = prop::collection::vec((router.clone(), 0_u32..2, 0_u16..4, 0_u8..8), 0..6);
    let options = prop_oneof![
        8 => Just(Options::V6.with(Options::R)),
        1 => Just(Options::V6),
        1 => Just(Options::R),
    ];
    let routers = (router.clone(), 0_u32..2, links, options).prop_map(|(id, part, links, said)| {
        let link = |(to, number, cost, kind)| match kind {
            0 => onto(1 + to % 2, cost),
            _ => cable(id, to, number, cost),
        };
        let links = links.into_iter().map(link).collect();
        let body = RouterLsa { flags: RouterFlags::default(), options: said, links };
        (key(LsType::ROUTER, id, part), LsaBody::Router(body))
    });
    let members = prop::collection::btree_set(router.clone(), 0..5);
    let networks = (1_u32..3, members).prop_map(|(designated, members)| {
        let attached_routers = members.into_iter().map(RouterId).collect();
        let body = NetworkLsa { options: Options::V6, attached_routers };
        (key(LsType::NETWORK, designated, 9), LsaBody::Network(body))
    });
    let list = prop::collection::vec((0_u16..9, 0_u16..4, prop::bool::weighted(0.1)), 0..4);
    let prefixes = (router, 0_u32..3, list).prop_map(|(id, number, list)| {
        let prefix = |(n, metric, is_excluded)| IntraAreaPrefix {
            prefix: format!("fd00:{n}::/64").parse().unwrap(),
            options: if is_excluded { PrefixOptions::NU } else { PrefixOptions::default() },
            metric,
        };
        // The third LSA of a router hangs on a network.
        let is_network = number == 2;
        let body = IntraAreaPrefixLsa {
            referenced_ls_type: if is_network { LsType::NETWORK } else { LsType::ROUTER },
            referenced_link_state_id: if is_network { 9 } else { 0 },
            referenced_advertising_router: RouterId(id),
            prefixes: list.into_iter().map(prefix).collect(),
        };
        (key(LsType::INTRA_AREA_PREFIX, id, number), LsaBody::IntraAreaPrefix(body))
    });
    let any = prop_oneof![6 => routers, 1 => networks, 3 => prefixes];
    (any, prop::bool::weighted(0.85))
        .prop_map(|((key, body), is_there)| (key, Some(body).filter(|_| is_there)))
}

/// A cable of this router to each of the others.
fn adjacencies() -> Vec<Adjacency> {
    let ends = (2..=ROUTERS).flat_map(|to| [(to, 0), (to, 1)]);
    let adjacency = |(to, number)| {
        let link = cable(ME.0, to, number, 1);
        Adjacency {
            port: PortId(u16::try_from(link.interface_id).unwrap()),
            interface_id: link.interface_id,
            neighbor_router_id: RouterId(to),
            neighbor_interface_id: link.neighbor_interface_id,
            address: format!("fe80::{to}:{number}").parse().unwrap(),
        }
    };
    ends.map(adjacency).collect()
}

/// Links with names in place of numbers, in order.
fn links(area: &Area) -> Vec<(VertexName, VertexName, [u32; 4])> {
    let named = |vertex: &Vertex| {
        let name = vertex.name;
        let link = move |link: &Link| {
            let ids = [link.interface_id, link.neighbor_interface_id];
            let costs = [link.cost.into(), link.cost_back.into()];
            (name, area.name(link.to).unwrap(), [ids[0], ids[1], costs[0], costs[1]])
        };
        vertex.links.iter().map(link).collect::<Vec<_>>()
    };
    let mut links: Vec<_> = area.vertices.iter().flat_map(named).collect();
    links.sort_unstable();
    links
}

/// The graph by RFC 2328 §16.1 read literally: everything against everything.
fn oracle(database: &Database) -> (BTreeMap<VertexName, NodeIndex>, DiGraph<(), u32>) {
    let mut told: BTreeMap<VertexName, (Options, Vec<RouterLink>)> = BTreeMap::new();
    let mut members: BTreeMap<VertexName, BTreeSet<RouterId>> = BTreeMap::new();
    for (key, body) in database {
        match body {
            LsaBody::Router(body) => {
                let name = VertexName::Router(key.advertising_router);
                let known = told.entry(name).or_insert((body.options, Vec::new()));
                known.1.extend(&body.links);
            }
            LsaBody::Network(body) => {
                let name = VertexName::Network(key.advertising_router, key.link_state_id);
                members.insert(name, body.attached_routers.iter().copied().collect());
            }
            _ => {}
        }
    }
    told.retain(|_, (options, _)| options.contains(Options::V6));
    let mut graph = DiGraph::new();
    let nodes: BTreeMap<VertexName, NodeIndex> =
        told.keys().chain(members.keys()).map(|name| (*name, graph.add_node(()))).collect();
    for (name, (options, links)) in &told {
        let VertexName::Router(own) = *name else { unreachable!("only routers tell links") };
        let forwards = options.contains(Options::R) || own == ME;
        for link in links {
            let cost = u32::from(link.metric.max(1));
            let other = VertexName::Router(link.neighbor_router_id);
            if link.link_type == RouterLinkType::Transit {
                let network = VertexName::Network(link.neighbor_router_id, 9);
                if members.get(&network).is_some_and(|members| members.contains(&own)) {
                    if forwards {
                        graph.add_edge(nodes[name], nodes[&network], cost);
                    }
                    graph.add_edge(nodes[&network], nodes[name], 0);
                }
            } else if told.get(&other).is_some_and(|(_, back)| {
                back.iter().any(|back| {
                    back.link_type == RouterLinkType::PointToPoint
                        && back.neighbor_router_id == own
                        && back.interface_id == link.neighbor_interface_id
                        && back.neighbor_interface_id == link.interface_id
                })
            }) && forwards
            {
                graph.add_edge(nodes[name], nodes[&other], cost);
            }
        }
    }
    (nodes, graph)
}

proptest! {
    #[test]
    fn what_is_learned_step_by_step_is_what_is_read_at_once(
        history in prop::collection::vec((changes(), prop::bool::weighted(0.3)), 1..60),
    ) {
        let mut table = RoutingTable::default();
        let mut database = Database::new();
        let mut heard = BTreeMap::new();
        for ((key, body), is_calculated) in history {
            match &body {
                Some(body) => table.learn(&lsa(key, 1, body)),
                None => table.learn(&lsa(key, MAX_AGE_S, &LsaBody::Unknown(Vec::new()))),
            }
            match body {
                Some(body) => database.insert(key, body),
                None => database.remove(&key),
            };
            if !is_calculated {
                continue;
            }
            for update in table.calculate(ME, &adjacencies()) {
                match update.route {
                    Some(route) => heard.insert(update.prefix, route),
                    None => heard.remove(&update.prefix),
                };
            }
            // The other way round, so that it has other numbers.
            let mut fresh = RoutingTable::default();
            database.iter().rev().for_each(|(key, body)| fresh.learn(&lsa(*key, 1, body)));
            let all = fresh.calculate(ME, &adjacencies());
            prop_assert_eq!(links(table.area()), links(fresh.area()));
            prop_assert_eq!(table.routes(), fresh.routes());
            prop_assert_eq!(table.router_count(), fresh.router_count());
            prop_assert_eq!(table.prefix_count(), fresh.prefix_count());
            let all: BTreeMap<_, _> =
                all.into_iter().map(|update| (update.prefix, update.route.unwrap())).collect();
            prop_assert_eq!(&heard, &all);
            let (nodes, graph) = oracle(&database);
            // Networks of this router itself are reached over no adjacency of this test.
            let root = VertexName::Router(ME);
            let Some(root) = nodes.get(&root).filter(|_| !is_on_network(&database)) else {
                continue;
            };
            let distances = dijkstra(&graph, *root, None, |edge| *edge.weight());
            for (name, node) in &nodes {
                let vertex = table.area().vertex(*name).unwrap();
                let found = table.tree().reach(vertex).map(|reach| reach.distance());
                prop_assert_eq!(found, distances.get(node).copied(), "{:?}", name);
            }
        }
    }

    #[test]
    fn a_table_that_forgot_everything_withdraws_everything_and_holds_nothing(
        history in prop::collection::vec(changes(), 1..40),
    ) {
        let mut table = RoutingTable::default();
        let mut area = Area::default();
        let mut keys = BTreeSet::new();
        for (key, body) in history.into_iter().filter_map(|(key, body)| Some((key, body?))) {
            table.learn(&lsa(key, 1, &body));
            area.learn(&lsa(key, 1, &body));
            keys.insert(key);
        }
        let said = table.calculate(ME, &adjacencies()).len();
        table.forget_all();
        let withdrawn = table.calculate(ME, &adjacencies());
        prop_assert!(withdrawn.iter().all(|update| update.route.is_none()));
        prop_assert_eq!(withdrawn.len(), said);
        prop_assert_eq!(table.prefix_count(), 0);
        keys.into_iter().for_each(|key| area.forget(key));
        prop_assert!(area.names.is_empty());
        prop_assert_eq!(area.free.len(), area.vertices.len());
    }
}

fn is_on_network(database: &Database) -> bool {
    let own = database.iter().filter(|(key, _)| key.advertising_router == ME);
    own.into_iter().any(|(_, body)| {
        let LsaBody::Router(body) = body else { return false };
        body.links.iter().any(|link| link.link_type == RouterLinkType::Transit)
    })
}
