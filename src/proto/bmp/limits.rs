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
/// What waits for room: twice a table of IPv6 of 2026, all at once. Beyond it the station is not
/// waited for.
pub const ITEMS_MAX: usize = 1 << 19;
/// Octets among them: what cannot be made later, OPENs and NOTIFICATIONs of all neighbours.
pub const ITEM_OCTETS_MAX: usize = 1 << 24;
/// Items that are made octets in one slice: some hundred microseconds.
pub const ITEMS_PER_SLICE_MAX: usize = 512;
