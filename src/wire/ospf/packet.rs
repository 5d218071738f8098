//! The packet header and the packet as a whole (RFC 5340 §A.3.1).
//!
//! Owns the framing: version, type, length, router, area, instance and the checksum with the IPv6
//! pseudo-header. What follows the packet within its IPv6 payload (an LLS block of RFC 5613, a
//! trailer of RFC 7166) is not covered by its length and ignored.
//!
//! *Invariants*: [`Packet::encode`] stores the right length and checksum.

use super::database_description::DatabaseDescription;
use super::error::{DecodeError, Fault};
use super::hello::Hello;
use super::link_state_acknowledgment::LinkStateAcknowledgment;
use super::link_state_request::LinkStateRequest;
use super::link_state_update::LinkStateUpdate;
use crate::base::checksum::ipv6_upper_layer;
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::{AreaId, RouterId};
use core::net::Ipv6Addr;

/// IPv6 next header of OSPF.
pub const NEXT_HEADER: u8 = 89;
/// The version spoken.
pub const VERSION: u8 = 3;
/// Octets of the header.
pub const HEADER_OCTETS: usize = 16;
/// AllSPFRouters (RFC 5340 §A.1).
pub const ALL_SPF_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 5);

const LENGTH_OFFSET: usize = 2;
const CHECKSUM_OFFSET: usize = 12;

/// The type of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketType {
    /// Type 1.
    Hello,
    /// Type 2.
    DatabaseDescription,
    /// Type 3.
    LinkStateRequest,
    /// Type 4.
    LinkStateUpdate,
    /// Type 5.
    LinkStateAcknowledgment,
}

impl PacketType {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::DatabaseDescription => 2,
            Self::LinkStateRequest => 3,
            Self::LinkStateUpdate => 4,
            Self::LinkStateAcknowledgment => 5,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Hello),
            2 => Some(Self::DatabaseDescription),
            3 => Some(Self::LinkStateRequest),
            4 => Some(Self::LinkStateUpdate),
            5 => Some(Self::LinkStateAcknowledgment),
            _ => None,
        }
    }
}

/// The first 16 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHeader {
    /// What follows.
    pub packet_type: PacketType,
    /// Octets of the packet with this header.
    pub length: u16,
    /// Who sent it.
    pub router_id: RouterId,
    /// The area it belongs to.
    pub area: AreaId,
    /// As received; it is checked by [`has_valid_checksum`].
    pub checksum: u16,
    /// Instance of the link (RFC 5340 §2.4).
    pub instance_id: u8,
}

impl PacketHeader {
    /// Reads the header of `bytes`, an IPv6 payload; its length lies within them.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::new(Fault::Version, 0));
        }
        let number = reader.u8()?;
        let length = reader.u16()?;
        let router_id = RouterId(reader.u32()?);
        let area = RouterId(reader.u32()?);
        let checksum = reader.u16()?;
        let instance_id = reader.u8()?;
        reader.skip(1)?;
        let octets = usize::from(length);
        if octets < HEADER_OCTETS || octets > bytes.len() {
            return Err(DecodeError::new(Fault::Length, LENGTH_OFFSET));
        }
        let packet_type =
            PacketType::from_number(number).ok_or(DecodeError::new(Fault::PacketType, 1))?;
        Ok(Self { packet_type, length, router_id, area, checksum, instance_id })
    }
}

/// Whether the checksum over the packet that `bytes` start with is right (RFC 5340 §4.2.2). The
/// length of the pseudo-header is the packet's own (§A.3.1).
pub fn has_valid_checksum(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    header: &PacketHeader,
    bytes: &[u8],
) -> bool {
    bytes
        .get(..usize::from(header.length))
        .is_some_and(|packet| ipv6_upper_layer(source, destination, NEXT_HEADER, packet) == 0)
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketBody {
    /// §A.3.2.
    Hello(Hello),
    /// §A.3.3.
    DatabaseDescription(DatabaseDescription),
    /// §A.3.4.
    LinkStateRequest(LinkStateRequest),
    /// §A.3.5.
    LinkStateUpdate(LinkStateUpdate),
    /// §A.3.6.
    LinkStateAcknowledgment(LinkStateAcknowledgment),
}

impl PacketBody {
    /// The type that announces it.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Hello(_) => PacketType::Hello,
            Self::DatabaseDescription(_) => PacketType::DatabaseDescription,
            Self::LinkStateRequest(_) => PacketType::LinkStateRequest,
            Self::LinkStateUpdate(_) => PacketType::LinkStateUpdate,
            Self::LinkStateAcknowledgment(_) => PacketType::LinkStateAcknowledgment,
        }
    }

    /// Reads the body that `header` announces from `bytes`, the same octets the header came from.
    pub fn decode(header: &PacketHeader, bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = bytes
            .get(HEADER_OCTETS..usize::from(header.length))
            .ok_or(DecodeError::new(Fault::Length, LENGTH_OFFSET))?;
        let decoded = match header.packet_type {
            PacketType::Hello => Hello::decode(body).map(Self::Hello),
            PacketType::DatabaseDescription => {
                DatabaseDescription::decode(body).map(Self::DatabaseDescription)
            }
            PacketType::LinkStateRequest => {
                LinkStateRequest::decode(body).map(Self::LinkStateRequest)
            }
            PacketType::LinkStateUpdate => LinkStateUpdate::decode(body).map(Self::LinkStateUpdate),
            PacketType::LinkStateAcknowledgment => {
                LinkStateAcknowledgment::decode(body).map(Self::LinkStateAcknowledgment)
            }
        };
        decoded.map_err(|error| error.shifted(HEADER_OCTETS))
    }

    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Hello(hello) => hello.encode(writer),
            Self::DatabaseDescription(description) => description.encode(writer),
            Self::LinkStateRequest(request) => request.encode(writer),
            Self::LinkStateUpdate(update) => update.encode(writer),
            Self::LinkStateAcknowledgment(acknowledgment) => acknowledgment.encode(writer),
        }
    }
}

/// A packet to be sent, or one received whose header was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sends it.
    pub router_id: RouterId,
    /// The area of the interface.
    pub area: AreaId,
    /// The instance of the interface.
    pub instance_id: u8,
    /// The rest.
    pub body: PacketBody,
}

impl Packet {
    /// Header and body of `bytes`. The checksum is [`has_valid_checksum`]'s business.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = PacketHeader::decode(bytes)?;
        let body = PacketBody::decode(&header, bytes)?;
        let PacketHeader { router_id, area, instance_id, .. } = header;
        Ok(Self { router_id, area, instance_id, body })
    }

    /// The octets for these two addresses, length and checksum set. A body that does not fit the
    /// 16 bits of the length is an error of the caller: it sends packets of one MTU.
    pub fn encode(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128);
        writer.u8(VERSION);
        writer.u8(self.body.packet_type().number());
        writer.u16(0);
        writer.u32(self.router_id.0);
        writer.u32(self.area.0);
        writer.u16(0);
        writer.u8(self.instance_id);
        writer.u8(0);
        self.body.encode(&mut writer);
        debug_assert!(writer.len() <= usize::from(u16::MAX), "packets are cut by MTU");
        writer.patch_u16(LENGTH_OFFSET, u16::try_from(writer.len()).unwrap_or(u16::MAX));
        let checksum = ipv6_upper_layer(source, destination, NEXT_HEADER, writer.as_slice());
        writer.patch_u16(CHECKSUM_OFFSET, checksum);
        writer.into_vec()
    }
}
