//! Several workers and ports with one queue: flows are shared, nothing is lost or overtaken.

use crate::bfd::{answer_of, want};
use crate::packets::{address, frame, header, packet, udp};
use crate::router::{Fixed, bfd_setup, neighbor_mac, own_mac, to_router, world};
use kumiki::base::ids::{LcoreId, PortId};
use kumiki::base::time::Instant;
use kumiki::dataplane::hand_over::{HAND_OVER_RING_MAX, WakeWorker, mesh};
use kumiki::dataplane::lcore::{SLEEP_MAX, WorkerRings, run};
use kumiki::dataplane::{
    BfdRings, DropReason, IdlePolicy, IdleWait, LcoreCounters, LcoreSnapshot, NodeId, PuntRings,
    PuntSender, Worker, WorkerPort, WorkerSetup,
};
use kumiki::fib::Liveness;
use kumiki::packet::{Burst, HeapBuf, PacketBuf, PortRx, PortTx};
use kumiki::ports::memory::{CABLE_PACKETS_MAX, MemoryPort, cable};
use kumiki::wire::bfd::State;
use kumiki::wire::ipv6::{Ipv6Header, NEXT_UDP};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const WORKERS: u16 = 3;

/// Wakes a worker's thread.
#[derive(Default)]
struct Alarm {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    fn set(&self) {
        *self.is_set.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

/// Sleeps until woken by another worker, or for a moment, for packets in memory wake nobody.
struct Sleep {
    alarm: Arc<Alarm>,
    is_blind: bool,
}

impl IdleWait for Sleep {
    fn wait(&mut self, at_most: kumiki::base::time::Duration) {
        assert_eq!(at_most, SLEEP_MAX);
        let is_set = self.alarm.is_set.lock().unwrap();
        // A wake-up that is lost is no longer than this, and then fails the test by its patience.
        let time = if self.is_blind { Duration::from_micros(50) } else { Duration::from_secs(60) };
        let woken = self.alarm.changed.wait_timeout_while(is_set, time, |is_set| !*is_set);
        *woken.unwrap().0 = false;
    }
}

type TestWorker = Worker<HeapBuf, Fixed>;

/// Three workers: the queue of port 1 has the first, that of port 2 the second, the third has none.
struct Bench {
    workers: Vec<TestWorker>,
    counters: Vec<Arc<LcoreCounters>>,
    alarms: Vec<Arc<Alarm>>,
    bfd: Vec<BfdRings>,
    near: MemoryPort<HeapBuf>,
    far: MemoryPort<HeapBuf>,
}

impl Bench {
    fn new() -> Self {
        let world = Arc::new(world(Arc::new(Liveness::new(4))));
        let (near, port_1) = cable(CABLE_PACKETS_MAX);
        let (far, port_2) = cable(CABLE_PACKETS_MAX);
        let mut devices = [(PortId(1), LcoreId(0), port_1), (PortId(2), LcoreId(1), port_2)]
            .map(|(id, owner, device)| (id, owner, Some(device)));
        let alarms: Vec<Arc<Alarm>> = (0..WORKERS).map(|_| Arc::default()).collect();
        let wake = |alarm: &Arc<Alarm>| -> WakeWorker {
            let alarm = Arc::clone(alarm);
            Arc::new(move || alarm.set())
        };
        let mut workers = Vec::new();
        let mut all_counters = Vec::new();
        let bfd: Vec<BfdRings> = (0..WORKERS).map(|_| BfdRings::new()).collect();
        let peers = mesh(&alarms.iter().map(wake).collect::<Vec<_>>());
        for (number, peers) in (0..WORKERS).zip(peers) {
            let ports = devices.iter_mut().map(|(id, owner, device)| {
                match device.take_if(|_| *owner == LcoreId(number)) {
                    Some(MemoryPort { rx, tx }) => {
                        WorkerPort::new(*id, Some(Box::new(rx)), Box::new(tx)).spread()
                    }
                    None => WorkerPort::without_queue(*id, *owner),
                }
            });
            let counters = Arc::new(LcoreCounters::new(4));
            all_counters.push(Arc::clone(&counters));
            let setup = WorkerSetup {
                lcore: LcoreId(number),
                reader: Fixed(Arc::clone(&world)),
                ports: ports.collect(),
                punts: PuntSender::new(PuntRings::new(), Box::new(|| ()), Box::new(|| ())),
                rings: WorkerRings::new(),
                counters,
                hash_seed: 7,
                cycles: || 0,
            };
            let setup = Worker::new(setup).with_peers(peers);
            workers.push(setup.with_bfd(bfd_setup(bfd[usize::from(number)].clone())));
        }
        Self { workers, counters: all_counters, alarms, bfd, near, far }
    }

    /// Runs the workers in turn until nothing is left to do.
    fn run(&mut self) {
        while self.workers.iter_mut().map(|worker| worker.run_once(Instant::ZERO)).sum::<usize>()
            > 0
        {}
        for counts in self.counters.iter().map(|counters| counters.snapshot()) {
            assert!(counts.is_conserved(), "{counts:?}");
        }
        let sum = self.sum();
        assert_eq!(sum.handed_over, sum.taken_over);
    }

    fn sum(&self) -> LcoreSnapshot {
        let mut sum = LcoreSnapshot::default();
        self.counters.iter().for_each(|counters| sum.add(&counters.snapshot()));
        sum
    }
}

/// Packet `number` of a flow to the host behind port 2.
fn numbered(flow: u16, number: u32) -> Vec<u8> {
    let ports = [flow.to_be_bytes(), [0, 9]].concat();
    let payload = [&ports[..], &[0, 12, 0, 0], &number.to_be_bytes()].concat();
    to_router(&packet(header("2001:db8:2::1", NEXT_UDP), &payload))
}

/// Flow and number of a frame.
fn read(frame: &[u8]) -> (u16, u32) {
    let word = |place: usize| u32::from_be_bytes(frame[place..place + 4].try_into().unwrap());
    let [first, second, ..] = word(14 + 40).to_be_bytes();
    (u16::from_be_bytes([first, second]), word(14 + 40 + 8))
}

fn send(port: &mut MemoryPort<HeapBuf>, frames: impl IntoIterator<Item = Vec<u8>>) {
    let mut burst = Burst::new();
    burst.extend(frames.into_iter().map(|frame| HeapBuf::new(&frame)));
    let count = burst.len();
    assert_eq!(port.tx.send(&mut burst), count);
}

fn receive(port: &mut MemoryPort<HeapBuf>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut burst = Burst::<HeapBuf>::new();
    while port.rx.receive(&mut burst) > 0 {
        frames.extend(burst.drain().map(|packet| packet.data().to_vec()));
    }
    frames
}

#[test]
fn flows_of_one_queue_are_shared_by_all_workers_and_keep_their_order() {
    let mut bench = Bench::new();
    const FLOWS: u16 = 60;
    let mut expected: BTreeMap<u16, u32> = BTreeMap::new();
    for number in 0..10 {
        send(&mut bench.near, (0..FLOWS).map(|flow| numbered(flow, number)));
        bench.run();
        for frame in receive(&mut bench.far) {
            let (flow, number) = read(&frame);
            let due = expected.entry(flow).or_default();
            assert_eq!(number, *due, "flow {flow}");
            *due += 1;
        }
    }
    assert!(expected.len() == usize::from(FLOWS) && expected.values().all(|count| *count == 10));
    for counters in &bench.counters {
        let lookups = counters.snapshot().node(NodeId::Ipv6Lookup).packets;
        assert!((100..300).contains(&lookups), "{lookups} of 600 packets");
    }
    let sum = bench.sum();
    assert_eq!((sum.port(PortId(1)).rx_packets, sum.port(PortId(2)).tx_packets), (600, 600));
}

#[test]
fn bfd_goes_to_the_worker_that_runs_the_session_and_leaves_by_the_one_that_has_the_queue() {
    let mut bench = Bench::new();
    let owner = kumiki::dataplane::bfd::owner(PortId(2), usize::from(WORKERS));
    assert_eq!(owner, 2, "a worker without a queue");
    assert!(bench.bfd[owner].orders.push(want(2)).is_ok());
    bench.run();
    let first = receive(&mut bench.far);
    assert_eq!(first.len(), 1);
    // It hears Down, and says Init; then Up.
    for state in [State::Down, State::Up] {
        send(&mut bench.far, [answer_of(2, &first[0], state)]);
        bench.run();
    }
    let counts = bench.counters[owner].snapshot();
    assert_eq!(counts.bfd(PortId(2)).received, 2);
    assert_eq!(counts.absorbed, 2);
    let reports = core::iter::from_fn(|| bench.bfd[owner].reports.pop());
    assert_eq!(reports.last().unwrap().view.state, State::Up);
    assert_eq!(bench.sum().dropped(DropReason::BfdNoSession), 0);
}

#[test]
fn what_never_leaves_its_link_stays_with_the_worker_that_received_it() {
    let mut bench = Bench::new();
    let to = |destination: &str| {
        let header = Ipv6Header {
            source: neighbor_mac(1).link_local(),
            destination: address(destination),
            hop_limit: 255,
            ..header(destination, NEXT_UDP)
        };
        frame(own_mac(1), neighbor_mac(1), &packet(header, &[0; 8]))
    };
    let own = own_mac(1).link_local().to_string();
    let short = vec![2; 13];
    send(&mut bench.near, [to("ff02::5"), to(&own), short]);
    bench.run();
    let sum = bench.sum();
    assert_eq!((sum.port(PortId(1)).rx_packets, sum.handed_over), (3, 0));
}

#[test]
fn a_worker_that_is_behind_costs_counted_packets_only() {
    let mut bench = Bench::new();
    let rounds = HAND_OVER_RING_MAX / 50 + 20;
    for round in 0..rounds {
        send(&mut bench.near, (0..50).map(|flow| numbered(flow, round.try_into().unwrap())));
        // Only the worker of port 1 runs.
        bench.workers[0].run_once(Instant::ZERO);
    }
    bench.run();
    let sum = bench.sum();
    let dropped = sum.dropped(DropReason::HandOverFull) + sum.dropped(DropReason::TxFull);
    let arrived = receive(&mut bench.far).len();
    assert!(sum.dropped(DropReason::HandOverFull) > 0);
    assert_eq!(arrived as u64 + dropped, rounds as u64 * 50);
}

#[test]
fn errors_about_packets_of_others_reach_their_sender() {
    let mut bench = Bench::new();
    let many = (0..40_u8).map(|last| {
        let mut frame = to_router(&udp("2001:db8:ffff::1", 8));
        frame[14 + 39] = last;
        frame
    });
    send(&mut bench.near, many);
    bench.run();
    let sum = bench.sum();
    assert!(sum.generated > 0 && sum.handed_over > 0);
    assert_eq!(receive(&mut bench.near).len() as u64, sum.generated);
}

/// Threads that sleep when idle: no wake-up is lost, nothing is overtaken or lost.
#[test]
fn workers_in_threads_keep_the_order_of_every_flow() {
    const PACKETS: u32 = 3000;
    const FLOWS: u16 = 16;
    let Bench { workers, counters, alarms, mut near, mut far, .. } = Bench::new();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for ((number, mut worker), alarm) in workers.into_iter().enumerate().zip(&alarms) {
            let mut idle = Sleep { alarm: Arc::clone(alarm), is_blind: number < 2 };
            let stop = &stop;
            scope.spawn(move || {
                run(&mut worker, IdlePolicy::Adaptive, || Instant::ZERO, stop, &mut idle);
            });
        }
        let mut due = BTreeMap::<u16, u32>::new();
        let (mut sent, mut arrived) = (0, 0);
        let total = PACKETS * u32::from(FLOWS);
        let started = std::time::Instant::now();
        while arrived < total && started.elapsed() < Duration::from_secs(50) {
            // As much under way as every ring takes.
            if sent < PACKETS && sent * u32::from(FLOWS) < arrived + 512 {
                send(&mut near, (0..FLOWS).map(|flow| numbered(flow, sent)));
                sent += 1;
            }
            for frame in receive(&mut far) {
                let (flow, number) = read(&frame);
                let expected = due.entry(flow).or_default();
                assert_eq!(number, *expected, "flow {flow}");
                *expected += 1;
                arrived += 1;
            }
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        alarms.iter().for_each(|alarm| alarm.set());
        let drops: Vec<_> = counters.iter().map(|counters| counters.snapshot().drops).collect();
        assert_eq!(arrived, total, "{drops:?}");
    });
}
