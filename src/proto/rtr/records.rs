//! What a cache has said, and what of it the owner was told.
//!
//! Owns [`Records`]. What holds changes at once, at the end of an answer; the owner hears of it in
//! slices ([`Records::tell`]), so that a table of all the Internet keeps nothing waiting. While
//! nothing is left to tell there is one set only.
//!
//! *Invariants*: what was told, change by change, leads to what holds. Nothing is announced twice,
//! nothing withdrawn that was not announced.
//! *Standards*: RFC 8210 §5.6 (duplicates and unknown withdrawals are errors), §8.1 and §8.2 (an
//! answer holds when it is whole).

use super::limits::RECORDS_MAX;
use crate::wire::rtr::{Change, ErrorCode, Payload};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// An answer that is not whole.
#[derive(Clone, Debug)]
enum Answer {
    /// Of differences: what is there after them.
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

    /// An answer with differences begins.
    pub fn begin_differences(&mut self) {
        self.answer = Some(Answer::Differences(BTreeMap::new()));
    }

    /// An answer with everything begins.
    pub fn begin_all(&mut self) {
        self.answer = Some(Answer::All(BTreeSet::new()));
    }

    /// An answer will not become whole.
    pub fn abandon(&mut self) {
        self.answer = None;
    }

    /// A payload of an answer.
    pub fn take(&mut self, change: Change, payload: Payload) -> Result<(), ErrorCode> {
        let is_there = match &self.answer {
            None => return Err(ErrorCode::INVALID_REQUEST),
            Some(Answer::All(all)) => all.contains(&payload),
            Some(Answer::Differences(differences)) => {
                differences.get(&payload).copied().unwrap_or_else(|| self.holds(&payload))
            }
        };
        match (change, is_there) {
            (Change::Announce, true) => return Err(ErrorCode::DUPLICATE),
            (Change::Withdraw, false) => return Err(ErrorCode::UNKNOWN_RECORD),
            _ => {}
        }
        let held_count = self.len();
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
                differences.insert(payload, change == Change::Announce);
                held_count + differences.len()
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
            Some(Answer::Differences(differences)) => {
                if let Some((wanted, walk)) = &mut self.wanted {
                    for (payload, is_there) in differences {
                        match is_there {
                            true => wanted.insert(payload),
                            false => wanted.remove(&payload),
                        };
                    }
                    *walk = Walk::Wanted(None);
                    return;
                }
                for (payload, is_there) in differences {
                    match self.told.contains(&payload) == is_there {
                        true => self.pending.remove(&payload),
                        false => self.pending.insert(payload, is_there),
                    };
                }
            }
        }
    }

    /// Nothing holds any more.
    pub fn flush(&mut self) {
        self.answer = None;
        self.replace(BTreeSet::new());
    }

    fn replace(&mut self, all: BTreeSet<Payload>) {
        self.pending.clear();
        self.wanted = Some((all, Walk::Wanted(None)));
    }

    fn holds(&self, payload: &Payload) -> bool {
        match &self.wanted {
            Some((wanted, _)) => wanted.contains(payload),
            None => {
                let pending = self.pending.get(payload).copied();
                pending.unwrap_or_else(|| self.told.contains(payload))
            }
        }
    }

    /// What the owner has to hear next; looks at no more payloads than it is told to.
    pub fn tell(&mut self, payloads_max: usize) -> Vec<(Change, Payload)> {
        let mut changes = Vec::new();
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
                    self.wanted = None;
                    None
                }
            },
        }
    }
}
