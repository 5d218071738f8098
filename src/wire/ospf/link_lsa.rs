//! The Link-LSA (RFC 5340 §A.4.9).

use super::error::{DecodeError, check_count, finish};
use super::options::{Options, PrefixOptions};
use super::prefix::{PREFIX_OCTETS_MIN, decode_prefix, encode_prefix};
use crate::base::cursor::{Reader, Writer};
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;

/// A prefix of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPrefix {
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// Its options.
    pub options: PrefixOptions,
}

/// A router's link-local address and its prefixes on a link, for its neighbours on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkLsa {
    /// Router Priority.
    pub priority: u8,
    /// What the router would have in the Network-LSA of the link.
    pub options: Options,
    /// Its link-local address: the next hop towards it.
    pub link_local: Ipv6Addr,
    /// Prefixes of the link.
    pub prefixes: Vec<LinkPrefix>,
}

impl LinkLsa {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let priority = reader.u8()?;
        let options = Options::from_bits(reader.u24()?);
        let link_local = reader.address()?;
        let count = reader.u32()?;
        let count = check_count(&reader, count, PREFIX_OCTETS_MIN)?;
        let mut prefixes = Vec::with_capacity(count);
        for _ in 0..count {
            let (prefix, options, _) = decode_prefix(&mut reader)?;
            prefixes.push(LinkPrefix { prefix, options });
        }
        finish(&reader)?;
        Ok(Self { priority, options, link_local, prefixes })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.priority);
        writer.u24(self.options.bits());
        writer.address(self.link_local);
        writer.u32(u32::try_from(self.prefixes.len()).unwrap_or(u32::MAX));
        for LinkPrefix { prefix, options } in &self.prefixes {
            encode_prefix(writer, *prefix, *options, 0);
        }
    }
}
