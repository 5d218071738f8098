//! Every timer of RFC 4271 §10 and RFC 9687.

use super::super::limits::{
    CONNECT_RETRY_TIME, IDLE_HOLD_TIME_MAX, IDLE_HOLD_TIME_MIN, LARGE_HOLD_TIME, STABLE_AFTER,
};
use super::*;

const HOLD_TIME: Duration = Duration::from_secs(90);

fn usual() -> Settings {
    settings(OURS, THEIRS)
}

#[test]
fn a_peer_without_open_is_left_after_four_minutes() {
    let mut lone = Lone::new(usual());
    lone.pass(LARGE_HOLD_TIME - SECOND);
    assert_eq!(lone.session.state(), State::OpenSent);
    lone.pass(SECOND);
    lone.assert_ended(NotificationCode::HOLD_TIMER_EXPIRED);
}

#[test]
fn the_hold_timer_runs_in_open_confirm_and_established() {
    let confirmed = Lone::confirmed(usual(), peer_open());
    for mut lone in [confirmed, Lone::usual()] {
        lone.pass(HOLD_TIME - SECOND);
        assert!(lone.session.state().is_connected());
        lone.pass(SECOND);
        lone.assert_ended(NotificationCode::HOLD_TIMER_EXPIRED);
    }
}

#[test]
fn every_sign_of_life_restarts_the_hold_timer() {
    let signs = [Message::Keepalive, Message::Update(Box::new(update(1)))];
    for sign in signs {
        let mut lone = Lone::usual();
        for _ in 0..10 {
            lone.pass(HOLD_TIME - SECOND);
            lone.message(&sign);
        }
        assert_eq!(lone.session.state(), State::Established);
    }
}

#[test]
fn keepalives_come_with_jitter_and_never_late() {
    let mut lone = Lone::usual();
    let (mut gaps, mut last) = (Vec::new(), lone.now);
    for _ in 0..200 {
        let before = lone.session.counters().keepalives_out;
        while lone.session.counters().keepalives_out == before {
            let at = lone.session.next_deadline().unwrap();
            lone.pass(at - lone.now);
        }
        gaps.push(lone.now - last);
        last = lone.now;
        lone.message(&Message::Keepalive);
    }
    // RFC 4271 §10: 0.75 to 1.0 of a third of the hold time; the first ran since OpenConfirm.
    let (least, most) = (Duration::from_millis(22_500), 30 * SECOND);
    assert!(gaps.iter().all(|gap| (least..=most).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max().unwrap().as_secs() > 28 && gaps.iter().min().unwrap().as_secs() < 24);
}

#[test]
fn updates_take_the_place_of_keepalives() {
    let mut lone = Lone::usual();
    let octets = encoded(&Message::Update(Box::new(update(1))), lone.agreement());
    let before = lone.session.counters().keepalives_out;
    for _ in 0..20 {
        lone.pass(20 * SECOND);
        lone.message(&Message::Keepalive);
        lone.input(Input::Updates { octets: octets.clone() });
    }
    assert_eq!(lone.session.counters().keepalives_out, before);
    assert_eq!(lone.session.counters().updates_out, 20);
}

#[test]
fn a_hold_time_of_zero_means_no_timers() {
    let lone = Lone::established(usual(), Open { hold_time_s: 0, ..peer_open() });
    assert_eq!(lone.session.next_deadline(), None);
}

/// Ends the connection with an error as soon as it may be opened; returns how long that took.
fn fail_once(lone: &mut Lone) -> Duration {
    let before = lone.now;
    lone.octets(&[0]);
    assert_eq!(lone.session.state(), State::Idle);
    while lone.session.state() == State::Idle {
        let at = lone.session.next_deadline().unwrap();
        lone.pass(at - lone.now);
    }
    let waited = lone.now - before;
    lone.id.number += 1;
    lone.input(Input::Connected { connection: lone.id });
    assert_eq!(lone.session.state(), State::OpenSent);
    waited
}

#[test]
fn the_idle_hold_time_doubles_with_every_failure() {
    let mut lone = Lone::new(usual());
    let mut wanted = IDLE_HOLD_TIME_MIN;
    for _ in 0..10 {
        let waited = fail_once(&mut lone);
        assert!(waited <= wanted && waited >= wanted * 3 / 4, "{waited:?} of {wanted:?}");
        wanted = (wanted * 2).min(IDLE_HOLD_TIME_MAX);
    }
    // A session that stands for long is no failure.
    lone.message(&Message::Open(peer_open()));
    lone.message(&Message::Keepalive);
    for _ in 0..STABLE_AFTER.as_secs() / 60 {
        lone.pass(60 * SECOND);
        lone.message(&Message::Keepalive);
    }
    assert!(fail_once(&mut lone) <= IDLE_HOLD_TIME_MIN);
}

#[test]
fn a_session_that_flaps_is_damped_although_it_was_established() {
    let mut lone = Lone::new(usual());
    let mut waited = Vec::new();
    for _ in 0..4 {
        lone.message(&Message::Open(peer_open()));
        lone.message(&Message::Keepalive);
        assert_eq!(lone.session.state(), State::Established);
        waited.push(fail_once(&mut lone));
    }
    assert!(waited.is_sorted() && waited[3] >= 6 * SECOND, "{waited:?}");
}

#[test]
fn while_it_waits_in_idle_it_refuses_connections() {
    let mut lone = Lone::new(usual());
    lone.octets(&[0]);
    let connection = ConnectionId { initiator: Initiator::Remote, number: 9 };
    lone.input(Input::Connected { connection });
    assert_eq!(lone.actions.last(), Some(&Action::Close { connection }));
    assert_eq!(lone.session.counters().connections_refused, 1);
    // RFC 4486 §4: Connection Rejected.
    let rejected = Notification::new(NotificationCode::CONNECTION_REJECTED);
    assert_eq!(lone.sent.last(), Some(&Message::Notification(rejected)));
}

#[test]
fn a_peer_in_which_no_error_was_found_may_come_back_at_once() {
    let ends: [fn(&mut Lone); 4] = [
        |lone| {
            let said = Notification::new(NotificationCode::MALFORMED_ATTRIBUTE_LIST);
            lone.message(&Message::Notification(said));
        },
        |lone| lone.pass(HOLD_TIME),
        |lone| lone.input(Input::Reset(Cease::BfdDown)),
        |lone| lone.input(Input::Reset(Cease::LinkDown)),
    ];
    for end in ends {
        let mut lone = Lone::usual();
        // Failures before do not count against it either.
        for _ in 0..3 {
            end(&mut lone);
            assert_eq!(lone.session.state(), State::Active);
            lone.id.number += 1;
            lone.input(Input::Connected { connection: lone.id });
            lone.message(&Message::Open(peer_open()));
            lone.message(&Message::Keepalive);
            assert_eq!(lone.session.state(), State::Established);
        }
    }
}

#[test]
fn a_peer_that_was_merely_lost_may_come_back_at_once() {
    let mut lone = Lone::usual();
    lone.input(Input::Closed { connection: lone.id });
    assert_eq!(lone.session.state(), State::Active);
    lone.id.number += 1;
    lone.input(Input::Connected { connection: lone.id });
    assert_eq!(lone.session.state(), State::OpenSent);
}

#[test]
fn an_unreachable_peer_is_tried_again_and_listened_for() {
    let mut session = Session::new(Instant::ZERO, usual(), 1);
    session.handle(Instant::ZERO, Input::Start(Start::Fresh));
    let (mut now, mut tries) = (Instant::ZERO, 0);
    while now < Instant::ZERO + 10 * CONNECT_RETRY_TIME {
        for action in drain(&mut session) {
            if let Action::Connect { connection } = action {
                tries += 1;
                session.handle(now, Input::ConnectFailed { connection });
                assert_eq!(session.state(), State::Active);
            }
        }
        now = session.next_deadline().unwrap();
        session.handle_timeout(now);
    }
    assert!((10..=14).contains(&tries), "{tries}");
}

#[test]
fn a_try_without_answer_is_given_up_for_the_next() {
    let mut session = Session::new(Instant::ZERO, usual(), 1);
    session.handle(Instant::ZERO, Input::Start(Start::Fresh));
    let [Action::Connect { connection: first }, ..] = drain(&mut session)[..] else {
        panic!("it connects");
    };
    let now = session.next_deadline().unwrap();
    session.handle_timeout(now);
    let actions = drain(&mut session);
    let [Action::Close { connection: closed }, Action::Connect { connection: second }] =
        actions[..]
    else {
        panic!("{actions:?}");
    };
    assert!(closed == first && second != first);
    // The first one is there after all: too late.
    session.handle(now, Input::Connected { connection: first });
    assert_eq!(drain(&mut session), [Action::Close { connection: first }]);
    assert_eq!(session.state(), State::Connect);
}

#[test]
fn a_reset_does_not_wait() {
    let mut lone = Lone::new(usual());
    lone.octets(&[0]);
    assert_eq!(lone.session.state(), State::Idle);
    lone.input(Input::Reset(Cease::AdministrativeReset { text: String::new() }));
    assert_eq!(lone.session.state(), State::Active);
}

#[test]
fn connections_without_an_answer_are_counted_until_one_has_some() {
    let mut session = Session::new(Instant::ZERO + SECOND, usual(), 7);
    let mut now = Instant::ZERO + SECOND;
    session.handle(now, Input::Start(Start::Fresh));
    for count in 1..4 {
        now += CONNECT_RETRY_TIME;
        session.handle_timeout(now);
        assert_eq!(session.view().unanswered, count);
    }
    // Refused is an answer, and so is a connection.
    let tried = |session: &mut Session| {
        let tried = drain(session).into_iter().rev().find_map(|action| match action {
            Action::Connect { connection } => Some(connection),
            _ => None,
        });
        tried.unwrap()
    };
    let connection = tried(&mut session);
    session.handle(now, Input::ConnectFailed { connection });
    assert_eq!(session.view().unanswered, 0);
    for _ in 0..2 {
        now += CONNECT_RETRY_TIME;
        session.handle_timeout(now);
    }
    assert_eq!(session.view().unanswered, 1);
    // Nor does a connection say anything that somebody cut short.
    for _ in 0..3 {
        session.handle(now, Input::Reset(Cease::AdministrativeReset { text: String::new() }));
    }
    assert_eq!(session.view().unanswered, 1);
    let connection = tried(&mut session);
    session.handle(now, Input::Connected { connection });
    assert_eq!(session.view().unanswered, 0);
}
