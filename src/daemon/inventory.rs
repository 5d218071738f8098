//! The devices of this host, and which port takes which.
//!
//! Owns what sysfs and procfs tell of NICs, and [`plan`], the list of ports to open. Whom a device
//! falls to is decided by `config::device::assign`.
//!
//! A NIC that a driver for user space has (vfio, uio, or one that shares) is taken over its bus;
//! one that the kernel drives is taken through AF_PACKET, which is slower and needs no binding. On
//! Hyper-V that is decided by the driver too: DPDK takes a NIC from `uio_hv_generic`, which has no
//! interface; one with an interface is `hv_netvsc`'s and DPDK cannot have it.
//!
//! *Invariants*: a NIC that carries the default route or an ssh session of the host, also under a
//! bridge, bond or VLAN, is marked as such. One that is a port already stays that port while its
//! block takes it.

use crate::base::ids::MacAddress;
use crate::config::device::{DeviceFacts, assign};
use crate::config::{Config, PortDevice, PortRole};
use crate::daemon::devices::{Hearing, PlannedPort};
use crate::ports::DeviceSpec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Kernel drivers whose NICs a DPDK driver takes, alone or beside the kernel.
const SHARING_DRIVERS: [&str; 6] =
    ["vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core", "mlx4_core", "mana"];
/// The kernel driver that DPDK takes a NIC of Hyper-V from.
const VMBUS_DRIVER: &str = "uio_hv_generic";
/// Class of network devices on VMBus (`HV_NIC_GUID` of linux/hyperv.h), as sysfs writes it.
const VMBUS_CLASS_NETWORK: &str = "{f8615163-df3e-46c5-913f-f2d2f965ed0e}";
/// The port of ssh.
const SSH_PORT: u16 = 22;
/// Class of network controllers in PCI.
const PCI_CLASS_NETWORK: &str = "0x02";

/// A port that is open.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// What it was opened as.
    pub port: &'a PlannedPort,
    /// The address that its interface had before, which a port may change.
    pub mac: Option<MacAddress>,
}

/// The ports of a configuration on this host, of which some are `open` already.
pub fn plan(config: &Config, open: &[Open<'_>]) -> Vec<PlannedPort> {
    plan_on(&Sysfs::of_host(), config, open)
}

fn plan_on(host: &Sysfs, config: &Config, open: &[Open<'_>]) -> Vec<PlannedPort> {
    let is_match = |device: &PortDevice| matches!(device, PortDevice::Match { .. });
    let mut planned: Vec<PlannedPort> = config
        .ports
        .iter()
        .filter_map(|settings| {
            let spec = spec_of(&settings.device)?;
            let hearing = hearing_of(config, &settings.name, settings.role);
            Some(PlannedPort { settings: settings.clone(), spec, hearing })
        })
        .collect();
    if !config.ports.iter().any(|port| is_match(&port.device)) {
        return planned;
    }
    let named: BTreeSet<String> =
        planned.iter().filter_map(|port| port.spec.kernel_interface().map(str::to_owned)).collect();
    let mut devices = host.devices();
    devices.retain(|found| {
        let facts = &found.facts;
        !named.contains(&facts.name)
            && facts.name != config.host.tun
            && !planned.iter().any(|port| found.spec.as_ref() == Some(&port.spec))
    });
    for found in &mut devices {
        let is_it = |open: &&Open<'_>| found.spec.as_ref() == Some(&open.port.spec);
        let Some(Open { port, mac }) = open.iter().find(is_it) else { continue };
        found.facts.open_as = Some(port.settings.name.clone());
        if let Some(mac) = mac {
            found.facts.mac = mac.to_string();
        }
    }
    let facts: Vec<DeviceFacts> = devices.iter().map(|found| found.facts.clone()).collect();
    for assignment in assign(&config.ports, &facts) {
        let (Some(block), Some(Found { spec: Some(spec), .. })) =
            (config.ports.get(assignment.block), devices.get(assignment.device))
        else {
            continue;
        };
        let settings = crate::config::PortSettings { name: assignment.name, ..block.clone() };
        let hearing = hearing_of(config, &settings.name, settings.role);
        planned.push(PlannedPort { settings, spec: spec.clone(), hearing });
    }
    planned
}

/// Whose frames a port shall receive.
fn hearing_of(config: &Config, name: &str, role: PortRole) -> Hearing {
    let mut entries = config.tenants.iter().flat_map(|tenant| &tenant.ports);
    match role == PortRole::Tenant || entries.any(|entry| entry.port == name) {
        true => Hearing::All,
        false => Hearing::Own,
    }
}

/// The device of a block that names it.
fn spec_of(device: &PortDevice) -> Option<DeviceSpec> {
    Some(match device {
        PortDevice::Match { .. } => return None,
        PortDevice::Pci(address) => DeviceSpec::Pci(address.clone()),
        PortDevice::Vmbus(uuid) => DeviceSpec::Vmbus(uuid.clone()),
        PortDevice::AfPacket(name) => DeviceSpec::AfPacket(name.clone()),
        PortDevice::AfXdp(name) => DeviceSpec::AfXdp(name.clone()),
        PortDevice::Tap(name) => DeviceSpec::Tap(name.clone()),
        PortDevice::Memif(words) => DeviceSpec::Memif(words.clone()),
        PortDevice::Vdev(words) => DeviceSpec::Vdev(words.clone()),
    })
}

/// A device and what to open it as.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    facts: DeviceFacts,
    spec: Option<DeviceSpec>,
}

/// Where the kernel tells of devices.
struct Sysfs {
    sys: PathBuf,
    net: PathBuf,
}

impl Sysfs {
    fn of_host() -> Self {
        Self { sys: PathBuf::from("/sys"), net: PathBuf::from("/proc/net") }
    }

    /// Every NIC, in order of bus address and name.
    fn devices(&self) -> Vec<Found> {
        let management = self.management();
        let mut found: Vec<Found> = names(&self.sys.join("class/net"))
            .into_iter()
            .filter(|name| name != "lo")
            .map(|name| self.interface(name, &management))
            .collect();
        let known: BTreeSet<String> = found.iter().map(|found| found.facts.pci.clone()).collect();
        found.extend(self.bare_pci().filter(|found| !known.contains(&found.facts.pci)));
        found.extend(self.bare_vmbus());
        found.sort_by_key(|found| (found.facts.pci.clone(), found.facts.name.clone()));
        found
    }

    /// NICs on the PCI bus, also those without an interface.
    fn bare_pci(&self) -> impl Iterator<Item = Found> {
        let bus = self.sys.join("bus/pci/devices");
        names(&bus).into_iter().filter_map(move |address| {
            let folder = bus.join(&address);
            if !text(&folder.join("class")).starts_with(PCI_CLASS_NETWORK) {
                return None;
            }
            let driver = link_name(&folder.join("driver"));
            let spec = Some(DeviceSpec::Pci(address.clone()));
            let facts = DeviceFacts { pci: address, driver, ..DeviceFacts::default() };
            // Without a driver for user space there is nothing to open it with.
            let is_bound = SHARING_DRIVERS.contains(&facts.driver.as_str());
            Some(Found { facts, spec: spec.filter(|_| is_bound) })
        })
    }

    /// NICs of Hyper-V that wait for DPDK. Other devices may be bound to the same driver.
    fn bare_vmbus(&self) -> impl Iterator<Item = Found> {
        let bus = self.sys.join("bus/vmbus/devices");
        names(&bus).into_iter().filter_map(move |uuid| {
            let folder = bus.join(&uuid);
            let driver = link_name(&folder.join("driver"));
            let class = text(&folder.join("class_id")).to_ascii_lowercase();
            let is_bound = driver == VMBUS_DRIVER && class == VMBUS_CLASS_NETWORK;
            let facts = DeviceFacts { driver, ..DeviceFacts::default() };
            is_bound.then_some(Found { facts, spec: Some(DeviceSpec::Vmbus(uuid)) })
        })
    }

    fn interface(&self, name: String, management: &BTreeSet<String>) -> Found {
        let folder = self.sys.join("class/net").join(&name);
        let device = folder.join("device");
        let is_management = management.contains(&name);
        if !device.exists() {
            // Bridges and VLANs repeat the MAC of a NIC; only their own name means them.
            let spec = Some(DeviceSpec::AfPacket(name.clone()));
            return Found {
                facts: DeviceFacts { name, is_management, ..DeviceFacts::default() },
                spec,
            };
        }
        let bus = link_name(&device.join("subsystem"));
        let address = link_name(&device);
        let driver = link_name(&device.join("driver"));
        let spec = match bus.as_str() {
            "pci" if SHARING_DRIVERS.contains(&driver.as_str()) => DeviceSpec::Pci(address.clone()),
            _ => DeviceSpec::AfPacket(name.clone()),
        };
        let pci = if bus == "pci" { address } else { String::new() };
        let mac = text(&folder.join("address"));
        let facts = DeviceFacts { pci, mac, driver, name, is_management, open_as: None };
        Found { facts, spec: Some(spec) }
    }

    /// The interfaces the administrator reaches the host through, and what is below them.
    fn management(&self) -> BTreeSet<String> {
        let v4 = parse_routes_v4(&text(&self.net.join("route")));
        let v6 = parse_routes_v6(&text(&self.net.join("ipv6_route")));
        let default = |routes: &[Route]| {
            routes
                .iter()
                .filter(|route| route.length == 0)
                .map(|route| route.interface.clone())
                .collect::<Vec<_>>()
        };
        let mut open: Vec<String> = default(&v4);
        open.extend(default(&v6));
        for table in ["tcp", "tcp6"] {
            for remote in parse_ssh_peers(&text(&self.net.join(table))) {
                let routes = if remote.to_canonical().is_ipv4() { &v4 } else { &v6 };
                open.extend(longest_match(routes, remote));
            }
        }
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            let below = names(&self.sys.join("class/net").join(&name));
            open.extend(below.iter().filter_map(|n| n.strip_prefix("lower_")).map(str::to_owned));
            found.insert(name);
        }
        found
    }
}

/// A route of the kernel, as 128 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    destination: u128,
    length: u32,
    interface: String,
}

fn longest_match(routes: &[Route], address: IpAddr) -> Option<String> {
    let (bits, width) = match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let covers = |route: &&Route| {
        let shift = u32::saturating_sub(width, route.length);
        let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
        cut(route.destination) == cut(bits)
    };
    routes.iter().filter(covers).max_by_key(|route| route.length).map(|r| r.interface.clone())
}

/// `/proc/net/route`: name, destination, gateway, flags, …, mask as the eighth; numbers in the
/// order of memory.
fn parse_routes_v4(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |place: usize| u32::from_str_radix(words.get(place)?, 16).ok();
        let destination = u128::from(u32::from_be_bytes(number(1)?.to_ne_bytes()));
        let length = number(7)?.count_ones();
        Some(Route { destination, length, interface: (*words.first()?).to_owned() })
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// `/proc/net/ipv6_route`: destination, its length, …, flags and name at the end.
fn parse_routes_v6(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let destination = u128::from_str_radix(words.first()?, 16).ok()?;
        let length = u32::from_str_radix(words.get(1)?, 16).ok()?;
        let interface = (*words.get(9)?).to_owned();
        // The kernel's "unreachable" default stands on the loopback device.
        (interface != "lo").then_some(Route { destination, length, interface })
    };
    text.lines().filter_map(route).collect()
}

/// `/proc/net/tcp` and `tcp6`: who has a connection to our ssh.
fn parse_ssh_peers(text: &str) -> Vec<IpAddr> {
    let peer = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (_, local_port) = words.get(1)?.split_once(':')?;
        let (remote, _) = words.get(2)?.split_once(':')?;
        let is_ssh = u16::from_str_radix(local_port, 16).ok()? == SSH_PORT;
        let is_established = *words.get(3)? == "01";
        if is_ssh && is_established { parse_address(remote) } else { None }
    };
    text.lines().skip(1).filter_map(peer).collect()
}

/// Words of 32 bits in the order of memory.
fn parse_address(text: &str) -> Option<IpAddr> {
    let mut octets = Vec::new();
    for start in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(start..start + 8)?, 16).ok()?;
        octets.extend(word.to_ne_bytes());
    }
    match <[u8; 4]>::try_from(octets.as_slice()) {
        Ok(octets) => Some(IpAddr::V4(Ipv4Addr::from(octets))),
        Err(_) => {
            let octets = <[u8; 16]>::try_from(octets.as_slice()).ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The last word of where a link leads.
fn link_name(path: &Path) -> String {
    let target = fs::read_link(path).ok();
    let name = target.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    name.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
