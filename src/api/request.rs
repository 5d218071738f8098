//! What can be asked.

use crate::api::show_tenant::MacQuery;
use crate::api::watch::WatchRequest;
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// One line from a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`crate::api::API_VERSION`] of the client.
    pub version: u32,
    /// What is asked.
    pub body: RequestBody,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestBody {
    /// State, answered with [`crate::api::ReplyBody::Show`].
    Show(ShowQuery),
    /// Run this configuration until the router starts again or is told (SIGHUP) to read its file;
    /// answered with [`crate::api::ReplyBody::Applied`]. The file itself is not written.
    ConfigApply {
        /// The whole file.
        text: String,
        /// Where it stands: files that it names are read from there. `None`: in the place of the
        /// router's own file.
        #[serde(default)]
        file: Option<String>,
    },
    /// What would change if this configuration were applied, answered with
    /// [`crate::api::ReplyBody::Difference`]. Nothing is done.
    ConfigDiff {
        /// The whole file.
        text: String,
        /// As for [`Self::ConfigApply`].
        #[serde(default)]
        file: Option<String>,
    },
    /// Ask other routers to send around this one, or through it again; answered with
    /// [`crate::api::ReplyBody::Done`] when it is on its way.
    Drain {
        /// Whether to be left out.
        is_drained: bool,
    },
    /// End sessions of BGP and begin them anew, or exchange their routes again; answered with
    /// [`crate::api::show::ShowReply::BgpCleared`] when it is on its way.
    ClearBgp(ClearBgp),
    /// Let ports of a tenant forward again that are blocked for a loop; answered with
    /// [`crate::api::show::ShowReply::TenantCleared`].
    ClearTenant {
        /// Name of the tenant; `None` for all.
        name: Option<String>,
    },
    /// Let the control plane fail, as a fault in it would, to see what then happens; refused
    /// unless the router was started with `--debug-commands`. Answered with
    /// [`crate::api::ReplyBody::Done`].
    DebugPanicControl,
    /// Events from now on, one reply a line, until the client closes, if only its own direction.
    Monitor,
    /// Packets from now on, one reply a line, until a bound of the request is reached or the client
    /// closes, if only its own direction; answered with [`crate::api::ReplyBody::WatchStarted`].
    Watch(WatchRequest),
}

/// Which sessions of BGP are cleared, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearBgp {
    /// Name or address of the neighbour; `None` for all.
    pub neighbor: Option<String>,
    /// What is wanted of them.
    pub what: ClearWhat,
}

/// What is wanted of a session of BGP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClearWhat {
    /// It shall end and come up again, or start where it is kept down.
    Session,
    /// The neighbour shall send all its routes again.
    In,
    /// The neighbour shall be told of all routes again.
    Out,
}

/// Which state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowQuery {
    /// Name, version, uptime.
    Version,
    /// Ports with state and counters.
    Port,
    /// The ND cache.
    Neighbor,
    /// OSPF in a few lines: who, how many, which database, what is unusual.
    Ospf,
    /// OSPF neighbours.
    OspfNeighbor,
    /// OSPF interfaces.
    OspfInterface,
    /// The link-state database.
    OspfDatabase,
    /// Routes OSPF computed.
    OspfRoute,
    /// What protects each route of OSPF.
    OspfRepair,
    /// Whether database, routes, table and forwarding agree; what differs is set right.
    SelfCheck,
    /// SPF runs and delays.
    OspfSpf,
    /// BFD sessions.
    Bfd,
    /// BGP: our AS, the size of the tables, the neighbours.
    Bgp,
    /// BGP's neighbours with everything that is known of them.
    BgpNeighbor,
    /// Paths of BGP; with a prefix only its own, with an address those of its longest match.
    BgpRoute(RouteFilter),
    /// What a neighbour was told of.
    BgpAdvertised(NeighborRoutes),
    /// What a neighbour has sent, as it came.
    BgpReceived(NeighborRoutes),
    /// The policies: what they ask, and how often it held.
    BgpPolicy {
        /// Only this one.
        name: Option<String>,
    },
    /// A page of a table of BGP with its attributes as octets, for those who take all of it.
    BgpTable(BgpTableQuery),
    /// BMP: stations.
    Bmp,
    /// RPKI: caches, and how much they have said.
    Rpki,
    /// All validated payloads.
    RpkiVrp,
    /// What the RPKI says of a prefix and its paths.
    RpkiPrefix(Ipv6Prefix),
    /// Tenants with their members.
    Tenant,
    /// Pseudowires.
    L2tpv3,
    /// MACs of tenants, a page.
    BridgeMac(MacQuery),
    /// The RIB; with a prefix only that one, with an address its longest match.
    Route(RouteFilter),
    /// The FIB as workers see it.
    Fib(RouteFilter),
    /// Workers: cycles and packets per stage.
    Runtime,
    /// Pools of packet buffers, and how their sizes come about.
    Mempool,
    /// Every counter of a drop or an error that is not zero (or all).
    Errors {
        /// Also those that are zero.
        all: bool,
    },
    /// The configuration that runs, with defaults.
    Config,
}

/// Routes that are exchanged with a BGP neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborRoutes {
    /// Its name or its address.
    pub neighbor: String,
    /// Which of them.
    pub routes: RouteFilter,
}

/// Which table of BGP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BgpTable {
    /// RFC 4271 §3.2: Adj-RIB-In, what neighbours sent, before policies.
    #[default]
    AdjRibIn,
    /// What the policies made of it, where it may be used.
    AdjRibInPost,
    /// The best path of each prefix.
    LocRib,
}

/// Which page of a table of BGP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpTableQuery {
    /// Of which table.
    pub table: BgpTable,
    /// What [`crate::api::show_bgp::BgpTablePage::next`] said of the page before; zero for the
    /// first.
    pub from: u32,
}

/// Which routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFilter {
    /// Only this prefix.
    pub prefix: Option<Ipv6Prefix>,
    /// Only the longest match for this address.
    pub address: Option<Ipv6Addr>,
}

impl ShowQuery {
    /// Whether all prefixes of BGP are asked for, which come in pages.
    pub const fn lists_bgp(&self) -> bool {
        match self {
            Self::BgpRoute(filter) => filter.is_all(),
            Self::BgpAdvertised(asked) | Self::BgpReceived(asked) => asked.routes.is_all(),
            _ => false,
        }
    }
}

impl RouteFilter {
    /// Whether it lets everything through.
    pub const fn is_all(&self) -> bool {
        self.prefix.is_none() && self.address.is_none()
    }
}
