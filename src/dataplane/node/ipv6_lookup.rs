//! Destination to next hop, a whole burst at once.
//!
//! What forwards stays in the burst with its next hop chosen; own addresses go to `ipv6_local`, the
//! rest dies here, answered where RFC 4443 asks for it.
//!
//! *Invariants*: what passes has `next_hop` set, and `out_port` when that is [`NEXT_HOP_ABSENT`]. A
//! packet is looked up at most [`LOOKUPS_MAX`] times.
//! *Standards*: RFC 4443 §3.1 (codes 0 and 3), RFC 6438 (flow label and multipath).

use crate::base::ids::GroupId;
use crate::dataplane::drop::DropReason;
use crate::dataplane::flow::flow_hash;
use crate::dataplane::graph::{Complaint, Ctx, Next, NodeId};
use crate::dataplane::node::ipv6_octets;
use crate::fib::group_table::NEXT_HOP_ABSENT;
use crate::fib::{Forwarding, NextHopGroup};
use crate::packet::{BURST_MAX, Burst, PacketBuf};
use crate::wire::icmpv6::{CODE_ADDRESS_UNREACHABLE, CODE_NO_ROUTE, TYPE_DESTINATION_UNREACHABLE};
use crate::wire::ipv6::Ipv6View;

/// Lookups of one packet: its own and that of the answer it became (STYLE §9).
pub const LOOKUPS_MAX: u8 = 2;

const NO_ROUTE: Complaint =
    Complaint { kind: TYPE_DESTINATION_UNREACHABLE, code: CODE_NO_ROUTE, value: 0 };
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
            look_closely(slot, ctx.world, next);
        }
    });
}

/// What happens to a packet whose group does not forward, or whose member is dead.
#[cold]
fn look_closely<B: PacketBuf>(slot: &mut Option<B>, world: &Forwarding, next: &mut Next<B>) {
    let Some(packet) = slot.as_mut() else { return };
    let meta = packet.meta_mut();
    if let Some(heir) = world.replacement(meta.group, meta.flow_hash) {
        meta.next_hop = heir;
        return;
    }
    match world.group(meta.group) {
        NextHopGroup::Forward { .. } => next.complain(slot, ALL_DEAD, DropReason::NextHopsDead),
        NextHopGroup::OnLink(port) => {
            meta.next_hop = NEXT_HOP_ABSENT;
            meta.out_port = *port;
        }
        NextHopGroup::Local => next.divert(NodeId::Ipv6Local, slot),
        NextHopGroup::Unreachable => next.complain(slot, NO_ROUTE, DropReason::NoRoute),
        NextHopGroup::Blackhole => next.discard(slot, DropReason::Blackhole),
    }
}

#[inline]
fn hash_of<B: PacketBuf>(packet: &mut B, seed: u64) -> u32 {
    let hash = Ipv6View::new(ipv6_octets(packet)).map_or(0, |view| flow_hash(&view, seed));
    packet.meta_mut().flow_hash = hash;
    hash
}
