//! A neighbour that has a whole area to tell: the other end of an OSPF machine under measurement.
//!
//! Owns `Speaker`, just as much of a router as the exchange of databases needs: it says hello,
//! describes what it has as the master, answers requests, and acknowledges what is flooded to it.
//! [`load`] lets the two talk in virtual time.
//!
//! *Invariants*: nothing is lost and nothing is late, so that every repetition is the machine's.
//! *Standards*: RFC 2328 §10.6 to §10.8, RFC 5340 §4.2.2.

use crate::area::{AreaError, MadeUpArea, loopback, router_id, way};
use kumiki::base::ids::PortId;
use kumiki::base::machine::Machine;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::time::{Duration, Instant};
use kumiki::proto::ospf::{
    Action, AdvertisedPrefix, BACKBONE, Input, InterfaceConfig, InterfaceKind, NeighborState, Ospf,
    Settings, SpfDelays,
};
use kumiki::wire::ospf::packet::ALL_SPF_ROUTERS;
use kumiki::wire::ospf::{
    DatabaseDescription, Hello, LinkStateAcknowledgment, LinkStateUpdate, Lsa, LsaHeader, LsaKey,
    Options, Packet, PacketBody,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;

const MTU: u16 = 1500;
/// What fits a packet after the headers of IPv6 and OSPF.
const ROOM: usize = MTU as usize - 40 - 16;
/// What a packet takes on its cable.
const LATENCY: Duration = Duration::from_micros(20);
/// How long routes may take, in virtual time: as long as LONG_SPF_DELAY and its hold-down.
const ROUTES_WAIT_MAX: Duration = Duration::from_secs(30);
const OPTIONS: Options = Options::V6.with(Options::E).with(Options::R);
const PORT: PortId = PortId(1);

/// Why an area was not learned.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The area cannot be made.
    #[error(transparent)]
    Area(#[from] AreaError),
    /// The machine said something that is no OSPF.
    #[error("the machine sent a packet that cannot be read: {0}")]
    Packet(#[from] kumiki::wire::ospf::DecodeError),
    /// It does not come to an end.
    #[error("after {0:?} the machine knows {1} of {2} routers")]
    Unfinished(Duration, u32, usize),
}

/// What loading took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// From the first hello until the neighbour is Full, both ends' work.
    pub full_ms: f64,
    /// The same until every route is there.
    pub routes_ms: f64,
    /// Descriptions, requests and LSAs that came more than once.
    pub repetitions: u64,
    /// Packets in both directions.
    pub packets: u64,
    /// LSAs in the database.
    pub lsas: usize,
}

/// The neighbour.
struct Speaker {
    router: usize,
    interface_id: u32,
    source: Ipv6Addr,
    lsas: BTreeMap<LsaKey, Lsa>,
    /// What is not described yet.
    summary: VecDeque<LsaHeader>,
    sequence: u32,
    has_offered: bool,
    /// Keys that were asked for, to notice those asked for again.
    asked: BTreeMap<LsaKey, u32>,
    repetitions: u64,
}

impl Speaker {
    fn new(area: &MadeUpArea) -> Result<Self, AreaError> {
        let (router, _, interface_id) = area.first_cable();
        let mut lsas = BTreeMap::new();
        for other in 1..area.router_count() {
            lsas.extend(area.lsas(other)?.into_iter().map(|lsa| (lsa.key(), lsa)));
        }
        let summary = lsas.values().map(|lsa| lsa.header).collect();
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, 1);
        let (sequence, has_offered, asked) = (1, false, BTreeMap::new());
        Ok(Self {
            router,
            interface_id,
            source,
            lsas,
            summary,
            sequence,
            has_offered,
            asked,
            repetitions: 0,
        })
    }

    fn packet(&self, body: PacketBody) -> Vec<u8> {
        let (router_id, area, instance_id) = (router_id(self.router), BACKBONE, 0);
        Packet { router_id, area, instance_id, body }.encode(self.source, ALL_SPF_ROUTERS)
    }

    /// What it answers.
    fn answers(&mut self, body: PacketBody) -> Vec<Vec<u8>> {
        match body {
            PacketBody::Hello(_) => vec![self.hello()],
            PacketBody::DatabaseDescription(dd) => self.describe(&dd).into_iter().collect(),
            PacketBody::LinkStateRequest(request) => self.update(&request.keys),
            PacketBody::LinkStateUpdate(update) => {
                let headers = update.lsas.iter().map(|lsa| lsa.header).collect();
                let body = LinkStateAcknowledgment { headers };
                vec![self.packet(PacketBody::LinkStateAcknowledgment(body))]
            }
            PacketBody::LinkStateAcknowledgment(_) => Vec::new(),
        }
    }

    fn hello(&self) -> Vec<u8> {
        self.packet(PacketBody::Hello(Hello {
            interface_id: self.interface_id,
            priority: 1,
            options: OPTIONS,
            hello_interval_s: 1,
            dead_interval_s: 40,
            designated_router: Default::default(),
            backup_designated_router: Default::default(),
            neighbors: vec![router_id(0)],
        }))
    }

    /// Its router-id is the greater one: it is the master.
    fn describe(&mut self, said: &DatabaseDescription) -> Option<Vec<u8>> {
        let is_offer = said.is_init;
        if is_offer && self.has_offered || !is_offer && said.sequence != self.sequence {
            self.repetitions += 1;
            return None;
        }
        if !is_offer && self.summary.is_empty() && !said.has_more {
            return None;
        }
        self.has_offered = true;
        self.sequence += u32::from(!is_offer);
        let count = if is_offer { 0 } else { ((ROOM - 12) / 20).min(self.summary.len()) };
        let headers: Vec<LsaHeader> = self.summary.drain(..count).collect();
        Some(self.packet(PacketBody::DatabaseDescription(DatabaseDescription {
            options: OPTIONS,
            mtu: MTU,
            is_init: is_offer,
            has_more: !self.summary.is_empty(),
            is_master: true,
            sequence: self.sequence,
            headers,
        })))
    }

    /// RFC 2328 §10.7: what was asked for, in packets as full as they can be.
    fn update(&mut self, keys: &[LsaKey]) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let (mut lsas, mut octets) = (Vec::new(), 4);
        for key in keys {
            let Some(lsa) = self.lsas.get(key).cloned() else { continue };
            let times = self.asked.entry(*key).or_default();
            *times += 1;
            self.repetitions += u64::from(*times > 1);
            if octets + lsa.octets() > ROOM {
                let full = core::mem::take(&mut lsas);
                packets
                    .push(self.packet(PacketBody::LinkStateUpdate(LinkStateUpdate { lsas: full })));
                octets = 4;
            }
            octets += lsa.octets();
            lsas.push(lsa);
        }
        packets.push(self.packet(PacketBody::LinkStateUpdate(LinkStateUpdate { lsas })));
        packets
    }
}

/// Router 0 of the area, before it knows anybody.
fn machine(area: &MadeUpArea) -> Ospf {
    let mut ospf = Ospf::new(1);
    let (_, interface_id, _) = area.first_cable();
    let settings = Settings {
        router_id: router_id(0),
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
    };
    let interface = InterfaceConfig {
        name: "p1".to_owned(),
        kind: InterfaceKind::PointToPoint,
        interface_id,
        area: BACKBONE,
        instance_id: 0,
        link_local: way(interface_id).address,
        mtu: MTU,
        cost: 10,
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(40),
        retransmit_interval: Duration::from_secs(1),
        transmit_delay: Duration::from_secs(1),
        mtu_ignore: false,
        is_up: true,
    };
    let prefix = Ipv6Prefix::host(loopback(0));
    let own = AdvertisedPrefix { prefix, metric: 0, is_local_address: true };
    for input in [
        Input::Settings(settings),
        Input::Prefixes(vec![own]),
        Input::InterfaceAdded { port: PORT, interface: Box::new(interface) },
    ] {
        ospf.handle(Instant::from_millis(1000), input);
    }
    ospf
}

/// Lets a new machine learn the area from one neighbour; the machine is returned as well.
pub fn load(area: &MadeUpArea) -> Result<(Load, Ospf), LoadError> {
    let (mut ospf, mut speaker) = (machine(area), Speaker::new(area)?);
    let (mut now, mut load) = (Instant::from_millis(1000), Load::default());
    let end = now + ROUTES_WAIT_MAX;
    let begin = std::time::Instant::now();
    let mut on_the_way: VecDeque<Vec<u8>> = VecDeque::from([speaker.hello()]);
    let knows_all = |ospf: &Ospf| {
        let count = ospf.spf().router_count;
        ospf.is_calculated() && usize::try_from(count) == Ok(area.router_count())
    };
    while !knows_all(&ospf) {
        if now >= end {
            let known = ospf.spf().router_count;
            return Err(LoadError::Unfinished(ROUTES_WAIT_MAX, known, area.router_count()));
        }
        match on_the_way.pop_front() {
            Some(bytes) => {
                now += LATENCY;
                load.packets += 1;
                let (source, destination) = (speaker.source, ALL_SPF_ROUTERS);
                ospf.handle(now, Input::Packet { port: PORT, source, destination, bytes });
            }
            None => now = ospf.next_deadline().unwrap_or(end).max(now),
        }
        if ospf.next_deadline().is_some_and(|at| at <= now) {
            ospf.handle_timeout(now);
        }
        while let Some(action) = ospf.poll_action() {
            match action {
                Action::Send { bytes, .. } => {
                    load.packets += 1;
                    on_the_way.extend(speaker.answers(Packet::decode(&bytes)?.body));
                }
                Action::NeighborChanged(change) if change.to == NeighborState::Full => {
                    load.full_ms = begin.elapsed().as_secs_f64() * 1e3;
                }
                _ => {}
            }
        }
    }
    load.routes_ms = begin.elapsed().as_secs_f64() * 1e3;
    let counters = ospf.counters();
    load.repetitions = speaker.repetitions
        + counters.lsa_retransmitted
        + counters.lsa_repeated
        + counters.dd_repeated
        + counters.sequence_mismatches;
    load.lsas = ospf.lsa_count();
    Ok((load, ospf))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::{Costs, Shape};

    #[test]
    fn a_machine_learns_an_area_from_one_neighbour_without_a_repetition() {
        let area = MadeUpArea::new(120, Shape::Torus, Costs::Random).unwrap();
        let (load, ospf) = load(&area).unwrap();
        assert_eq!((load.repetitions, ospf.spf().router_count), (0, 120));
        assert_eq!(load.lsas, 119 * 3 + 3, "own: router-, link- and intra-area-prefix-LSA");
    }
}
