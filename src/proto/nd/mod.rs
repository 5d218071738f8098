//! Neighbour Discovery (RFC 4861, RFC 4862 §5.4, RFC 4429, RFC 4191) as a pure machine.
//!
//! Read [`input`] and [`action`] first: they are the border. [`view`] is what `show` sees.

pub mod action;
pub mod input;
pub mod machine;
pub mod view;

pub use action::Action;
pub use input::{Input, NdInterface, RaSettings};
pub use machine::{Nd, NdCounters};
pub use view::{EntryView, NdState};
