//! What the threads say to each other.
//!
//! Owns the messages of the control thread ([`ToControl`]), the host thread ([`ToHost`]) and the
//! main thread ([`Job`]), and the limits of their queues.

use crate::api::request::ClearBgp;
use crate::api::show::ShowReply;
use crate::api::{ApiError, Event, ShowQuery};
use crate::base::ids::PortId;
use crate::base::prefix::Ipv6Prefix;
use crate::config::Config;
use crate::control::bgp_transport::{Order, Report};
use crate::control::{AttachedPort, HostLink};
use crate::daemon::devices::DeviceStats;
use core::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// Messages that wait for the control thread: every port at once, and the questions of all clients.
pub const TO_CONTROL_MAX: usize = 1024;
/// Of these, what BGP may fill: a table that comes in keeps no question waiting.
pub const TO_CONTROL_BGP_MAX: usize = TO_CONTROL_MAX / 2;
/// Messages that wait for the host thread: events of an outage of every neighbour.
pub const TO_HOST_MAX: usize = 8192;
/// Jobs that wait for the main thread: one for each client.
pub const JOBS_MAX: usize = 128;

/// To the control thread.
#[derive(Debug)]
pub enum ToControl {
    /// A new configuration.
    Configure(Box<Config>),
    /// A port was opened or its settings changed.
    Attach(Box<AttachedPort>),
    /// A port is about to be closed.
    Detach {
        /// The port.
        port: PortId,
        /// Answered when its farewell is on its way.
        done: SyncSender<()>,
    },
    /// Carrier came or went.
    Carrier {
        /// The port.
        port: PortId,
        /// Whether it has carrier.
        is_up: bool,
    },
    /// What TCP says of a BGP session.
    Bgp(Report),
    /// A question.
    Query {
        /// Its number.
        id: u64,
        /// The question.
        query: ShowQuery,
        /// Of a long answer only the page behind this prefix.
        after: Option<Ipv6Prefix>,
    },
    /// Ask others to send around this router, or through it again.
    Drain {
        /// Whether to be left out.
        is_drained: bool,
    },
    /// Clear sessions of BGP.
    ClearBgp {
        /// Number of the question.
        id: u64,
        /// Which and how.
        asked: ClearBgp,
    },
    /// Let ports of tenants forward again that are blocked for a loop.
    ClearTenant {
        /// Number of the question.
        id: u64,
        /// Name of the tenant; `None` for all.
        name: Option<String>,
    },
    /// Fail as a fault of the control plane would.
    Fail,
    /// Drain, say good-bye to the neighbours and end.
    Shutdown,
}

/// To the host thread.
#[derive(Debug)]
pub enum ToHost {
    /// The TUN device's addresses and the routes into it.
    Addresses(HostAddresses),
    /// The host speaks over the link-local addresses of these ports, and of no others.
    Links(Vec<HostLink>),
    /// An answer of the control plane.
    Reply {
        /// Number of the question.
        id: u64,
        /// The answer, or a page of it.
        reply: Box<ShowReply>,
        /// The next page is behind this prefix; `None` where there is none.
        rest: Option<Ipv6Prefix>,
    },
    /// Something is wanted of the TCP under BGP.
    Bgp(Order),
    /// Whoever wanted the connections of BGP is no more: end them all, and say nothing of them.
    BgpForget,
    /// For the log and the monitors.
    Event(Box<Event>),
    /// Watch the carrier of a port.
    Watch(Box<WatchedPort>),
    /// Watch it no more.
    Unwatch(PortId),
    /// A configuration was applied or refused.
    Applied {
        /// Who asked.
        client: u64,
        /// What came of it.
        outcome: Result<Applied, ApiError>,
    },
    /// A configuration was compared with the one that runs.
    Compared {
        /// Who asked.
        client: u64,
        /// What came of it.
        outcome: Result<Applied, ApiError>,
    },
    /// End.
    Stop,
}

/// What an applied configuration changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// At once, a sentence each.
    pub changes: Vec<String>,
    /// What only a restart can do.
    pub needs_restart: Vec<String>,
    /// What could not be done, a sentence each.
    pub failures: Vec<String>,
}

/// What the kernel of the host shall know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAddresses {
    /// /128 each.
    pub addresses: Vec<Ipv6Addr>,
    /// Routes into the TUN.
    pub prefixes: Vec<Ipv6Prefix>,
}

/// What is known of a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Packets can pass.
    Up,
    /// They cannot.
    Down,
    /// The interface is no more, nor will it be: one that is made again is another one, which the
    /// sockets of a driver do not follow.
    Gone,
}

impl Carrier {
    /// Up or down.
    pub const fn of(is_up: bool) -> Self {
        if is_up { Self::Up } else { Self::Down }
    }
}

/// A port whose carrier is watched.
#[derive(Clone, Debug)]
pub struct WatchedPort {
    /// Its number.
    pub port: PortId,
    /// Index of the kernel interface behind it, which says the truth about carrier.
    pub ifindex: Option<u32>,
    /// The driver, asked where there is no interface.
    pub stats: Arc<dyn DeviceStats>,
    /// What was said last.
    pub carrier: Carrier,
}

/// To the main thread.
#[derive(Debug)]
pub enum Job {
    /// Read the configuration file again.
    Reload,
    /// Run this configuration.
    Apply {
        /// Who asks.
        client: u64,
        /// The whole file.
        text: String,
        /// Where it stands, if not in the place of the router's own.
        file: Option<String>,
    },
    /// Say what applying this configuration would do.
    Compare {
        /// Who asks.
        client: u64,
        /// The whole file.
        text: String,
        /// As for [`Self::Apply`].
        file: Option<String>,
    },
    /// The kernel interface of a port is no more.
    InterfaceGone(PortId),
    /// End the router.
    Stop,
    /// End the router: it has lost a thread.
    Failed {
        /// Which.
        thread: String,
        /// Why.
        reason: String,
    },
}
