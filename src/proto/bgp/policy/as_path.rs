//! Patterns of AS paths, run.
//!
//! Owns [`AsPathMatcher`]: the set of steps that a path may stand before, as bits of a word, moved
//! on by each AS. A path costs its length times the steps that are possible at once, whatever the
//! pattern.
//!
//! *Standards*: RFC 4271 §4.3 (AS_SET), RFC 5065 §5.3: what belongs to a confederation is not seen.

use crate::base::as_path_pattern::{AS_PATH_STEPS_MAX, AsPathPattern, AsPathStep, Times};
use crate::wire::bgp::{AsPath, AsPathSegment};

const _: () = assert!(AS_PATH_STEPS_MAX < u64::BITS as usize);

/// A pattern that can be held against paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsPathMatcher {
    steps: Vec<AsPathStep>,
}

impl AsPathMatcher {
    /// A pattern.
    pub fn new(pattern: &AsPathPattern) -> Self {
        Self { steps: pattern.steps().to_vec() }
    }

    /// Whether the whole path is like the pattern.
    pub fn matches(&self, path: &AsPath) -> bool {
        let mut places = self.skip(1);
        for segment in path.segments() {
            match segment {
                AsPathSegment::Sequence(asns) => {
                    for asn in asns {
                        places = self.advance(places, core::slice::from_ref(asn));
                    }
                }
                AsPathSegment::Set(asns) => places = self.advance(places, asns),
                AsPathSegment::ConfedSequence(_) | AsPathSegment::ConfedSet(_) => {}
            }
            if places == 0 {
                return false;
            }
        }
        places >> self.steps.len() & 1 == 1
    }

    /// The places after one AS, which is any of `asns`.
    fn advance(&self, places: u64, asns: &[u32]) -> u64 {
        let (mut after, mut left) = (0, places);
        while left != 0 {
            let place = left.trailing_zeros();
            left &= left - 1;
            let Some(step) = self.steps.get(place as usize) else { continue };
            if !asns.iter().any(|asn| step.asns.contains(*asn)) {
                continue;
            }
            after |= match step.times {
                Times::Once => 2 << place,
                Times::Some => 3 << place,
                Times::Any => 1 << place,
            };
        }
        self.skip(after)
    }

    /// The places, and those behind steps that need not be taken.
    fn skip(&self, mut places: u64) -> u64 {
        for (place, step) in self.steps.iter().enumerate() {
            if step.times == Times::Any && places >> place & 1 == 1 {
                places |= 2 << place;
            }
        }
        places
    }
}
