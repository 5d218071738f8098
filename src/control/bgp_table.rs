//! Whole tables of BGP for those who take them: page by page, with the octets of attributes.
//!
//! Owns the pages of `bgp dump`. Who asks for one page after the other, and what becomes of them,
//! is the client's.
//!
//! *Invariants*: a page costs what it holds, whatever the size of the table; hellos wait for none.

use super::plane::ControlPlane;
use crate::api::request::{BgpTable, BgpTableQuery};
use crate::api::show_bgp::{BgpTablePage, BgpTablePath};
use crate::base::time::Instant;
use crate::proto::bgp::ribs::{PageLimits, PeerId, Table, TablePath};

/// A page for a client: as JSON some hundred KiB, made in about a millisecond. Numbers of prefixes
/// that are free cost next to nothing.
const PAGE_LIMITS: PageLimits = PageLimits { numbers_max: 16_384, paths_max: 1024 };

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

impl ControlPlane {
    /// A page of a table.
    pub(super) fn bgp_table_page(&self, now: Instant, query: &BgpTableQuery) -> BgpTablePage {
        let Some(speaker) = self.bgp.speaker() else { return BgpTablePage::default() };
        let table = match query.table {
            BgpTable::AdjRibIn => Table::Received,
            BgpTable::AdjRibInPost => Table::Imported,
            BgpTable::LocRib => Table::Best,
        };
        let mut paths = Vec::new();
        let next = speaker.ribs().table_page(table, query.from, PAGE_LIMITS, |path| {
            // Adj-RIB-In is what neighbours sent; what begins here is in the Loc-RIB.
            if path.peer != PeerId::LOCAL || query.table == BgpTable::LocRib {
                paths.push(self.table_path(now, &path));
            }
        });
        BgpTablePage { paths, next }
    }

    fn table_path(&self, now: Instant, path: &TablePath<'_>) -> BgpTablePath {
        let seconds = now.as_nanos() / SECOND_NS;
        BgpTablePath {
            prefix: path.prefix,
            from: (path.peer != PeerId::LOCAL).then(|| self.bgp.name(path.peer)),
            path_id: path.path_id,
            age_s: seconds.saturating_sub(path.since_secs.into()),
            next_hop: path.next_hop.and_then(|next_hop| next_hop.global),
            link_local: path.next_hop.and_then(|next_hop| next_hop.link_local),
            attributes: path.attributes.to_vec(),
        }
    }
}
