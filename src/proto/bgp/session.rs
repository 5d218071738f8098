//! One peer: its connections, its timers, and what an input does to them.
//!
//! Owns [`Session`]. A session has two tracks, one for the connection that we open and one for the
//! connection that the peer opens, and each runs the table of [`super::fsm`]; while connections
//! collide both live, and from OpenConfirm on one is kept. The session's own state is that of the
//! track that is further.
//!
//! *Invariants*: at most one track is Established, and then the other is Idle unless settings want
//! Established connections compared; a track has a connection exactly while its state says so;
//! nothing is Established for which no OPEN came on the same connection. After every input the
//! driver takes all actions.
//! Whoever drives a session hands it the octets that wait before its timers expire: who did not
//! read has not seen silence.
//! *Standards*: RFC 4271 §6.8 (collisions), §8 (FSM), §10 (timers), RFC 6286 §2.3, RFC 4724 §4 and
//! §5, RFC 8538 §4, RFC 9687 §3. Deviations: the IdleHoldTime (§8.1.1, DampPeerOscillations) is per
//! track, so that a peer that fails on one connection can still be reached by the other; the peer
//! may connect again at once unless this router has found an error of the peer, as one that
//! restarts gracefully does. A peer that found an error here may try: it is the one that is
//! flooded.

use super::action::{Action, Down, DownReason, Retention, StateChange};
use super::connection::{BatchError, Connection, encoded};
use super::fsm::{Event, State, step};
use super::input::{Cease, ConnectionId, Initiator, Input, Start};
use super::limits::{
    COLLISION_WINDOW, IDLE_HOLD_DOUBLINGS_MAX, IDLE_HOLD_TIME_MIN, JITTER_PERCENT_LEAST,
    STABLE_AFTER,
};
use super::negotiation::{Negotiated, OwnRestart};
use super::settings::{EstablishedCollision, Opening, Settings};
use super::view::{Counters, Spoken};
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::base::timers::TimerTable;
use crate::wire::bgp::{Agreement, Message, Notification, NotificationCode, Open};
use std::collections::VecDeque;

/// The timers of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// IdleHoldTimer: the track starts again.
    IdleHold(Initiator),
    /// ConnectRetryTimer, of the connection that we open.
    ConnectRetry,
    /// HoldTimer.
    Hold(Initiator),
    /// KeepaliveTimer.
    Keepalive(Initiator),
    /// SendHoldTimer.
    SendHold(Initiator),
}

/// Whether the session shall be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Administration {
    Stopped,
    Started,
}

/// One connection of the peer, from the wish for it on.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    pub state: State,
    /// A connection that is being opened.
    pub attempt: Option<ConnectionId>,
    pub connection: Option<Connection>,
    /// The OPEN that was sent on it.
    pub sent: Option<Open>,
    /// The OPEN that came on it.
    pub received: Option<Open>,
    pub negotiated: Option<Box<Negotiated>>,
    /// Whether End-of-RIB came on it (RFC 4724 §2).
    pub has_end_of_rib: bool,
}

/// A session with one peer, configured or dynamic; one each, owned by the control thread.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) settings: Settings,
    pub(super) administration: Administration,
    pub(super) start: Start,
    pub(super) local: Track,
    pub(super) remote: Track,
    pub(super) timers: TimerTable<Timer>,
    /// ConnectRetryCounter.
    pub(super) failures: u32,
    /// Connections of ours, one after the other, that nobody has answered.
    pub(super) unanswered: u32,
    /// The last connection ended without an error of the peer: it may come again at once.
    pub(super) may_return: bool,
    pub(super) since: Instant,
    pub(super) was_established: bool,
    /// The RIB half has been told of less room than it may have wanted.
    pub(super) is_short_of_room: bool,
    next_number: u32,
    pub(super) spoken: Spoken,
    pub(super) counters: Counters,
    prng: Prng,
    actions: VecDeque<Action>,
}

impl Session {
    /// A session that is stopped; `seed` starts its jitter.
    pub fn new(now: Instant, settings: Settings, seed: u64) -> Self {
        Self {
            settings: settings.bounded(),
            administration: Administration::Stopped,
            start: Start::Fresh,
            local: Track::default(),
            remote: Track::default(),
            timers: TimerTable::default(),
            failures: 0,
            unanswered: 0,
            may_return: false,
            since: now,
            was_established: false,
            is_short_of_room: false,
            next_number: 0,
            spoken: Spoken::default(),
            counters: Counters::default(),
            prng: Prng::new(seed),
            actions: VecDeque::new(),
        }
    }

    /// How it runs.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The state of the session as a whole.
    pub fn state(&self) -> State {
        match (self.local.state, self.remote.state) {
            (local, remote) if local.is_connected() || remote.is_connected() => local.max(remote),
            (State::Idle, remote) => remote,
            (local, _) => local,
        }
    }

    /// What was agreed on; `None` unless Established.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.established().and_then(|side| self.track(side).negotiated.as_deref())
    }

    /// Octets of updates that may be sent; zero unless Established. [`Action::Room`] tells when
    /// there are more again.
    pub fn room(&mut self) -> usize {
        let side = self.established();
        let connection = side.and_then(|side| self.track(side).connection.as_ref());
        let room = connection.map_or(0, Connection::room);
        self.is_short_of_room |= connection.is_some_and(|connection| !is_roomy(connection));
        room
    }

    /// What was counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) const fn track(&self, side: Initiator) -> &Track {
        match side {
            Initiator::Local => &self.local,
            Initiator::Remote => &self.remote,
        }
    }

    pub(super) const fn track_mut(&mut self, side: Initiator) -> &mut Track {
        match side {
            Initiator::Local => &mut self.local,
            Initiator::Remote => &mut self.remote,
        }
    }

    /// The track that is Established.
    pub(super) fn established(&self) -> Option<Initiator> {
        Initiator::ALL.into_iter().find(|side| self.track(*side).state == State::Established)
    }

    /// The track that has this connection.
    pub(super) fn side_of(&self, id: ConnectionId) -> Option<Initiator> {
        let connection = self.track(id.initiator).connection.as_ref();
        connection.is_some_and(|connection| connection.id() == id).then_some(id.initiator)
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// The name of the next connection that we open.
    pub(super) const fn next_connection(&mut self) -> ConnectionId {
        self.next_number = self.next_number.wrapping_add(1);
        ConnectionId { initiator: Initiator::Local, number: self.next_number }
    }

    /// RFC 4271 §10: "uniformly distributed in the range from 0.75 to 1.0".
    pub(super) fn jittered(&mut self, time: Duration) -> Duration {
        self.prng.between(time * JITTER_PERCENT_LEAST / 100, time)
    }

    pub(super) const fn own_restart(&self) -> OwnRestart {
        OwnRestart { start: self.start, was_established: self.was_established }
    }

    /// Something happens to a track; `error` is the NOTIFICATION that it comes with, in either
    /// direction.
    pub(super) fn happen(
        &mut self,
        now: Instant,
        side: Initiator,
        event: Event,
        error: Option<Notification>,
    ) {
        let reason = match event {
            Event::NotifMsg | Event::NotifMsgVerErr => {
                error.clone().map(DownReason::NotificationReceived)
            }
            Event::TcpConnectionFails => Some(DownReason::ConnectionLost),
            _ => None,
        };
        self.happen_because(now, side, event, (error, reason));
    }

    /// The same, with a reason that the event does not tell.
    pub(super) fn happen_because(
        &mut self,
        now: Instant,
        side: Initiator,
        event: Event,
        (error, mut reason): (Option<Notification>, Option<DownReason>),
    ) {
        let from = self.state();
        let before = self.track(side).state;
        let Some((next, acts)) = step(before, event) else { return };
        if before == State::Established && next != before && now - self.since >= STABLE_AFTER {
            self.failures = 0;
        }
        let negotiated = if before == next { None } else { self.track(side).negotiated.clone() };
        for act in acts {
            if let Some(sent) = self.perform(now, side, *act, error.as_ref()) {
                reason = Some(DownReason::NotificationSent(sent));
            }
        }
        self.track_mut(side).state = next;
        if next == State::Idle {
            self.may_return = event == Event::OpenCollisionDump
                || reason.as_ref().is_some_and(may_return_at_once);
        }
        if before == State::Established && next != before {
            self.end(now, negotiated, reason.clone());
        }
        let to = self.state();
        if from != to {
            self.since = now;
            self.act(Action::Changed(StateChange { from, to, event, reason }));
        }
        if next == State::Established && before != next {
            self.establish(now, side);
        }
    }

    /// The session has become Established.
    fn establish(&mut self, now: Instant, side: Initiator) {
        self.was_established = true;
        self.counters.established += 1;
        self.is_short_of_room = false;
        if let Some(negotiated) = self.track(side).negotiated.clone() {
            self.act(Action::Established(negotiated));
        }
        // RFC 4271 §6.8: the other connection is one too many.
        self.happen(now, side.other(), Event::OpenCollisionDump, None);
    }

    /// The session is Established no more.
    fn end(
        &mut self,
        now: Instant,
        negotiated: Option<Box<Negotiated>>,
        reason: Option<DownReason>,
    ) {
        let reason = reason.unwrap_or(DownReason::ConnectionLost);
        let retention = negotiated.map_or(Retention::Drop, |held| held.retention(&reason));
        self.counters.lost += 1;
        self.spoken.down = Some((now, reason.clone()));
        self.act(Action::Down(Down { reason, retention }));
    }

    fn administer(&mut self, now: Instant, event: Event, cease: &Cease) {
        for side in Initiator::ALL {
            let track = self.track(side);
            let is_wanted = event == Event::ManualStop || track.state.is_connected();
            if is_wanted {
                let notification = cease.notification();
                let survives =
                    track.negotiated.as_ref().is_some_and(|held| held.survives_notifications);
                let notification = match survives && cease.is_hard() {
                    true => Notification::hard_reset(&notification),
                    false => notification,
                };
                self.happen(now, side, event, Some(notification));
            }
        }
    }

    fn begin(&mut self, now: Instant, start: Start) {
        if self.administration == Administration::Started {
            return;
        }
        self.administration = Administration::Started;
        self.start = start;
        self.failures = 0;
        if self.settings.opening == Opening::Active {
            self.happen(now, Initiator::Local, Event::ManualStart, None);
        }
        self.happen(now, Initiator::Remote, Event::ManualStartPassive, None);
    }

    fn stop(&mut self, now: Instant, cease: &Cease) {
        self.administration = Administration::Stopped;
        self.administer(now, Event::ManualStop, cease);
        self.timers.retain(|_| false);
    }

    /// What is up ends; what waits to come up does so at once.
    fn reset(&mut self, now: Instant, cease: &Cease) {
        if self.state().is_connected() {
            self.administer(now, Event::AutomaticStop, cease);
            return;
        }
        self.failures = 0;
        let unanswered = self.unanswered;
        let waits = [
            Timer::IdleHold(Initiator::Remote),
            Timer::IdleHold(Initiator::Local),
            Timer::ConnectRetry,
        ];
        for timer in waits {
            if self.timers.is_set(timer) {
                self.timers.clear(timer);
                self.expire(now, timer);
            }
        }
        // A connection that had no time to be answered says nothing.
        self.unanswered = unanswered;
    }

    /// A TCP connection is there.
    fn connected(&mut self, now: Instant, id: ConnectionId) {
        let admission = match id.initiator {
            Initiator::Local if self.local.attempt == Some(id) => Ok(()),
            Initiator::Local => Err(None),
            Initiator::Remote => self.admits(now).map_err(Some),
        };
        if let Err(code) = admission {
            return self.turn_away(id, code);
        }
        self.unanswered = 0;
        let track = self.track_mut(id.initiator);
        track.attempt = None;
        track.connection = Some(Connection::new(id, now));
        self.happen(now, id.initiator, Event::TcpConnected, None);
        // The peer gets time to come up on its own connection before we try ours.
        if id.initiator == Initiator::Remote && self.local.state == State::Active {
            let retry_time = self.jittered(self.settings.connect_retry_time);
            self.timers.set(Timer::ConnectRetry, now + retry_time);
        }
    }

    /// A connection that is not wanted is closed; the peer hears why, where it opened it. RFC 4486
    /// §4: one that is disallowed "SHOULD" get Connection Rejected.
    fn turn_away(&mut self, id: ConnectionId, code: Option<NotificationCode>) {
        self.counters.connections_refused += 1;
        if let Some(code) = code {
            let message = Message::Notification(Notification::new(code));
            let octets = encoded(&message, Agreement::default());
            self.counters.notifications_out += 1;
            self.act(Action::Send { connection: id, octets });
        }
        self.act(Action::Close { connection: id });
    }

    /// Whether a connection that the peer opened is taken, and else what it is told; makes room for
    /// it.
    fn admits(&mut self, now: Instant) -> Result<(), NotificationCode> {
        if self.administration == Administration::Stopped {
            return Err(NotificationCode::CONNECTION_REJECTED);
        }
        if let Some(side) = self.established()
            && !self.yields(now, side)
        {
            return Err(NotificationCode::COLLISION_RESOLUTION);
        }
        // One that opens another connection has forgotten the one before.
        if self.remote.state.is_connected() {
            self.happen(now, Initiator::Remote, Event::OpenCollisionDump, None);
            self.timers.clear(Timer::IdleHold(Initiator::Remote));
        }
        // RFC 4271 §8.2.2, Idle: "refuses all incoming BGP connections".
        if self.remote.state == State::Idle
            && self.timers.is_set(Timer::IdleHold(Initiator::Remote))
        {
            return Err(NotificationCode::CONNECTION_REJECTED);
        }
        self.happen(now, Initiator::Remote, Event::AutomaticStartPassive, None);
        match self.remote.state {
            State::Active => Ok(()),
            _ => Err(NotificationCode::CONNECTION_REJECTED),
        }
    }

    /// Whether an Established connection leaves room for a new one of the peer.
    fn yields(&mut self, now: Instant, side: Initiator) -> bool {
        let restart = self.negotiated().and_then(|negotiated| negotiated.restart);
        // RFC 4724 §5: a peer that restarts gracefully may be back before its end was seen: "the
        // TCP connection … is dropped" without a NOTIFICATION, and its routes are kept.
        // One that comes right after the session was Established was opened together with it.
        let is_late = now - self.since >= COLLISION_WINDOW;
        if is_late && restart.is_some_and(|restart| restart.keeps_routes) {
            let reason = (None, Some(DownReason::PeerRestarted));
            self.happen_because(now, side, Event::TcpConnectionFails, reason);
            return true;
        }
        match self.settings.established_collision {
            EstablishedCollision::Compare => true,
            EstablishedCollision::KeepEstablished => false,
        }
    }

    fn connect_failed(&mut self, now: Instant, id: ConnectionId) {
        if self.local.attempt == Some(id) {
            self.local.attempt = None;
            self.unanswered = 0;
            self.counters.connects_failed += 1;
            self.happen(now, Initiator::Local, Event::TcpConnectionFails, None);
        }
    }

    fn sent(&mut self, id: ConnectionId, octet_count: usize) {
        let Some(side) = self.side_of(id) else { return };
        let Some(connection) = &mut self.track_mut(side).connection else { return };
        if connection.sent(octet_count) > 0 {
            // RFC 9687 §3: the timer runs anew with every message that went.
            self.timers.clear(Timer::SendHold(side));
        }
    }

    /// Messages of the RIB half.
    fn send_updates(&mut self, now: Instant, octets: Vec<u8>) {
        let Some(side) = self.established() else { return };
        let track = self.track_mut(side);
        let (Some(connection), Some(held)) = (&mut track.connection, &track.negotiated) else {
            return;
        };
        let keepalive_time = held.keepalive_time;
        match connection.push_batch(octets, held.send) {
            Ok(count) => {
                self.is_short_of_room |= !is_roomy(connection);
                self.counters.updates_out += count;
                // RFC 4271 §8.2.2: "Each time the local system sends a KEEPALIVE or UPDATE message,
                // it restarts its KeepaliveTimer".
                if !keepalive_time.is_zero() && count > 0 {
                    let keepalive_time = self.jittered(keepalive_time);
                    self.timers.set(Timer::Keepalive(side), now + keepalive_time);
                }
            }
            // Routes that were not sent would be missing at the peer for ever.
            Err(BatchError::NoRoom | BatchError::NotMessages) => {
                self.counters.batches_refused += 1;
                self.administer(now, Event::AutomaticStop, &Cease::OutOfResources);
            }
        }
    }

    fn expire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::IdleHold(side) => {
                let event = match (side, self.settings.opening) {
                    (Initiator::Local, Opening::Passive) => return,
                    (Initiator::Local, Opening::Active) => Event::AutomaticStart,
                    (Initiator::Remote, _) => Event::AutomaticStartPassive,
                };
                if !self.is_kept(side.other()) {
                    self.happen(now, side, event, None);
                }
            }
            Timer::ConnectRetry => {
                // Neither taken nor refused: somebody throws the packets away, or nobody is there.
                if self.local.attempt.is_some() {
                    self.unanswered = self.unanswered.saturating_add(1);
                }
                self.happen(now, Initiator::Local, Event::ConnectRetryTimerExpires, None);
            }
            Timer::Hold(side) => self.happen(now, side, Event::HoldTimerExpires, None),
            Timer::Keepalive(side) => self.happen(now, side, Event::KeepaliveTimerExpires, None),
            Timer::SendHold(side) => self.happen(now, side, Event::SendHoldTimerExpires, None),
        }
    }

    /// Whether the connection of a track is the one that counts.
    fn is_kept(&self, side: Initiator) -> bool {
        self.track(side).state >= State::OpenConfirm
    }

    /// IdleHoldTime: twice as long after every failure.
    fn idle_hold_time(&mut self, side: Initiator) -> Duration {
        if side == Initiator::Remote && self.may_return {
            return Duration::ZERO;
        }
        let doublings = self.failures.saturating_sub(1).min(IDLE_HOLD_DOUBLINGS_MAX);
        self.jittered(IDLE_HOLD_TIME_MIN * (1 << doublings))
    }

    /// The end of every input: octets go, timers that follow from the state run.
    fn settle(&mut self, now: Instant) {
        // Settings may have become passive.
        if self.settings.opening == Opening::Passive && !self.local.state.is_connected() {
            self.happen(now, Initiator::Local, Event::ManualStop, None);
        }
        for side in Initiator::ALL {
            self.settle_start(now, side);
        }
        for side in Initiator::ALL {
            self.settle_send(now, side);
        }
    }

    /// A track that is down comes up again after its IdleHoldTime.
    fn settle_start(&mut self, now: Instant, side: Initiator) {
        let is_usable = side == Initiator::Remote || self.settings.opening == Opening::Active;
        let is_down = self.track(side).state == State::Idle && !self.is_kept(side.other());
        let must_start = self.administration == Administration::Started && is_usable && is_down;
        if !must_start || self.timers.is_set(Timer::IdleHold(side)) {
            return;
        }
        let idle_hold_time = self.idle_hold_time(side);
        match idle_hold_time.is_zero() {
            true => self.expire(now, Timer::IdleHold(side)),
            false => self.timers.set(Timer::IdleHold(side), now + idle_hold_time),
        }
    }

    fn settle_send(&mut self, now: Instant, side: Initiator) {
        let track = self.track_mut(side);
        let is_established = track.state == State::Established;
        let hold_time = track.negotiated.as_ref().map(|held| held.hold_time);
        let Some(connection) = &mut track.connection else { return };
        let id = connection.id();
        let given: Vec<Vec<u8>> = core::iter::from_fn(|| connection.give()).collect();
        let (is_waiting, is_roomy) = (connection.waiting_octets() > 0, is_roomy(connection));
        given.into_iter().for_each(|octets| self.act(Action::Send { connection: id, octets }));
        let send_hold_time = hold_time.and_then(|time| self.settings.send_hold_time(time));
        match send_hold_time.filter(|_| is_waiting && is_established) {
            Some(time) => self.timers.set_if_idle(Timer::SendHold(side), now + time),
            None => self.timers.clear(Timer::SendHold(side)),
        }
        if is_established && is_roomy && core::mem::take(&mut self.is_short_of_room) {
            self.act(Action::Room);
        }
    }
}

/// Whether a peer may open the next connection at once: it has done nothing wrong.
fn may_return_at_once(reason: &DownReason) -> bool {
    use NotificationCode as Code;
    match reason {
        DownReason::ConnectionLost
        | DownReason::PeerRestarted
        | DownReason::NotificationReceived(_) => true,
        // Its silence may be over, and of Cease only the number of its routes is its fault.
        DownReason::NotificationSent(said) => {
            let code = said.inner_code();
            let is_silence =
                matches!(code, Code::HOLD_TIMER_EXPIRED | Code::SEND_HOLD_TIMER_EXPIRED);
            let is_cease = code.code == Code::CEASE.code;
            let is_flood = matches!(code, Code::MAXIMUM_PREFIXES_REACHED | Code::OUT_OF_RESOURCES);
            is_silence || (is_cease && !is_flood)
        }
    }
}

/// Whether half of the room is there: the RIB half is not woken for less.
const fn is_roomy(connection: &Connection) -> bool {
    connection.room() >= super::limits::SEND_QUEUE_OCTETS_MAX / 2
}

impl Machine for Session {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start(start) => self.begin(now, start),
            Input::Stop(cease) => self.stop(now, &cease),
            Input::Reset(cease) => self.reset(now, &cease),
            Input::RestartOver => self.start = Start::Fresh,
            Input::Settings(settings) => self.settings = settings.bounded(),
            Input::Connected { connection } => self.connected(now, connection),
            Input::ConnectFailed { connection } => self.connect_failed(now, connection),
            Input::Received { connection, octets } => self.receive(now, connection, &octets),
            Input::Sent { connection, octet_count } => self.sent(connection, octet_count),
            Input::Closed { connection } => {
                if let Some(side) = self.side_of(connection) {
                    self.happen(now, side, Event::TcpConnectionFails, None);
                }
            }
            Input::Refresh => self.ask_for_routes(),
            Input::Updates { octets } => self.send_updates(now, octets),
        }
        self.settle(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            self.expire(now, timer);
        }
        self.settle(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
