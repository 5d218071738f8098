//! The way between the kernel of the host and the workers, past the control thread.
//!
//! Owns a TUN device: the router's, whose packets are looked up, or that of a port on which the
//! host speaks over link-local addresses, whose packets go to the neighbours there; of those only
//! TCP does, because everything else of the link is the router's. Owns the device's addresses and
//! the routes into it, too. Which those are is the control plane's decision. The kernel's
//! administrator may delete the device under the router; then it is made again, with what it
//! carried.
//!
//! *Invariants*: nothing blocks; what the other side does not take is dropped and counted. The
//! device carries exactly the addresses that were last said, once the kernel took them. Who watches
//! the descriptor stops when [`TunBridge::take_from_host`] or an error condition says that it is
//! gone, and calls [`TunBridge::lose`].

use crate::base::ids::{LcoreId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::control::HostLink;
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::messages::HostAddresses;
use crate::daemon::worker::WorkerLinks;
use crate::dataplane::{Injected, inject};
use crate::os::netlink::address::HostRoute;
use crate::os::netlink::{NetlinkError, RouteSocket};
use crate::os::tun::{TUN_MTU_BYTES, Tun};
use crate::packet::buf::FRAME_OCTETS_MAX;
use crate::packet::{PacketAlloc, PacketBuf};
use core::net::Ipv6Addr;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Packets that go one way before anything else gets its turn.
const PACKETS_PER_SLICE: usize = 128;

/// How long nothing is done about a device that is gone, at first, and at most, when it cannot be
/// made.
const REOPEN_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Where packets of the host go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Where their destination says.
    Routed,
    /// To a neighbour on the link of this port, from this address.
    OnLink(PortId, Ipv6Addr),
}

/// Length of the prefix that every link-local address is in (RFC 4291 §2.5.6): the kernel makes the
/// route to the link of it.
const LINK_LOCAL_LENGTH: u8 = 64;

/// The device.
enum Device {
    Open(Tun),
    /// It was taken away.
    Lost {
        retry_at: Instant,
        wait: Duration,
    },
}

/// A bridge; at most one per router, and one for each port with link-local sessions, owned by the
/// host thread.
pub struct TunBridge {
    name: String,
    mtu: u32,
    way: Way,
    device: Device,
    socket: RouteSocket,
    /// What the control plane said last.
    wanted: HostAddresses,
    addresses: BTreeSet<Ipv6Addr>,
    prefixes: BTreeSet<Ipv6Prefix>,
    source: Option<Ipv6Addr>,
    buffer: Vec<u8>,
    counters: Arc<DaemonCounters>,
}

impl TunBridge {
    /// Makes the device.
    pub fn open(name: &str, counters: Arc<DaemonCounters>) -> io::Result<Self> {
        let tun = Tun::open(name, TUN_MTU_BYTES)?;
        // The kernel fills in a pattern such as `kumiki%d`; made again, it has the same name.
        let name = tun.name().to_owned();
        Self::new((name, TUN_MTU_BYTES), Way::Routed, Device::Open(tun), counters)
    }

    /// Makes the device of a port on which the host speaks over link-local addresses. Where the
    /// kernel refuses it, that is tried again later.
    pub fn open_link(
        name: &str,
        link: &HostLink,
        counters: Arc<DaemonCounters>,
        now: Instant,
    ) -> io::Result<Self> {
        let mtu = u32::from(link.mtu);
        let (device, refusal) = match Tun::open(name, mtu) {
            Ok(tun) => (Device::Open(tun), None),
            Err(error) => (lost(now), Some(error)),
        };
        if let Some(error) = refusal {
            tracing::warn!(topic = "daemon.tun", "cannot make {name} yet: {error}");
        }
        let way = Way::OnLink(link.port, link.address);
        let mut bridge = Self::new((name.to_owned(), mtu), way, device, counters)?;
        bridge.set_addresses(HostAddresses { addresses: vec![link.address], prefixes: Vec::new() });
        Ok(bridge)
    }

    fn new(
        (name, mtu): (String, u32),
        way: Way,
        device: Device,
        counters: Arc<DaemonCounters>,
    ) -> io::Result<Self> {
        Ok(Self {
            name,
            mtu,
            way,
            device,
            socket: RouteSocket::open().map_err(|error| error.source)?,
            wanted: HostAddresses::default(),
            addresses: BTreeSet::new(),
            prefixes: BTreeSet::new(),
            source: None,
            buffer: vec![0; usize::from(FRAME_OCTETS_MAX)],
            counters,
        })
    }

    /// The name of the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The index of the interface, while there is a device.
    pub fn ifindex(&self) -> Option<u32> {
        match &self.device {
            Device::Open(tun) => Some(tun.ifindex()),
            Device::Lost { .. } => None,
        }
    }

    /// What to wait for, while there is a device.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.device {
            Device::Open(tun) => Some(tun.fd()),
            Device::Lost { .. } => None,
        }
    }

    /// The device is gone: its descriptor would end every wait at once, and is closed.
    pub fn lose(&mut self, now: Instant) {
        self.counters.count(DaemonCounter::TunLost);
        self.device = lost(now);
        // They went with it.
        self.addresses.clear();
        self.prefixes.clear();
        self.source = None;
    }

    /// When [`Self::reopen`] shall be called.
    pub fn reopens_at(&self) -> Option<Instant> {
        match self.device {
            Device::Open(_) => None,
            Device::Lost { retry_at, .. } => Some(retry_at),
        }
    }

    /// Makes the device again, with its addresses and routes. Where that fails, the next try comes
    /// later.
    pub fn reopen(&mut self, now: Instant) -> io::Result<()> {
        let Device::Lost { wait, .. } = self.device else { return Ok(()) };
        match Tun::open(&self.name, self.mtu) {
            Ok(tun) => self.device = Device::Open(tun),
            Err(error) => {
                let wait = (wait * 2).min(REOPEN_WAIT.1);
                self.device = Device::Lost { retry_at: now + wait, wait };
                return Err(error);
            }
        }
        self.bring_up_to_date();
        Ok(())
    }

    /// Gives packets of the host to the first worker. Level-triggered: what is left is reported
    /// again. An error means that the device is gone.
    pub fn take_from_host<B: PacketBuf>(
        &mut self,
        alloc: &mut dyn PacketAlloc<B>,
        worker: &WorkerLinks<B>,
    ) -> io::Result<()> {
        debug_assert_eq!(worker.lcore, LcoreId(0), "one worker keeps the order of a flow");
        let Device::Open(tun) = &self.device else { return Ok(()) };
        let mut outcome = Ok(());
        for _ in 0..PACKETS_PER_SLICE {
            let length = match tun.read_packet(&mut self.buffer) {
                Ok(length) => length,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => break,
                    // EBADFD: the kernel's side of the descriptor is no more.
                    _ => {
                        outcome = Err(error);
                        break;
                    }
                },
            };
            let octets = self.buffer.get(..length).unwrap_or(&[]);
            if let Way::OnLink(_, own) = self.way
                && !inject::is_for_neighbor(octets, own)
            {
                self.counters.count(DaemonCounter::LinkTunUnwanted);
                continue;
            }
            let Some(mut packet) = alloc.alloc() else {
                self.counters.count(DaemonCounter::InjectNoBuffer);
                continue;
            };
            if packet.append(octets).is_err() {
                self.counters.count(DaemonCounter::InjectTooLong);
                continue;
            }
            let injected = match self.way {
                Way::Routed => Injected::Packet { packet },
                Way::OnLink(port, _) => Injected::OnLink { port, packet },
            };
            if worker.inject(injected).is_err() {
                self.counters.count(DaemonCounter::InjectRingFull);
            }
        }
        worker.finish();
        outcome
    }

    /// Hands the host a packet.
    pub fn give_to_host<B: PacketBuf>(&mut self, packet: &B) {
        let Device::Open(tun) = &self.device else {
            return self.counters.count(DaemonCounter::TunAbsent);
        };
        let is_whole = usize::try_from(packet.len()).is_ok_and(|len| len == packet.data().len());
        let written = if is_whole {
            tun.write_packet(packet.data())
        } else {
            let mut octets = Vec::new();
            packet.copy_to(&mut octets);
            tun.write_packet(&octets)
        };
        if written.is_err() {
            self.counters.count(DaemonCounter::TunWriteFull);
        }
    }

    /// Gives the device these addresses and routes, and takes the others away. What the kernel
    /// refuses is tried again with the next change.
    pub fn set_addresses(&mut self, wanted: HostAddresses) {
        self.wanted = wanted;
        self.bring_up_to_date();
    }

    fn bring_up_to_date(&mut self) {
        let Device::Open(tun) = &self.device else { return };
        let (ifindex, wanted) = (tun.ifindex(), &self.wanted);
        let length = match self.way {
            Way::Routed => 128,
            Way::OnLink(..) => LINK_LOCAL_LENGTH,
        };
        let addresses: BTreeSet<_> = wanted.addresses.iter().copied().collect();
        let prefixes: BTreeSet<_> = wanted.prefixes.iter().copied().collect();
        let source = wanted.addresses.first().copied();
        let gone: Vec<_> = self.prefixes.difference(&prefixes).copied().collect();
        for prefix in gone {
            let route = HostRoute::on_link(prefix, ifindex);
            if said(self.socket.delete_route(&route)) {
                self.prefixes.remove(&prefix);
            }
        }
        // New addresses come before old ones go: a route's source must exist at any time.
        let new: Vec<_> = addresses.difference(&self.addresses).copied().collect();
        for address in new {
            if said(self.socket.add_address(ifindex, address, length)) {
                self.addresses.insert(address);
            }
        }
        let is_source_new = source != self.source;
        for prefix in &prefixes {
            if self.prefixes.contains(prefix) && !is_source_new {
                continue;
            }
            let route = HostRoute { source, ..HostRoute::on_link(*prefix, ifindex) };
            if said(self.socket.add_route(&route)) {
                self.prefixes.insert(*prefix);
            }
        }
        self.source = source;
        let old: Vec<_> = self.addresses.difference(&addresses).copied().collect();
        for address in old {
            if said(self.socket.delete_address(ifindex, address, length)) {
                self.addresses.remove(&address);
            }
        }
    }
}

/// A device that is not there.
fn lost(now: Instant) -> Device {
    Device::Lost { retry_at: now + REOPEN_WAIT.0, wait: REOPEN_WAIT.0 }
}

fn said(result: Result<(), NetlinkError>) -> bool {
    if let Err(error) = &result {
        tracing::warn!(topic = "daemon.host", "{error}");
    }
    result.is_ok()
}

#[cfg(test)]
mod tests;
