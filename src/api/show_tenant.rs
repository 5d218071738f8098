//! The rows of `show tenant`, `show l2tpv3` and `show bridge-domain`.
//!
//! Cookies are in no row: whoever knows the cookie of a session can put frames into it. Counts of
//! MACs and frames are the driver's.

use crate::base::ids::{DomainId, MacAddress, MemberId};
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// A tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRow {
    /// What it is called.
    pub name: String,
    /// Its number in the configuration.
    pub id: u32,
    /// `forwarding`; `degraded`, where some of its members do not; `blocked`, where none does;
    /// `inactive`, where none of its ports is on this server.
    pub state: String,
    /// Why it does not forward, where it does not.
    pub reason: Option<String>,
    /// Number of its bridge domain; none where it is inactive.
    pub domain: Option<DomainId>,
    /// The largest IP packet that reaches all of its members, in octets; none where it has none.
    pub mtu: Option<u16>,
    /// MACs that are known.
    pub mac_count: u32,
    /// What other members derive the cookies of their packets to this router with; none where it
    /// is announced to nobody.
    #[serde(default)]
    pub epoch: Option<u32>,
    /// Whether cookies of two epochs are accepted.
    #[serde(default)]
    pub is_rotating: bool,
    /// Ports and pseudowires.
    pub members: Vec<TenantMemberRow>,
    /// Routers that announce the tenant and are not heard, a sentence each.
    #[serde(default)]
    pub refused: Vec<String>,
}

/// A member of a tenant's segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantMemberRow {
    /// Its number in the data plane.
    pub member: MemberId,
    /// `port` or `pseudowire`.
    pub kind: String,
    /// What it is called: as `ports` has it, or the name of the peer.
    pub name: String,
    /// Whether frames pass.
    pub is_forwarding: bool,
    /// Time in this state.
    pub state_age_ms: u64,
    /// Why they do not, where they do not.
    pub reason: Option<String>,
    /// Time until a block ends, where there is one.
    pub blocked_for_ms: Option<u64>,
    /// Largest IP packet in its frames, in octets.
    pub mtu: u16,
    /// MACs that are known behind it.
    pub mac_count: u32,
    /// Frames that came by it. Like the other counts, since its number was first given: numbers
    /// go round, so that one is another member's only after thousands.
    #[serde(default)]
    pub rx_frames: u64,
    /// Their octets.
    #[serde(default)]
    pub rx_octets: u64,
    /// Frames that were given to it.
    #[serde(default)]
    pub tx_frames: u64,
    /// Their octets.
    #[serde(default)]
    pub tx_octets: u64,
}

/// A pseudowire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PseudowireRow {
    /// Its number in the data plane.
    pub member: MemberId,
    /// The tenant.
    pub tenant: String,
    /// What it is called.
    pub name: String,
    /// Where it comes from: `static` is the configuration, `member` what a router of the cluster
    /// announces.
    pub origin: String,
    /// Our end.
    pub local: Ipv6Addr,
    /// The other end.
    pub remote: Ipv6Addr,
    /// Session id of packets that come.
    pub session_id: u32,
    /// Session id of packets that are sent.
    pub remote_session_id: u32,
    /// `ip` or `udp`.
    pub encapsulation: String,
    /// The other end's UDP port.
    pub remote_port: Option<u16>,
    /// `full` or `zero`.
    pub udp_checksum: Option<String>,
    /// Octets of the cookie of packets that come.
    pub cookie_octets: u8,
    /// Octets of the cookie of packets that are sent.
    pub remote_cookie_octets: u8,
    /// Whether the cookie before or after this one is accepted as well.
    pub is_cookie_changing: bool,
    /// `none` or `default`.
    pub sublayer: String,
    /// Whether packets are numbered.
    pub is_sequenced: bool,
    /// Whether frames pass.
    pub is_forwarding: bool,
    /// Time in this state.
    pub state_age_ms: u64,
    /// Why they do not, where they do not.
    pub reason: Option<String>,
    /// Largest IP packet in a frame, in octets: the MTU of the way less the overhead, or what the
    /// configuration allows, if that is less.
    pub mtu: u16,
    /// MTU of the way to the other end; 0 where there is none.
    pub underlay_mtu: u16,
    /// What the encapsulation takes of it, the inner Ethernet header included.
    pub overhead_octets: u16,
    /// What the configuration allows, or the least of what both members announce.
    pub configured_mtu: Option<u16>,
}

/// Which MACs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacQuery {
    /// Only those of this domain.
    pub domain: Option<DomainId>,
    /// What [`MacPage::next`] said of the page before; zero for the first.
    pub from: u32,
}

/// A page of the MACs that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacPage {
    /// In the order of the table, which is none.
    pub macs: Vec<MacRow>,
    /// Where the next page begins; none behind the last one.
    pub next: Option<u32>,
}

/// A MAC that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacRow {
    /// The MAC.
    pub mac: MacAddress,
    /// Number of the domain, as [`TenantRow::domain`] has it.
    pub domain: DomainId,
    /// Behind which member, as [`TenantMemberRow::member`] has it.
    pub member: MemberId,
    /// Whether it neither ages nor moves.
    pub is_static: bool,
    /// What the tenant is called; filled in by whoever shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What the member is called; filled in by whoever shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
}

/// What came of `clear tenant`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCleared {
    /// Whether there is such a tenant.
    pub is_known: bool,
    /// Ports that were blocked and forward again.
    pub count: u32,
}
