//! Authentication: who may speak, and how packets that come twice are told.
//!
//! Owns the sequence numbers of a session, the making of authentication sections and their check.
//!
//! *Standards*: RFC 5880 §6.7.2 (simple password), §6.7.3 (keyed MD5), §6.7.4 (keyed SHA1), §6.8.1
//! (bfd.RcvAuthSeq, bfd.XmitAuthSeq, bfd.AuthSeqKnown). MD5 and SHA1 are what the RFC has and the
//! peers speak; whoever wants more than they give protects the cable.

use super::input::{Key, KeyKind};
use crate::base::prng::Prng;
use crate::wire::bfd::{Authentication, ControlPacket, DIGEST_OCTETS_MAX, DigestKind, Octets};
use md5::{Digest, Md5};
use sha1::Sha1;

/// Why a packet is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// It is not authenticated, and the session is.
    #[error("not authenticated")]
    Missing,
    /// It is authenticated, and the session is not.
    #[error("authenticated, and the session is not")]
    Unexpected,
    /// Another kind or number of key.
    #[error("another kind or number of key")]
    Key,
    /// A wrong password or digest.
    #[error("wrong password or digest")]
    Digest,
    /// A sequence number that was there before, or is far ahead.
    #[error("sequence number {0} is not due")]
    Sequence(u32),
}

/// The sequence numbers of a session.
#[derive(Clone, Debug)]
pub(super) struct Sequences {
    /// bfd.XmitAuthSeq.
    sent: u32,
    /// bfd.RcvAuthSeq; `None` while bfd.AuthSeqKnown is 0.
    received: Option<u32>,
}

impl Sequences {
    /// §6.8.1: bfd.XmitAuthSeq "MUST be initialized to a random 32-bit value".
    pub(super) fn new(prng: &mut Prng) -> Self {
        let sent = u32::try_from(prng.next_u64() >> 32).unwrap_or_default();
        Self { sent, received: None }
    }

    /// §6.8.1: nothing was heard for twice the detection time.
    pub(super) fn forget_received(&mut self) {
        self.received = None;
    }

    /// The packet with its section, on the wire.
    pub(super) fn sign(&mut self, mut packet: ControlPacket, key: Option<&Key>) -> Octets {
        let Some(key) = key else { return packet.encode() };
        let kind = match key.kind() {
            KeyKind::SimplePassword => {
                packet.authentication = key
                    .password()
                    .map(|password| Authentication::SimplePassword { key_id: key.id(), password });
                return packet.encode();
            }
            KeyKind::Digest(kind) => kind,
        };
        // Meticulous: "MUST be incremented … for each packet"; else it may be.
        self.sent = self.sent.wrapping_add(1);
        packet.authentication = Some(Authentication::Digest {
            kind,
            key_id: key.id(),
            sequence: self.sent,
            digest: [0; DIGEST_OCTETS_MAX],
        });
        let mut octets = packet.encode();
        let digest = digest_of(kind, key, &mut octets);
        let place = octets.digest_mut();
        for (octet, value) in place.iter_mut().zip(digest) {
            *octet = value;
        }
        octets
    }

    /// Checks a packet; when it is authentic its sequence number is the last one.
    pub(super) fn check(
        &mut self,
        packet: &ControlPacket,
        octets: &Octets,
        key: Option<&Key>,
    ) -> Result<(), AuthenticationError> {
        let (section, key) = match (&packet.authentication, key) {
            (None, None) => return Ok(()),
            (None, Some(_)) => return Err(AuthenticationError::Missing),
            (Some(_), None) => return Err(AuthenticationError::Unexpected),
            (Some(section), Some(key)) => (section, key),
        };
        match (section, key.kind()) {
            (Authentication::SimplePassword { key_id, password }, KeyKind::SimplePassword) => {
                if *key_id != key.id() {
                    return Err(AuthenticationError::Key);
                }
                let is_right = key.password().is_some_and(|own| own == *password);
                is_right.then_some(()).ok_or(AuthenticationError::Digest)
            }
            (
                Authentication::Digest { kind, key_id, sequence, digest },
                KeyKind::Digest(own_kind),
            ) if *kind == own_kind => {
                if *key_id != key.id() {
                    return Err(AuthenticationError::Key);
                }
                if !self.is_due(*sequence, *kind, packet.multiplier) {
                    return Err(AuthenticationError::Sequence(*sequence));
                }
                if digest_of(*kind, key, &mut octets.clone()) != *digest {
                    return Err(AuthenticationError::Digest);
                }
                self.received = Some(*sequence);
                Ok(())
            }
            _ => Err(AuthenticationError::Key),
        }
    }

    /// §6.7.3: "If … the Sequence Number lies outside of the range of bfd.RcvAuthSeq to
    /// bfd.RcvAuthSeq+(3*Detect Mult) inclusive …, the received packet MUST be discarded."
    /// Meticulous: from bfd.RcvAuthSeq+1 on.
    fn is_due(&self, sequence: u32, kind: DigestKind, multiplier: u8) -> bool {
        let Some(last) = self.received else { return true };
        let ahead = sequence.wrapping_sub(last);
        ahead >= u32::from(kind.is_meticulous()) && ahead <= 3 * u32::from(multiplier)
    }
}

/// The digest over the packet with the key in the place of the digest, zeros behind it where it is
/// shorter than the longest.
fn digest_of(kind: DigestKind, key: &Key, octets: &mut Octets) -> [u8; DIGEST_OCTETS_MAX] {
    for (octet, value) in octets.digest_mut().iter_mut().zip(key.padded(kind)) {
        *octet = *value;
    }
    let mut digest = [0; DIGEST_OCTETS_MAX];
    let mut fill = |made: &[u8]| {
        for (octet, value) in digest.iter_mut().zip(made) {
            *octet = *value;
        }
    };
    match kind {
        DigestKind::KeyedMd5 | DigestKind::MeticulousKeyedMd5 => {
            fill(&Md5::digest(octets.as_slice()));
        }
        DigestKind::KeyedSha1 | DigestKind::MeticulousKeyedSha1 => {
            fill(&Sha1::digest(octets.as_slice()));
        }
    }
    digest
}
