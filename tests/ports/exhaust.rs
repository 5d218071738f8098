//! A pool that runs dry: what is lost is counted, and the router goes on when buffers come back.

use crate::forward::frame;
use crate::router::{PATIENCE, Router, send};
use crate::{Bench, add_cable, inside, options};
use kumiki::dpdk::{Mbuf, PortCounters};
use kumiki::packet::{Burst, PacketAlloc, PacketBuf, PortRx};
use kumiki::ports::DeviceSpec;
use kumiki::ports::dpdk::{OpenPort, open};
use std::time::Instant;

/// Takes every buffer that is left.
fn take_all(bench: &mut Bench, taken: &mut Vec<Mbuf>) {
    taken.extend(core::iter::from_fn(|| bench.alloc.alloc()));
    assert_eq!(bench.pool.facts().available, 0);
}

/// Sends `count` frames with buffers that are taken again as soon as they were sent.
fn send_from_the_last(bench: &mut Bench, host: &mut OpenPort, taken: &mut Vec<Mbuf>, count: usize) {
    for seed in 0..count {
        drop(taken.pop());
        send(bench, host, &[frame(1, 2, 200, seed.to_le_bytes()[0])]);
        take_all(bench, taken);
    }
}

fn lost(counters: PortCounters) -> u64 {
    counters.rx_missed + counters.rx_no_buffer
}

#[test]
fn a_router_without_buffers_forwards_again_when_they_come_back() {
    inside("exhaust::a_router_without_buffers_forwards_again_when_they_come_back", || {
        const FRAMES: usize = 700;
        let mut bench = Bench::new();
        add_cable(3);
        let [mut near, mut far] = ["veth1", "veth4"].map(|name| bench.open(name, 1));
        let ports = ["veth2", "veth3"].map(|name| (bench.open(name, 1), 9000));
        let stats = ports[0].0.stats.clone();
        let mut router = Router::new(ports);
        send(&mut bench, &mut near, &[frame(1, 2, 200, 1)]);
        router.deliver(&mut far, 1);
        let mut taken = Vec::new();
        take_all(&mut bench, &mut taken);
        // More than the ring of the kernel holds.
        send_from_the_last(&mut bench, &mut near, &mut taken, FRAMES);
        for _ in 0..100 {
            assert_eq!(router.run_once(), 0, "there is no buffer to receive into");
        }
        let counters = stats.counters().unwrap();
        println!("dry: {} missed, {} without a buffer", counters.rx_missed, counters.rx_no_buffer);
        assert!(lost(counters) > 0, "nobody counts what was lost");
        drop(taken);
        let before = router.counts().port(kumiki::base::ids::PortId(1)).rx_packets;
        let missed = usize::try_from(stats.counters().unwrap().rx_missed).unwrap();
        router.deliver(&mut far, FRAMES - missed);
        let after = router.counts().port(kumiki::base::ids::PortId(1)).rx_packets;
        assert_eq!(after - before, (FRAMES - missed) as u64);
        for seed in 0..20 {
            send(&mut bench, &mut near, &[frame(1, 2, 9000, seed)]);
            router.deliver(&mut far, 1);
        }
        assert_eq!(stats.counters().unwrap().rx_missed, counters.rx_missed, "lost since");
    });
}

/// A driver that takes frames out of the kernel before it has a buffer drops them, and counts.
#[test]
fn a_driver_that_finds_no_buffer_counts_and_receives_again() {
    inside("exhaust::a_driver_that_finds_no_buffer_counts_and_receives_again", || {
        let mut bench = Bench::new();
        let spec = DeviceSpec::Tap("kumitap0".into());
        let mut port = open(&bench.eal, &spec, &options(), bench.pool).unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/kumitap0/disable_ipv6", "1").unwrap();
        crate::ip("link set kumitap0 mtu 9000 up");
        let mut host = bench.open("kumitap0", 1);
        let mut taken = Vec::new();
        take_all(&mut bench, &mut taken);
        send_from_the_last(&mut bench, &mut host, &mut taken, 8);
        let mut burst = Burst::<Mbuf>::new();
        let started = Instant::now();
        let mut counted = 0;
        while counted == 0 && started.elapsed() < PATIENCE {
            port.queues.first_mut().unwrap().rx.receive(&mut burst);
            taken.extend(burst.drain());
            counted = port.stats.counters().unwrap().rx_no_buffer;
        }
        println!("{counted} without a buffer");
        assert!(counted > 0);
        drop(taken);
        let sent = frame(1, 2, 9000, 7);
        let started = Instant::now();
        let mut has_arrived = false;
        while !has_arrived && started.elapsed() < PATIENCE {
            send(&mut bench, &mut host, core::slice::from_ref(&sent));
            port.queues.first_mut().unwrap().rx.receive(&mut burst);
            has_arrived = burst.drain().any(|packet| packet.data() == sent);
        }
        assert!(has_arrived, "it does not receive again");
    });
}
