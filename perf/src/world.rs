//! What the benches of the data path forward in: two ports, and neighbours behind the second.
//!
//! Owns the ports, their addresses and the neighbours; routes and groups are the benches' own.

use kumiki::base::ids::{MacAddress, PortId};
use kumiki::base::route::PortRole;
use kumiki::fib::{Adjacency, Interface, InterfaceTable, NextHop};

/// The address of a port of the router.
pub const fn own_mac(port: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, port])
}

/// Ports 0 and 1, up, for packets of 9000 octets.
pub fn interfaces() -> InterfaceTable {
    let mut interfaces = InterfaceTable::default();
    for port in 0..2_u8 {
        let is_set = interfaces.set(Interface {
            port: PortId(u16::from(port)),
            role: PortRole::Fabric,
            mac: own_mac(port),
            vlan: None,
            mtu: 9000,
            repair_mtu: 9120,
            link_local: own_mac(port).link_local(),
            icmp_source: own_mac(port).link_local(),
            is_up: true,
            link_peers: Vec::new(),
        });
        assert!(is_set, "two ports fit");
    }
    interfaces
}

/// A resolved neighbour behind port 1.
pub fn neighbor(number: u16) -> NextHop {
    let [high, low] = number.to_be_bytes();
    let mac = MacAddress([2, 0, 0, 1, high, low]);
    NextHop {
        port: PortId(1),
        address: mac.link_local(),
        adjacency: Some(Adjacency::ipv6(mac, own_mac(1))),
        encapsulation: None,
    }
}
