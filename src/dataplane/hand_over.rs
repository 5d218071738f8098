//! How workers hand packets to each other where a port has fewer queues than there are workers.
//!
//! Owns [`Peers`], a worker's ends of the rings to and from the others, and [`mesh`], which makes
//! those of all workers. Two things travel: packets that a worker received and whose flow is
//! another's, so that one queue feeds several workers; and packets to be sent by a port whose
//! queues others have. Beside them go BFD packets, to the worker that runs the session. Which
//! worker a flow belongs to says [`super::flow::spread_hash`].
//!
//! *Invariants*: a ring has one writer and one reader, and what goes in comes out in that order, so
//! a flow keeps its own. Nobody waits: what finds no room is dropped, counted as
//! [`DropReason::HandOverFull`]. A burst is written in one step; the only other words that two
//! workers share are the flags of those that sleep, written before and after a sleep. A worker that
//! is alone has no rings, and pays one branch a loop and one a burst.
//!
//! No wake-up is lost: who goes to sleep sets its flag, then looks into its rings; who wrote into
//! one looks at the flag afterwards. Both put a sequentially consistent fence between the two
//! steps, so at least one of them sees what the other did (the argument of [`super::ring`]).

use crate::base::ids::{LcoreId, PortId};
use crate::dataplane::bfd::owner;
use crate::dataplane::counters::LcoreCounters;
use crate::dataplane::drop::DropReason;
use crate::dataplane::flow::spread_hash;
use crate::dataplane::graph::NodeId;
use crate::dataplane::tap::Watch;
use crate::packet::{BURST_MAX, Burst, PacketBuf};
use crate::wire::ethernet::{ETHERTYPE_IPV6, EthernetView, HEADER_OCTETS, VLAN_TAG_OCTETS};
use crate::wire::ipv6::{Ipv6View, is_link_local, is_multicast};
use core::sync::atomic::{AtomicBool, Ordering, fence};
use crossbeam_utils::CachePadded;
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;

/// Packets that wait in a ring between two workers: sixteen bursts.
pub const HAND_OVER_RING_MAX: usize = 16 * BURST_MAX;

/// Wakes a worker; called at most once a loop, and only when that worker sleeps.
pub type WakeWorker = Arc<dyn Fn() + Send + Sync>;

/// What a packet was handed over for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// It came in by this port and its flow is the reader's.
    Received(PortId),
    /// It is a BFD packet that came in by this port, whose sessions the reader runs.
    Bfd(PortId),
    /// It leaves by a port whose queue the reader has.
    ToSend,
}

struct Handed<B> {
    errand: Errand,
    packet: B,
}

type Flag = Arc<CachePadded<AtomicBool>>;

/// The way to one other worker.
struct Lane<B> {
    ring: Producer<Handed<B>>,
    is_asleep: Flag,
    wake: WakeWorker,
    /// Packets of one burst that go there.
    staged: Box<Burst<B>>,
    has_pushed: bool,
}

/// The ends of one worker; owned by its thread.
pub struct Peers<B> {
    own: usize,
    /// To each worker; none to itself.
    lanes: Vec<Option<Lane<B>>>,
    /// From the others.
    inboxes: Vec<Consumer<Handed<B>>>,
    is_asleep: Flag,
}

impl<B> Default for Peers<B> {
    fn default() -> Self {
        Self { own: 0, lanes: Vec::new(), inboxes: Vec::new(), is_asleep: Arc::default() }
    }
}

/// The ends of as many workers as there are ways to wake one; a worker that is alone gets none.
pub fn mesh<B>(wakes: &[WakeWorker]) -> Vec<Peers<B>> {
    let mut peers: Vec<Peers<B>> =
        (0..wakes.len()).map(|own| Peers { own, ..Peers::default() }).collect();
    if wakes.len() < 2 {
        return peers;
    }
    let flags: Vec<Flag> = peers.iter().map(|peer| Arc::clone(&peer.is_asleep)).collect();
    for from in 0..wakes.len() {
        for (to, (wake, flag)) in wakes.iter().zip(&flags).enumerate() {
            if from == to {
                peers[from].lanes.push(None);
                continue;
            }
            let (ring, inbox) = RingBuffer::new(HAND_OVER_RING_MAX);
            peers[to].inboxes.push(inbox);
            peers[from].lanes.push(Some(Lane {
                ring,
                is_asleep: Arc::clone(flag),
                wake: Arc::clone(wake),
                staged: Box::new(Burst::new()),
                has_pushed: false,
            }));
        }
    }
    peers
}

impl<B: PacketBuf> Lane<B> {
    /// Writes what is staged in one step; what finds no room is dropped, as many as it says.
    fn push(&mut self, errand: Errand, counters: &LcoreCounters, watch: &mut Watch) -> usize {
        let room = self.ring.slots();
        let surplus = self.staged.len().saturating_sub(room);
        if surplus > 0 {
            self.drop_last(surplus, errand, counters, watch);
        }
        if self.staged.is_empty() {
            return surplus;
        }
        if let Ok(chunk) = self.ring.write_chunk_uninit(self.staged.len()) {
            let packets = self.staged.drain().map(|packet| Handed { errand, packet });
            let count = chunk.fill_from_iter(packets);
            counters.handed_over.add(count as u64);
            self.has_pushed = true;
        }
        debug_assert!(self.staged.is_empty(), "the room was looked at before");
        surplus
    }

    #[cold]
    fn drop_last(
        &mut self,
        surplus: usize,
        errand: Errand,
        counters: &LcoreCounters,
        watch: &mut Watch,
    ) {
        let reason = DropReason::HandOverFull;
        counters.count_drops(reason, surplus);
        let mut dropped = Burst::new();
        dropped.extend((0..surplus).filter_map(|_| self.staged.pop()));
        if watch.is_active() {
            let node = match errand {
                Errand::Received(_) => NodeId::EthernetInput,
                Errand::Bfd(_) => NodeId::BfdInput,
                Errand::ToSend => NodeId::PortOutput,
            };
            dropped.iter().for_each(|packet| watch.dropped(packet, node, reason, counters));
        }
        B::release(&mut dropped);
    }
}

impl<B: PacketBuf> Peers<B> {
    /// Whether there are no others.
    #[inline]
    pub fn is_alone(&self) -> bool {
        self.inboxes.is_empty()
    }

    /// Rings that packets come by.
    #[inline]
    pub fn inbox_count(&self) -> usize {
        self.inboxes.len()
    }

    /// Hands the packets of `burst` whose flows are others' to those; the rest stays, in order.
    pub(super) fn spread(
        &mut self,
        port: PortId,
        burst: &mut Burst<B>,
        seed: u64,
        counters: &LcoreCounters,
        watch: &mut Watch,
    ) {
        let (own, lanes) = (self.own, &mut self.lanes);
        let workers = lanes.len() as u64;
        burst.sift(|slot| {
            let Some(hash) = slot.as_ref().and_then(|packet| flow_of(packet, seed)) else { return };
            // The upper bits of the product are evenly spread, and nothing is divided.
            let target = usize::try_from((u64::from(hash) * workers) >> 32).unwrap_or(own);
            if let Some(Some(lane)) = lanes.get_mut(target)
                && let Some(packet) = slot.take()
                && let Err(packet) = lane.staged.push(packet)
            {
                // A burst has no more packets than a burst.
                *slot = Some(packet);
            }
        });
        for lane in lanes.iter_mut().flatten().filter(|lane| !lane.staged.is_empty()) {
            lane.push(Errand::Received(port), counters, watch);
        }
    }

    /// Hands packets to the worker that has the queue of their port; says how many were dropped.
    pub(super) fn send_by(
        &mut self,
        owner: LcoreId,
        packets: &mut Burst<B>,
        counters: &LcoreCounters,
        watch: &mut Watch,
    ) -> usize {
        match self.lanes.get_mut(usize::from(owner.0)).and_then(Option::as_mut) {
            Some(lane) => {
                core::mem::swap(&mut *lane.staged, packets);
                lane.push(Errand::ToSend, counters, watch)
            }
            None => {
                let lost = packets.len();
                counters.count_drops(DropReason::PortGone, lost);
                B::release(packets);
                lost
            }
        }
    }

    /// The worker that runs the BFD sessions of a port, where it is another one.
    #[inline]
    pub(super) fn owner_of(&self, port: PortId) -> Option<usize> {
        let owner = owner(port, self.lanes.len());
        (!self.is_alone() && owner != self.own).then_some(owner)
    }

    /// Hands one packet to a worker.
    pub(super) fn give(
        &mut self,
        to: usize,
        errand: Errand,
        slot: &mut Option<B>,
        (counters, watch): (&LcoreCounters, &mut Watch),
    ) {
        let Some(lane) = self.lanes.get_mut(to).and_then(Option::as_mut) else { return };
        // Nothing is staged between two bursts.
        lane.staged.extend(slot.take());
        lane.push(errand, counters, watch);
    }

    /// Takes packets of one errand from a ring, as many as follow each other and fit.
    pub fn take(&mut self, inbox: usize, burst: &mut Burst<B>) -> Option<Errand> {
        let ring = self.inboxes.get_mut(inbox)?;
        let errand = ring.peek().ok()?.errand;
        while burst.room() > 0 && ring.peek().is_ok_and(|handed| handed.errand == errand) {
            let Ok(handed) = ring.pop() else { break };
            burst.extend([handed.packet]);
        }
        Some(errand)
    }

    /// Wakes the workers that sleep and were handed something since the last call.
    pub fn wake(&mut self) {
        for lane in self.lanes.iter_mut().flatten() {
            if !core::mem::take(&mut lane.has_pushed) {
                continue;
            }
            fence(Ordering::SeqCst);
            let is_asleep = lane.is_asleep.load(Ordering::Relaxed);
            if is_asleep && lane.is_asleep.swap(false, Ordering::AcqRel) {
                (lane.wake)();
            }
        }
    }

    /// Says that this worker goes to sleep. False when something waits already: then it must not.
    pub fn announce_sleep(&self) -> bool {
        self.is_asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let may_sleep = self.inboxes.iter().all(Consumer::is_empty);
        if !may_sleep {
            self.announce_awake();
        }
        may_sleep
    }

    /// Says that it is awake again.
    pub fn announce_awake(&self) {
        self.is_asleep.store(false, Ordering::Relaxed);
    }
}

/// The hash of the packet's flow; `None` for what stays with the worker that received it: all that
/// is no IPv6, and what never leaves its link, which is the control plane's.
#[inline]
fn flow_of<B: PacketBuf>(packet: &B, seed: u64) -> Option<u32> {
    let data = packet.data();
    let ethernet = EthernetView::new(data).ok()?;
    if ethernet.ether_type() != ETHERTYPE_IPV6 {
        return None;
    }
    let tag = if ethernet.tag_control().is_some() { VLAN_TAG_OCTETS } else { 0 };
    let view = Ipv6View::new(data.get(HEADER_OCTETS + tag..)?).ok()?;
    let destination = view.destination_bits();
    (!is_multicast(destination) && !is_link_local(destination)).then(|| spread_hash(&view, seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::HeapBuf;
    use core::sync::atomic::AtomicU32;

    fn two() -> (Peers<HeapBuf>, Peers<HeapBuf>, Arc<AtomicU32>) {
        let wakes = Arc::new(AtomicU32::new(0));
        let wake = || -> WakeWorker {
            let count = Arc::clone(&wakes);
            Arc::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
        };
        let mut peers = mesh(&[wake(), wake()]).into_iter();
        let (first, second) = (peers.next().unwrap(), peers.next().unwrap());
        (first, second, wakes)
    }

    fn packets(count: u8) -> Burst<HeapBuf> {
        let mut burst = Burst::new();
        burst.extend((0..count).map(|number| HeapBuf::new(&[number])));
        burst
    }

    fn send(from: &mut Peers<HeapBuf>, count: u8, counters: &LcoreCounters) -> usize {
        from.send_by(LcoreId(1), &mut packets(count), counters, &mut Watch::default())
    }

    #[test]
    fn a_worker_alone_has_no_rings() {
        let wake: WakeWorker = Arc::new(|| ());
        let peers = mesh::<HeapBuf>(&[wake]);
        assert!(peers.len() == 1 && peers[0].is_alone() && peers[0].announce_sleep());
    }

    #[test]
    fn what_is_handed_over_arrives_in_order_with_its_errand() {
        let (mut first, mut second, _) = two();
        let counters = LcoreCounters::new(1);
        assert_eq!(send(&mut first, 5, &counters), 0);
        let mut burst = Burst::new();
        assert_eq!(second.take(0, &mut burst), Some(Errand::ToSend));
        let numbers: Vec<u8> = burst.drain().map(|packet| packet.data()[0]).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!(second.take(0, &mut burst), None);
        assert_eq!(counters.snapshot().handed_over, 5);
    }

    #[test]
    fn a_full_ring_is_a_drop_with_its_reason() {
        let (mut first, mut second, _) = two();
        let counters = LcoreCounters::new(1);
        let rounds = HAND_OVER_RING_MAX / 50 + 1;
        for _ in 0..rounds {
            send(&mut first, 50, &counters);
        }
        let counts = counters.snapshot();
        let dropped = rounds * 50 - HAND_OVER_RING_MAX;
        assert_eq!(counts.dropped(DropReason::HandOverFull), dropped as u64);
        assert_eq!(counts.handed_over, HAND_OVER_RING_MAX as u64);
        let mut taken = 0;
        let mut burst = Burst::new();
        while second.take(0, &mut burst).is_some() {
            taken += burst.drain().count();
        }
        assert_eq!(taken, HAND_OVER_RING_MAX);
    }

    #[test]
    fn a_sleeping_worker_is_woken_once_and_does_not_sleep_over_packets() {
        let (mut first, second, wakes) = two();
        let counters = LcoreCounters::new(1);
        assert!(second.announce_sleep());
        for _ in 0..2 {
            send(&mut first, 1, &counters);
            first.wake();
        }
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert!(!second.announce_sleep(), "something waits");
    }
}
