//! Wrong octets and unexpected messages: the answer, and whether the session lives.

use super::*;
use crate::base::cursor::Writer;
use crate::wire::bgp::{GracefulRestart, RefreshKind, RouteRefresh};

fn header(length: u16, kind: u8) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.put(&[0xff; 16]);
    writer.u16(length);
    writer.u8(kind);
    writer.into_vec()
}

fn in_every_state() -> [Lone; 3] {
    let usual = settings(OURS, THEIRS);
    [Lone::new(usual.clone()), Lone::confirmed(usual, peer_open()), Lone::usual()]
}

#[test]
fn a_bad_header_ends_every_state() {
    use NotificationCode as Code;
    let mut marker = header(19, 4);
    marker[7] = 0xfe;
    let cases = [
        (marker, Code::CONNECTION_NOT_SYNCHRONIZED),
        (header(18, 4), Code::BAD_MESSAGE_LENGTH),
        (header(20, 4), Code::BAD_MESSAGE_LENGTH),
        (header(28, 1), Code::BAD_MESSAGE_LENGTH),
        (header(22, 2), Code::BAD_MESSAGE_LENGTH),
        (header(20, 3), Code::BAD_MESSAGE_LENGTH),
        (header(4097, 2), Code::BAD_MESSAGE_LENGTH),
        (header(19, 0), Code::BAD_MESSAGE_TYPE),
        (header(19, 6), Code::BAD_MESSAGE_TYPE),
    ];
    for (octets, code) in cases {
        for mut lone in in_every_state() {
            lone.octets(&octets);
            lone.assert_ended(code);
            assert_eq!(lone.session.counters().messages_malformed, 1);
        }
    }
}

#[test]
fn a_wrong_marker_is_seen_at_its_first_octet() {
    let mut lone = Lone::usual();
    lone.octets(&[0xff, 0]);
    lone.assert_ended(NotificationCode::CONNECTION_NOT_SYNCHRONIZED);
}

#[test]
fn what_a_state_does_not_expect_is_an_fsm_error() {
    use NotificationCode as Code;
    let family = AddressFamily::IPV6_UNICAST;
    let refresh = Message::RouteRefresh(RouteRefresh { family, kind: RefreshKind::Request });
    let open = Message::Open(peer_open());
    let routes = Message::Update(Box::new(update(1)));
    let unexpected = [
        vec![Message::Keepalive, routes.clone(), refresh.clone()],
        vec![open.clone(), routes, refresh],
        vec![open],
    ];
    let codes = [
        Code::UNEXPECTED_IN_OPEN_SENT,
        Code::UNEXPECTED_IN_OPEN_CONFIRM,
        Code::UNEXPECTED_IN_ESTABLISHED,
    ];
    for (state, (messages, code)) in unexpected.into_iter().zip(codes).enumerate() {
        for message in messages {
            let mut lone = in_every_state().into_iter().nth(state).unwrap();
            lone.message(&message);
            lone.assert_ended(code);
        }
    }
}

#[test]
fn a_notification_is_never_answered() {
    for mut lone in in_every_state() {
        let said = lone.sent.len();
        let cease = NotificationCode::ADMINISTRATIVE_SHUTDOWN;
        lone.message(&Message::Notification(Notification::with_text(cease, "maintenance")));
        assert_eq!(lone.sent.len(), said);
        assert!(lone.actions.contains(&Action::Close { connection: lone.id }));
        let received = lone.session.view().last_received.unwrap();
        assert_eq!(received.words, "administrative shutdown");
        assert_eq!(received.text.as_deref(), Some("maintenance"));
    }
}

#[test]
fn messages_behind_an_error_do_not_count() {
    let mut lone = Lone::usual();
    let mut octets = header(19, 9);
    octets.extend(encoded(&Message::Update(Box::new(update(1))), lone.agreement()));
    lone.octets(&octets);
    lone.assert_ended(NotificationCode::BAD_MESSAGE_TYPE);
    assert!(!lone.actions.iter().any(|action| matches!(action, Action::Update(_))));
}

/// An UPDATE as octets, with an attribute more.
fn with_attribute(lone: &Lone, attribute: &[u8]) -> Vec<u8> {
    let mut octets = encoded(&Message::Update(Box::new(update(1))), lone.agreement());
    octets.extend_from_slice(attribute);
    let length = u16::try_from(octets.len()).unwrap();
    octets[16..18].copy_from_slice(&length.to_be_bytes());
    octets[21..23].copy_from_slice(&(length - 23).to_be_bytes());
    octets
}

#[test]
fn treat_as_withdraw_keeps_the_session_and_withdraws() {
    let mut lone = Lone::usual();
    // MULTI_EXIT_DISC of three octets: RFC 7606 §7.4.
    lone.octets(&with_attribute(&lone, &[0x80, 4, 3, 0, 0, 0]));
    assert_eq!(lone.session.state(), State::Established);
    let [Action::Update(update)] = lone.actions.as_slice() else {
        panic!("{:?}", lone.actions);
    };
    assert_eq!((update.withdrawn.as_slice(), &update.announced), ([prefix(1)].as_slice(), &None));
    assert_eq!(lone.session.counters().updates_treated_as_withdraw, 1);
}

#[test]
fn attribute_discard_keeps_the_route() {
    let mut lone = Lone::usual();
    // ATOMIC_AGGREGATE of one octet: RFC 7606 §7.6.
    lone.octets(&with_attribute(&lone, &[0x40, 6, 1, 0]));
    let [Action::Update(update)] = lone.actions.as_slice() else {
        panic!("{:?}", lone.actions);
    };
    assert!(update.announced.is_some() && update.withdrawn.is_empty());
    assert_eq!(lone.session.counters().updates_with_discards, 1);
}

#[test]
fn prefixes_that_cannot_be_read_end_the_session() {
    let mut lone = Lone::usual();
    // RFC 7606 §5.3: a prefix of 129 bits in MP_UNREACH_NLRI.
    let mut octets = header(23 + 7, 2);
    octets.extend([0, 0, 0, 7, 0x80, 15, 4, 0, 2, 1, 129]);
    lone.octets(&octets);
    lone.assert_ended(NotificationCode::OPTIONAL_ATTRIBUTE_ERROR);
    let [down] = lone.downs().try_into().unwrap();
    assert!(matches!(down.reason, DownReason::NotificationSent(_)));
}

#[test]
fn the_end_of_the_first_table_is_told_apart() {
    let mut lone = Lone::usual();
    lone.message(&Message::Update(Box::new(Update::end_of_rib())));
    assert_eq!(lone.actions, [Action::EndOfRib]);
}

#[test]
fn refreshes_of_what_was_agreed_on_are_passed_on() {
    let mut lone = Lone::usual();
    let family = AddressFamily::IPV6_UNICAST;
    let kinds = [RefreshKind::Request, RefreshKind::Begin, RefreshKind::End];
    for kind in kinds {
        lone.message(&Message::RouteRefresh(RouteRefresh { family, kind }));
    }
    assert_eq!(lone.actions, kinds.map(Action::Refresh));
    let foreign = RouteRefresh { family: AddressFamily::IPV4_UNICAST, kind: kinds[0] };
    let strange = RouteRefresh { family, kind: RefreshKind::Other(9) };
    lone.message(&Message::RouteRefresh(foreign));
    lone.message(&Message::RouteRefresh(strange));
    assert_eq!((lone.actions.len(), lone.session.counters().refreshes_ignored), (3, 2));
}

/// RFC 7313 §4: one that restarts gracefully "MUST NOT send a BoRR message … before it sends the
/// EoR", and who hears it "MUST ignore" it.
#[test]
fn a_refresh_that_begins_before_end_of_rib_is_ignored() {
    let mut open = peer_open();
    open.capabilities.push(Capability::GracefulRestart(GracefulRestart {
        has_restarted: false,
        survives_notifications: false,
        restart_time_s: 60,
        families: vec![(AddressFamily::IPV6_UNICAST, true)],
    }));
    let mut lone = Lone::established(settings(OURS, THEIRS), open);
    let (family, kind) = (AddressFamily::IPV6_UNICAST, RefreshKind::Begin);
    lone.message(&Message::RouteRefresh(RouteRefresh { family, kind }));
    assert_eq!((lone.actions.len(), lone.session.counters().refreshes_ignored), (0, 1));
    lone.message(&Message::Update(Box::new(Update::end_of_rib())));
    lone.message(&Message::RouteRefresh(RouteRefresh { family, kind }));
    assert_eq!(lone.actions, [Action::EndOfRib, Action::Refresh(kind)]);
}

#[test]
fn bounds_of_a_refresh_with_a_wrong_length_have_their_own_code() {
    let mut lone = Lone::usual();
    let mut octets = header(24, 5);
    octets.extend([0, 2, 1, 1, 0]);
    lone.octets(&octets);
    lone.assert_ended(NotificationCode::INVALID_ROUTE_REFRESH_LENGTH);
    assert_eq!(lone.notification().unwrap().data, octets);
}

#[test]
fn a_refresh_is_asked_for_only_where_the_peer_can() {
    let mut lone = Lone::usual();
    lone.input(Input::Refresh);
    assert!(matches!(lone.sent.as_slice(), [Message::RouteRefresh(_)]));
    let mut open = peer_open();
    open.capabilities.retain(|capability| *capability != Capability::RouteRefresh);
    let mut lone = Lone::established(settings(OURS, THEIRS), open);
    lone.input(Input::Refresh);
    assert!(lone.sent.is_empty());
}

#[test]
fn each_cease_says_what_it_is() {
    use NotificationCode as Code;
    let text = || "see you".to_owned();
    let cases = [
        (Cease::MaximumPrefixes { prefix_count_max: 500 }, Code::MAXIMUM_PREFIXES_REACHED),
        (Cease::AdministrativeShutdown { text: text() }, Code::ADMINISTRATIVE_SHUTDOWN),
        (Cease::PeerDeConfigured, Code::PEER_DE_CONFIGURED),
        (Cease::AdministrativeReset { text: text() }, Code::ADMINISTRATIVE_RESET),
        (Cease::ConfigurationChange, Code::CONFIGURATION_CHANGE),
        (Cease::OutOfResources, Code::OUT_OF_RESOURCES),
        (Cease::BfdDown, Code::BFD_DOWN),
        (Cease::LinkDown, Code::CEASE),
    ];
    for (cease, code) in cases {
        for mut lone in in_every_state() {
            lone.input(Input::Stop(cease.clone()));
            lone.assert_ended(code);
            assert_eq!(lone.session.state(), State::Idle);
            assert_eq!(lone.session.next_deadline(), None, "what is stopped stays down");
        }
    }
    let mut lone = Lone::usual();
    lone.input(Input::Stop(Cease::MaximumPrefixes { prefix_count_max: 500 }));
    assert_eq!(lone.notification().unwrap().data, [0, 2, 1, 0, 0, 1, 244]);
    let mut lone = Lone::usual();
    lone.input(Input::Stop(Cease::AdministrativeShutdown { text: text() }));
    assert_eq!(lone.notification().unwrap().text().as_deref(), Some("see you"));
    assert_eq!(lone.session.view().last_sent.unwrap().words, "administrative shutdown");
}
