//! Bridged frames on their way in: who speaks, and from where.
//!
//! The source MAC is learned; frames to groups go to `bridge_flood`, the others stay. What comes by
//! each member is counted here. Both MACs of all frames are asked for a burst ahead, so that a
//! table beyond the caches costs little.
//!
//! *Invariants*: comes with `domain` and `member` set, from `ethernet_input` or `l2tpv3_decap`.
//! What passes has a whole Ethernet header and a source that may be where it is; to one MAC, its
//! places in the table as well ([`recall`]).
//! *Standards*: IEEE 802.1Q clause 8.7 (learning), table 8-1 (groups that bridges do not forward).

use crate::base::ids::{DomainId, MacAddress};
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::mac_table::{Heard, Learned, MacKey, Places};
use crate::dataplane::member_counters::{Tally, Way};
use crate::packet::{BURST_MAX, Burst, PacketBuf, PacketMeta};

/// The groups that bridges do not forward, without their last four bits.
const RESERVED: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0];

/// Learns from a burst; see the file.
pub fn bridge_input<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let Some(macs) = ctx.overlay.macs() else {
        burst.sift(|slot| next.discard(slot, DropReason::OverlayOff));
        return;
    };
    let mut tally = Tally::new(ctx.counters, Way::In);
    let mut all = [Speech::default(); BURST_MAX];
    for (packet, speech) in burst.iter().zip(&mut all) {
        if let Some((destination, source)) = keys(packet) {
            let (to, from) = (macs.places(destination), macs.places(source));
            macs.prefetch(from);
            macs.prefetch(to);
            *speech = Speech { source, from, destination, to };
        }
        let member = packet.meta().member;
        macs.prefetch_member(member);
        tally.prefetch(member);
    }
    let mut speeches = all.iter();
    burst.sift(|slot| {
        let (Some(packet), Some(speech)) = (slot.as_mut(), speeches.next()) else { return };
        tally.add(packet.meta().member, packet.len());
        match judge(packet.meta(), speech, ctx) {
            Ok(Destination::One) => remember(packet.meta_mut(), speech.to),
            Ok(Destination::Group) => next.divert(NodeId::BridgeFlood, slot),
            Err(reason) => next.discard(slot, reason),
        }
    });
    tally.finish();
}

/// Who speaks to whom, and where both are in the table.
#[derive(Clone, Copy, Default)]
struct Speech {
    source: MacKey,
    from: Places,
    destination: MacKey,
    to: Places,
}

/// Keeps the places of the destination for `bridge_forward`.
#[inline]
fn remember(meta: &mut PacketMeta, places: Places) {
    [meta.flow_hash, meta.cause_value] = places.to_words();
}

/// The places of the destination, which are forgotten.
#[inline]
pub(super) const fn recall(meta: &mut PacketMeta) -> Places {
    let places = Places::from_words([meta.flow_hash, meta.cause_value]);
    (meta.flow_hash, meta.cause_value) = (0, 0);
    places
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
fn judge<B: PacketBuf>(
    meta: &PacketMeta,
    speech: &Speech,
    ctx: &mut Ctx<'_, B>,
) -> Result<Destination, DropReason> {
    if meta.domain == DomainId(0) {
        return Err(DropReason::BridgeBlocked);
    }
    if !speech.source.is_some() {
        return Err(DropReason::EthernetTruncated);
    }
    if speech.source.is_group() {
        return Err(DropReason::EthernetSourceMulticast);
    }
    let (member, tick) = (meta.member, ctx.overlay.tick());
    let mut heard = Heard { key: speech.source, member, limit: 0, tick };
    if !ctx.overlay.macs().is_some_and(|macs| macs.is_known_at(&heard, speech.from)) {
        heard.limit = ctx.world.overlay.member(member).map_or(0, |member| member.mac_limit);
        if let Learned::Static(_) = ctx.overlay.learn(&heard, ctx.now, ctx.counters) {
            return Err(DropReason::BridgeStatic);
        }
    }
    if !speech.destination.is_group() {
        return Ok(Destination::One);
    }
    match is_reserved(speech.destination.mac()) {
        true => Err(DropReason::BridgeReserved),
        false => Ok(Destination::Group),
    }
}

fn is_reserved(MacAddress([a, b, c, d, e, f]): MacAddress) -> bool {
    [a, b, c, d, e, f & 0xf0] == RESERVED
}
