//! Everything impure: threads, sockets, the clock, signals, devices.
//!
//! Read [`run`] below and [`router`] (the threads and their order), then the threads: [`worker`]
//! (the packet path), [`control`] (drives the control plane, with [`punctuality`], [`turns`] and
//! [`ending`]), [`host`] (everything with a descriptor), and the main thread in [`apply`]
//! (configurations) over [`port_table`] and [`lost`]. What they say to each other is [`messages`]
//! through [`mailbox`].
//!
//! The host thread's parts: [`socket`], [`lines`] and [`api_server`], [`tun_bridge`], [`carrier`],
//! [`signals`], [`observe`], [`watch`] with [`watch_rows`]. Devices: [`inventory`] (which there
//! are), [`kernel`] (their kernel side), [`devices`] (the border), [`pool_plan`] (how many buffers
//! they need), `dpdk` (the only file that needs DPDK). Around them: [`options`], [`error`],
//! [`files`], [`cpus`], [`clock`], [`log`], [`counters`], [`recorder`] (the file that a control
//! plane's life is written to), and [`lifeline`] (a thread that dies is missed).
//!
//! ```text
//!   NIC ──► worker ──rings──► control thread ──Forwarding──► worker
//!             │  ▲                 ▲   │
//!       rings │  │ inject          │   │ events, answers, addresses
//!             ▼  │                 │   ▼
//!           host thread ◄── TUN, control socket, carrier, signals
//!                 └── jobs ──► main thread ── ports ──► worker, control, host
//! ```
//!
//! Absent on purpose: protocols (`control` is a pure value, driven from here) and what happens to a
//! packet (`dataplane`).
#![forbid(unsafe_code)]

pub mod api_server;
pub mod apply;
pub mod bgp_sockets;
pub mod carrier;
pub mod clock;
pub mod control;
pub mod counters;
pub mod cpus;
pub mod devices;
#[cfg(dpdk)]
pub mod dpdk;
pub mod ending;
pub mod error;
pub mod files;
pub mod host;
pub mod inventory;
pub mod kernel;
pub mod lifeline;
pub mod lines;
pub mod link_tuns;
pub mod log;
pub mod lost;
pub mod mailbox;
pub mod messages;
pub mod observe;
pub mod options;
pub mod pool_plan;
pub mod port_table;
pub mod punctuality;
pub mod recorder;
pub mod router;
pub mod signals;
pub mod socket;
pub mod tun_bridge;
pub mod turns;
pub mod watch;
pub mod watch_rows;
pub mod worker;

pub use error::RunError;
pub use options::RunOptions;

/// Runs a router until SIGTERM or SIGINT. What can be wrong is found before anything is changed.
#[cfg(dpdk)]
pub fn run(options: &RunOptions) -> Result<(), RunError> {
    use std::sync::Arc;

    let clock = clock::Clock::start();
    log::start(&options.log_filter, options.is_log_json)?;
    let file = files::ConfigFile::new(&options.config, options.overrides.clone());
    let config = file.read()?;
    let cpus = cpus::plan(&config.dpdk.lcores)?;
    let planned = inventory::plan(&config, &[]);
    if planned.len() > crate::base::ids::PORT_MAX {
        return Err(RunError::PortCount { count: planned.len() });
    }
    let signals = signals::Signals::catch()?;
    let socket = socket::ControlSocket::bind(config.host.socket.as_ref())?;
    let counters: Arc<counters::DaemonCounters> = Arc::default();
    let tun = match config.host.tun.as_str() {
        "" => None,
        name => {
            let bridge = tun_bridge::TunBridge::open(name, Arc::clone(&counters));
            Some(bridge.map_err(|source| RunError::Tun { name: name.to_owned(), source })?)
        }
    };
    let recording = match &options.record {
        Some(path) => Some(
            recorder::open(path, &counters)
                .map_err(|source| RunError::Recording { path: path.clone(), source })?,
        ),
        None => None,
    };
    // Threads made from now on stay off the workers' CPUs; workers pin themselves.
    cpus::bind(&cpus.others).map_err(RunError::system("leave the CPUs of the workers"))?;
    let dpdk::Dpdk { opener, admission, memory, version } = dpdk::start(&config, &planned, &cpus)?;
    router::run(router::RouterParts {
        file,
        config,
        planned,
        cpus,
        clock,
        socket,
        tun,
        signals,
        counters,
        opener: Box::new(opener),
        admission,
        memory,
        cycles: crate::dpdk::eal::cycles,
        dpdk: version,
        recording,
        has_debug_commands: options.has_debug_commands,
    })
}

/// Says what is missing.
#[cfg(not(dpdk))]
pub fn run(_options: &RunOptions) -> Result<(), RunError> {
    Err(RunError::NoDpdk)
}
