//! Sessions over the link-local addresses of a cable on which the router has no other address: who
//! is there is found by router advertisements, or connects.
//!
//! ```text
//!   world === kumiki ======= daemon
//!                    fe80::
//! ```

use super::bird::Bird;
use super::frr::Frr;
use super::peer::{Announced, Kind, OnLink, Wish, present};
use super::probe::Probe;
use super::restarts::{OUTSIDE, Outside, answers};
use super::tables::{Exchange, FAR, NEAR};
use super::world::{BGP, World};
use kumiki::base::prefix::Ipv6Prefix;
use rustix::process::Signal;

const PREFIX: &str = "2001:db8:a00::/48";
const PASSWORD: &str = "between-us";

/// The world, and a router that looks for its neighbour on the cable of the daemon.
fn prepare(kind: Kind, keys: &str) -> World {
    let world = World::new(&[kind.name(), "world"]);
    world.set_link(kind.name());
    std::fs::write(world.path("password"), PASSWORD).unwrap();
    let near = world.neighbor_block("world", NEAR, "passive = true");
    let daemon = world.link_block(kind.name(), keys);
    world.start_kumiki(&format!("{BGP}{near}{daemon}"));
    world
}

fn is_up(world: &World, kind: Kind) -> bool {
    let row = world.neighbor(kind.name());
    row["state"] == "Established" && row["address"] == world.on_link(kind.name()).to_string()
}

#[test]
fn frr_and_the_router_find_each_other_and_exchange_tables() {
    let Some(kind) = present(&[Kind::Frr]).pop() else { return };
    let world = prepare(kind, "");
    let addresses = world.join(kind.name(), "world");
    let on_link = Some(OnLink::Found);
    let wish = Wish { on_link, far: Some((addresses, FAR)), ..Wish::default() };
    let _frr = Frr::start(&world, &wish);
    world.wait("a session", || is_up(&world, kind));
    let exchange = Exchange::start(&world, addresses);
    exchange.check_ends(&world, (kind.asn(), addresses[0]));
}

#[test]
fn bird_and_the_router_exchange_tables_however_they_know_each_other() {
    let Some(kind) = present(&[Kind::Bird]).pop() else { return };
    for on_link in [OnLink::Named, OnLink::Found] {
        let world = prepare(kind, "");
        let addresses = world.join(kind.name(), "world");
        let wish = Wish { on_link: Some(on_link), far: Some((addresses, FAR)), ..Wish::default() };
        let _bird = Bird::start(&world, &wish);
        world.wait("a session", || is_up(&world, kind));
        let exchange = Exchange::start(&world, addresses);
        exchange.check_ends(&world, (kind.asn(), addresses[0]));
    }
}

#[test]
fn a_session_over_a_link_has_password_and_hop_limit() {
    for (kind, on_link) in [(Kind::Frr, OnLink::Found), (Kind::Bird, OnLink::Named)] {
        if present(&[kind]).is_empty() {
            continue;
        }
        let world = prepare(kind, "password = \"file:password\"\nttl_security_hops = 1");
        let announces = [Announced::plain(PREFIX)];
        let wish = Wish {
            announces: &announces,
            on_link: Some(on_link),
            password: Some(PASSWORD),
            has_ttl_security: true,
            ..Wish::default()
        };
        let _peer = kind.start(&world, &wish);
        world.wait("a route", || world.neighbor(kind.name())["accepted_count"] == 1);
        assert!(is_up(&world, kind));
    }
}

#[test]
fn packets_pass_over_a_link_and_the_session_comes_back() {
    let Some(kind) = present(&[Kind::Frr]).pop() else { return };
    let (name, world) = (kind.name(), World::new(&[kind.name(), "world"]));
    world.set_link(name);
    let (outside, host) = (Outside::new(&world), world.give_host(name));
    let prefix = Ipv6Prefix::containing(host, 64).to_string();
    let announces = [Announced::plain(&prefix)];
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let far = world.link_block(name, "");
    world.start_kumiki(&format!("{BGP}{near}{far}"));
    let on_link = Some(OnLink::Found);
    let wish = Wish { announces: &announces, on_link, forwards: true, ..Wish::default() };
    let frr = kind.start(&world, &wish);
    let _speaker = outside.speak(&world);
    world.wait("packets there and back", || answers(&world, outside.host, host));
    let probe = Probe::start(&world, ("world", outside.host), (name, host));
    world.wait("a stream", || probe.sent_count() > 200);
    let outcome = probe.finish();
    assert!(outcome.lost.is_empty(), "{outcome:?}");

    frr.crash();
    world.wait("the end of the session", || !world.is_established(name));
    frr.recover();
    world.wait("the session again", || is_up(&world, kind));
    world.wait("packets again", || answers(&world, outside.host, host));

    for state in ["down", "up"] {
        let words = ["ip", "link", "set", "dev", "up", state];
        assert!(world.run(name, &words).status.success());
        world.wait("the carrier", || world.is_established(name) == (state == "up"));
    }
    world.wait("packets once more", || answers(&world, outside.host, host));
}

#[test]
fn bfd_watches_a_neighbor_over_a_link() {
    for (kind, on_link) in [(Kind::Bird, OnLink::Named), (Kind::Frr, OnLink::Found)] {
        if present(&[kind]).is_empty() {
            continue;
        }
        // FRR has a process for BFD.
        let process = if kind == Kind::Frr { "frr.bfdd" } else { kind.name() };
        let world = prepare(kind, "bfd = true\nhold_time = 3600");
        let on_link = Some(on_link);
        let wish = Wish { on_link, has_bfd: true, hold_time_s: Some(3600), ..Wish::default() };
        let _peer = kind.start(&world, &wish);
        let row = || world.neighbor(kind.name());
        world.wait("BFD", || is_up(&world, kind) && row()["bfd"] == "Up");
        world.signal(process, Signal::STOP);
        world.wait("the end of the session", || !world.is_established(kind.name()));
        let why = row()["last_down"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("BFD"), "{why}");
        world.signal(process, Signal::CONT);
        world.wait("both again", || is_up(&world, kind) && row()["bfd"] == "Up");
    }
}

#[test]
fn a_neighbor_over_a_link_comes_and_goes_without_the_others() {
    let Some(kind) = present(&[Kind::Frr]).pop() else { return };
    let (name, world) = (kind.name(), World::new(&[kind.name(), "world"]));
    world.set_link(name);
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let far = world.link_block(name, "");
    let outside = Outside::new(&world);
    world.start_kumiki(&format!("{BGP}{near}{far}"));
    let _speaker = outside.speak(&world);
    let wish = Wish { on_link: Some(OnLink::Found), ..Wish::default() };
    let _frr = kind.start(&world, &wish);
    world.wait("a session", || is_up(&world, kind));
    let ifaces = || String::from_utf8(world.run("kumiki", &["ip", "-br", "link"]).stdout).unwrap();
    assert!(ifaces().contains("kumiki0.frr"), "{}", ifaces());

    // A port needs an address as soon as nothing runs over its link-local one.
    world.give_up_link(name);
    world.apply(&format!("{BGP}{near}"));
    world.wait("no device", || !ifaces().contains("kumiki0.frr"));
    world.set_link(name);
    world.apply(&format!("{BGP}{near}{far}"));
    world.wait("the session again", || is_up(&world, kind));
    assert_eq!(world.neighbor("world")["lost_count"], 0);
}
