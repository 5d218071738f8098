//! The router looks at itself: database to routes, routes to table, table to forwarding.
//!
//! Packets that go astray although every protocol is content are the failures that nobody finds;
//! after a fault in memory, or one of this program, the router finds them itself and sets them
//! right. Once a minute a part is looked at every few milliseconds, so that hellos get their turn
//! in between: some LSAs, a part of the calculation, a comparison, some prefixes. LSAs and prefixes
//! are cut to a measure; each of the three parts of the calculation and each comparison of whole
//! tables is one piece, as the whole calculation is after any change of the topology. Who asks gets
//! all of it at once.
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
use crate::proto::ospf::{self, Verified};
use std::collections::BTreeMap;

/// How often the router looks at itself.
pub const INTERVAL: Duration = Duration::from_secs(60);
/// What is taken in one look of those that are cut: some hundred LSAs; prefixes, and next hops
/// behind them.
const LOOK: Look = Look { octets: 64 << 10, prefixes: 1024 };
/// How long others work between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// When to try again while something changes.
const POSTPONEMENT: Duration = Duration::from_secs(1);

/// How much is looked at at once.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Octets of LSAs.
    octets: usize,
    /// Prefixes.
    prefixes: usize,
}

/// What is looked at next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// Database to routes.
    #[default]
    Routes,
    /// Routes to table.
    Table,
    /// Table to forwarding, behind this prefix or from the first.
    Forwarding(Option<Ipv6Prefix>),
}

/// A look at oneself under way, or the wait for the next.
#[derive(Clone, Debug, Default)]
pub(super) struct SelfCheck {
    next: Option<Instant>,
    part: Part,
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
        let wait = match self.look(now, LOOK) {
            None => POSTPONEMENT,
            Some(false) => PAUSE,
            Some(true) => INTERVAL,
        };
        self.self_check.next = Some(now + wait);
    }

    /// Looks at everything at once; not complete where something is on its way.
    pub(super) fn check_self(&mut self, now: Instant) -> SelfCheckRow {
        self.publish();
        self.self_check.part = Part::Routes;
        let all = Look { octets: usize::MAX, prefixes: usize::MAX };
        loop {
            match self.look(now, all) {
                None => return SelfCheckRow::default(),
                Some(false) => {}
                Some(true) => {
                    return SelfCheckRow { is_complete: true, ..self.self_check.found.clone() };
                }
            }
        }
    }

    /// Looks at the next part; whether it was the last. `None` while something changes.
    fn look(&mut self, now: Instant, look: Look) -> Option<bool> {
        if self.rib.is_dirty() {
            return None;
        }
        match self.self_check.part {
            Part::Routes => {
                let wrong = match self.ospf.verify(look.octets) {
                    Verified::Nothing => return None,
                    Verified::Part => return Some(false),
                    Verified::All(wrong) => wrong,
                };
                self.self_check.found = SelfCheckRow::default();
                self.self_check.found.wrong_route_count = self.note_first(&wrong);
                self.deliver(now);
                self.self_check.part = Part::Table;
            }
            Part::Table => {
                let wrong = self.set_table_right(now);
                self.self_check.found.wrong_table_count = self.note_first(&wrong);
                self.self_check.part = Part::Forwarding(None);
            }
            Part::Forwarding(after) => return self.look_at_forwarding(now, after, look.prefixes),
        }
        self.publish();
        Some(false)
    }

    fn look_at_forwarding(
        &mut self,
        now: Instant,
        after: Option<Ipv6Prefix>,
        prefixes: usize,
    ) -> Option<bool> {
        let verified = self.rib.verify(after, prefixes)?;
        let wrong_count = self.note_first(&verified.wrong);
        let found = &mut self.self_check.found;
        found.prefix_count += verified.count as u64;
        found.wrong_forwarding_count += wrong_count;
        if verified.rest.is_some() {
            self.self_check.part = Part::Forwarding(verified.rest);
            return Some(false);
        }
        self.self_check.part = Part::Routes;
        let found = self.self_check.found.clone();
        self.conclude(now, &found);
        Some(true)
    }

    /// How many prefixes are wrong; the first of all is kept.
    fn note_first(&mut self, wrong: &[Ipv6Prefix]) -> u64 {
        let first = &mut self.self_check.found.first_wrong;
        *first = first.or(wrong.first().copied());
        wrong.len() as u64
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
