//! The blocks of RPKI and BMP, from values to text.
//!
//! Owns their rendering; keys that hold no value are left out, as everywhere.

use super::{RenderedBlock, list, quoted, shown, shown_quoted};
use crate::base::time::Duration;
use crate::config::schema::{BmpSettings, BmpStation, RpkiCache, RpkiSettings};

/// `[rpki]`.
pub(super) fn rpki_block(settings: &RpkiSettings) -> RenderedBlock {
    let seconds = |time: Option<Duration>| time.and_then(|time| shown(time.as_secs()));
    let entries = vec![
        ("refresh_time", seconds(settings.refresh_time)),
        ("retry_time", seconds(settings.retry_time)),
        ("expire_time", seconds(settings.expire_time)),
    ];
    RenderedBlock::new("rpki", entries)
}

/// `[[rpki.cache]]`.
pub(super) fn cache_block(cache: &RpkiCache) -> RenderedBlock {
    let entries = vec![
        ("address", shown_quoted(cache.address)),
        ("port", shown(cache.port)),
        ("name", cache.name.as_ref().and_then(shown_quoted)),
        ("preference", shown(cache.preference)),
    ];
    RenderedBlock::new("rpki.cache", entries)
}

/// `[bmp]`.
pub(super) fn bmp_block(settings: &BmpSettings) -> RenderedBlock {
    let interval = shown(settings.statistics_interval.as_secs());
    RenderedBlock::new("bmp", vec![("statistics_interval", interval)])
}

/// `[[bmp.station]]`.
pub(super) fn station_block(station: &BmpStation) -> RenderedBlock {
    let monitor = list(station.monitor.iter().map(|view| quoted(view.word())));
    let entries = vec![
        ("address", shown_quoted(station.address)),
        ("port", shown(station.port)),
        ("name", station.name.as_ref().and_then(shown_quoted)),
        ("monitor", monitor),
    ];
    RenderedBlock::new("bmp.station", entries)
}
