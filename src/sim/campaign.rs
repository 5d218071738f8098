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
use crate::sim::edge_checkers;
use crate::sim::faults::{Fault, Part, Planned};
use crate::sim::link::Quality;
use crate::sim::node::{Control, Node};
use crate::sim::oracle::Map;
use crate::sim::probes::{Goal, KEPT, Pair, ProbeCounts};
use crate::sim::report::{Counts, FaultRow, Finding, Report, Summary, milliseconds};
use crate::sim::scenario::Scenario;
use crate::sim::traffic::FrameKind;
use crate::sim::world::World;
use outward::Outward;
use std::collections::BTreeMap;
use std::rc::Rc;

pub use outward::EXIT_LIMIT;

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
/// The same after a control plane failed, whose successor needs the grace of its neighbours until
/// it has heard of all that they know: a few hellos and a round of retransmissions.
pub const CRASH_WINDOW_MAX: Duration = Duration::from_secs(10);
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
/// How long nothing may have happened and nobody have published before a fault whose losses and
/// loops are violations: longer than the hold-down of the SPF back-off (2 s), in which the routers
/// that heard of something calculate later than those that did not.
const UNDISTURBED: Duration = Duration::from_millis(2200);
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
    fault: Fault,
    probes: ProbeCounts,
    causes: Causes,
    /// Packets that were on their way when it happened.
    waiting: u64,
    converged: Option<Duration>,
    /// Whether any table was wrong because of it.
    was_wrong: bool,
    is_probing: bool,
    /// It came alone, and long after everything else: it must cause no loop.
    is_undisturbed: bool,
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
    /// Findings that found no room.
    findings_more: u64,
    /// What was last judged, and how.
    judged: Option<(Rc<Map>, u64, bool)>,
    /// Since when tables have been wrong for what works, whatever happened meanwhile.
    wrong: Option<Wrong>,
    probes_end: Instant,
    last_event: Instant,
    started: Option<Duration>,
    outward: Outward,
}

/// Tables that are wrong.
struct Wrong {
    since: Instant,
    /// For this.
    map: Rc<Map>,
    /// Whether that was noted already.
    is_told: bool,
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
        findings_more: 0,
        judged: None,
        wrong: None,
        probes_end: Instant::ZERO,
        last_event: Instant::ZERO,
        started: None,
        outward: Outward::default(),
    };
    if campaign.converges(Instant::ZERO, START_LIMIT) {
        let (world, first) = (&campaign.world, campaign.world.first_start());
        campaign.started = first.map(|first| world.last_publication() - first);
        campaign.world.hold_parts();
        campaign.world.hold_exits();
        campaign.falls_silent();
        campaign.judge_groups();
    }
    if campaign.findings.is_empty() {
        campaign.phase = "faults";
        campaign.happen();
        campaign.phase = "end";
        campaign.world.give_up_probes();
        if campaign.converges(campaign.last_event, campaign.heal_limit()) {
            campaign.note_late_end();
            campaign.note_right_exits();
            campaign.falls_silent();
            campaign.judge_groups();
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
        for Planned { after, fault, part } in &self.scenario.events {
            let at = self.origin + *after;
            self.run_until(Instant::from_nanos(at.as_nanos().saturating_sub(lead_ns())));
            let pairs = self.choose_pairs(fault);
            // The end of what came before is not the end of these.
            if let Some(window) = &mut self.window {
                window.is_probing = false;
            }
            self.world.probe(pairs);
            self.run_until(at);
            let (sole_crash, is_alone) = (self.sole_crash(fault), self.is_at_rest());
            let is_undisturbed = is_alone && self.is_undisturbed();
            self.close_window();
            self.world.apply(*fault);
            self.done += 1;
            self.rows.push(FaultRow {
                at_ms: milliseconds(after),
                fault: self.scenario.words(fault),
                part: *part,
                is_alone,
                converged_ms: None,
                lost_packets: 0,
                lost_by_cause: BTreeMap::new(),
                microloops: 0,
                exit_lost_packets: 0,
                exit_microloops: 0,
            });
            self.open_window(*fault, is_undisturbed, sole_crash);
        }
        self.run_until(self.world.now() + PROBE_WINDOW_MAX + PROBE_PATIENCE);
        self.close_window();
    }

    fn open_window(&mut self, fault: Fault, is_undisturbed: bool, sole_crash: Option<usize>) {
        self.last_event = self.world.now();
        self.outward.begin(self.world.now());
        self.look_outward();
        self.window = Some(Window {
            at: self.world.now(),
            fault,
            probes: self.world.probes().counts(),
            causes: self.world.probes().causes().clone(),
            waiting: self.world.probes().waiting(),
            converged: None,
            was_wrong: !self.is_right_now(),
            is_probing: true,
            is_undisturbed,
            sole_crash,
        });
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
        let (at, fault) = (window.at, window.fault);
        let (is_probing, converged) = (window.is_probing, window.converged);
        if converged.is_none() && now - self.world.last_publication() >= QUIET {
            let is_right = self.is_right_now();
            // Where nothing was published since, nothing had to be.
            let took = self.world.last_publication().max(at) - at;
            if let Some(window) = &mut self.window {
                window.was_wrong |= !is_right;
                window.converged = is_right.then_some(took);
            }
            if is_right {
                self.world.hold_parts();
            }
        }
        self.watch_lateness();
        self.look_outward();
        if is_probing && now - at >= self.probing_time(fault, converged) {
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

    /// How long after an event packets are sent.
    fn probing_time(&self, fault: Fault, converged: Option<Duration>) -> Duration {
        let usual = converged.map_or(PROBE_WINDOW_MAX, |took| took + PROBE_TAIL + QUIET);
        match fault {
            // Nothing changes but the link, which goes on to lose what it is given.
            Fault::Degrade { .. } => PROBE_WINDOW_MAX,
            Fault::Crash { .. } if self.is_restarting() => CRASH_WINDOW_MAX,
            _ => usual.min(PROBE_WINDOW_MAX),
        }
    }

    /// Notes once that tables have been wrong for too long while what works was the same.
    fn watch_lateness(&mut self) {
        let (now, map) = (self.world.now(), self.world.map());
        let is_wrong = self.window.as_ref().is_some_and(|window| window.converged.is_none());
        if !is_wrong || self.is_degraded() {
            self.wrong = None;
            return;
        }
        match &mut self.wrong {
            Some(wrong) if wrong.map.hops() == map.hops() => {
                let is_late = now - wrong.since >= HEAL_LIMIT;
                if is_late && !core::mem::replace(&mut wrong.is_told, true) {
                    self.judge_lateness(HEAL_LIMIT);
                }
            }
            _ => self.wrong = Some(Wrong { since: now, map, is_told: false }),
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

    /// Whether what happened before is over: tables and databases are right, nobody is owed an LSA,
    /// and no control plane needs the grace of its neighbours any more.
    fn is_at_rest(&self) -> bool {
        let is_over = self.window.as_ref().is_none_or(|window| window.converged.is_some());
        let mut running = self.running();
        is_over
            && !self.is_degraded()
            && !self.is_restarting()
            && running.all(|control| control.debts() == 0)
            && checkers::databases(&self.world, &self.world.map()).is_empty()
    }

    /// Whether nothing has happened for so long that every router is as quick as the others.
    fn is_undisturbed(&self) -> bool {
        let last = self.last_event.max(self.world.last_publication());
        self.world.now() - last >= UNDISTURBED
    }

    fn is_restarting(&self) -> bool {
        self.running().any(Control::is_restarting)
    }

    fn running(&self) -> impl Iterator<Item = &C> {
        let routers = 0..self.world.router_count();
        routers.filter_map(|router| self.world.node(router)).map(Node::control)
    }

    fn close_window(&mut self) {
        let Some(window) = self.window.take() else { return };
        let (now, before) = (self.world.probes().counts(), window.probes);
        let lost = now.lost - before.lost;
        let microloops = now.microloops - before.microloops;
        let since = |(cause, count): (&&'static str, &u64)| {
            let more = count - window.causes.get(cause).copied().unwrap_or(0);
            (more > 0).then(|| ((*cause).to_owned(), more))
        };
        let causes = self.world.probes().causes().iter().filter_map(since);
        let causes: BTreeMap<String, u64> = causes.collect();
        // What is given up now may have been lost before the fault.
        let kept = causes.get(KEPT).copied().unwrap_or(0).min(window.waiting);
        if let Some(row) = self.rows.last_mut() {
            row.converged_ms = window.converged.as_ref().map(milliseconds);
            row.lost_packets = lost;
            row.lost_by_cause = causes;
            row.microloops = microloops;
            row.exit_lost_packets = now.exit_lost - before.exit_lost;
            row.exit_microloops = now.exit_microloops - before.exit_microloops;
        }
        if window.is_undisturbed {
            self.judge_lone(&window, lost - kept, microloops);
        }
        if let Some(router) = window.sole_crash.filter(|_| lost > 0) {
            let text = format!("{lost} packets were lost, although its packet path went on");
            self.find(Finding::new("lost_by_crash", window.at, &[router], text));
        }
        // What changed nothing was not slow, and nothing was right again after it.
        self.spans.extend(window.converged.filter(|_| window.was_wrong));
    }

    /// The last event is overtaken by nothing: where its window was over too soon, it is right now.
    fn note_late_end(&mut self) {
        let took = self.world.last_publication().max(self.last_event) - self.last_event;
        if let Some(row) = self.rows.last_mut().filter(|row| row.converged_ms.is_none()) {
            row.converged_ms = Some(milliseconds(&took));
            self.spans.push(took);
        }
    }

    /// Rows that the next event overtook.
    fn overtaken_count(&self) -> usize {
        let before_last = self.rows.len().saturating_sub(1);
        let is_overtaken =
            |row: &&FaultRow| row.part != Part::CleanUp && row.converged_ms.is_none();
        self.rows.iter().take(before_last).filter(is_overtaken).count()
    }

    /// A fault that came alone makes no packet circle; what comes back or ends in order loses none.
    fn judge_lone(&mut self, window: &Window, lost: u64, microloops: u64) {
        let what = self.scenario.words(&window.fault);
        let routers: Vec<usize> = window.fault.router().into_iter().collect();
        if microloops > 0 {
            let text = format!("{microloops} packets came to a router twice because of {what}");
            self.find(Finding::new("microloop", window.at, &routers, text));
        }
        if lost > 0 && window.fault.is_gentle() {
            let text = format!("{lost} packets were lost because of {what}");
            self.find(Finding::new("lost_at_return", window.at, &routers, text));
        }
    }

    /// Routers that a fault may separate: the ends of what it is about, and some whose shortest way
    /// leads there; with edges, also from some of them to the rest of the world.
    fn choose_pairs(&mut self, fault: &Fault) -> Vec<Pair> {
        let inside = self.choose_inside(fault);
        let mut pairs: Vec<Pair> =
            inside.into_iter().map(|(from, to)| (from, Goal::Router(to))).collect();
        pairs.extend(self.choose_outward(fault));
        pairs
    }

    fn choose_inside(&mut self, fault: &Fault) -> Vec<(usize, usize)> {
        let (map, count) = (self.world.map(), self.world.router_count());
        let near: Vec<usize> = match (fault.link(), fault.router()) {
            (Some(link), _) => self.world.links()[link].ends.map(|end| end.router).to_vec(),
            (None, Some(router)) => {
                self.scenario.topology.neighbors(router).take(PAIRS_MAX).collect()
            }
            (None, None) => Vec::new(),
        };
        let near: Vec<usize> = near.into_iter().filter(|router| *router < count).collect();
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

    /// Whether all is right within `limit` from `since` on; what is not is noted.
    fn converges(&mut self, since: Instant, limit: Duration) -> bool {
        let end = since + limit;
        loop {
            let is_quiet = self.world.now() - self.world.last_publication() >= QUIET;
            let map = self.world.map();
            let is_right = is_quiet
                && self.is_right_now()
                && self.are_exits_right()
                && checkers::databases(&self.world, &map).is_empty()
                && checkers::check(&self.world).is_empty()
                && edge_checkers::check(&self.world).is_empty();
            if is_right {
                return true;
            }
            if self.world.now() >= end {
                self.judge_lateness(limit);
                self.judge_exits(limit);
                return false;
            }
            let next = self.world.now() + if is_quiet { STEP * 10 } else { STEP };
            self.step(next);
        }
    }

    fn judge_lateness(&mut self, limit: Duration) {
        let found = checkers::check(&self.world);
        let now = self.world.now();
        if found.is_empty() && self.are_exits_right() {
            let text = format!("right, but never quiet for {QUIET:?} within {limit:?}");
            self.find(Finding::new("not_quiet", now, &[], text));
        }
        for violation in &found {
            self.find(Finding::of(violation, self.world.edges(), now));
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
            self.find(Finding::of(violation, self.world.edges(), now));
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < VIOLATIONS_MAX {
            self.findings.push(finding);
        } else {
            self.findings_more += 1;
        }
    }

    fn report(self) -> Report {
        let Self { scenario, world, .. } = &self;
        let (traffic, work, probes) = (world.traffic(), world.work(), world.probes());
        let cables = scenario.topology.cables().len();
        let rule = scenario.rule.as_ref().map(ToString::to_string);
        let count = |part| scenario.events.iter().filter(|planned| planned.part == part).count();
        let alone = self.rows.iter().filter(|row| row.is_alone).map(|row| row.microloops).sum();
        Report {
            seed: scenario.seed,
            topology: rule.unwrap_or_else(|| format!("{cables} cables")),
            routers: world.router_count(),
            links: cables,
            faults: count(Part::Fault),
            sequels: count(Part::Sequel),
            clean_up: count(Part::CleanUp),
            counts: Counts {
                events: world.event_count(),
                frames: world.links().iter().map(|link| link.counts.sent).sum(),
                hellos: traffic.of(FrameKind::Hello),
                lsus: traffic.of(FrameKind::LinkStateUpdate),
                spfs: work.calculations,
                publications: work.publications,
            },
            simulated_ms: world.now().as_nanos() / 1_000_000,
            started_ms: self.started.as_ref().map(milliseconds),
            converged_ms: Summary::of(self.spans.clone()),
            overtaken: self.overtaken_count(),
            lost_packets: probes.counts().lost,
            lost_by_cause: words(probes.causes()),
            edges: world.edges().count(),
            exits_moved_ms: Summary::of(self.outward.spans.clone()),
            exit_lost_packets: probes.counts().exit_lost,
            exit_lost_by_cause: words(probes.exit_causes()),
            exit_microloops: probes.counts().exit_microloops,
            microloops: alone,
            microloops_overlapping: probes.counts().microloops - alone,
            loops: probes.counts().loops,
            probes: probes.counts(),
            digest: format!("{:016x}", world.trace().digest()),
            by_fault: self.rows,
            violations: self.findings,
            violations_more: self.findings_more,
        }
    }
}

fn words(causes: &Causes) -> BTreeMap<String, u64> {
    causes.iter().map(|(cause, count)| ((*cause).to_owned(), *count)).collect()
}

fn lead_ns() -> u64 {
    u64::try_from(PROBE_LEAD.as_nanos()).unwrap_or(0)
}

mod outward;
#[cfg(test)]
mod tests;
