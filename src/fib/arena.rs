//! The memory of the search structure: cache lines that snapshots share.
//!
//! Owns [`Arena`], the lines and their life, and the code of an [`Entry`]. What stands in the lines
//! is `build.rs`'s, who reads them `lookup.rs`'s.
//!
//! A table is changed by writing new lines and by publishing a root that leads to them; a line that
//! a snapshot can reach is never written. So every line is written by one thread while nobody reads
//! it, and read by many while nobody writes it: plain loads and stores do, which is what relaxed
//! atomics are on every processor we know. What makes the lines visible is the publication of the
//! snapshot (`base::rcu`).
//!
//! *Invariants*: lines are given out again only when every snapshot that could reach them has been
//! dropped: extents are retired in the order of the versions, with a token that the version before
//! holds, and taken back from the front while the tokens are gone. One arena at most of those that
//! a chain of versions has had gives out lines; the others are for those who still read them. Line
//! 0 is a dummy that is never given out: lanes of a burst that need no line read it.

use core::sync::atomic::{AtomicU32, Ordering, fence};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Words of a line.
pub(super) const LINE_WORDS: usize = 16;
/// Lines an entry can name.
const LINES_MAX: usize = 1 << 26;

/// One cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [AtomicU32; LINE_WORDS]);

const _: () = assert!(size_of::<Line>() == 64 && align_of::<Line>() == 64);

/// Neighbouring lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first line.
    pub(super) start: usize,
    /// How many.
    pub(super) length: usize,
}

/// Lines and the record of who may still read them; one for each chain of versions of a table.
#[derive(Debug)]
pub(super) struct Arena {
    lines: Box<[Line]>,
    record: Mutex<Record>,
}

/// What the writer knows of the lines.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Number of the newest version; only that one may be changed here.
    version: u64,
    /// The first line that was never given out.
    fresh: usize,
    /// Starts of free extents by their length.
    free: BTreeMap<usize, Vec<usize>>,
    /// Extents that only versions up to the one with this token reach, the oldest first.
    retired: VecDeque<(Weak<()>, Vec<Extent>)>,
}

impl Arena {
    /// An arena whose first lines hold `words`, with room for half as many again and for some
    /// changes of the longest extent, which has `longest` lines.
    pub(super) fn holding(words: &[u32], longest: usize) -> Self {
        let used = words.len().div_ceil(LINE_WORDS).max(1);
        // A table of a million routes takes a fortieth of it at most usual shapes, half at worst.
        assert!(used <= LINES_MAX, "an entry names every line of its table");
        let spare = (used / 2).max(SPARE_EXTENTS * longest) + SPARE_LINES;
        let capacity = (used + spare).min(LINES_MAX);
        let mut lines: Box<[Line]> = (0..capacity).map(|_| Line::default()).collect();
        for (line, words) in lines.iter_mut().zip(words.chunks(LINE_WORDS)) {
            for (cell, word) in line.0.iter_mut().zip(words) {
                *cell.get_mut() = *word;
            }
        }
        Self { lines, record: Mutex::new(Record { fresh: used, ..Record::default() }) }
    }

    /// The lines, for readers.
    #[inline(always)]
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The word at a position counted from the first line.
    #[inline(always)]
    pub(super) fn word(&self, position: usize) -> u32 {
        self.lines[position / LINE_WORDS].0[position % LINE_WORDS].load(Ordering::Relaxed)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // A panic in between can only have lost extents, which the next rebuild brings back.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same lines at the same places, with room for half as many again; `None` where an entry
    /// cannot name more, or where so much is free in pieces that building everything anew is
    /// better. Nobody reads these lines yet, so what waited for readers is free.
    fn grown(&self, record: &mut Record, needed: usize) -> Option<Self> {
        record.reclaim_all();
        let used = record.fresh - record.free_count();
        let spare = (used / 2).max(SPARE_EXTENTS * needed) + SPARE_LINES;
        let capacity = (record.fresh.max(used + spare) + needed).min(LINES_MAX);
        if record.fresh + needed > capacity || used < record.fresh / 2 {
            return None;
        }
        let copy = |line: &Line| {
            Line(core::array::from_fn(|cell| AtomicU32::new(line.0[cell].load(Ordering::Relaxed))))
        };
        let lines = self.lines[..record.fresh].iter().map(copy);
        let empty = core::iter::repeat_with(Line::default).take(capacity - record.fresh);
        Some(Self { lines: lines.chain(empty).collect(), record: Mutex::default() })
    }

    /// Writes `words` into an extent that nobody reads yet.
    fn write(&self, extent: Extent, words: &[u32]) {
        let lines = &self.lines[extent.start..extent.start + extent.length];
        for (line, words) in lines.iter().zip(words.chunks(LINE_WORDS)) {
            for (cell, word) in line.0.iter().zip(words) {
                cell.store(*word, Ordering::Relaxed);
            }
        }
    }
}

/// One change of a table: where its new lines are written.
#[derive(Debug)]
pub(super) struct Writer {
    arena: Arc<Arena>,
    record: Record,
}

impl Writer {
    /// For a change of the version with this number; `None` where it is not the newest of the
    /// arena. A writer that does not [finish](Self::finish) leaves an arena that gives out nothing.
    pub(super) fn new(arena: &Arc<Arena>, version: u64) -> Option<Self> {
        let mut held = arena.record();
        if held.version != version {
            return None;
        }
        let mut record = core::mem::replace(&mut *held, Record::closed());
        record.reclaim();
        drop(held);
        Some(Self { arena: Arc::clone(arena), record })
    }

    /// Lines for a change, in a larger arena where this one has none left; `None` where that cannot
    /// be or does not pay, and everything has to be built anew.
    pub(super) fn take(&mut self, length: usize) -> Option<Extent> {
        let capacity = self.arena.lines.len();
        if let Some(extent) = self.record.take(length, capacity) {
            return Some(extent);
        }
        self.arena = Arc::new(self.arena.grown(&mut self.record, length)?);
        self.record.take(length, self.arena.lines.len())
    }

    /// Writes `words` into lines that it has taken.
    pub(super) fn write(&self, extent: Extent, words: &[u32]) {
        self.arena.write(extent, words);
    }

    /// Ends the change; the arena and the number of the new version. `vanishing` are the extents it
    /// does not reach, `token` is what the version before it holds.
    pub(super) fn finish(mut self, token: &Arc<()>, vanishing: Vec<Extent>) -> (Arc<Arena>, u64) {
        self.record.retire(token, vanishing);
        self.record.version += 1;
        let version = self.record.version;
        *self.arena.record() = self.record;
        (self.arena, version)
    }
}

/// Copies of the longest extent that a new arena has room for: those that snapshots still hold.
const SPARE_EXTENTS: usize = 4;
/// Lines beyond that: a small table's first changes.
const SPARE_LINES: usize = 512;

impl Record {
    /// Of an arena whose lines are given out elsewhere.
    fn closed() -> Self {
        Self { version: u64::MAX, ..Self::default() }
    }

    /// How many lines are free between others.
    fn free_count(&self) -> usize {
        self.free.iter().map(|(length, starts)| length * starts.len()).sum()
    }

    /// Takes back everything: no version can read the lines.
    fn reclaim_all(&mut self) {
        for (_, extents) in core::mem::take(&mut self.retired) {
            extents.into_iter().for_each(|extent| self.give_back(extent));
        }
    }

    /// Takes back what no version can reach any more.
    fn reclaim(&mut self) {
        while let Some((token, _)) = self.retired.front() {
            if token.strong_count() > 0 {
                break;
            }
            // Whoever dropped the last snapshot had read it before; the drop was a release.
            fence(Ordering::Acquire);
            let Some((_, extents)) = self.retired.pop_front() else { break };
            for extent in extents {
                self.give_back(extent);
            }
        }
    }

    /// Gives out `length` lines of an arena of `capacity`.
    fn take(&mut self, length: usize, capacity: usize) -> Option<Extent> {
        let found = self.free.range_mut(length..).find_map(|(size, starts)| {
            let start = starts.pop()?;
            Some((*size, start, starts.is_empty()))
        });
        if let Some((size, start, is_last)) = found {
            if is_last {
                self.free.remove(&size);
            }
            self.give_back(Extent { start: start + length, length: size - length });
            return Some(Extent { start, length });
        }
        let start = self.fresh;
        (start + length <= capacity).then(|| {
            self.fresh = start + length;
            Extent { start, length }
        })
    }

    /// Makes an extent free at once: nobody ever read it.
    fn give_back(&mut self, extent: Extent) {
        if extent.length > 0 {
            self.free.entry(extent.length).or_default().push(extent.start);
        }
    }

    /// Notes extents that the next version does not reach; `token` is what the present one holds.
    fn retire(&mut self, token: &Arc<()>, extents: Vec<Extent>) {
        self.retired.push_back((Arc::downgrade(token), extents));
    }
}

/// What a slot of a table says, in 32 bits: a code in the upper six, then what it leads to.
///
/// ```text
/// 0       result   group number, or NO_MATCH
/// 1       leaf     line number
/// 2       node     line number
/// 8..=28  table    line number of the first entry
/// ```
///
/// The code of a table says which bits index it: of the bits 24 to 47 of the address, left-aligned
/// in a word, those that no table before it has consumed, shifted right by the code. So a step
/// needs one shift and no subtraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(pub(super) u32);

/// What an entry leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing further: it is the group, or the mark for none.
    Result,
    /// A line of keys and values.
    Leaf,
    /// A line of what to compare, and where to go on.
    Node,
    /// A table of entries.
    Table,
}

/// Where the code of an entry stands.
pub(super) const CODE_SHIFT: u32 = 26;
/// The line number.
pub(super) const LINE_MASK: u32 = (1 << CODE_SHIFT) - 1;
/// The code of a leaf.
const CODE_LEAF: u32 = 1;
/// The code of a node.
const CODE_NODE: u32 = 2;
/// The lowest code of a table.
const CODE_TABLE_MIN: u32 = 8;
/// The lowest table; whatever is less is none.
pub(super) const TABLE_MIN: u32 = CODE_TABLE_MIN << CODE_SHIFT;
/// The lowest node and the lowest leaf.
pub(super) const NODE_MIN: u32 = CODE_NODE << CODE_SHIFT;
/// The lowest leaf; whatever is less is a result.
pub(super) const LEAF_MIN: u32 = CODE_LEAF << CODE_SHIFT;
/// The widest table.
pub(super) const WIDTH_MAX: u8 = 15;

impl Entry {
    /// A group number or `NO_MATCH`.
    pub(super) const fn result(value: u16) -> Self {
        Self(value as u32)
    }

    /// A leaf.
    pub(super) const fn leaf(line: u32) -> Self {
        Self(LEAF_MIN | line)
    }

    /// A table that is indexed by what a shift by `code` leaves.
    pub(super) const fn table(line: u32, code: u8) -> Self {
        debug_assert!(code as u32 >= CODE_TABLE_MIN && code < 32);
        Self((code as u32) << CODE_SHIFT | line)
    }

    /// A node.
    pub(super) const fn node(line: u32) -> Self {
        Self(NODE_MIN | line)
    }

    /// The kind.
    #[inline(always)]
    pub(super) const fn kind(self) -> Kind {
        match self.0 {
            0..LEAF_MIN => Kind::Result,
            LEAF_MIN..NODE_MIN => Kind::Leaf,
            NODE_MIN..TABLE_MIN => Kind::Node,
            TABLE_MIN.. => Kind::Table,
        }
    }

    /// The line of a leaf, a node or a table.
    #[inline(always)]
    pub(super) const fn line(self) -> usize {
        (self.0 & LINE_MASK) as usize
    }

    /// The shift of a table.
    #[inline(always)]
    pub(super) const fn code(self) -> u32 {
        self.0 >> CODE_SHIFT
    }

    /// The same entry in an image that begins at line `base`.
    pub(super) const fn moved(self, base: u32) -> Self {
        match self.kind() {
            Kind::Result => self,
            Kind::Leaf | Kind::Node | Kind::Table => Self(self.0 + base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_when_the_last_reader_has_gone() {
        let arena = Arena::holding(&[0; 16], 0);
        let mut record = arena.record();
        let capacity = arena.lines().len();
        let extent = record.take(3, capacity).unwrap();
        assert_eq!(extent, Extent { start: 1, length: 3 });
        let (old, new) = (Arc::new(()), Arc::new(()));
        record.retire(&old, vec![extent]);
        record.retire(&new, vec![]);
        record.reclaim();
        assert_eq!(record.take(3, capacity).unwrap().start, 4, "the old version still reads it");
        drop(old);
        record.reclaim();
        assert_eq!(record.take(2, capacity).unwrap().start, 1);
        assert_eq!(record.take(1, capacity).unwrap().start, 3, "the rest of the extent");
    }

    #[test]
    fn a_full_arena_goes_on_in_a_larger_one_and_readers_keep_theirs() {
        let old = Arc::new(Arena::holding(&[7; 16], 0));
        let (token, capacity) = (Arc::new(()), old.lines().len());
        let mut writer = Writer::new(&old, 0).unwrap();
        let first = writer.take(capacity - 1).unwrap();
        writer.write(first, &[1; 16]);
        let second = writer.take(2).unwrap();
        writer.write(second, &[2; 32]);
        assert_eq!(second, Extent { start: capacity, length: 2 });
        assert!(Writer::new(&old, 0).is_none(), "its lines are given out elsewhere");
        let (new, version) = writer.finish(&token, vec![first]);
        assert_eq!((new.word(0), new.word(16), new.word(capacity * 16 + 31)), (7, 1, 2));
        assert_eq!((old.lines().len(), old.word(0), old.word(16)), (capacity, 7, 1));
        let mut writer = Writer::new(&new, version).unwrap();
        drop(token);
        let rest = new.lines().len() - second.start - 2;
        assert!(writer.take(rest).is_some());
        let third = writer.take(rest).unwrap();
        assert!(third.start < capacity || third.start >= new.lines().len(), "{third:?}");
    }

    #[test]
    fn an_arena_of_holes_is_built_anew() {
        let arena = Arc::new(Arena::holding(&[7; 16], 0));
        let mut writer = Writer::new(&arena, 0).unwrap();
        let all = writer.take(arena.lines().len() - 1).unwrap();
        for start in all.start..all.start + all.length {
            writer.record.give_back(Extent { start, length: 1 });
        }
        assert_eq!(writer.take(2), None);
        assert!(writer.take(1).is_some());
    }

    #[test]
    fn a_later_version_does_not_free_what_an_earlier_one_reads() {
        let arena = Arena::holding(&[0; 16], 0);
        let mut record = arena.record();
        let (old, new) = (Arc::new(()), Arc::new(()));
        let extent = record.take(1, 8).unwrap();
        record.retire(&old, vec![]);
        record.retire(&new, vec![extent]);
        drop(new);
        record.reclaim();
        assert!(record.free.is_empty(), "the old version reaches it as well");
        drop(old);
        record.reclaim();
        assert_eq!(record.take(1, 0), Some(extent));
    }

    #[test]
    fn entries_say_what_they_were_made_of() {
        let table = Entry::table(77, 15).moved(3);
        assert_eq!((table.kind(), table.line(), table.code()), (Kind::Table, 80, 15));
        assert_eq!(Entry::leaf(5).moved(3), Entry::leaf(8));
        assert_eq!(Entry::node(9).moved(3).line(), 12);
        assert_eq!(Entry::result(9).moved(3), Entry::result(9));
    }
}
