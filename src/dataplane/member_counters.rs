//! What a worker counts of each member of bridge domains: frames and octets, in and out.
//!
//! Owns [`MemberCells`], of which a worker that bridges has one for each number that a member may
//! have; [`MemberCounts`], their sum over workers; and `Tally`, by which a node counts. A number
//! that is given to another member goes on counting: who shows a member takes away what stood there
//! when the member began.
//!
//! Frames of one burst that have one member are counted together, since nearly all of a burst from
//! a circuit have; for the others a tally costs one line of the cache, asked for ahead.
//!
//! *Invariants*: one worker writes, anybody reads; a cell only grows. Octets are those of the frame
//! as it is in its domain: from its destination MAC on, without the tag that a circuit takes off
//! and puts on, without outer headers and checksum. In is what came, whatever became of it; out is
//! what was given to the member, which its encapsulation or its port may still drop.
//! *Standards*: RFC 2863 §3.1.6 (what is counted of an interface), without the checksum.

use crate::base::ids::{MEMBER_MAX, MemberId};
use crate::base::prefetch::prefetch_index;
use crate::dataplane::counters::{Cell, LcoreCounters};
use std::sync::Arc;

/// The cells of one direction.
#[derive(Debug, Default)]
struct WayCells {
    frames: Cell,
    octets: Cell,
}

/// The cells of one member; two share a line of the cache.
#[derive(Debug, Default)]
#[repr(align(32))]
pub struct MemberCells {
    ways: [WayCells; 2],
}

const _: () = assert!(size_of::<MemberCells>() == 32);

impl MemberCells {
    /// Cells for every member there may be: half a mebibyte.
    pub(super) fn table() -> Box<[Self]> {
        (0..MEMBER_MAX).map(|_| Self::default()).collect()
    }

    fn counts(&self) -> MemberCounts {
        let [input, output] = self.ways.each_ref();
        MemberCounts {
            rx_frames: input.frames.get(),
            rx_octets: input.octets.get(),
            tx_frames: output.frames.get(),
            tx_octets: output.octets.get(),
        }
    }
}

/// Counts of one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberCounts {
    /// Frames that came by it.
    pub rx_frames: u64,
    /// Their octets.
    pub rx_octets: u64,
    /// Frames that were given to it.
    pub tx_frames: u64,
    /// Their octets.
    pub tx_octets: u64,
}

impl MemberCounts {
    /// What all workers counted of a member since they began.
    pub fn of(workers: &[Arc<LcoreCounters>], member: MemberId) -> Self {
        let of_worker = |counters: &Arc<LcoreCounters>| {
            counters.members().get(member.index()).map(MemberCells::counts)
        };
        workers.iter().filter_map(of_worker).fold(Self::default(), Self::plus)
    }

    /// The sum of two.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            rx_frames: self.rx_frames.wrapping_add(other.rx_frames),
            rx_octets: self.rx_octets.wrapping_add(other.rx_octets),
            tx_frames: self.tx_frames.wrapping_add(other.tx_frames),
            tx_octets: self.tx_octets.wrapping_add(other.tx_octets),
        }
    }

    /// What was counted since `earlier`: a number that had another member before.
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            rx_frames: self.rx_frames.wrapping_sub(earlier.rx_frames),
            rx_octets: self.rx_octets.wrapping_sub(earlier.rx_octets),
            tx_frames: self.tx_frames.wrapping_sub(earlier.tx_frames),
            tx_octets: self.tx_octets.wrapping_sub(earlier.tx_octets),
        }
    }
}

/// Which cells of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// Counts the frames of a burst; to be finished.
#[must_use = "what is not finished is not counted"]
pub(super) struct Tally<'a> {
    cells: &'a [MemberCells],
    way: Way,
    member: MemberId,
    frames: u64,
    octets: u64,
}

impl<'a> Tally<'a> {
    /// Nothing counted yet.
    #[inline]
    pub fn new(counters: &'a LcoreCounters, way: Way) -> Self {
        Self { cells: counters.members(), way, member: MemberId(0), frames: 0, octets: 0 }
    }

    /// Hints that a member will be counted.
    #[inline]
    pub fn prefetch(&self, member: MemberId) {
        prefetch_index(self.cells, member.index());
    }

    /// Counts a frame.
    #[inline]
    pub fn add(&mut self, member: MemberId, octets: u32) {
        if member != self.member {
            self.write();
            (self.member, self.frames, self.octets) = (member, 0, 0);
        }
        self.frames += 1;
        self.octets += u64::from(octets);
    }

    /// Writes what was counted last.
    #[inline]
    pub fn finish(self) {
        self.write();
    }

    #[inline]
    fn write(&self) {
        // Member 0 is none, and nothing was counted of it.
        if self.frames == 0 {
            return;
        }
        let Some(cells) = self.cells.get(self.member.index()) else { return };
        let [input, output] = &cells.ways;
        let cells = if self.way == Way::In { input } else { output };
        cells.frames.add(self.frames);
        cells.octets.add(self.octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_by_member_and_direction_and_added_up_over_workers() {
        let workers = [(); 3].map(|()| Arc::new(LcoreCounters::new(1)));
        let [one, two, idle] = &workers;
        [one, two].into_iter().for_each(|counters| counters.start_members());
        for counters in &workers {
            let mut tally = Tally::new(counters, Way::In);
            for (member, octets) in [(1, 100), (1, 60), (2, 1500), (1, 64), (60_000, 1)] {
                tally.add(MemberId(member), octets);
            }
            tally.finish();
        }
        let mut tally = Tally::new(one, Way::Out);
        tally.add(MemberId(2), 9000);
        tally.finish();
        Tally::new(one, Way::Out).finish();
        let counts = |member| MemberCounts::of(&workers, MemberId(member));
        let expected = MemberCounts { rx_frames: 6, rx_octets: 448, ..MemberCounts::default() };
        assert_eq!(counts(1), expected);
        let expected =
            MemberCounts { rx_frames: 2, rx_octets: 3000, tx_frames: 1, tx_octets: 9000 };
        assert_eq!(counts(2), expected);
        assert_eq!(counts(2).since(counts(1)).tx_octets, 9000);
        assert_eq!([counts(0), counts(60_000)], [MemberCounts::default(); 2]);
        assert!(idle.members().is_empty(), "a worker that bridges nothing has no cells");
    }
}
