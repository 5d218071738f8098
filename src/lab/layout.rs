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
use serde::{Deserialize, Serialize};

/// The ULA of every lab, or of its first cluster; the next cluster has the next number.
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
/// First interface index of uplinks, two each.
const UPLINK_IFINDEX_BASE: usize = 3_000_000;

/// The edge's device towards the provider.
pub const UPLINK_PORT: &str = "up0";
/// AS of the provider (RFC 5398).
pub const PROVIDER_ASN: u32 = 64_500;
/// AS of the first cluster (RFC 6996); the next cluster has the next number.
const CLUSTER_ASN_BASE: u32 = 64_512;
/// First octets of the addresses of uplinks: a /64 each (RFC 3849).
const UPLINK_NETWORK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0);

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

/// The host's MAC: `02:4b:` and its number.
pub fn host_mac(server: usize) -> MacAddress {
    let [high, low] = server_number(server).to_be_bytes();
    MacAddress([0x02, 0x4b, 0x00, 0x00, high, low])
}

/// Which servers are a cluster, and what follows for their addresses. Servers are numbered through,
/// cluster by cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    /// Servers of each cluster.
    pub cluster_size: usize,
}

impl Numbering {
    /// A single cluster of so many servers.
    pub fn single(server_count: usize) -> Self {
        Self { cluster_size: server_count }
    }

    /// The cluster of a server, counted from 0.
    pub fn cluster(self, server: usize) -> usize {
        server / self.cluster_size.max(1)
    }

    /// The ULA of a cluster, which is the aggregate that its edges announce.
    pub fn ula(self, cluster: usize) -> Ipv6Prefix {
        let first = Ipv6Addr::new(0xfd4b, 0x756d, 0x696b, 0, 0, 0, 0, 0).to_bits();
        let step = u128::from(index_to_u32(cluster)) << 80;
        Ipv6Prefix::containing(Ipv6Addr::from_bits(first + step), 48)
    }

    /// The ULA in which a server has its addresses.
    pub fn ula_of(self, server: usize) -> Ipv6Prefix {
        self.ula(self.cluster(server))
    }

    /// The router's loopback.
    pub fn loopback(self, server: usize) -> Ipv6Addr {
        addressing::loopback(self.ula_of(server), server_number(server))
    }

    /// The LAN's prefix.
    pub fn lan_prefix(self, server: usize) -> Ipv6Prefix {
        addressing::lan_prefix(self.ula_of(server), server_number(server))
    }

    /// The router's address on its LAN.
    pub fn lan_address(self, server: usize) -> Ipv6Addr {
        addressing::lan_address(self.ula_of(server), server_number(server))
    }

    /// The host's address: its LAN's prefix and the EUI-64 of its MAC (RFC 4862 §5.5.3).
    pub fn host_address(self, server: usize) -> Ipv6Addr {
        let MacAddress([a, b, c, d, e, f]) = host_mac(server);
        let identifier = u64::from_be_bytes([a ^ 0x02, b, c, 0xff, 0xfe, d, e, f]);
        Ipv6Addr::from_bits(self.lan_prefix(server).bits() | u128::from(identifier))
    }

    /// What every router of a cluster has to know: loopback and LAN prefix of each of its servers.
    pub fn prefixes_of(self, cluster: usize) -> Vec<Ipv6Prefix> {
        let first = cluster * self.cluster_size;
        (first..first + self.cluster_size)
            .flat_map(|server| [Ipv6Prefix::host(self.loopback(server)), self.lan_prefix(server)])
            .collect()
    }
}

/// AS of a cluster.
pub fn cluster_asn(cluster: usize) -> u32 {
    CLUSTER_ASN_BASE + index_to_u32(cluster)
}

/// Interface index of the edge's end of its uplink.
pub fn uplink_ifindex(edge: usize) -> u32 {
    index_to_u32(UPLINK_IFINDEX_BASE + 2 * edge)
}

/// Interface index of the provider's end.
pub fn provider_ifindex(edge: usize) -> u32 {
    index_to_u32(UPLINK_IFINDEX_BASE + 2 * edge + 1)
}

/// Name of the provider's device towards an edge.
pub fn provider_port(edge: usize) -> String {
    format!("u-{}", server_name(edge))
}

/// The edge's address on its uplink, in a /64.
pub fn uplink_address(edge: usize) -> Ipv6Addr {
    on_uplink(edge, 2)
}

/// The provider's address there.
pub fn provider_address(edge: usize) -> Ipv6Addr {
    on_uplink(edge, 1)
}

fn on_uplink(edge: usize, interface: u128) -> Ipv6Addr {
    let subnet = u128::from(server_number(edge)) << 64;
    Ipv6Addr::from_bits(UPLINK_NETWORK.to_bits() | subnet | interface)
}

/// What the provider announces and clusters are to hear of.
pub fn outside_prefix() -> Ipv6Prefix {
    Ipv6Prefix::containing(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0), 48)
}

/// An address in it that answers.
pub fn outside_address() -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1)
}

/// What the provider announces, too, and no policy lets into a cluster.
pub fn held_back_prefix() -> Ipv6Prefix {
    Ipv6Prefix::containing(Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 0), 48)
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
        assert_eq!(LAB_ULA.parse(), Ok(Numbering::single(4).ula(0)));
    }

    #[test]
    fn the_host_gets_the_address_slaac_gives() {
        assert_eq!(host_mac(6).to_string(), "02:4b:00:00:00:07");
        let address = Numbering::single(8).host_address(6);
        assert_eq!(address.to_string(), "fd4b:756d:696b:7:4b:ff:fe00:7");
    }

    #[test]
    fn the_next_cluster_has_the_next_ula_and_goes_on_counting() {
        let numbering = Numbering { cluster_size: 4 };
        assert_eq!((numbering.cluster(3), numbering.cluster(4)), (0, 1));
        assert_eq!(numbering.loopback(4).to_string(), "fd4b:756d:696c::5");
        assert_eq!(numbering.prefixes_of(1).len(), 8);
        let is_inside = |prefix: &Ipv6Prefix| numbering.ula(1).covers(*prefix);
        assert!(numbering.prefixes_of(1).iter().all(is_inside));
        assert!(!numbering.prefixes_of(0).iter().any(is_inside));
    }

    #[test]
    fn an_uplink_has_a_network_of_its_own() {
        assert_eq!(uplink_address(0).to_string(), "2001:db8:ffff:1::2");
        assert_eq!(provider_address(6).to_string(), "2001:db8:ffff:7::1");
        assert!(tap_bridge_ifindex(SERVER_COUNT_MAX * 63 / 2, 1) < uplink_ifindex(0));
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
