//! Random values that nobody may guess, from one key.
//!
//! Owns [`Entropy`]: nonces, random vectors, tie breakers and names of connections of one peer. The
//! key is the operating system's, through `daemon`; a simulation gives one made of its seed.
//!
//! *Invariants*: no value is given out twice; the same key gives the same values in the same order.
//! *Standards*: RFC 3931 §5.4.1 (nonce and vector "MUST contain a cryptographically random value").
//! They are sums of HMAC-SHA-1 (RFC 2104) over a counter.

use super::limits::NONCE_OCTETS;
use crate::wire::l2tp::ConnectionId;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Octets of a key.
pub const KEY_OCTETS: usize = 32;

/// A source of random values; one a peer.
#[derive(Clone)]
pub(super) struct Entropy {
    key: [u8; KEY_OCTETS],
    count: u64,
}

impl Entropy {
    pub(super) const fn new(key: [u8; KEY_OCTETS]) -> Self {
        Self { key, count: 0 }
    }

    /// A nonce or a random vector.
    pub(super) fn nonce(&mut self) -> [u8; NONCE_OCTETS] {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&self.key) else {
            unreachable!("RFC 2104 has keys of any length");
        };
        mac.update(&self.count.to_be_bytes());
        self.count += 1;
        let mut nonce = [0; NONCE_OCTETS];
        for (octet, value) in nonce.iter_mut().zip(mac.finalize().into_bytes()) {
            *octet = value;
        }
        nonce
    }

    /// A tie breaker.
    pub(super) fn number(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.nonce();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The name of a connection. It is hard to guess, which keeps those out who cannot look on.
    pub(super) fn connection_id(&mut self) -> ConnectionId {
        loop {
            let [a, b, c, d, ..] = self.nonce();
            if let Some(id) = ConnectionId::new(u32::from_be_bytes([a, b, c, d])) {
                return id;
            }
        }
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entropy({} given out)", self.count)
    }
}
