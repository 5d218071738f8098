//! The routing table held against the database that it came from, a part at a time.
//!
//! Owns [`Ospf::verify`]: a table that knows nothing learns the database as it is now, and is asked
//! for its routes. What the one in use says otherwise is announced anew. Each call is one [`Part`]:
//! some LSAs, one of the three parts of the calculation, or the comparison of all routes.
//!
//! *Invariants*: nothing is compared while a calculation is due; what was learned before one is
//! forgotten and learned again.

use super::action::Action;
use super::calculate::RoutingTable;
use super::lsdb::{Lsdb, Place};
use super::machine::Ospf;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteSource, RouteUpdate};
use std::collections::BTreeMap;

/// What one call of [`Ospf::verify`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// A calculation is due, or none will ever be.
    Nothing,
    /// There is more to do.
    Part,
    /// All; the prefixes whose routes were wrong.
    All(Vec<Ipv6Prefix>),
}

/// A table that learns the database anew; at most one exists.
#[derive(Clone, Debug, Default)]
pub(super) struct Verification {
    table: RoutingTable,
    /// The calculations that made the table in use, by their numbers.
    runs: (u64, u64),
    next: Part,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The LSAs of area and AS behind this one, or from the first, are learned.
    Learn(Option<Place>),
    /// First part of the calculation.
    Tree,
    /// Second part.
    Repairs,
    /// Third part.
    Routes,
    /// The routes are compared.
    Compare,
}

impl Default for Part {
    fn default() -> Self {
        Self::Learn(None)
    }
}

impl Ospf {
    /// Everything that is announced now.
    pub fn announcements(&self) -> BTreeMap<Ipv6Prefix, RouteBody> {
        self.table.announcements().collect()
    }

    /// Goes on with calculating from the database alone: about so many octets of LSAs, or one of
    /// the parts after them.
    pub fn verify(&mut self, octets: usize) -> Verified {
        let runs = (self.runs.count, self.runs.external_count);
        let begun = self.verification.take().filter(|begun| begun.runs == runs);
        let is_settled = self.is_calculated() && !self.awaits_externals() && !self.is_leaving;
        let Some(own) = self.router_id.filter(|_| is_settled) else {
            return Verified::Nothing;
        };
        let fresh = || Verification { runs, ..Verification::default() };
        let mut begun = begun.unwrap_or_else(fresh);
        begun.next = match begun.next {
            Part::Learn(after) => begun.learn(&self.lsdb, after, octets),
            Part::Tree => {
                begun.table.calculate_tree(own, &self.adjacencies());
                Part::Repairs
            }
            Part::Repairs => {
                begun.table.calculate_repairs();
                Part::Routes
            }
            Part::Routes => {
                let _ = begun.table.calculate_routes();
                Part::Compare
            }
            Part::Compare => return Verified::All(self.compare(begun.table)),
        };
        self.verification = Some(begun);
        Verified::Part
    }

    /// Takes `table` in place of the one in use, where the two differ; the prefixes where they do.
    fn compare(&mut self, table: RoutingTable) -> Vec<Ipv6Prefix> {
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
        wrong
    }
}

impl Verification {
    /// Learns LSAs until there are so many octets of them; at least one.
    fn learn(&mut self, lsdb: &Lsdb, mut after: Option<Place>, octets: usize) -> Part {
        let mut left = octets;
        for (place, entry) in lsdb.shared(after) {
            let lsa = entry.as_installed();
            self.table.learn(lsa);
            after = Some(*place);
            left = left.saturating_sub(lsa.octets());
            if left == 0 {
                return Part::Learn(after);
            }
        }
        Part::Tree
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
