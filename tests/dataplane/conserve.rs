//! Nothing dies silently: whatever comes in, the counters balance and nothing panics.

use crate::packets::{frame, header, packet};
use crate::router::{PORTS, Router, neighbor_mac, own_mac};
use kumiki::base::ids::{MacAddress, PortId};
use kumiki::dataplane::{Injected, Tap, TapSet, Wanted, WorkerCommand};
use kumiki::filter::{Filter, parse};
use kumiki::packet::HeapBuf;
use kumiki::wire::ipv6::Ipv6Header;
use proptest::prelude::*;
use std::sync::Arc;

const ADDRESSES: [&str; 20] = [
    "2001:db8:1::10",
    "2001:db8:2::1",
    "2001:db8:3::1",
    "2001:db8:23::1",
    "2001:db8:4::1",
    "2001:db8:dead::1",
    "2001:db8:ffff::1",
    "fd00:1::1",
    "fd00:1::77",
    "fd00:3::1",
    "fe80::1",
    "fe80::ff:fe00:1",
    "fe80::ff:fe00:3",
    "ff02::1",
    "ff02::2",
    "ff02::5",
    "ff02::1:ff00:1",
    "ff0e::1",
    "::",
    "::1",
];

/// How a frame reaches the router.
#[derive(Clone, Debug)]
enum Arrival {
    Received(u16),
    InjectedFrame(u16),
    InjectedPacket,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    prop_oneof![
        6 => prop::sample::select(PORTS.to_vec()).prop_map(Arrival::Received),
        1 => (0..5_u16).prop_map(Arrival::InjectedFrame),
        2 => Just(Arrival::InjectedPacket),
    ]
}

fn ipv6_packet() -> impl Strategy<Value = Vec<u8>> {
    let one = || prop::sample::select(ADDRESSES.to_vec());
    let next_header = prop_oneof![
        prop::sample::select(vec![0_u8, 6, 17, 43, 44, 50, 51, 58, 59, 60, 89]),
        any::<u8>()
    ];
    let payload = prop_oneof![
        8 => prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..80),
        2 => (128_u8..145, 0_usize..40)
            .prop_map(|(kind, rest)| [vec![kind, 0], vec![0; rest]].concat()),
        1 => (1200_usize..9100).prop_map(|length| vec![0; length]),
    ];
    let hop_limit = prop::sample::select(vec![0_u8, 1, 2, 64, 255]);
    (one(), one(), next_header, hop_limit, payload).prop_map(
        |(source, destination, next_header, hop_limit, payload)| {
            let source = source.parse().unwrap();
            let header = Ipv6Header { source, hop_limit, ..header(destination, next_header) };
            packet(header, &payload)
        },
    )
}

/// A frame for `port`, then some octets changed and the end cut or padded.
fn spoiled() -> impl Strategy<Value = (Arrival, Vec<u8>)> {
    let mac = prop_oneof![
        8 => Just(None),
        1 => Just(Some(MacAddress::BROADCAST)),
        1 => Just(Some(MacAddress([2, 7, 7, 7, 7, 7]))),
    ];
    let changes = prop::collection::vec((0_usize..70, any::<u8>()), 0..3);
    let tag = prop::option::weighted(0.3, prop::sample::select(vec![0_u8, 30, 31]));
    (arrival(), mac, ipv6_packet(), tag, changes, prop::option::weighted(0.2, 0_usize..120))
        .prop_map(|(arrival, mac, packet, tag, changes, length)| {
            let port = match arrival {
                Arrival::Received(port) | Arrival::InjectedFrame(port) => port,
                Arrival::InjectedPacket => 1,
            };
            let mut bytes = match arrival {
                Arrival::InjectedPacket => packet,
                _ => frame(mac.unwrap_or(own_mac(port)), neighbor_mac(port), &packet),
            };
            if let Some(id) = tag.filter(|_| bytes.len() > 14) {
                bytes.splice(12..12, [0x81, 0, 0, id]);
            }
            for (place, octet) in changes {
                if let Some(slot) = bytes.get_mut(place) {
                    *slot = octet;
                }
            }
            if let Some(length) = length {
                bytes.resize(length, 0);
            }
            (arrival, bytes)
        })
}

/// Any octets at all, or a frame that was spoiled.
fn anything() -> impl Strategy<Value = (Arrival, Vec<u8>)> {
    let octets = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..120),
        1 => prop::collection::vec(any::<u8>(), 1000..1600),
    ];
    prop_oneof![(arrival(), octets), spoiled()]
}

/// Those who look on while packets come: nobody, or some of all kinds.
pub fn taps() -> impl Strategy<Value = TapSet> {
    let wanted = prop::sample::select(vec![Wanted::Traffic, Wanted::Drops, Wanted::Paths]);
    let filter = prop::sample::select(vec!["", "udp", "not udp or len > 100", "reason no_route"]);
    let port = prop::option::of(prop::sample::select(PORTS.to_vec()).prop_map(PortId));
    let tap = (wanted, filter, port, 0..200_u16).prop_map(|(wanted, filter, port, snap)| {
        let filter = parse(filter).unwrap().map_or_else(Filter::everything, |e| Filter::new(&e));
        Arc::new(Tap::new(wanted, port, filter, snap))
    });
    prop::collection::vec(tap, 0..4).prop_map(TapSet::from)
}

/// Lets something reach the router.
fn arrive(router: &Router, arrival: &Arrival, bytes: &[u8]) {
    match arrival {
        Arrival::Received(port) => router.receive(*port, bytes),
        Arrival::InjectedFrame(port) => {
            let packet = HeapBuf::new(bytes);
            router.inject(Injected::Frame { port: PortId(*port), packet });
        }
        Arrival::InjectedPacket => {
            router.inject(Injected::Packet { packet: HeapBuf::new(bytes) });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_counters_balance_after_every_burst_of_anything_whoever_looks_on(
        bursts in prop::collection::vec(prop::collection::vec(anything(), 1..64), 1..6),
        tx_room in prop_oneof![Just(usize::MAX), 0_usize..20],
        taps in taps(),
    ) {
        let mut router = Router::new();
        router.limit_tx(tx_room);
        assert!(router.rings.commands.push(WorkerCommand::Watch(Arc::clone(&taps))).is_ok());
        let mut total = 0;
        for burst in &bursts {
            burst.iter().for_each(|(arrival, bytes)| arrive(&router, arrival, bytes));
            // Asserts the balance.
            prop_assert_eq!(router.run_once(), burst.len());
            total += burst.len() as u64;
        }
        let counts = router.counts();
        prop_assert_eq!(counts.came_in(), total + counts.generated + counts.copied);
        let mut shown = 0;
        for tap in taps.iter() {
            while let Some(record) = tap.take() {
                shown += 1;
                tap.give_back(record);
            }
        }
        let lost: u64 = taps.iter().map(|tap| tap.lost_count()).sum();
        prop_assert_eq!((counts.captured, counts.capture_lost), (shown, lost));
    }

    #[test]
    fn who_looks_on_changes_nothing(
        frames in prop::collection::vec(anything(), 1..100),
        tx_room in prop_oneof![4 => Just(usize::MAX), 1 => 0_usize..20],
        taps in taps(),
    ) {
        let (mut alone, mut watched) = (Router::new(), Router::new());
        assert!(watched.rings.commands.push(WorkerCommand::Watch(taps)).is_ok());
        for router in [&mut alone, &mut watched] {
            router.limit_tx(tx_room);
            frames.iter().for_each(|(arrival, bytes)| arrive(router, arrival, bytes));
            router.run();
        }
        for port in PORTS {
            prop_assert_eq!(alone.sent(port).len(), watched.sent(port).len());
        }
        prop_assert_eq!(alone.counts().drops, watched.counts().drops);
        prop_assert_eq!(alone.counts().punts, watched.counts().punts);
        prop_assert_eq!(alone.counts().generated, watched.counts().generated);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_packet_is_sent_punted_or_dropped_with_a_reason(
        frames in prop::collection::vec(spoiled(), 1..150),
        tx_room in prop_oneof![Just(usize::MAX), 0_usize..20],
    ) {
        let mut router = Router::new();
        router.limit_tx(tx_room);
        let mut total = 0;
        for (arrival, bytes) in &frames {
            total += 1;
            arrive(&router, arrival, bytes);
        }
        // Asserts the balance after the run.
        router.run();
        let counts = router.counts();
        prop_assert_eq!(counts.came_in(), total + counts.generated);
        let sent: usize = PORTS.iter().map(|port| router.sent(*port).len()).sum();
        let sent_counted: u64 = counts.ports.iter().map(|port| port.tx_packets).sum();
        prop_assert_eq!(sent_counted, sent as u64);
        prop_assert_eq!(counts.punts.iter().sum::<u64>(), router.punted().len() as u64);
    }

    #[test]
    fn random_octets_never_panic(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..64),
    ) {
        let mut router = Router::new();
        for bytes in &frames {
            let mut bytes = bytes.clone();
            if let Some(start) = bytes.get_mut(..15) {
                start[..6].copy_from_slice(&own_mac(1).0);
                start[6] = 2;
                start[12..].copy_from_slice(&[0x86, 0xdd, 0x60]);
            }
            router.receive(1, &bytes);
        }
        router.run();
    }
}
