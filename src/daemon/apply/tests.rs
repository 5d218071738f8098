//! Claims about configurations that are applied while ports are open, on devices that are made up.

use super::*;
use crate::base::ids::MacAddress;
use crate::config::{Overrides, PortDevice, PortRole, PortSettings};
use crate::control::AttachedPort;
use crate::daemon::clock::Clock;
use crate::daemon::devices::{DeviceOpener, DeviceStats, OpenDevice};
use crate::daemon::error::PortProblem;
use crate::daemon::mailbox::{Mailbox, mailbox};
use crate::daemon::messages::{TO_CONTROL_MAX, TO_HOST_MAX};
use crate::daemon::observe::Observer;
use crate::os::poller::Poller;
use crate::packet::HeapBuf;
use crate::ports::DeviceSpec;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The devices of a host that is made up: which can be opened, and what became of them.
#[derive(Debug, Default)]
struct Host {
    /// Those with carrier.
    up: BTreeSet<String>,
    /// Those that do not open with an MTU above this one.
    mtu_max: Option<u16>,
    /// What was done, in order: `open NAME`, `close NAME`.
    log: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Devices(Arc<Mutex<Host>>);

impl Devices {
    fn with<T>(&self, work: impl FnOnce(&mut Host) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

#[derive(Debug)]
struct Stats {
    devices: Devices,
    name: String,
}

impl DeviceStats for Stats {
    fn losses(&self) -> Vec<(&'static str, u64, &'static str)> {
        Vec::new()
    }

    fn missed(&self) -> u64 {
        0
    }

    fn is_up(&self) -> Option<bool> {
        Some(self.devices.with(|host| host.up.contains(&self.name)))
    }
}

impl DeviceOpener<HeapBuf> for Devices {
    fn open(&mut self, port: &PlannedPort, _: u16) -> Result<OpenDevice<HeapBuf>, PortProblem> {
        let name = port.settings.device.to_string();
        if self.with(|host| host.mtu_max).is_some_and(|max| port.settings.mtu > max) {
            return Err(PortProblem::Device("the MTU is too large".to_owned()));
        }
        self.with(|host| host.log.push(format!("open {name}")));
        let stats = Arc::new(Stats { devices: self.clone(), name: name.clone() });
        let devices = self.clone();
        Ok(OpenDevice {
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            driver: "net_made_up".to_owned(),
            mtu_max: 9000,
            speed_mbps: None,
            queues: Vec::new(),
            stats,
            close: Box::new(move || {
                devices.with(|host| host.log.push(format!("close {name}")));
                Ok(())
            }),
        })
    }
}

/// A main thread whose neighbours do not run; what it tells them is looked at.
struct Bench {
    applier: Applier<HeapBuf>,
    devices: Devices,
    control: Mailbox<ToControl>,
    _host: Mailbox<ToHost>,
}

impl Bench {
    /// Runs a configuration of these ports.
    fn start(ports: &str) -> Self {
        let poller = Poller::new().unwrap();
        let (to_control, control) = mailbox(TO_CONTROL_MAX, poller.waker());
        let (to_host, host) = mailbox(TO_HOST_MAX, poller.waker());
        let devices = Devices::default();
        let name = "r1".to_owned();
        let observer =
            Observer::new(Clock::start(), name, String::new(), Vec::new(), Arc::default());
        let table = PortTable::new(Box::new(devices.clone()), Vec::new(), Arc::new(observer));
        let file = ConfigFile::new(Path::new("/nonexistent/k.toml"), Overrides::default());
        let config = file.load("t", &text(ports)).unwrap();
        let planned = inventory::plan(&config, &[]);
        let counters = Arc::default();
        let patience = Duration::ZERO;
        let listeners = Listeners { control: to_control, host: to_host, counters, patience };
        let applier = Applier::new(file, config, table, listeners);
        let mut bench = Self { applier, devices, control, _host: host };
        bench.applier.begin(planned).unwrap();
        bench
    }

    fn apply(&mut self, ports: &str) -> Result<Applied, ApiError> {
        while self.control.take().is_some() {}
        self.devices.with(|host| host.log.clear());
        self.applier.apply(&text(ports))
    }

    /// Ports that the control plane was told of since the last configuration.
    fn attached(&self) -> Vec<AttachedPort> {
        let messages = core::iter::from_fn(|| self.control.take());
        let attached = messages.filter_map(|message| match message {
            ToControl::Attach(port) => Some(*port),
            _ => None,
        });
        attached.collect()
    }

    fn log(&self) -> Vec<String> {
        self.devices.with(|host| host.log.clone())
    }
}

fn text(ports: &str) -> String {
    format!("[router]\nname = \"r1\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n{ports}")
}

#[test]
fn a_port_that_changes_keeps_the_carrier_it_has_now() {
    const PORT: &str = "[[port]]\nname = \"p\"\ndevice = \"vdev:net_x0\"\nrole = \"fabric\"\n";
    let mut bench = Bench::start(PORT);
    assert!(!bench.attached()[0].is_up, "a cable that is not plugged in yet");
    bench.devices.with(|host| host.up.insert("vdev:net_x0".to_owned()));
    bench.apply(&format!("{PORT}cost = 7\n")).unwrap();
    let attached = bench.attached();
    assert_eq!(attached[0].settings.cost, Some(7));
    assert!(attached[0].is_up && bench.log().is_empty());
}

#[test]
fn a_port_that_does_not_open_anew_keeps_its_old_settings() {
    const NIC: &str = "[[port]]\nname = \"p\"\ndevice = \"pci:81:00.0\"\nrole = \"fabric\"\n";
    let mut bench = Bench::start(&format!("{NIC}mtu = 1500\n"));
    bench.devices.with(|host| host.mtu_max = Some(4000));
    let applied = bench.apply(&format!("{NIC}mtu = 9000\n")).unwrap();
    let failure = "port p: the MTU is too large; it runs on with its old settings";
    assert_eq!(applied.failures, [failure]);
    assert_eq!(bench.log(), ["close pci:0000:81:00.0", "open pci:0000:81:00.0"]);
    assert_eq!(bench.attached()[0].settings.mtu, 1500);
    // The same file is tried again, and when the device is willing, all is well.
    bench.devices.with(|host| host.mtu_max = None);
    assert_eq!(bench.apply(&format!("{NIC}mtu = 9000\n")), Ok(Applied::default()));
    assert_eq!(bench.attached()[0].settings.mtu, 9000);
}

#[test]
fn a_message_that_nobody_takes_is_counted_and_answered() {
    const PORT: &str = "[[port]]\nname = \"p\"\ndevice = \"vdev:net_x0\"\nrole = \"fabric\"\n";
    let mut bench = Bench::start(PORT);
    // What it heard at the start is taken; from now on it reads nothing.
    while bench.control.take().is_some() {}
    for _ in 0..TO_CONTROL_MAX - 1 {
        bench.applier.listeners.tell_control(ToControl::Shutdown);
    }
    let applied = bench.applier.apply(&text(&format!("{PORT}cost = 7\n"))).unwrap();
    assert_eq!(applied.failures, ["port p is open and not all of the router knows"]);
    let counters = &bench.applier.listeners.counters;
    assert_eq!(counters.get(DaemonCounter::MessageDropped), 1);
}

fn port(name: &str, interface: &str, cost: u16) -> PlannedPort {
    let settings = PortSettings {
        name: name.to_owned(),
        device: PortDevice::AfPacket(interface.to_owned()),
        role: PortRole::Fabric,
        address: None,
        mtu: 9000,
        cost: Some(cost),
        vlan: None,
        mac: None,
    };
    PlannedPort { settings, spec: DeviceSpec::AfPacket(interface.to_owned()) }
}

#[test]
fn ports_that_stay_are_left_alone() {
    let (a, b) = (port("a", "v1", 1), port("b", "v2", 1));
    let live = [(PortId(0), &a), (PortId(1), &b)];
    assert_eq!(compare(&live, vec![b.clone(), a.clone()]), PortSteps::default());
}

#[test]
fn a_port_with_other_settings_keeps_its_device() {
    let a = port("a", "v1", 1);
    let steps = compare(&[(PortId(4), &a)], vec![port("a", "v1", 2), port("c", "v3", 1)]);
    assert_eq!(steps.change, [(PortId(4), port("a", "v1", 2))]);
    assert_eq!(steps.open, [port("c", "v3", 1)]);
    assert!(steps.close.is_empty() && steps.reopen.is_empty());
}

#[test]
fn a_port_is_the_same_port_while_its_device_is() {
    let (a, b) = (port("a", "v1", 1), port("b", "v2", 1));
    let live = [(PortId(0), &a), (PortId(1), &b)];
    let steps = compare(&live, vec![port("b", "v1", 1), port("a", "v2", 1)]);
    assert_eq!(
        steps.change,
        [(PortId(0), port("b", "v1", 1)), (PortId(1), port("a", "v2", 1))],
        "names that are swapped close nothing"
    );
    assert!(steps.close.is_empty() && steps.open.is_empty() && steps.reopen.is_empty());
}

#[test]
fn an_interface_that_is_taken_in_another_way_is_closed_first() {
    let (a, mut xdp) = (port("a", "v1", 1), port("a", "v1", 1));
    xdp.spec = DeviceSpec::AfXdp("v1".to_owned());
    let steps = compare(&[(PortId(0), &a)], vec![xdp.clone()]);
    assert_eq!((steps.close, steps.reopen), (vec![PortId(0)], vec![xdp]));
    assert!(steps.open.is_empty() && steps.change.is_empty());
}
