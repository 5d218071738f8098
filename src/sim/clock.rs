//! The clock of one server: what a router reads when the world says what time it is.
//!
//! Owns [`Clock`]. No two servers agree on the time: one was started earlier, its crystal is faster
//! by some millionths. Protocols measure spans with their own clock only, so that nothing may
//! depend on the difference.
//!
//! *Invariants*: a clock never runs backwards; [`Clock::when`] gives the first instant of the world
//! at which the clock has come that far.

use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};

/// How far a clock may run from another, in millionths: twice what cheap crystals promise.
pub const DRIFT_PPM_MAX: u32 = 200;
/// The longest time that a server has been up when the world begins.
pub const OFFSET_MAX: Duration = Duration::from_secs(100_000);

const MILLION: u128 = 1_000_000;

/// A clock; one per server, it outlives the router's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    offset_ns: u64,
    /// Millionths of a second that it gains in a second of the world; less than it loses where
    /// `is_slow`.
    drift_ppm: u32,
    is_slow: bool,
}

impl Clock {
    /// A clock that goes wrong by chance.
    pub fn draw(prng: &mut Prng) -> Self {
        let offset = prng.between(Duration::ZERO, OFFSET_MAX);
        let drift = prng.below(u64::from(DRIFT_PPM_MAX) + 1);
        Self {
            offset_ns: u64::try_from(offset.as_nanos()).unwrap_or(0),
            drift_ppm: u32::try_from(drift).unwrap_or(0),
            is_slow: prng.below(2) == 1,
        }
    }

    /// What it shows at an instant of the world.
    pub fn read(self, now: Instant) -> Instant {
        let nanos = u128::from(now.as_nanos()) * self.rate() / MILLION;
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).saturating_add(self.offset_ns))
    }

    /// The first instant of the world at which it shows `reading` or later.
    pub fn when(self, reading: Instant) -> Instant {
        let nanos = reading.as_nanos().saturating_sub(self.offset_ns);
        let nanos = (u128::from(nanos) * MILLION).div_ceil(self.rate());
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Millionths of a second that it goes in a second.
    const fn rate(self) -> u128 {
        let drift = self.drift_ppm as u128;
        if self.is_slow { MILLION - drift } else { MILLION + drift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_met_at_the_first_moment_that_the_clock_shows_it() {
        let mut prng = Prng::new(1);
        for _ in 0..1000 {
            let clock = Clock::draw(&mut prng);
            let now = Instant::ZERO + prng.between(Duration::ZERO, Duration::from_secs(5000));
            let reading = clock.read(now);
            let when = clock.when(reading);
            assert!(when <= now && clock.read(when) >= reading);
            let before = Instant::from_nanos(when.as_nanos().saturating_sub(1));
            assert!(clock.read(before) < reading || when == Instant::ZERO);
        }
    }

    #[test]
    fn a_clock_without_error_shows_the_time_of_the_world() {
        let now = Instant::from_nanos(123_456_789);
        assert_eq!((Clock::default().read(now), Clock::default().when(now)), (now, now));
        assert_eq!(Clock::default().when(Instant::MAX), Instant::MAX);
    }

    #[test]
    fn a_second_is_never_wrong_by_more_than_the_drift_allows() {
        let mut prng = Prng::new(2);
        for _ in 0..100 {
            let clock = Clock::draw(&mut prng);
            let second = clock.read(Instant::from_millis(1000)) - clock.read(Instant::ZERO);
            let error = second.as_nanos().abs_diff(1_000_000_000);
            assert!(error <= u128::from(DRIFT_PPM_MAX) * 1000, "{second:?}");
        }
    }
}
