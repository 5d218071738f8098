//! The state machine of a connection with a peer.
//!
//! ```text
//!            Start            ConnectRetryTimer expires
//!  +------+ ------> +---------+ <-------------------- +--------+
//!  | Idle |         | Connect |     TCP fails         | Active |
//!  +------+         +---------+ --------------------> +--------+
//!    ^   Start, passive  |  TCP is there      ^  TCP fails |  TCP is there
//!    |  ----> Active     v                    |            v
//!    |              +----------+ -------------+      (OpenSent)
//!    |<-------------| OpenSent |
//!    |    error     +----------+
//!    |                   | OPEN
//!    |                   v
//!    |    error     +-------------+   KEEPALIVE   +-------------+
//!    |<-------------| OpenConfirm | ------------> | Established |
//!    |              +-------------+               +-------------+
//!    |                     Stop, error, NOTIFICATION, TCP fails |
//!    +----------------------------------------------------------+
//! ```
//!
//! Owns [`step`], the table of RFC 4271 §8.2.2: from a state and an event to a state and what is to
//! be done. A peer may have two of these machines while connections collide, one for the connection
//! that we opened and one for the connection that the peer opened; which of them lives is decided
//! by the session, and told here as [`Event::OpenCollisionDump`].
//!
//! *Standards*: RFC 4271 §8, RFC 6608 (subcodes of the FSM error), RFC 9687 §3 (send hold timer),
//! RFC 2918 (ROUTE-REFRESH in Established). Deviations, each at its row:
//! - A TCP connection that cannot be opened leads from Connect to Active, as in RFC 1771, and not
//!   to Idle: a peer that is away is listened for in the meantime.
//! - A NOTIFICATION is never answered by one, not even in OpenSent.
//! - A NOTIFICATION about the version counts as a failure like any other, or two speakers without a
//!   common version would meet every second for ever.
//! - Who only listens has no ConnectRetryTimer: it would make him connect.
//! - A second OPEN on one connection is an FSM error; collisions are between connections.
//! - DelayOpen (an optional attribute, §8.1.1) is absent, and so are events 12, 15 and 20.

use crate::wire::bgp::NotificationCode;
use core::fmt;
use serde::{Deserialize, Serialize};

/// RFC 4271 §8.2.2: the states, in the order in which a session comes up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum State {
    /// Refuses connections.
    #[default]
    Idle,
    /// A TCP connection is being opened.
    Connect,
    /// Listens for a TCP connection.
    Active,
    /// OPEN is sent, none has come.
    OpenSent,
    /// OPEN has come and was good; a KEEPALIVE is waited for.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

impl State {
    /// Every state, in order.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::Connect,
        Self::Active,
        Self::OpenSent,
        Self::OpenConfirm,
        Self::Established,
    ];

    /// Whether there is a TCP connection.
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::OpenSent | Self::OpenConfirm | Self::Established)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        })
    }
}

/// RFC 4271 §8.1: what may happen, with the numbers there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// 1: an administrator starts the peer.
    ManualStart,
    /// 2: an administrator stops the peer.
    ManualStop,
    /// 6: it starts again after its IdleHoldTimer.
    AutomaticStart,
    /// 4: an administrator starts it, and only listens.
    ManualStartPassive,
    /// 7: it starts again, and only listens.
    AutomaticStartPassive,
    /// 8: the local system ends the session, and will start it again.
    AutomaticStop,
    /// 9.
    ConnectRetryTimerExpires,
    /// 10.
    HoldTimerExpires,
    /// 11.
    KeepaliveTimerExpires,
    /// 29 (RFC 9687 §3): the peer does not read.
    SendHoldTimerExpires,
    /// 16 and 17: a TCP connection is there, opened by us or by the peer.
    TcpConnected,
    /// 18: the TCP connection could not be opened, or is gone.
    TcpConnectionFails,
    /// 19: an OPEN without errors.
    BgpOpen,
    /// 21: a message header with an error.
    BgpHeaderErr,
    /// 22: an OPEN with an error.
    BgpOpenMsgErr,
    /// 23: another connection to the same peer is kept.
    OpenCollisionDump,
    /// 24: a NOTIFICATION about the version.
    NotifMsgVerErr,
    /// 25: another NOTIFICATION.
    NotifMsg,
    /// 26.
    KeepAliveMsg,
    /// 27: an UPDATE that does not end the session.
    UpdateMsg,
    /// 28: an UPDATE that does.
    UpdateMsgErr,
    /// RFC 2918: a ROUTE-REFRESH.
    RouteRefreshMsg,
}

impl Event {
    /// Every event, in the order above.
    pub const ALL: [Self; 22] = [
        Self::ManualStart,
        Self::ManualStop,
        Self::AutomaticStart,
        Self::ManualStartPassive,
        Self::AutomaticStartPassive,
        Self::AutomaticStop,
        Self::ConnectRetryTimerExpires,
        Self::HoldTimerExpires,
        Self::KeepaliveTimerExpires,
        Self::SendHoldTimerExpires,
        Self::TcpConnected,
        Self::TcpConnectionFails,
        Self::BgpOpen,
        Self::BgpHeaderErr,
        Self::BgpOpenMsgErr,
        Self::OpenCollisionDump,
        Self::NotifMsgVerErr,
        Self::NotifMsg,
        Self::KeepAliveMsg,
        Self::UpdateMsg,
        Self::UpdateMsgErr,
        Self::RouteRefreshMsg,
    ];
}

impl fmt::Display for Event {
    /// Its name in the RFC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// One thing to do, in the words of RFC 4271 §8.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// "sets ConnectRetryCounter to zero".
    ResetRetryCounter,
    /// "increments the ConnectRetryCounter by 1".
    CountRetry,
    /// "starts the ConnectRetryTimer with the initial value".
    StartConnectRetry,
    /// "sets the ConnectRetryTimer to zero".
    StopConnectRetry,
    /// "initiates a TCP connection to the other BGP peer".
    Connect,
    /// "drops the TCP connection".
    Drop,
    /// "releases all BGP resources": the TCP connection and every timer of it.
    Release,
    /// "sends an OPEN message".
    SendOpen,
    /// "sets the HoldTimer to a large value".
    StartLargeHold,
    /// "(re)starts the HoldTimer with the negotiated value", unless that is zero.
    StartHold,
    /// "sends a KEEPALIVE message".
    SendKeepalive,
    /// "(re)starts the KeepaliveTimer", unless the negotiated hold time is zero.
    StartKeepalive,
    /// Sends a NOTIFICATION with this code.
    Notify(NotificationCode),
    /// Sends the NOTIFICATION that the event came with.
    NotifyError,
}

/// The state that follows, and what is to be done on the way, in order.
pub type Step = (State, &'static [Act]);

const CONNECT: &[Act] = &[Act::StartConnectRetry, Act::Connect];
const CONNECT_ANEW: &[Act] = &[Act::Drop, Act::StartConnectRetry, Act::Connect];
const FIRST_CONNECT: &[Act] = &[Act::ResetRetryCounter, Act::StartConnectRetry, Act::Connect];
const FIRST_LISTEN: &[Act] = &[Act::ResetRetryCounter];
const LISTEN: &[Act] = &[Act::Drop, Act::StartConnectRetry];
const GREET: &[Act] = &[Act::StopConnectRetry, Act::SendOpen, Act::StartLargeHold];
const CONFIRM: &[Act] =
    &[Act::StopConnectRetry, Act::SendKeepalive, Act::StartKeepalive, Act::StartHold];
const KEEP_ALIVE: &[Act] = &[Act::SendKeepalive, Act::StartKeepalive];
const STOP: &[Act] = &[Act::Release, Act::ResetRetryCounter];
const STOP_WITH_CEASE: &[Act] = &[Act::NotifyError, Act::Release, Act::ResetRetryCounter];
const END: &[Act] = &[Act::Release, Act::CountRetry];
const END_WITH_ERROR: &[Act] = &[Act::NotifyError, Act::Release, Act::CountRetry];

macro_rules! end_with {
    ($code:ident) => {
        const { &[Act::Notify(NotificationCode::$code), Act::Release, Act::CountRetry] }
    };
}

/// A row of the table; `None` where nothing happens.
pub const fn step(state: State, event: Event) -> Option<Step> {
    use Event as E;
    use State::{Active, Connect, Established, Idle, OpenConfirm, OpenSent};
    Some(match (state, event) {
        // "The start events are ignored" once it is started.
        (Idle, E::ManualStart) => (Connect, FIRST_CONNECT),
        (Idle, E::AutomaticStart) => (Connect, CONNECT),
        (Idle, E::ManualStartPassive) => (Active, FIRST_LISTEN),
        (Idle, E::AutomaticStartPassive) => (Active, &[]),
        (Idle, _) => return None,
        (
            _,
            E::ManualStart | E::AutomaticStart | E::ManualStartPassive | E::AutomaticStartPassive,
        ) => return None,

        (Connect, E::ManualStop) => (Idle, STOP),
        (Connect, E::ConnectRetryTimerExpires) => (Connect, CONNECT_ANEW),
        (Connect, E::TcpConnected) => (OpenSent, GREET),
        (Connect, E::TcpConnectionFails) => (Active, LISTEN),
        (Connect, _) => (Idle, END),

        (Active, E::ManualStop) => (Idle, STOP),
        (Active, E::ConnectRetryTimerExpires) => (Connect, CONNECT),
        (Active, E::TcpConnected) => (OpenSent, GREET),
        (Active, _) => (Idle, END),

        (OpenSent | OpenConfirm | Established, E::ManualStop) => (Idle, STOP_WITH_CEASE),
        (OpenSent | OpenConfirm | Established, E::AutomaticStop) => (Idle, END_WITH_ERROR),
        (OpenSent | OpenConfirm | Established, E::HoldTimerExpires) => {
            (Idle, end_with!(HOLD_TIMER_EXPIRED))
        }
        (OpenSent | OpenConfirm | Established, E::SendHoldTimerExpires) => {
            (Idle, end_with!(SEND_HOLD_TIMER_EXPIRED))
        }
        (OpenSent | OpenConfirm | Established, E::BgpHeaderErr) => (Idle, END_WITH_ERROR),
        (OpenSent | OpenConfirm | Established, E::OpenCollisionDump) => {
            (Idle, end_with!(COLLISION_RESOLUTION))
        }
        // A NOTIFICATION ends the connection on the other side as well: no answer is read.
        (OpenSent | OpenConfirm | Established, E::NotifMsg | E::NotifMsgVerErr) => (Idle, END),

        (OpenSent, E::TcpConnectionFails) => (Active, LISTEN),
        (OpenSent, E::BgpOpen) => (OpenConfirm, CONFIRM),
        (OpenSent, E::BgpOpenMsgErr) => (Idle, END_WITH_ERROR),
        (OpenSent, _) => (Idle, end_with!(UNEXPECTED_IN_OPEN_SENT)),

        (OpenConfirm, E::KeepaliveTimerExpires) => (OpenConfirm, KEEP_ALIVE),
        (OpenConfirm, E::TcpConnectionFails) => (Idle, END),
        (OpenConfirm, E::BgpOpenMsgErr) => (Idle, END_WITH_ERROR),
        (OpenConfirm, E::KeepAliveMsg) => (Established, &[Act::StartHold]),
        (OpenConfirm, _) => (Idle, end_with!(UNEXPECTED_IN_OPEN_CONFIRM)),

        (Established, E::KeepaliveTimerExpires) => (Established, KEEP_ALIVE),
        (Established, E::TcpConnectionFails) => (Idle, END),
        // §8.2.2 names KEEPALIVE and UPDATE; a ROUTE-REFRESH is as good a sign of life.
        (Established, E::KeepAliveMsg | E::UpdateMsg | E::RouteRefreshMsg) => {
            (Established, &[Act::StartHold])
        }
        (Established, E::UpdateMsgErr) => (Idle, END_WITH_ERROR),
        (Established, _) => (Idle, end_with!(UNEXPECTED_IN_ESTABLISHED)),
    })
}
