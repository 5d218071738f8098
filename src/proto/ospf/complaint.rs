//! What is said once, and again only after it has been quiet for a while.
//!
//! Owns [`Complaint`]. Events that a peer can repeat at will make one notice; their counters have
//! the rest.

use super::limits::COMPLAINT_QUIET;
use crate::base::time::Instant;

/// One thing to complain of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    /// Whether it was said and has not been quiet since.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now - last < COMPLAINT_QUIET)
    }

    /// It happened again; whether that is worth saying.
    pub(super) fn is_news(&mut self, now: Instant) -> bool {
        let is_news = !self.goes_on(now);
        self.last = Some(now);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_once_and_what_comes_again_once_more() {
        let mut complaint = Complaint::default();
        let mut now = Instant::ZERO;
        assert!(complaint.is_news(now));
        for _ in 0..10 {
            now += COMPLAINT_QUIET / 2;
            assert!(!complaint.is_news(now));
        }
        assert!(complaint.is_news(now + COMPLAINT_QUIET));
    }
}
