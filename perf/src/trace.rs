//! Destinations to be looked up.
//!
//! Owns [`Trace`]: the same addresses as numbers and as octets, since our table and DPDK's take
//! them so.

use kumiki::base::prefix::{Ipv6Prefix, mask};
use kumiki::base::prng::Prng;
use serde::Serialize;

/// Addresses of a trace: 4 MiB, so that a trace itself does not stay in the inner caches.
pub const TRACE_ADDRESSES: usize = 1 << 18;

/// Where the destinations of a trace lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Every prefix is as likely; then any address in it.
    Uniform,
    /// A few prefixes have most of the traffic: Zipf's law with exponent 1.
    Zipf,
    /// Next to the prefixes: the network is known, the subnet is not.
    Missing,
}

/// Destinations.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Where they lie.
    pub kind: Kind,
    /// As numbers.
    pub numbers: Vec<u128>,
    /// As octets.
    pub octets: Vec<[u8; 16]>,
}

impl Trace {
    /// A trace over `prefixes`, of which there is at least one.
    pub fn new(kind: Kind, prefixes: &[Ipv6Prefix]) -> Self {
        let mut random = Prng::new(0x7472_6163_6500 + kind as u64);
        let order = shuffled(&mut random, prefixes);
        let zipf = Zipf::new(order.len());
        let numbers: Vec<u128> = (0..TRACE_ADDRESSES)
            .map(|_| {
                let place = match kind {
                    Kind::Zipf => zipf.draw(&mut random),
                    _ => below(&mut random, order.len()),
                };
                let chosen = order[place];
                let inside = number(&mut random) & !mask(chosen.length());
                match kind {
                    Kind::Missing => (chosen.bits() | inside) ^ flip(&mut random, chosen),
                    _ => chosen.bits() | inside,
                }
            })
            .collect();
        let octets = numbers.iter().map(|number| number.to_be_bytes()).collect();
        Self { kind, numbers, octets }
    }
}

/// One of the last eight bits of the prefix turned over.
fn flip(random: &mut Prng, prefix: Ipv6Prefix) -> u128 {
    let length = u32::from(prefix.length()).max(1);
    let bit = u32::try_from(below(random, length.min(8) as usize)).unwrap_or(0);
    1_u128 << (128 - length + bit)
}

fn shuffled(random: &mut Prng, prefixes: &[Ipv6Prefix]) -> Vec<Ipv6Prefix> {
    let mut order = prefixes.to_vec();
    for last in (1..order.len()).rev() {
        order.swap(last, below(random, last + 1));
    }
    order
}

fn number(random: &mut Prng) -> u128 {
    u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())
}

fn below(random: &mut Prng, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

/// Zipf's law: the k-th of n is drawn in proportion to 1/k.
struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    #[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^52")]
    fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let add = |rank: usize| {
            sum += 1.0 / (rank + 1) as f64;
            sum
        };
        Self { sums: (0..count).map(add).collect() }
    }

    #[expect(clippy::cast_precision_loss, reason = "53 of 64 random bits are enough")]
    fn draw(&self, random: &mut Prng) -> usize {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let wanted = random.next_u64() as f64 / u64::MAX as f64 * total;
        self.sums.partition_point(|sum| *sum < wanted).min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rib::Rib;

    #[test]
    fn destinations_lie_inside_the_prefixes_or_next_to_them() {
        let prefixes = [Ipv6Prefix::containing("2001:db8::".parse().unwrap(), 32)];
        let inside = |kind| {
            let trace = Trace::new(kind, &prefixes);
            trace.numbers.iter().all(|n| prefixes[0].contains((*n).into()))
        };
        assert!(inside(Kind::Uniform) && inside(Kind::Zipf) && !inside(Kind::Missing));
    }

    #[test]
    fn few_prefixes_have_most_of_a_skewed_trace() {
        let rib = Rib::cluster();
        let trace = Trace::new(Kind::Zipf, &rib.prefixes);
        let mut counts = std::collections::BTreeMap::new();
        for number in &trace.numbers {
            *counts.entry(number >> 1).or_insert(0_usize) += 1;
        }
        let most = counts.values().max().copied().unwrap_or(0);
        assert!(most > TRACE_ADDRESSES / 100, "{most}");
    }
}
