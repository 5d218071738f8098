//! What the tests send.

use kumiki::base::cursor::{Reader, Writer};
use kumiki::base::ids::MacAddress;
use kumiki::wire::ethernet::EthernetHeader;
use kumiki::wire::icmpv6::Icmpv6Message;
use kumiki::wire::ipv6::{Ipv6Header, NEXT_ICMPV6, NEXT_UDP};
use std::net::Ipv6Addr;

/// A host behind port 1, to which answers are routed.
pub const HOST: &str = "2001:db8:1::10";

/// An address.
pub fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// An Ethernet frame around `packet`.
pub fn frame(destination: MacAddress, source: MacAddress, packet: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    EthernetHeader::ipv6(destination, source).encode(&mut writer);
    writer.put(packet);
    writer.into_vec()
}

/// A header from [`HOST`] with hop limit 64, to be varied.
pub fn header(destination: &str, next_header: u8) -> Ipv6Header {
    Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_length: 0,
        next_header,
        hop_limit: 64,
        source: address(HOST),
        destination: address(destination),
    }
}

/// A packet with the right length.
pub fn packet(mut header: Ipv6Header, payload: &[u8]) -> Vec<u8> {
    header.payload_length = u16::try_from(payload.len()).unwrap();
    [&header.to_octets(), payload].concat()
}

/// A UDP packet of `octets` payload octets behind the UDP header.
pub fn udp(destination: &str, octets: usize) -> Vec<u8> {
    packet(header(destination, NEXT_UDP), &vec![0x5a; octets + 8])
}

/// An ICMPv6 packet, checksum included.
pub fn icmpv6(header: Ipv6Header, message: &Icmpv6Message) -> Vec<u8> {
    packet(header, &message.encode(header.source, header.destination))
}

/// An echo request.
pub fn ping(header: Ipv6Header) -> Vec<u8> {
    let data = b"0123456".to_vec();
    icmpv6(header, &Icmpv6Message::EchoRequest { identifier: 7, sequence: 9, data })
}

/// The two headers of a frame and what follows.
pub fn open(frame: &[u8]) -> (EthernetHeader, Ipv6Header, Vec<u8>) {
    let mut reader = Reader::new(frame);
    let ethernet = EthernetHeader::decode(&mut reader).unwrap();
    let ipv6 = Ipv6Header::decode(&mut reader).unwrap();
    assert_eq!(usize::from(ipv6.payload_length), reader.remaining(), "the length is right");
    (ethernet, ipv6, reader.rest().to_vec())
}

/// The ICMPv6 message of a frame, its checksum verified, with the header before it.
pub fn open_icmpv6(frame: &[u8]) -> (Ipv6Header, Icmpv6Message) {
    let (_, ipv6, payload) = open(frame);
    assert_eq!(ipv6.next_header, NEXT_ICMPV6);
    let message = Icmpv6Message::decode(ipv6.source, ipv6.destination, &payload).unwrap();
    (ipv6, message)
}
