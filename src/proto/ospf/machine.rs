//! The OSPFv3 machine: everything of one router behind one border.

use super::action::Action;
use super::input::Input;
use super::view::{InterfaceView, LsaView, NeighborView, RouteView, SpfView};
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::Instant;
use std::collections::VecDeque;

crate::counters! {
    /// What OSPFv3 counted.
    pub struct OspfCounters {
        received: "packets", "OSPF packets received.";
    }
}

/// OSPFv3 of one router; one exists, owned by the control plane.
#[derive(Clone, Debug)]
pub struct Ospf {
    actions: VecDeque<Action>,
    prng: Prng,
    counters: OspfCounters,
}

impl Ospf {
    /// A machine that knows nothing yet; `seed` starts its jitter and sequence numbers.
    pub fn new(seed: u64) -> Self {
        Self { actions: VecDeque::new(), prng: Prng::new(seed), counters: OspfCounters::default() }
    }

    /// Every neighbour, by port.
    pub fn neighbors(&self) -> Vec<NeighborView> {
        Vec::new()
    }

    /// Every interface, by port.
    pub fn interfaces(&self) -> Vec<InterfaceView> {
        Vec::new()
    }

    /// The link-state database in order of scope, type, router, id; ages as of `now`.
    pub fn database(&self, _now: Instant) -> Vec<LsaView> {
        Vec::new()
    }

    /// The routing table, by prefix.
    pub fn routes(&self) -> Vec<RouteView> {
        Vec::new()
    }

    /// SPF so far.
    pub fn spf(&self) -> SpfView {
        SpfView::default()
    }

    /// What was counted.
    pub fn counters(&self) -> &OspfCounters {
        &self.counters
    }

    /// A digest of the area's database (keys, sequence numbers, checksums): equal on two routers
    /// whose databases are.
    pub fn area_digest(&self) -> u64 {
        0
    }
}

impl Machine for Ospf {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, _now: Instant, _input: Input) {
        self.prng.next_u64();
    }

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
