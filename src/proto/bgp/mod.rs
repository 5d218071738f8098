//! BGP-4 (RFC 4271, RFC 4760) as pure machines and tables.
//!
//! A session: read [`input`] and [`action`] first, they are the border; then [`fsm`] (the
//! table of RFC 4271 §8), [`connection`] (a stream of octets in, messages out of it, and a queue of
//! octets the other way), [`negotiation`] (what two OPENs agree on), [`session`] (a peer: its
//! connections, timers and state, with `perform` for what the table asks for and `receive` for
//! what comes in). [`settings`] is what an administrator decides, [`view`] what is shown.
//!
//! The tables: read [`ribs`]; its own text says in which order to read on. [`transport`] is the
//! border to TCP: what is asked of it and what is heard. [`limits`] has every bound of sessions.
//!
//! [`policy`] says which routes pass between peers and tables, and how they change.
//!
//! [`speaker`] makes sessions, tables and transport one.

pub mod action;
pub mod connection;
pub mod fsm;
pub mod input;
pub mod limits;
pub mod negotiation;
mod perform;
pub mod policy;
mod receive;
pub mod ribs;
pub mod session;
pub mod settings;
pub mod speaker;
pub mod transport;
pub mod view;

#[cfg(test)]
mod tests;

pub use action::{Action, Down, DownReason, Retention, StateChange};
pub use connection::Connection;
pub use fsm::{Event, State};
pub use input::{Cease, ConnectionId, Initiator, Input, Start};
pub use negotiation::{Negotiated, RefreshSupport};
pub use session::Session;
pub use settings::Settings;
pub use speaker::Speaker;
pub use view::View;
