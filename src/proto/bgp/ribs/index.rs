//! Finding the number of a value: an open-addressing index of numbers.
//!
//! Owns [`Index`], which knows numbers and hashes only; the values stand in the table of whoever
//! asks. Linear probing, deletion by shifting back, so that nothing is left behind. One for each
//! table of values.
//!
//! *Invariants*: at most seven eighths are in use. Nothing can be listed from here, so that the
//! order of hashes never shows. Hashes are keyed by a seed from outside: whoever sends routes does
//! not know which of them share a place.

/// No number.
const EMPTY: u32 = u32::MAX;
/// Places of the least index that is not empty.
const PLACES_MIN: usize = 16;

/// A number, and half of the hash of its value: enough to find its place, and to pass by nearly
/// all other values without a look at them, each of which would be a wait for memory.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u32,
    half: u32,
}

const FREE: Place = Place { number: EMPTY, half: 0 };

/// Numbers by the hash of their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    places: Vec<Place>,
    count: usize,
}

impl Index {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), count: 0 }
    }

    /// The number whose value has this hash and is the one sought.
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let (half, mask) = (half(hash), self.places.len() - 1);
        let mut at = first(half, mask);
        loop {
            match self.places[at] {
                Place { number: EMPTY, .. } => return None,
                place if place.half == half && is_it(place.number) => return Some(place.number),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a number that is not there.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        if (self.count + 1) * 8 > self.places.len() * 7 {
            self.resize((self.places.len() * 2).max(PLACES_MIN));
        }
        self.put(Place { number, half: half(hash) });
        self.count += 1;
    }

    /// Takes out a number that is there.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let mask = self.places.len() - 1;
        let mut hole = first(half(hash), mask);
        while self.places[hole].number != number {
            assert!(self.places[hole].number != EMPTY, "a number is removed where it was inserted");
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let other = self.places[at];
            if other.number == EMPTY {
                break;
            }
            // It may move back as far as where it would like to stand, and not before that.
            let wanted = first(other.half, mask);
            if (at.wrapping_sub(wanted) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = other;
                hole = at;
            }
        }
        self.places[hole] = FREE;
        self.count -= 1;
        if self.count == 0 {
            self.places = Vec::new();
        }
    }

    /// Octets of memory.
    pub(super) const fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
    }

    fn resize(&mut self, places: usize) {
        let before = core::mem::replace(&mut self.places, vec![FREE; places]);
        before.into_iter().filter(|place| place.number != EMPTY).for_each(|place| self.put(place));
    }

    fn put(&mut self, place: Place) {
        let mask = self.places.len() - 1;
        let mut at = first(place.half, mask);
        while self.places[at].number != EMPTY {
            at = (at + 1) & mask;
        }
        self.places[at] = place;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the half that is kept")]
const fn half(hash: u64) -> u32 {
    hash as u32
}

/// Where a value would like to stand. The limits of all tables are far below four billion, so that
/// half a hash has bits enough.
const fn first(half: u32, mask: usize) -> usize {
    half as usize & mask
}

/// A hash that is keyed by a seed: folded multiplications.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hash {
    /// Begins one.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x6b75_6d69_6b69_6267)
    }

    /// Adds two words.
    pub(super) const fn add(self, one: u64, other: u64) -> Self {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = ((one ^ self.0) as u128) * ((other ^ self.0.rotate_left(32) ^ ODD) as u128);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded into one")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        Self(folded.wrapping_add(self.0.rotate_left(23)))
    }

    /// Adds octets and their count.
    pub(super) fn add_octets(self, octets: &[u8]) -> Self {
        let mut hash = self.add(octets.len() as u64, 0);
        let (pairs, rest) = octets.as_chunks::<16>();
        let word = |octets: &[u8]| {
            octets.iter().rev().fold(0_u64, |word, octet| word << 8 | u64::from(*octet))
        };
        for pair in pairs {
            let (one, other) = pair.split_at(8);
            let array = |half: &[u8]| half.first_chunk::<8>().map_or(0, |a| u64::from_le_bytes(*a));
            hash = hash.add(array(one), array(other));
        }
        let (one, other) = rest.split_at(rest.len().min(8));
        hash.add(word(one), word(other))
    }

    /// The hash.
    pub(super) const fn value(self) -> u64 {
        const ODD: u64 = 0xd6e8_feb8_6659_fd93;
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(ODD);
        mixed ^ (mixed >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Numbers are their own values; only few hashes, so that they stand in each other's way.
        #[test]
        fn what_is_in_is_found_and_what_is_out_is_not(
            steps in prop::collection::vec((0_u32..64, any::<bool>()), 0..300),
            spread in 1_u64..9,
        ) {
            let hash_of = |number: u32| u64::from(number) % spread;
            let (mut index, mut model) = (Index::default(), BTreeSet::new());
            for (number, is_in) in steps {
                if is_in && model.insert(number) {
                    index.insert(hash_of(number), number);
                } else if !is_in && model.remove(&number) {
                    index.remove(hash_of(number), number);
                }
                for number in 0..64 {
                    let found = index.find(hash_of(number), |other| other == number);
                    prop_assert_eq!(found.is_some(), model.contains(&number));
                }
            }
        }
    }

    #[test]
    fn every_octet_and_the_seed_change_the_hash() {
        let octets: Vec<u8> = (0..40).collect();
        let mut seen = BTreeSet::from([Hash::new(1).add_octets(&octets).value()]);
        assert!(seen.insert(Hash::new(2).add_octets(&octets).value()));
        for length in 0..octets.len() {
            assert!(seen.insert(Hash::new(1).add_octets(&octets[..length]).value()));
            let mut other = octets.clone();
            other[length] ^= 1;
            assert!(seen.insert(Hash::new(1).add_octets(&other).value()));
        }
    }
}
