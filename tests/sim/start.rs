//! Clusters that start, converge and stay quiet.

use crate::run::{START_LIMIT, scenario};
use kumiki::base::time::{Duration, Instant};
use kumiki::config::BfdSettings;
use kumiki::sim::faults::Fault;
use kumiki::sim::link::Quality;
use kumiki::sim::plan::{Costs, WorldSetup};
use kumiki::sim::world::World;

/// Two routers with one number say it when they have met each other's LSAs often enough, and they
/// make new ones at most every five seconds (RFC 2328 appendix B, MinLSInterval).
const NOTICE_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_ring_of_4_converges_and_falls_silent() {
    scenario("start::a_ring_of_4_converges_and_falls_silent", 3, |start| {
        start.cluster("ring", 4).settles();
    });
}

#[test]
fn a_mesh_of_8_converges() {
    scenario("start::a_mesh_of_8_converges", 2, |start| start.cluster("mesh", 8).settles());
}

#[test]
fn ways_follow_mixed_costs() {
    scenario("start::ways_follow_mixed_costs", 3, |start| {
        let setup = WorldSetup { costs: Costs::Mixed, ..start.setup("circulant:1,3", 10) };
        start.run(setup).settles();
    });
}

#[test]
fn lossy_links_converge_all_the_same() {
    scenario("start::lossy_links_converge_all_the_same", 3, |start| {
        // BFD that waits for three packets would take such links out of use, and rightly so.
        let bfd = BfdSettings { multiplier: 10, ..BfdSettings::default() };
        let setup = WorldSetup { quality: Quality::BAD, bfd, ..start.setup("ring", 4) };
        let mut run = start.run(setup);
        // Three hellos lost in a row end an adjacency, so it is not for ever.
        run.converges(Duration::from_secs(60));
        for link in 0..run.world.links().len() {
            run.world.apply(Fault::Degrade { link, quality: Quality::GOOD });
        }
        run.converges(START_LIMIT);
        run.falls_silent();
        run.is_right();
    });
}

#[test]
fn a_refresh_changes_no_way() {
    scenario("start::a_refresh_changes_no_way", 1, |start| {
        let mut run = start.cluster("ring", 3);
        run.settles();
        let worlds = |world: &World| -> Vec<u64> {
            (0..3).map(|router| world.node(router).unwrap().publications).collect()
        };
        let (before, heard) = (worlds(&run.world), *run.world.traffic());
        // LSRefreshTime (RFC 2328 appendix B) is half an hour.
        run.world.run_for(Duration::from_secs(2000));
        assert!(run.world.traffic().since(&heard).unrest() > 0, "nobody refreshed");
        assert_eq!(worlds(&run.world), before);
        run.is_right();
    });
}

#[test]
fn a_number_given_twice_is_noticed() {
    scenario("start::a_number_given_twice_is_noticed", 2, |start| {
        for twin in [1, 2] {
            let setup = WorldSetup { renumbered: vec![(twin, 1)], ..start.setup("ring", 4) };
            let mut run = start.run(setup);
            run.world.run_for(NOTICE_LIMIT);
            let noticed = [0, twin].iter().any(|r| run.has_said(*r, "duplicate", Instant::ZERO));
            assert!(noticed, "routers 0 and {twin} have one number and nobody says so");
        }
    });
}
