//! How much and how fast: every bound of OSPFv3 in one place.
//!
//! *Standards*: RFC 2328 App. B (architectural constants). Known deviation: MinLSArrival is 10 ms
//! instead of 1 s, and instead of a MinLSInterval of 5 s an LSA has a budget of instances. A flat
//! rule turns the second change after a failure into seconds of outage, and so does a delay that
//! doubles, for whoever breaks a cable soon after mending another; what both guard against, a
//! router that floods without end, is bounded by the budget as well.

use crate::base::time::Duration;

/// LSAs in all databases: 1000 routers with 16 LSAs each, four times.
pub const DATABASE_LSAS_MAX: usize = 65_536;
/// Octets of all of them with their headers: [`DATABASE_LSAS_MAX`] of 1 KiB each.
pub const DATABASE_OCTETS_MAX: usize = 64 << 20;
/// Instances to be asked of one neighbour: it cannot have more than fit here.
pub const REQUESTS_MAX: usize = DATABASE_LSAS_MAX;
/// Octets of the answer to one request; the neighbour asks again for what it lacks then.
pub const ANSWER_OCTETS_MAX: usize = 4 << 20;
/// Acknowledgments that wait for company on an interface; more go at once.
pub const ACKS_LATER_MAX: usize = 1024;
/// Instances that wait for MinLSArrival: every router of a large cluster at once. Further ones are
/// left to who sent them, as RFC 2328 §13 step 5 (a) has it for all.
pub const EARLY_MAX: usize = 4096;
/// How long something must not have happened before it is said again.
pub const COMPLAINT_QUIET: Duration = Duration::from_secs(60);
/// LSRefreshTime.
pub const REFRESH_TIME: Duration = Duration::from_secs(1800);
/// Own LSAs are refreshed up to this much earlier, so that a cluster does not refresh at once.
pub const REFRESH_JITTER: Duration = Duration::from_secs(300);
/// MinLSArrival: a newer instance is not taken sooner than this after the last.
pub const MIN_LS_ARRIVAL: Duration = Duration::from_millis(10);
/// A neighbour with an old instance is sent the one of the database at most this often.
pub const SEND_BACK_INTERVAL: Duration = Duration::from_millis(100);
/// The least time between two instances of an own LSA; longer than what receivers refuse.
pub const ORIGINATION_SPACING: Duration = Duration::from_millis(15);
/// Instances of an own LSA that may follow each other so closely: every port of a large router
/// comes up or goes down for itself, and then something else happens.
pub const ORIGINATION_BURST: u32 = 32;
/// How long it takes to earn one more of them, and so the time between instances where changes
/// never end.
pub const ORIGINATION_EARNED: Duration = Duration::from_secs(1);
/// The least an interface's intervals may be: no configuration turns a timer into a loop.
pub const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// How long an acknowledgment waits for company; well under any RxmtInterval.
pub const ACK_DELAY: Duration = Duration::from_millis(50);
/// How often a Grace-LSA is sent before hellos begin all the same.
pub const GRACE_SENDS: u32 = 4;
/// How long is waited for its acknowledgment each time: a round trip, and a busy neighbour. All of
/// them together stay well under a dead interval, which is a second at least.
pub const GRACE_PAUSE: Duration = Duration::from_millis(50);
/// RxmtIntervals that a neighbour has to be Full after it said that its restart is over: what was
/// on its way then is sent again once, and acknowledged.
pub const HELP_TAIL_ROUNDS: u32 = 2;
/// Where more than this part of the vertices moved, every route is looked at, which is less work
/// then: a third.
pub const MOVED_PART_MAX: usize = 3;
/// AS-external-LSAs in the database, those of this router not counted: whoever floods a full table
/// of the Internet must not crowd out the routers (RFC 1765 §2 has such a limit).
pub const EXTERNAL_LSAS_MAX: usize = DATABASE_LSAS_MAX / 2;
/// Routes out of the AS that this router announces. What an operator permits is far less, and is
/// counted where routes are chosen; this holds whatever happens there.
pub const EXTERNALS_MAX: usize = DATABASE_LSAS_MAX / 4;
/// AS-external-LSAs made or withdrawn at once; a neighbour's socket buffer takes as many with ease.
pub const EXTERNALS_BURST: usize = 1024;
/// How long the next ones wait.
pub const EXTERNALS_PAUSE: Duration = Duration::from_millis(10);
/// When an AS-external-LSA that found no room is tried again.
pub const EXTERNALS_ROOM_PAUSE: Duration = Duration::from_secs(1);
/// Own LSAs whose budgets are remembered, before those that are whole are forgotten.
pub const PACES_MAX: usize = 2 * EXTERNALS_MAX;
/// Link State IDs that are tried for a prefix. One in 2^18 is taken at [`EXTERNALS_MAX`].
pub const EXTERNAL_ID_TRIES_MAX: u32 = 16;
/// How long what the life before a graceful restart announced stays without being said again: BGP
/// restarts as well, and has as much time by default (RFC 4724 leaves it open; FRR and BIRD wait
/// 120 s).
pub const EXTERNALS_KEPT: Duration = Duration::from_secs(120);
/// The least metric, of type 2, of a router that asks to be avoided; FRR and others take the same.
pub const EXTERNAL_METRIC_STUB: u32 = 0x00ff_0000;
/// The least time between two looks at changed AS-external-LSAs: a table that comes in hundreds of
/// updates is looked at tens of times.
pub const EXTERNALS_SPACING: Duration = Duration::from_millis(20);
/// LSAs sent again at once to a neighbour; further ones follow its acknowledgments.
pub const RETRANSMIT_BURST_MAX: usize = 256;
/// How often the time between rounds doubles while a neighbour acknowledges nothing.
pub const RETRANSMIT_DOUBLINGS_MAX: u32 = 4;
/// Octets of an LSA that this router originates: it fits the smallest link with all headers.
pub const OWN_LSA_OCTETS_MAX: usize = 1200;
/// LSAs of this router that it only carries: all tenants that a router may have, and half as many
/// again.
pub const OPAQUE_LSAS_MAX: usize = 128;
/// Prefixes in one intra-area-prefix-LSA: 12 octets fixed, up to 20 each.
pub const PREFIXES_PER_LSA: usize = (OWN_LSA_OCTETS_MAX - 32) / 20;
/// Links in the one router-LSA: 16 octets each.
pub const LINKS_MAX: usize = (OWN_LSA_OCTETS_MAX - 24) / 16;
/// Foreign instances of one own LSA that are a restart; more within [`DUPLICATE_WINDOW`] are a
/// second router with this router-id.
pub const DUPLICATE_INSTANCES_MAX: u32 = 2;
/// The longest wait for this router's turn in the order of updates, those that keep none not
/// counted.
pub const ORDER_WAIT_MAX: Duration = Duration::from_secs(1);
/// The time that a router which keeps no order is given to take over a change: FRR does so
/// at once or after its hold time of 50 ms, BIRD on a tick of a second. Either refuses an LSA that
/// comes within a second of the instance before (RFC 2328 §13 step 5a), and has it when it is
/// retransmitted.
pub const STRANGER_STEP: Duration = Duration::from_millis(2500);
/// The same where another such router may do so earlier and then sends packets back: enough for the
/// hold time of FRR.
pub const STRANGER_STEP_SHORT: Duration = Duration::from_millis(150);
/// A step of the order before the turn of a router that keeps none, and that may take a change over
/// at once: the time in which an LSA gets from a neighbour to the next, so that who shall come
/// first does.
pub const BRISK_STEP: Duration = Duration::from_millis(2);
/// Own LSAs whose foreign instances are counted.
pub const RIVALRIES_MAX: usize = 1024;
/// See [`DUPLICATE_INSTANCES_MAX`].
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(60);

const _: () = assert!(GRACE_PAUSE.as_millis() * (GRACE_SENDS as u128) < 500);
const _: () = assert!(LINKS_MAX >= crate::base::ids::PORT_MAX, "the router-LSA needs no fragments");
const _: () = assert!(DATABASE_LSAS_MAX * OWN_LSA_OCTETS_MAX >= DATABASE_OCTETS_MAX);
const _: () = assert!(EXTERNALS_MAX + EXTERNAL_LSAS_MAX < DATABASE_LSAS_MAX);
const _: () = assert!(EXTERNALS_BURST <= EXTERNALS_MAX);
const _: () = assert!(ANSWER_OCTETS_MAX > u16::MAX as usize, "one LSA is always answered");
const _: () = assert!(OWN_LSA_OCTETS_MAX + 4 + 16 + 40 <= 1280, "own LSAs fit every IPv6 link");
const _: () = assert!(MIN_LS_ARRIVAL.as_millis() < ORIGINATION_SPACING.as_millis());
