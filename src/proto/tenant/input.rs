//! What may happen to the members of tenants.
//!
//! Owns the inputs and the settings; what the machine wants done stands in [`super::action`].

use super::key::ClusterKey;
use super::limits::ROTATION_INTERVAL;
use crate::base::ids::{RouterId, TenantId};
use crate::base::time::Duration;
use crate::wire::l2tp::SessionId;
use crate::wire::ospf::TenantFormat;
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Who this router is and which tenants it has. Comes before anything is announced.
    Settings(Box<Settings>),
    /// A router that is reachable says this in one of its Membership-LSAs. With the router-id of
    /// this router: a life before said so.
    Said {
        /// Who.
        router_id: RouterId,
        /// Link State ID of the LSA.
        link_state_id: u32,
        /// What stands behind the header of the LSA.
        body: Vec<u8>,
    },
    /// What a router said there holds no more.
    Gone {
        /// Who.
        router_id: RouterId,
        /// Link State ID of the LSA.
        link_state_id: u32,
        /// Why not.
        why: Gone,
    },
    /// This router leaves: it announces nothing more, and has no pseudowires.
    Leave,
}

/// Why what a router said holds no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gone {
    /// It has taken it back, or it is too old.
    Withdrawn,
    /// No path leads to the router.
    Unreachable,
}

/// What an administrator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who this router is. Another number begins everything anew.
    pub router_id: RouterId,
    /// What ids and cookies are derived from; the same on every member.
    pub key: ClusterKey,
    /// Where its tunnels end: its loopback.
    pub endpoint: Ipv6Addr,
    /// How long cookies are used, at least
    /// [`ROTATION_INTERVAL_MIN`](super::limits::ROTATION_INTERVAL_MIN); `None` for ever.
    pub rotation: Option<Duration>,
    /// The tenants that this router has; at most [`TENANTS_MAX`](super::limits::TENANTS_MAX) of
    /// them are announced, those with the lowest ids.
    pub tenants: BTreeMap<TenantId, TenantSettings>,
    /// Session ids of this router that somebody else has given away: static sessions and those of
    /// control connections.
    pub taken: BTreeSet<SessionId>,
}

impl Settings {
    /// Those of a router without tenants, with every default.
    pub const fn new(router_id: RouterId, key: ClusterKey, endpoint: Ipv6Addr) -> Self {
        Self {
            router_id,
            key,
            endpoint,
            rotation: Some(ROTATION_INTERVAL),
            tenants: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }
}

/// A tenant on this router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// Largest IP packet in frames that this router takes and sends, in octets: what is left of the
    /// MTU towards other members behind the headers of `format`.
    pub mtu: u16,
    /// What frames to this router need; what frames to others need is what they say.
    pub format: TenantFormat,
}
