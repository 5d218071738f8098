//! BGP-4 messages: bytes to values and back.
//!
//! Read [`notification`] first: it is what every wrong octet ends in. Then [`message`] (framing,
//! the five types), [`open`] with [`capability`], [`route_refresh`], and [`update`] with [`nlri`],
//! [`attribute`], [`as_path`] and [`community`]; [`limits`] has the bounds. What the two ends of a
//! session have agreed on comes in as [`Agreement`]: the same octets mean other things with and
//! without it.
//!
//! Only IPv6 unicast is read into routes. Absent on purpose: state, policy, and any opinion on
//! which route is better.

pub mod as_path;
pub mod attribute;
pub mod capability;
pub mod community;
pub mod limits;
pub mod message;
pub mod nlri;
pub mod notification;
pub mod open;
pub mod route_refresh;
#[cfg(test)]
mod tests;
pub mod update;

pub use as_path::{AsPath, AsPathSegment};
pub use attribute::{Aggregator, NextHop, Origin, PathAttributes, UnknownAttribute};
pub use capability::{AddPathMode, AddressFamily, Capability, GracefulRestart, Role};
pub use community::{Community, ExtendedCommunity, LargeCommunity};
pub use message::{Message, MessageType, frame};
pub use nlri::Nlri;
pub use notification::{Notification, NotificationCode};
pub use open::Open;
pub use route_refresh::{RefreshKind, RouteRefresh};
pub use update::{AttributeFault, Reaction, Update};

/// What both ends of a session have said, as far as octets depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Agreement {
    /// RFC 6793: AS numbers have four octets.
    pub has_four_octet_asn: bool,
    /// RFC 7911: NLRI of IPv6 unicast begin with a Path Identifier.
    pub has_path_ids: bool,
    /// RFC 8654: messages may have 65535 octets.
    pub has_extended_messages: bool,
    /// Whether the peer is in another AS: what only speaks within one is discarded then.
    pub is_external: bool,
}
