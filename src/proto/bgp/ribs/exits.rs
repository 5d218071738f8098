//! Groups of exits: what a prefix points to, so that a lost exit is one change.
//!
//! Owns `ExitGroups`, one for each speaker. An exit is a next hop as learned from a peer. A group
//! names those that share a prefix's traffic and those that wait behind them; what is alive of it
//! is its content, and that is what the forwarding table is told. Many prefixes have the same
//! exits, hence the same group: when one dies, the contents of its groups change and no prefix does
//! (prefix-independent convergence).
//!
//! *Invariants*: equal groups have one number; a group without prefixes is gone. Whoever makes a
//! group keeps the next hops of its exits as long as it lives, so that their numbers stay theirs.

use super::limits::{EXIT_GROUPS_MAX, NUMBERS_RESTING};
use super::next_hops::NextHopId;
use super::peer::PeerId;
use std::collections::{BTreeMap, VecDeque};

/// A next hop as learned from a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Exit {
    pub next_hop: NextHopId,
    pub peer: PeerId,
    /// How often all paths of the peer had gone before.
    pub generation: u16,
}

/// A group of exits, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExitGroupId(pub u32);

/// Who shares the traffic, and who waits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Exits {
    /// In order.
    pub primaries: Vec<Exit>,
    /// The best first.
    pub backups: Vec<Exit>,
}

impl Exits {
    /// What traffic takes: the primaries that live, else the first backup that does.
    pub fn content(&self, is_alive: impl Fn(Exit) -> bool) -> Vec<Exit> {
        let alive: Vec<Exit> = self.primaries.iter().copied().filter(|e| is_alive(*e)).collect();
        if !alive.is_empty() {
            return alive;
        }
        self.backups.iter().copied().find(|exit| is_alive(*exit)).into_iter().collect()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Exit> + '_ {
        self.primaries.iter().chain(&self.backups).copied()
    }
}

#[derive(Clone, Debug)]
struct Group {
    exits: Exits,
    content: Vec<Exit>,
    references: u32,
}

/// All groups.
#[derive(Clone, Debug, Default)]
pub(super) struct ExitGroups {
    groups: Vec<Option<Group>>,
    numbers: BTreeMap<Exits, u32>,
    /// The oldest first. A number rests before it is used again: the forwarding table takes
    /// prefixes from it slice by slice, and has to hurry where it finds another group there.
    free: VecDeque<u32>,
}

impl ExitGroups {
    /// The number of a group that is there.
    pub fn find(&self, exits: &Exits) -> Option<ExitGroupId> {
        self.numbers.get(exits).copied().map(ExitGroupId)
    }

    /// Whether a group is this one.
    pub fn is(&self, id: ExitGroupId, exits: &Exits) -> bool {
        self.group(id).is_some_and(|group| group.exits == *exits)
    }

    /// A new group without references; `None` where there are too many.
    pub fn create(&mut self, exits: Exits, content: Vec<Exit>) -> Option<ExitGroupId> {
        if self.numbers.len() >= EXIT_GROUPS_MAX {
            return None;
        }
        let group = Group { exits: exits.clone(), content, references: 0 };
        let rested = (self.free.len() > NUMBERS_RESTING).then(|| self.free.pop_front()).flatten();
        let number = rested.unwrap_or_else(|| {
            self.groups.push(None);
            u32::try_from(self.groups.len() - 1).unwrap_or_else(|_| unreachable!("a limit"))
        });
        self.groups[number as usize] = Some(group);
        self.numbers.insert(exits, number);
        Some(ExitGroupId(number))
    }

    /// A prefix more.
    pub fn retain(&mut self, id: ExitGroupId) {
        if let Some(group) = self.groups[id.0 as usize].as_mut() {
            group.references += 1;
        }
    }

    /// A prefix less; the exits of the group if it was the last one.
    pub fn release(&mut self, id: ExitGroupId) -> Option<Exits> {
        let group = self.groups[id.0 as usize].as_mut()?;
        group.references -= 1;
        if group.references > 0 {
            return None;
        }
        let group = self.groups[id.0 as usize].take()?;
        self.numbers.remove(&group.exits);
        self.free.push_back(id.0);
        Some(group.exits)
    }

    /// What traffic takes.
    pub fn content(&self, id: ExitGroupId) -> &[Exit] {
        self.group(id).map_or(&[], |group| group.content.as_slice())
    }

    /// The best exit of a group, alive or not.
    pub fn first(&self, id: ExitGroupId) -> Option<Exit> {
        self.group(id)?.exits.iter().next()
    }

    /// Finds out anew what lives of all groups that have such an exit; those that changed.
    pub fn refresh(
        &mut self,
        is_meant: impl Fn(Exit) -> bool,
        is_alive: impl Fn(Exit) -> bool,
    ) -> Vec<ExitGroupId> {
        let mut changed = Vec::new();
        for (number, group) in (0_u32..).zip(&mut self.groups) {
            let Some(group) = group.as_mut().filter(|group| group.exits.iter().any(&is_meant))
            else {
                continue;
            };
            let content = group.exits.content(&is_alive);
            if content != group.content {
                group.content = content;
                changed.push(ExitGroupId(number));
            }
        }
        changed
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    fn group(&self, id: ExitGroupId) -> Option<&Group> {
        self.groups.get(id.0 as usize).and_then(Option::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exits(number: u32) -> Exits {
        let exit = Exit { next_hop: NextHopId(number), peer: PeerId(0), generation: 0 };
        Exits { primaries: vec![exit], backups: Vec::new() }
    }

    #[test]
    fn a_number_rests_before_it_is_used_again() {
        let mut groups = ExitGroups::default();
        let mut last = Vec::new();
        for number in 0..u32::try_from(3 * NUMBERS_RESTING).unwrap() {
            let id = groups.create(exits(number), Vec::new()).unwrap();
            groups.retain(id);
            let rested = last.iter().rev().position(|other| *other == id);
            assert!(rested.is_none_or(|count| count >= NUMBERS_RESTING), "{rested:?}");
            last.push(id);
            assert_eq!(groups.release(id), Some(exits(number)));
        }
        assert_eq!(groups.groups.len(), NUMBERS_RESTING + 1);
    }
}
