//! From the router's number to its addresses.
//!
//! Owns the numbering plan of a cluster: subnet 0 of the ULA holds the loopbacks (`::N`) and the
//! adjacency addresses (`::N:I`, one for each Interface ID), subnet N is the LAN of router N, the
//! router-id is 10.0.0.0 + N.
//!
//! *Invariants*: different numbers give different addresses; numbers start at 1.
//! *Standards*: RFC 4193 §3 (subnet-id).

use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;

/// The loopback address of router `number`.
pub fn loopback(ula: Ipv6Prefix, number: u16) -> Ipv6Addr {
    Ipv6Addr::from_bits(ula.bits() | u128::from(number))
}

/// The adjacency addresses of router `number`, a /112: packets for the one with the number of an
/// interface leave by that interface, whatever else the router thinks is best.
pub fn adjacency_prefix(ula: Ipv6Prefix, number: u16) -> Ipv6Prefix {
    Ipv6Prefix::containing(Ipv6Addr::from_bits(ula.bits() | u128::from(number) << 16), 112)
}

/// The address in such a prefix for an interface; `None` for Interface IDs that do not fit.
pub fn adjacency_address(adjacencies: Ipv6Prefix, interface_id: u32) -> Option<Ipv6Addr> {
    let interface = u16::try_from(interface_id).ok().filter(|id| *id != 0)?;
    Some(Ipv6Addr::from_bits(adjacencies.bits() | u128::from(interface)))
}

/// The LAN prefix of router `number` inside `ula` (or inside the cluster's global prefix).
pub fn lan_prefix(cluster: Ipv6Prefix, number: u16) -> Ipv6Prefix {
    let subnet = u128::from(number) << 64;
    Ipv6Prefix::containing(Ipv6Addr::from_bits(cluster.bits() | subnet), 64)
}

/// The router's own address on its LAN.
pub fn lan_address(cluster: Ipv6Prefix, number: u16) -> Ipv6Addr {
    Ipv6Addr::from_bits(lan_prefix(cluster, number).bits() | 1)
}

/// The router-id of router `number`.
pub fn router_id(number: u16) -> RouterId {
    RouterId(0x0a00_0000 | u32::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_seven_has_its_addresses() {
        let ula: Ipv6Prefix = "fd4b:756d:696b::/48".parse().unwrap();
        assert_eq!(loopback(ula, 7).to_string(), "fd4b:756d:696b::7");
        let adjacencies = adjacency_prefix(ula, 7);
        assert_eq!(adjacencies.to_string(), "fd4b:756d:696b::7:0/112");
        let third = Some("fd4b:756d:696b::7:3".parse().unwrap());
        assert_eq!(adjacency_address(adjacencies, 3), third);
        assert_eq!(adjacency_address(adjacencies, 0), None, "no interface has number zero");
        assert_eq!(lan_prefix(ula, 7).to_string(), "fd4b:756d:696b:7::/64");
        assert_eq!(lan_address(ula, 7).to_string(), "fd4b:756d:696b:7::1");
        assert_eq!(router_id(7).to_string(), "10.0.0.7");
    }
}
