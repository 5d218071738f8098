//! In whose turn a change is taken over, and what ends the waiting.

use super::harness::{Network, settings};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Duration;
use crate::proto::ospf::limits::STRANGER_STEP;
use crate::proto::ospf::{Input, Ospf, RepairEndpoint, Settings};
use core::net::Ipv6Addr;

const STEP: Duration = Duration::from_millis(25);
/// That of the harness.
const BACKOFF_SHORT: Duration = Duration::from_millis(50);
const MOMENT: Duration = Duration::from_millis(5);

fn ordered(router: usize, step: Duration) -> Input {
    let Input::Settings(settings) = settings(router) else { unreachable!("these are settings") };
    let number = u128::try_from(router).unwrap() + 1;
    let adjacencies = Ipv6Addr::from_bits(0xfd << 120 | number << 16);
    let endpoint = RepairEndpoint {
        address: Ipv6Addr::from_bits(0xfd << 120 | number),
        adjacencies: Ipv6Prefix::containing(adjacencies, 112),
    };
    Input::Settings(Settings { order_step: step, endpoint: Some(endpoint), ..settings })
}

/// A quiet ring of six, each router with its step.
fn ring(step_of: impl Fn(usize) -> Duration) -> Network {
    let mut network = Network::ring(6, 1);
    for router in 0..6 {
        network.input(router, ordered(router, step_of(router)));
    }
    network.seconds(10);
    network.assert_converged();
    network
}

#[test]
fn a_failure_is_taken_over_from_the_furthest_to_the_nearest() {
    let mut network = ring(|_| STEP);
    network.cut((0, 0), false);
    network.run(MOMENT);
    let far = Ipv6Prefix::host("fd00::1".parse().unwrap());
    let costs = |network: &Network| -> Vec<usize> {
        (2..6).map(|router| network.routes[router][&far]).collect()
    };
    assert_eq!(costs(&network), [20, 30, 20, 10], "nobody sends through 3 over that cable");
    network.run(STEP);
    assert_eq!(costs(&network), [40, 30, 20, 10], "2 sent through 1");
    let near = Ipv6Prefix::host("fd00::2".parse().unwrap());
    assert_eq!(network.routes[0][&near], 10, "0 goes last");
    network.run(STEP);
    assert_eq!(network.routes[0][&near], 50);
    network.run(STEP);
    assert!(network.routers.iter().all(Ospf::is_calculated));
}

#[test]
fn a_repair_is_taken_over_from_the_nearest_to_the_furthest() {
    let mut network = ring(|_| STEP);
    network.cut((0, 0), false);
    network.seconds(10);
    let far = Ipv6Prefix::host("fd00::1".parse().unwrap());
    assert_eq!((network.routes[1][&far], network.routes[2][&far]), (50, 40));
    network.heal((0, 0));
    let until_full = |network: &mut Network| {
        while !network.are_all_full() {
            network.run(Duration::from_millis(1));
        }
    };
    until_full(&mut network);
    // The LSA of the first end changes nothing yet, that of the other meets the back-off.
    network.run(BACKOFF_SHORT + MOMENT);
    assert_eq!((network.routes[1][&far], network.routes[2][&far]), (10, 40));
    network.run(STEP);
    assert_eq!((network.routes[1][&far], network.routes[2][&far]), (10, 20));
    network.seconds(5);
    network.assert_converged();
}

#[test]
fn a_failure_that_is_repaired_waits_for_a_router_behind_that_keeps_no_order() {
    let mut network = ring(|router| if router == 5 { Duration::ZERO } else { STEP });
    network.cut((0, 0), false);
    let near = Ipv6Prefix::host("fd00::2".parse().unwrap());
    network.run(STRANGER_STEP);
    assert_eq!(network.routes[0][&near], 10);
    network.run(STEP * 3);
    assert_eq!(network.routes[0][&near], 50);
    network.seconds(5);
    network.assert_converged();
}

#[test]
fn nobody_waits_after_a_failure_at_a_router_that_keeps_no_order() {
    let mut network = ring(|router| if router == 1 { Duration::ZERO } else { STEP });
    network.cut((0, 0), false);
    network.run(MOMENT);
    let near = Ipv6Prefix::host("fd00::2".parse().unwrap());
    assert_eq!(network.routes[0][&near], 50);
}

#[test]
fn a_repair_waits_for_a_nearer_router_that_keeps_no_order() {
    let mut network = ring(|router| if router == 1 { Duration::ZERO } else { STEP });
    network.cut((0, 0), false);
    network.seconds(10);
    network.heal((0, 0));
    while !network.are_all_full() {
        network.run(Duration::from_millis(1));
    }
    let far = Ipv6Prefix::host("fd00::1".parse().unwrap());
    network.run(BACKOFF_SHORT + MOMENT);
    assert_eq!((network.routes[1][&far], network.routes[2][&far]), (10, 40));
    network.run(STRANGER_STEP);
    assert_eq!(network.routes[2][&far], 20);
    network.seconds(5);
    network.assert_converged();
}

#[test]
fn a_second_failure_ends_the_waiting() {
    let mut network = ring(|_| STEP * 4);
    network.cut((0, 0), false);
    network.run(MOMENT);
    let near = Ipv6Prefix::host("fd00::2".parse().unwrap());
    assert_eq!(network.routes[0][&near], 10, "waits");
    network.cut((3, 0), false);
    // A turn would have taken 200 ms.
    network.run(BACKOFF_SHORT + MOMENT);
    assert!(!network.routes[0].contains_key(&near), "{:?}", network.routes[0]);
}

#[test]
fn a_router_that_leaves_takes_no_turn() {
    let mut network = ring(|_| STEP);
    network.cut((0, 0), false);
    network.run(MOMENT);
    let before = network.routes[0].clone();
    network.input(0, Input::Shutdown);
    network.run(STEP * 4);
    assert_eq!(network.routes[0], before);
    assert!(network.routers[0].next_deadline().is_none_or(|at| at > network.now));
}
