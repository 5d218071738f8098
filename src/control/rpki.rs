//! RPKI in the control plane: which caches are asked, and what their word does to routes.
//!
//! Owns [`Rpki`]. What a cache says is `proto::rtr`'s, what it means for one route the policies'
//! (`match.rpki`), and TCP the driver's, by the same orders as BGP's.
//!
//! Caches of the lowest preference number are used together; those of the next one are used as well
//! while none of the ones before has data and all have failed, and given up when one of those is
//! back. Their payloads count together: RFC 8210 §10: "a client router ... MUST NOT distinguish".
//!
//! *Invariants*: a payload is in the table as long as one cache that is used has it and it found
//! room; what found none goes in when there is some. What changed is judged anew when a cache has
//! said all that it had to say, in slices. Other times do nothing to data that are here.
//! *Standards*: RFC 8210 §10 (several caches), RFC 6811 §5, RFC 8481.

use super::action::Action;
use super::feed::{self, Sockets};
use super::plane::ControlPlane;
use super::report::{self, Kept};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::config::schema::{RpkiCache, RpkiSettings};
use crate::proto::bgp::policy::Vrps;
use crate::proto::bgp::transport::{Order, Report, SocketId};
use crate::proto::rtr::limits::{CHANGES_PER_SLICE_MAX, REVALIDATED_PER_SLICE_MAX};
use crate::proto::rtr::{self, Session, Settings};
use crate::wire::rtr::{Change, Payload};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What makes a cache the same cache.
type CacheId = (Ipv6Addr, u16);

/// A cache and the session with it.
#[derive(Debug)]
struct Cache {
    settings: RpkiCache,
    session: Session,
    socket: Option<SocketId>,
    /// Prefixes of payloads that came or went since the last time that it had said all.
    changed: BTreeSet<Ipv6Prefix>,
    /// Its payloads that found no room: they are not in the table, whoever else has them there.
    refused: BTreeSet<Payload>,
    /// It is configured no more, and goes when its data are gone.
    is_leaving: bool,
}

impl Cache {
    fn new(settings: RpkiCache, session: Session) -> Self {
        let (changed, refused) = (BTreeSet::new(), BTreeSet::new());
        Self { settings, session, socket: None, changed, refused, is_leaving: false }
    }

    /// Puts one of its payloads into the table; whether the table says something else then.
    fn announce(&mut self, vrps: &mut Vrps, payload: Payload) -> bool {
        vrps.announce(payload).unwrap_or_else(|_| {
            self.refused.insert(payload);
            false
        })
    }

    /// Takes one out of the table, if it is there for this cache.
    fn withdraw(&mut self, vrps: &mut Vrps, payload: Payload) -> bool {
        !self.refused.remove(&payload) && vrps.withdraw(payload)
    }
}

/// All caches; one exists, in the control plane.
#[derive(Debug)]
pub(super) struct Rpki {
    caches: BTreeMap<CacheId, Cache>,
    times: Settings,
    sockets: Sockets,
    /// Prefixes whose routes have to be judged anew, and are not named to the tables yet.
    unjudged: VecDeque<BTreeSet<Ipv6Prefix>>,
    /// Since when there are some.
    unjudged_since: Option<Instant>,
}

impl Rpki {
    /// Without caches; `seed` begins the numbers of sockets.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            caches: BTreeMap::new(),
            times: Settings::default(),
            sockets: Sockets::new(feed::CACHES, seed),
            unjudged: VecDeque::new(),
            unjudged_since: None,
        }
    }

    /// Whether a socket is one to a cache.
    pub(super) const fn has(&self, socket: SocketId) -> bool {
        self.sockets.has(socket)
    }

    /// When there is work.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.caches.values().filter_map(|cache| cache.session.next_deadline());
        sessions.chain(self.unjudged_since).min()
    }

    /// The caches that are configured, with their sessions.
    pub(super) fn caches(&self) -> impl Iterator<Item = (&RpkiCache, &Session)> {
        let there = self.caches.values().filter(|cache| !cache.is_leaving);
        there.map(|cache| (&cache.settings, &cache.session))
    }

    /// Payloads that are left out because there is no room for them.
    pub(super) fn refused_count(&self) -> usize {
        self.caches.values().map(|cache| cache.refused.len()).sum()
    }

    /// Whether routes have to be judged anew that the tables do not know of yet.
    pub(super) const fn is_judging(&self) -> bool {
        self.unjudged_since.is_some()
    }

    /// Routes within these prefixes have to be judged anew.
    fn judge(&mut self, now: Instant, prefixes: BTreeSet<Ipv6Prefix>) {
        if !prefixes.is_empty() {
            self.unjudged.push_back(prefixes);
            self.unjudged_since.get_or_insert(now);
        }
    }

    /// The next of them to be named to the tables.
    fn next_unjudged(&mut self, now: Instant) -> Vec<Ipv6Prefix> {
        let mut slice = Vec::new();
        while slice.len() < REVALIDATED_PER_SLICE_MAX
            && let Some(prefixes) = self.unjudged.front_mut()
        {
            slice.extend(prefixes.pop_first());
            if prefixes.is_empty() {
                self.unjudged.pop_front();
            }
        }
        self.unjudged_since = (!self.unjudged.is_empty()).then_some(now);
        slice
    }

    /// The most preference number of the caches that shall be used.
    fn most_preference(&self) -> u8 {
        let there = || self.caches.values().filter(|cache| !cache.is_leaving);
        let numbers: BTreeSet<u8> = there().map(|cache| cache.settings.preference).collect();
        let mut most = 0;
        for number in numbers {
            most = number;
            let mut group = there().filter(|cache| cache.settings.preference == number);
            // Others are given up when they are not needed, and not begun with while they are not:
            // between the two lies the time in which the tables hear of what is new.
            let mut behind = there().filter(|cache| cache.settings.preference > number);
            let is_helped = behind.any(|cache| cache.session.is_started());
            let is_there = |cache: &Cache| {
                let session = &cache.session;
                let is_of_use = session.has_data() && (session.is_told() || !is_helped);
                is_of_use || !session.has_failed()
            };
            if group.any(is_there) {
                break;
            }
        }
        most
    }

    fn cache_of(&self, socket: SocketId) -> Option<CacheId> {
        self.caches.iter().find(|(_, cache)| cache.socket == Some(socket)).map(|(id, _)| *id)
    }
}

impl ControlPlane {
    /// Takes the caches of the configuration.
    pub(super) fn review_rpki(&mut self, now: Instant) {
        let settings = self.config.rpki.clone().unwrap_or_default();
        let RpkiSettings { refresh_time, retry_time, expire_time, caches } = settings;
        let times = Settings { refresh_time, retry_time, expire_time };
        self.rpki.times = times;
        let wanted: BTreeMap<CacheId, RpkiCache> =
            caches.into_iter().map(|cache| ((cache.address, cache.port), cache)).collect();
        for (id, cache) in &mut self.rpki.caches {
            // Data do not become wrong by other times: they hold as long as was said with them.
            cache.session.adopt(times);
            if !wanted.contains_key(id) {
                cache.is_leaving = true;
                cache.session.handle(now, rtr::Input::Stop);
            }
        }
        for (id, settings) in wanted {
            match self.rpki.caches.get_mut(&id) {
                Some(cache) => {
                    cache.settings = settings;
                    cache.is_leaving = false;
                }
                None => {
                    let cache = Cache::new(settings, Session::new(now, times));
                    self.rpki.caches.insert(id, cache);
                }
            }
        }
        self.deliver_rpki(now);
    }

    /// TCP says something of the connection to a cache.
    pub(super) fn rpki_report(&mut self, now: Instant, report: Report) {
        let (socket, input) = match report {
            Report::Connected { socket, .. } => (socket, rtr::Input::Connected),
            Report::Failed { socket, .. } => (socket, rtr::Input::ConnectFailed),
            Report::Received { socket, octets } => (socket, rtr::Input::Received { octets }),
            Report::Closed { socket, .. } => (socket, rtr::Input::Closed),
            Report::Sent { .. } | Report::Accepted { .. } | Report::Deaf { .. } => return,
        };
        let found = self.rpki.cache_of(socket);
        let Some(cache) = found.and_then(|id| self.rpki.caches.get_mut(&id)) else { return };
        let is_over = matches!(input, rtr::Input::ConnectFailed | rtr::Input::Closed);
        let is_data = matches!(input, rtr::Input::Received { .. });
        if is_over {
            cache.socket = None;
        }
        cache.session.handle(now, input);
        if is_data {
            self.actions.push_back(Action::Bgp(Order::Taken { socket }));
        }
        self.deliver_rpki(now);
    }

    /// A slice of work, where some is due.
    pub(super) fn work_rpki(&mut self, now: Instant) {
        if self.rpki.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        for cache in self.rpki.caches.values_mut() {
            if cache.session.next_deadline().is_some_and(|at| at <= now) {
                cache.session.handle_timeout(now);
            }
        }
        self.deliver_rpki(now);
        self.revalidate(now);
    }

    /// Every cache is told that the router ends.
    pub(super) fn leave_rpki(&mut self, now: Instant) {
        let ids: Vec<CacheId> = self.rpki.caches.keys().copied().collect();
        for id in ids {
            if let Some(mut cache) = self.rpki.caches.remove(&id) {
                self.actions.extend(feed::close(&mut cache.socket));
            }
        }
        self.deliver_rpki(now);
    }

    /// Carries out what sessions want, and sees to it that the right ones are started.
    fn deliver_rpki(&mut self, now: Instant) {
        let ids: Vec<CacheId> = self.rpki.caches.keys().copied().collect();
        let most = self.rpki.most_preference();
        for id in &ids {
            let Some(cache) = self.rpki.caches.get_mut(id) else { continue };
            let is_wanted = !cache.is_leaving && cache.settings.preference <= most;
            if is_wanted && !cache.session.is_started() {
                cache.session.handle(now, rtr::Input::Start);
            } else if !is_wanted && cache.session.is_started() {
                cache.session.handle(now, rtr::Input::Stop);
            }
        }
        for id in ids {
            while let Some(action) =
                self.rpki.caches.get_mut(&id).and_then(|cache| cache.session.poll_action())
            {
                self.carry_out_rpki(now, id, action);
            }
        }
        self.rpki.caches.retain(|_, cache| !cache.is_leaving || !cache.session.is_over());
    }

    fn carry_out_rpki(&mut self, now: Instant, id: CacheId, action: rtr::Action) {
        let Some(cache) = self.rpki.caches.get_mut(&id) else { return };
        match action {
            rtr::Action::Connect => {
                let (socket, order) = self.rpki.sockets.connect(id);
                cache.socket = Some(socket);
                self.actions.push_back(order);
            }
            rtr::Action::Send { octets } => self.actions.extend(feed::send(cache.socket, octets)),
            rtr::Action::Close => self.actions.extend(feed::close(&mut cache.socket)),
            rtr::Action::Changes(changes) => self.take_vrps(now, id, &changes),
            rtr::Action::Settled => {
                let changed = core::mem::take(&mut cache.changed);
                self.rpki.judge(now, changed);
            }
            rtr::Action::Synchronised => {
                let event = report::rpki_synchronised(now, &cache.settings.label());
                self.event(event);
            }
            rtr::Action::Failed(failure) => {
                let kept = if cache.session.has_data() { Kept::Data } else { Kept::Nothing };
                let label = cache.settings.label();
                // A cache that is away stays so for long: said once.
                if cache.session.is_first_failure() {
                    self.event(report::rpki_failed(now, &label, &failure, kept));
                }
            }
            rtr::Action::Expired => {
                let event = report::rpki_expired(now, &cache.settings.label());
                self.event(event);
            }
        }
    }

    fn take_vrps(&mut self, now: Instant, id: CacheId, changes: &[(Change, Payload)]) {
        let refused_before = self.rpki.refused_count();
        let Some(cache) = self.rpki.caches.get_mut(&id) else { return };
        let vrps = self.bgp.vrps_mut();
        for (change, payload) in changes.iter().copied() {
            let is_change = match change {
                Change::Announce => cache.announce(vrps, payload),
                Change::Withdraw => cache.withdraw(vrps, payload),
            };
            if is_change {
                cache.changed.insert(payload.prefix);
            }
        }
        self.admit_refused(now);
        if refused_before == 0 && self.rpki.refused_count() > 0 {
            let event = report::rpki_full(now, self.bgp.policies().engine().vrps().len());
            self.event(event);
        }
    }

    /// What has found no room goes in where others have gone: a slice has freed no more than it
    /// withdrew.
    fn admit_refused(&mut self, now: Instant) {
        let vrps = self.bgp.vrps_mut();
        let mut changed = BTreeSet::new();
        let waiting = self.rpki.caches.values_mut().filter(|cache| !cache.refused.is_empty());
        for cache in waiting {
            for _ in 0..CHANGES_PER_SLICE_MAX {
                let payload = if vrps.has_room() { cache.refused.pop_first() } else { None };
                let Some(payload) = payload else { break };
                if cache.announce(vrps, payload) {
                    changed.insert(payload.prefix);
                }
            }
        }
        self.rpki.judge(now, changed);
    }

    /// Names to the tables a slice of the prefixes whose routes are judged anew, where a policy
    /// asks.
    fn revalidate(&mut self, now: Instant) {
        let changed = self.rpki.next_unjudged(now);
        if changed.is_empty() {
            return;
        }
        let Some((speaker, policies)) = self.bgp.parts() else { return };
        if policies.engine().asking_rpki().next().is_some() {
            speaker.ribs_mut().revalidate(changed);
            speaker.touch(now);
        }
    }
}
