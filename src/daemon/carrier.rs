//! Carrier of the ports: from the kernel at once, from drivers by asking every few milliseconds.
//!
//! Owns the list of watched ports and what was last said of each. Virtual drivers say "up" always
//! (`net_af_packet`), so a kernel interface is believed instead of its driver. It is known by its
//! index: that is what a driver's socket is bound to, whatever its name becomes, and an interface
//! that is deleted and made again has another one. MAC addresses are not looked at: a TAP's
//! interface has another one than its port.
//!
//! Drivers are asked, not listened to. A driver that is opened with link interrupts answers
//! `rte_eth_link_get_nowait` from memory, and where no interrupt comes (one vector that the receive
//! queues need, a virtual NIC that has none) what it remembers stays wrong for ever; some say so in
//! their log at most. Asking works with every driver. For most it is the read of a register; some
//! ask firmware or the hypervisor, hence the limit of its share of the time.
//!
//! *Invariants*: a change is said once; one that could not be said is said again. Without a port
//! that must be asked nothing wakes for one.

use crate::base::ids::PortId;
use crate::base::time::{Duration, Instant};
use crate::daemon::messages::{Carrier, WatchedPort};
use crate::os::netlink::{Heard, LinkMonitor};
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

/// How often drivers are asked: a cut is known well before a neighbour is missed.
const ASK_INTERVAL: Duration = Duration::from_millis(10);
/// How often at least, however long it takes.
const ASK_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// Asking takes one part in this many of the thread's time at most.
const ASK_SHARE: u32 = 100;
/// How much one slow answer counts: it may be the scheduler that was slow, not the driver.
const SLOW_WEIGHT: u32 = 8;

const _: () = assert!(ASK_INTERVAL.as_nanos() < ASK_INTERVAL_MAX.as_nanos());

/// The watch; one per router, owned by the host thread.
pub struct CarrierWatch {
    monitor: Option<LinkMonitor>,
    ports: BTreeMap<PortId, WatchedPort>,
    /// When drivers are asked next.
    due_at: Instant,
    /// How long it takes to ask all of them.
    cost: Duration,
}

impl CarrierWatch {
    /// Watches nothing yet. Without netlink, drivers are asked for all ports.
    pub fn new() -> Self {
        let monitor = LinkMonitor::open();
        if let Err(error) = &monitor {
            tracing::warn!(topic = "daemon.carrier", "{error}; a cut cable is seen by dead timers");
        }
        Self::on(monitor.ok())
    }

    fn on(monitor: Option<LinkMonitor>) -> Self {
        Self { monitor, ports: BTreeMap::new(), due_at: Instant::ZERO, cost: Duration::ZERO }
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

    /// When a driver is to be asked; `None` while the kernel tells of all ports.
    pub fn due_at(&self) -> Option<Instant> {
        let must_ask = |port: &WatchedPort| port.ifindex.is_none() || self.monitor.is_none();
        self.ports.values().any(must_ask).then_some(self.due_at)
    }

    /// Looks at every interface.
    pub fn look(&mut self, say: impl FnMut(PortId, Carrier) -> bool) {
        if let Some(Ok(heard)) = self.monitor.as_mut().map(LinkMonitor::snapshot) {
            self.hear(&heard, say);
        }
    }

    /// Takes what the kernel reported.
    pub fn poll(&mut self, say: impl FnMut(PortId, Carrier) -> bool) {
        match self.monitor.as_mut().map(LinkMonitor::poll) {
            Some(Ok(heard)) => self.hear(&heard, say),
            Some(Err(error)) => tracing::warn!(topic = "daemon.carrier", "{error}"),
            None => {}
        }
    }

    /// Asks the drivers of ports without an interface.
    pub fn ask_drivers(
        &mut self,
        clock: impl Fn() -> Instant,
        mut say: impl FnMut(PortId, Carrier) -> bool,
    ) {
        let began_at = clock();
        let has_monitor = self.monitor.is_some();
        for port in self.ports.values_mut() {
            if port.ifindex.is_some() && has_monitor {
                continue;
            }
            let Some(carrier) = port.stats.is_up().map(Carrier::of) else { continue };
            if carrier != port.carrier && say(port.port, carrier) {
                port.carrier = carrier;
            }
        }
        let now = clock();
        let took = now - began_at;
        self.cost = match took.checked_sub(self.cost) {
            Some(more) => self.cost + more / SLOW_WEIGHT,
            None => took,
        };
        let pause = self.cost.saturating_mul(ASK_SHARE);
        self.due_at = now + pause.clamp(ASK_INTERVAL, ASK_INTERVAL_MAX);
    }

    /// Every change is said in its order: a short break ends adjacencies as a long one does.
    fn hear(&mut self, heard: &Heard, mut say: impl FnMut(PortId, Carrier) -> bool) {
        for port in self.ports.values_mut() {
            let Some(ifindex) = port.ifindex else { continue };
            let mut tell = |carrier| {
                let is_news = port.carrier != Carrier::Gone && port.carrier != carrier;
                if is_news && say(port.port, carrier) {
                    port.carrier = carrier;
                }
            };
            let mut is_known = false;
            for link in heard.links.iter().filter(|link| link.ifindex == ifindex) {
                is_known = true;
                tell(match link.is_removed {
                    true => Carrier::Gone,
                    false => Carrier::of(link.is_up),
                });
            }
            if heard.is_complete && !is_known {
                tell(Carrier::Gone);
            }
        }
    }
}

impl Default for CarrierWatch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
