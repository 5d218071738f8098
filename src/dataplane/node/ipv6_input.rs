//! The checks that every IPv6 packet must pass, whatever its way.
//!
//! Unicast beyond the link goes on to the lookup; link-local and multicast destinations go to
//! `ipv6_local`, because no route leads to them, tunnels of repairs that end here to
//! `repair_decap`, and L2TPv3 for this router to `l2tpv3_decap`. Tunnels of repairs begin and end
//! inside the fabric: none comes in from elsewhere, also not on its way to another router, which
//! could not know any more where it came from. The hop limit is checked where packets are
//! forwarded: RFC 8200 §3 lets a destination accept a packet with hop limit 0.
//!
//! *Invariants*: behind this node the packet is exactly as long as its header says.
//! *Standards*: RFC 8200 §3; RFC 4291 §2.5.2, §2.5.3, §2.5.6, §2.7 (addresses that must not
//! appear).

use crate::base::route::PortRole;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::node::{L2_OCTETS, ipv6_octets};
use crate::fib::RepairScope;
use crate::packet::{Burst, PacketBuf};
use crate::wire::ipv6::{
    HEADER_OCTETS, Ipv6View, NEXT_HOP_BY_HOP, NEXT_IPV6, NEXT_L2TP, is_link_local, is_multicast,
};

const UNSPECIFIED: u128 = 0;
const LOOPBACK: u128 = 1;

/// Checks a burst; see the file.
pub fn ipv6_input<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let link_local = ctx.interface.map(|interface| interface.link_local.to_bits());
    let overlay = &ctx.world.overlay;
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        let frame_length = packet.len();
        if let Some(header) = ipv6_octets(packet).first_chunk() {
            if is_plain(header, frame_length, UNUSUAL) {
                return;
            }
            // Much of what a cluster forwards is L2TPv3 of others.
            if is_plain(header, frame_length, UNUSUAL_BUT_L2TP) {
                if destination_of(header).is_some_and(|address| overlay.is_endpoint(address)) {
                    next.divert(NodeId::L2tpv3Decap, slot);
                }
                return;
            }
        }
        match judge(ipv6_octets(packet), frame_length, link_local) {
            Ok(accepted) => {
                if accepted.frame_length != frame_length {
                    packet.truncate(accepted.frame_length);
                }
                match accepted.destination {
                    Destination::Routed => {}
                    Destination::OnLink => next.divert(NodeId::Ipv6Local, slot),
                    Destination::Tunnel(address) => {
                        if overlay.is_endpoint(address) {
                            next.divert(NodeId::L2tpv3Decap, slot);
                        }
                    }
                    Destination::Repair => enter_repair(slot, ctx, next),
                }
            }
            Err(reason) => next.discard(slot, reason),
        }
    });
}

/// Whether a packet is what nearly all are: from one unicast address to another, none of them
/// special or link-local, and as long as the frame. Says no where it must be looked at more
/// closely, and where its next header is one of `unusual`.
#[inline]
fn is_plain(header: &[u8; HEADER_OCTETS], frame_length: u32, unusual: u64) -> bool {
    let word = |place: usize| {
        header
            .get(place..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |word| u64::from_be_bytes(*word))
    };
    let (first, source, destination) = (word(0), word(8), word(24));
    let payload = first >> 16 & 0xffff;
    let next_header = first >> 8 & 0xff;
    // Upper halves of zero hold the unspecified address, loopback and IPv4 in IPv6.
    first >> 60 == 6
        && payload + BEFORE_PAYLOAD == u64::from(frame_length)
        && unusual >> (next_header & 63) & 1 == 0
        && (1..MULTICAST_MIN).contains(&source)
        && (1..LINK_LOCAL_MIN).contains(&destination)
}

#[inline]
fn destination_of(header: &[u8; HEADER_OCTETS]) -> Option<u128> {
    let is_l2tp = header.get(6) == Some(&NEXT_L2TP);
    header.last_chunk().filter(|_| is_l2tp).map(|address| u128::from_be_bytes(*address))
}

/// Next headers that are looked at more closely, a bit each; others that share the bit are as well.
const UNUSUAL: u64 = UNUSUAL_BUT_L2TP | 1 << (NEXT_L2TP & 63);
const UNUSUAL_BUT_L2TP: u64 = 1 << NEXT_HOP_BY_HOP | 1 << NEXT_IPV6;
/// Octets of a frame before the payload of its packet.
const BEFORE_PAYLOAD: u64 = HEADER_OCTETS as u64 + L2_OCTETS as u64;
/// The upper half of the first multicast address (RFC 4291 §2.7).
const MULTICAST_MIN: u64 = 0xff00 << 48;
/// The upper half of the first link-local address (RFC 4291 §2.5.6); multicast is above.
const LINK_LOCAL_MIN: u64 = 0xfe80 << 48;

struct Accepted {
    frame_length: u32,
    destination: Destination,
}

/// Where a packet that was accepted goes on.
enum Destination {
    Routed,
    OnLink,
    /// It may be L2TPv3 for an address of this router.
    Tunnel(u128),
    /// It may be a tunnel of a repair.
    Repair,
}

/// What begins with two IPv6 headers: the tunnel of a repair, where its destination says so.
fn enter_repair<B: PacketBuf>(slot: &mut Option<B>, ctx: &Ctx<'_, B>, next: &mut Next<B>) {
    let Some(packet) = slot.as_ref() else { return };
    let Ok(view) = Ipv6View::new(ipv6_octets(packet)) else { return };
    let addresses = ctx.world.interfaces.repair_addresses();
    let scope = addresses.map(|addresses| addresses.scope(view.destination()));
    let is_own = match scope {
        None | Some(RepairScope::Elsewhere) => return,
        Some(RepairScope::Other) => false,
        Some(RepairScope::Loopback | RepairScope::Adjacency) => true,
    };
    if ctx.interface.is_none_or(|interface| interface.role != PortRole::Fabric) {
        next.discard(slot, DropReason::RepairPort);
    } else if is_own {
        next.divert(NodeId::RepairDecap, slot);
    }
}

#[inline]
fn judge(
    octets: &[u8],
    frame_length: u32,
    link_local: Option<u128>,
) -> Result<Accepted, DropReason> {
    let view = Ipv6View::new(octets).map_err(|_| DropReason::Ipv6HeaderTruncated)?;
    if view.version() != 6 {
        return Err(DropReason::Ipv6Version);
    }
    let wanted = view.total_length() + u32::from(L2_OCTETS);
    if wanted > frame_length {
        return Err(DropReason::Ipv6LengthBeyondFrame);
    }
    if view.payload_length() == 0 && view.next_header() == NEXT_HOP_BY_HOP {
        return Err(DropReason::Ipv6Jumbogram);
    }
    let (source, destination) = (view.source_bits(), view.destination_bits());
    if is_multicast(source) {
        return Err(DropReason::SourceMulticast);
    }
    let is_group = is_multicast(destination);
    if source == UNSPECIFIED && !is_group {
        return Err(DropReason::SourceUnspecified);
    }
    let is_on_link = is_group || is_link_local(destination);
    if is_on_link {
        match link_local {
            // The kernel greets every interface it has, the TUN too.
            None => return Err(DropReason::HostOnLink),
            // RFC 4291 §2.5.6: routers must not forward packets with link-local destinations.
            Some(own) if !is_group && own != destination => {
                return Err(DropReason::LinkLocalNotOurs);
            }
            Some(_) => {}
        }
    }
    match (source, destination) {
        (LOOPBACK, _) => Err(DropReason::SourceLoopback),
        (_, LOOPBACK) => Err(DropReason::DestinationLoopback),
        (_, UNSPECIFIED) => Err(DropReason::DestinationUnspecified),
        _ => {
            let destination = match view.next_header() {
                _ if is_on_link => Destination::OnLink,
                NEXT_IPV6 => Destination::Repair,
                NEXT_L2TP => Destination::Tunnel(destination),
                _ => Destination::Routed,
            };
            Ok(Accepted { frame_length: wanted, destination })
        }
    }
}
