//! Next hops that are dead because OSPF lost its neighbour: from the loss to the next routes.
//!
//! Owns [`DeathMarks`]. A mark spans the time between the loss of a neighbour and a world whose
//! OSPF routes do without it. Then it goes, because it says nothing about routes that others made:
//! a static route over the same address is right for as long as the administrator says so, whether
//! OSPF likes the hellos of that router or not.
//!
//! *Invariants*: a mark goes only after every worker reads a world that was compiled from routes
//! which OSPF calculated without the neighbour.

use super::plane::ControlPlane;
use crate::base::ids::PortId;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// The marks that are set; at most one for each neighbour that OSPF lost, and no more for a port
/// than it lost within one delay of SPF.
#[derive(Clone, Debug, Default)]
pub(super) struct DeathMarks {
    /// The first world without the neighbour; `None` until it is compiled.
    marks: BTreeMap<(PortId, Ipv6Addr), Option<u64>>,
    /// No worker reads a world before this one.
    oldest: u64,
}

impl DeathMarks {
    /// No worker reads a world before this one.
    pub(super) const fn oldest(&self) -> u64 {
        self.oldest
    }
}

impl ControlPlane {
    /// OSPF lost this neighbour: packets to it move to others at once.
    pub(super) fn mark_dead(&mut self, port: PortId, address: Ipv6Addr) {
        self.death_marks.marks.insert((port, address), None);
        self.rib.set_alive(port, Some(address), false);
    }

    /// OSPF hears it again.
    pub(super) fn mark_alive(&mut self, port: PortId, address: Ipv6Addr) {
        self.death_marks.marks.remove(&(port, address));
        self.rib.set_alive(port, Some(address), true);
    }

    /// Whether a compilation would let a mark go on its way.
    pub(super) fn has_settled_marks(&self) -> bool {
        self.ospf.is_calculated() && self.death_marks.marks.values().any(Option::is_none)
    }

    /// The RIB was compiled.
    pub(super) fn marks_compiled(&mut self) {
        if self.ospf.is_calculated() {
            let epoch = self.rib.epoch();
            for first in self.death_marks.marks.values_mut() {
                first.get_or_insert(epoch);
            }
        }
        self.lift_marks();
    }

    /// Every worker has left the worlds before `oldest`.
    pub(super) fn marks_reclaimed(&mut self, oldest: u64) {
        self.death_marks.oldest = oldest;
        self.lift_marks();
    }

    fn lift_marks(&mut self) {
        let DeathMarks { marks, oldest } = &mut self.death_marks;
        let is_read = |first: &mut Option<u64>| first.is_some_and(|first| first <= *oldest);
        for ((port, address), _) in marks.extract_if(.., |_, first| is_read(first)) {
            self.rib.set_alive(port, Some(address), true);
        }
    }
}
