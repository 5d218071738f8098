//! Packets for the router itself: which of its parts wants them.
//!
//! OSPFv3 and Neighbour Discovery go up to the control plane, BFD goes to the sessions of the
//! workers, L2TPv3 over UDP or behind extension headers to `l2tpv3_decap`, echo requests are
//! answered here, the rest of what is for an own unicast address goes to the kernel of the host.
//! Hop-by-hop options are passed over: RFC 8200 §4.8 lets a node ignore them unless configured
//! otherwise.
//!
//! *Invariants*: multicast is never for the host; nothing is for a group that the router is not in.
//! OSPF goes up only where a neighbour of a fabric port says it to this port: whoever can reach the
//! router from further off, or from a LAN, cannot spend what is kept for it. BFD to a link-local
//! address is heard from neighbours on a fabric port or a port to another network, where BGP
//! neighbours are; so it is with BFD to another address on the latter, elsewhere that is the
//! host's. Of what else comes to a link-local address the host gets BGP of such a port, and ICMPv6.
//! *Standards*: RFC 4291 §2.8 (groups of a router), RFC 5340 §2.5 (source of OSPF packets), §2.9
//! (protocol 89, groups), RFC 2328 §8.2 (destination of OSPF packets), RFC 4861 §6.1 and §7.1
//! (validation), RFC 6980 §5 (no fragmented ND), RFC 4443 §4.2 (echo), RFC 8200 §4.1.

use crate::base::route::PortRole;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Complaint, Ctx, Next, NodeId};
use crate::dataplane::node::{L2_OCTETS, ipv6_octets};
use crate::dataplane::punt::PuntClass;
use crate::fib::tunnel_header::L2TP_PORT;
use crate::fib::{Interface, Overlay};
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::bfd::CONTROL_PORT;
use crate::wire::icmpv6::{
    CODE_NEXT_HEADER, Icmpv6View, TYPE_ECHO_REQUEST, TYPE_PARAMETER_PROBLEM, is_multicast_listener,
    is_neighbor_discovery,
};
use crate::wire::ipv6::{
    ALL_DESIGNATED_ROUTERS, ALL_NODES, ALL_ROUTERS, ALL_SPF_ROUTERS, ChainError, HEADER_OCTETS,
    HOP_LIMIT_LINK, Ipv6View, NEXT_ICMPV6, NEXT_L2TP, NEXT_NONE, NEXT_OSPF, NEXT_TCP, NEXT_UDP,
    UpperLayer, is_link_local, is_multicast, is_solicited_node,
};
use crate::wire::udp::UdpView;
use core::net::Ipv6Addr;

/// The port of BGP (RFC 4271 §8.2.1).
const BGP_PORT: u16 = 179;

/// Sorts a burst for the router; see the file.
pub fn ipv6_local<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    burst.sift(|slot| {
        let Some(packet) = slot.as_mut() else { return };
        if packet.meta().has(PacketMeta::TUNNELLED) {
            return next.discard(slot, DropReason::L2tpToSelf);
        }
        match judge(ipv6_octets(packet), ctx.interface, &ctx.world.overlay) {
            Verdict::Tunnel(protocol, offset) => {
                let offset = u16::try_from(HEADER_OCTETS + offset).unwrap_or(u16::MAX);
                packet.meta_mut().l4_offset = offset.saturating_add(L2_OCTETS);
                packet.meta_mut().l4_protocol = protocol;
                next.divert(NodeId::L2tpv3Decap, slot);
            }
            Verdict::Punt(class) => next.punt(slot, class),
            Verdict::Echo => {
                let offset = u16::try_from(HEADER_OCTETS).unwrap_or(0) + L2_OCTETS;
                packet.meta_mut().l4_offset = offset;
                packet.meta_mut().l4_protocol = NEXT_ICMPV6;
                next.divert(NodeId::Icmpv6Echo, slot);
            }
            Verdict::Bfd(offset) => {
                let offset = u16::try_from(HEADER_OCTETS + offset).unwrap_or(u16::MAX);
                packet.meta_mut().l4_offset = offset.saturating_add(L2_OCTETS);
                packet.meta_mut().l4_protocol = NEXT_UDP;
                next.divert(NodeId::BfdInput, slot);
            }
            Verdict::Drop(reason) => next.discard(slot, reason),
            Verdict::Complain(complaint, reason) => next.complain(slot, complaint, reason),
        }
    });
}

enum Verdict {
    Punt(PuntClass),
    Echo,
    /// The offset of the UDP header behind the IPv6 header.
    Bfd(usize),
    /// L2TPv3 over this protocol, whose header has this offset.
    Tunnel(u8, usize),
    Drop(DropReason),
    Complain(Complaint, DropReason),
}

/// What kind of own address the packet is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// An address that the host has as well.
    Host,
    /// The port's link-local address, which only the router has, or a group.
    Link,
    Group,
}

fn judge(octets: &[u8], interface: Option<&Interface>, overlay: &Overlay) -> Verdict {
    let Ok(view) = Ipv6View::new(octets) else {
        return Verdict::Drop(DropReason::Ipv6HeaderTruncated);
    };
    let scope = match view.destination_bits() {
        bits if is_multicast(bits) => Scope::Group,
        bits if is_link_local(bits) => Scope::Link,
        _ => Scope::Host,
    };
    if scope == Scope::Group && !is_member(view.destination()) {
        return Verdict::Drop(DropReason::MulticastNotMember);
    }
    let found = match view.upper_layer() {
        Ok(found) => found,
        Err(error) => return broken_chain(error),
    };
    if found.fragment.is_some() {
        return match scope {
            // The kernel puts fragments together.
            // Gap: of L2TPv3 as well, which it does not know; its ends keep to the MTU.
            Scope::Host => Verdict::Punt(PuntClass::Host),
            // Gap: RFC 5340 §4.2.2 lets OSPF packets be fragmented; ours and the peers' fit the
            // MTU.
            Scope::Link | Scope::Group => Verdict::Drop(DropReason::LocalFragment),
        };
    }
    match (found.protocol, scope) {
        (NEXT_OSPF, _) => judge_ospf(&view, interface),
        (NEXT_ICMPV6, _) => judge_icmpv6(&view, &found, scope),
        (NEXT_UDP, Scope::Link) if is_bfd(&view, &found) => judge_bfd(&view, &found, interface),
        (NEXT_UDP, Scope::Host) if is_bgp_bfd(&view, interface) && is_bfd(&view, &found) => {
            Verdict::Bfd(found.offset)
        }
        (protocol @ (NEXT_L2TP | NEXT_UDP), Scope::Host) if is_l2tp(&view, &found, overlay) => {
            Verdict::Tunnel(protocol, found.offset)
        }
        (NEXT_NONE, _) => Verdict::Drop(DropReason::LocalNoNextHeader),
        (_, Scope::Group) => Verdict::Drop(DropReason::MulticastUnwanted),
        (_, Scope::Link) if !is_bgp(&view, &found, interface) => {
            Verdict::Drop(DropReason::LinkLocalUnwanted)
        }
        (_, Scope::Host | Scope::Link) => Verdict::Punt(PuntClass::Host),
    }
}

/// Whether a packet to the link-local address of a port may be of a session of BGP: from a
/// neighbour on the link of a port to another network.
fn is_bgp(view: &Ipv6View<'_>, found: &UpperLayer, interface: Option<&Interface>) -> bool {
    let ports = view.rest().get(found.offset..).and_then(|tcp| tcp.first_chunk::<4>());
    let is_there = |[a, b, c, d]: &[u8; 4]| {
        [u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])].contains(&BGP_PORT)
    };
    found.protocol == NEXT_TCP
        && interface.is_some_and(is_edge)
        && is_link_local(view.source_bits())
        && ports.is_some_and(is_there)
}

fn is_edge(interface: &Interface) -> bool {
    matches!(interface.role, PortRole::Uplink | PortRole::Routed)
}

/// Whether a packet is for an end of the router's tunnels.
fn is_l2tp(view: &Ipv6View<'_>, found: &UpperLayer, overlay: &Overlay) -> bool {
    if !overlay.is_endpoint(view.destination_bits()) {
        return false;
    }
    let header = view.rest().get(found.offset..).map(UdpView::new);
    let is_port = matches!(header, Some(Ok(udp)) if udp.destination_port() == L2TP_PORT);
    found.protocol == NEXT_L2TP || is_port
}

/// `interface` is where the packet came in; `None` for what the host sent.
fn judge_ospf(view: &Ipv6View<'_>, interface: Option<&Interface>) -> Verdict {
    let Some(interface) = interface.filter(|interface| interface.role == PortRole::Fabric) else {
        return Verdict::Drop(DropReason::OspfPort);
    };
    // RFC 5340 §2.5: packets come from the link-local address of the neighbour's interface. Only
    // virtual links use others, and a cluster of one area has none.
    if !is_link_local(view.source_bits()) {
        return Verdict::Drop(DropReason::OspfSource);
    }
    // RFC 2328 §8.2: "The packet's IP destination address must be the IP address of the receiving
    // interface, or one of the IP multicast addresses AllSPFRouters or AllDRouters."
    match view.destination() {
        ALL_SPF_ROUTERS | ALL_DESIGNATED_ROUTERS => Verdict::Punt(PuntClass::Ospf),
        own if own == interface.link_local => Verdict::Punt(PuntClass::Ospf),
        _ => Verdict::Drop(DropReason::OspfDestination),
    }
}

fn is_bfd(view: &Ipv6View<'_>, found: &UpperLayer) -> bool {
    let header = view.rest().get(found.offset..).map(UdpView::new);
    matches!(header, Some(Ok(udp)) if udp.destination_port() == CONTROL_PORT)
}

/// Whether a packet for an address of the host may be of a BFD session with a BGP neighbour: from
/// the link of a port to another network.
fn is_bgp_bfd(view: &Ipv6View<'_>, interface: Option<&Interface>) -> bool {
    view.hop_limit() == HOP_LIMIT_LINK && interface.is_some_and(is_edge)
}

/// The destination is the port's own link-local address.
fn judge_bfd(view: &Ipv6View<'_>, found: &UpperLayer, interface: Option<&Interface>) -> Verdict {
    if interface.is_none_or(|interface| interface.role == PortRole::Lan) {
        Verdict::Drop(DropReason::BfdPort)
    } else if !is_link_local(view.source_bits()) {
        Verdict::Drop(DropReason::BfdSource)
    } else {
        Verdict::Bfd(found.offset)
    }
}

fn judge_icmpv6(view: &Ipv6View<'_>, found: &UpperLayer, scope: Scope) -> Verdict {
    let message = view.rest().get(found.offset..).map(Icmpv6View::new);
    let Some(Ok(message)) = message else {
        return Verdict::Drop(DropReason::Icmpv6Truncated);
    };
    match message.kind() {
        kind if is_neighbor_discovery(kind) => {
            // RFC 4861 §7.1.1: the hop limit is 255, the code is 0; the rest is the control
            // plane's.
            if view.hop_limit() != HOP_LIMIT_LINK {
                Verdict::Drop(DropReason::NdHopLimit)
            } else if message.code() != 0 {
                Verdict::Drop(DropReason::NdCode)
            } else {
                Verdict::Punt(PuntClass::Nd)
            }
        }
        kind if is_multicast_listener(kind) => Verdict::Drop(DropReason::MldIgnored),
        TYPE_ECHO_REQUEST if found.offset == 0 => Verdict::Echo,
        TYPE_ECHO_REQUEST if scope != Scope::Host => Verdict::Drop(DropReason::LocalExtension),
        _ if scope == Scope::Group => Verdict::Drop(DropReason::MulticastUnwanted),
        _ => Verdict::Punt(PuntClass::Host),
    }
}

fn broken_chain(error: ChainError) -> Verdict {
    match error {
        ChainError::Truncated(_) => Verdict::Drop(DropReason::ChainTruncated),
        ChainError::TooMany => Verdict::Drop(DropReason::ChainTooLong),
        // RFC 8200 §4.1: Parameter Problem, code 1, pointing at the number.
        ChainError::HopByHopNotFirst(pointer) => {
            let complaint = Complaint {
                kind: TYPE_PARAMETER_PROBLEM,
                code: CODE_NEXT_HEADER,
                value: u32::try_from(pointer).unwrap_or(0),
            };
            Verdict::Complain(complaint, DropReason::HopByHopNotFirst)
        }
    }
}

fn is_member(group: Ipv6Addr) -> bool {
    matches!(group, ALL_NODES | ALL_ROUTERS | ALL_SPF_ROUTERS | ALL_DESIGNATED_ROUTERS)
        || is_solicited_node(group)
}
