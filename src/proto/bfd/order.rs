//! How the control plane asks for sessions, and what it hears of them.
//!
//! Owns [`Order`] and [`Report`], the two ways between the control thread and the workers that run
//! the sessions. An order says what shall be, not what shall change, so that a control plane which
//! knows nothing of its predecessor may give it again: a session that is wanted as it is goes on
//! untouched.
//!
//! *Invariants*: one session a port: a cable has one other end.

use super::input::Settings;
use super::view::View;
use crate::base::ids::{MacAddress, PortId};
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// A session that shall exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The port.
    pub port: PortId,
    /// Own address, from which packets go: the port's link-local one, or the one on the neighbour's
    /// prefix.
    pub local: Ipv6Addr,
    /// Address of the neighbour.
    pub neighbor: Ipv6Addr,
    /// Its MAC as far as known; packets of the neighbour tell a newer one.
    pub mac: MacAddress,
    /// How it runs.
    pub settings: Settings,
}

/// To the worker that owns the sessions of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// There shall be this session. One with another neighbour on the port ends; one with the same
    /// goes on with these settings.
    Want(Wanted),
    /// There shall be this session, and what it knew of failures is forgotten.
    Renew(Wanted),
    /// There shall be none: it says AdminDown and ends.
    End {
        /// The port.
        port: PortId,
    },
    /// Every session says AdminDown and stays so until the router ends. To all workers.
    Leave,
    /// Report every session, whatever was reported before. To all workers.
    Describe,
}

impl Order {
    /// The port whose owner it is for; `None` for all workers.
    pub const fn port(&self) -> Option<PortId> {
        match self {
            Self::Want(wanted) | Self::Renew(wanted) => Some(wanted.port),
            Self::End { port } => Some(*port),
            Self::Leave | Self::Describe => None,
        }
    }
}

/// From a worker: a session as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The port.
    pub port: PortId,
    /// Link-local address of the neighbour.
    pub neighbor: Ipv6Addr,
    /// The session.
    pub view: View,
}
