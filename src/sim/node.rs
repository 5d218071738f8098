//! One simulated server: the real control plane on the real data plane, without a thread.
//!
//! Owns [`Node`]: a control plane, a worker on heap buffers, and the small piece of driver between
//! them, which does what the daemon does: punts become inputs, actions become injected packets and
//! publications. Where there is BGP, the kernel's TCP is in it as well ([`HostTcp`]), and with a
//! provider the rest of the world ([`Feed`]). When anything happens is the world's.
//!
//! *Invariants*: between two calls nothing waits inside, neither in a ring nor in the control
//! plane. A node takes no time: what it does at an instant, it has done at that instant.

use crate::base::ids::{LcoreId, NextHopId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::rcu::{Publisher, Reader};
use crate::base::time::Instant;
use crate::config::Config;
use crate::control::{
    Action, AttachedPort, ControlOptions, ControlPlane, HostLink, Input, Legacy, Plane,
};
use crate::dataplane::drop::{DROP_REASON_COUNT, DropReason};
use crate::dataplane::lcore::{WorkerRings, WorldReader};
use crate::dataplane::{
    BfdRings, BfdSetup, Injected, LcoreCounters, LcoreSnapshot, MacTable, OverlayEvent,
    OverlaySetup, PuntClass, PuntRings, PuntSender, Punted, Ring, Worker, WorkerPort, WorkerSetup,
};
use crate::fib::{Forwarding, Liveness};
use crate::packet::{BURST_MAX, Burst, HeapAlloc, HeapBuf, PacketBuf, PortRx, PortTx};
use crate::sim::clock::Clock;
use crate::sim::feed::Feed;
use crate::sim::tcp::HostTcp;
use crate::wire::ipv6::Ipv6View;
use core::net::Ipv6Addr;
use core::ops::Deref;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Frames that wait to be received at a port: one arrives at a time, and is taken at once.
pub const ARRIVALS_MAX: usize = 8;
/// Frames that wait to be sent by a port: more than one loop of the worker sends.
pub const QUEUE_FRAMES_MAX: usize = 512;
/// Packets that wait between worker and control plane, each way: more than one loop of the worker
/// or one burst of actions makes.
pub const RING_MAX: usize = 256;
/// Rounds between control plane and data plane at one instant. More is a loop between the two.
pub const ROUNDS_MAX: usize = 10_000;
/// Buckets of a node's table of MACs, as a power of two: some hundred MACs, for thousands of nodes.
pub const MAC_BUCKET_BITS: u32 = 7;
/// Next hops whose use is reported: as many as a router with full fabric ports has neighbours.
pub const NEXT_HOPS_WATCHED: usize = 256;
/// Packets for the host that are kept for the checkers.
pub const HOST_PACKETS_MAX: usize = 4096;
/// Events that are kept for the checkers.
pub const EVENTS_MAX: usize = 1024;

/// A control plane that a node can drive and judges can look at.
pub trait Control: Plane {
    /// A digest of its link-state database: equal where the databases are.
    fn area_digest(&self) -> u64;

    /// LSAs that it owes to its neighbours or they to it: none at rest.
    fn debts(&self) -> u64;

    /// LSAs, routes, repairs and neighbours that it refused because a table was full.
    fn refusals(&self) -> u64;

    /// Whether it took the place of one that failed, and its neighbours still forward by what they
    /// knew of that one.
    fn is_restarting(&self) -> bool;

    /// What its neighbours in BGP have told it, accepted or not: who, and which prefix.
    fn bgp_paths(&self) -> Vec<(String, Ipv6Prefix)> {
        Vec::new()
    }

    /// Groups of exits: of its speaker, and in its routes.
    fn exit_group_counts(&self) -> (usize, usize) {
        (0, 0)
    }
}

impl Control for ControlPlane {
    fn area_digest(&self) -> u64 {
        self.ospf().area_digest()
    }

    fn debts(&self) -> u64 {
        let neighbors = self.ospf().neighbors();
        let lists = neighbors.iter().map(|one| one.retransmit_count + one.request_count);
        lists.map(u64::from).sum()
    }

    fn refusals(&self) -> u64 {
        let (ospf, rib, nd) = (self.ospf().counters(), self.rib().counters(), self.nd().counters());
        let of_ospf = ospf.lsa_refused + ospf.requests_refused + ospf.lsa_early_refused;
        let of_routes = rib.routes_refused + rib.gateways_refused + rib.neighbors_refused;
        let of_numbers = rib.repairs_exhausted + rib.numbers_exhausted;
        let of_nd =
            nd.addresses_refused + nd.queue_refused + nd.entries_evicted + nd.static_refused;
        of_ospf + of_routes + of_numbers + of_nd + self.counters().routes_refused
    }

    fn is_restarting(&self) -> bool {
        self.ospf().is_restarting()
    }

    fn bgp_paths(&self) -> Vec<(String, Ipv6Prefix)> {
        Self::bgp_paths(self)
    }

    fn exit_group_counts(&self) -> (usize, usize) {
        (self.bgp_exit_group_count(), self.rib().exit_set_count())
    }
}

struct QueueRx(Arc<Ring<HeapBuf>>);

impl PortRx<HeapBuf> for QueueRx {
    fn receive(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let mut count = 0;
        while burst.room() > 0 {
            let Some(packet) = self.0.pop() else { break };
            burst.extend([packet]);
            count += 1;
        }
        count
    }
}

struct QueueTx(Arc<Ring<HeapBuf>>);

impl PortTx<HeapBuf> for QueueTx {
    fn send(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let mut count = 0;
        burst.take_front(QUEUE_FRAMES_MAX - self.0.len(), |packet| {
            count += usize::from(self.0.push(packet).is_ok());
        });
        count
    }
}

struct SnapshotReader(Reader<Forwarding>);

impl WorldReader for SnapshotReader {
    fn enter(&mut self) -> impl Deref<Target = Forwarding> + '_ {
        self.0.enter()
    }

    fn park(&mut self) {
        self.0.park();
    }
}

/// The queues of one port, the outside of them.
struct Queues {
    port: PortId,
    rx: Arc<Ring<HeapBuf>>,
    tx: Arc<Ring<HeapBuf>>,
}

impl Queues {
    fn of(port: &AttachedPort) -> Self {
        let queue = |limit| Arc::new(Ring::new(limit));
        Self { port: port.port, rx: queue(ARRIVALS_MAX), tx: queue(QUEUE_FRAMES_MAX) }
    }
}

/// What a node put out, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// By which port.
    pub port: PortId,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// What a host has beside the router.
#[derive(Default)]
pub struct Host {
    /// Its kernel's TCP, where the router has BGP.
    pub tcp: Option<HostTcp>,
    /// The rest of the world, behind a provider.
    pub feed: Option<Feed>,
}

/// What a worker bridges with, the outside of it.
struct Bridging {
    macs: Arc<MacTable>,
    events: Arc<Ring<OverlayEvent>>,
}

impl Bridging {
    fn new(seed: u64) -> Self {
        let macs = Arc::new(MacTable::new(MAC_BUCKET_BITS, seed));
        Self { macs, events: OverlaySetup::<HeapBuf>::event_ring() }
    }

    fn setup(&self) -> OverlaySetup<HeapBuf> {
        OverlaySetup {
            macs: Arc::clone(&self.macs),
            alloc: Box::new(HeapAlloc),
            events: Arc::clone(&self.events),
            wake: Box::new(|| ()),
        }
    }
}

/// Whether a router starts with tenants.
fn has_tenants(configure: &Input) -> bool {
    match configure {
        Input::Configure(config) => !config.tenants.is_empty(),
        Input::Inherit(legacy) => !legacy.config.tenants.is_empty(),
        _ => false,
    }
}

/// A server that runs; one per living router of a world.
pub struct Node<C> {
    control: C,
    clock: Clock,
    host: Host,
    worker: Worker<HeapBuf, SnapshotReader>,
    rings: WorkerRings<HeapBuf>,
    bfd: BfdRings,
    /// None without tenants: its tables are as large as those of a real router.
    overlay: Option<Bridging>,
    counters: Arc<LcoreCounters>,
    punts: PuntRings<HeapBuf>,
    publisher: Publisher<Forwarding>,
    ports: Vec<Queues>,
    used: BTreeMap<NextHopId, u64>,
    reclaimed: u64,
    /// Worlds of control planes that failed, not yet reclaimed.
    foreign_worlds: usize,
    /// Calculations of control planes that failed.
    earlier_calculations: u64,
    /// What they refused.
    earlier_refusals: u64,
    /// Whether the worker has not seen the newest world.
    is_unread: bool,
    /// Worlds published so far.
    pub publications: u64,
    /// Packets for the kernel of the host since they were last taken, each an IPv6 packet.
    pub host_packets: VecDeque<Vec<u8>>,
    /// Packets for the host that were not kept.
    pub host_overflow: u64,
    /// The addresses of the TUN.
    pub host_addresses: Vec<Ipv6Addr>,
    /// Ports on which the host speaks over link-local addresses.
    pub host_links: Vec<HostLink>,
    /// What it said, oldest first: topic and sentence.
    pub events: VecDeque<(Instant, String, String)>,
}

impl<C: Control> Node<C> {
    /// Starts a router at `now`, with the time of its server: its configuration comes first, then
    /// its ports.
    pub fn start(
        now: Instant,
        (seed, clock): (u64, Clock),
        host: Host,
        configure: Input,
        attached: Vec<AttachedPort>,
    ) -> (Self, Vec<Sent>) {
        let ports: Vec<Queues> = attached.iter().map(Queues::of).collect();
        let mut publisher = Publisher::new(Forwarding::empty(Arc::new(Liveness::new(0))));
        let reader = publisher.reader().unwrap_or_else(|_| unreachable!("the first reader"));
        let punt = || Arc::new(Ring::new(RING_MAX));
        let punts = PuntRings { ospf: punt(), control: punt(), host: punt() };
        let mut rings = WorkerRings::new();
        rings.inject = Arc::new(Ring::new(RING_MAX));
        let bfd = BfdRings {
            orders: Arc::new(Ring::new(RING_MAX)),
            reports: Arc::new(Ring::new(RING_MAX)),
        };
        let counters = Arc::new(LcoreCounters::new(NEXT_HOPS_WATCHED));
        let (alloc, wake) = (Box::new(HeapAlloc), Box::new(|| ()));
        let worker = Worker::new(WorkerSetup {
            lcore: LcoreId(0),
            reader: SnapshotReader(reader),
            ports: ports.iter().map(worker_port).collect(),
            punts: PuntSender::new(punts.clone(), Box::new(|| ()), Box::new(|| ())),
            rings: rings.clone(),
            counters: Arc::clone(&counters),
            hash_seed: seed,
            cycles: || 0,
        });
        let worker = worker.with_bfd(BfdSetup { rings: bfd.clone(), alloc, wake, seed });
        let overlay = has_tenants(&configure).then(|| Bridging::new(seed));
        let worker = match &overlay {
            Some(bridging) => worker.with_overlay(bridging.setup()),
            None => worker,
        };
        let mut node = Self {
            control: C::start(ControlOptions { seed }),
            clock,
            host,
            worker,
            rings,
            bfd,
            overlay,
            counters,
            punts,
            publisher,
            ports,
            used: BTreeMap::new(),
            reclaimed: 0,
            foreign_worlds: 0,
            earlier_calculations: 0,
            earlier_refusals: 0,
            is_unread: false,
            publications: 0,
            host_packets: VecDeque::new(),
            host_overflow: 0,
            host_addresses: Vec::new(),
            host_links: Vec::new(),
            events: VecDeque::new(),
        };
        node.tell(now, configure);
        for port in attached {
            node.tell(now, Input::PortAttached(Box::new(port)));
        }
        let sent = node.settle(now);
        (node, sent)
    }

    /// The control plane fails, and another takes its place; the worker goes on meanwhile.
    pub fn replace_control(
        &mut self,
        now: Instant,
        seed: u64,
        config: Box<Config>,
        attached: Vec<AttachedPort>,
    ) -> Vec<Sent> {
        let mut testament = self.control.testament();
        testament.begin_grace(self.clock.read(now), &config);
        let legacy = Legacy::new(config, attached, testament, self.publisher.current());
        self.earlier_calculations = self.calculations();
        self.earlier_refusals = self.refusals();
        self.control = C::start(ControlOptions { seed });
        self.foreign_worlds = self.publisher.pending() + 1;
        self.reclaimed = 0;
        if let Some(tcp) = &mut self.host.tcp {
            tcp.forget_all(self.clock.read(now));
        }
        if let Some(feed) = &mut self.host.feed {
            feed.forget();
        }
        self.input(now, Input::Inherit(Box::new(legacy)))
    }

    /// The control plane.
    pub const fn control(&self) -> &C {
        &self.control
    }

    /// How often routes were calculated.
    pub fn calculations(&self) -> u64 {
        self.earlier_calculations + self.control.calculation_count()
    }

    /// What was refused because a table was full, by control planes that failed as well.
    pub fn refusals(&self) -> u64 {
        self.earlier_refusals + self.control.refusals()
    }

    /// What the data plane reads.
    pub fn forwarding(&self) -> &Forwarding {
        self.publisher.current()
    }

    /// What the data plane counted.
    pub fn counts(&self) -> LcoreSnapshot {
        self.counters.snapshot()
    }

    /// When the control plane or the worker wants to be woken.
    pub fn next_deadline(&self) -> Option<Instant> {
        let of_worker = Some(self.worker.due_at()).filter(|at| *at < Instant::MAX);
        let of_tcp = self.host.tcp.as_ref().and_then(HostTcp::deadline);
        let parts = [self.control.next_deadline(), of_worker, of_tcp];
        let deadline = parts.into_iter().flatten().min();
        deadline.map(|deadline| self.clock.when(deadline))
    }

    /// Packets dropped so far, by the number of the reason.
    pub fn drops(&self) -> [u64; DROP_REASON_COUNT] {
        let mut drops = [0; DROP_REASON_COUNT];
        for (count, reason) in drops.iter_mut().zip(DropReason::ALL) {
            *count = self.counters.dropped(*reason);
        }
        drops
    }

    /// A frame arrives.
    pub fn receive(&mut self, now: Instant, port: PortId, frame: &[u8]) -> Vec<Sent> {
        if let Some(queues) = self.ports.iter().find(|queues| queues.port == port) {
            let is_taken = queues.rx.push(HeapBuf::snug(frame)).is_ok();
            assert!(is_taken, "the queue of a port at rest is empty");
        }
        self.settle(now)
    }

    /// Something happens to the control plane.
    pub fn input(&mut self, now: Instant, input: Input) -> Vec<Sent> {
        self.tell(now, input);
        self.settle(now)
    }

    /// Its deadline came.
    pub fn wake(&mut self, now: Instant) -> Vec<Sent> {
        let reading = self.clock.read(now);
        if self.control.next_deadline().is_some_and(|due| due <= reading) {
            self.control.handle_timeout(reading);
        }
        self.settle(now)
    }

    /// The kernel of the host sends an IPv6 packet.
    pub fn send_from_host(&mut self, now: Instant, packet: &[u8]) -> Vec<Sent> {
        self.inject(Injected::Packet { packet: HeapBuf::snug(packet) });
        self.settle(now)
    }

    /// What the daemon does now and then: reports which neighbours were used, gives back numbers.
    pub fn keep_house(&mut self, now: Instant) -> Vec<Sent> {
        for (port, address) in self.neighbors_used() {
            self.tell(now, Input::NeighborUsed { port, address });
        }
        self.reclaim();
        if let Some(feed) = &mut self.host.feed {
            feed.connect();
        }
        let oldest = self.publisher.oldest().epoch;
        if self.foreign_worlds == 0 && oldest != self.reclaimed {
            self.reclaimed = oldest;
            self.tell(now, Input::Reclaimed { epoch: oldest });
        }
        self.settle(now)
    }

    /// Frees the worlds that the worker cannot read any more.
    fn reclaim(&mut self) {
        if self.publisher.pending() > 0 {
            let freed = self.publisher.reclaim();
            self.foreign_worlds = self.foreign_worlds.saturating_sub(freed);
        }
    }

    fn neighbors_used(&mut self) -> Vec<(PortId, Ipv6Addr)> {
        let world = self.publisher.current();
        let (mut found, mut used) = (Vec::new(), BTreeMap::new());
        for (number, next_hop) in (0..).map(NextHopId).zip(world.next_hops.iter()) {
            let packets = self.counters.next_hop_packets(number);
            if packets > self.used.get(&number).copied().unwrap_or(0) {
                found.push((next_hop.port, next_hop.address));
            }
            used.insert(number, packets);
        }
        self.used = used;
        found
    }

    fn inject(&self, injected: Injected<HeapBuf>) {
        assert!(self.rings.inject.push(injected).is_ok(), "the ring was emptied before");
    }

    /// Tells the control plane, in the time of its server.
    fn tell(&mut self, now: Instant, input: Input) {
        self.control.handle(self.clock.read(now), input);
    }

    /// Goes to and fro between data plane and control plane until both are at rest.
    fn settle(&mut self, now: Instant) -> Vec<Sent> {
        let (reading, mut sent) = (self.clock.read(now), Vec::new());
        for _ in 0..ROUNDS_MAX {
            // What happens at one instant is one slice.
            if self.control.is_dirty() {
                self.control.handle(reading, Input::Flush);
            }
            let is_quiet = !self.obey(now);
            while self.has_work(reading) {
                self.is_unread = false;
                if self.worker.run_once(reading) == 0 {
                    break;
                }
                self.collect(&mut sent);
            }
            let mut is_empty = true;
            while let Some(report) = self.bfd.reports.pop() {
                is_empty = false;
                self.tell(now, Input::Bfd(Box::new(report)));
            }
            while let Some(event) = self.overlay.as_ref().and_then(|it| it.events.pop()) {
                is_empty = false;
                let OverlayEvent::MacMoves { mac, from, to, .. } = event;
                self.tell(now, Input::MacMoves { mac, from, to });
            }
            while let Some(punted) = self.next_punted() {
                is_empty = false;
                self.hand_over(now, punted);
            }
            is_empty &= !self.speak(now);
            if is_empty && is_quiet {
                self.collect(&mut sent);
                // The worker has entered the newest world: room in the tables for the next one.
                self.reclaim();
                return sent;
            }
        }
        panic!("at {now} control plane and data plane keep each other busy");
    }

    /// Lets the kernel's TCP and the rest of the world do what they can; says whether they did.
    fn speak(&mut self, now: Instant) -> bool {
        let reading = self.clock.read(now);
        let mut is_any = false;
        if let Some(tcp) = self.host.tcp.as_mut().filter(|tcp| tcp.has_work(reading)) {
            tcp.poll(reading);
        }
        for _ in 0..BURST_MAX {
            let packet = self.host.tcp.as_mut().and_then(HostTcp::next_packet);
            let Some(packet) = packet else { break };
            is_any = true;
            let octets = HeapBuf::snug(&packet);
            self.inject(match self.link_of(&packet) {
                Some(port) => Injected::OnLink { port, packet: octets },
                None => Injected::Packet { packet: octets },
            });
        }
        let Host { tcp, feed } = &mut self.host;
        let of_tcp = core::iter::from_fn(|| tcp.as_mut()?.next_report());
        let of_feed = core::iter::from_fn(|| feed.as_mut()?.next_report());
        let reports: Vec<_> = of_tcp.chain(of_feed).collect();
        for report in reports {
            is_any = true;
            self.tell(now, Input::Bgp(Box::new(report)));
        }
        is_any
    }

    /// The port whose link-local address a packet of the host comes from.
    fn link_of(&self, packet: &[u8]) -> Option<PortId> {
        let source = Ipv6View::new(packet).ok()?.source();
        self.host_links.iter().find(|link| link.address == source).map(|link| link.port)
    }

    /// Whether a loop of the worker finds anything to do.
    fn has_work(&self, reading: Instant) -> bool {
        self.is_unread
            || self.worker.due_at() <= reading
            || !self.rings.inject.is_empty()
            || !self.bfd.orders.is_empty()
            || self.ports.iter().any(|queues| !queues.rx.is_empty())
    }

    /// What the daemon's threads would take next.
    fn next_punted(&self) -> Option<Punted<HeapBuf>> {
        let of_control = self.punts.of_control().into_iter().find_map(Ring::pop);
        of_control.or_else(|| self.punts.host.pop())
    }

    /// Carries out a burst of actions; says whether there were any.
    fn obey(&mut self, now: Instant) -> bool {
        for count in 0..BURST_MAX {
            match self.control.poll_action() {
                Some(action) => self.carry_out(now, action),
                None => return count > 0,
            }
        }
        true
    }

    fn carry_out(&mut self, now: Instant, action: Action) {
        match action {
            Action::SendFrame { port, bytes } => {
                self.inject(Injected::Frame { port, packet: HeapBuf::snug(&bytes) });
            }
            Action::Forward { packet } => {
                self.inject(Injected::Packet { packet: HeapBuf::snug(&packet) });
            }
            Action::Publish(world) => {
                self.publications += 1;
                self.is_unread = true;
                self.publisher.publish(world);
            }
            Action::FlushMacs(member) => {
                self.overlay.iter().for_each(|bridging| bridging.macs.flush(member));
            }
            Action::HostAddresses { addresses, .. } => self.host_addresses = addresses,
            Action::HostLinks(links) => self.host_links = links,
            Action::Event(event) => {
                if self.events.len() == EVENTS_MAX {
                    self.events.pop_front();
                }
                self.events.push_back((now, event.topic, event.text));
            }
            Action::Bfd(order) => {
                assert!(self.bfd.orders.push(order).is_ok(), "the ring was emptied before");
            }
            Action::Bgp(order) => {
                let reading = self.clock.read(now);
                let Host { tcp, feed } = &mut self.host;
                let order = match feed {
                    Some(feed) => feed.order(order),
                    None => Some(order),
                };
                if let (Some(tcp), Some(order)) = (tcp, order) {
                    tcp.order(reading, order);
                }
            }
            // Nothing filters groups here, and nobody asks questions.
            Action::JoinMulticast { .. } | Action::Reply { .. } => {}
        }
    }

    fn hand_over(&mut self, now: Instant, punted: Punted<HeapBuf>) {
        let bytes = punted.packet.data().to_vec();
        let input = match punted.class {
            PuntClass::Ospf | PuntClass::Nd => Input::Frame { port: punted.port, bytes },
            PuntClass::Unresolved => {
                let (port, address) = (punted.port, punted.neighbor);
                Input::Unresolved { port, address, packet: bytes }
            }
            // No control connection is spoken.
            PuntClass::L2tp => return,
            PuntClass::Host => {
                if let Some(tcp) = self.host.tcp.as_mut().filter(|_| HostTcp::is_ours(&bytes)) {
                    tcp.receive(bytes);
                    return;
                }
                if self.host_packets.len() < HOST_PACKETS_MAX {
                    self.host_packets.push_back(bytes);
                } else {
                    self.host_overflow += 1;
                }
                return;
            }
        };
        self.tell(now, input);
    }

    fn collect(&self, sent: &mut Vec<Sent>) {
        for Queues { port, tx, .. } in &self.ports {
            while let Some(packet) = tx.pop() {
                sent.push(Sent { port: *port, bytes: packet.data().to_vec() });
            }
        }
    }
}

fn worker_port(queues: &Queues) -> Box<WorkerPort<HeapBuf>> {
    let rx = QueueRx(Arc::clone(&queues.rx));
    let tx = QueueTx(Arc::clone(&queues.tx));
    WorkerPort::new(queues.port, Some(Box::new(rx)), Box::new(tx))
}
