//! Why packets die: one reason, one counter.
//!
//! Owns [`DropReason`] and [`SilenceReason`] with the names and the sentences that `show errors`
//! prints. Each failed check of the graph has its own reason; who checks is the node.
//!
//! *Invariants*: `ALL` lists the variants of an enum in the order of their numbers.

macro_rules! reasons {
    ($(#[$doc:meta])* enum $reasons:ident; $($variant:ident: $name:literal, $help:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $reasons {
            $(#[doc = $help] $variant,)*
        }

        impl $reasons {
            /// Every reason, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Name of the counter.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it means and what to do.
            pub const fn help(self) -> &'static str {
                match self {
                    $(Self::$variant => $help,)*
                }
            }

            /// The reason as an index into a table.
            #[inline]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

reasons! {
    /// A reason to drop a packet.
    enum DropReason;

    PortUnknown: "port_unknown",
        "Came in by a port that the forwarding state does not know; normal while a port starts.";
    EthernetTruncated: "ethernet_truncated", "Shorter than an Ethernet header and its VLAN tag.";
    EthernetNotOurs: "ethernet_not_ours",
        "For the MAC of somebody else; the device is promiscuous.";
    EthernetSourceMulticast: "ethernet_source_multicast",
        "The source MAC is a group address, which no station has.";
    VlanUnexpected: "vlan_unexpected", "Tagged, on a port without VLAN: see `vlan` of the port.";
    VlanMissing: "vlan_missing", "Untagged, on a port with a VLAN: see `vlan` of the port.";
    VlanOther: "vlan_other", "Tagged with another VLAN than the port's.";
    EtherTypeLength: "ethertype_length", "An IEEE 802.3 frame (spanning tree, for example).";
    EtherTypeUnknown: "ethertype_unknown", "Not IPv6: ARP, IPv4, LLDP or a second VLAN tag.";
    Ipv6HeaderTruncated: "ipv6_header_truncated", "Shorter than an IPv6 header.";
    Ipv6Version: "ipv6_version", "The version field is not 6.";
    Ipv6LengthBeyondFrame: "ipv6_length_beyond_frame",
        "The IPv6 length is longer than the frame: cut on the way, or an offload left on.";
    Ipv6Jumbogram: "ipv6_jumbogram", "A jumbogram (RFC 2675), which no link here carries.";
    SourceMulticast: "source_multicast", "The source is a multicast address (RFC 4291 §2.7).";
    SourceLoopback: "source_loopback", "The source is ::1 (RFC 4291 §2.5.3).";
    SourceUnspecified: "source_unspecified",
        "The source is :: and the destination no multicast group (RFC 4291 §2.5.2).";
    DestinationLoopback: "destination_loopback", "The destination is ::1 (RFC 4291 §2.5.3).";
    DestinationUnspecified: "destination_unspecified", "The destination is :: (RFC 4291 §2.5.2).";
    LinkLocalNotOurs: "link_local_not_ours",
        "For a link-local address that is not this port's; never forwarded (RFC 4291 §2.5.6).";
    HostOnLink: "host_on_link",
        "The host's kernel greets groups or link-local addresses on its TUN; there is no link.";
    MulticastNotMember: "multicast_not_member",
        "For a multicast group that the router is not in; multicast is not routed.";
    NoRoute: "no_route", "No route to the destination; answered with Destination Unreachable.";
    Blackhole: "blackhole", "The route says: discard.";
    NextHopsDead: "next_hops_dead",
        "Every next hop of the route is down; answered with Destination Unreachable.";
    LookupLimit: "lookup_limit", "Looked up twice already; a loop inside the router.";
    LinkMulticast: "link_multicast",
        "To be forwarded, but sent to a group MAC: other routers of the link have it too.";
    BeyondScope: "beyond_scope",
        "To be forwarded with a link-local source (RFC 4007 §9); answered.";
    HopLimitZero: "hop_limit_zero",
        "Came with hop limit 0 and is not for this router; answered with Time Exceeded.";
    HopLimitExceeded: "hop_limit_exceeded",
        "Hop limit used up: a traceroute, or a routing loop; answered with Time Exceeded.";
    PacketTooBig: "packet_too_big",
        "Longer than the MTU of the next link; answered with Packet Too Big.";
    InterfaceDown: "interface_down", "The port it should leave by is down; answered.";
    NoHeadroom: "no_headroom", "No room before the packet for what had to be put there.";
    SegmentSplit: "segment_split",
        "Headers or a message to answer lie in several segments of the buffer.";
    ChainTruncated: "chain_truncated", "For the router; an extension header ends too early.";
    ChainTooLong: "chain_too_long", "For the router; too many extension headers.";
    HopByHopNotFirst: "hop_by_hop_not_first",
        "For the router; hop-by-hop options behind another header (RFC 8200 §4.1); answered.";
    LocalFragment: "local_fragment",
        "A fragment of something that only this link's protocols say; they fit one packet.";
    LocalExtension: "local_extension",
        "An echo with extension headers to a link-local address or a group.";
    LocalNoNextHeader: "local_no_next_header", "For the router, with nothing in it (header 59).";
    LinkLocalUnwanted: "link_local_unwanted",
        "For the link-local address of a port, of a protocol that nobody speaks there.";
    OspfPort: "ospf_port",
        "OSPF by a port that is no fabric port, or from the host; nobody there is a neighbour.";
    OspfSource: "ospf_source",
        "OSPF from a source that is not link-local: from beyond the link (RFC 5340 §2.5).";
    OspfDestination: "ospf_destination",
        "OSPF to another address than its groups and the port's link-local address.";
    BfdPort: "bfd_port", "BFD to a link-local address by a LAN port; no session can be there.";
    BfdSource: "bfd_source",
        "BFD from a source that is not link-local: from beyond the link (RFC 5881 §5).";
    BfdHopLimit: "bfd_hop_limit",
        "BFD from beyond the link: hop limit not 255 (RFC 5881 §5).";
    BfdUdp: "bfd_udp", "BFD with a wrong length or checksum of UDP.";
    BfdMalformed: "bfd_malformed",
        "BFD with a wrong version, length, multiplier or discriminator (RFC 5880 §6.8.6).";
    BfdNoSession: "bfd_no_session",
        "BFD from somebody with whom there is no session; normal while an adjacency begins.";
    BfdDiscriminator: "bfd_discriminator",
        "BFD for a session that is no more: its discriminator is stale (RFC 5880 §6.8.6).";
    BfdAuthentication: "bfd_authentication",
        "BFD with no, another or a wrong key, or with an old sequence number (RFC 5880 §6.7).";
    Icmpv6Truncated: "icmpv6_truncated", "An ICMPv6 message that ends too early.";
    Icmpv6Checksum: "icmpv6_checksum", "An echo request with a wrong checksum.";
    EchoUnanswerable: "echo_unanswerable",
        "An echo request to a group from ::, where no reply can go (RFC 4291 §2.5.2).";
    NdHopLimit: "nd_hop_limit",
        "Neighbour Discovery from beyond the link: hop limit not 255 (RFC 4861 §7.1).";
    NdCode: "nd_code", "Neighbour Discovery with a code that is not 0 (RFC 4861 §7.1).";
    MldIgnored: "mld_ignored", "Multicast listener messages, which a unicast router ignores.";
    MulticastUnwanted: "multicast_unwanted",
        "To a group of ours, of a protocol that nothing here speaks.";
    TxFull: "tx_full", "The device did not take it: its transmit queue is full.";
    HandOverFull: "hand_over_full",
        "Another worker is behind: the ring of packets that it was handed is full.";
    PortGone: "port_gone", "The port it should leave by is not on this worker any more.";
    PuntRingFullOspf: "punt_ring_full_ospf",
        "The control thread is behind; its ring of OSPF is full. Adjacencies may fall.";
    PuntRingFull: "punt_ring_full",
        "The control thread is behind; its ring of ND and unresolved neighbours is full.";
    PuntRingFullHost: "punt_ring_full_host", "The host thread is behind; its ring is full.";
    PuntPolicedOspf: "punt_policed_ospf", "OSPF above the rate that one port may have.";
    PuntPolicedNd: "punt_policed_nd",
        "Neighbour Discovery above the rate that one port may have.";
    PuntPolicedUnresolved: "punt_policed_unresolved",
        "Packets to unresolved neighbours of one port above their rate: a scan, for example.";
    PuntPolicedL2tp: "punt_policed_l2tp",
        "Control messages of L2TPv3 above the rate that one port may have.";
    PuntPolicedHost: "punt_policed_host", "Packets for the host above the rate of their class.";
    RepairPort: "repair_port",
        "A tunnel of a repair from a port that is no fabric port, or from the host.";
    RepairSource: "repair_source",
        "A tunnel of a repair that comes from no loopback of another router that is reachable.";
    RepairInnerTruncated: "repair_inner_truncated",
        "A tunnel of a repair with less than an IPv6 header inside.";
    RepairInnerVersion: "repair_inner_version",
        "A tunnel of a repair whose inner packet is not of version 6.";
    RepairInnerLength: "repair_inner_length",
        "A tunnel of a repair whose inner packet is not as long as what is in the tunnel.";
    RepairInnerHopLimit: "repair_inner_hop_limit",
        "A tunnel of a repair in which no hop is left to the packet.";
    RepairInnerSource: "repair_inner_source",
        "A tunnel of a repair with a source inside that no link but its own may see.";
    RepairInnerDestination: "repair_inner_destination",
        "A tunnel of a repair with a destination inside that is not routed.";
    RepairCongestion: "repair_congestion",
        "Congestion on the way of a repair, and a sender that can only hear of it by loss \
         (RFC 6040 §4.2).";
    RepairHeaders: "repair_headers", "More headers for this router than a repair has.";
    RepairAdjacencyUnknown: "repair_adjacency_unknown",
        "A tunnel of a repair to an adjacency that this router does not have, or not any more.";
    RepairAdjacencyDead: "repair_adjacency_dead",
        "A tunnel of a repair to an adjacency that is down: a second failure.";
    AdjacencyNotTunnel: "adjacency_not_tunnel",
        "To an adjacency address, which takes nothing but tunnels of repairs; answered.";
    RepairTooBig: "repair_too_big",
        "Longer than what the next link carries with the headers of a repair; answered.";
    RepairedAlready: "repaired_already",
        "Every next hop is down and the packet is repaired already: a second failure.";
    L2tpTruncated: "l2tp_truncated",
        "L2TPv3 that ends within its header, or with less than an Ethernet header inside.";
    L2tpUdp: "l2tp_udp", "L2TPv3 over UDP with a length that is not the packet's.";
    L2tpUdpChecksum: "l2tp_udp_checksum",
        "L2TPv3 over UDP with a wrong checksum, or with none in a session that wants one \
         (RFC 6936 §4).";
    L2tpVersion: "l2tp_version", "To the port of L2TP, of another version: L2TPv2 or L2F.";
    L2tpSession: "l2tp_session",
        "L2TPv3 of no session here: the ids of both ends differ, or the session has ended.";
    L2tpCarrier: "l2tp_carrier",
        "L2TPv3 over UDP in a session over IP, or the other way round.";
    L2tpAddress: "l2tp_address",
        "L2TPv3 from or for another address than the session's; forged, or misconfigured.";
    L2tpPort: "l2tp_port", "L2TPv3 over UDP from another port than the session's.";
    L2tpCookie: "l2tp_cookie",
        "L2TPv3 with a wrong cookie: a guess (RFC 3931 §8.2), or the cookies of both ends differ.";
    L2tpSublayer: "l2tp_sublayer",
        "L2TPv3 without a sequence number in a session that numbers.";
    L2tpSequence: "l2tp_sequence",
        "L2TPv3 with a number that was passed already: reordered, repeated or replayed.";
    L2tpCongestion: "l2tp_congestion",
        "Congestion on the way of a pseudowire, and a sender that can only hear of it by loss \
         (RFC 6040 §4.2).";
    L2tpToSelf: "l2tp_to_self", "A pseudowire whose other end is this router.";
    OverlayOff: "overlay_off", "A frame to be bridged on a worker that bridges nothing.";
    BridgeBlocked: "bridge_blocked", "By a member of a bridge domain that is blocked.";
    BridgeReserved: "bridge_reserved",
        "To a group that no bridge forwards (IEEE 802.1Q table 8-1): spanning tree, LACP, LLDP.";
    BridgeStatic: "bridge_static",
        "From a MAC that a static entry says is behind another member.";
    BridgeSameMember: "bridge_same_member",
        "To a MAC that is behind the member it came from; normal behind another switch.";
    BridgeSplitHorizon: "bridge_split_horizon",
        "From a pseudowire to a MAC behind another one: who sent it has its own pseudowire there.";
    BridgeTooBig: "bridge_too_big",
        "Longer than what a member of the domain carries; answered where it came by a port.";
    BridgeNobody: "bridge_nobody", "To be flooded, with nobody else in the domain.";
    BridgeStorm: "bridge_storm",
        "Group and unknown frames of one member above its rate: a storm, or a loop.";
    FloodBudget: "flood_budget", "More copies in one loop of a worker than it makes.";
    FloodNoBuffer: "flood_no_buffer", "A copy for which the pool had no buffer.";
    GraphOverflow: "graph_overflow", "More than a burst waited for one node; an error of ours.";
}

reasons! {
    /// A reason not to answer a dropped packet with the ICMPv6 error that its node asked for.
    enum SilenceReason;

    Limited: "icmpv6_error_limited",
        "ICMPv6 errors not sent: above the rate of RFC 4443 §2.4(f).";
    Forbidden: "icmpv6_error_forbidden",
        "ICMPv6 errors not sent: RFC 4443 §2.4(e) forbids them.";
    NoSource: "icmpv6_error_no_source",
        "ICMPv6 errors not sent: there is no port whose address they could come from.";
    SegmentSplit: "icmpv6_error_segment_split",
        "ICMPv6 errors not sent: one segment could not hold what they quote.";
    NoHeadroom: "icmpv6_error_no_headroom",
        "ICMPv6 errors not sent: no room before the packet for their headers.";
}

/// How many reasons to drop there are.
pub const DROP_REASON_COUNT: usize = DropReason::ALL.len();
/// How many reasons to be silent there are.
pub const SILENCE_REASON_COUNT: usize = SilenceReason::ALL.len();

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_numbers_run_from_zero() {
        let drops = DropReason::ALL.iter().map(|reason| reason.name());
        let silences = SilenceReason::ALL.iter().map(|reason| reason.name());
        let names: BTreeSet<_> = drops.chain(silences).collect();
        assert_eq!(names.len(), DROP_REASON_COUNT + SILENCE_REASON_COUNT);
        assert!(DropReason::ALL.iter().enumerate().all(|(n, reason)| reason.index() == n));
        assert!(SilenceReason::ALL.iter().enumerate().all(|(n, reason)| reason.index() == n));
    }

    #[test]
    fn every_reason_has_a_sentence() {
        assert!(DropReason::ALL.iter().all(|reason| reason.help().ends_with('.')));
        assert!(SilenceReason::ALL.iter().all(|reason| reason.help().ends_with('.')));
    }
}
