//! The immutable world that an lcore reads.
//!
//! Owns [`Forwarding`]: one value, published whole, so that a burst sees one world. The control
//! thread builds the next one from the last, sharing what did not change.
//!
//! *Invariants*: every group number in `table` indexes `groups`, every next-hop number in `groups`
//! indexes `next_hops`; both hold by construction in `rib::compile` and are asserted there.

use crate::base::ids::{GroupId, NextHopId};
use crate::fib::group_table::{Choice, GroupTable};
use crate::fib::interface_table::InterfaceTable;
use crate::fib::next_hop::{Liveness, NextHop, NextHopGroup};
use crate::fib::table::Fib;
use std::sync::Arc;

/// Everything the packet path reads; one alive per publication, freed by the control thread.
#[derive(Clone, Debug)]
pub struct Forwarding {
    /// Number of the publication.
    pub epoch: u64,
    /// Prefix to group.
    pub table: Fib,
    /// Group number to group; index 0 is [`NextHopGroup::Unreachable`].
    pub groups: Arc<GroupTable>,
    /// Next-hop number to next hop.
    pub next_hops: Arc<Vec<NextHop>>,
    /// Ports.
    pub interfaces: Arc<InterfaceTable>,
    /// Flags shared by all publications.
    pub liveness: Arc<Liveness>,
}

impl Forwarding {
    /// A world without routes.
    pub fn empty(liveness: Arc<Liveness>) -> Self {
        Self {
            epoch: 0,
            table: Fib::default(),
            groups: Arc::default(),
            next_hops: Arc::default(),
            interfaces: Arc::default(),
            liveness,
        }
    }

    /// The group behind a number; unknown numbers are "no route".
    #[inline]
    pub fn group(&self, id: GroupId) -> &NextHopGroup {
        self.groups.get(id.index()).unwrap_or(&NextHopGroup::Unreachable)
    }

    /// The next hop behind a number.
    #[inline]
    pub fn next_hop(&self, id: NextHopId) -> Option<&NextHop> {
        self.next_hops.get(id.index())
    }

    /// The living member of a group for a flow, which `flow_hash` yields when it is needed; `None`
    /// when no member lives and for groups that do not forward. When one dies, the flows of the
    /// others stay where they are.
    #[inline]
    pub fn choose(&self, id: GroupId, flow_hash: impl FnOnce() -> u32) -> Option<NextHopId> {
        let (member, hash) = match self.groups.choice(id) {
            Choice::Single(member) => (member, 0),
            Choice::Hashed(buckets) => {
                let hash = flow_hash();
                (self.groups.member(buckets, hash)?, hash)
            }
            Choice::Other => return None,
        };
        if self.liveness.is_alive(member) { Some(member) } else { self.replacement(id, hash) }
    }

    /// Who takes the flows of a dead member.
    #[cold]
    fn replacement(&self, id: GroupId, flow_hash: u32) -> Option<NextHopId> {
        self.group(id).member(flow_hash, |member| self.liveness.is_alive(member))
    }
}
