//! The way between the kernel of the host and the workers, past the control thread.
//!
//! Owns the TUN device, its addresses and the routes into it. Which those are is the control
//! plane's decision.
//!
//! *Invariants*: nothing blocks; what the other side does not take is dropped and counted. The
//! device carries exactly the addresses that were last said, once the kernel took them.

use crate::base::ids::LcoreId;
use crate::base::prefix::Ipv6Prefix;
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::messages::HostAddresses;
use crate::daemon::worker::WorkerLinks;
use crate::dataplane::Injected;
use crate::os::netlink::address::HostRoute;
use crate::os::netlink::{NetlinkError, RouteSocket};
use crate::os::tun::Tun;
use crate::packet::buf::FRAME_OCTETS_MAX;
use crate::packet::{PacketAlloc, PacketBuf};
use core::net::Ipv6Addr;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Packets that go one way before anything else gets its turn.
const PACKETS_PER_SLICE: usize = 128;

/// The bridge; at most one per router, owned by the host thread.
pub struct TunBridge {
    tun: Tun,
    socket: RouteSocket,
    addresses: BTreeSet<Ipv6Addr>,
    prefixes: BTreeSet<Ipv6Prefix>,
    source: Option<Ipv6Addr>,
    buffer: Vec<u8>,
    counters: Arc<DaemonCounters>,
}

impl TunBridge {
    /// Makes the device.
    pub fn open(name: &str, counters: Arc<DaemonCounters>) -> io::Result<Self> {
        let tun = Tun::open(name)?;
        let socket = RouteSocket::open().map_err(|error| error.source)?;
        let buffer = vec![0; usize::from(FRAME_OCTETS_MAX)];
        let (addresses, prefixes) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { tun, socket, addresses, prefixes, source: None, buffer, counters })
    }

    /// What to wait for.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.tun.fd()
    }

    /// Gives packets of the host to the first worker. Level-triggered: what is left is reported
    /// again.
    pub fn take_from_host<B: PacketBuf>(
        &mut self,
        alloc: &mut dyn PacketAlloc<B>,
        worker: &WorkerLinks<B>,
    ) {
        debug_assert_eq!(worker.lcore, LcoreId(0), "one worker keeps the order of a flow");
        for _ in 0..PACKETS_PER_SLICE {
            let length = match self.tun.read_packet(&mut self.buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.counters.count(DaemonCounter::TunRead);
                    break;
                }
            };
            let Some(mut packet) = alloc.alloc() else {
                self.counters.count(DaemonCounter::InjectNoBuffer);
                continue;
            };
            if packet.append(self.buffer.get(..length).unwrap_or(&[])).is_err() {
                self.counters.count(DaemonCounter::InjectTooLong);
            } else if worker.inject(Injected::Packet { packet }).is_err() {
                self.counters.count(DaemonCounter::InjectRingFull);
            }
        }
        worker.finish();
    }

    /// Hands the host a packet.
    pub fn give_to_host<B: PacketBuf>(&mut self, packet: &B) {
        let is_whole = usize::try_from(packet.len()).is_ok_and(|len| len == packet.data().len());
        let written = if is_whole {
            self.tun.write_packet(packet.data())
        } else {
            let mut octets = Vec::new();
            packet.copy_to(&mut octets);
            self.tun.write_packet(&octets)
        };
        if written.is_err() {
            self.counters.count(DaemonCounter::TunWriteFull);
        }
    }

    /// Gives the device these addresses and routes, and takes the others away. What the kernel
    /// refuses is tried again with the next change.
    pub fn set_addresses(&mut self, wanted: &HostAddresses) {
        let addresses: BTreeSet<_> = wanted.addresses.iter().copied().collect();
        let prefixes: BTreeSet<_> = wanted.prefixes.iter().copied().collect();
        let source = wanted.addresses.first().copied();
        let ifindex = self.tun.ifindex();
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
            if said(self.socket.add_address(ifindex, address, 128)) {
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
            if said(self.socket.delete_address(ifindex, address, 128)) {
                self.addresses.remove(&address);
            }
        }
    }
}

fn said(result: Result<(), NetlinkError>) -> bool {
    if let Err(error) = &result {
        tracing::warn!(topic = "daemon.host", "{error}");
    }
    result.is_ok()
}
