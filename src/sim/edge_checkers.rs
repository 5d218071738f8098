//! Judges of what leads out of a cluster and of what the world hears of it.
//!
//! Owns the checks; the findings are [`Violation`]s like all others. What should be comes from
//! [`Exits`](crate::sim::exits::Exits) and [`Map`]: which edges have a working uplink, at which
//! metric each tells the cluster, how far they are.
//!
//! *Invariants*: a check changes nothing. What a provider must never hear is wrong at any moment
//! ([`leaks`]); all else is so only when it had time to become right ([`check`]).

use crate::sim::checkers::{
    Answer, Target, VIOLATIONS_MAX, Violation, Walk, answer, expected_way, link_local, running,
};
use crate::sim::edges::{self, PREFIXES};
use crate::sim::node::{Control, Node};
use crate::sim::oracle::Map;
use crate::sim::plan::{ULA, provider_end};
use crate::sim::world::World;
use std::collections::BTreeSet;

/// All of it, but for what is judged at any moment; the walks only where the rest is right.
pub fn check<C: Control>(world: &World<C>) -> Vec<Violation> {
    let mut found = answers(world, VIOLATIONS_MAX);
    found.extend(tables(world));
    found.extend(returns(world));
    if found.is_empty() {
        found.extend(walks(world));
    }
    found.truncate(VIOLATIONS_MAX);
    found
}

/// Every data plane of the cluster sends packets for the rest of the world to the edges that the
/// oracle has for it; at most `limit` findings.
pub fn answers<C: Control>(world: &World<C>, limit: usize) -> Vec<Violation> {
    let (map, exits) = (world.map(), world.exits());
    let mut found = Vec::new();
    for prefix in 0..exits.len() {
        let address = edges::host(prefix);
        for (router, node) in running(world) {
            if found.len() >= limit {
                return found;
            }
            let expected = match exits.is_own(prefix, router) {
                true => up(world, router),
                false => {
                    let chosen = exits.chosen(&map, router, prefix);
                    let hops = chosen.iter().flat_map(|edge| map.first_hops(router, *edge));
                    expected_way(world, &hops.collect::<Vec<_>>())
                }
            };
            let answer = answer(node.forwarding(), address);
            if answer != expected {
                found.push(Violation::WrongAnswer { router, address, expected, found: answer });
            }
        }
    }
    found
}

/// The way of an edge to its provider.
fn up<C: Control>(world: &World<C>, router: usize) -> Answer {
    let edges = world.edges();
    let way = edges.edge(router).and_then(|edge| {
        let address = link_local(world, provider_end(edges, edge))?;
        Some((world.setup().uplink_port(edge), address))
    });
    way.map_or(Answer::Nothing, |way| Answer::Via(BTreeSet::from([way])))
}

/// Packets for the rest of the world arrive at a provider, from wherever there is a way, by
/// whichever members of the groups: walks what the data planes read.
pub fn walks<C: Control>(world: &World<C>) -> Vec<Violation> {
    let (map, exits) = (world.map(), world.exits());
    let mut found = Vec::new();
    for prefix in 0..exits.len() {
        let mut walk = Walk::new(world, (usize::MAX, Target::Outside(prefix)), &mut found);
        for (router, _) in running(world) {
            if !exits.chosen(&map, router, prefix).is_empty() {
                walk.visit(router);
            }
        }
    }
    found.extend(walks_back(world, &map));
    found.truncate(VIOLATIONS_MAX);
    found
}

/// The same the other way: packets from a provider for any router that all its edges reach.
fn walks_back<C: Control>(world: &World<C>, map: &Map) -> Vec<Violation> {
    let mut found = Vec::new();
    for (to, _) in running(world) {
        let mut walk = Walk::new(world, (to, Target::Loopback), &mut found);
        for (provider, slot, _) in providers(world) {
            let announcers = announcers(world, provider, map);
            let is_reached = announcers.iter().all(|router| map.is_joined(*router, to));
            if is_reached && !announcers.is_empty() {
                walk.visit(slot);
            }
        }
    }
    found
}

/// A provider has the aggregate from the edges that reach their cluster, and from no other.
pub fn tables<C: Control>(world: &World<C>) -> Vec<Violation> {
    let (map, edges) = (world.map(), world.edges());
    let mut found = Vec::new();
    for (provider, _, node) in providers(world) {
        let announcers = announcers(world, provider, &map);
        let paths = node.control().bgp_paths();
        for edge in edges.of_provider(provider) {
            let router = edges.router(edge);
            let is_there = paths.contains(&(edges.name(router), ULA));
            match (is_there, announcers.contains(&router)) {
                (false, true) => found.push(Violation::AggregateMissing { router }),
                (true, false) => found.push(Violation::AggregateUndue { router }),
                _ => {}
            }
        }
    }
    found
}

/// Nothing but aggregates has ever come from an edge.
pub fn leaks<C: Control>(world: &World<C>) -> Vec<Violation> {
    let edges = world.edges();
    let mut found = Vec::new();
    for (provider, _, node) in providers(world) {
        for (name, prefix) in node.control().bgp_paths() {
            let mut of_provider = edges.of_provider(provider);
            let edge = of_provider.find(|edge| edges.name(edges.router(*edge)) == name);
            if let Some(edge) = edge.filter(|_| prefix != ULA) {
                found.push(Violation::Leak { router: edges.router(edge), prefix });
            }
        }
    }
    found.truncate(VIOLATIONS_MAX);
    found
}

/// A provider sends packets for the cluster to the edges that reach it, all of them.
pub fn returns<C: Control>(world: &World<C>) -> Vec<Violation> {
    let (map, edges) = (world.map(), world.edges());
    let mut found = Vec::new();
    for (provider, router, node) in providers(world) {
        let announcers = announcers(world, provider, &map);
        let ways: BTreeSet<_> = announcers
            .iter()
            .filter_map(|router| {
                let edge = edges.edge(*router)?;
                let port = world.setup().uplink_port(edge);
                let near = crate::sim::link::End { router: *router, port };
                Some((edges.provider_port(edge), link_local(world, near)?))
            })
            .collect();
        let expected = if ways.is_empty() { Answer::Nothing } else { Answer::Via(ways) };
        let address = world.setup().loopback(0);
        let answer = answer(node.forwarding(), address);
        if answer != expected {
            found.push(Violation::WrongAnswer { router, address, expected, found: answer });
        }
    }
    found
}

/// At rest there are as many groups of exits as are used: one for the uplink of an edge, and at a
/// provider one for the rest of the world and one for its edges.
pub fn groups<C: Control>(world: &World<C>) -> Vec<Violation> {
    let (map, edges, exits) = (world.map(), world.edges(), world.exits());
    let mut found = Vec::new();
    let mut judge = |router: usize, node: &Node<C>, expected: usize| {
        let counts = node.control().exit_group_counts();
        if counts != (expected, expected) {
            found.push(Violation::ExitGroups { router, expected, found: counts });
        }
    };
    for (router, node) in running(world) {
        let has_any = (0..PREFIXES).any(|prefix| exits.is_own(prefix, router));
        judge(router, node, usize::from(edges.edge(router).is_some() && has_any));
    }
    for (provider, slot, node) in providers(world) {
        let has_any = !announcers(world, provider, &map).is_empty();
        judge(slot, node, 1 + usize::from(has_any));
    }
    found
}

/// The edges of a provider that work and reach another router of the cluster.
fn announcers<C: Control>(world: &World<C>, provider: usize, map: &Map) -> BTreeSet<usize> {
    let edges = world.edges();
    let works = |edge: &usize| {
        let router = edges.router(*edge);
        let mut others = (0..world.router_count()).filter(|other| *other != router);
        world.is_uplink_usable(*edge) && others.any(|other| map.is_joined(router, other))
    };
    edges.of_provider(provider).filter(works).map(|edge| edges.router(edge)).collect()
}

fn providers<C: Control>(world: &World<C>) -> impl Iterator<Item = (usize, usize, &Node<C>)> {
    let edges = world.edges();
    (0..edges.provider_count()).filter_map(move |provider| {
        let slot = edges.slot(provider);
        Some((provider, slot, world.node(slot)?))
    })
}
