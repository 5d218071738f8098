//! What may happen to a BGP session.
//!
//! Owns the inputs; what a session wants done stands in [`super::action`].
//!
//! *Standards*: RFC 4486 (why a session is ended), RFC 9003 (a word for people), RFC 8538 §3 and §4
//! (hard reset), RFC 9384 (BFD).

use super::settings::Settings;
use crate::base::cursor::Writer;
use crate::wire::bgp::{AddressFamily, Notification, NotificationCode};
use serde::{Deserialize, Serialize};

/// Who opened a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initiator {
    /// We did.
    Local,
    /// The peer did.
    Remote,
}

impl Initiator {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Local, Self::Remote];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Local => Self::Remote,
            Self::Remote => Self::Local,
        }
    }
}

/// A TCP connection of one peer, or a try to open one. Connections that we open are numbered by the
/// session, those that the peer opens by the driver; a number is not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId {
    /// Who opened it.
    pub initiator: Initiator,
    /// Which of those.
    pub number: u32,
}

/// How this speaker comes to start a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// For the first time.
    #[default]
    Fresh,
    /// After a restart (RFC 4724 §4.1).
    Restarted {
        /// Packets were forwarded all the time.
        has_kept_forwarding: bool,
    },
}

/// RFC 4486: why this speaker ends a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cease {
    /// The peer sent more prefixes than it may.
    MaximumPrefixes {
        /// How many it may send.
        prefix_count_max: u32,
    },
    /// An administrator wants it down.
    AdministrativeShutdown {
        /// RFC 9003: a word to the other administrator; may be empty.
        text: String,
    },
    /// The peer is in the configuration no more.
    PeerDeConfigured,
    /// An administrator wants it anew.
    AdministrativeReset {
        /// RFC 9003: a word to the other administrator; may be empty.
        text: String,
    },
    /// RFC 8538: an administrator wants it anew, and no routes kept.
    HardReset {
        /// RFC 9003: a word to the other administrator; may be empty.
        text: String,
    },
    /// Something was configured that needs a new session.
    ConfigurationChange,
    /// There is no memory for it.
    OutOfResources,
    /// RFC 9384: BFD says that packets do not arrive.
    BfdDown,
    /// The link to it has lost its carrier. RFC 4271 §4.5: without a subcode of its own.
    LinkDown,
}

impl Cease {
    /// What the peer is told, where a hard reset was not agreed on.
    pub fn notification(&self) -> Notification {
        use NotificationCode as Code;
        match self {
            Self::MaximumPrefixes { prefix_count_max } => {
                // RFC 4486 §4: AFI, SAFI, prefix upper bound.
                let mut data = Writer::default();
                data.u16(AddressFamily::IPV6_UNICAST.afi);
                data.u8(AddressFamily::IPV6_UNICAST.safi);
                data.u32(*prefix_count_max);
                Notification { code: Code::MAXIMUM_PREFIXES_REACHED, data: data.into_vec() }
            }
            Self::AdministrativeShutdown { text } => {
                Notification::with_text(Code::ADMINISTRATIVE_SHUTDOWN, text)
            }
            Self::PeerDeConfigured => Notification::new(Code::PEER_DE_CONFIGURED),
            Self::AdministrativeReset { text } | Self::HardReset { text } => {
                Notification::with_text(Code::ADMINISTRATIVE_RESET, text)
            }
            Self::ConfigurationChange => Notification::new(Code::CONFIGURATION_CHANGE),
            Self::OutOfResources => Notification::new(Code::OUT_OF_RESOURCES),
            Self::BfdDown => Notification::new(Code::BFD_DOWN),
            Self::LinkDown => Notification::new(Code::CEASE),
        }
    }

    /// RFC 8538 §5.1: whether routes must not be kept, whatever was agreed on. As its table
    /// suggests: those of a session that an administrator or the number of prefixes keeps down;
    /// beside it those behind a path that does not carry packets, for which it has no row.
    pub const fn is_hard(&self) -> bool {
        match self {
            Self::MaximumPrefixes { .. }
            | Self::AdministrativeShutdown { .. }
            | Self::PeerDeConfigured
            | Self::HardReset { .. }
            | Self::BfdDown
            | Self::LinkDown => true,
            Self::AdministrativeReset { .. } | Self::ConfigurationChange | Self::OutOfResources => {
                false
            }
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The session shall come up.
    Start(Start),
    /// The session shall end, and stay down until the next `Start`.
    Stop(Cease),
    /// The session shall end, and come up again.
    Reset(Cease),
    /// RFC 4724 §4.1: our restart is over; later OPENs do not speak of it.
    RestartOver,
    /// OPENs are written and judged by these from now on; an Established session is not touched.
    Settings(Box<Settings>),
    /// A TCP connection is there.
    Connected {
        /// Which.
        connection: ConnectionId,
    },
    /// A TCP connection could not be opened.
    ConnectFailed {
        /// Which.
        connection: ConnectionId,
    },
    /// The peer sent octets, in any pieces.
    Received {
        /// On which connection.
        connection: ConnectionId,
        /// What; at most `RECEIVE_SLICE_OCTETS_MAX` make a good slice of work.
        octets: Vec<u8>,
    },
    /// The socket took octets that `Action::Send` had given.
    Sent {
        /// Of which connection.
        connection: ConnectionId,
        /// How many.
        octet_count: usize,
    },
    /// A TCP connection is gone, by the peer or by an error.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// RFC 2918: the peer shall send all routes again. Where it cannot, nothing happens.
    Refresh,
    /// Messages of the RIB half to the peer: whole UPDATEs and bounds of a refresh, encoded by
    /// [`super::Negotiated::send`], no more of them than [`super::Session::room`] said.
    Updates {
        /// The messages, one behind the other.
        octets: Vec<u8>,
    },
}
