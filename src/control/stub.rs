//! When this router asks not to be passed through: while it starts, and while it is drained.
//!
//! A router that just started has neighbours before it has routes, and routes before its workers
//! read them. Until all of that is there it is a stub router: others reach it and what is behind
//! it, and who has another way leaves it alone. The same is asked for by an administrator (drain)
//! and before a planned end; a control plane that takes over from one that failed goes on with what
//! that one asked for.
//!
//! The start is over when
//!
//! 1. no port has come up for a hello interval and [`HELLO_MARGIN`], so that whoever is at the
//!    other end of a cable was heard;
//! 2. every neighbour that was heard is Full in the eyes of both ends, but for those that something
//!    hinders (another MTU);
//! 3. routes were calculated since then, and every worker reads a world compiled from them;
//!
//! or after [`START_TIME_MAX`], whatever is missing then.
//!
//! Owns [`StubRouter`], the reasons. What a stub router says is OSPF's.
//!
//! *Invariants*: OSPF is told of every change and of nothing else.
//! *Standards*: RFC 6987 §2, §3; RFC 5340 §A.4.3 (links of any metric). The R-bit (§A.2) stays set.

use super::plane::ControlPlane;
use super::port::PortState;
use super::report;
use crate::base::ids::PortId;
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::proto::ospf;
use std::collections::BTreeSet;

/// What is waited beyond a hello interval: a hello comes late when its sender is busy.
pub const HELLO_MARGIN: Duration = Duration::from_millis(200);
/// How often it is looked whether workers read what OSPF knows: nobody says when they do.
const WORKERS_LOOK: Duration = Duration::from_millis(10);
/// The longest a start takes: a database of any size is loaded by then, and a neighbour that is
/// not Full has a problem that waiting does not solve.
pub const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A start that is not over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Start {
    /// Ports of OSPF that came up so far.
    ports: BTreeSet<PortId>,
    /// When whoever is at the other ends was heard; `None` once that is past.
    heard_at: Option<Instant>,
    /// When to look at the workers again, while nothing else is missing.
    look_at: Option<Instant>,
    /// When nothing more is waited for; `None` before the first port.
    until: Option<Instant>,
    /// Calculations after which routes know all neighbours; `None` while some are awaited.
    calculations: Option<u64>,
    /// The first world compiled after them.
    world: Option<u64>,
}

impl Start {
    /// Whether ports are up, and whoever is at their other ends was heard.
    const fn is_heard(&self) -> bool {
        self.until.is_some() && self.heard_at.is_none()
    }
}

/// What a start still waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// Ports whose neighbour is not Full in the eyes of both ends.
    pub(super) ports: Vec<PortId>,
    /// Whether workers forward by what OSPF knows.
    pub(super) has_forwarding: bool,
}

/// Why this router is a stub router, if it is; one of each control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StubRouter {
    start: Option<Start>,
    is_drained: bool,
    /// What OSPF was told last.
    is_said: bool,
}

impl StubRouter {
    /// That of a router that starts.
    pub(super) fn starting() -> Self {
        Self { start: Some(Start::default()), ..Self::default() }
    }

    /// That of a control plane which goes on after one that failed.
    pub(super) fn inherited(is_starting: bool, is_drained: bool) -> Self {
        Self { start: is_starting.then(Start::default), is_drained, is_said: false }
    }

    /// Whether the start is not over.
    pub(super) const fn is_starting(&self) -> bool {
        self.start.is_some()
    }

    /// Whether an administrator or a planned end asked for it.
    pub(super) const fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// When [`ControlPlane::review_stub`] has something to do at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let start = self.start.as_ref()?;
        [start.heard_at, start.look_at, start.until].into_iter().flatten().min()
    }
}

impl ControlPlane {
    /// An administrator takes the router out of transit, or puts it back.
    pub(super) fn drain(&mut self, now: Instant, is_drained: bool) {
        if core::mem::replace(&mut self.stub.is_drained, is_drained) != is_drained {
            let event = report::drained(now, is_drained);
            self.event(event);
        }
    }

    /// Ends the start when it is time, and tells OSPF what changed; at the end of every input.
    pub(super) fn review_stub(&mut self, now: Instant) {
        if let Some(mut start) = self.stub.start.take() {
            self.note_ports(now, &mut start);
            let missing = self.missing_for_transit(&mut start);
            let is_late = start.until.is_some_and(|until| until <= now);
            match missing {
                Some(missing) if !is_late => {
                    let is_last = start.is_heard() && missing.ports.is_empty();
                    start.look_at = is_last.then(|| now + WORKERS_LOOK);
                    self.stub.start = Some(start);
                }
                missing => {
                    let nothing = Missing { ports: Vec::new(), has_forwarding: true };
                    let missing = missing.unwrap_or(nothing);
                    let event = report::start_over(now, &missing, &self.ports);
                    self.event(event);
                }
            }
        }
        let is_stub = self.stub.start.is_some() || self.stub.is_drained;
        if core::mem::replace(&mut self.stub.is_said, is_stub) != is_stub {
            self.ospf.handle(now, ospf::Input::StubRouter { is_stub });
            self.deliver(now);
        }
    }

    /// A port that came up may have a neighbour that was not heard yet.
    fn note_ports(&self, now: Instant, start: &mut Start) {
        let is_up =
            |(port, state): (&PortId, &PortState)| (state.has_ospf && state.is_up).then_some(*port);
        let count = start.ports.len();
        start.ports.extend(self.ports.iter().filter_map(is_up));
        if start.ports.len() > count {
            start.heard_at = Some(now + self.config.ospf.hello_interval + HELLO_MARGIN);
            start.until.get_or_insert(now + START_TIME_MAX);
        }
        start.heard_at.take_if(|heard_at| *heard_at <= now);
    }

    /// What a router in the middle of a path needs and is not there; `None` where all of it is.
    fn missing_for_transit(&self, start: &mut Start) -> Option<Missing> {
        let awaited = start.is_heard().then(|| self.ospf.awaited_ports());
        let ports: Vec<PortId> = awaited.into_iter().flatten().collect();
        if !start.is_heard() || !ports.is_empty() {
            (start.calculations, start.world) = (None, None);
            return Some(Missing { ports, has_forwarding: false });
        }
        // Elsewhere in a large area something changes all the time, so that routes are hardly ever
        // those of the newest LSA. Those of now are in the next calculation, if not in the last.
        let count = self.ospf.run_count();
        let wanted = count + u64::from(!self.ospf.is_calculated());
        let wanted = *start.calculations.get_or_insert(wanted);
        if count >= wanted && !self.rib.is_dirty() {
            start.world.get_or_insert(self.rib.epoch());
        }
        let has_forwarding = start.world.is_some_and(|world| world <= self.death_marks.oldest());
        (!has_forwarding).then_some(Missing { ports, has_forwarding })
    }
}
