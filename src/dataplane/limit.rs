//! Token buckets: how much of something may happen.
//!
//! Owns [`TokenBucket`]. Rates and depths stand where the buckets are made: `punt`,
//! `icmpv6_error` and `overlay`.
//!
//! *Invariants*: never more than `depth` tokens; time that goes back adds none. No division: tokens
//! are counted in billionths, so that nanoseconds times the rate is the income.
//! *Standards*: RFC 4443 §2.4(f) (the method it recommends).

use crate::base::time::Instant;

const TOKEN: u64 = 1_000_000_000;
/// Longest pause that still earns; a bucket of the largest depth is full by then, and the product
/// of pause and rate stays inside 64 bits.
const PAUSE_NS_MAX: u64 = 10_000_000_000;
/// Largest rate, in tokens per second.
pub const RATE_MAX: u32 = 1_000_000;

const _: () = assert!(PAUSE_NS_MAX.checked_mul(RATE_MAX as u64).is_some());

/// A bucket of one worker.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    rate_per_second: u64,
    depth: u64,
    billionths: u64,
    filled_at: Instant,
}

impl TokenBucket {
    /// A full bucket of `depth` tokens that earns `rate_per_second` of them (at most [`RATE_MAX`]).
    pub const fn new(rate_per_second: u32, depth: u32) -> Self {
        let rate = if rate_per_second > RATE_MAX { RATE_MAX } else { rate_per_second };
        let depth = depth as u64 * TOKEN;
        Self { rate_per_second: rate as u64, depth, billionths: depth, filled_at: Instant::ZERO }
    }

    /// Whether the bucket earns and holds this much.
    #[inline]
    pub const fn has_limits(&self, rate_per_second: u32, depth: u32) -> bool {
        let rate = if rate_per_second > RATE_MAX { RATE_MAX } else { rate_per_second };
        self.rate_per_second == rate as u64 && self.depth == depth as u64 * TOKEN
    }

    /// Earns nothing for the time before `now`.
    pub const fn start(&mut self, now: Instant) {
        self.filled_at = now;
    }

    /// Takes a token, where there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let pause_ns = now.as_nanos().saturating_sub(self.filled_at.as_nanos()).min(PAUSE_NS_MAX);
        self.filled_at = self.filled_at.max(now);
        self.billionths =
            self.billionths.saturating_add(pause_ns * self.rate_per_second).min(self.depth);
        match self.billionths.checked_sub(TOKEN) {
            Some(left) => {
                self.billionths = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_its_depth_passes_then_the_rate() {
        let mut bucket = TokenBucket::new(10, 5);
        let start = Instant::from_millis(1000);
        assert_eq!((0..100).filter(|_| bucket.take(start)).count(), 5);
        let passed = (1000..2000).filter(|ms| bucket.take(Instant::from_millis(*ms))).count();
        assert_eq!(passed, 9, "one every 100 ms");
    }

    #[test]
    fn time_that_goes_back_earns_nothing() {
        let mut bucket = TokenBucket::new(1, 1);
        assert!(bucket.take(Instant::from_millis(5000)));
        assert!(!bucket.take(Instant::ZERO));
        assert!(!bucket.take(Instant::from_millis(5000)));
        assert!(bucket.take(Instant::MAX));
    }
}
