//! How fast and how slow: every bound of BFD in one place.
//!
//! *Standards*: RFC 5880 §6.8.3 (one second while not Up), §6.8.7 (jitter).

use crate::base::time::Duration;

/// §6.8.3: "When bfd.SessionState is not Up, the system MUST set bfd.DesiredMinTxInterval to a
/// value of not less than one second".
pub const SLOW_INTERVAL: Duration = Duration::from_secs(1);
/// The least interval: what a worker that sleeps between packets keeps on a shared core.
pub const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// The longest interval: what outlasts every dead interval is of no use.
pub const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// A neighbour that was not heard for this time while the session is down speaks no BFD: three
/// packets at the slow interval, and half a one.
pub const SILENT_AFTER: Duration = Duration::from_millis(3500);
/// Of an interval, the most that jitter takes off, in percent.
pub const JITTER_PERCENT_MAX: u32 = 25;
/// The least where the multiplier is one: "the interval … MUST be no more than 90% of the
/// negotiated transmission interval".
pub const JITTER_PERCENT_MIN_ALONE: u32 = 10;
/// Actions that one input can leave: an answer to a poll, a packet about what changed, a view.
pub const ACTIONS_MAX: usize = 4;

const _: () = assert!(INTERVAL_MIN.as_nanos() < INTERVAL_MAX.as_nanos());
const _: () = assert!(SILENT_AFTER.as_nanos() > 3 * SLOW_INTERVAL.as_nanos());
