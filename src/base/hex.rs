//! Octets as hexadecimal digits, two an octet.
//!
//! Owns [`encode`] and [`decode`], and the pair of functions that lets serde write a field of
//! octets so (`#[serde(with = "crate::base::hex")]`): a third of what a list of numbers takes.
//!
//! *Invariants*: `decode(encode(octets))` is `octets`.

use serde::{Deserialize, Deserializer, Serializer};

/// Not hexadecimal digits, two an octet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not hexadecimal digits, two an octet")]
pub struct HexError;

/// The digits, in lower case.
pub fn encode(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

/// The octets of such digits.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().ok_or(HexError)
}

/// For serde.
pub fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(octets))
}

/// For serde.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_become_the_octets_they_were_made_of() {
        let octets: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&octets)), Ok(octets));
        assert_eq!(encode(&[0x0a, 0xf1]), "0af1");
        assert_eq!((decode("0AF1"), decode("")), (Ok(vec![0x0a, 0xf1]), Ok(Vec::new())));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["0", "0g", "é", "0x00", "+1"] {
            assert_eq!(decode(text), Err(HexError), "{text}");
        }
    }
}
