//! Patterns of AS paths, as a configuration writes them.
//!
//! Owns [`AsPathPattern`] and its text form: words that stand for the whole path, the nearest AS
//! first. `64500` is this AS, `64512-65534` one between the two, `?` any one, `*` any number of
//! any, a `+` behind a word means once or more and a `*` never or more. So `64500 *` is what a
//! neighbour has sent, `* 64500` what began in an AS, the empty pattern what this AS itself
//! originates. Matching belongs to `proto::bgp::policy`.
//!
//! *Invariants*: at most [`AS_PATH_STEPS_MAX`] steps, so that a set of them fits a word of the
//! machine with one more for the end.

use crate::base::community::NumberRange;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Steps of one pattern.
pub const AS_PATH_STEPS_MAX: usize = 63;

/// How often a step may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Times {
    /// Once.
    Once,
    /// Once or more.
    Some,
    /// Never or more.
    Any,
}

/// One word of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPathStep {
    /// Which ASes.
    pub asns: NumberRange,
    /// How many of them.
    pub times: Times,
}

/// A pattern of whole paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AsPathPattern {
    steps: Vec<AsPathStep>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAsPathPatternError {
    /// A word that is none.
    #[error("`{0}` is no word of an AS path pattern")]
    Word(String),
    /// A regular expression.
    #[error(
        "`{0}` is a regular expression; write ^64500_ as \"64500 *\", _64500$ as \"* 64500\", \
         _64500_ as \"* 64500 *\" and ^$ as \"\""
    )]
    Regular(String),
    /// Too many words.
    #[error("{0} words are more than {AS_PATH_STEPS_MAX}")]
    TooLong(usize),
}

impl AsPathPattern {
    /// Its steps, the nearest AS first.
    pub fn steps(&self) -> &[AsPathStep] {
        &self.steps
    }
}

impl fmt::Display for AsPathStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_all = self.asns == NumberRange::ALL;
        match (is_all, self.times) {
            (true, Times::Once) => f.write_str("?"),
            (true, Times::Some) => f.write_str("?+"),
            (true, Times::Any) => f.write_str("*"),
            (false, Times::Once) => write!(f, "{}", self.asns),
            (false, Times::Some) => write!(f, "{}+", self.asns),
            (false, Times::Any) => write!(f, "{}*", self.asns),
        }
    }
}

impl fmt::Display for AsPathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.steps.iter().map(ToString::to_string).collect();
        f.pad(&words.join(" "))
    }
}

fn step(word: &str) -> Option<AsPathStep> {
    if word == "*" {
        return Some(AsPathStep { asns: NumberRange::ALL, times: Times::Any });
    }
    let (asns, times) = match (word.strip_suffix('+'), word.strip_suffix('*')) {
        (Some(asns), _) => (asns, Times::Some),
        (None, Some(asns)) => (asns, Times::Any),
        (None, None) => (word, Times::Once),
    };
    let asns = match asns {
        "?" => NumberRange::ALL,
        asns => NumberRange::parse(asns, u32::MAX)?,
    };
    Some(AsPathStep { asns, times })
}

impl FromStr for AsPathPattern {
    type Err = ParseAsPathPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(['^', '$', '_', '.', '(', ')', '[', ']', '|', '\\']) {
            return Err(ParseAsPathPatternError::Regular(text.to_owned()));
        }
        let wrong = |word: &str| ParseAsPathPatternError::Word(word.to_owned());
        let words = text.split_whitespace();
        let steps: Result<Vec<_>, _> =
            words.map(|word| step(word).ok_or_else(|| wrong(word))).collect();
        let steps = steps?;
        match steps.len() <= AS_PATH_STEPS_MAX {
            true => Ok(Self { steps }),
            false => Err(ParseAsPathPatternError::TooLong(steps.len())),
        }
    }
}

impl TryFrom<String> for AsPathPattern {
    type Error = ParseAsPathPatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AsPathPattern> for String {
    fn from(pattern: AsPathPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_print_as_they_are_read() {
        for text in ["", "64500 *", "* 64500", "64500+ ? *", "64512-65534* 1", "?+"] {
            assert_eq!(text.parse::<AsPathPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn regular_expressions_are_refused_with_what_to_write() {
        let error = "^64500_".parse::<AsPathPattern>().unwrap_err().to_string();
        assert!(error.contains("write ^64500_ as \"64500 *\""), "{error}");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["AS64500", "64500,64501", "9-7", "4294967296", "++", "-1"] {
            assert!(text.parse::<AsPathPattern>().is_err(), "{text}");
        }
        assert!("? ".repeat(63).parse::<AsPathPattern>().is_ok());
        assert!("? ".repeat(64).parse::<AsPathPattern>().is_err());
    }
}
