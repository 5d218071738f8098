//! The search inside a block: address to interval.
//!
//! Owns [`Search`]: borders between intervals, each with a 32-bit key, found through a small direct
//! index and a binary search without branches on the data.
//!
//! The key of an address is the window of 32 bits in which the borders of the block differ:
//! `(address - low) >> shift`, clamped at both ends. Where borders differ only below the window,
//! their cell has a `Search` of its own, whose window lies deeper. Routes up to about /56 need one
//! level, a cluster with /64 and /128 routes under one /48 two.
//!
//! *Invariants*: cells are sorted by key without repeats and the first has key 0. `low` is a
//! multiple of the cell size, and below the first border by one cell where the address space
//! allows, so that clamped addresses get the value before the first or behind the last border.
//! Every index lies inside `cells`. Levels below a block: at most [`DEPTH_MAX`].

use crate::fib::table::NO_MATCH;

/// A value holds from `start` on, up to the next border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Border {
    pub(super) start: u128,
    /// A group number, or [`NO_MATCH`].
    pub(super) value: u16,
}

/// Levels of searches: each but the last decides at least 31 of 104 bits.
pub(super) const DEPTH_MAX: usize = 5;

/// One bit of the direct index for each doubling of the cells, up to this many.
const INDEX_BITS_MAX: u32 = 14;

/// A slot with this bit is the number of a deeper search, otherwise a group number or [`NO_MATCH`].
const DEEPER: u32 = 1 << 31;

/// From this key on, this slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    key: u32,
    slot: u32,
}

/// Sorted intervals of addresses; immutable.
#[derive(Debug)]
pub(super) struct Search {
    /// Address of key 0.
    low: u128,
    /// Bits below the window.
    shift: u32,
    /// Bits of the key below the direct index.
    index_shift: u32,
    /// Key of the last cell.
    key_max: u32,
    /// For each value of the key's top bits, the last cell that starts at or before it; one more at
    /// the end.
    index: Box<[u32]>,
    cells: Box<[Cell]>,
    deeper: Box<[Search]>,
}

impl Search {
    /// A search over sorted `borders`; the first one's value also holds before it.
    pub(super) fn new(borders: &[Border]) -> Self {
        Self::at_depth(borders, 1)
    }

    fn at_depth(borders: &[Border], depth: usize) -> Self {
        assert!(depth <= DEPTH_MAX, "windows of 31 bits cover what a block leaves");
        let (first, rest) =
            borders.split_first().map_or((NO_MATCH, borders), |(first, rest)| (first.value, rest));
        let (low, shift) = window(rest);
        let key = |border: &Border| clamp_key(border.start, low, shift, u32::MAX);
        let mut cells = vec![Cell { key: 0, slot: u32::from(first) }];
        let mut deeper = Vec::new();
        let mut before = first;
        for group in rest.chunk_by(|a, b| key(a) == key(b)) {
            let (Some(head), Some(last)) = (group.first(), group.last()) else { continue };
            let here = key(head);
            if head.start == low + (u128::from(here) << shift) && group.len() == 1 {
                push(&mut cells, Cell { key: here, slot: u32::from(head.value) });
            } else {
                let start = Border { start: low, value: before };
                let inside: Vec<Border> = [start].iter().chain(group).copied().collect();
                let number = u32::try_from(deeper.len()).unwrap_or(0);
                deeper.push(Self::at_depth(&inside, depth + 1));
                push(&mut cells, Cell { key: here, slot: DEEPER | number });
                if let Some(next) = here.checked_add(1) {
                    push(&mut cells, Cell { key: next, slot: u32::from(last.value) });
                }
            }
            before = last.value;
        }
        let (index, index_shift) = direct_index(&cells);
        let key_max = cells.last().map_or(0, |cell| cell.key);
        let (cells, deeper) = (cells.into_boxed_slice(), deeper.into_boxed_slice());
        Self { low, shift, index_shift, key_max, index, cells, deeper }
    }

    /// The value for `address`.
    pub(super) fn find(&self, address: u128) -> u16 {
        self.find_from(address, self.narrow(address))
    }

    /// The first step: the cells between which the answer lies, as position and count.
    #[inline(always)]
    pub(super) fn narrow(&self, address: u128) -> (usize, usize) {
        let top = (self.key(address) >> self.index_shift) as usize;
        match self.index.get(top..top + 2) {
            Some(&[from, to]) => (from as usize, (to - from) as usize),
            _ => (0, self.cells.len() - 1),
        }
    }

    /// The second step: the value, from what [`Self::narrow`] found.
    #[inline(always)]
    pub(super) fn find_from(&self, address: u128, (position, count): (usize, usize)) -> u16 {
        let slot = self.bisect(self.key(address), position, count);
        if slot & DEEPER == 0 { value_of(slot) } else { self.find_deeper(address, slot) }
    }

    #[cold]
    fn find_deeper(&self, address: u128, slot: u32) -> u16 {
        let mut search = self;
        let mut slot = slot;
        while slot & DEEPER != 0 {
            search = &search.deeper[(slot & !DEEPER) as usize];
            let (position, count) = search.narrow(address);
            slot = search.bisect(search.key(address), position, count);
        }
        value_of(slot)
    }

    /// The slot of the last cell with a key of at most `key` among `count` cells after `position`.
    #[inline(always)]
    fn bisect(&self, key: u32, mut position: usize, mut count: usize) -> u32 {
        while count > 0 {
            let half = count.div_ceil(2);
            let middle = position + half;
            let is_behind = self.cells[middle].key <= key;
            position = core::hint::select_unpredictable(is_behind, middle, position);
            count -= half;
        }
        self.cells[position].slot
    }

    #[inline(always)]
    fn key(&self, address: u128) -> u32 {
        clamp_key(address, self.low, self.shift, self.key_max)
    }

    /// The cells, for prefetching.
    #[inline(always)]
    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most `key_max`")]
fn clamp_key(address: u128, low: u128, shift: u32, key_max: u32) -> u32 {
    (address.saturating_sub(low) >> shift).min(u128::from(key_max)) as u32
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "slots without DEEPER hold 16 bits")]
const fn value_of(slot: u32) -> u16 {
    slot as u16
}

/// Where the window of 32 bits lies for sorted `borders`: the address of key 0 and the bits below.
fn window(borders: &[Border]) -> (u128, u32) {
    let (Some(first), Some(last)) = (borders.first(), borders.last()) else { return (0, 0) };
    let span_bits = 128 - (last.start - first.start).leading_zeros();
    let mut shift = span_bits.saturating_sub(32);
    loop {
        let low = ((first.start >> shift) << shift).saturating_sub(1 << shift);
        // One key must stay free behind the last border.
        if (last.start - low) >> shift < u128::from(u32::MAX) {
            return (low, shift);
        }
        shift += 1;
    }
}

/// Appends a cell, or replaces the last one when it has the same key.
fn push(cells: &mut Vec<Cell>, cell: Cell) {
    match cells.last_mut() {
        Some(last) if last.key == cell.key => *last = cell,
        _ => cells.push(cell),
    }
}

/// The direct index for `cells`, and the key bits below it.
fn direct_index(cells: &[Cell]) -> (Box<[u32]>, u32) {
    let key_max = cells.last().map_or(0, |cell| cell.key);
    let key_bits = 32 - key_max.leading_zeros();
    let index_bits = cells.len().max(1).ilog2().min(INDEX_BITS_MAX);
    let shift = key_bits.saturating_sub(index_bits).min(31);
    let mut position = 0;
    let mut index: Vec<u32> = (0..=key_max >> shift)
        .map(|top| {
            while cells.get(position + 1).is_some_and(|cell| cell.key <= top << shift) {
                position += 1;
            }
            u32::try_from(position).unwrap_or(0)
        })
        .collect();
    index.push(u32::try_from(cells.len().saturating_sub(1)).unwrap_or(0));
    (index.into_boxed_slice(), shift)
}
