//! A first-in, first-out queue with a limit.
//!
//! Owns [`BoundedQueue`]; what happens to an item that finds no room (and who counts it) is decided
//! by the caller, who gets it back.

use std::collections::VecDeque;

/// At most `limit` items, oldest first.
#[derive(Clone, Debug)]
pub struct BoundedQueue<T> {
    items: VecDeque<T>,
    limit: usize,
}

impl<T> BoundedQueue<T> {
    /// An empty queue for at most `limit` items.
    pub const fn new(limit: usize) -> Self {
        Self { items: VecDeque::new(), limit }
    }

    /// Appends `item`, or gives it back when the queue is full.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.items.len() >= self.limit {
            return Err(item);
        }
        self.items.push_back(item);
        Ok(())
    }

    /// Appends `item` and gives back the oldest one when the queue was full.
    pub fn push_replacing_oldest(&mut self, item: T) -> Option<T> {
        let oldest = if self.items.len() >= self.limit { self.items.pop_front() } else { None };
        self.items.push_back(item);
        oldest
    }

    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop_front()
    }

    /// Items inside.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes everything, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.items.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_gives_the_item_back() {
        let mut queue = BoundedQueue::new(2);
        assert_eq!((queue.push(1), queue.push(2), queue.push(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!(queue.push_replacing_oldest(4), Some(1));
        assert_eq!(queue.drain().collect::<Vec<_>>(), [2, 4]);
    }
}
