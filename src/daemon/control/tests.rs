//! The thread around a control plane: what it takes of its rings; when it fails, what the next one
//! is told and what workers read.

use super::*;
use crate::api::ShowQuery;
use crate::base::ids::{LcoreId, MacAddress};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{
    PortRole, RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate,
};
use crate::config::{NoFiles, Overrides, PortDevice, PortSettings, Source, load};
use crate::control::ControlPlane;
use crate::daemon::mailbox::mailbox;
use crate::daemon::worker::ThreadPass;
use crate::dataplane::OverlaySetup;
use crate::fib::{Liveness, NextHopGroup};
use crate::packet::HeapBuf;
use crate::rib::Rib;
use core::net::Ipv6Addr;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::VecDeque;
use std::sync::mpsc::sync_channel;

const FAR: &str = "fd00:9::/64";
const PORTS: [PortId; 2] = [PortId(1), PortId(2)];

struct HeapAlloc;

impl PacketAlloc<HeapBuf> for HeapAlloc {
    fn alloc(&mut self) -> Option<HeapBuf> {
        Some(HeapBuf::new(&[]))
    }
}

/// How many of [`Mortal`] there were.
static LIVES: AtomicU32 = AtomicU32::new(0);

/// The first one has a route that only neighbours can tell of, and dies when it is asked anything;
/// those after it are real.
enum Mortal {
    First { rib: Box<Rib>, actions: VecDeque<Action> },
    Next(Box<ControlPlane>),
}

impl Plane for Mortal {
    fn start(options: ControlOptions) -> Self {
        match LIVES.fetch_add(1, Ordering::Relaxed) {
            0 => Self::First { rib: Box::default(), actions: VecDeque::new() },
            _ => Self::Next(Box::new(ControlPlane::start(options))),
        }
    }

    fn testament(&self) -> Testament {
        let address = neighbor(PORTS[0]).link_local();
        let neighbors = [RouteNextHop { port: PORTS[0], address }].into();
        match self {
            Self::First { .. } => Testament { neighbors, ..Testament::default() },
            Self::Next(plane) => plane.testament(),
        }
    }

    fn full_count(&self) -> usize {
        0
    }

    fn is_dirty(&self) -> bool {
        matches!(self, Self::Next(plane) if plane.is_dirty())
    }

    fn calculation_count(&self) -> u64 {
        0
    }
}

impl Machine for Mortal {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        match (self, input) {
            (Self::Next(plane), input) => plane.handle(now, input),
            (Self::First { .. }, Input::Query { .. }) => panic!("a question it cannot survive"),
            (Self::First { rib, actions }, Input::PortAttached(port)) => {
                rib.set_interface(interface(&port));
                let address = neighbor(port.port).link_local();
                rib.set_neighbor(port.port, address, Some((neighbor(port.port), port.mac)));
                rib.apply(far_route()).unwrap();
                actions.extend(rib.compile().map(|world| Action::Publish(Box::new(world))));
            }
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::First { .. } => None,
            Self::Next(plane) => plane.next_deadline(),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Next(plane) = self {
            plane.handle_timeout(now);
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        match self {
            Self::First { actions, .. } => actions.pop_front(),
            Self::Next(plane) => plane.poll_action(),
        }
    }
}

fn neighbor(port: PortId) -> MacAddress {
    MacAddress([2, 0, 0, 0, 9, u8::try_from(port.0).unwrap()])
}

fn far_route() -> RouteUpdate {
    let ways = PORTS.map(|port| RouteNextHop { port, address: neighbor(port).link_local() });
    let route = Some(RouteBody::new(10, RouteTarget::Via(ways.to_vec())));
    RouteUpdate { prefix: FAR.parse::<Ipv6Prefix>().unwrap(), source: RouteSource::Ospf, route }
}

fn interface(port: &AttachedPort) -> crate::fib::Interface {
    crate::fib::Interface {
        port: port.port,
        role: PortRole::Fabric,
        mac: port.mac,
        vlan: None,
        mtu: 9000,
        repair_mtu: 9000,
        link_local: port.mac.link_local(),
        icmp_source: port.mac.link_local(),
        is_up: true,
        link_peers: Vec::new(),
    }
}

fn attached(port: PortId) -> AttachedPort {
    let settings = PortSettings {
        name: format!("p{port}"),
        device: PortDevice::AfPacket(format!("p{port}")),
        role: PortRole::Fabric,
        address: None,
        mtu: 9000,
        cost: None,
        bfd: crate::config::PortBfd::default(),
        vlan: None,
        mac: None,
    };
    let mac = MacAddress([2, 0, 0, 0, 1, u8::try_from(port.0).unwrap()]);
    AttachedPort { port, settings, mac, mtu_max: 9000, speed_mbps: None, is_up: true }
}

fn config() -> Config {
    let text = "[router]\nname = \"r\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n\
                [[port]]\nmatch = \"driver=*\"\nrole = \"fabric\"\n";
    let overrides = Overrides::default();
    load(&Source { origin: "t", text, overrides: &overrides, files: &NoFiles }).unwrap()
}

#[test]
fn a_control_plane_that_fails_leaves_its_routes_to_the_next() {
    let (poller, host_poller) = (Poller::new().unwrap(), Poller::new().unwrap());
    let (to_control, control_box) = mailbox(16, poller.waker());
    let (to_host, host_box) = mailbox(64, host_poller.waker());
    let mut publisher = Publisher::new(Forwarding::empty(Arc::new(Liveness::new(0))));
    let mut reader = publisher.reader().unwrap();
    let counters: Arc<DaemonCounters> = Arc::default();
    let (jobs, failures) = sync_channel(1);
    let start = ControlStart {
        poller,
        mailbox: control_box,
        host: to_host,
        workers: vec![WorkerLinks::<HeapBuf>::new(LcoreId(0), 0).unwrap()],
        publisher,
        clock: Clock::start(),
        counters: Arc::clone(&counters),
        admission: Arc::new(|| {
            let alloc = || Box::new(HeapAlloc);
            Ok(ThreadPass { alloc: alloc(), copies: alloc(), proof: Box::new(()) })
        }),
        macs: Arc::new(MacTable::new(4, 7)),
        overlay_events: OverlaySetup::<HeapBuf>::event_ring(),
        lifeline: Lifeline::new("control", &jobs),
        recorder: Recorder::default(),
    };
    let thread = std::thread::spawn(move || run::<HeapBuf, Mortal>(start));
    let question = |id| ToControl::Query { id, query: ShowQuery::Version, after: None };
    let mut messages = vec![ToControl::Configure(Box::new(config()))];
    messages.extend(PORTS.map(|port| ToControl::Attach(Box::new(attached(port)))));
    messages.extend([question(1), ToControl::Carrier { port: PORTS[1], is_up: false }]);
    messages.push(question(2));
    messages.into_iter().for_each(|message| to_control.send(message).unwrap());
    let mut events = Events::new();
    let mut said = Vec::new();
    'answered: loop {
        host_poller.wait(Some(core::time::Duration::from_secs(60)), &mut events).unwrap();
        assert!(!events.is_empty(), "no answer");
        while let Some(message) = host_box.take() {
            match message {
                ToHost::Reply { id, .. } => {
                    assert_eq!(id, 2, "the first question was not survived");
                    break 'answered;
                }
                ToHost::Event(event) => said.push(event.topic),
                _ => {}
            }
        }
    }
    assert_eq!(said.first().map(String::as_str), Some("daemon.control"), "{said:?}");
    assert_eq!(counters.get(DaemonCounter::ControlPanic), 1);
    {
        let world = reader.enter();
        let far = FAR.parse::<Ipv6Prefix>().unwrap().bits();
        let NextHopGroup::Forward { members, .. } = world.group(world.table.lookup(far)) else {
            unreachable!("the route is inherited")
        };
        let living = members.iter().filter(|member| world.liveness.is_alive(**member));
        let hops: Vec<_> = living.filter_map(|member| world.next_hop(*member)).collect();
        assert_eq!(hops.iter().map(|hop| hop.port).collect::<Vec<_>>(), [PORTS[0]], "carrier");
        assert!(hops.iter().all(|hop| hop.adjacency.is_some()), "the MAC is inherited as well");
    }
    to_control.send(ToControl::Shutdown).unwrap();
    drop(reader);
    assert!(thread.join().is_ok());
    assert!(failures.try_recv().is_err(), "it ended as it was told");
}

fn estate() -> Estate<HeapBuf> {
    let poller = Poller::new().unwrap();
    let (_, control_box) = mailbox(1, poller.waker());
    let (host, _) = mailbox(1, poller.waker());
    let start = ControlStart {
        mailbox: control_box,
        host,
        workers: vec![WorkerLinks::new(LcoreId(0), 0).unwrap()],
        publisher: Publisher::new(Forwarding::empty(Arc::new(Liveness::new(0)))),
        clock: Clock::start(),
        counters: Arc::default(),
        admission: Arc::new(|| unreachable!("the test is its thread")),
        macs: Arc::new(MacTable::new(4, 7)),
        overlay_events: OverlaySetup::<HeapBuf>::event_ring(),
        lifeline: Lifeline::new("control", &sync_channel(1).0),
        recorder: Recorder::default(),
        poller,
    };
    Estate::new(start, Box::new(HeapAlloc), Instant::ZERO)
}

#[test]
fn a_drain_between_two_control_planes_is_kept_for_the_next() {
    let mut estate = estate();
    assert!(estate.note(ToControl::Configure(Box::new(config()))).is_some());
    for is_drained in [true, false] {
        assert!(estate.note(ToControl::Drain { is_drained }).is_some());
        let mut heir = ControlPlane::new(ControlOptions { seed: 1 });
        estate.teach(&mut heir);
        assert_eq!(heir.testament().is_drained, is_drained);
    }
    assert!(estate.note(ToControl::Shutdown).is_some());
    let mut heir = ControlPlane::new(ControlOptions { seed: 2 });
    estate.teach(&mut heir);
    assert!(heir.testament().is_drained, "the first step of an end");
}

#[test]
fn a_slice_takes_of_every_ring_and_each_of_them_ends_a_sleep() {
    let mut estate = estate();
    let mut plane = ControlPlane::new(ControlOptions { seed: 1 });
    let (punts, neighbor) = (estate.start.workers[0].punts.clone(), Ipv6Addr::UNSPECIFIED);
    let punted =
        |class| Punted { class, port: PortId(1), neighbor, packet: HeapBuf::new(&[0; 60]) };
    for _ in 0..PUNTS_PER_SLICE + 1 {
        assert!(punts.ospf.push(punted(PuntClass::Ospf)).is_ok());
        assert!(punts.control.push(punted(PuntClass::Nd)).is_ok());
    }
    assert!(estate.take_punts(&mut plane));
    assert_eq!(punts.of_control().map(Ring::len), [1, 1]);
    assert!(!estate.take_punts(&mut plane));
    assert_eq!(punts.of_control().map(Ring::len), [0, 0]);
    assert_eq!(plane.counters().frames_without_port, 2 * (PUNTS_PER_SLICE as u64 + 1));
    for ring in punts.of_control() {
        assert!(estate.rings().all(Ring::announce_sleep));
        assert!(ring.push(punted(PuntClass::Nd)).is_ok() && ring.must_wake());
        assert!(!estate.rings().all(Ring::announce_sleep), "something waits");
        assert!(ring.pop().is_some());
    }
}
