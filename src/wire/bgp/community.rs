//! Communities: marks that routes carry.
//!
//! Owns [`ExtendedCommunity`]; the two that configurations write as well are words of the house.
//!
//! *Standards*: RFC 1997, RFC 4360 §2, RFC 8092.

pub use crate::base::community::{Community, LargeCommunity, ParseCommunityError};
use core::fmt;

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
