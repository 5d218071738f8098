//! Longest-prefix match: address to group.
//!
//! Owns [`Fib`] and its shape. Searching a block is in `lookup.rs`, changing the table in
//! `update.rs`.
//!
//! ```text
//! root, 4,096 slots (bits 0..12)   routes up to /12: painted as the cover of each slot
//!   page, 4,096 entries (12..24)   routes up to /24: painted as the cover of each entry
//!     block (24..128)              longer routes: sorted intervals of addresses, found by search
//! ```
//!
//! A lookup takes what the block says, else the cover of the entry, else that of the slot. So a
//! route is written at one level only: the default route paints 4,096 numbers and rebuilds no
//! block.
//!
//! Slots, pages and blocks hang together by `Arc`. A clone shares everything with its origin;
//! changing the clone copies the root, the touched pages and the touched blocks.
//!
//! *Invariants*: a lookup yields the group of the longest prefix that contains the address, or
//! [`GROUP_NO_ROUTE`]. Routes of a level are sorted and without repeats. An entry without routes
//! has no block, a slot without routes below it has no page.

use crate::base::ids::GroupId;
use crate::base::prefetch::{prefetch_index, prefetch_read};
use crate::base::prefix::Ipv6Prefix;
use crate::fib::lookup::Search;
use crate::fib::next_hop::GROUP_NO_ROUTE;
use std::sync::Arc;

/// Addresses that one burst lookup takes.
pub const LOOKUP_BURST_MAX: usize = 64;
/// Groups there may be: the numbers below the mark for "nothing here".
pub const GROUP_MAX: usize = NO_MATCH as usize;

/// No route at this level.
pub(super) const NO_MATCH: u16 = u16::MAX;
/// Bits of the address that the root consumes; longer prefixes live in pages or blocks.
pub(super) const ROOT_BITS: u8 = 12;
/// Bits that root and page consume together; longer prefixes live in blocks.
pub(super) const PAGE_BITS: u8 = 24;
/// Slots of the root, and entries of a page.
pub(super) const FAN: usize = 1 << ROOT_BITS;

const _: () = assert!(PAGE_BITS == 2 * ROOT_BITS);
const _: () = assert!(GROUP_NO_ROUTE.0 != NO_MATCH);

/// A prefix with its group.
pub(super) type Route = (Ipv6Prefix, GroupId);

/// The table of prefixes; one in each `Forwarding`, changed by the control thread only.
#[derive(Clone, Debug)]
pub struct Fib {
    pub(super) root: Arc<Root>,
    pub(super) length: usize,
}

/// The first 12 bits.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) slots: Box<[Slot]>,
    /// Routes up to /12.
    pub(super) routes: Box<[Route]>,
}

/// The addresses with the same first 12 bits.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Group of the longest route up to /12 here, or [`NO_MATCH`].
    pub(super) cover: u16,
    pub(super) page: Option<Arc<Page>>,
}

/// The second 12 bits.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) entries: Box<[Entry]>,
    /// Routes of /13 to /24.
    pub(super) routes: Box<[Route]>,
    /// Entries that have a block.
    pub(super) block_count: usize,
}

/// The addresses with the same first 24 bits.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Group of the longest route of /13 to /24 here, or [`NO_MATCH`].
    pub(super) cover: u16,
    pub(super) block: Option<Arc<Block>>,
}

/// The routes from /25 on of one entry, twice: for readers and for the next change.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) search: Search,
    pub(super) routes: Box<[Route]>,
}

impl Default for Fib {
    fn default() -> Self {
        let slots = vec![Slot { cover: NO_MATCH, page: None }; FAN];
        let root = Root { slots: slots.into_boxed_slice(), routes: Box::default() };
        Self { root: Arc::new(root), length: 0 }
    }
}

impl Fib {
    /// The group for one address (as a number, most significant bit first).
    pub fn lookup(&self, address: u128) -> GroupId {
        let (cover, block) = self.descend(address);
        GroupId(or(block.map_or(NO_MATCH, |block| block.search.find(address)), cover))
    }

    /// The groups for up to [`LOOKUP_BURST_MAX`] addresses at once; `groups` has at least the
    /// length of `addresses`. Addresses beyond the limit are not looked up.
    pub fn lookup_burst(&self, addresses: &[u128], groups: &mut [GroupId]) {
        debug_assert!(addresses.len() <= LOOKUP_BURST_MAX && groups.len() >= addresses.len());
        let mut blocks = [None; LOOKUP_BURST_MAX];
        // Three passes, so that the lines of 64 lookups travel at the same time instead of in turn.
        for ((address, group), slot) in addresses.iter().zip(&mut *groups).zip(&mut blocks) {
            let (cover, block) = self.descend(*address);
            *group = GroupId(cover);
            if let Some(block) = block {
                prefetch_read(&block.search);
                *slot = Some(&block.search);
            }
        }
        let mut positions = [(0, 0); LOOKUP_BURST_MAX];
        for ((address, search), position) in addresses.iter().zip(&blocks).zip(&mut positions) {
            if let Some(search) = search {
                *position = search.narrow(*address);
                prefetch_index(search.cells(), position.0);
            }
        }
        let lanes = addresses.iter().zip(&mut *groups).zip(blocks.iter().zip(&positions));
        for ((address, group), (search, position)) in lanes {
            if let Some(search) = search {
                *group = GroupId(or(search.find_from(*address, *position), group.0));
            }
        }
    }

    /// The cover of an address and its block; the cover is [`GROUP_NO_ROUTE`] where there is none.
    #[inline(always)]
    fn descend(&self, address: u128) -> (u16, Option<&Block>) {
        let slot = &self.root.slots[root_index(address)];
        let cover = or(slot.cover, GROUP_NO_ROUTE.0);
        let Some(page) = &slot.page else { return (cover, None) };
        let entry = &page.entries[page_index(address)];
        (or(entry.cover, cover), entry.block.as_deref())
    }

    /// Sets (`Some`) or removes (`None`) prefixes, all in one step; of several changes to one
    /// prefix the last counts. Group numbers are below [`GROUP_MAX`].
    pub fn apply(&mut self, changes: &[(Ipv6Prefix, Option<GroupId>)]) {
        super::update::apply(self, changes);
    }

    /// The group stored for exactly this prefix.
    pub fn get(&self, prefix: Ipv6Prefix) -> Option<GroupId> {
        let slot = &self.root.slots[root_index(prefix.bits())];
        let routes = match prefix.length() {
            0..=ROOT_BITS => &self.root.routes,
            length => {
                let page = slot.page.as_ref()?;
                let entry = &page.entries[page_index(prefix.bits())];
                if length <= PAGE_BITS { &page.routes } else { &entry.block.as_ref()?.routes }
            }
        };
        let found = routes.binary_search_by_key(&prefix, |route| route.0).ok()?;
        routes.get(found).map(|route| route.1)
    }

    /// Prefixes inside.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The prefixes in order.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv6Prefix, GroupId)> + '_ {
        // A shorter prefix that starts where a longer one does comes first, so each level's routes
        // stand just before the part of the next level that starts at the same address.
        let root = &self.root;
        root.slots.iter().enumerate().flat_map(move |(index, slot)| {
            let here = run(&root.routes, |route| root_index(route.0.bits()), index);
            here.iter().copied().chain(slot.page.iter().flat_map(|page| page.iter()))
        })
    }
}

impl Page {
    /// The routes of the page and of its blocks, in order.
    fn iter(&self) -> impl Iterator<Item = Route> + '_ {
        self.entries.iter().enumerate().flat_map(move |(index, entry)| {
            let here = run(&self.routes, |route| page_index(route.0.bits()), index);
            let below = entry.block.iter().flat_map(|block| block.routes.iter().copied());
            here.iter().copied().chain(below)
        })
    }
}

/// The part of sorted `routes` whose `key` is `wanted`.
fn run(routes: &[Route], key: impl Fn(&Route) -> usize, wanted: usize) -> &[Route] {
    let start = routes.partition_point(|route| key(route) < wanted);
    let rest = routes.get(start..).unwrap_or_default();
    let length = rest.partition_point(|route| key(route) == wanted);
    rest.get(..length).unwrap_or_default()
}

/// `value`, or `other` where it is [`NO_MATCH`].
#[inline(always)]
const fn or(value: u16, other: u16) -> u16 {
    if value == NO_MATCH { other } else { value }
}

/// Bits 0 to 11 of an address.
#[inline(always)]
pub(super) const fn root_index(address: u128) -> usize {
    (address >> (128 - ROOT_BITS)) as usize % FAN
}

/// Bits 12 to 23 of an address.
#[inline(always)]
pub(super) const fn page_index(address: u128) -> usize {
    (address >> (128 - PAGE_BITS)) as usize % FAN
}

#[cfg(test)]
mod tests;
