//! What is known of a packet while it crosses the graph.
//!
//! One per buffer, written by the node that learns the fact, read by the nodes after it. Lives
//! beside the buffer (`dpdk`: fields of the mbuf that are ours), so it costs no allocation.
//!
//! *Invariants*: valid from the input node on; a buffer enters the graph with
//! [`PacketMeta::arrived`].

use crate::base::ids::{DomainId, GroupId, MemberId, NextHopId, PortId};

/// Facts about one packet; 32 octets, plain data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PacketMeta {
    /// The port it came in by; for injected packets the port of the router it speaks for.
    pub in_port: PortId,
    /// The port it leaves by, once decided.
    pub out_port: PortId,
    /// What the lookup found.
    pub group: GroupId,
    /// The member of the group that was chosen.
    pub next_hop: NextHopId,
    /// Offset of the IPv6 header from the first octet.
    pub l3_offset: u16,
    /// Offset of the upper-layer header from the first octet; 0 when not looked for.
    pub l4_offset: u16,
    /// The upper-layer protocol after the extension headers; 255 when not looked for.
    pub l4_protocol: u8,
    /// Lookups done: at most two (STYLE §9).
    pub lookup_count: u8,
    /// Flags, see the constants.
    pub flags: u16,
    /// Flow hash over addresses, flow label and ports; 0 when not computed. Of a bridged frame,
    /// with `cause_value`, where its destination is in the table of MACs.
    pub flow_hash: u32,
    /// VLAN id of the tag that was removed; 0 when there was none.
    pub vlan: u16,
    /// Cause of the punt or of the ICMPv6 error to send, node-specific; the number of the header
    /// that a pseudowire puts on.
    pub cause: u16,
    /// A value that goes with the cause: the MTU, the pointer; the place of the next copy.
    pub cause_value: u32,
    /// The bridge domain that a bridged frame is in; 0 for all others.
    pub domain: DomainId,
    /// The member that it came from; for `l2tpv3_encap` the one that it goes to.
    pub member: MemberId,
}

impl PacketMeta {
    /// The router made this packet itself (hop limit is not decremented).
    pub const INJECTED: u16 = 1;
    /// The destination MAC was a group address: no ICMPv6 error may answer it (RFC 4443 §2.4(e)).
    pub const LINK_MULTICAST: u16 = 2;
    /// It came in a tunnel of a repair, whose end was here: nobody repairs it again.
    pub const REPAIRED: u16 = 4;
    /// It has the outer header of a pseudowire that this router put on.
    pub const TUNNELLED: u16 = 8;
    /// It came by a pseudowire: it leaves by no other one.
    pub const FROM_PSEUDOWIRE: u16 = 16;

    /// The facts of a packet that just arrived on `port`.
    pub const fn arrived(port: PortId) -> Self {
        Self {
            in_port: port,
            out_port: PortId(0),
            group: GroupId(0),
            next_hop: NextHopId(0),
            l3_offset: 0,
            l4_offset: 0,
            l4_protocol: 255,
            lookup_count: 0,
            flags: 0,
            flow_hash: 0,
            vlan: 0,
            cause: 0,
            cause_value: 0,
            domain: DomainId(0),
            member: MemberId(0),
        }
    }

    /// Whether all bits of `flag` are set.
    pub const fn has(&self, flag: u16) -> bool {
        self.flags & flag == flag
    }
}

const _: () = assert!(core::mem::size_of::<PacketMeta>() == 32);
