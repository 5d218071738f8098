//! Exits that many routes share: a quarter of a million prefixes of BGP leave by a handful of them.
//!
//! Owns [`Exits`], one for each RIB: the next hops of a protocol with what leads to them, and sets
//! of these. A route names a set ([`RouteTarget::Exits`](crate::base::route::RouteTarget::Exits)),
//! a set has one group of the forwarding table, and when an exit dies or is reached otherwise that
//! group is written anew while every route stays what it is.
//!
//! A set that leads nowhere answers Destination Unreachable: its owner is told and takes the routes
//! away, in his own time.
//!
//! *Invariants*: a next hop is resolved as gateways are (`resolve`), never through a route that has
//! exits itself; so no route leads to its own next hop. Whoever tracks one hears of every change of
//! its cost, after a compilation.
//! *Standards*: RFC 4271 §9.1.2.1 (next hops are resolved, and not by mutual recursion).

use crate::base::ids::PortId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{
    ECMP_WIDTH_MAX, ExitGateway, ExitsId, RouteBody, RouteNextHop, RouteTarget,
};
use crate::fib::InterfaceTable;
use crate::rib::resolve::{Resolved, Way, forward, resolve_gateway};
use crate::rib::table::{EXIT_GATEWAYS_MAX, Rib};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A next hop that somebody wants resolved.
#[derive(Clone, Debug, Default)]
struct Tracked {
    resolved: Resolved,
    /// Whether its owner has heard.
    is_told: bool,
}

/// All next hops and sets of them.
#[derive(Debug, Default)]
pub(super) struct Exits {
    /// Whether routes changed since the next hops were resolved.
    pub(super) is_stale: bool,
    tracked: BTreeMap<ExitGateway, Tracked>,
    sets: BTreeMap<ExitsId, Vec<ExitGateway>>,
    /// What routes with a set say, once for all prefixes that have it and nothing else to say.
    bodies: BTreeMap<ExitsId, Arc<RouteBody>>,
    /// Sets whose group is to be looked at.
    changed: BTreeSet<ExitsId>,
    /// Sets that are no more, while a group may have them.
    gone: BTreeSet<ExitsId>,
    /// Those of them whose group leads where it did: prefixes may wait to be taken from it.
    ending: BTreeSet<ExitsId>,
    news: VecDeque<(ExitGateway, Option<u32>)>,
}

impl Exits {
    /// Whether a compilation has something to do here.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_stale || !self.changed.is_empty()
    }

    /// Whether sets have ended, whose groups lead where they did.
    pub(super) fn are_any_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// No prefix waits to be taken from a set that has ended.
    pub(super) fn end(&mut self) {
        self.changed.append(&mut self.ending);
    }

    /// Whether there is such a set.
    pub(super) fn has(&self, id: ExitsId) -> bool {
        self.sets.contains_key(&id)
    }

    /// The body of a route, shared where others say the same.
    pub(super) fn share(&mut self, body: RouteBody) -> Arc<RouteBody> {
        let RouteTarget::Exits(id) = body.target else { return Arc::new(body) };
        match self.bodies.get(&id) {
            Some(shared) if **shared == body => Arc::clone(shared),
            _ => {
                let shared = Arc::new(body);
                if self.sets.contains_key(&id) {
                    self.bodies.insert(id, Arc::clone(&shared));
                }
                shared
            }
        }
    }

    /// Where a set leads, by the nearest of what each next hop is resolved to.
    fn way(&self, id: ExitsId) -> Way {
        let gateways = self.sets.get(&id).map_or(&[][..], Vec::as_slice);
        let resolved = || {
            let tracked = gateways.iter().filter_map(|gateway| self.tracked.get(gateway));
            tracked.map(|tracked| &tracked.resolved)
        };
        let members = resolved().flat_map(|resolved| resolved.members.iter().copied());
        let members: Vec<RouteNextHop> = members.take(ECMP_WIDTH_MAX).collect();
        let repair = resolved().find_map(|resolved| resolved.repair.clone());
        forward(members, repair).unwrap_or(Way::Unreachable)
    }
}

impl Rib {
    /// Resolves a next hop from now on; see [`Self::poll_exit`].
    pub fn track_exit(&mut self, gateway: ExitGateway) {
        if self.exits.tracked.len() >= EXIT_GATEWAYS_MAX {
            self.counters.exits_refused += 1;
            return self.exits.news.push_back((gateway, None));
        }
        self.exits.tracked.entry(gateway).or_default();
        self.exits.is_stale = true;
    }

    /// Resolves it no more.
    pub fn untrack_exit(&mut self, gateway: ExitGateway) {
        self.exits.tracked.remove(&gateway);
        self.exits.news.retain(|(other, _)| *other != gateway);
        let users = self.exits.sets.iter().filter(|(_, set)| set.contains(&gateway));
        self.exits.changed.extend(users.map(|(id, _)| *id).collect::<Vec<_>>());
    }

    /// The oldest change of how a next hop is reached that nobody took yet: at which cost, zero on
    /// an own link, or not at all.
    pub fn poll_exit(&mut self) -> Option<(ExitGateway, Option<u32>)> {
        self.exits.news.pop_front()
    }

    /// Sets of exits that are there, or not freed yet.
    pub fn exit_set_count(&self) -> usize {
        self.exits.sets.len() + self.exits.gone.len()
    }

    /// Sets the next hops of a set of exits, or removes it.
    pub fn set_exits(&mut self, id: ExitsId, gateways: Option<Vec<ExitGateway>>) {
        match gateways {
            Some(gateways) => {
                if self.exits.gone.remove(&id) {
                    // Its number is used again: whoever still waits to be taken from it must not
                    // see where it leads now.
                    self.backlog.hurry();
                }
                self.exits.ending.remove(&id);
                self.exits.changed.insert(id);
                self.exits.sets.insert(id, gateways);
            }
            None => {
                self.exits.changed.remove(&id);
                self.exits.ending.insert(id);
                self.exits.sets.remove(&id);
                self.exits.bodies.remove(&id);
                self.exits.gone.insert(id);
            }
        }
    }

    /// Resolves next hops where routes changed, and writes the groups of exits that lead elsewhere
    /// now; says whether any does.
    pub(super) fn lead_exits(&mut self) -> bool {
        if core::mem::take(&mut self.exits.is_stale) {
            self.resolve_exits();
        }
        let mut is_any_changed = false;
        for id in core::mem::take(&mut self.exits.changed) {
            let way = self.exits.way(id);
            let (next_hops, epoch) = (&mut self.next_hops, self.epoch + 1);
            match self.groups.lead(id, way, next_hops, epoch) {
                Some(is_changed) => is_any_changed |= is_changed,
                None => {
                    self.counters.exits_exhausted += 1;
                    is_any_changed = true;
                }
            }
        }
        is_any_changed
    }

    fn resolve_exits(&mut self) {
        let gateways: Vec<ExitGateway> = self.exits.tracked.keys().copied().collect();
        for gateway in gateways {
            let resolved = self.resolve_exit(gateway);
            let Some(tracked) = self.exits.tracked.get_mut(&gateway) else { continue };
            let cost =
                |resolved: &Resolved| (!resolved.members.is_empty()).then_some(resolved.cost);
            let (before, after) = (cost(&tracked.resolved), cost(&resolved));
            if !core::mem::replace(&mut tracked.is_told, true) || before != after {
                self.exits.news.push_back((gateway, after));
            }
            if tracked.resolved != resolved {
                tracked.resolved = resolved;
                let users = self.exits.sets.iter().filter(|(_, set)| set.contains(&gateway));
                self.exits.changed.extend(users.map(|(id, _)| *id));
            }
        }
    }

    fn resolve_exit(&self, gateway: ExitGateway) -> Resolved {
        if let Some(port) = gateway.port {
            return on_link(port, gateway, &self.interfaces);
        }
        let candidates = |bound: Ipv6Prefix| {
            let (prefix, entry) = self.at_or_before(bound)?;
            Some((prefix, entry.candidates.as_slice()))
        };
        resolve_gateway(gateway.address, candidates, &self.interfaces)
    }

    /// Frees what sets left that are no more.
    pub(super) fn forget_exits(&mut self) {
        let (groups, gone) = (&mut self.groups, &mut self.exits.gone);
        gone.retain(|id| !groups.forget(*id));
        self.exits.ending.retain(|id| gone.contains(id));
    }
}

/// A neighbour on the link of a port that is up.
fn on_link(port: PortId, gateway: ExitGateway, interfaces: &InterfaceTable) -> Resolved {
    let is_up = interfaces.get(port).is_some_and(|interface| interface.is_up);
    let neighbor = RouteNextHop { port, address: gateway.address };
    let members = if is_up { vec![neighbor] } else { Vec::new() };
    Resolved { members, repair: None, cost: 0 }
}
