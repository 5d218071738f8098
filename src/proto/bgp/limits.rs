//! How much and how long: every bound of BGP sessions in one place; those of the tables are in
//! [`super::ribs::limits`].
//!
//! *Standards*: RFC 4271 §4.2 (hold time), §4.3 (sizes of messages), §8.2.2 (large hold time), §10
//! (timers and jitter), RFC 9687 §4 (send hold time), RFC 4724 §3 (restart time); the rest are the
//! house's.

use crate::base::time::Duration;
use crate::wire::bgp::message::EXTENDED_OCTETS_MAX;

/// RFC 4271 §4.2: a hold time is "either zero or at least three seconds".
pub const HOLD_TIME_S_MIN: u16 = 3;
/// §10: "The suggested default value for the HoldTime is 90 seconds."
pub const HOLD_TIME_S: u16 = 90;
/// §10: "The suggested default value for the KeepaliveTime is 1/3 of the HoldTime."
pub const KEEPALIVES_PER_HOLD_TIME: u32 = 3;
/// §4.4: KEEPALIVEs "MUST NOT be sent more frequently than one per second".
pub const KEEPALIVE_TIME_MIN: Duration = Duration::from_secs(1);
/// §8.2.2: the hold time until an OPEN has come: "A HoldTimer value of 4 minutes is suggested".
pub const LARGE_HOLD_TIME: Duration = Duration::from_secs(240);
/// How long a connection without OPEN takes part in a collision: an OPEN follows its connection at
/// once, and one that does not come shall not win over one that did.
pub const COLLISION_PATIENCE: Duration = Duration::from_secs(5);
/// RFC 4724 §5 takes another connection for a restart of the peer. One that comes so soon after the
/// session was Established was opened together with it: a SYN takes no longer than that.
pub const COLLISION_WINDOW: Duration = Duration::from_secs(10);
/// §10 suggests 120 s. A peer of Kumiki is one cable away: a try costs a SYN, and an exit that is
/// back shall not wait two minutes.
pub const CONNECT_RETRY_TIME: Duration = Duration::from_secs(15);
/// The least of it: shorter ones would be a flood of SYNs.
pub const CONNECT_RETRY_TIME_MIN: Duration = Duration::from_secs(1);
/// The most: longer ones mean that nobody wants the peer.
pub const CONNECT_RETRY_TIME_MAX: Duration = Duration::from_secs(3600);
/// The first IdleHoldTime (§8.1.1, DampPeerOscillations): long enough that two who fail at once do
/// not do so in a loop.
pub const IDLE_HOLD_TIME_MIN: Duration = Duration::from_secs(1);
/// The last IdleHoldTime: it doubles with every failure up to here. Longer, and an exit would stay
/// away after its peer was mended.
pub const IDLE_HOLD_TIME_MAX: Duration = Duration::from_secs(64);
/// Failures after which the IdleHoldTime no longer doubles.
pub const IDLE_HOLD_DOUBLINGS_MAX: u32 = 6;
/// A session that was Established for so long has not failed: the next IdleHoldTime is the first.
pub const STABLE_AFTER: Duration = Duration::from_secs(120);
/// §10: "jitter … uniformly distributed in the range from 0.75 to 1.0", in percent.
pub const JITTER_PERCENT_LEAST: u32 = 75;
/// RFC 9687 §4: "the recommended value … is twice the value of HoldTime or 8 minutes, whichever is
/// greater".
pub const SEND_HOLD_TIME_MIN: Duration = Duration::from_secs(480);
/// Of the hold time.
pub const SEND_HOLD_TIMES: u32 = 2;
/// RFC 4724 §3: the restart time has twelve bits.
pub const RESTART_TIME_S_MAX: u16 = 4095;
/// RFC 4724 §3: "a value less than or equal to the HOLDTIME carried in the OPEN" as the default.
pub const RESTART_TIME_S: u16 = 90;

/// RFC 4724 §4.2: stale paths of a peer that is back, and those of one that says everything again,
/// go after this time at the latest; the default of FRR.
pub const STALE_TIME_MAX: Duration = Duration::from_secs(360);
/// After this time a peer of whose routes some found no room in the tables is asked for them again,
/// if there is some: a full table each time, so not every second.
pub const EXHAUSTED_RETRY_TIME: Duration = Duration::from_secs(60);
/// Prefixes that are decided in a slice of work: a millisecond or two, so that no hello waits
/// longer.
pub const DECISIONS_PER_SLICE: usize = 500;

/// What is written for all peers in a slice of work, in octets; a path that is looked at counts as
/// one. Two peers' worth of room, some milliseconds: where many come back at once, each gets its
/// turn, and hellos do not wait for all.
pub const WRITTEN_PER_SLICE_MAX: usize = 2 * 1024 * 1024;

/// Octets that wait for a peer to read, what the driver was given included. The RIB half asks for
/// room first and goes on when the peer has read: a peer that does not costs this and no more.
pub const SEND_QUEUE_OCTETS_MAX: usize = 1024 * 1024;
/// Octets for which there is room beside that: OPEN, KEEPALIVE, ROUTE-REFRESH, which do not wait
/// for the RIB.
pub const SEND_RESERVE_OCTETS_MAX: usize = 16 * 1024;
/// Octets that the driver is given before it says that the socket has taken some: more than a
/// socket takes at once, less than what would be lost time when a NOTIFICATION must overtake.
pub const SEND_WINDOW_OCTETS_MAX: usize = 256 * 1024;
/// Octets of a message that is not whole yet: the longest one.
pub const RECEIVE_OCTETS_MAX: usize = EXTENDED_OCTETS_MAX;
/// Octets that one `Received` should bring: what is done with them is one slice of work, a
/// millisecond or two.
pub const RECEIVE_SLICE_OCTETS_MAX: usize = 16 * 1024;

const _: () = assert!(CONNECT_RETRY_TIME_MIN.as_nanos() < CONNECT_RETRY_TIME.as_nanos());
const _: () = assert!(CONNECT_RETRY_TIME.as_nanos() < CONNECT_RETRY_TIME_MAX.as_nanos());
const _: () = assert!(
    IDLE_HOLD_TIME_MIN.as_nanos() << IDLE_HOLD_DOUBLINGS_MAX == IDLE_HOLD_TIME_MAX.as_nanos()
);
const _: () = assert!(STABLE_AFTER.as_nanos() > IDLE_HOLD_TIME_MAX.as_nanos());
const _: () = assert!(HOLD_TIME_S >= HOLD_TIME_S_MIN);
const _: () = assert!(RESTART_TIME_S <= RESTART_TIME_S_MAX && RESTART_TIME_S <= HOLD_TIME_S);
const _: () = assert!(SEND_HOLD_TIME_MIN.as_secs() > LARGE_HOLD_TIME.as_secs());
const _: () = assert!(SEND_WINDOW_OCTETS_MAX > EXTENDED_OCTETS_MAX);
const _: () = assert!(WRITTEN_PER_SLICE_MAX > SEND_QUEUE_OCTETS_MAX);
const _: () = assert!(SEND_QUEUE_OCTETS_MAX > 2 * SEND_WINDOW_OCTETS_MAX);
