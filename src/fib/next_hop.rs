//! Next hops and groups of them: what stands behind a prefix.
//!
//! Owns [`NextHopGroup`] (what a lookup yields), [`NextHop`] (one way out, with its L2 rewrite) and
//! [`Liveness`] (one atomic byte a next hop, for failover without a publication).
//!
//! *Invariants*: group 0 is "no route"; a group's buckets hold only members of the group; a bucket count
//! is a power of two, so that choosing needs no division.
//! *Standards*: RFC 2992 (hash-threshold ECMP), RFC 6438 (flow label in the hash).

use crate::base::ids::{GroupId, MacAddress, NextHopId, PortId};
use core::net::Ipv6Addr;
use core::sync::atomic::{AtomicU8, Ordering};

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
        members: Box<[NextHopId]>,
        /// Hash bucket to member.
        buckets: Box<[NextHopId]>,
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

impl NextHopGroup {
    /// A group that shares flows equally between `members`; `Unreachable` when there are none.
    pub fn forward(mut members: Vec<NextHopId>) -> Self {
        members.sort_unstable();
        members.dedup();
        let buckets: Box<[NextHopId]> = match members.as_slice() {
            [] => return Self::Unreachable,
            [only] => Box::new([*only]),
            several => several.iter().copied().cycle().take(BUCKET_COUNT).collect(),
        };
        Self::Forward { members: members.into_boxed_slice(), buckets }
    }
}

/// One byte per next hop: alive or not. Written by the control thread (carrier, BFD), read by every lcore.
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
