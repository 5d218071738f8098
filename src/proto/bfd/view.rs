//! What a BFD session shows of itself.
//!
//! Owns [`View`], a plain copy: what the control plane acts on, and what `show bfd` prints.

use crate::base::time::{Duration, Instant};
use crate::wire::bfd::{Diagnostic, State};
use serde::{Deserialize, Serialize};

/// A session at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// bfd.SessionState.
    pub state: State,
    /// bfd.RemoteSessionState.
    pub remote_state: State,
    /// bfd.LocalDiag.
    pub diagnostic: Diagnostic,
    /// The diagnostic in the neighbour's last packet.
    pub remote_diagnostic: Diagnostic,
    /// bfd.LocalDiscr.
    pub discriminator: u32,
    /// bfd.RemoteDiscr; zero where it is not known.
    pub remote_discriminator: u32,
    /// It was Up, went down for another reason than an administrator, and has not come back: the
    /// way to the neighbour does not work (RFC 5882 §3.2).
    pub is_failed: bool,
    /// The neighbour said nothing for as long as one that speaks BFD never is silent.
    pub is_silent: bool,
    /// Since when it is in this state.
    pub since: Instant,
    /// Time between two packets to the neighbour, before jitter; `None` where none are sent.
    pub transmit_interval: Option<Duration>,
    /// Time between two packets from the neighbour, before jitter.
    pub receive_interval: Duration,
    /// Silence after which the neighbour is dead; zero before it was heard.
    pub detection_time: Duration,
    /// bfd.DetectMult.
    pub multiplier: u8,
    /// The neighbour's.
    pub remote_multiplier: u8,
    /// Whether a Poll Sequence runs.
    pub is_polling: bool,
    /// Whether packets are authenticated.
    pub is_authenticated: bool,
}
