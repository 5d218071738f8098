//! What ports owe to frames: carry them whole, count them, wake the worker, return the buffers.

use crate::{Bench, add_cable, close, inside, ip, options};
use kumiki::dpdk::{Mbuf, PortError};
use kumiki::os::companion::Companion;
use kumiki::os::poller::{Events, Poller};
use kumiki::os::xdp;
use kumiki::packet::{Burst, PacketAlloc, PacketBuf, PortRx, PortTx};
use kumiki::ports::dpdk::{OpenPort, QueuePair};
use kumiki::ports::{DeviceSpec, Wakeup};
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Long enough for any frame to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// A frame of `length` octets from and to nobody, its content depending on `seed`.
fn frame(length: usize, seed: u8) -> Vec<u8> {
    let mut octets = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
    octets.extend((0..=u8::MAX).cycle().map(|n| n.wrapping_mul(31) ^ seed).take(length - 14));
    octets
}

fn send(bench: &mut Bench, pair: &mut QueuePair, frames: &[Vec<u8>]) -> usize {
    let mut burst = Burst::new();
    for frame in frames {
        let mut packet = bench.alloc.alloc().expect("the pool is big enough");
        packet.append(frame).unwrap();
        burst.push(packet).unwrap();
    }
    pair.tx.send(&mut burst)
}

fn receive(pair: &mut QueuePair, count: usize) -> Vec<Vec<u8>> {
    let started = Instant::now();
    let mut burst = Burst::<Mbuf>::new();
    let mut frames = Vec::new();
    while frames.len() < count && started.elapsed() < PATIENCE {
        pair.rx.receive(&mut burst);
        for packet in burst.drain() {
            let mut octets = Vec::new();
            packet.copy_to(&mut octets);
            frames.push(octets);
        }
    }
    frames
}

fn pair(port: &mut OpenPort) -> &mut QueuePair {
    port.queues.first_mut().unwrap()
}

#[test]
fn frames_of_all_sizes_cross_a_cable_unchanged_and_buffers_return() {
    inside("traffic::frames_of_all_sizes_cross_a_cable_unchanged_and_buffers_return", || {
        let mut bench = Bench::new();
        let (mut left, mut right) = (bench.open("veth1", 1), bench.open("veth2", 1));
        for seed in 0..20 {
            let frames = [60, 64, 1514, 4000, 9014].map(|length| frame(length, seed));
            assert_eq!(send(&mut bench, pair(&mut left), &frames), frames.len());
            assert!(receive(pair(&mut right), frames.len()) == frames, "lost or changed");
            assert_eq!(send(&mut bench, pair(&mut right), &frames), frames.len());
            assert!(receive(pair(&mut left), frames.len()) == frames, "lost or changed");
        }
        let counters = right.stats.counters().unwrap();
        assert_eq!((counters.rx_packets, counters.tx_packets), (100, 100));
        close(left);
        close(right);
        let Bench { pool, alloc, at_rest, .. } = bench;
        drop(alloc);
        assert_eq!(pool.in_use_count(), at_rest, "buffers were lost");
    });
}

#[test]
fn a_vlan_tag_stays_in_the_frame() {
    inside("traffic::a_vlan_tag_stays_in_the_frame", || {
        let mut bench = Bench::new();
        let (mut left, mut right) = (bench.open("veth1", 1), bench.open("veth2", 1));
        let mut tagged = frame(100, 1);
        tagged.splice(12..12, [0x81, 0x00, 0x60, 0x0a]);
        send(&mut bench, pair(&mut left), &[tagged.clone()]);
        assert_eq!(receive(pair(&mut right), 1), [tagged]);
    });
}

#[test]
fn an_idle_worker_is_woken_by_every_frame() {
    inside("traffic::an_idle_worker_is_woken_by_every_frame", || {
        const FRAMES: usize = 500;
        let mut bench = Bench::new();
        let (mut left, mut right) = (bench.open("veth1", 1), bench.open("veth2", 1));
        let receiver = std::thread::spawn(move || {
            let pair = pair(&mut right);
            assert!(matches!(pair.wakeup, Wakeup::Companion(_)), "{:?}", pair.wakeup);
            let poller = Poller::new().unwrap();
            poller.add(pair.wakeup.fd().unwrap(), 1).unwrap();
            let mut events = Events::new();
            let mut burst = Burst::<Mbuf>::new();
            let (mut count, mut waits) = (0, 0);
            let mut arrivals = Vec::new();
            while count < FRAMES {
                pair.wakeup.arm();
                if pair.rx.receive(&mut burst) == 0 {
                    waits += 1;
                    poller.wait(Some(PATIENCE), &mut events).unwrap();
                    assert!(!events.is_empty(), "asleep for {PATIENCE:?} after {count} frames");
                    events.iter().for_each(|_| pair.wakeup.settle());
                }
                for _ in burst.drain() {
                    count += 1;
                    arrivals.push(Instant::now());
                }
            }
            // An empty ring leaves nothing to report, so the next wait would really sleep.
            poller.wait(Some(Duration::ZERO), &mut events).unwrap();
            assert!(events.is_empty(), "the descriptor stays readable");
            println!("{count} frames, {waits} waits");
            poller.remove(pair.wakeup.fd().unwrap()).unwrap();
            (right, arrivals)
        });
        let mut departures = Vec::new();
        for number in 0..FRAMES {
            std::thread::sleep(Duration::from_micros(300));
            departures.push(Instant::now());
            send(&mut bench, pair(&mut left), &[frame(64, number.to_le_bytes()[0])]);
        }
        let (right, arrivals) = receiver.join().unwrap();
        let mut delays: Vec<_> =
            departures.iter().zip(&arrivals).map(|(sent, got)| *got - *sent).collect();
        delays.sort();
        println!("idle hop: p50 {:?}, p99 {:?}", delays[FRAMES / 2], delays[FRAMES * 99 / 100]);
        close(right);
    });
}

#[test]
fn frames_the_kernel_had_no_room_for_are_counted() {
    inside("traffic::frames_the_kernel_had_no_room_for_are_counted", || {
        const FRAMES: u64 = 2000;
        let mut bench = Bench::new();
        let (mut left, mut right) = (bench.open("veth1", 1), bench.open("veth2", 1));
        let mut sent = 0;
        let started = Instant::now();
        while sent < FRAMES && started.elapsed() < PATIENCE {
            sent += send(&mut bench, pair(&mut left), &[frame(64, 0)]) as u64;
        }
        assert_eq!(sent, FRAMES);
        let mut got = 0;
        let settled = || started.elapsed() > PATIENCE;
        while got + right.stats.ring_drops() < sent && !settled() {
            let mut burst = Burst::<Mbuf>::new();
            got += pair(&mut right).rx.receive(&mut burst) as u64;
        }
        let counters = right.stats.counters().unwrap();
        println!("{got} received, {} missed", counters.rx_missed);
        assert!(counters.rx_missed > 0);
        assert_eq!(counters.rx_packets + counters.rx_missed, sent);
    });
}

#[test]
fn a_port_closes_only_with_all_its_queues_and_can_come_back() {
    inside("traffic::a_port_closes_only_with_all_its_queues_and_can_come_back", || {
        let mut bench = Bench::new();
        let mut other = bench.open("veth2", 1);
        for round in 0..3 {
            let mut port = bench.open("veth1", 1);
            send(&mut bench, pair(&mut port), &[frame(64, round)]);
            assert_eq!(receive(pair(&mut other), 1), [frame(64, round)]);
            close(port);
        }
        let OpenPort { port, stats, queues, .. } = bench.open("veth1", 1);
        let refused = OpenPort::close(port, &stats, Vec::new());
        assert!(matches!(refused, Err(PortError::QueuesOut { .. })), "{refused:?}");
        assert!(stats.counters().is_some(), "open while a worker holds a queue");
        drop(queues);
        assert!(stats.counters().is_none(), "closed with the last queue");
    });
}

/// Sends from the kernel on an interface until the flag is set.
fn chatter(interface: &str, index: u32, is_over: &AtomicBool) {
    std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "0").unwrap();
    ip(&format!("addr add fe80::1/64 dev {interface} nodad"));
    let everybody = Ipv6Addr::from_segments([0xff02, 0, 0, 0, 0, 0, 0, 1]);
    let everybody = SocketAddrV6::new(everybody, 9, 0, index);
    let socket = UdpSocket::bind("[::]:0").unwrap();
    while !is_over.load(Ordering::Relaxed) {
        let _ = socket.send_to(&[0; 64], everybody);
    }
}

#[test]
fn a_new_port_hears_nothing_of_the_hosts_other_interfaces() {
    inside("traffic::a_new_port_hears_nothing_of_the_hosts_other_interfaces", || {
        let bench = Bench::new();
        add_cable(3);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| chatter("veth3", 103, &is_over));
            let heard: usize = (0..10)
                .map(|_| {
                    let mut port = bench.open("veth1", 1);
                    let count = pair(&mut port).rx.receive(&mut Burst::<Mbuf>::new());
                    close(port);
                    count
                })
                .sum();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(heard, 0, "frames of another cable");
        });
    });
}

#[test]
fn each_worker_has_a_queue_pair_and_none_misses_a_frame() {
    inside("traffic::each_worker_has_a_queue_pair_and_none_misses_a_frame", || {
        let mut bench = Bench::new();
        let (mut left, mut right) = (bench.open("veth1", 2), bench.open("veth2", 2));
        assert_eq!(right.queues.len(), 2);
        for number in 0..50 {
            let from = left.queues.get_mut(usize::from(number) % 2).unwrap();
            send(&mut bench, from, &[frame(64, number)]);
        }
        let started = Instant::now();
        let mut count = 0;
        while count < 50 && started.elapsed() < PATIENCE {
            for pair in &mut right.queues {
                count += pair.rx.receive(&mut Burst::<Mbuf>::new());
            }
        }
        assert_eq!(count, 50);
    });
}

#[test]
fn an_interface_that_is_not_there_is_an_error_with_the_drivers_words() {
    inside("traffic::an_interface_that_is_not_there_is_an_error_with_the_drivers_words", || {
        let bench = Bench::new();
        let spec = DeviceSpec::AfPacket("nonexistent".into());
        let outcome = kumiki::ports::dpdk::open(&bench.eal, &spec, &options(), bench.pool);
        let error = outcome.unwrap_err();
        println!("{error}");
        assert!(error.to_string().contains("nonexistent"));
    });
}

#[test]
fn a_dry_pool_gives_nothing_until_buffers_return() {
    inside("traffic::a_dry_pool_gives_nothing_until_buffers_return", || {
        let mut bench = Bench::new();
        let mut taken: Vec<Mbuf> = std::iter::from_fn(|| bench.alloc.alloc()).collect();
        assert!(taken.len() > 3000, "{}", taken.len());
        assert!(bench.alloc.alloc().is_none());
        taken.truncate(taken.len() - 64);
        assert!(bench.alloc.alloc().is_some());
    });
}

#[test]
fn eight_ports_fit_into_the_memory_that_may_be_locked() {
    inside("traffic::eight_ports_fit_into_the_memory_that_may_be_locked", || {
        let mut bench = Bench::new();
        for first in [3, 5, 7] {
            add_cable(first);
        }
        let mut ports: Vec<_> =
            (1..=8).map(|number| bench.open(&format!("veth{number}"), 1)).collect();
        for cable in ports.chunks_mut(2) {
            let [left, right] = cable else { unreachable!("eight is even") };
            send(&mut bench, pair(left), &[frame(9014, 3)]);
            assert!(receive(pair(right), 1) == [frame(9014, 3)], "lost or changed");
        }
    });
}

/// Opens a device that is no interface of a veth pair.
fn open_other(bench: &Bench, spec: DeviceSpec) -> OpenPort {
    kumiki::ports::dpdk::open(&bench.eal, &spec, &options(), bench.pool).unwrap()
}

#[test]
fn memif_carries_jumbo_frames_in_one_segment() {
    inside("traffic::memif_carries_jumbo_frames_in_one_segment", || {
        let mut bench = Bench::new();
        let name = format!("@kumiki-{}", std::process::id());
        let end = |role: &str| DeviceSpec::Memif(format!("{name},role={role},id=0"));
        let mut left = open_other(&bench, end("server"));
        let mut right = open_other(&bench, end("client"));
        assert!(matches!(pair(&mut left).wakeup, Wakeup::Blind));
        let started = Instant::now();
        let is_up = |port: &OpenPort| port.stats.link().is_some_and(|link| link.is_up);
        while !(is_up(&left) && is_up(&right)) && started.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        let frames = [64, 9014].map(|length| frame(length, 5));
        // The server sends into buffers that the client posts when it polls.
        assert_eq!(pair(&mut right).rx.receive(&mut Burst::<Mbuf>::new()), 0);
        assert_eq!(send(&mut bench, pair(&mut left), &frames), 2);
        assert!(receive(pair(&mut right), 2) == frames, "lost or changed");
        assert_eq!(send(&mut bench, pair(&mut right), &frames), 2);
        assert!(receive(pair(&mut left), 2) == frames, "lost or changed");
    });
}

#[test]
fn a_tap_wakes_its_worker_and_carries_jumbo_frames() {
    inside("traffic::a_tap_wakes_its_worker_and_carries_jumbo_frames", || {
        let bench = Bench::new();
        let mut port = open_other(&bench, DeviceSpec::Tap("kumitap0".into()));
        let pair = pair(&mut port);
        assert!(matches!(pair.wakeup, Wakeup::Companion(_)), "{:?}", pair.wakeup);
        std::fs::write("/proc/sys/net/ipv6/conf/kumitap0/disable_ipv6", "1").unwrap();
        let poller = Poller::new().unwrap();
        poller.add(pair.wakeup.fd().unwrap(), 1).unwrap();
        let mut events = Events::new();
        let mut burst = Burst::<Mbuf>::new();
        while pair.rx.receive(&mut burst) > 0 {
            Mbuf::release(&mut burst);
        }
        poller.wait(Some(Duration::ZERO), &mut events).unwrap();
        assert!(events.is_empty(), "an idle TAP keeps the worker awake: {events:?}");
        crate::ip("link set kumitap0 mtu 9000 up");
        crate::ip("neigh add 10.9.9.2 lladdr 02:00:00:00:00:09 dev kumitap0");
        crate::ip("addr add 10.9.9.1/24 dev kumitap0");
        let socket = std::net::UdpSocket::bind("10.9.9.1:0").unwrap();
        socket.send_to(&[7; 8900], "10.9.9.2:9").unwrap();
        poller.wait(Some(PATIENCE), &mut events).unwrap();
        assert!(!events.is_empty(), "asleep while a frame waits");
        let frames = receive(pair, 1);
        assert_eq!(frames.first().map(Vec::len), Some(14 + 20 + 8 + 8900));
    });
}

#[test]
fn a_socket_beside_the_drivers_wakes_once_a_frame_and_hears_no_own_frames() {
    inside(
        "traffic::a_socket_beside_the_drivers_wakes_once_a_frame_and_hears_no_own_frames",
        || {
            let mut bench = Bench::new();
            let mut left = bench.open("veth1", 1);
            let (here, there) = (Companion::beside(101).unwrap(), Companion::beside(102).unwrap());
            let poller = Poller::new().unwrap();
            poller.add(here.fd(), 101).unwrap();
            poller.add(there.fd(), 102).unwrap();
            let mut events = Events::new();
            for seed in 0..3 {
                send(&mut bench, pair(&mut left), &[frame(64, seed), frame(9014, seed)]);
                poller.wait(Some(PATIENCE), &mut events).unwrap();
                let tokens: Vec<_> = events.iter().map(|event| event.token).collect();
                assert_eq!(tokens, [102]);
                there.drain();
                poller.wait(Some(Duration::ZERO), &mut events).unwrap();
                assert!(events.is_empty(), "the socket stays readable");
            }
        },
    );
}

#[test]
fn af_xdp_wakes_its_worker_and_shares_a_router_with_jumbo_ports() {
    inside("traffic::af_xdp_wakes_its_worker_and_shares_a_router_with_jumbo_ports", || {
        let mut bench = Bench::new();
        // The kernel attaches a program to no interface with a larger MTU than a page holds.
        crate::ip("link set veth1 mtu 1500");
        crate::ip("link set veth2 mtu 1500");
        let mut left = bench.open("veth1", 1);
        let spec = DeviceSpec::AfXdp("veth2".into());
        let mut right = match kumiki::ports::dpdk::open(&bench.eal, &spec, &options(), bench.pool) {
            Ok(port) => port,
            Err(error) => {
                // Not rootless, and not on every kernel.
                println!("skipped: {error}");
                return;
            }
        };
        let mut burst = Burst::<Mbuf>::new();
        pair(&mut right).rx.receive(&mut burst);
        assert!(matches!(pair(&mut right).wakeup, Wakeup::Companion(_)));
        let poller = Poller::new().unwrap();
        poller.add(pair(&mut right).wakeup.fd().unwrap(), 1).unwrap();
        let mut events = Events::new();
        poller.wait(Some(Duration::ZERO), &mut events).unwrap();
        assert!(events.is_empty(), "awake without traffic");
        send(&mut bench, pair(&mut left), &[frame(200, 1)]);
        poller.wait(Some(PATIENCE), &mut events).unwrap();
        assert!(!events.is_empty(), "asleep while a frame waits");
        assert!(receive(pair(&mut right), 1) == [frame(200, 1)], "lost or changed");
        poller.wait(Some(Duration::ZERO), &mut events).unwrap();
        assert!(events.is_empty(), "the descriptor stays readable");
        // A buffer of the other pool may leave by either port.
        assert_eq!(send(&mut bench, pair(&mut right), &[frame(1000, 2)]), 1);
        assert!(receive(pair(&mut left), 1) == [frame(1000, 2)], "lost or changed");
    });
}

#[test]
fn af_xdp_carries_what_it_announces_and_counts_once_what_is_longer() {
    inside("traffic::af_xdp_carries_what_it_announces_and_counts_once_what_is_longer", || {
        let mut bench = Bench::new();
        let longest = usize::from(xdp::FRAME_OCTETS_MAX);
        for name in ["veth1", "veth2"] {
            crate::ip(&format!("link set {name} mtu {}", longest + 1 - 14));
        }
        let mut left = bench.open("veth1", 1);
        let spec = DeviceSpec::AfXdp("veth2".into());
        let mut right = match kumiki::ports::dpdk::open(&bench.eal, &spec, &options(), bench.pool) {
            Ok(port) => port,
            Err(error) => {
                // Not rootless, and not on every kernel.
                println!("skipped: {error}");
                return;
            }
        };
        assert_eq!(usize::from(right.mtu_max), longest - 14 - 4);
        pair(&mut right).rx.receive(&mut Burst::<Mbuf>::new());
        let frames = [frame(longest, 1), frame(longest + 1, 2), frame(longest, 3)];
        assert_eq!(send(&mut bench, pair(&mut left), &frames), 3);
        let [first, _, last] = frames;
        assert!(receive(pair(&mut right), 2) == [first, last], "lost or changed");
        assert_eq!(right.stats.counters().unwrap().rx_missed, 1);
        close(right);
    });
}
