//! BGP neighbours over the link-local addresses of a port: who they are, and what the host and the
//! workers need for them.
//!
//! Owns [`LinkNeighbors`]. A `[[bgp.neighbor]]` without an address is the other router on the link
//! of its port: whoever is heard there first, by a router advertisement or because it connects.
//! Another one is counted and said once, and takes the place only when the first is lost: its
//! session is not up and nothing was heard of it for [`LOST_AFTER`], or the carrier went. So the
//! router advertises itself there, too, without offering to be a host's default router.
//!
//! The kernel has TCP, and knows a link-local address by an interface: for each such port the host
//! keeps a device with the port's address ([`HostLink`]). Its numbers are the host's: in here the
//! scope of an address is the number of its port ([`scope_of`]).
//!
//! *Invariants*: at most one neighbour is found on a port. What is found is forgotten with the port
//! or with the block.
//! *Standards*: RFC 4861 §4.2 and §6.2.1 (a router lifetime of zero), RFC 4007 §11 (zones).
//! Deviation: RFC 4861 §6.2.5 has a router say a lifetime of zero when it ceases to be one; routers
//! that are no default routers say nothing else, so that it is no end here.

use super::action::Action;
use super::bgp_settings::Neighbor;
use super::plane::ControlPlane;
use super::port::{PortState, interface_id};
use super::report;
use crate::base::ids::{MacAddress, PortId};
use crate::base::route::PortRole;
use crate::base::time::{Duration, Instant};
use crate::fib::Adjacency;
use crate::proto::bgp::State;
use crate::proto::nd::RaSettings;
use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::BTreeMap;

/// How long nothing may be heard of a neighbour without a session until another one may take its
/// place: three of the intervals at which routers that look for each other advertise themselves.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// A port on which the host speaks over link-local addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLink {
    /// Which.
    pub port: PortId,
    /// What it is called.
    pub name: String,
    /// The router's address on it.
    pub address: Ipv6Addr,
    /// Largest packet that it carries, in octets.
    pub mtu: u16,
}

/// The scope of a link-local address: its zone index within this router.
pub const fn scope_of(port: PortId) -> u32 {
    interface_id(port)
}

/// Between two words about other routers on a port, however many there are.
const STRANGER_INTERVAL: Duration = Duration::from_secs(60);

/// A neighbour that was found.
#[derive(Clone, Copy, Debug)]
struct Found {
    address: Ipv6Addr,
    /// When it was heard last; `None` since the carrier went.
    heard_at: Option<Instant>,
    /// When another router was told of last.
    stranger_told_at: Option<Instant>,
}

/// What is known of link-local neighbours; one exists, in the control plane.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkNeighbors {
    found: BTreeMap<PortId, Found>,
    /// MACs of link-local neighbours, as ND says; as many as it has entries.
    macs: BTreeMap<(PortId, Ipv6Addr), MacAddress>,
    /// What the host was told last.
    told: Vec<HostLink>,
}

impl LinkNeighbors {
    /// Who was found on a port.
    pub(super) fn found_on(&self, port: PortId) -> Option<Ipv6Addr> {
        self.found.get(&port).map(|found| found.address)
    }

    /// Whoever is found next on a port takes the place at once.
    pub(super) fn lose(&mut self, port: PortId) {
        if let Some(found) = self.found.get_mut(&port) {
            found.heard_at = None;
        }
    }

    fn is_silent(&self, now: Instant, port: PortId) -> bool {
        let heard_at = self.found.get(&port).and_then(|found| found.heard_at);
        heard_at.is_none_or(|at| at + LOST_AFTER <= now)
    }
}

impl ControlPlane {
    /// Tells the host on which ports it speaks over link-local addresses, where that is news, and
    /// forgets who was found on others.
    pub(super) fn review_links(&mut self) {
        let links: Vec<HostLink> =
            self.ports.values().filter_map(|it| self.host_link(it)).collect();
        let wanting = self.ports.values().filter(|state| self.wants_neighbor(state));
        let wanting: Vec<PortId> = wanting.map(PortState::id).collect();
        self.bgp.links.found.retain(|port, _| wanting.contains(port));
        let ports = &self.ports;
        self.bgp.links.macs.retain(|(port, _), _| ports.contains_key(port));
        if links != self.bgp.links.told {
            self.bgp.links.told.clone_from(&links);
            self.actions.push_back(Action::HostLinks(links));
        }
    }

    fn host_link(&self, state: &PortState) -> Option<HostLink> {
        let bgp = self.config.bgp.as_ref().filter(|_| is_edge(state))?;
        let name = &state.attached.settings.name;
        let address = state.link_local();
        let is_wanted = bgp.speaks_on_link(name) && !state.refused.contains(&address);
        is_wanted.then(|| HostLink {
            port: state.id(),
            name: name.clone(),
            address,
            mtu: state.mtu(),
        })
    }

    /// Whether a neighbour shall be found on a port.
    fn wants_neighbor(&self, state: &PortState) -> bool {
        let name = state.attached.settings.name.as_str();
        let mut blocks = self.config.bgp.iter().flat_map(|bgp| &bgp.neighbors);
        is_edge(state)
            && blocks.any(|block| block.address.is_none() && block.port.as_deref() == Some(name))
    }

    /// What a port says of this router so that a neighbour finds it, where one shall.
    pub(super) fn link_advertisement(&self, state: &PortState) -> Option<RaSettings> {
        self.wants_neighbor(state).then(RaSettings::of_neighbor)
    }

    /// The neighbours on a port with which the host speaks over link-local addresses, as far as
    /// their MACs are known.
    // Gap: RFC 4861 §7.3.3: what the host sends them does not have them probed. What they say
    // themselves, solicitations and advertisements, keeps their MACs right.
    pub(super) fn link_peers(&self, state: &PortState) -> Vec<(Ipv6Addr, Adjacency)> {
        let port = state.id();
        let peers = self.bgp.on_link(port, None).map(|(_, active)| *active.settings.remote.ip());
        let known = peers.filter_map(|address| {
            let mac = self.bgp.links.macs.get(&(port, address))?;
            Some((address, Adjacency::ipv6(*mac, state.attached.mac)))
        });
        known.collect()
    }

    /// ND knows a neighbour's MAC, or no more.
    pub(super) fn set_link_mac(
        &mut self,
        port: PortId,
        address: Ipv6Addr,
        mac: Option<MacAddress>,
    ) {
        if !address.is_unicast_link_local() || self.ports.get(&port).is_none_or(|it| !is_edge(it)) {
            return;
        }
        let key = (port, address);
        let before = match mac {
            Some(mac) => self.bgp.links.macs.insert(key, mac),
            None => self.bgp.links.macs.remove(&key),
        };
        if before != mac {
            self.tell_rib(port);
        }
    }

    /// A router is on the link of a port: it advertises itself, or it connects.
    pub(super) fn router_heard(&mut self, now: Instant, port: PortId, address: Ipv6Addr) {
        let Some(state) = self.ports.get(&port).filter(|state| self.wants_neighbor(state)) else {
            return;
        };
        if !address.is_unicast_link_local() || address == state.link_local() {
            return;
        }
        let before = self.bgp.links.found_on(port);
        if before == Some(address) {
            if let Some(found) = self.bgp.links.found.get_mut(&port) {
                found.heard_at = Some(now);
            }
            return;
        }
        let is_lost = self.bgp.links.is_silent(now, port) && !self.is_link_peer_established(port);
        if before.is_some() && !is_lost {
            return self.refuse_stranger(now, port, address);
        }
        let found = Found { address, heard_at: Some(now), stranger_told_at: None };
        self.bgp.links.found.insert(port, found);
        let event = report::bgp_found(now, (port, address), before, &self.ports);
        self.event(event);
        self.review_bgp(now);
        self.tell_rib(port);
    }

    /// An end of a connection, a link-local one with the name of its port.
    pub(super) fn end_in_words(&self, end: SocketAddrV6) -> String {
        let mut ports = self.ports.values();
        let is_there = |state: &&PortState| scope_of(state.id()) == end.scope_id();
        match ports.find(is_there).map(|state| &state.attached.settings.name) {
            Some(name) => format!("[{}%{name}]:{}", end.ip(), end.port()),
            None => end.to_string(),
        }
    }

    /// A second router on a link that is meant for two.
    fn refuse_stranger(&mut self, now: Instant, port: PortId, address: Ipv6Addr) {
        self.counters.bgp_strangers += 1;
        let Some(found) = self.bgp.links.found.get_mut(&port) else { return };
        let kept = found.address;
        if found.stranger_told_at.is_none_or(|at| now - at >= STRANGER_INTERVAL) {
            found.stranger_told_at = Some(now);
            let event = report::bgp_stranger(now, (port, address), kept, &self.ports);
            self.event(event);
        }
    }

    /// A connection of which nothing came keeps no place.
    fn is_link_peer_established(&self, port: PortId) -> bool {
        let is_there = |neighbor: &&Neighbor| {
            let active = neighbor.state.as_ref().ok();
            neighbor.id.address.is_none()
                && active.is_some_and(|active| active.settings.port == Some(port))
        };
        let neighbor = self.bgp.neighbors().iter().find(is_there);
        let peer = neighbor.and_then(|neighbor| self.bgp.number(&neighbor.id));
        let session = self.bgp.speaker().zip(peer).and_then(|(it, peer)| it.session(peer));
        session.is_some_and(|session| session.state() == State::Established)
    }
}

/// Whether BGP may run over the link-local addresses of a port.
fn is_edge(state: &PortState) -> bool {
    matches!(state.role(), PortRole::Uplink | PortRole::Routed)
}
