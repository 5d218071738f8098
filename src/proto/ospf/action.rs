//! What the OSPFv3 machine wants done.

use super::helper::{HelpEnd, HelpRefusal};
use super::opaque::OpaqueUpdate;
use super::restart::RestartEnd;
use super::view::NeighborState;
use crate::base::ids::{PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::RouteUpdate;
use core::net::Ipv6Addr;
use serde::Serialize;

/// One wish; the owner carries it out in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Send an OSPF packet: IPv6 next header 89, hop limit 1, source the port's link-local address.
    Send {
        /// The port.
        port: PortId,
        /// `ff02::5` or the neighbour's link-local address.
        destination: Ipv6Addr,
        /// From the OSPF header on, checksum set.
        bytes: Vec<u8>,
    },
    /// A route appeared, changed or went. Always [`crate::base::route::RouteSource::Ospf`].
    Route(RouteUpdate),
    /// A neighbour changed its state.
    NeighborChanged(NeighborChange),
    /// A neighbour speaks from another address now; its state is the same.
    NeighborMoved {
        /// The port.
        port: PortId,
        /// Its link-local address so far.
        from: Ipv6Addr,
        /// Its link-local address.
        to: Ipv6Addr,
    },
    /// What a router says in LSAs that are only carried has changed.
    Opaque(OpaqueUpdate),
    /// Something an administrator should know.
    Notice(Notice),
}

/// A neighbour in a new state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeighborChange {
    /// The port.
    pub port: PortId,
    /// The neighbour.
    pub router_id: RouterId,
    /// Its link-local address.
    pub address: Ipv6Addr,
    /// State before.
    pub from: NeighborState,
    /// State now.
    pub to: NeighborState,
    /// Event of RFC 2328 §10.2 that did it, in its spelling (`KillNbr`, `InactivityTimer`, …).
    pub event: &'static str,
}

/// What an administrator should know, once per change and never per packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Notice {
    /// Two ends of a cable have different MTUs (RFC 2328 §10.6): the adjacency stays in ExStart.
    MtuMismatch {
        /// Here.
        port: PortId,
        /// Who.
        router_id: RouterId,
        /// MTU here.
        ours: u16,
        /// MTU there.
        theirs: u16,
    },
    /// Hello parameters differ (RFC 5340 §4.2.2.1): its hellos are not accepted.
    HelloMismatch {
        /// Here.
        port: PortId,
        /// Who.
        router_id: RouterId,
        /// Which field.
        field: &'static str,
        /// Value here.
        ours: u32,
        /// Value there.
        theirs: u32,
    },
    /// A router with this router's own router-id is in the cluster.
    DuplicateRouterId {
        /// Where it was noticed.
        port: PortId,
        /// The id.
        router_id: RouterId,
        /// Own address on that port.
        ours: Ipv6Addr,
        /// Address of the other, or of who brought its LSA.
        theirs: Ipv6Addr,
    },
    /// More than one neighbour answers on a point-to-point cable.
    SecondNeighbor {
        /// Here.
        port: PortId,
        /// The one that is kept.
        kept: RouterId,
        /// The one that is ignored.
        ignored: RouterId,
    },
    /// One neighbour answers from two addresses: two of its ports are on the cable.
    SecondPort {
        /// Here.
        port: PortId,
        /// Who.
        router_id: RouterId,
        /// The address that is kept.
        kept: Ipv6Addr,
        /// The one that is ignored.
        ignored: Ipv6Addr,
    },
    /// Two ports of this router are cabled together.
    OwnPorts {
        /// One.
        port: PortId,
        /// The other.
        other: PortId,
    },
    /// An LSA does not fit the MTU of a port: it is not sent there.
    LsaTooLarge {
        /// Where it would have to go out.
        port: PortId,
        /// Who made it.
        router_id: RouterId,
        /// LS type in words.
        kind: String,
        /// Link State ID.
        id: u32,
        /// Octets with its header.
        octets: u32,
        /// The MTU.
        mtu: u16,
    },
    /// This router's own graceful restart is over.
    RestartEnded {
        /// Why.
        end: RestartEnd,
    },
    /// A neighbour restarts gracefully and is helped.
    HelpBegun {
        /// Where.
        port: PortId,
        /// Who.
        router_id: RouterId,
        /// Its reason (RFC 3623 App. A).
        reason: u8,
        /// Seconds left of its grace period.
        left_s: u64,
    },
    /// A neighbour asks for help and does not get it.
    HelpRefused {
        /// Where.
        port: PortId,
        /// Who.
        router_id: RouterId,
        /// Why not.
        why: HelpRefusal,
    },
    /// A neighbour is helped no more.
    HelpEnded {
        /// Where.
        port: PortId,
        /// Who.
        router_id: RouterId,
        /// Why.
        end: HelpEnd,
    },
    /// The link-state database is full: an LSA was refused.
    DatabaseFull {
        /// How many LSAs it holds.
        lsas: u32,
        /// How many octets these have.
        octets: u64,
    },
    /// This router is to announce more routes out of the AS than it ever will.
    TooManyExternals {
        /// The first that is not announced.
        prefix: Ipv6Prefix,
        /// How many are.
        max: u32,
    },
    /// An LSA has a right checksum and says nothing that can be read: it is not kept.
    UnreadableLsa {
        /// Where it came in.
        port: PortId,
        /// Who made it.
        router_id: RouterId,
        /// LS type in words.
        kind: String,
        /// Link State ID.
        id: u32,
    },
}

impl Notice {
    /// The port it is about; `None` for the router.
    pub const fn port(&self) -> Option<PortId> {
        match self {
            Self::MtuMismatch { port, .. }
            | Self::HelloMismatch { port, .. }
            | Self::DuplicateRouterId { port, .. }
            | Self::SecondNeighbor { port, .. }
            | Self::SecondPort { port, .. }
            | Self::OwnPorts { port, .. }
            | Self::HelpBegun { port, .. }
            | Self::HelpRefused { port, .. }
            | Self::HelpEnded { port, .. }
            | Self::LsaTooLarge { port, .. }
            | Self::UnreadableLsa { port, .. } => Some(*port),
            Self::DatabaseFull { .. }
            | Self::TooManyExternals { .. }
            | Self::RestartEnded { .. } => None,
        }
    }
}
