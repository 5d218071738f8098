//! RFC 4271 §6.8 and RFC 6286 §2.3: of two connections one is kept, by both ends the same.

use super::super::settings::{EstablishedCollision, RestartSettings};
use super::*;

fn without_restart(settings: Settings) -> Settings {
    let restart = RestartSettings { mode: RestartMode::Off, ..settings.restart };
    Settings { restart, ..settings }
}

fn initiators(net: &Net) -> [Option<Initiator>; 2] {
    [net.ends[0].view().initiator, net.ends[1].view().initiator]
}

#[test]
fn the_connection_of_the_higher_identifier_is_kept() {
    // At 64500 and 64501 both connect at once; then the identifiers the other way round.
    for (identifiers, expected) in [
        ([1, 2], [Some(Initiator::Remote), Some(Initiator::Local)]),
        ([2, 1], [Some(Initiator::Local), Some(Initiator::Remote)]),
        // RFC 6286 §2.3: of equal ones, that of the larger AS number.
        ([7, 7], [Some(Initiator::Remote), Some(Initiator::Local)]),
    ] {
        let with = |settings: Settings, identifier| Settings {
            identifier: RouterId(identifier),
            ..settings
        };
        let mut net = Net::new([
            with(settings(OURS, THEIRS), identifiers[0]),
            with(settings(THEIRS, OURS), identifiers[1]),
        ]);
        net.start();
        net.run(SECOND);
        assert_eq!(net.states(), [State::Established; 2], "{identifiers:?}");
        assert_eq!(initiators(&net), expected, "{identifiers:?}");
        assert_eq!((net.open_count(0), net.open_count(1)), (1, 1));
        let counted = net.ends.iter().map(|end| end.counters().collisions).sum::<u64>();
        assert!(counted > 0, "there was a collision");
        assert!(net.downs(0).is_empty() && net.downs(1).is_empty());
    }
}

#[test]
fn whenever_the_second_connection_begins_one_session_comes_up() {
    // The second end starts later by every part of a way; delays in both orders of identifiers.
    for swapped in [false, true] {
        for late_ms in 0..40 {
            let mut pair = [settings(OURS, THEIRS), settings(THEIRS, OURS)];
            if swapped {
                let [a, b] = &mut pair;
                core::mem::swap(&mut a.identifier, &mut b.identifier);
            }
            let mut net = Net::new(pair);
            net.piece = 1;
            // Each listens before it connects, so that nothing is refused.
            net.is_open = [true, true];
            net.input(0, Input::Start(Start::Fresh));
            net.run(Duration::from_millis(late_ms));
            net.input(1, Input::Start(Start::Fresh));
            net.run(40 * SECOND);
            let case = format!("late by {late_ms} ms, swapped: {swapped}");
            assert_eq!(net.states(), [State::Established; 2], "{case}");
            assert_eq!((net.open_count(0), net.open_count(1)), (1, 1), "{case}");
            let [a, b] = initiators(&net);
            assert_eq!(a.map(Initiator::other), b, "{case}: both hold the same connection");
        }
    }
}

/// A lone session in this state on the peer's connection, and a second one of ours in OpenSent.
fn second_connection(lone: &mut Lone) -> ConnectionId {
    let find = |action: &Action| match action {
        Action::Connect { connection } => Some(*connection),
        _ => None,
    };
    let connection = lone.actions.iter().rev().find_map(find).unwrap();
    lone.input(Input::Connected { connection });
    connection
}

/// A session that connects itself, with the peer's connection there first.
fn active(settings: Settings) -> Lone {
    let now = Instant::ZERO + SECOND;
    let id = ConnectionId { initiator: Initiator::Remote, number: 1 };
    let session = Session::new(now, settings, 7);
    let (actions, sent) = (Vec::new(), Vec::new());
    let mut lone = Lone { now, session, id, actions, sent, takes: true };
    lone.input(Input::Start(Start::Fresh));
    lone.input(Input::Connected { connection: id });
    lone
}

#[test]
fn a_connection_without_open_for_long_does_not_win() {
    // Ours has no OPEN of the peer for a minute; the peer's has, and is that of the lower
    // identifier.
    let mut lone = active(Settings { identifier: RouterId(u32::MAX), ..settings(OURS, THEIRS) });
    let ours = second_connection(&mut lone);
    lone.pass(60 * SECOND);
    lone.message(&Message::Open(peer_open()));
    lone.message(&Message::Keepalive);
    assert_eq!(lone.session.state(), State::Established);
    assert_eq!(lone.session.view().initiator, Some(Initiator::Remote));
    assert!(lone.actions.contains(&Action::Close { connection: ours }));
}

#[test]
fn a_young_connection_without_open_wins_by_its_identifier() {
    let mut lone = active(Settings { identifier: RouterId(u32::MAX), ..settings(OURS, THEIRS) });
    second_connection(&mut lone);
    lone.message(&Message::Open(peer_open()));
    lone.assert_one_closed(lone.id);
    assert_eq!(lone.session.state(), State::OpenSent);
    assert_eq!(lone.session.view().initiator, Some(Initiator::Local));
}

#[test]
fn an_open_ends_a_try_of_ours() {
    let mut lone = active(settings(OURS, THEIRS));
    assert_eq!(lone.session.counters().connects, 1);
    lone.message(&Message::Open(peer_open()));
    assert_eq!(lone.session.state(), State::OpenConfirm);
    lone.message(&Message::Keepalive);
    lone.pass(60 * SECOND);
    assert_eq!(lone.session.counters().connects, 1, "nothing is tried beside a session");
}

#[test]
fn an_established_session_refuses_another_connection() {
    let usual = without_restart(settings(OURS, THEIRS));
    let mut lone = Lone::established(usual, peer_open());
    let connection = ConnectionId { initiator: Initiator::Remote, number: 2 };
    lone.pass(60 * SECOND);
    lone.input(Input::Connected { connection });
    let code = NotificationCode::COLLISION_RESOLUTION;
    assert_eq!(lone.notification().map(|told| told.code), Some(code));
    assert_eq!(lone.actions, [Action::Close { connection }]);
    assert_eq!(lone.session.state(), State::Established);
}

#[test]
fn an_established_session_is_compared_where_settings_want_it() {
    let compare = |identifier| {
        let settings = without_restart(settings(OURS, THEIRS));
        Settings {
            established_collision: EstablishedCollision::Compare,
            identifier: RouterId(identifier),
            ..settings
        }
    };
    // Ours is Established; the peer opens another one.
    for (identifier, survivor) in [(1, Initiator::Remote), (u32::MAX, Initiator::Local)] {
        let mut lone = active(compare(identifier));
        lone.input(Input::Closed { connection: lone.id });
        let ours = second_connection(&mut lone);
        let theirs = core::mem::replace(&mut lone.id, ours);
        lone.message(&Message::Open(peer_open()));
        lone.message(&Message::Keepalive);
        assert_eq!(lone.session.state(), State::Established);
        lone.id = ConnectionId { number: theirs.number + 1, ..theirs };
        lone.input(Input::Connected { connection: lone.id });
        lone.octets(&encoded(&Message::Open(peer_open()), Agreement::default()));
        let closed = if survivor == Initiator::Local { lone.id } else { ours };
        lone.assert_one_closed(closed);
        assert_eq!(lone.downs().len(), usize::from(survivor == Initiator::Remote));
        assert_eq!(lone.session.view().initiator, Some(survivor));
    }
}

#[test]
fn a_peer_that_opens_a_second_connection_has_forgotten_the_first() {
    let mut lone = Lone::new(settings(OURS, THEIRS));
    let first = lone.id;
    lone.id.number = 2;
    lone.input(Input::Connected { connection: lone.id });
    lone.assert_one_closed(first);
    lone.message(&Message::Open(peer_open()));
    lone.message(&Message::Keepalive);
    assert_eq!(lone.session.state(), State::Established);
}

impl Lone {
    /// This connection is closed, and no other.
    #[track_caller]
    fn assert_one_closed(&self, connection: ConnectionId) {
        let is_last = |action: &&Action| matches!(action, Action::Close { .. });
        let closed = self.actions.iter().rfind(is_last);
        assert_eq!(closed, Some(&Action::Close { connection }));
    }
}
