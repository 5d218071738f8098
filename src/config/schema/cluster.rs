//! `[cluster]`: the addresses all servers share.

use crate::base::prefix::Ipv6Prefix;
use serde::Serialize;

/// `[cluster]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterSettings {
    /// Unique local prefix (RFC 4193), /32 to /48: loopbacks and LANs are numbered inside. Required.
    pub ula: Ipv6Prefix,
    /// Optional global prefix, /32 to /48: a /64 for each LAN beside the ULA.
    pub prefix: Option<Ipv6Prefix>,
    /// This server's number, 1 to 65535. From `--number`, `KUMIKI_NUMBER` or the file.
    pub number: u16,
    /// `file:PATH` of the cluster key. Read by features that authenticate.
    pub key: Option<String>,
}
