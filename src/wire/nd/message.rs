//! The five messages of Neighbour Discovery.
//!
//! Owns [`NdMessage`] and its parts, without addresses of the IPv6 header. Checks that need those
//! belong to [`super::packet`].
//!
//! *Standards*: RFC 4861 §4.1 to §4.5, RFC 4191 §2.2 (preference of a router).

use super::option::{NdOption, RouterPreference, decode_all};
use super::packet::NdError;
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::MacAddress;
use crate::wire::icmpv6::{
    TYPE_NEIGHBOR_ADVERTISEMENT, TYPE_NEIGHBOR_SOLICITATION, TYPE_REDIRECT,
    TYPE_ROUTER_ADVERTISEMENT, TYPE_ROUTER_SOLICITATION,
};
use core::net::Ipv6Addr;

const RA_MANAGED: u8 = 0x80;
const RA_OTHER: u8 = 0x40;
const NA_ROUTER: u8 = 0x80;
const NA_SOLICITED: u8 = 0x40;
const NA_OVERRIDE: u8 = 0x20;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NdMessage {
    /// A host asks for routers.
    RouterSolicitation(RouterSolicitation),
    /// A router says what it offers.
    RouterAdvertisement(RouterAdvertisement),
    /// A node asks for a MAC, or whether one still works.
    NeighborSolicitation(NeighborSolicitation),
    /// The answer, or news.
    NeighborAdvertisement(NeighborAdvertisement),
    /// A router names a better first hop.
    Redirect(Redirect),
}

/// RFC 4861 §4.1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterSolicitation {
    /// Options, in order.
    pub options: Vec<NdOption>,
}

/// RFC 4861 §4.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// Hop limit for hosts; 0 says nothing.
    pub hop_limit: u8,
    /// M: addresses come from DHCPv6.
    pub is_managed: bool,
    /// O: other things come from DHCPv6.
    pub has_other: bool,
    /// RFC 4191 §2.2; the reserved value reads as medium.
    pub preference: RouterPreference,
    /// In seconds; 0 is no default router.
    pub lifetime_s: u16,
    /// In milliseconds; 0 says nothing.
    pub reachable_time_ms: u32,
    /// In milliseconds; 0 says nothing.
    pub retransmit_time_ms: u32,
    /// Options, in order.
    pub options: Vec<NdOption>,
}

/// RFC 4861 §4.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborSolicitation {
    /// Who is asked.
    pub target: Ipv6Addr,
    /// Options, in order.
    pub options: Vec<NdOption>,
}

/// RFC 4861 §4.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborAdvertisement {
    /// R: the sender is a router.
    pub is_router: bool,
    /// S: the answer to a solicitation.
    pub is_solicited: bool,
    /// O: replaces a cached MAC.
    pub is_override: bool,
    /// Whose MAC it is.
    pub target: Ipv6Addr,
    /// Options, in order.
    pub options: Vec<NdOption>,
}

/// RFC 4861 §4.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The better first hop.
    pub target: Ipv6Addr,
    /// For packets to this destination.
    pub destination: Ipv6Addr,
    /// Options, in order.
    pub options: Vec<NdOption>,
}

impl NdMessage {
    /// The ICMPv6 type.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::RouterSolicitation(_) => TYPE_ROUTER_SOLICITATION,
            Self::RouterAdvertisement(_) => TYPE_ROUTER_ADVERTISEMENT,
            Self::NeighborSolicitation(_) => TYPE_NEIGHBOR_SOLICITATION,
            Self::NeighborAdvertisement(_) => TYPE_NEIGHBOR_ADVERTISEMENT,
            Self::Redirect(_) => TYPE_REDIRECT,
        }
    }

    /// Its options, in order.
    pub fn options(&self) -> &[NdOption] {
        match self {
            Self::RouterSolicitation(message) => &message.options,
            Self::RouterAdvertisement(message) => &message.options,
            Self::NeighborSolicitation(message) => &message.options,
            Self::NeighborAdvertisement(message) => &message.options,
            Self::Redirect(message) => &message.options,
        }
    }

    /// MAC of the sender, where the message says it.
    pub fn source_mac(&self) -> Option<MacAddress> {
        self.options().iter().find_map(|option| match option {
            NdOption::SourceLinkLayer(mac) => Some(*mac),
            _ => None,
        })
    }

    /// MAC of the target, where the message says it.
    pub fn target_mac(&self) -> Option<MacAddress> {
        self.options().iter().find_map(|option| match option {
            NdOption::TargetLinkLayer(mac) => Some(*mac),
            _ => None,
        })
    }

    /// The message of type `kind` whose octets behind the checksum are in `body`.
    pub(super) fn decode(kind: u8, body: &mut Reader<'_>) -> Result<Self, NdError> {
        match kind {
            TYPE_ROUTER_SOLICITATION => {
                body.skip(4)?;
                let options = decode_all(body)?;
                Ok(Self::RouterSolicitation(RouterSolicitation { options }))
            }
            TYPE_ROUTER_ADVERTISEMENT => {
                RouterAdvertisement::decode(body).map(Self::RouterAdvertisement)
            }
            TYPE_NEIGHBOR_SOLICITATION => {
                body.skip(4)?;
                let (target, options) = (body.address()?, decode_all(body)?);
                Ok(Self::NeighborSolicitation(NeighborSolicitation { target, options }))
            }
            TYPE_NEIGHBOR_ADVERTISEMENT => {
                let flags = body.u8()?;
                body.skip(3)?;
                Ok(Self::NeighborAdvertisement(NeighborAdvertisement {
                    is_router: flags & NA_ROUTER != 0,
                    is_solicited: flags & NA_SOLICITED != 0,
                    is_override: flags & NA_OVERRIDE != 0,
                    target: body.address()?,
                    options: decode_all(body)?,
                }))
            }
            TYPE_REDIRECT => {
                body.skip(4)?;
                Ok(Self::Redirect(Redirect {
                    target: body.address()?,
                    destination: body.address()?,
                    options: decode_all(body)?,
                }))
            }
            _ => Err(NdError::Kind(kind)),
        }
    }

    /// Appends what stands behind the checksum.
    pub(super) fn encode(&self, writer: &mut Writer) {
        match self {
            Self::RouterSolicitation(_) => writer.u32(0),
            Self::RouterAdvertisement(message) => message.encode_fields(writer),
            Self::NeighborSolicitation(message) => {
                writer.u32(0);
                writer.address(message.target);
            }
            Self::NeighborAdvertisement(message) => {
                let router = if message.is_router { NA_ROUTER } else { 0 };
                let solicited = if message.is_solicited { NA_SOLICITED } else { 0 };
                let replaces = if message.is_override { NA_OVERRIDE } else { 0 };
                writer.put(&[router | solicited | replaces, 0, 0, 0]);
                writer.address(message.target);
            }
            Self::Redirect(message) => {
                writer.u32(0);
                writer.address(message.target);
                writer.address(message.destination);
            }
        }
        for option in self.options() {
            option.encode(writer);
        }
    }
}

impl RouterAdvertisement {
    fn decode(body: &mut Reader<'_>) -> Result<Self, NdError> {
        let (hop_limit, flags) = (body.u8()?, body.u8()?);
        Ok(Self {
            hop_limit,
            is_managed: flags & RA_MANAGED != 0,
            has_other: flags & RA_OTHER != 0,
            preference: RouterPreference::from_bits(flags >> 3).unwrap_or_default(),
            lifetime_s: body.u16()?,
            reachable_time_ms: body.u32()?,
            retransmit_time_ms: body.u32()?,
            options: decode_all(body)?,
        })
    }

    fn encode_fields(&self, writer: &mut Writer) {
        let managed = if self.is_managed { RA_MANAGED } else { 0 };
        let other = if self.has_other { RA_OTHER } else { 0 };
        writer.put(&[self.hop_limit, managed | other | self.preference.bits() << 3]);
        writer.u16(self.lifetime_s);
        writer.u32(self.reachable_time_ms);
        writer.u32(self.retransmit_time_ms);
    }
}
