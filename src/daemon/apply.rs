//! From one configuration to the next while the router runs.
//!
//! Owns the configuration that runs and the order of the steps. Nothing changes before the new one
//! is known to be right and its new devices are open; what did not change is not touched. Owns also
//! what becomes of a port whose device goes while the router runs.
//!
//! *Invariants*: keys that only a restart can change keep their old value and are named until they
//! are changed back or the router restarts. A port that cannot have its new settings keeps the old
//! ones, also where its device had to be closed in between; that is answered, not only logged. A
//! port that is configured is open, or is tried again until it is. A configuration from the socket
//! lives until the file is read again; the file itself is never written.

use crate::api::{ApiError, Event, Severity};
use crate::base::ids::PortId;
use crate::config::{Config, Delta, PortSettings};
use crate::daemon::clock::Clock;
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::devices::PlannedPort;
use crate::daemon::error::RunError;
use crate::daemon::files::ConfigFile;
use crate::daemon::inventory::{self, Open};
use crate::daemon::kernel;
use crate::daemon::lost::LostPorts;
use crate::daemon::mailbox::Post;
use crate::daemon::messages::{Applied, ToControl, ToHost};
use crate::daemon::port_table::{LivePort, PortTable};
use crate::packet::PacketBuf;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// How long a message waits for room; the reader takes thousands in this time.
const SEND_WAIT_MAX: Duration = Duration::from_secs(2);
/// The pause between two tries.
const SEND_PAUSE: Duration = Duration::from_millis(1);

/// How long a port is kept open for its farewell.
const FAREWELL_TIME_MAX: Duration = Duration::from_millis(500);

/// The name of a text from the socket in messages.
const ORIGIN_SOCKET: &str = "the configuration";

/// The threads that the main thread tells what it did.
#[derive(Clone)]
pub struct Listeners {
    /// The control thread.
    pub control: Post<ToControl>,
    /// The host thread.
    pub host: Post<ToHost>,
    /// What is counted.
    pub counters: Arc<DaemonCounters>,
    /// The clock.
    pub clock: Clock,
    /// How long a message waits for room.
    pub patience: Duration,
}

impl Listeners {
    /// The ways to them.
    pub fn new(
        control: Post<ToControl>,
        host: Post<ToHost>,
        counters: Arc<DaemonCounters>,
        clock: Clock,
    ) -> Self {
        Self { control, host, counters, clock, patience: SEND_WAIT_MAX }
    }

    /// Tells the control thread; false when it does not listen.
    pub fn tell_control(&self, message: ToControl) -> bool {
        self.insist(&self.control, "control", message)
    }

    /// Takes a port from the control thread, which says its farewell first: without that the
    /// neighbour would wait for its dead interval. A control plane that is starting again says
    /// none. False when the control thread does not listen.
    fn detach(&self, port: PortId) -> bool {
        let (done, said) = sync_channel(1);
        let is_told = self.tell_control(ToControl::Detach { port, done });
        let _ = said.recv_timeout(FAREWELL_TIME_MAX.min(self.patience));
        is_told
    }

    /// Tells the host thread; false when it does not listen.
    pub fn tell_host(&self, message: ToHost) -> bool {
        self.insist(&self.host, "host", message)
    }

    /// Writes a line of the log, for the monitors too.
    fn say(&self, severity: Severity, topic: &str, text: String) {
        let topic = topic.to_owned();
        let at = self.clock.now();
        let event = Event { at, severity, topic, text, fields: Vec::new() };
        self.tell_host(ToHost::Event(Box::new(event)));
    }

    /// Leaves a message, waiting for room. A reader that takes nothing for seconds hangs or has
    /// ended: waiting on would make this thread hang too.
    fn insist<T>(&self, post: &Post<T>, reader: &str, mut message: T) -> bool {
        let began_at = Instant::now();
        loop {
            match post.send(message) {
                Ok(()) => return true,
                Err(_) if began_at.elapsed() >= self.patience => break,
                Err(returned) => message = returned,
            }
            std::thread::sleep(SEND_PAUSE);
        }
        self.counters.count(DaemonCounter::MessageDropped);
        let kind = core::any::type_name::<T>();
        tracing::error!(topic = "daemon.message", "the {reader} thread does not take a {kind}");
        false
    }
}

/// Applies configurations; one per process, owned by the main thread.
pub struct Applier<B> {
    file: ConfigFile,
    running: Config,
    ports: PortTable<B>,
    lost: LostPorts,
    listeners: Listeners,
}

/// What becomes of the ports.
#[derive(Debug, Default, PartialEq, Eq)]
struct PortSteps {
    close: Vec<PortId>,
    change: Vec<(PortId, PlannedPort)>,
    /// Those whose device nobody has: they are opened before anything changes.
    open: Vec<PlannedPort>,
    /// Those whose device must be closed first.
    reopen: Vec<PlannedPort>,
}

impl<B: PacketBuf> Applier<B> {
    /// Starts with a configuration whose ports are opened by [`Self::begin`].
    pub fn new(
        file: ConfigFile,
        running: Config,
        ports: PortTable<B>,
        listeners: Listeners,
    ) -> Self {
        Self { file, running, ports, lost: LostPorts::default(), listeners }
    }

    /// Opens the ports of the first configuration and tells the control plane. A port that does not
    /// open ends the start.
    pub fn begin(&mut self, planned: Vec<PlannedPort>) -> Result<(), RunError> {
        self.listeners.tell_control(ToControl::Configure(Box::new(self.running.clone())));
        for port in planned {
            let id = self.ports.open(port)?;
            self.announce(id, &mut Applied::default());
        }
        Ok(())
    }

    /// Reads the file again and runs it.
    pub fn reload(&mut self) -> Result<Applied, ApiError> {
        let config = self.file.read().map_err(refused)?;
        self.run(config)
    }

    /// Runs a text from the socket.
    pub fn apply(&mut self, text: &str, file: Option<&str>) -> Result<Applied, ApiError> {
        let config = self.load(text, file)?;
        self.run(config)
    }

    /// What [`Self::apply`] would do.
    pub fn compare(&self, text: &str, file: Option<&str>) -> Result<Applied, ApiError> {
        let delta = Delta::between(&self.running, &self.load(text, file)?);
        Ok(Applied {
            changes: delta.changes().to_vec(),
            needs_restart: delta.needs_restart().to_vec(),
            failures: Vec::new(),
        })
    }

    /// Reads a text from the socket; files that it names are found from where it stands.
    fn load(&self, text: &str, file: Option<&str>) -> Result<Config, ApiError> {
        let loaded = match file {
            Some(file) => self.file.load_as(Path::new(file), text),
            None => self.file.load(ORIGIN_SOCKET, text),
        };
        loaded.map_err(refused)
    }

    fn run(&mut self, mut config: Config) -> Result<Applied, ApiError> {
        let delta = Delta::between(&self.running, &config);
        // What needs a restart does not count as running.
        config.dpdk = self.running.dpdk.clone();
        config.host = self.running.host.clone();
        let mut steps = self.steps(&config)?;
        // What is lost already is no reason to refuse the rest.
        let is_lost = |port: &mut PlannedPort| self.lost.has(&port.spec);
        let lost: Vec<_> = steps.open.extract_if(.., is_lost).collect();
        let opened = self.open_all(core::mem::take(&mut steps.open)).map_err(refused)?;
        let now = self.listeners.clock.now();
        self.lost.clear();
        lost.into_iter().for_each(|port| self.lost.add(port, now));
        let mut applied = Applied {
            changes: delta.changes().to_vec(),
            needs_restart: delta.needs_restart().to_vec(),
            failures: Vec::new(),
        };
        self.running = config;
        self.carry_out(steps, opened, &mut applied);
        self.open_lost();
        applied.failures.extend(self.lost.iter().map(|lost| again(&lost.why)));
        Ok(applied)
    }

    fn steps(&self, config: &Config) -> Result<PortSteps, ApiError> {
        let lost = self.lost.iter().map(|lost| Open { port: &lost.planned, mac: None });
        let open: Vec<_> = self.ports.iter().map(|(_, port)| port.as_open()).chain(lost).collect();
        let planned = inventory::plan(config, &open);
        if planned.len() > crate::base::ids::PORT_MAX {
            return Err(refused(RunError::PortCount { count: planned.len() }));
        }
        self.ports.admit(&planned).map_err(|problem| refused(RunError::Pool(problem)))?;
        let live: Vec<_> = self.ports.iter().map(|(id, port)| (id, &port.planned)).collect();
        Ok(steps(&live, planned))
    }

    /// Does what is left once the new devices are open. From here on there is no way back as a
    /// whole, only port by port.
    fn carry_out(&mut self, steps: PortSteps, opened: Vec<PortId>, applied: &mut Applied) {
        let closed: Vec<_> =
            steps.close.into_iter().filter_map(|id| self.close(id, applied)).collect();
        if !self.listeners.tell_control(ToControl::Configure(Box::new(self.running.clone()))) {
            applied.failures.push("the control plane did not take the configuration".to_owned());
        }
        // Before others take the names that they give up.
        for (id, port) in steps.change {
            match self.ports.change(id, port.clone()) {
                Ok(()) => self.announce(id, applied),
                // It went just now, and the host thread has not said so yet.
                Err(_) if kernel::missing(&port.spec).is_some() => {
                    self.close(id, applied);
                    self.lost.add(port, self.listeners.clock.now());
                }
                Err(error) => applied.failures.push(format!("{error}; it keeps its settings")),
            }
        }
        opened.into_iter().for_each(|id| self.announce(id, applied));
        for port in steps.reopen {
            self.reopen(port, &closed, applied);
        }
    }

    /// Opens all or none.
    fn open_all(&mut self, ports: Vec<PlannedPort>) -> Result<Vec<PortId>, RunError> {
        let mut opened = Vec::new();
        for port in ports {
            match self.ports.open(port) {
                Ok(id) => opened.push(id),
                Err(error) => {
                    for id in opened {
                        self.ports.close(id);
                    }
                    return Err(error);
                }
            }
        }
        Ok(opened)
    }

    fn close(&mut self, id: PortId, applied: &mut Applied) -> Option<PlannedPort> {
        let is_told = self.listeners.detach(id) && self.listeners.tell_host(ToHost::Unwatch(id));
        let port = self.ports.close(id)?;
        if !is_told {
            let name = &port.settings.name;
            applied.failures.push(format!("port {name} is closed and not all of the router knows"));
        }
        Some(port)
    }

    /// Opens a port whose device was closed for it; where that is refused, as it was before.
    fn reopen(&mut self, port: PlannedPort, closed: &[PlannedPort], applied: &mut Applied) {
        let before = closed.iter().find(|old| old.spec == port.spec || share_interface(old, &port));
        let problem = match self.ports.open(port.clone()) {
            Ok(id) => return self.announce(id, applied),
            Err(problem) => problem,
        };
        // The name is the new one: the old one may be another port's by now.
        let name = port.settings.name.clone();
        let before = before.map(|old| PlannedPort {
            settings: PortSettings { name, ..old.settings.clone() },
            ..old.clone()
        });
        match before.map(|before| self.ports.open(before)) {
            Some(Ok(id)) => {
                self.announce(id, applied);
                applied.failures.push(format!("{problem}; it runs on with its old settings"));
            }
            Some(Err(_)) | None => {
                let now = self.listeners.clock.now();
                self.lost.add_refused(port, problem.to_string(), now);
            }
        }
    }

    /// A kernel interface was deleted: its port is closed, and opened again when it is back.
    pub fn lose(&mut self, id: PortId) {
        if self.ports.iter().all(|(live, _)| live != id) {
            // A TAP takes its interface along, which may be heard before the port is unwatched.
            return;
        }
        self.listeners.detach(id);
        self.listeners.tell_host(ToHost::Unwatch(id));
        let Some(planned) = self.ports.close(id) else { return };
        let name = &planned.settings.name;
        let interface = planned.spec.kernel_interface().unwrap_or("");
        let text = format!("port {name} is closed: its interface {interface} is gone");
        self.listeners.say(Severity::Warning, "port.gone", text);
        self.lost.add(planned, self.listeners.clock.now());
    }

    /// How long until [`Self::open_lost`] has something to do.
    pub fn idle_time(&self) -> Option<Duration> {
        self.lost.due_at().map(|due_at| due_at - self.listeners.clock.now())
    }

    /// Opens those ports that were lost and are due, as far as they can be.
    pub fn open_lost(&mut self) {
        let now = self.listeners.clock.now();
        while let Some(lost) = self.lost.take_due(now) {
            let name = lost.planned.settings.name.clone();
            if let Some(problem) = kernel::missing(&lost.planned.spec) {
                let why = RunError::Port { port: name, problem }.to_string();
                self.lost.look_again(lost, why, now);
                continue;
            }
            match self.ports.open(lost.planned.clone()) {
                Ok(id) => {
                    self.announce(id, &mut Applied::default());
                    let text = format!("port {name} is open again");
                    self.listeners.say(Severity::Info, "port.back", text);
                }
                Err(error) => {
                    let why = error.to_string();
                    if self.lost.try_again(lost, why.clone(), now) {
                        self.listeners.say(Severity::Error, "port.gone", again(&why));
                    }
                }
            }
        }
    }

    /// Closes all ports; the workers have ended.
    pub fn end(self) {
        self.ports.close_all();
    }

    /// Tells the others of a port that was opened or changed.
    fn announce(&self, id: PortId, applied: &mut Applied) {
        let attached = self.ports.iter().find(|(live, _)| *live == id).map(|(_, port)| port);
        let Some(LivePort { attached, .. }) = attached else { return };
        let name = &attached.settings.name;
        let is_told = self.listeners.tell_control(ToControl::Attach(Box::new(attached.clone())))
            && self
                .ports
                .watched(id)
                .is_none_or(|watched| self.listeners.tell_host(ToHost::Watch(Box::new(watched))));
        if !is_told {
            applied.failures.push(format!("port {name} is open and not all of the router knows"));
        }
    }
}

/// Why a port is not open, and what comes of it.
fn again(why: &str) -> String {
    format!("{why}; it is tried again until it is open")
}

fn refused(error: impl ToString) -> ApiError {
    ApiError::Configuration(error.to_string())
}

/// What leads from the open ports to the planned ones. A port is the same port when its device is:
/// its name may change like any other setting.
fn steps(live: &[(PortId, &PlannedPort)], planned: Vec<PlannedPort>) -> PortSteps {
    let mut steps = PortSteps::default();
    let mut kept = BTreeSet::new();
    for port in planned {
        match live.iter().find(|(_, old)| old.spec == port.spec) {
            Some((id, old)) if !must_reopen(old, &port) => {
                kept.insert(*id);
                if **old != port {
                    steps.change.push((*id, port));
                }
            }
            None if !live.iter().any(|(_, old)| share_interface(old, &port)) => {
                steps.open.push(port);
            }
            _ => steps.reopen.push(port),
        }
    }
    steps.close = live.iter().map(|(id, _)| *id).filter(|id| !kept.contains(id)).collect();
    steps
}

/// Whether settings differ that a device takes only when it is opened.
fn must_reopen(old: &PlannedPort, new: &PlannedPort) -> bool {
    let mtu = |port: &PlannedPort| (port.settings.mtu, port.mtu_room());
    let sets_mtu = new.spec.sets_mtu() && mtu(old) != mtu(new);
    old.settings.mac != new.settings.mac || sets_mtu
}

/// Whether both are one kernel interface, taken in different ways.
fn share_interface(old: &PlannedPort, new: &PlannedPort) -> bool {
    let interface = new.spec.kernel_interface();
    interface.is_some() && old.spec.kernel_interface() == interface
}

#[cfg(test)]
mod tests;
