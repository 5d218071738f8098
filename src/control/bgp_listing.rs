//! The prefixes of BGP in their order, for answers that come in pages.
//!
//! Owns [`Listing`]. The tables of BGP know prefixes by number and not by order: an order kept for
//! people would cost every route that comes something, and nobody looks most of the time. So the
//! table is looked through once for every [`RUN_PREFIXES_MAX`] prefixes of a listing, and pages
//! are cut from what was found.
//!
//! *Invariants*: prefixes come in order, and none twice. One that came into the table while its
//! part of the listing was under way may be missing; one that went is not shown.
//! Gap: a look through the table takes as long as it is: some milliseconds for the most prefixes
//! that it can have, one for the table of today.

use super::plane::ControlPlane;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};

/// Prefixes that are looked for at once: sixteen pages, so that a listing of the whole table looks
/// through it some dozen times and not a thousand.
pub(super) const RUN_PREFIXES_MAX: usize = 4096;
/// How long what was found counts: a listing that goes on later looks again.
const RUN_AGE_MAX: Duration = Duration::from_secs(2);

/// What was found last; one exists, in the control plane.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    run: Option<Run>,
}

#[derive(Clone, Debug)]
struct Run {
    found_at: Instant,
    /// Behind which prefix it begins.
    after: Option<Ipv6Prefix>,
    prefixes: Vec<Ipv6Prefix>,
    /// Whether nothing is behind it.
    is_last: bool,
}

impl Run {
    /// Whether it knows what comes behind a prefix.
    fn covers(&self, now: Instant, after: Option<Ipv6Prefix>) -> bool {
        let is_in = self.prefixes.last().is_some_and(|last| after < Some(*last));
        now - self.found_at < RUN_AGE_MAX && self.after <= after && (is_in || self.is_last)
    }
}

impl Listing {
    /// The prefixes behind one, as far as they were found.
    pub(super) fn behind(&self, after: Option<Ipv6Prefix>) -> &[Ipv6Prefix] {
        let prefixes = self.run.as_ref().map(|run| run.prefixes.as_slice()).unwrap_or_default();
        let first = prefixes.partition_point(|prefix| Some(*prefix) <= after);
        prefixes.get(first..).unwrap_or_default()
    }

    /// Whether the table has no prefix behind those that were found.
    pub(super) fn is_last(&self) -> bool {
        self.run.as_ref().is_none_or(|run| run.is_last)
    }
}

impl ControlPlane {
    /// Sees to it that [`Listing::behind`] knows what comes behind a prefix. What begins anew is
    /// looked for anew.
    pub(super) fn list_bgp(&mut self, now: Instant, after: Option<Ipv6Prefix>) {
        let listing = &self.bgp.listing;
        let is_known = listing.run.as_ref().is_some_and(|run| run.covers(now, after));
        if is_known && after.is_some() {
            return;
        }
        let speaker = self.bgp.speaker();
        let found = speaker.map(|speaker| speaker.ribs().prefixes_behind(after, RUN_PREFIXES_MAX));
        let prefixes = found.unwrap_or_default();
        let is_last = prefixes.len() < RUN_PREFIXES_MAX;
        self.bgp.listing.run = Some(Run { found_at: now, after, prefixes, is_last });
    }
}
