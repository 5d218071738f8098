//! The router looks at itself: database to routes, routes to table, table to forwarding.
//!
//! Packets that go astray although every protocol is content are the failures that nobody finds;
//! after a fault in memory, or one of this program, the router finds them itself and sets them
//! right. A part of the table is looked at every few milliseconds once a minute, so that no hello
//! waits for it; who asks gets all of it at once.
//!
//! Owns [`SelfCheck`]. The comparisons are those of [`ospf::Ospf::verify`] and
//! [`crate::rib::Rib::verify`].
//!
//! *Invariants*: nothing is compared while something is on its way from one to the next; what was
//! wrong is counted, said and calculated anew.

use super::plane::ControlPlane;
use super::report;
use crate::api::show::SelfCheckRow;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteSource, RouteUpdate};
use crate::base::time::{Duration, Instant};
use crate::proto::ospf;
use std::collections::BTreeMap;

/// How often the router looks at itself.
pub const INTERVAL: Duration = Duration::from_secs(60);
/// Prefixes in one look: less than a millisecond.
pub const PREFIXES_PER_LOOK: usize = 1024;
/// How long others work between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// When to try again while something changes.
const POSTPONEMENT: Duration = Duration::from_secs(1);

/// A look at oneself under way, or the wait for the next.
#[derive(Clone, Debug, Default)]
pub(super) struct SelfCheck {
    next: Option<Instant>,
    after: Option<Ipv6Prefix>,
    found: SelfCheckRow,
}

impl SelfCheck {
    /// When [`ControlPlane::check_self_if_due`] has something to do.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.next
    }
}

impl ControlPlane {
    /// The next part, when it is time; at the end of every input.
    pub(super) fn check_self_if_due(&mut self, now: Instant) {
        let next = *self.self_check.next.get_or_insert(now + INTERVAL);
        if now < next {
            return;
        }
        let wait = match self.check_part(now, PREFIXES_PER_LOOK) {
            None => POSTPONEMENT,
            Some(false) => PAUSE,
            Some(true) => INTERVAL,
        };
        self.self_check.next = Some(now + wait);
    }

    /// Looks at everything at once; not complete where something is on its way.
    pub(super) fn check_self(&mut self, now: Instant) -> SelfCheckRow {
        self.publish();
        (self.self_check.after, self.self_check.found) = Default::default();
        match self.check_part(now, usize::MAX) {
            Some(_) => SelfCheckRow { is_complete: true, ..self.self_check.found.clone() },
            None => SelfCheckRow::default(),
        }
    }

    /// Looks at some prefixes more; whether they were the last. `None` while something changes.
    fn check_part(&mut self, now: Instant, count: usize) -> Option<bool> {
        let mut found = core::mem::take(&mut self.self_check.found);
        if self.self_check.after.is_none() && !self.rib.is_dirty() {
            found = SelfCheckRow::default();
            let wrong = self.ospf.verify()?;
            found.wrong_route_count += wrong.len() as u64;
            found.first_wrong = found.first_wrong.or(wrong.first().copied());
            self.deliver(now);
            let wrong = self.set_table_right(now);
            found.wrong_table_count += wrong.len() as u64;
            found.first_wrong = found.first_wrong.or(wrong.first().copied());
            self.publish();
        }
        let after = self.self_check.after;
        let Some(verified) = self.rib.verify(after, count) else {
            self.self_check.found = found;
            return None;
        };
        found.prefix_count += verified.count as u64;
        found.wrong_forwarding_count += verified.wrong.len() as u64;
        found.first_wrong = found.first_wrong.or(verified.wrong.first().copied());
        self.self_check.after = verified.rest;
        let is_last = verified.rest.is_none();
        if is_last {
            self.conclude(now, &found);
        }
        self.self_check.found = found;
        Some(is_last)
    }

    /// What OSPF announces and the table has otherwise.
    fn set_table_right(&mut self, now: Instant) -> Vec<Ipv6Prefix> {
        let mut announced = self.ospf.announcements();
        let of_ospf = self.rib.routes().filter(|route| route.source == RouteSource::Ospf);
        let known: BTreeMap<Ipv6Prefix, RouteBody> =
            of_ospf.map(|route| (route.prefix, route.body.clone())).collect();
        let wrong = ospf::differences(&known, &announced);
        for prefix in &wrong {
            let route = announced.remove(prefix);
            self.apply_route(
                now,
                RouteUpdate { prefix: *prefix, source: RouteSource::Ospf, route },
            );
        }
        wrong
    }

    fn conclude(&mut self, now: Instant, found: &SelfCheckRow) {
        self.counters.self_checks += 1;
        let wrong = found.wrong_count();
        if wrong > 0 {
            self.counters.self_check_faults += wrong;
            let event = report::self_check(now, found);
            self.event(event);
            self.publish();
        }
    }
}
