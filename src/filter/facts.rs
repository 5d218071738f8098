//! What is read of a frame, once, before a filter looks at it and before it is shown.
//!
//! Owns [`Facts`]. *Invariants*: any octets have facts; what a frame is too short for is `None`.
//! *Standards*: IEEE 802.3, RFC 8200 §4 (the upper layer stands behind the extension headers).

use crate::base::ids::MacAddress;
use crate::wire::ethernet::{ETHERTYPE_IPV6, EthernetView};
use crate::wire::ipv6::{
    Ipv6View, NEXT_ICMPV6, NEXT_L2TP, NEXT_OSPF, NEXT_SCTP, NEXT_TCP, NEXT_UDP,
};
use core::net::Ipv6Addr;

/// Protocols that have a word.
pub const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp6", NEXT_ICMPV6),
    ("tcp", NEXT_TCP),
    ("udp", NEXT_UDP),
    ("ospf", NEXT_OSPF),
    ("l2tp", NEXT_L2TP),
    ("sctp", NEXT_SCTP),
];

/// What is known of a frame; lives as long as somebody looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The Ethernet header, where there is one.
    pub ethernet: Option<EthernetFacts>,
    /// VLAN id, where there is a tag.
    pub vlan: Option<u16>,
    /// The IPv6 header, where there is one.
    pub ipv6: Option<Ipv6Facts>,
    /// Octets of the whole frame, which may be more than were looked at.
    pub length: u32,
    /// Why it was dropped, where it was.
    pub reason: Option<&'a str>,
}

/// Of the Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetFacts {
    /// Source.
    pub source: MacAddress,
    /// Destination.
    pub destination: MacAddress,
    /// What follows, behind the tag.
    pub ether_type: u16,
}

/// Of the IPv6 header and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Facts {
    /// Source.
    pub source: Ipv6Addr,
    /// Destination.
    pub destination: Ipv6Addr,
    /// Hop limit.
    pub hop_limit: u8,
    /// The upper layer; `None` where the extension headers cannot be followed.
    pub protocol: Option<u8>,
    /// Source and destination port of TCP, UDP and SCTP; `None` in later fragments.
    pub ports: Option<(u16, u16)>,
    /// Type and code of ICMPv6.
    pub message: Option<(u8, u8)>,
}

impl<'a> Facts<'a> {
    /// Of a frame of `length` octets, of which `octets` are the first.
    pub fn of_frame(octets: &[u8], length: u32) -> Self {
        let Ok(view) = EthernetView::new(octets) else {
            return Self { ethernet: None, vlan: None, ipv6: None, length, reason: None };
        };
        let ethernet = EthernetFacts {
            source: view.source(),
            destination: view.destination(),
            ether_type: view.ether_type(),
        };
        let rest = octets.get(view.len()..).unwrap_or(&[]);
        let ipv6 = if view.ether_type() == ETHERTYPE_IPV6 { ipv6(rest) } else { None };
        Self { ethernet: Some(ethernet), vlan: view.vlan_id(), ipv6, length, reason: None }
    }

    /// Of a packet without a link, from its IPv6 header on.
    pub fn of_packet(octets: &[u8], length: u32) -> Self {
        Self { ethernet: None, vlan: None, ipv6: ipv6(octets), length, reason: None }
    }

    /// The same, dropped for a reason.
    #[must_use]
    pub const fn dropped(self, reason: &'a str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// The same with the tag that was taken off it before.
    #[must_use]
    pub const fn tagged(self, vlan: u16) -> Self {
        Self { vlan: Some(vlan), ..self }
    }
}

impl Ipv6Facts {
    /// The word for its upper layer, or its number.
    pub fn protocol_name(&self) -> String {
        let Some(protocol) = self.protocol else { return "broken headers".to_owned() };
        let named = PROTOCOLS.iter().find(|(_, number)| *number == protocol);
        named.map_or_else(|| format!("proto {protocol}"), |(name, _)| (*name).to_owned())
    }
}

fn ipv6(octets: &[u8]) -> Option<Ipv6Facts> {
    let view = Ipv6View::new(octets).ok().filter(|view| view.version() == 6)?;
    let mut facts = Ipv6Facts {
        source: view.source(),
        destination: view.destination(),
        hop_limit: view.hop_limit(),
        protocol: None,
        ports: None,
        message: None,
    };
    if let Ok(upper) = view.upper_layer() {
        facts.protocol = Some(upper.protocol);
        let rest = match upper.is_later_fragment() {
            true => &[],
            false => view.rest().get(upper.offset..).unwrap_or(&[]),
        };
        match (upper.protocol, rest) {
            (NEXT_TCP | NEXT_UDP | NEXT_SCTP, [a, b, c, d, ..]) => {
                facts.ports = Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])));
            }
            (NEXT_ICMPV6, [kind, code, ..]) => facts.message = Some((*kind, *code)),
            _ => {}
        }
    }
    Some(facts)
}
