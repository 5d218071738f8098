//! Single faults: how fast the cluster is right again.

use crate::run::{HEAL_LIMIT, scenario};
use kumiki::base::time::Duration;
use kumiki::sim::checkers;
use kumiki::sim::faults::{Death, Fault};
use kumiki::sim::link::Direction;

/// Carrier is seen within milliseconds, the flood crosses a small ring in less, and the first SPF
/// after a quiet time waits for nothing (RFC 8405, INITIAL_SPF_DELAY 0); one more waits 50 ms.
const CUT_LIMIT: Duration = Duration::from_millis(300);
/// RouterDeadInterval, and the same work as after a cut.
const SILENT_CUT_LIMIT: Duration = Duration::from_millis(3600);

#[test]
fn a_ring_of_8_turns_round_at_once_when_a_cable_is_cut() {
    scenario("faults::a_ring_of_8_turns_round_at_once_when_a_cable_is_cut", 2, |start| {
        let mut run = start.cluster("ring", 8);
        run.settles();
        run.cut(2, 3);
        run.world.run_for(Duration::from_millis(10));
        run.converges(CUT_LIMIT);
        run.is_right();
        run.falls_silent();
        run.heal(2, 3);
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.falls_silent();
    });
}

#[test]
fn a_silent_cut_is_found_within_the_dead_interval() {
    scenario("faults::a_silent_cut_is_found_within_the_dead_interval", 2, |start| {
        for direction in [None, Some(Direction::Forth)] {
            let mut run = start.cluster("ring", 6);
            run.settles();
            let link = run.link(1, 2);
            run.world.apply(Fault::Silence { link, direction });
            run.world.run_for(Duration::from_millis(1500));
            assert!(!checkers::check(&run.world).is_empty(), "nobody can know of it yet");
            run.converges(SILENT_CUT_LIMIT);
            run.is_right();
            run.world.apply(Fault::Heal { link });
            run.converges(HEAL_LIMIT);
            run.falls_silent();
        }
    });
}

#[test]
fn parts_of_a_cluster_go_on_and_grow_together_again() {
    scenario("faults::parts_of_a_cluster_go_on_and_grow_together_again", 2, |start| {
        let mut run = start.cluster("ring", 8);
        run.settles();
        run.cut(0, 1);
        run.cut(4, 5);
        run.converges(HEAL_LIMIT);
        assert_eq!(run.world.map().distance(1, 5), None);
        run.is_right();
        // Both parts change while they are apart.
        run.cut(2, 3);
        run.converges(HEAL_LIMIT);
        run.heal(2, 3);
        run.converges(HEAL_LIMIT);
        run.falls_silent();
        run.heal(0, 1);
        run.heal(4, 5);
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.falls_silent();
    });
}

#[test]
fn a_router_that_dies_is_left_and_comes_back() {
    scenario("faults::a_router_that_dies_is_left_and_comes_back", 2, |start| {
        for death in [Death::Process, Death::Power] {
            let mut run = start.cluster("circulant:1,3", 12);
            run.settles();
            run.world.apply(Fault::Kill { router: 5, death });
            run.converges(HEAL_LIMIT);
            run.is_right();
            run.world.apply(Fault::Restart { router: 5 });
            run.converges(HEAL_LIMIT);
            run.is_right();
            run.falls_silent();
        }
    });
}

#[test]
fn a_router_that_restarts_at_once_is_not_mistaken_for_its_old_self() {
    let name = "faults::a_router_that_restarts_at_once_is_not_mistaken_for_its_old_self";
    scenario(name, 3, |start| {
        let mut run = start.cluster("ring", 5);
        run.settles();
        for router in [1, 3] {
            run.world.apply(Fault::Kill { router, death: Death::Process });
            run.world.run_for(Duration::from_millis(200));
            run.world.apply(Fault::Restart { router });
            run.world.run_for(Duration::from_millis(500));
        }
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.falls_silent();
    });
}
