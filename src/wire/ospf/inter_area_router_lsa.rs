//! The Inter-Area-Router-LSA (RFC 5340 §A.4.6).

use super::error::{DecodeError, finish};
use super::options::Options;
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;

/// An AS boundary router of another area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterAreaRouterLsa {
    /// What that router can do.
    pub options: Options,
    /// Cost, 24 bits.
    pub metric: u32,
    /// The router.
    pub destination: RouterId,
}

impl InterAreaRouterLsa {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.skip(1)?;
        let options = Options::from_bits(reader.u24()?);
        reader.skip(1)?;
        let metric = reader.u24()?;
        let destination = RouterId(reader.u32()?);
        finish(&reader)?;
        Ok(Self { options, metric, destination })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u8(0);
        writer.u24(self.options.bits());
        writer.u8(0);
        writer.u24(self.metric);
        writer.u32(self.destination.0);
    }
}
