//! Loc-RIB: deciding prefixes, in slices.
//!
//! Owns [`Ribs::process`] and what a decision does: the best path is remembered, the exits are
//! chosen and told, and every group's slots say what its peers shall know.
//!
//! Exits are chosen so that a death changes no prefix: paths whose next hop has died, or whose
//! session has ended, are ranked as if they lived, as long as the group that follows from it
//! carries traffic exactly where the living best paths would. So a prefix is told other exits only
//! when its paths are other ones.
//!
//! *Invariants*: a call does no more than it was asked to, whatever has happened; what is left is
//! remembered. A prefix stands in the queue once.
//! *Standards*: RFC 4271 §9.1.2 and §9.1.3, RFC 7999 §3.3.

use super::adj_rib_in::{Path, PeerState};
use super::adj_rib_out::ExportGroup;
use super::attributes::AttributesId;
use super::decision::{Candidate, equals, ranked, select};
use super::exits::{Exit, ExitGroupId, Exits};
use super::limits::{BACKUPS_MAX, CHANGES_MAX, SCANNED_PER_DECISION_MAX};
use super::next_hops::NextHopId;
use super::peer::{Blackhole, PeerId, PeerKind};
use super::policy::{Dependence, Policies, Question, Route, Verdict};
use super::prefix_table::{DISCARD, NONE, PrefixId};
use super::{Change, Ribs, RouteExits, export, is_alive};

/// Whether anything is left to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Nothing.
    Done,
    /// Something; or changes have to be taken first.
    More,
}

/// A pass over all paths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan {
    at: u32,
    /// Where it began, and ends the second time.
    start: u32,
    is_second_part: bool,
}

/// Looking at a path that nothing is to be done with costs one; for the others:
const REMOVAL_COST: usize = SCANNED_PER_DECISION_MAX / 4;

impl Ribs {
    /// Decides up to `prefixes_max` prefixes, fewer where they have many paths, and looks at a
    /// number of paths in proportion. Prefixes that are gone are freed here too, once all peers
    /// have heard: a call after the last [`Ribs::write`] finds them.
    pub fn process(&mut self, prefixes_max: usize, policies: &dyn Policies) -> Work {
        self.scan(prefixes_max.saturating_mul(SCANNED_PER_DECISION_MAX), policies);
        let mut left = self.fill(prefixes_max, policies);
        while left > 0 && self.changes.len() < CHANGES_MAX {
            let Some(prefix) = self.queue.pop_front() else { break };
            self.prefixes.entry_mut(prefix).is_queued = false;
            left = left.saturating_sub(self.decide(prefix, policies));
        }
        // Also for peers that do not read: what was superseded goes.
        self.groups.iter_mut().flatten().for_each(|group| group.tidy());
        self.free_empties(prefixes_max);
        self.sweep();
        if self.queue.is_empty() {
            self.queue.shrink_to(1 << 12);
        }
        self.work()
    }

    /// Whether anything is left to do.
    pub fn work(&self) -> Work {
        let is_filling = self.groups.iter().flatten().any(|group| group.filling.is_some());
        match self.queue.is_empty() && self.scan.is_none() && !is_filling {
            true => Work::Done,
            false => Work::More,
        }
    }

    /// A prefix has to be decided.
    pub(super) fn mark(&mut self, prefix: PrefixId) {
        let entry = self.prefixes.entry_mut(prefix);
        if !core::mem::replace(&mut entry.is_queued, true) {
            self.queue.push_back(prefix);
        }
    }

    /// A prefix that was made for a path which found no room.
    pub(super) fn abandon(&mut self, prefix: PrefixId) {
        let entry = self.prefixes.entry_mut(prefix);
        if entry.first_path == NONE && !core::mem::replace(&mut entry.is_empty, true) {
            self.empties.push_back(prefix);
        }
    }

    /// All paths have to be looked at: something that they depend on has changed.
    pub(super) fn start_scan(&mut self) {
        let at = self.scan.map_or(0, |scan| scan.at);
        self.scan = Some(Scan { at, start: at, is_second_part: false });
    }

    fn scan(&mut self, cost_max: usize, policies: &dyn Policies) {
        let mut left = cost_max;
        while let Some(scan) = &mut self.scan
            && left > 0
        {
            if !scan.is_second_part && scan.at as usize >= self.paths.bound() {
                (scan.at, scan.is_second_part) = (0, true);
            }
            let is_beyond = scan.at >= scan.start || scan.at as usize >= self.paths.bound();
            if scan.is_second_part && is_beyond {
                self.scan = None;
                self.next_hops.settle();
                for state in self.peers.iter_mut().flatten() {
                    state.is_policy_changed = false;
                    state.note_swept();
                }
                self.revalidation.finish();
                break;
            }
            let at = scan.at;
            scan.at += 1;
            left = left.saturating_sub(self.look_at(at, policies));
        }
    }

    /// Looks at a path; what it has cost.
    fn look_at(&mut self, at: u32, policies: &dyn Policies) -> usize {
        let Some(path) = self.paths.get(at).copied() else { return 1 };
        let Some(state) = self.peer(path.peer) else { return 1 };
        if !state.has(&path) {
            self.remove_path(at);
            return REMOVAL_COST;
        }
        if state.is_policy_changed || self.is_revalidated(&path) {
            self.readmit(at, policies);
            // Also where it is what it was: the peer may be another one to those who are told.
            self.mark(path.prefix);
            return SCANNED_PER_DECISION_MAX;
        }
        let set = AttributesId::load(path.imported);
        if set.is_some_and(|set| self.next_hops.is_changed(self.attributes.next_hop(set))) {
            self.mark(path.prefix);
        }
        1
    }

    /// Removes at once what a peer said in earlier epochs: only where 255 of them have begun while
    /// one pass over all paths went on.
    pub(super) fn purge(&mut self, peer: PeerId) {
        let Some(state) = self.peer_mut(peer) else { return };
        state.drop_stale();
        state.note_swept();
        let epoch = state.epoch;
        for at in 0..u32::try_from(self.paths.bound()).unwrap_or(u32::MAX) {
            let path = self.paths.get(at);
            if path.is_some_and(|path| path.peer == peer && path.epoch != epoch) {
                self.remove_path(at);
            }
        }
    }

    /// Walks on through all prefixes for groups that are new or renewed; what is left to do.
    fn fill(&mut self, prefixes_max: usize, policies: &dyn Policies) -> usize {
        let mut left = prefixes_max;
        let starts = self.groups.iter().flatten().filter_map(|group| group.filling);
        let Some(start) = starts.min() else { return left };
        let bound = u32::try_from(self.prefixes.bound()).unwrap_or(u32::MAX);
        let mut at = start;
        // Numbers that are free cost something as well.
        let looked_at_max = prefixes_max.saturating_mul(SCANNED_PER_DECISION_MAX);
        let looked_at_max = u32::try_from(looked_at_max).unwrap_or(u32::MAX);
        let end = bound.min(start.saturating_add(looked_at_max));
        while at < end && left > 0 && self.changes.len() < CHANGES_MAX {
            let prefix = PrefixId(at);
            at += 1;
            if self.prefixes.is_used(prefix) && self.prefixes.entry(prefix).first_path != NONE {
                left = left.saturating_sub(self.decide(prefix, policies));
            }
        }
        for group in self.groups.iter_mut().flatten() {
            // Those that are further on have been renewed a second time, which changes nothing.
            group.filling = group.filling.map(|from| from.max(at)).filter(|from| *from < bound);
        }
        left
    }

    /// Decides a prefix; what it has cost: many paths are no slice of one prefix.
    fn decide(&mut self, prefix: PrefixId, policies: &dyn Policies) -> usize {
        self.counters.decided += 1;
        let [mut alive, mut dead] = core::mem::take(&mut self.candidates);
        self.gather(prefix, [&mut alive, &mut dead]);
        let best = select(&alive, &self.settings.decision).copied();
        let entry = self.prefixes.entry_mut(prefix);
        let best_path = best.map_or(NONE, |best| best.path);
        let is_other = core::mem::replace(&mut entry.best_path, best_path) != best_path;
        if core::mem::take(&mut entry.is_best_changed) || is_other {
            self.note_best(prefix);
        }
        let exits = match &best {
            None => NONE,
            Some(best) if best.kind == PeerKind::Local => NONE,
            Some(best) if self.is_discarded(best) => DISCARD,
            Some(best) => self.choose(prefix, best, (&alive, &dead)),
        };
        self.lead(prefix, exits);
        self.export(prefix, (&alive, best), policies);
        let cost = 1 + (alive.len() + dead.len()) / SCANNED_PER_DECISION_MAX;
        [&mut alive, &mut dead].into_iter().for_each(Vec::clear);
        self.candidates = [alive, dead];
        if let Some(decided) = &mut self.decided {
            decided.push_back(self.prefixes.prefix(prefix));
        }
        if best.is_none() {
            self.abandon(prefix);
        }
        cost
    }

    /// All paths that may be used; those of the second list if only their exits lived.
    fn gather(&self, prefix: PrefixId, [alive, dead]: [&mut Vec<Candidate>; 2]) {
        for (at, path) in self.paths.list(self.prefixes.entry(prefix).first_path) {
            let Some(set) = AttributesId::load(path.imported) else { continue };
            let Some(state) = self.peer(path.peer) else { continue };
            let next_hop = self.attributes.next_hop(set);
            match (self.next_hops.cost(next_hop), state.has(path)) {
                (Some(cost), true) => alive.push(self.candidate((at, path), (set, state), cost)),
                _ => {
                    let cost = self.next_hops.last_cost(next_hop);
                    dead.extend(cost.map(|cost| self.candidate((at, path), (set, state), cost)));
                }
            }
        }
    }

    pub(super) fn candidate(
        &self,
        (at, path): (u32, &Path),
        (set, state): (AttributesId, &PeerState),
        cost: u32,
    ) -> Candidate {
        Candidate {
            path: at,
            kind: state.peer.kind,
            ranking: *self.attributes.ranking(set),
            cost,
            since_secs: path.since_secs,
            router_id: state.peer.router_id.0,
            address: state.peer.address,
            path_id: path.path_id,
            exit: Exit {
                next_hop: self.attributes.next_hop(set),
                peer: path.peer,
                generation: state.generation_of(path),
            },
        }
    }

    fn is_discarded(&self, best: &Candidate) -> bool {
        let peer = self.peer(best.exit.peer).map(|state| state.peer.blackhole);
        best.ranking.is_blackhole() && peer == Some(Blackhole::Honoured)
    }

    /// The number of the group of exits, found or made.
    fn choose(
        &mut self,
        prefix: PrefixId,
        best: &Candidate,
        (alive, dead): (&[Candidate], &[Candidate]),
    ) -> u32 {
        let exits = self.rank(alive, best);
        let wanted = exits.primaries.clone();
        if !dead.is_empty() {
            let all: Vec<Candidate> = alive.iter().chain(dead).copied().collect();
            if let Some(first) = select(&all, &self.settings.decision) {
                let stable = self.rank(&all, first);
                if stable.content(|exit| self.lives(exit)) == wanted {
                    return self.number(prefix, stable);
                }
            }
        }
        self.number(prefix, exits)
    }

    fn lives(&self, exit: Exit) -> bool {
        is_alive(&self.next_hops, &self.peers, exit)
    }

    /// Who shares the traffic, and who waits.
    fn rank(&self, candidates: &[Candidate], best: &Candidate) -> Exits {
        let settings = &self.settings.decision;
        let equals = equals(candidates, best, settings);
        let primaries: Vec<Exit> = equals.into_iter().map(|candidate| candidate.exit).collect();
        let mut exits = Exits { primaries, backups: Vec::new() };
        if candidates.len() == 1 {
            return exits;
        }
        let mut rest: Vec<Candidate> = candidates.to_vec();
        loop {
            rest.retain(|candidate| {
                let is_taken = exits.primaries.contains(&candidate.exit)
                    || exits.backups.contains(&candidate.exit);
                !is_taken && candidate.kind != PeerKind::Local
            });
            let next = select(&rest, settings).filter(|_| exits.backups.len() < BACKUPS_MAX);
            let Some(next) = next else { return exits };
            exits.backups.push(next.exit);
        }
    }

    /// A group for these exits, or for fewer where there are no more groups.
    fn number(&mut self, prefix: PrefixId, exits: Exits) -> u32 {
        let current = self.prefixes.entry(prefix).exits;
        if current < DISCARD && self.exits.is(ExitGroupId(current), &exits) {
            return current;
        }
        if let Some(id) = self.exits.find(&exits) {
            return id.0;
        }
        let least = exits.content(|exit| self.lives(exit)).first().copied();
        let content = exits.content(|exit| self.lives(exit));
        let kept: Vec<NextHopId> = exits.iter().map(|exit| exit.next_hop).collect();
        if let Some(id) = self.exits.create(exits, content) {
            kept.into_iter().for_each(|next_hop| self.next_hops.retain(next_hop));
            self.announce_group(id);
            return id.0;
        }
        self.counters.exits_exhausted += 1;
        let Some(least) = least else { return NONE };
        let exits = Exits { primaries: vec![least], backups: Vec::new() };
        self.exits.find(&exits).map_or(NONE, |id| id.0)
    }

    /// A prefix has these exits from here on.
    fn lead(&mut self, prefix: PrefixId, exits: u32) {
        let before = core::mem::replace(&mut self.prefixes.entry_mut(prefix).exits, exits);
        if before == exits {
            return;
        }
        self.counters.changed += 1;
        if exits < DISCARD {
            self.exits.retain(ExitGroupId(exits));
        }
        let route = match exits {
            NONE => RouteExits::None,
            DISCARD => RouteExits::Discard,
            number => RouteExits::Group(ExitGroupId(number)),
        };
        let prefix = self.prefixes.prefix(prefix);
        self.changes.push_back(Change::Route { prefix, exits: route });
        if before < DISCARD
            && let Some(gone) = self.exits.release(ExitGroupId(before))
        {
            self.changes.push_back(Change::GroupGone(ExitGroupId(before)));
            gone.iter().for_each(|exit| self.drop_next_hop(exit.next_hop));
        }
    }

    fn export(
        &mut self,
        prefix: PrefixId,
        (alive, best): (&[Candidate], Option<Candidate>),
        policies: &dyn Policies,
    ) {
        let bound = self.prefixes.bound();
        for number in 0..self.groups.len() {
            let Some(mut group) = self.groups[number].take() else { continue };
            group.reserve(bound);
            if group.width() == 1 {
                let path = best.map(|best| best.path);
                let slot = group.first_slot(prefix);
                self.fill_slot(&mut group, (prefix, slot), path, policies);
            } else {
                self.fill_slots(&mut group, prefix, alive, policies);
            }
            self.groups[number] = Some(group);
        }
    }

    /// RFC 7911: the best paths, each in the slot that it had before.
    fn fill_slots(
        &mut self,
        group: &mut ExportGroup,
        prefix: PrefixId,
        alive: &[Candidate],
        policies: &dyn Policies,
    ) {
        let settings = self.settings.decision;
        let ranked = ranked(alive, &settings, group.width());
        let wanted: Vec<u32> = ranked.iter().map(|candidate| candidate.path).collect();
        let first = group.first_slot(prefix) as usize;
        let width = group.width();
        let places = group.paths.get(first..first + width).unwrap_or_default().to_vec();
        let mut chosen: Vec<Option<u32>> =
            places.iter().map(|path| Some(*path).filter(|path| wanted.contains(path))).collect();
        let new: Vec<u32> = wanted.into_iter().filter(|path| !places.contains(path)).collect();
        let mut free = chosen.iter_mut().filter(|place| place.is_none());
        for path in new {
            if let Some(place) = free.next() {
                *place = Some(path);
            }
        }
        for (slot, path) in (first..).zip(chosen) {
            group.paths[slot] = path.unwrap_or(NONE);
            let slot = u32::try_from(slot).unwrap_or_else(|_| unreachable!("a limit"));
            self.fill_slot(group, (prefix, slot), path, policies);
        }
    }

    fn fill_slot(
        &mut self,
        group: &mut ExportGroup,
        (prefix, slot): (PrefixId, u32),
        path: Option<u32>,
        policies: &dyn Policies,
    ) {
        let source = path.map_or(PeerId::LOCAL, |path| self.paths.path(path).peer);
        let made = path.and_then(|path| self.made(group, prefix, path, policies));
        if let Some(unneeded) = group.put(slot, made, source) {
            self.attributes.release(unneeded);
        }
    }

    /// What a path becomes on its way to a group; with a reference.
    fn made(
        &mut self,
        group: &mut ExportGroup,
        prefix: PrefixId,
        path: u32,
        policies: &dyn Policies,
    ) -> Option<AttributesId> {
        let path = *self.paths.path(path);
        let set = AttributesId::load(path.imported)?;
        let to = group.settings;
        let from = self.peer(path.peer)?.peer.kind;
        // RFC 8212 §2: without a policy, external peers are told nothing.
        let is_denied = to.policy.is_none() && to.kind == PeerKind::External;
        if is_denied || !export::may_pass(from, to.kind) {
            return None;
        }
        let dependence = to.policy.map_or(Dependence::Attributes, |id| policies.dependence(id));
        if dependence == Dependence::Attributes
            && let Some(made) = group.recall(set, path.peer)
        {
            return made.inspect(|made| self.attributes.retain(*made, 1));
        }
        let prepared = match group.last.take() {
            Some((last, peer, prepared)) if last == set && peer == path.peer => prepared,
            _ => export::prepare(&to, &self.peer(path.peer)?.peer, self.route(set)),
        };
        let prefix = (dependence == Dependence::Prefix).then(|| self.prefixes.prefix(prefix));
        let verdict = match (&prepared, to.policy) {
            (None, _) => Verdict::Reject,
            (Some(_), None) => Verdict::Accept,
            (Some(route), Some(policy)) => {
                policies.judge(policy, &Question { prefix, from: path.peer, route })
            }
        };
        let made = self.pass(group, (set, path.peer), (&prepared, verdict), dependence);
        group.last = Some((set, path.peer, prepared));
        made
    }

    /// What a verdict comes to; remembered where it is the same for all prefixes.
    fn pass(
        &mut self,
        group: &mut ExportGroup,
        (set, peer): (AttributesId, PeerId),
        (prepared, verdict): (&Option<Route>, Verdict),
        dependence: Dependence,
    ) -> Option<AttributesId> {
        let is_accepted = verdict == Verdict::Accept;
        if is_accepted && let Some(made) = group.recall(set, peer) {
            return made.inspect(|made| self.attributes.retain(*made, 1));
        }
        let mut route = match verdict {
            Verdict::Reject => None,
            Verdict::Accept => prepared.clone(),
            Verdict::Change(route) => Some(*route),
        };
        if let Some(route) = &mut route {
            let from = &self.peer(peer)?.peer;
            export::finish(&self.settings, &group.settings, from, route);
        }
        let made = route.and_then(|route| {
            let made = self.intern(&route, None, PeerId::LOCAL);
            self.counters.exports_exhausted += u64::from(made.is_none());
            made
        });
        if is_accepted || dependence == Dependence::Attributes {
            if let Some(made) = made {
                self.attributes.retain(made, 1);
            }
            if let Some(unneeded) = group.remember(set, peer, made) {
                self.attributes.release(unneeded);
            }
        }
        made
    }

    /// Frees prefixes without paths of which all peers have heard.
    fn free_empties(&mut self, prefixes_max: usize) {
        for _ in 0..prefixes_max.min(self.empties.len()) {
            let Some(prefix) = self.empties.pop_front() else { break };
            let entry = self.prefixes.entry_mut(prefix);
            if entry.first_path != NONE {
                entry.is_empty = false;
                continue;
            }
            let is_idle = !entry.is_queued && entry.exits == NONE;
            if is_idle && self.groups.iter().flatten().all(|group| group.is_idle(prefix)) {
                self.prefixes.free(prefix);
            } else {
                self.empties.push_back(prefix);
            }
        }
        if self.empties.is_empty() {
            self.empties.shrink_to(1 << 12);
        }
    }
}
