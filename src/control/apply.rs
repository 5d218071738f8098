//! A configuration becomes inputs of the machines.
//!
//! Owns what follows from `[cluster]`, `[ospf]`, `[[route]]` and `[[neighbor]]`; ports arrive one
//! by one as the driver opens them (`port.rs`). Applying the same configuration again changes
//! nothing.
//!
//! *Invariants*: a port that comes or goes costs what names it, however many static routes there
//! are beside.

use super::plane::{ControlPlane, Identity};
use super::report;
use crate::base::ids::{MacAddress, PortId};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate};
use crate::base::time::{Duration, Instant};
use crate::config::{Config, StaticRouteTarget};
use crate::proto::nd;
use crate::proto::ospf::{self, Settings, SpfDelays};
use crate::rib::RibError;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// RFC 8405 §3: no values are given; those of its example in §6 that a cable needs.
const TIME_TO_LEARN: Duration = Duration::from_millis(500);
/// RFC 8405 §3: longer than the longest delay, or the back-off would never hold.
const HOLDDOWN: Duration = Duration::from_secs(2);

/// Static routes and neighbours as last applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StaticState {
    routes: BTreeMap<Ipv6Prefix, RouteTarget>,
    neighbors: BTreeMap<(PortId, Ipv6Addr), MacAddress>,
}

impl ControlPlane {
    /// Runs `config` from now on.
    pub(super) fn configure(&mut self, now: Instant, config: Config) {
        self.identity = Identity::of(&config);
        let is_static_same =
            self.config.routes == config.routes && self.config.neighbors == config.neighbors;
        self.config = config;
        self.tenants.note_change();
        self.take_policies(now);
        self.review_rpki(now);
        if let Some(router_id) = self.identity.router_id {
            let ospf = &self.config.ospf;
            self.ospf.handle(
                now,
                ospf::Input::Settings(Settings {
                    router_id,
                    spf_delays: SpfDelays {
                        initial: ospf.spf_delay_initial,
                        short: ospf.spf_delay_short,
                        long: ospf.spf_delay_long,
                        time_to_learn: TIME_TO_LEARN,
                        holddown: HOLDDOWN.max(ospf.spf_delay_long * 2),
                    },
                    order_step: ospf.order_step,
                    helps_restarts: ospf.graceful_restart_helper,
                    endpoint: self.identity.repair_endpoint(),
                }),
            );
        }
        self.number_links();
        self.tell_all(now);
        self.review_bmp(now);
        if !is_static_same {
            self.apply_static(now);
        }
    }

    /// All static routes and neighbours, as far as their ports are here.
    fn apply_static(&mut self, now: Instant) {
        let mut routes = BTreeMap::new();
        for route in &self.config.routes {
            let Some(target) = self.static_target(&route.target) else { continue };
            routes.extend(route.prefixes.iter().map(|prefix| (*prefix, target.clone())));
        }
        let before = core::mem::take(&mut self.statics.routes);
        self.replace_routes(now, RouteSource::Static, &before, &routes);
        self.statics.routes = routes;
        self.apply_static_neighbors(now);
    }

    /// Static routes and neighbours of ports that got or lost one of these names.
    pub(super) fn apply_static_of(&mut self, now: Instant, names: &[String]) {
        // Out of the way while the RIB is told; what follows does not look at them.
        let routes = core::mem::take(&mut self.config.routes);
        for route in &routes {
            let StaticRouteTarget::Via { port: Some(port), .. } = &route.target else { continue };
            if names.contains(port) {
                let target = self.static_target(&route.target);
                self.retarget(now, &route.prefixes, target.as_ref());
            }
        }
        self.config.routes = routes;
        if self.config.neighbors.iter().any(|neighbor| names.contains(&neighbor.port)) {
            self.apply_static_neighbors(now);
        }
    }

    /// Gives static routes another target, or none.
    fn retarget(&mut self, now: Instant, prefixes: &[Ipv6Prefix], target: Option<&RouteTarget>) {
        for prefix in prefixes {
            let before = match target {
                Some(target) => self.statics.routes.insert(*prefix, target.clone()),
                None => self.statics.routes.remove(prefix),
            };
            if before.as_ref() != target {
                let route = target.map(|target| RouteBody::new(0, target.clone()));
                let source = RouteSource::Static;
                self.apply_route(now, RouteUpdate { prefix: *prefix, source, route });
            }
        }
    }

    fn apply_static_neighbors(&mut self, now: Instant) {
        let neighbors = self.static_neighbors();
        let before = core::mem::replace(&mut self.statics.neighbors, neighbors.clone());
        for (port, address) in before.keys().filter(|key| !neighbors.contains_key(key)) {
            let (port, address) = (*port, *address);
            self.nd.handle(now, nd::Input::StaticRemoved { port, address });
        }
        for ((port, address), mac) in neighbors {
            if before.get(&(port, address)) != Some(&mac) {
                self.nd.handle(now, nd::Input::StaticEntry { port, address, mac });
            }
        }
    }

    /// `None` where the port is not on this server: the block is inactive.
    fn static_target(&self, target: &StaticRouteTarget) -> Option<RouteTarget> {
        Some(match target {
            StaticRouteTarget::Via { address, port: None } => {
                RouteTarget::Recursive(vec![*address])
            }
            StaticRouteTarget::Via { address, port: Some(name) } => {
                let port = self.port_named(name)?;
                RouteTarget::Via(vec![RouteNextHop { port, address: *address }])
            }
            StaticRouteTarget::Blackhole => RouteTarget::Blackhole,
            StaticRouteTarget::Unreachable => RouteTarget::Unreachable,
        })
    }

    fn static_neighbors(&self) -> BTreeMap<(PortId, Ipv6Addr), MacAddress> {
        let known = self.config.neighbors.iter().filter_map(|neighbor| {
            Some(((self.port_named(&neighbor.port)?, neighbor.address), neighbor.mac))
        });
        known.collect()
    }

    pub(super) fn port_named(&self, name: &str) -> Option<PortId> {
        let found = self.ports.iter().find(|(_, state)| state.attached.settings.name == name);
        found.map(|(port, _)| *port)
    }

    /// Gives a route to the RIB; what it refuses is counted and said once.
    pub(super) fn apply_route(&mut self, now: Instant, update: RouteUpdate) {
        if let Err(error) = self.rib.apply(update) {
            self.note_refusal(now, &error);
        }
    }

    /// The table has refused a route: said once, counted always.
    pub(super) fn note_refusal(&mut self, now: Instant, error: &RibError) {
        if self.counters.routes_refused == 0 {
            self.event(report::table_full(now, error));
        }
        self.counters.routes_refused += 1;
    }
}
