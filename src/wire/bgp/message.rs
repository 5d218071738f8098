//! Messages and their framing in the stream of octets of a session.
//!
//! Owns [`frame`] (where the next message ends) and [`Message`] (what it says). The bodies are in
//! files of their own.
//!
//! ```text
//! +---------------------------------------------------------------+
//! |                  marker: 16 octets of ones                    |
//! +-------------------------------+---------------+---------------+
//! |            length             |     type      |
//! +-------------------------------+---------------+
//! ```
//!
//! *Invariants*: a frame has at least 19 octets and at most what was agreed on; what a frame says
//! is either a message or the notification that answers it.
//! *Standards*: RFC 4271 §4.1 and §6.1, RFC 8654 §4.

use super::Agreement;
use super::notification::{Notification, NotificationCode};
use super::open::Open;
use super::route_refresh::RouteRefresh;
use super::update::Update;
use crate::base::cursor::Writer;

/// Octets of marker, length and type.
pub const HEADER_OCTETS: usize = 19;
/// RFC 4271 §4.1: octets of a message.
pub const MESSAGE_OCTETS_MAX: usize = 4096;
/// RFC 8654 §3: the same where it was agreed on.
pub const EXTENDED_OCTETS_MAX: usize = 65535;
/// RFC 4271 §4.2: an OPEN without parameters.
const OPEN_OCTETS_MIN: usize = 29;
/// RFC 4271 §4.3: an UPDATE without anything.
const UPDATE_OCTETS_MIN: usize = 23;
/// RFC 4271 §4.5: a NOTIFICATION without data.
const NOTIFICATION_OCTETS_MIN: usize = 21;
/// RFC 2918 §3.
const ROUTE_REFRESH_OCTETS: usize = 23;

const MARKER: [u8; 16] = [0xff; 16];
/// Where the length stands.
pub(super) const LENGTH_AT: usize = MARKER.len();

/// RFC 4271 §4.1, RFC 2918 §3: the type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageType {
    /// The first one: who speaks and what it can do.
    Open,
    /// Routes.
    Update,
    /// The last one: why the session ends.
    Notification,
    /// Still there.
    Keepalive,
    /// All routes again, please.
    RouteRefresh,
}

impl MessageType {
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Open,
            2 => Self::Update,
            3 => Self::Notification,
            4 => Self::Keepalive,
            5 => Self::RouteRefresh,
            _ => return None,
        })
    }

    const fn number(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Update => 2,
            Self::Notification => 3,
            Self::Keepalive => 4,
            Self::RouteRefresh => 5,
        }
    }

    /// RFC 4271 §6.1 and RFC 7313 §5: whether a message of this type may have so many octets. The
    /// length of a ROUTE-REFRESH is judged where it is read, because it has a code of its own.
    const fn may_have(self, octets: usize) -> bool {
        match self {
            Self::Open => octets >= OPEN_OCTETS_MIN,
            Self::Update => octets >= UPDATE_OCTETS_MIN,
            Self::Notification => octets >= NOTIFICATION_OCTETS_MIN,
            Self::Keepalive => octets == HEADER_OCTETS,
            Self::RouteRefresh => true,
        }
    }
}

/// A message that is whole: its type and its body.
pub type Frame<'a> = (MessageType, &'a [u8]);

/// The first message of `stream` and the octets of it; `None` while it is not whole. What cannot be
/// one is refused as soon as its header says so (RFC 4271 §6.1). OPEN and KEEPALIVE never have more
/// than 4096 octets (RFC 8654 §4).
pub fn frame(
    stream: &[u8],
    has_extended_messages: bool,
) -> Result<Option<(Frame<'_>, usize)>, Notification> {
    let marker = stream.get(..MARKER.len()).unwrap_or(stream);
    if marker.iter().any(|octet| *octet != 0xff) {
        return Err(Notification::new(NotificationCode::CONNECTION_NOT_SYNCHRONIZED));
    }
    let Some(&[high, low, number]) = stream.get(MARKER.len()..HEADER_OCTETS) else {
        return Ok(None);
    };
    let octets = usize::from(u16::from_be_bytes([high, low]));
    let bad_length = || Notification::with_data(NotificationCode::BAD_MESSAGE_LENGTH, &[high, low]);
    if octets < HEADER_OCTETS {
        return Err(bad_length());
    }
    let Some(kind) = MessageType::of(number) else {
        return Err(Notification::with_data(NotificationCode::BAD_MESSAGE_TYPE, &[number]));
    };
    let is_extended =
        has_extended_messages && !matches!(kind, MessageType::Open | MessageType::Keepalive);
    let octets_max = if is_extended { EXTENDED_OCTETS_MAX } else { MESSAGE_OCTETS_MAX };
    if octets > octets_max || !kind.may_have(octets) {
        return Err(bad_length());
    }
    Ok(stream.get(HEADER_OCTETS..octets).map(|body| ((kind, body), octets)))
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who speaks.
    Open(Open),
    /// Routes.
    Update(Box<Update>),
    /// Why the session ends.
    Notification(Notification),
    /// Still there.
    Keepalive,
    /// All routes again, or the bounds of them.
    RouteRefresh(RouteRefresh),
}

impl Message {
    /// Reads the body of a frame. An UPDATE that is only partly wrong is one that says so (RFC
    /// 7606); a NOTIFICATION that is cut is one without subcode.
    pub fn decode((kind, body): Frame<'_>, agreement: Agreement) -> Result<Self, Notification> {
        Ok(match kind {
            MessageType::Open => Self::Open(Open::decode(body)?),
            MessageType::Update => Self::Update(Box::new(Update::decode(body, agreement)?)),
            MessageType::Notification => {
                let decoded = Notification::decode(body);
                let cease = |_| Notification::new(NotificationCode::CEASE);
                Self::Notification(decoded.unwrap_or_else(cease))
            }
            MessageType::Keepalive => Self::Keepalive,
            MessageType::RouteRefresh => Self::RouteRefresh(RouteRefresh::decode(body)?),
        })
    }

    /// Its type.
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Open(_) => MessageType::Open,
            Self::Update(_) => MessageType::Update,
            Self::Notification(_) => MessageType::Notification,
            Self::Keepalive => MessageType::Keepalive,
            Self::RouteRefresh(_) => MessageType::RouteRefresh,
        }
    }

    /// Appends it, header first.
    ///
    /// # Panics
    /// When it has more than 65535 octets: an error of whoever packed it.
    pub fn encode(&self, agreement: Agreement, writer: &mut Writer) {
        let start = begin(self.kind(), writer);
        match self {
            Self::Open(open) => open.encode(writer),
            Self::Update(update) => update.encode(agreement, writer),
            Self::Notification(notification) => notification.encode(writer),
            Self::Keepalive => {}
            Self::RouteRefresh(refresh) => refresh.encode(writer),
        }
        finish(start, writer);
    }
}

/// Begins a message; returns where, for [`finish`].
pub(super) fn begin(kind: MessageType, writer: &mut Writer) -> usize {
    let start = writer.len();
    writer.put(&MARKER);
    writer.u16(0);
    writer.u8(kind.number());
    start
}

/// Ends the message that began at `start`.
pub(super) fn finish(start: usize, writer: &mut Writer) {
    let octets = u16::try_from(writer.len() - start);
    let octets = octets.unwrap_or_else(|_| unreachable!("messages are packed to their limit"));
    writer.patch_u16(start + LENGTH_AT, octets);
}

const _: () = assert!(ROUTE_REFRESH_OCTETS == HEADER_OCTETS + super::route_refresh::BODY_OCTETS);
