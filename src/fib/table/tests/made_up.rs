//! A table in the shape of the public one and updates to it, always the same: for machines without
//! a real one.
//!
//! A few networks hold most of the prefixes, dense runs of /48 in them, as in the real table.

use crate::base::prefix::Ipv6Prefix;
use crate::base::prng::Prng;
use core::fmt::Write;
use core::net::Ipv6Addr;

/// Networks that hold others.
const NETWORKS: u64 = 6000;
/// Updates.
const UPDATES: usize = 20_000;

/// The table, a prefix a line, and its updates, `A` or `W` before each.
pub(super) fn data() -> (String, String) {
    let mut random = Prng::new(0x0074_6162_6c65);
    let mut prefixes = Vec::new();
    for number in 0..NETWORKS {
        let registry = 0x2001 + 0x200 * u128::from(random.below(6));
        let bits = registry << 112 | u128::from(random.next_u64() & 0xffff_ffff) << 80;
        let network = containing(bits, [29, 32, 32, 36, 40, 48][pick(&mut random, 6)]);
        prefixes.push(network);
        // One in a thousand is crowded, most are alone.
        let below = match number % 1000 {
            0 => 4000,
            1..=30 => 120,
            31..=300 => 6,
            _ => 0,
        };
        prefixes.extend((0..below).map(|_| more_specific(&mut random, network)));
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    let table = prefixes.iter().fold(String::new(), |mut text, prefix| {
        let _ = writeln!(text, "{prefix}");
        text
    });
    let updates = (0..UPDATES).fold(String::new(), |mut text, _| {
        let prefix = prefixes[pick(&mut random, prefixes.len())];
        let word = if random.below(20) == 0 { 'W' } else { 'A' };
        let _ = writeln!(text, "{word} {prefix}");
        text
    });
    (table, updates)
}

fn more_specific(random: &mut Prng, network: Ipv6Prefix) -> Ipv6Prefix {
    let wanted = [48, 48, 48, 47, 44, 40][pick(random, 6)];
    let length = wanted.max(network.length().min(47) + 1);
    // Neighbouring subnets are announced together, so the lower bits differ most.
    let spread = random.below(u64::from(length - network.length().min(length - 1))) + 1;
    let number = u128::from(random.next_u64()) & ((1 << spread) - 1);
    containing(network.bits() | number << (128 - length), length)
}

fn containing(bits: u128, length: u8) -> Ipv6Prefix {
    Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length)
}

fn pick(random: &mut Prng, count: usize) -> usize {
    usize::try_from(random.below(count as u64)).unwrap_or(0)
}
