//! `kumiki-perf forward --tunnels`: cycles a packet into pseudowires and out of them.
//!
//! Owns the cases and the JSON form; the bench is [`crate::forward`], what it forwards in
//! [`crate::segment`].

use super::{ForwardArguments, place_of, start};
use crate::command::{Outcome, table};
use crate::document::{Bar, Better, Document, Figure, Series};
use crate::forward::SegmentFigures;
use crate::segment::{Direction, Segment};
use serde::Serialize;

/// Octets of the tenant's frames; the last is what a cable of 9000 octets carries at most.
const FRAMES: [u16; 4] = [74, 594, 1514, 8900];
/// Pseudowires and MACs: what there is at least, and what there shall be.
const SIZES: [(u16, u32); 4] = [(1, 1), (1, 100_000), (10_000, 10_000), (10_000, 100_000)];

#[derive(Serialize)]
struct TunnelReport {
    /// Cycles a packet, one pseudowire, one MAC, the smallest frames.
    encapsulation_cycles: f64,
    /// The same out of it.
    decapsulation_cycles: f64,
    /// Largest frames to smallest, into tunnels and out of them.
    ratio_jumbo: [f64; 2],
    /// 10,000 pseudowires and 100,000 MACs to one of each.
    ratio_large: [f64; 2],
    runs: Vec<SegmentFigures>,
}

/// Runs the cases.
pub fn run(arguments: &ForwardArguments) -> Outcome {
    place_of(arguments.cpu)?;
    let mut bench = start(arguments.cpu)?;
    let (rounds, millions) = match arguments.quick {
        true => (1, arguments.packets.min(8)),
        false => (arguments.rounds, arguments.packets),
    };
    let mut runs = Vec::new();
    for segment in cases() {
        let tries = (0..rounds).map(|_| bench.measure_segment(&segment, millions * 1_000_000));
        let mut tries = tries.collect::<Result<Vec<_>, _>>()?;
        tries.sort_by(|a, b| a.cycles.p50.total_cmp(&b.cycles.p50));
        runs.push(tries.swap_remove(tries.len() / 2));
    }
    print(&runs);
    arguments.output.write(&document(runs))
}

fn cases() -> Vec<Segment> {
    let both = [Direction::Encapsulation, Direction::Decapsulation];
    let of = |direction| {
        let (wires, macs) = SIZES[0];
        let by_frame = FRAMES.iter().map(move |octets| Segment {
            direction,
            wires,
            macs,
            frame_octets: *octets,
        });
        let by_size = SIZES[1..].iter().map(move |(wires, macs)| Segment {
            direction,
            wires: *wires,
            macs: *macs,
            frame_octets: FRAMES[0],
        });
        by_frame.chain(by_size)
    };
    both.into_iter().flat_map(of).collect()
}

fn print(runs: &[SegmentFigures]) {
    let mut table =
        table(&["direction", "pseudowires", "MACs", "octets", "cycles/packet", "p10 .. p90"]);
    for run in runs {
        table.add_row([
            run.direction.to_owned(),
            run.wires.to_string(),
            run.macs.to_string(),
            run.frame_octets.to_string(),
            format!("{:.1}", run.cycles.p50),
            format!("{:.1} .. {:.1}", run.cycles.p10, run.cycles.p90),
        ]);
    }
    println!("{table}\n");
    for run in runs.iter().filter(|run| run.frame_octets == FRAMES[0]) {
        let stages = run.stages.iter().map(|(name, cycles)| format!("{name} {cycles:.1}"));
        println!("by stage, {}: {}", name_of(run), stages.collect::<Vec<_>>().join(", "));
    }
}

fn name_of(run: &SegmentFigures) -> String {
    let SegmentFigures { direction, wires, macs, frame_octets, .. } = run;
    format!("{direction}, {wires} pseudowires, {macs} MACs, {frame_octets} octets")
}

fn document(runs: Vec<SegmentFigures>) -> Document {
    let mut document = Document::of_this_run("forward-tunnels", "Bridging and pseudowires");
    let named: Vec<_> = runs.iter().map(|run| (name_of(run), run.cycles)).collect();
    document.series = named
        .iter()
        .map(|(name, spread)| Series::new(name.clone(), "cycles/packet", Better::Lower, *spread))
        .collect();
    document.figures.push(Figure::Bars {
        title: "Cycles a packet".to_owned(),
        unit: "TSC cycles".to_owned(),
        bars: named.into_iter().map(|(name, spread)| Bar { name, spread }).collect(),
    });
    let cycles = |direction: Direction, size: (u16, u32), octets: u16| {
        let is_it = |run: &&SegmentFigures| {
            run.direction == direction.word()
                && (run.wires, run.macs, run.frame_octets) == (size.0, size.1, octets)
        };
        runs.iter().find(is_it).map_or(0.0, |run| run.cycles.p50)
    };
    let both = [Direction::Encapsulation, Direction::Decapsulation];
    let base = both.map(|direction| cycles(direction, SIZES[0], FRAMES[0]));
    let ratio = |size, octets| {
        let mut ratios = base;
        for (ratio, direction) in ratios.iter_mut().zip(both) {
            *ratio = cycles(direction, size, octets) / *ratio;
        }
        ratios
    };
    document.add_details(&TunnelReport {
        encapsulation_cycles: base[0],
        decapsulation_cycles: base[1],
        ratio_jumbo: ratio(SIZES[0], FRAMES[3]),
        ratio_large: ratio(SIZES[3], FRAMES[0]),
        runs,
    });
    document
}
