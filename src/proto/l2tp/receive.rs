//! Control messages in: whose they are, whether they are due, and what they do to a connection.
//!
//! Owns the way of a message from its octets to the row of the table that it is; those about
//! sessions go on to [`super::calls`].
//!
//! *Invariants*: of a message nothing is used before its digest was right, but the ids that find
//! its connection. Each message that is not taken is counted once, with its reason.
//! *Standards*: RFC 3931 §4.2, §4.3, §5.2, §5.4.3 (ties), §7.1, §7.2. A request that is refused is
//! answered by one StopCCN that nobody remembers: whoever has not heard it asks again.

use super::action::ConnectionEnd;
use super::connection::{Connection, Decoded, Phase, Role, check_with};
use super::limits::CANDIDATES_MAX;
use super::peer::Peer;
use super::state::{ConnectionAct, ConnectionEvent, ConnectionState, connection_step};
use super::transport::{Order, Progress};
use crate::base::time::Instant;
use crate::wire::l2tp::avp::{AttributeType, RawAvps};
use crate::wire::l2tp::digest::nonce;
use crate::wire::l2tp::header::Version;
use crate::wire::l2tp::{
    ConnectionId, ControlFrame, ControlHeader, DigestError, DisconnectCode, Encoding, Fault,
    Message, MessageType, Nonces, Reason, Received, Refused, Signer, Start, Stop, StopCode, decode,
};

/// Who goes on where both ends have asked for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    Won,
    Lost,
    Equal,
}

/// §5.4.3 and §5.4.4: "The lower value wins"; who sends none loses.
pub(super) const fn break_tie(own: u64, other: Option<u64>) -> Tie {
    match other {
        None => Tie::Won,
        Some(other) if own < other => Tie::Won,
        Some(other) if own > other => Tie::Lost,
        Some(_) => Tie::Equal,
    }
}

impl Peer {
    /// A control message came.
    pub(super) fn receive(&mut self, now: Instant, octets: &[u8]) {
        let Ok(frame) = ControlFrame::read(octets) else {
            self.counters.malformed_header += 1;
            return;
        };
        if frame.header.connection.is_none() {
            return self.receive_without_connection(now, &frame);
        }
        match frame.header.connection.and_then(|id| self.connections.remove(&id)) {
            Some(connection) => self.receive_on(now, connection, &frame),
            None => self.counters.unknown_connection += 1,
        }
    }

    /// A message of an end that has no name for the connection: it asks for one, or ends one whose
    /// name never reached it.
    fn receive_without_connection(&mut self, now: Instant, frame: &ControlFrame<'_>) {
        match type_of(frame) {
            Some(MessageType::Sccrq) => self.receive_request(now, frame),
            Some(MessageType::StopCcn) if frame.version == Version::Three => {
                // "This policy allows the peer to try to identify the appropriate control
                // connection via a reverse lookup."
                let secret = self.settings.authentication.map(|own| own.secret);
                let remote = match decode(frame, secret.as_ref()) {
                    Ok(Received { message: Message::StopCcn(stop), .. }) => stop.connection,
                    _ => None,
                };
                let id = remote.and_then(|remote| self.of_remote(remote));
                match id.and_then(|id| self.connections.remove(&id)) {
                    Some(connection) => self.receive_on(now, connection, frame),
                    None => self.counters.unknown_connection += 1,
                }
            }
            _ => self.counters.unknown_connection += 1,
        }
    }

    /// The connection that the peer calls so.
    fn of_remote(&self, remote: ConnectionId) -> Option<ConnectionId> {
        let mut connections = self.connections.values();
        connections.find(|known| known.remote == Some(remote)).map(|known| known.local)
    }

    fn count_digest(&mut self, error: DigestError) {
        match error {
            DigestError::Missing => self.counters.digest_missing += 1,
            DigestError::Avp(_) | DigestError::Wrong => self.counters.digest_wrong += 1,
        }
    }

    /// An SCCRQ, the first one of its connection or the same once more.
    fn receive_request(&mut self, now: Instant, frame: &ControlFrame<'_>) {
        if !self.is_started {
            self.counters.not_started += 1;
            return;
        }
        let own = self.settings.authentication.as_ref();
        let secret = match check_with(own, frame, Nonces::default()) {
            Ok(secret) => secret,
            Err(error) => return self.count_digest(error),
        };
        let start = match decode(frame, secret.as_ref()) {
            Ok(Received { message: Message::Sccrq(start), ignored_avps }) => {
                self.counters.ignored_avps += u64::from(ignored_avps);
                start
            }
            Ok(_) => return,
            Err(refused) => {
                self.counters.malformed += 1;
                let reason = fault_reason(StopCode::GENERAL_ERROR, &refused.fault);
                if let Some(connection) = refused.connection {
                    self.reject(connection, nonce(frame).unwrap_or_default(), reason);
                }
                return;
            }
        };
        let known = self.of_remote(start.connection);
        if let Some(known) = known.and_then(|id| self.connections.get_mut(&id)) {
            self.counters.duplicate += 1;
            known.transport.must_acknowledge = true;
            return;
        }
        if frame.header.ns != 0 || frame.header.nr != 0 {
            self.counters.out_of_window += 1;
            return;
        }
        self.counters.received += 1;
        self.judge_request(now, start);
    }

    /// Whether a new request is taken (§7.2, idle and wait-ctl-reply).
    fn judge_request(&mut self, now: Instant, start: Start) {
        let is_authenticated = self.settings.authentication.is_some();
        if is_authenticated && start.nonce.as_ref().is_none_or(Vec::is_empty) {
            self.counters.nonce_missing += 1;
            return self.reject(start.connection, &[], Reason::new(StopCode::NOT_AUTHORIZED));
        }
        let waits = Phase::Live(ConnectionState::WaitCtlReply);
        let own = self.connections.values().find(|own| own.phase == waits);
        let own = own.map(|own| (own.local, own.tie_breaker));
        let tie = own.map(|(_, tie_breaker)| break_tie(tie_breaker, start.tie_breaker));
        let (state, event) = match tie {
            None => (ConnectionState::Idle, ConnectionEvent::Request),
            Some(Tie::Won) => {
                self.counters.ties_won += 1;
                (ConnectionState::WaitCtlReply, ConnectionEvent::RequestLost)
            }
            Some(Tie::Lost) => {
                self.counters.ties_lost += 1;
                (ConnectionState::WaitCtlReply, ConnectionEvent::Request)
            }
            // "both sides MUST discard their control connections and restart".
            Some(Tie::Equal) => {
                self.counters.ties_equal += 1;
                if let Some(own) = own.and_then(|(id, _)| self.connections.remove(&id)) {
                    self.tell_end(now, &own, ConnectionEnd::Tie);
                }
                return;
            }
        };
        match connection_step(state, event) {
            (_, ConnectionAct::SendReply) => {
                if let Some((id, _)) = own {
                    self.connections.remove(&id);
                }
                self.reply(now, start);
            }
            _ => {
                let nonce = start.nonce.unwrap_or_default();
                self.reject(start.connection, &nonce, Reason::new(StopCode::ALREADY_EXISTS));
            }
        }
    }

    /// Takes a request.
    fn reply(&mut self, now: Instant, start: Start) {
        let waits = Phase::Live(ConnectionState::WaitCtlConn);
        let candidates = self.connections.values().filter(|other| other.phase == waits);
        if candidates.clone().count() >= CANDIDATES_MAX {
            // The oldest one has waited longest for a peer that does not come back.
            let oldest = candidates.min_by_key(|other| other.since).map(|other| other.local);
            self.counters.no_room += 1;
            self.connections.retain(|id, _| Some(*id) != oldest);
        }
        self.make_room();
        let mut connection =
            Connection::new(now, Role::Responder, &self.settings, &mut self.entropy);
        connection.learn(start);
        connection.transport.accept();
        let reply = Message::Sccrp(connection.start(&self.settings));
        if connection.say(reply).is_ok() {
            self.connections.insert(connection.local, connection);
        }
    }

    /// Answers a request with one StopCCN.
    fn reject(&mut self, connection: ConnectionId, nonce: &[u8], reason: Reason<StopCode>) {
        let header = ControlHeader { connection: Some(connection), ns: 0, nr: 1 };
        let signer = self.settings.authentication.as_ref().map(|own| Signer {
            kind: own.digest,
            secret: &own.secret,
            nonces: Nonces { sender: &[], receiver: nonce },
        });
        let stop = Message::StopCcn(Stop { reason, connection: None });
        let octets = stop.encode(&header, &Encoding { signer, hiding: None });
        self.counters.sent += 1;
        self.actions.push_back(super::action::Action::Send { octets });
    }

    /// A message on a connection.
    fn receive_on(&mut self, now: Instant, mut connection: Connection, frame: &ControlFrame<'_>) {
        let id = connection.local;
        if frame.version != Version::Three {
            self.counters.wrong_version += 1;
            self.connections.insert(id, connection);
            return;
        }
        let decoded = match connection.check(frame) {
            Ok(secret) => decode(frame, secret.as_ref()),
            Err(error) => {
                self.count_digest(error);
                self.connections.insert(id, connection);
                return;
            }
        };
        match connection.transport.acknowledge(frame.header.nr) {
            Ok(Progress::Some) => {
                connection.timers.clear(super::connection::Timer::Retransmit);
            }
            Ok(Progress::None) => {}
            Err(_) => {
                self.counters.nr_wrong += 1;
                self.connections.insert(id, connection);
                return;
            }
        }
        connection.heard(now, &self.settings, &mut self.prng);
        let is_acknowledgement =
            decoded.as_ref().is_ok_and(|received| received.message.is_acknowledgement());
        if is_acknowledgement {
            self.counters.received += 1;
            self.connections.insert(id, connection);
            return;
        }
        let (ns, mut is_due) = (frame.header.ns, false);
        match connection.transport.order_of(ns) {
            Order::Due => {
                self.counters.received += 1;
                connection.early.insert(ns, decoded);
                is_due = true;
            }
            Order::Old => {
                // "receipt of duplicate messages MUST be acknowledged".
                self.counters.duplicate += 1;
                connection.transport.must_acknowledge = true;
            }
            // "Messages arriving out-of-order may be queued for in-order delivery".
            Order::Early if connection.early.contains_key(&ns) => self.counters.duplicate += 1,
            Order::Early => {
                self.counters.received += 1;
                self.counters.out_of_order += 1;
                connection.early.insert(ns, decoded);
            }
            Order::Beyond => self.counters.out_of_window += 1,
        }
        self.connections.insert(id, connection);
        if is_due {
            self.take_due(now, id);
        }
    }

    /// Takes what is due, and what waited for it.
    fn take_due(&mut self, now: Instant, id: ConnectionId) {
        while let Some(connection) = self.connections.get_mut(&id) {
            let due = connection.transport.expected();
            let Some(decoded) = connection.early.remove(&due) else { return };
            connection.transport.accept();
            if let Some(connection) = self.connections.remove(&id) {
                self.take(now, connection, decoded);
            }
        }
    }

    /// Takes a message that was due.
    fn take(&mut self, now: Instant, mut connection: Connection, decoded: Decoded) {
        let state = match connection.phase {
            Phase::Live(state) => state,
            // Only its end matters any more.
            Phase::Closing | Phase::Lingering => {
                match decoded.map(|received| received.message) {
                    Ok(Message::StopCcn(stop)) => {
                        return self.linger(now, connection, ConnectionEnd::Remote(stop.reason));
                    }
                    // Our StopCCN goes to where the peer has just said.
                    Ok(Message::Sccrp(start)) if connection.remote.is_none() => {
                        connection.learn(start);
                    }
                    _ => {}
                }
                self.connections.insert(connection.local, connection);
                return;
            }
        };
        match decoded {
            Ok(received) => {
                self.counters.ignored_avps += u64::from(received.ignored_avps);
                self.take_message(now, connection, state, received.message);
            }
            Err(refused) => self.take_fault(now, connection, &refused),
        }
    }

    fn take_message(
        &mut self,
        now: Instant,
        mut connection: Connection,
        state: ConnectionState,
        message: Message,
    ) {
        let mut code = StopCode::STATE_MACHINE;
        let event = match message {
            Message::Sccrp(start) if self.is_acceptable(&connection, &start) => {
                if state == ConnectionState::WaitCtlReply {
                    connection.learn(start);
                }
                ConnectionEvent::Reply
            }
            Message::Sccrp(_) => {
                code = StopCode::NOT_AUTHORIZED;
                ConnectionEvent::ReplyWrong
            }
            Message::Scccn => ConnectionEvent::Connected,
            Message::Sccrq(_) => ConnectionEvent::RequestWrong,
            Message::StopCcn(stop) => {
                let end = ConnectionEnd::Remote(stop.reason);
                if let (_, ConnectionAct::CleanUp) = connection_step(state, ConnectionEvent::Stop) {
                    self.linger(now, connection, end);
                }
                return;
            }
            Message::Hello | Message::Ack | Message::ZeroLengthBody => {
                self.connections.insert(connection.local, connection);
                return;
            }
            call if state == ConnectionState::Established => {
                self.connections.insert(connection.local, connection);
                return self.take_call(now, call);
            }
            // §7.1: "a control message that is received in the wrong state".
            _ => ConnectionEvent::ReplyWrong,
        };
        let (_, act) = connection_step(state, event);
        match act {
            ConnectionAct::SendConnected => {
                // It goes where the SCCRQ was, which the SCCRP has acknowledged.
                let _ = connection.say(Message::Scccn);
                self.establish(now, connection);
            }
            ConnectionAct::Open => self.establish(now, connection),
            ConnectionAct::SendStop => {
                self.counters.wrong_state += u64::from(code == StopCode::STATE_MACHINE);
                let reason = Reason::new(code);
                self.close(now, connection, reason.clone(), ConnectionEnd::Local(reason));
            }
            ConnectionAct::Nothing
            | ConnectionAct::SendRequest
            | ConnectionAct::SendReply
            | ConnectionAct::Reject
            | ConnectionAct::CleanUp => {
                self.connections.insert(connection.local, connection);
            }
        }
    }

    /// Whether an SCCRP is acceptable: it is authentic, and no echo of what we said.
    fn is_acceptable(&mut self, connection: &Connection, start: &Start) -> bool {
        let nonce = start.nonce.as_deref().unwrap_or_default();
        let is_echo = nonce == connection.own_nonce.as_slice();
        let is_acceptable = connection.authentication.is_none() || !(nonce.is_empty() || is_echo);
        self.counters.nonce_missing += u64::from(!is_acceptable);
        is_acceptable
    }

    /// §5.2 and §7.1: a message that cannot be read ends what it is about.
    fn take_fault(&mut self, now: Instant, connection: Connection, refused: &Refused) {
        if refused.fault == Fault::UnknownOptionalType {
            self.counters.unknown_type += 1;
            self.connections.insert(connection.local, connection);
            return;
        }
        self.counters.malformed += 1;
        let of_session = refused.kind.filter(|kind| kind.is_of_session());
        if let (Some(kind), true) = (of_session, connection.is_established()) {
            self.connections.insert(connection.local, connection);
            let reason = fault_reason(DisconnectCode::GENERAL_ERROR, &refused.fault);
            return self.take_faulty_call(now, kind, refused.ids, reason);
        }
        let reason = fault_reason(StopCode::GENERAL_ERROR, &refused.fault);
        self.close(now, connection, reason.clone(), ConnectionEnd::Local(reason));
    }
}

/// What the other end is told of a fault. "The Error Message SHOULD contain the attribute of the
/// offending AVP in (human-readable) text form."
fn fault_reason<C>(code: C, fault: &Fault) -> Reason<C> {
    Reason::with_error(code, fault.error_code(), &fault.to_string())
}

/// What a message says that it is.
fn type_of(frame: &ControlFrame<'_>) -> Option<MessageType> {
    let first = RawAvps::new(frame.body).next()?.ok()?;
    let &[high, low] = first.value else { return None };
    let number = u16::from_be_bytes([high, low]);
    let known = MessageType::ALL.into_iter().find(|kind| kind.number() == number);
    known.filter(|_| first.is(AttributeType::MESSAGE_TYPE))
}
