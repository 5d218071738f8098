//! What may happen to the Neighbour Discovery machine.

use crate::base::ids::{MacAddress, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Duration;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// One thing that happened; also a part of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A port has carrier and speaks IPv6, or its addresses, MTU or advertisements changed. What
    /// did not change stays: entries, addresses already probed.
    InterfaceUp {
        /// The port.
        port: PortId,
        /// What it is.
        interface: Box<NdInterface>,
    },
    /// A port lost carrier or was closed: its entries go, what waited for them is released as
    /// unreachable. Static entries stay until removed.
    InterfaceDown {
        /// The port.
        port: PortId,
    },
    /// A packet for this neighbour has no MAC yet (RFC 4861 §7.2.2).
    Resolve {
        /// The port it would leave by.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
        /// From the IPv6 header on.
        packet: Vec<u8>,
    },
    /// The neighbour was used for forwarding since the last such input: NUD must know
    /// (RFC 4861 §7.3.3).
    Used {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
    },
    /// The upper layer heard from the neighbour: reachability confirmed (RFC 4861 §7.3.1). Where no
    /// entry exists and the MAC is known from the frame, one is made, as from a source
    /// link-layer address option.
    Confirmed {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
        /// Source MAC of the frame.
        mac: MacAddress,
    },
    /// An earlier run knew this neighbour: an entry is made where there is none, stale (RFC 4861
    /// §7.3.2) until the neighbour proves that it is still there.
    Remembered {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
        /// Its MAC then.
        mac: MacAddress,
    },
    /// `[[neighbor]]`: an entry that never expires and is never asked for.
    StaticEntry {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
        /// Its MAC.
        mac: MacAddress,
    },
    /// Such a block is gone.
    StaticRemoved {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: Ipv6Addr,
    },
    /// An ND message: a whole IPv6 packet with next header ICMPv6 and type 133 to 137.
    Message {
        /// Where it came in.
        port: PortId,
        /// Source MAC of its frame.
        source_mac: MacAddress,
        /// From the IPv6 header on.
        packet: Vec<u8>,
    },
    /// Leave in order: final advertisements with lifetime 0 (RFC 4861 §6.2.5).
    Shutdown,
}

/// A port as ND sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NdInterface {
    /// Port name, for events and tables.
    pub name: String,
    /// Its MAC.
    pub mac: MacAddress,
    /// Own addresses, link-local first; each is probed by DAD.
    pub addresses: Vec<Ipv6Addr>,
    /// Largest IPv6 packet in octets.
    pub mtu: u16,
    /// Optimistic DAD (RFC 4429) instead of waiting: fabric ports.
    pub is_optimistic: bool,
    /// Router advertisements: LAN ports, and those on which another router shall find this one.
    pub advertise: Option<RaSettings>,
}

/// RFC 4861 §6.2.1: what a port advertises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaSettings {
    /// On-link, autonomous prefixes (A and L set).
    pub prefixes: Vec<Ipv6Prefix>,
    /// More specific routes (RFC 4191 §2.3), medium preference, the router lifetime.
    pub routes: Vec<Ipv6Prefix>,
    /// MTU option.
    pub mtu: Option<u16>,
    /// AdvDefaultLifetime.
    pub lifetime: Duration,
    /// MaxRtrAdvInterval.
    pub interval_max: Duration,
    /// MinRtrAdvInterval.
    pub interval_min: Duration,
    /// AdvValidLifetime.
    pub valid_lifetime: Duration,
    /// AdvPreferredLifetime.
    pub preferred_lifetime: Duration,
    /// AdvCurHopLimit.
    pub hop_limit: u8,
}

impl RaSettings {
    /// For another router on the link and for no host: RFC 4861 §6.2.1 has a lifetime of zero for
    /// a router that is no default router, and a hop limit of zero for one that has no opinion.
    /// Every 10 s at most, as routers do that look for each other.
    pub fn of_neighbor() -> Self {
        Self {
            lifetime: Duration::ZERO,
            interval_max: Duration::from_secs(10),
            interval_min: Duration::from_secs(3),
            hop_limit: 0,
            ..Self::default()
        }
    }
}

impl Default for RaSettings {
    /// RFC 4861 §6.2.1, but an interval of 30 s and a lifetime of 90 s: a dead router is left
    /// within two minutes, not half an hour.
    fn default() -> Self {
        Self {
            prefixes: Vec::new(),
            routes: Vec::new(),
            mtu: None,
            lifetime: Duration::from_secs(90),
            interval_max: Duration::from_secs(30),
            interval_min: Duration::from_secs(10),
            valid_lifetime: Duration::from_secs(86_400),
            preferred_lifetime: Duration::from_secs(14_400),
            hop_limit: 64,
        }
    }
}
