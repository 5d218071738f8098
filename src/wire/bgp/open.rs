//! OPEN: who speaks, how long it may be silent, and what it can do.
//!
//! Owns [`Open`]. What is checked here is what is wrong whoever the peer is; whether it is the one
//! that was expected is the speaker's to say.
//!
//! *Standards*: RFC 4271 §4.2 and §6.2, RFC 5492 §4, RFC 6286 §2 (the identifier is any number but
//! zero), RFC 6793 §4.2, RFC 7607 §2, RFC 9072 §2 (extended parameters).

use super::capability::Capability;
use super::notification::{Notification, NotificationCode};
use crate::base::cursor::{Reader, Truncated, Writer};
use crate::base::ids::RouterId;

/// The only version.
const VERSION: u8 = 4;
/// RFC 5492 §4: the one parameter that is used.
const PARAMETER_CAPABILITIES: u8 = 2;
/// RFC 9072 §2: lengths have two octets.
const PARAMETER_EXTENDED: u8 = 255;
/// RFC 6793 §9: stands for a number that does not fit.
pub const AS_TRANS: u16 = 23456;

/// An OPEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The sender's AS, in four octets where it says so.
    pub asn: u32,
    /// How long it may be silent: zero for ever, else at least three seconds.
    pub hold_time_s: u16,
    /// The sender's BGP identifier.
    pub identifier: RouterId,
    /// What it can do, in its order.
    pub capabilities: Vec<Capability>,
}

impl Open {
    pub(super) fn decode(body: &[u8]) -> Result<Self, Notification> {
        let malformed = |_: Truncated| Notification::new(NotificationCode::OPEN_ERROR);
        let mut reader = Reader::new(body);
        let version = reader.u8().map_err(malformed)?;
        if version != VERSION {
            // RFC 4271 §6.2: "the largest, locally-supported version number".
            let code = NotificationCode::UNSUPPORTED_VERSION;
            return Err(Notification::with_data(code, &[0, VERSION]));
        }
        let asn = reader.u16().map_err(malformed)?;
        let hold_time_s = reader.u16().map_err(malformed)?;
        let identifier = RouterId(reader.u32().map_err(malformed)?);
        let capabilities = decode_parameters(&mut reader)?;
        let mut open = Self { asn: asn.into(), hold_time_s, identifier, capabilities };
        let four = |capability: &Capability| match capability {
            Capability::FourOctetAsn(asn) => Some(*asn),
            _ => None,
        };
        open.asn = open.capabilities.iter().find_map(four).unwrap_or(open.asn);
        open.check()
    }

    /// RFC 4271 §6.2: what is wrong whoever the peer is.
    fn check(self) -> Result<Self, Notification> {
        let code = match self {
            // RFC 7607 §2.
            Self { asn: 0, .. } => NotificationCode::BAD_PEER_AS,
            Self { hold_time_s: 1 | 2, .. } => NotificationCode::UNACCEPTABLE_HOLD_TIME,
            Self { identifier: RouterId(0), .. } => NotificationCode::BAD_BGP_IDENTIFIER,
            _ => return Ok(self),
        };
        Err(Notification::new(code))
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u8(VERSION);
        writer.u16(u16::try_from(self.asn).unwrap_or(AS_TRANS));
        writer.u16(self.hold_time_s);
        writer.u32(self.identifier.0);
        let mut capabilities = Writer::default();
        self.capabilities.iter().for_each(|capability| capability.encode(&mut capabilities));
        let octets = capabilities.as_slice();
        match (u8::try_from(octets.len()), u8::try_from(octets.len() + 2)) {
            (Ok(0), _) => writer.u8(0),
            (Ok(length), Ok(whole)) => {
                writer.u8(whole);
                writer.u8(PARAMETER_CAPABILITIES);
                writer.u8(length);
            }
            _ => {
                let length = u16::try_from(octets.len());
                let length = length.unwrap_or_else(|_| unreachable!("a handful of capabilities"));
                writer.u8(PARAMETER_EXTENDED);
                writer.u8(PARAMETER_EXTENDED);
                writer.u16(length + 3);
                writer.u8(PARAMETER_CAPABILITIES);
                writer.u16(length);
            }
        }
        writer.put(octets);
    }
}

/// The capabilities in all parameters.
fn decode_parameters(reader: &mut Reader<'_>) -> Result<Vec<Capability>, Notification> {
    let malformed = |_: Truncated| Notification::new(NotificationCode::OPEN_ERROR);
    let length = reader.u8().map_err(malformed)?;
    // RFC 9072 §2: the length is then anything but zero, and 255 stands where a type would.
    let is_extended = length != 0 && reader.rest().first() == Some(&PARAMETER_EXTENDED);
    let mut length = usize::from(length);
    if is_extended {
        reader.skip(1).map_err(malformed)?;
        length = usize::from(reader.u16().map_err(malformed)?);
    }
    let mut parameters = reader.sub(length).map_err(malformed)?;
    if !reader.is_empty() {
        return Err(Notification::new(NotificationCode::OPEN_ERROR));
    }
    let mut capabilities = Vec::new();
    while !parameters.is_empty() {
        let kind = parameters.u8().map_err(malformed)?;
        let octets = match is_extended {
            true => parameters.u16().map_err(malformed)?,
            false => parameters.u8().map_err(malformed)?.into(),
        };
        let mut value = parameters.sub(usize::from(octets)).map_err(malformed)?;
        if kind != PARAMETER_CAPABILITIES {
            return Err(Notification::new(NotificationCode::UNSUPPORTED_OPTIONAL_PARAMETER));
        }
        while !value.is_empty() {
            capabilities.push(Capability::decode(&mut value).map_err(malformed)?);
        }
    }
    Ok(capabilities)
}
