//! What happened: the lines of the log and of `kumiki monitor`.
//!
//! *Invariants*: one event per state change, never one per packet.

use crate::base::time::Instant;
use serde::{Deserialize, Serialize};

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Needs a human.
    Error,
    /// Degraded.
    Warning,
    /// A state change.
    Info,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, on the router's own clock.
    pub at: Instant,
    /// How much it matters.
    pub severity: Severity,
    /// `topic.what`, for example `ospf.neighbor`.
    pub topic: String,
    /// A sentence.
    pub text: String,
    /// Key and value of each part.
    pub fields: Vec<(String, String)>,
}
