//! Communities: marks that routes carry.
//!
//! *Standards*: RFC 1997 (with its well-known ones), RFC 7999 §5 (BLACKHOLE), RFC 8326 §4
//! (GRACEFUL_SHUTDOWN), RFC 4360 §2, RFC 8092 §3 and §5.

use core::fmt;
use core::str::FromStr;

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

/// RFC 4360 §2: eight octets, the first one or two a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub u64);

impl ExtendedCommunity {
    /// §2: whether it goes into other ASes.
    pub const fn is_transitive(self) -> bool {
        self.0 >> 62 & 1 == 0
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:016x}", self.0))
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
