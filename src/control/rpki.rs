//! RPKI in the control plane: which caches are asked, and what their word does to routes.
//!
//! Owns [`Rpki`]. What a cache says is `proto::rtr`'s, what it means for one route the policies'
//! (`match.rpki`), and TCP the driver's, by the same orders as BGP's.
//!
//! Caches of the lowest preference number are used together; those of the next one are used as well
//! while none of the ones before has data and all have failed, and given up when one of those is
//! back. Their payloads count together: RFC 8210 §10: "a client router ... MUST NOT distinguish".
//!
//! *Invariants*: a payload is in the table as long as one cache that is used has it. What changed
//! is judged anew when a cache has said all that it had to say, in slices of the tables' own.
//! *Standards*: RFC 8210 §10 (several caches), RFC 6811 §5, RFC 8481.

use super::action::Action;
use super::plane::ControlPlane;
use super::report;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::config::schema::{RpkiCache, RpkiSettings};
use crate::proto::bgp::policy::ValidatedPrefix;
use crate::proto::bgp::transport::{Order, Report, Security, SocketId};
use crate::proto::rtr::{self, Session, Settings};
use crate::wire::rtr::{Change, Payload};
use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::{BTreeMap, BTreeSet};

/// A bit of the number of a socket that only those to caches have; the speaker's are below it.
pub(super) const SOCKETS: u64 = 1 << 58;
/// Of the seed, bits that are left away where it begins the numbers of sockets: they stay below
/// [`SOCKETS`] when doubled, and another control plane of this router begins elsewhere.
const SEED_BITS_UNUSED: u32 = 8;

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
    /// It is configured no more, and goes when its data are gone.
    is_leaving: bool,
}

/// All caches; one exists, in the control plane.
#[derive(Debug)]
pub(super) struct Rpki {
    caches: BTreeMap<CacheId, Cache>,
    times: Settings,
    socket_count: u64,
    /// Payloads that found no room.
    refused_count: u64,
}

impl Rpki {
    /// Without caches; `seed` begins the numbers of sockets.
    pub(super) fn new(seed: u64) -> Self {
        let (caches, times) = (BTreeMap::new(), Settings::default());
        Self { caches, times, socket_count: seed >> SEED_BITS_UNUSED, refused_count: 0 }
    }

    /// Whether a socket is one to a cache.
    pub(super) fn has(&self, socket: SocketId) -> bool {
        socket.0 & SOCKETS != 0
    }

    /// When there is work.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.caches.values().filter_map(|cache| cache.session.next_deadline()).min()
    }

    /// The caches that are configured, with their sessions.
    pub(super) fn caches(&self) -> impl Iterator<Item = (&RpkiCache, &Session)> {
        let there = self.caches.values().filter(|cache| !cache.is_leaving);
        there.map(|cache| (&cache.settings, &cache.session))
    }

    /// Payloads that found no room.
    pub(super) const fn refused_count(&self) -> u64 {
        self.refused_count
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
                    let session = Session::new(now, times);
                    let (changed, is_leaving) = (BTreeSet::new(), false);
                    let cache = Cache { settings, session, socket: None, changed, is_leaving };
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
    }

    /// Every cache is told that the router ends.
    pub(super) fn leave_rpki(&mut self, now: Instant) {
        let ids: Vec<CacheId> = self.rpki.caches.keys().copied().collect();
        for id in ids {
            if let Some(socket) = self.rpki.caches.remove(&id).and_then(|cache| cache.socket) {
                self.actions.push_back(Action::Bgp(Order::Close { socket }));
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
                let number = self.rpki.socket_count & ((SOCKETS >> 1) - 1);
                self.rpki.socket_count = self.rpki.socket_count.wrapping_add(1);
                let socket = SocketId(SOCKETS | SocketId::outgoing(number).0);
                cache.socket = Some(socket);
                let (address, port) = id;
                let remote = SocketAddrV6::new(address, port, 0, 0);
                let (local, security) = (Ipv6Addr::UNSPECIFIED, Security::default());
                let order = Order::Connect { socket, local, remote, security };
                self.actions.push_back(Action::Bgp(order));
            }
            rtr::Action::Send { octets } => {
                if let Some(socket) = cache.socket {
                    self.actions.push_back(Action::Bgp(Order::Send { socket, octets }));
                }
            }
            rtr::Action::Close => {
                if let Some(socket) = cache.socket.take() {
                    self.actions.push_back(Action::Bgp(Order::Close { socket }));
                }
            }
            rtr::Action::Changes(changes) => self.take_vrps(id, &changes),
            rtr::Action::Settled => self.revalidate(now, id),
            rtr::Action::Synchronised => {
                let event = report::rpki_synchronised(now, &cache.settings.label());
                self.event(event);
            }
            rtr::Action::Failed(failure) => {
                let has_data = cache.session.view().confirmed_at.is_some();
                let label = cache.settings.label();
                // A cache that is away stays so for long: said once.
                if cache.session.is_first_failure() {
                    self.event(report::rpki_failed(now, &label, &failure, has_data));
                }
            }
            rtr::Action::Expired => {
                let event = report::rpki_expired(now, &cache.settings.label());
                self.event(event);
            }
        }
    }

    fn take_vrps(&mut self, id: CacheId, changes: &[(Change, Payload)]) {
        let vrps = self.bgp.vrps_mut();
        let mut changed = BTreeSet::new();
        let mut refused_count = 0;
        for (change, Payload { prefix, length_max, asn }) in changes.iter().copied() {
            let payload = ValidatedPrefix { prefix, length_max, asn };
            let is_change = match change {
                Change::Announce => vrps.announce(payload).unwrap_or_else(|_| {
                    refused_count += 1;
                    false
                }),
                Change::Withdraw => vrps.withdraw(payload),
            };
            if is_change {
                changed.insert(prefix);
            }
        }
        self.rpki.refused_count += refused_count;
        if let Some(cache) = self.rpki.caches.get_mut(&id) {
            cache.changed.append(&mut changed);
        }
    }

    /// A cache has said all: routes that it is about are judged anew, where a policy asks.
    fn revalidate(&mut self, now: Instant, id: CacheId) {
        let Some(cache) = self.rpki.caches.get_mut(&id) else { return };
        let changed = core::mem::take(&mut cache.changed);
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
