//! What a configuration can say, one file a feature.
//!
//! These are the values after loading and validation: types that cannot be wrong. Times are numbers
//! in the unit of [`keys`] in the file (seconds, or milliseconds where the name ends in `_ms`) and
//! [`Duration`](crate::base::time::Duration) here. Each file also holds the table of its keys.

pub mod bfd;
pub mod bgp;
pub mod bgp_keys;
pub mod bmp;
pub mod cluster;
pub mod dpdk;
mod feed;
pub mod host;
pub mod keys;
pub mod ospf;
pub mod policy;
pub mod port;
pub mod redistribute;
pub mod route;
pub mod router;
pub mod rpki;
pub mod secret;
pub mod tenant;

pub use bfd::{BfdAuth, BfdSettings, PortBfd};
pub use bgp::{
    BgpAddPath, BgpDynamic, BgpGroup, BgpNeighbor, BgpRemoteAs, BgpRestart, BgpRole, BgpSettings,
    NeighborKeys,
};
pub use bmp::{BmpSettings, BmpStation, BmpView};
pub use cluster::ClusterSettings;
pub use dpdk::{DpdkSettings, IdlePolicy};
pub use host::HostSettings;
pub use ospf::OspfSettings;
pub use policy::{
    BgpOrigin, Policy, PolicyAction, PolicyClause, PolicyDefault, PolicyMatch, PolicyNextHop,
    PolicySet, PrefixList, RpkiWord,
};
pub use port::{PortDevice, PortRole, PortSettings, default_mtu, role_word};
pub use redistribute::{MetricType, RedistributeSettings};
pub use route::{StaticNeighbor, StaticRoute, StaticRouteTarget};
pub use router::RouterSettings;
pub use rpki::{RpkiCache, RpkiSettings};
pub use secret::Secret;
pub use tenant::{
    Tenant, TenantCookie, TenantEncapsulation, TenantPort, TenantPortError, TenantPseudowire,
    TenantSublayer, TenantUdpSum, TenantVlan,
};

use serde::{Deserialize, Serialize};

/// A whole configuration, loaded and validated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `[router]`.
    pub router: RouterSettings,
    /// `[cluster]`; `None` makes a router without loopback, LAN prefixes and OSPF.
    pub cluster: Option<ClusterSettings>,
    /// `[dpdk]`.
    pub dpdk: DpdkSettings,
    /// `[host]`.
    pub host: HostSettings,
    /// `[ospf]`.
    pub ospf: OspfSettings,
    /// `[ospf.redistribute]`; `None`: no route of BGP goes into OSPF.
    #[serde(default)]
    pub redistribute: Option<RedistributeSettings>,
    /// `[bfd]`.
    pub bfd: BfdSettings,
    /// `[bgp]` with its groups and neighbours; `None`: there is no BGP.
    #[serde(default)]
    pub bgp: Option<BgpSettings>,
    /// `[rpki]` with its caches; `None`: nobody says anything of origins.
    #[serde(default)]
    pub rpki: Option<RpkiSettings>,
    /// `[bmp]` with its stations; `None`: nobody watches.
    #[serde(default)]
    pub bmp: Option<BmpSettings>,
    /// `[[prefix_list]]`.
    #[serde(default)]
    pub prefix_lists: Vec<PrefixList>,
    /// `[[policy]]`.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// `[[port]]`, in order of the file: the first match wins.
    pub ports: Vec<PortSettings>,
    /// `[[route]]`.
    pub routes: Vec<StaticRoute>,
    /// `[[neighbor]]`.
    pub neighbors: Vec<StaticNeighbor>,
    /// `[[tenant]]` with their pseudowires.
    #[serde(default)]
    pub tenants: Vec<Tenant>,
}
