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
    let (mut places, mut names) = (BTreeMap::new(), BTreeMap::new());
    for (index, cache) in rpki.caches.iter().enumerate() {
        let path = |key| KeyPath::listed("rpki.cache", index, key);
        check_address(cache.address, path("address"), problems);
        check_range(cache.port.into(), path("port"), problems);
        if let Some(first) = places.insert((cache.address, cache.port), index) {
            let message = format!("[[rpki.cache]] {} is there already", first + 1);
            problems.push(conflict(path("address"), message, "one block a cache"));
        }
        if let Some(name) = &cache.name {
            check_name(name, (index, &mut names), path("name"), problems);
        }
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
    let (mut places, mut names) = (BTreeMap::new(), BTreeMap::new());
    for (index, station) in bmp.stations.iter().enumerate() {
        let path = |key| KeyPath::listed("bmp.station", index, key);
        check_address(station.address, path("address"), problems);
        check_range(station.port.into(), path("port"), problems);
        if let Some(first) = places.insert((station.address, station.port), index) {
            let message = format!("[[bmp.station]] {} is there already", first + 1);
            problems.push(conflict(path("address"), message, "one block a station"));
        }
        if let Some(name) = &station.name {
            check_name(name, (index, &mut names), path("name"), problems);
        }
        if station.monitor.is_empty() {
            let message = "the station is told nothing";
            problems.push(value(path("monitor"), message, "name at least one table"));
        }
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
