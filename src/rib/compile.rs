//! From the table to the world of the data plane, change by change.
//!
//! Owns [`Rib::compile`]: prefixes whose answer may have changed are decided anew, the rest is
//! shared with the last world.
//!
//! What BGP alone has changed is taken in slices (`backlog`): a world then has some of its changes,
//! and the next one more. Everything else is in the next world as a whole.
//!
//! The order matters: ports first (they make announcements usable), then gateways (they need usable
//! announcements), then the prefixes. Numbers that went out of use are given back at the end, so
//! that what moves from one prefix to another keeps its number.
//!
//! *Invariants*: after a compilation every prefix of the FIB is installed in the table with the
//! same group; every number in the world has its entry in the world.

use crate::base::ids::{GroupId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteTarget};
use crate::fib::Forwarding;
use crate::rib::resolve::{Way, resolve_gateway};
use crate::rib::select::Candidates;
use crate::rib::table::{Installed, Rib, RibEntry};
use core::net::Ipv6Addr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a compilation has decided so far.
#[derive(Default)]
struct Outcome {
    changes: Vec<(Ipv6Prefix, Option<GroupId>)>,
    released: Vec<GroupId>,
}

impl Rib {
    /// The next world; `None` when it would be like the last. While [`Self::is_dirty`] still says
    /// yes, there are more.
    pub fn compile(&mut self) -> Option<Forwarding> {
        if !self.is_dirty() {
            return None;
        }
        self.exits.is_stale |= !self.dirty.is_empty() || !self.stale_ports.is_empty();
        self.look_at_users_of_stale_ports();
        self.resolve_gateways();
        let slice = self.backlog.take();
        if self.backlog.is_empty() {
            self.exits.end();
        }
        let is_any_led_elsewhere = self.lead_exits();
        let mut outcome = Outcome::default();
        for prefix in core::mem::take(&mut self.dirty) {
            self.decide(prefix, &mut outcome);
        }
        for prefix in slice {
            self.decide(prefix, &mut outcome);
        }
        let mut is_any_free = false;
        for group in &outcome.released {
            is_any_free |= self.groups.release(*group, &mut self.next_hops, self.epoch + 1);
        }
        if is_any_free {
            // Groups are free at once; whoever waits for one is served in the next compilation.
            self.dirty.append(&mut self.starved);
        }
        self.forget_exits();
        let is_changed =
            !outcome.changes.is_empty() || self.next_hops.is_changed || self.are_interfaces_changed;
        if !(is_changed || is_any_led_elsewhere) {
            return None;
        }
        self.next_hops.is_changed = false;
        self.are_interfaces_changed = false;
        let is_known = |group: &GroupId| group.index() < self.groups.table.len();
        assert!(outcome.changes.iter().all(|(_, group)| group.as_ref().is_none_or(is_known)));
        self.fib.apply(&outcome.changes);
        self.epoch += 1;
        self.counters.compilations += 1;
        self.counters.changes += outcome.changes.len() as u64;
        Some(self.world())
    }

    fn world(&self) -> Forwarding {
        Forwarding {
            epoch: self.epoch,
            table: self.fib.clone(),
            groups: Arc::clone(&self.groups.table),
            next_hops: Arc::clone(&self.next_hops.table),
            interfaces: Arc::clone(&self.interfaces),
            overlay: Arc::clone(&self.overlay),
            liveness: self.liveness(),
        }
    }

    /// A port event is rare and may concern any prefix, so it costs one walk over the table.
    fn look_at_users_of_stale_ports(&mut self) {
        let stale = core::mem::take(&mut self.stale_ports);
        if stale.is_empty() {
            return;
        }
        for (prefix, entry) in &self.entries {
            let candidates = entry.candidates.as_slice();
            let mut bodies = candidates.iter().map(|candidate| &candidate.body);
            if bodies.any(|body| mentions(body, &stale)) {
                self.dirty.insert(*prefix);
            }
        }
    }

    /// Resolves every gateway anew; the users of those that changed become dirty.
    fn resolve_gateways(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let addresses: Vec<Ipv6Addr> = self.gateways.keys().copied().collect();
        for address in addresses {
            let candidates = |bound: Ipv6Prefix| {
                let (prefix, entry) = self.at_or_before(bound)?;
                Some((prefix, entry.candidates.as_slice()))
            };
            let resolved = resolve_gateway(address, candidates, &self.interfaces);
            if let Some(gateway) = self.gateways.get_mut(&address)
                && gateway.resolved != resolved
            {
                gateway.resolved = resolved;
                self.dirty.extend(gateway.users.iter().copied());
            }
        }
    }

    /// The group of a way; without its repair where there are no numbers for that, and tried again
    /// when some become free.
    fn acquire(&mut self, prefix: Ipv6Prefix, way: Way, old: Option<GroupId>) -> Option<GroupId> {
        let (next_hops, epoch) = (&mut self.next_hops, self.epoch + 1);
        let group = self.groups.acquire(&way, old, next_hops, epoch);
        match way {
            Way::Forward { members, repair: Some(_) } if group.is_none() => {
                self.counters.repairs_exhausted += 1;
                self.starved.insert(prefix);
                let plain = Way::Forward { members, repair: None };
                self.groups.acquire(&plain, old, next_hops, epoch)
            }
            _ => group,
        }
    }

    /// Decides one prefix and notes what that changes.
    fn decide(&mut self, prefix: Ipv6Prefix, outcome: &mut Outcome) {
        self.starved.remove(&prefix);
        let Some(entry) = self.entries.get(&prefix) else { return };
        let old = entry.installed;
        let winner = self.winner(entry).map(|(candidate, way)| (candidate.source, way));
        let new = match winner {
            None => None,
            Some((source, way)) => match self.acquire(prefix, way, old.map(|old| old.group)) {
                Some(group) => Some(Installed { source, group }),
                None => {
                    // No number: the route is left out, the next shorter prefix serves.
                    self.counters.numbers_exhausted += 1;
                    self.starved.insert(prefix);
                    None
                }
            },
        };
        outcome.released.extend(old.map(|old| old.group));
        let (old_group, new_group) = (old.map(|old| old.group), new.map(|new| new.group));
        if old_group != new_group {
            outcome.changes.push((prefix, new_group));
        }
        match self.entries.get_mut(&prefix) {
            Some(RibEntry { candidates: Candidates::None, .. }) => {
                self.entries.remove(&prefix);
            }
            // Where the backlog still has it, it is looked at twice, and nothing is different then.
            Some(entry) => (entry.installed, entry.is_waiting) = (new, false),
            None => {}
        }
    }
}

/// Whether a route names one of `ports`.
fn mentions(body: &RouteBody, ports: &BTreeSet<PortId>) -> bool {
    match &body.target {
        RouteTarget::Via(ways) => {
            let repair = body.repair.iter().map(|repair| repair.via);
            ways.iter().copied().chain(repair).any(|way| ports.contains(&way.port))
        }
        RouteTarget::OnLink(port) => ports.contains(port),
        RouteTarget::Cross(way) => ports.contains(&way.port),
        RouteTarget::Local
        | RouteTarget::Unreachable
        | RouteTarget::Blackhole
        | RouteTarget::Exits(_)
        | RouteTarget::Recursive(_) => false,
    }
}
