//! The recording of one router, and the same run again without the world around it.
//!
//! Owns [`Recorded`], a control plane that notes what happens to it, and [`replay`]. What comes out
//! is compared by a digest of all actions.
//!
//! *Invariants*: a replay with the same seed wants the same things at the same places; where it
//! does not, the control plane is not pure (it reads a clock, or the order of a hash map).

use crate::base::machine::Machine;
use crate::base::time::Instant;
use crate::control::{Action, ControlOptions, Input, Plane, Testament};
use crate::sim::node::Control;
use crate::sim::trace::Digest;
use serde::Serialize;

/// Steps a recording holds; later ones are not recorded, and [`Recording::is_whole`] says so.
pub const STEPS_MAX: usize = 1 << 20;

/// One call into a control plane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Step {
    /// Something happened.
    Input(Instant, Input),
    /// A deadline came.
    Timeout(Instant),
    /// The driver took this many actions.
    Polled(u32),
}

/// What happened to a control plane, from its first moment on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Recording {
    /// The seed it started with.
    pub seed: u64,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// Whether nothing is missing.
    pub is_whole: bool,
}

/// A control plane that takes notes.
#[derive(Debug)]
pub struct Recorded<C> {
    inner: C,
    recording: Recording,
    digest: Digest,
}

impl<C> Recorded<C> {
    /// What happened so far.
    pub const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The digest of all that it wanted.
    pub const fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// The control plane itself.
    pub const fn inner(&self) -> &C {
        &self.inner
    }

    fn note(&mut self, step: Step) {
        if self.recording.steps.len() < STEPS_MAX {
            self.recording.steps.push(step);
        } else {
            self.recording.is_whole = false;
        }
    }
}

impl<C: Control> Machine for Recorded<C> {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        self.note(Step::Input(now, input.clone()));
        self.inner.handle(now, input);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.inner.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.note(Step::Timeout(now));
        self.inner.handle_timeout(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        let action = self.inner.poll_action()?;
        digest_action(&mut self.digest, &action);
        match self.recording.steps.last_mut() {
            Some(Step::Polled(count)) => *count += 1,
            _ => self.note(Step::Polled(1)),
        }
        Some(action)
    }
}

impl<C: Control> Plane for Recorded<C> {
    fn start(options: ControlOptions) -> Self {
        let recording = Recording { seed: options.seed, steps: Vec::new(), is_whole: true };
        Self { inner: C::start(options), recording, digest: Digest::default() }
    }

    fn testament(&self) -> Testament {
        self.inner.testament()
    }

    fn is_dirty(&self) -> bool {
        self.inner.is_dirty()
    }

    fn calculation_count(&self) -> u64 {
        self.inner.calculation_count()
    }
}

impl<C: Control> Control for Recorded<C> {
    fn area_digest(&self) -> u64 {
        self.inner.area_digest()
    }

    fn debts(&self) -> u64 {
        self.inner.debts()
    }

    fn refusals(&self) -> u64 {
        self.inner.refusals()
    }
}

/// Runs a recording through a new control plane; the digest of what that wants.
pub fn replay<C: Control>(recording: &Recording) -> u64 {
    let mut control = C::start(ControlOptions { seed: recording.seed });
    let mut digest = Digest::default();
    for step in &recording.steps {
        match step {
            Step::Input(now, input) => control.handle(*now, input.clone()),
            Step::Timeout(now) => control.handle_timeout(*now),
            Step::Polled(count) => {
                for action in (0..*count).map_while(|_| control.poll_action()) {
                    digest_action(&mut digest, &action);
                }
            }
        }
    }
    digest.value()
}

fn digest_action(digest: &mut Digest, action: &Action) {
    match action {
        Action::SendFrame { port, bytes } => {
            digest.add(u64::from(port.0));
            digest.add_bytes(bytes);
        }
        Action::Forward { packet } => digest.add_bytes(packet),
        // The table itself is tens of thousands of slots; what stands behind it says enough.
        Action::Publish(world) => {
            let parts = (world.epoch, world.table.len(), &world.groups, &world.next_hops);
            digest.add_bytes(format!("{parts:?}").as_bytes());
        }
        other => digest.add_bytes(format!("{other:?}").as_bytes()),
    }
}
