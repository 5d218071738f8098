//! How much and how long: every bound of a monitoring station.
//!
//! *Standards*: RFC 7854 §3.2 (reconnecting); the rest are the house's.

use crate::base::time::Duration;

/// §3.2: "an initial backoff of 30 seconds".
pub const RECONNECT_TIME_MIN: Duration = Duration::from_secs(30);
/// §3.2: "a maximum of 720 seconds".
pub const RECONNECT_TIME_MAX: Duration = Duration::from_secs(720);
/// How long a connection may take to come up: TCP's own patience is two minutes.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a station may read nothing of what it was sent: a station that restarts its database
/// takes a minute, one that is stopped for ever longer.
pub const STALL_TIME_MAX: Duration = Duration::from_secs(300);

/// Octets that a station was sent and has not read: as much as TCP carries in a few round trips.
pub const IN_FLIGHT_OCTETS_MAX: usize = 1 << 19;
/// Names that wait for room: those of a table of IPv6 of 2026 twice. Beyond it a walk through the
/// tables costs less than to remember what has changed.
pub const NAMES_MAX: usize = 1 << 19;
/// Octets of messages that wait: what cannot be made later, OPENs and NOTIFICATIONs of all
/// neighbours.
pub const MESSAGE_OCTETS_MAX: usize = 1 << 24;
/// Names that are looked up in one slice: about a millisecond where nothing is found, and more than
/// the tables decide in one of theirs.
pub const NAMES_PER_SLICE_MAX: usize = 2048;
/// Octets that are made in one slice, and a message more: about a millisecond.
pub const SLICE_OCTETS_MAX: usize = 1 << 17;
/// Numbers of prefixes that are looked at in one slice of a table that is told from its beginning.
pub const PAGE_NUMBERS_MAX: u32 = 4096;
/// Paths of such a slice; those of the last prefix are told whole.
pub const PAGE_PATHS_MAX: usize = 256;
/// Prefixes of one message: with the usual attributes it stays below 4096 octets.
pub const NLRI_MAX: usize = 128;
/// Octets of attributes beyond which a message might not hold them with its prefixes.
pub const ATTRIBUTE_OCTETS_MAX: usize = 60_000;

const _: () = assert!(SLICE_OCTETS_MAX < IN_FLIGHT_OCTETS_MAX);
// A prefix has 21 octets at most, and what is around it not 100.
const _: () = assert!(ATTRIBUTE_OCTETS_MAX + NLRI_MAX * 21 + 100 < u16::MAX as usize);
