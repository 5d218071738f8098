//! Sessions: what is asked for, what the peer asks for, and how each ends.
//!
//! Owns everything that [`Peer`] does about sessions: inputs of the owner, messages of the peer,
//! and times. The table is [`super::state::call_step`].
//!
//! *Invariants*: a session is told up once its both halves are known, and down once after that;
//! what the peer was told of a circuit is what it is, as soon as the session is established.
//! *Standards*: RFC 3931 §3.4, §5.4.4 (ids, cookies, ties, sequencing), §5.4.5 (circuit status),
//! §7.3; RFC 4719 §2.2 (an Ethernet pseudowire is a session for the circuit of the Remote End ID),
//! §2.3 (its status). A session that lost a tie keeps its id; the CDN that ends the lost request is
//! known by its code.

use super::action::{Action, SessionEnd, SessionUp};
use super::input::{Circuit, DataFormat, EndId, Initiative, SessionSettings};
use super::limits::{CALL_TIME_MAX, CALLS_PENDING_MAX, SESSIONS_MAX};
use super::peer::{Peer, Timer};
use super::receive::{Tie, break_tie};
use super::session::{Remote, Session};
use super::state::{CallAct, CallEvent, CallState, call_step};
use crate::base::time::Instant;
use crate::wire::l2tp::{
    CallConnected, CallIds, CallReply, CallRequest, Disconnect, DisconnectCode, ErrorCode,
    LinkInfo, Message, MessageType, Reason, SessionId, Sublayer,
};

impl Peer {
    /// There shall be a session.
    pub(super) fn provision(&mut self, now: Instant, mut settings: SessionSettings) {
        if !settings.receive.is_consistent() {
            settings.receive.sublayer = Sublayer::Default;
        }
        let before = self.sessions.of_end(&settings.end);
        let same = self.sessions.get(settings.local).map(|same| same.settings.local);
        for local in before.into_iter().chain(same) {
            self.take_away(now, local);
        }
        if self.sessions.len() >= SESSIONS_MAX {
            self.counters.no_room += 1;
            return;
        }
        let local = settings.local;
        let is_active = settings.initiative == Initiative::Active;
        self.sessions.insert(Session::new(now, settings));
        if is_active && self.current.is_some() {
            self.sessions.make_ready(local);
        }
    }

    /// There shall be no session for a circuit.
    pub(super) fn withdraw(&mut self, now: Instant, end: &EndId) {
        if let Some(local) = self.sessions.of_end(end) {
            self.take_away(now, local);
        }
    }

    fn take_away(&mut self, now: Instant, local: SessionId) {
        let Some(session) = self.sessions.get(local) else { return };
        let (_, act) = call_step(session.state, CallEvent::Close);
        let tell =
            (act == CallAct::SendDisconnect).then(|| Reason::new(DisconnectCode::ADMINISTRATIVE));
        self.end_call(now, local, SessionEnd::Removed, tell);
        self.timers.clear(Timer::Retry(local));
        self.sessions.remove(local);
    }

    /// The circuit behind a session has changed.
    pub(super) fn change_circuit(&mut self, end: &EndId, circuit: Circuit) {
        let Some(local) = self.sessions.of_end(end) else { return };
        if let Some(session) = self.sessions.get_mut(local) {
            session.settings.circuit = circuit;
        }
        self.tell_circuit(local);
    }

    /// §6.14: the peer hears of the circuit, where it does not know it so.
    fn tell_circuit(&mut self, local: SessionId) {
        let Some(session) = self.sessions.get_mut(local) else { return };
        let status = session.circuit_status();
        let is_known = session.told.is_active() == status.is_active();
        if session.state != CallState::Established || is_known {
            return;
        }
        session.told = status;
        let info = LinkInfo { local, remote: session.ids().remote, circuit: Some(status) };
        self.outgoing.push_back(Message::Sli(info));
    }

    /// A connection is there: every session is asked for.
    pub(super) fn ready_all(&mut self) {
        for local in self.sessions.ids() {
            self.timers.clear(Timer::Retry(local));
            let session = self.sessions.get_mut(local);
            let Some(session) = session else { continue };
            session.failures = 0;
            if session.settings.initiative == Initiative::Active {
                self.sessions.make_ready(local);
            }
        }
    }

    /// Asks for as many sessions as may be asked for at once.
    pub(super) fn open_calls(&mut self, now: Instant) {
        while let Some(current) = self.current {
            if self.sessions.pending() >= CALLS_PENDING_MAX {
                return;
            }
            let Some(local) = self.sessions.take_ready() else { return };
            let Some(session) = self.sessions.get_mut(local) else { continue };
            let (next, act) = call_step(session.state, CallEvent::Open);
            if act != CallAct::SendRequest {
                continue;
            }
            // "A peer MUST NOT request an incoming or outgoing call with a PW Type AVP specifying a
            // value not advertised in the PW Capabilities List AVP".
            let kind = session.settings.pseudowire;
            let connection = self.connections.get(&current);
            if !connection.is_some_and(|connection| connection.capabilities.contains(&kind)) {
                let end = session.settings.end.clone();
                self.counters.sessions_failed += 1;
                let reason = SessionEnd::Capability(kind);
                self.actions.push_back(Action::SessionDown { end, reason });
                continue;
            }
            self.serial = self.serial.wrapping_add(1);
            session.tie_breaker = self.entropy.number();
            session.told = session.circuit_status();
            let request = CallRequest {
                local,
                serial: self.serial,
                pseudowire: kind,
                remote_end: session.settings.end.as_slice().to_vec(),
                circuit: session.told,
                cookie: session.settings.receive.cookie,
                tie_breaker: Some(session.tie_breaker),
                sublayer: session.settings.receive.sublayer,
                sequencing: session.settings.receive.sequencing,
            };
            self.outgoing.push_back(Message::Icrq(request));
            self.sessions.enter(local, next, now);
            self.timers.set(Timer::Call(local), now + CALL_TIME_MAX);
        }
    }

    /// A session was not established in time.
    pub(super) fn call_timed_out(&mut self, now: Instant, local: SessionId) {
        let tell = Some(Reason::new(DisconnectCode::STATE_MACHINE));
        self.end_call(now, local, SessionEnd::Timeout, tell);
    }

    /// The connection is gone, and with it every session.
    pub(super) fn end_all_calls(&mut self, now: Instant, end: &SessionEnd) {
        for local in self.sessions.ids() {
            self.timers.clear(Timer::Retry(local));
            self.end_call(now, local, end.clone(), None);
        }
        self.sessions.forget_ready();
    }

    /// A session ends; the peer is told where there is something to tell.
    fn end_call(
        &mut self,
        now: Instant,
        local: SessionId,
        reason: SessionEnd,
        tell: Option<Reason<DisconnectCode>>,
    ) {
        self.sessions.make_unready(local);
        let Some(session) = self.sessions.get_mut(local) else { return };
        if session.state == CallState::Idle {
            return;
        }
        let was_up = session.state == CallState::Established;
        let (ids, end) = (session.ids(), session.settings.end.clone());
        let is_active = session.settings.initiative == Initiative::Active;
        let failures = session.failures;
        session.failures = failures.saturating_add(1);
        match was_up {
            true => self.counters.sessions_lost += 1,
            false => self.counters.sessions_failed += 1,
        }
        if let Some(reason) = tell {
            self.outgoing.push_back(Message::Cdn(Disconnect { ids, reason }));
        }
        self.sessions.enter(local, CallState::Idle, now);
        self.timers.clear(Timer::Call(local));
        self.actions.push_back(Action::SessionDown { end, reason });
        if is_active && self.current.is_some() {
            let wait = self.wait_after(failures);
            self.timers.set(Timer::Retry(local), now + wait);
        }
    }

    /// A message about a session, on the connection in use.
    pub(super) fn take_call(&mut self, now: Instant, message: Message) {
        match message {
            Message::Icrq(request) => self.take_request(now, &request),
            Message::Icrp(reply) => self.take_reply(now, &reply),
            Message::Iccn(connected) => self.take_connected(now, &connected),
            Message::Cdn(disconnect) => self.take_disconnect(now, disconnect),
            Message::Sli(info) => self.take_link_info(&info),
            Message::Foreign { kind, ids } => {
                self.counters.unsupported += 1;
                if kind == MessageType::Ocrq {
                    let reason = Reason::new(DisconnectCode::NO_FACILITIES_PERMANENT);
                    self.refuse_call(ids.local, ids.local, reason);
                }
            }
            // The others are about connections.
            _ => self.counters.wrong_state += 1,
        }
    }

    /// Tells the peer that a session of its own is none. There may be no id of ours to say: the RFC
    /// wants one that is not zero, and nobody looks at it.
    fn refuse_call(
        &mut self,
        own: Option<SessionId>,
        theirs: Option<SessionId>,
        reason: Reason<DisconnectCode>,
    ) {
        let ids = CallIds { local: own.or(theirs), remote: theirs };
        self.outgoing.push_back(Message::Cdn(Disconnect { ids, reason }));
    }

    /// A message about a session cannot be read.
    pub(super) fn take_faulty_call(
        &mut self,
        now: Instant,
        kind: MessageType,
        ids: CallIds,
        reason: Reason<DisconnectCode>,
    ) {
        match self.sessions.find(ids) {
            Some(local) if kind != MessageType::Icrq => {
                self.end_call(now, local, SessionEnd::Local(reason.clone()), Some(reason));
            }
            // A CDN ends what there is no more; it is never answered by one.
            _ if kind == MessageType::Cdn => self.counters.unknown_session += 1,
            _ => self.refuse_call(ids.remote, ids.local, reason),
        }
    }

    /// An ICRQ (§7.3.2, and §7.3.1 wait-reply for ties).
    fn take_request(&mut self, now: Instant, request: &CallRequest) {
        let theirs = Some(request.local);
        let end = EndId::new(&request.remote_end);
        let Some(local) = end.and_then(|end| self.sessions.of_end(&end)) else {
            self.counters.unknown_circuit += 1;
            let reason = Reason::new(DisconnectCode::NO_FACILITIES_TEMPORARY);
            return self.refuse_call(None, theirs, reason);
        };
        let Some(session) = self.sessions.get(local) else { return };
        let state = session.state;
        let is_collision =
            self.sessions.of_remote(request.local).is_some_and(|other| other != local);
        let wrong = if is_collision {
            self.counters.session_id_collision += 1;
            Some(Reason::with_error(DisconnectCode::GENERAL_ERROR, ErrorCode::SESSION, "collision"))
        } else if request.pseudowire != session.settings.pseudowire {
            Some(Reason::new(DisconnectCode::PSEUDOWIRE_TYPE))
        } else {
            sequencing_fault(&format_of(request))
        };
        let tie = (state == CallState::WaitReply && wrong.is_none())
            .then(|| break_tie(session.tie_breaker, request.tie_breaker));
        let (event, reason) = match (wrong, tie) {
            (Some(reason), _) => (CallEvent::RequestWrong, reason),
            (None, None | Some(Tie::Lost)) => {
                (CallEvent::Request, Reason::new(DisconnectCode::STATE_MACHINE))
            }
            (None, Some(Tie::Won)) => {
                self.counters.ties_won += 1;
                (CallEvent::RequestLost, Reason::new(DisconnectCode::LOST_TIE))
            }
            (None, Some(Tie::Equal)) => {
                // "both sides MUST discard their sessions and restart session negotiation with new
                // random tie breaker values".
                self.counters.ties_equal += 1;
                return self.end_call(now, local, SessionEnd::Tie, None);
            }
        };
        let (next, act) = call_step(state, event);
        match act {
            CallAct::SendReply => self.reply_call(now, local, request, next),
            CallAct::SendDisconnect => {
                self.counters.wrong_state += 1;
                let end = SessionEnd::Local(reason.clone());
                self.end_call(now, local, end, Some(reason.clone()));
                self.refuse_call(Some(local), theirs, reason);
            }
            _ => self.refuse_call(Some(local), theirs, reason),
        }
    }

    /// Takes a request.
    fn reply_call(
        &mut self,
        now: Instant,
        local: SessionId,
        request: &CallRequest,
        next: CallState,
    ) {
        let Some(session) = self.sessions.get_mut(local) else { return };
        if session.state == CallState::WaitReply {
            self.counters.ties_lost += 1;
            session.has_lost_tie = true;
        }
        session.told = session.circuit_status();
        let reply = CallReply {
            local,
            remote: Some(request.local),
            circuit: session.told,
            cookie: session.settings.receive.cookie,
            sublayer: session.settings.receive.sublayer,
            sequencing: session.settings.receive.sequencing,
        };
        let format = format_of(request);
        self.sessions.learn(local, Remote { id: request.local, format, circuit: request.circuit });
        self.sessions.make_unready(local);
        self.sessions.enter(local, next, now);
        self.timers.clear(Timer::Retry(local));
        self.timers.set(Timer::Call(local), now + CALL_TIME_MAX);
        self.outgoing.push_back(Message::Icrp(reply));
    }

    /// An ICRP (§7.3.1).
    fn take_reply(&mut self, now: Instant, reply: &CallReply) {
        let ids = CallIds { local: Some(reply.local), remote: reply.remote };
        let Some(local) = self.sessions.find(ids) else {
            // §7.3.2, idle: the peer holds a session that is none.
            self.counters.unknown_session += 1;
            let code = DisconnectCode::GENERAL_ERROR;
            let reason = Reason::with_error(code, ErrorCode::SESSION, "");
            return self.refuse_call(reply.remote, ids.local, reason);
        };
        let Some(session) = self.sessions.get(local) else { return };
        let state = session.state;
        let format = DataFormat {
            cookie: reply.cookie,
            sublayer: reply.sublayer,
            sequencing: reply.sequencing,
        };
        let is_collision = self.sessions.of_remote(reply.local).is_some_and(|other| other != local);
        let wrong = if is_collision {
            self.counters.session_id_collision += 1;
            Some(Reason::with_error(DisconnectCode::GENERAL_ERROR, ErrorCode::SESSION, "collision"))
        } else {
            sequencing_fault(&format)
        };
        let event = if wrong.is_some() { CallEvent::ReplyWrong } else { CallEvent::Reply };
        let (next, act) = call_step(state, event);
        if act != CallAct::SendConnected {
            self.counters.wrong_state += u64::from(wrong.is_none());
            let reason = wrong.unwrap_or(Reason::new(DisconnectCode::STATE_MACHINE));
            if state == CallState::Idle || state == CallState::WaitReply {
                // The peer knows which one is meant by its own id only.
                self.refuse_call(Some(local), ids.local, reason.clone());
                return self.end_call(now, local, SessionEnd::Local(reason), None);
            }
            return self.end_call(now, local, SessionEnd::Local(reason.clone()), Some(reason));
        }
        let remote = Remote { id: reply.local, format, circuit: reply.circuit };
        self.sessions.learn(local, remote);
        let Some(session) = self.sessions.get_mut(local) else { return };
        let status = session.circuit_status();
        let has_changed = session.told.is_active() != status.is_active();
        session.told = status;
        let connected = CallConnected {
            local,
            remote: Some(reply.local),
            circuit: has_changed.then_some(status),
            sublayer: None,
            sequencing: None,
        };
        self.outgoing.push_back(Message::Iccn(connected));
        self.call_up(now, local, next);
    }

    /// An ICCN (§7.3.2).
    fn take_connected(&mut self, now: Instant, connected: &CallConnected) {
        let ids = CallIds { local: Some(connected.local), remote: connected.remote };
        let Some(local) = self.sessions.find(ids) else {
            self.counters.unknown_session += 1;
            return;
        };
        let Some(session) = self.sessions.get_mut(local) else { return };
        let state = session.state;
        let mut wrong = None;
        if let Some(remote) = &mut session.remote {
            let format = DataFormat {
                sublayer: connected.sublayer.unwrap_or(remote.format.sublayer),
                sequencing: connected.sequencing.unwrap_or(remote.format.sequencing),
                ..remote.format
            };
            wrong = sequencing_fault(&format);
            if state == CallState::WaitConnect && wrong.is_none() {
                remote.format = format;
                remote.circuit = connected.circuit.unwrap_or(remote.circuit);
            }
        }
        let event = match wrong {
            Some(_) => CallEvent::ConnectedWrong,
            None => CallEvent::Connected,
        };
        match call_step(state, event) {
            (next, CallAct::Open) => {
                self.call_up(now, local, next);
                self.tell_circuit(local);
            }
            (_, CallAct::CleanUp) => {
                self.counters.wrong_state += 1;
                let reason = Reason::new(DisconnectCode::STATE_MACHINE);
                self.end_call(now, local, SessionEnd::Local(reason), None);
            }
            _ => {
                self.counters.wrong_state += u64::from(wrong.is_none());
                let reason = wrong.unwrap_or(Reason::new(DisconnectCode::STATE_MACHINE));
                self.end_call(now, local, SessionEnd::Local(reason.clone()), Some(reason));
            }
        }
    }

    /// Frames go.
    fn call_up(&mut self, now: Instant, local: SessionId, state: CallState) {
        self.sessions.enter(local, state, now);
        self.timers.clear(Timer::Call(local));
        let Some(session) = self.sessions.get(local) else { return };
        let Some(remote) = session.remote else { return };
        self.counters.sessions += 1;
        let up = SessionUp {
            end: session.settings.end.clone(),
            pseudowire: session.settings.pseudowire,
            local,
            remote: remote.id,
            receive: session.settings.receive,
            transmit: remote.format,
            is_remote_active: remote.circuit.is_active(),
        };
        self.actions.push_back(Action::SessionUp(Box::new(up)));
    }

    /// A CDN. "The peer MUST clean up any resources".
    fn take_disconnect(&mut self, now: Instant, disconnect: Disconnect) {
        let Some(local) = self.sessions.find(disconnect.ids) else {
            self.counters.unknown_session += 1;
            return;
        };
        if let Some(session) = self.sessions.get_mut(local)
            && session.has_lost_tie
            && disconnect.reason.code == DisconnectCode::LOST_TIE
        {
            // It ends the request that lost, of which nothing is left; what won goes on.
            session.has_lost_tie = false;
            return;
        }
        self.end_call(now, local, SessionEnd::Remote(disconnect.reason), None);
    }

    /// An SLI (§5.4.5).
    fn take_link_info(&mut self, info: &LinkInfo) {
        let ids = CallIds { local: Some(info.local), remote: info.remote };
        let session = self.sessions.find(ids).and_then(|local| self.sessions.get_mut(local));
        let Some((session, Some(circuit))) = session.map(|session| (session, info.circuit)) else {
            self.counters.unknown_session += u64::from(info.circuit.is_some());
            return;
        };
        let state = session.state;
        let Some(remote) = &mut session.remote else {
            self.counters.wrong_state += 1;
            return;
        };
        let has_changed = remote.circuit.is_active() != circuit.is_active();
        remote.circuit = circuit;
        if has_changed && state == CallState::Established {
            let end = session.settings.end.clone();
            let is_remote_active = circuit.is_active();
            self.actions.push_back(Action::SessionChanged { end, is_remote_active });
        }
    }
}

fn format_of(request: &CallRequest) -> DataFormat {
    DataFormat {
        cookie: request.cookie,
        sublayer: request.sublayer,
        sequencing: request.sequencing,
    }
}

/// "If sequencing is requested without requesting a L2-Specific Sublayer AVP, the session MUST be
/// disconnected with a Result Code of 15".
fn sequencing_fault(format: &DataFormat) -> Option<Reason<DisconnectCode>> {
    let reason = Reason::new(DisconnectCode::SEQUENCING_WITHOUT_SUBLAYER);
    (!format.is_consistent()).then_some(reason)
}
