//! The Link State Update packet (RFC 5340 §A.3.5).

use super::error::{DecodeError, check_count, finish};
use super::lsa::{LSA_HEADER_OCTETS, Lsa};
use crate::base::cursor::{Reader, Writer};

/// Octets before the first LSA.
pub const FIXED_OCTETS: usize = 4;

/// Carries LSAs one hop further. Their checksums and bodies are not yet looked at: one wrong LSA
/// does not spoil the others (RFC 2328 §13 step 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkStateUpdate {
    /// The LSAs, each with the age it is sent with.
    pub lsas: Vec<Lsa>,
}

impl LinkStateUpdate {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = reader.u32()?;
        let count = check_count(&reader, count, LSA_HEADER_OCTETS)?;
        let mut lsas = Vec::with_capacity(count);
        for _ in 0..count {
            lsas.push(Lsa::decode(&mut reader)?);
        }
        finish(&reader)?;
        Ok(Self { lsas })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u32(u32::try_from(self.lsas.len()).unwrap_or(u32::MAX));
        for lsa in &self.lsas {
            lsa.encode(writer);
        }
    }
}
