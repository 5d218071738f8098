//! Devices as the daemon handles them, whatever they are made of.
//!
//! Owns [`DeviceStats`], [`PacketMemory`], [`OpenDevice`] and [`DeviceOpener`]; behind them stand
//! DPDK's ports (`daemon::dpdk`) and, in tests, cables in memory. Which devices there are is
//! `inventory`'s.

use crate::api::show::MempoolRow;
use crate::base::ids::MacAddress;
use crate::config::{PortRole, PortSettings};
use crate::daemon::error::PortProblem;
use crate::daemon::kernel::MTU_MAX;
use crate::daemon::pool_plan::PoolProblem;
use crate::fib::repair::REPAIR_OCTETS_MAX;
use crate::packet::{PortRx, PortTx};
use crate::ports::{DeviceSpec, Wakeup};
use core::fmt::Debug;
use std::sync::Arc;

/// Counters and link state of a device, and its filter, for any thread.
pub trait DeviceStats: Debug + Send + Sync {
    /// Name, count and meaning of each counter that tells of loss; empty once it is closed.
    fn losses(&self) -> Vec<(&'static str, u64, &'static str)>;

    /// Packets that kernel or device dropped before the router saw them.
    fn missed(&self) -> u64;

    /// Carrier as the driver sees it; `None` once it is closed.
    fn is_up(&self) -> Option<bool>;

    /// Lets a device that is open receive these frames from now on; why it does not, where it does
    /// not.
    fn hear(&self, _hearing: Hearing) -> Result<(), String> {
        Ok(())
    }

    /// What the device does by itself, a phrase each.
    fn abilities(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The memory that packets live in, for any thread.
pub trait PacketMemory: Debug + Send + Sync {
    /// Its pools.
    fn pools(&self) -> Vec<MempoolRow>;
}

/// Ordinary memory: no pools.
impl PacketMemory for () {
    fn pools(&self) -> Vec<MempoolRow> {
        Vec::new()
    }
}

/// A port that shall be opened: a block of the configuration that fell to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPort {
    /// The block, with this port's own name.
    pub settings: PortSettings,
    /// The device.
    pub spec: DeviceSpec,
    /// Whose frames it shall receive.
    pub hearing: Hearing,
}

/// Whose frames a port receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hearing {
    /// Those for its own MAC and for groups.
    #[default]
    Own,
    /// All: it is a tenant's, whose frames are for others behind it.
    All,
}

impl PlannedPort {
    /// What the device should carry beyond the announced MTU, in octets: the headers of repairs.
    pub fn mtu_room(&self) -> u16 {
        match (self.settings.role, &self.spec) {
            // Buffers of the one are pages; the other keeps the MTU that it began with.
            (PortRole::Fabric, DeviceSpec::AfXdp(_) | DeviceSpec::Tap(_)) => 0,
            (PortRole::Fabric, _) => {
                REPAIR_OCTETS_MAX.min(MTU_MAX.saturating_sub(self.settings.mtu))
            }
            _ => 0,
        }
    }
}

/// What one worker gets of a device.
pub struct DeviceQueues<B> {
    /// Where packets come from.
    pub rx: Box<dyn PortRx<B>>,
    /// Where packets go to.
    pub tx: Box<dyn PortTx<B>>,
    /// How the worker is woken.
    pub wakeup: Wakeup,
}

/// An open device.
pub struct OpenDevice<B> {
    /// Where its frames come from.
    pub mac: MacAddress,
    /// The driver.
    pub driver: String,
    /// Largest MTU; 0 where the driver does not say.
    pub mtu_max: u16,
    /// Speed in Mb/s, where known.
    pub speed_mbps: Option<u32>,
    /// One for each worker, or as many as the device has.
    pub queues: Vec<DeviceQueues<B>>,
    /// Its counters.
    pub stats: Arc<dyn DeviceStats>,
    /// Closes it, after all queues are gone.
    pub close: Box<dyn FnOnce() -> Result<(), String>>,
}

/// Opens devices; one per process, owned by the main thread.
pub trait DeviceOpener<B> {
    /// Opens a device with a pair of queues for each of `workers`, where it has so many.
    fn open(&mut self, port: &PlannedPort, workers: u16) -> Result<OpenDevice<B>, PortProblem>;

    /// Whether the memory for packets is enough for all of these ports.
    fn admit(&self, _ports: &[PlannedPort]) -> Result<(), PoolProblem> {
        Ok(())
    }
}
