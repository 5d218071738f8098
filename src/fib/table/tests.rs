//! The table held against the oracle and against prefix-trie, on made-up and on real routes.

mod threads;

mod made_up;

use super::*;
use crate::base::prng::Prng;
use crate::fib::oracle::Oracle;
use core::net::Ipv6Addr;
use prefix_trie::PrefixMap;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

type Change = (Ipv6Prefix, Option<GroupId>);

fn prefix(text: &str) -> Ipv6Prefix {
    text.parse().unwrap()
}

fn table(routes: &[(&str, u16)]) -> Fib {
    let mut fib = Fib::default();
    let changes: Vec<Change> =
        routes.iter().map(|(text, group)| (prefix(text), Some(GroupId(*group)))).collect();
    fib.apply(&changes);
    fib
}

fn find(fib: &Fib, address: &str) -> u16 {
    fib.lookup(address.parse::<Ipv6Addr>().unwrap().to_bits()).0
}

/// The first and last address of each prefix and their neighbours outside: where answers change.
fn corners(prefixes: impl Iterator<Item = Ipv6Prefix>) -> Vec<u128> {
    prefixes
        .flat_map(|prefix| {
            let (first, last) = (prefix.bits(), prefix.last_bits());
            let middle = first + (last - first) / 2;
            [first, last, first.wrapping_sub(1), last.wrapping_add(1), middle]
        })
        .collect()
}

fn burst(fib: &Fib, addresses: &[u128]) -> Vec<GroupId> {
    let mut groups = vec![GroupId(u16::MAX); addresses.len()];
    for (addresses, groups) in
        addresses.chunks(LOOKUP_BURST_MAX).zip(groups.chunks_mut(LOOKUP_BURST_MAX))
    {
        fib.lookup_burst(addresses, groups);
    }
    groups
}

/// The table at each level that this processor has.
fn at_all_levels(fib: &Fib) -> impl Iterator<Item = Fib> {
    Level::ALL.into_iter().filter_map(|level| fib.with_level(level))
}

/// Lookups one by one and in bursts, contents and length agree with the oracle.
fn check(fib: &Fib, oracle: &Oracle, addresses: &[u128]) {
    for fib in at_all_levels(fib) {
        for (address, group) in addresses.iter().zip(burst(&fib, addresses)) {
            let level = fib.index.level;
            let at = Ipv6Addr::from_bits(*address);
            assert_eq!(group, oracle.lookup(*address), "burst at {at}, {level:?}");
        }
    }
    for (address, group) in addresses.iter().zip(burst(fib, addresses)) {
        let expected = oracle.lookup(*address);
        assert_eq!(group, expected, "burst at {}", Ipv6Addr::from_bits(*address));
        assert_eq!(fib.lookup(*address), expected, "at {}", Ipv6Addr::from_bits(*address));
    }
    assert!(fib.iter().eq(oracle.iter()), "contents and their order");
    assert_eq!(fib.len(), oracle.iter().count());
    assert!(oracle.iter().all(|(prefix, group)| fib.get(prefix) == Some(group)));
}

#[test]
fn an_empty_table_knows_no_route() {
    let fib = Fib::default();
    assert_eq!((find(&fib, "::"), find(&fib, "2001:db8::1")), (0, 0));
    assert!(fib.is_empty() && fib.iter().next().is_none());
}

#[test]
fn the_longest_of_nested_prefixes_wins_at_every_level() {
    let fib = table(&[
        ("::/0", 1),
        ("2000::/3", 2),
        ("2001::/16", 3),
        ("2001:d00::/24", 4),
        ("2001:db8::/32", 5),
        ("2001:db8:0:1::/64", 6),
        ("2001:db8:0:1::1/128", 7),
    ]);
    assert_eq!(find(&fib, "fe80::1"), 1);
    assert_eq!(find(&fib, "2a00::1"), 2);
    assert_eq!(find(&fib, "2001:1::1"), 3);
    assert_eq!(find(&fib, "2001:d01::1"), 4);
    assert_eq!(find(&fib, "2001:db8:0:2::1"), 5);
    assert_eq!(find(&fib, "2001:db8:0:1::2"), 6);
    assert_eq!(find(&fib, "2001:db8:0:1::1"), 7);
}

/// A cluster: loopbacks, links and LANs of one /48, and something outside.
fn cluster() -> Vec<Change> {
    let ula = 0xfd4b_756d_696b_u128 << 80;
    let at = |bits: u128, length| Ipv6Prefix::containing(Ipv6Addr::from_bits(ula | bits), length);
    let loopbacks = (1..=300).map(|number| at(number, 128));
    let links = (0..300).map(|number| at(0xffff << 64 | number << 1, 127));
    let lans = (1..=300).map(|number| at(number << 64, 64));
    let others = [at(0, 48), at(0, 40), at(0x8000 << 64, 52), prefix("2001:db8::/32")];
    let all = loopbacks.chain(links).chain(lans).chain(others);
    all.zip(1..).map(|(prefix, group)| (prefix, Some(GroupId(group)))).collect()
}

#[test]
fn bursts_of_every_length_into_one_cluster_are_looked_up_right() {
    let (changes, mut fib, mut oracle) = (cluster(), Fib::default(), Oracle::default());
    fib.apply(&changes);
    oracle.apply(&changes);
    let inside = |address: &u128| address >> 88 == 0xfd_4b75_6d69;
    let mut addresses = corners(changes.iter().map(|(prefix, _)| *prefix));
    addresses.retain(inside);
    let mut random = Prng::new(4);
    for length in 1..=LOOKUP_BURST_MAX {
        let picked: Vec<u128> = (0..length)
            .map(|_| addresses[usize::try_from(random.below(addresses.len() as u64)).unwrap()])
            .collect();
        check(&fib, &oracle, &picked);
        // The same with one address of another block, first, last and between.
        for place in [0, length / 2, length - 1] {
            let mut mixed = picked.clone();
            mixed[place] = prefix("2001:db8::/32").bits() | 7;
            check(&fib, &oracle, &mixed);
        }
    }
}

#[test]
fn a_route_to_group_zero_hides_the_default_route() {
    let fib = table(&[("::/0", 1), ("fd00::/8", 0), ("fd00:1::/32", 0), ("fd00:2::/64", 0)]);
    assert_eq!(
        (find(&fib, "fd00::1"), find(&fib, "fd00:1::1"), find(&fib, "fd00:2::1")),
        (0, 0, 0)
    );
    assert_eq!(find(&fib, "fc00::1"), 1);
}

#[test]
fn prefixes_that_touch_do_not_leak_into_each_other() {
    let fib = table(&[
        ("2001:db8::/33", 1),
        ("2001:db8:8000::/34", 2),
        ("2001:db8:bfff:ffff:ffff:ffff:ffff:ffff/128", 3),
        ("2001:db8:c000::/34", 4),
        ("2001:db8:c000::/128", 5),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128", 6),
    ]);
    assert_eq!(find(&fib, "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"), 1);
    assert_eq!(find(&fib, "2001:db8:8000::"), 2);
    assert_eq!(find(&fib, "2001:db8:bfff:ffff:ffff:ffff:ffff:fffe"), 2);
    assert_eq!(find(&fib, "2001:db8:bfff:ffff:ffff:ffff:ffff:ffff"), 3);
    assert_eq!(find(&fib, "2001:db8:c000::"), 5);
    assert_eq!(find(&fib, "2001:db8:c000::1"), 4);
    assert_eq!(find(&fib, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), 6);
    assert_eq!(find(&fib, "2001:db9::"), 0);
}

#[test]
fn both_ends_of_the_address_space_work() {
    let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let fib = table(&[("::/128", 1), ("::2/127", 2), (&format!("{last}/128"), 3), ("ff00::/8", 4)]);
    assert_eq!(
        (find(&fib, "::"), find(&fib, "::1"), find(&fib, "::3"), find(&fib, "::4")),
        (1, 0, 2, 0)
    );
    assert_eq!((find(&fib, last), find(&fib, "ffff::1")), (3, 4));
}

#[test]
fn a_clone_keeps_its_routes_and_shares_what_did_not_change() {
    let old = table(&[("2001:db8::/32", 1), ("fd00::/48", 2), ("fd00:0:0:1::/64", 3)]);
    let mut new = old.clone();
    new.apply(&[(prefix("2001:db8::/32"), None), (prefix("2001:db8:1::/48"), Some(GroupId(9)))]);
    assert_eq!((find(&old, "2001:db8:1::"), find(&new, "2001:db8:1::")), (1, 9));
    assert_eq!((old.len(), new.len()), (3, 3));
    assert!(Arc::ptr_eq(&old.index.arena, &new.index.arena), "the lines were copied");
    let page = |fib: &Fib| fib.index.top[0xfd0];
    assert_eq!(page(&old), page(&new), "the page of fd00::/12 was copied");
}

#[test]
fn removing_all_routes_gives_all_memory_back() {
    let routes = ["::/0", "2001::/16", "2001:db8::/32", "fd00::1/128"];
    let mut fib = table(&routes.map(|text| (text, 1)));
    let changes = routes.map(|text| (prefix(text), None));
    fib.apply(&changes);
    fib.apply(&changes);
    assert!(fib.is_empty());
    assert!(fib.index.top.iter().all(|entry| *entry == u32::from(NO_MATCH)));
}

#[test]
fn the_last_of_several_changes_to_a_prefix_counts() {
    let mut fib = Fib::default();
    let route = prefix("fd00::/64");
    fib.apply(&[(route, Some(GroupId(1))), (route, None), (route, Some(GroupId(2)))]);
    assert_eq!((fib.get(route), fib.len()), (Some(GroupId(2)), 1));
    fib.apply(&[(route, Some(GroupId(1))), (route, None)]);
    assert_eq!((fib.get(route), fib.len()), (None, 0));
}

/// Prefixes that nest and touch: few addresses, differing in few bits anywhere.
fn crowded_prefix() -> impl Strategy<Value = Ipv6Prefix> {
    let base = prop_oneof![
        Just(0),
        Just(u128::MAX),
        Just(0x2001_0db8_u128 << 96),
        Just(0xfd4b_756d_696b_u128 << 80),
    ];
    let flips = prop::collection::vec(0_u32..128, 0..3);
    let length =
        prop_oneof![0_u8..=128, Just(0), Just(12), Just(24), Just(64), Just(127), Just(128)];
    (base, flips, length).prop_map(|(base, flips, length)| {
        let bits = flips.iter().fold(base, |bits, flip| bits ^ (1 << flip));
        Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length)
    })
}

fn crowded_changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let group = prop::option::weighted(0.7, (0_u16..6).prop_map(GroupId));
    prop::collection::vec(prop::collection::vec((crowded_prefix(), group), 1..40), 1..6)
}

/// Leaves, tables and nodes are full at some of these sizes, and one route more is another shape.
#[test]
fn crowds_of_every_size_are_looked_up_right() {
    let mut random = Prng::new(3);
    for count in (1..60).chain(165..190).chain([400, 1000, 3000]) {
        for (step_bits, length) in [(80, 48), (84, 44), (83, 48), (64, 64), (0, 128)] {
            let changes: Vec<Change> = (0..count)
                .map(|number: u128| {
                    let bits = (0x2001_0db8_u128 << 96) + (number << step_bits);
                    let prefix = Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length);
                    (prefix, u16::try_from(random.below(9)).ok().map(GroupId))
                })
                .collect();
            let (mut fib, mut oracle) = (Fib::default(), Oracle::default());
            fib.apply(&changes);
            oracle.apply(&changes);
            check(&fib, &oracle, &corners(changes.iter().map(|change| change.0)));
        }
    }
}

proptest! {
    #[test]
    fn lookups_agree_with_the_oracle_after_every_change(rounds in crowded_changes(), seed: u64) {
        let (mut fib, mut oracle) = (Fib::default(), Oracle::default());
        let mut random = Prng::new(seed);
        let mut addresses = corners(rounds.iter().flatten().map(|change| change.0));
        addresses.extend((0..64).map(|_| u128::from(random.next_u64()) << 64));
        for changes in rounds {
            let before = fib.clone();
            let contents: Vec<(Ipv6Prefix, GroupId)> = before.iter().collect();
            fib.apply(&changes);
            oracle.apply(&changes);
            check(&fib, &oracle, &addresses);
            prop_assert!(before.iter().eq(contents), "the origin of a clone changed");
        }
    }

    #[test]
    fn lookups_agree_with_prefix_trie(routes in prop::collection::vec(crowded_prefix(), 0..200)) {
        let changes: Vec<Change> = (1..).zip(&routes)
            .map(|(group, prefix)| (*prefix, Some(GroupId(group)))).collect();
        let mut fib = Fib::default();
        fib.apply(&changes);
        let trie = trie(&changes);
        for address in corners(routes.into_iter()) {
            prop_assert_eq!(fib.lookup(address), trie_lookup(&trie, address));
        }
    }
}

fn trie(changes: &[Change]) -> PrefixMap<(u128, u8), GroupId> {
    let mut trie = PrefixMap::new();
    for (prefix, group) in changes {
        match group {
            Some(group) => trie.insert((prefix.bits(), prefix.length()), *group),
            None => trie.remove(&(prefix.bits(), prefix.length())),
        };
    }
    trie
}

fn trie_lookup(trie: &PrefixMap<(u128, u8), GroupId>, address: u128) -> GroupId {
    trie.get_lpm(&(address, 128)).map_or(GROUP_NO_ROUTE, |(_, group)| *group)
}

/// A real full table and a day of its updates; `KUMIKI_TABLE` names the table's file, the updates
/// lie beside it with `-upd` for `-rib`. Where they are not there, made-up ones, which is printed.
fn full_table() -> (String, String) {
    let beside =
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ipv6-rib.txt.xz");
    let table = std::env::var_os("KUMIKI_TABLE").map_or_else(beside, PathBuf::from);
    let read = |path: &str| {
        if !path.ends_with(".xz") {
            return std::fs::read_to_string(path).ok();
        }
        let output = Command::new("xz").args(["-dc", path]).output().ok()?;
        String::from_utf8(output.stdout).ok().filter(|text| !text.is_empty())
    };
    let path = table.display().to_string();
    read(&path).zip(read(&path.replace("-rib", "-upd"))).unwrap_or_else(|| {
        println!("no {path} to read with xz (set KUMIKI_TABLE): a made-up table is used");
        made_up::data()
    })
}

/// The data has no next hops; the routes are spread over 200 groups.
fn some_group(number: usize) -> Option<GroupId> {
    u16::try_from(number * 7919 % 200 + 1).ok().map(GroupId)
}

fn real_updates(text: &str) -> impl Iterator<Item = Change> + '_ {
    text.lines().enumerate().filter_map(|(number, line)| {
        let (kind, prefix) = line.split_once(' ')?;
        Some((prefix.parse().ok()?, some_group(number).filter(|_| kind == "A")))
    })
}

#[test]
fn a_full_table_and_its_updates_are_looked_up_right() {
    let (table, updates) = full_table();
    let routes: Vec<Ipv6Prefix> = table.lines().map(prefix).collect();
    let changes: Vec<Change> =
        (0..).zip(&routes).map(|(number, prefix)| (*prefix, some_group(number))).collect();
    let mut fib = Fib::default();
    fib.apply(&changes);
    let mut trie = trie(&changes);
    let mut expected: BTreeMap<Ipv6Prefix, GroupId> =
        changes.iter().filter_map(|change| Some((change.0, change.1?))).collect();
    let addresses = corners(routes.into_iter());
    let agree = |fib: &Fib, trie: &PrefixMap<(u128, u8), GroupId>, addresses: &[u128]| {
        for (address, group) in addresses.iter().zip(burst(fib, addresses)) {
            let expected = trie_lookup(trie, *address);
            assert_eq!(group, expected, "at {}", Ipv6Addr::from_bits(*address));
        }
    };
    agree(&fib, &trie, &addresses);
    assert!(fib.iter().eq(expected.iter().map(|(prefix, group)| (*prefix, *group))));

    let updates: Vec<Change> = real_updates(&updates).take(20_000).collect();
    // Some one by one, the rest as bursts that were coalesced.
    let (single, bulk) = updates.split_at(500);
    for part in single.chunks(1).chain(bulk.chunks(500)) {
        fib.apply(part);
        for (prefix, group) in part {
            let key = (prefix.bits(), prefix.length());
            match group {
                Some(group) => (trie.insert(key, *group), expected.insert(*prefix, *group)),
                None => (trie.remove(&key), expected.remove(prefix)),
            };
        }
        agree(&fib, &trie, &corners(part.iter().map(|change| change.0)));
    }
    agree(&fib, &trie, &addresses);
    assert!(fib.iter().eq(expected.iter().map(|(prefix, group)| (*prefix, *group))));
    assert_eq!(fib.len(), expected.len());
}
