//! What the Neighbour Discovery machine shows of itself.

use crate::base::ids::{MacAddress, PortId};
use core::fmt;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// RFC 4861 §7.3.2: states of an entry, and one for what the administrator wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NdState {
    /// Being asked for.
    Incomplete,
    /// Known to work.
    Reachable,
    /// Known, not recently confirmed.
    Stale,
    /// Used while stale: waiting for a hint before asking.
    Delay,
    /// Being asked whether it still works.
    Probe,
    /// From the configuration.
    Static,
}

impl fmt::Display for NdState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Incomplete => "incomplete",
            Self::Reachable => "reachable",
            Self::Stale => "stale",
            Self::Delay => "delay",
            Self::Probe => "probe",
            Self::Static => "static",
        })
    }
}

/// An entry of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryView {
    /// The port.
    pub port: PortId,
    /// The neighbour.
    pub address: Ipv6Addr,
    /// Its MAC, once known.
    pub mac: Option<MacAddress>,
    /// State.
    pub state: NdState,
    /// R-flag of its last advertisement.
    pub is_router: bool,
    /// Packets that wait.
    pub queued_packets: u32,
}
