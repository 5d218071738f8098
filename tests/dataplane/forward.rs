//! Packets that pass.

use crate::packets::{address, header, open, packet, udp};
use crate::router::{Router, VLAN, neighbor_mac, only, own_mac, to_router};
use kumiki::base::ids::{MacAddress, NextHopId, PortId};
use kumiki::dataplane::{DropReason, Injected, NodeId, PuntClass, WorkerCommand};
use kumiki::packet::{HeapBuf, PacketBuf};
use kumiki::wire::ipv6::{
    NEXT_AUTHENTICATION, NEXT_DESTINATION_OPTIONS, NEXT_FRAGMENT, NEXT_HOP_BY_HOP, NEXT_ROUTING,
    NEXT_UDP,
};

#[test]
fn a_packet_gets_the_adjacency_and_loses_one_hop() {
    let mut router = Router::new();
    let sent = udp("2001:db8:2::1", 100);
    let (port, frame) = only(router.pass(&to_router(&sent)));
    let (ethernet, ipv6, payload) = open(&frame);
    assert_eq!((port, ethernet.destination, ethernet.source), (2, neighbor_mac(2), own_mac(2)));
    assert_eq!((ipv6.hop_limit, payload.as_slice()), (63, &sent[40..]));
    assert_eq!(router.counters.next_hop_packets(NextHopId(1)), 1);
}

#[test]
fn every_packet_of_a_full_burst_passes_in_order() {
    let mut router = Router::new();
    for number in 0..150_u8 {
        let payload = [0, 0, 0, 0, 0, 9, 0, 0, number];
        router.receive(1, &to_router(&packet(header("2001:db8:2::1", NEXT_UDP), &payload)));
    }
    router.run();
    let numbers: Vec<u8> = router.sent(2).iter().map(|frame| *frame.last().unwrap()).collect();
    assert_eq!(numbers, (0..150).collect::<Vec<u8>>());
    let lookups = router.counts().node(NodeId::Ipv6Lookup);
    assert_eq!((lookups.calls, lookups.packets), (3, 150), "whole bursts");
}

#[test]
fn padding_of_short_frames_is_removed() {
    let mut router = Router::new();
    let mut frame = to_router(&udp("2001:db8:2::1", 0));
    let length = frame.len();
    frame.resize(length + 12, 0xee);
    let (_, sent) = only(router.pass(&frame));
    assert_eq!(sent.len(), length);
}

#[test]
fn tags_are_removed_and_added_where_the_port_has_a_vlan() {
    let mut router = Router::new();
    let (_, frame) = only(router.pass(&to_router(&udp("2001:db8:3::1", 10))));
    let (ethernet, ..) = open(&frame);
    assert_eq!(ethernet.tag.map(|tag| tag.control), Some(VLAN));
    // Back in by the same port.
    let mut tagged = frame.clone();
    tagged[..6].copy_from_slice(&own_mac(3).0);
    let destination = address("2001:db8:2::1").octets();
    tagged[18 + 24..18 + 40].copy_from_slice(&destination);
    router.receive(3, &tagged);
    router.run();
    let sent = router.sent(2);
    assert_eq!(sent.len(), 1);
    assert_eq!(open(&sent[0]).0.tag, None);
}

#[test]
fn a_priority_tag_is_no_vlan() {
    let mut router = Router::new();
    let mut frame = to_router(&udp("2001:db8:2::1", 10));
    frame.splice(12..12, [0x81, 0, 0xe0, 0]);
    assert_eq!(router.pass(&frame).len(), 1);
}

#[test]
fn extension_headers_are_carried_unchanged() {
    let mut router = Router::new();
    let extension = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    let mut payload = Vec::new();
    payload.extend(extension(NEXT_DESTINATION_OPTIONS));
    payload.extend(extension(NEXT_ROUTING));
    payload.extend(extension(NEXT_AUTHENTICATION));
    payload.extend(extension(NEXT_FRAGMENT));
    payload.extend(extension(NEXT_UDP));
    payload.extend([0; 8]);
    for destination in ["2001:db8:2::1", "2001:db8:23::1"] {
        let sent = packet(header(destination, NEXT_HOP_BY_HOP), &payload);
        let (_, frame) = only(router.pass(&to_router(&sent)));
        assert_eq!(&frame[frame.len() - payload.len()..], payload);
    }
}

#[test]
fn flows_spread_over_both_next_hops_and_stay_on_theirs() {
    let mut router = Router::new();
    for flow in 0..1000_u16 {
        let mut payload = [0; 8];
        payload[..2].copy_from_slice(&flow.to_be_bytes());
        let frame = to_router(&packet(header("2001:db8:23::1", NEXT_UDP), &payload));
        router.receive(1, &frame);
        router.receive(1, &frame);
    }
    router.run();
    let shares = [router.sent(2).len(), router.sent(3).len()];
    assert!(shares.iter().all(|share| (800..1200).contains(share)), "{shares:?}");
    assert!(shares.iter().all(|share| share % 2 == 0), "a flow is on one path: {shares:?}");
}

#[test]
fn a_dead_next_hop_loses_its_flows_to_the_living_one() {
    let mut router = Router::new();
    router.liveness.set(NextHopId(1), false);
    for flow in 0..100_u8 {
        let payload = [0, flow, 0, 0, 0, 8, 0, 0];
        router.receive(1, &to_router(&packet(header("2001:db8:23::1", NEXT_UDP), &payload)));
    }
    router.run();
    assert_eq!((router.sent(2).len(), router.sent(3).len()), (0, 100));
}

#[test]
fn what_the_device_does_not_take_is_a_drop() {
    let mut router = Router::new();
    router.limit_tx(10);
    for _ in 0..64 {
        router.receive(1, &to_router(&udp("2001:db8:2::1", 0)));
    }
    router.run();
    assert_eq!((router.sent(2).len(), router.counts().dropped(DropReason::TxFull)), (10, 54));
    assert_eq!(router.counts().port(PortId(2)).tx_dropped, 54);
}

#[test]
fn a_packet_to_an_unresolved_next_hop_goes_up_ready_to_be_sent() {
    let mut router = Router::new();
    let sent = udp("2001:db8:4::1", 5);
    assert_eq!(router.pass(&to_router(&sent)), []);
    let punted = router.punted();
    assert_eq!((punted.len(), punted[0].class), (1, PuntClass::Unresolved));
    assert_eq!((punted[0].port, punted[0].neighbor), (PortId(3), neighbor_mac(3).link_local()));
    let mut expected = sent;
    expected[7] = 63;
    assert_eq!(punted[0].packet.data(), expected);
}

#[test]
fn on_a_connected_prefix_the_destination_itself_is_resolved() {
    let mut router = Router::new();
    assert_eq!(router.pass(&to_router(&udp("fd00:1::77", 5))), []);
    let punted = router.punted();
    assert_eq!((punted[0].port, punted[0].neighbor), (PortId(1), address("fd00:1::77")));
}

#[test]
fn injected_packets_keep_their_hop_limit_and_injected_frames_everything() {
    let mut router = Router::new();
    let packet = udp("2001:db8:2::1", 5);
    router.inject(Injected::Packet { packet: HeapBuf::new(&packet) });
    let frame = crate::packets::frame(MacAddress::BROADCAST, own_mac(3), &packet);
    router.inject(Injected::Frame { port: PortId(3), packet: HeapBuf::new(&frame) });
    router.inject(Injected::Frame { port: PortId(9), packet: HeapBuf::new(&frame) });
    router.run();
    assert_eq!(router.sent(2)[0][14..], packet);
    let tagged = &router.sent(3)[0];
    assert_eq!((&tagged[..12], &tagged[18..]), (&frame[..12], &frame[14..]));
    assert_eq!(router.counts().dropped(DropReason::PortGone), 1);
}

#[test]
fn a_removed_port_comes_back_and_is_not_used_any_more() {
    let mut router = Router::new();
    assert!(router.rings.commands.push(WorkerCommand::RemovePort(PortId(2))).is_ok());
    router.refuses(&to_router(&udp("2001:db8:2::1", 5)), DropReason::PortGone);
    let port = router.rings.removed.pop().unwrap();
    assert_eq!(port.port, PortId(2));
    assert!(router.rings.commands.push(WorkerCommand::AddPort(port)).is_ok());
    assert_eq!(router.pass(&to_router(&udp("2001:db8:2::1", 5))).len(), 1);
}
