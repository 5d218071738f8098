//! Whether this router was itself too late to judge others by their silence.
//!
//! Owns [`Punctuality`]. A thread that the machine did not let run finds its timers expired and,
//! behind them, the hellos which would have kept them from expiring: in the rings of the workers,
//! or, where a worker did not run, in those of the kernel. Timers then wait until every worker has
//! taken what had come.
//!
//! ```text
//!   due, all on time ─► judge        due, somebody late ─► hold ── loops done ─► judge
//!                                                           └──── HOLD_MAX ───► judge
//! ```
//!
//! *Invariants*: pure; time and the workers' loops come in. No hold lasts longer than
//! [`HOLD_MAX`], and a worker that runs no more holds timers once only. Everything else of the
//! router goes on meanwhile: nothing could be sent through a worker that does not run.
//! *Standards*: RFC 4222 §2, hellos before everything else.

use crate::base::time::{Duration, Instant};

/// How late a thread may be: a sixth of the shortest dead interval that is the default, far more
/// than the 100 ms after which an idle worker looks around.
const LATE_MIN: Duration = Duration::from_millis(500);
/// Loops after which a worker has taken what had come: it takes 64 packets of each port in one, and
/// a full ring has 512.
const LOOPS_MIN: u64 = 16;
/// How long timers wait for a worker.
pub const HOLD_MAX: Duration = Duration::from_secs(2);

/// What to do with a timer that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it expire.
    Judge,
    /// Wake the workers and let it wait; it was found late just now.
    Hold,
    /// Let it wait on.
    Wait,
}

/// What was last seen of a worker.
#[derive(Clone, Copy, Debug)]
struct Seen {
    loops: u64,
    at: Instant,
    /// Its loops when the hold began.
    held_loops: u64,
    /// It did not come in the last hold, nor since.
    is_given_up: bool,
}

/// The watch; one per router, owned by the control thread.
#[derive(Debug, Default)]
pub struct Punctuality {
    workers: Vec<Seen>,
    held_since: Option<Instant>,
}

impl Punctuality {
    /// Notes how many loops each worker has run; called at every turn of the control thread.
    pub fn look(&mut self, now: Instant, loops: impl Iterator<Item = u64>) {
        for (index, loops) in loops.enumerate() {
            match self.workers.get_mut(index) {
                Some(seen) if seen.loops == loops => {}
                Some(seen) => {
                    *seen = Seen { loops, at: now, is_given_up: false, ..*seen };
                }
                None => {
                    self.workers.push(Seen { loops, at: now, held_loops: 0, is_given_up: false })
                }
            }
        }
    }

    /// Whether timers wait.
    pub const fn is_holding(&self) -> bool {
        self.held_since.is_some()
    }

    /// What to do with a timer that was due at `due`, after a look at `now`.
    pub fn judge(&mut self, now: Instant, due: Instant) -> Verdict {
        let Some(since) = self.held_since else {
            let is_late = |seen: &Seen| !seen.is_given_up && now - seen.at >= LATE_MIN;
            if now - due < LATE_MIN && !self.workers.iter().any(is_late) {
                return Verdict::Judge;
            }
            self.held_since = Some(now);
            self.workers.iter_mut().for_each(|seen| seen.held_loops = seen.loops);
            return Verdict::Hold;
        };
        let is_done = |seen: &Seen| seen.is_given_up || seen.loops - seen.held_loops >= LOOPS_MIN;
        if now - since < HOLD_MAX && !self.workers.iter().all(is_done) {
            return Verdict::Wait;
        }
        self.held_since = None;
        for seen in &mut self.workers {
            seen.is_given_up |= !is_done(seen);
        }
        Verdict::Judge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_millis(milliseconds)
    }

    #[test]
    fn a_router_that_is_on_time_judges_at_once() {
        let mut watch = Punctuality::default();
        watch.look(at(0), [7].into_iter());
        watch.look(at(400), [8].into_iter());
        assert_eq!(watch.judge(at(400), at(399)), Verdict::Judge);
    }

    #[test]
    fn a_late_control_thread_lets_the_workers_look_first() {
        let mut watch = Punctuality::default();
        watch.look(at(0), [7].into_iter());
        watch.look(at(5000), [8].into_iter());
        assert_eq!(watch.judge(at(5000), at(3000)), Verdict::Hold);
        watch.look(at(5001), [8 + LOOPS_MIN - 1].into_iter());
        assert_eq!(watch.judge(at(5001), at(3000)), Verdict::Wait);
        watch.look(at(5002), [8 + LOOPS_MIN].into_iter());
        assert_eq!(watch.judge(at(5002), at(3000)), Verdict::Judge);
        assert!(!watch.is_holding());
    }

    #[test]
    fn a_worker_that_was_starved_holds_the_timers() {
        let mut watch = Punctuality::default();
        watch.look(at(0), [7, 1].into_iter());
        watch.look(at(1000), [9, 1].into_iter());
        assert_eq!(watch.judge(at(1000), at(1000)), Verdict::Hold);
        watch.look(at(1100), [99, 1].into_iter());
        assert_eq!(watch.judge(at(1100), at(1000)), Verdict::Wait);
        watch.look(at(1200), [100, 50].into_iter());
        assert_eq!(watch.judge(at(1200), at(1000)), Verdict::Judge);
    }

    #[test]
    fn a_worker_that_does_not_run_at_all_is_waited_for_once() {
        let mut watch = Punctuality::default();
        watch.look(at(0), [7].into_iter());
        assert_eq!(watch.judge(at(1000), at(1000)), Verdict::Hold);
        let end = at(1000) + HOLD_MAX;
        assert_eq!(watch.judge(end, at(1000)), Verdict::Judge);
        assert_eq!(watch.judge(end, end), Verdict::Judge, "given up");
        // It runs again, and counts again.
        watch.look(end, [8].into_iter());
        let later = end + LATE_MIN;
        assert_eq!(watch.judge(later, later), Verdict::Hold);
    }
}
