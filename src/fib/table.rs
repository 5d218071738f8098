//! Longest-prefix match: address to group.
//!
//! Owns [`Fib`]. A clone shares everything with its origin; changing the clone copies what it touches.
//!
//! *Invariants*: a lookup yields the group of the longest prefix that contains the address, or
//! [`GROUP_NO_ROUTE`].

use crate::base::ids::GroupId;
use crate::base::prefix::Ipv6Prefix;
use crate::fib::next_hop::GROUP_NO_ROUTE;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The table of prefixes.
#[derive(Clone, Debug, Default)]
pub struct Fib {
    routes: Arc<BTreeMap<Ipv6Prefix, GroupId>>,
}

impl Fib {
    /// The group for one address (as a number, most significant bit first).
    pub fn lookup(&self, address: u128) -> GroupId {
        let address = core::net::Ipv6Addr::from_bits(address);
        (0..=128)
            .rev()
            .find_map(|length| self.routes.get(&Ipv6Prefix::containing(address, length)))
            .copied()
            .unwrap_or(GROUP_NO_ROUTE)
    }

    /// The groups for up to 64 addresses at once; `groups` has at least the length of `addresses`.
    pub fn lookup_burst(&self, addresses: &[u128], groups: &mut [GroupId]) {
        for (address, group) in addresses.iter().zip(groups) {
            *group = self.lookup(*address);
        }
    }

    /// Sets (`Some`) or removes (`None`) prefixes, all in one step.
    pub fn apply(&mut self, changes: &[(Ipv6Prefix, Option<GroupId>)]) {
        let routes = Arc::make_mut(&mut self.routes);
        for (prefix, group) in changes {
            match group {
                Some(group) => routes.insert(*prefix, *group),
                None => routes.remove(prefix),
            };
        }
    }

    /// The group stored for exactly this prefix.
    pub fn get(&self, prefix: Ipv6Prefix) -> Option<GroupId> {
        self.routes.get(&prefix).copied()
    }

    /// Prefixes inside.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The prefixes in order.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv6Prefix, GroupId)> + '_ {
        self.routes.iter().map(|(prefix, group)| (*prefix, *group))
    }
}
