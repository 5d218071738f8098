//! The ports of one worker: their queues and the bursts that wait to be sent.
//!
//! Owns [`WorkerPort`] and [`Ports`]. Devices are `ports`'; which port a packet leaves by is the
//! graph's.
//!
//! *Invariants*: between two loops nothing waits to be sent. What the device does not take is
//! dropped and counted, never tried again: a full queue is back-pressure that the sender must see
//! as loss.

use crate::base::ids::{LcoreId, PORT_MAX, PortId};
use crate::dataplane::counters::{LcoreCounters, PortCells};
use crate::dataplane::drop::DropReason;
use crate::dataplane::graph::NodeId;
use crate::dataplane::hand_over::Peers;
use crate::dataplane::tap::Watch;
use crate::fib::Forwarding;
use crate::packet::{Burst, PacketBuf, PortRx, PortTx};
use crate::wire::ethernet::{ETHERTYPE_VLAN, VLAN_TAG_OCTETS};

/// How a worker sends by a port.
pub enum WayOut<B> {
    /// It has a transmit queue.
    Queue(Box<dyn PortTx<B>>),
    /// Another worker has one.
    Worker(LcoreId),
}

/// A port as one worker has it.
pub struct WorkerPort<B> {
    /// Its number.
    pub port: PortId,
    /// Its receive queue; `None` where other workers have them all.
    pub rx: Option<Box<dyn PortRx<B>>>,
    /// Its transmit queue, or who has one.
    pub tx: WayOut<B>,
    /// What is received is shared with the workers that have no queue.
    is_spread: bool,
    pending: Burst<B>,
}

impl<B: PacketBuf> WorkerPort<B> {
    /// A port with its queues.
    pub fn new(port: PortId, rx: Option<Box<dyn PortRx<B>>>, tx: Box<dyn PortTx<B>>) -> Box<Self> {
        let (tx, pending) = (WayOut::Queue(tx), Burst::new());
        Box::new(Self { port, rx, tx, is_spread: false, pending })
    }

    /// A port whose queues others have; `owner` sends for this worker.
    pub fn without_queue(port: PortId, owner: LcoreId) -> Box<Self> {
        let (tx, pending) = (WayOut::Worker(owner), Burst::new());
        Box::new(Self { port, rx: None, tx, is_spread: false, pending })
    }

    /// The same port; what it receives is shared by all workers.
    #[must_use]
    pub fn spread(mut self: Box<Self>) -> Box<Self> {
        self.is_spread = true;
        self
    }

    /// Hands what waits to the device, or to who has its queue.
    fn flush(
        &mut self,
        world: &Forwarding,
        counters: &LcoreCounters,
        watch: &mut Watch,
        peers: &mut Peers<B>,
    ) {
        let tx = match &mut self.tx {
            WayOut::Queue(tx) => tx.as_mut(),
            WayOut::Worker(owner) => {
                let lost = peers.send_by(*owner, &mut self.pending, counters, watch);
                if let Some(cells) = counters.port(self.port).filter(|_| lost > 0) {
                    cells.tx_dropped.add(lost as u64);
                }
                return;
            }
        };
        let pending = &mut self.pending;
        if let Some(vlan) = world.interfaces.get(self.port).and_then(|port| port.vlan) {
            tag(tx, pending, vlan, counters, watch);
        }
        let bytes_before = bytes(pending);
        let sent = match watch.is_active() {
            false => tx.send(pending),
            true => send_watched(tx, pending, self.port, counters, watch),
        };
        let left = pending.len();
        let bytes = bytes_before - bytes(pending);
        if let Some(cells) = counters.port(self.port) {
            cells.tx_packets.add(sent as u64);
            cells.tx_bytes.add(bytes);
            cells.tx_dropped.add(left as u64);
        }
        if left > 0 {
            counters.count_drops(DropReason::TxFull, left);
            B::release(pending);
        }
    }
}

#[inline]
fn bytes<B: PacketBuf>(burst: &Burst<B>) -> u64 {
    burst.iter().map(|packet| u64::from(packet.len())).sum()
}

/// Hands packets to the device, shown to those who look on.
#[cold]
fn send_watched<B: PacketBuf>(
    tx: &mut dyn PortTx<B>,
    pending: &mut Burst<B>,
    port: PortId,
    counters: &LcoreCounters,
    watch: &Watch,
) -> usize {
    let offered = pending.len();
    let mut outbox = watch.before_sending(pending, port);
    let sent = tx.send(pending);
    watch.after_sending(&mut outbox, (sent, offered), counters);
    sent
}

/// Puts the port's tag between the MACs and the EtherType, where the device does not; who looks on
/// shall see it.
#[cold]
fn tag<B: PacketBuf>(
    tx: &mut dyn PortTx<B>,
    pending: &mut Burst<B>,
    vlan: u16,
    counters: &LcoreCounters,
    watch: &mut Watch,
) {
    if !watch.is_active() && tx.insert_tag(pending, vlan) {
        return;
    }
    pending.sift(|slot| {
        let Some(packet) = slot else { return };
        if insert_tag(packet, vlan).is_none() {
            counters.count_drops(DropReason::NoHeadroom, 1);
            if watch.is_active() {
                let reason = DropReason::NoHeadroom;
                watch.dropped(packet, NodeId::PortOutput, reason, counters);
            }
            *slot = None;
        }
    });
}

/// Puts a tag with this VLAN id between the MACs and the EtherType; `None` without room for it.
pub(super) fn insert_tag<B: PacketBuf>(packet: &mut B, vlan: u16) -> Option<()> {
    let macs: [u8; 12] = *packet.data().first_chunk()?;
    packet.prepend(u16::try_from(VLAN_TAG_OCTETS).ok()?).ok()?;
    let (front, rest) = packet.data_mut().split_first_chunk_mut()?;
    *front = macs;
    let (tag_type, rest) = rest.split_first_chunk_mut()?;
    *tag_type = ETHERTYPE_VLAN.to_be_bytes();
    *rest.first_chunk_mut()? = vlan.to_be_bytes();
    Some(())
}

/// The ports of one worker, at the index of their numbers.
pub struct Ports<B> {
    slots: Box<[Option<Box<WorkerPort<B>>>]>,
    members: Vec<PortId>,
    receivers: Vec<PortId>,
    /// Who looks on.
    pub(super) watch: Watch,
    peers: Peers<B>,
}

impl<B: PacketBuf> Default for Ports<B> {
    fn default() -> Self {
        let slots = (0..PORT_MAX).map(|_| None).collect();
        let list = || Vec::with_capacity(PORT_MAX);
        Self {
            slots,
            members: list(),
            receivers: list(),
            watch: Watch::default(),
            peers: Peers::default(),
        }
    }
}

impl<B: PacketBuf> Ports<B> {
    /// Adds a port; gives back the one that had the number, or the port itself when its number is
    /// too large.
    pub fn insert(&mut self, port: Box<WorkerPort<B>>) -> Option<Box<WorkerPort<B>>> {
        let id = port.port;
        let has_rx = port.rx.is_some();
        let Some(slot) = self.slots.get_mut(id.index()) else { return Some(port) };
        let old = slot.replace(port);
        self.forget(id);
        self.members.push(id);
        if has_rx {
            self.receivers.push(id);
        }
        old
    }

    /// Lets packets go to and come from other workers.
    pub fn join(&mut self, peers: Peers<B>) {
        self.peers = peers;
    }

    /// The other workers.
    #[inline]
    pub fn peers(&mut self) -> &mut Peers<B> {
        &mut self.peers
    }

    /// Shares a burst that the port received with the other workers, where it has fewer queues than
    /// there are workers.
    #[inline]
    pub fn spread(
        &mut self,
        id: PortId,
        burst: &mut Burst<B>,
        seed: u64,
        counters: &LcoreCounters,
    ) {
        if self.slot(id).is_some_and(|port| port.is_spread) {
            self.peers.spread(id, burst, seed, counters, &mut self.watch);
        }
    }

    /// Takes a port away.
    pub fn remove(&mut self, id: PortId) -> Option<Box<WorkerPort<B>>> {
        self.forget(id);
        self.slots.get_mut(id.index()).and_then(Option::take)
    }

    fn forget(&mut self, id: PortId) {
        self.members.retain(|other| *other != id);
        self.receivers.retain(|other| *other != id);
    }

    /// The port that is polled at this place of the round.
    #[inline]
    pub fn receiver(&self, place: usize) -> Option<PortId> {
        self.receivers.get(place).copied()
    }

    /// Fills `burst` from the port's receive queue.
    #[inline]
    pub fn receive(&mut self, id: PortId, burst: &mut Burst<B>) -> usize {
        let rx = self.slot(id).and_then(|port| port.rx.as_mut());
        rx.map_or(0, |rx| rx.receive(burst))
    }

    /// Lets a packet wait for the next flush; sends the full burst before. Gives the packet back
    /// when the port is not here.
    #[inline]
    pub fn send(
        &mut self,
        packet: B,
        world: &Forwarding,
        counters: &LcoreCounters,
    ) -> Result<(), B> {
        let id = packet.meta().out_port;
        match self.slots.get_mut(id.index()).and_then(Option::as_deref_mut) {
            Some(port) => {
                if port.pending.room() == 0 {
                    port.flush(world, counters, &mut self.watch, &mut self.peers);
                }
                port.pending.push(packet)
            }
            None => Err(packet),
        }
    }

    /// Hands everything that waits to the devices.
    pub fn flush(&mut self, world: &Forwarding, counters: &LcoreCounters) {
        for id in &self.members {
            let slot = self.slots.get_mut(id.index()).and_then(Option::as_deref_mut);
            if let Some(port) = slot.filter(|port| !port.pending.is_empty()) {
                port.flush(world, counters, &mut self.watch, &mut self.peers);
            }
        }
    }

    #[inline]
    fn slot(&mut self, id: PortId) -> Option<&mut WorkerPort<B>> {
        self.slots.get_mut(id.index()).and_then(Option::as_deref_mut)
    }
}

/// Counts a received burst.
#[inline]
pub fn count_received<B: PacketBuf>(cells: &PortCells, burst: &Burst<B>) {
    let bytes: u64 = burst.iter().map(|packet| u64::from(packet.len())).sum();
    cells.rx_packets.add(burst.len() as u64);
    cells.rx_bytes.add(bytes);
}
