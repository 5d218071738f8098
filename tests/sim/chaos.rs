//! Much going wrong at once: afterwards everything must be right and silent.

use crate::run::scenario;
use kumiki::base::time::Duration;
use kumiki::sim::plan::{Costs, WorldSetup};

#[test]
fn a_torus_of_50_survives_cuts_and_heals() {
    scenario("chaos::a_torus_of_50_survives_cuts_and_heals", 2, |start| {
        let mut run = start.cluster("torus:5x10", 50);
        run.settles();
        run.survives(40, Duration::from_secs(20));
    });
}

#[test]
fn a_circulant_of_12_survives_dying_routers() {
    scenario("chaos::a_circulant_of_12_survives_dying_routers", 6, |start| {
        let setup = WorldSetup { costs: Costs::Mixed, ..start.setup("circulant:1,3", 12) };
        let mut run = start.run(setup);
        run.settles();
        run.survives(40, Duration::from_secs(40));
    });
}

#[test]
fn a_ring_of_6_survives_more_than_it_can_bear() {
    scenario("chaos::a_ring_of_6_survives_more_than_it_can_bear", 10, |start| {
        let mut run = start.cluster("ring", 6);
        run.settles();
        run.survives(30, Duration::from_secs(30));
    });
}
