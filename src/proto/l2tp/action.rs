//! What the machine of an L2TP peer wants done.

use super::input::{DataFormat, EndId};
use crate::base::ids::RouterId;
use crate::wire::l2tp::{DisconnectCode, PseudowireType, Reason, SessionId, StopCode};

/// One wish; the owner carries it out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a control message to the peer; it begins with the T bit, and over IP a word of zeros
    /// goes before it (`wire::l2tp::packet_of`).
    Send {
        /// The message.
        octets: Vec<u8>,
    },
    /// There is a control connection.
    ConnectionUp(PeerIdentity),
    /// There is none any more.
    ConnectionDown(ConnectionEnd),
    /// One was asked for and did not come about; it is tried again.
    ConnectionFailed(ConnectionEnd),
    /// A session carries frames from now on.
    SessionUp(Box<SessionUp>),
    /// The peer's circuit of a session that is up has changed.
    SessionChanged {
        /// Which.
        end: EndId,
        /// Whether frames may be sent to it (§5.4.5: "all data traffic for that session MUST
        /// cease").
        is_remote_active: bool,
    },
    /// A session that was up, or was asked for, carries nothing.
    SessionDown {
        /// Which.
        end: EndId,
        /// Why.
        reason: SessionEnd,
    },
}

/// Who the other end is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its name.
    pub host_name: String,
    /// Its number.
    pub router_id: RouterId,
    /// What it is, where it says so.
    pub vendor_name: Option<String>,
}

/// What the data path needs of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUp {
    /// The circuit.
    pub end: EndId,
    /// What it carries.
    pub pseudowire: PseudowireType,
    /// As the peer calls it, in messages to us.
    pub local: SessionId,
    /// As we call it, in messages to the peer.
    pub remote: SessionId,
    /// What messages to us come with.
    pub receive: DataFormat,
    /// What messages to the peer need.
    pub transmit: DataFormat,
    /// Whether frames may be sent to it.
    pub is_remote_active: bool,
}

/// Why there is no control connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionEnd {
    /// An administrator wants it so.
    #[error("stopped")]
    Stopped,
    /// The peer acknowledges nothing.
    #[error("the peer is silent")]
    Silent,
    /// The peer acknowledges, and does not go on.
    #[error("not established in time")]
    Timeout,
    /// The peer ended it.
    #[error("ended by the peer: {0}")]
    Remote(Reason<StopCode>),
    /// We did, because of what the peer said.
    #[error("ended for what the peer sent: {0}")]
    Local(Reason<StopCode>),
    /// Both ends asked, with the same tie breaker.
    #[error("equal tie breakers")]
    Tie,
    /// The peer has made another one: it was started again, for example.
    #[error("replaced by a newer one")]
    Replaced,
}

/// Why a session carries nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    /// It shall not be, or shall be another one.
    #[error("removed")]
    Removed,
    /// The control connection is gone.
    #[error("no control connection")]
    Connection,
    /// The peer has not answered in time.
    #[error("not established in time")]
    Timeout,
    /// The peer ended it, or did not want it.
    #[error("ended by the peer: {0}")]
    Remote(Reason<DisconnectCode>),
    /// We did, because of what the peer said.
    #[error("ended for what the peer sent: {0}")]
    Local(Reason<DisconnectCode>),
    /// Both ends asked, with the same tie breaker.
    #[error("equal tie breakers")]
    Tie,
    /// It is not in the peer's list of capabilities.
    #[error("the peer does not carry {0}")]
    Capability(PseudowireType),
}
