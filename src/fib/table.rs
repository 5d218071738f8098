//! Longest-prefix match: address to group.
//!
//! Owns [`Fib`] and its shape. How lines are made is in `build.rs`, how they are found in
//! `lookup.rs` and `simd.rs`, how a table changes in `update.rs`, the memory in `arena.rs`, the
//! routes for the writer in `routes.rs`.
//!
//! ```text
//! top, 4,096 entries (bits 0..12)     in each version of its own
//!   page, 4,096 entries (12..24)      a table in the arena
//!     block (24..128)                 a result, a leaf, a table, a node
//! ```
//!
//! Most addresses of a full table are answered by one entry of the top, one of a page, one of a
//! block's table and one line with ten keys, all of them in a cache of a megabyte or two.
//!
//! A clone shares everything with its origin. Changing the clone writes the lines of the touched
//! blocks and a copy of their pages, and makes a new top: 16 KiB each. The origin keeps what it had
//! until it is dropped.
//!
//! *Invariants*: a lookup yields the group of the longest prefix that contains the address, or
//! [`GROUP_NO_ROUTE`]. Covers are resolved when lines are made, all but the default route: that one
//! is a word beside the top, because it covers everything and changes alone.

use crate::base::ids::GroupId;
use crate::base::prefix::Ipv6Prefix;
use crate::fib::arena::Arena;
use crate::fib::next_hop::GROUP_NO_ROUTE;
use crate::fib::routes::Root;
use crate::fib::simd::{self, Level};
use std::sync::Arc;

/// Addresses that one burst lookup takes.
pub const LOOKUP_BURST_MAX: usize = 64;
/// Groups a table may name: numbers below the mark for "nothing here".
pub const GROUP_MAX: usize = NO_MATCH as usize;

/// No route but the default route, if there is one.
pub(super) const NO_MATCH: u16 = u16::MAX;
/// Bits of the address that the top consumes.
pub(super) const TOP_BITS: u8 = 12;
/// Bits that top and page consume together; what they leave is a block's.
pub(super) const BLOCK_BITS: u8 = 24;
/// Entries of the top and of a page.
pub(super) const FAN: usize = 1 << TOP_BITS;

const _: () = assert!(BLOCK_BITS == 2 * TOP_BITS);
const _: () = assert!(GROUP_NO_ROUTE.0 != NO_MATCH);

/// The table of prefixes; one in each `Forwarding`, changed by the control thread only.
#[derive(Clone, Debug)]
pub struct Fib {
    pub(super) routes: Arc<Root>,
    pub(super) index: Arc<Index>,
    pub(super) length: usize,
}

/// What readers see of one version; shared by its clones.
#[derive(Debug)]
pub(super) struct Index {
    /// An entry for each value of the first 12 bits.
    pub(super) top: Box<[u32]>,
    /// What stands for [`NO_MATCH`].
    pub(super) default: u16,
    /// The lines.
    pub(super) arena: Arc<Arena>,
    /// The version among those that share the arena.
    pub(super) version: u64,
    /// Lives as long as somebody may read this version.
    pub(super) token: Arc<()>,
    /// The instructions that the processor has.
    pub(super) level: Level,
}

impl Default for Fib {
    fn default() -> Self {
        let index = Index {
            top: vec![u32::from(NO_MATCH); FAN].into_boxed_slice(),
            default: GROUP_NO_ROUTE.0,
            arena: Arc::new(Arena::holding(&[], 0)),
            version: 0,
            token: Arc::default(),
            level: Level::detect(),
        };
        Self { routes: Arc::default(), index: Arc::new(index), length: 0 }
    }
}

impl Fib {
    /// The group for one address (as a number, most significant bit first).
    pub fn lookup(&self, address: u128) -> GroupId {
        GroupId(self.index.find(address))
    }

    /// The groups for up to [`LOOKUP_BURST_MAX`] addresses at once; `groups` has at least the
    /// length of `addresses`. Addresses beyond the limit are not looked up.
    #[inline]
    pub fn lookup_burst(&self, addresses: &[u128], groups: &mut [GroupId]) {
        debug_assert!(addresses.len() <= LOOKUP_BURST_MAX && groups.len() >= addresses.len());
        simd::find_burst(&self.index, addresses, groups);
    }

    /// The same table, looked up with other instructions: for comparisons. What the processor does
    /// not have is refused.
    pub fn with_level(&self, level: Level) -> Option<Self> {
        level.is_available().then(|| {
            let mut copy = self.clone();
            let index = &self.index;
            copy.index = Arc::new(Index {
                top: index.top.clone(),
                default: index.default,
                arena: Arc::clone(&index.arena),
                version: index.version,
                token: Arc::clone(&index.token),
                level,
            });
            copy
        })
    }

    /// Sets (`Some`) or removes (`None`) prefixes, all in one step; of several changes to one
    /// prefix the last counts. Group numbers are below [`GROUP_MAX`].
    pub fn apply(&mut self, changes: &[(Ipv6Prefix, Option<GroupId>)]) {
        super::update::apply(self, changes);
    }

    /// The group stored for exactly this prefix.
    pub fn get(&self, prefix: Ipv6Prefix) -> Option<GroupId> {
        self.routes.route(prefix)
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
        self.routes.iter().map(|route| (route.prefix(), route.group))
    }

    /// Octets of memory: those of the lines given out or reserved, and those of the routes.
    pub fn memory_bytes(&self) -> usize {
        let lines = self.index.arena.lines().len() * 64;
        lines + FAN * 4 + self.length * size_of::<super::routes::Route>()
    }
}

/// Bits 0 to 11 of an address.
#[inline(always)]
pub(super) const fn top_index(address: u128) -> usize {
    (address >> (128 - TOP_BITS)) as usize % FAN
}

/// Bits 12 to 23 of an address.
#[inline(always)]
pub(super) const fn page_index(address: u128) -> usize {
    (address >> (128 - BLOCK_BITS)) as usize % FAN
}

#[cfg(test)]
mod tests;
