//! Graceful restarts (RFC 4724) in both roles, while packets pass.
//!
//! ```text
//!   world === kumiki === daemon
//! ```
//!
//! Packets go from a host behind the one to a host behind the other and back, by routes of BGP: on
//! the router, and on BIRD in the kernel. GoBGP has no kernel, and FRR 8.4 takes its routes out of
//! it when bgpd dies, whatever it told its neighbours: they answer by a default route. First the
//! daemon is killed and comes back, with the router as its helper; then the router's control plane
//! fails, with the daemon as helper.

use super::peer::{Announced, Kind, OnLink, Wish, present};
use super::probe::Probe;
use super::route::{Route, Table};
use super::speaker::{Speaker, Who};
use super::world::{BGP, World};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::wire::bgp::{AddressFamily, AsPath, Capability, GracefulRestart, PathAttributes};
use std::net::Ipv6Addr;

pub const OUTSIDE: u32 = 65_001;

/// The one end of the world: what it announces, and its default route.
pub struct Outside {
    who: Who,
    pub host: Ipv6Addr,
    table: Table,
}

impl Outside {
    pub fn new(world: &World) -> Self {
        let host = world.give_host("world");
        lead_to_kumiki(world, "world");
        let attributes =
            PathAttributes { as_path: AsPath::sequence(&[OUTSIDE]), ..PathAttributes::default() };
        let route = Route { next_hop: world.address("world"), attributes };
        let table = Table::from([(Ipv6Prefix::containing(host, 64), route)]);
        let restart = GracefulRestart {
            has_restarted: false,
            survives_notifications: false,
            restart_time_s: 60,
            families: vec![(AddressFamily::IPV6_UNICAST, true)],
        };
        let who = Who::of(OUTSIDE).with(Capability::GracefulRestart(restart));
        Self { who, host, table }
    }

    pub fn speak(&self, world: &World) -> Speaker {
        let to = world.kumiki("world");
        let mut speaker = Speaker::establish(world, "world", to, &self.who);
        speaker.announce(&self.table);
        speaker
    }
}

/// The kernel of a peer sends everything to the router.
fn lead_to_kumiki(world: &World, name: &str) {
    let gateway = world.kumiki(name).to_string();
    let words = ["ip", "-6", "route", "add", "default", "via", &gateway, "dev", "up"];
    assert!(world.run(name, &words).status.success());
}

/// Waits until so many more were sent.
fn wait_for_packets(world: &World, probe: &Probe, count: u32) {
    let end = probe.sent_count() + count;
    world.wait("a stream", || probe.sent_count() > end);
}

/// Whether a packet comes back.
pub fn answers(world: &World, from: Ipv6Addr, to: Ipv6Addr) -> bool {
    let (from, to) = (from.to_string(), to.to_string());
    world.run("world", &["ping", "-c", "1", "-W", "1", "-I", &from, &to]).status.success()
}

/// The router between the daemon and the world, with a host behind each.
fn prepare(kind: Kind, on_link: Option<OnLink>) -> (World, Outside, Ipv6Addr) {
    let (name, world) = (kind.name(), World::new(&[kind.name(), "world"]));
    if on_link.is_some() {
        world.set_link(name);
    }
    let (outside, host) = (Outside::new(&world), world.give_host(name));
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let far = match on_link {
        Some(_) => world.link_block(name, ""),
        None => world.neighbor_block(name, kind.asn(), ""),
    };
    world.start_kumiki(&format!("{BGP}{near}{far}"));
    (world, outside, host)
}

fn restart_both(kind: Kind, on_link: Option<OnLink>) {
    let (name, (world, outside, host)) = (kind.name(), prepare(kind, on_link));
    let prefix = Ipv6Prefix::containing(host, 64).to_string();
    let wish = Wish {
        announces: &[Announced::plain(&prefix)],
        has_graceful_restart: true,
        forwards: kind == Kind::Bird,
        on_link,
        ..Wish::default()
    };
    if !wish.forwards {
        lead_to_kumiki(&world, name);
    }
    let peer = kind.start(&world, &wish);
    let speaker = outside.speak(&world);
    world.wait("packets there and back", || answers(&world, outside.host, host));
    world.wait("the whole table", || world.neighbor(name)["accepted_count"] == 1);
    let probe = Probe::start(&world, ("world", outside.host), (name, host));

    // At which packet what happened.
    let mut course = Vec::new();
    let mut note = |what: &'static str| course.push((probe.sent_count(), what));
    wait_for_packets(&world, &probe, 100);
    note("killed");
    peer.crash();
    world.wait("its route is kept", || world.neighbor(name)["stale_count"].as_u64() >= Some(1));
    note("kept");
    wait_for_packets(&world, &probe, 100);
    let recovers = probe.sent_count();
    note("comes back");
    peer.recover();
    let has_fresh_route = || {
        let row = world.neighbor(name);
        row["state"] == "Established" && row["stale_count"] == 0 && row["accepted_count"] == 1
    };
    world.wait("it is back with its route", has_fresh_route);
    world.wait("it has the route of the world", || peer.count() == 1);

    note("back");
    let back = probe.sent_count();
    wait_for_packets(&world, &probe, 100);
    note("panics");
    assert!(world.tell_kumiki(&["debug", "panic", "control"]).status.success());
    assert_eq!(peer.count(), 1, "kept while the router's control plane restarts");
    drop(speaker);
    note("speaks again");
    let speaker = outside.speak(&world);
    world.wait("the session with the daemon again", has_fresh_route);
    speaker.wait("the route of the daemon again", |heard| heard.end_of_rib_count > 0);
    world.wait("it has the route of the world again", || peer.count() == 1);
    note("all again");
    wait_for_packets(&world, &probe, 100);
    let outcome = probe.finish();
    let by_daemon = |packet: &u32| match kind {
        // It says that it has announced everything, and its own routes five seconds later.
        Kind::Frr => (recovers..back).contains(packet),
        // It takes the kernel's route away before it gives the one it has learned anew.
        _ => *packet < back && outcome.unroutable.contains(packet),
    };
    let is_perfect = outcome.lost.iter().all(by_daemon);
    if !is_perfect {
        world.testify();
    }
    assert!(is_perfect, "{name}: {outcome:?}; {course:?}");
    assert!(answers(&world, outside.host, host));
}

#[test]
fn no_packet_is_lost_while_bird_or_the_control_plane_restarts() {
    present(&[Kind::Bird]).into_iter().for_each(|kind| restart_both(kind, None));
}

#[test]
fn no_packet_is_lost_over_a_link_while_bird_or_the_control_plane_restarts() {
    let kinds = present(&[Kind::Bird]).into_iter();
    kinds.for_each(|kind| restart_both(kind, Some(OnLink::Named)));
}

#[test]
fn no_packet_is_lost_while_gobgp_or_the_control_plane_restarts() {
    present(&[Kind::Gobgp]).into_iter().for_each(|kind| restart_both(kind, None));
}

#[test]
fn no_packet_is_lost_while_frr_or_the_control_plane_restarts() {
    present(&[Kind::Frr]).into_iter().for_each(|kind| restart_both(kind, None));
}
