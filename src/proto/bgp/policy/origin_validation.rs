//! Whether the AS in which a route begins may announce its prefix.
//!
//! Owns [`Vrps`], the validated ROA payloads of all caches, and what they say of a route. Where
//! they come from is others': without any, nothing is found.
//!
//! *Invariants*: a payload holds as long as one cache says so; which one does not matter (RFC 8210
//! §10). One change costs a search, and one route as many as there are prefixes around it that have
//! payloads (129 at most), however many payloads there are and wherever they stand.
//! *Standards*: RFC 6811 §2 (states, and the AS of a route without one), RFC 6482 §4.

use super::limits::VRPS_MAX;
use crate::base::prefix::Ipv6Prefix;
use crate::base::prefix_map::PrefixMap;
use crate::wire::bgp::AsPath;
use crate::wire::rtr::Payload;
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

/// More than can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} validated payloads are more than there is room for")]
pub struct TooManyVrps(pub usize);

/// A payload in the order in which a route looks for it: those of its AS stand together, those
/// that let it be long enough behind the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    prefix: Ipv6Prefix,
    asn: u32,
    length_max: u8,
}

impl Key {
    const fn of(payload: Payload) -> Self {
        let Payload { prefix, length_max, asn } = payload;
        Self { prefix, asn, length_max }
    }

    const fn payload(self) -> Payload {
        let Self { prefix, asn, length_max } = self;
        Payload { prefix, length_max, asn }
    }
}

/// All payloads of all caches.
#[derive(Clone, Debug)]
pub struct Vrps {
    /// Caches that say so.
    cache_counts: BTreeMap<Key, u16>,
    /// How many payloads each prefix has.
    prefixes: PrefixMap<u32>,
    limit: usize,
}

impl Default for Vrps {
    fn default() -> Self {
        Self::with_limit(VRPS_MAX)
    }
}

impl Vrps {
    /// None, with room for so many.
    pub fn with_limit(limit: usize) -> Self {
        Self { cache_counts: BTreeMap::new(), prefixes: PrefixMap::default(), limit }
    }

    /// These payloads.
    pub fn new(payloads: &[Payload]) -> Result<Self, TooManyVrps> {
        let mut vrps = Self::default();
        for payload in payloads {
            vrps.announce(*payload)?;
        }
        Ok(vrps)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cache_counts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cache_counts.is_empty()
    }

    /// Whether there is room for another one.
    pub fn has_room(&self) -> bool {
        self.len() < self.limit
    }

    /// A cache announces a payload; says whether it is the first one to.
    pub fn announce(&mut self, payload: Payload) -> Result<bool, TooManyVrps> {
        if let Some(count) = self.cache_counts.get_mut(&Key::of(payload)) {
            *count = count.saturating_add(1);
            return Ok(false);
        }
        if !self.has_room() {
            return Err(TooManyVrps(self.len() + 1));
        }
        self.cache_counts.insert(Key::of(payload), 1);
        match self.prefixes.get_mut(payload.prefix) {
            Some(count) => *count += 1,
            None => {
                self.prefixes.insert(payload.prefix, 1);
            }
        }
        Ok(true)
    }

    /// A cache withdraws one that it has announced, and that found room; says whether it was the
    /// last one to have it.
    pub fn withdraw(&mut self, payload: Payload) -> bool {
        let Some(count) = self.cache_counts.get_mut(&Key::of(payload)) else { return false };
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.cache_counts.remove(&Key::of(payload));
        if let Some(count) = self.prefixes.get_mut(payload.prefix) {
            *count -= 1;
            if *count == 0 {
                self.prefixes.remove(payload.prefix);
            }
        }
        true
    }

    /// Prefixes behind one, in order, and how many payloads each has.
    pub fn behind(&self, after: Option<Ipv6Prefix>) -> impl Iterator<Item = (Ipv6Prefix, u32)> {
        self.prefixes.behind(after).map(|(prefix, count)| (prefix, *count))
    }

    /// Prefixes that have payloads which say something of this one, the nearest first, and how
    /// many each has.
    pub fn around(&self, prefix: Ipv6Prefix) -> impl Iterator<Item = (Ipv6Prefix, u32)> {
        self.prefixes.around(prefix).map(|(prefix, count)| (prefix, *count))
    }

    /// The payloads of exactly this prefix, in order of their AS.
    pub fn of(&self, prefix: Ipv6Prefix) -> impl Iterator<Item = Payload> {
        let from = Key { prefix, asn: 0, length_max: 0 };
        let to = Key { prefix, asn: u32::MAX, length_max: u8::MAX };
        self.cache_counts.range(from..=to).map(|(key, _)| key.payload())
    }

    /// What they say of a route with this path, received or made in `local_asn`.
    pub fn state(&self, prefix: Ipv6Prefix, path: &AsPath, local_asn: u32) -> RpkiState {
        // RFC 6811 §2: the last AS; our own where the route begins here, none behind a set.
        let origin = if path.is_empty() { Some(local_asn) } else { path.origin() };
        let mut state = RpkiState::NotFound;
        for (around, _) in self.around(prefix) {
            if origin.is_some_and(|asn| asn != 0 && self.allows(around, asn, prefix.length())) {
                return RpkiState::Valid;
            }
            state = RpkiState::Invalid;
        }
        state
    }

    /// Whether an AS may announce prefixes of a length within exactly this one.
    fn allows(&self, prefix: Ipv6Prefix, asn: u32, length: u8) -> bool {
        let from = Key { prefix, asn, length_max: length };
        let to = Key { prefix, asn, length_max: u8::MAX };
        self.cache_counts.range(from..=to).next().is_some()
    }
}
