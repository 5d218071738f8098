//! Options of ND messages.
//!
//! Owns [`NdOption`]: the options this router sends or reads. Every other type (RDNSS among them,
//! RFC 8106) is [`NdOption::Unknown`] and carried unread, as RFC 4861 §4.6 asks.
//!
//! *Invariants*: an option read is a whole number of 8 octets, at least one; a link-layer address
//! is that of one station.
//! *Standards*: RFC 4861 §4.6, RFC 4191 §2.3, RFC 3971 §5.3.2, RFC 2464 §6.

use super::packet::NdError;
use crate::base::cursor::{Reader, Truncated, Writer};
use crate::base::ids::MacAddress;
use crate::base::prefix::Ipv6Prefix;

/// What lengths of options count in.
const UNIT_OCTETS: usize = 8;
/// Type and length.
const HEADER_OCTETS: usize = 2;
/// Octets of a nonce: the smallest RFC 3971 §5.3.2 allows, the size RFC 7527 §4.1 sends.
pub const NONCE_OCTETS: usize = 6;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const PREFIX_INFORMATION: u8 = 3;
const REDIRECTED_HEADER: u8 = 4;
const MTU: u8 = 5;
const NONCE: u8 = 14;
const ROUTE_INFORMATION: u8 = 24;

const PREFIX_ON_LINK: u8 = 0x80;
const PREFIX_AUTONOMOUS: u8 = 0x40;

/// One option of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NdOption {
    /// MAC of the sender (RFC 4861 §4.6.1).
    SourceLinkLayer(MacAddress),
    /// MAC of the target (RFC 4861 §4.6.1).
    TargetLinkLayer(MacAddress),
    /// A prefix of the link (RFC 4861 §4.6.2).
    Prefix(PrefixInformation),
    /// Start of the redirected packet, a whole number of 8 octets (RFC 4861 §4.6.3).
    RedirectedHeader(Vec<u8>),
    /// MTU of the link in octets (RFC 4861 §4.6.4).
    Mtu(u32),
    /// Tells own solicitations that came back from those of others (RFC 7527 §4).
    Nonce([u8; NONCE_OCTETS]),
    /// A more specific route (RFC 4191 §2.3).
    Route(RouteInformation),
    /// Any other type, or a nonce or route that must be ignored.
    Unknown {
        /// Type.
        kind: u8,
        /// What follows the length: 6 octets, or 6 and a multiple of 8.
        body: Vec<u8>,
    },
}

/// Prefix information (RFC 4861 §4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInformation {
    /// The prefix; bits beyond its length are ignored when read.
    pub prefix: Ipv6Prefix,
    /// L: its addresses are neighbours.
    pub is_on_link: bool,
    /// A: hosts make addresses from it (RFC 4862 §5.5.3).
    pub is_autonomous: bool,
    /// In seconds; all ones is infinity.
    pub valid_lifetime_s: u32,
    /// In seconds; all ones is infinity.
    pub preferred_lifetime_s: u32,
}

/// Route information (RFC 4191 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteInformation {
    /// The prefix behind the router.
    pub prefix: Ipv6Prefix,
    /// Against other routers' routes of the same length.
    pub preference: RouterPreference,
    /// In seconds; all ones is infinity.
    pub lifetime_s: u32,
}

/// Preference of a router or route (RFC 4191 §2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouterPreference {
    /// Used last.
    Low,
    /// As without RFC 4191.
    #[default]
    Medium,
    /// Used first.
    High,
}

impl RouterPreference {
    /// From the two bits of the field; `None` for the reserved value.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::Medium),
            1 => Some(Self::High),
            3 => Some(Self::Low),
            _ => None,
        }
    }

    /// The two bits of the field.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Medium => 0,
            Self::High => 1,
            Self::Low => 3,
        }
    }
}

/// Every option in `reader`, to its end.
pub(super) fn decode_all(reader: &mut Reader<'_>) -> Result<Vec<NdOption>, NdError> {
    let mut options = Vec::new();
    while !reader.is_empty() {
        options.push(NdOption::decode(reader)?);
    }
    Ok(options)
}

impl NdOption {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, NdError> {
        let (kind, units) = (reader.u8()?, usize::from(reader.u8()?));
        // RFC 4861 §4.6: "Nodes MUST silently discard an ND packet that contains an option with
        // length zero."
        if units == 0 {
            return Err(NdError::OptionLengthZero { kind });
        }
        let octets = units * UNIT_OCTETS - HEADER_OCTETS;
        let mut body = reader.sub(octets)?;
        let whole = body.rest();
        let wrong = |_: Truncated| NdError::OptionLength { kind, units };
        let has_units = |wanted: usize| {
            if units == wanted { Ok(()) } else { Err(NdError::OptionLength { kind, units }) }
        };
        match kind {
            SOURCE_LINK_LAYER | TARGET_LINK_LAYER => {
                has_units(1)?;
                let mac = station(body.array().map_err(wrong)?)?;
                Ok(if kind == SOURCE_LINK_LAYER {
                    Self::SourceLinkLayer(mac)
                } else {
                    Self::TargetLinkLayer(mac)
                })
            }
            PREFIX_INFORMATION => {
                has_units(4)?;
                PrefixInformation::decode(&mut body).map(Self::Prefix)
            }
            REDIRECTED_HEADER => {
                body.skip(6).map_err(wrong)?;
                Ok(Self::RedirectedHeader(body.rest().to_vec()))
            }
            MTU => {
                has_units(1)?;
                body.skip(2).map_err(wrong)?;
                Ok(Self::Mtu(body.u32().map_err(wrong)?))
            }
            NONCE if octets == NONCE_OCTETS => Ok(Self::Nonce(body.array().map_err(wrong)?)),
            ROUTE_INFORMATION => Ok(match RouteInformation::decode(units, &mut body)? {
                Some(route) => Self::Route(route),
                None => Self::Unknown { kind, body: whole.to_vec() },
            }),
            _ => Ok(Self::Unknown { kind, body: whole.to_vec() }),
        }
    }

    /// Appends the option. What does not fill its last 8 octets is cut from a redirected header
    /// and from an unknown body.
    pub fn encode(&self, writer: &mut Writer) {
        match self {
            Self::SourceLinkLayer(mac) => link_layer(writer, SOURCE_LINK_LAYER, *mac),
            Self::TargetLinkLayer(mac) => link_layer(writer, TARGET_LINK_LAYER, *mac),
            Self::Prefix(prefix) => prefix.encode(writer),
            Self::RedirectedHeader(quote) => {
                let units = (quote.len() / UNIT_OCTETS).min(usize::from(u8::MAX) - 1);
                header(writer, REDIRECTED_HEADER, 1 + units);
                writer.put(&[0; 6]);
                writer.put(quote.get(..units * UNIT_OCTETS).unwrap_or(quote));
            }
            Self::Mtu(mtu) => {
                header(writer, MTU, 1);
                writer.u16(0);
                writer.u32(*mtu);
            }
            Self::Nonce(nonce) => {
                header(writer, NONCE, 1);
                writer.put(nonce);
            }
            Self::Route(route) => route.encode(writer),
            Self::Unknown { kind, body } => {
                let units = ((body.len() + HEADER_OCTETS) / UNIT_OCTETS).min(usize::from(u8::MAX));
                if units == 0 {
                    return;
                }
                header(writer, *kind, units);
                writer.put(body.get(..units * UNIT_OCTETS - HEADER_OCTETS).unwrap_or(body));
            }
        }
    }
}

impl PrefixInformation {
    fn decode(body: &mut Reader<'_>) -> Result<Self, NdError> {
        let (length, flags) = (body.u8()?, body.u8()?);
        let (valid_lifetime_s, preferred_lifetime_s) = (body.u32()?, body.u32()?);
        body.skip(4)?;
        Ok(Self {
            prefix: prefix(body.array()?, length)?,
            is_on_link: flags & PREFIX_ON_LINK != 0,
            is_autonomous: flags & PREFIX_AUTONOMOUS != 0,
            valid_lifetime_s,
            preferred_lifetime_s,
        })
    }

    fn encode(&self, writer: &mut Writer) {
        header(writer, PREFIX_INFORMATION, 4);
        writer.u8(self.prefix.length());
        let on_link = if self.is_on_link { PREFIX_ON_LINK } else { 0 };
        writer.u8(on_link | if self.is_autonomous { PREFIX_AUTONOMOUS } else { 0 });
        writer.u32(self.valid_lifetime_s);
        writer.u32(self.preferred_lifetime_s);
        writer.u32(0);
        writer.address(self.prefix.address());
    }
}

impl RouteInformation {
    /// `None` where RFC 4191 §2.3 asks to ignore the option: a reserved preference.
    fn decode(units: usize, body: &mut Reader<'_>) -> Result<Option<Self>, NdError> {
        let (length, flags) = (body.u8()?, body.u8()?);
        let lifetime_s = body.u32()?;
        let units_least = match length {
            0 => 1,
            1..=64 => 2,
            _ => 3,
        };
        if !(units_least..=3).contains(&units) {
            return Err(NdError::OptionLength { kind: ROUTE_INFORMATION, units });
        }
        let mut octets = [0; 16];
        for (octet, read) in octets.iter_mut().zip(body.rest()) {
            *octet = *read;
        }
        let prefix = prefix(octets, length)?;
        let preference = RouterPreference::from_bits(flags >> 3);
        Ok(preference.map(|preference| Self { prefix, preference, lifetime_s }))
    }

    fn encode(&self, writer: &mut Writer) {
        let units: usize = match self.prefix.length() {
            0 => 1,
            1..=64 => 2,
            _ => 3,
        };
        header(writer, ROUTE_INFORMATION, units);
        writer.u8(self.prefix.length());
        writer.u8(self.preference.bits() << 3);
        writer.u32(self.lifetime_s);
        let octets = self.prefix.address().octets();
        writer.put(octets.get(..(units - 1) * UNIT_OCTETS).unwrap_or(&octets));
    }
}

fn prefix(octets: [u8; 16], length: u8) -> Result<Ipv6Prefix, NdError> {
    if length > 128 {
        return Err(NdError::PrefixLength(length));
    }
    Ok(Ipv6Prefix::containing(octets.into(), length))
}

fn station(octets: [u8; 6]) -> Result<MacAddress, NdError> {
    let mac = MacAddress(octets);
    if mac.is_multicast() || mac == MacAddress::default() {
        return Err(NdError::LinkLayerAddress(mac));
    }
    Ok(mac)
}

fn header(writer: &mut Writer, kind: u8, units: usize) {
    writer.u8(kind);
    writer.u8(u8::try_from(units).unwrap_or(u8::MAX));
}

fn link_layer(writer: &mut Writer, kind: u8, mac: MacAddress) {
    header(writer, kind, 1);
    writer.put(&mac.0);
}
