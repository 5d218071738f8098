//! What BFD takes away, holds back and gives back (RFC 5882 §4).

use super::harness::Network;
use crate::base::ids::PortId;
use crate::base::time::Duration;
use crate::proto::ospf::{BfdVerdict, Input, NeighborState};

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
