//! What is sent: addresses, ports, tunnels and sizes, independent of who sends it.
//!
//! Owns [`Traffic`], the one description from which our own generator and the profiles for others
//! are made, and the choice of destinations.

use crate::rib::Rib;
use crate::traffic::mix::Mix;
use kumiki::base::ids::MacAddress;
use kumiki::base::prefix::{Ipv6Prefix, mask};
use kumiki::base::prng::Prng;
use std::net::Ipv6Addr;

/// Streams there may be; each is accounted for by itself.
pub const STREAMS_MAX: u16 = 1024;
/// Different destinations, after which they repeat.
pub const DESTINATIONS_MAX: usize = 1 << 20;
/// UDP port of the first stream.
pub const PORT_FIRST: u16 = 49_152;
/// UDP port they go to: the discard service.
pub const PORT_DESTINATION: u16 = 9;

/// What stands behind the IPv6 header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// UDP; streams differ in their source port.
    Udp,
    /// L2TPv3 over IPv6 (RFC 3931, protocol 115); streams differ in their session.
    L2tpv3 {
        /// Session of the first stream.
        session: u32,
        /// Cookie of 0, 4 or 8 octets.
        cookie: Vec<u8>,
    },
}

impl Payload {
    /// In a word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Udp => "IPv6/UDP",
            Self::L2tpv3 { .. } => "L2TPv3 over IPv6",
        }
    }
}

/// Where it goes.
#[derive(Clone, Debug)]
pub struct Destinations {
    /// In words.
    pub name: String,
    /// In the order in which they are used, again and again.
    pub addresses: Vec<Ipv6Addr>,
}

impl Destinations {
    /// `count` addresses, each in any of the prefixes; those of one address stay as they are.
    pub fn within(name: &str, prefixes: &[Ipv6Prefix], count: usize) -> Self {
        let mut random = Prng::new(0x7067_656e);
        let is_single = prefixes.iter().all(|prefix| prefix.length() == 128);
        let count = if is_single { prefixes.len() } else { count.clamp(1, DESTINATIONS_MAX) };
        let draw = |place: usize| {
            let chosen = match is_single {
                true => prefixes[place],
                false => {
                    let place = random.below(prefixes.len() as u64);
                    prefixes[usize::try_from(place).unwrap_or(0)]
                }
            };
            let low = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            Ipv6Addr::from_bits(chosen.bits() | low & !mask(chosen.length()))
        };
        let addresses = match prefixes.is_empty() {
            true => Vec::new(),
            false => (0..count).map(draw).collect(),
        };
        Self { name: name.to_owned(), addresses }
    }

    /// Addresses within the routes of a table.
    pub fn of_rib(rib: &Rib, count: usize) -> Self {
        let name = format!("{} ({} routes)", rib.name, rib.prefixes.len());
        Self::within(&name, &rib.prefixes, count)
    }
}

/// The whole description.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Behind the IPv6 header.
    pub payload: Payload,
    /// Sizes.
    pub mix: Mix,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination addresses.
    pub destinations: Destinations,
    /// How many streams.
    pub streams: u16,
    /// Our MAC address.
    pub source_mac: MacAddress,
    /// That of the device under test.
    pub next_hop_mac: MacAddress,
    /// Hop limit.
    pub hop_limit: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_lie_in_the_prefixes_and_are_always_the_same() {
        let prefixes: Vec<Ipv6Prefix> =
            ["2001:db8::/32", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
        let one = Destinations::within("", &prefixes, 1000);
        assert_eq!(one.addresses, Destinations::within("", &prefixes, 1000).addresses);
        let inside = |address: &Ipv6Addr| prefixes.iter().any(|prefix| prefix.contains(*address));
        assert!(one.addresses.len() == 1000 && one.addresses.iter().all(inside));
        let both = prefixes.iter().all(|p| one.addresses.iter().any(|a| p.contains(*a)));
        assert!(both);
        let single = Destinations::within("", &["fd00::1/128".parse().unwrap()], 1000);
        assert_eq!(single.addresses, ["fd00::1".parse::<Ipv6Addr>().unwrap()]);
    }
}
