//! Helping a neighbour through its graceful restart: it stays adjacent in the eyes of everybody.
//!
//! A router whose control plane is started again forwards by what it knew, and asks its neighbours
//! with a Grace-LSA to go on as if nothing had happened. A neighbour that is helped counts as Full
//! (in the router-LSA, in routes, in what is told) while its adjacency is in truth formed anew
//! below. Help ends when
//!
//! 1. the Grace-LSA is flushed: the restart is over;
//! 2. the grace period is;
//! 3. an LSA changes that the neighbour would have to act upon (strict LSA checking);
//! 4. the neighbour is gone for another reason: carrier, BFD, another router on the cable.
//!
//! Then what is true of the adjacency counts again.
//!
//! Owns [`Helped`] and these decisions; what a neighbour is taken for is
//! [`Neighbor::told_state`](super::neighbor::Neighbor::told_state).
//!
//! *Invariants*: only a neighbour that was Full is helped; nobody is helped beyond the grace
//! period, and no period is longer than LSRefreshTime.
//! *Standards*: RFC 3623 §3.1, §3.2, RFC 5187. Known deviation: where the Grace-LSA is flushed
//! while the last packets of the exchange are on their way, help goes on until they had time to be
//! sent again ([`HELP_TAIL_ROUNDS`]): one lost packet must not undo the whole.
//!
//! Gap: RFC 5882 §4.3.2: a BFD session that shares the fate of the neighbour's control plane (C-bit
//! clear) should not end help when it fails; here every failure does.

use super::action::{Action, NeighborChange, Notice};
use super::limits::{HELP_TAIL_ROUNDS, REFRESH_TIME};
use super::lsdb::Scope;
use super::machine::{Ospf, Staleness, Timer};
use super::neighbor::NeighborEvent;
use super::view::NeighborState;
use crate::base::ids::PortId;
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::{GraceLsa, GraceReason, LsType, Lsa, LsaBody};

/// A neighbour that is helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Helped {
    /// When the grace period is over.
    pub until: Instant,
    /// Why it restarts.
    pub reason: GraceReason,
}

/// Why a neighbour is not helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum HelpRefusal {
    /// It was not Full.
    NotFull,
    /// It has not acknowledged an LSA that changed.
    Unacknowledged,
    /// The grace period was over when the LSA came.
    Expired,
    /// The configuration says so.
    Policy,
    /// This router restarts itself.
    Restarting,
}

impl HelpRefusal {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFull => "it was not Full",
            Self::Unacknowledged => "it has not acknowledged what changed before",
            Self::Expired => "its grace period is over",
            Self::Policy => "the configuration says so",
            Self::Restarting => "this router restarts itself",
        }
    }
}

/// Why help ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum HelpEnd {
    /// It said that its restart is over, and is Full.
    Completed,
    /// It said that its restart is over, and is not Full.
    Unfinished,
    /// The grace period is over.
    Expired,
    /// An LSA changed.
    TopologyChanged,
    /// It is gone.
    NeighborLost,
}

impl HelpEnd {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "its restart is over",
            Self::Unfinished => "its restart is over, but it is not Full",
            Self::Expired => "its grace period is over",
            Self::TopologyChanged => "the topology changed",
            Self::NeighborLost => "it is gone",
        }
    }
}

/// LSA types that a router forwards by: types 1 to 5 and 7 of OSPFv2.
pub(super) const fn is_topological(ls_type: LsType) -> bool {
    matches!(
        ls_type,
        LsType::ROUTER
            | LsType::NETWORK
            | LsType::INTER_AREA_PREFIX
            | LsType::INTER_AREA_ROUTER
            | LsType::AS_EXTERNAL
            | LsType::NSSA
            | LsType::INTRA_AREA_PREFIX
    )
}

impl Ospf {
    /// A newer Grace-LSA of the link on `port` is in the database.
    pub(super) fn hear_grace(&mut self, now: Instant, port: PortId, lsa: &Lsa) {
        let from = lsa.header.advertising_router;
        let is_neighbor = self.neighbor(port).is_some_and(|n| n.router_id == from);
        if !is_neighbor {
            // A withdrawal asks for nothing, and `reclaim` sees to what bears this router's name.
            let is_asking = !lsa.header.is_max_age() && Some(from) != self.router_id;
            self.counters.help_refused += u64::from(is_asking);
            return;
        }
        if lsa.header.is_max_age() {
            return self.grace_flushed(now, port);
        }
        let Ok(LsaBody::Grace(grace)) = lsa.body() else { return };
        let GraceLsa { period_s, reason } = grace;
        let period = Duration::from_secs(u64::from(period_s)).min(REFRESH_TIME);
        let age = Duration::from_secs(u64::from(lsa.header.age_s));
        if let Some(why) = self.help_refusal(port, period <= age) {
            self.counters.help_refused += 1;
            self.notice(Notice::HelpRefused { port, router_id: from, why });
            return;
        }
        let until = now + period.saturating_sub(age);
        self.timers.set(Timer::Help(port), until);
        let Some(neighbor) = self.neighbor(port) else { return };
        let before = neighbor.helped.replace(Helped { until, reason });
        if before.is_none() {
            self.counters.help_begun += 1;
            let left_s = (until - now).as_secs();
            self.notice(Notice::HelpBegun { port, router_id: from, reason: reason.0, left_s });
        }
    }

    /// RFC 3623 §3.1: when a neighbour is not to be helped. One that is helped already may say
    /// again that it restarts.
    fn help_refusal(&self, port: PortId, is_expired: bool) -> Option<HelpRefusal> {
        let neighbor = self.interfaces.get(&port)?.neighbor.as_ref()?;
        let owes_change = neighbor.retransmissions.places().any(|place| {
            is_topological(place.1.ls_type)
                && self.lsdb.get(place).is_none_or(|entry| !entry.is_refresh)
        });
        let is_helped = neighbor.helped.is_some();
        match neighbor.state {
            _ if !self.helps_restarts => Some(HelpRefusal::Policy),
            _ if self.restart.is_some() => Some(HelpRefusal::Restarting),
            _ if is_expired => Some(HelpRefusal::Expired),
            _ if is_helped => None,
            NeighborState::Full if owes_change => Some(HelpRefusal::Unacknowledged),
            NeighborState::Full => None,
            _ => Some(HelpRefusal::NotFull),
        }
    }

    /// RFC 3623 §3.2 (1): the restart is over.
    fn grace_flushed(&mut self, now: Instant, port: PortId) {
        let Some(interface) = self.interfaces.get(&port) else { return };
        let tail = now + interface.config.retransmit_interval * HELP_TAIL_ROUNDS;
        let Some(neighbor) = &interface.neighbor else { return };
        let is_forming = (NeighborState::ExStart..NeighborState::Full).contains(&neighbor.state);
        match neighbor.helped {
            Some(helped) if is_forming => {
                self.timers.set(Timer::Help(port), helped.until.min(tail));
            }
            _ => self.end_help(now, port, self.end_of_restart(port)),
        }
    }

    /// What it means that the restart of the neighbour on `port` is over.
    fn end_of_restart(&self, port: PortId) -> HelpEnd {
        match self.neighbor_state(port) {
            NeighborState::Full => HelpEnd::Completed,
            _ => HelpEnd::Unfinished,
        }
    }

    /// RFC 3623 §3.2 (3): an LSA of the area changed. What a neighbour says itself it knows.
    pub(super) fn check_strictly(&mut self, now: Instant, lsa: &Lsa) {
        if !is_topological(lsa.header.ls_type) {
            return;
        }
        let from = lsa.header.advertising_router;
        let is_concerned = |port: &PortId| {
            let neighbor = self.interfaces.get(port).and_then(|i| i.neighbor.as_ref());
            neighbor.is_some_and(|n| n.helped.is_some() && n.router_id != from)
        };
        let ports: Vec<PortId> = self.interfaces.keys().copied().filter(is_concerned).collect();
        for port in ports {
            self.end_help(now, port, HelpEnd::TopologyChanged);
        }
    }

    /// RFC 3623 §3.2: what is true of the adjacency counts from now on.
    pub(super) fn end_help(&mut self, now: Instant, port: PortId, end: HelpEnd) {
        let Some(neighbor) = self.neighbor(port) else { return };
        if neighbor.helped.take().is_none() {
            return;
        }
        let (state, router_id, address) = (neighbor.state, neighbor.router_id, neighbor.address);
        self.timers.clear(Timer::Help(port));
        match end {
            HelpEnd::Completed => self.counters.help_completed += 1,
            HelpEnd::Unfinished => self.counters.help_unfinished += 1,
            HelpEnd::Expired => self.counters.help_expired += 1,
            HelpEnd::TopologyChanged => self.counters.help_overtaken += 1,
            HelpEnd::NeighborLost => self.counters.help_lost += 1,
        }
        self.notice(Notice::HelpEnded { port, router_id, end });
        if state == NeighborState::Full || end == HelpEnd::NeighborLost {
            return;
        }
        let (from, event) = (NeighborState::Full, "HelperExit");
        let change = NeighborChange { port, router_id, address, from, to: state, event };
        self.actions.push_back(Action::NeighborChanged(change));
        if let Some(neighbor) = self.neighbor(port) {
            neighbor.since = now;
        }
        self.origination.is_due = true;
        self.needs_calculation(now, Staleness::Topology, "neighbor lost");
        if !self.timers.is_set(Timer::Inactivity(port)) {
            self.neighbor_event(now, port, NeighborEvent::InactivityTimer);
        }
    }

    /// The grace period of the neighbour on `port` is over, or what was left of it.
    pub(super) fn help_due(&mut self, now: Instant, port: PortId) {
        let helped = self.neighbor(port).and_then(|neighbor| neighbor.helped);
        let is_over = helped.is_some_and(|helped| helped.until <= now);
        let end = if is_over { HelpEnd::Expired } else { self.end_of_restart(port) };
        self.end_help(now, port, end);
    }

    /// Nothing was heard for RouterDeadInterval: a neighbour that is helped may be as silent as the
    /// grace period is long.
    pub(super) fn fall_silent(&mut self, now: Instant, port: PortId) {
        let is_helped = self.neighbor(port).is_some_and(|neighbor| neighbor.helped.is_some());
        let event = match is_helped {
            true => NeighborEvent::OneWayReceived,
            false => NeighborEvent::InactivityTimer,
        };
        self.neighbor_event(now, port, event);
    }

    /// A newer instance was taken in: a Grace-LSA has more to say.
    pub(super) fn note_grace(&mut self, now: Instant, scope: Scope, lsa: &Lsa) {
        if let (Scope::Link(port), LsType::GRACE) = (scope, lsa.header.ls_type) {
            self.hear_grace(now, port, lsa);
        }
    }
}
