//! BFD (RFC 5880, on one hop of IPv6 by RFC 5881) as a pure machine.
//!
//! Read [`input`] and [`action`] first: they are the border; [`view`] is what a session shows of
//! itself. Then [`state`] (the table of §6.2), [`session`] (one session: its variables, timers and
//! intervals), `receive` (§6.8.6), `authentication` (§6.7). [`order`] is how the control plane asks
//! for sessions, whose packets and timers belong to the workers. [`limits`] has every bound.
//!
//! Absent on purpose: demand mode of our own (§6.6; a neighbour's is respected) and more than one
//! hop (RFC 5883).
//!
//! Gap: RFC 5880 §6.4, RFC 5881 §4: no echo function. `Required Min Echo RX Interval` is zero, so
//! no neighbour sends echo packets either.
//! Gap: RFC 5880 §6.7.1: one key at a time. Where both ends get another one, the session falls
//! unless both get it within a detection time.

pub mod action;
mod authentication;
pub mod input;
pub mod limits;
pub mod order;
mod receive;
pub mod session;
pub mod state;
pub mod view;

#[cfg(test)]
mod tests;

pub use action::Action;
pub use authentication::AuthenticationError;
pub use input::{Input, Key, KeyKind, Settings};
pub use order::{Order, Report, Wanted};
pub use receive::Refusal;
pub use session::Session;
pub use view::View;
