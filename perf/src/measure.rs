//! Interleaved rounds: everything that is compared runs in turn, again and again.
//!
//! Owns [`Spread`] and [`rounds`]. A shared machine changes its speed from minute to minute, so
//! figures are medians over rounds, and ratios are those of medians of the same run.

use serde::{Deserialize, Serialize};
use std::time::Instant;

/// A median and the tenth and ninetieth percentile around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Spread {
    /// A tenth of the values are below.
    pub p10: f64,
    /// The median.
    pub p50: f64,
    /// A tenth of the values are above.
    pub p90: f64,
}

impl Spread {
    /// Of values in any order. What lies between two of them is interpolated, so that the spread of
    /// few values reaches nearly to the outer ones.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let hundredths = values.len().saturating_sub(1) * percent;
            let below = values.get(hundredths / 100).copied().unwrap_or(0.0);
            let above = values.get(hundredths.div_ceil(100)).copied().unwrap_or(below);
            below + (above - below) * (hundredths % 100) as f64 / 100.0
        };
        Self { p10: at(10), p50: at(50), p90: at(90) }
    }
}

/// One of the things that are compared: a pass over a trace.
pub struct Contestant<'a> {
    /// Its name.
    pub name: String,
    /// Looks the whole trace up.
    pub pass: Box<dyn FnMut() + 'a>,
}

/// Runs every contestant `rounds` times in turn, each time with `warm_passes` before the one that
/// counts. Yields the spread of nanoseconds a pass for each.
pub fn rounds(
    contestants: &mut [Contestant<'_>],
    rounds: usize,
    warm_passes: usize,
) -> Vec<Spread> {
    let mut times = vec![Vec::with_capacity(rounds); contestants.len()];
    for _ in 0..rounds {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            for _ in 0..warm_passes {
                (contestant.pass)();
            }
            times.push(nanoseconds(&mut contestant.pass));
        }
    }
    times.into_iter().map(Spread::of).collect()
}

/// How long `work` takes, in nanoseconds.
pub fn nanoseconds(work: &mut dyn FnMut()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_between_the_tenths() {
        let spread = Spread::of((1..=101).rev().map(f64::from).collect());
        assert_eq!(spread, Spread { p10: 11.0, p50: 51.0, p90: 91.0 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn the_spread_of_few_values_reaches_nearly_to_the_outer_ones() {
        let of = |values: &[f64]| Spread::of(values.to_vec());
        assert_eq!(of(&[3.0]), Spread { p10: 3.0, p50: 3.0, p90: 3.0 });
        assert_eq!(of(&[2.0, 1.0]).p50, 1.5);
        assert_eq!(of(&[30.0, 10.0, 20.0]), Spread { p10: 12.0, p50: 20.0, p90: 28.0 });
    }
}
