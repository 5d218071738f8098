//! The Router-LSA (RFC 5340 §A.4.3). A router may originate several; together they are one.

use super::error::{DecodeError, count_left};
use super::options::Options;
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;

/// Octets before the first link.
pub const FIXED_OCTETS: usize = 4;
/// RFC 6987 §2: MaxLinkMetric, of a link that is used where there is no other.
pub const METRIC_MAX: u16 = 0xffff;
/// Octets of one link.
pub const LINK_OCTETS: usize = 16;

/// What kind of router it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouterFlags(u8);

impl RouterFlags {
    /// B: area border router.
    pub const BORDER: Self = Self(0x01);
    /// E: AS boundary router.
    pub const EXTERNAL: Self = Self(0x02);
    /// V: endpoint of virtual links.
    pub const VIRTUAL: Self = Self(0x04);
    /// Nt: NSSA translator.
    pub const TRANSLATOR: Self = Self(0x10);

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

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterLinkType {
    /// Type 1: another router.
    PointToPoint,
    /// Type 2: a transit network; neighbour fields name its Designated Router.
    Transit,
    /// Type 4: a virtual link.
    Virtual,
    /// Anything else: ignored.
    Other(u8),
}

impl RouterLinkType {
    const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::PointToPoint,
            2 => Self::Transit,
            4 => Self::Virtual,
            other => Self::Other(other),
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::PointToPoint => 1,
            Self::Transit => 2,
            Self::Virtual => 4,
            Self::Other(other) => other,
        }
    }
}

/// One link of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterLink {
    /// What it leads to.
    pub link_type: RouterLinkType,
    /// Output cost.
    pub metric: u16,
    /// Interface ID here.
    pub interface_id: u32,
    /// Interface ID there.
    pub neighbor_interface_id: u32,
    /// The router there.
    pub neighbor_router_id: RouterId,
}

/// The links of a router within one area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterLsa {
    /// What kind of router it is.
    pub flags: RouterFlags,
    /// What it can do; without R and V6 nobody routes through it.
    pub options: Options,
    /// Its links.
    pub links: Vec<RouterLink>,
}

impl RouterLsa {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let flags = RouterFlags::from_bits(reader.u8()?);
        let options = Options::from_bits(reader.u24()?);
        let count = count_left(&reader, LINK_OCTETS)?;
        let mut links = Vec::with_capacity(count);
        for _ in 0..count {
            let link_type = RouterLinkType::from_number(reader.u8()?);
            reader.skip(1)?;
            links.push(RouterLink {
                link_type,
                metric: reader.u16()?,
                interface_id: reader.u32()?,
                neighbor_interface_id: reader.u32()?,
                neighbor_router_id: RouterId(reader.u32()?),
            });
        }
        Ok(Self { flags, options, links })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.flags.bits());
        writer.u24(self.options.bits());
        for link in &self.links {
            writer.u8(link.link_type.number());
            writer.u8(0);
            writer.u16(link.metric);
            writer.u32(link.interface_id);
            writer.u32(link.neighbor_interface_id);
            writer.u32(link.neighbor_router_id.0);
        }
    }
}
