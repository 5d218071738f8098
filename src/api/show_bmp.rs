//! What a router shows of BMP.
//!
//! Owns the rows of `show bmp`. Fields are only ever added within one version of the API.

use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// A monitoring station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmpStationRow {
    /// What it is called.
    pub name: String,
    /// Its address.
    pub address: Ipv6Addr,
    /// Its port.
    pub port: u16,
    /// What it is told of: `pre_policy`, `post_policy`, `loc_rib`.
    pub monitor: Vec<String>,
    /// `idle`, `connecting` or `up`.
    pub state: String,
    /// Time in this state.
    pub state_age_ms: u64,
    /// Whether it is still being told the tables from the beginning.
    pub is_filling: bool,
    /// News that wait for room.
    pub waiting_count: u64,
    /// Octets on their way to it.
    pub in_flight_octets: u64,
    /// Time until it is tried again.
    pub next_in_ms: Option<u64>,
    /// Why its last connection ended.
    pub last_failure: Option<String>,
    /// What was counted, by name.
    pub counters: Vec<(String, u64)>,
}
