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

/// More prefixes than a world takes at a time, of two sets behind different neighbours.
fn many_prefixes() -> (Rib, Vec<Ipv6Prefix>) {
    let mut rib = two_exits();
    let address = |block: u16, number| Ipv6Addr::new(0x2a00, block << 8, number, 0, 0, 0, 0, 0);
    let pairs = (0..12).flat_map(|block| (0..1000).map(move |number| (block, number)));
    let prefix = |(block, number)| Ipv6Prefix::containing(address(block, number), 48);
    let prefixes: Vec<Ipv6Prefix> = pairs.map(prefix).collect();
    take(&mut rib, &prefixes, SET);
    (rib, prefixes)
}

fn take(rib: &mut Rib, prefixes: &[Ipv6Prefix], set: ExitsId) {
    for prefix in prefixes {
        let route = Some(RouteBody::new(0, RouteTarget::Exits(set)));
        let (prefix, source) = (*prefix, RouteSource::Ebgp);
        rib.apply(RouteUpdate { prefix, source, route }).unwrap();
    }
}

/// The worlds until nothing is left.
fn worlds(rib: &mut Rib) -> Vec<Forwarding> {
    let worlds: Vec<Forwarding> = core::iter::from_fn(|| rib.compile()).collect();
    assert!(!rib.is_dirty() && rib.verify(None, usize::MAX).unwrap().wrong.is_empty());
    worlds
}

#[test]
fn a_table_of_bgp_comes_in_slices_and_does_not_keep_others_waiting() {
    let (mut rib, prefixes) = many_prefixes();
    assert!(rib.compile().unwrap().table.len() < prefixes.len());
    assert!(rib.is_dirty() && !rib.is_urgent());
    announce(&mut rib, "fd00::/64", RouteSource::Ospf, 1, via(&[neighbor(1, "fe80::1")]));
    assert!(rib.is_urgent());
    let world = rib.compile().unwrap();
    assert_eq!(way_of(&world, address("fd00::1")), plain(&[neighbor(1, "fe80::1")]));
    assert!(rib.is_dirty() && !rib.is_urgent());
    let last = worlds(&mut rib).pop().unwrap();
    assert_eq!(last.table.len(), prefixes.len() + 6, "and six others");
}

#[test]
fn what_others_are_told_of_and_what_is_wide_does_not_wait_for_its_slice() {
    let (mut rib, prefixes) = many_prefixes();
    let last = *prefixes.last().unwrap();
    let wide = Ipv6Prefix::DEFAULT;
    take(&mut rib, &[wide], SET);
    rib.hasten(last);
    rib.hasten(prefix("2001:db8:ffff::/48"));
    assert!(rib.is_urgent());
    let world = rib.compile().unwrap();
    let group = |to: Ipv6Prefix| world.table.iter().find(|(prefix, _)| *prefix == to);
    assert!(group(last).is_some() && group(wide).is_some());
    assert!(world.table.len() < prefixes.len(), "the rest waits");
    worlds(&mut rib);
}

#[test]
fn prefixes_that_move_in_slices_go_by_the_old_exits_or_the_new_ones() {
    let (mut rib, prefixes) = many_prefixes();
    let two = ExitsId(8);
    worlds(&mut rib);
    rib.set_exits(two, Some(vec![gateway("2001:db8:2::1")]));
    take(&mut rib, &prefixes, two);
    let own = ["2001:db8:a::/48", "2001:db8:b::/48", "2001:db8:c::/48"];
    take(&mut rib, &own.map(prefix), two);
    rib.set_exits(SET, None);
    let (one, other) = (neighbor(1, "fe80::1"), neighbor(2, "fe80::2"));
    let all = worlds(&mut rib);
    assert!(all.len() > 2, "slices");
    for world in &all {
        for prefix in &prefixes {
            let way = way_of(world, prefix.address());
            assert!(way == plain(&[one, other]) || way == plain(&[other]), "{way:?}");
        }
    }
    let last = all.last().unwrap();
    let has_moved = |to: &Ipv6Prefix| way_of(last, to.address()) == plain(&[other]);
    assert!(prefixes.iter().all(has_moved));
}

#[test]
fn a_number_of_exits_that_is_used_again_finds_nobody_who_waits_to_leave_it() {
    let (mut rib, prefixes) = many_prefixes();
    let two = ExitsId(8);
    worlds(&mut rib);
    rib.set_exits(two, Some(vec![gateway("2001:db8:2::1")]));
    take(&mut rib, &prefixes, two);
    rib.set_exits(SET, None);
    let third = neighbor(3, "fe80::3");
    rib.track_exit(on_port(3, "fe80::3"));
    rib.set_exits(SET, Some(vec![on_port(3, "fe80::3")]));
    for world in worlds(&mut rib) {
        let strays = |to: &&Ipv6Prefix| way_of(&world, to.address()) == plain(&[third]);
        assert_eq!(prefixes.iter().find(strays), None);
    }
}

#[test]
fn bgp_has_one_word_on_a_prefix_and_the_last_one_counts() {
    let (mut rib, to) = (two_exits(), prefix("2001:db8:d::/48"));
    let said = |source| Some((source, RouteBody::new(0, RouteTarget::Exits(SET))));
    for source in [RouteSource::Ebgp, RouteSource::Ibgp, RouteSource::Ebgp] {
        rib.apply_bgp(to, said(source)).unwrap();
        let sources: Vec<RouteSource> = rib.routes_of(to).map(|route| route.source).collect();
        assert_eq!(sources, [source]);
        assert_eq!(rib.route_count(), 6);
    }
    rib.apply_bgp(to, None).unwrap();
    rib.apply_bgp(prefix("2001:db8:e::/48"), None).unwrap();
    assert!(!rib.has_route(to) && rib.route_count() == 5);
    worlds(&mut rib);
}
