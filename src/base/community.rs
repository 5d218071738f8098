//! Communities as people write them, and patterns of them.
//!
//! Owns [`Community`] and [`LargeCommunity`] with their text form, and [`CommunityPattern`], which
//! a configuration matches and removes them by. How they travel belongs to `wire::bgp`.
//!
//! *Invariants*: printing and reading again gives the same value; the first number of a range is
//! not above the last.
//! *Standards*: RFC 1997 (with its well-known ones), RFC 7999 §5 (BLACKHOLE), RFC 8326 §4
//! (GRACEFUL_SHUTDOWN), RFC 8092 §3 and §5.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Text that is no community.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no {1}")]
pub struct ParseCommunityError(String, &'static str);

/// RFC 1997: four octets, by custom an AS and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// RFC 8326 §4: this way is about to end; prefer others.
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    /// RFC 7999 §5: discard what goes there.
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    /// RFC 1997: not beyond this AS (or confederation).
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// RFC 1997: to nobody.
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// RFC 1997: not beyond this AS, members of a confederation not excepted.
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);

    /// Those with a name.
    pub const NAMED: [(Self, &'static str); 5] = [
        (Self::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
        (Self::BLACKHOLE, "blackhole"),
        (Self::NO_EXPORT, "no-export"),
        (Self::NO_ADVERTISE, "no-advertise"),
        (Self::NO_EXPORT_SUBCONFED, "no-export-subconfed"),
    ];
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMED.iter().find(|(community, _)| community == self) {
            Some((_, name)) => f.pad(name),
            None => f.pad(&format!("{}:{}", self.0 >> 16, self.0 & 0xffff)),
        }
    }
}

impl FromStr for Community {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((community, _)) = Self::NAMED.iter().find(|(_, name)| *name == text) {
            return Ok(*community);
        }
        let parts = text.split_once(':').and_then(|(asn, value)| {
            Some((u32::from(asn.parse::<u16>().ok()?), u32::from(value.parse::<u16>().ok()?)))
        });
        let (asn, value) = parts.ok_or_else(|| {
            let what = "community such as 64500:7 or no-export";
            ParseCommunityError(text.to_owned(), what)
        })?;
        Ok(Self(asn << 16 | value))
    }
}

/// RFC 8092 §3: three numbers of four octets, the first an AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity(pub [u32; 3]);

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [asn, one, other] = self.0;
        f.pad(&format!("{asn}:{one}:{other}"))
    }
}

impl FromStr for LargeCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Result<Vec<u32>, _> = text.split(':').map(str::parse).collect();
        let numbers = parts.ok().and_then(|parts| parts.try_into().ok());
        numbers.map(Self).ok_or_else(|| {
            ParseCommunityError(text.to_owned(), "large community such as 64500:1:2")
        })
    }
}

/// A community of either kind: two numbers are a standard one, three a large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AnyCommunity {
    /// RFC 1997.
    Standard(Community),
    /// RFC 8092.
    Large(LargeCommunity),
}

impl fmt::Display for AnyCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(community) => fmt::Display::fmt(community, f),
            Self::Large(community) => fmt::Display::fmt(community, f),
        }
    }
}

impl FromStr for AnyCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let standard = text.parse().map(Self::Standard);
        let either = standard.or_else(|_| text.parse().map(Self::Large));
        either.map_err(|_: ParseCommunityError| {
            let what = "community such as 64500:7, 64500:1:2 or no-export";
            ParseCommunityError(text.to_owned(), what)
        })
    }
}

impl TryFrom<String> for AnyCommunity {
    type Error = ParseCommunityError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AnyCommunity> for String {
    fn from(community: AnyCommunity) -> Self {
        community.to_string()
    }
}

/// Numbers from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumberRange {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

impl NumberRange {
    /// All of them.
    pub const ALL: Self = Self { first: 0, last: u32::MAX };

    /// One number.
    pub const fn one(number: u32) -> Self {
        Self { first: number, last: number }
    }

    /// Whether a number is among them.
    pub const fn contains(self, number: u32) -> bool {
        self.first <= number && number <= self.last
    }

    /// `7` or `7-9`, none of them above `most`.
    pub fn parse(text: &str, most: u32) -> Option<Self> {
        // `+7` is a number for Rust and none for people.
        let number = |text: &str| {
            let is_plain = text.starts_with(|letter: char| letter.is_ascii_digit());
            text.parse::<u32>().ok().filter(|number| is_plain && *number <= most)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then_some(Self { first, last })
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        match first == last {
            true => write!(f, "{first}"),
            false => write!(f, "{first}-{last}"),
        }
    }
}

/// Communities that have something in common: each number is one, a range or any (`*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CommunityPattern {
    /// Of standard communities.
    Standard([NumberRange; 2]),
    /// Of large communities.
    Large([NumberRange; 3]),
}

/// All numbers of a standard community.
const SHORT: NumberRange = NumberRange { first: 0, last: 0xffff };

impl CommunityPattern {
    /// Whether a standard community is one of them.
    pub fn has(&self, community: Community) -> bool {
        let Self::Standard([asn, value]) = self else { return false };
        asn.contains(community.0 >> 16) && value.contains(community.0 & 0xffff)
    }

    /// Whether a large community is one of them.
    pub fn has_large(&self, community: LargeCommunity) -> bool {
        let Self::Large(ranges) = self else { return false };
        ranges.iter().zip(community.0).all(|(range, number)| range.contains(number))
    }
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |range: &NumberRange, all: NumberRange| match *range == all {
            true => "*".to_owned(),
            false => range.to_string(),
        };
        match self {
            Self::Standard([asn, value]) => {
                if asn.first == asn.last && value.first == value.last {
                    return fmt::Display::fmt(&Community(asn.first << 16 | value.first), f);
                }
                f.pad(&format!("{}:{}", part(asn, SHORT), part(value, SHORT)))
            }
            Self::Large(ranges) => {
                let parts = ranges.iter().map(|range| part(range, NumberRange::ALL));
                f.pad(&parts.collect::<Vec<_>>().join(":"))
            }
        }
    }
}

impl FromStr for CommunityPattern {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(Community(number)) = text.parse() {
            let parts = [number >> 16, number & 0xffff];
            return Ok(Self::Standard(parts.map(NumberRange::one)));
        }
        let parts: Vec<&str> = text.split(':').collect();
        let all = if parts.len() == 2 { SHORT } else { NumberRange::ALL };
        let range = |part: &&str| match *part {
            "*" => Some(all),
            part => NumberRange::parse(part, all.last),
        };
        let ranges: Option<Vec<_>> = parts.iter().map(range).collect();
        let pattern = match ranges.as_deref() {
            Some([asn, value]) => Some(Self::Standard([*asn, *value])),
            Some([asn, one, other]) => Some(Self::Large([*asn, *one, *other])),
            _ => None,
        };
        pattern.ok_or_else(|| {
            let what = "community such as 64500:7, 64500:*, 64500:1:2 or no-export";
            ParseCommunityError(text.to_owned(), what)
        })
    }
}

impl TryFrom<String> for CommunityPattern {
    type Error = ParseCommunityError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CommunityPattern> for String {
    fn from(pattern: CommunityPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_what_they_say() {
        let has = |pattern: &str, community: &str| {
            let pattern: CommunityPattern = pattern.parse().unwrap();
            match community.parse().unwrap() {
                AnyCommunity::Standard(community) => pattern.has(community),
                AnyCommunity::Large(community) => pattern.has_large(community),
            }
        };
        assert!(has("64500:7", "64500:7") && !has("64500:7", "64500:8"));
        assert!(has("64500:*", "64500:8") && !has("64500:*", "64501:8"));
        assert!(has("*:666", "1:666") && has("65535:*", "no-export"));
        assert!(has("64500:100-199", "64500:199") && !has("64500:100-199", "64500:200"));
        assert!(has("64500:1:*", "64500:1:4000000000") && !has("64500:1:*", "64500:2:1"));
        assert!(!has("64500:*", "64500:1:1") && !has("64500:*:*", "64500:1"));
    }

    #[test]
    fn patterns_print_as_they_are_read() {
        for text in ["64500:7", "64500:*", "*:*", "no-export", "1-3:7", "64500:*:9-10", "*:*:*"] {
            assert_eq!(text.parse::<CommunityPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_community_is_refused() {
        for text in ["", "64500", "64500:65536", "64500:9-7", "1:2:3:4", "64500:-", "a:b", "+1:*"] {
            assert!(text.parse::<CommunityPattern>().is_err(), "{text}");
        }
        assert!("64500:*".parse::<AnyCommunity>().is_err());
    }
}
