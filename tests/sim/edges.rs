//! Edges, providers and the ways out of a cluster.

use kumiki::base::time::Duration;
use kumiki::sim::campaign;
use kumiki::sim::report::Report;
use kumiki::sim::scenario::Scenario;

fn run(scenario: &Scenario) -> Report {
    let report = campaign::run(scenario, &mut |_| ());
    assert!(report.is_good(), "seed {}: {:#?}", scenario.seed, report.violations);
    report
}

fn read(text: &str) -> Scenario {
    Scenario::read(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_cluster_with_edges_starts_and_every_router_finds_the_exits() {
    let report = run(&read("topology = \"torus:3x4\"\nedges = 3\nseed = 5"));
    assert_eq!(report.edges, 3);
}

#[test]
fn a_season_of_faults_leaves_every_way_out_right() {
    let scenario = Scenario::new("ring".parse().unwrap(), Some(6), 7).unwrap();
    let scenario = scenario.with_edges(3).unwrap().with_faults(10, Duration::from_secs(40));
    let report = run(&scenario);
    assert!(report.exits_moved_ms.count > 0 && report.probes.exit_arrived > 0, "{report:?}");
    assert_eq!(campaign::run(&scenario, &mut |_| ()), report, "the same seed, the same run");
}

/// What follows one event in a ring of six with two edges, s01 and s04.
fn alone(event: &str) -> Report {
    let cluster = "topology = \"ring\"\nrouters = 6\nedges = 2\nseed = 3\n";
    run(&read(&format!("{cluster}[[event]]\nat_us = 100000\n{event}")))
}

#[test]
fn an_uplink_without_light_is_left_at_once() {
    let report = alone("fault = \"cut\"\nlink = \"s01-isp1\"\n");
    assert!(report.exits_moved_ms.max < 1000.0, "{:?}", report.exits_moved_ms);
    assert!(report.exits_moved_ms.count == 1 && report.exit_lost_packets < 100, "{report:?}");
}

#[test]
fn a_silent_uplink_is_left_after_the_hold_time() {
    let report = alone("fault = \"silence\"\nlink = \"s01-isp1\"\n");
    assert_eq!(report.exits_moved_ms.count, 1);
    assert!(report.exits_moved_ms.max > 5000.0, "{:?}", report.exits_moved_ms);
}

#[test]
fn a_control_plane_that_fails_moves_no_way_out_and_loses_nothing() {
    for router in ["s01", "isp1"] {
        let report = alone(&format!("fault = \"crash\"\nrouter = \"{router}\"\n"));
        assert_eq!(report.exits_moved_ms.count, 0, "{router}: {:?}", report.exits_moved_ms);
        assert_eq!(report.exit_lost_packets, 0, "{router}: {:?}", report.exit_lost_by_cause);
        assert!(report.probes.exit_arrived > 0);
    }
}

#[test]
fn what_an_edge_keeps_to_itself_leaves_by_the_others() {
    let report = alone("fault = \"refilter\"\nrouter = \"s01\"\nfilter = \"closed\"\n");
    assert_eq!(report.exits_moved_ms.count, 1);
    assert_eq!(report.exit_lost_packets, 0, "{:?}", report.exit_lost_by_cause);
}
