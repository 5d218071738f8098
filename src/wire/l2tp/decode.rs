//! Control messages in: AVPs to values, and what is wrong with those that have none.
//!
//! Owns [`decode()`], [`Received`] and [`Refused`]. A message is read after its digest was checked.
//!
//! *Invariants*: a message has everything that RFC 3931 §6 wants in it. An AVP that is not known or
//! cannot be read ends the session or the connection where its M bit is set, and is counted where
//! it is not. Of an AVP that comes twice the first one holds.
//! *Standards*: RFC 3931 §5.2 (the M bit), §5.4 (values), §6 (which AVPs), §7.1 (malformed ones),
//! §4.7.3 (an SCCRQ of L2TPv2). Deviation: an SCCRP whose tie breaker is set is read as one
//! without.

use super::avp::{AttributeType, AvpError, RawAvp, RawAvps, VENDOR_IETF};
use super::data::{Cookie, Sublayer};
use super::digest::SharedSecret;
use super::header::{ControlFrame, Version};
use super::hidden::unhide;
use super::ids::{ConnectionId, SessionId};
use super::limits::{AVPS_MAX, TEXT_OCTETS_MAX};
use super::message::{
    CallConnected, CallIds, CallReply, CallRequest, CircuitStatus, Disconnect, LinkInfo, Message,
    MessageType, PseudowireType, Sequencing, Start, Stop,
};
use super::result::{ErrorCode, Reason, bounded};
use crate::base::cursor::{Reader, Truncated};
use crate::base::ids::RouterId;
use std::borrow::Cow;

/// The last attribute type of RFC 2661.
const L2TPV2_TYPE_MAX: u16 = 39;

/// A message and what of it was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub message: Message,
    /// How many AVPs without M were not known or not readable.
    pub ignored_avps: u32,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be read on.
    #[error(transparent)]
    Avp(#[from] AvpError),
    /// It has more AVPs than any has to have.
    #[error("more than {AVPS_MAX} AVPs")]
    TooManyAvps,
    /// The first AVP is not its type.
    #[error("the first AVP is not the message type")]
    NoMessageType,
    /// A type that is not known, and M is set.
    #[error("unknown message type {number} of vendor {vendor}")]
    UnknownType {
        /// Who has defined it.
        vendor: u16,
        /// Its number.
        number: u16,
    },
    /// A type that is not known, and M is not set: the message "may" be ignored.
    #[error("unknown message type without M")]
    UnknownOptionalType,
    /// §5.2: an AVP that is not known, and M is set.
    #[error("unknown AVP of vendor {vendor}: {kind}")]
    UnknownAvp {
        /// Who has defined it.
        vendor: u16,
        /// What it is.
        kind: AttributeType,
    },
    /// §5.3: a hidden AVP with M, and no secret or no random vector to read it.
    #[error("hidden AVP that cannot be read: {0}")]
    Hidden(AttributeType),
    /// §7.1: an AVP with M that has a wrong length.
    #[error("AVP of a wrong length: {0}")]
    AvpLength(AttributeType),
    /// §7.1: an AVP with M that has a value it may not have.
    #[error("AVP out of range: {0}")]
    AvpRange(AttributeType),
    /// §6: an AVP that must be there.
    #[error("missing AVP: {0}")]
    Missing(AttributeType),
}

impl Fault {
    /// What the other end is told in a StopCCN or CDN, beside the words.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::Avp(_) | Self::AvpLength(_) => ErrorCode::LENGTH,
            Self::UnknownAvp { .. } | Self::Hidden(_) => ErrorCode::UNKNOWN_MANDATORY_AVP,
            Self::TooManyAvps
            | Self::NoMessageType
            | Self::UnknownType { .. }
            | Self::UnknownOptionalType
            | Self::AvpRange(_)
            | Self::Missing(_) => ErrorCode::RANGE,
        }
    }
}

/// A message that says nothing, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub fault: Fault,
    /// What it is, as far as that could be read.
    pub kind: Option<MessageType>,
    /// Which session it is about, as far as that could be read.
    pub ids: CallIds,
    /// How the sender calls the connection, as far as that could be read.
    pub connection: Option<ConnectionId>,
}

/// What a value cannot be read for.
enum Malformed {
    Length,
    Range,
}

impl From<Truncated> for Malformed {
    fn from(_: Truncated) -> Self {
        Self::Length
    }
}

/// What an AVP was good for.
enum Taken {
    Known,
    Unknown,
    Hidden,
}

/// Values of a message, by AVP.
#[derive(Default)]
struct Values<'a> {
    vector: Option<&'a [u8]>,
    result: Option<Cow<'a, [u8]>>,
    tie_breaker: Option<u64>,
    host_name: Option<String>,
    vendor_name: Option<String>,
    window: Option<u16>,
    serial: Option<u32>,
    router_id: Option<RouterId>,
    connection: Option<ConnectionId>,
    capabilities: Option<Vec<PseudowireType>>,
    local: Option<Option<SessionId>>,
    remote: Option<Option<SessionId>>,
    cookie: Option<Cookie>,
    remote_end: Option<Vec<u8>>,
    pseudowire: Option<PseudowireType>,
    sublayer: Option<Sublayer>,
    sequencing: Option<Sequencing>,
    circuit: Option<CircuitStatus>,
    nonce: Option<Vec<u8>>,
}

/// What `frame` says. `secret` reads hidden AVPs; it is the one that the digest was right with.
pub fn decode(
    frame: &ControlFrame<'_>,
    secret: Option<&SharedSecret>,
) -> Result<Received, Box<Refused>> {
    if frame.body.is_empty() {
        return Ok(Received { message: Message::ZeroLengthBody, ignored_avps: 0 });
    }
    let mut values = Values::default();
    let mut kind = None;
    let message = read(frame, secret, &mut values, &mut kind);
    let connection = values.connection;
    message.map_err(|fault| Box::new(Refused { fault, kind, ids: values.ids(), connection }))
}

fn read<'a>(
    frame: &ControlFrame<'a>,
    secret: Option<&SharedSecret>,
    values: &mut Values<'a>,
    kind: &mut Option<MessageType>,
) -> Result<Received, Fault> {
    let mut avps = RawAvps::new(frame.body);
    let first = avps.next().ok_or(Fault::NoMessageType)??;
    let message_type = message_type(&first)?;
    *kind = Some(message_type);
    let mut ignored_avps = 0;
    let mut fault = None;
    for (count, avp) in avps.enumerate() {
        if count >= AVPS_MAX {
            return Err(Fault::TooManyAvps);
        }
        let avp = avp?;
        let wrong = match values.take(&avp, secret) {
            Ok(Taken::Known) => continue,
            Ok(Taken::Unknown) => Fault::UnknownAvp { vendor: avp.vendor, kind: avp.kind },
            Ok(Taken::Hidden) => Fault::Hidden(avp.kind),
            Err(Malformed::Length) => Fault::AvpLength(avp.kind),
            Err(Malformed::Range) => Fault::AvpRange(avp.kind),
        };
        // §4.7.3: "MUST ignore all L2TPv2 AVPs … within an SCCRQ with the Ver field set to 2 (even
        // if the M bit is set on the L2TPv2-specific AVPs)".
        let is_l2tpv2 = frame.version == Version::Two
            && avp.vendor == VENDOR_IETF
            && avp.kind.0 <= L2TPV2_TYPE_MAX
            && matches!(wrong, Fault::UnknownAvp { .. });
        if avp.is_mandatory && !is_l2tpv2 {
            // Read on: whom to tell may stand behind it.
            fault = fault.or(Some(wrong));
        } else {
            ignored_avps += 1;
        }
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok(Received { message: values.message(message_type)?, ignored_avps }),
    }
}

/// The first AVP. §5.4.1: "This AVP MUST NOT be hidden", "The Length of this AVP is 8."
fn message_type(avp: &RawAvp<'_>) -> Result<MessageType, Fault> {
    if avp.kind != AttributeType::MESSAGE_TYPE || avp.is_hidden {
        return Err(Fault::NoMessageType);
    }
    let &[high, low] = avp.value else { return Err(Fault::AvpLength(avp.kind)) };
    let number = u16::from_be_bytes([high, low]);
    let known = MessageType::of(number).filter(|_| avp.vendor == VENDOR_IETF);
    known.ok_or(match avp.is_mandatory {
        true => Fault::UnknownType { vendor: avp.vendor, number },
        false => Fault::UnknownOptionalType,
    })
}

impl<'a> Values<'a> {
    /// Takes one AVP.
    fn take(
        &mut self,
        avp: &RawAvp<'a>,
        secret: Option<&SharedSecret>,
    ) -> Result<Taken, Malformed> {
        if avp.vendor != VENDOR_IETF || avp.kind.name().is_none() {
            return Ok(Taken::Unknown);
        }
        let value = match (avp.is_hidden, secret, self.vector) {
            (false, ..) => Cow::Borrowed(avp.value),
            _ if !may_be_hidden(avp.kind) => return Err(Malformed::Range),
            (true, Some(secret), Some(vector)) => {
                Cow::Owned(unhide(avp.kind, avp.value, secret, vector)?)
            }
            (true, ..) => return Ok(Taken::Hidden),
        };
        match avp.kind {
            AttributeType::RANDOM_VECTOR => self.vector = Some(avp.value),
            // What stands in them was checked before; see `digest`.
            AttributeType::MESSAGE_DIGEST => {}
            AttributeType::RESULT_CODE => keep(&mut self.result, value),
            AttributeType::EXTENDED_VENDOR_ID => return Ok(Taken::Unknown),
            _ => return self.take_value(avp.kind, &value),
        }
        Ok(Taken::Known)
    }

    fn take_value(&mut self, kind: AttributeType, value: &[u8]) -> Result<Taken, Malformed> {
        match kind {
            AttributeType::TIE_BREAKER => keep(&mut self.tie_breaker, u64_of(value)?),
            AttributeType::HOST_NAME => {
                // "MUST be at least 1 octet."
                keep(&mut self.host_name, text_of(value).ok_or(Malformed::Length)?);
            }
            AttributeType::VENDOR_NAME => {
                keep(&mut self.vendor_name, text_of(value).unwrap_or_default());
            }
            AttributeType::RECEIVE_WINDOW_SIZE => keep(&mut self.window, u16_of(value)?),
            AttributeType::SERIAL_NUMBER => keep(&mut self.serial, u32_of(value)?),
            AttributeType::ROUTER_ID => keep(&mut self.router_id, RouterId(u32_of(value)?)),
            AttributeType::ASSIGNED_CONTROL_CONNECTION_ID => {
                // "the zero value MUST NOT be sent".
                let id = ConnectionId::new(u32_of(value)?).ok_or(Malformed::Range)?;
                keep(&mut self.connection, id);
            }
            AttributeType::PSEUDOWIRE_CAPABILITIES_LIST => {
                let (types, rest) = value.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(Malformed::Length);
                }
                let types = types.iter().map(|kind| PseudowireType(u16::from_be_bytes(*kind)));
                keep(&mut self.capabilities, types.collect());
            }
            AttributeType::NONCE => keep(&mut self.nonce, value.to_vec()),
            AttributeType::PREFERRED_LANGUAGE => {}
            _ => return self.take_session_value(kind, value),
        }
        Ok(Taken::Known)
    }

    fn take_session_value(
        &mut self,
        kind: AttributeType,
        value: &[u8],
    ) -> Result<Taken, Malformed> {
        match kind {
            AttributeType::LOCAL_SESSION_ID => {
                keep(&mut self.local, SessionId::new(u32_of(value)?));
            }
            AttributeType::REMOTE_SESSION_ID => {
                keep(&mut self.remote, SessionId::new(u32_of(value)?));
            }
            AttributeType::ASSIGNED_COOKIE => {
                keep(&mut self.cookie, Cookie::new(value).ok_or(Malformed::Length)?);
            }
            AttributeType::REMOTE_END_ID => keep(&mut self.remote_end, value.to_vec()),
            AttributeType::PSEUDOWIRE_TYPE => {
                keep(&mut self.pseudowire, PseudowireType(u16_of(value)?));
            }
            AttributeType::L2_SPECIFIC_SUBLAYER => {
                let sublayer = match u16_of(value)? {
                    0 => Sublayer::None,
                    1 => Sublayer::Default,
                    _ => return Err(Malformed::Range),
                };
                keep(&mut self.sublayer, sublayer);
            }
            AttributeType::DATA_SEQUENCING => {
                let sequencing = match u16_of(value)? {
                    0 => Sequencing::None,
                    1 => Sequencing::NonIp,
                    2 => Sequencing::All,
                    _ => return Err(Malformed::Range),
                };
                keep(&mut self.sequencing, sequencing);
            }
            AttributeType::CIRCUIT_STATUS => {
                keep(&mut self.circuit, CircuitStatus::of(u16_of(value)?));
            }
            // For logs only, and of other circuits: read, so that a wrong one is found, and left.
            AttributeType::TX_CONNECT_SPEED | AttributeType::RX_CONNECT_SPEED => {
                u64_of(value)?;
            }
            AttributeType::PHYSICAL_CHANNEL_ID => {
                u32_of(value)?;
            }
            // §5.4.5 says 32 octets of AVP where its picture has 24; neither is looked at.
            AttributeType::CIRCUIT_ERRORS => {}
            _ => return Ok(Taken::Unknown),
        }
        Ok(Taken::Known)
    }

    fn ids(&self) -> CallIds {
        CallIds { local: self.local.flatten(), remote: self.remote.flatten() }
    }

    /// The local session id, which must be there and not zero.
    fn local(&self) -> Result<SessionId, Fault> {
        let kind = AttributeType::LOCAL_SESSION_ID;
        need(self.local, kind)?.ok_or(Fault::AvpRange(kind))
    }

    /// "The Remote Session ID AVP MUST be present in all session-level control messages."
    fn remote(&self) -> Result<Option<SessionId>, Fault> {
        need(self.remote, AttributeType::REMOTE_SESSION_ID)
    }

    /// Why something ends, as a StopCCN or a CDN has it.
    fn reason<C: From<u16>>(&self) -> Result<Reason<C>, Fault> {
        let kind = AttributeType::RESULT_CODE;
        let value = self.result.as_ref().ok_or(Fault::Missing(kind))?;
        Reason::decode(value).map_err(|_| Fault::AvpLength(kind))
    }

    fn message(&mut self, kind: MessageType) -> Result<Message, Fault> {
        Ok(match kind {
            MessageType::Sccrq => Message::Sccrq(self.start()?),
            MessageType::Sccrp => Message::Sccrp(Start { tie_breaker: None, ..self.start()? }),
            MessageType::Scccn => Message::Scccn,
            MessageType::StopCcn => {
                Message::StopCcn(Stop { reason: self.reason()?, connection: self.connection })
            }
            MessageType::Hello => Message::Hello,
            MessageType::Ack => Message::Ack,
            MessageType::Icrq => Message::Icrq(self.request()?),
            MessageType::Icrp => Message::Icrp(CallReply {
                local: self.local()?,
                remote: self.remote()?,
                circuit: need(self.circuit, AttributeType::CIRCUIT_STATUS)?,
                cookie: self.cookie.unwrap_or_default(),
                sublayer: self.sublayer.unwrap_or_default(),
                sequencing: self.sequencing.unwrap_or_default(),
            }),
            MessageType::Iccn => Message::Iccn(CallConnected {
                local: self.local()?,
                remote: self.remote()?,
                circuit: self.circuit,
                sublayer: self.sublayer,
                sequencing: self.sequencing,
            }),
            MessageType::Cdn => {
                need(self.local, AttributeType::LOCAL_SESSION_ID)?;
                self.remote()?;
                Message::Cdn(Disconnect { ids: self.ids(), reason: self.reason()? })
            }
            MessageType::Sli => Message::Sli(LinkInfo {
                local: self.local()?,
                remote: self.remote()?,
                circuit: self.circuit,
            }),
            MessageType::Ocrq | MessageType::Ocrp | MessageType::Occn | MessageType::Wen => {
                Message::Foreign { kind, ids: self.ids() }
            }
        })
    }

    fn start(&mut self) -> Result<Start, Fault> {
        Ok(Start {
            host_name: need(self.host_name.take(), AttributeType::HOST_NAME)?,
            router_id: need(self.router_id, AttributeType::ROUTER_ID)?,
            connection: need(self.connection, AttributeType::ASSIGNED_CONTROL_CONNECTION_ID)?,
            capabilities: need(
                self.capabilities.take(),
                AttributeType::PSEUDOWIRE_CAPABILITIES_LIST,
            )?,
            nonce: self.nonce.take(),
            tie_breaker: self.tie_breaker,
            vendor_name: self.vendor_name.take(),
            receive_window: self.window,
        })
    }

    fn request(&mut self) -> Result<CallRequest, Fault> {
        self.remote()?;
        Ok(CallRequest {
            local: self.local()?,
            serial: need(self.serial, AttributeType::SERIAL_NUMBER)?,
            pseudowire: need(self.pseudowire, AttributeType::PSEUDOWIRE_TYPE)?,
            remote_end: need(self.remote_end.take(), AttributeType::REMOTE_END_ID)?,
            circuit: need(self.circuit, AttributeType::CIRCUIT_STATUS)?,
            cookie: self.cookie.unwrap_or_default(),
            tie_breaker: self.tie_breaker,
            sublayer: self.sublayer.unwrap_or_default(),
            sequencing: self.sequencing.unwrap_or_default(),
        })
    }
}

/// §5.4: "This AVP MUST NOT be hidden".
const fn may_be_hidden(kind: AttributeType) -> bool {
    !matches!(
        kind,
        AttributeType::MESSAGE_TYPE
            | AttributeType::MESSAGE_DIGEST
            | AttributeType::NONCE
            | AttributeType::RANDOM_VECTOR
            | AttributeType::RESULT_CODE
            | AttributeType::TIE_BREAKER
            | AttributeType::HOST_NAME
            | AttributeType::ROUTER_ID
            | AttributeType::RECEIVE_WINDOW_SIZE
    )
}

/// Of a value that comes twice the first one holds.
fn keep<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

fn need<T>(value: Option<T>, kind: AttributeType) -> Result<T, Fault> {
    value.ok_or(Fault::Missing(kind))
}

fn u16_of(value: &[u8]) -> Result<u16, Malformed> {
    exactly(value, Reader::u16)
}

fn u32_of(value: &[u8]) -> Result<u32, Malformed> {
    exactly(value, Reader::u32)
}

fn u64_of(value: &[u8]) -> Result<u64, Malformed> {
    exactly(value, Reader::u64)
}

fn exactly<'a, T>(
    value: &'a [u8],
    read: impl Fn(&mut Reader<'a>) -> Result<T, Truncated>,
) -> Result<T, Malformed> {
    let mut reader = Reader::new(value);
    let number = read(&mut reader)?;
    if reader.is_empty() { Ok(number) } else { Err(Malformed::Length) }
}

/// A text to be shown; `None` where it is empty.
fn text_of(value: &[u8]) -> Option<String> {
    let kept = value.get(..value.len().min(TEXT_OCTETS_MAX)).unwrap_or_default();
    (!kept.is_empty()).then(|| bounded(&String::from_utf8_lossy(kept)))
}
