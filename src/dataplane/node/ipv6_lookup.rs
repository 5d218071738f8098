//! Destination to next hop, a whole burst at once.
//!
//! What forwards stays in the burst with its next hop chosen; own addresses go to `ipv6_local`, the
//! rest dies here, answered where RFC 4443 asks for it. Where nobody of a group lives its backup
//! takes the packets, by way of `repair_encap` when it is a tunnel. What is repaired already, as
//! its headers or its flag say, is never repaired again: two failures would send it in a circle.
//!
//! *Invariants*: what passes has `next_hop` set, and `out_port` when that is [`NEXT_HOP_ABSENT`]. A
//! packet is looked up at most [`LOOKUPS_MAX`] times.
//! *Standards*: RFC 4443 §3.1 (codes 0 and 3), RFC 6438 (flow label and multipath), RFC 5286 §1
//! (what a backup is).

use crate::base::ids::{GroupId, NextHopId};
use crate::dataplane::drop::DropReason;
use crate::dataplane::flow::flow_hash;
use crate::dataplane::graph::{Complaint, Ctx, Next, NodeId};
use crate::dataplane::node::ipv6_octets;
use crate::fib::group_table::NEXT_HOP_ABSENT;
use crate::fib::{Forwarding, NextHopGroup, RepairScope};
use crate::packet::{BURST_MAX, Burst, PacketBuf, PacketMeta};
use crate::wire::icmpv6::{CODE_ADDRESS_UNREACHABLE, CODE_NO_ROUTE, TYPE_DESTINATION_UNREACHABLE};
use crate::wire::ipv6::{Ipv6View, NEXT_IPV6};

/// Lookups of one packet: its own and that of the answer it became (STYLE §9).
pub const LOOKUPS_MAX: u8 = 2;

const NO_ROUTE: Complaint =
    Complaint { kind: TYPE_DESTINATION_UNREACHABLE, code: CODE_NO_ROUTE, value: 0 };
/// Nobody can be reached at an adjacency address.
const NOT_HERE: Complaint =
    Complaint { kind: TYPE_DESTINATION_UNREACHABLE, code: CODE_ADDRESS_UNREACHABLE, value: 0 };
const ALL_DEAD: Complaint =
    Complaint { kind: TYPE_DESTINATION_UNREACHABLE, code: CODE_ADDRESS_UNREACHABLE, value: 0 };

/// Looks a burst up; see the file.
pub fn ipv6_lookup<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let mut addresses = [0_u128; BURST_MAX];
    let mut groups = [GroupId::default(); BURST_MAX];
    let mut members = [NEXT_HOP_ABSENT; BURST_MAX];
    for (packet, address) in burst.iter().zip(&mut addresses) {
        *address = Ipv6View::new(ipv6_octets(packet)).map_or(0, |view| view.destination_bits());
    }
    let known = addresses.get(..burst.len()).unwrap_or(&addresses);
    ctx.world.table.lookup_burst(known, &mut groups);
    let known = groups.get(..burst.len()).unwrap_or(&groups);
    ctx.world.groups.choose_burst(known, &mut members, |place| {
        burst.get_mut(place).map_or(0, |packet| hash_of(packet, ctx.hash_seed))
    });

    let mut found = groups.iter().zip(&members);
    burst.sift(|slot| {
        let (Some(packet), Some((group, member))) = (slot.as_mut(), found.next()) else { return };
        let meta = packet.meta_mut();
        meta.group = *group;
        meta.next_hop = *member;
        meta.lookup_count += 1;
        if meta.lookup_count > LOOKUPS_MAX {
            next.discard(slot, DropReason::LookupLimit);
        } else if !ctx.world.liveness.is_alive(*member) {
            look_closely(slot, ctx, next);
        }
    });
}

/// What happens to a packet whose group does not forward, or whose member is dead.
#[cold]
fn look_closely<B: PacketBuf>(slot: &mut Option<B>, ctx: &Ctx<'_, B>, next: &mut Next<B>) {
    let (Some(packet), world) = (slot.as_mut(), ctx.world) else { return };
    let meta = packet.meta_mut();
    if let Some(heir) = world.replacement(meta.group, meta.flow_hash) {
        meta.next_hop = heir;
        return;
    }
    if let Some(backup) = world.backup(meta.group) {
        return repair(slot, backup, ctx, next);
    }
    match world.group(meta.group) {
        NextHopGroup::Forward { .. } => next.complain(slot, ALL_DEAD, DropReason::NextHopsDead),
        NextHopGroup::OnLink(port) => {
            meta.next_hop = NEXT_HOP_ABSENT;
            meta.out_port = *port;
        }
        NextHopGroup::Cross(_) => next.complain(slot, NOT_HERE, DropReason::AdjacencyNotTunnel),
        NextHopGroup::Local => next.divert(NodeId::Ipv6Local, slot),
        NextHopGroup::Unreachable => next.complain(slot, NO_ROUTE, DropReason::NoRoute),
        NextHopGroup::Blackhole => next.discard(slot, DropReason::Blackhole),
    }
}

/// Sends a packet by the backup of its group.
fn repair<B: PacketBuf>(
    slot: &mut Option<B>,
    backup: NextHopId,
    ctx: &Ctx<'_, B>,
    next: &mut Next<B>,
) {
    let Some(packet) = slot.as_mut() else { return };
    if packet.meta().has(PacketMeta::REPAIRED) || is_in_tunnel(packet, ctx.world) {
        return next.discard(slot, DropReason::RepairedAlready);
    }
    ctx.counters.repaired.add(1);
    packet.meta_mut().next_hop = backup;
    if ctx.world.next_hop(backup).is_some_and(|next_hop| next_hop.encapsulation.is_some()) {
        next.divert(NodeId::RepairEncap, slot);
    }
}

/// Whether the outer header is one of a repair.
fn is_in_tunnel<B: PacketBuf>(packet: &B, world: &Forwarding) -> bool {
    let Ok(view) = Ipv6View::new(ipv6_octets(packet)) else { return false };
    let Some(addresses) = world.interfaces.repair_addresses() else { return false };
    view.next_header() == NEXT_IPV6 && addresses.scope(view.destination()) != RepairScope::Elsewhere
}

#[inline]
fn hash_of<B: PacketBuf>(packet: &mut B, seed: u64) -> u32 {
    let hash = Ipv6View::new(ipv6_octets(packet)).map_or(0, |view| flow_hash(&view, seed));
    packet.meta_mut().flow_hash = hash;
    hash
}
