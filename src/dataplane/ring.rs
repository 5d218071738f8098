//! A bounded ring between a worker and the control thread, whose reader may sleep.
//!
//! Owns [`Ring`]: the queue and the flag that says that its reader sleeps, so that a busy reader
//! costs the writer no system call. How the reader is woken is the business of `daemon`.
//!
//! *Invariants*: no wake-up is lost. The reader sets the flag, then looks at the queue; the writer
//! pushes, then looks at the flag. Both put a sequentially consistent fence between the two steps,
//! so at least one of them sees what the other did.

use core::sync::atomic::{AtomicBool, Ordering, fence};
use crossbeam_queue::ArrayQueue;

/// A queue with a limit; one per direction and worker, shared by `Arc`.
#[derive(Debug)]
pub struct Ring<T> {
    queue: ArrayQueue<T>,
    is_asleep: AtomicBool,
}

impl<T> Ring<T> {
    /// An empty ring for `limit` items (at least one).
    pub fn new(limit: usize) -> Self {
        Self { queue: ArrayQueue::new(limit.max(1)), is_asleep: AtomicBool::new(false) }
    }

    /// Writer: appends `item`, or gives it back when the ring is full.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), T> {
        self.queue.push(item)
    }

    /// Writer, after its last push: whether the reader sleeps and must be woken. Says so once.
    pub fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_asleep.load(Ordering::Relaxed) && self.is_asleep.swap(false, Ordering::AcqRel)
    }

    /// Reader: takes the oldest item.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        self.queue.pop()
    }

    /// Whether nothing waits; cheap enough to ask once a loop.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Items that wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Reader: says that it goes to sleep. False when something waits already: then it must not.
    pub fn announce_sleep(&self) -> bool {
        self.is_asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let may_sleep = self.queue.is_empty();
        if !may_sleep {
            self.announce_awake();
        }
        may_sleep
    }

    /// Reader: says that it is awake again.
    pub fn announce_awake(&self) {
        self.is_asleep.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_reader_is_woken_once() {
        let ring = Ring::new(2);
        assert!(ring.push(1).is_ok() && !ring.must_wake(), "the reader is awake");
        assert!(!ring.announce_sleep(), "something waits");
        assert_eq!(ring.pop(), Some(1));
        assert!(ring.announce_sleep());
        assert!(ring.push(2).is_ok() && ring.must_wake() && !ring.must_wake());
        assert!(ring.push(3).is_ok());
        assert_eq!(ring.push(4), Err(4));
    }
}
