//! Seeded pseudo-random numbers: jitter, identifiers and simulations that repeat.
//!
//! Owns [`Prng`] (xoshiro256**, seeded through splitmix64). It is not for secrets: keys and cookies
//! come from the operating system through `daemon`.
//!
//! *Invariants*: the same seed gives the same numbers on every platform and release.
//! *Standards*: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2018).

use crate::base::time::Duration;

/// A generator that belongs to one machine.
#[derive(Clone, Debug)]
pub struct Prng {
    state: [u64; 4],
}

impl Prng {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Self {
        let mut mix = seed;
        let state = core::array::from_fn(|_| splitmix(&mut mix));
        Self { state }
    }

    /// A generator for a part of this machine, independent of this one's further numbers.
    pub fn fork(&mut self) -> Self {
        Self::new(self.next_u64())
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s1.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= shifted;
        *s3 = s3.rotate_left(45);
        result
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A duration between `least` and `most`, both possible.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
        least + Duration::from_nanos(self.below(span.saturating_add(1)))
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers() {
        let (mut a, mut b) = (Prng::new(7), Prng::new(7));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(Prng::new(7).next_u64(), Prng::new(8).next_u64());
    }

    #[test]
    fn numbers_stay_below_the_bound() {
        let mut prng = Prng::new(1);
        let seen: Vec<u64> = (0..1000).map(|_| prng.below(10)).collect();
        assert!(seen.iter().all(|n| *n < 10) && (0..10).all(|n| seen.contains(&n)));
        assert_eq!(prng.below(0), 0);
    }

    #[test]
    fn durations_stay_between_their_ends() {
        let mut prng = Prng::new(2);
        let (least, most) = (Duration::from_millis(5), Duration::from_millis(6));
        assert!((0..100).map(|_| prng.between(least, most)).all(|d| d >= least && d <= most));
    }
}
