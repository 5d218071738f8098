//! Answers to `show bmp`.
//!
//! Owns what of stations is shown, and in which words.

use super::plane::ControlPlane;
use super::query::milliseconds;
use crate::api::show_bmp::BmpStationRow;
use crate::base::time::Instant;

impl ControlPlane {
    /// `show bmp`.
    pub(super) fn bmp_rows(&self, now: Instant) -> Vec<BmpStationRow> {
        let rows = self.bmp.stations().map(|(settings, station, is_filling)| {
            let view = station.view();
            let counters = view.counters.entries().into_iter();
            BmpStationRow {
                name: settings.label(),
                address: settings.address,
                port: settings.port,
                monitor: settings.monitor.iter().map(|view| view.word().to_owned()).collect(),
                state: view.state.to_string(),
                state_age_ms: milliseconds(now - view.since),
                is_filling,
                waiting_count: view.waiting_count as u64,
                in_flight_octets: view.in_flight_octets as u64,
                next_in_ms: view.next_at.map(|at| milliseconds(at - now)),
                last_failure: view.last_failure.map(|failure| failure.to_string()),
                counters: counters.map(|(name, count)| (name.to_owned(), count)).collect(),
            }
        });
        rows.collect()
    }
}
