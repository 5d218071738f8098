//! Bridged frames to one MAC: out by the member behind which it is.
//!
//! A MAC that is not known is flooded. What came by a pseudowire leaves by none: every member of a
//! tenant has a pseudowire to every other one, so who sent it did so there as well, and there is no
//! loop without a spanning tree.
//!
//! *Invariants*: comes from `bridge_input`. What stays leaves by the port of a circuit as it is. A
//! frame stays in its domain: the member that is found is looked at for that, too.
//! *Standards*: IEEE 802.1Q clause 8.6 (forwarding), RFC 4762 §4.4 (split horizon).

use crate::base::ids::MemberId;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::member_counters::{Tally, Way};
use crate::dataplane::node::bridge_input::{keys, recall};
use crate::dataplane::node::leave::{Refusal, leave_by};
use crate::fib::Overlay;
use crate::packet::{BURST_MAX, Burst, PacketBuf, PacketMeta};

/// Sends a burst to its members; see the file.
pub fn bridge_forward<B: PacketBuf>(
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) {
    let overlay = &ctx.world.overlay;
    let (Some(macs), tick) = (ctx.overlay.macs(), ctx.overlay.tick()) else {
        burst.sift(|slot| next.discard(slot, DropReason::OverlayOff));
        return;
    };
    let mut tally = Tally::new(ctx.counters, Way::Out);
    let mut candidates = [None; BURST_MAX];
    for (packet, candidate) in burst.iter_mut().zip(&mut candidates) {
        let places = recall(packet.meta_mut());
        *candidate = keys(packet).and_then(|(key, _)| macs.candidate(key, places));
        if let Some(candidate) = candidate {
            macs.prefetch_member(candidate.member());
            overlay.prefetch_member(candidate.member());
            tally.prefetch(candidate.member());
        }
    }
    let mut found = candidates.iter().copied();
    // What goes where the first one went stays in the burst.
    let mut main = None;
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        let found = found.next().flatten();
        let id = found.and_then(|candidate| macs.confirm(candidate, tick));
        match forward(packet, id, overlay, &mut tally) {
            Ok(node) if *main.get_or_insert(node) == node => {}
            Ok(node) => next.divert(node, slot),
            Err(Refusal::TooBig(mtu)) => next.refuse_frame(slot, mtu),
            Err(Refusal::Drop(reason)) => next.discard(slot, reason),
        }
    });
    tally.finish();
    if let Some(node) = main.filter(|node| *node != NodeId::PortOutput) {
        next.divert_all(node, burst);
    }
}

/// Prepares a frame for the member behind which its destination is.
#[inline]
fn forward<B: PacketBuf>(
    packet: &mut B,
    id: Option<MemberId>,
    overlay: &Overlay,
    tally: &mut Tally<'_>,
) -> Result<NodeId, Refusal> {
    let meta = packet.meta();
    let found = id.and_then(|id| Some((id, overlay.member(id)?)));
    let Some((id, member)) = found.filter(|(_, member)| member.domain == meta.domain) else {
        return Ok(NodeId::BridgeFlood);
    };
    if id == meta.member {
        return Err(Refusal::Drop(DropReason::BridgeSameMember));
    }
    if meta.has(PacketMeta::FROM_PSEUDOWIRE) && member.is_pseudowire() {
        return Err(Refusal::Drop(DropReason::BridgeSplitHorizon));
    }
    leave_by(packet, id, member, tally)
}
