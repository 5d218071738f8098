//! The Inter-Area-Prefix-LSA (RFC 5340 §A.4.5).

use super::error::{DecodeError, finish};
use super::options::PrefixOptions;
use super::prefix::{decode_prefix, encode_prefix};
use crate::base::cursor::{Reader, Writer};
use crate::base::prefix::Ipv6Prefix;

/// A prefix of another area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterAreaPrefixLsa {
    /// Cost, 24 bits.
    pub metric: u32,
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// Its options.
    pub options: PrefixOptions,
}

impl InterAreaPrefixLsa {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.skip(1)?;
        let metric = reader.u24()?;
        let (prefix, options, _) = decode_prefix(&mut reader)?;
        finish(&reader)?;
        Ok(Self { metric, prefix, options })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u8(0);
        writer.u24(self.metric);
        encode_prefix(writer, self.prefix, self.options, 0);
    }
}
