//! Claims about repairs: who has one, when, and what it costs.

use super::*;
use crate::base::route::REPAIR_SEGMENTS_MAX;

/// What router 1 of the cluster `fd4b::/48` is in repairs.
pub fn addresses() -> RepairAddresses {
    RepairAddresses::new(address("fd4b::1"), prefix("fd4b::1:0/112"))
}

fn repaired(via: RouteNextHop, segments: &[&str]) -> Repair {
    let segments = segments.iter().map(|segment| address(segment)).collect();
    Repair { via, segments, protects: Protection::Link }
}

fn announce_repaired(rib: &mut Rib, text: &str, ways: &[RouteNextHop], repair: Option<Repair>) {
    let route = Some(RouteBody { metric: 1, target: via(ways), repair });
    rib.apply(RouteUpdate { prefix: prefix(text), source: RouteSource::Ospf, route }).unwrap();
}

/// A RIB with a loopback and ports 0 to 3 up.
fn rib_of_cluster() -> Rib {
    let mut rib = rib();
    rib.set_repair_addresses(Some(addresses()));
    rib
}

fn repair_of(world: &Forwarding, text: &str) -> Option<Path> {
    match way_of(world, address(text)) {
        Way::Forward { repair, .. } => repair,
        _ => None,
    }
}

fn bucket_list(world: &Forwarding, text: &str) -> Vec<NextHopId> {
    match world.group(world.table.lookup(address(text).to_bits())) {
        NextHopGroup::Forward { buckets, .. } => buckets.to_vec(),
        _ => Vec::new(),
    }
}

#[test]
fn a_repair_becomes_the_backup_and_a_next_hop_of_its_own() {
    let mut rib = rib_of_cluster();
    let repair = repaired(neighbor(2, "fe80::2"), &["fd4b::5", "fd4b::6:1"]);
    announce_repaired(&mut rib, "fd00::/64", &[neighbor(1, "fe80::1")], Some(repair));
    announce(&mut rib, "fd01::/64", RouteSource::Ospf, 1, via(&[neighbor(2, "fe80::2")]));
    rib.set_neighbor(PortId(2), address("fe80::2"), Some((A, OWN)));
    let world = rib.compile().unwrap();
    let found = repair_of(&world, "fd00::1").unwrap();
    assert_eq!(found.via, neighbor(2, "fe80::2"));
    assert_eq!(found.segments, ["fd4b::5", "fd4b::6:1"].map(address));
    let tunnels = world.next_hops.iter().filter(|hop| hop.encapsulation.is_some());
    let tunnels: Vec<&NextHop> = tunnels.collect();
    assert_eq!((tunnels.len(), world.next_hops.len()), (1, 3));
    assert!(tunnels[0].adjacency.is_some(), "the MAC is the neighbour's");
    let headers = tunnels[0].encapsulation.as_ref().unwrap().headers();
    assert_eq!(headers[8..24], address("fd4b::1").octets(), "from this router's loopback");
}

#[test]
fn a_tunnel_dies_with_its_neighbor_and_its_port() {
    let mut rib = rib_of_cluster();
    let repair = repaired(neighbor(2, "fe80::2"), &["fd4b::5"]);
    announce_repaired(&mut rib, "fd00::/64", &[neighbor(1, "fe80::1")], Some(repair));
    let world = rib.compile().unwrap();
    let group = world.table.lookup(address("fd00::1").to_bits());
    assert!(world.backup(group).is_some());
    rib.set_alive(PortId(2), Some(address("fe80::2")), false);
    assert_eq!(world.backup(group), None);
    assert_eq!(rib.is_alive(neighbor(2, "fe80::2")), Some(false));
    rib.set_alive(PortId(2), Some(address("fe80::2")), true);
    rib.set_alive(PortId(2), None, false);
    assert_eq!(world.backup(group), None);
    rib.set_alive(PortId(2), None, true);
    assert!(world.backup(group).is_some());
    rib.set_interface(interface(2, false));
    assert_eq!(world.backup(group), None, "before any compilation");
    assert_eq!(repair_of(&rib.compile().unwrap(), "fd00::1"), None);
    rib.set_interface(interface(2, true));
    assert!(repair_of(&rib.compile().unwrap(), "fd00::1").is_some());
}

#[test]
fn a_route_whose_ports_are_all_down_stays_while_its_repair_can_be_used() {
    let mut rib = rib_of_cluster();
    let ways = [neighbor(0, "fe80::9"), neighbor(1, "fe80::1")];
    let tunnel = repaired(neighbor(2, "fe80::2"), &["fd4b::5"]);
    announce_repaired(&mut rib, "fd00::/64", &ways, Some(tunnel));
    let world = rib.compile().unwrap();
    let before = way_of(&world, address("fd00::1"));
    rib.set_interface(interface(0, false));
    let one_left = way_of(&rib.compile().unwrap(), address("fd00::1"));
    assert!(matches!(one_left, Way::Forward { members, .. } if members == ways[1..]));
    rib.set_interface(interface(1, false));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00::1")), before);
    let group = world.table.lookup(address("fd00::1").to_bits());
    assert!(world.backup(group).is_some());
    let members = bucket_list(&world, "fd00::1");
    assert!(members.iter().all(|member| !world.liveness.is_alive(*member)));
    rib.set_interface(interface(2, false));
    assert_eq!(way_of(&rib.compile().unwrap(), address("fd00::1")), Way::Unreachable);
    rib.set_interface(interface(1, true));
    assert_eq!(way_of(&rib.compile().unwrap(), address("fd00::1")), plain(&ways[1..]));
    for port in [0, 1, 2] {
        rib.remove_interface(PortId(port));
    }
    assert_eq!(way_of(&rib.compile().unwrap(), address("fd00::1")), Way::Unreachable);
}

#[test]
fn a_route_whose_port_is_gone_stays_while_its_repair_can_be_used() {
    let mut rib = rib_of_cluster();
    let tunnel = repaired(neighbor(2, "fe80::2"), &["fd4b::5"]);
    announce_repaired(&mut rib, "fd00::/64", &[neighbor(1, "fe80::1")], Some(tunnel));
    rib.compile().unwrap();
    rib.remove_interface(PortId(1));
    let world = rib.compile().unwrap();
    let members = bucket_list(&world, "fd00::1");
    assert!(members.iter().all(|member| !world.liveness.is_alive(*member)));
    assert!(repair_of(&world, "fd00::1").is_some());
    rib.remove_interface(PortId(2));
    assert_eq!(way_of(&rib.compile().unwrap(), address("fd00::1")), Way::Unreachable);
}

#[test]
fn a_repair_that_leads_nowhere_else_is_refused_and_counted() {
    let mut rib = rib_of_cluster();
    let ways = [neighbor(1, "fe80::1"), neighbor(2, "fe80::2")];
    announce_repaired(&mut rib, "fd00::/64", &ways, Some(repaired(ways[1], &[])));
    let many = ["fd4b::5"; REPAIR_SEGMENTS_MAX + 1];
    announce_repaired(&mut rib, "fd01::/64", &ways, Some(repaired(neighbor(3, "fe80::3"), &many)));
    let route = RouteBody {
        repair: Some(repaired(neighbor(3, "fe80::3"), &[])),
        ..RouteBody::new(0, RouteTarget::Blackhole)
    };
    let source = RouteSource::Static;
    rib.apply(RouteUpdate { prefix: prefix("fd02::/64"), source, route: Some(route) }).unwrap();
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00::1")), plain(&ways));
    assert_eq!(way_of(&world, address("fd01::1")), plain(&ways));
    assert_eq!(way_of(&world, address("fd02::1")), Way::Blackhole);
    assert_eq!(rib.counters().repairs_refused, 3);
    announce_repaired(&mut rib, "fd00::/64", &ways, Some(repaired(ways[1], &["fd4b::5"])));
    let world = rib.compile().unwrap();
    assert!(repair_of(&world, "fd00::1").is_some(), "a tunnel leads elsewhere");
}

#[test]
fn without_a_loopback_there_are_alternates_and_no_tunnels() {
    let mut rib = rib();
    let ways = [neighbor(1, "fe80::1")];
    let tunnel = repaired(neighbor(2, "fe80::2"), &["fd4b::5"]);
    announce_repaired(&mut rib, "fd00::/64", &ways, Some(tunnel));
    announce_repaired(&mut rib, "fd01::/64", &ways, Some(repaired(neighbor(2, "fe80::2"), &[])));
    let world = rib.compile().unwrap();
    assert_eq!(repair_of(&world, "fd00::1"), None);
    assert_eq!(repair_of(&world, "fd01::1"), Some(neighbor(2, "fe80::2").into()));
    rib.set_repair_addresses(Some(addresses()));
    assert!(repair_of(&rib.compile().unwrap(), "fd00::1").is_some());
    let other = RepairAddresses::new(address("fd4b::9"), prefix("fd4b::9:0/112"));
    rib.set_repair_addresses(Some(other));
    let world = rib.compile().unwrap();
    let made = world.next_hops.iter().find_map(|hop| hop.encapsulation.as_ref()).unwrap();
    assert_eq!(made.headers()[8..24], address("fd4b::9").octets());
    rib.set_repair_addresses(None);
    assert_eq!(repair_of(&rib.compile().unwrap(), "fd00::1"), None);
}

#[test]
fn another_repair_is_another_group_and_moves_no_flow() {
    let mut rib = rib_of_cluster();
    let ways = [neighbor(1, "fe80::1"), neighbor(2, "fe80::2"), neighbor(3, "fe80::3")];
    announce_repaired(&mut rib, "fd00::/64", &ways, None);
    announce_repaired(&mut rib, "fd01::/64", &ways, None);
    rib.compile().unwrap();
    // Members that came one after the other leave buckets that nobody would deal anew.
    announce_repaired(&mut rib, "fd00::/64", &ways[..2], None);
    announce_repaired(&mut rib, "fd01::/64", &ways[..2], None);
    let world = rib.compile().unwrap();
    let before = bucket_list(&world, "fd00::1");
    let repairs = ["fd4b::5", "fd4b::6"].map(|end| repaired(neighbor(0, "fe80::9"), &[end]));
    let [first, second] = repairs;
    announce_repaired(&mut rib, "fd00::/64", &ways[..2], Some(first));
    announce_repaired(&mut rib, "fd01::/64", &ways[..2], Some(second.clone()));
    let world = rib.compile().unwrap();
    let group = |text: &str| world.table.lookup(address(text).to_bits());
    assert_ne!(group("fd00::1"), group("fd01::1"));
    assert_eq!(bucket_list(&world, "fd00::1"), before);
    assert_eq!(bucket_list(&world, "fd01::1"), before);
    announce_repaired(&mut rib, "fd00::/64", &ways[..2], Some(second));
    let world = rib.compile().unwrap();
    assert_eq!(bucket_list(&world, "fd00::1"), before);
    let group = |text: &str| world.table.lookup(address(text).to_bits());
    assert_eq!(group("fd00::1"), group("fd01::1"), "the same way is the same group");
}

#[test]
fn a_gateway_hands_its_repair_on() {
    let mut rib = rib_of_cluster();
    let tunnel = || Some(repaired(neighbor(2, "fe80::2"), &["fd4b::5"]));
    announce_repaired(&mut rib, "fd00::/64", &[neighbor(1, "fe80::1")], tunnel());
    let exit = RouteTarget::Recursive(vec![address("fd00::9")]);
    announce(&mut rib, "2001:db8::/32", RouteSource::Static, 0, exit);
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("2001:db8::1")), way_of(&world, address("fd00::1")));
    assert!(repair_of(&world, "2001:db8::1").is_some());
    announce_repaired(&mut rib, "fd00::/64", &[neighbor(1, "fe80::1")], None);
    assert_eq!(repair_of(&rib.compile().unwrap(), "2001:db8::1"), None);
    // Two exits, each of which is the repair of the other.
    let (one, two) = (neighbor(1, "fe80::1"), neighbor(2, "fe80::2"));
    announce_repaired(&mut rib, "fd00::/64", &[one], Some(repaired(two, &[])));
    announce_repaired(&mut rib, "fd01::/64", &[two], Some(repaired(one, &[])));
    let both = RouteTarget::Recursive(vec![address("fd00::9"), address("fd01::9")]);
    announce(&mut rib, "2001:db8::/32", RouteSource::Static, 0, both);
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("2001:db8::1")), plain(&[one, two]));
}

#[test]
fn a_gateway_whose_ports_are_down_stays_beside_one_that_works_and_gets_nothing() {
    let mut rib = rib_of_cluster();
    let (down, up, third) =
        (neighbor(1, "fe80::1"), neighbor(2, "fe80::2"), neighbor(3, "fe80::3"));
    announce_repaired(&mut rib, "fd00::/64", &[down], Some(repaired(third, &[])));
    announce_repaired(&mut rib, "fd01::/64", &[up], None);
    let both = RouteTarget::Recursive(vec![address("fd00::9"), address("fd01::9")]);
    announce(&mut rib, "2001:db8::/32", RouteSource::Static, 0, both);
    rib.set_interface(interface(1, false));
    let world = rib.compile().unwrap();
    let repair = Some(Path::from(third));
    let expected = Way::Forward { members: vec![down, up], repair };
    assert_eq!(way_of(&world, address("2001:db8::1")), expected);
    let members = members_of(&world, "2001:db8::1");
    let alive: Vec<RouteNextHop> = members
        .into_iter()
        .filter(|number| world.liveness.is_alive(*number))
        .map(|number| path_of(world.next_hop(number).unwrap()).via)
        .collect();
    assert_eq!(alive, [up]);
}

#[test]
fn where_numbers_run_out_routes_go_without_repairs_and_get_them_back() {
    let limits = RibLimits { repairs_max: 2, ..RibLimits::default() };
    let mut rib = Rib::new(limits);
    (0..4).for_each(|port| rib.set_interface(interface(port, true)));
    rib.set_repair_addresses(Some(addresses()));
    for number in 1..=3 {
        let repair = repaired(neighbor(2, "fe80::2"), &[&format!("fd4b::{number:x}")]);
        let text = format!("fd00:{number:x}::/64");
        announce_repaired(&mut rib, &text, &[neighbor(1, "fe80::1")], Some(repair));
    }
    let world = rib.compile().unwrap();
    let is_repaired = |world: &Forwarding| {
        ["fd00:1::1", "fd00:2::1", "fd00:3::1"].map(|text| repair_of(world, text).is_some())
    };
    assert_eq!(is_repaired(&world), [true, true, false]);
    assert_eq!(way_of(&world, address("fd00:3::1")), plain(&[neighbor(1, "fe80::1")]));
    assert_eq!(rib.counters().repairs_exhausted, 1);
    assert!(!rib.is_dirty(), "nobody asks again before a number is free");
    withdraw(&mut rib, "fd00:1::/64", RouteSource::Ospf);
    let world = rib.compile().unwrap();
    rib.reclaimed(world.epoch);
    let world = rib.compile().unwrap();
    assert_eq!(is_repaired(&world), [false, true, true]);
}

#[test]
fn an_adjacency_leads_to_its_neighbor_while_the_port_is_up() {
    let mut rib = rib_of_cluster();
    let way = neighbor(1, "fe80::1");
    announce(&mut rib, "fd4b::1:0/112", RouteSource::Connected, 0, RouteTarget::Unreachable);
    announce(&mut rib, "fd4b::1:2/128", RouteSource::Connected, 0, RouteTarget::Cross(way));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd4b::1:2")), Way::Cross(way));
    assert_eq!(way_of(&world, address("fd4b::1:3")), Way::Unreachable);
    let NextHopGroup::Cross(number) =
        *world.group(world.table.lookup(address("fd4b::1:2").to_bits()))
    else {
        unreachable!("it is an adjacency")
    };
    assert!(world.liveness.is_alive(number));
    rib.set_alive(PortId(1), None, false);
    assert!(!world.liveness.is_alive(number));
    rib.set_interface(interface(1, false));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd4b::1:2")), Way::Unreachable);
}
