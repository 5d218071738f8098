//! Answers to `show rpki`.
//!
//! Owns what of caches and payloads is shown, and in which words.

use super::plane::ControlPlane;
use super::query::{PAGE_PREFIXES_MAX, milliseconds};
use crate::api::show_rpki::{RpkiCacheRow, RpkiPathRow, RpkiPrefixRow, RpkiRow, RpkiVrpRow};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::config::schema::RpkiCache;
use crate::proto::bgp::policy::{RpkiState, ValidatedPrefix};
use crate::proto::bgp::ribs::PeerId;
use crate::proto::rtr::Session;

const fn vrp_row(payload: ValidatedPrefix) -> RpkiVrpRow {
    let ValidatedPrefix { prefix, length_max, asn } = payload;
    RpkiVrpRow { prefix, length_max, asn }
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
        RpkiRow {
            vrp_count: engine.vrps().len() as u64,
            refused_count: self.rpki.refused_count(),
            policy_count: engine.asking_rpki().count() as u64,
            is_revalidating: self.bgp.speaker().is_some_and(|it| it.ribs().is_scanning()),
            caches: caches.map(|(settings, session)| cache_row(now, settings, session)).collect(),
        }
    }

    /// `show rpki prefix`: a page of payloads, and where the next one begins.
    pub(super) fn rpki_vrp_page(
        &self,
        after: Option<Ipv6Prefix>,
    ) -> (Vec<RpkiVrpRow>, Option<Ipv6Prefix>) {
        let mut all = self.bgp.policies().engine().vrps().behind(after).peekable();
        let (mut rows, mut prefix_count) = (Vec::new(), 0);
        while let Some(payload) = all.next() {
            rows.push(vrp_row(payload));
            let next = all.peek().map(|next| next.prefix);
            if next != Some(payload.prefix) {
                prefix_count += 1;
            }
            // Those of one prefix stand on one page.
            if prefix_count >= PAGE_PREFIXES_MAX {
                return (rows, next.map(|_| payload.prefix));
            }
        }
        (rows, None)
    }

    /// `show rpki prefix PREFIX`.
    pub(super) fn rpki_prefix_row(&self, prefix: Ipv6Prefix) -> RpkiPrefixRow {
        let engine = self.bgp.policies().engine();
        let vrps = engine.vrps().around(prefix).map(vrp_row).collect();
        let view = self.bgp.speaker().and_then(|speaker| speaker.ribs().show(prefix));
        let paths = view.map_or_else(Vec::new, |view| view.paths);
        let row = |path: crate::proto::bgp::ribs::PathView| {
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
