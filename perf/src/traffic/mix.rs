//! Sizes of frames, and the order in which they follow each other.
//!
//! Owns [`Mix`]. Sizes are those of RFC 2544: octets of the Ethernet frame with its FCS.
//!
//! *Standards*: RFC 2544 §9, RFC 5180 §5.1 (sizes); RFC 6985 §4 (genomes).

use std::fmt;
use std::str::FromStr;

/// Smallest Ethernet frame, FCS included.
pub const FRAME_OCTETS_MIN: u16 = 64;
/// Largest frame, FCS included: 9216 octets of MTU, header and VLAN tag.
pub const FRAME_OCTETS_MAX: u16 = 9216 + 18 + 4;
/// Octets of the frame check sequence, which no buffer holds.
pub const FCS_OCTETS: u16 = 4;
/// What a frame occupies on the wire beside itself: preamble and gap.
pub const WIRE_OCTETS: u16 = 20;
/// The default mixture: seven small, four middle, one large.
pub const SIMPLE: &str = "64:7,570:4,1518:1";
/// The sizes RFC 5180 §5.1.1 asks for.
pub const STANDARD_OCTETS: [u16; 7] = [64, 128, 256, 512, 1024, 1280, 1518];
/// Frames after which a mixture repeats itself, at most.
const CYCLE_MAX: usize = 4096;

/// The genome letters of RFC 6985 §4, without `z`, which depends on the device.
const GENOME: [(char, u16); 9] = [
    ('a', 64),
    ('b', 128),
    ('c', 256),
    ('d', 512),
    ('e', 1024),
    ('f', 1280),
    ('g', 1518),
    ('h', 2112),
    ('i', 9000),
];

/// Sizes that repeat in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    name: String,
    cycle: Vec<u16>,
}

/// Why a text is no mixture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no frame size ({reason}); write 64, {SIMPLE} (size:count), imix, or genome:aaag"
)]
pub struct ParseMixError {
    text: String,
    reason: String,
}

impl Mix {
    /// One size.
    pub fn of(octets: u16) -> Self {
        Self { name: octets.to_string(), cycle: vec![octets] }
    }

    /// Sizes in the order in which they are sent, again and again.
    pub fn cycle(&self) -> &[u16] {
        &self.cycle
    }

    /// Each size once, the smallest first.
    pub fn sizes(&self) -> Vec<u16> {
        let mut sizes = self.cycle.clone();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// How often a size occurs in a cycle.
    pub fn count(&self, octets: u16) -> usize {
        self.cycle.iter().filter(|size| **size == octets).count()
    }

    /// Octets of a frame on average.
    #[expect(clippy::cast_precision_loss, reason = "a cycle is short")]
    pub fn mean_octets(&self) -> f64 {
        let sum: u64 = self.cycle.iter().map(|octets| u64::from(*octets)).sum();
        sum as f64 / self.cycle.len() as f64
    }

    /// Makes smaller frames as large as `least`; says whether there was one.
    pub fn raise_to(&mut self, least: u16) -> bool {
        let is_raised = self.cycle.iter().any(|octets| *octets < least);
        self.cycle.iter_mut().for_each(|octets| *octets = (*octets).max(least));
        is_raised
    }

    /// Sizes in proportion to their counts, each spread evenly over the cycle.
    fn weighted(name: &str, weights: &[(u16, usize)]) -> Self {
        let total: usize = weights.iter().map(|(_, weight)| weight).sum();
        let mut cycle = Vec::with_capacity(total);
        let mut credits = vec![0_i64; weights.len()];
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for _ in 0..total {
            for (credit, (_, weight)) in credits.iter_mut().zip(weights) {
                *credit += signed(*weight);
            }
            let most = credits.iter().copied().max().unwrap_or(0);
            let chosen = credits.iter().position(|credit| *credit == most).unwrap_or(0);
            credits[chosen] -= signed(total);
            cycle.push(weights[chosen].0);
        }
        Self { name: name.to_owned(), cycle }
    }
}

impl FromStr for Mix {
    type Err = ParseMixError;

    fn from_str(text: &str) -> Result<Self, ParseMixError> {
        let wrong = |reason: String| ParseMixError { text: text.to_owned(), reason };
        if let Some(genome) = text.strip_prefix("genome:") {
            let size = |letter: char| {
                let found = GENOME.iter().find(|(known, _)| *known == letter);
                found.map(|(_, octets)| *octets).ok_or_else(|| {
                    wrong(format!("`{letter}` is no letter of RFC 6985; there are a to i"))
                })
            };
            let cycle = genome.chars().map(size).collect::<Result<Vec<_>, _>>()?;
            return match cycle.len() {
                0 => Err(wrong("no letters".to_owned())),
                1..=CYCLE_MAX => Ok(Self { name: text.to_owned(), cycle }),
                _ => Err(wrong(format!("more than {CYCLE_MAX} frames"))),
            };
        }
        let words = if text == "imix" { SIMPLE } else { text };
        let mut weights = Vec::new();
        for word in words.split(',') {
            let (octets, weight) = word.split_once(':').unwrap_or((word, "1"));
            let octets: u16 =
                octets.trim().parse().map_err(|_| wrong(format!("`{octets}` is no number")))?;
            let weight: usize =
                weight.trim().parse().map_err(|_| wrong(format!("`{weight}` is no number")))?;
            if !(FRAME_OCTETS_MIN..=FRAME_OCTETS_MAX).contains(&octets) {
                return Err(wrong(format!(
                    "frames have {FRAME_OCTETS_MIN} to {FRAME_OCTETS_MAX} octets, FCS included"
                )));
            }
            weights.push((octets, weight));
        }
        let total = weights.iter().map(|(_, weight)| *weight).fold(0, usize::saturating_add);
        if total == 0 || total > CYCLE_MAX {
            return Err(wrong(format!("the counts are 1 to {CYCLE_MAX} together")));
        }
        Ok(Self::weighted(text, &weights))
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_has_its_counts_and_spreads_them() {
        let mix: Mix = "imix".parse().unwrap();
        assert_eq!([64, 570, 1518].map(|octets| mix.count(octets)), [7, 4, 1]);
        assert_eq!(mix.cycle().len(), 12);
        let longest = mix.cycle().chunk_by(|a, b| a == b).map(<[u16]>::len).max();
        assert_eq!(longest, Some(2), "{:?}", mix.cycle());
        assert!((mix.mean_octets() - 353.833).abs() < 0.001);
    }

    #[test]
    fn a_genome_keeps_its_order() {
        let mix: Mix = "genome:agai".parse().unwrap();
        assert_eq!(mix.cycle(), [64, 1518, 64, 9000]);
        assert!("genome:ax".parse::<Mix>().unwrap_err().to_string().contains("`x`"));
    }

    #[test]
    fn what_is_no_size_is_refused_with_a_reason() {
        for text in ["", "63", "9999", "64:x", "64:0", "64:5000", "big", "genome:"] {
            assert!(text.parse::<Mix>().is_err(), "{text}");
        }
        let mut mix: Mix = "64:1,128:1".parse().unwrap();
        assert!(mix.raise_to(100) && !mix.raise_to(100));
        assert_eq!(mix.sizes(), [100, 128]);
    }
}
