//! Routes change all the time: no packet is lost, and every one goes by the routes of one version.

use crate::packets::{frame, udp};
use crate::router::{neighbor_mac, own_mac, world};
use kumiki::base::ids::{GroupId, LcoreId, PortId};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::prng::Prng;
use kumiki::base::rcu::Publisher;
use kumiki::base::time::Instant;
use kumiki::dataplane::lcore::{WorkerRings, run};
use kumiki::dataplane::{
    IdlePolicy, IdleWait, LcoreCounters, PuntRings, PuntSender, Worker, WorkerPort, WorkerSetup,
};
use kumiki::fib::{Forwarding, Liveness};
use kumiki::packet::{Burst, HeapBuf, PortRx, PortTx};
use kumiki::ports::memory::{CABLE_PACKETS_MAX, MemoryPort, cable};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Changes of routes.
const CHANGES: u64 = 100_000;
/// Changes that are published together, at most.
const CHANGES_AT_ONCE: u64 = 20;
/// Routes beside those that packets go by.
const OTHERS: u64 = 2000;

struct Spin;

impl IdleWait for Spin {
    fn wait(&mut self, _: kumiki::base::time::Duration) {
        std::thread::yield_now();
    }
}

/// A change: the route of the packets moves between two ports, and others come and go around it.
fn change(prng: &mut Prng, number: u64) -> (Ipv6Prefix, Option<GroupId>) {
    let group = GroupId(if prng.below(2) == 0 { 2 } else { 3 });
    if number.is_multiple_of(8) {
        // The covering prefix is always there; the longer ones come and go.
        let length = [48, 64, 96, 128][usize::try_from(prng.below(4)).unwrap()];
        let address: Ipv6Addr = "2001:db8:2::1".parse().unwrap();
        let is_removed = length > 48 && prng.below(2) == 0;
        return (Ipv6Prefix::containing(address, length), (!is_removed).then_some(group));
    }
    let number = u16::try_from(prng.below(OTHERS)).unwrap();
    let length = u8::try_from(20 + prng.below(100)).unwrap();
    let address = Ipv6Addr::new(0x2400 + number, number << 5, number, 0, 0, 0, 0, 0);
    (Ipv6Prefix::containing(address, length), (prng.below(3) > 0).then_some(group))
}

/// Publishes all changes; says how many versions are still kept for a reader at the end.
fn publish_all(mut publisher: Publisher<Forwarding>, done: &AtomicU64) -> usize {
    let mut prng = Prng::new(1);
    let mut table = world(Arc::new(Liveness::new(4))).table;
    let rest = world(Arc::new(Liveness::new(4)));
    let mut number = 0;
    while number < CHANGES {
        let count = (1 + prng.below(CHANGES_AT_ONCE)).min(CHANGES - number);
        let changes: Vec<_> =
            (number..number + count).map(|number| change(&mut prng, number)).collect();
        number += count;
        table.apply(&changes);
        publisher.publish(Forwarding { epoch: number, table: table.clone(), ..rest.clone() });
        publisher.reclaim();
        done.store(number, Ordering::Relaxed);
    }
    while publisher.pending() > 0 {
        publisher.reclaim();
        std::thread::yield_now();
    }
    publisher.pending()
}

#[test]
fn a_hundred_thousand_changes_of_routes_lose_no_packet() {
    let (mut host, port_1) = cable::<HeapBuf>(CABLE_PACKETS_MAX);
    let (mut far_2, port_2) = cable(CABLE_PACKETS_MAX);
    let (mut far_3, port_3) = cable(CABLE_PACKETS_MAX);
    let mut publisher = Publisher::new(world(Arc::new(Liveness::new(4))));
    let counters = Arc::new(LcoreCounters::new(4));
    let ports = [(1, port_1), (2, port_2), (3, port_3)];
    let mut worker = Worker::new(WorkerSetup {
        lcore: LcoreId(0),
        reader: publisher.reader().unwrap(),
        ports: ports
            .into_iter()
            .map(|(id, MemoryPort { rx, tx })| {
                WorkerPort::new(PortId(id), Some(Box::new(rx)), Box::new(tx))
            })
            .collect(),
        punts: PuntSender::new(PuntRings::new(), Box::new(|| ()), Box::new(|| ())),
        rings: WorkerRings::new(),
        counters: Arc::clone(&counters),
        hash_seed: 7,
        cycles: || 0,
    });
    let sent_frame = frame(own_mac(1), neighbor_mac(1), &udp("2001:db8:2::1", 20));
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut sent, mut arrived) = (0_u64, [0_u64; 2]);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            run(&mut worker, IdlePolicy::Adaptive, || Instant::ZERO, &stop, &mut Spin);
        });
        let storm = scope.spawn(|| publish_all(publisher, &done));
        let mut burst = Burst::new();
        while done.load(Ordering::Relaxed) < CHANGES || arrived.iter().sum::<u64>() < sent {
            assert!(!worker.is_finished(), "the worker has failed");
            let is_over = done.load(Ordering::Relaxed) == CHANGES;
            // No more under way than a cable holds, as a full one would drop.
            if !is_over && sent - arrived.iter().sum::<u64>() < CABLE_PACKETS_MAX as u64 / 2 {
                burst.extend((0..32).map(|_| HeapBuf::new(&sent_frame)));
                sent += host.tx.send(&mut burst) as u64;
            }
            for (count, far) in arrived.iter_mut().zip([&mut far_2, &mut far_3]) {
                let mut burst = Burst::<HeapBuf>::new();
                *count += far.rx.receive(&mut burst) as u64;
            }
            std::thread::yield_now();
            let counts = counters.snapshot();
            assert_eq!(counts.drops.iter().sum::<u64>(), 0, "{counts:?}");
        }
        assert_eq!(storm.join().unwrap(), 0, "old versions are kept");
        stop.store(true, Ordering::Relaxed);
    });
    println!("{sent} packets through {CHANGES} changes, {arrived:?} by the two ports");
    assert_eq!(arrived.iter().sum::<u64>(), sent);
    assert!(arrived.iter().all(|count| *count > 0), "both ways were taken");
    assert!(counters.snapshot().is_conserved());
}
