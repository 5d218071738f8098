//! Limits and times of Neighbour Discovery.
//!
//! *Standards*: RFC 4861 §10 (constants), RFC 6583 §6 (limits against exhaustion of the cache).

use crate::base::ids::PORT_MAX;
use crate::base::time::Duration;

/// Entries of one port, static ones aside: more than the Unresolved policer lets in within the
/// second that an answer may take, so that a scan of the prefix cannot push out who answers.
pub const ENTRIES_PER_PORT_MAX: usize = 4096;
/// Entries of all ports but cables of the fabric, static ones aside: guests, wherever they are.
pub const GUESTS_MAX: usize = 8192;
/// Entries of one cable of the fabric: its neighbour, and whoever was plugged in for a moment.
pub const FABRIC_ENTRIES_PER_PORT_MAX: usize = 16;
/// Static entries of all ports.
pub const STATIC_MAX: usize = 4096;
/// Entries of all ports: whoever gives each a number has room for so many. Cables of the fabric
/// have theirs whatever guests do.
pub const ENTRIES_MAX: usize = GUESTS_MAX + STATIC_MAX + PORT_MAX * FABRIC_ENTRIES_PER_PORT_MAX;
/// Own addresses of one port.
pub const ADDRESSES_PER_PORT_MAX: usize = 64;
/// Packets that wait for one neighbour (RFC 4861 §7.2.2 asks for at least one).
pub const QUEUE_PACKETS_MAX: usize = 3;
/// Packets that wait in all: 9 MiB of jumbo frames.
pub const QUEUED_PACKETS_MAX: usize = 1024;
/// Prefixes and routes a port advertises or withdraws, each.
pub const ADVERTISED_MAX: usize = 128;
/// Disagreements with other routers that are told, a port.
pub const INCONSISTENCIES_MAX: usize = 64;

const _: () = assert!(ENTRIES_PER_PORT_MAX <= GUESTS_MAX);
const _: () = assert!(QUEUE_PACKETS_MAX > 0 && QUEUED_PACKETS_MAX >= QUEUE_PACKETS_MAX);

/// RETRANS_TIMER.
pub const RETRANSMIT_TIME: Duration = Duration::from_secs(1);
/// MAX_MULTICAST_SOLICIT.
pub const MULTICAST_SOLICITS_MAX: u8 = 3;
/// MAX_UNICAST_SOLICIT.
pub const UNICAST_SOLICITS_MAX: u8 = 3;
/// DELAY_FIRST_PROBE_TIME.
pub const DELAY_FIRST_PROBE_TIME: Duration = Duration::from_secs(5);
/// REACHABLE_TIME times MIN_RANDOM_FACTOR.
pub const REACHABLE_TIME_MIN: Duration = Duration::from_secs(15);
/// REACHABLE_TIME times MAX_RANDOM_FACTOR.
pub const REACHABLE_TIME_MAX: Duration = Duration::from_secs(45);
/// MAX_NEIGHBOR_ADVERTISEMENT.
pub const ANNOUNCEMENTS_MAX: u8 = 3;
/// MAX_RTR_SOLICITATION_DELAY, also the longest wait before a probe (RFC 4862 §5.4.2).
pub const PROBE_DELAY_MAX: Duration = Duration::from_secs(1);
/// DupAddrDetectTransmits (RFC 4862 §5.1).
pub const DUPLICATE_PROBES: u8 = 1;
/// Further probes when one came back (RFC 7527 §4.1).
pub const DUPLICATE_PROBES_AFTER_LOOP: u8 = 3;
/// MAX_INITIAL_RTR_ADVERTISEMENTS.
pub const INITIAL_ADVERTISEMENTS: u8 = 3;
/// MAX_INITIAL_RTR_ADVERT_INTERVAL.
pub const INITIAL_INTERVAL_MAX: Duration = Duration::from_secs(16);
/// MAX_RA_DELAY_TIME.
pub const SOLICITED_DELAY_MAX: Duration = Duration::from_millis(500);
/// MIN_DELAY_BETWEEN_RAS.
pub const ADVERTISEMENT_GAP: Duration = Duration::from_secs(3);
/// Smallest MaxRtrAdvInterval (RFC 4861 §6.2.1).
pub const INTERVAL_MAX_LEAST: Duration = Duration::from_secs(4);
/// Smallest MinRtrAdvInterval (RFC 4861 §6.2.1).
pub const INTERVAL_MIN_LEAST: Duration = Duration::from_secs(3);
/// Valid lifetime of a prefix that is withdrawn: hosts do not believe less (RFC 4862 §5.5.3 e).
pub const WITHDRAWN_VALID_TIME_S: u32 = 7200;
