//! A device from probe to removal.
//!
//! Owns [`Port`] in its two states, the set-up of queues, MTU, addresses and filters, and
//! [`PortMonitor`], which other threads read counters and link state through.
//!
//! ```text
//!  probe ──► Port<Stopped> ── start ──► Port<Started> + queues
//!                 │  ▲                       │
//!              close └─── stop (all queues) ─┘
//! ```
//!
//! *Invariants*: the `Lease` is shared by a port and its queues; when the last of them goes, the
//! device is stopped, closed and taken off its bus. A monitor never keeps a device open and never
//! reads another device that got the same number later.
//!
//! *Standards*: DPDK programmer's guide, "Poll Mode Driver". `net_af_packet` and `net_tap` refuse
//! an MTU above 1500; for them `mtu` is `None` and the kernel's device is set by netlink. The first
//! carries larger frames all the same, the second does not send them.

use super::eal::Eal;
use super::failure::Failure;
use super::gate::Gate;
use super::mempool::Mempool;
use super::queue::{RxQueue, TxQueue};
use super::redial::Redial;
use crate::base::ids::MacAddress;
use core::marker::PhantomData;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the end of a port waits for an attempt to start its device.
const REDIAL_TIME_MAX: Duration = Duration::from_millis(200);

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The device string has a zero octet inside.
    #[error("the device {0:?} contains a zero octet")]
    Name(String),
    /// DPDK refused a step.
    #[error("cannot {action} {device}: {failure}")]
    Refused {
        /// What was tried, in words that follow "cannot".
        action: &'static str,
        /// The device.
        device: String,
        /// What DPDK said.
        failure: Failure,
    },
    /// The driver took the device, but no port came of it.
    #[error("{device} is no network device that a DPDK driver here knows: {log}")]
    NoPort {
        /// The device.
        device: String,
        /// What the drivers logged.
        log: String,
    },
    /// Fewer queues than workers.
    #[error("{device} has {rx_max} receive and {tx_max} transmit queues, {wanted} are wanted")]
    Queues {
        /// The device.
        device: String,
        /// Queues wanted of each kind.
        wanted: u16,
        /// Receive queues there are.
        rx_max: u16,
        /// Transmit queues there are.
        tx_max: u16,
    },
    /// `stop` without all queues of the port.
    #[error("{device} cannot stop while a worker holds one of its queues")]
    QueuesOut {
        /// The device.
        device: String,
    },
}

/// What EAL knows the device as.
#[derive(Debug)]
struct Device {
    port: u16,
    name: String,
    is_open: Mutex<bool>,
}

/// Keeps the device open; shared by a port and its queues, dropped by the last of them.
#[derive(Debug)]
pub(super) struct Lease {
    device: Arc<Device>,
    /// Held while the device is being started again.
    pub(super) redialling: Mutex<()>,
}

impl Lease {
    /// Waits a little for a `Redial` at work, which holds the lease for some microseconds; one
    /// whose other end does not answer keeps it longer, and then closes the device itself.
    fn wait_for_redial(&self) {
        let deadline = Instant::now() + REDIAL_TIME_MAX;
        while self.redialling.try_lock().is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[inline]
    pub(super) fn port(&self) -> u16 {
        self.device.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut is_open = self.device.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        *is_open = false;
        // SAFETY: no queue exists any more, as each holds the lease, so no thread is inside a
        // burst.
        unsafe {
            dpdk_sys::rte_eth_dev_stop(self.device.port);
            dpdk_sys::kumiki_port_remove(self.device.port);
        }
    }
}

/// State of a port whose queues do not exist.
#[derive(Debug)]
pub struct Stopped;

/// State of a port whose queues run.
#[derive(Debug)]
pub struct Started;

/// What a device is and can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// The DPDK driver.
    pub driver: String,
    /// Receive queues at most.
    pub rx_queues_max: u16,
    /// Transmit queues at most.
    pub tx_queues_max: u16,
    /// Largest MTU, in octets; 0 where the driver does not say.
    pub mtu_max: u16,
    /// MTU that the device has before it is set up, in octets.
    pub mtu: u16,
    /// The device's own MAC address.
    pub mac: MacAddress,
    /// NUMA node; `None` where it has none.
    pub numa_node: Option<u16>,
    /// What it does by itself, once it is started.
    pub grant: Grant,
}

/// What a device was found to do by itself; what it does not, software does or nobody needs.
///
/// Not asked for, because nothing is gained: checksums (IPv6 has none, what a router forwards is
/// not its to check, and its own messages are few), and taking the tag off received frames (one
/// comparison less, but the tag must be in the frame for whom the packet is punted to).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Queues of each kind.
    pub queues: u16,
    /// Descriptors of a receive queue.
    pub rx_descriptors: u16,
    /// Descriptors of a transmit queue.
    pub tx_descriptors: u16,
    /// It spreads flows over its receive queues.
    pub spreads_flows: bool,
    /// Both directions of a flow meet in one queue.
    pub is_symmetric: bool,
    /// It puts VLAN tags in.
    pub inserts_vlan: bool,
    /// It returns sent buffers in bulk without looking at each.
    pub frees_fast: bool,
}

/// How a port shall be set up.
#[derive(Clone, Debug)]
pub struct PortOptions {
    /// Receive and transmit queues, one of each for every worker.
    pub queues: u16,
    /// Descriptors of each queue; the driver's limits win.
    pub descriptors: u16,
    /// MTU in octets; `None` leaves the device's.
    pub mtu: Option<u16>,
    /// MAC address to use instead of the device's.
    pub mac: Option<MacAddress>,
    /// Receive frames for any MAC address.
    pub is_promiscuous: bool,
    /// Try to have an interrupt for each receive queue.
    pub wants_interrupts: bool,
    /// Its frames carry a VLAN tag, which the device shall put in where it can.
    pub has_vlan: bool,
    /// Everything that is ever sent comes from `pool`, so that the device need not ask each buffer
    /// where it belongs.
    pub has_single_pool: bool,
    /// The other end may be missing: the port is there all the same, without link, until
    /// [`StartedPort::redial`] finds it.
    pub may_lack_peer: bool,
}

/// Which frames a device receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Those for its own MAC and for groups.
    Own,
    /// All.
    None,
}

impl Filter {
    /// Sets it; all frames also where the driver cannot take all groups otherwise.
    fn set(self, port: u16) -> Result<(), Failure> {
        // SAFETY: a plain number.
        let groups = Failure::check(unsafe { dpdk_sys::rte_eth_allmulticast_enable(port) });
        let result = match self {
            // SAFETY: a plain number.
            Self::Own if groups.is_ok() => unsafe { dpdk_sys::rte_eth_promiscuous_disable(port) },
            // SAFETY: a plain number.
            Self::Own | Self::None => unsafe { dpdk_sys::rte_eth_promiscuous_enable(port) },
        };
        match Failure::check(result) {
            // A driver without any filter receives everything.
            Err(failure) if !failure.is_unsupported() => Err(failure),
            _ => Ok(()),
        }
    }
}

/// State of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Carrier, as the driver reports it; `net_af_packet` says up always.
    pub is_up: bool,
    /// Speed in Mbit/s, where known.
    pub speed_mbps: Option<u32>,
}

crate::counters! {
    /// What a device counted since it was started.
    pub struct PortCounters {
        rx_packets: "packets", "Packets received.";
        tx_packets: "packets", "Packets sent.";
        rx_octets: "octets", "Octets received.";
        tx_octets: "octets", "Octets sent.";
        rx_missed: "packets", "Packets for which the receive ring had no room.";
        rx_errors: "packets", "Packets received with errors.";
        tx_errors: "packets", "Packets the device failed to send.";
        rx_no_buffer: "packets", "Receptions that found the buffer pool empty.";
    }
}

/// A device; as many as are configured, owned by the control side.
#[derive(Debug)]
pub struct Port<State> {
    lease: Arc<Lease>,
    info: PortInfo,
    state: PhantomData<State>,
}

/// A started port and its queues, the receive and transmit queue of each worker at the same index.
#[derive(Debug)]
pub struct StartedPort {
    /// The port.
    pub port: Port<Started>,
    /// Receive queues.
    pub rx: Vec<RxQueue>,
    /// Transmit queues.
    pub tx: Vec<TxQueue>,
    /// Where the other end may come and go.
    pub redial: Option<Redial>,
}

impl<State> Port<State> {
    /// What the device is.
    pub const fn info(&self) -> &PortInfo {
        &self.info
    }

    /// EAL's name of the device.
    pub fn name(&self) -> &str {
        &self.lease.device.name
    }

    pub(super) const fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// For other threads.
    pub fn monitor(&self) -> PortMonitor {
        PortMonitor { device: Arc::clone(&self.lease.device) }
    }

    fn check(&self, action: &'static str, result: i32) -> Result<(), PortError> {
        Failure::check(result).map_err(|failure| PortError::Refused {
            action,
            device: self.name().to_owned(),
            failure,
        })
    }

    fn into_state<Other>(self) -> Port<Other> {
        Port { lease: self.lease, info: self.info, state: PhantomData }
    }
}

impl Port<Stopped> {
    /// Takes a device: `devargs` as EAL wants them, `name` as EAL calls the device. Works at any
    /// time after the start of EAL.
    pub fn probe(_eal: &Eal, devargs: &str, name: &str) -> Result<Self, PortError> {
        let c_string =
            |text: &str| CString::new(text).map_err(|_| PortError::Name(text.to_owned()));
        let (c_devargs, c_name) = (c_string(devargs)?, c_string(name)?);
        let mut result = 0;
        // SAFETY: EAL runs, which `_eal` proves; both strings live until the call returns.
        let port = unsafe {
            dpdk_sys::kumiki_port_probe(c_devargs.as_ptr(), c_name.as_ptr(), &raw mut result)
        };
        let device = || devargs.to_owned();
        Failure::check(result).map_err(|failure| PortError::Refused {
            action: "open",
            device: device(),
            failure,
        })?;
        if u32::from(port) == dpdk_sys::KUMIKI_PORT_NONE {
            let log = super::failure::take_log();
            return Err(PortError::NoPort { device: device(), log });
        }
        let device = Device { port, name: name.to_owned(), is_open: Mutex::new(true) };
        let lease = Arc::new(Lease { device: Arc::new(device), redialling: Mutex::default() });
        let info = PortInfo {
            driver: String::new(),
            rx_queues_max: 0,
            tx_queues_max: 0,
            mtu_max: 0,
            mtu: 0,
            mac: MacAddress::default(),
            numa_node: None,
            grant: Grant::default(),
        };
        let mut taken = Self { lease, info, state: PhantomData };
        taken.info = taken.describe()?;
        Ok(taken)
    }

    fn describe(&self) -> Result<PortInfo, PortError> {
        let port = self.lease.port();
        let mut info = dpdk_sys::kumiki_port_info::default();
        // SAFETY: the shim fills the structure, which lives on this stack.
        let result = unsafe { dpdk_sys::kumiki_port_describe(port, &raw mut info) };
        self.check("describe", result)?;
        let mut mac = dpdk_sys::rte_ether_addr::default();
        // SAFETY: DPDK fills the structure, which lives on this stack.
        let result = unsafe { dpdk_sys::rte_eth_macaddr_get(port, &raw mut mac) };
        self.check("read the MAC address of", result)?;
        // SAFETY: the shim ends the text with a zero octet within the array.
        let driver = unsafe { CStr::from_ptr(info.driver.as_ptr()) };
        Ok(PortInfo {
            driver: driver.to_string_lossy().into_owned(),
            rx_queues_max: info.rx_queues_max,
            tx_queues_max: info.tx_queues_max,
            mtu_max: info.mtu_max,
            mtu: info.mtu,
            mac: MacAddress(mac.addr_bytes),
            numa_node: u16::try_from(info.socket).ok(),
            grant: Grant::default(),
        })
    }

    /// Sets the port up and starts it. When this fails, the device is closed.
    pub fn start(mut self, options: &PortOptions, pool: Mempool) -> Result<StartedPort, PortError> {
        let queues_max = self.info.rx_queues_max.min(self.info.tx_queues_max);
        if options.queues == 0 || options.queues > queues_max {
            return Err(PortError::Queues {
                device: self.name().to_owned(),
                wanted: options.queues,
                rx_max: self.info.rx_queues_max,
                tx_max: self.info.tx_queues_max,
            });
        }
        // Drivers without rx interrupts refuse them, some in the set-up, some at the start.
        let with_interrupts = options.wants_interrupts.then(|| self.set_up(options, pool, true));
        self.info.grant = match with_interrupts {
            Some(Ok(grant)) => grant,
            None | Some(Err(_)) => self.set_up(options, pool, false)?,
        };
        self.set_filters(options)?;
        let gate = options.may_lack_peer.then(|| Arc::new(Gate::new(options.queues)));
        let redial = gate.as_ref().map(|gate| Redial::new(&self.lease, Arc::clone(gate)));
        if let Some(redial) = &redial {
            redial.attempt();
        }
        let lease = || Arc::clone(&self.lease);
        let queues = 0..options.queues;
        let rx = queues.clone().map(|queue| RxQueue::new(lease(), queue, gate.clone())).collect();
        let inserts_vlan = self.info.grant.inserts_vlan;
        let tx = queues.map(|queue| TxQueue::new(lease(), queue, gate.clone(), inserts_vlan));
        let tx = tx.collect();
        if let Some(mac) = options.mac {
            self.info.mac = mac;
        }
        Ok(StartedPort { port: self.into_state(), rx, tx, redial })
    }

    fn set_up(
        &self,
        options: &PortOptions,
        pool: Mempool,
        has_interrupts: bool,
    ) -> Result<Grant, PortError> {
        let port = self.lease.port();
        let wanted = dpdk_sys::kumiki_port_options {
            rx_queues: options.queues,
            tx_queues: options.queues,
            descriptors: options.descriptors,
            mtu: options.mtu.unwrap_or(0),
            interrupts: u8::from(has_interrupts),
            single_pool: u8::from(options.has_single_pool),
            vlan: u8::from(options.has_vlan),
        };
        let mut grant = dpdk_sys::kumiki_port_grant::default();
        // SAFETY: both structures live until the call returns, the pool for the whole process.
        let result = unsafe {
            dpdk_sys::kumiki_port_configure(port, &raw const wanted, pool.as_ptr(), &raw mut grant)
        };
        self.check("configure", result)?;
        let grant = Grant {
            queues: options.queues,
            rx_descriptors: grant.rx_descriptors,
            tx_descriptors: grant.tx_descriptors,
            spreads_flows: grant.rss != 0,
            is_symmetric: grant.rss_symmetric != 0,
            inserts_vlan: grant.vlan_insert != 0,
            frees_fast: grant.fast_free != 0,
        };
        if let Some(MacAddress(addr_bytes)) = options.mac.filter(|mac| *mac != self.info.mac) {
            let mut mac = dpdk_sys::rte_ether_addr { addr_bytes };
            // SAFETY: DPDK copies the address.
            let result = unsafe { dpdk_sys::rte_eth_dev_default_mac_addr_set(port, &raw mut mac) };
            self.check("set the MAC address of", result)?;
        }
        if options.may_lack_peer {
            // `Redial` starts it, now and whenever the other end has been away.
            return Ok(grant);
        }
        // SAFETY: a plain number; all queues are set up.
        let result = unsafe { dpdk_sys::rte_eth_dev_start(port) };
        self.check("start", result).map(|()| grant)
    }

    /// Group addresses always (neighbour discovery, OSPF); all frames where asked for, or where the
    /// driver cannot take all groups otherwise.
    fn set_filters(&self, options: &PortOptions) -> Result<(), PortError> {
        let filter = if options.is_promiscuous { Filter::None } else { Filter::Own };
        filter.set(self.lease.port()).map_err(|failure| PortError::Refused {
            action: "receive group addresses on",
            device: self.name().to_owned(),
            failure,
        })
    }

    /// Closes the device and takes it off its bus; dropping does the same.
    pub fn close(self) {}
}

impl Port<Started> {
    /// Stops the port. All its queues must be given back; a queue that is still with a worker makes
    /// this an error, and the device then closes when that queue is dropped.
    pub fn stop(self, rx: Vec<RxQueue>, tx: Vec<TxQueue>) -> Result<Port<Stopped>, PortError> {
        let is_ours = |lease: &Arc<Lease>| Arc::ptr_eq(lease, &self.lease);
        debug_assert!(rx.iter().all(|queue| is_ours(queue.lease())), "queues of another port");
        debug_assert!(tx.iter().all(|queue| is_ours(queue.lease())), "queues of another port");
        drop((rx, tx));
        self.lease.wait_for_redial();
        if Arc::strong_count(&self.lease) != 1 {
            return Err(PortError::QueuesOut { device: self.name().to_owned() });
        }
        // SAFETY: no queue exists any more.
        let result = unsafe { dpdk_sys::rte_eth_dev_stop(self.lease.port()) };
        self.check("stop", result)?;
        Ok(self.into_state())
    }
}

/// Counters and link state of a device, for any thread; any number of them.
#[derive(Clone, Debug)]
pub struct PortMonitor {
    device: Arc<Device>,
}

impl PortMonitor {
    /// Runs `read` while the device cannot be closed; `None` when it is.
    fn with_open<T>(&self, read: impl FnOnce(u16) -> Option<T>) -> Option<T> {
        let is_open = self.device.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_open { read(self.device.port) } else { None }
    }

    /// The counters; `None` once the device is closed.
    pub fn counters(&self) -> Option<PortCounters> {
        self.with_open(|port| {
            let mut stats = dpdk_sys::kumiki_port_stats::default();
            // SAFETY: the shim fills the structure, which lives on this stack.
            let result = unsafe { dpdk_sys::kumiki_port_stats(port, &raw mut stats) };
            (result == 0).then_some(PortCounters {
                rx_packets: stats.rx_packets,
                tx_packets: stats.tx_packets,
                rx_octets: stats.rx_octets,
                tx_octets: stats.tx_octets,
                rx_missed: stats.rx_missed,
                rx_errors: stats.rx_errors,
                tx_errors: stats.tx_errors,
                rx_no_buffer: stats.rx_no_buffer,
            })
        })
    }

    /// Sets which frames the device receives from now on; nothing is to be done once it is closed.
    pub fn set_filter(&self, filter: Filter) -> Result<(), PortError> {
        let failure = self.with_open(|port| filter.set(port).err());
        failure.map_or(Ok(()), |failure| {
            let action = "change the filter of";
            Err(PortError::Refused { action, device: self.device.name.clone(), failure })
        })
    }

    /// The driver's own counters by name; empty once the device is closed.
    pub fn extended_counters(&self) -> Vec<(String, u64)> {
        self.with_open(read_extended).unwrap_or_default()
    }

    /// State of the link; `None` once the device is closed.
    pub fn link(&self) -> Option<Link> {
        self.with_open(|port| {
            let mut link = dpdk_sys::kumiki_link::default();
            // SAFETY: the shim fills the structure, which lives on this stack.
            let result = unsafe { dpdk_sys::kumiki_port_link(port, &raw mut link) };
            (result == 0).then_some(Link {
                is_up: link.is_up != 0,
                speed_mbps: Some(link.speed_mbps).filter(|speed| ![0, u32::MAX].contains(speed)),
            })
        })
    }
}

fn read_extended(port: u16) -> Option<Vec<(String, u64)>> {
    // SAFETY: asks for the number of counters only.
    let count = unsafe { dpdk_sys::rte_eth_xstats_get_names(port, core::ptr::null_mut(), 0) };
    let room = usize::try_from(count).ok()?;
    let mut names = vec![dpdk_sys::rte_eth_xstat_name { name: [0; 64] }; room];
    let mut values = vec![dpdk_sys::rte_eth_xstat::default(); room];
    let room = u32::try_from(room).ok()?;
    // SAFETY: both arrays have room for as many entries as is said.
    let (named, valued) = unsafe {
        (
            dpdk_sys::rte_eth_xstats_get_names(port, names.as_mut_ptr(), room),
            dpdk_sys::rte_eth_xstats_get(port, values.as_mut_ptr(), room),
        )
    };
    if named != count || valued != count {
        return None;
    }
    let pair = |value: &dpdk_sys::rte_eth_xstat| {
        let name = names.get(usize::try_from(value.id).ok()?)?;
        // SAFETY: DPDK ends each name with a zero octet within the array.
        let text = unsafe { CStr::from_ptr(name.name.as_ptr()) };
        Some((text.to_string_lossy().into_owned(), value.value))
    };
    Some(values.iter().filter_map(pair).collect())
}
