//! Routes as all speakers have them, whole tables of them, and how two of those are compared.
//!
//! Owns [`Route`], [`Table`] and the made-up table that is exchanged: always the same one, with
//! every attribute in it that goes from AS to AS.
//!
//! *Invariants*: the same number gives the same prefix and attributes on every machine.

use kumiki::base::ids::RouterId;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::wire::bgp::{
    Aggregator, AsPath, Community, ExtendedCommunity, LargeCommunity, Origin, PathAttributes,
};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// A route of IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub next_hop: Ipv6Addr,
    pub attributes: PathAttributes,
}

/// Every prefix and its route.
pub type Table = BTreeMap<Ipv6Prefix, Route>;

/// What of a [`Route`] somebody may change on the way.
pub type Change<'a> = &'a dyn Fn(&mut Route);

/// The same table after a change of every route.
#[must_use]
pub fn changed(table: &Table, change: Change<'_>) -> Table {
    let mut table = table.clone();
    table.values_mut().for_each(change);
    table
}

/// Fails with the first differences of two tables.
#[track_caller]
pub fn assert_same(what: &str, found: &Table, wanted: &Table) {
    let missing: Vec<_> = wanted.iter().filter(|(at, _)| !found.contains_key(at)).collect();
    let excess: Vec<_> = found.iter().filter(|(at, _)| !wanted.contains_key(at)).collect();
    let differs = |(prefix, route): &(&Ipv6Prefix, &Route)| {
        wanted.get(prefix).is_some_and(|other| other != *route)
    };
    let others: Vec<_> = found.iter().filter(differs).collect();
    if missing.is_empty() && excess.is_empty() && others.is_empty() {
        return;
    }
    for (prefix, route) in missing.iter().take(2) {
        println!("missing {prefix}: {route:?}");
    }
    for (prefix, route) in excess.iter().take(2) {
        println!("too many {prefix}: {route:?}");
    }
    for (prefix, route) in others.iter().take(3) {
        println!("{prefix} is    {route:?}\n    instead of {:?}", wanted[prefix]);
    }
    let (missing, excess, others) = (missing.len(), excess.len(), others.len());
    panic!(
        "{what}: of {} routes {missing} are missing, {excess} too many, {others} others",
        wanted.len()
    );
}

/// Which of two tables that have no prefix in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Low,
    High,
}

/// A table of `count` prefixes as somebody in this AS announces it by this next hop.
pub fn made(half: Half, count: u32, asn: u32, next_hop: Ipv6Addr) -> Table {
    let route = |number| {
        let attributes = attributes(number / 40, asn);
        (prefix(half, number), Route { next_hop, attributes })
    };
    (0..count).map(route).collect()
}

/// Of 32 to 48 bits, some of 64 and 128 inside the one before.
fn prefix(half: Half, number: u32) -> Ipv6Prefix {
    let first: u128 = match half {
        Half::Low => 0x2a00_0000,
        Half::High => 0x2c00_0000,
    };
    let inside = |number: u32| (first + u128::from(number)) << 96;
    let length = 32 + u8::try_from(number % 17).unwrap();
    let (bits, length) = match number % 16 {
        7 => (inside(number - 1) | 1 << 64, 64),
        15 => (inside(number - 1) | 1, 128),
        _ => (inside(number), length),
    };
    Ipv6Prefix::containing(Ipv6Addr::from(bits), length)
}

/// The attributes of a group of prefixes.
fn attributes(group: u32, asn: u32) -> PathAttributes {
    let mut path = vec![asn, 3356 + group % 97];
    path.extend((0..group % 5).map(|hop| 200_000 + group * 8 + hop));
    if group.is_multiple_of(11) {
        // None of the ends: a daemon tells nobody of paths that have its AS.
        path.extend([65_100 + group % 400; 3]);
    }
    let many = |count: u32| 0..count;
    let wide = |number: u32| LargeCommunity([200_000 + group, number, 4_000_000_000]);
    // RFC 4360 §4: a route target of a two-octet AS.
    let target = |number: u32| ExtendedCommunity(0x0002_fbf4_0000_0000 | u64::from(number));
    PathAttributes {
        origin: [Origin::Igp, Origin::Egp, Origin::Incomplete][(group % 3) as usize],
        as_path: AsPath::sequence(&path),
        is_atomic_aggregate: group.is_multiple_of(13),
        aggregator: (group.is_multiple_of(13))
            .then_some(Aggregator { asn: 200_000 + group, identifier: RouterId(0x0a00_0001) }),
        communities: many(group % 4)
            .map(|n| Community((3356 << 16) | ((group + n) % 5000)))
            .collect(),
        large_communities: many(group % 3).map(wide).collect(),
        extended_communities: many(u32::from(group.is_multiple_of(6)))
            .map(|_| target(group))
            .collect(),
        ..PathAttributes::default()
    }
    .sorted()
}

trait Sorted {
    fn sorted(self) -> Self;
}

impl Sorted for PathAttributes {
    /// As the router keeps them.
    fn sorted(mut self) -> Self {
        self.communities.sort_unstable();
        self.large_communities.sort_unstable();
        self.extended_communities.sort_unstable();
        self
    }
}

#[test]
fn two_made_up_tables_have_no_prefix_in_common() {
    let tables = [Half::Low, Half::High].map(|half| made(half, 5000, 65_001, Ipv6Addr::LOCALHOST));
    assert_eq!(tables.each_ref().map(BTreeMap::len), [5000, 5000]);
    assert!(tables[0].keys().all(|prefix| !tables[1].contains_key(prefix)));
}
