//! From databases to routes: when it is calculated, and what the calculation sees.
//!
//! Owns the joint between the machine and `calculate`: LSAs are learned as they are installed
//! (`flood`), the moment comes from `backoff`, the differences go out as actions.
//!
//! *Standards*: RFC 5340 §4.8, RFC 8405.

use super::action::Action;
use super::calculate::Adjacency;
use super::machine::{Ospf, Staleness};
use super::view::NeighborState;
use crate::base::time::Instant;

impl Ospf {
    /// Notes that something happened which routes depend on.
    pub(super) fn needs_calculation(
        &mut self,
        now: Instant,
        stale: Staleness,
        trigger: &'static str,
    ) {
        // Who leaves forwards as before for as long as it is there: its neighbours are turning
        // round, and what is on its way here must get through.
        if self.is_leaving {
            return;
        }
        self.staleness = self.staleness.max(stale);
        self.runs.trigger = trigger;
        self.backoff.igp_event(now);
    }

    /// Whether routes are those of the database and the neighbours.
    pub fn is_calculated(&self) -> bool {
        self.staleness == Staleness::Fresh
    }

    /// Calculates when the back-off says so.
    pub(super) fn calculate_if_due(&mut self, now: Instant) {
        if self.is_leaving || !self.backoff.handle_timeout(now) {
            return;
        }
        let stale = core::mem::take(&mut self.staleness);
        self.runs.count += 1;
        self.runs.last = Some(now);
        let updates = match stale {
            Staleness::Prefixes => self.table.calculate_prefixes(),
            Staleness::Topology | Staleness::Fresh => {
                let adjacencies = self.adjacencies();
                self.table.calculate(self.router_id.unwrap_or_default(), &adjacencies)
            }
        };
        self.actions.extend(updates.into_iter().map(Action::Route));
    }

    fn adjacencies(&self) -> Vec<Adjacency> {
        let full = self.interfaces.iter().filter_map(|(port, interface)| {
            let neighbor = interface.neighbor.as_ref()?;
            (neighbor.state == NeighborState::Full).then_some(Adjacency {
                port: *port,
                interface_id: interface.config.interface_id,
                neighbor_router_id: neighbor.router_id,
                neighbor_interface_id: neighbor.interface_id,
                address: neighbor.address,
            })
        });
        full.collect()
    }
}
