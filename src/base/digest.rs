//! One number for many: whether two runs were the same.
//!
//! Owns [`Digest`]. *Invariants*: it sees order, counts and every octet; it is the same on every
//! machine and in every build. Not for adversaries.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A running hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0x6b75_6d69_6b69)
    }
}

impl Digest {
    /// The digest of some octets.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = Self::default();
        digest.add_bytes(bytes);
        digest
    }

    /// Adds a number.
    pub const fn add(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(MULTIPLIER);
        self.0 = mixed ^ (mixed >> 29);
    }

    /// Adds octets and their count.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        self.add(u64::from_le_bytes(last));
    }

    /// The hash so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}
