//! One router from start to end: the threads, in the order in which they need each other.
//!
//! Owns the main thread after the start, which applies configurations and ends the router.
//!
//! *Invariants*: workers end before the publisher of what they read; ports close after the workers;
//! the socket is removed whatever happens. A router that loses a thread ends, with an error.

use crate::base::ids::LcoreId;
use crate::base::rcu::Publisher;
use crate::config::{Config, IdlePolicy as IdleSetting};
use crate::control::ControlPlane;
use crate::daemon::api_server::ApiServer;
use crate::daemon::apply::{Applier, Listeners};
use crate::daemon::clock::{Clock, entropy};
use crate::daemon::control::{self, ControlStart};
use crate::daemon::counters::DaemonCounters;
use crate::daemon::cpus::CpuPlan;
use crate::daemon::devices::{DeviceOpener, PacketMemory, PlannedPort};
use crate::daemon::error::RunError;
use crate::daemon::files::ConfigFile;
use crate::daemon::host::{self, HostStart, LISTENER};
use crate::daemon::lifeline::Lifeline;
use crate::daemon::mailbox::mailbox;
use crate::daemon::messages::{JOBS_MAX, Job, TO_CONTROL_MAX, TO_HOST_MAX, ToControl, ToHost};
use crate::daemon::observe::{ObservedWorker, Observer};
use crate::daemon::port_table::PortTable;
use crate::daemon::recorder::{self, Recorder, Writer};
use crate::daemon::signals::Signals;
use crate::daemon::socket::ControlSocket;
use crate::daemon::tun_bridge::TunBridge;
use crate::daemon::worker::{self, Admission, WorkerLinks, WorkerStart};
use crate::dataplane::hand_over::{WakeWorker, mesh};
use crate::dataplane::mac_table::BUCKET_BITS_DEFAULT;
use crate::dataplane::{IdlePolicy, MacTable, OverlayEvent, OverlaySetup, Ring};
use crate::fib::{Forwarding, Liveness};
use crate::os::poller::{Poller, Waker};
use crate::packet::PacketBuf;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the control thread is given to end in order (`ending`) before the router ends without
/// it.
const GOODBYE_TIME_MAX: Duration = Duration::from_millis(2800);

/// What a router starts with: everything that can be wrong has been found.
pub struct RouterParts<B> {
    /// Where the configuration comes from.
    pub file: ConfigFile,
    /// The configuration.
    pub config: Config,
    /// Its ports.
    pub planned: Vec<PlannedPort>,
    /// Which CPUs do what.
    pub cpus: CpuPlan,
    /// The clock.
    pub clock: Clock,
    /// The control socket.
    pub socket: ControlSocket,
    /// The TUN device.
    pub tun: Option<TunBridge>,
    /// The signals.
    pub signals: Signals,
    /// What is counted.
    pub counters: Arc<DaemonCounters>,
    /// Opens devices.
    pub opener: Box<dyn DeviceOpener<B>>,
    /// Lets threads touch packets.
    pub admission: Admission<B>,
    /// Where packets live.
    pub memory: Arc<dyn PacketMemory>,
    /// Reads the TSC.
    pub cycles: fn() -> u64,
    /// Version of DPDK.
    pub dpdk: String,
    /// The recording, where one is wanted.
    pub recording: Option<(Recorder, Writer)>,
    /// Whether clients may break things on purpose.
    pub has_debug_commands: bool,
}

/// The threads, and the ways to them.
struct Running {
    workers: Vec<JoinHandle<()>>,
    control: JoinHandle<Publisher<Forwarding>>,
    host: JoinHandle<()>,
    writer: Option<JoinHandle<()>>,
    listeners: Listeners,
    jobs: Receiver<Job>,
}

/// Runs a router until it is told to end.
pub fn run<B: PacketBuf + 'static>(parts: RouterParts<B>) -> Result<(), RunError> {
    let system = RunError::system("make a descriptor to wait on");
    let links = links::<B>(&parts.cpus).map_err(system)?;
    let macs = Arc::new(MacTable::new(BUCKET_BITS_DEFAULT, entropy()));
    let observer = observer(&parts, &links, Arc::clone(&macs));
    let RouterParts { file, config, planned, opener, .. } = parts;
    let name = config.router.name.clone();
    let rest = Rest {
        clock: parts.clock,
        idle: config.dpdk.idle,
        socket: parts.socket,
        tun: parts.tun,
        signals: parts.signals,
        counters: parts.counters,
        admission: parts.admission,
        macs,
        cycles: parts.cycles,
        recording: parts.recording,
        has_debug_commands: parts.has_debug_commands,
    };
    let table = PortTable::new(opener, links.clone(), Arc::clone(&observer));
    let running = start(rest, &links, observer)?;
    let mut applier = Applier::new(file, config, table, running.listeners.clone());
    let outcome = applier.begin(planned).and_then(|()| {
        tracing::info!(topic = "daemon.start", "router {name} runs");
        work(&running, &mut applier)
    });
    if let Err(error @ RunError::Thread { .. }) = &outcome {
        tracing::error!(topic = "daemon.end", "{error}");
    }
    end(running, &links);
    applier.end();
    tracing::info!(topic = "daemon.end", "router {name} has ended");
    outcome
}

/// What the threads are made of, beside each other.
struct Rest<B> {
    clock: Clock,
    idle: IdleSetting,
    socket: ControlSocket,
    tun: Option<TunBridge>,
    signals: Signals,
    counters: Arc<DaemonCounters>,
    admission: Admission<B>,
    macs: Arc<MacTable>,
    cycles: fn() -> u64,
    recording: Option<(Recorder, Writer)>,
    has_debug_commands: bool,
}

fn links<B>(cpus: &CpuPlan) -> io::Result<Vec<WorkerLinks<B>>> {
    (0..).zip(&cpus.workers).map(|(n, cpu)| WorkerLinks::new(LcoreId(n), *cpu)).collect()
}

fn observer<B>(
    parts: &RouterParts<B>,
    links: &[WorkerLinks<B>],
    macs: Arc<MacTable>,
) -> Arc<Observer> {
    let observed = links.iter().map(|link| ObservedWorker {
        lcore: link.lcore,
        cpu: link.cpu,
        counters: Arc::clone(&link.counters),
    });
    let name = parts.config.router.name.clone();
    let (workers, counters) = (observed.collect(), Arc::clone(&parts.counters));
    let observer = Observer::new(parts.clock, name, parts.dpdk.clone(), workers, counters);
    Arc::new(observer.with_memory(Arc::clone(&parts.memory)).with_macs(macs))
}

/// Starts workers, control thread and host thread.
fn start<B: PacketBuf + 'static>(
    mut rest: Rest<B>,
    links: &[WorkerLinks<B>],
    observer: Arc<Observer>,
) -> Result<Running, RunError> {
    let poller = || Poller::new().map_err(RunError::system("make a descriptor to wait on"));
    let (control_poller, host_poller) = (poller()?, poller()?);
    let (to_control, control_box) = mailbox(TO_CONTROL_MAX, control_poller.waker());
    let (to_host, host_box) = mailbox(TO_HOST_MAX, host_poller.waker());
    let (job_sender, jobs) = sync_channel(JOBS_MAX);
    let world = Forwarding::empty(Arc::new(Liveness::new(0)));
    let mut publisher = Publisher::new(world);
    let wakers = [control_poller.waker(), host_poller.waker()];
    let overlay_events = OverlaySetup::<B>::event_ring();
    let ways = WorkerWays { wakers, overlay_events: &overlay_events, jobs: &job_sender };
    let workers = start_workers(&rest, links, &mut publisher, &ways)?;
    let (recorder, writer) = rest.recording.take().unzip();
    let control = ControlStart {
        poller: control_poller,
        mailbox: control_box,
        host: to_host.clone(),
        workers: links.to_vec(),
        publisher,
        clock: rest.clock,
        counters: Arc::clone(&rest.counters),
        admission: Arc::clone(&rest.admission),
        macs: Arc::clone(&rest.macs),
        overlay_events,
        lifeline: Lifeline::new("control", &job_sender),
        recorder: recorder.unwrap_or_default(),
    };
    let host = HostStart {
        lifeline: Lifeline::new("host", &job_sender),
        poller: host_poller,
        mailbox: host_box,
        control: to_control.clone(),
        jobs: job_sender,
        workers: links.to_vec(),
        server: ApiServer::new(rest.socket, LISTENER, Arc::clone(&rest.counters)),
        tun: rest.tun,
        signals: rest.signals,
        observer,
        counters: Arc::clone(&rest.counters),
        admission: rest.admission,
        has_debug_commands: rest.has_debug_commands,
    };
    let listeners = Listeners::new(to_control, to_host, rest.counters, rest.clock);
    let writer = writer.map(|writer| spawn("record", move || recorder::run(writer))).transpose()?;
    let control = spawn("control", move || control::run::<B, ControlPlane>(control))?;
    let host = spawn("host", move || host::run(host))?;
    Ok(Running { workers, control, host, writer, listeners, jobs })
}

/// From workers to the other threads.
struct WorkerWays<'a> {
    /// Of the control thread and of the host thread.
    wakers: [Waker; 2],
    overlay_events: &'a Arc<Ring<OverlayEvent>>,
    jobs: &'a SyncSender<Job>,
}

/// Starts the workers.
fn start_workers<B: PacketBuf + 'static>(
    rest: &Rest<B>,
    links: &[WorkerLinks<B>],
    publisher: &mut Publisher<Forwarding>,
    ways: &WorkerWays<'_>,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let [control, host] = &ways.wakers;
    let mut workers = Vec::new();
    let hash_seed = entropy();
    let wake = |link: &WorkerLinks<B>| -> WakeWorker {
        let waker = link.sleeper.waker();
        Arc::new(move || waker.wake())
    };
    let peers = mesh(&links.iter().map(wake).collect::<Vec<_>>());
    for (link, peers) in links.iter().zip(peers) {
        let reader = publisher.reader().map_err(|error| RunError::System {
            action: "start so many workers",
            source: io::Error::other(error),
        })?;
        let started = worker::spawn(WorkerStart {
            links: link.clone(),
            reader,
            peers,
            control: control.clone(),
            host: host.clone(),
            policy: match rest.idle {
                IdleSetting::Adaptive => IdlePolicy::Adaptive,
                IdleSetting::Busy => IdlePolicy::Busy,
            },
            clock: rest.clock,
            hash_seed,
            cycles: rest.cycles,
            admission: Arc::clone(&rest.admission),
            macs: Arc::clone(&rest.macs),
            overlay_events: Arc::clone(ways.overlay_events),
            jobs: ways.jobs.clone(),
        });
        match started {
            Ok(thread) => workers.push(thread),
            Err(error) => {
                end_workers(workers, links);
                return Err(error);
            }
        }
    }
    Ok(workers)
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RunError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(body).map_err(RunError::system("start a thread"))
}

/// Carries out jobs until one says stop; the loss of a thread is an error.
fn work<B: PacketBuf>(running: &Running, applier: &mut Applier<B>) -> Result<(), RunError> {
    loop {
        applier.open_lost();
        let job = match applier.idle_time() {
            Some(idle_time) => running.jobs.recv_timeout(idle_time),
            None => running.jobs.recv().map_err(RecvTimeoutError::from),
        };
        let message = match job {
            // Nobody has the number 0: the outcome goes to the log only.
            Ok(Job::Reload) => ToHost::Applied { client: 0, outcome: applier.reload() },
            Ok(Job::Apply { client, text, file }) => {
                ToHost::Applied { client, outcome: applier.apply(&text, file.as_deref()) }
            }
            Ok(Job::Compare { client, text, file }) => {
                ToHost::Compared { client, outcome: applier.compare(&text, file.as_deref()) }
            }
            Ok(Job::InterfaceGone(port)) => {
                applier.lose(port);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => continue,
            // Without senders every thread that could ask for anything has let go.
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(Job::Failed { thread, reason }) => return Err(RunError::Thread { thread, reason }),
        };
        running.listeners.tell_host(message);
    }
}

/// Ends all threads.
fn end<B>(running: Running, links: &[WorkerLinks<B>]) {
    let Running { workers, control, host, writer, listeners, jobs } = running;
    // A thread that fails from now on must not wait for somebody to hear of it.
    drop(jobs);
    listeners.tell_control(ToControl::Shutdown);
    let deadline = std::time::Instant::now() + GOODBYE_TIME_MAX;
    while !control.is_finished() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    listeners.tell_host(ToHost::Stop);
    if host.join().is_err() {
        tracing::error!(topic = "daemon.end", "the host thread had failed");
    }
    end_workers(workers, links);
    if control.is_finished() {
        // The publisher goes after its readers.
        drop(control.join());
        // Nobody puts lines any more.
        let _ = writer.map(JoinHandle::join);
    } else {
        tracing::error!(topic = "daemon.end", "the control thread does not end; left behind");
    }
}

fn end_workers<B>(workers: Vec<JoinHandle<()>>, links: &[WorkerLinks<B>]) {
    links.iter().for_each(WorkerLinks::stop);
    for worker in workers {
        if worker.join().is_err() {
            tracing::error!(topic = "daemon.end", "a worker had failed");
        }
    }
}
