//! Packets for the control thread, each class through its policer.
//!
//! *Invariants*: `meta.cause` is the class; the form of the packet is what the class promises.

use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next};
use crate::dataplane::node::L2_OCTETS;
use crate::dataplane::punt::{PuntClass, Punted};
use crate::packet::{Burst, PacketBuf};
use core::net::Ipv6Addr;

/// Sends a burst up; see the file.
pub fn punt<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    for mut packet in burst.drain() {
        let meta = packet.meta_mut();
        let port = meta.in_port;
        let class = PuntClass::from_index(usize::from(meta.cause)).unwrap_or(PuntClass::Host);
        if !class.is_frame() {
            meta.l3_offset = 0;
            if packet.trim_front(L2_OCTETS).is_err() {
                next.discard(&mut Some(packet), DropReason::Ipv6HeaderTruncated);
                continue;
            }
        }
        let punted = Punted { class, port, neighbor: Ipv6Addr::UNSPECIFIED, packet };
        match ctx.punts.offer(punted, ctx.now) {
            Ok(()) => ctx.counters.count_punt(class),
            Err((packet, reason)) => next.discard(&mut Some(packet), reason),
        }
    }
}
