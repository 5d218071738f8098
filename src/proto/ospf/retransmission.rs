//! What a neighbour has not acknowledged, and sending it again.
//!
//! Owns [`RetransmissionList`] and the pace of it: what was sent longest ago goes first, at most
//! [`RETRANSMIT_BURST_MAX`] LSAs when the timer fires, and from then on as many as are
//! acknowledged. A neighbour that takes them gets the rest as fast as it does; one that is silent
//! gets a burst in each interval, and the intervals double (RFC 4222 recommends both).
//!
//! *Invariants*: every instance stands in both orders of the list; the timer runs exactly while the
//! list has something. A list holds at most one instance a place, so that it is no longer than the
//! database.
//! *Standards*: RFC 2328 §13.6, §13.7.

use super::limits::{RETRANSMIT_BURST_MAX, RETRANSMIT_DOUBLINGS_MAX};
use super::lsdb::{Place, Scope};
use super::machine::{Ospf, Timer};
use super::view::NeighborState;
use crate::base::ids::PortId;
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::{Lsa, LsaHeader};
use std::collections::{BTreeMap, BTreeSet};

/// An instance and when it was sent last.
#[derive(Clone, Debug)]
struct Unacknowledged {
    lsa: Lsa,
    sent_at: Instant,
}

/// Link state retransmission list of a neighbour (RFC 2328 §10).
#[derive(Clone, Debug, Default)]
pub struct RetransmissionList {
    by_place: BTreeMap<Place, Unacknowledged>,
    by_age: BTreeSet<(Instant, Place)>,
    /// When something was sent again.
    sent_again_at: Option<Instant>,
    /// Times the timer fired since something was acknowledged.
    silent_rounds: u32,
    /// Acknowledged since something was sent again for it.
    acknowledged: usize,
}

impl RetransmissionList {
    /// Instances in it.
    pub fn len(&self) -> usize {
        self.by_place.len()
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// Whether an instance at this place is owed.
    pub fn contains(&self, place: &Place) -> bool {
        self.by_place.contains_key(place)
    }

    /// Where the instances belong that are owed.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.by_place.keys()
    }

    /// Notes that an instance was sent now.
    pub fn insert(&mut self, now: Instant, place: Place, lsa: Lsa) {
        self.remove(&place);
        self.by_place.insert(place, Unacknowledged { lsa, sent_at: now });
        self.by_age.insert((now, place));
    }

    /// What stands at this place is owed no more.
    pub fn remove(&mut self, place: &Place) {
        if let Some(owed) = self.by_place.remove(place) {
            self.by_age.remove(&(owed.sent_at, *place));
        }
    }

    /// Takes an acknowledgment; whether this instance was owed.
    pub fn acknowledge(&mut self, place: &Place, header: &LsaHeader) -> bool {
        let owed = self.by_place.get(place);
        let is_same = owed.is_some_and(|owed| owed.lsa.header.compare_age(header).is_eq());
        if is_same {
            self.remove(place);
            self.silent_rounds = 0;
            self.acknowledged += 1;
        }
        is_same
    }

    /// The timer fired: a burst of what was sent longest ago.
    fn next_round(&mut self, now: Instant, interval: Duration) -> Vec<Lsa> {
        self.acknowledged = 0;
        let lsas = self.send_again(now, interval, RETRANSMIT_BURST_MAX);
        self.silent_rounds = self.silent_rounds.saturating_add(u32::from(!lsas.is_empty()));
        lsas
    }

    /// As many as were acknowledged.
    fn next_part(&mut self, now: Instant, interval: Duration) -> Vec<Lsa> {
        let count = core::mem::take(&mut self.acknowledged).min(RETRANSMIT_BURST_MAX);
        self.send_again(now, interval, count)
    }

    fn send_again(&mut self, now: Instant, interval: Duration, count: usize) -> Vec<Lsa> {
        let mut lsas = Vec::new();
        while lsas.len() < count
            && let Some((sent_at, place)) = self.by_age.first().copied()
            && now - sent_at >= interval
            && let Some(owed) = self.by_place.get_mut(&place)
        {
            let age = u64::from(owed.lsa.header.age_s).saturating_add((now - sent_at).as_secs());
            let age = u16::try_from(age).unwrap_or(MAX_AGE_S).min(MAX_AGE_S);
            owed.lsa = owed.lsa.at_age(age);
            owed.sent_at = now;
            lsas.push(owed.lsa.clone());
            self.by_age.remove(&(sent_at, place));
            self.by_age.insert((now, place));
        }
        if !lsas.is_empty() {
            self.sent_again_at = Some(now);
        }
        lsas
    }

    /// When the next round is due.
    fn deadline(&self, interval: Duration) -> Option<Instant> {
        let (oldest, _) = self.by_age.first()?;
        let doublings = self.silent_rounds.saturating_sub(1).min(RETRANSMIT_DOUBLINGS_MAX);
        let from = self.sent_again_at.map_or(*oldest, |again| again.max(*oldest));
        Some(from + interval * (1 << doublings))
    }
}

impl Ospf {
    /// Queues an instance for the neighbour on `port`, to be sent until it is acknowledged.
    pub(super) fn queue_for(&mut self, now: Instant, port: PortId, lsa: &Lsa) {
        if !self.fits(port, lsa) {
            self.leave_out(now, port, lsa);
            return;
        }
        let Some(place) = Scope::of(lsa.header.ls_type, port).map(|scope| (scope, lsa.key()))
        else {
            return;
        };
        let Some(interface) = self.interface(port) else { return };
        let Some(neighbor) = interface.neighbor.as_mut() else { return };
        neighbor.retransmissions.insert(now, place, lsa.clone());
        interface.flood.push(lsa.clone());
        self.arm_retransmission(port);
    }

    /// The timer fired.
    pub(super) fn retransmit(&mut self, now: Instant, port: PortId) {
        self.send_again(port, |list, interval| list.next_round(now, interval));
    }

    /// After acknowledgments: they clock out the rest of what is overdue.
    pub(super) fn clock_out(&mut self, now: Instant, port: PortId) {
        self.send_again(port, |list, interval| list.next_part(now, interval));
    }

    fn send_again(
        &mut self,
        port: PortId,
        choose: impl FnOnce(&mut RetransmissionList, Duration) -> Vec<Lsa>,
    ) {
        let Some(interface) = self.interface(port) else { return };
        let interval = interface.config.retransmit_interval;
        let Some(neighbor) = interface.neighbor.as_mut() else { return };
        let lsas = choose(&mut neighbor.retransmissions, interval);
        let count = u64::try_from(lsas.len()).unwrap_or(u64::MAX);
        interface.flood.extend(lsas);
        self.counters.lsa_retransmitted += count;
        self.arm_retransmission(port);
    }

    fn arm_retransmission(&mut self, port: PortId) {
        let Some(interface) = self.interfaces.get(&port) else { return };
        let interval = interface.config.retransmit_interval;
        let neighbor = interface.neighbor.as_ref();
        match neighbor.and_then(|neighbor| neighbor.retransmissions.deadline(interval)) {
            Some(deadline) => self.timers.set(Timer::Retransmit(port), deadline),
            None => self.timers.clear(Timer::Retransmit(port)),
        }
    }

    /// Whether the same instance was owed to the neighbour: then this is its acknowledgment.
    pub(super) fn is_acknowledged(
        &mut self,
        port: PortId,
        place: &Place,
        header: &LsaHeader,
    ) -> bool {
        let neighbor = self.neighbor(port);
        neighbor.is_some_and(|neighbor| neighbor.retransmissions.acknowledge(place, header))
    }

    /// RFC 2328 §13.7.
    pub(super) fn receive_acks(&mut self, now: Instant, port: PortId, headers: &[LsaHeader]) {
        if self.neighbor_state(port) < NeighborState::Exchange {
            self.counters.wrong_state += 1;
            return;
        }
        for header in headers {
            let place = Scope::of(header.ls_type, port).map(|scope| (scope, header.key()));
            let is_known = place.is_some_and(|place| self.is_acknowledged(port, &place, header));
            self.counters.acks_unknown += u64::from(!is_known);
        }
        self.clock_out(now, port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::RouterId;
    use crate::wire::ospf::{LsType, LsaBody, LsaKey, SequenceNumber};

    const INTERVAL: Duration = Duration::from_secs(1);

    fn lsa(number: u32) -> (Place, Lsa) {
        let ls_type = LsType(0xbff1);
        let key = LsaKey { ls_type, advertising_router: RouterId(1), link_state_id: number };
        let body = LsaBody::decode(ls_type, &[1, 2, 3, 4]).unwrap();
        ((Scope::Area, key), Lsa::build(key, SequenceNumber::INITIAL, 1, &body).unwrap())
    }

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn numbers(lsas: &[Lsa]) -> Vec<u32> {
        lsas.iter().map(|lsa| lsa.key().link_state_id).collect()
    }

    fn fill(list: &mut RetransmissionList, count: usize) {
        for number in 0..u32::try_from(count).unwrap() {
            let (place, lsa) = lsa(number);
            list.insert(at(0), place, lsa);
        }
    }

    #[test]
    fn what_was_sent_longest_ago_goes_first_and_nothing_starves() {
        let mut list = RetransmissionList::default();
        for (number, sent_at) in [(3, 0), (2, 10), (1, 20)] {
            let (place, lsa) = lsa(number);
            list.insert(at(sent_at), place, lsa);
        }
        assert_eq!(list.deadline(INTERVAL), Some(at(1000)));
        assert_eq!(numbers(&list.next_round(at(1015), INTERVAL)), [3, 2]);
        let mut list = RetransmissionList::default();
        fill(&mut list, RETRANSMIT_BURST_MAX + 2);
        assert_eq!(list.next_round(at(1000), INTERVAL).len(), RETRANSMIT_BURST_MAX);
        let second = numbers(&list.next_round(at(2000), INTERVAL));
        let first_left = u32::try_from(RETRANSMIT_BURST_MAX).unwrap();
        assert_eq!(second[..3], [first_left, first_left + 1, 0]);
    }

    #[test]
    fn acknowledgments_clock_out_as_many_again() {
        let mut list = RetransmissionList::default();
        fill(&mut list, RETRANSMIT_BURST_MAX * 2);
        for sent in list.next_round(at(1000), INTERVAL).iter().take(9) {
            assert!(list.acknowledge(&(Scope::Area, sent.key()), &sent.header));
        }
        assert_eq!(list.next_part(at(1005), INTERVAL).len(), 9);
        assert_eq!(list.next_part(at(1006), INTERVAL).len(), 0);
        assert_eq!(list.deadline(INTERVAL), Some(at(2005)), "an interval after the last part");
    }

    #[test]
    fn rounds_of_a_silent_neighbour_double_until_it_speaks() {
        let mut list = RetransmissionList::default();
        fill(&mut list, 2);
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let due = list.deadline(INTERVAL).unwrap();
            waits.push((due - now).as_secs());
            now = due;
            assert_eq!(list.next_round(now, INTERVAL).len(), 2);
        }
        assert_eq!(waits, [1, 1, 2, 4, 8, 16, 16]);
        let (place, first) = lsa(0);
        assert!(list.acknowledge(&place, &first.header));
        assert_eq!(list.deadline(INTERVAL), Some(now + INTERVAL));
    }
}
