//! The immutable world that an lcore reads.
//!
//! Owns [`Forwarding`]: one value, published whole, so that a burst sees one world. The control
//! thread builds the next one from the last, sharing what did not change.
//!
//! *Invariants*: every group number in `table` indexes `groups`, every next-hop number in `groups`
//! indexes `next_hops`; both hold by construction in `rib::compile` and are asserted there.

use crate::base::ids::{GroupId, NextHopId};
use crate::fib::group_table::GroupTable;
use crate::fib::interface_table::InterfaceTable;
use crate::fib::next_hop::{Liveness, NextHop, NextHopGroup, pick};
use crate::fib::overlay::Overlay;
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
    /// Bridge domains and pseudowires.
    pub overlay: Arc<Overlay>,
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
            overlay: Arc::default(),
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

    /// Who takes the flows of a dead member, or of a group none of whose buckets was looked at;
    /// `None` when no member lives and for groups that do not forward. The flows of living members
    /// stay where they are.
    pub fn replacement(&self, id: GroupId, flow_hash: u32) -> Option<NextHopId> {
        let NextHopGroup::Forward { buckets, .. } = self.group(id) else { return None };
        pick(buckets, flow_hash, |member| self.liveness.is_alive(member))
    }

    /// Who stands in for a group none of whose members lives; `None` where there is nobody, or not
    /// any more.
    pub fn backup(&self, id: GroupId) -> Option<NextHopId> {
        let NextHopGroup::Forward { backup, .. } = self.group(id) else { return None };
        backup.filter(|backup| self.liveness.is_alive(*backup))
    }
}
