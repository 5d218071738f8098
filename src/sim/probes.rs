//! Packets that are followed: which arrive, which are lost and why, which go in circles.
//!
//! Owns [`Probes`]: what is known of each packet on its way, and the sums. The packets are real
//! ones, UDP to the discard port, sent by the kernel of one host to another's loopback, and pass
//! the real data planes; what happens to them is told by the world, who sees each frame. Which
//! pairs are probed is the campaign's choice.
//!
//! *Invariants*: sent = arrived + lost + excused + on their way. A packet circles when it comes to
//! a router twice with the same destination in its outermost header; one that comes back inside a
//! tunnel does not.

use crate::base::cursor::Writer;
use crate::base::time::Duration;
use crate::wire::ethernet::EthernetView;
use crate::wire::ipv6::{HEADER_OCTETS, HOP_LIMIT_DEFAULT, Ipv6Header, Ipv6View, NEXT_UDP};
use crate::wire::udp::{HEADER_OCTETS as UDP_OCTETS, UdpHeader, UdpView};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// How often a packet is sent between each pair: a thousand a second.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(1);
/// Packets on their way at once; more are not sent, and counted.
pub const FLIGHTS_MAX: usize = 100_000;

/// The discard port (RFC 863).
const PROBE_PORT: u16 = 9;
/// The cause of what somebody kept: neither a router nor a link said that it lost it.
pub const KEPT: &str = "kept";

const MAGIC: &[u8] = b"kumiki";
const NEXT_IPV6: u8 = 41;
/// Headers that are taken off to find a probe: more than any repair puts on.
const TUNNELS_MAX: usize = 4;

crate::counters! {
    /// What became of the packets.
    pub struct ProbeCounts {
        @normal sent: "packets", "Packets sent.";
        @normal arrived: "packets", "Packets that arrived.";
        lost: "packets", "Packets lost although their pair was joined.";
        @normal excused: "packets", "Packets lost because nothing joined their pair.";
        microloops: "packets", "Packets that came to a router twice.";
        loops: "loops", "Loops that stood in the tables, by publication and destination.";
        unsent: "packets", "Packets not sent because too many were on their way.";
        @normal exit_sent: "packets", "Packets sent to the rest of the world; not above.";
        @normal exit_arrived: "packets", "Of these, packets that arrived.";
        exit_lost: "packets", "Packets lost although a way out was there all the time.";
        @normal exit_excused: "packets", "Packets lost because there was no way out.";
        exit_microloops: "packets", "Packets on their way out that came to a router twice.";
    }
}

/// Where a packet shall go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// The loopback of a router.
    Router(usize),
    /// A host in a prefix of the rest of the world.
    Outside(usize),
}

/// From where to where packets are sent.
pub type Pair = (usize, Goal);

/// A packet on its way.
#[derive(Clone, Debug)]
struct Flight {
    pair: Pair,
    /// Where it was, and what its outermost header said there.
    trail: Vec<(usize, Ipv6Addr)>,
    /// Copies that may still arrive.
    copies: u32,
    is_doubled: bool,
    has_circled: bool,
    departures: u32,
}

/// The packets that are followed; one per world.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    pairs: Vec<Pair>,
    is_ticking: bool,
    next: u32,
    flights: BTreeMap<u32, Flight>,
    counts: ProbeCounts,
    causes: BTreeMap<&'static str, u64>,
    exit_causes: BTreeMap<&'static str, u64>,
}

impl Probes {
    /// What became of them so far.
    pub const fn counts(&self) -> ProbeCounts {
        self.counts
    }

    /// Why those that count as lost were, by cause.
    pub const fn causes(&self) -> &BTreeMap<&'static str, u64> {
        &self.causes
    }

    /// The same of those to the rest of the world.
    pub const fn exit_causes(&self) -> &BTreeMap<&'static str, u64> {
        &self.exit_causes
    }

    /// Between whom packets are sent.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The routers that packets are sent to.
    pub fn targets(&self) -> BTreeSet<usize> {
        let router = |(_, goal): &Pair| match goal {
            Goal::Router(router) => Some(*router),
            Goal::Outside(_) => None,
        };
        self.pairs.iter().filter_map(router).collect()
    }

    /// Whether anything is on its way or about to be sent.
    pub fn is_active(&self) -> bool {
        !self.pairs.is_empty() || !self.flights.is_empty()
    }

    /// Packets on their way to routers.
    pub fn waiting(&self) -> u64 {
        let is_inside = |flight: &&Flight| matches!(flight.pair.1, Goal::Router(_));
        self.flights.values().filter(is_inside).count() as u64
    }

    /// Probes these pairs; whether a tick must be planned.
    pub(super) fn aim(&mut self, pairs: Vec<Pair>) -> bool {
        self.pairs = pairs;
        !self.pairs.is_empty() && !core::mem::replace(&mut self.is_ticking, true)
    }

    /// Whether there will be another tick.
    pub(super) fn ticks_on(&mut self) -> bool {
        self.is_ticking = !self.pairs.is_empty();
        self.is_ticking
    }

    /// A new packet: its number.
    pub(super) fn depart(&mut self, pair: Pair) -> Option<u32> {
        if self.flights.len() >= FLIGHTS_MAX {
            self.counts.unsent += 1;
            return None;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        match pair.1 {
            Goal::Router(_) => self.counts.sent += 1,
            Goal::Outside(_) => self.counts.exit_sent += 1,
        }
        let flight = Flight {
            pair,
            trail: Vec::new(),
            copies: 1,
            is_doubled: false,
            has_circled: false,
            departures: 0,
        };
        self.flights.insert(number, flight);
        Some(number)
    }

    /// The number of the packet in a frame, and where its outermost header leads.
    pub(super) fn find(&self, frame: &[u8]) -> Option<(u32, Ipv6Addr)> {
        if self.flights.is_empty() {
            return None;
        }
        let octets = EthernetView::new(frame).ok()?.len();
        let (number, destination) = read(frame.get(octets..)?)?;
        self.flights.contains_key(&number).then_some((number, destination))
    }

    /// The packet is at a router.
    pub(super) fn visit(&mut self, number: u32, router: usize, destination: Ipv6Addr) {
        let Some(flight) = self.flights.get_mut(&number) else { return };
        let here = (router, destination);
        if flight.trail.contains(&here) && !flight.is_doubled && !flight.has_circled {
            flight.has_circled = true;
            match flight.pair.1 {
                Goal::Router(_) => self.counts.microloops += 1,
                Goal::Outside(_) => self.counts.exit_microloops += 1,
            }
        }
        flight.trail.push(here);
    }

    /// How often the packet left a router; `None` when it is not on its way any more.
    pub(super) fn departures(&self, number: u32) -> Option<u32> {
        self.flights.get(&number).map(|flight| flight.departures)
    }

    /// The packet was put on a link, which made this many of it.
    pub(super) fn left(&mut self, number: u32, copies: usize) {
        let Some(flight) = self.flights.get_mut(&number) else { return };
        flight.departures += 1;
        if copies > 1 {
            flight.copies += 1;
            flight.is_doubled = true;
        }
    }

    /// Between whom the packet is under way.
    pub(super) fn pair(&self, number: u32) -> Option<Pair> {
        self.flights.get(&number).map(|flight| flight.pair)
    }

    /// The packet, or a copy of it, is gone.
    pub(super) fn lose(&mut self, number: u32, cause: &'static str, is_excused: bool) {
        let Some(flight) = self.flights.get_mut(&number) else { return };
        flight.copies -= 1;
        if flight.copies > 0 {
            return;
        }
        let goal = flight.pair.1;
        self.flights.remove(&number);
        let (counts, causes) = (&mut self.counts, &mut self.causes);
        match (goal, is_excused) {
            (Goal::Router(_), true) => counts.excused += 1,
            (Goal::Outside(_), true) => counts.exit_excused += 1,
            (Goal::Router(_), false) => {
                counts.lost += 1;
                *causes.entry(cause).or_default() += 1;
            }
            (Goal::Outside(_), false) => {
                counts.exit_lost += 1;
                *self.exit_causes.entry(cause).or_default() += 1;
            }
        }
    }

    /// The packet arrived; what becomes of copies is not followed.
    pub(super) fn arrive(&mut self, number: u32) {
        match self.flights.remove(&number).map(|flight| flight.pair.1) {
            Some(Goal::Router(_)) => self.counts.arrived += 1,
            Some(Goal::Outside(_)) => self.counts.exit_arrived += 1,
            None => {}
        }
    }

    pub(super) const fn count_loops(&mut self, count: u64) {
        self.counts.loops += count;
    }

    /// Gives up what has not arrived: nothing is on a link any more, so somebody kept it.
    pub(super) fn give_up(&mut self, is_joined: impl Fn(Pair) -> bool) {
        let left: Vec<(u32, bool)> =
            self.flights.iter().map(|(number, flight)| (*number, is_joined(flight.pair))).collect();
        for (number, is_joined) in left {
            if let Some(flight) = self.flights.get_mut(&number) {
                flight.copies = 1;
            }
            self.lose(number, KEPT, !is_joined);
        }
    }
}

/// The packet with this number: each is a flow of its own.
pub(super) fn packet(source: Ipv6Addr, destination: Ipv6Addr, number: u32) -> Vec<u8> {
    let [_, _, high, low] = number.to_be_bytes();
    let source_port = 0x8000 | u16::from_be_bytes([high, low]);
    let header = UdpHeader { source_port, destination_port: PROBE_PORT };
    let payload = [MAGIC, &number.to_be_bytes()].concat();
    let payload = header.encode(source, destination, &payload);
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: number & 0xf_ffff,
        payload_length: u16::try_from(payload.len()).unwrap_or(u16::MAX),
        next_header: NEXT_UDP,
        hop_limit: HOP_LIMIT_DEFAULT,
        source,
        destination,
    };
    let mut writer = Writer::default();
    header.encode(&mut writer);
    writer.put(&payload);
    writer.into_vec()
}

/// The number of the probe in a packet, and the destination of the outermost header.
pub(super) fn read(packet: &[u8]) -> Option<(u32, Ipv6Addr)> {
    let outermost = Ipv6View::new(packet).ok()?.destination();
    let mut rest = packet;
    for _ in 0..=TUNNELS_MAX {
        let view = Ipv6View::new(rest).ok()?;
        let payload = rest.get(HEADER_OCTETS..)?;
        match view.next_header() {
            NEXT_IPV6 => rest = payload,
            NEXT_UDP if UdpView::new(payload).ok()?.destination_port() == PROBE_PORT => {
                let number = payload.get(UDP_OCTETS..)?.strip_prefix(MAGIC)?.first_chunk()?;
                return Some((u32::from_be_bytes(*number), outermost));
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    const TARGET: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
    const MIDDLE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 3);

    fn tunnelled(packet: &[u8]) -> Vec<u8> {
        let header = Ipv6Header {
            traffic_class: 0,
            flow_label: 0,
            payload_length: u16::try_from(packet.len()).unwrap(),
            next_header: NEXT_IPV6,
            hop_limit: 64,
            source: SOURCE,
            destination: MIDDLE,
        };
        let mut writer = Writer::default();
        header.encode(&mut writer);
        writer.put(packet);
        writer.into_vec()
    }

    #[test]
    fn a_packet_is_known_inside_and_outside_of_a_tunnel() {
        let packet = packet(SOURCE, TARGET, 77);
        assert_eq!(read(&packet), Some((77, TARGET)));
        assert_eq!(read(&tunnelled(&packet)), Some((77, MIDDLE)));
        assert_eq!(read(&packet[..packet.len() - 5]), None);
    }

    #[test]
    fn a_circle_is_counted_once_and_a_tunnel_back_is_none() {
        let mut probes = Probes::default();
        let pair = (0, Goal::Router(2));
        assert!(probes.aim(vec![pair]) && !probes.aim(vec![pair]));
        let number = probes.depart(pair).unwrap();
        for (router, destination) in [(0, TARGET), (1, TARGET), (0, MIDDLE)] {
            probes.visit(number, router, destination);
        }
        assert_eq!(probes.counts().microloops, 0);
        probes.visit(number, 1, TARGET);
        probes.visit(number, 0, TARGET);
        assert_eq!(probes.counts().microloops, 1);
    }

    #[test]
    fn every_packet_has_one_end() {
        let mut probes = Probes::default();
        let mut depart = |goal| probes.depart((0, goal)).unwrap();
        let numbers: Vec<u32> = (0..5).map(|_| depart(Goal::Router(2))).collect();
        let outward = [(); 3].map(|()| depart(Goal::Outside(2)));
        probes.arrive(outward[0]);
        probes.lose(outward[1], "no_route", false);
        probes.lose(outward[2], "no_route", true);
        probes.arrive(numbers[0]);
        probes.arrive(numbers[0]);
        probes.lose(numbers[1], "cut", false);
        probes.lose(numbers[2], "cut", true);
        probes.left(numbers[3], 2);
        probes.lose(numbers[3], "chance", false);
        probes.arrive(numbers[3]);
        probes.give_up(|_| true);
        let ProbeCounts { sent, arrived, lost, excused, .. } = probes.counts();
        assert_eq!((sent, arrived, lost, excused), (5, 2, 2, 1));
        assert_eq!(probes.causes(), &BTreeMap::from([("cut", 1), ("kept", 1)]));
        let ProbeCounts { exit_sent, exit_arrived, exit_lost, exit_excused, .. } = probes.counts();
        assert_eq!((exit_sent, exit_arrived, exit_lost, exit_excused), (3, 1, 1, 1));
        assert_eq!(probes.exit_causes(), &BTreeMap::from([("no_route", 1)]));
    }
}
