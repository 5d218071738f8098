//! A campaign: a cluster starts, things go wrong, judges look on, a report is made.
//!
//! Owns [`run`]. The cluster comes to rest first; then the events of the scenario happen in their
//! time. Around each of them packets are sent between routers that it may separate, and after each
//! the tables are compared with the oracle as soon as nobody has published anything for a moment.
//! When all is over, the cluster must be right in bounded time and fall silent.
//!
//! *Invariants*: the report follows from the scenario alone. When a cluster is right again is the
//! time of the last publication that it took, not that of the look at it.

use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::control::ControlPlane;
use crate::sim::checkers::{self, VIOLATIONS_MAX};
use crate::sim::faults::Fault;
use crate::sim::link::Quality;
use crate::sim::node::Control;
use crate::sim::oracle::Map;
use crate::sim::probes::ProbeCounts;
use crate::sim::report::{Counts, FaultRow, Finding, Report, Summary, milliseconds};
use crate::sim::scenario::Scenario;
use crate::sim::traffic::FrameKind;
use crate::sim::world::World;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How long a cluster may take to start: routers start within two seconds, and find each other in
/// two hellos and a round of retransmissions; large databases take their time.
pub const START_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to be right after the last event: neighbours may have to be found dead, and
/// own LSAs whose budget is used up wait for a second (`ORIGINATION_EARNED`).
pub const HEAL_LIMIT: Duration = Duration::from_secs(20);
/// After that the last acknowledgments and retransmissions are through: a retransmission waits five
/// seconds (RFC 2328 appendix C.3, RxmtInterval).
pub const REST: Duration = Duration::from_secs(6);
/// How long silence is listened to: longer than whatever OSPF repeats but hellos.
pub const SILENCE: Duration = Duration::from_secs(6);
/// Packets are sent from this long before an event …
pub const PROBE_LEAD: Duration = Duration::from_millis(10);
/// … until this long after the cluster is right again …
pub const PROBE_TAIL: Duration = Duration::from_millis(50);
/// … and at most this long after the event.
pub const PROBE_WINDOW_MAX: Duration = Duration::from_millis(1500);
/// Pairs of routers that are probed at once.
pub const PAIRS_MAX: usize = 4;
/// A probe that has not arrived by now never will: neighbours are resolved or given up in three
/// seconds (RFC 4861 §10).
const PROBE_PATIENCE: Duration = Duration::from_secs(4);
/// The tables are looked at when nobody has published for this long.
const QUIET: Duration = Duration::from_millis(30);
/// How far the world runs between two looks.
const STEP: Duration = Duration::from_millis(10);
/// Pairs that ping each other at the end.
const PINGS_MAX: usize = 400;
/// How long pings may take, the resolution of neighbours included.
const PING_PATIENCE: Duration = Duration::from_secs(3);
/// How long nothing may have happened before the failure of a control plane that is judged: changes
/// are acknowledged by then, and acknowledgments that were lost have been asked for again.
const CALM: Duration = Duration::from_secs(2);
/// Draws for a pair whose way leads through what fails.
const DRAWS_MAX: usize = 40;

/// How far a campaign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub phase: &'static str,
    /// Simulated time.
    pub now: Instant,
    /// Events of the world so far.
    pub events: u64,
    /// Events of the schedule that have happened, and all of them.
    pub faults: (usize, usize),
}

/// Packets lost, by cause.
type Causes = BTreeMap<&'static str, u64>;

/// What followed the last event of the schedule.
struct Window {
    /// When it happened.
    at: Instant,
    probes: ProbeCounts,
    causes: Causes,
    converged: Option<Duration>,
    is_probing: bool,
    is_late: bool,
    /// A control plane failed while nothing else did: it must not cost a packet.
    sole_crash: Option<usize>,
}

struct Campaign<'a, C> {
    scenario: &'a Scenario,
    world: World<C>,
    watch: &'a mut dyn FnMut(Progress),
    prng: Prng,
    phase: &'static str,
    /// The schedule begins here.
    origin: Instant,
    done: usize,
    rows: Vec<FaultRow>,
    spans: Vec<Duration>,
    findings: Vec<Finding>,
    window: Option<Window>,
    /// What was last judged, and how.
    judged: Option<(Rc<Map>, u64, bool)>,
    probes_end: Instant,
    started: Duration,
}

/// Runs a scenario with the real control plane.
pub fn run(scenario: &Scenario, watch: &mut dyn FnMut(Progress)) -> Report {
    run_with::<ControlPlane>(scenario, watch)
}

/// Runs a scenario with any control plane.
pub fn run_with<C: Control>(scenario: &Scenario, watch: &mut dyn FnMut(Progress)) -> Report {
    let mut campaign = Campaign::<C> {
        scenario,
        world: World::new(scenario.setup()),
        watch,
        prng: Prng::new(scenario.seed ^ 0x9a17),
        phase: "start",
        origin: Instant::ZERO,
        done: 0,
        rows: Vec::new(),
        spans: Vec::new(),
        findings: Vec::new(),
        window: None,
        judged: None,
        probes_end: Instant::ZERO,
        started: Duration::ZERO,
    };
    if campaign.converges(START_LIMIT) {
        campaign.started = campaign.world.last_publication() - Instant::ZERO;
        campaign.falls_silent();
    }
    if campaign.findings.is_empty() {
        campaign.phase = "faults";
        campaign.happen();
        campaign.phase = "end";
        campaign.world.give_up_probes();
        if campaign.converges(HEAL_LIMIT) {
            campaign.falls_silent();
            campaign.is_right();
        }
    }
    campaign.report()
}

impl<C: Control> Campaign<'_, C> {
    fn step(&mut self, end: Instant) {
        self.world.run_until(end.min(self.world.now() + STEP));
        let (now, events) = (self.world.now(), self.world.event_count());
        let faults = (self.done, self.scenario.events.len());
        (self.watch)(Progress { phase: self.phase, now, events, faults });
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.world.now() + span;
        while self.world.now() < end {
            self.step(end);
        }
    }

    /// The events of the schedule, in their time.
    fn happen(&mut self) {
        self.origin = self.world.now();
        for (after, fault) in &self.scenario.events {
            let at = self.origin + *after;
            self.run_until(Instant::from_nanos(at.as_nanos().saturating_sub(lead_ns())));
            let pairs = self.choose_pairs(fault);
            self.world.probe(pairs);
            self.run_until(at);
            let sole_crash = self.sole_crash(fault);
            let is_alone = self.is_at_rest();
            self.close_window();
            self.world.apply(*fault);
            self.done += 1;
            self.rows.push(FaultRow {
                at_ms: milliseconds(after),
                fault: self.scenario.words(fault),
                is_alone,
                converged_ms: None,
                lost_packets: 0,
                lost_by_cause: BTreeMap::new(),
                microloops: 0,
            });
            self.window = Some(Window {
                at: self.world.now(),
                probes: self.world.probes().counts(),
                causes: self.world.probes().causes().clone(),
                converged: None,
                is_probing: true,
                is_late: false,
                sole_crash,
            });
        }
        self.run_until(self.world.now() + PROBE_WINDOW_MAX + PROBE_PATIENCE);
        self.close_window();
    }

    /// Runs and looks.
    fn run_until(&mut self, end: Instant) {
        while self.world.now() < end {
            self.step(end);
            self.look();
        }
    }

    fn look(&mut self) {
        let now = self.world.now();
        let Some(window) = &self.window else { return };
        let (at, is_probing, converged) = (window.at, window.is_probing, window.converged);
        if converged.is_none() {
            let is_right = now - self.world.last_publication() >= QUIET && self.is_right_now();
            let took = self.world.last_publication() - at;
            let is_late = !is_right && now - at >= HEAL_LIMIT && !self.is_degraded();
            if let Some(window) = &mut self.window {
                window.converged = is_right.then_some(took);
                if is_late && !core::mem::replace(&mut window.is_late, true) {
                    self.judge_lateness(HEAL_LIMIT);
                }
            }
        }
        let over = converged.map_or(PROBE_WINDOW_MAX, |took| took + PROBE_TAIL + QUIET);
        if is_probing && now - at >= over.min(PROBE_WINDOW_MAX) {
            self.world.probe(Vec::new());
            self.probes_end = now;
            if let Some(window) = &mut self.window {
                window.is_probing = false;
            }
        }
        let is_over = self.world.probes().pairs().is_empty() && self.world.probes().is_active();
        if is_over && now - self.probes_end >= PROBE_PATIENCE {
            self.world.give_up_probes();
        }
    }

    /// Whether every table is right; looked at once for each state of the world.
    fn is_right_now(&mut self) -> bool {
        let (map, publications) = (self.world.map(), self.world.work().publications);
        match &self.judged {
            Some((judged, count, is_right))
                if Rc::ptr_eq(judged, &map) && *count == publications =>
            {
                *is_right
            }
            _ => {
                let is_right = checkers::answers(&self.world, &map, 1).is_empty();
                self.judged = Some((map, publications, is_right));
                is_right
            }
        }
    }

    /// Whether some link is bad: neighbours may come and go on it for ever.
    fn is_degraded(&self) -> bool {
        self.world.links().iter().any(|link| link.quality.loss_ppm != Quality::GOOD.loss_ppm)
    }

    /// The router whose control plane is about to fail in a cluster that is whole and at rest.
    fn sole_crash(&self, fault: &Fault) -> Option<usize> {
        let Fault::Crash { router } = *fault else { return None };
        let now = self.world.now();
        let is_calm = |window: &Window| window.converged.is_some() && now - window.at >= CALM;
        let is_rest = self.window.as_ref().is_none_or(is_calm);
        (is_rest && self.world.is_whole()).then_some(router)
    }

    /// Whether what happened before is over.
    fn is_at_rest(&self) -> bool {
        let is_over = self.window.as_ref().is_none_or(|window| window.converged.is_some());
        is_over && !self.is_degraded()
    }

    fn close_window(&mut self) {
        let Some(window) = self.window.take() else { return };
        let (now, before) = (self.world.probes().counts(), window.probes);
        let since = |(cause, count): (&&'static str, &u64)| {
            let more = count - window.causes.get(cause).copied().unwrap_or(0);
            (more > 0).then(|| ((*cause).to_owned(), more))
        };
        let causes = self.world.probes().causes().iter().filter_map(since).collect();
        if let Some(row) = self.rows.last_mut() {
            row.converged_ms = window.converged.as_ref().map(milliseconds);
            row.lost_packets = now.lost - before.lost;
            row.lost_by_cause = causes;
            row.microloops = now.microloops - before.microloops;
        }
        let lost = now.lost - before.lost;
        if let Some(router) = window.sole_crash.filter(|_| lost > 0) {
            let text = format!("{lost} packets were lost, although its packet path went on");
            self.find(Finding::new("lost_by_crash", window.at, &[router], text));
        }
        self.spans.extend(window.converged);
    }

    /// Routers that a fault may separate: the ends of what it is about, and some whose shortest way
    /// leads there.
    fn choose_pairs(&mut self, fault: &Fault) -> Vec<(usize, usize)> {
        let (map, count) = (self.world.map(), self.world.router_count());
        let near: Vec<usize> = match (fault.link(), fault.router()) {
            (Some(link), _) => self.world.links()[link].ends.map(|end| end.router).to_vec(),
            (None, Some(router)) => {
                self.scenario.topology.neighbors(router).take(PAIRS_MAX).collect()
            }
            (None, None) => Vec::new(),
        };
        let mut pairs = Vec::new();
        if let [first, .., last] = near.as_slice() {
            pairs.extend([(*first, *last), (*last, *first)]);
        }
        if let (Fault::Crash { router }, Some(other)) = (*fault, near.first().copied()) {
            pairs.extend([(other, router), (router, other)]);
        }
        for _ in 0..DRAWS_MAX {
            if pairs.len() >= PAIRS_MAX {
                break;
            }
            let mut draw = || usize::try_from(self.prng.below(count as u64)).unwrap_or(0);
            let (from, to) = (draw(), draw());
            // A router that starts is reached once its neighbours have said hello.
            let is_starting = |router| *fault == Fault::Restart { router };
            if is_starting(from) || is_starting(to) {
                continue;
            }
            let middle = fault.router().or(near.first().copied());
            let is_on_the_way = middle.is_some_and(|middle| {
                let parts = map.distance(from, middle).zip(map.distance(middle, to));
                parts.map(|(one, other)| one + other) == map.distance(from, to)
            });
            if from != to && is_on_the_way && !pairs.contains(&(from, to)) {
                pairs.push((from, to));
            }
        }
        pairs
    }

    /// Whether all is right within `limit`; what is not is noted.
    fn converges(&mut self, limit: Duration) -> bool {
        let end = self.world.now() + limit;
        loop {
            let is_quiet = self.world.now() - self.world.last_publication() >= QUIET;
            let map = self.world.map();
            let is_right = is_quiet
                && self.is_right_now()
                && checkers::databases(&self.world, &map).is_empty()
                && checkers::check(&self.world).is_empty();
            if is_right {
                return true;
            }
            if self.world.now() >= end {
                self.judge_lateness(limit);
                return false;
            }
            let next = self.world.now() + if is_quiet { STEP * 10 } else { STEP };
            self.step(next);
        }
    }

    fn judge_lateness(&mut self, limit: Duration) {
        let found = checkers::check(&self.world);
        let now = self.world.now();
        if found.is_empty() {
            let text = format!("right, but never quiet for {QUIET:?} within {limit:?}");
            self.find(Finding::new("not_quiet", now, &[], text));
        }
        for violation in &found {
            self.find(Finding::of(violation, now));
        }
    }

    /// A network that converged must fall silent: hellos, nothing else of OSPF, and no new worlds
    /// for the data planes.
    fn falls_silent(&mut self) {
        self.run_for(REST);
        let (before, worlds) = (*self.world.traffic(), self.world.work().publications);
        self.run_for(SILENCE);
        let (heard, now) = (self.world.traffic().since(&before), self.world.now());
        if heard.unrest() > 0 {
            let text = format!("OSPF is not silent: {heard:?}");
            self.find(Finding::new("not_silent", now, &[], text));
        }
        let published = self.world.work().publications - worlds;
        if published > 0 {
            let text = format!("{published} worlds were published after all was right");
            self.find(Finding::new("not_silent", now, &[], text));
        }
    }

    /// All checks, and pings between some routers, all of a small cluster.
    fn is_right(&mut self) {
        let count = self.world.router_count();
        let all = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let pairs = if count * count <= PINGS_MAX {
            all.collect()
        } else {
            let mut draw = || usize::try_from(self.prng.below(count as u64)).unwrap_or(0);
            (0..PINGS_MAX).map(|_| (draw(), draw())).collect()
        };
        let mut found = checkers::check(&self.world);
        found.extend(checkers::ping(&mut self.world, pairs, PING_PATIENCE));
        found.extend(checkers::conservation(&self.world));
        found.extend(checkers::limits(&self.world));
        let now = self.world.now();
        for violation in &found {
            self.find(Finding::of(violation, now));
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < VIOLATIONS_MAX {
            self.findings.push(finding);
        }
    }

    fn report(self) -> Report {
        let Self { scenario, world, .. } = &self;
        let (traffic, work, probes) = (world.traffic(), world.work(), world.probes());
        let cables = scenario.topology.cables().len();
        let rule = scenario.rule.as_ref().map(ToString::to_string);
        let causes = probes.causes().iter();
        let alone = self.rows.iter().filter(|row| row.is_alone).map(|row| row.microloops).sum();
        Report {
            seed: scenario.seed,
            topology: rule.unwrap_or_else(|| format!("{cables} cables")),
            routers: world.router_count(),
            links: cables,
            faults: scenario.events.len(),
            counts: Counts {
                events: world.event_count(),
                frames: world.links().iter().map(|link| link.counts.sent).sum(),
                hellos: traffic.of(FrameKind::Hello),
                lsus: traffic.of(FrameKind::LinkStateUpdate),
                spfs: work.calculations,
                publications: work.publications,
            },
            simulated_ms: world.now().as_nanos() / 1_000_000,
            started_ms: milliseconds(&self.started),
            converged_ms: Summary::of(self.spans.clone()),
            lost_packets: probes.counts().lost,
            lost_by_cause: causes.map(|(cause, count)| ((*cause).to_owned(), *count)).collect(),
            microloops: alone,
            microloops_overlapping: probes.counts().microloops - alone,
            loops: probes.counts().loops,
            probes: probes.counts(),
            digest: format!("{:016x}", world.trace().digest()),
            by_fault: self.rows,
            violations: self.findings,
        }
    }
}

fn lead_ns() -> u64 {
    u64::try_from(PROBE_LEAD.as_nanos()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
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

    /// A router whose worlds reach its data plane for the first ten seconds only.
    struct Frozen {
        inner: ControlPlane,
        born: Option<Instant>,
        is_frozen: bool,
    }

    impl Machine for Frozen {
        type Input = Input;
        type Action = Action;

        fn handle(&mut self, now: Instant, input: Input) {
            let born = *self.born.get_or_insert(now);
            self.is_frozen = now - born > Duration::from_secs(10);
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

    impl Plane for Frozen {
        fn start(options: ControlOptions) -> Self {
            Self { inner: ControlPlane::start(options), born: None, is_frozen: false }
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

    impl Control for Frozen {
        fn area_digest(&self) -> u64 {
            self.inner.area_digest()
        }

        fn debts(&self) -> u64 {
            self.inner.debts()
        }

        fn refusals(&self) -> u64 {
            self.inner.refusals()
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
}
