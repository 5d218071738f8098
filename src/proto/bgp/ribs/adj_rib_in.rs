//! Adj-RIB-In of all peers: what each of them has announced, and what became of it.
//!
//! Owns `Path` and `AdjRibIn`, one for each speaker: all paths in one table, those of a prefix
//! in a list. Policies and loops are judged in `import.rs`.
//!
//! *Invariants*: a peer has one path for a prefix and Path Identifier. Paths of an earlier session
//! and of before a refresh are told by their epoch: which epochs still count is said by the peer,
//! in one place, so that the end of a session touches no path. No epoch begins of which there may
//! be paths. Counts are exact.
//! *Standards*: RFC 4271 §3.2, RFC 4724 §4.2 (stale paths), RFC 7313 §4 (the same), RFC 7911 §3.

use super::attributes::AttributesId;
use super::limits::{PATHS_MAX, PATHS_PER_PEER_MAX, is_roomy};
use super::peer::{PeerId, RibPeer};
use super::prefix_table::{NONE, PrefixId};
use core::fmt;

/// Why a path is used or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Validity {
    /// It may be used.
    Accepted,
    /// RFC 4271 §9.1.2: this router's AS is in its AS_PATH.
    AsLoop,
    /// RFC 4456 §8: this router has originated it.
    OriginatorLoop,
    /// RFC 4456 §8: this router has reflected it.
    ClusterLoop,
    /// RFC 4271 §6.3: it does not begin with the AS of the peer.
    FirstAs,
    /// RFC 4271 §6.3: its next hop is not on the link that is shared with the peer.
    ForeignNextHop,
    /// RFC 7607 §2: an AS of its attributes is zero.
    AsZero,
    /// RFC 9234 §5: it has come over a customer or a peer that must not pass it on.
    RouteLeak,
    /// RFC 8212: there is no policy that would let it in.
    NoPolicy,
    /// The policy says no.
    Policy,
    /// There was no room for what the policy made of it.
    Exhausted,
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accepted => "accepted",
            Self::AsLoop => "this AS is in its AS path",
            Self::OriginatorLoop => "this router has originated it",
            Self::ClusterLoop => "this router has reflected it",
            Self::FirstAs => "its AS path does not begin with the neighbour's AS",
            Self::ForeignNextHop => "its next hop is not on the neighbour's link",
            Self::AsZero => "AS 0 is in its AS path",
            Self::RouteLeak => "it came over somebody who must not pass it on (RFC 9234)",
            Self::NoPolicy => "the neighbour has no import policy (RFC 8212)",
            Self::Policy => "the policy says no",
            Self::Exhausted => "the tables are full",
        })
    }
}

/// A path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// Its prefix.
    pub prefix: PrefixId,
    /// The next path of the prefix; of free ones the next free one.
    pub next: u32,
    /// What the peer sent.
    pub received: u32,
    /// What the policy has made of it; none where it is not used.
    pub imported: u32,
    /// RFC 7911: Path Identifier.
    pub path_id: u32,
    /// When it came: seconds since the driver's origin.
    pub since_secs: u32,
    /// From whom.
    pub peer: PeerId,
    /// The part of a session in which it came.
    pub epoch: u8,
    /// Why it is used or not.
    pub validity: Validity,
}

/// Counts of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PeerCounts {
    /// Paths that it has announced and not withdrawn, stale ones included.
    pub received: u32,
    /// Those that may be used, stale ones included.
    pub accepted: u32,
    /// Those of an earlier epoch, kept or on their way out.
    pub stale: u32,
}

/// Whether paths of earlier sessions count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StalePaths {
    /// RFC 4724 §4.2: until the peer has said everything again.
    Kept,
    /// They are as good as withdrawn, and removed in slices.
    Gone,
}

/// A peer with what its paths need.
#[derive(Clone, Debug)]
pub(super) struct PeerState {
    pub peer: RibPeer,
    pub counts: PeerCounts,
    /// Told apart: what it says now from what it has said before; goes round.
    pub epoch: u8,
    /// The oldest epoch whose paths count.
    kept_since: u8,
    /// The oldest epoch of this session whose paths count.
    fresh_since: u8,
    /// Paths of epochs before this one have all been removed.
    swept_to: u8,
    /// Told apart: exits that died with an earlier session from those of today.
    pub generation: u16,
    pub is_up: bool,
    /// Whether its paths have to be imported anew.
    pub is_policy_changed: bool,
    /// Whether something of what it said in this session found no room.
    pub is_short: bool,
}

impl PeerState {
    pub(super) const fn new(peer: RibPeer) -> Self {
        Self {
            peer,
            counts: PeerCounts { received: 0, accepted: 0, stale: 0 },
            epoch: 0,
            kept_since: 0,
            fresh_since: 0,
            swept_to: 0,
            generation: 0,
            is_up: true,
            is_policy_changed: false,
            is_short: false,
        }
    }

    /// Whether a path counts.
    pub(super) const fn has(&self, path: &Path) -> bool {
        self.epoch.wrapping_sub(path.epoch) <= self.epoch.wrapping_sub(self.kept_since)
    }

    /// Whether there may be paths of the epoch that would be next.
    pub(super) const fn is_epoch_worn(&self) -> bool {
        self.epoch.wrapping_add(1) == self.swept_to
    }

    /// Whether it has as many paths as any peer may have.
    pub(super) const fn is_full(&self) -> bool {
        self.counts.received as usize >= PATHS_PER_PEER_MAX
    }

    /// Whether it may have more than a few others.
    pub(super) const fn is_roomy(&self) -> bool {
        is_roomy(self.counts.received as usize, PATHS_PER_PEER_MAX)
    }

    /// All its paths are of an earlier session. RFC 4724 §4.2: what was of an earlier one before is
    /// not kept a second time.
    pub(super) fn end_session(&mut self, stale: StalePaths) {
        self.is_up = false;
        self.kept_since = self.fresh_since;
        self.begin_epoch();
        self.fresh_since = self.epoch;
        if stale == StalePaths::Gone {
            self.drop_stale();
            self.generation = self.generation.wrapping_add(1);
        }
    }

    /// All its paths are as old as those of an earlier session, and count as long as these do.
    pub(super) const fn begin_epoch(&mut self) {
        self.is_short = false;
        self.epoch = self.epoch.wrapping_add(1);
        self.counts.stale = self.counts.received;
    }

    /// Paths of earlier epochs count no more; a pass over all paths removes them.
    pub(super) const fn drop_stale(&mut self) {
        self.kept_since = self.epoch;
        self.fresh_since = self.epoch;
    }

    /// A pass has removed all paths that do not count.
    pub(super) const fn note_swept(&mut self) {
        self.swept_to = self.kept_since;
    }

    /// The generation of the exit of one of its paths: those that do not count had the one before.
    pub(super) fn generation_of(&self, path: &Path) -> u16 {
        let is_dead = !self.has(path);
        self.generation.wrapping_sub(u16::from(is_dead))
    }
}

/// All paths.
#[derive(Clone, Debug)]
pub(super) struct AdjRibIn {
    paths: Vec<Path>,
    first_free: u32,
    count: usize,
    limit: usize,
}

impl AdjRibIn {
    pub(super) const fn new() -> Self {
        Self { paths: Vec::new(), first_free: NONE, count: 0, limit: PATHS_MAX }
    }

    /// The path of a peer in a list that begins with `first`.
    pub(super) fn find(&self, first: u32, peer: PeerId, path_id: u32) -> Option<u32> {
        let mut at = first;
        while at != NONE {
            let path = self.path(at);
            if path.peer == peer && path.path_id == path_id {
                return Some(at);
            }
            at = path.next;
        }
        None
    }

    /// How many paths a peer has in a list that begins with `first`.
    pub(super) fn count_of(&self, first: u32, peer: PeerId) -> usize {
        self.list(first).filter(|(_, path)| path.peer == peer).count()
    }

    /// The paths of a list that begins with `first`.
    pub(super) fn list(&self, first: u32) -> impl Iterator<Item = (u32, &Path)> + '_ {
        let at = (first != NONE).then_some(first);
        core::iter::successors(at.map(|at| (at, self.path(at))), |(_, path)| {
            (path.next != NONE).then(|| (path.next, self.path(path.next)))
        })
    }

    /// Puts a path in front of the list that begins with its `next`; `None` where the table is
    /// full.
    pub(super) fn insert(&mut self, path: Path) -> Option<u32> {
        if self.count >= self.limit {
            return None;
        }
        self.count += 1;
        if self.first_free == NONE {
            self.paths.push(path);
            return u32::try_from(self.paths.len() - 1).ok();
        }
        let at = self.first_free;
        self.first_free = self.path(at).next;
        *self.path_mut(at) = path;
        Some(at)
    }

    /// Takes a path out of the list that begins with `first`; what it begins with then.
    pub(super) fn remove(&mut self, first: u32, at: u32) -> u32 {
        let next = self.path(at).next;
        let begins = if first == at { next } else { first };
        let before = self.list(first).find(|(_, path)| path.next == at).map(|(before, _)| before);
        if let Some(before) = before {
            self.path_mut(before).next = next;
        }
        let first_free = self.first_free;
        let path = self.path_mut(at);
        path.peer = FREE;
        path.next = first_free;
        path.received = AttributesId::NONE;
        path.imported = AttributesId::NONE;
        self.first_free = at;
        self.count -= 1;
        if self.count == 0 {
            self.paths = Vec::new();
            self.first_free = NONE;
        }
        begins
    }

    pub(super) fn path(&self, at: u32) -> &Path {
        &self.paths[at as usize]
    }

    pub(super) fn path_mut(&mut self, at: u32) -> &mut Path {
        &mut self.paths[at as usize]
    }

    /// A path by its number, where there is one.
    pub(super) fn get(&self, at: u32) -> Option<&Path> {
        self.paths.get(at as usize).filter(|path| path.peer != FREE)
    }

    /// Paths.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is room for more than a few.
    pub(super) const fn is_roomy(&self) -> bool {
        is_roomy(self.count, self.limit)
    }

    /// Numbers, free ones included.
    pub(super) const fn bound(&self) -> usize {
        self.paths.len()
    }

    /// Octets of memory.
    pub(super) const fn bytes(&self) -> usize {
        self.paths.capacity() * size_of::<Path>()
    }
}

/// Whose a free number is.
const FREE: PeerId = PeerId(u16::MAX - 1);

const _: () = assert!(size_of::<Path>() == 28);
