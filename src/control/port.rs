//! What a port is to each machine: its life from attachment to detachment.
//!
//! Owns [`PortState`] and the translation of one port into the interface of OSPF, of ND and of the
//! forwarding state. Devices are opened and closed by the driver.
//!
//! *Invariants*: OSPF runs on a port exactly when it is a fabric port, the router has a router-id
//! and nobody else has its link-local address; ND runs on it exactly while it has carrier and
//! is not a tenant's.

use super::input::AttachedPort;
use super::plane::ControlPlane;
use super::report;
use crate::base::ids::PortId;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::PortRole;
use crate::base::time::{Duration, Instant};
use crate::fib::Interface;
use crate::fib::repair::REPAIR_OCTETS_MAX;
use crate::proto::nd::{self, NdInterface, RaSettings};
use crate::proto::ospf::{self, BACKBONE, InterfaceConfig, InterfaceKind};
use core::net::Ipv6Addr;
use std::collections::BTreeSet;

/// InfTransDelay of a cable inside a data centre: the least the RFC has (RFC 2328 App. C.3).
const TRANSMIT_DELAY: Duration = Duration::from_secs(1);

/// The number of a port in OSPF, and of its adjacency address.
pub(super) const fn interface_id(port: PortId) -> u32 {
    port.0 as u32 + 1
}

/// A port that is open.
#[derive(Clone, Debug)]
pub(super) struct PortState {
    pub attached: AttachedPort,
    /// Carrier.
    pub is_up: bool,
    /// Own addresses that somebody else has as well (RFC 4862 §5.4.5): not used here until carrier
    /// goes and comes.
    pub refused: BTreeSet<Ipv6Addr>,
    /// On-link prefixes with the router's own address in each.
    pub links: Vec<(Ipv6Prefix, Ipv6Addr)>,
    /// Whether OSPF was told about it.
    pub has_ospf: bool,
}

impl PortState {
    pub(super) fn id(&self) -> PortId {
        self.attached.port
    }

    pub(super) fn role(&self) -> PortRole {
        self.attached.settings.role
    }

    pub(super) fn mtu(&self) -> u16 {
        self.attached.settings.mtu.min(self.attached.mtu_max)
    }

    /// The largest repaired packet: what the announced MTU and the headers make, as far as the
    /// device carries it.
    // Gap: what the neighbour's device carries is not known; RFC 2473 §7.1 has no answer for links
    // whose ends differ. In a cluster they are alike.
    pub(super) fn repair_mtu(&self) -> u16 {
        self.mtu().saturating_add(REPAIR_OCTETS_MAX).min(self.attached.mtu_max)
    }

    pub(super) fn link_local(&self) -> Ipv6Addr {
        self.attached.mac.link_local()
    }

    /// Own addresses, link-local first, without those that were refused.
    pub(super) fn addresses(&self) -> Vec<Ipv6Addr> {
        let own = self.links.iter().map(|(_, address)| *address);
        let all = core::iter::once(self.link_local()).chain(own);
        all.filter(|address| !self.refused.contains(address)).collect()
    }

    /// Whether a neighbour with this address may be on the link.
    pub(super) fn is_on_link(&self, address: Ipv6Addr) -> bool {
        self.links.iter().any(|(prefix, _)| prefix.contains(address))
    }
}

impl ControlPlane {
    /// A port was opened or its settings changed.
    pub(super) fn attach(&mut self, now: Instant, attached: AttachedPort) {
        let port = attached.port;
        let before = self.ports.remove(&port);
        let new_name = attached.settings.name.clone();
        let old_name = before.as_ref().map(|old| old.attached.settings.name.clone());
        let (is_same_mac, has_ospf, refused) = match before {
            Some(old) => (old.attached.mac == attached.mac, old.has_ospf, old.refused),
            None => (true, false, BTreeSet::new()),
        };
        let state = PortState {
            is_up: attached.is_up,
            refused: if is_same_mac { refused } else { BTreeSet::new() },
            links: Vec::new(),
            has_ospf,
            attached,
        };
        self.ports.insert(port, state);
        self.tenants.note_change();
        self.number_links();
        self.tell_all(now);
        if old_name.as_ref() != Some(&new_name) {
            let names: Vec<String> = old_name.into_iter().chain([new_name]).collect();
            self.apply_static_of(now, &names);
        }
    }

    /// A port was closed.
    pub(super) fn detach(&mut self, now: Instant, port: PortId) {
        let Some(state) = self.ports.get(&port) else { return };
        let name = state.attached.settings.name.clone();
        if state.has_ospf {
            self.ospf.handle(now, ospf::Input::InterfaceRemoved { port });
        }
        self.nd.handle(now, nd::Input::InterfaceDown { port });
        // The farewell needs the port.
        self.deliver(now);
        self.end_bfd(port);
        self.bfd.forget(port);
        self.ports.remove(&port);
        self.tenants.note_change();
        self.review_links();
        self.number_links();
        self.apply_static_of(now, &[name]);
        self.deliver(now);
        self.rib.remove_interface(port);
        self.tell_all(now);
    }

    /// Carrier came or went. The forwarding state hears of it first: it must not wait for SPF.
    pub(super) fn carrier(&mut self, now: Instant, port: PortId, is_up: bool) {
        let Some(state) = self.ports.get_mut(&port) else { return };
        if state.is_up == is_up {
            return;
        }
        state.is_up = is_up;
        if !is_up {
            self.bgp.links.lose(port);
        }
        // RFC 4862 §5.4.5 leaves the end of a conflict open: a cable that was pulled may be the end
        // of it, and the probes at carrier-up find out.
        let was_refused = !is_up && !core::mem::take(&mut state.refused).is_empty();
        let event = report::carrier(now, state);
        self.tenants.note_change();
        self.tell_rib(port);
        self.event(event);
        self.ospf.handle(now, ospf::Input::Carrier { port, is_up });
        self.tell_bfd(now);
        if was_refused {
            self.tell_ospf(now, port);
        }
        self.tell_nd(now, port);
        self.bgp_carrier(now, port, is_up);
        self.connect(now);
    }

    /// Somebody else has this address.
    pub(super) fn refuse_address(&mut self, now: Instant, port: PortId, address: Ipv6Addr) {
        let Some(state) = self.ports.get_mut(&port) else { return };
        if state.refused.insert(address) {
            self.counters.addresses_refused += 1;
            self.tell_all(now);
        }
    }

    /// Which prefixes are on which port. The LAN port whose block stands first in the configuration
    /// has the server's own /64s; further ones have what their `address` says. Port numbers say
    /// nothing here: they rise whenever a device is opened again.
    pub(super) fn number_links(&mut self) {
        let first = self.first_lan();
        for (port, state) in &mut self.ports {
            let settings = &state.attached.settings;
            let explicit = settings
                .address
                .map(|(address, length)| (Ipv6Prefix::containing(address, length), address));
            let automatic = match first == Some(*port) {
                true => self.identity.lan.clone(),
                false => Vec::new(),
            };
            let is_new = |(prefix, _): &(Ipv6Prefix, Ipv6Addr)| {
                explicit.is_none_or(|(other, _)| other != *prefix)
            };
            state.links = automatic.into_iter().filter(is_new).chain(explicit).collect();
        }
    }

    /// The LAN port whose block comes first; of several that one block took, the first by name.
    fn first_lan(&self) -> Option<PortId> {
        let place = |state: &PortState| {
            let settings = &state.attached.settings;
            let mut blocks = self.config.ports.iter();
            // A port keeps the device of its block, also where the block took several.
            let block = blocks.position(|block| block.device == settings.device);
            (block.unwrap_or(usize::MAX), settings.name.clone())
        };
        let lan = self.ports.values().filter(|state| state.role() == PortRole::Lan);
        lan.min_by_key(|state| place(state)).map(PortState::id)
    }

    /// Tells every machine about every port; what did not change does nothing there.
    pub(super) fn tell_all(&mut self, now: Instant) {
        let ports: Vec<PortId> = self.ports.keys().copied().collect();
        for port in ports {
            self.tell_rib(port);
            self.tell_ospf(now, port);
            self.tell_nd(now, port);
        }
        self.tell_bfd(now);
        self.connect(now);
    }

    pub(super) fn tell_rib(&mut self, port: PortId) {
        let Some(state) = self.ports.get(&port) else { return };
        let own = state.links.iter().map(|(_, address)| *address);
        let icmp_source = own.chain(self.identity.loopback).next();
        self.rib.set_interface(Interface {
            port,
            role: state.role(),
            mac: state.attached.mac,
            vlan: state.attached.settings.vlan,
            mtu: state.mtu(),
            repair_mtu: state.repair_mtu(),
            link_local: state.link_local(),
            icmp_source: icmp_source.unwrap_or_else(|| state.link_local()),
            is_up: state.is_up,
            link_peers: self.link_peers(state),
        });
    }

    fn tell_ospf(&mut self, now: Instant, port: PortId) {
        let Some(state) = self.ports.get_mut(&port) else { return };
        let wants = state.role() == PortRole::Fabric
            && self.identity.router_id.is_some()
            && !state.refused.contains(&state.link_local());
        let had = core::mem::replace(&mut state.has_ospf, wants);
        let interface = Box::new(InterfaceConfig {
            name: state.attached.settings.name.clone(),
            kind: InterfaceKind::PointToPoint,
            interface_id: interface_id(port),
            area: BACKBONE,
            instance_id: 0,
            link_local: state.link_local(),
            mtu: state.mtu(),
            cost: state.attached.settings.cost.unwrap_or(self.config.ospf.cost),
            hello_interval: self.config.ospf.hello_interval,
            dead_interval: self.config.ospf.dead_interval,
            retransmit_interval: self.config.ospf.retransmit_interval,
            transmit_delay: TRANSMIT_DELAY,
            mtu_ignore: self.config.ospf.mtu_ignore,
            is_up: state.is_up,
        });
        let input = match (had, wants) {
            (false, true) => ospf::Input::InterfaceAdded { port, interface },
            (true, true) => ospf::Input::InterfaceChanged { port, interface },
            (true, false) => ospf::Input::InterfaceRemoved { port },
            (false, false) => return,
        };
        self.ospf.handle(now, input);
    }

    fn tell_nd(&mut self, now: Instant, port: PortId) {
        let Some(state) = self.ports.get(&port) else { return };
        // Nothing is routed there, and nobody of the tenant shall hear of this router.
        if !state.is_up || state.role() == PortRole::Tenant {
            self.nd.handle(now, nd::Input::InterfaceDown { port });
            return;
        }
        let advertise = (state.role() == PortRole::Lan).then(|| RaSettings {
            prefixes: state
                .links
                .iter()
                .filter(|(_, address)| !state.refused.contains(address))
                .map(|(prefix, _)| *prefix)
                .collect(),
            routes: self.identity.cluster.clone(),
            mtu: Some(state.mtu()),
            ..RaSettings::default()
        });
        let advertise = advertise.or_else(|| self.link_advertisement(state));
        let interface = Box::new(NdInterface {
            name: state.attached.settings.name.clone(),
            mac: state.attached.mac,
            addresses: state.addresses(),
            mtu: state.mtu(),
            is_optimistic: state.role() == PortRole::Fabric,
            advertise,
        });
        self.nd.handle(now, nd::Input::InterfaceUp { port, interface });
    }
}
