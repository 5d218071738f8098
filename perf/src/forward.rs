//! The whole data path in one process: a real worker, real buffers, a meter in place of the driver.
//!
//! Owns the world that is forwarded in and [`Bench`]. What is measured is everything that a worker
//! does with a packet between taking it from one port and giving it to another: checks, lookup,
//! ECMP, liveness, hop limit, MTU, neighbour, counters. The meter is `kumiki::dpdk::Meter`.
//!
//! *Invariants*: every frame that went in came out, or the run fails; what was routed with its hop
//! limit one less.

use crate::measure::Spread;
use crate::rib::Rib;
use crate::segment::{REMOTES, Segment};
use crate::trace::{Kind, Trace};
use crate::world::{interfaces, neighbor, own_mac};
use kumiki::base::ids::{GroupId, LcoreId, NextHopId, PortId};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::rcu::{Publisher, Reader};
use kumiki::base::time::{Duration, Instant};
use kumiki::dataplane::lcore::WorkerRings;
use kumiki::dataplane::{
    LcoreCounters, LcoreSnapshot, NodeId, OverlaySetup, PuntRings, PuntSender, Worker, WorkerPort,
    WorkerSetup,
};
use kumiki::dpdk::{
    Eal, EalThread, Failure, Mbuf, MbufAlloc, Mempool, Meter, MeterFrames, Port, PortError,
    PortOptions, Started, eal,
};
use kumiki::fib::{Fib, Forwarding, GroupTable, Liveness, NextHopGroup};
use serde::Serialize;
use std::sync::{Arc, Barrier};

/// Octets of a frame before its payload: Ethernet, IPv6, UDP.
pub const HEADER_OCTETS: u16 = 14 + 40 + 8;
/// Where the destination address stands.
const DESTINATION_OFFSET: u16 = 14 + 24;
/// Buffers under way in each direction, as many as descriptors of a usual device.
const IN_FLIGHT: u16 = 1024;
/// Buffers of the pool: both directions of two workers, bursts and caches.
const BUFFERS: u32 = 12_288;
/// The longest packet that a buffer holds, as in a router with a fabric.
const MTU: u16 = 9000;
/// Neighbours that packets leave to.
const NEIGHBORS: u16 = 16;
/// Hop limit of the frames.
const HOP_LIMIT: u8 = 64;
/// Packets that warm the caches before the windows count.
const WARM_PACKETS: usize = 1 << 21;
/// Packets of a loop.
const BURST: usize = 64;

/// Why a run gave no figure.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// DPDK.
    #[error("the meter does not start: {0}")]
    Meter(#[from] Failure),
    /// The thread.
    #[error(transparent)]
    Thread(#[from] kumiki::dpdk::EalError),
    /// Memory.
    #[error(transparent)]
    Pool(#[from] kumiki::dpdk::mempool::MempoolError),
    /// Frames were lost or came out wrong.
    #[error("of {out} frames {back} came back, {odd} of them wrong: {drops}")]
    Wrong {
        /// Handed out.
        out: u64,
        /// Came back.
        back: u64,
        /// With another hop limit than one less.
        odd: u64,
        /// What the worker counted.
        drops: String,
    },
}

/// What one run found.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Routes of the table.
    pub routes: usize,
    /// Octets of a frame, without its checksum.
    pub frame_octets: u16,
    /// TSC cycles a packet: everything but the generator.
    pub cycles: Spread,
    /// Those of them spent on allocating and freeing buffers.
    pub pool_cycles: Spread,
    /// Cycles by node of the graph, its own.
    pub stages: Vec<(String, f64)>,
}

/// What one run with a tenant's frames found.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentFigures {
    /// Into tunnels or out of them.
    pub direction: &'static str,
    /// Pseudowires.
    pub wires: u16,
    /// MACs.
    pub macs: u32,
    /// Octets of the tenant's frame, without its checksum.
    pub frame_octets: u16,
    /// TSC cycles a packet: everything but the generator.
    pub cycles: Spread,
    /// Those of them spent on allocating and freeing buffers.
    pub pool_cycles: Spread,
    /// Cycles by node of the graph, its own.
    pub stages: Vec<(String, f64)>,
}

/// Two ports on nothing, the first of which will be the source.
pub struct Bench {
    eal: Eal,
    thread: EalThread,
    pool: Mempool,
    instance: u32,
}

impl Bench {
    /// A bench on the thread that calls.
    pub fn new(eal: Eal, thread: EalThread) -> Result<Self, ForwardError> {
        let pool = Mempool::create(&eal, "forward", BUFFERS, MTU)?;
        Ok(Self { eal, thread, pool, instance: 0 })
    }

    /// Forwards `packets` frames of so many octets along the routes of `rib`.
    pub fn measure(
        &mut self,
        rib: &Rib,
        frame_octets: u16,
        packets: usize,
    ) -> Result<Figures, ForwardError> {
        let mut publisher = Publisher::new(world(rib));
        let lane = self.lane(&mut publisher)?;
        let cost = lane.run(self.pool, Load::routed(rib, frame_octets, packets))?;
        Ok(cost.of_routes(rib, frame_octets))
    }

    /// Bridges `packets` frames of a tenant into its pseudowires or out of them.
    pub fn measure_segment(
        &mut self,
        segment: &Segment,
        packets: usize,
    ) -> Result<SegmentFigures, ForwardError> {
        let mut world = world(&Rib { name: String::new(), prefixes: vec![remotes()] });
        world.overlay = Arc::new(segment.overlay());
        let mut publisher = Publisher::new(world);
        let mut lane = self.lane(&mut publisher)?;
        lane.worker = lane.worker.with_overlay(OverlaySetup {
            macs: Arc::new(segment.mac_table()),
            alloc: Box::new(MbufAlloc::new(self.pool, &self.thread)),
            events: OverlaySetup::<Mbuf>::event_ring(),
            wake: Box::new(|| ()),
        });
        let Cost { cycles, pool_cycles, stages } =
            lane.run(self.pool, Load::bridged(segment, packets))?;
        Ok(SegmentFigures {
            direction: segment.direction.word(),
            wires: segment.wires,
            macs: segment.macs,
            frame_octets: segment.frame_octets,
            cycles,
            pool_cycles,
            stages,
        })
    }

    /// The same by a worker on each of `cpus` at once, over one world.
    pub fn measure_together(
        &mut self,
        rib: &Rib,
        frame_octets: u16,
        packets: usize,
        cpus: &[usize],
    ) -> Result<Vec<Figures>, ForwardError> {
        let mut publisher = Publisher::new(world(rib));
        let lanes = cpus.iter().map(|_| self.lane(&mut publisher));
        let lanes = lanes.collect::<Result<Vec<_>, _>>()?;
        let (pool, eal) = (self.pool, &self.eal);
        // Nobody starts before everybody stands.
        let line = Barrier::new(cpus.len());
        let run = |lane: Lane, cpu: usize| {
            core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
            let _thread = EalThread::register(eal)?;
            line.wait();
            let cost = lane.run(pool, Load::routed(rib, frame_octets, packets))?;
            Ok(cost.of_routes(rib, frame_octets))
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = lanes
                .into_iter()
                .zip(cpus)
                .map(|(lane, cpu)| scope.spawn(move || run(lane, *cpu)))
                .collect();
            let join =
                |thread: std::thread::ScopedJoinHandle<'_, Result<Figures, ForwardError>>| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
            threads.into_iter().map(join).collect()
        })
    }

    /// A worker with two ports of its own.
    fn lane(&mut self, publisher: &mut Publisher<Forwarding>) -> Result<Lane, ForwardError> {
        let (input, in_rx, in_tx) = self.open()?;
        let (output, out_rx, out_tx) = self.open()?;
        let counters = Arc::new(LcoreCounters::new(usize::from(NEIGHBORS)));
        let worker = Worker::new(WorkerSetup {
            lcore: LcoreId(0),
            reader: publisher.reader().unwrap_or_else(|_| unreachable!("few readers")),
            ports: vec![
                WorkerPort::new(PortId(0), Some(Box::new(in_rx)), Box::new(in_tx)),
                WorkerPort::new(PortId(1), Some(Box::new(out_rx)), Box::new(out_tx)),
            ],
            punts: PuntSender::<Mbuf>::new(PuntRings::new(), Box::new(|| {}), Box::new(|| {})),
            rings: WorkerRings::new(),
            counters: Arc::clone(&counters),
            hash_seed: 1,
            cycles: eal::cycles,
        });
        Ok(Lane { ports: [input, output], worker, counters })
    }

    fn open(
        &mut self,
    ) -> Result<(Port<Started>, kumiki::dpdk::RxQueue, kumiki::dpdk::TxQueue), ForwardError> {
        let name = format!("net_null{}", self.instance);
        self.instance += 1;
        let options = PortOptions {
            has_vlan: false,
            has_single_pool: true,
            queues: 1,
            descriptors: 512,
            mtu: None,
            mac: None,
            is_promiscuous: false,
            wants_interrupts: false,
            may_lack_peer: false,
        };
        let mut started = Port::probe(&self.eal, &name, &name)?.start(&options, self.pool)?;
        let queues = started.rx.pop().zip(started.tx.pop());
        let (rx, tx) = queues.unwrap_or_else(|| unreachable!("one queue was asked for"));
        Ok((started.port, rx, tx))
    }
}

/// The other ends of all pseudowires.
fn remotes() -> Ipv6Prefix {
    Ipv6Prefix::containing(REMOTES, 48)
}

/// What is forwarded, and how much.
struct Load {
    frames: MeterFrames,
    packets: usize,
    hops: Hops,
}

/// What becomes of the hop limit where the meter looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hops {
    /// One less, or the run fails.
    Counted,
    /// Something else stands there.
    Kept,
}

impl Load {
    fn routed(rib: &Rib, frame_octets: u16, packets: usize) -> Self {
        Self { frames: frames(rib, frame_octets), packets, hops: Hops::Counted }
    }

    fn bridged(segment: &Segment, packets: usize) -> Self {
        let (header, destination_offset) = segment.header();
        let frames = MeterFrames {
            header,
            destination_offset,
            frame_octets: segment.received_octets(),
            in_flight: IN_FLIGHT,
            destinations: segment.differences(),
        };
        Self { frames, packets, hops: Hops::Kept }
    }
}

/// What a packet cost.
struct Cost {
    cycles: Spread,
    pool_cycles: Spread,
    stages: Vec<(String, f64)>,
}

impl Cost {
    fn of_routes(self, rib: &Rib, frame_octets: u16) -> Figures {
        let Self { cycles, pool_cycles, stages } = self;
        Figures { routes: rib.prefixes.len(), frame_octets, cycles, pool_cycles, stages }
    }
}

/// A worker and its two ports.
struct Lane {
    ports: [Port<Started>; 2],
    worker: Worker<Mbuf, Reader<Forwarding>>,
    counters: Arc<LcoreCounters>,
}

impl Lane {
    /// Forwards on the thread that calls.
    fn run(self, pool: Mempool, load: Load) -> Result<Cost, ForwardError> {
        let Self { ports: [input, output], mut worker, counters } = self;
        let meter = Meter::attach(&[&input, &output], pool, load.frames)?;
        let mut loops = 0;
        let mut forward = |packets: usize| {
            for _ in 0..packets / BURST {
                loops += 1;
                worker.run_once(Instant::ZERO + Duration::from_nanos(loops));
            }
        };
        forward(WARM_PACKETS);
        let (before, warm_windows) = (counters.snapshot(), meter.windows().len());
        forward(load.packets);
        let after = counters.snapshot();
        let windows = meter.windows();
        let [out, back, odd] = meter.counts();
        drop(meter);
        let is_odd = load.hops == Hops::Counted && odd != 0;
        if out != back || is_odd {
            return Err(ForwardError::Wrong { out, back, odd, drops: drops_of(&after) });
        }
        let counted = windows.get(warm_windows..).unwrap_or(&windows);
        let of = |figure: fn(&kumiki::dpdk::MeterWindow) -> f32| {
            Spread::of(counted.iter().map(|window| f64::from(figure(window))).collect())
        };
        Ok(Cost {
            cycles: of(|window| window.router + window.pool),
            pool_cycles: of(|window| window.pool),
            stages: stages(&before, &after),
        })
    }
}

/// The frames for a table: to addresses inside of its prefixes, drawn uniformly.
pub fn frames(rib: &Rib, frame_octets: u16) -> MeterFrames {
    let destinations = match rib.prefixes.as_slice() {
        [only] => vec![(only.bits() | 1).to_be_bytes()],
        several => Trace::new(Kind::Uniform, several).octets,
    };
    MeterFrames {
        header: header(frame_octets),
        destination_offset: DESTINATION_OFFSET,
        frame_octets,
        in_flight: IN_FLIGHT,
        destinations,
    }
}

/// Ethernet, IPv6 and UDP of a frame; the destination is the meter's.
fn header(frame_octets: u16) -> Vec<u8> {
    let payload = frame_octets - 54;
    let mut header = own_mac(0).0.to_vec();
    header.extend_from_slice(&[2, 0, 0, 0, 9, 9, 0x86, 0xdd]);
    header.extend_from_slice(&[0x60, 0, 0x12, 0x34]);
    header.extend_from_slice(&payload.to_be_bytes());
    header.extend_from_slice(&[17, HOP_LIMIT]);
    header.extend_from_slice(&0x2001_0db8_0000_0000_0000_0000_0000_0007_u128.to_be_bytes());
    header.extend_from_slice(&[0; 16]);
    header.extend_from_slice(&4000_u16.to_be_bytes());
    header.extend_from_slice(&5000_u16.to_be_bytes());
    header.extend_from_slice(&payload.to_be_bytes());
    header.extend_from_slice(&[0, 1]);
    header
}

/// Two ports, sixteen neighbours behind the second, and the routes: three of four to one neighbour
/// each, the others to two.
fn world(rib: &Rib) -> Forwarding {
    let pairs = (0..NEIGHBORS).map(|number| vec![number, (number + 1) % NEIGHBORS]);
    let singles = (0..NEIGHBORS).map(|number| vec![number]);
    let members = singles.chain(pairs).map(|members| members.into_iter().map(NextHopId).collect());
    let groups: Vec<NextHopGroup> = core::iter::once(NextHopGroup::Unreachable)
        .chain(members.map(NextHopGroup::forward))
        .collect();
    let mut table = Fib::default();
    let changes: Vec<_> = rib
        .prefixes
        .iter()
        .enumerate()
        .map(|(number, prefix)| (*prefix, Some(group_of(number))))
        .collect();
    table.apply(&changes);
    Forwarding {
        table,
        groups: Arc::new(GroupTable::new(groups)),
        next_hops: Arc::new((0..NEIGHBORS).map(neighbor).collect()),
        interfaces: Arc::new(interfaces()),
        ..Forwarding::empty(Arc::new(Liveness::new(usize::from(NEIGHBORS))))
    }
}

fn group_of(number: usize) -> GroupId {
    let neighbors = usize::from(NEIGHBORS);
    let hash = number.wrapping_mul(7919) >> 3;
    let pair = if number % 4 == 3 { neighbors } else { 0 };
    GroupId(u16::try_from(1 + pair + hash % neighbors).unwrap_or(1))
}

/// Cycles a packet that the nodes counted between two snapshots.
fn stages(before: &LcoreSnapshot, after: &LcoreSnapshot) -> Vec<(String, f64)> {
    let packets = after.node(NodeId::PortInput).packets - before.node(NodeId::PortInput).packets;
    NodeId::ALL
        .iter()
        .map(|node| (node, after.node(*node).cycles - before.node(*node).cycles))
        .filter(|(_, cycles)| *cycles > 0)
        .map(|(node, cycles)| (node.name().to_owned(), cycles as f64 / packets.max(1) as f64))
        .collect()
}

fn drops_of(snapshot: &LcoreSnapshot) -> String {
    let reasons = kumiki::dataplane::DropReason::ALL.iter().filter_map(|reason| {
        let count = snapshot.dropped(*reason);
        (count > 0).then(|| format!("{count} {}", reason.name()))
    });
    reasons.collect::<Vec<_>>().join(", ")
}
