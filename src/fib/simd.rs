//! The burst lookup with vector instructions.
//!
//! Owns [`Level`], which of them a processor has, and the same walk as `lookup.rs` for 64 addresses
//! at once: the entries of 16 addresses are gathered together, then each address compares its key
//! with a whole line. Steps that an address does not need are taken in a dummy line, since a branch
//! that is taken half of the time costs more than a line that is always there. What is rare, a
//! table below a table, walks alone.
//!
//! This is a room for unsafe code (STYLE §11). What it needs from elsewhere:
//!
//! - instructions: a [`Level`] is made by [`Level::detect`] or checked by `Fib::with_level`;
//! - positions: `build.rs` and `update.rs` place entries that lead into the arena, `arena.rs` never
//!   makes an arena smaller;
//! - loads that are no atomics: lines that a version reaches are not written while it lives.

use crate::base::ids::GroupId;
use crate::fib::table::Index;

/// Which instructions lookups use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// None that every processor has not.
    Portable,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
}

impl Level {
    /// The best that this processor has.
    pub fn detect() -> Self {
        [Self::Avx512].into_iter().find(|level| level.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx512 => has_avx512(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("popcnt")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

/// Looks up to 64 addresses up; `level` is one of this processor.
#[inline]
pub(super) fn find_burst(index: &Index, level: Level, addresses: &[u128], groups: &mut [GroupId]) {
    debug_assert!(level == Level::Avx512 && level.is_available());
    #[cfg(target_arch = "x86_64")]
    {
        let count = addresses.len().min(groups.len()).min(super::table::LOOKUP_BURST_MAX);
        // SAFETY: the processor has the instructions (see the text above); both slices hold
        // `count` elements.
        unsafe { avx512::find_burst(index, &addresses[..count], &mut groups[..count]) };
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{GroupId, Index};
    use crate::fib::arena::{KIND_SHIFT, LINE_MASK, WIDTH_SHIFT};
    use crate::fib::build::{
        KEY_START, LEAF_KEYS, LEAF_VALUES_WORD, SHELF_KEYS, SHELF_LEAVES_WORD,
    };
    use crate::fib::table::{BLOCK_BITS, LOOKUP_BURST_MAX, NO_MATCH};
    use core::arch::x86_64::{
        __m256i, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi32, _mm512_and_si512,
        _mm512_castsi256_si512, _mm512_cmpeq_epi16_mask, _mm512_cmpeq_epi32_mask,
        _mm512_cmpge_epu32_mask, _mm512_cmplt_epu32_mask, _mm512_cvtepi32_epi16,
        _mm512_cvtepi64_epi32, _mm512_i32gather_epi32, _mm512_inserti64x4, _mm512_load_si512,
        _mm512_loadu_si512, _mm512_mask_blend_epi16, _mm512_mask_i32gather_epi32,
        _mm512_maskz_and_epi32, _mm512_permutex2var_epi64, _mm512_set_epi64, _mm512_set1_epi16,
        _mm512_set1_epi32, _mm512_slli_epi32, _mm512_sllv_epi32, _mm512_srli_epi32,
        _mm512_srli_epi64, _mm512_srlv_epi32, _mm512_store_si512, _mm512_storeu_si512,
        _mm512_sub_epi32, _mm512_test_epi32_mask,
    };

    /// Addresses that are gathered together.
    const LANES: usize = 16;
    /// Tables below the page that are gone through together; a third one is rare.
    const TABLE_STEPS: usize = 1;

    /// Something aligned like a line.
    #[repr(align(64))]
    struct Lines<T, const N: usize>([T; N]);

    /// What the gathers of 16 addresses found.
    struct Found {
        entries: __m512i,
        keys: __m512i,
    }

    /// A burst on its way.
    struct Lanes {
        /// Bits 16 to 47 of each address.
        keys: Lines<u32, LOOKUP_BURST_MAX>,
        /// The line that each lane reads next; the dummy where it needs none.
        places: Lines<u32, LOOKUP_BURST_MAX>,
        /// What stands in the entry itself.
        direct: Lines<u16, LOOKUP_BURST_MAX>,
        /// Lanes whose value is in a leaf, …
        leaves: u64,
        /// … those of them that reach it by a shelf, …
        shelves: u64,
        /// … and those that walk alone.
        rare: u64,
    }

    /// # Safety
    /// The processor has AVX-512 F, BW, DQ and VL, BMI2 and POPCNT; at most 64 addresses, and as
    /// many groups.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")]
    pub(super) unsafe fn find_burst(index: &Index, addresses: &[u128], groups: &mut [GroupId]) {
        let count = addresses.len();
        let lines = index.arena.lines().as_ptr().cast::<u8>();
        let mut lanes = Lanes {
            keys: Lines([0; LOOKUP_BURST_MAX]),
            places: Lines([0; LOOKUP_BURST_MAX]),
            direct: Lines([0; LOOKUP_BURST_MAX]),
            leaves: 0,
            shelves: 0,
            rare: 0,
        };
        for start in (0..count).step_by(LANES) {
            let mut rest = Lines([0_u128; LANES]);
            let first = match addresses.get(start..start + LANES) {
                Some(full) => full.as_ptr(),
                None => {
                    let part = &addresses[start..];
                    rest.0[..part.len()].copy_from_slice(part);
                    rest.0.as_ptr()
                }
            };
            // SAFETY: 16 addresses stand at `first`, and `start` is at most 48.
            unsafe { lanes.begin(start, &entries_of(index, first), lines) };
        }
        // SAFETY: places are shelves of the arena where `shelves` says so.
        unsafe { lanes.leave_shelves(lines) };
        let mut found = Lines([0_u16; LOOKUP_BURST_MAX]);
        for lane in 0..count.next_multiple_of(8) {
            // SAFETY: places are lines of the arena.
            found.0[lane] = unsafe { leaf_value(lines, lanes.places.0[lane], lanes.keys.0[lane]) };
        }
        // SAFETY: only the instructions are needed.
        unsafe { settle(index.default, &lanes.direct, &mut found, lanes.leaves) };
        for (group, value) in groups.iter_mut().zip(&found.0) {
            *group = GroupId(*value);
        }
        if lanes.rare != 0 {
            let known = if count == LOOKUP_BURST_MAX { u64::MAX } else { (1 << count) - 1 };
            walk_alone(index, addresses, groups, lanes.rare & known);
        }
    }

    impl Lanes {
        /// Sorts 16 lanes from `start` on by what their entries say.
        ///
        /// # Safety
        /// `start` is at most 48.
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")]
        #[inline]
        unsafe fn begin(&mut self, start: usize, found: &Found, lines: *const u8) {
            let Found { entries, keys } = *found;
            let kinds = _mm512_srli_epi32::<{ KIND_SHIFT }>(entries);
            let is_leaf = _mm512_cmpeq_epi32_mask(kinds, _mm512_set1_epi32(1));
            // A shelf is a table of width 0.
            let is_shelf = _mm512_cmpeq_epi32_mask(
                _mm512_srli_epi32::<{ WIDTH_SHIFT }>(entries),
                _mm512_set1_epi32(2 << 4),
            );
            let is_rare = _mm512_cmpge_epu32_mask(kinds, _mm512_set1_epi32(2)) & !is_shelf;
            let mask = _mm512_set1_epi32(LINE_MASK as i32);
            let places = _mm512_maskz_and_epi32(is_leaf | is_shelf, entries, mask);
            // SAFETY: the arrays hold 64 aligned elements, 16 of them from `start` on.
            unsafe {
                _mm512_store_si512(self.keys.0.as_mut_ptr().add(start).cast(), keys);
                _mm512_store_si512(self.places.0.as_mut_ptr().add(start).cast(), places);
                let halves = _mm512_cvtepi32_epi16(entries);
                self.direct.0.as_mut_ptr().add(start).cast::<__m256i>().write_unaligned(halves);
            }
            for place in &self.places.0[start..start + LANES] {
                _mm_prefetch::<_MM_HINT_T0>(lines.wrapping_add(*place as usize * 64).cast());
            }
            self.leaves |= u64::from(is_leaf | is_shelf) << start;
            self.shelves |= u64::from(is_shelf) << start;
            self.rare |= u64::from(is_rare) << start;
        }

        /// Takes the lanes at a shelf to their leaves.
        ///
        /// # Safety
        /// The places of these lanes are shelves behind `lines`.
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")]
        #[inline]
        unsafe fn leave_shelves(&mut self, lines: *const u8) {
            let mut left = self.shelves;
            while left != 0 {
                let lane = left.trailing_zeros() as usize;
                left &= left - 1;
                // SAFETY: the place is a shelf; the hint does not fault.
                unsafe {
                    let leaf = leaf_of_shelf(lines, self.places.0[lane], self.keys.0[lane]);
                    self.places.0[lane] = leaf;
                    _mm_prefetch::<_MM_HINT_T0>(lines.wrapping_add(leaf as usize * 64).cast());
                }
            }
        }
    }

    /// The entries that page and table hold for 16 addresses, and their keys.
    ///
    /// # Safety
    /// 16 addresses stand at `first`.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")]
    #[inline]
    unsafe fn entries_of(index: &Index, first: *const u128) -> Found {
        let upper = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
        let words = first.cast::<i64>();
        // SAFETY: 32 words stand there.
        let pairs = unsafe {
            [0, 8, 16, 24].map(|place| _mm512_loadu_si512(words.add(place).cast::<__m512i>()))
        };
        let low = _mm512_permutex2var_epi64(pairs[0], upper, pairs[1]);
        let high = _mm512_permutex2var_epi64(pairs[2], upper, pairs[3]);
        let narrow = |low: __m512i, high: __m512i| {
            let (low, high) = (_mm512_cvtepi64_epi32(low), _mm512_cvtepi64_epi32(high));
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        };
        let tops = narrow(_mm512_srli_epi64::<52>(low), _mm512_srli_epi64::<52>(high));
        let keys = narrow(_mm512_srli_epi64::<16>(low), _mm512_srli_epi64::<16>(high));
        let pages = narrow(_mm512_srli_epi64::<40>(low), _mm512_srli_epi64::<40>(high));
        let pages = _mm512_and_si512(pages, _mm512_set1_epi32(0xfff));
        let arena = index.arena.lines().as_ptr().cast::<i32>();
        // SAFETY: the top has an entry for each value of 12 bits.
        let top = unsafe { _mm512_i32gather_epi32::<4>(tops, index.top.as_ptr().cast()) };
        // SAFETY: a table lies within the arena with all its entries.
        let page = unsafe { step(arena, top, pages) };
        let mut entries = page;
        // What no table has consumed yet, from the upper end on.
        let mut rest = _mm512_slli_epi32::<{ (BLOCK_BITS - KEY_START) as u32 }>(keys);
        for _ in 0..TABLE_STEPS {
            let widths = _mm512_and_si512(
                _mm512_srli_epi32::<{ WIDTH_SHIFT }>(entries),
                _mm512_set1_epi32(15),
            );
            let slots = _mm512_srlv_epi32(rest, _mm512_sub_epi32(_mm512_set1_epi32(32), widths));
            rest = _mm512_sllv_epi32(rest, widths);
            // SAFETY: as above.
            entries = unsafe { step(arena, entries, slots) };
        }
        Found { entries, keys }
    }

    /// Replaces the entries that are tables by those in their slots.
    ///
    /// # Safety
    /// Tables lie within the arena, with these slots.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")]
    #[inline]
    unsafe fn step(arena: *const i32, entries: __m512i, slots: __m512i) -> __m512i {
        let kinds = _mm512_srli_epi32::<{ KIND_SHIFT }>(entries);
        let is_table = _mm512_cmpeq_epi32_mask(kinds, _mm512_set1_epi32(2))
            & _mm512_test_epi32_mask(entries, _mm512_set1_epi32(15 << WIDTH_SHIFT));
        let lines = _mm512_and_si512(entries, _mm512_set1_epi32(LINE_MASK as i32));
        let places = _mm512_add_epi32(_mm512_slli_epi32::<4>(lines), slots);
        // SAFETY: lanes that are no table are not read.
        unsafe { _mm512_mask_i32gather_epi32::<4>(entries, is_table, places, arena) }
    }

    /// The leaf of a shelf for a key.
    ///
    /// # Safety
    /// `place` is a line behind `lines`.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")]
    #[inline]
    unsafe fn leaf_of_shelf(lines: *const u8, place: u32, key: u32) -> u32 {
        // SAFETY: the line is there, and as long and aligned as a vector.
        unsafe {
            let line = lines.add(place as usize * 64);
            let words = _mm512_load_si512(line.cast());
            let less = _mm512_cmplt_epu32_mask(words, _mm512_set1_epi32(key as i32));
            let count = (u32::from(less) & ((1 << SHELF_KEYS) - 1)).count_ones();
            line.cast::<u32>().add(SHELF_LEAVES_WORD).read() + count
        }
    }

    /// The value of a leaf for a key.
    ///
    /// # Safety
    /// `place` is a line behind `lines`.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")]
    #[inline]
    unsafe fn leaf_value(lines: *const u8, place: u32, key: u32) -> u16 {
        // SAFETY: the line is there, and as long and aligned as a vector.
        unsafe {
            let line = lines.add(place as usize * 64);
            let words = _mm512_load_si512(line.cast());
            let less = _mm512_cmplt_epu32_mask(words, _mm512_set1_epi32(key as i32));
            let count = (u32::from(less) & ((1 << LEAF_KEYS) - 1)).count_ones();
            line.cast::<u16>().add(2 * LEAF_VALUES_WORD + count as usize).read()
        }
    }

    /// Takes the direct answers where there is no leaf, and the default route where there is none.
    ///
    /// # Safety
    /// None but the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")]
    #[inline]
    unsafe fn settle(
        default: u16,
        direct: &Lines<u16, LOOKUP_BURST_MAX>,
        found: &mut Lines<u16, LOOKUP_BURST_MAX>,
        leaf_lanes: u64,
    ) {
        let halves = [leaf_lanes & u64::from(u32::MAX), leaf_lanes >> 32];
        for (start, lanes) in [0, 32].into_iter().zip(halves) {
            let lanes = u32::try_from(lanes).unwrap_or(0);
            // SAFETY: 32 of 64 elements from 0 or 32 on.
            unsafe {
                let direct = _mm512_loadu_si512(direct.0.as_ptr().add(start).cast());
                let leaf = _mm512_loadu_si512(found.0.as_ptr().add(start).cast());
                let both = _mm512_mask_blend_epi16(lanes, direct, leaf);
                let none = _mm512_cmpeq_epi16_mask(both, _mm512_set1_epi16(NO_MATCH as i16));
                let both = _mm512_mask_blend_epi16(none, both, _mm512_set1_epi16(default as i16));
                _mm512_storeu_si512(found.0.as_mut_ptr().add(start).cast(), both);
            }
        }
    }

    /// The lanes that need more steps.
    #[cold]
    #[inline(never)]
    fn walk_alone(index: &Index, addresses: &[u128], groups: &mut [GroupId], mut lanes: u64) {
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            groups[lane] = GroupId(index.find(addresses[lane]));
        }
    }

    const _: () = assert!(LOOKUP_BURST_MAX.is_multiple_of(LANES));
}
