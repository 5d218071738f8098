//! What an administrator decides about a peer, as far as the session goes.
//!
//! Owns [`Settings`]. Addresses, TCP options (GTSM, MD5) and policies are others': a session only
//! sees octets.
//!
//! *Invariants*: [`Settings::bounded`] holds for every session: no settings make a timer a loop.
//! *Standards*: RFC 4271 §8.1.1 (session attributes), RFC 9234 §4.2 (strict mode), RFC 4724 §3.

use super::limits::{
    CONNECT_RETRY_TIME, CONNECT_RETRY_TIME_MAX, CONNECT_RETRY_TIME_MIN, HOLD_TIME_S,
    HOLD_TIME_S_MIN, KEEPALIVE_TIME_MIN, KEEPALIVES_PER_HOLD_TIME, RESTART_TIME_S,
    RESTART_TIME_S_MAX, SEND_HOLD_TIME_MIN, SEND_HOLD_TIMES,
};
use crate::base::ids::RouterId;
use crate::base::time::Duration;
use crate::wire::bgp::{AddPathMode, Role};
use serde::{Deserialize, Serialize};

/// Which AS the peer must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteAs {
    /// This one.
    Exactly(u32),
    /// Any other than ours.
    External,
    /// Ours.
    Internal,
}

impl RemoteAs {
    /// Whether a peer may be in this AS.
    pub const fn allows(self, local_asn: u32, asn: u32) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == asn,
            Self::External => local_asn != asn,
            Self::Internal => local_asn == asn,
        }
    }
}

/// RFC 4271 §8.1.1, PassiveTcpEstablishment: who opens the TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// Either.
    #[default]
    Active,
    /// The peer: a dynamic neighbour, for example.
    Passive,
}

/// RFC 9234 §4.2: what a peer without a role is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleMode {
    /// One that has not heard of roles.
    #[default]
    Lenient,
    /// Refused.
    Strict,
}

/// RFC 4271 §6.8: what becomes of a new connection while a session is Established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EstablishedCollision {
    /// It is closed.
    #[default]
    KeepEstablished,
    /// The two are compared as two others are (CollisionDetectEstablishedState).
    Compare,
}

/// RFC 4724: what we do for graceful restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartMode {
    /// Nothing.
    Off,
    /// The peer's routes are kept while it restarts.
    Helper,
    /// That, and we restart gracefully ourselves.
    Full,
}

/// RFC 4724 and RFC 8538.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartSettings {
    /// What we do.
    pub mode: RestartMode,
    /// How long the peer shall wait for us, 4095 s at most.
    pub restart_time_s: u16,
    /// RFC 8538: a NOTIFICATION and a hold timer that expires keep routes as well.
    pub survives_notifications: bool,
}

/// How a session runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Our AS.
    pub local_asn: u32,
    /// Our BGP identifier, not zero.
    pub identifier: RouterId,
    /// The peer's AS.
    pub remote_as: RemoteAs,
    /// Who opens the connection.
    pub opening: Opening,
    /// The hold time that we propose: zero for none, else 3 s or more.
    pub hold_time_s: u16,
    /// The least hold time that the peer may propose; zero allows any.
    pub hold_time_s_min: u16,
    /// RFC 4271 §10: time between keepalives, before jitter; `None`, or where this is longer, for a
    /// third of the hold time that was agreed on.
    pub keepalive_time: Option<Duration>,
    /// RFC 4271 §8: ConnectRetryTime, before jitter.
    pub connect_retry_time: Duration,
    /// RFC 9687: how long a peer may not read; `None` for what the RFC recommends.
    pub send_hold_time: Option<Duration>,
    /// Our role; `None` where none is told, and always within an AS.
    pub role: Option<Role>,
    /// What a peer without a role is.
    pub role_mode: RoleMode,
    /// Graceful restart.
    pub restart: RestartSettings,
    /// RFC 7911: what we do with several paths of one prefix.
    pub add_path: AddPathMode,
    /// RFC 8654: whether messages may be long.
    pub has_extended_messages: bool,
    /// What an Established session does with a new connection.
    pub established_collision: EstablishedCollision,
}

impl Settings {
    /// The usual settings for a peer.
    pub const fn new(local_asn: u32, identifier: RouterId, remote_as: RemoteAs) -> Self {
        Self {
            local_asn,
            identifier,
            remote_as,
            opening: Opening::Active,
            hold_time_s: HOLD_TIME_S,
            hold_time_s_min: 0,
            keepalive_time: None,
            connect_retry_time: CONNECT_RETRY_TIME,
            send_hold_time: None,
            role: None,
            role_mode: RoleMode::Lenient,
            restart: RestartSettings {
                mode: RestartMode::Full,
                restart_time_s: RESTART_TIME_S,
                survives_notifications: true,
            },
            add_path: AddPathMode { receives: false, sends: false },
            has_extended_messages: true,
            established_collision: EstablishedCollision::KeepEstablished,
        }
    }

    /// The same with every time within its limits.
    pub fn bounded(mut self) -> Self {
        if self.hold_time_s > 0 {
            self.hold_time_s = self.hold_time_s.max(HOLD_TIME_S_MIN);
        }
        self.connect_retry_time =
            self.connect_retry_time.clamp(CONNECT_RETRY_TIME_MIN, CONNECT_RETRY_TIME_MAX);
        self.restart.restart_time_s = self.restart.restart_time_s.min(RESTART_TIME_S_MAX);
        self
    }

    /// RFC 4271 §4.4: the time between keepalives where this hold time was agreed on; zero for
    /// none.
    pub fn keepalive_time(&self, hold_time: Duration) -> Duration {
        let usual = hold_time / KEEPALIVES_PER_HOLD_TIME;
        // §4.4: "MUST NOT be sent more frequently than one per second".
        self.keepalive_time.map_or(usual, |time| time.max(KEEPALIVE_TIME_MIN).min(usual))
    }

    /// RFC 9687: the send hold time where this hold time was agreed on; `None` for none, as there
    /// is none for the peer's silence either.
    pub fn send_hold_time(&self, hold_time: Duration) -> Option<Duration> {
        if hold_time.is_zero() {
            return self.send_hold_time;
        }
        let recommended = (hold_time * SEND_HOLD_TIMES).max(SEND_HOLD_TIME_MIN);
        // §3.1: a peer that is silent for the hold time is gone before one that does not read.
        Some(self.send_hold_time.map_or(recommended, |time| time.max(hold_time)))
    }
}
