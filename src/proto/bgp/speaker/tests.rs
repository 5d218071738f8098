//! Speakers in virtual time, with TCP between them.

use super::*;
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::proto::bgp::State;
use crate::proto::bgp::limits::SEND_QUEUE_OCTETS_MAX;
use crate::proto::bgp::limits::WRITTEN_PER_SLICE_MAX;
use crate::proto::bgp::ribs::RouteExits;
use crate::proto::bgp::ribs::{
    DecisionSettings, Dependence, ExitGroupId, Gateway, Question, Resolution, Route, Verdict,
};
use crate::proto::bgp::settings::RemoteAs;
use crate::proto::bgp::transport::{BGP_PORT, Failure};
use crate::wire::bgp::{AsPath, Origin, PathAttributes, UnknownAttribute};
use std::collections::BTreeSet;

const DELAY: Duration = Duration::from_millis(1);
/// More than a slice of work decides.
const PREFIXES: u16 = 2500;
/// More than a peer is sent at once, each with its own attributes and
const LARGE: u16 = 12_000;
/// so many octets at least.
const LARGE_OCTETS: usize = 100;

/// Everything is welcome.
struct Open;

impl Policies for Open {
    fn dependence(&self, _: PolicyId) -> Dependence {
        Dependence::Attributes
    }

    fn judge(&self, _: PolicyId, _: &Question<'_>) -> Verdict {
        Verdict::Accept
    }
}

/// A speaker and what it told.
struct Node {
    speaker: Speaker,
    /// The other end of each of its sockets: which node, which socket.
    ends: BTreeMap<SocketId, (usize, SocketId)>,
    incoming_count: u64,
    told: Vec<Action>,
}

/// Speakers on one link, the time, and what is on its way.
struct Net {
    nodes: Vec<Node>,
    now: Instant,
    arrivals: VecDeque<(Instant, usize, Report)>,
    /// Nodes that do not answer.
    away: BTreeSet<usize>,
}

fn asn(node: usize) -> u32 {
    64500 + u32::try_from(node).unwrap()
}

fn address(node: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::try_from(node + 1).unwrap())
}

fn end(node: usize) -> SocketAddrV6 {
    SocketAddrV6::new(address(node), BGP_PORT, 0, 0)
}

fn peer(node: usize) -> PeerId {
    PeerId(u16::try_from(node).unwrap())
}

fn prefix(number: u16) -> Ipv6Prefix {
    Ipv6Prefix::containing(Ipv6Addr::new(0x2001, 0xdb9, number, 0, 0, 0, 0, 0), 48)
}

/// Node `there` as a peer of node `here`, in another AS.
fn peer_settings(here: usize, there: usize) -> PeerSettings {
    let identifier = RouterId(asn(here));
    PeerSettings {
        remote: end(there),
        local: address(here),
        security: Security::default(),
        session: Settings::new(asn(here), identifier, RemoteAs::Exactly(asn(there))),
        kind: PeerKind::External,
        port: None,
        on_link: Vec::new(),
        own_next_hop: NextHop { global: Some(address(here)), link_local: None },
        import: Some(PolicyId(0)),
        export: Some(PolicyId(0)),
        next_hop: NextHopMode::Own,
        as_path: AsPathMode::Prepend,
        first_as: FirstAs::Enforced,
        blackhole: Blackhole::Ignored,
        own_as_max: 0,
        paths_max: None,
        paths_warning: None,
        paths_restart: None,
        add_paths_max: 1,
    }
}

impl Net {
    fn new(count: usize) -> Self {
        let node = |node| Node {
            speaker: Speaker::new(RibSettings {
                asn: asn(node),
                router_id: RouterId(asn(node)),
                cluster_id: RouterId(asn(node)),
                decision: DecisionSettings::default(),
                seed: node as u64,
            }),
            ends: BTreeMap::new(),
            incoming_count: 0,
            told: Vec::new(),
        };
        let nodes = (0..count).map(node).collect();
        let (arrivals, away) = (VecDeque::new(), BTreeSet::new());
        Self { nodes, now: Instant::from_millis(1000), arrivals, away }
    }

    fn pair(&mut self, one: usize, other: usize) {
        for (here, there) in [(one, other), (other, one)] {
            self.add(here, there, peer_settings(here, there));
        }
    }

    fn add(&mut self, here: usize, there: usize, settings: PeerSettings) {
        let (now, speaker) = (self.now, &mut self.nodes[here].speaker);
        speaker.add_peer(now, peer(there), settings, Start::Fresh);
    }

    fn originate(&mut self, node: usize, prefixes: impl Iterator<Item = u16>) {
        let attributes = PathAttributes {
            origin: Origin::Igp,
            as_path: AsPath::default(),
            ..PathAttributes::default()
        };
        let route = Route { next_hop: None, attributes };
        let (now, speaker) = (self.now, &mut self.nodes[node].speaker);
        for number in prefixes {
            speaker.ribs_mut().originate(now, prefix(number), &route).unwrap();
        }
        speaker.touch(now);
    }

    /// Routes of which each takes a message.
    fn originate_large(&mut self, node: usize) {
        let (now, speaker) = (self.now, &mut self.nodes[node].speaker);
        for number in 0..LARGE {
            let value = vec![7; 60];
            let attributes = PathAttributes {
                med: Some(number.into()),
                unknown: vec![UnknownAttribute { kind: 200, value }],
                ..PathAttributes::default()
            };
            let route = Route { next_hop: None, attributes };
            speaker.ribs_mut().originate(now, prefix(number), &route).unwrap();
        }
        speaker.touch(now);
    }

    /// Until `time` from now.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// What is due next; whether there was something until then.
    fn step(&mut self, until: Instant) -> bool {
        let arrival = self.arrivals.front().map(|(at, ..)| *at);
        let work = self.nodes.iter().filter_map(|node| node.speaker.next_deadline()).min();
        let Some(at) = arrival.into_iter().chain(work).min().filter(|at| *at <= until) else {
            return false;
        };
        self.now = self.now.max(at);
        if arrival.is_some_and(|arrival| arrival <= self.now) {
            let Some((_, node, report)) = self.arrivals.pop_front() else { return false };
            self.nodes[node].speaker.report(self.now, report, &Open);
            self.carry(node);
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].speaker.next_deadline().is_some_and(|at| at <= self.now) {
                self.nodes[node].speaker.work(self.now, &Open);
                self.carry(node);
            }
        }
        true
    }

    fn send(&mut self, node: usize, report: Report) {
        self.arrivals.push_back((self.now + DELAY, node, report));
    }

    /// Does what a node wants done.
    fn carry(&mut self, node: usize) {
        while let Some(action) = self.nodes[node].speaker.poll_action() {
            match &action {
                Action::Transport(order) => self.transport(node, order.clone()),
                Action::Forward(Change::Track(gateway)) => {
                    let resolution = Resolution::Reachable { cost: 0 };
                    self.resolve(node, *gateway, resolution);
                }
                _ => {}
            }
            self.nodes[node].told.push(action);
        }
    }

    fn resolve(&mut self, node: usize, gateway: Gateway, resolution: Resolution) {
        self.nodes[node].speaker.resolve(self.now, gateway, resolution);
    }

    fn transport(&mut self, node: usize, order: Order) {
        match order {
            Order::Connect { socket, local, remote, .. } => {
                let there = (0..self.nodes.len()).find(|there| end(*there) == remote).unwrap();
                if self.away.contains(&there) || self.away.contains(&node) {
                    let failure = Failure::TimedOut;
                    return self.send(node, Report::Failed { socket, failure });
                }
                let incoming = SocketId::incoming(self.nodes[there].incoming_count);
                self.nodes[there].incoming_count += 1;
                self.nodes[node].ends.insert(socket, (there, incoming));
                self.nodes[there].ends.insert(incoming, (node, socket));
                let local = SocketAddrV6::new(local, 40000, 0, 0);
                self.send(node, Report::Connected { socket, local });
                self.send(
                    there,
                    Report::Accepted { socket: incoming, local: end(there), remote: local },
                );
            }
            Order::Send { socket, octets } => {
                let Some((there, other)) = self.nodes[node].ends.get(&socket).copied() else {
                    return;
                };
                let count = u32::try_from(octets.len()).unwrap();
                self.send(there, Report::Received { socket: other, octets });
                self.send(node, Report::Sent { socket, count });
            }
            Order::Close { socket } => {
                if let Some((there, other)) = self.nodes[node].ends.remove(&socket) {
                    self.nodes[there].ends.remove(&other);
                    self.send(there, Report::Closed { socket: other, failure: None });
                }
            }
            Order::Listen(_) | Order::Taken { .. } => {}
        }
    }

    /// Every connection of a node is lost, at both ends.
    fn lose(&mut self, node: usize) {
        for (socket, (there, other)) in core::mem::take(&mut self.nodes[node].ends) {
            self.nodes[there].ends.remove(&other);
            self.send(node, Report::Closed { socket, failure: None });
            self.send(there, Report::Closed { socket: other, failure: None });
        }
    }

    fn state(&self, here: usize, there: usize) -> State {
        self.nodes[here].speaker.session(peer(there)).unwrap().state()
    }

    /// What a node reaches: each prefix with the ASes on the way.
    fn best(&self, node: usize) -> BTreeMap<Ipv6Prefix, AsPath> {
        let ribs = self.nodes[node].speaker.ribs();
        let best = |number| Some((prefix(number), ribs.best(prefix(number))?.1));
        let found = (0..PREFIXES).filter_map(best);
        found.map(|(prefix, route)| (prefix, route.attributes.as_path)).collect()
    }

    /// What packets of a node to a prefix take, by what it was told.
    fn exits(&self, node: usize, to: Ipv6Prefix) -> Vec<Gateway> {
        let (mut group, mut groups) = (None, BTreeMap::<ExitGroupId, Vec<Gateway>>::new());
        for action in &self.nodes[node].told {
            match action {
                Action::Forward(Change::Route { prefix, exits }) if *prefix == to => {
                    group = Some(*exits);
                }
                Action::Forward(Change::Group { id, next_hops, .. }) => {
                    groups.insert(*id, next_hops.clone());
                }
                _ => {}
            }
        }
        match group {
            Some(RouteExits::Group(id)) => groups[&id].clone(),
            _ => Vec::new(),
        }
    }
}

#[test]
fn routes_go_through_a_speaker_to_the_next() {
    let mut net = Net::new(3);
    net.pair(0, 1);
    net.pair(1, 2);
    net.originate(0, 0..PREFIXES);
    net.run(Duration::from_secs(5));
    assert_eq!((net.state(1, 0), net.state(2, 1)), (State::Established, State::Established));
    let best = net.best(2);
    assert_eq!(best.len(), usize::from(PREFIXES));
    let path = AsPath::sequence(&[asn(1), asn(0)]);
    assert!(best.values().all(|other| *other == path));
    let exits = net.exits(2, prefix(7));
    assert_eq!(exits.len(), 1);
    assert_eq!(exits[0].next_hop.global, Some(address(1)));
    for number in 0..10 {
        net.nodes[0].speaker.ribs_mut().withdraw_origin(prefix(number));
    }
    let now = net.now;
    net.nodes[0].speaker.touch(now);
    net.run(Duration::from_secs(1));
    assert_eq!(net.best(2).len(), usize::from(PREFIXES) - 10);
}

#[test]
fn a_lost_exit_moves_every_prefix_by_its_group() {
    let mut net = Net::new(3);
    net.pair(0, 2);
    net.pair(1, 2);
    net.originate(0, 0..PREFIXES);
    net.run(Duration::from_secs(5));
    net.originate(1, 0..PREFIXES);
    net.run(Duration::from_secs(5));
    let other = |net: &Net| net.exits(2, prefix(9))[0].next_hop.global;
    let before = other(&net).unwrap();
    let lost = (0..2).find(|node| address(*node) == before).unwrap();
    let told = net.nodes[2].told.len();
    let gateway = net.exits(2, prefix(9))[0];
    net.resolve(2, gateway, Resolution::Unreachable);
    net.carry(2);
    let told: Vec<Action> = net.nodes[2].told[told..].to_vec();
    assert!(matches!(told[..], [Action::Forward(Change::Group { .. })]), "{told:?}");
    assert_eq!(other(&net), Some(address(1 - lost)));
}

#[test]
fn too_many_paths_end_a_session_until_its_time_is_over() {
    let mut net = Net::new(2);
    let restart = Some(Duration::from_secs(60));
    net.add(0, 1, peer_settings(0, 1));
    net.add(
        1,
        0,
        PeerSettings { paths_max: Some(100), paths_restart: restart, ..peer_settings(1, 0) },
    );
    net.originate(0, 0..101);
    net.run(Duration::from_secs(5));
    assert_ne!(net.state(1, 0), State::Established);
    assert_eq!(net.best(1).len(), 0);
    let refusals = |net: &Net| {
        net.nodes[1].told.iter().filter(|action| matches!(action, Action::Refused { .. })).count()
    };
    assert_eq!(refusals(&net), 1);
    net.nodes[0].speaker.ribs_mut().withdraw_origin(prefix(3));
    let now = net.now;
    net.nodes[0].speaker.touch(now);
    net.run(Duration::from_secs(180));
    assert_eq!((net.state(1, 0), refusals(&net)), (State::Established, 1));
    assert_eq!(net.best(1).len(), 100);
}

#[test]
fn what_comes_behind_too_many_paths_is_not_refused_again() {
    let mut net = Net::new(2);
    net.add(0, 1, peer_settings(0, 1));
    net.add(1, 0, PeerSettings { paths_max: Some(1), ..peer_settings(1, 0) });
    net.originate_large(0);
    net.run(Duration::from_secs(5));
    let told = net.nodes[1].told.iter();
    assert_eq!(told.filter(|action| matches!(action, Action::Refused { .. })).count(), 1);
    let speaker = &net.nodes[1].speaker;
    assert_eq!((net.state(1, 0), speaker.ribs().path_count()), (State::Idle, 0));
    assert!(!speaker.is_awaited(peer(0)) && !speaker.ends_its_table(peer(0)));
}

/// Node 1 with a session that node 0 has filled too much, half a minute ago.
fn cut_off(restart: Option<Duration>) -> (Net, PeerSettings) {
    let mut net = Net::new(2);
    let paths_max = Some(100);
    let limited = PeerSettings { paths_max, paths_restart: restart, ..peer_settings(1, 0) };
    net.add(0, 1, peer_settings(0, 1));
    net.add(1, 0, limited.clone());
    net.originate(0, 0..101);
    net.run(Duration::from_secs(30));
    assert_eq!(net.state(1, 0), State::Idle);
    assert!(net.nodes[1].speaker.held(peer(0)).is_some());
    (net, limited)
}

/// Node 0 has one path less.
fn withdraw(net: &mut Net) {
    let (now, speaker) = (net.now, &mut net.nodes[0].speaker);
    speaker.ribs_mut().withdraw_origin(prefix(3));
    speaker.touch(now);
}

fn change(net: &mut Net, settings: PeerSettings) {
    let now = net.now;
    assert_eq!(net.nodes[1].speaker.change_peer(now, peer(0), settings), Ok(()));
    net.run(Duration::from_secs(30));
}

#[test]
fn a_session_that_had_too_many_paths_is_back_when_it_may_have_more() {
    for paths_max in [Some(101), None] {
        let (mut net, limited) = cut_off(None);
        change(&mut net, PeerSettings { first_as: FirstAs::Free, ..limited.clone() });
        assert_eq!(net.state(1, 0), State::Idle, "it would have too many again");
        change(&mut net, PeerSettings { paths_max, ..limited });
        assert_eq!(net.state(1, 0), State::Established);
        assert_eq!(net.nodes[1].speaker.held(peer(0)), None);
        assert_eq!(net.best(1).len(), 101);
    }
}

#[test]
fn a_restart_time_that_comes_later_counts_from_then_on_and_one_that_goes_ends() {
    let (mut net, limited) = cut_off(None);
    withdraw(&mut net);
    let paths_restart = Some(Duration::from_secs(60));
    let until = Some(net.now + Duration::from_secs(60));
    change(&mut net, PeerSettings { paths_restart, ..limited.clone() });
    assert_eq!(net.state(1, 0), State::Idle);
    assert_eq!(net.nodes[1].speaker.held(peer(0)).map(|held| held.until), Some(until));
    net.run(Duration::from_secs(60));
    assert_eq!(net.state(1, 0), State::Established);

    let (mut net, limited) = cut_off(paths_restart);
    change(&mut net, PeerSettings { paths_restart: None, ..limited });
    net.run(Duration::from_secs(600));
    assert_eq!(net.state(1, 0), State::Idle);
}

#[test]
fn a_session_that_is_held_starts_when_it_is_cleared_and_has_its_limit_still() {
    let (mut net, _) = cut_off(None);
    withdraw(&mut net);
    let now = net.now;
    assert_eq!(net.nodes[1].speaker.clear(now, peer(0), Clear::In), Err(ClearError::NotUp));
    assert_eq!(net.nodes[1].speaker.clear(now, peer(0), Clear::Session), Ok(()));
    net.run(Duration::from_secs(30));
    assert_eq!(net.state(1, 0), State::Established);
    assert_eq!(net.best(1).len(), 100);
    net.originate(0, 200..201);
    net.run(Duration::from_secs(30));
    assert_eq!(net.state(1, 0), State::Idle);
}

/// RFC 4486 §4: "a BGP speaker decides to administratively reset its peering".
#[test]
fn a_session_that_is_cleared_ends_with_administrative_reset_and_is_back() {
    let mut net = Net::new(2);
    net.pair(0, 1);
    net.originate(0, 0..100);
    net.run(Duration::from_secs(5));
    let now = net.now;
    assert_eq!(net.nodes[1].speaker.clear(now, peer(0), Clear::Session), Ok(()));
    net.run(Duration::from_secs(30));
    assert_eq!(net.state(1, 0), State::Established);
    let view = net.nodes[0].speaker.session(peer(1)).unwrap().view();
    let (_, why) = view.last_down.unwrap();
    assert_eq!(why.to_string(), "the peer sent: administrative reset");
    assert_eq!(view.counters.lost, 1);
    assert_eq!(net.best(1).len(), 100);
}

#[test]
fn cleared_softly_routes_come_or_go_again_and_the_session_stays() {
    let mut net = Net::new(2);
    net.pair(0, 1);
    net.originate(0, 0..100);
    net.run(Duration::from_secs(5));
    let messages = |net: &Net| net.nodes[0].speaker.ribs().member_counts(peer(1)).messages;
    for (node, there, what) in [(1, 0, Clear::In), (0, 1, Clear::Out)] {
        let (now, before) = (net.now, messages(&net));
        assert_eq!(net.nodes[node].speaker.clear(now, peer(there), what), Ok(()));
        net.run(Duration::from_secs(5));
        assert!(messages(&net) > before, "{what:?}");
    }
    assert_eq!(net.nodes[1].speaker.session(peer(0)).unwrap().counters().lost, 0);
    assert_eq!(net.best(1).len(), 100);
}

#[test]
fn routes_are_kept_while_a_peer_is_away_and_what_it_forgot_goes_when_it_is_back() {
    let mut net = Net::new(2);
    net.pair(0, 1);
    net.originate(0, 0..100);
    net.run(Duration::from_secs(5));
    net.away.insert(0);
    net.lose(0);
    net.nodes[0].speaker.ribs_mut().withdraw_origin(prefix(3));
    net.run(Duration::from_secs(20));
    assert_ne!(net.state(1, 0), State::Established);
    assert_eq!(net.best(1).len(), 100, "RFC 4724: stale and in use");
    net.away.clear();
    net.run(Duration::from_secs(60));
    assert_eq!(net.state(1, 0), State::Established);
    assert_eq!(net.best(1).len(), 99);
    assert_eq!(net.nodes[1].speaker.ribs().peer_counts(peer(0)).stale, 0);
}

#[test]
fn a_peer_that_stays_away_loses_its_routes_in_the_end() {
    let mut net = Net::new(2);
    net.pair(0, 1);
    net.originate(0, 0..100);
    net.run(Duration::from_secs(5));
    net.away.insert(0);
    net.lose(0);
    net.run(Duration::from_secs(600));
    assert_eq!(net.best(1).len(), 0);
}

#[test]
fn a_refresh_brings_everything_again_and_removes_nothing() {
    let mut net = Net::new(2);
    net.pair(0, 1);
    net.originate(0, 0..PREFIXES);
    net.run(Duration::from_secs(5));
    let now = net.now;
    net.nodes[1].speaker.command(now, peer(0), SessionInput::Refresh);
    let messages = |net: &Net| net.nodes[0].speaker.ribs().member_counts(peer(1)).messages;
    let before = messages(&net);
    net.run(Duration::from_secs(5));
    assert!(messages(&net) > before);
    assert_eq!(net.best(1).len(), usize::from(PREFIXES));
    assert_eq!(net.nodes[1].speaker.ribs().peer_counts(peer(0)).stale, 0);
}

/// Each of them has room for a megabyte.
#[test]
fn a_slice_writes_for_as_many_peers_as_it_has_time_for_and_each_gets_its_turn() {
    const LEAVES: usize = 6;
    let mut net = Net::new(LEAVES + 1);
    (1..=LEAVES).for_each(|leaf| net.pair(0, leaf));
    net.originate_large(0);
    net.run(Duration::from_secs(10));
    let written = |net: &Net| {
        let counts = |leaf| net.nodes[0].speaker.ribs().member_counts(peer(leaf)).messages;
        (1..=LEAVES).map(counts).collect::<Vec<u64>>()
    };
    let (now, first) = (net.now, written(&net));
    for leaf in 1..=LEAVES {
        net.nodes[0].speaker.ribs_mut().refresh(peer(leaf));
    }
    net.nodes[0].speaker.touch(now);
    let mut turns = 0;
    while written(&net).iter().zip(&first).any(|(after, before)| after == before) {
        assert!(net.nodes[0].speaker.next_deadline().is_some_and(|at| at <= now));
        let before: u64 = written(&net).iter().sum();
        net.nodes[0].speaker.work(now, &Open);
        let messages = usize::try_from(written(&net).iter().sum::<u64>() - before).unwrap();
        let octets = messages * LARGE_OCTETS;
        assert!(octets < WRITTEN_PER_SLICE_MAX + SEND_QUEUE_OCTETS_MAX, "{octets}");
        turns += 1;
    }
    assert!((2..=LEAVES).contains(&turns), "{turns}");
    net.carry(0);
    net.run(Duration::from_secs(5));
    let all = first.iter().map(|before| before + u64::from(LARGE)).collect::<Vec<_>>();
    assert_eq!(written(&net), all);
}

/// The kinds of the ROUTE-REFRESHes that a node has sent.
fn refreshes(net: &Net, node: usize) -> Vec<u8> {
    let mut kinds = Vec::new();
    for action in &net.nodes[node].told {
        let Action::Transport(Order::Send { octets, .. }) = action else { continue };
        let mut stream = octets.as_slice();
        while let Some(&[high, low, kind]) = stream.get(16..19) {
            // Address family, kind.
            kinds.extend(stream.get(21).copied().filter(|_| kind == 5));
            stream = &stream[usize::from(u16::from_be_bytes([high, low]))..];
        }
    }
    kinds
}

/// RFC 7313 §4: what was sent between a begin that is never ended and the next one would be stale.
#[test]
fn a_refresh_that_is_asked_for_again_ends_before_the_next_one_begins() {
    let mut net = Net::new(2);
    net.pair(0, 1);
    net.originate_large(0);
    net.run(Duration::from_secs(5));
    let now = net.now;
    let told = net.nodes[1].told.len();
    net.nodes[1].speaker.command(now, peer(0), SessionInput::Refresh);
    net.nodes[1].speaker.command(now, peer(0), SessionInput::Refresh);
    net.run(Duration::from_secs(5));
    let (begin, end) = (1, 2);
    assert_eq!(refreshes(&net, 0), [begin, end, begin, end]);
    let is_route = |action: &&Action| matches!(action, Action::Forward(Change::Route { .. }));
    assert_eq!(net.nodes[1].told[told..].iter().filter(is_route).count(), 0);
    let counts = net.nodes[1].speaker.ribs().peer_counts(peer(0));
    assert_eq!((counts.received, counts.stale), (u32::from(LARGE), 0));
}

/// RFC 4724 §4.1: the restarting speaker "MUST defer route selection for an address family until it
/// … receives the End-of-RIB marker from all its peers". Whoever heard End-of-RIB before would give
/// up what still comes.
#[test]
fn until_a_restart_is_over_peers_hear_of_what_a_router_originates_and_no_end() {
    let mut net = Net::new(3);
    net.nodes[1].speaker.begin_restart();
    net.pair(0, 1);
    net.pair(1, 2);
    net.originate(0, 0..PREFIXES);
    net.originate(1, 3000..3001);
    net.run(Duration::from_secs(5));
    let received = |net: &Net| net.nodes[2].speaker.ribs().peer_counts(peer(1)).received;
    let ends = |net: &Net, node: usize| {
        let is_end = |action: &&Action| matches!(action, Action::EndOfRib { .. });
        net.nodes[node].told.iter().filter(is_end).count()
    };
    assert_eq!((net.best(1).len(), received(&net)), (usize::from(PREFIXES), 1));
    assert_eq!((ends(&net, 1), ends(&net, 2)), (2, 0), "only the peers of the node have sent all");
    assert!(net.nodes[1].speaker.is_settled());
    let now = net.now;
    net.nodes[2].speaker.command(now, peer(1), SessionInput::Refresh);
    net.run(Duration::from_secs(5));
    assert_eq!((received(&net), refreshes(&net, 1).len()), (1, 0));
    let now = net.now;
    net.nodes[1].speaker.end_restart(now);
    net.run(Duration::from_secs(5));
    assert_eq!((received(&net), ends(&net, 2)), (u32::from(PREFIXES) + 1, 1));
    assert_eq!(refreshes(&net, 1), [1, 2]);
}

#[test]
fn a_restart_does_not_wait_for_those_that_have_restarted_as_well() {
    let mut net = Net::new(3);
    let (now, restarted) = (net.now, Start::Restarted { has_kept_forwarding: true });
    for (here, there, start) in
        [(0, 1, restarted), (1, 0, restarted), (1, 2, restarted), (2, 1, Start::Fresh)]
    {
        let speaker = &mut net.nodes[here].speaker;
        speaker.add_peer(now, peer(there), peer_settings(here, there), start);
    }
    assert!(net.nodes[1].speaker.is_awaited(peer(0)), "it has not come yet");
    net.run(Duration::from_secs(5));
    assert_eq!(net.state(1, 0), State::Established);
    let awaited = [0, 2].map(|node| net.nodes[1].speaker.is_awaited(peer(node)));
    assert_eq!(awaited, [false, true]);
}

#[test]
fn a_removed_peer_takes_its_routes_and_sockets_with_it() {
    let mut net = Net::new(2);
    net.pair(0, 1);
    net.originate(0, 0..100);
    net.run(Duration::from_secs(5));
    assert!(!net.nodes[1].ends.is_empty());
    let now = net.now;
    net.nodes[1].speaker.remove_peer(now, peer(0), Cease::PeerDeConfigured, &Open);
    net.nodes[1].told.clear();
    net.carry(1);
    let told = &net.nodes[1].told;
    let at = |wanted: fn(&Action) -> bool| told.iter().position(wanted);
    let notification = at(|action| {
        let Action::Transport(Order::Send { octets, .. }) = action else { return false };
        // NOTIFICATION, Cease, Hard Reset (RFC 8538 §3.1) for Peer De-configured (RFC 4486 §3).
        octets[18..] == [3, 6, 9, 6, 3]
    });
    let close = at(|action| matches!(action, Action::Transport(Order::Close { .. })));
    assert!(notification.is_some() && notification < close, "{told:?}");
    let is_said = |action: &Action| matches!(action, Action::Session { .. });
    assert!(told.iter().any(is_said), "{told:?}");
    net.run(Duration::from_secs(5));
    assert!(net.nodes[1].ends.is_empty());
    assert_eq!((net.best(1).len(), net.nodes[1].speaker.session(peer(0)).is_none()), (0, true));
}

#[test]
fn a_stranger_is_turned_away() {
    let mut net = Net::new(2);
    net.add(0, 1, peer_settings(0, 1));
    net.run(Duration::from_secs(60));
    assert_ne!(net.state(0, 1), State::Established);
    assert!(net.nodes[1].ends.is_empty());
    let closes = |action: &&Action| matches!(action, Action::Transport(Order::Close { .. }));
    assert!(net.nodes[1].told.iter().any(|action| closes(&action)));
}

#[test]
fn without_policies_nothing_goes_either_way() {
    let mut net = Net::new(2);
    net.add(0, 1, peer_settings(0, 1));
    net.add(1, 0, PeerSettings { import: None, ..peer_settings(1, 0) });
    net.originate(0, 0..10);
    net.run(Duration::from_secs(5));
    assert_eq!((net.state(1, 0), net.best(1).len()), (State::Established, 0));
    let mut net = Net::new(2);
    net.add(0, 1, PeerSettings { export: None, ..peer_settings(0, 1) });
    net.add(1, 0, peer_settings(1, 0));
    net.originate(0, 0..10);
    net.run(Duration::from_secs(5));
    assert_eq!((net.state(1, 0), net.best(1).len()), (State::Established, 0));
}

#[test]
fn credit_is_given_when_the_tables_have_caught_up() {
    let mut net = Net::new(2);
    net.pair(0, 1);
    net.originate(0, 0..PREFIXES);
    net.run(Duration::from_secs(5));
    let received = net.nodes[1]
        .told
        .iter()
        .filter(|action| matches!(action, Action::Transport(Order::Taken { .. })));
    assert!(received.count() > 2);
    assert!(net.nodes[1].speaker.taken.is_empty());
}
