//! Anything at all in the segments of tenants: the counters balance, tenants stay apart.

use crate::conserve::taps;
use crate::packets::udp;
use crate::router::{Router, to_router};
use crate::segment::{
    BLUE, OTHER_WIRE, RED, WIRES, between, builder, host, put_into, router, tagged,
};
use kumiki::base::ids::{DomainId, MacAddress, MemberId};
use kumiki::base::time::{Duration, Instant};
use kumiki::dataplane::mac_table::Tick;
use kumiki::dataplane::{DropReason, Injected, TapSet, WorkerCommand};
use kumiki::packet::HeapBuf;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn mac() -> impl Strategy<Value = MacAddress> {
    prop_oneof![
        6 => (0_u8..6).prop_map(host),
        2 => Just(MacAddress::BROADCAST),
        1 => Just(MacAddress([1, 0x80, 0xc2, 0, 0, 2])),
        1 => any::<[u8; 6]>().prop_map(MacAddress),
    ]
}

/// A frame of a tenant: IPv6, or any EtherType with any octets.
fn inner() -> impl Strategy<Value = Vec<u8>> {
    let plain = (mac(), mac(), 40_usize..200).prop_map(|(to, from, n)| between(to, from, n));
    let large = (mac(), mac(), 1200_usize..1500).prop_map(|(to, from, n)| between(to, from, n));
    let kind = prop::sample::select(vec![0x0800_u16, 0x0806, 0x86dd, 0x8100, 0x88a8, 0x0026]);
    let odd = (mac(), mac(), kind, prop::collection::vec(any::<u8>(), 0..60)).prop_map(
        |(to, from, kind, rest)| [&to.0[..], &from.0, &kind.to_be_bytes(), &rest].concat(),
    );
    prop_oneof![4 => plain, 1 => large, 3 => odd]
}

/// Where something comes in, and its octets.
type Arrival = (u16, Vec<u8>);

fn arrival() -> impl Strategy<Value = Arrival> {
    let vlan = prop::option::of(prop::sample::select(vec![0_u16, 20, 30, 40, 41, 50]));
    let circuit = (2_u16..4, vlan, inner()).prop_map(|(port, vlan, frame)| {
        let frame = match vlan {
            Some(vlan) if frame.len() >= 12 => tagged(vlan, &frame),
            _ => frame,
        };
        (port, frame)
    });
    let wire = (prop::sample::select(WIRES.to_vec()), inner(), any::<u8>()).prop_map(
        |(wire, frame, number)| {
            let mut outer = wire.around(&frame);
            if wire.member == OTHER_WIRE.member {
                outer[54 + 11] = number;
            }
            (1, outer)
        },
    );
    let plain = (0_usize..50).prop_map(|octets| (1, to_router(&udp("2001:db8:2::1", octets))));
    let whole = prop_oneof![4 => circuit, 4 => wire, 1 => plain];
    let changes = prop::collection::vec((0_usize..100, any::<u8>()), 0..2);
    let cut = prop::option::weighted(0.1, 0_usize..120);
    (whole, prop::option::weighted(0.3, changes), cut).prop_map(
        |((port, mut octets), changes, cut)| {
            for (place, octet) in changes.unwrap_or_default() {
                if let Some(slot) = octets.get_mut(place) {
                    *slot = octet;
                }
            }
            octets.truncate(cut.unwrap_or(usize::MAX));
            (port, octets)
        },
    )
}

fn run(router: &mut Router, bursts: &[Vec<Arrival>]) {
    for (number, burst) in (0_u64..).zip(bursts) {
        router.now = Instant::from_millis(1) + Duration::from_secs(number * 9);
        burst.iter().for_each(|(port, octets)| router.receive(*port, octets));
        // Asserts the balance after every loop.
        router.run();
    }
}

fn bursts() -> impl Strategy<Value = Vec<Vec<Arrival>>> {
    prop::collection::vec(prop::collection::vec(arrival(), 1..60), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_comes_is_sent_punted_or_dropped_with_a_reason(
        bursts in bursts(),
        buffers in prop_oneof![3 => Just(usize::MAX), 1 => 0_usize..40],
        taps in taps(),
    ) {
        let mut router = router();
        router.pool.store(buffers, Ordering::Relaxed);
        let watch = WorkerCommand::Watch(Arc::clone(&taps));
        assert!(router.rings.commands.push(watch).is_ok());
        run(&mut router, &bursts);
        let counts = router.counts();
        let received: usize = bursts.iter().map(Vec::len).sum();
        let made = counts.generated + counts.overlay.replicated + counts.copied;
        prop_assert_eq!(counts.came_in(), received as u64 + made);
        prop_assert_eq!(counts.dropped(DropReason::GraphOverflow), 0);
    }

    #[test]
    fn who_looks_on_changes_nothing(bursts in bursts(), taps in taps()) {
        let (mut alone, mut watched) = (router(), router());
        assert!(watched.rings.commands.push(WorkerCommand::Watch(TapSet::clone(&taps))).is_ok());
        // One by one: in a burst all MACs are learned before the first frame is forwarded, and a
        // followed frame is a burst of its own.
        let single: Vec<Vec<Arrival>> = bursts.concat().into_iter().map(|one| vec![one]).collect();
        run(&mut alone, &single);
        run(&mut watched, &single);
        let sorted = |router: &Router, port| {
            let mut frames = router.sent(port);
            frames.sort_unstable();
            frames
        };
        for port in 1..4 {
            prop_assert_eq!(sorted(&alone, port), sorted(&watched, port));
        }
        prop_assert_eq!(alone.counts().drops, watched.counts().drops);
        prop_assert_eq!(alone.counts().overlay, watched.counts().overlay);
    }

    /// A tenant's frames never leave by another tenant's member, and no MAC is learned for it.
    #[test]
    fn tenants_stay_apart_whatever_they_send(bursts in bursts()) {
        let mut router = Router::with(|world| put_into(world, builder()));
        let of = |member: MemberId| -> DomainId {
            if matches!(member.0, 1 | 2 | 10 | 11) { BLUE } else { RED }
        };
        run(&mut router, &bursts);
        let tick = Tick::at(router.now);
        for (key, member, _) in router.macs.entries(tick) {
            prop_assert_eq!(key.domain(), of(member));
        }
    }

    #[test]
    fn what_the_host_sends_to_a_tunnels_end_is_no_panic(bodies in prop::collection::vec(
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..80)), 1..30))
    {
        let mut router = router();
        for (protocol, body) in &bodies {
            let header = crate::packets::header(crate::segment::LOCAL, *protocol);
            let packet = crate::packets::packet(header, body);
            router.inject(Injected::Packet { packet: HeapBuf::new(&packet) });
        }
        router.run();
    }
}
