//! The Intra-Area-Prefix-LSA (RFC 5340 §A.4.10).

use super::error::{DecodeError, check_count, finish};
use super::lsa::LsType;
use super::options::PrefixOptions;
use super::prefix::{PREFIX_OCTETS_MIN, decode_prefix, encode_prefix};
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;

/// Octets before the first prefix.
pub const FIXED_OCTETS: usize = 12;

/// A prefix at a router or a transit network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntraAreaPrefix {
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// Its options.
    pub options: PrefixOptions,
    /// Cost from the router or network to it.
    pub metric: u16,
}

/// Prefixes that belong to a router or a transit network of the area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntraAreaPrefixLsa {
    /// Type of the LSA they belong to: Router or Network.
    pub referenced_ls_type: LsType,
    /// Its Link State ID; zero for a router, which counts for all its Router-LSAs.
    pub referenced_link_state_id: u32,
    /// Its Advertising Router.
    pub referenced_advertising_router: RouterId,
    /// The prefixes.
    pub prefixes: Vec<IntraAreaPrefix>,
}

impl IntraAreaPrefixLsa {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = reader.u16()?;
        let referenced_ls_type = LsType(reader.u16()?);
        let referenced_link_state_id = reader.u32()?;
        let referenced_advertising_router = RouterId(reader.u32()?);
        let count = check_count(&reader, u32::from(count), PREFIX_OCTETS_MIN)?;
        let mut prefixes = Vec::with_capacity(count);
        for _ in 0..count {
            let (prefix, options, metric) = decode_prefix(&mut reader)?;
            prefixes.push(IntraAreaPrefix { prefix, options, metric });
        }
        finish(&reader)?;
        Ok(Self {
            referenced_ls_type,
            referenced_link_state_id,
            referenced_advertising_router,
            prefixes,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u16(u16::try_from(self.prefixes.len()).unwrap_or(u16::MAX));
        writer.u16(self.referenced_ls_type.0);
        writer.u32(self.referenced_link_state_id);
        writer.u32(self.referenced_advertising_router.0);
        for IntraAreaPrefix { prefix, options, metric } in &self.prefixes {
            encode_prefix(writer, *prefix, *options, *metric);
        }
    }
}
