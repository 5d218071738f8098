//! What peers say, put into the tables.
//!
//! Owns [`Ribs::receive`] and the routes that this router originates. Prefixes are only marked
//! here; they are decided in `loc_rib.rs`.
//!
//! *Standards*: RFC 4271 §9 and §3.2, RFC 4724 §4.2 (what is announced again is not stale), RFC
//! 8212 §2 (import).

use super::adj_rib_in::{Path, PeerCounts, PeerState, Validity};
use super::attributes::AttributesId;
use super::limits::PATHS_PER_PREFIX_AND_PEER_MAX;
use super::monitor::PathChange;
use super::peer::{PeerId, PeerKind, RibPeer};
use super::policy::{Dependence, Policies, Question, Route, Verdict};
use super::prefix_table::{NONE, PrefixId};
use super::{Ribs, import};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::wire::bgp::update::Announcement;
use crate::wire::bgp::{Nlri, Update};

/// A peer has more paths than it may: RFC 4486 §4 says what its session ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("more than {0} paths")]
pub struct PathsExceeded(pub u32);

/// A route on its way in.
struct Arrival {
    /// As the policy sees it.
    marked: Route,
    /// What it is where the policy lets it in as it is; with a reference.
    accepted: Option<AttributesId>,
    dependence: Dependence,
    judged: Result<(), Validity>,
}

impl Ribs {
    /// An UPDATE of a peer. Paths beyond those that it may have are left out, and said.
    pub fn receive(
        &mut self,
        now: Instant,
        from: PeerId,
        update: Update,
        policies: &dyn Policies,
    ) -> Result<(), PathsExceeded> {
        // RFC 4271 §4.3: a prefix that is in both counts as announced.
        for nlri in update.withdrawn {
            self.withdraw(from, nlri);
        }
        let result = match update.announced {
            Some(announcement) => self.announce(now, from, announcement, policies),
            None => Ok(()),
        };
        self.sweep();
        result
    }

    /// This router originates a route; without a next hop its own. `None` where a table is full.
    pub fn originate(&mut self, now: Instant, prefix: Ipv6Prefix, route: &Route) -> Option<()> {
        let set = self.intern(route, None, PeerId::LOCAL)?;
        let nlri = Nlri::of(prefix);
        let news = News { received: set, imported: Some(set), validity: Validity::Accepted };
        let stored = self.store(now, PeerId::LOCAL, nlri, news);
        self.attributes.release(set);
        self.sweep();
        stored.ok()
    }

    /// It originates it no more.
    pub fn withdraw_origin(&mut self, prefix: Ipv6Prefix) {
        self.withdraw(PeerId::LOCAL, Nlri::of(prefix));
        self.sweep();
    }

    fn withdraw(&mut self, from: PeerId, nlri: Nlri) {
        let Some(prefix) = self.prefixes.find(nlri.prefix) else { return };
        let first = self.prefixes.entry(prefix).first_path;
        if let Some(at) = self.paths.find(first, from, nlri.path_id) {
            self.counters.withdrawn += 1;
            self.remove_path(at);
        }
    }

    fn announce(
        &mut self,
        now: Instant,
        from: PeerId,
        announcement: Announcement,
        policies: &dyn Policies,
    ) -> Result<(), PathsExceeded> {
        let Some(peer) = self.peer(from).map(|state| state.peer.clone()) else { return Ok(()) };
        let Announcement { nlri, next_hop, attributes } = announcement;
        let route = Route { next_hop: Some(next_hop), attributes };
        let Some(received) = self.intern(&route, peer.port, from) else {
            self.counters.paths_refused += nlri.len() as u64;
            // RFC 4271 §3.1: an announcement replaces what was announced before, also where it
            // cannot be kept: packets must not go on where the peer has said they no longer should.
            nlri.into_iter().for_each(|nlri| self.withdraw(from, nlri));
            return Ok(());
        };
        let arrival = self.arrive((from, &peer), (received, route), policies);
        let mut common = None;
        if arrival.dependence == Dependence::Attributes {
            common = Some(self.admit((from, &peer), &arrival, None, policies));
        }
        let mut result = Ok(());
        for nlri in nlri {
            let limit = peer.paths_max.unwrap_or(u32::MAX);
            if self.is_beyond(from, nlri, limit) {
                self.counters.paths_exceeded += 1;
                result = Err(PathsExceeded(limit));
                continue;
            }
            self.counters.announced += 1;
            let (imported, validity) = match common {
                Some(common) => common,
                None => self.admit((from, &peer), &arrival, Some(nlri.prefix), policies),
            };
            let news = News { received, imported, validity };
            match self.store(now, from, nlri, news) {
                Ok(()) => {}
                Err(Unstored::Full) => {
                    self.counters.paths_refused += 1;
                    self.fall_short(from);
                }
                Err(Unstored::Crowded) => self.counters.paths_crowded += 1,
            }
            if let Some(set) = imported.filter(|_| common.is_none()) {
                self.attributes.release(set);
            }
        }
        let common = common.and_then(|(imported, _)| imported);
        let held = common.into_iter().chain(arrival.accepted).chain([received]);
        held.for_each(|set| self.attributes.release(set));
        result
    }

    /// Whether a path would be one more than its peer may have.
    fn is_beyond(&self, from: PeerId, nlri: Nlri, limit: u32) -> bool {
        // What an earlier session has left is not held against the peer.
        let counts = self.peer(from).map_or_else(PeerCounts::default, |state| state.counts);
        if counts.received - counts.stale < limit {
            return false;
        }
        let first = self.prefixes.find(nlri.prefix).map(|id| self.prefixes.entry(id).first_path);
        first.and_then(|first| self.paths.find(first, from, nlri.path_id)).is_none()
    }

    /// What can be said of a route without its prefix.
    fn arrive(
        &mut self,
        (from, peer): (PeerId, &RibPeer),
        (received, mut route): (AttributesId, Route),
        policies: &dyn Policies,
    ) -> Arrival {
        let judged = import::judge(&self.settings, peer, &route);
        let is_denied = peer.kind == PeerKind::External && peer.import.is_none();
        let judged = judged.and(if is_denied { Err(Validity::NoPolicy) } else { Ok(()) });
        let is_marked = import::mark(peer, &mut route);
        let marked = route;
        let accepted = match judged {
            Ok(()) if import::is_ending(peer, &marked) => {
                let mut finished = marked.clone();
                import::finish(peer, &mut finished);
                self.intern(&finished, peer.port, from)
            }
            Ok(()) if is_marked => self.intern(&marked, peer.port, from),
            // It is what it was: most routes are.
            Ok(()) => {
                self.attributes.retain(received, 1);
                Some(received)
            }
            Err(_) => None,
        };
        let dependence = match (judged, peer.import) {
            (Ok(()), Some(policy)) => policies.dependence(policy),
            _ => Dependence::Attributes,
        };
        Arrival { marked, accepted, dependence, judged }
    }

    /// What becomes of a route; with a reference.
    fn admit(
        &mut self,
        (from, peer): (PeerId, &RibPeer),
        arrival: &Arrival,
        prefix: Option<Ipv6Prefix>,
        policies: &dyn Policies,
    ) -> (Option<AttributesId>, Validity) {
        if let Err(validity) = arrival.judged {
            return (None, validity);
        }
        let question = Question { prefix, from, route: &arrival.marked };
        let verdict =
            peer.import.map_or(Verdict::Accept, |policy| policies.judge(policy, &question));
        let imported = match verdict {
            Verdict::Reject => return (None, Validity::Policy),
            Verdict::Accept => arrival.accepted.inspect(|set| self.attributes.retain(*set, 1)),
            Verdict::Change(mut route) => {
                import::finish(peer, &mut route);
                self.intern(&route, peer.port, from)
            }
        };
        match imported {
            Some(set) => (Some(set), Validity::Accepted),
            None => (None, Validity::Exhausted),
        }
    }

    /// Imports a path anew, for its policy has changed.
    pub(super) fn readmit(&mut self, at: u32, policies: &dyn Policies) {
        let path = *self.paths.path(at);
        let Some(received) = AttributesId::load(path.received) else { return };
        let Some(peer) = self.peer(path.peer).map(|state| state.peer.clone()) else { return };
        let prefix = self.prefixes.prefix(path.prefix);
        let route = self.route(received);
        let arrival = self.arrive((path.peer, &peer), (received, route), policies);
        let prefix = (arrival.dependence == Dependence::Prefix).then_some(prefix);
        let (imported, validity) = self.admit((path.peer, &peer), &arrival, prefix, policies);
        if let Some(accepted) = arrival.accepted {
            self.attributes.release(accepted);
        }
        self.count_accepted(path.peer, path.validity, validity);
        let path = self.paths.path_mut(at);
        path.validity = validity;
        let before = core::mem::replace(&mut path.imported, AttributesId::stored(imported));
        let path = *path;
        if before != path.imported {
            self.note_path(&path, PathChange::Imported);
            self.touch_best(path.prefix, at);
        }
        if let Some(before) = AttributesId::load(before) {
            self.attributes.release(before);
        }
    }

    /// Puts a path in, or in the place of the one before.
    fn store(
        &mut self,
        now: Instant,
        from: PeerId,
        nlri: Nlri,
        news: News,
    ) -> Result<(), Unstored> {
        let prefix = self.prefixes.intern(nlri.prefix).ok_or(Unstored::Full)?;
        let epoch = self.peer(from).map_or(0, |state| state.epoch);
        let first = self.prefixes.entry(prefix).first_path;
        let News { received, imported, validity } = news;
        let seconds = now.as_nanos() / 1_000_000_000;
        let path = Path {
            prefix,
            next: first,
            received: received.0,
            imported: AttributesId::stored(imported),
            path_id: nlri.path_id,
            since_secs: u32::try_from(seconds).unwrap_or(u32::MAX),
            peer: from,
            epoch,
            validity,
        };
        self.attributes.retain(received, 1);
        if let Some(set) = imported {
            self.attributes.retain(set, 1);
        }
        let Some(at) = self.paths.find(first, from, nlri.path_id) else {
            return self.add_path(prefix, path, news);
        };
        let before = *self.paths.path(at);
        let is_same = before.imported == path.imported && before.received == path.received;
        // Who says the same again is not younger for it.
        let since_secs = if is_same { before.since_secs } else { path.since_secs };
        *self.paths.path_mut(at) = Path { next: before.next, since_secs, ..path };
        self.release_path(&before);
        self.count_accepted(from, before.validity, validity);
        let was_stale = before.epoch != epoch;
        let mut did_count = true;
        if let Some(state) = self.peer_mut(from) {
            did_count = state.has(&before);
            state.counts.stale -= u32::from(was_stale);
        }
        if !is_same || !did_count {
            self.mark(prefix);
        }
        if !is_same || was_stale {
            self.note_path(&path, PathChange::Received);
        }
        if before.imported != path.imported {
            self.touch_best(prefix, at);
        }
        Ok(())
    }

    fn add_path(&mut self, prefix: PrefixId, path: Path, news: News) -> Result<(), Unstored> {
        let place = self.place(&path);
        let Ok(at) = place else {
            self.release_path(&path);
            self.abandon(prefix);
            return place.map(|_| ());
        };
        self.prefixes.entry_mut(prefix).first_path = at;
        if let Some(state) = self.peer_mut(path.peer) {
            state.counts.received += 1;
            state.counts.accepted += u32::from(news.validity == Validity::Accepted);
        }
        self.mark(prefix);
        self.note_path(&path, PathChange::Received);
        Ok(())
    }

    /// A number for a path that is not there yet.
    fn place(&mut self, path: &Path) -> Result<u32, Unstored> {
        // Without Path Identifiers a peer has one path of a prefix.
        let is_one_of_several = path.path_id != 0;
        if is_one_of_several
            && self.paths.count_of(path.next, path.peer) >= PATHS_PER_PREFIX_AND_PEER_MAX
        {
            return Err(Unstored::Crowded);
        }
        if self.peer(path.peer).is_none_or(PeerState::is_full) {
            return Err(Unstored::Full);
        }
        self.paths.insert(*path).ok_or(Unstored::Full)
    }

    /// Takes a path out of the tables.
    pub(super) fn remove_path(&mut self, at: u32) {
        let path = *self.paths.path(at);
        let entry = self.prefixes.entry_mut(path.prefix);
        entry.first_path = self.paths.remove(entry.first_path, at);
        if entry.best_path == at {
            (entry.best_path, entry.is_best_changed) = (NONE, true);
        }
        self.release_path(&path);
        if let Some(state) = self.peer_mut(path.peer) {
            state.counts.received -= 1;
            state.counts.accepted -= u32::from(path.validity == Validity::Accepted);
            state.counts.stale -= u32::from(path.epoch != state.epoch);
        }
        self.mark(path.prefix);
        self.note_path(&path, PathChange::Received);
    }

    /// A path has other attributes: to those who watch, so has its prefix if it is the best one.
    fn touch_best(&mut self, prefix: PrefixId, at: u32) {
        let entry = self.prefixes.entry_mut(prefix);
        entry.is_best_changed |= entry.best_path == at;
    }

    fn release_path(&mut self, path: &Path) {
        for set in [path.received, path.imported].into_iter().filter_map(AttributesId::load) {
            self.attributes.release(set);
        }
    }

    fn count_accepted(&mut self, peer: PeerId, before: Validity, after: Validity) {
        if let Some(state) = self.peer_mut(peer) {
            state.counts.accepted += u32::from(after == Validity::Accepted);
            state.counts.accepted -= u32::from(before == Validity::Accepted);
        }
    }
}

/// Why a path is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unstored {
    /// A table is full, or the peer's share of it.
    Full,
    /// The peer has too many of the prefix.
    Crowded,
}

/// What is new of a path.
#[derive(Clone, Copy)]
struct News {
    received: AttributesId,
    imported: Option<AttributesId>,
    validity: Validity,
}
