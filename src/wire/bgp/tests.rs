//! What octets say, and what becomes of those that say it wrongly.

use super::as_path::AsPathError;
use super::attribute::{AttributeTooLong, kind};
use super::message::{HEADER_OCTETS, MESSAGE_OCTETS_MAX};
use super::update::{Announcement, FaultReason, put_announcement};
use super::*;
use crate::base::cursor::Writer;
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;
use proptest::prelude::*;

mod oracle;

const EXTERNAL: Agreement = Agreement {
    has_four_octet_asn: true,
    has_path_ids: false,
    has_extended_messages: false,
    is_external: true,
};
const INTERNAL: Agreement = Agreement { is_external: false, ..EXTERNAL };
const OLD: Agreement = Agreement { has_four_octet_asn: false, ..EXTERNAL };

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const EXTENDED_LENGTH: u8 = 0x10;

fn prefix(text: &str) -> Ipv6Prefix {
    text.parse().unwrap()
}

fn encoded(message: &Message, agreement: Agreement) -> Vec<u8> {
    let mut writer = Writer::default();
    message.encode(agreement, &mut writer);
    writer.into_vec()
}

fn decoded(octets: &[u8], agreement: Agreement) -> Result<Message, Notification> {
    let (whole, length) = frame(octets, agreement.has_extended_messages)?.expect("it is whole");
    assert_eq!(length, octets.len());
    Message::decode(whole, agreement)
}

/// An attribute: flags, type, value.
type Raw = (u8, u8, Vec<u8>);

fn reach(nlri: &[u8]) -> Raw {
    let mut value = vec![0, 2, 1, 16];
    value.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
    value.push(0);
    value.extend_from_slice(nlri);
    (OPTIONAL, kind::MP_REACH_NLRI, value)
}

/// 2001:db8::/32.
const NLRI: [u8; 5] = [32, 0x20, 0x01, 0x0d, 0xb8];

/// The attributes of a good announcement of an external peer.
fn good() -> Vec<Raw> {
    vec![
        reach(&NLRI),
        (TRANSITIVE, kind::ORIGIN, vec![0]),
        (TRANSITIVE, kind::AS_PATH, vec![2, 1, 0, 0, 0xfb, 0xf4]),
    ]
}

fn update_of(attributes: &[Raw]) -> Vec<u8> {
    let mut list = Vec::new();
    for (flags, kind, value) in attributes {
        list.extend([*flags, *kind]);
        match flags & EXTENDED_LENGTH {
            0 => list.push(u8::try_from(value.len()).unwrap()),
            _ => list.extend(u16::try_from(value.len()).unwrap().to_be_bytes()),
        }
        list.extend_from_slice(value);
    }
    let mut body = vec![0, 0];
    body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
    body.extend(list);
    body
}

fn read(attributes: &[Raw], agreement: Agreement) -> Result<Update, Notification> {
    let body = update_of(attributes);
    match Message::decode((MessageType::Update, &body), agreement)? {
        Message::Update(update) => Ok(*update),
        other => unreachable!("{other:?}"),
    }
}

/// The good announcement with one more attribute, or with one in place of that of its type.
fn with(flags: u8, kind: u8, value: &[u8], agreement: Agreement) -> Result<Update, Notification> {
    let mut attributes = good();
    attributes.retain(|(_, other, _)| *other != kind);
    attributes.push((flags, kind, value.to_vec()));
    read(&attributes, agreement)
}

#[test]
fn an_announcement_is_read() {
    let update = read(&good(), EXTERNAL).unwrap();
    let Announcement { nlri, next_hop, attributes } = update.announced.unwrap();
    assert_eq!(nlri, [Nlri::of(prefix("2001:db8::/32"))]);
    assert_eq!(next_hop.global, Some("2001:db8::1".parse().unwrap()));
    assert_eq!(
        (attributes.as_path.to_string().as_str(), attributes.origin),
        ("64500", Origin::Igp)
    );
    assert!(update.withdrawn.is_empty() && update.faults.is_empty());
}

/// RFC 7606 §7, RFC 8092 §5, RFC 9234 §5: one row a rule.
#[test]
fn a_malformed_attribute_has_the_reaction_of_its_rfc() {
    use Reaction::{Discard, TreatAsWithdraw};
    let both = OPTIONAL | TRANSITIVE;
    let rows: &[(u8, u8, &[u8], Agreement, Reaction)] = &[
        (TRANSITIVE, kind::ORIGIN, &[], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::ORIGIN, &[3], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::AS_PATH, &[2, 2, 0, 0, 0, 1], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::AS_PATH, &[2, 1, 0, 0, 0, 1, 2], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::AS_PATH, &[2, 0], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::AS_PATH, &[9, 1, 0, 0, 0, 1], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::AS_PATH, &[2, 1, 0, 0, 0, 0], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::NEXT_HOP, &[1, 2, 3], EXTERNAL, TreatAsWithdraw),
        (OPTIONAL, kind::MULTI_EXIT_DISC, &[1], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::LOCAL_PREF, &[1], INTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::LOCAL_PREF, &[0, 0, 0, 1], EXTERNAL, Discard),
        (TRANSITIVE, kind::ATOMIC_AGGREGATE, &[1], EXTERNAL, Discard),
        (both, kind::AGGREGATOR, &[0, 1, 2, 3, 4, 5], EXTERNAL, Discard),
        (both, kind::AGGREGATOR, &[0, 0, 0, 0, 1, 1, 1, 1], EXTERNAL, Discard),
        (both, kind::COMMUNITIES, &[], EXTERNAL, TreatAsWithdraw),
        (both, kind::COMMUNITIES, &[1, 2, 3], EXTERNAL, TreatAsWithdraw),
        (OPTIONAL, kind::ORIGINATOR_ID, &[1, 2, 3, 4], EXTERNAL, Discard),
        (OPTIONAL, kind::ORIGINATOR_ID, &[1, 2, 3], INTERNAL, TreatAsWithdraw),
        (OPTIONAL, kind::CLUSTER_LIST, &[1, 2, 3, 4], EXTERNAL, Discard),
        (OPTIONAL, kind::CLUSTER_LIST, &[], INTERNAL, TreatAsWithdraw),
        (both, kind::EXTENDED_COMMUNITIES, &[1, 2, 3, 4], EXTERNAL, TreatAsWithdraw),
        (both, kind::LARGE_COMMUNITIES, &[0; 8], EXTERNAL, TreatAsWithdraw),
        (both, kind::ONLY_TO_CUSTOMER, &[1], EXTERNAL, TreatAsWithdraw),
        (both, kind::AS4_PATH, &[2, 1, 0, 0, 0, 1], EXTERNAL, Discard),
        (both, kind::AS4_PATH, &[2, 9, 0, 0, 0, 1], OLD, Discard),
        (OPTIONAL, kind::ORIGIN, &[0], EXTERNAL, TreatAsWithdraw),
        (TRANSITIVE, kind::COMMUNITIES, &[0, 0, 0, 1], EXTERNAL, TreatAsWithdraw),
    ];
    for (flags, kind, value, agreement, reaction) in rows {
        let mut attributes = good();
        if !agreement.has_four_octet_asn {
            attributes[2].2 = vec![2, 1, 0xfb, 0xf4];
        }
        attributes.retain(|(_, other, _)| other != kind);
        attributes.push((*flags, *kind, value.to_vec()));
        let update = read(&attributes, *agreement).unwrap();
        let told: Vec<(u8, Reaction)> =
            update.faults.iter().map(|fault| (fault.kind, fault.reaction)).collect();
        assert_eq!(told, [(*kind, *reaction)], "{kind} {value:?}");
        let is_withdrawn = *reaction == TreatAsWithdraw;
        assert_eq!(update.announced.is_none(), is_withdrawn, "{kind} {value:?}");
        assert_eq!(update.withdrawn.len(), usize::from(is_withdrawn), "{kind} {value:?}");
    }
}

#[test]
fn what_must_be_there_is_missed() {
    for missing in [kind::ORIGIN, kind::AS_PATH] {
        let mut attributes = good();
        attributes.retain(|(_, kind, _)| *kind != missing);
        let update = read(&attributes, EXTERNAL).unwrap();
        assert_eq!(
            (update.faults[0].kind, update.faults[0].reason),
            (missing, FaultReason::Missing)
        );
        assert_eq!(update.withdrawn.len(), 1);
    }
}

/// RFC 7606 §3 g.
#[test]
fn of_an_attribute_that_is_there_twice_the_first_counts() {
    let mut attributes = good();
    attributes.push((TRANSITIVE, kind::ORIGIN, vec![2]));
    let update = read(&attributes, EXTERNAL).unwrap();
    assert_eq!(update.announced.unwrap().attributes.origin, Origin::Igp);
    assert_eq!(update.faults[0].reason, FaultReason::Repeated);
    attributes.push(reach(&NLRI));
    let code = read(&attributes, EXTERNAL).unwrap_err().code;
    assert_eq!(code, NotificationCode::MALFORMED_ATTRIBUTE_LIST);
}

/// RFC 7606 §5.2, §5.3, §7.11, §7.12, RFC 4271 §6.3.
#[test]
fn what_leaves_no_trust_in_the_prefixes_ends_the_session() {
    let code = |attributes: &[Raw]| read(attributes, EXTERNAL).unwrap_err().code;
    let with_list = |list: &[u8]| {
        let mut attributes = good();
        attributes[0] = reach(list);
        attributes
    };
    let optional = NotificationCode::OPTIONAL_ATTRIBUTE_ERROR;
    assert_eq!(code(&with_list(&[129, 0])), optional, "too long a prefix");
    assert_eq!(code(&with_list(&[32, 0x20])), optional, "cut");
    let mut wrong = good();
    wrong[0].2[3] = 15;
    assert_eq!(code(&wrong), optional, "a next hop of 15 octets");
    assert_eq!(code(&[(OPTIONAL, kind::MP_UNREACH_NLRI, vec![0, 2, 1, 64, 1])]), optional);
    let nothing_reached = [(TRANSITIVE, kind::ORIGIN, vec![9])];
    assert_eq!(code(&nothing_reached), NotificationCode::MALFORMED_ATTRIBUTE_LIST);
    let mut well_known = good();
    well_known.push((TRANSITIVE, 200, vec![1]));
    assert_eq!(code(&well_known), NotificationCode::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE);
}

/// RFC 7606 §4.
#[test]
fn an_attribute_longer_than_the_list_withdraws_what_is_known() {
    let mut body = update_of(&good());
    let last = body.len() - 7;
    body[last] = 200;
    let message = Message::decode((MessageType::Update, &body), EXTERNAL).unwrap();
    let Message::Update(update) = message else { unreachable!() };
    assert_eq!(update.withdrawn, [Nlri::of(prefix("2001:db8::/32"))]);
    assert!(update.faults.iter().any(|fault| fault.reason == FaultReason::Overrun));
}

#[test]
fn next_hops_are_those_of_routers() {
    let next_hop = |octets: &[u8]| NextHop::decode(octets);
    let global: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let link_local: Ipv6Addr = "fe80::1".parse().unwrap();
    let both = |a: Ipv6Addr, b: Ipv6Addr| [a.octets(), b.octets()].concat();
    let of = |global, link_local| Some(NextHop { global, link_local });
    assert_eq!(next_hop(&global.octets()), of(Some(global), None));
    assert_eq!(next_hop(&link_local.octets()), of(None, Some(link_local)));
    assert_eq!(next_hop(&both(global, link_local)), of(Some(global), Some(link_local)));
    assert_eq!(next_hop(&both(link_local, link_local)), of(None, Some(link_local)));
    assert_eq!(next_hop(&both(Ipv6Addr::UNSPECIFIED, link_local)), of(None, Some(link_local)));
    assert_eq!(next_hop(&both(global, global)), of(Some(global), None));
    assert_eq!(next_hop(&[0; 24]), None);
    let mut attributes = good();
    attributes[0].2[4..20].fill(0);
    let update = read(&attributes, EXTERNAL).unwrap();
    assert_eq!((update.faults[0].reason, update.withdrawn.len()), (FaultReason::NextHop, 1));
}

#[test]
fn an_unknown_attribute_goes_on_if_it_may() {
    let update = with(OPTIONAL | TRANSITIVE, 99, &[1, 2], EXTERNAL).unwrap();
    let attributes = update.announced.unwrap().attributes;
    assert_eq!(attributes.unknown, [UnknownAttribute { kind: 99, value: vec![1, 2] }]);
    let mut writer = Writer::default();
    attributes.encode(EXTERNAL, &mut writer).unwrap();
    assert!(writer.as_slice().ends_with(&[0xe0, 99, 2, 1, 2]), "partial: {:?}", writer.as_slice());
    let update = with(OPTIONAL, 99, &[1, 2], EXTERNAL).unwrap();
    assert!(update.announced.unwrap().attributes.unknown.is_empty() && update.faults.is_empty());
}

/// A path of two octets a number that would not fit into an attribute with four.
#[test]
fn a_path_of_more_ases_than_any_route_has_withdraws_its_routes() {
    let long = |count: usize| {
        let mut attributes = good();
        attributes[2].0 |= EXTENDED_LENGTH;
        let segment = [&[2, 255][..], &[0xfb, 0xf4].repeat(255)].concat();
        attributes[2].2 = segment.repeat(count);
        read(&attributes, Agreement { has_extended_messages: true, ..OLD }).unwrap()
    };
    assert_eq!(long(8).announced.unwrap().attributes.as_path.asn_count(), 8 * 255);
    let update = long(65);
    let fault = FaultReason::AsPath(AsPathError::TooLong);
    assert_eq!((update.faults[0].reason, update.announced), (fault, None));
    assert_eq!(update.withdrawn.len(), 1);
}

/// RFC 5065 §5: "It is an error for a BGP speaker to receive an AS_PATH attribute with an
/// AS_CONFED_SEQUENCE or AS_CONFED_SET segment from a neighbor that is not located in the same
/// confederation."
#[test]
fn confederations_of_other_ases_withdraw_a_route() {
    let path = [2, 1, 0, 0, 0xfb, 0xf4, 3, 1, 0, 0, 0xfd, 0xe9];
    let update = with(TRANSITIVE, kind::AS_PATH, &path, EXTERNAL).unwrap();
    let fault = FaultReason::AsPath(AsPathError::Confederation);
    assert_eq!((update.faults[0].reason, update.withdrawn.len()), (fault, 1));
    let update = with(TRANSITIVE, kind::AS_PATH, &path, INTERNAL).unwrap();
    assert_eq!(update.announced.unwrap().attributes.as_path.to_string(), "64500 (65001)");
}

/// RFC 6793 §6: they "MUST be discarded" from AS4_PATH.
#[test]
fn confederations_of_the_wider_path_are_left_out() {
    let mut attributes = good();
    attributes[2].2 = vec![2, 2, 0xfb, 0xf4, 0x5b, 0xa0];
    let wide = vec![3, 1, 0, 0, 0xfd, 0xe9, 2, 1, 0, 1, 0, 0];
    attributes.push((OPTIONAL | TRANSITIVE, kind::AS4_PATH, wide));
    let update = read(&attributes, OLD).unwrap();
    assert_eq!(update.announced.unwrap().attributes.as_path.to_string(), "64500 65536");
}

#[test]
fn attributes_that_are_too_long_to_be_written_are_said_to_be() {
    let asns = vec![64500; 16_384];
    let attributes = PathAttributes { as_path: AsPath::sequence(&asns), ..Default::default() };
    let octets = 16_384 * 4 + 65 * 2;
    let too_long = AttributeTooLong { kind: kind::AS_PATH, octets };
    assert_eq!(attributes.encode(INTERNAL, &mut Writer::default()), Err(too_long));
    let list = (0..16_384).map(Community).collect();
    let attributes = PathAttributes { communities: list, ..Default::default() };
    let too_long = AttributeTooLong { kind: kind::COMMUNITIES, octets: 1 << 16 };
    assert_eq!(attributes.encode(INTERNAL, &mut Writer::default()), Err(too_long));
}

/// RFC 4724 §2.
#[test]
fn the_end_of_a_table_is_told_from_withdrawals_and_from_nothing() {
    let end = encoded(&Message::Update(Box::new(Update::end_of_rib())), EXTERNAL);
    let Ok(Message::Update(update)) = decoded(&end, EXTERNAL) else { unreachable!() };
    assert!(update.is_end_of_rib && update.withdrawn.is_empty());
    let gone = [(OPTIONAL, kind::MP_UNREACH_NLRI, [&[0, 2, 1][..], &NLRI].concat())];
    let update = read(&gone, EXTERNAL).unwrap();
    assert!(!update.is_end_of_rib && update.withdrawn.len() == 1);
    assert!(!read(&[], EXTERNAL).unwrap().is_end_of_rib, "that of IPv4");
}

/// RFC 6793 §4.2.3.
#[test]
fn an_old_speaker_carries_large_numbers_along() {
    let path = AsPath::sequence(&[64500, 4_200_000_000, 64501]);
    let attributes = PathAttributes {
        as_path: path.clone(),
        aggregator: Some(Aggregator { asn: 4_200_000_000, identifier: RouterId(7) }),
        ..PathAttributes::default()
    };
    let next_hop = NextHop { global: Some("2001:db8::1".parse().unwrap()), link_local: None };
    let nlri = vec![Nlri::of(prefix("2001:db8::/32"))];
    let announced = Some(Announcement { nlri, next_hop, attributes: attributes.clone() });
    let update = Update { announced, ..Update::default() };
    let octets = encoded(&Message::Update(Box::new(update)), OLD);
    let Ok(Message::Update(back)) = decoded(&octets, OLD) else { unreachable!() };
    assert_eq!(back.announced.unwrap().attributes, attributes);
    // Somebody who does not know put himself in front.
    let narrow = AsPath::sequence(&[65000, 64500, 23456, 64501]);
    assert_eq!(narrow.widened(&path).to_string(), "65000 64500 4200000000 64501");
    assert_eq!(path.widened(&narrow), path, "longer than the path itself");
}

#[test]
fn a_path_counts_sets_as_one_and_begins_with_the_neighbour() {
    let path = AsPath::sequence(&[64501]).prepended(64500, 2);
    assert_eq!((path.length(), path.first(), path.origin()), (3, Some(64500), Some(64501)));
    assert_eq!(path.to_string(), "64500 64500 64501");
    let long = AsPath::sequence(&[1; 255]).prepended(2, 3);
    assert_eq!((long.length(), long.segments().len(), long.first()), (258, 2, Some(2)));
    let set = AsPath::decode(&[1, 2, 0, 0, 0, 7, 0, 0, 0, 8], true).unwrap();
    assert_eq!((set.length(), set.first(), set.to_string().as_str()), (1, None, "{7,8}"));
}

fn open() -> Open {
    let modes = AddPathMode { receives: true, sends: true };
    let restart = GracefulRestart {
        has_restarted: true,
        survives_notifications: true,
        restart_time_s: 120,
        families: vec![(AddressFamily::IPV6_UNICAST, true)],
    };
    Open {
        asn: 4_200_000_001,
        hold_time_s: 90,
        identifier: RouterId(0x0a00_0001),
        capabilities: vec![
            Capability::Multiprotocol(AddressFamily::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::EnhancedRouteRefresh,
            Capability::ExtendedMessage,
            Capability::Role(Role::Customer),
            Capability::GracefulRestart(restart),
            Capability::FourOctetAsn(4_200_000_001),
            Capability::AddPath(vec![(AddressFamily::IPV6_UNICAST, modes)]),
            Capability::Unknown { code: 200, value: vec![1, 2, 3] },
        ],
    }
}

#[test]
fn an_open_reads_back_as_written() {
    let mut open = open();
    let octets = encoded(&Message::Open(open.clone()), EXTERNAL);
    assert_eq!(octets[20..22], 23456_u16.to_be_bytes(), "AS_TRANS for those who do not know");
    assert_eq!(decoded(&octets, EXTERNAL), Ok(Message::Open(open.clone())));
    // RFC 9072: more than 255 octets of capabilities.
    let many = Capability::Unknown { code: 201, value: vec![7; 250] };
    open.capabilities.push(many);
    let octets = encoded(&Message::Open(open.clone()), EXTERNAL);
    assert_eq!(decoded(&octets, EXTERNAL), Ok(Message::Open(open)));
}

#[test]
fn an_open_that_cannot_be_has_its_own_answer() {
    let code = |change: &dyn Fn(&mut Open)| {
        let mut open = open();
        change(&mut open);
        decoded(&encoded(&Message::Open(open), EXTERNAL), EXTERNAL).unwrap_err().code
    };
    assert_eq!(code(&|open| open.hold_time_s = 2), NotificationCode::UNACCEPTABLE_HOLD_TIME);
    assert_eq!(code(&|o| o.identifier = RouterId(0)), NotificationCode::BAD_BGP_IDENTIFIER);
    let zero = |open: &mut Open| open.capabilities = vec![Capability::FourOctetAsn(0)];
    assert_eq!(code(&zero), NotificationCode::BAD_PEER_AS);
    let mut octets = encoded(&Message::Open(open()), EXTERNAL);
    octets[HEADER_OCTETS] = 3;
    let refused = decoded(&octets, EXTERNAL).unwrap_err();
    assert_eq!(refused.code, NotificationCode::UNSUPPORTED_VERSION);
    assert_eq!(refused.data, [0, 4]);
}

#[test]
fn frames_end_where_their_length_says() {
    let keepalive = encoded(&Message::Keepalive, EXTERNAL);
    assert_eq!(keepalive.len(), HEADER_OCTETS);
    for cut in 0..keepalive.len() {
        assert_eq!(frame(&keepalive[..cut], false), Ok(None), "{cut} octets");
    }
    let code = |octets: &[u8], is_extended| frame(octets, is_extended).unwrap_err().code;
    let mut wrong = keepalive.clone();
    wrong[3] = 0;
    assert_eq!(code(&wrong[..4], false), NotificationCode::CONNECTION_NOT_SYNCHRONIZED);
    let with_length = |length: u16, kind: u8| {
        let mut octets = keepalive.clone();
        octets[16..18].copy_from_slice(&length.to_be_bytes());
        octets[18] = kind;
        octets
    };
    let bad = NotificationCode::BAD_MESSAGE_LENGTH;
    assert_eq!(code(&with_length(18, 4), false), bad);
    assert_eq!(code(&with_length(20, 4), false), bad, "a KEEPALIVE has no body");
    assert_eq!(code(&with_length(28, 1), false), bad);
    assert_eq!(code(&with_length(4097, 2), false), bad);
    assert_eq!(frame(&with_length(4097, 2), true), Ok(None));
    assert_eq!(code(&with_length(4097, 1), true), bad, "RFC 8654 §4: no OPEN is extended");
    assert_eq!(code(&with_length(23, 9), false), NotificationCode::BAD_MESSAGE_TYPE);
}

#[test]
fn a_route_refresh_of_another_length_has_its_own_answer() {
    let wrong = |body: &[u8]| Message::decode((MessageType::RouteRefresh, body), EXTERNAL);
    let refused = wrong(&[0, 2, 1, 1, 9]).unwrap_err();
    assert_eq!(refused.code, NotificationCode::INVALID_ROUTE_REFRESH_LENGTH);
    assert_eq!(refused.data.len(), HEADER_OCTETS + 5, "the whole message");
    assert_eq!(wrong(&[0, 2]).unwrap_err().code, NotificationCode::BAD_MESSAGE_LENGTH);
    let family = AddressFamily::IPV6_UNICAST;
    for kind in [RefreshKind::Request, RefreshKind::Begin, RefreshKind::End, RefreshKind::Other(9)]
    {
        let message = Message::RouteRefresh(RouteRefresh { family, kind });
        assert_eq!(decoded(&encoded(&message, EXTERNAL), EXTERNAL), Ok(message));
    }
}

#[test]
fn a_shutdown_carries_a_text_that_is_cut_between_characters() {
    let code = NotificationCode::ADMINISTRATIVE_SHUTDOWN;
    let notification = Notification::with_text(code, "new power supply");
    let message = Message::Notification(notification.clone());
    assert_eq!(decoded(&encoded(&message, EXTERNAL), EXTERNAL), Ok(message));
    assert_eq!(notification.text().as_deref(), Some("new power supply"));
    let long = Notification::with_text(code, &"ä".repeat(200));
    assert_eq!(long.text(), Some("ä".repeat(127)));
    assert_eq!(Notification::with_data(code, &[9, b'a']).text(), None, "cut");
    let hard = Notification::hard_reset(&notification);
    assert_eq!(hard.inner(), notification);
}

fn attributes() -> impl Strategy<Value = PathAttributes> {
    let word = || proptest::option::of(any::<u32>());
    let marks = || proptest::collection::btree_set(any::<u32>(), 0..4);
    let path = proptest::collection::vec(1..u32::MAX, 0..300);
    (path, word(), word(), any::<bool>(), marks(), marks(), 0..3_u8).prop_map(
        |(path, med, only_to_customer, is_atomic_aggregate, marks, large, origin)| {
            let large = large.into_iter().map(|mark| LargeCommunity([mark, 1, mark]));
            let extended = marks.iter().map(|mark| ExtendedCommunity(u64::from(*mark)));
            PathAttributes {
                origin: [Origin::Igp, Origin::Egp, Origin::Incomplete][usize::from(origin)],
                as_path: AsPath::sequence(&path),
                med,
                is_atomic_aggregate,
                aggregator: med.map(|_| Aggregator { asn: 64500, identifier: RouterId(1) }),
                extended_communities: extended.collect(),
                communities: marks.iter().map(|mark| Community(*mark)).collect(),
                large_communities: large.collect(),
                only_to_customer,
                ..PathAttributes::default()
            }
        },
    )
}

fn nlri(has_path_ids: bool) -> impl Strategy<Value = Vec<Nlri>> {
    let one = (any::<u128>(), 0..129_u8, any::<u32>()).prop_map(move |(bits, length, id)| Nlri {
        prefix: Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length),
        path_id: if has_path_ids { id } else { 0 },
    });
    proptest::collection::vec(one, 1..20)
}

proptest! {
    #[test]
    fn updates_read_back_as_written(
        attributes in attributes(),
        (has_path_ids, nlri, withdrawn) in any::<bool>()
            .prop_flat_map(|has| (Just(has), nlri(has), nlri(has))),
        link_local in any::<bool>(),
    ) {
        let agreement =
            Agreement { has_path_ids, has_extended_messages: true, ..EXTERNAL };
        let link_local = link_local.then(|| "fe80::1".parse().unwrap());
        let next_hop = NextHop { global: Some("2001:db8::1".parse().unwrap()), link_local };
        let announcement = Announcement { nlri: nlri.clone(), next_hop, attributes };
        let mut octets = Writer::default();
        announcement.attributes.encode(agreement, &mut octets).unwrap();
        let mut packed = Writer::default();
        put_announcement(&mut packed, (&next_hop, &nlri), octets.as_slice(), agreement);
        let mut update = Update { announced: Some(announcement), ..Update::default() };
        let message = Message::Update(Box::new(update.clone()));
        prop_assert_eq!(packed.as_slice(), encoded(&message, agreement));
        prop_assert_eq!(decoded(packed.as_slice(), agreement), Ok(message));
        update.withdrawn = withdrawn;
        let message = Message::Update(Box::new(update));
        prop_assert_eq!(decoded(&encoded(&message, agreement), agreement), Ok(message));
    }

    #[test]
    fn arbitrary_octets_never_panic(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        number in 1..6_u8,
        bits in 0..16_u8,
    ) {
        let agreement = Agreement {
            has_four_octet_asn: bits & 1 != 0,
            has_path_ids: bits & 2 != 0,
            has_extended_messages: bits & 4 != 0,
            is_external: bits & 8 != 0,
        };
        let mut octets = vec![0xff; 16];
        octets.extend(u16::try_from(body.len() + HEADER_OCTETS).unwrap().to_be_bytes());
        octets.push(number);
        octets.extend_from_slice(&body);
        if let Ok(Some((whole, _))) = frame(&octets, agreement.has_extended_messages) {
            let _ = Message::decode(whole, agreement);
        }
    }

    /// One octet of a good UPDATE is another: what is read is never more than what was there.
    #[test]
    fn a_spoiled_update_announces_at_most_what_it_has_room_for(
        attributes in attributes(),
        nlri in nlri(false),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let next_hop = NextHop { global: Some("2001:db8::1".parse().unwrap()), link_local: None };
        let announced = Some(Announcement { nlri, next_hop, attributes });
        let update = Update { announced, ..Update::default() };
        let mut octets = encoded(&Message::Update(Box::new(update)), EXTERNAL);
        prop_assume!(octets.len() <= MESSAGE_OCTETS_MAX);
        let at = HEADER_OCTETS + at.index(octets.len() - HEADER_OCTETS);
        octets[at] = octet;
        if let Ok(Message::Update(update)) = decoded(&octets, EXTERNAL) {
            let announced = update.announced.as_ref().map_or(0, |one| one.nlri.len());
            prop_assert!(announced + update.withdrawn.len() < octets.len());
            let is_whole = update.announced.is_none()
                || update.faults.iter().all(|fault| fault.reaction == Reaction::Discard);
            prop_assert!(is_whole);
        }
    }
}
