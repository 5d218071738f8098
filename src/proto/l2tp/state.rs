//! The state machines of RFC 3931 as tables.
//!
//! ```text
//!                      open                    SCCRP
//!            +------> WaitCtlReply ------------------------+
//!            |             | SCCRQ, tie lost               v
//!          Idle            v                           Established
//!            |  SCCRQ                                      ^
//!            +------> WaitCtlConn ------------------------+
//!                                              SCCCN
//!
//!                   connection open            ICRP
//!            +------> WaitReply ---------------------------+
//!            |             | ICRQ, tie lost                v
//!          Idle            v                           Established
//!            |  ICRQ                                       ^
//!            +------> WaitConnect ------------------------+
//!                                              ICCN
//! ```
//!
//! Owns [`connection_step`] (§7.2) and [`call_step`] (§7.3.1 and §7.3.2 in one, because a session
//! that lost a tie goes from the first to the second). Whether a message is acceptable and who wins
//! a tie is judged before; a session that waits for its connection is Idle.

use core::fmt;

/// §7.2: how far a control connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionState {
    /// There is none.
    Idle,
    /// An SCCRQ was sent.
    WaitCtlReply,
    /// An SCCRP was sent.
    WaitCtlConn,
    /// It is there.
    Established,
}

/// What may happen to a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// Local open request.
    Open,
    /// An SCCRQ, acceptable, where no tie is or this end has lost it.
    Request,
    /// An SCCRQ that this end has won the tie against.
    RequestLost,
    /// An SCCRQ that is not acceptable, or came within a connection.
    RequestWrong,
    /// An SCCRP, acceptable.
    Reply,
    /// An SCCRP that is not.
    ReplyWrong,
    /// An SCCCN.
    Connected,
    /// A StopCCN.
    Stop,
    /// Administrative close.
    Close,
}

/// What is done then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionAct {
    /// Nothing.
    Nothing,
    /// Send an SCCRQ.
    SendRequest,
    /// Send an SCCRP; an own request is forgotten.
    SendReply,
    /// Send an SCCCN, and tell the sessions.
    SendConnected,
    /// Tell the sessions.
    Open,
    /// Send a StopCCN for the other's request.
    Reject,
    /// Send a StopCCN and clean up.
    SendStop,
    /// Clean up.
    CleanUp,
}

/// §7.2, a row an arm.
pub const fn connection_step(
    state: ConnectionState,
    event: ConnectionEvent,
) -> (ConnectionState, ConnectionAct) {
    use ConnectionAct as Act;
    use ConnectionEvent as E;
    use ConnectionState::{Established, Idle, WaitCtlConn, WaitCtlReply};
    match (state, event) {
        (Idle, E::Open) => (WaitCtlReply, Act::SendRequest),
        (Idle, E::Request) => (WaitCtlConn, Act::SendReply),
        (Idle, E::RequestWrong | E::RequestLost) => (Idle, Act::Reject),
        (Idle, E::Reply | E::ReplyWrong | E::Connected) => (Idle, Act::SendStop),
        (Idle, E::Stop | E::Close) => (Idle, Act::Nothing),
        (WaitCtlReply, E::Reply) => (Established, Act::SendConnected),
        (WaitCtlReply, E::ReplyWrong | E::RequestWrong | E::Connected) => (Idle, Act::SendStop),
        (WaitCtlReply, E::Request) => (WaitCtlConn, Act::SendReply),
        (WaitCtlReply, E::RequestLost) => (WaitCtlReply, Act::Reject),
        (WaitCtlConn, E::Connected) => (Established, Act::Open),
        (WaitCtlConn, E::Request | E::RequestLost | E::RequestWrong | E::Reply | E::ReplyWrong) => {
            (Idle, Act::SendStop)
        }
        (Established, E::Open) => (Established, Act::Open),
        (
            Established,
            E::Request | E::RequestLost | E::RequestWrong | E::Reply | E::ReplyWrong | E::Connected,
        ) => (Idle, Act::SendStop),
        (WaitCtlReply | WaitCtlConn, E::Open) => (state, Act::Nothing),
        (WaitCtlReply | WaitCtlConn | Established, E::Close) => (Idle, Act::SendStop),
        (WaitCtlReply | WaitCtlConn | Established, E::Stop) => (Idle, Act::CleanUp),
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "idle",
            Self::WaitCtlReply => "wait-ctl-reply",
            Self::WaitCtlConn => "wait-ctl-conn",
            Self::Established => "established",
        })
    }
}

/// §7.3: how far a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallState {
    /// It is not, or waits for its connection.
    #[default]
    Idle,
    /// An ICRQ was sent.
    WaitReply,
    /// An ICRP was sent.
    WaitConnect,
    /// It is there.
    Established,
}

/// What may happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// The connection is there.
    Open,
    /// An ICRQ, acceptable, where no tie is or this end has lost it.
    Request,
    /// An ICRQ that this end has won the tie against.
    RequestLost,
    /// An ICRQ that is not acceptable.
    RequestWrong,
    /// An ICRP, acceptable.
    Reply,
    /// An ICRP that is not.
    ReplyWrong,
    /// An ICCN, acceptable.
    Connected,
    /// An ICCN that is not.
    ConnectedWrong,
    /// A CDN.
    Disconnect,
    /// Local close request.
    Close,
}

/// What is done then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallAct {
    /// Nothing.
    Nothing,
    /// Send an ICRQ.
    SendRequest,
    /// Send an ICRP; an own request is forgotten.
    SendReply,
    /// Send an ICCN; frames go.
    SendConnected,
    /// Frames go.
    Open,
    /// Send a CDN for the other's request.
    Reject,
    /// Send a CDN and clean up.
    SendDisconnect,
    /// Clean up.
    CleanUp,
}

/// §7.3.1 and §7.3.2, a row an arm.
pub const fn call_step(state: CallState, event: CallEvent) -> (CallState, CallAct) {
    use CallAct as Act;
    use CallEvent as E;
    use CallState::{Established, Idle, WaitConnect, WaitReply};
    match (state, event) {
        (Idle, E::Open) => (WaitReply, Act::SendRequest),
        (Idle, E::Request) => (WaitConnect, Act::SendReply),
        (Idle, E::RequestWrong | E::RequestLost) => (Idle, Act::Reject),
        // §7.3.1 cleans up, §7.3.2 sends a CDN: the peer holds a session that is none.
        (Idle, E::Reply | E::ReplyWrong) => (Idle, Act::SendDisconnect),
        (Idle, E::Connected | E::ConnectedWrong | E::Disconnect | E::Close) => (Idle, Act::CleanUp),
        (WaitReply, E::Reply) => (Established, Act::SendConnected),
        (WaitReply, E::ReplyWrong | E::Close) => (Idle, Act::SendDisconnect),
        (WaitReply, E::Request) => (WaitConnect, Act::SendReply),
        (WaitReply, E::RequestLost | E::RequestWrong) => (WaitReply, Act::Reject),
        (WaitReply, E::Disconnect | E::Connected | E::ConnectedWrong) => (Idle, Act::CleanUp),
        (WaitConnect, E::Connected) => (Established, Act::Open),
        (
            WaitConnect,
            E::ConnectedWrong
            | E::Request
            | E::RequestLost
            | E::RequestWrong
            | E::Reply
            | E::ReplyWrong
            | E::Close,
        ) => (Idle, Act::SendDisconnect),
        (WaitConnect | Established, E::Disconnect) => (Idle, Act::CleanUp),
        (
            Established,
            E::Request
            | E::RequestLost
            | E::RequestWrong
            | E::Reply
            | E::ReplyWrong
            | E::Connected
            | E::ConnectedWrong
            | E::Close,
        ) => (Idle, Act::SendDisconnect),
        (WaitReply | WaitConnect | Established, E::Open) => (state, Act::Nothing),
    }
}

impl fmt::Display for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "idle",
            Self::WaitReply => "wait-reply",
            Self::WaitConnect => "wait-connect",
            Self::Established => "established",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §7.2: a row an event, a column a state.
    #[test]
    fn the_whole_table_of_connections() {
        use ConnectionAct::{
            CleanUp, Nothing, Open, Reject, SendConnected, SendReply, SendRequest, SendStop,
        };
        use ConnectionEvent as E;
        use ConnectionState::{
            Established as Up, Idle, WaitCtlConn as Conn, WaitCtlReply as Reply,
        };
        type Cell = (ConnectionState, ConnectionAct);
        let stop: Cell = (Idle, SendStop);
        let table: [(E, [Cell; 4]); 9] = [
            (E::Open, [(Reply, SendRequest), (Reply, Nothing), (Conn, Nothing), (Up, Open)]),
            (E::Request, [(Conn, SendReply), (Conn, SendReply), stop, stop]),
            (E::RequestLost, [(Idle, Reject), (Reply, Reject), stop, stop]),
            (E::RequestWrong, [(Idle, Reject), stop, stop, stop]),
            (E::Reply, [stop, (Up, SendConnected), stop, stop]),
            (E::ReplyWrong, [stop, stop, stop, stop]),
            (E::Connected, [stop, stop, (Up, Open), stop]),
            (E::Stop, [(Idle, Nothing), (Idle, CleanUp), (Idle, CleanUp), (Idle, CleanUp)]),
            (E::Close, [(Idle, Nothing), stop, stop, stop]),
        ];
        for (event, row) in table {
            for (state, expected) in [Idle, Reply, Conn, Up].into_iter().zip(row) {
                assert_eq!(connection_step(state, event), expected, "{event:?} in {state}");
            }
        }
    }

    /// §7.3.1 and §7.3.2: a row an event, a column a state.
    #[test]
    fn the_whole_table_of_sessions() {
        use CallAct::{
            CleanUp, Nothing, Open, Reject, SendConnected, SendDisconnect, SendReply, SendRequest,
        };
        use CallEvent as E;
        use CallState::{Established as Up, Idle, WaitConnect as Conn, WaitReply as Reply};
        type Cell = (CallState, CallAct);
        let (cdn, clean): (Cell, Cell) = ((Idle, SendDisconnect), (Idle, CleanUp));
        let table: [(E, [Cell; 4]); 10] = [
            (E::Open, [(Reply, SendRequest), (Reply, Nothing), (Conn, Nothing), (Up, Nothing)]),
            (E::Request, [(Conn, SendReply), (Conn, SendReply), cdn, cdn]),
            (E::RequestLost, [(Idle, Reject), (Reply, Reject), cdn, cdn]),
            (E::RequestWrong, [(Idle, Reject), (Reply, Reject), cdn, cdn]),
            (E::Reply, [cdn, (Up, SendConnected), cdn, cdn]),
            (E::ReplyWrong, [cdn, cdn, cdn, cdn]),
            (E::Connected, [clean, clean, (Up, Open), cdn]),
            (E::ConnectedWrong, [clean, clean, cdn, cdn]),
            (E::Disconnect, [clean, clean, clean, clean]),
            (E::Close, [clean, cdn, cdn, cdn]),
        ];
        for (event, row) in table {
            for (state, expected) in [Idle, Reply, Conn, Up].into_iter().zip(row) {
                assert_eq!(call_step(state, event), expected, "{event:?} in {state}");
            }
        }
    }
}
