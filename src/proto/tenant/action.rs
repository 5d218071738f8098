//! What the members of tenants want done.

use crate::base::ids::{RouterId, TenantId};
use crate::wire::l2tp::{Cookie, SessionId};
use crate::wire::ospf::{DecodeError, TenantFormat};
use core::fmt;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// One wish; the owner carries it out in order. Changes of pseudowires come before the
/// announcement that makes others rely on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The whole of what this router says in Membership-LSAs from now on: bodies by Link State ID.
    Announce(BTreeMap<u32, Vec<u8>>),
    /// A pseudowire shall be.
    Up {
        /// Which.
        name: PseudowireName,
        /// What the data path needs of it.
        pseudowire: Box<Pseudowire>,
    },
    /// A pseudowire shall be another one from now on. Where the session id is the same, what is
    /// under way is not lost.
    Changed {
        /// Which.
        name: PseudowireName,
        /// What the data path needs of it.
        pseudowire: Box<Pseudowire>,
    },
    /// A pseudowire shall not be any more.
    Down {
        /// Which.
        name: PseudowireName,
        /// Why.
        reason: DownReason,
    },
    /// Something an administrator should know.
    Notice(Notice),
}

/// Which pseudowire: there is one to every other member of a tenant. Those to one router stand
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PseudowireName {
    /// The router at its other end.
    pub remote: RouterId,
    /// Whose frames it carries.
    pub tenant: TenantId,
}

impl fmt::Display for PseudowireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {} to {}", self.tenant, self.remote)
    }
}

/// What the data path needs of a pseudowire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pseudowire {
    /// Where it ends here.
    pub local_endpoint: Ipv6Addr,
    /// Where it ends there.
    pub remote_endpoint: Ipv6Addr,
    /// By which id frames come.
    pub local_session: SessionId,
    /// By which id frames go.
    pub remote_session: SessionId,
    /// The cookie that frames come with …
    pub local_cookie: Cookie,
    /// … and another of the same length that is as good, while it changes.
    pub other_local_cookie: Option<Cookie>,
    /// The cookie that frames go with.
    pub remote_cookie: Cookie,
    /// What else frames come with: what this router has said.
    pub receive: TenantFormat,
    /// What else frames go with: what the other one has said.
    pub transmit: TenantFormat,
    /// Largest IP packet in frames, in octets: the least of what both ends have said. Where
    /// `transmit` has longer headers than `receive` and the MTU of this router's links is the
    /// lesser one, less may fit; the owner knows its links.
    pub mtu: u16,
}

/// Why a pseudowire shall not be any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// This router has the tenant no more, or leaves.
    #[error("the tenant was removed here")]
    Removed,
    /// The other router has it no more.
    #[error("the tenant was removed there")]
    Left,
    /// No path leads to the other router.
    #[error("the router is unreachable")]
    Unreachable,
    /// What the other router says now cannot be used.
    #[error("{0}")]
    Refused(Refusal),
}

/// Why something that a router has announced is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An LSA cannot be read.
    #[error("its announcement cannot be read: {0}")]
    Unreadable(DecodeError),
    /// An LSA of another enterprise or of a later version.
    #[error("its announcement is of another version")]
    OtherVersion,
    /// The number of no tenant.
    #[error("it announces a tenant with the id 0")]
    NoTenant,
    /// The tenant stands in its announcements twice; the first counts.
    #[error("it announces the tenant twice")]
    Repeated,
    /// A segment on which IPv6 does not work.
    #[error("its MTU of {0} octets is below 1280")]
    MtuTooSmall(u16),
    /// A format that this version cannot do.
    #[error("its frames need a format that is not known here")]
    UnknownFormat,
    /// Tunnels cannot end there.
    #[error("its tunnels end at {0}, which is not the address of one router")]
    EndpointNotUnicast(Ipv6Addr),
    /// Tunnels end here.
    #[error("its tunnels end at {0}, which is an address of this router")]
    EndpointOwn(Ipv6Addr),
    /// Another router has said so first.
    #[error("its tunnels end at {address}, as those of {other} do")]
    EndpointTaken {
        /// Where.
        address: Ipv6Addr,
        /// Who was first.
        other: RouterId,
    },
    /// Two of its sessions have one id, and nothing tells their frames apart.
    #[error("it has not told yet how to call two sessions that have the same id")]
    Ambiguous,
    /// There are as many pseudowires or announcements as there may be.
    #[error("there is no room for more")]
    NoRoom,
}

/// What an administrator should know, once per change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something that a router has announced is not used.
    Refused {
        /// Who.
        router_id: RouterId,
        /// Which tenant; `None` where it is the whole announcement.
        tenant: Option<TenantId>,
        /// Why not.
        refusal: Refusal,
    },
    /// Two sessions of this router would have the same id: this one got another.
    Renumbered {
        /// Which.
        name: PseudowireName,
        /// The id that both would have.
        session: SessionId,
    },
    /// This router has more tenants than are announced.
    TooManyTenants {
        /// How many are.
        max: u32,
    },
}
