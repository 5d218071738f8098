//! How many packet buffers a configuration needs and how big they are: the pools' arithmetic.
//!
//! Owns the sums, line by line as `show mempool` prints them. The memory itself is `dpdk`'s; what a
//! driver keeps is said here once, for each kind of device.
//!
//! *Invariants*: a pool that has as many buffers as planned is empty only when every ring of the
//! devices, every burst, every cache and the fullest ring of each worker are full at once. Pools do
//! not grow: a configuration that needs more than there is, is refused with what would help.

use crate::api::show::PoolNeedRow;
use crate::base::ids::PORT_MAX;
use crate::daemon::devices::PlannedPort;
use crate::dataplane::hand_over::HAND_OVER_RING_MAX;
use crate::dataplane::inject::INJECT_RING_MAX;
use crate::dataplane::punt::{CONTROL_RING_MAX, HOST_RING_MAX, OSPF_RING_MAX};
use crate::os::tun::TUN_MTU_BYTES;
use crate::packet::BURST_MAX;
use crate::ports::DeviceSpec;

/// Buffers that a thread may keep in its cache: DPDK's limit is half as much again as the size it
/// is told, 256.
const CACHE_BUFFERS: u32 = 384;
/// Threads beside the workers that take buffers: control thread and host thread.
const OTHER_THREADS: u32 = 2;
/// Buffers of one worker's rings that are counted: those of the longest. The others may use what
/// devices do not, since not all of them are full at once.
const RING_BUFFERS: u32 = 4096;
const _: () = {
    let rings = [INJECT_RING_MAX, OSPF_RING_MAX, CONTROL_RING_MAX, HOST_RING_MAX];
    let mut place = 0;
    while place < rings.len() {
        assert!(rings[place] <= RING_BUFFERS as usize);
        place += 1;
    }
};
/// Bursts of a worker beside one a port: the one it received, and the queues of the graph, which
/// hold one burst together.
const OTHER_BURSTS: u32 = 2;
/// Buffers of an AF_XDP queue: its fill ring has 4096, its receive and transmit rings 2048 each.
const PAGED_PER_QUEUE: u32 = 8192;
const _: () = assert!(PAGED_PER_QUEUE == 4096 + 2 * 2048);
/// Smallest pool, as the configuration's.
const BUFFERS_MIN: u32 = 1024;

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PoolInput<'a> {
    /// All ports.
    pub ports: &'a [PlannedPort],
    /// Workers, each with a pair of queues of every port.
    pub workers: usize,
    /// Descriptors of a queue of a real device.
    pub descriptors: u16,
    /// Packets of the host come in as well.
    pub has_tun: bool,
}

/// The needs of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What for.
    pub rows: Vec<PoolNeedRow>,
}

/// The needs of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPlan {
    /// Of the pool of all packets.
    pub packets: Needs,
    /// Of that of AF_XDP ports; none where there are none.
    pub paged: Needs,
    /// The longest packet: the largest MTU of the ports and of the TUN device.
    pub mtu: u16,
}

/// Why ports that are added do not fit into the pools that there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolProblem {
    /// Too few buffers.
    #[error(
        "the ports need {needed} packet buffers and the pool `{pool}` has {there}, which cannot \
         grow; restart the router{more}",
        more = with_buffers(*is_configured, *needed)
    )]
    Buffers {
        /// Name of the pool.
        pool: &'static str,
        /// Buffers needed.
        needed: u32,
        /// Buffers there are.
        there: u32,
        /// The number is from the configuration, and would be the same after a restart.
        is_configured: bool,
    },
    /// Too small ones.
    #[error(
        "an MTU of {mtu} needs larger packet buffers than those of this router, made for {there}; \
         restart it, or lower `mtu` of the port"
    )]
    Mtu {
        /// The MTU.
        mtu: u16,
        /// What buffers hold.
        there: u16,
    },
}

fn with_buffers(is_configured: bool, needed: u32) -> String {
    let with = || format!(", with `[dpdk] buffers = {needed}` or more");
    is_configured.then(with).unwrap_or_default()
}

impl Needs {
    fn add(&mut self, what: String, arithmetic: String, buffer_count: u32) {
        self.rows.push(PoolNeedRow { what, arithmetic, buffer_count });
    }

    /// Buffers needed.
    pub fn sum(&self) -> u32 {
        self.rows.iter().fold(0_u32, |sum, row| sum.saturating_add(row.buffer_count))
    }

    /// Buffers that the pool is made with: the next 2^n - 1, which wastes no memory of its ring;
    /// none where there is no need.
    pub fn rounded(&self) -> u32 {
        match self.sum() {
            0 => 0,
            sum => sum.max(BUFFERS_MIN).checked_add(1).map_or(u32::MAX, u32::next_power_of_two) - 1,
        }
    }

    /// The rows with the rounding, for `show mempool`; `made` is what the pool was made with.
    pub fn shown(&self, made: u32) -> Vec<PoolNeedRow> {
        let mut rows = self.rows.clone();
        let (sum, rounded) = (self.sum(), self.rounded());
        let arithmetic = match made == rounded {
            true => format!("{sum} rounded up to 2^{} - 1", (rounded + 1).ilog2()),
            false => format!("`[dpdk] buffers`; computed were {sum}"),
        };
        rows.push(PoolNeedRow { what: "pool".to_owned(), arithmetic, buffer_count: made });
        rows
    }
}

impl PoolPlan {
    /// The plan for a configuration.
    pub fn new(input: &PoolInput<'_>) -> Self {
        let workers = u32::try_from(input.workers).unwrap_or(u32::MAX).max(1);
        let port_count = u32::try_from(input.ports.len().min(PORT_MAX)).unwrap_or(u32::MAX);
        let (mut packets, mut paged) = (Needs::default(), Needs::default());
        for port in input.ports {
            let what = format!("port {}", port.settings.name);
            let held = Held::by(&port.spec, input.descriptors);
            packets.add(what.clone(), held.arithmetic(workers), held.count(workers));
            if matches!(port.spec, DeviceSpec::AfXdp(_)) {
                let arithmetic = format!("{} × (rings {PAGED_PER_QUEUE})", queues(workers));
                paged.add(what, arithmetic, workers.saturating_mul(PAGED_PER_QUEUE));
            }
        }
        let burst = u32::try_from(BURST_MAX).unwrap_or(u32::MAX);
        let bursts = port_count.saturating_add(OTHER_BURSTS);
        packets.add(
            "bursts".to_owned(),
            format!("{} × {bursts} bursts × {burst}", people(workers)),
            workers.saturating_mul(bursts).saturating_mul(burst),
        );
        packets.add(
            "rings".to_owned(),
            format!(
                "{} × {RING_BUFFERS}, the longest of inject {INJECT_RING_MAX}, punt \
                 {OSPF_RING_MAX} + {CONTROL_RING_MAX} + {HOST_RING_MAX}",
                people(workers)
            ),
            workers.saturating_mul(RING_BUFFERS),
        );
        if workers > 1 {
            let ring = u32::try_from(HAND_OVER_RING_MAX).unwrap_or(u32::MAX);
            packets.add(
                "hand-over".to_owned(),
                format!("{workers} workers × {ring}, a full ring to each"),
                workers.saturating_mul(ring),
            );
        }
        for needs in [&mut packets, &mut paged] {
            if needs.rows.is_empty() {
                continue;
            }
            let threads = workers.saturating_add(OTHER_THREADS);
            needs.add(
                "caches".to_owned(),
                format!("{threads} threads × {CACHE_BUFFERS}"),
                threads.saturating_mul(CACHE_BUFFERS),
            );
        }
        let tun = if input.has_tun { u16::try_from(TUN_MTU_BYTES).unwrap_or(u16::MAX) } else { 0 };
        let mtu = input.ports.iter().map(|port| port.settings.mtu + port.mtu_room());
        let mtu = mtu.max().unwrap_or(0).max(tun);
        Self { packets, paged, mtu }
    }

    /// Whether this plan can be carried out with the pools of another one.
    pub fn fits(&self, pools: &Pools) -> Result<(), PoolProblem> {
        if self.mtu > pools.mtu {
            return Err(PoolProblem::Mtu { mtu: self.mtu, there: pools.mtu });
        }
        let of_each = [
            ("packets", self.packets.sum(), pools.packets, pools.is_configured),
            ("paged", self.paged.sum(), pools.paged, false),
        ];
        for (pool, needed, there, is_configured) in of_each {
            if needed > there && !pools.accepts(pool) {
                return Err(PoolProblem::Buffers { pool, needed, there, is_configured });
            }
        }
        Ok(())
    }
}

/// The pools that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pools {
    /// Buffers of the pool of all packets.
    pub packets: u32,
    /// Buffers of that of AF_XDP ports.
    pub paged: u32,
    /// The longest packet that a buffer holds.
    pub mtu: u16,
    /// The first number is from the configuration.
    pub is_configured: bool,
    /// The configured number was too small from the start: the operator's choice.
    pub was_short: bool,
}

impl Pools {
    fn accepts(&self, pool: &str) -> bool {
        pool == "packets" && self.is_configured && self.was_short
    }
}

/// What the driver of a device keeps of each queue.
struct Held {
    rx: u32,
    tx: u32,
    /// Where packets are that are in no buffer.
    instead: &'static str,
}

impl Held {
    fn by(spec: &DeviceSpec, descriptors: u16) -> Self {
        let all = u32::from(descriptors);
        match spec {
            DeviceSpec::AfPacket(_) => Self { rx: 0, tx: 0, instead: "none: rings of the kernel" },
            DeviceSpec::Memif(_) => Self { rx: 0, tx: 0, instead: "none: shared memory" },
            DeviceSpec::AfXdp(_) => Self { rx: 0, tx: 0, instead: "none: see the pool paged" },
            // It reads into buffers that it holds ready, and writes at once.
            DeviceSpec::Tap(_) => Self { rx: all, tx: 0, instead: "" },
            DeviceSpec::Pci(_) | DeviceSpec::Vmbus(_) | DeviceSpec::Vdev(_) => {
                Self { rx: all, tx: all, instead: "" }
            }
        }
    }

    fn count(&self, queues: u32) -> u32 {
        self.rx.saturating_add(self.tx).saturating_mul(queues)
    }

    fn arithmetic(&self, count: u32) -> String {
        match (self.rx, self.tx) {
            (0, 0) => self.instead.to_owned(),
            (rx, tx) => format!("{} × (rx {rx} + tx {tx})", queues(count)),
        }
    }
}

fn queues(count: u32) -> String {
    format!("{count} {}", if count == 1 { "queue" } else { "queues" })
}

fn people(workers: u32) -> String {
    format!("{workers} {}", if workers == 1 { "worker" } else { "workers" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PortDevice, PortRole, PortSettings};
    use crate::daemon::devices::Hearing;

    fn port(name: &str, spec: DeviceSpec, mtu: u16) -> PlannedPort {
        let settings = PortSettings {
            name: name.to_owned(),
            device: PortDevice::Vdev(name.to_owned()),
            role: PortRole::Fabric,
            address: None,
            mtu,
            cost: None,
            bfd: crate::config::PortBfd::default(),
            vlan: None,
            mac: None,
        };
        PlannedPort { settings, spec, hearing: Hearing::Own }
    }

    fn nic(name: &str) -> PlannedPort {
        port(name, DeviceSpec::Pci(name.to_owned()), 9000)
    }

    fn plan(ports: &[PlannedPort], workers: usize) -> PoolPlan {
        PoolPlan::new(&PoolInput { ports, workers, descriptors: 512, has_tun: false })
    }

    fn pools(plan: &PoolPlan) -> Pools {
        Pools {
            packets: plan.packets.rounded(),
            paged: plan.paged.rounded(),
            mtu: plan.mtu,
            is_configured: false,
            was_short: false,
        }
    }

    #[test]
    fn the_sum_is_that_of_the_lines_and_the_pool_holds_it() {
        let plan = plan(&[nic("a"), nic("b")], 2);
        let shown = plan.packets.shown(plan.packets.rounded());
        let lines: Vec<_> = shown.iter().map(|row| (row.what.as_str(), row.buffer_count)).collect();
        let each = 2 * (512 + 512);
        let (bursts, rings, caches) = (2 * 4 * 64, 2 * 4096, 4 * 384);
        let hand_over = 2 * 1024;
        let sum = 2 * each + bursts + rings + hand_over + caches;
        assert_eq!(
            lines,
            [
                ("port a", each),
                ("port b", each),
                ("bursts", bursts),
                ("rings", rings),
                ("hand-over", hand_over),
                ("caches", caches),
                ("pool", 32_767),
            ]
        );
        assert_eq!(plan.packets.sum(), sum);
        assert_eq!(shown[0].arithmetic, "2 queues × (rx 512 + tx 512)");
        assert_eq!(shown[6].arithmetic, format!("{sum} rounded up to 2^15 - 1"));
    }

    #[test]
    fn buffers_are_as_big_as_the_largest_mtu_of_ports_and_host() {
        let port = |mtu| port("p", DeviceSpec::Tap("p".to_owned()), mtu);
        assert_eq!(plan(&[port(1500), port(4000), port(1280)], 1).mtu, 4000);
        assert_eq!(plan(&[nic("a")], 1).mtu, 9120, "with the headers of a repair");
        let ports = [port(1500)];
        let input = PoolInput { ports: &ports, workers: 1, descriptors: 64, has_tun: true };
        assert_eq!(PoolPlan::new(&input).mtu, 9000);
    }

    #[test]
    fn only_ports_of_af_xdp_need_the_other_pool() {
        let xdp = port("x", DeviceSpec::AfXdp("x".to_owned()), 1500);
        assert_eq!(plan(&[nic("a")], 1).paged.rounded(), 0);
        assert_eq!(plan(&[nic("a"), xdp], 1).paged.rounded(), 16_383);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_would_help() {
        let first = plan(&[nic("a")], 1);
        let there = pools(&first);
        assert_eq!(first.fits(&there), Ok(()));
        let nics: Vec<_> = (0..8).map(|number| nic(&number.to_string())).collect();
        let problem = plan(&nics, 1).fits(&there).unwrap_err().to_string();
        assert!(problem.contains("the pool `packets` has 8191, which cannot grow"), "{problem}");
        assert!(problem.ends_with("restart the router"), "{problem}");
        let configured = Pools { is_configured: true, ..there };
        let problem = plan(&nics, 1).fits(&configured).unwrap_err().to_string();
        assert!(problem.contains("`[dpdk] buffers = "), "{problem}");
        let short = Pools { was_short: true, ..configured };
        assert_eq!(plan(&nics, 1).fits(&short), Ok(()), "the operator wanted it so");
        let jumbo = plan(&[port("p", DeviceSpec::Tap("p".to_owned()), 9121)], 1);
        let problem = jumbo.fits(&there).unwrap_err();
        assert_eq!(problem, PoolProblem::Mtu { mtu: 9121, there: 9120 });
    }
}
