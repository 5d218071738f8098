//! The link-state databases: of the area, of the AS and of each link.
//!
//! Owns [`Lsdb`]: instances with their age, and when each expires or is to be refreshed. Who may
//! install what is decided in `flood` and `originate`.
//!
//! *Invariants*: one instance an identity and scope; every instance has one deadline, except those
//! at MaxAge, which stand in `dying` until everybody acknowledged them (RFC 2328 §14).
//! *Standards*: RFC 5340 §4.4, RFC 2328 §12.1.1 (age), §14.

use super::limits::{
    DATABASE_LSAS_MAX, DATABASE_OCTETS_MAX, EXTERNAL_LSAS_MAX, REFRESH_JITTER, REFRESH_TIME,
    SEND_BACK_INTERVAL,
};
use crate::base::ids::{PortId, RouterId};
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::lsa::MAX_AGE_S;
use crate::wire::ospf::{LsType, Lsa, LsaHeader, LsaKey, LsaScope};
use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

/// Which database (RFC 5340 §4.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// That of one link.
    Link(PortId),
    /// That of the area; a cluster is one.
    Area,
    /// That of the whole AS.
    As,
}

impl Scope {
    /// The database for an LSA that came in or is made on `port`; `None` for the reserved scope.
    pub const fn of(ls_type: LsType, port: PortId) -> Option<Self> {
        match ls_type.flooding_scope() {
            LsaScope::Link => Some(Self::Link(port)),
            LsaScope::Area => Some(Self::Area),
            LsaScope::As => Some(Self::As),
            LsaScope::Reserved => None,
        }
    }

    /// Whether LSAs of this database are flooded out of `port`.
    pub fn reaches(self, port: PortId) -> bool {
        match self {
            Self::Link(own) => own == port,
            Self::Area | Self::As => true,
        }
    }
}

/// Scope and identity: one instance in all databases.
pub type Place = (Scope, LsaKey);

/// An instance in a database.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The instance; the age in its header is that at `installed_at`.
    lsa: Lsa,
    /// When it came into the database.
    pub installed_at: Instant,
    /// Whether this router made it.
    pub is_own: bool,
    /// Whether it says what the instance before it said.
    pub is_refresh: bool,
    /// When it was last sent to a neighbour that had an older one.
    sent_back_at: Option<Instant>,
    deadline: Instant,
}

impl Entry {
    /// Age at `now`, at most MaxAge.
    pub fn age_s(&self, now: Instant) -> u16 {
        let passed = (now - self.installed_at).as_secs();
        let age = passed.saturating_add(u64::from(self.lsa.header.age_s));
        u16::try_from(age).unwrap_or(MAX_AGE_S).min(MAX_AGE_S)
    }

    /// The header with the age at `now`.
    pub fn header(&self, now: Instant) -> LsaHeader {
        LsaHeader { age_s: self.age_s(now), ..self.lsa.header }
    }

    /// The instance with the age at `now`.
    pub fn lsa(&self, now: Instant) -> Lsa {
        self.lsa.at_age(self.age_s(now))
    }

    /// Whether another instance says the same. As installed: one that has reached MaxAge since
    /// counts until somebody says so.
    pub fn says_the_same(&self, other: &Lsa) -> bool {
        self.lsa.body_bytes() == other.body_bytes()
            && self.lsa.header.is_max_age() == other.header.is_max_age()
    }

    /// The instance with the age it had when installed.
    pub const fn as_installed(&self) -> &Lsa {
        &self.lsa
    }
}

/// All databases of a router; one exists.
#[derive(Clone, Debug, Default)]
pub struct Lsdb {
    entries: BTreeMap<Place, Entry>,
    deadlines: BTreeSet<(Instant, Place)>,
    dying: BTreeSet<Place>,
    /// Of all instances.
    octets: usize,
    /// AS-external-LSAs that other routers made.
    external_count: usize,
}

impl Lsdb {
    /// Instances in all databases.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Octets of all instances.
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// Octets on the heap, about.
    pub fn heap_bytes(&self) -> usize {
        // The instances, each with the two counts of its `Arc`.
        let instances = self.octets + self.entries.len() * 2 * size_of::<usize>();
        // The nodes of a map are two thirds full.
        let entries = self.entries.len() * size_of::<(Place, Entry)>();
        let deadlines = self.deadlines.len() * size_of::<(Instant, Place)>();
        instances + (entries + deadlines) * 3 / 2
    }

    /// Whether an instance at `place` stays within the limits, or needs no more than the one
    /// before.
    pub fn has_room(&self, place: &Place, lsa: &Lsa) -> bool {
        let before = self.entries.get(place).map(|entry| entry.lsa.octets());
        let octets = self.octets + lsa.octets() - before.unwrap_or(0);
        // Own LSAs are made whether there is room or not.
        let octets_max = DATABASE_OCTETS_MAX.max(self.octets);
        let is_external = place.1.ls_type == LsType::AS_EXTERNAL;
        let has_place = self.len() < DATABASE_LSAS_MAX
            && !(is_external && self.external_count >= EXTERNAL_LSAS_MAX);
        (before.is_some() || has_place) && octets <= octets_max
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The instance at a place.
    pub fn get(&self, place: &Place) -> Option<&Entry> {
        self.entries.get(place)
    }

    /// Every instance, by scope, type, router and Link State ID.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Entry)> {
        self.entries.iter()
    }

    /// The instances of the area and of the AS behind `after`, or from the first.
    pub fn shared(&self, after: Option<Place>) -> impl Iterator<Item = (&Place, &Entry)> {
        let (ls_type, advertising_router, link_state_id) = (LsType(0), RouterId(0), 0);
        let first = LsaKey { ls_type, advertising_router, link_state_id };
        let start = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included((Scope::Area, first)),
        };
        self.entries.range((start, Bound::Unbounded))
    }

    /// The instances of one type that a router made in one database.
    pub fn of_router(
        &self,
        scope: Scope,
        ls_type: LsType,
        advertising_router: RouterId,
    ) -> impl Iterator<Item = &Entry> {
        let key = |link_state_id| LsaKey { ls_type, link_state_id, advertising_router };
        self.entries.range((scope, key(0))..=(scope, key(u32::MAX))).map(|(_, entry)| entry)
    }

    /// Puts an instance in, in place of what was there. `jitter` brings the refresh of an own one
    /// forward.
    pub fn install(
        &mut self,
        now: Instant,
        place: Place,
        lsa: Lsa,
        is_own: bool,
        jitter: Duration,
    ) {
        debug_assert!(jitter <= REFRESH_JITTER);
        let is_refresh = self.remove(&place).is_some_and(|before| before.says_the_same(&lsa));
        if lsa.header.is_max_age() {
            self.dying.insert(place);
        }
        let left = Duration::from_secs(u64::from(MAX_AGE_S.saturating_sub(lsa.header.age_s)));
        let wait = if is_own { REFRESH_TIME.saturating_sub(jitter) } else { left };
        let deadline = now + wait.min(left);
        if !lsa.header.is_max_age() {
            self.deadlines.insert((deadline, place));
        }
        self.octets += lsa.octets();
        self.external_count += usize::from(is_foreign_external(&place, is_own));
        let entry =
            Entry { lsa, installed_at: now, is_own, is_refresh, sent_back_at: None, deadline };
        self.entries.insert(place, entry);
    }

    /// Whether the instance may be sent to a neighbour with an older one, not twice within
    /// [`SEND_BACK_INTERVAL`] (RFC 2328 §13 step 8 has MinLSArrival there); notes that it is.
    pub fn may_send_back(&mut self, now: Instant, place: &Place) -> bool {
        let Some(entry) = self.entries.get_mut(place) else { return false };
        let may = entry.sent_back_at.is_none_or(|last| now - last >= SEND_BACK_INTERVAL);
        if may {
            entry.sent_back_at = Some(now);
        }
        may
    }

    /// Takes an instance out.
    pub fn remove(&mut self, place: &Place) -> Option<Entry> {
        let entry = self.entries.remove(place)?;
        self.deadlines.remove(&(entry.deadline, *place));
        self.dying.remove(place);
        self.octets -= entry.lsa.octets();
        self.external_count -= usize::from(is_foreign_external(place, entry.is_own));
        Some(entry)
    }

    /// The instances at MaxAge.
    pub const fn dying(&self) -> &BTreeSet<Place> {
        &self.dying
    }

    /// When the next instance expires or is to be refreshed.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Takes the next place that is due; its instance stays, without a deadline.
    pub fn pop_due(&mut self, now: Instant) -> Option<Place> {
        let (deadline, place) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.deadlines.remove(&(deadline, place));
        Some(place)
    }

    /// Takes out everything for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&Place, &Entry) -> bool) {
        let gone: Vec<Place> = self
            .entries
            .iter()
            .filter(|(place, entry)| !keep(place, entry))
            .map(|(place, _)| *place)
            .collect();
        for place in gone {
            self.remove(&place);
        }
    }
}

fn is_foreign_external((_, key): &Place, is_own: bool) -> bool {
    key.ls_type == LsType::AS_EXTERNAL && !is_own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::RouterId;
    use crate::wire::ospf::{LsaBody, Options, RouterFlags, RouterLsa, SequenceNumber};

    const PLACE: Place = (
        Scope::Area,
        LsaKey { ls_type: LsType::ROUTER, advertising_router: RouterId(1), link_state_id: 0 },
    );

    fn lsa(age_s: u16) -> Lsa {
        let body = LsaBody::Router(RouterLsa {
            flags: RouterFlags::default(),
            options: Options::V6,
            links: Vec::new(),
        });
        Lsa::build(PLACE.1, SequenceNumber::INITIAL, age_s, &body).unwrap()
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    #[test]
    fn an_instance_ages_and_expires_at_max_age() {
        let mut lsdb = Lsdb::default();
        lsdb.install(at(10), PLACE, lsa(3000), false, Duration::ZERO);
        assert_eq!(lsdb.get(&PLACE).unwrap().age_s(at(110)), 3100);
        assert_eq!(lsdb.next_deadline(), Some(at(610)));
        assert_eq!(lsdb.pop_due(at(609)), None);
        assert_eq!(lsdb.pop_due(at(610)), Some(PLACE));
        assert_eq!(lsdb.get(&PLACE).unwrap().age_s(at(9999)), MAX_AGE_S);
    }

    #[test]
    fn an_own_instance_is_due_for_refresh_half_way() {
        let mut lsdb = Lsdb::default();
        lsdb.install(at(0), PLACE, lsa(0), true, Duration::from_secs(100));
        assert_eq!(lsdb.next_deadline(), Some(at(1700)));
    }

    #[test]
    fn octets_are_those_of_what_is_inside() {
        let mut lsdb = Lsdb::default();
        for _ in 0..3 {
            lsdb.install(at(0), PLACE, lsa(0), false, Duration::ZERO);
            assert_eq!(lsdb.octets(), lsa(0).octets());
        }
        for octets in [DATABASE_OCTETS_MAX, DATABASE_OCTETS_MAX + 1] {
            lsdb.octets = octets;
            assert!(lsdb.has_room(&PLACE, &lsa(0)), "no larger than the one before");
        }
        let other = (Scope::Link(PortId(1)), PLACE.1);
        assert!(!lsdb.has_room(&other, &lsa(0)));
        lsdb.octets = lsa(0).octets();
        lsdb.remove(&PLACE);
        assert_eq!(lsdb.octets(), 0);
    }

    #[test]
    fn an_instance_at_max_age_only_waits_to_be_forgotten() {
        let mut lsdb = Lsdb::default();
        lsdb.install(at(0), PLACE, lsa(MAX_AGE_S), false, Duration::ZERO);
        assert_eq!((lsdb.next_deadline(), lsdb.dying().len()), (None, 1));
        lsdb.remove(&PLACE);
        assert!(lsdb.is_empty() && lsdb.dying().is_empty());
    }
}
