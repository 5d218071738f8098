//! What happened in a run: one number for all of it, the last lines of it, and how to see it again.
//!
//! Owns [`Trace`] and [`Reproduction`]. Two runs with one seed have one digest; that is
//! the test of determinism, and a reproduction that shows another digest was not one.
//!
//! *Invariants*: the trace holds at most [`TRACE_LINES_MAX`] lines, the oldest go first; the digest
//! covers all that ever happened.

use crate::base::digest::Digest;
use crate::base::time::Instant;
use core::fmt;
use std::collections::VecDeque;

/// Lines kept for a failure: some seconds of a small cluster, a screen or two to read.
pub const TRACE_LINES_MAX: usize = 200;

/// The record of one run; one per world.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    digest: Digest,
    lines: VecDeque<(Instant, String)>,
}

impl Trace {
    /// Takes in that `what` happened at `now`, with the octets that belong to it.
    pub fn note(&mut self, now: Instant, what: u64, bytes: &[u8]) {
        self.digest.add(now.as_nanos());
        self.digest.add(what);
        self.digest.add_bytes(bytes);
    }

    /// Takes in something worth a line.
    pub fn say(&mut self, now: Instant, line: String) {
        self.note(now, 0, line.as_bytes());
        if self.lines.len() == TRACE_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back((now, line));
    }

    /// The digest of everything so far.
    pub const fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// The last lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &(Instant, String)> {
        self.lines.iter()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in &self.lines {
            writeln!(f, "{at} {line}")?;
        }
        Ok(())
    }
}

/// How to see a run again, whatever the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reproduction<'a> {
    /// The scenario: the name of its test.
    pub scenario: &'a str,
    /// Its seed.
    pub seed: u64,
}

impl fmt::Display for Reproduction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, seed } = self;
        write!(f, "scenario {scenario}, seed {seed}; again with:\n  ")?;
        write!(f, "KUMIKI_SEED={seed} cargo test --test sim {scenario} -- --exact")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_sees_order_time_and_every_octet() {
        let digest = |steps: &[(u64, &[u8])]| {
            let mut trace = Trace::default();
            for (at, bytes) in steps {
                trace.note(Instant::from_nanos(*at), 1, bytes);
            }
            trace.digest()
        };
        let first = digest(&[(1, b"a"), (2, b"b")]);
        assert_eq!(first, digest(&[(1, b"a"), (2, b"b")]));
        let others = [
            digest(&[(2, b"b"), (1, b"a")]),
            digest(&[(1, b"a"), (3, b"b")]),
            digest(&[(1, b"a\0"), (2, b"b")]),
        ];
        assert!(others.iter().all(|other| *other != first));
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut trace = Trace::default();
        for number in 0..TRACE_LINES_MAX + 5 {
            trace.say(Instant::ZERO, number.to_string());
        }
        assert_eq!(trace.lines().count(), TRACE_LINES_MAX);
        assert_eq!(trace.lines().next().unwrap().1, "5");
    }

    #[test]
    fn a_reproduction_is_a_command() {
        let text = Reproduction { scenario: "ring_of_4", seed: 7 }.to_string();
        assert!(text.ends_with("KUMIKI_SEED=7 cargo test --test sim ring_of_4 -- --exact"));
    }
}
