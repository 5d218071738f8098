//! Routes of BGP on their way into OSPF, so that every server finds the exits.
//!
//! Owns [`Redistributed`]: what the policy of `[ospf.redistribute]` lets through, up to a maximum.
//! A route is looked at when BGP has decided it, and a slice of decisions is one change for OSPF.
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

use super::plane::ControlPlane;
use super::report;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
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
    /// For which there was no room.
    left_out: BTreeSet<Ipv6Prefix>,
}

impl Redistributed {
    /// Routes that are in OSPF.
    pub(super) fn count(&self) -> usize {
        self.routes.len()
    }

    /// Takes the word on one prefix; the difference that it makes. `Err` where there is no room.
    fn take(
        &mut self,
        prefix: Ipv6Prefix,
        wanted: Option<ExternalRoute>,
        changes: &mut ExternalChanges,
    ) -> Result<(), usize> {
        let most = self.rule.map_or(0, |rule| rule.prefixes_max as usize);
        self.left_out.remove(&prefix);
        match wanted {
            None => {
                if self.routes.remove(&prefix).is_some() {
                    changes.announced.retain(|route| route.prefix != prefix);
                    changes.withdrawn.push(prefix);
                }
                Ok(())
            }
            Some(route) if self.routes.get(&prefix) == Some(&route) => Ok(()),
            Some(_) if !self.routes.contains_key(&prefix) && self.routes.len() >= most => {
                // As many again may wait; beyond them the table is looked through anew.
                if self.left_out.len() < most {
                    self.left_out.insert(prefix);
                }
                Err(most)
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
        self.bgp.redistribution.left_out.clear();
        if rule.is_none() {
            let routes = core::mem::take(&mut self.bgp.redistribution.routes);
            let withdrawn: Vec<Ipv6Prefix> = routes.into_keys().collect();
            self.tell_externals(now, ExternalChanges { withdrawn, ..ExternalChanges::default() });
        }
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
        let mut refused = None;
        while let Some((prefix, wanted)) = self.next_decided(&rule) {
            if let Err(most) = self.bgp.redistribution.take(prefix, wanted, &mut changes) {
                self.counters.externals_refused += 1;
                refused.get_or_insert((prefix, most));
            }
        }
        self.retry_left_out(&rule, &mut changes);
        if let Some((prefix, most)) = refused {
            let event = report::redistribution_full(now, prefix, most);
            self.event(event);
        }
        self.tell_externals(now, changes);
    }

    /// Gives room that has become free to those that were left out.
    fn retry_left_out(&mut self, rule: &Redistribution, changes: &mut ExternalChanges) {
        let redistribution = &self.bgp.redistribution;
        let room = (rule.prefixes_max as usize).saturating_sub(redistribution.count());
        let waiting: Vec<Ipv6Prefix> = redistribution.left_out.iter().copied().take(room).collect();
        for prefix in waiting {
            let wanted = self.wanted(rule, prefix);
            // There is room, so nobody is refused.
            let _ = self.bgp.redistribution.take(prefix, wanted, changes);
        }
    }

    fn next_decided(
        &mut self,
        rule: &Redistribution,
    ) -> Option<(Ipv6Prefix, Option<ExternalRoute>)> {
        let prefix = self.bgp.parts()?.0.ribs_mut().poll_decided()?;
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
        if !(changes.withdrawn.is_empty() && changes.announced.is_empty()) {
            self.ospf.handle(now, ospf::Input::Externals(changes));
        }
    }

    /// All was said by now that a control plane before this one had announced.
    pub(super) fn complete_externals(&mut self, now: Instant) {
        self.ospf.handle(now, ospf::Input::ExternalsComplete);
    }
}
