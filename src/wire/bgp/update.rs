//! UPDATE: routes that are announced and routes that are gone.
//!
//! Owns [`Update`] and the rules of what an UPDATE that is partly wrong still means.
//!
//! ```text
//! +-----------------------------------------------------+
//! |  Withdrawn Routes Length (2 octets), IPv4           |
//! |  Withdrawn Routes (variable)                        |
//! |  Total Path Attribute Length (2 octets)             |
//! |  Path Attributes (variable): MP_REACH_NLRI first    |
//! |  Network Layer Reachability Information, IPv4       |
//! +-----------------------------------------------------+
//! ```
//!
//! *Invariants*: what was announced has attributes, and all that must be there are; nothing is both
//! announced and withdrawn by a fault. Where octets cannot be told from each other any more, the
//! session ends, and nothing else of the message counts.
//! *Standards*: RFC 4271 §4.3 and §6.3, RFC 4760 §3 to §5, RFC 4724 §2 (End-of-RIB), RFC 7606.

use super::Agreement;
use super::as_path::AsPathError;
use super::attribute::{
    Builder, FLAG_EXTENDED_LENGTH, FLAG_OPTIONAL, FLAG_TRANSITIVE, NextHop, PathAttributes,
    flags_of, kind,
};
use super::capability::AddressFamily;
use super::limits::AS_PATH_ASES_MAX;
use super::message::{MessageType, begin, finish};
use super::nlri::{self, Nlri};
use super::notification::{Notification, NotificationCode};
use crate::base::cursor::{Reader, Truncated, Writer};

/// RFC 7606 §2: what follows from a fault that does not end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reaction {
    /// The attribute is as if it had not been there.
    Discard,
    /// The routes are as if they had been withdrawn.
    TreatAsWithdraw,
}

/// What is wrong with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultReason {
    /// A length that the type cannot have.
    #[error("wrong length")]
    Length,
    /// A value that means nothing.
    #[error("wrong value")]
    Value,
    /// Optional or transitive, and the type is not, or the other way round.
    #[error("wrong flags")]
    Flags,
    /// It is there a second time.
    #[error("twice")]
    Repeated,
    /// It must be there and is not.
    #[error("missing")]
    Missing,
    /// It only means something within an AS.
    #[error("not from another AS")]
    Internal,
    /// The session has agreed on something that leaves no room for it.
    #[error("not in this session")]
    Unexpected,
    /// It reaches beyond the end of the list.
    #[error("longer than the list")]
    Overrun,
    /// Not a next hop that packets could be sent to.
    #[error("no address of a router")]
    NextHop,
    /// Not a path.
    #[error("{0}")]
    AsPath(AsPathError),
}

/// An attribute that is wrong, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeFault {
    /// Type code; zero where it cannot be known.
    pub kind: u8,
    /// What follows.
    pub reaction: Reaction,
    /// What is wrong.
    pub reason: FaultReason,
}

/// What is announced by one UPDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Prefixes that are reached.
    pub nlri: Vec<Nlri>,
    /// By which next hop.
    pub next_hop: NextHop,
    /// What they carry.
    pub attributes: PathAttributes,
}

/// An UPDATE, as far as IPv6 unicast goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Prefixes that are gone, and those that count as gone.
    pub withdrawn: Vec<Nlri>,
    /// Prefixes that are reached.
    pub announced: Option<Announcement>,
    /// RFC 4724 §2: everything has been sent once.
    pub is_end_of_rib: bool,
    /// What was wrong with its attributes.
    pub faults: Vec<AttributeFault>,
    /// Routes and withdrawals of other address families, which nobody has asked for.
    pub foreign_count: usize,
}

impl Update {
    /// RFC 4724 §2: the end of the first table.
    pub fn end_of_rib() -> Self {
        Self { is_end_of_rib: true, ..Self::default() }
    }

    pub(super) fn decode(body: &[u8], agreement: Agreement) -> Result<Self, Notification> {
        // RFC 4271 §6.3: lengths that do not fit into the message.
        let malformed =
            |_: Truncated| Notification::new(NotificationCode::MALFORMED_ATTRIBUTE_LIST);
        let mut reader = Reader::new(body);
        let octets = reader.u16().map_err(malformed)?;
        let withdrawn = reader.take(usize::from(octets)).map_err(malformed)?;
        let octets = reader.u16().map_err(malformed)?;
        let list = reader.take(usize::from(octets)).map_err(malformed)?;
        let network = |_| Notification::new(NotificationCode::INVALID_NETWORK_FIELD);
        let ipv4_withdrawn = nlri::skip_ipv4(withdrawn).map_err(|_| {
            // RFC 7606 §5.3 and RFC 4271 §6.3.
            Notification::new(NotificationCode::MALFORMED_ATTRIBUTE_LIST)
        })?;
        let ipv4_announced = nlri::skip_ipv4(reader.rest()).map_err(network)?;
        let mut walk = Walk::new(agreement);
        walk.foreign_count = ipv4_withdrawn + ipv4_announced;
        walk.has_ipv4 = ipv4_announced > 0;
        walk.read(list)?;
        walk.judge()
    }

    pub(super) fn encode(&self, agreement: Agreement, writer: &mut Writer) {
        writer.u16(0);
        let total_at = writer.len();
        writer.u16(0);
        // RFC 7606 §5.1: "the MP_REACH_NLRI or MP_UNREACH_NLRI attribute SHALL be encoded as the
        // very first path attribute".
        if let Some(Announcement { nlri, next_hop, attributes }) = &self.announced {
            put_reach(writer, (next_hop, nlri), agreement);
            if attributes.encode(agreement, writer).is_err() {
                unreachable!("messages are packed to their limit");
            }
        }
        if !self.withdrawn.is_empty() || self.is_end_of_rib {
            put_unreach(writer, &self.withdrawn, agreement);
        }
        finish_attributes(total_at, writer);
    }
}

/// Appends a whole UPDATE with prefixes that are reached, whose other attributes are written
/// already (`PathAttributes::encode`): those of a group of prefixes are the same octets.
pub fn put_announcement(
    writer: &mut Writer,
    (next_hop, nlri): (&NextHop, &[Nlri]),
    attributes: &[u8],
    agreement: Agreement,
) {
    let start = begin(MessageType::Update, writer);
    writer.u16(0);
    let total_at = writer.len();
    writer.u16(0);
    put_reach(writer, (next_hop, nlri), agreement);
    writer.put(attributes);
    finish_attributes(total_at, writer);
    finish(start, writer);
}

/// Appends a whole UPDATE with prefixes that are gone.
pub fn put_withdrawal(writer: &mut Writer, withdrawn: &[Nlri], agreement: Agreement) {
    let start = begin(MessageType::Update, writer);
    writer.u16(0);
    let total_at = writer.len();
    writer.u16(0);
    put_unreach(writer, withdrawn, agreement);
    finish_attributes(total_at, writer);
    finish(start, writer);
}

fn finish_attributes(total_at: usize, writer: &mut Writer) {
    let octets = u16::try_from(writer.len() - total_at - 2);
    let octets = octets.unwrap_or_else(|_| unreachable!("messages are packed to their limit"));
    writer.patch_u16(total_at, octets);
}

/// Appends the header of an attribute whose length is known last; returns where that stands.
fn begin_attribute(kind: u8, writer: &mut Writer) -> usize {
    writer.u8(FLAG_OPTIONAL | FLAG_EXTENDED_LENGTH);
    writer.u8(kind);
    writer.u16(0);
    writer.len() - 2
}

fn put_reach(writer: &mut Writer, (next_hop, nlri): (&NextHop, &[Nlri]), agreement: Agreement) {
    let length_at = begin_attribute(kind::MP_REACH_NLRI, writer);
    writer.u16(AddressFamily::IPV6_UNICAST.afi);
    writer.u8(AddressFamily::IPV6_UNICAST.safi);
    writer.u8(next_hop.octets());
    next_hop.encode(writer);
    writer.u8(0);
    nlri.iter().for_each(|nlri| nlri.encode(agreement.has_path_ids, writer));
    finish_attributes(length_at, writer);
}

fn put_unreach(writer: &mut Writer, withdrawn: &[Nlri], agreement: Agreement) {
    let length_at = begin_attribute(kind::MP_UNREACH_NLRI, writer);
    writer.u16(AddressFamily::IPV6_UNICAST.afi);
    writer.u8(AddressFamily::IPV6_UNICAST.safi);
    withdrawn.iter().for_each(|nlri| nlri.encode(agreement.has_path_ids, writer));
    finish_attributes(length_at, writer);
}

/// A walk through the attributes of an UPDATE.
struct Walk {
    agreement: Agreement,
    builder: Builder,
    seen: [bool; 256],
    /// Next hop and prefixes of MP_REACH_NLRI.
    reach: Option<(NextHop, Vec<Nlri>)>,
    unreach: Option<Vec<Nlri>>,
    /// Attributes other than MP_UNREACH_NLRI.
    count: usize,
    faults: Vec<AttributeFault>,
    foreign_count: usize,
    /// Whether there are routes outside of attributes, or of another family.
    has_ipv4: bool,
}

impl Walk {
    fn new(agreement: Agreement) -> Self {
        Self {
            agreement,
            builder: Builder::default(),
            seen: [false; 256],
            reach: None,
            unreach: None,
            count: 0,
            faults: Vec::new(),
            foreign_count: 0,
            has_ipv4: false,
        }
    }

    fn fault(&mut self, kind: u8, reaction: Reaction, reason: FaultReason) {
        self.faults.push(AttributeFault { kind, reaction, reason });
    }

    /// RFC 7606 §4: an attribute that reaches beyond the list ends it; routes that were found
    /// before are still known.
    fn read(&mut self, list: &[u8]) -> Result<(), Notification> {
        let mut reader = Reader::new(list);
        while !reader.is_empty() {
            let before = reader.rest();
            let Ok((flags, kind, value)) = take_attribute(&mut reader) else {
                self.count += 1;
                self.fault(0, Reaction::TreatAsWithdraw, FaultReason::Overrun);
                return Ok(());
            };
            let octets = before.len() - reader.remaining();
            self.attribute((flags, kind), value, before.get(..octets).unwrap_or(before))?;
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        (flags, kind): (u8, u8),
        value: &[u8],
        whole: &[u8],
    ) -> Result<(), Notification> {
        let is_list = matches!(kind, kind::MP_REACH_NLRI | kind::MP_UNREACH_NLRI);
        let was_seen =
            self.seen.get_mut(usize::from(kind)).is_some_and(|seen| core::mem::replace(seen, true));
        self.count += usize::from(kind != kind::MP_UNREACH_NLRI);
        if was_seen && is_list {
            // RFC 7606 §3 g.
            return Err(Notification::new(NotificationCode::MALFORMED_ATTRIBUTE_LIST));
        }
        if was_seen {
            self.fault(kind, Reaction::Discard, FaultReason::Repeated);
            return Ok(());
        }
        let has = flags & (FLAG_OPTIONAL | FLAG_TRANSITIVE);
        match flags_of(kind) {
            // RFC 7606 §3 c.
            Some(wanted) if wanted != has => {
                self.fault(kind, Reaction::TreatAsWithdraw, FaultReason::Flags);
            }
            // RFC 4271 §6.3.
            None if flags & FLAG_OPTIONAL == 0 => {
                let code = NotificationCode::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE;
                return Err(Notification::with_data(code, whole));
            }
            // RFC 4271 §9: "quietly ignored".
            None if flags & FLAG_TRANSITIVE == 0 => return Ok(()),
            _ => {}
        }
        match kind {
            kind::MP_REACH_NLRI => self.reach(value, whole),
            kind::MP_UNREACH_NLRI => self.unreach(value, whole),
            _ => {
                if let Err(fault) = self.builder.read(kind, value, self.agreement) {
                    self.faults.push(AttributeFault::of(kind, fault));
                }
                Ok(())
            }
        }
    }

    /// RFC 7606 §5.3 and §7.11: where next hop and prefixes cannot be told apart, or prefixes from
    /// each other, the session ends.
    fn reach(&mut self, value: &[u8], whole: &[u8]) -> Result<(), Notification> {
        let error = || Notification::with_data(NotificationCode::OPTIONAL_ATTRIBUTE_ERROR, whole);
        let mut reader = Reader::new(value);
        let family = take_family(&mut reader).map_err(|_| error())?;
        let octets = reader.u8().map_err(|_| error())?;
        let next_hop = reader.take(usize::from(octets)).map_err(|_| error())?;
        reader.skip(1).map_err(|_| error())?;
        if family != AddressFamily::IPV6_UNICAST {
            self.foreign_count += 1;
            self.has_ipv4 = true;
            return Ok(());
        }
        let next_hop = NextHop::decode(next_hop).ok_or_else(error)?;
        let list = nlri::decode_list(reader.rest(), self.agreement.has_path_ids);
        if !next_hop.is_valid() {
            self.fault(kind::MP_REACH_NLRI, Reaction::TreatAsWithdraw, FaultReason::NextHop);
        }
        self.reach = Some((next_hop, list.map_err(|_| error())?));
        Ok(())
    }

    fn unreach(&mut self, value: &[u8], whole: &[u8]) -> Result<(), Notification> {
        let error = || Notification::with_data(NotificationCode::OPTIONAL_ATTRIBUTE_ERROR, whole);
        let mut reader = Reader::new(value);
        let family = take_family(&mut reader).map_err(|_| error())?;
        if family != AddressFamily::IPV6_UNICAST {
            self.foreign_count += usize::from(!reader.is_empty());
            return Ok(());
        }
        let list = nlri::decode_list(reader.rest(), self.agreement.has_path_ids);
        self.unreach = Some(list.map_err(|_| error())?);
        Ok(())
    }

    /// What the whole means.
    fn judge(mut self) -> Result<Update, Notification> {
        let is_end_of_rib =
            self.count == 0 && self.unreach.as_ref().is_some_and(Vec::is_empty) && !self.has_ipv4;
        let (next_hop, announced) = match self.reach.take() {
            Some((next_hop, list)) => (Some(next_hop), list),
            None => (None, Vec::new()),
        };
        if !announced.is_empty() {
            // RFC 7606 §3 d.
            let must = [
                (kind::ORIGIN, self.builder.has_origin),
                (kind::AS_PATH, self.builder.has_as_path),
            ];
            for (kind, is_there) in must {
                if !is_there && !self.faults.iter().any(|fault| fault.kind == kind) {
                    self.fault(kind, Reaction::TreatAsWithdraw, FaultReason::Missing);
                }
            }
        }
        if self.builder.path_ases() > AS_PATH_ASES_MAX {
            let reason = FaultReason::AsPath(AsPathError::TooLong);
            self.fault(kind::AS_PATH, Reaction::TreatAsWithdraw, reason);
        }
        let is_withdrawn =
            self.faults.iter().any(|fault| fault.reaction == Reaction::TreatAsWithdraw);
        // RFC 7606 §5.2: nobody knows which routes it is about.
        if is_withdrawn && announced.is_empty() && !self.has_ipv4 {
            return Err(Notification::new(NotificationCode::MALFORMED_ATTRIBUTE_LIST));
        }
        let mut withdrawn = self.unreach.take().unwrap_or_default();
        let attributes = self.builder.finish();
        let announced = match (next_hop, is_withdrawn) {
            (Some(next_hop), false) if !announced.is_empty() => {
                Some(Announcement { nlri: announced, next_hop, attributes })
            }
            _ => {
                withdrawn.extend(announced);
                None
            }
        };
        let Self { faults, foreign_count, .. } = self;
        Ok(Update { withdrawn, announced, is_end_of_rib, faults, foreign_count })
    }
}

fn take_family(reader: &mut Reader<'_>) -> Result<AddressFamily, Truncated> {
    Ok(AddressFamily { afi: reader.u16()?, safi: reader.u8()? })
}

/// Flags, type and value of the next attribute.
pub(super) fn take_attribute<'a>(reader: &mut Reader<'a>) -> Result<(u8, u8, &'a [u8]), Truncated> {
    let (flags, kind) = (reader.u8()?, reader.u8()?);
    let octets = match flags & FLAG_EXTENDED_LENGTH {
        0 => reader.u8()?.into(),
        _ => reader.u16()?,
    };
    Ok((flags, kind, reader.take(usize::from(octets))?))
}
