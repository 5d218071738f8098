//! Peers as the tables see them: what a path inherits from whoever sent it.
//!
//! Owns [`PeerId`], [`RibPeer`] and the words for kinds of peers. Sessions, timers and what was
//! negotiated belong to the speaker. Peers are numbered by the speaker, at most
//! [`PEERS_MAX`](super::limits::PEERS_MAX).
//!
//! *Standards*: RFC 4271 §9, RFC 4456 §6 (clients), RFC 9234 §4 (roles).

use super::policy::PolicyId;
use crate::base::ids::{PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::wire::bgp::Role;
use core::fmt;
use core::net::Ipv6Addr;

/// A peer, by the number that the speaker gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PeerId(pub u16);

impl PeerId {
    /// This router itself: what it originates.
    pub const LOCAL: Self = Self(u16::MAX);

    /// The number as an index into a table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where a peer stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PeerKind {
    /// In another AS.
    External,
    /// In this AS.
    Internal,
    /// RFC 4456: in this AS, and this router reflects for it.
    Client,
    /// This router.
    Local,
}

impl PeerKind {
    /// Whether it is another router of this AS.
    pub const fn is_internal(self) -> bool {
        matches!(self, Self::Internal | Self::Client)
    }
}

/// Whether the path of an external peer must begin with its own AS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstAs {
    /// RFC 4271 §6.3: it must.
    Enforced,
    /// It need not: route servers (RFC 7947 §2.2.2.1).
    Free,
}

/// RFC 7999 §3.3: what BLACKHOLE on a path of this peer does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blackhole {
    /// Its packets are discarded.
    Honoured,
    /// Nothing here.
    Ignored,
}

/// What the tables know of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RibPeer {
    /// Where it stands.
    pub kind: PeerKind,
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: RouterId,
    /// Its address.
    pub address: Ipv6Addr,
    /// The port of the link that is shared with it: where its link-local next hops are.
    pub port: Option<PortId>,
    /// Prefixes of that link, in which an external peer's next hops are; none where it may name
    /// any (RFC 4271 §6.3).
    pub on_link: Vec<Ipv6Prefix>,
    /// RFC 9234: what this router is to it.
    pub role: Option<Role>,
    /// What is done with its paths; without one, an external peer's are refused (RFC 8212).
    pub import: Option<PolicyId>,
    /// How often this router's AS may be in its paths.
    pub own_as_max: u8,
    /// Whether its paths must begin with its AS.
    pub first_as: FirstAs,
    /// What BLACKHOLE does.
    pub blackhole: Blackhole,
    /// How many paths it may have; `None` for as many as fit.
    pub paths_max: Option<u32>,
}

impl RibPeer {
    /// This router.
    pub(super) const fn local(asn: u32, router_id: RouterId) -> Self {
        Self {
            kind: PeerKind::Local,
            asn,
            router_id,
            address: Ipv6Addr::UNSPECIFIED,
            port: None,
            on_link: Vec::new(),
            role: None,
            import: None,
            own_as_max: u8::MAX,
            first_as: FirstAs::Free,
            blackhole: Blackhole::Ignored,
            paths_max: None,
        }
    }
}
