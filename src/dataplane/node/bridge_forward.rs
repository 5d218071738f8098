//! Bridged frames to one MAC: out by the member behind which it is.
//!
//! A MAC that is not known is flooded. What came by a pseudowire leaves by none: every member of a
//! tenant has a pseudowire to every other one, so who sent it did so there as well, and there is no
//! loop without a spanning tree.
//!
//! *Invariants*: comes from `bridge_input`. What stays leaves by the port of a circuit as it is. A
//! frame stays in its domain: the member that is found is looked at for that, too.
//! *Standards*: IEEE 802.1Q clause 8.6 (forwarding), RFC 4762 §4.4 (split horizon).

use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::member_counters::{Tally, Way};
use crate::dataplane::node::bridge_input::keys;
use crate::dataplane::node::leave::{Refusal, leave_by};
use crate::packet::{Burst, PacketBuf, PacketMeta};

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
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        let meta = packet.meta();
        let (from, domain) = (meta.member, meta.domain);
        let is_from_pseudowire = meta.has(PacketMeta::FROM_PSEUDOWIRE);
        let found = keys(packet).and_then(|(key, _)| macs.find(key, tick));
        let found = found.and_then(|id| Some((id, overlay.member(id)?)));
        let Some((id, member)) = found.filter(|(_, member)| member.domain == domain) else {
            return next.divert(NodeId::BridgeFlood, slot);
        };
        if id == from {
            return next.discard(slot, DropReason::BridgeSameMember);
        }
        if is_from_pseudowire && member.is_pseudowire() {
            return next.discard(slot, DropReason::BridgeSplitHorizon);
        }
        match leave_by(packet, id, member, &mut tally) {
            Ok(NodeId::PortOutput) => {}
            Ok(node) => next.divert(node, slot),
            Err(Refusal::TooBig(mtu)) => next.refuse_frame(slot, mtu),
            Err(Refusal::Drop(reason)) => next.discard(slot, reason),
        }
    });
    tally.finish();
}
