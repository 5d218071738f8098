//! Pseudowires: what goes into them, what comes out, and what is refused.

use crate::packets::{address, open};
use crate::router::{Router, only};
use crate::segment::{
    BLUE_WIRE, LOCAL, OTHER_WIRE, RED_WIRE, SUM_WIRE, TUNNEL_MTU, WIRES, Wire, between, builder,
    hear, host, pass, put_into, router,
};
use kumiki::base::ids::NextHopId;
use kumiki::dataplane::{DropReason, PuntClass};
use kumiki::fib::tunnel_header::Carrier;
use kumiki::fib::{Encapsulation, GroupTable, NextHop};
use kumiki::wire::udp::UdpHeader;
use std::sync::Arc;

/// The frame that a circuit of a wire's tenant gets, by port.
fn delivered(wire: &Wire, router: &mut Router, outer: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let sent = pass(router, 1, outer);
    assert!(sent.iter().all(|(port, _)| *port != 1), "split horizon of {:?}", wire.member);
    sent
}

/// A frame from a host behind a pseudowire to one behind nobody known.
fn inner() -> Vec<u8> {
    between(host(1), host(9), 100)
}

#[test]
fn what_comes_by_any_pseudowire_reaches_the_circuits_of_its_tenant_only() {
    for wire in WIRES {
        let mut router = router();
        let sent = delivered(&wire, &mut router, &wire.around(&inner()));
        let ports: Vec<u16> = sent.iter().map(|(port, _)| *port).collect();
        let expected = if wire.domain == BLUE_WIRE.domain { vec![2, 3] } else { vec![3, 3] };
        assert_eq!(ports, expected, "{:?}", wire.member);
        let counts = router.counts();
        assert_eq!((counts.overlay.decapsulated, counts.overlay.replicated), (1, 1));
        assert_eq!(counts.drops.iter().sum::<u64>(), 0, "{:?}", wire.member);
    }
}

/// Sends a frame from port 2 or 3 to a host that was heard behind `wire`; gives the outer packet.
fn encapsulate(wire: &Wire, router: &mut Router, frame: &[u8]) -> Vec<u8> {
    hear(router, 1, &wire.around(&between(host(1), host(9), 100)));
    let (port, framed) = match wire.domain == BLUE_WIRE.domain {
        true => (2, frame.to_vec()),
        false => (3, crate::segment::tagged(30, frame)),
    };
    let (out, outer) = only(pass(router, port, &framed));
    assert_eq!(out, 1);
    outer
}

#[test]
fn a_frame_to_a_mac_behind_a_pseudowire_leaves_by_it_in_the_right_headers() {
    let frame = between(host(9), host(1), 100);
    for wire in WIRES {
        let mut router = router();
        let (_, ipv6, payload) = open(&encapsulate(&wire, &mut router, &frame));
        assert_eq!((ipv6.source, ipv6.destination), (address(LOCAL), address(wire.remote)));
        assert_eq!((ipv6.hop_limit, ipv6.flow_label != 0), (64, true));
        let l2tp = match wire.carrier {
            Carrier::Ip => {
                assert_eq!(ipv6.next_header, 115);
                payload
            }
            Carrier::Udp { remote_port, .. } => {
                assert_eq!((ipv6.next_header, payload[8..12].to_vec()), (17, vec![0, 3, 0, 0]));
                assert_eq!(
                    payload[..4],
                    [1701_u16.to_be_bytes(), remote_port.to_be_bytes()].concat()
                );
                assert_eq!(payload[4..6], u16::try_from(payload.len()).unwrap().to_be_bytes());
                payload[12..].to_vec()
            }
        };
        let mut expected = wire.shim();
        expected[..4].copy_from_slice(&wire.sessions[1].to_be_bytes());
        assert_eq!(l2tp, [&expected[..], &frame].concat(), "{:?}", wire.member);
    }
}

#[test]
fn datagrams_have_a_sum_where_the_session_has_and_zero_where_not() {
    let frame = between(host(9), host(1), 101);
    let sum = |wire: &Wire| {
        let (_, ipv6, payload) = open(&encapsulate(wire, &mut router(), &frame));
        let is_right = UdpHeader::decode(ipv6.source, ipv6.destination, &payload).is_ok();
        (u16::from_be_bytes([payload[6], payload[7]]), is_right)
    };
    assert_eq!(sum(&RED_WIRE), (0, false), "RFC 6935: no checksum");
    assert!(sum(&SUM_WIRE).1, "RFC 8200 §8.1");
}

#[test]
fn numbers_count_up_and_old_ones_are_refused() {
    let mut router = router();
    let frame = between(host(9), host(1), 100);
    let number = |outer: &[u8]| open(outer).2[8..12].to_vec();
    let first = encapsulate(&OTHER_WIRE, &mut router, &frame);
    let (_, second) = only(pass(&mut router, 2, &frame));
    assert_eq!((number(&first), number(&second)), (vec![0x40, 0, 0, 0], vec![0x40, 0, 0, 1]));
    // The one that taught the MAC had number 0.
    let numbered = |number: u8| {
        let mut outer = OTHER_WIRE.around(&inner());
        outer[54 + 11] = number;
        outer
    };
    router.refuses(&numbered(0), DropReason::L2tpSequence);
    assert_eq!(pass(&mut router, 1, &numbered(2)).len(), 1);
    router.refuses(&numbered(1), DropReason::L2tpSequence);
    let mut without = numbered(9);
    without[54 + 8] = 0;
    router.refuses(&without, DropReason::L2tpSublayer);
}

#[test]
fn both_cookies_pass_while_they_change() {
    let mut router = router();
    let old = Wire { cookie: BLUE_WIRE.old_cookie.unwrap(), ..BLUE_WIRE };
    assert_eq!(pass(&mut router, 1, &old.around(&inner())).len(), 2);
    assert_eq!(pass(&mut router, 1, &BLUE_WIRE.around(&inner())).len(), 2);
    let wrong = Wire { cookie: &[1, 2, 3, 4, 5, 6, 7, 9], ..BLUE_WIRE };
    router.refuses(&wrong.around(&inner()), DropReason::L2tpCookie);
    assert_eq!(router.counts().overlay.macs_learned, 1, "who fails a check teaches nothing");
}

#[test]
fn what_no_session_wants_has_its_reason() {
    let mut router = router();
    let changed = |wire: &Wire, change: &dyn Fn(&mut Vec<u8>)| {
        let mut outer = wire.around(&inner());
        change(&mut outer);
        outer
    };
    let unknown = Wire { sessions: [0x9999, 0], ..BLUE_WIRE };
    router.refuses(&unknown.around(&inner()), DropReason::L2tpSession);
    let elsewhere = Wire { remote: "2001:db8:1::bad", ..BLUE_WIRE };
    router.refuses(&elsewhere.around(&inner()), DropReason::L2tpAddress);
    let over_udp = Wire { carrier: RED_WIRE.carrier, ..BLUE_WIRE };
    router.refuses(&over_udp.around(&inner()), DropReason::L2tpCarrier);
    let over_ip = Wire { carrier: Carrier::Ip, ..RED_WIRE };
    router.refuses(&over_ip.around(&inner()), DropReason::L2tpCarrier);
    let other_port = changed(&RED_WIRE, &|outer| outer[54..56].fill(9));
    router.refuses(&other_port, DropReason::L2tpPort);
    let no_sum = changed(&SUM_WIRE, &|outer| outer[60..62].fill(0));
    router.refuses(&no_sum, DropReason::L2tpUdpChecksum);
    let wrong_sum = changed(&SUM_WIRE, &|outer| *outer.last_mut().unwrap() ^= 1);
    router.refuses(&wrong_sum, DropReason::L2tpUdpChecksum);
    let version_2 = changed(&RED_WIRE, &|outer| outer[63] = 2);
    router.refuses(&version_2, DropReason::L2tpVersion);
    let too_long = changed(&RED_WIRE, &|outer| outer[58] = 0xff);
    router.refuses(&too_long, DropReason::L2tpUdp);
    let too_short = changed(&RED_WIRE, &|outer| outer[58..60].copy_from_slice(&[0, 11]));
    router.refuses(&too_short, DropReason::L2tpUdp);
}

#[test]
fn a_packet_that_ends_too_early_is_refused_wherever_it_ends() {
    for wire in WIRES {
        let mut router = router();
        let whole = [&wire.shim()[..], &inner()[..14]].concat();
        for length in 0..whole.len() {
            let outer = wire.wrap(&whole[..length]);
            let reason = DropReason::L2tpTruncated;
            router.refuses(&outer, reason);
        }
        assert_eq!(delivered(&wire, &mut router, &wire.wrap(&whole)).len(), 2);
    }
}

#[test]
fn control_messages_go_up() {
    let mut router = router();
    let over_ip = BLUE_WIRE.wrap(&[0, 0, 0, 0, 0xc8, 3, 0, 12]);
    let mut over_udp = RED_WIRE.wrap(&[0; 12]);
    over_udp[62..64].copy_from_slice(&[0xc8, 3]);
    for outer in [over_ip, over_udp] {
        assert!(pass(&mut router, 1, &outer).is_empty());
        let punted = router.punted();
        assert_eq!((punted.len(), punted[0].class), (1, PuntClass::L2tp));
        let packet = kumiki::packet::PacketBuf::data(&punted[0].packet);
        assert_eq!(packet, &outer[14..], "from the IPv6 header on");
    }
}

#[test]
fn l2tp_for_others_is_forwarded() {
    let mut router = router();
    let mut outer = BLUE_WIRE.around(&inner());
    let there = address("2001:db8:2::1").octets();
    outer[38..54].copy_from_slice(&there);
    let (port, _) = only(pass(&mut router, 1, &outer));
    assert_eq!(port, 2);
    // Without any tunnel of its own a router gives what is for it to the host.
    let mut plain = Router::new();
    assert!(plain.pass(&BLUE_WIRE.around(&inner())).is_empty());
    assert_eq!(plain.punted()[0].class, PuntClass::Host);
}

/// The class of the outer packet around a frame with this class inside.
fn outer_class(wire: &Wire, class: u8) -> u8 {
    let mut frame = between(host(9), host(1), 100);
    frame[14] = 0x60 | class >> 4;
    frame[15] = class << 4;
    open(&encapsulate(wire, &mut router(), &frame)).1.traffic_class
}

#[test]
fn the_outer_class_is_what_the_pseudowire_says() {
    assert_eq!(outer_class(&BLUE_WIRE, 0xb9), 0xb9, "RFC 6040 §4.1, normal mode");
    assert_eq!(outer_class(&OTHER_WIRE, 0xb9), 0xb8, "compatibility mode");
    assert_eq!(outer_class(&RED_WIRE, 0xb9), 0x28, "fixed");
}

#[test]
fn congestion_outside_is_told_inside_or_the_frame_is_dropped() {
    let mut router = router();
    let with_classes = |outer: u8, inner_class: u8| {
        let mut inner = inner();
        inner[15] = inner_class << 4;
        let mut packet = BLUE_WIRE.around(&inner);
        packet[15] = outer << 4;
        packet
    };
    let inner_class = |sent: &[(u16, Vec<u8>)]| sent[0].1[15] >> 4;
    let marked = pass(&mut router, 1, &with_classes(3, 2));
    assert_eq!(inner_class(&marked), 3, "CE on ECT(0) is CE");
    let kept = pass(&mut router, 1, &with_classes(2, 0));
    assert_eq!(inner_class(&kept), 0, "Not-ECT stays");
    router.refuses(&with_classes(3, 0), DropReason::L2tpCongestion);
}

#[test]
fn flows_inside_have_labels_of_their_own() {
    let label = |port: u8| {
        let mut frame = between(host(9), host(1), 100);
        frame[55] = port;
        open(&encapsulate(&BLUE_WIRE, &mut router(), &frame)).1.flow_label
    };
    assert_ne!(label(1), label(2));
    assert_eq!(label(1), label(1));
}

#[test]
fn a_pseudowire_to_the_router_itself_carries_nothing() {
    let mut router = Router::with(|world| {
        let own = Wire { remote: "fd00:2::1", ..BLUE_WIRE };
        let mut builder = kumiki::fib::OverlayBuilder::default();
        own.add(&mut builder);
        let circuit = kumiki::fib::Circuit {
            port: kumiki::base::ids::PortId(2),
            vlan: kumiki::fib::bridge_table::CircuitVlan::Untagged,
        };
        let options = kumiki::fib::MemberOptions::of_mtu(9000);
        builder.circuit(crate::segment::BLUE_PORT, own.domain, &circuit, options).unwrap();
        put_into(world, builder);
    });
    assert!(pass(&mut router, 2, &between(host(9), host(1), 100)).is_empty());
    assert_eq!(router.counts().dropped(DropReason::L2tpToSelf), 1);
}

#[test]
fn nobody_is_told_that_an_outer_packet_cannot_go_on() {
    let mut router = Router::with(|world| {
        let mut builder = builder();
        let lost = Wire {
            member: kumiki::base::ids::MemberId(20),
            remote: "2001:db8:ffff::1",
            sessions: [0x1020, 0x2020],
            ..BLUE_WIRE
        };
        lost.add(&mut builder);
        put_into(world, builder);
    });
    // To the group: two pseudowires, one circuit, and the one that leads nowhere.
    let group = between(kumiki::base::ids::MacAddress::BROADCAST, host(1), 100);
    let sent = pass(&mut router, 2, &group);
    assert_eq!(sent.iter().filter(|(port, _)| *port == 1).count(), 2);
    let counts = router.counts();
    assert_eq!((counts.dropped(DropReason::NoRoute), counts.generated), (1, 0));
}

#[test]
fn the_largest_frame_that_fits_passes_whole() {
    let mut router = router();
    let largest = between(host(9), host(1), usize::from(TUNNEL_MTU));
    let outer = encapsulate(&BLUE_WIRE, &mut router, &largest);
    assert_eq!(outer.len(), 14 + 40 + 4 + 8 + 14 + usize::from(TUNNEL_MTU));
    let tagged = crate::segment::tagged(5, &between(host(9), host(1), usize::from(TUNNEL_MTU)));
    hear(&mut router, 1, &RED_WIRE.around(&between(host(1), host(9), 100)));
    let trunk = crate::segment::tagged(40, &tagged[..]);
    // Two tags are one too many for what an MTU leaves out.
    assert!(pass(&mut router, 3, &trunk).iter().all(|(port, _)| *port == 3));
}

#[test]
fn a_repair_with_the_longest_headers_carries_pseudowires_too() {
    let mut router = Router::with(|world| {
        put_into(world, builder());
        let segments = ["fd4b::2", "fd4b::3", "fd4b::4"].map(address);
        let encapsulation = Encapsulation::new(address("fd4b::1"), &segments).map(Arc::new);
        let mut next_hops = world.next_hops.to_vec();
        next_hops.push(NextHop { encapsulation, ..next_hops[2].clone() });
        world.next_hops = Arc::new(next_hops);
        let groups = world.groups.iter().cloned().enumerate();
        let repaired = groups.map(|(number, group)| match number {
            1 => group.with_backup(Some(NextHopId(4))),
            _ => group,
        });
        world.groups = Arc::new(GroupTable::new(repaired.collect()));
    });
    hear(&mut router, 1, &SUM_WIRE.around(&between(host(1), host(9), 100)));
    router.liveness.set(NextHopId(0), false);
    let frame = between(host(9), host(1), usize::from(TUNNEL_MTU));
    let (port, outer) = only(pass(&mut router, 3, &crate::segment::tagged(30, &frame)));
    assert_eq!((port, outer.len()), (3, 14 + 3 * 40 + 40 + 12 + 4 + frame.len()));
    assert_eq!(outer[outer.len() - frame.len()..], frame);
    assert_eq!((outer[20], outer[60], outer[100], outer[140]), (41, 41, 41, 17));
}

#[test]
fn connections_are_told_a_smaller_mss_where_the_pseudowire_says_so() {
    let mss_of = |mss| {
        let mut router = Router::with(|world| {
            let mut builder = kumiki::fib::OverlayBuilder::default();
            let wire = Wire { class: kumiki::fib::tunnel_header::OuterClass::Copy, ..BLUE_WIRE };
            wire.add_with(
                &mut builder,
                kumiki::fib::MemberOptions {
                    mss,
                    ..kumiki::fib::MemberOptions::of_mtu(TUNNEL_MTU)
                },
            );
            let circuit = kumiki::fib::Circuit {
                port: kumiki::base::ids::PortId(2),
                vlan: kumiki::fib::bridge_table::CircuitVlan::Untagged,
            };
            let options = kumiki::fib::MemberOptions::of_mtu(9000);
            builder.circuit(crate::segment::BLUE_PORT, wire.domain, &circuit, options).unwrap();
            put_into(world, builder);
        });
        let mut frame = between(host(9), host(1), 64);
        frame[20] = 6;
        frame[54 + 12] = 0x60;
        frame[54 + 13] = 2;
        frame[74..78].copy_from_slice(&[2, 4, 0x22, 0xc4]);
        let (_, outer) = only(pass(&mut router, 2, &frame));
        let inner = &outer[outer.len() - frame.len()..];
        u16::from_be_bytes([inner[76], inner[77]])
    };
    assert_eq!(mss_of(kumiki::fib::overlay::Mss::Clamped), TUNNEL_MTU - 60);
    assert_eq!(mss_of(kumiki::fib::overlay::Mss::Kept), 0x22c4);
}
