//! What a cache has said, and what of it the owner was told.
//!
//! Owns [`Records`]. What holds changes at once, at the end of an answer; the owner hears of it in
//! slices ([`Records::tell`]), so that a table of all the Internet keeps nothing waiting; what is
//! not needed any more is freed in slices as well. While nothing is left to do there is one set
//! only.
//!
//! *Invariants*: what was told, change by change, leads to what holds. Nothing is announced twice,
//! nothing withdrawn that was not announced. Differences begin only when the owner has heard of
//! everything, so that they are what it has to hear next.
//! *Standards*: RFC 8210 §5.6 (duplicates and unknown withdrawals are errors), §8.1 and §8.2 (an
//! answer holds when it is whole).

use super::limits::{GARBAGE_MAX, RECORDS_MAX};
use crate::wire::rtr::{Change, ErrorCode, Payload};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

/// An answer that is not whole.
#[derive(Clone, Debug)]
enum Answer {
    /// Of differences to what was told: what is there after them, where it was not before, and the
    /// other way round.
    Differences(BTreeMap<Payload, bool>),
    /// Of everything.
    All(BTreeSet<Payload>),
}

/// A walk that compares what holds with what was told.
#[derive(Clone, Copy, Debug)]
enum Walk {
    /// Through what holds, behind this.
    Wanted(Option<Payload>),
    /// Through what was told, behind this.
    Told(Option<Payload>),
}

/// The payloads of one cache.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// What the owner was told.
    told: BTreeSet<Payload>,
    /// What holds, where that is something else altogether.
    wanted: Option<(BTreeSet<Payload>, Walk)>,
    /// Where it is not: what comes and goes.
    pending: BTreeMap<Payload, bool>,
    answer: Option<Answer>,
    /// What is not needed any more.
    garbage: VecDeque<Answer>,
}

impl Records {
    /// How many hold, or will when the owner has heard of all of them.
    pub fn len(&self) -> usize {
        if let Some((wanted, _)) = &self.wanted {
            return wanted.len();
        }
        let comes = self.pending.values().filter(|is_there| **is_there).count();
        self.told.len() + comes - (self.pending.len() - comes)
    }

    /// Whether none holds.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the owner has heard of everything.
    pub fn is_told(&self) -> bool {
        self.wanted.is_none() && self.pending.is_empty()
    }

    /// Whether there is nothing to tell and nothing to free.
    pub fn is_idle(&self) -> bool {
        self.is_told() && self.garbage.is_empty()
    }

    /// An answer with differences begins: to what the owner has heard of, all of it.
    pub fn begin_differences(&mut self) {
        assert!(self.is_told(), "no query for differences leaves before");
        self.abandon();
        self.answer = Some(Answer::Differences(BTreeMap::new()));
    }

    /// An answer with everything begins.
    pub fn begin_all(&mut self) {
        self.abandon();
        self.answer = Some(Answer::All(BTreeSet::new()));
    }

    /// An answer will not become whole.
    pub fn abandon(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.discard(answer);
        }
    }

    /// Something is freed later, in slices.
    fn discard(&mut self, unneeded: Answer) {
        let is_empty = match &unneeded {
            Answer::Differences(differences) => differences.is_empty(),
            Answer::All(all) => all.is_empty(),
        };
        if !is_empty {
            self.garbage.push_back(unneeded);
        }
        if self.garbage.len() > GARBAGE_MAX {
            self.garbage.pop_front();
        }
    }

    /// Frees as many payloads as it is told to, nearly.
    fn sweep(&mut self, payloads_max: usize) {
        for _ in 0..payloads_max {
            let is_empty = match self.garbage.front_mut() {
                None => break,
                Some(Answer::Differences(differences)) => differences.pop_first().is_none(),
                Some(Answer::All(all)) => all.pop_first().is_none(),
            };
            if is_empty {
                self.garbage.pop_front();
            }
        }
    }

    /// A payload of an answer.
    pub fn take(&mut self, change: Change, payload: Payload) -> Result<(), ErrorCode> {
        let is_there = match &self.answer {
            None => return Err(ErrorCode::INVALID_REQUEST),
            Some(Answer::All(all)) => all.contains(&payload),
            Some(Answer::Differences(differences)) => {
                differences.get(&payload).copied().unwrap_or_else(|| self.told.contains(&payload))
            }
        };
        match (change, is_there) {
            (Change::Announce, true) => return Err(ErrorCode::DUPLICATE),
            (Change::Withdraw, false) => return Err(ErrorCode::UNKNOWN_RECORD),
            _ => {}
        }
        let count = match &mut self.answer {
            None => 0,
            Some(Answer::All(all)) => {
                match change {
                    Change::Announce => all.insert(payload),
                    Change::Withdraw => all.remove(&payload),
                };
                all.len()
            }
            Some(Answer::Differences(differences)) => {
                let is_there = change == Change::Announce;
                match self.told.contains(&payload) == is_there {
                    true => differences.remove(&payload),
                    false => differences.insert(payload, is_there),
                };
                self.told.len() + differences.len()
            }
        };
        // Too many at once is an error of ours: RFC 8210 §12 has no word for it.
        if count > RECORDS_MAX { Err(ErrorCode::INTERNAL) } else { Ok(()) }
    }

    /// The answer is whole: it holds.
    pub fn commit(&mut self) {
        match self.answer.take() {
            None => {}
            Some(Answer::All(all)) => self.replace(all),
            Some(Answer::Differences(differences)) => self.pending = differences,
        }
    }

    /// Nothing holds any more. An answer with everything goes on; differences to what is gone do
    /// not.
    pub fn flush(&mut self) {
        if matches!(self.answer, Some(Answer::Differences(_))) {
            self.abandon();
        }
        self.replace(BTreeSet::new());
    }

    fn replace(&mut self, all: BTreeSet<Payload>) {
        let pending = core::mem::take(&mut self.pending);
        self.discard(Answer::Differences(pending));
        if let Some((before, _)) = self.wanted.replace((all, Walk::Wanted(None))) {
            self.discard(Answer::All(before));
        }
    }

    /// What the owner has to hear next; looks at no more payloads than it is told to.
    pub fn tell(&mut self, payloads_max: usize) -> Vec<(Change, Payload)> {
        let mut changes = Vec::new();
        self.sweep(payloads_max);
        for _ in 0..payloads_max {
            let change = match self.wanted {
                Some(_) => self.step(),
                None => self.pending.pop_first(),
            };
            match change {
                Some((payload, true)) => {
                    self.told.insert(payload);
                    changes.push((Change::Announce, payload));
                }
                Some((payload, false)) => {
                    self.told.remove(&payload);
                    changes.push((Change::Withdraw, payload));
                }
                None if self.is_told() => break,
                None => {}
            }
        }
        changes
    }

    /// Looks at one payload of the walk; what of it has to be told.
    fn step(&mut self) -> Option<(Payload, bool)> {
        let (wanted, walk) = self.wanted.as_mut()?;
        let behind = |after: Option<Payload>| {
            (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
        };
        match *walk {
            Walk::Wanted(after) => match wanted.range(behind(after)).next().copied() {
                Some(payload) => {
                    *walk = Walk::Wanted(Some(payload));
                    (!self.told.contains(&payload)).then_some((payload, true))
                }
                None => {
                    *walk = Walk::Told(None);
                    None
                }
            },
            Walk::Told(after) => match self.told.range(behind(after)).next().copied() {
                Some(payload) => {
                    *walk = Walk::Told(Some(payload));
                    (!wanted.contains(&payload)).then_some((payload, false))
                }
                None => {
                    // Both are equal now; the memory of one of them goes.
                    if let Some((wanted, _)) = self.wanted.take() {
                        self.discard(Answer::All(wanted));
                    }
                    None
                }
            },
        }
    }
}
