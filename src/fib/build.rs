//! From routes to lines: the image of one block.
//!
//! Owns [`Image`], the lines of all routes that share 24 bits. Nothing here is shared or published;
//! the image is moved to its place by [`Image::place`].
//!
//! Four shapes carry the routes:
//!
//! - A **leaf** is one line: up to ten borders between intervals, as keys of 32 bits (bits 16 to 47
//!   of the address), and the eleven values between them. A leaf serves as many neighbouring slots
//!   of a table as fit.
//! - A **shelf** is a line of fifteen borders and the sixteen leaves between them.
//! - A **table** has `2^width` entries. The width is chosen for each block: more entries leave
//!   fewer crowded slots, which need a shelf, or a table of their own, and so one more step.
//! - A **node** stands where routes longer than /48 are: it compares the bits that all of them
//!   share and indexes a table with the next few. Whoever differs has the value of the cover.
//!
//! *Invariants*: every key of a leaf is the address of a border less one, so that a key counts when
//! it is less than that of the address, and padding of all ones never counts. A leaf's first value
//! holds at the start of its first slot.

use crate::base::prefix::{Ipv6Prefix, mask};
use crate::fib::arena::{Entry, LINE_WORDS, WIDTH_MAX};
use crate::fib::routes::Route;
use crate::fib::table::BLOCK_BITS;
use core::net::Ipv6Addr;

/// Borders a leaf holds.
pub(super) const LEAF_KEYS: usize = 10;
/// The word of a leaf where its values begin.
pub(super) const LEAF_VALUES_WORD: usize = LEAF_KEYS;
/// Borders between leaves that a shelf holds.
pub(super) const SHELF_KEYS: usize = 15;
/// The word of a shelf with the line of its first leaf.
pub(super) const SHELF_LEAVES_WORD: usize = SHELF_KEYS;
/// Borders that a shelf and its leaves hold together.
const SHELF_BORDERS_MAX: usize = SHELF_KEYS + (SHELF_KEYS + 1) * LEAF_KEYS;
/// The first bit of a leaf's keys.
pub(super) const KEY_START: u8 = 16;
/// The bit behind a leaf's keys; longer routes need nodes.
pub(super) const KEY_END: u8 = 48;
/// Words of a node.
pub(super) const NODE_WORDS: usize = 8;
/// Bits that a node indexes at most.
const NODE_WIDTH_MAX: u8 = 12;
/// Bits that a node sees: those it compares and those it indexes.
const NODE_WINDOW_BITS: u8 = 64;
/// What a border behind a shelf costs, in entries of a table that would spare it: one line more to
/// read.
const SHELF_COST: u32 = 16;
/// What a border in a table below the table costs: the lanes of a burst take that step alone.
const NESTED_COST: u32 = 4096;

/// From this key on, up to the next border, this value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Border {
    key: u32,
    value: u16,
}

/// Addresses that share the first bits, at most [`KEY_END`] of them.
#[derive(Clone, Copy, Debug)]
struct Region {
    /// The key of its first address.
    key: u32,
    /// Bits that are shared.
    length: u8,
}

impl Region {
    /// One of its `2^width` parts.
    fn part(self, slot: u32, width: u8) -> Self {
        let length = self.length + width;
        Self { key: self.key + (slot << (KEY_END - length)), length }
    }

    /// The part that a key lies in.
    fn slot(self, key: u32, width: u8) -> u32 {
        (key - self.key) >> (KEY_END - self.length - width)
    }

    /// The same as a prefix; `above` are the bits before the keys.
    fn prefix(self, above: u128) -> Ipv6Prefix {
        let bits = above | u128::from(self.key) << (128 - KEY_END);
        Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), self.length)
    }
}

/// The lines of one block, numbered from 0; grows while it is built.
#[derive(Debug, Default)]
pub(super) struct Image {
    words: Vec<u32>,
    /// Positions of entries that name lines of the image.
    entries: Vec<u32>,
    /// Positions of words that are positions of words in the image.
    positions: Vec<u32>,
    /// Positions of words that are numbers of lines in the image.
    lines: Vec<u32>,
    /// The borders of the block.
    borders: Vec<Border>,
}

/// What the shapes of a block are made from.
#[derive(Clone, Copy, Debug)]
struct Source<'a> {
    /// What all addresses of the block have before the bits of the keys.
    above: u128,
    /// The value of addresses that no route of the block covers.
    cover: u16,
    /// All routes of the block.
    routes: &'a [Route],
    /// The keys of those longer than /48.
    long: &'a [u32],
}

impl Image {
    /// Builds the routes of the block `region`, all of them /24 and longer; `cover` holds where
    /// none of them does. Yields the entry that leads to it.
    pub(super) fn build(&mut self, region: Ipv6Prefix, cover: u16, routes: &[Route]) -> Entry {
        debug_assert_eq!(region.length(), BLOCK_BITS);
        self.words.clear();
        self.entries.clear();
        self.positions.clear();
        self.lines.clear();
        let mut borders = core::mem::take(&mut self.borders);
        let above = region.bits() & mask(KEY_START);
        let region = Region { key: key_of(region.bits()), length: BLOCK_BITS };
        let first = sweep(&mut borders, region, cover, routes);
        let is_long = |route: &&Route| route.length > KEY_END;
        let long: Vec<u32> =
            routes.iter().filter(is_long).map(|route| key_of(route.bits())).collect();
        let entry =
            self.region(region, first, &borders, Source { above, cover, routes, long: &long });
        self.borders = borders;
        entry
    }

    /// Lines of the image.
    pub(super) fn line_count(&self) -> usize {
        self.words.len().div_ceil(LINE_WORDS)
    }

    /// The words as they stand in an arena from line `base` on, and the entry that leads there.
    pub(super) fn place(&mut self, entry: Entry, base: u32) -> (&[u32], Entry) {
        for position in &self.entries {
            let word = &mut self.words[*position as usize];
            *word = Entry(*word).moved(base).0;
        }
        for position in &self.positions {
            self.words[*position as usize] += base * number(LINE_WORDS);
        }
        for position in &self.lines {
            self.words[*position as usize] += base;
        }
        (&self.words, entry.moved(base))
    }

    /// The entry of a region: `first` is the value at its start, `inner` what changes it further
    /// inside.
    fn region(
        &mut self,
        region: Region,
        first: u16,
        inner: &[Border],
        source: Source<'_>,
    ) -> Entry {
        if !source.long.is_empty() {
            if inner.len() <= 2 * LEAF_KEYS || region.length >= KEY_END {
                return self.node_of(region, source);
            }
        } else if inner.is_empty() {
            return Entry::result(first);
        } else if inner.len() <= LEAF_KEYS {
            let mut leaf = Leaf::default();
            leaf.add(region.key, first, inner);
            return Entry::leaf(self.leaf(&leaf));
        } else if inner.len() <= SHELF_BORDERS_MAX {
            return self.shelf(first, inner);
        }
        self.table(region, first, inner, source)
    }

    /// A line of borders between leaves, and the leaves behind it.
    fn shelf(&mut self, first: u16, inner: &[Border]) -> Entry {
        let shelf = self.reserve(LINE_WORDS, LINE_WORDS);
        self.words[shelf..shelf + SHELF_KEYS].fill(u32::MAX);
        // Each border between two leaves stands in the shelf.
        let leaf_count = (inner.len() + 1).div_ceil(LEAF_KEYS + 1);
        let bound = |place: usize| place * (inner.len() + 1) / leaf_count;
        let mut value = first;
        for place in 0..leaf_count {
            let mut leaf = Leaf::default();
            leaf.begin(value);
            let own = &inner[bound(place)..bound(place + 1) - 1];
            own.iter().for_each(|border| leaf.push(border.key, border.value));
            let line = self.leaf(&leaf);
            if place == 0 {
                self.words[shelf + SHELF_LEAVES_WORD] = line;
                self.lines.push(number(shelf + SHELF_LEAVES_WORD));
            }
            if let Some(border) = inner.get(bound(place + 1) - 1) {
                self.words[shelf + place] = border.key.wrapping_sub(1);
                value = border.value;
            }
        }
        Entry::shelf(line_of(shelf))
    }

    /// A table over the next bits of the region.
    fn table(&mut self, region: Region, first: u16, inner: &[Border], source: Source<'_>) -> Entry {
        let width = table_width(region, inner);
        let start = self.reserve(1 << width, LINE_WORDS);
        let mut leaf = Leaf::default();
        // The slots from here on that the open leaf serves.
        let mut served: Vec<u32> = Vec::new();
        let (mut value, mut rest, mut long) = (first, inner, source.long);
        let mut slot = 0;
        while slot < 1 << width {
            let part = region.part(slot, width);
            // A border at the start of the slot is its first value.
            while let [border, after @ ..] = rest
                && border.key == part.key
            {
                (value, rest) = (border.value, after);
            }
            let is_here = |key: u32| region.slot(key, width) == slot;
            let (own, after) = rest.split_at(rest.iter().take_while(|b| is_here(b.key)).count());
            let (own_long, after_long) =
                long.split_at(long.iter().take_while(|key| is_here(**key)).count());
            (rest, long) = (after, after_long);
            let position = start + slot as usize;
            if own.len() > LEAF_KEYS || !own_long.is_empty() {
                let source = Source { long: own_long, ..source };
                let entry = self.region(part, value, own, source);
                self.set(position, entry);
            } else if !own.is_empty() {
                if !leaf.fits(value, own) {
                    self.close(&mut leaf, start, &mut served);
                }
                leaf.add(part.key, value, own);
                served.push(slot);
            } else {
                // Up to the next slot in which something happens all are alike.
                let next = [rest.first().map(|border| border.key), long.first().copied()];
                let next = next.into_iter().flatten().min();
                let end = next.map_or(1 << width, |key| region.slot(key, width)).max(slot + 1);
                let slots = position..start + end as usize;
                self.words[slots].fill(Entry::result(value).0);
                slot = end;
                continue;
            }
            value = own.last().map_or(value, |border| border.value);
            slot += 1;
        }
        self.close(&mut leaf, start, &mut served);
        Entry::table(line_of(start), width)
    }

    /// Writes a leaf, and its entry into the slots it serves.
    fn close(&mut self, leaf: &mut Leaf, table: usize, served: &mut Vec<u32>) {
        if served.is_empty() {
            return;
        }
        let entry = Entry::leaf(self.leaf(leaf));
        for slot in served.drain(..) {
            self.set(table + slot as usize, entry);
        }
        *leaf = Leaf::default();
    }

    fn leaf(&mut self, leaf: &Leaf) -> u32 {
        let start = self.reserve(LINE_WORDS, LINE_WORDS);
        let line = &mut self.words[start..start + LINE_WORDS];
        line[..LEAF_KEYS].copy_from_slice(&leaf.keys);
        for (word, values) in line[LEAF_VALUES_WORD..].iter_mut().zip(leaf.values.chunks(2)) {
            *word = values.iter().rev().fold(0, |word, value| word << 16 | u32::from(*value));
        }
        line_of(start)
    }

    /// The node of a region in which routes longer than /48 are.
    fn node_of(&mut self, region: Region, source: Source<'_>) -> Entry {
        let region = region.prefix(source.above);
        let covering = |route: &&Route| route.prefix().covers(region);
        let cover = source.routes.iter().rev().find(covering);
        let cover = cover.map_or(source.cover, |route| route.group.0);
        let from = source.routes.partition_point(|route| route.bits() < region.bits());
        let inside = &source.routes[from..];
        let inside = &inside[..inside.partition_point(|route| route.bits() <= region.last_bits())];
        // Shorter routes that start where the region does cover it.
        let own: Vec<Route> =
            inside.iter().filter(|route| route.length > region.length()).copied().collect();
        self.node(region, cover, &own)
    }

    /// What stands where routes longer than /48 are.
    fn node(&mut self, region: Ipv6Prefix, cover: u16, routes: &[Route]) -> Entry {
        let (cover, routes) = own_route(region, cover, routes);
        let Some(shared) = shared_prefix(routes) else { return Entry::result(cover) };
        let (inner, below) = own_route(shared, cover, routes);
        let width = node_width(shared, below);
        let compared = shared.length() - region.length();
        if compared + width > NODE_WINDOW_BITS {
            // Too much for one window: a node that only compares, and one below it.
            let half = Ipv6Prefix::containing(shared.address(), region.length() + compared / 2);
            return self.write_node(region, half, 0, cover, |image, start| {
                let entry = image.node(half, cover, routes);
                image.set(start, entry);
            });
        }
        self.write_node(region, shared, width, cover, |image, start| {
            let slots = Slots::new(shared, inner, below, width);
            for (slot, value) in slots.covers.iter().enumerate() {
                image.words[start + slot] = Entry::result(*value).0;
            }
            for (slot, routes) in slots.crowds() {
                let entry = image.node(slots.region(slot), slots.covers[slot], routes);
                image.set(start + slot, entry);
            }
        })
    }

    /// A node that compares what `shared` has beyond `region` and indexes `width` bits; `fill`
    /// writes the entries.
    fn write_node(
        &mut self,
        region: Ipv6Prefix,
        shared: Ipv6Prefix,
        width: u8,
        cover: u16,
        fill: impl FnOnce(&mut Self, usize),
    ) -> Entry {
        let node = self.reserve(NODE_WORDS, NODE_WORDS);
        let start = self.reserve(1 << width, 1);
        let shift = 128 - shared.length() - width;
        let compared = shared.length() - region.length();
        let mask = ones(compared + width) & !ones(width);
        let expected = (shared.bits() >> shift) & mask;
        let words = [
            lowest(expected),
            lowest(expected >> 32),
            lowest(mask),
            lowest(mask >> 32),
            number(start),
            Entry::result(cover).0,
            u32::from(shift),
            (1 << width) - 1,
        ];
        self.words[node..node + NODE_WORDS].copy_from_slice(&words);
        self.positions.push(number(node + NODE_BASE_WORD));
        fill(self, start);
        Entry::node(number(node / NODE_WORDS))
    }

    /// Writes an entry that leads to another place of the image.
    fn set(&mut self, position: usize, entry: Entry) {
        self.words[position] = entry.0;
        self.entries.push(number(position));
    }

    /// The position of `count` new words, at a multiple of `unit`.
    fn reserve(&mut self, count: usize, unit: usize) -> usize {
        let start = self.words.len().next_multiple_of(unit);
        self.words.resize(start + count, 0);
        start
    }
}

/// Where a node keeps: what it expects, which bits it compares, …
pub(super) const NODE_EXPECTED_WORD: usize = 0;
/// … which bits it compares, …
pub(super) const NODE_MASK_WORD: usize = 2;
/// … the position of its entries, …
pub(super) const NODE_BASE_WORD: usize = 4;
/// … the entry of whoever differs, …
pub(super) const NODE_COVER_WORD: usize = 5;
/// … the bits below its window, …
pub(super) const NODE_SHIFT_WORD: usize = 6;
/// … and the mask of the index.
pub(super) const NODE_INDEX_WORD: usize = 7;

/// A leaf that still takes slots.
#[derive(Debug)]
struct Leaf {
    keys: [u32; LEAF_KEYS],
    values: [u16; LEAF_KEYS + 1],
    /// Keys that are used; the values are one more.
    count: usize,
    is_begun: bool,
}

impl Default for Leaf {
    fn default() -> Self {
        let (keys, values) = ([u32::MAX; LEAF_KEYS], [0; LEAF_KEYS + 1]);
        Self { keys, values, count: 0, is_begun: false }
    }
}

impl Leaf {
    /// Whether a further slot fits.
    fn fits(&self, first: u16, inner: &[Border]) -> bool {
        let joint = usize::from(self.is_begun && self.values[self.count] != first);
        self.count + joint + inner.len() <= LEAF_KEYS
    }

    /// Adds a slot: its first value, and the borders inside.
    fn add(&mut self, start: u32, first: u16, inner: &[Border]) {
        if !self.is_begun {
            self.begin(first);
        } else if self.values[self.count] != first {
            self.push(start, first);
        }
        for border in inner {
            self.push(border.key, border.value);
        }
    }

    fn begin(&mut self, first: u16) {
        self.values[0] = first;
        self.is_begun = true;
    }

    fn push(&mut self, key: u32, value: u16) {
        self.keys[self.count] = key.wrapping_sub(1);
        self.count += 1;
        self.values[self.count] = value;
    }
}

/// The slots of a node's table and what each of them has to know.
struct Slots {
    parent: Ipv6Prefix,
    width: u8,
    /// Routes longer than a slot.
    longer: Vec<Route>,
    /// The longest route up to the length of a slot, for each.
    covers: Vec<u16>,
}

impl Slots {
    fn new(parent: Ipv6Prefix, cover: u16, routes: &[Route], width: u8) -> Self {
        let covers = vec![cover; 1 << width];
        let mut slots = Self { parent, width, longer: Vec::new(), covers };
        for route in routes {
            if route.length > parent.length() + width {
                slots.longer.push(*route);
            } else {
                let range = slots.index(route.bits())..=slots.index(route.last_bits());
                // A covering prefix sorts before its parts, so the longer one paints last.
                slots.covers[range].fill(route.group.0);
            }
        }
        slots
    }

    fn index(&self, address: u128) -> usize {
        let shift = 128 - self.parent.length() - self.width;
        lowest((address >> shift) & ones(self.width)) as usize
    }

    fn region(&self, slot: usize) -> Ipv6Prefix {
        let length = self.parent.length() + self.width;
        let bits = (slot as u128) << (128 - length);
        Ipv6Prefix::containing(Ipv6Addr::from_bits(self.parent.bits() | bits), length)
    }

    /// The slots that have longer routes, with them.
    fn crowds(&self) -> impl Iterator<Item = (usize, &[Route])> {
        let same = |a: &Route, b: &Route| self.index(a.bits()) == self.index(b.bits());
        self.longer.chunk_by(same).filter_map(|routes| {
            let first = routes.first()?;
            Some((self.index(first.bits()), routes))
        })
    }
}

/// Takes the route of exactly `region` off sorted `routes`: it is the cover of the rest.
fn own_route(region: Ipv6Prefix, cover: u16, routes: &[Route]) -> (u16, &[Route]) {
    match routes.split_first() {
        Some((route, rest)) if route.prefix() == region => (route.group.0, rest),
        _ => (cover, routes),
    }
}

/// The longest prefix that contains all of sorted `routes`.
fn shared_prefix(routes: &[Route]) -> Option<Ipv6Prefix> {
    let (first, last) = (routes.first()?, routes.last()?);
    let shortest = routes.iter().map(|route| route.length).min()?;
    let alike = (first.bits() ^ last.bits()).leading_zeros();
    let length = u8::try_from(alike).unwrap_or(128).min(shortest);
    Some(Ipv6Prefix::containing(Ipv6Addr::from_bits(first.bits()), length))
}

/// How many bits a node indexes: about two entries a route.
fn node_width(shared: Ipv6Prefix, below: &[Route]) -> u8 {
    let Some(longest) = below.iter().map(|route| route.length).max() else { return 0 };
    let wanted = u8::try_from((2 * below.len()).ilog2()).unwrap_or(NODE_WIDTH_MAX);
    wanted.clamp(1, NODE_WIDTH_MAX.min(longest - shared.length()))
}

/// How many bits a table of the region indexes: the fewest entries for the steps that they save.
fn table_width(region: Region, inner: &[Border]) -> u8 {
    let room = (KEY_END - region.length).min(WIDTH_MAX);
    let shelved = crowded(region, inner, LEAF_KEYS + 1);
    let nested = crowded(region, inner, SHELF_BORDERS_MAX + 1);
    let cost = |width: u8| {
        let (shelved, nested) = (shelved[usize::from(width)], nested[usize::from(width)]);
        (1 << width) + shelved * SHELF_COST + nested * NESTED_COST
    };
    (4.min(room)..=room).min_by_key(|width| cost(*width)).unwrap_or(room)
}

/// For each width how many runs of `count` borders lie in one slot of a table that wide.
fn crowded(region: Region, inner: &[Border], count: usize) -> [u32; KEY_END as usize + 1] {
    let mut crowded = [0_u32; KEY_END as usize + 1];
    let shared = region.length - KEY_START;
    for (first, last) in inner.iter().zip(inner.iter().skip(count - 1)) {
        // Neighbours share a slot up to the width of the bits they share.
        let alike = (first.key ^ last.key).leading_zeros() as usize;
        crowded[alike.saturating_sub(usize::from(shared))] += 1;
    }
    for width in (0..usize::from(KEY_END)).rev() {
        crowded[width] += crowded[width + 1];
    }
    crowded
}

/// Writes the borders inside of a block at which the longest match among sorted `routes` changes;
/// yields the value at its start. Routes longer than /48 are left out.
fn sweep(borders: &mut Vec<Border>, region: Region, cover: u16, routes: &[Route]) -> u16 {
    borders.clear();
    borders.push(Border { key: region.key, value: cover });
    let end = u64::from(region.key) + (1 << (KEY_END - region.length));
    // The routes that contain the point we are at, the longest on top: the key behind each, and
    // its group.
    let mut open: Vec<(u64, u16)> = Vec::with_capacity(usize::from(KEY_END - BLOCK_BITS) + 2);
    open.push((end, cover));
    for route in routes.iter().filter(|route| route.length <= KEY_END) {
        let key = key_of(route.bits());
        close(borders, &mut open, u64::from(key));
        add(borders, key, route.group.0);
        open.push((u64::from(key) + (1 << (KEY_END - route.length)), route.group.0));
    }
    close(borders, &mut open, end - 1);
    borders.remove(0).value
}

/// Ends the open routes that end at or before `key`, the longest first.
fn close(borders: &mut Vec<Border>, open: &mut Vec<(u64, u16)>, key: u64) {
    while let [.., (_, below), (end, _)] = open.as_slice()
        && *end <= key
    {
        if let Ok(end) = u32::try_from(*end) {
            add(borders, end, *below);
        }
        open.pop();
    }
}

/// Appends a border; at one key the last word counts, and equal neighbours merge.
fn add(borders: &mut Vec<Border>, key: u32, value: u16) {
    borders.pop_if(|last| last.key == key);
    if borders.last().is_none_or(|last| last.value != value) {
        borders.push(Border { key, value });
    }
}

/// Bits 16 to 47 of an address.
#[inline(always)]
pub(super) const fn key_of(address: u128) -> u32 {
    lowest(address >> (128 - KEY_END))
}

/// The lowest 32 bits.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the others are not wanted")]
const fn lowest(bits: u128) -> u32 {
    bits as u32
}

/// The lowest `count` bits.
const fn ones(count: u8) -> u128 {
    if count >= 128 { u128::MAX } else { (1 << count) - 1 }
}

fn line_of(position: usize) -> u32 {
    number(position / LINE_WORDS)
}

/// A position in an image or a count of its lines: an image has at most some megabytes.
fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

const _: () = assert!(LEAF_KEYS + LEAF_KEYS.div_ceil(2) < LINE_WORDS);
const _: () = assert!(BLOCK_BITS >= KEY_START);
