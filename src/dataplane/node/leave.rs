//! How a frame leaves a bridge domain by one of its members: its MTU, its tag, its node, its count.
//!
//! Shared by `bridge_forward` (one member) and `bridge_flood` (all of them).
//!
//! *Invariants*: a frame that cannot leave is not changed. A tag does not count against an MTU, as
//! on every Ethernet.

use crate::base::ids::MemberId;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::NodeId;
use crate::dataplane::member_counters::Tally;
use crate::dataplane::node::L2_OCTETS;
use crate::dataplane::ports::insert_tag;
use crate::fib::{Member, MemberKind};
use crate::packet::PacketBuf;
use crate::wire::ethernet::{EthernetView, VLAN_TAG_OCTETS};

/// Why a frame cannot leave by a member.
pub(super) enum Refusal {
    /// It carries packets of so many octets.
    TooBig(u16),
    Drop(DropReason),
}

/// Prepares a frame for a member, and says which node has it next.
#[inline]
pub(super) fn leave_by<B: PacketBuf>(
    packet: &mut B,
    id: MemberId,
    member: &Member,
    tally: &mut Tally<'_>,
) -> Result<NodeId, Refusal> {
    let octets = packet.len();
    if octets > u32::from(member.mtu) + u32::from(L2_OCTETS) && !fits_tagged(packet, member) {
        return Err(Refusal::TooBig(member.mtu));
    }
    let node = match member.kind {
        MemberKind::Pseudowire(header) => {
            let meta = packet.meta_mut();
            (meta.member, meta.cause) = (id, header);
            NodeId::L2tpv3Encap
        }
        MemberKind::Circuit { port, vlan } => {
            packet.meta_mut().out_port = port;
            if vlan != 0 {
                insert_tag(packet, vlan).ok_or(Refusal::Drop(DropReason::NoHeadroom))?;
            }
            NodeId::PortOutput
        }
        MemberKind::Absent => return Err(Refusal::Drop(DropReason::BridgeNobody)),
    };
    tally.add(id, octets);
    Ok(node)
}

/// Whether a frame is longer by its tag only.
#[cold]
fn fits_tagged<B: PacketBuf>(packet: &B, member: &Member) -> bool {
    let tag = u32::try_from(VLAN_TAG_OCTETS).unwrap_or(0);
    let is_tagged = EthernetView::new(packet.data()).is_ok_and(|view| view.vlan_id().is_some());
    is_tagged && packet.len() <= u32::from(member.mtu) + u32::from(L2_OCTETS) + tag
}
