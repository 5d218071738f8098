//! Routes of BGP on their way into OSPF, so that every server finds the exits.
//!
//! Owns [`Redistributed`]: what the policy of `[ospf.redistribute]` lets through, up to a maximum.
//! A route is looked at when BGP has decided it, and a slice of decisions is one change for OSPF.
//! One that comes and goes is held back by [`Damping`].
//! Only paths of other ASes go this way: what another edge of this cluster has learned, it
//! announces itself.
//!
//! There is no way back. A [`Route`] of BGP goes in, an [`ExternalRoute`] of OSPF comes out, and
//! nothing here takes one:
//!
//! ```compile_fail
//! use kumiki::proto::bgp::ribs::Ribs;
//! use kumiki::proto::ospf::ExternalRoute;
//!
//! fn announce(ribs: &mut Ribs, now: kumiki::base::time::Instant, route: &ExternalRoute) {
//!     ribs.originate(now, route.prefix, route);
//! }
//! ```
//!
//! *Invariants*: at most as many routes as may are in OSPF; what is left out is counted, said, and
//! tried again when there is room. What BGP no longer has is withdrawn with the slice that decided
//! so.

mod damping;

use self::damping::Damping;
use super::plane::ControlPlane;
use super::report;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::config::schema::MetricType;
use crate::control::bgp_settings::Redistribution;
use crate::proto::bgp::ribs::{PeerId, PolicyId, Route};
use crate::proto::ospf::{self, ExternalChanges, ExternalRoute};
use crate::wire::ospf::ExternalMetric;
use std::collections::{BTreeMap, BTreeSet};

/// What of BGP is in OSPF; one exists, in the control plane.
#[derive(Debug, Default)]
pub(super) struct Redistributed {
    /// By which rule; `None` where nothing goes there.
    rule: Option<Redistribution>,
    routes: BTreeMap<Ipv6Prefix, ExternalRoute>,
    /// For which there was no room; at most what BGP has.
    left_out: BTreeSet<Ipv6Prefix>,
    damping: Damping,
}

/// Why a route is not in OSPF although it shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// As many as may are there.
    ForRoom { most: usize },
    /// It comes and goes.
    ToBeQuiet,
}

impl Redistributed {
    /// Routes that are in OSPF.
    pub(super) fn count(&self) -> usize {
        self.routes.len()
    }

    /// Whether a prefix is in OSPF.
    pub(super) fn has(&self, prefix: Ipv6Prefix) -> bool {
        self.routes.contains_key(&prefix)
    }

    /// Routes that are held back, because they came and went.
    pub(super) fn damped_count(&self) -> usize {
        self.damping.held_count()
    }

    /// When one of them is free.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.damping.next_deadline()
    }

    /// Gives up what is more than may be, and everybody who waits: all is decided anew.
    fn shrink(&mut self, most: usize) -> Vec<Ipv6Prefix> {
        self.left_out.clear();
        self.damping.clear_held();
        let rest = self.routes.keys().nth(most).copied();
        let gone = rest.map(|first| self.routes.split_off(&first)).unwrap_or_default();
        gone.into_keys().collect()
    }

    /// Takes the word on one prefix; the difference that it makes.
    fn take(
        &mut self,
        now: Instant,
        (prefix, wanted): (Ipv6Prefix, Option<ExternalRoute>),
        changes: &mut ExternalChanges,
    ) -> Result<(), Waits> {
        let (most, wait_max) = self
            .rule
            .map_or((0, Duration::ZERO), |rule| (rule.prefixes_max as usize, rule.damping_max));
        self.left_out.remove(&prefix);
        let is_new = !self.routes.contains_key(&prefix);
        match wanted {
            None if is_new => {
                self.damping.release(prefix);
                Ok(())
            }
            None => {
                self.routes.remove(&prefix);
                self.damping.note_gone(now, prefix, wait_max);
                changes.announced.retain(|route| route.prefix != prefix);
                changes.withdrawn.push(prefix);
                Ok(())
            }
            Some(route) if self.routes.get(&prefix) == Some(&route) => Ok(()),
            Some(_) if is_new && self.damping.holds(now, prefix) => Err(Waits::ToBeQuiet),
            Some(_) if is_new && self.routes.len() >= most => {
                self.left_out.insert(prefix);
                Err(Waits::ForRoom { most })
            }
            Some(route) => {
                self.routes.insert(prefix, route);
                changes.withdrawn.retain(|other| *other != prefix);
                changes.announced.push(route);
                Ok(())
            }
        }
    }
}

impl ControlPlane {
    /// The configuration, or what the policies among `changed` say, is another one.
    pub(super) fn review_redistribution(&mut self, now: Instant, changed: &[PolicyId]) {
        let rule = match self.bgp.parts() {
            Some((_, policies)) => policies.redistribution().copied(),
            None => None,
        };
        let is_other = rule != self.bgp.redistribution.rule
            || rule.is_some_and(|rule| changed.contains(&rule.policy));
        if !is_other {
            return;
        }
        self.bgp.redistribution.rule = rule;
        let most = rule.map_or(0, |rule| rule.prefixes_max as usize);
        let withdrawn = self.bgp.redistribution.shrink(most);
        self.tell_externals(now, ExternalChanges { withdrawn, ..ExternalChanges::default() });
        if let Some((speaker, _)) = self.bgp.parts() {
            match rule {
                Some(_) => speaker.ribs_mut().watch_decisions(),
                None => speaker.ribs_mut().unwatch_decisions(),
            }
            speaker.touch(now);
        }
    }

    /// Looks at what BGP has decided.
    pub(super) fn redistribute(&mut self, now: Instant) {
        let Some(rule) = self.bgp.redistribution.rule else { return };
        let mut changes = ExternalChanges::default();
        let (mut refused, mut damped) = (None, None);
        // Each is said once, and again when nobody waited in between.
        let was_full = !self.bgp.redistribution.left_out.is_empty();
        let was_damping = self.bgp.redistribution.damped_count() > 0;
        while let Some(word) = self.next_decided(now, &rule) {
            match self.bgp.redistribution.take(now, word, &mut changes) {
                Ok(()) => {}
                Err(Waits::ForRoom { most }) => {
                    self.counters.externals_refused += 1;
                    refused.get_or_insert((word.0, most));
                }
                Err(Waits::ToBeQuiet) => {
                    self.counters.externals_damped += 1;
                    damped.get_or_insert(word.0);
                }
            }
        }
        self.retry_left_out(now, &rule, &mut changes);
        if let Some((prefix, most)) = refused.filter(|_| !was_full) {
            let event = report::redistribution_full(now, prefix, most);
            self.event(event);
        }
        if let Some(prefix) = damped.filter(|_| !was_damping) {
            let event = report::redistribution_damped(now, prefix, rule.damping_max);
            self.event(event);
        }
        self.tell_externals(now, changes);
    }

    /// Gives room that has become free to those that were left out.
    fn retry_left_out(
        &mut self,
        now: Instant,
        rule: &Redistribution,
        changes: &mut ExternalChanges,
    ) {
        let redistribution = &self.bgp.redistribution;
        let room = (rule.prefixes_max as usize).saturating_sub(redistribution.count());
        let waiting: Vec<Ipv6Prefix> = redistribution.left_out.iter().copied().take(room).collect();
        for prefix in waiting {
            let wanted = self.wanted(rule, prefix);
            // There is room, and none of them has been there before, so nobody is refused.
            let _ = self.bgp.redistribution.take(now, (prefix, wanted), changes);
        }
    }

    fn next_decided(
        &mut self,
        now: Instant,
        rule: &Redistribution,
    ) -> Option<(Ipv6Prefix, Option<ExternalRoute>)> {
        let prefix = match self.bgp.redistribution.damping.pop_free(now) {
            Some(prefix) => prefix,
            None => self.bgp.parts()?.0.ribs_mut().poll_decided()?,
        };
        Some((prefix, self.wanted(rule, prefix)))
    }

    /// What a prefix shall be in OSPF; `None` for nothing.
    fn wanted(&mut self, rule: &Redistribution, prefix: Ipv6Prefix) -> Option<ExternalRoute> {
        let (speaker, policies) = self.bgp.parts()?;
        let (from, route): (PeerId, Route) = speaker.ribs().best(prefix)?;
        if !speaker.ribs().is_external(from) {
            return None;
        }
        let made = policies.engine().redistribute(rule.policy, prefix, &route)?;
        let metric = made.metric.unwrap_or(rule.metric);
        Some(ExternalRoute {
            prefix,
            metric: match rule.metric_type {
                MetricType::Type1 => ExternalMetric::Type1(metric),
                MetricType::Type2 => ExternalMetric::Type2(metric),
            },
            forwarding_address: None,
            tag: made.tag.or(rule.tag),
        })
    }

    fn tell_externals(&mut self, now: Instant, changes: ExternalChanges) {
        // Others send packets here from now on.
        changes.announced.iter().for_each(|route| self.rib.hasten(route.prefix));
        if !(changes.withdrawn.is_empty() && changes.announced.is_empty()) {
            self.ospf.handle(now, ospf::Input::Externals(changes));
        }
    }

    /// All was said by now that a control plane before this one had announced.
    pub(super) fn complete_externals(&mut self, now: Instant) {
        self.ospf.handle(now, ospf::Input::ExternalsComplete);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(number: u16) -> ExternalRoute {
        let address = core::net::Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0);
        ExternalRoute {
            prefix: Ipv6Prefix::containing(address, 48),
            metric: ExternalMetric::Type2(1),
            forwarding_address: None,
            tag: None,
        }
    }

    #[test]
    fn whoever_finds_no_room_waits_for_it_and_a_smaller_maximum_withdraws() {
        let rule = Redistribution {
            policy: PolicyId(0),
            metric: 1,
            metric_type: MetricType::Type2,
            tag: None,
            prefixes_max: 2,
            damping_max: Duration::from_secs(60),
        };
        let mut redistributed = Redistributed { rule: Some(rule), ..Redistributed::default() };
        let mut changes = ExternalChanges::default();
        let mut take = |redistributed: &mut Redistributed, number, is_there: bool| {
            let wanted = is_there.then(|| route(number));
            redistributed.take(Instant::ZERO, (route(number).prefix, wanted), &mut changes)
        };
        let full = Err(Waits::ForRoom { most: 2 });
        let results = [1, 2, 3, 4, 5, 6].map(|number| take(&mut redistributed, number, true));
        assert_eq!(results, [Ok(()), Ok(()), full, full, full, full]);
        assert_eq!(redistributed.left_out.len(), 4, "all of them");
        assert_eq!(take(&mut redistributed, 1, false), Ok(()));
        assert_eq!(take(&mut redistributed, 6, true), Ok(()));
        assert_eq!(take(&mut redistributed, 5, false), Ok(()));
        assert_eq!((redistributed.count(), redistributed.left_out.len()), (2, 2));
        assert_eq!(changes.withdrawn, [route(1).prefix]);
        assert_eq!(redistributed.shrink(1), [route(6).prefix]);
        assert_eq!((redistributed.count(), redistributed.left_out.len()), (1, 0));
    }
}
