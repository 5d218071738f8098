//! How long the turns of the control thread take: what a hello waits for at most.
//!
//! Owns [`Turns`]. A turn begins when the thread has woken up, or with the end of the one before,
//! and ends when it looks at its queues again; what it sleeps does not count.
//!
//! *Invariants*: no memory is taken after the start, whatever the turns take.

use crate::base::time::Duration;
use hdrhistogram::Histogram;

/// Longer turns count as this long: a minute, in microseconds.
const TURN_US_MAX: u64 = 60_000_000;
/// Significant digits: values are right within a hundredth.
const DIGITS: u8 = 2;

/// All turns of one life of the control thread; one exists, owned by that thread.
#[derive(Debug)]
pub struct Turns {
    microseconds: Histogram<u64>,
}

impl Default for Turns {
    fn default() -> Self {
        let microseconds = Histogram::new_with_bounds(1, TURN_US_MAX, DIGITS)
            .unwrap_or_else(|_| unreachable!("constant bounds"));
        Self { microseconds }
    }
}

impl Turns {
    /// Notes a turn.
    pub fn note(&mut self, turn: Duration) {
        let microseconds = u64::try_from(turn.as_micros()).unwrap_or(TURN_US_MAX);
        self.microseconds.saturating_record(microseconds);
    }

    /// Turns so far.
    pub fn count(&self) -> u64 {
        self.microseconds.len()
    }

    /// The time that 999 of 1000 turns do not exceed, in microseconds.
    pub fn p999_us(&self) -> u64 {
        self.microseconds.value_at_quantile(0.999)
    }

    /// The longest, in microseconds.
    pub fn max_us(&self) -> u64 {
        self.microseconds.max()
    }

    /// Says what there was, for the log.
    pub fn tell(&self) {
        let (count, p999_us, max_us) = (self.count(), self.p999_us(), self.max_us());
        tracing::info!(topic = "daemon.control", count, p999_us, max_us, "turns");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_turn_in_a_thousand_is_beyond_the_percentile_and_two_are_not() {
        let mut turns = Turns::default();
        (0..998).for_each(|_| turns.note(Duration::from_micros(50)));
        turns.note(Duration::from_millis(20));
        turns.note(Duration::from_micros(50));
        assert_eq!((turns.count(), turns.p999_us()), (1000, 50));
        turns.note(Duration::from_millis(20));
        assert!(turns.p999_us() >= 20_000 && turns.max_us() >= 20_000);
    }

    #[test]
    fn a_turn_beyond_all_bounds_counts_as_the_longest_possible() {
        let mut turns = Turns::default();
        turns.note(Duration::from_secs(1000));
        assert_eq!(turns.count(), 1);
        assert!(turns.max_us() >= TURN_US_MAX);
    }
}
