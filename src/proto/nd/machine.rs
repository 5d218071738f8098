//! The Neighbour Discovery machine: all ports of one router behind one border.

use super::action::Action;
use super::input::Input;
use super::view::EntryView;
use crate::base::ids::{MacAddress, PortId};
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::Instant;
use core::net::Ipv6Addr;
use std::collections::VecDeque;

crate::counters! {
    /// What Neighbour Discovery counted.
    pub struct NdCounters {
        received: "packets", "ND messages received.";
    }
}

/// Neighbour Discovery of one router; one exists, owned by the control plane.
#[derive(Clone, Debug)]
pub struct Nd {
    actions: VecDeque<Action>,
    prng: Prng,
    counters: NdCounters,
}

impl Nd {
    /// A machine without ports; `seed` starts its jitter.
    pub fn new(seed: u64) -> Self {
        Self { actions: VecDeque::new(), prng: Prng::new(seed), counters: NdCounters::default() }
    }

    /// Every entry, by port and address.
    pub fn entries(&self) -> Vec<EntryView> {
        Vec::new()
    }

    /// The MAC of a neighbour where one is known.
    pub fn mac_of(&self, _port: PortId, _address: Ipv6Addr) -> Option<MacAddress> {
        None
    }

    /// What was counted.
    pub fn counters(&self) -> &NdCounters {
        &self.counters
    }
}

impl Machine for Nd {
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
