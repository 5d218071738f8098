//! Packets for the router itself.

use crate::packets::{address, frame, header, icmpv6, open, open_icmpv6, packet, ping, udp};
use crate::router::{Router, neighbor_mac, only, own_mac, to_router};
use kumiki::base::ids::{GroupId, MacAddress, PortId};
use kumiki::base::route::PortRole;
use kumiki::dataplane::{DropReason, Injected, PuntClass};
use kumiki::fib::{Adjacency, Interface};
use kumiki::packet::{HeapBuf, PacketBuf};
use kumiki::wire::icmpv6::Icmpv6Message;
use kumiki::wire::ipv6::{
    Ipv6Header, NEXT_DESTINATION_OPTIONS, NEXT_FRAGMENT, NEXT_HOP_BY_HOP, NEXT_ICMPV6, NEXT_NONE,
    NEXT_OSPF, NEXT_TCP, solicited_node,
};
use std::sync::Arc;

fn on_link(destination: &str, next_header: u8) -> Ipv6Header {
    Ipv6Header {
        source: neighbor_mac(1).link_local(),
        hop_limit: 255,
        ..header(destination, next_header)
    }
}

fn to_group(packet: &[u8]) -> Vec<u8> {
    let group: [u8; 16] = packet[24..40].try_into().unwrap();
    frame(MacAddress::for_multicast(group.into()), neighbor_mac(1), packet)
}

#[track_caller]
fn punts(router: &mut Router, frame: &[u8], class: PuntClass) -> Vec<u8> {
    assert_eq!(router.pass(frame), []);
    let mut punted = router.punted();
    assert_eq!(punted.len(), 1, "{:?}", router.counts());
    let punted = punted.remove(0);
    assert_eq!((punted.class, punted.port), (class, PortId(1)));
    punted.packet.data().to_vec()
}

#[test]
fn an_own_address_answers_pings() {
    let mut router = Router::new();
    let (port, frame) = only(router.pass(&to_router(&ping(header("fd00:2::1", NEXT_ICMPV6)))));
    let (ipv6, message) = open_icmpv6(&frame);
    assert_eq!((port, ipv6.hop_limit), (1, 64));
    assert_eq!((ipv6.source, ipv6.destination), (address("fd00:2::1"), address("2001:db8:1::10")));
    let data = b"0123456".to_vec();
    assert_eq!(message, Icmpv6Message::EchoReply { identifier: 7, sequence: 9, data });
}

#[test]
fn the_link_local_address_answers_to_the_mac_that_asked() {
    let mut router = Router::new();
    let own = own_mac(1).link_local();
    let request = ping(on_link(&own.to_string(), NEXT_ICMPV6));
    let asker = MacAddress([2, 9, 9, 9, 9, 9]);
    let (port, sent) = only(router.pass(&frame(own_mac(1), asker, &request)));
    let (ethernet, ..) = open(&sent);
    assert_eq!((port, ethernet.destination, ethernet.source), (1, asker, own_mac(1)));
    let (ipv6, message) = open_icmpv6(&sent);
    assert_eq!((ipv6.source, ipv6.destination), (own, neighbor_mac(1).link_local()));
    assert!(matches!(message, Icmpv6Message::EchoReply { .. }));
}

#[test]
fn a_ping_to_all_nodes_is_answered_from_the_port() {
    let mut router = Router::new();
    let request = to_group(&ping(on_link("ff02::1", NEXT_ICMPV6)));
    let (_, sent) = only(router.pass(&request));
    assert_eq!(open_icmpv6(&sent).0.source, own_mac(1).link_local());
    let request = to_group(&ping(header("ff02::1", NEXT_ICMPV6)));
    let (_, sent) = only(router.pass(&request));
    assert_eq!(open_icmpv6(&sent).0.source, address("fd00:1::1"));
}

#[test]
fn a_ping_to_a_group_from_nobody_is_not_answered() {
    // RFC 4291 §2.5.2: the unspecified address "must not be used as the destination address".
    let mut router = Router::with(|world| {
        world.table.apply(&[("::/0".parse().unwrap(), Some(GroupId(2)))]);
    });
    let nobody = Ipv6Header { source: address("::"), ..header("ff02::1", NEXT_ICMPV6) };
    router.refuses(&to_group(&ping(nobody)), DropReason::EchoUnanswerable);
}

#[test]
fn an_answer_from_a_link_local_address_stays_on_its_link() {
    // RFC 4291 §2.5.6: "Routers must not forward any packets with Link-Local source or destination
    // addresses to other links."
    let mut router = Router::new();
    let own = own_mac(1).link_local();
    // The way to this source is by port 2.
    let source = address("2001:db8:2::1");
    let request = ping(Ipv6Header { source, ..header(&own.to_string(), NEXT_ICMPV6) });
    let (port, sent) = only(router.pass(&to_router(&request)));
    assert_eq!((port, open(&sent).0.destination), (1, neighbor_mac(1)));
    let (ipv6, _) = open_icmpv6(&sent);
    assert_eq!((ipv6.source, ipv6.destination), (own, source));
}

#[test]
fn a_ping_of_jumbo_size_is_answered_whole() {
    let mut router = Router::new();
    let request = Icmpv6Message::EchoRequest { identifier: 1, sequence: 2, data: vec![7; 8900] };
    let request = icmpv6(header("fd00:1::1", NEXT_ICMPV6), &request);
    let (_, sent) = only(router.pass(&to_router(&request)));
    assert_eq!(sent.len(), request.len() + 14);
    open_icmpv6(&sent);
}

#[test]
fn a_ping_with_a_wrong_checksum_is_not_answered() {
    let mut router = Router::new();
    let mut request = ping(header("fd00:1::1", NEXT_ICMPV6));
    request[48] ^= 1;
    router.refuses(&to_router(&request), DropReason::Icmpv6Checksum);
    let short = packet(header("fd00:1::1", NEXT_ICMPV6), &[128, 0, 0, 0, 0]);
    router.refuses(&to_router(&short), DropReason::Icmpv6Truncated);
    let shorter = packet(header("fd00:1::1", NEXT_ICMPV6), &[128, 0, 0]);
    router.refuses(&to_router(&shorter), DropReason::Icmpv6Truncated);
}

#[test]
fn a_ping_for_hop_limit_zero_is_answered_at_its_destination() {
    // RFC 8200 §3: a destination "should not discard a packet with Hop Limit equal to zero".
    let mut router = Router::new();
    let request = ping(Ipv6Header { hop_limit: 0, ..header("fd00:1::1", NEXT_ICMPV6) });
    assert_eq!(router.pass(&to_router(&request)).len(), 1);
}

#[test]
fn ospf_goes_up_as_a_whole_frame() {
    let mut router = Router::new();
    for group in ["ff02::5", "ff02::6"] {
        let hello = to_group(&packet(on_link(group, NEXT_OSPF), &[3; 36]));
        assert_eq!(punts(&mut router, &hello, PuntClass::Ospf), hello);
    }
    let own = own_mac(1).link_local().to_string();
    let update = to_router(&packet(on_link(&own, NEXT_OSPF), &[3; 36]));
    assert_eq!(punts(&mut router, &update, PuntClass::Ospf), update);
}

#[test]
fn ospf_is_heard_on_fabric_ports_only() {
    for role in [PortRole::Lan, PortRole::Uplink, PortRole::Routed] {
        let mut router = Router::with(|world| {
            let interfaces = Arc::make_mut(&mut world.interfaces);
            let port = interfaces.get(PortId(1)).unwrap().clone();
            assert!(interfaces.set(Interface { role, ..port }));
        });
        let hello = to_group(&packet(on_link("ff02::5", NEXT_OSPF), &[3; 36]));
        router.refuses(&hello, DropReason::OspfPort);
        let own = own_mac(1).link_local().to_string();
        let update = to_router(&packet(on_link(&own, NEXT_OSPF), &[3; 36]));
        router.refuses(&update, DropReason::OspfPort);
        let far = to_router(&packet(header("fd00:2::1", NEXT_OSPF), &[3; 36]));
        router.refuses(&far, DropReason::OspfPort);
    }
    // The host's own TUN is no fabric port either.
    let mut router = Router::new();
    let update = packet(header("fd00:2::1", NEXT_OSPF), &[3; 36]);
    router.inject(Injected::Packet { packet: HeapBuf::new(&update) });
    router.run();
    assert!(router.punted().is_empty());
    assert_eq!(router.counts().dropped(DropReason::OspfPort), 1);
}

#[test]
fn ospf_from_beyond_the_link_is_not_heard() {
    // RFC 5340 §2.5: "OSPF packets are sent using the interface's associated link-local unicast
    // address as the source address."
    let mut router = Router::new();
    let own = own_mac(1).link_local().to_string();
    for destination in ["ff02::5", &own, "fd00:1::1", "fd00:2::1"] {
        let far = packet(header(destination, NEXT_OSPF), &[3; 36]);
        router.refuses(&to_router(&far), DropReason::OspfSource);
    }
    let nobody = Ipv6Header { source: address("::"), ..on_link("ff02::6", NEXT_OSPF) };
    router.refuses(&to_group(&packet(nobody, &[3; 36])), DropReason::OspfSource);
}

#[test]
fn ospf_to_other_addresses_of_the_router_is_not_heard() {
    let mut router = Router::new();
    let group = solicited_node(own_mac(1).link_local()).to_string();
    for destination in ["ff02::1", "ff02::2", &group, "fd00:1::1", "fd00:2::1"] {
        let frame = to_router(&packet(on_link(destination, NEXT_OSPF), &[3; 36]));
        router.refuses(&frame, DropReason::OspfDestination);
    }
}

#[test]
fn a_flood_on_one_port_takes_nothing_from_the_others() {
    let mut router = Router::new();
    let hello = |port: u16| {
        let from = neighbor_mac(port);
        let packet = packet(
            Ipv6Header { source: from.link_local(), ..on_link("ff02::5", NEXT_OSPF) },
            &[3; 36],
        );
        frame(MacAddress::for_multicast(address("ff02::5")), from, &packet)
    };
    let solicit = |port: u16| {
        let (own, from) = (own_mac(port), neighbor_mac(port));
        let message = Icmpv6Message::Other { kind: 135, code: 0, body: vec![0; 20] };
        let header = on_link(&own.link_local().to_string(), NEXT_ICMPV6);
        frame(own, from, &icmpv6(Ipv6Header { source: from.link_local(), ..header }, &message))
    };
    for _ in 0..10_000 {
        router.receive(1, &hello(1));
        router.receive(1, &solicit(1));
    }
    router.run();
    let counts = router.counts();
    for reason in [DropReason::PuntPolicedOspf, DropReason::PuntPolicedNd] {
        assert!(counts.dropped(reason) > 0, "{reason:?}");
    }
    router.punted();
    router.receive(2, &hello(2));
    router.receive(2, &solicit(2));
    router.run();
    let punted = router.punted();
    let classes: Vec<_> = punted.iter().map(|punted| (punted.class, punted.port)).collect();
    assert_eq!(classes, [(PuntClass::Ospf, PortId(2)), (PuntClass::Nd, PortId(2))]);
}

#[test]
fn neighbour_discovery_goes_up_only_from_the_link() {
    let mut router = Router::new();
    let group = solicited_node(own_mac(1).link_local()).to_string();
    let message = |code| Icmpv6Message::Other { kind: 135, code, body: vec![0; 20] };
    let good = to_group(&icmpv6(on_link(&group, NEXT_ICMPV6), &message(0)));
    assert_eq!(punts(&mut router, &good, PuntClass::Nd), good);
    let unspecified = Ipv6Header { source: address("::"), ..on_link(&group, NEXT_ICMPV6) };
    punts(&mut router, &to_group(&icmpv6(unspecified, &message(0))), PuntClass::Nd);

    let far = Ipv6Header { hop_limit: 254, ..on_link(&group, NEXT_ICMPV6) };
    router.refuses(&to_group(&icmpv6(far, &message(0))), DropReason::NdHopLimit);
    let coded = to_group(&icmpv6(on_link(&group, NEXT_ICMPV6), &message(1)));
    router.refuses(&coded, DropReason::NdCode);
    // RFC 6980 §5: fragmented ND is ignored.
    let fragment = [&[NEXT_ICMPV6, 0, 0, 1, 0, 0, 0, 1], &good[54..]].concat();
    let fragmented = to_group(&packet(on_link(&group, NEXT_FRAGMENT), &fragment));
    router.refuses(&fragmented, DropReason::LocalFragment);
}

#[test]
fn listener_reports_behind_hop_by_hop_options_are_counted() {
    let mut router = Router::new();
    // A router alert, then MLDv2.
    let payload = [&[NEXT_ICMPV6, 0, 5, 2, 0, 0, 1, 0][..], &[143, 0, 0, 0, 0, 0, 0, 0]].concat();
    let report = to_group(&packet(on_link("ff02::2", NEXT_HOP_BY_HOP), &payload));
    router.refuses(&report, DropReason::MldIgnored);
}

#[test]
fn the_rest_for_an_own_address_goes_to_the_host_from_the_ipv6_header_on() {
    let mut router = Router::new();
    let segment = packet(header("fd00:1::1", NEXT_TCP), &[0; 20]);
    assert_eq!(punts(&mut router, &to_router(&segment), PuntClass::Host), segment);
    let fragment = packet(header("fd00:1::1", NEXT_FRAGMENT), &[NEXT_TCP, 0, 0, 1, 0, 0, 0, 1]);
    assert_eq!(punts(&mut router, &to_router(&fragment), PuntClass::Host), fragment);
    let options = [&[NEXT_ICMPV6, 0, 1, 4, 0, 0, 0, 0][..], &[128, 0, 0, 0, 0, 0, 0, 0]].concat();
    let options = packet(header("fd00:1::1", NEXT_DESTINATION_OPTIONS), &options);
    assert_eq!(punts(&mut router, &to_router(&options), PuntClass::Host), options);
    router.refuses(
        &to_router(&packet(header("fd00:1::1", NEXT_NONE), &[])),
        DropReason::LocalNoNextHeader,
    );
}

#[test]
fn broken_chains_have_their_reasons() {
    let mut router = Router::new();
    let cut = packet(header("fd00:1::1", NEXT_HOP_BY_HOP), &[6, 1, 0, 0, 0, 0, 0, 0]);
    router.refuses(&to_router(&cut), DropReason::ChainTruncated);
    let long = [NEXT_DESTINATION_OPTIONS, 0, 0, 0, 0, 0, 0, 0].repeat(9);
    let long = packet(header("fd00:1::1", NEXT_DESTINATION_OPTIONS), &long);
    router.refuses(&to_router(&long), DropReason::ChainTooLong);
}

#[test]
fn the_host_gets_no_more_than_its_class_allows() {
    let mut router = Router::new();
    for _ in 0..10_000 {
        router.receive(1, &to_router(&udp("fd00:1::1", 5)));
    }
    router.run();
    let counts = router.counts();
    assert_eq!(counts.punted(PuntClass::Host), 8192);
    assert_eq!(counts.dropped(DropReason::PuntPolicedHost), 10_000 - 8192);
}

#[test]
fn what_the_host_sends_to_an_own_address_comes_back_to_it() {
    let mut router = Router::new();
    let packet = udp("fd00:1::1", 5);
    router.inject(Injected::Packet { packet: HeapBuf::new(&packet) });
    router.run();
    let punted = router.punted();
    assert_eq!((punted.len(), punted[0].packet.data()), (1, &packet[..]));
}

#[test]
fn greetings_of_the_kernel_on_its_tun_end_here() {
    let mut router = Router::new();
    let solicit = Icmpv6Message::Other { kind: 133, code: 0, body: vec![0; 4] };
    for destination in ["ff02::2", "fe80::1"] {
        let packet = icmpv6(on_link(destination, NEXT_ICMPV6), &solicit);
        router.inject(Injected::Packet { packet: HeapBuf::new(&packet) });
    }
    router.run();
    assert!(router.punted().is_empty());
    assert_eq!(router.counts().dropped(DropReason::HostOnLink), 2);
}

#[test]
fn an_answer_that_has_no_way_back_ends_there() {
    // To a group, so that the request itself was never looked up.
    let mut router = Router::new();
    let nowhere =
        Ipv6Header { source: address("2001:db8:eeee::1"), ..header("ff02::1", NEXT_ICMPV6) };
    router.refuses(&to_group(&ping(nowhere)), DropReason::NoRoute);
    assert_eq!(router.counts().generated, 0);
}

/// A router whose port 1 has this role, and who is on its link.
fn edge(role: PortRole, peers: &[MacAddress]) -> Router {
    Router::with(|world| {
        let interfaces = Arc::make_mut(&mut world.interfaces);
        let port = interfaces.get(PortId(1)).unwrap().clone();
        let peer = |mac: &MacAddress| (mac.link_local(), Adjacency::ipv6(*mac, own_mac(1)));
        let link_peers = peers.iter().map(peer).collect();
        assert!(interfaces.set(Interface { role, link_peers, ..port }));
    })
}

/// A segment of TCP from one port to another, as far as anybody here looks at it.
fn segment(header: Ipv6Header, ports: [u16; 2]) -> Vec<u8> {
    let [from, to] = ports.map(u16::to_be_bytes);
    let mut octets = [from, to].concat();
    octets.resize(20, 0);
    packet(header, &octets)
}

#[test]
fn bgp_to_the_link_local_address_of_an_edge_is_for_the_host() {
    let own = own_mac(1).link_local().to_string();
    for role in [PortRole::Uplink, PortRole::Routed] {
        for ports in [[50_000, 179], [179, 50_000]] {
            let mut router = edge(role, &[]);
            let packet = segment(on_link(&own, NEXT_TCP), ports);
            assert_eq!(punts(&mut router, &to_router(&packet), PuntClass::Host), packet);
        }
    }
}

#[test]
fn a_port_of_tenants_routes_nothing() {
    for to in [&own_mac(1).link_local().to_string(), "2001:db8::1"] {
        let packet = segment(header(to, NEXT_TCP), [50_000, 22]);
        edge(PortRole::Tenant, &[]).refuses(&to_router(&packet), DropReason::VlanOther);
    }
}

#[test]
fn nothing_else_to_a_link_local_address_is_for_the_host() {
    let own = own_mac(1).link_local().to_string();
    let bgp = segment(on_link(&own, NEXT_TCP), [50_000, 179]);
    for role in [PortRole::Fabric, PortRole::Lan] {
        edge(role, &[]).refuses(&to_router(&bgp), DropReason::LinkLocalUnwanted);
    }
    let mut router = edge(PortRole::Uplink, &[]);
    let ssh = segment(on_link(&own, NEXT_TCP), [50_000, 22]);
    router.refuses(&to_router(&ssh), DropReason::LinkLocalUnwanted);
    let short = packet(on_link(&own, NEXT_TCP), &[0, 179, 0]);
    router.refuses(&to_router(&short), DropReason::LinkLocalUnwanted);
    // Whoever is on the link has an address of it.
    let far = segment(header(&own, NEXT_TCP), [50_000, 179]);
    router.refuses(&to_router(&far), DropReason::LinkLocalUnwanted);
}

#[test]
fn the_hosts_packets_to_a_neighbor_on_a_link_leave_by_it_as_they_are() {
    let peer = neighbor_mac(1);
    let mut router = edge(PortRole::Uplink, &[peer]);
    let (source, destination) = (own_mac(1).link_local(), peer.link_local());
    for hop_limit in [1, 255] {
        let header = Ipv6Header { source, hop_limit, ..header(&destination.to_string(), NEXT_TCP) };
        let sent = segment(header, [179, 50_000]);
        let packet = HeapBuf::new(&sent);
        router.inject(Injected::OnLink { port: PortId(1), packet });
        router.run();
        assert_eq!(router.sent(1), [frame(peer, own_mac(1), &sent)]);
    }
}

#[test]
fn a_neighbor_on_a_link_is_asked_for_while_its_mac_is_unknown() {
    let mut router = edge(PortRole::Uplink, &[MacAddress([2, 9, 9, 9, 9, 9])]);
    let (source, destination) = (own_mac(1).link_local(), neighbor_mac(1).link_local());
    let sent =
        segment(Ipv6Header { source, ..header(&destination.to_string(), NEXT_TCP) }, [179, 50_000]);
    let packet = HeapBuf::new(&sent);
    router.inject(Injected::OnLink { port: PortId(1), packet });
    router.run();
    let punted = router.punted().pop().unwrap();
    assert_eq!((punted.class, punted.port), (PuntClass::Unresolved, PortId(1)));
    assert_eq!((punted.neighbor, punted.packet.data()), (destination, &sent[..]));
}

#[test]
fn what_is_forwarded_never_uses_the_hosts_neighbor_on_a_link() {
    // fd00:1::/64 is on the link of port 1, and nobody has asked for this neighbour.
    let far = address("fd00:1::99");
    let mut router = Router::with(|world| {
        let interfaces = Arc::make_mut(&mut world.interfaces);
        let port = interfaces.get(PortId(1)).unwrap().clone();
        let link_peers = vec![(far, Adjacency::ipv6(neighbor_mac(1), own_mac(1)))];
        assert!(interfaces.set(Interface { link_peers, ..port }));
    });
    let packet = packet(header("fd00:1::99", NEXT_TCP), &[0; 20]);
    assert_eq!(router.pass(&to_router(&packet)), []);
    assert_eq!(router.punted().pop().unwrap().class, PuntClass::Unresolved);
}
