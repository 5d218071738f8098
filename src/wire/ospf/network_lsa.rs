//! The Network-LSA (RFC 5340 §A.4.4).

use super::error::{DecodeError, count_left};
use super::options::Options;
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;

/// The routers on a transit network, as its Designated Router sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkLsa {
    /// Options of all of them together.
    pub options: Options,
    /// Who is attached.
    pub attached_routers: Vec<RouterId>,
}

impl NetworkLsa {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.skip(1)?;
        let options = Options::from_bits(reader.u24()?);
        let count = count_left(&reader, 4)?;
        let mut attached_routers = Vec::with_capacity(count);
        for _ in 0..count {
            attached_routers.push(RouterId(reader.u32()?));
        }
        Ok(Self { options, attached_routers })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u8(0);
        writer.u24(self.options.bits());
        for router in &self.attached_routers {
            writer.u32(router.0);
        }
    }
}
