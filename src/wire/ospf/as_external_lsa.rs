//! The AS-External-LSA (RFC 5340 §A.4.7); the NSSA-LSA (§A.4.8) has the same body.

use super::error::{DecodeError, finish};
use super::lsa::LsType;
use super::options::PrefixOptions;
use super::prefix::{decode_prefix, encode_prefix};
use crate::base::cursor::{Reader, Writer};
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

const TAG: u8 = 0x01;
const FORWARDING: u8 = 0x02;
const TYPE_2: u8 = 0x04;

/// What the metric is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalMetric {
    /// Type 1: added to the cost of the way to the boundary router.
    Type1(u32),
    /// Type 2: larger than any cost within the AS.
    Type2(u32),
}

/// A prefix from outside the AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsExternalLsa {
    /// Cost, 24 bits.
    pub metric: ExternalMetric,
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// Its options.
    pub options: PrefixOptions,
    /// Where packets should go instead of to the boundary router.
    pub forwarding_address: Option<Ipv6Addr>,
    /// External Route Tag.
    pub tag: Option<u32>,
    /// An LSA that says more, by type and Link State ID.
    pub referenced: Option<(LsType, u32)>,
}

impl AsExternalLsa {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8()?;
        let metric = reader.u24()?;
        let metric = match flags & TYPE_2 {
            0 => ExternalMetric::Type1(metric),
            _ => ExternalMetric::Type2(metric),
        };
        let (prefix, options, ls_type) = decode_prefix(&mut reader)?;
        let forwarding_address =
            if flags & FORWARDING != 0 { Some(reader.address()?) } else { None };
        let tag = if flags & TAG != 0 { Some(reader.u32()?) } else { None };
        let referenced = if ls_type != 0 { Some((LsType(ls_type), reader.u32()?)) } else { None };
        finish(&reader)?;
        Ok(Self { metric, prefix, options, forwarding_address, tag, referenced })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let (type_bit, metric) = match self.metric {
            ExternalMetric::Type1(metric) => (0, metric),
            ExternalMetric::Type2(metric) => (TYPE_2, metric),
        };
        let forwarding = if self.forwarding_address.is_some() { FORWARDING } else { 0 };
        let tag = if self.tag.is_some() { TAG } else { 0 };
        writer.u8(type_bit | forwarding | tag);
        writer.u24(metric);
        let referenced = self.referenced.map_or(0, |(ls_type, _)| ls_type.0);
        encode_prefix(writer, self.prefix, self.options, referenced);
        if let Some(address) = self.forwarding_address {
            writer.address(address);
        }
        if let Some(tag) = self.tag {
            writer.u32(tag);
        }
        if let Some((_, link_state_id)) = self.referenced {
            writer.u32(link_state_id);
        }
    }
}
