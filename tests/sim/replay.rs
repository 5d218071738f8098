//! One seed is one run: what everything else here stands on.

use crate::run::{build, scenario};
use kumiki::base::time::Duration;
use kumiki::control::ControlPlane;
use kumiki::sim::faults::Fault;
use kumiki::sim::link::Quality;
use kumiki::sim::plan::WorldSetup;
use kumiki::sim::replay::{RecordedWorld, replay};
use kumiki::sim::world::World;

#[test]
fn one_seed_is_one_run() {
    let run = |seed| {
        let topology = build("ring", 4);
        let setup = WorldSetup { quality: Quality::BAD, ..WorldSetup::new(topology, seed) };
        let mut world: World = World::new(setup);
        world.run_for(Duration::from_secs(20));
        world.trace().digest()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_recording_of_a_router_runs_again_the_same_way() {
    scenario("replay::a_recording_of_a_router_runs_again_the_same_way", 2, |start| {
        let setup = start.setup("ring", 4);
        let mut world = RecordedWorld::new(setup);
        world.run_for(Duration::from_secs(10));
        world.apply(Fault::Cut { link: 1 });
        world.apply(Fault::Crash { router: 2 });
        world.run_for(Duration::from_secs(5));
        for router in 0..4 {
            let lines = world.node(router).unwrap().control().sink();
            let replayed = replay::<ControlPlane>(lines).unwrap_or_else(|error| panic!("{error}"));
            assert!(replayed.actions > 10, "{replayed:?}");
        }
    });
}
