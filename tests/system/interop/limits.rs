//! Ends of sessions: too many prefixes, administrators, daemons that die or hang.

use super::peer::{Announced, Kind, Wish, present};
use super::route::{Half, made};
use super::speaker::{Speaker, Who};
use super::world::{BGP, World};
use rustix::process::Signal;

const PREFIXES: [&str; 3] = ["2001:db8:a00::/48", "2001:db8:a01::/48", "2001:db8:a02::/48"];

fn three() -> [Announced<'static>; 3] {
    PREFIXES.map(Announced::plain)
}

fn reason(world: &World, kind: Kind) -> String {
    world.neighbor(kind.name())["last_down"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_daemon_with_too_many_prefixes_is_turned_away_and_comes_back_when_it_may() {
    for kind in present(&Kind::ALL) {
        let world = World::new(&[kind.name()]);
        let block = |max: u32| {
            let keys = format!("max_prefix = {max}\nmax_prefix_restart_time = 1");
            format!("{BGP}{}", world.neighbor_block(kind.name(), kind.asn(), &keys))
        };
        world.start_kumiki(&block(2));
        let announces = three();
        let peer = kind.start(&world, &Wish { announces: &announces, ..Wish::default() });
        // With FRR as a hard reset (RFC 8538 §3).
        let words = "maximum number of prefixes reached";
        world.wait("too many", || {
            let reason = reason(&world, kind);
            reason.starts_with("we sent: ") && reason.ends_with(words)
        });
        world.wait("the daemon knows", || {
            peer.words().to_lowercase().contains("maximum number of prefixes")
        });
        world.apply(&block(3));
        world.wait("three may be", || world.neighbor(kind.name())["accepted_count"] == 3);
    }
}

#[test]
fn a_daemon_that_has_heard_too_many_prefixes_says_so() {
    for kind in present(&Kind::ALL) {
        let world = World::new(&[kind.name(), "world"]);
        let daemon = world.neighbor_block(kind.name(), kind.asn(), "");
        let near = world.neighbor_block("world", 65_001, "passive = true");
        world.start_kumiki(&format!("{BGP}{near}{daemon}"));
        let _peer = kind.start(&world, &Wish { prefix_max: Some(5), ..Wish::default() });
        world.wait("established", || world.is_established(kind.name()));
        let to = world.kumiki("world");
        let mut speaker = Speaker::establish(&world, "world", to, &Who::of(65_001));
        speaker.announce(&made(Half::Low, 20, 65_001, world.address("world")));
        world.wait("its limit", || {
            let reason = reason(&world, kind);
            let words = "maximum number of prefixes reached";
            reason.starts_with("the peer sent: ") && reason.ends_with(words)
        });
    }
}

#[test]
fn what_an_administrator_has_to_say_is_read_at_the_other_end() {
    const TEXT: &str = "cable work until noon";
    for kind in present(&Kind::ALL) {
        let world = World::new(&[kind.name()]);
        let block =
            |keys: &str| format!("{BGP}{}", world.neighbor_block(kind.name(), kind.asn(), keys));
        world.start_kumiki(&block(""));
        let peer = kind.start(&world, &Wish::default());
        world.wait("established", || world.is_established(kind.name()));
        world.apply(&block(&format!("shutdown = \"{TEXT}\"")));
        // FRR 8.4 shows the reason within a hard reset (RFC 8538), and not its text.
        let words = if kind == Kind::Frr { "Cease/Administrative Shutdown" } else { TEXT };
        world.wait("the daemon has read it", || peer.words().contains(words));
        world.apply(&block(""));
        world.wait("established again", || world.is_established(kind.name()));
        let text = if kind == Kind::Gobgp { "noon" } else { "until noon" };
        peer.shut_down(text);
        world.wait("the router has read it", || {
            let reason = reason(&world, kind);
            let words = format!("administrative shutdown: {text}");
            // GoBGP 3.10 ends the session without the text where it shuts down a neighbour.
            let words = if kind == Kind::Gobgp { "administrative shutdown" } else { &*words };
            reason.starts_with("the peer sent: ") && reason.ends_with(words)
        });
    }
}

#[test]
fn a_daemon_that_dies_takes_its_routes_with_it_and_brings_them_back() {
    for kind in present(&Kind::ALL) {
        let world = World::new(&[kind.name()]);
        let keys = "graceful_restart = \"off\"";
        let block = world.neighbor_block(kind.name(), kind.asn(), keys);
        world.start_kumiki(&format!("{BGP}{block}"));
        let announces = three();
        let peer = kind.start(&world, &Wish { announces: &announces, ..Wish::default() });
        world.wait("routes", || world.neighbor(kind.name())["accepted_count"] == 3);
        peer.crash();
        world.wait("no routes", || world.neighbor(kind.name())["received_count"] == 0);
        assert!(world.rows("bgp route 2001:db8:a00::/48").is_empty());
        assert_eq!(reason(&world, kind), "the connection was lost");
        peer.recover();
        world.wait("routes again", || world.neighbor(kind.name())["accepted_count"] == 3);
    }
}

#[test]
fn a_daemon_that_hangs_is_dead_after_the_hold_time_and_lives_again() {
    for kind in present(&Kind::ALL) {
        let world = World::new(&[kind.name()]);
        let keys = "hold_time = 3\ngraceful_restart = \"off\"";
        let block = world.neighbor_block(kind.name(), kind.asn(), keys);
        world.start_kumiki(&format!("{BGP}{block}"));
        let announces = three();
        let wish = Wish { announces: &announces, hold_time_s: Some(3), ..Wish::default() };
        let peer = kind.start(&world, &wish);
        world.wait("routes", || world.neighbor(kind.name())["accepted_count"] == 3);
        world.signal(&peer.process(), Signal::STOP);
        world.wait("dead", || reason(&world, kind) == "we sent: hold timer expired");
        assert_eq!(world.neighbor(kind.name())["received_count"], 0);
        world.signal(&peer.process(), Signal::CONT);
        world.wait("routes again", || world.neighbor(kind.name())["accepted_count"] == 3);
    }
}
