//! Two results of the same command, held against each other.
//!
//! Owns the rule: a difference counts when the spreads (tenth to ninetieth percentile) of the two
//! do not touch. Which way is better, each series says itself.

use crate::document::{Better, Document, Series};
use crate::measure::Spread;

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The spreads overlap.
    Same,
    /// Outside the spread, in the right direction.
    Better,
    /// Outside the spread, in the wrong direction.
    Worse,
    /// Outside the spread; the figure has no direction.
    Differs,
}

impl Verdict {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "within the spread",
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Differs => "differs",
        }
    }
}

/// A figure in both results.
#[derive(Clone, Debug)]
pub struct Pair {
    /// In the first.
    pub before: Series,
    /// In the second.
    pub after: Series,
    /// Second to first: of the medians, and how far the spreads allow it to be off. `None` where
    /// the first is zero.
    pub ratio: Option<Spread>,
    /// What that means.
    pub verdict: Verdict,
}

/// Why two results cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// They are of different commands or versions.
    #[error("the first is of schema {before}, the second of {after}: only equal ones compare")]
    Schemas {
        /// Of the first.
        before: String,
        /// Of the second.
        after: String,
    },
    /// No name is in both.
    #[error("the two results have no series in common")]
    NothingInCommon,
}

/// What a comparison found.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// In both, in the order of the first.
    pub pairs: Vec<Pair>,
    /// Names that only the first has.
    pub only_before: Vec<String>,
    /// Names that only the second has.
    pub only_after: Vec<String>,
}

/// Compares two results.
pub fn compare(before: &Document, after: &Document) -> Result<Comparison, ComparisonError> {
    if before.schema != after.schema {
        let (before, after) = (before.schema.clone(), after.schema.clone());
        return Err(ComparisonError::Schemas { before, after });
    }
    let find = |all: &[Series], name: &str| all.iter().find(|series| series.name == name).cloned();
    let missing = |from: &[Series], of: &[Series]| {
        let names = of.iter().map(|series| series.name.clone());
        names.filter(|name| find(from, name).is_none()).collect()
    };
    let pair = |series: &Series| {
        find(&after.series, &series.name).map(|after| judge(series.clone(), after))
    };
    let pairs: Vec<_> = before.series.iter().filter_map(pair).collect();
    if pairs.is_empty() {
        return Err(ComparisonError::NothingInCommon);
    }
    Ok(Comparison {
        pairs,
        only_before: missing(&after.series, &before.series),
        only_after: missing(&before.series, &after.series),
    })
}

fn judge(before: Series, after: Series) -> Pair {
    let (a, b) = (before.spread, after.spread);
    let ratio = (a.p10 > 0.0).then(|| Spread {
        p10: b.p10 / a.p90,
        p50: b.p50 / a.p50,
        p90: b.p90 / a.p10,
    });
    let verdict = if b.p10 <= a.p90 && a.p10 <= b.p90 {
        Verdict::Same
    } else {
        match (before.better, b.p50 > a.p50) {
            (Better::Neither, _) => Verdict::Differs,
            (Better::Higher, true) | (Better::Lower, false) => Verdict::Better,
            (Better::Higher, false) | (Better::Lower, true) => Verdict::Worse,
        }
    };
    Pair { before, after, ratio, verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(figures: &[(&str, Better, [f64; 3])]) -> Document {
        let series = figures.iter().map(|(name, better, [p10, p50, p90])| {
            Series::new(*name, "", *better, Spread { p10: *p10, p50: *p50, p90: *p90 })
        });
        let mut document = Document::of_this_run("fib", "");
        document.series = series.collect();
        document
    }

    #[test]
    fn a_difference_counts_outside_of_the_spreads_only() {
        let before = document(&[
            ("speed", Better::Higher, [9.0, 10.0, 11.0]),
            ("time", Better::Lower, [9.0, 10.0, 11.0]),
            ("noise", Better::Lower, [9.0, 10.0, 11.0]),
            ("gone", Better::Lower, [1.0, 1.0, 1.0]),
        ]);
        let after = document(&[
            ("speed", Better::Higher, [19.0, 20.0, 21.0]),
            ("time", Better::Lower, [19.0, 20.0, 21.0]),
            ("noise", Better::Lower, [10.0, 12.0, 13.0]),
            ("new", Better::Lower, [1.0, 1.0, 1.0]),
        ]);
        let comparison = compare(&before, &after).unwrap();
        let verdicts: Vec<_> = comparison.pairs.iter().map(|pair| pair.verdict).collect();
        assert_eq!(verdicts, [Verdict::Better, Verdict::Worse, Verdict::Same]);
        assert_eq!(comparison.pairs[0].ratio.unwrap().p50, 2.0);
        assert_eq!(comparison.only_before, ["gone"]);
        assert_eq!(comparison.only_after, ["new"]);
    }

    #[test]
    fn results_of_different_commands_are_refused() {
        let mut other = document(&[]);
        other.schema = "kumiki.perf.rfc/1".into();
        let error = compare(&document(&[]), &other).unwrap_err().to_string();
        assert!(error.contains("kumiki.perf.rfc/1"), "{error}");
        let nothing = compare(&document(&[]), &document(&[])).unwrap_err();
        assert!(matches!(nothing, ComparisonError::NothingInCommon));
    }
}
