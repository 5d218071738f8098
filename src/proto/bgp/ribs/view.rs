//! What people and measurements are shown of the tables.
//!
//! Owns the values that are shown, which are copies; rendering is done elsewhere.
//!
//! *Invariants*: lists are in the order of prefixes, then of peers and Path Identifiers.

use super::adj_rib_in::{PeerCounts, Validity};
use super::adj_rib_out::MemberCounts;
use super::attributes::AttributesId;
use super::decision::{Candidate, Step, equals, explain};
use super::next_hops::{Gateway, Resolution};
use super::peer::PeerId;
use super::policy::Route;
use super::prefix_table::{DISCARD, NONE, PrefixId};
use super::{RibCounters, Ribs, RouteExits};
use crate::base::prefix::Ipv6Prefix;
use crate::proto::bgp::ribs::ExitGroupId;

/// How a path stands in the decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is the best one.
    Best,
    /// It shares traffic with the best one; the rule that put it behind.
    Multipath(Step),
    /// Another one is better, by this rule.
    Lost(Step),
    /// Its next hop is not reached.
    Unreachable,
    /// It may not be used.
    Refused(Validity),
    /// Its session has ended, and it goes.
    Gone,
}

/// A path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathView {
    /// From whom.
    pub peer: PeerId,
    /// RFC 7911: Path Identifier.
    pub path_id: u32,
    /// As it was sent.
    pub received: Option<Route>,
    /// As it is used.
    pub imported: Option<Route>,
    /// When it came: seconds since the driver's origin.
    pub since_secs: u32,
    /// RFC 4724: of an earlier session, and kept.
    pub is_stale: bool,
    /// How it stands.
    pub standing: Standing,
}

/// A path of a prefix, as a peer is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdvertisedPath {
    /// From whom it came.
    pub source: PeerId,
    /// RFC 7911: Path Identifier; `None` where the session has none.
    pub path_id: Option<u32>,
    /// Whether the peer was told of something in this place, or will be when it reads.
    pub is_told: bool,
    /// As it is told.
    pub route: Route,
}

/// A path as a peer has sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedPath {
    /// RFC 7911: Path Identifier.
    pub path_id: u32,
    /// As it was sent.
    pub received: Route,
    /// As it is used; `None` where it is not.
    pub imported: Option<Route>,
    /// Why it is used or not.
    pub validity: Validity,
    /// When it came: seconds since the driver's origin.
    pub since_secs: u32,
    /// RFC 4724: of an earlier session, and kept.
    pub is_stale: bool,
}

/// A prefix with all its paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrefixView {
    /// Which.
    pub prefix: Ipv6Prefix,
    /// By which rule the best path is better than the one that came nearest; `None` where it is
    /// the only one, or there is none.
    pub decided_by: Option<Step>,
    /// Where its packets go.
    pub exits: RouteExits,
    /// Its paths, the best one first.
    pub paths: Vec<PathView>,
}

/// Octets of memory, without what the allocator adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// Prefixes and how they are found.
    pub prefixes_bytes: usize,
    /// Paths.
    pub paths_bytes: usize,
    /// Attribute sets and how they are found.
    pub attributes_bytes: usize,
    /// What peers are told.
    pub exports_bytes: usize,
    /// Queues.
    pub queues_bytes: usize,
}

impl Memory {
    /// All of it.
    pub const fn total_bytes(&self) -> usize {
        self.prefixes_bytes
            + self.paths_bytes
            + self.attributes_bytes
            + self.exports_bytes
            + self.queues_bytes
    }
}

impl Ribs {
    /// Prefixes with at least one path, or not yet forgotten by all peers.
    pub const fn prefix_count(&self) -> usize {
        self.prefixes.len()
    }

    /// Paths of all peers.
    pub const fn path_count(&self) -> usize {
        self.paths.len()
    }

    /// Whether a peer is in another AS.
    pub fn is_external(&self, id: PeerId) -> bool {
        self.peer(id).is_some_and(|state| state.peer.kind == super::PeerKind::External)
    }

    /// Different attribute sets, of both ways.
    pub fn attribute_set_count(&self) -> usize {
        self.attributes.len()
    }

    /// Groups of exits.
    pub fn exit_group_count(&self) -> usize {
        self.exits.len()
    }

    /// What was done and refused.
    pub const fn counters(&self) -> &RibCounters {
        &self.counters
    }

    /// Counts of what a peer has announced.
    pub fn peer_counts(&self, id: PeerId) -> PeerCounts {
        self.peer(id).map_or_else(PeerCounts::default, |state| state.counts)
    }

    /// Counts of what a peer has been told.
    pub fn member_counts(&self, id: PeerId) -> MemberCounts {
        let mut groups = self.groups.iter().flatten();
        let member = groups.find_map(|group| group.members.get(&id));
        member.map_or_else(MemberCounts::default, |member| member.counts)
    }

    /// All next hops and how they are reached.
    pub fn next_hops(&self) -> impl Iterator<Item = (Gateway, Resolution)> + '_ {
        self.next_hops.iter()
    }

    /// Octets of memory.
    pub fn memory(&self) -> Memory {
        let waiting = self.queue.capacity() + self.empties.capacity();
        Memory {
            prefixes_bytes: self.prefixes.bytes(),
            paths_bytes: self.paths.bytes(),
            attributes_bytes: self.attributes.bytes(),
            exports_bytes: self.groups.iter().flatten().map(|group| group.bytes()).sum(),
            queues_bytes: waiting * size_of::<PrefixId>()
                + self.changes.capacity() * size_of::<super::Change>(),
        }
    }

    /// All prefixes, in order. Sorted on demand: as long as the table.
    pub fn prefixes(&self) -> Vec<Ipv6Prefix> {
        self.prefixes.sorted().into_iter().map(|id| self.prefixes.prefix(id)).collect()
    }

    /// The first prefixes behind one, in order: `most` at most. Looks through the table once.
    pub fn prefixes_behind(&self, after: Option<Ipv6Prefix>, most: usize) -> Vec<Ipv6Prefix> {
        let found = self.prefixes.sorted_behind(after, most).into_iter();
        found.map(|id| self.prefixes.prefix(id)).collect()
    }

    /// The best path of a prefix and what it carries.
    pub fn best(&self, prefix: Ipv6Prefix) -> Option<(PeerId, Route)> {
        let entry = self.prefixes.entry(self.prefixes.find(prefix)?);
        let path = self.paths.get(entry.best_path)?;
        Some((path.peer, self.route(AttributesId::load(path.imported)?)))
    }

    /// What a peer has been told of a prefix, or will be: one route for each Path Identifier.
    pub fn advertised(&self, peer: PeerId, prefix: Ipv6Prefix) -> Vec<Route> {
        let mut groups = self.groups.iter().flatten();
        let group = groups.find(|group| group.members.contains_key(&peer));
        let (Some(group), Some(id)) = (group, self.prefixes.find(prefix)) else {
            return Vec::new();
        };
        let slots = (group.first_slot(id)..).take(group.width());
        slots.filter_map(|slot| group.target(slot, peer)).map(|set| self.route(set)).collect()
    }

    /// The same with where it comes from, and whether the peer has read it.
    pub fn advertised_paths(&self, peer: PeerId, prefix: Ipv6Prefix) -> Vec<AdvertisedPath> {
        let mut groups = self.groups.iter().flatten();
        let member = groups.find_map(|group| Some((group, group.members.get(&peer)?)));
        let (Some((group, member)), Some(id)) = (member, self.prefixes.find(prefix)) else {
            return Vec::new();
        };
        let has_path_ids = member.settings.agreement.has_path_ids;
        let slots = (group.first_slot(id)..).take(group.width());
        let path = |slot: u32| {
            let set = group.target(slot, peer)?;
            Some(AdvertisedPath {
                source: group.slots.get(slot as usize)?.source,
                path_id: has_path_ids.then(|| group.name(slot).1),
                is_told: member.told.has(slot),
                route: self.route(set),
            })
        };
        slots.filter_map(path).collect()
    }

    /// What a peer has sent of a prefix, by Path Identifier.
    pub fn received_paths(&self, peer: PeerId, prefix: Ipv6Prefix) -> Vec<ReceivedPath> {
        let (Some(state), Some(id)) = (self.peer(peer), self.prefixes.find(prefix)) else {
            return Vec::new();
        };
        let list = self.paths.list(self.prefixes.entry(id).first_path);
        let own = list.filter(|(_, path)| path.peer == peer && state.has(path));
        let path = |(_, path): (u32, &super::adj_rib_in::Path)| {
            Some(ReceivedPath {
                path_id: path.path_id,
                received: self.route(AttributesId::load(path.received)?),
                imported: AttributesId::load(path.imported).map(|set| self.route(set)),
                validity: path.validity,
                since_secs: path.since_secs,
                is_stale: path.epoch != state.epoch,
            })
        };
        let mut paths: Vec<ReceivedPath> = own.filter_map(path).collect();
        paths.sort_by_key(|path| path.path_id);
        paths
    }

    /// A prefix with all its paths, and why which one is best.
    pub fn show(&self, prefix: Ipv6Prefix) -> Option<PrefixView> {
        let id = self.prefixes.find(prefix)?;
        let entry = self.prefixes.entry(id);
        let candidates = self.candidates_of(id);
        let settings = &self.settings.decision;
        let best = candidates.iter().find(|candidate| candidate.path == entry.best_path);
        let lost = best.map_or_else(Vec::new, |best| explain(&candidates, best, settings));
        let shared: Vec<u32> = best.map_or_else(Vec::new, |best| {
            equals(&candidates, best, settings).iter().map(|equal| equal.path).collect()
        });
        let mut paths: Vec<PathView> = self
            .paths
            .list(entry.first_path)
            .map(|(at, path)| {
                let state = self.peer(path.peer);
                let is_there = state.is_some_and(|state| state.has(path));
                let step = lost.iter().find(|(path, _)| *path == at).map(|(_, step)| *step);
                let standing = match (path.validity, step) {
                    _ if !is_there => Standing::Gone,
                    (Validity::Accepted, _) if at == entry.best_path => Standing::Best,
                    (Validity::Accepted, Some(step)) if shared.contains(&at) => {
                        Standing::Multipath(step)
                    }
                    (Validity::Accepted, Some(step)) => Standing::Lost(step),
                    (Validity::Accepted, None) => Standing::Unreachable,
                    (refused, _) => Standing::Refused(refused),
                };
                PathView {
                    peer: path.peer,
                    path_id: path.path_id,
                    received: AttributesId::load(path.received).map(|set| self.route(set)),
                    imported: AttributesId::load(path.imported).map(|set| self.route(set)),
                    since_secs: path.since_secs,
                    is_stale: state.is_some_and(|state| state.epoch != path.epoch) && is_there,
                    standing,
                }
            })
            .collect();
        paths.sort_by_key(|path| (path.standing != Standing::Best, path.peer, path.path_id));
        // The rule that was reached last is the one that the nearest path has lost by.
        let decided_by = lost.iter().map(|(_, step)| *step).max();
        Some(PrefixView { prefix, decided_by, exits: exits_of(entry.exits), paths })
    }

    fn candidates_of(&self, id: PrefixId) -> Vec<Candidate> {
        let list = self.paths.list(self.prefixes.entry(id).first_path);
        list.filter_map(|(at, path)| {
            let set = AttributesId::load(path.imported)?;
            let state = self.peer(path.peer).filter(|state| state.has(path))?;
            let cost = self.next_hops.cost(self.attributes.next_hop(set))?;
            Some(self.candidate((at, path), (set, state), cost))
        })
        .collect()
    }
}

const fn exits_of(number: u32) -> RouteExits {
    match number {
        NONE => RouteExits::None,
        DISCARD => RouteExits::Discard,
        number => RouteExits::Group(ExitGroupId(number)),
    }
}
