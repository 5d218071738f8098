//! What may happen to the control plane.

use crate::api::ShowQuery;
use crate::api::request::ClearBgp;
use crate::base::ids::{MacAddress, MemberId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::config::{Config, PortSettings};
use crate::control::inherit::Legacy;
use crate::proto::bfd::Report;
use serde::{Deserialize, Serialize};

/// One thing that happened; also a line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The configuration to run from now on, validated. The first input of all, unless there is
    /// something to inherit.
    Configure(Box<Config>),
    /// A control plane before this one failed: go on from what it leaves. The first input of all in
    /// place of [`Input::Configure`]; the ports are in it.
    Inherit(Box<Legacy>),
    /// A port was opened, or its settings changed.
    PortAttached(Box<AttachedPort>),
    /// A port was closed.
    PortDetached(PortId),
    /// Carrier came or went.
    Carrier {
        /// Which port.
        port: PortId,
        /// Whether it has carrier now.
        is_up: bool,
    },
    /// A frame the data plane could not finish: everything from the destination MAC on, VLAN tag
    /// removed.
    Frame {
        /// Where it came in.
        port: PortId,
        /// The octets.
        #[serde(with = "crate::base::hex")]
        bytes: Vec<u8>,
    },
    /// A packet whose next hop has no MAC yet: from the IPv6 header on.
    Unresolved {
        /// The port it would leave by.
        port: PortId,
        /// The neighbour to resolve.
        address: core::net::Ipv6Addr,
        /// The octets.
        #[serde(with = "crate::base::hex")]
        packet: Vec<u8>,
    },
    /// A worker says how a BFD session is.
    Bfd(Box<Report>),
    /// What TCP says of a BGP session.
    Bgp(Box<crate::proto::bgp::transport::Report>),
    /// A neighbour was used for forwarding since the last such input (NUD needs to know, RFC 4861
    /// §7.3.3).
    NeighborUsed {
        /// The port.
        port: PortId,
        /// The neighbour.
        address: core::net::Ipv6Addr,
    },
    /// Every worker has left the worlds before this epoch (`Publisher::oldest`): numbers they used
    /// may be given out again.
    Reclaimed {
        /// The oldest epoch still read.
        epoch: u64,
    },
    /// A slice of inputs is over: what they changed is published as one world.
    Flush,
    /// Ask others to send around this router, or through it again. Everything else goes on.
    Drain {
        /// Whether to be left out.
        is_drained: bool,
    },
    /// Sessions of BGP shall begin anew or exchange their routes again; answered by
    /// [`crate::control::action::Action::Reply`] with the same number.
    ClearBgp {
        /// Number of the question.
        id: u64,
        /// Which and how.
        asked: ClearBgp,
    },
    /// A MAC is heard behind two members of a segment again and again.
    MacMoves {
        /// The MAC.
        mac: MacAddress,
        /// Where it is held.
        from: MemberId,
        /// Where it was heard as well.
        to: MemberId,
    },
    /// Ports of a tenant that are blocked shall forward again; answered by
    /// [`crate::control::action::Action::Reply`] with the same number.
    ClearTenant {
        /// Number of the question.
        id: u64,
        /// Its name; `None` for all.
        name: Option<String>,
    },
    /// Leave in order: tell the neighbours, then stop speaking.
    Shutdown,
    /// Somebody asks; answered by [`crate::control::action::Action::Reply`] with the same number.
    Query {
        /// Number of the question.
        id: u64,
        /// The question.
        query: ShowQuery,
        /// Of a long answer only the page behind this prefix.
        after: Option<Ipv6Prefix>,
    },
}

/// A port as the daemon opened it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedPort {
    /// Its number, from now on.
    pub port: PortId,
    /// The block of the configuration it fell under, with this port's own name.
    pub settings: PortSettings,
    /// The MAC of the device.
    pub mac: MacAddress,
    /// The largest MTU the device can carry.
    pub mtu_max: u16,
    /// Speed in Mb/s where known.
    pub speed_mbps: Option<u32>,
    /// Whether it has carrier.
    pub is_up: bool,
}
