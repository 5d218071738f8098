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
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How often a message is tried that found no room; the reader takes thousands in this time.
const SEND_TRIES_MAX: u32 = 2000;
/// The pause between two tries.
const SEND_PAUSE: Duration = Duration::from_millis(1);

/// How long a port is kept open for its farewell.
const FAREWELL_TIME_MAX: Duration = Duration::from_millis(500);

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
        let planned = inventory::plan(&config);
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
            let (done, said) = sync_channel(1);
            self.tell_control(ToControl::Detach { port: id, done });
            // Without the farewell the neighbour would wait for its dead interval; a control plane
            // that is starting again says none.
            let _ = said.recv_timeout(FAREWELL_TIME_MAX);
            self.tell_host(ToHost::Unwatch(id));
            self.ports.close(id);
        }
        self.running = config;
        self.tell_control(ToControl::Configure(Box::new(self.running.clone())));
        opened.into_iter().for_each(|id| self.announce(id));
        for (id, port) in steps.change {
            match self.ports.change(id, port) {
                Ok(()) => self.announce(id),
                Err(error) => changes.push(format!("not done: {error}")),
            }
        }
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

/// What leads from the open ports to the planned ones. A port is the same port when its name is.
fn steps(live: &[(PortId, &LivePort)], planned: Vec<PlannedPort>) -> PortSteps {
    let now: Vec<_> = live.iter().map(|(id, port)| (*id, &port.planned)).collect();
    compare(&now, planned)
}

fn compare(live: &[(PortId, &PlannedPort)], planned: Vec<PlannedPort>) -> PortSteps {
    let mut steps = PortSteps::default();
    let mut kept = BTreeSet::new();
    for port in planned {
        let before = live.iter().find(|(_, old)| old.settings.name == port.settings.name);
        match before {
            Some((id, old)) if !must_reopen(old, &port) => {
                kept.insert(*id);
                if **old != port {
                    steps.change.push((*id, port));
                }
            }
            _ if live.iter().any(|(_, old)| old.spec == port.spec) => steps.reopen.push(port),
            _ => steps.open.push(port),
        }
    }
    steps.close = live.iter().map(|(id, _)| *id).filter(|id| !kept.contains(id)).collect();
    steps
}

fn must_reopen(old: &PlannedPort, new: &PlannedPort) -> bool {
    let sets_mtu = new.spec.sets_mtu() && old.settings.mtu != new.settings.mtu;
    old.spec != new.spec || old.settings.mac != new.settings.mac || sets_mtu
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PortDevice, PortRole, PortSettings};
    use crate::ports::DeviceSpec;

    fn port(name: &str, interface: &str, cost: u16) -> PlannedPort {
        let settings = PortSettings {
            name: name.to_owned(),
            device: PortDevice::AfPacket(interface.to_owned()),
            role: PortRole::Fabric,
            address: None,
            mtu: 9000,
            cost: Some(cost),
            vlan: None,
            mac: None,
        };
        PlannedPort { settings, spec: DeviceSpec::AfPacket(interface.to_owned()) }
    }

    #[test]
    fn ports_that_stay_are_left_alone() {
        let (a, b) = (port("a", "v1", 1), port("b", "v2", 1));
        let live = [(PortId(0), &a), (PortId(1), &b)];
        assert_eq!(compare(&live, vec![b.clone(), a.clone()]), PortSteps::default());
    }

    #[test]
    fn a_port_with_other_settings_keeps_its_device() {
        let a = port("a", "v1", 1);
        let steps = compare(&[(PortId(4), &a)], vec![port("a", "v1", 2), port("c", "v3", 1)]);
        assert_eq!(steps.change, [(PortId(4), port("a", "v1", 2))]);
        assert_eq!(steps.open, [port("c", "v3", 1)]);
        assert!(steps.close.is_empty() && steps.reopen.is_empty());
    }

    #[test]
    fn devices_that_change_hands_are_closed_first() {
        let (a, b) = (port("a", "v1", 1), port("b", "v2", 1));
        let live = [(PortId(0), &a), (PortId(1), &b)];
        let steps = compare(&live, vec![port("a", "v2", 1), port("b", "v1", 1)]);
        assert_eq!(steps.close, [PortId(0), PortId(1)]);
        assert_eq!(steps.reopen.len(), 2);
        assert!(steps.open.is_empty() && steps.change.is_empty());
    }
}
