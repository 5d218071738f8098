//! Repairs: packets into tunnels and out of them, and what is refused.

use crate::packets::{HOST, address, frame, header, open, open_icmpv6, packet, ping, udp};
use crate::router::{Router, VLAN, neighbor_mac, only, own_mac, to_router};
use kumiki::base::ids::{GroupId, NextHopId, PortId};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::route::PortRole;
use kumiki::dataplane::{DropReason, Injected, NodeId, PuntClass};
use kumiki::fib::{
    Adjacency, Encapsulation, Forwarding, GroupTable, NextHop, NextHopGroup, RepairAddresses,
};
use kumiki::packet::{HeapBuf, PacketBuf};
use kumiki::wire::icmpv6::Icmpv6Message;
use kumiki::wire::ipv6::{Ipv6Header, NEXT_ICMPV6, NEXT_IPV6, NEXT_UDP};
use std::sync::Arc;

/// This router's loopback; the numbers of the others are their last digits.
const OWN: &str = "fd4b::1";
/// Behind port 1, who sends tunnels here.
const SENDER: &str = "fd4b::9";

/// Next hops beyond those of the plain world: tunnels, and a plain one for alternates.
const ONE_HEADER: u16 = 4;
const TWO_HEADERS: u16 = 5;
const UNRESOLVED: u16 = 6;
const SMALL_DEVICE: u16 = 7;

/// Prefix, member and backup of protected routes; the groups are numbered from 9 on.
const PROTECTED: [(&str, &[u16], u16); 5] = [
    ("2001:db8:50::/48", &[1], ONE_HEADER),
    ("2001:db8:51::/48", &[1], TWO_HEADERS),
    ("2001:db8:52::/48", &[1], 2),
    ("2001:db8:53::/48", &[1], UNRESOLVED),
    ("2001:db8:54::/48", &[2], SMALL_DEVICE),
];

fn tunnel(port: u16, segments: &[&str], is_resolved: bool) -> NextHop {
    let segments: Vec<_> = segments.iter().map(|segment| address(segment)).collect();
    NextHop {
        port: PortId(port),
        address: neighbor_mac(port).link_local(),
        adjacency: is_resolved.then(|| Adjacency::ipv6(neighbor_mac(port), own_mac(port))),
        encapsulation: Encapsulation::new(address(OWN), &segments).map(Arc::new),
    }
}

/// The world of the other tests with a cluster, protected routes and two adjacencies.
fn cluster(world: &mut Forwarding) {
    let interfaces = Arc::make_mut(&mut world.interfaces);
    let adjacencies = "fd4b::1:0/112".parse().unwrap();
    interfaces.set_repair_addresses(Some(RepairAddresses::new(address(OWN), adjacencies)));
    Arc::make_mut(&mut world.next_hops).extend([
        tunnel(3, &["fd4b::5"], true),
        tunnel(3, &["fd4b::5", "fd4b::6:2"], true),
        tunnel(3, &["fd4b::5"], false),
        tunnel(2, &["fd4b::5", "fd4b::6:2", "fd4b::7"], true),
    ]);
    let mut groups = world.groups.to_vec();
    let mut changes = vec![
        ("fd4b::1/128", 7),
        ("fd4b::9/128", 1),
        ("fd4b::5/128", 3),
        ("fd4b::6/128", 8),
        ("fd4b::1:0/112", 0),
        ("fd4b::1:3/128", 14),
        ("fd4b::1:4/128", 15),
        ("::/0", 1),
    ];
    for (number, (prefix, members, backup)) in (9..).zip(PROTECTED) {
        let members = members.iter().map(|member| NextHopId(*member)).collect();
        let group = NextHopGroup::forward(members);
        groups.push(group.with_backup(Some(NextHopId(backup))));
        changes.push((prefix, number));
    }
    groups.push(NextHopGroup::Cross(NextHopId(2)));
    groups.push(NextHopGroup::Cross(NextHopId(3)));
    world.groups = Arc::new(GroupTable::new(groups));
    let parsed = changes
        .iter()
        .map(|(prefix, group)| (prefix.parse::<Ipv6Prefix>().unwrap(), Some(GroupId(*group))));
    world.table.apply(&parsed.collect::<Vec<_>>());
}

fn router() -> Router {
    Router::with(cluster)
}

/// A router whose next hop on port 2 is down.
fn cut() -> Router {
    let router = router();
    router.liveness.set(NextHopId(1), false);
    router
}

/// The outer header of a tunnel as the sender makes it.
fn outer(segment: &str) -> Ipv6Header {
    Ipv6Header { source: address(SENDER), ..header(segment, NEXT_IPV6) }
}

/// A packet in tunnels, the outermost last.
fn within(inner: &[u8], headers: &[Ipv6Header]) -> Vec<u8> {
    headers.iter().fold(inner.to_vec(), |inner, header| packet(*header, &inner))
}

/// A frame with a packet for a segment of this router.
fn tunnelled(segment: &str, inner: &[u8]) -> Vec<u8> {
    to_router(&within(inner, &[outer(segment)]))
}

#[test]
fn a_repaired_packet_has_the_headers_of_its_tunnel_bit_for_bit() {
    let mut router = cut();
    let inner =
        Ipv6Header { traffic_class: 0xba, flow_label: 7, ..header("2001:db8:51::1", NEXT_UDP) };
    let sent = packet(inner, &[0x5a; 100]);
    let (port, frame) = only(router.pass(&to_router(&sent)));
    assert_eq!(port, 3);
    let (ethernet, first, rest) = open(&frame);
    assert_eq!((ethernet.destination, ethernet.source), (neighbor_mac(3), own_mac(3)));
    assert_eq!(ethernet.tag.map(|tag| tag.control), Some(VLAN));
    let mut expected = Ipv6Header {
        // "0xba" has ECT(0): RFC 6040 §4.1 copies the bits.
        traffic_class: 0xba,
        flow_label: first.flow_label,
        payload_length: 180,
        next_header: NEXT_IPV6,
        hop_limit: 63,
        source: address(OWN),
        destination: address("fd4b::5"),
    };
    assert_eq!(first, expected);
    assert!(first.flow_label != 0, "RFC 6438 §3");
    expected.payload_length = 140;
    expected.destination = address("fd4b::6:2");
    assert_eq!(rest[..40], expected.to_octets());
    let mut forwarded = sent;
    forwarded[7] = 63;
    assert_eq!(rest[40..], forwarded);
    let counts = router.counts();
    assert_eq!((counts.repaired, counts.node(NodeId::RepairEncap).packets), (1, 1));
    assert_eq!(router.counters.next_hop_packets(NextHopId(TWO_HEADERS)), 1);
}

#[test]
fn a_flow_keeps_its_label_and_others_have_others() {
    let mut router = cut();
    let label = |router: &mut Router, port: u8| {
        let sent = packet(header("2001:db8:50::1", NEXT_UDP), &[0, port, 0, 0, 0, 8, 0, 0]);
        open(&only(router.pass(&to_router(&sent))).1).1.flow_label
    };
    let labels: Vec<u32> = (0..8).map(|port| label(&mut router, port)).collect();
    assert!((0..8).all(|port| label(&mut router, port) == labels[usize::from(port)]));
    assert!(labels.iter().skip(1).any(|other| *other != labels[0]), "{labels:?}");
}

#[test]
fn while_a_member_lives_nobody_is_repaired() {
    let mut router = router();
    assert_eq!(only(router.pass(&to_router(&udp("2001:db8:50::1", 9)))).0, 2);
    assert_eq!(router.counts().repaired, 0);
}

#[test]
fn an_alternate_takes_packets_as_they_are() {
    let mut router = cut();
    let (port, frame) = only(router.pass(&to_router(&udp("2001:db8:52::1", 9))));
    let (_, ipv6, _) = open(&frame);
    assert_eq!((port, ipv6.next_header, ipv6.hop_limit), (3, NEXT_UDP, 63));
    let counts = router.counts();
    assert_eq!((counts.repaired, counts.node(NodeId::RepairEncap).packets), (1, 0));
}

#[test]
fn a_dead_tunnel_is_no_repair() {
    let mut router = cut();
    router.liveness.set(NextHopId(ONE_HEADER), false);
    let frame = to_router(&udp("2001:db8:50::1", 9));
    let (_, answer) = only(router.pass(&frame));
    let (_, message) = open_icmpv6(&answer);
    assert!(matches!(message, Icmpv6Message::DestinationUnreachable { .. }), "{message:?}");
    assert_eq!(router.counts().dropped(DropReason::NextHopsDead), 1);
}

#[test]
fn the_last_hop_is_not_repaired() {
    let mut router = cut();
    let header = Ipv6Header { hop_limit: 1, ..header("2001:db8:50::1", NEXT_UDP) };
    let (port, answer) = only(router.pass(&to_router(&packet(header, &[0; 8]))));
    assert_eq!(port, 1);
    assert!(matches!(open_icmpv6(&answer).1, Icmpv6Message::TimeExceeded { .. }));
}

#[test]
fn packets_of_the_router_are_repaired_and_keep_their_hop_limit() {
    let mut router = cut();
    let sent = udp("2001:db8:50::1", 9);
    router.inject(Injected::Packet { packet: HeapBuf::new(&sent) });
    router.run();
    let frames = router.sent(3);
    let (_, outer, rest) = open(&frames[0]);
    assert_eq!((outer.hop_limit, rest), (64, sent));
}

#[test]
fn a_tunnel_to_an_unresolved_neighbor_goes_up_as_a_whole() {
    let mut router = cut();
    assert_eq!(router.pass(&to_router(&udp("2001:db8:53::1", 9))), []);
    let punted = router.punted();
    assert_eq!((punted.len(), punted[0].class), (1, PuntClass::Unresolved));
    assert_eq!((punted[0].port, punted[0].neighbor), (PortId(3), neighbor_mac(3).link_local()));
    let bytes = punted[0].packet.data();
    assert_eq!((bytes.len(), bytes[6], bytes[7]), (40 + 40 + 17, NEXT_IPV6, 63));
}

#[test]
fn a_jumbo_packet_fits_with_its_headers_where_the_device_is_larger() {
    let mut router = cut();
    let sent = udp("2001:db8:51::1", 9000 - 48);
    assert_eq!(sent.len(), 9000);
    let (port, frame) = only(router.pass(&to_router(&sent)));
    assert_eq!((port, frame.len()), (3, 18 + 9080));
}

#[test]
fn a_jumbo_packet_in_a_tunnel_of_others_passes_and_one_without_does_not() {
    let mut router = router();
    let jumbo = udp("2001:db8:2::1", 9000 - 48);
    let sent = within(&jumbo, &[outer("fd4b::5")]);
    let (port, frame) = only(router.pass(&to_router(&sent)));
    assert_eq!((port, frame.len()), (3, 18 + 9040));
    let endless = within(&jumbo, &[outer("fd4b::5"); 4]);
    let plain = udp("fd4b::5", 9001 - 48);
    let elsewhere = within(&jumbo, &[outer("2001:db8:3::1")]);
    for (count, packet) in (1..).zip([endless, plain, elsewhere]) {
        router.pass(&to_router(&packet));
        assert_eq!(router.counts().dropped(DropReason::PacketTooBig), count);
    }
}

#[test]
fn what_is_too_big_with_its_headers_is_answered_with_what_fits() {
    let mut router = router();
    router.liveness.set(NextHopId(2), false);
    // The device carries 1480 octets, three headers take 120.
    let fits = udp("2001:db8:54::1", 1360 - 48);
    assert_eq!(only(router.pass(&to_router(&fits))).1.len(), 14 + 1480);
    let (port, answer) = only(router.pass(&to_router(&udp("2001:db8:54::1", 1361 - 48))));
    let (ipv6, message) = open_icmpv6(&answer);
    assert_eq!((port, ipv6.destination), (1, address(HOST)));
    let Icmpv6Message::PacketTooBig { mtu, .. } = message else { panic!("{message:?}") };
    assert_eq!((mtu, router.counts().dropped(DropReason::RepairTooBig)), (1360, 1));
}

#[test]
fn without_room_in_its_buffer_a_packet_is_dropped_and_counted() {
    let mut router = cut();
    let bytes = to_router(&udp("2001:db8:51::1", 9));
    let (front, rest) = bytes.split_at(60);
    // Sixty octets less are free before it, and none behind.
    let mut buffer = HeapBuf::snug(rest);
    buffer.prepend(60).unwrap().copy_from_slice(front);
    router.receive_in(1, buffer);
    router.run();
    assert_eq!(router.sent(3).len(), 0);
    assert_eq!(router.counts().dropped(DropReason::NoHeadroom), 1);
}

#[test]
fn what_comes_out_at_the_loopback_is_routed() {
    let mut router = router();
    let inner = udp("2001:db8:2::1", 50);
    let (port, frame) = only(router.pass(&tunnelled(OWN, &inner)));
    let (ethernet, ipv6, payload) = open(&frame);
    assert_eq!((port, ethernet.destination), (2, neighbor_mac(2)));
    assert_eq!((ipv6.source, ipv6.hop_limit), (address(HOST), 63));
    assert_eq!(payload, inner[40..]);
    let counts = router.counts();
    assert_eq!((counts.decapsulated, counts.node(NodeId::Ipv6Lookup).packets), (1, 1));
}

#[test]
fn what_comes_out_at_an_adjacency_leaves_by_its_link_whatever_the_routes_say() {
    let mut router = router();
    for destination in ["2001:db8:2::1", "2001:db8:dead::1", OWN] {
        let (port, frame) = only(router.pass(&tunnelled("fd4b::1:3", &udp(destination, 5))));
        let (ethernet, ipv6, _) = open(&frame);
        assert_eq!((port, ethernet.destination), (3, neighbor_mac(3)), "{destination}");
        assert_eq!((ipv6.destination, ipv6.hop_limit), (address(destination), 63));
    }
    let counts = router.counts();
    assert_eq!((counts.decapsulated, counts.node(NodeId::Ipv6Lookup).packets), (3, 0));
}

#[test]
fn headers_for_this_router_come_off_together() {
    let mut router = router();
    let inner = udp("2001:db8:2::1", 5);
    let twice = [outer("fd4b::1:3"), outer(OWN)];
    let (port, frame) = only(router.pass(&to_router(&within(&inner, &twice))));
    assert_eq!((port, open(&frame).1.destination), (3, address("2001:db8:2::1")));
    let onward = [outer("fd4b::5"), outer(OWN)];
    let (port, frame) = only(router.pass(&to_router(&within(&inner, &onward))));
    let (_, ipv6, payload) = open(&frame);
    assert_eq!((port, ipv6.destination, ipv6.next_header), (3, address("fd4b::5"), NEXT_IPV6));
    assert_eq!(payload.len(), inner.len());
    router.refuses(&to_router(&within(&inner, &[outer(OWN); 4])), DropReason::RepairHeaders);
}

#[test]
fn tunnels_for_others_pass_as_they_are() {
    let mut router = router();
    let sent = within(&udp("2001:db8:2::1", 5), &[outer("fd4b::5")]);
    let (port, frame) = only(router.pass(&to_router(&sent)));
    assert_eq!((port, open(&frame).1.destination), (3, address("fd4b::5")));
    assert_eq!(open(&frame).2, sent[40..]);
}

#[test]
fn a_tunnel_that_is_no_repair_is_anybodys() {
    let mut router = Router::new();
    let sent = within(&udp("2001:db8:2::1", 5), &[outer("2001:db8:2::9")]);
    assert_eq!(only(router.pass(&to_router(&sent))).0, 2, "without a cluster");
    let mut router = self::router();
    assert_eq!(only(router.pass(&to_router(&sent))).0, 2, "beyond its addresses");
    assert_eq!(router.pass(&tunnelled("fd00:1::1", &udp("2001:db8:2::1", 5))), []);
    assert_eq!(router.punted()[0].class, PuntClass::Host, "the host may have tunnels of its own");
}

#[test]
fn repaired_packets_are_not_repaired_again() {
    let mut router = router();
    router.liveness.set(NextHopId(2), false);
    // On its way to a router whose next hop is down, which has a backup.
    let protected = "2001:db8:54::1";
    let world_has_backup = only(router.pass(&to_router(&udp(protected, 5)))).0;
    assert_eq!(world_has_backup, 2);
    router.refuses(&tunnelled(OWN, &udp(protected, 5)), DropReason::RepairedAlready);
    assert_eq!(router.counts().repaired, 1);
    let mut router = Router::with(|world| {
        cluster(world);
        let prefix = "fd4b::5/128".parse().unwrap();
        world.table.apply(&[(prefix, Some(GroupId(9)))]);
    });
    router.liveness.set(NextHopId(1), false);
    let transit = to_router(&within(&udp("2001:db8:2::1", 5), &[outer("fd4b::5")]));
    router.refuses(&transit, DropReason::RepairedAlready);
    let plain = to_router(&udp("fd4b::5", 5));
    assert_eq!(only(router.pass(&plain)).0, 3, "what is no tunnel is repaired on that way");
}

#[test]
fn living_members_take_repaired_packets() {
    let mut router = router();
    router.liveness.set(NextHopId(1), false);
    for port in 0..32 {
        let inner = packet(header("2001:db8:23::1", NEXT_UDP), &[0, port, 0, 0, 0, 8, 0, 0]);
        assert_eq!(only(router.pass(&tunnelled(OWN, &inner))).0, 3);
    }
}

#[test]
fn only_the_fabric_may_bring_repairs() {
    for role in [PortRole::Lan, PortRole::Uplink, PortRole::Routed] {
        let mut router = Router::with(|world| {
            cluster(world);
            let interfaces = Arc::make_mut(&mut world.interfaces);
            let port = interfaces.get(PortId(1)).unwrap().clone();
            assert!(interfaces.set(kumiki::fib::Interface { role, ..port }));
        });
        let inner = udp("2001:db8:2::1", 5);
        for segment in [OWN, "fd4b::1:3", "fd4b::5", "fd4b::5:1"] {
            router.refuses(&tunnelled(segment, &inner), DropReason::RepairPort);
        }
    }
    let mut router = router();
    let packet = HeapBuf::new(&within(&udp("2001:db8:2::1", 5), &[outer("fd4b::5")]));
    router.inject(Injected::Packet { packet });
    router.run();
    assert_eq!(router.counts().dropped(DropReason::RepairPort), 1, "nor may the host");
}

#[test]
fn tunnels_begin_at_reachable_loopbacks_only() {
    let mut router = router();
    // No loopback, a default route only, our own, a black hole, and one without a number.
    for source in ["2001:db8:2::9", "fd4b::9:1", "fd4b::8", OWN, "fd4b::6", "fd4b::"] {
        let header = Ipv6Header { source: address(source), ..outer(OWN) };
        let frame = to_router(&packet(header, &udp("2001:db8:2::1", 5)));
        router.refuses(&frame, DropReason::RepairSource);
    }
}

#[test]
fn what_is_inside_is_looked_at() {
    let mut router = router();
    let good = udp("2001:db8:2::1", 5);
    let refuses = |router: &mut Router, inner: &[u8], reason| {
        for segment in [OWN, "fd4b::1:3"] {
            router.refuses(&tunnelled(segment, inner), reason);
        }
    };
    refuses(&mut router, &good[..39], DropReason::RepairInnerTruncated);
    refuses(&mut router, &[], DropReason::RepairInnerTruncated);
    let mut version = good.clone();
    version[0] = 0x45;
    refuses(&mut router, &version, DropReason::RepairInnerVersion);
    refuses(&mut router, &good[..good.len() - 1], DropReason::RepairInnerLength);
    refuses(&mut router, &[&good[..], &[0]].concat(), DropReason::RepairInnerLength);
    let with = |source: &str, destination: &str, hop_limit: u8| {
        let header =
            Ipv6Header { source: address(source), hop_limit, ..header(destination, NEXT_UDP) };
        packet(header, &[0; 8])
    };
    refuses(&mut router, &with(HOST, "2001:db8:2::1", 0), DropReason::RepairInnerHopLimit);
    for source in ["fe80::1", "ff02::1", "::", "::1"] {
        let inner = with(source, "2001:db8:2::1", 64);
        refuses(&mut router, &inner, DropReason::RepairInnerSource);
    }
    for destination in ["fe80::1", "ff02::5", "::", "::1"] {
        let inner = with(HOST, destination, 64);
        refuses(&mut router, &inner, DropReason::RepairInnerDestination);
    }
}

#[test]
fn adjacencies_that_are_not_there_take_nothing() {
    let mut router = router();
    let inner = udp("2001:db8:2::1", 5);
    router.refuses(&tunnelled("fd4b::1:9", &inner), DropReason::RepairAdjacencyUnknown);
    router.liveness.set(NextHopId(2), false);
    router.refuses(&tunnelled("fd4b::1:3", &inner), DropReason::RepairAdjacencyDead);
}

#[test]
fn an_adjacency_address_answers_nobody() {
    let mut router = router();
    let (port, answer) = only(router.pass(&to_router(&ping(header("fd4b::1:3", NEXT_ICMPV6)))));
    let (_, message) = open_icmpv6(&answer);
    assert_eq!(port, 1);
    assert!(matches!(message, Icmpv6Message::DestinationUnreachable { .. }), "{message:?}");
    assert_eq!(router.counts().dropped(DropReason::AdjacencyNotTunnel), 1);
}

#[test]
fn the_hops_of_both_headers_count_and_prove_no_link() {
    let mut router = router();
    for (inner, outer_limit, expected) in [(9, 64, 8), (64, 5, 4), (255, 255, 253)] {
        let header = Ipv6Header { hop_limit: inner, ..header("2001:db8:2::1", NEXT_UDP) };
        let tunnel = Ipv6Header { hop_limit: outer_limit, ..outer(OWN) };
        let sent = within(&packet(header, &[0; 8]), &[tunnel]);
        let (_, frame) = only(router.pass(&to_router(&sent)));
        assert_eq!(open(&frame).1.hop_limit, expected, "{inner} in {outer_limit}");
    }
}

#[test]
fn errors_about_what_came_out_reach_its_sender() {
    let mut router = router();
    let last = Ipv6Header { hop_limit: 1, ..header("2001:db8:2::1", NEXT_UDP) };
    let (port, answer) = only(router.pass(&tunnelled(OWN, &packet(last, &[0; 8]))));
    let (ipv6, message) = open_icmpv6(&answer);
    assert_eq!((port, ipv6.destination), (1, address(HOST)));
    assert!(matches!(message, Icmpv6Message::TimeExceeded { .. }), "{message:?}");
    let (_, answer) = only(router.pass(&tunnelled(OWN, &udp("2001:db8:2::1", 2000))));
    let (_, message) = open_icmpv6(&answer);
    assert!(matches!(message, Icmpv6Message::PacketTooBig { mtu: 1400, .. }), "{message:?}");
}

#[test]
fn an_echo_request_out_of_a_tunnel_is_answered() {
    let mut router = router();
    let (port, answer) = only(router.pass(&tunnelled(OWN, &ping(header(OWN, NEXT_ICMPV6)))));
    let (ipv6, message) = open_icmpv6(&answer);
    assert_eq!((port, ipv6.source), (1, address(OWN)));
    assert!(matches!(message, Icmpv6Message::EchoReply { .. }), "{message:?}");
}

#[test]
fn congestion_on_the_way_is_told_on_or_costs_the_packet() {
    // RFC 6040 figure 4 stands in `wire::ecn`; here, that its rows reach the packet.
    let class = |inner: u8, congested: u8| {
        let header = Ipv6Header { traffic_class: inner, ..header("2001:db8:2::1", NEXT_UDP) };
        let tunnel = Ipv6Header { traffic_class: congested, ..outer(OWN) };
        to_router(&within(&packet(header, &[0; 8]), &[tunnel]))
    };
    let mut router = router();
    let (_, frame) = only(router.pass(&class(0xba, 0xbb)));
    assert_eq!(open(&frame).1.traffic_class, 0xbb);
    let (_, frame) = only(router.pass(&class(0xba, 0x02)));
    assert_eq!(open(&frame).1.traffic_class, 0xba, "the class inside is the packet's");
    router.refuses(&class(0xb8, 0xbb), DropReason::RepairCongestion);
}

#[test]
fn what_one_router_puts_on_another_takes_off() {
    let mut first = cut();
    let sent = udp("2001:db8:50::1", 700);
    let (_, repaired) = only(first.pass(&to_router(&sent)));
    let (_, outer, inner) = open(&repaired);
    // The other end is router 5, which knows router 1 behind its port 1.
    let mut second = Router::with(|world| {
        let interfaces = Arc::make_mut(&mut world.interfaces);
        let own = RepairAddresses::new(address("fd4b::5"), "fd4b::5:0/112".parse().unwrap());
        interfaces.set_repair_addresses(Some(own));
        let routes = [("fd4b::1/128", 1), ("fd4b::5/128", 7), ("2001:db8:50::/48", 2)];
        let parsed = routes
            .map(|(prefix, group)| (prefix.parse::<Ipv6Prefix>().unwrap(), Some(GroupId(group))));
        world.table.apply(&parsed);
    });
    let arrived = frame(own_mac(1), neighbor_mac(1), &packet(outer, &inner));
    let (port, delivered) = only(second.pass(&arrived));
    let (_, ipv6, payload) = open(&delivered);
    assert_eq!((port, ipv6.destination), (2, address("2001:db8:50::1")));
    assert_eq!((ipv6.hop_limit, payload.as_slice()), (62, &sent[40..]));
}
