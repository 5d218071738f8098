//! Claims about a table that looks at itself.

use super::*;
use crate::rib::Verified;

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
