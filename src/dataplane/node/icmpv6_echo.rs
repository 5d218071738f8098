//! Answers to echo requests, made from the request in place.
//!
//! Source and destination change places, type and checksum change, the rest stays. A request to a
//! group is answered from an address of the port.
//!
//! *Invariants*: only requests with a right checksum are answered, and only those without extension
//! headers come here. No reply goes to `::`.
//! *Standards*: RFC 4443 §4.1, §4.2; RFC 4291 §2.5.2 (`::` is no destination); RFC 1624 (the
//! checksum is changed, not made anew).

use crate::base::checksum::ipv6_upper_layer;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next};
use crate::dataplane::node::answer::{asker, send_answer};
use crate::dataplane::node::{ipv6_octets, ipv6_octets_mut};
use crate::fib::Interface;
use crate::packet::{Burst, PacketBuf};
use crate::wire::icmpv6::{HEADER_OCTETS, TYPE_ECHO_REPLY, TYPE_ECHO_REQUEST, update_checksum};
use crate::wire::ipv6::{
    HOP_LIMIT_DEFAULT, Ipv6Fields, Ipv6View, NEXT_ICMPV6, is_link_local, is_multicast,
};
use core::net::Ipv6Addr;

/// Answers a burst of echo requests; see the file.
pub fn icmpv6_echo<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        match answer(packet, ctx.interface) {
            Ok(()) => {
                let asker = asker(packet);
                send_answer(slot, asker, ctx.interface, next);
            }
            Err(reason) => next.discard(slot, reason),
        }
    });
}

fn answer<B: PacketBuf>(packet: &mut B, interface: Option<&Interface>) -> Result<(), DropReason> {
    let whole = u16::try_from(packet.len()).map_err(|_| DropReason::SegmentSplit)?;
    packet.pull_up(whole).map_err(|_| DropReason::SegmentSplit)?;
    check(ipv6_octets(packet))?;
    let short = DropReason::Icmpv6Truncated;
    let mut header = Ipv6Fields::new(ipv6_octets_mut(packet)).map_err(|_| short)?;
    let (source, destination) = (*header.source, *header.destination);
    if source == Ipv6Addr::UNSPECIFIED.octets() {
        return Err(DropReason::EchoUnanswerable);
    }
    let own = match interface {
        _ if !is_multicast(u128::from_be_bytes(destination)) => destination,
        Some(interface) if is_link_local(u128::from_be_bytes(source)) => {
            interface.link_local.octets()
        }
        Some(interface) => interface.icmp_source.octets(),
        None => return Err(DropReason::MulticastUnwanted),
    };
    header.set_hop_limit(HOP_LIMIT_DEFAULT);
    *header.source = own;
    *header.destination = source;
    let [kind, _, high, low, ..] = header.rest.first_chunk_mut::<HEADER_OCTETS>().ok_or(short)?;
    let stored = u16::from_be_bytes([*high, *low]);
    let typed = update_checksum(stored, &[TYPE_ECHO_REQUEST, 0], &[TYPE_ECHO_REPLY, 0]);
    // Swapped addresses have the sum they had; another source has not.
    let updated = update_checksum(typed, &destination, &own);
    *kind = TYPE_ECHO_REPLY;
    [*high, *low] = updated.to_be_bytes();
    Ok(())
}

fn check(octets: &[u8]) -> Result<(), DropReason> {
    let view = Ipv6View::new(octets).map_err(|_| DropReason::Icmpv6Truncated)?;
    if view.rest().len() < HEADER_OCTETS {
        return Err(DropReason::Icmpv6Truncated);
    }
    match ipv6_upper_layer(view.source(), view.destination(), NEXT_ICMPV6, view.rest()) {
        0 => Ok(()),
        _ => Err(DropReason::Icmpv6Checksum),
    }
}
