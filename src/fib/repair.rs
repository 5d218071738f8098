//! Repairs as the packet path reads them: headers to put on, addresses whose headers come off.
//!
//! Owns [`Encapsulation`], the headers that a repaired packet gets, made when the next hop is, and
//! [`RepairAddresses`], which says of an address what part a router plays in the repairs of its
//! cluster. Who computed a repair and why is `proto`'s; what a packet needs else is `dataplane`'s.
//!
//! *Invariants*: an encapsulation has 1 to [`REPAIR_SEGMENTS_MAX`] headers, outermost first, each
//! from this router's loopback. The loopbacks of a cluster are a /112, they and all adjacency
//! addresses a /96.
//! *Standards*: RFC 2473 §3.1 (encapsulation), RFC 8200 §3 (header).

use crate::base::prefix::Ipv6Prefix;
use crate::base::route::REPAIR_SEGMENTS_MAX;
use core::net::Ipv6Addr;

/// Octets of one header.
pub const REPAIR_HEADER_OCTETS: usize = 40;
/// Octets of the longest repair: what a device carries beyond the MTU that is announced.
pub const REPAIR_OCTETS_MAX: u16 = 120;
const _: () = assert!(REPAIR_OCTETS_MAX as usize == REPAIR_SEGMENTS_MAX * REPAIR_HEADER_OCTETS);
/// IPv6 in IPv6 (RFC 2473 §3.1).
const NEXT_IPV6: u8 = 41;
/// Bits before the number of a router in a loopback address.
const LOOPBACKS_LENGTH: u8 = 112;
/// Bits before the number of a router in an adjacency address.
const ADJACENCIES_LENGTH: u8 = 96;

/// The headers of a repaired packet; one a next hop that is a tunnel, written by the control
/// thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encapsulation {
    segments: Box<[Ipv6Addr]>,
    headers: Box<[u8]>,
}

impl Encapsulation {
    /// The headers from `source` to `segments`; `None` where there are no segments or too many.
    pub fn new(source: Ipv6Addr, segments: &[Ipv6Addr]) -> Option<Self> {
        if segments.is_empty() || segments.len() > REPAIR_SEGMENTS_MAX {
            return None;
        }
        let header = |segment: &Ipv6Addr| {
            let mut header = [0; REPAIR_HEADER_OCTETS];
            header[0] = 6 << 4;
            header[6] = NEXT_IPV6;
            header[8..24].copy_from_slice(&source.octets());
            header[24..].copy_from_slice(&segment.octets());
            header
        };
        let headers = segments.iter().flat_map(header).collect();
        Some(Self { segments: segments.into(), headers })
    }

    /// Destinations of the headers, the outermost first.
    pub fn segments(&self) -> &[Ipv6Addr] {
        &self.segments
    }

    /// The headers. Traffic class, flow label, payload length and hop limit are zero: they are the
    /// packet's.
    pub fn headers(&self) -> &[u8] {
        &self.headers
    }

    /// How much longer a packet becomes.
    pub fn octets(&self) -> u16 {
        u16::try_from(self.headers.len()).unwrap_or(u16::MAX)
    }
}

/// What repairs a router takes part in; one a router that has a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairAddresses {
    loopback: Ipv6Addr,
    adjacencies: Ipv6Prefix,
    loopbacks: Ipv6Prefix,
    all: Ipv6Prefix,
}

/// What an address has to do with repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairScope {
    /// Nothing.
    Elsewhere,
    /// A loopback or an adjacency of another router.
    Other,
    /// This router's loopback: its header comes off, and what is inside is routed.
    Loopback,
    /// One of this router's adjacencies: what is inside leaves by that link.
    Adjacency,
}

impl RepairAddresses {
    /// Of the router with this loopback and these adjacency addresses; `loopback` is in the /96 of
    /// all of them.
    pub fn new(loopback: Ipv6Addr, adjacencies: Ipv6Prefix) -> Self {
        Self {
            loopback,
            adjacencies,
            loopbacks: Ipv6Prefix::containing(loopback, LOOPBACKS_LENGTH),
            all: Ipv6Prefix::containing(loopback, ADJACENCIES_LENGTH),
        }
    }

    /// This router's loopback, from which its repaired packets come.
    pub const fn loopback(&self) -> Ipv6Addr {
        self.loopback
    }

    /// This router's adjacency addresses.
    pub const fn adjacencies(&self) -> Ipv6Prefix {
        self.adjacencies
    }

    /// What part an address has.
    pub fn scope(&self, address: Ipv6Addr) -> RepairScope {
        match address {
            other if !self.all.contains(other) => RepairScope::Elsewhere,
            own if own == self.loopback => RepairScope::Loopback,
            own if self.adjacencies.contains(own) => RepairScope::Adjacency,
            _ => RepairScope::Other,
        }
    }

    /// Whether repaired packets may come from this address: the loopback of another router, as far
    /// as the address says.
    pub fn is_other_loopback(&self, address: Ipv6Addr) -> bool {
        self.loopbacks.contains(address)
            && address != self.loopback
            && address.to_bits() != self.loopbacks.bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn headers_stand_in_the_order_of_the_segments() {
        let segments = [address("fd00::2"), address("fd00::3:1")];
        let made = Encapsulation::new(address("fd00::1"), &segments).unwrap();
        assert_eq!((made.octets(), made.segments()), (80, &segments[..]));
        let mut expected = [0; 40];
        expected[0] = 0x60;
        expected[6] = 41;
        expected[8..24].copy_from_slice(&address("fd00::1").octets());
        expected[24..].copy_from_slice(&segments[0].octets());
        assert_eq!(made.headers()[..40], expected);
        expected[24..].copy_from_slice(&segments[1].octets());
        assert_eq!(made.headers()[40..], expected);
    }

    #[test]
    fn no_segments_and_too_many_make_no_encapsulation() {
        let source = address("fd00::1");
        assert_eq!(Encapsulation::new(source, &[]), None);
        let many = [address("fd00::2"); REPAIR_SEGMENTS_MAX + 1];
        assert_eq!(Encapsulation::new(source, &many), None);
        assert!(Encapsulation::new(source, &many[1..]).is_some());
    }

    #[test]
    fn addresses_play_their_parts() {
        let adjacencies = "fd4b:756d:696b::7:0/112".parse().unwrap();
        let own = RepairAddresses::new(address("fd4b:756d:696b::7"), adjacencies);
        let parts = [
            ("fd4b:756d:696b::7", RepairScope::Loopback),
            ("fd4b:756d:696b::7:3", RepairScope::Adjacency),
            ("fd4b:756d:696b::8", RepairScope::Other),
            ("fd4b:756d:696b::8:7", RepairScope::Other),
            ("fd4b:756d:696b:7::1", RepairScope::Elsewhere),
            ("fd4b:756d:696b::1:0:7", RepairScope::Elsewhere),
            ("2001:db8::7", RepairScope::Elsewhere),
        ];
        parts.iter().for_each(|(text, part)| assert_eq!(own.scope(address(text)), *part, "{text}"));
        let may_send = |text: &str| own.is_other_loopback(address(text));
        assert!(may_send("fd4b:756d:696b::8") && may_send("fd4b:756d:696b::ffff"));
        let others = ["::7", "::", "::8:7", ":7::1"];
        assert!(others.iter().all(|end| !may_send(&format!("fd4b:756d:696b{end}"))));
    }
}
