//! Prefixes of protocols that bring whole tables, on their way into the next worlds.
//!
//! Owns [`Backlog`], one for each RIB. A quarter of a million prefixes that come in any order would
//! have every part of the lookup built again and again, and would keep what OSPF has to say
//! waiting. So they wait here by the block of addresses they lie in, and a world takes a slice of
//! them, block after block: around the table in order, so that none waits for ever.
//!
//! *Invariants*: a slice has whole blocks; it ends with the block in which it reaches its measure.

use crate::base::prefix::Ipv6Prefix;
use crate::base::route::RouteSource;
use core::ops::Bound;
use std::collections::BTreeMap;

/// Prefixes that a world takes: a millisecond or two of work.
pub const SLICE_MAX: usize = 1024;
/// Bits that the prefixes of a block share: those of the parts of the lookup that are built at a
/// time.
const BLOCK_BITS: u32 = 24;

/// All that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog {
    blocks: BTreeMap<u32, Vec<Ipv6Prefix>>,
    /// The next slice begins behind this block.
    last: Option<u32>,
    /// Whether the next slice is all of it.
    is_hurried: bool,
}

/// Whether what a source says comes by whole tables.
pub(super) const fn is_bulk(source: RouteSource) -> bool {
    matches!(source, RouteSource::Ebgp | RouteSource::Ibgp)
}

impl Backlog {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds a prefix that does not wait.
    pub(super) fn push(&mut self, prefix: Ipv6Prefix) {
        let block = u32::try_from(prefix.bits() >> (u128::BITS - BLOCK_BITS)).unwrap_or(u32::MAX);
        let waiting = self.blocks.entry(block).or_default();
        waiting.push(prefix);
    }

    /// The next slice shall be all that waits.
    pub(super) fn hurry(&mut self) {
        self.is_hurried = !self.is_empty();
    }

    /// Whether it will be.
    pub(super) const fn is_hurried(&self) -> bool {
        self.is_hurried
    }

    /// Takes the next slice.
    pub(super) fn take(&mut self) -> Vec<Ipv6Prefix> {
        if core::mem::take(&mut self.is_hurried) {
            return core::mem::take(&mut self.blocks).into_values().flatten().collect();
        }
        let mut slice = Vec::new();
        while slice.len() < SLICE_MAX {
            let start = self.last.map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.blocks.range((start, Bound::Unbounded)).next();
            let next = next.or_else(|| self.blocks.first_key_value());
            let Some(block) = next.map(|(block, _)| *block) else { break };
            self.last = Some(block);
            slice.extend(self.blocks.remove(&block).unwrap_or_default());
        }
        slice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv6Addr;

    fn prefix(block: u16, number: u16) -> Ipv6Prefix {
        let address = Ipv6Addr::new(0x2001, block << 8, number, 0, 0, 0, 0, 0);
        Ipv6Prefix::containing(address, 48)
    }

    #[test]
    fn slices_have_whole_blocks_and_go_around() {
        let mut backlog = Backlog::default();
        let half = u16::try_from(SLICE_MAX / 2).unwrap();
        for block in 0..4 {
            (0..=half).for_each(|number| backlog.push(prefix(block, number)));
        }
        let slice = backlog.take();
        assert_eq!(slice.len(), 2 * (usize::from(half) + 1));
        assert!(slice.iter().all(|taken| taken.bits() < prefix(2, 0).bits()));
        // What comes behind the slice's end is not kept waiting by what comes before it.
        backlog.push(prefix(0, 0));
        let slice = backlog.take();
        assert!(slice.iter().all(|taken| taken.bits() >= prefix(2, 0).bits()));
        assert_eq!(backlog.take(), [prefix(0, 0)]);
        assert!(backlog.is_empty() && backlog.take().is_empty());
    }
}
