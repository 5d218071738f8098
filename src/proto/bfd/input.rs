//! What may happen to a BFD session.
//!
//! Owns the inputs and the settings; what a session wants done stands in [`super::action`].

use crate::base::time::Duration;
use crate::wire::bfd::{ControlPacket, DIGEST_OCTETS_MAX, DigestKind, Octets, Password};
use core::fmt;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A control packet for this session, selected by its port (RFC 5881 §4), its IPv6 header
    /// checked.
    Packet {
        /// What it says.
        packet: ControlPacket,
        /// Its octets, where it is authenticated.
        octets: Octets,
    },
    /// The session shall run like this from now on.
    Settings(Settings),
}

/// What an administrator decides about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// False: AdminDown.
    pub is_enabled: bool,
    /// bfd.DesiredMinTxInterval while Up.
    pub desired_min_tx: Duration,
    /// bfd.RequiredMinRxInterval.
    pub required_min_rx: Duration,
    /// bfd.DetectMult.
    pub multiplier: u8,
    /// What packets are authenticated with.
    pub key: Option<Key>,
}

/// How a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// In clear text (RFC 5880 §6.7.2).
    SimplePassword,
    /// In a digest (§6.7.3, §6.7.4).
    Digest(DigestKind),
}

/// A key: 1 to 20 octets.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    kind: KeyKind,
    id: u8,
    secret: [u8; DIGEST_OCTETS_MAX],
    length: u8,
}

impl Key {
    /// A key; `None` where the secret is empty or longer than its kind allows.
    pub fn new(kind: KeyKind, id: u8, secret: &[u8]) -> Option<Self> {
        let length_max = match kind {
            KeyKind::SimplePassword => crate::wire::bfd::PASSWORD_OCTETS_MAX,
            KeyKind::Digest(kind) => kind.octets(),
        };
        let length = u8::try_from(secret.len()).ok().filter(|_| secret.len() <= length_max)?;
        let mut padded = [0; DIGEST_OCTETS_MAX];
        padded.get_mut(..secret.len())?.copy_from_slice(secret);
        (length > 0).then_some(Self { kind, id, secret: padded, length })
    }

    /// How it is used.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Its number.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// The secret with zeros behind it, as a digest of this kind wants it.
    pub(super) fn padded(&self, kind: DigestKind) -> &[u8] {
        self.secret.get(..kind.octets()).unwrap_or(&self.secret)
    }

    /// The secret as a password.
    pub(super) fn password(&self) -> Option<Password> {
        Password::new(self.secret.get(..usize::from(self.length))?)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?} {})", self.kind, self.id)
    }
}
