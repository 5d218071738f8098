//! How the main thread learns that another thread is no more.
//!
//! Owns [`Lifeline`]; what follows is decided in `router`: a router without one of its threads is
//! none, so it ends with an error, and whoever supervises the process starts it again.
//!
//! *Invariants*: a thread that ends without having let go, by a panic or because it could not
//! begin, is reported once, for as long as the main thread listens.

use crate::daemon::messages::Job;
use core::fmt::Display;
use std::sync::mpsc::SyncSender;

/// Held by a thread while it works; one for each but the main thread.
#[derive(Debug)]
pub struct Lifeline {
    thread: String,
    jobs: SyncSender<Job>,
    reason: Option<String>,
    is_held: bool,
}

impl Lifeline {
    /// For the thread of this name.
    pub fn new(thread: impl Into<String>, jobs: &SyncSender<Job>) -> Self {
        Self { thread: thread.into(), jobs: jobs.clone(), reason: None, is_held: true }
    }

    /// The thread cannot work; it is about to end.
    pub fn fail(&mut self, reason: impl Display) {
        self.reason = Some(reason.to_string());
    }

    /// The thread ends because it was told to.
    pub fn let_go(&mut self) {
        self.is_held = false;
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if !self.is_held {
            return;
        }
        let thread = core::mem::take(&mut self.thread);
        let reason = self.reason.take().unwrap_or_else(|| "it panicked, see the log".to_owned());
        // Waits while the queue is full: the main thread takes jobs, or is gone, which ends the
        // wait as well.
        let _ = self.jobs.send(Job::Failed { thread, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn a_thread_that_panics_is_named_and_one_that_was_told_to_end_is_not() {
        let (sender, jobs) = sync_channel(2);
        let lifeline = |name: &str| Lifeline::new(name, &sender);
        let (mut told, lost, mut refused) = (lifeline("a"), lifeline("b"), lifeline("c"));
        let panicked = std::thread::spawn(move || {
            let _lost = lost;
            panic!("as it must");
        });
        assert!(panicked.join().is_err());
        told.let_go();
        drop(told);
        refused.fail("no pass");
        drop(refused);
        drop(sender);
        let said: Vec<_> = jobs
            .iter()
            .map(|job| match job {
                Job::Failed { thread, reason } => (thread, reason),
                other => unreachable!("{other:?}"),
            })
            .collect();
        assert_eq!(said[0].0, "b");
        assert_eq!(said[1..], [("c".to_owned(), "no pass".to_owned())]);
    }
}
