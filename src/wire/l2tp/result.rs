//! Why a control connection or a session ends.
//!
//! Owns [`Reason`] with the codes of StopCCN ([`StopCode`]) and CDN ([`DisconnectCode`]), and
//! [`ErrorCode`], which both share.
//!
//! *Invariants*: a text has at most [`TEXT_OCTETS_MAX`] octets, sent or received.
//! *Standards*: RFC 3931 §5.4.2.

use super::limits::TEXT_OCTETS_MAX;
use crate::base::cursor::{Reader, Truncated, Writer};
use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$code_doc:meta])* $code:ident = $number:literal, $text:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u16);

        impl $name {
            $($(#[$code_doc])* pub const $code: Self = Self($number);)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $($number => f.write_str($text),)*
                    other => write!(f, "code {other}"),
                }
            }
        }

        impl From<u16> for $name {
            fn from(number: u16) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u16 {
            fn from(code: $name) -> Self {
                code.0
            }
        }
    };
}

codes! {
    /// The result code of a StopCCN.
    StopCode {
        /// Nothing is wrong.
        CLEARED = 1, "cleared";
        /// See the error code.
        GENERAL_ERROR = 2, "general error";
        /// There is one already.
        ALREADY_EXISTS = 3, "control connection already exists";
        /// Whoever asks may not.
        NOT_AUTHORIZED = 4, "not authorized";
        /// Another version; the error code has the highest one that is spoken.
        VERSION_NOT_SUPPORTED = 5, "protocol version not supported";
        /// The sender is being shut down.
        SHUTTING_DOWN = 6, "shutting down";
        /// A message in a wrong state, or none in time.
        STATE_MACHINE = 7, "finite state machine error or timeout";
    }
}

codes! {
    /// The result code of a CDN.
    DisconnectCode {
        /// The circuit is gone.
        LOSS_OF_CARRIER = 1, "loss of carrier or circuit disconnect";
        /// See the error code.
        GENERAL_ERROR = 2, "general error";
        /// An administrator wants it so.
        ADMINISTRATIVE = 3, "administrative reasons";
        /// Not at the moment.
        NO_FACILITIES_TEMPORARY = 4, "no facilities, temporarily";
        /// Never.
        NO_FACILITIES_PERMANENT = 5, "no facilities, permanently";
        /// The other end's request goes on.
        LOST_TIE = 13, "lost the tie breaker";
        /// §5.4.4: what was not in the list of capabilities.
        PSEUDOWIRE_TYPE = 14, "unsupported pseudowire type";
        /// §5.4.4: numbers are wanted, and there is nowhere to put them.
        SEQUENCING_WITHOUT_SUBLAYER = 15, "sequencing without a sublayer";
        /// A message in a wrong state, or none in time.
        STATE_MACHINE = 16, "finite state machine error or timeout";
    }
}

codes! {
    /// What exactly, where the result code is a general error.
    ErrorCode {
        /// Nothing.
        NONE = 0, "no general error";
        /// There is no control connection.
        NO_CONNECTION = 1, "no control connection exists yet";
        /// A length is wrong.
        LENGTH = 2, "length is wrong";
        /// A value is wrong.
        RANGE = 3, "value out of range";
        /// There is no room.
        RESOURCES = 4, "insufficient resources";
        /// There is no such session.
        SESSION = 5, "invalid session id";
        /// See the text.
        VENDOR = 6, "vendor-specific error";
        /// Another responder could do it.
        TRY_ANOTHER = 7, "try another";
        /// §5.2: an AVP with M that is not known.
        UNKNOWN_MANDATORY_AVP = 8, "unknown mandatory AVP";
        /// One of those in the text could do it.
        TRY_ANOTHER_DIRECTED = 9, "try another, directed";
    }
}

/// A result code and what came with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason<C> {
    /// The result code.
    pub code: C,
    /// The error code, where there is one.
    pub error: Option<ErrorCode>,
    /// In words; empty where there are none.
    text: String,
}

impl<C> Reason<C> {
    /// A result code alone.
    pub const fn new(code: C) -> Self {
        Self { code, error: None, text: String::new() }
    }

    /// A result code with an error code and, in words, what it is about.
    pub fn with_error(code: C, error: ErrorCode, text: &str) -> Self {
        Self { code, error: Some(error), text: bounded(text) }
    }

    /// In words; empty where there are none.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<C: From<u16>> Reason<C> {
    pub(super) fn decode(value: &[u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(value);
        let code = C::from(reader.u16()?);
        if reader.is_empty() {
            return Ok(Self::new(code));
        }
        let error = ErrorCode(reader.u16()?);
        let text = bounded(&String::from_utf8_lossy(reader.rest()));
        Ok(Self { code, error: Some(error), text })
    }
}

impl<C: Copy + Into<u16>> Reason<C> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u16(self.code.into());
        if let Some(error) = self.error {
            writer.u16(error.0);
            writer.put(self.text.as_bytes());
        }
        writer.into_vec()
    }
}

impl<C: fmt::Display> fmt::Display for Reason<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(error) = self.error {
            write!(f, ": {error}")?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, " ({:?})", self.text) }
    }
}

/// As much of a text as is kept.
pub(super) fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_OCTETS_MAX)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_three_lengths() {
        // §5.4.2: "The Length is 8 if there is no Error Code or Message, 10 if there is an Error
        // Code and no Error Message".
        let plain = Reason::new(StopCode::CLEARED);
        assert_eq!(plain.encode(), [0, 1]);
        let error = Reason::with_error(StopCode::GENERAL_ERROR, ErrorCode::LENGTH, "");
        assert_eq!(error.encode(), [0, 2, 0, 2]);
        let text = Reason::with_error(StopCode::GENERAL_ERROR, ErrorCode::LENGTH, "ab");
        assert_eq!(text.encode(), [0, 2, 0, 2, b'a', b'b']);
        for reason in [plain, error, text] {
            assert_eq!(Reason::decode(&reason.encode()), Ok(reason));
        }
        assert!(Reason::<StopCode>::decode(&[0]).is_err());
        assert!(Reason::<StopCode>::decode(&[0, 1, 2]).is_err());
    }

    #[test]
    fn a_text_is_cut_between_letters_and_shown_quoted() {
        let long = "ä".repeat(TEXT_OCTETS_MAX);
        let reason = Reason::with_error(DisconnectCode(99), ErrorCode(77), &long);
        assert_eq!(reason.text().len(), TEXT_OCTETS_MAX - 1);
        let bad = Reason::<DisconnectCode>::decode(&[0, 2, 0, 6, 0xff, b'\n']).unwrap();
        assert_eq!(bad.to_string(), "general error: vendor-specific error (\"\u{fffd}\\n\")");
    }
}
