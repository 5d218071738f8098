//! How an answer made from a received packet finds its way back.
//!
//! Answers to and from link-local addresses leave by the port the packet came in by, to the MAC it
//! came from: no route leads there, the neighbour need not be in the ND cache, and who writes to a
//! link-local address is on its link. All others are looked up.
//!
//! *Invariants*: an answer counts as made by the router: its hop limit is not decremented, and no
//! error answers it. A link-local address is seen on its own link only.
//! *Standards*: RFC 4291 §2.5.6 (link-local addresses are not forwarded).

use crate::base::ids::MacAddress;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Next, NodeId};
use crate::dataplane::node::ipv6_lookup::LOOKUPS_MAX;
use crate::dataplane::node::ipv6_octets;
use crate::fib::{Adjacency, Interface};
use crate::packet::{PacketBuf, PacketMeta};
use crate::wire::ipv6::{Ipv6View, is_link_local};

/// Sends the answer in `slot` on its way; `asker` is the source MAC of the packet it answers.
pub fn send_answer<B: PacketBuf>(
    slot: &mut Option<B>,
    asker: MacAddress,
    interface: Option<&Interface>,
    next: &mut Next<B>,
) {
    let Some(packet) = slot.as_mut() else { return };
    let meta = packet.meta_mut();
    meta.flags = (meta.flags | PacketMeta::INJECTED) & !PacketMeta::LINK_MULTICAST;
    // Its lookup is the last one, also where the packet it answers came here without any.
    meta.lookup_count = LOOKUPS_MAX - 1;
    let stays_on_link = Ipv6View::new(ipv6_octets(packet)).is_ok_and(|view| {
        is_link_local(view.destination_bits()) || is_link_local(view.source_bits())
    });
    if !stays_on_link {
        return next.divert(NodeId::Ipv6Lookup, slot);
    }
    let Some(interface) = interface else {
        return next.discard(slot, DropReason::LinkLocalNotOurs);
    };
    if let Some(ethernet) = packet.data_mut().first_chunk_mut() {
        *ethernet = Adjacency::ipv6(asker, interface.mac).rewrite;
    }
    packet.meta_mut().out_port = interface.port;
    next.divert(NodeId::PortOutput, slot);
}

/// The MAC that a received packet came from.
pub fn asker<B: PacketBuf>(packet: &B) -> MacAddress {
    match packet.data().first_chunk() {
        Some([_, _, _, _, _, _, a, b, c, d, e, f]) => MacAddress([*a, *b, *c, *d, *e, *f]),
        None => MacAddress::default(),
    }
}
