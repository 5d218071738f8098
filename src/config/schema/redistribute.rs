//! `[ospf.redistribute]`: which routes of BGP the cluster hears of.
//!
//! Owns the values and the table of their keys. Nothing goes the other way: what BGP announces are
//! the aggregates of `[bgp]`.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use serde::{Deserialize, Serialize};

/// RFC 2328 §2.3: how the metric of an external route counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricType {
    /// Together with the cost to the edge.
    Type1,
    /// Before it.
    #[default]
    Type2,
}

/// `[ospf.redistribute]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedistributeSettings {
    /// Name of the policy that says which routes.
    pub policy: String,
    /// Metric of those to which the policy gives none. Default: 20.
    pub metric: u32,
    /// How it counts. Default: type 2.
    pub metric_type: MetricType,
    /// Tag of those to which the policy gives none. Default: none.
    pub tag: Option<u32>,
    /// The most routes; beyond it none is added. Default: 1000.
    pub max_prefix: u32,
    /// The longest that a route which comes and goes waits, in seconds. Default: 60; 0: none does.
    pub damping_max: u32,
}

impl Default for RedistributeSettings {
    fn default() -> Self {
        Self {
            policy: String::new(),
            metric: 20,
            metric_type: MetricType::Type2,
            tag: None,
            max_prefix: 1000,
            damping_max: 60,
        }
    }
}

/// LSInfinity, which is no metric (RFC 5340 App. B).
pub const METRIC_MAX: u32 = 0xff_fffe;

/// The keys of `[ospf.redistribute]`.
pub const REDISTRIBUTE: BlockDoc = BlockDoc {
    name: "ospf.redistribute",
    is_list: false,
    help: "Routes of BGP that the cluster hears of, as AS-external-LSAs. Without this block there \
           are none. Nothing goes from OSPF into BGP.",
    keys: &[
        KeyDoc {
            name: "policy",
            kind: KeyKind::Text,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Name of the `[[policy]]` that says which routes; `set.med` there is the metric \
                   and `set.tag` the tag. A default route goes in only where the clause that \
                   accepts it has `::/0` itself among its prefixes.",
        },
        KeyDoc {
            name: "metric",
            kind: KeyKind::Integer { minimum: 0, maximum: 16_777_214 },
            unit: "",
            default: "20",
            needs_restart: false,
            help: "Metric of routes to which the policy gives none.",
        },
        KeyDoc {
            name: "metric_type",
            kind: KeyKind::Integer { minimum: 1, maximum: 2 },
            unit: "",
            default: "2",
            needs_restart: false,
            help: "1: the cost to the edge is added to the metric; 2: the metric counts first, \
                   however far the edge is.",
        },
        KeyDoc {
            name: "tag",
            kind: KeyKind::Integer { minimum: 0, maximum: 4_294_967_295 },
            unit: "",
            default: "none",
            needs_restart: false,
            help: "Tag of routes to which the policy gives none.",
        },
        KeyDoc {
            name: "max_prefix",
            kind: KeyKind::Integer { minimum: 1, maximum: 16_384 },
            unit: "prefixes",
            default: "1000",
            needs_restart: false,
            help: "The most routes: every server of the cluster holds each of them. Beyond it none \
                   is added, and an event says so.",
        },
        KeyDoc {
            name: "damping_max",
            kind: KeyKind::Integer { minimum: 0, maximum: 3600 },
            unit: "s",
            default: "60",
            needs_restart: false,
            help: "The longest that a route which comes and goes waits before the cluster hears of \
                   it again. Its first return does not wait, and every further one within ten \
                   minutes twice as long as the one before, from 1 s on. 0: none waits.",
        },
    ],
};
