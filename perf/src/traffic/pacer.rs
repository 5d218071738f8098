//! A token bucket over a counter of ticks: when the next frames are due.
//!
//! *Invariants*: over any time the pacer hands out no more than the rate allows and one bucket
//! beside; what a stall cost beyond the bucket is counted, not caught up with.

/// Milliseconds that may be caught up with after a stall.
const BUCKET_MS: f64 = 1.0;
/// Frames a bucket holds at least.
const BUCKET_MIN: f64 = 32.0;

/// When frames are due.
#[derive(Clone, Debug)]
pub struct Pacer {
    /// Frames a tick; `None` for no limit.
    per_tick: Option<f64>,
    depth: f64,
    level: f64,
    last: u64,
    missed: f64,
}

impl Pacer {
    /// Begins at `now`.
    #[expect(clippy::cast_precision_loss, reason = "a clock's frequency")]
    pub fn new(packets_per_second: Option<f64>, ticks_per_second: u64, now: u64) -> Self {
        let per_tick = packets_per_second.map(|rate| rate / ticks_per_second as f64);
        let depth = packets_per_second.unwrap_or(0.0) * BUCKET_MS / 1e3;
        Self { per_tick, depth: depth.max(BUCKET_MIN), level: 0.0, last: now, missed: 0.0 }
    }

    /// Frames that may be sent at `now`, `most` at most.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the level is small and never negative"
    )]
    pub fn due(&mut self, now: u64, most: usize) -> usize {
        let Some(per_tick) = self.per_tick else { return most };
        self.level += now.saturating_sub(self.last) as f64 * per_tick;
        self.last = now;
        if self.level > self.depth {
            self.missed += self.level - self.depth;
            self.level = self.depth;
        }
        let count = (self.level as usize).min(most);
        self.level -= count as f64;
        count
    }

    /// Frames that stalls have cost.
    pub const fn missed(&self) -> f64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_as_many_frames_as_the_rate_says() {
        for rate in [1.0, 1000.0, 123_456.0, 14_880_952.0] {
            let mut pacer = Pacer::new(Some(rate), 2_600_000_000, 0);
            let sent: usize = (1..=2_600_000).map(|step| pacer.due(step * 1000, 64)).sum();
            let sent = f64::from(u32::try_from(sent).unwrap());
            assert!((sent - rate).abs() <= 1.0, "{rate}: {sent}");
            assert_eq!(pacer.missed(), 0.0);
        }
    }

    #[test]
    fn a_stall_is_not_caught_up_with() {
        let mut pacer = Pacer::new(Some(1e6), 1_000_000_000, 0);
        assert_eq!(pacer.due(1_000_000_000, 1_000_000), 1000);
        assert_eq!(pacer.missed(), 999_000.0);
    }

    #[test]
    fn without_a_rate_everything_is_due() {
        assert_eq!(Pacer::new(None, 1, 0).due(0, 32), 32);
    }
}
