//! Hidden AVPs: values that only who has the secret can read.
//!
//! Owns [`hide`] and [`unhide`]. Which AVPs may be hidden is said where they are read.
//!
//! *Invariants*: what is unhidden is never longer than what was hidden.
//! *Standards*: RFC 3931 §5.3. It is a stream of MD5 sums, as RFC 2865 has it for passwords: it
//! hides from who looks on, and whoever changes it is found by the digest of the message alone.

use super::avp::{AttributeType, VALUE_OCTETS_MAX};
use super::digest::SharedSecret;
use crate::base::cursor::{Reader, Truncated, Writer};
use md5::{Digest, Md5};

/// Octets of a sum, and so of what is hidden at once.
const BLOCK_OCTETS: usize = 16;

/// The value as it is sent, its length before it and `padding` behind it. What makes it longer than
/// an AVP may be is cut from the padding.
pub fn hide(
    kind: AttributeType,
    value: &[u8],
    padding: &[u8],
    secret: &SharedSecret,
    vector: &[u8],
) -> Vec<u8> {
    let mut clear = Writer::default();
    clear.u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
    clear.put(value);
    clear.put(padding);
    let clear = clear.as_slice();
    let clear = clear.get(..clear.len().min(VALUE_OCTETS_MAX)).unwrap_or_default();
    let mut hidden = Vec::with_capacity(clear.len());
    let mut sum = first_sum(kind, secret, vector);
    for block in clear.chunks(BLOCK_OCTETS) {
        let at = hidden.len();
        hidden.extend(block.iter().zip(sum).map(|(octet, mask)| octet ^ mask));
        sum = next_sum(secret, hidden.get(at..).unwrap_or_default());
    }
    hidden
}

/// The value that was hidden with `vector`, the random vector that stands before it in the message.
pub fn unhide(
    kind: AttributeType,
    hidden: &[u8],
    secret: &SharedSecret,
    vector: &[u8],
) -> Result<Vec<u8>, Truncated> {
    let mut clear = Vec::with_capacity(hidden.len());
    let mut sum = first_sum(kind, secret, vector);
    for block in hidden.chunks(BLOCK_OCTETS) {
        clear.extend(block.iter().zip(sum).map(|(octet, mask)| octet ^ mask));
        sum = next_sum(secret, block);
    }
    let mut reader = Reader::new(&clear);
    let length = reader.u16()?;
    reader.take(usize::from(length)).map(<[u8]>::to_vec)
}

/// b_1 = MD5 (A + S + RV).
fn first_sum(kind: AttributeType, secret: &SharedSecret, vector: &[u8]) -> [u8; BLOCK_OCTETS] {
    let mut md5 = Md5::new();
    md5.update(kind.0.to_be_bytes());
    md5.update(secret.hiding_key());
    md5.update(vector);
    md5.finalize().into()
}

/// b_i = MD5 (S + c_i-1).
fn next_sum(secret: &SharedSecret, hidden: &[u8]) -> [u8; BLOCK_OCTETS] {
    let mut md5 = Md5::new();
    md5.update(secret.hiding_key());
    md5.update(hidden);
    md5.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_hidden_is_found_again_with_the_same_secret_only(
            value in prop::collection::vec(any::<u8>(), 1..80),
            padding in prop::collection::vec(any::<u8>(), 0..20),
            vector in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let kind = AttributeType::ASSIGNED_COOKIE;
            let secret = SharedSecret::derive(b"wood");
            let hidden = hide(kind, &value, &padding, &secret, &vector);
            prop_assert_eq!(hidden.len(), 2 + value.len() + padding.len());
            prop_assert_eq!(unhide(kind, &hidden, &secret, &vector), Ok(value.clone()));
            let other = unhide(kind, &hidden, &SharedSecret::derive(b"nails"), &vector);
            prop_assert_ne!(other, Ok(value));
        }

        #[test]
        fn any_octets_are_unhidden_without_panic(
            hidden in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let secret = SharedSecret::derive(b"");
            let found = unhide(AttributeType::HOST_NAME, &hidden, &secret, &[]);
            prop_assert!(found.map_or(0, |value| value.len()) <= hidden.len());
        }
    }
}
