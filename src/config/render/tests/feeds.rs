//! Blocks of RPKI and BMP with anything in them.

use crate::base::time::Duration;
use crate::config::schema::{BmpSettings, BmpStation, BmpView, RpkiCache, RpkiSettings};
use core::net::Ipv6Addr;
use proptest::prelude::*;

/// Another address for each place.
fn address(place: usize) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xfd00 << 112 | u128::try_from(place + 1).unwrap())
}

fn seconds(least: u64, most: u64) -> impl Strategy<Value = Option<Duration>> {
    prop::option::of((least..=most).prop_map(Duration::from_secs))
}

fn name(place: usize, has_name: bool) -> Option<String> {
    has_name.then(|| format!("number \"{place}\""))
}

pub(super) fn rpki() -> impl Strategy<Value = Option<RpkiSettings>> {
    let cache = (1_u16.., any::<bool>(), any::<u8>());
    let caches = prop::collection::vec(cache, 0..4).prop_map(|caches| {
        let cache = |(place, (port, has_name, preference))| RpkiCache {
            address: address(place),
            port,
            name: name(place, has_name),
            preference,
        };
        caches.into_iter().enumerate().map(cache).collect()
    });
    let times = (seconds(1, 599), seconds(1, 599), seconds(600, 172_800));
    let settings = (times, caches).prop_map(|((refresh_time, retry_time, expire_time), caches)| {
        RpkiSettings { refresh_time, retry_time, expire_time, caches }
    });
    prop::option::of(settings)
}

pub(super) fn bmp() -> impl Strategy<Value = Option<BmpSettings>> {
    let station = (1_u16.., any::<bool>(), 1_usize..8);
    let stations = prop::collection::vec(station, 0..4).prop_map(|stations| {
        let station = |(place, (port, has_name, mask)): (usize, (u16, bool, usize))| {
            let all = BmpView::WORDS.iter().enumerate();
            let chosen = all.filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, (_, view))| *view);
            BmpStation {
                address: address(place),
                port,
                name: name(place, has_name),
                monitor: chosen.collect(),
            }
        };
        stations.into_iter().enumerate().map(station).collect()
    });
    let settings = (0_u64..=86_400, stations).prop_map(|(interval, stations)| BmpSettings {
        statistics_interval: Duration::from_secs(interval),
        stations,
    });
    prop::option::of(settings)
}
