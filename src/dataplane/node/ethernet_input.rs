//! MAC, VLAN tag and EtherType of a received frame.
//!
//! Lets IPv6 for this port pass, without its tag. Frames that belong to an attachment circuit go to
//! `bridge_input` instead, whoever they are for; everything else is dropped, each with its reason.
//! A port of which only some VLANs are bridged routes the rest, and pays nothing for it on the way
//! of plain packets. A port of the role `tenant` routes nothing.
//!
//! *Invariants*: what passes has one untagged Ethernet header and fresh [`PacketMeta`].
//! *Standards*: RFC 2464 §3 and §7; IEEE 802.1Q (a tag with VLAN id 0 is a priority, not a VLAN).

use crate::base::ids::{DomainId, PortId};
use crate::base::route::PortRole;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId};
use crate::dataplane::node::L2_OCTETS;
use crate::fib::bridge_table::{Belonging, MemberState};
use crate::fib::{Interface, Overlay, PortCircuits};
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::ethernet::{
    ETHERTYPE_IPV6, ETHERTYPE_MIN, EthernetView, HEADER_OCTETS as ETHERNET_OCTETS, VLAN_TAG_OCTETS,
};

/// Sorts a received burst; see the file.
pub fn ethernet_input<B: PacketBuf>(
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) {
    let Some(interface) = ctx.interface else {
        burst.sift(|slot| next.discard(slot, DropReason::PortUnknown));
        return;
    };
    let circuits = ctx.world.overlay.port(interface.port);
    let is_tenants = interface.role == PortRole::Tenant;
    if let Some(circuits) = circuits.filter(|all| is_tenants || all.takes_untagged()) {
        burst.sift(|slot| bridge(slot, interface.port, circuits, (&ctx.world.overlay, next)));
        return next.divert_all(NodeId::BridgeInput, burst);
    }
    if is_tenants {
        // A tenant that has nothing here must not reach what is routed.
        burst.sift(|slot| next.discard(slot, DropReason::VlanOther));
        return;
    }
    let plain = Plain::of(interface);
    let meta = Frame { is_multicast: false, vlan: None }.meta(interface.port);
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        if packet.data().first_chunk().is_some_and(|header| plain.is_like(header)) {
            *packet.meta_mut() = meta;
        } else if let Some(circuits) = circuits.filter(|all| belonging(packet, all).is_some()) {
            bridge(slot, interface.port, circuits, (&ctx.world.overlay, next));
            next.divert(NodeId::BridgeInput, slot);
        } else if let Err(reason) = look_closely(packet, interface) {
            next.discard(slot, reason);
        }
    });
}

/// What nearly every frame looks like, as words: IPv6 without a tag, from a station to us.
struct Plain {
    own: u64,
    /// Without bits where the port wants a tag: then no frame is plain.
    type_wanted: u32,
}

/// The first six octets of a word in memory.
const MAC_MASK: u64 = u64::from_ne_bytes([255, 255, 255, 255, 255, 255, 0, 0]);
/// The bit of a source address that says group, in the word of its first two octets and the
/// destination's last ones before them.
const GROUP_MASK: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 1, 0]);

impl Plain {
    fn of(interface: &Interface) -> Self {
        let [a, b, c, d, e, f] = interface.mac.0;
        let type_wanted = match interface.vlan {
            None => u32::from(ETHERTYPE_IPV6),
            Some(_) => u32::MAX,
        };
        Self { own: u64::from_ne_bytes([a, b, c, d, e, f, 0, 0]), type_wanted }
    }

    /// Says no where the frame must be looked at more closely.
    #[inline]
    fn is_like(&self, header: &[u8; ETHERNET_OCTETS]) -> bool {
        let [a, b, c, d, e, f, g, h, .., high, low] = *header;
        let first = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        first & (MAC_MASK | GROUP_MASK) == self.own
            && u32::from(u16::from_be_bytes([high, low])) == self.type_wanted
    }
}

/// Whose a frame is.
#[inline]
fn belonging<B: PacketBuf>(packet: &B, circuits: &PortCircuits) -> Option<Belonging> {
    let view = EthernetView::new(packet.data()).ok()?;
    circuits.of_frame(view.vlan_id())
}

/// Makes a frame one of the circuit that it belongs to; what belongs to none goes.
#[inline]
fn bridge<B: PacketBuf>(
    slot: &mut Option<B>,
    port: PortId,
    circuits: &PortCircuits,
    (overlay, next): (&Overlay, &mut Next<B>),
) {
    let Some(packet) = slot.as_mut() else { return };
    if packet.data().len() < ETHERNET_OCTETS {
        return next.discard(slot, DropReason::EthernetTruncated);
    }
    let Some(found) = belonging(packet, circuits) else {
        return next.discard(slot, DropReason::VlanOther);
    };
    let mut meta = PacketMeta::arrived(port);
    meta.l3_offset = L2_OCTETS;
    meta.member = found.member;
    // What comes by a blocked member is in no domain.
    let member = overlay.member(found.member);
    let open = member.filter(|member| member.state == MemberState::Forwarding);
    meta.domain = open.map_or(DomainId(0), |member| member.domain);
    *packet.meta_mut() = meta;
    if found.is_stripped && remove_tag(packet).is_err() {
        next.discard(slot, DropReason::EthernetTruncated);
    }
}

/// Frames that are not plain.
#[cold]
fn look_closely<B: PacketBuf>(packet: &mut B, interface: &Interface) -> Result<(), DropReason> {
    let frame = judge(packet.data(), interface)?;
    let is_tagged = frame.vlan.is_some();
    *packet.meta_mut() = frame.meta(interface.port);
    if is_tagged { remove_tag(packet) } else { Ok(()) }
}

/// What of the header is still needed.
struct Frame {
    is_multicast: bool,
    vlan: Option<u16>,
}

impl Frame {
    #[inline]
    fn meta(&self, port: PortId) -> PacketMeta {
        let mut meta = PacketMeta::arrived(port);
        meta.l3_offset = L2_OCTETS;
        meta.vlan = self.vlan.unwrap_or(0);
        if self.is_multicast {
            meta.flags = PacketMeta::LINK_MULTICAST;
        }
        meta
    }
}

#[inline]
fn judge(frame: &[u8], interface: &Interface) -> Result<Frame, DropReason> {
    let view = EthernetView::new(frame).map_err(|_| DropReason::EthernetTruncated)?;
    let destination = view.destination();
    let is_multicast = destination.is_multicast();
    if destination != interface.mac && !is_multicast {
        return Err(DropReason::EthernetNotOurs);
    }
    if view.source().is_multicast() {
        return Err(DropReason::EthernetSourceMulticast);
    }
    let vlan = view.vlan_id();
    match (interface.vlan, vlan) {
        (None, None | Some(0)) => {}
        (None, Some(_)) => return Err(DropReason::VlanUnexpected),
        (Some(_), None) => return Err(DropReason::VlanMissing),
        (Some(wanted), Some(found)) if wanted == found => {}
        (Some(_), Some(_)) => return Err(DropReason::VlanOther),
    }
    match view.ether_type() {
        ETHERTYPE_IPV6 => Ok(Frame { is_multicast, vlan }),
        0..ETHERTYPE_MIN => Err(DropReason::EtherTypeLength),
        _ => Err(DropReason::EtherTypeUnknown),
    }
}

/// Moves the MACs over the tag.
#[cold]
fn remove_tag<B: PacketBuf>(packet: &mut B) -> Result<(), DropReason> {
    let short = DropReason::EthernetTruncated;
    let macs: [u8; 12] = *packet.data().first_chunk().ok_or(short)?;
    let tag = u16::try_from(VLAN_TAG_OCTETS).map_err(|_| short)?;
    packet.trim_front(tag).map_err(|_| short)?;
    *packet.data_mut().first_chunk_mut().ok_or(short)? = macs;
    Ok(())
}
