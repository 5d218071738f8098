//! Octets around the machines' messages: Ethernet and IPv6 headers on, headers off.
//!
//! Owns the reading of punted frames and the making of what the control plane sends. The messages
//! themselves belong to `wire::ospf` and `wire::nd`.
//!
//! *Standards*: RFC 2464 (IPv6 over Ethernet), RFC 5340 §A.1 (OSPF: next header 89, hop limit 1),
//! RFC 4443 §2.4 (which packets deserve an error message).

use crate::base::cursor::Writer;
use crate::base::ids::MacAddress;
use crate::wire::ethernet::{ETHERTYPE_IPV6, EthernetHeader, EthernetView, HEADER_OCTETS};
use crate::wire::icmpv6::{
    CODE_ADDRESS_UNREACHABLE, Icmpv6Message, is_error, is_neighbor_discovery,
};
use crate::wire::ipv6::{
    self, HOP_LIMIT_DEFAULT, Ipv6Header, Ipv6View, NEXT_ICMPV6, NEXT_OSPF, is_multicast,
};
use core::net::Ipv6Addr;

/// What a punted frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Punted<'a> {
    /// An OSPF packet.
    Ospf { source: Ipv6Addr, destination: Ipv6Addr, source_mac: MacAddress, bytes: &'a [u8] },
    /// An ND message, from the IPv6 header on.
    Nd { source_mac: MacAddress, packet: &'a [u8] },
    /// No IPv6 packet.
    Malformed,
    /// Nothing that the control plane speaks.
    Foreign,
}

/// Reads a frame from the destination MAC on.
pub(super) fn classify(frame: &[u8]) -> Punted<'_> {
    let Ok(ethernet) = EthernetView::new(frame) else { return Punted::Malformed };
    let packet = frame.get(ethernet.len()..).unwrap_or_default();
    let Ok(header) = Ipv6View::new(packet) else { return Punted::Malformed };
    if ethernet.ether_type() != ETHERTYPE_IPV6 || header.version() != 6 {
        return Punted::Malformed;
    }
    // What stands behind the IPv6 packet is padding of a short frame.
    let payload = usize::from(header.payload_length());
    let Some(packet) = packet.get(..ipv6::HEADER_OCTETS + payload) else {
        return Punted::Malformed;
    };
    let Ok(header) = Ipv6View::new(packet) else { return Punted::Malformed };
    let Ok(upper) = header.upper_layer() else { return Punted::Malformed };
    let bytes = header.rest().get(upper.offset..).unwrap_or_default();
    if upper.is_later_fragment() {
        return Punted::Foreign;
    }
    let source_mac = ethernet.source();
    match (upper.protocol, bytes.first()) {
        (NEXT_OSPF, _) => Punted::Ospf {
            source: header.source(),
            destination: header.destination(),
            source_mac,
            bytes,
        },
        (NEXT_ICMPV6, Some(kind)) if is_neighbor_discovery(*kind) => {
            Punted::Nd { source_mac, packet }
        }
        _ => Punted::Foreign,
    }
}

/// An OSPF packet with its IPv6 header.
pub(super) fn ospf_packet(source: Ipv6Addr, destination: Ipv6Addr, bytes: &[u8]) -> Vec<u8> {
    packet(NEXT_OSPF, 1, (source, destination), bytes)
}

/// An IPv6 packet in a frame.
pub(super) fn in_frame(destination: MacAddress, source: MacAddress, packet: &[u8]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEADER_OCTETS + packet.len());
    EthernetHeader::ipv6(destination, source).encode(&mut writer);
    writer.put(packet);
    writer.into_vec()
}

/// Destination Unreachable, code 3, about `quoted`; `None` where none is due (RFC 4443 §2.4 (e)).
pub(super) fn address_unreachable(source: Ipv6Addr, quoted: &[u8]) -> Option<Vec<u8>> {
    let header = Ipv6View::new(quoted).ok()?;
    let sender = header.source();
    if sender.is_unspecified()
        || is_multicast(header.source_bits())
        || is_multicast(header.destination_bits())
        || ipv6::is_link_local(header.source_bits())
    {
        return None;
    }
    let upper = header.upper_layer().ok()?;
    if upper.is_later_fragment() {
        return None;
    }
    let kind = header.rest().get(upper.offset).copied();
    if upper.protocol == NEXT_ICMPV6 && kind.is_none_or(is_error) {
        return None;
    }
    let message = Icmpv6Message::DestinationUnreachable {
        code: CODE_ADDRESS_UNREACHABLE,
        quote: quoted.to_vec(),
    };
    let bytes = message.encode(source, sender);
    Some(packet(NEXT_ICMPV6, HOP_LIMIT_DEFAULT, (source, sender), &bytes))
}

fn packet(
    next_header: u8,
    hop_limit: u8,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(payload.len());
    let header = Ipv6Header {
        traffic_class: if next_header == NEXT_OSPF { Ipv6Header::CLASS_CONTROL } else { 0 },
        flow_label: 0,
        // The machines stay below the MTU of their port.
        payload_length: length.unwrap_or_else(|_| unreachable!("a message beyond 65,535 octets")),
        next_header,
        hop_limit,
        source,
        destination,
    };
    let mut writer = Writer::with_capacity(ipv6::HEADER_OCTETS + payload.len());
    header.encode(&mut writer);
    writer.put(payload);
    writer.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    fn addresses() -> (Ipv6Addr, Ipv6Addr) {
        (MAC.link_local(), ipv6::ALL_SPF_ROUTERS)
    }

    #[test]
    fn an_ospf_frame_is_read_back_without_its_padding() {
        let (source, destination) = addresses();
        let packet = ospf_packet(source, destination, &[3, 1, 2]);
        let mut frame = in_frame(MacAddress::for_multicast(destination), MAC, &packet);
        frame.resize(60, 0);
        let read = classify(&frame);
        assert_eq!(read, Punted::Ospf { source, destination, source_mac: MAC, bytes: &[3, 1, 2] });
    }

    #[test]
    fn a_frame_shorter_than_its_packet_is_malformed() {
        let (source, destination) = addresses();
        let frame = in_frame(MAC, MAC, &ospf_packet(source, destination, &[1; 20]));
        assert_eq!(classify(&frame[..frame.len() - 1]), Punted::Malformed);
    }

    #[test]
    fn errors_are_not_answered_with_errors() {
        let [a, b]: [Ipv6Addr; 2] = [1, 2].map(|n| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, n));
        let plain = packet(ipv6::NEXT_UDP, 64, (a, b), &[0; 8]);
        let error = address_unreachable(b, &plain).unwrap();
        assert_eq!(Ipv6View::new(&error).unwrap().destination(), a);
        assert_eq!(address_unreachable(b, &error), None);
        let nobody = packet(ipv6::NEXT_UDP, 64, (Ipv6Addr::UNSPECIFIED, b), &[0; 8]);
        assert_eq!(address_unreachable(b, &nobody), None);
        let group = packet(ipv6::NEXT_UDP, 64, (a, ipv6::ALL_NODES), &[0; 8]);
        assert_eq!(address_unreachable(b, &group), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = classify(&bytes);
            let _ = address_unreachable(Ipv6Addr::LOCALHOST, &bytes);
        }
    }
}
