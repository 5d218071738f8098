//! `kumiki-perf forward`: cycles a packet of the whole data path, beside `testpmd`.
//!
//! Owns the words of the command and the JSON form; the bench is [`crate::forward`]. `tunnels` has
//! what is bridged instead of routed.

use crate::command::output::OutputArguments;
use crate::command::{Outcome, at_least_one, table};
use crate::document::{Bar, Better, Document, Figure, Series};
use crate::forward::{Bench, Figures, ForwardError, frames};
use crate::measure::Spread;
use crate::rib::{BrokenLines, Rib};
use crate::testpmd::{Mode, Place, measure};
use clap::Args;
use kumiki::dpdk::{Eal, EalOptions, EalThread};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

mod tunnels;

/// Cycles a packet of the whole data path, beside testpmd
#[derive(Args, Debug)]
pub struct ForwardArguments {
    /// A table with one prefix a line (.xz too); without it one is made up
    #[arg(long, value_name = "FILE")]
    rib: Option<PathBuf>,
    /// Load a table in which lines are broken, without those lines
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    output: OutputArguments,
    /// The processor to forward on
    #[arg(long, default_value_t = 1)]
    cpu: usize,
    /// Millions of packets of each run
    #[arg(long, default_value_t = 32, value_parser = at_least_one())]
    packets: usize,
    /// Runs of each kind, in turn
    #[arg(long, default_value_t = 3, value_parser = at_least_one())]
    rounds: usize,
    /// Fewer packets, one round
    #[arg(long)]
    quick: bool,
    /// Bridging into pseudowires and out of them instead of routing
    #[arg(long, conflicts_with_all = ["rib", "lenient"])]
    tunnels: bool,
}

/// Sizes of tables; the last is the whole one.
const ROUTES: [usize; 3] = [1, 1_000, 10_000];
/// Octets of frames: IPv6 and UDP with twelve octets inside, two usual ones, a jumbo frame.
const FRAMES: [u16; 4] = [74, 594, 1514, 9014];
/// Size of the table that frames of all sizes go through.
const FRAMES_ROUTES: usize = 10_000;
/// How long testpmd runs each time.
const TESTPMD_TIME: Duration = Duration::from_secs(4);

#[derive(Serialize)]
struct ForwardReport {
    /// Cycles a packet with the largest table and the smallest frames.
    cycles_per_packet: f64,
    /// The same by size of the table.
    cycles_per_packet_by_routes: Vec<(usize, f64)>,
    /// How much testpmd costs.
    testpmd_io_cycles: Option<f64>,
    /// How much testpmd costs that swaps MAC addresses.
    testpmd_macswap_cycles: Option<f64>,
    /// Ours to that, by size of the table.
    ratio_vs_testpmd_macswap: Vec<(usize, f64)>,
    /// 9014 octets to 74.
    ratio_jumbo: f64,
    runs: Vec<Figures>,
}

/// Runs the command.
pub fn run(arguments: &ForwardArguments) -> Outcome {
    if arguments.tunnels {
        return tunnels::run(arguments);
    }
    let full = match &arguments.rib {
        Some(path) => {
            let broken = if arguments.lenient { BrokenLines::Skip } else { BrokenLines::Refuse };
            Rib::read(path, broken)?
        }
        None => Rib::public_shape(246_175),
    };
    let mut ribs: Vec<Rib> = ROUTES.iter().map(|count| full.thinned(*count)).collect();
    ribs.push(full);
    let place = place_of(arguments.cpu)?;
    let baselines = baselines(&ribs, place);
    let mut bench = start(arguments.cpu)?;
    let (rounds, millions) = match arguments.quick {
        true => (1, arguments.packets.min(8)),
        false => (arguments.rounds, arguments.packets),
    };
    let mut runs: Vec<Figures> = Vec::new();
    for (rib, frame) in cases(&ribs) {
        let tries = (0..rounds).map(|_| bench.measure(rib, frame, millions * 1_000_000));
        let tries = tries.collect::<Result<Vec<_>, _>>()?;
        runs.push(middle(tries));
    }
    let speedup = speedup(&mut bench, &ribs, place, millions * 1_000_000)?;
    print(&runs, &baselines);
    println!("two workers forward {speedup:.2} × one\n");
    let mut document = document(runs, &baselines, arguments.rib.is_some());
    document.series.push(Series::single("two workers to one", "×", Better::Higher, speedup));
    document.details.insert("two_workers_speedup".to_owned(), speedup.into());
    arguments.output.write(&document)
}

/// What is measured: every table with small frames, one table with all.
fn cases(ribs: &[Rib]) -> Vec<(&Rib, u16)> {
    let small = ribs.iter().map(|rib| (rib, FRAMES[0]));
    let middle = ribs.iter().filter(|rib| rib.prefixes.len() == FRAMES_ROUTES);
    let others = middle.flat_map(|rib| FRAMES[1..].iter().map(move |frame| (rib, *frame)));
    small.chain(others).collect()
}

/// How much more two workers forward than one of them alone did just before and just after.
fn speedup(
    bench: &mut Bench,
    ribs: &[Rib],
    place: Place,
    packets: usize,
) -> Result<f64, ForwardError> {
    let Some(rib) = ribs.iter().find(|rib| rib.prefixes.len() == FRAMES_ROUTES) else {
        return Ok(0.0);
    };
    let cpus = [place.cpu, place.other_cpu];
    let before = bench.measure(rib, FRAMES[0], packets)?.cycles.p50;
    let together = bench.measure_together(rib, FRAMES[0], packets, &cpus)?;
    let after = bench.measure(rib, FRAMES[0], packets)?.cycles.p50;
    let alone = 2.0 / (before + after);
    Ok(together.iter().map(|run| 1.0 / run.cycles.p50).sum::<f64>() / alone)
}

/// The run whose median is in the middle.
fn middle(mut tries: Vec<Figures>) -> Figures {
    tries.sort_by(|a, b| a.cycles.p50.total_cmp(&b.cycles.p50));
    tries.swap_remove(tries.len() / 2)
}

fn place_of(cpu: usize) -> Result<Place, String> {
    let there = core_affinity::get_core_ids().unwrap_or_default();
    if !there.iter().any(|core| core.id == cpu) {
        return Err(format!("processor {cpu} is not there; see --cpu"));
    }
    let other_cpu = there.iter().map(|core| core.id).find(|id| *id != cpu).unwrap_or(cpu);
    Ok(Place { cpu, other_cpu })
}

fn start(cpu: usize) -> Result<Bench, Box<dyn std::error::Error>> {
    let options = EalOptions {
        main_cpus: vec![u16::try_from(cpu)?],
        memory_mib: 512,
        file_prefix: format!("kumiki-perf-{}", std::process::id()),
        ..EalOptions::default()
    };
    let eal = Eal::init(&options)?;
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
    let thread = EalThread::register(&eal)?;
    Ok(Bench::new(eal, thread)?)
}

/// What testpmd costs, where it is there.
fn baselines(ribs: &[Rib], place: Place) -> Vec<(Mode, Spread)> {
    let Some(rib) = ribs.get(1) else { return Vec::new() };
    let frames = frames(rib, FRAMES[0]);
    let mut found = Vec::new();
    for mode in [Mode::Io, Mode::MacSwap] {
        match measure(mode, place, &frames, TESTPMD_TIME) {
            Ok(spread) => found.push((mode, spread)),
            Err(error) => eprintln!("kumiki-perf: without testpmd {}: {error}", mode.name()),
        }
    }
    found
}

fn macswap(baselines: &[(Mode, Spread)]) -> Option<f64> {
    baselines.iter().find(|(mode, _)| *mode == Mode::MacSwap).map(|(_, spread)| spread.p50)
}

fn print(runs: &[Figures], baselines: &[(Mode, Spread)]) {
    let mut table =
        table(&["router", "routes", "octets", "cycles/packet", "p10 .. p90", "to macswap"]);
    for (mode, spread) in baselines {
        let name = format!("testpmd {}", mode.name());
        table.add_row([
            name,
            "-".to_owned(),
            FRAMES[0].to_string(),
            format!("{:.1}", spread.p50),
            format!("{:.1} .. {:.1}", spread.p10, spread.p90),
            String::new(),
        ]);
    }
    for run in runs {
        let ratio = macswap(baselines).map(|cycles| format!("{:.2} ×", run.cycles.p50 / cycles));
        table.add_row([
            "kumiki".to_owned(),
            run.routes.to_string(),
            run.frame_octets.to_string(),
            format!("{:.1}", run.cycles.p50),
            format!("{:.1} .. {:.1}", run.cycles.p10, run.cycles.p90),
            ratio.unwrap_or_default(),
        ]);
    }
    println!("{table}\n");
    let Some(run) = runs.iter().find(|run| run.routes == FRAMES_ROUTES) else { return };
    let stages = run.stages.iter().map(|(name, cycles)| format!("{name} {cycles:.1}"));
    println!("by stage, {} routes: {}", run.routes, stages.collect::<Vec<_>>().join(", "));
}

fn name_of(run: &Figures) -> String {
    format!("kumiki, {} routes, {} octets", run.routes, run.frame_octets)
}

fn document(runs: Vec<Figures>, baselines: &[(Mode, Spread)], is_real: bool) -> Document {
    let mut document = Document::of_this_run("forward", "The whole data path");
    if !is_real {
        document.notes.push("The tables are made up in the shape of the public one.".to_owned());
    }
    let baseline = |wanted: Mode| {
        baselines.iter().find(|(mode, _)| *mode == wanted).map(|(_, spread)| spread.p50)
    };
    let of_others =
        baselines.iter().map(|(mode, spread)| (format!("testpmd {}", mode.name()), *spread));
    let of_ours = runs.iter().map(|run| (name_of(run), run.cycles));
    let named: Vec<(String, Spread)> = of_others.chain(of_ours).collect();
    document.series = named
        .iter()
        .map(|(name, spread)| Series::new(name.clone(), "cycles/packet", Better::Lower, *spread))
        .collect();
    document.figures.push(Figure::Bars {
        title: "Cycles a packet".to_owned(),
        unit: "TSC cycles".to_owned(),
        bars: named.into_iter().map(|(name, spread)| Bar { name, spread }).collect(),
    });
    let small: Vec<(usize, f64)> = runs
        .iter()
        .filter(|run| run.frame_octets == FRAMES[0])
        .map(|run| (run.routes, run.cycles.p50))
        .collect();
    let of_frame = |octets: u16| {
        let is_it = |run: &&Figures| run.routes == FRAMES_ROUTES && run.frame_octets == octets;
        runs.iter().find(is_it).map_or(0.0, |run| run.cycles.p50)
    };
    let ratio = |(routes, cycles): &(usize, f64)| Some((*routes, cycles / macswap(baselines)?));
    document.add_details(&ForwardReport {
        cycles_per_packet: small.last().map_or(0.0, |(_, cycles)| *cycles),
        ratio_vs_testpmd_macswap: small.iter().filter_map(ratio).collect(),
        cycles_per_packet_by_routes: small,
        testpmd_io_cycles: baseline(Mode::Io),
        testpmd_macswap_cycles: baseline(Mode::MacSwap),
        ratio_jumbo: of_frame(FRAMES[3]) / of_frame(FRAMES[0]),
        runs,
    });
    document
}
