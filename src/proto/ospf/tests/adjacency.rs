//! From the first hello to Full, and back.

use super::harness::{Network, config, id};
use crate::base::ids::PortId;
use crate::base::time::Duration;
use crate::proto::ospf::{NeighborState, Notice};

#[test]
fn two_routers_do_not_wait_for_a_timer_to_be_full() {
    let mut network = Network::new(2, 1);
    network.cable((0, 0), (1, 0));
    network.run(Duration::from_millis(20));
    assert!(network.are_all_full());
    network.run(Duration::from_millis(200));
    network.assert_converged();
}

#[test]
fn a_ring_converges_and_falls_silent() {
    let mut network = Network::ring(8, 2);
    network.seconds(3);
    network.assert_converged();
    let before = network.packets;
    network.seconds(120);
    assert_eq!(network.packets, before, "nothing but hellos in a quiet network");
}

#[test]
fn a_cable_without_carrier_is_left_at_once() {
    let mut network = Network::ring(6, 3);
    network.seconds(10);
    network.cut((0, 0), false);
    network.run(Duration::from_millis(2));
    assert!(network.is_connected());
    assert_eq!(network.state(0, 0), NeighborState::Down);
    network.seconds(10);
    network.heal((0, 0));
    network.run(Duration::from_millis(500));
    network.assert_converged();
}

#[test]
fn a_lost_neighbour_is_left_before_its_router_lsa_may_be_said_again() {
    let mut network = Network::ring(4, 6);
    network.seconds(10);
    network.cut((0, 0), false);
    network.run(Duration::from_millis(20));
    network.heal((0, 0));
    network.run(Duration::from_millis(180));
    let neighbour = "fd00::2/128".parse().unwrap();
    assert_eq!(network.routes[0].get(&neighbour), Some(&10));
    // The second change of the router-LSA has just gone out: the third waits 220 ms.
    network.cut((0, 0), false);
    network.run(Duration::from_millis(60));
    assert_eq!(network.routes[0].get(&neighbour), Some(&30));
}

#[test]
fn a_neighbour_that_is_back_before_its_loss_was_told_is_used_again() {
    let mut network = Network::ring(4, 6);
    network.seconds(10);
    network.cut((0, 0), false);
    network.run(Duration::from_millis(20));
    network.heal((0, 0));
    network.run(Duration::from_millis(180));
    network.cut((0, 0), false);
    network.run(Duration::from_millis(60));
    let neighbour = "fd00::2/128".parse().unwrap();
    assert_eq!(network.routes[0].get(&neighbour), Some(&30));
    // Full again while the router-LSA waits: there is nothing left to say, but much to calculate.
    network.heal((0, 0));
    network.seconds(10);
    network.assert_converged();
    assert_eq!(network.routes[0].get(&neighbour), Some(&10));
}

#[test]
fn a_silent_cable_is_left_after_the_dead_interval() {
    let mut network = Network::ring(4, 4);
    network.seconds(10);
    network.cut((0, 0), true);
    network.run(Duration::from_millis(1900));
    assert_eq!(network.state(0, 0), NeighborState::Full);
    network.run(Duration::from_millis(1200));
    assert_eq!(network.state(0, 0), NeighborState::Down);
    assert!(network.is_connected());
}

#[test]
fn a_router_that_restarts_finds_back() {
    let mut network = Network::ring(5, 5);
    network.seconds(30);
    network.restart(2);
    network.seconds(5);
    network.assert_converged();
    assert!(network.notices.is_empty(), "{:?}", network.notices);
}

#[test]
fn a_different_mtu_is_named_at_both_ends_and_holds_them_in_exstart() {
    let mut network = Network::new(2, 6);
    network.cable((0, 0), (1, 0));
    let mut jumbo = config((1, 0));
    jumbo.mtu = 9000;
    network.change((1, 0), jumbo.clone());
    network.seconds(5);
    assert_eq!(network.state(0, 0), NeighborState::ExStart);
    assert_eq!(network.state(1, 0), NeighborState::ExStart);
    let there = network.routers[1].neighbors().remove(0);
    assert_eq!(there.problem.as_deref(), Some("MTU mismatch: 9000 here, 1500 there"));
    let view = network.routers[0].neighbors().remove(0);
    assert_eq!(view.problem.as_deref(), Some("MTU mismatch: 1500 here, 9000 there"));
    let ours = |(router, notice): &&(usize, Notice)| {
        *router == 0 && matches!(notice, Notice::MtuMismatch { ours: 1500, theirs: 9000, .. })
    };
    assert_eq!(network.notices.iter().filter(ours).count(), 1, "once, not once a packet");
    network.change((1, 0), config((1, 0)));
    network.seconds(5);
    network.assert_converged();
    assert_eq!(network.routers[0].neighbors()[0].problem, None);
}

#[test]
fn another_cost_does_not_restart_the_adjacency() {
    let mut network = Network::ring(3, 7);
    network.seconds(10);
    let changes = network.changes.len();
    let mut dear = config((0, 0));
    dear.cost = 100;
    network.change((0, 0), dear);
    network.seconds(2);
    network.assert_converged();
    assert_eq!(network.changes.len(), changes);
    let to_next = network.routers[0].routes();
    assert!(to_next.iter().any(|route| route.cost == 20), "the long way is the cheap one");
}

#[test]
fn a_router_that_leaves_is_forgotten_at_once() {
    let mut network = Network::ring(4, 8);
    network.seconds(10);
    network.input(1, crate::proto::ospf::Input::Shutdown);
    network.run(Duration::from_millis(700));
    let left = network.routers[3].database(network.now);
    assert!(left.iter().all(|lsa| lsa.router != id(1)), "{left:?}");
    assert_eq!(network.state(0, 0), NeighborState::Init);
}

#[test]
fn a_router_that_leaves_keeps_its_routes_and_has_nothing_to_calculate() {
    let mut network = Network::ring(4, 8);
    network.seconds(10);
    let routes = network.routes[1].clone();
    assert_eq!(routes.len(), 3);
    // A calculation is due when it leaves.
    network.cut((2, 0), false);
    network.input(1, crate::proto::ospf::Input::Shutdown);
    network.seconds(5);
    assert_eq!(network.routes[1], routes);
}

#[test]
fn seven_packets_in_ten_are_enough() {
    for seed in 0..5 {
        let mut network = Network::ring(5, 100 + seed);
        network.loss = 30;
        network.seconds(40);
        network.loss = 0;
        network.seconds(20);
        network.assert_converged();
    }
}

#[test]
fn packets_that_overtake_each_other_or_come_twice_do_no_harm() {
    for seed in 0..5 {
        let mut network = Network::ring(5, 200 + seed);
        network.doubled = 30;
        network.jitter = Duration::from_millis(20);
        network.loss = 10;
        network.seconds(40);
        network.loss = 0;
        network.seconds(20);
        network.assert_converged();
    }
}

#[test]
fn a_port_that_leaves_ospf_says_so_to_the_other_end() {
    let mut network = Network::ring(4, 9);
    network.seconds(10);
    network.input(0, crate::proto::ospf::Input::InterfaceRemoved { port: PortId(0) });
    network.run(Duration::from_millis(5));
    let end = network.changes.iter().rev().find(|(router, _)| *router != 0).unwrap();
    assert_eq!((end.1.to, end.1.event), (NeighborState::Init, "1-WayReceived"));
    let links = network.routers[1].database(network.now);
    let left = links.iter().filter(|lsa| lsa.kind == "link" && lsa.router == id(0));
    assert_eq!(left.count(), 0, "its link-LSA went before it");
}

#[test]
fn a_router_with_a_new_id_leaves_nothing_of_the_old_one() {
    let mut network = Network::ring(4, 10);
    network.seconds(10);
    network.input(1, super::harness::settings(20));
    network.seconds(10);
    network.assert_converged();
    let rows = network.routers[3].database(network.now);
    assert!(rows.iter().all(|row| row.router != id(1)), "{rows:?}");
    assert!(rows.iter().any(|row| row.router == id(20)));
}

#[test]
fn intervals_of_zero_do_not_stop_the_clock() {
    let mut network = Network::new(2, 11);
    network.cable((0, 0), (1, 0));
    let mut still = config((0, 0));
    still.hello_interval = Duration::ZERO;
    still.dead_interval = Duration::ZERO;
    still.retransmit_interval = Duration::ZERO;
    network.change((0, 0), still);
    network.seconds(2);
    assert!(network.state(1, 0) < NeighborState::ExStart, "they differ from those there");
}
