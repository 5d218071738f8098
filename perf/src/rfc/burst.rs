//! The longest burst that a device takes without loss, and the buffer that this shows.
//!
//! *Standards*: RFC 9004 §5.3 (search by length, average of several searches), §5.5 (implied and
//! corrected buffer time).

use serde::Serialize;

/// A search for the longest burst; one of several that are averaged.
#[derive(Clone, Debug)]
pub struct BurstSearch {
    /// Longest that passed.
    lower: u64,
    /// Shortest that did not; one above the longest that is tried, in the beginning.
    upper: u64,
    is_first: bool,
}

impl BurstSearch {
    /// Up to `most` frames.
    pub const fn new(most: u64) -> Self {
        Self { lower: 0, upper: most.saturating_add(1), is_first: true }
    }

    /// The length of the next burst; `None` at the end.
    pub const fn next(&self) -> Option<u64> {
        // Two per mille of the length are near enough.
        if self.upper - self.lower <= 1 + self.upper / 500 {
            None
        } else if self.is_first {
            Some(self.upper - 1)
        } else {
            Some(u64::midpoint(self.lower, self.upper))
        }
    }

    /// Takes the result: how many frames of the burst were lost.
    pub const fn record(&mut self, length: u64, lost: u64) {
        self.is_first = false;
        if lost == 0 {
            self.lower = length;
        } else {
            self.upper = length;
        }
    }

    /// The longest burst without loss.
    pub const fn longest(&self) -> u64 {
        self.lower
    }
}

/// What bursts say about buffers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Buffers {
    /// Frames of the longest burst, on average.
    pub frames: f64,
    /// RFC 9004 §5.5: frames to the rate at which they came.
    pub implied_seconds: f64,
    /// The same without what the device forwarded meanwhile.
    pub corrected_seconds: f64,
}

impl Buffers {
    /// Of an average burst that came at `burst_rate`, for a device of this throughput.
    pub fn of(frames: f64, burst_rate: f64, throughput: f64) -> Self {
        let implied_seconds = frames / burst_rate.max(1e-9);
        let forwarded = (throughput / burst_rate.max(1e-9)).min(1.0);
        Self { frames, implied_seconds, corrected_seconds: implied_seconds * (1.0 - forwarded) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(most: u64, limit: u64) -> u64 {
        let mut search = BurstSearch::new(most);
        let mut count = 0;
        while let Some(length) = search.next() {
            search.record(length, length.saturating_sub(limit));
            count += 1;
            assert!(count < 40);
        }
        search.longest()
    }

    #[test]
    fn the_longest_burst_is_found() {
        for limit in [0, 1, 63, 512, 70_000] {
            let found = longest(100_000, limit);
            assert!(found <= limit && limit - found <= 1 + limit / 400, "{found} of {limit}");
        }
        assert_eq!(longest(1000, 5000), 1000);
    }

    #[test]
    fn the_example_of_rfc_9004_comes_out() {
        // §5.5 with a tenth of a second at 14.88 Mpps and half of that forwarded.
        let buffers = Buffers::of(1_488_000.0, 14_880_000.0, 7_440_000.0);
        assert!((buffers.implied_seconds - 0.1).abs() < 1e-12);
        assert!((buffers.corrected_seconds - 0.05).abs() < 1e-12);
    }
}
