//! What is not accepted: one reason, one counter, never a panic.

use super::harness::{Network, address, config, id, settings};
use crate::base::ids::{PortId, RouterId};
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::proto::ospf::limits::REQUESTS_MAX;
use crate::proto::ospf::{Input, NeighborState, Notice, Ospf, OspfCounters};
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{
    DatabaseDescription, Hello, LinkStateRequest, LsType, Lsa, LsaBody, LsaKey, Options, Packet,
    PacketBody, SequenceNumber,
};
use core::net::Ipv6Addr;
use proptest::prelude::*;

fn pair() -> Network {
    let mut network = Network::new(2, 21);
    network.cable((0, 0), (1, 0));
    network.seconds(5);
    network
}

fn hello() -> Hello {
    Hello {
        interface_id: 1,
        priority: 1,
        options: Options::V6.with(Options::E).with(Options::R),
        hello_interval_s: 1,
        dead_interval_s: 3,
        designated_router: RouterId(0),
        backup_designated_router: RouterId(0),
        neighbors: Vec::new(),
    }
}

fn packet(router_id: RouterId, body: PacketBody) -> Packet {
    Packet { router_id, area: RouterId(0), instance_id: 0, body }
}

fn deliver(network: &mut Network, source: Ipv6Addr, packet: &Packet) {
    let bytes = packet.encode(source, ALL_SPF_ROUTERS);
    let (port, destination) = (PortId(0), ALL_SPF_ROUTERS);
    network.input(0, Input::Packet { port, source, destination, bytes });
}

#[test]
fn each_wrong_header_has_its_counter() {
    type Spoil = fn(&mut Vec<u8>);
    type Read = fn(&OspfCounters) -> u64;
    let cases: [(Spoil, Read); 5] = [
        (|bytes| bytes[0] = 2, |counters| counters.malformed),
        (|bytes| bytes.truncate(15), |counters| counters.malformed),
        (|bytes| bytes[8] = 1, |counters| counters.bad_area),
        (|bytes| bytes[14] = 1, |counters| counters.bad_instance),
        (|bytes| bytes[20] ^= 1, |counters| counters.bad_checksum),
    ];
    for (spoil, read) in cases {
        let mut network = pair();
        let source = address((1, 0));
        let mut bytes = packet(id(1), PacketBody::Hello(hello())).encode(source, ALL_SPF_ROUTERS);
        spoil(&mut bytes);
        let (port, destination) = (PortId(0), ALL_SPF_ROUTERS);
        network.input(0, Input::Packet { port, source, destination, bytes });
        assert_eq!(read(network.routers[0].counters()), 1);
        assert_eq!(network.state(0, 0), NeighborState::Full);
    }
}

#[test]
fn hellos_with_other_intervals_are_refused_and_named_once() {
    let mut network = Network::new(2, 22);
    network.cable((0, 0), (1, 0));
    let mut slow = config((1, 0));
    slow.hello_interval = Duration::from_secs(2);
    slow.dead_interval = Duration::from_secs(6);
    network.change((1, 0), slow);
    network.seconds(20);
    assert_eq!(network.state(0, 0), NeighborState::Down);
    let views = network.routers[0].neighbors();
    assert_eq!(
        views[0].problem.as_deref(),
        Some("hello interval differs: 1 here, 2 there"),
        "said in show"
    );
    let ours = network.notices.iter().filter(|(router, _)| *router == 0);
    assert_eq!(ours.count(), 1);
}

#[test]
fn a_neighbour_with_the_own_router_id_is_named_with_both_ends() {
    let mut network = Network::new(2, 23);
    network.cable((0, 0), (1, 0));
    network.input(1, settings(0));
    network.seconds(10);
    let views = network.routers[0].neighbors();
    let problem = views.iter().find_map(|view| view.problem.as_deref()).unwrap();
    assert!(problem.contains("fe80::1:0") && problem.contains("fe80::2:0"), "{problem}");
    let is_said = |(router, notice): &&(usize, Notice)| {
        *router == 0 && matches!(notice, Notice::DuplicateRouterId { .. })
    };
    assert_eq!(network.notices.iter().filter(is_said).count(), 1);
}

#[test]
fn a_second_router_on_the_cable_is_ignored_and_named() {
    let mut network = pair();
    let other = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 9, 9);
    deliver(&mut network, other, &packet(id(8), PacketBody::Hello(hello())));
    assert_eq!(network.state(0, 0), NeighborState::Full);
    assert_eq!(network.routers[0].counters().second_neighbor, 1);
    assert!(matches!(network.notices[..], [(0, Notice::SecondNeighbor { .. })]));
}

#[test]
fn a_stranger_that_went_silent_is_forgotten_and_named_again_when_it_returns() {
    let mut network = pair();
    let other = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 9, 9);
    for count in 1..3 {
        deliver(&mut network, other, &packet(id(8), PacketBody::Hello(hello())));
        assert_eq!(network.routers[0].neighbors().len(), 2);
        assert_eq!(network.notices.len(), count);
        network.seconds(4);
        assert_eq!(network.routers[0].neighbors().len(), 1);
    }
}

#[test]
fn a_second_port_of_the_neighbour_on_the_cable_is_named_and_moves_nothing() {
    let mut network = pair();
    let other = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 2, 9);
    let changes = network.changes.len();
    for _ in 0..20 {
        deliver(&mut network, other, &packet(id(1), PacketBody::Hello(hello())));
        network.run(Duration::from_millis(500));
    }
    assert_eq!(network.changes.len(), changes, "no flapping");
    assert_eq!(network.state(0, 0), NeighborState::Full);
    let [(0, Notice::SecondPort { kept, ignored, .. })] = network.notices[..] else {
        unreachable!("said once: {:?}", network.notices)
    };
    assert_eq!((kept, ignored), (address((1, 0)), other));
}

#[test]
fn a_neighbour_that_moves_to_another_address_is_followed() {
    let mut network = pair();
    network.cut((0, 0), true);
    let moved = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 2, 9);
    network.run(Duration::from_millis(2700));
    let body = Hello { neighbors: vec![id(0)], ..hello() };
    deliver(&mut network, moved, &packet(id(1), PacketBody::Hello(body)));
    assert_eq!(network.state(0, 0), NeighborState::Full);
    assert_eq!(network.routers[0].neighbors()[0].address, moved);
    assert!(network.notices.is_empty(), "{:?}", network.notices);
}

#[test]
fn two_own_ports_on_one_cable_are_named_once() {
    let mut network = Network::new(1, 24);
    network.cable((0, 0), (0, 1));
    network.seconds(10);
    assert!(matches!(network.notices[..], [(0, Notice::OwnPorts { .. })]), "{:?}", network.notices);
    assert_eq!(network.routers[0].counters().duplicate_router_id, 0);
    let problem = network.routers[0].neighbors().remove(0).problem;
    assert_eq!(problem.as_deref(), Some("this is p1 of this router itself"));
}

#[test]
fn a_request_for_what_is_not_there_begins_the_exchange_anew() {
    let mut network = pair();
    let key =
        LsaKey { ls_type: LsType::ROUTER, advertising_router: RouterId(99), link_state_id: 0 };
    let request = LinkStateRequest { keys: vec![key] };
    deliver(&mut network, address((1, 0)), &packet(id(1), PacketBody::LinkStateRequest(request)));
    assert_eq!(network.routers[0].counters().bad_requests, 1);
    assert_eq!(network.state(0, 0), NeighborState::ExStart);
    network.seconds(5);
    network.assert_converged();
}

#[test]
fn a_description_out_of_order_begins_the_exchange_anew() {
    let mut network = pair();
    let dd = DatabaseDescription {
        options: Options::V6.with(Options::E).with(Options::R),
        mtu: 1500,
        is_init: false,
        has_more: false,
        is_master: true,
        sequence: 12345,
        headers: Vec::new(),
    };
    deliver(&mut network, address((1, 0)), &packet(id(1), PacketBody::DatabaseDescription(dd)));
    assert_eq!(network.routers[0].counters().sequence_mismatches, 1);
    network.seconds(5);
    network.assert_converged();
}

#[test]
fn a_neighbour_that_describes_without_end_begins_anew() {
    let mut network = pair();
    let key = |link_state_id| LsaKey {
        ls_type: LsType(0xbff1),
        advertising_router: RouterId(99),
        link_state_id,
    };
    let header = |id| {
        let body = LsaBody::Unknown(Vec::new());
        Lsa::build(key(id), SequenceNumber::INITIAL, 1, &body).unwrap().header
    };
    let interface = network.routers[0].interfaces.get_mut(&PortId(0)).unwrap();
    let neighbor = interface.neighbor.as_mut().unwrap();
    neighbor.state = NeighborState::Exchange;
    neighbor.is_master = false;
    neighbor.dd_sequence = 5;
    let same = header(0);
    neighbor.requests = (0..u32::try_from(REQUESTS_MAX).unwrap()).map(|n| (key(n), same)).collect();
    let dd = DatabaseDescription {
        options: neighbor.options,
        mtu: 1500,
        is_init: false,
        has_more: true,
        is_master: true,
        sequence: 6,
        headers: vec![header(u32::MAX)],
    };
    deliver(&mut network, address((1, 0)), &packet(id(1), PacketBody::DatabaseDescription(dd)));
    assert_eq!(network.routers[0].counters().requests_refused, 1);
    assert_eq!(network.state(0, 0), NeighborState::ExStart);
}

#[test]
fn packets_from_nobody_and_from_afar_are_counted() {
    let mut network = pair();
    let request = || PacketBody::LinkStateRequest(LinkStateRequest { keys: Vec::new() });
    deliver(&mut network, address((1, 0)), &packet(id(7), request()));
    let far = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    deliver(&mut network, far, &packet(id(1), request()));
    let own = address((0, 0));
    deliver(&mut network, own, &packet(id(1), request()));
    let counters = network.routers[0].counters();
    assert_eq!((counters.no_neighbor, counters.bad_source, counters.own_packets), (1, 1, 1));
}

proptest! {
    #[test]
    fn any_octets_with_a_right_header_do_no_harm(
        kind in 1_u8..=5,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut network = pair();
        let source = address((1, 0));
        let mut bytes = vec![3, kind, 0, 0];
        bytes.extend(id(1).0.to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend(&body);
        let length = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let sum = crate::base::checksum::ipv6_upper_layer(source, ALL_SPF_ROUTERS, 89, &bytes);
        bytes[12..14].copy_from_slice(&sum.to_be_bytes());
        let (port, destination) = (PortId(0), ALL_SPF_ROUTERS);
        network.input(0, Input::Packet { port, source, destination, bytes });
        network.seconds(30);
        prop_assert_eq!(network.state(0, 0), NeighborState::Full);
    }

    #[test]
    fn any_octets_at_all_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut ospf = Ospf::new(1);
        ospf.handle(Instant::ZERO, settings(0));
        let interface = Box::new(config((0, 0)));
        ospf.handle(Instant::ZERO, Input::InterfaceAdded { port: PortId(0), interface });
        let (port, destination) = (PortId(0), ALL_SPF_ROUTERS);
        let source = address((1, 0));
        ospf.handle(Instant::ZERO, Input::Packet { port, source, destination, bytes });
    }
}
