//! `[dpdk]`: how the data plane runs.

use serde::{Deserialize, Serialize};

/// What a worker does when nothing arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdlePolicy {
    /// Pause, then sleep until traffic or the next deadline. Shares the core with guests.
    #[default]
    Adaptive,
    /// Poll always: lowest latency, one core at 100 %.
    Busy,
}

/// `[dpdk]`. Everything here needs a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DpdkSettings {
    /// CPU numbers of the workers. Default (empty): all isolated CPUs, else the last one.
    pub lcores: Vec<u16>,
    /// Use hugepages. Default (`None`): where any are free.
    pub hugepages: Option<bool>,
    /// Further arguments for the EAL, as they are.
    pub eal_args: Vec<String>,
    /// Packet buffers in the pool. Default (`None`): computed from ports, queues and workers.
    pub buffers: Option<u32>,
    /// Descriptors a receive or transmit queue, a power of two. Default (`None`): 512.
    pub descriptors: Option<u16>,
    /// What an idle worker does. Default: `adaptive`.
    pub idle: IdlePolicy,
}
