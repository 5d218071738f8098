//! Own LSAs: what there shall be, and making it so.
//!
//! Owns [`Origination`]. What this router wants to say is computed whole from its state whenever
//! that may have changed; only what differs from what was said becomes a new instance. Each
//! LSA has a budget of instances: changes go out at once until it is used up.
//!
//! *Invariants*: an own LSA that is not wanted is at MaxAge or gone.
//! *Standards*: RFC 5340 §4.4.3 (bodies), RFC 2328 §12.4, §13.4 (own LSAs that come from
//! elsewhere), §12.1.6 (sequence numbers), §14.1 (premature ageing).

use super::action::Notice;
use super::complaint::Complaint;
use super::hello::OPTIONS;
use super::input::{AdvertisedPrefix, RepairEndpoint};
use super::limits::{
    DUPLICATE_INSTANCES_MAX, DUPLICATE_WINDOW, ORIGINATION_BURST, ORIGINATION_EARNED,
    ORIGINATION_SPACING, PACES_MAX, PREFIXES_PER_LSA, RIVALRIES_MAX,
};
use super::lsdb::{Entry, Place, Scope};
use super::machine::{Ospf, Timer};
use super::opaque::Opaque;
use crate::base::ids::{PortId, RouterId};
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::router_lsa::METRIC_MAX;
use crate::wire::ospf::{
    IntraAreaPrefix, IntraAreaPrefixLsa, LinkLsa, LsType, Lsa, LsaBody, LsaHeader, LsaKey,
    PrefixOptions, RepairFlags, RepairLsa, RouterFlags, RouterLink, RouterLinkType, RouterLsa,
    SequenceNumber,
};
use std::collections::{BTreeMap, BTreeSet};

/// When an LSA was made last, and what is left of its budget.
#[derive(Clone, Copy, Debug)]
struct Pace {
    last: Instant,
    /// When the budget will be whole again, if nothing is made until then.
    whole: Instant,
}

impl Pace {
    /// An instance is made; `before` is where the budget stood.
    fn spend(before: Option<Self>, now: Instant) -> Self {
        let whole = before.map_or(now, |pace| pace.whole.max(now));
        Self { last: now, whole: whole + ORIGINATION_EARNED }
    }

    /// When the next instance may be made, seen from `now`.
    fn ready(self, now: Instant) -> Instant {
        let spaced = self.last + ORIGINATION_SPACING;
        let owed = self.whole.max(now) - now;
        // Of a whole budget one instance must be there.
        let credit = ORIGINATION_EARNED * (ORIGINATION_BURST - 1);
        spaced.max(now + owed.saturating_sub(credit))
    }
}

/// Instances of one own LSA that came from elsewhere within [`DUPLICATE_WINDOW`].
#[derive(Clone, Copy, Debug)]
struct Rivalry {
    since: Instant,
    count: u32,
}

/// The state of making own LSAs; one exists.
#[derive(Clone, Debug, Default)]
pub(super) struct Origination {
    /// Something changed that own LSAs may tell.
    pub is_due: bool,
    paces: BTreeMap<Place, Pace>,
    rivalries: BTreeMap<Place, Rivalry>,
    twin: Complaint,
}

impl Ospf {
    /// Makes what shall be said and is not, withdraws what is said and shall not be.
    pub(super) fn originate(&mut self, now: Instant) {
        self.origination.is_due = false;
        // RFC 3623 §2.1 (1), (2): others go by what the life before said.
        let Some(router_id) = self.router_id.filter(|_| !self.is_restarting()) else { return };
        let wanted = if self.is_leaving { BTreeMap::new() } else { self.wanted(router_id) };
        let is_stale = |(place, entry): &(&Place, &Entry)| {
            // Also what came from elsewhere under this name and was wanted then (`reclaim`).
            place.1.advertising_router == router_id
                && !wanted.contains_key(*place)
                && !self.boundary.holds(&place.1)
                && !entry.header(now).is_max_age()
        };
        let stale: Vec<Place> =
            self.lsdb.iter().filter(is_stale).map(|(place, _)| *place).collect();
        for place in stale {
            self.withdraw(now, place);
        }
        for (place, body) in wanted {
            if !self.is_said(now, &place, &body) {
                self.say(now, place, &body);
            }
        }
    }

    /// The name in which this router says something new; `None` while it leaves, or restarts
    /// gracefully.
    pub(super) fn speaker(&self) -> Option<RouterId> {
        self.router_id.filter(|_| !self.is_leaving && !self.is_restarting())
    }

    /// Whether this router wants to say something at `place`.
    pub(super) fn is_wanted(&self, place: &Place) -> bool {
        self.router_id.is_some_and(|router_id| self.wanted_at(router_id, place).is_some())
    }

    /// What this router wants to say at one place.
    fn wanted_at(&self, router_id: RouterId, place: &Place) -> Option<LsaBody> {
        match place.1.ls_type {
            LsType::AS_EXTERNAL => self.wanted_external(router_id, &place.1),
            _ => self.wanted(router_id).remove(place),
        }
    }

    /// Everything this router wants to say, but for AS-external-LSAs: there may be thousands.
    fn wanted(&self, router_id: RouterId) -> BTreeMap<Place, LsaBody> {
        let key = |ls_type, link_state_id| LsaKey {
            ls_type,
            advertising_router: router_id,
            link_state_id,
        };
        let mut wanted = BTreeMap::new();
        wanted.insert((Scope::Area, key(LsType::ROUTER, 0)), self.router_lsa());
        for (port, interface) in &self.interfaces {
            let config = &interface.config;
            if config.is_up {
                let body = LsaBody::Link(LinkLsa {
                    priority: 1,
                    options: OPTIONS,
                    link_local: config.link_local,
                    prefixes: Vec::new(),
                });
                let place = (Scope::Link(*port), key(LsType::LINK, config.interface_id));
                wanted.insert(place, body);
            }
        }
        for (number, prefixes) in (0_u32..).zip(self.prefixes.chunks(PREFIXES_PER_LSA)) {
            let body = intra_area_prefix_lsa(router_id, prefixes);
            wanted.insert((Scope::Area, key(LsType::INTRA_AREA_PREFIX, number)), body);
        }
        if let Some(RepairEndpoint { address, adjacencies }) = self.endpoint {
            let is_ordered = self.turn.step > Duration::ZERO;
            let flags = if is_ordered { RepairFlags::ORDERS } else { RepairFlags::default() };
            let body = RepairLsa { flags, endpoint: address, adjacencies };
            wanted.insert((Scope::Area, key(LsType::REPAIR, 0)), LsaBody::Repair(body));
        }
        wanted.extend(self.opaque.wanted(router_id));
        wanted
    }

    /// RFC 5340 §4.4.3.2: a link for each neighbour in Full. A stub router's links are as long as a
    /// link can be (RFC 6987 §3): who has another way takes it, who has none is still served, and
    /// what leads to the router itself costs what it cost. The R-bit (RFC 5340 §A.2), which FRR and
    /// BIRD heed as well, would cut off whoever has no other way.
    fn router_lsa(&self) -> LsaBody {
        let links = self.interfaces.values().filter_map(|interface| {
            let neighbor = interface.neighbor.as_ref()?;
            neighbor.is_adjacent().then_some(RouterLink {
                link_type: RouterLinkType::PointToPoint,
                metric: if self.is_stub { METRIC_MAX } else { interface.config.cost },
                interface_id: interface.config.interface_id,
                neighbor_interface_id: neighbor.interface_id,
                neighbor_router_id: neighbor.router_id,
            })
        });
        LsaBody::Router(RouterLsa {
            flags: match self.boundary.is_active() {
                true => RouterFlags::EXTERNAL,
                false => RouterFlags::default(),
            },
            options: OPTIONS,
            links: links.collect(),
        })
    }

    pub(super) fn is_said(&self, now: Instant, place: &Place, body: &LsaBody) -> bool {
        self.lsdb.get(place).is_some_and(|entry| {
            entry.is_own
                && !entry.header(now).is_max_age()
                && entry.as_installed().body().as_ref() == Ok(body)
        })
    }

    /// Makes an instance now, or when its pace allows.
    fn say(&mut self, now: Instant, place: Place, body: &LsaBody) {
        let ready = self.ready_at(now, &place);
        if now < ready {
            let earlier = self.timers.deadline(Timer::Originate);
            let deadline = earlier.map_or(ready, |earlier| earlier.min(ready));
            self.timers.set(Timer::Originate, deadline);
            return;
        }
        self.make(now, place, body);
    }

    /// When the next instance may be made.
    pub(super) fn ready_at(&self, now: Instant, place: &Place) -> Instant {
        self.origination.paces.get(place).map_or(now, |pace| pace.ready(now))
    }

    /// Makes the next instance.
    pub(super) fn make(&mut self, now: Instant, place: Place, body: &LsaBody) {
        let last = self.lsdb.get(&place).map(|entry| entry.header(now));
        self.make_above(now, place, body, last);
    }

    /// Makes an instance that is newer than `last`.
    fn make_above(&mut self, now: Instant, place: Place, body: &LsaBody, last: Option<LsaHeader>) {
        let sequence = match last {
            None => SequenceNumber::INITIAL,
            Some(last) => match last.sequence.next() {
                Some(next) => next,
                // RFC 2328 §12.1.6: the highest number goes before the lowest comes; `buried_own`
                // goes on.
                None if last.is_max_age() => return,
                None => return self.withdraw(now, place),
            },
        };
        let Ok(lsa) = Lsa::build(place.1, sequence, 0, body) else {
            unreachable!("own LSAs are cut to fit: see `limits`")
        };
        let paces = &mut self.origination.paces;
        if paces.len() >= PACES_MAX {
            paces.retain(|_, pace| pace.whole > now);
        }
        let pace = Pace::spend(self.origination.paces.get(&place).copied(), now);
        self.origination.paces.insert(place, pace);
        self.counters.lsa_originated += 1;
        self.install(now, place, lsa.clone(), true);
        self.flood(now, place, &lsa, &BTreeSet::new());
    }

    /// RFC 2328 §12.4: half its life has passed. What is wanted by now is said, also what waited
    /// for its pace: an instance in half an hour is within every budget.
    pub(super) fn refresh(&mut self, now: Instant, place: Place) {
        let Some(router_id) = self.router_id else { return };
        match self.wanted_at(router_id, &place).filter(|_| !self.is_leaving) {
            Some(body) => self.make(now, place, &body),
            None => self.withdraw(now, place),
        }
    }

    /// RFC 2328 §14.1: premature ageing.
    pub(super) fn withdraw(&mut self, now: Instant, place: Place) {
        let Some(entry) = self.lsdb.get(&place) else { return };
        let lsa = entry.lsa(now).at_age(MAX_AGE_S);
        self.install(now, place, lsa.clone(), true);
        self.flood(now, place, &lsa, &BTreeSet::new());
    }

    /// Withdraws everything this router ever said.
    pub(super) fn flush_own(&mut self, now: Instant) {
        self.flush_where(now, |_| true);
    }

    /// Withdraws what this router said on the link of `port`.
    pub(super) fn flush_link(&mut self, now: Instant, port: PortId) {
        self.flush_where(now, |scope| scope == Scope::Link(port));
    }

    fn flush_where(&mut self, now: Instant, is_meant: impl Fn(Scope) -> bool) {
        let own: Vec<Place> = self
            .lsdb
            .iter()
            .filter(|(place, entry)| {
                Some(place.1.advertising_router) == self.router_id
                    && is_meant(place.0)
                    && !entry.header(now).is_max_age()
            })
            .map(|(place, _)| *place)
            .collect();
        for place in own {
            self.withdraw(now, place);
        }
    }

    /// RFC 2328 §13.4: an own LSA came from elsewhere and is newer than anything said here. What is
    /// wanted is said again above it, the rest withdrawn: at once, because others calculate with
    /// what an earlier life said, unless there is a rival to quarrel with.
    pub(super) fn reclaim(&mut self, now: Instant, port: PortId, place: Place, lsa: &Lsa) {
        if self.is_restarting() {
            return;
        }
        self.counters.own_foreign += 1;
        // A rival is found by its router-LSA; of these there may be thousands after a restart.
        let is_external = place.1.ls_type == LsType::AS_EXTERNAL;
        let is_rival = !is_external && self.note_rival(now, port, place);
        let Some(router_id) = self.router_id else { return };
        self.give_way(place, lsa);
        let wanted = self.wanted_at(router_id, &place).filter(|_| !self.is_leaving);
        match wanted {
            Some(_) if is_external => self.boundary.say_again(&place.1),
            Some(body) if is_rival => self.say(now, place, &body),
            Some(body) => self.make(now, place, &body),
            // It is said again, or goes when all is said that shall be.
            None if self.boundary.keeps(&place.1) => {}
            None if !lsa.header.is_max_age() => self.withdraw(now, place),
            None => {}
        }
    }

    /// The neighbour describes an own LSA of an earlier life. It is outlived before the adjacency
    /// is Full there: with the old one and a new adjacency others would send through this router
    /// as if it had never been away. Says whether that is done; what is not wanted any more must
    /// come whole to be withdrawn.
    pub(super) fn outlive(
        &mut self,
        now: Instant,
        port: PortId,
        place: Place,
        theirs: &LsaHeader,
    ) -> bool {
        let Some(router_id) = self.speaker() else { return false };
        let is_usable = !theirs.is_max_age() && theirs.sequence.next().is_some();
        if theirs.advertising_router != router_id || !is_usable {
            return false;
        }
        // The owner of what is only carried must see what was said; of an AS-external-LSA the
        // prefix must be known first.
        if Opaque::is_carried(&place.1) {
            return false;
        }
        let Some(body) = self.wanted(router_id).remove(&place) else { return false };
        self.counters.own_described += 1;
        if self.note_rival(now, port, place) {
            return false;
        }
        self.make_above(now, place, &body, Some(*theirs));
        // Ahead of the description that may complete the exchange.
        self.send_queued();
        true
    }

    /// A restart meets each of its old LSAs once, twice when two instances of it are on their way;
    /// a router that meets one again and again has a rival. Says whether there is one.
    fn note_rival(&mut self, now: Instant, port: PortId, place: Place) -> bool {
        let Some(router_id) = self.router_id else { return false };
        let Some(interface) = self.interfaces.get(&port) else { return false };
        let ours = interface.config.link_local;
        let theirs = interface.neighbor.as_ref().map_or(ours, |neighbor| neighbor.address);
        let Origination { rivalries, twin, .. } = &mut self.origination;
        rivalries.retain(|_, rivalry| now - rivalry.since <= DUPLICATE_WINDOW);
        if rivalries.len() >= RIVALRIES_MAX && !rivalries.contains_key(&place) {
            return true;
        }
        let rivalry = rivalries.entry(place).or_insert(Rivalry { since: now, count: 0 });
        rivalry.count += 1;
        // Once said, it goes on with every instance, until none comes for a while.
        let is_rival = rivalry.count > DUPLICATE_INSTANCES_MAX || twin.goes_on(now);
        if is_rival && twin.is_news(now) {
            self.notice(Notice::DuplicateRouterId { port, router_id, ours, theirs });
        }
        is_rival
    }

    /// An own instance at MaxAge is gone everywhere: what is still wanted may begin anew.
    pub(super) fn buried_own(&mut self, now: Instant, place: Place) {
        let Some(router_id) = self.speaker() else { return };
        if place.1.ls_type == LsType::AS_EXTERNAL {
            // The budget of one that comes and goes outlives it: see `make_above`.
            self.boundary.say_again(&place.1);
        } else if let Some(body) = self.wanted(router_id).remove(&place) {
            self.say(now, place, &body);
        } else {
            self.origination.paces.remove(&place);
        }
    }
}

/// RFC 5340 §4.4.3.9: prefixes of the router itself.
fn intra_area_prefix_lsa(router_id: RouterId, prefixes: &[AdvertisedPrefix]) -> LsaBody {
    let prefixes = prefixes.iter().map(|advertised| IntraAreaPrefix {
        prefix: advertised.prefix,
        options: match advertised.is_local_address {
            true => PrefixOptions::LA,
            false => PrefixOptions::default(),
        },
        metric: advertised.metric,
    });
    LsaBody::IntraAreaPrefix(IntraAreaPrefixLsa {
        referenced_ls_type: LsType::ROUTER,
        referenced_link_state_id: 0,
        referenced_advertising_router: router_id,
        prefixes: prefixes.collect(),
    })
}
