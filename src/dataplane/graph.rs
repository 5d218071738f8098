//! The graph: which nodes there are, in which order they run, and who hands packets to whom.
//!
//! Owns [`NodeId`], [`Ctx`] (what a node may see), [`Next`] (where it puts packets) and
//! [`run_graph`]. What a node does stands in its own file under `node/`.
//!
//! A node looks at every packet of its burst. What it leaves in the burst goes to the next node of
//! the fixed order without being moved; what it takes out goes to the queue of another node. Behind
//! the way of nearly all packets come the exceptions: what arrives in the tunnel of a repair and
//! its lookup, what leaves in one, local packets, answers, their lookup, punts and drops. A burst
//! that has left ends the round.
//!
//! Lookups: a packet has its own and that of the answer it becomes (STYLE §9). For what arrives in
//! a tunnel for this router the outer header is not looked up: `ipv6-input` knows its destination,
//! and the lookup is that of the packet inside.
//!
//! Frames of pseudowires have their nodes behind those of plain packets; the outer packets made of
//! them are the router's own, looked up once. Who floods makes copies, as many as there is room for
//! in a burst; a frame that has more members before it keeps its place in the queue of
//! `bridge-flood`, and the graph runs another round.
//!
//! *Invariants*: no node but `bridge-flood` makes a packet out of nothing, and it makes no more
//! than a burst has room for: at most one burst is inside, beside the frames that wait for their
//! copies, and no queue overflows. A packet goes only along an edge of [`NodeId::successors`]
//! (asserted in debug builds); the drawing in `docs/graph.md` is generated from the same list and
//! compared by a test. Everything that enters leaves before [`run_graph`] returns, except what
//! waits in the transmit bursts of the ports.

use crate::base::time::Instant;
use crate::dataplane::bfd::BfdTable;
use crate::dataplane::counters::LcoreCounters;
use crate::dataplane::drop::DropReason;
use crate::dataplane::limit::TokenBucket;
use crate::dataplane::node;
use crate::dataplane::overlay::OverlayWork;
use crate::dataplane::ports::Ports;
use crate::dataplane::punt::{PuntClass, PuntSender};
use crate::dataplane::tap::Watch;
use crate::fib::{Forwarding, Interface};
use crate::packet::{BURST_MAX, Burst, PacketBuf};
use std::sync::Arc;

/// A node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum NodeId {
    /// Receives from the queues of the ports; runs in the loop, before the graph.
    PortInput,
    /// MAC, VLAN, EtherType.
    EthernetInput,
    /// The checks of RFC 8200 and of the address scopes.
    Ipv6Input,
    /// Out of the tunnels of repairs.
    RepairDecap,
    /// Destination to next hop, a burst at once.
    Ipv6Lookup,
    /// Into the tunnels of repairs.
    RepairEncap,
    /// Out of pseudowires.
    L2tpv3Decap,
    /// Source MACs of bridged frames.
    BridgeInput,
    /// Destination MAC to member of the domain.
    BridgeForward,
    /// Copies for all members.
    BridgeFlood,
    /// Into pseudowires.
    L2tpv3Encap,
    /// Answers to frames that are too big for a pseudowire.
    BridgeError,
    /// Packets for the router itself.
    Ipv6Local,
    /// Control packets for the sessions of this worker.
    BfdInput,
    /// Answers to echo requests.
    Icmpv6Echo,
    /// Error messages.
    Icmpv6Error,
    /// Hop limit, MTU, Ethernet header.
    Ipv6Rewrite,
    /// Next hops without a MAC.
    NdResolve,
    /// Transmit bursts of the ports.
    PortOutput,
    /// Packets for the control thread.
    Punt,
    /// The end, already counted.
    Drop,
}

/// How many nodes there are.
pub const NODE_COUNT: usize = NodeId::ALL.len();

/// The order in which a burst runs through the nodes; see the text above.
pub(super) const ORDER: [NodeId; 41] = [
    NodeId::EthernetInput,
    NodeId::Ipv6Input,
    NodeId::Ipv6Lookup,
    NodeId::Ipv6Rewrite,
    NodeId::PortOutput,
    NodeId::L2tpv3Decap,
    NodeId::BridgeInput,
    NodeId::BridgeForward,
    NodeId::PortOutput,
    NodeId::BridgeFlood,
    NodeId::PortOutput,
    NodeId::L2tpv3Encap,
    NodeId::Ipv6Lookup,
    NodeId::Ipv6Rewrite,
    NodeId::PortOutput,
    NodeId::BridgeError,
    NodeId::PortOutput,
    NodeId::RepairDecap,
    NodeId::Ipv6Lookup,
    NodeId::Ipv6Rewrite,
    NodeId::PortOutput,
    NodeId::RepairEncap,
    NodeId::PortOutput,
    NodeId::Ipv6Local,
    NodeId::L2tpv3Decap,
    NodeId::BridgeInput,
    NodeId::BridgeForward,
    NodeId::PortOutput,
    NodeId::BridgeFlood,
    NodeId::Icmpv6Echo,
    NodeId::Icmpv6Error,
    NodeId::Ipv6Lookup,
    NodeId::Ipv6Rewrite,
    NodeId::PortOutput,
    NodeId::RepairEncap,
    NodeId::PortOutput,
    NodeId::Ipv6Local,
    NodeId::BfdInput,
    NodeId::NdResolve,
    NodeId::Punt,
    NodeId::Drop,
];

impl NodeId {
    /// Every node, in the order of the drawing.
    pub const ALL: &'static [Self] = &[
        Self::PortInput,
        Self::EthernetInput,
        Self::Ipv6Input,
        Self::RepairDecap,
        Self::Ipv6Lookup,
        Self::RepairEncap,
        Self::L2tpv3Decap,
        Self::BridgeInput,
        Self::BridgeForward,
        Self::BridgeFlood,
        Self::L2tpv3Encap,
        Self::BridgeError,
        Self::Ipv6Local,
        Self::BfdInput,
        Self::Icmpv6Echo,
        Self::Icmpv6Error,
        Self::Ipv6Rewrite,
        Self::NdResolve,
        Self::PortOutput,
        Self::Punt,
        Self::Drop,
    ];

    /// Name in `show runtime`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PortInput => "port-input",
            Self::EthernetInput => "ethernet-input",
            Self::Ipv6Input => "ipv6-input",
            Self::RepairDecap => "repair-decap",
            Self::Ipv6Lookup => "ipv6-lookup",
            Self::RepairEncap => "repair-encap",
            Self::L2tpv3Decap => "l2tpv3-decap",
            Self::BridgeInput => "bridge-input",
            Self::BridgeForward => "bridge-forward",
            Self::BridgeFlood => "bridge-flood",
            Self::L2tpv3Encap => "l2tpv3-encap",
            Self::BridgeError => "bridge-error",
            Self::Ipv6Local => "ipv6-local",
            Self::BfdInput => "bfd-input",
            Self::Icmpv6Echo => "icmpv6-echo",
            Self::Icmpv6Error => "icmpv6-error",
            Self::Ipv6Rewrite => "ipv6-rewrite",
            Self::NdResolve => "nd-resolve",
            Self::PortOutput => "port-output",
            Self::Punt => "punt",
            Self::Drop => "drop",
        }
    }

    /// The nodes that packets go to from here; first the one that a burst goes to as a whole.
    pub const fn successors(self) -> &'static [Self] {
        match self {
            Self::PortInput => &[
                Self::EthernetInput,
                Self::Ipv6Input,
                Self::BfdInput,
                Self::Ipv6Rewrite,
                Self::PortOutput,
                Self::Drop,
            ],
            Self::EthernetInput => &[Self::Ipv6Input, Self::BridgeInput, Self::Drop],
            Self::Ipv6Input => &[
                Self::Ipv6Lookup,
                Self::L2tpv3Decap,
                Self::RepairDecap,
                Self::Ipv6Local,
                Self::Drop,
            ],
            Self::L2tpv3Decap => &[Self::BridgeInput, Self::Punt, Self::Drop],
            Self::BridgeInput => &[Self::BridgeForward, Self::BridgeFlood, Self::Drop],
            Self::BridgeForward => &[
                Self::PortOutput,
                Self::L2tpv3Encap,
                Self::BridgeFlood,
                Self::BridgeError,
                Self::Drop,
            ],
            Self::BridgeFlood => {
                &[Self::PortOutput, Self::L2tpv3Encap, Self::BridgeError, Self::Drop]
            }
            Self::L2tpv3Encap => &[Self::Ipv6Lookup, Self::Drop],
            Self::BridgeError => &[Self::PortOutput, Self::Drop],
            Self::RepairDecap => &[Self::Ipv6Lookup, Self::Ipv6Rewrite, Self::Drop],
            Self::Ipv6Lookup => &[
                Self::Ipv6Rewrite,
                Self::RepairEncap,
                Self::Ipv6Local,
                Self::Icmpv6Error,
                Self::Drop,
            ],
            Self::Ipv6Local => &[
                Self::Punt,
                Self::L2tpv3Decap,
                Self::BfdInput,
                Self::Icmpv6Echo,
                Self::Icmpv6Error,
                Self::Drop,
            ],
            Self::Icmpv6Echo | Self::Icmpv6Error => {
                &[Self::Ipv6Lookup, Self::PortOutput, Self::Drop]
            }
            Self::Ipv6Rewrite | Self::RepairEncap => {
                &[Self::PortOutput, Self::NdResolve, Self::Icmpv6Error, Self::Drop]
            }
            Self::BfdInput | Self::NdResolve | Self::PortOutput | Self::Punt => &[Self::Drop],
            Self::Drop => &[],
        }
    }

    /// The node as an index into a table.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The graph as a Mermaid flowchart; bold arrows are the way of a forwarded packet.
    pub fn drawing() -> String {
        let mut text = String::from("flowchart TD\n");
        for node in Self::ALL {
            for (position, to) in node.successors().iter().enumerate() {
                let is_aside = matches!(
                    node,
                    Self::RepairDecap
                        | Self::RepairEncap
                        | Self::Ipv6Local
                        | Self::Icmpv6Echo
                        | Self::L2tpv3Decap
                        | Self::BridgeInput
                        | Self::BridgeForward
                        | Self::BridgeFlood
                        | Self::L2tpv3Encap
                        | Self::BridgeError
                );
                let is_main = position == 0 && !is_aside;
                let arrow = if is_main && *to != Self::Drop { "==>" } else { "-->" };
                text += &format!("    {} {arrow} {}\n", node.name(), to.name());
            }
        }
        text
    }
}

/// What a node may see; lives for one loop of one worker.
pub struct Ctx<'a, B> {
    /// The forwarding state of this loop.
    pub world: &'a Forwarding,
    /// The time at the start of the loop.
    pub now: Instant,
    /// The port that the burst came in by; `None` for injected packets.
    pub interface: Option<&'a Interface>,
    /// The worker's counters.
    pub counters: &'a LcoreCounters,
    /// The worker's ports.
    pub ports: &'a mut Ports<B>,
    /// The way to the control thread.
    pub punts: &'a mut PuntSender<B>,
    /// The BFD sessions of this worker.
    pub bfd: &'a mut BfdTable<B>,
    /// The bridging of this worker.
    pub overlay: &'a mut OverlayWork<B>,
    /// The limit of RFC 4443 §2.4(f).
    pub error_limit: &'a mut TokenBucket,
    /// Seed of the flow hash, one per router.
    pub hash_seed: u64,
    /// Reads the TSC.
    pub cycles: fn() -> u64,
}

/// The ICMPv6 error that a packet shall be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// MTU or pointer; else zero.
    pub value: u32,
}

/// Where a node puts packets: a queue per node. One per worker.
pub struct Next<B> {
    queues: [Burst<B>; NODE_COUNT],
    /// Packets in all of them.
    queued: usize,
    counters: Arc<LcoreCounters>,
    pub(super) current: NodeId,
    /// Who looks on.
    pub(super) watch: Watch,
}

impl<B: PacketBuf> Next<B> {
    /// Empty queues.
    pub fn new(counters: Arc<LcoreCounters>) -> Self {
        let queues = core::array::from_fn(|_| Burst::new());
        Self { queues, queued: 0, counters, current: NodeId::PortInput, watch: Watch::default() }
    }

    /// Puts the packet of `slot` into the queue of `to`.
    #[inline]
    pub fn divert(&mut self, to: NodeId, slot: &mut Option<B>) {
        debug_assert!(
            self.current.successors().contains(&to),
            "no edge from {:?} to {to:?}",
            self.current
        );
        let Some(packet) = slot.take() else { return };
        let Some(queue) = self.queues.get_mut(to.index()) else { return };
        if let Err(packet) = queue.push(packet) {
            debug_assert!(false, "{to:?} overflows");
            self.counters.count_drops(DropReason::GraphOverflow, 1);
            drop(packet);
            return;
        }
        self.queued += 1;
    }

    /// Puts a whole burst into the queue of `to`; where nobody waits there, no packet is moved.
    #[inline]
    pub fn divert_all(&mut self, to: NodeId, burst: &mut Burst<B>) {
        debug_assert!(
            burst.is_empty() || self.current.successors().contains(&to),
            "no edge from {:?} to {to:?}",
            self.current
        );
        let Some(queue) = self.queues.get_mut(to.index()) else { return };
        if queue.is_empty() {
            self.queued += burst.len();
            core::mem::swap(queue, burst);
            return;
        }
        burst.sift(|slot| self.divert(to, slot));
    }

    /// Drops the packet of `slot`.
    #[inline]
    pub fn discard(&mut self, slot: &mut Option<B>, reason: DropReason) {
        if let Some(packet) = slot {
            self.counters.count_drops(reason, 1);
            if self.watch.is_active() {
                self.watch.dropped(packet, self.current, reason, &self.counters);
            }
            self.divert(NodeId::Drop, slot);
        }
    }

    /// Drops the packet of `slot` and has its sender told. Packets on their second way are only
    /// dropped: they are answers already, or have been complained about.
    pub fn complain(&mut self, slot: &mut Option<B>, complaint: Complaint, reason: DropReason) {
        let Some(packet) = slot.as_mut() else { return };
        let meta = packet.meta_mut();
        if meta.lookup_count > 1 {
            return self.discard(slot, reason);
        }
        meta.cause = u16::from_be_bytes([complaint.kind, complaint.code]);
        meta.cause_value = complaint.value;
        self.counters.count_drops(reason, 1);
        if self.watch.is_active() {
            self.watch.dropped(packet, self.current, reason, &self.counters);
        }
        self.divert(NodeId::Icmpv6Error, slot);
    }

    /// Drops the frame of `slot`, which is too big for a member that carries packets of `mtu`
    /// octets, and has its sender told.
    pub fn refuse_frame(&mut self, slot: &mut Option<B>, mtu: u16) {
        let Some(packet) = slot.as_mut() else { return };
        packet.meta_mut().cause_value = u32::from(mtu);
        let reason = DropReason::BridgeTooBig;
        self.counters.count_drops(reason, 1);
        if self.watch.is_active() {
            self.watch.dropped(packet, self.current, reason, &self.counters);
        }
        self.divert(NodeId::BridgeError, slot);
    }

    /// Copies that may be made before more than a burst is inside.
    #[inline]
    pub const fn room(&self) -> usize {
        BURST_MAX.saturating_sub(self.queued)
    }

    /// Keeps the frame of `slot` in the queue of the node that has it, until the next round.
    pub fn keep(&mut self, slot: &mut Option<B>) {
        let Some(packet) = slot.take() else { return };
        let Some(queue) = self.queues.get_mut(self.current.index()) else { return };
        match queue.push(packet) {
            Ok(()) => self.queued += 1,
            Err(packet) => {
                debug_assert!(false, "a node keeps no more than it got");
                self.counters.count_drops(DropReason::GraphOverflow, 1);
                drop(packet);
            }
        }
    }

    /// Sends the packet of `slot` up to the control thread.
    pub fn punt(&mut self, slot: &mut Option<B>, class: PuntClass) {
        if let Some(packet) = slot.as_mut() {
            packet.meta_mut().cause = class as u16;
            self.divert(NodeId::Punt, slot);
        }
    }

    /// The worker itself hands packets in: the edges of `PortInput` count.
    pub fn stand_at_input(&mut self) {
        self.current = NodeId::PortInput;
    }

    /// The first packet that waits, and for whom.
    pub(super) fn waiting(&self) -> Option<(NodeId, &B)> {
        let mut queues = NodeId::ALL.iter().zip(&self.queues);
        queues.find_map(|(node, queue)| queue.iter().next().map(|packet| (*node, packet)))
    }

    /// Appends the queue of `node` to `burst`.
    #[inline]
    pub(super) fn collect(&mut self, node: NodeId, burst: &mut Burst<B>) {
        let Some(queue) = self.queues.get_mut(node.index()) else { return };
        if queue.is_empty() {
            return;
        }
        self.queued -= queue.len();
        if burst.is_empty() {
            core::mem::swap(burst, queue);
        } else {
            debug_assert!(queue.len() <= burst.room(), "more than a burst is inside");
            burst.extend(queue.drain());
        }
    }
}

/// Runs `burst`, and what waits in `next`, through the graph until everything has left.
pub fn run_graph<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    run_round(ctx, burst, next);
    // Frames that are flooded wait until the copies before them have left.
    while next.queued > 0 {
        run_round(ctx, burst, next);
    }
    debug_assert!(burst.is_empty(), "something did not leave");
    debug_assert!(next.queues.iter().all(Burst::is_empty), "something did not leave");
}

/// Every node once, in the order.
fn run_round<B: PacketBuf>(ctx: &mut Ctx<'_, B>, burst: &mut Burst<B>, next: &mut Next<B>) {
    let mut stamp = (ctx.cycles)();
    for id in ORDER {
        next.collect(id, burst);
        if burst.is_empty() {
            if next.queued == 0 {
                break;
            }
            continue;
        }
        let packets = burst.len();
        next.current = id;
        run_node(id, ctx, burst, next);
        let end = (ctx.cycles)();
        ctx.counters.count_node(id, packets, end.wrapping_sub(stamp));
        stamp = end;
    }
}

#[inline]
pub(super) fn run_node<B: PacketBuf>(
    id: NodeId,
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) {
    match id {
        NodeId::EthernetInput => node::ethernet_input(ctx, burst, next),
        NodeId::Ipv6Input => node::ipv6_input(ctx, burst, next),
        NodeId::RepairDecap => node::repair_decap(ctx, burst, next),
        NodeId::Ipv6Lookup => node::ipv6_lookup(ctx, burst, next),
        NodeId::RepairEncap => node::repair_encap(ctx, burst, next),
        NodeId::L2tpv3Decap => node::l2tpv3_decap(ctx, burst, next),
        NodeId::BridgeInput => node::bridge_input(ctx, burst, next),
        NodeId::BridgeForward => node::bridge_forward(ctx, burst, next),
        NodeId::BridgeFlood => node::bridge_flood(ctx, burst, next),
        NodeId::L2tpv3Encap => node::l2tpv3_encap(ctx, burst, next),
        NodeId::BridgeError => node::bridge_error(ctx, burst, next),
        NodeId::Ipv6Local => node::ipv6_local(ctx, burst, next),
        NodeId::BfdInput => node::bfd_input(ctx, burst, next),
        NodeId::Icmpv6Echo => node::icmpv6_echo(ctx, burst, next),
        NodeId::Icmpv6Error => node::icmpv6_error(ctx, burst, next),
        NodeId::Ipv6Rewrite => node::ipv6_rewrite(ctx, burst, next),
        NodeId::NdResolve => node::nd_resolve(ctx, burst, next),
        NodeId::PortOutput => node::port_output(ctx, burst, next),
        NodeId::Punt => node::punt(ctx, burst, next),
        NodeId::PortInput | NodeId::Drop => node::drop(ctx, burst, next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_in_the_docs_is_the_graph() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/graph.md");
        let intro = "# The packet graph\n\nGenerated from `src/dataplane/graph.rs`; its test \
                     compares the two and, with `UPDATE_GOLDEN=1`,\nrewrites this file. Bold \
                     arrows are the way of a forwarded packet.\n\n";
        let text = format!("{intro}```mermaid\n{}```\n", NodeId::drawing());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
    }

    #[test]
    fn nodes_are_numbered_in_order() {
        assert!(NodeId::ALL.iter().enumerate().all(|(n, node)| node.index() == n));
    }

    #[test]
    fn what_a_node_leaves_goes_to_its_first_successor() {
        for pair in ORDER.windows(2) {
            let follows = pair[0].successors().first() == Some(&pair[1]);
            let leaves_nothing = matches!(
                pair[0],
                NodeId::PortOutput
                    | NodeId::Ipv6Local
                    | NodeId::BridgeFlood
                    | NodeId::BfdInput
                    | NodeId::Icmpv6Echo
                    | NodeId::NdResolve
                    | NodeId::Punt
            );
            assert!(follows || leaves_nothing, "{pair:?}");
        }
    }

    #[test]
    fn every_edge_can_be_walked_in_the_order() {
        for node in ORDER {
            let first = ORDER.iter().position(|other| *other == node).unwrap();
            for to in node.successors() {
                let is_behind = ORDER.iter().skip(first + 1).any(|other| other == to);
                assert!(is_behind, "{node:?} to {to:?}");
            }
        }
    }
}
