//! Carrier of the ports: from the kernel at once, from drivers now and then.
//!
//! Owns the list of watched ports and what was last said of each. Virtual drivers say "up" always
//! (`net_af_packet`), so a kernel interface is believed instead of its driver. MAC addresses are
//! not looked at: a TAP's interface has another one than its port.
//!
//! *Invariants*: a change is said once; one that could not be said is said again.

use crate::base::ids::PortId;
use crate::daemon::messages::WatchedPort;
use crate::os::netlink::{LinkEvent, LinkMonitor};
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

/// The watch; one per router, owned by the host thread.
pub struct CarrierWatch {
    monitor: Option<LinkMonitor>,
    ports: BTreeMap<PortId, WatchedPort>,
}

impl CarrierWatch {
    /// Watches nothing yet. Without netlink, drivers are asked for all ports.
    pub fn new() -> Self {
        let monitor = LinkMonitor::open();
        if let Err(error) = &monitor {
            tracing::warn!(topic = "daemon.carrier", "{error}; a cut cable is seen by dead timers");
        }
        Self { monitor: monitor.ok(), ports: BTreeMap::new() }
    }

    /// What to wait for.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.monitor.as_ref().map(LinkMonitor::fd)
    }

    /// Watches a port; what changed since it was opened is said by the next [`Self::look`].
    pub fn watch(&mut self, port: WatchedPort) {
        self.ports.insert(port.port, port);
    }

    /// Watches it no more.
    pub fn unwatch(&mut self, port: PortId) {
        self.ports.remove(&port);
    }

    /// Whether a driver must be asked now and then.
    pub fn has_silent_ports(&self) -> bool {
        self.ports.values().any(|port| port.interface.is_none() || self.monitor.is_none())
    }

    /// Looks at every interface.
    pub fn look(&mut self, say: impl FnMut(PortId, bool) -> bool) {
        if let Some(Ok(links)) = self.monitor.as_mut().map(LinkMonitor::snapshot) {
            self.hear(&links, say);
        }
    }

    /// Takes what the kernel reported.
    pub fn poll(&mut self, say: impl FnMut(PortId, bool) -> bool) {
        match self.monitor.as_mut().map(LinkMonitor::poll) {
            Some(Ok(links)) => self.hear(&links, say),
            Some(Err(error)) => tracing::warn!(topic = "daemon.carrier", "{error}"),
            None => {}
        }
    }

    /// Asks the drivers of ports without an interface.
    pub fn ask_drivers(&mut self, mut say: impl FnMut(PortId, bool) -> bool) {
        let has_monitor = self.monitor.is_some();
        for port in self.ports.values_mut() {
            if port.interface.is_some() && has_monitor {
                continue;
            }
            if let Some(is_up) = port.stats.is_up().filter(|is_up| *is_up != port.is_up)
                && say(port.port, is_up)
            {
                port.is_up = is_up;
            }
        }
    }

    /// Every change is said in its order: a short break ends adjacencies as a long one does.
    fn hear(&mut self, links: &[LinkEvent], mut say: impl FnMut(PortId, bool) -> bool) {
        for port in self.ports.values_mut() {
            let Some(name) = &port.interface else { continue };
            for link in links.iter().filter(|link| link.name == *name) {
                if link.is_up != port.is_up && say(port.port, link.is_up) {
                    port.is_up = link.is_up;
                }
            }
        }
    }
}

impl Default for CarrierWatch {
    fn default() -> Self {
        Self::new()
    }
}
