//! The groups of a world, and what a packet needs of them in eight octets each.
//!
//! Owns [`GroupTable`]. The groups themselves say everything ([`NextHopGroup`]); beside each stands
//! a head, from which the packet path has the next hop of a group with one member at once, and that
//! of a larger one by one load more. So a packet goes from its prefix to its rewrite by two
//! dependent loads, with ECMP by three. Groups in which somebody is dead, and all that do not
//! forward, are looked at as a whole.
//!
//! *Invariants*: there is a head for each group and they say the same; group 0 is "no route".

use crate::base::ids::{GroupId, NextHopId};
use crate::base::route::ECMP_WIDTH_MAX;
use crate::fib::next_hop::NextHopGroup;
use crate::fib::table::LOOKUP_BURST_MAX;
use core::ops::Deref;

/// The number that no next hop has.
pub const NEXT_HOP_ABSENT: NextHopId = NextHopId(u16::MAX);

/// All groups, by number; written by the control thread as part of `Forwarding`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTable {
    groups: Vec<NextHopGroup>,
    heads: Vec<Head>,
    /// The buckets of the groups with several members, one group behind the other.
    // Gap: the first new group after a publication copies all of them (DESIGN §3 wants parts that
    // did not change to be shared); 128 octets for a group of up to four members.
    buckets: Vec<NextHopId>,
    /// Buckets that no group has any more.
    unused: usize,
}

/// What the packet path reads of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// The member, where the mask is zero; else where the group's buckets begin.
    first: u32,
    /// Buckets less one.
    mask: u32,
}

const _: () = assert!(size_of::<Head>() == 8);

impl Default for GroupTable {
    fn default() -> Self {
        Self::new(vec![NextHopGroup::Unreachable])
    }
}

impl Deref for GroupTable {
    type Target = [NextHopGroup];

    fn deref(&self) -> &[NextHopGroup] {
        &self.groups
    }
}

impl GroupTable {
    /// The table of these groups, numbered from zero.
    pub fn new(groups: Vec<NextHopGroup>) -> Self {
        let mut table =
            Self { groups: Vec::new(), heads: Vec::new(), buckets: Vec::new(), unused: 0 };
        groups.into_iter().for_each(|group| table.push(group));
        table
    }

    /// Adds a group behind the others.
    pub fn push(&mut self, group: NextHopGroup) {
        let head = self.head(&group);
        self.heads.push(head);
        self.groups.push(group);
    }

    /// Puts a group in the place of another; the number is one of the table's.
    pub fn set(&mut self, id: GroupId, group: NextHopGroup) {
        self.unused += self.heads[id.index()].bucket_count();
        if self.unused > self.buckets.len() / 2 {
            self.groups[id.index()] = group;
            *self = Self::new(core::mem::take(&mut self.groups));
            return;
        }
        self.heads[id.index()] = self.head(&group);
        self.groups[id.index()] = group;
    }

    /// The members for a burst of groups, written to the same places; `flow_hash` is asked for the
    /// places whose group has several. Where a group does not forward, or is not known, there is
    /// [`NEXT_HOP_ABSENT`]. Nobody has looked whether the members live.
    #[inline]
    pub fn choose_burst(
        &self,
        groups: &[GroupId],
        members: &mut [NextHopId; LOOKUP_BURST_MAX],
        mut flow_hash: impl FnMut(usize) -> u32,
    ) {
        // The places that need a hash, without a branch for each: which ones is not predictable.
        let mut several = [(0_usize, Head::NONE); LOOKUP_BURST_MAX];
        let mut count = 0;
        for (place, (group, member)) in groups.iter().zip(members.iter_mut()).enumerate() {
            let head = self.heads.get(group.index()).copied().unwrap_or(Head::NONE);
            // A next hop's number has 16 bits; the head keeps it in 32.
            *member = NextHopId(lowest(head.first));
            if let Some(slot) = several.get_mut(count) {
                *slot = (place, head);
            }
            count += usize::from(head.mask != 0);
        }
        for (place, head) in several.iter().take(count) {
            let bucket = head.first + (flow_hash(*place) & head.mask);
            let found = self.buckets.get(bucket as usize).copied().unwrap_or(NEXT_HOP_ABSENT);
            if let Some(member) = members.get_mut(*place) {
                *member = found;
            }
        }
    }

    /// Whether the head and the buckets of a group say what the group says, and the group's own
    /// buckets lead to its members and to each of them; for a look at oneself.
    pub fn is_sound(&self, id: GroupId) -> bool {
        let (Some(group), Some(head)) = (self.get(id.index()), self.heads.get(id.index())) else {
            return false;
        };
        let NextHopGroup::Forward { members, buckets, .. } = group else {
            return *head == Head::NONE;
        };
        let mut has_flows = [false; ECMP_WIDTH_MAX];
        let mut is_member = |member: &NextHopId| {
            let place = members.binary_search(member).ok();
            place.and_then(|place| has_flows.get_mut(place)).map(|has_flows| *has_flows = true)
        };
        let is_dealt = buckets.len().is_power_of_two()
            && buckets.iter().all(|member| is_member(member).is_some())
            && has_flows.iter().take(members.len()).all(|has_flows| *has_flows);
        let is_copied = match **buckets {
            [only] => *head == Head { first: u32::from(only.0), mask: 0 },
            _ => {
                let first = head.first as usize;
                let copy = self.buckets.get(first..first + head.bucket_count());
                copy == Some(buckets)
            }
        };
        is_dealt && is_copied
    }

    /// The head of a group, with its buckets added.
    fn head(&mut self, group: &NextHopGroup) -> Head {
        let NextHopGroup::Forward { buckets, .. } = group else { return Head::NONE };
        match **buckets {
            [only] => Head { first: u32::from(only.0), mask: 0 },
            [] => Head::NONE,
            ref several => {
                let first = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
                let mask = u32::try_from(several.len() - 1).unwrap_or(0);
                self.buckets.extend_from_slice(several);
                Head { first, mask }
            }
        }
    }
}

impl Head {
    /// Of groups that do not forward.
    const NONE: Self = Self { first: NEXT_HOP_ABSENT.0 as u32, mask: 0 };

    const fn bucket_count(self) -> usize {
        if self.mask == 0 { 0 } else { self.mask as usize + 1 }
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the number of a next hop has 16 bits")]
const fn lowest(first: u32) -> u16 {
    first as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn several(members: &[u16]) -> NextHopGroup {
        NextHopGroup::forward(members.iter().copied().map(NextHopId).collect())
    }

    /// What the head says of a flow is what the group says.
    fn agrees(table: &GroupTable, id: u16) -> bool {
        let group = &table[usize::from(id)];
        (0..2048).all(|hash| {
            let mut members = [NextHopId(0); LOOKUP_BURST_MAX];
            table.choose_burst(&[GroupId(id)], &mut members, |_| hash);
            let member = Some(members[0]).filter(|member| *member != NEXT_HOP_ABSENT);
            member == group.member(hash, |_| true)
        })
    }

    #[test]
    fn heads_say_what_the_groups_say() {
        let table = GroupTable::new(vec![
            NextHopGroup::Unreachable,
            several(&[7]),
            several(&[1, 2, 3]),
            NextHopGroup::Local,
            several(&[4, 5]),
        ]);
        assert!((0..5).all(|id| agrees(&table, id)));
        let mut members = [NextHopId(0); LOOKUP_BURST_MAX];
        table.choose_burst(&[99, 2, 1].map(GroupId), &mut members, |place| u32::from(place != 1));
        assert_eq!(members[0], NEXT_HOP_ABSENT, "unknown groups do not forward");
        assert_eq!(Some(members[1]), table[2].member(0, |_| true));
        assert_eq!(members[2], NextHopId(7));
    }

    #[test]
    fn a_head_or_a_bucket_that_says_something_else_is_seen() {
        let groups = vec![NextHopGroup::Unreachable, several(&[7]), several(&[1, 2, 3])];
        let table = GroupTable::new(groups);
        assert!((0..3).all(|id| table.is_sound(GroupId(id))) && !table.is_sound(GroupId(3)));
        type Spoil = fn(&mut GroupTable);
        let spoils: [(u16, Spoil); 6] = [
            (0, |table| table.heads[0] = Head { first: 7, mask: 0 }),
            (1, |table| table.heads[1].first = 8),
            (1, |table| table.heads[1].mask = 63),
            (2, |table| table.heads[2] = Head { first: u32::MAX, mask: u32::MAX }),
            (2, |table| table.heads[2].mask >>= 1),
            (2, |table| table.buckets[5] = NextHopId(9)),
        ];
        for (spoiled, spoil) in spoils {
            let mut table = table.clone();
            spoil(&mut table);
            assert!((0..3).all(|id| table.is_sound(GroupId(id)) == (id != spoiled)), "{spoiled}");
            let group = table[usize::from(spoiled)].clone();
            table.set(GroupId(spoiled), group);
            assert!(agrees(&table, spoiled) && table.is_sound(GroupId(spoiled)));
        }
    }

    #[test]
    fn buckets_of_groups_that_went_do_not_pile_up() {
        let mut table = GroupTable::new(vec![NextHopGroup::Unreachable, several(&[1, 2])]);
        for round in 0..1000 {
            let next = round % 60 + 1;
            table.set(GroupId(1), several(&[next, next + 1, next + 2]));
            assert!(agrees(&table, 1));
        }
        table.set(GroupId(1), NextHopGroup::Blackhole);
        assert!(table.buckets.len() < 1000, "{} buckets", table.buckets.len());
    }
}
