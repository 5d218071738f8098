//! Campaigns that are clean, and such as must not be.

use super::*;
use crate::base::machine::Machine;
use crate::control::{Action, ControlOptions, Input, Plane, Testament};

fn scenario(seed: u64) -> Scenario {
    let rule = "ring".parse().unwrap();
    Scenario::new(rule, Some(5), seed).unwrap().with_faults(6, Duration::from_secs(12))
}

#[test]
fn a_small_campaign_is_clean_and_says_what_it_did() {
    let mut phases = Vec::new();
    let report = run(&scenario(1), &mut |progress| {
        if phases.last() != Some(&progress.phase) {
            phases.push(progress.phase);
        }
    });
    assert_eq!(report.violations, []);
    assert_eq!(phases, ["start", "faults", "end"]);
    assert!(report.converged_ms.count > 0 && report.probes.sent > 0 && report.counts.spfs > 0);
    let ProbeCounts { sent, arrived, lost, excused, .. } = report.probes;
    assert_eq!(sent, arrived + lost + excused);
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let first = run(&scenario(3), &mut |_| ());
    assert_eq!(run(&scenario(3), &mut |_| ()), first);
    assert_ne!(run(&scenario(4), &mut |_| ()).digest, first.digest);
}

/// A router whose worlds reach its data plane for the first ten seconds only; of a cluster all, or
/// all but s01.
struct Frozen<const ALL: bool = true> {
    inner: ControlPlane,
    born: Option<Instant>,
    is_frozen: bool,
    is_spared: bool,
}

impl<const ALL: bool> Machine for Frozen<ALL> {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        let born = *self.born.get_or_insert(now);
        if let Input::Configure(config) = &input {
            self.is_spared = !ALL && config.router.name == "s01";
        }
        self.is_frozen = !self.is_spared && now - born > Duration::from_secs(10);
        self.inner.handle(now, input);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.inner.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        loop {
            match self.inner.poll_action() {
                Some(Action::Publish(_)) if self.is_frozen => {}
                other => return other,
            }
        }
    }
}

impl<const ALL: bool> Plane for Frozen<ALL> {
    fn start(options: ControlOptions) -> Self {
        Self { inner: ControlPlane::start(options), born: None, is_frozen: false, is_spared: false }
    }

    fn testament(&self) -> Testament {
        self.inner.testament()
    }

    fn full_count(&self) -> usize {
        self.inner.full_count()
    }

    fn is_dirty(&self) -> bool {
        self.inner.is_dirty()
    }

    fn calculation_count(&self) -> u64 {
        self.inner.calculation_count()
    }
}

impl<const ALL: bool> Control for Frozen<ALL> {
    fn area_digest(&self) -> u64 {
        self.inner.area_digest()
    }

    fn debts(&self) -> u64 {
        self.inner.debts()
    }

    fn refusals(&self) -> u64 {
        self.inner.refusals()
    }

    fn is_restarting(&self) -> bool {
        self.inner.is_restarting()
    }
}

#[test]
fn data_planes_that_hear_nothing_are_found_out() {
    let text = "topology = \"ring\"\nrouters = 4\n[[event]]\nat_us = 1\nfault = \"cut\"\n\
                link = \"s01-s02\"";
    let report = run_with::<Frozen>(&Scenario::read(text).unwrap(), &mut |_| ());
    assert!(!report.is_good() && report.lost_packets > 0);
    assert!(report.violations.iter().any(|finding| {
        finding.kind == "wrong_answer" && finding.routers == ["s01"] && finding.time_ms > 10_000
    }));
}

#[test]
fn a_schedule_that_was_written_down_runs_as_it_did() {
    let first = run(&scenario(2), &mut |_| ());
    let again = Scenario::read(&scenario(2).write()).unwrap();
    assert_eq!(run(&again, &mut |_| ()), first);
}

fn kinds(report: &Report) -> Vec<&str> {
    report.violations.iter().map(|finding| finding.kind.as_str()).collect()
}

fn read(topology: &str, routers: usize, events: &[(u64, &str)]) -> Scenario {
    let mut text = format!("topology = \"{topology}\"\nrouters = {routers}\n");
    for (at_us, what) in events {
        text += &format!("[[event]]\nat_us = {at_us}\n{what}\n");
    }
    Scenario::read(&text).unwrap()
}

#[test]
fn packets_that_circle_because_of_a_lone_fault_are_a_violation() {
    let cut = read("ring", 4, &[(1, "fault = \"cut\"\nlink = \"s01-s02\"")]);
    assert_eq!(run(&cut, &mut |_| ()).violations, []);
    // Who is not told sends half of it back to the only one that is.
    let report = run_with::<Frozen<false>>(&cut, &mut |_| ());
    assert!(kinds(&report).contains(&"microloop"), "{:?}", report.violations);
    assert!(report.microloops > 0 && report.by_fault[0].converged_ms.is_none());
    // Nothing came after it that could have.
    assert_eq!(report.overtaken, 0);
}

#[test]
fn packets_that_a_router_loses_by_ending_in_order_are_a_violation() {
    let stop = read("ring", 4, &[(1, "fault = \"stop\"\nrouter = \"s02\"")]);
    let report = run(&stop, &mut |_| ());
    assert!(!kinds(&report).contains(&"lost_at_return"), "{:?}", report.violations);
    let report = run_with::<Frozen>(&stop, &mut |_| ());
    assert!(kinds(&report).contains(&"lost_at_return"), "{:?}", report.violations);
}

#[test]
fn a_pair_that_a_repair_joins_is_owed_no_way_before_all_is_right() {
    let events = [
        (1, "fault = \"cut\"\nlink = \"s01-s02\""),
        (3_000_000, "fault = \"heal\"\nlink = \"s01-s02\""),
    ];
    let report = run(&read("line", 3, &events), &mut |_| ());
    assert_eq!((report.violations, report.by_fault[1].lost_packets), (Vec::new(), 0));
    assert!(report.probes.excused > 0 && report.overtaken == 0);
}

#[test]
fn a_fault_is_probed_although_what_came_before_ends_at_that_moment() {
    let first = (1, "fault = \"cut\"\nlink = \"s01-s02\"");
    let silence = "fault = \"silence\"\nlink = \"s04-s05\"";
    let alone = run(&read("circulant:1,2", 6, &[first]), &mut |_| ());
    let took_us = alone.by_fault[0].converged_ms.unwrap() * 1e3;
    let end =
        Duration::from_micros(1) + PROBE_TAIL + QUIET + Duration::from_secs_f64(took_us / 1e6);
    for late_ms in [2, 5, 8] {
        let at = end + Duration::from_millis(late_ms);
        let at_us = u64::try_from(at.as_micros()).unwrap();
        let scenario = read("circulant:1,2", 6, &[first, (at_us, silence)]);
        let report = run(&scenario, &mut |_| ());
        assert!(report.by_fault[1].lost_packets > 0, "{late_ms}: {:?}", report.by_fault);
    }
}

#[test]
fn what_changes_nothing_is_not_counted_as_quick() {
    let none = read("ring", 4, &[(1, "fault = \"restart\"\nrouter = \"s02\"")]);
    let report = run(&none, &mut |_| ());
    assert_eq!((report.converged_ms.count, report.overtaken), (0, 0));
    assert_eq!((report.violations, report.violations_more), (Vec::new(), 0));
}

#[test]
fn only_what_the_next_event_overtakes_is_counted_as_overtaken() {
    let cut = (1, "fault = \"cut\"\nlink = \"s01-s02\"");
    let soon = (100, "fault = \"cut\"\nlink = \"s03-s04\"");
    let end = "\npart = \"clean_up\"";
    let heals = ["s01-s02", "s03-s04", "s02-s03"]
        .map(|link| (3_000_000, format!("fault = \"heal\"\nlink = \"{link}\"{end}")));
    let mut events = vec![cut, soon];
    events.extend(heals.iter().map(|(at, text)| (*at, text.as_str())));
    let report = run(&read("mesh", 4, &events), &mut |_| ());
    assert_eq!((report.faults, report.sequels, report.clean_up), (2, 0, 3));
    assert_eq!((report.overtaken, report.violations), (1, Vec::new()));
}

#[test]
fn the_faults_of_a_report_are_those_asked_for() {
    let report = run(&scenario(1), &mut |_| ());
    assert_eq!(report.faults, 6);
    assert!(report.sequels >= 6 && report.clean_up > 0);
    assert_eq!(report.by_fault.len(), 6 + report.sequels + report.clean_up);
}
