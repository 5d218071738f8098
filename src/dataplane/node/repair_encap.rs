//! Into the tunnel of a repair: the packet gets the headers of its next hop and leaves.
//!
//! Does for a repaired packet what `ipv6_rewrite` does for others. The checks come first and change
//! nothing; then the packet loses its hop, as if it were forwarded, and gets headers with the hop
//! limit that it has then, its traffic class and a flow label of its flow, so that other routers
//! keep the flow on one way.
//!
//! *Invariants*: comes from `ipv6_lookup` with the number of a tunnel as `next_hop`. What passes
//! has `out_port` set and may be sent as it is. The packet itself stays within the MTU that was
//! announced; with its headers it is as long as the device carries.
//! *Standards*: RFC 2473 §3.1, §5 (encapsulation), §7.1 (packets that are too big); RFC 6040 §4.1
//! (normal mode: the bits are copied); RFC 6438 §3 (flow label of a tunnel); RFC 8200 §5.

use crate::base::ids::NextHopId;
use crate::base::route::REPAIR_SEGMENTS_MAX;
use crate::dataplane::drop::DropReason;
use crate::dataplane::flow::flow_hash;
use crate::dataplane::graph::{Complaint, Ctx, Next};
use crate::dataplane::node::ipv6_rewrite::{Refusal, check_forwarding, check_way_out, refuse};
use crate::dataplane::node::{L2_OCTETS, ipv6_octets, ipv6_octets_mut};
use crate::fib::repair::REPAIR_HEADER_OCTETS;
use crate::fib::{Encapsulation, Interface};
use crate::packet::buf::HEADROOM_OCTETS;
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::ethernet::VLAN_TAG_OCTETS;
use crate::wire::icmpv6::TYPE_PACKET_TOO_BIG;
use crate::wire::ipv6::{HEADER_OCTETS, Ipv6Fields, Ipv6View, MTU_MIN};

const _: () = assert!(REPAIR_HEADER_OCTETS == HEADER_OCTETS);
/// A received packet has room for the longest repair and a tag.
const _: () = assert!(
    REPAIR_SEGMENTS_MAX * REPAIR_HEADER_OCTETS + VLAN_TAG_OCTETS <= HEADROOM_OCTETS as usize
);

/// Octets of the tag that the port may put on.
const TAG_OCTETS: u16 = 4;
const _: () = assert!(TAG_OCTETS as usize == VLAN_TAG_OCTETS);

/// Puts a burst into its tunnels; see the file.
pub fn repair_encap<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        match put_on(packet, ctx) {
            Ok(next_hop) => ctx.counters.count_next_hop(next_hop, 1),
            Err(refusal) => refuse(slot, refusal, next),
        }
    });
}

fn put_on<B: PacketBuf>(packet: &mut B, ctx: &Ctx<'_, B>) -> Result<NextHopId, Refusal> {
    let gone = || Refusal::Drop(DropReason::PortGone);
    let no_room = || Refusal::Drop(DropReason::NoHeadroom);
    let id = packet.meta().next_hop;
    let next_hop = ctx.world.next_hop(id).ok_or_else(gone)?;
    let encapsulation = next_hop.encapsulation.as_deref().ok_or_else(gone)?;
    let interface = ctx.world.interfaces.get(next_hop.port).ok_or_else(gone)?;
    packet.meta_mut().out_port = next_hop.port;
    let hop_limit = check(packet, encapsulation, interface)?;
    let outer = outer_fields(packet, hop_limit, ctx.hash_seed)?;
    let octets = encapsulation.octets();
    if packet.headroom() < octets + TAG_OCTETS {
        // It has the headers of a pseudowire already.
        packet.open_front(octets + TAG_OCTETS).map_err(|_| no_room())?;
    }
    packet.prepend(octets).map_err(|_| no_room())?;
    write(packet, encapsulation, &outer).ok_or(Refusal::Drop(DropReason::SegmentSplit))?;
    let adjacency = next_hop.adjacency.as_ref().ok_or(Refusal::Resolve)?;
    if let Some(ethernet) = packet.data_mut().first_chunk_mut() {
        *ethernet = adjacency.rewrite;
    }
    Ok(id)
}

/// The hop limit that the packet leaves with, where it may leave at all.
fn check<B: PacketBuf>(
    packet: &mut B,
    encapsulation: &Encapsulation,
    interface: &Interface,
) -> Result<u8, Refusal> {
    let (length, flags) = (packet.len(), packet.meta().flags);
    let header = Ipv6Fields::new(ipv6_octets_mut(packet));
    let header = header.map_err(|_| Refusal::Drop(DropReason::Ipv6HeaderTruncated))?;
    let hop_limit = match flags & PacketMeta::INJECTED {
        0 => check_forwarding(&header, flags)?,
        _ => header.hop_limit(),
    };
    let room = interface.repair_mtu.saturating_sub(encapsulation.octets());
    if length > u32::from(room.min(interface.mtu)) + u32::from(L2_OCTETS) {
        // RFC 2473 §7.1 (a): a packet above the minimum MTU is answered. Below it only fragments
        // of the tunnel would help, which no device that carries an announced 1500 needs.
        let value = u32::from(room.min(interface.mtu).max(MTU_MIN));
        let complaint = Complaint { kind: TYPE_PACKET_TOO_BIG, code: 0, value };
        return Err(Refusal::Complain(complaint, DropReason::RepairTooBig));
    }
    check_way_out(length, interface.mtu, interface.is_up)?;
    Ok(hop_limit)
}

/// What the outer headers have of the packet.
struct Outer {
    traffic_class: u8,
    flow_label: u32,
    hop_limit: u8,
    length: u16,
}

/// Takes the hop from the packet and reads what goes outside.
fn outer_fields<B: PacketBuf>(packet: &mut B, hop_limit: u8, seed: u64) -> Result<Outer, Refusal> {
    let short = || Refusal::Drop(DropReason::Ipv6HeaderTruncated);
    let length = packet.len().saturating_sub(u32::from(L2_OCTETS));
    let view = Ipv6View::new(ipv6_octets(packet)).map_err(|_| short())?;
    // RFC 6438 §3: the label is made from the fields of the packet inside, its own label included.
    let flow_label = match packet.meta().flow_hash {
        0 => flow_hash(&view, seed),
        known => known,
    };
    let outer = Outer {
        traffic_class: view.traffic_class(),
        flow_label,
        hop_limit,
        length: u16::try_from(length).map_err(|_| short())?,
    };
    let mut header = Ipv6Fields::new(ipv6_octets_mut(packet)).map_err(|_| short())?;
    header.set_hop_limit(hop_limit);
    Ok(outer)
}

/// Fills the room before the packet.
fn write<B: PacketBuf>(packet: &mut B, headers: &Encapsulation, outer: &Outer) -> Option<()> {
    let headers = headers.headers();
    let octets = ipv6_octets_mut(packet).get_mut(..headers.len())?;
    octets.copy_from_slice(headers);
    let mut payload_length = outer.length;
    for header in octets.rchunks_exact_mut(HEADER_OCTETS) {
        let mut fields = Ipv6Fields::new(header).ok()?;
        fields.set_traffic_class(outer.traffic_class);
        fields.set_flow_label(outer.flow_label);
        fields.set_payload_length(payload_length);
        fields.set_hop_limit(outer.hop_limit);
        payload_length = payload_length.checked_add(u16::try_from(HEADER_OCTETS).ok()?)?;
    }
    Some(())
}
