//! `[dpdk]`: how the data plane runs.

use super::keys::{BlockDoc, KeyDoc, KeyKind};
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// The keys of `[dpdk]`.
pub const DPDK: BlockDoc = BlockDoc {
    name: "dpdk",
    is_list: false,
    help: "How the data plane runs; every key here needs a restart.",
    keys: &[
        KeyDoc {
            name: "lcores",
            kind: KeyKind::Integers { minimum: 0, maximum: 1023 },
            unit: "CPU numbers",
            default: "all isolated CPUs, else the last one",
            needs_restart: true,
            help: "One worker runs on each of these CPUs.",
        },
        KeyDoc {
            name: "hugepages",
            kind: KeyKind::Boolean,
            unit: "",
            default: "true where any are free",
            needs_restart: true,
            help: "Take packet buffers from hugepages; without them every buffer costs more TLB \
                   misses.",
        },
        KeyDoc {
            name: "eal_args",
            kind: KeyKind::Texts,
            unit: "",
            default: "[]",
            needs_restart: true,
            help: "Further arguments for the EAL of DPDK, as they are, for example a driver plugin \
                   to load.",
        },
        KeyDoc {
            name: "buffers",
            kind: KeyKind::Integer { minimum: 1024, maximum: 16777216 },
            unit: "packets",
            default: "computed from ports, queues and workers, as `kumiki show mempool` shows",
            needs_restart: true,
            help: "Packet buffers in the pool, which cannot grow: more than the ports need leave \
                   room for ports that are added later. Too few show up in `show errors`: as \
                   rx_no_buffer of the ports and inject_no_buffer of the daemon.",
        },
        KeyDoc {
            name: "descriptors",
            kind: KeyKind::Integer { minimum: 64, maximum: 32768 },
            unit: "packets",
            default: "512",
            needs_restart: true,
            help: "Descriptors of a receive or transmit queue, a power of two. More ride out \
                   longer pauses and cost latency.",
        },
        KeyDoc {
            name: "idle",
            kind: KeyKind::Choice(&["adaptive", "busy"]),
            unit: "",
            default: "adaptive",
            needs_restart: true,
            help: "What a worker does when nothing arrives: adaptive sleeps and shares the core \
                   with guests, busy polls always for the lowest latency.",
        },
    ],
};
