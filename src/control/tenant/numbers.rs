//! The numbers of members and domains: the same as long as the member is the same.
//!
//! Owns [`MemberKey`] (which member it is, whoever counts), [`Numbers`] and what of them outlives a
//! control plane ([`TenantNumbers`]).
//!
//! MACs, sequence numbers and old worlds point to members by their numbers. So a number is another
//! member's only after the first world without the old one is the oldest that workers read; its
//! MACs are flushed once when it goes and once more then.
//!
//! *Invariants*: two members never have one number, not even one that is gone and still read. 0 is
//! nobody.

use crate::base::ids::{DomainId, MEMBER_MAX, MemberId, PortId, RouterId};
use crate::config::schema::TenantVlan;
use crate::fib::overlay::DOMAIN_MAX;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const _: () = assert!(crate::config::schema::tenant::TENANTS_MAX < DOMAIN_MAX);

/// Which member of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKey {
    /// Frames of a port here.
    Circuit {
        /// Id of the tenant.
        tenant: u32,
        /// The port.
        port: PortId,
        /// Which of its frames.
        vlan: TenantVlan,
    },
    /// A pseudowire of the configuration.
    Static {
        /// Id of the tenant.
        tenant: u32,
        /// Its name.
        name: String,
    },
    /// The pseudowire to another member in this cluster.
    Remote {
        /// Id of the tenant.
        tenant: u32,
        /// The router.
        router: RouterId,
    },
}

impl MemberKey {
    /// Id of the tenant.
    pub const fn tenant(&self) -> u32 {
        match self {
            Self::Circuit { tenant, .. }
            | Self::Static { tenant, .. }
            | Self::Remote { tenant, .. } => *tenant,
        }
    }
}

/// What a control plane that takes the place of another one must know of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantNumbers {
    /// Members.
    pub members: Vec<(MemberKey, MemberId)>,
    /// Domains of tenants, by id.
    pub domains: Vec<(u32, DomainId)>,
    /// Numbers whose members are gone, and that workers may still read.
    pub leaving: Vec<MemberId>,
}

impl TenantNumbers {
    /// For serde: what is shared is written out.
    pub(in crate::control) fn serialize<S: Serializer>(
        shared: &Arc<Self>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Serialize::serialize(&**shared, serializer)
    }

    /// For serde.
    pub(in crate::control) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Self>, D::Error> {
        <Self as Deserialize>::deserialize(deserializer).map(Arc::new)
    }
}

/// The numbers; one exists, in the control plane.
#[derive(Debug, Default)]
pub(in crate::control) struct Numbers {
    members: BTreeMap<MemberKey, MemberId>,
    domains: BTreeMap<u32, DomainId>,
    /// Of members that are here and of those that are leaving.
    taken: BTreeSet<MemberId>,
    /// With the epoch of the first world without it, once there is one.
    leaving: Vec<(MemberId, Option<u64>)>,
    last_member: u16,
    last_domain: u16,
}

/// The next number from 1 to less than `count` that is free, after the `last` one given: so none is
/// used again soon.
fn next_free(last: u16, count: usize, is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    let mut numbers = (last.saturating_add(1)..count).chain(1..=last.min(count - 1));
    numbers.find(|number| is_free(*number))
}

impl Numbers {
    /// The number of a member; `None` where all are taken.
    pub(super) fn member(&mut self, key: &MemberKey) -> Option<MemberId> {
        if let Some(id) = self.members.get(key) {
            return Some(*id);
        }
        let is_free = |number| !self.taken.contains(&MemberId(number));
        let number = next_free(self.last_member, MEMBER_MAX, is_free)?;
        self.last_member = number;
        self.taken.insert(MemberId(number));
        self.members.insert(key.clone(), MemberId(number));
        Some(MemberId(number))
    }

    /// The number of a tenant's domain; `None` where all are taken.
    pub(super) fn domain(&mut self, tenant: u32) -> Option<DomainId> {
        if let Some(id) = self.domains.get(&tenant) {
            return Some(*id);
        }
        let taken: BTreeSet<DomainId> = self.domains.values().copied().collect();
        let is_free = |number| !taken.contains(&DomainId(number));
        let number = next_free(self.last_domain, DOMAIN_MAX, is_free)?;
        self.last_domain = number;
        self.domains.insert(tenant, DomainId(number));
        Some(DomainId(number))
    }

    /// Whether there are pseudowires to members of the cluster.
    pub(super) fn has_remotes(&self) -> bool {
        self.members.keys().any(|key| matches!(key, MemberKey::Remote { .. }))
    }

    /// Which member has a number.
    pub(super) fn key_of(&self, id: MemberId) -> Option<&MemberKey> {
        self.members.iter().find(|(_, other)| **other == id).map(|(key, _)| key)
    }

    /// Lets go of all members but these; the numbers of those that go.
    pub(super) fn keep(&mut self, keys: &BTreeSet<MemberKey>) -> Vec<MemberId> {
        let gone = self.members.extract_if(.., |key, _| !keys.contains(key));
        let gone: Vec<MemberId> = gone.map(|(_, id)| id).collect();
        self.leaving.extend(gone.iter().map(|id| (*id, None)));
        let tenants: BTreeSet<u32> = keys.iter().map(MemberKey::tenant).collect();
        self.domains.retain(|tenant, _| tenants.contains(tenant));
        gone
    }

    /// A world without those that left was published.
    pub(in crate::control) fn published(&mut self, epoch: u64) {
        for (_, first) in &mut self.leaving {
            first.get_or_insert(epoch);
        }
    }

    /// Workers read no world before this epoch: the numbers that are free from now on.
    pub(in crate::control) fn reclaimed(&mut self, oldest: u64) -> Vec<MemberId> {
        let is_free = |(_, first): &mut (MemberId, Option<u64>)| first.is_some_and(|e| e <= oldest);
        let free: Vec<MemberId> = self.leaving.extract_if(.., is_free).map(|(id, _)| id).collect();
        for id in &free {
            self.taken.remove(id);
        }
        free
    }

    /// For a successor.
    pub(super) fn testament(&self) -> TenantNumbers {
        TenantNumbers {
            members: self.members.iter().map(|(key, id)| (key.clone(), *id)).collect(),
            domains: self.domains.iter().map(|(tenant, id)| (*tenant, *id)).collect(),
            leaving: self.leaving.iter().map(|(id, _)| *id).collect(),
        }
    }

    /// The numbers of a predecessor.
    pub(super) fn inherit(&mut self, numbers: &TenantNumbers) {
        self.members = numbers.members.iter().cloned().collect();
        self.domains = numbers.domains.iter().copied().collect();
        // The first world of this control plane comes after all of the old one.
        self.leaving = numbers.leaving.iter().map(|id| (*id, Some(0))).collect();
        self.taken = self.members.values().chain(&numbers.leaving).copied().collect();
        self.last_member = self.taken.last().map_or(0, |id| id.0);
        self.last_domain = self.domains.values().max().map_or(0, |id| id.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> MemberKey {
        MemberKey::Static { tenant: 7, name: name.to_owned() }
    }

    fn keys(names: &[&str]) -> BTreeSet<MemberKey> {
        names.iter().map(|name| key(name)).collect()
    }

    #[test]
    fn a_number_is_given_again_only_when_no_worker_reads_it() {
        let mut numbers = Numbers::default();
        let first = numbers.member(&key("a")).unwrap();
        assert_eq!(numbers.member(&key("a")), Some(first), "the same member, the same number");
        assert_eq!(numbers.keep(&keys(&[])), [first]);
        assert!(numbers.reclaimed(9).is_empty(), "no world without it was published");
        numbers.published(10);
        numbers.published(11);
        assert!(numbers.reclaimed(9).is_empty());
        assert_eq!(numbers.testament().leaving, [first]);
        assert_eq!(numbers.reclaimed(10), [first]);
        assert_eq!(numbers.testament(), TenantNumbers::default());
    }

    #[test]
    fn all_numbers_can_be_given_and_none_twice() {
        let mut numbers = Numbers::default();
        let all: BTreeSet<_> =
            (1..MEMBER_MAX).map(|n| numbers.member(&key(&n.to_string())).unwrap()).collect();
        assert_eq!(all.len(), MEMBER_MAX - 1);
        assert_eq!(numbers.member(&key("one more")), None);
        let kept: BTreeSet<_> = (2..MEMBER_MAX).map(|n| key(&n.to_string())).collect();
        let gone = numbers.keep(&kept);
        numbers.published(1);
        assert_eq!(numbers.member(&key("one more")), None, "it may still be read");
        assert_eq!(numbers.reclaimed(1), gone);
        assert_eq!(numbers.member(&key("one more")), gone.first().copied());
    }

    #[test]
    fn a_successor_goes_on_with_the_numbers() {
        let mut before = Numbers::default();
        let [a, b] = ["a", "b"].map(|name| before.member(&key(name)).unwrap());
        let domain = before.domain(7).unwrap();
        before.keep(&keys(&["b"]));
        let mut after = Numbers::default();
        after.inherit(&before.testament());
        assert_eq!((after.member(&key("b")), after.domain(7)), (Some(b), Some(domain)));
        assert_ne!(after.member(&key("c")), Some(a));
        assert_eq!(after.key_of(b), Some(&key("b")));
        assert_eq!(after.reclaimed(1), [a]);
    }
}
