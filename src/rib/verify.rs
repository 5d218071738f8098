//! The last world held against the table that it came from.
//!
//! Owns [`Rib::verify`]. Nothing of this should ever find anything; a fault in memory or in this
//! program would otherwise send packets astray until somebody restarts the router.
//!
//! *Invariants*: what was found wrong is decided anew in the next compilation, from what routes
//! say; where the lookup itself is wrong, it is built anew as a whole. A group is looked at once
//! for all prefixes of a part that take it, with the rewrites behind it, and written anew where
//! workers would find anything else than its way.

use crate::base::ids::GroupId;
use crate::base::prefix::Ipv6Prefix;
use crate::fib::{Fib, GROUP_NO_ROUTE};
use crate::rib::resolve::{covering, resolve_gateway};
use crate::rib::table::{Rib, RibEntry};
use core::net::Ipv6Addr;
use core::ops::Bound;
use std::collections::BTreeMap;

/// What a look at part of the table found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Prefixes looked at.
    pub count: usize,
    /// Prefixes that packets do not take as routes say; to be compiled anew.
    pub wrong: Vec<Ipv6Prefix>,
    /// The last prefix looked at, where more stand behind it.
    pub rest: Option<Ipv6Prefix>,
}

impl Rib {
    /// Looks at up to `count` prefixes and next hops together, the prefixes behind `after` or from
    /// the first, and at one prefix at least; `None` while changes wait to be compiled.
    pub fn verify(&mut self, after: Option<Ipv6Prefix>, count: usize) -> Option<Verified> {
        if self.is_dirty() {
            return None;
        }
        let mut found = Verified::default();
        if after.is_none() {
            self.verify_gateways(&mut found);
        }
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = self.entries.range((start, Bound::Unbounded));
        let (mut wrong, mut is_lookup_wrong, mut last) = (Vec::new(), false, None);
        let is_right = |group: GroupId| self.groups.is_right(group, &self.next_hops);
        // What no prefix covers takes this one, and so stands for all addresses.
        let mut groups = BTreeMap::from([(GROUP_NO_ROUTE, is_right(GROUP_NO_ROUTE))]);
        if !groups[&GROUP_NO_ROUTE] {
            wrong.push(Ipv6Prefix::DEFAULT);
        }
        let mut left = count.max(1);
        while left > 0
            && let Some((prefix, entry)) = entries.next()
        {
            left -= 1;
            found.count += 1;
            last = Some(*prefix);
            let is_decided = self.starved.contains(prefix) || self.is_as_decided(entry);
            let is_found = self.is_found(*prefix, entry);
            is_lookup_wrong |= !is_found;
            let group = entry.installed.map(|installed| installed.group);
            let is_built = group.is_none_or(|group| {
                *groups.entry(group).or_insert_with(|| {
                    left = left.saturating_sub(self.groups.width(group));
                    is_right(group)
                })
            });
            if !(is_decided && is_found && is_built) {
                wrong.push(*prefix);
            }
        }
        found.rest = last.filter(|_| entries.next().is_some());
        self.dirty.extend(wrong.iter().copied());
        found.wrong.extend(wrong);
        let groups = groups.into_iter().filter(|(_, is_right)| !is_right);
        groups.for_each(|(group, _)| self.build_group_anew(group));
        if is_lookup_wrong {
            self.build_lookup_anew();
        }
        Some(found)
    }

    fn verify_gateways(&mut self, found: &mut Verified) {
        for (address, gateway) in &self.gateways {
            let candidates = |bound: Ipv6Prefix| {
                let (prefix, entry) = self.at_or_before(bound)?;
                Some((prefix, entry.candidates.as_slice()))
            };
            if resolve_gateway(*address, candidates, &self.interfaces) != gateway.resolved {
                found.wrong.extend(gateway.users.iter().copied());
            }
        }
        // A compilation resolves all gateways again.
        self.dirty.extend(found.wrong.iter().copied());
    }

    /// Whether the group of a prefix is the way that wins now.
    fn is_as_decided(&self, entry: &RibEntry) -> bool {
        let installed = entry.installed.map(|installed| (installed.source, installed.group));
        let winner = self.winner(entry);
        match (winner, installed) {
            (None, None) => true,
            (Some((candidate, way)), Some((source, group))) => {
                candidate.source == source && self.groups.way(group) == Some(&way)
            }
            _ => false,
        }
    }

    /// Whether the lookup finds a prefix, and at both ends of it what is longest there.
    fn is_found(&self, prefix: Ipv6Prefix, entry: &RibEntry) -> bool {
        let longest = |bits: u128| {
            covering(Ipv6Addr::from_bits(bits), |bound| self.at_or_before(bound))
                .find_map(|(_, entry)| entry.installed)
                .map_or(GROUP_NO_ROUTE, |installed| installed.group)
        };
        let ends = [prefix.bits(), prefix.last_bits()];
        self.fib.get(prefix) == entry.installed.map(|installed| installed.group)
            && ends.into_iter().all(|bits| self.fib.lookup(bits) == longest(bits))
    }

    fn build_group_anew(&mut self, group: GroupId) {
        self.counters.groups_mended += 1;
        self.groups.set_right(group, &mut self.next_hops);
        // A world goes out even where no prefix is decided otherwise.
        self.are_interfaces_changed = true;
    }

    fn build_lookup_anew(&mut self) {
        let group = |entry: &RibEntry| entry.installed.map(|installed| installed.group);
        let all = self.entries.iter().filter_map(|(prefix, entry)| Some((*prefix, group(entry)?)));
        let all: Vec<(Ipv6Prefix, Option<GroupId>)> =
            all.map(|(prefix, group)| (prefix, Some(group))).collect();
        self.fib = Fib::default();
        self.fib.apply(&all);
        // A world goes out even where no prefix is decided otherwise.
        self.are_interfaces_changed = true;
    }
}
