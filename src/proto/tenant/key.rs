//! What both ends of a pseudowire derive from the key of the cluster, so that nothing secret is
//! flooded.
//!
//! Owns [`ClusterKey`]. Frames from a sender to a receiver bear the session id and the cookie
//!
//! ```text
//!  id     = HMAC(key, "session\0" ‖ tenant ‖ sender ‖ receiver ‖ salt ‖ format)  first word but 0
//!  cookie = HMAC(key, "cookie\0\0" ‖ tenant ‖ sender ‖ receiver ‖ epoch)         first octets
//! ```
//!
//! with the key HMAC(secret of the cluster, "kumiki tenants 1").
//!
//! The epoch is the one that the receiver announces for the tenant: a sender uses what the receiver
//! says, and the receiver takes what it has said. The id does not depend on it, so that the packet
//! path has one session while cookies change. It depends on the format that the receiver announces:
//! a frame that was sent before that changed is for no session, and not read as what it is not. The
//! salt is zero unless the receiver says otherwise
//! for this sender, because it has another session with that id.
//!
//! *Invariants*: numbers are 32 bits, big-endian, and the format is its four octets in the LSA; the
//! label says how long an input is, so that no two are read alike. An id is never zero.
//! *Standards*: RFC 2104 with SHA-256 (FIPS 180-4); RFC 3931 §8.2 (a cookie is to be hard to
//! guess).

use super::limits::KEY_OCTETS_MIN;
use crate::base::ids::{RouterId, TenantId};
use crate::wire::l2tp::{Cookie, SessionId};
use crate::wire::ospf::{CookieLength, TenantFormat};
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Octets of a sum.
const SUM_OCTETS: usize = 32;
/// What the key of this use is derived with, so that other uses of the cluster key have others.
const USE: &[u8] = b"kumiki tenants 1";
const LABEL_SESSION: &[u8; 8] = b"session\0";
const LABEL_COOKIE: &[u8; 8] = b"cookie\0\0";

/// Frames of one tenant from one router to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Whose frames.
    pub tenant: TenantId,
    /// Who sends them.
    pub sender: RouterId,
    /// Who takes them.
    pub receiver: RouterId,
}

/// What ids and cookies of tenants are derived from; the same on every member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClusterKey([u8; SUM_OCTETS]);

impl ClusterKey {
    /// The key for tenants from the secret of the cluster; `None` where that is shorter than
    /// [`KEY_OCTETS_MIN`] octets.
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= KEY_OCTETS_MIN).then(|| Self(sum(secret, &[USE], &[])))
    }

    /// The id of a session.
    pub fn session_id(&self, direction: Direction, format: TenantFormat, salt: u32) -> SessionId {
        let sum = self.of(LABEL_SESSION, direction, &[&salt.to_be_bytes(), &format.octets()]);
        let (words, _) = sum.as_chunks::<4>();
        let ids = words.iter().filter_map(|word| SessionId::new(u32::from_be_bytes(*word)));
        let Some(id) = ids.chain(SessionId::new(1)).next() else {
            unreachable!("one is not zero");
        };
        id
    }

    /// The cookie of a session.
    pub fn cookie(&self, direction: Direction, epoch: u32, length: CookieLength) -> Cookie {
        let sum = self.of(LABEL_COOKIE, direction, &[&epoch.to_be_bytes()]);
        let Some(cookie) = sum.get(..length.octets()).and_then(Cookie::new) else {
            unreachable!("a sum is longer than a cookie");
        };
        cookie
    }

    fn of(&self, label: &[u8; 8], direction: Direction, rest: &[&[u8]]) -> [u8; SUM_OCTETS] {
        let Direction { tenant, sender, receiver } = direction;
        let numbers = [tenant.0, sender.0, receiver.0].map(u32::to_be_bytes);
        sum(&self.0, &[label, numbers.as_flattened()], rest)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey")
    }
}

fn sum(key: &[u8], first: &[&[u8]], rest: &[&[u8]]) -> [u8; SUM_OCTETS] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("RFC 2104 has keys of any length");
    };
    first.iter().chain(rest).for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::l2tp::{Sequencing, Sublayer};
    use crate::wire::ospf::TenantCarrier;

    const DIRECTION: Direction = Direction {
        tenant: TenantId(10),
        sender: RouterId(0x0a00_0003),
        receiver: RouterId(0x0a00_0007),
    };

    const FORMAT: TenantFormat = TenantFormat {
        carrier: TenantCarrier::UdpZero,
        cookie: CookieLength::Four,
        sublayer: Sublayer::Default,
        sequencing: Sequencing::NonIp,
    };

    fn key() -> ClusterKey {
        ClusterKey::new(b"wood without nails, seven times").unwrap()
    }

    #[test]
    fn ids_and_cookies_are_those_of_another_implementation() {
        // hmac and hashlib of Python.
        assert_eq!(key().session_id(DIRECTION, FORMAT, 0).get(), 0xbe13_2c83);
        let cookie = key().cookie(DIRECTION, 258, CookieLength::Eight);
        assert_eq!(cookie.as_slice(), [0x7a, 0x55, 0x2c, 0x35, 0x69, 0x4c, 0x1e, 0x61]);
    }

    #[test]
    fn a_shorter_cookie_is_the_beginning_of_the_longer_one() {
        let of = |length| key().cookie(DIRECTION, 1, length);
        let eight = of(CookieLength::Eight);
        assert_eq!(of(CookieLength::Four).as_slice(), &eight.as_slice()[..4]);
        assert!(of(CookieLength::None).is_empty());
    }

    #[test]
    fn every_number_counts() {
        let others = [
            Direction { tenant: TenantId(11), ..DIRECTION },
            Direction { sender: RouterId(0x0a00_0004), ..DIRECTION },
            Direction { receiver: RouterId(0x0a00_0008), ..DIRECTION },
            Direction { sender: DIRECTION.receiver, receiver: DIRECTION.sender, ..DIRECTION },
        ];
        let (id, cookie) = (
            key().session_id(DIRECTION, FORMAT, 5),
            key().cookie(DIRECTION, 5, CookieLength::Eight),
        );
        for other in others {
            assert_ne!(key().session_id(other, FORMAT, 5), id);
            assert_ne!(key().cookie(other, 5, CookieLength::Eight), cookie);
        }
        assert_ne!(key().session_id(DIRECTION, FORMAT, 6), id);
        assert_ne!(key().cookie(DIRECTION, 6, CookieLength::Eight), cookie);
        let numbered = TenantFormat { sequencing: Sequencing::All, ..FORMAT };
        assert_ne!(key().session_id(DIRECTION, numbered, 5), id);
        let other = ClusterKey::new(b"wood without nails, eight times").unwrap();
        assert_ne!(other.session_id(DIRECTION, FORMAT, 5), id);
    }

    #[test]
    fn a_short_secret_is_no_key_and_none_is_shown() {
        assert_eq!(ClusterKey::new(b"fifteen octets."), None);
        assert!(ClusterKey::new(b"sixteen octets..").is_some());
        assert_eq!(format!("{:?}", key()), "ClusterKey");
    }
}
