//! PDUs between a router and its RPKI cache.
//!
//! Owns [`frame`] (where the next PDU of a stream ends) and [`Pdu`] (what it says). Of what a cache
//! can send, only prefixes of IPv6 are kept; those of IPv4 and router keys are read past.
//! [`limits`] has the bounds.
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |    version    |   PDU type    |  session id, error, or zero   |
//! +---------------+---------------+-------------------------------+
//! |            octets of the whole PDU, these included            |
//! +---------------------------------------------------------------+
//! ```
//!
//! *Invariants*: a PDU is as long as its type says; a prefix that was read has no bits beyond its
//! length and a most length that is not below it.
//! *Standards*: RFC 8210 §5 (version 1), RFC 6810 §5 (version 0).

pub mod limits;

use crate::base::cursor::{Reader, Truncated, Writer};
use crate::base::prefix::Ipv6Prefix;
use core::fmt;
use limits::{ECHO_OCTETS_MAX, PDU_OCTETS_MAX};

/// Octets of version, type, session and length.
pub const HEADER_OCTETS: usize = 8;

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 6810.
    Zero,
    /// RFC 8210.
    One,
}

impl Version {
    const fn octet(self) -> u8 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
        }
    }

    const fn of(octet: u8) -> Option<Self> {
        match octet {
            0 => Some(Self::Zero),
            1 => Some(Self::One),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.octet())
    }
}

/// A validated ROA payload (RFC 6482 §4): an AS may announce prefixes inside another up to a
/// length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payload {
    /// Around them.
    pub prefix: Ipv6Prefix,
    /// The most length.
    pub length_max: u8,
    /// Who; zero for nobody (RFC 6483 §4).
    pub asn: u32,
}

/// Whether a payload comes or goes (RFC 8210 §5.6, flags).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It holds from now on.
    Announce,
    /// It holds no more.
    Withdraw,
}

/// RFC 8210 §5.8: when a router asks again, in seconds as the cache sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// After the last data, where nothing is notified.
    pub refresh_s: u32,
    /// After a query that failed.
    pub retry_s: u32,
    /// For which data hold without a cache.
    pub expire_s: u32,
}

/// What is wrong, to tell the other end (RFC 8210 §12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// A PDU cannot be read.
    pub const CORRUPT_DATA: Self = Self(0);
    /// The sender has a fault of its own.
    pub const INTERNAL: Self = Self(1);
    /// The cache has no data yet.
    pub const NO_DATA: Self = Self(2);
    /// The query makes no sense.
    pub const INVALID_REQUEST: Self = Self(3);
    /// The version is not spoken.
    pub const UNSUPPORTED_VERSION: Self = Self(4);
    /// The type is not known.
    pub const UNSUPPORTED_TYPE: Self = Self(5);
    /// What is withdrawn was not there.
    pub const UNKNOWN_RECORD: Self = Self(6);
    /// What is announced was there.
    pub const DUPLICATE: Self = Self(7);
    /// Another version than was agreed on.
    pub const UNEXPECTED_VERSION: Self = Self(8);

    /// RFC 8210 §12: whether the session goes on.
    pub const fn is_fatal(self) -> bool {
        self.0 != Self::NO_DATA.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::CORRUPT_DATA => "corrupt data",
            Self::INTERNAL => "internal error",
            Self::NO_DATA => "no data available",
            Self::INVALID_REQUEST => "invalid request",
            Self::UNSUPPORTED_VERSION => "unsupported protocol version",
            Self::UNSUPPORTED_TYPE => "unsupported PDU type",
            Self::UNKNOWN_RECORD => "withdrawal of an unknown record",
            Self::DUPLICATE => "duplicate announcement",
            Self::UNEXPECTED_VERSION => "unexpected protocol version",
            Self(other) => return write!(f, "error {other}"),
        })
    }
}

/// A PDU without its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pdu {
    /// §5.2: the cache has new data.
    SerialNotify {
        /// Of which session.
        session: u16,
        /// Which state of them.
        serial: u32,
    },
    /// §5.3: the router wants what came after a serial number.
    SerialQuery {
        /// Of which session.
        session: u16,
        /// The one that it has.
        serial: u32,
    },
    /// §5.4: the router wants everything.
    ResetQuery,
    /// §5.5: data follow.
    CacheResponse {
        /// Of which session.
        session: u16,
    },
    /// §5.7: a payload of IPv6.
    Prefix {
        /// Whether it comes or goes.
        change: Change,
        /// Which.
        payload: Payload,
    },
    /// §5.6 and §5.10: a payload of IPv4 or a router key, of which nothing is kept.
    Foreign,
    /// §5.8: these were all.
    EndOfData {
        /// Of which session.
        session: u16,
        /// Which state of them.
        serial: u32,
        /// Of version 1: when to ask again.
        intervals: Option<Intervals>,
    },
    /// §5.9: the cache has not got the differences: the router has to ask for everything.
    CacheReset,
    /// §5.11: something is wrong.
    ErrorReport {
        /// What.
        code: ErrorCode,
        /// In words.
        text: String,
    },
}

/// Types of PDUs.
mod kind {
    pub const SERIAL_NOTIFY: u8 = 0;
    pub const SERIAL_QUERY: u8 = 1;
    pub const RESET_QUERY: u8 = 2;
    pub const CACHE_RESPONSE: u8 = 3;
    pub const IPV4_PREFIX: u8 = 4;
    pub const IPV6_PREFIX: u8 = 6;
    pub const END_OF_DATA: u8 = 7;
    pub const CACHE_RESET: u8 = 8;
    pub const ROUTER_KEY: u8 = 9;
    pub const ERROR_REPORT: u8 = 10;
}

/// §5.6: the flag of an announcement.
const FLAG_ANNOUNCE: u8 = 1;

/// The octets of the next PDU; `None` where more have to come.
pub fn frame(stream: &[u8]) -> Result<Option<&[u8]>, ErrorCode> {
    let mut reader = Reader::new(stream);
    if reader.skip(HEADER_OCTETS - 4).is_err() {
        return Ok(None);
    }
    let Ok(octets) = reader.u32() else { return Ok(None) };
    let octets = usize::try_from(octets).unwrap_or(usize::MAX);
    if !(HEADER_OCTETS..=PDU_OCTETS_MAX).contains(&octets) {
        return Err(ErrorCode::CORRUPT_DATA);
    }
    Ok(stream.get(..octets))
}

impl Pdu {
    /// Reads one that [`frame`] has found, with the version that it names.
    pub fn decode(octets: &[u8]) -> Result<(Version, Self), ErrorCode> {
        let corrupt = |_: Truncated| ErrorCode::CORRUPT_DATA;
        let mut reader = Reader::new(octets);
        let version = Version::of(reader.u8().map_err(corrupt)?);
        let version = version.ok_or(ErrorCode::UNSUPPORTED_VERSION)?;
        let kind = reader.u8().map_err(corrupt)?;
        let session = reader.u16().map_err(corrupt)?;
        reader.skip(4).map_err(corrupt)?;
        let pdu = decode_body(kind, session, &mut reader, version)?;
        if !reader.is_empty() {
            return Err(ErrorCode::CORRUPT_DATA);
        }
        Ok((version, pdu))
    }

    /// Appends it. What only a cache sends is written too, for those who test.
    pub fn encode(&self, version: Version, writer: &mut Writer) {
        let start = writer.len();
        let (kind, session) = self.header();
        writer.u8(version.octet());
        writer.u8(kind);
        writer.u16(session);
        let length_at = writer.len();
        writer.u32(0);
        match self {
            Self::SerialNotify { serial, .. } | Self::SerialQuery { serial, .. } => {
                writer.u32(*serial);
            }
            Self::ResetQuery | Self::CacheResponse { .. } | Self::CacheReset => {}
            Self::Prefix { change, payload } => {
                writer.u8(if *change == Change::Announce { FLAG_ANNOUNCE } else { 0 });
                writer.u8(payload.prefix.length());
                writer.u8(payload.length_max);
                writer.u8(0);
                writer.address(payload.prefix.address());
                writer.u32(payload.asn);
            }
            Self::Foreign => writer.put(&[FLAG_ANNOUNCE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            Self::EndOfData { serial, intervals, .. } => {
                writer.u32(*serial);
                if let Some(Intervals { refresh_s, retry_s, expire_s }) = intervals {
                    [*refresh_s, *retry_s, *expire_s].into_iter().for_each(|time| writer.u32(time));
                }
            }
            Self::ErrorReport { text, .. } => put_error(writer, &[], text),
        }
        patch_length(writer, start, length_at);
    }

    const fn header(&self) -> (u8, u16) {
        match self {
            Self::SerialNotify { session, .. } => (kind::SERIAL_NOTIFY, *session),
            Self::SerialQuery { session, .. } => (kind::SERIAL_QUERY, *session),
            Self::ResetQuery => (kind::RESET_QUERY, 0),
            Self::CacheResponse { session } => (kind::CACHE_RESPONSE, *session),
            Self::Prefix { .. } => (kind::IPV6_PREFIX, 0),
            Self::Foreign => (kind::IPV4_PREFIX, 0),
            Self::EndOfData { session, .. } => (kind::END_OF_DATA, *session),
            Self::CacheReset => (kind::CACHE_RESET, 0),
            Self::ErrorReport { code, .. } => (kind::ERROR_REPORT, code.0),
        }
    }
}

/// Appends an error about a PDU, with its beginning.
pub fn put_error_report(writer: &mut Writer, version: Version, code: ErrorCode, pdu: &[u8]) {
    let start = writer.len();
    writer.u8(version.octet());
    writer.u8(kind::ERROR_REPORT);
    writer.u16(code.0);
    let length_at = writer.len();
    writer.u32(0);
    let echo = pdu.get(..ECHO_OCTETS_MAX).unwrap_or(pdu);
    put_error(writer, echo, &code.to_string());
    patch_length(writer, start, length_at);
}

/// Whether these octets are an error report: one is never answered with another (§5.11).
pub fn is_error_report(pdu: &[u8]) -> bool {
    pdu.get(1) == Some(&kind::ERROR_REPORT)
}

fn put_error(writer: &mut Writer, pdu: &[u8], text: &str) {
    for part in [pdu, text.as_bytes()] {
        writer.u32(u32::try_from(part.len()).unwrap_or_else(|_| unreachable!("it is cut before")));
        writer.put(part);
    }
}

fn patch_length(writer: &mut Writer, start: usize, length_at: usize) {
    // The upper half is zero: nothing that is written here has 64 KiB.
    let octets = u16::try_from(writer.len() - start);
    writer.patch_u16(length_at + 2, octets.unwrap_or_else(|_| unreachable!("PDUs are short")));
}

fn decode_body(
    kind: u8,
    session: u16,
    reader: &mut Reader<'_>,
    version: Version,
) -> Result<Pdu, ErrorCode> {
    let corrupt = |_: Truncated| ErrorCode::CORRUPT_DATA;
    Ok(match kind {
        kind::SERIAL_NOTIFY => {
            Pdu::SerialNotify { session, serial: reader.u32().map_err(corrupt)? }
        }
        kind::SERIAL_QUERY => Pdu::SerialQuery { session, serial: reader.u32().map_err(corrupt)? },
        kind::RESET_QUERY => Pdu::ResetQuery,
        kind::CACHE_RESPONSE => Pdu::CacheResponse { session },
        kind::IPV4_PREFIX => {
            reader.skip(12).map_err(corrupt)?;
            Pdu::Foreign
        }
        kind::IPV6_PREFIX => decode_prefix(reader)?,
        kind::END_OF_DATA => {
            let serial = reader.u32().map_err(corrupt)?;
            let mut second = || reader.u32().map_err(corrupt);
            let intervals = match version {
                Version::Zero => None,
                Version::One => Some(Intervals {
                    refresh_s: second()?,
                    retry_s: second()?,
                    expire_s: second()?,
                }),
            };
            Pdu::EndOfData { session, serial, intervals }
        }
        kind::CACHE_RESET => Pdu::CacheReset,
        kind::ROUTER_KEY if version == Version::One => {
            // SKI, AS and a key of any length.
            reader.skip(24).map_err(corrupt)?;
            reader.skip(reader.remaining()).map_err(corrupt)?;
            Pdu::Foreign
        }
        kind::ERROR_REPORT => {
            let octets = reader.u32().map_err(corrupt)?;
            reader.skip(usize::try_from(octets).unwrap_or(usize::MAX)).map_err(corrupt)?;
            let octets = reader.u32().map_err(corrupt)?;
            let text = reader.take(usize::try_from(octets).unwrap_or(usize::MAX));
            let text = String::from_utf8_lossy(text.map_err(corrupt)?).into_owned();
            Pdu::ErrorReport { code: ErrorCode(session), text }
        }
        _ => return Err(ErrorCode::UNSUPPORTED_TYPE),
    })
}

fn decode_prefix(reader: &mut Reader<'_>) -> Result<Pdu, ErrorCode> {
    let corrupt = |_: Truncated| ErrorCode::CORRUPT_DATA;
    let flags = reader.u8().map_err(corrupt)?;
    let (length, length_max) = (reader.u8().map_err(corrupt)?, reader.u8().map_err(corrupt)?);
    reader.skip(1).map_err(corrupt)?;
    let address = reader.address().map_err(corrupt)?;
    let asn = reader.u32().map_err(corrupt)?;
    if length > length_max || length_max > 128 {
        return Err(ErrorCode::CORRUPT_DATA);
    }
    let change = if flags & FLAG_ANNOUNCE == 0 { Change::Withdraw } else { Change::Announce };
    let prefix = Ipv6Prefix::containing(address, length);
    Ok(Pdu::Prefix { change, payload: Payload { prefix, length_max, asn } })
}

#[cfg(test)]
mod tests;
