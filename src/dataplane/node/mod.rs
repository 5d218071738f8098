//! The nodes, one a file.
//!
//! Read them in the order of a packet: `ethernet_input`, `ipv6_input`, `ipv6_lookup`,
//! `ipv6_rewrite`, `port_output`; then the exceptions: `repair_decap` and `repair_encap` (the
//! tunnels of repairs), `ipv6_local`, `bfd_input`, `icmpv6_echo`, `icmpv6_error`, `nd_resolve`,
//! `punt`, `drop`. `answer` is what the two answering nodes share. Bridged frames go by
//! `l2tpv3_decap`, `bridge_input`, `bridge_forward`, `bridge_flood`, `l2tpv3_encap` and
//! `bridge_error`; `inner` looks into them, `leave` is the way out of a domain, `mss` changes TCP.
//!
//! *Invariants*: behind `ethernet_input` every packet has exactly [`L2_OCTETS`] before its IPv6
//! header. A bridged frame has no outer header, and its first octet is that of its destination MAC.

mod answer;
mod bfd_input;
mod bridge_error;
mod bridge_flood;
mod bridge_forward;
mod bridge_input;
mod drop;
mod ethernet_input;
mod icmpv6_echo;
mod icmpv6_error;
mod inner;
mod ipv6_input;
mod ipv6_local;
mod ipv6_lookup;
mod ipv6_rewrite;
mod l2tpv3_decap;
mod l2tpv3_encap;
mod leave;
mod mss;
mod nd_resolve;
mod port_output;
mod punt;
mod repair_decap;
mod repair_encap;

pub use bfd_input::bfd_input;
pub use bridge_error::bridge_error;
pub use bridge_flood::bridge_flood;
pub use bridge_forward::bridge_forward;
pub use bridge_input::bridge_input;
pub use drop::drop;
pub use ethernet_input::ethernet_input;
pub use icmpv6_echo::icmpv6_echo;
pub use icmpv6_error::{ERROR_BURST_MAX, ERRORS_PER_SECOND_MAX, icmpv6_error};
pub use ipv6_input::ipv6_input;
pub use ipv6_local::ipv6_local;
pub use ipv6_lookup::ipv6_lookup;
pub use ipv6_rewrite::ipv6_rewrite;
pub use l2tpv3_decap::l2tpv3_decap;
pub use l2tpv3_encap::l2tpv3_encap;
pub use nd_resolve::nd_resolve;
pub use port_output::port_output;
pub use punt::punt;
pub use repair_decap::repair_decap;
pub use repair_encap::repair_encap;

use crate::packet::PacketBuf;

/// Octets before the IPv6 header: an untagged Ethernet header, or the room for one.
pub const L2_OCTETS: u16 = 14;

/// The packet from its IPv6 header on, as far as the first segment has it.
#[inline]
fn ipv6_octets<B: PacketBuf>(packet: &B) -> &[u8] {
    packet.data().get(usize::from(L2_OCTETS)..).unwrap_or(&[])
}

/// The same, to change.
#[inline]
fn ipv6_octets_mut<B: PacketBuf>(packet: &mut B) -> &mut [u8] {
    packet.data_mut().get_mut(usize::from(L2_OCTETS)..).unwrap_or(&mut [])
}
