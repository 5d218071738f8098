//! `kumiki-perf failover`: what failures cost, beside FRR and BIRD in the same labs.
//!
//! Owns the words of the command and the comparison. Labs, faults and probes are those of `kumiki
//! lab test`, which runs once for each kind of router and round.
//!
//! *Invariants*: kinds take turns, round after round, so that a slow minute of the machine meets
//! all of them. Every run of every fault counts; none is left out as an outlier.

use crate::command::Outcome;
use crate::command::output::OutputArguments;
use crate::document::{Bar, Better, Document, Figure, Series, Sheet};
use crate::lab::router_program;
use crate::measure::Spread;
use clap::Args;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What failures cost, beside other routers in the same labs
#[derive(Args, Debug)]
pub struct FailoverArguments {
    /// ring, circulant:1,3, torus:4x4, or a file with a cable a line
    #[arg(long, default_value = "ring")]
    topology: String,
    /// Servers; default: what the topology says, else 8
    #[arg(long)]
    servers: Option<usize>,
    /// As `kumiki lab test` has it; repeatable
    #[arg(long = "fault", default_values = ["cut:s01-s02", "silent:s01-s02", "kill:s02"])]
    faults: Vec<String>,
    /// Other routers on every server, for comparison
    #[arg(long, value_delimiter = ',', default_value = "frr,bird")]
    beside: Vec<String>,
    /// Milliseconds between two BFD packets of every kind; default: that of the lab
    #[arg(long, value_name = "MS")]
    bfd: Option<u16>,
    /// Labs of each kind, one after the other in turn
    #[arg(long, default_value_t = 2, value_parser = super::at_least_one())]
    rounds: usize,
    /// How often each lab makes every fault
    #[arg(long, default_value_t = 5, value_parser = super::at_least_one())]
    repeat: usize,
    /// The program of the router; default: `kumiki` beside this one
    #[arg(long, value_name = "FILE")]
    router: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// Why a lab says nothing.
#[derive(Debug, thiserror::Error)]
enum FailoverError {
    /// It does not start.
    #[error("cannot run {0}: {1}")]
    Start(PathBuf, std::io::Error),
    /// It says nothing that can be read.
    #[error("the lab of {0} failed (exit code {1:?}); its reason stands above")]
    Lab(String, Option<i32>),
    /// Its words are not those of a lab test.
    #[error("the lab of {0} answers in another language: {1}")]
    Answer(String, serde_json::Error),
}

/// Of `kumiki lab test --json`, what is compared.
#[derive(Debug, Deserialize)]
struct LabReport {
    routed_ms: f64,
    faults: Vec<FaultRun>,
}

#[derive(Debug, Deserialize)]
struct FaultRun {
    fault: String,
    recovered: bool,
    restored: bool,
    streams: Vec<String>,
    stream_lost_packets: f64,
    outage_ms: f64,
    restore_lost_packets: f64,
}

/// A figure of one kind of router: its name without the kind.
type Named = (String, &'static str);

/// Values of every figure and kind, in the order in which they came up.
#[derive(Default)]
struct Findings {
    order: Vec<Named>,
    values: BTreeMap<(Named, String), Vec<f64>>,
    failures: Vec<String>,
}

impl Findings {
    fn note(&mut self, name: String, unit: &'static str, kind: &str, value: f64) {
        let named = (name, unit);
        if !self.order.contains(&named) {
            self.order.push(named.clone());
        }
        self.values.entry((named, kind.to_owned())).or_default().push(value);
    }

    fn take(&mut self, kind: &str, report: LabReport) {
        self.note("start to all routes".to_owned(), "ms", kind, report.routed_ms);
        for run in report.faults {
            let fault = &run.fault;
            if !(run.recovered && run.restored) {
                self.failures.push(format!("{kind}: {fault} did not recover in time"));
            }
            if run.streams.is_empty() {
                continue;
            }
            // A stream has a packet each millisecond.
            self.note(format!("{fault}: lost"), "ms", kind, run.stream_lost_packets);
            self.note(format!("{fault}: longest outage"), "ms", kind, run.outage_ms);
            let lost = run.restore_lost_packets;
            self.note(format!("{fault}: lost at repair"), "packets", kind, lost);
        }
    }
}

/// Runs the command.
pub fn run(arguments: &FailoverArguments) -> Outcome {
    let program = router_program(arguments.router.as_deref())?;
    let kinds: Vec<&str> =
        core::iter::once("kumiki").chain(arguments.beside.iter().map(String::as_str)).collect();
    let mut findings = Findings::default();
    for round in 1..=arguments.rounds {
        for kind in &kinds {
            eprintln!("round {round} of {}: {kind}", arguments.rounds);
            let report = run_lab(&program, arguments, kind)?;
            findings.take(kind, report);
        }
    }
    let document = document(arguments, &kinds, &findings);
    document.sheets.iter().for_each(Sheet::print);
    for note in &document.notes {
        println!("{note}");
    }
    arguments.output.write(&document)
}

fn run_lab(
    program: &Path,
    arguments: &FailoverArguments,
    kind: &str,
) -> Result<LabReport, FailoverError> {
    let mut command = Command::new(program);
    command.args(["lab", "test", "--json", "--topology", &arguments.topology]);
    if let Some(servers) = arguments.servers.or_else(|| servers_of(&arguments.topology)) {
        command.args(["--servers", &servers.to_string()]);
    }
    if let Some(ms) = arguments.bfd {
        command.args(["--bfd", &ms.to_string()]);
    }
    command.args(["--repeat", &arguments.repeat.to_string()]);
    command.args(["--peer", &format!("all={kind}")]);
    for fault in &arguments.faults {
        command.args(["--fault", fault]);
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| FailoverError::Start(program.to_owned(), error))?;
    // A lab in which something did not recover still says what it saw.
    if output.stdout.is_empty() {
        return Err(FailoverError::Lab(kind.to_owned(), output.status.code()));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| FailoverError::Answer(kind.to_owned(), error))
}

/// Families that do not say how many servers they have get this many.
fn servers_of(topology: &str) -> Option<usize> {
    let says_itself = topology.starts_with("torus") || Path::new(topology).exists();
    (!says_itself).then_some(8)
}

fn document(arguments: &FailoverArguments, kinds: &[&str], findings: &Findings) -> Document {
    let title = format!("Failures in {}", arguments.topology);
    let mut document = Document::of_this_run("failover", &title);
    let header: Vec<&str> = core::iter::once("").chain(kinds.iter().copied()).collect();
    let mut sheet = Sheet::new("median / nine tenths / worst of all runs", &header);
    for named in &findings.order {
        let (name, unit) = named;
        let mut row = vec![format!("{name} ({unit})")];
        let mut bars = Vec::new();
        for kind in kinds {
            let values = findings.values.get(&(named.clone(), (*kind).to_owned()));
            let Some(values) = values else {
                row.push("-".to_owned());
                continue;
            };
            let spread = Spread::of(values.clone());
            let worst = values.iter().copied().fold(0.0, f64::max);
            row.push(format!("{:.1} / {:.1} / {worst:.1}", spread.p50, spread.p90));
            let series = format!("{kind}, {name}");
            document.series.push(Series::new(series, unit, Better::Lower, spread));
            bars.push(Bar { name: (*kind).to_owned(), spread });
        }
        sheet.rows.push(row);
        let (title, unit) = (name.clone(), (*unit).to_owned());
        document.figures.push(Figure::Bars { title, unit, bars });
    }
    document.sheets.push(sheet);
    document.notes.push(format!(
        "{} runs of each fault; FRR and BIRD forward by the kernel, Kumiki over af_packet.",
        arguments.rounds * arguments.repeat
    ));
    if let Some(ms) = arguments.bfd {
        document.notes.push(format!("BFD every {ms} ms, of which three may be missing."));
    }
    document.notes.extend(findings.failures.iter().cloned());
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lost_packets: f64) -> FaultRun {
        FaultRun {
            fault: "cut:s01-s02".to_owned(),
            recovered: true,
            restored: lost_packets < 5.0,
            streams: vec!["h01-h02".to_owned(), "h02-h01".to_owned()],
            stream_lost_packets: lost_packets,
            outage_ms: lost_packets,
            restore_lost_packets: 0.0,
        }
    }

    #[test]
    fn figures_of_all_rounds_stand_side_by_side() {
        let mut findings = Findings::default();
        findings.take("kumiki", LabReport { routed_ms: 900.0, faults: vec![run(2.0), run(4.0)] });
        findings.take("frr", LabReport { routed_ms: 1900.0, faults: vec![run(30.0)] });
        let arguments = FailoverArguments {
            topology: "ring".to_owned(),
            servers: Some(4),
            faults: Vec::new(),
            beside: vec!["frr".to_owned()],
            rounds: 1,
            repeat: 2,
            router: None,
            bfd: None,
            output: OutputArguments::default(),
        };
        let document = document(&arguments, &["kumiki", "frr"], &findings);
        let rows = &document.sheets[0].rows;
        assert_eq!(rows[0][1], "900.0 / 900.0 / 900.0");
        assert_eq!(rows[1][0], "cut:s01-s02: lost (ms)");
        assert_eq!(&rows[1][1..], ["3.0 / 3.8 / 4.0", "30.0 / 30.0 / 30.0"]);
        let late = "frr: cut:s01-s02 did not recover in time";
        assert!(document.notes.iter().any(|note| note == late), "{:?}", document.notes);
    }
}
