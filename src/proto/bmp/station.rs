//! One monitoring station.
//!
//! Owns [`Station`]: one for each, owned by the control plane. It connects, says when a station is
//! to be told everything, keeps what waits for room, and gives up a station that does not read.
//! What is news while it waits is kept as a name, and each name once, so that the octets are made
//! from what holds when there is room (RFC 7854 §5, state compression): what flaps waits no longer
//! than what does not, and a station that is slow hears less of it.
//!
//! ```text
//!            Start             Connected
//!   Idle -----------> Connecting -------> Up ---+
//!    ^ ^                  |               |     | messages wait, nothing is read
//!    | +------------------+               |     |
//!    +---- failed, closed: after a while -+-----+
//! ```
//!
//! *Invariants*: messages leave before names, so that no route is told of a session that is not
//! up for the station; each in the order in which they came, and a name that waits does not come
//! again. No more octets are on their way than [`IN_FLIGHT_OCTETS_MAX`] and a message. Where more
//! names would wait than [`NAMES_MAX`], all are forgotten and everything is told from the
//! beginning: nobody is cut off for what others say.
//! *Standards*: RFC 7854 §3.2 (connecting), §3.3 (from the first message to the last), §5.

use super::limits::{
    CONNECT_TIME_MAX, IN_FLIGHT_OCTETS_MAX, MESSAGE_OCTETS_MAX, NAMES_MAX, RECONNECT_TIME_MAX,
    RECONNECT_TIME_MIN, STALL_TIME_MAX,
};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::base::timers::TimerTable;
use core::fmt;
use std::collections::{BTreeSet, VecDeque};

crate::counters! {
    /// What a station counted since it was made.
    pub struct Counters {
        @normal connects: "connections", "Connections to the station that were tried.";
        connects_failed: "connections", "Connections to the station that could not be opened.";
        @normal up: "connections", "Connections that came up.";
        lost: "connections", "Connections that the station or the network ended.";
        overflowed: "connections", "Connections ended because too many messages waited for them.";
        renewed: "times", "Times the station was told everything again because it fell behind.";
        stalled: "connections", "Connections ended because the station did not read.";
        @normal octets: "octets", "Octets that were sent.";
    }
}

/// A path of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathName {
    /// The peer.
    pub peer: u16,
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// Its Path Identifier.
    pub path_id: u32,
}

/// Something of which a station is to be told what holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// What a peer says of a prefix.
    Received(PathName),
    /// What the policies make of it.
    Imported(PathName),
    /// What is best for a prefix.
    Best(Ipv6Prefix),
}

/// Something that a station is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message that is made already.
    Message(Vec<u8>),
    /// Something to be looked up.
    Name(Name),
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no connection.
    Idle,
    /// One is being opened.
    Connecting,
    /// It is told.
    Up,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Up => "up",
        })
    }
}

/// Why there is no connection any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It could not be opened.
    #[error("no connection")]
    Connect,
    /// The station closed it, or it broke.
    #[error("the station closed the connection")]
    Closed,
    /// More messages wait for it than may.
    #[error("the station reads too slowly: too many messages wait for it")]
    Overflow,
    /// It reads nothing.
    #[error("the station reads nothing")]
    Stalled,
}

/// What may happen to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// It shall be told.
    Start,
    /// It shall not, and hears these last octets.
    Stop(Vec<u8>),
    /// The connection stands.
    Connected,
    /// It does not.
    ConnectFailed,
    /// Octets were taken.
    Sent {
        /// How many.
        octet_count: usize,
    },
    /// The connection is gone.
    Closed,
}

/// What it wants done.
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
    /// The connection stands: everything has to be told from the beginning.
    Begin,
    /// It has fallen behind: everything has to be told from the beginning on the same connection,
    /// and what it knows is to be forgotten before.
    Renew,
    /// There is none any more, and why.
    End(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The connection is tried again.
    Reconnect,
    /// It has taken too long.
    Connect,
    /// Nothing was read for too long.
    Stall,
}

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// How far it is.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Messages and names that wait.
    pub waiting_count: usize,
    /// Octets on their way.
    pub in_flight_octets: usize,
    /// When it is tried again.
    pub next_at: Option<Instant>,
    /// Why the last connection ended.
    pub last_failure: Option<Failure>,
    /// What was counted.
    pub counters: Counters,
}

/// A station.
#[derive(Debug)]
pub struct Station {
    state: State,
    since: Instant,
    is_started: bool,
    failures: u32,
    last_failure: Option<Failure>,
    messages: VecDeque<Vec<u8>>,
    message_octets: usize,
    /// In the order in which they came.
    queue: VecDeque<Name>,
    /// The same.
    names: BTreeSet<Name>,
    in_flight_octets: usize,
    timers: TimerTable<Timer>,
    counters: Counters,
    actions: VecDeque<Action>,
}

impl Station {
    /// One that is not started.
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Idle,
            since: now,
            is_started: false,
            failures: 0,
            last_failure: None,
            messages: VecDeque::new(),
            message_octets: 0,
            queue: VecDeque::new(),
            names: BTreeSet::new(),
            in_flight_octets: 0,
            timers: TimerTable::default(),
            counters: Counters::default(),
            actions: VecDeque::new(),
        }
    }

    /// Whether it is told.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether nothing waits.
    pub fn is_drained(&self) -> bool {
        self.messages.is_empty() && self.queue.is_empty()
    }

    /// Whether more octets may be sent.
    pub fn has_room(&self) -> bool {
        self.is_up() && self.in_flight_octets < IN_FLIGHT_OCTETS_MAX
    }

    /// What it shows.
    pub fn view(&self) -> View {
        View {
            state: self.state,
            since: self.since,
            waiting_count: self.messages.len() + self.queue.len(),
            in_flight_octets: self.in_flight_octets,
            next_at: self.timers.deadline(Timer::Reconnect),
            last_failure: self.last_failure,
            counters: self.counters,
        }
    }

    /// A message to send; nothing where it is not up. More than may wait end the connection.
    pub fn push_message(&mut self, now: Instant, octets: Vec<u8>) {
        if !self.is_up() || octets.is_empty() {
            return;
        }
        self.message_octets += octets.len();
        self.messages.push_back(octets);
        if self.message_octets > MESSAGE_OCTETS_MAX {
            self.counters.overflowed += 1;
            self.actions.push_back(Action::Close);
            self.fail(now, Failure::Overflow);
        }
    }

    /// Something of which it is to be told what holds; nothing where it is not up, or will be.
    pub fn push_name(&mut self, name: Name) {
        if !self.is_up() || !self.names.insert(name) {
            return;
        }
        self.queue.push_back(name);
        if self.queue.len() > NAMES_MAX {
            self.counters.renewed += 1;
            self.forget_names();
            self.actions.push_back(Action::Renew);
        }
    }

    /// What is next.
    pub fn pop(&mut self) -> Option<Item> {
        if let Some(octets) = self.messages.pop_front() {
            self.message_octets -= octets.len();
            return Some(Item::Message(octets));
        }
        let name = self.queue.pop_front()?;
        self.names.remove(&name);
        if self.queue.is_empty() {
            // A queue that was long once does not stay so.
            self.queue.shrink_to(1 << 10);
        }
        Some(Item::Name(name))
    }

    fn forget_names(&mut self) {
        self.queue = VecDeque::new();
        self.names = BTreeSet::new();
    }

    /// Octets that were made of items.
    pub fn send(&mut self, now: Instant, octets: Vec<u8>) {
        if !self.is_up() || octets.is_empty() {
            return;
        }
        self.in_flight_octets += octets.len();
        self.counters.octets += octets.len() as u64;
        self.timers.set_if_idle(Timer::Stall, now + STALL_TIME_MAX);
        self.actions.push_back(Action::Send { octets });
    }

    fn enter(&mut self, now: Instant, state: State) {
        self.state = state;
        self.since = now;
    }

    fn connect(&mut self, now: Instant) {
        self.counters.connects += 1;
        self.timers.set(Timer::Connect, now + CONNECT_TIME_MAX);
        self.enter(now, State::Connecting);
        self.actions.push_back(Action::Connect);
    }

    fn rest(&mut self, now: Instant) {
        self.messages = VecDeque::new();
        (self.message_octets, self.in_flight_octets) = (0, 0);
        self.forget_names();
        self.timers.clear(Timer::Connect);
        self.timers.clear(Timer::Stall);
        self.enter(now, State::Idle);
    }

    fn fail(&mut self, now: Instant, failure: Failure) {
        self.rest(now);
        let wait = RECONNECT_TIME_MIN.saturating_mul(1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.timers.set(Timer::Reconnect, now + wait.min(RECONNECT_TIME_MAX));
        self.last_failure = Some(failure);
        self.actions.push_back(Action::End(failure));
    }
}

impl Machine for Station {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        match (self.state, input) {
            (_, Input::Start) => {
                if !core::mem::replace(&mut self.is_started, true) {
                    self.connect(now);
                }
            }
            (state, Input::Stop(octets)) => {
                self.is_started = false;
                self.timers.clear(Timer::Reconnect);
                self.send(now, octets);
                if state != State::Idle {
                    self.actions.push_back(Action::Close);
                }
                self.rest(now);
            }
            (State::Connecting, Input::Connected) => {
                self.counters.up += 1;
                self.timers.clear(Timer::Connect);
                self.enter(now, State::Up);
                self.actions.push_back(Action::Begin);
            }
            (State::Connecting, Input::ConnectFailed | Input::Closed) => {
                self.counters.connects_failed += 1;
                self.fail(now, Failure::Connect);
            }
            (State::Up, Input::Sent { octet_count }) => {
                // One that reads has earned a short wait the next time.
                self.failures = 0;
                self.in_flight_octets = self.in_flight_octets.saturating_sub(octet_count);
                match self.in_flight_octets {
                    0 => self.timers.clear(Timer::Stall),
                    _ => self.timers.set(Timer::Stall, now + STALL_TIME_MAX),
                }
            }
            (State::Up, Input::Closed) => {
                self.counters.lost += 1;
                self.fail(now, Failure::Closed);
            }
            (State::Idle | State::Connecting | State::Up, _) => {}
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Reconnect => self.connect(now),
                Timer::Connect => {
                    self.counters.connects_failed += 1;
                    self.actions.push_back(Action::Close);
                    self.fail(now, Failure::Connect);
                }
                Timer::Stall => {
                    self.counters.stalled += 1;
                    self.actions.push_back(Action::Close);
                    self.fail(now, Failure::Stalled);
                }
            }
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
