//! From routes to lines: the image of one block.
//!
//! Owns [`Image`], the lines of all routes that share 24 bits. Nothing here is shared or published;
//! the image is moved to its place by [`Image::place`].
//!
//! Three shapes carry the routes:
//!
//! - A **leaf** is one line: up to ten borders between intervals, as keys of 32 bits (bits 16 to 47
//!   of the address), and the eleven values between them. A leaf serves as many neighbouring slots
//!   of a table as fit.
//! - A **table** has `2^width` entries. A block has one, and where too many borders for a leaf lie
//!   in one slot, another below it, which is so wide that they fit. So two tables and a leaf are
//!   all that a route up to /48 takes. Of the widths of the first the one that makes both smallest
//!   is chosen.
//! - A **node** stands where routes longer than /48 are: it compares the bits that all of them
//!   share and indexes entries with the next few. Whoever differs has the value of the cover.
//!
//! Tried and lost (real table, Zen 5, burst of 64): a line of fifteen borders between sixteen
//! leaves instead of the second table took a branch or a dummy line and 6.6 ns where the second
//! table takes 3.7; most lookups needed it, since the crowds are dense runs of /48, for which a
//! table is smaller as well. A third table for few blocks cost 1.4 ns on average, walked alone.
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
/// The first bit of a leaf's keys.
pub(super) const KEY_START: u8 = 16;
/// The bit behind a leaf's keys; longer routes need nodes.
pub(super) const KEY_END: u8 = 48;
/// Words of a node: a line.
pub(super) const NODE_WORDS: usize = LINE_WORDS;
/// Bits that a node indexes at most: a /48 and the /64 in it.
const NODE_WIDTH_MAX: u8 = 16;
/// A node sees one half of the address.
const HALF_BITS: u8 = 64;
/// Routes of a node from which on it may be wide: a cluster, whose every lookup goes that way.
const WIDE_ROUTES_MIN: usize = 256;
/// Entries that a wide node may have for each of its routes, so that it is hardly ever followed by
/// another one; …
const WIDE_ENTRIES: usize = 80;
/// … and those of the others.
const NARROW_ENTRIES: usize = 4;
/// The narrowest table: a line.
const WIDTH_MIN: u8 = 4;
/// What a border in a leaf costs, in entries of a table that would spare it: its share of a line.
const BORDER_COST: u32 = 4;
/// What a second table costs beyond its entries: the line more to read.
const NESTED_COST: u32 = 16;
/// What stands for "does not fit".
const COST_MAX: u32 = u32::MAX / 2;

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
    /// The borders of the block.
    borders: Vec<Border>,
    /// What was chosen for the block, before or now.
    shape: Option<Shape>,
}

/// The width of a block's table and what it was chosen for. Choosing takes most of the time that a
/// crowded block takes to be built, and one route more or less changes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    width: u8,
    borders: usize,
}

impl Shape {
    /// Whether the choice still serves a block with so many borders.
    const fn serves(self, borders: usize) -> bool {
        borders >= self.borders / 2 && borders <= self.borders * 2
    }
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
    /// What an older version of the block was like is taken from `shape`, and written there.
    pub(super) fn build(
        &mut self,
        region: Ipv6Prefix,
        cover: u16,
        routes: &[Route],
        shape: &mut Option<Shape>,
    ) -> Entry {
        debug_assert_eq!(region.length(), BLOCK_BITS);
        self.words.clear();
        self.entries.clear();
        self.positions.clear();
        self.shape = *shape;
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
        *shape = self.shape;
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
            if inner.len() <= 2 * LEAF_KEYS || region.length > BLOCK_BITS {
                return self.node_of(region, source);
            }
        } else if inner.is_empty() {
            return Entry::result(first);
        } else if inner.len() <= LEAF_KEYS {
            let mut leaf = Leaf::default();
            leaf.add(region.key, first, inner);
            return Entry::leaf(self.leaf(&leaf));
        }
        self.table(region, first, inner, source)
    }

    /// A table over the next bits of the region.
    fn table(&mut self, region: Region, first: u16, inner: &[Border], source: Source<'_>) -> Entry {
        let width = self.table_width(region, inner);
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
        Entry::table(line_of(start), BLOCK_BITS + 32 - region.length - width)
    }

    /// How many bits a table indexes.
    fn table_width(&mut self, region: Region, inner: &[Border]) -> u8 {
        if region.length > BLOCK_BITS {
            return inner_width(region, inner);
        }
        let alike = alike(inner);
        let cost = |width: u8| nested_cost(region.length + width, inner, &alike);
        if let Some(shape) = self.shape.filter(|shape| shape.serves(inner.len()))
            && cost(shape.width) < COST_MAX
        {
            return shape.width;
        }
        // What makes the table and those below it smallest.
        let widths = WIDTH_MIN..=WIDTH_MAX;
        let width = widths.min_by_key(|width| (1 << width) + cost(*width)).unwrap_or(WIDTH_MAX);
        self.shape = Some(Shape { width, borders: inner.len() });
        width
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
        let shared = within_half(region, shared);
        let (inner, below) = own_route(shared, cover, routes);
        let width = node_width(region, shared, below);
        let node = self.reserve(NODE_WORDS, NODE_WORDS);
        let start = self.reserve(1 << width, 1);
        let words = node_words(region, shared, width);
        self.words[node..node + NODE_WORDS].copy_from_slice(&words);
        self.words[node + NODE_COVER_WORD] = Entry::result(cover).0;
        self.words[node + NODE_BASE_WORD] = number(start);
        self.positions.push(number(node + NODE_BASE_WORD));
        let slots = Slots::new(shared, inner, below, width);
        for (slot, value) in slots.covers.iter().enumerate() {
            self.words[start + slot] = Entry::result(*value).0;
        }
        for (slot, routes) in slots.crowds() {
            let entry = self.node(slots.region(slot), slots.covers[slot], routes);
            self.set(start + slot, entry);
        }
        Entry::node(line_of(node))
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

/// Where a node keeps what it expects of its half of the address, two words, …
pub(super) const NODE_EXPECTED_WORD: usize = 0;
/// … which bits it compares, …
pub(super) const NODE_MASK_WORD: usize = 2;
/// … the position of its entries, …
pub(super) const NODE_BASE_WORD: usize = 4;
/// … the entry of whoever differs, …
pub(super) const NODE_COVER_WORD: usize = 5;
/// … the bits below the index, …
pub(super) const NODE_SHIFT_WORD: usize = 6;
/// … the mask of the index, …
pub(super) const NODE_INDEX_WORD: usize = 7;
/// … and which half it sees: 0 the upper, 1 the lower.
pub(super) const NODE_HALF_WORD: usize = 8;

/// The words of a node that compares what `shared` has beyond `region` and indexes `width` bits,
/// without the position and the cover.
fn node_words(region: Ipv6Prefix, shared: Ipv6Prefix, width: u8) -> [u32; NODE_WORDS] {
    let end = half_end(region);
    let half = |bits: u128| bits >> (128 - end);
    let compared = half(mask(shared.length()) & !mask(region.length()));
    let expected = half(shared.bits()) & compared;
    let mut words = [0; NODE_WORDS];
    for (place, shift) in [(0, 0), (1, 32)] {
        words[NODE_EXPECTED_WORD + place] = lowest(expected >> shift);
        words[NODE_MASK_WORD + place] = lowest(compared >> shift);
    }
    words[NODE_SHIFT_WORD] = u32::from(end - shared.length() - width) % u32::from(HALF_BITS);
    words[NODE_INDEX_WORD] = (1 << width) - 1;
    words[NODE_HALF_WORD] = u32::from(end / HALF_BITS - 1);
    words
}

/// The end of the half of the address that the next node of a region sees.
fn half_end(region: Ipv6Prefix) -> u8 {
    if region.length() < HALF_BITS { HALF_BITS } else { 2 * HALF_BITS }
}

/// As much of `shared` as the next node of a region can compare.
fn within_half(region: Ipv6Prefix, shared: Ipv6Prefix) -> Ipv6Prefix {
    Ipv6Prefix::containing(shared.address(), shared.length().min(half_end(region)))
}

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

/// How many bits a node indexes.
fn node_width(region: Ipv6Prefix, shared: Ipv6Prefix, below: &[Route]) -> u8 {
    let Some(longest) = below.iter().map(|route| route.length).max() else { return 0 };
    let entries = if below.len() < WIDE_ROUTES_MIN { NARROW_ENTRIES } else { WIDE_ENTRIES };
    let wanted = u8::try_from((entries * below.len()).ilog2()).unwrap_or(NODE_WIDTH_MAX);
    let room = longest.min(half_end(region)) - shared.length();
    wanted.min(room).min(NODE_WIDTH_MAX)
}

/// How many bits a table below a table indexes: so many that leaves are behind it, and then as few
/// as make it and them smallest.
fn inner_width(region: Region, inner: &[Border]) -> u8 {
    let room = (KEY_END - region.length).min(WIDTH_MAX);
    let deepest = alike(inner).into_iter().max().unwrap_or(0);
    let needed = (deepest + 1).saturating_sub(region.length);
    let widths = needed.max(WIDTH_MIN.min(room))..=room;
    let cost = |width: &u8| (1 << width) + aligned_cost(region.length + width, inner);
    widths.min_by_key(cost).unwrap_or(room)
}

/// How many bits each border shares with the one that would be too many with it in a leaf; zero
/// where there is none.
fn alike(inner: &[Border]) -> Vec<u8> {
    let pairs = inner.iter().zip(inner.iter().skip(LEAF_KEYS));
    let bits = |(first, last): (&Border, &Border)| {
        KEY_START + u8::try_from((first.key ^ last.key).leading_zeros()).unwrap_or(0)
    };
    let mut alike: Vec<u8> = pairs.map(bits).collect();
    alike.resize(inner.len(), 0);
    alike
}

/// What borders cost in slots that share `length` bits: those at the start of a slot nothing.
fn aligned_cost(length: u8, inner: &[Border]) -> u32 {
    let below = below(length);
    let inside = inner.iter().filter(|border| border.key & below != 0).count();
    number(inside) * BORDER_COST
}

/// What borders cost in slots that share `length` bits and have tables where there are too many.
fn nested_cost(length: u8, inner: &[Border], alike: &[u8]) -> u32 {
    let below = below(length);
    let (mut cost, mut slot, mut deepest) = (0, u32::MAX, 0);
    let mut inside = 0;
    let mut end = |deepest: u8, inside: u32| match deepest.saturating_sub(length) + 1 {
        _ if deepest < length => cost += inside * BORDER_COST,
        width if width > WIDTH_MAX => cost = COST_MAX,
        width => cost = (cost + (1 << width.max(WIDTH_MIN)) + NESTED_COST).min(COST_MAX),
    };
    for (border, alike) in inner.iter().zip(alike) {
        if border.key & !below != slot {
            end(deepest, inside);
            (slot, deepest, inside) = (border.key & !below, 0, 0);
        }
        if border.key & below != 0 {
            deepest = deepest.max(*alike);
            inside += 1;
        }
    }
    end(deepest, inside);
    cost
}

/// The bits of a key behind the first `length` of the address.
const fn below(length: u8) -> u32 {
    match KEY_END - length {
        32.. => u32::MAX,
        bits => (1 << bits) - 1,
    }
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
