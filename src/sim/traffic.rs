//! What kinds of frames went over the links: the ear of "then it must fall silent".
//!
//! Owns [`FrameKind`] and [`TrafficCounts`]. Looks at frames from outside, with code that the
//! routers do not use for this, and judges nothing.
//!
//! *Standards*: RFC 5340 §A.3.1 (type of an OSPF packet).

use crate::wire::ethernet::{ETHERTYPE_IPV6, EthernetView};
use crate::wire::icmpv6::is_neighbor_discovery;
use crate::wire::ipv6::{HEADER_OCTETS, Ipv6View, NEXT_ICMPV6, NEXT_OSPF};

/// What a frame is, as an observer on the link sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum FrameKind {
    /// OSPF hello.
    Hello,
    /// OSPF database description.
    DatabaseDescription,
    /// OSPF link state request.
    LinkStateRequest,
    /// OSPF link state update.
    LinkStateUpdate,
    /// OSPF link state acknowledgment.
    LinkStateAck,
    /// Neighbour Discovery.
    NeighborDiscovery,
    /// Other ICMPv6: pings and errors.
    Icmpv6,
    /// Everything else.
    Other,
}

impl FrameKind {
    /// Every kind, in order.
    pub const ALL: [Self; 8] = [
        Self::Hello,
        Self::DatabaseDescription,
        Self::LinkStateRequest,
        Self::LinkStateUpdate,
        Self::LinkStateAck,
        Self::NeighborDiscovery,
        Self::Icmpv6,
        Self::Other,
    ];

    /// The kind of an untagged frame.
    pub fn of(frame: &[u8]) -> Self {
        let Ok(ethernet) = EthernetView::new(frame) else { return Self::Other };
        let packet = frame.get(ethernet.len()..).unwrap_or_default();
        match Ipv6View::new(packet) {
            Ok(view) if ethernet.ether_type() == ETHERTYPE_IPV6 => {
                Self::of_payload(view.next_header(), packet.get(HEADER_OCTETS..))
            }
            _ => Self::Other,
        }
    }

    fn of_payload(protocol: u8, payload: Option<&[u8]>) -> Self {
        match (protocol, payload) {
            (NEXT_OSPF, Some([3, kind, ..])) => match kind {
                1 => Self::Hello,
                2 => Self::DatabaseDescription,
                3 => Self::LinkStateRequest,
                4 => Self::LinkStateUpdate,
                5 => Self::LinkStateAck,
                _ => Self::Other,
            },
            (NEXT_ICMPV6, Some([kind, ..])) if is_neighbor_discovery(*kind) => {
                Self::NeighborDiscovery
            }
            (NEXT_ICMPV6, Some([_, ..])) => Self::Icmpv6,
            _ => Self::Other,
        }
    }
}

/// Frames put on links, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounts([u64; FrameKind::ALL.len()]);

impl TrafficCounts {
    /// Counts a frame.
    pub fn count(&mut self, kind: FrameKind) {
        self.0[kind as usize] += 1;
    }

    /// Frames of a kind.
    pub fn of(&self, kind: FrameKind) -> u64 {
        self.0[kind as usize]
    }

    /// What came since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self(core::array::from_fn(|kind| self.0[kind].saturating_sub(earlier.0[kind])))
    }

    /// OSPF packets that a network at rest does not send: everything but hellos.
    pub fn unrest(&self) -> u64 {
        use FrameKind::{DatabaseDescription, LinkStateAck, LinkStateRequest, LinkStateUpdate};
        [DatabaseDescription, LinkStateRequest, LinkStateUpdate, LinkStateAck]
            .into_iter()
            .map(|kind| self.of(kind))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::MacAddress;
    use crate::wire::ipv6::{ALL_SPF_ROUTERS, HOP_LIMIT_LINK, Ipv6Header};

    fn frame(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let mac = MacAddress([2, 0, 0, 0, 0, 1]);
        let header = Ipv6Header {
            traffic_class: 0,
            flow_label: 0,
            payload_length: u16::try_from(payload.len()).unwrap(),
            next_header,
            hop_limit: HOP_LIMIT_LINK,
            source: mac.link_local(),
            destination: ALL_SPF_ROUTERS,
        };
        let mut writer = crate::base::cursor::Writer::default();
        crate::wire::ethernet::EthernetHeader::ipv6(mac, mac).encode(&mut writer);
        header.encode(&mut writer);
        writer.put(payload);
        writer.into_vec()
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(FrameKind::of(&frame(NEXT_OSPF, &[3, 1])), FrameKind::Hello);
        assert_eq!(FrameKind::of(&frame(NEXT_OSPF, &[3, 4])), FrameKind::LinkStateUpdate);
        assert_eq!(FrameKind::of(&frame(NEXT_OSPF, &[2, 4])), FrameKind::Other);
        assert_eq!(FrameKind::of(&frame(NEXT_ICMPV6, &[135])), FrameKind::NeighborDiscovery);
        assert_eq!(FrameKind::of(&frame(NEXT_ICMPV6, &[128])), FrameKind::Icmpv6);
        assert_eq!(FrameKind::of(&frame(NEXT_ICMPV6, &[])), FrameKind::Other);
        assert_eq!(FrameKind::of(&[0; 9]), FrameKind::Other);
        assert!((0..).zip(FrameKind::ALL).all(|(number, kind)| kind as usize == number));
    }

    #[test]
    fn hellos_are_no_unrest() {
        let mut counts = TrafficCounts::default();
        counts.count(FrameKind::Hello);
        let earlier = counts;
        counts.count(FrameKind::Hello);
        assert_eq!((counts.unrest(), counts.since(&earlier).of(FrameKind::Hello)), (0, 1));
        counts.count(FrameKind::LinkStateAck);
        assert_eq!(counts.since(&earlier).unrest(), 1);
    }
}
