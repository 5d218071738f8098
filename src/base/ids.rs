//! Newtypes for everything that is numbered, so that no number is taken for another.
//!
//! Owns the numbers' spelling (display and parsing); what a number means belongs to the folder that
//! hands it out.
//!
//! *Standards*: MAC addresses and EUI-64 identifiers after RFC 4291 Appendix A; router-ids as
//! dotted quads as RFC 5340 §2.11 has them.

use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default,
            Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number as an index into a table.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

numbered! {
    /// A port of this router (a NIC or a virtual device), in order of configuration; at most 64.
    PortId(u16)
}
numbered! {
    /// A worker core of the data plane, counted from zero; not the CPU number.
    LcoreId(u16)
}
numbered! {
    /// A next hop in `fib`; indexes the liveness table, at most 65,535.
    NextHopId(u16)
}
numbered! {
    /// A group of next hops in `fib`: what a prefix points to, at most 65,535.
    GroupId(u16)
}
numbered! {
    /// A bridge domain: one Ethernet segment of a tenant, from 1 on; 0 is none. At most 65,535.
    DomainId(u16)
}
numbered! {
    /// A member of a bridge domain (an attachment circuit or a pseudowire), from 1 on; 0 is none.
    /// At most [`MEMBER_MAX`].
    MemberId(u16)
}
numbered! {
    /// A tenant, by the number that all members of its segment are configured with; 0 is none.
    TenantId(u32)
}

/// Ports a router may have.
pub const PORT_MAX: usize = 64;
/// Members that all bridge domains have together: 10,000 pseudowires and the VLANs of the ports.
/// Tables with a place for each of them stay below a mebibyte.
pub const MEMBER_MAX: usize = 16_384;

/// A 32-bit OSPF router-id (RFC 5340 §2.11), shown as a dotted quad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RouterId(pub u32);

/// A router-id or area-id that is neither a dotted quad nor a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a dotted quad such as 10.0.0.7")]
pub struct ParseRouterIdError(String);

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0.to_be_bytes();
        f.pad(&format!("{a}.{b}.{c}.{d}"))
    }
}

impl fmt::Debug for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RouterId {
    type Err = ParseRouterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let quad: core::net::Ipv4Addr =
            text.parse().map_err(|_| ParseRouterIdError(text.to_owned()))?;
        Ok(Self(quad.to_bits()))
    }
}

impl TryFrom<String> for RouterId {
    type Error = ParseRouterIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RouterId> for String {
    fn from(id: RouterId) -> Self {
        id.to_string()
    }
}

/// An OSPF area; the backbone is 0.0.0.0.
pub type AreaId = RouterId;

/// A 48-bit MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

/// A MAC address that is not six hexadecimal octets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a MAC address such as 52:54:00:12:34:56")]
pub struct ParseMacError(String);

impl MacAddress {
    /// All ones.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether the group bit is set.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The modified EUI-64 interface identifier (RFC 4291 Appendix A).
    pub const fn eui64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }

    /// The link-local address `fe80::/64` + EUI-64.
    pub const fn link_local(self) -> Ipv6Addr {
        Ipv6Addr::from_bits((0xfe80_u128 << 112) | self.eui64() as u128)
    }

    /// The MAC that a multicast IPv6 address maps to (RFC 2464 §7).
    pub const fn for_multicast(group: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = group.octets();
        Self([0x33, 0x33, a, b, c, d])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        f.pad(&format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"))
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddress {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseMacError(text.to_owned());
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(wrong)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self(octets))
    }
}

impl TryFrom<String> for MacAddress {
    type Error = ParseMacError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_text_round_trips() {
        let mac: MacAddress = "52:54:00:12:34:56".parse().unwrap();
        assert_eq!(mac.to_string(), "52:54:00:12:34:56");
        assert!("52:54:00:12:34".parse::<MacAddress>().is_err());
        assert!("52:54:00:12:34:56:78".parse::<MacAddress>().is_err());
        assert!("52:54:00:12:34:5g".parse::<MacAddress>().is_err());
    }

    #[test]
    fn link_local_follows_modified_eui64() {
        let mac = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(mac.link_local(), "fe80::5054:ff:fe12:3456".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn all_spf_routers_maps_to_its_multicast_mac() {
        let group = "ff02::5".parse().unwrap();
        assert_eq!(MacAddress::for_multicast(group).to_string(), "33:33:00:00:00:05");
    }

    #[test]
    fn router_id_is_a_dotted_quad() {
        assert_eq!("10.0.0.7".parse::<RouterId>().unwrap().to_string(), "10.0.0.7");
        assert!("ten".parse::<RouterId>().is_err());
    }
}
