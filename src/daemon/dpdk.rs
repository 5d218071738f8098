//! DPDK as the daemon uses it: started once, a pool of packets, devices to open.
//!
//! Owns [`Memory`], the pools as others see them; how big they are is `pool_plan`'s. Everything
//! else of the daemon is the same without DPDK.
//!
//! *Invariants*: EAL is never stopped; it and the pool live as long as the process.

use crate::api::show::{MempoolRow, PoolCacheRow};
use crate::config::{Config, PortDevice};
use crate::daemon::cpus::CpuPlan;
use crate::daemon::devices::{
    DeviceOpener, DeviceQueues, DeviceStats, Hearing, OpenDevice, PacketMemory, PlannedPort,
};
use crate::daemon::error::{PortProblem, RunError};
use crate::daemon::pool_plan::{Needs, PoolInput, PoolPlan, PoolProblem, Pools};
use crate::daemon::worker::{Admission, ThreadPass};
use crate::dpdk::port::Filter;
use crate::dpdk::{Eal, EalOptions, EalThread, Grant, Mbuf, MbufAlloc, Mempool};
use crate::ports::DeviceSpec;
use crate::ports::dpdk::{
    DESCRIPTORS_DEFAULT, OpenError, OpenOptions, OpenPort, PortStats, QueuePair, open, paged_pool,
};
use rustix::thread::{CapabilitySet, capabilities};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Octets of a hugepage, as most hosts have them.
const HUGEPAGE_OCTETS: u64 = 2 << 20;

/// DPDK that runs.
pub struct Dpdk {
    /// Opens devices.
    pub opener: DpdkOpener,
    /// Lets threads touch packets.
    pub admission: Admission<Mbuf>,
    /// Where packets live.
    pub memory: Arc<Memory>,
    /// Version, for people.
    pub version: String,
}

/// Opens devices by DPDK.
pub struct DpdkOpener {
    eal: &'static Eal,
    pool: Mempool,
    descriptors: u16,
    workers: usize,
    has_tun: bool,
    pools: Pools,
}

/// The pools, for `show mempool`.
#[derive(Debug)]
pub struct Memory {
    pool: Mempool,
    has_hugepages: bool,
    plan: PoolPlan,
    /// Numbers and names of the threads that have caches; locked by threads that start and by
    /// readers.
    threads: Mutex<Vec<(u32, String)>>,
}

/// Starts DPDK for a configuration.
pub fn start(config: &Config, planned: &[PlannedPort], cpus: &CpuPlan) -> Result<Dpdk, RunError> {
    let descriptors = config.dpdk.descriptors.unwrap_or(DESCRIPTORS_DEFAULT);
    let has_tun = !config.host.tun.is_empty();
    let workers = cpus.workers.len();
    let plan = PoolPlan::new(&PoolInput { ports: planned, workers, descriptors, has_tun });
    let configured = config.dpdk.buffers;
    let pools = Pools {
        packets: configured.unwrap_or_else(|| plan.packets.rounded()),
        paged: plan.paged.rounded(),
        mtu: plan.mtu,
        is_configured: configured.is_some(),
        was_short: configured.is_some_and(|buffers| buffers < plan.packets.sum()),
    };
    let prefix = format!("kumiki-{}", std::process::id());
    let eal = Eal::init(&EalOptions {
        main_cpus: cpus.others.clone(),
        hugepages: config.dpdk.hugepages,
        memory_mib: memory_mib(&pools),
        file_prefix: prefix.clone(),
        has_pci: may_have_pci(config),
        pci_allowed: pci_allowed(planned),
        eal_args: config.dpdk.eal_args.clone(),
        is_verbose: tracing::enabled!(tracing::Level::DEBUG),
    })?;
    remove_runtime_folder(&prefix);
    let eal: &'static Eal = Box::leak(Box::new(eal));
    let pool = Mempool::create(eal, "packets", pools.packets, pools.mtu)?;
    let place = if eal.has_hugepages() { "hugepages" } else { "ordinary memory" };
    let (version, count) = (crate::dpdk::eal::version(), pools.packets);
    tracing::info!(topic = "dpdk.start", "{version}, {count} packet buffers in {place}");
    let memory = Arc::new(Memory {
        pool,
        has_hugepages: eal.has_hugepages(),
        plan,
        threads: Mutex::default(),
    });
    let admission = admission(eal, Arc::clone(&memory));
    let opener = DpdkOpener { eal, pool, descriptors, workers, has_tun, pools };
    Ok(Dpdk { opener, admission, memory, version })
}

fn memory_mib(pools: &Pools) -> u32 {
    let paged = match pools.paged {
        0 => 0,
        count => Mempool::paged_memory_mib(count),
    };
    Mempool::memory_mib(pools.packets, pools.mtu).saturating_add(paged)
}

fn may_have_pci(config: &Config) -> bool {
    config.ports.iter().any(|port| {
        matches!(port.device, PortDevice::Pci(_) | PortDevice::Vmbus(_) | PortDevice::Match { .. })
    })
}

fn pci_allowed(planned: &[PlannedPort]) -> Vec<String> {
    let addresses = planned.iter().filter_map(|port| match &port.spec {
        DeviceSpec::Pci(words) => Some(words.split(',').next().unwrap_or(words).to_owned()),
        _ => None,
    });
    addresses.collect()
}

/// Lets threads in, and remembers whose caches there are.
fn admission(eal: &'static Eal, memory: Arc<Memory>) -> Admission<Mbuf> {
    Arc::new(move || {
        let thread = EalThread::register(eal)?;
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        memory.threads().push((thread.lcore_id(), name));
        let alloc = || Box::new(MbufAlloc::new(memory.pool, &thread));
        Ok(ThreadPass { alloc: alloc(), copies: alloc(), proof: Box::new(thread) })
    })
}

impl Memory {
    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<(u32, String)>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, name: &str, pool: Mempool, needs: &Needs) -> MempoolRow {
        let facts = pool.facts();
        let cache = |(number, name): &(u32, String)| PoolCacheRow {
            thread: name.clone(),
            cached_count: pool.cached_count(*number),
            size: facts.cache_elements,
        };
        let pages = facts.memory_octets.div_ceil(HUGEPAGE_OCTETS);
        MempoolRow {
            name: name.to_owned(),
            element_bytes: facts.element_octets,
            headroom_bytes: facts.headroom_octets,
            data_room_bytes: facts.data_room_octets,
            mtu_bytes: pool.mtu(),
            element_count: facts.elements,
            in_use_count: facts.elements.saturating_sub(facts.available),
            available_count: facts.available,
            shortage_count: 0,
            memory_bytes: facts.memory_octets,
            hugepage_count: self.has_hugepages.then_some(pages),
            caches: self.threads().iter().map(cache).collect(),
            needs: needs.shown(facts.elements),
        }
    }
}

impl PacketMemory for Memory {
    fn pools(&self) -> Vec<MempoolRow> {
        let packets = self.row("packets", self.pool, &self.plan.packets);
        let paged = paged_pool().map(|pool| self.row("paged", pool, &self.plan.paged));
        core::iter::once(packets).chain(paged).collect()
    }
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

impl DeviceOpener<Mbuf> for DpdkOpener {
    fn open(&mut self, port: &PlannedPort, workers: u16) -> Result<OpenDevice<Mbuf>, PortProblem> {
        let options = OpenOptions {
            workers,
            descriptors: self.descriptors,
            mtu: port.settings.mtu,
            mtu_room: port.mtu_room(),
            mac: port.settings.mac,
            is_promiscuous: port.hearing == Hearing::All,
            has_vlan: port.settings.vlan.is_some(),
            paged_buffers: self.pools.paged,
        };
        let opened = open(self.eal, &port.spec, &options, self.pool)
            .map_err(|error| problem(port, &error))?;
        let OpenPort { port: device, mac, driver, mtu_max, speed_mbps, grant, queues, stats } =
            opened;
        let queues = queues.into_iter().map(|pair| {
            let QueuePair { rx, tx, wakeup } = pair;
            DeviceQueues { rx: Box::new(rx), tx: Box::new(tx), wakeup }
        });
        let queues = queues.collect();
        let rings = stats.clone();
        let close =
            move || OpenPort::close(device, &rings, Vec::new()).map_err(|error| error.to_string());
        let stats = Arc::new(ObservedDevice { stats, driver: driver.clone(), grant });
        let close = Box::new(close);
        Ok(OpenDevice { mac, driver, mtu_max, speed_mbps, queues, stats, close })
    }

    fn admit(&self, ports: &[PlannedPort]) -> Result<(), PoolProblem> {
        let (workers, has_tun) = (self.workers, self.has_tun);
        let plan =
            PoolPlan::new(&PoolInput { ports, workers, descriptors: self.descriptors, has_tun });
        plan.fits(&self.pools)
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
        (_, OpenError::NotPaged) => "restart it with this configuration",
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

/// An open device, for readers.
#[derive(Debug)]
struct ObservedDevice {
    stats: PortStats,
    driver: String,
    grant: Grant,
}

impl DeviceStats for ObservedDevice {
    fn losses(&self) -> Vec<(&'static str, u64, &'static str)> {
        let Some(counters) = self.stats.counters() else { return Vec::new() };
        let infos = crate::dpdk::PortCounters::INFO.iter().zip(counters.values());
        // The first four tell of packets that came through.
        infos.skip(4).map(|(info, count)| (info.name, count, info.help)).collect()
    }

    fn missed(&self) -> u64 {
        self.stats.counters().map_or(0, |counters| counters.rx_missed + counters.rx_no_buffer)
    }

    fn is_up(&self) -> Option<bool> {
        self.stats.link().map(|link| link.is_up)
    }

    fn hear(&self, hearing: Hearing) -> Result<(), String> {
        let filter = match hearing {
            Hearing::Own => Filter::Own,
            Hearing::All => Filter::None,
        };
        self.stats.set_filter(filter).map_err(|error| error.to_string())
    }

    fn abilities(&self) -> Vec<String> {
        abilities(&self.driver, &self.grant)
    }
}

/// What a device does by itself.
fn abilities(driver: &str, grant: &Grant) -> Vec<String> {
    let Grant { queues, rx_descriptors, tx_descriptors, .. } = grant;
    let of = if *queues == 1 { "queue" } else { "queues" };
    let mut phrases = vec![
        driver.to_owned(),
        format!("{queues} {of}, descriptors rx {rx_descriptors} tx {tx_descriptors}"),
    ];
    let found = [
        (grant.spreads_flows && grant.is_symmetric, "spreads flows, both directions alike"),
        (grant.spreads_flows && !grant.is_symmetric, "spreads flows, each direction for itself"),
        (grant.inserts_vlan, "inserts VLAN tags"),
        (grant.frees_fast, "frees buffers in bulk"),
    ];
    phrases.extend(found.iter().filter(|(is_so, _)| *is_so).map(|(_, text)| (*text).to_owned()));
    phrases
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
