//! Values at prefixes, found by a prefix inside.
//!
//! Owns [`Nest`]: prefixes in their order, each with the one that is next around it. The last one
//! that is not behind a prefix lies inside every other that is around it, so that one search and a
//! walk outwards find them all, the nearest first.
//!
//! *Invariants*: the one around another has a smaller number; a nest does not change.

use crate::base::prefix::Ipv6Prefix;
use std::collections::BTreeMap;

/// Nothing is around it.
const NONE: u32 = u32::MAX;

/// Values at prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nest<V> {
    prefixes: Vec<Ipv6Prefix>,
    values: Vec<V>,
    /// For each of them, the number of the one around it.
    outer: Vec<u32>,
}

impl<V> Nest<V> {
    /// A nest of these.
    pub fn new(entries: BTreeMap<Ipv6Prefix, V>) -> Self {
        let mut nest = Self { prefixes: Vec::new(), values: Vec::new(), outer: Vec::new() };
        // Those around the prefix that comes next, the outermost first.
        let mut open: Vec<(Ipv6Prefix, u32)> = Vec::new();
        for (prefix, value) in entries {
            while open.last().is_some_and(|(outer, _)| !outer.covers(prefix)) {
                open.pop();
            }
            let number = u32::try_from(nest.prefixes.len()).unwrap_or(NONE);
            nest.outer.push(open.last().map_or(NONE, |(_, number)| *number));
            nest.prefixes.push(prefix);
            nest.values.push(value);
            open.push((prefix, number));
        }
        nest
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// The values at `prefix` and at those around it, the nearest first.
    pub fn around(&self, prefix: Ipv6Prefix) -> impl Iterator<Item = &V> {
        let behind = self.prefixes.partition_point(|other| *other <= prefix);
        let before = behind.checked_sub(1).and_then(|at| u32::try_from(at).ok());
        let mut next = before;
        core::iter::from_fn(move || {
            loop {
                let at = next? as usize;
                next = self.outer.get(at).copied().filter(|outer| *outer != NONE);
                if self.prefixes.get(at)?.covers(prefix) {
                    return self.values.get(at);
                }
            }
        })
    }
}

impl<V: Clone> Nest<V> {
    /// Joins to each value those around it, the outermost first.
    pub fn inherit(&mut self, join: impl Fn(&mut V, &V)) {
        for at in 0..self.values.len() {
            // A smaller number: it has its own inheritance already.
            let outer = self.outer.get(at).and_then(|outer| self.values.get(*outer as usize));
            if let (Some(outer), Some(value)) = (outer.cloned(), self.values.get_mut(at)) {
                join(value, &outer);
            }
        }
    }
}
