//! Claims about a table that looks at itself.

use super::*;
use crate::fib::{Adjacency, GROUP_NO_ROUTE};
use crate::rib::Verified;
use std::sync::Arc;

fn filled() -> Rib {
    let mut rib = rib();
    for number in 0..10_u16 {
        let way = neighbor(number % 4, "fe80::1");
        announce(&mut rib, &format!("fd00:{number:x}::/32"), RouteSource::Ospf, 1, via(&[way]));
    }
    announce(&mut rib, "fd00:3::/128", RouteSource::Static, 1, RouteTarget::Blackhole);
    rib.compile().unwrap();
    rib
}

#[test]
fn a_table_that_nothing_happened_to_is_right_in_parts_and_as_a_whole() {
    let mut rib = filled();
    let whole = rib.verify(None, usize::MAX).unwrap();
    assert_eq!(whole, Verified { count: 11, wrong: Vec::new(), rest: None });
    let (mut after, mut count) = (None, 0);
    loop {
        let part = rib.verify(after, 4).unwrap();
        count += part.count;
        after = part.rest;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(count, 11);
    announce(&mut rib, "fd01::/32", RouteSource::Ospf, 1, RouteTarget::Blackhole);
    assert_eq!(rib.verify(None, usize::MAX), None, "a change waits");
}

#[test]
fn a_prefix_that_the_lookup_lost_is_found_and_comes_back() {
    let mut rib = filled();
    rib.fib.apply(&[(prefix("fd00:5::/32"), None)]);
    let found = rib.verify(None, usize::MAX).unwrap();
    assert_eq!(found.wrong, [prefix("fd00:5::/32")]);
    let world = rib.compile().expect("a world without the fault");
    assert_eq!(way_of(&world, address("fd00:5::1")), plain(&[neighbor(1, "fe80::1")]));
    assert_eq!(rib.verify(None, usize::MAX).unwrap().wrong, []);
}

#[test]
fn a_prefix_in_the_group_of_another_is_found_and_decided_anew() {
    let mut rib = filled();
    let other = rib.entries[&prefix("fd00:2::/32")].installed;
    rib.entries.get_mut(&prefix("fd00:1::/32")).unwrap().installed = other;
    // Both of them say the same, so that only the way tells.
    rib.fib.apply(&[(prefix("fd00:1::/32"), other.map(|installed| installed.group))]);
    let found = rib.verify(None, usize::MAX).unwrap();
    assert_eq!(found.wrong, [prefix("fd00:1::/32")]);
}

/// Everything is found right once what was found wrong went out.
fn is_mended(rib: &mut Rib) -> Forwarding {
    let world = rib.compile().expect("a world without the fault");
    assert_eq!(rib.verify(None, usize::MAX).unwrap().wrong, []);
    assert!(rib.compile().is_none());
    world
}

#[test]
fn a_member_that_the_group_was_not_given_is_found_and_goes() {
    let mut rib = filled();
    let group = |rib: &Rib, text: &str| rib.entries[&prefix(text)].installed.unwrap().group;
    let (spoiled, other) = (group(&rib, "fd00:1::/32"), group(&rib, "fd00:2::/32"));
    let foreign = rib.groups.table[other.index()].clone();
    Arc::make_mut(&mut rib.groups.table).set(spoiled, foreign);
    let found = rib.verify(None, usize::MAX).unwrap();
    assert_eq!(found.wrong, ["fd00:1::/32", "fd00:5::/32", "fd00:9::/32"].map(prefix));
    assert_eq!(rib.counters().groups_mended, 1, "once for all that take it");
    let world = is_mended(&mut rib);
    assert_eq!(way_of(&world, address("fd00:1::1")), plain(&[neighbor(1, "fe80::1")]));
    // The accounts are right as well: who is not used any more is given back once.
    for text in ["fd00:1::/32", "fd00:5::/32", "fd00:9::/32"] {
        withdraw(&mut rib, text, RouteSource::Ospf);
    }
    rib.compile().unwrap();
    rib.reclaimed(rib.epoch());
    assert_eq!(rib.number_counts().0, 3);
}

#[test]
fn a_group_that_lost_its_members_its_repair_or_its_kind_is_found_in_the_part_that_takes_it() {
    let ways = [neighbor(1, "fe80::1"), neighbor(2, "fe80::2")];
    let spoils: [fn(&NextHopGroup) -> NextHopGroup; 5] = [
        |group| group.clone().with_backup(None),
        |group| group.clone().with_backup(Some(NextHopId(0))),
        |_| NextHopGroup::forward(vec![NextHopId(0)]),
        |_| NextHopGroup::Unreachable,
        |_| NextHopGroup::Cross(NextHopId(0)),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut rib = filled();
        let protects = Protection::Link;
        let repair = Repair { via: neighbor(3, "fe80::3"), segments: Vec::new(), protects };
        let route = RouteBody { metric: 1, target: via(&ways), repair: Some(repair) };
        let (prefix, source) = (prefix("fd00:8::/32"), RouteSource::Static);
        rib.apply(RouteUpdate { prefix, source, route: Some(route) }).unwrap();
        rib.compile().unwrap();
        let id = rib.entries[&prefix].installed.unwrap().group;
        let spoiled = spoil(&rib.groups.table[id.index()]);
        Arc::make_mut(&mut rib.groups.table).set(id, spoiled);
        let first = rib.verify(None, 4).unwrap();
        assert_eq!(first.wrong, [], "spoil {number}: of other prefixes");
        assert_eq!(rib.verify(first.rest, usize::MAX).unwrap().wrong, [prefix], "spoil {number}");
        let expected = Path::from(neighbor(3, "fe80::3"));
        let expected = Way::Forward { members: ways.to_vec(), repair: Some(expected) };
        assert_eq!(way_of(&is_mended(&mut rib), address("fd00:8::1")), expected);
    }
}

#[test]
fn a_rewrite_that_nobody_set_is_found_and_goes() {
    let mut rib = filled();
    rib.set_neighbor(PortId(2), address("fe80::1"), Some((A, OWN)));
    let world = rib.compile().unwrap();
    let number = members_of(&world, "fd00:2::1")[0];
    let rewrite = |world: &Forwarding| world.next_hop(number).unwrap().adjacency;
    assert_eq!(rewrite(&world), Some(Adjacency::ipv6(A, OWN)));
    let spoils: [fn(&mut NextHop); 4] = [
        |hop| hop.adjacency = Some(Adjacency::ipv6(OWN, A)),
        |hop| hop.adjacency = None,
        |hop| hop.port = PortId(0),
        |hop| hop.address = Ipv6Addr::LOCALHOST,
    ];
    for spoil in spoils {
        spoil(&mut Arc::make_mut(&mut rib.next_hops.table)[number.index()]);
        let found = rib.verify(None, usize::MAX).unwrap();
        assert_eq!(found.wrong, ["fd00:2::/32", "fd00:6::/32"].map(prefix));
        let world = is_mended(&mut rib);
        assert_eq!(rewrite(&world), Some(Adjacency::ipv6(A, OWN)));
        assert_eq!(way_of(&world, address("fd00:2::1")), plain(&[neighbor(2, "fe80::1")]));
    }
    assert_eq!(rib.counters().groups_mended, 4);
}

#[test]
fn the_group_of_what_nobody_announces_is_looked_at_as_well() {
    let mut rib = filled();
    Arc::make_mut(&mut rib.groups.table).set(GROUP_NO_ROUTE, NextHopGroup::Blackhole);
    assert_eq!(rib.verify(None, usize::MAX).unwrap().wrong, [Ipv6Prefix::DEFAULT]);
    assert_eq!(way_of(&is_mended(&mut rib), address("2001:db8::1")), Way::Unreachable);
}

#[test]
fn a_look_is_as_long_as_prefixes_and_the_next_hops_behind_them_say() {
    let mut rib = rib();
    let ways: Vec<RouteNextHop> = (0..8).map(|n| neighbor(n % 4, &format!("fe80::{n}"))).collect();
    for number in 0..20 {
        let ways = if number % 2 == 0 { &ways[..] } else { &ways[1..] };
        announce(&mut rib, &format!("fd00:{number:x}::/32"), RouteSource::Ospf, 1, via(ways));
    }
    rib.compile().unwrap();
    let count = |rib: &mut Rib, count| rib.verify(None, count).unwrap().count;
    assert_eq!([1, 9, 10, 17, 18, 19].map(|most| count(&mut rib, most)), [1, 1, 2, 2, 3, 4]);
    assert_eq!(count(&mut rib, 0), 1, "it gets on in any case");
}
