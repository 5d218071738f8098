//! The Link State Request packet (RFC 5340 §A.3.4).

use super::error::{DecodeError, count_left};
use super::lsa::{LsType, LsaKey};
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;

/// Octets of one request.
pub const REQUEST_OCTETS: usize = 12;

/// Asks for the newest instance of each of these LSAs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkStateRequest {
    /// Which ones.
    pub keys: Vec<LsaKey>,
}

impl LinkStateRequest {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = count_left(&reader, REQUEST_OCTETS)?;
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            reader.skip(2)?;
            let ls_type = LsType(reader.u16()?);
            let link_state_id = reader.u32()?;
            let advertising_router = RouterId(reader.u32()?);
            keys.push(LsaKey { ls_type, advertising_router, link_state_id });
        }
        Ok(Self { keys })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        for key in &self.keys {
            writer.u16(0);
            writer.u16(key.ls_type.0);
            writer.u32(key.link_state_id);
            writer.u32(key.advertising_router.0);
        }
    }
}
