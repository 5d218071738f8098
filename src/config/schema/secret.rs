//! Keys and passwords that were read from files.
//!
//! Owns [`Secret`]: never printed nor recorded.

use core::fmt;
use serde::{Deserialize, Serialize};

/// The longest secret of any kind: a password of TCP-MD5, as long as Linux takes one
/// (TCP_MD5SIG_MAXKEYLEN).
pub const SECRET_OCTETS_MAX: usize = 80;

/// A key that was read from a file; never printed nor recorded. Serialised, it is its length, and
/// what is read back is as long and worth nothing: a control plane that is run again behaves as it
/// did and knows no key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "usize", into = "usize")]
pub struct Secret(pub Vec<u8>);

impl From<Secret> for usize {
    fn from(secret: Secret) -> Self {
        secret.0.len()
    }
}

impl From<usize> for Secret {
    fn from(octets: usize) -> Self {
        Self(vec![b'x'; octets.min(SECRET_OCTETS_MAX)])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} octets)", self.0.len())
    }
}
