//! NOTIFICATION: why a session ends, on the wire and as the result of reading something wrong.
//!
//! Owns [`Notification`] and the names of its codes. What happens to the session is the speaker's.
//!
//! *Standards*: RFC 4271 §4.5 and §6, RFC 4486 (subcodes of Cease), RFC 5492 §5, RFC 6608 (subcodes
//! of the FSM error), RFC 7313 §5, RFC 8538 §3 (hard reset), RFC 9003 (a word for people), RFC 9234
//! §4.2, RFC 9384 (BFD), RFC 9687 §3.2.

use crate::base::cursor::{Reader, Truncated, Writer};
use core::fmt;
use serde::{Deserialize, Serialize};

/// RFC 9003 §2: octets of the text of a shutdown.
pub const SHUTDOWN_TEXT_OCTETS_MAX: usize = 255;

/// An error code and subcode, by the number of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NotificationCode {
    /// RFC 4271 §4.5: error code.
    pub code: u8,
    /// Error subcode; zero where there is none.
    pub subcode: u8,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $subcode:literal, $words:literal;)+) => {
        impl NotificationCode {
            $($(#[$doc])* pub const $name: Self = Self { code: $code, subcode: $subcode };)+

            /// In the words of the RFC; `None` for numbers that none has given a meaning.
            pub const fn name(self) -> Option<&'static str> {
                match (self.code, self.subcode) {
                    $(($code, $subcode) => Some($words),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// The marker is not all ones.
    CONNECTION_NOT_SYNCHRONIZED = 1, 1, "connection not synchronized";
    /// A length that the type cannot have.
    BAD_MESSAGE_LENGTH = 1, 2, "bad message length";
    /// A type that nobody has agreed on.
    BAD_MESSAGE_TYPE = 1, 3, "bad message type";
    /// An OPEN that is malformed.
    OPEN_ERROR = 2, 0, "OPEN message error";
    /// Not version 4.
    UNSUPPORTED_VERSION = 2, 1, "unsupported version number";
    /// Another AS than was expected, or 0.
    BAD_PEER_AS = 2, 2, "bad peer AS";
    /// Zero, or our own within one AS.
    BAD_BGP_IDENTIFIER = 2, 3, "bad BGP identifier";
    /// An Optional Parameter that is not known.
    UNSUPPORTED_OPTIONAL_PARAMETER = 2, 4, "unsupported optional parameter";
    /// A hold time of one or two seconds.
    UNACCEPTABLE_HOLD_TIME = 2, 6, "unacceptable hold time";
    /// RFC 5492 §5.
    UNSUPPORTED_CAPABILITY = 2, 7, "unsupported capability";
    /// RFC 9234 §4.2.
    ROLE_MISMATCH = 2, 11, "role mismatch";
    /// RFC 4271 §6.3, with RFC 7606 §3 for what is left of it.
    MALFORMED_ATTRIBUTE_LIST = 3, 1, "malformed attribute list";
    /// A well-known attribute that is not known.
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 3, 2, "unrecognized well-known attribute";
    /// An optional attribute, MP_REACH_NLRI for example, that cannot be read.
    OPTIONAL_ATTRIBUTE_ERROR = 3, 9, "optional attribute error";
    /// A prefix that is none.
    INVALID_NETWORK_FIELD = 3, 10, "invalid network field";
    /// RFC 4271 §6.5.
    HOLD_TIMER_EXPIRED = 4, 0, "hold timer expired";
    /// A message that the state does not expect.
    FSM_ERROR = 5, 0, "finite state machine error";
    /// RFC 6608 §3.
    UNEXPECTED_IN_OPEN_SENT = 5, 1, "unexpected message in OpenSent state";
    /// RFC 6608 §3.
    UNEXPECTED_IN_OPEN_CONFIRM = 5, 2, "unexpected message in OpenConfirm state";
    /// RFC 6608 §3.
    UNEXPECTED_IN_ESTABLISHED = 5, 3, "unexpected message in Established state";
    /// RFC 4271 §6.7.
    CEASE = 6, 0, "cease";
    /// RFC 4486 §4.
    MAXIMUM_PREFIXES_REACHED = 6, 1, "maximum number of prefixes reached";
    /// RFC 4486 §4, RFC 9003.
    ADMINISTRATIVE_SHUTDOWN = 6, 2, "administrative shutdown";
    /// RFC 4486 §4.
    PEER_DE_CONFIGURED = 6, 3, "peer de-configured";
    /// RFC 4486 §4, RFC 9003.
    ADMINISTRATIVE_RESET = 6, 4, "administrative reset";
    /// RFC 4486 §4.
    CONNECTION_REJECTED = 6, 5, "connection rejected";
    /// RFC 4486 §4.
    CONFIGURATION_CHANGE = 6, 6, "other configuration change";
    /// RFC 4486 §4.
    COLLISION_RESOLUTION = 6, 7, "connection collision resolution";
    /// RFC 4486 §4.
    OUT_OF_RESOURCES = 6, 8, "out of resources";
    /// RFC 8538 §3: no graceful restart, whatever was agreed on.
    HARD_RESET = 6, 9, "hard reset";
    /// RFC 9384 §3.
    BFD_DOWN = 6, 10, "BFD down";
    /// RFC 7313 §5.
    INVALID_ROUTE_REFRESH_LENGTH = 7, 1, "invalid ROUTE-REFRESH length";
    /// RFC 9687 §3.2.
    SEND_HOLD_TIMER_EXPIRED = 8, 0, "send hold timer expired";
}

impl fmt::Display for NotificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("error {} subcode {}", self.code, self.subcode)),
        }
    }
}

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}", self.words())]
pub struct Notification {
    /// Error code and subcode.
    pub code: NotificationCode,
    /// What they are about; its meaning depends on them.
    pub data: Vec<u8>,
}

impl Notification {
    /// Without data.
    pub const fn new(code: NotificationCode) -> Self {
        Self { code, data: Vec::new() }
    }

    /// With the octets that it is about.
    pub fn with_data(code: NotificationCode, data: &[u8]) -> Self {
        Self { code, data: data.to_vec() }
    }

    /// RFC 9003 §2: a shutdown or reset with a text, which is cut at the last whole character that
    /// has room.
    pub fn with_text(code: NotificationCode, text: &str) -> Self {
        let mut end = text.len().min(SHUTDOWN_TEXT_OCTETS_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        let mut data = vec![length];
        data.extend_from_slice(text.as_bytes());
        Self { code, data }
    }

    /// RFC 9003 §2: the text of a shutdown or reset, where there is one; what is not UTF-8 in it is
    /// replaced.
    pub fn text(&self) -> Option<String> {
        let has_text = matches!(
            self.code,
            NotificationCode::ADMINISTRATIVE_SHUTDOWN | NotificationCode::ADMINISTRATIVE_RESET
        );
        let (length, rest) = self.data.split_first().filter(|_| has_text)?;
        let text = rest.get(..usize::from(*length)).filter(|text| !text.is_empty())?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// What it says, with what a hard reset is about and the word of an administrator.
    fn words(&self) -> String {
        let inner = self.inner();
        let about =
            if inner.code == self.code { String::new() } else { format!(": {}", inner.code) };
        let text = inner.text().map_or_else(String::new, |text| format!(": {text}"));
        format!("{}{about}{text}", self.code)
    }

    /// RFC 8538 §3: a hard reset that says what it is about.
    pub fn hard_reset(about: &Self) -> Self {
        let mut data = vec![about.code.code, about.code.subcode];
        data.extend_from_slice(&about.data);
        Self { code: NotificationCode::HARD_RESET, data }
    }

    /// What a hard reset is about; itself where it is none.
    pub fn inner(&self) -> Self {
        match (self.code, self.data.as_slice()) {
            (NotificationCode::HARD_RESET, [code, subcode, data @ ..]) => {
                let code = NotificationCode { code: *code, subcode: *subcode };
                Self { code, data: data.to_vec() }
            }
            _ => self.clone(),
        }
    }

    /// The code of what a hard reset is about; its own where it is none.
    pub fn inner_code(&self) -> NotificationCode {
        self.inner().code
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(body);
        let code = NotificationCode { code: reader.u8()?, subcode: reader.u8()? };
        Ok(Self { code, data: reader.rest().to_vec() })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.code.code);
        writer.u8(self.code.subcode);
        writer.put(&self.data);
    }
}
