//! A worker with three memory ports and a small world.

use crate::packets;
use kumiki::base::ids::{GroupId, LcoreId, MacAddress, NextHopId, PortId};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::route::PortRole;
use kumiki::base::time::Instant;
use kumiki::dataplane::lcore::{self, WorkerRings, WorldReader};
use kumiki::dataplane::{
    BfdRings, BfdSetup, DropReason, IdlePolicy, IdleWait, Injected, LcoreCounters, LcoreSnapshot,
    MacTable, OverlayEvent, OverlaySetup, PuntRings, PuntSender, Punted, Ring, Worker, WorkerPort,
    WorkerSetup,
};
use kumiki::fib::{
    Adjacency, Fib, Forwarding, GroupTable, Interface, InterfaceTable, Liveness, NextHop,
    NextHopGroup,
};
use kumiki::packet::{Burst, HeapAlloc, HeapBuf, PacketAlloc, PacketBuf, PortRx, PortTx};
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Frames on one direction of a memory cable.
pub type Cable = Arc<Mutex<VecDeque<HeapBuf>>>;

struct MemoryRx(Cable);

impl PortRx<HeapBuf> for MemoryRx {
    fn receive(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let mut cable = self.0.lock().unwrap();
        let count = cable.len().min(burst.room());
        burst.extend(cable.drain(..count));
        count
    }
}

struct MemoryTx {
    cable: Cable,
    room: Arc<Mutex<usize>>,
}

impl PortTx<HeapBuf> for MemoryTx {
    fn send(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let mut cable = self.cable.lock().unwrap();
        let count = burst.len().min(self.room.lock().unwrap().saturating_sub(cable.len()));
        burst.take_front(count, |packet| cable.push_back(packet));
        count
    }
}

/// A pool with so many buffers.
struct Pool(Arc<AtomicUsize>);

impl PacketAlloc<HeapBuf> for Pool {
    fn alloc(&mut self) -> Option<HeapBuf> {
        let left = self.0.load(Ordering::Relaxed).checked_sub(1)?;
        self.0.store(left, Ordering::Relaxed);
        HeapAlloc.alloc()
    }
}

/// A world that does not change.
pub struct Fixed(pub Arc<Forwarding>);

impl WorldReader for Fixed {
    fn enter(&mut self) -> impl Deref<Target = Forwarding> + '_ {
        &*self.0
    }

    fn park(&mut self) {}
}

/// The router under test.
pub struct Router {
    worker: Worker<HeapBuf, Fixed>,
    received: Vec<Cable>,
    sent: Vec<Cable>,
    tx_room: Arc<Mutex<usize>>,
    punts: PuntRings<HeapBuf>,
    pub rings: WorkerRings<HeapBuf>,
    pub bfd: BfdRings,
    pub counters: Arc<LcoreCounters>,
    pub liveness: Arc<Liveness>,
    pub macs: Arc<MacTable>,
    pub events: Arc<Ring<OverlayEvent>>,
    /// Buffers that are left for copies of flooded frames.
    pub pool: Arc<AtomicUsize>,
    pub now: Instant,
}

/// Ports of the router; slot 0 of its vectors stays empty.
pub const PORTS: [u16; 3] = [1, 2, 3];
/// Next hops that there may be.
const NEXT_HOP_COUNT: usize = 16;
/// The VLAN of port 3.
pub const VLAN: u16 = 30;

/// MAC of a port of the router.
pub fn own_mac(port: u16) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, u8::try_from(port).unwrap()])
}

/// MAC of the neighbour behind a port.
pub fn neighbor_mac(port: u16) -> MacAddress {
    MacAddress([2, 0, 0, 0, 1, u8::try_from(port).unwrap()])
}

/// MTU of a port.
pub fn mtu(port: u16) -> u16 {
    match port {
        2 => 1400,
        _ => 9000,
    }
}

fn interface(port: u16) -> Interface {
    Interface {
        port: PortId(port),
        role: PortRole::Fabric,
        mac: own_mac(port),
        vlan: (port == 3).then_some(VLAN),
        mtu: mtu(port),
        repair_mtu: mtu(port) + 80,
        link_local: own_mac(port).link_local(),
        icmp_source: format!("fd00:{port}::1").parse().unwrap(),
        is_up: true,
        link_peers: Vec::new(),
    }
}

/// Routes of the world: prefix and number of the group.
const ROUTES: [(&str, u16); 10] = [
    ("2001:db8:1::/48", 1),    // port 1, where the tests send from
    ("2001:db8:2::/48", 2),    // port 2
    ("2001:db8:3::/48", 3),    // port 3
    ("2001:db8:23::/48", 4),   // port 2 or port 3
    ("2001:db8:4::/48", 5),    // port 3, neighbour not resolved
    ("fd00:1::/64", 6),        // on the link of port 1
    ("fd00:1::1/128", 7),      // own address
    ("2001:db8:dead::/48", 8), // blackhole
    ("fd00:2::1/128", 7),      // own address
    ("fd00:3::1/128", 7),      // own address
];

/// The world of the tests.
pub fn world(liveness: Arc<Liveness>) -> Forwarding {
    let next_hop = |port: u16, resolved: bool| NextHop {
        port: PortId(port),
        address: neighbor_mac(port).link_local(),
        adjacency: resolved.then(|| Adjacency::ipv6(neighbor_mac(port), own_mac(port))),
        encapsulation: None,
    };
    let forward = |members: &[u16]| {
        NextHopGroup::forward(members.iter().map(|member| NextHopId(*member)).collect())
    };
    let mut table = Fib::default();
    let changes =
        ROUTES.map(|(prefix, group)| (prefix.parse::<Ipv6Prefix>().unwrap(), Some(GroupId(group))));
    table.apply(&changes);
    let mut interfaces = InterfaceTable::default();
    assert!(PORTS.iter().all(|port| interfaces.set(interface(*port))));
    Forwarding {
        table,
        groups: Arc::new(GroupTable::new(vec![
            NextHopGroup::Unreachable,
            forward(&[0]),
            forward(&[1]),
            forward(&[2]),
            forward(&[1, 2]),
            forward(&[3]),
            NextHopGroup::OnLink(PortId(1)),
            NextHopGroup::Local,
            NextHopGroup::Blackhole,
        ])),
        next_hops: Arc::new(vec![
            next_hop(1, true),
            next_hop(2, true),
            next_hop(3, true),
            next_hop(3, false),
        ]),
        interfaces: Arc::new(interfaces),
        ..Forwarding::empty(liveness)
    }
}

impl Router {
    /// A router in the world above.
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// A router in a world that is changed first.
    pub fn with(change: impl FnOnce(&mut Forwarding)) -> Self {
        let liveness = Arc::new(Liveness::new(NEXT_HOP_COUNT));
        let mut world = world(Arc::clone(&liveness));
        change(&mut world);
        let cables = || (0..4).map(|_| Cable::default()).collect::<Vec<_>>();
        let (received, sent) = (cables(), cables());
        let tx_room = Arc::new(Mutex::new(usize::MAX));
        let ports = PORTS.map(|port| {
            let rx = MemoryRx(Arc::clone(&received[usize::from(port)]));
            let cable = Arc::clone(&sent[usize::from(port)]);
            let tx = MemoryTx { cable, room: Arc::clone(&tx_room) };
            WorkerPort::new(PortId(port), Some(Box::new(rx)), Box::new(tx))
        });
        let punt_ring = || Arc::new(Ring::new(10_000));
        let punts = PuntRings { ospf: punt_ring(), control: punt_ring(), host: punt_ring() };
        let rings = WorkerRings::new();
        let counters = Arc::new(LcoreCounters::new(NEXT_HOP_COUNT));
        let worker = Worker::new(WorkerSetup {
            lcore: LcoreId(0),
            reader: Fixed(Arc::new(world)),
            ports: ports.into(),
            punts: PuntSender::new(punts.clone(), Box::new(|| ()), Box::new(|| ())),
            rings: rings.clone(),
            counters: Arc::clone(&counters),
            hash_seed: 7,
            cycles: || 0,
        });
        let bfd = BfdRings::new();
        let worker = worker.with_bfd(bfd_setup(bfd.clone()));
        let (macs, events) = (Arc::new(MacTable::new(8, 7)), OverlaySetup::<HeapBuf>::event_ring());
        let pool = Arc::new(AtomicUsize::new(usize::MAX));
        let worker = worker.with_overlay(OverlaySetup {
            macs: Arc::clone(&macs),
            alloc: Box::new(Pool(Arc::clone(&pool))),
            events: Arc::clone(&events),
            wake: Box::new(|| ()),
        });
        Self {
            worker,
            received,
            sent,
            tx_room,
            punts,
            rings,
            bfd,
            counters,
            liveness,
            macs,
            events,
            pool,
            now: Instant::from_millis(1),
        }
    }

    /// Lets frames come in by `port`; does not run the worker.
    pub fn receive(&self, port: u16, frame: &[u8]) {
        self.receive_in(port, HeapBuf::new(frame));
    }

    /// The same, in a buffer of its own.
    pub fn receive_in(&self, port: u16, buffer: HeapBuf) {
        self.received[usize::from(port)].lock().unwrap().push_back(buffer);
    }

    /// Lets the control thread inject something; does not run the worker.
    pub fn inject(&self, injected: Injected<HeapBuf>) {
        assert!(self.rings.inject.push(injected).is_ok());
    }

    /// Limits what the devices take.
    pub fn limit_tx(&self, packets: usize) {
        *self.tx_room.lock().unwrap() = packets;
    }

    /// Runs until nothing is left to do.
    pub fn run(&mut self) {
        while self.run_once() > 0 {}
    }

    /// Runs one loop, after which the counters balance; says how many packets it took.
    pub fn run_once(&mut self) -> usize {
        let packets = self.worker.run_once(self.now);
        let counts = self.counts();
        assert!(counts.is_conserved(), "{counts:?}");
        packets
    }

    /// Runs the worker's own loop for at most `loops` rounds or until `idle` sets `stop`.
    pub fn run_loop(
        &mut self,
        policy: IdlePolicy,
        loops: u32,
        stop: &AtomicBool,
        idle: &mut impl IdleWait,
    ) {
        let (now, mut left) = (self.now, loops);
        let clock = || {
            left = left.saturating_sub(1);
            stop.fetch_or(left == 0, Ordering::Relaxed);
            now
        };
        lcore::run(&mut self.worker, policy, clock, stop, idle);
    }

    /// Frames sent by `port` since the last call.
    pub fn sent(&self, port: u16) -> Vec<Vec<u8>> {
        let mut cable = self.sent[usize::from(port)].lock().unwrap();
        cable.drain(..).map(|packet| packet.data().to_vec()).collect()
    }

    /// Everything punted since the last call, ring by ring.
    pub fn punted(&self) -> Vec<Punted<HeapBuf>> {
        let rings = self.punts.of_control().into_iter().chain([&*self.punts.host]);
        rings.flat_map(|ring| core::iter::from_fn(|| ring.pop())).collect()
    }

    /// The counters.
    pub fn counts(&self) -> LcoreSnapshot {
        self.counters.snapshot()
    }

    /// Runs one frame through port 1 and says what was sent, by port.
    pub fn pass(&mut self, frame: &[u8]) -> Vec<(u16, Vec<u8>)> {
        self.receive(1, frame);
        self.run();
        let by_port = |port: u16| self.sent(port).into_iter().map(move |frame| (port, frame));
        PORTS.into_iter().flat_map(by_port).collect()
    }

    /// Runs one frame through port 1, which must end as one drop for `reason` and nothing else.
    #[track_caller]
    pub fn refuses(&mut self, frame: &[u8], reason: DropReason) {
        let before = self.counts().dropped(reason);
        assert_eq!(self.pass(frame), [], "{reason:?}");
        assert!(self.punted().is_empty(), "{reason:?}");
        let counts = self.counts();
        let all: Vec<_> =
            DropReason::ALL.iter().filter(|reason| counts.dropped(**reason) > 0).collect();
        assert_eq!(counts.dropped(reason), before + 1, "dropped for {all:?}, not {reason:?}");
    }
}

/// What a worker without bridging counts after a frame came in by port 2.
pub fn without_overlay(frame: &[u8], change: impl FnOnce(&mut Forwarding)) -> LcoreSnapshot {
    let mut world = world(Arc::new(Liveness::new(NEXT_HOP_COUNT)));
    change(&mut world);
    let cable = Cable::default();
    cable.lock().unwrap().push_back(HeapBuf::new(frame));
    let tx = MemoryTx { cable: Cable::default(), room: Arc::default() };
    let port = WorkerPort::new(PortId(2), Some(Box::new(MemoryRx(cable))), Box::new(tx));
    let counters = Arc::new(LcoreCounters::new(NEXT_HOP_COUNT));
    let mut worker = Worker::new(WorkerSetup {
        lcore: LcoreId(0),
        reader: Fixed(Arc::new(world)),
        ports: vec![port],
        punts: PuntSender::new(PuntRings::new(), Box::new(|| ()), Box::new(|| ())),
        rings: WorkerRings::new(),
        counters: Arc::clone(&counters),
        hash_seed: 7,
        cycles: || 0,
    });
    worker.run_once(Instant::from_millis(1));
    counters.snapshot()
}

/// What a worker runs BFD sessions with.
pub fn bfd_setup(rings: BfdRings) -> BfdSetup<HeapBuf> {
    BfdSetup { rings, alloc: Box::new(HeapAlloc), wake: Box::new(|| ()), seed: 5 }
}

/// The only frame that was sent, with its port.
#[track_caller]
pub fn only(sent: Vec<(u16, Vec<u8>)>) -> (u16, Vec<u8>) {
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.into_iter().next().unwrap()
}

/// A frame to the MAC of port 1 from its neighbour.
pub fn to_router(packet: &[u8]) -> Vec<u8> {
    packets::frame(own_mac(1), neighbor_mac(1), packet)
}
