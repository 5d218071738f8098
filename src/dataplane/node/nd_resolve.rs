//! Packets whose next hop has no MAC: they go up, where ND asks for it and keeps a few of them.
//!
//! The neighbour is the next hop's address or, on a connected prefix, the destination itself.
//!
//! *Invariants*: the packet goes up from its IPv6 header on and may be sent as it is once the MAC
//! is known: hop limit and MTU are done.
//! *Standards*: RFC 4861 §7.2.2 (the sender's queue).

use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next};
use crate::dataplane::node::{L2_OCTETS, ipv6_octets};
use crate::dataplane::punt::{PuntClass, Punted};
use crate::fib::group_table::NEXT_HOP_ABSENT;
use crate::packet::{Burst, PacketBuf};
use crate::wire::ipv6::Ipv6View;
use core::net::Ipv6Addr;

/// Sends a burst up for resolution; see the file.
pub fn nd_resolve<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    for mut packet in burst.drain() {
        let port = packet.meta().out_port;
        let neighbor = match ctx.world.next_hop(packet.meta().next_hop) {
            Some(next_hop) if packet.meta().next_hop != NEXT_HOP_ABSENT => next_hop.address,
            _ => destination(&packet),
        };
        if packet.trim_front(L2_OCTETS).is_err() {
            next.discard(&mut Some(packet), DropReason::Ipv6HeaderTruncated);
            continue;
        }
        packet.meta_mut().l3_offset = 0;
        let punted = Punted { class: PuntClass::Unresolved, port, neighbor, packet };
        match ctx.punts.offer(punted, ctx.now) {
            Ok(()) => ctx.counters.count_punt(PuntClass::Unresolved),
            Err((packet, reason)) => next.discard(&mut Some(packet), reason),
        }
    }
}

fn destination<B: PacketBuf>(packet: &B) -> Ipv6Addr {
    let view = Ipv6View::new(ipv6_octets(packet));
    view.map_or(Ipv6Addr::UNSPECIFIED, |view| view.destination())
}
