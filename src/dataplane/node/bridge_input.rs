//! Bridged frames on their way in: who speaks, and from where.
//!
//! The source MAC is learned; frames to groups go to `bridge_flood`, the others stay. What comes by
//! each member is counted here. Both MACs of all frames are asked for a burst ahead, so that a
//! table beyond the caches costs little.
//!
//! *Invariants*: comes with `domain` and `member` set, from `ethernet_input` or `l2tpv3_decap`.
//! What passes has a whole Ethernet header and a source that may be where it is.
//! *Standards*: IEEE 802.1Q clause 8.7 (learning), table 8-1 (groups that bridges do not forward).

use crate::base::ids::{DomainId, MacAddress};
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::mac_table::{Heard, Learned, MacKey};
use crate::dataplane::member_counters::{Tally, Way};
use crate::packet::{Burst, PacketBuf};

/// Bit of the first octet of a MAC that says group.
const GROUP_BIT: u8 = 1;
/// The groups that bridges do not forward, without their last four bits.
const RESERVED: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0];

/// Learns from a burst; see the file.
pub fn bridge_input<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let Some(macs) = ctx.overlay.macs() else {
        burst.sift(|slot| next.discard(slot, DropReason::OverlayOff));
        return;
    };
    let mut tally = Tally::new(ctx.counters, Way::In);
    for packet in burst.iter() {
        if let Some((destination, source)) = keys(packet) {
            macs.prefetch(source);
            macs.prefetch(destination);
        }
        tally.prefetch(packet.meta().member);
    }
    burst.iter().for_each(|packet| tally.add(packet.meta().member, packet.len()));
    tally.finish();
    burst.sift(|slot| {
        let Some(packet) = slot.as_ref() else { return };
        match judge(packet, ctx) {
            Ok(Destination::One) => {}
            Ok(Destination::Group) => next.divert(NodeId::BridgeFlood, slot),
            Err(reason) => next.discard(slot, reason),
        }
    });
}

enum Destination {
    One,
    Group,
}

/// The keys of destination and source.
#[inline]
pub(super) fn keys<B: PacketBuf>(packet: &B) -> Option<(MacKey, MacKey)> {
    let domain = packet.meta().domain;
    let header: &[u8; 14] = packet.data().first_chunk()?;
    let (destination, source) = (header.first_chunk()?, header.last_chunk()?);
    Some((MacKey::at(domain, *destination), MacKey::at(domain, *source)))
}

#[inline]
fn judge<B: PacketBuf>(packet: &B, ctx: &mut Ctx<'_, B>) -> Result<Destination, DropReason> {
    let meta = packet.meta();
    if meta.domain == DomainId(0) {
        return Err(DropReason::BridgeBlocked);
    }
    let Some((_, key)) = keys(packet) else { return Err(DropReason::EthernetTruncated) };
    let Some([to, .., from, _, _, _, _, _]) = packet.data().first_chunk::<12>() else {
        return Err(DropReason::EthernetTruncated);
    };
    if from & GROUP_BIT != 0 {
        return Err(DropReason::EthernetSourceMulticast);
    }
    let is_group = to & GROUP_BIT != 0;
    let (member, tick) = (meta.member, ctx.overlay.tick());
    let mut heard = Heard { key, member, limit: 0, tick };
    if !ctx.overlay.macs().is_some_and(|macs| macs.is_known(&heard)) {
        heard.limit = ctx.world.overlay.member(member).map_or(0, |member| member.mac_limit);
        if let Learned::Static(_) = ctx.overlay.learn(&heard, ctx.now, ctx.counters) {
            return Err(DropReason::BridgeStatic);
        }
    }
    if is_group && is_reserved(packet) {
        return Err(DropReason::BridgeReserved);
    }
    Ok(if is_group { Destination::Group } else { Destination::One })
}

fn is_reserved<B: PacketBuf>(packet: &B) -> bool {
    let Some([a, b, c, d, e, f]) = packet.data().first_chunk() else { return false };
    MacAddress([*a, *b, *c, *d, *e, f & 0xf0]) == MacAddress(RESERVED)
}
