//! Claims about the RIB, one by one and against a naive oracle.

use super::*;
use crate::base::ids::{GroupId, MacAddress, NextHopId, PORT_MAX, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{
    ECMP_WIDTH_MAX, PortRole, Protection, Repair, RouteBody, RouteNextHop, RouteSource,
    RouteTarget, RouteUpdate,
};
use crate::fib::{Forwarding, Interface, NextHop, NextHopGroup, RepairAddresses};
use core::net::Ipv6Addr;

mod exits;
mod oracle;
mod repair;
mod verify;

const A: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xff]);

fn prefix(text: &str) -> Ipv6Prefix {
    text.parse().unwrap()
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn neighbor(port: u16, text: &str) -> RouteNextHop {
    RouteNextHop { port: PortId(port), address: address(text) }
}

fn interface(port: u16, is_up: bool) -> Interface {
    Interface {
        port: PortId(port),
        role: PortRole::Fabric,
        mac: OWN,
        vlan: None,
        mtu: 9000,
        repair_mtu: 9120,
        link_local: OWN.link_local(),
        icmp_source: OWN.link_local(),
        is_up,
        link_peers: Vec::new(),
    }
}

/// A RIB with ports 0 to 3 up.
fn rib() -> Rib {
    let mut rib = Rib::default();
    (0..4).for_each(|port| rib.set_interface(interface(port, true)));
    rib
}

fn announce(rib: &mut Rib, text: &str, source: RouteSource, metric: u32, target: RouteTarget) {
    let route = Some(RouteBody::new(metric, target));
    rib.apply(RouteUpdate { prefix: prefix(text), source, route }).unwrap();
}

fn withdraw(rib: &mut Rib, text: &str, source: RouteSource) {
    rib.apply(RouteUpdate { prefix: prefix(text), source, route: None }).unwrap();
}

fn via(ways: &[RouteNextHop]) -> RouteTarget {
    RouteTarget::Via(ways.to_vec())
}

/// The way to these neighbours, without a repair.
fn plain(ways: &[RouteNextHop]) -> Way {
    Way::Forward { members: ways.to_vec(), repair: None }
}

/// What a next hop of a world is.
fn path_of(hop: &NextHop) -> Path {
    let via = RouteNextHop { port: hop.port, address: hop.address };
    let segments = hop.encapsulation.iter().flat_map(|made| made.segments().iter().copied());
    Path { via, segments: segments.collect() }
}

/// The way that a world takes for an address; "no route" is unreachable.
fn way_of(world: &Forwarding, to: Ipv6Addr) -> Way {
    match world.group(world.table.lookup(to.to_bits())) {
        NextHopGroup::Forward { members, backup, .. } => {
            let path = |number: &NextHopId| path_of(world.next_hop(*number).unwrap());
            let paths: Vec<Path> = members.iter().map(path).collect();
            assert!(paths.iter().all(|path| path.segments.is_empty()), "members are no tunnels");
            let mut members: Vec<RouteNextHop> = paths.iter().map(|path| path.via).collect();
            members.sort_unstable();
            Way::Forward { members, repair: backup.as_ref().map(path) }
        }
        NextHopGroup::Cross(next_hop) => {
            Way::Cross(path_of(world.next_hop(*next_hop).unwrap()).via)
        }
        NextHopGroup::OnLink(port) => Way::OnLink(*port),
        NextHopGroup::Local => Way::Local,
        NextHopGroup::Unreachable => Way::Unreachable,
        NextHopGroup::Blackhole => Way::Blackhole,
    }
}

fn members_of(world: &Forwarding, text: &str) -> Vec<NextHopId> {
    match world.group(world.table.lookup(address(text).to_bits())) {
        NextHopGroup::Forward { members, .. } => members.to_vec(),
        _ => Vec::new(),
    }
}

#[test]
fn distance_then_metric_then_source_decide() {
    let mut rib = rib();
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    announce(&mut rib, "fd00::/64", RouteSource::Static, 9, RouteTarget::Blackhole);
    announce(&mut rib, "fd00:1::/64", RouteSource::Neighbor, 1, RouteTarget::Blackhole);
    announce(&mut rib, "fd00:1::/64", RouteSource::Connected, 2, RouteTarget::Local);
    announce(&mut rib, "fd00:2::/64", RouteSource::Neighbor, 1, RouteTarget::Blackhole);
    announce(&mut rib, "fd00:2::/64", RouteSource::Connected, 1, RouteTarget::Local);
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00::1")), Way::Blackhole, "distance");
    assert_eq!(way_of(&world, address("fd00:1::1")), Way::Blackhole, "metric");
    assert_eq!(way_of(&world, address("fd00:2::1")), Way::Local, "source");
    let selected: Vec<_> =
        rib.routes().filter(|row| row.is_selected).map(|row| row.source).collect();
    assert_eq!(selected, [RouteSource::Static, RouteSource::Neighbor, RouteSource::Connected]);
}

#[test]
fn a_withdrawal_brings_the_next_best_back() {
    let mut rib = rib();
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    announce(&mut rib, "fd00::/64", RouteSource::Static, 0, RouteTarget::Blackhole);
    rib.compile().unwrap();
    withdraw(&mut rib, "fd00::/64", RouteSource::Static);
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00::1")), plain(&[neighbor(1, "fe80::1")]));
    withdraw(&mut rib, "fd00::/64", RouteSource::Ospf);
    let world = rib.compile().unwrap();
    assert!(world.table.is_empty() && rib.route_count() == 0 && rib.routes().next().is_none());
}

#[test]
fn what_changes_nothing_builds_no_world() {
    let mut rib = rib();
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    assert_eq!(rib.compile().unwrap().epoch, 1);
    assert!(!rib.is_dirty() && rib.compile().is_none());
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    rib.set_interface(interface(1, true));
    withdraw(&mut rib, "fd00:9::/64", RouteSource::Ospf);
    assert!(!rib.is_dirty());
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 2, via(&[neighbor(1, "fe80::1")]));
    assert!(rib.compile().is_none(), "another metric, the same way");
}

#[test]
fn a_port_that_falls_kills_its_next_hops_before_any_compilation() {
    let mut rib = rib();
    let ways = [neighbor(1, "fe80::1"), neighbor(2, "fe80::2")];
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&ways));
    let world = rib.compile().unwrap();
    let members = members_of(&world, "fd00::1");
    rib.set_alive(PortId(1), None, false);
    let alive = |world: &Forwarding| -> Vec<bool> {
        members.iter().map(|member| world.liveness.is_alive(*member)).collect()
    };
    assert_eq!(alive(&world), [false, true]);
    rib.set_alive(PortId(1), None, true);
    rib.set_alive(PortId(2), Some(address("fe80::2")), false);
    assert_eq!(alive(&world), [true, false]);
    rib.set_interface(interface(1, false));
    assert_eq!(alive(&world), [false, false]);
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00::1")), plain(&[neighbor(2, "fe80::2")]));
    rib.set_interface(interface(1, true));
    rib.set_alive(PortId(2), Some(address("fe80::2")), true);
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00::1")), plain(&ways));
    assert_eq!(alive(&world), [true, true]);
}

#[test]
fn routes_of_a_port_that_went_wait_for_its_return() {
    let mut rib = rib();
    announce(&mut rib, "fd00:1::/64", RouteSource::Connected, 0, RouteTarget::OnLink(PortId(1)));
    rib.compile().unwrap();
    rib.remove_interface(PortId(1));
    assert!(rib.compile().unwrap().table.is_empty());
    rib.set_interface(interface(1, true));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00:1::1")), Way::OnLink(PortId(1)));
}

#[test]
fn a_resolved_neighbor_appears_in_the_rewrite_and_leaves_it() {
    let mut rib = rib();
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    let rewrite = |world: &Forwarding| {
        let hop = world.next_hop(*members_of(world, "fd00::1").first().unwrap()).unwrap();
        hop.adjacency.map(|adjacency| adjacency.rewrite)
    };
    assert_eq!(rewrite(&rib.compile().unwrap()), None);
    rib.set_neighbor(PortId(1), address("fe80::1"), Some((A, OWN)));
    let rewritten = rewrite(&rib.compile().unwrap()).unwrap();
    assert_eq!((&rewritten[..6], &rewritten[6..12]), (&A.0[..], &OWN.0[..]));
    rib.set_neighbor(PortId(1), address("fe80::1"), Some((A, OWN)));
    rib.set_neighbor(PortId(3), address("fe80::9"), Some((A, OWN)));
    assert!(rib.compile().is_none(), "known already, and used by nobody");
    rib.set_neighbor(PortId(1), address("fe80::1"), None);
    assert_eq!(rewrite(&rib.compile().unwrap()), None);
}

#[test]
fn prefixes_with_one_way_share_one_group() {
    let mut rib = rib();
    for number in 0..100 {
        let text = format!("fd00:{number:x}::/64");
        announce(&mut rib, &text, RouteSource::Ospf, number, via(&[neighbor(1, "fe80::1")]));
    }
    let world = rib.compile().unwrap();
    assert_eq!((world.groups.len(), world.next_hops.len(), world.table.len()), (2, 1, 100));
}

#[test]
fn a_gateway_follows_the_route_that_leads_to_it() {
    let mut rib = rib();
    let exit = RouteTarget::Recursive(vec![address("fd00::9")]);
    announce(&mut rib, "2001:db8::/32", RouteSource::Static, 0, exit);
    assert!(rib.compile().is_some_and(|world| world.table.is_empty()), "only ports are new");
    announce(&mut rib, "::/0", RouteSource::Ospf, 1, via(&[neighbor(3, "fe80::3")]));
    let world = rib.compile().unwrap();
    let to = address("2001:db8::1");
    assert_eq!(way_of(&world, to), plain(&[neighbor(3, "fe80::3")]), "by ::/0 itself");
    assert_eq!(world.table.len(), 1, "::/0 resolves no gateway");
    announce(&mut rib, "fd00::/16", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, to), plain(&[neighbor(1, "fe80::1")]));
    announce(&mut rib, "fd00::/64", RouteSource::Connected, 0, RouteTarget::OnLink(PortId(2)));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, to), plain(&[neighbor(2, "fd00::9")]));
    rib.set_interface(interface(2, false));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, to), plain(&[neighbor(1, "fe80::1")]));
}

#[test]
fn a_route_never_resolves_through_itself() {
    let mut rib = rib();
    let inside = RouteTarget::Recursive(vec![address("fd00::9")]);
    announce(&mut rib, "fd00::/64", RouteSource::Static, 0, inside);
    rib.compile();
    assert!(rib.routes().all(|row| !row.is_selected && row.way.is_none()));
    // With another announcement for the same prefix it has something to stand on, and stays.
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 5, via(&[neighbor(1, "fe80::1")]));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00::1")), plain(&[neighbor(1, "fe80::1")]));
    assert!(rib.compile().is_none());
}

#[test]
fn more_ways_than_the_limit_are_cut() {
    let mut rib = rib();
    let many: Vec<RouteNextHop> = (0..80).map(|n| neighbor(1, &format!("fe80::{n:x}"))).collect();
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&many));
    let world = rib.compile().unwrap();
    assert_eq!(members_of(&world, "fd00::1").len(), ECMP_WIDTH_MAX);
}

#[test]
fn limits_refuse_count_and_recover() {
    let limits = RibLimits {
        routes_max: 3,
        next_hops_max: 1,
        groups_max: 8,
        gateways_max: 1,
        repairs_max: 1,
    };
    let mut rib = Rib::new(limits);
    rib.set_interface(interface(1, true));
    announce(&mut rib, "fd00:1::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    announce(&mut rib, "fd00:2::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::2")]));
    let gateway = |text| RouteTarget::Recursive(vec![address(text)]);
    announce(&mut rib, "fd00:3::/64", RouteSource::Static, 1, gateway("fd00:1::1"));
    let update = |text: &str, target| RouteUpdate {
        prefix: prefix(text),
        source: RouteSource::Static,
        route: Some(RouteBody::new(0, target)),
    };
    assert_eq!(
        rib.apply(update("fd00:4::/64", RouteTarget::Local)),
        Err(RibError::RoutesExhausted(3))
    );
    let two = RouteTarget::Recursive(vec![address("fd00:1::1"), address("fd00:2::1")]);
    assert_eq!(rib.apply(update("fd00:3::/64", two)), Err(RibError::GatewaysExhausted(1)));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00:2::1")), Way::Unreachable, "no number for fe80::2");
    assert_eq!(rib.counters().numbers_exhausted, 1);
    // The number of fe80::1 is free for fe80::2 only when the old worlds are gone.
    withdraw(&mut rib, "fd00:1::/64", RouteSource::Ospf);
    assert_eq!(rib.compile().unwrap().epoch, 2);
    rib.reclaimed(1);
    assert!(rib.compile().is_none());
    rib.reclaimed(2);
    let world = rib.compile().unwrap();
    let expected = plain(&[neighbor(1, "fe80::2")]);
    assert_eq!(way_of(&world, address("fd00:2::1")), expected);
}

/// Limits of a small table.
fn narrow(routes_max: usize, gateways_max: usize) -> RibLimits {
    RibLimits { routes_max, gateways_max, ..RibLimits::default() }
}

fn through(gateways: &[&str]) -> RouteTarget {
    RouteTarget::Recursive(gateways.iter().map(|text| address(text)).collect())
}

fn said(text: &str, target: RouteTarget) -> RouteUpdate {
    let route = Some(RouteBody::new(0, target));
    RouteUpdate { prefix: prefix(text), source: RouteSource::Static, route }
}

/// A RIB with so much room, whose gateways in `fd00:1::/64` and `fd00:2::/64` resolve.
fn rib_with(limits: RibLimits) -> Rib {
    let mut rib = Rib::new(limits);
    (1..3).for_each(|port| rib.set_interface(interface(port, true)));
    for port in 1..3 {
        let text = format!("fd00:{port}::/64");
        announce(&mut rib, &text, RouteSource::Ospf, 1, via(&[neighbor(port, "fe80::1")]));
    }
    rib
}

#[test]
fn a_refused_replacement_leaves_nothing_of_what_the_source_said_before() {
    let mut rib = rib_with(narrow(9, 1));
    announce(&mut rib, "fd01::/48", RouteSource::Static, 0, through(&["fd00:1::1"]));
    announce(&mut rib, "fd01::/48", RouteSource::Ospf, 1, via(&[neighbor(2, "fe80::1")]));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd01::1")), plain(&[neighbor(1, "fe80::1")]));
    let two = said("fd01::/48", through(&["fd00:1::1", "fd00:2::1"]));
    assert_eq!(rib.apply(two.clone()), Err(RibError::GatewaysExhausted(1)));
    let world = rib.compile().unwrap();
    let expected = plain(&[neighbor(2, "fe80::1")]);
    assert_eq!(way_of(&world, address("fd01::1")), expected, "the next best source");
    assert_eq!((rib.route_count(), rib.counters().gateways_refused), (3, 1));
    // Nobody else has it: then nobody has it.
    withdraw(&mut rib, "fd01::/48", RouteSource::Ospf);
    rib.apply(said("fd01::/48", through(&["fd00:1::1"]))).unwrap();
    rib.compile().unwrap();
    assert!(rib.apply(two.clone()).is_err());
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd01::1")), Way::Unreachable);
    assert!(!rib.has_route(prefix("fd01::/48")) && rib.gateways.is_empty());
    // Refused once more, it changes nothing.
    assert!(rib.apply(two).is_err() && !rib.is_dirty());
}

#[test]
fn a_replacement_needs_no_more_room_than_it_has_in_the_end() {
    let mut rib = rib_with(narrow(3, 1));
    rib.apply(said("fd01::/48", through(&["fd00:1::1"]))).unwrap();
    rib.compile().unwrap();
    // The only gateway goes, another comes; the table is full before and after.
    assert_eq!(rib.apply(said("fd01::/48", through(&["fd00:2::1"; 2]))), Ok(()));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd01::1")), plain(&[neighbor(2, "fe80::1")]));
    // One that somebody else has as well stays.
    let mut rib = rib_with(narrow(4, 1));
    rib.apply(said("fd01::/48", through(&["fd00:1::1"]))).unwrap();
    rib.apply(said("fd02::/48", through(&["fd00:1::1"]))).unwrap();
    let other = said("fd01::/48", through(&["fd00:2::1"]));
    assert_eq!(rib.apply(other), Err(RibError::GatewaysExhausted(1)));
}

#[test]
fn a_port_beyond_the_last_is_refused_and_counted() {
    let mut rib = rib();
    rib.compile();
    rib.set_interface(interface(u16::try_from(PORT_MAX).unwrap(), true));
    assert_eq!(rib.counters().ports_refused, 1);
    assert!(!rib.is_dirty());
}

#[test]
fn a_next_hop_that_comes_back_keeps_its_number() {
    let mut rib = rib();
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    let before = members_of(&rib.compile().unwrap(), "fd00::1");
    withdraw(&mut rib, "fd00::/64", RouteSource::Ospf);
    rib.compile().unwrap();
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    assert_eq!(members_of(&rib.compile().unwrap(), "fd00::1"), before);
    rib.reclaimed(3);
    assert_eq!(rib.number_counts(), (1, 2));
}

#[test]
fn lookup_shows_the_routes_of_the_longest_installed_prefix() {
    let mut rib = rib();
    announce(&mut rib, "fd00::/48", RouteSource::Ospf, 3, via(&[neighbor(1, "fe80::1")]));
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 4, via(&[neighbor(9, "fe80::1")]));
    rib.compile().unwrap();
    let found: Vec<_> = rib.lookup(address("fd00::1")).map(|row| row.prefix).collect();
    assert_eq!(found, [prefix("fd00::/48")], "port 9 is not there");
    assert_eq!(rib.lookup(address("fd01::1")).count(), 0);
}

#[test]
fn the_default_group_is_no_route() {
    let mut rib = rib();
    announce(&mut rib, "fd00::/64", RouteSource::Static, 0, RouteTarget::Unreachable);
    let world = rib.compile().unwrap();
    assert_eq!(world.table.get(prefix("fd00::/64")), Some(GroupId(0)));
}
