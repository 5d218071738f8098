//! AVPs: how a value stands in a control message.
//!
//! Owns [`RawAvp`] with [`RawAvps`], which reads one after another, [`AttributeType`], and the
//! writing of one. What values mean is in [`super::message`]; hidden ones are read by
//! [`super::hidden`].
//!
//! ```text
//! +---------------------------------------------------------------+
//! |M|H| rsvd  |      length       |           vendor id           |
//! +---------------------------------------------------------------+
//! |        attribute type         |  value, to the length ...
//! +-------------------------------+
//! ```
//!
//! *Invariants*: an AVP has at least its own header and ends within its message.
//! *Standards*: RFC 3931 §5.1.

use crate::base::cursor::{Reader, Truncated, Writer};
use core::fmt;

/// Octets before the value.
pub const HEADER_OCTETS: usize = 6;
/// Octets of the longest AVP: its length has ten bits.
const LENGTH_MAX: u16 = 0x03ff;
/// Octets of the longest value.
pub const VALUE_OCTETS_MAX: usize = LENGTH_MAX as usize - HEADER_OCTETS;
/// The vendor id of what the IETF has defined.
pub const VENDOR_IETF: u16 = 0;

const FLAG_MANDATORY: u16 = 0x8000;
const FLAG_HIDDEN: u16 = 0x4000;

/// What an AVP of the IETF is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u16);

macro_rules! attribute_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl AttributeType {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Its name in the RFC; `None` where it is not one of RFC 3931.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

attribute_types! {
    /// §5.4.1.
    MESSAGE_TYPE = 0, "Message Type";
    /// §5.4.2.
    RESULT_CODE = 1, "Result Code";
    /// §5.4.3 of a control connection, §5.4.4 of a session.
    TIE_BREAKER = 5, "Tie Breaker";
    /// §5.4.3.
    HOST_NAME = 7, "Host Name";
    /// §5.4.3.
    VENDOR_NAME = 8, "Vendor Name";
    /// §5.4.3.
    RECEIVE_WINDOW_SIZE = 10, "Receive Window Size";
    /// §5.4.4.
    SERIAL_NUMBER = 15, "Serial Number";
    /// §5.4.4.
    PHYSICAL_CHANNEL_ID = 25, "Physical Channel ID";
    /// §5.4.5.
    CIRCUIT_ERRORS = 34, "Circuit Errors";
    /// §5.4.1.
    RANDOM_VECTOR = 36, "Random Vector";
    /// §5.1: of a vendor whose number has more than 16 bits.
    EXTENDED_VENDOR_ID = 58, "Extended Vendor ID";
    /// §5.4.1.
    MESSAGE_DIGEST = 59, "Message Digest";
    /// §5.4.3.
    ROUTER_ID = 60, "Router ID";
    /// §5.4.3.
    ASSIGNED_CONTROL_CONNECTION_ID = 61, "Assigned Control Connection ID";
    /// §5.4.3.
    PSEUDOWIRE_CAPABILITIES_LIST = 62, "Pseudowire Capabilities List";
    /// §5.4.4.
    LOCAL_SESSION_ID = 63, "Local Session ID";
    /// §5.4.4.
    REMOTE_SESSION_ID = 64, "Remote Session ID";
    /// §5.4.4.
    ASSIGNED_COOKIE = 65, "Assigned Cookie";
    /// §5.4.4.
    REMOTE_END_ID = 66, "Remote End ID";
    /// §5.4.4.
    PSEUDOWIRE_TYPE = 68, "Pseudowire Type";
    /// §5.4.4.
    L2_SPECIFIC_SUBLAYER = 69, "L2-Specific Sublayer";
    /// §5.4.4.
    DATA_SEQUENCING = 70, "Data Sequencing";
    /// §5.4.5.
    CIRCUIT_STATUS = 71, "Circuit Status";
    /// §5.4.3.
    PREFERRED_LANGUAGE = 72, "Preferred Language";
    /// §5.4.1.
    NONCE = 73, "Control Message Authentication Nonce";
    /// §5.4.4.
    TX_CONNECT_SPEED = 74, "Tx Connect Speed";
    /// §5.4.4.
    RX_CONNECT_SPEED = 75, "Rx Connect Speed";
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "type {}", self.0),
        }
    }
}

/// An AVP as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAvp<'a> {
    /// M: who does not know it must not go on.
    pub is_mandatory: bool,
    /// H: its value is hidden.
    pub is_hidden: bool,
    /// Who has defined it.
    pub vendor: u16,
    /// What it is.
    pub kind: AttributeType,
    /// Its value.
    pub value: &'a [u8],
}

impl RawAvp<'_> {
    /// Whether it is this one of the IETF's.
    pub fn is(&self, kind: AttributeType) -> bool {
        self.vendor == VENDOR_IETF && self.kind == kind
    }
}

/// Why the rest of a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AvpError {
    /// It ends within the header of an AVP.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// An AVP is shorter than its header, or longer than what is left.
    #[error("AVP length {length} at offset {offset} does not fit")]
    Length {
        /// The length that it says.
        length: u16,
        /// Where it stands, in octets behind the header of the message.
        offset: usize,
    },
}

/// The AVPs of a message, in their order; it ends with the first that cannot be read.
#[derive(Clone, Debug)]
pub struct RawAvps<'a>(Reader<'a>);

impl<'a> RawAvps<'a> {
    /// Those in `body`, what follows the header.
    pub const fn new(body: &'a [u8]) -> Self {
        Self(Reader::new(body))
    }

    fn read(&mut self) -> Result<RawAvp<'a>, AvpError> {
        let offset = self.0.offset();
        let (word, vendor, kind) = (self.0.u16()?, self.0.u16()?, self.0.u16()?);
        let length = word & LENGTH_MAX;
        let wrong = AvpError::Length { length, offset };
        let octets = usize::from(length).checked_sub(HEADER_OCTETS).ok_or(wrong)?;
        Ok(RawAvp {
            is_mandatory: word & FLAG_MANDATORY != 0,
            is_hidden: word & FLAG_HIDDEN != 0,
            vendor,
            kind: AttributeType(kind),
            value: self.0.take(octets).map_err(|_| wrong)?,
        })
    }
}

impl<'a> Iterator for RawAvps<'a> {
    type Item = Result<RawAvp<'a>, AvpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(read)
    }
}

/// Whether who does not know an AVP may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// M is set.
    Mandatory,
    /// It is not.
    Optional,
}

/// Whether a value is as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Veil {
    /// It is.
    Clear,
    /// It was made unreadable by [`super::hidden::hide`].
    Hidden,
}

/// Appends an AVP of the IETF. What of a value does not fit into an AVP is cut off.
pub(super) fn put(writer: &mut Writer, kind: AttributeType, need: Need, value: &[u8]) {
    put_as(writer, (kind, need, Veil::Clear), value);
}

/// Appends an AVP of the IETF, hidden or not.
pub(super) fn put_as(
    writer: &mut Writer,
    (kind, need, veil): (AttributeType, Need, Veil),
    value: &[u8],
) {
    let value = value.get(..value.len().min(VALUE_OCTETS_MAX)).unwrap_or_default();
    let length = u16::try_from(HEADER_OCTETS + value.len()).unwrap_or(LENGTH_MAX);
    let mandatory = if need == Need::Mandatory { FLAG_MANDATORY } else { 0 };
    let hidden = if veil == Veil::Hidden { FLAG_HIDDEN } else { 0 };
    writer.u16(mandatory | hidden | length);
    writer.u16(VENDOR_IETF);
    writer.u16(kind.0);
    writer.put(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avps_stand_one_behind_the_other() {
        let mut writer = Writer::default();
        put(&mut writer, AttributeType::HOST_NAME, Need::Mandatory, b"a");
        put(&mut writer, AttributeType(999), Need::Optional, &[]);
        let body = writer.into_vec();
        let avps: Vec<RawAvp<'_>> = RawAvps::new(&body).map(Result::unwrap).collect();
        assert!(avps[0].is(AttributeType::HOST_NAME) && avps[0].is_mandatory);
        assert_eq!((avps[0].value, avps[1].value), (&b"a"[..], &[][..]));
        assert!(!avps[1].is_mandatory && !avps[1].is_hidden);
        assert_eq!(avps[1].kind.to_string(), "type 999");
        assert_eq!(avps[0].kind.to_string(), "Host Name (7)");
    }

    #[test]
    fn an_avp_that_does_not_fit_ends_the_message() {
        fn read(body: &[u8]) -> Vec<Result<RawAvp<'_>, AvpError>> {
            RawAvps::new(body).collect()
        }
        let wrong = |length, offset| Err(AvpError::Length { length, offset });
        assert_eq!(read(&[0x80, 5, 0, 0, 0, 0]), [wrong(5, 0)]);
        assert_eq!(read(&[0x80, 8, 0, 0, 0, 0, 1]), [wrong(8, 0)]);
        let short = Truncated { offset: 2, wanted: 2, left: 1 };
        assert_eq!(read(&[0x80, 8, 0]), [Err(AvpError::Truncated(short))]);
        let second = read(&[0, 6, 0, 0, 0, 9, 0, 7, 0, 0, 0, 9]);
        assert_eq!((second.len(), second[1]), (2, wrong(7, 6)));
    }

    #[test]
    fn a_value_that_is_too_long_is_cut() {
        let mut writer = Writer::default();
        put(&mut writer, AttributeType::HOST_NAME, Need::Mandatory, &[7; 2000]);
        let body = writer.into_vec();
        let avps: Vec<_> = RawAvps::new(&body).map(Result::unwrap).collect();
        assert_eq!((avps.len(), avps[0].value.len()), (1, VALUE_OCTETS_MAX));
    }
}
