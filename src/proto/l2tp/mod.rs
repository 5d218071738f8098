//! L2TPv3 control connections (RFC 3931) with sessions for Ethernet (RFC 4719), as a pure machine.
//!
//! Read [`input`] and [`action`] first: they are the border; [`view`] is what a peer shows of
//! itself. Then [`state`] (the tables of §7), [`peer`] (one peer: its connections, and when there
//! is one), `receive` (messages in), `calls` and `session` (sessions), `connection` and `transport`
//! (one connection and its reliable delivery), `entropy` (nonces). [`counters`] has what is
//! counted, [`limits`] every bound.
//!
//! Absent on purpose: data messages, which belong to the workers; sockets and addresses: the owner
//! has a [`Peer`] for each remote address and hands it what comes from there; sessions without a
//! control connection, which are configuration; outgoing calls, which Ethernet does not have.

pub mod action;
mod calls;
mod connection;
pub mod counters;
mod entropy;
pub mod input;
pub mod limits;
pub mod peer;
mod receive;
mod session;
pub mod state;
mod transport;
pub mod view;

#[cfg(test)]
mod tests;

pub use action::{Action, ConnectionEnd, PeerIdentity, SessionEnd, SessionUp};
pub use counters::Counters;
pub use input::{
    Authentication, Circuit, CookieHiding, DataFormat, EndId, Initiative, Input, SessionSettings,
    Settings,
};
pub use peer::Peer;
pub use state::{CallState, ConnectionState};
pub use view::{SessionView, View};
