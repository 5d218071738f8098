//! From databases to routes: when it is calculated, and what the calculation sees.
//!
//! Owns the joint between the machine and `calculate`: LSAs are learned as they are installed
//! (`flood`), the moment comes from `backoff`, the differences go out as actions. Owns [`Turn`] as
//! well: a change that routers take over in order ([`super::order`]) waits until it is this one's
//! turn.
//!
//! *Invariants*: nobody waits for his turn longer than `ORDER_WAIT_MAX` and `STRANGER_STEP`,
//! whatever comes meanwhile.
//! *Standards*: RFC 5340 §4.8, RFC 2328 §16.6, RFC 8405, RFC 6976.

use super::action::Action;
use super::calculate::Adjacency;
use super::limits::{
    BRISK_STEP, EXTERNALS_SPACING, ORDER_WAIT_MAX, STRANGER_STEP, STRANGER_STEP_SHORT,
};
use super::machine::{Ospf, Staleness, Timer};
use super::order::{Order, Pace, Patience};
use crate::base::time::{Duration, Instant};

/// This router's place in the order of updates.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// How long each place waits for the one before; zero where there is no order.
    pub step: Duration,
    /// Since when this router waits.
    since: Option<Instant>,
}

impl Ospf {
    /// Notes that something happened which routes depend on.
    pub(super) fn needs_calculation(
        &mut self,
        now: Instant,
        stale: Staleness,
        trigger: &'static str,
    ) {
        // Who leaves forwards as before for as long as it is there: its neighbours are turning
        // round, and what is on its way here must get through.
        if self.is_leaving {
            return;
        }
        self.staleness = self.staleness.max(stale);
        self.runs.trigger = trigger;
        self.backoff.igp_event(now);
    }

    /// Notes that an AS-external-LSA changed. Nothing waits for that but routes out of the AS, and
    /// the back-off is not told: it would delay the answer to a failure (RFC 8405 §2 leaves open
    /// which changes count as IGP events).
    pub(super) fn needs_externals(&mut self, now: Instant) {
        if !self.is_leaving {
            let last = self.runs.last_external;
            let ready = last.map_or(now, |last| (last + EXTERNALS_SPACING).max(now));
            self.timers.set_if_idle(Timer::Externals, ready);
        }
    }

    /// RFC 2328 §16.6: the routes that changed AS-external-LSAs are about.
    pub(super) fn calculate_externals(&mut self, now: Instant) {
        if self.is_leaving {
            return;
        }
        self.runs.external_count += 1;
        self.runs.last_external = Some(now);
        let updates = self.table.calculate_externals();
        self.actions.extend(updates.into_iter().map(Action::Route));
    }

    /// Whether a changed AS-external-LSA was not looked at yet.
    pub(super) fn awaits_externals(&self) -> bool {
        self.timers.is_set(Timer::Externals)
    }

    /// Whether routes are those of the database and the neighbours, but for those out of the AS.
    pub fn is_calculated(&self) -> bool {
        self.staleness == Staleness::Fresh
    }

    /// Calculates when the back-off says so and it is this router's turn. What new prefixes ask for
    /// does not wait.
    pub(super) fn calculate_if_due(&mut self, now: Instant) {
        if self.is_leaving || !self.backoff.handle_timeout(now) {
            return;
        }
        let Some(turn) = self.next_turn(now) else { return self.calculate(now) };
        self.timers.set(Timer::Order, turn);
        let updates = self.table.calculate_prefixes();
        self.actions.extend(updates.into_iter().map(Action::Route));
    }

    /// When this router may take over what changed; `None` at once.
    fn next_turn(&mut self, now: Instant) -> Option<Instant> {
        if self.staleness != Staleness::Topology || self.turn.step == Duration::ZERO {
            return None;
        }
        let own = self.router_id?;
        let Order::After(rank) = self.table.order(own) else { return None };
        // Whoever waits may have to take the next change at once (`Order::Now`): it must be one
        // whose packets the order is about.
        if self.table.keeps_ways(own, &self.adjacencies()) {
            return None;
        }
        let since = *self.turn.since.get_or_insert(now);
        let stranger = match rank.patience {
            Patience::None => Duration::ZERO,
            Patience::Short => STRANGER_STEP_SHORT,
            Patience::Long => STRANGER_STEP,
        };
        let step = match rank.pace {
            Pace::Brisk => self.turn.step.min(BRISK_STEP),
            Pace::Usual => self.turn.step,
        };
        let turn = since + stranger + step.saturating_mul(rank.steps).min(ORDER_WAIT_MAX);
        (turn > now).then_some(turn)
    }

    /// Calculates.
    pub(super) fn calculate(&mut self, now: Instant) {
        if self.is_leaving {
            return;
        }
        self.timers.clear(Timer::Order);
        self.timers.clear(Timer::Externals);
        self.turn.since = None;
        let stale = core::mem::take(&mut self.staleness);
        self.runs.count += 1;
        self.runs.last = Some(now);
        let updates = match stale {
            Staleness::Prefixes => self.table.calculate_prefixes(),
            Staleness::Topology | Staleness::Fresh => {
                let adjacencies = self.adjacencies();
                self.table.calculate(self.router_id.unwrap_or_default(), &adjacencies)
            }
        };
        self.actions.extend(updates.into_iter().map(Action::Route));
        self.review_opaque();
    }

    /// The neighbours in Full, and those that are helped.
    pub(super) fn adjacencies(&self) -> Vec<Adjacency> {
        let full = self.interfaces.iter().filter_map(|(port, interface)| {
            let neighbor = interface.neighbor.as_ref()?;
            neighbor.is_adjacent().then_some(Adjacency {
                port: *port,
                interface_id: interface.config.interface_id,
                neighbor_router_id: neighbor.router_id,
                neighbor_interface_id: neighbor.interface_id,
                address: neighbor.address,
            })
        });
        full.collect()
    }
}
