//! The neighbour cache of one port.
//!
//! Owns [`NdCache`] and [`NdEntry`]: what is known, how many entries there may be and which one
//! goes when they are too many. What an entry does belongs to [`super::nud`].
//!
//! *Invariants*: every entry but the static ones stands in the order of confirmation exactly once.
//! *Standards*: RFC 4861 §5.1, §5.3 (garbage collection), RFC 6583 §6.

use super::limits::QUEUE_PACKETS_MAX;
use super::view::NdState;
use crate::base::bounded::BoundedQueue;
use crate::base::ids::MacAddress;
use crate::base::time::Instant;
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// One neighbour.
#[derive(Clone, Debug)]
pub(super) struct NdEntry {
    /// Where it stands.
    pub(super) state: NdState,
    /// Its MAC; `None` only while incomplete.
    pub(super) mac: Option<MacAddress>,
    /// R-flag.
    pub(super) is_router: bool,
    /// Whether the owner hears of its MAC: a packet went or was to go there, it answered, or the
    /// configuration has it. Who was only heard costs the owner nothing.
    pub(super) is_wanted: bool,
    /// Solicitations sent in this state.
    pub(super) solicits: u8,
    /// End of the reachable time.
    pub(super) reachable_until: Instant,
    /// What waits for the MAC.
    pub(super) queue: BoundedQueue<Vec<u8>>,
    confirmed: Option<Instant>,
    created: Instant,
}

impl NdEntry {
    /// Whether the owner was told its MAC.
    pub(super) const fn is_told(&self) -> bool {
        self.is_wanted && self.mac.is_some()
    }
}

/// Who goes first: never confirmed, then long ago; the oldest of those.
type Age = (Option<Instant>, Instant, Ipv6Addr);

/// All neighbours of a port.
#[derive(Clone, Debug, Default)]
pub(super) struct NdCache {
    entries: BTreeMap<Ipv6Addr, NdEntry>,
    by_age: BTreeSet<Age>,
}

impl NdCache {
    /// The entry of a neighbour.
    pub(super) fn get(&self, address: Ipv6Addr) -> Option<&NdEntry> {
        self.entries.get(&address)
    }

    /// The entry of a neighbour, to change.
    pub(super) fn get_mut(&mut self, address: Ipv6Addr) -> Option<&mut NdEntry> {
        self.entries.get_mut(&address)
    }

    /// Every entry, by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv6Addr, &NdEntry)> {
        self.entries.iter().map(|(address, entry)| (*address, entry))
    }

    /// How many are static.
    pub(super) fn static_count(&self) -> usize {
        self.entries.len() - self.by_age.len()
    }

    /// Whether the owner was told the MAC of a neighbour.
    pub(super) fn is_told(&self, address: Ipv6Addr) -> bool {
        self.get(address).is_some_and(NdEntry::is_told)
    }

    /// How many are not.
    pub(super) fn dynamic_count(&self) -> usize {
        self.by_age.len()
    }

    /// Takes out the entry that can best be spared.
    pub(super) fn take_oldest(&mut self) -> Option<(Ipv6Addr, NdEntry)> {
        let (_, _, oldest) = *self.by_age.first()?;
        Some((oldest, self.remove(oldest)?))
    }

    /// Makes an incomplete entry in place of any other; gives back the one that had to go because
    /// there are `limit`.
    pub(super) fn create(
        &mut self,
        now: Instant,
        address: Ipv6Addr,
        limit: usize,
    ) -> Option<(Ipv6Addr, NdEntry)> {
        self.remove(address);
        let evicted = match self.by_age.len() >= limit {
            true => self.take_oldest(),
            false => None,
        };
        let entry = NdEntry {
            state: NdState::Incomplete,
            mac: None,
            is_router: false,
            is_wanted: false,
            solicits: 0,
            reachable_until: Instant::ZERO,
            queue: BoundedQueue::new(QUEUE_PACKETS_MAX),
            confirmed: None,
            created: now,
        };
        self.by_age.insert((None, now, address));
        self.entries.insert(address, entry);
        evicted
    }

    /// Notes that the neighbour answered.
    pub(super) fn confirm(&mut self, now: Instant, address: Ipv6Addr) {
        if let Some(entry) = self.entries.get_mut(&address)
            && self.by_age.remove(&(entry.confirmed, entry.created, address))
        {
            entry.confirmed = Some(now);
            self.by_age.insert((entry.confirmed, entry.created, address));
        }
    }

    /// Turns an entry into one that stays.
    pub(super) fn make_static(&mut self, address: Ipv6Addr) {
        if let Some(entry) = self.entries.get_mut(&address) {
            self.by_age.remove(&(entry.confirmed, entry.created, address));
            entry.state = NdState::Static;
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, address: Ipv6Addr) -> Option<NdEntry> {
        let entry = self.entries.remove(&address)?;
        self.by_age.remove(&(entry.confirmed, entry.created, address));
        Some(entry)
    }

    /// Takes everything out but the static entries.
    pub(super) fn take_dynamic(&mut self) -> Vec<(Ipv6Addr, NdEntry)> {
        self.by_age.clear();
        self.entries.extract_if(.., |_, entry| entry.state != NdState::Static).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::nd::limits::ENTRIES_PER_PORT_MAX as LIMIT;

    fn address(number: usize) -> Ipv6Addr {
        Ipv6Addr::from_bits(0xfe80 << 112 | u128::try_from(number).unwrap())
    }

    #[test]
    fn a_full_cache_gives_up_who_was_confirmed_longest_ago() {
        let mut cache = NdCache::default();
        for number in 0..LIMIT {
            assert!(cache.create(Instant::ZERO, address(number), LIMIT).is_none());
            cache.confirm(Instant::from_millis(10), address(number));
        }
        cache.confirm(Instant::from_millis(20), address(0));
        cache.make_static(address(1));
        let now = Instant::from_millis(30);
        assert!(cache.create(now, address(10_000), LIMIT).is_none(), "a static entry counts apart");
        let gone = |evicted: Option<(Ipv6Addr, NdEntry)>| evicted.map(|(address, _)| address);
        assert_eq!(gone(cache.create(now, address(10_001), LIMIT)), Some(address(10_000)));
        cache.confirm(now, address(10_001));
        assert_eq!(gone(cache.create(now, address(10_002), LIMIT)), Some(address(2)));
        assert_eq!(cache.static_count(), 1);
        assert_eq!(cache.take_dynamic().len(), LIMIT);
        assert_eq!(cache.iter().count(), 1);
    }
}
