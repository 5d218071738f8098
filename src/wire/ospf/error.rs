//! Why octets are not an OSPFv3 packet or LSA, and where.

use crate::base::cursor::{Reader, Truncated};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The octets end before the field does.
    #[error("truncated")]
    Truncated,
    /// Octets are left over after the last field.
    #[error("octets left over")]
    LeftOver,
    /// Not version 3.
    #[error("version is not 3")]
    Version,
    /// No packet type of RFC 5340 §A.3.1.
    #[error("unknown packet type")]
    PacketType,
    /// A length field that is too short, too long or no multiple of what it counts.
    #[error("wrong length")]
    Length,
    /// A count of more elements than there are octets for.
    #[error("wrong count")]
    Count,
    /// Something that must be there is not.
    #[error("a part is missing")]
    Missing,
    /// A prefix longer than 128 bits.
    #[error("prefix longer than 128 bits")]
    PrefixLength,
}

/// A fault and its offset in octets from the start of what was decoded (packet, packet body or LSA
/// body).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at offset {offset}")]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// Where.
    pub offset: usize,
}

impl DecodeError {
    /// A fault at an offset.
    pub const fn new(fault: Fault, offset: usize) -> Self {
        Self { fault, offset }
    }

    /// The same error as seen from something that starts `octets` earlier.
    pub const fn shifted(self, octets: usize) -> Self {
        Self { fault: self.fault, offset: self.offset.saturating_add(octets) }
    }
}

impl From<Truncated> for DecodeError {
    fn from(truncated: Truncated) -> Self {
        Self::new(Fault::Truncated, truncated.offset)
    }
}

/// Refuses octets left over.
pub(super) fn finish(reader: &Reader<'_>) -> Result<(), DecodeError> {
    if reader.is_empty() {
        return Ok(());
    }
    Err(DecodeError::new(Fault::LeftOver, reader.offset()))
}

/// How many elements of `size` octets are left; refuses a rest that is no multiple.
pub(super) fn count_left(reader: &Reader<'_>, size: usize) -> Result<usize, DecodeError> {
    if !reader.remaining().is_multiple_of(size) {
        return Err(DecodeError::new(Fault::Length, reader.offset()));
    }
    Ok(reader.remaining() / size)
}

/// Refuses a count of elements of at least `size` octets for which there is no room.
pub(super) fn check_count(
    reader: &Reader<'_>,
    count: u32,
    size: usize,
) -> Result<usize, DecodeError> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > reader.remaining() / size {
        return Err(DecodeError::new(Fault::Count, reader.offset()));
    }
    Ok(count)
}
