//! The tables by the page, for those who take all of them.
//!
//! Owns [`TablePath`] and [`Ribs::table_page`]. Pages follow the numbers of prefixes, not their
//! order: a page costs what it holds, however large the table is.
//!
//! *Invariants*: a page looks at no more numbers than it was told to. What stays in the table while
//! it is read page by page is in exactly one page; a prefix that goes and comes back meanwhile may
//! be in none or in two.
//! *Standards*: RFC 4271 §3.2 (Adj-RIBs-In, Loc-RIB), RFC 7854 §5 and RFC 9069 §4.2 (what is told
//! of each).

use super::Ribs;
use super::attributes::AttributesId;
use super::peer::PeerId;
use super::prefix_table::PrefixId;
use crate::base::prefix::Ipv6Prefix;
use crate::wire::bgp::NextHop;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// What peers sent.
    Received,
    /// What the policies made of it, where it may be used.
    Imported,
    /// The best path of each prefix.
    Best,
}

/// A path in one of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TablePath<'a> {
    /// Its prefix.
    pub prefix: Ipv6Prefix,
    /// From whom.
    pub peer: PeerId,
    /// RFC 7911: Path Identifier.
    pub path_id: u32,
    /// When it came: seconds since the driver's origin.
    pub since_secs: u32,
    /// RFC 4724: of an earlier session, and kept.
    pub is_stale: bool,
    /// The next hop; `None` for this router's own address.
    pub next_hop: Option<NextHop>,
    /// Its attributes, as an internal peer with numbers of four octets is sent them.
    pub attributes: &'a [u8],
    /// Their number: equal ones have one.
    pub set: AttributesId,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Numbers, free ones included.
    pub numbers_max: u32,
    /// Paths; those of the last prefix are given whole.
    pub paths_max: usize,
}

impl Ribs {
    /// Gives `take` the paths from number `from` on; where the next page begins, if there is one.
    pub fn table_page<'a>(
        &'a self,
        table: Table,
        from: u32,
        limits: PageLimits,
        mut take: impl FnMut(TablePath<'a>),
    ) -> Option<u32> {
        let bound = u32::try_from(self.prefixes.bound()).unwrap_or(u32::MAX);
        let end = bound.min(from.saturating_add(limits.numbers_max));
        let mut left = limits.paths_max;
        for number in from..end {
            if left == 0 {
                return Some(number);
            }
            for path in self.table_paths(table, PrefixId(number)) {
                left = left.saturating_sub(1);
                take(path);
            }
        }
        (end < bound).then_some(end)
    }

    /// The paths of one prefix.
    pub fn paths_in(&self, table: Table, prefix: Ipv6Prefix) -> Vec<TablePath<'_>> {
        let found = self.prefixes.find(prefix);
        found.map_or_else(Vec::new, |id| self.table_paths(table, id))
    }

    /// The path of one peer.
    pub fn path_in(
        &self,
        table: Table,
        peer: PeerId,
        (prefix, path_id): (Ipv6Prefix, u32),
    ) -> Option<TablePath<'_>> {
        let paths = self.paths_in(table, prefix);
        paths.into_iter().find(|path| path.peer == peer && path.path_id == path_id)
    }

    fn table_paths(&self, table: Table, id: PrefixId) -> Vec<TablePath<'_>> {
        if !self.prefixes.is_used(id) {
            return Vec::new();
        }
        let entry = self.prefixes.entry(id);
        let prefix = self.prefixes.prefix(id);
        let paths = self.paths.list(entry.first_path).filter_map(|(at, path)| {
            // What is on its way out is not there any more.
            let state = self.peer(path.peer).filter(|state| state.has(path))?;
            let is_best = at == entry.best_path;
            let number = match table {
                Table::Received => path.received,
                Table::Imported => path.imported,
                Table::Best if is_best => path.imported,
                Table::Best => return None,
            };
            let set = AttributesId::load(number)?;
            let gateway = self.next_hops.gateway(self.attributes.next_hop(set));
            Some(TablePath {
                prefix,
                peer: path.peer,
                path_id: path.path_id,
                since_secs: path.since_secs,
                is_stale: state.epoch != path.epoch,
                next_hop: gateway.map(|gateway| gateway.next_hop),
                attributes: self.attributes.octets(set),
                set,
            })
        });
        paths.collect()
    }
}
