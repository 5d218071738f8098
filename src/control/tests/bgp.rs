//! BGP in whole control planes: two of them, with a TCP between them that never fails.

use super::*;
use crate::api::Event;
use crate::api::show::LsaRow;
use crate::api::show_bgp::{BgpPathRow, BgpSummaryRow};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate};
use crate::control::{Legacy, Plane};
use crate::proto::bfd;
use crate::proto::bgp::ribs::Route;
use crate::proto::bgp::transport::{BGP_PORT, Order, Report, SocketId};
use crate::wire::bgp::PathAttributes;
use core::net::SocketAddrV6;
use std::collections::BTreeMap;

mod clear;
mod dynamic;
mod feeds;
mod show;
mod watch;

const STEP: Duration = Duration::from_millis(10);

/// An edge of AS 64512 and one of AS 64513 on one link.
struct Edges {
    planes: [ControlPlane; 2],
    ports: Vec<AttachedPort>,
    worlds: [Option<Forwarding>; 2],
    now: Instant,
    /// The other end of each connection.
    ends: BTreeMap<(usize, SocketId), (usize, SocketId)>,
    accepted: u64,
    /// Connections to others than the edges, and what was sent on them.
    outside: BTreeMap<(usize, SocketId), (SocketAddrV6, Vec<u8>)>,
    replies: Vec<ShowReply>,
    /// Where the last answer goes on.
    rest: Option<Ipv6Prefix>,
    /// Orders for BFD, and from where.
    bfd: Vec<(usize, bfd::Order)>,
    events: Vec<(usize, Event)>,
    /// Listening orders of each edge.
    listens: [usize; 2],
}

fn config_of(number: usize, more: &str) -> Config {
    let (own, other) = (number + 1, 2 - number);
    let (asn, remote) = (64512 + number, 64513 - number);
    let text = format!(
        "[router]\nname = \"e{own}\"\n\n\
         [cluster]\nula = \"fd00:0:{own}::/48\"\nnumber = {own}\n\n\
         [[port]]\nname = \"up\"\ndevice = \"af_packet:up\"\nrole = \"uplink\"\n\
         address = \"2001:db8:f::{own}/64\"\n\n\
         [bgp]\nasn = {asn}\naggregates = [\"fd00:0:{own}::/48\"]\n\n\
         [[bgp.neighbor]]\naddress = \"2001:db8:f::{other}\"\nname = \"peer\"\nasn = {remote}\n\
         import = \"all\"\nexport = \"all\"\n\n\
         [[policy]]\nname = \"all\"\ndefault = \"accept\"\n\n\
         [[policy]]\nname = \"cheap\"\n\n\
         [[policy.clause]]\nset.med = 7\naction = \"accept\"\n\n{more}"
    );
    let source =
        Source { origin: "e.toml", text: &text, overrides: &Overrides::default(), files: &NoFiles };
    config::load(&source).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

impl Edges {
    fn new(more: &str) -> Self {
        let mut edges = Self {
            planes: [1, 2].map(|seed| ControlPlane::new(ControlOptions { seed })),
            ports: Vec::new(),
            worlds: [None, None],
            now: Instant::from_millis(1000),
            ends: BTreeMap::new(),
            accepted: 0,
            outside: BTreeMap::new(),
            replies: Vec::new(),
            rest: None,
            bfd: Vec::new(),
            events: Vec::new(),
            listens: [0, 0],
        };
        for place in 0..2 {
            let config = config_of(place, more);
            let settings = config.ports[0].clone();
            edges.tell(place, Input::Configure(Box::new(config)));
            let mac = MacAddress([2, 0, 0, 0, 0, u8::try_from(place).unwrap()]);
            let port = AttachedPort {
                port: PortId(1),
                settings,
                mac,
                mtu_max: 9216,
                speed_mbps: None,
                is_up: true,
            };
            edges.ports.push(port.clone());
            edges.tell(place, Input::PortAttached(Box::new(port)));
        }
        edges
    }

    fn tell(&mut self, place: usize, input: Input) {
        self.planes[place].handle(self.now, input);
        self.carry(place);
    }

    /// The control plane of an edge fails, and with it its connections; another one goes on.
    fn fail(&mut self, place: usize) {
        let old = &self.planes[place];
        let config = Box::new(old.config.clone());
        let mut testament = old.testament();
        testament.begin_grace(self.now, &config);
        let world = self.worlds[place].clone().unwrap();
        let legacy = Legacy::new(config, vec![self.ports[place].clone()], testament, &world);
        self.planes[place] = ControlPlane::new(ControlOptions { seed: 1 << 20 });
        let mine = |(near, _): &(usize, SocketId)| *near == place;
        let lost: Vec<_> = self.ends.extract_if(.., |near, _| mine(near)).collect();
        for (_, (other, socket)) in lost {
            self.ends.remove(&(other, socket));
            let report = Report::Closed { socket, failure: None };
            self.tell(other, Input::Bgp(Box::new(report)));
        }
        self.tell(place, Input::Inherit(Box::new(legacy)));
    }

    /// OSPF of an edge finds a part of its cluster, or loses it.
    fn reach(&mut self, place: usize, is_reached: bool) {
        let own = place + 1;
        let prefix = format!("fd00:0:{own}::9/128").parse().unwrap();
        let target = RouteTarget::Via(vec![RouteNextHop {
            port: PortId(1),
            address: "fe80::9".parse().unwrap(),
        }]);
        let route = is_reached.then(|| RouteBody::new(10, target));
        let update = RouteUpdate { prefix, source: RouteSource::Ospf, route };
        self.planes[place].rib.apply(update).unwrap();
    }

    /// An edge announces prefixes of its own.
    fn originate(&mut self, place: usize, count: u16) {
        let route = Route { next_hop: None, attributes: PathAttributes::default() };
        let (speaker, _) = self.planes[place].bgp.parts().unwrap();
        for number in 0..count {
            let address = core::net::Ipv6Addr::new(0x2001, 0xdb9, number, 0, 0, 0, 0, 0);
            let prefix = Ipv6Prefix::containing(address, 48);
            speaker.ribs_mut().originate(self.now, prefix, &route).unwrap();
        }
        speaker.touch(self.now);
    }

    fn carry(&mut self, place: usize) {
        while let Some(action) = self.planes[place].poll_action() {
            match action {
                Action::Bgp(order) => self.order(place, order),
                Action::Publish(world) => self.worlds[place] = Some(*world),
                Action::Reply { reply, rest, .. } => {
                    self.replies.push(*reply);
                    self.rest = rest;
                }
                Action::Bfd(order) => self.bfd.push((place, order)),
                Action::Event(event) => self.events.push((place, event)),
                _ => {}
            }
        }
    }

    fn order(&mut self, place: usize, order: Order) {
        let other = 1 - place;
        let address = |place: usize| -> SocketAddrV6 {
            let text = format!("[2001:db8:f::{}]:{BGP_PORT}", place + 1);
            text.parse().unwrap()
        };
        let report = |edges: &mut Self, place: usize, report| {
            edges.planes[place].handle(edges.now, Input::Bgp(Box::new(report)));
        };
        match order {
            Order::Listen(_) => self.listens[place] += 1,
            Order::Taken { .. } => {}
            Order::Connect { socket, remote, .. } if remote.port() != BGP_PORT => {
                self.outside.insert((place, socket), (remote, Vec::new()));
            }
            Order::Connect { socket, .. } => {
                let peer = SocketId::incoming(self.accepted);
                self.accepted += 1;
                self.ends.insert((place, socket), (other, peer));
                self.ends.insert((other, peer), (place, socket));
                let (local, remote) = (address(place), address(other));
                report(self, place, Report::Connected { socket, local });
                let accepted = Report::Accepted { socket: peer, local: remote, remote: local };
                report(self, other, accepted);
            }
            Order::Send { socket, octets } => {
                let count = u32::try_from(octets.len()).unwrap();
                if let Some((_, sent)) = self.outside.get_mut(&(place, socket)) {
                    sent.extend(octets);
                    return;
                }
                report(self, place, Report::Sent { socket, count });
                if let Some((other, socket)) = self.ends.get(&(place, socket)).copied() {
                    report(self, other, Report::Received { socket, octets });
                }
            }
            Order::Close { socket } => {
                self.outside.remove(&(place, socket));
                if let Some((other, peer)) = self.ends.remove(&(place, socket))
                    && self.ends.remove(&(other, peer)).is_some()
                {
                    report(self, other, Report::Closed { socket: peer, failure: None });
                }
            }
        }
        self.carry(other);
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            for place in 0..2 {
                if self.planes[place].next_deadline().is_some_and(|at| at <= self.now) {
                    self.planes[place].handle_timeout(self.now);
                    self.carry(place);
                }
                self.tell(place, Input::Flush);
            }
            self.now += STEP;
        }
    }

    fn ask(&mut self, place: usize, query: ShowQuery) -> ShowReply {
        self.tell(place, Input::Query { id: 1, query, after: None });
        self.replies.pop().unwrap()
    }

    /// Another configuration for an edge.
    fn configure(&mut self, place: usize, config: Config) {
        self.tell(place, Input::Configure(Box::new(config)));
    }

    /// What was said on a topic since it was asked last.
    fn said(&mut self, place: usize, topic: &str) -> Vec<String> {
        let all = core::mem::take(&mut self.events).into_iter();
        let (said, rest): (Vec<_>, Vec<_>) =
            all.partition(|(other, event)| *other == place && event.topic == topic);
        self.events = rest;
        said.into_iter().map(|(_, event)| event.text).collect()
    }

    fn summary(&mut self, place: usize) -> BgpSummaryRow {
        match self.ask(place, ShowQuery::Bgp) {
            ShowReply::Bgp(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn paths(&mut self, place: usize) -> Vec<BgpPathRow> {
        match self.ask(place, ShowQuery::BgpRoute(RouteFilter::default())) {
            ShowReply::BgpRoute(rows) => rows,
            other => panic!("{other:?}"),
        }
    }

    fn group(&self, place: usize, to: &str) -> NextHopGroup {
        let world = self.worlds[place].as_ref().unwrap();
        let to: Ipv6Addr = to.parse().unwrap();
        world.group(world.table.lookup(to.to_bits())).clone()
    }

    /// Link State IDs of what the edge announces from outside its cluster.
    fn externals(&mut self, place: usize) -> Vec<u32> {
        match self.ask(place, ShowQuery::OspfDatabase) {
            ShowReply::OspfDatabase(rows) => {
                let alive = |row: &&LsaRow| row.kind.contains("external") && row.age_s < 3600;
                rows.iter().filter(alive).map(|row| row.id).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

const SOON: Duration = Duration::from_secs(20);

#[test]
fn an_aggregate_is_announced_while_the_cluster_is_reached_and_packets_follow_it() {
    let mut edges = Edges::new("");
    edges.run(SOON);
    assert_eq!(edges.summary(0).neighbors[0].state, "Established");
    assert!(edges.summary(0).aggregates.is_empty() && edges.paths(1).is_empty());
    edges.reach(0, true);
    edges.run(Duration::from_secs(1));
    let paths = edges.paths(1);
    let row = (&*paths[0].prefix.to_string(), &*paths[0].as_path, &*paths[0].from);
    assert_eq!((paths.len(), row), (1, ("fd00:0:1::/48", "64512", "peer")));
    assert!(matches!(edges.group(1, "fd00:0:1::5"), NextHopGroup::Forward { .. }));
    // Here only what is reached is forwarded.
    assert!(matches!(edges.group(0, "fd00:0:1::5"), NextHopGroup::Unreachable));
    edges.reach(0, false);
    edges.run(Duration::from_secs(1));
    assert!(edges.paths(1).is_empty());
    assert!(matches!(edges.group(1, "fd00:0:1::5"), NextHopGroup::Unreachable));
}

#[test]
fn packets_find_the_exit_at_every_moment_of_a_restart() {
    let mut edges = Edges::new("");
    edges.reach(0, true);
    edges.run(SOON);
    let is_forwarded =
        |edges: &Edges| matches!(edges.group(1, "fd00:0:1::5"), NextHopGroup::Forward { .. });
    assert!(is_forwarded(&edges));
    edges.fail(1);
    for _ in 0..2000 {
        edges.run(STEP);
        assert!(is_forwarded(&edges), "{:?}", edges.now);
    }
    assert_eq!(edges.summary(1).neighbors[0].state, "Established");
    assert_eq!(edges.paths(1).len(), 1);
    let rows = match edges.ask(1, ShowQuery::Route(RouteFilter::default())) {
        ShowReply::Route(rows) => rows,
        other => panic!("{other:?}"),
    };
    assert!(rows.iter().all(|row| row.source != RouteSource::Inherited), "{rows:?}");
}

#[test]
fn a_neighbor_that_makes_room_for_another_is_told_so_and_named_so() {
    let mut edges = Edges::new("");
    edges.run(SOON);
    let mut config = config_of(0, "");
    let neighbor = &mut config.bgp.as_mut().unwrap().neighbors[0];
    neighbor.address = Some("2001:db8:f::77".parse().unwrap());
    neighbor.name = Some("other".to_owned());
    edges.said(0, "bgp.session");
    edges.configure(0, config);
    let said = edges.said(0, "bgp.session");
    assert!(said.iter().any(|text| text.starts_with("BGP with peer: Established")), "{said:?}");
    let row = &edges.summary(1).neighbors[0];
    assert!(
        row.last_down.as_deref().is_some_and(|why| why.contains("hard reset: peer de-configured")),
        "{row:?}"
    );
}

#[test]
fn packets_find_the_exit_while_both_ends_restart() {
    let mut edges = Edges::new("");
    edges.reach(0, true);
    edges.run(SOON);
    edges.fail(0);
    edges.fail(1);
    edges.reach(0, true);
    for _ in 0..2000 {
        edges.run(STEP);
        let is_known = matches!(edges.group(1, "fd00:0:1::5"), NextHopGroup::Forward { .. });
        assert!(is_known, "{:?}", edges.now);
    }
    assert_eq!(edges.paths(1).len(), 1);
    assert!(edges.paths(1).iter().all(|path| !path.is_stale));
}

#[test]
fn the_aggregate_is_announced_at_every_moment_of_a_restart() {
    let mut edges = Edges::new("");
    edges.reach(0, true);
    edges.run(SOON);
    edges.fail(0);
    // OSPF of the new control plane finds what it had found before.
    edges.reach(0, true);
    for _ in 0..2000 {
        edges.run(STEP);
        let is_known = matches!(edges.group(1, "fd00:0:1::5"), NextHopGroup::Forward { .. });
        assert!(is_known, "{:?}", edges.now);
    }
    assert_eq!(edges.summary(0).aggregates.len(), 1);
    assert!(edges.paths(1).iter().all(|path| !path.is_stale));
}

#[test]
fn what_the_policy_lets_through_goes_into_ospf_and_leaves_with_its_exit() {
    let mut edges = Edges::new("[ospf.redistribute]\npolicy = \"cheap\"\n");
    edges.reach(0, true);
    edges.reach(1, true);
    edges.run(SOON);
    assert_eq!(edges.paths(1).len(), 2);
    assert_eq!((edges.externals(1).len(), edges.summary(1).redistributed_count), (1, 1));
    edges.tell(0, Input::Shutdown);
    edges.run(Duration::from_secs(1));
    assert_eq!((edges.externals(1).len(), edges.summary(1).redistributed_count), (0, 0));
    let row = &edges.summary(1).neighbors[0];
    assert!(row.last_down.as_deref().is_some_and(|why| why.contains("the router ends")), "{row:?}");
}

#[test]
fn a_route_that_comes_and_goes_waits_before_ospf_hears_of_it_again() {
    let mut edges = Edges::new("[ospf.redistribute]\npolicy = \"cheap\"\n");
    edges.reach(0, true);
    edges.run(SOON);
    let routes = |edges: &mut Edges| {
        let summary = edges.summary(1);
        assert_eq!(edges.externals(1).len() as u64, summary.redistributed_count);
        (summary.redistributed_count, summary.damped_count)
    };
    let come_and_go = |edges: &mut Edges| {
        edges.reach(0, false);
        edges.run(Duration::from_millis(200));
        assert_eq!(routes(edges), (0, 0), "gone at once");
        edges.reach(0, true);
        edges.run(Duration::from_millis(300));
        routes(edges)
    };
    assert_eq!(come_and_go(&mut edges), (1, 0), "the first return is free");
    assert_eq!(come_and_go(&mut edges), (0, 1));
    edges.run(Duration::from_secs(1));
    assert_eq!(routes(&mut edges), (1, 0));
    assert_eq!(come_and_go(&mut edges), (0, 1));
    edges.run(Duration::from_secs(1));
    assert_eq!(routes(&mut edges), (0, 1), "twice as long");
    edges.run(Duration::from_secs(1));
    assert_eq!(routes(&mut edges), (1, 0));
}

#[test]
fn a_speaker_that_ends_takes_every_route_with_it() {
    // More than one slice of work decides.
    const COUNT: u16 = 3000;
    type Change = fn(&mut Config);
    let without: Change = |config| config.bgp = None;
    let as_another: Change = |config| config.bgp.as_mut().unwrap().asn = 64999;
    for change in [without, as_another] {
        let mut edges = Edges::new("");
        edges.run(SOON);
        let of_bgp = |edges: &Edges| {
            let routes = edges.planes[1].rib.routes();
            routes.filter(|route| route.source == RouteSource::Ebgp).count()
        };
        let before = edges.planes[1].rib.number_counts();
        edges.originate(0, COUNT);
        edges.run(SOON);
        assert_eq!(of_bgp(&edges), usize::from(COUNT));
        let mut config = config_of(1, "");
        change(&mut config);
        edges.tell(1, Input::Configure(Box::new(config)));
        edges.run(STEP);
        let told = edges.summary(0).neighbors[0].last_down.clone();
        assert!(told.as_ref().is_some_and(|why| why.contains("de-configured")), "{told:?}");
        edges.run(SOON);
        assert_eq!(of_bgp(&edges), 0);
        edges.planes[1].rib.reclaimed(u64::MAX);
        assert_eq!(edges.planes[1].rib.number_counts(), before);
    }
}
