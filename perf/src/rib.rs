//! Tables of prefixes: read from a file, or made up in the shape of real ones.
//!
//! Owns [`Rib`] and its makers. A file has one prefix a line; `.xz` is unpacked by `xz`. The
//! made-up tables are deterministic: the same on every machine.
//!
//! *Invariants*: prefixes are sorted and without repeats.

use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::prng::Prng;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A table of prefixes and where it comes from.
#[derive(Clone, Debug)]
pub struct Rib {
    /// What the report calls it.
    pub name: String,
    /// The prefixes, sorted.
    pub prefixes: Vec<Ipv6Prefix>,
}

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub enum RibError {
    /// It cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system or xz says.
        reason: String,
    },
    /// A line is no prefix.
    #[error("{path}:{line}: {reason}; correct it")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// What to do about a line that is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenLines {
    /// Nothing is loaded.
    Refuse,
    /// The others are loaded; each broken one is named on stderr.
    Skip,
}

impl Rib {
    fn new(name: &str, mut prefixes: Vec<Ipv6Prefix>) -> Self {
        prefixes.sort_unstable();
        prefixes.dedup();
        Self { name: name.to_owned(), prefixes }
    }

    /// Reads one prefix a line; empty lines and what follows `#` are left out.
    pub fn read(path: &Path, broken: BrokenLines) -> Result<Self, RibError> {
        let text = read_text(path)?;
        let mut prefixes = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            match line.parse::<Ipv6Prefix>() {
                Ok(prefix) => prefixes.push(prefix),
                Err(error) => {
                    let (path, line, reason) = (path.to_owned(), number + 1, error.to_string());
                    let error = RibError::Line { path, line, reason };
                    match broken {
                        BrokenLines::Refuse => return Err(error),
                        BrokenLines::Skip => eprintln!("left out: {error}"),
                    }
                }
            }
        }
        Ok(Self::new("full table", prefixes))
    }

    /// What OSPF knows in a cluster of some hundred servers: loopbacks, links, LANs.
    pub fn cluster() -> Self {
        let ula = 0xfd4b_756d_696b_u128 << 80;
        let host = |number: u128, length| prefix(ula | number, length);
        let loopbacks = (1..=258).map(|number| host(number, 128));
        let links = (0..320).map(|number| host(0xffff << 64 | number << 1, 127));
        let lans = (1..=320).map(|number| host(number << 64, 64));
        let sites = (0x10..0x74).map(|number| host(number << 72 | 0x8000 << 64, 56));
        let globals = [0x2001_0db8_4000_u128 << 80, 0x2001_0db8_4001_u128 << 80];
        let globals = globals.map(|bits| prefix(bits, 48));
        Self::new(
            "cluster of 1,000 routes",
            loopbacks.chain(links).chain(lans).chain(sites).chain(globals).collect(),
        )
    }

    /// `count` of the prefixes, taken at equal distances: a smaller table of the same shape.
    pub fn thinned(&self, count: usize) -> Self {
        let count = count.clamp(1, self.prefixes.len().max(1));
        let places = (0..count).map(|place| place * self.prefixes.len() / count);
        let prefixes = places.filter_map(|place| self.prefixes.get(place).copied()).collect();
        Self::new(&format!("{count} routes of the {}", self.name), prefixes)
    }

    /// A table in the shape of the public one of 2026: lengths, nesting, and a few networks that
    /// announce thousands of /48.
    pub fn public_shape(count: usize) -> Self {
        let mut random = Prng::new(0x6b75_6d69_6b69_0001);
        let mut prefixes = Vec::with_capacity(count + count / 8);
        let mut networks = Vec::new();
        while prefixes.len() < count {
            let network = made_up_network(&mut random);
            prefixes.push(network);
            networks.push(network);
            let below = more_specifics(&mut random).min(count - prefixes.len());
            prefixes.extend((0..below).map(|_| more_specific(&mut random, network)));
            if prefixes.len() >= count {
                prefixes.sort_unstable();
                prefixes.dedup();
            }
        }
        Self::new("made-up table in the public shape", prefixes)
    }

    /// `self` and copies of it elsewhere in 2000::/3, nesting kept, `count` prefixes in all.
    pub fn grown(&self, count: usize) -> Self {
        let mut random = Prng::new(0x6b75_6d69_6b69_0002);
        let mut prefixes = self.prefixes.clone();
        while prefixes.len() < count && !self.prefixes.is_empty() {
            // Another copy moves within 2000::/3: the three bits and what is nested stay.
            let flips = u128::from(random.next_u64() & 0x1fff_ff00_0000_0000) << 64;
            let moved = self.prefixes.iter().map(|old| prefix(old.bits() ^ flips, old.length()));
            prefixes.extend(moved.take(count - prefixes.len()));
            prefixes.sort_unstable();
            prefixes.dedup();
        }
        Self::new("a million made-up routes", prefixes)
    }
}

/// The prefix of this length that holds the address.
fn prefix(bits: u128, length: u8) -> Ipv6Prefix {
    Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length)
}

/// An allocation: a /32 mostly, in the space of one of a few dozen registries' blocks.
fn made_up_network(random: &mut Prng) -> Ipv6Prefix {
    let registry = [0x2001_u128, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00][index(random, 6)];
    let block = registry + u128::from(random.below(16));
    let bits = block << 112 | u128::from(random.next_u64() & 0xffff_ffff) << 80;
    let length = match random.below(100) {
        0..=13 => 29,
        14..=15 => 30,
        16..=78 => 32,
        79..=84 => 33 + u8::try_from(random.below(4)).unwrap_or(0),
        85..=90 => 40,
        91..=93 => 44,
        _ => 48,
    };
    prefix(bits, length)
}

/// How many more specific routes a network announces: most none, a few thousands.
fn more_specifics(random: &mut Prng) -> usize {
    let scale = random.below(1000);
    let most = match scale {
        0..=549 => 0,
        550..=799 => 4,
        800..=949 => 16,
        950..=989 => 120,
        990..=997 => 800,
        _ => 6000,
    };
    index(random, most + 1)
}

/// A more specific route of a network.
fn more_specific(random: &mut Prng, network: Ipv6Prefix) -> Ipv6Prefix {
    let length = match random.below(100) {
        0..=57 => 48,
        58..=62 => 47,
        63..=65 => 46,
        66..=67 => 45,
        68..=80 => 44,
        81..=83 => 42,
        84..=94 => 40,
        _ => 36,
    };
    let length = network.length().saturating_add(1).max(length);
    // Neighbouring subnets are announced together, so the lower bits differ most.
    let spread = random.below(u64::from(length - network.length())) + 1;
    let number = u128::from(random.next_u64()) & ((1 << spread) - 1);
    prefix(network.bits() | number << (128 - length), length)
}

fn index(random: &mut Prng, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

/// The text of a file, unpacked where its name ends in `.xz`.
pub fn read_text(path: &Path) -> Result<String, RibError> {
    let unreadable = |reason: String| RibError::Unreadable { path: path.to_owned(), reason };
    if path.extension().is_none_or(|extension| extension != "xz") {
        return std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()));
    }
    let output = Command::new("xz")
        .arg("-dc")
        .arg(path)
        .output()
        .map_err(|error| unreadable(format!("xz: {error}; install xz-utils")))?;
    if !output.status.success() {
        return Err(unreadable(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    String::from_utf8(output.stdout).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_a_thousand_routes_of_every_kind() {
        let rib = Rib::cluster();
        let count = |length| rib.prefixes.iter().filter(|p| p.length() == length).count();
        assert_eq!([128, 127, 64, 56, 48].map(count), [258, 320, 320, 100, 2]);
    }

    #[test]
    fn made_up_tables_have_the_size_asked_for_and_are_always_the_same() {
        let (one, two) = (Rib::public_shape(20_000), Rib::public_shape(20_000));
        assert_eq!((one.prefixes.len(), &one.prefixes), (20_000, &two.prefixes));
        assert_eq!(one.grown(50_000).prefixes.len(), 50_000);
        let long = one.prefixes.iter().filter(|p| p.length() == 48).count();
        assert!((6_000..14_000).contains(&long), "{long} of /48");
    }
}
