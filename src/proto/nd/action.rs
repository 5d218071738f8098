//! What the Neighbour Discovery machine wants done.

use crate::base::ids::{MacAddress, PortId};
use core::net::Ipv6Addr;
use serde::Serialize;

/// One wish; the owner carries it out in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Send this frame out of the port (untagged; the data plane adds the port's VLAN).
    Send {
        /// The port.
        port: PortId,
        /// Destination of the Ethernet header.
        destination: MacAddress,
        /// From the IPv6 header on, checksum set, hop limit 255.
        packet: Vec<u8>,
    },
    /// A neighbour that is used, or that answered, has a MAC, or a new one.
    Resolved {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
        /// Its MAC.
        mac: MacAddress,
    },
    /// A neighbour has no usable MAC any more.
    Unresolved {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
    },
    /// Send these packets, which waited for the MAC of a neighbour, in order; after its `Resolved`.
    Release {
        /// The port.
        port: PortId,
        /// The MAC.
        mac: MacAddress,
        /// Each from the IPv6 header on.
        packets: Vec<Vec<u8>>,
    },
    /// Resolution failed: each packet deserves Destination Unreachable, code 3
    /// (RFC 4861 §7.2.2, RFC 4443 §3.1).
    Unreachable {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
        /// Each from the IPv6 header on.
        packets: Vec<Vec<u8>>,
    },
    /// The port listens to this group from now on: solicited-node and all-routers groups.
    JoinMulticast {
        /// The port.
        port: PortId,
        /// The group.
        group: Ipv6Addr,
    },
    /// Somebody else has this address (RFC 4862 §5.4.5): it must not be used on this port.
    DuplicateAddress {
        /// The port.
        port: PortId,
        /// The address.
        address: Ipv6Addr,
        /// Who has it, where its message says so.
        mac: Option<MacAddress>,
    },
    /// Another router advertises itself on the link of a port.
    RouterHeard {
        /// The port.
        port: PortId,
        /// The router, by its link-local address.
        router: Ipv6Addr,
    },
    /// Another router advertises something that disagrees (RFC 4861 §6.2.7).
    Inconsistent {
        /// The port.
        port: PortId,
        /// The other router.
        router: Ipv6Addr,
        /// Which field.
        field: &'static str,
    },
}
