//! What became of trials, as series and plots.

use crate::document::{Axis, Better, Curve, Figure, Series, Stroke};
use crate::measure::Spread;
use crate::traffic::engine::Outcome;
use crate::traffic::ledger::STEP_MS;

/// Nines of the percentiles that a curve of delays shows, in steps of a tenth.
const NINES: u32 = 40;

/// Loss, reordering and doubles, in parts of a million.
#[expect(clippy::cast_precision_loss, reason = "ratios of counts")]
pub fn loss_series(name: &str, trials: &[Outcome]) -> [Series; 3] {
    let part = |what: &str, count: &dyn Fn(&Outcome) -> u64| {
        let values =
            trials.iter().map(|trial| count(trial) as f64 / trial.ledger.sent.max(1) as f64 * 1e6);
        Series::new(format!("{name}: {what}"), "ppm", Better::Lower, Spread::of(values.collect()))
    };
    [
        part("lost", &|trial| trial.ledger.lost()),
        part("reordered", &|trial| trial.ledger.reordered),
        part("doubles", &|trial| trial.ledger.doubles),
    ]
}

/// Delay over its percentile, which grows nine by nine.
pub fn delays(title: &str, trials: &[(String, &Outcome)]) -> Figure {
    let curve = |(name, trial): &(String, &Outcome)| {
        let point = |step: u32| {
            let times = 10_f64.powf(f64::from(step) / 10.0);
            [times, trial.ledger.latency_us(100.0 * (1.0 - 1.0 / times))]
        };
        let most = trial.ledger.received.max(1).ilog10() * 10;
        let points = (0..=NINES.min(most)).map(point);
        Curve { name: name.clone(), stroke: Stroke::Line, points: points.collect() }
    };
    Figure::Curves {
        title: title.to_owned(),
        x: Axis::logarithmic("one frame in … is slower (10: p90, 100: p99, 1000: p99.9)"),
        y: Axis::logarithmic("µs"),
        curves: trials.iter().map(curve).collect(),
    }
}

/// Frames sent and received over time.
#[expect(clippy::cast_precision_loss, reason = "counts of a step")]
pub fn time_line(title: &str, trial: &Outcome) -> Figure {
    let steps = &trial.ledger.steps;
    let curve = |name: &str, count: &dyn Fn(usize) -> u64| {
        let point = |place: usize| {
            let seconds = (place as f64 + 0.5) * STEP_MS as f64 / 1e3;
            [seconds, count(place) as f64 * 1e3 / STEP_MS as f64 / 1e3]
        };
        // The last step is not a whole one.
        let points = (0..steps.len().saturating_sub(1)).map(point).collect();
        Curve { name: name.to_owned(), stroke: Stroke::Line, points }
    };
    Figure::Curves {
        title: title.to_owned(),
        x: Axis::linear("seconds"),
        y: Axis::linear("k packets/s"),
        curves: vec![
            curve("sent", &|place| steps[place].sent),
            curve("received", &|place| steps[place].received),
        ],
    }
}
