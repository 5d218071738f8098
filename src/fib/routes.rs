//! The routes of a table, for its writer: in order, by block, shared between versions.
//!
//! Owns [`Route`] and [`Root`], a tree of three levels by octets of the address. A block holds the
//! routes of /24 and longer that share 24 bits, and says which lines they became; shorter routes
//! stand at the level that their length reaches. Lines are `build.rs`'s.
//!
//! A clone shares everything with its origin; a change copies one node of each level.
//!
//! *Invariants*: routes are sorted by prefix and without repeats; no node below the root is empty.

use crate::base::ids::GroupId;
use crate::base::prefix::{Ipv6Prefix, mask};
use crate::fib::arena::Extent;
use crate::fib::build::Shape;
use crate::fib::table::BLOCK_BITS;
use core::net::Ipv6Addr;
use std::sync::Arc;

/// A prefix and its new group, `None` for a removal.
pub(super) type Change = (Ipv6Prefix, Option<GroupId>);

/// A prefix with its group, in 24 octets: a table has hundreds of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    high: u64,
    low: u64,
    /// Bits of the prefix.
    pub(super) length: u8,
    /// Its group.
    pub(super) group: GroupId,
}

const _: () = assert!(size_of::<Route>() == 24);

impl Route {
    /// The route of a prefix.
    pub(super) fn new(prefix: Ipv6Prefix, group: GroupId) -> Self {
        let (high, low) = halves(prefix.bits());
        Self { high, low, length: prefix.length(), group }
    }

    /// The first address.
    #[inline]
    pub(super) const fn bits(&self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    /// The last address.
    #[inline]
    pub(super) const fn last_bits(&self) -> u128 {
        self.bits() | !mask(self.length)
    }

    /// The prefix.
    pub(super) fn prefix(&self) -> Ipv6Prefix {
        Ipv6Prefix::containing(Ipv6Addr::from_bits(self.bits()), self.length)
    }

    /// What routes are sorted by.
    const fn key(&self) -> (u64, u64, u8) {
        (self.high, self.low, self.length)
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
const fn halves(bits: u128) -> (u64, u64) {
    ((bits >> 64) as u64, bits as u64)
}

fn key_of(prefix: Ipv6Prefix) -> (u64, u64, u8) {
    let (high, low) = halves(prefix.bits());
    (high, low, prefix.length())
}

/// The routes that share 24 bits and are at least as long.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The routes, never none.
    pub(super) routes: Arc<[Route]>,
    /// Their lines.
    pub(super) extent: Extent,
    /// What they look like.
    pub(super) shape: Option<Shape>,
}

/// Routes of one level, and what is below by the next octet, sorted.
#[derive(Clone, Debug)]
pub(super) struct Node<C> {
    routes: Arc<[Route]>,
    below: Vec<(u8, C)>,
}

/// The addresses with the same two octets: routes of /16 to /23.
type Low = Node<Block>;
/// The addresses with the same first octet: routes of /8 to /15.
type Middle = Node<Arc<Low>>;
/// All addresses: routes up to /7.
pub(super) type Root = Node<Arc<Middle>>;

impl<C> Default for Node<C> {
    fn default() -> Self {
        Self { routes: Arc::default(), below: Vec::new() }
    }
}

impl<C> Node<C> {
    fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.below.is_empty()
    }

    fn get(&self, octet: u8) -> Option<&C> {
        let found = self.below.binary_search_by_key(&octet, |entry| entry.0).ok()?;
        self.below.get(found).map(|entry| &entry.1)
    }

    fn find_mut(&mut self, octet: u8) -> Option<&mut C> {
        let found = self.below.binary_search_by_key(&octet, |entry| entry.0).ok()?;
        self.below.get_mut(found).map(|entry| &mut entry.1)
    }

    fn get_or_insert(&mut self, octet: u8, make: impl FnOnce() -> C) -> &mut C {
        let place = match self.below.binary_search_by_key(&octet, |entry| entry.0) {
            Ok(place) => place,
            Err(place) => {
                self.below.insert(place, (octet, make()));
                place
            }
        };
        &mut self.below[place].1
    }

    fn remove(&mut self, octet: u8) {
        self.below.retain(|entry| entry.0 != octet);
    }

    /// The routes here and below, in order.
    fn in_order<'a, I: Iterator<Item = &'a Route> + 'a>(
        &'a self,
        level: u32,
        below: impl Fn(&'a C) -> I + 'a,
    ) -> impl Iterator<Item = &'a Route> + 'a {
        // A route here that starts where one below does is the shorter one and comes first.
        let upto = move |octet: u8| {
            self.routes.partition_point(|route| octet_of(route.bits(), level) <= octet)
        };
        let end = self.below.last().map_or(0, |(octet, _)| upto(*octet));
        let mut done = 0;
        let first = self.below.iter().flat_map(move |(octet, child)| {
            let here = &self.routes[done..upto(*octet)];
            done = upto(*octet);
            here.iter().chain(below(child))
        });
        first.chain(&self.routes[end..])
    }
}

impl Root {
    /// Carries out sorted `changes`; yields how many routes there are more.
    pub(super) fn apply(&mut self, changes: &[Change]) -> isize {
        let (short, long) = split(changes, 7);
        let mut added = replace(&mut self.routes, &short);
        for part in long.chunk_by(|a, b| same(a, b, 0)) {
            let Some(octet) = part.first().map(|change| octet_of(change.0.bits(), 0)) else {
                continue;
            };
            let middle = Arc::make_mut(self.get_or_insert(octet, Arc::default));
            added += middle.apply(part);
            if middle.is_empty() {
                self.remove(octet);
            }
        }
        added
    }

    /// The group of exactly this prefix.
    pub(super) fn route(&self, prefix: Ipv6Prefix) -> Option<GroupId> {
        let bits = prefix.bits();
        let middle = || self.get(octet_of(bits, 0));
        let low = || middle()?.get(octet_of(bits, 1));
        let routes = match prefix.length() {
            0..=7 => &self.routes,
            8..=15 => &middle()?.routes,
            16..=23 => &low()?.routes,
            _ => &low()?.get(octet_of(bits, 2))?.routes,
        };
        let found = routes.binary_search_by_key(&key_of(prefix), Route::key).ok()?;
        routes.get(found).map(|route| route.group)
    }

    /// The block with this number (the first 24 bits of its addresses).
    pub(super) fn block(&self, number: u32) -> Option<&Block> {
        let bits = u128::from(number) << (128 - BLOCK_BITS);
        self.get(octet_of(bits, 0))?.get(octet_of(bits, 1))?.get(octet_of(bits, 2))
    }

    /// Notes which lines a block has become, and what they look like.
    pub(super) fn set_lines(&mut self, number: u32, extent: Extent, shape: Option<Shape>) {
        let bits = u128::from(number) << (128 - BLOCK_BITS);
        let middle = self.find_mut(octet_of(bits, 0)).map(Arc::make_mut);
        let low = middle.and_then(|node| node.find_mut(octet_of(bits, 1))).map(Arc::make_mut);
        if let Some(block) = low.and_then(|node| node.find_mut(octet_of(bits, 2))) {
            (block.extent, block.shape) = (extent, shape);
        }
    }

    /// Every block with its number, in order.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (u32, &Block)> {
        self.below.iter().flat_map(|(first, middle)| {
            middle.below.iter().flat_map(move |(second, low)| {
                low.below.iter().map(move |(third, block)| {
                    (u32::from_be_bytes([0, *first, *second, *third]), block)
                })
            })
        })
    }

    /// The blocks with numbers in `range`.
    pub(super) fn blocks_in(
        &self,
        range: core::ops::RangeInclusive<u32>,
    ) -> impl Iterator<Item = (u32, &Block)> {
        let (from, to) = (range.start().to_be_bytes(), range.end().to_be_bytes());
        let lows = self.below.iter().flat_map(|(first, middle)| {
            middle.below.iter().map(move |(second, low)| ([*first, *second], low))
        });
        let lows = lows
            .filter(move |(octets, _)| *octets >= [from[1], from[2]] && *octets <= [to[1], to[2]]);
        let blocks = lows.flat_map(|([first, second], low)| {
            low.below
                .iter()
                .map(move |(third, block)| (u32::from_be_bytes([0, first, second, *third]), block))
        });
        blocks.filter(move |(number, _)| range.contains(number))
    }

    /// Routes shorter than /24 that touch addresses with the same first 12 bits, but for the
    /// default route; a covering one before its parts.
    pub(super) fn short_routes(&self, slot: usize) -> impl Iterator<Item = &Route> {
        let first = (slot as u128) << 116;
        let last = first | u128::MAX >> 12;
        let middle = self.get(octet_of(first, 0));
        let lows = middle.into_iter().flat_map(|middle| middle.below.iter());
        let all = (self.routes.iter().filter(|route| route.length > 0))
            .chain(middle.into_iter().flat_map(|middle| middle.routes.iter()))
            .chain(lows.flat_map(|(_, low)| low.routes.iter()));
        all.filter(move |route| route.bits() <= last && route.last_bits() >= first)
    }

    /// The group of the longest route shorter than /24 that covers a block, but for the default
    /// route.
    pub(super) fn cover(&self, number: u32) -> Option<GroupId> {
        let bits = u128::from(number) << (128 - BLOCK_BITS);
        let middle = self.get(octet_of(bits, 0));
        let low = middle.and_then(|middle| middle.get(octet_of(bits, 1)));
        let levels =
            [low.map(|low| &low.routes), middle.map(|middle| &middle.routes), Some(&self.routes)];
        let covering = |routes: &Arc<[Route]>| {
            let covers = |route: &&Route| {
                route.length > 0 && route.bits() <= bits && route.last_bits() >= bits
            };
            routes.iter().rev().find(covers).map(|route| route.group)
        };
        levels.into_iter().flatten().find_map(covering)
    }

    /// All routes in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.in_order(0, |middle| {
            middle.in_order(1, |low| low.in_order(2, |block| block.routes.iter()))
        })
    }
}

impl Middle {
    fn apply(&mut self, changes: &[Change]) -> isize {
        let (short, long) = split(changes, 15);
        let mut added = replace(&mut self.routes, &short);
        for part in long.chunk_by(|a, b| same(a, b, 1)) {
            let Some(octet) = part.first().map(|change| octet_of(change.0.bits(), 1)) else {
                continue;
            };
            let low = Arc::make_mut(self.get_or_insert(octet, Arc::default));
            added += low.apply(part);
            if low.is_empty() {
                self.remove(octet);
            }
        }
        added
    }
}

impl Low {
    fn apply(&mut self, changes: &[Change]) -> isize {
        let (short, long) = split(changes, 23);
        let mut added = replace(&mut self.routes, &short);
        for part in long.chunk_by(|a, b| same(a, b, 2)) {
            let Some(octet) = part.first().map(|change| octet_of(change.0.bits(), 2)) else {
                continue;
            };
            let empty = || Block { routes: Arc::default(), extent: Extent::default(), shape: None };
            let block = self.get_or_insert(octet, empty);
            added += replace(&mut block.routes, part);
            if block.routes.is_empty() {
                self.remove(octet);
            }
        }
        added
    }
}

/// An octet of an address.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "an octet is what is wanted")]
const fn octet_of(bits: u128, place: u32) -> u8 {
    (bits >> (120 - 8 * place)) as u8
}

fn same(a: &Change, b: &Change, place: u32) -> bool {
    octet_of(a.0.bits(), place) == octet_of(b.0.bits(), place)
}

/// The changes by prefix, the last one for each.
pub(super) fn sorted(changes: &[Change]) -> Vec<Change> {
    let mut sorted = changes.to_vec();
    sorted.sort_by_key(|change| change.0);
    let last_of_run = |run: &[Change]| run.last().copied();
    sorted.chunk_by(|a, b| a.0 == b.0).filter_map(last_of_run).collect()
}

/// The changes up to a prefix length, and the longer ones.
fn split(changes: &[Change], length: u8) -> (Vec<Change>, Vec<Change>) {
    changes.iter().partition(|(prefix, _)| prefix.length() <= length)
}

/// Merges sorted `changes` into `routes`; yields how many more there are now.
fn replace(routes: &mut Arc<[Route]>, changes: &[Change]) -> isize {
    if changes.is_empty() {
        return 0;
    }
    let merged = merge(routes, changes);
    let added = merged.len().cast_signed() - routes.len().cast_signed();
    *routes = merged.into();
    added
}

/// Sorted `routes` after sorted `changes`.
fn merge(routes: &[Route], changes: &[Change]) -> Vec<Route> {
    let mut merged = Vec::with_capacity(routes.len() + changes.len());
    let mut rest = routes;
    for (prefix, group) in changes {
        let key = key_of(*prefix);
        let (before, after) = rest.split_at(rest.partition_point(|route| route.key() < key));
        merged.extend_from_slice(before);
        merged.extend(group.map(|group| Route::new(*prefix, group)));
        rest = match after {
            [same, after @ ..] if same.key() == key => after,
            after => after,
        };
    }
    merged.extend_from_slice(rest);
    merged
}
