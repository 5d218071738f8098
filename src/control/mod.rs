//! The control plane as one pure value.
//!
//! Read [`input`] and [`action`] first: they are the whole border. Then [`plane`].
#![forbid(unsafe_code)]

pub mod action;
pub mod input;
pub mod plane;

pub use action::Action;
pub use input::{AttachedPort, Input};
pub use plane::{ControlOptions, ControlPlane};
