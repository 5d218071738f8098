//! The recording of a control plane: what happened to it and what it wanted, line by line.
//!
//! A control plane is pure, so its seed and its inputs are all of it: whoever has the recording can
//! run it again elsewhere, as often as needed. Owns [`Line`], the unit of a recording (a file holds
//! a line of JSON for each), and [`Recorded`], a control plane whose life is written down while it
//! is lived. Where lines go is a [`Sink`]; files are the daemon's. Running one again is
//! `sim::replay`.
//!
//! *Invariants*: a recording of a process begins with [`Line::Start`], and so does each control
//! plane that follows one that failed. Every call is followed by its [`Line::Actions`], unless the
//! control plane failed in it. Actions are named, not repeated: kind, size and digest tell them
//! apart.

use crate::base::digest::Digest;
use crate::base::machine::Machine;
use crate::base::time::Instant;
use crate::control::{Action, ControlOptions, Input, Plane, Testament};
use serde::{Deserialize, Serialize};

/// What a recording is called that this version writes and reads.
pub const SCHEMA: &str = "kumiki.recording/1";

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A control plane starts and knows nothing.
    Start {
        /// [`SCHEMA`].
        schema: String,
        /// The version that wrote it.
        version: String,
        /// What its chance follows from.
        seed: u64,
    },
    /// Something happened to it.
    Input {
        /// When.
        at: Instant,
        /// What.
        input: Input,
    },
    /// A deadline came.
    Timeout {
        /// When.
        at: Instant,
    },
    /// What it wanted then, as far as it was asked.
    Actions {
        /// Each named by [`name`], in order.
        wanted: Vec<String>,
        /// Whether it said that there is no more.
        is_all: bool,
    },
    /// There is no more, and why.
    End {
        /// Why.
        reason: EndReason,
    },
}

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The router ended.
    Ended,
    /// The recording was as long as it may be.
    Full,
    /// Lines came faster than they could be written.
    TooFast,
}

/// Where lines go.
pub trait Sink {
    /// Whether lines are still wanted.
    fn is_open(&self) -> bool;

    /// Takes one.
    fn take(&mut self, line: Line);
}

/// Into memory; without a limit, so for short runs.
impl Sink for Vec<Line> {
    fn is_open(&self) -> bool {
        true
    }

    fn take(&mut self, line: Line) {
        self.push(line);
    }
}

/// A control plane that is written down; without an open sink it is as if this were not there.
#[derive(Debug)]
pub struct Recorded<P, S> {
    inner: P,
    sink: S,
    /// What was polled since the last call.
    wanted: Vec<String>,
    is_pending: bool,
}

impl<P: Plane, S: Sink> Recorded<P, S> {
    /// Starts one, and writes down into `sink`.
    pub fn begin(options: ControlOptions, mut sink: S) -> Self {
        if sink.is_open() {
            sink.take(Line::Start {
                schema: SCHEMA.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                seed: options.seed,
            });
        }
        Self { inner: P::start(options), sink, wanted: Vec::new(), is_pending: false }
    }

    /// The control plane itself.
    pub const fn inner(&self) -> &P {
        &self.inner
    }

    /// What was written.
    pub const fn sink(&self) -> &S {
        &self.sink
    }

    /// Something is about to be called.
    fn note(&mut self, line: impl FnOnce() -> Line) {
        if !self.sink.is_open() {
            return;
        }
        self.finish(false);
        self.sink.take(line());
        self.is_pending = true;
    }

    /// Writes what was wanted since the last call.
    fn finish(&mut self, is_all: bool) {
        if core::mem::take(&mut self.is_pending) {
            let wanted = core::mem::take(&mut self.wanted);
            self.sink.take(Line::Actions { wanted, is_all });
        }
    }
}

impl<P: Plane, S: Sink> Machine for Recorded<P, S> {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        self.note(|| Line::Input { at: now, input: input.clone() });
        self.inner.handle(now, input);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.inner.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.note(|| Line::Timeout { at: now });
        self.inner.handle_timeout(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        let action = self.inner.poll_action();
        match &action {
            Some(action) if self.is_pending => self.wanted.push(name(action)),
            Some(_) => {}
            None => self.finish(true),
        }
        action
    }
}

impl<P: Plane, S: Sink + Default> Plane for Recorded<P, S> {
    fn start(options: ControlOptions) -> Self {
        Self::begin(options, S::default())
    }

    fn testament(&self) -> Testament {
        self.inner.testament()
    }

    fn full_count(&self) -> usize {
        self.inner.full_count()
    }

    fn is_dirty(&self) -> bool {
        self.inner.is_dirty()
    }

    fn is_only_behind(&self) -> bool {
        self.inner.is_only_behind()
    }

    fn calculation_count(&self) -> u64 {
        self.inner.calculation_count()
    }
}

/// The name of an action in a recording: what kind of thing, how much, and a digest of the rest.
pub fn name(action: &Action) -> String {
    let digest = |bytes: &[u8]| format!("{:016x}", Digest::of(bytes).value());
    match action {
        Action::SendFrame { port, bytes } => {
            format!("send_frame port {}, {} octets, {}", port.0, bytes.len(), digest(bytes))
        }
        Action::Forward { packet } => {
            format!("forward {} octets, {}", packet.len(), digest(packet))
        }
        // The table itself is tens of thousands of slots; what stands behind it says enough.
        Action::Publish(world) => {
            let (epoch, count) = (world.epoch, world.table.len());
            let parts = format!("{:?}", (&world.groups, &world.next_hops, &world.interfaces));
            format!("publish epoch {epoch}, {count} prefixes, {}", digest(parts.as_bytes()))
        }
        Action::FlushMacs(member) => format!("flush_macs {member}"),
        Action::HostAddresses { addresses, prefixes } => {
            let parts = format!("{addresses:?} {prefixes:?}");
            format!("host_addresses {}, {}", addresses.len(), digest(parts.as_bytes()))
        }
        Action::HostLinks(links) => {
            format!("host_links {}, {}", links.len(), digest(format!("{links:?}").as_bytes()))
        }
        Action::JoinMulticast { port, group } => format!("join_multicast port {}, {group}", port.0),
        Action::Bfd(order) => format!("bfd {}", digest(format!("{order:?}").as_bytes())),
        Action::Bgp(order) => format!("bgp {}", digest(format!("{order:?}").as_bytes())),
        Action::Reply { id, reply, rest } => {
            format!("reply {id}, {}", digest(format!("{reply:?} {rest:?}").as_bytes()))
        }
        Action::Event(event) => format!("event {}: {}", event.topic, event.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ShowQuery;
    use crate::base::ids::PortId;
    use crate::base::route::RouteNextHop;
    use crate::base::time::Duration;
    use crate::config::{PortBfd, PortDevice, PortRole, PortSettings};
    use crate::control::{AttachedPort, ControlPlane, Legacy};
    use crate::fib::{Forwarding, Liveness};
    use crate::proto::bfd::{Report, View};
    use crate::wire::bfd::{Diagnostic, State};
    use std::sync::Arc;

    const PORT: PortId = PortId(3);

    fn attached() -> AttachedPort {
        let settings = PortSettings {
            name: "f0".to_owned(),
            device: PortDevice::Tap("f0".to_owned()),
            role: PortRole::Fabric,
            address: None,
            mtu: 9000,
            cost: Some(10),
            bfd: PortBfd::default(),
            vlan: None,
            mac: None,
        };
        let mac = "02:00:00:00:00:01".parse().unwrap();
        AttachedPort { port: PORT, settings, mac, mtu_max: 9000, speed_mbps: None, is_up: true }
    }

    fn report() -> Report {
        let view = View {
            state: State::Up,
            remote_state: State::Up,
            diagnostic: Diagnostic::default(),
            remote_diagnostic: Diagnostic::default(),
            discriminator: 7,
            remote_discriminator: 8,
            is_failed: false,
            is_silent: false,
            since: Instant::from_millis(3),
            transmit_interval: Some(Duration::from_millis(50)),
            receive_interval: Duration::from_millis(50),
            detection_time: Duration::from_millis(150),
            multiplier: 3,
            remote_multiplier: 3,
            is_polling: false,
            is_authenticated: false,
        };
        Report { port: PORT, neighbor: "fe80::1".parse().unwrap(), view }
    }

    fn inputs() -> Vec<Input> {
        let address = "fe80::1".parse().unwrap();
        let testament = Testament {
            neighbors: [RouteNextHop { port: PORT, address }].into(),
            until: Some(Instant::from_millis(5)),
            ..Testament::default()
        };
        let world = Forwarding::empty(Arc::new(Liveness::new(0)));
        let legacy = Legacy::new(Box::default(), vec![attached()], testament, &world);
        vec![
            Input::Configure(Box::default()),
            Input::Inherit(Box::new(legacy)),
            Input::PortAttached(Box::new(attached())),
            Input::PortDetached(PORT),
            Input::Carrier { port: PORT, is_up: true },
            Input::Frame { port: PORT, bytes: vec![0x12, 0xff] },
            Input::Unresolved { port: PORT, address, packet: vec![1] },
            Input::NeighborUsed { port: PORT, address },
            Input::Bfd(Box::new(report())),
            Input::Reclaimed { epoch: 7 },
            Input::Flush,
            Input::Query {
                id: 1,
                query: ShowQuery::Version,
                after: Some("2001:db8::/32".parse().unwrap()),
            },
            Input::Shutdown,
        ]
    }

    #[test]
    fn every_line_is_read_as_it_was_written() {
        let mut lines = vec![
            Line::Start { schema: SCHEMA.to_owned(), version: "9".to_owned(), seed: u64::MAX },
            Line::Timeout { at: Instant::MAX },
            Line::Actions { wanted: vec!["forward".to_owned()], is_all: true },
            Line::End { reason: EndReason::TooFast },
        ];
        let at = Instant::from_nanos(5);
        lines.extend(inputs().into_iter().map(|input| Line::Input { at, input }));
        for line in lines {
            let text = serde_json::to_string(&line).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
        }
    }

    #[test]
    fn every_call_is_followed_by_what_was_wanted() {
        let options = ControlOptions { seed: 1 };
        let mut plane: Recorded<ControlPlane, Vec<Line>> = Recorded::begin(options, Vec::new());
        let now = Instant::from_millis(1);
        plane.handle(now, Input::Configure(Box::default()));
        while plane.poll_action().is_some() {}
        plane.handle(now, Input::PortAttached(Box::new(attached())));
        plane.handle_timeout(now);
        let kinds: Vec<&str> = plane
            .sink()
            .iter()
            .map(|line| match line {
                Line::Start { .. } => "start",
                Line::Input { .. } => "input",
                Line::Timeout { .. } => "timeout",
                Line::Actions { is_all: true, .. } => "all",
                Line::Actions { .. } => "some",
                Line::End { .. } => "end",
            })
            .collect();
        assert_eq!(kinds, ["start", "input", "all", "input", "some", "timeout"]);
    }
}
