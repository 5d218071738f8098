//! The LSA: header, identity, checksum and age of instances (RFC 5340 §A.4.2, RFC 2328 §12.1,
//! §13.1).
//!
//! Owns [`Lsa`], an instance as its octets (shared, so that a copy in a queue costs a pointer) with
//! the header read out. Bodies are read on demand by [`Lsa::body`].
//!
//! *Invariants*: the octets of an [`Lsa`] are exactly as long as its header says; the age in the
//! header is the one that counts, the one inside the octets is not.

use super::body::LsaBody;
use super::error::{DecodeError, Fault};
use crate::base::checksum::{fletcher_checksum, fletcher_sums};
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;
use core::cmp::Ordering;
use core::fmt;
use std::sync::Arc;

/// Octets of an LSA header.
pub const LSA_HEADER_OCTETS: usize = 20;
/// MaxAge in seconds (RFC 2328 §B).
pub const MAX_AGE_S: u16 = 3600;
/// MaxAgeDiff in seconds (RFC 2328 §B).
pub const MAX_AGE_DIFF_S: u16 = 900;

const AGE_OCTETS: usize = 2;
const CHECKSUM_OFFSET: usize = 16;
const LENGTH_OFFSET: usize = 18;

/// How far an LSA is flooded (RFC 5340 §A.4.2.1, S2 and S1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LsaScope {
    /// Not beyond the link it came from.
    Link,
    /// Through the area.
    Area,
    /// Through the AS.
    As,
    /// Reserved: such an LSA is discarded.
    Reserved,
}

/// LS type: U-bit, scope and function code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LsType(pub u16);

impl LsType {
    /// Router-LSA.
    pub const ROUTER: Self = Self(0x2001);
    /// Network-LSA.
    pub const NETWORK: Self = Self(0x2002);
    /// Inter-Area-Prefix-LSA.
    pub const INTER_AREA_PREFIX: Self = Self(0x2003);
    /// Inter-Area-Router-LSA.
    pub const INTER_AREA_ROUTER: Self = Self(0x2004);
    /// AS-External-LSA.
    pub const AS_EXTERNAL: Self = Self(0x4005);
    /// NSSA-LSA; its body is that of an AS-External-LSA.
    pub const NSSA: Self = Self(0x2007);
    /// Link-LSA.
    pub const LINK: Self = Self(0x0008);
    /// Intra-Area-Prefix-LSA.
    pub const INTRA_AREA_PREFIX: Self = Self(0x2009);
    /// Grace-LSA (RFC 5187 §2.1).
    pub const GRACE: Self = Self(0x000b);
    /// Repair-LSA: U-bit, area scope, function code 8186 (private use).
    pub const REPAIR: Self = Self(0xbffa);
    /// Membership-LSA: U-bit, AS scope, function code 8184 (private use). Its body is octets to
    /// OSPF; [`super::MembershipLsa`] reads them.
    pub const MEMBERSHIP: Self = Self(0xdff8);

    /// The function code.
    pub const fn function_code(self) -> u16 {
        self.0 & 0x1fff
    }

    /// U-bit: who does not know the type treats it as if it did.
    pub const fn has_u_bit(self) -> bool {
        self.0 & 0x8000 != 0
    }

    /// The scope in S2 and S1.
    pub const fn scope(self) -> LsaScope {
        match (self.0 >> 13) & 3 {
            0 => LsaScope::Link,
            1 => LsaScope::Area,
            2 => LsaScope::As,
            _ => LsaScope::Reserved,
        }
    }

    /// Whether the type is one of RFC 5340 §A.4.2.1 or RFC 5187.
    pub const fn is_known(self) -> bool {
        matches!(
            self,
            Self::ROUTER
                | Self::NETWORK
                | Self::INTER_AREA_PREFIX
                | Self::INTER_AREA_ROUTER
                | Self::AS_EXTERNAL
                | Self::NSSA
                | Self::LINK
                | Self::INTRA_AREA_PREFIX
                | Self::GRACE
        )
    }

    /// How far it is flooded: an unknown type without U-bit stays on its link (RFC 5340 §4.5.2).
    pub const fn flooding_scope(self) -> LsaScope {
        match self.scope() {
            LsaScope::Reserved => LsaScope::Reserved,
            scope if self.is_known() || self.has_u_bit() => scope,
            _ => LsaScope::Link,
        }
    }
}

impl fmt::Display for LsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ROUTER => f.pad("router"),
            Self::NETWORK => f.pad("network"),
            Self::INTER_AREA_PREFIX => f.pad("inter-area-prefix"),
            Self::INTER_AREA_ROUTER => f.pad("inter-area-router"),
            Self::AS_EXTERNAL => f.pad("as-external"),
            Self::NSSA => f.pad("nssa"),
            Self::LINK => f.pad("link"),
            Self::INTRA_AREA_PREFIX => f.pad("intra-area-prefix"),
            Self::GRACE => f.pad("grace"),
            Self::REPAIR => f.pad("repair"),
            Self::MEMBERSHIP => f.pad("membership"),
            Self(number) => f.pad(&format!("0x{number:04x}")),
        }
    }
}

impl fmt::Debug for LsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What names an LSA among all of its scope. Ordered by type, router, id: the parts of one router
/// stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LsaKey {
    /// LS type.
    pub ls_type: LsType,
    /// Advertising Router.
    pub advertising_router: RouterId,
    /// Link State ID.
    pub link_state_id: u32,
}

/// LS sequence number: signed, from −0x7fffffff up (RFC 2328 §12.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub i32);

impl SequenceNumber {
    /// 0x80000000: reserved, never sent.
    pub const RESERVED: Self = Self(i32::MIN);
    /// InitialSequenceNumber, 0x80000001.
    pub const INITIAL: Self = Self(i32::MIN + 1);
    /// MaxSequenceNumber, 0x7fffffff.
    pub const MAX: Self = Self(i32::MAX);

    /// The next one; `None` at the end, where the LSA must be flushed first (RFC 2328 §12.1.6).
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }

    /// The 32 bits on the wire.
    pub const fn bits(self) -> u32 {
        self.0.cast_unsigned()
    }

    /// From the 32 bits on the wire.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits.cast_signed())
    }
}

/// The 20 octets every LSA starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsaHeader {
    /// LS age in seconds.
    pub age_s: u16,
    /// LS type.
    pub ls_type: LsType,
    /// Link State ID.
    pub link_state_id: u32,
    /// Advertising Router.
    pub advertising_router: RouterId,
    /// LS sequence number.
    pub sequence: SequenceNumber,
    /// LS checksum.
    pub checksum: u16,
    /// Octets of the LSA with this header.
    pub length: u16,
}

impl LsaHeader {
    /// Reads one header.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            age_s: reader.u16()?,
            ls_type: LsType(reader.u16()?),
            link_state_id: reader.u32()?,
            advertising_router: RouterId(reader.u32()?),
            sequence: SequenceNumber::from_bits(reader.u32()?),
            checksum: reader.u16()?,
            length: reader.u16()?,
        })
    }

    /// Writes it.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(self.age_s);
        writer.u16(self.ls_type.0);
        writer.u32(self.link_state_id);
        writer.u32(self.advertising_router.0);
        writer.u32(self.sequence.bits());
        writer.u16(self.checksum);
        writer.u16(self.length);
    }

    /// Which LSA it is an instance of.
    pub const fn key(&self) -> LsaKey {
        LsaKey {
            ls_type: self.ls_type,
            advertising_router: self.advertising_router,
            link_state_id: self.link_state_id,
        }
    }

    /// Whether it is at its end.
    pub const fn is_max_age(&self) -> bool {
        self.age_s >= MAX_AGE_S
    }

    /// RFC 2328 §13.1: `Greater` when this instance is newer than `other`, by sequence number, then
    /// checksum, then age.
    pub fn compare_age(&self, other: &Self) -> Ordering {
        let by_age = match (self.is_max_age(), other.is_max_age()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ if self.age_s.abs_diff(other.age_s) > MAX_AGE_DIFF_S => other.age_s.cmp(&self.age_s),
            _ => Ordering::Equal,
        };
        self.sequence.cmp(&other.sequence).then(self.checksum.cmp(&other.checksum)).then(by_age)
    }
}

/// An LSA would be longer than its 16-bit length can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an LSA of {octets} octets")]
pub struct LsaTooLong {
    /// How long it would be.
    pub octets: usize,
}

/// An instance of an LSA.
#[derive(Clone, Debug)]
pub struct Lsa {
    /// Its header; the age is that of the moment of reading or making it.
    pub header: LsaHeader,
    bytes: Arc<[u8]>,
}

impl PartialEq for Lsa {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header && self.bytes.get(AGE_OCTETS..) == other.bytes.get(AGE_OCTETS..)
    }
}

impl Eq for Lsa {}

impl Lsa {
    /// Makes an instance: length and checksum are computed.
    pub fn build(
        key: LsaKey,
        sequence: SequenceNumber,
        age_s: u16,
        body: &LsaBody,
    ) -> Result<Self, LsaTooLong> {
        let mut header = LsaHeader {
            age_s,
            ls_type: key.ls_type,
            link_state_id: key.link_state_id,
            advertising_router: key.advertising_router,
            sequence,
            checksum: 0,
            length: 0,
        };
        let mut writer = Writer::with_capacity(128);
        header.encode(&mut writer);
        body.encode(&mut writer);
        let octets = writer.len();
        header.length = u16::try_from(octets).map_err(|_| LsaTooLong { octets })?;
        writer.patch_u16(LENGTH_OFFSET, header.length);
        let summed = writer.as_slice().get(AGE_OCTETS..).unwrap_or(&[]);
        header.checksum = fletcher_checksum(summed, CHECKSUM_OFFSET - AGE_OCTETS);
        writer.patch_u16(CHECKSUM_OFFSET, header.checksum);
        Ok(Self { header, bytes: writer.into_vec().into() })
    }

    /// Reads one LSA, as long as its header says.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        let header = LsaHeader::decode(&mut reader.clone())?;
        let length = usize::from(header.length);
        if length < LSA_HEADER_OCTETS || length > reader.remaining() {
            return Err(DecodeError::new(Fault::Length, offset + LENGTH_OFFSET));
        }
        Ok(Self { header, bytes: reader.take(length)?.into() })
    }

    /// Writes it with the age of its header.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(self.header.age_s);
        writer.put(self.bytes.get(AGE_OCTETS..).unwrap_or(&[]));
    }

    /// The same instance at another age.
    pub fn at_age(&self, age_s: u16) -> Self {
        Self { header: LsaHeader { age_s, ..self.header }, bytes: Arc::clone(&self.bytes) }
    }

    /// Which LSA it is an instance of.
    pub const fn key(&self) -> LsaKey {
        self.header.key()
    }

    /// Octets with the header.
    pub fn octets(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the Fletcher checksum over everything but the age is right (RFC 2328 §12.1.7).
    pub fn has_valid_checksum(&self) -> bool {
        self.header.checksum != 0
            && self.bytes.get(AGE_OCTETS..).is_some_and(|summed| fletcher_sums(summed) == (0, 0))
    }

    /// The octets after the header.
    pub fn body_bytes(&self) -> &[u8] {
        self.bytes.get(LSA_HEADER_OCTETS..).unwrap_or(&[])
    }

    /// The body by its type; unknown types stay octets.
    pub fn body(&self) -> Result<LsaBody, DecodeError> {
        LsaBody::decode(self.header.ls_type, self.body_bytes())
    }
}
