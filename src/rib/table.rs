//! The routing information base: every announcement, every neighbour, every port.
//!
//! Owns [`Rib`] and what comes in; what goes out is in `compile.rs`. One per router, owned by the
//! control plane. Liveness flags change at once, everything else at the next [`Rib::compile`].
//!
//! *Invariants*: an entry has at least one candidate or waits in `dirty` or in the backlog to be
//! removed; candidates stand in order of preference, one a source. Counts stay within
//! [`RibLimits`]; what is refused is counted.

use crate::base::ids::{MacAddress, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{
    REPAIR_SEGMENTS_MAX, Repair, RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate,
};
use crate::fib::group_table::NEXT_HOP_ABSENT;
use crate::fib::{Fib, Interface, InterfaceTable, Liveness, Overlay, RepairAddresses};
use crate::rib::backlog::{Backlog, is_bulk};
use crate::rib::exits::Exits;
use crate::rib::numbers::{Groups, NextHops};
use crate::rib::resolve::{Gateway, Way, covering, way};
use crate::rib::select::{Candidate, Candidates, select};
use core::net::Ipv6Addr;
use core::ops::Bound;
use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Announcements: the full table of 2026 four times.
pub const ROUTES_MAX: usize = 1 << 20;
/// Next hops: each neighbour on every LAN is one, each tunnel of a repair another.
pub const NEXT_HOPS_MAX: usize = 3 << 13;
/// Groups: each neighbour and each set of neighbours is one, with each of its repairs one more.
pub const GROUPS_MAX: usize = 1 << 15;
/// Repairs: the prefixes of one router are repaired in one way, so that this is a cluster of as
/// many routers, none of whose repairs is another's. Beyond it routes go without.
pub const REPAIRS_MAX: usize = 5 << 10;
/// Gateways of recursive routes.
pub const GATEWAYS_MAX: usize = 1 << 10;
/// Next hops of exits: as many as a protocol that shares them may have, each resolved anew when
/// routes change, which takes a millisecond for a thousand.
pub const EXIT_GATEWAYS_MAX: usize = 1 << 12;

/// A single next hop has a group of its own; the highest number of each kind means "none".
const _: () = assert!(REPAIRS_MAX < NEXT_HOPS_MAX && NEXT_HOPS_MAX < NEXT_HOP_ABSENT.0 as usize);
const _: () = assert!(NEXT_HOPS_MAX <= GROUPS_MAX && GROUPS_MAX <= crate::fib::table::GROUP_MAX);

/// How much a [`Rib`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RibLimits {
    /// Announcements, at most [`ROUTES_MAX`] by default.
    pub routes_max: usize,
    /// Next hops in use or kept back, at most [`NEXT_HOPS_MAX`] by default.
    pub next_hops_max: usize,
    /// Groups in use, at most [`GROUPS_MAX`] by default.
    pub groups_max: usize,
    /// Gateways, at most [`GATEWAYS_MAX`] by default.
    pub gateways_max: usize,
    /// Tunnels, and groups with a repair, at most [`REPAIRS_MAX`] each by default.
    pub repairs_max: usize,
}

impl Default for RibLimits {
    fn default() -> Self {
        Self {
            routes_max: ROUTES_MAX,
            next_hops_max: NEXT_HOPS_MAX,
            groups_max: GROUPS_MAX,
            gateways_max: GATEWAYS_MAX,
            repairs_max: REPAIRS_MAX,
        }
    }
}

crate::counters! {
    /// What a [`Rib`] did and refused.
    pub struct RibCounters {
        @normal updates: "updates", "Announcements and withdrawals that changed something.";
        routes_refused: "routes", "Announcements refused because the table is full.";
        gateways_refused: "routes", "Announcements refused because there are too many gateways.";
        ports_refused: "ports", "Words on ports refused because of their number.";
        neighbors_refused: "neighbors", "Words on neighbours refused because there are too many.";
        repairs_refused: "routes", "Repairs left out because they lead to no other place.";
        repairs_exhausted: "routes", "Routes installed without their repair for want of a number.";
        exits_refused: "exits", "Next hops of a protocol refused because there are too many.";
        exits_exhausted: "exits", "Sets of exits that lead nowhere for want of a next-hop number.";
        numbers_exhausted: "routes", "Routes not installed for want of a next-hop or group number.";
        groups_mended: "groups", "Groups that workers would not have read as made; made anew.";
        @normal compilations: "worlds", "Worlds built.";
        @normal changes: "prefixes", "Prefixes that changed in them.";
    }
}

/// Why a route was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RibError {
    /// The table is full.
    #[error("the table is full with {0} routes")]
    RoutesExhausted(usize),
    /// Too many gateways.
    #[error("recursive routes already use {0} gateways")]
    GatewaysExhausted(usize),
}

/// All candidates of one prefix, and what the last world does with it.
#[derive(Clone, Debug, Default)]
pub(super) struct RibEntry {
    pub(super) candidates: Candidates,
    pub(super) installed: Option<Installed>,
    /// Whether it is in the backlog.
    pub(super) is_waiting: bool,
}

/// The winner in the last world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Installed {
    pub(super) source: RouteSource,
    pub(super) group: crate::base::ids::GroupId,
}

/// A route as `show route` wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RibRoute<'rib> {
    /// Destinations.
    pub prefix: Ipv6Prefix,
    /// Who says it.
    pub source: RouteSource,
    /// Its metric and target, as announced.
    pub body: &'rib RouteBody,
    /// Whether the last world has it.
    pub is_selected: bool,
    /// Where its packets go, or would go; `None` when it cannot be used now.
    pub way: Option<Way>,
}

/// The routing information base.
#[derive(Debug)]
pub struct Rib {
    pub(super) entries: BTreeMap<Ipv6Prefix, RibEntry>,
    /// Prefixes to look at in the next compilation.
    pub(super) dirty: BTreeSet<Ipv6Prefix>,
    /// Prefixes of which BGP alone said something; a slice of them goes into each compilation.
    pub(super) backlog: Backlog,
    /// Prefixes that got no numbers; tried again when some become free.
    pub(super) starved: BTreeSet<Ipv6Prefix>,
    /// Ports that came, went, rose or fell since the last compilation.
    pub(super) stale_ports: BTreeSet<PortId>,
    pub(super) gateways: BTreeMap<Ipv6Addr, Gateway>,
    pub(super) exits: Exits,
    pub(super) interfaces: Arc<InterfaceTable>,
    pub(super) overlay: Arc<Overlay>,
    pub(super) are_interfaces_changed: bool,
    pub(super) next_hops: NextHops,
    pub(super) groups: Groups,
    pub(super) fib: Fib,
    /// Number of the last world.
    pub(super) epoch: u64,
    pub(super) counters: RibCounters,
    route_count: usize,
    limits: RibLimits,
}

impl Default for Rib {
    fn default() -> Self {
        Self::new(RibLimits::default())
    }
}

impl Rib {
    /// A table without routes, neighbours and ports.
    pub fn new(limits: RibLimits) -> Self {
        Self {
            entries: BTreeMap::new(),
            dirty: BTreeSet::new(),
            backlog: Backlog::default(),
            starved: BTreeSet::new(),
            stale_ports: BTreeSet::new(),
            gateways: BTreeMap::new(),
            exits: Exits::default(),
            interfaces: Arc::default(),
            overlay: Arc::default(),
            are_interfaces_changed: false,
            next_hops: NextHops::new(limits.next_hops_max.min(NEXT_HOPS_MAX), limits.repairs_max),
            groups: Groups::new(limits.groups_max.min(GROUPS_MAX), limits.repairs_max),
            fib: Fib::default(),
            epoch: 0,
            counters: RibCounters::default(),
            route_count: 0,
            limits,
        }
    }

    /// Takes a source's word on a prefix in place of what it said before. Where there is no room
    /// for it, what it said before is out all the same: packets must not go where the source says
    /// no more, and another source, a shorter prefix or nobody has the prefix from then on.
    pub fn apply(&mut self, update: RouteUpdate) -> Result<(), RibError> {
        let RouteUpdate { prefix, source, mut route } = update;
        if let Some(route) = &mut route
            && route.repair.take_if(|repair| !is_repair(&route.target, repair)).is_some()
        {
            self.counters.repairs_refused += 1;
        }
        let before = self.entries.get(&prefix).and_then(|entry| entry.of(source));
        if before.map(AsRef::as_ref) == route.as_ref() {
            return Ok(());
        }
        let is_replacement = before.is_some();
        if is_replacement {
            self.put(prefix, source, None);
        }
        let admitted = route.as_ref().map_or(Ok(()), |route| self.admit(route));
        if admitted.is_ok()
            && let Some(route) = route
        {
            let body = self.exits.share(route);
            self.put(prefix, source, Some(body));
        }
        self.counters.updates += u64::from(is_replacement || admitted.is_ok());
        admitted
    }

    /// Takes BGP's word on a prefix: it has one, learned in another AS or within this one, or none.
    /// A table of a quarter of a million comes this way, so that what is new is looked up once.
    pub fn apply_bgp(
        &mut self,
        prefix: Ipv6Prefix,
        route: Option<(RouteSource, RouteBody)>,
    ) -> Result<(), RibError> {
        let is_full = self.route_count >= self.limits.routes_max;
        match (self.entries.entry(prefix), route) {
            (Slot::Vacant(_), None) => Ok(()),
            (Slot::Vacant(vacant), Some((source, body)))
                if !is_full && is_bulk(source) && !is_wide(prefix) && may_wait(&body) =>
            {
                let body = self.exits.share(body);
                let entry = vacant.insert(RibEntry { is_waiting: true, ..RibEntry::default() });
                entry.candidates.insert(Candidate { source, body });
                self.backlog.push(prefix);
                self.route_count += 1;
                self.counters.updates += 1;
                Ok(())
            }
            (Slot::Vacant(_), Some((source, body))) => {
                self.apply(RouteUpdate { prefix, source, route: Some(body) })
            }
            (Slot::Occupied(entry), route) => {
                let kept = route.as_ref().map(|(source, _)| *source);
                let is_stale = |source: &RouteSource| {
                    Some(*source) != kept && entry.get().of(*source).is_some()
                };
                let both = [RouteSource::Ebgp, RouteSource::Ibgp];
                if let Some(source) = both.into_iter().find(is_stale) {
                    self.apply(RouteUpdate { prefix, source, route: None })?;
                }
                route.map_or(Ok(()), |(source, body)| {
                    self.apply(RouteUpdate { prefix, source, route: Some(body) })
                })
            }
        }
    }

    /// Has a prefix decided in the next world, without a wait for its slice: others are told to
    /// send packets for it here.
    pub fn hasten(&mut self, prefix: Ipv6Prefix) {
        if self.entries.get(&prefix).is_some_and(|entry| entry.is_waiting) {
            self.dirty.insert(prefix);
        }
    }

    /// Puts a source's word, or its silence, in the place of what it said before.
    fn put(&mut self, prefix: Ipv6Prefix, source: RouteSource, route: Option<Arc<RouteBody>>) {
        let entry = self.entries.entry(prefix).or_default();
        let before = entry.replace(source, route);
        self.route_count += usize::from(entry.of(source).is_some());
        self.route_count -= usize::from(before.is_some());
        let mut said = before.as_deref().into_iter().chain(entry.of(source).map(AsRef::as_ref));
        match is_bulk(source) && !is_wide(prefix) && said.all(may_wait) {
            true if core::mem::replace(&mut entry.is_waiting, true) => {}
            true => self.backlog.push(prefix),
            false => {
                self.dirty.insert(prefix);
            }
        }
        let needs_gateways = |body: &RouteBody| !gateways_of(body).is_empty();
        let candidates = entry.candidates.as_slice().iter().map(|candidate| &*candidate.body);
        if before.as_deref().into_iter().chain(candidates).any(needs_gateways) {
            self.use_gateways(prefix, before.as_deref());
        }
    }

    /// Checks the limits for one more route; the one that it replaces is out already.
    fn admit(&mut self, route: &RouteBody) -> Result<(), RibError> {
        if self.route_count >= self.limits.routes_max {
            self.counters.routes_refused += 1;
            return Err(RibError::RoutesExhausted(self.limits.routes_max));
        }
        let is_new = |address: &&Ipv6Addr| !self.gateways.contains_key(*address);
        let more: BTreeSet<&Ipv6Addr> = gateways_of(route).iter().filter(is_new).collect();
        if !more.is_empty() && self.gateways.len() + more.len() > self.limits.gateways_max {
            self.counters.gateways_refused += 1;
            return Err(RibError::GatewaysExhausted(self.limits.gateways_max));
        }
        Ok(())
    }

    /// Notes which gateways the routes of `prefix` use now, after `before` was replaced.
    fn use_gateways(&mut self, prefix: Ipv6Prefix, before: Option<&RouteBody>) {
        for address in before.map_or(&[][..], gateways_of) {
            if let Some(gateway) = self.gateways.get_mut(address) {
                gateway.users.remove(&prefix);
                if gateway.users.is_empty() {
                    self.gateways.remove(address);
                }
            }
        }
        let entry = self.entries.get(&prefix);
        let candidates = entry.map_or(&[][..], |entry| entry.candidates.as_slice());
        for address in candidates.iter().flat_map(|candidate| gateways_of(&candidate.body)) {
            self.gateways.entry(*address).or_default().users.insert(prefix);
        }
    }

    /// Sets the MAC addresses towards a neighbour (its own, ours), or says that they are unknown.
    pub fn set_neighbor(
        &mut self,
        port: PortId,
        address: Ipv6Addr,
        macs: Option<(MacAddress, MacAddress)>,
    ) {
        let has_room = self.next_hops.set_rewrite(RouteNextHop { port, address }, macs);
        self.counters.neighbors_refused += u64::from(!has_room);
    }

    /// Sets the facts of a port; when it falls, its next hops die at once.
    pub fn set_interface(&mut self, interface: Interface) {
        let (port, is_up) = (interface.port, interface.is_up);
        let before = self.interfaces.get(port);
        if before == Some(&interface) {
            return;
        }
        let was_up = before.map(|before| before.is_up);
        if !Arc::make_mut(&mut self.interfaces).set(interface) {
            self.counters.ports_refused += 1;
            return;
        }
        self.are_interfaces_changed = true;
        self.next_hops.set_port_up(port, is_up);
        if was_up != Some(is_up) {
            self.stale_ports.insert(port);
        }
    }

    /// Sets the router's part in repairs; without one there are no tunnels.
    pub fn set_repair_addresses(&mut self, addresses: Option<RepairAddresses>) {
        if self.interfaces.repair_addresses() == addresses.as_ref() {
            return;
        }
        Arc::make_mut(&mut self.interfaces).set_repair_addresses(addresses);
        self.are_interfaces_changed = true;
        self.next_hops.set_source(addresses.map(|addresses| addresses.loopback()));
        let is_repaired = |entry: &RibEntry| {
            let mut candidates = entry.candidates.as_slice().iter();
            candidates.any(|candidate| candidate.body.repair.is_some())
        };
        let users = self.entries.iter().filter(|(_, entry)| is_repaired(entry));
        self.dirty.extend(users.map(|(prefix, _)| *prefix));
    }

    /// Sets the segments of tenants, which the next world has; routes have no part in them.
    pub fn set_overlay(&mut self, overlay: Arc<Overlay>) {
        self.overlay = overlay;
        self.are_interfaces_changed = true;
    }

    /// Forgets a port and its neighbours; its next hops die at once. Routes through it stay,
    /// unused.
    pub fn remove_interface(&mut self, port: PortId) {
        self.next_hops.forget_port(port);
        if self.interfaces.get(port).is_some() {
            Arc::make_mut(&mut self.interfaces).remove(port);
            self.are_interfaces_changed = true;
            self.stale_ports.insert(port);
        }
    }

    /// Says that a neighbour (or the whole port, without an address) lives or not; data planes see
    /// it at once. Routes are not touched: the protocols withdraw what they must.
    pub fn set_alive(&mut self, port: PortId, address: Option<Ipv6Addr>, is_alive: bool) {
        let Some(address) = address else { return self.next_hops.set_port_alive(port, is_alive) };
        let key = RouteNextHop { port, address };
        let has_room = self.next_hops.set_neighbor_alive(key, is_alive);
        self.counters.neighbors_refused += u64::from(!has_room);
    }

    /// Says whether the BFD session of a port failed: new next hops there begin dead. The worker
    /// that runs the session has told data planes already.
    pub fn set_port_failed(&mut self, port: PortId, is_failed: bool) {
        self.next_hops.set_port_failed(port, is_failed);
    }

    /// Whether [`Self::compile`] may have something to say.
    pub fn is_dirty(&self) -> bool {
        self.is_urgent() || !self.backlog.is_empty()
    }

    /// Whether it has something to say that does not only follow from routes of BGP.
    pub fn is_urgent(&self) -> bool {
        !self.dirty.is_empty()
            || !self.stale_ports.is_empty()
            || self.are_interfaces_changed
            || self.next_hops.is_changed
            || self.exits.is_dirty()
            || self.backlog.is_hurried()
            || self.backlog.is_empty() && self.exits.are_any_ending()
    }

    /// Says that all worlds with an epoch below `oldest` are gone, so that numbers which only they
    /// knew can be used again.
    pub fn reclaimed(&mut self, oldest: u64) {
        if self.next_hops.reclaimed(oldest) > 0 {
            self.dirty.append(&mut self.starved);
        }
    }

    /// The number of the last world.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The flags that all worlds share.
    pub fn liveness(&self) -> Arc<Liveness> {
        Arc::clone(&self.next_hops.liveness)
    }

    /// All routes, by prefix, the preferred first.
    pub fn routes(&self) -> impl Iterator<Item = RibRoute<'_>> + '_ {
        self.entries.iter().flat_map(|(prefix, entry)| self.rows(*prefix, entry))
    }

    /// The routes of the longest prefix that contains `address` and is in the last world.
    pub fn lookup(&self, address: Ipv6Addr) -> impl Iterator<Item = RibRoute<'_>> + '_ {
        let found = covering(address, |bound| self.at_or_before(bound))
            .find(|(_, entry)| entry.installed.is_some());
        found.into_iter().flat_map(|(prefix, entry)| self.rows(prefix, entry))
    }

    fn rows<'rib>(
        &'rib self,
        prefix: Ipv6Prefix,
        entry: &'rib RibEntry,
    ) -> impl Iterator<Item = RibRoute<'rib>> + 'rib {
        let selected = entry.installed.map(|installed| installed.source);
        entry.candidates.as_slice().iter().map(move |candidate| RibRoute {
            prefix,
            source: candidate.source,
            body: &candidate.body,
            is_selected: selected == Some(candidate.source),
            way: self.way(candidate).map(|way| self.groups.content(&way).clone()),
        })
    }

    /// The entry at the last prefix that does not stand after `bound`.
    pub(super) fn at_or_before(&self, bound: Ipv6Prefix) -> Option<(Ipv6Prefix, &RibEntry)> {
        self.entries.range(..=bound).next_back().map(|(prefix, entry)| (*prefix, entry))
    }

    /// Where a candidate's packets go now.
    pub(super) fn way(&self, candidate: &Candidate) -> Option<Way> {
        if let RouteTarget::Exits(id) = candidate.body.target {
            return self.exits.has(id).then_some(Way::Exits(id));
        }
        way(&candidate.body, &self.interfaces, &self.gateways)
    }

    /// The winner of an entry, with its way.
    pub(super) fn winner<'rib>(&self, entry: &'rib RibEntry) -> Option<(&'rib Candidate, Way)> {
        select(entry.candidates.as_slice(), |candidate| self.way(candidate))
    }

    /// The routes of exactly this prefix, the preferred first.
    pub fn routes_of(&self, prefix: Ipv6Prefix) -> impl Iterator<Item = RibRoute<'_>> + '_ {
        let entry = self.entries.get(&prefix);
        entry.into_iter().flat_map(move |entry| self.rows(prefix, entry))
    }

    /// The prefixes behind this one, or all, in order.
    pub fn prefixes_after(
        &self,
        after: Option<Ipv6Prefix>,
    ) -> impl Iterator<Item = Ipv6Prefix> + '_ {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((start, Bound::Unbounded)).map(|(prefix, _)| *prefix)
    }

    /// Whether packets go to a neighbour; `None` where no route uses it.
    pub fn is_alive(&self, way: RouteNextHop) -> Option<bool> {
        self.next_hops.is_alive(way)
    }

    /// Whether one of these sources has a route within a prefix that can be used now.
    pub fn has_part(&self, whole: Ipv6Prefix, sources: &[RouteSource]) -> bool {
        let parts = self.entries.range(whole..).take_while(|(prefix, _)| whole.covers(**prefix));
        let mut candidates = parts.flat_map(|(_, entry)| entry.candidates.as_slice());
        candidates
            .any(|candidate| sources.contains(&candidate.source) && self.way(candidate).is_some())
    }

    /// Whether anybody announces exactly this prefix.
    pub fn has_route(&self, prefix: Ipv6Prefix) -> bool {
        self.entries.get(&prefix).is_some_and(|entry| !entry.candidates.as_slice().is_empty())
    }

    /// Announcements inside.
    pub fn route_count(&self) -> usize {
        self.route_count
    }

    /// Numbers in use: next hops (or kept back), groups.
    pub fn number_counts(&self) -> (usize, usize) {
        (self.next_hops.len(), self.groups.len())
    }

    /// What was done and refused.
    pub fn counters(&self) -> &RibCounters {
        &self.counters
    }
}

impl RibEntry {
    fn of(&self, source: RouteSource) -> Option<&Arc<RouteBody>> {
        let mut candidates = self.candidates.as_slice().iter();
        candidates.find(|candidate| candidate.source == source).map(|candidate| &candidate.body)
    }

    /// Puts a source's word, or its silence, in the place of what it said before; returns that.
    fn replace(
        &mut self,
        source: RouteSource,
        body: Option<Arc<RouteBody>>,
    ) -> Option<Arc<RouteBody>> {
        let before = self.candidates.remove(source);
        if let Some(body) = body {
            self.candidates.insert(Candidate { source, body });
        }
        before
    }
}

/// Whether a repair leads elsewhere than its route, by as many headers as there may be.
fn is_repair(target: &RouteTarget, repair: &Repair) -> bool {
    let RouteTarget::Via(ways) = target else { return false };
    match repair.segments.len() {
        0 => !ways.contains(&repair.via),
        count => count <= REPAIR_SEGMENTS_MAX,
    }
}

/// Whether a route of a whole table may wait for its slice: gateways are never resolved through
/// one that has exits, so that no other prefix depends on it.
const fn may_wait(body: &RouteBody) -> bool {
    matches!(body.target, RouteTarget::Exits(_))
}

/// Whether a prefix is so short that few are, and much depends on each: it waits for no slice.
const fn is_wide(prefix: Ipv6Prefix) -> bool {
    prefix.length() < 16
}

/// The gateways that a route needs.
pub(super) fn gateways_of(body: &RouteBody) -> &[Ipv6Addr] {
    match &body.target {
        RouteTarget::Recursive(addresses) => addresses,
        _ => &[],
    }
}
