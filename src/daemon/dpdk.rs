//! DPDK as the daemon uses it: started once, a pool of packets, devices to open.
//!
//! Owns the sizes: how many buffers this configuration needs. Everything else of the daemon is the
//! same without DPDK.
//!
//! *Invariants*: EAL is never stopped; it and the pool live as long as the process.

use crate::config::{Config, PortDevice};
use crate::daemon::cpus::CpuPlan;
use crate::daemon::devices::{DeviceOpener, DeviceQueues, DeviceStats, OpenDevice, PlannedPort};
use crate::daemon::error::{PortProblem, RunError};
use crate::daemon::worker::{Admission, ThreadPass};
use crate::dataplane::inject::INJECT_RING_MAX;
use crate::dataplane::punt::{CONTROL_RING_MAX, OSPF_RING_MAX};
use crate::dpdk::{Eal, EalOptions, EalThread, Mbuf, MbufAlloc, Mempool};
use crate::ports::DeviceSpec;
use crate::ports::dpdk::{
    DESCRIPTORS_DEFAULT, OpenError, OpenOptions, OpenPort, PAGED_MEMORY_MIB, PortStats, QueuePair,
    open,
};
use rustix::thread::{CapabilitySet, capabilities};
use std::path::PathBuf;
use std::sync::Arc;

/// Buffers for what a worker has in its hands and its rings; rings are rarely full at once.
const BUFFERS_PER_WORKER: u32 = 4096;
const _: () = assert!(BUFFERS_PER_WORKER as usize >= INJECT_RING_MAX);
const _: () = assert!(BUFFERS_PER_WORKER as usize >= OSPF_RING_MAX + CONTROL_RING_MAX);
/// Buffers in the caches of the threads that touch packets.
const BUFFERS_IN_CACHES: u32 = 1024;
/// Buffers that a virtual device keeps for each queue.
const BUFFERS_PER_VIRTUAL_QUEUE: u32 = 256;

/// DPDK that runs.
pub struct Dpdk {
    /// Opens devices.
    pub opener: DpdkOpener,
    /// Lets threads touch packets.
    pub admission: Admission<Mbuf>,
    /// Version, for people.
    pub version: String,
}

/// Opens devices by DPDK.
pub struct DpdkOpener {
    eal: &'static Eal,
    pool: Mempool,
    descriptors: u16,
}

/// Starts DPDK for a configuration.
pub fn start(config: &Config, planned: &[PlannedPort], cpus: &CpuPlan) -> Result<Dpdk, RunError> {
    let descriptors = config.dpdk.descriptors.unwrap_or(DESCRIPTORS_DEFAULT);
    let buffers =
        config.dpdk.buffers.unwrap_or_else(|| buffers(planned, cpus.workers.len(), descriptors));
    let has_paged = planned.iter().any(|port| matches!(port.spec, DeviceSpec::AfXdp(_)));
    let may_have_pci = config.ports.iter().any(|port| {
        matches!(port.device, PortDevice::Pci(_) | PortDevice::Vmbus(_) | PortDevice::Match { .. })
    });
    let pci_allowed = planned.iter().filter_map(|port| match &port.spec {
        DeviceSpec::Pci(words) => Some(words.split(',').next().unwrap_or(words).to_owned()),
        _ => None,
    });
    let prefix = format!("kumiki-{}", std::process::id());
    let eal = Eal::init(&EalOptions {
        main_cpus: cpus.others.clone(),
        hugepages: config.dpdk.hugepages,
        memory_mib: Mempool::memory_mib(buffers) + if has_paged { PAGED_MEMORY_MIB } else { 0 },
        file_prefix: prefix.clone(),
        has_pci: may_have_pci,
        pci_allowed: pci_allowed.collect(),
        eal_args: config.dpdk.eal_args.clone(),
        is_verbose: tracing::enabled!(tracing::Level::DEBUG),
    })?;
    remove_runtime_folder(&prefix);
    let eal: &'static Eal = Box::leak(Box::new(eal));
    let pool = Mempool::create(eal, "packets", buffers)?;
    let memory = if eal.has_hugepages() { "hugepages" } else { "ordinary memory" };
    let version = crate::dpdk::eal::version();
    tracing::info!(topic = "dpdk.start", "{version}, {buffers} packet buffers in {memory}");
    let admission: Admission<Mbuf> = Arc::new(move || {
        let thread = EalThread::register(eal)?;
        Ok(ThreadPass { alloc: Box::new(MbufAlloc::new(pool, &thread)), proof: Box::new(thread) })
    });
    Ok(Dpdk { opener: DpdkOpener { eal, pool, descriptors }, admission, version })
}

/// EAL makes a folder for what processes share, of which there is nothing here: without this, every
/// start, also one that ends by SIGKILL, would leave an empty one behind. One that is not empty
/// stays.
fn remove_runtime_folder(prefix: &str) {
    let folder = match (std::env::var_os("RUNTIME_DIRECTORY"), std::env::var_os("XDG_RUNTIME_DIR"))
    {
        (Some(folder), _) => PathBuf::from(folder),
        (None, _) if rustix::process::getuid().is_root() => PathBuf::from("/var/run"),
        (None, Some(folder)) => PathBuf::from(folder),
        (None, None) => PathBuf::from("/tmp"),
    };
    let _ = std::fs::remove_dir(folder.join("dpdk").join(prefix));
}

fn buffers(planned: &[PlannedPort], workers: usize, descriptors: u16) -> u32 {
    let workers = u32::try_from(workers).unwrap_or(1);
    let per_queue = |port: &PlannedPort| match &port.spec {
        DeviceSpec::AfPacket(_) | DeviceSpec::AfXdp(_) | DeviceSpec::Tap(_) => {
            BUFFERS_PER_VIRTUAL_QUEUE
        }
        _ => 2 * u32::from(descriptors),
    };
    let queues: u32 = planned.iter().map(per_queue).sum();
    BUFFERS_IN_CACHES + workers * (BUFFERS_PER_WORKER + queues)
}

impl DeviceOpener<Mbuf> for DpdkOpener {
    fn open(&mut self, port: &PlannedPort, workers: u16) -> Result<OpenDevice<Mbuf>, PortProblem> {
        let options = OpenOptions {
            workers,
            descriptors: self.descriptors,
            mtu: port.settings.mtu,
            mac: port.settings.mac,
            is_promiscuous: false,
        };
        let opened = open(self.eal, &port.spec, &options, self.pool)
            .map_err(|error| problem(port, &error))?;
        let OpenPort { port: device, mac, driver, mtu_max, speed_mbps, queues, stats } = opened;
        let queues = queues.into_iter().map(|pair| {
            let QueuePair { rx, tx, wakeup } = pair;
            DeviceQueues { rx: Box::new(rx), tx: Box::new(tx), wakeup }
        });
        let queues = queues.collect();
        let rings = stats.clone();
        let close =
            move || OpenPort::close(device, &rings, Vec::new()).map_err(|error| error.to_string());
        let stats = Arc::new(stats);
        let close = Box::new(close);
        Ok(OpenDevice { mac, driver, mtu_max, speed_mbps, queues, stats, close })
    }
}

/// What a refusal means. Drivers of kernel interfaces do not say why the kernel refused.
fn problem(port: &PlannedPort, error: &OpenError) -> PortProblem {
    let needs = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    let has = capabilities(None).map(|sets| sets.effective);
    let is_allowed = has.is_ok_and(|has| has.contains(needs));
    match port.spec.kernel_interface() {
        Some(_) if !is_allowed => PortProblem::Denied(remedy(port, error)),
        _ => PortProblem::Device(remedy(port, error)),
    }
}

/// The refusal with what would help.
fn remedy(port: &PlannedPort, error: &OpenError) -> String {
    let advice = match (&port.spec, error) {
        (_, OpenError::Port(crate::dpdk::PortError::Queues { .. })) => {
            "name fewer CPUs in `[dpdk] lcores`, one worker takes one pair of queues"
        }
        (DeviceSpec::Pci(_), _) => {
            "is it there (`lspci`), bound to vfio-pci (`driverctl set-override ADDRESS vfio-pci`) \
             and not used by another program?"
        }
        (DeviceSpec::Vmbus(_), _) => {
            "is it there (`ls /sys/bus/vmbus/devices`) and bound to uio_hv_generic (`driverctl -b \
             vmbus set-override UUID uio_hv_generic`)?"
        }
        (DeviceSpec::AfPacket(_) | DeviceSpec::AfXdp(_) | DeviceSpec::Tap(_), _) => {
            "run as root, or with CAP_NET_ADMIN and CAP_NET_RAW"
        }
        _ => return error.to_string(),
    };
    format!("{error}; {advice}")
}

impl DeviceStats for PortStats {
    fn losses(&self) -> Vec<(&'static str, u64, &'static str)> {
        let Some(counters) = self.counters() else { return Vec::new() };
        let infos = crate::dpdk::PortCounters::INFO.iter().zip(counters.values());
        // The first four tell of packets that came through.
        infos.skip(4).map(|(info, count)| (info.name, count, info.help)).collect()
    }

    fn missed(&self) -> u64 {
        self.counters().map_or(0, |counters| counters.rx_missed + counters.rx_no_buffer)
    }

    fn is_up(&self) -> Option<bool> {
        self.link().map(|link| link.is_up)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::schema::dpdk::DPDK;
    use crate::daemon::counters::DaemonCounter;
    use crate::dpdk::PortCounters;

    #[test]
    fn the_help_of_the_pool_names_counters_that_there_are() {
        let key = DPDK.keys.iter().find(|key| key.name == "buffers").unwrap();
        let words = key.help.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let named: Vec<&str> = words.filter(|word| word.contains('_')).collect();
        let of_ports = PortCounters::INFO.iter().map(|info| info.name);
        let of_daemon = DaemonCounter::ALL.iter().map(|counter| counter.name());
        let known: Vec<&str> = of_ports.chain(of_daemon).collect();
        assert!(named.len() == 2 && named.iter().all(|name| known.contains(name)), "{named:?}");
    }
}
