//! Which of several announcements for one prefix wins.
//!
//! Owns the order of preference; whether an announcement can be used at all is decided in
//! `resolve.rs`.
//!
//! The rules, in this order:
//!
//! 1. What cannot be used (no port, no gateway) does not take part.
//! 2. The lower administrative distance wins.
//! 3. The lower metric wins.
//! 4. The source that stands first in [`RouteSource`] wins.
//!
//! *Invariants*: a source announces one route a prefix, so the rules leave one.

use crate::base::route::{RouteBody, RouteSource};
use crate::rib::resolve::Way;

/// What one source says about a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) source: RouteSource,
    pub(super) body: RouteBody,
}

impl Candidate {
    /// Rules 2 to 4: the candidate with the least value wins.
    pub(super) const fn preference(&self) -> (u8, u32, RouteSource) {
        (self.source.distance(), self.body.metric, self.source)
    }
}

/// The winner among `candidates`, which stand in order of preference, with the way that `resolve`
/// found for it.
pub(super) fn select(
    candidates: &[Candidate],
    resolve: impl Fn(&Candidate) -> Option<Way>,
) -> Option<(&Candidate, Way)> {
    candidates.iter().find_map(|candidate| Some((candidate, resolve(candidate)?)))
}
