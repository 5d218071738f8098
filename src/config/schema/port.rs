//! `[[port]]`: which devices the router takes and what they are for.

use super::bfd::{BFD_INTERVAL_MS, PortBfd};
use super::keys::{BlockDoc, KeyDoc, KeyKind};
use crate::base::ids::MacAddress;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// What a port is for.
pub use crate::base::route::PortRole;

/// Which device a `[[port]]` block takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSettings {
    /// Name in every table and message. Default: from the device; with `match` one name per device.
    pub name: String,
    /// The device.
    pub device: PortDevice,
    /// What it is for.
    pub role: PortRole,
    /// Address and prefix length; required for `uplink` and `routed`, refused for `fabric` and
    /// `tenant`.
    pub address: Option<(Ipv6Addr, u8)>,
    /// Largest IPv6 packet, in octets, 1280 to 9216. Default: 9000 on fabric, LAN and tenant,
    /// else 1500.
    pub mtu: u16,
    /// OSPF cost of a fabric port, 1 to 65535. Default (`None`): `ospf.cost`.
    pub cost: Option<u16>,
    /// BFD of a fabric port. Default: as `[bfd]` says.
    pub bfd: PortBfd,
    /// VLAN id of this port's packets. Default (`None`): untagged.
    pub vlan: Option<u16>,
    /// MAC address to use instead of the device's own. Default (`None`): the device's.
    pub mac: Option<MacAddress>,
}

/// The word for a role in the file.
pub const fn role_word(role: PortRole) -> &'static str {
    match role {
        PortRole::Fabric => "fabric",
        PortRole::Lan => "lan",
        PortRole::Uplink => "uplink",
        PortRole::Routed => "routed",
        PortRole::Tenant => "tenant",
    }
}

/// The MTU of a port that has none of its own.
pub const fn default_mtu(role: PortRole) -> u16 {
    match role {
        PortRole::Fabric | PortRole::Lan | PortRole::Tenant => 9000,
        PortRole::Uplink | PortRole::Routed => 1500,
    }
}

/// The keys of `[[port]]`.
pub const PORT: BlockDoc = BlockDoc {
    name: "port",
    is_list: true,
    help: "Which device the router takes and what it is for. Blocks are tried in order of the \
           file: the first match wins.",
    keys: &[
        KeyDoc {
            name: "match",
            kind: KeyKind::Match,
            unit: "",
            default: "none: either match or device is required",
            needs_restart: false,
            help: "Takes every device whose PCI address, MAC, driver or name fits the glob (* any \
                   characters, ? one). A glob never takes the NIC of the default route or of ssh, \
                   unless it is a port already; naming that device exactly does.",
        },
        KeyDoc {
            name: "device",
            kind: KeyKind::Device,
            unit: "",
            default: "none: either match or device is required",
            needs_restart: false,
            help: "Takes exactly this device. On an interface of the kernel (af_packet, af_xdp) \
                   the router switches IPv6 and offloads off, raises the MTU to that of the port, \
                   and enables it; when the port is closed or the router stops, it puts back what \
                   it changed. A router that is killed or crashes cannot; `ip link set NAME mtu \
                   1500 promisc off`, `sysctl net.ipv6.conf.NAME.disable_ipv6=0` and `ethtool -K` \
                   do that.",
        },
        KeyDoc {
            name: "name",
            kind: KeyKind::Text,
            unit: "",
            default: "the device; with match the role, numbered from the second device on",
            needs_restart: false,
            help: "Name in every table and message, 1 to 31 letters, digits, dots, underscores, \
                   hyphens and colons.",
        },
        KeyDoc {
            name: "role",
            kind: KeyKind::Choice(&["fabric", "lan", "uplink", "routed", "tenant"]),
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "fabric: a cable to another router, OSPFv3, no address to configure. lan: \
                   servers or guests, a /64 from the cluster and router advertisements. uplink: \
                   another network, an address. routed: an address, no OSPF. tenant: guests of a \
                   [[tenant]], whose frames are bridged; no address, nothing is routed.",
        },
        KeyDoc {
            name: "address",
            kind: KeyKind::AddressWithLength,
            unit: "",
            default: "none; required for uplink and routed, unless BGP runs over link-local \
                      addresses there; refused for fabric and tenant",
            needs_restart: false,
            help: "Address of the router on this port with the length of the prefix on the link.",
        },
        KeyDoc {
            name: "mtu",
            kind: KeyKind::Integer { minimum: 1280, maximum: 9216 },
            unit: "octets",
            default: "9000 for fabric, lan and tenant, else 1500",
            needs_restart: false,
            help: "Largest IPv6 packet; of a tenant's frames the largest packet of any kind, a tag \
                   not counted. Both ends of a cable need the same.",
        },
        KeyDoc {
            name: "cost",
            kind: KeyKind::Integer { minimum: 1, maximum: 65535 },
            unit: "",
            default: "ospf.cost",
            needs_restart: false,
            help: "OSPF cost of a fabric port; lower attracts traffic.",
        },
        KeyDoc {
            name: "bfd",
            kind: KeyKind::Boolean,
            unit: "",
            default: "bfd.enabled",
            needs_restart: false,
            help: "Whether a fabric port runs BFD with its neighbour.",
        },
        KeyDoc {
            name: "bfd_interval_ms",
            kind: KeyKind::Integer { minimum: BFD_INTERVAL_MS.0, maximum: BFD_INTERVAL_MS.1 },
            unit: "milliseconds",
            default: "bfd.interval_ms",
            needs_restart: false,
            help: "Time between two packets of BFD on this port.",
        },
        KeyDoc {
            name: "vlan",
            kind: KeyKind::Integer { minimum: 1, maximum: 4094 },
            unit: "",
            default: "untagged",
            needs_restart: false,
            help: "VLAN id of the packets of this port.",
        },
        KeyDoc {
            name: "mac",
            kind: KeyKind::Mac,
            unit: "",
            default: "that of the device",
            needs_restart: false,
            help: "MAC address to use instead of that of the device.",
        },
    ],
};
