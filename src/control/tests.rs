//! Claims about the whole control plane of one router; many routers are in `tests/sim`.

use super::action::Action;
use super::apply::StaticState;
use super::frame::{self, Punted};
use super::input::{AttachedPort, Input};
use super::plane::{ControlOptions, ControlPlane};
use crate::api::ShowQuery;
use crate::api::request::RouteFilter;
use crate::api::show::{RouteRow, ShowReply};
use crate::base::ids::{MacAddress, PortId, RouterId};
use crate::base::machine::Machine;
use crate::base::route::PortRole;
use crate::base::time::{Duration, Instant};
use crate::config::{self, Config, NoFiles, Overrides, PortDevice, PortSettings, Source};
use crate::fib::{Forwarding, NextHopGroup};
use crate::wire::ipv6::ALL_SPF_ROUTERS;
use crate::wire::nd::{NdMessage, NdOption, NdPacket, NeighborAdvertisement, NeighborSolicitation};
use crate::wire::ospf::{Hello, Options, Packet, PacketBody};
use core::net::Ipv6Addr;

const NOW: Instant = Instant::from_millis(1_000);
/// Longer than the probe for duplicates of an own address takes.
const DAD: Duration = Duration::from_secs(4);
const BASE: &str =
    "[router]\nname = \"s07\"\n[cluster]\nula = \"fd4b:756d:696b::/48\"\nnumber = 7\n";

fn config(more: &str) -> Config {
    let text = format!("{BASE}{more}");
    let source = Source {
        origin: "test.toml",
        text: &text,
        overrides: &Overrides::default(),
        files: &|_: &str| Ok("a secret of enough octets".to_owned()),
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
        bfd: crate::config::PortBfd::default(),
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

mod bfd;
mod bgp;
mod inherit;
mod links;
mod pages;
mod self_check;
mod tenants;

struct Bench {
    plane: ControlPlane,
    world: Option<Forwarding>,
    publications: usize,
    host: Option<(Vec<Ipv6Addr>, usize)>,
    frames: Vec<(PortId, Vec<u8>)>,
    forwarded: Vec<Vec<u8>>,
    events: Vec<String>,
    orders: Vec<crate::proto::bfd::Order>,
    links: Vec<super::HostLink>,
    bgp: Vec<super::bgp_transport::Order>,
    flushed: Vec<crate::base::ids::MemberId>,
    /// How often time passed for reviews of tenants.
    settled: u64,
}

impl Bench {
    /// A control plane that knows nothing.
    fn blank() -> Self {
        let plane = ControlPlane::new(ControlOptions { seed: 1 });
        Self {
            plane,
            world: None,
            publications: 0,
            host: None,
            frames: Vec::new(),
            forwarded: Vec::new(),
            events: Vec::new(),
            orders: Vec::new(),
            links: Vec::new(),
            bgp: Vec::new(),
            flushed: Vec::new(),
            settled: 0,
        }
    }

    fn new(more: &str) -> Self {
        let mut bench = Self::blank();
        bench.input(Input::Configure(Box::new(config(more))));
        bench
    }

    /// One input, then the end of its slice.
    fn input(&mut self, input: Input) -> Vec<ShowReply> {
        self.slice([input])
    }

    fn slice(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<ShowReply> {
        inputs.into_iter().for_each(|input| self.plane.handle(NOW, input));
        self.drain()
    }

    /// The end of a slice.
    fn drain(&mut self) -> Vec<ShowReply> {
        self.plane.handle(NOW, Input::Flush);
        let mut replies = Vec::new();
        while let Some(action) = self.plane.poll_action() {
            match action {
                Action::Publish(world) => {
                    self.publications += 1;
                    self.world = Some(*world);
                }
                Action::HostAddresses { addresses, prefixes } => {
                    self.host = Some((addresses, prefixes.len()));
                }
                Action::SendFrame { port, bytes } => self.frames.push((port, bytes)),
                Action::Event(event) => self.events.push(event.topic),
                Action::Reply { reply, .. } => replies.push(*reply),
                Action::Forward { packet } => self.forwarded.push(packet),
                Action::Bfd(order) => self.orders.push(order),
                Action::HostLinks(links) => self.links = links,
                Action::Bgp(order) => self.bgp.push(order),
                Action::FlushMacs(member) => self.flushed.push(member),
                Action::JoinMulticast { .. } => {}
            }
        }
        replies
    }

    fn attach(&mut self, attached: AttachedPort) {
        self.input(Input::PortAttached(Box::new(attached)));
    }

    fn routes(&mut self) -> Vec<RouteRow> {
        let query = ShowQuery::Route(RouteFilter::default());
        match self.input(Input::Query { id: 1, query, after: None }).pop() {
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
fn the_prefix_of_the_server_follows_the_configuration_and_not_the_port_number() {
    let block = |n| format!("[[port]]\ndevice = \"af_packet:p{n}\"\nrole = \"lan\"\n");
    let mut bench = Bench::new(&(block(3) + &block(2)));
    bench.attach(port(2, PortRole::Lan));
    bench.attach(port(3, PortRole::Lan));
    let lan = "fd4b:756d:696b:7::99";
    assert_eq!(bench.group(lan), NextHopGroup::OnLink(PortId(3)), "p3 stands first");
    // Its device was opened again.
    bench.input(Input::PortDetached(PortId(3)));
    let mut again = port(3, PortRole::Lan);
    again.port = PortId(9);
    bench.attach(again);
    assert_eq!(bench.group(lan), NextHopGroup::OnLink(PortId(9)));
    bench.input(Input::Configure(Box::new(config(&(block(2) + &block(3))))));
    assert_eq!(bench.group(lan), NextHopGroup::OnLink(PortId(2)));
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
        match bench.input(Input::Query { id: 1, query: ShowQuery::Config, after: None }).pop() {
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

/// A solicitation for the router's address on the LAN, from guest `number`, in a frame.
fn solicitation(number: u16) -> Input {
    let mac = MacAddress([2, 0, 1, 0, 0, 0]);
    let target: Ipv6Addr = "fd4b:756d:696b:7::1".parse().expect("an address");
    let source = Ipv6Addr::from_bits(target.to_bits() | 0x1_0000 | u128::from(number));
    let destination = crate::wire::ipv6::solicited_node(target);
    let options = vec![NdOption::SourceLinkLayer(mac)];
    let message = NdMessage::NeighborSolicitation(NeighborSolicitation { target, options });
    let packet = NdPacket { source, destination, message }.encode();
    let bytes = super::frame::in_frame(MacAddress::for_multicast(destination), mac, &packet);
    Input::Frame { port: PortId(1), bytes }
}

/// A bench whose LAN address is established.
fn lan_bench() -> Bench {
    let mut bench = Bench::new(LAN);
    bench.attach(port(1, PortRole::Lan));
    while let Some(due) = bench.plane.next_deadline().filter(|due| *due < NOW + DAD) {
        bench.plane.handle_timeout(due);
    }
    bench.slice([]);
    bench
}

#[test]
fn a_port_that_is_detached_says_farewell() {
    let mut bench = Bench::new(LAN);
    bench.attach(port(2, PortRole::Fabric));
    bench.frames.clear();
    bench.input(Input::PortDetached(PortId(2)));
    let hellos = bench.frames.iter().filter(|(port, bytes)| {
        let is_hello =
            matches!(super::frame::classify(bytes), Punted::Ospf { bytes: [3, 1, ..], .. });
        *port == PortId(2) && is_hello
    });
    assert_eq!(hellos.count(), 1, "a hello that lists nobody");
    assert_eq!(bench.plane.counters().sends_without_port, 0);
}

/// Somebody else's probe for the link-local address of port 2.
fn probe() -> Input {
    let target = port(2, PortRole::Fabric).mac.link_local();
    let destination = crate::wire::ipv6::solicited_node(target);
    let message = NeighborSolicitation { target, options: Vec::new() };
    let message = NdMessage::NeighborSolicitation(message);
    let packet = NdPacket { source: Ipv6Addr::UNSPECIFIED, destination, message }.encode();
    let mac = MacAddress([2, 9, 9, 9, 9, 9]);
    let bytes = super::frame::in_frame(MacAddress::for_multicast(destination), mac, &packet);
    Input::Frame { port: PortId(2), bytes }
}

#[test]
fn a_duplicate_address_is_shown_and_tried_again_with_the_next_carrier() {
    let mut bench = Bench::new(LAN);
    bench.attach(port(2, PortRole::Fabric));
    bench.input(probe());
    assert_eq!(bench.events, ["nd.duplicate_address"]);
    let refused = |bench: &mut Bench| {
        let query = ShowQuery::Port;
        match bench.input(Input::Query { id: 1, query, after: None }).pop() {
            Some(ShowReply::Port(rows)) => rows[0].refused_addresses.clone(),
            other => unreachable!("an answer about ports: {other:?}"),
        }
    };
    assert_eq!(refused(&mut bench), [port(2, PortRole::Fabric).mac.link_local()]);
    assert!(bench.plane.ospf().interfaces().is_empty());
    for is_up in [false, true] {
        bench.frames.clear();
        bench.input(Input::Carrier { port: PortId(2), is_up });
    }
    assert!(refused(&mut bench).is_empty());
    assert_eq!(bench.plane.ospf().interfaces()[0].state, "Point-to-point");
    let is_probe = |(_, bytes): &&(PortId, Vec<u8>)| {
        let punted = super::frame::classify(bytes);
        matches!(punted, Punted::Nd { packet, .. } if packet[40] == 135)
    };
    assert_eq!(bench.frames.iter().filter(is_probe).count(), 1, "it is probed anew");
}

/// A hello of a neighbour on port 2, from an address that ends in `from`, in a frame.
fn hello(bench: &Bench, from: u16) -> Input {
    let ospf = &bench.plane.config.ospf;
    let seconds = |span: Duration| u16::try_from(span.as_secs()).expect("a short time");
    let hello = Hello {
        interface_id: 1,
        priority: 1,
        options: Options::V6.with(Options::E).with(Options::R),
        hello_interval_s: seconds(ospf.hello_interval),
        dead_interval_s: seconds(ospf.dead_interval),
        designated_router: RouterId(0),
        backup_designated_router: RouterId(0),
        neighbors: Vec::new(),
    };
    let body = PacketBody::Hello(hello);
    let packet = Packet { router_id: RouterId(99), area: RouterId(0), instance_id: 0, body };
    let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, from);
    let bytes = packet.encode(source, ALL_SPF_ROUTERS);
    let packet = super::frame::ospf_packet(source, ALL_SPF_ROUTERS, &bytes);
    let group = MacAddress::for_multicast(ALL_SPF_ROUTERS);
    let bytes = super::frame::in_frame(group, MacAddress([2, 0, 2, 0, 0, 1]), &packet);
    Input::Frame { port: PortId(2), bytes }
}

/// A bench with OSPF on p2, where fe80::9 says hello, and a static route over fe80::9.
fn neighbor_bench() -> Bench {
    let ports = "[[port]]\ndevice = \"af_packet:p2\"\nname = \"p2\"\nrole = \"fabric\"\n";
    let route = "[[route]]\nprefix = \"2001:db8::/32\"\nvia = \"fe80::9\"\nport = \"p2\"\n";
    let mut bench = Bench::new(&format!("{ports}{route}"));
    bench.attach(port(2, PortRole::Fabric));
    let first = hello(&bench, 9);
    bench.input(first);
    bench
}

fn is_static_route_alive(bench: &Bench) -> bool {
    let NextHopGroup::Forward { members, .. } = bench.group("2001:db8::1") else { return false };
    bench.world.as_ref().is_some_and(|world| world.liveness.is_alive(members[0]))
}

#[test]
fn a_lost_ospf_neighbour_is_dead_until_the_routes_do_without_it_and_no_longer() {
    let mut bench = neighbor_bench();
    assert!(is_static_route_alive(&bench));
    let dead_at = NOW + bench.plane.config.ospf.dead_interval;
    while let Some(due) = bench.plane.next_deadline().filter(|due| *due <= dead_at) {
        bench.plane.handle_timeout(due);
    }
    assert!(!is_static_route_alive(&bench), "at once");
    bench.slice([]);
    assert!(!is_static_route_alive(&bench), "workers may still read the world before");
    let epoch = bench.plane.rib().epoch();
    bench.input(Input::Reclaimed { epoch });
    assert!(is_static_route_alive(&bench), "no route of OSPF uses it any more");
}

#[test]
fn a_router_that_leaves_takes_no_next_hop_for_dead() {
    let mut bench = neighbor_bench();
    bench.input(Input::Shutdown);
    assert_eq!(bench.plane.ospf().neighbors(), []);
    assert!(is_static_route_alive(&bench));
    bench.input(Input::Carrier { port: PortId(2), is_up: false });
    assert!(!is_static_route_alive(&bench), "but a cable without carrier is");
}

#[test]
fn a_neighbour_that_moves_is_counted_once_and_confirmed_at_its_new_address() {
    let mut bench = neighbor_bench();
    let interval = bench.plane.config.ospf.dead_interval;
    let later = NOW + interval.saturating_sub(Duration::from_millis(1));
    let moved = hello(&bench, 10);
    bench.plane.handle(later, moved);
    bench.slice([]);
    let known: Vec<_> = bench.plane.ospf_neighbors.keys().copied().collect();
    let there: Ipv6Addr = "fe80::a".parse().expect("an address");
    assert_eq!(known, [(PortId(2), there)]);
    assert!(bench.plane.nd().mac_of(PortId(2), there).is_some());
}

#[test]
fn a_slice_of_inputs_is_one_world() {
    let mut bench = Bench::new(LAN);
    bench.publications = 0;
    let ports = (1..5).map(|number| Input::PortAttached(Box::new(port(number, PortRole::Lan))));
    bench.slice(ports);
    assert_eq!(bench.publications, 1);
}

#[test]
fn guests_that_are_only_heard_cost_no_world_and_no_route() {
    let mut bench = lan_bench();
    let (before, frames) = (bench.publications, bench.frames.len());
    for number in 0..100 {
        bench.input(solicitation(number));
    }
    assert_eq!(bench.frames.len() - frames, 100, "each is answered");
    assert_eq!(bench.publications, before);
    assert_eq!(bench.group("fd4b:756d:696b:7::1:5"), NextHopGroup::OnLink(PortId(1)));
}

#[test]
fn a_guest_that_was_heard_has_its_route_with_the_first_packet_to_it() {
    let mut bench = lan_bench();
    bench.input(solicitation(5));
    let address = "fd4b:756d:696b:7::1:5".parse().expect("an address");
    bench.input(Input::Unresolved { port: PortId(1), address, packet: vec![0; 40] });
    let NextHopGroup::Forward { members, .. } = bench.group("fd4b:756d:696b:7::1:5") else {
        unreachable!("a route of its own")
    };
    let world = bench.world.as_ref().expect("a world was published");
    assert!(world.next_hop(members[0]).is_some_and(|hop| hop.adjacency.is_some()));
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

/// A LAN host that [`LAN`] gives an address, its MAC, and a packet to it.
fn lan_host() -> (Ipv6Addr, MacAddress, Vec<u8>) {
    let host: Ipv6Addr = "fd4b:756d:696b:7::99".parse().unwrap();
    let packet = frame::ospf_packet("2001:db8::1".parse().unwrap(), host, &[7; 20]);
    (host, MacAddress([2, 0, 0, 0, 1, 9]), packet)
}

#[test]
fn what_waited_for_a_neighbour_goes_straight_to_its_mac() {
    let mut bench = Bench::new(LAN);
    bench.attach(port(1, PortRole::Lan));
    let (host, mac, packet) = lan_host();
    let unresolved =
        || Input::Unresolved { port: PortId(1), address: host, packet: packet.clone() };
    bench.input(unresolved());
    bench.frames.clear();
    let own = port(1, PortRole::Lan).mac;
    let message = NdMessage::NeighborAdvertisement(NeighborAdvertisement {
        is_router: false,
        is_solicited: true,
        is_override: true,
        target: host,
        options: vec![NdOption::TargetLinkLayer(mac)],
    });
    let answer = NdPacket { source: host, destination: own.link_local(), message }.encode();
    bench.input(Input::Frame { port: PortId(1), bytes: frame::in_frame(own, mac, &answer) });
    let released = (PortId(1), frame::in_frame(mac, own, &packet));
    // A worker that has no route to the neighbour, because tables are full, asks again and again:
    // looked up once more the packet would come back for ever, its hop limit untouched.
    bench.input(unresolved());
    assert_eq!(bench.frames, [released.clone(), released]);
    assert!(bench.forwarded.is_empty());
}
