//! The router's own routes: its addresses, the prefixes on its links, and who is told of them.
//!
//! Owns [`Connected`], the last word on each of four things, so that only differences go out: the
//! connected routes in the RIB, the prefixes OSPF advertises, what the host's kernel has on its
//! TUN, and the neighbours' host routes.
//!
//! Adjacency addresses are for the tunnels of repairs: the prefix of all of them is advertised
//! while the router has a cluster, and leads nowhere but where a neighbour is Full.

use super::action::Action;
use super::plane::ControlPlane;
use super::port::interface_id;
use crate::base::ids::PortId;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{
    PortRole, RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate,
};
use crate::base::time::Instant;
use crate::config::addressing;
use crate::proto::ospf::{self, AdvertisedPrefix, NeighborState};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// What was last said.
#[derive(Clone, Debug, Default)]
pub(super) struct Connected {
    routes: BTreeMap<Ipv6Prefix, RouteTarget>,
    advertised: Vec<AdvertisedPrefix>,
    host: Option<(Vec<Ipv6Addr>, Vec<Ipv6Prefix>)>,
    /// Neighbours with a host route, and the port it leads to.
    neighbors: BTreeMap<Ipv6Addr, PortId>,
}

impl ControlPlane {
    /// Brings RIB, OSPF and host up to date with ports and configuration.
    pub(super) fn connect(&mut self, now: Instant) {
        self.rib.set_repair_addresses(self.identity.repair_addresses());
        let routes = self.connected_routes();
        let before = core::mem::replace(&mut self.connected.routes, routes.clone());
        self.replace_routes(now, RouteSource::Connected, &before, &routes);
        let advertised = self.advertised_prefixes();
        if advertised != self.connected.advertised {
            self.connected.advertised.clone_from(&advertised);
            self.ospf.handle(now, ospf::Input::Prefixes(advertised));
        }
        let host = self.host_addresses();
        if self.connected.host.as_ref() != Some(&host) {
            self.connected.host = Some(host.clone());
            let (addresses, prefixes) = host;
            self.actions.push_back(Action::HostAddresses { addresses, prefixes });
        }
        self.review_links();
        self.review_bgp(now);
    }

    /// Says the difference between two states of one source to the RIB.
    pub(super) fn replace_routes(
        &mut self,
        now: Instant,
        source: RouteSource,
        before: &BTreeMap<Ipv6Prefix, RouteTarget>,
        after: &BTreeMap<Ipv6Prefix, RouteTarget>,
    ) {
        let gone = before.keys().filter(|prefix| !after.contains_key(prefix));
        for prefix in gone {
            self.apply_route(now, RouteUpdate { prefix: *prefix, source, route: None });
        }
        let news = after.iter().filter(|(prefix, target)| before.get(prefix) != Some(*target));
        for (prefix, target) in news {
            let route = Some(RouteBody::new(0, target.clone()));
            self.apply_route(now, RouteUpdate { prefix: *prefix, source, route });
        }
    }

    /// A host route for a resolved neighbour on a link, or its end. Link-local neighbours have
    /// none: their address says nothing without the port.
    pub(super) fn neighbor_route(
        &mut self,
        now: Instant,
        port: PortId,
        address: Ipv6Addr,
        is_resolved: bool,
    ) {
        let is_on_link = self.ports.get(&port).is_some_and(|state| state.is_on_link(address));
        let route = if is_resolved && is_on_link {
            self.connected.neighbors.insert(address, port);
            let target = RouteTarget::Via(vec![RouteNextHop { port, address }]);
            Some(RouteBody::new(0, target))
        } else if self.connected.neighbors.get(&address) == Some(&port) {
            self.connected.neighbors.remove(&address);
            None
        } else {
            return;
        };
        let prefix = Ipv6Prefix::host(address);
        self.apply_route(now, RouteUpdate { prefix, source: RouteSource::Neighbor, route });
    }

    fn connected_routes(&self) -> BTreeMap<Ipv6Prefix, RouteTarget> {
        let mut routes = BTreeMap::new();
        for (port, state) in &self.ports {
            for (prefix, _) in state.links.iter().filter(|(prefix, _)| prefix.length() < 128) {
                routes.entry(*prefix).or_insert(RouteTarget::OnLink(*port));
            }
        }
        for address in self.own_addresses() {
            routes.insert(Ipv6Prefix::host(address), RouteTarget::Local);
        }
        routes.extend(self.identity.adjacencies.map(|all| (all, RouteTarget::Unreachable)));
        for (way, address) in self.adjacencies() {
            routes.insert(Ipv6Prefix::host(address), RouteTarget::Cross(way));
        }
        routes
    }

    /// The neighbours on fabric ports that are Full, each with the adjacency address of its port.
    fn adjacencies(&self) -> impl Iterator<Item = (RouteNextHop, Ipv6Addr)> + '_ {
        let is_full = |neighbor: &NeighborState| *neighbor == NeighborState::Full;
        self.ospf_neighbors.iter().filter(move |(_, (_, state))| is_full(state)).filter_map(
            |((port, address), _)| {
                let all = self.identity.adjacencies?;
                let own = addressing::adjacency_address(all, interface_id(*port))?;
                Some((RouteNextHop { port: *port, address: *address }, own))
            },
        )
    }

    /// Own addresses beyond one link, the loopback first.
    pub(super) fn own_addresses(&self) -> Vec<Ipv6Addr> {
        let mut addresses: Vec<Ipv6Addr> = self.identity.loopback.into_iter().collect();
        for state in self.ports.values() {
            let usable = state.links.iter().map(|(_, address)| *address);
            addresses.extend(usable.filter(|address| !state.refused.contains(address)));
        }
        addresses
    }

    /// The loopback, the adjacencies, and the prefixes of LAN ports that have carrier.
    fn advertised_prefixes(&self) -> Vec<AdvertisedPrefix> {
        let mut prefixes: BTreeSet<AdvertisedPrefix> = BTreeSet::new();
        prefixes.extend(self.identity.loopback.map(|address| AdvertisedPrefix {
            prefix: Ipv6Prefix::host(address),
            metric: 0,
            is_local_address: true,
        }));
        prefixes.extend(self.identity.adjacencies.map(|prefix| AdvertisedPrefix {
            prefix,
            metric: 0,
            is_local_address: false,
        }));
        let lan = self.ports.values().filter(|p| p.role() == PortRole::Lan && p.is_up);
        for state in lan {
            let metric = state.attached.settings.cost.unwrap_or(self.config.ospf.cost);
            prefixes.extend(state.links.iter().map(|(prefix, _)| AdvertisedPrefix {
                prefix: *prefix,
                metric,
                is_local_address: false,
            }));
        }
        prefixes.into_iter().collect()
    }

    /// The kernel answers for the router's addresses and reaches the cluster and the router's links
    /// through the TUN.
    fn host_addresses(&self) -> (Vec<Ipv6Addr>, Vec<Ipv6Prefix>) {
        let links = self.ports.values().flat_map(|state| &state.links);
        let mut prefixes: BTreeSet<Ipv6Prefix> = links.map(|(prefix, _)| *prefix).collect();
        prefixes.extend(&self.identity.cluster);
        prefixes.retain(|prefix| prefix.length() < 128);
        (self.own_addresses(), prefixes.into_iter().collect())
    }
}
