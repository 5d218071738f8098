//! Octets of a test frame, and the signature by which it is known again.
//!
//! Owns [`Template`], [`Stamp`] and [`recognise`]. A frame is copied from a template; destination,
//! stream, sequence number and time are written into it, and the UDP checksum follows from the
//! template's sum.
//!
//! ```text
//! UDP      Ethernet 14 | IPv6 40 | UDP 8 | signature 20 | zeros
//! L2TPv3   Ethernet 14 | IPv6 40 | session 4 | cookie | Ethernet 14 | signature 20 | zeros
//! compact  Ethernet 14 | IPv6 40, stream and sequence in the source address | time 6 | zeros
//! ```
//!
//! Frames too small for a UDP signature (below 86 octets with FCS) are compact: a frame of 64
//! octets has six behind the IPv6 header. Their source address differs from packet to packet, so
//! that a device which spreads flows by it may change their order.
//!
//! *Standards*: RFC 2544 §C.2.6.4 (what a test frame looks like), RFC 3692 (protocol 253), RFC
//! 3931 §4.1.2.1 (L2TPv3 over IP), EtherType 0x88b5 (IEEE 802, local experiments).

use crate::traffic::mix::FCS_OCTETS;
use crate::traffic::stream::{PORT_DESTINATION, PORT_FIRST, Payload, Traffic};
use kumiki::base::checksum::InternetSum;
use kumiki::packet::{NoRoom, PacketBuf};
use kumiki::wire::ethernet::{ETHERTYPE_IPV6, EthernetView};
use kumiki::wire::ipv6::{NEXT_L2TP, NEXT_UDP};
use std::net::Ipv6Addr;

/// Octets of the signature.
pub const SIGNATURE_OCTETS: usize = 20;
/// Smallest frame, FCS included, that has UDP and a signature.
pub const UDP_OCTETS_MIN: u16 = 62 + 20 + FCS_OCTETS;

const MAGIC: [u8; 4] = *b"KuMi";
const COMPACT_MAGIC: u8 = 0x6b;
const NEXT_EXPERIMENT: u8 = 253;
const ETHERTYPE_EXPERIMENT: u16 = 0x88b5;
const ETHERNET: usize = 14;
const IPV6: usize = 40;
const SOURCE: usize = ETHERNET + 8;
const DESTINATION: usize = ETHERNET + 24;
const PAYLOAD: usize = ETHERNET + IPV6;
const UDP_CHECKSUM: usize = PAYLOAD + 6;
const UDP_PAYLOAD: usize = PAYLOAD + 8;
/// Bits of a clock that a frame carries.
const TICKS_MASK: u64 = (1 << 48) - 1;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which trial; frames of an earlier one are no part of this.
    pub epoch: u8,
    /// Which stream.
    pub stream: u16,
    /// Which frame of the stream, from 0.
    pub sequence: u32,
    /// When it was made; 48 bits.
    pub ticks: u64,
}

impl Stamp {
    /// Ticks from then to `now`.
    #[inline]
    pub const fn age(self, now: u64) -> u64 {
        now.wrapping_sub(self.ticks) & TICKS_MASK
    }

    fn signature(self) -> [u8; SIGNATURE_OCTETS] {
        let mut octets = [0; SIGNATURE_OCTETS];
        octets[..4].copy_from_slice(&MAGIC);
        octets[4] = self.epoch;
        octets[6..8].copy_from_slice(&self.stream.to_be_bytes());
        octets[8..12].copy_from_slice(&self.sequence.to_be_bytes());
        octets[12..].copy_from_slice(&(self.ticks & TICKS_MASK).to_be_bytes());
        octets
    }

    fn from_signature(octets: &[u8]) -> Option<Self> {
        let octets: &[u8; SIGNATURE_OCTETS] = octets.first_chunk()?;
        let [m0, m1, m2, m3, epoch, _, t0, t1, s0, s1, s2, s3, ticks @ ..] = *octets;
        ([m0, m1, m2, m3] == MAGIC).then_some(Self {
            epoch,
            stream: u16::from_be_bytes([t0, t1]),
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            ticks: u64::from_be_bytes(ticks),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Udp,
    Tunnel { signature: usize, session: u32 },
    Compact,
}

/// A frame of one size without what differs from packet to packet.
#[derive(Clone, Debug)]
pub struct Template {
    octets: Vec<u8>,
    layout: Layout,
    /// Over the pseudo-header and the datagram, without what differs.
    sum: InternetSum,
}

/// Smallest frame, FCS included, that this payload allows.
pub fn octets_min(payload: &Payload) -> u16 {
    match payload {
        Payload::Udp => crate::traffic::mix::FRAME_OCTETS_MIN,
        Payload::L2tpv3 { cookie, .. } => {
            let octets = PAYLOAD + 4 + cookie.len() + ETHERNET + SIGNATURE_OCTETS;
            u16::try_from(octets).unwrap_or(u16::MAX) + FCS_OCTETS
        }
    }
}

impl Template {
    /// A frame of `octets`, FCS included; at least [`octets_min`].
    pub fn new(traffic: &Traffic, octets: u16) -> Self {
        let length = usize::from(octets.max(octets_min(&traffic.payload)) - FCS_OCTETS);
        let mut frame = vec![0; length];
        frame[..6].copy_from_slice(&traffic.next_hop_mac.0);
        frame[6..12].copy_from_slice(&traffic.source_mac.0);
        frame[12..14].copy_from_slice(&ETHERTYPE_IPV6.to_be_bytes());
        let behind = u16::try_from(length - PAYLOAD).unwrap_or(0).to_be_bytes();
        frame[14] = 0x60;
        frame[18..20].copy_from_slice(&behind);
        frame[21] = traffic.hop_limit;
        frame[SOURCE..DESTINATION].copy_from_slice(&traffic.source.octets());
        let (layout, next_header) = match &traffic.payload {
            Payload::Udp if octets < UDP_OCTETS_MIN => (Layout::Compact, NEXT_EXPERIMENT),
            Payload::Udp => {
                frame[PAYLOAD + 2..PAYLOAD + 4].copy_from_slice(&PORT_DESTINATION.to_be_bytes());
                frame[PAYLOAD + 4..PAYLOAD + 6].copy_from_slice(&behind);
                (Layout::Udp, NEXT_UDP)
            }
            Payload::L2tpv3 { session, cookie } => {
                let inner = PAYLOAD + 4 + cookie.len();
                frame[PAYLOAD + 4..inner].copy_from_slice(cookie);
                frame[inner..inner + 6].copy_from_slice(&[0x02, 0, 0, 0, 0, 2]);
                frame[inner + 6..inner + 12].copy_from_slice(&[0x02, 0, 0, 0, 0, 1]);
                frame[inner + 12..inner + 14].copy_from_slice(&ETHERTYPE_EXPERIMENT.to_be_bytes());
                (Layout::Tunnel { signature: inner + ETHERNET, session: *session }, NEXT_L2TP)
            }
        };
        frame[20] = next_header;
        let upper = u32::from(u16::from_be_bytes(behind));
        let sum = InternetSum::default()
            .plus_pseudo_header(traffic.source, Ipv6Addr::UNSPECIFIED, upper, next_header)
            .plus(&frame[PAYLOAD..]);
        Self { octets: frame, layout, sum }
    }

    /// Octets in a buffer: without FCS.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Writes the frame into an empty buffer.
    #[inline]
    pub fn fill<B: PacketBuf>(
        &self,
        packet: &mut B,
        stamp: Stamp,
        destination: &Ipv6Addr,
    ) -> Result<(), NoRoom> {
        packet.append(&self.octets)?;
        let data = packet.data_mut();
        let short = NoRoom { wanted: 0, room: 0 };
        let to = destination.octets();
        data.get_mut(DESTINATION..PAYLOAD).ok_or(short)?.copy_from_slice(&to);
        match self.layout {
            Layout::Udp => {
                let signature = stamp.signature();
                let port = PORT_FIRST.wrapping_add(stamp.stream).to_be_bytes();
                let sum = self.sum.plus(&to).plus(&port).plus(&signature).finish();
                // RFC 8200 §8.1: zero is sent as all ones.
                let sum = if sum == 0 { u16::MAX } else { sum };
                data.get_mut(PAYLOAD..PAYLOAD + 2).ok_or(short)?.copy_from_slice(&port);
                let place = data.get_mut(UDP_CHECKSUM..UDP_PAYLOAD).ok_or(short)?;
                place.copy_from_slice(&sum.to_be_bytes());
                let place = data.get_mut(UDP_PAYLOAD..UDP_PAYLOAD + SIGNATURE_OCTETS);
                place.ok_or(short)?.copy_from_slice(&signature);
            }
            Layout::Tunnel { signature, session } => {
                let session = session.wrapping_add(u32::from(stamp.stream)).to_be_bytes();
                data.get_mut(PAYLOAD..PAYLOAD + 4).ok_or(short)?.copy_from_slice(&session);
                let place = data.get_mut(signature..signature + SIGNATURE_OCTETS);
                place.ok_or(short)?.copy_from_slice(&stamp.signature());
            }
            Layout::Compact => {
                let [t0, t1] = stamp.stream.to_be_bytes();
                let [s0, s1, s2, s3] = stamp.sequence.to_be_bytes();
                let name = [COMPACT_MAGIC, stamp.epoch, t0, t1, s0, s1, s2, s3];
                data.get_mut(SOURCE + 8..DESTINATION).ok_or(short)?.copy_from_slice(&name);
                let [_, _, ticks @ ..] = stamp.ticks.to_be_bytes();
                data.get_mut(PAYLOAD..PAYLOAD + 6).ok_or(short)?.copy_from_slice(&ticks);
            }
        }
        Ok(())
    }
}

/// The stamp of a frame of ours: as it was sent, out of its tunnel, or in somebody else's.
#[inline]
pub fn recognise(frame: &[u8]) -> Option<Stamp> {
    inside(frame).or_else(|| {
        let view = EthernetView::new(frame).ok()?;
        let packet = frame.get(view.len()..)?;
        if view.ether_type() != ETHERTYPE_IPV6 || *packet.get(6)? != NEXT_L2TP {
            return None;
        }
        // Session, cookie of 0, 4 or 8 octets, sublayer of 0 or 4.
        [4, 8, 12, 16].into_iter().find_map(|at| inside(packet.get(IPV6 + at..)?))
    })
}

/// The stamp of a frame that is in no tunnel.
#[inline]
fn inside(frame: &[u8]) -> Option<Stamp> {
    let view = EthernetView::new(frame).ok()?;
    let packet = frame.get(view.len()..)?;
    match view.ether_type() {
        ETHERTYPE_EXPERIMENT => Stamp::from_signature(packet),
        ETHERTYPE_IPV6 => match *packet.get(6)? {
            NEXT_UDP => Stamp::from_signature(packet.get(IPV6 + 8..)?),
            NEXT_EXPERIMENT => {
                let name: &[u8; 8] = packet.get(16..)?.first_chunk()?;
                let [COMPACT_MAGIC, epoch, t0, t1, s0, s1, s2, s3] = *name else { return None };
                let [a, b, c, d, e, f] = *packet.get(IPV6..)?.first_chunk()?;
                Some(Stamp {
                    epoch,
                    stream: u16::from_be_bytes([t0, t1]),
                    sequence: u32::from_be_bytes([s0, s1, s2, s3]),
                    ticks: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
                })
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::mix::Mix;
    use crate::traffic::stream::Destinations;
    use kumiki::base::ids::MacAddress;
    use kumiki::packet::HeapBuf;
    use kumiki::wire::udp::UdpHeader;

    const STAMP: Stamp = Stamp { epoch: 3, stream: 513, sequence: 70_000, ticks: 0x1234_5678_9abc };

    fn traffic(payload: Payload) -> Traffic {
        Traffic {
            payload,
            mix: Mix::of(64),
            source: "2001:db8::1".parse().unwrap(),
            destinations: Destinations::within("", &[], 1),
            streams: 1,
            source_mac: MacAddress([2, 0, 0, 0, 0, 1]),
            next_hop_mac: MacAddress([2, 0, 0, 0, 0, 2]),
            hop_limit: 64,
        }
    }

    fn frame(payload: Payload, octets: u16) -> Vec<u8> {
        let mut packet = HeapBuf::new(&[]);
        let template = Template::new(&traffic(payload), octets);
        template.fill(&mut packet, STAMP, &"2001:db8:1::2".parse().unwrap()).unwrap();
        packet.data().to_vec()
    }

    #[test]
    fn every_frame_is_known_again_and_has_its_size() {
        for octets in [64, 85, 86, 128, 1518, 9018] {
            let frame = frame(Payload::Udp, octets);
            assert_eq!(frame.len(), usize::from(octets - FCS_OCTETS));
            assert_eq!(recognise(&frame), Some(STAMP), "{octets}");
        }
        for cookie in [0, 4, 8] {
            let frame = frame(Payload::L2tpv3 { session: 7, cookie: vec![9; cookie] }, 200);
            assert_eq!(recognise(&frame), Some(STAMP));
            assert_eq!(recognise(&frame[PAYLOAD + 4 + cookie..]), Some(STAMP), "out of the tunnel");
        }
    }

    #[test]
    fn a_datagram_is_a_right_one() {
        let frame = frame(Payload::Udp, 300);
        let address = |at: usize| Ipv6Addr::from(*frame[at..].first_chunk::<16>().unwrap());
        let (header, payload) =
            UdpHeader::decode(address(SOURCE), address(DESTINATION), &frame[PAYLOAD..]).unwrap();
        assert_eq!(header.source_port, PORT_FIRST + 513);
        assert_eq!(payload.len(), 300 - 4 - 62);
    }

    #[test]
    fn what_a_router_encapsulates_is_known_again() {
        let inner = frame(Payload::Udp, 128);
        let mut outer = frame(Payload::L2tpv3 { session: 1, cookie: vec![0; 8] }, 128);
        outer.truncate(PAYLOAD + 12);
        outer.extend_from_slice(&inner);
        assert_eq!(recognise(&outer), Some(STAMP));
    }

    #[test]
    fn frames_of_others_are_not_known() {
        let mut frame = frame(Payload::Udp, 128);
        for cut in 0..82 {
            assert_eq!(recognise(&frame[..cut]), None, "{cut}");
        }
        frame[UDP_PAYLOAD] = 0;
        assert_eq!(recognise(&frame), None);
    }

    #[test]
    fn age_survives_the_wrap_of_the_clock() {
        assert_eq!(Stamp { ticks: TICKS_MASK, ..STAMP }.age(TICKS_MASK + 6), 6);
    }
}
