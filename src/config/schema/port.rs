//! `[[port]]`: which devices the router takes and what they are for.

use crate::base::ids::MacAddress;
use core::net::Ipv6Addr;
use serde::Serialize;

/// What a port is for.
pub use crate::base::route::PortRole;

/// Which device a `[[port]]` block takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PortDevice {
    /// `match = "KEY=GLOB"`: every device whose `pci`, `mac`, `driver` or `name` matches.
    Match {
        /// `pci`, `mac`, `driver` or `name`.
        key: String,
        /// A glob: `*` any octets, `?` one.
        glob: String,
    },
    /// `device = "pci:ADDRESS"`.
    Pci(String),
    /// `device = "vmbus:UUID"`.
    Vmbus(String),
    /// `device = "af_packet:INTERFACE"`.
    AfPacket(String),
    /// `device = "af_xdp:INTERFACE"`.
    AfXdp(String),
    /// `device = "tap:NAME"`.
    Tap(String),
    /// `device = "memif:SOCKET,…"`.
    Memif(String),
    /// `device = "vdev:EAL-STRING"`.
    Vdev(String),
}

/// `[[port]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortSettings {
    /// Name in every table and message. Default: from the device; with `match` one name per device.
    pub name: String,
    /// The device.
    pub device: PortDevice,
    /// What it is for.
    pub role: PortRole,
    /// Address and prefix length; required for `uplink` and `routed`, refused for `fabric`.
    pub address: Option<(Ipv6Addr, u8)>,
    /// Largest IPv6 packet, in octets, 1280 to 9216. Default: 9000 on fabric and LAN, else 1500.
    pub mtu: u16,
    /// OSPF cost of a fabric port, 1 to 65535. Default (`None`): `ospf.cost`.
    pub cost: Option<u16>,
    /// VLAN id of this port's packets. Default (`None`): untagged.
    pub vlan: Option<u16>,
    /// MAC address to use instead of the device's own. Default (`None`): the device's.
    pub mac: Option<MacAddress>,
}
