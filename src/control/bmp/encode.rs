//! Paths become Route Monitoring messages, several prefixes in one where they carry the same.
//!
//! Owns [`Encoder`]: one for each slice of a station. What is put in one after the other with the
//! same peer, table and attributes is one message.
//!
//! *Invariants*: order is kept where it matters: what is told of a prefix later stands later.
//! *Standards*: RFC 7854 §4.6 and §5 (End-of-RIB), RFC 4760 §3 and §4.

use super::{Dump, MaybeSpeaker, Neighbor, PLAIN, table_of};
use crate::base::cursor::Writer;
use crate::base::prefix::Ipv6Prefix;
use crate::config::schema::BmpView;
use crate::proto::bgp::ribs::{AttributesId, PageLimits, PeerId, Table, TablePath};
use crate::proto::bmp::PathName;
use crate::proto::bmp::limits::{ATTRIBUTE_OCTETS_MAX, NLRI_MAX, PAGE_NUMBERS_MAX, PAGE_PATHS_MAX};
use crate::wire::bgp::update::{put_announcement, put_withdrawal};
use crate::wire::bgp::{Agreement, NextHop, Nlri};
use crate::wire::bmp as wire;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// A slice of a table that a station is told from the beginning.
const PAGE_LIMITS: PageLimits =
    PageLimits { numbers_max: PAGE_NUMBERS_MAX, paths_max: PAGE_PATHS_MAX };

/// Prefixes that wait to be one message.
struct Group {
    peer: wire::Peer,
    view: wire::View,
    agreement: Agreement,
    /// What they carry; `None` for prefixes that are gone.
    carried: Option<Carried>,
    nlri: Vec<Nlri>,
}

struct Carried {
    set: AttributesId,
    next_hop: NextHop,
    attributes: Vec<u8>,
}

/// Where a message belongs.
#[derive(Clone, Copy)]
struct Place {
    peer: wire::Peer,
    view: wire::View,
    agreement: Agreement,
}

/// Makes the octets of a slice.
pub(super) struct Encoder<'a> {
    speaker: MaybeSpeaker<'a>,
    neighbors: &'a BTreeMap<PeerId, Neighbor>,
    router: Option<&'a wire::Peer>,
    writer: Writer,
    /// One for each table, so that two tables of one prefix do not break each other's groups.
    groups: Vec<Group>,
    oversized_count: u64,
}

impl<'a> Encoder<'a> {
    /// With nothing in it.
    pub(super) fn new(
        speaker: MaybeSpeaker<'a>,
        neighbors: &'a BTreeMap<PeerId, Neighbor>,
        router: Option<&'a wire::Peer>,
    ) -> Self {
        let (writer, groups) = (Writer::default(), Vec::new());
        Self { speaker, neighbors, router, writer, groups, oversized_count: 0 }
    }

    /// Octets so far, without what still waits.
    pub(super) fn len(&self) -> usize {
        self.writer.len()
    }

    /// Routes that no message can hold.
    pub(super) const fn oversized_count(&self) -> u64 {
        self.oversized_count
    }

    /// The octets.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.writer.into_vec()
    }

    /// A message that is made already: it comes behind all before.
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.flush();
        self.writer.put(octets);
    }

    /// What a peer says of a prefix now, before or after the policies.
    pub(super) fn path(&mut self, view: BmpView, path: PathName) {
        let PathName { peer, prefix, path_id } = path;
        let from = PeerId(peer);
        let (Some(speaker), Some(neighbor)) = (self.speaker, self.neighbors.get(&from)) else {
            return;
        };
        if path_id != 0 && !neighbor.has_path_ids {
            // Of a session before this one: without its number it would be another path's end.
            return;
        }
        let (table, view) = table_of(view);
        let found = speaker.ribs().path_in(table, from, (prefix, path_id));
        let place = Place { peer: neighbor.peer, view, agreement: neighbor.agreement() };
        self.add(place, Nlri { prefix, path_id }, found.filter(|path| !path.is_stale));
    }

    /// What is best for a prefix now.
    pub(super) fn best(&mut self, prefix: Ipv6Prefix) {
        let (Some(speaker), Some(router)) = (self.speaker, self.router) else { return };
        let found = speaker.ribs().paths_in(Table::Best, prefix).into_iter().next();
        let place = Place { peer: *router, view: wire::View::LocRib, agreement: PLAIN };
        self.add(place, Nlri::of(prefix), found);
    }

    /// A page of a table; whether it was the last one of the last table.
    pub(super) fn page(&mut self, dump: &mut Dump) -> bool {
        let Some(view) = dump.views.front().copied() else { return true };
        let (table, told) = table_of(view);
        let Some(speaker) = self.speaker else { return true };
        let mut paths = Vec::new();
        let next = speaker.ribs().table_page(table, dump.from, PAGE_LIMITS, |path| {
            paths.push(path);
        });
        for path in paths {
            let place = match view {
                BmpView::LocRib => self.router.map(|router| (*router, PLAIN)),
                _ if path.is_stale => None,
                _ => self.neighbors.get(&path.peer).map(|one| (one.peer, one.agreement())),
            };
            let Some((peer, agreement)) = place else { continue };
            let path_id = if agreement.has_path_ids { path.path_id } else { 0 };
            let nlri = Nlri { prefix: path.prefix, path_id };
            self.add(Place { peer, view: told, agreement }, nlri, Some(path));
        }
        dump.from = next.unwrap_or(0);
        if next.is_none() {
            dump.views.pop_front();
            self.end_of_rib(view);
        }
        dump.views.is_empty()
    }

    fn end_of_rib(&mut self, view: BmpView) {
        self.flush();
        let (_, told) = table_of(view);
        match view {
            BmpView::LocRib => {
                if let Some(router) = self.router {
                    put_end_of_rib(&mut self.writer, router, told);
                }
            }
            BmpView::PrePolicy | BmpView::PostPolicy => {
                for neighbor in self.neighbors.values() {
                    put_end_of_rib(&mut self.writer, &neighbor.peer, told);
                }
            }
        }
    }

    fn add(&mut self, place: Place, nlri: Nlri, path: Option<TablePath<'_>>) {
        let Place { peer, view, agreement } = place;
        if path.is_some_and(|path| path.attributes.len() > ATTRIBUTE_OCTETS_MAX) {
            self.oversized_count += 1;
            return;
        }
        let set = path.map(|path| path.set);
        let at = self.groups.iter().position(|group| group.view == view);
        if let Some(group) = at.and_then(|at| self.groups.get_mut(at)) {
            let carried = group.carried.as_ref().map(|carried| carried.set);
            if group.peer == peer && carried == set && group.nlri.len() < NLRI_MAX {
                return group.nlri.push(nlri);
            }
        }
        if let Some(at) = at {
            let group = self.groups.swap_remove(at);
            group.write(&mut self.writer);
        }
        let carried = path.map(|path| Carried {
            set: path.set,
            next_hop: path
                .next_hop
                .unwrap_or(NextHop { global: Some(Ipv6Addr::UNSPECIFIED), link_local: None }),
            attributes: path.attributes.to_vec(),
        });
        self.groups.push(Group { peer, view, agreement, carried, nlri: vec![nlri] });
    }

    fn flush(&mut self) {
        for group in core::mem::take(&mut self.groups) {
            group.write(&mut self.writer);
        }
    }
}

impl Group {
    fn write(&self, writer: &mut Writer) {
        let (nlri, agreement) = (self.nlri.as_slice(), self.agreement);
        wire::put_route_monitoring(writer, &self.peer, self.view, |writer| match &self.carried {
            Some(Carried { next_hop, attributes, .. }) => {
                put_announcement(writer, (next_hop, nlri), attributes, agreement);
            }
            None => put_withdrawal(writer, nlri, agreement),
        });
    }
}

/// RFC 7854 §5: a table was told to its end.
fn put_end_of_rib(writer: &mut Writer, peer: &wire::Peer, view: wire::View) {
    wire::put_route_monitoring(writer, peer, view, |writer| {
        put_withdrawal(writer, &[], PLAIN);
    });
}
