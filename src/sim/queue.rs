//! The queue of what will happen: by time, then by the order in which it was put in.
//!
//! Owns [`Queue`]: a heap of small keys and a table of what they stand for, so that what is large
//! is moved twice and not at every step of the heap.
//!
//! *Invariants*: every key has its item; an item leaves once.

use crate::base::time::Instant;
use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things with a time; one per world.
#[derive(Debug)]
pub struct Queue<T> {
    /// Time, number, place in `items`.
    heap: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    items: Vec<Option<T>>,
    free: Vec<usize>,
    sequence: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), items: Vec::new(), free: Vec::new(), sequence: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts something in.
    pub fn push(&mut self, at: Instant, item: T) {
        let place = match self.free.pop() {
            Some(place) => {
                self.items[place] = Some(item);
                place
            }
            None => {
                self.items.push(Some(item));
                self.items.len() - 1
            }
        };
        self.heap.push(Reverse((at, self.sequence, place)));
        self.sequence += 1;
    }

    /// Takes out what comes first, if it is not after `end`: its time, its number, itself.
    pub fn pop_until(&mut self, end: Instant) -> Option<(Instant, u64, T)> {
        let Reverse((at, sequence, place)) = *self.heap.peek()?;
        if at > end {
            return None;
        }
        self.heap.pop();
        self.free.push(place);
        let item = self.items[place].take();
        Some((at, sequence, item.unwrap_or_else(|| unreachable!("every key has its item"))))
    }

    /// How much was ever put in.
    pub const fn pushed(&self) -> u64 {
        self.sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_leave_by_time_then_by_order() {
        let mut queue = Queue::default();
        for (at, item) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b'), (9, 'e')] {
            queue.push(Instant::from_nanos(at), item);
        }
        let until = |queue: &mut Queue<char>, end| -> String {
            let end = Instant::from_nanos(end);
            core::iter::from_fn(|| queue.pop_until(end)).map(|(_, _, item)| item).collect()
        };
        assert_eq!(until(&mut queue, 4), "ab");
        queue.push(Instant::from_nanos(5), 'x');
        assert_eq!(until(&mut queue, 100), "cdxe");
        assert_eq!(queue.pushed(), 6);
        assert!(queue.items.len() == 5, "places are used again");
    }
}
