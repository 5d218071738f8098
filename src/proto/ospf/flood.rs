//! LSAs on their way: taken in, passed on, acknowledged, forgotten.
//!
//! Owns the flooding procedure and everything that follows from it. Own LSAs are made in
//! `originate`, what is not acknowledged is sent again in `retransmission`.
//!
//! *Invariants*: an instance that was put on an interface stands on the retransmission list of its
//! neighbour until that acknowledges it or a newer one takes its place; an instance at MaxAge stays
//! in the database until nobody is owed it.
//! *Standards*: RFC 2328 §13, §14; RFC 5340 §4.5.
//!
//! Gap: RFC 5340 §A.1 lets OSPF packets travel in IPv6 fragments. This router neither sends nor
//! takes any: an LSA that does not fit the MTU of a port is left out there, counted and named.

use super::action::Notice;
use super::area::is_ignored;
use super::limits::{ACK_DELAY, ACKS_LATER_MAX, EARLY_MAX, MIN_LS_ARRIVAL, REFRESH_JITTER};
use super::lsdb::{Place, Scope};
use super::machine::{Ospf, Staleness, Timer};
use super::neighbor::NeighborEvent;
use super::view::NeighborState;
use crate::base::ids::PortId;
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::lsa::{LSA_HEADER_OCTETS, MAX_AGE_S};
use crate::wire::ospf::{
    LinkStateAcknowledgment, LinkStateUpdate, LsType, Lsa, LsaHeader, LsaKey, PacketBody,
    SequenceNumber, link_state_update,
};
use core::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

impl Ospf {
    /// RFC 2328 §13: each LSA of an update.
    pub(super) fn receive_update(&mut self, now: Instant, port: PortId, update: LinkStateUpdate) {
        for lsa in update.lsas {
            // An LSA may have begun the exchange anew: the rest belongs to the old one.
            if self.neighbor_state(port) < NeighborState::Exchange {
                self.counters.wrong_state += 1;
                return;
            }
            self.receive_lsa(now, port, lsa);
        }
        // An instance that comes back acknowledges as well.
        self.clock_out(now, port);
    }

    /// RFC 2328 §13, steps 1 to 8.
    fn receive_lsa(&mut self, now: Instant, port: PortId, lsa: Lsa) {
        let Some(place) = self.check(now, port, &lsa) else { return };
        let ours = self.lsdb.get(&place).map(|entry| entry.header(now));
        // Step 4: a withdrawal of what nobody has.
        if ours.is_none() && lsa.header.is_max_age() && !self.is_anybody_loading() {
            self.acknowledge_now(port, lsa.header);
            self.answered(now, port, &lsa);
            return;
        }
        match ours.map_or(Ordering::Greater, |ours| lsa.header.compare_age(&ours)) {
            Ordering::Greater => self.take_newer(now, &BTreeSet::from([port]), place, lsa),
            // Step 6: it was described as newer, and is not.
            order if self.is_requested(port, &lsa) => {
                if order.is_eq() {
                    self.answered(now, port, &lsa);
                } else {
                    self.neighbor_event(now, port, NeighborEvent::BadLsReq);
                }
            }
            // Step 7.
            Ordering::Equal => {
                self.counters.lsa_repeated += 1;
                if !self.is_acknowledged(port, &place, &lsa.header) {
                    self.acknowledge_now(port, lsa.header);
                }
            }
            // Step 8: the neighbour needs ours.
            Ordering::Less => {
                self.counters.lsa_older += 1;
                self.send_back(now, port, &place);
            }
        }
    }

    /// Step 8: the instance of the database goes to the neighbour that has an older one; not while
    /// its sequence number wraps, and once in [`SEND_BACK_INTERVAL`](super::limits).
    fn send_back(&mut self, now: Instant, port: PortId, place: &Place) {
        let Some(ours) = self.lsdb.get(place).map(|entry| entry.lsa(now)) else { return };
        if ours.header.is_max_age() && ours.header.sequence == SequenceNumber::MAX {
            return;
        }
        if !self.fits(port, &ours) {
            self.leave_out(now, port, &ours);
        } else if self.lsdb.may_send_back(now, place)
            && let Some(interface) = self.interface(port)
        {
            interface.flood.push(ours);
        }
    }

    /// Steps 1 to 3: checksum, scope, body. An unknown type is kept and flooded as its U-bit says.
    fn check(&mut self, now: Instant, port: PortId, lsa: &Lsa) -> Option<Place> {
        if !lsa.has_valid_checksum() {
            self.counters.lsa_bad_checksum += 1;
            return None;
        }
        let Some(scope) = Scope::of(lsa.header.ls_type, port) else {
            self.counters.lsa_bad_scope += 1;
            return None;
        };
        let is_sound = lsa.header.age_s <= MAX_AGE_S
            && lsa.header.sequence != SequenceNumber::RESERVED
            && lsa.body().is_ok();
        if !is_sound {
            self.counters.lsa_malformed += 1;
            if self.unreadable.is_news(now) {
                let LsaKey { ls_type, advertising_router, link_state_id } = lsa.key();
                let (router_id, id, kind) =
                    (advertising_router, link_state_id, ls_type.to_string());
                self.notice(Notice::UnreadableLsa { port, router_id, kind, id });
            }
            self.turn_away(now, port, lsa);
            return None;
        }
        Some((scope, lsa.key()))
    }

    fn is_anybody_loading(&self) -> bool {
        let mut neighbors = self.interfaces.values().filter_map(|i| i.neighbor.as_ref());
        neighbors.any(|n| matches!(n.state, NeighborState::Exchange | NeighborState::Loading))
    }

    fn is_requested(&self, port: PortId, lsa: &Lsa) -> bool {
        let interface = self.interfaces.get(&port);
        let neighbor = interface.and_then(|interface| interface.neighbor.as_ref());
        neighbor.is_some_and(|neighbor| neighbor.requests.contains_key(&lsa.key()))
    }

    /// Step 5: a newer instance, from the neighbours on `ports`.
    fn take_newer(&mut self, now: Instant, ports: &BTreeSet<PortId>, place: Place, lsa: Lsa) {
        let is_own = Some(lsa.header.advertising_router) == self.router_id;
        if let Some(entry) = self.lsdb.get(&place) {
            let is_too_soon = !entry.is_own
                && now - entry.installed_at < MIN_LS_ARRIVAL
                && !ports.iter().any(|port| self.is_requested(*port, &lsa));
            if is_too_soon {
                self.counters.lsa_too_soon += 1;
                let ready = entry.installed_at + MIN_LS_ARRIVAL;
                self.wait_with(ready, ports, place, lsa);
                return;
            }
        }
        let may_stay = self.lsdb.has_room(&place, &lsa) || is_own && self.is_wanted(&place);
        if !may_stay {
            self.refuse_lsa(now);
            ports.iter().for_each(|port| self.send_away(now, *port, &lsa));
            return;
        }
        self.install(now, place, lsa.clone(), false);
        self.flood(now, place, &lsa, ports);
        for port in ports {
            // Who restarts says nothing else before its Grace-LSA is acknowledged.
            match lsa.header.ls_type {
                LsType::GRACE => self.acknowledge_now(*port, lsa.header),
                _ => self.acknowledge_later(now, *port, lsa.header),
            }
            self.answered(now, *port, &lsa);
        }
        self.note_grace(now, place.0, &lsa);
        if is_own && let Some(port) = ports.first() {
            self.reclaim(now, *port, place, &lsa);
        }
    }

    /// Step 5 (a) would discard the instance and leave it to the neighbour to send it again, a
    /// second later. It is kept instead, without an acknowledgment, until it may be taken.
    fn wait_with(&mut self, ready: Instant, ports: &BTreeSet<PortId>, place: Place, lsa: Lsa) {
        let is_full = self.early.len() >= EARLY_MAX;
        let known = self.early.get_mut(&place);
        match known.map(|(from, known)| (lsa.header.compare_age(&known.header), from)) {
            Some((Ordering::Less, _)) => {}
            Some((Ordering::Equal, from)) => from.extend(ports),
            None if is_full => {
                self.counters.lsa_early_refused += 1;
                return;
            }
            Some((Ordering::Greater, _)) | None => {
                self.early.insert(place, (ports.clone(), lsa));
            }
        }
        let earlier = self.timers.deadline(Timer::Arrive);
        let deadline = earlier.map_or(ready, |earlier| earlier.min(ready));
        self.timers.set(Timer::Arrive, deadline);
    }

    /// Takes what came too soon, and acknowledges it to everybody who sent it; what is still too
    /// soon waits again.
    pub(super) fn take_early(&mut self, now: Instant) {
        for (place, (mut ports, lsa)) in core::mem::take(&mut self.early) {
            ports.retain(|port| self.neighbor_state(*port) >= NeighborState::Exchange);
            let ours = self.lsdb.get(&place).map(|entry| entry.header(now));
            if ours.is_none_or(|ours| lsa.header.compare_age(&ours).is_gt()) {
                if !ports.is_empty() {
                    self.take_newer(now, &ports, place, lsa);
                }
                continue;
            }
            for port in ports {
                self.receive_lsa(now, port, lsa.clone());
            }
        }
    }

    /// An LSA that is not kept. Sending it again would not help: neither the neighbour nor the
    /// adjacency waits for it, or dead LSAs would wait for both (§14).
    fn turn_away(&mut self, now: Instant, port: PortId, lsa: &Lsa) {
        self.acknowledge_now(port, lsa.header);
        self.answered(now, port, lsa);
    }

    /// An LSA for which there is no room. One in this router's own name (RFC 2328 §13.4) is
    /// answered with its withdrawal, which is not kept: nothing but that acknowledges it, so that
    /// the neighbour sends it again should the withdrawal be lost.
    fn send_away(&mut self, now: Instant, port: PortId, lsa: &Lsa) {
        let is_own = Some(lsa.header.advertising_router) == self.router_id;
        if !is_own || lsa.header.is_max_age() || self.is_restarting() || !self.fits(port, lsa) {
            return self.turn_away(now, port, lsa);
        }
        if let Some(interface) = self.interface(port) {
            interface.flood.push(lsa.at_age(MAX_AGE_S));
        }
        self.answered(now, port, lsa);
    }

    pub(super) fn refuse_lsa(&mut self, now: Instant) {
        self.counters.lsa_refused += 1;
        if self.full.is_news(now) {
            let lsas = u32::try_from(self.lsdb.len()).unwrap_or(u32::MAX);
            let octets = u64::try_from(self.lsdb.octets()).unwrap_or(u64::MAX);
            self.notice(Notice::DatabaseFull { lsas, octets });
        }
    }

    /// Puts an instance into its database and notes what must be calculated anew.
    pub(super) fn install(&mut self, now: Instant, place: Place, lsa: Lsa, is_own: bool) {
        let before = self.lsdb.get(&place);
        let is_changed = before.is_none_or(|before| !before.says_the_same(&lsa));
        let stale = match lsa.header.ls_type {
            LsType::ROUTER | LsType::NETWORK | LsType::REPAIR => Staleness::Topology,
            LsType::INTRA_AREA_PREFIX => Staleness::Prefixes,
            _ => Staleness::Fresh,
        };
        if is_changed && stale > Staleness::Fresh {
            let trigger = match lsa.header.ls_type {
                LsType::REPAIR => "repair-LSA",
                _ if stale == Staleness::Topology => "router-LSA",
                _ => "intra-area-prefix-LSA",
            };
            self.needs_calculation(now, stale, trigger);
        }
        let jitter = self.prng.between(Duration::ZERO, REFRESH_JITTER);
        self.counters.lsa_installed += 1;
        if matches!(place.0, Scope::Area | Scope::As) && is_changed {
            self.table.learn(&lsa);
            self.counters.repairs_ignored += u64::from(is_ignored(place.1));
        }
        let is_from_me = Some(place.1.advertising_router) == self.router_id;
        if place.1.ls_type == LsType::AS_EXTERNAL && is_changed && !is_from_me {
            self.needs_externals(now);
        }
        if is_changed {
            self.note_opaque(&place, &lsa, is_own);
            self.check_strictly(now, &lsa);
            if self.lsdb.get(&place).is_some() {
                self.check_restart(&lsa);
            }
        }
        self.lsdb.install(now, place, lsa, is_own, jitter);
    }

    /// RFC 2328 §13.3: out of every interface of its scope but those it came in by.
    pub(super) fn flood(&mut self, now: Instant, place: Place, lsa: &Lsa, from: &BTreeSet<PortId>) {
        let ports: Vec<PortId> =
            self.interfaces.keys().copied().filter(|port| place.0.reaches(*port)).collect();
        for port in ports {
            // Whatever older instance was owed is owed no more.
            if let Some(neighbor) = self.neighbor(port) {
                neighbor.retransmissions.remove(&place);
            }
            if !from.contains(&port) && self.is_owed(now, port, lsa) {
                self.queue_for(now, port, lsa);
            }
        }
    }

    /// §13.3 step 1: whether the neighbour on `port` needs the instance.
    fn is_owed(&mut self, now: Instant, port: PortId, lsa: &Lsa) -> bool {
        let Some(neighbor) = self.neighbor(port) else { return false };
        if neighbor.state < NeighborState::Exchange {
            return false;
        }
        let Some(wanted) = neighbor.requests.get(&lsa.key()) else { return true };
        let order = lsa.header.compare_age(wanted);
        if order.is_lt() {
            return false;
        }
        self.answered(now, port, lsa);
        order.is_gt()
    }

    /// An acknowledgment that waits for company.
    fn acknowledge_later(&mut self, now: Instant, port: PortId, header: LsaHeader) {
        let Some(interface) = self.interface(port) else { return };
        if interface.acks_later.len() >= ACKS_LATER_MAX {
            let waiting = core::mem::take(&mut interface.acks_later);
            interface.acks_now.extend(waiting);
        }
        interface.acks_later.push(header);
        self.timers.set_if_idle(Timer::Acknowledge(port), now + ACK_DELAY);
    }

    fn acknowledge_now(&mut self, port: PortId, header: LsaHeader) {
        if let Some(interface) = self.interface(port) {
            interface.acks_now.push(header);
        }
    }

    /// An instance reached MaxAge, or an own one is due for refresh.
    pub(super) fn age_out(&mut self, now: Instant, place: Place) {
        let Some(entry) = self.lsdb.get(&place) else { return };
        if entry.is_own {
            self.refresh(now, place);
            return;
        }
        let lsa = entry.lsa(now).at_age(MAX_AGE_S);
        self.counters.lsa_expired += 1;
        self.install(now, place, lsa.clone(), false);
        self.flood(now, place, &lsa, &BTreeSet::new());
    }

    /// RFC 2328 §14: forgets instances at MaxAge that nobody is owed any more.
    pub(super) fn bury(&mut self, now: Instant) {
        if self.lsdb.dying().is_empty() || self.is_anybody_loading() {
            return;
        }
        let neighbors = || self.interfaces.values().filter_map(|i| i.neighbor.as_ref());
        let is_owed =
            |place: &Place| neighbors().any(|neighbor| neighbor.retransmissions.contains(place));
        let dead: Vec<Place> =
            self.lsdb.dying().iter().filter(|place| !is_owed(place)).copied().collect();
        for place in dead {
            self.lsdb.remove(&place);
            if Some(place.1.advertising_router) == self.router_id {
                self.buried_own(now, place);
            }
        }
    }

    /// Whether an LSA fits an update on `port`.
    pub(super) fn fits(&self, port: PortId, lsa: &Lsa) -> bool {
        let octets = link_state_update::FIXED_OCTETS + lsa.octets();
        self.interfaces.get(&port).is_some_and(|interface| octets <= interface.room())
    }

    /// An LSA is not sent on `port` because it does not fit.
    pub(super) fn leave_out(&mut self, now: Instant, port: PortId, lsa: &Lsa) {
        self.counters.lsa_too_large += 1;
        let Some(interface) = self.interface(port) else { return };
        let mtu = interface.config.mtu;
        if interface.too_large.is_news(now) {
            let LsaKey { ls_type, advertising_router, link_state_id } = lsa.key();
            let (router_id, id, kind) = (advertising_router, link_state_id, ls_type.to_string());
            let octets = u32::try_from(lsa.octets()).unwrap_or(u32::MAX);
            self.notice(Notice::LsaTooLarge { port, router_id, kind, id, octets, mtu });
        }
    }

    /// Sends what waits on every interface, in packets of at most the MTU.
    pub(super) fn send_queued(&mut self) {
        let ports: Vec<PortId> = self.interfaces.keys().copied().collect();
        for port in ports {
            let Some(interface) = self.interface(port) else { continue };
            let room = interface.room();
            let delay = interface.config.transmit_delay.as_secs();
            let lsas = core::mem::take(&mut interface.flood);
            let acks = core::mem::take(&mut interface.acks_now);
            let delay = u16::try_from(delay).unwrap_or(MAX_AGE_S);
            for lsas in in_packets(newest(lsas), room) {
                // RFC 2328 §13.3 step 5: InfTransDelay is added.
                let aged =
                    |lsa: &Lsa| lsa.at_age(lsa.header.age_s.saturating_add(delay).min(MAX_AGE_S));
                let lsas = lsas.iter().map(aged).collect();
                self.send(port, PacketBody::LinkStateUpdate(LinkStateUpdate { lsas }));
            }
            for headers in acks.chunks((room / LSA_HEADER_OCTETS).max(1)) {
                let headers = headers.to_vec();
                let body = LinkStateAcknowledgment { headers };
                self.send(port, PacketBody::LinkStateAcknowledgment(body));
            }
        }
    }
}

/// Leaves out what a later instance in the same list replaces: its receiver could not take the
/// second one so soon after the first (MinLSArrival).
fn newest(lsas: Vec<Lsa>) -> Vec<Lsa> {
    if lsas.len() < 2 {
        return lsas;
    }
    let last: BTreeMap<LsaKey, usize> =
        lsas.iter().enumerate().map(|(at, lsa)| (lsa.key(), at)).collect();
    let is_last = |(at, lsa): &(usize, Lsa)| last.get(&lsa.key()) == Some(at);
    lsas.into_iter().enumerate().filter(is_last).map(|(_, lsa)| lsa).collect()
}

/// Splits LSAs into updates of at most `room` octets; a larger one was left out before.
fn in_packets(lsas: Vec<Lsa>, room: usize) -> Vec<Vec<Lsa>> {
    let mut packets: Vec<Vec<Lsa>> = Vec::new();
    let mut left = 0;
    for lsa in lsas {
        let octets = lsa.octets();
        match packets.last_mut() {
            Some(packet) if octets <= left => {
                left -= octets;
                packet.push(lsa);
            }
            _ => {
                left = room.saturating_sub(link_state_update::FIXED_OCTETS + octets);
                packets.push(vec![lsa]);
            }
        }
    }
    packets
}
