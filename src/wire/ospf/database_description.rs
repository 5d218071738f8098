//! The Database Description packet (RFC 5340 §A.3.3).

use super::error::{DecodeError, count_left};
use super::lsa::{LSA_HEADER_OCTETS, LsaHeader};
use super::options::Options;
use crate::base::cursor::{Reader, Writer};

/// Octets before the first LSA header.
pub const FIXED_OCTETS: usize = 12;

const MASTER: u8 = 0x01;
const MORE: u8 = 0x02;
const INIT: u8 = 0x04;

/// A part of the summary of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseDescription {
    /// What the sender can do.
    pub options: Options,
    /// The largest IPv6 packet it can send on the link unfragmented.
    pub mtu: u16,
    /// I-bit: the first packet.
    pub is_init: bool,
    /// M-bit: more follow.
    pub has_more: bool,
    /// MS-bit: the sender is the master.
    pub is_master: bool,
    /// DD sequence number.
    pub sequence: u32,
    /// Headers of the sender's LSAs.
    pub headers: Vec<LsaHeader>,
}

impl DatabaseDescription {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.skip(1)?;
        let options = Options::from_bits(reader.u24()?);
        let mtu = reader.u16()?;
        reader.skip(1)?;
        let flags = reader.u8()?;
        let sequence = reader.u32()?;
        let count = count_left(&reader, LSA_HEADER_OCTETS)?;
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push(LsaHeader::decode(&mut reader)?);
        }
        Ok(Self {
            options,
            mtu,
            is_init: flags & INIT != 0,
            has_more: flags & MORE != 0,
            is_master: flags & MASTER != 0,
            sequence,
            headers,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        writer.u8(0);
        writer.u24(self.options.bits());
        writer.u16(self.mtu);
        writer.u8(0);
        writer.u8(bit(self.is_init, INIT) | bit(self.has_more, MORE) | bit(self.is_master, MASTER));
        writer.u32(self.sequence);
        for header in &self.headers {
            header.encode(writer);
        }
    }
}
