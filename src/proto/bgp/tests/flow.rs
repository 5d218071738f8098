//! Back-pressure: what waits for a peer that does not read, and for how long (RFC 9687).

use super::super::limits::{
    SEND_HOLD_TIME_MIN, SEND_QUEUE_OCTETS_MAX, SEND_RESERVE_OCTETS_MAX, SEND_WINDOW_OCTETS_MAX,
};
use super::*;

/// An UPDATE as octets.
fn one() -> Vec<u8> {
    let agreement = Agreement { has_four_octet_asn: true, ..Agreement::default() };
    encoded(&Message::Update(Box::new(update(1))), agreement)
}

/// Octets of UPDATEs, so many as fit.
fn batch(octets_max: usize) -> Vec<u8> {
    let one = one();
    one.repeat(octets_max.min(64 * 1024) / one.len())
}

/// Writes until there is no room; returns how many octets.
fn fill(lone: &mut Lone) -> usize {
    let mut written = 0;
    loop {
        let octets = batch(lone.session.room());
        if octets.is_empty() {
            return written;
        }
        written += octets.len();
        lone.input(Input::Updates { octets });
    }
}

fn waiting(lone: &Lone) -> usize {
    lone.session.view().queue_octets
}

/// Keeps the session alive from the peer's side.
fn pass_with_life(lone: &mut Lone, span: Duration) {
    let until = lone.now + span;
    while lone.now < until {
        lone.pass((30 * SECOND).min(until - lone.now));
        lone.message(&Message::Keepalive);
    }
}

#[test]
fn a_peer_that_never_reads_costs_a_bounded_queue_and_then_the_session() {
    let mut lone = Lone::usual();
    lone.takes = false;
    let written = fill(&mut lone);
    assert!(written > SEND_QUEUE_OCTETS_MAX - 4096 && written <= SEND_QUEUE_OCTETS_MAX);
    let given = lone.sent.len() * one().len();
    assert!(given <= SEND_WINDOW_OCTETS_MAX && given > SEND_WINDOW_OCTETS_MAX / 2);
    pass_with_life(&mut lone, SEND_HOLD_TIME_MIN - SECOND);
    assert!(waiting(&lone) <= SEND_QUEUE_OCTETS_MAX + SEND_RESERVE_OCTETS_MAX);
    assert_eq!(lone.session.state(), State::Established);
    pass_with_life(&mut lone, SECOND);
    lone.assert_ended(NotificationCode::SEND_HOLD_TIMER_EXPIRED);
    let [down] = lone.downs().try_into().unwrap();
    assert_eq!(down.retention, Retention::Drop);
}

#[test]
fn a_peer_that_takes_octets_but_no_message_is_left_too() {
    let mut lone = Lone::usual();
    lone.takes = false;
    let extended = batch(64 * 1024);
    lone.input(Input::Updates { octets: extended });
    // An octet a minute is less than a message in the send hold time.
    for _ in 0..8 {
        pass_with_life(&mut lone, 59 * SECOND);
        lone.input(Input::Sent { connection: lone.id, octet_count: 1 });
    }
    pass_with_life(&mut lone, 10 * SECOND);
    lone.assert_ended(NotificationCode::SEND_HOLD_TIMER_EXPIRED);
}

#[test]
fn a_peer_that_reads_slowly_is_kept_and_gets_everything_in_order() {
    let mut lone = Lone::usual();
    lone.takes = false;
    let written = fill(&mut lone);
    let mut taken = 0;
    while taken < written {
        pass_with_life(&mut lone, 60 * SECOND);
        let octet_count = waiting(&lone).min(32 * 1024);
        lone.input(Input::Sent { connection: lone.id, octet_count });
        taken += octet_count;
    }
    assert_eq!(lone.session.state(), State::Established);
    let updates = lone.sent.iter().filter(|sent| matches!(sent, Message::Update(_))).count();
    assert_eq!(updates as u64, lone.session.counters().updates_out);
}

#[test]
fn room_is_told_once_when_half_of_it_is_there_again() {
    let mut lone = Lone::usual();
    lone.takes = false;
    fill(&mut lone);
    let rooms = |lone: &Lone| lone.actions.iter().filter(|a| **a == Action::Room).count();
    let mut taken = 0;
    while taken < SEND_QUEUE_OCTETS_MAX / 2 - 64 * 1024 {
        lone.input(Input::Sent { connection: lone.id, octet_count: 4096 });
        taken += 4096;
    }
    assert_eq!(rooms(&lone), 0);
    for _ in 0..40 {
        lone.input(Input::Sent { connection: lone.id, octet_count: 4096 });
    }
    assert_eq!(rooms(&lone), 1);
    assert!(lone.session.room() >= SEND_QUEUE_OCTETS_MAX / 2);
}

#[test]
fn without_a_session_there_is_no_room() {
    let mut lone = Lone::confirmed(settings(OURS, THEIRS), peer_open());
    assert_eq!(lone.session.room(), 0);
    let said = lone.sent.len();
    lone.input(Input::Updates { octets: batch(4096) });
    assert_eq!((lone.sent.len(), lone.session.counters().updates_out), (said, 0));
}

#[test]
fn a_notification_overtakes_what_the_driver_was_not_given() {
    let mut lone = Lone::usual();
    lone.takes = false;
    fill(&mut lone);
    let given = lone.sent.len();
    lone.input(Input::Stop(Cease::AdministrativeShutdown { text: "bye".into() }));
    assert_eq!(lone.sent.len(), given + 1);
    lone.assert_ended(NotificationCode::ADMINISTRATIVE_SHUTDOWN);
}

#[test]
fn a_batch_that_is_not_messages_ends_the_session_and_is_counted() {
    let mut cut = batch(4096);
    cut.pop();
    let keepalive = encoded(&Message::Keepalive, Agreement::default());
    for octets in [cut, vec![0; 30], keepalive] {
        let mut lone = Lone::usual();
        lone.input(Input::Updates { octets });
        lone.assert_ended(NotificationCode::OUT_OF_RESOURCES);
        assert_eq!(lone.session.counters().batches_refused, 1);
    }
}

#[test]
fn without_a_hold_time_there_is_no_send_hold_timer_unless_it_is_wanted() {
    let open = Open { hold_time_s: 0, ..peer_open() };
    let mut lone = Lone::established(settings(OURS, THEIRS), open.clone());
    lone.takes = false;
    fill(&mut lone);
    assert_eq!(lone.session.next_deadline(), None);
    let wanted = Settings { send_hold_time: Some(60 * SECOND), ..settings(OURS, THEIRS) };
    let mut lone = Lone::established(wanted, open);
    lone.takes = false;
    fill(&mut lone);
    lone.pass(60 * SECOND);
    lone.assert_ended(NotificationCode::SEND_HOLD_TIMER_EXPIRED);
}
