//! A graceful restart of this router: its control plane is new, its forwarding is not.
//!
//! ```text
//!  Input::Restart --> announcing, port by port: Grace-LSA, again, again; then the first hello
//!                 --> restarting: adjacencies are formed; nothing is said, nothing is taken back
//!                 --> over: own LSAs are made, Grace-LSAs flushed, routes calculated anew
//! ```
//!
//! The neighbours go on as if nothing had happened, by the LSAs of the life before. So this router
//! says nothing of its own until it has what those LSAs promise. It is over when
//!
//! 1. every neighbour that the router-LSA of the life before names is Full again;
//! 2. a neighbour does not name this router any more: it does not help;
//! 3. a router- or network-LSA changed: the routes of the life before lead elsewhere;
//! 4. a neighbour went away, or was not heard for RouterDeadInterval;
//! 5. the grace period is over;
//! 6. the router leaves, or gets another router-id.
//!
//! What is forwarded meanwhile is the owner's care: routes are calculated and announced as always.
//!
//! Owns `Restart` and these decisions.
//!
//! *Invariants*: no packet but updates with Grace-LSAs leaves a port before its Grace-LSA was
//! acknowledged or sent [`GRACE_SENDS`] times.
//! *Standards*: RFC 3623 §2.1 to §2.3, §5 (unplanned outages); RFC 5187 §3 (Interface IDs and Link
//! State IDs are those of the life before: they follow from ports and configuration). Beyond the
//! RFC: (3), which it leaves to the neighbours, and the silence of (4).

use super::action::Notice;
use super::limits::{GRACE_PAUSE, GRACE_SENDS, REFRESH_TIME};
use super::lsdb::{Entry, Place, Scope};
use super::machine::{Ospf, Staleness, Timer};
use super::view::NeighborState;
use crate::base::ids::{PortId, RouterId};
use crate::base::time::Instant;
use crate::wire::ospf::{
    GraceLsa, GraceReason, LsType, Lsa, LsaBody, LsaHeader, LsaKey, RouterLink, RouterLinkType,
    SequenceNumber,
};
use std::collections::{BTreeMap, BTreeSet};

/// A restart that is not over.
#[derive(Clone, Debug)]
pub(super) struct Restart {
    /// When the grace period is over.
    until: Instant,
    /// When neighbours that were not heard are taken for dead; `None` before the first port.
    silent_at: Option<Instant>,
    /// Ports where the neighbour has not acknowledged the Grace-LSA, and how often it was sent.
    announcing: BTreeMap<PortId, u32>,
    /// Ports where that is over.
    announced: BTreeSet<PortId>,
    /// Something happened that ends it.
    end: Option<RestartEnd>,
}

/// Why a restart is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum RestartEnd {
    /// Every neighbour is Full again.
    Completed,
    /// A neighbour does not help.
    Inconsistent,
    /// The topology changed.
    TopologyChanged,
    /// A neighbour is gone.
    NeighborLost,
    /// The grace period is over.
    Expired,
    /// The router got another router-id.
    Renamed,
    /// The router leaves.
    Leaving,
}

impl RestartEnd {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "every neighbour is Full again",
            Self::Inconsistent => "a neighbour does not help",
            Self::TopologyChanged => "the topology changed",
            Self::NeighborLost => "a neighbour is gone",
            Self::Expired => "the grace period is over",
            Self::Renamed => "the router-id changed",
            Self::Leaving => "this router leaves",
        }
    }
}

impl Ospf {
    /// This machine takes the place of one that failed, until `until` gracefully.
    pub(super) fn begin_restart(&mut self, now: Instant, until: Instant) {
        let until = until.min(now + REFRESH_TIME);
        if until <= now || self.router_id.is_some() {
            return;
        }
        self.timers.set(Timer::Restart, until);
        self.restart = Some(Restart {
            until,
            silent_at: None,
            announcing: BTreeMap::new(),
            announced: BTreeSet::new(),
            end: None,
        });
    }

    /// Whether this router restarts gracefully: its neighbours forward by the LSAs of the life
    /// before.
    pub const fn is_restarting(&self) -> bool {
        self.restart.is_some()
    }

    /// The interface on `port` may speak. Whether it is to say first that this router restarts.
    pub(super) fn announces_restart(&mut self, now: Instant, port: PortId) -> bool {
        let dead_interval = self.interfaces.get(&port).map(|i| i.config.dead_interval);
        let Some(restart) = &mut self.restart else { return false };
        if restart.announced.contains(&port) || restart.announcing.contains_key(&port) {
            return restart.announcing.contains_key(&port);
        }
        if restart.silent_at.is_none() {
            restart.silent_at = dead_interval.map(|dead_interval| now + dead_interval);
            let deadline = restart.silent_at.map_or(restart.until, |at| at.min(restart.until));
            self.timers.set(Timer::Restart, deadline);
        }
        restart.announcing.insert(port, 0);
        self.announce_restart(now, port);
        true
    }

    /// Whether nothing is to be heard on `port` yet, because nothing can be answered.
    pub(super) fn is_announcing(&self, port: PortId) -> bool {
        self.restart.as_ref().is_some_and(|restart| restart.announcing.contains_key(&port))
    }

    /// RFC 3623 §5: the Grace-LSA before the first hello. Nobody is adjacent who could be asked for
    /// it, so it is sent until it is acknowledged, or often enough.
    pub(super) fn announce_restart(&mut self, now: Instant, port: PortId) {
        let Some(restart) = &mut self.restart else { return };
        let Some(count) = restart.announcing.get_mut(&port) else { return };
        *count += 1;
        if *count > GRACE_SENDS {
            return self.end_announcement(now, port);
        }
        let left = restart.until - now;
        let Some(place) = self.grace_place(port) else { return };
        if self.lsdb.get(&place).is_none_or(|entry| !entry.is_own) {
            // Rounded up.
            let period_s = left.as_secs().saturating_add(1);
            let period_s = u32::try_from(period_s).unwrap_or(u32::MAX);
            let reason = GraceReason::UNKNOWN;
            let body = LsaBody::Grace(GraceLsa { period_s, reason });
            let Ok(lsa) = Lsa::build(place.1, grace_sequence(now), 0, &body) else {
                unreachable!("a Grace-LSA has 36 octets")
            };
            self.install(now, place, lsa, true);
        }
        let lsa = self.lsdb.get(&place).map(|entry| entry.lsa(now));
        if let Some(interface) = self.interface(port) {
            interface.flood.extend(lsa);
        }
        self.timers.set(Timer::Grace(port), now + GRACE_PAUSE);
    }

    /// Acknowledgments from somebody who is no neighbour yet; whether the Grace-LSA was meant.
    pub(super) fn hear_grace_acks(
        &mut self,
        now: Instant,
        port: PortId,
        headers: &[LsaHeader],
    ) -> bool {
        if !self.is_announcing(port) {
            return false;
        }
        let Some(place) = self.grace_place(port) else { return false };
        let Some(ours) = self.lsdb.get(&place).map(|entry| entry.header(now)) else { return false };
        let is_meant =
            |theirs: &LsaHeader| theirs.key() == place.1 && theirs.compare_age(&ours).is_eq();
        let is_heard = headers.iter().any(is_meant);
        if is_heard {
            self.end_announcement(now, port);
        }
        is_heard
    }

    /// Hellos begin.
    fn end_announcement(&mut self, now: Instant, port: PortId) {
        let Some(restart) = &mut self.restart else { return };
        restart.announcing.remove(&port);
        restart.announced.insert(port);
        self.timers.clear(Timer::Grace(port));
        self.start_hellos(now, port);
    }

    fn grace_place(&self, port: PortId) -> Option<Place> {
        let key = LsaKey {
            ls_type: LsType::GRACE,
            advertising_router: self.router_id?,
            link_state_id: self.interfaces.get(&port)?.config.interface_id,
        };
        Some((Scope::Link(port), key))
    }

    /// Something happened that ends a restart; it ends with this input.
    pub(super) fn end_restart_with(&mut self, end: RestartEnd) {
        if let Some(restart) = &mut self.restart {
            restart.end.get_or_insert(end);
        }
    }

    /// Ends the restart when it is time; at the end of every input.
    pub(super) fn review_restart(&mut self, now: Instant) {
        if let Some(end) = self.restart_end(now) {
            self.finish_restart(now, end);
        }
    }

    /// Ends the restart, if there is one.
    pub(super) fn finish_restart(&mut self, now: Instant, end: RestartEnd) {
        let Some(restart) = self.restart.take() else { return };
        self.timers.clear(Timer::Restart);
        match end {
            RestartEnd::Completed => self.counters.restarts_completed += 1,
            _ => self.counters.restarts_abandoned += 1,
        }
        self.notice(Notice::RestartEnded { end });
        self.origination.is_due = true;
        self.needs_calculation(now, Staleness::Topology, "graceful restart");
        if end == RestartEnd::Completed {
            self.keep_externals(now);
            // What was learned was there before; the others are quiet, and RFC 8405 §7 wants all
            // alike: who calculates the next failure later than they do makes a loop with them.
            self.backoff.calm_down();
        }
        for port in restart.announcing.into_keys() {
            self.timers.clear(Timer::Grace(port));
            self.start_hellos(now, port);
        }
    }

    /// RFC 3623 §2.2: whether it is over, and why.
    fn restart_end(&mut self, now: Instant) -> Option<RestartEnd> {
        let restart = self.restart.as_ref()?;
        if restart.until <= now {
            return Some(RestartEnd::Expired);
        }
        if restart.end.is_some() {
            return restart.end;
        }
        let is_silence_over = restart.silent_at.is_some_and(|at| at <= now);
        if is_silence_over {
            let until = restart.until;
            self.timers.set_if_idle(Timer::Restart, until);
        }
        let own_id = self.router_id?;
        let links = self.promised_links(own_id);
        if links.is_empty() {
            // A neighbour that is Full has all there is: then nobody knows this router.
            let neighbors = self.interfaces.values().filter_map(|i| i.neighbor.as_ref());
            return match neighbors.map(|neighbor| neighbor.state).max() {
                Some(NeighborState::Full) => Some(RestartEnd::Inconsistent),
                None if is_silence_over => Some(RestartEnd::NeighborLost),
                _ => None,
            };
        }
        let mut is_complete = true;
        for link in &links {
            match self.link_state(link) {
                LinkState::Missing => return Some(RestartEnd::NeighborLost),
                LinkState::Silent if is_silence_over => return Some(RestartEnd::NeighborLost),
                LinkState::Silent | LinkState::Forming => is_complete = false,
                LinkState::Full => {}
            }
            if self.is_given_up(own_id, link) {
                return Some(RestartEnd::Inconsistent);
            }
        }
        is_complete.then_some(RestartEnd::Completed)
    }

    /// The links of the router-LSA of the life before.
    fn promised_links(&self, own_id: RouterId) -> Vec<RouterLink> {
        let parts = self.lsdb.of_router(Scope::Area, LsType::ROUTER, own_id);
        let parts = parts.map(Entry::as_installed).filter(|lsa| !lsa.header.is_max_age());
        let links = parts.filter_map(|lsa| match lsa.body() {
            Ok(LsaBody::Router(body)) => Some(body.links),
            _ => None,
        });
        let cables = |link: &RouterLink| link.link_type == RouterLinkType::PointToPoint;
        links.flatten().filter(cables).collect()
    }

    fn link_state(&self, link: &RouterLink) -> LinkState {
        let mut interfaces = self.interfaces.values();
        let Some(interface) = interfaces.find(|i| i.config.interface_id == link.interface_id)
        else {
            return LinkState::Missing;
        };
        match &interface.neighbor {
            _ if !interface.config.is_up => LinkState::Missing,
            None => LinkState::Silent,
            Some(neighbor) if neighbor.router_id != link.neighbor_router_id => LinkState::Missing,
            Some(neighbor) if neighbor.state == NeighborState::Full => LinkState::Full,
            Some(_) => LinkState::Forming,
        }
    }

    /// Whether the neighbour at the other end says that the link is not there.
    fn is_given_up(&self, own_id: RouterId, link: &RouterLink) -> bool {
        let there = (link.neighbor_router_id, link.neighbor_interface_id);
        let mut parts = self.lsdb.of_router(Scope::Area, LsType::ROUTER, there.0);
        let is_known = parts.any(|entry| !entry.as_installed().header.is_max_age());
        is_known && !self.names_link(there, (own_id, link.interface_id))
    }

    /// Whether the router-LSA of one router has a cable to the other, each with its Interface ID.
    fn names_link(&self, (from, own): (RouterId, u32), (to, other): (RouterId, u32)) -> bool {
        let parts = self.lsdb.of_router(Scope::Area, LsType::ROUTER, from);
        parts.map(Entry::as_installed).filter(|lsa| !lsa.header.is_max_age()).any(|lsa| {
            let Ok(LsaBody::Router(body)) = lsa.body() else { return false };
            body.links.iter().any(|link| {
                link.link_type == RouterLinkType::PointToPoint
                    && (link.interface_id, link.neighbor_interface_id) == (own, other)
                    && link.neighbor_router_id == to
            })
        })
    }

    /// A router- or network-LSA came in place of one that said something else.
    pub(super) fn check_restart(&mut self, lsa: &Lsa) {
        let is_own = Some(lsa.header.advertising_router) == self.router_id;
        if !is_own && matches!(lsa.header.ls_type, LsType::ROUTER | LsType::NETWORK) {
            self.end_restart_with(RestartEnd::TopologyChanged);
        }
    }
}

/// How far a link that was promised is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkState {
    /// There is no such port, or somebody else is at its end.
    Missing,
    /// Nobody was heard.
    Silent,
    /// The adjacency is on its way.
    Forming,
    /// It is there.
    Full,
}

/// The Grace-LSA of this restart is newer than that of the one before, which neighbours may still
/// have: tenths of a second since the router's clock began, which is older than the control plane.
fn grace_sequence(now: Instant) -> SequenceNumber {
    let tenths = (now - Instant::ZERO).as_millis() / 100;
    let tenths = i32::try_from(tenths).unwrap_or(i32::MAX);
    SequenceNumber(SequenceNumber::INITIAL.0.saturating_add(tenths))
}
