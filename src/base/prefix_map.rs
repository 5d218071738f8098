//! Values at prefixes that come and go, found by a prefix inside.
//!
//! Owns [`PrefixMap`]: prefixes in their order. Those around a prefix are found from the inside
//! out: the last one that is not behind it is the nearest, or tells by how many bits it differs
//! that none longer than those is around.
//!
//! *Invariants*: a step outwards is one search, and each goes to a shorter length.

use crate::base::prefix::Ipv6Prefix;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Values at prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixMap<V> {
    entries: BTreeMap<Ipv6Prefix, V>,
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<V> PrefixMap<V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The value at exactly this prefix.
    pub fn get_mut(&mut self, prefix: Ipv6Prefix) -> Option<&mut V> {
        self.entries.get_mut(&prefix)
    }

    /// Puts a value at a prefix; the one before.
    pub fn insert(&mut self, prefix: Ipv6Prefix, value: V) -> Option<V> {
        self.entries.insert(prefix, value)
    }

    /// Takes the value at a prefix away.
    pub fn remove(&mut self, prefix: Ipv6Prefix) -> Option<V> {
        self.entries.remove(&prefix)
    }

    /// Prefixes and values behind `after`, in order.
    pub fn behind(&self, after: Option<Ipv6Prefix>) -> impl Iterator<Item = (Ipv6Prefix, &V)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((from, Bound::Unbounded)).map(|(prefix, value)| (*prefix, value))
    }

    /// What is at `prefix` and around it, the nearest first.
    pub fn around(&self, prefix: Ipv6Prefix) -> impl Iterator<Item = (Ipv6Prefix, &V)> {
        let mut probe = (!self.entries.is_empty()).then_some(prefix);
        core::iter::from_fn(move || {
            loop {
                let (found, value) = self.entries.range(..=probe?).next_back()?;
                if found.covers(prefix) {
                    let shorter = found.length().checked_sub(1);
                    probe = shorter.map(|length| Ipv6Prefix::containing(prefix.address(), length));
                    return Some((*found, value));
                }
                // Whatever is longer than the common bits, and around `prefix`, would lie behind
                // what was found.
                let common = (found.bits() ^ prefix.bits()).leading_zeros();
                let common = u8::try_from(common).unwrap_or(prefix.length());
                probe = Some(Ipv6Prefix::containing(prefix.address(), common));
            }
        })
    }

    /// Whether anything is at `prefix` or around it.
    pub fn covers(&self, prefix: Ipv6Prefix) -> bool {
        self.around(prefix).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few bits, so that many are within others.
    fn prefixes() -> impl Strategy<Value = Ipv6Prefix> {
        (any::<u8>(), 0_u8..=9, any::<bool>()).prop_map(|(bits, length, is_deep)| {
            let bits = u128::from(bits) << if is_deep { 0 } else { 120 };
            let length = if is_deep { 119 + length } else { length };
            Ipv6Prefix::containing(core::net::Ipv6Addr::from_bits(bits), length)
        })
    }

    proptest! {
        #[test]
        fn around_is_what_a_look_at_all_of_them_finds(
            all in proptest::collection::btree_set(prefixes(), 0..40),
            wanted in prefixes(),
        ) {
            let mut map = PrefixMap::default();
            all.iter().for_each(|prefix| { map.insert(*prefix, prefix.length()); });
            let mut expected: Vec<Ipv6Prefix> =
                all.into_iter().filter(|prefix| prefix.covers(wanted)).collect();
            expected.sort_by_key(|prefix| core::cmp::Reverse(prefix.length()));
            let found: Vec<Ipv6Prefix> = map.around(wanted).map(|(prefix, _)| prefix).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(map.covers(wanted), !expected.is_empty());
        }
    }

    #[test]
    fn what_is_removed_is_around_nothing() {
        let mut map = PrefixMap::default();
        let wide: Ipv6Prefix = "2001:db8::/32".parse().unwrap();
        map.insert(wide, 1);
        assert!(map.covers("2001:db8:1::/48".parse().unwrap()));
        assert_eq!(map.remove(wide), Some(1));
        assert!(!map.covers("2001:db8:1::/48".parse().unwrap()) && map.is_empty());
    }
}
