//! Answers to `show bgp`.
//!
//! Owns what of the speaker is shown, and in which words.

use super::bgp_reason;
use super::bgp_settings::{ActiveNeighbor, Neighbor};
use super::plane::ControlPlane;
use super::query::{PAGE_PREFIXES_MAX, milliseconds};
use crate::api::request::RouteFilter;
use crate::api::show_bgp::{
    BgpMessageRow, BgpNeighborRow, BgpNeighborSettings, BgpNextHopRow, BgpPathRow, BgpSummaryRow,
};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::proto::bgp::negotiation::role_in_words;
use crate::proto::bgp::ribs::{PathView, PeerKind, PolicyId, PrefixView, Resolution, Standing};
use crate::proto::bgp::settings::{Opening, RemoteAs};
use crate::proto::bgp::transport::BGP_PORT;
use crate::proto::bgp::view::{Counters, View};
use core::net::SocketAddrV6;

/// Prefixes that a page looks at where most of them have nothing to show: looking at one that has
/// not costs a fraction of one that has.
const LOOKED_AT_MAX: usize = 4 * PAGE_PREFIXES_MAX;

impl ControlPlane {
    /// What neighbours have told, accepted or not, for checkers: the name of who did, and the
    /// prefix.
    pub fn bgp_paths(&self) -> Vec<(String, Ipv6Prefix)> {
        let Some(speaker) = self.bgp.speaker() else { return Vec::new() };
        let views = speaker.ribs().prefixes().into_iter();
        let views = views.filter_map(|prefix| speaker.ribs().show(prefix));
        let paths = views.flat_map(|view| {
            let there = view.paths.into_iter().filter(|path| path.standing != Standing::Gone);
            there.map(move |path| (path.peer, view.prefix))
        });
        paths.map(|(peer, prefix)| (self.bgp_source(peer), prefix)).collect()
    }

    /// Groups of exits of the speaker, for checkers.
    pub fn bgp_exit_group_count(&self) -> usize {
        self.bgp.speaker().map_or(0, |speaker| speaker.ribs().exit_group_count())
    }

    /// `show bgp summary`.
    pub(super) fn bgp_summary(&self, now: Instant) -> BgpSummaryRow {
        let neighbors = self.bgp_neighbor_rows(now);
        let Some(speaker) = self.bgp.speaker() else {
            return BgpSummaryRow { neighbors, ..BgpSummaryRow::default() };
        };
        let ribs = speaker.ribs();
        let next_hops = ribs.next_hops().map(|(gateway, resolution)| BgpNextHopRow {
            address: gateway.next_hop.global,
            link_local: gateway.next_hop.link_local.filter(|_| gateway.port.is_some()),
            cost: match resolution {
                Resolution::Reachable { cost } => Some(cost),
                Resolution::Unknown | Resolution::Unreachable => None,
            },
        });
        BgpSummaryRow {
            asn: self.config.bgp.as_ref().map(|bgp| bgp.asn),
            router_id: self.bgp.router_id(),
            prefix_count: ribs.prefix_count() as u64,
            path_count: ribs.path_count() as u64,
            attribute_set_count: ribs.attribute_set_count() as u64,
            exit_group_count: ribs.exit_group_count() as u64,
            memory_bytes: ribs.memory().total_bytes() as u64,
            aggregates: self.bgp.aggregates().collect(),
            aggregates_waiting: self.aggregates_waiting(),
            redistributed_count: self.bgp.redistribution.count() as u64,
            damped_count: self.bgp.redistribution.damped_count() as u64,
            next_hops: next_hops.collect(),
            neighbors,
        }
    }

    /// Aggregates that are configured and not announced now.
    fn aggregates_waiting(&self) -> Vec<Ipv6Prefix> {
        let configured = self.config.bgp.iter().flat_map(|bgp| bgp.aggregates.iter().copied());
        configured.filter(|prefix| !self.bgp.aggregates().any(|told| told == *prefix)).collect()
    }

    /// `show bgp neighbor`.
    pub(super) fn bgp_neighbor_rows(&self, now: Instant) -> Vec<BgpNeighborRow> {
        let neighbors = self.bgp.neighbors().iter();
        neighbors.map(|neighbor| self.bgp_neighbor_row(now, neighbor)).collect()
    }

    fn bgp_neighbor_row(&self, now: Instant, neighbor: &Neighbor) -> BgpNeighborRow {
        let row = BgpNeighborRow {
            name: neighbor.name.clone(),
            description: neighbor.description.clone(),
            address: neighbor.address,
            port: neighbor.id.port.clone(),
            ..BgpNeighborRow::default()
        };
        let active = match &neighbor.state {
            Ok(active) => active,
            Err(inactive) => {
                let (state, reason) = ("inactive".to_owned(), Some(inactive.to_string()));
                return BgpNeighborRow { state, reason, ..row };
            }
        };
        let row = BgpNeighborRow {
            local_address: Some(active.settings.local),
            bfd: active.has_bfd.then(|| self.bgp_bfd_state(active)),
            remote_as: Some(remote_as(active.settings.session.remote_as)),
            settings: Some(self.bgp_settings_row(active)),
            ..row
        };
        let peer = self.bgp.number(&neighbor.id);
        let known = peer.and_then(|peer| Some((self.bgp.speaker()?, peer)));
        let session =
            known.and_then(|(speaker, peer)| Some((speaker, peer, speaker.session(peer)?)));
        let Some((speaker, peer, session)) = session else {
            let reason = Some(bgp_reason::why_without_session(active));
            return BgpNeighborRow { state: "Idle".to_owned(), reason, ..row };
        };
        let view = session.view();
        let counts = speaker.ribs().peer_counts(peer);
        let held = speaker.held(peer);
        let retry_at = held.map_or(view.retry_at, |held| held.until);
        BgpNeighborRow {
            reason: held
                .map(|held| bgp_reason::why_held(now, &neighbor.name, held))
                .or_else(|| self.bgp_deaf_to(active))
                .or_else(|| bgp_reason::why_not_up(now, &view, &active.settings.security)),
            retry_in_ms: retry_at.map(|at| milliseconds(at - now)),
            received_count: u64::from(counts.received),
            accepted_count: u64::from(counts.accepted),
            stale_count: u64::from(counts.stale),
            advertised_count: u64::from(speaker.ribs().member_counts(peer).announced),
            ..session_row(now, &view, row)
        }
    }

    /// What the block of a neighbour says.
    fn bgp_settings_row(&self, active: &ActiveNeighbor) -> BgpNeighborSettings {
        let settings = &active.settings;
        let policy = |id: Option<PolicyId>| {
            id.and_then(|id| self.bgp.policies().name(id)).map(str::to_owned)
        };
        BgpNeighborSettings {
            is_external: !settings.kind.is_internal(),
            import: policy(settings.import),
            export: policy(settings.export),
            role: settings.session.role.map(|role| role_in_words(role).to_owned()),
            has_password: settings.security.key.is_some(),
            hop_limit_least: settings.security.hop_limit_least,
            is_client: settings.kind == PeerKind::Client,
            max_prefix: settings.paths_max,
            max_prefix_restart_time_ms: settings.paths_restart.map(milliseconds),
            is_passive: settings.session.opening == Opening::Passive,
        }
    }

    /// Why a neighbour cannot connect, where it cannot.
    fn bgp_deaf_to(&self, active: &ActiveNeighbor) -> Option<String> {
        let scope_id = active.settings.remote.scope_id();
        let local = SocketAddrV6::new(active.settings.local, BGP_PORT, 0, scope_id);
        let failure = self.bgp.deaf.failure(&local)?;
        Some(format!("it cannot connect to {}: {failure}", self.end_in_words(local)))
    }

    /// What BFD says of a neighbour that it shall watch.
    fn bgp_bfd_state(&self, active: &ActiveNeighbor) -> String {
        let Some(port) = active.settings.port else { return "not on a link".to_owned() };
        let address = *active.settings.remote.ip();
        match self.bfd.clients.get(&port) {
            None => "none".to_owned(),
            Some(client) if client.neighbor != address => {
                format!("none: the port's session is with {}", client.neighbor)
            }
            Some(client) => {
                client.view.map_or_else(|| "Down".to_owned(), |view| view.state.to_string())
            }
        }
    }

    /// `show bgp route`: a page of prefixes, and where the next one begins.
    pub(super) fn bgp_route_page(
        &self,
        now: Instant,
        filter: &RouteFilter,
        after: Option<Ipv6Prefix>,
    ) -> (Vec<BgpPathRow>, Option<Ipv6Prefix>) {
        let Some(speaker) = self.bgp.speaker() else { return (Vec::new(), None) };
        let rows = |view: PrefixView| self.path_rows(now, &view);
        if let Some(prefix) = filter.prefix {
            return (speaker.ribs().show(prefix).map(rows).unwrap_or_default(), None);
        }
        if let Some(address) = filter.address {
            let lengths = (0..=128).rev().map(|length| Ipv6Prefix::containing(address, length));
            let found = lengths.filter_map(|prefix| speaker.ribs().show(prefix)).next();
            return (found.map(rows).unwrap_or_default(), None);
        }
        self.bgp_page(after, |prefix| speaker.ribs().show(prefix).map(rows).unwrap_or_default())
    }

    /// What is to be said of prefixes behind one, until it fills a page; and where the next page
    /// begins.
    pub(super) fn bgp_page<R>(
        &self,
        after: Option<Ipv6Prefix>,
        rows_of: impl Fn(Ipv6Prefix) -> Vec<R>,
    ) -> (Vec<R>, Option<Ipv6Prefix>) {
        let listing = &self.bgp.listing;
        let behind = listing.behind(after);
        let (mut rows, mut shown, mut looked_at) = (Vec::new(), 0, 0);
        for prefix in behind {
            if shown >= PAGE_PREFIXES_MAX || looked_at >= LOOKED_AT_MAX {
                break;
            }
            looked_at += 1;
            let more = rows_of(*prefix);
            shown += usize::from(!more.is_empty());
            rows.extend(more);
        }
        let is_end = looked_at == behind.len() && listing.is_last();
        let last = looked_at.checked_sub(1).and_then(|place| behind.get(place)).copied();
        (rows, last.filter(|_| !is_end))
    }

    fn path_rows(&self, now: Instant, prefix: &PrefixView) -> Vec<BgpPathRow> {
        prefix.paths.iter().filter_map(|path| self.path_row(now, prefix, path)).collect()
    }

    fn path_row(&self, now: Instant, prefix: &PrefixView, path: &PathView) -> Option<BgpPathRow> {
        let route = path.imported.as_ref().or(path.received.as_ref())?;
        let (standing, decided_by) = match path.standing {
            Standing::Best => ("best", prefix.decided_by.map(|step| step.to_string())),
            Standing::Multipath(step) => ("multipath", Some(step.to_string())),
            Standing::Lost(step) => ("lost", Some(step.to_string())),
            Standing::Unreachable => ("unreachable", None),
            Standing::Refused(validity) => {
                let refused = (prefix.prefix, path.received.as_ref());
                ("refused", Some(self.bgp_refused_by(path.peer, refused, validity)))
            }
            Standing::Gone => ("gone", None),
        };
        let attributes = &route.attributes;
        let communities = attributes.communities.iter().map(ToString::to_string);
        let large = attributes.large_communities.iter().map(ToString::to_string);
        Some(BgpPathRow {
            prefix: prefix.prefix,
            from: self.bgp_source(path.peer),
            next_hop: route.next_hop.and_then(|next| next.global.or(next.link_local)),
            is_best: path.standing == Standing::Best,
            standing: standing.to_owned(),
            decided_by,
            as_path: attributes.as_path.to_string(),
            origin: attributes.origin.to_string(),
            local_pref: attributes.local_pref,
            med: attributes.med,
            communities: communities.chain(large).collect(),
            age_ms: age_ms(now, path.since_secs),
            rpki: path.received.as_ref().and_then(|told| self.rpki_word(prefix.prefix, told)),
            is_stale: path.is_stale,
        })
    }
}

/// The age of what came at this second since the driver's origin, in milliseconds.
pub(super) const fn age_ms(now: Instant, since_secs: u32) -> u64 {
    (now.as_nanos() / 1_000_000_000).saturating_sub(since_secs as u64) * 1000
}

/// A row with what its session shows.
fn session_row(now: Instant, view: &View, row: BgpNeighborRow) -> BgpNeighborRow {
    let agreed = view.negotiated.as_ref();
    let messages = message_rows(&view.counters);
    let shared = view.capabilities.iter().filter(|one| one.is_sent && one.is_received);
    BgpNeighborRow {
        asn: agreed.map(|agreed| agreed.peer_asn),
        router_id: agreed.map(|agreed| agreed.peer_identifier),
        state: view.state.to_string(),
        state_age_ms: milliseconds(now - view.since),
        hold_time_ms: agreed.map(|agreed| milliseconds(agreed.hold_time)),
        keepalive_time_ms: agreed.map(|agreed| milliseconds(agreed.keepalive_time)),
        messages_in: messages.iter().map(|row| row.received_count).sum(),
        messages_out: messages.iter().map(|row| row.sent_count).sum(),
        lost_count: view.counters.lost,
        last_down: view.last_down.as_ref().map(|(_, reason)| reason.to_string()),
        last_down_ago_ms: view.last_down.as_ref().map(|(at, _)| milliseconds(now - *at)),
        capabilities: shared.map(|capability| capability.name.clone()).collect(),
        queue_octets: view.queue_octets as u64,
        peer_role: agreed
            .and_then(|agreed| agreed.peer_role)
            .map(|it| role_in_words(it).to_owned()),
        peer_restart_time_ms: agreed
            .and_then(|agreed| agreed.restart)
            .filter(|restart| restart.keeps_routes)
            .map(|restart| milliseconds(restart.restart_time)),
        messages,
        ..row
    }
}

fn message_rows(counters: &Counters) -> Vec<BgpMessageRow> {
    let kinds = [
        ("open", counters.opens_in, counters.opens_out),
        ("update", counters.updates_in, counters.updates_out),
        ("keepalive", counters.keepalives_in, counters.keepalives_out),
        ("route refresh", counters.refreshes_in, counters.refreshes_out),
        ("notification", counters.notifications_in, counters.notifications_out),
    ];
    let row = |(kind, received_count, sent_count): (&str, u64, u64)| BgpMessageRow {
        kind: kind.to_owned(),
        received_count,
        sent_count,
    };
    kinds.into_iter().map(row).collect()
}

fn remote_as(asn: RemoteAs) -> String {
    match asn {
        RemoteAs::Exactly(asn) => asn.to_string(),
        RemoteAs::External => "external".to_owned(),
        RemoteAs::Internal => "internal".to_owned(),
    }
}
