//! From one configuration to the next while the router runs.
//!
//! Owns the configuration that runs and the order of the steps. Nothing changes before the new one
//! is known to be right and its new devices are open; what did not change is not touched.
//!
//! *Invariants*: keys that only a restart can change keep their old value and are named until they
//! are changed back or the router restarts. A port that cannot have its new settings keeps the old
//! ones, also where its device had to be closed in between; that is answered, not only logged. A
//! configuration from the socket lives until the file is read again; the file itself is never
//! written.

use crate::api::ApiError;
use crate::base::ids::PortId;
use crate::config::{Config, Delta, PortSettings};
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::devices::PlannedPort;
use crate::daemon::error::RunError;
use crate::daemon::files::ConfigFile;
use crate::daemon::inventory;
use crate::daemon::mailbox::Post;
use crate::daemon::messages::{Applied, ToControl, ToHost};
use crate::daemon::port_table::{LivePort, PortTable};
use crate::packet::PacketBuf;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a message waits for room; the reader takes thousands in this time.
const SEND_WAIT_MAX: Duration = Duration::from_secs(2);
/// The pause between two tries.
const SEND_PAUSE: Duration = Duration::from_millis(1);

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
    /// How long a message waits for room.
    pub patience: Duration,
}

impl Listeners {
    /// The ways to them.
    pub fn new(
        control: Post<ToControl>,
        host: Post<ToHost>,
        counters: Arc<DaemonCounters>,
    ) -> Self {
        Self { control, host, counters, patience: SEND_WAIT_MAX }
    }

    /// Tells the control thread; false when it does not listen.
    pub fn tell_control(&self, message: ToControl) -> bool {
        self.insist(&self.control, "control", message)
    }

    /// Tells the host thread; false when it does not listen.
    pub fn tell_host(&self, message: ToHost) -> bool {
        self.insist(&self.host, "host", message)
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
        Self { file, running, ports, listeners }
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
    pub fn apply(&mut self, text: &str) -> Result<Applied, ApiError> {
        let config = self.file.load(ORIGIN_SOCKET, text).map_err(refused)?;
        self.run(config)
    }

    fn run(&mut self, mut config: Config) -> Result<Applied, ApiError> {
        let delta = Delta::between(&self.running, &config);
        // What needs a restart does not count as running.
        config.dpdk = self.running.dpdk.clone();
        config.host = self.running.host.clone();
        let open: Vec<_> = self.ports.iter().map(|(_, port)| port.as_open()).collect();
        let planned = inventory::plan(&config, &open);
        if planned.len() > crate::base::ids::PORT_MAX {
            return Err(refused(RunError::PortCount { count: planned.len() }));
        }
        let live: Vec<_> = self.ports.iter().collect();
        let steps = steps(&live, planned);
        let opened = self.open_all(steps.open).map_err(refused)?;
        let mut applied = Applied {
            changes: delta.changes().to_vec(),
            needs_restart: delta.needs_restart().to_vec(),
            failures: Vec::new(),
        };
        let closed: Vec<_> =
            steps.close.into_iter().filter_map(|id| self.close(id, &mut applied)).collect();
        self.running = config;
        if !self.listeners.tell_control(ToControl::Configure(Box::new(self.running.clone()))) {
            applied.failures.push("the control plane did not take the configuration".to_owned());
        }
        // Before others take the names that they give up.
        for (id, port) in steps.change {
            match self.ports.change(id, port) {
                Ok(()) => self.announce(id, &mut applied),
                Err(error) => applied.failures.push(format!("{error}; it keeps its settings")),
            }
        }
        opened.into_iter().for_each(|id| self.announce(id, &mut applied));
        for port in steps.reopen {
            self.reopen(port, &closed, &mut applied);
        }
        Ok(applied)
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
        let is_told = self.listeners.tell_control(ToControl::Detach(id))
            && self.listeners.tell_host(ToHost::Unwatch(id));
        let port = self.ports.close(id)?;
        if !is_told {
            let name = &port.settings.name;
            applied.failures.push(format!("port {name} is closed and not all of the router knows"));
        }
        Some(port)
    }

    /// Opens a port whose device was closed for it; where that is refused, as it was before.
    fn reopen(&mut self, port: PlannedPort, closed: &[PlannedPort], applied: &mut Applied) {
        let name = port.settings.name.clone();
        let before = closed.iter().find(|old| old.spec == port.spec || share_interface(old, &port));
        let problem = match self.ports.open(port) {
            Ok(id) => return self.announce(id, applied),
            Err(problem) => problem,
        };
        // The name is the new one: the old one may be another port's by now.
        let before = before.map(|old| PlannedPort {
            settings: PortSettings { name, ..old.settings.clone() },
            spec: old.spec.clone(),
        });
        let failure = match before.map(|before| self.ports.open(before)) {
            Some(Ok(id)) => {
                self.announce(id, applied);
                format!("{problem}; it runs on with its old settings")
            }
            Some(Err(again)) => format!("{problem}; with its old settings neither: {again}"),
            None => problem.to_string(),
        };
        applied.failures.push(failure);
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

fn refused(error: impl ToString) -> ApiError {
    ApiError::Configuration(error.to_string())
}

/// What leads from the open ports to the planned ones. A port is the same port when its device is:
/// its name may change like any other setting.
fn steps(live: &[(PortId, &LivePort)], planned: Vec<PlannedPort>) -> PortSteps {
    let now: Vec<_> = live.iter().map(|(id, port)| (*id, &port.planned)).collect();
    compare(&now, planned)
}

fn compare(live: &[(PortId, &PlannedPort)], planned: Vec<PlannedPort>) -> PortSteps {
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
    let sets_mtu = new.spec.sets_mtu() && old.settings.mtu != new.settings.mtu;
    old.settings.mac != new.settings.mac || sets_mtu
}

/// Whether both are one kernel interface, taken in different ways.
fn share_interface(old: &PlannedPort, new: &PlannedPort) -> bool {
    let interface = new.spec.kernel_interface();
    interface.is_some() && old.spec.kernel_interface() == interface
}

#[cfg(test)]
mod tests;
