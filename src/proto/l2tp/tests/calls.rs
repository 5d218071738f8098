//! Sessions between two peers: what one wants and the other does not, and what becomes of it.

use super::super::*;
use super::link::{World, end, session};
use crate::wire::l2tp::{
    Cookie, DisconnectCode, PseudowireType, Reason, Sequencing, SessionId, Sublayer,
};

/// A world in which both ends are connected and have these sessions.
fn world(sessions: [SessionSettings; 2]) -> World {
    let mut world = World::new(11);
    for (number, settings) in sessions.into_iter().enumerate() {
        world.input(number, Input::Session(settings));
    }
    world.both(&Input::Start);
    world.run(20);
    world
}

fn passive(settings: SessionSettings) -> SessionSettings {
    SessionSettings { initiative: Initiative::Passive, ..settings }
}

/// Why the session of an end went down last.
fn reason(world: &World, number: usize) -> Option<SessionEnd> {
    world.told[number].iter().rev().find_map(|action| match action {
        Action::SessionDown { reason, .. } => Some(reason.clone()),
        _ => None,
    })
}

fn code(world: &World, number: usize) -> Option<DisconnectCode> {
    match reason(world, number)? {
        SessionEnd::Remote(reason) | SessionEnd::Local(reason) => Some(reason.code),
        _ => None,
    }
}

#[test]
fn each_end_says_what_it_wants_to_receive() {
    let mut one = session("blue", 100);
    one.receive = DataFormat {
        cookie: Cookie::new(&[1, 2, 3, 4]).unwrap(),
        sublayer: Sublayer::Default,
        sequencing: Sequencing::All,
    };
    let mut other = session("blue", 200);
    other.receive = DataFormat::default();
    let world = world([one.clone(), other.clone()]);
    assert!(world.is_whole(1));
    let up = world.told[0].iter().find_map(|action| match action {
        Action::SessionUp(up) => Some((**up).clone()),
        _ => None,
    });
    let expected = SessionUp {
        end: end("blue"),
        pseudowire: PseudowireType::ETHERNET,
        local: SessionId::new(100).unwrap(),
        remote: SessionId::new(200).unwrap(),
        receive: one.receive,
        transmit: other.receive,
        is_remote_active: true,
    };
    assert_eq!(up, Some(expected));
}

#[test]
fn numbers_are_not_wanted_without_a_place_for_them() {
    // §5.4.4: "Data sequencing may only be requested when there is an L2-Specific Sublayer
    // present".
    let mut one = session("blue", 100);
    one.receive.sequencing = Sequencing::All;
    let world = world([one, session("blue", 200)]);
    assert!(world.is_whole(1));
    assert_eq!(world.peers[0].view().sessions[0].receive.sublayer, Sublayer::Default);
}

#[test]
fn two_requests_for_one_circuit_make_one_session() {
    let mut met = 0;
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.both(&Input::Start);
        world.run(5);
        world.sessions(&["blue", "red"]);
        world.run(5);
        assert!(world.is_whole(2), "seed {seed}");
        let counters = world.peers.each_ref().map(|peer| *peer.counters());
        met += counters[0].ties_won + counters[1].ties_won;
        assert_eq!(counters.map(|counters| counters.sessions), [2, 2], "seed {seed}");
        assert_eq!(counters.map(|counters| counters.sessions_lost), [0, 0], "seed {seed}");
    }
    assert!(met >= 80, "{met}");
}

#[test]
fn a_circuit_that_the_other_end_lacks_is_refused_until_it_is_there() {
    let mut world = World::new(12);
    world.input(0, Input::Session(session("blue", 100)));
    world.both(&Input::Start);
    world.run(30);
    assert_eq!(code(&world, 0), Some(DisconnectCode::NO_FACILITIES_TEMPORARY));
    assert!(world.peers[1].counters().unknown_circuit > 1);
    assert_eq!(world.peers[1].counters().sessions_lost, 0);
    world.input(1, Input::Session(passive(session("blue", 200))));
    world.run(90);
    assert!(world.is_whole(1));
}

#[test]
fn another_pseudowire_type_is_refused() {
    // §5.4.2: 14, "Session not established due to unsupported PW type".
    let mut one = session("blue", 100);
    one.pseudowire = PseudowireType::ETHERNET_VLAN;
    let world = world([one, passive(session("blue", 200))]);
    assert_eq!(code(&world, 0), Some(DisconnectCode::PSEUDOWIRE_TYPE));
    assert!(world.is_whole(0));
}

#[test]
fn what_is_not_in_the_capabilities_is_never_asked_for() {
    let mut one = session("blue", 100);
    one.pseudowire = PseudowireType(7);
    let world = world([one, passive(session("blue", 200))]);
    assert_eq!(reason(&world, 0), Some(SessionEnd::Capability(PseudowireType(7))));
    assert_eq!(world.peers[1].counters().unknown_circuit, 0);
    assert_eq!(world.peers[1].counters().sessions_failed, 0);
}

#[test]
fn a_circuit_that_goes_down_and_up_is_told() {
    let mut world = world([session("blue", 100), session("blue", 200)]);
    let changes = |world: &World, number: usize| -> Vec<bool> {
        let changed = world.told[number].iter().filter_map(|action| match action {
            Action::SessionChanged { is_remote_active, .. } => Some(*is_remote_active),
            _ => None,
        });
        changed.collect()
    };
    let set = |circuit| Input::Circuit { end: end("blue"), circuit };
    world.input(0, set(Circuit::Inactive));
    world.input(0, set(Circuit::Inactive));
    world.run(2);
    assert_eq!(changes(&world, 1), [false]);
    assert_eq!(world.peers[1].view().sessions[0].is_remote_active, Some(false));
    world.input(0, set(Circuit::Active));
    world.input(1, set(Circuit::Inactive));
    world.run(2);
    assert_eq!((changes(&world, 1), changes(&world, 0)), (vec![false, true], vec![false]));
    assert!(world.is_whole(1));
}

#[test]
fn a_circuit_that_changes_while_its_session_is_made_is_told_in_the_end() {
    for seed in 0..40 {
        for number in [0, 1] {
            let mut world = World::new(seed);
            world.path.delay = 50;
            world.sessions(&["blue"]);
            world.both(&Input::Start);
            for step in 0..20 {
                let circuit = if step % 2 == 0 { Circuit::Inactive } else { Circuit::Active };
                world.input(number, Input::Circuit { end: end("blue"), circuit });
                world.run(step % 3);
            }
            let circuit = Circuit::Inactive;
            world.input(number, Input::Circuit { end: end("blue"), circuit });
            world.run(60);
            assert!(world.is_whole(1), "seed {seed}");
            let other = world.peers[1 - number].view();
            assert_eq!(other.sessions[0].is_remote_active, Some(false), "seed {seed}");
        }
    }
}

#[test]
fn a_session_that_is_taken_away_ends_at_both_ends() {
    let mut world = world([session("blue", 100), passive(session("blue", 200))]);
    world.input(1, Input::RemoveSession(end("blue")));
    world.run(1);
    let administrative = Reason::new(DisconnectCode::ADMINISTRATIVE);
    let down = |reason| Action::SessionDown { end: end("blue"), reason };
    assert!(world.told[0].contains(&down(SessionEnd::Remote(administrative))));
    assert!(world.told[1].contains(&down(SessionEnd::Removed)));
    assert!(world.is_whole(0));
    assert_eq!(world.peers[1].view().sessions, []);
    // With another id it comes back, and the peer hears of it.
    world.input(1, Input::Session(session("blue", 201)));
    world.run(60);
    assert!(world.is_whole(1));
    assert_eq!(world.peers[0].view().sessions[0].remote, SessionId::new(201));
}

#[test]
fn a_session_gets_other_ids_and_cookies_by_being_set_again() {
    let mut world = world([session("blue", 100), session("blue", 200)]);
    for round in 0..10 {
        world.input(0, Input::Session(session("blue", 101 + round)));
        world.run(u64::from(round % 3));
    }
    world.run(120);
    assert!(world.is_whole(1));
    assert_eq!(world.peers[1].view().sessions[0].remote, SessionId::new(110));
}

#[test]
fn an_id_that_another_circuit_had_takes_its_place() {
    let mut world = world([session("blue", 100), session("blue", 200)]);
    world.input(0, Input::Session(session("red", 100)));
    world.run(10);
    let down = Action::SessionDown { end: end("blue"), reason: SessionEnd::Removed };
    assert!(world.told[0].contains(&down));
    assert_eq!(world.peers[0].view().sessions.len(), 1);
    assert!(world.is_whole(0));
}
