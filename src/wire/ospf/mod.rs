//! OSPFv3 packets and LSAs: bytes to values and back.
//!
//! Read [`error`], [`options`], [`packet`] (RFC 5340 §A.3.1), then the five bodies [`hello`],
//! [`database_description`], [`link_state_request`], [`link_state_update`],
//! [`link_state_acknowledgment`]; then [`lsa`] (§A.4.2), [`prefix`] (§A.4.1) and the bodies of LSAs
//! in [`body`] with one file a type: [`router_lsa`], [`network_lsa`], [`inter_area_prefix_lsa`],
//! [`inter_area_router_lsa`], [`as_external_lsa`], [`link_lsa`], [`intra_area_prefix_lsa`], the
//! [`grace_lsa`] of RFC 5187, and Kumiki's own [`repair_lsa`] and [`membership_lsa`].
//!
//! Every `decode` reads the whole of what it is given and refuses octets left over; every length
//! and count is compared with what is there before it is used. Absent on purpose: state, time, and
//! any opinion on what to do with a wrong packet.

pub mod as_external_lsa;
pub mod body;
pub mod database_description;
pub mod error;
pub mod grace_lsa;
pub mod hello;
pub mod inter_area_prefix_lsa;
pub mod inter_area_router_lsa;
pub mod intra_area_prefix_lsa;
pub mod link_lsa;
pub mod link_state_acknowledgment;
pub mod link_state_request;
pub mod link_state_update;
pub mod lsa;
pub mod membership_lsa;
pub mod network_lsa;
pub mod options;
pub mod packet;
pub mod prefix;
pub mod repair_lsa;
pub mod router_lsa;
#[cfg(test)]
mod tests;

pub use as_external_lsa::{AsExternalLsa, ExternalMetric};
pub use body::LsaBody;
pub use database_description::DatabaseDescription;
pub use error::{DecodeError, Fault};
pub use grace_lsa::{GraceLsa, GraceReason};
pub use hello::Hello;
pub use inter_area_prefix_lsa::InterAreaPrefixLsa;
pub use inter_area_router_lsa::InterAreaRouterLsa;
pub use intra_area_prefix_lsa::{IntraAreaPrefix, IntraAreaPrefixLsa};
pub use link_lsa::{LinkLsa, LinkPrefix};
pub use link_state_acknowledgment::LinkStateAcknowledgment;
pub use link_state_request::LinkStateRequest;
pub use link_state_update::LinkStateUpdate;
pub use lsa::{LsType, Lsa, LsaHeader, LsaKey, LsaScope, LsaTooLong, SequenceNumber};
pub use membership_lsa::{
    CookieLength, MembershipLsa, Renumbering, TenantCarrier, TenantEntry, TenantFormat,
};
pub use network_lsa::NetworkLsa;
pub use options::{Options, PrefixOptions};
pub use packet::{Packet, PacketBody, PacketHeader, PacketType};
pub use repair_lsa::{RepairFlags, RepairLsa};
pub use router_lsa::{RouterFlags, RouterLink, RouterLinkType, RouterLsa};
