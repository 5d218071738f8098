//! The world: virtual time, one queue of events, who hears of what.
//!
//! Owns [`World`]: routers, links, the queue, and the order in which things happen. Events are
//! handled by time, then by the order in which they were made. What routers do is theirs.
//!
//! *Invariants*: time never runs backwards. Every part that leaves things to chance has a generator
//! of its own, so that a frame more on one link moves nothing on another. A frame arrives only in
//! the life of the link and of the router that it was sent to.

use crate::base::ids::PortId;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::config::Config;
use crate::control::{AttachedPort, ControlPlane, Input};
use crate::sim::clock::Clock;
use crate::sim::edges::Filter;
use crate::sim::exits::Exits;
use crate::sim::faults::{Death, Fault};
use crate::sim::link::{Direction, End, Link};
use crate::sim::node::{Control, Node, Sent};
use crate::sim::oracle::{Hop, Map};
use crate::sim::plan::WorldSetup;
use crate::sim::probes::Probes;
use crate::sim::queue::Queue;
use crate::sim::trace::Trace;
use crate::sim::traffic::{FrameKind, TrafficCounts};
use core::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// The longest time until an end notices that carrier came or went.
pub const CARRIER_DELAY_MAX: Duration = Duration::from_millis(5);
/// How often a node keeps house. The daemon reports the use of neighbours every five seconds and
/// gives numbers back as soon as it can; once a second does both here.
pub const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(1000);
/// How long a router that is to stop asks others to send around it. The daemon's does so until
/// nothing has passed through it for a tenth of a second, 300 to 2000 ms; the time here is fixed,
/// whatever passes.
pub const STOP_DRAIN: Duration = Duration::from_millis(500);
/// How long it runs after its good-bye, as the daemon's does.
pub const STOP_LINGER: Duration = Duration::from_millis(100);
/// Wake-ups of one router at one instant. More is a deadline that never moves.
pub const WAKES_AT_ONCE_MAX: u32 = 1000;
/// What routers said that is kept.
pub const SAYINGS_MAX: usize = 10_000;

/// Something that will happen.
#[derive(Debug)]
enum Event {
    /// A router starts, when it does not run.
    Start { router: usize },
    /// A frame arrives, in the life of the link in which it was sent.
    Arrive { link: usize, direction: Direction, cut_count: u64, bytes: Vec<u8> },
    /// A router wanted to be woken.
    Wake { router: usize },
    /// A router looks at the carrier of a port.
    Carrier { end: End },
    /// A router, in this life of its, keeps house.
    KeepHouse { router: usize, life: u32 },
    /// A router that was stopped, in this life of its, says good-bye.
    Leave { router: usize, life: u32 },
    /// A router that was stopped, in this life of its, ends.
    End { router: usize, life: u32 },
    /// Something goes wrong.
    Fault(Fault),
    /// A packet between each pair that is probed.
    Probe,
}

/// What a router said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// When.
    pub at: Instant,
    /// Who.
    pub router: usize,
    /// `topic.what`.
    pub topic: String,
    /// A sentence.
    pub text: String,
}

/// What routers did so far, dead ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Worlds published.
    pub publications: u64,
    /// Calculations of routes.
    pub calculations: u64,
    /// Packets for hosts that found no room.
    pub host_overflow: u64,
}

impl Work {
    fn add<C: Control>(&mut self, node: &Node<C>) {
        self.publications += node.publications;
        self.calculations += node.calculations();
        self.host_overflow += node.host_overflow;
    }
}

/// A place for a router; it may be empty.
struct Slot<C> {
    node: Option<Node<C>>,
    has_power: bool,
    life: u32,
    clock: Clock,
    prng: Prng,
    wakes_at: Option<Instant>,
    wakes_at_once: u32,
    /// Worlds that it has published in this life.
    publications: u64,
    /// What it refused in earlier lives because a table was full.
    earlier_refusals: u64,
    /// Link of each port that has one.
    links: BTreeMap<PortId, usize>,
    /// Carrier as the router was told.
    carrier: BTreeMap<PortId, bool>,
    /// Ports that it closed.
    detached: BTreeSet<PortId>,
    /// Whether it said good-bye.
    is_stopping: bool,
    /// What it lets into the cluster, if it is an edge.
    filter: Filter,
}

/// A simulated cluster; one per run.
pub struct World<C = ControlPlane> {
    setup: WorldSetup,
    now: Instant,
    queue: Queue<Event>,
    /// Frames on their way, by link.
    flying: Vec<i64>,
    slots: Vec<Slot<C>>,
    links: Vec<Link>,
    link_prngs: Vec<Prng>,
    prng: Prng,
    trace: Trace,
    traffic: TrafficCounts,
    sayings: VecDeque<Saying>,
    lan_frames: u64,
    lost_track: u64,
    of_the_dead: Work,
    event_count: u64,
    first_start: Option<Instant>,
    last_publication: Instant,
    /// What works at this moment, drawn when first asked for.
    map: OnceCell<Rc<Map>>,
    exits: OnceCell<Rc<Exits>>,
    probes: Probes,
    /// What packets are owed.
    held: probing::Held,
}

impl<C: Control> World<C> {
    /// A world in which every router is about to start.
    pub fn new(setup: WorldSetup) -> Self {
        let mut prng = Prng::new(setup.seed);
        let links = setup.links(&mut prng.fork());
        let slots = (0..setup.topology.server_count() + setup.edges().provider_count())
            .map(|router| Slot {
                node: None,
                has_power: true,
                life: 0,
                clock: setup.clock(&mut prng),
                prng: prng.fork(),
                wakes_at: None,
                wakes_at_once: 0,
                publications: 0,
                earlier_refusals: 0,
                links: ports_of(router, &links),
                carrier: BTreeMap::new(),
                detached: BTreeSet::new(),
                is_stopping: false,
                filter: Filter::Open,
            })
            .collect();
        let link_prngs = links.iter().map(|_| prng.fork()).collect();
        let mut world = Self {
            now: Instant::ZERO,
            queue: Queue::default(),
            flying: vec![0; links.len()],
            slots,
            links,
            link_prngs,
            prng,
            trace: Trace::default(),
            traffic: TrafficCounts::default(),
            sayings: VecDeque::new(),
            lan_frames: 0,
            lost_track: 0,
            of_the_dead: Work::default(),
            event_count: 0,
            first_start: None,
            last_publication: Instant::ZERO,
            map: OnceCell::new(),
            exits: OnceCell::new(),
            probes: Probes::default(),
            held: probing::Held::default(),
            setup,
        };
        for router in 0..world.slots.len() {
            let delay = world.prng.between(Duration::ZERO, world.setup.start_spread);
            world.push(world.now + delay, Event::Start { router });
        }
        world
    }

    /// What it is made of.
    pub const fn setup(&self) -> &WorldSetup {
        &self.setup
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// How many routers there are places for in the cluster.
    pub fn router_count(&self) -> usize {
        self.setup.topology.server_count()
    }

    /// The same with the providers, who stand behind the cluster.
    pub const fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// A router, where it runs.
    pub fn node(&self, router: usize) -> Option<&Node<C>> {
        self.slots.get(router)?.node.as_ref()
    }

    /// Whether a router has ever run; it may be dead again.
    pub fn has_started(&self, router: usize) -> bool {
        self.slots.get(router).is_some_and(|slot| slot.life > 0)
    }

    /// The links.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The link between two routers.
    pub fn link_between(&self, a: usize, b: usize) -> Option<usize> {
        self.links.iter().position(|link| {
            let [one, other] = link.ends.map(|end| end.router);
            (one, other) == (a, b) || (one, other) == (b, a)
        })
    }

    /// The other end of the cable of a fabric port.
    pub fn peer(&self, end: End) -> Option<End> {
        let link = self.links.get(*self.slots.get(end.router)?.links.get(&end.port)?)?;
        Some(link.target(link.direction_from(end)?))
    }

    /// What happened.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What went over the links.
    pub const fn traffic(&self) -> &TrafficCounts {
        &self.traffic
    }

    /// What the routers said, oldest first.
    pub fn sayings(&self) -> impl Iterator<Item = &Saying> {
        self.sayings.iter()
    }

    /// Frames sent by LAN ports.
    pub const fn lan_frames(&self) -> u64 {
        self.lan_frames
    }

    /// Packets that killed routers did not account for.
    pub const fn lost_track(&self) -> u64 {
        self.lost_track
    }

    /// Frames on their way on each link.
    pub fn flying(&self) -> &[i64] {
        &self.flying
    }

    /// What the routers did so far.
    pub fn work(&self) -> Work {
        let mut work = self.of_the_dead;
        self.slots.iter().filter_map(|slot| slot.node.as_ref()).for_each(|node| work.add(node));
        work
    }

    /// What a router refused because a table was full, in all its lives.
    pub fn refusals(&self, router: usize) -> u64 {
        let Some(slot) = self.slots.get(router) else { return 0 };
        slot.earlier_refusals + slot.node.as_ref().map_or(0, Node::refusals)
    }

    /// When the first router started.
    pub const fn first_start(&self) -> Option<Instant> {
        self.first_start
    }

    /// Events handled so far.
    pub const fn event_count(&self) -> u64 {
        self.event_count
    }

    /// When a router last published a world.
    pub const fn last_publication(&self) -> Instant {
        self.last_publication
    }

    /// The packets that are followed.
    pub const fn probes(&self) -> &Probes {
        &self.probes
    }

    /// What works at this moment.
    pub fn map(&self) -> Rc<Map> {
        Rc::clone(self.map.get_or_init(|| Rc::new(self.draw_map())))
    }

    /// Links between routers of the cluster; those behind them are uplinks.
    pub fn cable_count(&self) -> usize {
        self.setup.topology.cables().len()
    }

    fn redraw(&mut self) {
        self.map = OnceCell::new();
        self.exits = OnceCell::new();
    }

    fn is_usable(&self, link: &Link) -> bool {
        let runs = |end: &End| {
            let slot = &self.slots[end.router];
            slot.node.is_some() && !slot.is_stopping && !slot.detached.contains(&end.port)
        };
        link.is_usable() && link.ends.iter().all(runs)
    }

    fn draw_map(&self) -> Map {
        let cables = self.links.iter().take(self.cable_count());
        let usable = cables.filter(|link| self.is_usable(link));
        let hops = usable.flat_map(|link| {
            Direction::ALL.map(|direction| {
                let (from, to) = (link.ends[direction.index()], link.target(direction));
                Hop {
                    from: from.router,
                    port: from.port,
                    to: to.router,
                    to_port: to.port,
                    cost: link.costs[direction.index()],
                }
            })
        });
        Map::new(self.router_count(), hops.collect())
    }

    /// Whether nothing is broken: all routers run with all their ports, and cables lose nothing.
    pub fn is_whole(&self) -> bool {
        let runs =
            |slot: &Slot<C>| slot.node.is_some() && !slot.is_stopping && slot.detached.is_empty();
        let works = |link: &Link| {
            link.is_usable() && link.quality.loss_ppm == 0 && link.quality.corruption_ppm == 0
        };
        self.slots.iter().all(runs) && self.links.iter().all(works)
    }

    /// Lets a fault happen at some time.
    pub fn schedule(&mut self, at: Instant, fault: Fault) {
        self.push(at.max(self.now), Event::Fault(fault));
    }

    /// Lets a fault happen now.
    pub fn apply(&mut self, fault: Fault) {
        self.trace.say(self.now, format!("{fault:?}"));
        self.redraw();
        match fault {
            Fault::Cut { link } => {
                self.links[link].cut();
                self.announce_carrier(link);
            }
            Fault::Silence { link, direction } => {
                let directions = Direction::ALL.into_iter();
                directions
                    .filter(|other| direction.is_none_or(|only| only == *other))
                    .for_each(|direction| self.links[link].silence(direction));
            }
            Fault::Heal { link } => {
                self.links[link].heal();
                self.announce_carrier(link);
            }
            Fault::Degrade { link, quality } => self.links[link].quality = quality,
            Fault::Kill { router, death } => self.kill(router, death),
            Fault::Restart { router } => self.start(router),
            Fault::Stop { router } => self.stop(router),
            Fault::Detach { link, end } => {
                let (now, end) = (self.now, self.links[link].ends[end.index()]);
                if self.slots[end.router].detached.insert(end.port) {
                    let input = Input::PortDetached(end.port);
                    self.with_node(end.router, |node| node.input(now, input));
                }
            }
            Fault::Attach { link, end } => {
                let end = self.links[link].ends[end.index()];
                if self.slots[end.router].detached.remove(&end.port) {
                    let (_, attached) = self.describe(end.router);
                    self.attach(end.router, attached.into_iter().filter(|a| a.port == end.port));
                }
            }
            Fault::Reconfigure { router, cost } => self.reconfigure(router, cost),
            Fault::Crash { router } => self.crash(router),
            Fault::Refilter { router, filter } => self.refilter(router, filter),
        }
        self.notice_parts();
    }

    /// Runs until `end`.
    pub fn run_until(&mut self, end: Instant) {
        while let Some((at, sequence, event)) = self.queue.pop_until(end) {
            self.now = at;
            self.event_count += 1;
            self.trace.note(at, sequence, &[]);
            self.happen(event);
        }
        self.now = self.now.max(end);
    }

    /// Runs for a while.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Lets an administrator or a driver do something to a router.
    pub fn input(&mut self, router: usize, input: Input) {
        let now = self.now;
        self.with_node(router, |node| node.input(now, input));
    }

    /// Lets the kernel of a router's host send an IPv6 packet.
    pub fn send_from_host(&mut self, router: usize, packet: &[u8]) {
        let now = self.now;
        self.with_node(router, |node| node.send_from_host(now, packet));
    }

    /// Takes what came for the kernel of a router's host.
    pub fn take_host_packets(&mut self, router: usize) -> Vec<Vec<u8>> {
        let node = self.slots.get_mut(router).and_then(|slot| slot.node.as_mut());
        node.map(|node| node.host_packets.drain(..).collect()).unwrap_or_default()
    }

    fn push(&mut self, at: Instant, event: Event) {
        self.queue.push(at, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start { router } => self.start(router),
            Event::Arrive { link, direction, cut_count, bytes } => {
                self.flying[link] -= 1;
                self.arrive(link, direction, cut_count, &bytes);
            }
            Event::Wake { router } => self.wake(router),
            Event::Carrier { end } => self.look_at_carrier(end),
            Event::KeepHouse { router, life } => {
                let now = self.now;
                if self.slots[router].life == life && self.slots[router].node.is_some() {
                    self.push(now + HOUSEKEEPING_INTERVAL, Event::KeepHouse { router, life });
                    self.with_node(router, |node| node.keep_house(now));
                    self.forget_host_packets(router);
                }
            }
            Event::Leave { router, life } => {
                let now = self.now;
                if self.slots[router].life == life {
                    self.with_node(router, |node| node.input(now, Input::Shutdown));
                    self.push(now + STOP_LINGER, Event::End { router, life });
                }
            }
            Event::End { router, life } => {
                if self.slots[router].life == life {
                    self.kill(router, Death::Process);
                    self.notice_parts();
                }
            }
            Event::Fault(fault) => self.apply(fault),
            Event::Probe => self.send_probes(),
        }
    }

    fn start(&mut self, router: usize) {
        if self.slots[router].is_stopping {
            self.kill(router, Death::Process);
        }
        if self.slots[router].node.is_some() {
            return;
        }
        self.first_start.get_or_insert(self.now);
        let slot = &mut self.slots[router];
        slot.has_power = true;
        slot.detached.clear();
        slot.life += 1;
        slot.publications = 0;
        let (life, seed, clock) = (slot.life, slot.prng.next_u64(), slot.clock);
        let (config, attached) = self.describe(router);
        self.slots[router].carrier = attached.iter().map(|port| (port.port, port.is_up)).collect();
        self.trace.say(self.now, format!("{} starts", config.router.name));
        let host = self.host(router, (seed, clock), &config);
        let configure = Input::Configure(Box::new(config));
        let (node, sent) = Node::start(self.now, (seed, clock), host, configure, attached);
        self.slots[router].node = Some(node);
        self.redraw();
        self.push(self.now + HOUSEKEEPING_INTERVAL, Event::KeepHouse { router, life });
        let links: Vec<usize> = self.slots[router].links.values().copied().collect();
        for link in links {
            self.announce_carrier(link);
        }
        self.after(router, sent);
    }

    /// The configuration of a router and its ports, as they are now.
    fn describe(&self, router: usize) -> (Config, Vec<AttachedPort>) {
        let (links, edges) = (&self.slots[router].links, self.edges());
        let config = match edges.provider_at(router) {
            Some(provider) => edges.provider_config(provider),
            None => {
                let cables = links.iter().filter(|(_, link)| **link < self.cable_count());
                let costs = cables.map(|(port, link)| self.cost(router, *port, *link));
                let mut config = self.setup.config(router, &costs.collect::<Vec<u16>>());
                edges.add_to(&mut config, router, self.slots[router].filter);
                config
            }
        };
        let is_up = |port| !links.contains_key(&port) || self.has_carrier(End { router, port });
        let attached = WorldSetup::attached(router, &config, is_up);
        (config, attached)
    }

    /// What the daemon does on a signal: time to be left out of paths, the good-bye, time to hear
    /// it, the end.
    fn stop(&mut self, router: usize) {
        let (now, slot) = (self.now, &mut self.slots[router]);
        if slot.node.is_none() || core::mem::replace(&mut slot.is_stopping, true) {
            return;
        }
        let life = slot.life;
        self.with_node(router, |node| node.input(now, Input::Drain { is_drained: true }));
        self.push(now + STOP_DRAIN, Event::Leave { router, life });
    }

    fn attach(&mut self, router: usize, ports: impl Iterator<Item = AttachedPort>) {
        let now = self.now;
        for port in ports {
            self.slots[router].carrier.insert(port.port, port.is_up);
            let input = Input::PortAttached(Box::new(port));
            self.with_node(router, |node| node.input(now, input));
        }
    }

    /// What the daemon does with a configuration in which only settings of ports changed.
    fn reconfigure(&mut self, router: usize, cost: u16) {
        let now = self.now;
        for (port, link) in self.slots[router].links.clone() {
            let link = &mut self.links[link];
            if let Some(direction) = link.direction_from(End { router, port }) {
                link.costs[direction.index()] = cost;
            }
        }
        let (config, mut attached) = self.describe(router);
        attached.retain(|port| !self.slots[router].detached.contains(&port.port));
        let input = Input::Configure(Box::new(config));
        self.with_node(router, |node| node.input(now, input));
        self.attach(router, attached.into_iter());
    }

    /// The control plane of a router fails; its data plane does not notice.
    fn crash(&mut self, router: usize) {
        let (config, mut attached) = self.describe(router);
        let (now, slot) = (self.now, &mut self.slots[router]);
        if slot.is_stopping {
            return;
        }
        slot.carrier = attached.iter().map(|port| (port.port, port.is_up)).collect();
        attached.retain(|port| !slot.detached.contains(&port.port));
        let (seed, config) = (slot.prng.next_u64(), Box::new(config));
        self.with_node(router, |node| node.replace_control(now, seed, config, attached));
    }

    fn kill(&mut self, router: usize, death: Death) {
        let slot = &mut self.slots[router];
        let Some(node) = slot.node.take() else { return };
        slot.has_power = death == Death::Process;
        slot.is_stopping = false;
        slot.wakes_at = None;
        let counts = node.counts();
        self.lost_track += counts.came_in().abs_diff(counts.went_out());
        self.of_the_dead.add(&node);
        slot.earlier_refusals += node.refusals();
        let links: Vec<usize> = slot.links.values().copied().collect();
        self.redraw();
        for link in links {
            self.announce_carrier(link);
        }
    }

    fn cost(&self, router: usize, port: PortId, link: usize) -> u16 {
        let link = &self.links[link];
        let end = End { router, port };
        link.direction_from(end).map_or(0, |direction| link.costs[direction.index()])
    }

    /// Whether light reaches this end.
    fn has_carrier(&self, end: End) -> bool {
        let link = self.slots[end.router].links.get(&end.port).map(|link| &self.links[*link]);
        let peer = self.peer(end).map(|peer| &self.slots[peer.router]);
        link.is_some_and(|link| !link.is_cut()) && peer.is_some_and(|peer| peer.has_power)
    }

    /// Both ends of a link will look at their carrier, each in its own time.
    fn announce_carrier(&mut self, link: usize) {
        for end in self.links[link].ends {
            let delay = self.prng.between(Duration::ZERO, CARRIER_DELAY_MAX);
            self.push(self.now + delay, Event::Carrier { end });
        }
    }

    fn look_at_carrier(&mut self, end: End) {
        let is_up = self.has_carrier(end);
        let slot = &mut self.slots[end.router];
        if slot.node.is_none() || slot.carrier.insert(end.port, is_up) == Some(is_up) {
            return;
        }
        let now = self.now;
        let input = Input::Carrier { port: end.port, is_up };
        self.with_node(end.router, |node| node.input(now, input));
    }

    fn arrive(&mut self, link: usize, direction: Direction, cut_count: u64, bytes: &[u8]) {
        let now = self.now;
        let target = self.links[link].target(direction);
        let (is_lost, is_running) = {
            let link = &self.links[link];
            (link.is_cut() || link.cut_count() != cut_count, self.node(target.router).is_some())
        };
        let counts = &mut self.links[link].counts;
        match (is_lost, is_running) {
            (true, _) => {
                counts.lost_cut += 1;
                self.lose_frame(bytes, "link_cut");
            }
            (false, false) => {
                counts.lost_dead += 1;
                self.lose_frame(bytes, "router_dead");
            }
            (false, true) => {
                counts.delivered += 1;
                self.trace.note(now, target.router as u64, bytes);
                self.receive(target, bytes);
            }
        }
    }

    fn wake(&mut self, router: usize) {
        let now = self.now;
        let slot = &mut self.slots[router];
        // A wake-up of an earlier life or before a later one was asked for is stale.
        if slot.wakes_at != Some(now) {
            return;
        }
        slot.wakes_at = None;
        self.with_node(router, |node| node.wake(now));
    }

    /// Lets a running router do something, then takes what it sent.
    fn with_node(&mut self, router: usize, act: impl FnOnce(&mut Node<C>) -> Vec<Sent>) {
        if let Some(node) = self.slots[router].node.as_mut() {
            let sent = act(node);
            self.after(router, sent);
        }
    }

    fn after(&mut self, router: usize, sent: Vec<Sent>) {
        for Sent { port, bytes } in sent {
            match self.slots[router].links.get(&port) {
                Some(link) => self.put(*link, End { router, port }, bytes),
                None => self.leave(router, &bytes),
            }
        }
        self.listen(router);
        self.notice_publication(router);
        self.plan_wake(router);
    }

    fn notice_publication(&mut self, router: usize) {
        let slot = &mut self.slots[router];
        let Some(node) = &slot.node else { return };
        if core::mem::replace(&mut slot.publications, node.publications) != node.publications {
            self.last_publication = self.now;
            if self.probes.is_active() {
                self.look_for_loops(router);
            }
        }
    }

    fn put(&mut self, index: usize, from: End, bytes: Vec<u8>) {
        self.traffic.count(FrameKind::of(&bytes));
        let probe = self.probes.find(&bytes).map(|(number, _)| number);
        let link = &mut self.links[index];
        let Some(direction) = link.direction_from(from) else { return };
        let flights = link.carry(self.now, direction, bytes, &mut self.link_prngs[index]);
        let (cut_count, is_silent) = (link.cut_count(), link.is_silent(direction));
        if let Some(number) = probe {
            self.probes.left(number, flights.len());
            if flights.is_empty() {
                self.lose_probe(number, probing::cause_on(&self.links[index], is_silent));
            }
        }
        for flight in flights {
            let bytes = flight.bytes;
            self.flying[index] += 1;
            self.push(flight.arrives, Event::Arrive { link: index, direction, cut_count, bytes });
        }
    }

    fn listen(&mut self, router: usize) {
        let Some(node) = self.slots[router].node.as_mut() else { return };
        for (at, topic, text) in node.events.drain(..) {
            self.trace.say(at, format!("{} {topic}: {text}", self.setup.edges().name(router)));
            if self.sayings.len() == SAYINGS_MAX {
                self.sayings.pop_front();
            }
            self.sayings.push_back(Saying { at, router, topic, text });
        }
    }

    fn plan_wake(&mut self, router: usize) {
        let slot = &mut self.slots[router];
        let Some(deadline) = slot.node.as_ref().and_then(Node::next_deadline) else { return };
        if deadline > self.now {
            slot.wakes_at_once = 0;
        } else {
            slot.wakes_at_once += 1;
            let count = slot.wakes_at_once;
            assert!(
                count < WAKES_AT_ONCE_MAX,
                "s{:02}: its deadline stays at {deadline}",
                router + 1
            );
        }
        let at = deadline.max(self.now);
        if slot.wakes_at.is_none_or(|planned| at < planned) {
            slot.wakes_at = Some(at);
            self.push(at, Event::Wake { router });
        }
    }
}

fn ports_of(router: usize, links: &[Link]) -> BTreeMap<PortId, usize> {
    let ends = links.iter().enumerate().flat_map(|(link, one)| one.ends.map(|end| (end, link)));
    ends.filter(|(end, _)| end.router == router).map(|(end, link)| (end.port, link)).collect()
}

mod outward;
mod probing;
#[cfg(test)]
mod tests;
