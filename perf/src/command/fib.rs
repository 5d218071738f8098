//! `kumiki-perf fib`: the table of prefixes beside DPDK's, in one run.
//!
//! Owns the words of the command, which tables are compared, and the JSON form. The bench itself is
//! [`crate::table`].

use crate::command::output::OutputArguments;
use crate::command::{Outcome, at_least_one, table};
use crate::document::{Bar, Better, Document, Figure, Series};
use crate::measure::Spread;
use crate::rib::{BrokenLines, Rib};
use crate::table::{Cost, DayCost, Effort, Line, Nobody, Others, compare, cost, day};
use crate::trace::Kind;
use crate::update::{self, Update};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// The table of prefixes beside rte_fib6 and rte_lpm6
#[derive(Args, Debug)]
pub struct FibArguments {
    /// A table with one prefix a line (.xz too); without it one is made up
    #[arg(long, value_name = "FILE")]
    rib: Option<PathBuf>,
    /// Load a table in which lines are broken, without those lines
    #[arg(long)]
    lenient: bool,
    /// Updates to replay, one `A PREFIX` or `W PREFIX` a line (.xz too); without it made-up ones
    #[arg(long, value_name = "FILE")]
    updates: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
    /// Rounds of each comparison
    #[arg(long, default_value_t = 31, value_parser = at_least_one())]
    rounds: usize,
    /// The processor to run on
    #[arg(long, default_value_t = 1)]
    cpu: usize,
    /// Only the table of the file
    #[arg(long)]
    quick: bool,
}

/// Memory for DPDK's tables of a quarter of a million routes, three of them, which are generous
/// with what they book; …
#[cfg(dpdk)]
const MEMORY_MIB: u32 = 2560;
/// … and of a million.
#[cfg(dpdk)]
const MEMORY_MIB_MILLION: u32 = 9216;
/// Updates that are made up where no file is given.
const UPDATES_MADE_UP: usize = 200_000;
/// Passes that warm the caches, in a warm and in a cold comparison.
const WARM_PASSES: [usize; 2] = [8, 1];

#[derive(Serialize)]
struct FibReport {
    lookups: Vec<Line>,
    costs: Vec<Cost>,
    day: Option<DayCost>,
    ratio_vs_rte_fib6_avx512: Option<f64>,
    ratio_vs_rte_fib6_avx512_zipf: Option<f64>,
    ratio_vs_rte_lpm6: Option<f64>,
    build_ms: f64,
    update_us_p50: f64,
    update_us_p99: f64,
    bytes_per_prefix: f64,
}

/// Runs the command.
pub fn run(arguments: &FibArguments) -> Outcome {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: arguments.cpu }) {
        return Err(format!("processor {} is not there; see --cpu", arguments.cpu).into());
    }
    let full = match &arguments.rib {
        Some(path) => {
            let broken = if arguments.lenient { BrokenLines::Skip } else { BrokenLines::Refuse };
            Rib::read(path, broken)?
        }
        None => Rib::public_shape(246_175),
    };
    let mut bench = Bench::start(arguments)?;
    bench.run(&full, &[Kind::Uniform, Kind::Zipf, Kind::Missing], WARM_PASSES[0]);
    bench.run(&full, &[Kind::Uniform, Kind::Zipf], WARM_PASSES[1]);
    bench.costs.push(cost(&full, bench.effort(WARM_PASSES[0])));
    if !arguments.quick {
        let more = [Rib::cluster(), full.grown(1_000_000)];
        for rib in &more {
            bench.run(rib, &[Kind::Uniform, Kind::Zipf], WARM_PASSES[0]);
            bench.costs.push(cost(rib, bench.effort(WARM_PASSES[0])));
        }
    }
    let broken = if arguments.lenient { BrokenLines::Skip } else { BrokenLines::Refuse };
    let updates = match &arguments.updates {
        Some(path) => update::read(path, broken)?,
        None => update::made_up(&full, UPDATES_MADE_UP),
    };
    bench.print_costs();
    bench.replay(&full, &updates);
    let mut document = bench.document(&full);
    if arguments.rib.is_none() {
        document.notes.push(format!(
            "The full table is made up in the shape of the public one ({} routes); --rib FILE \
             takes a real one.",
            full.prefixes.len()
        ));
    }
    for note in &document.notes {
        println!("{note}");
    }
    arguments.output.write(&document)
}

struct Bench {
    rounds: usize,
    lookups: Vec<Line>,
    costs: Vec<Cost>,
    day: Option<DayCost>,
    #[cfg(dpdk)]
    eal: kumiki::dpdk::Eal,
}

impl Bench {
    #[cfg(dpdk)]
    fn start(arguments: &FibArguments) -> Result<Self, Box<dyn std::error::Error>> {
        let options = kumiki::dpdk::EalOptions {
            main_cpus: vec![u16::try_from(arguments.cpu)?],
            memory_mib: if arguments.quick { MEMORY_MIB } else { MEMORY_MIB_MILLION },
            file_prefix: format!("kumiki-perf-{}", std::process::id()),
            eal_args: vec!["--force-max-simd-bitwidth=512".to_owned()],
            ..kumiki::dpdk::EalOptions::default()
        };
        let eal = kumiki::dpdk::Eal::init(&options)?;
        core_affinity::set_for_current(core_affinity::CoreId { id: arguments.cpu });
        Ok(Self {
            rounds: arguments.rounds,
            lookups: Vec::new(),
            costs: Vec::new(),
            day: None,
            eal,
        })
    }

    #[cfg(not(dpdk))]
    fn start(arguments: &FibArguments) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self { rounds: arguments.rounds, lookups: Vec::new(), costs: Vec::new(), day: None })
    }

    fn effort(&self, warm_passes: usize) -> Effort {
        Effort { rounds: self.rounds, warm_passes, changes: 4000 }
    }

    fn run(&mut self, rib: &Rib, kinds: &[Kind], warm_passes: usize) {
        let effort = self.effort(warm_passes);
        let lines = compare(rib, kinds, effort, &mut *self.others(rib));
        print_lines(&lines);
        self.lookups.extend(lines);
    }

    #[cfg(dpdk)]
    fn others(&self, rib: &Rib) -> Box<dyn Others> {
        match crate::table::DpdkTables::build(&self.eal, rib) {
            Ok(tables) => Box::new(tables),
            Err(failure) => {
                eprintln!("DPDK's tables cannot hold {}: {failure}", rib.name);
                Box::new(Nobody)
            }
        }
    }

    #[cfg(not(dpdk))]
    fn others(&self, _rib: &Rib) -> Box<dyn Others> {
        Box::new(Nobody)
    }

    fn replay(&mut self, rib: &Rib, updates: &[Update]) {
        let cost = day(rib, updates);
        println!(
            "{} updates in {} publications: {:.2} s, the longest batch {:.1} ms\n",
            cost.updates, cost.publications, cost.seconds, cost.batch_ms_max
        );
        self.day = Some(cost);
    }

    fn print_costs(&self) {
        let mut table = table(&["table", "routes", "build ms", "change µs p50", "p99", "B/prefix"]);
        for cost in &self.costs {
            table.add_row([
                cost.rib.clone(),
                cost.routes.to_string(),
                format!("{:.1}", cost.build_ms.p50),
                format!("{:.1}", cost.update_us_p50),
                format!("{:.1}", cost.update_us_p99),
                format!("{:.1}", cost.bytes_per_prefix),
            ]);
        }
        println!("{table}\n");
    }

    fn document(self, full: &Rib) -> Document {
        let ratio = |trace: Kind, name: &str| {
            let is_it = |line: &&Line| {
                line.rib == full.name
                    && line.trace == trace
                    && line.warm_passes == WARM_PASSES[0]
                    && line.name == name
            };
            self.lookups.iter().find(is_it).map(|line| line.ratio)
        };
        let own = self.costs.first();
        let mut document = Document::of_this_run("fib", "The table of prefixes");
        document.series = self.series();
        document.figures = self.figures();
        document.add_details(&FibReport {
            ratio_vs_rte_fib6_avx512: ratio(Kind::Uniform, "rte_fib6, avx512"),
            ratio_vs_rte_fib6_avx512_zipf: ratio(Kind::Zipf, "rte_fib6, avx512"),
            ratio_vs_rte_lpm6: ratio(Kind::Uniform, "rte_lpm6"),
            build_ms: own.map_or(0.0, |cost| cost.build_ms.p50),
            update_us_p50: own.map_or(0.0, |cost| cost.update_us_p50),
            update_us_p99: own.map_or(0.0, |cost| cost.update_us_p99),
            bytes_per_prefix: own.map_or(0.0, |cost| cost.bytes_per_prefix),
            lookups: self.lookups,
            costs: self.costs,
            day: self.day,
        });
        document
    }

    fn series(&self) -> Vec<Series> {
        let lookups = self.lookups.iter().map(|line| {
            let name = format!("{}, {}", title(line), line.name);
            Series::new(name, "M lookups/s", Better::Higher, line.mega_lookups_per_second)
        });
        let costs = self.costs.iter().flat_map(|cost| {
            let name = |what: &str| format!("{}: {what}", cost.rib);
            let lower = Better::Lower;
            let change = Spread {
                p10: cost.update_us_p50,
                p50: cost.update_us_p50,
                p90: cost.update_us_p99,
            };
            [
                Series::new(name("build"), "ms", lower, cost.build_ms),
                Series::new(name("one change, median to p99"), "µs", lower, change),
                Series::single(name("memory"), "B/prefix", lower, cost.bytes_per_prefix),
            ]
        });
        lookups.chain(costs).collect()
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = Vec::new();
        for line in &self.lookups {
            let title = title(line);
            let bar = Bar { name: line.name.clone(), spread: line.mega_lookups_per_second };
            match figures.last_mut() {
                Some(Figure::Bars { title: last, bars, .. }) if *last == title => bars.push(bar),
                _ => {
                    let unit = "M lookups/s".to_owned();
                    figures.push(Figure::Bars { title, unit, bars: vec![bar] });
                }
            }
        }
        figures
    }
}

/// What a line is about, its contestant left out.
fn title(line: &Line) -> String {
    let kind = format!("{:?}", line.trace).to_lowercase();
    format!("{}, {kind}, {} warm passes", line.rib, line.warm_passes)
}

fn print_lines(lines: &[Line]) {
    let Some(first) = lines.first() else { return };
    println!("{}, caches warmed by {} passes", first.rib, first.warm_passes);
    let mut table = table(&["destinations", "table", "M lookups/s", "p10 .. p90", "kumiki is"]);
    for line in lines {
        let speed = line.mega_lookups_per_second;
        table.add_row([
            format!("{:?}", line.trace).to_lowercase(),
            line.name.clone(),
            format!("{:.1}", speed.p50),
            format!("{:.1} .. {:.1}", speed.p10, speed.p90),
            format!("{:.2} ×", line.ratio),
        ]);
    }
    println!("{table}\n");
}
