//! OPENs: what is refused with which NOTIFICATION, and what two of them agree on.

use super::super::negotiation::{OwnRestart, RefreshSupport, negotiate, open};
use super::super::settings::{RestartSettings, RoleMode};
use super::*;
use crate::wire::bgp::{AddPathMode, GracefulRestart, Role};

const FRESH: OwnRestart = OwnRestart { start: Start::Fresh, was_established: false };
const FAMILY: AddressFamily = AddressFamily::IPV6_UNICAST;

fn with(capability: Capability) -> Open {
    let mut open = peer_open();
    open.capabilities.push(capability);
    open
}

fn without_capabilities() -> Open {
    Open { capabilities: Vec::new(), ..peer_open() }
}

fn of_provider(mode: RoleMode) -> Settings {
    Settings { role: Some(Role::Provider), role_mode: mode, ..settings(OURS, THEIRS) }
}

/// Sends octets as the first message; returns how the session ended.
fn answer(settings: Settings, octets: &[u8]) -> Lone {
    let mut lone = Lone::new(settings);
    lone.octets(octets);
    lone
}

#[test]
fn every_bad_open_has_its_notification() {
    use NotificationCode as Code;
    let usual = || settings(OURS, THEIRS);
    let nobody = Capability::Unknown { code: 9, value: vec![77] };
    let picky = Settings { hold_time_s_min: 30, ..usual() };
    let mut twice = with(Capability::Role(Role::Customer));
    twice.capabilities.push(Capability::Role(Role::Peer));
    let internal = Settings { remote_as: RemoteAs::Internal, ..usual() };
    let external = Settings { remote_as: RemoteAs::External, ..usual() };
    let inside = Open {
        asn: OURS,
        identifier: RouterId(OURS),
        capabilities: vec![Capability::Multiprotocol(FAMILY), Capability::FourOctetAsn(OURS)],
        ..peer_open()
    };
    let asn = |asn| {
        let mut open = Open { asn, ..peer_open() };
        open.capabilities.retain(|c| !matches!(c, Capability::FourOctetAsn(_)));
        open.capabilities.push(Capability::FourOctetAsn(asn));
        open
    };
    let cases = [
        (usual(), asn(64502), Code::BAD_PEER_AS),
        // RFC 7607 §2.
        (usual(), asn(0), Code::BAD_PEER_AS),
        (external.clone(), asn(0), Code::BAD_PEER_AS),
        (external.clone(), asn(23456), Code::BAD_PEER_AS),
        (external, asn(OURS), Code::BAD_PEER_AS),
        (internal.clone(), peer_open(), Code::BAD_PEER_AS),
        // RFC 6286 §2.2.
        (internal, inside, Code::BAD_BGP_IDENTIFIER),
        (usual(), Open { identifier: RouterId(0), ..peer_open() }, Code::BAD_BGP_IDENTIFIER),
        (usual(), Open { hold_time_s: 1, ..peer_open() }, Code::UNACCEPTABLE_HOLD_TIME),
        (usual(), Open { hold_time_s: 2, ..peer_open() }, Code::UNACCEPTABLE_HOLD_TIME),
        (picky.clone(), Open { hold_time_s: 29, ..peer_open() }, Code::UNACCEPTABLE_HOLD_TIME),
        (picky, Open { hold_time_s: 0, ..peer_open() }, Code::UNACCEPTABLE_HOLD_TIME),
        (usual(), without_capabilities(), Code::UNSUPPORTED_CAPABILITY),
        // RFC 9234 §4.2.
        (of_provider(RoleMode::Strict), peer_open(), Code::ROLE_MISMATCH),
        (of_provider(RoleMode::Lenient), with(Capability::Role(Role::Peer)), Code::ROLE_MISMATCH),
        (of_provider(RoleMode::Lenient), with(nobody), Code::ROLE_MISMATCH),
        (of_provider(RoleMode::Lenient), twice, Code::ROLE_MISMATCH),
    ];
    for (settings, open, code) in cases {
        let octets = encoded(&Message::Open(open), Agreement::default());
        let lone = answer(settings, &octets);
        lone.assert_ended(code);
        assert_eq!(lone.session.counters().established, 0);
    }
}

#[test]
fn a_refused_open_says_what_it_says_and_what_it_should_say() {
    let refused = |settings: Settings, open: Open| {
        let octets = encoded(&Message::Open(open), Agreement::default());
        answer(settings, &octets).session.view().last_sent.unwrap().detail.unwrap()
    };
    let wrong = Settings { remote_as: RemoteAs::Exactly(64777), ..settings(OURS, THEIRS) };
    assert_eq!(
        refused(wrong, peer_open()),
        format!("it says that it is in AS {THEIRS}, its block says AS 64777")
    );
    assert_eq!(
        refused(of_provider(RoleMode::Strict), peer_open()),
        "this router is provider and it should be customer, but it does not say what it is"
    );
    assert_eq!(
        refused(of_provider(RoleMode::Lenient), with(Capability::Role(Role::Peer))),
        "this router is provider and it should be customer, but it says that it is peer"
    );
}

#[test]
fn an_open_that_cannot_be_read_has_its_notification() {
    use NotificationCode as Code;
    let whole = encoded(&Message::Open(peer_open()), Agreement::default());
    let changed = |at: usize, octet: u8| {
        let mut octets = whole.clone();
        octets[at] = octet;
        octets
    };
    // The version, the length of the parameters, the type of the first, its length.
    let cases = [
        (changed(19, 3), Code::UNSUPPORTED_VERSION),
        (changed(28, 1), Code::OPEN_ERROR),
        (changed(29, 1), Code::UNSUPPORTED_OPTIONAL_PARAMETER),
        (changed(30, 200), Code::OPEN_ERROR),
    ];
    for (octets, code) in cases {
        answer(settings(OURS, THEIRS), &octets).assert_ended(code);
    }
    let lone = answer(settings(OURS, THEIRS), &changed(19, 3));
    assert_eq!(lone.notification().unwrap().data, [0, 4], "the version that we can");
}

#[test]
fn a_missing_capability_is_named() {
    let octets = encoded(&Message::Open(without_capabilities()), Agreement::default());
    let lone = answer(settings(OURS, THEIRS), &octets);
    assert_eq!(lone.notification().unwrap().data, [1, 4, 0, 2, 0, 1]);
}

#[test]
fn equal_identifiers_of_two_ases_are_accepted() {
    // RFC 6286 §2.1: unique within an AS.
    let open = Open { identifier: RouterId(OURS), ..peer_open() };
    let lone = Lone::established(settings(OURS, THEIRS), open);
    assert_eq!(lone.session.negotiated().unwrap().peer_identifier, RouterId(OURS));
}

fn agreed(settings: &Settings, theirs: &Open) -> Negotiated {
    negotiate(settings, &open(settings, FRESH), theirs).unwrap()
}

#[test]
fn the_smaller_hold_time_holds_and_zero_means_none() {
    let seconds = |ours, theirs| {
        let settings = Settings { hold_time_s: ours, ..settings(OURS, THEIRS) };
        let held = agreed(&settings, &Open { hold_time_s: theirs, ..peer_open() });
        (held.hold_time.as_secs(), held.keepalive_time.as_secs())
    };
    assert_eq!(seconds(90, 9), (9, 3));
    assert_eq!(seconds(9, 180), (9, 3));
    assert_eq!(seconds(0, 90), (0, 0));
    assert_eq!(seconds(90, 0), (0, 0));
}

#[test]
fn keepalives_come_sooner_where_that_is_wanted_and_never_later() {
    let keepalive_time = |wanted, hold_time_s| {
        let keepalive_time = Some(crate::base::time::Duration::from_secs(wanted));
        let settings = Settings { keepalive_time, ..settings(OURS, THEIRS) };
        agreed(&settings, &Open { hold_time_s, ..peer_open() }).keepalive_time.as_secs()
    };
    assert_eq!(keepalive_time(10, 90), 10);
    assert_eq!(keepalive_time(10, 9), 3);
    assert_eq!(keepalive_time(10, 0), 0);
    assert_eq!(keepalive_time(0, 90), 1);
}

#[test]
fn only_what_both_ends_can_is_agreed_on() {
    let settings = settings(OURS, THEIRS);
    let plain = Open {
        capabilities: vec![Capability::Multiprotocol(FAMILY), Capability::RouteRefresh],
        ..peer_open()
    };
    let held = agreed(&settings, &plain);
    assert_eq!(held.refresh, RefreshSupport::Plain);
    assert_eq!(held.send, Agreement { is_external: true, ..Agreement::default() });
    assert_eq!((held.restart, held.survives_notifications), (None, false));
    let held = agreed(&settings, &with(Capability::ExtendedMessage));
    assert!(held.send.has_extended_messages && held.send.has_four_octet_asn);
    assert_eq!(held.refresh, RefreshSupport::Enhanced);
    let short = Settings { has_extended_messages: false, ..settings };
    let held = agreed(&short, &with(Capability::ExtendedMessage));
    assert!(!held.send.has_extended_messages && !held.receive.has_extended_messages);
}

#[test]
fn an_as_of_four_octets_is_told_to_a_peer_of_two() {
    let settings = Settings::new(4_200_000_000, RouterId(9), RemoteAs::External);
    let mut old = peer_open();
    old.capabilities.retain(|capability| !matches!(capability, Capability::FourOctetAsn(_)));
    let octets = encoded(&Message::Open(open(&settings, FRESH)), Agreement::default());
    assert_eq!(octets[20..22], 23456_u16.to_be_bytes(), "AS_TRANS");
    let held = agreed(&settings, &old);
    assert!(!held.receive.has_four_octet_asn && held.peer_asn == THEIRS);
}

#[test]
fn paths_go_in_the_directions_that_both_ends_want() {
    let mode = |receives, sends| AddPathMode { receives, sends };
    let path_ids = |ours, theirs| {
        let settings = Settings { add_path: ours, ..settings(OURS, THEIRS) };
        let held = agreed(&settings, &with(Capability::AddPath(vec![(FAMILY, theirs)])));
        (held.receive.has_path_ids, held.send.has_path_ids)
    };
    assert_eq!(path_ids(mode(true, true), mode(true, true)), (true, true));
    assert_eq!(path_ids(mode(true, false), mode(false, true)), (true, false));
    assert_eq!(path_ids(mode(false, true), mode(true, true)), (false, true));
    assert_eq!(path_ids(mode(true, false), mode(true, false)), (false, false));
    assert_eq!(path_ids(mode(false, false), mode(true, true)), (false, false));
}

#[test]
fn roles_that_fit_are_accepted_and_shown() {
    for role in Role::ALL {
        let settings = Settings { role: Some(role), ..settings(OURS, THEIRS) };
        let held = agreed(&settings, &with(Capability::Role(role.counterpart())));
        assert_eq!((held.role, held.peer_role), (Some(role), Some(role.counterpart())));
    }
    let held = agreed(&of_provider(RoleMode::Lenient), &peer_open());
    assert_eq!((held.role, held.peer_role), (Some(Role::Provider), None));
    let silent = settings(OURS, THEIRS);
    assert!(negotiate(&silent, &open(&silent, FRESH), &with(Capability::Role(Role::Peer))).is_ok());
}

#[test]
fn within_an_as_no_role_is_told() {
    let settings = Settings { role: Some(Role::Peer), ..settings(OURS, OURS) };
    let told = open(&settings, FRESH).capabilities;
    assert!(!told.iter().any(|capability| matches!(capability, Capability::Role(_))));
}

fn restart_of(settings: &Settings, own: OwnRestart) -> Option<GracefulRestart> {
    open(settings, own).capabilities.into_iter().find_map(|capability| match capability {
        Capability::GracefulRestart(restart) => Some(restart),
        _ => None,
    })
}

#[test]
fn our_open_tells_of_our_restart() {
    let of_mode = |mode| {
        let restart = RestartSettings { mode, restart_time_s: 120, survives_notifications: true };
        Settings { restart, ..settings(OURS, THEIRS) }
    };
    let full = of_mode(RestartMode::Full);
    let told = restart_of(&full, FRESH).unwrap();
    assert_eq!((told.has_restarted, told.restart_time_s), (false, 120));
    assert_eq!(told.families, [(FAMILY, false)]);
    let start = Start::Restarted { has_kept_forwarding: true };
    let told = restart_of(&full, OwnRestart { start, was_established: false }).unwrap();
    assert!(told.has_restarted && told.survives_notifications);
    assert_eq!(told.families, [(FAMILY, true)]);
    // A session that was lost without a restart: what was forwarded still is.
    let told = restart_of(&full, OwnRestart { start: Start::Fresh, was_established: true });
    assert_eq!(told.unwrap().families, [(FAMILY, true)]);
    let told = restart_of(&of_mode(RestartMode::Helper), FRESH).unwrap();
    assert!(told.families.is_empty());
    assert_eq!(restart_of(&of_mode(RestartMode::Off), FRESH), None);
}

#[test]
fn the_view_says_who_has_which_capability() {
    let lone = Lone::usual();
    let view = lone.session.view();
    let has = |name: &str| {
        let found = view.capabilities.iter().find(|capability| capability.name == name).unwrap();
        (found.is_sent, found.is_received)
    };
    assert_eq!(has("IPv6 unicast"), (true, true));
    assert_eq!(has("extended messages"), (true, false));
    assert_eq!((view.state, view.initiator), (State::Established, Some(Initiator::Remote)));
    assert_eq!(view.negotiated.unwrap().peer_asn, THEIRS);
}
