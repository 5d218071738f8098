//! Sessions of one peer: what shall be, and how far each is.
//!
//! Owns [`Session`] and [`Sessions`], which finds them by circuit and by either end's id. What
//! messages do to them is [`super::calls`]'.
//!
//! *Invariants*: no two sessions have the same circuit or local id, nor, of those that know it, the
//! same remote id. A session has the other end's half exactly while it is WaitConnect or
//! Established.

use super::input::{Circuit, DataFormat, EndId, SessionSettings};
use super::state::CallState;
use crate::base::time::Instant;
use crate::wire::l2tp::{CallIds, CircuitStatus, SessionId};
use std::collections::{BTreeMap, BTreeSet};

/// What the peer has said of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    /// As we call it towards the peer.
    pub id: SessionId,
    /// What data messages to the peer need.
    pub format: DataFormat,
    /// How its circuit is.
    pub circuit: CircuitStatus,
}

/// One session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub settings: SessionSettings,
    pub state: CallState,
    pub since: Instant,
    /// What the peer was told of our circuit last.
    pub told: CircuitStatus,
    /// It was never established.
    pub is_new: bool,
    pub remote: Option<Remote>,
    /// Of an own ICRQ.
    pub tie_breaker: u64,
    /// A CDN for an own request that lost a tie may still come.
    pub has_lost_tie: bool,
    /// Failed tries since it was established last.
    pub failures: u32,
}

impl Session {
    pub(super) fn new(now: Instant, settings: SessionSettings) -> Self {
        Self {
            settings,
            state: CallState::Idle,
            since: now,
            told: CircuitStatus::INACTIVE,
            is_new: true,
            remote: None,
            tie_breaker: 0,
            has_lost_tie: false,
            failures: 0,
        }
    }

    /// What the peer is to be told of our circuit. RFC 5641 deprecates N, which older peers may
    /// look at: it "SHOULD still be set the first time the L2TP session is established".
    pub(super) const fn circuit_status(&self) -> CircuitStatus {
        match (self.settings.circuit, self.is_new) {
            (Circuit::Active, true) => CircuitStatus::NEW_ACTIVE,
            (Circuit::Active, false) => CircuitStatus::ACTIVE,
            (Circuit::Inactive, true) => CircuitStatus::NEW_INACTIVE,
            (Circuit::Inactive, false) => CircuitStatus::INACTIVE,
        }
    }

    /// Both ends' ids.
    pub(super) fn ids(&self) -> CallIds {
        let remote = self.remote.map(|remote| remote.id);
        CallIds { local: Some(self.settings.local), remote }
    }
}

/// All sessions of a peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
    by_end: BTreeMap<EndId, SessionId>,
    by_remote: BTreeMap<SessionId, SessionId>,
    /// Those that are to be asked for.
    ready: BTreeSet<SessionId>,
    /// How many are WaitReply or WaitConnect.
    pending: usize,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) const fn pending(&self) -> usize {
        self.pending
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_id.values()
    }

    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.by_id.keys().copied().collect()
    }

    pub(super) fn get(&self, local: SessionId) -> Option<&Session> {
        self.by_id.get(&local)
    }

    pub(super) fn get_mut(&mut self, local: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&local)
    }

    pub(super) fn of_end(&self, end: &EndId) -> Option<SessionId> {
        self.by_end.get(end).copied()
    }

    /// The session that the peer calls so.
    pub(super) fn of_remote(&self, remote: SessionId) -> Option<SessionId> {
        self.by_remote.get(&remote).copied()
    }

    /// §5.4.4: the session of a message by its Remote Session ID, or, where the peer does not know
    /// it yet, by the Local one. Ids that do not belong together name none.
    pub(super) fn find(&self, ids: CallIds) -> Option<SessionId> {
        match (ids.remote, ids.local) {
            (Some(ours), theirs) => {
                let session = self.by_id.get(&ours)?;
                let is_other = session.remote.is_some_and(|known| Some(known.id) != theirs);
                (!is_other || theirs.is_none()).then_some(ours)
            }
            (None, Some(theirs)) => self.of_remote(theirs),
            (None, None) => None,
        }
    }

    pub(super) fn insert(&mut self, session: Session) {
        let local = session.settings.local;
        self.by_end.insert(session.settings.end.clone(), local);
        self.by_id.insert(local, session);
    }

    pub(super) fn remove(&mut self, local: SessionId) -> Option<Session> {
        self.enter(local, CallState::Idle, Instant::ZERO);
        let session = self.by_id.remove(&local)?;
        self.by_end.remove(&session.settings.end);
        self.ready.remove(&local);
        Some(session)
    }

    /// A session is in another state from now on. Idle ones forget what the peer has said.
    pub(super) fn enter(&mut self, local: SessionId, state: CallState, now: Instant) {
        let Some(session) = self.by_id.get_mut(&local) else { return };
        let is_pending = |state| matches!(state, CallState::WaitReply | CallState::WaitConnect);
        self.pending -= usize::from(is_pending(session.state));
        self.pending += usize::from(is_pending(state));
        (session.state, session.since) = (state, now);
        if state == CallState::Idle {
            session.has_lost_tie = false;
            if let Some(remote) = session.remote.take() {
                self.by_remote.remove(&remote.id);
            }
        }
        if state == CallState::Established {
            session.is_new = false;
            session.failures = 0;
        }
    }

    /// What the peer says of a session.
    pub(super) fn learn(&mut self, local: SessionId, remote: Remote) {
        let Some(session) = self.by_id.get_mut(&local) else { return };
        if let Some(before) = session.remote.replace(remote) {
            self.by_remote.remove(&before.id);
        }
        self.by_remote.insert(remote.id, local);
    }

    /// It is to be asked for.
    pub(super) fn make_ready(&mut self, local: SessionId) {
        self.ready.insert(local);
    }

    /// It is not.
    pub(super) fn make_unready(&mut self, local: SessionId) {
        self.ready.remove(&local);
    }

    /// The next one that is to be asked for.
    pub(super) fn take_ready(&mut self) -> Option<SessionId> {
        self.ready.pop_first()
    }

    pub(super) fn forget_ready(&mut self) {
        self.ready.clear();
    }
}
