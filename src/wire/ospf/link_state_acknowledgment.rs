//! The Link State Acknowledgment packet (RFC 5340 §A.3.6).

use super::error::{DecodeError, count_left};
use super::lsa::{LSA_HEADER_OCTETS, LsaHeader};
use crate::base::cursor::{Reader, Writer};

/// Says which instances arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkStateAcknowledgment {
    /// Their headers.
    pub headers: Vec<LsaHeader>,
}

impl LinkStateAcknowledgment {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = count_left(&reader, LSA_HEADER_OCTETS)?;
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push(LsaHeader::decode(&mut reader)?);
        }
        Ok(Self { headers })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        for header in &self.headers {
            header.encode(writer);
        }
    }
}
