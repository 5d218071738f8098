//! BGP neighbours over the link-local addresses of a port: found, kept, lost, reached.

use super::*;
use crate::api::show_bgp::BgpNeighborRow;
use crate::control::bgp_transport::{
    BGP_PORT, Expected, Failure, Listener, Order, Report, SocketId,
};
use crate::control::{HostLink, scope_of};
use crate::wire::ipv6::ALL_NODES;
use crate::wire::nd::RouterAdvertisement;
use core::net::SocketAddrV6;

const UP: &str = "[[port]]\ndevice = \"af_packet:p1\"\nrole = \"uplink\"\n";
const BGP: &str = "[bgp]\nasn = 64512\n";
const FOUND: &str = "[[bgp.neighbor]]\nport = \"p1\"\nname = \"isp\"\nasn = \"external\"\n";
const OTHER: &str = "[[bgp.neighbor]]\naddress = \"2001:db8::9\"\nmultihop = 3\nasn = 64500\n";
const FIRST: MacAddress = MacAddress([2, 0, 0, 0, 9, 1]);
const SECOND: MacAddress = MacAddress([2, 0, 0, 0, 9, 2]);
const PORT: PortId = PortId(1);
/// Longer than a neighbour without a session stays without a sign of it.
const LOST: Duration = Duration::from_secs(31);
/// Less than the time between two tries to connect.
const SOON: Duration = Duration::from_secs(10);

fn own() -> Ipv6Addr {
    port(1, PortRole::Uplink).mac.link_local()
}

fn scoped(address: Ipv6Addr) -> SocketAddrV6 {
    SocketAddrV6::new(address, BGP_PORT, 0, scope_of(PORT))
}

/// A router with a port to another network.
fn beside(neighbors: &str) -> Bench {
    let mut bench = Bench::new(&format!("{UP}{BGP}{neighbors}"));
    bench.attach(port(1, PortRole::Uplink));
    bench
}

impl Bench {
    /// A router advertises itself on the port; it is no default router.
    fn hear(&mut self, now: Instant, mac: MacAddress) {
        let options = vec![NdOption::SourceLinkLayer(mac)];
        let message = RouterAdvertisement { options, ..RouterAdvertisement::default() };
        let message = NdMessage::RouterAdvertisement(message);
        let packet = NdPacket { source: mac.link_local(), destination: ALL_NODES, message };
        let group = MacAddress::for_multicast(ALL_NODES);
        let bytes = frame::in_frame(group, mac, &packet.encode());
        self.plane.handle(now, Input::Frame { port: PORT, bytes });
        self.drain();
    }

    /// Whom the router wants to connect to within some seconds, and wanted to since the last call.
    fn connects(&mut self, now: Instant) -> Vec<SocketAddrV6> {
        while let Some(due) = self.plane.next_deadline().filter(|due| *due <= now + SOON) {
            self.plane.handle_timeout(due);
            self.drain();
        }
        let orders = core::mem::take(&mut self.bgp).into_iter();
        let remote = |order| match order {
            Order::Connect { remote, .. } => Some(remote),
            _ => None,
        };
        orders.filter_map(remote).collect()
    }

    fn neighbor(&mut self, name: &str) -> BgpNeighborRow {
        let query = ShowQuery::BgpNeighbor;
        match self.input(Input::Query { id: 1, query, after: None }).pop() {
            Some(ShowReply::BgpNeighbor(rows)) => {
                rows.into_iter().find(|row| row.name == name).unwrap()
            }
            other => unreachable!("an answer about neighbours: {other:?}"),
        }
    }

    fn event_count(&self, topic: &str) -> usize {
        self.events.iter().filter(|event| *event == topic).count()
    }
}

#[test]
fn the_host_gets_the_link_and_hears_everybody_on_it() {
    let mut bench = beside(FOUND);
    let link = HostLink { port: PORT, name: "p1".to_owned(), address: own(), mtu: 9000 };
    assert_eq!(bench.links, [link]);
    let listens = bench.bgp.iter().rev().find_map(|order| match order {
        Order::Listen(listeners) => Some(listeners.clone()),
        _ => None,
    });
    let Some([Listener { local, peers }]) = listens.as_deref() else { panic!("{listens:?}") };
    assert_eq!(*local, scoped(own()));
    let [Expected { peers, .. }] = peers.as_slice() else { panic!("{peers:?}") };
    assert_eq!(peers.to_string(), "fe80::/10");
    let row = bench.neighbor("isp");
    assert_eq!((row.state.as_str(), row.address), ("inactive", None));
    assert!(row.reason.unwrap().contains("router advertisements"));
    assert_eq!(bench.connects(NOW), []);
}

#[test]
fn where_nobody_can_connect_is_said_with_the_port() {
    let mut bench = beside(FOUND);
    bench.hear(NOW, FIRST);
    let report = Report::Deaf { local: scoped(own()), failure: Failure::AddressAbsent };
    bench.input(Input::Bgp(Box::new(report)));
    let reason = bench.neighbor("isp").reason.unwrap();
    assert!(reason.starts_with(&format!("it cannot connect to [{}%p1]:179:", own())), "{reason}");
}

#[test]
fn a_router_that_advertises_itself_is_the_neighbor() {
    let mut bench = beside(FOUND);
    bench.hear(NOW, FIRST);
    assert_eq!(bench.connects(NOW), [scoped(FIRST.link_local())]);
    let row = bench.neighbor("isp");
    assert_eq!((row.address, row.port.as_deref()), (Some(FIRST.link_local()), Some("p1")));
    assert_eq!(row.local_address, Some(own()));
    assert_eq!(bench.event_count("bgp.link"), 1);
    bench.hear(NOW, FIRST);
    assert_eq!(bench.event_count("bgp.link"), 1);
}

#[test]
fn a_router_that_connects_is_the_neighbor() {
    let mut bench = beside(FOUND);
    bench.bgp.clear();
    let remote = SocketAddrV6::new(FIRST.link_local(), 50_000, 0, scope_of(PORT));
    let socket = SocketId::incoming(0);
    let report = Report::Accepted { socket, local: scoped(own()), remote };
    bench.input(Input::Bgp(Box::new(report)));
    assert_eq!(bench.neighbor("isp").address, Some(FIRST.link_local()));
    let is_open = |order: &Order| matches!(order, Order::Send { socket: to, .. } if *to == socket);
    assert!(bench.bgp.iter().any(is_open), "it is told OPEN: {:?}", bench.bgp);
    assert!(!bench.bgp.contains(&Order::Close { socket }));
}

#[test]
fn a_router_that_connects_and_says_nothing_keeps_no_place() {
    let mute = |bench: &mut Bench| {
        let remote = SocketAddrV6::new(FIRST.link_local(), 50_000, 0, scope_of(PORT));
        let socket = SocketId::incoming(0);
        let report = Report::Accepted { socket, local: scoped(own()), remote };
        bench.input(Input::Bgp(Box::new(report)));
        assert_eq!(bench.neighbor("isp").state, "OpenSent");
    };
    let mut bench = beside(FOUND);
    mute(&mut bench);
    bench.hear(NOW + LOST, SECOND);
    assert_eq!(bench.neighbor("isp").address, Some(SECOND.link_local()));
    // Nor over a time without a carrier.
    let mut bench = beside(FOUND);
    mute(&mut bench);
    for is_up in [false, true] {
        bench.input(Input::Carrier { port: PORT, is_up });
    }
    bench.hear(NOW, SECOND);
    assert_eq!(bench.neighbor("isp").address, Some(SECOND.link_local()));
}

#[test]
fn a_neighbor_that_is_shut_down_says_so_though_nobody_was_heard() {
    let mut bench = beside(&format!("{FOUND}shutdown = \"\"\n"));
    let reason = bench.neighbor("isp").reason;
    assert_eq!(reason.as_deref(), Some("shut down by the configuration"));
}

#[test]
fn a_second_router_is_said_and_not_taken() {
    let mut bench = beside(FOUND);
    bench.hear(NOW, FIRST);
    bench.hear(NOW, SECOND);
    bench.hear(NOW, SECOND);
    assert_eq!(bench.connects(NOW), [scoped(FIRST.link_local())]);
    assert_eq!(bench.neighbor("isp").address, Some(FIRST.link_local()));
    assert_eq!(bench.event_count("bgp.link"), 2, "one for each router");
    assert_eq!(bench.plane.counters().bgp_strangers, 2);
    // However many there are, they are told of once a minute.
    for last in 3..40 {
        bench.hear(NOW, MacAddress([2, 0, 0, 0, 9, last]));
    }
    assert_eq!(bench.event_count("bgp.link"), 2);
    // What was heard of the first one counts, not since when it is there.
    bench.hear(NOW + LOST, FIRST);
    bench.hear(NOW + LOST, SECOND);
    assert_eq!(bench.neighbor("isp").address, Some(FIRST.link_local()));
}

#[test]
fn a_router_takes_the_place_of_one_that_is_lost() {
    let mut bench = beside(FOUND);
    bench.hear(NOW, FIRST);
    bench.hear(NOW, SECOND);
    bench.hear(NOW + LOST, SECOND);
    assert_eq!(bench.connects(NOW + LOST).last(), Some(&scoped(SECOND.link_local())));
    assert_eq!(bench.neighbor("isp").address, Some(SECOND.link_local()));
}

#[test]
fn another_router_may_be_there_after_the_carrier_was_away() {
    let mut bench = beside(FOUND);
    bench.hear(NOW, FIRST);
    for is_up in [false, true] {
        bench.input(Input::Carrier { port: PORT, is_up });
    }
    assert_eq!(bench.neighbor("isp").address, Some(FIRST.link_local()), "the first is tried again");
    bench.hear(NOW, SECOND);
    assert_eq!(bench.neighbor("isp").address, Some(SECOND.link_local()));
}

#[test]
fn the_router_advertises_itself_where_it_looks_for_a_neighbor() {
    let sent = |neighbors: &str| {
        let mut bench = beside(neighbors);
        bench.frames.clear();
        while let Some(due) = bench.plane.next_deadline().filter(|due| *due <= NOW + DAD) {
            bench.plane.handle_timeout(due);
            bench.drain();
        }
        let frames = core::mem::take(&mut bench.frames).into_iter();
        let message = |(port, bytes): (PortId, Vec<u8>)| match frame::classify(&bytes) {
            Punted::Nd { packet, .. } => Some((port, NdPacket::decode(packet).ok()?)),
            _ => None,
        };
        let is_advertisement = |(_, packet): &(PortId, NdPacket)| {
            matches!(packet.message, NdMessage::RouterAdvertisement(_))
        };
        frames.filter_map(message).filter(is_advertisement).collect::<Vec<_>>()
    };
    let found = sent(FOUND);
    let (on, packet) = found.first().expect("an advertisement");
    assert_eq!((*on, packet.source), (PORT, own()));
    let NdMessage::RouterAdvertisement(message) = &packet.message else { unreachable!() };
    assert_eq!(message.lifetime_s, 0, "it is nobody's default router");
    assert_eq!(message.options, [NdOption::SourceLinkLayer(port(1, PortRole::Uplink).mac)]);
    let named = "[[bgp.neighbor]]\naddress = \"fe80::9\"\nport = \"p1\"\nasn = 64500\n";
    assert!(sent(named).is_empty(), "who has an address need not be found");
}

#[test]
fn a_named_link_local_neighbor_is_connected_to_by_its_port() {
    let named = "[[bgp.neighbor]]\naddress = \"fe80::9\"\nport = \"p1\"\nasn = 64500\n";
    let mut bench = beside(named);
    assert_eq!(bench.links.len(), 1);
    bench.hear(NOW, FIRST);
    assert_eq!(bench.connects(NOW), [scoped("fe80::9".parse().unwrap())]);
    assert_eq!(bench.event_count("bgp.link"), 0);
}

#[test]
fn a_reload_takes_and_gives_such_a_neighbor_and_touches_no_other() {
    let all = |neighbors: &str| {
        Box::new(config(&format!("{UP}address = \"2001:db8:f::2/64\"\n{BGP}{neighbors}")))
    };
    let mut bench = Bench::blank();
    bench.input(Input::Configure(all(OTHER)));
    bench.attach(port(1, PortRole::Uplink));
    assert!(bench.links.is_empty());
    bench.connects(NOW);
    bench.input(Input::Configure(all(&format!("{OTHER}{FOUND}"))));
    assert_eq!(bench.links.len(), 1);
    bench.hear(NOW + SOON, FIRST);
    assert!(bench.connects(NOW + SOON).contains(&scoped(FIRST.link_local())));
    bench.input(Input::Configure(all(OTHER)));
    assert!(bench.links.is_empty());
    let ended = bench.bgp.iter().filter(|order| matches!(order, Order::Close { .. })).count();
    assert_eq!(ended, 1, "the connection to the other one goes on: {:?}", bench.bgp);
    // Whoever was found before is not remembered.
    bench.input(Input::Configure(all(&format!("{OTHER}{FOUND}"))));
    assert_eq!(bench.neighbor("isp").address, None);
}

#[test]
fn workers_know_the_neighbor_when_its_mac_is_known() {
    let mut bench = beside(FOUND);
    bench.hear(NOW, FIRST);
    let peers = |bench: &Bench| {
        let world = bench.world.as_ref().unwrap();
        world.interfaces.get(PORT).unwrap().link_peers.clone()
    };
    assert_eq!(peers(&bench), []);
    let (port, address, packet) = (PORT, FIRST.link_local(), vec![6; 60]);
    bench.input(Input::Unresolved { port, address, packet });
    let own_mac = super::port(1, PortRole::Uplink).mac;
    assert_eq!(peers(&bench), [(address, crate::fib::Adjacency::ipv6(FIRST, own_mac))]);
    bench.input(Input::Carrier { port, is_up: false });
    assert_eq!(peers(&bench), []);
}

#[test]
fn an_address_that_somebody_else_has_is_not_given_to_the_host() {
    let mut bench = beside(FOUND);
    let options = Vec::new();
    let message = NeighborAdvertisement {
        is_router: true,
        is_solicited: false,
        is_override: true,
        target: own(),
        options,
    };
    let message = NdMessage::NeighborAdvertisement(message);
    let packet = NdPacket { source: own(), destination: ALL_NODES, message };
    let group = MacAddress::for_multicast(ALL_NODES);
    let bytes = frame::in_frame(group, FIRST, &packet.encode());
    bench.input(Input::Frame { port: PORT, bytes });
    assert!(bench.links.is_empty(), "{:?}", bench.links);
}
