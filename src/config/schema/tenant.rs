//! `[[tenant]]`: Ethernet segments over the cluster, and what of them is on this server.
//!
//! Owns the values, how a port or a VLAN of it is written ([`TenantPort`]), and the tables of keys.
//! A tenant none of whose ports is on this server is inactive there: one file serves all.
//!
//! A port is written as its name, or as its name, a dot and a VLAN id. What stands behind the last
//! dot decides, whatever ports are called, so that an entry means the same on every server:
//! `lan.10` is VLAN 10 of `lan`, never a port `lan.10`. Frames without a tag are written
//! `lan.untagged`; `lan.0` would say the same in the words of IEEE 802.1Q, where VLAN id 0 means no
//! VLAN, but who reads it takes it for a VLAN.
//!
//! *Standards*: RFC 3931 §4.1 and §4.6, RFC 4719 §2, RFC 6935 (UDP without a checksum).

use super::keys::{BlockDoc, KeyDoc, KeyKind};
use super::secret::Secret;
use crate::base::hex;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Tenants of a file: as many bridge domains as a router has numbers for.
pub const TENANTS_MAX: usize = 4095;
/// Ports and VLANs of one tenant on all servers.
pub const TENANT_PORTS_MAX: usize = 1024;
/// Static pseudowires of one tenant: peers that are written by hand.
pub const TENANT_PSEUDOWIRES_MAX: usize = 1024;
/// The largest tenant id: 24 bits, as other overlays number their segments (RFC 7348 §5).
pub const TENANT_ID_MAX: u32 = 0x00ff_ffff;

/// Which frames of a port are the tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantVlan {
    /// All of them as they are, tags included.
    Trunk,
    /// Those without a tag.
    Untagged,
    /// Those of this VLAN, whose tag comes off.
    Tagged(u16),
}

/// A port, or some frames of it, as `ports` of a tenant names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TenantPort {
    /// Name of the port.
    pub port: String,
    /// Which of its frames.
    pub vlan: TenantVlan,
}

/// Why a text names no port of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantPortError {
    /// Nothing before the dot.
    #[error("`{0}` names no port")]
    Nameless(String),
    /// A number that is no VLAN id.
    #[error("`{0}` ends in no VLAN id: they are 1 to 4094, and `untagged`")]
    Vlan(String),
}

/// The word for frames without a tag.
const UNTAGGED: &str = "untagged";

impl FromStr for TenantPort {
    type Err = TenantPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit());
        let (port, vlan) = match text.rsplit_once('.') {
            Some((port, UNTAGGED)) => (port, TenantVlan::Untagged),
            Some((port, number)) if is_number(number) => {
                let vlan = number.parse().ok().filter(|vlan| (1..=4094).contains(vlan));
                let vlan = vlan.ok_or_else(|| TenantPortError::Vlan(text.to_owned()))?;
                (port, TenantVlan::Tagged(vlan))
            }
            _ => (text, TenantVlan::Trunk),
        };
        if port.is_empty() {
            return Err(TenantPortError::Nameless(text.to_owned()));
        }
        Ok(Self { port: port.to_owned(), vlan })
    }
}

impl fmt::Display for TenantPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vlan {
            TenantVlan::Trunk => f.write_str(&self.port),
            TenantVlan::Untagged => write!(f, "{}.{UNTAGGED}", self.port),
            TenantVlan::Tagged(vlan) => write!(f, "{}.{vlan}", self.port),
        }
    }
}

/// What carries L2TP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantEncapsulation {
    /// IPv6, protocol 115.
    #[default]
    Ip,
    /// UDP, port 1701 here.
    Udp,
}

impl TenantEncapsulation {
    /// Every one, with its word in the file.
    pub const WORDS: &[(&str, Self)] = &[("ip", Self::Ip), ("udp", Self::Udp)];
}

/// What stands in the checksum field of UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantUdpSum {
    /// A checksum over everything.
    #[default]
    Full,
    /// Zero (RFC 6935); received are both.
    Zero,
}

impl TenantUdpSum {
    /// Every one, with its word in the file.
    pub const WORDS: &[(&str, Self)] = &[("full", Self::Full), ("zero", Self::Zero)];
}

/// What stands between cookie and frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantSublayer {
    /// The default L2-specific sublayer, as `ip l2tp` has it.
    #[default]
    Default,
    /// Nothing.
    None,
}

impl TenantSublayer {
    /// Every one, with its word in the file.
    pub const WORDS: &[(&str, Self)] = &[("default", Self::Default), ("none", Self::None)];
}

/// A cookie of a static pseudowire: none, 4 or 8 octets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCookie {
    /// `file:PATH` of the file that it stands in; `None` where it stands in the configuration.
    pub file: Option<String>,
    /// The octets; empty for none.
    #[serde(rename = "secret_octets")]
    pub octets: Secret,
}

impl TenantCookie {
    /// The cookie that these digits mean; `None` where they mean none.
    pub fn from_hex(text: &str) -> Option<Self> {
        let octets = hex::decode(text.trim()).ok()?;
        matches!(octets.len(), 0 | 4 | 8).then_some(Self { file: None, octets: Secret(octets) })
    }

    /// As it stands in the file; `None` where there is none.
    pub fn written(&self) -> Option<String> {
        let inline = || Some(hex::encode(&self.octets.0)).filter(|digits| !digits.is_empty());
        self.file.clone().or_else(inline)
    }
}

/// `[[tenant.pseudowire]]`: a peer that is no member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantPseudowire {
    /// What it is called.
    pub name: String,
    /// Where it leads.
    pub address: Ipv6Addr,
    /// Our end. Default (`None`): the loopback.
    pub local_address: Option<Ipv6Addr>,
    /// The session id by which its packets come.
    pub session_id: u32,
    /// The one that the other end wants.
    pub remote_session_id: u32,
    /// The cookie that its packets must have.
    pub cookie: TenantCookie,
    /// The one that the other end wants.
    pub remote_cookie: TenantCookie,
    /// What carries it.
    pub encapsulation: TenantEncapsulation,
    /// The other end's UDP port. Default: 1701.
    pub remote_port: u16,
    /// What stands in the checksum field of UDP.
    pub udp_checksum: TenantUdpSum,
    /// What stands before the frame.
    pub sublayer: TenantSublayer,
    /// Whether packets are numbered. Default: false.
    pub sequencing: bool,
    /// Largest IP packet in a frame. Default (`None`): what fits the way there.
    pub mtu: Option<u16>,
}

/// `[[tenant]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// What it is called.
    pub name: String,
    /// Its number, the same on all servers.
    pub id: u32,
    /// What of the servers' ports is in it.
    pub ports: Vec<TenantPort>,
    /// What carries frames from other members of the cluster to this router.
    pub encapsulation: TenantEncapsulation,
    /// What stands in the checksum field of UDP there.
    pub udp_checksum: TenantUdpSum,
    /// Whether those packets are numbered. Default: false.
    pub sequencing: bool,
    /// Whether TCP connections are told segments that fit. Default: false.
    pub clamp_mss: bool,
    /// MACs that are learned from each port and pseudowire. Default: 4096.
    pub mac_limit: u32,
    /// Frames a second that each of them may flood, at each worker. Default: 2000.
    pub flood_limit: u32,
    /// `[[tenant.pseudowire]]`.
    pub pseudowires: Vec<TenantPseudowire>,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            name: String::new(),
            id: 0,
            ports: Vec::new(),
            encapsulation: TenantEncapsulation::default(),
            udp_checksum: TenantUdpSum::default(),
            sequencing: false,
            clamp_mss: false,
            mac_limit: 4096,
            flood_limit: 2000,
            pseudowires: Vec::new(),
        }
    }
}

/// Keys whose values are not said aloud.
pub const SECRET_KEYS: [&str; 2] = ["cookie", "remote_cookie"];

/// The keys of `[[tenant]]`.
pub const TENANT: BlockDoc = BlockDoc {
    name: "tenant",
    is_list: true,
    help: "An Ethernet segment of a tenant, bridged over the cluster (L2TPv3, RFC 3931 and RFC \
           4719). The block is the same on every server: it is active where one of its ports is, \
           and inactive elsewhere.",
    keys: &[
        KeyDoc {
            name: "name",
            kind: KeyKind::Text,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "What it is called in `show tenant` and in events.",
        },
        KeyDoc {
            name: "id",
            kind: KeyKind::Integer { minimum: 1, maximum: TENANT_ID_MAX as i64 },
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Its number, the same on all servers and given to no other tenant.",
        },
        KeyDoc {
            name: "ports",
            kind: KeyKind::TenantPorts,
            unit: "",
            default: "none: the tenant is inactive",
            needs_restart: false,
            help: "What belongs to it: \"lan.10\" are the frames of VLAN 10 on the port `lan`, \
                   whose tag comes off; \"vm1\" are all frames of a port of the role `tenant`, \
                   tags included; \"vm1.untagged\" are those without a tag. What stands behind \
                   the last dot decides: a port whose own name ends in a dot and a number cannot \
                   be here.",
        },
        KeyDoc {
            name: "encapsulation",
            kind: KeyKind::Choice(&["ip", "udp"]),
            unit: "",
            default: "\"ip\"",
            needs_restart: false,
            help: "What carries frames between members in the cluster: IPv6 (protocol 115) or UDP \
                   (port 1701). Each member says what it wants to receive; members that differ \
                   still hear each other.",
        },
        KeyDoc {
            name: "udp_checksum",
            kind: KeyKind::Choice(&["full", "zero"]),
            unit: "",
            default: "\"full\"",
            needs_restart: false,
            help: "Whether datagrams between members have a checksum; zero for none (RFC 6935).",
        },
        KeyDoc {
            name: "sequencing",
            kind: KeyKind::Boolean,
            unit: "",
            default: "false",
            needs_restart: false,
            help: "Whether packets to this member are numbered, so that those that come late are \
                   dropped.",
        },
        KeyDoc {
            name: "clamp_mss",
            kind: KeyKind::Boolean,
            unit: "",
            default: "false",
            needs_restart: false,
            help: "Whether the MSS of TCP connections that leave by a pseudowire is lowered to \
                   what fits, for hosts that ignore Packet Too Big.",
        },
        KeyDoc {
            name: "mac_limit",
            kind: KeyKind::Integer { minimum: 1, maximum: 100_000 },
            unit: "MACs",
            default: "4096",
            needs_restart: false,
            help: "MACs that are learned from each of its ports and pseudowires; frames from \
                   others pass, and frames to them are flooded.",
        },
        KeyDoc {
            name: "flood_limit",
            kind: KeyKind::Integer { minimum: 1, maximum: 10_000_000 },
            unit: "frames per second",
            default: "2000",
            needs_restart: false,
            help: "Broadcasts, multicasts and frames to unknown MACs that each of its ports and \
                   pseudowires may send, at each worker; half a second's worth may come at once.",
        },
    ],
};

/// The keys of `[[tenant.pseudowire]]`.
pub const TENANT_PSEUDOWIRE: BlockDoc = BlockDoc {
    name: "tenant.pseudowire",
    is_list: true,
    help: "A peer of the tenant above it that is no member of the cluster, without a control \
           connection: Linux (`ip l2tp`), or any router with static L2TPv3 sessions over IPv6.",
    keys: &[
        KeyDoc {
            name: "name",
            kind: KeyKind::Text,
            unit: "",
            default: "its address",
            needs_restart: false,
            help: "What it is called in `show tenant` and in events.",
        },
        KeyDoc {
            name: "address",
            kind: KeyKind::Address,
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Address of the peer: `local` of its `ip l2tp add tunnel`.",
        },
        KeyDoc {
            name: "local_address",
            kind: KeyKind::Address,
            unit: "",
            default: "the loopback; required without [cluster]",
            needs_restart: false,
            help: "Address of this router that the peer sends to: its loopback or the `address` \
                   of a port.",
        },
        KeyDoc {
            name: "session_id",
            kind: KeyKind::Integer { minimum: 1, maximum: u32::MAX as i64 },
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Session id of packets that come: `peer_session_id` there.",
        },
        KeyDoc {
            name: "remote_session_id",
            kind: KeyKind::Integer { minimum: 1, maximum: u32::MAX as i64 },
            unit: "",
            default: "none: required",
            needs_restart: false,
            help: "Session id of packets that are sent: `session_id` there.",
        },
        KeyDoc {
            name: "cookie",
            kind: KeyKind::Cookie,
            unit: "",
            default: "none: packets are known by address and session id only",
            needs_restart: false,
            help: "Cookie that packets must have that come: `cookie` there. One that is written \
                   here is shown by `show config`; a file keeps it out of there.",
        },
        KeyDoc {
            name: "remote_cookie",
            kind: KeyKind::Cookie,
            unit: "",
            default: "none",
            needs_restart: false,
            help: "Cookie of packets that are sent: `peer_cookie` there.",
        },
        KeyDoc {
            name: "encapsulation",
            kind: KeyKind::Choice(&["ip", "udp"]),
            unit: "",
            default: "\"ip\"",
            needs_restart: false,
            help: "ip: directly over IPv6, protocol 115. udp: over UDP from port 1701 of this \
                   router, for ways that let nothing else pass.",
        },
        KeyDoc {
            name: "remote_port",
            kind: KeyKind::Integer { minimum: 1, maximum: 65_535 },
            unit: "",
            default: "1701",
            needs_restart: false,
            help: "UDP port of the peer, `udp_sport` there; its `udp_dport` is 1701.",
        },
        KeyDoc {
            name: "udp_checksum",
            kind: KeyKind::Choice(&["full", "zero"]),
            unit: "",
            default: "\"full\"",
            needs_restart: false,
            help: "full: every datagram has a checksum, and one without is dropped. zero: those \
                   that are sent have none (RFC 6935), and both are taken.",
        },
        KeyDoc {
            name: "sublayer",
            kind: KeyKind::Choice(&["default", "none"]),
            unit: "",
            default: "\"default\"",
            needs_restart: false,
            help: "Whether the default L2-specific sublayer stands before the frame: \
                   `l2spec_type` there.",
        },
        KeyDoc {
            name: "sequencing",
            kind: KeyKind::Boolean,
            unit: "",
            default: "false",
            needs_restart: false,
            help: "Whether packets are numbered and those that come late are dropped; needs the \
                   sublayer. `seq both` there.",
        },
        KeyDoc {
            name: "mtu",
            kind: KeyKind::Integer { minimum: 576, maximum: 9216 },
            unit: "octets",
            default: "what fits the way to the peer",
            needs_restart: false,
            help: "Largest IP packet in a frame, where the way beyond the first link is smaller \
                   than that link: the MTU of the way, less 40 for IPv6, 12 for UDP, 4 for the \
                   session id, the cookie, 4 for the sublayer and 14 for Ethernet.",
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_the_last_dot_says_which_frames() {
        let cases = [
            ("lan.10", "lan", TenantVlan::Tagged(10)),
            ("vm1", "vm1", TenantVlan::Trunk),
            ("vm1.untagged", "vm1", TenantVlan::Untagged),
            ("eth0.5.4094", "eth0.5", TenantVlan::Tagged(4094)),
            ("a.b", "a.b", TenantVlan::Trunk),
        ];
        for (text, port, vlan) in cases {
            let parsed: TenantPort = text.parse().unwrap();
            assert_eq!((parsed.port.as_str(), parsed.vlan), (port, vlan), "{text}");
            assert_eq!(parsed.to_string(), text);
        }
        for text in ["lan.0", "lan.4095", "lan.99999", ".7", "", ".untagged"] {
            assert!(text.parse::<TenantPort>().is_err(), "{text}");
        }
    }

    #[test]
    fn cookies_have_no_four_or_eight_octets() {
        let octets = |text: &str| TenantCookie::from_hex(text).map(|cookie| cookie.octets.0.len());
        assert_eq!(octets("0badf00d"), Some(4));
        assert_eq!(octets("0123456789ABCDEF"), Some(8));
        assert_eq!([octets("0badf0"), octets("xx"), octets("0badf00d0")], [None; 3]);
        let cookie = TenantCookie::from_hex("0badf00d").unwrap();
        assert_eq!(cookie.written().as_deref(), Some("0badf00d"));
        assert!(!format!("{cookie:?}").contains("bad"), "{cookie:?}");
        let recorded = serde_json::to_string(&cookie).unwrap();
        assert!(!recorded.contains("0bad") && recorded.contains('4'), "{recorded}");
    }
}
