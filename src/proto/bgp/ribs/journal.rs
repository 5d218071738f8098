//! What has changed, once for each slot: the order in which peers of a group hear of it.
//!
//! Owns [`Journal`], one for each group. A slot that changes goes to the end, and its older entry
//! becomes a hole: later news supersede earlier ones, however slow the peers are. Each peer has a
//! cursor; what all have passed is dropped.
//!
//! *Invariants*: a slot stands in it once. Holes are at most as many as entries, and a number
//! more, so that it never has more than twice as many places as there are slots.

use super::adj_rib_out::Slot;
use super::limits::JOURNAL_HOLES_MAX;
use super::prefix_table::NONE;
use std::collections::VecDeque;

/// Instead of a slot: it has changed again since.
const HOLE: u32 = u32::MAX;
/// Places are counted from here at the latest, so that their numbers never end.
const BASE_MAX: u32 = 1 << 31;

/// Slots by the time of their last change.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    entries: VecDeque<u32>,
    /// The number of the first place.
    base: u32,
    holes: usize,
}

impl Journal {
    /// The place behind the last one.
    pub(super) fn end(&self) -> u32 {
        self.base + u32::try_from(self.entries.len()).unwrap_or_else(|_| unreachable!("a limit"))
    }

    /// A slot has changed.
    pub(super) fn push(&mut self, slot: u32, slots: &mut [Slot]) {
        let end = self.end();
        let Some(position) = slots.get_mut(slot as usize).map(|slot| &mut slot.position) else {
            return;
        };
        if *position != NONE {
            self.entries[(*position - self.base) as usize] = HOLE;
            self.holes += 1;
        }
        *position = end;
        self.entries.push_back(slot);
    }

    /// The slot at a place, if any, and the place behind it; `None` at the end.
    pub(super) fn at(&self, cursor: u32) -> Option<(Option<u32>, u32)> {
        let entry = *self.entries.get((cursor - self.base) as usize)?;
        Some(((entry != HOLE).then_some(entry), cursor + 1))
    }

    /// Drops what all cursors have passed, and holes where they are many. Cursors are changed
    /// where places are counted anew.
    pub(super) fn tidy(&mut self, cursors: &mut [&mut u32], slots: &mut [Slot]) {
        let end = self.end();
        let least = cursors.iter().map(|cursor| **cursor).min().unwrap_or(end);
        while self.base < least {
            match self.entries.pop_front() {
                Some(HOLE) => self.holes -= 1,
                Some(slot) => slots[slot as usize].position = NONE,
                None => break,
            }
            self.base += 1;
        }
        let is_idle = self.entries.is_empty() && self.base > 0;
        let live = self.entries.len() - self.holes;
        if is_idle || self.holes > live + JOURNAL_HOLES_MAX || self.base > BASE_MAX {
            self.renumber(cursors, slots);
        }
    }

    /// Octets of memory.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<u32>()
    }

    fn renumber(&mut self, cursors: &mut [&mut u32], slots: &mut [Slot]) {
        cursors.sort_unstable_by_key(|cursor| **cursor);
        let mut waiting = cursors.iter_mut().peekable();
        let mut entries = VecDeque::with_capacity(self.entries.len() - self.holes);
        for (place, entry) in (self.base..).zip(&self.entries) {
            let position = u32::try_from(entries.len()).unwrap_or_else(|_| unreachable!("a limit"));
            while let Some(cursor) = waiting.next_if(|cursor| ***cursor <= place) {
                **cursor = position;
            }
            if *entry != HOLE {
                slots[*entry as usize].position = position;
                entries.push_back(*entry);
            }
        }
        let end = u32::try_from(entries.len()).unwrap_or_else(|_| unreachable!("a limit"));
        waiting.for_each(|cursor| **cursor = end);
        *self = Self { entries, base: 0, holes: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two readers of one journal; what each has still to hear is modelled as a set.
    #[derive(Clone, Debug)]
    enum Move {
        Push(u32),
        Read(usize, usize),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            3 => (0_u32..40).prop_map(Move::Push),
            1 => (0_usize..2, 1_usize..30).prop_map(|(reader, count)| Move::Read(reader, count)),
        ];
        prop::collection::vec(one, 0..4000)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_reader_hears_of_every_change_and_the_journal_stays_short(moves in moves()) {
            let mut slots = vec![Slot::EMPTY; 40];
            let mut journal = Journal::default();
            let mut cursors = [0_u32; 2];
            let mut unheard: [Vec<u32>; 2] = Default::default();
            for step in moves {
                match step {
                    Move::Push(slot) => {
                        journal.push(slot, &mut slots);
                        for list in &mut unheard {
                            list.retain(|other| *other != slot);
                            list.push(slot);
                        }
                    }
                    Move::Read(reader, count) => {
                        for _ in 0..count {
                            let Some((slot, next)) = journal.at(cursors[reader]) else { break };
                            cursors[reader] = next;
                            if let Some(slot) = slot {
                                prop_assert_eq!(unheard[reader].remove(0), slot);
                            }
                        }
                    }
                }
                let [one, other] = &mut cursors;
                journal.tidy(&mut [one, other], &mut slots);
                prop_assert!(journal.entries.len() <= 2 * 40 + JOURNAL_HOLES_MAX + 1);
            }
            for (cursor, unheard) in cursors.into_iter().zip(unheard) {
                let (mut at, mut rest) = (cursor, Vec::new());
                while let Some((slot, next)) = journal.at(at) {
                    rest.extend(slot);
                    at = next;
                }
                prop_assert_eq!(rest, unheard);
            }
        }
    }
}
