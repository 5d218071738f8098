//! A control plane under any life: frames that are right, wrong and forged, at any time.
//!
//! Owns [`control`]. The router that is tried has a neighbour, a real one, so that it comes as far
//! as routers come; the octets decide what reaches it, what becomes of it on the way, what else
//! comes from that cable, and what happens to its ports, its configuration and its time. Forged
//! packets have right checksums: what they claim is wrong, not their form.
//!
//! *Invariants*: no life panics; one call wants at most [`ACTIONS_MAX`] things; time goes on;
//! whatever happened, a question is answered; and the same life, written down and read back, is the
//! same again.

use super::Octets;
use crate::api::ShowQuery;
use crate::api::request::RouteFilter;
use crate::base::checksum::{fletcher_checksum, ipv6_upper_layer};
use crate::base::ids::PortId;
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::control::recording::{Line, Recorded};
use crate::control::{Action, AttachedPort, ControlOptions, ControlPlane, Input};
use crate::planner::families::Topology;
use crate::sim::plan::{WorldSetup, mac};
use crate::sim::replay::replay;
use crate::wire::ipv6::{NEXT_ICMPV6, NEXT_OSPF};
use core::net::Ipv6Addr;
use std::collections::VecDeque;

/// Things that one call may want: a database of some LSAs to a neighbour or two, many times.
pub const ACTIONS_MAX: usize = 10_000;
/// Things that happen in one life.
const EVENTS_MAX: usize = 400;
/// Frames on their way to the router; more are lost.
const QUEUE_MAX: usize = 64;
/// Deadlines at one instant. More is one that never moves.
const WAKES_MAX: u32 = 1000;

const ETHERNET_OCTETS: usize = 14;
const UPPER: usize = ETHERNET_OCTETS + 40;
const FABRIC: PortId = PortId(0);
const LAN: PortId = PortId(1);

type Tried = Recorded<ControlPlane, Vec<Line>>;

/// The router that is tried, and its neighbour.
struct Pair {
    setup: WorldSetup,
    tried: Tried,
    neighbor: ControlPlane,
    now: Instant,
    /// On their way to the router that is tried.
    frames: VecDeque<Vec<u8>>,
    /// On their way to the neighbour.
    answers: VecDeque<Vec<u8>>,
    replies: u64,
    questions: u64,
}

/// Takes all that a control plane wants: the frames for the fabric, and how many replies.
fn poll(plane: &mut impl Machine<Action = Action>) -> (Vec<Vec<u8>>, u64) {
    let (mut frames, mut replies) = (Vec::new(), 0);
    for count in 0.. {
        assert!(count < ACTIONS_MAX, "it wants things without end");
        match plane.poll_action() {
            Some(Action::SendFrame { port: FABRIC, bytes }) => frames.push(bytes),
            Some(Action::Reply { rest: None, .. }) => replies += 1,
            Some(_) => {}
            None => break,
        }
    }
    (frames, replies)
}

impl Pair {
    fn new(shape: u8) -> Self {
        let topology = Topology::new(2, vec![(0, 1)]);
        let topology = topology.unwrap_or_else(|_| unreachable!("two servers and a cable"));
        let mut setup = WorldSetup::new(topology, u64::from(shape));
        setup.bfd.enabled = shape & 1 == 1;
        let options = |seed| ControlOptions { seed };
        let mut pair = Self {
            tried: Tried::begin(options(1), Vec::new()),
            neighbor: ControlPlane::new(options(2)),
            now: Instant::from_millis(1),
            frames: VecDeque::new(),
            answers: VecDeque::new(),
            replies: 0,
            questions: 0,
            setup,
        };
        let (now, config) = (pair.now, Box::new(pair.setup.config(1, &[10])));
        pair.neighbor.handle(now, Input::Configure(config.clone()));
        for port in WorldSetup::attached(1, &config, |_| true) {
            pair.neighbor.handle(now, Input::PortAttached(Box::new(port)));
        }
        let config = Box::new(pair.setup.config(0, &[10]));
        pair.tell(Input::Configure(config));
        for port in pair.ports(10) {
            pair.tell(Input::PortAttached(Box::new(port)));
        }
        pair
    }

    fn ports(&self, cost: u16) -> Vec<AttachedPort> {
        WorldSetup::attached(0, &self.setup.config(0, &[cost]), |_| true)
    }

    /// Something happens to the router that is tried.
    fn tell(&mut self, input: Input) {
        self.tried.handle(self.now, input);
        self.collect();
    }

    fn collect(&mut self) {
        let (frames, replies) = poll(&mut self.tried);
        self.answers.extend(frames);
        self.replies += replies;
        while let Some(bytes) = self.answers.pop_front() {
            self.neighbor.handle(self.now, Input::Frame { port: FABRIC, bytes });
        }
        self.collect_neighbor();
    }

    fn collect_neighbor(&mut self) {
        let (frames, _) = poll(&mut self.neighbor);
        self.frames.extend(frames);
        let surplus = self.frames.len().saturating_sub(QUEUE_MAX);
        self.frames.drain(..surplus);
    }

    /// Time goes on; deadlines of both are met on the way.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut wakes = 0;
        loop {
            let deadlines = [self.tried.next_deadline(), self.neighbor.next_deadline()];
            let next = deadlines.into_iter().flatten().min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            wakes = if next > self.now { 0 } else { wakes + 1 };
            assert!(wakes < WAKES_MAX, "a deadline stays at {next}");
            self.now = self.now.max(next);
            if deadlines[0].is_some_and(|deadline| deadline <= self.now) {
                self.tried.handle_timeout(self.now);
                self.tell(Input::Flush);
            } else {
                self.neighbor.handle_timeout(self.now);
                self.collect_neighbor();
            }
        }
        self.now = end;
    }

    /// Everything that waits arrives, and what follows from it.
    fn deliver_all(&mut self) {
        for _ in 0..QUEUE_MAX {
            let Some(bytes) = self.frames.pop_front() else { break };
            self.tell(Input::Frame { port: FABRIC, bytes });
        }
        self.tell(Input::Flush);
    }

    fn arrive(&mut self, mut frame: Vec<u8>) {
        mend(&mut frame);
        self.tell(Input::Frame { port: FABRIC, bytes: frame });
    }

    /// A packet from the neighbour that the neighbour did not send.
    fn forge(&mut self, protocol: u8, to_all: bool, payload: &[u8]) {
        let source = mac(1, FABRIC).link_local();
        let destination = match (to_all, protocol) {
            (false, _) => mac(0, FABRIC).link_local(),
            (true, NEXT_OSPF) => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 5),
            (true, _) => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        };
        let [high, low] = u16::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        let hop_limit = if protocol == NEXT_OSPF { 1 } else { 255 };
        let mut frame = [&mac(0, FABRIC).0[..], &mac(1, FABRIC).0, &[0x86, 0xdd]].concat();
        frame.extend([0x60, 0, 0, 0, high, low, protocol, hop_limit]);
        frame.extend(source.octets());
        frame.extend(destination.octets());
        frame.extend(payload);
        self.arrive(frame);
    }

    fn ask(&mut self, query: ShowQuery) {
        self.questions += 1;
        let id = self.questions;
        self.tell(Input::Query { id, query, after: None });
    }

    /// Something happens to ports or configuration.
    fn change(&mut self, what: u8) {
        let (address, low) = (mac(1, FABRIC).link_local(), u16::from(what >> 4));
        match what & 15 {
            0 => self.tell(Input::Carrier { port: FABRIC, is_up: false }),
            1 | 2 => self.tell(Input::Carrier { port: FABRIC, is_up: true }),
            3 => self.tell(Input::PortDetached(FABRIC)),
            4 | 5 => {
                for port in self.ports(10 + low) {
                    self.tell(Input::PortAttached(Box::new(port)));
                }
            }
            6 => {
                let config = self.setup.config(0, &[10 + low]);
                self.tell(Input::Configure(Box::new(config)));
            }
            7 => {
                let mut config = self.setup.config(0, &[10]);
                config.ospf.hello_interval = Duration::from_secs(u64::from(low) + 1);
                config.bfd.enabled = low & 1 == 1;
                self.tell(Input::Configure(Box::new(config)));
            }
            8 => {
                // Another number: router-id and all prefixes change.
                self.setup.renumbered = vec![(0, 1 + 2 * (low & 3))];
                let config = self.setup.config(0, &[10]);
                self.tell(Input::Configure(Box::new(config)));
            }
            9 => self.tell(Input::NeighborUsed { port: FABRIC, address }),
            10 => {
                let packet = vec![0x60; 40 + usize::from(low)];
                self.tell(Input::Unresolved { port: FABRIC, address, packet });
            }
            11 => self.tell(Input::Reclaimed { epoch: u64::from(low) }),
            12 => self.ask(ShowQuery::OspfDatabase),
            13 => self.ask(ShowQuery::Route(RouteFilter::default())),
            14 => self.ask(ShowQuery::OspfNeighbor),
            _ => self.tell(Input::Carrier { port: LAN, is_up: low & 1 == 0 }),
        }
    }
}

/// The header of an OSPF packet of the neighbour: the packet checksum is set later.
fn ospf_packet(kind: u8, router: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(16 + body.len()).unwrap_or(0).to_be_bytes();
    let mut packet = vec![3, kind, high, low];
    packet.extend(router_id(router));
    packet.extend([0; 8]);
    packet.extend(body);
    packet
}

/// The router itself, its neighbour, others.
fn router_id(number: u8) -> [u8; 4] {
    [10, 0, 0, number & 7]
}

/// An LSA of which the octets decide everything but its length and checksums.
fn lsa(octets: &mut Octets<'_>) -> Vec<u8> {
    let mut one = || octets.one().unwrap_or(0);
    let age: u16 = [0, 1, 899, 1800, 3599, 3600, 0x8e10, 0xffff][usize::from(one() & 7)];
    let scoped = one();
    let ls_type: u16 = match scoped & 15 {
        0..=8 => 0x2000 | u16::from(scoped & 15),
        9 => 0x0008,
        10 => 0x2009,
        11 => 0x4005,
        12 => 0xbffa,
        13 => 0xa123,
        14 => 0x1234,
        _ => u16::from_be_bytes([scoped, one()]),
    };
    let (state_id, router, life) = (one(), one(), one());
    let sequence: u32 = match life & 7 {
        0..=3 => 0x8000_0001 + u32::from(life >> 3),
        4 => 0x7fff_ffff,
        5 => 0x8000_0000,
        6 => 0x7fff_fffe,
        _ => u32::from(life) << 24,
    };
    let length = usize::from(one());
    let body = octets.some(length);
    let [high, low] = u16::try_from(20 + body.len()).unwrap_or(0).to_be_bytes();
    let mut lsa = age.to_be_bytes().to_vec();
    lsa.extend(ls_type.to_be_bytes());
    lsa.extend([0, 0, 0, state_id]);
    lsa.extend(router_id(router));
    lsa.extend(sequence.to_be_bytes());
    lsa.extend([0, 0, high, low]);
    lsa.extend(body);
    lsa
}

/// Makes the checksums right: of the LSAs in an update, of an OSPF packet, of an ICMPv6 message.
fn mend(frame: &mut [u8]) {
    let Some(&protocol) = frame.get(ETHERNET_OCTETS + 6) else { return };
    let address = |from: usize| {
        let octets: Option<[u8; 16]> = frame.get(from..)?.first_chunk().copied();
        octets.map(Ipv6Addr::from)
    };
    let ends = address(ETHERNET_OCTETS + 8).zip(address(ETHERNET_OCTETS + 24));
    let (Some((source, destination)), Some(payload)) = (ends, frame.get_mut(UPPER..)) else {
        return;
    };
    let place = match protocol {
        NEXT_OSPF => 12,
        NEXT_ICMPV6 => 2,
        _ => return,
    };
    if protocol == NEXT_OSPF && payload.get(1) == Some(&4) {
        mend_lsas(payload.get_mut(20..).unwrap_or_default());
    }
    let Some(field) = payload.get_mut(place..place + 2) else { return };
    field.fill(0);
    let sum = ipv6_upper_layer(source, destination, protocol, payload).to_be_bytes();
    if let Some(field) = payload.get_mut(place..place + 2) {
        field.copy_from_slice(&sum);
    }
}

fn mend_lsas(mut rest: &mut [u8]) {
    while let Some([high, low]) = rest.get(18..20) {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < 20 || length > rest.len() {
            return;
        }
        let (lsa, others) = rest.split_at_mut(length);
        lsa[16..18].fill(0);
        let sum = fletcher_checksum(&lsa[2..], 14).to_be_bytes();
        lsa[16..18].copy_from_slice(&sum);
        rest = others;
    }
}

fn step(pair: &mut Pair, what: u8, octets: &mut Octets<'_>) {
    let mut one = || octets.one().unwrap_or(0);
    match what & 15 {
        0 => pair.deliver_all(),
        1 => {
            if let Some(frame) = pair.frames.pop_front() {
                pair.arrive(frame);
            }
        }
        // Twice, and later once more.
        2 => {
            if let Some(frame) = pair.frames.front().cloned() {
                pair.arrive(frame.clone());
                pair.arrive(frame);
            }
        }
        3 => drop(pair.frames.pop_front()),
        4..=6 => {
            if let Some(mut frame) = pair.frames.pop_front() {
                for _ in 0..=(what >> 6) {
                    let place = usize::from(u16::from_be_bytes([one(), one()]));
                    let place = UPPER + place % frame.len().saturating_sub(UPPER).max(1);
                    if let Some(octet) = frame.get_mut(place) {
                        *octet ^= one();
                    }
                }
                let cut = if what >> 5 & 1 == 1 { usize::from(one()) } else { 0 };
                frame.truncate(frame.len().saturating_sub(cut));
                pair.arrive(frame);
            }
        }
        7 => pair.pass(Duration::from_millis(u64::from(one()))),
        8 => pair.pass(Duration::from_millis(u64::from(one()) * 100)),
        9 => {
            let (kind, router, length) = (one() & 7, one(), usize::from(one()));
            let body = octets.some(length).to_vec();
            let router = if router < 200 { 2 } else { router };
            pair.forge(NEXT_OSPF, what >> 4 & 1 == 1, &ospf_packet(kind, router, &body));
        }
        10 | 11 => {
            let count = 1 + (what >> 4 & 3);
            let lsas: Vec<Vec<u8>> = (0..count).map(|_| lsa(octets)).collect();
            let body = [vec![0, 0, 0, count], lsas.concat()].concat();
            pair.forge(NEXT_OSPF, what >> 6 & 1 == 1, &ospf_packet(4, 2, &body));
        }
        12 => {
            let length = usize::from(one());
            let message = octets.some(length).to_vec();
            pair.forge(NEXT_ICMPV6, what >> 4 & 1 == 1, &message);
        }
        13 => {
            let (port, length) = (PortId(u16::from(what >> 6)), usize::from(one()));
            let bytes = octets.some(length).to_vec();
            pair.tell(Input::Frame { port, bytes });
        }
        _ => pair.change(one()),
    }
}

/// A control plane under any life.
pub fn control(octets: &[u8]) {
    let mut octets = Octets(octets);
    let shape = octets.one().unwrap_or(0);
    let mut pair = Pair::new(shape);
    // Most lives begin with a neighbour that is Full.
    for _ in 0..(shape >> 1 & 15) {
        pair.pass(Duration::from_millis(250));
        pair.deliver_all();
    }
    for _ in 0..EVENTS_MAX {
        let Some(what) = octets.one() else { break };
        step(&mut pair, what, &mut octets);
        pair.tell(Input::Flush);
    }
    pair.ask(ShowQuery::OspfDatabase);
    pair.ask(ShowQuery::Config);
    pair.tell(Input::Shutdown);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.replies, pair.questions, "every question is answered");
    let read = |line: &Line| {
        let text = serde_json::to_vec(line).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    };
    let lines: Vec<Line> = pair.tried.sink().iter().map(read).collect();
    if let Err(error) = replay::<ControlPlane>(&lines) {
        panic!("the same life again is another: {error}");
    }
}

/// Octets by chance that make long lives: what a fuzzer would begin with.
pub fn life(prng: &mut Prng) -> Vec<u8> {
    let length = 1 + prng.below(3000);
    let mut octet = || u8::try_from(prng.below(256)).unwrap_or(0);
    // Full at first, more often than not.
    let shape = octet() | 0x1c;
    core::iter::once(shape).chain((0..length).map(|_| octet())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ospf::NeighborState;

    #[test]
    fn most_lives_begin_with_a_neighbour_that_is_full_and_hear_forged_lsas() {
        let mut pair = Pair::new(0x1e);
        for _ in 0..15 {
            pair.pass(Duration::from_millis(250));
            pair.deliver_all();
        }
        let neighbors = pair.tried.inner().ospf().neighbors();
        assert_eq!(neighbors.first().map(|one| one.state), Some(NeighborState::Full));
        let digest = pair.tried.inner().ospf().area_digest();
        // Of a router that there is not, a router-LSA of one link.
        let header = [0, 1, 0, 5, 0, 20];
        let body = [0, 0, 1, 0x33, 1, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2];
        let octets = [&header[..], &body].concat();
        step(&mut pair, 10, &mut Octets(&octets));
        assert_ne!(pair.tried.inner().ospf().area_digest(), digest, "it was taken");
    }
}
