//! The loop of a worker: take, run the graph, send; sleep when there is nothing.
//!
//! Owns [`Worker`], its setup and its commands, and the idle policies. Threads, pinning, clocks and
//! what a worker waits on belong to `daemon`; they come in as functions and as [`IdleWait`].
//!
//! *Invariants*: one thread runs a worker. The forwarding state is entered once a loop and left
//! before any sleep. No allocation, lock or system call while packets come. At the end of a loop
//! every packet has been sent, punted, absorbed, dropped or handed to another worker. Timers expire
//! after the packets of the loop, which may say that they need not.

use crate::base::ids::{LcoreId, PortId};
use crate::base::rcu::Reader;
use crate::base::time::{Duration, Instant};
use crate::dataplane::bfd::{BfdSetup, BfdTable, Outlet};
use crate::dataplane::counters::LcoreCounters;
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::{Ctx, Next, NodeId, run_graph};
use crate::dataplane::hand_over::{Errand, Peers};
use crate::dataplane::inject::Injected;
use crate::dataplane::limit::TokenBucket;
use crate::dataplane::node::{ERROR_BURST_MAX, ERRORS_PER_SECOND_MAX, L2_OCTETS};
use crate::dataplane::overlay::{OverlaySetup, OverlayWork};
use crate::dataplane::ports::{Ports, WorkerPort, count_received};
use crate::dataplane::punt::PuntSender;
use crate::dataplane::ring::Ring;
use crate::dataplane::tap::TapSet;
use crate::dataplane::trace;
use crate::fib::Forwarding;
use crate::fib::group_table::NEXT_HOP_ABSENT;
use crate::packet::{BURST_MAX, Burst, PacketBuf, PacketMeta};
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Commands that wait for a worker: one per port twice, for a removal and an addition.
pub const COMMAND_RING_MAX: usize = 128;
/// Removed ports that wait to be closed; as many as there can be commands.
pub const REMOVED_RING_MAX: usize = COMMAND_RING_MAX;
/// Empty loops of the adaptive policy before it sleeps: some tens of microseconds.
pub const EMPTY_LOOPS_MAX: u32 = 256;
/// The longest sleep of a waiter that arriving packets cannot wake (at most 200 µs are allowed per
/// hop).
pub const BLIND_SLEEP_MAX: Duration = Duration::from_micros(100);
/// The longest sleep of any waiter.
pub const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Where a worker reads its world.
pub trait WorldReader: Send {
    /// The newest world, until the guard is dropped.
    fn enter(&mut self) -> impl Deref<Target = Forwarding> + '_;

    /// Says that nothing is being read until the next [`Self::enter`].
    fn park(&mut self);
}

impl WorldReader for Reader<Forwarding> {
    #[inline]
    fn enter(&mut self) -> impl Deref<Target = Forwarding> + '_ {
        Self::enter(self)
    }

    fn park(&mut self) {
        Self::park(self);
    }
}

/// What a worker waits on when idle; the daemon's epoll over companion sockets and an event
/// descriptor.
pub trait IdleWait {
    /// Called before the last look at the ports: from now on packets must end the next wait.
    fn arm(&mut self) {}

    /// Called when that look found something, so that there is no wait.
    fn disarm(&mut self) {}

    /// Returns when a packet may have come, when somebody woke the worker, or after `at_most`. Who
    /// cannot be woken by packets sleeps at most [`BLIND_SLEEP_MAX`].
    fn wait(&mut self, at_most: Duration);
}

/// What a worker does when nothing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdlePolicy {
    /// Polls on: lowest latency, one whole core.
    Busy,
    /// Polls [`EMPTY_LOOPS_MAX`] times, then sleeps until woken.
    Adaptive,
}

/// A change to a running worker.
pub enum WorkerCommand<B> {
    /// Poll this port and send to it.
    AddPort(Box<WorkerPort<B>>),
    /// Send what waits, then give the port back through the ring of removed ports.
    RemovePort(PortId),
    /// Show packets to these taps, and to no others.
    Watch(TapSet),
}

/// The rings of one worker; the daemon keeps the other ends.
pub struct WorkerRings<B> {
    /// Packets from the control thread.
    pub inject: Arc<Ring<Injected<B>>>,
    /// Commands from the daemon.
    pub commands: Arc<Ring<WorkerCommand<B>>>,
    /// Ports on their way back to be closed.
    pub removed: Arc<Ring<Box<WorkerPort<B>>>>,
}

impl<B> WorkerRings<B> {
    /// Empty rings of the usual sizes.
    pub fn new() -> Self {
        Self {
            inject: Arc::new(Ring::new(crate::dataplane::inject::INJECT_RING_MAX)),
            commands: Arc::new(Ring::new(COMMAND_RING_MAX)),
            removed: Arc::new(Ring::new(REMOVED_RING_MAX)),
        }
    }
}

impl<B> Default for WorkerRings<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for WorkerRings<B> {
    fn clone(&self) -> Self {
        Self {
            inject: Arc::clone(&self.inject),
            commands: Arc::clone(&self.commands),
            removed: Arc::clone(&self.removed),
        }
    }
}

/// What a worker is made of.
pub struct WorkerSetup<B, R> {
    /// Its number.
    pub lcore: LcoreId,
    /// Its reader of the forwarding state.
    pub reader: R,
    /// Its ports at the start; more come by command.
    pub ports: Vec<Box<WorkerPort<B>>>,
    /// The way to the control thread.
    pub punts: PuntSender<B>,
    /// The ways from it.
    pub rings: WorkerRings<B>,
    /// Its counters.
    pub counters: Arc<LcoreCounters>,
    /// Seed of the flow hash: one per router, the same on all its workers.
    pub hash_seed: u64,
    /// Reads the TSC, or returns zero.
    pub cycles: fn() -> u64,
}

/// A worker; one per configured core, owned by its thread.
pub struct Worker<B, R> {
    lcore: LcoreId,
    reader: R,
    ports: Ports<B>,
    punts: PuntSender<B>,
    rings: WorkerRings<B>,
    counters: Arc<LcoreCounters>,
    bfd: BfdTable<B>,
    overlay: OverlayWork<B>,
    /// Whether the last loop had more than packets of BFD.
    had_traffic: bool,
    error_limit: TokenBucket,
    hash_seed: u64,
    cycles: fn() -> u64,
    burst: Box<Burst<B>>,
    next: Box<Next<B>>,
}

impl<B: PacketBuf, R: WorldReader> Worker<B, R> {
    /// A worker with its ports.
    pub fn new(setup: WorkerSetup<B, R>) -> Self {
        let mut ports = Ports::default();
        for port in setup.ports {
            let id = port.port;
            assert!(ports.insert(port).is_none(), "port {id} twice or beyond the limit");
        }
        Self {
            lcore: setup.lcore,
            reader: setup.reader,
            ports,
            punts: setup.punts,
            rings: setup.rings,
            next: Box::new(Next::new(Arc::clone(&setup.counters))),
            counters: setup.counters,
            bfd: BfdTable::default(),
            overlay: OverlayWork::default(),
            had_traffic: false,
            error_limit: TokenBucket::new(ERRORS_PER_SECOND_MAX, ERROR_BURST_MAX),
            hash_seed: setup.hash_seed,
            cycles: setup.cycles,
            burst: Box::new(Burst::new()),
        }
    }

    /// The same worker, one of several.
    #[must_use]
    pub fn with_peers(mut self, peers: Peers<B>) -> Self {
        self.ports.join(peers);
        self
    }

    /// The same worker, which runs BFD sessions.
    #[must_use]
    pub fn with_bfd(mut self, setup: BfdSetup<B>) -> Self {
        self.bfd = BfdTable::new(setup);
        self
    }

    /// The same worker, which bridges the segments of tenants.
    #[must_use]
    pub fn with_overlay(mut self, setup: OverlaySetup<B>) -> Self {
        self.overlay = OverlayWork::new(setup);
        self.counters.start_members();
        self
    }

    /// When [`Self::run_once`] has something to do though nothing came.
    #[inline]
    pub const fn due_at(&self) -> Instant {
        self.bfd.due_at()
    }

    /// Its number.
    pub const fn lcore(&self) -> LcoreId {
        self.lcore
    }

    /// One loop: commands, injected packets, those of other workers, one burst of each port,
    /// timers. Says how many packets it took and made.
    pub fn run_once(&mut self, now: Instant) -> usize {
        let Self { reader, ports, punts, rings, counters, bfd, overlay, next, burst, .. } = self;
        let absorbed = counters.absorbed.get();
        let mut of_bfd = 0;
        let world = reader.enter();
        if !rings.commands.is_empty() {
            obey(rings, ports, next);
        }
        // All that taps cost while there are none; `run_port` and `Ports` ask again by the burst.
        let is_watched = next.watch.is_active();
        if is_watched {
            (next.watch.at, next.watch.port) = (now, None);
            ports.watch.at = now;
        }
        bfd.look_at(&world);
        overlay.begin_loop(now);
        let mut ctx = Ctx {
            world: &world,
            now,
            interface: None,
            counters,
            ports,
            punts,
            bfd,
            overlay,
            error_limit: &mut self.error_limit,
            hash_seed: self.hash_seed,
            cycles: self.cycles,
        };
        let mut packets = 0;
        if ctx.bfd.has_orders() {
            of_bfd += with_outlet(&mut ctx, |bfd, outlet| bfd.obey(now, outlet));
        }
        if !rings.inject.is_empty() {
            if is_watched {
                packets += run_injected_watched(&rings.inject, &mut ctx, burst, next);
            } else {
                packets += take_injected(&rings.inject, &mut ctx, next, BURST_MAX);
                run_graph(&mut ctx, burst, next);
            }
        }
        if !ctx.ports.peers().is_alone() {
            packets += take_over(&mut ctx, burst, next);
        }
        let mut place = 0;
        while let Some(port) = ctx.ports.receiver(place) {
            place += 1;
            packets += run_port(port, &mut ctx, burst, next);
        }
        if now >= ctx.bfd.due_at() {
            of_bfd += with_outlet(&mut ctx, |bfd, outlet| bfd.tick(now, outlet));
        }
        let accepted = usize::try_from(counters.absorbed.get() - absorbed).unwrap_or(usize::MAX);
        self.had_traffic = packets > accepted;
        packets += of_bfd;
        if packets > 0 {
            ctx.ports.flush(ctx.world, ctx.counters);
            ctx.punts.finish();
            ctx.ports.peers().wake();
        } else {
            counters.idle_loops.add(1);
        }
        counters.loops.add(1);
        packets
    }

    /// Sleeps, unless somebody left something in the meantime, until a timer expires at the latest.
    fn sleep(&mut self, now: Instant, idle: &mut impl IdleWait) {
        self.reader.park();
        if self.rings.inject.announce_sleep()
            && self.rings.commands.announce_sleep()
            && self.bfd.announce_sleep()
            && self.ports.peers().announce_sleep()
        {
            self.counters.sleeps.add(1);
            idle.wait(SLEEP_MAX.min(self.bfd.due_at() - now));
        }
        self.rings.inject.announce_awake();
        self.rings.commands.announce_awake();
        self.bfd.announce_awake();
        self.ports.peers().announce_awake();
    }
}

/// Runs a worker until `stop` is set; `clock` reads the driver's clock. The reader is parked at the
/// end.
pub fn run<B: PacketBuf, R: WorldReader>(
    worker: &mut Worker<B, R>,
    policy: IdlePolicy,
    mut clock: impl FnMut() -> Instant,
    stop: &AtomicBool,
    idle: &mut impl IdleWait,
) {
    let mut empty_loops = 0;
    // Relaxed: the flag stands for itself; who sets it joins the thread afterwards.
    while !stop.load(Ordering::Relaxed) {
        // The next packet of BFD is not worth waiting for: it comes when it is due.
        if worker.run_once(clock()) > 0 {
            empty_loops = if worker.had_traffic { 0 } else { empty_loops };
        } else if policy == IdlePolicy::Busy || empty_loops < EMPTY_LOOPS_MAX {
            empty_loops = empty_loops.saturating_add(1);
            core::hint::spin_loop();
        } else {
            idle.arm();
            let now = clock();
            if worker.run_once(now) > 0 {
                idle.disarm();
                empty_loops = if worker.had_traffic { 0 } else { empty_loops };
            } else {
                // Not woken by a packet, it sleeps again after two looks.
                worker.sleep(now, idle);
            }
        }
    }
    worker.reader.park();
}

/// Receives a burst of one port and runs it through the graph.
#[inline]
fn run_port<B: PacketBuf>(
    port: PortId,
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) -> usize {
    let start = (ctx.cycles)();
    if ctx.ports.receive(port, burst) == 0 {
        return 0;
    }
    let packets = burst.len();
    ctx.interface = ctx.world.interfaces.get(port);
    if let Some(cells) = ctx.counters.port(port) {
        count_received(cells, burst);
    }
    ctx.ports.spread(port, burst, ctx.hash_seed, ctx.counters);
    ctx.counters.count_node(NodeId::PortInput, packets, (ctx.cycles)().wrapping_sub(start));
    run_received(port, ctx, burst, next);
    packets
}

/// Takes what other workers handed over, at most a burst or two of each, and goes on with it.
#[cold]
fn take_over<B: PacketBuf>(
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) -> usize {
    let mut packets = 0;
    for inbox in 0..ctx.ports.peers().inbox_count() {
        let mut taken = 0;
        while taken < BURST_MAX {
            let Some(errand) = ctx.ports.peers().take(inbox, burst) else { break };
            taken += burst.len();
            ctx.counters.taken_over.add(burst.len() as u64);
            match errand {
                Errand::Received(port) => {
                    ctx.interface = ctx.world.interfaces.get(port);
                    run_received(port, ctx, burst, next);
                }
                Errand::Bfd(port) => run_bfd(port, ctx, burst, next),
                Errand::ToSend => send_for_others(ctx, burst),
            }
        }
        packets += taken;
    }
    packets
}

/// Gives the sessions of this worker what to send with.
#[inline]
fn with_outlet<B: PacketBuf, T>(
    ctx: &mut Ctx<'_, B>,
    act: impl FnOnce(&mut BfdTable<B>, &mut Outlet<'_, B>) -> T,
) -> T {
    let mut outlet = Outlet { world: ctx.world, counters: ctx.counters, ports: ctx.ports };
    act(ctx.bfd, &mut outlet)
}

/// Gives BFD packets that another worker received to the sessions of this one.
fn run_bfd<B: PacketBuf>(
    port: PortId,
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) {
    ctx.interface = ctx.world.interfaces.get(port);
    next.stand_at_input();
    for packet in burst.drain() {
        next.divert(NodeId::BfdInput, &mut Some(packet));
    }
    run_graph(ctx, burst, next);
}

/// Sends packets by ports whose queues only this worker has.
fn send_for_others<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>) {
    for packet in burst.drain() {
        if let Err(packet) = ctx.ports.send(packet, ctx.world, ctx.counters) {
            ctx.counters.count_drops(DropReason::PortGone, 1);
            drop(packet);
        }
    }
}

/// Runs a burst of one port through the graph.
#[inline]
fn run_received<B: PacketBuf>(
    port: PortId,
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) {
    if next.watch.is_active() {
        trace::run_received(port, ctx, burst, next);
    } else {
        run_graph(ctx, burst, next);
    }
}

/// A burst of injected packets one by one, because some of them may be followed.
#[cold]
fn run_injected_watched<B: PacketBuf>(
    ring: &Ring<Injected<B>>,
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) -> usize {
    let mut packets = 0;
    while packets < BURST_MAX && take_injected(ring, ctx, next, 1) > 0 {
        packets += 1;
        trace::run_injected(ctx, burst, next);
    }
    packets
}

/// Puts up to `limit` injected packets, a burst at most, where they enter the graph.
fn take_injected<B: PacketBuf>(
    ring: &Ring<Injected<B>>,
    ctx: &mut Ctx<'_, B>,
    next: &mut Next<B>,
    limit: usize,
) -> usize {
    ctx.interface = None;
    next.stand_at_input();
    let mut packets = 0;
    while packets < limit {
        let Some(injected) = ring.pop() else { break };
        packets += 1;
        match injected {
            Injected::Frame { port, mut packet } => {
                *packet.meta_mut() = PacketMeta::arrived(port);
                packet.meta_mut().out_port = port;
                next.divert(NodeId::PortOutput, &mut Some(packet));
            }
            Injected::Packet { packet } => {
                enter(packet, PortId::default(), NodeId::Ipv6Input, next);
            }
            Injected::OnLink { port, packet } => {
                enter(packet, port, NodeId::Ipv6Rewrite, next);
            }
        }
    }
    ctx.counters.injected.add(packets as u64);
    packets
}

/// Lets a packet of the host into the graph; `port` is where it leaves, if that is known already.
fn enter<B: PacketBuf>(mut packet: B, port: PortId, node: NodeId, next: &mut Next<B>) {
    if packet.prepend(L2_OCTETS).is_err() {
        return next.discard(&mut Some(packet), DropReason::NoHeadroom);
    }
    let mut meta = PacketMeta::arrived(PortId::default());
    meta.l3_offset = L2_OCTETS;
    meta.flags = PacketMeta::INJECTED;
    meta.out_port = port;
    meta.next_hop = NEXT_HOP_ABSENT;
    *packet.meta_mut() = meta;
    next.divert(node, &mut Some(packet));
}

/// Carries out what the daemon asked for. Nothing waits in any port between two loops.
fn obey<B: PacketBuf>(rings: &WorkerRings<B>, ports: &mut Ports<B>, next: &mut Next<B>) {
    for _ in 0..COMMAND_RING_MAX {
        let old = match rings.commands.pop() {
            Some(WorkerCommand::AddPort(port)) => ports.insert(port),
            Some(WorkerCommand::RemovePort(id)) => ports.remove(id),
            Some(WorkerCommand::Watch(taps)) => {
                next.watch.set(TapSet::clone(&taps));
                ports.watch.set(taps);
                None
            }
            None => return,
        };
        if let Some(port) = old {
            // The daemon takes removed ports before it sends as many commands again.
            let is_full = rings.removed.push(port).is_err();
            debug_assert!(!is_full, "removed ports were not taken");
        }
    }
}
