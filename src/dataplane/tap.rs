//! Taps: copies of packets for `kumiki capture`, and the paths of packets for `kumiki trace`.
//!
//! Owns [`Tap`] (what one capture or trace wants of one worker, and the ring by which it gets it),
//! [`Record`] (one copy) and `Watch` (what the worker keeps of all its taps). How a packet is
//! followed from node to node is in [`crate::dataplane::trace`]. Who reads records, and when enough
//! is enough, is the daemon's business.
//!
//! *Invariants*: without taps a worker reads one length a loop, a burst, a flush of a port and a
//! dropped packet. With taps it allocates nothing: records are made with the tap and go round,
//! empty ones down and full ones up. A worker never waits for a reader: where no empty record is,
//! the copy is lost and counted. Every copy is counted as it is made and as it leaves: copied =
//! captured + lost. Only the first segment of a packet is copied, which holds every frame that the
//! pools are made for.

use crate::base::ids::PortId;
use crate::base::time::Instant;
use crate::dataplane::counters::{Cell, LcoreCounters};
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::NodeId;
use crate::dataplane::node::L2_OCTETS;
use crate::dataplane::ring::Ring;
use crate::dataplane::trace::Step;
use crate::filter::{Facts, Filter};
use crate::packet::buf::FRAME_OCTETS_MAX;
use crate::packet::{BURST_MAX, Burst, PacketBuf, PacketMeta};
use crate::wire::ethernet::{ETHERTYPE_IPV6, EthernetView};
use std::sync::Arc;

/// Taps that a worker has at once: people who look for the same fault.
pub const TAPS_MAX: usize = 4;
/// Records of one tap, at most: some milliseconds of all traffic of a fast port.
pub const RECORDS_MAX: usize = 1024;
/// Records of one tap, at least: a burst.
const RECORDS_MIN: usize = BURST_MAX;
/// Octets of all records of one tap, as far as [`RECORDS_MIN`] allows.
const RECORD_BYTES_MAX: usize = 8 << 20;
/// Nodes that one packet passes, see `graph::ORDER`.
pub const STEPS_MAX: usize = 48;

const _: () = assert!(RECORDS_MIN * FRAME_OCTETS_MAX as usize <= RECORD_BYTES_MAX);

/// The taps of one worker; the daemon keeps the last reference, so that workers free nothing.
pub type TapSet = Arc<[Arc<Tap>]>;

/// What of the packets is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Frames as they were received and sent.
    Traffic,
    /// Packets as they were dropped.
    Drops,
    /// The ways of packets through the nodes.
    Paths,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// A frame came in.
    Received,
    /// The device took a frame.
    Sent,
    /// A packet was dropped.
    Dropped(DropReason),
    /// A packet that came in was followed.
    Followed,
}

/// One copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Instant,
    /// Where; `None` for packets of the router and its host that have not reached a port.
    pub port: Option<PortId>,
    /// What.
    pub sight: Sight,
    /// The tag that was taken off before.
    pub vlan: Option<u16>,
    /// Octets of the whole frame.
    pub length: u32,
    /// The first ones. A packet that has no Ethernet header yet, or no more, gets one with MACs of
    /// zeros.
    pub octets: Vec<u8>,
    /// Where it went, where it was followed.
    pub path: Vec<Step>,
}

/// A capture or a trace, at one worker; the worker writes, one other thread reads.
#[derive(Debug)]
pub struct Tap {
    wanted: Wanted,
    port: Option<PortId>,
    filter: Filter,
    snap_octets: usize,
    empty: Ring<Box<Record>>,
    full: Ring<Box<Record>>,
    lost: Cell,
}

impl Tap {
    /// A tap with all its records; `port` narrows it, of each frame `snap_octets` are copied.
    pub fn new(wanted: Wanted, port: Option<PortId>, filter: Filter, snap_octets: u16) -> Self {
        let snap_octets = usize::from(snap_octets.clamp(L2_OCTETS, FRAME_OCTETS_MAX));
        let count = (RECORD_BYTES_MAX / snap_octets).clamp(RECORDS_MIN, RECORDS_MAX);
        let steps = if wanted == Wanted::Paths { STEPS_MAX } else { 0 };
        let (empty, full) = (Ring::new(count), Ring::new(count));
        for _ in 0..count {
            let record = Record {
                at: Instant::ZERO,
                port: None,
                sight: Sight::Received,
                vlan: None,
                length: 0,
                octets: Vec::with_capacity(snap_octets),
                path: Vec::with_capacity(steps),
            };
            let is_refused = empty.push(Box::new(record)).is_err();
            debug_assert!(!is_refused, "the ring holds as many as there are");
        }
        Self { wanted, port, filter, snap_octets, empty, full, lost: Cell::default() }
    }

    /// Reader: the oldest record, to be given back.
    pub fn take(&self) -> Option<Box<Record>> {
        self.full.pop()
    }

    /// Reader: gives a record back.
    pub fn give_back(&self, record: Box<Record>) {
        let is_refused = self.empty.push(record).is_err();
        debug_assert!(!is_refused, "a record of another tap");
    }

    /// Copies for which there was no empty record.
    pub fn lost_count(&self) -> u64 {
        self.lost.get()
    }

    fn wants(&self, wanted: Wanted, port: Option<PortId>) -> bool {
        self.wanted == wanted && (self.port.is_none() || self.port == port)
    }

    /// An empty record with a copy in it.
    fn copy(&self, look: &Look<'_>) -> Option<Box<Record>> {
        let mut record = self.empty.pop()?;
        record.at = look.at;
        record.port = look.port;
        record.vlan = look.vlan;
        record.path.clear();
        record.octets.clear();
        let octets = match look.octets {
            Octets::Frame(octets) => octets,
            Octets::Packet(octets) => {
                record.octets.extend([0; 12]);
                record.octets.extend(ETHERTYPE_IPV6.to_be_bytes());
                octets
            }
        };
        let room = self.snap_octets.saturating_sub(record.octets.len());
        record.octets.extend_from_slice(octets.get(..room).unwrap_or(octets));
        record.length = look.length;
        Some(record)
    }

    /// Hands a record to the reader; `None` is a copy that found none.
    fn publish(&self, record: Option<Box<Record>>, sight: Sight, counters: &LcoreCounters) {
        counters.copied.add(1);
        let is_taken = record.is_some_and(|mut record| {
            record.sight = sight;
            self.full.push(record).is_ok()
        });
        if is_taken {
            counters.captured.add(1);
        } else {
            counters.capture_lost.add(1);
            self.lost.add(1);
        }
    }
}

/// The octets of a packet, and what they begin with.
#[derive(Clone, Copy, Debug)]
enum Octets<'a> {
    /// The Ethernet header.
    Frame(&'a [u8]),
    /// The IPv6 header.
    Packet(&'a [u8]),
}

/// A packet that is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    at: Instant,
    port: Option<PortId>,
    vlan: Option<u16>,
    length: u32,
    octets: Octets<'a>,
}

impl Look<'_> {
    fn facts(&self) -> Facts<'static> {
        let facts = match self.octets {
            Octets::Frame(octets) => Facts::of_frame(octets, self.length),
            Octets::Packet(octets) => Facts::of_packet(octets, self.length),
        };
        self.vlan.map_or(facts, |vlan| facts.tagged(vlan))
    }
}

/// What will be known of a frame when the device has taken it or not.
#[derive(Debug, Default)]
struct Prepared {
    record: Option<Box<Record>>,
    is_for_sent: bool,
    is_for_dropped: bool,
}

/// The frames of a transmit burst, for each tap.
pub(super) struct Outbox([[Prepared; BURST_MAX]; TAPS_MAX]);

impl Outbox {
    fn empty() -> Self {
        let places = || core::array::from_fn(|_| Prepared::default());
        Self(core::array::from_fn(|_| places()))
    }
}

/// The taps of a worker, and what it does just now.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    taps: TapSet,
    /// The time of the loop.
    pub at: Instant,
    /// The port whose burst is in the graph; `None` for injected packets.
    pub port: Option<PortId>,
    /// The last reason to drop.
    pub reason: Option<DropReason>,
}

impl Default for Watch {
    fn default() -> Self {
        Self { taps: Arc::new([]), at: Instant::ZERO, port: None, reason: None }
    }
}

impl Watch {
    /// Other taps from now on; those beyond [`TAPS_MAX`] see nothing.
    pub fn set(&mut self, taps: TapSet) {
        self.taps = taps;
    }

    /// Whether anybody looks; all that is asked when nobody does.
    #[inline]
    pub fn is_active(&self) -> bool {
        !self.taps.is_empty()
    }

    fn taps(&self) -> impl Iterator<Item = &Tap> {
        self.taps.iter().take(TAPS_MAX).map(|tap| &**tap)
    }

    /// Whether packets are to be followed.
    pub fn follows(&self) -> bool {
        self.taps().any(|tap| tap.wanted == Wanted::Paths)
    }

    /// A received burst, before anything is done to it.
    pub fn received<B: PacketBuf>(&self, burst: &Burst<B>, counters: &LcoreCounters) {
        for tap in self.taps().filter(|tap| tap.wants(Wanted::Traffic, self.port)) {
            for packet in burst.iter() {
                let look = self.look_at_frame(packet, self.port);
                if tap.filter.passes(&look.facts()) {
                    tap.publish(tap.copy(&look), Sight::Received, counters);
                }
            }
        }
    }

    /// A packet that `node` drops, or has its sender told that it is dropped.
    #[cold]
    pub fn dropped<B: PacketBuf>(
        &mut self,
        packet: &B,
        node: NodeId,
        reason: DropReason,
        counters: &LcoreCounters,
    ) {
        self.reason = Some(reason);
        let look = self.look_at(packet, node);
        for tap in self.taps().filter(|tap| tap.wants(Wanted::Drops, look.port)) {
            if tap.filter.passes(&look.facts().dropped(reason.name())) {
                tap.publish(tap.copy(&look), Sight::Dropped(reason), counters);
            }
        }
    }

    /// Copies of frames that the device is about to be offered.
    pub fn before_sending<B: PacketBuf>(&self, burst: &Burst<B>, port: PortId) -> Outbox {
        let mut outbox = Outbox::empty();
        for (tap, places) in self.taps().zip(&mut outbox.0) {
            let wants = |wanted| tap.wants(wanted, Some(port));
            let (traffic, drops) = (wants(Wanted::Traffic), wants(Wanted::Drops));
            if !traffic && !drops {
                continue;
            }
            for (packet, place) in burst.iter().zip(places) {
                let look = self.look_at_frame(packet, Some(port));
                let facts = look.facts();
                let full = facts.dropped(DropReason::TxFull.name());
                place.is_for_sent = traffic && tap.filter.passes(&facts);
                place.is_for_dropped = drops && tap.filter.passes(&full);
                if place.is_for_sent || place.is_for_dropped {
                    place.record = tap.copy(&look);
                }
            }
        }
        outbox
    }

    /// The device took the first `sent` of `offered` frames.
    pub fn after_sending(
        &self,
        outbox: &mut Outbox,
        (sent, offered): (usize, usize),
        counters: &LcoreCounters,
    ) {
        for (tap, places) in self.taps().zip(&mut outbox.0) {
            for (index, place) in places.iter_mut().take(offered).enumerate() {
                let record = place.record.take();
                if index < sent && place.is_for_sent {
                    tap.publish(record, Sight::Sent, counters);
                } else if index >= sent && place.is_for_dropped {
                    tap.publish(record, Sight::Dropped(DropReason::TxFull), counters);
                } else if let Some(record) = record {
                    tap.give_back(record);
                }
            }
        }
    }

    /// Which taps follow this packet, which is about to enter `node`, a bit each.
    pub fn followers<B: PacketBuf>(&self, packet: &B, node: NodeId) -> u8 {
        let look = self.look_at(packet, node);
        let mut followers = 0;
        for (number, tap) in self.taps().enumerate() {
            let follows = tap.wants(Wanted::Paths, self.port) && tap.filter.passes(&look.facts());
            followers |= u8::from(follows) << number;
        }
        followers
    }

    /// A copy for each of them, of the packet before its way.
    pub fn copies<B: PacketBuf>(&self, packet: &B, node: NodeId, followers: u8) -> Copies {
        let look = self.look_at(packet, node);
        let mut copies = Copies { followers, records: Default::default() };
        for ((number, tap), place) in self.taps().enumerate().zip(&mut copies.records) {
            if followers >> number & 1 == 1 {
                *place = tap.copy(&look);
            }
        }
        copies
    }

    /// The way of the packet, to each of them.
    pub fn followed(&self, mut copies: Copies, path: &[Step], counters: &LcoreCounters) {
        for ((number, tap), place) in self.taps().enumerate().zip(&mut copies.records) {
            if copies.followers >> number & 1 == 0 {
                continue;
            }
            let mut record = place.take();
            if let Some(record) = &mut record {
                let room = record.path.capacity();
                record.path.extend_from_slice(path.get(..room).unwrap_or(path));
            }
            tap.publish(record, Sight::Followed, counters);
        }
    }

    fn look_at_frame<'a, B: PacketBuf>(&self, packet: &'a B, port: Option<PortId>) -> Look<'a> {
        let octets = Octets::Frame(packet.data());
        Look { at: self.at, port, vlan: None, length: packet.len(), octets }
    }

    /// A packet inside the graph: where its headers are depends on the node.
    fn look_at<'a, B: PacketBuf>(&self, packet: &'a B, node: NodeId) -> Look<'a> {
        let data = packet.data();
        match node {
            // Nothing is known of it yet but the port.
            NodeId::PortInput | NodeId::EthernetInput => self.look_at_frame(packet, self.port),
            NodeId::PortOutput => {
                self.look_at_frame(packet, self.port.or(Some(packet.meta().out_port)))
            }
            _ => {
                let meta = packet.meta();
                let vlan = Some(meta.vlan).filter(|vlan| *vlan != 0);
                let ipv6 = data.get(usize::from(meta.l3_offset)..).unwrap_or(&[]);
                let beyond = u32::from(L2_OCTETS.saturating_sub(meta.l3_offset));
                let (at, port, length) = (self.at, self.port, packet.len() + beyond);
                let octets = match has_link(meta, data) {
                    true => Octets::Frame(data),
                    false => Octets::Packet(ipv6),
                };
                Look { at, port, vlan, length, octets }
            }
        }
    }
}

/// Whether the octets before the IPv6 header are an Ethernet header, not only the room for one.
fn has_link(meta: &PacketMeta, data: &[u8]) -> bool {
    let is_ipv6 = || EthernetView::new(data).is_ok_and(|e| e.ether_type() == ETHERTYPE_IPV6);
    meta.l3_offset == L2_OCTETS && (!meta.has(PacketMeta::INJECTED) || is_ipv6())
}

/// Copies of one packet that is followed.
pub(super) struct Copies {
    followers: u8,
    records: [Option<Box<Record>>; TAPS_MAX],
}
