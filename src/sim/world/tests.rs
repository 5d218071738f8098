//! Worlds of small control planes: what a world does itself, and what the judges see.

use super::*;
use crate::api::{Event as Said, Severity};
use crate::base::ids::{GroupId, MacAddress, NextHopId};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::config::addressing;
use crate::control::recording::{Line, Recorded};
use crate::control::{Action, AttachedPort, ControlOptions, Plane, Testament};
use crate::fib::{
    Adjacency, Fib, Forwarding, GroupTable, Interface, InterfaceTable, Liveness, NextHop,
    NextHopGroup,
};
use crate::planner::families::TopologySpec;
use crate::sim::checkers::{self, VIOLATIONS_MAX, Violation};
use crate::sim::link::{LinkCounts, Quality};
use crate::sim::plan::ULA;
use crate::sim::replay::replay;
use crate::wire::ethernet::{EthernetHeader, EthernetView};
use crate::wire::ipv6::{ALL_SPF_ROUTERS, Ipv6Header, NEXT_OSPF};
use std::sync::Arc;

/// Says hello once a second on every port. Sends what is for a router it heard straight to it, or,
/// where `IS_WRONG`, everything to the first router it heard.
struct Beacon<const IS_WRONG: bool = true> {
    number: u16,
    ports: Vec<AttachedPort>,
    heard: BTreeMap<PortId, MacAddress>,
    prng: Prng,
    next: Instant,
    actions: VecDeque<Action>,
    epoch: u64,
}

impl<const IS_WRONG: bool> Beacon<IS_WRONG> {
    fn publish(&mut self) {
        let mut interfaces = InterfaceTable::default();
        for AttachedPort { port, settings, mac, mtu_max, .. } in &self.ports {
            interfaces.set(Interface {
                port: *port,
                role: settings.role,
                mac: *mac,
                vlan: None,
                mtu: *mtu_max,
                repair_mtu: *mtu_max,
                link_local: mac.link_local(),
                icmp_source: mac.link_local(),
                is_up: true,
                link_peers: Vec::new(),
            });
        }
        let mut world = Forwarding::empty(Arc::new(Liveness::new(8)));
        let next_hop = |(port, peer): (&PortId, &MacAddress)| {
            let own = self.ports.iter().find(|own| own.port == *port).map(|own| own.mac);
            let adjacency = own.map(|own| Adjacency::ipv6(*peer, own));
            let address = peer.link_local();
            NextHop { port: *port, address, adjacency, encapsulation: None }
        };
        world.next_hops = Arc::new(self.heard.iter().map(next_hop).collect());
        let lan = PortId(u16::try_from(self.ports.len() - 1).unwrap());
        let mut groups =
            vec![NextHopGroup::Unreachable, NextHopGroup::Local, NextHopGroup::OnLink(lan)];
        let members = (0..self.heard.len()).map(|index| NextHopId(u16::try_from(index).unwrap()));
        groups.extend(members.map(|member| NextHopGroup::forward(vec![member])));
        world.groups = Arc::new(GroupTable::new(groups));
        let mut table = Fib::default();
        let routes: Vec<_> =
            self.routes().iter().map(|(prefix, group)| (*prefix, Some(GroupId(*group)))).collect();
        table.apply(&routes);
        world.table = table;
        self.epoch += 1;
        world.epoch = self.epoch;
        world.interfaces = Arc::new(interfaces);
        self.actions.push_back(Action::Publish(Box::new(world)));
    }

    /// Prefix and group: 1 for its own addresses, 2 for its LAN, from 3 on for those it heard.
    fn routes(&self) -> Vec<(Ipv6Prefix, u16)> {
        if IS_WRONG {
            return self.heard.iter().take(1).map(|_| (Ipv6Prefix::DEFAULT, 3)).collect();
        }
        let own =
            [addressing::loopback(ULA, self.number), addressing::lan_address(ULA, self.number)];
        let mut routes = own.map(|address| (Ipv6Prefix::host(address), 1)).to_vec();
        routes.push((addressing::lan_prefix(ULA, self.number), 2));
        for (group, MacAddress([_, _, _, _, router, _])) in (3..).zip(self.heard.values()) {
            let number = u16::from(*router) + 1;
            routes.push((Ipv6Prefix::host(addressing::loopback(ULA, number)), group));
            routes.push((addressing::lan_prefix(ULA, number), group));
        }
        routes
    }

    fn hello(&mut self) {
        for port in &self.ports {
            let mut writer = crate::base::cursor::Writer::default();
            let group = MacAddress::for_multicast(ALL_SPF_ROUTERS);
            EthernetHeader::ipv6(group, port.mac).encode(&mut writer);
            let header = Ipv6Header {
                traffic_class: 0,
                flow_label: 0,
                payload_length: 2,
                next_header: NEXT_OSPF,
                hop_limit: 1,
                source: port.mac.link_local(),
                destination: ALL_SPF_ROUTERS,
            };
            header.encode(&mut writer);
            writer.put(&[3, 1]);
            let bytes = writer.into_vec();
            self.actions.push_back(Action::SendFrame { port: port.port, bytes });
        }
    }
}

impl<const IS_WRONG: bool> Machine for Beacon<IS_WRONG> {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Configure(config) => {
                self.number = config.cluster.map_or(0, |cluster| cluster.number);
                self.next = now + Duration::from_millis(self.prng.below(1000));
            }
            Input::PortAttached(port) => {
                self.ports.push(*port);
                self.publish();
            }
            Input::Frame { port, bytes } => {
                let source = EthernetView::new(&bytes).map(|frame| frame.source()).unwrap();
                if self.heard.insert(port, source) != Some(source) {
                    self.publish();
                }
            }
            Input::Carrier { port, is_up } => self.actions.push_back(Action::Event(Said {
                at: now,
                severity: Severity::Info,
                topic: "port.carrier".to_owned(),
                text: format!("{port} {is_up}"),
                fields: Vec::new(),
            })),
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next {
            self.next = now + Duration::from_secs(1);
            self.hello();
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}

impl<const IS_WRONG: bool> Plane for Beacon<IS_WRONG> {
    fn start(options: ControlOptions) -> Self {
        Self {
            number: 0,
            ports: Vec::new(),
            heard: BTreeMap::new(),
            prng: Prng::new(options.seed),
            next: Instant::MAX,
            actions: VecDeque::new(),
            epoch: 0,
        }
    }

    fn testament(&self) -> Testament {
        Testament::default()
    }

    fn full_count(&self) -> usize {
        0
    }

    fn is_dirty(&self) -> bool {
        false
    }

    fn calculation_count(&self) -> u64 {
        0
    }
}

impl<const IS_WRONG: bool> Control for Beacon<IS_WRONG> {
    fn area_digest(&self) -> u64 {
        7
    }

    fn debts(&self) -> u64 {
        0
    }

    fn refusals(&self) -> u64 {
        0
    }

    fn is_restarting(&self) -> bool {
        false
    }
}

fn ring(count: usize, seed: u64) -> WorldSetup {
    let spec: TopologySpec = "ring".parse().unwrap();
    WorldSetup::new(spec.build(Some(count)).unwrap(), seed)
}

fn world(seed: u64) -> World<Beacon> {
    World::new(ring(4, seed))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn total(world: &World<Beacon>) -> LinkCounts {
    world.links().iter().fold(LinkCounts::default(), |mut sum, link| {
        sum.add(&link.counts);
        sum
    })
}

fn heard(world: &World<Beacon>, router: usize) -> usize {
    world.node(router).map_or(0, |node| node.control().heard.len())
}

#[test]
fn one_seed_is_one_run() {
    let run = |seed| {
        let mut world: World<Beacon> =
            World::new(WorldSetup { quality: Quality::BAD, ..ring(4, seed) });
        world.run_for(seconds(20));
        world.trace().digest()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn every_router_starts_and_hears_its_neighbours() {
    let mut world = world(3);
    world.run_for(seconds(5));
    assert!((0..4).all(|router| heard(&world, router) == 2));
    assert_eq!(checkers::conservation(&world), []);
    let sent = total(&world).sent;
    assert!(sent >= 4 * 2 * 2 && world.lan_frames() == sent / 2);
    assert_eq!(world.traffic().of(FrameKind::Hello), sent);
}

#[test]
fn a_cut_is_told_to_both_ends_and_its_heal_too() {
    let mut world = world(4);
    world.run_for(seconds(5));
    let link = world.link_between(1, 0).unwrap();
    world.apply(Fault::Cut { link });
    world.run_for(seconds(2));
    world.apply(Fault::Heal { link });
    world.run_for(seconds(2));
    let mut told: Vec<(usize, &str)> =
        world.sayings().map(|saying| (saying.router, saying.text.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [(0, "0 false"), (0, "0 true"), (1, "0 false"), (1, "0 true")]);
    assert!(total(&world).lost_cut >= 2);
    assert_eq!(checkers::conservation(&world), []);
}

#[test]
fn a_silent_cut_is_told_to_nobody() {
    let mut world = world(5);
    world.run_for(seconds(5));
    world.apply(Fault::Silence { link: 0, direction: Some(Direction::Back) });
    world.run_for(seconds(3));
    assert_eq!(world.sayings().count(), 0);
    let lost = total(&world).lost_silent;
    assert!((2..=4).contains(&lost), "only one direction is silent: {lost}");
    assert!(!world.links()[0].is_usable());
}

#[test]
fn frames_of_an_earlier_life_of_a_link_never_arrive() {
    let latency = seconds(1);
    let quality = Quality { latency, ..Quality::GOOD };
    let mut world: World<Beacon> = World::new(WorldSetup { quality, ..ring(3, 6) });
    world.run_for(seconds(4));
    let flying = world.flying().iter().sum::<i64>().cast_unsigned();
    assert!(flying > 0);
    for link in 0..3 {
        world.apply(Fault::Cut { link });
        world.apply(Fault::Heal { link });
    }
    let before = total(&world).delivered;
    world.run_for(Duration::from_millis(999));
    assert_eq!((total(&world).lost_cut, total(&world).delivered), (flying, before));
    assert_eq!(checkers::conservation(&world), []);
}

#[test]
fn a_dead_router_hears_nothing_and_starts_anew() {
    for (death, sayings) in [(Death::Process, 0), (Death::Power, 4)] {
        let mut world = world(7);
        world.run_for(seconds(5));
        world.apply(Fault::Kill { router: 2, death });
        world.run_for(seconds(2));
        assert!(world.node(2).is_none() && total(&world).lost_dead >= 2);
        world.apply(Fault::Restart { router: 2 });
        assert_eq!(heard(&world, 2), 0);
        world.run_for(seconds(2));
        assert_eq!((heard(&world, 2), world.sayings().count()), (2, sayings), "{death:?}");
        assert_eq!(checkers::conservation(&world), []);
    }
}

#[test]
fn scheduled_faults_happen_in_their_time() {
    let mut world = world(8);
    world.schedule(Instant::from_millis(3000), Fault::Cut { link: 1 });
    world.run_until(Instant::from_millis(2999));
    assert!(world.links()[1].is_usable());
    world.run_until(Instant::from_millis(3000));
    assert!(world.links()[1].is_cut());
    let ways: Vec<usize> = world.map().first_hops(0, 3).iter().map(|hop| hop.to).collect();
    assert_eq!(ways, [1], "the cable from 0 to 3 is gone");
}

#[test]
fn the_judges_see_loops_black_holes_and_wrong_answers() {
    let mut world = world(9);
    let map = world.map();
    assert!(map.hops().is_empty(), "nobody runs yet");
    world.run_for(seconds(5));
    let map = world.map();
    // Every router sends everything to the neighbour on its first port: 0 and 1 to each other.
    let answers = checkers::answers(&world, &map, VIOLATIONS_MAX);
    let walks = checkers::walks(&world, &map);
    assert!(answers.iter().any(|found| matches!(found, Violation::WrongAnswer { router: 2, .. })));
    assert!(walks.iter().any(|found| matches!(found, Violation::Loop { .. })));
    assert_eq!(checkers::databases(&world, &map), []);
    world.apply(Fault::Kill { router: 0, death: Death::Power });
    world.run_for(seconds(1));
    let walks = checkers::walks(&world, &world.map());
    let hole = |found: &Violation| matches!(found, Violation::BlackHole { .. });
    assert!(walks.iter().any(hole), "{walks:?}");
    let missing = checkers::ping_all(&mut world, seconds(1));
    assert!(missing.iter().any(|found| matches!(found, Violation::NoReply { .. })));
    assert_eq!(checkers::conservation(&world), [], "looping packets die counted");
    assert!(checkers::converge(&mut world, seconds(1)).is_err());
}

#[test]
fn the_judges_find_nothing_where_all_is_right() {
    let mut world: World<Beacon<false>> = World::new(ring(3, 11));
    let took = checkers::converge(&mut world, seconds(5)).unwrap();
    assert!(took > Duration::ZERO, "right before anybody ran");
    assert_eq!(checkers::ping_all(&mut world, seconds(1)), []);
    assert_eq!(checkers::check(&world), []);
    // Nobody finds a way round, and the judges know that there is one.
    world.apply(Fault::Silence { link: 0, direction: None });
    let found = checkers::check(&world);
    let is_wrong =
        |found: &Violation| matches!(found, Violation::WrongAnswer { router: 0 | 1, .. });
    assert!(!found.is_empty() && found.iter().all(is_wrong), "{found:?}");
    let missing = checkers::ping_all(&mut world, seconds(1));
    let pair = |from, to| Violation::NoReply { from, to };
    assert_eq!(missing, [pair(0, 1), pair(1, 0)]);
}

#[test]
fn a_recording_runs_again_the_same_way() {
    let mut world: World<Recorded<Beacon, Vec<Line>>> = World::new(ring(3, 10));
    world.run_for(seconds(10));
    for router in 0..3 {
        let lines = world.node(router).unwrap().control().sink();
        let replayed = replay::<Beacon>(lines).unwrap();
        assert!(replayed.steps > 20 && replayed.actions > 10 && replayed.survived == 0);
        let is_frame = |line: &Line| matches!(line, Line::Input { input: Input::Frame { .. }, .. });
        let mut others = lines.clone();
        others.remove(others.iter().position(is_frame).unwrap());
        assert!(replay::<Beacon>(&others).is_err(), "what was heard is missing");
    }
}
