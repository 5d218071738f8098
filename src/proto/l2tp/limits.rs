//! How much, how long and how often: every bound of L2TPv3 control connections in one place.
//!
//! *Standards*: RFC 3931 §4.2 (retransmission), §4.4 (keepalive), §3.3.2 (how long a connection is
//! remembered), §5.4.1 (nonces); the rest are the house's.

use crate::base::time::Duration;

/// §4.2: "a recommended default is 1 second".
pub const RETRANSMIT_TIME: Duration = Duration::from_secs(1);
/// §4.2: "This cap SHOULD be no less than 8 seconds per retransmission."
pub const RETRANSMIT_TIME_MAX: Duration = Duration::from_secs(8);
/// §4.2: "a recommended default is 10, but MUST be configurable".
pub const RETRANSMISSIONS: u32 = 10;
/// The most that may be configured: three minutes, after which nobody waits any more.
pub const RETRANSMISSIONS_MAX: u32 = 24;
/// §5.4.3: "If absent, the peer must assume a Window Size of 4".
pub const WINDOW_DEFAULT: u16 = 4;
/// Messages that we take before we have acknowledged one. Each is answered at once; more only fill
/// the rings of a peer that sends faster than we read.
pub const RECEIVE_WINDOW: u16 = 32;
/// Messages on their way to a peer, whatever it says that it takes.
pub const SEND_WINDOW_MAX: usize = 128;
/// Messages that wait for a peer which acknowledges slowly. A reliable channel cannot leave one
/// out: where there is no room for another the connection is cleared.
pub const QUEUE_MAX: usize = 4096;
/// Sessions of one peer that are being set up at the same time; the others wait for them.
pub const CALLS_PENDING_MAX: usize = 256;
/// Sessions with one peer: more than the pseudowires that a router is measured with.
pub const SESSIONS_MAX: usize = 16_384;
/// Connections with one peer: the one in use, an own and another's request, and those that are
/// remembered because their end may have to be acknowledged once more.
pub const CONNECTIONS_MAX: usize = 8;
/// Connections that a peer asked for and has not confirmed: whoever can send in its name can make
/// so many, and no more.
pub const CANDIDATES_MAX: usize = 2;
/// §4.4: "a recommended default is 60 seconds, but MUST be configurable".
pub const HELLO_TIME: Duration = Duration::from_secs(60);
/// The least time between two HELLOs: BFD is there for what has to be found faster.
pub const HELLO_TIME_MIN: Duration = Duration::from_secs(1);
/// The most: mappings of UDP in a middlebox live about as long.
pub const HELLO_TIME_MAX: Duration = Duration::from_secs(3600);
/// §4.4: "MUST employ a jittered timer mechanism"; so much is taken off, in percent.
pub const HELLO_JITTER_PERCENT: u32 = 25;
/// How long a connection may take to be established, its messages acknowledged or not.
pub const SETUP_TIME_MAX: Duration = Duration::from_secs(60);
/// §3.3.2: "The recommended time for a full retransmission cycle is at least 31 seconds".
pub const LINGER_TIME: Duration = Duration::from_secs(31);
/// How long a session may take to be established.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(60);
/// The wait before the first new try of a connection or a session that failed; it doubles.
pub const RETRY_TIME_MIN: Duration = Duration::from_secs(1);
/// The longest wait.
pub const RETRY_TIME_MAX: Duration = Duration::from_secs(60);
/// Of a wait, so much is random, in percent: two ends that fail together do not try together.
pub const RETRY_JITTER_PERCENT: u32 = 50;
/// §5.4.1: "at least 16 octets is recommended", of nonces and of random vectors.
pub const NONCE_OCTETS: usize = 16;
/// Octets of the name of a circuit, which is sent as a Remote End ID.
pub const END_ID_OCTETS_MAX: usize = 255;
/// §5.4.1: "two shared secrets MAY be configured for a given LCCE".
pub const SECRETS_MAX: usize = 2;

const _: () = assert!(CANDIDATES_MAX + 2 < CONNECTIONS_MAX);
const _: () = assert!(2 * CALLS_PENDING_MAX < QUEUE_MAX);
const _: () = assert!(RECEIVE_WINDOW as usize <= SEND_WINDOW_MAX);
const _: () = assert!(RETRANSMIT_TIME.as_nanos() < RETRANSMIT_TIME_MAX.as_nanos());
