//! What an L2TP peer shows of itself.

use super::action::{ConnectionEnd, PeerIdentity};
use super::connection::Phase;
use super::input::{Circuit, DataFormat, EndId};
use super::peer::Peer;
use super::state::{CallState, ConnectionState};
use crate::base::time::Instant;
use crate::wire::l2tp::{ConnectionId, PseudowireType, SessionId};

/// A peer, for `show l2tpv3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// How far its control connection is.
    pub state: ConnectionState,
    /// Since when.
    pub since: Option<Instant>,
    /// As the peer calls it.
    pub local: Option<ConnectionId>,
    /// As we call it towards the peer.
    pub remote: Option<ConnectionId>,
    /// Who the peer is, once it has said so.
    pub identity: Option<PeerIdentity>,
    /// Whether messages are authenticated.
    pub is_authenticated: bool,
    /// Why there is no connection, or was none before.
    pub last_end: Option<ConnectionEnd>,
    /// Its sessions, in the order of our ids.
    pub sessions: Vec<SessionView>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The circuit.
    pub end: EndId,
    /// What it carries.
    pub pseudowire: PseudowireType,
    /// How far it is.
    pub state: CallState,
    /// Since when.
    pub since: Instant,
    /// As the peer calls it.
    pub local: SessionId,
    /// As we call it towards the peer.
    pub remote: Option<SessionId>,
    /// How our circuit is.
    pub circuit: Circuit,
    /// Whether the peer's is active, where that is known.
    pub is_remote_active: Option<bool>,
    /// What messages to us come with.
    pub receive: DataFormat,
    /// What messages to the peer need, where that is known.
    pub transmit: Option<DataFormat>,
}

impl Peer {
    /// What it shows.
    pub fn view(&self) -> View {
        let live = self.connections.values().filter_map(|connection| match connection.phase {
            Phase::Live(state) => Some((state, connection)),
            Phase::Closing | Phase::Lingering => None,
        });
        let furthest = live.max_by_key(|(state, connection)| (*state, connection.since));
        let connection = furthest.map(|(_, connection)| connection);
        View {
            state: furthest.map_or(ConnectionState::Idle, |(state, _)| state),
            since: connection.map(|connection| connection.since),
            local: connection.map(|connection| connection.local),
            remote: connection.and_then(|connection| connection.remote),
            identity: connection.and_then(|connection| connection.identity.clone()),
            is_authenticated: connection
                .map_or(self.settings.authentication.is_some(), |c| c.authentication.is_some()),
            last_end: self.last_end.clone(),
            sessions: self.sessions.iter().map(SessionView::of).collect(),
        }
    }
}

impl SessionView {
    fn of(session: &super::session::Session) -> Self {
        let remote = session.remote;
        Self {
            end: session.settings.end.clone(),
            pseudowire: session.settings.pseudowire,
            state: session.state,
            since: session.since,
            local: session.settings.local,
            remote: remote.map(|remote| remote.id),
            circuit: session.settings.circuit,
            is_remote_active: remote.map(|remote| remote.circuit.is_active()),
            receive: session.settings.receive,
            transmit: remote.map(|remote| remote.format),
        }
    }
}
