//! The ports that are open: their numbers, who polls them, and how they end.
//!
//! Owns every open device and the order of opening and closing; what a port is for is said to the
//! control plane. *Invariants*: workers get a port before the control plane hears of it, and lose
//! it after; a device is closed when no worker has a queue of it, and its interface is then what it
//! was before. A number is used again only when there are no new ones.

use crate::base::ids::{PORT_MAX, PortId};
use crate::control::AttachedPort;
use crate::daemon::devices::{DeviceOpener, DeviceQueues, DeviceStats, OpenDevice, PlannedPort};
use crate::daemon::error::{PortProblem, RunError};
use crate::daemon::inventory::Open;
use crate::daemon::kernel::{self, KernelSide, MTU_MAX, Original};
use crate::daemon::messages::{Carrier, WatchedPort};
use crate::daemon::observe::Observer;
use crate::daemon::pool_plan::PoolProblem;
use crate::daemon::worker::WorkerLinks;
use crate::dataplane::{WorkerCommand, WorkerPort};
use crate::packet::PacketBuf;
use crate::ports::DeviceSpec;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a worker may take to give a port back; it does so within one loop.
const GIVE_BACK_TIME_MAX: Duration = Duration::from_secs(2);
/// How long a worker may take to send what was injected.
const LET_OUT_TIME_MAX: Duration = Duration::from_millis(100);

/// A port that is open.
pub struct LivePort {
    /// What was asked for.
    pub planned: PlannedPort,
    /// What the control plane was told.
    pub attached: AttachedPort,
    stats: Arc<dyn DeviceStats>,
    /// Of the kernel interface, where there is one.
    original: Option<Original>,
    close: Box<dyn FnOnce() -> Result<(), String>>,
}

impl LivePort {
    /// As `inventory` wants it.
    pub fn as_open(&self) -> Open<'_> {
        Open { port: &self.planned, mac: self.original.as_ref().map(Original::mac) }
    }
}

/// The table; one per process, owned by the main thread.
pub struct PortTable<B> {
    opener: Box<dyn DeviceOpener<B>>,
    workers: Vec<WorkerLinks<B>>,
    observer: Arc<Observer>,
    live: BTreeMap<PortId, LivePort>,
    next: u16,
}

impl<B: PacketBuf> PortTable<B> {
    /// An empty table.
    pub fn new(
        opener: Box<dyn DeviceOpener<B>>,
        workers: Vec<WorkerLinks<B>>,
        observer: Arc<Observer>,
    ) -> Self {
        Self { opener, workers, observer, live: BTreeMap::new(), next: 0 }
    }

    /// Whether the memory for packets is enough for all of these ports.
    pub fn admit(&self, ports: &[PlannedPort]) -> Result<(), PoolProblem> {
        self.opener.admit(ports)
    }

    /// The open ports.
    pub fn iter(&self) -> impl Iterator<Item = (PortId, &LivePort)> {
        self.live.iter().map(|(id, port)| (*id, port))
    }

    /// Opens a port and gives it to the workers.
    pub fn open(&mut self, planned: PlannedPort) -> Result<PortId, RunError> {
        let name = planned.settings.name.clone();
        let id = self.free_number().ok_or(RunError::PortCount { count: self.live.len() + 1 })?;
        let failed = |problem| RunError::Port { port: name.clone(), problem };
        let mut original = None;
        let (device, side) = self.open_device(&planned, &mut original).map_err(|problem| {
            original.iter().for_each(Original::restore);
            failed(problem)
        })?;
        let OpenDevice { mac, driver, mtu_max, speed_mbps, queues, stats, close } = device;
        let driver_mtu = if mtu_max == 0 { MTU_MAX } else { mtu_max.min(MTU_MAX) };
        let (mtu_max, is_up) = match (side, &planned.spec) {
            (Some(side), DeviceSpec::AfXdp(_) | DeviceSpec::Tap(_)) => {
                (side.mtu.min(driver_mtu), side.is_up)
            }
            (Some(side), _) => (side.mtu, side.is_up),
            (None, _) => (driver_mtu, stats.is_up().unwrap_or(false)),
        };
        let settings = planned.settings.clone();
        let attached = AttachedPort { port: id, settings, mac, mtu_max, speed_mbps, is_up };
        self.observer.add_port(id, name.clone(), Arc::clone(&stats));
        self.live.insert(id, LivePort { planned, attached, stats, original, close });
        if let Err(problem) = self.hand_out(id, queues) {
            self.close(id);
            return Err(failed(PortProblem::Device(problem)));
        }
        tracing::info!(topic = "port.open", "port {name}: {} {mac}", driver);
        Ok(id)
    }

    fn open_device(
        &mut self,
        planned: &PlannedPort,
        original: &mut Option<Original>,
    ) -> Result<(OpenDevice<B>, Option<KernelSide>), PortProblem> {
        let interface = planned.spec.kernel_interface();
        let mut side = None;
        if let Some(interface) = interface.filter(|_| kernel::exists_before(&planned.spec)) {
            side = Some(kernel::prepare(interface, planned, original)?);
        }
        let workers = u16::try_from(self.workers.len()).unwrap_or(u16::MAX);
        let device = self.opener.open(planned, workers)?;
        if let (Some(interface), None) = (interface, side) {
            side = Some(kernel::prepare(interface, planned, original)?);
        }
        Ok((device, side))
    }

    /// Gives each worker a pair of queues. Where there are fewer, they go to some of the workers,
    /// others for other ports, which share what they receive with all, and send for all.
    fn hand_out(&self, id: PortId, queues: Vec<DeviceQueues<B>>) -> Result<(), String> {
        let (queue_count, worker_count) = (queues.len(), self.workers.len());
        let is_spread = queue_count < worker_count;
        let mut queues: Vec<_> = queues.into_iter().map(Some).collect();
        for place in 0..worker_count {
            // The first queue of a port is the worker's of its number.
            let owner = |queue: usize| (id.index() + queue) % worker_count;
            let Some(worker) = self.workers.get(owner(place)) else { continue };
            let (port, wakeup) = match queues.get_mut(place).and_then(Option::take) {
                Some(DeviceQueues { rx, tx, wakeup }) => {
                    let port = WorkerPort::new(id, Some(rx), tx);
                    (if is_spread { port.spread() } else { port }, Some(wakeup))
                }
                None => {
                    let of = owner(place.checked_rem(queue_count).unwrap_or(0));
                    let of = self.workers.get(of).map_or(worker.lcore, |worker| worker.lcore);
                    (WorkerPort::without_queue(id, of), None)
                }
            };
            if !worker.command(WorkerCommand::AddPort(port)) {
                return Err(format!("worker {} does not take it", worker.lcore));
            }
            if let Some(wakeup) = wakeup {
                worker.sleeper.add(id, wakeup).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn free_number(&mut self) -> Option<PortId> {
        let count = u16::try_from(PORT_MAX).unwrap_or(u16::MAX);
        let mut numbers = (self.next..count).chain(0..self.next);
        let number = numbers.find(|number| !self.live.contains_key(&PortId(*number)))?;
        self.next = (number + 1) % count;
        Some(PortId(number))
    }

    /// Gives an open port other settings; its device stays as it is.
    pub fn change(&mut self, id: PortId, planned: PlannedPort) -> Result<(), RunError> {
        let Some(port) = self.live.get_mut(&id) else { return Ok(()) };
        if planned.hearing != port.planned.hearing {
            let name = planned.settings.name.clone();
            let failed = |why| RunError::Port { port: name, problem: PortProblem::Device(why) };
            port.stats.hear(planned.hearing).map_err(failed)?;
            // It hears so whatever else cannot be changed.
            port.planned.hearing = planned.hearing;
        }
        if let Some(interface) = planned.spec.kernel_interface() {
            let name = planned.settings.name.clone();
            let side = kernel::prepare(interface, &planned, &mut port.original)
                .map_err(|problem| RunError::Port { port: name, problem })?;
            if !matches!(planned.spec, DeviceSpec::AfXdp(_) | DeviceSpec::Tap(_)) {
                port.attached.mtu_max = side.mtu;
            }
            port.attached.is_up = side.is_up;
        } else if let Some(is_up) = port.stats.is_up() {
            // The control plane takes what it is told anew as the state of now; carrier may have
            // come or gone since the port was opened.
            port.attached.is_up = is_up;
        }
        self.observer.name_port(id, &planned.settings.name);
        port.attached.settings = planned.settings.clone();
        port.planned = planned;
        Ok(())
    }

    /// What the host thread needs to watch a port.
    pub fn watched(&self, id: PortId) -> Option<WatchedPort> {
        self.live.get(&id).map(|port| WatchedPort {
            port: id,
            ifindex: port.original.as_ref().map(Original::ifindex),
            stats: Arc::clone(&port.stats),
            carrier: Carrier::of(port.attached.is_up),
        })
    }

    /// Takes a port from the workers and closes it; says what it was.
    pub fn close(&mut self, id: PortId) -> Option<PlannedPort> {
        let port = self.live.remove(&id)?;
        self.observer.remove_port(id);
        self.let_out();
        let mut missing = 0;
        for worker in &self.workers {
            worker.sleeper.remove(id);
            missing += usize::from(worker.command(WorkerCommand::RemovePort(id)));
        }
        let deadline = Instant::now() + GIVE_BACK_TIME_MAX;
        while missing > 0 && Instant::now() < deadline {
            let back = || self.workers.iter().filter_map(|worker| worker.rings.removed.pop());
            match back().count() {
                0 => std::thread::sleep(Duration::from_micros(200)),
                count => missing = missing.saturating_sub(count),
            }
        }
        Some(finish(port))
    }

    /// Waits until the workers took what was injected before: they obey commands first, and a port
    /// that is gone sends no farewell.
    fn let_out(&self) {
        let deadline = Instant::now() + LET_OUT_TIME_MAX;
        let is_waiting = || self.workers.iter().any(|worker| !worker.rings.inject.is_empty());
        while is_waiting() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Closes everything; the workers have ended.
    pub fn close_all(mut self) {
        for (id, port) in core::mem::take(&mut self.live) {
            self.workers.iter().for_each(|worker| worker.sleeper.remove(id));
            finish(port);
        }
    }
}

fn finish(port: LivePort) -> PlannedPort {
    let LivePort { planned, stats, original, close, .. } = port;
    drop(stats);
    let name = &planned.settings.name;
    match close() {
        Ok(()) => tracing::info!(topic = "port.close", "port {name} is closed"),
        Err(problem) => tracing::warn!(topic = "port.close", "port {name}: {problem}"),
    }
    // After the driver: it sets filters and address as long as it runs.
    original.iter().for_each(Original::restore);
    planned
}
