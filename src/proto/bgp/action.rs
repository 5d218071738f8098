//! What a BGP session wants done.

use super::fsm::{Event, State};
use super::input::ConnectionId;
use super::negotiation::Negotiated;
use crate::base::time::Duration;
use crate::wire::bgp::{Notification, RefreshKind, Update};
use serde::{Deserialize, Serialize};

/// One wish; the owner carries it out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a TCP connection to the peer.
    Connect {
        /// Its name.
        connection: ConnectionId,
    },
    /// Close a TCP connection, or stop opening it; it may be gone already. What `Send` gave before
    /// is still to be written; what comes from it is not wanted any more.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Write octets to a TCP connection and say with `Input::Sent` how many it took.
    Send {
        /// Which.
        connection: ConnectionId,
        /// Whole messages.
        octets: Vec<u8>,
    },
    /// The session is Established: routes may be sent.
    Established(Box<Negotiated>),
    /// Routes came; what RFC 7606 treats as withdrawn is among those withdrawn.
    Update(Box<Update>),
    /// The peer has sent its first table, or all routes after a restart.
    EndOfRib,
    /// The peer asks for all routes, or bounds such an answer of its own (RFC 7313).
    Refresh(RefreshKind),
    /// There is room for updates again, after there was less than was wanted.
    Room,
    /// The session is Established no more.
    Down(Down),
    /// The session is in another state.
    Changed(StateChange),
}

/// The end of an Established session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Down {
    /// Why.
    pub reason: DownReason,
    /// What becomes of the peer's routes.
    pub retention: Retention,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum DownReason {
    /// We ended it, and said why.
    #[error("we sent: {0}")]
    NotificationSent(Notification),
    /// The peer ended it, and said why.
    #[error("the peer sent: {0}")]
    NotificationReceived(Notification),
    /// The TCP connection was lost.
    #[error("the connection was lost")]
    ConnectionLost,
    /// RFC 4724 §5: the peer opened another connection, because it has forgotten this one.
    #[error("the peer has restarted")]
    PeerRestarted,
}

/// RFC 4724 §4.2: what becomes of a peer's routes when its session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// They are gone.
    Drop,
    /// They stay as stale ones until the session is there again.
    Keep {
        /// At most for so long.
        restart_time: Duration,
    },
}

/// A step of the session as a whole, for the stream of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// What happened.
    pub event: Event,
    /// Why, where an error, an administrator or the peer ended something.
    pub reason: Option<DownReason>,
}
