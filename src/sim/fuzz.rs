//! The bodies of the fuzz targets: what arbitrary octets must not do.
//!
//! Owns [`graph`] (a worker under any frames) and [`filter`](fn@filter) (any text and any frame);
//! [`control`](mod@control) has the body of the control plane, [`l2tp`] that of an L2TPv3 peer,
//! [`members`] that of members of tenants. A target of `tests/fuzz` hands its octets to one of
//! them; the test beside the targets does the same with every file of the corpus, on each run of
//! the tests.
//!
//! *Invariants*: the octets decide everything: where a packet arrives, what it begins with, when
//! the worker runs, how much the devices take, who looks on. After every loop of the worker the
//! counters balance and what they say was sent and punted is there.

use crate::base::ids::{DomainId, GroupId, LcoreId, MacAddress, MemberId, NextHopId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::PortRole;
use crate::base::time::{Duration, Instant};
use crate::dataplane::lcore::{WorkerRings, WorldReader};
use crate::dataplane::{
    Injected, LcoreCounters, MacTable, OverlaySetup, PuntRings, PuntSender, Ring, Tap, TapSet,
    Wanted, Worker, WorkerCommand, WorkerPort, WorkerSetup,
};
use crate::fib::bridge_table::CircuitVlan;
use crate::fib::overlay::Sequences;
use crate::fib::session_table::SessionEnds;
use crate::fib::tunnel_header::{Carrier, Cookie, OuterClass, Sublayer};
use crate::fib::{
    Adjacency, Circuit, Fib, Forwarding, GroupTable, Interface, InterfaceTable, Liveness,
    MemberOptions, NextHop, NextHopGroup, Overlay, OverlayBuilder, Pseudowire, TunnelEnds,
};
use crate::filter::{Facts, Filter, parse};
use crate::packet::{BURST_MAX, Burst, HeapAlloc, HeapBuf, PortRx, PortTx};
use crate::wire::ipv6::HEADER_OCTETS;
use core::net::Ipv6Addr;
use core::ops::Deref;
use std::sync::Arc;

pub mod control;
pub mod l2tp;
pub mod members;

/// Ports of the router; the last one is tagged.
const PORTS: [u16; 3] = [1, 2, 3];
const VLAN: u16 = 30;
/// The VLAN of the first two ports that is bridged.
const SEGMENT_VLAN: u16 = 20;
/// Next hops of the world; the last one has no MAC.
const NEXT_HOP_COUNT: usize = 4;
/// Octets of one packet, at most: more than the MTU of one port, less than that of the others.
const PACKET_OCTETS_MAX: usize = 2000;
/// Packets of one run.
const PACKETS_MAX: usize = 1024;
/// Room of the rings between worker and world; what finds none is a drop.
const RING_MAX: usize = 512;

/// Prefixes and the groups that they lead to.
const ROUTES: [(&str, u16); 8] = [
    ("2001:db8:1::/48", 1),
    ("2001:db8:2::/48", 2),
    ("2001:db8:3::/48", 3),
    ("2001:db8:23::/48", 4),
    ("2001:db8:4::/48", 5),
    ("fd00:1::/64", 6),
    ("fd00:1::1/128", 7),
    ("2001:db8:dead::/48", 8),
];

/// Octets, taken from the front.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn one(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn some(&mut self, count: usize) -> &'a [u8] {
        let (some, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        some
    }
}

struct QueueRx(Arc<Ring<HeapBuf>>);

impl PortRx<HeapBuf> for QueueRx {
    fn receive(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let before = burst.len();
        while burst.room() > 0 {
            let Some(packet) = self.0.pop() else { break };
            burst.extend([packet]);
        }
        burst.len() - before
    }
}

struct QueueTx(Arc<Ring<HeapBuf>>);

impl PortTx<HeapBuf> for QueueTx {
    fn send(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let offered = burst.len();
        while let Some(packet) = first(burst) {
            if let Err(packet) = self.0.push(packet) {
                // The others stay behind it, as they were.
                let rest: Vec<HeapBuf> = burst.drain().collect();
                burst.extend([packet].into_iter().chain(rest));
                break;
            }
        }
        offered - burst.len()
    }
}

fn first(burst: &mut Burst<HeapBuf>) -> Option<HeapBuf> {
    let mut first = None;
    burst.take_front(1, |packet| first = Some(packet));
    first
}

struct Fixed(Arc<Forwarding>);

impl WorldReader for Fixed {
    fn enter(&mut self) -> impl Deref<Target = Forwarding> + '_ {
        &*self.0
    }

    fn park(&mut self) {}
}

fn mac(port: u16, side: u8) -> MacAddress {
    let [_, low] = port.to_be_bytes();
    MacAddress([2, 0, 0, 0, side, low])
}

fn world() -> Forwarding {
    let next_hop = |port: u16, is_resolved: bool| NextHop {
        port: PortId(port),
        address: mac(port, 1).link_local(),
        adjacency: is_resolved.then(|| Adjacency::ipv6(mac(port, 1), mac(port, 0))),
        encapsulation: None,
    };
    let forward = |members: &[u16]| {
        NextHopGroup::forward(members.iter().map(|member| NextHopId(*member)).collect())
    };
    let mut table = Fib::default();
    let routes = ROUTES.iter().filter_map(|(prefix, group)| {
        prefix.parse::<Ipv6Prefix>().ok().map(|prefix| (prefix, Some(GroupId(*group))))
    });
    table.apply(&routes.collect::<Vec<_>>());
    let mut interfaces = InterfaceTable::default();
    for port in PORTS {
        let is_set = interfaces.set(Interface {
            port: PortId(port),
            role: PortRole::Fabric,
            mac: mac(port, 0),
            vlan: (port == 3).then_some(VLAN),
            mtu: if port == 2 { 1400 } else { 9000 },
            repair_mtu: if port == 2 { 1400 } else { 9080 },
            link_local: mac(port, 0).link_local(),
            icmp_source: Ipv6Addr::new(0xfd00, port, 0, 0, 0, 0, 0, 1),
            is_up: true,
            link_peers: Vec::new(),
        });
        assert!(is_set, "the number is small");
    }
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
        overlay: Arc::new(overlay()),
        ..Forwarding::empty(Arc::new(Liveness::new(NEXT_HOP_COUNT)))
    }
}

/// A segment with a VLAN of two ports and a pseudowire, whose session anybody can guess.
fn overlay() -> Overlay {
    let mut builder = OverlayBuilder::default();
    let options = MemberOptions::of_mtu(1300);
    for (member, port) in [(MemberId(1), 1), (MemberId(2), 2)] {
        let circuit = Circuit { port: PortId(port), vlan: CircuitVlan::Tagged(SEGMENT_VLAN) };
        let added = builder.circuit(member, DomainId(1), &circuit, options);
        assert!(added.is_ok(), "{added:?}");
    }
    let (local, remote) = (Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1), address(0));
    let (carrier, cookie) = (Carrier::Ip, Cookie::None);
    let (sublayer, class, session) = (Sublayer::None, OuterClass::Copy, 1);
    let pseudowire = Pseudowire {
        session,
        incoming: SessionEnds { remote, local, carrier, cookie, other_cookie: None, sublayer },
        outgoing: TunnelEnds { local, remote, carrier, session, cookie, sublayer, class },
    };
    let added = builder.pseudowire(MemberId(3), DomainId(1), &pseudowire, options);
    assert!(added.is_ok(), "{added:?}");
    match builder.build(Arc::new(Sequences::new())) {
        Ok(overlay) => overlay,
        Err(error) => unreachable!("{error}"),
    }
}

/// A worker and the other ends of all its queues.
struct Bench {
    worker: Worker<HeapBuf, Fixed>,
    received: Vec<Arc<Ring<HeapBuf>>>,
    sent: Vec<Arc<Ring<HeapBuf>>>,
    rings: WorkerRings<HeapBuf>,
    punts: PuntRings<HeapBuf>,
    counters: Arc<LcoreCounters>,
    taps: TapSet,
    liveness: Arc<Liveness>,
    now: Instant,
    sent_count: u64,
    punted_count: u64,
    captured_count: u64,
}

impl Bench {
    /// `shape` says how much the devices take and who looks on.
    fn new(shape: u8) -> Self {
        let tx_room = match shape & 3 {
            0 => 1,
            1 => 5,
            _ => RING_MAX,
        };
        let queues = |room| PORTS.map(|_| Arc::new(Ring::new(room))).to_vec();
        let (received, sent) = (queues(RING_MAX), queues(tx_room));
        let ports = PORTS.iter().zip(&received).zip(&sent).map(|((port, rx), tx)| {
            let (rx, tx) = (QueueRx(Arc::clone(rx)), QueueTx(Arc::clone(tx)));
            WorkerPort::new(PortId(*port), Some(Box::new(rx)), Box::new(tx))
        });
        let ring = || Arc::new(Ring::new(RING_MAX));
        let punts = PuntRings { ospf: ring(), control: ring(), host: ring() };
        let rings = WorkerRings::new();
        let counters = Arc::new(LcoreCounters::new(NEXT_HOP_COUNT));
        let world = world();
        let liveness = Arc::clone(&world.liveness);
        let worker = Worker::new(WorkerSetup {
            lcore: LcoreId(0),
            reader: Fixed(Arc::new(world)),
            ports: ports.collect(),
            punts: PuntSender::new(punts.clone(), Box::new(|| ()), Box::new(|| ())),
            rings: rings.clone(),
            counters: Arc::clone(&counters),
            hash_seed: 7,
            cycles: || 0,
        });
        let worker = worker.with_overlay(OverlaySetup {
            macs: Arc::new(MacTable::new(4, 7)),
            alloc: Box::new(HeapAlloc),
            events: OverlaySetup::<HeapBuf>::event_ring(),
            wake: Box::new(|| ()),
        });
        let wanted = [Wanted::Traffic, Wanted::Drops, Wanted::Paths];
        let chosen = wanted.iter().enumerate().filter(|(bit, _)| shape >> (bit + 2) & 1 == 1);
        let tap = |wanted: &Wanted| Tap::new(*wanted, None, Filter::everything(), 128);
        let taps: TapSet = chosen.map(|(_, wanted)| Arc::new(tap(wanted))).collect();
        let is_told = rings.commands.push(WorkerCommand::Watch(Arc::clone(&taps))).is_ok();
        assert!(is_told, "the ring is empty");
        let (sent_count, punted_count, captured_count) = (0, 0, 0);
        let now = Instant::from_millis(1);
        Self {
            worker,
            received,
            sent,
            rings,
            punts,
            counters,
            taps,
            liveness,
            now,
            sent_count,
            punted_count,
            captured_count,
        }
    }

    /// Lets a packet arrive as `way` says; one that finds no room is nobody's.
    fn arrive(&self, way: u8, octets: &[u8]) {
        let place = usize::from(way & 7);
        match (self.received.get(place), PORTS.get(place)) {
            (Some(queue), Some(port)) => {
                let _ = queue.push(HeapBuf::new(&dressed(way, *port, octets)));
            }
            _ if way & 7 == 3 => {
                let packet = HeapBuf::new(&dressed(way, 1, octets));
                // Also ports that there are not.
                let port = PortId(u16::from(way >> 6));
                let _ = self.rings.inject.push(Injected::Frame { port, packet });
            }
            _ => {
                let frame = dressed(way, 1, octets);
                let from = if way >> 3 & 1 == 1 { LINK_OCTETS } else { 0 };
                let packet = HeapBuf::new(frame.get(from..).unwrap_or(&[]));
                let _ = self.rings.inject.push(Injected::Packet { packet });
            }
        }
    }

    /// One loop, and what it left.
    fn run(&mut self, take: bool) {
        self.worker.run_once(self.now);
        if take {
            self.take();
        }
        let counts = self.counters.snapshot();
        assert!(counts.is_conserved(), "{counts:?}");
        let waiting =
            |rings: &[Arc<Ring<HeapBuf>>]| rings.iter().map(|r| r.len() as u64).sum::<u64>();
        let sent: u64 = counts.ports.iter().map(|port| port.tx_packets).sum();
        assert_eq!(sent, self.sent_count + waiting(&self.sent), "{counts:?}");
        let control = self.punts.of_control().iter().map(|ring| ring.len() as u64).sum::<u64>();
        let punted = self.punted_count + control + self.punts.host.len() as u64;
        assert_eq!(counts.punts.iter().sum::<u64>(), punted, "{counts:?}");
        if take {
            assert_eq!(counts.captured, self.captured_count, "{counts:?}");
        }
    }

    /// Takes away what was sent, punted and captured.
    fn take(&mut self) {
        for ring in &self.sent {
            self.sent_count += core::iter::from_fn(|| ring.pop()).count() as u64;
        }
        for ring in self.punts.of_control().into_iter().chain([&*self.punts.host]) {
            self.punted_count += core::iter::from_fn(|| ring.pop()).count() as u64;
        }
        for tap in self.taps.iter() {
            while let Some(record) = tap.take() {
                self.captured_count += 1;
                assert!(record.octets.len() <= 128 && record.path.len() <= BURST_MAX);
                tap.give_back(record);
            }
        }
    }
}

const LINK_OCTETS: usize = 14;

/// The octets, with as much of right headers before them as `way` says.
fn dressed(way: u8, port: u16, octets: &[u8]) -> Vec<u8> {
    if way >> 3 & 1 == 0 {
        return octets.to_vec();
    }
    let mut frame = [&mac(port, 0).0[..], &mac(port, 1).0[..]].concat();
    if port == 3 {
        frame.extend([0x81, 0, 0, 30]);
    }
    frame.extend([0x86, 0xdd]);
    if way >> 4 & 1 == 0 {
        frame.extend(octets);
        return frame;
    }
    let (numbers, rest) = octets.split_at(octets.len().min(4));
    let [next_header, hop_limit, source, destination] = match numbers {
        [a, b, c, d] => [*a, *b, *c, *d],
        _ => [17, 64, 0, 1],
    };
    let length = u16::try_from(rest.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    frame.extend([0x60, 0, 0, 0, high, low, next_header, hop_limit]);
    for number in [source, destination] {
        frame.extend(address(number).octets());
    }
    frame.extend(rest);
    frame
}

/// Addresses that the world knows, and some that nobody may have.
fn address(number: u8) -> Ipv6Addr {
    let prefixes = ROUTES.iter().filter_map(|(prefix, _)| prefix.parse::<Ipv6Prefix>().ok());
    let known = prefixes.map(|prefix| Ipv6Addr::from_bits(prefix.bits() | 1));
    let others = [
        Ipv6Addr::UNSPECIFIED,
        Ipv6Addr::LOCALHOST,
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 5),
        Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 1),
        mac(1, 0).link_local(),
        mac(1, 1).link_local(),
        Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1),
    ];
    let all: Vec<Ipv6Addr> = known.chain(others).collect();
    all.get(usize::from(number) % all.len().max(1)).copied().unwrap_or(Ipv6Addr::UNSPECIFIED)
}

/// A worker under any frames: each is sent, punted or dropped with a reason.
pub fn graph(octets: &[u8]) {
    let mut octets = Octets(octets);
    let mut bench = Bench::new(octets.one().unwrap_or(0));
    for _ in 0..PACKETS_MAX {
        let (Some(way), Some(length)) = (octets.one(), octets.one()) else { break };
        match way & 7 {
            // The worker runs; some time passes; what left is taken or not.
            6 => {
                bench.run(length & 1 == 0);
                bench.now += Duration::from_millis(u64::from(length));
            }
            // A next hop dies or comes back.
            7 => {
                let next_hop = NextHopId(u16::from(length & 3));
                bench.liveness.set(next_hop, way >> 3 & 1 == 1);
            }
            _ => {
                // Long packets are made of their beginning.
                let some = octets.some(usize::from(length & 0x7f));
                let mut packet = some.to_vec();
                if length & 0x80 != 0 {
                    let octets = usize::from(way >> 5) * 300 + HEADER_OCTETS;
                    packet.resize(packet.len().max(octets).min(PACKET_OCTETS_MAX), 0);
                }
                bench.arrive(way, &packet);
            }
        }
    }
    // Everything that still waits, a burst of each port at a time.
    for _ in 0..=2 * RING_MAX {
        let is_idle = bench.received.iter().all(|ring| ring.is_empty());
        bench.run(true);
        if is_idle && bench.rings.inject.is_empty() {
            break;
        }
    }
    assert!(bench.rings.inject.is_empty() && bench.received.iter().all(|ring| ring.is_empty()));
}

/// A filter, the text before the first zero, on the frame behind it.
pub fn filter(octets: &[u8]) {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let (text, frame) = octets.split_at(end);
    let Ok(text) = core::str::from_utf8(text) else { return };
    match parse(text) {
        Err(error) => {
            assert!(error.text.get(error.span.clone()).is_some(), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
        Ok(None) => assert!(text.trim().is_empty()),
        Ok(Some(expression)) => {
            let spelling = expression.to_string();
            let filter = Filter::new(&expression);
            let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            // Its own spelling may be nested deeper than a text may be.
            let again = parse(&spelling).ok().flatten();
            let again = again.map_or_else(|| filter.clone(), |again| Filter::new(&again));
            for facts in [Facts::of_frame(frame, length), Facts::of_packet(frame, length)] {
                assert_eq!(filter.passes(&facts), again.passes(&facts), "{spelling}");
            }
        }
    }
}
