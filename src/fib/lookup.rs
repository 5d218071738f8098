//! From address to group, without vector instructions.
//!
//! Owns the walk through the lines for one address and for a burst; `simd.rs` has the same with
//! vector instructions and calls [`Index::walk`] for what is rare there.
//!
//! *Invariants*: every step of a walk consumes at least one bit or compares what the table's writer
//! placed there, so a walk ends; positions are within the arena because the writer placed them
//! there.

use crate::base::ids::GroupId;
use crate::base::prefetch::prefetch_index;
use crate::fib::arena::{Entry, KIND_LEAF, KIND_NODE, KIND_TABLE, LINE_WORDS};
use crate::fib::build::{
    KEY_END, KEY_START, LEAF_KEYS, LEAF_VALUES_WORD, NODE_BASE_WORD, NODE_COVER_WORD,
    NODE_EXPECTED_WORD, NODE_INDEX_WORD, NODE_MASK_WORD, NODE_SHIFT_WORD, NODE_WORDS, SHELF_KEYS,
    SHELF_LEAVES_WORD, key_of,
};
use crate::fib::simd::{self, Level};
use crate::fib::table::{BLOCK_BITS, Index, LOOKUP_BURST_MAX, NO_MATCH, page_index, top_index};
use core::sync::atomic::{AtomicU32, Ordering};

impl Index {
    /// The group for one address.
    pub(super) fn find(&self, address: u128) -> u16 {
        let entry = self.page_entry(Entry(self.top[top_index(address)]), address);
        self.or_default(self.walk(entry, address, u32::from(BLOCK_BITS)))
    }

    /// The groups for up to 64 addresses.
    #[inline]
    pub(super) fn find_burst(&self, addresses: &[u128], groups: &mut [GroupId]) {
        match self.level {
            Level::Portable => self.find_together(addresses, groups),
            level => simd::find_burst(self, level, addresses, groups),
        }
    }

    /// The lookups of a burst step by step, all of them at once, so that their lines travel at the
    /// same time.
    fn find_together(&self, addresses: &[u128], groups: &mut [GroupId]) {
        let lines = self.arena.lines();
        let mut entries = [Entry(0); LOOKUP_BURST_MAX];
        for (entry, address) in entries.iter_mut().zip(addresses) {
            *entry = Entry(self.top[top_index(*address)]);
            if entry.kind() == KIND_TABLE {
                prefetch_index(lines, entry.line() + page_index(*address) / LINE_WORDS);
            }
        }
        for (entry, address) in entries.iter_mut().zip(addresses) {
            *entry = self.page_entry(*entry, *address);
            prefetch_index(lines, self.next_line(*entry, *address, u32::from(BLOCK_BITS)));
        }
        let mut bits = [u32::from(BLOCK_BITS); LOOKUP_BURST_MAX];
        for ((entry, address), bit) in entries.iter_mut().zip(addresses).zip(&mut bits) {
            if entry.kind() == KIND_TABLE && entry.width() > 0 {
                let table = *entry;
                *entry = self.table_entry(table, *address, *bit);
                *bit += table.width();
                prefetch_index(lines, self.next_line(*entry, *address, *bit));
            }
        }
        for (entry, address) in entries.iter_mut().zip(addresses) {
            if entry.kind() == KIND_TABLE && entry.width() == 0 {
                *entry = self.shelf_entry(*entry, *address);
                prefetch_index(lines, entry.line());
            }
        }
        let lanes = entries.iter().zip(addresses).zip(&bits).zip(groups);
        for (((entry, address), bit), group) in lanes {
            let value = self.walk(*entry, *address, *bit);
            *group = GroupId(self.or_default(value));
        }
    }

    /// The entry of the page, or that of the top where there is no page.
    #[inline(always)]
    fn page_entry(&self, top: Entry, address: u128) -> Entry {
        match top.kind() {
            KIND_TABLE => Entry(self.arena.word(top.line() * LINE_WORDS + page_index(address))),
            _ => top,
        }
    }

    /// The entry of a table that begins at `bit`.
    #[inline(always)]
    fn table_entry(&self, table: Entry, address: u128, bit: u32) -> Entry {
        let width = table.width();
        let key = key_of(address) << (bit - u32::from(KEY_START));
        // A table has at least one bit, so the shift is below 32.
        let slot = (key >> (32 - width)) as usize;
        Entry(self.arena.word(table.line() * LINE_WORDS + slot))
    }

    /// The line that the next step reads.
    #[inline(always)]
    fn next_line(&self, entry: Entry, address: u128, bit: u32) -> usize {
        match entry.kind() {
            KIND_TABLE if entry.width() == 0 => entry.line(),
            KIND_TABLE => {
                let key = key_of(address) << (bit - u32::from(KEY_START));
                entry.line() + (key >> (32 - entry.width())) as usize / LINE_WORDS
            }
            KIND_LEAF => entry.line(),
            KIND_NODE => entry.half_line() / 2,
            _ => 0,
        }
    }

    /// The value that `entry` leads to; `bit` is the first that no table has consumed.
    #[inline(always)]
    pub(super) fn walk(&self, mut entry: Entry, address: u128, mut bit: u32) -> u16 {
        loop {
            match entry.kind() {
                KIND_LEAF => return self.leaf_value(entry, address),
                KIND_TABLE if entry.width() == 0 => entry = self.shelf_entry(entry, address),
                KIND_TABLE => {
                    let table = entry;
                    entry = self.table_entry(table, address, bit);
                    bit += table.width();
                    debug_assert!(bit <= u32::from(KEY_END), "tables end where keys do");
                }
                KIND_NODE => entry = self.node_entry(entry, address),
                _ => return value_of(entry),
            }
        }
    }

    /// The leaf behind a shelf: as many keys as are less than the address's are before it.
    #[inline(always)]
    fn shelf_entry(&self, shelf: Entry, address: u128) -> Entry {
        let line = &self.arena.lines()[shelf.line()].0;
        let key = key_of(address);
        let less = |word: &AtomicU32| u32::from(word.load(Ordering::Relaxed) < key);
        let count: u32 = line.iter().take(SHELF_KEYS).map(less).sum();
        Entry::leaf(line[SHELF_LEAVES_WORD].load(Ordering::Relaxed) + count)
    }

    /// The value of a leaf: as many keys as are less than the address's are behind it.
    #[inline(always)]
    fn leaf_value(&self, leaf: Entry, address: u128) -> u16 {
        let line = &self.arena.lines()[leaf.line()].0;
        let key = key_of(address);
        let less = |word: &AtomicU32| usize::from(word.load(Ordering::Relaxed) < key);
        let count: usize = line.iter().take(LEAF_KEYS).map(less).sum();
        let word = line[LEAF_VALUES_WORD + count / 2].load(Ordering::Relaxed);
        value_of(Entry(word >> (count % 2 * 16) & 0xffff))
    }

    /// The entry behind a node.
    #[inline(always)]
    fn node_entry(&self, node: Entry, address: u128) -> Entry {
        let line = &self.arena.lines()[node.half_line() / 2].0;
        let start = node.half_line() % 2 * NODE_WORDS;
        let word = |place: usize| line[start + place].load(Ordering::Relaxed);
        let long = |place: usize| u64::from(word(place + 1)) << 32 | u64::from(word(place));
        let window = low_half(address >> word(NODE_SHIFT_WORD));
        if window & long(NODE_MASK_WORD) == long(NODE_EXPECTED_WORD) {
            let slot = window & u64::from(word(NODE_INDEX_WORD));
            Entry(self.arena.word(word(NODE_BASE_WORD) as usize + index_of(slot)))
        } else {
            Entry(word(NODE_COVER_WORD))
        }
    }

    /// The default route where nothing else matched.
    #[inline(always)]
    pub(super) const fn or_default(&self, value: u16) -> u16 {
        if value == NO_MATCH { self.default } else { value }
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a result has 16 bits")]
const fn value_of(entry: Entry) -> u16 {
    entry.0 as u16
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the window is the lower half")]
const fn low_half(bits: u128) -> u64 {
    bits as u64
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a node indexes at most 12 bits")]
const fn index_of(slot: u64) -> usize {
    slot as usize
}
