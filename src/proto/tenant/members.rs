//! The machine: who else has the tenants of this router, and the pseudowire to each of them.
//!
//! Owns [`Members`] and the way of an input through it: what changed is taken in, then every router
//! that may be concerned is looked at anew (`review`), then what is to be announced is compared
//! with what was.
//!
//! *Both directions are for themselves*: what frames to a router need (carrier, cookie, sublayer,
//! numbers) is what that router says, so that members with other options talk to each other all
//! the same. Only the MTU has to be one for both, the lesser.
//!
//! *Who comes first keeps what it has*: a session id, an endpoint. The second gets another id, or
//! is refused until the first is gone.
//!
//! *Ids that are not told apart*: two sessions from here to one router may come to the same id, of
//! which that router gives one another salt; which one, only its announcement says. Until then a
//! wrong cookie keeps the frames of the two apart. Where a tenant has no cookies neither is up.
//!
//! *Invariants*: local session ids are unique; every pseudowire is to a router that announces the
//! tenant and that OSPF reaches; after an input an owner that carried out the actions has exactly
//! the pseudowires that are shown.
//!
//! Known limit: another id follows from what was there first, which a restart forgets; then one
//! pseudowire of 2^18 loses frames until its sender has heard it.

use super::action::{Action, Notice, PseudowireName, Refusal};
use super::announcement::Announcement;
use super::counters::Counters;
use super::epoch::{Epoch, Event, Phase};
use super::input::{Gone, Input, Settings, TenantSettings};
use super::limits::{
    ANNOUNCEMENTS_MAX, ANNOUNCEMENTS_PER_ROUTER_MAX, ROTATION_INTERVAL_MIN, ROTATION_JITTER_PART,
    TENANTS_MAX,
};
use super::numbers::Numbers;
use super::peer::Peer;
use super::review::Pair;
use crate::base::ids::{RouterId, TenantId};
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::base::timers::TimerTable;
use crate::wire::ospf::{MembershipLsa, Renumbering, TenantEntry};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, VecDeque};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The phase of the epoch of a tenant is over.
    Epoch(TenantId),
}

/// A tenant of this router.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tenant {
    pub settings: TenantSettings,
    pub epoch: Epoch,
}

/// Members of the tenants of one router; one exists, owned by the control plane.
#[derive(Clone, Debug)]
pub struct Members {
    /// `None` before the first, and when this router has left.
    pub(super) settings: Option<Settings>,
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
    /// What a life before has said of tenants that are not here; the next to come begin with it.
    earlier: BTreeMap<TenantId, u32>,
    pub(super) peers: BTreeMap<RouterId, Peer>,
    /// Announcements that all of them have.
    lsa_count: usize,
    pub(super) pairs: BTreeMap<PseudowireName, Pair>,
    /// Where tunnels of others end: who was first.
    pub(super) endpoints: BTreeMap<Ipv6Addr, RouterId>,
    pub(super) numbers: Numbers,
    /// What is not used of what others say: of a tenant of this router, or of a whole LSA.
    pub(super) refusals: BTreeMap<(RouterId, Option<TenantId>), Refusal>,
    announcement: Announcement,
    /// Whether what is announced may have to be something else.
    pub(super) has_news: bool,
    /// Routers to look at, and why what they said is gone, where it is.
    pub(super) due: BTreeMap<RouterId, Option<Gone>>,
    pub(super) timers: TimerTable<Timer>,
    prng: Prng,
    pub(super) counters: Counters,
    pub(super) actions: VecDeque<Action>,
}

impl Members {
    /// A machine that knows nothing yet; `seed` starts its epochs and jitter. It must not be the
    /// one of the life before: the first epochs are to be others.
    pub fn new(seed: u64) -> Self {
        Self {
            settings: None,
            tenants: BTreeMap::new(),
            earlier: BTreeMap::new(),
            peers: BTreeMap::new(),
            lsa_count: 0,
            pairs: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            numbers: Numbers::default(),
            refusals: BTreeMap::new(),
            announcement: Announcement::new(),
            has_news: false,
            due: BTreeMap::new(),
            timers: TimerTable::default(),
            prng: Prng::new(seed),
            counters: Counters::default(),
            actions: VecDeque::new(),
        }
    }

    /// What was counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn take(&mut self, now: Instant, input: Input) {
        match input {
            Input::Settings(settings) => self.set(now, *settings),
            Input::Said { router_id, link_state_id, body } => {
                let own = self.settings.as_ref().map(|settings| settings.router_id);
                if own == Some(router_id) {
                    self.remember(now, &body);
                } else {
                    self.hear(router_id, link_state_id, &body);
                }
            }
            Input::Gone { router_id, link_state_id, why } => {
                self.forget(router_id, link_state_id, why);
            }
            Input::Leave => self.leave(),
        }
    }

    fn set(&mut self, now: Instant, mut settings: Settings) {
        settings.rotation = settings.rotation.map(|interval| interval.max(ROTATION_INTERVAL_MIN));
        if let Some(first) = settings.tenants.keys().nth(TENANTS_MAX).copied() {
            settings.tenants.split_off(&first);
            self.counters.no_room += 1;
            let max = u32::try_from(TENANTS_MAX).unwrap_or(u32::MAX);
            self.actions.push_back(Action::Notice(Notice::TooManyTenants { max }));
        }
        let before = self.settings.as_ref();
        let is_same = before.is_some_and(|before| {
            (before.router_id, before.key) == (settings.router_id, settings.key)
        });
        let is_same_rhythm = before.is_some_and(|before| before.rotation == settings.rotation);
        if !is_same {
            self.numbers = Numbers::default();
        }
        self.numbers.give_way(&settings.taken);
        self.find_itself(settings.router_id);
        let gone: Vec<TenantId> =
            self.tenants.keys().filter(|id| !settings.tenants.contains_key(id)).copied().collect();
        for id in gone {
            self.tenants.remove(&id);
            self.timers.clear(Timer::Epoch(id));
        }
        for (id, tenant) in &settings.tenants {
            if let Some(known) = self.tenants.get_mut(id) {
                if known.settings.format != tenant.format {
                    self.numbers.take_back_all(*id);
                }
                known.settings = *tenant;
                continue;
            }
            let random = u32::try_from(self.prng.below(1 << 32)).unwrap_or(0);
            let first = self.earlier.remove(id).unwrap_or(random);
            self.tenants.insert(*id, Tenant { settings: *tenant, epoch: Epoch::new(first) });
            self.arm(now, *id, settings.rotation);
        }
        if !is_same_rhythm {
            let steady = |(id, tenant): (&TenantId, &Tenant)| {
                (tenant.epoch.phase == Phase::Steady).then_some(*id)
            };
            let steady: Vec<TenantId> = self.tenants.iter().filter_map(steady).collect();
            steady.into_iter().for_each(|id| self.arm(now, id, settings.rotation));
        }
        self.settings = Some(settings);
        self.look_at_all();
    }

    /// What was heard of this router before it knew its name is of a life before.
    fn find_itself(&mut self, router_id: RouterId) {
        let Some(own) = self.peers.remove(&router_id) else { return };
        self.lsa_count -= own.lsa_count();
        self.due.entry(router_id).or_insert(None);
        self.counters.earlier_lives += 1;
        for TenantEntry { id, epoch, .. } in own.entries() {
            self.note_earlier(*id, *epoch);
        }
    }

    fn note_earlier(&mut self, id: TenantId, epoch: u32) {
        if self.earlier.len() < TENANTS_MAX || self.earlier.contains_key(&id) {
            self.earlier.insert(id, epoch);
        }
    }

    fn look_at_all(&mut self) {
        self.has_news = true;
        for router_id in self.peers.keys() {
            self.due.entry(*router_id).or_insert(None);
        }
    }

    /// Another router says something.
    fn hear(&mut self, router_id: RouterId, link_state_id: u32, body: &[u8]) {
        let peer = self.peers.get(&router_id);
        let is_known = peer.is_some_and(|peer| peer.has(link_state_id));
        let is_full = self.lsa_count >= ANNOUNCEMENTS_MAX
            || peer.is_some_and(|peer| peer.lsa_count() >= ANNOUNCEMENTS_PER_ROUTER_MAX);
        if !is_known && is_full {
            self.refuse(router_id, None, Refusal::NoRoom);
            return;
        }
        self.counters.heard += 1;
        self.lsa_count += usize::from(!is_known);
        self.peers.entry(router_id).or_default().hear(link_state_id, body);
        self.due.entry(router_id).or_insert(None);
    }

    fn forget(&mut self, router_id: RouterId, link_state_id: u32, why: Gone) {
        let Some(peer) = self.peers.get_mut(&router_id) else { return };
        self.lsa_count -= usize::from(peer.has(link_state_id));
        if peer.forget(link_state_id) {
            self.peers.remove(&router_id);
        }
        self.due.insert(router_id, Some(why));
    }

    /// A life before has said something: others go by it.
    fn remember(&mut self, now: Instant, body: &[u8]) {
        let Ok(Some(lsa)) = MembershipLsa::decode(body) else { return };
        self.counters.earlier_lives += 1;
        for TenantEntry { id, epoch, .. } in lsa.tenants {
            if self.tenants.contains_key(&id) {
                self.change_epoch(now, id, Event::Earlier(epoch));
            } else {
                self.note_earlier(id, epoch);
            }
        }
    }

    fn leave(&mut self) {
        self.settings = None;
        self.tenants.clear();
        self.timers = TimerTable::default();
        self.numbers = Numbers::default();
        self.look_at_all();
    }

    fn change_epoch(&mut self, now: Instant, id: TenantId, event: Event) {
        let rotation = self.settings.as_ref().and_then(|settings| settings.rotation);
        let Some(tenant) = self.tenants.get_mut(&id) else { return };
        let Some(next) = tenant.epoch.step(event) else { return };
        tenant.epoch = next;
        let is_rotation = event == Event::Due && next.phase == Phase::Closing;
        self.counters.rotations += u64::from(is_rotation);
        self.arm(now, id, rotation);
        self.has_news = true;
        let others = self.peers.iter().filter(|(_, peer)| peer.offers().contains_key(&id));
        for (router_id, _) in others {
            self.due.entry(*router_id).or_insert(None);
        }
    }

    /// Sets the end of the phase that the epoch of a tenant is in.
    fn arm(&mut self, now: Instant, id: TenantId, rotation: Option<Duration>) {
        let Some(tenant) = self.tenants.get(&id) else { return };
        let interval = rotation.map(|interval| {
            interval - self.prng.between(Duration::ZERO, interval / ROTATION_JITTER_PART)
        });
        match tenant.epoch.duration(interval) {
            Some(duration) => self.timers.set(Timer::Epoch(id), now + duration),
            None => self.timers.clear(Timer::Epoch(id)),
        }
    }

    /// The end of every input.
    fn settle(&mut self, now: Instant) {
        while let Some((router_id, why)) = self.due.pop_first() {
            self.review(now, router_id, why);
        }
        if core::mem::take(&mut self.has_news) {
            self.announce();
        }
    }

    fn announce(&mut self) {
        let endpoint = self.settings.as_ref().map(|settings| settings.endpoint);
        let entry = |(id, tenant): (&TenantId, &Tenant)| TenantEntry {
            id: *id,
            epoch: tenant.epoch.said,
            mtu: tenant.settings.mtu,
            format: Some(tenant.settings.format),
        };
        let tenants: Vec<TenantEntry> = self.tenants.iter().map(entry).collect();
        let renumberings: Vec<Renumbering> = self.numbers.renumberings().collect();
        let endpoint = endpoint.unwrap_or(Ipv6Addr::UNSPECIFIED);
        if let Some(said) = self.announcement.update(endpoint, &tenants, &renumberings) {
            self.counters.announced += 1;
            self.actions.push_back(Action::Announce(said));
        }
    }
}

impl Machine for Members {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        self.take(now, input);
        self.settle(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(Timer::Epoch(id)) = self.timers.pop_due(now) {
            self.change_epoch(now, id, Event::Due);
        }
        self.settle(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
