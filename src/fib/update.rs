//! Changes to the table: routes merged in, covers painted, blocks rebuilt.
//!
//! Owns [`apply`]. A change costs a copy of the root and of each touched page, and for each touched
//! block a sweep over its routes; the largest block of the full table of 2026 has some thousands.
//!
//! Gap: a block is rebuilt whole, so a change costs 0.1 ms where one /24 holds 5,000 routes longer
//! than /24, and 2 ms where it holds 100,000; blocks of that size need a finer unit of sharing.
//!
//! *Invariants*: what is shared with another table is copied before it is written
//! (`Arc::make_mut`).

use crate::base::ids::GroupId;
use crate::base::prefix::Ipv6Prefix;
use crate::fib::lookup::{Border, Search};
use crate::fib::table::{
    Block, Entry, FAN, Fib, GROUP_MAX, NO_MATCH, PAGE_BITS, Page, ROOT_BITS, Root, Route,
    page_index, root_index,
};
use std::sync::Arc;

/// A prefix and its new group, `None` for a removal.
type Change = (Ipv6Prefix, Option<GroupId>);

/// Carries out `changes`; of several to one prefix the last counts.
pub(super) fn apply(fib: &mut Fib, changes: &[Change]) {
    assert!(
        changes.iter().all(|(_, group)| group.is_none_or(|group| group.index() < GROUP_MAX)),
        "group numbers below GROUP_MAX"
    );
    let changes = sorted(changes);
    if changes.is_empty() {
        return;
    }
    let mut added = 0;
    let root = Arc::make_mut(&mut fib.root);
    let (short, long) = split(&changes, ROOT_BITS);
    if !short.is_empty() {
        added += replace(&mut root.routes, &short);
        let covers = paint(&root.routes, root_index);
        for (slot, cover) in root.slots.iter_mut().zip(covers) {
            slot.cover = cover;
        }
    }
    for part in long.chunk_by(|a, b| root_index(a.0.bits()) == root_index(b.0.bits())) {
        added += change_slot(root, part);
    }
    fib.length = fib.length.saturating_add_signed(added);
}

/// Changes routes of /13 and longer that share one slot; yields how many more there are now.
fn change_slot(root: &mut Root, changes: &[Change]) -> isize {
    let Some((first, _)) = changes.first() else { return 0 };
    let slot = &mut root.slots[root_index(first.bits())];
    let page = Arc::make_mut(slot.page.get_or_insert_with(|| Arc::new(Page::empty())));
    let (short, long) = split(changes, PAGE_BITS);
    let mut added = 0;
    if !short.is_empty() {
        added += replace(&mut page.routes, &short);
        for (entry, cover) in page.entries.iter_mut().zip(paint(&page.routes, page_index)) {
            entry.cover = cover;
        }
    }
    for part in long.chunk_by(|a, b| page_index(a.0.bits()) == page_index(b.0.bits())) {
        added += change_entry(page, part);
    }
    if page.routes.is_empty() && page.block_count == 0 {
        slot.page = None;
    }
    added
}

/// Changes routes of /25 and longer that share one entry; yields how many more there are now.
fn change_entry(page: &mut Page, changes: &[Change]) -> isize {
    let Some((first, _)) = changes.first() else { return 0 };
    let entry = &mut page.entries[page_index(first.bits())];
    let old = entry.block.as_ref().map_or(&[][..], |block| &block.routes);
    let routes = merge(old, changes);
    let added = difference(&routes, old);
    page.block_count -= usize::from(entry.block.is_some());
    page.block_count += usize::from(!routes.is_empty());
    let region = Ipv6Prefix::containing(first.address(), PAGE_BITS);
    entry.block = (!routes.is_empty()).then(|| {
        let search = Search::new(&borders(region, &routes));
        Arc::new(Block { search, routes: routes.into_boxed_slice() })
    });
    added
}

impl Page {
    fn empty() -> Self {
        let entries = vec![Entry { cover: NO_MATCH, block: None }; FAN];
        Self { entries: entries.into_boxed_slice(), routes: Box::default(), block_count: 0 }
    }
}

/// The changes by prefix, the last one for each.
fn sorted(changes: &[Change]) -> Vec<Change> {
    let mut sorted = changes.to_vec();
    sorted.sort_by_key(|change| change.0);
    let last_of_run = |run: &[Change]| run.last().copied();
    sorted.chunk_by(|a, b| a.0 == b.0).filter_map(last_of_run).collect()
}

/// The changes up to a prefix length, and the longer ones.
fn split(changes: &[Change], length: u8) -> (Vec<Change>, Vec<Change>) {
    changes.iter().partition(|(prefix, _)| prefix.length() <= length)
}

/// Merges sorted `changes` into `routes`; yields how many more there are now.
fn replace(routes: &mut Box<[Route]>, changes: &[Change]) -> isize {
    let merged = merge(routes, changes);
    let added = difference(&merged, routes);
    *routes = merged.into_boxed_slice();
    added
}

fn difference(new: &[Route], old: &[Route]) -> isize {
    new.len().cast_signed() - old.len().cast_signed()
}

/// Sorted `routes` after sorted `changes`.
fn merge(routes: &[Route], changes: &[Change]) -> Vec<Route> {
    let mut merged = Vec::with_capacity(routes.len() + changes.len());
    let mut rest = routes;
    for (prefix, group) in changes {
        let (before, after) = rest.split_at(rest.partition_point(|route| route.0 < *prefix));
        merged.extend_from_slice(before);
        merged.extend(group.map(|group| (*prefix, group)));
        rest = match after {
            [same, after @ ..] if same.0 == *prefix => after,
            after => after,
        };
    }
    merged.extend_from_slice(rest);
    merged
}

/// For each index of a level the group of the longest of `routes`, which are sorted.
fn paint(routes: &[Route], index: fn(u128) -> usize) -> Vec<u16> {
    let mut covers = vec![NO_MATCH; FAN];
    // A covering prefix sorts before its parts, so the longer one paints last.
    for (prefix, group) in routes {
        covers[index(prefix.bits())..=index(prefix.last_bits())].fill(group.0);
    }
    covers
}

/// The borders at which the longest match among sorted `routes` changes, from the start of `region`
/// on.
fn borders(region: Ipv6Prefix, routes: &[Route]) -> Vec<Border> {
    let mut borders = vec![Border { start: region.bits(), value: NO_MATCH }];
    // The prefixes that contain the point we are at, the longest on top: last address and group.
    let mut open: Vec<(u128, u16)> = Vec::new();
    for (prefix, group) in routes {
        close(&mut borders, &mut open, Some(prefix.bits()));
        add(&mut borders, Border { start: prefix.bits(), value: group.0 });
        open.push((prefix.last_bits(), group.0));
    }
    close(&mut borders, &mut open, None);
    // Behind the region nothing is looked up here.
    while borders.last().is_some_and(|border| border.start > region.last_bits()) {
        borders.pop();
    }
    borders
}

/// Ends the open prefixes that end before `point` (`None`: all of them), the longest first.
fn close(borders: &mut Vec<Border>, open: &mut Vec<(u128, u16)>, point: Option<u128>) {
    while let Some((last, _)) = open.pop_if(|(last, _)| point.is_none_or(|point| *last < point)) {
        let value = open.last().map_or(NO_MATCH, |(_, group)| *group);
        if let Some(start) = last.checked_add(1) {
            add(borders, Border { start, value });
        }
    }
}

/// Appends a border; at one address the last word counts, and equal neighbours merge.
fn add(borders: &mut Vec<Border>, border: Border) {
    borders.pop_if(|last| last.start == border.start);
    if borders.last().is_none_or(|last| last.value != border.value) {
        borders.push(border);
    }
}
