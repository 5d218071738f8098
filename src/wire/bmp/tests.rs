//! Messages are read by an implementation that is not ours.

use super::*;
use crate::base::prefix::Ipv6Prefix;
use crate::wire::bgp::update::{put_announcement, put_withdrawal};
use crate::wire::bgp::{
    AddressFamily, AsPath, Capability, NextHop, Nlri, NotificationCode, PathAttributes,
};
use bgpkit_parser::models::BgpMessage;
use bgpkit_parser::parser::bmp::messages::{BmpMessage, BmpMessageBody, StatsData};
use bgpkit_parser::parser::bmp::parse_bmp_msg;

const PEER: Peer = Peer {
    address: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9),
    asn: 4_200_000_001,
    router_id: RouterId(0x0a00_0009),
};

fn open(asn: u32) -> Open {
    let capabilities =
        vec![Capability::Multiprotocol(AddressFamily::IPV6_UNICAST), Capability::FourOctetAsn(asn)];
    Open { asn, hold_time_s: 90, identifier: RouterId(7), capabilities }
}

/// All messages of a stream.
pub(crate) fn read(octets: Vec<u8>) -> Vec<BmpMessage> {
    let mut stream = bytes::Bytes::from(octets);
    let mut messages = Vec::new();
    while !stream.is_empty() {
        messages.push(parse_bmp_msg(&mut stream).unwrap());
    }
    messages
}

fn written(write: impl FnOnce(&mut Writer)) -> BmpMessage {
    let mut writer = Writer::default();
    write(&mut writer);
    let mut messages = read(writer.into_vec());
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

fn header(message: &BmpMessage) -> (String, u32, String) {
    let header = message.per_peer_header.as_ref().unwrap();
    (header.peer_ip.to_string(), header.peer_asn.to_u32(), header.peer_bgp_id.to_string())
}

#[test]
fn who_speaks_comes_first() {
    let message = written(|writer| put_initiation(writer, "s07", "kumiki 0.1"));
    let BmpMessageBody::InitiationMessage(body) = message.message_body else { panic!() };
    let texts: Vec<&str> = body.tlvs.iter().map(|tlv| tlv.info.as_str()).collect();
    assert_eq!(texts, ["kumiki 0.1", "s07"]);
}

#[test]
fn a_session_that_is_up_has_both_opens() {
    let (sent, received) = (open(64500), open(PEER.asn));
    let session = Session {
        local: Ipv6Addr::LOCALHOST,
        local_port: 0,
        remote_port: 179,
        sent: &sent,
        received: &received,
    };
    let message = written(|writer| put_peer_up(writer, &PEER, &session));
    assert_eq!(header(&message), ("fd00::9".to_owned(), PEER.asn, "10.0.0.9".to_owned()));
    let BmpMessageBody::PeerUpNotification(body) = message.message_body else { panic!() };
    assert_eq!((body.local_addr.to_string(), body.remote_port), ("::1".to_owned(), 179));
    let (BgpMessage::Open(sent), BgpMessage::Open(received)) = (body.sent_open, body.received_open)
    else {
        panic!()
    };
    assert_eq!((sent.asn.to_u32(), received.asn.to_u32()), (64500, 23456));
    assert_eq!(received.hold_time, 90);
}

#[test]
fn a_session_that_is_down_says_why() {
    let notification = Notification::new(NotificationCode::CEASE);
    let cases = [
        (DownReason::LocalNotification(&notification), 1, true),
        (DownReason::Local, 2, true),
        (DownReason::RemoteNotification(&notification), 3, true),
        (DownReason::Remote, 4, false),
        (DownReason::NotTold, 5, false),
    ];
    for (reason, number, has_data) in cases {
        let message = written(|writer| put_peer_down(writer, &PEER, reason));
        let BmpMessageBody::PeerDownNotification(body) = message.message_body else { panic!() };
        assert_eq!((body.reason as u8, body.data.is_some()), (number, has_data));
    }
}

#[test]
fn routes_of_each_table_are_told_apart() {
    let prefix: Ipv6Prefix = "2001:db8::/32".parse().unwrap();
    let hop = NextHop { global: Some(PEER.address), link_local: None };
    let attributes =
        PathAttributes { as_path: AsPath::sequence(&[PEER.asn]), ..PathAttributes::default() };
    let mut octets = Writer::default();
    attributes.encode(WITHIN, &mut octets).unwrap();
    for (view, is_post) in [(View::PrePolicy, false), (View::PostPolicy, true)] {
        let message = written(|writer| {
            put_route_monitoring(writer, &PEER, view, |writer| {
                put_announcement(writer, (&hop, &[Nlri::of(prefix)]), octets.as_slice(), WITHIN);
            });
        });
        let flags = message.per_peer_header.as_ref().unwrap().peer_flags;
        let bgpkit_parser::parser::bmp::messages::PerPeerFlags::PeerFlags(flags) = flags else {
            panic!()
        };
        assert_eq!(flags.is_post_policy(), is_post);
        let BmpMessageBody::RouteMonitoring(body) = message.message_body else { panic!() };
        let BgpMessage::Update(update) = body.bgp_message else { panic!() };
        let reached = update.attributes.get_reachable_nlri().unwrap();
        assert_eq!(reached.prefixes[0].prefix.to_string(), "2001:db8::/32");
    }
    let message = written(|writer| {
        put_route_monitoring(writer, &PEER, View::LocRib, |writer| {
            put_withdrawal(writer, &[Nlri::of(prefix)], WITHIN);
        });
    });
    let header = message.per_peer_header.as_ref().unwrap();
    assert_eq!(u8::from(header.peer_type), 3);
    let BmpMessageBody::RouteMonitoring(body) = message.message_body else { panic!() };
    let BgpMessage::Update(update) = body.bgp_message else { panic!() };
    let gone = update.attributes.get_unreachable_nlri().unwrap();
    assert_eq!(gone.prefixes[0].prefix.to_string(), "2001:db8::/32");
}

#[test]
fn the_loc_rib_comes_and_goes_like_a_peer() {
    let open = open(64500);
    let message = written(|writer| put_loc_rib_up(writer, &PEER, &open));
    let BmpMessageBody::PeerUpNotification(body) = message.message_body else { panic!() };
    assert_eq!(body.tlvs[0].info_value, "global");
    let message = written(|writer| put_loc_rib_down(writer, &PEER));
    let BmpMessageBody::PeerDownNotification(body) = message.message_body else { panic!() };
    assert_eq!(body.reason as u8, 6);
}

#[test]
fn counts_are_gauges_and_counters() {
    let statistics = Statistics { adj_rib_in: 250_000, treated_as_withdraw: 2 };
    let message = written(|writer| put_statistics(writer, &PEER, statistics));
    let BmpMessageBody::StatsReport(body) = message.message_body else { panic!() };
    let data: Vec<StatsData> =
        body.counters.iter().map(|counter| counter.stat_data.clone()).collect();
    assert_eq!(data, [StatsData::Gauge(250_000), StatsData::Counter(2)]);
    let message = written(|writer| put_loc_rib_statistics(writer, &PEER, 7));
    let BmpMessageBody::StatsReport(body) = message.message_body else { panic!() };
    assert_eq!(body.counters[0].stat_data, StatsData::Gauge(7));
}

#[test]
fn the_last_message_says_that_it_was_wanted() {
    let message = written(put_termination);
    assert!(matches!(message.message_body, BmpMessageBody::TerminationMessage(_)));
}
