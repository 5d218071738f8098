//! What a worker counts.
//!
//! Owns [`LcoreCounters`], the cells of one worker, and [`LcoreSnapshot`], a copy of them that
//! readers add up. Names and sentences come from the enums that number the cells.
//!
//! *Invariants*: one worker writes, anybody reads; a cell only grows. When no loop runs, received +
//! injected + copied + generated + originated + taken over = sent + punted + captured + dropped +
//! absorbed + handed over (STYLE §9), which [`LcoreSnapshot::is_conserved`] says. Copies are those
//! of frames that are flooded, which go on as frames do, and those of taps: each of these leaves by
//! its ring or is lost in front of it, which counts as a drop of the copy. In the sum of all
//! workers what was handed over and not yet taken over waits in a ring.

use crate::base::ids::{NextHopId, PORT_MAX, PortId};
use crate::dataplane::drop::{DROP_REASON_COUNT, DropReason, SILENCE_REASON_COUNT, SilenceReason};
use crate::dataplane::graph::{NODE_COUNT, NodeId};
use crate::dataplane::member_counters::MemberCells;
use crate::dataplane::punt::{PUNT_CLASS_COUNT, PuntClass};
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds; only the owner may.
    #[inline]
    pub fn add(&self, count: u64) {
        // One writer: load and store need no locked instruction. Relaxed: nothing depends on it.
        self.0.store(self.get().wrapping_add(count), Ordering::Relaxed);
    }

    /// The count.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The cells of one node.
#[derive(Debug, Default)]
pub struct NodeCells {
    /// Times it ran.
    pub calls: Cell,
    /// Packets it saw.
    pub packets: Cell,
    /// TSC cycles it took.
    pub cycles: Cell,
}

/// The cells of one port.
#[derive(Debug, Default)]
pub struct PortCells {
    /// Packets received.
    pub rx_packets: Cell,
    /// Octets received.
    pub rx_bytes: Cell,
    /// Packets that the device took.
    pub tx_packets: Cell,
    /// Octets that the device took.
    pub tx_bytes: Cell,
    /// Packets that the device did not take.
    pub tx_dropped: Cell,
}

/// The cells of the BFD session of one port.
#[derive(Debug, Default)]
pub struct BfdCells {
    /// Packets sent.
    pub sent: Cell,
    /// Packets that the session accepted.
    pub received: Cell,
    /// Packets refused, each dropped with a reason.
    pub refused: Cell,
    /// Packets that could not be made: no buffer.
    pub unsent: Cell,
    /// Detection times extended because the worker was late.
    pub late_extensions: Cell,
}

/// The cells of bridging and of pseudowires.
#[derive(Debug, Default)]
pub struct OverlayCells {
    /// Frames put into pseudowires.
    pub encapsulated: Cell,
    /// Frames taken out of them.
    pub decapsulated: Cell,
    /// Copies of frames that were flooded; the first of each is the frame itself.
    pub replicated: Cell,
    /// MACs learned, …
    pub macs_learned: Cell,
    /// … seen to move to another member, …
    pub macs_moved: Cell,
    /// … held where they were because they moved too often, …
    pub macs_held: Cell,
    /// … not learned because the member has as many as it may, …
    pub macs_limited: Cell,
    /// … or because the table is full there.
    pub macs_unplaced: Cell,
    /// Events for which the control thread had no room.
    pub events_lost: Cell,
}

/// The cells of one worker, shared by `Arc` with those who read; a cache line apart from other
/// workers'.
#[derive(Debug)]
#[repr(align(128))]
pub struct LcoreCounters {
    nodes: [NodeCells; NODE_COUNT],
    drops: [Cell; DROP_REASON_COUNT],
    silences: [Cell; SILENCE_REASON_COUNT],
    punts: [Cell; PUNT_CLASS_COUNT],
    ports: Box<[PortCells]>,
    bfd: Box<[BfdCells]>,
    next_hops: Box<[Cell]>,
    /// Of workers that bridge.
    members: OnceLock<Box<[MemberCells]>>,
    /// Loops run.
    pub loops: Cell,
    /// Loops that found nothing.
    pub idle_loops: Cell,
    /// Times it slept.
    pub sleeps: Cell,
    /// Packets taken from the control thread.
    pub injected: Cell,
    /// ICMPv6 errors made, each from a packet that is counted as dropped.
    pub generated: Cell,
    /// Packets that went by a backup, since nobody of their group lived.
    pub repaired: Cell,
    /// Packets taken out of the tunnel of a repair.
    pub decapsulated: Cell,
    /// Copies of packets made for taps.
    pub copied: Cell,
    /// Copies that their tap has.
    pub captured: Cell,
    /// Copies for which their tap had no room.
    pub capture_lost: Cell,
    /// Packets of the BFD sessions of this worker, made …
    pub originated: Cell,
    /// … and accepted.
    pub absorbed: Cell,
    /// Packets given to other workers.
    pub handed_over: Cell,
    /// Packets got from other workers.
    pub taken_over: Cell,
    /// Packets that came in by one port of the fabric and left by one.
    pub transit: Cell,
    /// Bridging and pseudowires.
    pub overlay: OverlayCells,
}

impl LcoreCounters {
    /// Cells for next hops below `next_hop_count` (the length of the liveness table).
    pub fn new(next_hop_count: usize) -> Self {
        Self {
            nodes: core::array::from_fn(|_| NodeCells::default()),
            drops: core::array::from_fn(|_| Cell::default()),
            silences: core::array::from_fn(|_| Cell::default()),
            punts: core::array::from_fn(|_| Cell::default()),
            ports: (0..PORT_MAX).map(|_| PortCells::default()).collect(),
            bfd: (0..PORT_MAX).map(|_| BfdCells::default()).collect(),
            next_hops: (0..next_hop_count).map(|_| Cell::default()).collect(),
            members: OnceLock::new(),
            loops: Cell::default(),
            idle_loops: Cell::default(),
            sleeps: Cell::default(),
            injected: Cell::default(),
            generated: Cell::default(),
            repaired: Cell::default(),
            decapsulated: Cell::default(),
            copied: Cell::default(),
            captured: Cell::default(),
            capture_lost: Cell::default(),
            originated: Cell::default(),
            absorbed: Cell::default(),
            handed_over: Cell::default(),
            taken_over: Cell::default(),
            transit: Cell::default(),
            overlay: OverlayCells::default(),
        }
    }

    /// Counts a run of `node`.
    #[inline]
    pub fn count_node(&self, node: NodeId, packets: usize, cycles: u64) {
        if let Some(cells) = self.nodes.get(node.index()) {
            cells.calls.add(1);
            cells.packets.add(packets as u64);
            cells.cycles.add(cycles);
        }
    }

    /// Counts dropped packets.
    #[inline]
    pub fn count_drops(&self, reason: DropReason, packets: usize) {
        if let Some(cell) = self.drops.get(reason.index()) {
            cell.add(packets as u64);
        }
    }

    /// Packets dropped for `reason` so far.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason.index()).map_or(0, Cell::get)
    }

    /// Counts an ICMPv6 error that was not made; its packet was counted by the node that asked.
    #[inline]
    pub fn count_silence(&self, reason: SilenceReason) {
        if let Some(cell) = self.silences.get(reason.index()) {
            cell.add(1);
        }
    }

    /// ICMPv6 errors not made for `reason`.
    pub fn silenced(&self, reason: SilenceReason) -> u64 {
        self.silences.get(reason.index()).map_or(0, Cell::get)
    }

    /// Counts a punted packet.
    #[inline]
    pub fn count_punt(&self, class: PuntClass) {
        if let Some(cell) = self.punts.get(class.index()) {
            cell.add(1);
        }
    }

    /// Counts packets sent to a next hop; numbers beyond the table are not counted.
    #[inline]
    pub fn count_next_hop(&self, next_hop: NextHopId, packets: u64) {
        if let Some(cell) = self.next_hops.get(next_hop.index()) {
            cell.add(packets);
        }
    }

    /// Packets sent to a next hop since the start: ND compares it with what it read before.
    pub fn next_hop_packets(&self, next_hop: NextHopId) -> u64 {
        self.next_hops.get(next_hop.index()).map_or(0, Cell::get)
    }

    /// Makes the cells of members of bridge domains; without them none is counted.
    pub fn start_members(&self) {
        self.members.get_or_init(MemberCells::table);
    }

    /// The cells of members by number; none where the worker bridges nothing.
    #[inline]
    pub fn members(&self) -> &[MemberCells] {
        self.members.get().map_or(&[], |members| members)
    }

    /// The cells of a port.
    #[inline]
    pub fn port(&self, port: PortId) -> Option<&PortCells> {
        self.ports.get(port.index())
    }

    /// The cells of the BFD session of a port.
    #[inline]
    pub fn bfd(&self, port: PortId) -> Option<&BfdCells> {
        self.bfd.get(port.index())
    }

    /// A copy of everything but the next hops; not one instant, each cell for itself.
    pub fn snapshot(&self) -> LcoreSnapshot {
        let node = |cells: &NodeCells| NodeCounts {
            calls: cells.calls.get(),
            packets: cells.packets.get(),
            cycles: cells.cycles.get(),
        };
        let port = |cells: &PortCells| PortCounts {
            rx_packets: cells.rx_packets.get(),
            rx_bytes: cells.rx_bytes.get(),
            tx_packets: cells.tx_packets.get(),
            tx_bytes: cells.tx_bytes.get(),
            tx_dropped: cells.tx_dropped.get(),
        };
        let bfd = |cells: &BfdCells| BfdCounts {
            sent: cells.sent.get(),
            received: cells.received.get(),
            refused: cells.refused.get(),
            unsent: cells.unsent.get(),
            late_extensions: cells.late_extensions.get(),
        };
        LcoreSnapshot {
            nodes: self.nodes.iter().map(node).collect(),
            drops: self.drops.iter().map(Cell::get).collect(),
            silences: self.silences.iter().map(Cell::get).collect(),
            punts: self.punts.iter().map(Cell::get).collect(),
            ports: self.ports.iter().map(port).collect(),
            bfd: self.bfd.iter().map(bfd).collect(),
            loops: self.loops.get(),
            idle_loops: self.idle_loops.get(),
            sleeps: self.sleeps.get(),
            injected: self.injected.get(),
            generated: self.generated.get(),
            repaired: self.repaired.get(),
            decapsulated: self.decapsulated.get(),
            copied: self.copied.get(),
            captured: self.captured.get(),
            capture_lost: self.capture_lost.get(),
            originated: self.originated.get(),
            absorbed: self.absorbed.get(),
            handed_over: self.handed_over.get(),
            taken_over: self.taken_over.get(),
            transit: self.transit.get(),
            overlay: self.overlay.snapshot(),
        }
    }
}

/// Counts of bridging and of pseudowires; what each means says [`OverlayCells`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverlayCounts {
    /// Frames put into pseudowires.
    pub encapsulated: u64,
    /// Frames taken out of them.
    pub decapsulated: u64,
    /// Copies of flooded frames.
    pub replicated: u64,
    /// MACs learned.
    pub macs_learned: u64,
    /// MACs that moved.
    pub macs_moved: u64,
    /// MACs held where they were.
    pub macs_held: u64,
    /// MACs beyond the limit of their member.
    pub macs_limited: u64,
    /// MACs without a place in the table.
    pub macs_unplaced: u64,
    /// Events without room.
    pub events_lost: u64,
}

impl OverlayCells {
    fn snapshot(&self) -> OverlayCounts {
        OverlayCounts {
            encapsulated: self.encapsulated.get(),
            decapsulated: self.decapsulated.get(),
            replicated: self.replicated.get(),
            macs_learned: self.macs_learned.get(),
            macs_moved: self.macs_moved.get(),
            macs_held: self.macs_held.get(),
            macs_limited: self.macs_limited.get(),
            macs_unplaced: self.macs_unplaced.get(),
            events_lost: self.events_lost.get(),
        }
    }
}

impl OverlayCounts {
    const fn add(&mut self, other: &Self) {
        self.encapsulated += other.encapsulated;
        self.decapsulated += other.decapsulated;
        self.replicated += other.replicated;
        self.macs_learned += other.macs_learned;
        self.macs_moved += other.macs_moved;
        self.macs_held += other.macs_held;
        self.macs_limited += other.macs_limited;
        self.macs_unplaced += other.macs_unplaced;
        self.events_lost += other.events_lost;
    }
}

/// Counts of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Times it ran.
    pub calls: u64,
    /// Packets it saw.
    pub packets: u64,
    /// TSC cycles it took.
    pub cycles: u64,
}

/// Counts of one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounts {
    /// Packets received.
    pub rx_packets: u64,
    /// Octets received.
    pub rx_bytes: u64,
    /// Packets that the device took.
    pub tx_packets: u64,
    /// Octets that the device took.
    pub tx_bytes: u64,
    /// Packets that the device did not take.
    pub tx_dropped: u64,
}

/// Counts of the BFD session of one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BfdCounts {
    /// Packets sent.
    pub sent: u64,
    /// Packets that the session accepted.
    pub received: u64,
    /// Packets refused.
    pub refused: u64,
    /// Packets that could not be made: no buffer.
    pub unsent: u64,
    /// Detection times extended because the worker was late.
    pub late_extensions: u64,
}

/// A copy of a worker's counts, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LcoreSnapshot {
    /// In the order of [`NodeId::ALL`].
    pub nodes: Vec<NodeCounts>,
    /// In the order of [`DropReason::ALL`].
    pub drops: Vec<u64>,
    /// In the order of [`SilenceReason::ALL`].
    pub silences: Vec<u64>,
    /// In the order of [`PuntClass::ALL`].
    pub punts: Vec<u64>,
    /// By port number.
    pub ports: Vec<PortCounts>,
    /// By port number.
    pub bfd: Vec<BfdCounts>,
    /// Loops run.
    pub loops: u64,
    /// Loops that found nothing.
    pub idle_loops: u64,
    /// Times it slept.
    pub sleeps: u64,
    /// Packets taken from the control thread.
    pub injected: u64,
    /// ICMPv6 errors made.
    pub generated: u64,
    /// Packets that went by a backup.
    pub repaired: u64,
    /// Packets taken out of the tunnel of a repair.
    pub decapsulated: u64,
    /// Copies made for taps.
    pub copied: u64,
    /// Copies that their tap has.
    pub captured: u64,
    /// Copies for which their tap had no room.
    pub capture_lost: u64,
    /// Packets of BFD sessions made …
    pub originated: u64,
    /// … and accepted.
    pub absorbed: u64,
    /// Packets given to other workers.
    pub handed_over: u64,
    /// Packets got from other workers.
    pub taken_over: u64,
    /// Packets from port to port of the fabric.
    pub transit: u64,
    /// Bridging and pseudowires.
    pub overlay: OverlayCounts,
}

impl LcoreSnapshot {
    /// Packets dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason.index()).copied().unwrap_or(0)
    }

    /// ICMPv6 errors not made for `reason`.
    pub fn silenced(&self, reason: SilenceReason) -> u64 {
        self.silences.get(reason.index()).copied().unwrap_or(0)
    }

    /// Packets punted in `class`.
    pub fn punted(&self, class: PuntClass) -> u64 {
        self.punts.get(class.index()).copied().unwrap_or(0)
    }

    /// Counts of `node`.
    pub fn node(&self, node: NodeId) -> NodeCounts {
        self.nodes.get(node.index()).copied().unwrap_or_default()
    }

    /// Counts of `port`.
    pub fn port(&self, port: PortId) -> PortCounts {
        self.ports.get(port.index()).copied().unwrap_or_default()
    }

    /// Counts of the BFD session of `port`.
    pub fn bfd(&self, port: PortId) -> BfdCounts {
        self.bfd.get(port.index()).copied().unwrap_or_default()
    }

    /// Packets in: received, injected, copied, replicated, generated, originated, taken over.
    pub fn came_in(&self) -> u64 {
        let received: u64 = self.ports.iter().map(|port| port.rx_packets).sum();
        let copies = self.copied + self.overlay.replicated;
        let made = copies + self.generated + self.originated;
        received + self.injected + made + self.taken_over
    }

    /// Packets out: sent, punted, dropped, absorbed, handed over, and copies, captured or lost.
    pub fn went_out(&self) -> u64 {
        let sent: u64 = self.ports.iter().map(|port| port.tx_packets).sum();
        let others = self.captured + self.capture_lost + self.absorbed + self.handed_over;
        sent + self.punts.iter().sum::<u64>() + self.drops.iter().sum::<u64>() + others
    }

    /// Whether no packet was lost without a reason.
    pub fn is_conserved(&self) -> bool {
        self.came_in() == self.went_out()
    }

    /// Adds another worker's counts.
    pub fn add(&mut self, other: &Self) {
        add_all(&mut self.drops, &other.drops, |sum, count| *sum += count);
        add_all(&mut self.silences, &other.silences, |sum, count| *sum += count);
        add_all(&mut self.punts, &other.punts, |sum, count| *sum += count);
        add_all(&mut self.nodes, &other.nodes, |sum, count| {
            sum.calls += count.calls;
            sum.packets += count.packets;
            sum.cycles += count.cycles;
        });
        add_all(&mut self.ports, &other.ports, |sum, count| {
            sum.rx_packets += count.rx_packets;
            sum.rx_bytes += count.rx_bytes;
            sum.tx_packets += count.tx_packets;
            sum.tx_bytes += count.tx_bytes;
            sum.tx_dropped += count.tx_dropped;
        });
        add_all(&mut self.bfd, &other.bfd, |sum, count| {
            sum.sent += count.sent;
            sum.received += count.received;
            sum.refused += count.refused;
            sum.unsent += count.unsent;
            sum.late_extensions += count.late_extensions;
        });
        self.loops += other.loops;
        self.idle_loops += other.idle_loops;
        self.sleeps += other.sleeps;
        self.injected += other.injected;
        self.generated += other.generated;
        self.repaired += other.repaired;
        self.decapsulated += other.decapsulated;
        self.copied += other.copied;
        self.captured += other.captured;
        self.capture_lost += other.capture_lost;
        self.originated += other.originated;
        self.absorbed += other.absorbed;
        self.handed_over += other.handed_over;
        self.taken_over += other.taken_over;
        self.transit += other.transit;
        self.overlay.add(&other.overlay);
    }
}

fn add_all<T: Copy + Default>(sums: &mut Vec<T>, counts: &[T], add: impl Fn(&mut T, &T)) {
    if sums.len() < counts.len() {
        sums.resize(counts.len(), T::default());
    }
    for (sum, count) in sums.iter_mut().zip(counts) {
        add(sum, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_two_workers_add_up() {
        let (one, two) = (LcoreCounters::new(4), LcoreCounters::new(4));
        one.count_drops(DropReason::NoRoute, 2);
        two.count_drops(DropReason::NoRoute, 3);
        two.count_punt(PuntClass::Nd);
        one.count_node(NodeId::Ipv6Lookup, 64, 1000);
        if let Some(port) = two.port(PortId(1)) {
            port.rx_packets.add(6);
        }
        let mut sum = LcoreSnapshot::default();
        sum.add(&one.snapshot());
        sum.add(&two.snapshot());
        assert_eq!((sum.dropped(DropReason::NoRoute), sum.punted(PuntClass::Nd)), (5, 1));
        assert_eq!(sum.node(NodeId::Ipv6Lookup).packets, 64);
        assert!(sum.is_conserved(), "6 received are 5 dropped and 1 punted");
    }

    #[test]
    fn use_of_a_next_hop_is_seen_by_its_number() {
        let counters = LcoreCounters::new(2);
        counters.count_next_hop(NextHopId(1), 7);
        counters.count_next_hop(NextHopId(9), 7);
        let seen = [0, 1, 9].map(|n| counters.next_hop_packets(NextHopId(n)));
        assert_eq!(seen, [0, 7, 0]);
    }
}
