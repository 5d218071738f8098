//! What BFD takes away, holds back and gives back (RFC 5882 §4).

use super::harness::{Network, id};
use crate::base::ids::{PortId, RouterId};
use crate::base::time::Duration;
use crate::proto::ospf::{BACKBONE, BfdVerdict, Input, NeighborState};
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{Hello, Options, Packet, PacketBody};

const PORT: PortId = PortId(0);

fn say(network: &mut Network, verdict: BfdVerdict) {
    network.input(0, Input::Bfd { port: PORT, verdict });
}

fn pair() -> Network {
    let mut network = Network::new(2, 1);
    network.cable((0, 0), (1, 0));
    network.seconds(3);
    network.assert_converged();
    network
}

#[test]
fn a_failure_takes_the_neighbour_at_once_and_holds_it_while_hellos_come() {
    let mut network = pair();
    say(&mut network, BfdVerdict::Failed);
    assert_eq!(network.state(0, 0), NeighborState::Down);
    network.seconds(30);
    assert_eq!(network.state(0, 0), NeighborState::Down);
    say(&mut network, BfdVerdict::Alive);
    network.run(Duration::from_millis(1500));
    network.assert_converged();
}

#[test]
fn a_neighbour_that_speaks_bfd_no_more_is_taken_after_a_dead_interval_of_hellos() {
    let mut network = pair();
    say(&mut network, BfdVerdict::Failed);
    network.seconds(10);
    say(&mut network, BfdVerdict::Silent);
    network.seconds(2);
    assert_eq!(network.state(0, 0), NeighborState::Down);
    network.seconds(3);
    network.assert_converged();
}

#[test]
fn a_neighbour_whose_hellos_pause_is_held_for_another_dead_interval() {
    let mut network = pair();
    say(&mut network, BfdVerdict::Silent);
    network.seconds(2);
    network.cut((0, 0), true);
    network.seconds(4);
    network.heal((0, 0));
    network.seconds(2);
    assert_eq!(network.state(0, 0), NeighborState::Down);
    network.seconds(4);
    network.assert_converged();
}

/// Another router on the cable says hello to router 0.
fn hello_from_another(network: &mut Network) {
    let source = "fe80::dead".parse().unwrap();
    let hello = Hello {
        interface_id: 9,
        priority: 1,
        options: Options::V6.with(Options::E).with(Options::R),
        hello_interval_s: 1,
        dead_interval_s: 3,
        designated_router: RouterId::default(),
        backup_designated_router: RouterId::default(),
        neighbors: Vec::new(),
    };
    let body = PacketBody::Hello(hello);
    let packet = Packet { router_id: id(7), area: BACKBONE, instance_id: 0, body };
    let bytes = packet.encode(source, ALL_SPF_ROUTERS);
    let destination = ALL_SPF_ROUTERS;
    network.input(0, Input::Packet { port: PORT, source, destination, bytes });
}

#[test]
fn another_router_on_the_cable_is_taken_and_the_neighbour_is_held_on() {
    let mut network = pair();
    say(&mut network, BfdVerdict::Failed);
    network.seconds(2);
    hello_from_another(&mut network);
    assert_eq!(network.state(0, 0), NeighborState::Init);
    network.seconds(20);
    assert_eq!(network.state(0, 0), NeighborState::Down);
}

#[test]
fn bfd_takes_away_whoever_is_there_instead_of_the_neighbour_that_is_held() {
    let mut network = pair();
    say(&mut network, BfdVerdict::Failed);
    hello_from_another(&mut network);
    say(&mut network, BfdVerdict::Failed);
    assert_eq!(network.state(0, 0), NeighborState::Down);
    hello_from_another(&mut network);
    assert_eq!(network.state(0, 0), NeighborState::Down);
}

#[test]
fn a_neighbour_whose_bfd_speaks_again_is_held_again() {
    let mut network = pair();
    say(&mut network, BfdVerdict::Silent);
    network.seconds(2);
    say(&mut network, BfdVerdict::Failed);
    network.seconds(20);
    assert_eq!(network.state(0, 0), NeighborState::Down);
}

#[test]
fn carrier_that_comes_back_ends_the_hold() {
    let mut network = pair();
    say(&mut network, BfdVerdict::Failed);
    network.cut((0, 0), false);
    network.seconds(1);
    network.heal((0, 0));
    network.seconds(2);
    network.assert_converged();
}

#[test]
fn a_verdict_that_says_nothing_new_changes_nothing() {
    let mut network = pair();
    say(&mut network, BfdVerdict::Alive);
    assert_eq!(network.state(0, 0), NeighborState::Full);
    network.input(0, Input::Bfd { port: PortId(9), verdict: BfdVerdict::Failed });
    assert_eq!(network.state(0, 0), NeighborState::Full);
}
