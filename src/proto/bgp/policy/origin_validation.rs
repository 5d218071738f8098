//! Whether the AS in which a route begins may announce its prefix.
//!
//! Owns [`Vrps`], the validated ROA payloads of a cache, and what they say of a route. Where they
//! come from is others': without any, nothing is found.
//!
//! *Standards*: RFC 6811 §2 (states, and the AS of a route without one), RFC 6482 §4.

use super::limits::VRPS_MAX;
use super::nest::Nest;
use crate::base::prefix::Ipv6Prefix;
use crate::wire::bgp::AsPath;
use std::collections::BTreeMap;

/// RFC 6811 §2: what is known of a route's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RpkiState {
    /// Its AS may announce it.
    Valid,
    /// Others may.
    Invalid,
    /// Nobody has said who may.
    NotFound,
}

/// A validated ROA payload: an AS may announce prefixes inside another up to a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValidatedPrefix {
    /// Around them.
    pub prefix: Ipv6Prefix,
    /// The most length.
    pub length_max: u8,
    /// Who; zero for nobody (RFC 6483 §4).
    pub asn: u32,
}

/// More than can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} validated prefixes are more than {VRPS_MAX}")]
pub struct TooManyVrps(pub usize);

/// All payloads of a cache.
#[derive(Clone, Debug)]
pub struct Vrps {
    /// At each prefix: the most length and the AS.
    allowed: Nest<Vec<(u8, u32)>>,
}

impl Default for Vrps {
    fn default() -> Self {
        Self { allowed: Nest::new(BTreeMap::new()) }
    }
}

impl Vrps {
    /// These payloads.
    pub fn new(payloads: &[ValidatedPrefix]) -> Result<Self, TooManyVrps> {
        if payloads.len() > VRPS_MAX {
            return Err(TooManyVrps(payloads.len()));
        }
        let mut entries: BTreeMap<Ipv6Prefix, Vec<(u8, u32)>> = BTreeMap::new();
        for payload in payloads {
            entries.entry(payload.prefix).or_default().push((payload.length_max, payload.asn));
        }
        Ok(Self { allowed: Nest::new(entries) })
    }

    /// What they say of a route with this path, received or made in `local_asn`.
    pub fn state(&self, prefix: Ipv6Prefix, path: &AsPath, local_asn: u32) -> RpkiState {
        // RFC 6811 §2: the last AS; our own where the route begins here, none behind a set.
        let origin = if path.is_empty() { Some(local_asn) } else { path.origin() };
        let mut state = RpkiState::NotFound;
        for (length_max, asn) in self.allowed.around(prefix).flatten() {
            if *asn != 0 && Some(*asn) == origin && prefix.length() <= *length_max {
                return RpkiState::Valid;
            }
            state = RpkiState::Invalid;
        }
        state
    }
}
