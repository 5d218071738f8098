//! Routes that come and go: how long one waits before OSPF hears of it again.
//!
//! Owns [`Damping`]. A route that goes leaves OSPF at once, always; only its return may wait. The
//! first return is free, so that an exit that was lost once is back at once; every further one
//! within [`FORGOTTEN_AFTER`] waits twice as long as the one before it, up to a maximum.
//!
//! *Invariants*: every held prefix has a time at which it is free. At most [`DAMPED_MAX`] prefixes
//! are remembered; who finds no room is not damped.
//! *Standards*: none. The figure of merit of RFC 2439 would leave a cluster without its only exit
//! for up to an hour, which RFC 7196 §1 says of the Internet; a wait that doubles bounds the LSAs
//! as well.

use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// The wait of the second return.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// Who has not gone for so long after its wait has never gone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Prefixes that are remembered: as many as OSPF announces of them (`EXTERNALS_MAX`), about 1 MiB.
const DAMPED_MAX: usize = 16_384;

/// What is remembered of a prefix that has gone.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// How often, lately.
    times: u32,
    free_at: Instant,
    forgotten_at: Instant,
    /// Whether it is back and waits.
    is_held: bool,
}

/// Who waits, and for how long; one exists, beside the routes that are in OSPF.
#[derive(Debug, Default)]
pub(super) struct Damping {
    records: BTreeMap<Ipv6Prefix, Record>,
    /// Every record, by when it is forgotten.
    fading: BTreeSet<(Instant, Ipv6Prefix)>,
    /// Those held, by when they are free.
    held: BTreeSet<(Instant, Ipv6Prefix)>,
}

impl Damping {
    /// A prefix has left OSPF; its return waits for up to `wait_max`.
    pub(super) fn note_gone(&mut self, now: Instant, prefix: Ipv6Prefix, wait_max: Duration) {
        self.forget(now);
        let before = self.records.get(&prefix).copied();
        if before.is_none() && self.records.len() >= DAMPED_MAX {
            return;
        }
        if let Some(record) = before {
            self.fading.remove(&(record.forgotten_at, prefix));
            self.held.remove(&(record.free_at, prefix));
        }
        let times = before.map_or(0, |record| record.times).saturating_add(1);
        let free_at = now + wait(times).min(wait_max);
        let forgotten_at = free_at + FORGOTTEN_AFTER;
        let record = Record { times, free_at, forgotten_at, is_held: false };
        self.records.insert(prefix, record);
        self.fading.insert((forgotten_at, prefix));
    }

    /// A prefix wants into OSPF: whether it is held back.
    pub(super) fn holds(&mut self, now: Instant, prefix: Ipv6Prefix) -> bool {
        let Some(record) = self.records.get_mut(&prefix) else { return false };
        record.is_held = record.free_at > now;
        if record.is_held {
            self.held.insert((record.free_at, prefix));
        } else {
            self.held.remove(&(record.free_at, prefix));
        }
        record.is_held
    }

    /// A prefix wants no longer; how often it went stays remembered.
    pub(super) fn release(&mut self, prefix: Ipv6Prefix) {
        if let Some(record) = self.records.get_mut(&prefix) {
            record.is_held = false;
            self.held.remove(&(record.free_at, prefix));
        }
    }

    /// How many are held back.
    pub(super) fn held_count(&self) -> usize {
        self.held.len()
    }

    /// When the next one is free.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.held.first().map(|(at, _)| *at)
    }

    /// Takes one that is free by now.
    pub(super) fn pop_free(&mut self, now: Instant) -> Option<Ipv6Prefix> {
        let (_, prefix) = *self.held.first().filter(|(at, _)| *at <= now)?;
        self.release(prefix);
        Some(prefix)
    }

    /// Those held, all at once: everything is decided anew.
    pub(super) fn clear_held(&mut self) {
        self.held.clear();
        self.records.values_mut().for_each(|record| record.is_held = false);
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, prefix)) = self.fading.first().copied().filter(|(at, _)| *at <= now) {
            self.fading.remove(&(at, prefix));
            self.records.remove(&prefix);
        }
    }
}

/// How long the return after the departure number `times` waits.
fn wait(times: u32) -> Duration {
    match times.checked_sub(2) {
        None => Duration::ZERO,
        // 2^16 seconds are more than any maximum.
        Some(doublings) => WAIT_FIRST * (1 << doublings.min(16)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv6Addr;

    const MINUTE: Duration = Duration::from_secs(60);

    fn prefix(number: u16) -> Ipv6Prefix {
        Ipv6Prefix::containing(Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0), 48)
    }

    #[test]
    fn the_first_return_is_free_and_every_further_one_waits_twice_as_long() {
        let mut damping = Damping::default();
        let mut now = Instant::ZERO;
        let mut waits = Vec::new();
        for _ in 0..9 {
            damping.note_gone(now, prefix(1), MINUTE);
            let since = now;
            if damping.holds(now, prefix(1)) {
                now = damping.next_deadline().expect("it is held");
                assert_eq!(damping.pop_free(now), Some(prefix(1)));
                assert!(!damping.holds(now, prefix(1)), "free now");
            }
            waits.push((now - since).as_secs());
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(damping.next_deadline(), None);
    }

    #[test]
    fn one_that_has_stayed_is_forgotten() {
        let mut damping = Damping::default();
        damping.note_gone(Instant::ZERO, prefix(1), MINUTE);
        damping.note_gone(Instant::ZERO, prefix(1), MINUTE);
        assert!(damping.holds(Instant::ZERO, prefix(1)));
        let later = Instant::ZERO + WAIT_FIRST + FORGOTTEN_AFTER;
        assert_eq!(damping.pop_free(later), Some(prefix(1)));
        damping.note_gone(later, prefix(1), MINUTE);
        assert!(!damping.holds(later, prefix(1)), "the first time again");
    }

    #[test]
    fn one_that_wants_no_longer_is_not_held() {
        let mut damping = Damping::default();
        for number in [1, 1, 2, 2] {
            damping.note_gone(Instant::ZERO, prefix(number), MINUTE);
        }
        assert!(damping.holds(Instant::ZERO, prefix(1)));
        assert!(damping.holds(Instant::ZERO, prefix(2)));
        damping.release(prefix(1));
        assert_eq!(damping.held_count(), 1);
        assert_eq!(damping.pop_free(Instant::ZERO), None, "not yet");
        assert_eq!(damping.pop_free(Instant::ZERO + WAIT_FIRST), Some(prefix(2)));
        assert_eq!(damping.pop_free(Instant::ZERO + WAIT_FIRST), None);
    }

    #[test]
    fn who_finds_no_room_is_not_damped() {
        let mut damping = Damping::default();
        let last = u16::try_from(DAMPED_MAX).unwrap();
        for number in 0..=last {
            damping.note_gone(Instant::ZERO, prefix(number), MINUTE);
            damping.note_gone(Instant::ZERO, prefix(number), MINUTE);
        }
        assert_eq!(damping.records.len(), DAMPED_MAX);
        assert!(damping.holds(Instant::ZERO, prefix(0)));
        assert!(!damping.holds(Instant::ZERO, prefix(last)));
    }

    #[test]
    fn no_wait_is_asked_where_the_maximum_is_none() {
        let mut damping = Damping::default();
        for _ in 0..5 {
            damping.note_gone(Instant::ZERO, prefix(1), Duration::ZERO);
        }
        assert!(!damping.holds(Instant::ZERO, prefix(1)));
    }
}
