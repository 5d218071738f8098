//! The IPv6 header and the chain of extension headers behind it.
//!
//! Owns [`Ipv6View`] (the packet path), [`Ipv6Header`] (the control plane), [`upper_layer`] (the
//! walk over extension headers) and the words for address scopes. What to do with what is found
//! belongs to
//! `dataplane` and `proto`.
//!
//! *Invariants*: a view exists only over 40 whole octets; the walk reads at most
//! [`EXTENSION_HEADERS_MAX`] headers and never beyond the slice.
//! *Standards*: RFC 8200 §3 (header), §4 (extension headers), RFC 4302 §2.2 (length of AH), RFC
//! 4291 §2.7 (multicast), RFC 7045 (unknown headers are carried, not judged).

use crate::base::cursor::{Reader, Truncated, Writer};
use core::net::Ipv6Addr;

/// Octets of the header.
pub const HEADER_OCTETS: usize = 40;
const HEADER_OCTETS_U32: u32 = 40;
const _: () = assert!(HEADER_OCTETS_U32 as usize == HEADER_OCTETS);
/// The smallest MTU a link may have (RFC 8200 §5).
pub const MTU_MIN: u16 = 1280;
/// Hop limit of packets the router makes (RFC 1700's default, as every host has it).
pub const HOP_LIMIT_DEFAULT: u8 = 64;
/// Hop limit that proves a packet comes from the same link (RFC 4861, RFC 5082).
pub const HOP_LIMIT_LINK: u8 = 255;
/// Extension headers the walk reads: more than RFC 8200 §4.1 has kinds of, few enough to bound the
/// work.
pub const EXTENSION_HEADERS_MAX: usize = 8;

/// Hop-by-hop options.
pub const NEXT_HOP_BY_HOP: u8 = 0;
/// TCP.
pub const NEXT_TCP: u8 = 6;
/// IPv6 in IPv6.
pub const NEXT_IPV6: u8 = 41;
/// UDP.
pub const NEXT_UDP: u8 = 17;
/// Routing header.
pub const NEXT_ROUTING: u8 = 43;
/// Fragment header.
pub const NEXT_FRAGMENT: u8 = 44;
/// Encapsulating security payload: opaque.
pub const NEXT_ESP: u8 = 50;
/// Authentication header.
pub const NEXT_AUTHENTICATION: u8 = 51;
/// ICMPv6.
pub const NEXT_ICMPV6: u8 = 58;
/// Nothing follows.
pub const NEXT_NONE: u8 = 59;
/// Destination options.
pub const NEXT_DESTINATION_OPTIONS: u8 = 60;
/// OSPF.
pub const NEXT_OSPF: u8 = 89;
/// L2TPv3.
pub const NEXT_L2TP: u8 = 115;
/// SCTP.
pub const NEXT_SCTP: u8 = 132;

/// All nodes on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers on the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All OSPF routers on the link.
pub const ALL_SPF_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 5);
/// The designated OSPF routers of the link.
pub const ALL_DESIGNATED_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 6);

const SOLICITED_NODE: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
const SOLICITED_NODE_SUFFIX: u128 = 0x00ff_ffff;

/// The group in which a neighbour is asked for its MAC (RFC 4291 §2.7.1).
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(SOLICITED_NODE | (address.to_bits() & SOLICITED_NODE_SUFFIX))
}

/// Whether the group is a solicited-node group.
pub const fn is_solicited_node(group: Ipv6Addr) -> bool {
    group.to_bits() & !SOLICITED_NODE_SUFFIX == SOLICITED_NODE
}

const LINK_LOCAL_TOP_BITS: u128 = 0xfe80 >> 6;

/// Whether the address, as a number, lies in `fe80::/10`.
#[inline]
pub const fn is_link_local(address: u128) -> bool {
    address >> 118 == LINK_LOCAL_TOP_BITS
}

/// Whether the address, as a number, lies in `ff00::/8`.
#[inline]
pub const fn is_multicast(address: u128) -> bool {
    address >> 120 == 0xff
}

/// A header read in place.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6View<'a> {
    head: &'a [u8; 8],
    source: &'a [u8; 16],
    destination: &'a [u8; 16],
    rest: &'a [u8],
}

impl<'a> Ipv6View<'a> {
    /// The header at the start of `packet`; the version is not looked at.
    #[inline]
    pub fn new(packet: &'a [u8]) -> Result<Self, Truncated> {
        let short = Truncated { offset: 0, wanted: HEADER_OCTETS, left: packet.len() };
        let (head, rest) = packet.split_first_chunk().ok_or(short)?;
        let (source, rest) = rest.split_first_chunk().ok_or(short)?;
        let (destination, rest) = rest.split_first_chunk().ok_or(short)?;
        Ok(Self { head, source, destination, rest })
    }

    /// The version; 6 in every IPv6 packet.
    #[inline]
    pub const fn version(&self) -> u8 {
        self.head[0] >> 4
    }

    /// Traffic class.
    #[inline]
    pub const fn traffic_class(&self) -> u8 {
        self.head[0] << 4 | self.head[1] >> 4
    }

    /// Flow label, 20 bits.
    #[inline]
    pub const fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.head[1] & 0x0f, self.head[2], self.head[3]])
    }

    /// Octets behind the header, as it claims.
    #[inline]
    pub const fn payload_length(&self) -> u16 {
        u16::from_be_bytes([self.head[4], self.head[5]])
    }

    /// Octets of the packet, header included, as it claims.
    #[inline]
    pub const fn total_length(&self) -> u32 {
        self.payload_length() as u32 + HEADER_OCTETS_U32
    }

    /// What follows the header.
    #[inline]
    pub const fn next_header(&self) -> u8 {
        self.head[6]
    }

    /// Hop limit.
    #[inline]
    pub const fn hop_limit(&self) -> u8 {
        self.head[7]
    }

    /// Source as a number.
    #[inline]
    pub const fn source_bits(&self) -> u128 {
        u128::from_be_bytes(*self.source)
    }

    /// Destination as a number.
    #[inline]
    pub const fn destination_bits(&self) -> u128 {
        u128::from_be_bytes(*self.destination)
    }

    /// Source.
    #[inline]
    pub const fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.source_bits())
    }

    /// Destination.
    #[inline]
    pub const fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.destination_bits())
    }

    /// Everything in the slice behind the header, whatever the length field says.
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Walks the extension headers.
    #[inline]
    pub fn upper_layer(&self) -> Result<UpperLayer, ChainError> {
        upper_layer(self.next_header(), self.rest)
    }
}

/// A header to change in place, in its parts.
#[derive(Debug)]
pub struct Ipv6Fields<'a> {
    head: &'a mut [u8; 8],
    /// Source.
    pub source: &'a mut [u8; 16],
    /// Destination.
    pub destination: &'a mut [u8; 16],
    /// Everything in the slice behind the header.
    pub rest: &'a mut [u8],
}

impl<'a> Ipv6Fields<'a> {
    /// The header at the start of `packet`; the version is not looked at.
    #[inline]
    pub fn new(packet: &'a mut [u8]) -> Result<Self, Truncated> {
        let short = Truncated { offset: 0, wanted: HEADER_OCTETS, left: packet.len() };
        let (head, rest) = packet.split_first_chunk_mut().ok_or(short)?;
        let (source, rest) = rest.split_first_chunk_mut().ok_or(short)?;
        let (destination, rest) = rest.split_first_chunk_mut().ok_or(short)?;
        Ok(Self { head, source, destination, rest })
    }

    /// Next header.
    #[inline]
    pub const fn next_header(&self) -> u8 {
        self.head[6]
    }

    /// Hop limit.
    #[inline]
    pub const fn hop_limit(&self) -> u8 {
        self.head[7]
    }

    /// Sets the hop limit.
    #[inline]
    pub const fn set_hop_limit(&mut self, hop_limit: u8) {
        self.head[7] = hop_limit;
    }

    /// Sets the traffic class.
    #[inline]
    pub const fn set_traffic_class(&mut self, class: u8) {
        self.head[0] = self.head[0] & 0xf0 | class >> 4;
        self.head[1] = self.head[1] & 0x0f | class << 4;
    }

    /// Sets the flow label, of which the lower 20 bits count.
    #[inline]
    pub const fn set_flow_label(&mut self, label: u32) {
        let [_, high, middle, low] = label.to_be_bytes();
        self.head[1] = self.head[1] & 0xf0 | high & 0x0f;
        self.head[2] = middle;
        self.head[3] = low;
    }

    /// Sets how many octets follow.
    #[inline]
    pub const fn set_payload_length(&mut self, octets: u16) {
        [self.head[4], self.head[5]] = octets.to_be_bytes();
    }
}

/// A header as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Traffic class.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Octets behind the header.
    pub payload_length: u16,
    /// What follows.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub source: Ipv6Addr,
    /// Destination.
    pub destination: Ipv6Addr,
}

/// Why a header cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ipv6HeaderError {
    /// Less than 40 octets.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Another version.
    #[error("version {0}, not 6")]
    Version(u8),
}

impl Ipv6Header {
    /// Traffic class of routing protocols (RFC 2474: class selector 6, internetwork control).
    pub const CLASS_CONTROL: u8 = 0xc0;

    /// Takes a header off the front.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Ipv6HeaderError> {
        let view = Ipv6View::new(reader.rest())?;
        if view.version() != 6 {
            return Err(Ipv6HeaderError::Version(view.version()));
        }
        reader.skip(HEADER_OCTETS)?;
        Ok(Self {
            traffic_class: view.traffic_class(),
            flow_label: view.flow_label(),
            payload_length: view.payload_length(),
            next_header: view.next_header(),
            hop_limit: view.hop_limit(),
            source: view.source(),
            destination: view.destination(),
        })
    }

    /// The 40 octets; bits of the flow label beyond 20 are cut.
    pub fn to_octets(&self) -> [u8; HEADER_OCTETS] {
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | (self.flow_label & 0x000f_ffff);
        let mut octets = [0; HEADER_OCTETS];
        octets[..4].copy_from_slice(&first.to_be_bytes());
        octets[4..6].copy_from_slice(&self.payload_length.to_be_bytes());
        octets[6] = self.next_header;
        octets[7] = self.hop_limit;
        octets[8..24].copy_from_slice(&self.source.octets());
        octets[24..].copy_from_slice(&self.destination.octets());
        octets
    }

    /// Appends the header.
    pub fn encode(&self, writer: &mut Writer) {
        writer.put(&self.to_octets());
    }
}

/// A fragment header (RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset of this fragment's octets, in units of 8 octets.
    pub offset: u16,
    /// Whether more follow.
    pub has_more: bool,
    /// What the fragments have in common.
    pub identification: u32,
}

/// What stands behind the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpperLayer {
    /// Its protocol.
    pub protocol: u8,
    /// Where it starts, in octets from the end of the IPv6 header.
    pub offset: usize,
    /// Where its protocol number stands, in octets from the start of the IPv6 header: what the
    /// pointer of a Parameter Problem names.
    pub protocol_pointer: usize,
    /// The fragment header that was passed; behind a later fragment stands no upper-layer header.
    pub fragment: Option<Fragment>,
    /// Whether hop-by-hop options were passed.
    pub has_hop_by_hop: bool,
}

impl UpperLayer {
    /// Whether the octets at `offset` are the middle of a payload, not its header.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset != 0)
    }
}

/// Why the chain of extension headers cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A header reaches beyond the packet.
    #[error("extension header at offset {0} is truncated")]
    Truncated(usize),
    /// More than [`EXTENSION_HEADERS_MAX`] headers.
    #[error("more than {EXTENSION_HEADERS_MAX} extension headers")]
    TooMany,
    /// Hop-by-hop options that are not first (RFC 8200 §4.1); the offset of the number that says
    /// so, from the start of the IPv6 header.
    #[error("hop-by-hop options that are not first, named at offset {0}")]
    HopByHopNotFirst(usize),
}

/// Whether the walk reads on behind this header.
#[inline]
pub const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        NEXT_HOP_BY_HOP
            | NEXT_ROUTING
            | NEXT_FRAGMENT
            | NEXT_AUTHENTICATION
            | NEXT_DESTINATION_OPTIONS
    )
}

/// Follows the extension headers in `bytes`, which start right behind the IPv6 header whose
/// next-header field is `first`. Stops at the first number that is no extension header, and behind
/// the header of a later fragment.
pub fn upper_layer(first: u8, bytes: &[u8]) -> Result<UpperLayer, ChainError> {
    let mut found = UpperLayer {
        protocol: first,
        offset: 0,
        protocol_pointer: 6,
        fragment: None,
        has_hop_by_hop: false,
    };
    for count in 0..=EXTENSION_HEADERS_MAX {
        if !is_extension(found.protocol) || found.is_later_fragment() {
            return Ok(found);
        }
        if count == EXTENSION_HEADERS_MAX {
            break;
        }
        if found.protocol == NEXT_HOP_BY_HOP && count != 0 {
            return Err(ChainError::HopByHopNotFirst(found.protocol_pointer));
        }
        let truncated = ChainError::Truncated(found.offset);
        let header: &[u8; 8] =
            bytes.get(found.offset..).and_then(<[u8]>::first_chunk).ok_or(truncated)?;
        let [next, length, high, low, a, b, c, d] = *header;
        let octets = match found.protocol {
            NEXT_FRAGMENT => {
                let field = u16::from_be_bytes([high, low]);
                found.fragment = Some(Fragment {
                    offset: field >> 3,
                    has_more: field & 1 == 1,
                    identification: u32::from_be_bytes([a, b, c, d]),
                });
                8
            }
            // RFC 4302 §2.2: in units of 4 octets, minus 2.
            NEXT_AUTHENTICATION => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        found.has_hop_by_hop |= found.protocol == NEXT_HOP_BY_HOP;
        found.protocol_pointer = HEADER_OCTETS + found.offset;
        found.offset += octets;
        found.protocol = next;
        if found.offset > bytes.len() {
            return Err(truncated);
        }
    }
    Err(ChainError::TooMany)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> impl Strategy<Value = Ipv6Header> {
        let numbers = (any::<u8>(), 0..1_u32 << 20, any::<u16>(), any::<u8>(), any::<u8>());
        (numbers, any::<u128>(), any::<u128>()).prop_map(|(numbers, source, destination)| {
            let (traffic_class, flow_label, payload_length, next_header, hop_limit) = numbers;
            Ipv6Header {
                traffic_class,
                flow_label,
                payload_length,
                next_header,
                hop_limit,
                source: Ipv6Addr::from_bits(source),
                destination: Ipv6Addr::from_bits(destination),
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(value in header()) {
            let octets = value.to_octets();
            prop_assert_eq!(Ipv6Header::decode(&mut Reader::new(&octets)), Ok(value));
        }

        #[test]
        fn any_octets_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Ipv6Header::decode(&mut Reader::new(&bytes));
            if let Ok(view) = Ipv6View::new(&bytes) {
                let _ = view.upper_layer();
            }
        }

        #[test]
        fn the_walk_stays_inside_the_packet(
            kinds in prop::collection::vec(prop::sample::select(vec![0_u8, 43, 44, 51, 60]), 1..12),
            lengths in prop::collection::vec(0_u8..4, 12),
            cut in 0_usize..400,
        ) {
            let mut bytes = Vec::new();
            for (position, length) in lengths.iter().enumerate().take(kinds.len()) {
                let next = kinds.get(position + 1).copied().unwrap_or(NEXT_UDP);
                let mut extension = vec![0; (usize::from(*length) + 1) * 8];
                extension[0] = next;
                extension[1] = *length;
                bytes.extend(extension);
            }
            bytes.truncate(cut);
            if let Ok(found) = upper_layer(kinds[0], &bytes) {
                prop_assert!(found.offset <= bytes.len());
            }
        }
    }

    #[test]
    fn each_kind_of_extension_is_passed() {
        let mut bytes = Vec::new();
        bytes.extend([NEXT_DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0]); // hop-by-hop
        bytes.extend([NEXT_ROUTING, 0, 1, 4, 0, 0, 0, 0]); // destination options
        bytes.extend([NEXT_AUTHENTICATION, 0, 0, 0, 0, 0, 0, 0]); // routing
        bytes.extend([NEXT_FRAGMENT, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // AH of 12 octets
        bytes.extend([NEXT_UDP, 0, 0, 1, 0, 0, 0, 9]); // first fragment
        bytes.extend([0; 8]);
        let found = upper_layer(NEXT_HOP_BY_HOP, &bytes).unwrap();
        assert_eq!((found.protocol, found.offset), (NEXT_UDP, 44));
        assert_eq!(found.protocol_pointer, 40 + 36);
        assert!(found.has_hop_by_hop && !found.is_later_fragment());
        let fragment = Fragment { offset: 0, has_more: true, identification: 9 };
        assert_eq!(found.fragment, Some(fragment));
    }

    #[test]
    fn a_later_fragment_ends_the_walk() {
        let bytes = [NEXT_DESTINATION_OPTIONS, 0, 0x05, 0xa8, 0, 0, 0, 9, 1, 2, 3];
        let found = upper_layer(NEXT_FRAGMENT, &bytes).unwrap();
        assert_eq!((found.protocol, found.offset), (NEXT_DESTINATION_OPTIONS, 8));
        assert!(found.is_later_fragment());
    }

    #[test]
    fn broken_chains_are_named() {
        assert_eq!(upper_layer(NEXT_ROUTING, &[6, 0, 0]), Err(ChainError::Truncated(0)));
        assert_eq!(upper_layer(NEXT_ROUTING, &[6, 9, 0, 0, 0, 0, 0, 0]), {
            Err(ChainError::Truncated(0))
        });
        let endless = [NEXT_DESTINATION_OPTIONS, 0, 0, 0, 0, 0, 0, 0].repeat(20);
        assert_eq!(upper_layer(NEXT_DESTINATION_OPTIONS, &endless), Err(ChainError::TooMany));
        let late = [NEXT_HOP_BY_HOP, 0, 0, 0, 0, 0, 0, 0].repeat(2);
        assert_eq!(upper_layer(NEXT_ROUTING, &late), Err(ChainError::HopByHopNotFirst(40)));
    }

    #[test]
    fn solicited_node_groups_follow_rfc_4291() {
        // RFC 4291 §2.7.1: 4037::01:800:200e:8c6c has ff02::1:ff0e:8c6c.
        let group = solicited_node("4037::01:800:200e:8c6c".parse().unwrap());
        assert_eq!(group, "ff02::1:ff0e:8c6c".parse::<Ipv6Addr>().unwrap());
        assert!(is_solicited_node(group) && !is_solicited_node(ALL_NODES));
    }
}
