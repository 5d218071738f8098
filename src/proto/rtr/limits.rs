//! How much and how long: every bound of a session with an RPKI cache.
//!
//! *Standards*: RFC 8210 §6 (times with their bounds and defaults), §5.1; the rest are the house's.

use crate::base::time::Duration;

/// §6: "Recommended default: 3600 seconds".
pub const REFRESH_TIME: Duration = Duration::from_secs(3600);
/// §6: "Minimum: 1 second".
pub const REFRESH_TIME_MIN: Duration = Duration::from_secs(1);
/// §6: "Maximum: 86400 seconds".
pub const REFRESH_TIME_MAX: Duration = Duration::from_secs(86_400);
/// §6: "Recommended default: 600 seconds".
pub const RETRY_TIME: Duration = Duration::from_secs(600);
/// §6: "Minimum: 1 second".
pub const RETRY_TIME_MIN: Duration = Duration::from_secs(1);
/// §6: "Maximum: 7200 seconds".
pub const RETRY_TIME_MAX: Duration = Duration::from_secs(7200);
/// §6: "Recommended default: 7200 seconds".
pub const EXPIRE_TIME: Duration = Duration::from_secs(7200);
/// §6: "Minimum: 600 seconds".
pub const EXPIRE_TIME_MIN: Duration = Duration::from_secs(600);
/// §6: "Maximum: 172800 seconds".
pub const EXPIRE_TIME_MAX: Duration = Duration::from_secs(172_800);

/// How long a cache may be silent while something is awaited of it: one that is busy sends a table
/// with pauses, one that is gone is silent for ever and TCP would not say so.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The wait before the first new try of a cache whose connection failed; it doubles up to the retry
/// time. A cache that is started again shall not be missed for ten minutes.
pub const RECONNECT_TIME_MIN: Duration = Duration::from_secs(5);

/// Payloads of one cache: those of IPv6 in all of the Internet in 2026 ten times.
pub const RECORDS_MAX: usize = 1 << 20;
/// Payloads that the owner is told of in one slice: some hundred microseconds of its work.
pub const CHANGES_PER_SLICE_MAX: usize = 1024;
/// Prefixes that the tables of BGP are told of in one slice, to judge their routes anew: about a
/// millisecond, and faster than all caches together can name them.
pub const REVALIDATED_PER_SLICE_MAX: usize = 4 * CHANGES_PER_SLICE_MAX;
/// Payloads of one prefix that are listed, ten times as many as any has in 2026: a cache that says
/// that all the world may announce one does not make a page of it.
pub const PAYLOADS_SHOWN_MAX: u32 = 256;
/// Sets of payloads that are not needed any more and wait to be freed in slices: one is left by
/// every answer that is not whole, and by every one that is a whole table.
pub const GARBAGE_MAX: usize = 8;
/// Octets that wait to be read as PDUs: a chunk of the socket and the beginning of a PDU.
pub const BUFFER_OCTETS_MAX: usize = 1 << 18;

const _: () = assert!(BUFFER_OCTETS_MAX > 4 * crate::wire::rtr::limits::PDU_OCTETS_MAX);
