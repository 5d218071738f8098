//! Claims about the whole control plane of one router; many routers are in `tests/sim`.

use super::action::Action;
use super::apply::StaticState;
use super::input::{AttachedPort, Input};
use super::plane::{ControlOptions, ControlPlane};
use crate::api::ShowQuery;
use crate::api::request::RouteFilter;
use crate::api::show::{RouteRow, ShowReply};
use crate::base::ids::{MacAddress, PortId};
use crate::base::machine::Machine;
use crate::base::route::PortRole;
use crate::base::time::Instant;
use crate::config::{self, Config, NoFiles, Overrides, PortDevice, PortSettings, Source};
use crate::fib::{Forwarding, NextHopGroup};
use core::net::Ipv6Addr;

const NOW: Instant = Instant::from_millis(1_000);
const BASE: &str =
    "[router]\nname = \"s07\"\n[cluster]\nula = \"fd4b:756d:696b::/48\"\nnumber = 7\n";

fn config(more: &str) -> Config {
    let text = format!("{BASE}{more}");
    let source = Source {
        origin: "test.toml",
        text: &text,
        overrides: &Overrides::default(),
        files: &NoFiles,
    };
    config::load(&source).expect("a right configuration")
}

fn port(number: u16, role: PortRole) -> AttachedPort {
    let name = format!("p{number}");
    let settings = PortSettings {
        device: PortDevice::AfPacket(name.clone()),
        name,
        role,
        address: None,
        mtu: 9000,
        cost: None,
        vlan: None,
        mac: None,
    };
    AttachedPort {
        port: PortId(number),
        settings,
        mac: MacAddress([2, 0, 0, 0, 0, u8::try_from(number).unwrap_or(0xff)]),
        mtu_max: 9000,
        speed_mbps: None,
        is_up: true,
    }
}

struct Bench {
    plane: ControlPlane,
    world: Option<Forwarding>,
    host: Option<(Vec<Ipv6Addr>, usize)>,
    frames: Vec<(PortId, Vec<u8>)>,
    events: Vec<String>,
}

impl Bench {
    fn new(more: &str) -> Self {
        let plane = ControlPlane::new(ControlOptions { seed: 1 });
        let (frames, events) = (Vec::new(), Vec::new());
        let mut bench = Self { plane, world: None, host: None, frames, events };
        bench.input(Input::Configure(Box::new(config(more))));
        bench
    }

    fn input(&mut self, input: Input) -> Vec<ShowReply> {
        self.plane.handle(NOW, input);
        let mut replies = Vec::new();
        while let Some(action) = self.plane.poll_action() {
            match action {
                Action::Publish(world) => self.world = Some(*world),
                Action::HostAddresses { addresses, prefixes } => {
                    self.host = Some((addresses, prefixes.len()));
                }
                Action::SendFrame { port, bytes } => self.frames.push((port, bytes)),
                Action::Event(event) => self.events.push(event.topic),
                Action::Reply { reply, .. } => replies.push(*reply),
                Action::Forward { .. } | Action::JoinMulticast { .. } => {}
            }
        }
        replies
    }

    fn attach(&mut self, attached: AttachedPort) {
        self.input(Input::PortAttached(Box::new(attached)));
    }

    fn routes(&mut self) -> Vec<RouteRow> {
        let query = ShowQuery::Route(RouteFilter::default());
        match self.input(Input::Query { id: 1, query }).pop() {
            Some(ShowReply::Route(rows)) => rows,
            other => unreachable!("an answer about routes: {other:?}"),
        }
    }

    fn group(&self, address: &str) -> NextHopGroup {
        let world = self.world.as_ref().expect("a world was published");
        let address: Ipv6Addr = address.parse().expect("an address");
        world.group(world.table.lookup(address.to_bits())).clone()
    }
}

const LAN: &str = "[[port]]\ndevice = \"af_packet:p1\"\nrole = \"lan\"\n";

#[test]
fn the_loopback_is_local_and_the_host_has_it() {
    let bench = Bench::new(LAN);
    assert_eq!(bench.group("fd4b:756d:696b::7"), NextHopGroup::Local);
    let loopback = "fd4b:756d:696b::7".parse().unwrap();
    assert_eq!(bench.host, Some((vec![loopback], 1)));
}

#[test]
fn the_first_lan_port_has_the_prefix_of_the_server() {
    let mut bench = Bench::new(LAN);
    bench.attach(port(1, PortRole::Lan));
    bench.attach(port(2, PortRole::Lan));
    assert_eq!(bench.group("fd4b:756d:696b:7::1"), NextHopGroup::Local);
    assert_eq!(bench.group("fd4b:756d:696b:7::99"), NextHopGroup::OnLink(PortId(1)));
    bench.input(Input::PortDetached(PortId(1)));
    assert_eq!(bench.group("fd4b:756d:696b:7::99"), NextHopGroup::OnLink(PortId(2)));
}

#[test]
fn a_port_without_carrier_has_no_connected_route() {
    let mut bench = Bench::new(LAN);
    bench.attach(port(1, PortRole::Lan));
    bench.input(Input::Carrier { port: PortId(1), is_up: false });
    assert_eq!(bench.group("fd4b:756d:696b:7::99"), NextHopGroup::Unreachable);
    assert_eq!(bench.events, ["port.carrier"]);
    bench.input(Input::Carrier { port: PortId(1), is_up: false });
    assert_eq!(bench.events.len(), 1, "nothing changed, nothing to say");
    bench.input(Input::Carrier { port: PortId(1), is_up: true });
    assert_eq!(bench.group("fd4b:756d:696b:7::99"), NextHopGroup::OnLink(PortId(1)));
}

#[test]
fn static_routes_wait_for_their_port_and_go_with_the_configuration() {
    let route = "[[route]]\nprefix = \"2001:db8::/32\"\nvia = \"fe80::1\"\nport = \"p1\"\n";
    let ports = "[[port]]\ndevice = \"af_packet:p1\"\nname = \"p1\"\nrole = \"lan\"\n";
    let mut bench = Bench::new(&format!("{ports}{route}"));
    let is_static = |row: &RouteRow| row.source == crate::base::route::RouteSource::Static;
    assert!(!bench.routes().iter().any(is_static), "p1 is not attached yet");
    bench.attach(port(1, PortRole::Lan));
    let row = bench.routes().into_iter().find(is_static).expect("a static route");
    assert_eq!((row.next_hops[0].port.as_str(), row.is_selected), ("p1", true));
    bench.input(Input::Configure(Box::new(config(ports))));
    assert!(!bench.routes().iter().any(is_static));
}

#[test]
fn static_routes_and_neighbors_follow_the_name_of_a_port() {
    let ports = "[[port]]\ndevice = \"af_packet:p1\"\nname = \"p1\"\nrole = \"lan\"\n\
                 [[port]]\ndevice = \"af_packet:p2\"\nname = \"p2\"\nrole = \"lan\"\n";
    let of = |number: u32| {
        format!(
            "[[route]]\nprefix = \"2001:db8:{number}::/48\"\nvia = \"fe80::1\"\n\
             port = \"p{number}\"\n[[neighbor]]\naddress = \"fe80::1\"\n\
             mac = \"02:00:00:00:01:0{number}\"\nport = \"p{number}\"\n"
        )
    };
    let mut bench = Bench::new(&format!("{ports}{}{}", of(1), of(2)));
    let statics = |bench: &mut Bench| -> Vec<_> {
        let is_static = |row: &RouteRow| row.source == crate::base::route::RouteSource::Static;
        let rows = bench.routes().into_iter().filter(is_static);
        rows.map(|row| {
            let hop = row.next_hops.into_iter().next().expect("a way");
            let mac = hop.mac.map(|mac| mac.to_string()).unwrap_or_default();
            (row.prefix.to_string(), format!("{} {mac}", hop.port))
        })
        .collect()
    };
    let pair = |prefix: &str, way: &str| (prefix.to_owned(), way.to_owned());
    let one = pair("2001:db8:1::/48", "p1 02:00:00:00:01:01");
    let two = pair("2001:db8:2::/48", "p2 02:00:00:00:01:02");
    bench.attach(port(1, PortRole::Lan));
    assert_eq!(statics(&mut bench), core::slice::from_ref(&one));
    // The port is called p2 from now on.
    let mut renamed = port(1, PortRole::Lan);
    renamed.settings.name = "p2".to_owned();
    bench.attach(renamed);
    assert_eq!(statics(&mut bench), core::slice::from_ref(&two));
    // Another one has the name that is free.
    let mut other = port(2, PortRole::Lan);
    other.settings.name = "p1".to_owned();
    bench.attach(other);
    assert_eq!(statics(&mut bench), [one.clone(), two]);
    bench.input(Input::PortDetached(PortId(1)));
    assert_eq!(statics(&mut bench), [one]);
}

#[test]
fn a_port_that_comes_or_goes_leaves_routes_of_others_alone() {
    let ports = "[[port]]\ndevice = \"af_packet:p1\"\nname = \"p1\"\nrole = \"lan\"\n";
    let route = "[[route]]\nprefix = \"2001:db8::/32\"\nvia = \"fe80::1\"\nport = \"p1\"\n";
    let mut bench = Bench::new(&format!("{ports}{route}"));
    bench.attach(port(1, PortRole::Lan));
    let mut other = port(2, PortRole::Fabric);
    other.settings.cost = Some(7);
    // Whoever looked at all routes again would find them not applied.
    bench.plane.statics = StaticState::default();
    bench.attach(port(2, PortRole::Fabric));
    bench.attach(other);
    bench.input(Input::PortDetached(PortId(2)));
    assert_eq!(bench.plane.statics, StaticState::default());
}

#[test]
fn a_block_whose_port_is_not_open_is_inactive() {
    let ports = "[[port]]\ndevice = \"af_packet:p1\"\nname = \"p1\"\nrole = \"lan\"\n\
                 [[port]]\nmatch = \"driver=*\"\nrole = \"fabric\"\n";
    let mut bench = Bench::new(ports);
    let inactive = |bench: &mut Bench| -> Vec<String> {
        match bench.input(Input::Query { id: 1, query: ShowQuery::Config }).pop() {
            Some(ShowReply::Config(row)) => row.inactive,
            other => unreachable!("an answer about the configuration: {other:?}"),
        }
    };
    assert_eq!(inactive(&mut bench), ["[[port]] 1: port p1 is not open"]);
    bench.attach(port(1, PortRole::Lan));
    assert!(inactive(&mut bench).is_empty());
}

#[test]
fn the_same_configuration_again_changes_nothing() {
    let mut bench = Bench::new(LAN);
    bench.attach(port(1, PortRole::Lan));
    bench.attach(port(2, PortRole::Fabric));
    bench.world = None;
    bench.frames.clear();
    bench.input(Input::Configure(Box::new(config(LAN))));
    bench.attach(port(2, PortRole::Fabric));
    assert!(bench.world.is_none() && bench.frames.is_empty(), "{:?}", bench.frames);
}

#[test]
fn frames_that_nobody_speaks_are_counted() {
    let mut bench = Bench::new(LAN);
    bench.input(Input::Frame { port: PortId(9), bytes: vec![0; 60] });
    bench.attach(port(1, PortRole::Lan));
    bench.input(Input::Frame { port: PortId(1), bytes: vec![0; 9] });
    bench.input(Input::Frame { port: PortId(1), bytes: vec![0; 60] });
    let counters = bench.plane.counters();
    assert_eq!((counters.frames_without_port, counters.frames_malformed), (1, 2));
}
