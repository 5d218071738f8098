//! The compiled worlds held against a naive reading of the rules, under random events.

use super::*;
use crate::base::route::{ExitGateway, ExitsId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Lengths of the prefixes here.
const LENGTHS: [u8; 8] = [0, 8, 24, 32, 48, 64, 127, 128];

/// Something that happens to a RIB.
#[derive(Clone, Debug)]
enum Event {
    Announce(Ipv6Prefix, RouteSource, RouteBody),
    Withdraw(Ipv6Prefix, RouteSource),
    Port(u16, bool),
    PortGone(u16),
    PortAlive(u16, bool),
    NeighborAlive(RouteNextHop, bool),
    Rewrite(RouteNextHop, bool),
    /// The router has a loopback, or not.
    Loopback(bool),
    /// A set of exits leads there, or is no more.
    Exits(ExitsId, Option<Vec<ExitGateway>>),
    /// An exit is resolved, or is no more.
    Track(ExitGateway, bool),
    Compile,
    /// Worlds but this many of the newest are gone.
    Reclaim(usize),
}

/// What was said, and nothing derived from it.
#[derive(Default)]
struct Naive {
    routes: BTreeMap<(Ipv6Prefix, RouteSource), RouteBody>,
    ports: BTreeMap<PortId, bool>,
    dead_ports: BTreeSet<PortId>,
    dead: BTreeSet<RouteNextHop>,
    rewrites: BTreeSet<RouteNextHop>,
    has_loopback: bool,
    exits: BTreeMap<ExitsId, Vec<ExitGateway>>,
    /// With what their owner was told last.
    tracked: BTreeMap<ExitGateway, Option<Option<u32>>>,
}

impl Naive {
    /// Whether an owner of exits may do this: a set is there before a route has it, and goes when
    /// none has it any more.
    fn may(&self, event: &Event) -> bool {
        let uses = |body: &RouteBody, id: ExitsId| body.target == RouteTarget::Exits(id);
        match event {
            Event::Announce(_, _, RouteBody { target: RouteTarget::Exits(id), .. }) => {
                self.exits.contains_key(id)
            }
            Event::Exits(id, None) => !self.routes.values().any(|body| uses(body, *id)),
            _ => true,
        }
    }

    fn take(&mut self, event: &Event) {
        match event.clone() {
            Event::Announce(prefix, source, body) => {
                self.routes.insert((prefix, source), body);
            }
            Event::Withdraw(prefix, source) => {
                self.routes.remove(&(prefix, source));
            }
            Event::Port(port, is_up) => {
                self.ports.insert(PortId(port), is_up);
            }
            Event::PortGone(port) => {
                self.ports.remove(&PortId(port));
                self.dead_ports.remove(&PortId(port));
                self.dead.retain(|key| key.port != PortId(port));
                self.rewrites.retain(|key| key.port != PortId(port));
            }
            Event::PortAlive(port, true) => {
                self.dead_ports.remove(&PortId(port));
            }
            Event::PortAlive(port, false) => {
                self.dead_ports.insert(PortId(port));
            }
            Event::NeighborAlive(key, true) => {
                self.dead.remove(&key);
            }
            Event::NeighborAlive(key, false) => {
                self.dead.insert(key);
            }
            Event::Rewrite(key, true) => {
                self.rewrites.insert(key);
            }
            Event::Rewrite(key, false) => {
                self.rewrites.remove(&key);
            }
            Event::Loopback(is_there) => self.has_loopback = is_there,
            Event::Exits(id, Some(gateways)) => {
                self.exits.insert(id, gateways);
            }
            Event::Exits(id, None) => {
                self.exits.remove(&id);
            }
            Event::Track(gateway, true) => {
                self.tracked.entry(gateway).or_default();
            }
            Event::Track(gateway, false) => {
                self.tracked.remove(&gateway);
            }
            Event::Compile | Event::Reclaim(_) => {}
        }
    }

    fn is_up(&self, port: PortId) -> bool {
        self.ports.get(&port) == Some(&true)
    }

    fn is_alive(&self, key: RouteNextHop) -> bool {
        self.is_up(key.port) && !self.dead_ports.contains(&key.port) && !self.dead.contains(&key)
    }

    /// The routes for exactly this prefix, best first.
    fn candidates(&self, prefix: Ipv6Prefix) -> Vec<(RouteSource, &RouteBody)> {
        let mut found: Vec<_> = self.routes.iter().filter(|(key, _)| key.0 == prefix).collect();
        found.sort_by_key(|((_, source), body)| (source.distance(), body.metric, *source));
        found.into_iter().map(|((_, source), body)| (*source, body)).collect()
    }

    fn forward(
        ways: impl Iterator<Item = RouteNextHop>,
        mut repairs: impl Iterator<Item = Path>,
    ) -> Option<Way> {
        let sorted: BTreeSet<RouteNextHop> = ways.collect();
        let members: Vec<RouteNextHop> = sorted.into_iter().take(ECMP_WIDTH_MAX).collect();
        let is_member = |path: &Path| path.segments.is_empty() && members.contains(&path.via);
        let repair = repairs.next().filter(|path| !is_member(path));
        (!members.is_empty()).then_some(Way::Forward { members, repair })
    }

    /// The repair of a route, while it can be used.
    fn repair(&self, body: &RouteBody) -> Option<Path> {
        let RouteTarget::Via(ways) = &body.target else { return None };
        let Repair { via, segments, .. } = body.repair.clone()?;
        let is_elsewhere = !segments.is_empty() || !ways.contains(&via);
        let has_source = segments.is_empty() || self.has_loopback;
        (is_elsewhere && has_source && self.is_up(via.port)).then_some(Path { via, segments })
    }

    fn direct(&self, body: &RouteBody) -> Option<Way> {
        match &body.target {
            RouteTarget::Via(ways) => {
                let repair = self.repair(body);
                let mut members: Vec<RouteNextHop> = ways.clone();
                if repair.is_none() || members.iter().any(|way| self.is_up(way.port)) {
                    members.retain(|way| self.is_up(way.port));
                }
                Self::forward(members.into_iter(), repair.into_iter())
            }
            RouteTarget::Cross(way) => self.is_up(way.port).then_some(Way::Cross(*way)),
            RouteTarget::OnLink(port) => self.is_up(*port).then_some(Way::OnLink(*port)),
            RouteTarget::Local => Some(Way::Local),
            RouteTarget::Unreachable => Some(Way::Unreachable),
            RouteTarget::Blackhole => Some(Way::Blackhole),
            RouteTarget::Recursive(_) | RouteTarget::Exits(_) => None,
        }
    }

    fn gateway(&self, address: Ipv6Addr) -> (Vec<RouteNextHop>, Option<Path>) {
        let (members, repair, _) = self.gateway_with_cost(address);
        (members, repair)
    }

    /// What is behind an address, and at which cost.
    fn gateway_with_cost(&self, address: Ipv6Addr) -> (Vec<RouteNextHop>, Option<Path>, u32) {
        let found = LENGTHS.into_iter().rev().filter(|length| *length > 0).find_map(|length| {
            let prefix = Ipv6Prefix::containing(address, length);
            self.candidates(prefix).into_iter().find_map(|(source, body)| {
                let is_own = matches!(source, RouteSource::Connected | RouteSource::Neighbor);
                Some((self.direct(body)?, if is_own { 0 } else { body.metric }))
            })
        });
        match found {
            Some((Way::Forward { members, repair }, cost)) => (members, repair, cost),
            Some((Way::OnLink(port), _)) => (vec![RouteNextHop { port, address }], None, 0),
            _ => (Vec::new(), None, 0),
        }
    }

    /// What is behind an exit that is resolved.
    fn exit(&self, exit: ExitGateway) -> (Vec<RouteNextHop>, Option<Path>, u32) {
        let ExitGateway { address, port } = exit;
        match port {
            _ if !self.tracked.contains_key(&exit) => (Vec::new(), None, 0),
            Some(port) if self.is_up(port) => (vec![RouteNextHop { port, address }], None, 0),
            Some(_) => (Vec::new(), None, 0),
            None => self.gateway_with_cost(address),
        }
    }

    fn exits(&self, exits: &[ExitGateway]) -> Way {
        let found: Vec<_> = exits.iter().map(|exit| self.exit(*exit)).collect();
        let members = found.iter().flat_map(|(members, ..)| members.iter().copied());
        let repairs = found.iter().filter_map(|(_, repair, _)| repair.clone());
        Self::forward(members, repairs).unwrap_or(Way::Unreachable)
    }

    /// What the owner of every exit must have been told by now.
    fn check_told(&mut self, rib: &mut Rib) {
        while let Some((exit, cost)) = rib.poll_exit() {
            if let Some(told) = self.tracked.get_mut(&exit) {
                *told = Some(cost);
            }
        }
        for (exit, told) in &self.tracked {
            let (members, _, cost) = self.exit(*exit);
            assert_eq!(*told, Some((!members.is_empty()).then_some(cost)), "{exit:?}");
        }
    }

    fn way(&self, body: &RouteBody) -> Option<Way> {
        match &body.target {
            RouteTarget::Recursive(gateways) => {
                let found: Vec<_> = gateways.iter().map(|gateway| self.gateway(*gateway)).collect();
                let members = found.iter().flat_map(|(members, _)| members.iter().copied());
                Self::forward(members, found.iter().filter_map(|(_, repair)| repair.clone()))
            }
            RouteTarget::Exits(id) => Some(self.exits(self.exits.get(id)?)),
            _ => self.direct(body),
        }
    }

    fn lookup(&self, to: Ipv6Addr) -> Way {
        let found = LENGTHS.into_iter().rev().find_map(|length| {
            let candidates = self.candidates(Ipv6Prefix::containing(to, length));
            candidates.into_iter().find_map(|(_, body)| self.way(body))
        });
        found.unwrap_or(Way::Unreachable)
    }
}

fn carry_out(rib: &mut Rib, event: &Event) {
    match event.clone() {
        Event::Announce(prefix, source, body) => {
            rib.apply(RouteUpdate { prefix, source, route: Some(body) }).unwrap();
        }
        Event::Withdraw(prefix, source) => {
            rib.apply(RouteUpdate { prefix, source, route: None }).unwrap();
        }
        Event::Port(port, is_up) => rib.set_interface(interface(port, is_up)),
        Event::PortGone(port) => rib.remove_interface(PortId(port)),
        Event::PortAlive(port, is_alive) => rib.set_alive(PortId(port), None, is_alive),
        Event::NeighborAlive(key, is_alive) => {
            rib.set_alive(key.port, Some(key.address), is_alive);
        }
        Event::Rewrite(key, is_known) => {
            rib.set_neighbor(key.port, key.address, is_known.then_some((A, OWN)));
        }
        Event::Loopback(is_there) => rib.set_repair_addresses(is_there.then(repair::addresses)),
        Event::Exits(id, gateways) => rib.set_exits(id, gateways),
        Event::Track(gateway, true) => rib.track_exit(gateway),
        Event::Track(gateway, false) => rib.untrack_exit(gateway),
        Event::Compile | Event::Reclaim(_) => {}
    }
}

/// What must hold of the newest world.
fn check_newest(world: &Forwarding, naive: &Naive, addresses: &[Ipv6Addr]) {
    for to in addresses {
        assert_eq!(way_of(world, *to), naive.lookup(*to), "to {to}");
    }
    for (_, group) in world.table.iter() {
        let NextHopGroup::Forward { members, buckets, backup, .. } = world.group(group) else {
            continue;
        };
        assert!(buckets.len().is_power_of_two());
        assert!(members.iter().all(|member| buckets.contains(member)));
        assert!(buckets.iter().all(|bucket| members.contains(bucket)));
        for number in members.iter().chain(backup) {
            let hop = world.next_hop(*number).unwrap();
            let key = RouteNextHop { port: hop.port, address: hop.address };
            assert_eq!(hop.adjacency.is_some(), naive.rewrites.contains(&key), "{key:?}");
        }
    }
}

/// A world that may still be read, and what its numbers mean in it.
struct Kept {
    world: Forwarding,
    meanings: Vec<(NextHopId, Path)>,
}

impl Kept {
    fn new(world: Forwarding) -> Self {
        let mut meanings = Vec::new();
        for (_, group) in world.table.iter() {
            let used: Vec<NextHopId> = match world.group(group) {
                NextHopGroup::Forward { members, backup, .. } => {
                    members.iter().chain(backup).copied().collect()
                }
                NextHopGroup::Cross(next_hop) => vec![*next_hop],
                _ => Vec::new(),
            };
            let meaning = |number: NextHopId| (number, path_of(world.next_hop(number).unwrap()));
            meanings.extend(used.into_iter().map(meaning));
        }
        Self { world, meanings }
    }

    /// The shared flags mean the same in every world.
    fn check(&self, naive: &Naive) {
        for (number, path) in &self.meanings {
            let is_alive = naive.is_alive(path.via);
            assert_eq!(self.world.liveness.is_alive(*number), is_alive, "{path:?}");
        }
    }
}

fn some_prefix() -> impl Strategy<Value = Ipv6Prefix> {
    let addresses = prop::sample::select(vec!["fd00::", "fd00::9", "fd00:0:0:1::7", "2001:db8::1"]);
    let lengths = prop::sample::select(&LENGTHS[..]);
    (addresses, lengths).prop_map(|(text, length)| Ipv6Prefix::containing(address(text), length))
}

fn some_neighbor() -> impl Strategy<Value = RouteNextHop> {
    let addresses = prop::sample::select(vec!["fe80::1", "fe80::2", "fd00::9"]);
    (0_u16..3, addresses).prop_map(|(port, text)| neighbor(port, text))
}

fn some_exit() -> impl Strategy<Value = ExitGateway> {
    let far = prop::sample::select(vec!["fd00::9", "fd00:0:0:1::7", "2001:db8::1"]);
    let near = prop::sample::select(vec!["fe80::1", "fe80::2"]);
    prop_oneof![
        far.prop_map(|text| ExitGateway { address: address(text), port: None }),
        (0_u16..3, near).prop_map(|(port, text)| {
            ExitGateway { address: address(text), port: Some(PortId(port)) }
        }),
    ]
}

fn some_exits() -> impl Strategy<Value = ExitsId> {
    (0_u32..3).prop_map(ExitsId)
}

fn some_body() -> impl Strategy<Value = RouteBody> {
    let gateways = prop::sample::select(vec!["fd00::9", "fd00:0:0:1::7", "2001:db8::1"]);
    let target = prop_oneof![
        4 => prop::collection::vec(some_neighbor(), 1..4).prop_map(RouteTarget::Via),
        2 => prop::collection::vec(gateways.prop_map(address), 1..3)
            .prop_map(RouteTarget::Recursive),
        3 => some_exits().prop_map(RouteTarget::Exits),
        2 => (0_u16..3).prop_map(|port| RouteTarget::OnLink(PortId(port))),
        1 => some_neighbor().prop_map(RouteTarget::Cross),
        1 => Just(RouteTarget::Local),
        1 => Just(RouteTarget::Unreachable),
        1 => Just(RouteTarget::Blackhole),
    ];
    let segments = prop::sample::select(vec!["fd4b::2", "fd4b::3:1"]).prop_map(address);
    let repair = (some_neighbor(), prop::collection::vec(segments, 0..3))
        .prop_map(|(via, segments)| Repair { via, segments, protects: Protection::Link });
    (0_u32..3, target, prop::option::of(repair)).prop_map(|(metric, target, repair)| RouteBody {
        metric,
        target,
        repair,
    })
}

fn some_event() -> impl Strategy<Value = Event> {
    let source = || {
        prop::sample::select(vec![
            RouteSource::Connected,
            RouteSource::Static,
            RouteSource::Neighbor,
            RouteSource::Ospf,
            RouteSource::Ebgp,
            RouteSource::Ibgp,
        ])
    };
    let gateways = || prop::collection::vec(some_exit(), 0..4);
    prop_oneof![
        6 => (some_prefix(), source(), some_body()).prop_map(|(p, s, b)| Event::Announce(p, s, b)),
        3 => (some_prefix(), source()).prop_map(|(p, s)| Event::Withdraw(p, s)),
        3 => (0_u16..3, any::<bool>()).prop_map(|(port, is_up)| Event::Port(port, is_up)),
        1 => (0_u16..3).prop_map(Event::PortGone),
        1 => (0_u16..3, any::<bool>()).prop_map(|(port, is)| Event::PortAlive(port, is)),
        1 => (some_neighbor(), any::<bool>()).prop_map(|(key, is)| Event::NeighborAlive(key, is)),
        2 => (some_neighbor(), any::<bool>()).prop_map(|(key, is)| Event::Rewrite(key, is)),
        1 => any::<bool>().prop_map(Event::Loopback),
        3 => (some_exits(), gateways()).prop_map(|(id, set)| Event::Exits(id, Some(set))),
        1 => some_exits().prop_map(|id| Event::Exits(id, None)),
        3 => (some_exit(), prop::bool::weighted(0.7)).prop_map(|(e, is)| Event::Track(e, is)),
        4 => Just(Event::Compile),
        2 => (0_usize..4).prop_map(Event::Reclaim),
    ]
}

proptest! {
    #[test]
    fn worlds_say_what_the_rules_say(events in prop::collection::vec(some_event(), 1..120)) {
        let mut rib = Rib::default();
        let mut naive = Naive::default();
        let mut worlds: Vec<Kept> = Vec::new();
        let ends = ["fd00::", "fd00::8", "fd00::9", "fd00::a", "fd00:0:0:1::7", "fd00:1::",
            "2001:db8::1", "2001:db8:1::1", "3000::1"].map(address);
        for event in events.iter().chain([&Event::Compile]) {
            if !naive.may(event) {
                continue;
            }
            naive.take(event);
            carry_out(&mut rib, event);
            match event {
                Event::Compile => {
                    worlds.extend(rib.compile().map(Kept::new));
                    naive.check_told(&mut rib);
                    if let Some(kept) = worlds.last() {
                        check_newest(&kept.world, &naive, &ends);
                    }
                    // Numbers that came free wait for another compilation.
                    let found = rib.verify(None, usize::MAX).unwrap_or_default();
                    prop_assert!(found.wrong.is_empty(), "{found:?}");
                }
                Event::Reclaim(kept) => {
                    worlds.drain(..worlds.len().saturating_sub(*kept).min(worlds.len().max(1) - 1));
                    rib.reclaimed(worlds.first().map_or(0, |kept| kept.world.epoch));
                }
                _ => {}
            }
            worlds.iter().for_each(|kept| kept.check(&naive));
        }
        // Everything withdrawn and every old world gone: every number is free again.
        let routes: Vec<_> = naive.routes.keys().copied().collect();
        for (prefix, source) in routes {
            rib.apply(RouteUpdate { prefix, source, route: None }).unwrap();
        }
        naive.exits.keys().for_each(|id| rib.set_exits(*id, None));
        naive.tracked.keys().for_each(|exit| rib.untrack_exit(*exit));
        rib.compile();
        rib.reclaimed(u64::MAX);
        prop_assert_eq!(rib.exit_set_count(), 0);
        prop_assert_eq!((rib.number_counts(), rib.route_count()), ((0, 1), 0));
        prop_assert!(!rib.is_dirty());
    }
}
