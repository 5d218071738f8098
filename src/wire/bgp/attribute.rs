//! Path attributes: what a route carries besides its prefix.
//!
//! Owns [`PathAttributes`] and how single attributes are read and written. Walking through the list
//! of an UPDATE, and what becomes of the whole when one of them is wrong, belongs to
//! [`super::update`].
//!
//! *Invariants*: equal attributes are equal values, whatever they looked like: lists of communities
//! are sorted and without repetitions (RFC 1997, RFC 8092 §3), unknown attributes are in the order
//! of their types.
//! *Standards*: RFC 4271 §5.1, RFC 1997, RFC 2545 §3, RFC 4360, RFC 4456 §8, RFC 5065 §5, RFC 6793
//! §4 and §6, RFC 7606 §7, RFC 8092, RFC 9234 §5.

use super::Agreement;
use super::as_path::{AsPath, AsPathError};
use super::community::{Community, ExtendedCommunity, LargeCommunity};
use super::open::AS_TRANS;
use super::update::{AttributeFault, FaultReason, Reaction, take_attribute};
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;
use core::fmt;
use core::net::Ipv6Addr;

/// RFC 4271 §4.3: not every speaker knows it.
pub(super) const FLAG_OPTIONAL: u8 = 0x80;
/// RFC 4271 §4.3: it goes on to others.
pub(super) const FLAG_TRANSITIVE: u8 = 0x40;
/// RFC 4271 §4.3: somebody on the way did not know it.
const FLAG_PARTIAL: u8 = 0x20;
/// RFC 4271 §4.3: its length has two octets.
pub(super) const FLAG_EXTENDED_LENGTH: u8 = 0x10;

/// Type codes (IANA, BGP Path Attributes).
pub mod kind {
    /// RFC 4271 §5.1.1.
    pub const ORIGIN: u8 = 1;
    /// RFC 4271 §5.1.2.
    pub const AS_PATH: u8 = 2;
    /// RFC 4271 §5.1.3; for IPv4 only.
    pub const NEXT_HOP: u8 = 3;
    /// RFC 4271 §5.1.4.
    pub const MULTI_EXIT_DISC: u8 = 4;
    /// RFC 4271 §5.1.5.
    pub const LOCAL_PREF: u8 = 5;
    /// RFC 4271 §5.1.6.
    pub const ATOMIC_AGGREGATE: u8 = 6;
    /// RFC 4271 §5.1.7.
    pub const AGGREGATOR: u8 = 7;
    /// RFC 1997.
    pub const COMMUNITIES: u8 = 8;
    /// RFC 4456 §8.
    pub const ORIGINATOR_ID: u8 = 9;
    /// RFC 4456 §8.
    pub const CLUSTER_LIST: u8 = 10;
    /// RFC 4760 §3.
    pub const MP_REACH_NLRI: u8 = 14;
    /// RFC 4760 §4.
    pub const MP_UNREACH_NLRI: u8 = 15;
    /// RFC 4360 §2.
    pub const EXTENDED_COMMUNITIES: u8 = 16;
    /// RFC 6793 §3.
    pub const AS4_PATH: u8 = 17;
    /// RFC 6793 §3.
    pub const AS4_AGGREGATOR: u8 = 18;
    /// RFC 8092 §3.
    pub const LARGE_COMMUNITIES: u8 = 32;
    /// RFC 9234 §5.
    pub const ONLY_TO_CUSTOMER: u8 = 35;
}

/// RFC 4271 §5.1.1: how the route came into BGP. Lower is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// By an interior protocol.
    #[default]
    Igp,
    /// By EGP.
    Egp,
    /// By other means.
    Incomplete,
}

impl Origin {
    const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Igp),
            1 => Some(Self::Egp),
            2 => Some(Self::Incomplete),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Igp => "igp",
            Self::Egp => "egp",
            Self::Incomplete => "incomplete",
        })
    }
}

/// RFC 2545 §3: where packets go next: a global address, one of the link, or both; never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The global address.
    pub global: Option<Ipv6Addr>,
    /// The address on the link that both ends share.
    pub link_local: Option<Ipv6Addr>,
}

impl NextHop {
    /// Of 16 octets or 32; `None` for another length. What is no address of a router is left out,
    /// so that nothing may be left.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let address = |octets: &[u8]| <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from);
        let (first, second) = match octets.len() {
            16 => (address(octets)?, None),
            32 => (address(octets.get(..16)?)?, address(octets.get(16..)?)),
            _ => return None,
        };
        let is_of_link = |address: &Ipv6Addr| address.is_unicast_link_local();
        let is_global = |address: &Ipv6Addr| {
            let is_one = !address.is_unspecified() && !address.is_loopback();
            is_one && !address.is_multicast() && !is_of_link(address)
        };
        let link_local = second.filter(is_of_link).or(Some(first).filter(is_of_link));
        Some(Self { global: Some(first).filter(is_global), link_local })
    }

    /// Whether there is an address at all.
    pub const fn is_valid(&self) -> bool {
        self.global.is_some() || self.link_local.is_some()
    }

    /// Octets of it.
    pub(super) const fn octets(&self) -> u8 {
        if self.global.is_some() && self.link_local.is_some() { 32 } else { 16 }
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let both = [self.global, self.link_local];
        both.into_iter().flatten().for_each(|address| writer.address(address));
    }
}

/// RFC 4271 §5.1.7: who made one route of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aggregator {
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier.
    pub identifier: RouterId,
}

/// An optional transitive attribute that nobody here knows: it goes on as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownAttribute {
    /// Type code.
    pub kind: u8,
    /// Value.
    pub value: Vec<u8>,
}

/// What a route carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathAttributes {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH.
    pub as_path: AsPath,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub is_atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES.
    pub communities: Vec<Community>,
    /// ORIGINATOR_ID.
    pub originator_id: Option<RouterId>,
    /// CLUSTER_LIST, the last reflector first.
    pub cluster_list: Vec<RouterId>,
    /// EXTENDED_COMMUNITIES.
    pub extended_communities: Vec<ExtendedCommunity>,
    /// LARGE_COMMUNITY.
    pub large_communities: Vec<LargeCommunity>,
    /// OTC: the AS behind which only customers may have the route.
    pub only_to_customer: Option<u32>,
    /// Others that go on.
    pub unknown: Vec<UnknownAttribute>,
}

/// Why attributes cannot be written: the length of one does not fit into its two octets. Those
/// that came in a message do, but for a path whose numbers have become longer; a policy may add to
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute {kind} has {octets} octets")]
pub struct AttributeTooLong {
    /// Type code.
    pub kind: u8,
    /// Octets of its value.
    pub octets: usize,
}

/// What was read of the attributes of an UPDATE.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub attributes: PathAttributes,
    pub has_origin: bool,
    pub has_as_path: bool,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<Aggregator>,
}

type Step = Result<(), (Reaction, FaultReason)>;

const WITHDRAW: (Reaction, FaultReason) = (Reaction::TreatAsWithdraw, FaultReason::Length);
const DISCARD: (Reaction, FaultReason) = (Reaction::Discard, FaultReason::Length);

/// RFC 4271 §4.3: the optional and transitive bits of a type; `None` for those that are not known.
pub(super) const fn flags_of(kind: u8) -> Option<u8> {
    Some(match kind {
        kind::ORIGIN | kind::AS_PATH | kind::NEXT_HOP | kind::LOCAL_PREF => FLAG_TRANSITIVE,
        kind::ATOMIC_AGGREGATE => FLAG_TRANSITIVE,
        kind::MULTI_EXIT_DISC | kind::ORIGINATOR_ID | kind::CLUSTER_LIST => FLAG_OPTIONAL,
        kind::MP_REACH_NLRI | kind::MP_UNREACH_NLRI => FLAG_OPTIONAL,
        kind::AGGREGATOR | kind::COMMUNITIES | kind::EXTENDED_COMMUNITIES => {
            FLAG_OPTIONAL | FLAG_TRANSITIVE
        }
        kind::AS4_PATH | kind::AS4_AGGREGATOR | kind::LARGE_COMMUNITIES => {
            FLAG_OPTIONAL | FLAG_TRANSITIVE
        }
        kind::ONLY_TO_CUSTOMER => FLAG_OPTIONAL | FLAG_TRANSITIVE,
        _ => return None,
    })
}

impl Builder {
    /// Reads one attribute other than MP_REACH_NLRI and MP_UNREACH_NLRI; RFC 7606 §7 says what
    /// follows where it is wrong.
    pub fn read(&mut self, kind: u8, value: &[u8], agreement: Agreement) -> Step {
        let attributes = &mut self.attributes;
        match kind {
            kind::ORIGIN => {
                let &[number] = value else { return Err(WITHDRAW) };
                let unknown = (Reaction::TreatAsWithdraw, FaultReason::Value);
                attributes.origin = Origin::of(number).ok_or(unknown)?;
                self.has_origin = true;
            }
            kind::AS_PATH => {
                let path = AsPath::decode(value, agreement.has_four_octet_asn);
                let wrong = |error| (Reaction::TreatAsWithdraw, FaultReason::AsPath(error));
                let path = path.map_err(wrong)?;
                if agreement.is_external && path.has_confederations() {
                    return Err(wrong(AsPathError::Confederation));
                }
                attributes.as_path = path;
                self.has_as_path = true;
            }
            // RFC 4760 §3: routes of IPv6 have theirs in MP_REACH_NLRI, and this one is ignored.
            kind::NEXT_HOP if value.len() == 4 => {}
            kind::NEXT_HOP => return Err(WITHDRAW),
            kind::MULTI_EXIT_DISC => attributes.med = Some(word(value).ok_or(WITHDRAW)?),
            kind::LOCAL_PREF | kind::ORIGINATOR_ID | kind::CLUSTER_LIST
                if agreement.is_external =>
            {
                return Err((Reaction::Discard, FaultReason::Internal));
            }
            kind::LOCAL_PREF => attributes.local_pref = Some(word(value).ok_or(WITHDRAW)?),
            kind::ATOMIC_AGGREGATE if value.is_empty() => attributes.is_atomic_aggregate = true,
            kind::ATOMIC_AGGREGATE => return Err(DISCARD),
            kind::AGGREGATOR => {
                attributes.aggregator = Some(aggregator(value, agreement.has_four_octet_asn)?);
            }
            kind::COMMUNITIES => attributes.communities = words(value, Community)?,
            kind::ORIGINATOR_ID => {
                attributes.originator_id = Some(RouterId(word(value).ok_or(WITHDRAW)?));
            }
            kind::CLUSTER_LIST => attributes.cluster_list = cluster_list(value)?,
            kind::EXTENDED_COMMUNITIES => {
                attributes.extended_communities = items(value, |[a, b]: [u32; 2]| {
                    ExtendedCommunity(u64::from(a) << 32 | u64::from(b))
                })?;
            }
            kind::LARGE_COMMUNITIES => {
                attributes.large_communities = items(value, LargeCommunity)?;
            }
            kind::ONLY_TO_CUSTOMER => {
                attributes.only_to_customer = Some(word(value).ok_or(WITHDRAW)?);
            }
            kind::AS4_PATH | kind::AS4_AGGREGATOR => self.read_wide(kind, value, agreement)?,
            _ => attributes.unknown.push(UnknownAttribute { kind, value: value.to_vec() }),
        }
        Ok(())
    }

    /// RFC 6793 §4.1 and §6: what an old speaker carries along; a new one must not send it.
    fn read_wide(&mut self, kind: u8, value: &[u8], agreement: Agreement) -> Step {
        if agreement.has_four_octet_asn {
            return Err((Reaction::Discard, FaultReason::Unexpected));
        }
        if kind == kind::AS4_AGGREGATOR {
            self.as4_aggregator = Some(aggregator(value, true)?);
        } else {
            let wrong = |error| (Reaction::Discard, FaultReason::AsPath(error));
            let path = AsPath::decode(value, true).map_err(wrong)?;
            // RFC 6793 §6: confederations in it "MUST be discarded".
            self.as4_path = Some(path.without_confederations());
        }
        Ok(())
    }

    /// ASes of the longest path that was read.
    pub fn path_ases(&self) -> usize {
        let wide = self.as4_path.as_ref().map_or(0, AsPath::asn_count);
        self.attributes.as_path.asn_count().max(wide)
    }

    /// All of it. RFC 6793 §4.2.3: what an old speaker carried along replaces what it said, unless
    /// somebody aggregated without knowing.
    pub fn finish(mut self) -> PathAttributes {
        let is_old = |aggregator: &Aggregator| aggregator.asn != u32::from(AS_TRANS);
        let is_stale = self.attributes.aggregator.as_ref().is_some_and(is_old);
        if let Some(wide) = self.as4_aggregator.filter(|_| self.attributes.aggregator.is_some())
            && !is_stale
        {
            self.attributes.aggregator = Some(wide);
        }
        if let Some(wide) = self.as4_path.filter(|_| !is_stale) {
            self.attributes.as_path = self.attributes.as_path.widened(&wide);
        }
        self.attributes.unknown.sort_unstable();
        self.attributes
    }
}

/// The value of an attribute of four octets.
fn word(value: &[u8]) -> Option<u32> {
    <[u8; 4]>::try_from(value).ok().map(u32::from_be_bytes)
}

/// RFC 7606 §7.8, §7.14, RFC 8092 §5: a list that is no multiple of its items, or empty, is
/// malformed. Sorted, without repetitions.
fn items<T: Ord, const N: usize>(
    value: &[u8],
    item: impl Fn([u32; N]) -> T,
) -> Result<Vec<T>, (Reaction, FaultReason)> {
    if value.is_empty() || !value.len().is_multiple_of(N * 4) {
        return Err(WITHDRAW);
    }
    let words: Vec<u32> = value.chunks_exact(4).filter_map(word).collect();
    let parts = words.chunks_exact(N).filter_map(|part| <[u32; N]>::try_from(part).ok());
    let mut list: Vec<T> = parts.map(item).collect();
    list.sort_unstable();
    list.dedup();
    Ok(list)
}

fn words<T: Ord>(value: &[u8], item: impl Fn(u32) -> T) -> Result<Vec<T>, (Reaction, FaultReason)> {
    items(value, |[word]: [u32; 1]| item(word))
}

/// RFC 7606 §7.10; the order means something.
fn cluster_list(value: &[u8]) -> Result<Vec<RouterId>, (Reaction, FaultReason)> {
    if value.is_empty() || !value.len().is_multiple_of(4) {
        return Err(WITHDRAW);
    }
    Ok(value.chunks_exact(4).filter_map(word).map(RouterId).collect())
}

/// RFC 7606 §7.7, RFC 7607 §2.
fn aggregator(
    value: &[u8],
    has_four_octet_asn: bool,
) -> Result<Aggregator, (Reaction, FaultReason)> {
    let mut reader = Reader::new(value);
    let asn = match has_four_octet_asn {
        true => reader.u32().map_err(|_| DISCARD)?,
        false => reader.u16().map_err(|_| DISCARD)?.into(),
    };
    let identifier = RouterId(reader.u32().map_err(|_| DISCARD)?);
    match (reader.is_empty(), asn) {
        (false, _) => Err(DISCARD),
        (true, 0) => Err((Reaction::Discard, FaultReason::Value)),
        (true, _) => Ok(Aggregator { asn, identifier }),
    }
}

impl PathAttributes {
    /// Reads what [`Self::encode`] wrote for the same agreement. What is wrong is left out: octets
    /// of a peer are read by [`super::Update`], which says what follows.
    pub fn decode(octets: &[u8], agreement: Agreement) -> Self {
        let mut reader = Reader::new(octets);
        let mut builder = Builder::default();
        while let Ok((_, kind, value)) = take_attribute(&mut reader) {
            let _ = builder.read(kind, value, agreement);
        }
        builder.finish()
    }

    /// Appends all attributes in the order of their types; MP_REACH_NLRI is not one of them. Where
    /// one is too long, what was appended before it stays.
    pub fn encode(&self, agreement: Agreement, writer: &mut Writer) -> Encoded {
        let four = agreement.has_four_octet_asn;
        put(writer, kind::ORIGIN, &[self.origin as u8])?;
        let mut path = Writer::default();
        self.as_path.encode(four, &mut path);
        put(writer, kind::AS_PATH, path.as_slice())?;
        put_word(writer, kind::MULTI_EXIT_DISC, self.med)?;
        put_word(writer, kind::LOCAL_PREF, self.local_pref.filter(|_| !agreement.is_external))?;
        if self.is_atomic_aggregate {
            put(writer, kind::ATOMIC_AGGREGATE, &[])?;
        }
        if let Some(aggregator) = self.aggregator {
            put_aggregator(writer, kind::AGGREGATOR, aggregator, four)?;
        }
        put_words(writer, kind::COMMUNITIES, self.communities.iter().map(|c| c.0))?;
        if !agreement.is_external {
            put_word(writer, kind::ORIGINATOR_ID, self.originator_id.map(|id| id.0))?;
            put_words(writer, kind::CLUSTER_LIST, self.cluster_list.iter().map(|id| id.0))?;
        }
        let extended = self.extended_communities.iter().map(|community| community.0.to_be_bytes());
        put_list(writer, kind::EXTENDED_COMMUNITIES, &extended.flatten().collect::<Vec<u8>>())?;
        if !four {
            self.encode_wide(writer)?;
        }
        let large = self.large_communities.iter().flat_map(|community| community.0);
        put_words(writer, kind::LARGE_COMMUNITIES, large)?;
        put_word(writer, kind::ONLY_TO_CUSTOMER, self.only_to_customer)?;
        for UnknownAttribute { kind, value } in &self.unknown {
            let flags = FLAG_OPTIONAL | FLAG_TRANSITIVE | FLAG_PARTIAL;
            put_with(writer, (flags, *kind), value)?;
        }
        Ok(())
    }

    /// RFC 6793 §4.2.2: what an old speaker carries along.
    fn encode_wide(&self, writer: &mut Writer) -> Encoded {
        if self.as_path.has_large_asn() {
            let mut path = Writer::default();
            self.as_path.without_confederations().encode(true, &mut path);
            put(writer, kind::AS4_PATH, path.as_slice())?;
        }
        let is_large = |aggregator: &Aggregator| u16::try_from(aggregator.asn).is_err();
        if let Some(aggregator) = self.aggregator.filter(is_large) {
            put_aggregator(writer, kind::AS4_AGGREGATOR, aggregator, true)?;
        }
        Ok(())
    }
}

type Encoded = Result<(), AttributeTooLong>;

/// Appends an attribute with the flags of its type.
fn put(writer: &mut Writer, kind: u8, value: &[u8]) -> Encoded {
    put_with(writer, (flags_of(kind).unwrap_or_default(), kind), value)
}

/// Appends an attribute; a length above 255 has two octets.
fn put_with(writer: &mut Writer, (flags, kind): (u8, u8), value: &[u8]) -> Encoded {
    match u8::try_from(value.len()) {
        Ok(length) => {
            writer.u8(flags);
            writer.u8(kind);
            writer.u8(length);
        }
        Err(_) => {
            let too_long = AttributeTooLong { kind, octets: value.len() };
            let length = u16::try_from(value.len()).map_err(|_| too_long)?;
            writer.u8(flags | FLAG_EXTENDED_LENGTH);
            writer.u8(kind);
            writer.u16(length);
        }
    }
    writer.put(value);
    Ok(())
}

fn put_list(writer: &mut Writer, kind: u8, value: &[u8]) -> Encoded {
    if value.is_empty() { Ok(()) } else { put(writer, kind, value) }
}

fn put_word(writer: &mut Writer, kind: u8, value: Option<u32>) -> Encoded {
    value.map_or(Ok(()), |value| put(writer, kind, &value.to_be_bytes()))
}

fn put_words(writer: &mut Writer, kind: u8, words: impl Iterator<Item = u32>) -> Encoded {
    put_list(writer, kind, &words.flat_map(u32::to_be_bytes).collect::<Vec<u8>>())
}

fn put_aggregator(writer: &mut Writer, kind: u8, aggregator: Aggregator, is_wide: bool) -> Encoded {
    let mut value = Writer::default();
    match is_wide {
        true => value.u32(aggregator.asn),
        false => value.u16(u16::try_from(aggregator.asn).unwrap_or(AS_TRANS)),
    }
    value.u32(aggregator.identifier.0);
    put(writer, kind, value.as_slice())
}

impl AttributeFault {
    /// Of an attribute.
    pub(super) const fn of(kind: u8, (reaction, reason): (Reaction, FaultReason)) -> Self {
        Self { kind, reaction, reason }
    }
}
