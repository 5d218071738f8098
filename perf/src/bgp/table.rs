//! What the neighbours of a router announce: prefixes with attributes, encoded.
//!
//! Owns [`Table`]. Tables of prefixes say nothing of attributes, so these are made up, always the
//! same: paths of two to nine ASes (four in the middle), communities on two routes of three, and
//! runs of neighbouring prefixes that share a set, a few of them long. A table of 246,000 prefixes
//! has about 45,000 sets, as a router of the public internet sees them.
//!
//! *Invariants*: the same prefixes give the same octets. No path has an AS of the bench.
//! *Standards*: RFC 4271 §4.3, RFC 4760 §3. A message has at most 4096 octets and one set.

use super::Neighbour;
use crate::update::Update as Change;
use kumiki::base::cursor::Writer;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::prng::Prng;
use kumiki::wire::bgp::message::MESSAGE_OCTETS_MAX;
use kumiki::wire::bgp::update::{put_announcement, put_withdrawal};
use kumiki::wire::bgp::{
    Agreement, AsPath, Community, LargeCommunity, NextHop, Nlri, Origin, PathAttributes,
};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// What both ends agree on: nothing that a speaker of 2007 has not.
pub const AGREEMENT: Agreement = Agreement {
    has_four_octet_asn: true,
    has_path_ids: false,
    has_extended_messages: false,
    is_external: true,
};
/// Octets of a message without prefixes and attributes, generously.
const FRAME_OCTETS: usize = 64;
/// How often the second neighbour puts its AS in front, so that nobody prefers its paths.
const PREPENDS_OF_SECOND: usize = 4;
/// After the last update: who hears of this prefix has heard of what came before, or soon will.
pub const MARKER: Ipv6Addr = Ipv6Addr::new(0x3fff, 0xfff, 0xffff, 0, 0, 0, 0, 0);

/// The prefix that ends a day of updates.
pub const fn marker() -> Ipv6Prefix {
    Ipv6Prefix::containing(MARKER, 48)
}

/// Which prefix has which set: what a receiver must have at the end.
pub type Expected = BTreeMap<Ipv6Prefix, u32>;

/// Prefixes, and what they carry.
#[derive(Debug)]
pub struct Table {
    /// Every prefix with the number of its set, sorted.
    routes: Vec<(Ipv6Prefix, u32)>,
    /// The sets, without the AS of who announces them.
    sets: Vec<PathAttributes>,
}

impl Table {
    /// Attributes for prefixes that are sorted.
    pub fn new(prefixes: &[Ipv6Prefix]) -> Self {
        let mut random = Prng::new(0x6b75_6d69_6b69_0005);
        let (mut routes, mut sets) = (Vec::with_capacity(prefixes.len()), Vec::new());
        let mut rest = prefixes;
        while !rest.is_empty() {
            let (run, behind) = rest.split_at(run_length(&mut random).min(rest.len()));
            let set = u32::try_from(sets.len()).unwrap_or(u32::MAX);
            routes.extend(run.iter().map(|prefix| (*prefix, set)));
            sets.push(made_up(&mut random));
            rest = behind;
        }
        Self { routes, sets }
    }

    /// How many prefixes.
    pub const fn prefix_count(&self) -> usize {
        self.routes.len()
    }

    /// How many different sets.
    pub const fn set_count(&self) -> usize {
        self.sets.len()
    }

    /// What a receiver knows that has heard everything.
    pub fn expected(&self) -> Expected {
        self.routes.iter().copied().collect()
    }

    /// The path of a set as the sink shall see it, which has come from the first neighbour.
    pub fn path_at_sink(&self, set: u32) -> Option<AsPath> {
        let set = self.sets.get(usize::try_from(set).ok()?)?;
        let path = set.as_path.prepended(Neighbour::First.asn(), 1);
        Some(path.prepended(super::ROUTER_ASN, 1))
    }

    /// The whole table as a neighbour says it: the sets in an order that has nothing to do with the
    /// prefixes, as they come out of a table of sets.
    pub fn announcements(&self, neighbour: Neighbour) -> Vec<u8> {
        let mut by_set: BTreeMap<u32, Vec<Nlri>> = BTreeMap::new();
        for (prefix, set) in &self.routes {
            by_set.entry(*set).or_default().push(Nlri::of(*prefix));
        }
        let mut order: Vec<(u32, Vec<Nlri>)> = by_set.into_iter().collect();
        shuffle(&mut order);
        let mut writer = Writer::with_capacity(self.routes.len() * 32);
        for (set, nlri) in order {
            self.put(&mut writer, neighbour, set, &nlri);
        }
        writer.into_vec()
    }

    /// A day of updates of the first neighbour, one a message as they happened, with a marker at
    /// the end; and what is known then.
    pub fn updates(&self, updates: &[Change]) -> (Vec<u8>, Expected) {
        let mut random = Prng::new(0x6b75_6d69_6b69_0006);
        let mut known = self.expected();
        let mut writer = Writer::with_capacity(updates.len() * 100);
        for update in updates {
            match update {
                Change::Announce(prefix) => {
                    let set = u32::try_from(random.below(self.sets.len() as u64)).unwrap_or(0);
                    known.insert(*prefix, set);
                    self.put(&mut writer, Neighbour::First, set, &[Nlri::of(*prefix)]);
                }
                Change::Withdraw(prefix) => {
                    known.remove(prefix);
                    put_withdrawal(&mut writer, &[Nlri::of(*prefix)], AGREEMENT);
                }
            }
        }
        self.put(&mut writer, Neighbour::First, 0, &[Nlri::of(marker())]);
        known.insert(marker(), 0);
        (writer.into_vec(), known)
    }

    /// Addresses of at most `count` prefixes that neither hold another nor lie in one, from all
    /// over the table: packets to them arrive only when exactly that route is there.
    pub fn islands(&self, count: usize) -> Vec<Ipv6Addr> {
        let mut islands = Vec::new();
        let mut end: Option<u128> = None;
        for (place, (prefix, _)) in self.routes.iter().enumerate() {
            let is_inside = end.is_some_and(|end| prefix.bits() <= end);
            if !is_inside {
                end = Some(prefix.last_bits());
            }
            let next = self.routes.get(place + 1);
            let holds = next.is_some_and(|(next, _)| prefix.covers(*next));
            if !is_inside && !holds {
                islands.push(Ipv6Addr::from_bits(prefix.bits() | 1));
            }
        }
        let count = count.min(islands.len());
        let places = (0..count).map(|place| place * islands.len() / count);
        places.filter_map(|place| islands.get(place).copied()).collect()
    }

    /// Appends as many messages as the prefixes need.
    fn put(&self, writer: &mut Writer, neighbour: Neighbour, set: u32, nlri: &[Nlri]) {
        let Some(set) = usize::try_from(set).ok().and_then(|set| self.sets.get(set)) else {
            return;
        };
        let times = if neighbour == Neighbour::Second { PREPENDS_OF_SECOND } else { 1 };
        let as_path = set.as_path.prepended(neighbour.asn(), times);
        let mut attributes = Writer::default();
        let attributes_of = PathAttributes { as_path, ..set.clone() };
        if attributes_of.encode(AGREEMENT, &mut attributes).is_err() {
            // Made-up paths are a few ASes long.
            return;
        }
        let next_hop = NextHop { global: Some(neighbour.address()), link_local: None };
        let room = MESSAGE_OCTETS_MAX - FRAME_OCTETS - attributes.len();
        let each = 1 + size_of::<Ipv6Addr>();
        for part in nlri.chunks((room / each).max(1)) {
            put_announcement(writer, (&next_hop, part), attributes.as_slice(), AGREEMENT);
        }
    }
}

/// How many neighbouring prefixes share a set: mostly one or two, sometimes hundreds.
fn run_length(random: &mut Prng) -> usize {
    let most = match random.below(100) {
        0..=54 => 1,
        55..=79 => 4,
        80..=94 => 16,
        95..=98 => 50,
        _ => 200,
    };
    1 + usize::try_from(random.below(most)).unwrap_or(0)
}

/// Attributes of a route of the public internet.
fn made_up(random: &mut Prng) -> PathAttributes {
    let length = match random.below(100) {
        0..=9 => 1,
        10..=34 => 2,
        35..=64 => 3,
        65..=84 => 4,
        85..=94 => 5,
        _ => 8,
    };
    let mut asns: Vec<u32> = (0..length).map(|place| made_up_asn(random, place)).collect();
    if random.below(10) == 0 {
        let origin = asns.last().copied().unwrap_or(1);
        asns.extend([origin; 2]);
    }
    let communities = match random.below(3) {
        0 => 0,
        _ => random.below(12),
    };
    let community = |random: &mut Prng| {
        let transit = random.below(64_000) << 16;
        Community(u32::try_from(transit | random.below(5000)).unwrap_or(1))
    };
    let mut communities: Vec<_> = (0..communities).map(|_| community(random)).collect();
    communities.sort_unstable();
    communities.dedup();
    let large = match random.below(5) {
        0 => vec![LargeCommunity([made_up_asn(random, 1), 1, made_up_asn(random, 2)])],
        _ => Vec::new(),
    };
    PathAttributes {
        origin: if random.below(20) == 0 { Origin::Incomplete } else { Origin::Igp },
        as_path: AsPath::sequence(&asns),
        med: (random.below(4) == 0).then(|| u32::try_from(random.below(500)).unwrap_or(0)),
        communities,
        large_communities: large,
        ..PathAttributes::default()
    }
}

/// The nearer to the reader, the fewer ASes there are: a few carry most of the world.
fn made_up_asn(random: &mut Prng, place: u32) -> u32 {
    let count = match place {
        0 => 40,
        1 => 800,
        _ => 60_000,
    };
    1000 + u32::try_from(random.below(count)).unwrap_or(0)
}

fn shuffle<T>(values: &mut [T]) {
    let mut random = Prng::new(0x6b75_6d69_6b69_0007);
    for place in (1..values.len()).rev() {
        let other = usize::try_from(random.below(place as u64 + 1)).unwrap_or(0);
        values.swap(place, other);
    }
}

#[cfg(test)]
mod tests {
    use super::super::heard::Heard;
    use super::*;
    use crate::rib::Rib;
    use std::time::Instant;

    fn heard(octets: Vec<u8>) -> Heard {
        let marks = vec![(octets.len(), Instant::now())];
        Heard { octets, marks }
    }

    #[test]
    fn a_table_has_a_set_for_every_five_prefixes_and_all_of_them_are_said() {
        let rib = Rib::public_shape(20_000);
        let table = Table::new(&rib.prefixes);
        let prefixes_a_set = table.prefix_count() / table.set_count();
        assert!((3..8).contains(&prefixes_a_set), "{prefixes_a_set}");
        let known = heard(table.announcements(Neighbour::First)).table().unwrap();
        assert!(known.keys().eq(table.expected().keys()));
        assert_eq!(table.announcements(Neighbour::First), table.announcements(Neighbour::First));
    }

    #[test]
    fn the_second_neighbour_says_the_same_by_longer_paths() {
        let table = Table::new(&Rib::public_shape(2000).prefixes);
        let first = heard(table.announcements(Neighbour::First)).table().unwrap();
        let second = heard(table.announcements(Neighbour::Second)).table().unwrap();
        assert_eq!(first.len(), second.len());
        for (prefix, path) in &first {
            assert_eq!(path.length() + PREPENDS_OF_SECOND - 1, second[prefix].length());
        }
    }

    #[test]
    fn updates_end_in_what_they_say_is_known() {
        let rib = Rib::public_shape(2000);
        let table = Table::new(&rib.prefixes);
        let (octets, known) = table.updates(&crate::update::made_up(&rib, 500));
        let mut all = table.announcements(Neighbour::First);
        all.extend(octets);
        let found = heard(all).table().unwrap();
        assert!(found.keys().eq(known.keys()) && known.contains_key(&marker()));
    }

    #[test]
    fn an_island_has_no_route_above_or_below_it() {
        let table = Table::new(&Rib::public_shape(5000).prefixes);
        let islands = table.islands(100);
        assert_eq!(islands.len(), 100);
        for address in islands {
            let covering = table.routes.iter().filter(|(prefix, _)| prefix.contains(address));
            assert_eq!(covering.count(), 1, "{address}");
        }
    }
}
