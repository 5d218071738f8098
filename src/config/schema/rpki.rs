//! `[rpki]`: who says which AS may announce which prefix.
//!
//! Owns the values and the tables of their keys. What follows from it for routes is said by
//! policies (`match.rpki`); without a policy that asks, nothing follows.
//!
//! *Standards*: RFC 8210 §6 (times), §10 (several caches by preference).

use super::feed;
use super::keys::{BlockDoc, KeyDoc, KeyKind};
use crate::base::time::Duration;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// `[rpki]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpkiSettings {
    /// Instead of the refresh interval that caches send.
    pub refresh_time: Option<Duration>,
    /// Instead of the retry interval that caches send.
    pub retry_time: Option<Duration>,
    /// Instead of the expire interval that caches send.
    pub expire_time: Option<Duration>,
    /// `[[rpki.cache]]`.
    pub caches: Vec<RpkiCache>,
}

/// A cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpkiCache {
    /// Its address.
    pub address: Ipv6Addr,
    /// Its port. Default: 323.
    pub port: u16,
    /// What it is called. Default: its address and port.
    pub name: Option<String>,
    /// The lower, the sooner it is used. Default: 1.
    pub preference: u8,
}

impl RpkiCache {
    /// The one at this address with the usual settings.
    pub const fn at(address: Ipv6Addr) -> Self {
        Self { address, port: RTR_PORT, name: None, preference: 1 }
    }

    /// What it is called.
    pub fn label(&self) -> String {
        feed::label(self.name.as_deref(), (self.address, self.port))
    }
}

/// RFC 8210 §14: the port of a cache that speaks TCP alone.
pub const RTR_PORT: u16 = 323;
/// Caches: each is a session, and two do for most.
pub const RPKI_CACHES_MAX: usize = 16;

/// The keys of `[rpki]`.
pub const RPKI: BlockDoc = BlockDoc {
    name: "rpki",
    is_list: false,
    help: "Origin validation (RFC 6811): caches say which AS may announce which prefix, and \
           policies with `match.rpki` say what follows. This block is needed only for times of \
           all caches that are not what the caches say themselves.",
    keys: &[
        KeyDoc {
            name: "refresh_time",
            kind: KeyKind::Integer { minimum: 1, maximum: 86_400 },
            unit: "seconds",
            default: "as the cache says, else 3600",
            needs_restart: false,
            help: "How often caches are asked for news where they send no notes.",
        },
        KeyDoc {
            name: "retry_time",
            kind: KeyKind::Integer { minimum: 1, maximum: 7200 },
            unit: "seconds",
            default: "as the cache says, else 600",
            needs_restart: false,
            help: "The longest wait before a cache is tried again after a failure; the first waits \
                   are shorter.",
        },
        KeyDoc {
            name: "expire_time",
            kind: KeyKind::Integer { minimum: 600, maximum: 172_800 },
            unit: "seconds",
            default: "as the cache says, else 7200",
            needs_restart: false,
            help: "How long the data of a cache hold when it is gone. Without data every route is \
                   `not_found`.",
        },
    ],
};

/// The keys of `[[rpki.cache]]`.
pub const RPKI_CACHE: BlockDoc = BlockDoc {
    name: "rpki.cache",
    is_list: true,
    help: "A validating cache (Routinator, rpki-client with StayRTR, FORT, GoRTR) that is asked \
           over RPKI-RTR. Payloads of all caches that are used count together.",
    keys: &[
        KeyDoc {
            name: "address",
            kind: KeyKind::Address,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Address of the cache, reached as this host reaches it: through the router or \
                   by an interface of the host's own.",
        },
        KeyDoc {
            name: "port",
            kind: KeyKind::Integer { minimum: 1, maximum: 65_535 },
            unit: "",
            default: "323",
            needs_restart: false,
            help: "Its TCP port; many caches listen on 3323 or 8282.",
        },
        KeyDoc {
            name: "name",
            kind: KeyKind::Text,
            unit: "",
            default: "its address and port",
            needs_restart: false,
            help: "What it is called in `show rpki` and in events.",
        },
        KeyDoc {
            name: "preference",
            kind: KeyKind::Integer { minimum: 0, maximum: 255 },
            unit: "",
            default: "1",
            needs_restart: false,
            help: "The lower, the sooner it is used. Those of one number are used together; those \
                   of a higher one only while none of a lower one has data.",
        },
    ],
};
