//! Bridging: where frames go, what is learned, what is flooded and what is not.

use crate::packets::{address, header, open_icmpv6, packet};
use crate::router::{Router, only, own_mac};
use crate::segment::{
    BLUE, BLUE_PORT, BLUE_VLAN, BLUE_WIRE, OTHER_WIRE, RED, RED_TRUNK, RED_VLAN, RED_WIRE,
    TUNNEL_MTU, WIRES, between, builder, hear, host, pass, put_into, router, tagged,
};
use kumiki::base::ids::{MacAddress, MemberId, PortId};
use kumiki::base::time::{Duration, Instant};
use kumiki::dataplane::mac_table::{MacKey, Tick};
use kumiki::dataplane::{DropReason, MemberCounts, OverlayEvent};
use kumiki::fib::bridge_table::{CircuitVlan, MemberState, StormLimit};
use kumiki::fib::{Circuit, MemberOptions, OverlayBuilder};
use kumiki::wire::icmpv6::Icmpv6Message;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn ports(sent: &[(u16, Vec<u8>)]) -> Vec<u16> {
    sent.iter().map(|(port, _)| *port).collect()
}

fn broadcast(source: MacAddress) -> Vec<u8> {
    between(MacAddress::BROADCAST, source, 60)
}

#[test]
fn a_broadcast_reaches_every_member_of_its_tenant_once() {
    let mut router = router();
    let frame = broadcast(host(1));
    let sent = pass(&mut router, 2, &frame);
    assert_eq!(ports(&sent), [1, 1, 3], "two pseudowires and the VLAN of the other port");
    assert_eq!(sent[2].1, tagged(20, &frame));
    // Red has two circuits on port 3, and two pseudowires.
    let sent = pass(&mut router, 3, &tagged(30, &frame));
    assert_eq!(ports(&sent), [1, 1, 3]);
    assert_eq!(sent[2].1, frame, "a trunk gets it as it is in the domain");
    let counts = router.counts();
    assert_eq!((counts.overlay.replicated, counts.overlay.encapsulated), (4, 4));
    assert_eq!(counts.drops.iter().sum::<u64>(), 0);
}

#[test]
fn frames_are_counted_at_the_members_that_they_come_by_and_leave_by() {
    let mut router = router();
    let counts = |router: &Router, member| {
        let all = MemberCounts::of(&[Arc::clone(&router.counters)], member);
        [[all.rx_frames, all.rx_octets], [all.tx_frames, all.tx_octets]]
    };
    // Flooded to a circuit with a tag and to two pseudowires.
    let frame = broadcast(host(1));
    let octets = u64::try_from(frame.len()).unwrap();
    pass(&mut router, 2, &frame);
    assert_eq!(counts(&router, BLUE_PORT), [[1, octets], [0, 0]]);
    for member in [BLUE_VLAN, BLUE_WIRE.member, OTHER_WIRE.member] {
        assert_eq!(counts(&router, member), [[0, 0], [1, octets]], "{member}");
    }
    // Out of a pseudowire to one circuit, and two at once the other way.
    let there = between(host(1), host(5), 200);
    pass(&mut router, 1, &BLUE_WIRE.around(&there));
    let back = between(host(5), host(1), 300);
    router.receive(2, &back);
    pass(&mut router, 2, &back);
    let long = |octets: usize, count: u64| u64::try_from(octets + 14).unwrap() * count;
    assert_eq!(counts(&router, BLUE_WIRE.member), [[1, long(200, 1)], [3, octets + long(300, 2)]]);
    assert_eq!(counts(&router, BLUE_PORT), [[3, octets + long(300, 2)], [1, long(200, 1)]]);
    // What cannot leave came all the same.
    pass(&mut router, 1, &BLUE_WIRE.around(&between(host(5), host(6), 80)));
    assert_eq!(router.counts().dropped(DropReason::BridgeSameMember), 1);
    assert_eq!(counts(&router, BLUE_WIRE.member)[0], [2, long(200, 1) + long(80, 1)]);
}

#[test]
fn a_known_mac_gets_its_frames_alone() {
    let mut router = router();
    hear(&mut router, 3, &tagged(20, &broadcast(host(2))));
    let frame = between(host(2), host(1), 100);
    assert_eq!(pass(&mut router, 2, &frame), [(3, tagged(20, &frame))]);
    let back = between(host(1), host(2), 100);
    assert_eq!(pass(&mut router, 3, &tagged(20, &back)), [(2, back)], "the tag came off");
}

#[test]
fn tenants_do_not_see_each_other() {
    let mut router = router();
    // The same MAC in both.
    hear(&mut router, 2, &broadcast(host(1)));
    hear(&mut router, 3, &tagged(30, &broadcast(host(1))));
    hear(&mut router, 1, &RED_WIRE.around(&broadcast(host(5))));
    let to_red = between(host(5), host(1), 100);
    let sent = pass(&mut router, 2, &to_red);
    assert_eq!(ports(&sent), [1, 1, 3], "unknown in blue: flooded there");
    assert_eq!(sent[2].1, tagged(20, &to_red));
    let tick = Tick::at(router.now);
    let at = |domain| router.macs.find(MacKey::new(domain, host(1)), tick);
    assert_eq!((at(BLUE), at(RED)), (Some(BLUE_PORT), Some(RED_VLAN)));
}

#[test]
fn a_trunk_carries_its_vlans_with_their_tags_and_no_others() {
    let mut router = router();
    let sent = pass(&mut router, 3, &tagged(41, &broadcast(host(4))));
    assert_eq!(ports(&sent), [1, 1, 3]);
    let inner = &sent[2].1;
    assert_eq!(inner[..18], tagged(30, &tagged(41, &broadcast(host(4))))[..18]);
    router.receive(3, &tagged(50, &broadcast(host(4))));
    router.run();
    assert_eq!(router.counts().dropped(DropReason::VlanOther), 1);
    // A priority tag is no VLAN: the trunk's.
    let sent = pass(&mut router, 3, &tagged(0, &broadcast(host(4))));
    assert_eq!(ports(&sent), [1, 1, 3]);
}

#[test]
fn vlans_of_a_port_are_bridged_while_it_routes_the_rest() {
    let mut router = Router::with(|world| {
        let mut builder = OverlayBuilder::default();
        for (member, port) in [(BLUE_PORT, 1), (BLUE_VLAN, 2)] {
            let circuit = Circuit { port: PortId(port), vlan: CircuitVlan::Tagged(20) };
            builder.circuit(member, BLUE, &circuit, MemberOptions::of_mtu(1500)).unwrap();
        }
        put_into(world, builder);
    });
    let frame = tagged(20, &broadcast(host(1)));
    assert_eq!(pass(&mut router, 1, &frame), [(2, frame)]);
    let routed = crate::router::to_router(&crate::packets::udp("2001:db8:2::1", 20));
    assert_eq!(only(router.pass(&routed)).0, 2);
    let other = tagged(21, &routed);
    router.refuses(&other, DropReason::VlanUnexpected);
}

#[test]
fn what_came_by_a_pseudowire_leaves_by_no_other() {
    let mut router = router();
    hear(&mut router, 1, &OTHER_WIRE.around(&broadcast(host(9))));
    router
        .refuses(&BLUE_WIRE.around(&between(host(9), host(8), 80)), DropReason::BridgeSplitHorizon);
}

#[test]
fn frames_that_no_bridge_forwards_have_their_reasons() {
    let mut router = router();
    hear(&mut router, 2, &broadcast(host(1)));
    let mut refuses = |frame: &[u8], reason| {
        let before = router.counts().dropped(reason);
        assert!(pass(&mut router, 2, frame).is_empty(), "{reason:?}");
        assert_eq!(router.counts().dropped(reason), before + 1, "{reason:?}");
    };
    refuses(&between(host(1), host(2), 60), DropReason::BridgeSameMember);
    for last in [0, 0x0e] {
        let reserved = MacAddress([1, 0x80, 0xc2, 0, 0, last]);
        refuses(&between(reserved, host(2), 60), DropReason::BridgeReserved);
    }
    let group = MacAddress([3, 0, 0, 0, 0, 1]);
    refuses(&between(host(9), group, 60), DropReason::EthernetSourceMulticast);
    refuses(&[2; 13], DropReason::EthernetTruncated);
    let gmrp = between(MacAddress([1, 0x80, 0xc2, 0, 0, 0x20]), host(2), 60);
    assert_eq!(ports(&pass(&mut router, 2, &gmrp)), [1, 1, 3], "not among the reserved sixteen");
}

#[test]
fn a_domain_with_one_member_forwards_nothing() {
    let mut router = Router::with(|world| {
        let mut builder = OverlayBuilder::default();
        let circuit = Circuit { port: PortId(2), vlan: CircuitVlan::Untagged };
        builder.circuit(BLUE_PORT, BLUE, &circuit, MemberOptions::of_mtu(1500)).unwrap();
        put_into(world, builder);
    });
    assert!(pass(&mut router, 2, &broadcast(host(1))).is_empty());
    assert_eq!(router.counts().dropped(DropReason::BridgeNobody), 1);
}

/// A router whose circuit on port 2 has other options.
fn router_with(options: MemberOptions) -> Router {
    Router::with(|world| {
        let mut builder = OverlayBuilder::default();
        for (member, port) in [(BLUE_PORT, 2), (BLUE_VLAN, 3)] {
            let circuit = Circuit { port: PortId(port), vlan: CircuitVlan::Untagged };
            let usual = MemberOptions::of_mtu(1500);
            let options = if port == 2 { options } else { usual };
            builder.circuit(member, BLUE, &circuit, options).unwrap();
        }
        BLUE_WIRE.add(&mut builder);
        put_into(world, builder);
    })
}

#[test]
fn a_blocked_member_neither_sends_nor_gets_anything() {
    let blocked = MemberOptions { state: MemberState::Blocked, ..MemberOptions::of_mtu(1500) };
    let mut router = router_with(blocked);
    assert!(pass(&mut router, 2, &broadcast(host(1))).is_empty());
    assert_eq!(router.counts().dropped(DropReason::BridgeBlocked), 1);
    assert_eq!(router.counts().overlay.macs_learned, 0);
    assert_eq!(ports(&pass(&mut router, 3, &broadcast(host(2)))), [1]);
}

#[test]
fn a_storm_is_cut_at_the_limit_of_its_member() {
    let storm = StormLimit { frames_per_second: 10, burst: 5 };
    let mut router = router_with(MemberOptions { storm, ..MemberOptions::of_mtu(1500) });
    for _ in 0..20 {
        router.receive(2, &broadcast(host(1)));
    }
    router.run();
    assert_eq!((router.sent(1).len(), router.sent(3).len()), (5, 5));
    assert_eq!(router.counts().dropped(DropReason::BridgeStorm), 15);
    assert_eq!(ports(&pass(&mut router, 3, &broadcast(host(2)))), [1, 2], "others may");
    hear(&mut router, 3, &broadcast(host(2)));
    let known = between(host(2), host(1), 80);
    assert_eq!(ports(&pass(&mut router, 2, &known)), [3], "frames to known MACs are no storm");
}

#[test]
fn a_member_at_its_limit_of_macs_floods_what_it_cannot_learn() {
    let mut router = router_with(MemberOptions { mac_limit: 3, ..MemberOptions::of_mtu(1500) });
    for number in 1..=10 {
        hear(&mut router, 2, &broadcast(host(number)));
    }
    let counts = router.counts().overlay;
    assert_eq!((counts.macs_learned, counts.macs_limited), (3, 7));
    assert_eq!(ports(&pass(&mut router, 3, &between(host(3), host(20), 80))), [2]);
    assert_eq!(ports(&pass(&mut router, 3, &between(host(9), host(20), 80))), [1, 2]);
}

#[test]
fn copies_come_from_the_pool_and_their_lack_is_counted() {
    let mut router = router();
    router.pool.store(1, Ordering::Relaxed);
    // Three copies are one more than two: the frame itself is the last.
    let sent = pass(&mut router, 2, &broadcast(host(1)));
    assert_eq!(sent.len(), 2);
    assert_eq!(router.counts().dropped(DropReason::FloodNoBuffer), 1);
}

#[test]
fn a_burst_of_broadcasts_to_many_members_goes_round_by_round() {
    let mut router = Router::with(|world| {
        let mut builder = builder();
        for number in 0..100_u16 {
            let member = MemberId(100 + number);
            let session = 0x5000 + u32::from(number);
            let wire =
                crate::segment::Wire { member, sessions: [session, session + 0x1000], ..BLUE_WIRE };
            wire.add(&mut builder);
        }
        put_into(world, builder);
    });
    for number in 0..30 {
        router.receive(2, &broadcast(host(number)));
    }
    router.run();
    assert_eq!((router.sent(1).len(), router.sent(3).len()), (30 * 102, 30));
    // The copies of one loop have a limit; what is above it is dropped with its reason.
    for number in 0..60 {
        router.receive(2, &broadcast(host(number)));
    }
    assert_eq!(router.run_once(), 60);
    let counts = router.counts();
    assert!(counts.dropped(DropReason::FloodBudget) > 0);
    assert!(router.sent(1).len() >= 4000);
}

#[test]
fn a_mac_that_flaps_is_held_and_the_control_thread_is_told() {
    let mut router = router();
    for _ in 0..10 {
        hear(&mut router, 2, &broadcast(host(1)));
        hear(&mut router, 3, &tagged(20, &broadcast(host(1))));
    }
    let counts = router.counts().overlay;
    assert_eq!((counts.macs_learned, counts.macs_moved), (1, 5));
    let Some(OverlayEvent::MacMoves { domain, mac, .. }) = router.events.pop() else {
        unreachable!("it is told")
    };
    assert_eq!((domain, mac), (BLUE, host(1)));
    assert!(router.events.is_empty(), "once");
}

#[test]
fn a_static_mac_is_nobody_elses() {
    let mut router = router();
    let key = MacKey::new(BLUE, host(1));
    assert!(router.macs.set_static(key, BLUE_PORT, Tick::at(router.now)));
    router.refuses(&BLUE_WIRE.around(&broadcast(host(1))), DropReason::BridgeStatic);
    let to_it = BLUE_WIRE.around(&between(host(1), host(9), 80));
    assert_eq!(ports(&pass(&mut router, 1, &to_it)), [2]);
}

#[test]
fn a_flush_and_old_age_bring_flooding_back() {
    let mut router = router();
    hear(&mut router, 2, &broadcast(host(1)));
    let to_it = BLUE_WIRE.around(&between(host(1), host(9), 80));
    assert_eq!(ports(&pass(&mut router, 1, &to_it)), [2]);
    router.macs.flush(BLUE_PORT);
    assert_eq!(ports(&pass(&mut router, 1, &to_it)), [2, 3]);
    hear(&mut router, 2, &broadcast(host(1)));
    assert_eq!(ports(&pass(&mut router, 1, &to_it)), [2]);
    router.now += Duration::from_secs(400);
    assert_eq!(ports(&pass(&mut router, 1, &to_it)), [2, 3]);
}

#[test]
fn a_member_that_is_gone_is_not_sent_to() {
    let mut router = router();
    let key = MacKey::new(BLUE, host(1));
    // Nobody has this number, and one that belongs to the other tenant.
    for member in [MemberId(99), RED_TRUNK] {
        assert!(router.macs.set_static(key, member, Tick::at(Instant::ZERO)));
        let sent = pass(&mut router, 2, &between(host(1), host(2), 80));
        assert_eq!(ports(&sent), [1, 1, 3], "flooded in its own domain");
        assert_eq!(sent[2].1[14..16], [0, 20]);
        assert!(router.macs.forget(key));
    }
}

#[test]
fn a_worker_that_bridges_nothing_says_so() {
    let frame = between(host(1), host(2), 80);
    let counts = crate::router::without_overlay(&frame, |world| put_into(world, builder()));
    assert_eq!(counts.dropped(DropReason::OverlayOff), 1);
}

/// A frame that is one octet too long for a pseudowire, from port 2 to a host behind it.
fn too_big(router: &mut Router, inner: &[u8]) -> Vec<(u16, Vec<u8>)> {
    hear(router, 1, &BLUE_WIRE.around(&broadcast(host(9))));
    pass(router, 2, inner)
}

#[test]
fn an_ipv6_packet_that_is_too_big_is_answered_from_the_port() {
    let mut router = router();
    let octets = usize::from(TUNNEL_MTU) + 1;
    let frame = between(host(9), host(1), octets);
    let (port, answer) = only(too_big(&mut router, &frame));
    assert_eq!((port, &answer[..6], &answer[6..12]), (2, &host(1).0[..], &own_mac(2).0[..]));
    let (ipv6, message) = open_icmpv6(&answer);
    assert_eq!((ipv6.source, ipv6.hop_limit), (own_mac(2).link_local(), 64));
    assert_eq!(ipv6.destination, address("2001:db8:77::1"));
    let Icmpv6Message::PacketTooBig { mtu, quote } = message else { unreachable!("{message:?}") };
    assert_eq!((mtu, quote.as_slice()), (u32::from(TUNNEL_MTU), &frame[14..14 + 1232]));
    let counts = router.counts();
    assert_eq!((counts.dropped(DropReason::BridgeTooBig), counts.generated), (1, 1));
}

#[test]
fn an_ipv4_packet_that_is_too_big_is_answered_from_the_dummy_address() {
    let mut router = router();
    let mut four = vec![0x45, 0, 0x05, 0x78, 0, 1, 0x40, 0, 64, 17, 0, 0];
    four.extend([198, 51, 100, 1, 198, 51, 100, 2]);
    four.resize(1400, 7);
    let frame = |packet: &[u8]| [&host(9).0[..], &host(1).0, &[8, 0], packet].concat();
    let (port, answer) = only(too_big(&mut router, &frame(&four)));
    assert_eq!((port, answer.len(), &answer[12..14]), (2, 14 + 576, &[8, 0][..]));
    let ip = &answer[14..];
    assert_eq!((ip[0], ip[9]), (0x45, 1));
    assert_eq!(ip[12..20], [192, 0, 0, 8, 198, 51, 100, 1]);
    assert_eq!((&ip[20..22], &ip[24..28]), (&[3, 4][..], &[0, 0, 0x05, 0x14][..]), "MTU 1300");
    assert_eq!(ip[28..], four[..548]);
    let sum = |octets: &[u8]| kumiki::base::checksum::InternetSum::default().plus(octets).finish();
    assert_eq!((sum(&ip[..20]), sum(&ip[20..])), (0, 0));
    // Errors, fragments but the first, and packets to groups are not answered.
    for (place, octet) in [(9, 1), (7, 9), (16, 224), (12, 0), (0, 0x44)] {
        let mut other = four.clone();
        (other[place], other[20]) = (octet, 3);
        assert!(pass(&mut router, 2, &frame(&other)).is_empty(), "{place}");
    }
}

#[test]
fn a_frame_too_big_is_answered_with_the_tag_it_came_with() {
    let mut router = router();
    hear(&mut router, 1, &RED_WIRE.around(&broadcast(host(9))));
    let frame = between(host(9), host(1), 1400);
    let (port, access) = only(pass(&mut router, 3, &tagged(30, &frame)));
    assert_eq!(
        (port, &access[12..16], &access[16..18]),
        (3, &[0x81, 0, 0, 30][..], &[0x86, 0xdd][..])
    );
    let (_, trunk) = only(pass(&mut router, 3, &tagged(40, &frame)));
    assert_eq!(trunk[12..18], [0x81, 0, 0, 40, 0x86, 0xdd]);
    open_icmpv6(&trunk);
    // What holds no IP is dropped, and nobody can be told.
    let mut other = frame;
    other[12..14].copy_from_slice(&[0x88, 0xb5]);
    assert!(pass(&mut router, 3, &tagged(30, &other)).is_empty());
    assert_eq!(router.counts().dropped(DropReason::BridgeTooBig), 3);
}

#[test]
fn errors_about_errors_and_floods_of_errors_are_not_made() {
    let mut router = router();
    hear(&mut router, 1, &BLUE_WIRE.around(&broadcast(host(9))));
    let mut inner = header("2001:db8:77::2", 58);
    inner.source = address("2001:db8:77::1");
    let about = |kind: u8| {
        let message = [vec![kind, 0], vec![0; 1400]].concat();
        crate::packets::frame(host(9), host(1), &packet(inner, &message))
    };
    assert!(pass(&mut router, 2, &about(1)).is_empty());
    assert_eq!(pass(&mut router, 2, &about(128)).len(), 1);
    for _ in 0..300 {
        router.receive(2, &about(128));
    }
    router.run();
    assert!(router.sent(2).len() < 140, "the limit of RFC 4443 §2.4(f)");
}

#[test]
fn arp_and_what_holds_no_ip_passes() {
    let mut router = router();
    hear(&mut router, 1, &BLUE_WIRE.around(&broadcast(host(9))));
    let arp = [&host(9).0[..], &host(1).0, &[8, 6], &[0; 46]].concat();
    let (port, outer) = only(pass(&mut router, 2, &arp));
    assert_eq!((port, &outer[outer.len() - arp.len()..]), (1, arp.as_slice()));
    assert_eq!(WIRES.len(), 4);
}
