//! TUN devices of the host for ports on which BGP speaks over link-local addresses: the kernel
//! knows such an address by an interface only.
//!
//! Owns [`LinkTuns`], one device a port with the port's link-local address and MTU, and nothing of
//! what is said over it. Which ports those are is the control plane's decision; what a device does
//! is [`super::tun_bridge`]'s.
//!
//! *Invariants*: a device has the name of the router's TUN in front (`device_name`), so that two
//! routers of one host have none in common. A device that cannot be made, or was taken away, is
//! tried again.

use crate::base::ids::{PORT_MAX, PortId};
use crate::base::time::Instant;
use crate::control::{HostLink, scope_of};
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::tun_bridge::TunBridge;
use crate::daemon::worker::WorkerLinks;
use crate::os::poller::{Event, Poller};
use crate::packet::{PacketAlloc, PacketBuf};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tokens of the poller from here on are devices, by the number of their port.
const TOKENS: u64 = 1 << 61;
/// Octets of the name of an interface of Linux (IFNAMSIZ less the final zero).
const DEVICE_NAME_OCTETS_MAX: usize = 15;

/// The devices; one of these per router, owned by the host thread.
pub struct LinkTuns {
    /// The name of the router's TUN.
    base: String,
    links: BTreeMap<PortId, (HostLink, TunBridge)>,
    counters: Arc<DaemonCounters>,
}

/// The kernel's interface for each scope of the router.
pub type Scopes = BTreeMap<u32, u32>;

impl LinkTuns {
    /// None yet. `base` is the name of the router's TUN.
    pub fn new(base: &str, counters: Arc<DaemonCounters>) -> Self {
        Self { base: base.to_owned(), links: BTreeMap::new(), counters }
    }

    /// Whether the event is of one of these devices.
    pub const fn is_ours(event: &Event) -> bool {
        event.token >= TOKENS && event.token < TOKENS + PORT_MAX as u64
    }

    /// The interfaces that are there.
    pub fn scopes(&self) -> Scopes {
        let scope = |(port, (_, bridge)): (&PortId, &(HostLink, TunBridge))| {
            Some((scope_of(*port), bridge.ifindex()?))
        };
        self.links.iter().filter_map(scope).collect()
    }

    /// These devices are wanted, and no others. One of which everything stays the same stays.
    pub fn set(&mut self, poller: &Poller, now: Instant, wanted: Vec<HostLink>) {
        let is_kept = |link: &HostLink| wanted.contains(link);
        self.links.retain(|_, (link, bridge)| {
            let stays = is_kept(link);
            if let Some(fd) = bridge.fd().filter(|_| !stays) {
                let _ = poller.remove(fd);
            }
            stays
        });
        for link in wanted {
            if self.links.contains_key(&link.port) {
                continue;
            }
            let name = device_name(&self.base, &link);
            match TunBridge::open_link(&name, &link, Arc::clone(&self.counters), now) {
                Ok(mut bridge) => {
                    watch(&mut bridge, poller, (now, link.port));
                    self.links.insert(link.port, (link, bridge));
                }
                Err(error) => {
                    tracing::warn!(topic = "daemon.tun", "cannot make {name}: {error}");
                }
            }
        }
    }

    /// Gives packets of the host to the first worker; says that the device is gone, where it is.
    pub fn take_from_host<B: PacketBuf>(
        &mut self,
        poller: &Poller,
        (now, event): (Instant, Event),
        alloc: &mut dyn PacketAlloc<B>,
        worker: &WorkerLinks<B>,
    ) -> Option<String> {
        let port = PortId(u16::try_from(event.token - TOKENS).ok()?);
        let (_, bridge) = self.links.get_mut(&port)?;
        let problem = match bridge.take_from_host(alloc, worker) {
            Err(error) => error.to_string(),
            Ok(()) if event.is_broken => "the kernel reports an error".to_owned(),
            Ok(()) => return None,
        };
        if let Some(fd) = bridge.fd() {
            let _ = poller.remove(fd);
        }
        bridge.lose(now);
        let name = bridge.name();
        Some(format!("the TUN device {name} is gone ({problem}); BGP needs it on its port"))
    }

    /// Hands the host a packet for the link-local address of a port.
    pub fn give_to_host<B: PacketBuf>(&mut self, port: PortId, packet: &B) {
        match self.links.get_mut(&port) {
            Some((_, bridge)) => bridge.give_to_host(packet),
            None => self.counters.count(DaemonCounter::LinkTunAbsent),
        }
    }

    /// When [`Self::reopen`] shall be called.
    pub fn reopens_at(&self) -> Option<Instant> {
        self.links.values().filter_map(|(_, bridge)| bridge.reopens_at()).min()
    }

    /// Makes devices again for which it is time; says whether there is one more.
    pub fn reopen(&mut self, poller: &Poller, now: Instant) -> bool {
        let mut is_news = false;
        for (port, (_, bridge)) in &mut self.links {
            if bridge.reopens_at().is_none_or(|at| at > now) {
                continue;
            }
            match bridge.reopen(now) {
                Ok(()) => {
                    watch(bridge, poller, (now, *port));
                    is_news = true;
                }
                Err(error) => {
                    let name = bridge.name();
                    tracing::warn!(topic = "daemon.tun", "cannot make {name} again: {error}");
                }
            }
        }
        is_news
    }
}

/// Waits for packets of the host; a device that cannot be waited for is as good as none.
fn watch(bridge: &mut TunBridge, poller: &Poller, (now, port): (Instant, PortId)) {
    let token = TOKENS + u64::from(port.0);
    if bridge.fd().is_some_and(|fd| poller.add(fd, token).is_err()) {
        bridge.lose(now);
    }
}

/// The name of a device: the router's TUN and the port, as `kumiki0.up`; where that is too long for
/// an interface or has a character that the kernel refuses, the port's number, as `kumiki0-3`.
fn device_name(base: &str, link: &HostLink) -> String {
    let name = format!("{base}.{}", link.name);
    if name.len() <= DEVICE_NAME_OCTETS_MAX && !link.name.contains(':') {
        return name;
    }
    let number = format!("-{}", link.port.0);
    let room = DEVICE_NAME_OCTETS_MAX - number.len();
    let start: String = base.chars().take(room).collect();
    format!("{start}{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv6Addr;

    fn link(port: u16, name: &str) -> HostLink {
        let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        HostLink { port: PortId(port), name: name.to_owned(), address, mtu: 1500 }
    }

    #[test]
    fn a_device_is_called_by_router_and_port_where_that_fits() {
        assert_eq!(device_name("kumiki0", &link(3, "up")), "kumiki0.up");
        assert_eq!(device_name("kumiki0", &link(3, "provider")), "kumiki0-3");
        assert_eq!(device_name("kumiki0", &link(3, "a:b")), "kumiki0-3");
        assert_eq!(device_name("a-name-of-15-xx", &link(12, "up")), "a-name-of-15-12");
    }
}
