//! Routers on cables in virtual time.

use crate::base::ids::{PortId, RouterId};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::proto::ospf::{
    Action, AdvertisedPrefix, BACKBONE, Input, InterfaceConfig, InterfaceKind, NeighborChange,
    NeighborState, Notice, OpaqueUpdate, Ospf, Settings, SpfDelays,
};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// A router and a port.
pub type End = (usize, u16);

pub const LATENCY: Duration = Duration::from_micros(100);

/// A packet on a cable.
struct Flying {
    to: End,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    bytes: Vec<u8>,
}

pub struct Network {
    pub now: Instant,
    pub routers: Vec<Ospf>,
    pub notices: Vec<(usize, Notice)>,
    pub changes: Vec<(usize, NeighborChange)>,
    pub routes: Vec<BTreeMap<Ipv6Prefix, usize>>,
    /// What each router was told of LSAs that are only carried.
    pub opaque: Vec<Vec<OpaqueUpdate>>,
    /// Packets delivered so far, hellos not counted.
    pub packets: usize,
    /// Percent of packets that are lost.
    pub loss: u64,
    /// Percent of packets that arrive twice.
    pub doubled: u64,
    /// Packets take up to this much longer, and so overtake each other.
    pub jitter: Duration,
    cables: BTreeMap<End, End>,
    cut: BTreeSet<End>,
    flying: BTreeMap<(Instant, u64), Flying>,
    sent: u64,
    prng: Prng,
}

pub fn address(end: End) -> Ipv6Addr {
    let router = u16::try_from(end.0).unwrap();
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, router + 1, end.1)
}

pub fn id(router: usize) -> RouterId {
    RouterId(0x0a00_0001 + u32::try_from(router).unwrap())
}

pub fn settings(router: usize) -> Input {
    Input::Settings(Settings {
        router_id: id(router),
        spf_delays: SpfDelays {
            initial: Duration::ZERO,
            short: Duration::from_millis(50),
            long: Duration::from_secs(1),
            time_to_learn: Duration::from_millis(500),
            holddown: Duration::from_secs(3),
        },
        order_step: Duration::ZERO,
        helps_restarts: true,
        endpoint: None,
    })
}

pub fn config(end: End) -> InterfaceConfig {
    InterfaceConfig {
        name: format!("p{}", end.1),
        kind: InterfaceKind::PointToPoint,
        interface_id: u32::from(end.1) + 1,
        area: BACKBONE,
        instance_id: 0,
        link_local: address(end),
        mtu: 1500,
        cost: 10,
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(3),
        retransmit_interval: Duration::from_secs(1),
        transmit_delay: Duration::from_secs(1),
        mtu_ignore: false,
        is_up: true,
    }
}

fn loopback(router: usize) -> AdvertisedPrefix {
    let number = u16::try_from(router).unwrap() + 1;
    let address = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number);
    AdvertisedPrefix { prefix: Ipv6Prefix::host(address), metric: 0, is_local_address: true }
}

impl Network {
    /// Routers without cables.
    pub fn new(count: usize, seed: u64) -> Self {
        let mut network = Self {
            now: Instant::from_millis(1000),
            routers: Vec::new(),
            notices: Vec::new(),
            changes: Vec::new(),
            routes: vec![BTreeMap::new(); count],
            opaque: vec![Vec::new(); count],
            packets: 0,
            loss: 0,
            doubled: 0,
            jitter: Duration::ZERO,
            cables: BTreeMap::new(),
            cut: BTreeSet::new(),
            flying: BTreeMap::new(),
            sent: 0,
            prng: Prng::new(seed),
        };
        for router in 0..count {
            network.routers.push(Ospf::new(seed + router as u64));
            network.prepare(router);
        }
        network
    }

    /// A ring: port 0 leads to the next router, port 1 to the one before.
    pub fn ring(count: usize, seed: u64) -> Self {
        let mut network = Self::new(count, seed);
        for router in 0..count {
            network.cable((router, 0), ((router + 1) % count, 1));
        }
        network
    }

    fn prepare(&mut self, router: usize) {
        self.input(router, settings(router));
        self.input(router, Input::Prefixes(vec![loopback(router)]));
    }

    pub fn cable(&mut self, a: End, b: End) {
        self.cables.insert(a, b);
        self.cables.insert(b, a);
        for end in [a, b] {
            self.add(end, config(end));
        }
    }

    pub fn add(&mut self, (router, port): End, interface: InterfaceConfig) {
        let (port, interface) = (PortId(port), Box::new(interface));
        self.input(router, Input::InterfaceAdded { port, interface });
    }

    pub fn change(&mut self, (router, port): End, interface: InterfaceConfig) {
        let (port, interface) = (PortId(port), Box::new(interface));
        self.input(router, Input::InterfaceChanged { port, interface });
    }

    /// A new machine in place of the old one.
    pub fn restart(&mut self, router: usize) {
        self.routers[router] = Ospf::new(0xdead + router as u64);
        self.routes[router].clear();
        self.begin(router);
    }

    /// A new machine in place of one that failed, which restarts gracefully.
    pub fn crash(&mut self, router: usize, grace: Duration) {
        self.routers[router] = Ospf::new(0xdead + router as u64);
        self.routes[router].clear();
        let until = self.now + grace;
        self.input(router, Input::Restart { until });
        self.begin(router);
    }

    fn begin(&mut self, router: usize) {
        self.prepare(router);
        let ports: Vec<End> = self.cables.keys().copied().filter(|end| end.0 == router).collect();
        for end in ports {
            self.add(end, config(end));
        }
    }

    /// Cuts a cable silently, or with carrier loss.
    pub fn cut(&mut self, end: End, has_carrier: bool) {
        for end in [end, self.cables[&end]] {
            self.cut.insert(end);
            if !has_carrier {
                self.input(end.0, Input::Carrier { port: PortId(end.1), is_up: false });
            }
        }
    }

    pub fn heal(&mut self, end: End) {
        for end in [end, self.cables[&end]] {
            self.cut.remove(&end);
            self.input(end.0, Input::Carrier { port: PortId(end.1), is_up: true });
        }
    }

    pub fn input(&mut self, router: usize, input: Input) {
        self.routers[router].handle(self.now, input);
        self.drain(router);
    }

    fn drain(&mut self, router: usize) {
        while let Some(action) = self.routers[router].poll_action() {
            match action {
                Action::Send { port, destination, bytes } => {
                    let end = (router, port.0);
                    assert!(bytes.len() + 40 <= 1500, "{} octets", bytes.len());
                    self.launch(end, destination, bytes);
                }
                Action::Route(update) => {
                    let table = &mut self.routes[router];
                    match update.route {
                        None => table.remove(&update.prefix),
                        Some(route) => {
                            table.insert(update.prefix, usize::try_from(route.metric).unwrap())
                        }
                    };
                }
                Action::NeighborMoved { .. } => {}
                Action::NeighborChanged(change) => self.changes.push((router, change)),
                Action::Opaque(update) => self.opaque[router].push(update),
                Action::Notice(notice) => self.notices.push((router, notice)),
            }
        }
    }

    pub fn launch(&mut self, end: End, destination: Ipv6Addr, bytes: Vec<u8>) {
        let Some(to) = self.cables.get(&end) else { return };
        let is_lost = self.prng.below(100) < self.loss;
        if self.cut.contains(&end) || is_lost {
            return;
        }
        let copies = if self.prng.below(100) < self.doubled { 2 } else { 1 };
        for _ in 0..copies {
            self.sent += 1;
            let latency = LATENCY + self.prng.between(Duration::ZERO, self.jitter);
            let key = (self.now + latency, self.sent);
            let (to, source, bytes) = (*to, address(end), bytes.clone());
            self.flying.insert(key, Flying { to, source, destination, bytes });
        }
    }

    /// Lets time pass until `until`.
    pub fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let timers = self.routers.iter().filter_map(Machine::next_deadline).min();
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = timers.into_iter().chain(arrival).min().filter(|at| *at <= until)
            else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now) {
                let Flying { to, source, destination, bytes } = entry.remove();
                self.packets += usize::from(bytes[1] != 1);
                let port = PortId(to.1);
                self.input(to.0, Input::Packet { port, source, destination, bytes });
            }
            for router in 0..self.routers.len() {
                if self.routers[router].next_deadline().is_some_and(|at| at <= self.now) {
                    self.routers[router].handle_timeout(self.now);
                    self.drain(router);
                }
            }
        }
        self.now = until;
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    pub fn state(&self, router: usize, port: u16) -> NeighborState {
        let views = self.routers[router].neighbors();
        let view = views.iter().find(|view| view.port == PortId(port));
        view.map_or(NeighborState::Down, |view| view.state)
    }

    pub fn are_all_full(&self) -> bool {
        let mut ends = self.cables.keys().filter(|end| !self.cut.contains(*end));
        ends.all(|(router, port)| self.state(*router, *port) == NeighborState::Full)
    }

    pub fn are_databases_equal(&self) -> bool {
        let digest = self.routers[0].area_digest();
        self.routers.iter().all(|router| router.area_digest() == digest)
    }

    /// Everybody has a route to everybody else's loopback.
    pub fn is_connected(&self) -> bool {
        let count = self.routers.len();
        (0..count).all(|from| {
            (0..count)
                .filter(|to| *to != from)
                .all(|to| self.routes[from].contains_key(&loopback(to).prefix))
        })
    }

    #[track_caller]
    pub fn assert_converged(&self) {
        assert!(self.are_all_full(), "not Full at {}", self.now);
        assert!(self.are_databases_equal(), "databases differ at {}", self.now);
        assert!(self.is_connected(), "routes are missing at {}: {:?}", self.now, self.routes);
    }
}
