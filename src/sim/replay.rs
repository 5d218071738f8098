//! A recording again: one control plane, alone, told what another one was told.
//!
//! Owns [`Replayer`]. It takes the lines of a recording one by one, so that nothing holds all of a
//! long one, and compares what the control plane wants with what it wanted then. The first
//! difference ends it. Files are the command's.
//!
//! *Invariants*: with the version that wrote a recording there is no difference. Where there is
//! one, the control plane is not pure (it reads a clock, or the order of a hash map), the recording
//! was changed, or another version decides otherwise, which is what one may want to know.

use crate::base::time::Instant;
use crate::control::recording::{SCHEMA, Sink, name};
use crate::control::{ControlOptions, ControlPlane, Input, Plane};
use crate::sim::node::Control;
use crate::sim::world::World;
use core::fmt;
use serde::Serialize;

pub use crate::control::recording::{EndReason, Line, Recorded};

/// Runs the recording of a real router.
pub type RouterReplayer = Replayer<ControlPlane>;

/// A world in which every router is recorded.
pub type RecordedWorld = World<Recorded<ControlPlane, Vec<Line>>>;

/// Why a replay ends before its recording does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Not a recording that this version reads.
    #[error("its form is `{0}`; this version reads {SCHEMA}")]
    Schema(String),
    /// Something happened before a control plane started.
    #[error("no control plane has started before")]
    NoStart,
    /// What was wanted, before anything happened.
    #[error("actions that follow nothing")]
    NoCall,
    /// The control plane wants something else.
    #[error("{0}")]
    Different(Box<Difference>),
}

/// The first place where a replay is not as the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which call, counted from 1.
    pub step: u64,
    /// When, on the clock of the router.
    pub at: Instant,
    /// What had happened.
    pub cause: String,
    /// Which of the actions that followed, counted from 1.
    pub number: usize,
    /// What was recorded.
    pub recorded: Option<String>,
    /// What is wanted now.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, at, cause, number, recorded, found } = self;
        let word = |action: &Option<String>| action.clone().unwrap_or_else(|| "nothing".to_owned());
        writeln!(f, "step {step} at {at}, {cause}: action {number} is another")?;
        writeln!(f, "  recorded: {}", word(recorded))?;
        write!(f, "  now:      {}", word(found))
    }
}

/// What a replay went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Control planes that started.
    pub starts: u64,
    /// Calls.
    pub steps: u64,
    /// Actions that were compared.
    pub actions: u64,
    /// Control planes that failed in a call when they were recorded, and did not now.
    pub survived: u64,
    /// From the first call to the last, in milliseconds.
    pub span_ms: u64,
    /// Why the recording ends, where it says so.
    pub end: Option<EndReason>,
}

/// What was last done to the control plane.
struct Call {
    at: Instant,
    cause: String,
}

/// Runs a recording; one per replay.
pub struct Replayer<P> {
    plane: Option<P>,
    call: Option<Call>,
    first: Option<Instant>,
    so_far: Replayed,
}

impl<P> Default for Replayer<P> {
    fn default() -> Self {
        Self { plane: None, call: None, first: None, so_far: Replayed::default() }
    }
}

impl<P: Plane> Replayer<P> {
    /// What it went through so far.
    pub const fn so_far(&self) -> Replayed {
        self.so_far
    }

    /// The line that comes next.
    pub fn take(&mut self, line: Line) -> Result<(), ReplayError> {
        match line {
            Line::Start { schema, .. } if schema != SCHEMA => Err(ReplayError::Schema(schema)),
            Line::Start { seed, .. } => {
                // The one before failed in its last call.
                self.so_far.survived += u64::from(self.call.take().is_some());
                self.so_far.starts += 1;
                self.plane = Some(P::start(ControlOptions { seed }));
                Ok(())
            }
            Line::Input { at, input } => {
                let cause = cause(&input);
                self.call(at, cause, |plane| plane.handle(at, input))
            }
            Line::Timeout { at } => {
                self.call(at, "a deadline".to_owned(), |plane| plane.handle_timeout(at))
            }
            Line::Actions { wanted, is_all } => self.compare(wanted, is_all),
            Line::End { reason } => {
                self.so_far.end = Some(reason);
                Ok(())
            }
        }
    }

    fn call(
        &mut self,
        at: Instant,
        cause: String,
        act: impl FnOnce(&mut P),
    ) -> Result<(), ReplayError> {
        let plane = self.plane.as_mut().ok_or(ReplayError::NoStart)?;
        self.so_far.steps += 1;
        let first = *self.first.get_or_insert(at);
        self.so_far.span_ms = u64::try_from((at - first).as_millis()).unwrap_or(u64::MAX);
        self.call = Some(Call { at, cause });
        act(plane);
        Ok(())
    }

    /// As many actions as were polled then, and the same ones.
    fn compare(&mut self, wanted: Vec<String>, is_all: bool) -> Result<(), ReplayError> {
        let plane = self.plane.as_mut().ok_or(ReplayError::NoStart)?;
        let Call { at, cause } = self.call.take().ok_or(ReplayError::NoCall)?;
        let mut recorded = wanted.into_iter();
        for number in 1.. {
            let recorded = recorded.next();
            if recorded.is_none() && !is_all {
                break;
            }
            let found = plane.poll_action().map(|action| name(&action));
            if found != recorded {
                let step = self.so_far.steps;
                let difference = Difference { step, at, cause, number, recorded, found };
                return Err(ReplayError::Different(Box::new(difference)));
            }
            if found.is_none() {
                break;
            }
            self.so_far.actions += 1;
        }
        Ok(())
    }
}

/// An input in a few words.
fn cause(input: &Input) -> String {
    match input {
        Input::Configure(_) => "a configuration".to_owned(),
        Input::Inherit(_) => "an inheritance".to_owned(),
        Input::PortAttached(port) => format!("port {} opened", port.port.0),
        Input::PortDetached(port) => format!("port {} closed", port.0),
        Input::Carrier { port, is_up: true } => format!("carrier on port {}", port.0),
        Input::Carrier { port, is_up: false } => format!("no carrier on port {}", port.0),
        Input::Frame { port, bytes } => format!("{} octets from port {}", bytes.len(), port.0),
        Input::Unresolved { port, address, .. } => {
            format!("a packet for {address} on port {}", port.0)
        }
        Input::Bfd(_) => "a report of BFD".to_owned(),
        Input::Bgp(_) => "a report of BGP's TCP".to_owned(),
        Input::NeighborUsed { port, address } => format!("{address} used on port {}", port.0),
        Input::Reclaimed { epoch } => format!("epoch {epoch} reclaimed"),
        Input::Flush => "a flush".to_owned(),
        Input::Drain { is_drained: true } => "a drain".to_owned(),
        Input::Drain { is_drained: false } => "the end of a drain".to_owned(),
        Input::ClearBgp { asked, .. } => {
            format!("sessions cleared: {}", asked.neighbor.as_deref().unwrap_or("all"))
        }
        Input::MacMoves { mac, from, to } => {
            format!("{mac} moves between members {from} and {to}")
        }
        Input::ClearTenant { name, .. } => {
            format!("tenants cleared: {}", name.as_deref().unwrap_or("all"))
        }
        Input::Shutdown => "the shutdown".to_owned(),
        Input::Query { id, .. } => format!("question {id}"),
    }
}

/// Runs a whole recording.
pub fn replay<P: Plane>(lines: &[Line]) -> Result<Replayed, ReplayError> {
    let mut replayer = Replayer::<P>::default();
    for line in lines {
        replayer.take(line.clone())?;
    }
    Ok(replayer.so_far())
}

impl<C: Control, S: Sink + Default> Control for Recorded<C, S> {
    fn area_digest(&self) -> u64 {
        self.inner().area_digest()
    }

    fn debts(&self) -> u64 {
        self.inner().debts()
    }

    fn refusals(&self) -> u64 {
        self.inner().refusals()
    }

    fn is_restarting(&self) -> bool {
        self.inner().is_restarting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(schema: &str) -> Line {
        Line::Start { schema: schema.to_owned(), version: "1".to_owned(), seed: 1 }
    }

    fn actions(wanted: &[&str], is_all: bool) -> Line {
        Line::Actions { wanted: wanted.iter().map(ToString::to_string).collect(), is_all }
    }

    fn flush() -> Line {
        Line::Input { at: Instant::from_millis(7), input: Input::Flush }
    }

    #[test]
    fn what_is_no_recording_is_refused_in_words() {
        let error = |lines: &[Line]| replay::<ControlPlane>(lines).unwrap_err();
        assert_eq!(error(&[start("other/2")]), ReplayError::Schema("other/2".to_owned()));
        assert_eq!(error(&[flush()]), ReplayError::NoStart);
        assert_eq!(error(&[start(SCHEMA), actions(&[], true)]), ReplayError::NoCall);
    }

    #[test]
    fn the_first_difference_is_named_with_its_place() {
        let lines = [start(SCHEMA), flush(), actions(&["forward 9 octets, 0"], true)];
        let ReplayError::Different(found) = replay::<ControlPlane>(&lines).unwrap_err() else {
            panic!("another error");
        };
        assert_eq!((found.step, found.number, &found.found), (1, 1, &None));
        assert!(found.to_string().contains("a flush: action 1 is another"), "{found}");
    }

    #[test]
    fn a_control_plane_that_failed_then_and_not_now_is_counted() {
        let lines = [start(SCHEMA), flush(), start(SCHEMA), flush(), actions(&[], true)];
        let replayed = replay::<ControlPlane>(&lines).unwrap();
        assert_eq!((replayed.starts, replayed.steps, replayed.survived), (2, 2, 1));
    }
}
