//! Prefixes inside another one, by their length: an entry of a prefix list.
//!
//! Owns [`PrefixRange`] and its text form, that of the prefix lists of other routers.
//!
//! *Invariants*: the length of the prefix ≤ the least length ≤ the most ≤ 128.

use crate::base::prefix::{Ipv6Prefix, ParsePrefixError};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// All prefixes inside `prefix` whose length lies between two others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrefixRange {
    prefix: Ipv6Prefix,
    least: u8,
    most: u8,
}

/// Why a text is no range of prefixes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParsePrefixRangeError {
    /// Its prefix is none.
    #[error(transparent)]
    Prefix(#[from] ParsePrefixError),
    /// What stands behind it is not understood.
    #[error("`{0}`: only `ge LENGTH` and `le LENGTH` may follow the prefix")]
    Syntax(String),
    /// A number that is no length of a prefix inside this one.
    #[error("`{text}`: {least} to 128 are the lengths inside {prefix}")]
    Length {
        /// The text as given.
        text: String,
        /// The prefix.
        prefix: Ipv6Prefix,
        /// Its length.
        least: u8,
    },
    /// No length is between the two.
    #[error("`{0}`: no length is both `ge` and `le`")]
    Empty(String),
}

impl PrefixRange {
    /// One prefix and nothing inside it.
    pub const fn exactly(prefix: Ipv6Prefix) -> Self {
        Self { prefix, least: prefix.length(), most: prefix.length() }
    }

    /// The prefix with everything inside it.
    pub const fn all_of(prefix: Ipv6Prefix) -> Self {
        Self { prefix, least: prefix.length(), most: 128 }
    }

    /// Around them all.
    pub const fn prefix(self) -> Ipv6Prefix {
        self.prefix
    }

    /// The least length and the most.
    pub const fn lengths(self) -> (u8, u8) {
        (self.least, self.most)
    }

    /// Whether a prefix is one of them.
    pub const fn contains(self, prefix: Ipv6Prefix) -> bool {
        let length = prefix.length();
        self.prefix.covers(prefix) && self.least <= length && length <= self.most
    }
}

impl fmt::Display for PrefixRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, least, most) = (self.prefix.length(), self.least, self.most);
        let text = match (least == length, most == 128) {
            _ if least == length && most == length => self.prefix.to_string(),
            (true, _) => format!("{} le {most}", self.prefix),
            (false, true) => format!("{} ge {least}", self.prefix),
            (false, false) => format!("{} ge {least} le {most}", self.prefix),
        };
        f.pad(&text)
    }
}

impl FromStr for PrefixRange {
    type Err = ParsePrefixRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_whitespace();
        let prefix: Ipv6Prefix = words.next().unwrap_or(text).parse()?;
        let (mut ge, mut le) = (None, None);
        while let Some(word) = words.next() {
            let bound = match word {
                "ge" if ge.is_none() => &mut ge,
                "le" if le.is_none() => &mut le,
                _ => return Err(ParsePrefixRangeError::Syntax(text.to_owned())),
            };
            let length = words.next().and_then(|word| word.parse::<u8>().ok());
            let is_inside = |length: &u8| (prefix.length()..=128).contains(length);
            *bound = Some(length.filter(is_inside).ok_or_else(|| {
                let (text, least) = (text.to_owned(), prefix.length());
                ParsePrefixRangeError::Length { text, prefix, least }
            })?);
        }
        let least = ge.unwrap_or(prefix.length());
        let most = le.unwrap_or(if ge.is_some() { 128 } else { prefix.length() });
        if least > most {
            return Err(ParsePrefixRangeError::Empty(text.to_owned()));
        }
        Ok(Self { prefix, least, most })
    }
}

impl TryFrom<String> for PrefixRange {
    type Error = ParsePrefixRangeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PrefixRange> for String {
    fn from(range: PrefixRange) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(range: &str, prefix: &str) -> bool {
        range.parse::<PrefixRange>().unwrap().contains(prefix.parse().unwrap())
    }

    #[test]
    fn bounds_mean_what_they_mean_in_prefix_lists() {
        assert!(has("2001:db8::/32", "2001:db8::/32") && !has("2001:db8::/32", "2001:db8::/33"));
        assert!(has("2001:db8::/32 le 48", "2001:db8:1::/48"));
        assert!(!has("2001:db8::/32 le 48", "2001:db8:1::/49"));
        assert!(has("2001:db8::/32 ge 48", "2001:db8::1/128"));
        assert!(!has("2001:db8::/32 ge 48", "2001:db8::/47"));
        assert!(has("2000::/3 ge 16 le 48", "2001:db8::/32"));
        assert!(!has("2000::/3 ge 16 le 48", "fd00::/32"));
        assert!(has("::/0", "::/0") && !has("::/0", "2000::/3") && has("::/0 le 128", "fd00::/8"));
    }

    #[test]
    fn ranges_print_as_they_are_read() {
        for text in ["::/0", "::/0 le 48", "2000::/3 ge 16 le 48", "fd00::/8 ge 48", "::1/128"] {
            assert_eq!(text.parse::<PrefixRange>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<PrefixRange>().unwrap_err().to_string();
        assert!(
            refused("2001:db8::/32 ge 16")
                .ends_with("32 to 128 are the lengths inside 2001:db8::/32")
        );
        assert!(refused("2001:db8::/32 ge 48 le 40").ends_with("no length is both `ge` and `le`"));
        assert!(refused("2001:db8::/32{32,48}").contains("length after the slash"));
        assert!(refused("2001:db8::/32 or 48").contains("only `ge LENGTH`"));
        assert!(refused("2001:db8::/32 le").contains("32 to 128"));
        assert!(refused("").contains("is not an IPv6 prefix"));
    }
}
