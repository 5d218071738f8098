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
    let mut places = [Pair::default(); BURST_MAX];
    for (packet, pair) in burst.iter().zip(&mut places) {
        if let Some((destination, source)) = keys(packet) {
            *pair = Pair { source: macs.places(source), destination: macs.places(destination) };
            macs.prefetch(pair.source);
            macs.prefetch(pair.destination);
        }
        let member = packet.meta().member;
        macs.prefetch_member(member);
        tally.prefetch(member);
    }
    burst.iter().for_each(|packet| tally.add(packet.meta().member, packet.len()));
    tally.finish();
    let mut pairs = places.iter();
    burst.sift(|slot| {
        let (Some(packet), Some(pair)) = (slot.as_mut(), pairs.next()) else { return };
        match judge(packet, pair.source, ctx) {
            Ok(Destination::One) => remember(packet.meta_mut(), pair.destination),
            Ok(Destination::Group) => next.divert(NodeId::BridgeFlood, slot),
            Err(reason) => next.discard(slot, reason),
        }
    });
}

/// Where the MACs of a frame are in the table.
#[derive(Clone, Copy, Default)]
struct Pair {
    source: Places,
    destination: Places,
}

/// Keeps the places of the destination for `bridge_forward`.
#[inline]
const fn remember(meta: &mut PacketMeta, places: Places) {
    (meta.flow_hash, meta.cause_value) = (places.first, places.second);
}

/// The places of the destination, which are forgotten.
#[inline]
pub(super) const fn recall(meta: &mut PacketMeta) -> Places {
    let places = Places { first: meta.flow_hash, second: meta.cause_value };
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
    packet: &B,
    source: Places,
    ctx: &mut Ctx<'_, B>,
) -> Result<Destination, DropReason> {
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
    if !ctx.overlay.macs().is_some_and(|macs| macs.is_known_at(&heard, source)) {
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
