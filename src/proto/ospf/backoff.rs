//! The SPF back-off: when a change in the network leads to a calculation.
//!
//! Owns [`SpfBackoff`]: state, three timers and nothing else; what is then calculated is the
//! business of [`super::calculate`]. One exists in each OSPF machine.
//!
//! ```text
//!            IGP event                    LEARN_TIMER
//!   QUIET ─────────────▶ SHORT_WAIT ────────────────────▶ LONG_WAIT
//!     ▲                      │                                │
//!     └──── HOLDDOWN_TIMER ──┴─────────── HOLDDOWN_TIMER ─────┘
//! ```
//!
//! *Invariants*: the timer of the calculation is never put off by a further event; in `QUIET` the
//! other two timers are stopped; every router of an area uses the same delays (RFC 8405 §7).
//!
//! *Standards*: RFC 8405 §5.

use super::input::SpfDelays;
use crate::base::time::{Duration, Instant};
use crate::base::timers::TimerTable;

#[cfg(test)]
mod tests;

/// RFC 8405 §5.1: what the recent past was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackoffState {
    /// Nothing happened for a while: react at once.
    #[default]
    Quiet,
    /// Something happened: its other signs are on their way.
    ShortWait,
    /// Events go on for longer than one failure explains.
    LongWait,
}

impl BackoffState {
    /// In words, for `show`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::ShortWait => "short wait",
            Self::LongWait => "long wait",
        }
    }
}

/// RFC 8405 §5.1: the timers. Those due at the same time fire in this order: the calculation is not
/// delayed by a change of state, and an end of the hold-down wins over the end of learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackoffTimer {
    /// SPF_TIMER: the calculation runs when it fires.
    Spf,
    /// HOLDDOWN_TIMER: so long nothing must happen for `QUIET`.
    Holddown,
    /// LEARN_TIMER: so long the signs of one failure may take to arrive.
    Learn,
}

/// What moves the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BackoffEvent {
    /// An event that needs a calculation: a changed LSA, a changed adjacency.
    Igp,
    /// A timer fired.
    Fired(BackoffTimer),
}

/// What a step does to the timers, beside the new state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Effect {
    /// Start the timer of the calculation with this delay, unless it runs.
    spf: Option<Duration>,
    /// Start the hold-down anew.
    restarts_holddown: bool,
    /// Start the learning.
    starts_learn: bool,
    /// Stop the learning.
    stops_learn: bool,
    /// Calculate now.
    runs: bool,
}

/// RFC 8405 §5.2 and §5.3, an arm per transition.
fn step(state: BackoffState, event: BackoffEvent, delays: &SpfDelays) -> (BackoffState, Effect) {
    use BackoffEvent::{Fired, Igp};
    use BackoffState::{LongWait, Quiet, ShortWait};
    use BackoffTimer::{Holddown, Learn, Spf};
    let none = Effect::default();
    let held = Effect { restarts_holddown: true, ..none };
    match (state, event) {
        // Transition 1.
        (Quiet, Igp) => {
            (ShortWait, Effect { spf: Some(delays.initial), starts_learn: true, ..held })
        }
        // Transition 2.
        (ShortWait, Igp) => (ShortWait, Effect { spf: Some(delays.short), ..held }),
        // Transition 3.
        (ShortWait, Fired(Learn)) => (LongWait, none),
        // Transition 4.
        (LongWait, Igp) => (LongWait, Effect { spf: Some(delays.long), ..held }),
        // Transition 5.
        (LongWait, Fired(Holddown)) => (Quiet, none),
        // Transition 6.
        (ShortWait, Fired(Holddown)) => (Quiet, Effect { stops_learn: true, ..none }),
        // The calculation itself changes no state.
        (_, Fired(Spf)) => (state, Effect { runs: true, ..none }),
        // Stopped in these states, so they cannot fire there.
        (Quiet, Fired(Holddown | Learn)) | (LongWait, Fired(Learn)) => (state, none),
    }
}

/// When to calculate. Belongs to the OSPF machine.
#[derive(Clone, Debug)]
pub struct SpfBackoff {
    delays: SpfDelays,
    state: BackoffState,
    timers: TimerTable<BackoffTimer>,
}

impl SpfBackoff {
    /// A quiet network.
    pub fn new(delays: SpfDelays) -> Self {
        Self { delays, state: BackoffState::Quiet, timers: TimerTable::default() }
    }

    /// New delays; timers that run keep theirs.
    pub const fn set_delays(&mut self, delays: SpfDelays) {
        self.delays = delays;
    }

    /// State, for `show`.
    pub const fn state(&self) -> BackoffState {
        self.state
    }

    /// Something happened that needs a calculation.
    pub fn igp_event(&mut self, now: Instant) {
        self.settle(now);
        self.apply(now, BackoffEvent::Igp);
    }

    /// What happened so far was no change of the network: the next event is the first. A
    /// calculation that is due stays due.
    pub fn calm_down(&mut self) {
        self.state = BackoffState::Quiet;
        self.timers.clear(BackoffTimer::Holddown);
        self.timers.clear(BackoffTimer::Learn);
    }

    /// Whether a calculation is due to come.
    pub fn is_pending(&self) -> bool {
        self.timers.is_set(BackoffTimer::Spf)
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Fires what is due; `true` when the calculation shall run now.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let mut runs = false;
        while let Some(timer) = self.timers.pop_due(now) {
            runs |= self.apply(now, BackoffEvent::Fired(timer));
        }
        runs
    }

    /// Hold-down and learning that ended before an event must not see it, even where the owner
    /// comes with the event first; a calculation that is due stays due.
    fn settle(&mut self, now: Instant) {
        let spf = self.timers.deadline(BackoffTimer::Spf);
        self.timers.clear(BackoffTimer::Spf);
        let _ = self.handle_timeout(now);
        if let Some(deadline) = spf {
            self.timers.set(BackoffTimer::Spf, deadline);
        }
    }

    fn apply(&mut self, now: Instant, event: BackoffEvent) -> bool {
        let (state, effect) = step(self.state, event, &self.delays);
        self.state = state;
        if let Some(delay) = effect.spf {
            self.timers.set_if_idle(BackoffTimer::Spf, now + delay);
        }
        if effect.restarts_holddown {
            self.timers.set(BackoffTimer::Holddown, now + self.delays.holddown);
        }
        if effect.starts_learn {
            self.timers.set(BackoffTimer::Learn, now + self.delays.time_to_learn);
        }
        if effect.stops_learn {
            self.timers.clear(BackoffTimer::Learn);
        }
        effect.runs
    }
}
