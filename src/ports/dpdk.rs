//! Opening a device as a port: EAL's words, queues, the way to be woken, the counters.
//!
//! Owns [`open`], [`OpenPort`] and [`PortStats`]. Memory, threads and EAL itself are made before,
//! by the daemon; the kernel's side of an interface (MTU, state, `disable_ipv6`) is set before by
//! netlink.
//!
//! *Invariants*: [`PortStats`] may outlive the port. The queue pair of a worker is one value, so
//! that nobody waits on one queue and polls another.
//!
//! On what the kernel drops: `net_af_packet` 22.11 does not report it (neither in its counters nor
//! in the extended ones). The number is read from the driver's own sockets, `PACKET_STATISTICS`,
//! through a duplicate that `os::companion` finds among the descriptors of this process. The
//! interface's `rx_dropped` in sysfs does not have it, as the taps come after that counter.

use super::device::{DeviceShape, DeviceSpec, RING_FRAMES};
use super::redial;
use super::wakeup::Wakeup;
use crate::base::ids::MacAddress;
use crate::dpdk::mempool::{MempoolError, PAGE_FILL_OCTETS, slot_octets};
use crate::dpdk::port::{Filter, PortInfo, StartedPort};
use crate::dpdk::{
    Eal, Grant, Link, Mempool, Port, PortCounters, PortError, PortMonitor, PortOptions, RxQueue,
    Started, Stopped, TxQueue,
};
use crate::os::companion::{Companion, Descriptors, Kind, RingDrops};
use crate::os::netlink::link_index;
use crate::os::xdp;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Descriptors of a queue, where the configuration does not say.
pub const DESCRIPTORS_DEFAULT: u16 = 512;

/// Queues of a TAP device: its driver says 16, and writes beyond an array of eight descriptors, one
/// for each direction of a queue, when it has more than four (`RTE_MP_MAX_FD_NUM`).
const TAP_QUEUES_MAX: u16 = 4;

/// Numbers of virtual devices; names in EAL are for the whole process.
static INSTANCE: AtomicU32 = AtomicU32::new(0);

/// How a port shall be opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Workers that shall each have a queue pair, where the device has so many.
    pub workers: u16,
    /// Descriptors of each queue.
    pub descriptors: u16,
    /// Largest IPv6 packet; used where the driver sets the device's MTU.
    pub mtu: u16,
    /// What longer packets the device should carry, as far as it can, in octets.
    pub mtu_room: u16,
    /// MAC address to use instead of the device's.
    pub mac: Option<MacAddress>,
    /// Receive frames for any MAC address (bridged ports).
    pub is_promiscuous: bool,
    /// Frames are sent with a VLAN tag.
    pub has_vlan: bool,
    /// Buffers of the pool that AF_XDP ports share; zero where there shall never be one.
    pub paged_buffers: u32,
}

/// The MTU that AF_XDP ports announce is what their buffers hold.
const _: () = assert!(xdp::FRAME_OCTETS_MAX + xdp::KERNEL_HEADROOM_OCTETS == PAGE_FILL_OCTETS);

/// The pool of AF_XDP ports, made with the first of them; pools are never freed.
static PAGED_POOL: Mutex<Option<Mempool>> = Mutex::new(None);

/// Why a port did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The device.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The pool of AF_XDP ports.
    #[error("{0} for AF_XDP ports")]
    Pool(#[from] MempoolError),
    /// Memory for AF_XDP is set aside at the start.
    #[error("this router was started without an AF_XDP port and has no packet memory for one")]
    NotPaged,
    /// The thread that looks for the other end.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// What one worker owns of a port.
#[derive(Debug)]
pub struct QueuePair {
    /// Where packets come from.
    pub rx: RxQueue,
    /// Where packets go to.
    pub tx: TxQueue,
    /// How the worker is woken; to be taken out of its poller before it is dropped.
    pub wakeup: Wakeup,
}

/// A port that runs.
#[derive(Debug)]
pub struct OpenPort {
    /// The device, for the control side.
    pub port: Port<Started>,
    /// The address its frames come from.
    pub mac: MacAddress,
    /// The driver's name.
    pub driver: String,
    /// Largest IPv6 packet, in octets; 0 where the driver does not say.
    pub mtu_max: u16,
    /// Speed in Mbit/s, where known.
    pub speed_mbps: Option<u32>,
    /// What the device does by itself.
    pub grant: Grant,
    /// One for each worker, or as many as the device has.
    pub queues: Vec<QueuePair>,
    /// For the control and telemetry threads.
    pub stats: PortStats,
}

/// Opens a device.
pub fn open(
    eal: &Eal,
    spec: &DeviceSpec,
    options: &OpenOptions,
    pool: Mempool,
) -> Result<OpenPort, OpenError> {
    let is_paged = matches!(spec, DeviceSpec::AfXdp(_));
    let pool = if is_paged { make_paged_pool(eal, options.paged_buffers)? } else { pool };
    if let Some(socket) = spec.listens_at() {
        redial::remove_stale(socket);
    }
    // Without /proc the worker looks by itself, which costs a little; nothing else is lost.
    let before = Descriptors::now().ok();
    let stopped = probe(eal, spec, options.workers, pool)?;
    let driver = stopped.info().driver.clone();
    let queues_max = queues_max(spec, stopped.info());
    let mtu_roomy = options.mtu.saturating_add(options.mtu_room).min(stopped.info().mtu_max);
    let mtu_wanted = Some(options.mtu.max(mtu_roomy)).filter(|_| spec.sets_mtu());
    let StartedPort { port, mut rx, tx, redial } = stopped.start(
        &PortOptions {
            queues: options.workers.min(queues_max),
            descriptors: options.descriptors,
            mtu: mtu_wanted,
            mac: options.mac,
            is_promiscuous: options.is_promiscuous,
            wants_interrupts: spec.needs_bus(),
            has_vlan: options.has_vlan,
            has_single_pool: options.paged_buffers == 0,
            may_lack_peer: spec.may_lack_peer(),
        },
        pool,
    )?;
    if let Some(redial) = redial {
        redial::look_after(redial).map_err(OpenError::Thread)?;
    }
    if matches!(spec, DeviceSpec::AfPacket(_)) {
        discard_strangers(&mut rx);
    }
    let companions = before.map_or_else(Vec::new, |before| companions(spec, &before, rx.len()));
    let drops = companions.iter().filter_map(|found| found.ring_drops().ok().flatten()).collect();
    let mut companions = companions.into_iter();
    let queues = rx
        .into_iter()
        .zip(tx)
        .map(|(rx, tx)| {
            let wakeup = match (companions.next(), rx.interrupt()) {
                (Some(companion), _) => Wakeup::Companion(companion),
                (None, Some(interrupt)) => Wakeup::Interrupt(interrupt),
                (None, None) => Wakeup::Blind,
            };
            QueuePair { rx, tx, wakeup }
        })
        .collect();
    let stats = PortStats { monitor: port.monitor(), drops: Arc::new(Mutex::new(drops)) };
    let speed_mbps = stats.link().and_then(|link| link.speed_mbps);
    let (mac, grant) = (port.info().mac, port.info().grant);
    let mtu_max = match spec {
        DeviceSpec::AfXdp(_) => xdp::MTU_BYTES_MAX.min(port.info().mtu_max),
        // The driver keeps the MTU it began with and sends nothing longer.
        DeviceSpec::Tap(_) => port.info().mtu,
        _ => port.info().mtu_max,
    };
    Ok(OpenPort { port, mac, driver, mtu_max, speed_mbps, grant, queues, stats })
}

impl OpenPort {
    /// Closes the port; `queues` are those of its workers, all of them.
    pub fn close(
        port: Port<Started>,
        stats: &PortStats,
        queues: Vec<QueuePair>,
    ) -> Result<(), PortError> {
        stats.forget_rings();
        let mut rx = Vec::with_capacity(queues.len());
        let mut tx = Vec::with_capacity(queues.len());
        for pair in queues {
            drop(pair.wakeup);
            rx.push(pair.rx);
            tx.push(pair.tx);
        }
        port.stop(rx, tx).map(Port::close)
    }
}

/// The pool of AF_XDP ports, where there is one.
pub fn paged_pool() -> Option<Mempool> {
    *PAGED_POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_paged_pool(eal: &Eal, buffers: u32) -> Result<Mempool, OpenError> {
    let mut pool = PAGED_POOL.lock().unwrap_or_else(PoisonError::into_inner);
    match *pool {
        _ if buffers == 0 => Err(OpenError::NotPaged),
        Some(pool) => Ok(pool),
        None => Ok(*pool.insert(Mempool::create_paged(eal, "paged", buffers)?)),
    }
}

/// Takes the device; an AF_PACKET ring that may not be locked in memory is tried smaller, an AF_XDP
/// interface with fewer queues than workers is taken with one.
fn probe(
    eal: &Eal,
    spec: &DeviceSpec,
    queues: u16,
    pool: Mempool,
) -> Result<Port<Stopped>, PortError> {
    let frames = match spec {
        DeviceSpec::AfPacket(_) => &RING_FRAMES[..],
        _ => &RING_FRAMES[..1],
    };
    let one = matches!(spec, DeviceSpec::AfXdp(_)) && queues > 1;
    let ways = frames.iter().map(|frames| (*frames, queues));
    let mut ways = ways.chain(one.then_some((RING_FRAMES[0], 1)));
    let (mut ring_frames, mut queues) = ways.next().unwrap_or((RING_FRAMES[0], queues));
    loop {
        let instance = INSTANCE.fetch_add(1, Ordering::Relaxed);
        let slot_octets = slot_octets(pool.mtu());
        let words = spec.arguments(DeviceShape { instance, queues, ring_frames, slot_octets });
        let outcome = Port::probe(eal, &words.devargs, &words.name);
        match (outcome, ways.next()) {
            (Err(PortError::Refused { .. }), Some(way)) => (ring_frames, queues) = way,
            (outcome, _) => return outcome,
        }
    }
}

/// Drops what the rings hold from before they belonged to one interface: the driver makes its
/// sockets for all frames of the host and binds them to the interface when the rings are there
/// already, so that a new port would hear its sisters' neighbours.
fn discard_strangers(rx: &mut [RxQueue]) {
    for queue in rx {
        queue.discard(usize::from(RING_FRAMES[0]));
    }
}

/// Pairs of queues that a device may be asked for.
fn queues_max(spec: &DeviceSpec, info: &PortInfo) -> u16 {
    let pairs = info.rx_queues_max.min(info.tx_queues_max).max(1);
    match spec {
        DeviceSpec::Tap(_) => pairs.min(TAP_QUEUES_MAX),
        _ => pairs,
    }
}

/// The descriptors that wake the workers, one for each queue or none at all.
fn companions(spec: &DeviceSpec, before: &Descriptors, queue_count: usize) -> Vec<Companion> {
    let ifindex = spec.kernel_interface().and_then(link_index);
    let kind = match (spec, ifindex) {
        (DeviceSpec::AfPacket(_), Some(ifindex)) => Kind::Packet { ifindex },
        (DeviceSpec::AfXdp(_), _) => Kind::Xdp,
        (DeviceSpec::Tap(name), _) => Kind::Tap { name },
        _ => return Vec::new(),
    };
    let mut found = Companion::find(kind, before).unwrap_or_default();
    if found.len() >= queue_count {
        // Drivers duplicate a TAP queue for sending; the first ones are for receiving.
        found.truncate(queue_count);
        return found;
    }
    let beside = ifindex.map(|ifindex| (0..queue_count).map(move |_| Companion::beside(ifindex)));
    beside.and_then(|all| all.collect::<Result<_, _>>().ok()).unwrap_or_default()
}

/// Counters and link state of a port, for any thread.
#[derive(Clone, Debug)]
pub struct PortStats {
    monitor: PortMonitor,
    /// Locked by readers only, never by a worker.
    drops: Arc<Mutex<Vec<RingDrops>>>,
}

impl PortStats {
    /// The counters, what the kernel dropped in front of the port included in `rx_missed`; `None`
    /// once the port is closed.
    pub fn counters(&self) -> Option<PortCounters> {
        let mut counters = self.monitor.counters()?;
        counters.rx_missed += self.ring_drops();
        Some(counters)
    }

    /// Frames that the kernel dropped because a ring was full.
    pub fn ring_drops(&self) -> u64 {
        let drops = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        drops.iter().map(RingDrops::count).sum()
    }

    /// The driver's own counters by name.
    pub fn extended_counters(&self) -> Vec<(String, u64)> {
        self.monitor.extended_counters()
    }

    /// State of the link as the driver sees it; `net_af_packet` says up always.
    pub fn link(&self) -> Option<Link> {
        self.monitor.link()
    }

    /// Sets which frames the device receives from now on; nothing is to be done once it is closed.
    pub fn set_filter(&self, filter: Filter) -> Result<(), PortError> {
        self.monitor.set_filter(filter)
    }

    /// Lets go of the rings, so that the kernel can free them with the port.
    fn forget_rings(&self) {
        self.drops.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
