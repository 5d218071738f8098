//! A session with one RPKI cache.
//!
//! Owns [`Session`]: one for each cache, owned by the control plane. Octets come in, queries go
//! out; what the cache has validated is told to the owner in slices.
//!
//! ```text
//!                Start            Connected             CacheResponse
//!   Idle ----------------> Connecting ------> Querying ---------------> Receiving
//!    ^  ^                      |               ^  ^  | NoData               |
//!    |  |   failed, closed     |      Notify,  |  |  v                      | EndOfData
//!    |  +----------------------+      refresh  |  Waiting                   v
//!    |                                         +----------------------- Synchronised
//!    +-- any error, any end; the data stay until they expire ---------------+
//! ```
//!
//! *Invariants*: an answer holds when it is whole, never before. There is one query at a time, and
//! none while the owner has not heard of all that the last one brought. Data without a cache are
//! gone when their time is over, and with them what was asked for as differences to them.
//! *Standards*: RFC 8210 §5 to §8, RFC 6810 (version 0, where the cache speaks no other).
//! Gap: RFC 8210 §9: TCP alone; neither SSH nor TLS, and no TCP-MD5.

use super::limits::{
    BUFFER_OCTETS_MAX, CHANGES_PER_SLICE_MAX, EXPIRE_TIME, EXPIRE_TIME_MAX, EXPIRE_TIME_MIN,
    RECONNECT_TIME_MIN, REFRESH_TIME, REFRESH_TIME_MAX, REFRESH_TIME_MIN, RETRY_TIME,
    RETRY_TIME_MAX, RETRY_TIME_MIN, SILENCE_MAX,
};
use super::records::Records;
use crate::base::cursor::Writer;
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::base::timers::TimerTable;
use crate::wire::rtr::{
    Change, ErrorCode, Intervals, Payload, Pdu, Version, frame, is_error_report, put_error_report,
};
use core::fmt;
use std::collections::VecDeque;

crate::counters! {
    /// What a session with a cache counted since it was made.
    pub struct Counters {
        @normal connects: "connections", "Connections to the cache that were tried.";
        connects_failed: "connections", "Connections to the cache that could not be opened.";
        lost: "connections", "Connections that ended, whoever ended them.";
        @normal serial_queries: "queries", "Queries for what is new.";
        @normal reset_queries: "queries", "Queries for everything.";
        @normal answers: "answers", "Answers that came whole.";
        @normal notifies: "PDUs", "Notes of the cache that it has something new.";
        @normal announced: "payloads", "Payloads announced by the cache.";
        @normal withdrawn: "payloads", "Payloads withdrawn by the cache.";
        @normal foreign: "PDUs", "Payloads of IPv4 and router keys, which are not used.";
        cache_resets: "PDUs", "Times the cache had to send everything again.";
        errors_sent: "PDUs", "Errors sent to the cache.";
        errors_received: "PDUs", "Errors received from the cache.";
        expired: "times", "Times the data were dropped because no cache confirmed them.";
    }
}

/// What an administrator says instead of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Instead of the refresh interval.
    pub refresh_time: Option<Duration>,
    /// Instead of the retry interval.
    pub retry_time: Option<Duration>,
    /// Instead of the expire interval.
    pub expire_time: Option<Duration>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no connection.
    Idle,
    /// One is being opened.
    Connecting,
    /// A query was sent.
    Querying,
    /// Its answer comes in.
    Receiving,
    /// The cache has no data yet.
    Waiting,
    /// What the cache has is here.
    Synchronised,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Querying => "querying",
            Self::Receiving => "receiving",
            Self::Waiting => "waiting",
            Self::Synchronised => "synchronised",
        })
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It could not be opened.
    #[error("no connection")]
    Connect,
    /// The cache closed it, or it broke.
    #[error("the cache closed the connection")]
    Closed,
    /// Nothing came that was awaited.
    #[error("the cache is silent")]
    Silent,
    /// What it was asked for had to follow data that expired meanwhile.
    #[error("the data expired before the cache had answered")]
    Late,
    /// The cache said something wrong.
    #[error("the cache sent something wrong: {0}")]
    Sent(ErrorCode),
    /// The cache says that we did.
    #[error("the cache reports: {0} ({1:?})")]
    Reported(ErrorCode, String),
    /// RFC 8210 §5.1: the cache has forgotten the session.
    #[error("the cache has begun another session")]
    OtherSession,
}

/// What may happen to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// It shall be up.
    Start,
    /// It shall not, and its data go.
    Stop,
    /// The connection stands.
    Connected,
    /// It does not.
    ConnectFailed,
    /// Octets came.
    Received {
        /// The octets.
        octets: Vec<u8>,
    },
    /// The connection is gone.
    Closed,
}

/// What a session wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection.
    Connect,
    /// Send octets.
    Send {
        /// The octets.
        octets: Vec<u8>,
    },
    /// Close the connection when what was given is sent.
    Close,
    /// Payloads come and go.
    Changes(Vec<(Change, Payload)>),
    /// These were all.
    Settled,
    /// The data are those of the cache, for the first time since they were not.
    Synchronised,
    /// The connection ended, or did not come to be.
    Failed(Failure),
    /// The data are dropped: no cache has confirmed them in time.
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The connection is tried again.
    Reconnect,
    /// RFC 8210 §6, refresh and retry interval: the cache is asked again.
    Query,
    /// The cache has been silent for too long.
    Silence,
    /// RFC 8210 §6, expire interval.
    Expire,
}

/// Which state of the cache is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    session: u16,
    serial: u32,
}

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// How far it is.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Version of the protocol.
    pub version: Version,
    /// Session id of the cache, where its data are here.
    pub session: Option<u16>,
    /// Serial number of the data.
    pub serial: Option<u32>,
    /// Payloads.
    pub record_count: usize,
    /// When the data were last confirmed.
    pub confirmed_at: Option<Instant>,
    /// When they are dropped, if nobody confirms them.
    pub expires_at: Option<Instant>,
    /// When the cache is asked or tried next, if it says nothing.
    pub next_at: Option<Instant>,
    /// Why the last connection ended.
    pub last_failure: Option<Failure>,
    /// What was counted.
    pub counters: Counters,
}

/// A session with a cache.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    state: State,
    since: Instant,
    is_started: bool,
    version: Version,
    /// Whether a PDU of the cache has had this version, in this connection.
    is_version_agreed: bool,
    /// RFC 8210 §7: the cache speaks version 0 only.
    is_fallen_back: bool,
    known: Option<Known>,
    /// Session id of the answer that comes in.
    answering: u16,
    /// Whether everything was asked for.
    is_reset: bool,
    /// A serial number that was notified meanwhile.
    notified: Option<u32>,
    must_query: bool,
    retry_time: Duration,
    refresh_time: Duration,
    confirmed_at: Option<Instant>,
    failures: u32,
    last_failure: Option<Failure>,
    timers: TimerTable<Timer>,
    buffer: Vec<u8>,
    records: Records,
    /// Whether it was told that these were all.
    is_settled: bool,
    /// Since when the owner has something to hear, or memory something to be freed.
    busy_since: Option<Instant>,
    counters: Counters,
    actions: VecDeque<Action>,
}

impl Session {
    /// One that is not started.
    pub fn new(now: Instant, settings: Settings) -> Self {
        Self {
            settings,
            state: State::Idle,
            since: now,
            is_started: false,
            version: Version::One,
            is_version_agreed: false,
            is_fallen_back: false,
            known: None,
            answering: 0,
            is_reset: true,
            notified: None,
            must_query: false,
            retry_time: settings.retry_time.unwrap_or(RETRY_TIME),
            refresh_time: settings.refresh_time.unwrap_or(REFRESH_TIME),
            confirmed_at: None,
            failures: 0,
            last_failure: None,
            timers: TimerTable::default(),
            buffer: Vec::new(),
            records: Records::default(),
            is_settled: true,
            busy_since: None,
            counters: Counters::default(),
            actions: VecDeque::new(),
        }
    }

    /// Whether it shall be up.
    pub const fn is_started(&self) -> bool {
        self.is_started
    }

    /// Whether data of the cache hold.
    pub const fn has_data(&self) -> bool {
        self.confirmed_at.is_some()
    }

    /// Whether the owner has heard of all of them.
    pub fn is_told(&self) -> bool {
        self.records.is_told()
    }

    /// Whether the owner has nothing of this cache any more, nor will have.
    pub fn is_over(&self) -> bool {
        !self.is_started && self.records.is_told() && self.records.is_empty()
    }

    /// Whether what failed last worked before.
    pub const fn is_first_failure(&self) -> bool {
        self.failures == 1
    }

    /// Other times: from the next answer on, but for the longest wait before a new try, which a
    /// cache that is away would keep for ever.
    pub fn adopt(&mut self, settings: Settings) {
        self.settings = settings;
        if let Some(retry_time) = settings.retry_time {
            self.retry_time = retry_time.clamp(RETRY_TIME_MIN, RETRY_TIME_MAX);
        }
    }

    /// Whether the last try failed.
    pub const fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// What it shows.
    pub fn view(&self) -> View {
        let next = [Timer::Reconnect, Timer::Query].map(|timer| self.timers.deadline(timer));
        View {
            state: self.state,
            since: self.since,
            version: self.version,
            session: self.known.map(|known| known.session),
            serial: self.known.map(|known| known.serial),
            record_count: self.records.len(),
            confirmed_at: self.confirmed_at,
            expires_at: self.timers.deadline(Timer::Expire),
            next_at: next.into_iter().flatten().min(),
            last_failure: self.last_failure.clone(),
            counters: self.counters,
        }
    }

    fn enter(&mut self, now: Instant, state: State) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    fn connect(&mut self, now: Instant) {
        self.counters.connects += 1;
        self.version = if self.is_fallen_back { Version::Zero } else { Version::One };
        self.is_version_agreed = false;
        self.buffer.clear();
        self.timers.clear(Timer::Reconnect);
        self.timers.set(Timer::Silence, now + SILENCE_MAX);
        self.enter(now, State::Connecting);
        self.actions.push_back(Action::Connect);
    }

    fn send(&mut self, pdu: &Pdu) {
        let mut writer = Writer::default();
        pdu.encode(self.version, &mut writer);
        self.actions.push_back(Action::Send { octets: writer.into_vec() });
    }

    /// Asks for what is new, or for everything where nothing is known.
    fn query(&mut self, now: Instant) {
        self.must_query = !self.records.is_told();
        if self.must_query {
            return;
        }
        self.timers.clear(Timer::Query);
        self.timers.set(Timer::Silence, now + SILENCE_MAX);
        self.notified = None;
        self.is_reset = self.known.is_none();
        match self.known {
            Some(Known { session, serial }) => {
                self.counters.serial_queries += 1;
                self.send(&Pdu::SerialQuery { session, serial });
            }
            None => {
                self.counters.reset_queries += 1;
                self.send(&Pdu::ResetQuery);
            }
        }
        self.enter(now, State::Querying);
    }

    /// Ends the connection.
    fn hang_up(&mut self, now: Instant) {
        if self.state != State::Idle {
            self.actions.push_back(Action::Close);
        }
        self.rest(now);
    }

    /// There is no connection any more.
    fn rest(&mut self, now: Instant) {
        self.records.abandon();
        self.free(now);
        self.buffer = Vec::new();
        self.must_query = false;
        self.timers.clear(Timer::Query);
        self.timers.clear(Timer::Silence);
        self.enter(now, State::Idle);
    }

    /// What is not needed any more is freed in slices.
    fn free(&mut self, now: Instant) {
        if !self.records.is_idle() {
            self.busy_since.get_or_insert(now);
        }
    }

    /// Something ended the connection: it is tried again after a while.
    fn fail(&mut self, now: Instant, failure: Failure) {
        match failure {
            Failure::Connect => self.counters.connects_failed += 1,
            _ => self.counters.lost += 1,
        }
        self.is_fallen_back = false;
        let doublings = self.failures.min(16);
        let wait = RECONNECT_TIME_MIN.saturating_mul(1 << doublings).min(self.retry_time);
        self.failures = self.failures.saturating_add(1);
        self.timers.set(Timer::Reconnect, now + wait);
        self.last_failure = Some(failure.clone());
        self.actions.push_back(Action::Failed(failure));
    }

    /// The cache said something wrong: it is told, and what is known of it is not trusted on.
    fn refuse(&mut self, now: Instant, code: ErrorCode, pdu: &[u8]) {
        if !is_error_report(pdu) {
            self.report(code, pdu);
        }
        self.known = None;
        self.hang_up(now);
        self.fail(now, Failure::Sent(code));
    }

    /// The cache has begun another session. RFC 8210 §5.1: "the party which detects the mismatch
    /// MUST immediately terminate the session with an Error Report PDU with code 0", and all that
    /// was learned is flushed.
    fn forget_session(&mut self, now: Instant, pdu: &[u8]) {
        self.report(ErrorCode::CORRUPT_DATA, pdu);
        self.drop_data(now);
        self.hang_up(now);
        self.fail(now, Failure::OtherSession);
    }

    /// The data are older than they may be. What was asked for as differences to them is no table
    /// without them; an answer with everything is one.
    fn expire(&mut self, now: Instant) {
        self.counters.expired += 1;
        self.drop_data(now);
        self.actions.push_back(Action::Expired);
        if matches!(self.state, State::Querying | State::Receiving) && !self.is_reset {
            self.hang_up(now);
            self.fail(now, Failure::Late);
        }
    }

    /// Tells the cache that a PDU of it is wrong.
    fn report(&mut self, code: ErrorCode, pdu: &[u8]) {
        self.counters.errors_sent += 1;
        let mut writer = Writer::default();
        put_error_report(&mut writer, self.version, code, pdu);
        self.actions.push_back(Action::Send { octets: writer.into_vec() });
    }

    fn drop_data(&mut self, now: Instant) {
        self.known = None;
        self.confirmed_at = None;
        self.timers.clear(Timer::Expire);
        self.records.flush();
        self.is_settled = false;
        self.busy_since.get_or_insert(now);
    }

    fn read(&mut self, now: Instant, octets: &[u8]) {
        if matches!(self.state, State::Idle | State::Connecting) {
            return;
        }
        if self.timers.is_set(Timer::Silence) {
            self.timers.set(Timer::Silence, now + SILENCE_MAX);
        }
        let mut buffer = core::mem::take(&mut self.buffer);
        buffer.extend_from_slice(octets);
        let mut rest = buffer.as_slice();
        while !matches!(self.state, State::Idle | State::Connecting) {
            let pdu = match frame(rest) {
                Ok(Some(pdu)) => pdu,
                Ok(None) if rest.len() <= BUFFER_OCTETS_MAX => break,
                Ok(None) => return self.refuse(now, ErrorCode::CORRUPT_DATA, &[]),
                Err(code) => return self.refuse(now, code, rest),
            };
            rest = rest.get(pdu.len()..).unwrap_or_default();
            match Pdu::decode(pdu) {
                Ok((version, decoded)) => self.take(now, version, decoded, pdu),
                Err(code) => self.refuse(now, code, pdu),
            }
        }
        if !matches!(self.state, State::Idle | State::Connecting) {
            let consumed = buffer.len() - rest.len();
            buffer.drain(..consumed);
            self.buffer = buffer;
        }
    }

    fn take(&mut self, now: Instant, version: Version, pdu: Pdu, octets: &[u8]) {
        if let Pdu::ErrorReport { code, text } = pdu {
            return self.take_error(now, code, text);
        }
        if !self.is_version_agreed {
            // §7: "the router MUST ignore any Serial Notify PDUs" until the version is agreed on.
            if matches!(pdu, Pdu::SerialNotify { .. }) {
                return;
            }
            // §7: a cache that answers in an older version speaks no newer one.
            self.version = self.version.min(version);
            self.is_version_agreed = self.version == version;
        }
        if version != self.version {
            return self.refuse(now, ErrorCode::UNEXPECTED_VERSION, octets);
        }
        match (self.state, pdu) {
            (_, Pdu::SerialNotify { session, serial }) => {
                self.notify(now, Known { session, serial }, octets);
            }
            (State::Querying, Pdu::CacheResponse { session }) => {
                if self.known.is_some_and(|known| known.session != session && !self.is_reset) {
                    return self.forget_session(now, octets);
                }
                self.answering = session;
                match self.is_reset {
                    true => self.records.begin_all(),
                    false => self.records.begin_differences(),
                }
                self.enter(now, State::Receiving);
            }
            (State::Querying, Pdu::CacheReset) if !self.is_reset => {
                self.counters.cache_resets += 1;
                self.known = None;
                self.query(now);
            }
            (State::Receiving, Pdu::Prefix { change, payload }) => {
                match change {
                    Change::Announce => self.counters.announced += 1,
                    Change::Withdraw => self.counters.withdrawn += 1,
                }
                if let Err(code) = self.records.take(change, payload) {
                    self.refuse(now, code, octets);
                }
            }
            (State::Receiving, Pdu::Foreign) => self.counters.foreign += 1,
            (State::Receiving, Pdu::EndOfData { session, serial, intervals }) => {
                if session != self.answering {
                    return self.forget_session(now, octets);
                }
                self.complete(now, Known { session, serial }, intervals);
            }
            _ => self.refuse(now, ErrorCode::INVALID_REQUEST, octets),
        }
    }

    fn take_error(&mut self, now: Instant, code: ErrorCode, text: String) {
        self.counters.errors_received += 1;
        let is_old = code == ErrorCode::UNSUPPORTED_VERSION && !self.is_version_agreed;
        if is_old && self.version == Version::One {
            // §7: with a cache that speaks version 0 only, another connection begins with it.
            self.hang_up(now);
            self.is_fallen_back = true;
            return self.connect(now);
        }
        if code.is_fatal() {
            self.known = None;
            self.hang_up(now);
            return self.fail(now, Failure::Reported(code, text));
        }
        if matches!(self.state, State::Querying | State::Receiving) {
            // §12: the cache cannot answer at the moment; the connection stays.
            self.records.abandon();
            self.free(now);
            self.timers.clear(Timer::Silence);
            self.timers.set(Timer::Query, now + self.retry_time);
            self.last_failure = Some(Failure::Reported(code, text));
            self.failures = self.failures.saturating_add(1);
            self.enter(now, State::Waiting);
        }
    }

    fn notify(&mut self, now: Instant, notified: Known, octets: &[u8]) {
        self.counters.notifies += 1;
        if self.known.is_some_and(|known| known.session != notified.session) {
            return self.forget_session(now, octets);
        }
        match self.state {
            State::Synchronised if self.known == Some(notified) => {}
            State::Synchronised | State::Waiting => self.query(now),
            _ => self.notified = Some(notified.serial),
        }
    }

    /// An answer is whole.
    fn complete(&mut self, now: Instant, known: Known, intervals: Option<Intervals>) {
        self.counters.answers += 1;
        self.records.commit();
        self.is_settled = false;
        self.busy_since = Some(now);
        self.known = Some(known);
        self.last_failure = None;
        let bounded = |own: Option<Duration>, sent: Option<u32>, usual, (least, most)| {
            let sent = sent.map(|seconds| Duration::from_secs(seconds.into()));
            own.or(sent).unwrap_or(usual).clamp(least, most)
        };
        let refresh_s = intervals.map(|intervals| intervals.refresh_s);
        let bounds = (REFRESH_TIME_MIN, REFRESH_TIME_MAX);
        self.refresh_time = bounded(self.settings.refresh_time, refresh_s, REFRESH_TIME, bounds);
        let retry_s = intervals.map(|intervals| intervals.retry_s);
        let bounds = (RETRY_TIME_MIN, RETRY_TIME_MAX);
        self.retry_time = bounded(self.settings.retry_time, retry_s, RETRY_TIME, bounds);
        let expire_s = intervals.map(|intervals| intervals.expire_s);
        let bounds = (EXPIRE_TIME_MIN, EXPIRE_TIME_MAX);
        let expire_time = bounded(self.settings.expire_time, expire_s, EXPIRE_TIME, bounds);
        // §6: "The expire interval MUST be larger than" the other two.
        let expire_time = expire_time.max(self.refresh_time).max(self.retry_time);
        self.timers.clear(Timer::Silence);
        self.timers.set(Timer::Query, now + self.refresh_time);
        self.timers.set(Timer::Expire, now + expire_time);
        self.enter(now, State::Synchronised);
        let was_away = self.confirmed_at.is_none();
        self.confirmed_at = Some(now);
        if was_away {
            self.actions.push_back(Action::Synchronised);
        }
        if self.notified.take().is_some_and(|serial| serial != known.serial) {
            self.query(now);
        }
    }

    /// Tells the owner a slice of what is new.
    fn tell(&mut self, now: Instant) {
        if self.busy_since.is_none() {
            return;
        }
        let changes = self.records.tell(CHANGES_PER_SLICE_MAX);
        if !changes.is_empty() {
            self.actions.push_back(Action::Changes(changes));
        }
        let is_told = self.records.is_told();
        self.busy_since = (!self.records.is_idle()).then_some(now);
        if is_told && !core::mem::replace(&mut self.is_settled, true) {
            self.actions.push_back(Action::Settled);
            if self.state == State::Synchronised {
                self.failures = 0;
            }
            if self.must_query {
                self.query(now);
            }
        }
    }
}

impl Machine for Session {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        match (self.state, input) {
            (_, Input::Start) => {
                if !core::mem::replace(&mut self.is_started, true) {
                    self.failures = 0;
                    self.connect(now);
                }
            }
            (_, Input::Stop) => {
                self.is_started = false;
                self.hang_up(now);
                self.timers.clear(Timer::Reconnect);
                self.failures = 0;
                self.drop_data(now);
            }
            (State::Connecting, Input::Connected) => {
                // A query may have to wait until the owner has heard of what was before.
                self.enter(now, State::Waiting);
                self.query(now);
            }
            (State::Connecting, Input::ConnectFailed) => {
                self.rest(now);
                self.fail(now, Failure::Connect);
            }
            (State::Idle, _) => {}
            (_, Input::Received { octets }) => self.read(now, &octets),
            (_, Input::Closed) => {
                self.rest(now);
                self.fail(now, Failure::Closed);
            }
            (_, Input::Connected | Input::ConnectFailed) => {}
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline().into_iter().chain(self.busy_since).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Reconnect if self.is_started => self.connect(now),
                Timer::Reconnect => {}
                Timer::Query => self.query(now),
                Timer::Silence => {
                    self.hang_up(now);
                    self.fail(now, Failure::Silent);
                }
                Timer::Expire => self.expire(now),
            }
        }
        self.tell(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
