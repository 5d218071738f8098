//! The numbering plan of a lab: names, interface indexes, MACs and addresses.
//!
//! Owns nothing; everything is computed from the index of a server or a cable, so that no table can
//! be wrong.
//!
//! *Invariants*: no two devices of a lab have the same interface index, not even in different
//! namespaces: the kernel reports loss of carrier half a second late when both ends of a veth have
//! the same.

use crate::base::ids::MacAddress;
use crate::base::prefix::Ipv6Prefix;
use crate::config::addressing;
use crate::planner::server_name;
use core::net::Ipv6Addr;

/// The ULA of every lab.
pub const LAB_ULA: &str = "fd4b:756d:696b::/48";
/// MTU of cables, in octets: what the largest port setting needs.
pub const CABLE_MTU_BYTES: u32 = 9216;
/// The router's device towards its hosts.
pub const LAN_PORT: &str = "lan0";
/// The host's device.
pub const HOST_PORT: &str = "eth0";

/// First interface index of cables, five each.
const CABLE_IFINDEX_BASE: usize = 1_000;
/// First interface index of LANs, two each; beyond every cable of the largest mesh of 63 ports a
/// server.
const LAN_IFINDEX_BASE: usize = 1_000_000;

/// First interface index of bridges for TAP devices, two a cable.
const TAP_IFINDEX_BASE: usize = 2_000_000;

/// A device of a cable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CablePart {
    /// In the namespace of the first server.
    NearServer,
    /// In the fabric, facing the first server.
    NearFabric,
    /// In the fabric, facing the second server.
    FarFabric,
    /// In the namespace of the second server.
    FarServer,
    /// In the fabric, between the two.
    Bridge,
}

/// Interface index of a part of cable `cable`.
pub fn cable_ifindex(cable: usize, part: CablePart) -> u32 {
    let offset = match part {
        CablePart::NearServer => 0,
        CablePart::NearFabric => 1,
        CablePart::FarFabric => 2,
        CablePart::FarServer => 3,
        CablePart::Bridge => 4,
    };
    index_to_u32(CABLE_IFINDEX_BASE + 5 * cable + offset)
}

/// Interface index of the router's end of the LAN of `server`.
pub fn lan_ifindex(server: usize) -> u32 {
    index_to_u32(LAN_IFINDEX_BASE + 2 * server)
}

/// Interface index of the host's end of the LAN of `server`.
pub fn host_ifindex(server: usize) -> u32 {
    index_to_u32(LAN_IFINDEX_BASE + 2 * server + 1)
}

/// Name of the device of a server towards `peer`.
pub fn fabric_port(peer: usize) -> String {
    format!("f-{}", server_name(peer))
}

/// Name of the TAP device of a server towards `peer`, with the TAP driver.
pub fn tap_port(peer: usize) -> String {
    format!("t-{}", server_name(peer))
}

/// Name of the bridge that joins the TAP towards `peer` to its cable.
pub fn tap_bridge(peer: usize) -> String {
    format!("b-{}", server_name(peer))
}

/// Interface index of that bridge at side 0 or 1 of a cable.
pub fn tap_bridge_ifindex(cable: usize, side: usize) -> u32 {
    index_to_u32(TAP_IFINDEX_BASE + 2 * cable + side)
}

/// MAC for the kernel's side of that TAP. A bridge keeps frames for the MACs of its own ports, and
/// DPDK gives the router's port the MAC that the device has at first.
pub fn tap_mac(cable: usize, side: usize) -> MacAddress {
    let [_, a, b, c] = tap_bridge_ifindex(cable, side).to_be_bytes();
    MacAddress([0x02, 0x4b, 0x01, a, b, c])
}

/// `h01` for index 0.
pub fn host_name(server: usize) -> String {
    format!("h{:02}", server + 1)
}

/// `s01-s02`.
pub fn cable_name((a, b): (usize, usize)) -> String {
    format!("{}-{}", server_name(a), server_name(b))
}

/// The router's number in the cluster, counted from 1.
pub fn server_number(server: usize) -> u16 {
    u16::try_from(server + 1).unwrap_or(u16::MAX)
}

/// The cluster's ULA.
pub fn ula() -> Ipv6Prefix {
    Ipv6Prefix::containing(Ipv6Addr::new(0xfd4b, 0x756d, 0x696b, 0, 0, 0, 0, 0), 48)
}

/// The router's loopback.
pub fn loopback(server: usize) -> Ipv6Addr {
    addressing::loopback(ula(), server_number(server))
}

/// The LAN's prefix.
pub fn lan_prefix(server: usize) -> Ipv6Prefix {
    addressing::lan_prefix(ula(), server_number(server))
}

/// The router's address on its LAN.
pub fn lan_address(server: usize) -> Ipv6Addr {
    addressing::lan_address(ula(), server_number(server))
}

/// The host's MAC: `02:4b:` and its number.
pub fn host_mac(server: usize) -> MacAddress {
    let [high, low] = server_number(server).to_be_bytes();
    MacAddress([0x02, 0x4b, 0x00, 0x00, high, low])
}

/// The host's address: its LAN's prefix and the EUI-64 of its MAC (RFC 4862 §5.5.3).
pub fn host_address(server: usize) -> Ipv6Addr {
    let MacAddress([a, b, c, d, e, f]) = host_mac(server);
    let identifier = u64::from_be_bytes([a ^ 0x02, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from_bits(lan_prefix(server).bits() | u128::from(identifier))
}

/// What every router has to know: loopback and LAN prefix of all `server_count` servers.
pub fn expected_prefixes(server_count: usize) -> Vec<Ipv6Prefix> {
    (0..server_count)
        .flat_map(|server| [Ipv6Prefix::host(loopback(server)), lan_prefix(server)])
        .collect()
}

fn index_to_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::families::SERVER_COUNT_MAX;

    #[test]
    fn the_ula_is_the_one_in_the_text() {
        assert_eq!(LAB_ULA.parse(), Ok(ula()));
    }

    #[test]
    fn the_host_gets_the_address_slaac_gives() {
        assert_eq!(host_mac(6).to_string(), "02:4b:00:00:00:07");
        assert_eq!(host_address(6).to_string(), "fd4b:756d:696b:7:4b:ff:fe00:7");
    }

    #[test]
    fn cables_and_lans_never_share_an_interface_index() {
        let most_cables = SERVER_COUNT_MAX * 63 / 2;
        assert!(cable_ifindex(most_cables, CablePart::Bridge) < lan_ifindex(0));
        assert_eq!(cable_ifindex(1, CablePart::NearServer), 1005);
        assert_ne!(lan_ifindex(1), host_ifindex(0));
    }

    #[test]
    fn names_fit_the_kernel() {
        assert!(fabric_port(SERVER_COUNT_MAX - 1).len() < 16);
    }
}
