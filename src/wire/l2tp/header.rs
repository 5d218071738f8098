//! The header of control messages.
//!
//! Owns [`ControlHeader`] and [`ControlFrame`], a message cut out of its packet. What the numbers
//! are for belongs to `proto::l2tp`.
//!
//! ```text
//! +---------------------------------------------------------------+
//! |T|L|x|x|S|x x x x x x x|  Ver  |            length             |
//! +---------------------------------------------------------------+
//! |                     control connection id                     |
//! +---------------------------------------------------------------+
//! |              Ns               |              Nr               |
//! +---------------------------------------------------------------+
//! ```
//!
//! *Invariants*: a frame is as long as its length field says, and has a whole header.
//! *Standards*: RFC 3931 §3.2.1, §4.7.3 (an SCCRQ may have the version of L2TPv2).

use super::data::{FLAG_CONTROL, VERSION, VERSION_MASK};
use super::ids::ConnectionId;
use crate::base::cursor::{Reader, Truncated, Writer};

/// Octets of the header.
pub const HEADER_OCTETS: usize = 12;
/// Where the length stands.
const LENGTH_AT: usize = 2;
/// L: there is a length. S: there are sequence numbers.
const FLAG_LENGTH: u16 = 0x4000;
const FLAG_SEQUENCE: u16 = 0x0800;
const FLAGS: u16 = FLAG_CONTROL | FLAG_LENGTH | FLAG_SEQUENCE;
/// The version of RFC 2661.
const VERSION_L2TPV2: u16 = 2;

/// What stands before the AVPs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlHeader {
    /// The connection as the receiver calls it; `None` before it has said how.
    pub connection: Option<ConnectionId>,
    /// The number of this message.
    pub ns: u16,
    /// The number of the message that the sender waits for.
    pub nr: u16,
}

/// The version that a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// L2TPv2, in an SCCRQ of an end that speaks both.
    Two,
    /// L2TPv3.
    Three,
}

/// Why octets have no header of a control message: it "MUST be discarded" (§7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// They end within it.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// T, L or S is not set.
    #[error("flags {0:#06x} are not those of a control message")]
    Flags(u16),
    /// Another version than 2 and 3.
    #[error("version {0} is not 3")]
    Version(u16),
    /// It is shorter than a header or longer than the packet.
    #[error("length {0} does not fit")]
    Length(u16),
}

/// A message as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlFrame<'a> {
    /// Its header.
    pub header: ControlHeader,
    /// Its version.
    pub version: Version,
    /// All of it from the T bit on: what a digest is about.
    pub octets: &'a [u8],
    /// Its AVPs.
    pub body: &'a [u8],
}

impl<'a> ControlFrame<'a> {
    /// The message at the start of `bytes`, which begin with the T bit. What stands behind its
    /// length is left.
    pub fn read(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let mut reader = Reader::new(bytes);
        let (flags, length) = (reader.u16()?, reader.u16()?);
        if flags & FLAGS != FLAGS {
            return Err(HeaderError::Flags(flags));
        }
        let version = match flags & VERSION_MASK {
            VERSION => Version::Three,
            VERSION_L2TPV2 => Version::Two,
            other => return Err(HeaderError::Version(other)),
        };
        let connection = ConnectionId::new(reader.u32()?);
        let header = ControlHeader { connection, ns: reader.u16()?, nr: reader.u16()? };
        let wrong = HeaderError::Length(length);
        let octets = bytes.get(..usize::from(length)).ok_or(wrong)?;
        let body = octets.get(HEADER_OCTETS..).ok_or(wrong)?;
        Ok(Self { header, version, octets, body })
    }
}

/// Appends `header`; its length is set by [`finish`].
pub(super) fn put(writer: &mut Writer, header: &ControlHeader) {
    writer.u16(FLAGS | VERSION);
    writer.u16(0);
    writer.u32(ConnectionId::number_of(header.connection));
    writer.u16(header.ns);
    writer.u16(header.nr);
}

/// Sets the length of the message in `writer`, which has nothing else in it.
pub(super) fn finish(writer: &mut Writer) {
    let length = u16::try_from(writer.len()).unwrap_or(u16::MAX);
    writer.patch_u16(LENGTH_AT, length);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: [u8; 20] = [0xc8, 3, 0, 20, 0, 0, 0, 7, 0, 1, 0, 2, 0x80, 8, 0, 0, 0, 0, 0, 6];

    #[test]
    fn a_message_is_cut_at_its_length() {
        let padded = [&HELLO[..], &[9, 9]].concat();
        let frame = ControlFrame::read(&padded).unwrap();
        assert_eq!((frame.octets, frame.body), (&HELLO[..], &HELLO[12..]));
        assert_eq!(frame.version, Version::Three);
        let header = ControlHeader { connection: ConnectionId::new(7), ns: 1, nr: 2 };
        assert_eq!(frame.header, header);
        let mut writer = Writer::default();
        put(&mut writer, &header);
        writer.put(&HELLO[12..]);
        finish(&mut writer);
        assert_eq!(writer.as_slice(), HELLO);
    }

    #[test]
    fn wrong_headers_are_named() {
        let refused = |at: usize, octet: u8| {
            let mut bytes = HELLO;
            bytes[at] = octet;
            ControlFrame::read(&bytes).map(|frame| frame.version)
        };
        // §3.2.1: "The T bit MUST be set to 1", "The L and S bits MUST be set to 1".
        assert_eq!(refused(0, 0x48), Err(HeaderError::Flags(0x4803)));
        assert_eq!(refused(0, 0x88), Err(HeaderError::Flags(0x8803)));
        assert_eq!(refused(0, 0xc0), Err(HeaderError::Flags(0xc003)));
        assert_eq!(refused(0, 0xff), Ok(Version::Three));
        assert_eq!(refused(1, 4), Err(HeaderError::Version(4)));
        assert_eq!(refused(1, 2), Ok(Version::Two));
        assert_eq!(refused(3, 11), Err(HeaderError::Length(11)));
        assert_eq!(refused(3, 21), Err(HeaderError::Length(21)));
        let short = ControlFrame::read(&HELLO[..11]);
        let missing = Truncated { offset: 10, wanted: 2, left: 1 };
        assert_eq!(short, Err(HeaderError::Truncated(missing)));
    }
}
