//! The control thread: carries bytes, time and wishes between the control plane and the world.
//!
//! Owns the loop, the publisher of the forwarding state, and what survives a failure of the control
//! plane: the publisher, the configuration, the list of ports and what it said for this case. What
//! any of it means is `control`'s.
//!
//! *Invariants*: never blocks but in its poller; between two looks at its messages it takes at most
//! [`PUNTS_PER_SLICE`] packets of each ring of each worker, OSPF of all workers first, but all that
//! wait before a timer expires, which one of them may be about (`punctuality`). A panic inside the
//! control plane starts a new one that inherits all this (`control::inherit`); until its first
//! publication workers forward on with the last snapshot. Numbers that an older control plane gave
//! out are reclaimed before the new one hears of any.

use crate::api::show::ShowReply;
use crate::api::{Event, Severity};
use crate::base::ids::{NextHopId, PortId};
use crate::base::rcu::Publisher;
use crate::base::time::{Duration, Instant};
use crate::config::Config;
use crate::control::recording::Recorded;
use crate::control::{Action, AttachedPort, ControlOptions, Input, Legacy, Plane, Testament};
use crate::daemon::clock::{Clock, entropy};
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::ending::{Due, Ending};
use crate::daemon::lifeline::Lifeline;
use crate::daemon::mailbox::{Mailbox, Post};
use crate::daemon::messages::{HostAddresses, ToControl, ToHost};
use crate::daemon::punctuality::{Punctuality, Verdict};
use crate::daemon::recorder::Recorder;
use crate::daemon::turns::Turns;
use crate::daemon::worker::{Admission, WorkerLinks};
use crate::dataplane::bfd::{Order, REPORT_RING_MAX, Report, owner};
use crate::dataplane::overlay::EVENT_RING_MAX;
use crate::dataplane::punt::CONTROL_RING_COUNT;
use crate::dataplane::{Injected, MacTable, OverlayEvent, PuntClass, Punted, Ring};
use crate::fib::Forwarding;
use crate::os::poller::{Events, Poller};
use crate::packet::{PacketAlloc, PacketBuf};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// Packets taken from each ring of each worker before messages and timers are looked at again.
pub const PUNTS_PER_SLICE: usize = 64;
/// Slices taken before a timer expires: what a full ring holds.
const SLICES_BEFORE_TIMERS_MAX: usize = 64;
/// How often workers are looked at while timers wait for them.
const HOLD_LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// Messages taken before packets and timers are looked at again.
const MESSAGES_PER_SLICE: usize = 64;
/// The time after which they are looked at, whatever messages wait: a configuration with thousands
/// of routes takes long, and hellos wait for none that follows it.
const SLICE_TIME_MAX: Duration = Duration::from_millis(2);
/// How often the use of next hops is told to neighbour discovery: a third of the shortest time
/// after which it asks (REACHABLE_TIME of RFC 4861 §10 is 30 s, its random minimum half of that).
const USE_REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// The first wait before retired snapshots are looked at again, and the longest.
const RECLAIM_WAIT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(250));
/// The least time between two worlds, so that whoever causes one change after another (a guest
/// with many addresses, a peer that flaps) cannot keep this thread busy with worlds. Liveness flags
/// and packets that waited for a neighbour do not wait for it.
const PUBLICATION_GAP: Duration = Duration::from_millis(2);
/// How much time other work gets, where there is any, for each time that a slice of a table took on
/// its way into a world.
const OTHER_WORK: u32 = 8;
/// The longest that a slice waits for other work.
const SLICE_WAIT_MAX: Duration = Duration::from_millis(100);
/// The first wait before a failed control plane is started again, and the longest.
const RESTART_WAIT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// What the control thread is made of.
pub struct ControlStart<B> {
    /// What it waits on.
    pub poller: Poller,
    /// Its messages.
    pub mailbox: Mailbox<ToControl>,
    /// To the host thread.
    pub host: Post<ToHost>,
    /// The workers.
    pub workers: Vec<WorkerLinks<B>>,
    /// The forwarding state.
    pub publisher: Publisher<Forwarding>,
    /// The clock.
    pub clock: Clock,
    /// What is counted.
    pub counters: Arc<DaemonCounters>,
    /// The pass of its thread.
    pub admission: Admission<B>,
    /// The MACs of tenants.
    pub macs: Arc<MacTable>,
    /// What workers tell of them.
    pub overlay_events: Arc<Ring<OverlayEvent>>,
    /// Held until it is told to end.
    pub lifeline: Lifeline,
    /// Where the life of the control plane is written down.
    pub recorder: Recorder,
}

/// What outlives a control plane that failed.
struct Estate<B> {
    start: ControlStart<B>,
    alloc: Box<dyn PacketAlloc<B>>,
    config: Option<Box<Config>>,
    ports: BTreeMap<PortId, AttachedPort>,
    testament: Testament,
    /// Questions that came between two control planes; at most as many as the mailbox holds.
    open_questions: Vec<Input>,
    /// Snapshots of control planes that are no more, not yet reclaimed.
    foreign_snapshots: usize,
    /// Addresses that the host thread could not take yet.
    unsent_addresses: Option<HostAddresses>,
    /// What the host thread shall do for BGP and could not take yet, in order.
    unsent_orders: VecDeque<ToHost>,
    reclaim_wait: Duration,
    reclaim_at: Instant,
    use_reported_at: Instant,
    use_counts: Vec<u64>,
    /// When the next world may be published.
    flush_at: Instant,
    /// When that is for the next slice of a table that comes in, while there is other work.
    slice_at: Instant,
    /// Whether messages or packets wait.
    is_busy: bool,
    /// How long the last step with an SPF run took.
    calculation: Duration,
    ending: Option<Ending>,
    punctuality: Punctuality,
    turns: Turns,
}

/// A message of which the estate has kept its part.
struct Noted {
    /// What it is to a control plane.
    input: Input,
    /// Who waits for it.
    done: Option<SyncSender<()>>,
}

/// Says that something is done; whoever waited in vain has gone on.
fn answer(done: Option<SyncSender<()>>) {
    if let Some(done) = done {
        let _ = done.try_send(());
    }
}

/// Runs the control thread with control planes of one kind until [`ToControl::Shutdown`]. Gives the
/// publisher back, which must outlive the workers.
pub fn run<B: PacketBuf, P: Plane>(mut start: ControlStart<B>) -> Publisher<Forwarding> {
    let pass = match (start.admission)() {
        Ok(pass) => pass,
        Err(error) => {
            start.lifeline.fail(error);
            return start.publisher;
        }
    };
    let now = start.clock.now();
    let mut estate = Estate::new(start, pass.alloc, now);
    let mut restart_wait = RESTART_WAIT.0;
    loop {
        let began = estate.start.clock.now();
        // What the control plane held is gone with it; the estate is whole between two of its
        // actions.
        let ended = catch_unwind(AssertUnwindSafe(|| estate.reign::<P>()));
        match ended {
            Ok(()) => break,
            Err(_) => {
                estate.mourn();
                let lasted = estate.start.clock.now() - began;
                restart_wait = match lasted > RESTART_WAIT.1 * 10 {
                    true => RESTART_WAIT.0,
                    false => (restart_wait * 2).min(RESTART_WAIT.1),
                };
                estate.await_heir(restart_wait);
            }
        }
    }
    let Estate { mut start, alloc, turns, .. } = estate;
    turns.tell();
    start.lifeline.let_go();
    drop(alloc);
    drop(pass.proof);
    start.publisher
}

impl<B: PacketBuf> Estate<B> {
    fn new(start: ControlStart<B>, alloc: Box<dyn PacketAlloc<B>>, now: Instant) -> Self {
        Self {
            start,
            alloc,
            config: None,
            ports: BTreeMap::new(),
            testament: Testament::default(),
            open_questions: Vec::new(),
            foreign_snapshots: 1,
            unsent_addresses: None,
            unsent_orders: VecDeque::new(),
            reclaim_wait: RECLAIM_WAIT.0,
            reclaim_at: now,
            use_reported_at: now,
            use_counts: Vec::new(),
            flush_at: now,
            slice_at: now,
            is_busy: false,
            calculation: Duration::ZERO,
            ending: None,
            punctuality: Punctuality::default(),
            turns: Turns::default(),
        }
    }

    /// Drives one control plane from its start to the end of the router.
    fn reign<P: Plane>(&mut self) {
        let options = ControlOptions { seed: entropy() };
        let mut plane = Recorded::<P, Recorder>::begin(options, self.start.recorder.clone());
        self.teach(&mut plane);
        let mut events = Events::new();
        loop {
            let began = self.start.clock.now();
            self.is_busy = self.take_messages(&mut plane);
            self.take_reports(&mut plane);
            self.take_overlay_events(&mut plane);
            self.is_busy |= self.take_punts(&mut plane);
            self.expire_timers(&mut plane);
            let now = self.start.clock.now();
            self.report_use(now, &mut plane);
            self.reclaim(now, &mut plane);
            self.flush(now, &mut plane);
            self.resend_addresses();
            self.resend_orders();
            if self.has_ended(now, &mut plane) {
                return;
            }
            self.turns.note(self.start.clock.now() - began);
            if !self.is_busy {
                self.sleep(&plane, &mut events);
            }
        }
    }

    /// Tells a new control plane what its predecessor left, where there was one.
    fn teach<P: Plane>(&mut self, plane: &mut P) {
        let now = self.start.clock.now();
        if let Some(config) = self.config.clone() {
            let ports = self.ports.values().cloned().collect();
            let world = self.start.publisher.current();
            let legacy = Legacy::new(config, ports, self.testament.clone(), world);
            plane.handle(now, Input::Inherit(Box::new(legacy)));
            self.carry_out(plane);
        }
        for question in core::mem::take(&mut self.open_questions) {
            plane.handle(now, question);
            self.carry_out(plane);
        }
        if self.ending.as_ref().is_some_and(Ending::is_leaving) {
            plane.handle(now, Input::Shutdown);
            self.carry_out(plane);
        }
        self.flush_at = now;
    }

    /// Takes the next step of an end that was asked for; says whether it was the last.
    fn has_ended<P: Plane>(&mut self, now: Instant, plane: &mut P) -> bool {
        let transit = self.transit();
        let has_neighbors = plane.full_count() > 0;
        let due = self.ending.as_mut().map(|ending| ending.look(now, transit, has_neighbors));
        if due == Some(Due::GoodBye) {
            plane.handle(now, Input::Shutdown);
            self.carry_out(plane);
        }
        due == Some(Due::End)
    }

    /// Packets that passed through so far.
    fn transit(&self) -> u64 {
        self.start.workers.iter().map(|worker| worker.counters.transit.get()).sum()
    }

    fn mourn(&mut self) {
        let now = self.start.clock.now();
        self.start.counters.count(DaemonCounter::ControlPanic);
        if let Some(config) = &self.config {
            self.testament.begin_grace(now, config);
        }
        // Everything published so far numbers its next hops as the lost RIB did.
        self.foreign_snapshots = self.start.publisher.pending() + 1;
        self.unsent_orders = VecDeque::from([ToHost::BgpForget]);
        self.resend_orders();
        self.send_event(Event {
            at: now,
            severity: Severity::Error,
            topic: "daemon.control".to_owned(),
            text: "the control plane failed and starts again; what it forwarded is forwarded on, \
                   and neighbours are asked to go on meanwhile"
                .to_owned(),
            fields: Vec::new(),
        });
    }

    /// The time between two control planes. What is told meanwhile is kept for the next one; lost
    /// carrier cannot wait for it, so the next hops behind it die in the world that is read.
    fn await_heir(&mut self, span: Duration) {
        let until = self.start.clock.now() + span;
        let mut events = Events::new();
        loop {
            while let Some(message) = self.start.mailbox.take() {
                let Some(Noted { input, done }) = self.note(message) else { continue };
                match input {
                    Input::Carrier { port, is_up: false } | Input::PortDetached(port) => {
                        self.cut_off(port);
                    }
                    question @ Input::Query { .. } => self.open_questions.push(question),
                    _ => {}
                }
                answer(done);
            }
            self.resend_orders();
            let now = self.start.clock.now();
            if now >= until || self.ending.is_some() {
                return;
            }
            if self.start.poller.wait(Some(until - now), &mut events).is_err() {
                std::thread::sleep(until - now);
            }
        }
    }

    /// Marks the next hops on a port as dead.
    fn cut_off(&self, port: PortId) {
        let world = self.start.publisher.current();
        let numbered = (0..).map(NextHopId).zip(world.next_hops.iter());
        for (number, _) in numbered.filter(|(_, next_hop)| next_hop.port == port) {
            world.liveness.set(number, false);
        }
    }

    /// Keeps of a message what outlives a control plane; what it means to one, if anything.
    fn note(&mut self, message: ToControl) -> Option<Noted> {
        let mut waiting = None;
        let input = match message {
            ToControl::Configure(config) => {
                self.config = Some(config.clone());
                Input::Configure(config)
            }
            ToControl::Attach(port) => {
                self.ports.insert(port.port, (*port).clone());
                Input::PortAttached(port)
            }
            ToControl::Detach { port, done } => {
                self.ports.remove(&port);
                waiting = Some(done);
                Input::PortDetached(port)
            }
            ToControl::Carrier { port, is_up } => {
                self.ports.get_mut(&port)?.is_up = is_up;
                Input::Carrier { port, is_up }
            }
            ToControl::Bgp(report) => Input::Bgp(Box::new(report)),
            ToControl::Query { id, query, after } => Input::Query { id, query, after },
            ToControl::ClearBgp { id, asked } => Input::ClearBgp { id, asked },
            ToControl::ClearTenant { id, name } => Input::ClearTenant { id, name },
            ToControl::Drain { is_drained } => {
                self.testament.is_drained = is_drained;
                Input::Drain { is_drained }
            }
            ToControl::Fail => return None,
            ToControl::Shutdown => {
                let (now, transit) = (self.start.clock.now(), self.transit());
                self.ending.get_or_insert(Ending::begin(now, transit));
                self.testament.is_drained = true;
                Input::Drain { is_drained: true }
            }
        };
        Some(Noted { input, done: waiting })
    }

    fn take_messages<P: Plane>(&mut self, plane: &mut P) -> bool {
        let until = self.start.clock.now() + SLICE_TIME_MAX;
        for _ in 0..MESSAGES_PER_SLICE {
            let Some(message) = self.start.mailbox.take() else { return false };
            assert!(!matches!(message, ToControl::Fail), "asked to fail, to see what then happens");
            let Some(Noted { input, done }) = self.note(message) else { continue };
            plane.handle(self.start.clock.now(), input);
            self.carry_out(plane);
            answer(done);
            if self.start.clock.now() >= until {
                break;
            }
        }
        true
    }

    /// What BFD sessions say, before any packet: a neighbour that they lost is lost already. The
    /// rings hold as much as sessions have to say in some seconds.
    fn take_reports<P: Plane>(&mut self, plane: &mut P) {
        for worker in 0..self.start.workers.len() {
            for _ in 0..REPORT_RING_MAX {
                let links = self.start.workers.get(worker);
                let Some(report) = links.and_then(|links| links.bfd.reports.pop()) else { break };
                let now = self.start.clock.now();
                self.timed(plane, |plane| plane.handle(now, Input::Bfd(Box::new(report))));
                self.carry_out(plane);
            }
        }
    }

    /// What workers say of MACs of tenants; never more than one a worker and second for each MAC
    /// that moves, and the ring bounds those.
    fn take_overlay_events<P: Plane>(&mut self, plane: &mut P) {
        for _ in 0..EVENT_RING_MAX {
            let Some(event) = self.start.overlay_events.pop() else { break };
            let OverlayEvent::MacMoves { mac, from, to, .. } = event;
            plane.handle(self.start.clock.now(), Input::MacMoves { mac, from, to });
            self.carry_out(plane);
        }
    }

    /// A slice of what the workers sent up. A ring that has more does not keep the others waiting.
    fn take_punts<P: Plane>(&mut self, plane: &mut P) -> bool {
        let mut is_busy = false;
        for place in 0..CONTROL_RING_COUNT {
            for worker in 0..self.start.workers.len() {
                is_busy |= self.take_slice(plane, worker, place);
            }
        }
        is_busy
    }

    /// Empties one ring of one worker, as far as a slice goes; says whether there may be more.
    fn take_slice<P: Plane>(&mut self, plane: &mut P, worker: usize, place: usize) -> bool {
        for _ in 0..PUNTS_PER_SLICE {
            let links = self.start.workers.get(worker);
            let ring = links.and_then(|links| links.punts.of_control().get(place).copied());
            let Some(punted) = ring.and_then(Ring::pop) else { return false };
            if let Some(input) = input_of(&punted) {
                drop(punted);
                let now = self.start.clock.now();
                self.timed(plane, |plane| plane.handle(now, input));
                self.carry_out(plane);
            }
        }
        true
    }

    /// Lets timers expire that are due, after everything that had come before: a hello that waits
    /// in a ring says more of a neighbour than a clock that this thread read too late.
    fn expire_timers<P: Plane>(&mut self, plane: &mut P) {
        let now = self.start.clock.now();
        let loops = self.start.workers.iter().map(|worker| worker.counters.loops.get());
        self.punctuality.look(now, loops);
        let Some(due) = plane.next_deadline().filter(|due| *due <= now) else { return };
        match self.punctuality.judge(now, due) {
            Verdict::Judge => {}
            Verdict::Hold => {
                self.start.counters.count(DaemonCounter::TimersHeld);
                return self.start.workers.iter().for_each(WorkerLinks::wake);
            }
            Verdict::Wait => return,
        }
        for _ in 0..SLICES_BEFORE_TIMERS_MAX {
            if !self.take_punts(plane) {
                break;
            }
        }
        let now = self.start.clock.now();
        self.timed(plane, |plane| plane.handle_timeout(now));
        self.carry_out(plane);
    }

    /// Lets the control plane work, and notes how long a step took in which routes were calculated:
    /// the control plane itself has no clock.
    fn timed<P: Plane>(&mut self, plane: &mut P, work: impl FnOnce(&mut P)) {
        let runs = plane.calculation_count();
        let began = self.start.clock.now();
        work(plane);
        if plane.calculation_count() != runs {
            self.calculation = self.start.clock.now() - began;
        }
    }

    fn carry_out<P: Plane>(&mut self, plane: &mut P) {
        while let Some(action) = plane.poll_action() {
            match action {
                Action::SendFrame { port, bytes } => {
                    if let Some(packet) = self.buffer(&bytes) {
                        self.inject(usize::from(port.0), Injected::Frame { port, packet });
                    }
                }
                Action::Forward { packet } => {
                    if let Some(packet) = self.buffer(&packet) {
                        self.inject(0, Injected::Packet { packet });
                    }
                }
                Action::Publish(world) => {
                    self.start.publisher.publish(world);
                    self.reclaim_wait = RECLAIM_WAIT.0;
                    self.reclaim_at = self.start.clock.now();
                }
                Action::FlushMacs(member) => self.start.macs.flush(member),
                Action::HostAddresses { addresses, prefixes } => {
                    self.unsent_addresses = Some(HostAddresses { addresses, prefixes });
                    self.resend_addresses();
                }
                Action::HostLinks(links) => {
                    self.unsent_orders.push_back(ToHost::Links(links));
                    self.resend_orders();
                }
                Action::Bfd(order) => self.order(order),
                Action::Bgp(order) => {
                    self.unsent_orders.push_back(ToHost::Bgp(order));
                    self.resend_orders();
                }
                // Ports receive every group (`dpdk::port` turns the filter off when it opens one).
                Action::JoinMulticast { .. } => {}
                Action::Reply { id, mut reply, rest } => {
                    if let ShowReply::OspfSpf(row) = &mut *reply {
                        row.last_duration_us =
                            u64::try_from(self.calculation.as_micros()).unwrap_or(u64::MAX);
                    }
                    if self.start.host.send(ToHost::Reply { id, reply, rest }).is_err() {
                        self.start.counters.count(DaemonCounter::ReplyLost);
                    }
                }
                Action::Event(event) => self.send_event(event),
            }
        }
        self.testament = plane.testament();
        self.start.workers.iter().for_each(WorkerLinks::finish);
    }

    /// The end of a slice: what it changed becomes one world.
    fn flush<P: Plane>(&mut self, now: Instant, plane: &mut P) {
        if !plane.is_dirty() || now < self.due_flush(plane) {
            return;
        }
        let was_behind = plane.is_only_behind();
        plane.handle(now, Input::Flush);
        self.carry_out(plane);
        let done = self.start.clock.now();
        // What is left of a table after a slice is not another change: without other work there is
        // nothing to wait for.
        let is_behind = plane.is_dirty() && plane.is_only_behind();
        self.flush_at = if is_behind { done } else { done + PUBLICATION_GAP };
        if was_behind {
            let wait = ((done - now) * OTHER_WORK).clamp(PUBLICATION_GAP, SLICE_WAIT_MAX);
            self.slice_at = done + wait;
        }
    }

    /// When the next world is due, where there is anything for it. The next slice of a table that
    /// comes in waits longer, as long as there is other work: the table itself, mostly, of which
    /// the same parts would be built again and again.
    fn due_flush<P: Plane>(&self, plane: &P) -> Instant {
        let is_working =
            self.is_busy || plane.next_deadline().is_some_and(|at| at <= self.start.clock.now());
        if is_working && plane.is_only_behind() { self.slice_at } else { self.flush_at }
    }

    fn send_event(&self, event: Event) {
        if self.start.host.send(ToHost::Event(Box::new(event))).is_err() {
            self.start.counters.count(DaemonCounter::EventLost);
        }
    }

    fn resend_addresses(&mut self) {
        if let Some(addresses) = self.unsent_addresses.take()
            && let Err(ToHost::Addresses(addresses)) =
                self.start.host.send(ToHost::Addresses(addresses))
        {
            self.unsent_addresses = Some(addresses);
        }
    }

    /// In their order; what the speaker says is bounded by what was told to have gone.
    fn resend_orders(&mut self) {
        while let Some(order) = self.unsent_orders.pop_front() {
            if let Err(order) = self.start.host.send(order) {
                return self.unsent_orders.push_front(order);
            }
        }
    }

    fn buffer(&mut self, bytes: &[u8]) -> Option<B> {
        let Some(mut packet) = self.alloc.alloc() else {
            self.start.counters.count(DaemonCounter::InjectNoBuffer);
            return None;
        };
        if packet.append(bytes).is_err() {
            self.start.counters.count(DaemonCounter::InjectTooLong);
            return None;
        }
        Some(packet)
    }

    /// Every worker has a transmit queue of every port; ports are spread over workers.
    fn inject(&self, number: usize, packet: Injected<B>) {
        let count = self.start.workers.len().max(1);
        let taken = self.start.workers.get(number % count).map(|worker| worker.inject(packet));
        if !matches!(taken, Some(Ok(()))) {
            self.start.counters.count(DaemonCounter::InjectRingFull);
        }
    }

    /// Hands an order to the worker whose sessions it is about.
    fn order(&self, order: Order) {
        let owner = order.port().map(|port| owner(port, self.start.workers.len()));
        for (place, worker) in self.start.workers.iter().enumerate() {
            if owner.is_none_or(|owner| owner == place) && !worker.order(order) {
                self.start.counters.count(DaemonCounter::BfdOrderLost);
            }
        }
    }

    /// RFC 4861 §7.3.3: neighbours are probed only while packets are sent to them.
    fn report_use<P: Plane>(&mut self, now: Instant, plane: &mut P) {
        if now - self.use_reported_at < USE_REPORT_INTERVAL {
            return;
        }
        self.use_reported_at = now;
        let next_hops = Arc::clone(&self.start.publisher.current().next_hops);
        self.use_counts.resize(next_hops.len(), 0);
        for (index, next_hop) in next_hops.iter().enumerate() {
            let Ok(number) = u16::try_from(index) else { break };
            let count =
                |worker: &WorkerLinks<B>| worker.counters.next_hop_packets(NextHopId(number));
            let sum: u64 = self.start.workers.iter().map(count).sum();
            let Some(before) = self.use_counts.get_mut(index) else { break };
            if core::mem::replace(before, sum) != sum {
                let (port, address) = (next_hop.port, next_hop.address);
                plane.handle(now, Input::NeighborUsed { port, address });
                self.carry_out(plane);
            }
        }
    }

    fn reclaim<P: Plane>(&mut self, now: Instant, plane: &mut P) {
        if self.start.publisher.pending() == 0 || now < self.reclaim_at {
            return;
        }
        let freed = self.start.publisher.reclaim();
        self.reclaim_at = now + self.reclaim_wait;
        self.reclaim_wait = (self.reclaim_wait * 2).min(RECLAIM_WAIT.1);
        if freed == 0 {
            return;
        }
        self.foreign_snapshots = self.foreign_snapshots.saturating_sub(freed);
        if self.foreign_snapshots == 0 {
            let epoch = self.start.publisher.oldest().epoch;
            plane.handle(now, Input::Reclaimed { epoch });
            self.carry_out(plane);
        }
    }

    /// The rings that end its sleep: those of packets …
    fn rings(&self) -> impl Iterator<Item = &Ring<Punted<B>>> {
        self.start.workers.iter().flat_map(|worker| worker.punts.of_control())
    }

    /// … and those of BFD sessions.
    fn report_rings(&self) -> impl Iterator<Item = &Ring<Report>> {
        self.start.workers.iter().map(|worker| &*worker.bfd.reports)
    }

    fn sleep<P: Plane>(&self, plane: &P, events: &mut Events) {
        let now = self.start.clock.now();
        let pending = self.start.publisher.pending() > 0;
        let timers = match self.punctuality.is_holding() {
            true => Some(now + HOLD_LOOK_INTERVAL),
            false => plane.next_deadline(),
        };
        let deadline = [
            timers,
            plane.is_dirty().then(|| self.due_flush(plane)),
            pending.then_some(self.reclaim_at),
            self.ending.as_ref().map(|ending| ending.next_look(now)),
            self.unsent_addresses.is_some().then_some(now + RECLAIM_WAIT.0),
            (!self.unsent_orders.is_empty()).then_some(now + RECLAIM_WAIT.0),
            Some(self.use_reported_at + USE_REPORT_INTERVAL),
        ];
        let deadline = deadline.into_iter().flatten().min();
        let mut timeout = deadline.map(|deadline| deadline - now);
        let are_empty = [
            self.rings().all(Ring::announce_sleep),
            self.report_rings().all(Ring::announce_sleep),
            self.start.overlay_events.announce_sleep(),
        ];
        if are_empty.contains(&false) {
            timeout = Some(Duration::ZERO);
        }
        if let Err(error) = self.start.poller.wait(timeout, events) {
            tracing::error!(topic = "daemon.control", "cannot wait: {error}");
            std::thread::sleep(RECLAIM_WAIT.0);
        }
        self.rings().for_each(Ring::announce_awake);
        self.report_rings().for_each(Ring::announce_awake);
        self.start.overlay_events.announce_awake();
    }
}

/// What a punted packet means to the control plane.
fn input_of<B: PacketBuf>(punted: &Punted<B>) -> Option<Input> {
    let mut bytes = Vec::with_capacity(usize::try_from(punted.packet.len()).unwrap_or(0));
    punted.packet.copy_to(&mut bytes);
    match punted.class {
        PuntClass::Ospf | PuntClass::Nd => Some(Input::Frame { port: punted.port, bytes }),
        PuntClass::Unresolved => {
            Some(Input::Unresolved { port: punted.port, address: punted.neighbor, packet: bytes })
        }
        // No control connection is spoken: what it says ends here, counted as punted.
        PuntClass::L2tp => None,
        // These go to the host thread.
        PuntClass::Host => None,
    }
}

#[cfg(test)]
mod tests;
