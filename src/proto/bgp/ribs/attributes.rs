//! Attribute sets: what many paths have in common, stored once.
//!
//! Owns [`AttributeTable`], one for each speaker: sets of attributes with their next hop, numbered,
//! counted by reference. A set is stored as the octets that an internal peer of today would be
//! sent, a third of what the value needs; what the decision asks for stands beside it
//! ([`Ranking`]).
//!
//! *Invariants*: equal sets have one number. A number stays its set's while it has references, and
//! after the last one is gone until [`AttributeTable::collect`] has given it out: whoever keeps
//! numbers in a cache forgets them then.
//! *Standards*: RFC 4271 §9.1.2.2, RFC 4456 §9.

use super::index::{Hash, Index};
use super::limits::{ATTRIBUTE_SETS_MAX, is_roomy};
use super::next_hops::NextHopId;
use crate::base::cursor::Writer;
use crate::wire::bgp::attribute::AttributeTooLong;
use crate::wire::bgp::{Agreement, AsPathSegment, Community, Origin, PathAttributes};

/// A set, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AttributesId(pub(super) u32);

impl AttributesId {
    /// No set, where a number is stored.
    pub(super) const NONE: u32 = u32::MAX;

    /// As it is stored.
    pub(super) fn stored(id: Option<Self>) -> u32 {
        id.map_or(Self::NONE, |id| id.0)
    }

    /// From where it is stored.
    pub(super) fn load(number: u32) -> Option<Self> {
        (number != Self::NONE).then_some(Self(number))
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How sets are stored.
pub(super) const STORED: Agreement = Agreement {
    has_four_octet_asn: true,
    has_path_ids: false,
    has_extended_messages: true,
    is_external: false,
};

/// What the decision asks of a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ranking {
    /// LOCAL_PREF, or what stands for it.
    pub local_pref: u32,
    /// MULTI_EXIT_DISC, zero where there is none.
    pub med: u32,
    /// The AS that the route came from, zero where that is this one.
    pub neighbor_asn: u32,
    /// ORIGINATOR_ID, zero where there is none.
    pub originator_id: u32,
    /// Length of the AS_PATH.
    pub as_path_length: u16,
    /// Length of the CLUSTER_LIST.
    pub cluster_list_length: u16,
    /// ORIGIN.
    pub origin: Origin,
    /// What else matters, as bits.
    marks: u8,
}

const HAS_MED: u8 = 1;
const IS_BLACKHOLE: u8 = 2;

/// RFC 4271 §5.1.5: LOCAL_PREF where nobody has said one, the number that everybody uses.
pub const LOCAL_PREF_DEFAULT: u32 = 100;

impl Ranking {
    /// Of attributes.
    pub fn of(attributes: &PathAttributes) -> Self {
        let clamped = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        let is_blackhole = attributes.communities.binary_search(&Community::BLACKHOLE).is_ok();
        Self {
            local_pref: attributes.local_pref.unwrap_or(LOCAL_PREF_DEFAULT),
            med: attributes.med.unwrap_or(0),
            neighbor_asn: neighbor_asn(attributes),
            originator_id: attributes.originator_id.map_or(0, |id| id.0),
            as_path_length: clamped(attributes.as_path.length()),
            cluster_list_length: clamped(attributes.cluster_list.len()),
            origin: attributes.origin,
            marks: u8::from(attributes.med.is_some()) * HAS_MED
                + u8::from(is_blackhole) * IS_BLACKHOLE,
        }
    }

    /// Whether there is a MULTI_EXIT_DISC.
    pub const fn has_med(&self) -> bool {
        self.marks & HAS_MED != 0
    }

    /// Whether BLACKHOLE is among its communities.
    pub const fn is_blackhole(&self) -> bool {
        self.marks & IS_BLACKHOLE != 0
    }
}

/// RFC 4271 §9.1.2.2 c: the first AS, what belongs to a confederation left out (RFC 5065 §5.3).
fn neighbor_asn(attributes: &PathAttributes) -> u32 {
    let mut segments = attributes.as_path.segments().iter();
    let is_outside = |segment: &&AsPathSegment| {
        matches!(segment, AsPathSegment::Sequence(_) | AsPathSegment::Set(_))
    };
    match segments.find(is_outside) {
        Some(AsPathSegment::Sequence(asns)) => asns.first().copied().unwrap_or(0),
        _ => 0,
    }
}

/// Why a set is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SetError {
    /// There are as many as there may be.
    #[error("more than {ATTRIBUTE_SETS_MAX} attribute sets")]
    Full,
    /// No message could carry it.
    #[error(transparent)]
    TooLong(#[from] AttributeTooLong),
}

#[derive(Clone, Debug)]
struct Set {
    octets: Box<[u8]>,
    references: u32,
    next_hop: NextHopId,
    ranking: Ranking,
    hash: u64,
}

/// All sets.
#[derive(Clone, Debug)]
pub struct AttributeTable {
    sets: Vec<Option<Set>>,
    index: Index,
    free: Vec<u32>,
    /// Sets whose last reference went.
    unused: Vec<u32>,
    octets: usize,
    seed: u64,
    pub(super) limit: usize,
    scratch: Writer,
}

impl AttributeTable {
    /// An empty one; `seed` keys its hashes.
    pub fn new(seed: u64) -> Self {
        Self {
            sets: Vec::new(),
            index: Index::default(),
            free: Vec::new(),
            unused: Vec::new(),
            octets: 0,
            seed,
            limit: ATTRIBUTE_SETS_MAX,
            scratch: Writer::default(),
        }
    }

    /// The number of a set, with a reference for the caller.
    pub fn intern(
        &mut self,
        next_hop: NextHopId,
        attributes: &PathAttributes,
    ) -> Result<AttributesId, SetError> {
        let mut writer = core::mem::take(&mut self.scratch);
        writer.clear();
        let id = match attributes.encode(STORED, &mut writer) {
            Ok(()) => self.intern_octets(next_hop, writer.as_slice(), attributes),
            Err(too_long) => Err(too_long.into()),
        };
        self.scratch = writer;
        id
    }

    fn intern_octets(
        &mut self,
        next_hop: NextHopId,
        octets: &[u8],
        attributes: &PathAttributes,
    ) -> Result<AttributesId, SetError> {
        let hash = Hash::new(self.seed).add(u64::from(next_hop.0), 0).add_octets(octets).value();
        let sets = &mut self.sets;
        let found = self.index.find(hash, |number| {
            sets[number as usize].as_ref().is_some_and(|set| {
                set.hash == hash && set.next_hop == next_hop && *set.octets == *octets
            })
        });
        if let Some(number) = found {
            let id = AttributesId(number);
            self.retain(id, 1);
            return Ok(id);
        }
        if self.sets.len() - self.free.len() >= self.limit {
            return Err(SetError::Full);
        }
        let ranking = Ranking::of(attributes);
        let set = Set { octets: octets.into(), references: 1, next_hop, ranking, hash };
        self.octets += octets.len();
        let number = match self.free.pop() {
            Some(number) => {
                self.sets[number as usize] = Some(set);
                number
            }
            None => {
                self.sets.push(Some(set));
                u32::try_from(self.sets.len() - 1).unwrap_or_else(|_| unreachable!("a limit"))
            }
        };
        self.index.insert(hash, number);
        Ok(AttributesId(number))
    }

    /// Adds references.
    pub fn retain(&mut self, id: AttributesId, count: u32) {
        self.set_mut(id).references += count;
    }

    /// Takes a reference away.
    pub fn release(&mut self, id: AttributesId) {
        let set = self.set_mut(id);
        assert!(set.references > 0, "a reference is given back once");
        set.references -= 1;
        if set.references == 0 {
            self.unused.push(id.0);
        }
    }

    /// Frees a set without references, and gives its number and next hop, for those who know them.
    pub fn collect(&mut self) -> Option<(AttributesId, NextHopId)> {
        while let Some(number) = self.unused.pop() {
            let is_unused = |set: &Option<Set>| set.as_ref().is_some_and(|set| set.references == 0);
            if !is_unused(&self.sets[number as usize]) {
                continue;
            }
            self.index.remove(hash_of(&self.sets, number), number);
            if let Some(set) = self.sets[number as usize].take() {
                self.octets -= set.octets.len();
                self.free.push(number);
                return Some((AttributesId(number), set.next_hop));
            }
        }
        None
    }

    /// The next hop of a set.
    pub fn next_hop(&self, id: AttributesId) -> NextHopId {
        self.set(id).next_hop
    }

    /// What the decision asks for.
    pub fn ranking(&self, id: AttributesId) -> &Ranking {
        &self.set(id).ranking
    }

    /// Its attributes as an internal peer with numbers of four octets is sent them.
    pub fn octets(&self, id: AttributesId) -> &[u8] {
        &self.set(id).octets
    }

    /// Its attributes.
    pub fn attributes(&self, id: AttributesId) -> PathAttributes {
        PathAttributes::decode(self.octets(id), STORED)
    }

    /// How many sets there are.
    pub const fn len(&self) -> usize {
        self.sets.len() - self.free.len()
    }

    /// Whether there is room for more than a few.
    pub(super) const fn is_roomy(&self) -> bool {
        is_roomy(self.len(), self.limit)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets of memory, without what the allocator adds.
    pub fn bytes(&self) -> usize {
        let numbers = self.free.capacity() + self.unused.capacity();
        self.octets
            + self.sets.capacity() * size_of::<Option<Set>>()
            + numbers * size_of::<u32>()
            + self.index.bytes()
    }

    fn set(&self, id: AttributesId) -> &Set {
        self.sets[id.index()].as_ref().unwrap_or_else(|| unreachable!("it has a reference"))
    }

    fn set_mut(&mut self, id: AttributesId) -> &mut Set {
        self.sets[id.index()].as_mut().unwrap_or_else(|| unreachable!("it has a reference"))
    }
}

fn hash_of(sets: &[Option<Set>], number: u32) -> u64 {
    sets[number as usize].as_ref().map_or(0, |set| set.hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bgp::AsPath;

    fn path(asns: &[u32]) -> PathAttributes {
        PathAttributes { as_path: AsPath::sequence(asns), ..PathAttributes::default() }
    }

    #[test]
    fn equal_sets_are_one_and_other_next_hops_make_others() {
        let mut table = AttributeTable::new(7);
        let one = table.intern(NextHopId(1), &path(&[1, 2])).unwrap();
        assert_eq!(table.intern(NextHopId(1), &path(&[1, 2])), Ok(one));
        assert_ne!(table.intern(NextHopId(2), &path(&[1, 2])), Ok(one));
        assert_ne!(table.intern(NextHopId(1), &path(&[1, 3])), Ok(one));
        assert_eq!(table.len(), 3);
        assert_eq!(table.attributes(one), path(&[1, 2]));
        assert_eq!(table.ranking(one).neighbor_asn, 1);
    }

    #[test]
    fn a_set_is_freed_with_its_last_reference_and_its_number_used_again() {
        let mut table = AttributeTable::new(7);
        let empty = table.bytes();
        let one = table.intern(NextHopId(1), &path(&[1])).unwrap();
        table.retain(one, 1);
        table.release(one);
        assert_eq!(table.collect(), None);
        table.release(one);
        assert_eq!(table.collect(), Some((one, NextHopId(1))));
        assert!(table.is_empty() && table.octets == 0 && table.bytes() > empty);
        assert_eq!(table.intern(NextHopId(2), &path(&[2])), Ok(one));
    }

    #[test]
    fn a_set_that_is_wanted_again_before_it_is_freed_stays() {
        let mut table = AttributeTable::new(7);
        let one = table.intern(NextHopId(1), &path(&[1])).unwrap();
        table.release(one);
        assert_eq!(table.intern(NextHopId(1), &path(&[1])), Ok(one));
        assert_eq!(table.collect(), None);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_full_table_refuses_and_still_knows_what_it_has() {
        let mut table = AttributeTable { limit: 1, ..AttributeTable::new(7) };
        let one = table.intern(NextHopId(1), &path(&[1]));
        assert!(one.is_ok());
        assert_eq!(table.intern(NextHopId(1), &path(&[2])), Err(SetError::Full));
        assert_eq!(table.intern(NextHopId(1), &path(&[1])), one);
    }
}
