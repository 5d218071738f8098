//! Capabilities: what a speaker says in its OPEN that it can do.
//!
//! Owns [`Capability`] with what the known ones hold. What both ends then agree on is worked out by
//! the speaker.
//!
//! *Invariants*: a capability of an unknown code, or of a known one with a length that it cannot
//! have, stays as it came: nobody may end a session because of it (RFC 5492 §3).
//! *Standards*: RFC 5492 §4, RFC 4760 §8, RFC 2918 §2, RFC 7313 §3.1, RFC 6793 §3, RFC 4724 §3 with
//! RFC 8538 §2, RFC 7911 §4, RFC 8654 §3, RFC 9234 §4.1.

use crate::base::cursor::{Reader, Truncated, Writer};
use core::fmt;
use serde::{Deserialize, Serialize};

const MULTIPROTOCOL: u8 = 1;
const ROUTE_REFRESH: u8 = 2;
const EXTENDED_MESSAGE: u8 = 6;
const ROLE: u8 = 9;
const GRACEFUL_RESTART: u8 = 64;
const FOUR_OCTET_ASN: u8 = 65;
const ADD_PATH: u8 = 69;
const ENHANCED_ROUTE_REFRESH: u8 = 70;

/// RFC 4724 §3: the sender has restarted.
const FLAG_RESTARTED: u16 = 0x8000;
/// RFC 8538 §2: a NOTIFICATION does not end a graceful restart.
const FLAG_NOTIFICATION: u16 = 0x4000;
/// RFC 4724 §3: seconds, twelve bits.
const RESTART_TIME_MASK: u16 = 0x0fff;
/// RFC 4724 §3: forwarding state was kept.
const FLAG_FORWARDING: u8 = 0x80;

/// RFC 4760: an address family and what of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddressFamily {
    /// Address Family Identifier.
    pub afi: u16,
    /// Subsequent Address Family Identifier.
    pub safi: u8,
}

impl AddressFamily {
    /// What Kumiki has routes of.
    pub const IPV6_UNICAST: Self = Self { afi: 2, safi: 1 };
    /// What routes are of that stand outside of attributes.
    pub const IPV4_UNICAST: Self = Self { afi: 1, safi: 1 };
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV6_UNICAST => f.pad("IPv6 unicast"),
            Self::IPV4_UNICAST => f.pad("IPv4 unicast"),
            Self { afi, safi } => f.pad(&format!("AFI {afi} SAFI {safi}")),
        }
    }
}

/// RFC 9234 §3.1: what a speaker is to its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sells transit to it.
    Provider,
    /// Serves it routes at an exchange.
    RouteServer,
    /// Is served by it.
    RouteServerClient,
    /// Buys transit from it.
    Customer,
    /// Exchanges own and customers' routes with it.
    Peer,
}

impl Role {
    /// Every role, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Provider, Self::RouteServer, Self::RouteServerClient, Self::Customer, Self::Peer];

    /// §4.2: the role that the other end must have.
    pub const fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::RouteServer => Self::RouteServerClient,
            Self::RouteServerClient => Self::RouteServer,
            Self::Customer => Self::Provider,
            Self::Peer => Self::Peer,
        }
    }
}

/// RFC 4724 §3: how a speaker restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GracefulRestart {
    /// It has restarted, and must not be waited for.
    pub has_restarted: bool,
    /// RFC 8538 §2: a NOTIFICATION does not end it.
    pub survives_notifications: bool,
    /// How long it takes until the session is there again, 4095 s at most.
    pub restart_time_s: u16,
    /// What it keeps routes of, and whether it has kept forwarding by them.
    pub families: Vec<(AddressFamily, bool)>,
}

/// RFC 7911 §4: who sends several paths of one prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddPathMode {
    /// The speaker takes them.
    pub receives: bool,
    /// The speaker sends them.
    pub sends: bool,
}

/// One capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Routes of this.
    Multiprotocol(AddressFamily),
    /// It sends all routes again when asked.
    RouteRefresh,
    /// It says where such an answer begins and ends.
    EnhancedRouteRefresh,
    /// It takes messages of up to 65535 octets.
    ExtendedMessage,
    /// Its role.
    Role(Role),
    /// How it restarts.
    GracefulRestart(GracefulRestart),
    /// AS numbers have four octets; its own.
    FourOctetAsn(u32),
    /// Several paths of one prefix.
    AddPath(Vec<(AddressFamily, AddPathMode)>),
    /// Another one.
    Unknown {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

impl Capability {
    /// Reads one; fails only where its length reaches beyond the parameter.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let (code, length) = (reader.u8()?, reader.u8()?);
        let value = reader.take(usize::from(length))?;
        let known = Self::decode_value(code, value);
        Ok(known.unwrap_or_else(|| Self::Unknown { code, value: value.to_vec() }))
    }

    fn decode_value(code: u8, value: &[u8]) -> Option<Self> {
        Some(match (code, value) {
            (MULTIPROTOCOL, &[high, low, _, safi]) => {
                Self::Multiprotocol(AddressFamily { afi: u16::from_be_bytes([high, low]), safi })
            }
            (ROUTE_REFRESH, []) => Self::RouteRefresh,
            (ENHANCED_ROUTE_REFRESH, []) => Self::EnhancedRouteRefresh,
            (EXTENDED_MESSAGE, []) => Self::ExtendedMessage,
            (ROLE, [number]) => Self::Role(*Role::ALL.get(usize::from(*number))?),
            (FOUR_OCTET_ASN, &[a, b, c, d]) => Self::FourOctetAsn(u32::from_be_bytes([a, b, c, d])),
            (GRACEFUL_RESTART, value) => Self::GracefulRestart(decode_restart(value)?),
            (ADD_PATH, value) => Self::AddPath(decode_add_path(value)?),
            _ => return None,
        })
    }

    /// Appends it.
    pub fn encode(&self, writer: &mut Writer) {
        let mut value = Writer::default();
        let code = self.encode_value(&mut value);
        let octets = value.as_slice();
        let octets = octets.get(..octets.len().min(usize::from(u8::MAX))).unwrap_or_default();
        writer.u8(code);
        writer.u8(u8::try_from(octets.len()).unwrap_or(u8::MAX));
        writer.put(octets);
    }

    /// Its code.
    pub fn code(&self) -> u8 {
        self.encode_value(&mut Writer::default())
    }

    fn encode_value(&self, value: &mut Writer) -> u8 {
        match self {
            Self::Multiprotocol(family) => {
                value.u16(family.afi);
                value.u8(0);
                value.u8(family.safi);
                MULTIPROTOCOL
            }
            Self::RouteRefresh => ROUTE_REFRESH,
            Self::EnhancedRouteRefresh => ENHANCED_ROUTE_REFRESH,
            Self::ExtendedMessage => EXTENDED_MESSAGE,
            Self::Role(role) => {
                value.u8(*role as u8);
                ROLE
            }
            Self::GracefulRestart(restart) => {
                encode_restart(restart, value);
                GRACEFUL_RESTART
            }
            Self::FourOctetAsn(asn) => {
                value.u32(*asn);
                FOUR_OCTET_ASN
            }
            Self::AddPath(modes) => {
                for (family, mode) in modes {
                    value.u16(family.afi);
                    value.u8(family.safi);
                    value.u8(u8::from(mode.receives) | u8::from(mode.sends) << 1);
                }
                ADD_PATH
            }
            Self::Unknown { code, value: octets } => {
                value.put(octets);
                *code
            }
        }
    }
}

fn decode_restart(value: &[u8]) -> Option<GracefulRestart> {
    let mut reader = Reader::new(value);
    let word = reader.u16().ok()?;
    let mut families = Vec::new();
    while !reader.is_empty() {
        let family = AddressFamily { afi: reader.u16().ok()?, safi: reader.u8().ok()? };
        families.push((family, reader.u8().ok()? & FLAG_FORWARDING != 0));
    }
    Some(GracefulRestart {
        has_restarted: word & FLAG_RESTARTED != 0,
        survives_notifications: word & FLAG_NOTIFICATION != 0,
        restart_time_s: word & RESTART_TIME_MASK,
        families,
    })
}

fn encode_restart(restart: &GracefulRestart, value: &mut Writer) {
    let flag = |is_set: bool, flag: u16| if is_set { flag } else { 0 };
    value.u16(
        flag(restart.has_restarted, FLAG_RESTARTED)
            | flag(restart.survives_notifications, FLAG_NOTIFICATION)
            | restart.restart_time_s.min(RESTART_TIME_MASK),
    );
    for (family, has_kept) in &restart.families {
        value.u16(family.afi);
        value.u8(family.safi);
        value.u8(if *has_kept { FLAG_FORWARDING } else { 0 });
    }
}

/// RFC 7911 §4: "If any other value is received, then the capability SHOULD be treated as not
/// understood and ignored."
fn decode_add_path(value: &[u8]) -> Option<Vec<(AddressFamily, AddPathMode)>> {
    let mut reader = Reader::new(value);
    let mut modes = Vec::new();
    while !reader.is_empty() {
        let family = AddressFamily { afi: reader.u16().ok()?, safi: reader.u8().ok()? };
        let bits = reader.u8().ok().filter(|bits| (1..=3).contains(bits))?;
        modes.push((family, AddPathMode { receives: bits & 1 != 0, sends: bits & 2 != 0 }));
    }
    Some(modes)
}
