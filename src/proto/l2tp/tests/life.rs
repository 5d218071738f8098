//! Lives of two peers from a seed: they always come together, and always part cleanly.

use super::super::limits::{HELLO_TIME, RETRANSMISSIONS};
use super::super::*;
use super::link::{Path, World, secret, session, settings};
use crate::base::machine::Machine;
use crate::wire::l2tp::{
    ControlFrame, DigestKind, MessageType, Reason, SharedSecret, StopCode, decode,
};

const NAMES: [&str; 5] = ["blue", "red", "green", "black", "white"];

/// The types of messages that an end has sent.
fn types(world: &World, number: usize) -> Vec<MessageType> {
    let own = world.sent.iter().filter(|(from, _)| *from == number);
    own.filter_map(|(_, octets)| {
        let frame = ControlFrame::read(octets).unwrap();
        decode(&frame, None).unwrap().message.kind()
    })
    .collect()
}

fn authenticated(world: usize) -> Settings {
    Settings { authentication: Some(secret("wood")), ..settings(world) }
}

#[test]
fn on_a_good_path_three_messages_make_a_connection_and_three_a_session() {
    let passive = Settings { initiative: Initiative::Passive, ..settings(1) };
    let mut world = World::with(1, [settings(0), passive]);
    world.input(0, Input::Session(session("blue", 100)));
    let waiting = SessionSettings { initiative: Initiative::Passive, ..session("blue", 200) };
    world.input(1, Input::Session(waiting));
    world.both(&Input::Start);
    world.run(20);
    assert!(world.is_whole(1));
    // §3.3.1, §3.4.1; what nothing else acknowledges is acknowledged at once.
    use MessageType::{Ack, Iccn, Icrp, Icrq, Scccn, Sccrp, Sccrq};
    assert_eq!(types(&world, 0), [Sccrq, Scccn, Icrq, Iccn]);
    let others = types(&world, 1);
    let said: Vec<_> = others.iter().filter(|kind| **kind != Ack).collect();
    assert_eq!(said, [&Sccrp, &Icrp]);
    assert_eq!(others.last(), Some(&Ack));
    assert_eq!(world.peers.each_ref().map(|peer| peer.counters().retransmitted), [0, 0]);
}

#[test]
fn on_any_path_both_ends_come_together_and_part_cleanly() {
    for seed in 0..150 {
        let authentication = (seed % 3 == 0).then(|| {
            let digest = DigestKind::ALL[usize::from(seed % 2 == 0)];
            Authentication { digest, cookies: CookieHiding::Hidden, ..secret("wood") }
        });
        let mut world =
            World::with(seed, [0, 1].map(|number| Settings { authentication, ..settings(number) }));
        world.path = Path {
            loss: seed % 40,
            doubling: seed % 30,
            delay: seed % 50,
            // What nobody signs is believed.
            spoiling: if authentication.is_some() { seed % 20 } else { 0 },
            is_cut: false,
        };
        world.sessions(&NAMES);
        world.both(&Input::Start);
        world.run(200);
        world.path = Path::default();
        world.run(120);
        assert!(world.is_whole(NAMES.len()), "seed {seed}: {:#?}", world.peers[0].view());
        world.path.loss = seed % 40;
        world.both(&Input::Stop);
        world.run(200);
        for number in [0, 1] {
            let view = world.peers[number].view();
            assert_eq!(view.state, ConnectionState::Idle, "seed {seed}");
            assert_eq!(world.up_count(number), 0, "seed {seed}");
            assert_eq!(world.peers[number].next_deadline(), None, "seed {seed}: not silent");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_life() {
    let live = || {
        let mut world = World::with(7, [authenticated(0), authenticated(1)]);
        world.path = Path { loss: 20, doubling: 10, delay: 30, spoiling: 5, is_cut: false };
        world.sessions(&NAMES);
        world.both(&Input::Start);
        world.run(100);
        (world.sent, world.told)
    };
    assert_eq!(live(), live());
}

#[test]
fn a_peer_that_is_gone_is_found_by_silence_and_found_again() {
    let mut world = World::new(3);
    world.sessions(&NAMES);
    world.both(&Input::Start);
    world.run(20);
    assert!(world.is_whole(NAMES.len()));
    world.path.is_cut = true;
    // §4.4 and §4.2: a HELLO after a minute, and its repetitions.
    world.run(HELLO_TIME.as_secs() + 1 + 2 + 4 + 8 * u64::from(RETRANSMISSIONS));
    for number in [0, 1] {
        assert_eq!(world.up_count(number), 0);
        let down = Action::ConnectionDown(ConnectionEnd::Silent);
        assert!(world.told[number].contains(&down), "{:?}", world.told[number]);
        assert_eq!(world.peers[number].view().last_end, Some(ConnectionEnd::Silent));
    }
    world.path.is_cut = false;
    world.run(180);
    assert!(world.is_whole(NAMES.len()));
}

#[test]
fn data_of_the_peer_stand_for_its_hellos() {
    // §4.4: "has passed without receiving any message (data or control) from the peer".
    let hellos = |has_data: bool| {
        let mut world = World::new(4);
        world.both(&Input::Start);
        for _ in 0..60 {
            world.run(10);
            if has_data {
                world.both(&Input::DataReceived);
            }
        }
        let said = [0, 1].map(|number| types(&world, number)).concat();
        said.into_iter().filter(|kind| *kind == MessageType::Hello).count()
    };
    assert_eq!(hellos(true), 0);
    assert!((9..30).contains(&hellos(false)), "{}", hellos(false));
}

#[test]
fn an_end_that_was_started_again_is_taken_for_the_new_one() {
    for seed in 0..20 {
        let mut world = World::with(seed, [authenticated(0), authenticated(1)]);
        world.sessions(&NAMES);
        world.both(&Input::Start);
        world.run(20);
        assert!(world.is_whole(NAMES.len()));
        world.renew(1, authenticated(1));
        world.told[1].clear();
        for (local, name) in (300..).zip(NAMES) {
            world.input(1, Input::Session(session(name, local)));
        }
        world.input(1, Input::Start);
        world.run(10);
        assert!(world.is_whole(NAMES.len()), "seed {seed}");
        let replaced = Action::ConnectionDown(ConnectionEnd::Replaced);
        assert!(world.told[0].contains(&replaced));
    }
}

#[test]
fn a_connection_ends_with_its_sessions_and_the_reason_is_told() {
    let mut world = World::new(5);
    world.sessions(&NAMES);
    world.both(&Input::Start);
    world.run(20);
    world.input(1, Input::Stop);
    world.run(2);
    let cleared = ConnectionEnd::Remote(Reason::new(StopCode::CLEARED));
    assert!(world.told[0].contains(&Action::ConnectionDown(cleared)));
    assert!(world.told[1].contains(&Action::ConnectionDown(ConnectionEnd::Stopped)));
    assert_eq!([0, 1].map(|number| world.up_count(number)), [0, 0]);
    world.run(600);
    assert!(world.peers[1].counters().not_started > 0);
    world.input(1, Input::Start);
    world.run(120);
    assert!(world.is_whole(NAMES.len()));
}

#[test]
fn two_requests_that_meet_make_one_connection() {
    let mut met = 0;
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.both(&Input::Start);
        world.run(5);
        assert!(world.is_whole(0), "seed {seed}");
        let counters = world.peers.each_ref().map(|peer| *peer.counters());
        met += counters.map(|counters| counters.ties_won + counters.ties_lost).iter().sum::<u64>();
        assert_eq!(counters.map(|counters| counters.connections), [1, 1]);
    }
    assert!(met >= 40, "{met}");
}

#[test]
fn another_secret_comes_in_without_an_interruption() {
    let mut world = World::with(6, [authenticated(0), authenticated(1)]);
    world.sessions(&NAMES);
    world.both(&Input::Start);
    world.run(20);
    let old = SharedSecret::derive(b"wood");
    let new = SharedSecret::derive(b"joinery");
    // First both accept the new one, then both use it, then none accepts the old one.
    for (secret, other_secret) in [(old, Some(new)), (new, Some(old)), (new, None)] {
        for number in [0, 1] {
            let authentication =
                Some(Authentication { secret, other_secret, ..super::link::secret("") });
            let settings = Settings { authentication, ..settings(number) };
            world.input(number, Input::Settings(Box::new(settings)));
            world.run(200);
        }
    }
    assert!(world.is_whole(NAMES.len()));
    for number in [0, 1] {
        assert_eq!(world.peers[number].counters().digest_wrong, 0);
        assert_eq!(world.peers[number].counters().connections, 1);
    }
}

#[test]
fn thousands_of_sessions_come_up_on_a_bad_path() {
    let mut world = World::new(8);
    world.path = Path { loss: 5, doubling: 5, delay: 5, ..Path::default() };
    let names: Vec<String> = (0..2000).map(|number| format!("tenant{number}")).collect();
    for (place, name) in (0..).zip(&names) {
        world.input(0, Input::Session(session(name, 10_000 + place)));
        let passive =
            SessionSettings { initiative: Initiative::Passive, ..session(name, 20_000 + place) };
        world.input(1, Input::Session(passive));
    }
    world.both(&Input::Start);
    world.run(1200);
    assert!(world.is_whole(names.len()), "{} are up", world.up_count(0));
}
