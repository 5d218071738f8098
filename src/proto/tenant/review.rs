//! One router looked at anew: what it says, the pseudowires that follow, and what it was told.
//!
//! Owns [`Pair`], a pseudowire that the owner was told of. Nothing here asks what has changed:
//! what shall be is put together whole, and compared with what is.

use super::action::{Action, DownReason, Notice, Pseudowire, PseudowireName, Refusal};
use super::input::{Gone, Settings, TenantSettings};
use super::key::{ClusterKey, Direction};
use super::limits::REFUSALS_MAX;
use super::members::{Members, Tenant};
use super::numbers::Number;
use super::peer::{Offer, Peer, Refusals, check_endpoint};
use crate::base::ids::{RouterId, TenantId};
use crate::base::time::Instant;
use crate::wire::l2tp::SessionId;
use crate::wire::ospf::CookieLength;
use core::net::Ipv6Addr;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a pseudowire follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Basis {
    key: ClusterKey,
    own: RouterId,
    endpoint: Ipv6Addr,
    settings: TenantSettings,
    epochs: (u32, Option<u32>),
    offer: Offer,
    local_session: SessionId,
}

/// A pseudowire that the owner was told of.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    basis: Basis,
    pub pseudowire: Pseudowire,
    pub since: Instant,
}

impl Basis {
    fn new(settings: &Settings, tenant: &Tenant, offer: Offer, number: Number) -> Self {
        Self {
            key: settings.key,
            own: settings.router_id,
            endpoint: settings.endpoint,
            settings: tenant.settings,
            epochs: (tenant.epoch.said, tenant.epoch.other),
            offer,
            local_session: number.id,
        }
    }

    fn pseudowire(&self, name: PseudowireName) -> Pseudowire {
        let Self { key, own, endpoint, settings, epochs, offer, local_session } = *self;
        let PseudowireName { remote, tenant } = name;
        let here = Direction { tenant, sender: remote, receiver: own };
        let there = Direction { tenant, sender: own, receiver: remote };
        let length = settings.format.cookie;
        let other = epochs.1.filter(|_| length != CookieLength::None);
        Pseudowire {
            local_endpoint: endpoint,
            remote_endpoint: offer.endpoint,
            local_session,
            remote_session: key.session_id(there, offer.format, offer.salt),
            local_cookie: key.cookie(here, epochs.0, length),
            other_local_cookie: other.map(|epoch| key.cookie(here, epoch, length)),
            remote_cookie: key.cookie(there, offer.epoch, offer.format.cookie),
            receive: settings.format,
            transmit: offer.format,
            mtu: settings.mtu.min(offer.mtu),
        }
    }
}

/// All that may be to one router.
fn names_of<T>(
    pairs: &BTreeMap<PseudowireName, T>,
    remote: RouterId,
) -> impl Iterator<Item = PseudowireName> {
    let name = |tenant| PseudowireName { remote, tenant };
    pairs.range(name(TenantId(0))..=name(TenantId(u32::MAX))).map(|(name, _)| *name)
}

impl Members {
    /// Looks at one router; `why` says why some of what it said holds no more, where that is so.
    pub(super) fn review(&mut self, now: Instant, remote: RouterId, why: Option<Gone>) {
        let mut refusals = self.read(remote);
        self.release_numbers(remote);
        let wanted = self.wanted(remote, &mut refusals);
        let gone: Vec<PseudowireName> =
            names_of(&self.pairs, remote).filter(|name| !wanted.contains_key(name)).collect();
        for name in gone {
            let reason = self.reason(name, &refusals, why);
            self.pairs.remove(&name);
            self.counters.pseudowires_down += 1;
            self.actions.push_back(Action::Down { name, reason });
        }
        for (name, pair) in wanted {
            self.tell(now, name, pair);
        }
        self.note(remote, refusals);
    }

    /// Reads what a router says, and gives it the endpoints that nobody else has; what of it is not
    /// used.
    fn read(&mut self, remote: RouterId) -> Refusals {
        let peer = self.peers.get_mut(&remote);
        let claims: BTreeSet<Ipv6Addr> = peer.iter().flat_map(|peer| peer.endpoints()).collect();
        let mut free = BTreeSet::new();
        self.endpoints.retain(|address, who| {
            let is_kept = *who != remote || claims.contains(address);
            if !is_kept {
                free.insert(*address);
            }
            is_kept
        });
        let refusals = match (peer, &self.settings) {
            (Some(peer), Some(Settings { router_id, endpoint: own, .. })) => {
                peer.read(*router_id, |address| {
                    check_endpoint(address)?;
                    if address == *own {
                        return Err(Refusal::EndpointOwn(address));
                    }
                    match self.endpoints.entry(address) {
                        Entry::Occupied(other) if *other.get() != remote => {
                            Err(Refusal::EndpointTaken { address, other: *other.get() })
                        }
                        Entry::Occupied(_) => Ok(()),
                        Entry::Vacant(place) => {
                            place.insert(remote);
                            Ok(())
                        }
                    }
                })
            }
            _ => Refusals::new(),
        };
        if !free.is_empty() {
            let mut others = self.peers.iter();
            let wants = |(id, peer): &(&RouterId, &Peer)| {
                **id != remote && peer.endpoints().any(|address| free.contains(&address))
            };
            for (other, _) in others.by_ref().filter(wants) {
                self.due.entry(*other).or_insert(None);
            }
        }
        refusals
    }

    /// Ids of pseudowires to a router that are not wanted any more are free, for it and for others.
    fn release_numbers(&mut self, remote: RouterId) {
        let offers = self.peers.get(&remote).map(Peer::offers);
        let is_wanted = |name: &PseudowireName| {
            self.tenants.contains_key(&name.tenant)
                && offers.is_some_and(|offers| offers.contains_key(&name.tenant))
        };
        let gone: Vec<PseudowireName> =
            self.numbers.of(remote).filter(|name| !is_wanted(name)).collect();
        if gone.is_empty() {
            return;
        }
        for name in gone {
            let number = self.numbers.take_back(name);
            self.has_news |= number.is_some_and(|number| number.salt != 0);
        }
        let waiting = self.refusals.iter().filter(|((other, tenant), refusal)| {
            *other != remote && tenant.is_some() && **refusal == Refusal::NoRoom
        });
        for ((other, _), _) in waiting {
            self.due.entry(*other).or_insert(None);
        }
    }

    /// The pseudowires that shall be to a router; adds why some cannot be.
    fn wanted(
        &mut self,
        remote: RouterId,
        refusals: &mut Refusals,
    ) -> BTreeMap<PseudowireName, (Basis, Pseudowire)> {
        let mut wanted = BTreeMap::new();
        let (Some(settings), Some(peer)) = (&self.settings, self.peers.get(&remote)) else {
            return wanted;
        };
        let own = settings.router_id;
        for (tenant, local) in &self.tenants {
            let Some(offer) = peer.offers().get(tenant) else { continue };
            let name = PseudowireName { remote, tenant: *tenant };
            let direction = Direction { tenant: *tenant, sender: remote, receiver: own };
            let derive = |salt| settings.key.session_id(direction, local.settings.format, salt);
            let known = self.numbers.get(name);
            let number = known.or_else(|| self.numbers.give(name, &settings.taken, derive));
            let Some(number) = number else {
                refusals.insert(Some(*tenant), Refusal::NoRoom);
                continue;
            };
            if known.is_none() && number.salt != 0 {
                self.counters.session_id_collision += 1;
                self.has_news = true;
                let notice = Notice::Renumbered { name, session: derive(0) };
                self.actions.push_back(Action::Notice(notice));
            }
            let basis = Basis::new(settings, local, *offer, number);
            let told = self.pairs.get(&name).filter(|pair| pair.basis == basis);
            let pseudowire =
                told.map_or_else(|| basis.pseudowire(name), |pair| pair.pseudowire.clone());
            wanted.insert(name, (basis, pseudowire));
        }
        for name in ambiguous(&wanted) {
            wanted.remove(&name);
            refusals.insert(Some(name.tenant), Refusal::Ambiguous);
        }
        wanted
    }

    /// Tells the owner of a pseudowire that is new or another one.
    fn tell(
        &mut self,
        now: Instant,
        name: PseudowireName,
        (basis, pseudowire): (Basis, Pseudowire),
    ) {
        let boxed = Box::new(pseudowire.clone());
        match self.pairs.get_mut(&name) {
            Some(pair) => {
                pair.basis = basis;
                if pair.pseudowire != pseudowire {
                    pair.pseudowire = pseudowire;
                    self.counters.pseudowires_changed += 1;
                    self.actions.push_back(Action::Changed { name, pseudowire: boxed });
                }
            }
            None => {
                self.pairs.insert(name, Pair { basis, pseudowire, since: now });
                self.counters.pseudowires_up += 1;
                self.actions.push_back(Action::Up { name, pseudowire: boxed });
            }
        }
    }

    fn reason(&self, name: PseudowireName, refusals: &Refusals, why: Option<Gone>) -> DownReason {
        if !self.tenants.contains_key(&name.tenant) {
            return DownReason::Removed;
        }
        let refusal = refusals.get(&Some(name.tenant)).or_else(|| refusals.get(&None));
        match (refusal, why) {
            (Some(refusal), _) => DownReason::Refused(refusal.clone()),
            (None, Some(Gone::Unreachable)) => DownReason::Unreachable,
            (None, Some(Gone::Withdrawn) | None) => DownReason::Left,
        }
    }

    /// Takes what is not used of what a router says in place of what was not. Nobody here is
    /// concerned by tenants that this router has not.
    fn note(&mut self, remote: RouterId, mut refusals: Refusals) {
        refusals.retain(|tenant, _| tenant.is_none_or(|id| self.tenants.contains_key(&id)));
        let first = (remote, None);
        let last = (remote, Some(TenantId(u32::MAX)));
        let known: Vec<Option<TenantId>> =
            self.refusals.range(first..=last).map(|((_, tenant), _)| *tenant).collect();
        for tenant in known {
            if !refusals.contains_key(&tenant) {
                self.refusals.remove(&(remote, tenant));
            }
        }
        for (tenant, refusal) in refusals {
            self.refuse(remote, tenant, refusal);
        }
    }

    /// Counts and tells what is not used, unless that is known.
    pub(super) fn refuse(
        &mut self,
        router_id: RouterId,
        tenant: Option<TenantId>,
        refusal: Refusal,
    ) {
        let is_full = self.refusals.len() >= REFUSALS_MAX;
        let place = match self.refusals.entry((router_id, tenant)) {
            Entry::Occupied(known) if *known.get() == refusal => return,
            place => place,
        };
        let counters = &mut self.counters;
        *match refusal {
            Refusal::Unreadable(_) => &mut counters.unreadable,
            Refusal::OtherVersion => &mut counters.other_version,
            Refusal::NoTenant => &mut counters.no_tenant,
            Refusal::Repeated => &mut counters.repeated,
            Refusal::MtuTooSmall(_) => &mut counters.mtu_too_small,
            Refusal::UnknownFormat => &mut counters.unknown_format,
            Refusal::EndpointNotUnicast(_) => &mut counters.endpoint_not_unicast,
            Refusal::EndpointOwn(_) => &mut counters.endpoint_own,
            Refusal::EndpointTaken { .. } => &mut counters.endpoint_taken,
            Refusal::Ambiguous => &mut counters.session_id_ambiguous,
            Refusal::NoRoom => &mut counters.no_room,
        } += 1;
        match place {
            Entry::Occupied(mut known) => {
                known.insert(refusal.clone());
            }
            // What finds no room is counted, and told by those that did.
            Entry::Vacant(_) if is_full => return,
            Entry::Vacant(place) => {
                place.insert(refusal.clone());
            }
        }
        let notice = Notice::Refused { router_id, tenant, refusal };
        self.actions.push_back(Action::Notice(notice));
    }
}

/// Those to one router that it would not tell apart: they have one id, and a cookie does not help.
fn ambiguous(wanted: &BTreeMap<PseudowireName, (Basis, Pseudowire)>) -> Vec<PseudowireName> {
    let mut sharing: BTreeMap<SessionId, Vec<(PseudowireName, CookieLength)>> = BTreeMap::new();
    for (name, (_, pseudowire)) in wanted {
        let length = pseudowire.transmit.cookie;
        sharing.entry(pseudowire.remote_session).or_default().push((*name, length));
    }
    let is_mixed = |group: &Vec<(PseudowireName, CookieLength)>| {
        group.len() > 1 && group.iter().any(|(_, length)| *length == CookieLength::None)
    };
    sharing.into_values().filter(is_mixed).flatten().map(|(name, _)| name).collect()
}
