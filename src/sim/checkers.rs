//! Judges: whether a world is as it should be at this moment.
//!
//! Owns [`Violation`] and the checks. Each looks from outside: at the digests of the databases, at
//! what the data planes read, at what became of packets; what should be comes from
//! [`Map`].
//!
//! *Invariants*: a check changes nothing, except [`ping_all`], which sends packets. At most
//! [`VIOLATIONS_MAX`] findings a check, the first ones.

use crate::base::ids::{GroupId, NextHopId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::fib::{Forwarding, NextHopGroup};
use crate::planner::families::server_name;
use crate::sim::edges;
use crate::sim::link::End;
use crate::sim::node::{Control, Node};
use crate::sim::oracle::{Hop, Map};
use crate::sim::plan::mac;
use crate::sim::world::World;
use crate::wire::icmpv6::Icmpv6Message;
use crate::wire::ipv6::{HEADER_OCTETS, HOP_LIMIT_DEFAULT, Ipv6Header, NEXT_ICMPV6};
use core::fmt;
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// Findings that one check reports.
pub const VIOLATIONS_MAX: usize = 20;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A router has not started yet.
    NotStarted {
        /// Which.
        router: usize,
    },
    /// Two routers that can reach each other have different databases.
    DatabasesDiffer {
        /// One.
        one: usize,
        /// The other.
        other: usize,
    },
    /// The data plane does something else with an address than it should.
    WrongAnswer {
        /// Whose.
        router: usize,
        /// For which address.
        address: Ipv6Addr,
        /// What it should do.
        expected: Answer,
        /// What it does.
        found: Answer,
    },
    /// Packets for an address can come back to a router that they left.
    Loop {
        /// Which.
        router: usize,
        /// For which address.
        address: Ipv6Addr,
    },
    /// Packets for an address that can be reached can end where they should not.
    BlackHole {
        /// Where they end.
        router: usize,
        /// For which address.
        address: Ipv6Addr,
        /// What is wrong there.
        what: &'static str,
    },
    /// A data plane lost packets without a reason.
    Untold {
        /// Whose; `None` for one that was killed.
        router: Option<usize>,
        /// How many came in.
        came_in: u64,
        /// How many went out.
        went_out: u64,
    },
    /// The frames on a link are not those on their way.
    FramesAstray {
        /// Which.
        link: usize,
        /// By the counters of the link.
        counted: i64,
        /// By the queue of the world.
        flying: i64,
    },
    /// A router at rest still owes LSAs, or is owed some.
    Owed {
        /// Which.
        router: usize,
        /// How many.
        count: u64,
    },
    /// A table was full, so that something was refused.
    Refused {
        /// Whose; `None` for the packets of the hosts.
        router: Option<usize>,
        /// How much.
        count: u64,
    },
    /// A provider has not heard of the aggregate from an edge that reaches its cluster.
    AggregateMissing {
        /// The edge.
        router: usize,
    },
    /// A provider has heard of the aggregate from an edge that reaches nobody.
    AggregateUndue {
        /// The edge.
        router: usize,
    },
    /// A provider has heard of something that is no aggregate.
    Leak {
        /// From this edge.
        router: usize,
        /// Of this.
        prefix: Ipv6Prefix,
    },
    /// Groups of exits are not as many as are used.
    ExitGroups {
        /// Whose; a provider where it is none of the cluster.
        router: usize,
        /// As many as are used.
        expected: usize,
        /// Those of BGP, and those of the routes.
        found: (usize, usize),
    },
    /// An echo request was not answered.
    NoReply {
        /// Who asked.
        from: usize,
        /// Who was asked.
        to: usize,
    },
}

impl Violation {
    /// Its kind, for reports.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotStarted { .. } => "not_started",
            Self::DatabasesDiffer { .. } => "databases_differ",
            Self::WrongAnswer { .. } => "wrong_answer",
            Self::Loop { .. } => "loop",
            Self::BlackHole { .. } => "black_hole",
            Self::Untold { .. } => "untold",
            Self::FramesAstray { .. } => "frames_astray",
            Self::Owed { .. } => "owed",
            Self::Refused { .. } => "refused",
            Self::NoReply { .. } => "no_reply",
            Self::AggregateMissing { .. } => "aggregate_missing",
            Self::AggregateUndue { .. } => "aggregate_undue",
            Self::Leak { .. } => "ospf_in_bgp",
            Self::ExitGroups { .. } => "exit_groups",
        }
    }

    /// The routers that it is about.
    pub fn routers(&self) -> Vec<usize> {
        match self {
            Self::NotStarted { router }
            | Self::WrongAnswer { router, .. }
            | Self::Loop { router, .. }
            | Self::Owed { router, .. }
            | Self::AggregateMissing { router }
            | Self::AggregateUndue { router }
            | Self::Leak { router, .. }
            | Self::ExitGroups { router, .. }
            | Self::BlackHole { router, .. } => vec![*router],
            Self::DatabasesDiffer { one, other } => vec![*one, *other],
            Self::Untold { router, .. } | Self::Refused { router, .. } => {
                router.iter().copied().collect()
            }
            Self::FramesAstray { .. } => Vec::new(),
            Self::NoReply { from, to } => vec![*from, *to],
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &|router| server_name(*router))
    }
}

impl Violation {
    /// A sentence with these names.
    pub fn text(&self, name: &dyn Fn(&usize) -> String) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, name);
        text
    }

    fn write(&self, f: &mut dyn fmt::Write, name: &dyn Fn(&usize) -> String) -> fmt::Result {
        match self {
            Self::NotStarted { router } => write!(f, "{} has not started yet", name(router)),
            Self::DatabasesDiffer { one, other } => {
                write!(f, "{} and {} have different databases", name(one), name(other))
            }
            Self::WrongAnswer { router, address, expected, found } => {
                write!(f, "{}: {address} should be {expected:?}, is {found:?}", name(router))
            }
            Self::Loop { router, address } => {
                write!(f, "packets for {address} come back to {}", name(router))
            }
            Self::BlackHole { router, address, what } => {
                write!(f, "packets for {address} end at {}: {what}", name(router))
            }
            Self::Untold { router, came_in, went_out } => {
                let name = router.as_ref().map_or_else(|| "killed routers".to_owned(), name);
                write!(f, "{name}: {came_in} packets in, {went_out} out")
            }
            Self::FramesAstray { link, counted, flying } => {
                write!(f, "{counted} frames on cable {link} by count, {flying} on their way")
            }
            Self::Owed { router, count } => {
                write!(f, "{}: {count} LSAs are still waited for at rest", name(router))
            }
            Self::Refused { router, count } => {
                let name = router.as_ref().map_or_else(|| "hosts".to_owned(), name);
                write!(f, "{name}: {count} refused because a table was full")
            }
            Self::NoReply { from, to } => {
                write!(f, "{} has no reply from {}", name(from), name(to))
            }
            Self::AggregateMissing { router } => {
                write!(f, "the provider of {} has no aggregate from it", name(router))
            }
            Self::AggregateUndue { router } => {
                write!(f, "the provider of {} has an aggregate from it", name(router))?;
                write!(f, ", which reaches nobody")
            }
            Self::Leak { router, prefix } => {
                write!(f, "{} told its provider of {prefix}, which is no aggregate", name(router))
            }
            Self::ExitGroups { router, expected, found: (of_bgp, of_routes) } => {
                write!(f, "{}: {of_bgp} groups of exits in BGP, ", name(router))?;
                write!(f, "{of_routes} in the routes, {expected} used")
            }
        }
    }
}

/// What a data plane does with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Sends it to one of these.
    Via(BTreeSet<(PortId, Ipv6Addr)>),
    /// Delivers it on the link of this port.
    OnLink(PortId),
    /// Takes it itself.
    Local,
    /// Drops it.
    Nothing,
}

/// Every check of the cluster itself that changes nothing; the later ones only where the databases
/// are equal. The ways out of it are looked at by [`crate::sim::edge_checkers`].
pub fn check<C: Control>(world: &World<C>) -> Vec<Violation> {
    let map = world.map();
    let mut found = conservation(world);
    let late = (0..world.slot_count()).filter(|router| !world.has_started(*router));
    found.extend(late.take(VIOLATIONS_MAX).map(|router| Violation::NotStarted { router }));
    found.extend(databases(world, &map));
    if found.is_empty() {
        found.extend(answers(world, &map, VIOLATIONS_MAX));
    }
    if found.is_empty() {
        found.extend(walks(world, &map));
    }
    found
}

/// Runs until [`check`] finds nothing, at most `limit`; says how long it took, or what is wrong.
pub fn converge<C: Control>(
    world: &mut World<C>,
    limit: Duration,
) -> Result<Duration, Vec<Violation>> {
    let start = world.now();
    loop {
        let found = check(world);
        if found.is_empty() {
            return Ok(world.now() - start);
        }
        if world.now() - start >= limit {
            return Err(found);
        }
        world.run_for(CHECK_INTERVAL);
    }
}

/// How often [`converge`] looks.
pub const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Routers that can reach each other have the same database.
pub fn databases<C: Control>(world: &World<C>, map: &Map) -> Vec<Violation> {
    // The first router of each part is the measure of the others in it.
    let mut first: BTreeMap<usize, (usize, u64)> = BTreeMap::new();
    let mut found = Vec::new();
    for (router, node) in running(world) {
        let Some(part) = map.part(router) else { continue };
        let digest = node.control().area_digest();
        let (one, wanted) = *first.entry(part).or_insert((router, digest));
        if digest != wanted && found.len() < VIOLATIONS_MAX {
            found.push(Violation::DatabasesDiffer { one, other: router });
        }
    }
    found
}

/// Every data plane answers for every loopback and LAN as the oracle does; at most `limit`
/// findings.
pub fn answers<C: Control>(world: &World<C>, map: &Map, limit: usize) -> Vec<Violation> {
    let mut found = Vec::new();
    for to in 0..world.router_count() {
        let addresses = Target::ALL.map(|target| (target, target.address(world, to)));
        for (router, node) in running(world) {
            let hops = map.first_hops(router, to);
            let mut right = None;
            for (target, address) in addresses {
                let group = node.forwarding().table.lookup(address.to_bits());
                if router != to && right == Some(group) {
                    continue;
                }
                let expected = match target {
                    _ if router != to => {
                        if is_way(world, node, group, &hops) {
                            right = Some(group);
                            continue;
                        }
                        expected_way(world, &hops)
                    }
                    Target::LanHost => Answer::OnLink(world.setup().lan_port(to)),
                    Target::Loopback | Target::LanAddress => Answer::Local,
                    Target::Outside(_) => continue,
                };
                let answer = answer(node.forwarding(), address);
                if answer != expected {
                    found.push(Violation::WrongAnswer { router, address, expected, found: answer });
                }
                if found.len() >= limit {
                    return found;
                }
            }
        }
    }
    found
}

/// Every packet for every router's addresses, sent anywhere it can be reached from, arrives by
/// whichever members of the groups: walks what the data planes read, without the oracle's
/// distances.
pub fn walks<C: Control>(world: &World<C>, map: &Map) -> Vec<Violation> {
    let mut found = Vec::new();
    for (to, _) in running(world) {
        for target in Target::ALL {
            let mut walk = Walk::new(world, (to, target), &mut found);
            for from in 0..world.router_count() {
                if map.is_joined(from, to) && world.node(from).is_some() {
                    walk.visit(from);
                }
            }
        }
    }
    found.truncate(VIOLATIONS_MAX);
    found
}

/// No packet was lost without a reason, in no router and on no link.
pub fn conservation<C: Control>(world: &World<C>) -> Vec<Violation> {
    let mut found = Vec::new();
    let all = (0..world.slot_count()).filter_map(|slot| Some((slot, world.node(slot)?)));
    for (router, node) in all {
        let counts = node.counts();
        if !counts.is_conserved() {
            let (came_in, went_out) = (counts.came_in(), counts.went_out());
            found.push(Violation::Untold { router: Some(router), came_in, went_out });
        }
    }
    if world.lost_track() > 0 {
        let came_in = world.lost_track();
        found.push(Violation::Untold { router: None, came_in, went_out: 0 });
    }
    for (link, (one, flying)) in world.links().iter().zip(world.flying()).enumerate() {
        let (counted, flying) = (one.counts.in_flight(), *flying);
        if counted != flying {
            found.push(Violation::FramesAstray { link, counted, flying });
        }
    }
    found.truncate(VIOLATIONS_MAX);
    found
}

/// At rest nobody owes anything, and no table was ever full.
pub fn limits<C: Control>(world: &World<C>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (router, node) in running(world) {
        let owed = node.control().debts();
        if owed > 0 {
            found.push(Violation::Owed { router, count: owed });
        }
    }
    for router in 0..world.slot_count() {
        let refused = world.refusals(router);
        if refused > 0 {
            found.push(Violation::Refused { router: Some(router), count: refused });
        }
    }
    let count = world.work().host_overflow;
    if count > 0 {
        found.push(Violation::Refused { router: None, count });
    }
    found.truncate(VIOLATIONS_MAX);
    found
}

/// Lets every host ping every other router's loopback through the data planes and waits.
pub fn ping_all<C: Control>(world: &mut World<C>, patience: Duration) -> Vec<Violation> {
    let count = world.router_count();
    let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
    ping(world, pairs.collect(), patience)
}

/// Lets hosts ping other routers' loopbacks, those pairs that are joined, and waits.
pub fn ping<C: Control>(
    world: &mut World<C>,
    mut pairs: Vec<(usize, usize)>,
    patience: Duration,
) -> Vec<Violation> {
    let map = world.map();
    pairs.retain(|(from, to)| from != to && map.is_joined(*from, *to));
    pairs.retain(|(from, to)| world.node(*from).is_some() && world.node(*to).is_some());
    let count = world.router_count();
    for router in 0..count {
        world.take_host_packets(router);
    }
    for (from, to) in &pairs {
        let (source, destination) = (world.setup().loopback(*from), world.setup().loopback(*to));
        world.send_from_host(*from, &echo_request(source, destination, world.now()));
    }
    world.run_for(patience);
    let answered: Vec<BTreeSet<Ipv6Addr>> = (0..count)
        .map(|router| {
            let packets = world.take_host_packets(router);
            packets.iter().filter_map(|packet| replier(packet)).collect()
        })
        .collect();
    let is_missing = |(from, to): &(usize, usize)| {
        let replies = answered.get(*from);
        !replies.is_some_and(|replies| replies.contains(&world.setup().loopback(*to)))
    };
    let missing = pairs.into_iter().filter(is_missing).take(VIOLATIONS_MAX);
    missing.map(|(from, to)| Violation::NoReply { from, to }).collect()
}

/// What the data plane does with an address.
pub fn answer(world: &Forwarding, address: Ipv6Addr) -> Answer {
    match world.group(world.table.lookup(address.to_bits())) {
        NextHopGroup::Forward { members, .. } => {
            let alive = members.iter().filter(|member| world.liveness.is_alive(**member));
            let ways = alive.filter_map(|member| world.next_hop(*member));
            Answer::Via(ways.map(|way| (way.port, way.address)).collect())
        }
        NextHopGroup::OnLink(port) => Answer::OnLink(*port),
        NextHopGroup::Local => Answer::Local,
        NextHopGroup::Cross(_) | NextHopGroup::Unreachable | NextHopGroup::Blackhole => {
            Answer::Nothing
        }
    }
}

/// An address of a router that others want to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Loopback,
    LanAddress,
    LanHost,
    /// A host in a prefix of the rest of the world.
    Outside(usize),
}

impl Target {
    const ALL: [Self; 3] = [Self::Loopback, Self::LanAddress, Self::LanHost];

    /// Its address; that of a target outside is of no router.
    pub(super) fn address<C: Control>(self, world: &World<C>, router: usize) -> Ipv6Addr {
        match self {
            Self::Outside(prefix) => edges::host(prefix),
            Self::Loopback => world.setup().loopback(router),
            Self::LanAddress => world.setup().lan_address(router),
            Self::LanHost => world.setup().lan_host(router),
        }
    }
}

pub(super) fn running<C: Control>(world: &World<C>) -> impl Iterator<Item = (usize, &Node<C>)> {
    (0..world.router_count()).filter_map(|router| Some((router, world.node(router)?)))
}

pub(super) fn expected_way<C: Control>(world: &World<C>, hops: &[Hop]) -> Answer {
    if hops.is_empty() {
        return Answer::Nothing;
    }
    let way = |port, end| (port, link_local(world, end).unwrap_or(Ipv6Addr::UNSPECIFIED));
    let ways = hops.iter().map(|hop| way(hop.port, End { router: hop.to, port: hop.to_port }));
    Answer::Via(ways.collect())
}

/// The link-local address of a port, as the data plane of its router knows it.
pub(super) fn link_local<C: Control>(world: &World<C>, end: End) -> Option<Ipv6Addr> {
    let interfaces = &world.node(end.router)?.forwarding().interfaces;
    interfaces.get(end.port).map(|interface| interface.link_local)
}

/// Whether a group leads by these hops, each once, and by no other; where it does not, the sets
/// decide.
fn is_way<C: Control>(world: &World<C>, node: &Node<C>, group: GroupId, hops: &[Hop]) -> bool {
    let forwarding = node.forwarding();
    let NextHopGroup::Forward { members, .. } = forwarding.group(group) else { return false };
    let leads_by = |member: &NextHopId, hop: &Hop| {
        let end = End { router: hop.to, port: hop.to_port };
        forwarding.next_hop(*member).is_some_and(|next_hop| {
            next_hop.port == hop.port && link_local(world, end) == Some(next_hop.address)
        }) && forwarding.liveness.is_alive(*member)
    };
    // As many members as hops, and one for each hop: no other is left.
    let is_led = |hop: &Hop| members.iter().any(|member| leads_by(member, hop));
    !hops.is_empty() && members.len() == hops.len() && hops.iter().all(is_led)
}

/// What is known of a router on the walk to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Unseen,
    OnTheWay,
    Done,
}

/// A walk to one address from everywhere.
pub(super) struct Walk<'a, C> {
    world: &'a World<C>,
    to: usize,
    target: Target,
    address: Ipv6Addr,
    marks: Vec<Mark>,
    found: &'a mut Vec<Violation>,
}

impl<'a, C: Control> Walk<'a, C> {
    /// A walk that has not begun; a target outside is reached at any provider.
    pub(super) fn new(
        world: &'a World<C>,
        (to, target): (usize, Target),
        found: &'a mut Vec<Violation>,
    ) -> Self {
        let (address, marks) = (target.address(world, to), vec![Mark::Unseen; world.slot_count()]);
        Self { world, to, target, address, marks, found }
    }

    /// Walks on from a router by every member of its group. As deep as the longest way, which is
    /// at most the number of routers.
    pub(super) fn visit(&mut self, router: usize) {
        let address = self.address;
        match self.marks[router] {
            Mark::Done => return,
            Mark::OnTheWay => return self.found.push(Violation::Loop { router, address }),
            Mark::Unseen => self.marks[router] = Mark::OnTheWay,
        }
        if let Err(what) = self.step(router) {
            self.found.push(Violation::BlackHole { router, address, what });
        }
        self.marks[router] = Mark::Done;
    }

    fn step(&mut self, router: usize) -> Result<(), &'static str> {
        let node = self.world.node(router).ok_or("nobody runs here")?;
        let forwarding = node.forwarding();
        match forwarding.group(forwarding.table.lookup(self.address.to_bits())) {
            NextHopGroup::Forward { members, .. } => {
                for member in members.iter() {
                    if !self.is_outside(forwarding, router, *member) {
                        let next = self.follow(forwarding, router, *member)?;
                        self.visit(next);
                    }
                }
                Ok(())
            }
            NextHopGroup::Local if router == self.to && self.target != Target::LanHost => Ok(()),
            NextHopGroup::OnLink(port)
                if router == self.to
                    && self.target == Target::LanHost
                    && *port == self.world.setup().lan_port(router) =>
            {
                Ok(())
            }
            NextHopGroup::Cross(_) => Err("taken for an adjacency"),
            NextHopGroup::Local => Err("taken for its own"),
            NextHopGroup::OnLink(_) => Err("delivered on a link"),
            NextHopGroup::Unreachable => Err("no route"),
            NextHopGroup::Blackhole => Err("a black hole by configuration"),
        }
    }

    /// Whether a next hop leads from a provider to the rest of the world, where the target is.
    fn is_outside(&self, forwarding: &Forwarding, router: usize, member: NextHopId) -> bool {
        let edges = self.world.edges();
        let core = edges.provider_at(router).map(|provider| edges.core_port(provider));
        let port = forwarding.next_hop(member).map(|next_hop| next_hop.port);
        matches!(self.target, Target::Outside(_)) && core.is_some() && core == port
    }

    /// The router behind a next hop, with everything a packet needs to get there.
    fn follow(
        &self,
        forwarding: &Forwarding,
        router: usize,
        member: NextHopId,
    ) -> Result<usize, &'static str> {
        let next_hop = forwarding.next_hop(member).ok_or("a next hop without an entry")?;
        let end = End { router, port: next_hop.port };
        let peer = self.world.peer(end).ok_or("a next hop on a port without a cable")?;
        if !forwarding.liveness.is_alive(member) {
            return Err("a next hop that is marked dead");
        }
        if link_local(self.world, peer) != Some(next_hop.address) {
            return Err("a next hop that is not the neighbour on that cable");
        }
        let Some(adjacency) = next_hop.adjacency else {
            // The MAC behind an uplink is asked for when the first packet goes there.
            let edges = self.world.edges();
            let is_uplink =
                [router, peer.router].iter().any(|slot| edges.provider_at(*slot).is_some());
            return if is_uplink { Ok(peer.router) } else { Err("a next hop without a MAC") };
        };
        let [macs @ .., _, _] = &adjacency.rewrite;
        let (to, from) = (mac(peer.router, peer.port), mac(router, next_hop.port));
        if macs != [to.0, from.0].as_flattened() {
            return Err("a next hop with the wrong MAC addresses");
        }
        Ok(peer.router)
    }
}

fn echo_request(source: Ipv6Addr, destination: Ipv6Addr, now: Instant) -> Vec<u8> {
    let data = now.as_nanos().to_be_bytes().to_vec();
    let message = Icmpv6Message::EchoRequest { identifier: 1, sequence: 1, data };
    let payload = message.encode(source, destination);
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_length: u16::try_from(payload.len()).unwrap_or(u16::MAX),
        next_header: NEXT_ICMPV6,
        hop_limit: HOP_LIMIT_DEFAULT,
        source,
        destination,
    };
    let mut writer = crate::base::cursor::Writer::default();
    header.encode(&mut writer);
    writer.put(&payload);
    writer.into_vec()
}

/// Who sent this echo reply, if it is one.
fn replier(packet: &[u8]) -> Option<Ipv6Addr> {
    let header = Ipv6Header::decode(&mut crate::base::cursor::Reader::new(packet)).ok()?;
    let payload = packet.get(HEADER_OCTETS..).filter(|_| header.next_header == NEXT_ICMPV6)?;
    match Icmpv6Message::decode(header.source, header.destination, payload).ok()? {
        Icmpv6Message::EchoReply { .. } => Some(header.source),
        _ => None,
    }
}
