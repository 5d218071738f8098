//! Adj-RIB-Out: what groups of peers are told, and how far each peer has heard it.
//!
//! Owns `ExportGroup` (peers with the same [`ExportSettings`]) and `Member` (one of them). What
//! a path becomes on its way out is found in `export.rs`, messages are written in `packing.rs`.
//!
//! A group has a slot for each path of each prefix that it may announce; the slot says what peers
//! shall know, now. A peer that comes walks through all slots once; afterwards it follows the
//! journal. It keeps one bit for each slot: whether it was told something that it has not been told
//! to forget. So a peer that does not read costs its bits, and nothing grows behind it.
//!
//! *Invariants*: a peer is never told of a path that came from itself. A withdrawal goes to those
//! only that had the announcement. End-of-RIB comes after everything that was there.
//! *Standards*: RFC 4271 §9.1.3 and §9.2, RFC 2918, RFC 4724 §2, RFC 7911 §3 (slots number paths).

use super::attributes::AttributesId;
use super::export::ExportSettings;
use super::journal::Journal;
use super::limits::BATCH_MAX;
use super::peer::PeerId;
use super::policy::Route;
use super::prefix_table::{NONE, PrefixId};
use crate::wire::bgp::{Agreement, NextHop};
use std::collections::BTreeMap;

/// What peers of a group shall know of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// The attributes, with a reference; none where it is not announced.
    pub announced: u32,
    /// Its place in the journal, none where all have heard it.
    pub position: u32,
    /// From whom the path came.
    pub source: PeerId,
}

impl Slot {
    pub(super) const EMPTY: Self =
        Self { announced: AttributesId::NONE, position: NONE, source: PeerId::LOCAL };
}

const _: () = assert!(size_of::<Slot>() == 12);

/// What export has made of a set, remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exported {
    /// The set on the way out, with a reference; none where it is not announced.
    set: u32,
    /// From whom the path came: paths of others may become something else.
    source: PeerId,
}

impl Exported {
    /// Nobody has asked.
    const UNKNOWN: Self = Self { set: u32::MAX - 1, source: PeerId::LOCAL };
}

/// How a peer of a group is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberSettings {
    /// What was agreed on, as this router sends.
    pub agreement: Agreement,
    /// This router's address on the session.
    pub own_next_hop: NextHop,
}

/// What a peer has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MemberCounts {
    /// Paths that it has been told of.
    pub announced: u32,
    /// UPDATEs written for it.
    pub messages: u64,
    /// Paths withheld because their attributes fit into no message.
    pub oversized: u64,
}

/// A peer of a group.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub settings: MemberSettings,
    pub counts: MemberCounts,
    /// Its place in the journal.
    pub cursor: u32,
    /// The next slot of its walk through all of them.
    pub walk: Option<u32>,
    /// Slots on their way to it, by attributes, and how many of them are done.
    pub batch: Vec<u32>,
    pub batch_done: usize,
    /// Slots of which it has been told.
    pub told: Bits,
    /// Whether it has still to be told the end of its first table.
    pub is_end_of_rib_due: bool,
    /// Whether it has asked for everything again.
    pub is_refresh_due: bool,
}

impl Member {
    const fn new(settings: MemberSettings, cursor: u32) -> Self {
        Self {
            settings,
            counts: MemberCounts { announced: 0, messages: 0, oversized: 0 },
            cursor,
            walk: Some(0),
            batch: Vec::new(),
            batch_done: 0,
            told: Bits(Vec::new()),
            is_end_of_rib_due: true,
            is_refresh_due: false,
        }
    }

    /// Marks a slot as told or not.
    pub(super) fn tell(&mut self, slot: u32) {
        if self.told.insert(slot) {
            self.counts.announced += 1;
        }
    }

    /// The opposite; whether it had been told.
    pub(super) fn forget(&mut self, slot: u32) -> bool {
        let was_told = self.told.remove(slot);
        self.counts.announced -= u32::from(was_told);
        was_told
    }
}

/// Peers that are told the same.
#[derive(Clone, Debug)]
pub(super) struct ExportGroup {
    pub settings: ExportSettings,
    pub slots: Vec<Slot>,
    pub journal: Journal,
    pub members: BTreeMap<PeerId, Member>,
    /// RFC 7911: which path stands in which slot; empty where each prefix has one.
    pub paths: Vec<u32>,
    /// What export has made of sets, by their numbers.
    pub exported: Vec<Exported>,
    /// The last route that was asked about, ready for the policy.
    pub last: Option<(AttributesId, PeerId, Option<Route>)>,
    /// The next prefix of the walk that fills or renews all slots.
    pub filling: Option<u32>,
}

impl ExportGroup {
    pub(super) fn new(settings: ExportSettings) -> Self {
        Self {
            settings,
            slots: Vec::new(),
            journal: Journal::default(),
            members: BTreeMap::new(),
            paths: Vec::new(),
            exported: Vec::new(),
            last: None,
            filling: Some(0),
        }
    }

    /// Slots of a prefix.
    pub(super) fn width(&self) -> usize {
        usize::from(self.settings.paths_max)
    }

    /// The first slot of a prefix.
    pub(super) fn first_slot(&self, prefix: PrefixId) -> u32 {
        prefix.0 * u32::from(self.settings.paths_max)
    }

    /// The prefix and the Path Identifier of a slot.
    pub(super) fn name(&self, slot: u32) -> (PrefixId, u32) {
        let width = u32::from(self.settings.paths_max);
        (PrefixId(slot / width), slot % width + 1)
    }

    /// Makes room for prefixes below `bound`.
    pub(super) fn reserve(&mut self, bound: usize) {
        let slots = bound * self.width();
        if self.slots.len() < slots {
            self.slots.resize(slots, Slot::EMPTY);
            if self.width() > 1 {
                self.paths.resize(slots, NONE);
            }
        }
    }

    /// A peer joins.
    pub(super) fn join(&mut self, peer: PeerId, settings: MemberSettings) {
        self.members.insert(peer, Member::new(settings, self.journal.end()));
    }

    /// A peer that has joined knows what it was told in another group.
    pub(super) fn adopt(&mut self, peer: PeerId, before: Member) {
        if let Some(member) = self.members.get_mut(&peer) {
            member.told = before.told;
            member.counts = before.counts;
            member.is_end_of_rib_due = before.is_end_of_rib_due;
            member.is_refresh_due = before.is_refresh_due;
        }
    }

    /// What the peer shall know of a slot.
    pub(super) fn target(&self, slot: u32, peer: PeerId) -> Option<AttributesId> {
        let slot = self.slots.get(slot as usize).filter(|slot| slot.source != peer)?;
        AttributesId::load(slot.announced)
    }

    /// Says what peers shall know of a slot; the set comes with a reference. The one that is not
    /// needed any more is returned.
    pub(super) fn put(
        &mut self,
        slot: u32,
        announced: Option<AttributesId>,
        source: PeerId,
    ) -> Option<AttributesId> {
        let Some(place) = self.slots.get_mut(slot as usize) else { return announced };
        let before = AttributesId::load(place.announced);
        if before == announced && (before.is_none() || place.source == source) {
            return announced;
        }
        place.announced = AttributesId::stored(announced);
        place.source = source;
        if !self.members.is_empty() {
            self.journal.push(slot, &mut self.slots);
        }
        before
    }

    /// Whether nobody has to hear anything of a prefix any more.
    pub(super) fn is_idle(&self, prefix: PrefixId) -> bool {
        let first = self.first_slot(prefix);
        (first..).take(self.width()).all(|slot| {
            self.slots.get(slot as usize).is_none_or(|state| {
                let is_quiet = state.announced == AttributesId::NONE && state.position == NONE;
                is_quiet && self.members.values().all(|member| !member.told.has(slot))
            })
        })
    }

    /// Drops what all peers have heard.
    pub(super) fn tidy(&mut self) {
        let mut cursors: Vec<&mut u32> =
            self.members.values_mut().map(|member| &mut member.cursor).collect();
        self.journal.tidy(&mut cursors, &mut self.slots);
    }

    /// Takes the next slots for a peer whose last ones are on their way; whether there were any.
    pub(super) fn gather(&self, member: &mut Member) -> bool {
        member.batch.clear();
        member.batch_done = 0;
        match member.walk {
            Some(_) if self.filling.is_some() => {}
            Some(at) => {
                if at == 0 {
                    // All slots are as they shall be: what the journal has is in this walk.
                    member.cursor = self.journal.end();
                }
                let rest = (at..).zip(self.slots.iter().skip(at as usize));
                let mut next = None;
                for (slot, state) in rest {
                    if member.batch.len() >= BATCH_MAX {
                        next = Some(slot);
                        break;
                    }
                    if state.announced != AttributesId::NONE || member.told.has(slot) {
                        member.batch.push(slot);
                    }
                }
                member.walk = next;
            }
            None => {
                while member.batch.len() < BATCH_MAX
                    && let Some((slot, next)) = self.journal.at(member.cursor)
                {
                    member.batch.extend(slot);
                    member.cursor = next;
                }
            }
        }
        sort_by_set(&mut member.batch, &self.slots);
        !member.batch.is_empty()
    }

    /// A set is gone: what was remembered of it.
    pub(super) fn forget(&mut self, set: AttributesId) -> Option<AttributesId> {
        if self.last.as_ref().is_some_and(|(last, ..)| *last == set) {
            self.last = None;
        }
        self.forget_one(set)
    }

    fn forget_one(&mut self, set: AttributesId) -> Option<AttributesId> {
        let place = self.exported.get_mut(set.index())?;
        let before = core::mem::replace(place, Exported::UNKNOWN);
        if before == Exported::UNKNOWN { None } else { AttributesId::load(before.set) }
    }

    /// What was remembered of the paths of a peer.
    pub(super) fn forget_source(&mut self, source: PeerId) -> Vec<AttributesId> {
        self.last = None;
        let of_source = self
            .exported
            .iter_mut()
            .filter(|exported| **exported != Exported::UNKNOWN && exported.source == source);
        let all = of_source.map(|exported| core::mem::replace(exported, Exported::UNKNOWN));
        all.filter_map(|exported| AttributesId::load(exported.set)).collect()
    }

    /// Everything that was remembered, for the policy has changed.
    pub(super) fn forget_all(&mut self) -> Vec<AttributesId> {
        self.last = None;
        let all = core::mem::take(&mut self.exported);
        let known = all.into_iter().filter(|exported| *exported != Exported::UNKNOWN);
        known.filter_map(|exported| AttributesId::load(exported.set)).collect()
    }

    /// What paths of a peer with this set become; `None` where nobody has asked.
    pub(super) fn recall(&self, set: AttributesId, source: PeerId) -> Option<Option<AttributesId>> {
        let exported = self.exported.get(set.index())?;
        let is_known = *exported != Exported::UNKNOWN && exported.source == source;
        is_known.then(|| AttributesId::load(exported.set))
    }

    /// Remembers it; what is made of it comes with a reference. What was remembered instead is
    /// returned.
    pub(super) fn remember(
        &mut self,
        set: AttributesId,
        source: PeerId,
        made: Option<AttributesId>,
    ) -> Option<AttributesId> {
        let before = self.forget_one(set);
        if self.exported.len() <= set.index() {
            self.exported.resize(set.index() + 1, Exported::UNKNOWN);
        }
        self.exported[set.index()] = Exported { set: AttributesId::stored(made), source };
        before
    }

    /// Octets of memory.
    pub(super) fn bytes(&self) -> usize {
        let members = self.members.values().map(|member| {
            member.told.0.capacity() * size_of::<u64>() + member.batch.capacity() * size_of::<u32>()
        });
        self.slots.capacity() * size_of::<Slot>()
            + self.journal.bytes()
            + self.paths.capacity() * size_of::<u32>()
            + self.exported.capacity() * size_of::<Exported>()
            + members.sum::<usize>()
    }
}

/// Sorts slots by what is announced, withdrawals first, otherwise as they are. Sets are dense
/// numbers, so that counting them is enough where slots are many.
fn sort_by_set(batch: &mut Vec<u32>, slots: &[Slot]) {
    // None is the highest number: withdrawals wrap to zero.
    let key = |slot: u32| slots[slot as usize].announced.wrapping_add(1) as usize;
    let range = batch.iter().map(|slot| key(*slot)).max().unwrap_or(0) + 1;
    if range / 8 > batch.len() {
        batch.sort_by_key(|slot| key(*slot));
        return;
    }
    let mut starts = vec![0_u32; range + 1];
    for slot in batch.iter() {
        starts[key(*slot) + 1] += 1;
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut sorted = vec![0; batch.len()];
    for slot in batch.iter() {
        let start = &mut starts[key(*slot)];
        sorted[*start as usize] = *slot;
        *start += 1;
    }
    *batch = sorted;
}

/// A set of slots, one bit for each.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    const fn place(slot: u32) -> (usize, u64) {
        ((slot / u64::BITS) as usize, 1 << (slot % u64::BITS))
    }

    pub(super) fn has(&self, slot: u32) -> bool {
        let (word, bit) = Self::place(slot);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn insert(&mut self, slot: u32) -> bool {
        let (word, bit) = Self::place(slot);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let was_in = self.0[word] & bit != 0;
        self.0[word] |= bit;
        !was_in
    }

    fn remove(&mut self, slot: u32) -> bool {
        let (word, bit) = Self::place(slot);
        let Some(bits) = self.0.get_mut(word) else { return false };
        let was_in = *bits & bit != 0;
        *bits &= !bit;
        was_in
    }
}
