//! Addresses at which BGP neighbours cannot connect.
//!
//! Owns [`Deaf`]: where listening failed, said once, tried again every [`RETRY_TIME`], and said
//! again when it works. Sessions that this router opens come up meanwhile; one that only listens
//! does not, and `show bgp neighbor` says why.
//!
//! *Invariants*: a failure is said when it begins and when it becomes another one, not with every
//! try.

use super::action::Action;
use super::plane::ControlPlane;
use super::report;
use crate::base::time::{Duration, Instant};
use crate::proto::bgp::transport::{Failure, Order};
use core::net::SocketAddrV6;
use std::collections::BTreeMap;

/// Time between two tries: whoever has the port may be about to end.
const RETRY_TIME: Duration = Duration::from_secs(10);

/// Where listening failed; one exists, in the control plane.
#[derive(Clone, Debug, Default)]
pub(super) struct Deaf {
    /// At most one for each listener, with the time of the last failure.
    failures: BTreeMap<SocketAddrV6, (Failure, Instant)>,
    retry_at: Option<Instant>,
}

impl Deaf {
    /// When it is tried again.
    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Others are listened for from now on.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Why nobody can connect to an address.
    pub(super) fn failure(&self, local: &SocketAddrV6) -> Option<Failure> {
        self.failures.get(local).map(|(failure, _)| *failure)
    }
}

impl ControlPlane {
    /// Listening failed.
    pub(super) fn bgp_is_deaf(&mut self, now: Instant, local: SocketAddrV6, failure: Failure) {
        // Of a listener that is not wanted any more.
        if !self.bgp.listeners.iter().any(|listener| listener.local == local) {
            return;
        }
        let before = self.bgp.deaf.failures.insert(local, (failure, now));
        self.bgp.deaf.retry_at.get_or_insert(now + RETRY_TIME);
        if before.map(|(failure, _)| failure) != Some(failure) {
            let event = report::bgp_deaf(now, &self.end_in_words(local), failure);
            self.event(event);
        }
    }

    /// Tries again where that is due; what has not failed since the last try works.
    pub(super) fn retry_listening(&mut self, now: Instant) {
        let Some(retry_at) = self.bgp.deaf.retry_at.filter(|at| *at <= now) else { return };
        let is_over =
            |(_, (_, at)): &(&SocketAddrV6, &(Failure, Instant))| *at + RETRY_TIME * 2 <= retry_at;
        let failures = self.bgp.deaf.failures.iter().filter(is_over);
        let over: Vec<SocketAddrV6> = failures.map(|(local, _)| *local).collect();
        for local in over {
            self.bgp.deaf.failures.remove(&local);
            let event = report::bgp_hears(now, &self.end_in_words(local));
            self.event(event);
        }
        self.bgp.deaf.retry_at = None;
        if !self.bgp.deaf.failures.is_empty() {
            self.bgp.deaf.retry_at = Some(now + RETRY_TIME);
            let listeners = self.bgp.listeners.clone();
            self.actions.push_back(Action::Bgp(Order::Listen(listeners)));
        }
    }
}
