//! Changes to the table: which blocks they touch, and their new lines.
//!
//! Owns [`apply`]. A change costs the sweep over the routes of each touched block, a copy of its
//! page and of the top, and where the arena is full a copy of its lines. Changes to many blocks at
//! once, and to a table that is not the newest of its arena, build everything anew.
//!
//! *Invariants*: lines that a published version reaches are never written (`arena.rs`).

use crate::base::prefix::Ipv6Prefix;
use crate::fib::arena::{Arena, Entry, Extent, Kind, LINE_WORDS, Writer};
use crate::fib::build::{Image, Shape};
use crate::fib::next_hop::GROUP_NO_ROUTE;
use crate::fib::routes::{Change, Root, sorted};
use crate::fib::table::{BLOCK_BITS, FAN, Fib, GROUP_MAX, Index, NO_MATCH, TOP_BITS};
use core::net::Ipv6Addr;
use core::ops::RangeInclusive;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Blocks beyond which building everything is less work than changing each; more than a slice of a
/// table that comes in has (a thousand).
const BLOCKS_AT_ONCE_MAX: usize = 2000;
/// What stands for a shift in the entry of a page, whose index the lookup knows.
const PAGE_CODE: u8 = 8;
/// Lines of a page.
const PAGE_LINES: usize = FAN / LINE_WORDS;

/// Carries out `changes`; of several to one prefix the last counts.
pub(super) fn apply(fib: &mut Fib, changes: &[Change]) {
    assert!(
        changes.iter().all(|(_, group)| group.is_none_or(|group| group.index() < GROUP_MAX)),
        "group numbers below GROUP_MAX"
    );
    let mut changes = sorted(changes);
    changes.retain(|(prefix, group)| fib.routes.route(*prefix) != *group);
    if changes.is_empty() {
        return;
    }
    let routes = Arc::make_mut(&mut fib.routes);
    let old_blocks = Touched::by(&changes);
    // What vanishes is known before the change only.
    let vanishing = old_blocks.extents(routes);
    fib.length = fib.length.saturating_add_signed(routes.apply(&changes));
    let index = change(&fib.index, routes, &old_blocks, vanishing)
        .unwrap_or_else(|| rebuild(&fib.index, routes));
    fib.index = Arc::new(index);
}

/// What changes touch.
struct Touched {
    /// Blocks whose own routes change.
    blocks: BTreeSet<u32>,
    /// Blocks whose cover may change.
    ranges: Vec<RangeInclusive<u32>>,
}

impl Touched {
    fn by(changes: &[Change]) -> Self {
        let mut touched = Self { blocks: BTreeSet::new(), ranges: Vec::new() };
        for (prefix, _) in changes {
            let first = block_of(prefix.bits());
            match prefix.length() {
                // The default route is a word beside the top.
                0 => {}
                length if length < BLOCK_BITS => {
                    touched.ranges.push(first..=block_of(prefix.last_bits()));
                }
                _ => {
                    touched.blocks.insert(first);
                }
            }
        }
        touched
    }

    /// The touched blocks that exist.
    fn existing(&self, routes: &Root) -> BTreeSet<u32> {
        let own = self.blocks.iter().copied().filter(|block| routes.block(*block).is_some());
        let covered = self.ranges.iter().flat_map(|range| routes.blocks_in(range.clone()));
        own.chain(covered.map(|(number, _)| number)).collect()
    }

    /// The lines of the touched blocks.
    fn extents(&self, routes: &Root) -> Vec<Extent> {
        let extent = |number| routes.block(number).map(|block| block.extent);
        self.existing(routes).into_iter().filter_map(extent).collect()
    }

    /// The touched slots of the top.
    fn slots(&self) -> BTreeSet<usize> {
        let of = |block: u32| (block >> (BLOCK_BITS - TOP_BITS)) as usize;
        let covered = self.ranges.iter().flat_map(|range| of(*range.start())..=of(*range.end()));
        self.blocks.iter().map(|block| of(*block)).chain(covered).collect()
    }

    /// Whether a cover in this slot of the top may have changed.
    fn has_cover_in(&self, slot: usize) -> bool {
        let blocks = blocks_of(slot);
        self.ranges
            .iter()
            .any(|range| range.start() <= blocks.end() && range.end() >= blocks.start())
    }
}

/// The next version in the same arena; `None` when everything has to be built anew.
fn change(
    old: &Index,
    routes: &mut Root,
    touched: &Touched,
    mut vanishing: Vec<Extent>,
) -> Option<Index> {
    let blocks = touched.existing(routes);
    if blocks.len() > BLOCKS_AT_ONCE_MAX {
        return None;
    }
    let mut writer = Writer::new(&old.arena, old.version)?;
    let mut image = Image::default();
    let mut entries = BTreeMap::new();
    for number in blocks {
        let (entry, extent, shape) = write_block(&mut writer, &mut image, routes, number)?;
        routes.set_lines(number, extent, shape);
        entries.insert(number, entry);
    }
    let mut top = old.top.clone();
    let pages = Pages { arena: &old.arena, routes, touched, entries };
    for slot in touched.slots() {
        let before = Entry(old.top[slot]);
        let words = pages.words(slot, before);
        if before.kind() == Kind::Table {
            vanishing.push(Extent { start: before.line(), length: PAGE_LINES });
        }
        top[slot] = write_page(&mut writer, &words)?.0;
    }
    let (arena, version) = writer.finish(&old.token, vanishing);
    let (default, token) = (default_of(routes), Arc::default());
    Some(Index { top, default, version, arena, token, level: old.level })
}

/// Writes the lines of a block; `None` where there are none for it.
fn write_block(
    writer: &mut Writer,
    image: &mut Image,
    routes: &Root,
    number: u32,
) -> Option<(Entry, Extent, Option<Shape>)> {
    let (entry, shape) = build_block(image, routes, number);
    let extent = writer.take(image.line_count())?;
    let (words, entry) = image.place(entry, u32::try_from(extent.start).ok()?);
    writer.write(extent, words);
    Some((entry, extent, shape))
}

fn build_block(image: &mut Image, routes: &Root, number: u32) -> (Entry, Option<Shape>) {
    let address = Ipv6Addr::from_bits(u128::from(number) << (128 - BLOCK_BITS));
    let region = Ipv6Prefix::containing(address, BLOCK_BITS);
    let block = routes.block(number);
    let own = block.map(|block| Arc::clone(&block.routes)).unwrap_or_default();
    let mut shape = block.and_then(|block| block.shape);
    let entry = image.build(region, cover_of(routes, number), &own, &mut shape);
    (entry, shape)
}

/// What the pages of a changed table are made of.
struct Pages<'a> {
    arena: &'a Arena,
    routes: &'a Root,
    touched: &'a Touched,
    /// The blocks that were built anew.
    entries: BTreeMap<u32, Entry>,
}

impl Pages<'_> {
    /// The words of a page whose entry in the top was `before`.
    fn words(&self, slot: usize, before: Entry) -> Vec<u32> {
        let old = |place: usize| match before.kind() {
            Kind::Table => self.arena.word(before.line() * LINE_WORDS + place),
            _ => before.0,
        };
        let numbers = blocks_of(slot);
        let place = |number: u32| (number - numbers.start()) as usize;
        let mut words: Vec<u32>;
        if self.touched.has_cover_in(slot) {
            words = covers(self.routes, slot);
            for (number, _) in self.routes.blocks_in(numbers.clone()) {
                words[place(number)] = old(place(number));
            }
        } else {
            words = (0..FAN).map(old).collect();
            for number in self.touched.blocks.range(numbers.clone()) {
                words[place(*number)] = Entry::result(cover_of(self.routes, *number)).0;
            }
        }
        for (number, entry) in self.entries.range(numbers.clone()) {
            words[place(*number)] = entry.0;
        }
        words
    }
}

/// Writes a page, or yields its one value where all are alike; `None` where there are no lines.
fn write_page(writer: &mut Writer, words: &[u32]) -> Option<Entry> {
    if let Some(entry) = one_result(words) {
        return Some(entry);
    }
    let extent = writer.take(PAGE_LINES)?;
    writer.write(extent, words);
    Some(Entry::table(u32::try_from(extent.start).ok()?, PAGE_CODE))
}

/// The entry that stands for a whole page.
fn one_result(words: &[u32]) -> Option<Entry> {
    let first = *words.first()?;
    (first <= u32::from(NO_MATCH) && words.iter().all(|word| *word == first))
        .then_some(Entry(first))
}

/// All lines anew, in an arena of their own.
fn rebuild(old: &Index, routes: &mut Root) -> Index {
    // Line 0 is the dummy.
    let mut words = vec![0; LINE_WORDS];
    let mut image = Image::default();
    let mut pages: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    let mut longest = PAGE_LINES;
    let numbers: Vec<u32> = routes.blocks().map(|(number, _)| number).collect();
    for number in numbers {
        let (entry, shape) = build_block(&mut image, routes, number);
        let extent = Extent { start: words.len() / LINE_WORDS, length: image.line_count() };
        let base = u32::try_from(extent.start).unwrap_or(u32::MAX);
        let (block, entry) = image.place(entry, base);
        words.extend_from_slice(block);
        words.resize((extent.start + extent.length) * LINE_WORDS, 0);
        routes.set_lines(number, extent, shape);
        longest = longest.max(extent.length);
        let slot = (number >> (BLOCK_BITS - TOP_BITS)) as usize;
        let page = pages.entry(slot).or_insert_with(|| covers(routes, slot));
        page[number as usize % FAN] = entry.0;
    }
    let top: Vec<u32> = (0..FAN)
        .map(|slot| {
            let page = match pages.remove(&slot) {
                Some(page) => page,
                None if routes.short_routes(slot).next().is_none() => vec![u32::from(NO_MATCH)],
                None => covers(routes, slot),
            };
            one_result(&page).unwrap_or_else(|| {
                let line = u32::try_from(words.len() / LINE_WORDS).unwrap_or(u32::MAX);
                words.extend_from_slice(&page);
                Entry::table(line, PAGE_CODE)
            })
        })
        .map(|entry| entry.0)
        .collect();
    let arena = Arena::holding(&words, longest);
    Index {
        top: top.into_boxed_slice(),
        default: default_of(routes),
        arena: Arc::new(arena),
        version: 0,
        token: Arc::default(),
        level: old.level,
    }
}

/// For each block of a slot of the top the group of the longest route shorter than /24.
fn covers(routes: &Root, slot: usize) -> Vec<u32> {
    let mut covers = vec![u32::from(NO_MATCH); FAN];
    let numbers = blocks_of(slot);
    for route in routes.short_routes(slot) {
        let first = block_of(route.bits()).max(*numbers.start()) - numbers.start();
        let last = block_of(route.last_bits()).min(*numbers.end()) - numbers.start();
        covers[first as usize..=last as usize].fill(u32::from(route.group.0));
    }
    covers
}

fn cover_of(routes: &Root, number: u32) -> u16 {
    routes.cover(number).map_or(NO_MATCH, |group| group.0)
}

fn default_of(routes: &Root) -> u16 {
    routes.route(Ipv6Prefix::DEFAULT).unwrap_or(GROUP_NO_ROUTE).0
}

/// The number of the block that an address lies in.
const fn block_of(address: u128) -> u32 {
    (address >> (128 - BLOCK_BITS)) as u32
}

/// The numbers of the blocks below a slot of the top.
fn blocks_of(slot: usize) -> RangeInclusive<u32> {
    let number = |block: usize| u32::try_from(block).unwrap_or(0);
    number(slot * FAN)..=number(slot * FAN + FAN - 1)
}
