//! Control packets of BFD: to the session of their port.
//!
//! What came in by a port whose sessions another worker runs is handed to that one. `ipv6_local`
//! has seen to it that the packet came by a fabric port, from the link, for the port's own
//! link-local address, or by a port to another network for an address of the router.
//!
//! *Invariants*: a packet that a session accepts ends here, counted as absorbed; every other one is
//! dropped with a reason.
//! *Standards*: RFC 5881 §5 ("all received BFD Control packets … MUST be discarded if the … Hop
//! Limit is not equal to 255"), RFC 8200 §8.1 (checksum), RFC 5880 §6.8.6.

use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::hand_over::Errand;
use crate::dataplane::node::answer::asker;
use crate::dataplane::node::{L2_OCTETS, ipv6_octets};
use crate::packet::{Burst, PacketBuf};
use crate::wire::bfd::{ControlPacket, Octets};
use crate::wire::ipv6::{HEADER_OCTETS, HOP_LIMIT_LINK, Ipv6View};
use crate::wire::udp::UdpHeader;
use core::net::Ipv6Addr;

/// Gives a burst to its sessions; see the file.
pub fn bfd_input<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    burst.sift(|slot| {
        let Some(packet) = slot.as_ref() else { return };
        let port = packet.meta().in_port;
        let peers = ctx.ports.peers();
        if let Some(owner) = peers.owner_of(port) {
            let witnesses = (ctx.counters, &mut next.watch);
            peers.give(owner, Errand::Bfd(port), slot, witnesses);
            return;
        }
        let outcome = read(packet).and_then(|(source, control, octets)| {
            let source = (asker(packet), source);
            ctx.bfd.receive(ctx.now, port, source, (&control, &octets))
        });
        let cells = ctx.counters.bfd(port);
        match outcome {
            Ok(()) => {
                if let Some(cells) = cells {
                    cells.received.add(1);
                }
                ctx.counters.absorbed.add(1);
                next.divert(NodeId::Drop, slot);
            }
            Err(reason) => {
                if let Some(cells) = cells {
                    cells.refused.add(1);
                }
                next.discard(slot, reason);
            }
        }
    });
}

/// The sender, the packet, and its octets where they are needed.
fn read<B: PacketBuf>(packet: &B) -> Result<(Ipv6Addr, ControlPacket, Octets), DropReason> {
    let view = Ipv6View::new(ipv6_octets(packet)).map_err(|_| DropReason::Ipv6HeaderTruncated)?;
    if view.hop_limit() != HOP_LIMIT_LINK {
        return Err(DropReason::BfdHopLimit);
    }
    let head = usize::from(L2_OCTETS) + HEADER_OCTETS;
    let offset = usize::from(packet.meta().l4_offset).saturating_sub(head);
    let payload = view.rest().get(..usize::from(view.payload_length()));
    let datagram = payload.and_then(|payload| payload.get(offset..)).unwrap_or_default();
    // RFC 5881 §4 binds the sender to source ports from 49152 on; BIRD takes what Linux gives it,
    // which is below. Nothing here depends on it.
    let (_, payload) = UdpHeader::decode(view.source(), view.destination(), datagram)
        .map_err(|_| DropReason::BfdUdp)?;
    match ControlPacket::decode(payload) {
        Ok((control, octets)) => Ok((view.source(), control, octets)),
        Err(error) if error.is_about_authentication() => Err(DropReason::BfdAuthentication),
        Err(_) => Err(DropReason::BfdMalformed),
    }
}
