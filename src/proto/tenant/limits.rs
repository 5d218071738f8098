//! How many and how long: every bound of the members of tenants in one place.

use crate::base::ids::MEMBER_MAX;
use crate::base::time::Duration;
use crate::wire::ospf::membership_lsa::{FIXED_OCTETS, RENUMBERING_OCTETS, TENANT_OCTETS};

/// Tenants of a router: as many as the data plane has bridge domains, without the one of number 0.
pub const TENANTS_MAX: usize = 4095;
/// Pseudowires of a router: each is a member of a bridge domain, and there is none of number 0.
pub const PSEUDOWIRES_MAX: usize = MEMBER_MAX - 1;
/// Announcements of others that are kept: a thousand routers with nine hundred tenants each.
pub const ANNOUNCEMENTS_MAX: usize = 16_384;
/// Those of one router: what a full one needs. They are read together.
pub const ANNOUNCEMENTS_PER_ROUTER_MAX: usize = TENANT_LSAS_MAX + RENUMBERING_LSAS_MAX;
/// Octets of the body of an own LSA: with its header what OSPF makes at most.
pub const BODY_OCTETS_MAX: usize = 1180;
/// Tenants in one LSA.
pub const TENANTS_PER_LSA: usize = (BODY_OCTETS_MAX - FIXED_OCTETS) / TENANT_OCTETS;
/// LSAs with tenants.
pub const TENANT_LSAS_MAX: usize = TENANTS_MAX.div_ceil(TENANTS_PER_LSA);
/// Other session ids in one LSA.
pub const RENUMBERINGS_PER_LSA: usize = (BODY_OCTETS_MAX - FIXED_OCTETS) / RENUMBERING_OCTETS;
/// LSAs with other session ids. Of all pseudowires there may be, one in 2^18 needs another id, and
/// a sender that makes more of them gets no more pseudowires.
pub const RENUMBERING_LSAS_MAX: usize = 8;
/// Other session ids that are given out at the same time.
pub const RENUMBERINGS_MAX: usize = RENUMBERING_LSAS_MAX * RENUMBERINGS_PER_LSA;
/// Link State ID of the first LSA with other session ids; those with tenants count from zero.
pub const RENUMBERING_LSA_FIRST: u32 = 1 << 31;
/// Salts that are tried for a session whose id is taken. One in 2^18 is.
pub const SALT_TRIES_MAX: u32 = 16;
/// Least MTU inside of a pseudowire: what RFC 8200 §5 demands of every link.
pub const TENANT_MTU_MIN: u16 = 1280;
/// Announcements that are not used and whose reasons are remembered.
pub const REFUSALS_MAX: usize = 1024;
/// Octets of a cluster key, at least: who sees a cookie on the way may guess keys until one fits.
pub const KEY_OCTETS_MIN: usize = 16;

/// How long cookies are used, unless it is configured.
pub const ROTATION_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// The least that may be configured: one change is over long before the next.
pub const ROTATION_INTERVAL_MIN: Duration = Duration::from_secs(600);
/// Of an interval, this part is random, a quarter: the tenants of a cluster do not change at once.
pub const ROTATION_JITTER_PART: u32 = 4;
/// How long a new cookie is accepted before others are told of it: the packet path takes over a
/// publication in milliseconds.
pub const ROTATION_LEAD: Duration = Duration::from_secs(1);
/// How long an old cookie is accepted after others were told. An announcement crosses the cluster
/// in milliseconds; where every router on the way has to send it again, each adds RxmtInterval.
pub const ROTATION_GRACE: Duration = Duration::from_secs(120);

const _: () = assert!(TENANTS_PER_LSA * TENANT_LSAS_MAX >= TENANTS_MAX);
const _: () = assert!((TENANT_LSAS_MAX as u64) < RENUMBERING_LSA_FIRST as u64);
const _: () = assert!(
    ROTATION_LEAD.as_secs() + ROTATION_GRACE.as_secs()
        < ROTATION_INTERVAL_MIN.as_secs() * (ROTATION_JITTER_PART as u64 - 1)
            / ROTATION_JITTER_PART as u64
);
