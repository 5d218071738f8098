//! Longest-prefix match as one would explain it: the reference that [`Fib`](crate::fib::Fib) is
//! compared with in tests, simulations and benches.
//!
//! *Invariants*: none that need an argument; that is its use.

use crate::base::ids::GroupId;
use crate::base::prefix::Ipv6Prefix;
use crate::fib::next_hop::GROUP_NO_ROUTE;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// The routes, in order.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    routes: BTreeMap<Ipv6Prefix, GroupId>,
}

impl Oracle {
    /// The group for one address: every length is tried, the longest first.
    pub fn lookup(&self, address: u128) -> GroupId {
        let address = Ipv6Addr::from_bits(address);
        (0..=128)
            .rev()
            .find_map(|length| self.routes.get(&Ipv6Prefix::containing(address, length)))
            .copied()
            .unwrap_or(GROUP_NO_ROUTE)
    }

    /// Sets (`Some`) or removes (`None`) prefixes, one after the other.
    pub fn apply(&mut self, changes: &[(Ipv6Prefix, Option<GroupId>)]) {
        for (prefix, group) in changes {
            match group {
                Some(group) => self.routes.insert(*prefix, *group),
                None => self.routes.remove(prefix),
            };
        }
    }

    /// The prefixes in order.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv6Prefix, GroupId)> + '_ {
        self.routes.iter().map(|(prefix, group)| (*prefix, *group))
    }
}
