//! Messages between threads: a bounded queue whose reader sleeps in a poller.
//!
//! Owns [`Mailbox`] (the reader's end) and [`Post`] (the writers').
//!
//! *Invariants*: a message that was taken is seen: the writer pushes, then wakes; the reader looks
//! after every wait.

use crate::os::poller::Waker;
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

/// The reader's end; one per mailbox.
#[derive(Debug)]
pub struct Mailbox<T> {
    queue: Arc<ArrayQueue<T>>,
}

/// A writer's end; any number.
#[derive(Debug)]
pub struct Post<T> {
    queue: Arc<ArrayQueue<T>>,
    waker: Waker,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), waker: self.waker.clone() }
    }
}

/// A mailbox for `limit` messages; `waker` wakes its reader.
pub fn mailbox<T>(limit: usize, waker: Waker) -> (Post<T>, Mailbox<T>) {
    let queue = Arc::new(ArrayQueue::new(limit));
    (Post { queue: Arc::clone(&queue), waker }, Mailbox { queue })
}

impl<T> Post<T> {
    /// Leaves a message, or gives it back when the box is full.
    pub fn send(&self, message: T) -> Result<(), T> {
        self.queue.push(message)?;
        self.waker.wake();
        Ok(())
    }

    /// Leaves a message, or gives it back where `limit` wait already.
    pub fn send_below(&self, limit: usize, message: T) -> Result<(), T> {
        if self.queue.len() >= limit { Err(message) } else { self.send(message) }
    }
}

impl<T> Mailbox<T> {
    /// The oldest message.
    pub fn take(&self) -> Option<T> {
        self.queue.pop()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::poller::{Events, Poller};

    #[test]
    fn a_message_ends_the_wait_of_its_reader() {
        let poller = Poller::new().unwrap();
        let (post, mailbox) = mailbox(1, poller.waker());
        assert!(post.send(1).is_ok());
        assert_eq!(post.send(2), Err(2));
        let mut events = Events::new();
        poller.wait(None, &mut events).unwrap();
        assert!(events.is_woken());
        assert_eq!((mailbox.take(), mailbox.take()), (Some(1), None));
    }

    #[test]
    fn who_may_fill_a_part_only_leaves_the_rest_to_others() {
        let (post, mailbox) = mailbox(2, Poller::new().unwrap().waker());
        assert_eq!(post.send_below(1, 1), Ok(()));
        assert_eq!(post.send_below(1, 2), Err(2));
        assert_eq!(post.send(3), Ok(()));
        assert_eq!((mailbox.take(), mailbox.take()), (Some(1), Some(3)));
    }
}
