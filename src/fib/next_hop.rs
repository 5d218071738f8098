//! Next hops and groups of them: what stands behind a prefix.
//!
//! Owns [`NextHopGroup`] (what a lookup yields), [`NextHop`] (one way out, with its L2 rewrite) and
//! [`Liveness`] (one atomic byte a next hop, for failover without a publication).
//!
//! *Invariants*: group 0 is "no route"; a group's buckets hold only members of the group; a bucket
//! count is a power of two, so that choosing needs no division. A flow moves only when its member
//! dies or leaves, or to a member that joins or whose share grew.
//! *Standards*: RFC 2992 (hash-threshold ECMP), RFC 6438 (flow label in the hash).

use crate::base::ids::{GroupId, MacAddress, NextHopId, PortId};
use crate::base::prng::Prng;
use crate::base::route::ECMP_WIDTH_MAX;
use crate::fib::repair::Encapsulation;
use core::net::Ipv6Addr;
use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

/// Buckets of a group with more than one member, at least …
pub const BUCKETS_MIN: usize = 64;
/// … and at most.
pub const BUCKETS_MAX: usize = 1024;
/// Buckets for each part of the sum of the weights, so that the share of a weight of one is right
/// within a sixteenth; sums beyond `BUCKETS_MAX` by this are served more roughly.
const BUCKETS_PER_WEIGHT: usize = 16;

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

/// One way out: a neighbour on a port, perhaps through a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// The port the packet leaves by.
    pub port: PortId,
    /// The neighbour's address, for resolution.
    pub address: Ipv6Addr,
    /// The rewrite, or `None` while the neighbour is not resolved: packets are punted for ND.
    pub adjacency: Option<Adjacency>,
    /// Headers to put on first, of backups that are tunnels; out of line, since plain packets never
    /// look at them.
    pub encapsulation: Option<Arc<Encapsulation>>,
}

/// What happens to a packet whose lookup ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHopGroup {
    /// Send to the member that the flow hash chooses. There is one bucket for one member, else a
    /// power of two from [`BUCKETS_MIN`] to [`BUCKETS_MAX`].
    Forward {
        /// The members, sorted, without repeats.
        members: Arc<[NextHopId]>,
        /// What each member's share is a multiple of, in the same order.
        // Gap: routes carry no weights yet, so all are 1; BGP's link bandwidth will bring them.
        weights: Arc<[u8]>,
        /// Hash bucket to member.
        buckets: Arc<[NextHopId]>,
        /// Where packets go while no member lives, computed before it happens (RFC 5286).
        backup: Option<NextHopId>,
    },
    /// The destination is a neighbour on this link whose address is not resolved: punt for ND.
    OnLink(PortId),
    /// An adjacency address of the router: what is tunnelled to it leaves by this next hop, and
    /// nothing else may go there.
    Cross(NextHopId),
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

const _: () = assert!(BUCKETS_MIN.is_power_of_two() && BUCKETS_MAX.is_power_of_two());
const _: () = assert!(BUCKETS_MAX >= BUCKETS_PER_WEIGHT * ECMP_WIDTH_MAX);

/// A member and its weight, from 1 on.
type Share = (NextHopId, u8);

impl NextHopGroup {
    /// A group that shares flows equally between `members`; `Unreachable` when there are none.
    pub fn forward(members: Vec<NextHopId>) -> Self {
        Self::forward_after(members, &Self::Unreachable)
    }

    /// A group for `members` that takes the place of `old`: flows of members that stay keep them,
    /// those of members that left go where [`pick`] sent them while their member was dead, and
    /// members that joined take their share from those that have most.
    pub fn forward_after(members: Vec<NextHopId>, old: &Self) -> Self {
        Self::weighted_after(members.into_iter().map(|member| (member, 1)).collect(), old)
    }

    /// The same with a weight for each member, from 1 on: of two members with weights 3 and 1 the
    /// first has three flows of four.
    pub fn weighted_after(mut shares: Vec<Share>, old: &Self) -> Self {
        shares.sort_unstable();
        shares.dedup_by_key(|(member, _)| *member);
        shares.iter_mut().for_each(|(_, weight)| *weight = (*weight).max(1));
        let buckets: Vec<NextHopId> = match (shares.as_slice(), old) {
            ([], _) => return Self::Unreachable,
            ([(only, _)], _) => vec![*only],
            (several, Self::Forward { members, weights, buckets: old, .. })
                if old.iter().any(|member| several.iter().any(|(other, _)| other == member)) =>
            {
                inherit(several, &Old { members, weights, buckets: old })
            }
            (several, _) => deal(several),
        };
        let (members, weights): (Vec<_>, Vec<_>) = shares.into_iter().unzip();
        Self::Forward {
            members: members.into(),
            weights: weights.into(),
            buckets: buckets.into(),
            backup: None,
        }
    }

    /// The same group with a backup; groups that do not forward have none.
    pub fn with_backup(mut self, next_hop: Option<NextHopId>) -> Self {
        if let Self::Forward { backup, .. } = &mut self {
            *backup = next_hop;
        }
        self
    }

    /// The member for a flow: that of its bucket when usable, else of the next bucket with a usable
    /// one, else the backup; `None` when nobody is usable, and for groups that do not forward.
    pub fn member(
        &self,
        flow_hash: u32,
        is_usable: impl Fn(NextHopId) -> bool,
    ) -> Option<NextHopId> {
        let Self::Forward { buckets, backup, .. } = self else { return None };
        pick(buckets, flow_hash, &is_usable).or(backup.filter(|backup| is_usable(*backup)))
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

/// The group that another one comes after.
struct Old<'a> {
    members: &'a [NextHopId],
    weights: &'a [u8],
    buckets: &'a [NextHopId],
}

/// How many buckets groups with these weights have.
fn bucket_count(shares: &[Share]) -> usize {
    let weight: usize = shares.iter().map(|(_, weight)| usize::from(*weight)).sum();
    (weight * BUCKETS_PER_WEIGHT).next_power_of_two().clamp(BUCKETS_MIN, BUCKETS_MAX)
}

/// How many of `count` buckets each member gets: at least one, and the rest by weight, what is left
/// of the division one each from the first on.
fn targets(shares: &[Share], count: usize) -> Vec<usize> {
    let weight: usize = shares.iter().map(|(_, weight)| usize::from(*weight)).sum();
    let spare = count.saturating_sub(shares.len());
    let mut targets: Vec<usize> =
        shares.iter().map(|(_, own)| 1 + spare * usize::from(*own) / weight).collect();
    let left = count.saturating_sub(targets.iter().sum());
    targets.iter_mut().take(left).for_each(|target| *target += 1);
    targets
}

/// Shares by weight in a shuffled order: the buckets behind those of one member belong to different
/// others, which share its flows when it dies.
fn deal(shares: &[Share]) -> Vec<NextHopId> {
    let targets = targets(shares, bucket_count(shares));
    let runs = shares.iter().zip(targets);
    let mut buckets: Vec<NextHopId> =
        runs.flat_map(|((member, _), target)| core::iter::repeat_n(*member, target)).collect();
    let mut order = Prng::new(DEAL_SEED);
    for last in (1..buckets.len()).rev() {
        let other = usize::try_from(order.below(last as u64 + 1)).unwrap_or(last);
        buckets.swap(last, other);
    }
    buckets
}

/// The buckets of an older group, changed as little as `shares` need; at least one member is in
/// both. A group never has fewer buckets than the one before it: halving them would move flows.
fn inherit(shares: &[Share], old: &Old<'_>) -> Vec<NextHopId> {
    let place = |member: NextHopId| shares.binary_search_by_key(&member, |(member, _)| *member);
    let count = bucket_count(shares).max(old.buckets.len());
    let stays = |member: NextHopId| place(member).is_ok();
    let mut buckets: Vec<NextHopId> =
        (0_u32..).take(count).filter_map(|bucket| pick(old.buckets, bucket, stays)).collect();
    let weight_before = |member: NextHopId| {
        let before = old.members.iter().position(|other| *other == member);
        before.and_then(|before| old.weights.get(before))
    };
    // Where nobody joined and no weight changed, those that had flows of the dead keep them.
    let is_same = |(member, weight): &Share| weight_before(*member) == Some(weight);
    let has_changed_weights =
        shares.iter().any(|share| weight_before(share.0).is_some() && !is_same(share));
    let grew = |share: &Share| has_changed_weights || weight_before(share.0).is_none();
    let targets = targets(shares, count);
    let mut counts = vec![0_usize; shares.len()];
    buckets.iter().filter_map(|member| place(*member).ok()).for_each(|place| counts[place] += 1);
    for (own, share) in shares.iter().enumerate().filter(|(_, share)| grew(share)) {
        while counts[own] < targets[own] {
            // From whoever is furthest above its share.
            let above = |place: &usize| counts[*place] as i64 - targets[*place] as i64;
            let Some(fullest) = (0..shares.len()).max_by_key(above) else { break };
            let taken = buckets.iter_mut().find(|bucket| **bucket == shares[fullest].0);
            let Some(bucket) = taken.filter(|_| fullest != own) else { break };
            *bucket = share.0;
            counts[own] += 1;
            counts[fullest] -= 1;
        }
    }
    buckets
}

/// Who says that a next hop lives; each has a bit of its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The control thread: carrier, port, neighbour.
    Control,
    /// The worker that runs the BFD session of the port.
    Bfd,
}

impl Witness {
    const fn bit(self) -> u8 {
        match self {
            Self::Control => 1,
            Self::Bfd => 2,
        }
    }
}

/// One byte per next hop: alive, or dead in the eyes of one or more. Read by every lcore. Each bit
/// has one writer at a time; the writes are atomic read-modify-writes, so that none undoes another.
#[derive(Debug)]
pub struct Liveness {
    /// Bits of those who say that it is dead; zero is alive.
    dead: Box<[AtomicU8]>,
}

impl Liveness {
    /// A table for `count` next hops, all alive.
    pub fn new(count: usize) -> Self {
        Self { dead: (0..count).map(|_| AtomicU8::new(0)).collect() }
    }

    /// Whether packets may be sent to `next_hop`; unknown numbers are dead.
    #[inline]
    pub fn is_alive(&self, next_hop: NextHopId) -> bool {
        // Relaxed: one byte that stands for itself; nothing else is read because of it.
        self.dead.get(next_hop.index()).is_some_and(|dead| dead.load(Ordering::Relaxed) == 0)
    }

    /// The word of the control thread; unknown numbers are ignored.
    pub fn set(&self, next_hop: NextHopId, is_alive: bool) {
        self.tell(next_hop, Witness::Control, is_alive);
    }

    /// The word of one witness; it lives when all say so. Unknown numbers are ignored.
    pub fn tell(&self, next_hop: NextHopId, witness: Witness, is_alive: bool) {
        let Some(dead) = self.dead.get(next_hop.index()) else { return };
        let bit = witness.bit();
        // What is said already is not written: the byte stays in the caches of all who read it.
        if (dead.load(Ordering::Relaxed) & bit == 0) == is_alive {
            return;
        }
        if is_alive {
            dead.fetch_and(!bit, Ordering::Relaxed);
        } else {
            dead.fetch_or(bit, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_hop_lives_when_all_witnesses_say_so() {
        let liveness = Liveness::new(1);
        let hop = NextHopId(0);
        liveness.set(hop, false);
        liveness.tell(hop, Witness::Bfd, false);
        liveness.set(hop, true);
        assert!(!liveness.is_alive(hop), "BFD has not taken its word back");
        liveness.tell(hop, Witness::Bfd, true);
        assert!(liveness.is_alive(hop));
        liveness.tell(NextHopId(1), Witness::Bfd, true);
        assert!(!liveness.is_alive(NextHopId(1)), "a number that is not there");
    }

    #[test]
    fn buckets_share_equally_within_one() {
        let NextHopGroup::Forward { members, buckets, .. } =
            NextHopGroup::forward(vec![NextHopId(3), NextHopId(1), NextHopId(2), NextHopId(1)])
        else {
            unreachable!("three members forward")
        };
        assert_eq!(&*members, [NextHopId(1), NextHopId(2), NextHopId(3)]);
        let shares = members.iter().map(|m| buckets.iter().filter(|b| *b == m).count());
        assert!(shares.into_iter().all(|share| share.abs_diff(BUCKETS_MIN / 3) <= 1));
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

    /// Buckets of each member.
    fn shares_of(group: &NextHopGroup) -> Vec<usize> {
        let NextHopGroup::Forward { members, buckets, .. } = group else { return Vec::new() };
        let count = |member: &NextHopId| buckets.iter().filter(|other| *other == member).count();
        members.iter().map(count).collect()
    }

    #[test]
    fn sixty_four_members_share_within_a_sixteenth() {
        for width in 2..=u16::try_from(ECMP_WIDTH_MAX).unwrap() {
            let group = NextHopGroup::forward((0..width).map(NextHopId).collect());
            let shares = shares_of(&group);
            let (least, most) = (*shares.iter().min().unwrap(), *shares.iter().max().unwrap());
            assert!(shares.len() == usize::from(width) && most - least <= 1 && least >= 16);
        }
    }

    #[test]
    fn shares_follow_the_weights() {
        let shares = vec![(NextHopId(1), 1), (NextHopId(2), 3), (NextHopId(3), 0)];
        let group = NextHopGroup::weighted_after(shares, &NextHopGroup::Unreachable);
        assert_eq!(shares_of(&group), [26, 76, 26], "a weight of zero counts as one");
    }

    #[test]
    fn a_weight_that_grows_takes_flows_and_moves_no_others() {
        let before = NextHopGroup::forward(ids(&[1, 2, 3, 4]));
        let grown: Vec<Share> = ids(&[1, 2, 3, 4]).into_iter().zip([1, 1, 1, 5]).collect();
        let after = NextHopGroup::weighted_after(grown, &before);
        for hash in 0..1024 {
            let (old, new) = (before.member(hash, |_| true), after.member(hash, |_| true));
            assert!(old == new || new == Some(NextHopId(4)), "{old:?} to {new:?}");
        }
        let shares = shares_of(&after);
        let of_eight = shares[3] as f64 * 8.0 / shares.iter().sum::<usize>() as f64;
        assert!((of_eight - 5.0).abs() < 0.2, "{shares:?}");
    }

    #[test]
    fn a_weight_that_shrinks_gives_flows_to_the_others() {
        let shares = |weights: [u8; 2]| ids(&[1, 2]).into_iter().zip(weights).collect();
        let before = NextHopGroup::weighted_after(shares([4, 1]), &NextHopGroup::Unreachable);
        let after = NextHopGroup::weighted_after(shares([1, 1]), &before);
        let [one, two] = shares_of(&after)[..] else { unreachable!("two members") };
        assert!(one.abs_diff(two) <= 1, "{one} and {two}");
    }

    #[test]
    fn the_backup_is_taken_when_no_member_lives_and_not_before() {
        let group = NextHopGroup::forward(ids(&[1, 2])).with_backup(Some(NextHopId(9)));
        let alive_but = |dead: &'static [u16]| move |member: NextHopId| !dead.contains(&member.0);
        assert_eq!(group.member(5, alive_but(&[1])), Some(NextHopId(2)));
        assert_eq!(group.member(5, alive_but(&[1, 2])), Some(NextHopId(9)));
        assert_eq!(group.member(5, alive_but(&[1, 2, 9])), None);
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
