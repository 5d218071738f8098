//! Claims about configurations that are applied while ports are open, on devices that are made up.

use super::*;
use crate::base::ids::MacAddress;
use crate::config::{Overrides, PortDevice, PortRole, PortSettings};
use crate::control::AttachedPort;
use crate::daemon::clock::Clock;
use crate::daemon::devices::Hearing;
use crate::daemon::devices::{DeviceOpener, DeviceStats, OpenDevice};
use crate::daemon::error::PortProblem;
use crate::daemon::mailbox::{Mailbox, mailbox};
use crate::daemon::messages::{TO_CONTROL_MAX, TO_HOST_MAX};
use crate::daemon::observe::Observer;
use crate::os::namespace::{Namespace, may_create_namespaces};
use crate::os::netlink::{NewVeth, RouteSocket, VethEnd};
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
        let clock = Clock::start();
        let observer = Observer::new(clock, name, String::new(), Vec::new(), Arc::default());
        let table = PortTable::new(Box::new(devices.clone()), Vec::new(), Arc::new(observer));
        let file = ConfigFile::new(Path::new("/nonexistent/k.toml"), Overrides::default());
        let config = file.load("t", &text(ports)).unwrap();
        let planned = inventory::plan(&config, &[]);
        let counters = Arc::default();
        let patience = Duration::ZERO;
        let listeners = Listeners { control: to_control, host: to_host, counters, clock, patience };
        let applier = Applier::new(file, config, table, listeners);
        let mut bench = Self { applier, devices, control, _host: host };
        bench.applier.begin(planned).unwrap();
        bench
    }

    fn apply(&mut self, ports: &str) -> Result<Applied, ApiError> {
        while self.control.take().is_some() {}
        self.devices.with(|host| host.log.clear());
        self.applier.apply(&text(ports), None)
    }

    /// Lets time pass until every port that is not open was tried once more.
    fn try_lost(&mut self) {
        std::thread::sleep(self.applier.idle_time().unwrap_or_default());
        self.applier.open_lost();
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
fn a_port_that_opens_neither_way_is_tried_until_it_does() {
    const NIC: &str = "[[port]]\nname = \"p\"\ndevice = \"pci:81:00.0\"\nrole = \"fabric\"\n";
    let mut bench = Bench::start(&format!("{NIC}mtu = 1500\n"));
    bench.devices.with(|host| host.mtu_max = Some(1000));
    let applied = bench.apply(&format!("{NIC}mtu = 9000\n")).unwrap();
    let failure = "port p: the MTU is too large; it is tried again until it is open";
    assert_eq!(applied.failures, [failure]);
    assert!(bench.attached().is_empty());
    bench.devices.with(|host| host.mtu_max = None);
    bench.try_lost();
    assert_eq!(bench.attached()[0].settings.mtu, 9000);
    assert_eq!(bench.applier.idle_time(), None);
}

const VETH: &str = "[[port]]\ndevice = \"af_packet:v1\"\nrole = \"fabric\"\n";

fn make_veth(socket: &mut RouteSocket, ifindex: u32) {
    let end = |name, ifindex| VethEnd { name, ifindex, namespace: None };
    let ends = [end("v1", ifindex), end("v2", ifindex + 1)];
    socket.create_veth(&NewVeth { ends, mtu: 1500 }).unwrap();
}

/// Runs `work` in a namespace where a port is open on v1, number 1001.
fn with_veth(work: impl FnOnce(&mut RouteSocket, &mut Bench) + Send) {
    if !may_create_namespaces() {
        println!("skipped: this user may not make network namespaces");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::create(&folder.path().join("n")).unwrap();
    let inside = namespace.run(|| {
        let mut socket = RouteSocket::open().unwrap();
        make_veth(&mut socket, 1001);
        work(&mut socket, &mut Bench::start(VETH));
    });
    Namespace::delete(namespace.path()).unwrap();
    inside.unwrap();
}

#[test]
fn a_port_is_open_again_when_its_interface_is_made_again() {
    with_veth(|socket, bench| {
        let port = bench.attached()[0].port;
        socket.delete_link(1001).unwrap();
        bench.applier.lose(port);
        let detached = match bench.control.take() {
            Some(ToControl::Detach { port, .. }) => Some(port),
            _ => None,
        };
        assert_eq!(detached, Some(port));
        let failures = bench.apply(VETH).unwrap().failures;
        assert!(failures[0].contains("there is no interface `v1`"), "{failures:?}");
        make_veth(socket, 1003);
        bench.try_lost();
        let attached = bench.attached();
        assert_eq!((attached.len(), attached[0].mtu_max), (1, 9120), "the new one is prepared");
        let watched = bench.applier.ports.watched(attached[0].port).unwrap();
        assert_eq!(watched.ifindex, Some(1003));
    });
}

#[test]
fn a_port_that_goes_while_it_changes_comes_back_changed() {
    with_veth(|socket, bench| {
        socket.delete_link(1001).unwrap();
        let failures = bench.apply(&format!("{VETH}cost = 7\n")).unwrap().failures;
        assert!(failures[0].contains("there is no interface `v1`"), "{failures:?}");
        make_veth(socket, 1003);
        bench.try_lost();
        assert_eq!(bench.attached()[0].settings.cost, Some(7));
    });
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
    let applied = bench.applier.apply(&text(&format!("{PORT}cost = 7\n")), None).unwrap();
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
        bfd: crate::config::PortBfd::default(),
        vlan: None,
        mac: None,
    };
    PlannedPort {
        settings,
        spec: DeviceSpec::AfPacket(interface.to_owned()),
        hearing: Hearing::Own,
    }
}

#[test]
fn ports_that_stay_are_left_alone() {
    let (a, b) = (port("a", "v1", 1), port("b", "v2", 1));
    let live = [(PortId(0), &a), (PortId(1), &b)];
    assert_eq!(steps(&live, vec![b.clone(), a.clone()]), PortSteps::default());
}

#[test]
fn a_port_with_other_settings_keeps_its_device() {
    let a = port("a", "v1", 1);
    let steps = steps(&[(PortId(4), &a)], vec![port("a", "v1", 2), port("c", "v3", 1)]);
    assert_eq!(steps.change, [(PortId(4), port("a", "v1", 2))]);
    assert_eq!(steps.open, [port("c", "v3", 1)]);
    assert!(steps.close.is_empty() && steps.reopen.is_empty());
}

#[test]
fn a_port_is_the_same_port_while_its_device_is() {
    let (a, b) = (port("a", "v1", 1), port("b", "v2", 1));
    let live = [(PortId(0), &a), (PortId(1), &b)];
    let steps = steps(&live, vec![port("b", "v1", 1), port("a", "v2", 1)]);
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
    let steps = steps(&[(PortId(0), &a)], vec![xdp.clone()]);
    assert_eq!((steps.close, steps.reopen), (vec![PortId(0)], vec![xdp]));
    assert!(steps.open.is_empty() && steps.change.is_empty());
}
