//! What this router says: its tenants in LSAs, and which other ids its sessions have.
//!
//! Owns [`Announcement`]. A tenant stays in the LSA that it came into: if it moved to another one,
//! whoever hears the one before the other would take it for gone in between.
//!
//! *Invariants*: no body is longer than OSPF makes LSAs; each tenant is in one LSA.

use super::limits::{
    RENUMBERING_LSA_FIRST, RENUMBERINGS_MAX, RENUMBERINGS_PER_LSA, TENANTS_MAX, TENANTS_PER_LSA,
};
use crate::base::ids::{RouterId, TenantId};
use crate::wire::ospf::{MembershipLsa, Renumbering, TenantEntry};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// What this router says; one exists.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    tenants: Places<TenantId>,
    renumberings: Places<(TenantId, RouterId)>,
    /// What OSPF was told.
    said: BTreeMap<u32, Vec<u8>>,
}

impl Announcement {
    pub(super) fn new() -> Self {
        Self {
            tenants: Places::new(0, TENANTS_PER_LSA),
            renumberings: Places::new(RENUMBERING_LSA_FIRST, RENUMBERINGS_PER_LSA),
            said: BTreeMap::new(),
        }
    }

    /// What is to be said instead of what was; `None` where that is the same.
    pub(super) fn update(
        &mut self,
        endpoint: Ipv6Addr,
        tenants: &[TenantEntry],
        renumberings: &[Renumbering],
    ) -> Option<BTreeMap<u32, Vec<u8>>> {
        debug_assert!(tenants.len() <= TENANTS_MAX && renumberings.len() <= RENUMBERINGS_MAX);
        self.tenants.keep(tenants.iter().map(|tenant| tenant.id).collect());
        let others = renumberings.iter().map(|other| (other.id, other.sender));
        self.renumberings.keep(others.collect());
        let empty = || MembershipLsa { endpoint, tenants: Vec::new(), renumberings: Vec::new() };
        let mut lsas: BTreeMap<u32, MembershipLsa> = BTreeMap::new();
        for tenant in tenants {
            let id = self.tenants.place(tenant.id);
            lsas.entry(id).or_insert_with(empty).tenants.push(*tenant);
        }
        for renumbering in renumberings {
            let id = self.renumberings.place((renumbering.id, renumbering.sender));
            lsas.entry(id).or_insert_with(empty).renumberings.push(*renumbering);
        }
        let said: BTreeMap<u32, Vec<u8>> =
            lsas.into_iter().map(|(id, lsa)| (id, lsa.encode())).collect();
        if said == self.said {
            return None;
        }
        self.said.clone_from(&said);
        Some(said)
    }
}

/// Which LSA something is in.
#[derive(Clone, Debug)]
struct Places<K> {
    /// Link State ID of the first.
    first: u32,
    /// How many one holds.
    room: usize,
    ids: BTreeMap<K, u32>,
    counts: BTreeMap<u32, usize>,
}

impl<K: Copy + Ord> Places<K> {
    const fn new(first: u32, room: usize) -> Self {
        Self { first, room, ids: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Everything else loses its place.
    fn keep(&mut self, kept: BTreeSet<K>) {
        self.ids.retain(|key, id| {
            let is_kept = kept.contains(key);
            if !is_kept && let Some(count) = self.counts.get_mut(id) {
                *count -= 1;
            }
            is_kept
        });
    }

    /// The place that it has, or the first with room.
    fn place(&mut self, key: K) -> u32 {
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let is_full = |id: &u32| self.counts.get(id).is_some_and(|count| *count >= self.room);
        let free = (self.first..=u32::MAX).find(|id| !is_full(id));
        let id = free.unwrap_or(self.first);
        *self.counts.entry(id).or_default() += 1;
        self.ids.insert(key, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::{BODY_OCTETS_MAX, RENUMBERING_LSAS_MAX, TENANT_LSAS_MAX};
    use super::*;

    const ENDPOINT: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 7);

    fn tenants(ids: impl IntoIterator<Item = u32>) -> Vec<TenantEntry> {
        let entry = |id| TenantEntry {
            id: TenantId(id),
            epoch: 1,
            mtu: 8000,
            format: Some(Default::default()),
        };
        ids.into_iter().map(entry).collect()
    }

    fn listed(bodies: &BTreeMap<u32, Vec<u8>>) -> BTreeMap<TenantId, u32> {
        let read = |(id, body): (&u32, &Vec<u8>)| {
            let lsa = MembershipLsa::decode(body).unwrap().unwrap();
            lsa.tenants.into_iter().map(|tenant| (tenant.id, *id)).collect::<Vec<_>>()
        };
        bodies.iter().flat_map(read).collect()
    }

    #[test]
    fn a_full_router_fits_its_lsas() {
        let renumberings: Vec<Renumbering> = (0..u32::try_from(RENUMBERINGS_MAX).unwrap())
            .map(|id| Renumbering { id: TenantId(id), sender: RouterId(1), salt: 1 })
            .collect();
        let all = tenants(1..=u32::try_from(TENANTS_MAX).unwrap());
        let said = Announcement::new().update(ENDPOINT, &all, &renumberings).unwrap();
        assert_eq!(listed(&said).len(), TENANTS_MAX);
        assert_eq!(said.len(), TENANT_LSAS_MAX + RENUMBERING_LSAS_MAX);
        assert!(said.values().all(|body| body.len() <= BODY_OCTETS_MAX));
    }

    #[test]
    fn a_tenant_stays_in_its_lsa_when_others_go() {
        let mut announcement = Announcement::new();
        let before = announcement.update(ENDPOINT, &tenants(1..=150), &[]).unwrap();
        let after =
            announcement.update(ENDPOINT, &tenants((1..=150).filter(|id| id % 2 == 0)), &[]);
        let (before, after) = (listed(&before), listed(&after.unwrap()));
        assert!(after.iter().all(|(id, place)| before[id] == *place));
        assert_eq!(after.len(), 75);
        // The places that others left are given away again.
        let full = announcement.update(ENDPOINT, &tenants(1..=150), &[]).unwrap();
        assert_eq!(full.len(), 3);
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let mut announcement = Announcement::new();
        assert!(announcement.update(ENDPOINT, &[], &[]).is_none(), "nothing, as before");
        assert!(announcement.update(ENDPOINT, &tenants([1]), &[]).is_some());
        assert!(announcement.update(ENDPOINT, &tenants([1]), &[]).is_none());
        assert_eq!(announcement.update(ENDPOINT, &[], &[]), Some(BTreeMap::new()));
    }
}
