//! Packets from the control thread: frames of the protocols, packets of the host and of ND.
//!
//! Owns [`Injected`] and its limit; the worker takes them at the start of a loop. The ring is a
//! [`crate::dataplane::ring::Ring`]; whoever pushes asks `must_wake` afterwards.
//!
//! *Invariants*: buffers come with the headroom of the pool.

use crate::base::ids::PortId;
use crate::wire::ipv6::{Ipv6View, NEXT_TCP, is_link_local};
use core::net::Ipv6Addr;

/// Packets that wait for a worker: an LSA flooded to 64 ports many times over, and a window of TCP.
pub const INJECT_RING_MAX: usize = 4096;

/// One packet on its way down.
#[derive(Debug)]
pub enum Injected<B> {
    /// A whole Ethernet frame, untagged, to be sent as it is (the port's VLAN tag is added): of a
    /// protocol, or a packet that waited for the MAC of its neighbour.
    Frame {
        /// Where it leaves.
        port: PortId,
        /// From the destination MAC on.
        packet: B,
    },
    /// An IPv6 packet of the router or of the host: looked up and sent; its hop limit stays.
    Packet {
        /// From the IPv6 header on.
        packet: B,
    },
    /// An IPv6 packet of the host from the link-local address of a port to a neighbour on its link:
    /// sent there without a lookup; its hop limit stays.
    OnLink {
        /// Where it leaves.
        port: PortId,
        /// From the IPv6 header on.
        packet: B,
    },
}

/// Whether a packet of the host is TCP from the link-local address `own` to a neighbour on that
/// link: what [`Injected::OnLink`] is for.
pub fn is_for_neighbor(octets: &[u8], own: Ipv6Addr) -> bool {
    Ipv6View::new(octets).is_ok_and(|view| {
        view.source() == own
            && is_link_local(view.destination_bits())
            && view.next_header() == NEXT_TCP
    })
}
