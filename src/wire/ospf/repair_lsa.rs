//! The Repair-LSA: what a router does for the fast repairs of others.
//!
//! Owns [`RepairLsa`], Kumiki's own LSA of area scope. Its type is one for private use, whose body
//! begins with an enterprise number; the U-bit makes routers that do not know it flood it all the
//! same. A body of another enterprise or of a later version is none of ours.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------------------------------+
//! |                       enterprise number                       |
//! +---------------+---------------+-------------------------------+
//! |  version (1)  |     flags     |           reserved            |
//! +---------------+---------------+-------------------------------+
//! |                 endpoint of tunnels, 16 octets                |
//! +---------------------------------------------------------------+
//! |             adjacency addresses, a /112, 16 octets            |
//! +---------------------------------------------------------------+
//! ```
//!
//! *Standards*: RFC 5340 §A.4.2.1 and its IANA registry of function codes 8184 to 8191.

use super::error::{DecodeError, finish};
use crate::base::cursor::{Reader, Writer};
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;

/// The number reserved for examples (RFC 5612), for as long as the project has none of its own.
pub const ENTERPRISE: u32 = 32_473;
/// The version described here.
pub const VERSION: u8 = 1;

/// Length of the prefix of adjacency addresses.
pub const ADJACENCIES_LENGTH: u8 = 112;

/// Octets of the body.
pub const OCTETS: usize = 40;

/// What the router promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RepairFlags(u8);

impl RepairFlags {
    /// O: it takes changes over in order, and repairs every one of its links until then.
    pub const ORDERS: Self = Self(0x01);

    /// From all eight bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// All eight bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A router that ends tunnels of repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairLsa {
    /// What it promises.
    pub flags: RepairFlags,
    /// Packets in tunnels to this address go on by its FIB.
    pub endpoint: Ipv6Addr,
    /// Packets in tunnels to an address of this /112 go out of the interface of that number.
    pub adjacencies: Ipv6Prefix,
}

impl RepairLsa {
    /// The address for the interface of that number; `None` where it does not fit.
    pub fn adjacency_address(&self, interface_id: u32) -> Option<Ipv6Addr> {
        let interface = u16::try_from(interface_id).ok().filter(|id| *id != 0)?;
        Some(Ipv6Addr::from_bits(self.adjacencies.bits() | u128::from(interface)))
    }

    /// `None` for the LSA of another enterprise or of a later version.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (enterprise, version) = (reader.u32()?, reader.u8()?);
        if (enterprise, version) != (ENTERPRISE, VERSION) {
            return Ok(None);
        }
        let flags = RepairFlags::from_bits(reader.u8()?);
        reader.skip(2)?;
        let endpoint = reader.address()?;
        let adjacencies = Ipv6Prefix::containing(reader.address()?, ADJACENCIES_LENGTH);
        finish(&reader)?;
        Ok(Some(Self { flags, endpoint, adjacencies }))
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u32(ENTERPRISE);
        writer.u8(VERSION);
        writer.u8(self.flags.bits());
        writer.u16(0);
        writer.address(self.endpoint);
        writer.address(self.adjacencies.address());
    }
}
