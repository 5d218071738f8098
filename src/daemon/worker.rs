//! A worker's thread: pinned, known to the packet memory, asleep when there is nothing.
//!
//! Owns the thread, [`WorkerLinks`] (the daemon's ends of everything that leads to a worker) and
//! [`Sleeper`] (what a worker waits on). The loop is `dataplane::lcore`'s, the way a port wakes its
//! worker `ports::wakeup`'s.
//!
//! *Invariants*: the list of wakeups is locked by the worker only when it is about to sleep or has
//! just slept, never while packets come; by the main thread when a port comes or goes.

use crate::base::ids::{LcoreId, PortId};
use crate::base::rcu::Reader;
use crate::base::time::Duration;
use crate::daemon::clock::{Clock, entropy};
use crate::daemon::error::RunError;
use crate::daemon::lifeline::Lifeline;
use crate::daemon::messages::Job;
use crate::dataplane::bfd::Order;
use crate::dataplane::lcore::{WorkerRings, run};
use crate::dataplane::{
    BfdRings, BfdSetup, IdlePolicy, IdleWait, Injected, LcoreCounters, MacTable, OverlayEvent,
    OverlaySetup, Peers, PuntRings, PuntSender, Ring, Worker, WorkerCommand, WorkerSetup,
};
use crate::fib::Forwarding;
use crate::os::poller::{Events, Poller, Waker};
use crate::packet::{PacketAlloc, PacketBuf};
use crate::ports::Wakeup;
use crate::ports::wakeup::BLIND_WAIT_MAX;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Next hops whose use is counted, for neighbour unreachability detection; as many as the RIB has
/// numbers for.
pub const NEXT_HOP_CELLS_MAX: usize = 1 << 14;

/// What a thread needs to touch packets: a source of buffers, and the proof that it may.
pub struct ThreadPass<B> {
    /// Empty buffers.
    pub alloc: Box<dyn PacketAlloc<B>>,
    /// More of the same, for copies of frames.
    pub copies: Box<dyn PacketAlloc<B>>,
    /// To be dropped on the same thread, last.
    pub proof: Box<dyn Any>,
}

/// Gives the calling thread its pass; shared by all threads that touch packets.
pub type Admission<B> = Arc<dyn Fn() -> Result<ThreadPass<B>, RunError> + Send + Sync>;

/// What a worker waits on; one per worker, shared with the main thread.
#[derive(Debug)]
pub struct Sleeper {
    poller: Poller,
    wakeups: Mutex<Vec<(PortId, Wakeup)>>,
}

impl Sleeper {
    /// One that waits for its waker only.
    pub fn new() -> io::Result<Self> {
        Ok(Self { poller: Poller::new()?, wakeups: Mutex::default() })
    }

    /// Wakes the worker.
    pub fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// Lets packets of a port wake the worker.
    pub fn add(&self, port: PortId, wakeup: Wakeup) -> io::Result<()> {
        let mut wakeups = self.lock();
        if let Some(fd) = wakeup.fd() {
            self.poller.add(fd, u64::from(port.0))?;
        }
        wakeups.push((port, wakeup));
        Ok(())
    }

    /// Forgets a port.
    pub fn remove(&self, port: PortId) {
        let mut wakeups = self.lock();
        for (_, wakeup) in wakeups.extract_if(.., |(id, _)| *id == port) {
            if let Some(fd) = wakeup.fd() {
                // Not being watched is what is wanted.
                let _ = self.poller.remove(fd);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(PortId, Wakeup)>> {
        self.wakeups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker's view of its [`Sleeper`].
pub struct SleeperWait {
    sleeper: Arc<Sleeper>,
    events: Events,
    is_blind: bool,
}

impl SleeperWait {
    /// For the worker's thread.
    pub fn new(sleeper: Arc<Sleeper>) -> Self {
        Self { sleeper, events: Events::new(), is_blind: true }
    }

    fn settle(&self, has_waited: bool) {
        for (port, wakeup) in self.sleeper.lock().iter() {
            let token = u64::from(port.0);
            let was_reported = || self.events.iter().any(|event| event.token == token);
            if wakeup.settles_always() || has_waited && was_reported() {
                wakeup.settle();
            }
        }
    }
}

impl IdleWait for SleeperWait {
    fn arm(&mut self) {
        // Every port is armed, hence no short cut.
        let blind = self.sleeper.lock().iter().filter(|(_, wakeup)| !wakeup.arm()).count();
        self.is_blind = blind > 0;
    }

    fn disarm(&mut self) {
        self.settle(false);
    }

    fn wait(&mut self, at_most: Duration) {
        let at_most = if self.is_blind { at_most.min(BLIND_WAIT_MAX) } else { at_most };
        if self.sleeper.poller.wait(Some(at_most), &mut self.events).is_err() {
            // Nothing to wait on is no reason to spin.
            std::thread::sleep(BLIND_WAIT_MAX);
        }
        self.settle(true);
    }
}

/// The daemon's ends of one worker; cloned to every thread that has to do with it.
pub struct WorkerLinks<B> {
    /// Its number.
    pub lcore: LcoreId,
    /// The CPU it is pinned to.
    pub cpu: u16,
    /// What is sent and asked of it.
    pub rings: WorkerRings<B>,
    /// What it sends to the control thread and to the host thread.
    pub punts: PuntRings<B>,
    /// Its BFD sessions: what the control thread orders and hears.
    pub bfd: BfdRings,
    /// What it waits on.
    pub sleeper: Arc<Sleeper>,
    /// What it counts.
    pub counters: Arc<LcoreCounters>,
    stop: Arc<AtomicBool>,
    waker: Waker,
}

impl<B> Clone for WorkerLinks<B> {
    fn clone(&self) -> Self {
        Self {
            lcore: self.lcore,
            cpu: self.cpu,
            rings: self.rings.clone(),
            punts: self.punts.clone(),
            bfd: self.bfd.clone(),
            sleeper: Arc::clone(&self.sleeper),
            counters: Arc::clone(&self.counters),
            stop: Arc::clone(&self.stop),
            waker: self.waker.clone(),
        }
    }
}

impl<B> WorkerLinks<B> {
    /// Everything that leads to a worker that does not run yet.
    pub fn new(lcore: LcoreId, cpu: u16) -> io::Result<Self> {
        let sleeper = Arc::new(Sleeper::new()?);
        Ok(Self {
            lcore,
            cpu,
            rings: WorkerRings::new(),
            punts: PuntRings::new(),
            bfd: BfdRings::new(),
            waker: sleeper.waker(),
            sleeper,
            counters: Arc::new(LcoreCounters::new(NEXT_HOP_CELLS_MAX)),
            stop: Arc::default(),
        })
    }

    /// Hands the worker a packet, or gives it back when it is behind. [`Self::finish`] follows.
    pub fn inject(&self, packet: Injected<B>) -> Result<(), Injected<B>> {
        self.rings.inject.push(packet)
    }

    /// Orders something of its BFD sessions; false when it is behind. [`Self::finish`] follows.
    pub fn order(&self, order: Order) -> bool {
        self.bfd.orders.push(order).is_ok()
    }

    /// Wakes the worker where it sleeps and something was injected or ordered.
    pub fn finish(&self) {
        let must_wake = [self.rings.inject.must_wake(), self.bfd.orders.must_wake()];
        if must_wake.contains(&true) {
            self.waker.wake();
        }
    }

    /// Wakes the worker where it sleeps.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Asks something of the worker; `false` when it has not done what was asked before.
    pub fn command(&self, command: WorkerCommand<B>) -> bool {
        let is_taken = self.rings.commands.push(command).is_ok();
        if self.rings.commands.must_wake() {
            self.waker.wake();
        }
        is_taken
    }

    /// Ends the worker after its present loop.
    pub fn stop(&self) {
        // Relaxed: the flag stands for itself; who sets it joins the thread afterwards.
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
    }
}

/// What starts a worker.
pub struct WorkerStart<B> {
    /// Its links.
    pub links: WorkerLinks<B>,
    /// Its reader of the forwarding state.
    pub reader: Reader<Forwarding>,
    /// The other workers.
    pub peers: Peers<B>,
    /// Wakes the control thread.
    pub control: Waker,
    /// Wakes the host thread.
    pub host: Waker,
    /// What it does when idle.
    pub policy: IdlePolicy,
    /// The clock.
    pub clock: Clock,
    /// Seed of the flow hash, the same for all workers.
    pub hash_seed: u64,
    /// Reads the TSC.
    pub cycles: fn() -> u64,
    /// The pass of its thread.
    pub admission: Admission<B>,
    /// The MACs of tenants, which all workers share.
    pub macs: Arc<MacTable>,
    /// Where it tells of them.
    pub overlay_events: Arc<Ring<OverlayEvent>>,
    /// Where its failure is told.
    pub jobs: SyncSender<Job>,
}

/// Starts the thread of a worker; it has its pass when this returns.
pub fn spawn<B: PacketBuf + 'static>(start: WorkerStart<B>) -> Result<JoinHandle<()>, RunError> {
    let (ready, is_ready) = sync_channel(1);
    let name = format!("worker-{}", start.links.lcore);
    let mut lifeline = Lifeline::new(&name, &start.jobs);
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        // An inherited affinity is wider, never wrong: pinning costs only locality when it fails.
        let cpu = core_affinity::CoreId { id: usize::from(start.links.cpu) };
        if !core_affinity::set_for_current(cpu) {
            tracing::warn!(topic = "worker.cpu", "cannot pin a worker to CPU {}", cpu.id);
        }
        match (start.admission)() {
            Ok(pass) => {
                let _ = ready.send(Ok(()));
                work(start, (pass.alloc, pass.copies));
                drop(pass.proof);
            }
            // Who starts it hears of this at once.
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
        lifeline.let_go();
    });
    let thread = thread.map_err(RunError::system("start a worker's thread"))?;
    match is_ready.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(RunError::System {
            action: "start a worker's thread",
            source: io::Error::other("it ended at once"),
        }),
    }
}

type Alloc<B> = Box<dyn PacketAlloc<B>>;

fn work<B: PacketBuf + 'static>(start: WorkerStart<B>, (alloc, copies): (Alloc<B>, Alloc<B>)) {
    let WorkerStart {
        links, reader, peers, control, host, policy, clock, hash_seed, cycles, ..
    } = start;
    let overlay_waker = control.clone();
    let overlay = OverlaySetup {
        macs: start.macs,
        alloc: copies,
        events: start.overlay_events,
        wake: Box::new(move || overlay_waker.wake()),
    };
    let bfd_waker = control.clone();
    let bfd = BfdSetup {
        rings: links.bfd,
        alloc,
        wake: Box::new(move || bfd_waker.wake()),
        seed: entropy(),
    };
    let wake_control = Box::new(move || control.wake());
    let punts = PuntSender::new(links.punts, wake_control, Box::new(move || host.wake()));
    let mut worker = Worker::new(WorkerSetup {
        lcore: links.lcore,
        reader,
        ports: Vec::new(),
        punts,
        rings: links.rings,
        counters: links.counters,
        hash_seed,
        cycles,
    })
    .with_peers(peers)
    .with_bfd(bfd)
    .with_overlay(overlay);
    let mut idle = SleeperWait::new(links.sleeper);
    run(&mut worker, policy, || clock.now(), &links.stop, &mut idle);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_ends_the_wait_of_a_worker() {
        let sleeper = Arc::new(Sleeper::new().unwrap());
        let waker = sleeper.waker();
        let mut wait = SleeperWait::new(sleeper);
        wait.arm();
        assert!(!wait.is_blind, "no port has to be looked at");
        waker.wake();
        wait.wait(Duration::from_secs(3600));
        assert!(wait.events.is_woken());
    }

    #[test]
    fn a_port_that_cannot_wake_bounds_the_wait() {
        let sleeper = Arc::new(Sleeper::new().unwrap());
        sleeper.add(PortId(3), Wakeup::Blind).unwrap();
        let mut wait = SleeperWait::new(Arc::clone(&sleeper));
        wait.arm();
        wait.wait(Duration::from_secs(3600));
        assert!(wait.is_blind && !wait.events.is_woken());
        sleeper.remove(PortId(3));
        wait.arm();
        assert!(!wait.is_blind);
    }
}
