//! The control plane: every protocol machine and the RIB as one value.

use super::action::Action;
use super::input::Input;
use crate::base::machine::Machine;
use crate::base::time::Instant;
use crate::proto::nd::Nd;
use crate::proto::ospf::Ospf;
use crate::rib::Rib;
use std::collections::VecDeque;

/// What the driver decides about a control plane.
#[derive(Clone, Copy, Debug)]
pub struct ControlOptions {
    /// Starts every generator of jitter; in the daemon from the system's entropy.
    pub seed: u64,
}

/// The control plane of one router; one exists, owned by the control thread.
#[derive(Debug)]
pub struct ControlPlane {
    ospf: Ospf,
    nd: Nd,
    rib: Rib,
    actions: VecDeque<Action>,
}

impl ControlPlane {
    /// A control plane that knows nothing yet; [`Input::Configure`] comes first.
    pub fn new(options: ControlOptions) -> Self {
        Self {
            ospf: Ospf::new(options.seed),
            nd: Nd::new(options.seed.rotate_left(32)),
            rib: Rib::default(),
            actions: VecDeque::new(),
        }
    }

    /// The OSPF machine, for checkers.
    pub const fn ospf(&self) -> &Ospf {
        &self.ospf
    }

    /// The ND machine, for checkers.
    pub const fn nd(&self) -> &Nd {
        &self.nd
    }

    /// The RIB, for checkers.
    pub const fn rib(&self) -> &Rib {
        &self.rib
    }
}

impl Machine for ControlPlane {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, _now: Instant, _input: Input) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
