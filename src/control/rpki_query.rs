//! Answers to `show rpki`.
//!
//! Owns what of caches and payloads is shown, and in which words.

use super::plane::ControlPlane;
use super::query::{PAGE_PREFIXES_MAX, milliseconds};
use crate::api::show_rpki::{RpkiCacheRow, RpkiPathRow, RpkiPrefixRow, RpkiRow, RpkiVrpRow};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::config::schema::RpkiCache;
use crate::proto::bgp::policy::{RpkiState, Vrps};
use crate::proto::bgp::ribs::{PathView, PeerId, Route};
use crate::proto::rtr::Session;
use crate::proto::rtr::limits::PAYLOADS_SHOWN_MAX;
use crate::wire::rtr::Payload;

/// The payloads of a prefix that has so many; the last one that is listed says how many are not.
fn vrp_rows(vrps: &Vrps, (prefix, count): (Ipv6Prefix, u32)) -> Vec<RpkiVrpRow> {
    let shown = vrps.of(prefix).take(PAYLOADS_SHOWN_MAX as usize);
    let mut rows: Vec<RpkiVrpRow> = shown
        .map(|Payload { prefix, length_max, asn }| RpkiVrpRow {
            prefix,
            length_max,
            asn,
            more_count: 0,
        })
        .collect();
    if let Some(last) = rows.last_mut() {
        last.more_count = count.saturating_sub(PAYLOADS_SHOWN_MAX);
    }
    rows
}

const fn word(state: RpkiState) -> &'static str {
    match state {
        RpkiState::Valid => "valid",
        RpkiState::Invalid => "invalid",
        RpkiState::NotFound => "not_found",
    }
}

fn cache_row(now: Instant, settings: &RpkiCache, session: &Session) -> RpkiCacheRow {
    let view = session.view();
    let until = |at: Option<Instant>| at.map(|at| milliseconds(at - now));
    RpkiCacheRow {
        name: settings.label(),
        address: settings.address,
        port: settings.port,
        preference: settings.preference,
        state: match session.is_started() {
            true => view.state.to_string(),
            false => "unused".to_owned(),
        },
        state_age_ms: milliseconds(now - view.since),
        version: view.version.to_string(),
        session: view.session,
        serial: view.serial,
        vrp_count: view.record_count as u64,
        confirmed_ago_ms: view.confirmed_at.map(|at| milliseconds(now - at)),
        expires_in_ms: until(view.expires_at),
        next_in_ms: until(view.next_at),
        last_failure: view.last_failure.map(|failure| failure.to_string()),
        counters: view
            .counters
            .entries()
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect(),
    }
}

impl ControlPlane {
    /// `show rpki`.
    pub(super) fn rpki_row(&self, now: Instant) -> RpkiRow {
        let engine = self.bgp.policies().engine();
        let caches = self.rpki.caches();
        let is_scanning = self.bgp.speaker().is_some_and(|it| it.ribs().is_scanning());
        RpkiRow {
            vrp_count: engine.vrps().len() as u64,
            refused_count: self.rpki.refused_count() as u64,
            policy_count: engine.asking_rpki().count() as u64,
            is_revalidating: self.rpki.is_judging() || is_scanning,
            caches: caches.map(|(settings, session)| cache_row(now, settings, session)).collect(),
        }
    }

    /// `show rpki prefix`: a page of payloads, and where the next one begins.
    pub(super) fn rpki_vrp_page(
        &self,
        after: Option<Ipv6Prefix>,
    ) -> (Vec<RpkiVrpRow>, Option<Ipv6Prefix>) {
        let vrps = self.bgp.policies().engine().vrps();
        let mut behind = vrps.behind(after);
        let page: Vec<(Ipv6Prefix, u32)> = behind.by_ref().take(PAGE_PREFIXES_MAX).collect();
        let last = page.last().map(|(prefix, _)| *prefix);
        let rest = last.filter(|_| behind.next().is_some());
        (page.into_iter().flat_map(|one| vrp_rows(vrps, one)).collect(), rest)
    }

    /// What the RPKI says of a route, where it has said anything at all.
    pub(super) fn rpki_word(&self, prefix: Ipv6Prefix, route: &Route) -> Option<String> {
        let engine = self.bgp.policies().engine();
        (!engine.vrps().is_empty()).then(|| word(engine.rpki(prefix, route)).to_owned())
    }

    /// `show rpki prefix PREFIX`.
    pub(super) fn rpki_prefix_row(&self, prefix: Ipv6Prefix) -> RpkiPrefixRow {
        let engine = self.bgp.policies().engine();
        let vrps = engine.vrps().around(prefix);
        let vrps = vrps.flat_map(|one| vrp_rows(engine.vrps(), one)).collect();
        let view = self.bgp.speaker().and_then(|speaker| speaker.ribs().show(prefix));
        let paths = view.map_or_else(Vec::new, |view| view.paths);
        let row = |path: PathView| {
            let route = path.received?;
            Some(RpkiPathRow {
                from: match path.peer {
                    PeerId::LOCAL => "local".to_owned(),
                    peer => self.bgp.name(peer),
                },
                as_path: route.attributes.as_path.to_string(),
                state: word(engine.rpki(prefix, &route)).to_owned(),
            })
        };
        RpkiPrefixRow { prefix, vrps, paths: paths.into_iter().filter_map(row).collect() }
    }
}
