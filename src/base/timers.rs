//! Named timers of one machine.
//!
//! Owns [`TimerTable`]: at most one deadline per timer name. The names are an enum of the machine
//! with a doc line each. Firing order is deadline, then name, so that two runs fire alike.
//!
//! *Invariants*: setting a timer replaces its deadline; a timer fires once, then is gone.

use crate::base::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// Deadlines by timer name. `T` is `Copy + Ord`: an enum, with an index where there are many.
#[derive(Clone, Debug)]
pub struct TimerTable<T: Copy + Ord> {
    by_name: BTreeMap<T, Instant>,
    by_deadline: BTreeSet<(Instant, T)>,
}

impl<T: Copy + Ord> Default for TimerTable<T> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), by_deadline: BTreeSet::new() }
    }
}

impl<T: Copy + Ord> TimerTable<T> {
    /// Sets `timer` to fire at `deadline`, replacing an earlier setting.
    pub fn set(&mut self, timer: T, deadline: Instant) {
        self.clear(timer);
        self.by_name.insert(timer, deadline);
        self.by_deadline.insert((deadline, timer));
    }

    /// Sets `timer` unless it is set already.
    pub fn set_if_idle(&mut self, timer: T, deadline: Instant) {
        if !self.is_set(timer) {
            self.set(timer, deadline);
        }
    }

    /// Stops `timer`; nothing happens when it is not set.
    pub fn clear(&mut self, timer: T) {
        if let Some(deadline) = self.by_name.remove(&timer) {
            self.by_deadline.remove(&(deadline, timer));
        }
    }

    /// Whether `timer` is set.
    pub fn is_set(&self, timer: T) -> bool {
        self.by_name.contains_key(&timer)
    }

    /// When `timer` fires.
    pub fn deadline(&self, timer: T) -> Option<Instant> {
        self.by_name.get(&timer).copied()
    }

    /// The earliest deadline of all.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Takes the first timer that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let (deadline, timer) = *self.by_deadline.first()?;
        if deadline > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }

    /// Stops every timer for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(T) -> bool) {
        self.by_name.retain(|timer, _| keep(*timer));
        self.by_deadline.retain(|(_, timer)| keep(*timer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_by_deadline_then_name_and_only_once() {
        let mut timers = TimerTable::default();
        timers.set('b', Instant::from_millis(5));
        timers.set('a', Instant::from_millis(5));
        timers.set('c', Instant::from_millis(1));
        let fired: Vec<char> =
            std::iter::from_fn(|| timers.pop_due(Instant::from_millis(5))).collect();
        assert_eq!(fired, ['c', 'a', 'b']);
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn setting_again_replaces_the_deadline() {
        let mut timers = TimerTable::default();
        timers.set('a', Instant::from_millis(1));
        timers.set('a', Instant::from_millis(9));
        assert_eq!(timers.pop_due(Instant::from_millis(5)), None);
        timers.set_if_idle('a', Instant::from_millis(2));
        assert_eq!(timers.next_deadline(), Some(Instant::from_millis(9)));
    }
}
