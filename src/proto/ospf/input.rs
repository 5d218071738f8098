//! What may happen to the OSPFv3 machine.
//!
//! Owns the inputs and their parts; what the machine wants done stands in [`super::action`].
//!
//! *Standards*: RFC 5340; the interface data structure of its §4.1.2 is [`InterfaceConfig`].

use super::opaque::OpaqueKind;
use crate::base::ids::{AreaId, PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::ExternalMetric;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The backbone, 0.0.0.0: the one area of a cluster.
pub const BACKBONE: AreaId = RouterId(0);

/// One thing that happened; also a part of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Who this router is. The first input; a changed router-id restarts every adjacency.
    Settings(Settings),
    /// This machine takes the place of one that failed, and forwarding goes on: restart gracefully
    /// (RFC 3623 §5). Comes before the first settings, or does nothing.
    Restart {
        /// When the grace period is over.
        until: Instant,
    },
    /// A port shall run OSPF.
    InterfaceAdded {
        /// The port.
        port: PortId,
        /// Its configuration and state.
        interface: Box<InterfaceConfig>,
    },
    /// Something about such a port changed; what need not restart an adjacency does not.
    InterfaceChanged {
        /// The port.
        port: PortId,
        /// Its whole new configuration.
        interface: Box<InterfaceConfig>,
    },
    /// A port shall no longer run OSPF.
    InterfaceRemoved {
        /// The port.
        port: PortId,
    },
    /// Carrier came or went: InterfaceUp or InterfaceDown of RFC 2328 §9.3 at once.
    Carrier {
        /// The port.
        port: PortId,
        /// Whether it has carrier now.
        is_up: bool,
    },
    /// What BFD says of the way to the neighbour (RFC 5882 §4) has changed.
    Bfd {
        /// The port.
        port: PortId,
        /// Its word.
        verdict: BfdVerdict,
    },
    /// An OSPF packet, IPv6 header taken off.
    Packet {
        /// Where it came in.
        port: PortId,
        /// Source of the IPv6 header.
        source: Ipv6Addr,
        /// Destination of the IPv6 header.
        destination: Ipv6Addr,
        /// From the OSPF header on.
        bytes: Vec<u8>,
    },
    /// The whole list of what this router advertises in its intra-area-prefix-LSA; sorted.
    Prefixes(Vec<AdvertisedPrefix>),
    /// What this router announces from outside the AS has changed.
    Externals(ExternalChanges),
    /// All of that was said by now: what the life before a graceful restart announced beyond it is
    /// withdrawn.
    ExternalsComplete,
    /// The whole of what this router says from now on in LSAs of a kind that OSPF only carries.
    Opaque {
        /// Which kind.
        kind: OpaqueKind,
        /// What stands behind the headers, whole words of four octets, by Link State ID; see [`super::limits::OPAQUE_LSAS_MAX`]
        /// and [`super::limits::OWN_LSA_OCTETS_MAX`].
        bodies: BTreeMap<u32, Vec<u8>>,
    },
    /// Ask to be left out of the paths of others, or no more: a stub router (RFC 6987 §2).
    StubRouter {
        /// Whether every link is advertised at MaxLinkMetric.
        is_stub: bool,
    },
    /// Leave in order: flush own LSAs, send empty hellos.
    Shutdown,
}

/// What BFD says of the way to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BfdVerdict {
    /// Nothing bad: it works, nobody looked yet, or an administrator switched it off.
    Alive,
    /// It worked and works no more.
    Failed,
    /// The same, and the neighbour speaks BFD no more: perhaps it now runs without.
    Silent,
}

/// What holds for the whole router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Router-id (RFC 5340 §2.11); not 0.0.0.0.
    pub router_id: RouterId,
    /// Delays before SPF.
    pub spf_delays: SpfDelays,
    /// How long one place in the order of updates waits for the one before (RFC 6976); zero for
    /// updates without order. The same in the whole area.
    pub order_step: Duration,
    /// Whether neighbours that restart gracefully are helped (RFC 3623 §3.1 (4)).
    pub helps_restarts: bool,
    /// What the repairs of others may use here; `None` while the router is in no cluster.
    pub endpoint: Option<RepairEndpoint>,
}

/// Where this router ends the tunnels of others' repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairEndpoint {
    /// From here on packets go by the FIB.
    pub address: Ipv6Addr,
    /// A /112 with an address for each interface, from where on they go over that one.
    pub adjacencies: Ipv6Prefix,
}

/// RFC 8405 §3: parameters of the SPF back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpfDelays {
    /// INITIAL_SPF_DELAY.
    pub initial: Duration,
    /// SHORT_SPF_DELAY.
    pub short: Duration,
    /// LONG_SPF_DELAY.
    pub long: Duration,
    /// TIME_TO_LEARN_INTERVAL.
    pub time_to_learn: Duration,
    /// HOLDDOWN_INTERVAL.
    pub holddown: Duration,
}

/// What an interface is to OSPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceKind {
    /// A cable to one other router.
    PointToPoint,
}

/// RFC 5340 §4.1.2 and RFC 2328 §9: the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceConfig {
    /// Port name, for events and tables.
    pub name: String,
    /// Point-to-point.
    pub kind: InterfaceKind,
    /// Interface ID (RFC 5340 §4.1.2), unique within the router, not zero.
    pub interface_id: u32,
    /// Area.
    pub area: AreaId,
    /// Instance ID (RFC 5340 §2.4).
    pub instance_id: u8,
    /// Own link-local address: the source of every packet.
    pub link_local: Ipv6Addr,
    /// Largest IPv6 packet in octets.
    pub mtu: u16,
    /// Output cost.
    pub cost: u16,
    /// HelloInterval.
    pub hello_interval: Duration,
    /// RouterDeadInterval.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay: what transmission adds to the age of an LSA.
    pub transmit_delay: Duration,
    /// Accept neighbours with another MTU (RFC 2328 §10.6 without its check).
    pub mtu_ignore: bool,
    /// Carrier.
    pub is_up: bool,
}

/// How the routes that an AS boundary router announces differ from those it announced before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalChanges {
    /// Prefixes that it leads to no more; withdrawn before anything is announced.
    pub withdrawn: Vec<Ipv6Prefix>,
    /// New routes, and those that take the place of others to the same prefix.
    pub announced: Vec<ExternalRoute>,
}

/// A route out of the AS (RFC 5340 §4.4.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalRoute {
    /// The destinations.
    pub prefix: Ipv6Prefix,
    /// Type and cost; of LSInfinity and more it is one less.
    pub metric: ExternalMetric,
    /// Where packets should go instead of to this router: an address on a link that OSPF announces
    /// as a prefix. Left out where it is unspecified, link-local or multicast.
    pub forwarding_address: Option<Ipv6Addr>,
    /// External Route Tag.
    pub tag: Option<u32>,
}

/// One prefix of the router's intra-area-prefix-LSA (RFC 5340 §4.4.3.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AdvertisedPrefix {
    /// The prefix.
    pub prefix: Ipv6Prefix,
    /// Its metric.
    pub metric: u16,
    /// LA-bit (RFC 5340 §A.4.1.1): an address of the router itself, a /128.
    pub is_local_address: bool,
}
