//! ICMPv6 errors, made in place from the packet they are about.
//!
//! The packet, counted as dropped by the node that complained, is cut to what fits the minimum MTU
//! and gets two headers in front. The error is looked up like any packet.
//!
//! *Invariants*: never about an ICMPv6 error, never to a group or to nobody, never faster than the
//! bucket allows; an error is never answered by another one, because its second lookup is its last.
//! *Standards*: RFC 4443 §2.2 (source), §2.4 (rules), §3 (messages).

use crate::base::checksum::ipv6_upper_layer;
use crate::dataplane::drop::SilenceReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::node::answer::{asker, send_answer};
use crate::dataplane::node::{L2_OCTETS, ipv6_octets, ipv6_octets_mut};
use crate::fib::{Forwarding, Interface, NextHopGroup};
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::icmpv6::{
    CODE_OPTION, HEADER_OCTETS, Icmpv6View, QUOTE_OCTETS_MAX, TYPE_PACKET_TOO_BIG,
    TYPE_PARAMETER_PROBLEM, TYPE_REDIRECT, is_error,
};
use crate::wire::ipv6::{
    HEADER_OCTETS as IPV6_OCTETS, HOP_LIMIT_DEFAULT, Ipv6Header, Ipv6View, NEXT_ICMPV6,
    is_link_local, is_multicast,
};
use core::net::Ipv6Addr;

/// Errors per second and worker (RFC 4443 §2.4(f)): enough for every traceroute and path-MTU
/// discovery through a server, too few to drown it.
pub const ERRORS_PER_SECOND_MAX: u32 = 1_000;
/// Errors at once: a burst of packets that are too big.
pub const ERROR_BURST_MAX: u32 = 128;

/// Octets that the error puts before the packet.
const HEADERS_OCTETS: u16 = 48;
const _: () = assert!(HEADERS_OCTETS as usize == IPV6_OCTETS + HEADER_OCTETS);

/// Makes errors of a burst; see the file.
pub fn icmpv6_error<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let fallback = ctx.world.interfaces.iter().next();
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        let asker = asker(packet);
        match answer(packet, ctx, fallback) {
            Ok(()) => {
                ctx.counters.generated.add(1);
                send_answer(slot, asker, ctx.interface, next);
            }
            Err(reason) => {
                ctx.counters.count_silence(reason);
                next.divert(NodeId::Drop, slot);
            }
        }
    });
}

/// Turns a packet into the error about it.
fn answer<B: PacketBuf>(
    packet: &mut B,
    ctx: &mut Ctx<'_, B>,
    fallback: Option<&Interface>,
) -> Result<(), SilenceReason> {
    let kind = packet.meta().cause.to_be_bytes();
    if !is_allowed(ipv6_octets(packet), packet.meta(), kind) {
        return Err(SilenceReason::Forbidden);
    }
    if !ctx.error_limit.take(ctx.now) {
        return Err(SilenceReason::Limited);
    }
    let own = source(packet, ctx.world, ctx.interface.or(fallback));
    build(packet, own.ok_or(SilenceReason::NoSource)?)
}

/// Whether RFC 4443 §2.4(e) lets an error of this type and code answer the packet.
fn is_allowed(octets: &[u8], meta: &PacketMeta, [kind, code]: [u8; 2]) -> bool {
    let Ok(view) = Ipv6View::new(octets) else { return false };
    // "(e.3) … There are two exceptions": Packet Too Big, and Parameter Problem about an option.
    let may_answer_groups = matches!((kind, code), (TYPE_PACKET_TOO_BIG, _))
        || (kind, code) == (TYPE_PARAMETER_PROBLEM, CODE_OPTION);
    let is_to_group = is_multicast(view.destination_bits()) || meta.has(PacketMeta::LINK_MULTICAST);
    if is_to_group && !may_answer_groups {
        return false;
    }
    // "(e.6) A packet whose source address does not uniquely identify a single node".
    if view.source().is_unspecified() || is_multicast(view.source_bits()) {
        return false;
    }
    let (protocol, offset) = match view.upper_layer() {
        Ok(found) if found.is_later_fragment() => return found.protocol != NEXT_ICMPV6,
        Ok(found) => (found.protocol, found.offset),
        // "(e.1) … an ICMPv6 error message": that cannot be ruled out, except where the broken
        // chain itself is what the error is about.
        Err(_) => return kind == TYPE_PARAMETER_PROBLEM,
    };
    if protocol != NEXT_ICMPV6 {
        return true;
    }
    let message = view.rest().get(offset..).and_then(|rest| Icmpv6View::new(rest).ok());
    message.is_some_and(|message| !is_error(message.kind()) && message.kind() != TYPE_REDIRECT)
}

/// The address that the error comes from: the own address that the packet was for; else one of the
/// port that the packet came in by, or, about packets of the router and its host, of any port.
fn source<B: PacketBuf>(
    packet: &B,
    world: &Forwarding,
    interface: Option<&Interface>,
) -> Option<Ipv6Addr> {
    let interface = interface?;
    let view = Ipv6View::new(ipv6_octets(packet)).ok()?;
    let destination = view.destination();
    // RFC 4443 §2.2 (a): "If the message is a response to a message sent to one of the node's
    // unicast addresses, the Source Address of the reply MUST be that same address."
    if destination == interface.link_local || is_local(world, destination) {
        return Some(destination);
    }
    // A link-local source keeps the answer inside its scope.
    if is_link_local(view.source_bits()) {
        Some(interface.link_local)
    } else {
        Some(interface.icmp_source)
    }
}

fn is_local(world: &Forwarding, address: Ipv6Addr) -> bool {
    matches!(world.group(world.table.lookup(address.to_bits())), NextHopGroup::Local)
}

fn build<B: PacketBuf>(packet: &mut B, own: Ipv6Addr) -> Result<(), SilenceReason> {
    let split = SilenceReason::SegmentSplit;
    let quote_end = usize::from(L2_OCTETS) + QUOTE_OCTETS_MAX;
    packet.truncate(u32::try_from(quote_end).map_err(|_| split)?);
    packet.pull_up(u16::try_from(packet.len()).map_err(|_| split)?).map_err(|_| split)?;
    packet.prepend(HEADERS_OCTETS).map_err(|_| SilenceReason::NoHeadroom)?;
    write(packet, own).ok_or(split)
}

/// Writes the two headers before the quote.
fn write<B: PacketBuf>(packet: &mut B, own: Ipv6Addr) -> Option<()> {
    let [kind, code] = packet.meta().cause.to_be_bytes();
    let [v0, v1, v2, v3] = packet.meta().cause_value.to_be_bytes();
    let octets = ipv6_octets_mut(packet);
    let asker = Ipv6View::new(octets.get(usize::from(HEADERS_OCTETS)..)?).ok()?.source();
    let (front, message) = octets.split_first_chunk_mut()?;
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_length: u16::try_from(message.len()).ok()?,
        next_header: NEXT_ICMPV6,
        hop_limit: HOP_LIMIT_DEFAULT,
        source: own,
        destination: asker,
    };
    *front = header.to_octets();
    *message.first_chunk_mut()? = [kind, code, 0, 0, v0, v1, v2, v3];
    let sum = ipv6_upper_layer(own, asker, NEXT_ICMPV6, message);
    *message.get_mut(2..)?.first_chunk_mut()? = sum.to_be_bytes();
    Some(())
}
