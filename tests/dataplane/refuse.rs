//! Packets that do not pass, each with the reason that its check has.

use crate::packets::{address, frame, header, packet, udp};
use crate::router::{Router, neighbor_mac, own_mac, to_router};
use kumiki::base::ids::MacAddress;
use kumiki::dataplane::DropReason;
use kumiki::wire::ipv6::{NEXT_HOP_BY_HOP, NEXT_UDP};

fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = to_router(&udp("2001:db8:2::1", 20));
    change(&mut frame);
    frame
}

#[test]
fn ethernet_frames_that_are_not_for_us_have_their_reasons() {
    let mut router = Router::new();
    let good = udp("2001:db8:2::1", 20);
    router.refuses(&[0; 13], DropReason::EthernetTruncated);
    router.refuses(&frame(own_mac(2), neighbor_mac(1), &good), DropReason::EthernetNotOurs);
    let group = MacAddress([3, 0, 0, 0, 0, 1]);
    router.refuses(&frame(own_mac(1), group, &good), DropReason::EthernetSourceMulticast);
    router.refuses(&changed(|f| f[12..14].copy_from_slice(&[8, 0])), DropReason::EtherTypeUnknown);
    router.refuses(&changed(|f| f[12..14].copy_from_slice(&[0, 40])), DropReason::EtherTypeLength);
}

#[test]
fn wrong_tags_have_their_reasons() {
    let mut router = Router::new();
    let tag = |id: u8| [0x81, 0, 0, id];
    let tagged = changed(|f| drop(f.splice(12..12, tag(10))));
    router.refuses(&tagged, DropReason::VlanUnexpected);
    router.refuses(&tagged[..16], DropReason::EthernetTruncated);
    let for_port_3 = |tags: &[u8]| {
        let mut frame = frame(own_mac(3), neighbor_mac(3), &udp("2001:db8:2::1", 20));
        frame.splice(12..12, tags.iter().copied());
        frame
    };
    router.receive(3, &for_port_3(&[]));
    router.receive(3, &for_port_3(&tag(31)));
    router.receive(3, &for_port_3(&[tag(30), tag(30)].concat()));
    router.run();
    let counts = router.counts();
    for reason in [DropReason::VlanMissing, DropReason::VlanOther, DropReason::EtherTypeUnknown] {
        assert_eq!(counts.dropped(reason), 1, "{reason:?}");
    }
}

#[test]
fn malformed_ipv6_headers_have_their_reasons() {
    let mut router = Router::new();
    router.refuses(&changed(|f| f.truncate(14 + 39)), DropReason::Ipv6HeaderTruncated);
    router.refuses(&changed(|f| f.truncate(14)), DropReason::Ipv6HeaderTruncated);
    router.refuses(&changed(|f| f[14] = 0x45), DropReason::Ipv6Version);
    // RFC 8200 §3: the payload length counts what follows the header.
    router.refuses(&changed(|f| f.truncate(f.len() - 1)), DropReason::Ipv6LengthBeyondFrame);
    router.refuses(&changed(|f| f[18] = 0xff), DropReason::Ipv6LengthBeyondFrame);
    let jumbo = packet(header("2001:db8:2::1", NEXT_HOP_BY_HOP), &[]);
    router.refuses(&to_router(&jumbo), DropReason::Ipv6Jumbogram);
}

#[test]
fn addresses_that_must_not_appear_have_their_reasons() {
    let mut router = Router::new();
    let mut refuses = |source: &str, destination: &str, reason| {
        let mut header = header(destination, NEXT_UDP);
        header.source = address(source);
        router.refuses(&to_router(&packet(header, &[0; 8])), reason);
    };
    let (host, there) = ("2001:db8:1::10", "2001:db8:2::1");
    refuses("ff02::1", there, DropReason::SourceMulticast);
    refuses("::1", there, DropReason::SourceLoopback);
    refuses("::", there, DropReason::SourceUnspecified);
    refuses(host, "::1", DropReason::DestinationLoopback);
    refuses(host, "::", DropReason::DestinationUnspecified);
}

#[test]
fn link_local_destinations_are_never_forwarded() {
    // RFC 4291 §2.5.6: "Routers must not forward any packets with Link-Local source or destination
    // addresses to other links."
    let mut router = Router::with(|world| {
        let default = "::/0".parse().unwrap();
        world.table.apply(&[(default, Some(kumiki::base::ids::GroupId(2)))]);
    });
    router.refuses(&to_router(&udp("fe80::99", 5)), DropReason::LinkLocalNotOurs);
    router.refuses(&to_router(&udp("febf::99", 5)), DropReason::LinkLocalNotOurs);
    let other_port = own_mac(2).link_local().to_string();
    router.refuses(&to_router(&udp(&other_port, 5)), DropReason::LinkLocalNotOurs);
    // Site-local addresses are global unicast since RFC 3879.
    assert_eq!(router.pass(&to_router(&udp("fec0::1", 5))).len(), 1);
}

#[test]
fn multicast_is_not_routed() {
    let mut router = Router::new();
    router.refuses(&to_router(&udp("ff0e::1", 5)), DropReason::MulticastNotMember);
    router.refuses(&to_router(&udp("ff02::1", 5)), DropReason::MulticastUnwanted);
}

#[test]
fn unicast_in_a_group_frame_is_not_forwarded() {
    let mut router = Router::new();
    let group = MacAddress::for_multicast(address("ff02::1"));
    let frame = frame(group, neighbor_mac(1), &udp("2001:db8:2::1", 5));
    router.refuses(&frame, DropReason::LinkMulticast);
}

#[test]
fn a_blackhole_swallows_silently() {
    Router::new().refuses(&to_router(&udp("2001:db8:dead::1", 5)), DropReason::Blackhole);
}

#[test]
fn a_port_that_the_world_does_not_know_takes_nothing() {
    let mut router = Router::with(|world| {
        std::sync::Arc::make_mut(&mut world.interfaces).remove(kumiki::base::ids::PortId(1));
    });
    router.refuses(&to_router(&udp("2001:db8:2::1", 5)), DropReason::PortUnknown);
}
