//! `kumiki-perf bgp`: a full table through Kumiki, BIRD, FRR and GoBGP.
//!
//! Owns the words of the command, the rounds and the comparison. What one run is stands in
//! [`crate::bgp::course`].
//!
//! *Invariants*: routers take turns, round after round, so that a slow minute of the machine meets
//! all of them. Every run counts. Ratios are those of medians of this run.

use crate::bgp::Neighbour;
use crate::bgp::course::{CourseError, Day, Load, Loaded, day, load};
use crate::bgp::daemon::{Forwarding, Kind};
use crate::bgp::table::{Expected, Table};
use crate::command::output::OutputArguments;
use crate::command::{Outcome, at_least_one};
use crate::document::{Bar, Better, Document, Figure, Series, Sheet};
use crate::lab::router_program;
use crate::measure::Spread;
use crate::rib::{BrokenLines, Rib};
use crate::update;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Destinations of probes, beyond which one round takes longer than it tells.
const TARGETS: usize = 64;
/// The same when the source is lost: a round of them takes less than two milliseconds.
const MOVED_TARGETS: usize = 8;
/// Prefixes of the table that is made up where none is given.
const PREFIXES_MADE_UP: usize = 250_000;
const MEBIBYTE: f64 = 1048576.0;

/// A full table through Kumiki and other BGP routers
#[derive(Args, Debug)]
pub struct BgpArguments {
    /// A table, one prefix a line (.xz is unpacked); default: one in the public shape, made up
    #[arg(long, value_name = "FILE")]
    rib: Option<PathBuf>,
    /// Updates of that table, `A PREFIX` or `W PREFIX` a line
    #[arg(long, value_name = "FILE")]
    updates: Option<PathBuf>,
    /// Routers; default: those that are installed
    #[arg(long, value_enum, value_delimiter = ',')]
    against: Vec<Kind>,
    /// Runs of each
    #[arg(long, default_value_t = 5, value_parser = at_least_one())]
    runs: usize,
    /// The program of the router; default: `kumiki` beside this one
    #[arg(long, value_name = "FILE")]
    router: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// What is known of a router, run by run.
#[derive(Debug, Serialize)]
struct Findings {
    router: &'static str,
    version: String,
    /// Of each figure that this router has: median and tenths.
    figures: BTreeMap<&'static str, Spread>,
    /// The same by the median of BIRD, where that one takes part.
    ratios_to_bird: BTreeMap<&'static str, f64>,
    updates: Option<Day>,
    /// Without a forwarding table, where the router can do without.
    runs: Vec<Loaded>,
    /// With one.
    runs_with_forwarding: Vec<Loaded>,
    /// What went wrong, in words.
    failures: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Report {
    table: TableReport,
    routers: Vec<Findings>,
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TableReport {
    name: String,
    prefixes: usize,
    attribute_sets: usize,
    octets: usize,
    updates: usize,
}

/// A figure that routers are compared by.
struct Measure {
    /// In files.
    key: &'static str,
    /// In tables.
    title: &'static str,
    unit: &'static str,
    value: fn(&Findings) -> Vec<f64>,
}

const MEASURES: [Measure; 10] = [
    Measure {
        key: "propagation_ms",
        title: "last route told on",
        unit: "ms",
        value: |findings| findings.runs.iter().map(|run| run.propagation_ms).collect(),
    },
    Measure {
        key: "propagation_with_forwarding_ms",
        title: "the same, forwarding table filled meanwhile",
        unit: "ms",
        value: |findings| forwarding(findings, |run| Some(run.propagation_ms)),
    },
    Measure {
        key: "forwarded_ms",
        title: "packets to every destination come through",
        unit: "ms",
        value: |findings| forwarding(findings, |run| run.forwarded_ms),
    },
    Measure {
        key: "memory_mib",
        title: "memory above empty",
        unit: "MiB",
        value: |findings| {
            findings.runs.iter().map(|run| run.memory_bytes as f64 / MEBIBYTE).collect()
        },
    },
    Measure {
        key: "bytes_per_route",
        title: "memory of a route",
        unit: "bytes",
        value: |findings| findings.runs.iter().map(|run| run.bytes_per_route).collect(),
    },
    Measure {
        key: "cpu_s",
        title: "processor time",
        unit: "s",
        value: |findings| findings.runs.iter().map(|run| run.cpu_s).collect(),
    },
    Measure {
        key: "moved_ms",
        title: "source lost: packets go the other way",
        unit: "ms",
        value: |findings| forwarding(findings, |run| run.moved_ms),
    },
    Measure {
        key: "turn_p999_ms",
        title: "turns of the control thread, 99.9 %",
        unit: "ms",
        value: |findings| forwarding(findings, |run| run.turn_p999_ms),
    },
    Measure {
        key: "turn_max_ms",
        title: "its longest turn",
        unit: "ms",
        value: |findings| forwarding(findings, |run| run.turn_max_ms),
    },
    Measure {
        key: "moved_told_ms",
        title: "source lost: last route told on",
        unit: "ms",
        value: |findings| {
            let all = findings.runs.iter().chain(&findings.runs_with_forwarding);
            all.filter_map(|run| run.moved_told_ms).collect()
        },
    },
];

fn forwarding(findings: &Findings, value: fn(&Loaded) -> Option<f64>) -> Vec<f64> {
    findings.runs_with_forwarding.iter().filter_map(value).collect()
}

/// Runs the command.
pub fn run(arguments: &BgpArguments) -> Outcome {
    let kumiki = router_program(arguments.router.as_deref())?;
    let rib = match &arguments.rib {
        Some(path) => Rib::read(path, BrokenLines::Refuse)?,
        None => Rib::public_shape(PREFIXES_MADE_UP),
    };
    let (load, table, updates) = prepare(arguments, &rib, kumiki)?;
    let (kinds, missing) = contestants(&arguments.against, &load.kumiki);
    let mut findings: Vec<Findings> =
        kinds.iter().map(|kind| Findings::new(*kind, &load.kumiki)).collect();
    for round in 1..=arguments.runs {
        for (kind, findings) in kinds.iter().zip(&mut findings) {
            eprintln!("round {round} of {}: {}", arguments.runs, kind.name());
            findings.take_round(&load, *kind);
        }
    }
    if let Some(updates) = &updates {
        for (kind, findings) in kinds.iter().zip(&mut findings) {
            eprintln!("updates: {}", kind.name());
            match day(&load, *kind, updates) {
                Ok(day) => findings.updates = Some(day),
                Err(error) => findings.fail("updates", &error),
            }
        }
    }
    conclude(&mut findings);
    let report = Report { table, routers: findings, missing };
    let document = document(&report, arguments.runs);
    document.sheets.iter().for_each(Sheet::print);
    document.notes.iter().for_each(|note| println!("{note}"));
    arguments.output.write(&document)
}

type Updates = Option<(Vec<u8>, Expected)>;

/// Encodes everything that will be said.
fn prepare(
    arguments: &BgpArguments,
    rib: &Rib,
    kumiki: PathBuf,
) -> Result<(Load, TableReport, Updates), Box<dyn std::error::Error>> {
    let table = Table::new(&rib.prefixes);
    let updates = match &arguments.updates {
        Some(path) => update::read(path, BrokenLines::Refuse)?,
        None => Vec::new(),
    };
    let (first, second) =
        (table.announcements(Neighbour::First), table.announcements(Neighbour::Second));
    let report = TableReport {
        name: rib.name.clone(),
        prefixes: table.prefix_count(),
        attribute_sets: table.set_count(),
        octets: first.len(),
        updates: updates.len(),
    };
    let encoded = (!updates.is_empty()).then(|| table.updates(&updates));
    let (targets, moved_targets) = (table.islands(TARGETS), table.islands(MOVED_TARGETS));
    Ok((Load { table, first, second, targets, moved_targets, kumiki }, report, encoded))
}

/// Who takes part, and who cannot.
fn contestants(named: &[Kind], kumiki: &Path) -> (Vec<Kind>, Vec<String>) {
    let wanted = if named.is_empty() { Kind::ALL.to_vec() } else { named.to_vec() };
    let (there, not_there): (Vec<Kind>, Vec<Kind>) =
        wanted.into_iter().partition(|kind| kind.program(kumiki).is_some());
    let missing = |kind: &Kind| {
        format!("{} is not installed; `apt-get install {}`", kind.name(), kind.package())
    };
    (there, not_there.iter().map(missing).collect())
}

impl Findings {
    fn new(kind: Kind, kumiki: &Path) -> Self {
        Self {
            router: kind.name(),
            version: kind.version(kumiki),
            figures: BTreeMap::new(),
            ratios_to_bird: BTreeMap::new(),
            updates: None,
            runs: Vec::new(),
            runs_with_forwarding: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn take_round(&mut self, plan: &Load, kind: Kind) {
        match load(plan, kind, Forwarding::Left) {
            Ok(loaded) => self.runs.push(loaded),
            Err(error) => self.fail("run", &error),
        }
        if kind.forwards() {
            match load(plan, kind, Forwarding::Filled) {
                Ok(loaded) => self.runs_with_forwarding.push(loaded),
                Err(error) => self.fail("run with forwarding", &error),
            }
        }
    }

    fn fail(&mut self, what: &str, error: &CourseError) {
        eprintln!("{}: {what}: {error}", self.router);
        self.failures.push(format!("{what}: {error}"));
    }
}

/// Works figures out, and how they stand to those of BIRD.
fn conclude(findings: &mut [Findings]) {
    for router in findings.iter_mut() {
        for measure in &MEASURES {
            let values = (measure.value)(router);
            if !values.is_empty() {
                router.figures.insert(measure.key, Spread::of(values));
            }
        }
    }
    let bird = findings.iter().find(|router| router.router == Kind::Bird.name());
    let Some(bird) = bird.map(|bird| bird.figures.clone()) else { return };
    for router in findings {
        for (key, spread) in &router.figures {
            if let Some(other) = bird.get(key).filter(|other| other.p50 > 0.0) {
                router.ratios_to_bird.insert(key, spread.p50 / other.p50);
            }
        }
    }
}

fn document(report: &Report, runs: usize) -> Document {
    let table = &report.table;
    let title = format!(
        "{} prefixes with {} sets of attributes in {:.1} MB: {}",
        table.prefixes,
        table.attribute_sets,
        table.octets as f64 / 1e6,
        table.name
    );
    let mut document = Document::of_this_run("bgp", "A full table through BGP routers");
    let names = report.routers.iter().map(|router| router.router);
    let header: Vec<&str> = core::iter::once("").chain(names).collect();
    let mut sheet = Sheet::new(format!("{title}\nmedian (tenth .. ninth tenth)"), &header);
    for measure in &MEASURES {
        let (mut row, mut bars) = (vec![format!("{} ({})", measure.title, measure.unit)], vec![]);
        for router in &report.routers {
            let Some(spread) = router.figures.get(measure.key).copied() else {
                row.push("-".to_owned());
                continue;
            };
            row.push(format!("{:.1} ({:.1} .. {:.1})", spread.p50, spread.p10, spread.p90));
            let name = format!("{}, {}", router.router, measure.title);
            document.series.push(Series::new(name, measure.unit, Better::Lower, spread));
            bars.push(Bar { name: router.router.to_owned(), spread });
        }
        sheet.rows.push(row);
        let (title, unit) = (measure.title.to_owned(), measure.unit.to_owned());
        document.figures.push(Figure::Bars { title, unit, bars });
    }
    add_updates(&mut sheet, &mut document.series, report);
    document.sheets.push(sheet);
    document.notes = notes(report, runs);
    document.add_details(report);
    document
}

/// Two rows for the day of updates, where there was one.
fn add_updates(sheet: &mut Sheet, series: &mut Vec<Series>, report: &Report) {
    if report.routers.iter().all(|router| router.updates.is_none()) {
        return;
    }
    let mut seconds = vec![format!("{} updates absorbed (s)", report.table.updates)];
    let mut wrong = vec!["prefixes wrong after them".to_owned()];
    for router in &report.routers {
        let Some(day) = router.updates else {
            seconds.push("-".to_owned());
            wrong.push("-".to_owned());
            continue;
        };
        seconds.push(format!("{:.1}", day.seconds));
        wrong.push(day.wrong.to_string());
        let name = format!("{}, updates absorbed", router.router);
        series.push(Series::single(name, "s", Better::Lower, day.seconds));
    }
    sheet.rows.extend([seconds, wrong]);
}

fn notes(report: &Report, runs: usize) -> Vec<String> {
    let mut notes = vec![
        format!("{runs} runs of each, in turn. Kumiki fills its forwarding table in every run."),
        "Kumiki has its TCP behind its own data path, the others have it on their ports."
            .to_owned(),
    ];
    notes.extend(report.missing.iter().cloned());
    for router in &report.routers {
        notes.push(format!("{}: {}", router.router, router.version));
        let ratios = router.ratios_to_bird.iter();
        let ratios: Vec<String> = ratios.map(|(key, ratio)| format!("{key} {ratio:.2}")).collect();
        if router.router != Kind::Bird.name() && !ratios.is_empty() {
            notes.push(format!("{} by BIRD: {}", router.router, ratios.join(", ")));
        }
        notes.extend(router.failures.iter().map(|text| format!("{}: {text}", router.router)));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(kind: Kind, propagation_ms: &[f64]) -> Findings {
        let loaded = |ms: &f64| Loaded { propagation_ms: *ms, ..Loaded::default() };
        let runs = propagation_ms.iter().map(loaded).collect();
        Findings { runs, ..Findings::new(kind, Path::new("/no/kumiki")) }
    }

    #[test]
    fn ratios_are_those_of_medians_and_nobody_has_one_without_bird() {
        let mut all = [
            findings(Kind::Kumiki, &[200.0, 300.0, 900.0]),
            findings(Kind::Bird, &[600.0, 500.0, 700.0]),
        ];
        conclude(&mut all);
        assert_eq!(all[0].ratios_to_bird["propagation_ms"], 0.5);
        assert_eq!(all[1].ratios_to_bird["propagation_ms"], 1.0);
        let mut alone = [findings(Kind::Kumiki, &[200.0])];
        conclude(&mut alone);
        assert!(alone[0].ratios_to_bird.is_empty());
    }

    #[test]
    fn a_router_without_a_figure_has_a_dash_there() {
        let mut all = [findings(Kind::Kumiki, &[200.0]), findings(Kind::Gobgp, &[])];
        conclude(&mut all);
        let table = TableReport {
            name: "made up".to_owned(),
            prefixes: 1,
            attribute_sets: 1,
            octets: 100,
            updates: 0,
        };
        let missing = vec!["bird is not installed; `apt-get install bird2`".to_owned()];
        let report = Report { table, routers: all.into(), missing };
        let document = document(&report, 1);
        let row = &document.sheets[0].rows[0];
        assert_eq!(row[1..], ["200.0 (200.0 .. 200.0)", "-"]);
        assert!(document.notes.iter().any(|note| note.starts_with("bird is not installed")));
        assert_eq!(document.details["routers"][0]["router"], "kumiki");
    }
}
