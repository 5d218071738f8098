//! Next hops and groups of them: what stands behind a prefix.
//!
//! Owns [`NextHopGroup`] (what a lookup yields), [`NextHop`] (one way out, with its L2 rewrite) and
//! [`Liveness`] (one atomic byte a next hop, for failover without a publication).
//!
//! *Invariants*: group 0 is "no route"; a group's buckets hold only members of the group; a bucket
//! count is a power of two, so that choosing needs no division. A flow moves only when its member
//! dies or leaves, or to a member that joins.
//! *Standards*: RFC 2992 (hash-threshold ECMP), RFC 6438 (flow label in the hash).

use crate::base::ids::{GroupId, MacAddress, NextHopId, PortId};
use crate::base::prng::Prng;
use core::net::Ipv6Addr;
use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

/// Buckets of a group with more than one member.
pub const BUCKET_COUNT: usize = 64;

/// Ethernet header that precedes the packet on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// Destination MAC, source MAC, EtherType 0x86dd.
    pub rewrite: [u8; 14],
}

impl Adjacency {
    /// The rewrite for IPv6 from `source` to `destination`.
    pub fn ipv6(destination: MacAddress, source: MacAddress) -> Self {
        let mut rewrite = [0; 14];
        rewrite[..6].copy_from_slice(&destination.0);
        rewrite[6..12].copy_from_slice(&source.0);
        rewrite[12..].copy_from_slice(&0x86dd_u16.to_be_bytes());
        Self { rewrite }
    }
}

/// One way out: a neighbour on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// The port the packet leaves by.
    pub port: PortId,
    /// The neighbour's address, for resolution.
    pub address: Ipv6Addr,
    /// The rewrite, or `None` while the neighbour is not resolved: packets are punted for ND.
    pub adjacency: Option<Adjacency>,
}

/// What happens to a packet whose lookup ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHopGroup {
    /// Send to the member that the flow hash chooses. The array has one slot for one member, else
    /// [`BUCKET_COUNT`] slots.
    Forward {
        /// The members, sorted, without repeats.
        members: Arc<[NextHopId]>,
        /// Hash bucket to member.
        buckets: Arc<[NextHopId]>,
    },
    /// The destination is a neighbour on this link whose address is not resolved: punt for ND.
    OnLink(PortId),
    /// The router's own address.
    Local,
    /// No route: Destination Unreachable, code 0 (RFC 4443 §3.1).
    Unreachable,
    /// Discard silently, counted.
    Blackhole,
}

/// The group of addresses that no prefix covers.
pub const GROUP_NO_ROUTE: GroupId = GroupId(0);

/// Seed of the fixed order in which members are dealt to buckets.
const DEAL_SEED: u64 = 0x6b75_6d69_6b69;

const _: () = assert!(BUCKET_COUNT.is_power_of_two());

impl NextHopGroup {
    /// A group that shares flows equally between `members`; `Unreachable` when there are none.
    pub fn forward(members: Vec<NextHopId>) -> Self {
        Self::forward_after(members, &Self::Unreachable)
    }

    /// A group for `members` that takes the place of `old`: flows of members that stay keep them,
    /// those of members that left go where [`pick`] sent them while their member was dead, and
    /// members that joined take their share from those that have most.
    pub fn forward_after(mut members: Vec<NextHopId>, old: &Self) -> Self {
        members.sort_unstable();
        members.dedup();
        let buckets: Vec<NextHopId> = match (members.as_slice(), old) {
            ([], _) => return Self::Unreachable,
            ([only], _) => vec![*only],
            (several, Self::Forward { buckets: old, .. })
                if old.iter().any(|member| several.contains(member)) =>
            {
                inherit(several, old)
            }
            (several, _) => deal(several),
        };
        Self::Forward { members: members.into(), buckets: buckets.into() }
    }
}

/// The member behind the bucket of `flow_hash`, or, where `is_usable` refuses it, behind the next
/// bucket that has a usable one.
#[inline]
pub fn pick(
    buckets: &[NextHopId],
    flow_hash: u32,
    is_usable: impl Fn(NextHopId) -> bool,
) -> Option<NextHopId> {
    let mask = buckets.len().wrapping_sub(1);
    let start = flow_hash as usize & mask;
    let first = *buckets.get(start)?;
    if is_usable(first) {
        return Some(first);
    }
    (1..buckets.len())
        .filter_map(|step| buckets.get((start + step) & mask).copied())
        .find(|member| is_usable(*member))
}

/// Equal shares, within one bucket, in a shuffled order: the buckets behind those of one member
/// belong to different others, which share its flows when it dies.
fn deal(members: &[NextHopId]) -> Vec<NextHopId> {
    let mut buckets: Vec<NextHopId> = members.iter().copied().cycle().take(BUCKET_COUNT).collect();
    let mut order = Prng::new(DEAL_SEED);
    for last in (1..BUCKET_COUNT).rev() {
        let other = usize::try_from(order.below(last as u64 + 1)).unwrap_or(last);
        buckets.swap(last, other);
    }
    buckets
}

/// The buckets of an older group, changed as little as `members` need; at least one is in both.
fn inherit(members: &[NextHopId], old: &[NextHopId]) -> Vec<NextHopId> {
    let stays = |member: NextHopId| members.binary_search(&member).is_ok();
    let mut buckets: Vec<NextHopId> =
        (0_u32..).take(BUCKET_COUNT).filter_map(|bucket| pick(old, bucket, stays)).collect();
    let count = |buckets: &[NextHopId], member| buckets.iter().filter(|b| **b == member).count();
    for joined in members.iter().filter(|member| !old.contains(member)) {
        for _ in 0..BUCKET_COUNT / members.len() {
            let fullest = members.iter().copied().max_by_key(|member| count(&buckets, *member));
            let taken = buckets.iter_mut().find(|bucket| Some(**bucket) == fullest);
            if let Some(bucket) = taken {
                *bucket = *joined;
            }
        }
    }
    buckets
}

/// One byte per next hop: alive or not. Written by the control thread (carrier, BFD), read by every
/// lcore.
#[derive(Debug)]
pub struct Liveness {
    alive: Box<[AtomicU8]>,
}

impl Liveness {
    /// A table for `count` next hops, all alive.
    pub fn new(count: usize) -> Self {
        Self { alive: (0..count).map(|_| AtomicU8::new(1)).collect() }
    }

    /// Whether packets may be sent to `next_hop`; unknown numbers are dead.
    #[inline]
    pub fn is_alive(&self, next_hop: NextHopId) -> bool {
        // Relaxed: one flag that stands for itself; nothing else is read because of it.
        self.alive.get(next_hop.index()).is_some_and(|flag| flag.load(Ordering::Relaxed) != 0)
    }

    /// Marks `next_hop`; unknown numbers are ignored.
    pub fn set(&self, next_hop: NextHopId, is_alive: bool) {
        if let Some(flag) = self.alive.get(next_hop.index()) {
            flag.store(u8::from(is_alive), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_share_equally_within_one() {
        let NextHopGroup::Forward { members, buckets } =
            NextHopGroup::forward(vec![NextHopId(3), NextHopId(1), NextHopId(2), NextHopId(1)])
        else {
            unreachable!("three members forward")
        };
        assert_eq!(&*members, [NextHopId(1), NextHopId(2), NextHopId(3)]);
        let shares = members.iter().map(|m| buckets.iter().filter(|b| *b == m).count());
        assert!(shares.into_iter().all(|share| share.abs_diff(BUCKET_COUNT / 3) <= 1));
    }

    fn buckets_of(group: &NextHopGroup) -> Vec<NextHopId> {
        let NextHopGroup::Forward { buckets, .. } = group else { unreachable!("it forwards") };
        (0..64).filter_map(|hash| pick(buckets, hash, |_| true)).collect()
    }

    fn ids(numbers: &[u16]) -> Vec<NextHopId> {
        numbers.iter().copied().map(NextHopId).collect()
    }

    #[test]
    fn a_dead_member_moves_only_its_own_flows_and_to_all_others() {
        let group = NextHopGroup::forward(ids(&[1, 2, 3, 4]));
        let NextHopGroup::Forward { buckets, .. } = &group else { unreachable!("it forwards") };
        let mut heirs = [0; 5];
        for (hash, before) in (0..).zip(buckets_of(&group)) {
            let after = pick(buckets, hash, |member| member != NextHopId(2)).unwrap();
            if before == NextHopId(2) {
                heirs[after.index()] += 1;
            } else {
                assert_eq!(after, before);
            }
        }
        assert!(heirs[2] == 0 && [1, 3, 4].iter().all(|heir| heirs[*heir] > 0), "{heirs:?}");
    }

    #[test]
    fn the_group_after_a_death_is_what_liveness_made_of_it() {
        let old = NextHopGroup::forward(ids(&[1, 2, 3, 4, 5]));
        let new = NextHopGroup::forward_after(ids(&[1, 2, 4, 5]), &old);
        let NextHopGroup::Forward { buckets, .. } = &old else { unreachable!("it forwards") };
        let interim: Vec<NextHopId> = (0..64)
            .filter_map(|hash| pick(buckets, hash, |member| member != NextHopId(3)))
            .collect();
        assert_eq!(buckets_of(&new), interim);
    }

    #[test]
    fn a_member_that_joins_takes_its_share_and_no_more() {
        let old = NextHopGroup::forward(ids(&[1, 2, 3]));
        let new = NextHopGroup::forward_after(ids(&[1, 2, 3, 4]), &old);
        let moved =
            buckets_of(&old).iter().zip(buckets_of(&new)).filter(|(a, b)| **a != *b).count();
        let share = buckets_of(&new).iter().filter(|b| **b == NextHopId(4)).count();
        assert_eq!((moved, share), (16, 16));
        let alone = NextHopGroup::forward(ids(&[1]));
        let two = NextHopGroup::forward_after(ids(&[1, 2]), &alone);
        assert_eq!(buckets_of(&two).iter().filter(|b| **b == NextHopId(2)).count(), 32);
    }

    #[test]
    fn a_group_without_members_is_unreachable() {
        assert_eq!(NextHopGroup::forward(Vec::new()), NextHopGroup::Unreachable);
    }

    #[test]
    fn liveness_flips_one_next_hop() {
        let liveness = Liveness::new(2);
        liveness.set(NextHopId(1), false);
        assert!(liveness.is_alive(NextHopId(0)) && !liveness.is_alive(NextHopId(1)));
        assert!(!liveness.is_alive(NextHopId(7)), "unknown next hops are dead");
    }
}
