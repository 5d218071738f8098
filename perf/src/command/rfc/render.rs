//! What the tests found, as tables, series and plots.

use super::{RfcArguments, Test};
use crate::command::traffic::Rig;
use crate::document::{Axis, Bar, Better, Curve, Document, Figure, Series, Sheet, Stroke};
use crate::measure::Spread;
use crate::plot::number;
use crate::rfc::burst::Buffers;
use crate::rfc::outage::Outage;
use crate::rfc::search::{Found, Measured};
use crate::traffic::engine::Outcome;
use crate::traffic::mix::Mix;
use crate::traffic::report::{delays, time_line};
use serde_json::json;

/// Delay at a load.
pub struct Delay {
    /// Part of the rate.
    pub load: f64,
    /// Of which rate.
    pub of: &'static str,
    /// The trial.
    pub outcome: Outcome,
}

/// An event and what it cost.
pub struct Event {
    /// Which test.
    pub test: Test,
    /// The command.
    pub command: String,
    /// The cost.
    pub outage: Outage,
    /// Whether traffic flowed again at the end.
    pub has_recovered: bool,
    /// The trial.
    pub outcome: Outcome,
}

/// Everything for one mixture.
pub struct Sized {
    /// What was sent.
    pub mix: Mix,
    /// Packets a second of the medium, where its speed is known.
    pub line: Option<f64>,
    /// NDR and PDR.
    pub found: Vec<Found>,
    /// All trials of the searches.
    pub trials: Vec<Measured>,
    /// Delay.
    pub delays: Vec<Delay>,
    /// Bursts: buffers, spread in frames, and whether the longest burst passed.
    pub burst: Option<(Buffers, Spread, bool)>,
    /// Resets and failovers.
    pub events: Vec<Event>,
}

impl Sized {
    /// Nothing yet.
    pub const fn new(mix: Mix) -> Self {
        Self {
            mix,
            line: None,
            found: Vec::new(),
            trials: Vec::new(),
            delays: Vec::new(),
            burst: None,
            events: Vec::new(),
        }
    }
}

/// Everything.
#[derive(Default)]
pub struct Results {
    /// One for each mixture.
    pub sizes: Vec<Sized>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// In front of the names of series: what was between the ports, where we know it.
    pub place: String,
}

/// The result of the command.
pub fn document(arguments: &RfcArguments, rig: &Rig, results: &Results) -> Document {
    let payload = rig.traffic.payload.word();
    let place = match arguments.ports.lab {
        Some(cable) => &format!("a router over {}", cable.word()),
        None if arguments.ports.loopback => "loopback",
        None => "device under test",
    };
    let mut document = Document::of_this_run("rfc", &format!("RFC tests: {place}, {payload}"));
    document.notes.clone_from(&results.notes);
    if arguments.quick {
        document.notes.push(
            "Quick: trials are shorter and fewer than RFC 2544 §24 and RFC 9004 §5.4 ask for."
                .to_owned(),
        );
    }
    throughput(&mut document, results);
    latency(&mut document, results);
    bursts(&mut document, results);
    events(&mut document, results);
    document.details.insert("tests".to_owned(), details(results));
    document
}

fn details(results: &Results) -> serde_json::Value {
    let sizes = results.sizes.iter().map(|sized| {
        json!({
            "size": sized.mix.to_string(),
            "line_packets_per_second": sized.line,
            "found": sized.found,
            "search_trials": sized.trials,
            "buffers": sized.burst.map(|(buffers, _, _)| buffers),
            "outages": sized.events.iter().map(|event| event.outage).collect::<Vec<_>>(),
        })
    });
    sizes.collect()
}

fn throughput(document: &mut Document, results: &Results) {
    let header = [
        "throughput",
        "goal",
        "kpps",
        "Gbps",
        "of line",
        "fails at",
        "received kpps",
        "trials",
        "",
    ];
    let mut sheet = Sheet::new("", &header);
    let mut bars = Vec::new();
    for sized in &results.sizes {
        for found in &sized.found {
            let received = found.received();
            let kilo = |value: f64| number(value / 1e3);
            let part = |line: f64| format!("{} %", number(found.rate / line * 100.0));
            sheet.rows.push(vec![
                sized.mix.to_string(),
                found.goal.name.to_owned(),
                kilo(found.rate),
                number(found.rate * sized.mix.mean_octets() * 8.0 / 1e9),
                sized.line.map_or_else(|| "–".to_owned(), part),
                found.above.map_or_else(|| "–".to_owned(), kilo),
                format!("{} .. {}", kilo(received.p10), kilo(received.p90)),
                found.trials.to_string(),
                found.ending.words().to_owned(),
            ]);
            let name = format!("{}{}, {}", results.place, sized.mix, found.goal.name);
            let spread = Spread {
                p10: found.rate / 1e3,
                p50: found.rate / 1e3,
                p90: found.above.unwrap_or(found.rate) / 1e3,
            };
            document.series.push(Series::new(name.clone(), "kpps", Better::Higher, spread));
            bars.push(Bar { name, spread });
        }
    }
    if sheet.rows.is_empty() {
        return;
    }
    document.sheets.push(sheet);
    document.figures.push(Figure::Bars {
        title: "Throughput; the whisker ends where frames are lost".to_owned(),
        unit: "kpps".to_owned(),
        bars,
    });
    let curve = |sized: &Sized| Curve {
        name: sized.mix.to_string(),
        stroke: Stroke::Dots,
        points: sized.trials.iter().map(|t| [t.offered / 1e3, t.loss_ratio * 100.0]).collect(),
    };
    document.figures.push(Figure::Curves {
        title: "All trials of the searches".to_owned(),
        x: Axis::linear("offered, k packets/s"),
        y: Axis::linear("lost, %"),
        curves: results.sizes.iter().map(curve).collect(),
    });
}

fn latency(document: &mut Document, results: &Results) {
    let header = ["delay", "load", "kpps", "lost", "p50 µs", "p90", "p99", "p99.9", "max", "PDV"];
    let mut sheet = Sheet::new("", &header);
    for sized in &results.sizes {
        for Delay { load, of, outcome } in &sized.delays {
            let ledger = &outcome.ledger;
            let load = format!("{:.0} % of {of}", load * 100.0);
            // RFC 8219 §7.3.1: the 99.9th percentile above the shortest.
            let variation = ledger.latency_us(99.9) - ledger.latency_us(0.0);
            let mut row = vec![
                sized.mix.to_string(),
                load.clone(),
                number(outcome.sent_per_second() / 1e3),
                ledger.lost().to_string(),
            ];
            row.extend([50.0, 90.0, 99.0, 99.9, 100.0].map(|part| number(ledger.latency_us(part))));
            row.push(number(variation));
            sheet.rows.push(row);
            let spread = Spread {
                p10: ledger.latency_us(10.0),
                p50: ledger.latency_us(50.0),
                p90: ledger.latency_us(90.0),
            };
            let name = format!("{}{}, delay at {load}", results.place, sized.mix);
            document.series.push(Series::new(name, "µs", Better::Lower, spread));
        }
        let named: Vec<_> = sized
            .delays
            .iter()
            .map(|delay| (format!("{:.0} % of {}", delay.load * 100.0, delay.of), &delay.outcome))
            .collect();
        if !named.is_empty() {
            document.figures.push(delays(&format!("One-way delay, {}", sized.mix), &named));
        }
    }
    if !sheet.rows.is_empty() {
        document.sheets.push(sheet);
    }
}

fn bursts(document: &mut Document, results: &Results) {
    let header = ["back to back", "frames", "p10 .. p90", "implied buffer ms", "corrected ms", ""];
    let mut sheet = Sheet::new("", &header);
    for sized in &results.sizes {
        let Some((buffers, spread, is_limit)) = &sized.burst else { continue };
        let word = if *is_limit { "the longest burst passed" } else { "found" };
        sheet.rows.push(vec![
            sized.mix.to_string(),
            number(buffers.frames),
            format!("{} .. {}", number(spread.p10), number(spread.p90)),
            number(buffers.implied_seconds * 1e3),
            number(buffers.corrected_seconds * 1e3),
            word.to_owned(),
        ]);
        let name = format!("{}{}, back-to-back frames", results.place, sized.mix);
        document.series.push(Series::new(name, "frames", Better::Higher, *spread));
    }
    if !sheet.rows.is_empty() {
        document.sheets.push(sheet);
    }
}

fn events(document: &mut Document, results: &Results) {
    let header = [
        "event",
        "size",
        "offered kpps",
        "lost",
        "loss-derived ms",
        "silence ms",
        "not offered ms",
        "steps of ms",
        "flows again",
    ];
    let mut sheet = Sheet::new("", &header);
    for sized in &results.sizes {
        for event in &sized.events {
            let word = match event.test {
                Test::Reset => "reset",
                _ => "failover",
            };
            let outage = &event.outage;
            sheet.rows.push(vec![
                format!("{word}: {}", event.command),
                sized.mix.to_string(),
                number(outage.rate / 1e3),
                outage.lost.to_string(),
                number(outage.loss_derived_ms),
                number(outage.silence_ms),
                number(outage.withheld_ms),
                number(outage.resolution_ms()),
                if event.has_recovered { "yes" } else { "no" }.to_owned(),
            ]);
            let name = format!("{}{}, {word}, loss-derived time", results.place, sized.mix);
            let series = Series::single(name, "ms", Better::Lower, outage.loss_derived_ms);
            document.series.push(series);
            let title = format!("{word}, {}: {}", sized.mix, event.command);
            document.figures.push(time_line(&title, &event.outcome));
        }
    }
    if !sheet.rows.is_empty() {
        document.sheets.push(sheet);
    }
}
