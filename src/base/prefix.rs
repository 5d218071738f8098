//! IPv6 prefixes: an address range whose length is a power of two.
//!
//! Owns [`Ipv6Prefix`], its text form and its order. Longest-prefix match belongs to `fib`.
//!
//! *Invariants*: bits beyond the length are zero, the length is at most 128.
//! *Standards*: RFC 4291 §2.3 (text form).

use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// An IPv6 prefix. Ordered by address, then by length: a covering prefix comes before its parts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ipv6Prefix {
    bits: u128,
    length: u8,
}

/// Why a text is not a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePrefixError {
    /// No slash, or no address before it.
    #[error("`{0}` is not an IPv6 prefix such as fd00::/48")]
    Syntax(String),
    /// The length is above 128 or no number.
    #[error("`{0}`: the length after the slash must be 0 to 128")]
    Length(String),
    /// Host bits are set; the text names the prefix that was probably meant.
    #[error("`{text}` has bits set after the first {length}; did you mean {meant}?")]
    HostBits {
        /// The text as given.
        text: String,
        /// The length that was given.
        length: u8,
        /// The prefix with those bits cleared.
        meant: Ipv6Prefix,
    },
}

impl Ipv6Prefix {
    /// `::/0`.
    pub const DEFAULT: Self = Self { bits: 0, length: 0 };

    /// The prefix of `length` bits that holds `address`; bits beyond are cleared. Lengths above 128
    /// count as 128.
    pub const fn containing(address: Ipv6Addr, length: u8) -> Self {
        let length = if length > 128 { 128 } else { length };
        Self { bits: address.to_bits() & mask(length), length }
    }

    /// The /128 of one address.
    pub const fn host(address: Ipv6Addr) -> Self {
        Self { bits: address.to_bits(), length: 128 }
    }

    /// The first address.
    pub const fn address(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.bits)
    }

    /// The first address as a number.
    pub const fn bits(self) -> u128 {
        self.bits
    }

    /// The last address as a number.
    pub const fn last_bits(self) -> u128 {
        self.bits | !mask(self.length)
    }

    /// The length in bits, 0 to 128.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Whether `address` lies inside.
    pub const fn contains(self, address: Ipv6Addr) -> bool {
        address.to_bits() & mask(self.length) == self.bits
    }

    /// Whether `other` lies wholly inside (a prefix covers itself).
    pub const fn covers(self, other: Self) -> bool {
        self.length <= other.length && other.bits & mask(self.length) == self.bits
    }
}

/// The first `length` bits set; `length` is at most 128.
pub const fn mask(length: u8) -> u128 {
    match length {
        0 => 0,
        length => u128::MAX << (128 - length),
    }
}

impl fmt::Display for Ipv6Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.address(), self.length))
    }
}

impl fmt::Debug for Ipv6Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Ipv6Prefix {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) =
            text.split_once('/').ok_or_else(|| ParsePrefixError::Syntax(text.to_owned()))?;
        let address: Ipv6Addr =
            address.parse().map_err(|_| ParsePrefixError::Syntax(text.to_owned()))?;
        let length: u8 = length
            .parse()
            .ok()
            .filter(|length| *length <= 128)
            .ok_or_else(|| ParsePrefixError::Length(text.to_owned()))?;
        let prefix = Self::containing(address, length);
        if prefix.address() != address {
            return Err(ParsePrefixError::HostBits {
                text: text.to_owned(),
                length,
                meant: prefix,
            });
        }
        Ok(prefix)
    }
}

impl TryFrom<String> for Ipv6Prefix {
    type Error = ParsePrefixError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Ipv6Prefix> for String {
    fn from(prefix: Ipv6Prefix) -> Self {
        prefix.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["::/0", "fd00::/48", "2001:db8::1/128"] {
            assert_eq!(text.parse::<Ipv6Prefix>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn host_bits_are_refused_with_what_was_meant() {
        let error = "fd00::1/48".parse::<Ipv6Prefix>().unwrap_err();
        assert!(error.to_string().ends_with("did you mean fd00::/48?"), "{error}");
    }

    #[test]
    fn wrong_lengths_are_refused() {
        assert!(matches!("::/129".parse::<Ipv6Prefix>(), Err(ParsePrefixError::Length(_))));
        assert!(matches!("::".parse::<Ipv6Prefix>(), Err(ParsePrefixError::Syntax(_))));
    }

    #[test]
    fn covering_prefixes_sort_before_their_parts() {
        let wide: Ipv6Prefix = "fd00::/8".parse().unwrap();
        let narrow: Ipv6Prefix = "fd00::/48".parse().unwrap();
        assert!(wide < narrow && wide.covers(narrow) && !narrow.covers(wide));
        assert_eq!(wide.last_bits() >> 120, 0xfd);
    }
}
