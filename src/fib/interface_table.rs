//! What an lcore must know of each port.
//!
//! Owns [`Interface`] and [`InterfaceTable`], with the router's own addresses for repairs; written
//! by the control thread as part of `Forwarding`.
//!
//! *Invariants*: an interface stands at the index of its [`PortId`]; holes are `None`.

use crate::base::ids::{MacAddress, PORT_MAX, PortId};
use crate::base::route::PortRole;
use crate::fib::next_hop::Adjacency;
use crate::fib::repair::RepairAddresses;
use core::net::Ipv6Addr;

/// The facts of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The number.
    pub port: PortId,
    /// What it is for.
    pub role: PortRole,
    /// Its own MAC.
    pub mac: MacAddress,
    /// VLAN id of its packets; `None` for untagged ones.
    pub vlan: Option<u16>,
    /// Largest IPv6 packet it sends, in octets.
    pub mtu: u16,
    /// Largest repaired packet it sends, headers included, in octets: what the device carries.
    pub repair_mtu: u16,
    /// Its link-local address.
    pub link_local: Ipv6Addr,
    /// Source of ICMPv6 errors about packets that came in here (RFC 4443 §2.2): an address of the
    /// port where it has one, else the loopback.
    pub icmp_source: Ipv6Addr,
    /// Carrier and administrative state.
    pub is_up: bool,
    /// The neighbours with which the host speaks over the link-local addresses of the port, each
    /// with the header of frames to it; those without a known MAC are not here.
    pub link_peers: Vec<(Ipv6Addr, Adjacency)>,
}

/// All ports of the router, and what it is in repairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceTable {
    slots: Vec<Option<Interface>>,
    repair: Option<RepairAddresses>,
}

impl InterfaceTable {
    /// The facts of `port`.
    #[inline]
    pub fn get(&self, port: PortId) -> Option<&Interface> {
        self.slots.get(port.index()).and_then(Option::as_ref)
    }

    /// Sets the facts of a port; numbers beyond [`PORT_MAX`] are refused.
    pub fn set(&mut self, interface: Interface) -> bool {
        let index = interface.port.index();
        if index >= PORT_MAX {
            return false;
        }
        if self.slots.len() <= index {
            self.slots.resize(index + 1, None);
        }
        self.slots[index] = Some(interface);
        true
    }

    /// Forgets `port`.
    pub fn remove(&mut self, port: PortId) {
        if let Some(slot) = self.slots.get_mut(port.index()) {
            *slot = None;
        }
    }

    /// The router's part in repairs; `None` where it has no cluster.
    #[inline]
    pub const fn repair_addresses(&self) -> Option<&RepairAddresses> {
        self.repair.as_ref()
    }

    /// Sets the router's part in repairs.
    pub const fn set_repair_addresses(&mut self, addresses: Option<RepairAddresses>) {
        self.repair = addresses;
    }

    /// The ports in order.
    pub fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.slots.iter().flatten()
    }
}
