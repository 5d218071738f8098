//! From one configuration to the next while the router runs.
//!
//! Owns the configuration that runs and the order of the steps. Nothing changes before the new one
//! is known to be right and its new devices are open; what did not change is not touched.
//!
//! *Invariants*: keys that only a restart can change keep their old value and are named until they
//! are changed back or the router restarts. A configuration from the socket lives until the file is
//! read again; the file itself is never written.

use crate::api::ApiError;
use crate::base::ids::PortId;
use crate::config::{Config, Delta};
use crate::daemon::devices::PlannedPort;
use crate::daemon::error::RunError;
use crate::daemon::files::ConfigFile;
use crate::daemon::inventory;
use crate::daemon::mailbox::Post;
use crate::daemon::messages::{Applied, ToControl, ToHost};
use crate::daemon::port_table::{LivePort, PortTable};
use crate::packet::PacketBuf;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often a message is tried that found no room; the reader takes thousands in this time.
const SEND_TRIES_MAX: u32 = 2000;
/// The pause between two tries.
const SEND_PAUSE: Duration = Duration::from_millis(1);

/// The name of a text from the socket in messages.
const ORIGIN_SOCKET: &str = "the configuration";

/// Applies configurations; one per process, owned by the main thread.
pub struct Applier<B> {
    file: ConfigFile,
    running: Config,
    ports: PortTable<B>,
    control: Post<ToControl>,
    host: Post<ToHost>,
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
        control: Post<ToControl>,
        host: Post<ToHost>,
    ) -> Self {
        Self { file, running, ports, control, host }
    }

    /// Opens the ports of the first configuration and tells the control plane. A port that does not
    /// open ends the start.
    pub fn begin(&mut self, planned: Vec<PlannedPort>) -> Result<(), RunError> {
        self.tell_control(ToControl::Configure(Box::new(self.running.clone())));
        for port in planned {
            let id = self.ports.open(port)?;
            self.announce(id);
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
        let open: Vec<_> = self.ports.iter().map(|(_, port)| &port.planned).collect();
        let planned = inventory::plan(&config, &open);
        if planned.len() > crate::base::ids::PORT_MAX {
            return Err(refused(RunError::PortCount { count: planned.len() }));
        }
        let live: Vec<_> = self.ports.iter().collect();
        let steps = steps(&live, planned);
        let mut opened = Vec::new();
        for port in steps.open {
            match self.ports.open(port) {
                Ok(id) => opened.push(id),
                Err(error) => {
                    opened.into_iter().for_each(|id| self.ports.close(id));
                    return Err(refused(error));
                }
            }
        }
        let mut changes = delta.changes().to_vec();
        for id in steps.close {
            self.tell_control(ToControl::Detach(id));
            self.tell_host(ToHost::Unwatch(id));
            self.ports.close(id);
        }
        self.running = config;
        self.tell_control(ToControl::Configure(Box::new(self.running.clone())));
        // Before others take the names that they give up.
        for (id, port) in steps.change {
            match self.ports.change(id, port) {
                Ok(()) => self.announce(id),
                Err(error) => changes.push(format!("not done: {error}")),
            }
        }
        opened.into_iter().for_each(|id| self.announce(id));
        for port in steps.reopen {
            match self.ports.open(port) {
                Ok(id) => self.announce(id),
                Err(error) => changes.push(format!("not done: {error}")),
            }
        }
        Ok(Applied { changes, needs_restart: delta.needs_restart().to_vec() })
    }

    /// Closes all ports; the workers have ended.
    pub fn end(self) {
        self.ports.close_all();
    }

    fn announce(&self, id: PortId) {
        let attached = self.ports.iter().find(|(live, _)| *live == id).map(|(_, port)| port);
        if let Some(LivePort { attached, .. }) = attached {
            self.tell_control(ToControl::Attach(Box::new(attached.clone())));
        }
        if let Some(watched) = self.ports.watched(id) {
            self.tell_host(ToHost::Watch(Box::new(watched)));
        }
    }

    fn tell_control(&self, message: ToControl) {
        insist(&self.control, message);
    }

    fn tell_host(&self, message: ToHost) {
        insist(&self.host, message);
    }
}

/// Leaves a message, waiting for room. A reader that takes nothing for seconds has ended.
pub fn insist<T>(post: &Post<T>, mut message: T) {
    for _ in 0..SEND_TRIES_MAX {
        match post.send(message) {
            Ok(()) => return,
            Err(returned) => message = returned,
        }
        std::thread::sleep(SEND_PAUSE);
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
