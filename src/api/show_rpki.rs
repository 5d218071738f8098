//! What a router shows of RPKI.
//!
//! Owns the rows of `show rpki`. Fields are only ever added within one version of the API.

use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// `show rpki`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpkiRow {
    /// Validated payloads of IPv6, of all caches together. With none, every route is not_found.
    pub vrp_count: u64,
    /// Those of all caches that are left out because there is no room for them.
    pub refused_count: u64,
    /// Policies that ask what the RPKI says.
    pub policy_count: u64,
    /// Whether routes are being judged anew.
    pub is_revalidating: bool,
    /// The caches.
    pub caches: Vec<RpkiCacheRow>,
}

/// A cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpkiCacheRow {
    /// What it is called.
    pub name: String,
    /// Its address.
    pub address: Ipv6Addr,
    /// Its port.
    pub port: u16,
    /// The lower, the sooner it is used.
    pub preference: u8,
    /// `unused` while others are preferred; else `idle`, `connecting`, `querying`, `receiving`,
    /// `waiting` (it has no data yet) or `synchronised`.
    pub state: String,
    /// Time in this state.
    pub state_age_ms: u64,
    /// Version of the protocol, 0 or 1.
    pub version: String,
    /// Session id of its data.
    pub session: Option<u16>,
    /// Serial number of its data.
    pub serial: Option<u32>,
    /// Its payloads of IPv6.
    pub vrp_count: u64,
    /// Time since it has confirmed them.
    pub confirmed_ago_ms: Option<u64>,
    /// Time until they are dropped, if it does not.
    pub expires_in_ms: Option<u64>,
    /// Time until it is asked or tried again.
    pub next_in_ms: Option<u64>,
    /// Why its last connection ended, or there is none.
    pub last_failure: Option<String>,
    /// What was counted, by name.
    pub counters: Vec<(String, u64)>,
}

/// A validated payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpkiVrpRow {
    /// Prefixes within this
    pub prefix: Ipv6Prefix,
    /// up to this length
    pub length_max: u8,
    /// may begin in this AS; zero for none.
    pub asn: u32,
    /// Payloads of this prefix that are not listed; they would stand behind this one.
    #[serde(default)]
    pub more_count: u32,
}

/// `show rpki prefix PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpkiPrefixRow {
    /// The prefix that was asked for.
    pub prefix: Ipv6Prefix,
    /// Payloads that say something of it.
    pub vrps: Vec<RpkiVrpRow>,
    /// What they say of each path.
    pub paths: Vec<RpkiPathRow>,
}

/// What the RPKI says of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpkiPathRow {
    /// From whom; `local` for what this router announces itself.
    pub from: String,
    /// AS_PATH as it was sent.
    pub as_path: String,
    /// `valid`, `invalid` or `not_found`.
    pub state: String,
}
