//! One L2TP peer: its control connections and its sessions.
//!
//! Owns [`Peer`], one for each remote address, owned by the control plane: when a connection is
//! asked for, which one is in use, how one ends, and the machine's four calls. Messages of the peer
//! go through `receive`, those about sessions on to `calls`.
//!
//! *Invariants*: at most one connection is established, and sessions are on it; the newer one of
//! two holds. After an input everything that may be sent is among the actions. Every connection
//! ends: by an acknowledgement, by silence, or by a timer.
//! *Standards*: RFC 3931 §3.3, §5.4.3, §7.2, §7.5. Deviations: messages for a connection that there
//! is not are counted and not answered, because nothing proves who sent them. The RFC allows
//! several connections with one peer; here a second one means that the peer was started again, and
//! takes the place of the first when it is established, which a peer with another secret never gets
//! to.
//! Gap: RFC 3931 §5.4.2: "try another" (error codes 7 and 9) is shown and not followed.
//! Gap: RFC 4951: no failover; a control plane that starts again makes connections anew.

use super::action::{Action, ConnectionEnd, SessionEnd};
use super::connection::{Connection, Phase, Role, Timer as ConnectionTimer};
use super::counters::Counters;
use super::entropy::{Entropy, KEY_OCTETS};
use super::input::{Initiative, Input, Settings};
use super::limits::{
    CONNECTIONS_MAX, LINGER_TIME, RETRY_JITTER_PERCENT, RETRY_TIME_MAX, RETRY_TIME_MIN,
};
use super::session::Sessions;
use super::state::{ConnectionAct, ConnectionEvent, ConnectionState, connection_step};
use super::transport::Verdict;
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::base::timers::TimerTable;
use crate::wire::l2tp::{ConnectionId, Message, Reason, SessionId, Stop, StopCode};
use std::collections::{BTreeMap, VecDeque};

/// What a peer's machine waits for, beside its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A connection is asked for.
    Open,
    /// A session is established.
    Call(SessionId),
    /// A session is asked for once more.
    Retry(SessionId),
}

/// One peer.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(super) settings: Settings,
    pub(super) is_started: bool,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    /// The one that is established.
    pub(super) current: Option<ConnectionId>,
    pub(super) sessions: Sessions,
    pub(super) timers: TimerTable<Timer>,
    /// Messages about sessions, for the connection in use.
    pub(super) outgoing: VecDeque<Message>,
    pub(super) actions: VecDeque<Action>,
    pub(super) counters: Counters,
    pub(super) entropy: Entropy,
    pub(super) prng: Prng,
    /// Serial Number of the last ICRQ.
    pub(super) serial: u32,
    /// Failed tries since a connection was established last.
    failures: u32,
    pub(super) last_end: Option<ConnectionEnd>,
}

impl Peer {
    /// A peer that is not started. `key` is random, from the operating system, and never used for
    /// another peer or a second time; `seed` starts the jitter.
    pub fn new(settings: Settings, key: [u8; KEY_OCTETS], seed: u64) -> Self {
        Self {
            settings: settings.bounded(),
            is_started: false,
            connections: BTreeMap::new(),
            current: None,
            sessions: Sessions::default(),
            timers: TimerTable::default(),
            outgoing: VecDeque::new(),
            actions: VecDeque::new(),
            counters: Counters::default(),
            entropy: Entropy::new(key),
            prng: Prng::new(seed),
            serial: 0,
            failures: 0,
            last_end: None,
        }
    }

    /// What it counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Asks for a connection, unless there is one or one is being made.
    fn open(&mut self, now: Instant) {
        let is_wanted = self.is_started && self.settings.initiative == Initiative::Active;
        let is_busy =
            self.current.is_some() || self.connections.values().any(Connection::is_being_set_up);
        if !is_wanted || is_busy {
            return;
        }
        self.make_room();
        let mut connection =
            Connection::new(now, Role::Initiator, &self.settings, &mut self.entropy);
        let start = connection.start(&self.settings);
        if connection.say(Message::Sccrq(start)).is_ok() {
            self.connections.insert(connection.local, connection);
        }
    }

    /// Asks for a connection after a while, a longer one each time.
    pub(super) fn open_later(&mut self, now: Instant) {
        if !self.is_started || self.current.is_some() {
            return;
        }
        let wait = self.wait_after(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.timers.set_if_idle(Timer::Open, now + wait);
    }

    /// How long to wait after so many failures.
    pub(super) fn wait_after(&mut self, failures: u32) -> Duration {
        let most = RETRY_TIME_MIN.saturating_mul(1 << failures.min(16)).min(RETRY_TIME_MAX);
        self.prng.between(most * (100 - RETRY_JITTER_PERCENT) / 100, most)
    }

    /// Forgets a connection where there are too many: one that has ended before one that begins.
    pub(super) fn make_room(&mut self) {
        while self.connections.len() >= CONNECTIONS_MAX {
            let rank = |connection: &Connection| match connection.phase {
                Phase::Lingering => 0,
                Phase::Closing => 1,
                Phase::Live(ConnectionState::Established) => 3,
                Phase::Live(_) => 2,
            };
            let oldest = self.connections.values().min_by_key(|c| (rank(c), c.since));
            let Some(oldest) = oldest.map(|connection| connection.local) else { return };
            self.counters.no_room += 1;
            self.connections.remove(&oldest);
        }
    }

    /// A connection is there: it takes the place of any other, and sessions are asked for.
    pub(super) fn establish(&mut self, now: Instant, mut connection: Connection) {
        connection.phase = Phase::Live(ConnectionState::Established);
        connection.since = now;
        connection.timers.clear(ConnectionTimer::Setup);
        connection.heard(now, &self.settings, &mut self.prng);
        let rivals: Vec<ConnectionId> = self
            .connections
            .values()
            .filter(|rival| rival.is_established() || rival.role == Role::Initiator)
            .filter(|rival| matches!(rival.phase, Phase::Live(_)))
            .map(|rival| rival.local)
            .collect();
        for rival in rivals {
            if let Some(rival) = self.connections.remove(&rival) {
                let reason = Reason::new(StopCode::ALREADY_EXISTS);
                self.close(now, rival, reason, ConnectionEnd::Replaced);
            }
        }
        self.current = Some(connection.local);
        self.counters.connections += 1;
        self.failures = 0;
        self.last_end = None;
        self.timers.clear(Timer::Open);
        if let Some(identity) = connection.identity.clone() {
            self.actions.push_back(Action::ConnectionUp(identity));
        }
        self.connections.insert(connection.local, connection);
        self.ready_all();
    }

    /// Ends a connection with a StopCCN, which is repeated until it is acknowledged (§7.5).
    pub(super) fn close(
        &mut self,
        now: Instant,
        mut connection: Connection,
        reason: Reason<StopCode>,
        end: ConnectionEnd,
    ) {
        self.tell_end(now, &connection, end);
        connection.phase = Phase::Closing;
        connection.since = now;
        connection.timers.clear(ConnectionTimer::Hello);
        connection.timers.clear(ConnectionTimer::Setup);
        connection.transport.forget_unsent();
        // "the Assigned Control Connection ID MUST be present if the StopCCN is sent after an SCCRQ
        // or SCCRP message has been sent".
        let stop = Message::StopCcn(Stop { reason, connection: Some(connection.local) });
        match connection.say(stop) {
            Ok(()) => {
                self.connections.insert(connection.local, connection);
            }
            // The peer acknowledges nothing, and hears nothing of this either.
            Err(_) => self.counters.no_room += 1,
        }
    }

    /// The peer has ended a connection: it is remembered until nobody repeats that (§3.3.2).
    pub(super) fn linger(&mut self, now: Instant, mut connection: Connection, end: ConnectionEnd) {
        self.tell_end(now, &connection, end);
        connection.transport.abandon();
        connection.phase = Phase::Lingering;
        connection.since = now;
        connection.timers = TimerTable::default();
        connection.timers.set(ConnectionTimer::Linger, now + LINGER_TIME);
        self.connections.insert(connection.local, connection);
    }

    /// The end of a connection that lived: sessions end with it, and another one is asked for.
    pub(super) fn tell_end(&mut self, now: Instant, connection: &Connection, end: ConnectionEnd) {
        if !matches!(connection.phase, Phase::Live(_)) {
            return;
        }
        if self.current == Some(connection.local) {
            self.current = None;
            self.outgoing.clear();
            self.end_all_calls(now, &SessionEnd::Connection);
            self.counters.connections_lost += 1;
            self.actions.push_back(Action::ConnectionDown(end.clone()));
        } else {
            self.counters.connections_failed += 1;
            if connection.role == Role::Initiator {
                self.actions.push_back(Action::ConnectionFailed(end.clone()));
            }
        }
        self.last_end = Some(end);
        self.open_later(now);
    }

    /// Everything ends.
    fn stop(&mut self, now: Instant) {
        self.is_started = false;
        self.failures = 0;
        self.timers.clear(Timer::Open);
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.connections.remove(&id) else { continue };
            let Phase::Live(state) = connection.phase else {
                self.connections.insert(id, connection);
                continue;
            };
            let (_, act) = connection_step(state, ConnectionEvent::Close);
            if act == ConnectionAct::SendStop {
                let reason = Reason::new(StopCode::CLEARED);
                self.close(now, connection, reason, ConnectionEnd::Stopped);
            }
        }
    }

    /// Time does something to a connection.
    fn expire(&mut self, now: Instant, id: ConnectionId) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        while let Some(timer) = connection.timers.pop_due(now) {
            match timer {
                ConnectionTimer::Retransmit => {
                    if connection.transport.expire(self.settings.retransmissions) == Verdict::Dead {
                        return self.tell_end(now, &connection, ConnectionEnd::Silent);
                    }
                }
                ConnectionTimer::Hello => {
                    connection.heard(now, &self.settings, &mut self.prng);
                    if connection.transport.is_idle() {
                        // There is room in what is empty.
                        let _ = connection.say(Message::Hello);
                    }
                }
                ConnectionTimer::Setup => {
                    let reason = Reason::new(StopCode::STATE_MACHINE);
                    return self.close(now, connection, reason, ConnectionEnd::Timeout);
                }
                ConnectionTimer::Linger => return,
            }
        }
        self.connections.insert(id, connection);
    }

    /// Sends everything that may be sent; what has ended is forgotten.
    fn flush(&mut self, now: Instant) {
        self.open_calls(now);
        if let Some(mut connection) = self.current.and_then(|id| self.connections.remove(&id)) {
            let mut is_full = false;
            for message in self.outgoing.drain(..) {
                is_full |= connection.say(message).is_err();
            }
            if is_full {
                self.counters.no_room += 1;
                let reason = Reason::with_error(
                    StopCode::GENERAL_ERROR,
                    crate::wire::l2tp::ErrorCode::RESOURCES,
                    "",
                );
                self.close(now, connection, reason.clone(), ConnectionEnd::Local(reason));
            } else {
                self.connections.insert(connection.local, connection);
            }
        }
        // Without a connection there is nobody to tell.
        self.outgoing.clear();
        for connection in self.connections.values_mut() {
            let out = connection.transmit(now, &mut self.entropy, &mut self.counters);
            self.actions.extend(out.into_iter().map(|octets| Action::Send { octets }));
        }
        self.connections.retain(|_, connection| {
            connection.phase != Phase::Closing || !connection.transport.is_idle()
        });
    }
}

impl Machine for Peer {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start => {
                if !core::mem::replace(&mut self.is_started, true) {
                    self.failures = 0;
                    self.open(now);
                }
            }
            Input::Stop => self.stop(now),
            Input::Settings(settings) => {
                self.settings = settings.bounded();
                for connection in self.connections.values_mut() {
                    connection.adopt(&self.settings);
                }
                self.open(now);
            }
            Input::Session(settings) => self.provision(now, settings),
            Input::RemoveSession(end) => self.withdraw(now, &end),
            Input::Circuit { end, circuit } => self.change_circuit(&end, circuit),
            Input::Received { octets } => self.receive(now, &octets),
            Input::DataReceived => {
                if let Some(connection) = self.current.and_then(|id| self.connections.get_mut(&id))
                {
                    connection.heard(now, &self.settings, &mut self.prng);
                }
            }
        }
        self.flush(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let own = self.timers.next_deadline();
        let of_connections = self.connections.values().filter_map(|c| c.timers.next_deadline());
        of_connections.chain(own).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        let due = |connection: &&Connection| {
            connection.timers.next_deadline().is_some_and(|deadline| deadline <= now)
        };
        let ids: Vec<ConnectionId> =
            self.connections.values().filter(due).map(|connection| connection.local).collect();
        for id in ids {
            self.expire(now, id);
        }
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Open => self.open(now),
                Timer::Call(local) => self.call_timed_out(now, local),
                Timer::Retry(local) => self.sessions.make_ready(local),
            }
        }
        self.flush(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
