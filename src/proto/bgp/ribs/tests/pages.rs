//! Claims about tables that are taken page by page.

use super::world::*;
use crate::proto::bgp::ribs::*;
use std::collections::BTreeMap;

const SMALL: PageLimits = PageLimits { numbers_max: 5, paths_max: 3 };

/// Everything in a table, by pages; how often each path was there.
fn all_of(ribs: &Ribs, table: Table) -> BTreeMap<(u32, PeerId), usize> {
    let mut counts = BTreeMap::new();
    let mut from = Some(0);
    while let Some(at) = from {
        let mut in_page = 0;
        from = ribs.table_page(table, at, SMALL, |path| {
            in_page += 1;
            *counts.entry((number_of(path.prefix), path.peer)).or_default() += 1;
        });
        assert!(in_page <= SMALL.paths_max + 2, "those of the last prefix are given whole");
        assert!(from.is_none_or(|next| next > at && next <= at + SMALL.numbers_max));
    }
    counts
}

#[test]
fn every_path_is_in_exactly_one_page_of_its_table() {
    let mut world = World::new(DecisionSettings::default());
    let list: Vec<u32> = (0..40).collect();
    world.announce(EXTERNAL[0], (0, &path(&[64501, 9])), &list);
    world.announce(EXTERNAL[1], (1, &path(&[64502])), &list);
    world.resolve(0, Some(0));
    world.resolve(1, Some(0));
    world.settle();
    let received = all_of(&world.ribs, Table::Received);
    assert_eq!(received.len(), 80);
    assert!(received.values().all(|count| *count == 1));
    // The policy of the second one refuses every third prefix.
    let imported = all_of(&world.ribs, Table::Imported);
    assert_eq!(imported.len(), 80 - 14);
    assert!(!imported.contains_key(&(3, EXTERNAL[1])));
    let best = all_of(&world.ribs, Table::Best);
    assert_eq!(best.len(), 40);
    assert!(best.contains_key(&(3, EXTERNAL[0])) && best.contains_key(&(4, EXTERNAL[1])));
}

#[test]
fn paths_of_a_lost_session_are_in_no_page_though_they_are_not_removed_yet() {
    let mut world = World::new(DecisionSettings::default());
    world.announce(EXTERNAL[0], (0, &path(&[64501])), &[1, 2]);
    world.announce(CLIENT, (0, &path(&[64501])), &[2]);
    world.settle();
    world.ribs.peer_down(EXTERNAL[0], StalePaths::Gone);
    assert_eq!(world.ribs.path_count(), 3);
    assert_eq!(all_of(&world.ribs, Table::Received).len(), 1);
}

#[test]
fn a_path_is_found_with_what_the_policy_made_of_it() {
    let mut world = World::new(DecisionSettings::default());
    world.announce(EXTERNAL[1], (1, &path(&[64502])), &[2, 3]);
    world.settle();
    let med = |table, number| {
        let found = world.ribs.path_in(table, EXTERNAL[1], (prefix(number), 0))?;
        let attributes = crate::wire::bgp::PathAttributes::decode(
            found.attributes,
            crate::proto::bgp::ribs::attributes::STORED,
        );
        Some(attributes.med)
    };
    assert_eq!((med(Table::Received, 2), med(Table::Imported, 2)), (Some(None), Some(Some(2))));
    assert_eq!((med(Table::Received, 3), med(Table::Imported, 3)), (Some(None), None));
}
