//! The Membership-LSA: which tenants a router has, and what those who send to it need to know.
//!
//! Owns [`MembershipLsa`], Kumiki's own LSA of AS scope. Its type is one for private use, whose
//! body begins with an enterprise number; the U-bit makes routers that do not know it flood it all
//! the same. OSPF carries it unread; who reads it is `proto::tenant`. A body of another enterprise
//! or of a later version is none of ours. After the fixed part there are TLVs, each padded to four
//! octets; those that nobody knows are passed over.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------------------------------+
//! |                       enterprise number                       |
//! +---------------+-----------------------------------------------+
//! |  version (1)  |                   reserved                    |
//! +---------------+-----------------------------------------------+
//! |                 endpoint of tunnels, 16 octets                |
//! +-------------------------------+-------------------------------+
//! |          type (1)             |          length (16)          |  a tenant
//! +-------------------------------+-------------------------------+
//! |                           tenant id                           |
//! +---------------------------------------------------------------+
//! |                             epoch                             |
//! +-------------------------------+---------------+---------------+
//! |              MTU              |    carrier    | cookie octets |
//! +---------------+---------------+---------------+---------------+
//! |   sublayer    |  sequencing   |           reserved            |
//! +---------------+---------------+-------------------------------+
//! |          type (2)             |          length (12)          |  another session id
//! +-------------------------------+-------------------------------+
//! |                           tenant id                           |
//! +---------------------------------------------------------------+
//! |                     router-id of the sender                   |
//! +---------------------------------------------------------------+
//! |                             salt                              |
//! +---------------------------------------------------------------+
//! ```
//!
//! A router has as many of these LSAs as its tenants need; which Link State ID they have says
//! nothing. A tenant that is in none of them is not there: that is how a member leaves.
//!
//! *Standards*: RFC 5340 §A.4.2.1 and its IANA registry of function codes 8184 to 8191; RFC 3931
//! §5.4.4 (values of the sequencing field).

use super::error::{DecodeError, Fault};
use super::repair_lsa::ENTERPRISE;
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::{RouterId, TenantId};
use crate::wire::l2tp::{Sequencing, Sublayer};
use core::fmt;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};

/// The version described here.
pub const VERSION: u8 = 1;
/// Octets before the first TLV.
pub const FIXED_OCTETS: usize = 24;
/// Octets of a tenant.
pub const TENANT_OCTETS: usize = TLV_OCTETS + TENANT_LENGTH as usize;
/// Octets of another session id.
pub const RENUMBERING_OCTETS: usize = TLV_OCTETS + RENUMBERING_LENGTH as usize;

const TLV_OCTETS: usize = 4;
const TYPE_TENANT: u16 = 1;
const TYPE_RENUMBERING: u16 = 2;
const TENANT_LENGTH: u16 = 16;
const RENUMBERING_LENGTH: u16 = 12;
/// What stands for a format that cannot be said.
const UNKNOWN: u8 = 0xff;

/// What carries the pseudowires of a tenant to the router that says so.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TenantCarrier {
    /// IPv6, protocol 115.
    #[default]
    Ip,
    /// UDP to port 1701, with a checksum.
    Udp,
    /// The same, where datagrams may come without a checksum (RFC 6936 §4).
    UdpZero,
}

/// How many octets a cookie has.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CookieLength {
    /// There is none.
    None,
    /// Four octets.
    Four,
    /// Eight octets.
    #[default]
    Eight,
}

impl CookieLength {
    /// The number: 0, 4 or 8.
    pub const fn octets(self) -> usize {
        match self {
            Self::None => 0,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

/// What frames of a tenant have before them on their way to the router that says so.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TenantFormat {
    /// What carries them.
    pub carrier: TenantCarrier,
    /// How long their cookie is.
    pub cookie: CookieLength,
    /// What stands between cookie and frame.
    pub sublayer: Sublayer,
    /// Which of them have numbers; with a sublayer only.
    pub sequencing: Sequencing,
}

impl TenantFormat {
    /// Carrier, cookie octets, sublayer and sequencing as they stand in the LSA.
    pub const fn octets(self) -> [u8; 4] {
        let carrier = match self.carrier {
            TenantCarrier::Ip => 0,
            TenantCarrier::Udp => 1,
            TenantCarrier::UdpZero => 2,
        };
        let cookie = match self.cookie {
            CookieLength::None => 0,
            CookieLength::Four => 4,
            CookieLength::Eight => 8,
        };
        let (sublayer, sequencing) = match (self.sublayer, self.sequencing) {
            (Sublayer::None, _) => (0, 0),
            (Sublayer::Default, Sequencing::None) => (1, 0),
            (Sublayer::Default, Sequencing::NonIp) => (1, 1),
            (Sublayer::Default, Sequencing::All) => (1, 2),
        };
        [carrier, cookie, sublayer, sequencing]
    }
}

impl fmt::Display for TenantFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.carrier {
            TenantCarrier::Ip => "over IPv6",
            TenantCarrier::Udp => "over UDP",
            TenantCarrier::UdpZero => "over UDP, checksum optional",
        })?;
        write!(f, ", cookie of {} octets", self.cookie.octets())?;
        f.write_str(match (self.sublayer, self.sequencing) {
            (Sublayer::None, _) => "",
            (Sublayer::Default, Sequencing::None) => ", sublayer",
            (Sublayer::Default, Sequencing::NonIp) => ", sublayer, frames without IP numbered",
            (Sublayer::Default, Sequencing::All) => ", sublayer, numbered",
        })
    }
}

/// A tenant that a router has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantEntry {
    /// Which.
    pub id: TenantId,
    /// What cookies towards the router are derived with.
    pub epoch: u32,
    /// Largest IP packet in the frames that it takes, in octets.
    pub mtu: u16,
    /// What frames need; `None` where it is something that this version cannot say.
    pub format: Option<TenantFormat>,
}

/// One sender shall call the session of a tenant otherwise, because the id that is derived without
/// a salt is that of another session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renumbering {
    /// Which tenant.
    pub id: TenantId,
    /// Who sends.
    pub sender: RouterId,
    /// What the id is derived with instead of zero.
    pub salt: u32,
}

/// The tenants of a router, or some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipLsa {
    /// Where their tunnels end.
    pub endpoint: Ipv6Addr,
    /// They themselves, as they stand in the LSA.
    pub tenants: Vec<TenantEntry>,
    /// Sessions with other ids.
    pub renumberings: Vec<Renumbering>,
}

impl MembershipLsa {
    /// Reads a body; `None` for the LSA of another enterprise or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (enterprise, version) = (reader.u32()?, reader.u8()?);
        if (enterprise, version) != (ENTERPRISE, VERSION) {
            return Ok(None);
        }
        reader.skip(3)?;
        let endpoint = reader.address()?;
        let (mut tenants, mut renumberings) = (Vec::new(), Vec::new());
        while !reader.is_empty() {
            let offset = reader.offset();
            let (kind, length) = (reader.u16()?, reader.u16()?);
            let octets = usize::from(length);
            let mut value = reader.sub(octets)?;
            reader.skip(octets.next_multiple_of(4) - octets)?;
            match (kind, length) {
                (TYPE_TENANT, TENANT_LENGTH) => tenants.push(TenantEntry::read(&mut value)?),
                (TYPE_RENUMBERING, RENUMBERING_LENGTH) => {
                    renumberings.push(Renumbering::read(&mut value)?);
                }
                (TYPE_TENANT | TYPE_RENUMBERING, _) => {
                    return Err(DecodeError::new(Fault::Length, offset));
                }
                _ => {}
            }
        }
        Ok(Some(Self { endpoint, tenants, renumberings }))
    }

    /// Writes it: the octets after the header of the LSA.
    pub fn encode(&self) -> Vec<u8> {
        let octets = FIXED_OCTETS
            + self.tenants.len() * TENANT_OCTETS
            + self.renumberings.len() * RENUMBERING_OCTETS;
        let mut writer = Writer::with_capacity(octets);
        writer.u32(ENTERPRISE);
        writer.u8(VERSION);
        writer.put(&[0; 3]);
        writer.address(self.endpoint);
        for tenant in &self.tenants {
            tenant.write(&mut writer);
        }
        for renumbering in &self.renumberings {
            renumbering.write(&mut writer);
        }
        writer.into_vec()
    }
}

impl TenantEntry {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, epoch, mtu) = (TenantId(reader.u32()?), reader.u32()?, reader.u16()?);
        let [carrier, cookie, sublayer, sequencing] = reader.array()?;
        reader.skip(2)?;
        let format = format_of([carrier, cookie, sublayer, sequencing]);
        Ok(Self { id, epoch, mtu, format })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(TYPE_TENANT);
        writer.u16(TENANT_LENGTH);
        writer.u32(self.id.0);
        writer.u32(self.epoch);
        writer.u16(self.mtu);
        writer.put(&self.format.map_or([UNKNOWN; 4], TenantFormat::octets));
        writer.u16(0);
    }
}

/// `None` where an octet is none of this version, or numbers have no sublayer to stand in.
fn format_of([carrier, cookie, sublayer, sequencing]: [u8; 4]) -> Option<TenantFormat> {
    let carrier = match carrier {
        0 => TenantCarrier::Ip,
        1 => TenantCarrier::Udp,
        2 => TenantCarrier::UdpZero,
        _ => return None,
    };
    let cookie = match cookie {
        0 => CookieLength::None,
        4 => CookieLength::Four,
        8 => CookieLength::Eight,
        _ => return None,
    };
    let (sublayer, sequencing) = match (sublayer, sequencing) {
        (0, 0) => (Sublayer::None, Sequencing::None),
        (1, 0) => (Sublayer::Default, Sequencing::None),
        (1, 1) => (Sublayer::Default, Sequencing::NonIp),
        (1, 2) => (Sublayer::Default, Sequencing::All),
        _ => return None,
    };
    Some(TenantFormat { carrier, cookie, sublayer, sequencing })
}

impl Renumbering {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, sender) = (TenantId(reader.u32()?), RouterId(reader.u32()?));
        Ok(Self { id, sender, salt: reader.u32()? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(TYPE_RENUMBERING);
        writer.u16(RENUMBERING_LENGTH);
        writer.u32(self.id.0);
        writer.u32(self.sender.0);
        writer.u32(self.salt);
    }
}

#[cfg(test)]
mod tests;
