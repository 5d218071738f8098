//! A thread that dies takes the router along, and the router says so.

use kumiki::base::ids::MacAddress;
use kumiki::base::route::PortRole;
use kumiki::config::{Overrides, PortDevice, PortSettings};
use kumiki::daemon::clock::Clock;
use kumiki::daemon::cpus::CpuPlan;
use kumiki::daemon::devices::{DeviceOpener, DeviceQueues, DeviceStats, OpenDevice, PlannedPort};
use kumiki::daemon::error::{PortProblem, RunError};
use kumiki::daemon::files::ConfigFile;
use kumiki::daemon::router::{RouterParts, run};
use kumiki::daemon::signals::Signals;
use kumiki::daemon::socket::ControlSocket;
use kumiki::daemon::worker::{Admission, ThreadPass};
use kumiki::packet::{Burst, HeapBuf, PacketAlloc, PortRx, PortTx};
use kumiki::ports::memory::cable;
use kumiki::ports::{DeviceSpec, Wakeup};
use std::sync::Arc;

struct HeapAlloc;

impl PacketAlloc<HeapBuf> for HeapAlloc {
    fn alloc(&mut self) -> Option<HeapBuf> {
        Some(HeapBuf::new(&[]))
    }
}

/// A device of which the first look is the last.
struct Mine;

impl PortRx<HeapBuf> for Mine {
    fn receive(&mut self, _: &mut Burst<HeapBuf>) -> usize {
        panic!("a worker steps on it");
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
    is_mined: bool,
}

impl DeviceOpener<HeapBuf> for Opener {
    fn open(&mut self, _: &PlannedPort, workers: u16) -> Result<OpenDevice<HeapBuf>, PortProblem> {
        let queues = (0..workers).map(|_| {
            let (port, _) = cable(8);
            let rx: Box<dyn PortRx<HeapBuf>> = match self.is_mined {
                true => Box::new(Mine),
                false => Box::new(port.rx),
            };
            let tx: Box<dyn PortTx<HeapBuf>> = Box::new(port.tx);
            DeviceQueues { rx, tx, wakeup: Wakeup::Blind }
        });
        Ok(OpenDevice {
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            driver: "memory".to_owned(),
            mtu_max: 9000,
            speed_mbps: None,
            queues: queues.collect(),
            stats: Arc::new(NoStats),
            close: Box::new(|| Ok(())),
        })
    }
}

fn planned() -> PlannedPort {
    let settings = PortSettings {
        name: "p1".to_owned(),
        device: PortDevice::Vdev("memory".to_owned()),
        role: PortRole::Fabric,
        address: None,
        mtu: 9000,
        cost: None,
        vlan: None,
        mac: None,
    };
    PlannedPort { settings, spec: DeviceSpec::Vdev("memory".to_owned()) }
}

/// Lets every thread in.
fn pass() -> ThreadPass<HeapBuf> {
    ThreadPass { alloc: Box::new(HeapAlloc), proof: Box::new(()) }
}

/// Runs a router with one port and one worker until it ends by itself.
fn end_of(is_mined: bool, admission: Admission<HeapBuf>) -> RunError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kumiki.toml");
    let text = "[router]\nname = \"r\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n\
                [dpdk]\nidle = \"adaptive\"\n\
                [[port]]\nname = \"p1\"\ndevice = \"vdev:memory\"\nrole = \"fabric\"\n";
    std::fs::write(&path, text).unwrap();
    let file = ConfigFile::new(&path, Overrides::default());
    let config = file.read().unwrap();
    let socket = folder.path().join("control.sock");
    let outcome = run(RouterParts {
        file,
        config,
        planned: vec![planned()],
        cpus: CpuPlan { workers: vec![0], others: vec![0] },
        clock: Clock::start(),
        socket: ControlSocket::bind(&socket).unwrap(),
        tun: None,
        signals: Signals::catch().unwrap(),
        counters: Arc::default(),
        opener: Box::new(Opener { is_mined }),
        admission,
        cycles: || 0,
        dpdk: "none".to_owned(),
    });
    assert!(!socket.exists(), "the socket goes with the router");
    outcome.expect_err("a thread has failed")
}

fn thread_of(error: RunError) -> String {
    assert_eq!(error.exit().code(), 1);
    match error {
        RunError::Thread { thread, .. } => thread,
        other => panic!("not the loss of a thread: {other}"),
    }
}

#[test]
fn a_worker_that_panics_ends_the_router_with_an_error() {
    assert_eq!(thread_of(end_of(true, Arc::new(|| Ok(pass())))), "worker-0");
}

#[test]
fn a_thread_that_is_not_let_in_ends_the_router_with_an_error() {
    for name in ["control", "host"] {
        let admission = move || match std::thread::current().name() == Some(name) {
            true => Err(RunError::NoDpdk),
            false => Ok(pass()),
        };
        let error = end_of(false, Arc::new(admission));
        assert!(error.to_string().contains("without DPDK"), "the reason is said: {error}");
        assert_eq!(thread_of(error), name);
    }
}

#[test]
fn a_thread_that_panics_ends_the_router_with_an_error() {
    for name in ["control", "host"] {
        let admission = move || match std::thread::current().name() == Some(name) {
            true => panic!("as it must"),
            false => Ok(pass()),
        };
        assert_eq!(thread_of(end_of(false, Arc::new(admission))), name);
    }
}
