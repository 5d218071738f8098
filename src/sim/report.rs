//! What a campaign found: the values of the report, and nothing of how they are shown.
//!
//! Owns [`Report`]. Times are simulated ones, in milliseconds.

use crate::base::time::{Duration, Instant};
use crate::planner::families::server_name;
use crate::sim::checkers::Violation;
use crate::sim::edges::Edges;
use crate::sim::faults::Part;
use crate::sim::probes::ProbeCounts;
use serde::Serialize;
use std::collections::BTreeMap;

/// Something that is not as it should be, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: String,
    /// When, since the world began.
    pub time_ms: u64,
    /// Names of the routers that it is about.
    pub routers: Vec<String>,
    /// A sentence.
    pub text: String,
}

impl Finding {
    /// What a checker found at `now`, in a cluster with these edges.
    pub fn of(violation: &Violation, edges: Edges, now: Instant) -> Self {
        let routers = violation.routers().iter().map(|router| edges.name(*router)).collect();
        let text = violation.text(&|router| edges.name(*router));
        Self { routers, ..Self::new(violation.kind(), now, &[], text) }
    }

    /// Something that no checker has a word for.
    pub fn new(kind: &str, now: Instant, routers: &[usize], text: String) -> Self {
        let routers = routers.iter().map(|router| server_name(*router)).collect();
        Self { kind: kind.to_owned(), time_ms: now.as_nanos() / 1_000_000, routers, text }
    }
}

/// Figures of many faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// The middle one.
    pub median: f64,
    /// Nine of ten are not above it.
    pub p90: f64,
    /// The highest.
    pub max: f64,
}

impl Summary {
    /// Of spans, in milliseconds.
    pub fn of(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        let at = |percent: usize| {
            let place = (spans.len() * percent).div_ceil(100).saturating_sub(1);
            spans.get(place).map_or(0.0, milliseconds)
        };
        Self { count: spans.len(), median: at(50), p90: at(90), max: at(100) }
    }
}

/// Milliseconds, with microseconds behind the point.
pub fn milliseconds(span: &Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// What happened and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events of the world.
    pub events: u64,
    /// Frames put on links.
    pub frames: u64,
    /// Hellos among them.
    pub hellos: u64,
    /// Link State Updates among them.
    pub lsus: u64,
    /// Calculations of routes, in all routers.
    pub spfs: u64,
    /// Worlds published, in all routers.
    pub publications: u64,
}

/// One event of the schedule, and what followed until the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultRow {
    /// When, since the first rest.
    pub at_ms: f64,
    /// What.
    pub fault: String,
    /// Whether it was asked for, follows from what was, or is of the clean-up.
    pub part: Part,
    /// Whether everything was right when it happened, and no link was bad.
    pub is_alone: bool,
    /// Until every table was right again; none where the next event overtook it.
    pub converged_ms: Option<f64>,
    /// Probes lost although their pair was joined.
    pub lost_packets: u64,
    /// The same by cause.
    pub lost_by_cause: BTreeMap<String, u64>,
    /// Probes that came to a router twice.
    pub microloops: u64,
    /// Probes to the rest of the world that were lost although a way out was there all the time.
    pub exit_lost_packets: u64,
    /// Probes to the rest of the world that came to a router twice.
    pub exit_microloops: u64,
}

/// The report of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The topology, or how many cables there are.
    pub topology: String,
    /// How many routers.
    pub routers: usize,
    /// How many links.
    pub links: usize,
    /// Faults that were asked for.
    pub faults: usize,
    /// Events that follow from them: repairs, and the further cuts of a cable that flaps.
    pub sequels: usize,
    /// Events at the end that make everything whole, whether or not it still is broken.
    pub clean_up: usize,
    /// What is not as it should be; empty where all is well.
    pub violations: Vec<Finding>,
    /// Violations that found no room there.
    pub violations_more: u64,
    /// What happened and how often.
    pub counts: Counts,
    /// Simulated time of the whole run.
    pub simulated_ms: u64,
    /// From the first router's start to the first moment at which all was right; none where that
    /// never came.
    pub started_ms: Option<f64>,
    /// From an event that made any table wrong until every table was right.
    pub converged_ms: Summary,
    /// Faults and sequels that the next event overtook, before every table was right; those of the
    /// clean-up come at one instant, and are not counted.
    pub overtaken: usize,
    /// Probes lost although their pair was joined.
    pub lost_packets: u64,
    /// The same by cause.
    pub lost_by_cause: BTreeMap<String, u64>,
    /// Edges with an uplink to a provider. Without them all is zero that begins with `exit`.
    pub edges: usize,
    /// From an event that made a way out of the cluster wrong until all were right, where the next
    /// event did not come before.
    pub exits_moved_ms: Summary,
    /// Probes to the rest of the world that were lost although a way out was there all the time.
    pub exit_lost_packets: u64,
    /// The same by cause.
    pub exit_lost_by_cause: BTreeMap<String, u64>,
    /// Probes to the rest of the world that came to a router twice.
    pub exit_microloops: u64,
    /// Probes that came to a router twice because of one fault or repair, alone.
    pub microloops: u64,
    /// Probes that did so while what came before was not over, or while a link was bad.
    pub microloops_overlapping: u64,
    /// Loops that stood in the tables towards a probed router, by publication.
    pub loops: u64,
    /// All about the probes.
    pub probes: ProbeCounts,
    /// What followed each fault and repair.
    pub by_fault: Vec<FaultRow>,
    /// Digest of everything that happened: two runs are the same where it is.
    pub digest: String,
}

impl Report {
    /// Whether there is no violation.
    pub const fn is_good(&self) -> bool {
        self.violations.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_middle_and_the_ends() {
        let spans = (1..=10).map(Duration::from_millis).collect();
        let Summary { count, median, p90, max } = Summary::of(spans);
        assert_eq!((count, median, p90, max), (10, 5.0, 9.0, 10.0));
        assert_eq!(Summary::of(Vec::new()), Summary::default());
    }
}
