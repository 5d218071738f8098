//! The digest of a control message: who sent it, and that nothing in it was changed.
//!
//! Owns [`SharedSecret`] (the two keys that come from a password), [`DigestKind`], [`Signer`] and
//! [`check()`]. Who has which nonce, and whether a digest is asked for, belongs to `proto::l2tp`.
//!
//! *Invariants*: digests are compared in a time that does not depend on their octets. The digest
//! stands behind the message type, where RFC 3931 wants it, or it is none.
//! *Standards*: RFC 3931 §4.3, §5.3 (the key for hiding), §5.4.1 (Message Digest), RFC 2104. MD5
//! and SHA-1 are what the RFC has; whoever wants more than they give protects the path. §5.4.1
//! numbers the digest types 0 and 1 where it defines them and 1 and 2 where it says their lengths:
//! the former are those of the registry, and the lengths then follow.

use super::avp::{self, AttributeType, AvpError, Need, RawAvp, RawAvps};
use super::header::{ControlFrame, HEADER_OCTETS};
use crate::base::cursor::Writer;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;

/// Octets of a derived key: those of MD5.
const KEY_OCTETS: usize = 16;
/// Octets of the message type, which stands before the digests.
const MESSAGE_TYPE_OCTETS: usize = avp::HEADER_OCTETS + 2;
/// §5.4.1: "A second Message Digest AVP MAY be present".
const DIGESTS_MAX: usize = 2;
/// What is hashed to derive a key: for hiding (§5.3), for digests (§5.4.1).
const HIDING: u8 = 1;
const DIGEST: u8 = 2;

/// How a digest is made.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DigestKind {
    /// HMAC-MD5, which every end has.
    HmacMd5,
    /// HMAC-SHA-1.
    #[default]
    HmacSha1,
}

impl DigestKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::HmacMd5, Self::HmacSha1];

    const fn number(self) -> u8 {
        match self {
            Self::HmacMd5 => 0,
            Self::HmacSha1 => 1,
        }
    }

    const fn octets(self) -> usize {
        match self {
            Self::HmacMd5 => 16,
            Self::HmacSha1 => 20,
        }
    }

    /// The kind of a value that is as long as its kind.
    fn of(value: &[u8]) -> Option<Self> {
        let number = value.first()?;
        Self::ALL
            .into_iter()
            .find(|kind| kind.number() == *number && kind.octets() + 1 == value.len())
    }
}

/// What both ends make of one password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SharedSecret {
    digest_key: [u8; KEY_OCTETS],
    hiding_key: [u8; KEY_OCTETS],
}

impl SharedSecret {
    /// The keys that come from `password`; it may be empty, and the digest is a check of integrity
    /// then (§4.3).
    pub fn derive(password: &[u8]) -> Self {
        Self { digest_key: derived(password, DIGEST), hiding_key: derived(password, HIDING) }
    }

    /// §5.3: the key for hiding.
    pub(super) const fn hiding_key(&self) -> &[u8; KEY_OCTETS] {
        &self.hiding_key
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret")
    }
}

/// The random values that both ends have told each other; empty in an SCCRQ, which has its own
/// inside, and where there is no authentication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nonces<'a> {
    /// Of the end that sends the message.
    pub sender: &'a [u8],
    /// Of the end that receives it.
    pub receiver: &'a [u8],
}

/// With what a message is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// How.
    pub kind: DigestKind,
    /// With which keys.
    pub secret: &'a SharedSecret,
    /// Between whom.
    pub nonces: Nonces<'a>,
}

/// Why a message is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is none behind the message type.
    #[error("no message digest")]
    Missing,
    /// Its AVP cannot be read.
    #[error(transparent)]
    Avp(#[from] AvpError),
    /// None of them is the one that it has to be.
    #[error("wrong message digest")]
    Wrong,
}

/// Appends the AVP in which [`sign`] puts the digest.
pub(super) fn put(writer: &mut Writer, kind: DigestKind) {
    let mut value = [0; 1 + 20];
    if let Some(first) = value.first_mut() {
        *first = kind.number();
    }
    let value = value.get(..=kind.octets()).unwrap_or_default();
    avp::put(writer, AttributeType::MESSAGE_DIGEST, Need::Mandatory, value);
}

/// Fills in the digest of a whole message, whose first AVPs are its type and a digest of zeros.
pub(super) fn sign(message: &mut [u8], signer: &Signer<'_>) {
    let parts = [signer.nonces.sender, signer.nonces.receiver, message];
    let key = &signer.secret.digest_key;
    let sum = match signer.kind {
        DigestKind::HmacMd5 => hmac::<Hmac<Md5>>(key, &parts),
        DigestKind::HmacSha1 => hmac::<Hmac<Sha1>>(key, &parts),
    };
    let at = HEADER_OCTETS + MESSAGE_TYPE_OCTETS + avp::HEADER_OCTETS + 1;
    let place = message.get_mut(at..at + signer.kind.octets()).unwrap_or_default();
    for (octet, value) in place.iter_mut().zip(sum) {
        *octet = value;
    }
}

/// Checks a message "before utilizing any information contained within": each of its digests with
/// each of the secrets. Returns the secret that was right.
pub fn check<'s>(
    frame: &ControlFrame<'_>,
    secrets: &'s [SharedSecret],
    nonces: Nonces<'_>,
) -> Result<&'s SharedSecret, DigestError> {
    let (found, count) = digests(frame)?;
    if count == 0 {
        return Err(DigestError::Missing);
    }
    // "When calculating a digest for a control message, the Value field for both of the Message
    // Digest AVPs MUST be set to zero": but for the type, which is set "to its proper value".
    let mut cleared = frame.octets.to_vec();
    let mut at = HEADER_OCTETS + MESSAGE_TYPE_OCTETS;
    for value in found.iter().take(count) {
        let start = at + avp::HEADER_OCTETS + 1;
        at += avp::HEADER_OCTETS + value.len();
        cleared.get_mut(start..at).unwrap_or_default().fill(0);
    }
    let mut right = None;
    for value in found.iter().take(count) {
        let Some(kind) = DigestKind::of(value) else { continue };
        let received = value.get(1..).unwrap_or_default();
        for secret in secrets {
            let parts = [nonces.sender, nonces.receiver, &cleared];
            let is_right = match kind {
                DigestKind::HmacMd5 => is_hmac::<Hmac<Md5>>(&secret.digest_key, &parts, received),
                DigestKind::HmacSha1 => is_hmac::<Hmac<Sha1>>(&secret.digest_key, &parts, received),
            };
            if is_right {
                right = Some(secret);
            }
        }
    }
    right.ok_or(DigestError::Wrong)
}

/// Whether a message has a digest where one has to be.
pub fn is_signed(frame: &ControlFrame<'_>) -> bool {
    digests(frame).is_ok_and(|(_, count)| count > 0)
}

/// The values of the digests behind the message type, and how many there are.
fn digests<'a>(frame: &ControlFrame<'a>) -> Result<([&'a [u8]; DIGESTS_MAX], usize), AvpError> {
    let mut found: [&[u8]; DIGESTS_MAX] = [&[]; DIGESTS_MAX];
    let mut avps = RawAvps::new(frame.body);
    let is_type =
        |avp: &RawAvp<'_>| avp.value.len() == 2 && avp.kind == AttributeType::MESSAGE_TYPE;
    match avps.next().transpose()? {
        Some(first) if is_type(&first) => {}
        _ => return Ok((found, 0)),
    }
    let mut count = 0;
    for (place, avp) in found.iter_mut().zip(avps) {
        let avp = avp?;
        if !avp.is(AttributeType::MESSAGE_DIGEST) || avp.is_hidden || avp.value.is_empty() {
            break;
        }
        *place = avp.value;
        count += 1;
    }
    Ok((found, count))
}

/// The nonce in a message that nobody has checked yet: its digest is made with it (§5.4.1).
pub fn nonce<'a>(frame: &ControlFrame<'a>) -> Option<&'a [u8]> {
    let mut avps = RawAvps::new(frame.body).map_while(Result::ok);
    avps.find(|avp| avp.is(AttributeType::NONCE) && !avp.is_hidden).map(|avp| avp.value)
}

/// shared_key = HMAC_MD5 (shared_secret, one octet).
fn derived(password: &[u8], octet: u8) -> [u8; KEY_OCTETS] {
    let mut key = [0; KEY_OCTETS];
    for (place, value) in key.iter_mut().zip(hmac::<Hmac<Md5>>(password, &[&[octet]])) {
        *place = value;
    }
    key
}

fn hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    fed::<M>(key, parts).finalize().into_bytes().to_vec()
}

/// Compares in a time that does not depend on the octets.
fn is_hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]], received: &[u8]) -> bool {
    fed::<M>(key, parts).verify_slice(received).is_ok()
}

fn fed<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> M {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        unreachable!("RFC 2104 has keys of any length");
    };
    for part in parts {
        mac.update(part);
    }
    mac
}
