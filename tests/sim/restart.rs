//! Routers that come back, are drained, or end as planned: nothing is lost that does not begin or
//! end at them.

use crate::faults::datagram;
use crate::run::{HEAL_LIMIT, Run, scenario};
use kumiki::base::machine::Machine;
use kumiki::base::time::{Duration, Instant};
use kumiki::control::{Action, ControlOptions, ControlPlane, Input, Plane, Testament};
use kumiki::sim::campaign;
use kumiki::sim::faults::{Death, Fault};
use kumiki::sim::node::Control;
use kumiki::sim::scenario::Scenario;
use std::collections::BTreeSet;

/// Between two rounds of packets: two hundred a second and pair.
const GAP: Duration = Duration::from_millis(5);
/// How long the last packets may travel.
const FLIGHT: Duration = Duration::from_millis(50);

/// Packets between every two routers but `left_out`, for as long as something goes on.
struct Streams {
    pairs: Vec<(usize, usize)>,
    sent: u64,
    arrived: u64,
}

impl Streams {
    fn without(run: &mut Run, left_out: usize) -> Self {
        let all = (0..run.world.router_count()).filter(|router| *router != left_out);
        let routers: Vec<usize> = all.collect();
        for router in &routers {
            run.world.take_host_packets(*router);
        }
        let to = |from: usize| routers.iter().map(move |to| (from, *to));
        let pairs = routers.iter().flat_map(|from| to(*from)).filter(|(a, b)| a != b);
        Self { pairs: pairs.collect(), sent: 0, arrived: 0 }
    }

    fn flow(&mut self, run: &mut Run, span: Duration) {
        let end = run.world.now() + span;
        let mut number = u16::try_from(self.sent % 10_000).unwrap();
        while run.world.now() < end {
            for (from, to) in &self.pairs {
                let setup = run.world.setup();
                let packet = datagram(setup.loopback(*from), setup.loopback(*to), number);
                run.world.send_from_host(*from, &packet);
            }
            self.sent += self.pairs.len() as u64;
            number = (number + 1) % 10_000;
            run.world.run_for(GAP);
            self.take(run);
        }
    }

    fn take(&mut self, run: &mut Run) {
        for (_, to) in &self.pairs {
            self.arrived += run.world.take_host_packets(*to).len() as u64;
        }
    }

    #[track_caller]
    fn lost_nothing(mut self, run: &mut Run) {
        run.world.run_for(FLIGHT);
        self.take(run);
        assert_eq!(self.sent - self.arrived, 0, "lost of {}", self.sent);
    }
}

fn transit(run: &Run, router: usize) -> u64 {
    run.world.node(router).map_or(0, |node| node.counts().transit)
}

#[test]
fn a_router_that_comes_back_carries_nothing_before_it_can() {
    scenario("restart::a_router_that_comes_back_carries_nothing_before_it_can", 4, |start| {
        for topology in ["ring", "circulant:1,3"] {
            for death in [Death::Process, Death::Power] {
                let mut run = start.cluster(topology, 8);
                run.settles();
                run.world.apply(Fault::Kill { router: 3, death });
                run.converges(HEAL_LIMIT);
                let mut streams = Streams::without(&mut run, 3);
                streams.flow(&mut run, Duration::from_millis(100));
                let restarted_at = run.world.now();
                run.world.apply(Fault::Restart { router: 3 });
                streams.flow(&mut run, Duration::from_millis(2500));
                assert!(run.has_said(3, "others may send through this router", restarted_at));
                assert!(transit(&run, 3) > 0, "it carries again");
                streams.lost_nothing(&mut run);
                run.is_right();
            }
        }
    });
}

#[test]
fn a_router_killed_and_back_within_a_dead_interval_is_not_sent_through_by_its_old_lsas() {
    let name = "restart::a_router_killed_and_back_within_a_dead_interval_is_not_sent_through_by_\
                its_old_lsas";
    scenario(name, 4, |start| {
        let mut run = start.cluster("ring", 6);
        run.settles();
        run.world.apply(Fault::Kill { router: 2, death: Death::Power });
        run.world.run_for(Duration::from_millis(500));
        let mut streams = Streams::without(&mut run, 2);
        run.world.apply(Fault::Restart { router: 2 });
        streams.flow(&mut run, Duration::from_secs(3));
        streams.lost_nothing(&mut run);
        run.converges(HEAL_LIMIT);
        run.is_right();
        run.falls_silent();
    });
}

#[test]
fn a_drained_router_carries_nothing_and_is_reached_as_before() {
    scenario("restart::a_drained_router_carries_nothing_and_is_reached_as_before", 2, |start| {
        let mut run = start.cluster("circulant:1,3", 8);
        run.settles();
        let mut streams = Streams::without(&mut run, usize::MAX);
        streams.flow(&mut run, Duration::from_millis(50));
        assert!(transit(&run, 4) > 0);
        run.world.input(4, Input::Drain { is_drained: true });
        streams.flow(&mut run, Duration::from_millis(300));
        let drained = transit(&run, 4);
        streams.flow(&mut run, Duration::from_millis(300));
        assert_eq!(transit(&run, 4), drained);
        run.world.input(4, Input::Drain { is_drained: false });
        streams.flow(&mut run, Duration::from_secs(1));
        assert!(transit(&run, 4) > drained, "it carries again");
        streams.lost_nothing(&mut run);
        run.is_right();
        run.falls_silent();
    });
}

#[test]
fn a_drain_outlives_the_control_plane() {
    scenario("restart::a_drain_outlives_the_control_plane", 2, |start| {
        let mut run = start.cluster("ring", 5);
        run.settles();
        run.world.input(1, Input::Drain { is_drained: true });
        run.world.run_for(Duration::from_secs(1));
        run.world.apply(Fault::Crash { router: 1 });
        run.world.run_for(Duration::from_secs(15));
        let drained = transit(&run, 1);
        let mut streams = Streams::without(&mut run, 1);
        streams.flow(&mut run, Duration::from_millis(100));
        assert_eq!(transit(&run, 1), drained);
        streams.lost_nothing(&mut run);
    });
}

#[test]
fn a_drained_router_is_still_the_way_where_there_is_no_other() {
    scenario("restart::a_drained_router_is_still_the_way_where_there_is_no_other", 1, |start| {
        let mut run = start.cluster("line", 3);
        run.settles();
        let mut streams = Streams::without(&mut run, 1);
        run.world.input(1, Input::Drain { is_drained: true });
        streams.flow(&mut run, Duration::from_millis(500));
        streams.lost_nothing(&mut run);
    });
}

#[test]
fn every_router_restarts_in_turn_and_nothing_is_lost() {
    scenario("restart::every_router_restarts_in_turn_and_nothing_is_lost", 2, |start| {
        for topology in ["ring", "circulant:1,3"] {
            let mut run = start.cluster(topology, 8);
            run.settles();
            for router in 0..8 {
                let mut streams = Streams::without(&mut run, router);
                streams.flow(&mut run, Duration::from_millis(20));
                run.world.apply(Fault::Stop { router });
                streams.flow(&mut run, Duration::from_millis(800));
                assert!(run.world.node(router).is_none(), "it has ended");
                run.world.apply(Fault::Restart { router });
                streams.flow(&mut run, Duration::from_millis(2500));
                streams.lost_nothing(&mut run);
                run.converges(HEAL_LIMIT);
            }
            run.is_right();
            run.falls_silent();
        }
    });
}

#[test]
fn a_control_plane_that_fails_costs_nobody_a_packet() {
    scenario("restart::a_control_plane_that_fails_costs_nobody_a_packet", 4, |start| {
        for topology in ["ring", "circulant:1,3"] {
            let mut run = start.cluster(topology, 8);
            run.settles();
            let mut streams = Streams::without(&mut run, usize::MAX);
            let since = run.world.now();
            for router in [3, 4] {
                run.world.apply(Fault::Crash { router });
                streams.flow(&mut run, Duration::from_millis(1500));
                assert!(run.has_said(router, "restarted gracefully", since));
            }
            streams.lost_nothing(&mut run);
            let is_news = |router: &usize| run.has_said(*router, "ospf.neighbor", since);
            let told: Vec<usize> = (0..8).filter(is_news).collect();
            assert_eq!(told, [3, 4], "who did not fail noticed no change of a neighbour");
            run.converges(HEAL_LIMIT);
            run.is_right();
            run.falls_silent();
        }
    });
}

/// A control plane that tells its successor of no neighbour, so that this restarts as any other.
struct Forgetful(ControlPlane);

impl Machine for Forgetful {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        self.0.handle(now, input);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.0.poll_action()
    }
}

impl Plane for Forgetful {
    fn start(options: ControlOptions) -> Self {
        Self(ControlPlane::start(options))
    }

    fn testament(&self) -> Testament {
        Testament { neighbors: BTreeSet::new(), ..self.0.testament() }
    }

    fn full_count(&self) -> usize {
        self.0.full_count()
    }

    fn is_dirty(&self) -> bool {
        self.0.is_dirty()
    }

    fn calculation_count(&self) -> u64 {
        self.0.calculation_count()
    }
}

impl Control for Forgetful {
    fn area_digest(&self) -> u64 {
        self.0.area_digest()
    }

    fn debts(&self) -> u64 {
        self.0.debts()
    }

    fn refusals(&self) -> u64 {
        self.0.refusals()
    }

    fn is_restarting(&self) -> bool {
        self.0.is_restarting()
    }
}

#[test]
fn a_failure_that_costs_packets_is_found_out() {
    let text = "topology = \"ring\"\nrouters = 6\n[[event]]\nat_us = 500000\nfault = \"crash\"\n\
                router = \"s02\"\n";
    let scenario = Scenario::read(text).unwrap();
    let report = campaign::run(&scenario, &mut |_| ());
    assert_eq!((report.violations, report.lost_packets), (Vec::new(), 0));
    let report = campaign::run_with::<Forgetful>(&scenario, &mut |_| ());
    let found = report.violations.iter().find(|finding| finding.kind == "lost_by_crash");
    assert_eq!(found.map(|finding| finding.routers.clone()), Some(vec!["s02".to_owned()]));
}
