//! Graceful restart: whose routes are kept, and for how long (RFC 4724, RFC 8538).

use super::super::action::DownReason;
use super::super::limits::COLLISION_WINDOW;
use super::super::settings::RestartSettings;
use super::*;
use crate::wire::bgp::GracefulRestart;

fn restarting(survives_notifications: bool, families: &[(AddressFamily, bool)]) -> Open {
    let mut open = peer_open();
    open.capabilities.push(Capability::GracefulRestart(GracefulRestart {
        has_restarted: false,
        survives_notifications,
        restart_time_s: 120,
        families: families.to_vec(),
    }));
    open
}

const KEPT: Retention = Retention::Keep { restart_time: Duration::from_secs(120) };
const OURS_TOO: [(AddressFamily, bool); 1] = [(AddressFamily::IPV6_UNICAST, true)];

/// What becomes of the routes when this happens to an Established session.
fn retention(open: Open, event: impl FnOnce(&mut Lone)) -> Retention {
    let mut lone = Lone::established(settings(OURS, THEIRS), open);
    event(&mut lone);
    let [down] = lone.downs().try_into().unwrap();
    down.retention
}

fn lose(lone: &mut Lone) {
    lone.input(Input::Closed { connection: lone.id });
}

fn be_silent(lone: &mut Lone) {
    lone.pass(90 * SECOND);
}

fn hear(code: NotificationCode) -> impl FnOnce(&mut Lone) {
    move |lone| lone.message(&Message::Notification(Notification::new(code)))
}

fn end(cease: Cease) -> impl FnOnce(&mut Lone) {
    move |lone| lone.input(Input::Reset(cease))
}

#[test]
fn a_lost_connection_keeps_routes_of_a_peer_that_restarts_gracefully() {
    assert_eq!(retention(restarting(false, &OURS_TOO), lose), KEPT);
    assert_eq!(retention(peer_open(), lose), Retention::Drop);
    // RFC 4724 §3: a peer that only helps keeps no routes of its own.
    assert_eq!(retention(restarting(false, &[]), lose), Retention::Drop);
    let ipv4 = [(AddressFamily::IPV4_UNICAST, true)];
    assert_eq!(retention(restarting(false, &ipv4), lose), Retention::Drop);
}

#[test]
fn who_does_not_help_drops_routes() {
    let restart = RestartSettings {
        mode: RestartMode::Off,
        restart_time_s: 0,
        survives_notifications: false,
    };
    let off = Settings { restart, ..settings(OURS, THEIRS) };
    let mut lone = Lone::established(off, restarting(true, &OURS_TOO));
    lose(&mut lone);
    assert_eq!(lone.downs()[0].retention, Retention::Drop);
}

#[test]
fn notifications_keep_routes_only_where_both_ends_say_so() {
    use NotificationCode as Code;
    let reset = || Cease::AdministrativeReset { text: String::new() };
    for (survives, kept) in [(true, KEPT), (false, Retention::Drop)] {
        let open = || restarting(survives, &OURS_TOO);
        assert_eq!(retention(open(), be_silent), kept);
        assert_eq!(retention(open(), hear(Code::ADMINISTRATIVE_RESET)), kept);
        assert_eq!(retention(open(), hear(Code::MALFORMED_ATTRIBUTE_LIST)), kept);
        assert_eq!(retention(open(), end(reset())), kept);
        // RFC 8538 §3.
        assert_eq!(retention(open(), hear(Code::HARD_RESET)), Retention::Drop);
        let hard = [
            Cease::MaximumPrefixes { prefix_count_max: 1 },
            Cease::AdministrativeShutdown { text: String::new() },
            Cease::PeerDeConfigured,
            Cease::HardReset { text: String::new() },
            Cease::BfdDown,
            Cease::LinkDown,
        ];
        for cease in hard {
            assert!(cease.is_hard());
            assert_eq!(retention(open(), end(cease)), Retention::Drop);
        }
        for cease in [Cease::ConfigurationChange, Cease::OutOfResources] {
            assert_eq!(retention(open(), end(cease)), kept);
        }
    }
}

#[test]
fn a_hard_cease_is_wrapped_where_notifications_keep_routes() {
    let mut lone = Lone::established(settings(OURS, THEIRS), restarting(true, &OURS_TOO));
    lone.input(Input::Stop(Cease::BfdDown));
    lone.assert_ended(NotificationCode::HARD_RESET);
    let inner = lone.notification().unwrap().inner();
    assert_eq!(inner.code, NotificationCode::BFD_DOWN);
    let mut lone = Lone::established(settings(OURS, THEIRS), restarting(false, &OURS_TOO));
    lone.input(Input::Stop(Cease::BfdDown));
    lone.assert_ended(NotificationCode::BFD_DOWN);
}

#[test]
fn a_peer_that_is_back_before_it_was_missed_replaces_its_session() {
    // RFC 4724 §5.
    let mut lone = Lone::established(settings(OURS, THEIRS), restarting(false, &OURS_TOO));
    lone.pass(COLLISION_WINDOW);
    let old = core::mem::replace(&mut lone.id.number, 2);
    lone.input(Input::Connected { connection: lone.id });
    let [down] = lone.downs().try_into().unwrap();
    assert_eq!(down, Down { reason: DownReason::PeerRestarted, retention: KEPT });
    let closed = ConnectionId { number: old, ..lone.id };
    assert!(lone.actions.contains(&Action::Close { connection: closed }));
    assert!(matches!(lone.sent.as_slice(), [Message::Open(_)]), "no NOTIFICATION");
    lone.message(&Message::Open(restarting(false, &OURS_TOO)));
    lone.message(&Message::Keepalive);
    assert_eq!(lone.session.state(), State::Established);
}

#[test]
fn a_connection_right_after_the_session_is_no_restart() {
    let mut lone = Lone::established(settings(OURS, THEIRS), restarting(false, &OURS_TOO));
    lone.pass(COLLISION_WINDOW - Duration::from_millis(1));
    let connection = ConnectionId { number: 2, ..lone.id };
    lone.input(Input::Connected { connection });
    assert!(lone.downs().is_empty());
    assert!(lone.actions.contains(&Action::Close { connection }));
}

/// What the OPEN of a session says about its restart.
fn told(message: &Message) -> Option<(bool, bool)> {
    let Message::Open(open) = message else { return None };
    open.capabilities.iter().find_map(|capability| match capability {
        Capability::GracefulRestart(restart) => {
            Some((restart.has_restarted, restart.families.first()?.1))
        }
        _ => None,
    })
}

#[test]
fn the_restart_is_told_until_it_is_over() {
    let mut lone = Lone::new(settings(OURS, THEIRS));
    assert_eq!(lone.sent.iter().find_map(told), Some((false, false)));
    lone.input(Input::Stop(Cease::ConfigurationChange));
    let reconnect = |lone: &mut Lone| {
        lone.sent.clear();
        lone.id.number += 1;
        lone.input(Input::Connected { connection: lone.id });
        lone.sent.iter().find_map(told)
    };
    lone.input(Input::Start(Start::Restarted { has_kept_forwarding: true }));
    assert_eq!(reconnect(&mut lone), Some((true, true)));
    lose(&mut lone);
    assert_eq!(reconnect(&mut lone), Some((true, true)));
    lone.input(Input::RestartOver);
    lose(&mut lone);
    assert_eq!(reconnect(&mut lone), Some((false, false)));
}

#[test]
fn what_the_peer_says_of_its_restart_is_passed_on() {
    let mut open = restarting(true, &OURS_TOO);
    for capability in &mut open.capabilities {
        if let Capability::GracefulRestart(restart) = capability {
            restart.has_restarted = true;
        }
    }
    let lone = Lone::established(settings(OURS, THEIRS), open);
    let held = lone.session.negotiated().unwrap();
    let restart = held.restart.unwrap();
    assert!(restart.has_restarted && restart.has_kept_forwarding && restart.keeps_routes);
    assert!(held.survives_notifications);
}
