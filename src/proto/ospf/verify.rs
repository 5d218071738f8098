//! The routing table held against the database that it came from.
//!
//! Owns [`Ospf::verify`]: a table that knows nothing learns the database as it is now, and is asked
//! for its routes. What the one in use says otherwise is announced anew.
//!
//! *Invariants*: nothing is compared while a calculation is due.

use super::action::Action;
use super::calculate::RoutingTable;
use super::lsdb::Scope;
use super::machine::Ospf;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteSource, RouteUpdate};
use std::collections::BTreeMap;

impl Ospf {
    /// Everything that is announced now.
    pub fn announcements(&self) -> BTreeMap<Ipv6Prefix, RouteBody> {
        self.table.announcements().collect()
    }

    /// Calculates from the database alone; the prefixes whose routes were wrong. `None` while a
    /// calculation is due, or none will ever be.
    pub fn verify(&mut self) -> Option<Vec<Ipv6Prefix>> {
        if !self.is_calculated() || self.is_leaving {
            return None;
        }
        let mut table = RoutingTable::default();
        for (_, entry) in self.lsdb.iter().filter(|((scope, _), _)| *scope == Scope::Area) {
            table.learn(entry.as_installed());
        }
        let _ = table.calculate(self.router_id?, &self.adjacencies());
        let (before, mut after) = (self.announcements(), table.announcements().collect());
        let wrong = differences(&before, &after);
        if !wrong.is_empty() {
            self.table = table;
        }
        let update = |prefix: &Ipv6Prefix| RouteUpdate {
            prefix: *prefix,
            source: RouteSource::Ospf,
            route: after.remove(prefix),
        };
        self.actions.extend(wrong.iter().map(update).map(Action::Route));
        Some(wrong)
    }
}

/// The prefixes that two tables say different things about.
pub fn differences(
    one: &BTreeMap<Ipv6Prefix, RouteBody>,
    other: &BTreeMap<Ipv6Prefix, RouteBody>,
) -> Vec<Ipv6Prefix> {
    let gone = one.keys().filter(|prefix| !other.contains_key(prefix));
    let news = other.iter().filter(|(prefix, body)| one.get(prefix) != Some(body));
    gone.chain(news.map(|(prefix, _)| prefix)).copied().collect()
}
