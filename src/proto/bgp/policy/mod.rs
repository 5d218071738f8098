//! Policies as they are run: which routes pass, and how they change.
//!
//! Read [`nest`] (values at prefixes, found by what is inside), [`prefix_set`] and [`as_path`]
//! (what a clause asks of a prefix and of a path), [`origin_validation`] (what the RPKI says),
//! [`clause`] (a condition, an edit, a clause), [`engine`] (all policies of a router, asked by the
//! tables). [`limits`] has the bounds.
//!
//! Absent on purpose: names. A policy has a number here; what a configuration calls it, and how its
//! words become clauses, is `control`'s.

pub mod as_path;
pub mod clause;
pub mod engine;
pub mod limits;
pub mod nest;
pub mod origin_validation;
pub mod prefix_set;

#[cfg(test)]
mod tests;

pub use as_path::AsPathMatcher;
pub use clause::{Action, Clause, Condition, Edit, NextHopEdit, Subject};
pub use engine::{Engine, Explanation, Fate, Policy, PolicyView, Redistributed, StepTaken};
pub use origin_validation::{RpkiState, TooManyVrps, Vrps};
pub use prefix_set::PrefixSet;
