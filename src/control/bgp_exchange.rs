//! Answers to `show bgp advertised` and `show bgp received`: what neighbours were told, and what
//! they have sent.
//!
//! Owns the rows. Which clause of a policy decided is not kept with a route: the policy is asked
//! again for what is shown, and has the same answer.
//!
//! *Invariants*: what is shown of a route that was received is what came, before any policy.

use super::bgp_query::age_ms;
use super::bgp_settings::{ActiveNeighbor, Neighbor, changes, in_words};
use super::plane::ControlPlane;
use crate::api::request::{NeighborRoutes, RouteFilter};
use crate::api::show_bgp::{BgpAdvertisedRow, BgpAttributesRow, BgpChangeRow, BgpReceivedRow};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::config::schema::PolicyClause;
use crate::proto::bgp::ribs::{PeerId, PolicyId, ReceivedPath, Route, Validity};
use crate::proto::bgp::speaker::Speaker;

/// A page of an answer, and where the next one begins.
type Page<R> = (Vec<R>, Option<Ipv6Prefix>);

/// A neighbour that the speaker knows.
struct Known<'a> {
    peer: PeerId,
    active: &'a ActiveNeighbor,
    speaker: &'a Speaker,
}

impl ControlPlane {
    /// `show bgp advertised`: a page of what a neighbour is told.
    pub(super) fn bgp_advertised_page(
        &self,
        asked: &NeighborRoutes,
        after: Option<Ipv6Prefix>,
    ) -> Page<BgpAdvertisedRow> {
        let Some(known) = self.bgp_known(&asked.neighbor) else { return (Vec::new(), None) };
        self.bgp_filtered(&asked.routes, after, |prefix| self.advertised_rows(&known, prefix))
    }

    /// `show bgp received`: a page of what a neighbour has sent.
    pub(super) fn bgp_received_page(
        &self,
        now: Instant,
        asked: &NeighborRoutes,
        after: Option<Ipv6Prefix>,
    ) -> Page<BgpReceivedRow> {
        let Some(known) = self.bgp_known(&asked.neighbor) else { return (Vec::new(), None) };
        self.bgp_filtered(&asked.routes, after, |prefix| self.received_rows(now, &known, prefix))
    }

    /// The neighbour of this name or address, where it has a session.
    fn bgp_known(&self, name: &str) -> Option<Known<'_>> {
        let is_meant = |neighbor: &&Neighbor| neighbor.name == name || neighbor.is_at(name);
        let neighbor = self.bgp.neighbors().iter().find(is_meant)?;
        let active = neighbor.state.as_ref().ok()?;
        let peer = self.bgp.number(&neighbor.id)?;
        Some(Known { peer, active, speaker: self.bgp.speaker()? })
    }

    /// What is to be said of one prefix, of the longest match of an address that has something to
    /// be said, or of a page of them all.
    fn bgp_filtered<R>(
        &self,
        filter: &RouteFilter,
        after: Option<Ipv6Prefix>,
        rows_of: impl Fn(Ipv6Prefix) -> Vec<R>,
    ) -> Page<R> {
        if let Some(prefix) = filter.prefix {
            return (rows_of(prefix), None);
        }
        let Some(address) = filter.address else { return self.bgp_page(after, rows_of) };
        let lengths = (0..=128).rev().map(|length| Ipv6Prefix::containing(address, length));
        let found = lengths.map(rows_of).find(|rows| !rows.is_empty());
        (found.unwrap_or_default(), None)
    }

    fn advertised_rows(&self, known: &Known<'_>, prefix: Ipv6Prefix) -> Vec<BgpAdvertisedRow> {
        let own = known.active.settings.own_next_hop;
        let paths = known.speaker.ribs().advertised_paths(known.peer, prefix).into_iter();
        let row = |path: crate::proto::bgp::ribs::AdvertisedPath| {
            let mut attributes = attributes_row(&path.route);
            // What has no next hop of its own is told this router's.
            attributes.next_hop = attributes.next_hop.or(own.global).or(own.link_local);
            BgpAdvertisedRow {
                prefix,
                path_id: path.path_id,
                from: self.bgp_source(path.source),
                is_told: path.is_told,
                attributes,
            }
        };
        paths.map(row).collect()
    }

    /// From whom a path came.
    pub(super) fn bgp_source(&self, peer: PeerId) -> String {
        match peer {
            PeerId::LOCAL => "local".to_owned(),
            peer => self.bgp.name(peer),
        }
    }

    fn received_rows(
        &self,
        now: Instant,
        known: &Known<'_>,
        prefix: Ipv6Prefix,
    ) -> Vec<BgpReceivedRow> {
        let paths = known.speaker.ribs().received_paths(known.peer, prefix).into_iter();
        let agreed = known.speaker.session(known.peer).and_then(|session| session.negotiated());
        let has_path_ids = agreed.is_some_and(|agreed| agreed.receive.has_path_ids);
        let row = |path: ReceivedPath| {
            let row = BgpReceivedRow {
                prefix,
                path_id: has_path_ids.then_some(path.path_id),
                age_ms: age_ms(now, path.since_secs),
                is_stale: path.is_stale,
                is_accepted: path.validity == Validity::Accepted,
                reason: (path.validity != Validity::Accepted).then(|| path.validity.to_string()),
                attributes: attributes_row(&path.received),
                ..BgpReceivedRow::default()
            };
            self.judged(row, known, &path)
        };
        paths.map(row).collect()
    }

    /// The row with what the policy said.
    fn judged(
        &self,
        mut row: BgpReceivedRow,
        known: &Known<'_>,
        path: &ReceivedPath,
    ) -> BgpReceivedRow {
        if let Some(imported) = &path.imported {
            let all = changes(&in_words(&path.received), &in_words(imported)).into_iter();
            row.changes = all
                .map(|change| BgpChangeRow {
                    attribute: change.attribute.to_owned(),
                    before: change.before,
                    after: change.after,
                })
                .collect();
        }
        let was_asked = matches!(path.validity, Validity::Accepted | Validity::Policy);
        let import = known.active.settings.import.filter(|_| was_asked);
        let Some(import) = import else { return row };
        let engine = self.bgp.policies().engine();
        let explained = engine.explain(import, (row.prefix, &path.received), None);
        let decided_by = explained.and_then(|explanation| explanation.decided_by);
        row.clause = decided_by.map(|number| number as u64 + 1);
        row.clause_name = decided_by
            .and_then(|number| self.clause_of(import, number))
            .and_then(|clause| clause.name.clone());
        row.policy = self.bgp.policies().name(import).map(str::to_owned);
        row
    }

    /// Why a path may not be used; of a policy, which clause said so.
    pub(super) fn bgp_refused_by(
        &self,
        peer: PeerId,
        (prefix, route): (Ipv6Prefix, Option<&Route>),
        validity: Validity,
    ) -> String {
        let import = self.bgp.active_of(peer).and_then(|active| active.settings.import);
        let import = import.filter(|_| validity == Validity::Policy);
        let (Some(import), Some(route)) = (import, route) else { return validity.to_string() };
        let name = self.bgp.policies().name(import).unwrap_or_default();
        let explained = self.bgp.policies().engine().explain(import, (prefix, route), None);
        let decided_by = explained.and_then(|explanation| explanation.decided_by);
        let Some(number) = decided_by else { return format!("the default of {name}") };
        let clause = self.clause_of(import, number).and_then(|clause| clause.name.as_ref());
        let clause = clause.map_or_else(String::new, |clause| format!(" ({clause})"));
        format!("clause {}{clause} of {name}", number + 1)
    }

    fn clause_of(&self, policy: PolicyId, number: usize) -> Option<&PolicyClause> {
        let name = self.bgp.policies().name(policy)?;
        let policy = self.config.policies.iter().find(|policy| policy.name == name)?;
        policy.clauses.get(number)
    }
}

/// What a route carries, as a row.
pub(super) fn attributes_row(route: &Route) -> BgpAttributesRow {
    let attributes = &route.attributes;
    let communities = attributes.communities.iter().map(ToString::to_string);
    let large = attributes.large_communities.iter().map(ToString::to_string);
    BgpAttributesRow {
        next_hop: route.next_hop.and_then(|next| next.global.or(next.link_local)),
        as_path: attributes.as_path.to_string(),
        origin: attributes.origin.to_string(),
        local_pref: attributes.local_pref,
        med: attributes.med,
        communities: communities.chain(large).collect(),
        extended_communities: attributes
            .extended_communities
            .iter()
            .map(ToString::to_string)
            .collect(),
        only_to_customer: attributes.only_to_customer,
    }
}
