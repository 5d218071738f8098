//! What is wrong with the blocks of RPKI and BMP.
//!
//! Owns the rules of `[rpki]` with its caches and of `[bmp]` with its stations.
//!
//! *Standards*: RFC 8210 §6 (bounds of times, and which is the longest).

use super::bgp::{check_name, check_range};
use super::{Problems, conflict, value};
use crate::config::problem::KeyPath;
use crate::config::schema::bmp::BMP_STATIONS_MAX;
use crate::config::schema::rpki::RPKI_CACHES_MAX;
use crate::config::schema::{Config, RpkiSettings};
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// Everything about RPKI.
pub(super) fn check_rpki(config: &Config, problems: &mut Problems) {
    let Some(rpki) = &config.rpki else { return };
    check_times(rpki, problems);
    check_count(rpki.caches.len(), ("rpki.cache", RPKI_CACHES_MAX), problems);
    let mut seen = Seen::default();
    for (index, cache) in rpki.caches.iter().enumerate() {
        let end = (cache.address, cache.port, cache.name.as_deref());
        check_end(("rpki.cache", index), end, &mut seen, problems);
    }
}

fn check_times(rpki: &RpkiSettings, problems: &mut Problems) {
    let path = |key| KeyPath::single("rpki", key);
    let times = [
        ("refresh_time", rpki.refresh_time),
        ("retry_time", rpki.retry_time),
        ("expire_time", rpki.expire_time),
    ];
    for (key, time) in times {
        if let Some(time) = time {
            check_range(time.as_secs(), path(key), problems);
        }
    }
    let Some(expire) = rpki.expire_time else { return };
    for (key, time) in times.into_iter().take(2) {
        if time.is_some_and(|time| time >= expire) {
            let message = format!("{} s is not longer than {key}", expire.as_secs());
            let expected = "data must live longer than it takes to ask again";
            problems.push(conflict(path("expire_time"), message, expected));
        }
    }
}

/// Everything about BMP.
pub(super) fn check_bmp(config: &Config, problems: &mut Problems) {
    let Some(bmp) = &config.bmp else { return };
    let path = KeyPath::single("bmp", "statistics_interval");
    check_range(bmp.statistics_interval.as_secs(), path, problems);
    check_count(bmp.stations.len(), ("bmp.station", BMP_STATIONS_MAX), problems);
    let mut seen = Seen::default();
    for (index, station) in bmp.stations.iter().enumerate() {
        let end = (station.address, station.port, station.name.as_deref());
        check_end(("bmp.station", index), end, &mut seen, problems);
        if station.monitor.is_empty() {
            let path = KeyPath::listed("bmp.station", index, "monitor");
            problems.push(value(path, "the station is told nothing", "name at least one table"));
        }
    }
}

/// What earlier blocks of one kind have said.
#[derive(Default)]
struct Seen<'c> {
    places: BTreeMap<(Ipv6Addr, u16), usize>,
    names: BTreeMap<&'c str, usize>,
}

/// Where the router connects to, and what that is called.
fn check_end<'c>(
    (block, index): (&'static str, usize),
    (address, port, name): (Ipv6Addr, u16, Option<&'c str>),
    seen: &mut Seen<'c>,
    problems: &mut Problems,
) {
    let path = |key| KeyPath::listed(block, index, key);
    check_address(address, path("address"), problems);
    check_range(port.into(), path("port"), problems);
    if let Some(first) = seen.places.insert((address, port), index) {
        let message = format!("[[{block}]] {} is there already", first + 1);
        problems.push(conflict(path("address"), message, "one block for one address and port"));
    }
    if let Some(name) = name {
        check_name(name, (index, &mut seen.names), path("name"), problems);
    }
}

fn check_count(count: usize, (block, most): (&'static str, usize), problems: &mut Problems) {
    if count > most {
        let path = KeyPath::listed(block, count - 1, "");
        problems.push(value(path, format!("{count} are too many"), format!("at most {most}")));
    }
}

fn check_address(address: Ipv6Addr, path: KeyPath, problems: &mut Problems) {
    // Sockets of the router speak IPv6 only, so that an address of IPv4 in this form leads nowhere.
    let is_ipv4 = address.to_ipv4_mapped().is_some();
    let is_wrong = address.is_unspecified() || address.is_multicast();
    if is_wrong || is_ipv4 || address.is_unicast_link_local() {
        let message = format!("{address} is no address to connect to");
        problems.push(value(path, message, "must be a global, unique local or loopback address"));
    }
}
