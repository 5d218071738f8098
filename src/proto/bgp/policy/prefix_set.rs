//! Prefixes as a clause asks for them.
//!
//! Owns [`PrefixSet`], compiled from ranges: one search among the prefixes of the ranges and a walk
//! to the nearest one around, which knows by then which lengths are in the set there.
//!
//! *Invariants*: a set has what its ranges have, each alone; a test holds it against them.

use super::nest::Nest;
use crate::base::prefix::Ipv6Prefix;
use crate::base::prefix_range::PrefixRange;
use std::collections::BTreeMap;

/// Lengths of prefixes, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lengths([u64; 3]);

impl Lengths {
    fn add(&mut self, least: u8, most: u8) {
        for length in least..=most {
            if let Some(word) = self.0.get_mut(usize::from(length / 64)) {
                *word |= 1 << (length % 64);
            }
        }
    }

    fn has(&self, length: u8) -> bool {
        self.0.get(usize::from(length / 64)).is_some_and(|word| word >> (length % 64) & 1 == 1)
    }

    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }
}

/// A set of prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixSet {
    lengths: Nest<Lengths>,
    names_default: bool,
}

impl PrefixSet {
    /// What any of these ranges has.
    pub fn new(ranges: impl IntoIterator<Item = PrefixRange>) -> Self {
        let mut entries: BTreeMap<Ipv6Prefix, Lengths> = BTreeMap::new();
        let mut names_default = false;
        for range in ranges {
            let (least, most) = range.lengths();
            entries.entry(range.prefix()).or_default().add(least, most);
            names_default |= range == PrefixRange::exactly(Ipv6Prefix::DEFAULT);
        }
        let mut lengths = Nest::new(entries);
        lengths.inherit(Lengths::join);
        Self { lengths, names_default }
    }

    /// Whether a prefix is in it.
    pub fn contains(&self, prefix: Ipv6Prefix) -> bool {
        self.lengths.around(prefix).next().is_some_and(|lengths| lengths.has(prefix.length()))
    }

    /// Whether `::/0` itself is one of its ranges, and not only inside of one.
    pub const fn names_default(&self) -> bool {
        self.names_default
    }
}
