//! What those see who look on: copies of frames and drops, and the ways of packets.

use crate::packets::{HOST, address, frame, header, packet, ping, udp};
use crate::router::{Router, VLAN, neighbor_mac, own_mac, to_router};
use kumiki::base::ids::PortId;
use kumiki::dataplane::tap::RECORDS_MAX;
use kumiki::dataplane::trace::{Detail, Lookup, Target, Verdict};
use kumiki::dataplane::{
    DropReason, Injected, NodeId, PuntClass, Record, Sight, SilenceReason, Tap, TapSet, Wanted,
    WorkerCommand,
};
use kumiki::filter::{Facts, Filter, parse};
use kumiki::packet::HeapBuf;
use kumiki::wire::ipv6::Ipv6Header;
use std::sync::Arc;

fn tap(wanted: Wanted, filter: &str) -> Arc<Tap> {
    let filter = parse(filter).unwrap().map_or_else(Filter::everything, |e| Filter::new(&e));
    Arc::new(Tap::new(wanted, None, filter, 9000))
}

fn watched(taps: &[&Arc<Tap>]) -> Router {
    let router = Router::new();
    let taps: TapSet = taps.iter().map(|tap| Arc::clone(tap)).collect();
    assert!(router.rings.commands.push(WorkerCommand::Watch(taps)).is_ok());
    router
}

/// What a tap has, given back to it.
fn records(tap: &Tap) -> Vec<Record> {
    let taken = core::iter::from_fn(|| tap.take());
    let records = taken.map(|record| {
        let copy = (*record).clone();
        tap.give_back(record);
        copy
    });
    records.collect()
}

fn sights(tap: &Tap) -> Vec<(Option<u16>, Sight)> {
    records(tap).iter().map(|record| (record.port.map(|port| port.0), record.sight)).collect()
}

#[test]
fn a_forwarded_frame_is_seen_as_it_came_and_as_it_went() {
    let traffic = tap(Wanted::Traffic, "");
    let mut router = watched(&[&traffic]);
    let came = to_router(&udp("2001:db8:3::1", 50));
    let (port, went) = crate::router::only(router.pass(&came));
    assert_eq!(port, 3);
    let seen = records(&traffic);
    assert_eq!(
        seen.iter().map(|record| (record.port.unwrap().0, record.sight)).collect::<Vec<_>>(),
        [(1, Sight::Received), (3, Sight::Sent)]
    );
    assert_eq!((&seen[0].octets, &seen[1].octets), (&came, &went), "the tag of port 3 included");
    assert_eq!(seen[1].at, router.now);
    let counts = router.counts();
    assert_eq!((counts.copied, counts.captured, counts.capture_lost), (2, 2, 0));
}

#[test]
fn a_filter_and_a_port_narrow() {
    let icmp = tap(Wanted::Traffic, "icmp6 and dst fd00:1::1");
    let port2 = Arc::new(Tap::new(Wanted::Traffic, Some(PortId(2)), Filter::everything(), 60));
    let mut router = watched(&[&icmp, &port2]);
    router.receive(1, &to_router(&udp("2001:db8:2::1", 50)));
    router.receive(1, &to_router(&ping(header("fd00:1::1", 58))));
    router.run();
    assert_eq!(sights(&icmp), [(Some(1), Sight::Received)]);
    let short = records(&port2);
    assert_eq!((short.len(), short[0].octets.len(), short[0].length), (1, 60, 112));
}

#[test]
fn drops_are_seen_with_their_reason_wherever_they_die() {
    let drops = tap(Wanted::Drops, "");
    let only_routes = tap(Wanted::Drops, "reason no_route");
    let mut router = watched(&[&drops, &only_routes]);
    router.receive(1, b"short");
    router.receive(3, &to_router(&udp("2001:db8:2::1", 5)));
    router.receive(1, &to_router(&udp("2001:db8:dead::1", 5)));
    router.receive(1, &to_router(&udp("2001:db8:ffff::1", 5)));
    let expired = Ipv6Header { hop_limit: 1, ..header("2001:db8:2::1", 17) };
    router.receive(1, &to_router(&packet(expired, &[0; 8])));
    router.run();
    let mut seen = sights(&drops);
    seen.sort_by_key(|(_, sight)| format!("{sight:?}"));
    let reasons = [
        (1, DropReason::Blackhole),
        (3, DropReason::EthernetNotOurs),
        (1, DropReason::EthernetTruncated),
        (1, DropReason::HopLimitExceeded),
        (1, DropReason::NoRoute),
    ];
    assert_eq!(seen, reasons.map(|(port, reason)| (Some(port), Sight::Dropped(reason))));
    let routes = records(&only_routes);
    assert_eq!(routes.len(), 1);
    let facts = Facts::of_frame(&routes[0].octets, routes[0].length);
    assert_eq!(facts.ipv6.unwrap().destination, address("2001:db8:ffff::1"));
    assert_eq!(facts.ethernet.unwrap().source, neighbor_mac(1));
}

#[test]
fn what_the_device_does_not_take_is_a_drop_and_not_sent() {
    let (traffic, drops) = (tap(Wanted::Traffic, ""), tap(Wanted::Drops, "reason tx_full"));
    let mut router = watched(&[&traffic, &drops]);
    router.limit_tx(2);
    for number in 0..5 {
        router.receive(1, &to_router(&udp("2001:db8:2::1", number)));
    }
    router.run();
    let sent = sights(&traffic).iter().filter(|(_, sight)| *sight == Sight::Sent).count();
    assert_eq!(sent, 2);
    let refused = (Some(2), Sight::Dropped(DropReason::TxFull));
    assert_eq!(sights(&drops), [refused; 3]);
}

#[test]
fn a_dropped_packet_of_the_host_has_a_header_of_zeros_and_no_port() {
    let drops = tap(Wanted::Drops, "src 2001:db8:1::10");
    let mut router = watched(&[&drops]);
    let bytes = udp("2001:db8:dead::1", 5);
    router.inject(Injected::Packet { packet: HeapBuf::new(&bytes) });
    router.run();
    let seen = records(&drops);
    assert_eq!((seen[0].port, seen[0].length), (None, 14 + 53));
    assert_eq!(seen[0].octets[..12], [0; 12]);
    assert_eq!(seen[0].octets[12..], [&[0x86, 0xdd], &*bytes].concat());
}

#[test]
fn a_reader_that_is_behind_loses_copies_and_no_packets() {
    let traffic = tap(Wanted::Traffic, "src port 23130");
    let mut router = watched(&[&traffic]);
    let frames = 3 * RECORDS_MAX;
    for _ in 0..frames {
        router.receive(1, &to_router(&udp("2001:db8:2::1", 1)));
    }
    router.run();
    let counts = router.counts();
    assert_eq!(router.sent(2).len(), frames);
    assert_eq!(counts.copied, 2 * frames as u64);
    assert_eq!(counts.capture_lost, traffic.lost_count());
    assert!(counts.captured > 0 && counts.capture_lost > 0);
    assert_eq!(records(&traffic).len() as u64, counts.captured);
    // With room again it goes on.
    router.receive(1, &to_router(&udp("2001:db8:2::1", 1)));
    router.run();
    assert_eq!(sights(&traffic).len(), 2);
}

#[test]
fn nobody_sees_anything_after_the_end() {
    let traffic = tap(Wanted::Traffic, "");
    let mut router = watched(&[&traffic]);
    assert!(router.rings.commands.push(WorkerCommand::Watch(Arc::new([]))).is_ok());
    router.pass(&to_router(&udp("2001:db8:2::1", 1)));
    assert!(records(&traffic).is_empty());
    assert_eq!(router.counts().copied, 0);
    assert_eq!(Arc::strong_count(&traffic), 1, "the worker keeps nothing");
}

/// The nodes of the only path, and where each sent the packet.
fn path(tap: &Tap) -> Vec<(NodeId, Verdict)> {
    let seen = records(tap);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].sight, Sight::Followed);
    seen[0].path.iter().map(|step| (step.node, step.verdict)).collect()
}

#[test]
fn a_forwarded_packet_is_followed_to_its_port() {
    let paths = tap(Wanted::Paths, "dst 2001:db8:23::1");
    let mut router = watched(&[&paths]);
    router.receive(1, &to_router(&udp("2001:db8:2::1", 5)));
    router.receive(1, &to_router(&udp("2001:db8:23::1", 5)));
    router.receive(1, &to_router(&udp("2001:db8:2::2", 5)));
    router.run();
    let seen = records(&paths);
    let [ethernet, ipv6, lookup, rewrite, output] = seen[0].path[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(ethernet.verdict, Verdict::Passed(NodeId::Ipv6Input));
    assert_eq!((ipv6.node, ipv6.detail), (NodeId::Ipv6Input, Detail::Nothing));
    let Detail::Lookup(Lookup { prefix, group, target }) = lookup.detail else {
        panic!("{lookup:?}");
    };
    assert_eq!((prefix.unwrap().to_string().as_str(), group.0), ("2001:db8:23::/48", 4));
    let Target::NextHop { port, gateway, member_count: 2, .. } = target else {
        panic!("{target:?}");
    };
    assert_eq!(gateway, neighbor_mac(port.0).link_local());
    let destination = neighbor_mac(port.0);
    assert_eq!(rewrite.detail, Detail::Rewrite { port, hop_limit: 63, destination });
    assert_eq!((output.node, output.verdict), (NodeId::PortOutput, Verdict::Sent(port)));
    assert_eq!(router.sent(2).len() + router.sent(3).len(), 3, "the others went as well");
}

#[test]
fn drops_errors_punts_and_answers_end_a_path() {
    let paths = tap(Wanted::Paths, "");
    let mut router = watched(&[&paths]);
    router.receive(1, &to_router(&udp("2001:db8:dead::1", 5)));
    router.run();
    let steps = path(&paths);
    assert_eq!(
        *steps.last().unwrap(),
        (NodeId::Ipv6Lookup, Verdict::Dropped(DropReason::Blackhole))
    );

    router.receive(1, &to_router(&udp("2001:db8:ffff::1", 5)));
    router.run();
    let steps = path(&paths);
    assert_eq!(steps[2], (NodeId::Ipv6Lookup, Verdict::Refused(DropReason::NoRoute)));
    assert_eq!(steps[3], (NodeId::Icmpv6Error, Verdict::Passed(NodeId::Ipv6Lookup)));
    assert_eq!(*steps.last().unwrap(), (NodeId::PortOutput, Verdict::Sent(PortId(1))));

    let expired = Ipv6Header { hop_limit: 1, ..header("2001:db8:2::1", 17) };
    router.receive(1, &to_router(&packet(expired, &[0; 8])));
    router.run();
    let refused = (NodeId::Ipv6Rewrite, Verdict::Refused(DropReason::HopLimitExceeded));
    assert!(path(&paths).contains(&refused));

    router.receive(1, &to_router(&ping(header("fd00:1::1", 58))));
    router.run();
    let steps = path(&paths);
    assert!(steps.contains(&(NodeId::Icmpv6Echo, Verdict::Passed(NodeId::Ipv6Lookup))));
    assert_eq!(*steps.last().unwrap(), (NodeId::PortOutput, Verdict::Sent(PortId(1))));

    router.receive(1, &to_router(&udp("2001:db8:4::1", 5)));
    router.run();
    let punted = Verdict::Punted(PuntClass::Unresolved);
    assert_eq!(*path(&paths).last().unwrap(), (NodeId::NdResolve, punted));

    router.receive(1, &to_router(&udp("fd00:1::1", 5)));
    router.run();
    let punted = Verdict::Punted(PuntClass::Host);
    assert_eq!(*path(&paths).last().unwrap(), (NodeId::Punt, punted));
}

#[test]
fn an_error_that_is_not_sent_says_why() {
    let paths = tap(Wanted::Paths, "");
    let mut router = watched(&[&paths]);
    let error = [1, 0, 0, 0, 0, 0, 0, 0];
    router.receive(1, &to_router(&packet(header("2001:db8:ffff::1", 58), &error)));
    router.run();
    let silent = Verdict::Silent(SilenceReason::Forbidden);
    assert_eq!(*path(&paths).last().unwrap(), (NodeId::Icmpv6Error, silent));
}

#[test]
fn packets_of_the_router_are_followed_too() {
    let paths = tap(Wanted::Paths, &format!("src {HOST}"));
    let mut router = watched(&[&paths]);
    router.inject(Injected::Packet { packet: HeapBuf::new(&udp("2001:db8:3::1", 5)) });
    router.inject(Injected::Packet { packet: HeapBuf::new(&udp("2001:db8:dead::1", 5)) });
    router.limit_tx(0);
    router.run();
    let seen = records(&paths);
    assert_eq!(seen.len(), 2);
    let last = |record: &Record| record.path.last().unwrap().verdict;
    assert_eq!(last(&seen[0]), Verdict::Dropped(DropReason::TxFull));
    assert_eq!(last(&seen[1]), Verdict::Dropped(DropReason::Blackhole));
    assert_eq!(seen[0].path[0].node, NodeId::Ipv6Input);
    assert!(seen.iter().all(|record| record.port.is_none()));
}

#[test]
fn a_tag_that_was_taken_off_is_remembered() {
    let (drops, paths) = (tap(Wanted::Drops, "vlan 30"), tap(Wanted::Paths, "vlan 30"));
    let mut router = watched(&[&drops, &paths]);
    let mut bytes = frame(own_mac(3), neighbor_mac(3), &udp("2001:db8:dead::1", 5));
    bytes.splice(12..12, [0x81, 0, 0, u8::try_from(VLAN).unwrap()]);
    router.receive(3, &bytes);
    router.run();
    assert_eq!(records(&drops)[0].vlan, Some(VLAN));
    assert_eq!(records(&paths)[0].octets, bytes);
}
