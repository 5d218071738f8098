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
use crate::fib::next_hop::NextHopGroup;
use core::ops::Deref;

/// All groups, by number; written by the control thread as part of `Forwarding`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTable {
    groups: Vec<NextHopGroup>,
    heads: Vec<Head>,
    /// The buckets of the groups with several members, one group behind the other.
    buckets: Vec<NextHopId>,
    /// Buckets that no group has any more.
    unused: usize,
}

/// What the packet path reads of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    /// The member, where the mask is zero; else where the group's buckets begin.
    first: u32,
    /// Buckets less one.
    mask: u16,
    /// The group forwards.
    forwards: bool,
}

const _: () = assert!(size_of::<Head>() == 8);

/// The next hop that a head leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The only one.
    Single(NextHopId),
    /// One of several, by the hash of the flow.
    Hashed(Buckets),
    /// None: ask the group.
    Other,
}

/// Where the buckets of a group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    first: u32,
    mask: u16,
}

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

    /// Where packets of a group go; unknown numbers are asked for as a whole.
    #[inline]
    pub fn choice(&self, id: GroupId) -> Choice {
        match self.heads.get(id.index()) {
            Some(head) if head.forwards && head.mask == 0 => {
                // A next hop's number has 16 bits; the head keeps it in 32.
                u16::try_from(head.first).map_or(Choice::Other, |id| Choice::Single(NextHopId(id)))
            }
            Some(head) if head.forwards => {
                Choice::Hashed(Buckets { first: head.first, mask: head.mask })
            }
            _ => Choice::Other,
        }
    }

    /// The member behind the bucket of a flow.
    #[inline]
    pub fn member(&self, buckets: Buckets, flow_hash: u32) -> Option<NextHopId> {
        let place = buckets.first + (flow_hash & u32::from(buckets.mask));
        self.buckets.get(place as usize).copied()
    }

    /// The head of a group, with its buckets added.
    fn head(&mut self, group: &NextHopGroup) -> Head {
        let NextHopGroup::Forward { buckets, .. } = group else { return Head::default() };
        match **buckets {
            [only] => Head { first: u32::from(only.0), mask: 0, forwards: true },
            [] => Head::default(),
            ref several => {
                let first = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
                let mask = u16::try_from(several.len() - 1).unwrap_or(0);
                self.buckets.extend_from_slice(several);
                Head { first, mask, forwards: true }
            }
        }
    }
}

impl Head {
    const fn bucket_count(self) -> usize {
        if self.mask == 0 { 0 } else { self.mask as usize + 1 }
    }
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
            let member = match table.choice(GroupId(id)) {
                Choice::Single(member) => Some(member),
                Choice::Hashed(buckets) => table.member(buckets, hash),
                Choice::Other => None,
            };
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
        assert_eq!(table.choice(GroupId(99)), Choice::Other);
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
