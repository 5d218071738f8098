//! ICMPv6 errors: which, when, and when not.

use crate::packets::{HOST, address, frame, header, icmpv6, open, open_icmpv6, packet, ping, udp};
use crate::router::{Router, mtu, neighbor_mac, only, own_mac, to_router};
use kumiki::base::ids::{MacAddress, NextHopId};
use kumiki::base::time::Duration;
use kumiki::dataplane::node::{ERROR_BURST_MAX, ERRORS_PER_SECOND_MAX};
use kumiki::dataplane::{DropReason, Injected, PuntClass, SilenceReason};
use kumiki::packet::buf::HEADROOM_OCTETS;
use kumiki::packet::{HeapBuf, PacketBuf};
use kumiki::wire::icmpv6::Icmpv6Message;
use kumiki::wire::ipv6::{
    Ipv6Header, NEXT_FRAGMENT, NEXT_HOP_BY_HOP, NEXT_ICMPV6, NEXT_ROUTING, NEXT_UDP,
};

/// The error that answers `sent`, after the checks that hold for every error.
#[track_caller]
fn error(router: &mut Router, sent: &[u8], reason: DropReason) -> Icmpv6Message {
    let before = router.counts();
    let (port, frame) = only(router.pass(&to_router(sent)));
    let (ethernet, ..) = open(&frame);
    assert_eq!((port, ethernet.destination), (1, neighbor_mac(1)));
    let (ipv6, message) = open_icmpv6(&frame);
    assert_eq!((ipv6.source, ipv6.destination), (address("fd00:1::1"), address(HOST)));
    assert_eq!(ipv6.hop_limit, 64, "an own packet keeps its hop limit");
    let counts = router.counts();
    assert_eq!(counts.dropped(reason), before.dropped(reason) + 1, "{reason:?}");
    assert_eq!(counts.generated, before.generated + 1);
    message
}

#[test]
fn a_used_up_hop_limit_is_answered_with_the_packet_as_it_came() {
    let mut router = Router::new();
    for (hop_limit, reason) in [(1, DropReason::HopLimitExceeded), (0, DropReason::HopLimitZero)] {
        let sent = packet(Ipv6Header { hop_limit, ..header("2001:db8:2::1", NEXT_UDP) }, &[7; 30]);
        let expected = Icmpv6Message::TimeExceeded { code: 0, quote: sent.clone() };
        assert_eq!(error(&mut router, &sent, reason), expected);
    }
    let last = packet(Ipv6Header { hop_limit: 2, ..header("2001:db8:2::1", NEXT_UDP) }, &[7; 30]);
    assert_eq!(open(&only(router.pass(&to_router(&last))).1).1.hop_limit, 1);
}

#[test]
fn a_packet_that_is_too_big_is_answered_with_the_mtu() {
    let mut router = Router::new();
    let fits = udp("2001:db8:2::1", usize::from(mtu(2)) - 48);
    assert_eq!(router.pass(&to_router(&fits)).len(), 1);
    let sent = udp("2001:db8:2::1", usize::from(mtu(2)) - 47);
    let expected =
        Icmpv6Message::PacketTooBig { mtu: u32::from(mtu(2)), quote: sent[..1280 - 48].to_vec() };
    assert_eq!(error(&mut router, &sent, DropReason::PacketTooBig), expected);
}

#[test]
fn unreachable_destinations_are_answered_with_their_code() {
    let mut router = Router::new();
    let sent = udp("2001:db8:ffff::1", 5);
    let expected = Icmpv6Message::DestinationUnreachable { code: 0, quote: sent.clone() };
    assert_eq!(error(&mut router, &sent, DropReason::NoRoute), expected);
    let sent = udp("2001:db8:2::1", 5);
    router.liveness.set(NextHopId(1), false);
    let expected = Icmpv6Message::DestinationUnreachable { code: 3, quote: sent.clone() };
    assert_eq!(error(&mut router, &sent, DropReason::NextHopsDead), expected);
}

#[test]
fn a_port_that_is_down_makes_its_destinations_unreachable() {
    let mut router = Router::with(|world| {
        let interfaces = std::sync::Arc::make_mut(&mut world.interfaces);
        let mut down = interfaces.get(kumiki::base::ids::PortId(2)).unwrap().clone();
        down.is_up = false;
        assert!(interfaces.set(down));
    });
    let sent = udp("2001:db8:2::1", 5);
    let expected = Icmpv6Message::DestinationUnreachable { code: 3, quote: sent.clone() };
    assert_eq!(error(&mut router, &sent, DropReason::InterfaceDown), expected);
}

#[test]
fn late_hop_by_hop_options_are_a_parameter_problem() {
    let mut router = Router::new();
    let chain = [[NEXT_HOP_BY_HOP, 0, 0, 0, 0, 0, 0, 0], [NEXT_UDP, 0, 0, 0, 0, 0, 0, 0]].concat();
    let sent = packet(header("fd00:1::1", NEXT_ROUTING), &chain);
    let expected = Icmpv6Message::ParameterProblem { code: 1, pointer: 40, quote: sent.clone() };
    assert_eq!(error(&mut router, &sent, DropReason::HopByHopNotFirst), expected);
}

#[test]
fn an_error_about_a_packet_to_an_own_address_comes_from_that_address() {
    // RFC 4443 §2.2 (a): "the Source Address of the reply MUST be that same address."
    let mut router = Router::new();
    let chain = [[NEXT_HOP_BY_HOP, 0, 0, 0, 0, 0, 0, 0], [NEXT_UDP, 0, 0, 0, 0, 0, 0, 0]].concat();
    let (own, beside) = (own_mac(1).link_local(), neighbor_mac(1).link_local());
    for source in [address(HOST), beside] {
        for destination in [address("fd00:1::1"), address("fd00:2::1"), own] {
            let header = header(&destination.to_string(), NEXT_ROUTING);
            let sent = packet(Ipv6Header { source, ..header }, &chain);
            let (port, answer) = only(router.pass(&to_router(&sent)));
            let (ipv6, message) = open_icmpv6(&answer);
            assert_eq!((port, ipv6.source, ipv6.destination), (1, destination, source));
            assert!(matches!(message, Icmpv6Message::ParameterProblem { .. }));
        }
    }
}

#[test]
fn a_link_local_source_is_told_on_its_link_that_it_cannot_go_beyond() {
    // RFC 4007 §9: Destination Unreachable, code 2.
    let mut router = Router::new();
    let asker = MacAddress([2, 9, 9, 9, 9, 9]);
    let source = asker.link_local();
    let sent = packet(Ipv6Header { source, ..header("2001:db8:2::1", NEXT_UDP) }, &[0; 8]);
    let (port, answer) = only(router.pass(&frame(own_mac(1), asker, &sent)));
    assert_eq!((port, open(&answer).0.destination), (1, asker));
    let (ipv6, message) = open_icmpv6(&answer);
    assert_eq!((ipv6.source, ipv6.destination), (own_mac(1).link_local(), source));
    assert_eq!(message, Icmpv6Message::DestinationUnreachable { code: 2, quote: sent });
    assert_eq!(router.counts().dropped(DropReason::BeyondScope), 1);
}

#[track_caller]
fn is_not_answered(router: &mut Router, frame: &[u8], reason: DropReason) {
    let before = router.counts().silenced(SilenceReason::Forbidden);
    router.refuses(frame, reason);
    assert_eq!(router.counts().silenced(SilenceReason::Forbidden), before + 1);
}

#[test]
fn errors_and_redirects_are_not_answered() {
    // RFC 4443 §2.4 (e.1), (e.2).
    let mut router = Router::new();
    let there = header("2001:db8:ffff::1", NEXT_ICMPV6);
    for kind in [1, 2, 3, 4, 127, 137] {
        let message = packet(there, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        is_not_answered(&mut router, &to_router(&message), DropReason::NoRoute);
    }
    let message = Icmpv6Message::TimeExceeded { code: 0, quote: vec![0; 40] };
    let behind_options =
        [&[NEXT_ICMPV6, 0, 1, 4, 0, 0, 0, 0][..], &message.encode(there.source, there.destination)]
            .concat();
    let hidden = packet(header("2001:db8:ffff::1", NEXT_HOP_BY_HOP), &behind_options);
    is_not_answered(&mut router, &to_router(&hidden), DropReason::NoRoute);
    let fragment = packet(
        header("2001:db8:ffff::1", NEXT_FRAGMENT),
        &[NEXT_ICMPV6, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0],
    );
    is_not_answered(&mut router, &to_router(&fragment), DropReason::NoRoute);
    error(&mut router, &ping(there), DropReason::NoRoute);
}

#[test]
fn packets_to_groups_and_from_nobody_are_not_answered() {
    // RFC 4443 §2.4 (e.3), (e.4).
    let mut router = Router::new();
    let chain = [[NEXT_HOP_BY_HOP, 0, 0, 0, 0, 0, 0, 0], [NEXT_UDP, 0, 0, 0, 0, 0, 0, 0]].concat();
    let to_group = packet(header("ff02::1", NEXT_ROUTING), &chain);
    is_not_answered(&mut router, &to_router(&to_group), DropReason::HopByHopNotFirst);
    let group = MacAddress::for_multicast(address("ff02::1"));
    let in_group = frame(group, neighbor_mac(1), &udp("2001:db8:ffff::1", 5));
    is_not_answered(&mut router, &in_group, DropReason::NoRoute);
}

#[test]
fn an_error_to_an_unreachable_sender_ends_there() {
    let mut router = Router::new();
    let source = address("2001:db8:eeee::1");
    let sent = packet(Ipv6Header { source, ..header("2001:db8:ffff::1", NEXT_UDP) }, &[0; 8]);
    assert_eq!(router.pass(&to_router(&sent)), []);
    let counts = router.counts();
    assert_eq!((counts.generated, counts.dropped(DropReason::NoRoute)), (1, 2));
}

#[test]
fn errors_come_no_faster_than_the_bucket_allows() {
    // RFC 4443 §2.4(f): "a node MUST limit the rate of ICMPv6 error messages it originates".
    let mut router = Router::new();
    let frame = to_router(&udp("2001:db8:ffff::1", 5));
    let flood = |router: &mut Router| {
        (0..1000).for_each(|_| router.receive(1, &frame));
        router.run();
        u32::try_from(router.sent(1).len()).unwrap()
    };
    assert_eq!(flood(&mut router), ERROR_BURST_MAX);
    assert_eq!(flood(&mut router), 0);
    router.now += Duration::from_millis(50);
    assert_eq!(flood(&mut router), ERRORS_PER_SECOND_MAX / 20);
    let counts = router.counts();
    assert_eq!(counts.silenced(SilenceReason::Limited), 3000 - counts.generated);
}

#[test]
fn an_error_that_finds_no_headroom_has_its_own_reason() {
    let mut router = Router::new();
    let frame = to_router(&udp("2001:db8:ffff::1", 100));
    // The two headers of an error are 48 octets.
    for (headroom, generated, without_room) in [(48, 1, 0), (47, 1, 1)] {
        let (front, rest) = frame.split_at(usize::from(HEADROOM_OCTETS) - headroom);
        let mut buffer = HeapBuf::new(rest);
        let room = buffer.prepend(u16::try_from(front.len()).unwrap()).unwrap();
        room.copy_from_slice(front);
        router.receive_in(1, buffer);
        router.run();
        let counts = router.counts();
        assert_eq!(counts.generated, generated);
        assert_eq!(counts.silenced(SilenceReason::NoHeadroom), without_room);
    }
    let counts = router.counts();
    assert_eq!((router.sent(1).len(), counts.dropped(DropReason::NoRoute)), (1, 2));
    assert_eq!(counts.silenced(SilenceReason::Forbidden), 0);
}

#[test]
fn the_host_itself_learns_the_path_mtu() {
    let mut router = Router::new();
    let big = packet(
        Ipv6Header { source: address("fd00:2::1"), ..header("2001:db8:2::1", NEXT_UDP) },
        &[0; 3000],
    );
    router.inject(Injected::Packet { packet: HeapBuf::new(&big) });
    router.run();
    let punted = router.punted();
    assert_eq!((punted.len(), punted[0].class), (1, PuntClass::Host));
    let (ipv6, message) = open_icmpv6(&[&[0; 14], punted[0].packet.data()].concat());
    assert_eq!(ipv6.destination, address("fd00:2::1"));
    let quote = big[..1280 - 48].to_vec();
    assert_eq!(message, Icmpv6Message::PacketTooBig { mtu: u32::from(mtu(2)), quote });
}

#[test]
fn an_error_about_a_big_ping_quotes_it() {
    let mut router = Router::new();
    let request = Icmpv6Message::EchoRequest { identifier: 1, sequence: 2, data: vec![7; 3000] };
    let sent = icmpv6(header("2001:db8:2::1", NEXT_ICMPV6), &request);
    let message = error(&mut router, &sent, DropReason::PacketTooBig);
    let Icmpv6Message::PacketTooBig { quote, .. } = message else { panic!("{message:?}") };
    assert!(sent.starts_with(&quote));
}
