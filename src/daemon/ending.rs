//! The end of a router in order: drained first, then the good-bye, then silence.
//!
//! A neighbour that hears the good-bye finds another way within milliseconds, and those behind it
//! a little later. So nobody shall need this router by then: it asks to be left out of paths, goes
//! on forwarding, and says good-bye when nothing passes through it any more. After that it
//! forwards on while the good-bye travels.
//!
//! Owns [`Ending`], the order and the times. What is said is the control plane's.
//!
//! *Invariants*: an end takes at most [`DRAIN_TIME_MAX`] and [`LINGER`], whatever passes through.
//! *Standards*: RFC 6987 §2 (a router that is about to be taken out of service).

use crate::base::time::{Duration, Instant};

/// The least that neighbours are given to hear of the wish and to calculate.
pub const DRAIN_TIME_MIN: Duration = Duration::from_millis(300);
/// The most: routers that take changes over in order wait up to a second, and two and a half more
/// for one that keeps no order; they have moved by then. A router that nobody can do without ends
/// all the same.
pub const DRAIN_TIME_MAX: Duration = Duration::from_millis(4000);
/// How long nothing must have passed.
pub const QUIET_TIME: Duration = Duration::from_millis(100);
/// How long neighbours are given to hear the good-bye.
pub const LINGER: Duration = Duration::from_millis(100);
/// How often it is looked whether something passed.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// The good-bye.
    GoodBye,
    /// The end.
    End,
}

/// A router that is about to end; at most one, owned by the control thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    began: Instant,
    transit: u64,
    quiet_since: Instant,
    ends_at: Option<Instant>,
}

impl Ending {
    /// Begins; `transit` packets have passed so far.
    pub const fn begin(now: Instant, transit: u64) -> Self {
        Self { began: now, transit, quiet_since: now, ends_at: None }
    }

    /// Whether the good-bye was due already.
    pub const fn is_leaving(&self) -> bool {
        self.ends_at.is_some()
    }

    /// What is due now that `transit` packets have passed; without neighbours nobody is waited for.
    pub fn look(&mut self, now: Instant, transit: u64, has_neighbors: bool) -> Due {
        if let Some(ends_at) = self.ends_at {
            return if ends_at <= now { Due::End } else { Due::Nothing };
        }
        if core::mem::replace(&mut self.transit, transit) != transit {
            self.quiet_since = now;
        }
        let is_left = now - self.began >= DRAIN_TIME_MIN && now - self.quiet_since >= QUIET_TIME;
        if has_neighbors && !is_left && now - self.began < DRAIN_TIME_MAX {
            return Due::Nothing;
        }
        self.ends_at = Some(now + LINGER);
        Due::GoodBye
    }

    /// When to look again.
    pub fn next_look(&self, now: Instant) -> Instant {
        self.ends_at.unwrap_or(now + LOOK_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Instant = Instant::from_millis(1000);

    /// Milliseconds until the good-bye when a packet passes every so many milliseconds.
    fn drained_after(ending: &mut Ending, stop_ms: u64) -> u64 {
        let at = |ms: u64| BEGAN + Duration::from_millis(ms);
        let due = (0..).find(|ms| ending.look(at(*ms), (*ms).min(stop_ms), true) == Due::GoodBye);
        due.unwrap()
    }

    #[test]
    fn the_good_bye_waits_until_nothing_passes() {
        assert_eq!(drained_after(&mut Ending::begin(BEGAN, 0), 0), 300);
        assert_eq!(drained_after(&mut Ending::begin(BEGAN, 0), 700), 800);
        assert_eq!(drained_after(&mut Ending::begin(BEGAN, 0), 9999), 4000, "not for ever");
    }

    #[test]
    fn nobody_is_waited_for_where_nobody_is() {
        let mut ending = Ending::begin(BEGAN, 5);
        assert_eq!(ending.look(BEGAN, 5, false), Due::GoodBye);
        assert!(ending.is_leaving());
        assert_eq!(ending.look(BEGAN, 5, false), Due::Nothing);
        assert_eq!(ending.look(ending.next_look(BEGAN), 9, false), Due::End);
    }
}
