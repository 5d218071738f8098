//! Session ids of this router: which pseudowire has which.
//!
//! Owns [`Numbers`]. Ids are derived, so that both ends know them without a word; where one is
//! taken already the next salt is tried, and the sender has to be told.
//!
//! *Invariants*: no two pseudowires have one id; a pseudowire keeps its id as long as it is wanted.

use super::action::PseudowireName;
use super::limits::{PSEUDOWIRES_MAX, RENUMBERINGS_MAX, SALT_TRIES_MAX};
use crate::base::ids::{RouterId, TenantId};
use crate::wire::l2tp::SessionId;
use crate::wire::ospf::Renumbering;
use std::collections::{BTreeMap, BTreeSet};

/// An id and what it was derived with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub id: SessionId,
    pub salt: u32,
}

/// Who has which id; one exists.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    by_name: BTreeMap<PseudowireName, Number>,
    names: BTreeMap<SessionId, PseudowireName>,
    salted: BTreeSet<PseudowireName>,
}

impl Numbers {
    pub(super) fn get(&self, name: PseudowireName) -> Option<Number> {
        self.by_name.get(&name).copied()
    }

    /// Gives an id to a pseudowire that has none; `None` where none is to be had. `derive` makes
    /// them, `taken` are those that others have.
    pub(super) fn give(
        &mut self,
        name: PseudowireName,
        taken: &BTreeSet<SessionId>,
        derive: impl Fn(u32) -> SessionId,
    ) -> Option<Number> {
        if self.by_name.len() >= PSEUDOWIRES_MAX {
            return None;
        }
        let is_full = self.salted.len() >= RENUMBERINGS_MAX;
        let tries = (0..SALT_TRIES_MAX).take_while(|salt| *salt == 0 || !is_full);
        let mut numbers = tries.map(|salt| Number { id: derive(salt), salt });
        let is_free = |id| !taken.contains(&id) && !self.names.contains_key(&id);
        let number = numbers.find(|number| is_free(number.id))?;
        self.by_name.insert(name, number);
        self.names.insert(number.id, name);
        if number.salt != 0 {
            self.salted.insert(name);
        }
        Some(number)
    }

    /// Those to one router that have one.
    pub(super) fn of(&self, remote: RouterId) -> impl Iterator<Item = PseudowireName> {
        let name = |tenant| PseudowireName { remote, tenant };
        let all = name(TenantId(0))..=name(TenantId(u32::MAX));
        self.by_name.range(all).map(|(name, _)| *name)
    }

    /// The pseudowire needs none any more; returns what it had.
    pub(super) fn take_back(&mut self, name: PseudowireName) -> Option<Number> {
        let number = self.by_name.remove(&name)?;
        self.names.remove(&number.id);
        self.salted.remove(&name);
        Some(number)
    }

    /// The pseudowires of a tenant need others.
    pub(super) fn take_back_all(&mut self, tenant: TenantId) {
        let names = self.by_name.keys().filter(|name| name.tenant == tenant).copied();
        for name in names.collect::<Vec<PseudowireName>>() {
            self.take_back(name);
        }
    }

    /// Others have these ids now.
    pub(super) fn give_way(&mut self, taken: &BTreeSet<SessionId>) {
        let names: Vec<PseudowireName> =
            taken.iter().filter_map(|id| self.names.get(id)).copied().collect();
        for name in names {
            self.take_back(name);
        }
    }

    /// What senders have to be told.
    pub(super) fn renumberings(&self) -> impl Iterator<Item = Renumbering> {
        self.salted.iter().filter_map(|name| {
            let salt = self.by_name.get(name)?.salt;
            Some(Renumbering { id: name.tenant, sender: name.remote, salt })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn name(tenant: u32) -> PseudowireName {
        PseudowireName { tenant: TenantId(tenant), remote: RouterId(9) }
    }

    fn id(number: u32) -> SessionId {
        SessionId::new(number).unwrap()
    }

    #[test]
    fn an_id_that_is_taken_makes_the_next_salt_the_one_to_tell() {
        let mut numbers = Numbers::default();
        let taken = BTreeSet::from([id(6)]);
        let mut give = |tenant| numbers.give(name(tenant), &taken, |salt| id(5 + salt));
        assert_eq!(give(1), Some(Number { id: id(5), salt: 0 }));
        assert_eq!(give(2), Some(Number { id: id(7), salt: 2 }));
        let told: Vec<Renumbering> = numbers.renumberings().collect();
        assert_eq!(told, [Renumbering { id: TenantId(2), sender: RouterId(9), salt: 2 }]);
        numbers.take_back(name(2));
        assert_eq!((numbers.renumberings().count(), numbers.get(name(2))), (0, None));
        numbers.give_way(&BTreeSet::from([id(5)]));
        assert_eq!(numbers.get(name(1)), None);
    }

    #[test]
    fn there_is_an_end_to_trying_and_to_telling() {
        let mut numbers = Numbers::default();
        let taken = BTreeSet::from([id(1)]);
        assert_eq!(numbers.give(name(1), &taken, |_| id(1)), None);
        let count = u32::try_from(RENUMBERINGS_MAX).unwrap();
        for tenant in 1..=count {
            assert!(numbers.give(name(tenant), &taken, |salt| id(1 + salt * tenant)).is_some());
        }
        assert_eq!(numbers.give(name(count + 1), &taken, |salt| id(1 + salt * 9999)), None);
        assert!(numbers.give(name(count + 1), &taken, |_| id(9999)).is_some(), "without a salt");
    }
}
