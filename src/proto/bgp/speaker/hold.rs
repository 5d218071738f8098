//! Sessions that this router keeps down, and what wakes them; sessions that an administrator wants
//! anew.
//!
//! Owns [`Held`], [`Clear`] and the rules for both. A session that had too many paths, or found no
//! room in the tables, would do the same again at once: so it stays down until its time is over,
//! its block allows more than it was cut off with, or somebody says so.
//!
//! *Invariants*: a session is held exactly from the `Stop` that this file gives it to the next
//! start; what is not held and configured is started.
//! *Standards*: RFC 4486 §4 (Maximum Number of Prefixes Reached, Administrative Reset, Out of
//! Resources), RFC 2918 §3 (route refresh), RFC 9003 §2 (the word of a reset, which is empty).

use super::{Action, Cease, PathsExceeded, PeerId, Refusal, SessionInput, Speaker, Start, Timer};
use crate::base::time::{Duration, Instant};
use crate::wire::bgp::RefreshKind;
use serde::{Deserialize, Serialize};

/// A session that is kept down, and why; a copy for `show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it was ended for.
    pub why: Refusal,
    /// When it is started again by itself; `None` where somebody has to say so.
    pub until: Option<Instant>,
}

/// What an administrator wants of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clear {
    /// It shall end and come up again; one that is held down, or waits for its next try, starts at
    /// once.
    Session,
    /// The peer shall send all routes again (RFC 2918).
    In,
    /// The peer shall be told of all routes again.
    Out,
}

/// Why routes are not exchanged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClearError {
    /// There is no session.
    #[error("its session is not up")]
    NotUp,
    /// RFC 2918 §2: the peer did not say that it can.
    #[error("it cannot send its routes again: it did not offer route refresh")]
    NoRefresh,
}

impl Speaker {
    /// Why a session is kept down, where this speaker does so.
    pub fn held(&self, id: PeerId) -> Option<Held> {
        let why = self.peers.get(&id)?.held?;
        Some(Held { why, until: self.timers.deadline(Timer::Restart(id)) })
    }

    /// Does what an administrator wants of a session.
    pub fn clear(&mut self, now: Instant, id: PeerId, what: Clear) -> Result<(), ClearError> {
        let peer = self.peers.get(&id).ok_or(ClearError::NotUp)?;
        let negotiated = peer.session.negotiated();
        match what {
            Clear::Session if peer.held.is_some() => self.release(now, id),
            Clear::Session => {
                let cease = Cease::AdministrativeReset { text: String::new() };
                self.happen(now, id, SessionInput::Reset(cease));
            }
            Clear::In => {
                let support = negotiated.ok_or(ClearError::NotUp)?.refresh;
                if support == super::RefreshSupport::None {
                    return Err(ClearError::NoRefresh);
                }
                self.happen(now, id, SessionInput::Refresh);
            }
            Clear::Out => {
                negotiated.ok_or(ClearError::NotUp)?;
                self.refresh(now, id, RefreshKind::Request);
                self.touch(now);
            }
        }
        Ok(())
    }

    /// A session ends for what it brought, and is kept down.
    pub(super) fn hold(&mut self, now: Instant, id: PeerId, why: Refusal) {
        self.actions.push_back(Action::Refused { peer: id, reason: why });
        let cease = match why {
            Refusal::Paths(PathsExceeded(prefix_count_max)) => {
                Cease::MaximumPrefixes { prefix_count_max }
            }
            Refusal::Tables(_) => Cease::OutOfResources,
        };
        self.happen(now, id, SessionInput::Stop(cease));
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.held = Some(why);
        let after = peer.settings.paths_restart.filter(|_| matches!(why, Refusal::Paths(_)));
        self.restart_after(now, id, after);
    }

    /// A session that is held starts.
    pub(super) fn release(&mut self, now: Instant, id: PeerId) {
        self.timers.clear(Timer::Restart(id));
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.held = None;
        }
        self.happen(now, id, SessionInput::Start(Start::Fresh));
    }

    /// A peer is configured otherwise: one that may have more than it was cut off with starts, and
    /// a time that it was given, or not any more, counts from now on.
    pub(super) fn review_hold(&mut self, now: Instant, id: PeerId, before: Option<Duration>) {
        let Some(peer) = self.peers.get(&id) else { return };
        let Some(Refusal::Paths(PathsExceeded(most))) = peer.held else { return };
        let after = peer.settings.paths_restart;
        if peer.settings.paths_max.is_none_or(|may| may > most) {
            self.release(now, id);
        } else if before != after {
            self.restart_after(now, id, after);
        }
    }

    fn restart_after(&mut self, now: Instant, id: PeerId, after: Option<Duration>) {
        match after {
            Some(time) => self.timers.set(Timer::Restart(id), now + time),
            None => self.timers.clear(Timer::Restart(id)),
        }
    }
}
