//! One session: its variables, its timers, and when which interval holds.
//!
//! Owns [`Session`] and the way of an input through it. Intervals stand in three places: what the
//! settings want, what packets announce, and what is in use. The second follows the first at once,
//! with a Poll Sequence; the third follows the second when §6.8.3 allows.
//!
//! *Invariants*: after `handle` and `handle_timeout` at most [`ACTIONS_MAX`] actions wait, and a
//! view that differs from the last one told is among them. Nothing is allocated.
//! Whoever drives a session hands it the packets that wait before its timers expire.
//! *Standards*: RFC 5880 §6.5 (Poll Sequence), §6.8.1 (variables), §6.8.2 and §6.8.3 (timers),
//! §6.8.4 (detection time), §6.8.7 (transmission). Deviation: a session whose driver comes later
//! than half a detection time says nothing about the neighbour, but waits for another detection
//! time ([`Session::late_extensions`]): who did not look has not seen silence. That happens once
//! between two packets of the neighbour: who is always late would else never see one that is gone.

use super::action::Action;
use super::authentication::Sequences;
use super::input::{Input, Settings};
use super::limits::{
    ACTIONS_MAX, INTERVAL_MAX, INTERVAL_MIN, JITTER_PERCENT_MAX, JITTER_PERCENT_MIN_ALONE,
    SILENT_AFTER, SLOW_INTERVAL,
};
use super::state::{Event, step};
use super::view::View;
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::wire::bfd::{ControlPacket, Diagnostic, State};

/// bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Intervals {
    min_tx: Duration,
    min_rx: Duration,
}

/// §6.5: a Poll Sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    /// None.
    Idle,
    /// P is sent until an F comes.
    Running,
    /// The same, and what is announced has changed since: another one follows.
    Stale,
}

/// What the neighbour said last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    pub state: State,
    pub diagnostic: Diagnostic,
    /// Zero where it is not known.
    pub discriminator: u32,
    pub is_demand: bool,
    pub multiplier: u8,
    pub min_tx_us: u32,
    pub min_rx_us: u32,
}

impl Remote {
    /// §6.8.1: nothing is known of it.
    const UNKNOWN: Self = Self {
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        discriminator: 0,
        is_demand: false,
        multiplier: 0,
        min_tx_us: 0,
        min_rx_us: 1,
    };
}

/// A session; one a port that has a neighbour, owned by the worker of the port.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) settings: Settings,
    pub(super) state: State,
    diagnostic: Diagnostic,
    pub(super) discriminator: u32,
    pub(super) remote: Remote,
    since: Instant,
    /// In the packets.
    announced: Intervals,
    /// In use.
    used: Intervals,
    poll: Poll,
    pub(super) is_failed: bool,
    pub(super) is_silent: bool,
    /// When a packet was accepted last, or since when one is waited for.
    pub(super) heard_at: Instant,
    transmit_at: Option<Instant>,
    detect_at: Option<Instant>,
    /// The detection time was extended since a packet was accepted.
    is_extended: bool,
    pub(super) sequences: Sequences,
    /// Packets must tell at once what changed.
    must_tell: bool,
    /// A P waits for its F; one answers all that came since the driver looked last.
    pub(super) must_answer: bool,
    late_extensions: u64,
    shown: View,
    prng: Prng,
    actions: [Option<Action>; ACTIONS_MAX],
}

impl Session {
    /// A session that begins at `now`; `discriminator` is unique among those of this router, and
    /// `seed` starts its jitter.
    pub fn new(now: Instant, settings: Settings, discriminator: u32, seed: u64) -> Self {
        let mut prng = Prng::new(seed);
        let settings = bounded(settings);
        let state = if settings.is_enabled { State::Down } else { State::AdminDown };
        let announced = wanted(&settings, state);
        let sequences = Sequences::new(&mut prng);
        let mut session = Self {
            settings,
            state,
            diagnostic: Diagnostic::NONE,
            discriminator,
            remote: Remote::UNKNOWN,
            since: now,
            announced,
            used: announced,
            poll: Poll::Idle,
            is_failed: false,
            is_silent: false,
            heard_at: now,
            transmit_at: None,
            detect_at: None,
            is_extended: false,
            sequences,
            must_tell: true,
            must_answer: false,
            late_extensions: 0,
            shown: NOTHING,
            prng,
            actions: [const { None }; ACTIONS_MAX],
        };
        session.settle(now);
        session
    }

    /// How it runs.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it shows.
    pub fn view(&self) -> View {
        View {
            state: self.state,
            remote_state: self.remote.state,
            diagnostic: self.diagnostic,
            remote_diagnostic: self.remote.diagnostic,
            discriminator: self.discriminator,
            remote_discriminator: self.remote.discriminator,
            is_failed: self.is_failed,
            is_silent: self.is_silent,
            since: self.since,
            transmit_interval: self.transmit_interval(),
            receive_interval: self.receive_interval(),
            detection_time: self.detection_time(),
            multiplier: self.settings.multiplier,
            remote_multiplier: self.remote.multiplier,
            is_polling: self.poll != Poll::Idle,
            is_authenticated: self.settings.key.is_some(),
        }
    }

    /// How often the detection time was extended because nobody had looked.
    pub const fn late_extensions(&self) -> u64 {
        self.late_extensions
    }

    /// The neighbour's packets come this often at most.
    fn receive_interval(&self) -> Duration {
        self.used.min_rx.max(micros(self.remote.min_tx_us))
    }

    /// §6.8.4: "the value of Detect Mult received from the remote system, multiplied by the agreed
    /// transmit interval of the remote system".
    pub(super) fn detection_time(&self) -> Duration {
        self.receive_interval() * u32::from(self.remote.multiplier)
    }

    /// §6.8.7: when packets are sent without being asked for.
    fn transmit_interval(&self) -> Option<Duration> {
        let is_demanded = self.remote.is_demand
            && (self.state, self.remote.state) == (State::Up, State::Up)
            && self.poll == Poll::Idle;
        // "A system MUST NOT periodically transmit BFD Control packets if bfd.RemoteMinRxInterval
        // is zero."
        let is_wanted = self.remote.min_rx_us > 0 && !is_demanded;
        is_wanted.then(|| self.used.min_tx.max(micros(self.remote.min_rx_us)))
    }

    /// §6.8.7: "the interval MUST be reduced by a random value of 0 to 25%"; where the multiplier
    /// is one, by 10 to 25 %.
    fn jittered(&mut self, interval: Duration) -> Duration {
        let least = if self.settings.multiplier == 1 { JITTER_PERCENT_MIN_ALONE } else { 0 };
        let percent = |part: u32| interval * (100 - part) / 100;
        self.prng.between(percent(JITTER_PERCENT_MAX), percent(least))
    }

    /// Something happens to the state.
    pub(super) fn happen(&mut self, now: Instant, event: Event) {
        let Some((state, diagnostic)) = step(self.state, event) else { return };
        let was_up = self.state == State::Up;
        // RFC 5882 §4.2: an administrator says nothing of the way to the neighbour.
        let is_failure = event != Event::Received(State::AdminDown);
        self.is_failed = match state {
            State::Down => self.is_failed || was_up && is_failure,
            State::Init => self.is_failed,
            State::AdminDown | State::Up => false,
        };
        (self.state, self.diagnostic, self.since) = (state, diagnostic, now);
        self.must_tell = true;
    }

    /// Announces what settings and state want, and uses what may be used at once.
    fn retune(&mut self) {
        let wanted = wanted(&self.settings, self.state);
        if wanted != self.announced {
            self.announced = wanted;
            self.must_tell = true;
            // Whoever is not known cannot be polled.
            self.poll = match self.poll {
                _ if self.remote.discriminator == 0 => Poll::Idle,
                Poll::Idle => Poll::Running,
                Poll::Running | Poll::Stale => Poll::Stale,
            };
        }
        let (used, announced) = (&mut self.used, self.announced);
        let must_wait = self.state == State::Up && self.poll != Poll::Idle;
        // §6.8.3: "If bfd.DesiredMinTxInterval is increased and bfd.SessionState is Up, the actual
        // transmission interval used MUST NOT change until the Poll Sequence … has terminated."
        if !must_wait || announced.min_tx < used.min_tx {
            used.min_tx = announced.min_tx;
        }
        // "If bfd.RequiredMinRxInterval is reduced and bfd.SessionState is Up, the previous value
        // … MUST be used when calculating the Detection Time … until the Poll Sequence … has
        // terminated."
        if !must_wait || announced.min_rx > used.min_rx {
            used.min_rx = announced.min_rx;
        }
    }

    /// An F came.
    pub(super) fn finish_poll(&mut self, now: Instant) {
        match self.poll {
            Poll::Idle => return,
            Poll::Running => self.poll = Poll::Idle,
            Poll::Stale => {
                self.poll = Poll::Running;
                self.must_tell = true;
            }
        }
        self.retune();
        self.hasten(now);
    }

    /// §6.8.3: a shorter interval holds from now on, not from the next packet on.
    pub(super) fn hasten(&mut self, now: Instant) {
        let Some(interval) = self.transmit_interval() else {
            self.transmit_at = None;
            return;
        };
        if self.transmit_at.is_none_or(|at| at > now + interval) {
            self.transmit_at = Some(now + self.jittered(interval));
        }
    }

    /// A packet was accepted: the next one is due within the detection time.
    pub(super) fn expect(&mut self, now: Instant) {
        self.detect_at = Some(now + self.detection_time());
        self.is_extended = false;
    }

    /// The end of every input: what changed is told.
    fn settle(&mut self, now: Instant) {
        self.retune();
        self.hasten(now);
        if core::mem::take(&mut self.must_answer) {
            self.send_final();
        }
        if core::mem::take(&mut self.must_tell) && self.remote.min_rx_us > 0 {
            self.transmit(now);
        }
        let view = self.view();
        if view != self.shown {
            self.shown = view;
            self.act(Action::Changed(view));
        }
    }

    fn transmit(&mut self, now: Instant) {
        let interval = self.transmit_interval();
        self.transmit_at = interval.map(|interval| now + self.jittered(interval));
        let is_poll = self.poll != Poll::Idle;
        self.send(ControlPacket { is_poll, ..self.packet() });
    }

    /// Answers a P. "A BFD Control packet MUST NOT have both the Poll (P) and Final (F) bits set."
    fn send_final(&mut self) {
        self.send(ControlPacket { is_final: true, ..self.packet() });
    }

    fn packet(&self) -> ControlPacket {
        ControlPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            is_poll: false,
            is_final: false,
            // RFC 5882 §4.3.2: sessions live on when the control plane does not.
            is_control_plane_independent: true,
            is_demand: false,
            multiplier: self.settings.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx_us: in_micros(self.announced.min_tx),
            required_min_rx_us: in_micros(self.announced.min_rx),
            required_min_echo_rx_us: 0,
            authentication: None,
        }
    }

    fn send(&mut self, packet: ControlPacket) {
        let octets = self.sequences.sign(packet, self.settings.key.as_ref());
        self.act(Action::Send(octets));
    }

    fn act(&mut self, action: Action) {
        let free = self.actions.iter_mut().find(|slot| slot.is_none());
        debug_assert!(free.is_some(), "actions are taken after every input");
        if let Some(slot) = free {
            *slot = Some(action);
        }
    }

    fn set(&mut self, now: Instant, settings: Settings) {
        let before = core::mem::replace(&mut self.settings, bounded(settings));
        if before.multiplier != self.settings.multiplier || before.key != self.settings.key {
            self.must_tell = true;
        }
        if before.key != self.settings.key {
            self.sequences.forget_received();
        }
        match self.settings.is_enabled {
            true => self.happen(now, Event::Enabled),
            false => self.happen(now, Event::Disabled),
        }
    }

    /// The detection time is over.
    fn expire(&mut self, now: Instant) {
        self.detect_at = None;
        self.happen(now, Event::Expired);
        // §6.8.1: bfd.RemoteDiscr "MUST be set to zero" when nothing was heard for a detection
        // time. What else it said holds no more either: it may come back as another one.
        let Remote { diagnostic, multiplier, min_tx_us, .. } = self.remote;
        self.remote = Remote { diagnostic, multiplier, min_tx_us, ..Remote::UNKNOWN };
        self.poll = Poll::Idle;
    }

    fn silent_at(&self) -> Option<Instant> {
        let is_waiting = self.state == State::Down && !self.is_silent;
        is_waiting.then(|| self.heard_at + SILENT_AFTER)
    }
}

impl Machine for Session {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            // Who counts refusals calls `receive` itself, then `handle_timeout`.
            Input::Packet { packet, octets } => {
                let _ = self.receive(now, &packet, &octets);
            }
            Input::Settings(settings) => self.set(now, settings),
        }
        self.settle(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.transmit_at, self.detect_at, self.silent_at()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        let due_at = self.next_deadline().unwrap_or(Instant::MAX);
        let detection_time = self.detection_time();
        if let Some(detect_at) = self.detect_at
            && !self.is_extended
            && now - due_at > detection_time / 2
            && detect_at < now + detection_time
        {
            self.detect_at = Some(now + detection_time);
            self.is_extended = true;
            self.late_extensions += 1;
        }
        if self.detect_at.is_some_and(|at| at <= now) {
            self.expire(now);
        }
        if self.silent_at().is_some_and(|at| at <= now) {
            self.is_silent = true;
        }
        if self.transmit_at.is_some_and(|at| at <= now) {
            self.transmit_at = None;
            self.must_tell = true;
        }
        self.settle(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        let oldest = self.actions.first_mut()?.take();
        self.actions.rotate_left(1);
        oldest
    }
}

/// What no session shows, so that a new one tells of itself.
const NOTHING: View = View {
    state: State::AdminDown,
    remote_state: State::AdminDown,
    diagnostic: Diagnostic::NONE,
    remote_diagnostic: Diagnostic::NONE,
    discriminator: 0,
    remote_discriminator: 0,
    is_failed: false,
    is_silent: false,
    since: Instant::ZERO,
    transmit_interval: None,
    receive_interval: Duration::ZERO,
    detection_time: Duration::ZERO,
    multiplier: 0,
    remote_multiplier: 0,
    is_polling: false,
    is_authenticated: false,
};

/// The intervals that settings want in a state.
fn wanted(settings: &Settings, state: State) -> Intervals {
    let min_tx = match state {
        State::Up => settings.desired_min_tx,
        _ => settings.desired_min_tx.max(SLOW_INTERVAL),
    };
    Intervals { min_tx, min_rx: settings.required_min_rx }
}

/// No settings turn a timer into a loop.
fn bounded(settings: Settings) -> Settings {
    Settings {
        desired_min_tx: settings.desired_min_tx.clamp(INTERVAL_MIN, INTERVAL_MAX),
        required_min_rx: settings.required_min_rx.clamp(INTERVAL_MIN, INTERVAL_MAX),
        multiplier: settings.multiplier.max(1),
        ..settings
    }
}

fn micros(count: u32) -> Duration {
    Duration::from_micros(u64::from(count))
}

fn in_micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}
