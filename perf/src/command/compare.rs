//! `kumiki-perf compare`: two results of the same command.

use crate::command::Outcome;
use crate::command::output::OutputArguments;
use crate::comparison::{Comparison, Pair, Verdict, compare};
use crate::document::{Bar, Better, Document, Figure, Series, Sheet};
use crate::measure::Spread;
use crate::plot::number;
use clap::Args;
use std::path::PathBuf;

/// Two results of the same command, figure by figure
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// The earlier result
    before: PathBuf,
    /// The later result
    after: PathBuf,
    /// Only figures whose spreads do not touch
    #[arg(long)]
    changed: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// Runs the command.
pub fn run(arguments: &CompareArguments) -> Outcome {
    let (before, after) = (Document::read(&arguments.before)?, Document::read(&arguments.after)?);
    let comparison = compare(&before, &after)?;
    let mut document = Document::of_this_run("compare", "Two results compared");
    if before.environment.cpu != after.environment.cpu {
        document.notes.push(format!(
            "The processors differ ({}; {}): only ratios within one result mean something.",
            before.environment.cpu, after.environment.cpu
        ));
    }
    for (names, place) in [(&comparison.only_before, "first"), (&comparison.only_after, "second")] {
        if !names.is_empty() {
            document.notes.push(format!("Only in the {place}: {}.", names.join("; ")));
        }
    }
    document.sheets.push(sheet(&comparison, arguments.changed));
    document.series = comparison.pairs.iter().filter_map(series).collect();
    let bars = document
        .series
        .iter()
        .map(|series| Bar { name: series.name.clone(), spread: series.spread });
    document.figures.push(Figure::Bars {
        title: format!("{} to {}", after.environment.commit, before.environment.commit),
        unit: "ratio of medians".to_owned(),
        bars: bars.collect(),
    });
    document.sheets.iter().for_each(Sheet::print);
    for note in &document.notes {
        println!("{note}");
    }
    let count = |verdict| comparison.pairs.iter().filter(|pair| pair.verdict == verdict).count();
    println!(
        "{} figures: {} better, {} worse, {} different, {} within the spread",
        comparison.pairs.len(),
        count(Verdict::Better),
        count(Verdict::Worse),
        count(Verdict::Differs),
        count(Verdict::Same)
    );
    arguments.output.write(&document)
}

fn sheet(comparison: &Comparison, changed: bool) -> Sheet {
    let header = ["series", "first", "second", "unit", "ratio", "spread", ""];
    let mut sheet = Sheet::new("", &header);
    let shown = |pair: &&Pair| !changed || pair.verdict != Verdict::Same;
    for pair in comparison.pairs.iter().filter(shown) {
        let ratio = |spread: Spread| format!("{:.3} ×", spread.p50);
        let spread = |spread: Spread| format!("{:.3} .. {:.3}", spread.p10, spread.p90);
        let none = || "–".to_owned();
        sheet.rows.push(vec![
            pair.before.name.clone(),
            number(pair.before.spread.p50),
            number(pair.after.spread.p50),
            pair.before.unit.clone(),
            pair.ratio.map_or_else(none, ratio),
            pair.ratio.map_or_else(none, spread),
            pair.verdict.word().to_owned(),
        ]);
    }
    sheet
}

fn series(pair: &Pair) -> Option<Series> {
    Some(Series::new(pair.before.name.clone(), "×", Better::Neither, pair.ratio?))
}
