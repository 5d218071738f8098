//! `kumiki sim`: a cluster that does not exist, with faults, under the eyes of judges.
//!
//! Owns the words, the progress on the terminal and the report; what is run is
//! [`crate::sim::campaign`]. Files and the clock on the wall are read here, so that the simulation
//! needs neither.

use crate::base::exit::Exit;
use crate::base::time::Duration;
use crate::base::time::Instant;
use crate::cli::replay;
use crate::cli::show::look::{Look, Table, cell};
use crate::planner::families::TopologySpec;
use crate::sim::campaign::{self, Progress};
use crate::sim::edges::EDGES_MAX;
use crate::sim::plan::Costs;
use crate::sim::report::{Finding, Report, Summary};
use crate::sim::scenario::{SPAN_MAX, Scenario};
use clap::{Args, ValueEnum};
use core::fmt::Write as _;
use core::sync::atomic::{AtomicU64, Ordering};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::channel;

/// Faults of a run, at most.
const FAULTS_MAX: u64 = 2000;
/// Runs of one command, at most.
const SEEDS_MAX: u64 = 100_000;
/// Runs at once, at most: more than CPUs there are.
const JOBS_MAX: i64 = 1024;
/// Routers of all runs at once, unless jobs are asked for: 400 in one cluster have 1.8 GB.
const ROUTERS_AT_ONCE: usize = 400;
/// Simulated time for a fault, where nothing else is said.
const TIME_PER_FAULT: Duration = Duration::from_millis(1500);
/// The same of all, at least.
const SPAN_MIN: Duration = Duration::from_secs(10);
/// How often progress is a line, where there is no terminal to show it on.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Rows of faults in the report for people: the worst.
const ROWS_MAX: usize = 8;
/// The commit, where the builder says it.
const COMMIT: Option<&str> = option_env!("KUMIKI_COMMIT");

/// What links cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CostsWord {
    /// All the same: many equal ways
    Uniform,
    /// Each end by chance
    Mixed,
}

/// `kumiki sim`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  kumiki sim --routers 200 --topology circulant:1,14 --faults 200
  kumiki sim --routers 50 --topology torus:5x10 --costs mixed --faults 20 --seeds 100
  kumiki sim --routers 12 --topology torus:3x4 --edges 3 --faults 30
  kumiki sim --routers 8 --faults 5 --seed 7 --write-plan plan.toml
  kumiki sim --plan plan.toml
  kumiki sim --replay router.jsonl

All the same but the seed, all the same: a run with a violation runs again exactly.
Exit code 1 when a checker found something.")]
pub struct SimArguments {
    /// How many routers
    #[arg(long, value_name = "COUNT", conflicts_with = "plan",
          value_parser = clap::value_parser!(u16).range(2..=1024))]
    pub routers: Option<u16>,
    /// Who is cabled to whom: ring, line, mesh, circulant:1,3, torus:4x4
    #[arg(long, value_name = "FAMILY", default_value = "ring", conflicts_with = "plan")]
    pub topology: String,
    /// Everything by chance follows from it
    #[arg(long, default_value_t = 1, value_name = "NUMBER", conflicts_with = "plan")]
    pub seed: u64,
    /// Run so many seeds, from this one on
    #[arg(long, default_value_t = 1, value_name = "COUNT", conflicts_with = "plan",
          value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    pub seeds: u64,
    /// Run so many of them at once [default: one on each CPU; fewer of large clusters]
    #[arg(long, value_name = "COUNT", conflicts_with = "plan",
          value_parser = clap::value_parser!(u16).range(1..=JOBS_MAX))]
    pub jobs: Option<u16>,
    /// How many faults, repairs not counted
    #[arg(long, default_value_t = 10, value_name = "COUNT", conflicts_with = "plan",
          value_parser = clap::value_parser!(u64).range(0..=FAULTS_MAX))]
    pub faults: u64,
    /// How many routers have an uplink to a provider
    #[arg(long, default_value_t = 0, value_name = "COUNT", conflicts_with = "plan",
          value_parser = clap::value_parser!(u16).range(0..=i64::from(EDGES_MAX)))]
    pub edges: u16,
    /// What links cost
    #[arg(long, value_enum, default_value = "uniform", conflicts_with = "plan")]
    pub costs: CostsWord,
    /// Seconds from the first fault until all is whole again [default: 1.5 for each fault]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "plan")]
    pub duration: Option<Duration>,
    /// A topology and a schedule of faults from a file, in place of all of the above
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Write the schedule of the seed to a file and run nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "seeds", "json"])]
    pub write_plan: Option<PathBuf>,
    /// Run a router's recording (`kumiki run --record`) again, and compare
    #[arg(long, value_name = "FILE", conflicts_with_all = ["routers", "topology", "seed", "seeds",
          "jobs", "faults", "edges", "costs", "duration", "plan", "write_plan"])]
    pub replay: Option<PathBuf>,
    /// JSON instead of text: an object for each run
    #[arg(long)]
    pub json: bool,
}

/// A report, and what the simulation itself cannot know.
#[derive(Serialize)]
struct Printed {
    schema: &'static str,
    #[serde(flatten)]
    report: Report,
    commit: &'static str,
    replay: String,
    wall_ms: u64,
}

/// What became of a seed.
enum Outcome {
    Ran(Box<Printed>),
    /// The simulation panicked; the command that does it again.
    Panicked(String),
}

/// Runs the command.
pub fn sim(arguments: &SimArguments) -> Exit {
    if let Some(file) = &arguments.replay {
        return replay::replay(file, arguments.json);
    }
    // What is wrong with one seed is wrong with all.
    let first = match scenario(arguments, arguments.seed) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprintln!("kumiki: {error}");
            return Exit::Usage;
        }
    };
    if let Some(file) = &arguments.write_plan {
        return write_plan(file, &first);
    }
    let count = arguments.seeds;
    let mut bad = 0;
    let mut show = |outcome: Outcome| {
        bad += u64::from(!matches!(&outcome, Outcome::Ran(printed) if printed.report.is_good()));
        match outcome {
            Outcome::Panicked(again) => {
                eprintln!("kumiki: the run ended in a panic; again with:\n  {again}");
            }
            Outcome::Ran(printed) if arguments.json => match serde_json::to_string(&printed) {
                Ok(text) => println!("{text}"),
                Err(error) => eprintln!("kumiki: the report cannot be written: {error}"),
            },
            Outcome::Ran(printed) if count == 1 => print!("{}", long(&printed)),
            Outcome::Ran(printed) => println!("{}", short(&printed)),
        }
    };
    if count == 1 {
        show(run_one(arguments, &first));
    } else {
        run_all(arguments, jobs(arguments, first.topology.server_count()), &mut show);
        if !arguments.json {
            println!("{} of {count} seeds without a complaint", count - bad);
        }
    }
    if bad == 0 { Exit::Ok } else { Exit::Failed }
}

/// Runs at once: what was asked for, or one on each CPU while memory is likely to do.
fn jobs(arguments: &SimArguments, routers: usize) -> u64 {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or(cpus.min(ROUTERS_AT_ONCE / routers.max(1)), usize::from);
    u64::try_from(jobs.max(1)).unwrap_or(1).min(arguments.seeds)
}

/// Runs many seeds, some at once, and shows each in its turn.
fn run_all(arguments: &SimArguments, jobs: u64, show: &mut dyn FnMut(Outcome)) {
    let bar = progress(arguments.json);
    let (next, (sender, outcomes)) = (AtomicU64::new(0), channel());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= arguments.seeds {
                        return;
                    }
                    let seed = arguments.seed.saturating_add(number);
                    let Ok(scenario) = scenario(arguments, seed) else { return };
                    let outcome = outcome(arguments, &scenario, &mut |_| ());
                    if sender.send((number, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut shown) = (BTreeMap::new(), 0);
        bar.enable_steady_tick(Duration::from_millis(100));
        for (number, outcome) in outcomes {
            waiting.insert(number, outcome);
            while let Some(outcome) = waiting.remove(&shown) {
                bar.suspend(|| show(outcome));
                shown += 1;
            }
            bar.set_message(format!("{shown} of {} seeds, {jobs} at once", arguments.seeds));
        }
    });
    bar.finish_and_clear();
}

/// Runs one seed, with its progress on the terminal or, now and then, as a line.
fn run_one(arguments: &SimArguments, scenario: &Scenario) -> Outcome {
    let (bar, begin) = (progress(arguments.json), std::time::Instant::now());
    let mut next_line = LINE_INTERVAL;
    let outcome = outcome(arguments, scenario, &mut |progress| {
        let elapsed = begin.elapsed();
        if !bar.is_hidden() {
            bar.set_message(line(progress, elapsed));
            bar.tick();
        } else if !arguments.json && elapsed >= next_line {
            eprintln!("  {}", line(progress, elapsed));
            next_line = elapsed + LINE_INTERVAL;
        }
    });
    bar.finish_and_clear();
    outcome
}

fn outcome(
    arguments: &SimArguments,
    scenario: &Scenario,
    watch: &mut dyn FnMut(Progress),
) -> Outcome {
    let (begin, again) = (std::time::Instant::now(), replay_command(arguments, scenario));
    let report = catch_unwind(AssertUnwindSafe(|| campaign::run(scenario, watch)));
    let Ok(report) = report else { return Outcome::Panicked(again) };
    let wall_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let commit = COMMIT.unwrap_or(concat!("v", env!("CARGO_PKG_VERSION")));
    let schema = "kumiki.sim/1";
    Outcome::Ran(Box::new(Printed { schema, report, commit, replay: again, wall_ms }))
}

fn progress(is_quiet: bool) -> ProgressBar {
    let bar = if is_quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg}") {
        bar.set_style(style);
    }
    bar
}

/// `90`, `90s`, `1.5m`.
fn seconds(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60.0),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let span = number.parse::<f64>().ok().map(|number| Duration::try_from_secs_f64(number * unit));
    match span {
        Some(Ok(span)) if !span.is_zero() && span <= SPAN_MAX => Ok(span),
        _ => Err(format!("write seconds, up to {}", SPAN_MAX.as_secs())),
    }
}

fn scenario(arguments: &SimArguments, seed: u64) -> Result<Scenario, String> {
    if let Some(file) = &arguments.plan {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        return Scenario::read(&text).map_err(|error| format!("{}: {error}", file.display()));
    }
    let rule: TopologySpec = arguments.topology.parse().map_err(|error| format!("{error}"))?;
    let routers = arguments.routers.map(usize::from);
    let scenario = Scenario::new(rule, routers, seed).map_err(|error| error.to_string())?;
    let edges = usize::from(arguments.edges);
    let mut scenario = scenario.with_edges(edges).map_err(|error| error.to_string())?;
    if arguments.costs == CostsWord::Mixed {
        scenario.costs = Costs::Mixed;
    }
    let faults = u32::try_from(arguments.faults).unwrap_or(u32::MAX);
    if faults == 0 {
        return Ok(scenario);
    }
    let usual = TIME_PER_FAULT.saturating_mul(faults).max(SPAN_MIN).min(SPAN_MAX);
    let span = arguments.duration.unwrap_or(usual);
    Ok(scenario.with_faults(usize::try_from(faults).unwrap_or(usize::MAX), span))
}

fn write_plan(file: &std::path::Path, scenario: &Scenario) -> Exit {
    match std::fs::write(file, scenario.write()) {
        Ok(()) => {
            println!("{} events in {}", scenario.events.len(), file.display());
            Exit::Ok
        }
        Err(error) => {
            eprintln!("kumiki: {} cannot be written: {error}", file.display());
            Exit::Failed
        }
    }
}

fn line(progress: Progress, elapsed: Duration) -> String {
    let Progress { phase, now, events, faults: (done, all) } = progress;
    let per_second = u128::from(events) * 1000 / elapsed.as_millis().max(1);
    let simulated = (now - Instant::ZERO).as_secs_f64();
    let schedule =
        if all == 0 { String::new() } else { format!(", fault or repair {done} of {all}") };
    format!("{phase}: {simulated:.2} s simulated{schedule}, {per_second} events/s")
}

/// The command that runs this again.
fn replay_command(arguments: &SimArguments, scenario: &Scenario) -> String {
    if let Some(file) = &arguments.plan {
        return format!("kumiki sim --plan {}", file.display());
    }
    let mut text = "kumiki sim".to_owned();
    let routers = scenario.topology.server_count();
    // Writing to a string cannot fail.
    let _ = write!(text, " --routers {routers} --topology {}", arguments.topology);
    let _ = write!(text, " --seed {} --faults {}", scenario.seed, arguments.faults);
    if arguments.edges > 0 {
        let _ = write!(text, " --edges {}", arguments.edges);
    }
    if arguments.costs == CostsWord::Mixed {
        text += " --costs mixed";
    }
    if let Some(span) = arguments.duration {
        let _ = write!(text, " --duration {}", span.as_secs_f64());
    }
    text
}

/// A run in a line, and what is wrong behind it.
fn short(printed: &Printed) -> String {
    let Printed { report, replay, wall_ms, .. } = printed;
    let Report { seed, lost_packets, microloops, microloops_overlapping: overlapping, .. } = report;
    let verdict = if report.is_good() { "ok" } else { "BAD" };
    let right = match report.converged_ms {
        Summary { count: 0, .. } => "tables never wrong".to_owned(),
        Summary { max, .. } => format!("right again after at most {max} ms"),
    };
    let mut text = format!(
        "seed {seed:<6} {verdict:<4} {lost_packets} lost, {microloops} + {overlapping} microloops, \
         {right}, {wall_ms} ms"
    );
    if report.edges > 0 {
        let (lost, loops) = (report.exit_lost_packets, report.exit_microloops);
        let Summary { max, .. } = report.exits_moved_ms;
        // Writing to a string cannot fail.
        let _ = write!(text, "; out: {lost} lost, {loops} microloops, moved in at most {max} ms");
    }
    text += &violations(report, replay);
    text
}

/// The report for people.
fn long(printed: &Printed) -> String {
    let Printed { report, commit, replay, wall_ms, .. } = printed;
    let Report { counts, .. } = report;
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<16} {value}");
    };
    let Report { topology, routers, links, seed, .. } = report;
    row("cluster", format!("{topology}, {routers} routers, {links} links, seed {seed}, {commit}"));
    let (seconds, events) = (report.simulated_ms / 1000, counts.events);
    let per_second = events * 1000 / (*wall_ms).max(1);
    row("time", format!("{seconds} s simulated in {wall_ms} ms, {per_second} events/s"));
    let started = |took: f64| format!("{took} ms until every table was right");
    row("started", report.started_ms.map_or_else(|| "never right".to_owned(), started));
    for (name, value) in what_happened(report) {
        row(name, value);
    }
    let frames =
        format!("{} frames, {} hellos, {} LSUs", counts.frames, counts.hellos, counts.lsus);
    let worlds = format!("{} SPFs, {} publications", counts.spfs, counts.publications);
    row("work", format!("{events} events, {frames}, {worlds}"));
    row("digest", report.digest.clone());
    text += &worst(report);
    text += &violations(report, replay);
    if report.is_good() {
        text += "\nno violation\n";
    }
    text
}

/// The rows on the schedule and what came of it.
fn what_happened(report: &Report) -> Vec<(&'static str, String)> {
    let Report { faults, sequels, clean_up, probes, .. } = report;
    if report.by_fault.is_empty() {
        let text = match (faults + sequels + clean_up, report.is_good()) {
            (0, true) => "none: the cluster started, was right and fell silent",
            (0, false) => "none",
            (_, _) => "none happened: the cluster was not right before the first",
        };
        return vec![("faults", text.to_owned())];
    }
    let mut rows =
        vec![("faults", format!("{faults}, and {} that came of them", events(*sequels)))];
    if *clean_up > 0 {
        let text = format!("{} at the end, to make all whole that was touched", events(*clean_up));
        rows.push(("clean-up", text));
    }
    let Summary { count, median, p90, max } = report.converged_ms;
    rows.push(match count {
        0 => ("right again", "at once: no event is known to have made a table wrong".to_owned()),
        _ => {
            let times = format!("median {median} ms, p90 {p90} ms, max {max} ms");
            ("right again", format!("{times}, after {} that made tables wrong", events(count)))
        }
    });
    if report.overtaken > 0 {
        let text = "the next event came before all tables were right; no failure";
        rows.push(("overtaken", format!("{}: {text}", events(report.overtaken))));
    }
    rows.push(("packets", format!("{} sent between pairs near an event", probes.sent)));
    let lost = report.lost_by_cause.iter().map(|(cause, count)| format!("{count} {cause}"));
    let lost: Vec<String> = lost.collect();
    rows.push(("lost", format!("{}{}", report.lost_packets, bracketed(&lost.join(", ")))));
    let (overlapping, loops) = (report.microloops_overlapping, report.loops);
    let more = format!("{overlapping} more while events overlapped, {loops} loops in the tables");
    rows.push(("microloops", format!("{} packets{}", report.microloops, bracketed(&more))));
    if report.edges > 0 {
        rows.extend(what_happened_outward(report));
    }
    rows
}

/// The rows on the ways out of the cluster.
fn what_happened_outward(report: &Report) -> Vec<(&'static str, String)> {
    let Summary { count, median, p90, max } = report.exits_moved_ms;
    let times = format!("median {median} ms, p90 {p90} ms, max {max} ms");
    let moved = match count {
        0 => "no event is known to have made one wrong".to_owned(),
        _ => format!("right again: {times}, after {} that made one wrong", events(count)),
    };
    let lost = report.exit_lost_by_cause.iter().map(|(cause, count)| format!("{count} {cause}"));
    let lost = bracketed(&lost.collect::<Vec<_>>().join(", "));
    let loops = report.exit_microloops;
    vec![
        ("ways out", format!("{} edges; {moved}", report.edges)),
        ("packets out", format!("{} sent", report.probes.exit_sent)),
        ("lost out", format!("{}{lost}, {loops} came to a router twice", report.exit_lost_packets)),
    ]
}

fn events(count: usize) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

fn bracketed(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

/// The events that cost packets, those that cost most first.
fn worst(report: &Report) -> String {
    let mut rows: Vec<_> = report.by_fault.iter().filter(|row| row.lost_packets > 0).collect();
    rows.sort_by_key(|row| core::cmp::Reverse((row.lost_packets, row.microloops)));
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("\n  {} of {} lost packets", rows.len(), events(report.by_fault.len()));
    text += if rows.len() > ROWS_MAX { "; the worst of them:\n\n" } else { ":\n\n" };
    let headings = ["EVENT", "AT", "LOST", "MICROLOOPS", "RIGHT AGAIN AFTER"];
    let mut table = Table::new(Look::PLAIN, &headings).numbers_in(&[1, 2, 3, 4]);
    for row in rows.into_iter().take(ROWS_MAX) {
        let took =
            row.converged_ms.map_or_else(|| "overtaken".to_owned(), |took| format!("{took} ms"));
        table.row(vec![
            cell(&row.fault),
            cell(format!("{} ms", row.at_ms)),
            cell(row.lost_packets),
            cell(row.microloops),
            cell(took),
        ]);
    }
    for line in table.finish("").lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn violations(report: &Report, replay: &str) -> String {
    let mut text = String::new();
    for Finding { kind, time_ms, text: what, .. } in &report.violations {
        let _ = write!(text, "\n  {kind} at {time_ms} ms: {what}");
    }
    if report.violations_more > 0 {
        let _ = write!(text, "\n  and {} more", report.violations_more);
    }
    if !report.is_good() {
        let count = report.violations.len() as u64 + report.violations_more;
        let _ = write!(text, "\n\n{count} violations; again with:\n  {replay}");
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::faults::Part;
    use crate::sim::probes::ProbeCounts;
    use crate::sim::report::{Counts, FaultRow};
    use clap::Parser;

    #[derive(Parser)]
    struct Grammar {
        #[command(flatten)]
        sim: SimArguments,
    }

    fn read(words: &str) -> SimArguments {
        let words = core::iter::once("sim").chain(words.split_whitespace());
        Grammar::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).sim
    }

    #[test]
    fn the_command_that_replays_a_run_makes_the_same_scenario() {
        let arguments =
            read("--routers 6 --topology circulant:1,2 --faults 4 --costs mixed --duration 20s");
        let first = scenario(&arguments, 9).unwrap();
        let command = replay_command(&arguments, &first);
        let again = read(command.strip_prefix("kumiki sim ").unwrap());
        assert_eq!(scenario(&again, again.seed).unwrap(), first);
    }

    fn happened(fault: &str, part: Part, lost_packets: u64, took: Option<f64>) -> FaultRow {
        FaultRow {
            at_ms: 1234.567,
            fault: fault.to_owned(),
            part,
            is_alone: true,
            converged_ms: took,
            lost_packets,
            lost_by_cause: BTreeMap::new(),
            microloops: 0,
            exit_lost_packets: 0,
            exit_microloops: 0,
        }
    }

    fn printed(by_fault: Vec<FaultRow>) -> Printed {
        let count = |part| by_fault.iter().filter(|row| row.part == part).count();
        let report = Report {
            seed: 7,
            topology: "ring".to_owned(),
            routers: 4,
            links: 4,
            faults: count(Part::Fault),
            sequels: count(Part::Sequel),
            clean_up: count(Part::CleanUp),
            violations: Vec::new(),
            violations_more: 0,
            counts: Counts::default(),
            simulated_ms: 30_000,
            started_ms: Some(2_500.5),
            converged_ms: Summary::default(),
            overtaken: 0,
            lost_packets: 0,
            lost_by_cause: BTreeMap::new(),
            edges: 0,
            exits_moved_ms: Summary::default(),
            exit_lost_packets: 0,
            exit_lost_by_cause: BTreeMap::new(),
            exit_microloops: 0,
            microloops: 0,
            microloops_overlapping: 0,
            loops: 0,
            probes: ProbeCounts::default(),
            by_fault,
            digest: "00".to_owned(),
        };
        let (replay, commit) = ("kumiki sim --seed 7".to_owned(), "v0");
        Printed { schema: "kumiki.sim/1", report, commit, replay, wall_ms: 100 }
    }

    #[test]
    fn a_report_tells_faults_from_what_follows_and_from_the_clean_up() {
        let rows = vec![
            happened("cut s01-s02", Part::Fault, 35, Some(12.5)),
            happened("heal s01-s02", Part::Sequel, 0, Some(8.25)),
            happened("silence s03-s04 at s03", Part::Fault, 1043, None),
            happened("heal s01-s02", Part::CleanUp, 0, None),
            happened("heal s03-s04", Part::CleanUp, 0, Some(9.0)),
        ];
        let mut printed = printed(rows);
        printed.report.overtaken = 1;
        printed.report.lost_packets = 1078;
        printed.report.lost_by_cause = [("dead next hop".to_owned(), 1078)].into();
        printed.report.converged_ms = Summary { count: 3, median: 9.0, p90: 12.5, max: 12.5 };
        insta::assert_snapshot!(long(&printed));
    }

    #[test]
    fn a_run_without_faults_says_that_there_were_none() {
        let printed = printed(Vec::new());
        insta::assert_snapshot!(long(&printed));
        assert!(short(&printed).contains("tables never wrong"));
    }

    #[test]
    fn durations_are_seconds_unless_they_say_otherwise() {
        assert_eq!(seconds("90").unwrap(), Duration::from_secs(90));
        assert_eq!(seconds("90s").unwrap(), seconds("1.5m").unwrap());
        assert!(["", "x", "-1", "0", "1e9", "nan"].iter().all(|text| seconds(text).is_err()));
    }
}
