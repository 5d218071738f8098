//! Hands packets to the transmit bursts of their ports.
//!
//! A full burst is sent at once, the others at the end of the loop.
//!
//! *Invariants*: `out_port` is set; a port that this worker does not have is a drop with a reason.

use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next};
use crate::packet::{Burst, PacketBuf};

/// Queues a burst; see the file.
pub fn port_output<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    for packet in burst.drain() {
        if let Err(packet) = ctx.ports.send(packet, ctx.world, ctx.counters) {
            next.discard(&mut Some(packet), DropReason::PortGone);
        }
    }
}
