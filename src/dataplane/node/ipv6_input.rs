//! The checks that every IPv6 packet must pass, whatever its way.
//!
//! Unicast beyond the link goes on to the lookup; link-local and multicast destinations go to
//! `ipv6_local`, because no route leads to them. The hop limit is checked where packets are
//! forwarded: RFC 8200 §3 lets a destination accept a packet with hop limit 0.
//!
//! *Invariants*: behind this node the packet is exactly as long as its header says.
//! *Standards*: RFC 8200 §3; RFC 4291 §2.5.2, §2.5.3, §2.5.6, §2.7 (addresses that must not
//! appear).

use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::node::{L2_OCTETS, ipv6_octets};
use crate::packet::{Burst, PacketBuf};
use crate::wire::ipv6::{HEADER_OCTETS, Ipv6View, NEXT_HOP_BY_HOP, is_link_local, is_multicast};

const UNSPECIFIED: u128 = 0;
const LOOPBACK: u128 = 1;

/// Checks a burst; see the file.
pub fn ipv6_input<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let link_local = ctx.interface.map(|interface| interface.link_local.to_bits());
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        let frame_length = packet.len();
        if ipv6_octets(packet).first_chunk().is_some_and(|header| is_plain(header, frame_length)) {
            return;
        }
        match judge(ipv6_octets(packet), frame_length, link_local) {
            Ok(accepted) => {
                if accepted.frame_length != frame_length {
                    packet.truncate(accepted.frame_length);
                }
                if accepted.is_on_link {
                    next.divert(NodeId::Ipv6Local, slot);
                }
            }
            Err(reason) => next.discard(slot, reason),
        }
    });
}

/// Whether a packet is what nearly all are: from one unicast address to another, none of them
/// special or link-local, and as long as the frame. Says no where it must be looked at more
/// closely.
#[inline]
fn is_plain(header: &[u8; HEADER_OCTETS], frame_length: u32) -> bool {
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
        && next_header != u64::from(NEXT_HOP_BY_HOP)
        && (1..MULTICAST_MIN).contains(&source)
        && (1..LINK_LOCAL_MIN).contains(&destination)
}

/// Octets of a frame before the payload of its packet.
const BEFORE_PAYLOAD: u64 = HEADER_OCTETS as u64 + L2_OCTETS as u64;
/// The upper half of the first multicast address (RFC 4291 §2.7).
const MULTICAST_MIN: u64 = 0xff00 << 48;
/// The upper half of the first link-local address (RFC 4291 §2.5.6); multicast is above.
const LINK_LOCAL_MIN: u64 = 0xfe80 << 48;

struct Accepted {
    frame_length: u32,
    is_on_link: bool,
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
        _ => Ok(Accepted { frame_length: wanted, is_on_link }),
    }
}
