//! The generator over DPDK: EAL, a pool, ports, and this thread on its core.
//!
//! Owns [`Bench`]. Devices are named in the words of the router's configuration.
//!
//! *Invariants*: one per process, as EAL starts once.

use crate::traffic::engine::{Clock, End, Engine};
use kumiki::base::ids::MacAddress;
use kumiki::config::PortDevice;
use kumiki::dpdk::eal::{cycles, cycles_per_second};
use kumiki::dpdk::mempool::MempoolError;
use kumiki::dpdk::{
    Eal, EalError, EalOptions, EalThread, Mbuf, MbufAlloc, Mempool, Port, PortMonitor, Started,
};
use kumiki::os::netlink::link_index;
use kumiki::ports::DeviceSpec;
use kumiki::ports::dpdk::{DESCRIPTORS_DEFAULT, OpenError, OpenOptions, open};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

/// Buffers of the pool: two rings full, and what is under way.
const BUFFERS: u32 = 8192;
/// How long a device may take until its link is up.
const LINK_PATIENCE: Duration = Duration::from_secs(10);
/// Largest IPv6 packet.
const MTU: u16 = 9000;
/// Buffers of the pool of AF_XDP devices: two with full rings.
const PAGED_BUFFERS: u32 = 16_384;

/// A device, and the addresses for which the generator answers there.
#[derive(Clone, Debug)]
pub struct EndOptions {
    /// In the words of the router: `af_packet:eth1`.
    pub device: String,
    /// Addresses.
    pub addresses: Vec<Ipv6Addr>,
}

/// How the bench is set up.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The end that sends, and the one that only receives, where it is another.
    pub ends: Vec<EndOptions>,
    /// The core of the generator.
    pub cpu: u16,
    /// Buffers in hugepages; `None`: where there are any.
    pub hugepages: Option<bool>,
}

/// Why there is no bench.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The core.
    #[error("core {0} is not there or not ours; there are {1}; see --cpu")]
    Cpu(u16, String),
    /// The words for a device.
    #[error("`{0}` is no device: {1}")]
    Words(String, String),
    /// A kernel interface.
    #[error("there is no interface `{0}` here (`ip link` lists them)")]
    NoInterface(String),
    /// The same device twice.
    #[error("`{0}` cannot be both ends; leave --rx out, and it sends and receives")]
    Twice(String),
    /// EAL.
    #[error(transparent)]
    Eal(#[from] EalError),
    /// The pool.
    #[error(transparent)]
    Pool(#[from] MempoolError),
    /// A device.
    #[error("{0}: {1}")]
    Open(String, OpenError),
    /// No carrier.
    #[error("{0} has no link: nobody is at the other end")]
    NoLink(String),
}

/// The time-stamp counter.
#[derive(Clone, Copy, Debug)]
pub struct Tsc(u64);

impl Clock for Tsc {
    #[inline]
    fn ticks(&mut self) -> u64 {
        cycles()
    }

    fn hertz(&self) -> u64 {
        self.0
    }
}

/// Everything of a run.
pub struct Bench {
    /// The loop.
    pub engine: Engine<Mbuf, Tsc>,
    /// Drivers of the ends.
    pub drivers: Vec<String>,
    /// MAC addresses of the ends.
    pub macs: Vec<MacAddress>,
    /// Speed of the slower end in bits a second, where it is known.
    pub line_bits: Option<f64>,
    /// For counters.
    pub monitors: Vec<PortMonitor>,
    _ports: Vec<Port<Started>>,
    _thread: EalThread,
}

impl Bench {
    /// Starts DPDK and opens the devices.
    pub fn open(options: &BenchOptions) -> Result<Self, BenchError> {
        pin(options.cpu)?;
        let specs: Vec<_> =
            options.ends.iter().map(|end| spec(&end.device)).collect::<Result<_, _>>()?;
        if let [one, two] = &specs[..]
            && one == two
        {
            return Err(BenchError::Twice(options.ends[0].device.clone()));
        }
        let has_paged = specs.iter().any(|spec| matches!(spec, DeviceSpec::AfXdp(_)));
        let paged_buffers = if has_paged { PAGED_BUFFERS } else { 0 };
        let paged_mib = if has_paged { Mempool::paged_memory_mib(PAGED_BUFFERS) } else { 0 };
        let pci = specs.iter().filter_map(|spec| match spec {
            DeviceSpec::Pci(words) => Some(words.split(',').next().unwrap_or(words).to_owned()),
            _ => None,
        });
        let eal = Eal::init(&EalOptions {
            main_cpus: vec![options.cpu],
            hugepages: options.hugepages,
            memory_mib: Mempool::memory_mib(BUFFERS, MTU) + paged_mib,
            file_prefix: format!("kumiki-perf-{}", std::process::id()),
            has_pci: specs.iter().any(DeviceSpec::needs_bus),
            pci_allowed: pci.collect(),
            eal_args: Vec::new(),
            is_verbose: false,
        })?;
        let pool = Mempool::create(&eal, "packets", BUFFERS, MTU)?;
        let thread = EalThread::register(&eal)?;
        let mut bench = Self {
            engine: Engine::new(
                Vec::new(),
                Box::new(MbufAlloc::new(pool, &thread)),
                Tsc(cycles_per_second(&eal)),
            ),
            drivers: Vec::new(),
            macs: Vec::new(),
            line_bits: None,
            monitors: Vec::new(),
            _ports: Vec::new(),
            _thread: thread,
        };
        for (end, spec) in options.ends.iter().zip(&specs) {
            bench.add(&eal, end, spec, (pool, paged_buffers))?;
        }
        Ok(bench)
    }

    fn add(
        &mut self,
        eal: &Eal,
        end: &EndOptions,
        spec: &DeviceSpec,
        (pool, paged_buffers): (Mempool, u32),
    ) -> Result<(), BenchError> {
        let wanted = OpenOptions {
            workers: 1,
            descriptors: DESCRIPTORS_DEFAULT,
            mtu: MTU,
            mtu_room: 0,
            mac: None,
            is_promiscuous: true,
            has_vlan: false,
            paged_buffers,
        };
        let opened = open(eal, spec, &wanted, pool)
            .map_err(|error| BenchError::Open(end.device.clone(), error))?;
        let deadline = Instant::now() + LINK_PATIENCE;
        while opened.stats.link().is_some_and(|link| !link.is_up) {
            if Instant::now() > deadline {
                return Err(BenchError::NoLink(end.device.clone()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let speed = opened.stats.link().and_then(|link| link.speed_mbps);
        let bits = speed.map(|megabits| f64::from(megabits) * 1e6);
        self.line_bits = match (self.line_bits, bits) {
            (Some(one), Some(two)) => Some(f64::min(one, two)),
            (one, two) => one.or(two),
        };
        self.drivers.push(opened.driver);
        self.macs.push(opened.mac);
        self.monitors.push(opened.port.monitor());
        self._ports.push(opened.port);
        let mut addresses = end.addresses.clone();
        addresses.push(opened.mac.link_local());
        for queues in opened.queues {
            self.engine.add_end(End {
                rx: Box::new(queues.rx),
                tx: Box::new(queues.tx),
                mac: opened.mac,
                addresses: addresses.clone(),
            });
        }
        Ok(())
    }
}

/// Puts this thread on its core.
fn pin(cpu: u16) -> Result<(), BenchError> {
    let ours = core_affinity::get_core_ids().unwrap_or_default();
    let is_there = ours.iter().any(|core| core.id == usize::from(cpu));
    if is_there && core_affinity::set_for_current(core_affinity::CoreId { id: usize::from(cpu) }) {
        return Ok(());
    }
    let names: Vec<_> = ours.iter().map(|core| core.id.to_string()).collect();
    Err(BenchError::Cpu(cpu, names.join(", ")))
}

fn spec(words: &str) -> Result<DeviceSpec, BenchError> {
    let wrong = |error: String| BenchError::Words(words.to_owned(), error);
    let device: PortDevice = words.parse().map_err(|error| wrong(format!("{error}")))?;
    let spec = match device {
        PortDevice::Match { .. } => {
            return Err(wrong("name it, such as pci:0000:81:00.0".to_owned()));
        }
        PortDevice::Pci(address) => DeviceSpec::Pci(address),
        PortDevice::Vmbus(uuid) => DeviceSpec::Vmbus(uuid),
        PortDevice::AfPacket(name) => DeviceSpec::AfPacket(name),
        PortDevice::AfXdp(name) => DeviceSpec::AfXdp(name),
        PortDevice::Tap(name) => DeviceSpec::Tap(name),
        PortDevice::Memif(words) => DeviceSpec::Memif(words),
        PortDevice::Vdev(words) => DeviceSpec::Vdev(words),
    };
    if let DeviceSpec::AfPacket(name) | DeviceSpec::AfXdp(name) = &spec
        && link_index(name).is_none()
    {
        return Err(BenchError::NoInterface(name.clone()));
    }
    Ok(spec)
}
