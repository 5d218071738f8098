//! MAC, VLAN tag and EtherType of a received frame.
//!
//! Lets IPv6 for this port pass, without its tag; everything else is dropped, each with its reason.
//!
//! *Invariants*: what passes has one untagged Ethernet header and fresh [`PacketMeta`].
//! *Standards*: RFC 2464 §3 and §7; IEEE 802.1Q (a tag with VLAN id 0 is a priority, not a VLAN).

use crate::base::ids::PortId;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next};
use crate::dataplane::node::L2_OCTETS;
use crate::fib::Interface;
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::ethernet::{ETHERTYPE_IPV6, ETHERTYPE_MIN, EthernetView, VLAN_TAG_OCTETS};

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
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        let outcome = judge(packet.data(), interface).and_then(|frame| {
            let is_tagged = frame.vlan.is_some();
            *packet.meta_mut() = frame.meta(interface.port);
            if is_tagged { remove_tag(packet) } else { Ok(()) }
        });
        if let Err(reason) = outcome {
            next.discard(slot, reason);
        }
    });
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
