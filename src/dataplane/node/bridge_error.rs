//! Answers to frames that are too big for a pseudowire: Packet Too Big, Fragmentation Needed.
//!
//! The frame, counted as dropped by the node that refused it, is cut and gets new headers. The
//! answer goes back by the port it came from, to the MAC it came from, with the tag of its circuit.
//! It comes from an address that needs no configuration in the tenant's network: the link-local one
//! of the port, or 192.0.0.8, which RFC 7600 §4.8 reserves for such answers.
//!
//! *Invariants*: never about an error, a later fragment, to or from a group; never faster than the
//! limit of ICMPv6 errors; only where the frame came by a port: a pseudowire's far end computes its
//! MTU itself. IPv4 is answered with or without "don't fragment": a bridge fragments nothing, and a
//! sender that hears nothing would go on for ever (RFC 1191 §4 asks for it only with the bit).
//! *Standards*: RFC 4443 §2.4, §3.2; RFC 1191 §4, RFC 792, RFC 1812 §4.3.2 (rules for ICMP); RFC
//! 7600 §4.8 (192.0.0.8).

use crate::base::checksum::{InternetSum, ipv6_upper_layer};
use crate::dataplane::drop::SilenceReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::node::inner::{IPV4_OCTETS, Network};
use crate::dataplane::ports::insert_tag;
use crate::fib::{Interface, MemberKind};
use crate::packet::{Burst, PacketBuf};
use crate::wire::icmpv6::{
    HEADER_OCTETS as ICMPV6_OCTETS, Icmpv6View, QUOTE_OCTETS_MAX, TYPE_PACKET_TOO_BIG,
    TYPE_REDIRECT, is_error,
};
use crate::wire::ipv6::{
    HEADER_OCTETS as IPV6_OCTETS, HOP_LIMIT_DEFAULT, Ipv6Header, Ipv6View, NEXT_ICMPV6,
    is_multicast,
};

/// The dummy address (RFC 7600 §4.8, RFC 6333 §5.7's neighbour in the registry).
const IPV4_DUMMY: [u8; 4] = [192, 0, 0, 8];
/// Octets of an ICMP error at most (RFC 1812 §4.3.2.3), headers included.
const IPV4_ERROR_OCTETS_MAX: usize = 576;
/// Octets of IPv4 and ICMP before the quote.
const IPV4_HEADERS_OCTETS: usize = IPV4_OCTETS + 8;
const PROTOCOL_ICMP: u8 = 1;
/// Destination Unreachable, fragmentation needed.
const ICMP_TYPE: u8 = 3;
const ICMP_CODE: u8 = 4;
/// Messages of ICMP that ask and are no errors: echo, timestamp, information, address mask,
/// router discovery.
const ICMP_QUERIES: [u8; 12] = [0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43];

/// Answers a burst; see the file.
pub fn bridge_error<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        match answer(packet, ctx) {
            Ok(()) => ctx.counters.generated.add(1),
            Err(reason) => {
                ctx.counters.count_silence(reason);
                next.divert(NodeId::Drop, slot);
            }
        }
    });
}

/// Turns a frame into the answer to it.
fn answer<B: PacketBuf>(packet: &mut B, ctx: &mut Ctx<'_, B>) -> Result<(), SilenceReason> {
    let forbidden = SilenceReason::Forbidden;
    let member = ctx.world.overlay.member(packet.meta().member).ok_or(forbidden)?;
    let MemberKind::Circuit { port, vlan } = member.kind else { return Err(forbidden) };
    let interface = ctx.world.interfaces.get(port).ok_or(SilenceReason::NoSource)?;
    let network = Network::of(packet.data());
    let is_allowed = match network {
        Network::Ipv6(at) => may_answer_ipv6(packet.data().get(at..).unwrap_or(&[])),
        Network::Ipv4(at) => may_answer_ipv4(packet.data().get(at..).unwrap_or(&[])),
        Network::Other => false,
    };
    if !is_allowed {
        return Err(forbidden);
    }
    if !ctx.error_limit.take(ctx.now) {
        return Err(SilenceReason::Limited);
    }
    match network {
        Network::Ipv6(at) => build_ipv6(packet, at, interface)?,
        Network::Ipv4(at) => build_ipv4(packet, at, interface)?,
        Network::Other => {}
    }
    packet.meta_mut().out_port = port;
    if vlan != 0 {
        insert_tag(packet, vlan).ok_or(SilenceReason::NoHeadroom)?;
    }
    Ok(())
}

fn may_answer_ipv6(octets: &[u8]) -> bool {
    let Ok(view) = Ipv6View::new(octets) else { return false };
    // Packet Too Big may answer a packet to a group (RFC 4443 §2.4 (e.3)).
    if view.source().is_unspecified() || is_multicast(view.source_bits()) {
        return false;
    }
    let Ok(found) = view.upper_layer() else { return false };
    if found.protocol != NEXT_ICMPV6 {
        return true;
    }
    if found.is_later_fragment() {
        return false;
    }
    let message = view.rest().get(found.offset..).and_then(|rest| Icmpv6View::new(rest).ok());
    message.is_some_and(|message| !is_error(message.kind()) && message.kind() != TYPE_REDIRECT)
}

/// RFC 1812 §4.3.2.7.
fn may_answer_ipv4(octets: &[u8]) -> bool {
    let Some([first, _, _, _, _, _, high, low, _, protocol, _, _, addresses @ ..]) =
        octets.first_chunk::<IPV4_OCTETS>()
    else {
        return false;
    };
    let [a, b, c, d, to, ..] = *addresses;
    let is_no_host = |first: u8| first == 0 || first == 127 || first >= 224;
    if [a, b, c, d] == [0; 4] || is_no_host(a) || is_no_host(to) {
        return false;
    }
    let options_end = usize::from(first & 0x0f) * 4;
    if options_end < IPV4_OCTETS || u16::from_be_bytes([*high, *low]) & 0x1fff != 0 {
        return false;
    }
    let kind = octets.get(options_end);
    *protocol != PROTOCOL_ICMP || kind.is_some_and(|kind| ICMP_QUERIES.contains(kind))
}

/// The MACs of the answer, and the header's octets up to the network header, in the frame's room.
fn turn_round<B: PacketBuf>(
    packet: &mut B,
    (at, quote_max): (usize, usize),
    headers: usize,
    interface: &Interface,
) -> Result<(), SilenceReason> {
    let split = SilenceReason::SegmentSplit;
    let kind = at.checked_sub(2).and_then(|place| packet.data().get(place..at));
    let kind: [u8; 2] = *kind.and_then(<[u8]>::first_chunk).ok_or(split)?;
    let asker: [u8; 6] = *packet.data().get(6..).and_then(<[u8]>::first_chunk).ok_or(split)?;
    // A trunk's tag goes back as it came; the tag of an access VLAN is not there any more.
    let tags = packet.data().get(12..at - 2).ok_or(split)?;
    let mut kept = [0; 8];
    kept.get_mut(..tags.len()).ok_or(split)?.copy_from_slice(tags);
    let tag_count = tags.len();
    packet.trim_front(u16::try_from(at).map_err(|_| split)?).map_err(|_| split)?;
    packet.truncate(u32::try_from(quote_max).map_err(|_| split)?);
    packet.pull_up(u16::try_from(packet.len()).map_err(|_| split)?).map_err(|_| split)?;
    let room = u16::try_from(headers + at).map_err(|_| split)?;
    packet.prepend(room).map_err(|_| SilenceReason::NoHeadroom)?;
    let front = packet.data_mut().get_mut(..at).ok_or(split)?;
    let parts = asker.iter().chain(&interface.mac.0).chain(kept.iter().take(tag_count));
    for (place, octet) in front.iter_mut().zip(parts.chain(&kind)) {
        *place = *octet;
    }
    Ok(())
}

fn build_ipv6<B: PacketBuf>(
    packet: &mut B,
    at: usize,
    interface: &Interface,
) -> Result<(), SilenceReason> {
    let split = SilenceReason::SegmentSplit;
    let mtu = packet.meta().cause_value;
    turn_round(packet, (at, QUOTE_OCTETS_MAX), IPV6_OCTETS + ICMPV6_OCTETS, interface)?;
    let octets = packet.data_mut().get_mut(at..).ok_or(split)?;
    let quote = octets.get(IPV6_OCTETS + ICMPV6_OCTETS..).ok_or(split)?;
    let asker = Ipv6View::new(quote).map_err(|_| split)?.source();
    let (front, message) = octets.split_first_chunk_mut().ok_or(split)?;
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_length: u16::try_from(message.len()).map_err(|_| split)?,
        next_header: NEXT_ICMPV6,
        hop_limit: HOP_LIMIT_DEFAULT,
        source: interface.link_local,
        destination: asker,
    };
    *front = header.to_octets();
    let [a, b, c, d] = mtu.to_be_bytes();
    *message.first_chunk_mut().ok_or(split)? = [TYPE_PACKET_TOO_BIG, 0, 0, 0, a, b, c, d];
    let sum = ipv6_upper_layer(interface.link_local, asker, NEXT_ICMPV6, message);
    *message.get_mut(2..).and_then(<[u8]>::first_chunk_mut).ok_or(split)? = sum.to_be_bytes();
    Ok(())
}

fn build_ipv4<B: PacketBuf>(
    packet: &mut B,
    at: usize,
    interface: &Interface,
) -> Result<(), SilenceReason> {
    let split = SilenceReason::SegmentSplit;
    let mtu = u16::try_from(packet.meta().cause_value).unwrap_or(u16::MAX);
    let quote_max = IPV4_ERROR_OCTETS_MAX - IPV4_HEADERS_OCTETS;
    turn_round(packet, (at, quote_max), IPV4_HEADERS_OCTETS, interface)?;
    let octets = packet.data_mut().get_mut(at..).ok_or(split)?;
    let quote = octets.get(IPV4_HEADERS_OCTETS + 12..).ok_or(split)?;
    let [a, b, c, d] = *quote.first_chunk().ok_or(split)?;
    let [high, low] = u16::try_from(octets.len()).map_err(|_| split)?.to_be_bytes();
    let [e, f, g, h] = IPV4_DUMMY;
    let (front, message) = octets.split_first_chunk_mut().ok_or(split)?;
    let mut header: [u8; IPV4_OCTETS] = [
        0x45,
        0,
        high,
        low,
        0,
        0,
        0,
        0,
        HOP_LIMIT_DEFAULT,
        PROTOCOL_ICMP,
        0,
        0,
        e,
        f,
        g,
        h,
        a,
        b,
        c,
        d,
    ];
    [header[10], header[11]] = InternetSum::default().plus(&header).finish().to_be_bytes();
    *front = header;
    let [high, low] = mtu.to_be_bytes();
    *message.first_chunk_mut().ok_or(split)? = [ICMP_TYPE, ICMP_CODE, 0, 0, 0, 0, high, low];
    let sum = InternetSum::default().plus(message).finish();
    *message.get_mut(2..).and_then(<[u8]>::first_chunk_mut).ok_or(split)? = sum.to_be_bytes();
    Ok(())
}
