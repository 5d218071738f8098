//! The blocks of RPKI and BMP, from text to values.
//!
//! Owns the reading of `[rpki]`, `[[rpki.cache]]`, `[bmp]` and `[[bmp.station]]`; rules between
//! keys are `validate`'s.

use super::{Block, listed, read_ipv6};
use crate::base::time::Duration;
use crate::config::read::{BlockReader, Findings};
use crate::config::schema::bmp::{BMP, BMP_STATION};
use crate::config::schema::rpki::{RPKI, RPKI_CACHE};
use crate::config::schema::{BmpSettings, BmpStation, BmpView, RpkiCache, RpkiSettings};
use core::net::Ipv6Addr;
use toml::de::DeTable;

/// Reads `[rpki]` and its caches.
pub(super) fn read_rpki(
    block: Block<'_>,
    document: &DeTable<'_>,
    findings: &mut Findings,
) -> RpkiSettings {
    let mut reader = BlockReader::new(&RPKI, None, block, findings);
    let mut seconds = |key| reader.integer(key).map(Duration::from_secs);
    let mut settings = RpkiSettings {
        refresh_time: seconds("refresh_time"),
        retry_time: seconds("retry_time"),
        expire_time: seconds("expire_time"),
        caches: Vec::new(),
    };
    reader.finish();
    for (index, block) in listed(document, &RPKI_CACHE).into_iter().enumerate() {
        let mut reader = BlockReader::new(&RPKI_CACHE, Some(index), block, findings);
        reader.missing("address");
        let address = read_ipv6(&mut reader, "address").unwrap_or(Ipv6Addr::UNSPECIFIED);
        let default = RpkiCache::at(address);
        settings.caches.push(RpkiCache {
            port: reader.integer("port").unwrap_or(default.port),
            name: reader.text("name"),
            preference: reader.integer("preference").unwrap_or(default.preference),
            ..default
        });
        reader.finish();
    }
    settings
}

/// Reads `[bmp]` and its stations.
pub(super) fn read_bmp(
    block: Block<'_>,
    document: &DeTable<'_>,
    findings: &mut Findings,
) -> BmpSettings {
    let mut reader = BlockReader::new(&BMP, None, block, findings);
    let default = BmpSettings::default();
    let interval = reader.integer("statistics_interval").map(Duration::from_secs);
    let mut settings = BmpSettings {
        statistics_interval: interval.unwrap_or(default.statistics_interval),
        ..default
    };
    reader.finish();
    for (index, block) in listed(document, &BMP_STATION).into_iter().enumerate() {
        let mut reader = BlockReader::new(&BMP_STATION, Some(index), block, findings);
        reader.missing("address");
        reader.missing("port");
        let station = BmpStation {
            address: read_ipv6(&mut reader, "address").unwrap_or(Ipv6Addr::UNSPECIFIED),
            port: reader.integer("port").unwrap_or(0),
            name: reader.text("name"),
            monitor: read_views(&mut reader),
        };
        reader.finish();
        settings.stations.push(station);
    }
    settings
}

fn read_views(reader: &mut BlockReader<'_>) -> Vec<BmpView> {
    let Some(words) = reader.texts("monitor") else { return vec![BmpView::PrePolicy] };
    let mut views = Vec::new();
    for word in words {
        match BmpView::WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, view)) if !views.contains(view) => views.push(*view),
            Some(_) => {}
            None => {
                let known: Vec<&str> = BmpView::WORDS.iter().map(|(word, _)| *word).collect();
                reader.wrong("monitor", format!("`{word}` is none of {}", known.join(", ")));
            }
        }
    }
    views.sort_unstable();
    views
}
