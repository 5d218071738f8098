//! All prefixes of all RIBs, numbered: the number is the index everywhere else.
//!
//! Owns [`PrefixTable`], one for each speaker, and what every prefix has: where the list of its
//! paths begins, which path is best, and by which exits its packets leave.
//!
//! *Invariants*: numbers are dense; a freed number is used again. In order of prefixes only on
//! demand, by sorting.

use super::index::{Hash, Index};
use super::limits::{PREFIXES_MAX, is_roomy};
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;

/// A prefix, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PrefixId(pub(super) u32);

impl PrefixId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// No path, no exits: where a number is stored.
pub(super) const NONE: u32 = u32::MAX;
/// Instead of the number of exits: packets are discarded.
pub(super) const DISCARD: u32 = u32::MAX - 1;
/// A length that no prefix has: the number is free.
const FREE: u8 = u8::MAX;

/// What every prefix has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    bits: [u64; 2],
    length: u8,
    /// Whether it waits to be decided.
    pub is_queued: bool,
    /// Whether it waits to be freed.
    pub is_empty: bool,
    /// Whether its best path has gone or has other attributes since it was decided.
    pub is_best_changed: bool,
    /// Its first path.
    pub first_path: u32,
    /// Its best path.
    pub best_path: u32,
    /// Its exits.
    pub exits: u32,
}

/// All prefixes.
#[derive(Clone, Debug)]
pub(super) struct PrefixTable {
    entries: Vec<Entry>,
    index: Index,
    free: Vec<u32>,
    seed: u64,
    limit: usize,
}

impl PrefixTable {
    pub(super) const fn new(seed: u64) -> Self {
        let index = Index::new();
        Self { entries: Vec::new(), index, free: Vec::new(), seed, limit: PREFIXES_MAX }
    }

    /// The number of a prefix that is there.
    pub(super) fn find(&self, prefix: Ipv6Prefix) -> Option<PrefixId> {
        let (bits, length) = (halves(prefix), prefix.length());
        let entries = &self.entries;
        let is_it = |number: u32| {
            let entry = &entries[number as usize];
            entry.bits == bits && entry.length == length
        };
        self.index.find(hash(self.seed, bits, length), is_it).map(PrefixId)
    }

    /// The number of a prefix; `None` where the table is full.
    pub(super) fn intern(&mut self, prefix: Ipv6Prefix) -> Option<PrefixId> {
        if let Some(id) = self.find(prefix) {
            return Some(id);
        }
        if self.len() >= self.limit {
            return None;
        }
        let entry = Entry {
            bits: halves(prefix),
            length: prefix.length(),
            is_queued: false,
            is_empty: false,
            is_best_changed: false,
            first_path: NONE,
            best_path: NONE,
            exits: NONE,
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[number as usize] = entry;
                number
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).unwrap_or_else(|_| unreachable!("a limit"))
            }
        };
        self.index.insert(hash(self.seed, entry.bits, entry.length), number);
        Some(PrefixId(number))
    }

    /// Whether there is room for more than a few.
    pub(super) const fn is_roomy(&self) -> bool {
        is_roomy(self.len(), self.limit)
    }

    /// Frees a number.
    pub(super) fn free(&mut self, id: PrefixId) {
        let entry = self.entry(id);
        self.index.remove(hash(self.seed, entry.bits, entry.length), id.0);
        self.entry_mut(id).length = FREE;
        self.free.push(id.0);
        if self.free.len() == self.entries.len() {
            self.entries = Vec::new();
            self.free = Vec::new();
        }
    }

    pub(super) fn entry(&self, id: PrefixId) -> &Entry {
        &self.entries[id.index()]
    }

    pub(super) fn entry_mut(&mut self, id: PrefixId) -> &mut Entry {
        &mut self.entries[id.index()]
    }

    /// The prefix that has a number.
    pub(super) fn prefix(&self, id: PrefixId) -> Ipv6Prefix {
        prefix_of(self.entry(id))
    }

    /// Whether a number is in use.
    pub(super) fn is_used(&self, id: PrefixId) -> bool {
        self.entries.get(id.index()).is_some_and(|entry| entry.length != FREE)
    }

    /// Prefixes.
    pub(super) const fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Numbers, free ones included.
    pub(super) const fn bound(&self) -> usize {
        self.entries.len()
    }

    /// All numbers in use, in the order of their prefixes.
    pub(super) fn sorted(&self) -> Vec<PrefixId> {
        let numbered = (0_u32..).map(PrefixId).zip(&self.entries);
        let mut used: Vec<_> = numbered.filter(|(_, entry)| entry.length != FREE).collect();
        used.sort_unstable_by_key(|(_, entry)| (entry.bits, entry.length));
        used.into_iter().map(|(id, _)| id).collect()
    }

    /// The first numbers in use behind a prefix, in the order of their prefixes: `most` at most.
    /// The table is looked through once; memory is taken for twice as many as are wanted.
    pub(super) fn sorted_behind(&self, after: Option<Ipv6Prefix>, most: usize) -> Vec<PrefixId> {
        let floor = after.map(|after| (halves(after), after.length()));
        let mut ceiling = None;
        let mut found: Vec<(([u64; 2], u8), u32)> = Vec::new();
        for (number, entry) in (0_u32..).zip(&self.entries) {
            let key = (entry.bits, entry.length);
            let is_behind = floor.is_none_or(|floor| key > floor);
            let is_near = ceiling.is_none_or(|ceiling| key < ceiling);
            if entry.length == FREE || !is_behind || !is_near {
                continue;
            }
            found.push((key, number));
            if found.len() >= most * 2 && most > 0 {
                let (_, last, _) = found.select_nth_unstable(most - 1);
                ceiling = Some(last.0);
                found.truncate(most);
            }
        }
        found.sort_unstable();
        found.into_iter().take(most).map(|(_, number)| PrefixId(number)).collect()
    }

    /// Octets of memory.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.free.capacity() * size_of::<u32>()
            + self.index.bytes()
    }
}

fn prefix_of(entry: &Entry) -> Ipv6Prefix {
    let [high, low] = entry.bits;
    let bits = u128::from(high) << 64 | u128::from(low);
    Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), entry.length)
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
const fn halves(prefix: Ipv6Prefix) -> [u64; 2] {
    [(prefix.bits() >> 64) as u64, prefix.bits() as u64]
}

fn hash(seed: u64, [high, low]: [u64; 2], length: u8) -> u64 {
    Hash::new(seed).add(high, low).add(u64::from(length), 0).value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_freed_and_used_again() {
        let mut table = PrefixTable::new(3);
        let wide: Ipv6Prefix = "2001:db8::/32".parse().unwrap();
        let narrow: Ipv6Prefix = "2001:db8::/48".parse().unwrap();
        let (one, other) = (table.intern(narrow).unwrap(), table.intern(wide).unwrap());
        assert_eq!((table.find(narrow), table.find(wide)), (Some(one), Some(other)));
        assert_eq!(table.sorted(), [other, one]);
        assert_eq!(table.prefix(one), narrow);
        table.free(one);
        assert_eq!((table.find(narrow), table.len()), (None, 1));
        assert_eq!(table.intern(Ipv6Prefix::DEFAULT), Some(one));
    }

    #[test]
    fn what_is_behind_a_prefix_is_what_the_order_of_all_says() {
        let mut table = PrefixTable::new(3);
        let prefix = |number: u16| {
            let address = Ipv6Addr::new(0x2001, number.wrapping_mul(40_503), 0, 0, 0, 0, 0, 0);
            Ipv6Prefix::containing(address, 32 + u8::try_from(number % 5).unwrap())
        };
        let ids: Vec<PrefixId> = (0..500).map(|n| table.intern(prefix(n)).unwrap()).collect();
        ids.iter().step_by(7).for_each(|id| table.free(*id));
        let all = table.sorted();
        for most in [1, 3, 64, 1000] {
            let (mut after, mut found) = (None, Vec::new());
            loop {
                let page = table.sorted_behind(after, most);
                assert!(page.len() <= most);
                found.extend_from_slice(&page);
                match page.last() {
                    Some(last) => after = Some(table.prefix(*last)),
                    None => break,
                }
            }
            assert_eq!(found, all, "{most}");
        }
    }

    #[test]
    fn a_full_table_refuses_new_prefixes_only() {
        let mut table = PrefixTable { limit: 1, ..PrefixTable::new(3) };
        let one = table.intern(Ipv6Prefix::DEFAULT);
        assert!(one.is_some());
        assert_eq!(table.intern("2001:db8::/32".parse().unwrap()), None);
        assert_eq!(table.intern(Ipv6Prefix::DEFAULT), one);
    }

    #[test]
    fn a_prefix_takes_32_octets_and_its_place_in_the_index() {
        assert_eq!(size_of::<Entry>(), 32);
    }
}
