//! The Grace-LSA: a router restarts its OSPFv3 and asks its neighbours to go on as if it had not.
//!
//! Owns [`GraceLsa`], an LSA of link scope whose Link State ID is the Interface ID of the sender.
//! Its body is a list of TLVs, each padded to four octets; those that nobody knows are passed over,
//! those that the RFC demands must be there.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |          type (1)             |          length (4)           |
//! +-------------------------------+-------------------------------+
//! |                    grace period in seconds                    |
//! +-------------------------------+-------------------------------+
//! |          type (2)             |          length (1)           |
//! +---------------+---------------+-------------------------------+
//! |    reason     |                    padding                    |
//! +---------------+-----------------------------------------------+
//! ```
//!
//! *Standards*: RFC 5187 §2.1; RFC 3623 App. A (TLVs). The IP interface address TLV has no place in
//! OSPFv3 and is passed over.

use super::error::{DecodeError, Fault};
use crate::base::cursor::{Reader, Writer};
use core::fmt;

const TYPE_PERIOD: u16 = 1;
const TYPE_REASON: u16 = 2;

/// Why a router restarts (RFC 3623 App. A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GraceReason(pub u8);

impl GraceReason {
    /// Nobody says.
    pub const UNKNOWN: Self = Self(0);
    /// Its software is started again.
    pub const SOFTWARE_RESTART: Self = Self(1);
    /// Its software is replaced.
    pub const SOFTWARE_UPGRADE: Self = Self(2);
    /// Another processor takes over.
    pub const SWITCH_OVER: Self = Self(3);
}

impl fmt::Display for GraceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNKNOWN => f.pad("unknown"),
            Self::SOFTWARE_RESTART => f.pad("software restart"),
            Self::SOFTWARE_UPGRADE => f.pad("software upgrade"),
            Self::SWITCH_OVER => f.pad("switch to another processor"),
            Self(number) => f.pad(&format!("reason {number}")),
        }
    }
}

/// A router that restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraceLsa {
    /// How long neighbours shall help it, in seconds from the origination of the LSA.
    pub period_s: u32,
    /// Why it restarts.
    pub reason: GraceReason,
}

impl GraceLsa {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (mut period_s, mut reason) = (None, None);
        while !reader.is_empty() {
            let offset = reader.offset();
            let (kind, length) = (reader.u16()?, reader.u16()?);
            let octets = usize::from(length);
            let mut value = reader.sub(octets)?;
            reader.skip(octets.next_multiple_of(4) - octets)?;
            match (kind, length) {
                (TYPE_PERIOD, 4) => period_s = period_s.or(Some(value.u32()?)),
                (TYPE_REASON, 1) => reason = reason.or(Some(GraceReason(value.u8()?))),
                (TYPE_PERIOD | TYPE_REASON, _) => {
                    return Err(DecodeError::new(Fault::Length, offset));
                }
                _ => {}
            }
        }
        match (period_s, reason) {
            (Some(period_s), Some(reason)) => Ok(Self { period_s, reason }),
            _ => Err(DecodeError::new(Fault::Missing, reader.offset())),
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u16(TYPE_PERIOD);
        writer.u16(4);
        writer.u32(self.period_s);
        writer.u16(TYPE_REASON);
        writer.u16(1);
        writer.u8(self.reason.0);
        writer.put(&[0; 3]);
    }
}
