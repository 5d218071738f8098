//! Hop limit, MTU and Ethernet header of a packet that leaves.
//!
//! The checks of a forwarding router come first and change nothing, so that an error quotes the
//! packet as it came; then the hop limit goes down and the adjacency is written over the old
//! Ethernet header. A tunnel of a repair may be longer than the announced MTU by its headers, as
//! far as the device carries it: what is inside keeps to it.
//!
//! *Invariants*: what passes has `out_port` set and may be sent as it is. Injected packets keep
//! their hop limit; all others lose exactly one.
//! *Standards*: RFC 8200 §3 (hop limit), §5 (MTU); RFC 4443 §3.2, §3.3; RFC 4007 §9 (scope of the
//! source).

use crate::base::ids::{NextHopId, PortId};
use crate::base::route::PortRole;
use crate::dataplane::counters::LcoreCounters;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Complaint, Ctx, Next, NodeId};
use crate::dataplane::node::{L2_OCTETS, ipv6_octets_mut};
use crate::fib::group_table::NEXT_HOP_ABSENT;
use crate::fib::{Adjacency, Forwarding, Interface, RepairScope};
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::icmpv6::{
    CODE_ADDRESS_UNREACHABLE, CODE_BEYOND_SCOPE, CODE_HOP_LIMIT, TYPE_DESTINATION_UNREACHABLE,
    TYPE_PACKET_TOO_BIG, TYPE_TIME_EXCEEDED,
};
use crate::wire::ipv6::{Ipv6Fields, NEXT_IPV6, is_link_local};
use core::net::Ipv6Addr;

/// Prepares a burst for its ports; see the file.
pub fn ipv6_rewrite<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let way = Way { from: None, next_hop: NEXT_HOP_ABSENT };
    let mut used = Used { counters: ctx.counters, world: ctx.world, way, packets: 0 };
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        match rewrite(packet, ctx.world) {
            Ok(way) => used.add(way),
            Err(refusal) => refuse(slot, refusal, next),
        }
    });
    used.settle();
}

/// Why a packet cannot leave yet, or not at all.
pub(super) enum Refusal {
    Drop(DropReason),
    Complain(Complaint, DropReason),
    Resolve,
}

/// Sends a packet where its refusal belongs.
#[cold]
pub(super) fn refuse<B: PacketBuf>(slot: &mut Option<B>, refusal: Refusal, next: &mut Next<B>) {
    match refusal {
        Refusal::Drop(reason) => next.discard(slot, reason),
        Refusal::Complain(complaint, reason) => next.complain(slot, complaint, reason),
        Refusal::Resolve => next.divert(NodeId::NdResolve, slot),
    }
}

#[inline]
fn rewrite<B: PacketBuf>(packet: &mut B, world: &Forwarding) -> Result<Way, Refusal> {
    let length = packet.len();
    let meta = packet.meta_mut();
    let from = (!meta.has(PacketMeta::INJECTED)).then_some(meta.in_port);
    let (flags, id) = (meta.flags, meta.next_hop);
    let adjacency = match world.next_hop(id) {
        Some(next_hop) if id != NEXT_HOP_ABSENT => {
            meta.out_port = next_hop.port;
            next_hop.adjacency.as_ref()
        }
        _ => None,
    };
    let out_port = meta.out_port;
    let Some(interface) = world.interfaces.get(out_port) else {
        return Err(Refusal::Drop(DropReason::PortGone));
    };
    let fields = Ipv6Fields::new(ipv6_octets_mut(packet));
    let mut header = fields.map_err(|_| Refusal::Drop(DropReason::Ipv6HeaderTruncated))?;
    if flags & PacketMeta::INJECTED == 0 {
        let hop_limit = check_forwarding(&header, flags)?;
        let fits = length <= u32::from(interface.mtu) + u32::from(L2_OCTETS);
        let mtu = if fits { interface.mtu } else { mtu_beyond(&header, interface, world) };
        check_way_out(length, mtu, interface.is_up)?;
        header.set_hop_limit(hop_limit);
    } else {
        check_way_out(length, interface.mtu, interface.is_up)?;
    }
    let on_link = || link_peer(&header, flags, interface);
    let adjacency = adjacency.or_else(on_link).ok_or(Refusal::Resolve)?;
    if let Some(ethernet) = packet.data_mut().first_chunk_mut() {
        *ethernet = adjacency.rewrite;
    }
    Ok(Way { from, next_hop: id })
}

/// The Ethernet header of a packet of the host for the neighbour on the link with which it speaks
/// over link-local addresses: such a neighbour has no route.
#[cold]
fn link_peer<'w>(
    header: &Ipv6Fields<'_>,
    flags: u16,
    interface: &'w Interface,
) -> Option<&'w Adjacency> {
    let is_of_host = flags & PacketMeta::INJECTED != 0;
    let mut peers = interface.link_peers.iter().filter(|_| is_of_host);
    let found = peers.find(|(address, _)| *header.destination == address.octets());
    found.map(|(_, adjacency)| adjacency)
}

/// The hop limit that the packet leaves with, where it may be forwarded at all.
#[inline]
pub(super) fn check_forwarding(header: &Ipv6Fields<'_>, flags: u16) -> Result<u8, Refusal> {
    if flags & PacketMeta::LINK_MULTICAST != 0 {
        return Err(Refusal::Drop(DropReason::LinkMulticast));
    }
    if is_link_local(u128::from_be_bytes(*header.source)) {
        let code = CODE_BEYOND_SCOPE;
        let complaint = Complaint { kind: TYPE_DESTINATION_UNREACHABLE, code, value: 0 };
        return Err(Refusal::Complain(complaint, DropReason::BeyondScope));
    }
    let hop_limit = header.hop_limit();
    if hop_limit <= 1 {
        let reason = match hop_limit {
            0 => DropReason::HopLimitZero,
            _ => DropReason::HopLimitExceeded,
        };
        let complaint = Complaint { kind: TYPE_TIME_EXCEEDED, code: CODE_HOP_LIMIT, value: 0 };
        return Err(Refusal::Complain(complaint, reason));
    }
    Ok(hop_limit - 1)
}

/// The MTU for a packet that is longer than the announced one.
#[cold]
fn mtu_beyond(header: &Ipv6Fields<'_>, interface: &Interface, world: &Forwarding) -> u16 {
    let destination = Ipv6Addr::from(*header.destination);
    let addresses = world.interfaces.repair_addresses();
    let is_repair = header.next_header() == NEXT_IPV6
        && addresses.is_some_and(|all| all.scope(destination) == RepairScope::Other);
    if is_repair { interface.repair_mtu.max(interface.mtu) } else { interface.mtu }
}

#[inline]
pub(super) fn check_way_out(length: u32, mtu: u16, is_up: bool) -> Result<(), Refusal> {
    if length > u32::from(mtu) + u32::from(L2_OCTETS) {
        let complaint = Complaint { kind: TYPE_PACKET_TOO_BIG, code: 0, value: u32::from(mtu) };
        return Err(Refusal::Complain(complaint, DropReason::PacketTooBig));
    }
    if !is_up {
        let code = CODE_ADDRESS_UNREACHABLE;
        let complaint = Complaint { kind: TYPE_DESTINATION_UNREACHABLE, code, value: 0 };
        return Err(Refusal::Complain(complaint, DropReason::InterfaceDown));
    }
    Ok(())
}

/// Where a packet came in, unless this router made it, and where it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Way {
    from: Option<PortId>,
    next_hop: NextHopId,
}

/// Counts the packets of each next hop, a run of equal ones at once.
struct Used<'a> {
    counters: &'a LcoreCounters,
    world: &'a Forwarding,
    way: Way,
    packets: u64,
}

impl Used<'_> {
    #[inline]
    fn add(&mut self, way: Way) {
        if way != self.way {
            self.settle();
            self.way = way;
        }
        self.packets += 1;
    }

    #[inline]
    fn settle(&mut self) {
        let packets = core::mem::take(&mut self.packets);
        if packets == 0 {
            return;
        }
        self.counters.count_next_hop(self.way.next_hop, packets);
        let is_fabric = |port: PortId| {
            self.world.interfaces.get(port).is_some_and(|i| i.role == PortRole::Fabric)
        };
        let out = self.world.next_hop(self.way.next_hop).map(|next_hop| next_hop.port);
        if self.way.from.is_some_and(is_fabric) && out.is_some_and(is_fabric) {
            self.counters.transit.add(packets);
        }
    }
}
