//! From address to group, one address at a time, with safe code.
//!
//! Owns the walk through the lines; `simd.rs` has the same for a burst. This one says what the
//! other has to find, and serves whoever asks for one address.
//!
//! *Invariants*: every step of a walk consumes at least one bit or compares what the table's writer
//! placed there, so a walk ends; positions are within the arena because the writer placed them
//! there.

use crate::fib::arena::{Entry, Kind, LINE_WORDS};
use crate::fib::build::{
    KEY_START, LEAF_KEYS, LEAF_VALUES_WORD, NODE_BASE_WORD, NODE_COVER_WORD, NODE_EXPECTED_WORD,
    NODE_HALF_WORD, NODE_INDEX_WORD, NODE_MASK_WORD, NODE_SHIFT_WORD, key_of,
};
use crate::fib::table::{BLOCK_BITS, Index, NO_MATCH, page_index, top_index};
use core::sync::atomic::{AtomicU32, Ordering};

impl Index {
    /// The group for one address.
    pub(super) fn find(&self, address: u128) -> u16 {
        let entry = self.page_entry(Entry(self.top[top_index(address)]), address);
        self.or_default(self.walk(entry, address))
    }

    /// The entry of the page, or that of the top where there is no page.
    #[inline(always)]
    fn page_entry(&self, top: Entry, address: u128) -> Entry {
        match top.kind() {
            Kind::Table => Entry(self.arena.word(top.line() * LINE_WORDS + page_index(address))),
            _ => top,
        }
    }

    /// The value that `entry` leads to.
    #[inline(always)]
    fn walk(&self, mut entry: Entry, address: u128) -> u16 {
        let mut rest = rest_of(address);
        loop {
            match entry.kind() {
                Kind::Result => return value_of(entry),
                Kind::Leaf => return self.leaf_value(entry, address),
                Kind::Node => entry = self.node_entry(entry, address),
                Kind::Table => {
                    let code = entry.code();
                    let slot = (rest >> code) as usize;
                    entry = Entry(self.arena.word(entry.line() * LINE_WORDS + slot));
                    rest &= (1 << code) - 1;
                }
            }
        }
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
        let line = &self.arena.lines()[node.line()].0;
        let word = |place: usize| line[place].load(Ordering::Relaxed);
        let long = |place: usize| u64::from(word(place + 1)) << 32 | u64::from(word(place));
        let bits = halves(address)[word(NODE_HALF_WORD) as usize];
        if (bits ^ long(NODE_EXPECTED_WORD)) & long(NODE_MASK_WORD) == 0 {
            let slot = bits >> word(NODE_SHIFT_WORD) & u64::from(word(NODE_INDEX_WORD));
            Entry(self.arena.word(word(NODE_BASE_WORD) as usize + index_of(slot)))
        } else {
            Entry(word(NODE_COVER_WORD))
        }
    }

    /// The default route where nothing else matched.
    #[inline(always)]
    const fn or_default(&self, value: u16) -> u16 {
        if value == NO_MATCH { self.default } else { value }
    }
}

/// Bits 24 to 47 of an address, left-aligned.
#[inline(always)]
const fn rest_of(address: u128) -> u32 {
    key_of(address) << (BLOCK_BITS - KEY_START)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a result has 16 bits")]
const fn value_of(entry: Entry) -> u16 {
    entry.0 as u16
}

/// The upper and the lower half of an address.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
const fn halves(address: u128) -> [u64; 2] {
    [(address >> 64) as u64, address as u64]
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a node indexes at most 16 bits")]
const fn index_of(slot: u64) -> usize {
    slot as usize
}
