//! The burst lookup: 64 addresses go through the table together, a step at a time.
//!
//! Owns [`Level`], which instructions a processor has, and the walk of `lookup.rs` for a burst.
//! Each step is a loop over the lanes without a branch, so that the processor has the loads of
//! dozens of lanes under way at once. A lane that needs no table in a step reads the dummy line and
//! keeps what it had: a branch that is taken half of the time costs more than a line that is always
//! there. Steps that no lane of the burst needs are left out. The walk is written once and compiled
//! for each level; what differs is how the keys of a leaf are compared, all ten of them by one
//! vector instruction at best.
//!
//! Tried and lost (real table, Zen 5, ns an address, this one 3.9): gathers of 16 lanes with lists
//! of the lanes that need more (6.6); gathers of 8 lanes through all steps in one loop (11), since
//! a gather that waits for another stops what is behind it, and a loop for each step (5.9); the
//! steps left to the compiler for AVX-512, which makes gathers of them (4.2); a shift computed by a
//! subtraction, for which the compiler takes 8-bit registers and so chains all lanes (11); a
//! prefetch in each step (5.2); loops unrolled by four (5.7).
//!
//! This is a room for unsafe code (STYLE §11). What it needs from elsewhere:
//!
//! - instructions: a [`Level`] is made by [`Level::detect`] or checked by `Fib::with_level`;
//! - positions: `build.rs` and `update.rs` place entries that lead into the arena, `arena.rs` never
//!   makes an arena smaller; line 0 is a dummy;
//! - loads that are no atomics: lines that a version reaches are not written while it lives.

use crate::base::ids::GroupId;
use crate::base::prefetch::prefetch_pointer;
use crate::fib::arena::{CODE_SHIFT, LEAF_MIN, LINE_MASK, LINE_WORDS, NODE_MIN, TABLE_MIN};
use crate::fib::build::{
    KEY_START, LEAF_KEYS, LEAF_VALUES_WORD, NODE_BASE_WORD, NODE_COVER_WORD, NODE_EXPECTED_WORD,
    NODE_HALF_WORD, NODE_INDEX_WORD, NODE_MASK_WORD, NODE_SHIFT_WORD,
};
use crate::fib::table::{
    BLOCK_BITS, FAN, Index, LOOKUP_BURST_MAX, NO_MATCH, page_index, top_index,
};
use core::hint::select_unpredictable as select;

const _: () = assert!(COVER_WORD as usize == NODE_COVER_WORD);

/// Which instructions lookups use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// None that every processor has not.
    Portable,
    /// AVX2 with BMI2.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
}

impl Level {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The best that this processor has.
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|level| level.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => x86::has_avx2(),
            Self::Avx512 => x86::has_avx512(),
        }
    }
}

/// The groups for up to 64 addresses, with the instructions of the table's level.
#[inline]
pub(super) fn find_burst(index: &Index, addresses: &[u128], groups: &mut [GroupId]) {
    let count = addresses.len().min(groups.len()).min(LOOKUP_BURST_MAX);
    let (addresses, groups) = (&addresses[..count], &mut groups[..count]);
    debug_assert!(index.level.is_available());
    // SAFETY: the processor has the instructions (see the text above); both slices hold the same
    // number of elements, at most 64.
    unsafe {
        match index.level {
            Level::Portable => portable(index, addresses, groups),
            Level::Avx2 => x86::avx2(index, addresses, groups),
            Level::Avx512 => x86::avx512(index, addresses, groups),
        }
    }
}

/// # Safety
/// As many groups as addresses, at most 64.
unsafe fn portable(index: &Index, addresses: &[u128], groups: &mut [GroupId]) {
    // SAFETY: as the caller says; the line is one of the arena.
    unsafe {
        let mut found = Found::new();
        found.descend(index, addresses);
        found.finish(index, groups, |line, key| {
            let keys = line.cast::<[u32; LEAF_KEYS]>().read();
            keys.into_iter().map(|word| u32::from(word < key)).sum()
        });
    }
}

/// A word for each lane of a burst.
type Lanes = [u32; LOOKUP_BURST_MAX];

/// Leaves that are asked for ahead of the one that is read.
const AHEAD: usize = 8;
/// Bits of a key that lead to the page.
const REST_SHIFT: u8 = BLOCK_BITS - KEY_START;
/// The codes of leaves, of nodes and the lowest of tables.
const LEAF_CODE: u32 = LEAF_MIN >> CODE_SHIFT;
const NODE_CODE: u32 = NODE_MIN >> CODE_SHIFT;
const TABLE_CODE: u32 = TABLE_MIN >> CODE_SHIFT;
/// The word of a node with the entry of whoever differs.
const COVER_WORD: u32 = 5;
/// The bits of an address that index a page, when they are the lowest.
const PAGE_MASK: u64 = FAN as u64 - 1;
/// A line's first word is its number shifted so.
const LINE_SHIFT: u32 = LINE_WORDS.trailing_zeros();
/// Tables below a page.
const TABLES_MAX: usize = 2;

/// What the steps through tables and nodes found.
struct Found {
    /// Bits 16 to 47 of each address.
    keys: Lanes,
    /// A result or a leaf.
    entries: Lanes,
    /// Where the line of the leaf begins, or the dummy; beyond the burst the dummy.
    leaves: [u32; LOOKUP_BURST_MAX + AHEAD],
    /// Whether there is any leaf.
    has_leaves: bool,
}

impl Found {
    #[inline(always)]
    const fn new() -> Self {
        Self {
            keys: [0; LOOKUP_BURST_MAX],
            entries: [0; LOOKUP_BURST_MAX],
            leaves: [0; LOOKUP_BURST_MAX + AHEAD],
            has_leaves: false,
        }
    }

    /// Goes through tables and nodes.
    ///
    /// # Safety
    /// At most 64 addresses.
    #[inline(always)]
    unsafe fn descend(&mut self, index: &Index, addresses: &[u128]) {
        let count = addresses.len();
        let words = index.arena.lines().as_ptr().cast::<u32>();
        let (keys, entries) = (&mut self.keys, &mut self.entries);
        // Bits 24 to 47, left-aligned, without those that tables have consumed.
        let mut rests = [0; LOOKUP_BURST_MAX];
        // SAFETY: entries lead into the arena, and there are as many lanes as `count` says.
        unsafe {
            if let Some(node) = shared_node(index, addresses) {
                leave_node(words, node, addresses, entries);
            } else {
                enter(index, addresses, entries, keys);
                for lane in 0..count {
                    rests[lane] = keys[lane] << REST_SHIFT;
                }
                for _ in 0..TABLES_MAX {
                    if codes(entries) < 1 << TABLE_CODE {
                        break;
                    }
                    step(words, entries, &mut rests, count);
                }
            }
            while codes(entries) & 1 << NODE_CODE != 0 {
                leave_nodes(words, addresses, entries);
            }
        }
        self.has_leaves = codes(entries) & 1 << LEAF_CODE != 0;
        if self.has_leaves {
            for (leaf, entry) in self.leaves.iter_mut().zip(entries.iter()).take(count) {
                *leaf = select(is_leaf(*entry), first_word(*entry), 0);
            }
        }
    }

    /// Reads the leaves; `count_less` counts the keys of a leaf that are less than a key.
    ///
    /// # Safety
    /// At most 64 groups; the leaves are lines of the arena.
    #[inline(always)]
    unsafe fn finish(
        &self,
        index: &Index,
        groups: &mut [GroupId],
        count_less: impl Fn(*const u32, u32) -> u32,
    ) {
        let count = groups.len();
        let words = index.arena.lines().as_ptr().cast::<u32>();
        let mut values = [0_u16; LOOKUP_BURST_MAX];
        let lanes = if self.has_leaves { count } else { 0 };
        for (lane, value) in values.iter_mut().enumerate().take(lanes) {
            prefetch_pointer(words.wrapping_add(self.leaves[lane + AHEAD] as usize));
            // SAFETY: the leaf is a line of the arena, and has one value more than keys.
            unsafe {
                let line = words.add(self.leaves[lane] as usize);
                let less = count_less(line, self.keys[lane]) as usize;
                *value = line.add(LEAF_VALUES_WORD).cast::<u16>().add(less).read();
            }
        }
        for lane in 0..count {
            let entry = self.entries[lane];
            let value = select(is_leaf(entry), values[lane], lowest(entry));
            groups[lane].0 = select(value == NO_MATCH, index.default, value);
        }
    }
}

/// The entries of the top and of the pages.
///
/// # Safety
/// At most 64 addresses.
#[inline(always)]
unsafe fn enter(index: &Index, addresses: &[u128], entries: &mut Lanes, keys: &mut Lanes) {
    let words = index.arena.lines().as_ptr().cast::<u32>();
    let top = index.top.as_ptr();
    let halves = addresses.as_ptr().cast::<u64>();
    for lane in 0..addresses.len() {
        // SAFETY: an address is two halves, the upper one behind the lower one or before it. The
        // top has an entry for each value of 12 bits, and so has a page, which lies in the arena; a
        // place of 0 is the dummy's.
        unsafe {
            let upper = halves.add(2 * lane + UPPER_HALF).read();
            let entry = top.add((upper >> 52) as usize).read();
            let page = lowest_word(upper >> 40 & PAGE_MASK);
            let place = select(is_table(entry), first_word(entry).wrapping_add(page), 0);
            let found = words.add(place as usize).read();
            entries[lane] = select(is_table(entry), found, entry);
            keys[lane] = lowest_word(upper >> KEY_START);
        }
    }
}

/// Replaces the entries that are tables by those in their slots.
///
/// # Safety
/// At most 64 lanes; `words` are those of the arena that the entries lead into.
#[inline(always)]
unsafe fn step(words: *const u32, entries: &mut Lanes, rests: &mut Lanes, count: usize) {
    for lane in 0..count {
        let (entry, rest) = (entries[lane], rests[lane]);
        let code = entry >> CODE_SHIFT & 31;
        let place = select(is_table(entry), first_word(entry).wrapping_add(rest >> code), 0);
        // SAFETY: a table lies in the arena with all its slots, a place of 0 is the dummy's.
        let found = unsafe { words.add(place as usize).read() };
        entries[lane] = select(is_table(entry), found, entry);
        rests[lane] = rest & ((1 << code) - 1);
    }
}

/// The node that all addresses begin at, where they share a block and it is one: in a cluster
/// nearly every burst goes to addresses of its own /48.
///
/// # Safety
/// The entries of the index lead into its arena.
#[inline(always)]
unsafe fn shared_node(index: &Index, addresses: &[u128]) -> Option<u32> {
    let (first, others) = addresses.split_first()?;
    let differs = |other: &u128| (other ^ first) >> (128 - BLOCK_BITS) != 0;
    // The second one tells bursts of a full table apart without a look at the others.
    if others.first().is_some_and(differs) {
        return None;
    }
    let differs = others.iter().fold(0, |all, other| all | (upper_half(other) ^ upper_half(first)));
    if differs >> (64 - BLOCK_BITS) != 0 {
        return None;
    }
    let words = index.arena.lines().as_ptr().cast::<u32>();
    let entry = index.top[top_index(*first)];
    let place = first_word(entry) as usize + page_index(*first);
    // SAFETY: a page has an entry for each value of 12 bits.
    let found = if is_table(entry) { unsafe { words.add(place).read() } } else { entry };
    Some(found).filter(|entry| is_node(*entry))
}

#[inline(always)]
const fn upper_half(address: &u128) -> u64 {
    (*address >> 64) as u64
}

/// The entries behind one node for all addresses.
///
/// # Safety
/// At most 64 addresses; `words` are those of the arena that the node is in.
#[inline(always)]
unsafe fn leave_node(words: *const u32, node: u32, addresses: &[u128], entries: &mut Lanes) {
    // SAFETY: a node is a line of the arena, and so are its entries.
    unsafe {
        let node = Node::read(words, first_word(node));
        for (entry, address) in entries.iter_mut().zip(addresses) {
            *entry = words.add(node.place(address) as usize).read();
        }
    }
}

/// Replaces the entries that are nodes by what is behind them; lanes that are at none go through
/// the dummy, which leads to nothing.
///
/// # Safety
/// At least as many entries as addresses; `words` are those of the arena that they lead into.
#[inline(always)]
unsafe fn leave_nodes(words: *const u32, addresses: &[u128], entries: &mut [u32]) {
    for (entry, address) in entries.iter_mut().zip(addresses) {
        let line = select(is_node(*entry), first_word(*entry), 0);
        // SAFETY: a node is a line of the arena, and so are its entries; the dummy as a node
        // expects nothing and leads to itself.
        let found = unsafe { words.add(Node::read(words, line).place(address) as usize).read() };
        *entry = select(is_node(*entry), found, *entry);
    }
}

/// What a node says.
struct Node {
    expected: u64,
    mask: u64,
    base: u32,
    cover: u32,
    shift: u32,
    index: u32,
    half: usize,
}

impl Node {
    /// Reads the node that begins at a word.
    ///
    /// # Safety
    /// The line at `first` is one behind `words`.
    #[inline(always)]
    unsafe fn read(words: *const u32, first: u32) -> Self {
        // SAFETY: a line has these words, and is aligned for longer ones.
        unsafe {
            let line = words.add(first as usize);
            Self {
                expected: line.add(NODE_EXPECTED_WORD).cast::<u64>().read(),
                mask: line.add(NODE_MASK_WORD).cast::<u64>().read(),
                base: line.add(NODE_BASE_WORD).read(),
                cover: first | COVER_WORD,
                shift: line.add(NODE_SHIFT_WORD).read(),
                index: line.add(NODE_INDEX_WORD).read(),
                half: line.add(NODE_HALF_WORD).read() as usize,
            }
        }
    }

    /// Where the entry of an address stands.
    ///
    /// # Safety
    /// The node was one, or the dummy.
    #[inline(always)]
    unsafe fn place(&self, address: &u128) -> u32 {
        let halves = core::ptr::from_ref(address).cast::<u64>();
        // SAFETY: an address is two halves.
        let bits = unsafe { halves.add(self.half ^ UPPER_HALF).read() };
        let slot = lowest_word(bits >> (self.shift & 63)) & self.index;
        select((bits ^ self.expected) & self.mask == 0, self.base.wrapping_add(slot), self.cover)
    }
}

/// The codes that occur, as bits: one for each of the 32.
#[inline(always)]
fn codes(entries: &Lanes) -> u32 {
    entries.iter().fold(0, |codes, entry| codes | 1 << (entry >> CODE_SHIFT & 31))
}

#[inline(always)]
const fn is_table(entry: u32) -> bool {
    entry >= TABLE_MIN
}

#[inline(always)]
const fn is_node(entry: u32) -> bool {
    entry >> CODE_SHIFT == NODE_CODE
}

#[inline(always)]
const fn is_leaf(entry: u32) -> bool {
    entry >> CODE_SHIFT == LEAF_CODE
}

/// Which of the halves of an address in memory is the upper one; values and nodes are read in the
/// order of the processor as well.
const UPPER_HALF: usize = 1;
const _: () = assert!(cfg!(target_endian = "little"), "lines are read as they were written");

/// Where the line of an entry begins.
#[inline(always)]
const fn first_word(entry: u32) -> u32 {
    (entry & LINE_MASK) << LINE_SHIFT
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the others are not wanted")]
const fn lowest_word(bits: u64) -> u32 {
    bits as u32
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a result has 16 bits")]
const fn lowest(entry: u32) -> u16 {
    entry as u16
}

/// The levels of x86-64.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Found, GroupId, Index, LEAF_KEYS};
    use core::arch::x86_64::{
        _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_load_si256, _mm256_movemask_ps,
        _mm256_set1_epi32, _mm256_xor_si256, _mm512_load_si512, _mm512_mask_cmplt_epu32_mask,
        _mm512_set1_epi32,
    };
    use std::arch::is_x86_feature_detected;

    /// The words of a leaf that are keys.
    const KEY_WORDS: u16 = (1 << LEAF_KEYS) - 1;
    /// Those of them in its second half.
    const KEY_WORDS_BEHIND: u32 = KEY_WORDS as u32 >> 8;

    pub(super) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
    }

    pub(super) fn has_avx512() -> bool {
        has_avx2()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
    }

    /// The steps are the same for both levels: with AVX-512 the compiler would make gathers of
    /// them.
    ///
    /// # Safety
    /// The processor has these instructions; at most 64 addresses.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    #[inline(never)]
    unsafe fn descend(found: &mut Found, index: &Index, addresses: &[u128]) {
        // SAFETY: as the caller says.
        unsafe { found.descend(index, addresses) };
    }

    /// # Safety
    /// The processor has these instructions; as many groups as addresses, at most 64.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    pub(super) unsafe fn avx2(index: &Index, addresses: &[u128], groups: &mut [GroupId]) {
        // SAFETY: as the caller says; the line is one of the arena, aligned and as long as two
        // vectors.
        unsafe {
            let mut found = Found::new();
            descend(&mut found, index, addresses);
            found.finish(index, groups, |line, key| {
                // There are comparisons of signed numbers only.
                let bias = _mm256_set1_epi32(i32::MIN);
                let key = _mm256_set1_epi32(key.cast_signed() ^ i32::MIN);
                let less = |words: *const u32| {
                    let words = _mm256_xor_si256(_mm256_load_si256(words.cast()), bias);
                    _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(key, words)))
                        .cast_unsigned()
                };
                let less = less(line) | (less(line.add(8)) & KEY_WORDS_BEHIND) << 8;
                less.count_ones()
            });
        }
    }

    /// # Safety
    /// The processor has these instructions; as many groups as addresses, at most 64.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,popcnt")]
    pub(super) unsafe fn avx512(index: &Index, addresses: &[u128], groups: &mut [GroupId]) {
        // SAFETY: as the caller says; the line is one of the arena, aligned and as long as a
        // vector.
        unsafe {
            let mut found = Found::new();
            descend(&mut found, index, addresses);
            found.finish(index, groups, |line, key| {
                let words = _mm512_load_si512(line.cast());
                let key = _mm512_set1_epi32(key.cast_signed());
                u32::from(_mm512_mask_cmplt_epu32_mask(KEY_WORDS, words, key)).count_ones()
            });
        }
    }
}

/// Processors that have none of the levels but the portable one.
#[cfg(not(target_arch = "x86_64"))]
mod x86 {
    use super::{GroupId, Index};

    pub(super) const fn has_avx2() -> bool {
        false
    }

    pub(super) const fn has_avx512() -> bool {
        false
    }

    /// # Safety
    /// Never called: there is no such level here.
    pub(super) unsafe fn avx2(_: &Index, _: &[u128], _: &mut [GroupId]) {
        unreachable!("not available")
    }

    /// # Safety
    /// Never called: there is no such level here.
    pub(super) unsafe fn avx512(_: &Index, _: &[u128], _: &mut [GroupId]) {
        unreachable!("not available")
    }
}
