//! A peer that says nothing and whose connection stays: BFD finds it (RFC 5882 §10.2).

use super::peer::{Announced, Kind, Wish, present};
use super::world::{BGP, World};
use rustix::process::Signal;

const PREFIX: &str = "2001:db8:a00::/48";

#[test]
fn a_daemon_that_hangs_is_found_by_bfd_and_taken_back_when_it_goes_on() {
    present(&[Kind::Bird, Kind::Frr]).into_iter().for_each(hang);
}

fn hang(kind: Kind) {
    // FRR has a process for BFD.
    let process = if kind == Kind::Frr { "frr.bfdd" } else { kind.name() };
    let (name, world) = (kind.name(), World::new(&[kind.name()]));
    let block = world.neighbor_block(name, kind.asn(), "bfd = true\nhold_time = 3600");
    world.start_kumiki(&format!("{BGP}{block}"));
    let announces = [Announced::plain(PREFIX)];
    let wish =
        Wish { announces: &announces, has_bfd: true, hold_time_s: Some(3600), ..Wish::default() };
    let _peer = kind.start(&world, &wish);
    let row = || world.neighbor(name);
    world.wait("BFD and the route", || row()["bfd"] == "Up" && row()["accepted_count"] == 1);
    world.signal(process, Signal::STOP);
    world.wait("the session to fall", || row()["state"] != "Established");
    let why = row()["last_down"].as_str().unwrap().to_owned();
    assert!(why.contains("BFD"), "{why}");
    world.wait("the route to go", || world.rows(&format!("route {PREFIX}")).is_empty());
    world.signal(process, Signal::CONT);
    world.wait("its return", || row()["bfd"] == "Up" && row()["accepted_count"] == 1);
}
