//! Bridged frames to groups and to unknown MACs: out by all members but the one they came from.
//!
//! Each member has a limit of frames that it may flood. The last member gets the frame itself, the
//! others copies. No more copies are made at a time than a burst has room for: a frame that has
//! more members before it waits here, with the place of the next one, until those have left.
//!
//! *Invariants*: what came by a pseudowire goes to circuits only. A member that the frame is too
//! big for gets none, and the others do; its sender is told when it is the last. Every copy is
//! counted as one, and those that could not be made as dropped, too.
//! *Standards*: IEEE 802.1Q clause 8.6.1 (flooding), RFC 4762 §4.4 (split horizon).

use crate::base::ids::MemberId;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next};
use crate::dataplane::member_counters::{Tally, Way};
use crate::dataplane::node::leave::{Refusal, leave_by};
use crate::fib::bridge_table::MemberState;
use crate::packet::{Burst, PacketBuf, PacketMeta};

/// `cause` of a frame that was let in already.
const IS_ADMITTED: u16 = 1;

/// Floods a burst; see the file.
pub fn bridge_flood<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        if packet.meta().cause != IS_ADMITTED {
            let from = packet.meta().member;
            let storm = ctx.world.overlay.member(from).map(|member| member.storm);
            if !storm.is_some_and(|storm| ctx.overlay.may_flood(from, storm, ctx.now)) {
                return next.discard(slot, DropReason::BridgeStorm);
            }
            packet.meta_mut().cause = IS_ADMITTED;
        }
        flood(slot, ctx, next);
    });
}

/// Makes as many copies as there is room for, and lets go of the frame with the last.
fn flood<B: PacketBuf>(slot: &mut Option<B>, ctx: &mut Ctx<'_, B>, next: &mut Next<B>) {
    loop {
        let Some(packet) = slot.as_mut() else { return };
        let Some(target) = target(packet, ctx) else {
            return next.discard(slot, DropReason::BridgeNobody);
        };
        if next.room() == 0 {
            return next.keep(slot);
        }
        packet.meta_mut().cause_value = target.place + 1;
        let is_last = self::target(packet, ctx).is_none();
        if is_last {
            if let Some(mtu) = hand_on(slot, target.member, ctx, next) {
                next.refuse_frame(slot, mtu);
            }
            return;
        }
        if !ctx.overlay.take_copy() {
            return next.discard(slot, DropReason::FloodBudget);
        }
        ctx.counters.overlay.replicated.add(1);
        let mut copy = ctx.overlay.copy(packet);
        if copy.is_none() {
            ctx.counters.count_drops(DropReason::FloodNoBuffer, 1);
        } else if hand_on(&mut copy, target.member, ctx, next).is_some() {
            next.discard(&mut copy, DropReason::BridgeTooBig);
        }
    }
}

/// A member that gets a copy, and its place in the list of the domain.
struct Target {
    place: u32,
    member: MemberId,
}

/// The next member, from the place that the frame has come to.
fn target<B: PacketBuf>(packet: &B, ctx: &Ctx<'_, B>) -> Option<Target> {
    let meta = packet.meta();
    let domain = ctx.world.overlay.domain(meta.domain)?;
    let end = match meta.has(PacketMeta::FROM_PSEUDOWIRE) {
        true => domain.circuit_count,
        false => domain.members.len(),
    };
    let start = usize::try_from(meta.cause_value).ok()?;
    let members = (0_u32..).zip(domain.members.get(..end)?.iter()).skip(start);
    let mut others = members.filter(|(_, member)| **member != meta.member);
    others.next().map(|(place, member)| Target { place, member: *member })
}

/// Sends the frame or a copy to a member; gives the MTU of one that it is too big for.
fn hand_on<B: PacketBuf>(
    slot: &mut Option<B>,
    id: MemberId,
    ctx: &Ctx<'_, B>,
    next: &mut Next<B>,
) -> Option<u16> {
    let packet = slot.as_mut()?;
    let member = ctx.world.overlay.member(id).filter(|m| m.state == MemberState::Forwarding);
    let Some(member) = member else {
        next.discard(slot, DropReason::BridgeBlocked);
        return None;
    };
    let mut tally = Tally::new(ctx.counters, Way::Out);
    let left = leave_by(packet, id, member, &mut tally);
    tally.finish();
    match left {
        Ok(node) => next.divert(node, slot),
        Err(Refusal::TooBig(mtu)) => return Some(mtu),
        Err(Refusal::Drop(reason)) => next.discard(slot, reason),
    }
    None
}
