//! A door between the queues of a port and the thread that starts its device once more.
//!
//! Owns [`Gate`]. Only devices whose other end may be missing have one (`net_memif`): DPDK starts
//! them when the other end is there, and again when that was away, while workers poll all the time.
//!
//! *Invariants*: [`Gate::close`] returns `true` only when no worker is inside a burst and none can
//! get inside before [`Gate::open`].
//!
//! The argument is Dekker's: a worker writes its place, then reads the door; who closes writes the
//! door, then reads the places. All four are sequentially consistent, so at least one of the two
//! sees the other.

use core::sync::atomic::{AtomicBool, Ordering};
use crossbeam_utils::CachePadded;
use std::time::{Duration, Instant};

/// How long a burst may take, with a worker that loses its CPU in the middle of it.
const BURST_TIME_MAX: Duration = Duration::from_secs(2);
/// Between two looks at the places.
const LOOK_INTERVAL: Duration = Duration::from_micros(50);

/// The door; one for each port that has one, shared by its queues and its `Redial`.
#[derive(Debug)]
pub(super) struct Gate {
    is_open: AtomicBool,
    /// Whether somebody is inside, for each queue; receive and transmit queues in turn.
    places: Box<[CachePadded<AtomicBool>]>,
}

/// Which side of a queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Receiving.
    Rx,
    /// Transmitting.
    Tx,
}

/// Somebody is inside.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    place: &'a AtomicBool,
}

impl Gate {
    /// A closed door for `queues` queue pairs.
    pub(super) fn new(queues: u16) -> Self {
        let places = (0..2 * u32::from(queues)).map(|_| CachePadded::default()).collect();
        Self { is_open: AtomicBool::new(false), places }
    }

    /// Lets a queue in; `None` while the door is closed.
    #[inline]
    pub(super) fn enter(&self, queue: u16, side: Side) -> Option<Inside<'_>> {
        let place: &AtomicBool = self.places.get(2 * usize::from(queue) + side as usize)?;
        place.store(true, Ordering::SeqCst);
        let inside = Inside { place };
        self.is_open.load(Ordering::SeqCst).then_some(inside)
    }

    /// Whether queues get in.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    /// Lets queues in.
    pub(super) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    /// Lets no queue in any more, and waits until all are outside; `false` when one does not come
    /// out in time.
    pub(super) fn close(&self) -> bool {
        self.is_open.store(false, Ordering::SeqCst);
        let deadline = Instant::now() + BURST_TIME_MAX;
        while self.places.iter().any(|place| place.load(Ordering::SeqCst)) {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        true
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: what the burst did is done for whoever finds the place empty.
        self.place.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn nobody_gets_through_a_closed_door() {
        let gate = Gate::new(1);
        assert!(gate.enter(0, Side::Rx).is_none());
        gate.open();
        assert!(gate.enter(0, Side::Rx).is_some());
        assert!(gate.enter(1, Side::Rx).is_none(), "there is one pair of queues");
        assert!(gate.close());
        assert!(gate.enter(0, Side::Tx).is_none() && !gate.is_open());
    }

    #[test]
    fn closing_waits_for_who_is_inside() {
        let gate = Arc::new(Gate::new(2));
        gate.open();
        let inside = gate.enter(1, Side::Tx).unwrap();
        let closer = std::thread::spawn({
            let gate = Arc::clone(&gate);
            move || gate.close()
        });
        while gate.is_open() {
            std::thread::yield_now();
        }
        assert!(!closer.is_finished());
        drop(inside);
        assert!(closer.join().unwrap());
    }
}
