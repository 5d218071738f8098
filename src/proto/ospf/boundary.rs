//! AS-external-LSAs of this router: what it announces from outside the AS.
//!
//! Owns [`Boundary`], the routes that are to be announced and the Link State ID of each. Which
//! those are is decided elsewhere, as are their metrics. How others use them is `calculate`'s
//! business.
//!
//! *Link State IDs* follow from the prefix, so that the next life of this router finds the same
//! ones. Where two prefixes come to the same one, the later takes the next that is free. One is
//! free when no route has it and no LSA of this router in the database, dead or alive, has it for
//! another prefix: an LSA must not become another one where an older instance may live. One that
//! comes back from elsewhere (RFC 2328 §13.4) with another prefix has an older right to its ID; it
//! is withdrawn, and the route moves.
//!
//! *Many at once*: withdrawals go first and at once, then what is new; after [`EXTERNALS_BURST`] of
//! them the next have to wait for [`EXTERNALS_PAUSE`], so that updates are full and no socket
//! overflows.
//!
//! *A router that asks to be avoided* (RFC 6987) still announces everything, at a metric of type 2
//! that is worse than whatever another exit may say. The long links of its router-LSA do not help
//! here: they lead out of this router, and the way to it costs what it cost. RFC 6987 does not
//! speak of external routes. To withdraw them would cut off whoever has no other exit, and lose
//! what is on its way while the others learn.
//!
//! *After a graceful restart* what the life before announced stays, until all that shall be
//! announced was said or [`EXTERNALS_KEPT`] is over: packets still leave by this router, and BGP
//! has to find its neighbours first. After any other start it is withdrawn as it comes.
//!
//! *Invariants*: no two routes have the same Link State ID; the E-bit of the router-LSA is set
//! exactly while there are routes or such remains.
//!
//! *Standards*: RFC 5340 §4.4.3.6, RFC 2328 §12.4.4.
//!
//! Gap: RFC 2328 §12.4.4.1 lets one of two routers fall silent that say the same with the same
//! forwarding address; here both go on.

use super::action::Notice;
use super::calculate::LS_INFINITY;
use super::complaint::Complaint;
use super::input::{ExternalChanges, ExternalRoute};
use super::limits::{
    DATABASE_LSAS_MAX, EXTERNAL_ID_TRIES_MAX, EXTERNAL_METRIC_STUB, EXTERNALS_BURST,
    EXTERNALS_KEPT, EXTERNALS_MAX, EXTERNALS_PAUSE, EXTERNALS_ROOM_PAUSE,
};
use super::lsdb::{Entry, Place, Scope};
use super::machine::{Ospf, Timer};
use crate::base::digest::Digest;
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::wire::ospf::{
    AsExternalLsa, ExternalMetric, LsType, Lsa, LsaBody, LsaKey, PrefixOptions,
};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// What this router announces from outside the AS; one exists.
#[derive(Clone, Debug, Default)]
pub(super) struct Boundary {
    routes: BTreeMap<Ipv6Prefix, Announced>,
    /// Who has a Link State ID.
    prefixes: BTreeMap<u32, Ipv6Prefix>,
    /// Prefixes about which something is to be said.
    due: BTreeSet<Ipv6Prefix>,
    /// The same when it is time.
    waiting: BTreeMap<Ipv6Prefix, Instant>,
    /// What is to be withdrawn.
    gone: BTreeMap<u32, Ipv6Prefix>,
    /// What the life before announced stays.
    is_kept: bool,
    /// When the present burst began, and what is left of it.
    burst: (Option<Instant>, usize),
    excess: Complaint,
}

#[derive(Clone, Copy, Debug)]
struct Announced {
    route: ExternalRoute,
    /// `None` before it is said first.
    id: Option<u32>,
}

impl Boundary {
    /// Whether this router is an AS boundary router.
    pub(super) fn is_active(&self) -> bool {
        self.is_kept || !self.routes.is_empty()
    }

    /// Whether an own LSA is or may be that of a route, or is withdrawn when it is its turn.
    pub(super) fn holds(&self, key: &LsaKey) -> bool {
        let is_external = key.ls_type == LsType::AS_EXTERNAL;
        let id = key.link_state_id;
        let is_held = self.prefixes.contains_key(&id) || self.gone.contains_key(&id);
        is_external && (self.is_kept || is_held)
    }

    /// Whether an own LSA is one of the life before that stays.
    pub(super) fn keeps(&self, key: &LsaKey) -> bool {
        self.is_kept && key.ls_type == LsType::AS_EXTERNAL
    }

    /// Everything may read otherwise now.
    pub(super) fn say_all_again(&mut self) {
        self.due.extend(self.routes.keys());
    }

    /// The database has not, or no more, what is announced there.
    pub(super) fn say_again(&mut self, key: &LsaKey) {
        self.due.extend(self.prefixes.get(&key.link_state_id));
    }

    /// The router has another name now, in which nothing was said yet.
    pub(super) fn rename(&mut self) {
        self.gone.clear();
        self.waiting.clear();
        self.is_kept = false;
        self.say_all_again();
    }

    /// Takes its Link State ID from a route.
    fn relocate(&mut self, id: u32) {
        if let Some(prefix) = self.prefixes.remove(&id)
            && let Some(announced) = self.routes.get_mut(&prefix)
        {
            announced.id = None;
            self.due.insert(prefix);
        }
    }

    fn withdraw(&mut self, prefix: Ipv6Prefix) {
        let Some(announced) = self.routes.remove(&prefix) else { return };
        self.due.remove(&prefix);
        self.waiting.remove(&prefix);
        if let Some(id) = announced.id {
            self.prefixes.remove(&id);
            self.gone.insert(id, prefix);
        }
    }

    /// Whether the route is announced, or will be.
    fn announce(&mut self, route: ExternalRoute) -> bool {
        let is_full = self.routes.len() >= EXTERNALS_MAX;
        match self.routes.get_mut(&route.prefix) {
            Some(known) if known.route == route => return true,
            Some(known) => known.route = route,
            None if is_full => return false,
            None => {
                // What is not withdrawn yet goes on.
                let id = ids(route.prefix).find(|id| self.gone.get(id) == Some(&route.prefix));
                if let Some(id) = id {
                    self.gone.remove(&id);
                    self.prefixes.insert(id, route.prefix);
                }
                self.routes.insert(route.prefix, Announced { route, id });
            }
        }
        self.due.insert(route.prefix);
        true
    }

    /// Whether one more LSA may be made or withdrawn now.
    fn spend(&mut self, now: Instant) -> bool {
        if self.burst.0.is_none_or(|begun| now >= begun + EXTERNALS_PAUSE) {
            self.burst = (Some(now), EXTERNALS_BURST);
        }
        let may = self.burst.1 > 0;
        self.burst.1 -= usize::from(may);
        may
    }

    /// When there is something to do again.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let is_idle = self.due.is_empty() && self.gone.is_empty();
        let next_burst = self.burst.0.map_or(now, |begun| begun + EXTERNALS_PAUSE);
        let waiting = self.waiting.values().min().copied();
        (!is_idle).then_some(next_burst).into_iter().chain(waiting).min()
    }
}

impl Ospf {
    /// What is announced from outside the AS has changed.
    pub(super) fn change_externals(&mut self, now: Instant, changes: ExternalChanges) {
        for prefix in changes.withdrawn {
            self.boundary.withdraw(prefix);
        }
        for route in changes.announced {
            if !self.boundary.announce(route) {
                self.refuse_external(now, route.prefix);
            }
        }
        // The E-bit.
        self.origination.is_due = true;
    }

    fn refuse_external(&mut self, now: Instant, prefix: Ipv6Prefix) {
        self.counters.externals_refused += 1;
        if self.boundary.excess.is_news(now) {
            let max = u32::try_from(EXTERNALS_MAX).unwrap_or(u32::MAX);
            self.notice(Notice::TooManyExternals { prefix, max });
        }
    }

    /// A graceful restart went well: the LSAs of the life before go on.
    pub(super) fn keep_externals(&mut self, now: Instant) {
        let Some(router_id) = self.router_id else { return };
        let mut own = self.lsdb.of_router(Scope::As, LsType::AS_EXTERNAL, router_id);
        self.boundary.is_kept = own.any(|entry| !entry.header(now).is_max_age());
        if self.boundary.is_kept {
            self.timers.set(Timer::Kept, now + EXTERNALS_KEPT);
        }
    }

    /// What was announced in the life before and is not announced now goes.
    pub(super) fn drop_kept_externals(&mut self) {
        self.timers.clear(Timer::Kept);
        if core::mem::take(&mut self.boundary.is_kept) {
            self.origination.is_due = true;
        }
    }

    /// Withdraws what is gone and makes what is new or changed, as much as a burst allows.
    pub(super) fn originate_externals(&mut self, now: Instant) {
        let Some(router_id) = self.speaker() else { return };
        let due: Vec<Ipv6Prefix> = {
            let waiting = self.boundary.waiting.iter().filter(|(_, ready)| **ready <= now);
            waiting.map(|(prefix, _)| *prefix).collect()
        };
        for prefix in due {
            self.boundary.waiting.remove(&prefix);
            self.boundary.due.insert(prefix);
        }
        while !self.boundary.gone.is_empty() && self.boundary.spend(now) {
            if let Some((id, _)) = self.boundary.gone.pop_first() {
                self.withdraw(now, place_of(router_id, id));
            }
        }
        while !self.boundary.due.is_empty() && self.boundary.spend(now) {
            let Some(prefix) = self.boundary.due.pop_first() else { break };
            match self.say_external(now, router_id, prefix) {
                Some(ready) => self.boundary.waiting.insert(prefix, ready),
                None => self.boundary.waiting.remove(&prefix),
            };
        }
        match self.boundary.deadline(now) {
            Some(deadline) => self.timers.set(Timer::Boundary, deadline),
            None => self.timers.clear(Timer::Boundary),
        }
    }

    /// Makes the LSA of a prefix where it is not there yet; returns when it is to be tried again.
    fn say_external(
        &mut self,
        now: Instant,
        router_id: RouterId,
        prefix: Ipv6Prefix,
    ) -> Option<Instant> {
        let announced = *self.boundary.routes.get(&prefix)?;
        let Some(id) = announced.id.or_else(|| self.free_id(router_id, prefix)) else {
            self.refuse_external(now, prefix);
            return Some(now + EXTERNALS_ROOM_PAUSE);
        };
        let place = place_of(router_id, id);
        let body = self.external_lsa(&announced.route);
        if self.is_said(now, &place, &body) {
            return None;
        }
        if self.lsdb.get(&place).is_none() && self.lsdb.len() >= DATABASE_LSAS_MAX {
            self.refuse_lsa(now);
            return Some(now + EXTERNALS_ROOM_PAUSE);
        }
        let ready = self.ready_at(now, &place);
        if now < ready {
            return Some(ready);
        }
        self.boundary.routes.insert(prefix, Announced { id: Some(id), ..announced });
        self.boundary.prefixes.insert(id, prefix);
        self.make(now, place, &body);
        None
    }

    /// A Link State ID for a prefix that has none; `None` where too many are taken.
    fn free_id(&self, router_id: RouterId, prefix: Ipv6Prefix) -> Option<u32> {
        let is_free = |id: &u32| {
            let known = self.lsdb.get(&place_of(router_id, *id)).map(Entry::as_installed);
            !self.boundary.prefixes.contains_key(id)
                && known.is_none_or(|lsa| prefix_of(lsa) == Some(prefix))
        };
        ids(prefix).find(is_free)
    }

    /// The LSA for a place that a route has.
    pub(super) fn wanted_external(&self, router_id: RouterId, key: &LsaKey) -> Option<LsaBody> {
        let prefix = self.boundary.prefixes.get(&key.link_state_id)?;
        let announced = self.boundary.routes.get(prefix)?;
        (key.advertising_router == router_id).then(|| self.external_lsa(&announced.route))
    }

    /// An own LSA came from elsewhere. If it is for another prefix than the route that has its Link
    /// State ID, the route gets another one.
    pub(super) fn give_way(&mut self, place: Place, lsa: &Lsa) {
        let id = place.1.link_state_id;
        let ours = self.boundary.prefixes.get(&id).copied();
        let is_external = place.1.ls_type == LsType::AS_EXTERNAL;
        if is_external && ours.is_some() && prefix_of(lsa) != ours {
            self.boundary.relocate(id);
        }
    }

    /// RFC 5340 §A.4.7.
    fn external_lsa(&self, route: &ExternalRoute) -> LsaBody {
        let (ExternalMetric::Type1(metric) | ExternalMetric::Type2(metric)) = route.metric;
        let metric = metric.min(LS_INFINITY - 1);
        let metric = match route.metric {
            _ if self.is_stub => ExternalMetric::Type2(metric.max(EXTERNAL_METRIC_STUB)),
            ExternalMetric::Type1(_) => ExternalMetric::Type1(metric),
            ExternalMetric::Type2(_) => ExternalMetric::Type2(metric),
        };
        let is_address = |address: &Ipv6Addr| {
            !address.is_unspecified() && !address.is_unicast_link_local() && !address.is_multicast()
        };
        LsaBody::AsExternal(AsExternalLsa {
            metric,
            prefix: route.prefix,
            options: PrefixOptions::default(),
            forwarding_address: route.forwarding_address.filter(is_address),
            tag: route.tag,
            referenced: None,
        })
    }
}

fn place_of(router_id: RouterId, link_state_id: u32) -> Place {
    let ls_type = LsType::AS_EXTERNAL;
    (Scope::As, LsaKey { ls_type, advertising_router: router_id, link_state_id })
}

fn prefix_of(lsa: &Lsa) -> Option<Ipv6Prefix> {
    match lsa.body() {
        Ok(LsaBody::AsExternal(body)) => Some(body.prefix),
        _ => None,
    }
}

/// The Link State IDs that a prefix may have.
fn ids(prefix: Ipv6Prefix) -> impl Iterator<Item = u32> {
    let first = first_id(prefix);
    (0..EXTERNAL_ID_TRIES_MAX).map(move |step| first.wrapping_add(step))
}

/// The Link State ID that a prefix has unless another one has it.
#[expect(clippy::cast_possible_truncation, reason = "a part of a hash is one")]
pub(super) fn first_id(prefix: Ipv6Prefix) -> u32 {
    let mut bytes = [0; 17];
    bytes[..16].copy_from_slice(&prefix.address().octets());
    bytes[16] = prefix.length();
    (Digest::of(&bytes).value() >> 16) as u32
}
