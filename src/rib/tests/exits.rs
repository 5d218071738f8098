//! Exits that many routes share.

use super::*;
use crate::base::route::{ExitGateway, ExitsId};

const SET: ExitsId = ExitsId(7);

fn gateway(text: &str) -> ExitGateway {
    ExitGateway { address: address(text), port: None }
}

fn on_port(port: u16, text: &str) -> ExitGateway {
    ExitGateway { address: address(text), port: Some(PortId(port)) }
}

fn news(rib: &mut Rib) -> Vec<(ExitGateway, Option<u32>)> {
    core::iter::from_fn(|| rib.poll_exit()).collect()
}

/// Three prefixes by two exits behind different neighbours.
fn two_exits() -> Rib {
    let mut rib = rib();
    announce(&mut rib, "2001:db8:1::/64", RouteSource::Ospf, 10, via(&[neighbor(1, "fe80::1")]));
    announce(&mut rib, "2001:db8:2::/64", RouteSource::Ospf, 20, via(&[neighbor(2, "fe80::2")]));
    let both = [gateway("2001:db8:1::1"), gateway("2001:db8:2::1")];
    both.into_iter().for_each(|gateway| rib.track_exit(gateway));
    rib.set_exits(SET, Some(both.to_vec()));
    for prefix in ["2001:db8:a::/48", "2001:db8:b::/48", "2001:db8:c::/48"] {
        announce(&mut rib, prefix, RouteSource::Ebgp, 0, RouteTarget::Exits(SET));
    }
    rib
}

#[test]
fn a_lost_exit_moves_all_its_prefixes_by_one_group() {
    let mut rib = two_exits();
    let before = rib.compile().unwrap();
    let (one, two) = (neighbor(1, "fe80::1"), neighbor(2, "fe80::2"));
    assert_eq!(way_of(&before, address("2001:db8:a::1")), plain(&[one, two]));
    let changes = rib.counters().changes;
    rib.set_exits(SET, Some(vec![gateway("2001:db8:2::1")]));
    let after = rib.compile().unwrap();
    for to in ["2001:db8:a::1", "2001:db8:b::1", "2001:db8:c::1"] {
        assert_eq!(way_of(&after, address(to)), plain(&[two]));
        let group = |world: &Forwarding| world.table.lookup(address(to).to_bits());
        assert_eq!(group(&before), group(&after));
    }
    assert_eq!(rib.counters().changes, changes, "no prefix changed");
    assert_eq!(way_of(&before, address("2001:db8:a::1")), plain(&[one, two]), "the old world");
    assert!(rib.verify(None, 100).unwrap().wrong.is_empty());
}

#[test]
fn exits_follow_the_routes_that_lead_to_them() {
    let mut rib = two_exits();
    rib.compile().unwrap();
    let told = [(gateway("2001:db8:1::1"), Some(10)), (gateway("2001:db8:2::1"), Some(20))];
    assert_eq!(news(&mut rib), told);
    announce(&mut rib, "2001:db8:1::/64", RouteSource::Ospf, 30, via(&[neighbor(3, "fe80::3")]));
    let world = rib.compile().unwrap();
    let ways = plain(&[neighbor(2, "fe80::2"), neighbor(3, "fe80::3")]);
    assert_eq!(way_of(&world, address("2001:db8:b::1")), ways);
    assert_eq!(news(&mut rib), [(gateway("2001:db8:1::1"), Some(30))]);
    withdraw(&mut rib, "2001:db8:1::/64", RouteSource::Ospf);
    withdraw(&mut rib, "2001:db8:2::/64", RouteSource::Ospf);
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("2001:db8:b::1")), Way::Unreachable);
    let told = [(gateway("2001:db8:1::1"), None), (gateway("2001:db8:2::1"), None)];
    assert_eq!(news(&mut rib), told);
}

#[test]
fn an_exit_on_a_link_lives_with_its_port() {
    let mut rib = rib();
    let exit = on_port(2, "fe80::9");
    rib.track_exit(exit);
    rib.set_exits(SET, Some(vec![exit]));
    announce(&mut rib, "::/0", RouteSource::Ebgp, 0, RouteTarget::Exits(SET));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("2001:db8::1")), plain(&[neighbor(2, "fe80::9")]));
    assert_eq!(news(&mut rib), [(exit, Some(0))]);
    rib.set_interface(interface(2, false));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("2001:db8::1")), Way::Unreachable);
    assert_eq!(news(&mut rib), [(exit, None)]);
}

#[test]
fn no_route_leads_to_its_own_next_hop() {
    let mut rib = rib();
    let exit = gateway("2001:db8:a::1");
    rib.track_exit(exit);
    rib.set_exits(SET, Some(vec![exit]));
    announce(&mut rib, "2001:db8:a::/48", RouteSource::Ebgp, 0, RouteTarget::Exits(SET));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("2001:db8:a::1")), Way::Unreachable);
    assert_eq!(news(&mut rib), [(exit, None)]);
}

#[test]
fn what_nobody_uses_is_freed() {
    let mut rib = two_exits();
    rib.compile().unwrap();
    let with_bgp = rib.number_counts().1;
    for prefix in ["2001:db8:a::/48", "2001:db8:b::/48", "2001:db8:c::/48"] {
        withdraw(&mut rib, prefix, RouteSource::Ebgp);
    }
    rib.set_exits(SET, None);
    let exits = [gateway("2001:db8:1::1"), gateway("2001:db8:2::1")];
    exits.into_iter().for_each(|exit| rib.untrack_exit(exit));
    rib.compile().unwrap();
    assert_eq!(rib.number_counts().1, with_bgp - 1);
    assert!(!rib.is_dirty());
    // The number of the set may be another set's then.
    rib.track_exit(exits[0]);
    rib.set_exits(SET, Some(vec![exits[0]]));
    announce(&mut rib, "2001:db8:a::/48", RouteSource::Ibgp, 0, RouteTarget::Exits(SET));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("2001:db8:a::1")), plain(&[neighbor(1, "fe80::1")]));
    let distances = [RouteSource::Ebgp, RouteSource::Ospf, RouteSource::Ibgp].map(|s| s.distance());
    assert_eq!(distances, [20, 110, 200]);
}

#[test]
fn a_set_without_next_hop_numbers_leads_nowhere_and_is_counted() {
    let mut rib = Rib::new(RibLimits { next_hops_max: 1, ..RibLimits::default() });
    (0..4).for_each(|port| rib.set_interface(interface(port, true)));
    let (one, two) = (on_port(1, "fe80::1"), on_port(2, "fe80::2"));
    [one, two].into_iter().for_each(|exit| rib.track_exit(exit));
    rib.set_exits(SET, Some(vec![one]));
    announce(&mut rib, "::/0", RouteSource::Ebgp, 0, RouteTarget::Exits(SET));
    rib.compile().unwrap();
    rib.set_exits(SET, Some(vec![two]));
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("2001:db8::1")), Way::Unreachable);
    assert_eq!(rib.counters().exits_exhausted, 1);
}
