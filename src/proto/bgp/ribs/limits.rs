//! How much and how many: every bound of the tables in one place.
//!
//! *Standards*: RFC 4271 §4.3 gives the sizes that messages have; the rest are the house's.

/// Prefixes in all RIBs together: the full IPv6 table of 2026 eight times.
pub const PREFIXES_MAX: usize = 1 << 21;
/// Paths of all peers together: the full table of 2026 from sixteen peers.
pub const PATHS_MAX: usize = 1 << 22;
/// Different attribute sets: each path has at most two, the one received and the one imported, and
/// a real table has five prefixes a set.
pub const ATTRIBUTE_SETS_MAX: usize = 1 << 22;
/// Peers with routes, this router not counted: a route server's worth.
pub const PEERS_MAX: usize = 1 << 10;
/// Groups of peers that are told the same: each kind of peer with each export policy is one.
pub const EXPORT_GROUPS_MAX: usize = 1 << 7;
/// Next hops of paths: every border router of a large AS.
pub const NEXT_HOPS_MAX: usize = 1 << 12;
/// Paths of one peer: the full table of 2026 four times. As each has at most two attribute sets, no
/// peer can fill a table that others need.
pub const PATHS_PER_PEER_MAX: usize = 1 << 20;
/// RFC 7911: paths of one prefix that a peer may announce, several times what it would be sent.
/// They are a list, searched for each announcement, and each decision looks at all.
pub const PATHS_PER_PREFIX_AND_PEER_MAX: usize = 64;
/// Next hops that one peer was the first to name: an exchange of a thousand members twice, so that
/// no peer can leave others without.
pub const NEXT_HOPS_PER_PEER_MAX: usize = NEXT_HOPS_MAX / 2;
/// What part of each table must be free before a peer is asked again for what found no room: less
/// would be full again before all of it came.
pub const ROOM_PART: usize = 16;
/// Groups of exits: every pair of a hundred exits. Beyond it, groups without a backup are made.
pub const EXIT_GROUPS_MAX: usize = 1 << 14;
/// Numbers of groups that rest before they are used again: more than a table that changes its exits
/// frees before its prefixes have moved.
pub const NUMBERS_RESTING: usize = 256;
/// Exits in a group that wait behind those in use.
pub const BACKUPS_MAX: usize = 2;
/// Equal paths that may share the traffic of a prefix: what a group of the FIB takes.
pub const MULTIPATH_MAX: usize = crate::base::route::ECMP_WIDTH_MAX;
/// RFC 7911: paths of one prefix that a peer may be sent.
pub const ADD_PATHS_MAX: u8 = 8;
/// Changes that wait to be taken: deciding pauses then, so that nothing is lost.
pub const CHANGES_MAX: usize = 1 << 16;
/// Prefixes whose announcements are sorted by attributes at a time: the full table of 2026.
pub const BATCH_MAX: usize = 1 << 18;
/// Paths that are looked at in the time in which one prefix is decided.
pub const SCANNED_PER_DECISION_MAX: usize = 16;
/// Holes in a journal before it is made anew, besides as many as it has entries.
pub const JOURNAL_HOLES_MAX: usize = 1 << 10;

const _: () = assert!(PREFIXES_MAX * (ADD_PATHS_MAX as usize) < u32::MAX as usize / 2);
const _: () = assert!(PATHS_MAX < u32::MAX as usize / 2);
const _: () = assert!(ATTRIBUTE_SETS_MAX < u32::MAX as usize / 2);
const _: () = assert!(PEERS_MAX < u16::MAX as usize);
const _: () = assert!(PATHS_PER_PEER_MAX <= PATHS_MAX / 2 && PATHS_PER_PEER_MAX < PREFIXES_MAX);
const _: () = assert!(PATHS_PER_PREFIX_AND_PEER_MAX >= 4 * ADD_PATHS_MAX as usize);
const _: () = assert!(2 * PATHS_PER_PEER_MAX <= ATTRIBUTE_SETS_MAX / 2);

/// Whether a table of `count` entries has room for more than a few.
pub(super) const fn is_roomy(count: usize, limit: usize) -> bool {
    count < limit - limit / ROOM_PART
}
