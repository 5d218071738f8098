//! A policy, tried on a route that nobody has sent.
//!
//! Owns nothing: what is tried is what the control plane runs
//! ([`crate::control::bgp_settings`]). It stands here as the rest of what never happened does, for
//! the command line, which does not reach into a router.

pub use crate::control::bgp_settings::{
    Trial, TrialChange, TrialClause, TrialError, TrialRedistribution, TrialReport, TrialRoute,
    try_policy,
};
