//! A router on ports in memory, in the thread of a test.

use core::sync::atomic::{AtomicBool, Ordering};
use kumiki::base::ids::MacAddress;
use kumiki::config::Overrides;
use kumiki::daemon::clock::Clock;
use kumiki::daemon::cpus::CpuPlan;
use kumiki::daemon::devices::{DeviceOpener, DeviceQueues, DeviceStats, OpenDevice, PlannedPort};
use kumiki::daemon::error::{PortProblem, RunError};
use kumiki::daemon::files::ConfigFile;
use kumiki::daemon::inventory;
use kumiki::daemon::recorder;
use kumiki::daemon::router::{RouterParts, run};
use kumiki::daemon::signals::Signals;
use kumiki::daemon::socket::ControlSocket;
use kumiki::daemon::worker::{Admission, ThreadPass};
use kumiki::packet::{Burst, HeapBuf, PacketAlloc, PortRx, PortTx};
use kumiki::ports::Wakeup;
use kumiki::ports::memory::cable;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

struct HeapAlloc;

impl PacketAlloc<HeapBuf> for HeapAlloc {
    fn alloc(&mut self) -> Option<HeapBuf> {
        Some(HeapBuf::new(&[]))
    }
}

/// Lets every thread in.
pub fn pass() -> ThreadPass<HeapBuf> {
    let alloc = || Box::new(HeapAlloc);
    ThreadPass { alloc: alloc(), copies: alloc(), proof: Box::new(()) }
}

/// What a port receives: nothing, until something is put here.
#[derive(Debug, Default)]
pub struct Source {
    /// Frames, each once.
    pub frames: Mutex<VecDeque<Vec<u8>>>,
    /// A frame that never ends.
    pub flood: Mutex<Option<Vec<u8>>>,
}

/// A port that receives from a source; once it is armed, a worker that looks at it panics.
struct Mine(Arc<AtomicBool>, Arc<Source>);

impl PortRx<HeapBuf> for Mine {
    fn receive(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        assert!(!self.0.load(Ordering::Relaxed), "a worker steps on a mine");
        let before = burst.len();
        if let Some(frame) = &*self.1.flood.lock().unwrap() {
            burst.extend((0..32).map(|_| HeapBuf::new(frame)));
        }
        let mut frames = self.1.frames.lock().unwrap();
        while burst.room() > 0 {
            let Some(frame) = frames.pop_front() else { break };
            burst.extend([HeapBuf::new(&frame)]);
        }
        burst.len() - before
    }
}

#[derive(Debug)]
struct NoStats;

impl DeviceStats for NoStats {
    fn losses(&self) -> Vec<(&'static str, u64, &'static str)> {
        Vec::new()
    }

    fn missed(&self) -> u64 {
        0
    }

    fn is_up(&self) -> Option<bool> {
        Some(true)
    }
}

struct Opener {
    is_armed: Arc<AtomicBool>,
    source: Arc<Source>,
}

impl DeviceOpener<HeapBuf> for Opener {
    fn open(&mut self, _: &PlannedPort, workers: u16) -> Result<OpenDevice<HeapBuf>, PortProblem> {
        let queues = (0..workers).map(|_| {
            let rx: Box<dyn PortRx<HeapBuf>> =
                Box::new(Mine(Arc::clone(&self.is_armed), Arc::clone(&self.source)));
            let tx: Box<dyn PortTx<HeapBuf>> = Box::new(cable(8).0.tx);
            DeviceQueues { rx, tx, wakeup: Wakeup::Blind }
        });
        Ok(OpenDevice {
            mac: MAC,
            driver: "memory".to_owned(),
            mtu_max: 9000,
            speed_mbps: None,
            queues: queues.collect(),
            stats: Arc::new(NoStats),
            close: Box::new(|| Ok(())),
        })
    }
}

/// MAC of the port.
pub const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

/// What most tests run.
pub const CONFIG: &str = "[router]\nname = \"r\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n\
                          [[port]]\nname = \"p1\"\ndevice = \"vdev:memory\"\nrole = \"fabric\"\n";

/// Ends the router when the test beside it fails.
struct EndOfFailure<'a>(&'a Bench);

impl Drop for EndOfFailure<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.blow_up();
        }
    }
}

/// A router that is about to run.
pub struct Bench {
    folder: TempDir,
    is_armed: Arc<AtomicBool>,
    /// What its port receives.
    pub source: Arc<Source>,
    /// Its pass for each thread.
    pub admission: Admission<HeapBuf>,
    /// What the command line says.
    pub overrides: Overrides,
    /// The file that its control plane's life is written to.
    pub record: Option<PathBuf>,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            is_armed: Arc::default(),
            source: Arc::default(),
            admission: Arc::new(|| Ok(pass())),
            overrides: Overrides::default(),
            record: None,
        }
    }

    /// A file beside its configuration.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("control.sock")
    }

    /// Ends the router before long: its worker panics.
    pub fn blow_up(&self) {
        self.is_armed.store(true, Ordering::Relaxed);
    }

    /// Runs the router until a thread of it fails; the socket is there when `meanwhile` is called.
    pub fn run(&self, config: &str, meanwhile: impl FnOnce(&Path) + Send) -> RunError {
        let path = self.path("kumiki.toml");
        std::fs::write(&path, config).unwrap();
        let file = ConfigFile::new(&path, self.overrides.clone());
        let config = file.read().unwrap();
        let counters = Arc::default();
        let recording = self.record.as_ref().map(|path| recorder::open(path, &counters).unwrap());
        let parts = RouterParts {
            planned: inventory::plan(&config, &[]),
            file,
            config,
            cpus: CpuPlan { workers: vec![0], others: vec![0] },
            clock: Clock::start(),
            socket: ControlSocket::bind(&self.socket()).unwrap(),
            tun: None,
            signals: Signals::catch().unwrap(),
            counters,
            opener: Box::new(Opener {
                is_armed: Arc::clone(&self.is_armed),
                source: Arc::clone(&self.source),
            }),
            admission: Arc::clone(&self.admission),
            memory: Arc::new(()),
            cycles: || 0,
            dpdk: "none".to_owned(),
            recording,
            has_debug_commands: false,
        };
        let socket = self.socket();
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                let _end = EndOfFailure(self);
                meanwhile(&socket);
            });
            run(parts)
        });
        assert!(!socket.exists(), "the socket goes with the router");
        outcome.expect_err("a thread has failed")
    }
}
