//! `[cluster]`: the addresses all servers share.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use super::secret::Secret;
use crate::base::prefix::Ipv6Prefix;
use serde::{Deserialize, Serialize};

/// `[cluster]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSettings {
    /// Unique local prefix (RFC 4193), /32 to /48: loopbacks and LANs are numbered inside.
    /// Required.
    pub ula: Ipv6Prefix,
    /// Optional global prefix, /32 to /48: a /64 for each LAN beside the ULA.
    pub prefix: Option<Ipv6Prefix>,
    /// This server's number, 1 to 65535. From `--number`, `KUMIKI_NUMBER` or the file.
    pub number: u16,
    /// `file:PATH` of the cluster key.
    pub key: Option<String>,
    /// What is in that file; features that authenticate derive theirs from it.
    #[serde(rename = "secret_octets", default)]
    pub secret: Secret,
}

/// Octets of the key that tenants need at least: whoever sees one of their cookies may guess keys
/// until one fits.
pub const KEY_OCTETS_MIN: usize = 16;

/// The keys of `[cluster]`.
pub const CLUSTER: BlockDoc = BlockDoc {
    name: "cluster",
    is_list: false,
    help: "The addresses that all servers share; the same on every server but for the number.",
    keys: &[
        KeyDoc {
            name: "ula",
            kind: KeyKind::Prefix,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Unique local prefix (RFC 4193), /32 to /48. Loopbacks (one /128 a router) and \
                   LANs (one /64 a router) are numbered inside.",
        },
        KeyDoc {
            name: "prefix",
            kind: KeyKind::Prefix,
            unit: "",
            default: "none",
            needs_restart: false,
            help: "Global prefix, /32 to /48: each LAN gets a /64 of it beside the one of the ULA.",
        },
        KeyDoc {
            name: "number",
            kind: KeyKind::Integer { minimum: 1, maximum: 65535 },
            unit: "",
            default: "--number or KUMIKI_NUMBER; one of the three is required",
            needs_restart: false,
            help: "Number of this server. Loopback, LAN prefix and router-id follow from it, so no \
                   two servers may share one.",
        },
        KeyDoc {
            name: "key",
            kind: KeyKind::FileReference,
            unit: "",
            default: "none",
            needs_restart: false,
            help: "File with the secret of the cluster, from which features that authenticate \
                   derive theirs.",
        },
    ],
};
