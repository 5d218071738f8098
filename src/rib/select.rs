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
use std::sync::Arc;

/// What one source says about a prefix. A body that many prefixes have is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) source: RouteSource,
    pub(super) body: Arc<RouteBody>,
}

/// What all sources say about a prefix, in order of preference: in a full table one does, mostly,
/// and that costs no memory of its own.
#[derive(Clone, Debug, Default)]
pub(super) enum Candidates {
    #[default]
    None,
    One(Candidate),
    #[expect(clippy::box_collection, reason = "two words for the usual case, not three")]
    Many(Box<Vec<Candidate>>),
}

const _: () = assert!(size_of::<Candidates>() == 16);

impl Candidates {
    pub(super) fn as_slice(&self) -> &[Candidate] {
        match self {
            Self::None => &[],
            Self::One(candidate) => core::slice::from_ref(candidate),
            Self::Many(candidates) => candidates,
        }
    }

    /// Takes out what a source has said.
    pub(super) fn remove(&mut self, source: RouteSource) -> Option<Arc<RouteBody>> {
        match self {
            Self::One(candidate) if candidate.source == source => match core::mem::take(self) {
                Self::One(candidate) => Some(candidate.body),
                _ => None,
            },
            Self::None | Self::One(_) => None,
            Self::Many(candidates) => {
                let place = candidates.iter().position(|other| other.source == source)?;
                let removed = candidates.remove(place);
                if candidates.len() == 1 {
                    *self = candidates.pop().map_or(Self::None, Self::One);
                }
                Some(removed.body)
            }
        }
    }

    /// Puts in what a source says that has said nothing.
    pub(super) fn insert(&mut self, candidate: Candidate) {
        let mut all = match core::mem::take(self) {
            Self::None => return *self = Self::One(candidate),
            Self::One(other) => Box::new(vec![other]),
            Self::Many(candidates) => candidates,
        };
        let at = all.partition_point(|other| other.preference() < candidate.preference());
        all.insert(at, candidate);
        *self = Self::Many(all);
    }
}

impl Candidate {
    /// Rules 2 to 4: the candidate with the least value wins.
    pub(super) fn preference(&self) -> (u8, u32, RouteSource) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::route::RouteTarget;

    #[test]
    fn candidates_come_in_order_of_preference_and_go_by_their_source() {
        let candidate = |source| Candidate {
            source,
            body: Arc::new(RouteBody::new(1, RouteTarget::Blackhole)),
        };
        let sources =
            |all: &Candidates| all.as_slice().iter().map(|one| one.source).collect::<Vec<_>>();
        let mut all = Candidates::default();
        for source in [RouteSource::Ibgp, RouteSource::Static, RouteSource::Ospf] {
            assert_eq!(all.remove(source), None);
            all.insert(candidate(source));
        }
        assert_eq!(sources(&all), [RouteSource::Static, RouteSource::Ospf, RouteSource::Ibgp]);
        assert!(all.remove(RouteSource::Ospf).is_some());
        assert!(all.remove(RouteSource::Static).is_some());
        assert!(matches!(all, Candidates::One(_)) && sources(&all) == [RouteSource::Ibgp]);
        assert!(all.remove(RouteSource::Ibgp).is_some() && all.as_slice().is_empty());
    }
}
