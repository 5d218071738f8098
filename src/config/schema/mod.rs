//! What a configuration can say, one file a feature.
//!
//! These are the values after loading and validation: types that cannot be wrong. Times are numbers
//! in the unit of [`keys`] in the file (seconds, or milliseconds where the name ends in `_ms`) and
//! [`Duration`](crate::base::time::Duration) here. Each file also holds the table of its keys.

pub mod bfd;
pub mod cluster;
pub mod dpdk;
pub mod host;
pub mod keys;
pub mod ospf;
pub mod port;
pub mod route;
pub mod router;

pub use bfd::{BfdAuth, BfdSettings, PortBfd, Secret};
pub use cluster::ClusterSettings;
pub use dpdk::{DpdkSettings, IdlePolicy};
pub use host::HostSettings;
pub use ospf::OspfSettings;
pub use port::{PortDevice, PortRole, PortSettings, default_mtu, role_word};
pub use route::{StaticNeighbor, StaticRoute, StaticRouteTarget};
pub use router::RouterSettings;

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
    /// `[bfd]`.
    pub bfd: BfdSettings,
    /// `[[port]]`, in order of the file: the first match wins.
    pub ports: Vec<PortSettings>,
    /// `[[route]]`.
    pub routes: Vec<StaticRoute>,
    /// `[[neighbor]]`.
    pub neighbors: Vec<StaticNeighbor>,
}
