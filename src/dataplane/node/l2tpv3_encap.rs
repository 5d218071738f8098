//! Into a pseudowire: the template of the member goes before the frame, and the outer packet is
//! looked up like any other of the router.
//!
//! The flow label is made from the flow inside, so that the ways of a fabric share the traffic of
//! one pseudowire; the class is the inner one where the other end gives congestion back.
//!
//! *Invariants*: comes with the pseudowire as `member` and the number of its header as `cause`, and
//! fits its MTU. What passes is an outer
//! packet of this router's: its hop limit stays, nobody is told when it cannot go on, and it is not
//! for this router.
//! *Standards*: RFC 3931 §4.1, §4.6; RFC 6437 §3 and RFC 6438 §3 (flow label); RFC 6040 §4.1, RFC
//! 9601 §3 (ECN across a shim); RFC 8200 §8.1, RFC 6935 §5 (checksum of UDP).

use crate::base::checksum::ipv6_upper_layer;
use crate::base::prefetch::{prefetch_index, prefetch_read};
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next};
use crate::dataplane::node::inner::Network;
use crate::dataplane::node::ipv6_lookup::LOOKUPS_MAX;
use crate::dataplane::node::mss::clamp;
use crate::dataplane::node::{L2_OCTETS, ipv6_octets, ipv6_octets_mut};
use crate::fib::Overlay;
use crate::fib::tunnel_header::{
    OuterClass, SEQUENCE_BIT, Sublayer, TUNNEL_OCTETS_MAX, TunnelHeader, UdpSum,
};
use crate::packet::buf::HEADROOM_OCTETS;
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::ecn::ECN_MASK;
use crate::wire::ipv6::{HEADER_OCTETS, Ipv6Fields, Ipv6View, NEXT_UDP};

/// The whole template is copied, then its front cut off.
const TEMPLATE_OCTETS: u16 = 82;
const _: () = assert!(TEMPLATE_OCTETS as usize == TUNNEL_OCTETS_MAX);
const _: () = assert!(TEMPLATE_OCTETS + 4 <= HEADROOM_OCTETS, "a tag of the port fits as well");
const IPV6_OCTETS: u16 = 40;
const _: () = assert!(IPV6_OCTETS as usize == HEADER_OCTETS);
/// Where the length of a datagram stands behind the IPv6 header; its checksum is next.
const UDP_LENGTH_OFFSET: usize = 4;

/// Puts a burst into its pseudowires; see the file.
pub fn l2tpv3_encap<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let overlay = &ctx.world.overlay;
    for packet in burst.iter() {
        if let Some(header) = overlay.header(packet.meta().cause) {
            // It has two lines.
            prefetch_read(header);
            prefetch_index(header.template(), TUNNEL_OCTETS_MAX - 1);
        }
    }
    let mut count = 0;
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        match put_on(packet, overlay, ctx.hash_seed) {
            Ok(()) => count += 1,
            Err(reason) => next.discard(slot, reason),
        }
    });
    ctx.counters.overlay.encapsulated.add(count);
}

#[inline]
fn put_on<B: PacketBuf>(packet: &mut B, overlay: &Overlay, seed: u64) -> Result<(), DropReason> {
    let (id, header) = (packet.meta().member, packet.meta().cause);
    let header = overlay.header(header).ok_or(DropReason::BridgeNobody)?;
    let behind = header.overhead().saturating_sub(IPV6_OCTETS);
    let length = packet.len() + u32::from(behind);
    let length = u16::try_from(length).map_err(|_| DropReason::BridgeTooBig)?;
    let network = Network::of(packet.data());
    let class = match header.class {
        OuterClass::Copy => network.class(packet.data()),
        OuterClass::CopyDscp => network.class(packet.data()) & !ECN_MASK,
        OuterClass::Fixed(class) => class,
    };
    if let Some(mtu) = header.mss_mtu {
        clamp(packet.data_mut(), network, mtu);
    }
    let flow_label = network.flow(packet.data(), seed);
    let place = packet.prepend(TEMPLATE_OCTETS).map_err(|_| DropReason::NoHeadroom)?;
    *place.first_chunk_mut().ok_or(DropReason::SegmentSplit)? = *header.template();
    let unused = TEMPLATE_OCTETS.saturating_sub(header.used());
    packet.trim_front(unused).map_err(|_| DropReason::SegmentSplit)?;
    let split = |_| DropReason::SegmentSplit;
    let mut fields = Ipv6Fields::new(ipv6_octets_mut(packet)).map_err(split)?;
    fields.set_traffic_class(class);
    fields.set_flow_label(flow_label);
    fields.set_payload_length(length);
    let meta = packet.meta_mut();
    meta.flags = PacketMeta::INJECTED | PacketMeta::TUNNELLED;
    meta.lookup_count = LOOKUPS_MAX - 1;
    meta.l3_offset = L2_OCTETS;
    (meta.flow_hash, meta.vlan, meta.cause, meta.cause_value) = (0, 0, 0, 0);
    if header.sublayer == Sublayer::Sequenced {
        write_number(packet, header, overlay.sequences.next(id));
    }
    match header.sum {
        None => Ok(()),
        Some(sum) => finish_datagram(packet, length, sum),
    }
}

/// Writes the number into the sublayer, the last octets before the frame.
fn write_number<B: PacketBuf>(packet: &mut B, header: &TunnelHeader, number: u32) {
    let end = usize::from(header.used());
    let place = packet.data_mut().get_mut(..end).and_then(<[u8]>::last_chunk_mut);
    if let Some(place) = place {
        *place = (SEQUENCE_BIT | number).to_be_bytes();
    }
}

/// Writes length and checksum of a datagram.
fn finish_datagram<B: PacketBuf>(
    packet: &mut B,
    length: u16,
    sum: UdpSum,
) -> Result<(), DropReason> {
    let split = DropReason::SegmentSplit;
    let datagram = ipv6_octets_mut(packet).get_mut(HEADER_OCTETS..).ok_or(split)?;
    *datagram.get_mut(UDP_LENGTH_OFFSET..).and_then(<[u8]>::first_chunk_mut).ok_or(split)? =
        length.to_be_bytes();
    if sum == UdpSum::Zero {
        return Ok(());
    }
    let view = Ipv6View::new(ipv6_octets(packet)).map_err(|_| split)?;
    let datagram = view.rest().get(..usize::from(length)).ok_or(split)?;
    let sum = match ipv6_upper_layer(view.source(), view.destination(), NEXT_UDP, datagram) {
        // RFC 8200 §8.1: "if that computation yields a result of zero, it must be changed to hex
        // FFFF".
        0 => u16::MAX,
        sum => sum,
    };
    let place = ipv6_octets_mut(packet).get_mut(HEADER_OCTETS + UDP_LENGTH_OFFSET + 2..);
    *place.and_then(<[u8]>::first_chunk_mut).ok_or(split)? = sum.to_be_bytes();
    Ok(())
}
