//! A fault that was made several times: the middle, nine tenths and the worst of what it cost.
//!
//! Owns [`FaultSummary`]; the single runs are [`super::report`]'s.
//!
//! *Invariants*: runs that measured nothing count in no figure. A percentile is one of the values
//! (nearest rank), never between two.

use crate::lab::report::{FaultReport, TABLE_STYLE};
use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

/// The spread of one figure over the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the runs were at most this.
    pub median: f64,
    /// Nine of ten.
    pub p90: f64,
    /// All.
    pub max: f64,
}

impl Spread {
    /// Of some values; zero of none.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let rank = |tenths: usize| {
            let place = (values.len() * tenths).div_ceil(10).max(1) - 1;
            values.get(place).copied().unwrap_or_default()
        };
        Self { median: rank(5), p90: rank(9), max: rank(10) }
    }
}

/// All runs of one fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultSummary {
    /// As it was asked for.
    pub fault: String,
    /// How often it was made and measured.
    pub runs: usize,
    /// How often everything worked again in time, after the fault and after its repair.
    pub recovered_runs: usize,
    /// Packets lost by the fault.
    pub lost_packets: Spread,
    /// Milliseconds of the longest run of lost packets.
    pub outage_ms: Spread,
    /// Packets lost by the repair.
    pub restore_lost_packets: Spread,
}

/// Every fault once, in the order of its first run.
pub fn summarise(faults: &[FaultReport]) -> Vec<FaultSummary> {
    let mut names: Vec<&str> = Vec::new();
    for fault in faults {
        if !names.contains(&fault.fault.as_str()) {
            names.push(&fault.fault);
        }
    }
    let summary = |name: &str| {
        let runs: Vec<&FaultReport> =
            faults.iter().filter(|f| f.fault == name && !f.streams.is_empty()).collect();
        let spread = |figure: fn(&FaultReport) -> f64| {
            Spread::of(runs.iter().map(|run| figure(run)).collect())
        };
        FaultSummary {
            fault: name.to_owned(),
            runs: runs.len(),
            recovered_runs: runs.iter().filter(|run| run.recovered && run.restored).count(),
            lost_packets: spread(|run| count(run.lost_packets)),
            outage_ms: spread(|run| run.outage_ms),
            restore_lost_packets: spread(|run| count(run.restore_lost_packets)),
        }
    };
    names.into_iter().map(summary).collect()
}

/// Packets of a stream are far fewer than what a float counts exactly.
fn count(packets: u64) -> f64 {
    u32::try_from(packets).map_or(f64::INFINITY, f64::from)
}

/// The summaries as a table.
pub fn summary_table(summaries: &[FaultSummary]) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header(["fault", "runs", "right", "lost", "outage", "lost then"]);
    for summary in summaries {
        let number = |text: String| match summary.runs {
            0 => Cell::new("-").set_alignment(CellAlignment::Right),
            _ => Cell::new(text).set_alignment(CellAlignment::Right),
        };
        let spread = |s: Spread| number(format!("{:.0} / {:.0} / {:.0}", s.median, s.p90, s.max));
        let outage = summary.outage_ms;
        table.add_row([
            Cell::new(summary.fault.replace('+', "\n+")),
            number(summary.runs.to_string()),
            number(summary.recovered_runs.to_string()),
            spread(summary.lost_packets),
            number(format!("{:.1} / {:.1} / {:.1} ms", outage.median, outage.p90, outage.max)),
            spread(summary.restore_lost_packets),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::probe::Figures;

    fn run(fault: &str, lost_packets: u64) -> FaultReport {
        let broken =
            Figures { lost_packets, outage_ns: lost_packets * 1_000_000, ..Figures::default() };
        let streams = vec!["h01-h02".to_owned()];
        FaultReport::new((fault, streams, Vec::new()), (true, true), broken, Figures::default())
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let runs: Vec<FaultReport> = (1..=10).map(|lost| run("cut:s01-s02", lost)).collect();
        let [summary] = summarise(&runs).try_into().unwrap();
        assert_eq!((summary.runs, summary.recovered_runs), (10, 10));
        let Spread { median, p90, max } = summary.lost_packets;
        assert_eq!((median, p90, max), (5.0, 9.0, 10.0));
        assert_eq!(summary.outage_ms.max, 10.0);
    }

    #[test]
    fn each_fault_has_one_row_and_what_measured_nothing_counts_in_none() {
        let mut silent = run("silent:s01-s02", 50);
        silent.streams.clear();
        let runs = [run("cut:s01-s02", 1), silent, run("cut:s01-s02", 3)];
        let summaries = summarise(&runs);
        let counts: Vec<_> = summaries.iter().map(|s| (s.fault.as_str(), s.runs)).collect();
        assert_eq!(counts, [("cut:s01-s02", 2), ("silent:s01-s02", 0)]);
        assert_eq!(summaries[1].lost_packets, Spread::default());
        let text = summary_table(&summaries).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
