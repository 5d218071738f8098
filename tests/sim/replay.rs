//! One seed is one run: what everything else here stands on.

use crate::run::{build, scenario};
use kumiki::base::time::Duration;
use kumiki::control::ControlPlane;
use kumiki::sim::faults::Fault;
use kumiki::sim::link::Quality;
use kumiki::sim::plan::WorldSetup;
use kumiki::sim::replay::{Recorded, replay};
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
        let mut world: World<Recorded<ControlPlane>> = World::new(start.setup("ring", 4));
        world.run_for(Duration::from_secs(10));
        world.apply(Fault::Cut { link: 1 });
        world.run_for(Duration::from_secs(5));
        for router in 0..4 {
            let control = world.node(router).unwrap().control();
            assert!(control.recording().is_whole && !control.recording().steps.is_empty());
            assert_eq!(replay::<ControlPlane>(control.recording()), control.digest());
        }
    });
}
