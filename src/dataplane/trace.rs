//! The graph while somebody watches: the same nodes, and what becomes of single packets.
//!
//! Owns [`Step`], what one node did with a packet that is followed, and the two ways into the graph
//! that take the place of [`run_graph`] where taps are set. A packet that is followed passes the
//! graph alone, so that whatever a node did was done to it; those before and behind it pass in
//! bursts, and their order stays.
//!
//! *Invariants*: nodes do not know that they are watched. Nothing is allocated. A packet that is
//! followed is sent at once, so that it is known whether the device took it.

use crate::base::ids::{GroupId, MacAddress, NextHopId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::dataplane::counters::LcoreCounters;
use crate::dataplane::drop::{DropReason, SilenceReason};
use crate::dataplane::graph::{Ctx, Next, NodeId, ORDER, run_graph, run_node};
use crate::dataplane::node::L2_OCTETS;
use crate::dataplane::punt::PuntClass;
use crate::dataplane::tap::STEPS_MAX;
use crate::fib::{Forwarding, NextHopGroup};
use crate::packet::{Burst, PacketBuf, PacketMeta};
use crate::wire::ethernet::EthernetView;
use crate::wire::ipv6::{HEADER_OCTETS, Ipv6View};
use core::net::Ipv6Addr;

const _: () = assert!(ORDER.len() <= STEPS_MAX);

/// What one node did with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node.
    pub node: NodeId,
    /// What it found or wrote.
    pub detail: Detail,
    /// Where the packet went.
    pub verdict: Verdict,
}

/// Where a packet went from a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To another node.
    Passed(NodeId),
    /// To `icmpv6-error`, counted as dropped.
    Refused(DropReason),
    /// It was dropped.
    Dropped(DropReason),
    /// It was to be answered with an error, and was not; it had been counted before.
    Silent(SilenceReason),
    /// Up to the control thread or the host.
    Punted(PuntClass),
    /// Out by a port.
    Sent(PortId),
}

/// What a node found or wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing to be told.
    Nothing,
    /// `ipv6-lookup`.
    Lookup(Lookup),
    /// `ipv6-rewrite`: the new header.
    Rewrite {
        /// The port it is for.
        port: PortId,
        /// Hop limit it leaves with.
        hop_limit: u8,
        /// Destination MAC.
        destination: MacAddress,
    },
    /// `repair-encap`: the headers that were put on.
    Encapsulated {
        /// How many.
        header_count: u16,
        /// Destination of the outermost.
        segment: Ipv6Addr,
        /// The port it is for.
        port: PortId,
        /// Hop limit it leaves with.
        hop_limit: u8,
    },
    /// `repair-decap`: the packet that was inside.
    Decapsulated {
        /// Its source.
        source: Ipv6Addr,
        /// Its destination.
        destination: Ipv6Addr,
        /// Hop limit that is left to it.
        hop_limit: u8,
    },
    /// `icmpv6-echo`, `icmpv6-error`: the answer that it became.
    Answer {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Who is told.
        destination: Ipv6Addr,
    },
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The longest prefix that has the destination.
    pub prefix: Option<Ipv6Prefix>,
    /// Its group.
    pub group: GroupId,
    /// What the group is.
    pub target: Target,
}

/// What stands behind a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One of several next hops.
    NextHop {
        /// The one that was chosen.
        next_hop: NextHopId,
        /// Its port.
        port: PortId,
        /// Its address.
        gateway: Ipv6Addr,
        /// How many there are.
        member_count: u16,
        /// It is none of them, but who stands in while none of them lives.
        is_backup: bool,
    },
    /// All of these next hops are down.
    Dead {
        /// How many there are.
        member_count: u16,
    },
    /// The destination itself is a neighbour here.
    OnLink(PortId),
    /// An adjacency of the router, for tunnels only.
    Adjacency,
    /// The router.
    Local,
    /// Nothing.
    Unreachable,
    /// Discard.
    Blackhole,
}

/// A received burst, with taps: shown, then run.
#[cold]
pub(super) fn run_received<B: PacketBuf>(
    port: PortId,
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) {
    next.watch.port = Some(port);
    next.watch.received(burst, ctx.counters);
    if !next.watch.follows() {
        return run_graph(ctx, burst, next);
    }
    let (mut plain, mut alone) = (Burst::new(), Burst::new());
    for packet in burst.drain() {
        let followers = next.watch.followers(&packet, NodeId::EthernetInput);
        if followers == 0 {
            plain.extend([packet]);
            continue;
        }
        if !plain.is_empty() {
            run_graph(ctx, &mut plain, next);
        }
        alone.extend([packet]);
        follow(ctx, &mut alone, next, (NodeId::EthernetInput, followers));
    }
    if !plain.is_empty() {
        run_graph(ctx, &mut plain, next);
    }
}

/// One injected packet, with taps; it waits in `next`.
#[cold]
pub(super) fn run_injected<B: PacketBuf>(
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
) {
    let followed = next.waiting().map(|(node, packet)| (node, next.watch.followers(packet, node)));
    match followed {
        Some((node, followers)) if followers != 0 => follow(ctx, burst, next, (node, followers)),
        _ => run_graph(ctx, burst, next),
    }
}

/// Runs the only packet, in `burst` or in `next` and about to enter `entry`, through the graph.
fn follow<B: PacketBuf>(
    ctx: &mut Ctx<'_, B>,
    burst: &mut Burst<B>,
    next: &mut Next<B>,
    (entry, followers): (NodeId, u8),
) {
    let packet = burst.iter().next().or(next.waiting().map(|(_, packet)| packet));
    let Some(copies) = packet.map(|packet| next.watch.copies(packet, entry, followers)) else {
        return;
    };
    let nothing = Step { node: entry, detail: Detail::Nothing, verdict: Verdict::Passed(entry) };
    let (mut path, mut length) = ([nothing; STEPS_MAX], 0);
    let mut stamp = (ctx.cycles)();
    for id in ORDER {
        next.collect(id, burst);
        let Some(before) = burst.iter().next().map(|packet| *packet.meta()) else { continue };
        let (silences, packets) = (silences(ctx.counters), burst.len());
        next.current = id;
        next.watch.reason = None;
        run_node(id, ctx, burst, next);
        let end = (ctx.cycles)();
        ctx.counters.count_node(id, packets, end.wrapping_sub(stamp));
        stamp = end;
        if id == NodeId::Drop {
            continue;
        }
        let step = Step {
            node: id,
            detail: detail(id, ctx.world, burst.iter().next().or(next.waiting().map(|(_, p)| p))),
            verdict: verdict(id, ctx, burst, next, &Before { meta: before, silences }),
        };
        if let Some(place) = path.get_mut(length) {
            *place = step;
            length += 1;
        }
    }
    // Of a frame that is flooded the first copy is followed; what waits for more rounds is not.
    if next.waiting().is_some() {
        run_graph(ctx, burst, next);
    }
    next.watch.followed(copies, path.get(..length).unwrap_or(&path), ctx.counters);
}

/// What was known before a node ran.
struct Before {
    meta: PacketMeta,
    silences: [u64; SilenceReason::ALL.len()],
}

fn silences(counters: &LcoreCounters) -> [u64; SilenceReason::ALL.len()] {
    core::array::from_fn(|index| {
        SilenceReason::ALL.get(index).map_or(0, |reason| counters.silenced(*reason))
    })
}

/// Where the packet is after `id` had it.
fn verdict<B: PacketBuf>(
    id: NodeId,
    ctx: &mut Ctx<'_, B>,
    burst: &Burst<B>,
    next: &Next<B>,
    before: &Before,
) -> Verdict {
    if !burst.is_empty() {
        return Verdict::Passed(id.successors().first().copied().unwrap_or(NodeId::Drop));
    }
    let Some((to, _)) = next.waiting() else {
        return match id {
            NodeId::PortOutput => sent(ctx, before.meta.out_port),
            NodeId::NdResolve => Verdict::Punted(PuntClass::Unresolved),
            _ => {
                let class = PuntClass::from_index(usize::from(before.meta.cause));
                Verdict::Punted(class.unwrap_or(PuntClass::Host))
            }
        };
    };
    match (to, next.watch.reason) {
        (NodeId::Drop, Some(reason)) => Verdict::Dropped(reason),
        (NodeId::Drop, None) => {
            let now = silences(ctx.counters);
            let mut changed = now.iter().zip(&before.silences).zip(SilenceReason::ALL);
            let reason =
                changed.find(|((now, before), _)| now != before).map(|(_, reason)| *reason);
            Verdict::Silent(reason.unwrap_or(SilenceReason::Forbidden))
        }
        (NodeId::Icmpv6Error, Some(reason)) => Verdict::Refused(reason),
        (to, _) => Verdict::Passed(to),
    }
}

/// Sends what waits, in which the packet is the last of its port.
fn sent<B: PacketBuf>(ctx: &mut Ctx<'_, B>, port: PortId) -> Verdict {
    let refused =
        |counters: &LcoreCounters| counters.port(port).map_or(0, |cells| cells.tx_dropped.get());
    let untagged = |counters: &LcoreCounters| counters.dropped(DropReason::NoHeadroom);
    let before = (refused(ctx.counters), untagged(ctx.counters));
    ctx.ports.flush(ctx.world, ctx.counters);
    match (refused(ctx.counters), untagged(ctx.counters)) {
        after if after == before => Verdict::Sent(port),
        (full, _) if full != before.0 => Verdict::Dropped(DropReason::TxFull),
        _ => Verdict::Dropped(DropReason::NoHeadroom),
    }
}

/// What is to be told of the packet after `id` had it.
fn detail<B: PacketBuf>(id: NodeId, world: &Forwarding, packet: Option<&B>) -> Detail {
    let Some(packet) = packet else { return Detail::Nothing };
    let octets = packet.data().get(usize::from(L2_OCTETS)..).unwrap_or(&[]);
    let Ok(view) = Ipv6View::new(octets) else { return Detail::Nothing };
    let meta = packet.meta();
    match id {
        NodeId::Ipv6Lookup => Detail::Lookup(lookup(world, meta, view.destination())),
        NodeId::Ipv6Rewrite => match EthernetView::new(packet.data()) {
            Ok(link) => Detail::Rewrite {
                port: meta.out_port,
                hop_limit: view.hop_limit(),
                destination: link.destination(),
            },
            Err(_) => Detail::Nothing,
        },
        NodeId::RepairEncap => Detail::Encapsulated {
            header_count: header_count(world, meta.next_hop),
            segment: view.destination(),
            port: meta.out_port,
            hop_limit: view.hop_limit(),
        },
        NodeId::RepairDecap => Detail::Decapsulated {
            source: view.source(),
            destination: view.destination(),
            hop_limit: view.hop_limit(),
        },
        NodeId::Icmpv6Echo | NodeId::Icmpv6Error => match octets.get(HEADER_OCTETS..) {
            Some([kind, code, ..]) => {
                Detail::Answer { kind: *kind, code: *code, destination: view.destination() }
            }
            _ => Detail::Nothing,
        },
        _ => Detail::Nothing,
    }
}

/// How many headers a next hop puts on.
fn header_count(world: &Forwarding, next_hop: NextHopId) -> u16 {
    let found = world.next_hop(next_hop).and_then(|next_hop| next_hop.encapsulation.as_deref());
    found.map_or(0, |found| u16::try_from(found.segments().len()).unwrap_or(u16::MAX))
}

fn lookup(world: &Forwarding, meta: &PacketMeta, destination: Ipv6Addr) -> Lookup {
    let count = |members: &[NextHopId]| u16::try_from(members.len()).unwrap_or(u16::MAX);
    let target = match world.group(meta.group) {
        NextHopGroup::Forward { members, .. } => match world.next_hop(meta.next_hop) {
            Some(next_hop) if world.liveness.is_alive(meta.next_hop) => Target::NextHop {
                next_hop: meta.next_hop,
                port: next_hop.port,
                gateway: next_hop.address,
                member_count: count(members),
                is_backup: !members.contains(&meta.next_hop),
            },
            _ => Target::Dead { member_count: count(members) },
        },
        NextHopGroup::OnLink(port) => Target::OnLink(*port),
        NextHopGroup::Cross(_) => Target::Adjacency,
        NextHopGroup::Local => Target::Local,
        NextHopGroup::Unreachable => Target::Unreachable,
        NextHopGroup::Blackhole => Target::Blackhole,
    };
    // The table that lookups read has no prefixes; the writer's is asked from the longest on.
    let candidates = (0..=128).rev().map(|length| Ipv6Prefix::containing(destination, length));
    let prefix = candidates.into_iter().find(|prefix| world.table.get(*prefix).is_some());
    Lookup { prefix, group: meta.group, target }
}
