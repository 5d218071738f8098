//! How the cookies of a tenant change without loss: one epoch after another, two at a time.
//!
//! ```text
//!            interval                lead                        grace
//!  Steady ─────────────> Opening ─────────────> Closing ───────────────────> Steady
//!  e                     e, takes e+1 too       says e+1, takes e too        e+1
//!
//!  Steady, Opening ── a life before said e ──> Closing: says e, takes its own too
//! ```
//!
//! Owns [`Epoch`] of one tenant on this router, which is the receiver: what it says others use, at
//! different times; so it takes the next before it says it and the last after it said it.
//!
//! An epoch has no order and nobody compares two of them, so it needs no memory over restarts: the
//! first is random. Where an announcement of the life before is still in the network, others use
//! its epoch; this router goes on with that one. What it began with is taken as well, because it
//! may have been said already. The next change goes on counting from there.
//!
//! *Invariants*: at most two epochs are taken; the one that is said is taken.

use super::limits::{ROTATION_GRACE, ROTATION_LEAD};
use crate::base::time::Duration;

/// Where a change of cookies is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// There is none.
    Steady,
    /// The next epoch is taken, and not said yet.
    Opening,
    /// The last epoch is taken still, and not said any more.
    Closing,
}

impl Phase {
    /// In words, for a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Opening => "opening",
            Self::Closing => "closing",
        }
    }
}

/// What happens to an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its phase has lasted long enough.
    Due,
    /// A life before has said this one.
    Earlier(u32),
}

/// The epochs of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// What others are told.
    pub said: u32,
    /// What is taken as well.
    pub other: Option<u32>,
    /// Where its change is.
    pub phase: Phase,
}

impl Epoch {
    /// The first one.
    pub const fn new(said: u32) -> Self {
        Self { said, other: None, phase: Phase::Steady }
    }

    /// What follows from an event; `None` where nothing does.
    pub fn step(self, event: Event) -> Option<Self> {
        let Self { said, other, phase } = self;
        match (phase, event) {
            (_, Event::Earlier(earlier)) if earlier == said => None,
            // It is taken already; two routers with one name would go on like this for ever.
            (Phase::Closing, Event::Earlier(_)) => None,
            (Phase::Steady | Phase::Opening, Event::Earlier(earlier)) => {
                Some(Self { said: earlier, other: Some(said), phase: Phase::Closing })
            }
            (Phase::Steady, Event::Due) => {
                let other = Some(said.wrapping_add(1));
                Some(Self { said, other, phase: Phase::Opening })
            }
            (Phase::Opening, Event::Due) => {
                let next = other.unwrap_or(said);
                Some(Self { said: next, other: Some(said), phase: Phase::Closing })
            }
            (Phase::Closing, Event::Due) => Some(Self { said, other: None, phase: Phase::Steady }),
        }
    }

    /// How long its phase lasts; `None` for ever. Without a change that is `interval`.
    pub const fn duration(self, interval: Option<Duration>) -> Option<Duration> {
        match self.phase {
            Phase::Steady => interval,
            Phase::Opening => Some(ROTATION_LEAD),
            Phase::Closing => Some(ROTATION_GRACE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn epoch(said: u32, other: Option<u32>, phase: Phase) -> Epoch {
        Epoch { said, other, phase }
    }

    #[test]
    fn every_event_in_every_phase() {
        use Event::{Due, Earlier};
        use Phase::{Closing, Opening, Steady};
        let steady = epoch(7, None, Steady);
        let opening = epoch(7, Some(8), Opening);
        let closing = epoch(8, Some(7), Closing);
        let table = [
            (steady, Due, Some(opening)),
            (steady, Earlier(7), None),
            (steady, Earlier(3), Some(epoch(3, Some(7), Closing))),
            (opening, Due, Some(closing)),
            (opening, Earlier(7), None),
            (opening, Earlier(3), Some(epoch(3, Some(7), Closing))),
            (closing, Due, Some(epoch(8, None, Steady))),
            (closing, Earlier(8), None),
            (closing, Earlier(7), None),
            (closing, Earlier(3), None),
        ];
        for (before, event, after) in table {
            assert_eq!(before.step(event), after, "{before:?} {event:?}");
        }
    }

    #[test]
    fn what_is_said_was_taken_before_and_is_taken_afterwards() {
        let mut epoch = Epoch::new(u32::MAX - 1);
        for _ in 0..12 {
            let next = epoch.step(Event::Due).unwrap();
            let takes = |epoch: Epoch, number| epoch.said == number || epoch.other == Some(number);
            assert!(takes(epoch, next.said), "said before it is taken");
            assert!(takes(next, epoch.said), "not taken any more, and just said");
            epoch = next;
        }
        assert_eq!(epoch, Epoch::new(2), "four changes, over the end of the numbers");
    }
}
