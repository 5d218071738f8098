//! The shape of every state machine in `proto` and `control`.
//!
//! A machine takes inputs and time, and gives actions; it has no clock, socket or thread. The
//! daemon, the simulation, the fuzzers and the replay drive the same machine by the same four
//! calls.
//!
//! *Invariants*: after `handle` or `handle_timeout` the driver drains `poll_action` until `None`,
//! then asks `next_deadline`; time passed in never goes backwards.

use crate::base::time::Instant;

/// A pure machine: same inputs at the same instants, same actions in the same order.
pub trait Machine {
    /// What may happen to it.
    type Input;
    /// What it wants done.
    type Action;

    /// Takes one input that happened at `now`.
    fn handle(&mut self, now: Instant, input: Self::Input);

    /// The earliest instant at which [`Machine::handle_timeout`] has something to do.
    fn next_deadline(&self) -> Option<Instant>;

    /// Does what is due at `now`; calling it early does nothing.
    fn handle_timeout(&mut self, now: Instant);

    /// The oldest action not yet taken, or `None`.
    fn poll_action(&mut self) -> Option<Self::Action>;
}
