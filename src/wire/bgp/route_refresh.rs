//! ROUTE-REFRESH: a request to send all routes again, and the bounds of the answer.
//!
//! *Standards*: RFC 2918 §3, RFC 7313 §3.2 and §5.

use super::capability::AddressFamily;
use super::message::{LENGTH_AT, MessageType, begin, finish};
use super::notification::{Notification, NotificationCode};
use crate::base::cursor::Writer;

/// Octets of the body.
pub const BODY_OCTETS: usize = 4;

/// RFC 7313 §3.2: what a ROUTE-REFRESH is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshKind {
    /// All routes again, please.
    Request,
    /// From here on they come …
    Begin,
    /// … and that was the last: what did not come is gone.
    End,
    /// Something that is ignored (§5).
    Other(u8),
}

/// A ROUTE-REFRESH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// Routes of what.
    pub family: AddressFamily,
    /// What is to happen.
    pub kind: RefreshKind,
}

impl RouteRefresh {
    /// RFC 7313 §5: the bounds of an answer with another length are answered with the whole
    /// message, a request with one as any message with a wrong length.
    pub(super) fn decode(body: &[u8]) -> Result<Self, Notification> {
        let &[high, low, kind, safi] = body else {
            let mut whole = Writer::default();
            let start = begin(MessageType::RouteRefresh, &mut whole);
            whole.put(body);
            finish(start, &mut whole);
            let whole = whole.into_vec();
            return Err(match body.get(2) {
                Some(1 | 2) => {
                    let code = NotificationCode::INVALID_ROUTE_REFRESH_LENGTH;
                    Notification { code, data: whole }
                }
                _ => {
                    let length = whole.get(LENGTH_AT..LENGTH_AT + 2).unwrap_or_default();
                    Notification::with_data(NotificationCode::BAD_MESSAGE_LENGTH, length)
                }
            });
        };
        let kind = match kind {
            0 => RefreshKind::Request,
            1 => RefreshKind::Begin,
            2 => RefreshKind::End,
            other => RefreshKind::Other(other),
        };
        let family = AddressFamily { afi: u16::from_be_bytes([high, low]), safi };
        Ok(Self { family, kind })
    }

    pub(super) fn encode(self, writer: &mut Writer) {
        writer.u16(self.family.afi);
        writer.u8(match self.kind {
            RefreshKind::Request => 0,
            RefreshKind::Begin => 1,
            RefreshKind::End => 2,
            RefreshKind::Other(number) => number,
        });
        writer.u8(self.family.safi);
    }
}
