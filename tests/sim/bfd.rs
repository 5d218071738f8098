//! BFD in a cluster: what it finds, what it holds back, and what it leaves alone.

use crate::run::{HEAL_LIMIT, Run, scenario};
use kumiki::base::ids::PortId;
use kumiki::base::time::{Duration, Instant};
use kumiki::config::BfdSettings;
use kumiki::sim::checkers;
use kumiki::sim::faults::Fault;
use kumiki::sim::link::{Direction, End};
use kumiki::sim::plan::WorldSetup;

/// RouterDeadInterval, and the work of a cut.
const DEAD_LIMIT: Duration = Duration::from_millis(3600);

/// What a router said of BFD since some time.
fn sessions(run: &Run, router: usize, since: Instant) -> Vec<String> {
    let sayings = run.world.sayings();
    let of_bfd = sayings.filter(|saying| {
        saying.router == router && saying.at >= since && saying.topic == "bfd.session"
    });
    of_bfd.map(|saying| saying.text.clone()).collect()
}

/// Whether some next hop of a router by a port may be used.
fn is_usable(run: &Run, router: usize, port: PortId) -> bool {
    let world = run.world.node(router).unwrap().forwarding();
    let mut numbers = (0..).map(kumiki::base::ids::NextHopId).zip(world.next_hops.iter());
    numbers.any(|(number, hop)| hop.port == port && world.liveness.is_alive(number))
}

/// The end of a link at a router.
fn end_of(run: &Run, link: usize, router: usize) -> End {
    *run.world.links()[link].ends.iter().find(|end| end.router == router).unwrap()
}

#[test]
fn next_hops_die_with_the_session_and_live_when_it_is_back() {
    scenario("bfd::next_hops_die_with_the_session_and_live_when_it_is_back", 3, |start| {
        let mut run = start.cluster("ring", 6);
        run.settles();
        let link = run.link(1, 2);
        let ports = [1, 2].map(|router| (router, end_of(&run, link, router).port));
        let silent_at = run.world.now();
        run.world.apply(Fault::Silence { link, direction: None });
        // Detection takes 112 to 150 ms: three intervals, less the jitter of the last one.
        run.world.run_for(Duration::from_millis(100));
        assert!(ports.iter().all(|(router, port)| is_usable(&run, *router, *port)));
        run.world.run_for(Duration::from_millis(55));
        assert!(!ports.iter().any(|(router, port)| is_usable(&run, *router, *port)));
        let said = sessions(&run, 1, silent_at);
        assert!(said[0].ends_with("Up -> Down (control detection time expired)"), "{said:?}");
        assert!(run.has_said(1, "(BfdDown)", silent_at));
        run.converges(Duration::from_millis(300));
        run.world.apply(Fault::Heal { link });
        run.converges(HEAL_LIMIT);
        assert!(ports.iter().all(|(router, port)| is_usable(&run, *router, *port)));
        run.is_right();
    });
}

#[test]
fn a_link_that_carries_in_one_direction_only_is_not_taken_back() {
    scenario("bfd::a_link_that_carries_in_one_direction_only_is_not_taken_back", 2, |start| {
        let mut run = start.cluster("ring", 4);
        run.settles();
        let link = run.link(1, 2);
        run.world.apply(Fault::Silence { link, direction: Some(Direction::Forth) });
        run.converges(Duration::from_millis(500));
        let lost_at = run.world.now();
        // RFC 5882 §4.3: hellos that still arrive bring nothing up while BFD stays down.
        run.world.run_for(Duration::from_secs(30));
        for router in [1, 2] {
            assert!(!run.has_said(router, "-> Full", lost_at), "s{:02}", router + 1);
            assert!(!sessions(&run, router, lost_at).iter().any(|text| text.contains("-> Up")));
        }
        run.world.apply(Fault::Heal { link });
        run.converges(HEAL_LIMIT);
        run.falls_silent();
        run.is_right();
    });
}

#[test]
fn without_bfd_a_silent_link_is_found_within_the_dead_interval() {
    scenario("bfd::without_bfd_a_silent_link_is_found_within_the_dead_interval", 2, |start| {
        let bfd = BfdSettings { enabled: false, ..BfdSettings::default() };
        let mut run = start.run(WorldSetup { bfd, ..start.setup("ring", 6) });
        run.settles();
        run.world.apply(Fault::Silence { link: run.link(1, 2), direction: None });
        run.world.run_for(Duration::from_millis(1500));
        assert!(!checkers::check(&run.world).is_empty(), "nobody can know of it yet");
        run.converges(DEAD_LIMIT);
        run.is_right();
    });
}

#[test]
fn neighbours_without_bfd_are_taken_without() {
    scenario("bfd::neighbours_without_bfd_are_taken_without", 2, |start| {
        let setup = WorldSetup { without_bfd: vec![2], ..start.setup("ring", 6) };
        let mut run = start.run(setup);
        run.settles();
        run.world.apply(Fault::Silence { link: run.link(1, 2), direction: None });
        run.converges(DEAD_LIMIT);
        run.is_right();
    });
}

#[test]
fn a_control_plane_that_fails_takes_no_session_with_it() {
    scenario("bfd::a_control_plane_that_fails_takes_no_session_with_it", 3, |start| {
        let mut run = start.cluster("ring", 6);
        run.settles();
        let failed_at = run.world.now();
        run.world.apply(Fault::Crash { router: 1 });
        run.converges(HEAL_LIMIT);
        run.falls_silent();
        for router in [0, 2] {
            assert_eq!(sessions(&run, router, failed_at), [""; 0]);
        }
        // The new control plane has adopted them: it hears of what they find.
        let silent_at = run.world.now();
        run.world.apply(Fault::Silence { link: run.link(1, 2), direction: None });
        run.converges(Duration::from_millis(500));
        assert!(run.has_said(1, "(BfdDown)", silent_at));
        run.is_right();
    });
}

#[test]
fn a_router_that_leaves_is_no_failure() {
    scenario("bfd::a_router_that_leaves_is_no_failure", 2, |start| {
        let mut run = start.cluster("ring", 6);
        run.settles();
        let left_at = run.world.now();
        run.world.apply(Fault::Stop { router: 1 });
        run.world.run_for(Duration::from_secs(1));
        for router in [0, 2] {
            // RFC 5882 §3.2: AdminDown says nothing of the way.
            assert!(!run.has_said(router, "(BfdDown)", left_at));
            let said = sessions(&run, router, left_at);
            assert!(said.iter().all(|text| text.contains("neighbor signaled")), "{said:?}");
        }
        run.converges(HEAL_LIMIT);
        run.world.apply(Fault::Restart { router: 1 });
        run.converges(HEAL_LIMIT);
        run.falls_silent();
        run.is_right();
    });
}
