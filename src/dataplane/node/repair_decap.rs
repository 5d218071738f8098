//! Out of the tunnel of a repair: its header comes off, and the packet inside goes on.
//!
//! A header for this router's loopback leads to the lookup of what is inside. One for an adjacency
//! address leads straight out by that link, whatever the table says, and only while the neighbour
//! there lives. Several headers for this router, one behind the other, come off at once.
//!
//! *Invariants*: comes from `ipv6_input`, which has seen that the packet is from the fabric, as
//! long as its header says and for one of the addresses. Only the loopback of another router of the
//! cluster, reachable by a route of its own, may have put it in. What passes is flagged
//! [`PacketMeta::REPAIRED`], has at most as many hops left as either header had, and never a hop
//! limit that proves a link (RFC 5082); it is a packet that `ipv6_input` would have let pass.
//! *Standards*: RFC 2473 §3.3 (decapsulation), RFC 6040 §4.2 (congestion), RFC 4291 §2.5, §2.7.

use crate::base::ids::NextHopId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::REPAIR_SEGMENTS_MAX;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::node::{L2_OCTETS, ipv6_octets, ipv6_octets_mut};
use crate::fib::{Forwarding, NextHopGroup, RepairAddresses, RepairScope};
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::ecn;
use crate::wire::ipv6::{
    HEADER_OCTETS, HOP_LIMIT_LINK, Ipv6Fields, Ipv6View, NEXT_IPV6, is_link_local, is_multicast,
};
use core::net::Ipv6Addr;

/// Octets of one header, as buffers count.
const OUTER_OCTETS: u16 = 40;
const _: () = assert!(OUTER_OCTETS as usize == HEADER_OCTETS);
/// Octets that must be in one piece: the old Ethernet header, the tunnel's, the packet's.
const HEADERS_OCTETS: u16 = L2_OCTETS + 2 * OUTER_OCTETS;

/// Takes a burst out of its tunnels; see the file.
pub fn repair_decap<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        match take_off(packet, ctx.world) {
            Ok(onward) => {
                ctx.counters.decapsulated.add(1);
                packet.meta_mut().flags |= PacketMeta::REPAIRED;
                if let Onward::Cross(next_hop) = onward {
                    packet.meta_mut().next_hop = next_hop;
                    next.divert(NodeId::Ipv6Rewrite, slot);
                }
            }
            Err(reason) => next.discard(slot, reason),
        }
    });
}

/// Where a packet goes that came out of a tunnel.
enum Onward {
    /// Wherever its destination is.
    Route,
    /// To this neighbour.
    Cross(NextHopId),
}

/// Takes off all headers that are for this router, up to the first that says where to go.
fn take_off<B: PacketBuf>(packet: &mut B, world: &Forwarding) -> Result<Onward, DropReason> {
    let addresses = world.interfaces.repair_addresses().ok_or(DropReason::RepairPort)?;
    for _ in 0..REPAIR_SEGMENTS_MAX {
        let outer = inspect(packet, world, addresses)?;
        let cross = match addresses.scope(outer.destination) {
            RepairScope::Adjacency => Some(cross(outer.destination, world)?),
            _ => None,
        };
        remove(packet, &outer)?;
        if let Some(next_hop) = cross {
            return Ok(Onward::Cross(next_hop));
        }
        if !is_for_us(packet, addresses) {
            return Ok(Onward::Route);
        }
    }
    Err(DropReason::RepairHeaders)
}

/// What is needed of a header that passed the checks.
struct Checked {
    destination: Ipv6Addr,
    /// Of the packet inside, when it is outside.
    traffic_class: u8,
    hop_limit: u8,
}

/// The checks, each with its reason.
fn inspect<B: PacketBuf>(
    packet: &mut B,
    world: &Forwarding,
    addresses: &RepairAddresses,
) -> Result<Checked, DropReason> {
    let short = DropReason::RepairInnerTruncated;
    if packet.len() < u32::from(HEADERS_OCTETS) {
        return Err(short);
    }
    packet.pull_up(HEADERS_OCTETS).map_err(|_| DropReason::SegmentSplit)?;
    let outer = Ipv6View::new(ipv6_octets(packet)).map_err(|_| short)?;
    let inner = Ipv6View::new(outer.rest()).map_err(|_| short)?;
    if !is_from_router(outer.source(), world, addresses) {
        return Err(DropReason::RepairSource);
    }
    if inner.version() != 6 {
        return Err(DropReason::RepairInnerVersion);
    }
    if inner.total_length() != u32::from(outer.payload_length()) {
        return Err(DropReason::RepairInnerLength);
    }
    if is_special(inner.source_bits()) {
        return Err(DropReason::RepairInnerSource);
    }
    if is_special(inner.destination_bits()) {
        return Err(DropReason::RepairInnerDestination);
    }
    // A packet in a loop of tunnels loses its hops as in any other. Neighbour Discovery and others
    // take 255 as the proof that a neighbour speaks (RFC 5082 §3): not out of a tunnel.
    let hop_limit = inner.hop_limit().min(outer.hop_limit()).min(HOP_LIMIT_LINK - 1);
    if hop_limit == 0 {
        return Err(DropReason::RepairInnerHopLimit);
    }
    let traffic_class = ecn::leave_tunnel(outer.traffic_class(), inner.traffic_class());
    let traffic_class = traffic_class.ok_or(DropReason::RepairCongestion)?;
    Ok(Checked { destination: outer.destination(), traffic_class, hop_limit })
}

/// Whether a tunnel may begin at this address: another router's loopback that has a route. The
/// table is asked for exactly this prefix, because a default route leads to every address.
fn is_from_router(source: Ipv6Addr, world: &Forwarding, addresses: &RepairAddresses) -> bool {
    let is_reached = |group| matches!(world.group(group), NextHopGroup::Forward { .. });
    addresses.is_other_loopback(source)
        && world.table.get(Ipv6Prefix::host(source)).is_some_and(is_reached)
}

/// Addresses that no router forwards from or to.
const fn is_special(address: u128) -> bool {
    // `::` and `::1` (RFC 4291 §2.5.2, §2.5.3).
    address <= 1 || is_link_local(address) || is_multicast(address)
}

/// The next hop of an adjacency address, while it lives.
fn cross(destination: Ipv6Addr, world: &Forwarding) -> Result<NextHopId, DropReason> {
    match world.group(world.table.lookup(destination.to_bits())) {
        NextHopGroup::Cross(next_hop) if world.liveness.is_alive(*next_hop) => Ok(*next_hop),
        NextHopGroup::Cross(_) => Err(DropReason::RepairAdjacencyDead),
        _ => Err(DropReason::RepairAdjacencyUnknown),
    }
}

/// Takes one header off, under the Ethernet header.
fn remove<B: PacketBuf>(packet: &mut B, outer: &Checked) -> Result<(), DropReason> {
    let split = DropReason::SegmentSplit;
    let ethernet: [u8; L2_OCTETS as usize] = *packet.data().first_chunk().ok_or(split)?;
    packet.trim_front(OUTER_OCTETS).map_err(|_| split)?;
    *packet.data_mut().first_chunk_mut().ok_or(split)? = ethernet;
    let mut header = Ipv6Fields::new(ipv6_octets_mut(packet)).map_err(|_| split)?;
    header.set_hop_limit(outer.hop_limit);
    header.set_traffic_class(outer.traffic_class);
    Ok(())
}

/// Whether the packet is another tunnel that ends here.
fn is_for_us<B: PacketBuf>(packet: &B, addresses: &RepairAddresses) -> bool {
    let Ok(view) = Ipv6View::new(ipv6_octets(packet)) else { return false };
    view.next_header() == NEXT_IPV6
        && matches!(
            addresses.scope(view.destination()),
            RepairScope::Loopback | RepairScope::Adjacency
        )
}
