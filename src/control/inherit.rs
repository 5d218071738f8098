//! From a control plane that failed to the next one: how forwarding goes on in between.
//!
//! A new control plane is told configuration and ports, so it has connected and static routes at
//! once. What OSPF had found it must learn again, and until it has, half a table would be worse
//! than the old one. So the old world comes along: its neighbours as stale ND entries, and those of
//! its routes that nothing else explains as candidates of [`RouteSource::Inherited`], which OSPF
//! does not replace one by one. They go all together when
//!
//! 1. OSPF has restarted gracefully, every neighbour that was Full is so again in the eyes of both
//!    ends, and routes have been calculated since, or
//! 2. the grace period is over ([`GRACE_MARGIN`]), whatever is missing then.
//!
//! A neighbour whose port loses carrier, that OSPF finds and loses again, or that says nothing for
//! a RouterDeadInterval is not waited for, and what leads through it is given up at once.
//!
//! OSPF restarts gracefully for the same grace period ([`crate::proto::ospf::restart`]), so that
//! neighbours go on as if nothing had happened. Where they do not, or something else happens
//! meanwhile, it is a restart as any other while the inheritance lasts: neighbours take the
//! router's links out of their routes for as long as it takes to be Full again.
//!
//! The segments of tenants need nobody to find them: the old overlay is that of the first world,
//! and the numbers of members go on, to which MACs and sequence numbers point.
//!
//! Owns [`Testament`] (what a control plane says while it lives), [`Legacy`] (what the driver makes
//! of it when it does not) and the end of the inheritance.
//!
//! *Invariants*: liveness flags and numbers belong to one RIB; nothing of the old world is written.
//! One grace period is not followed by another unless the inheritance was given up in between: a
//! control plane that fails again and again does not forward by an old world for ever.
//! *Standards*: RFC 3623 §2.2 (when a graceful restart ends) and §5 (unplanned outages), which RFC
//! 5187 §1 takes over for OSPFv3.
//!
//! Gap: RFC 6987 §2: a router that still forwards by its inheritance does not ask to be avoided, so
//! a change elsewhere in this time can make a loop until it ends.

use super::input::AttachedPort;
use super::plane::ControlPlane;
use super::report;
use super::stub::StubRouter;
use super::tenant::TenantNumbers;
use crate::base::ids::{GroupId, MacAddress};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate};
use crate::base::time::{Duration, Instant};
use crate::config::Config;
use crate::fib::{Adjacency, Forwarding, NextHopGroup, Overlay};
use crate::proto::nd;
use crate::proto::ospf::{self, NeighborState};
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a grace period has beyond the dead interval: neighbours that keep MinLSInterval (5 s, RFC
/// 2328 App. B) say late that they are adjacent again, and a calculation follows.
pub const GRACE_MARGIN: Duration = Duration::from_secs(10);

/// What a living control plane wants its successor to know, should it fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testament {
    /// Neighbours that are Full, or were so before a failure and are waited for.
    pub neighbors: BTreeSet<RouteNextHop>,
    /// When what was inherited is given up; `None` when nothing is.
    pub until: Option<Instant>,
    /// When BGP's restart ends at the latest (RFC 4724 §4.1); `None` when there is none.
    pub bgp_until: Option<Instant>,
    /// BGP neighbours that came by themselves and are there.
    #[serde(default)]
    pub bgp_dynamic: BTreeSet<Ipv6Addr>,
    /// Numbers of members of segments.
    #[serde(
        default,
        serialize_with = "TenantNumbers::serialize",
        deserialize_with = "TenantNumbers::deserialize"
    )]
    pub tenants: Arc<TenantNumbers>,
    /// Whether it had not yet asked to be passed through.
    pub is_starting: bool,
    /// Whether it was drained.
    pub is_drained: bool,
}

impl Testament {
    /// The control plane that said this failed at `now`: starts the grace period, unless one runs.
    pub fn begin_grace(&mut self, now: Instant, config: &Config) {
        self.until.get_or_insert(now + config.ospf.dead_interval + GRACE_MARGIN);
    }
}

/// All that is left of a control plane that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Legacy {
    /// The configuration that runs.
    pub config: Box<Config>,
    /// The ports that are open.
    pub ports: Vec<AttachedPort>,
    /// What it had said.
    pub testament: Testament,
    /// Living neighbours of the old world whose MAC it knew.
    pub macs: Vec<(RouteNextHop, MacAddress)>,
    /// Sets of living neighbours.
    pub ways: Vec<Vec<RouteNextHop>>,
    /// Prefixes that were forwarded, each with the place of its set in `ways`.
    pub routes: Vec<(Ipv6Prefix, u16)>,
    /// The segments of tenants as workers have them; not recorded.
    #[serde(skip)]
    pub overlay: KeptOverlay,
}

/// An overlay that goes on; two are not told apart.
#[derive(Clone, Debug, Default)]
pub struct KeptOverlay(pub Arc<Overlay>);

impl PartialEq for KeptOverlay {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Legacy {
    /// Collects it; `world` is what the workers read.
    pub fn new(
        config: Box<Config>,
        ports: Vec<AttachedPort>,
        testament: Testament,
        world: &Forwarding,
    ) -> Self {
        let mut legacy = Self {
            config,
            ports,
            testament,
            macs: Vec::new(),
            ways: Vec::new(),
            routes: Vec::new(),
            overlay: KeptOverlay(Arc::clone(&world.overlay)),
        };
        // Only what prefixes lead to: numbers that are free keep what they once stood for.
        let mut places: BTreeMap<GroupId, Option<u16>> = BTreeMap::new();
        for (prefix, group) in world.table.iter() {
            let place = *places.entry(group).or_insert_with(|| legacy.add_group(world, group));
            legacy.routes.extend(place.map(|place| (prefix, place)));
        }
        legacy.macs.sort_unstable();
        legacy.macs.dedup();
        legacy
    }

    /// The place of a group's living members in `ways`; none where nothing is forwarded.
    fn add_group(&mut self, world: &Forwarding, group: GroupId) -> Option<u16> {
        let NextHopGroup::Forward { members, .. } = world.group(group) else { return None };
        let living = members.iter().filter(|member| world.liveness.is_alive(**member));
        let mut ways = Vec::new();
        for next_hop in living.filter_map(|member| world.next_hop(*member)) {
            let way = RouteNextHop { port: next_hop.port, address: next_hop.address };
            ways.push(way);
            self.macs.extend(next_hop.adjacency.map(|adjacency| (way, mac_of(&adjacency))));
        }
        let place = u16::try_from(self.ways.len()).ok().filter(|_| !ways.is_empty())?;
        ways.sort_unstable();
        self.ways.push(ways);
        Some(place)
    }
}

/// The neighbour in the Ethernet header that leads to it.
fn mac_of(adjacency: &Adjacency) -> MacAddress {
    let [a, b, c, d, e, f, ..] = adjacency.rewrite;
    MacAddress([a, b, c, d, e, f])
}

/// What is not given up yet.
#[derive(Debug)]
pub(super) struct Inheritance {
    /// As in the legacy, but for the neighbours that were lost since.
    ways: Vec<Vec<RouteNextHop>>,
    routes: BTreeMap<Ipv6Prefix, u16>,
    awaited: BTreeSet<RouteNextHop>,
    /// Neighbours to be given up with the next review.
    lost: BTreeSet<RouteNextHop>,
    /// When neighbours that said nothing are dead; `None` once that is decided.
    silent_at: Option<Instant>,
    until: Instant,
    /// OSPF has said all, and what is left waits for BGP.
    is_for_bgp: bool,
}

impl Inheritance {
    /// When [`ControlPlane::review_inheritance`] has something to do at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let until = Some(self.until).filter(|_| !self.is_for_bgp);
        self.silent_at.into_iter().chain(until).min()
    }
}

impl ControlPlane {
    /// Goes on where another control plane failed.
    pub(super) fn inherit(&mut self, now: Instant, legacy: Legacy) {
        let Legacy { config, ports, testament, macs, ways, routes, overlay } = legacy;
        self.inherit_tenants(&testament.tenants, overlay.0);
        self.stub = StubRouter::inherited(testament.is_starting, testament.is_drained);
        if let Some(until) = testament.until.filter(|_| !testament.neighbors.is_empty()) {
            self.ospf.handle(now, ospf::Input::Restart { until });
        }
        self.bgp.note_restart(now, &config, testament.bgp_until);
        self.bgp.dynamic.expect(now, testament.bgp_dynamic);
        self.configure(now, *config);
        for port in ports {
            self.attach(now, port);
        }
        self.adopt_bfd();
        for (RouteNextHop { port, address }, mac) in macs {
            self.nd.handle(now, nd::Input::Remembered { port, address, mac });
        }
        // Neighbours bring their host routes, which then need not be inherited.
        self.deliver(now);
        let is_explained = |(prefix, _): &(Ipv6Prefix, u16)| self.rib.has_route(*prefix);
        let routes: BTreeMap<Ipv6Prefix, u16> =
            routes.into_iter().filter(|route| !is_explained(route)).collect();
        for (prefix, place) in &routes {
            self.say_inherited(now, *prefix, ways.get(usize::from(*place)));
        }
        self.inheritance = Some(Inheritance {
            ways,
            routes,
            awaited: testament.neighbors,
            lost: BTreeSet::new(),
            silent_at: Some(now + self.config.ospf.dead_interval),
            until: testament.until.unwrap_or(now),
            is_for_bgp: false,
        });
        self.review_aggregates(now);
        self.draw_testament();
    }

    fn say_inherited(
        &mut self,
        now: Instant,
        prefix: Ipv6Prefix,
        ways: Option<&Vec<RouteNextHop>>,
    ) {
        let target = ways.filter(|ways| !ways.is_empty()).cloned().map(RouteTarget::Via);
        let route = target.map(|target| RouteBody::new(0, target));
        self.apply_route(now, RouteUpdate { prefix, source: RouteSource::Inherited, route });
    }

    /// OSPF has lost a neighbour: nothing that was inherited leads through it any more.
    pub(super) fn disinherit(&mut self, way: RouteNextHop) {
        if let Some(inheritance) = &mut self.inheritance {
            inheritance.lost.insert(way);
        }
    }

    /// Gives up what was inherited when it is time; at the end of every input. A router that leaves
    /// forwards on as it does.
    pub(super) fn review_inheritance(&mut self, now: Instant) {
        let Some(mut inheritance) = self.inheritance.take_if(|_| !self.is_leaving) else { return };
        self.find_lost(now, &mut inheritance);
        for (place, ways) in (0_u16..).zip(&mut inheritance.ways) {
            let count = ways.len();
            ways.retain(|way| !inheritance.lost.contains(way));
            if ways.len() < count {
                let routes = inheritance.routes.iter().filter(|(_, at)| **at == place);
                routes.for_each(|(prefix, _)| self.say_inherited(now, *prefix, Some(ways)));
            }
        }
        inheritance.lost.clear();
        let mut missing = inheritance.awaited.clone();
        missing.retain(|way| !self.ospf.is_mutual(way.port));
        let is_complete =
            missing.is_empty() && self.ospf.is_calculated() && !self.ospf.is_restarting();
        let is_ospf_done = inheritance.is_for_bgp || is_complete || inheritance.until <= now;
        if is_ospf_done && self.bgp.is_restarting(now) {
            self.keep_for_bgp(now, inheritance);
        } else if is_ospf_done {
            for prefix in inheritance.routes.keys() {
                self.say_inherited(now, *prefix, None);
            }
            let count = inheritance.routes.len();
            if count > 0 {
                let event = report::inheritance_ended(now, count, &missing, &self.ports);
                self.event(event);
            }
        } else {
            self.inheritance = Some(inheritance);
        }
        self.draw_testament();
    }

    /// OSPF has said all. What nobody else says may be BGP's, whose neighbours have still to send
    /// it again (RFC 4724 §4.1). What leads out by a port without OSPF was BGP's, even where OSPF
    /// has it from another edge: packets sent there now would meet routers that send them here.
    fn keep_for_bgp(&mut self, now: Instant, mut inheritance: Inheritance) {
        if !core::mem::replace(&mut inheritance.is_for_bgp, true) {
            let Inheritance { ways, routes, .. } = &mut inheritance;
            let is_out =
                |way: &RouteNextHop| self.ports.get(&way.port).is_some_and(|port| !port.has_ospf);
            let is_said = |prefix: &Ipv6Prefix, place: &mut u16| {
                let ways = ways.get(usize::from(*place)).map_or(&[][..], Vec::as_slice);
                let leads_out = ways.iter().any(is_out);
                let mut others = self.rib.routes_of(*prefix).map(|route| route.source);
                others.any(|source| match source {
                    RouteSource::Inherited => false,
                    RouteSource::Ospf => !leads_out,
                    _ => true,
                })
            };
            let said: Vec<_> = routes.extract_if(.., is_said).collect();
            for (prefix, _) in said {
                self.say_inherited(now, prefix, None);
            }
        }
        self.inheritance = Some(inheritance);
    }

    /// BGP has a route of its own again, so what was inherited for its prefix is given up, unless
    /// OSPF has still to say how next hops are reached.
    pub(super) fn take_over(&mut self, now: Instant, prefix: Ipv6Prefix) {
        let inheritance = self.inheritance.as_mut().filter(|inheritance| inheritance.is_for_bgp);
        if inheritance.is_some_and(|inheritance| inheritance.routes.remove(&prefix).is_some()) {
            self.say_inherited(now, prefix, None);
        }
    }

    /// Moves neighbours that will not come back from those awaited to those lost.
    fn find_lost(&mut self, now: Instant, inheritance: &mut Inheritance) {
        let Inheritance { awaited, lost, silent_at, .. } = inheritance;
        awaited.retain(|way| !lost.contains(way));
        let has_carrier = |way: &RouteNextHop| self.ports.get(&way.port).is_some_and(|p| p.is_up);
        lost.extend(awaited.extract_if(.., |way| !has_carrier(way)));
        if silent_at.take_if(|silent_at| *silent_at <= now).is_some() {
            // RFC 2328 §9.5: nothing was heard for RouterDeadInterval.
            let neighbors = &self.ospf_neighbors;
            let is_silent = |way: &RouteNextHop| !neighbors.contains_key(&(way.port, way.address));
            for way in awaited.extract_if(.., is_silent).collect::<Vec<_>>() {
                self.mark_dead(way.port, way.address);
                lost.insert(way);
            }
        }
    }

    /// Brings the testament up to date.
    pub(super) fn draw_testament(&mut self) {
        let is_full = |(_, state): &(_, NeighborState)| *state == NeighborState::Full;
        let full = self.ospf_neighbors.iter().filter(|(_, neighbor)| is_full(neighbor));
        let full = full.map(|((port, address), _)| RouteNextHop { port: *port, address: *address });
        let awaited = self.inheritance.iter().flat_map(|inheritance| inheritance.awaited.clone());
        self.testament = Testament {
            neighbors: full.chain(awaited).collect(),
            until: self
                .inheritance
                .as_ref()
                .filter(|inheritance| !inheritance.is_for_bgp)
                .map(|inheritance| inheritance.until),
            bgp_until: self.bgp.restarts_until(),
            bgp_dynamic: self.dynamic_there(),
            tenants: self.tenants.testament(),
            ..Testament::default()
        };
    }
}
