//! Whether the AS in which a route begins may announce its prefix.
//!
//! Owns [`Vrps`], the validated ROA payloads of all caches, and what they say of a route. Where
//! they come from is others': without any, nothing is found.
//!
//! *Invariants*: a payload holds as long as one cache says so; which one does not matter (RFC 8210
//! §10). One change costs a search, whatever the size of the table.
//! *Standards*: RFC 6811 §2 (states, and the AS of a route without one), RFC 6482 §4.

use super::limits::VRPS_MAX;
use crate::base::prefix::Ipv6Prefix;
use crate::base::prefix_map::PrefixMap;
use crate::wire::bgp::AsPath;

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

/// Who may announce prefixes inside of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allowed {
    length_max: u8,
    asn: u32,
    /// Caches that say so.
    cache_count: u16,
}

/// All payloads of all caches.
#[derive(Clone, Debug, Default)]
pub struct Vrps {
    allowed: PrefixMap<Vec<Allowed>>,
    count: usize,
}

impl Vrps {
    /// These payloads.
    pub fn new(payloads: &[ValidatedPrefix]) -> Result<Self, TooManyVrps> {
        let mut vrps = Self::default();
        for payload in payloads {
            vrps.announce(*payload)?;
        }
        Ok(vrps)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A cache announces a payload; says whether it is the first one to.
    pub fn announce(&mut self, payload: ValidatedPrefix) -> Result<bool, TooManyVrps> {
        let ValidatedPrefix { prefix, length_max, asn } = payload;
        let new = Allowed { length_max, asn, cache_count: 1 };
        let is_it = |one: &&mut Allowed| one.length_max == length_max && one.asn == asn;
        let held = self.allowed.get_mut(prefix);
        if let Some(held) = held.and_then(|all| all.iter_mut().find(is_it)) {
            held.cache_count = held.cache_count.saturating_add(1);
            return Ok(false);
        }
        if self.count >= VRPS_MAX {
            return Err(TooManyVrps(self.count + 1));
        }
        self.count += 1;
        match self.allowed.get_mut(prefix) {
            Some(all) => all.push(new),
            None => {
                self.allowed.insert(prefix, vec![new]);
            }
        }
        Ok(true)
    }

    /// A cache withdraws one; says whether it was the last one to have it.
    pub fn withdraw(&mut self, payload: ValidatedPrefix) -> bool {
        let ValidatedPrefix { prefix, length_max, asn } = payload;
        let Some(all) = self.allowed.get_mut(prefix) else { return false };
        let is_it = |one: &Allowed| one.length_max == length_max && one.asn == asn;
        let Some(at) = all.iter().position(is_it) else { return false };
        let Some(held) = all.get_mut(at) else { return false };
        held.cache_count -= 1;
        if held.cache_count > 0 {
            return false;
        }
        all.swap_remove(at);
        self.count -= 1;
        if all.is_empty() {
            self.allowed.remove(prefix);
        }
        true
    }

    /// Those behind a prefix, in order; all of one prefix stand together.
    pub fn behind(&self, after: Option<Ipv6Prefix>) -> impl Iterator<Item = ValidatedPrefix> {
        self.allowed.behind(after).flat_map(|(prefix, all)| payloads(prefix, all))
    }

    /// Those that say something of a prefix, the nearest first.
    pub fn around(&self, prefix: Ipv6Prefix) -> impl Iterator<Item = ValidatedPrefix> {
        self.allowed.around(prefix).flat_map(|(prefix, all)| payloads(prefix, all))
    }

    /// What they say of a route with this path, received or made in `local_asn`.
    pub fn state(&self, prefix: Ipv6Prefix, path: &AsPath, local_asn: u32) -> RpkiState {
        // RFC 6811 §2: the last AS; our own where the route begins here, none behind a set.
        let origin = if path.is_empty() { Some(local_asn) } else { path.origin() };
        let mut state = RpkiState::NotFound;
        for ValidatedPrefix { length_max, asn, .. } in self.around(prefix) {
            if asn != 0 && Some(asn) == origin && prefix.length() <= length_max {
                return RpkiState::Valid;
            }
            state = RpkiState::Invalid;
        }
        state
    }
}

fn payloads(prefix: Ipv6Prefix, all: &[Allowed]) -> impl Iterator<Item = ValidatedPrefix> {
    all.iter().map(move |one| {
        let Allowed { length_max, asn, .. } = *one;
        ValidatedPrefix { prefix, length_max, asn }
    })
}
