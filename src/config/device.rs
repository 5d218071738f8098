//! Which device a `[[port]]` block takes: `match = "KEY=GLOB"` and `device = "KIND:ARGUMENT"`.
//!
//! Owns both texts (parsing and display), the default name of a port, globs, and [`assign`], which
//! hands the devices of a host to blocks. Finding the devices is the business of `daemon`.
//!
//! *Invariants*: what is displayed is parsed to the same; one device has one text, as EAL compares
//! names octet by octet and the daemon compares devices; the first block that matches wins; a glob
//! never takes a device the administrator reaches the host through. A device on which a port is
//! open keeps the name of that port, and is not given up because the administrator comes that way
//! now: which other devices there are does not matter to it.

use crate::config::schema::{PortDevice, PortSettings};
use core::fmt;
use core::str::FromStr;
use std::collections::BTreeSet;

/// What `match` can look at.
pub const MATCH_KEYS: &[&str] = &["pci", "mac", "driver", "name"];

/// Octets of a Linux interface name (`IFNAMSIZ` less the final zero).
pub const INTERFACE_NAME_OCTETS_MAX: usize = 15;

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDeviceError {
    /// No separator.
    #[error("`{0}` has no `{1}`")]
    Separator(String, char),
    /// The word before the separator is unknown.
    #[error("`{0}` is no kind of device")]
    Kind(String),
    /// Nothing after the separator.
    #[error("nothing follows `{0}`")]
    Empty(String),
    /// Not `DDDD:BB:DD.F`.
    #[error("`{0}` is not a PCI address such as 0000:81:00.0")]
    PciAddress(String),
    /// Not a UUID.
    #[error("`{0}` is not a VMBus UUID")]
    VmbusUuid(String),
    /// Not an interface name.
    #[error("`{0}` is not the name of an interface: 1 to 15 characters, no slash, no space")]
    Interface(String),
    /// A space inside.
    #[error("`{0}` has a space in it")]
    Space(String),
}

/// Whether the kernel takes this as the name of an interface.
pub fn is_interface_name(name: &str) -> bool {
    (1..=INTERFACE_NAME_OCTETS_MAX).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

fn is_hex(text: &str, lengths: core::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// `DDDD:BB:DD.F` in lower case, as the kernel and EAL write it, of any of the ways people write
/// it: without the domain, in upper case.
fn pci_address(text: &str) -> Option<String> {
    let (place, function) = text.rsplit_once('.')?;
    let mut parts = place.rsplit(':');
    let (device, bus, domain) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0000"));
    let is_right = parts.next().is_none()
        && is_hex(domain, 4..=8)
        && [device, bus].iter().all(|part| is_hex(part, 2..=2))
        && matches!(function.as_bytes(), [b'0'..=b'7']);
    let domain = u32::from_str_radix(domain, 16).ok().filter(|_| is_right)?;
    Some(format!("{domain:04x}:{bus}:{device}.{function}").to_ascii_lowercase())
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    parts.len() == 5
        && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, length)| is_hex(part, length..=length))
}

impl PortDevice {
    /// Parses the value of `match`.
    pub fn from_match(text: &str) -> Result<Self, ParseDeviceError> {
        let (key, glob) = text
            .split_once('=')
            .ok_or_else(|| ParseDeviceError::Separator(text.to_owned(), '='))?;
        if !MATCH_KEYS.contains(&key) {
            return Err(ParseDeviceError::Kind(key.to_owned()));
        }
        if glob.is_empty() {
            return Err(ParseDeviceError::Empty(format!("{key}=")));
        }
        let address = pci_address(glob).filter(|_| key == "pci");
        Ok(Self::Match { key: key.to_owned(), glob: address.unwrap_or_else(|| glob.to_owned()) })
    }

    /// The name a port has when the file gives none. With `match` that is the role's word instead.
    pub fn default_name(&self) -> String {
        match self {
            Self::Match { key, glob } => format!("{key}={glob}"),
            Self::Pci(address) => address.clone(),
            Self::Vmbus(uuid) => uuid.chars().take(8).collect(),
            Self::AfPacket(name) | Self::AfXdp(name) | Self::Tap(name) => name.clone(),
            Self::Memif(text) | Self::Vdev(text) => {
                let first = text.split(',').next().unwrap_or("");
                first.rsplit('/').next().unwrap_or("").to_owned()
            }
        }
    }
}

impl FromStr for PortDevice {
    type Err = ParseDeviceError;

    /// Parses the value of `device`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, argument) = text
            .split_once(':')
            .ok_or_else(|| ParseDeviceError::Separator(text.to_owned(), ':'))?;
        let argument = argument.to_owned();
        if argument.is_empty() {
            return Err(ParseDeviceError::Empty(format!("{kind}:")));
        }
        let interface = |name: String| match is_interface_name(&name) {
            true => Ok(name),
            false => Err(ParseDeviceError::Interface(name)),
        };
        let eal_text = |text: String| match text.contains(char::is_whitespace) {
            true => Err(ParseDeviceError::Space(text)),
            false => Ok(text),
        };
        match kind {
            "pci" => match pci_address(&argument) {
                Some(address) => Ok(Self::Pci(address)),
                None => Err(ParseDeviceError::PciAddress(argument)),
            },
            "vmbus" if is_uuid(&argument) => Ok(Self::Vmbus(argument.to_ascii_lowercase())),
            "vmbus" => Err(ParseDeviceError::VmbusUuid(argument)),
            "af_packet" => interface(argument).map(Self::AfPacket),
            "af_xdp" => interface(argument).map(Self::AfXdp),
            "tap" => interface(argument).map(Self::Tap),
            "memif" => eal_text(argument).map(Self::Memif),
            "vdev" => eal_text(argument).map(Self::Vdev),
            _ => Err(ParseDeviceError::Kind(kind.to_owned())),
        }
    }
}

impl fmt::Display for PortDevice {
    /// As in the file: `KIND:ARGUMENT`, or `KEY=GLOB` for a match.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match { key, glob } => write!(f, "{key}={glob}"),
            Self::Pci(address) => write!(f, "pci:{address}"),
            Self::Vmbus(uuid) => write!(f, "vmbus:{uuid}"),
            Self::AfPacket(name) => write!(f, "af_packet:{name}"),
            Self::AfXdp(name) => write!(f, "af_xdp:{name}"),
            Self::Tap(name) => write!(f, "tap:{name}"),
            Self::Memif(text) => write!(f, "memif:{text}"),
            Self::Vdev(text) => write!(f, "vdev:{text}"),
        }
    }
}

/// Whether `text` fits `glob`: `*` stands for any characters, `?` for one. Letters fit either case,
/// as PCI and MAC addresses are written both ways.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.chars().map(|c| c.to_ascii_lowercase()).collect();
    let text: Vec<char> = text.chars().map(|c| c.to_ascii_lowercase()).collect();
    let (mut at_glob, mut at_text) = (0, 0);
    // The last star seen, and where in the text it began to swallow.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(at_text) {
        match glob.get(at_glob) {
            Some('*') => {
                star = Some((at_glob, at_text));
                at_glob += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at_glob += 1;
                at_text += 1;
            }
            _ => {
                let Some((star_at, swallowed_to)) = star else { return false };
                star = Some((star_at, swallowed_to + 1));
                at_glob = star_at + 1;
                at_text = swallowed_to + 1;
            }
        }
    }
    glob.iter().skip(at_glob).all(|rest| *rest == '*')
}

/// What is known of a device of this host, for `match`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceFacts {
    /// PCI address; empty where it has none.
    pub pci: String,
    /// MAC address.
    pub mac: String,
    /// Kernel driver.
    pub driver: String,
    /// Interface name.
    pub name: String,
    /// Whether the default route or an ssh session of the host runs over it.
    pub is_management: bool,
    /// The name of the port that is open on it.
    pub open_as: Option<String>,
}

/// A device that fell to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Index of the block.
    pub block: usize,
    /// Index of the device.
    pub device: usize,
    /// The name of the port: the one it has, else that of the block, numbered from the second
    /// device on.
    pub name: String,
}

fn takes(device: &PortDevice, facts: &DeviceFacts) -> bool {
    let PortDevice::Match { key, glob } = device else { return false };
    let value = match key.as_str() {
        "pci" => &facts.pci,
        "mac" => &facts.mac,
        "driver" => &facts.driver,
        _ => &facts.name,
    };
    let is_exact = key != "driver" && !glob.contains(['*', '?']);
    let is_free = !facts.is_management || facts.open_as.is_some();
    !value.is_empty() && glob_matches(glob, value) && (is_exact || is_free)
}

/// Whether a device of a block with the name `base` may be called `name`.
fn is_numbered(base: &str, name: &str) -> bool {
    let number = name.strip_prefix(base);
    number.is_some_and(|number| {
        number.is_empty() || !number.starts_with('0') && number.parse::<u32>().is_ok_and(|n| n > 1)
    })
}

/// Hands devices to `match` blocks: in order of devices, the first block that matches wins. Names
/// never repeat; those in use stay, as far as the name of the block does.
pub fn assign(ports: &[PortSettings], devices: &[DeviceFacts]) -> Vec<Assignment> {
    let is_match = |port: &&PortSettings| matches!(port.device, PortDevice::Match { .. });
    let mut used: BTreeSet<String> =
        ports.iter().filter(|port| !is_match(port)).map(|port| port.name.clone()).collect();
    let blocks: Vec<Option<(usize, &PortSettings)>> = devices
        .iter()
        .map(|facts| ports.iter().enumerate().find(|(_, port)| takes(&port.device, facts)))
        .collect();
    let kept: Vec<Option<String>> = devices
        .iter()
        .zip(&blocks)
        .map(|(facts, block)| {
            let name = facts.open_as.clone()?;
            let (_, block) = block.as_ref()?;
            (is_numbered(&block.name, &name) && used.insert(name.clone())).then_some(name)
        })
        .collect();
    let mut assignments = Vec::new();
    for (device, (block, kept)) in blocks.into_iter().zip(kept).enumerate() {
        let Some((block, PortSettings { name: base, .. })) = block else { continue };
        let numbered = (2..).map(|number: u32| format!("{base}{number}"));
        let name = kept.or_else(|| {
            core::iter::once(base.clone()).chain(numbered).find(|name| !used.contains(name))
        });
        let name = name.unwrap_or_else(|| unreachable!("numbers do not run out before devices"));
        used.insert(name.clone());
        assignments.push(Assignment { block, device, name });
    }
    assignments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::PortRole;

    #[test]
    fn device_text_round_trips() {
        for text in [
            "pci:0000:81:00.0",
            "pci:10000:81:00.0",
            "vmbus:635a7ae3-091e-4410-ae59-667c4f8c04c3",
            "af_packet:veth1",
            "af_xdp:eth0",
            "tap:kt0",
            "memif:/run/a.sock,id=0,role=server",
            "vdev:net_bgen0,stats=s.json,len=74",
        ] {
            assert_eq!(text.parse::<PortDevice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn one_device_has_one_text_however_it_is_written() {
        let canonical = |text: &str| text.parse::<PortDevice>().unwrap().to_string();
        for text in ["pci:81:00.1", "pci:0000:81:00.1", "pci:00000000:81:00.1"] {
            assert_eq!(canonical(text), "pci:0000:81:00.1", "{text}");
        }
        assert_eq!(canonical("pci:0000:AF:0B.7"), "pci:0000:af:0b.7");
        assert_eq!(
            canonical("vmbus:635A7AE3-091E-4410-AE59-667C4F8C04C3"),
            "vmbus:635a7ae3-091e-4410-ae59-667c4f8c04c3"
        );
        assert_eq!(
            PortDevice::from_match("pci=81:00.1"),
            PortDevice::from_match("pci=0000:81:00.1")
        );
    }

    #[test]
    fn wrong_devices_are_refused() {
        for text in ["eth0", "pci:81.0", "pci:0000:81:00.8", "vmbus:1-2", "tap:", "usb:1"] {
            assert!(text.parse::<PortDevice>().is_err(), "{text}");
        }
        assert!("af_packet:an-interface-too-long".parse::<PortDevice>().is_err());
        assert!("vdev:net_ring0 x".parse::<PortDevice>().is_err());
        assert!(PortDevice::from_match("slot=1").is_err());
        assert!(PortDevice::from_match("pci=").is_err());
    }

    #[test]
    fn globs_match_as_in_a_shell() {
        assert!(glob_matches("52:54:00:*", "52:54:00:12:34:56"));
        assert!(glob_matches("*", ""));
        assert!(glob_matches("mlx?_core", "mlx5_core"));
        assert!(glob_matches("0000:8?:*.0", "0000:81:00.0"));
        assert!(glob_matches("AA:*:ff", "aa:bb:FF"));
        assert!(!glob_matches("eth?", "eth10"));
        assert!(!glob_matches("a*b*c", "axxbxx"));
    }

    fn block(text: &str, name: &str) -> PortSettings {
        PortSettings {
            name: name.to_owned(),
            device: PortDevice::from_match(text).unwrap(),
            role: PortRole::Fabric,
            address: None,
            mtu: 9000,
            cost: None,
            bfd: crate::config::PortBfd::default(),
            vlan: None,
            mac: None,
        }
    }

    fn nic(pci: &str, name: &str, is_management: bool) -> DeviceFacts {
        DeviceFacts {
            pci: pci.to_owned(),
            mac: "52:54:00:00:00:01".to_owned(),
            driver: "ice".to_owned(),
            name: name.to_owned(),
            is_management,
            open_as: None,
        }
    }

    #[test]
    fn the_first_block_wins_and_names_do_not_repeat() {
        let blocks = [block("name=eth3", "uplink"), block("driver=*", "fabric")];
        let nics =
            [nic("0:1", "eth1", false), nic("0:2", "eth2", false), nic("0:3", "eth3", false)];
        let found = assign(&blocks, &nics);
        let names: Vec<_> = found.iter().map(|a| (a.block, a.device, a.name.as_str())).collect();
        assert_eq!(names, [(1, 0, "fabric"), (1, 1, "fabric2"), (0, 2, "uplink")]);
    }

    #[test]
    fn a_glob_never_takes_the_nic_of_the_administrator() {
        let nics = [nic("0000:01:00.0", "eth0", true)];
        assert!(assign(&[block("driver=*", "fabric")], &nics).is_empty());
        assert!(assign(&[block("driver=ice", "fabric")], &nics).is_empty());
        assert!(assign(&[block("name=eth*", "fabric")], &nics).is_empty());
        assert_eq!(assign(&[block("name=eth0", "fabric")], &nics).len(), 1);
    }

    #[test]
    fn open_ports_keep_their_names_whatever_comes_and_goes() {
        let blocks = [block("driver=*", "fabric")];
        let open = |pci: &str, name: &str, port: &str| DeviceFacts {
            open_as: Some(port.to_owned()),
            ..nic(pci, name, false)
        };
        let names = |nics: &[DeviceFacts]| -> Vec<_> {
            assign(&blocks, nics).into_iter().map(|found| (found.device, found.name)).collect()
        };
        let named = |device: usize, name: &str| (device, name.to_owned());
        // One NIC before them appears, the first of them has gone.
        let nics = [nic("0:0", "eth0", false), open("0:2", "eth2", "fabric2")];
        assert_eq!(names(&nics), [named(0, "fabric"), named(1, "fabric2")]);
        // An ssh session comes over an open one, and one that was spared is free now.
        let busy = DeviceFacts { is_management: true, ..open("0:1", "eth1", "fabric") };
        let nics = [nic("0:0", "eth0", false), busy, open("0:2", "eth2", "fabric2")];
        assert_eq!(names(&nics), [named(0, "fabric3"), named(1, "fabric"), named(2, "fabric2")]);
    }

    #[test]
    fn the_order_of_the_file_decides_for_open_ports_too() {
        let open = DeviceFacts { open_as: Some("fabric2".to_owned()), ..nic("0:1", "eth1", false) };
        let blocks = [block("name=eth1", "uplink"), block("driver=*", "fabric")];
        assert_eq!(assign(&blocks, core::slice::from_ref(&open))[0].name, "uplink");
        // A block of the same name in another place leaves it.
        let blocks = [block("name=eth1", "fabric"), block("driver=*", "fabric")];
        let found = assign(&blocks, &[open]);
        assert_eq!((found[0].block, found[0].name.as_str()), (0, "fabric2"));
        // A device that is named outright has the first claim on its name.
        let mut outright = block("driver=*", "fabric2");
        outright.device = PortDevice::Pci("0000:01:00.0".to_owned());
        let open = DeviceFacts { open_as: Some("fabric2".to_owned()), ..nic("0:1", "eth1", false) };
        let found = assign(&[outright, block("driver=*", "fabric")], &[open]);
        assert_eq!(found[0].name, "fabric");
    }
}
