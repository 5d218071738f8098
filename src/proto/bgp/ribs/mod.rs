//! The tables of a BGP speaker: from what peers announce to what other peers are told.
//!
//! ```text
//!  UPDATE -> import -> AdjRibIn -> decision -> exits  -> Change (forwarding)
//!            policy                    |
//!                                      +---> export -> ExportGroup -> packing -> UPDATE
//!                                            policy     journal
//! ```
//!
//! Read [`attributes`] and `prefix_table` first: everything else is small numbers that these two
//! hand out (`index` finds them). Then [`peer`] and [`policy`], the borders to the speaker; then
//! the way of a route: `import`, [`adj_rib_in`], [`next_hops`], [`decision`], [`exits`], `loc_rib`
//! (where it is decided, in slices; `revalidate` when the RPKI says other things), [`export`],
//! [`adj_rib_out`] with `journal`, `packing`. `view` is what people are shown, [`table_page`] what
//! whole tables are taken by, `monitor` what tells who watches of changes.
//!
//! Owns [`Ribs`], one for each speaker. A peer's UPDATE only marks prefixes; [`Ribs::process`]
//! decides as many of them as its caller has time for; [`Ribs::write`] writes what peers shall be
//! told as fast as they read. Nothing waits in a queue for each change: each table says what is so,
//! and each reader how far it has come.
//!
//! *Invariants*: every number that is stored has its reference; sets without one are freed at the
//! end of the call that took the last. All limits are in [`limits`]; what is
//! refused is counted. No order of a hash shows.
//! *Standards*: RFC 4271 §3.2 and §9, RFC 4456, RFC 4724 §4, RFC 7911, RFC 8212, RFC 9234 §5.
//! Gap: RFC 4271 §9.1.4: overlapping routes are neither aggregated nor suppressed; what is
//! aggregated comes by configuration, as a route that this router originates.
//! Gap: RFC 4271 §9.2.1: no minimum interval between announcements: what supersedes what is in
//! the journal.

pub mod adj_rib_in;
pub mod adj_rib_out;
pub mod attributes;
pub mod decision;
pub mod exits;
pub mod export;
mod import;
mod index;
mod journal;
pub mod limits;
mod loc_rib;
mod monitor;
pub mod next_hops;
mod packing;
pub mod peer;
pub mod policy;
mod prefix_table;
mod receive;
mod revalidate;
pub mod table_page;
#[cfg(test)]
mod tests;
pub mod view;

pub use adj_rib_in::{PeerCounts, StalePaths, Validity};
pub use adj_rib_out::{MemberCounts, MemberSettings};
pub use attributes::AttributesId;
pub use decision::{DecisionSettings, Step};
pub use exits::ExitGroupId;
pub use export::{AsPathMode, ExportSettings, NextHopMode};
pub use loc_rib::Work;
pub use monitor::{PathChange, Watched};
pub use next_hops::{Gateway, Resolution};
pub use packing::Written;
pub use peer::{Blackhole, FirstAs, PeerId, PeerKind, RibPeer};
pub use policy::{Dependence, Policies, PolicyId, Question, Route, Verdict};
pub use receive::PathsExceeded;
pub use table_page::{PageLimits, Table, TablePath};
pub use view::{AdvertisedPath, Memory, PathView, PrefixView, ReceivedPath, Standing};

use crate::base::ids::{PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use adj_rib_in::{AdjRibIn, PeerState};
use adj_rib_out::ExportGroup;
use attributes::{AttributeTable, SetError};
use decision::Candidate;
use exits::{Exit, ExitGroups};
use limits::{ADD_PATHS_MAX, EXPORT_GROUPS_MAX, PEERS_MAX};
use monitor::Monitor;
use next_hops::{Edge, NextHopId, NextHops};
use prefix_table::{NONE, PrefixId, PrefixTable};
use revalidate::Revalidation;
use std::collections::VecDeque;

crate::counters! {
    /// What a speaker's tables did and refused.
    pub struct RibCounters {
        @normal announced: "paths", "Paths announced by peers.";
        @normal withdrawn: "paths", "Paths withdrawn by peers.";
        @normal decided: "prefixes", "Prefixes decided.";
        @normal changed: "prefixes", "Prefixes whose packets leave by other exits than before.";
        @normal groups_changed: "groups", "Groups of exits of which something died or came back.";
        paths_refused: "paths", "Paths refused because a table is full.";
        paths_exceeded: "paths", "Paths refused because the peer has as many as it may.";
        refreshes_ignored: "refreshes", "Begins of refreshes ignored because there were too many.";
        sets_too_long: "sets", "Attribute sets refused because no message can carry them.";
        paths_crowded: "paths", "Paths refused because the peer has too many of the prefix.";
        exits_exhausted: "prefixes", "Prefixes without backup or exit for want of a group.";
        exports_exhausted: "paths", "Paths not announced because the table of sets is full.";
    }
}

/// What the tables of a speaker are made with.
#[derive(Clone, Copy, Debug)]
pub struct RibSettings {
    /// The AS of this router.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: RouterId,
    /// RFC 4456 §7: the cluster that it reflects for; by default its BGP identifier.
    pub cluster_id: RouterId,
    /// How paths are compared.
    pub decision: DecisionSettings,
    /// Keys the hashes; a secret, so that peers cannot choose what collides.
    pub seed: u64,
}

/// Where the packets of a prefix go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteExits {
    /// BGP knows nothing of it, or this router itself has originated it.
    None,
    /// By a group of exits, announced before.
    Group(ExitGroupId),
    /// RFC 7999: nowhere.
    Discard,
}

/// News for those who resolve and forward.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A next hop whose resolution is wanted.
    Track(Gateway),
    /// One that is wanted no more.
    Untrack(Gateway),
    /// What lives of a group of exits, in order; also for a new one, before any prefix has it.
    Group {
        /// Which.
        id: ExitGroupId,
        /// From where its exits were learned.
        kind: PeerKind,
        /// By equal shares; none where nothing lives.
        next_hops: Vec<Gateway>,
    },
    /// A group that no prefix has any more.
    GroupGone(ExitGroupId),
    /// A prefix has other exits than before.
    Route {
        /// Which.
        prefix: Ipv6Prefix,
        /// The exits.
        exits: RouteExits,
    },
}

/// Why a peer is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RibError {
    /// Its number is too high.
    #[error("more than {PEERS_MAX} peers")]
    PeersExhausted,
    /// No group is left.
    #[error("more than {EXPORT_GROUPS_MAX} different ways to export")]
    GroupsExhausted,
    /// A table is full, or the peer's share of it.
    #[error("the tables have no room for some of its routes")]
    RoutesExhausted,
}

/// RFC 4724 §4.1: whether peers are told of routes that came from others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deferral {
    /// They are.
    None,
    /// Not yet: this router has restarted, and not all of its peers have sent theirs.
    Restarting,
}

/// All tables of a speaker.
#[derive(Clone, Debug)]
pub struct Ribs {
    settings: RibSettings,
    prefixes: PrefixTable,
    paths: AdjRibIn,
    attributes: AttributeTable,
    next_hops: NextHops,
    exits: ExitGroups,
    peers: Vec<Option<PeerState>>,
    local: PeerState,
    /// Boxed, as each decision takes every one of them out and puts it back.
    groups: Vec<Option<Box<ExportGroup>>>,
    deferral: Deferral,
    /// Prefixes to decide, the oldest first.
    queue: VecDeque<PrefixId>,
    /// Prefixes without paths, to be freed when all peers have heard.
    empties: VecDeque<PrefixId>,
    /// A pass over all paths: where it is, and how many are left.
    scan: Option<loc_rib::Scan>,
    /// Prefixes whose origin is judged anew by that pass.
    revalidation: Revalidation,
    monitor: Monitor,
    changes: VecDeque<Change>,
    /// Peers of whose routes some found no room, not yet said.
    shortages: VecDeque<PeerId>,
    /// Prefixes decided since somebody looked, where somebody looks.
    decided: Option<VecDeque<Ipv6Prefix>>,
    counters: RibCounters,
    /// Reused for each decision.
    candidates: [Vec<Candidate>; 2],
}

impl Ribs {
    /// Empty tables.
    pub fn new(settings: RibSettings) -> Self {
        Self {
            settings,
            prefixes: PrefixTable::new(settings.seed),
            paths: AdjRibIn::new(),
            attributes: AttributeTable::new(settings.seed),
            next_hops: NextHops::new(),
            exits: ExitGroups::default(),
            peers: Vec::new(),
            local: PeerState::new(RibPeer::local(settings.asn, settings.router_id)),
            groups: Vec::new(),
            deferral: Deferral::None,
            queue: VecDeque::new(),
            empties: VecDeque::new(),
            scan: None,
            revalidation: Revalidation::default(),
            monitor: Monitor::default(),
            changes: VecDeque::new(),
            shortages: VecDeque::new(),
            decided: None,
            counters: RibCounters::default(),
            candidates: [Vec::new(), Vec::new()],
        }
    }

    /// A session with a peer is up: it may announce. Paths of an earlier session stay what they
    /// were.
    pub fn peer_up(&mut self, id: PeerId, peer: RibPeer) -> Result<(), RibError> {
        if id.index() >= PEERS_MAX {
            return Err(RibError::PeersExhausted);
        }
        if self.peers.len() <= id.index() {
            self.peers.resize(id.index() + 1, None);
        }
        match &mut self.peers[id.index()] {
            Some(state) => {
                let is_other = state.peer != peer;
                state.peer = peer;
                state.is_up = true;
                if is_other {
                    // What was made of its paths was made for the one that it was.
                    state.is_policy_changed = true;
                    self.forget_source(id);
                    self.start_scan();
                }
            }
            place => *place = Some(PeerState::new(peer)),
        }
        self.refresh_exits(|exit| exit.peer == id);
        Ok(())
    }

    fn forget_source(&mut self, id: PeerId) {
        for group in self.groups.iter_mut().flatten() {
            let forgotten = group.forget_source(id);
            forgotten.into_iter().for_each(|set| self.attributes.release(set));
        }
        self.sweep();
    }

    /// A session has ended; the peer is told nothing any more. Exits by a peer whose paths are gone
    /// are dead at once; the paths themselves go in slices.
    pub fn peer_down(&mut self, id: PeerId, stale: StalePaths) {
        self.leave(id);
        let Some(state) = self.peer_mut(id) else { return };
        if state.is_epoch_worn() {
            self.purge(id);
        }
        let Some(state) = self.peer_mut(id) else { return };
        let has_stale = state.counts.stale > 0;
        state.end_session(stale);
        if stale == StalePaths::Gone {
            self.refresh_exits(|exit| exit.peer == id);
        }
        if stale == StalePaths::Gone || has_stale {
            self.start_scan();
        }
        self.sweep();
    }

    /// RFC 7313 §4: the peer begins to say everything again: what it has not said by
    /// [`Self::end_of_stale`] is gone then. It may begin anew before it has come to an end: what
    /// was stale before stays until then, because the peer has said nothing of it. One that begins
    /// more often than paths are removed is not heard.
    pub fn begin_stale(&mut self, id: PeerId) {
        let Some(state) = self.peer_mut(id) else { return };
        let is_fresh = state.counts.stale < state.counts.received;
        match (is_fresh, state.is_epoch_worn()) {
            // All that is there is stale already.
            (false, _) => {}
            (true, false) => state.begin_epoch(),
            (true, true) => self.counters.refreshes_ignored += 1,
        }
    }

    /// RFC 4724 §4.2: the peer has said everything again, or its time is over: paths of earlier
    /// sessions are gone.
    pub fn end_of_stale(&mut self, id: PeerId) {
        let Some(state) = self.peer_mut(id) else { return };
        state.drop_stale();
        if !state.is_up {
            state.generation = state.generation.wrapping_add(1);
            self.refresh_exits(|exit| exit.peer == id);
        }
        self.start_scan();
    }

    /// The policy by which a peer's paths are imported has changed, or what it says.
    pub fn reimport(&mut self, id: PeerId, import: Option<PolicyId>) {
        let Some(state) = self.peer_mut(id) else { return };
        state.peer.import = import;
        state.is_policy_changed = true;
        self.start_scan();
    }

    /// What a policy says has changed: everything that it has let out is exported anew.
    pub fn reexport(&mut self, policy: PolicyId) {
        let mut forgotten = Vec::new();
        for group in self.groups.iter_mut().flatten() {
            if group.settings.policy == Some(policy) {
                forgotten.extend(group.forget_all());
                group.filling = Some(0);
            }
        }
        forgotten.into_iter().for_each(|set| self.attributes.release(set));
        self.sweep();
    }

    /// How a next hop is reached has changed. Groups of exits follow at once, prefixes in slices.
    pub fn resolve(&mut self, gateway: Gateway, resolution: Resolution) {
        let Some(id) = self.next_hops.resolve(gateway, resolution) else { return };
        self.refresh_exits(|exit| exit.next_hop == id);
        self.start_scan();
    }

    /// A peer is to be told what its group is told, from the beginning.
    pub fn join(
        &mut self,
        id: PeerId,
        export: ExportSettings,
        settings: MemberSettings,
    ) -> Result<(), RibError> {
        self.leave(id);
        // RFC 7911 §5: without Path Identifiers, a second path would take the place of the first.
        let paths_max = if settings.agreement.has_path_ids { export.paths_max } else { 1 };
        let paths_max = paths_max.clamp(1, ADD_PATHS_MAX);
        let export = ExportSettings { paths_max, ..export };
        let mut groups = self.groups.iter_mut().flatten();
        if let Some(group) = groups.find(|group| group.settings == export) {
            group.join(id, settings);
            return Ok(());
        }
        let mut group = Box::new(ExportGroup::new(export));
        group.join(id, settings);
        match self.groups.iter().position(Option::is_none) {
            Some(place) => self.groups[place] = Some(group),
            None if self.groups.len() < EXPORT_GROUPS_MAX => self.groups.push(Some(group)),
            None => return Err(RibError::GroupsExhausted),
        }
        Ok(())
    }

    /// A peer is to be told what another group is told, and knows what it was told so far: what it
    /// shall not know any more is withdrawn, all else said again.
    pub fn move_over(&mut self, id: PeerId, export: ExportSettings) -> Result<(), RibError> {
        let mut groups = self.groups.iter().flatten();
        let found = groups.find_map(|group| Some((group, group.members.get(&id)?)));
        let Some((group, member)) = found else { return Ok(()) };
        // Slots mean the same in both, as long as both have as many for each prefix.
        let export = ExportSettings { paths_max: group.settings.paths_max, ..export };
        let member = member.clone();
        self.join(id, export, member.settings)?;
        let bound = self.prefixes.bound();
        let mut groups = self.groups.iter_mut().flatten();
        if let Some(group) = groups.find(|group| group.members.contains_key(&id)) {
            // A prefix that it has still to forget must not be freed meanwhile.
            group.reserve(bound);
            group.adopt(id, member);
        }
        Ok(())
    }

    /// A peer is told nothing any more.
    pub fn leave(&mut self, id: PeerId) {
        for place in &mut self.groups {
            let Some(group) = place else { continue };
            if group.members.remove(&id).is_none() || !group.members.is_empty() {
                continue;
            }
            group.forget_all().into_iter().for_each(|set| self.attributes.release(set));
            for slot in &group.slots {
                if let Some(set) = AttributesId::load(slot.announced) {
                    self.attributes.release(set);
                }
            }
            *place = None;
        }
        self.sweep();
    }

    /// RFC 4724 §4.1: this router has restarted: until [`Self::release`], peers are told only of
    /// what it originates itself, and none hears End-of-RIB, by which it would give up everything
    /// else that it had of this router.
    pub fn defer(&mut self) {
        self.deferral = Deferral::Restarting;
    }

    /// Peers are told of everything from here on.
    pub fn release(&mut self) {
        self.deferral = Deferral::None;
        let members = self.groups.iter_mut().flatten().flat_map(|group| group.members.values_mut());
        members.for_each(|member| member.walk = Some(0));
    }

    /// RFC 2918: a peer wants to hear everything again.
    pub fn refresh(&mut self, id: PeerId) {
        let mut groups = self.groups.iter_mut().flatten();
        if let Some(member) = groups.find_map(|group| group.members.get_mut(&id)) {
            member.walk = Some(0);
            member.is_refresh_due = true;
        }
    }

    /// A peer of whose routes some were left out for want of room in a table, once for each session
    /// and each [`Self::retry`].
    pub fn poll_shortage(&mut self) -> Option<PeerId> {
        self.shortages.pop_front()
    }

    /// Whether a peer may be asked again for what was left out: there is room for it, or nothing
    /// was. What is still here of it is imported anew then.
    pub fn retry(&mut self, id: PeerId) -> bool {
        let has_room = self.attributes.is_roomy()
            && self.next_hops.is_roomy(id)
            && self.prefixes.is_roomy()
            && self.paths.is_roomy();
        let Some(state) = self.peer_mut(id).filter(|state| has_room && state.is_roomy()) else {
            return false;
        };
        if core::mem::take(&mut state.is_short) {
            state.is_policy_changed = true;
            self.start_scan();
        }
        true
    }

    fn fall_short(&mut self, id: PeerId) {
        if id == PeerId::LOCAL {
            return;
        }
        let Some(state) = self.peer_mut(id) else { return };
        if !core::mem::replace(&mut state.is_short, true) {
            self.shortages.push_back(id);
        }
    }

    /// Keeps from now on which prefixes were decided, and decides all of them anew; see
    /// [`Self::poll_decided`].
    pub fn watch_decisions(&mut self) {
        self.decided = Some(VecDeque::new());
        let bound = u32::try_from(self.prefixes.bound()).unwrap_or(u32::MAX);
        for prefix in (0..bound).map(PrefixId) {
            if self.prefixes.is_used(prefix) && self.prefixes.entry(prefix).first_path != NONE {
                self.mark(prefix);
            }
        }
    }

    /// Keeps it no longer.
    pub fn unwatch_decisions(&mut self) {
        self.decided = None;
    }

    /// The oldest prefix that was decided and not looked at since: its best path may be another
    /// one, or none.
    pub fn poll_decided(&mut self) -> Option<Ipv6Prefix> {
        self.decided.as_mut()?.pop_front()
    }

    /// The oldest change not yet taken.
    pub fn poll_change(&mut self) -> Option<Change> {
        let change = self.changes.pop_front();
        if self.changes.is_empty() && self.changes.capacity() > 1 << 12 {
            self.changes = VecDeque::new();
        }
        change
    }

    fn peer(&self, id: PeerId) -> Option<&PeerState> {
        if id == PeerId::LOCAL {
            return Some(&self.local);
        }
        self.peers.get(id.index()).and_then(Option::as_ref)
    }

    fn peer_mut(&mut self, id: PeerId) -> Option<&mut PeerState> {
        if id == PeerId::LOCAL {
            return Some(&mut self.local);
        }
        self.peers.get_mut(id.index()).and_then(Option::as_mut)
    }

    /// Numbers a set; the next hop of a new one is kept with it. Where there is no room for what a
    /// peer says, that is remembered of it; what this router says itself is its caller's to count.
    fn intern(
        &mut self,
        route: &Route,
        port: Option<PortId>,
        owner: PeerId,
    ) -> Option<AttributesId> {
        let next_hop = match route.next_hop {
            None => NextHopId::OWN,
            Some(next_hop) => {
                let gateway = Gateway::new(next_hop, port);
                let Some((id, edge)) = self.next_hops.intern(gateway, owner) else {
                    self.fall_short(owner);
                    return None;
                };
                if let Edge::Reached(gateway) = edge {
                    self.changes.push_back(Change::Track(gateway));
                }
                id
            }
        };
        let before = self.attributes.len();
        let id = self.attributes.intern(next_hop, &route.attributes);
        if self.attributes.len() == before {
            self.drop_next_hop(next_hop);
        }
        match id {
            Ok(_) => {}
            Err(SetError::Full) => self.fall_short(owner),
            Err(SetError::TooLong(_)) => self.counters.sets_too_long += 1,
        }
        id.ok()
    }

    fn drop_next_hop(&mut self, id: NextHopId) {
        if let Edge::Reached(gateway) = self.next_hops.release(id) {
            self.changes.push_back(Change::Untrack(gateway));
        }
    }

    /// The route of a set.
    fn route(&self, set: AttributesId) -> Route {
        let gateway = self.next_hops.gateway(self.attributes.next_hop(set));
        Route {
            next_hop: gateway.map(|gateway| gateway.next_hop),
            attributes: self.attributes.attributes(set),
        }
    }

    /// Frees what has no references any more.
    fn sweep(&mut self) {
        while let Some((set, next_hop)) = self.attributes.collect() {
            for group in self.groups.iter_mut().flatten() {
                if let Some(made) = group.forget(set) {
                    self.attributes.release(made);
                }
            }
            self.drop_next_hop(next_hop);
        }
    }

    /// Groups with such an exit say what lives of them.
    fn refresh_exits(&mut self, is_meant: impl Fn(Exit) -> bool) {
        let (next_hops, peers) = (&self.next_hops, &self.peers);
        let is_alive = |exit: Exit| is_alive(next_hops, peers, exit);
        let changed = self.exits.refresh(is_meant, is_alive);
        for id in changed {
            self.counters.groups_changed += 1;
            self.announce_group(id);
        }
    }

    fn announce_group(&mut self, id: ExitGroupId) {
        let content = self.exits.content(id).iter();
        let gateways = content.filter_map(|exit| self.next_hops.gateway(exit.next_hop));
        let mut next_hops: Vec<Gateway> = Vec::new();
        for gateway in gateways {
            if !next_hops.contains(&gateway) {
                next_hops.push(gateway);
            }
        }
        let first = self.exits.first(id).map(|exit| exit.peer.index());
        let peer = first.and_then(|index| self.peers.get(index)).and_then(Option::as_ref);
        let kind = peer.map_or(PeerKind::External, |state| state.peer.kind);
        self.changes.push_back(Change::Group { id, kind, next_hops });
    }
}

/// Whether packets can leave by an exit.
fn is_alive(next_hops: &NextHops, peers: &[Option<PeerState>], exit: Exit) -> bool {
    let peer = peers.get(exit.peer.index()).and_then(Option::as_ref);
    let is_there = peer.is_some_and(|state| state.generation == exit.generation);
    is_there && next_hops.cost(exit.next_hop).is_some()
}
