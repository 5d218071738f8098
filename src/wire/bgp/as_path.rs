//! AS_PATH: the ASes that a route has come through.
//!
//! Owns [`AsPath`]. Numbers always have four octets here; those of two are made so when they are
//! read (RFC 6793 §4.2.3).
//!
//! *Invariants*: no segment is empty, none has more than 255 ASes, none is AS 0.
//! *Standards*: RFC 4271 §4.3 and §5.1.2, RFC 5065 §3 (confederations), RFC 6793 §4, RFC 7606 §7.2,
//! RFC 7607 §2.

use super::open::AS_TRANS;
use crate::base::cursor::{Reader, Truncated, Writer};
use core::fmt;

const SET: u8 = 1;
const SEQUENCE: u8 = 2;
const CONFED_SEQUENCE: u8 = 3;
const CONFED_SET: u8 = 4;

/// ASes in one segment: its count has one octet.
const SEGMENT_MAX: usize = 255;

/// RFC 7606 §7.2: why a path is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsPathError {
    /// A segment reaches beyond the path.
    #[error("{0}")]
    Truncated(#[from] Truncated),
    /// A segment type that nobody knows.
    #[error("unknown segment type {0}")]
    SegmentType(u8),
    /// A segment without an AS.
    #[error("empty segment")]
    Empty,
    /// RFC 7607 §2.
    #[error("AS 0")]
    Zero,
    /// RFC 5065 §5: a segment of a confederation, from a peer that is in none with this router.
    #[error("confederation of another AS")]
    Confederation,
    /// More ASes than [`AS_PATH_ASES_MAX`](super::limits::AS_PATH_ASES_MAX).
    #[error("too many ASes")]
    TooLong,
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AsPathSegment {
    /// One after the other, the nearest first.
    Sequence(Vec<u32>),
    /// Some of these, after aggregation.
    Set(Vec<u32>),
    /// As a sequence, within a confederation.
    ConfedSequence(Vec<u32>),
    /// As a set, within a confederation.
    ConfedSet(Vec<u32>),
}

impl AsPathSegment {
    /// Its ASes.
    pub const fn asns(&self) -> &[u32] {
        match self {
            Self::Sequence(asns)
            | Self::Set(asns)
            | Self::ConfedSequence(asns)
            | Self::ConfedSet(asns) => asns.as_slice(),
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Set(_) => SET,
            Self::Sequence(_) => SEQUENCE,
            Self::ConfedSequence(_) => CONFED_SEQUENCE,
            Self::ConfedSet(_) => CONFED_SET,
        }
    }

    fn of(kind: u8, asns: Vec<u32>) -> Result<Self, AsPathError> {
        Ok(match kind {
            SET => Self::Set(asns),
            SEQUENCE => Self::Sequence(asns),
            CONFED_SEQUENCE => Self::ConfedSequence(asns),
            CONFED_SET => Self::ConfedSet(asns),
            other => return Err(AsPathError::SegmentType(other)),
        })
    }

    /// RFC 4271 §9.1.2.2 a and RFC 5065 §5.3: what it adds to the length of a path.
    const fn weight(&self) -> usize {
        match self {
            Self::Sequence(asns) => asns.len(),
            Self::Set(_) => 1,
            Self::ConfedSequence(_) | Self::ConfedSet(_) => 0,
        }
    }
}

/// A path.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPath {
    segments: Vec<AsPathSegment>,
}

impl AsPath {
    /// The path of a route that begins in `asns`, the nearest first.
    pub fn sequence(asns: &[u32]) -> Self {
        let parts = asns.chunks(SEGMENT_MAX);
        Self { segments: parts.map(|part| AsPathSegment::Sequence(part.to_vec())).collect() }
    }

    /// A path of these segments, the nearest first.
    pub const fn from_segments(segments: Vec<AsPathSegment>) -> Self {
        Self { segments }
    }

    /// Its segments, the nearest first.
    pub fn segments(&self) -> &[AsPathSegment] {
        &self.segments
    }

    /// Whether the route begins in this AS.
    pub const fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// RFC 4271 §9.1.2.2 a: a set counts as one AS, a confederation as none.
    pub fn length(&self) -> usize {
        self.segments.iter().map(AsPathSegment::weight).sum()
    }

    /// How many ASes are in it, those of sets and confederations included.
    pub fn asn_count(&self) -> usize {
        self.segments.iter().map(|segment| segment.asns().len()).sum()
    }

    /// How often an AS is in it; anywhere.
    pub fn count(&self, asn: u32) -> usize {
        let all = self.segments.iter().flat_map(AsPathSegment::asns);
        all.filter(|other| **other == asn).count()
    }

    /// RFC 4271 §6.3: the AS that it was received from; `None` where it does not begin with a
    /// sequence.
    pub fn first(&self) -> Option<u32> {
        match self.segments.first() {
            Some(AsPathSegment::Sequence(asns)) => asns.first().copied(),
            _ => None,
        }
    }

    /// RFC 6811 §2: the AS in which the route begins; `None` where a set ends the path, or where it
    /// is empty.
    pub fn origin(&self) -> Option<u32> {
        match self.segments.last() {
            Some(AsPathSegment::Sequence(asns)) => asns.last().copied(),
            _ => None,
        }
    }

    /// RFC 4271 §5.1.2 b: with `asn` put in front `times` times.
    #[must_use]
    pub fn prepended(&self, asn: u32, times: usize) -> Self {
        let mut asns = vec![asn; times];
        let mut rest = self.segments.as_slice();
        if let Some((AsPathSegment::Sequence(first), behind)) = rest.split_first()
            && first.len() + times <= SEGMENT_MAX
        {
            asns.extend_from_slice(first);
            rest = behind;
        }
        let mut path = Self::sequence(&asns);
        path.segments.extend_from_slice(rest);
        path
    }

    pub(super) fn decode(bytes: &[u8], has_four_octet_asn: bool) -> Result<Self, AsPathError> {
        let mut reader = Reader::new(bytes);
        let mut segments = Vec::new();
        while !reader.is_empty() {
            let (kind, count) = (reader.u8()?, usize::from(reader.u8()?));
            let width = if has_four_octet_asn { 4 } else { 2 };
            let mut values = reader.sub(count * width)?;
            let mut asns = Vec::with_capacity(count);
            while !values.is_empty() {
                let asn = if has_four_octet_asn { values.u32()? } else { values.u16()?.into() };
                asns.push(asn);
            }
            if asns.is_empty() {
                return Err(AsPathError::Empty);
            }
            if asns.contains(&0) {
                return Err(AsPathError::Zero);
            }
            segments.push(AsPathSegment::of(kind, asns)?);
        }
        Ok(Self { segments })
    }

    pub(super) fn encode(&self, has_four_octet_asn: bool, writer: &mut Writer) {
        for segment in &self.segments {
            let asns = segment.asns();
            writer.u8(segment.kind());
            writer.u8(u8::try_from(asns.len()).unwrap_or(u8::MAX));
            for asn in asns.iter().take(SEGMENT_MAX) {
                match has_four_octet_asn {
                    true => writer.u32(*asn),
                    false => writer.u16(u16::try_from(*asn).unwrap_or(AS_TRANS)),
                }
            }
        }
    }

    /// RFC 6793 §4.2.2: whether an old speaker would lose something of it.
    pub(super) fn has_large_asn(&self) -> bool {
        let mut all = self.segments.iter().flat_map(AsPathSegment::asns);
        all.any(|asn| u16::try_from(*asn).is_err())
    }

    /// Whether part of it belongs to a confederation.
    pub fn has_confederations(&self) -> bool {
        let is_part = |segment: &AsPathSegment| {
            matches!(segment, AsPathSegment::ConfedSequence(_) | AsPathSegment::ConfedSet(_))
        };
        self.segments.iter().any(is_part)
    }

    /// Without what belongs to a confederation: RFC 5065 §5.1, on its way out of it; RFC 6793
    /// §4.2.2, as AS4_PATH has it.
    #[must_use]
    pub fn without_confederations(&self) -> Self {
        let is_kept = |segment: &&AsPathSegment| {
            matches!(segment, AsPathSegment::Sequence(_) | AsPathSegment::Set(_))
        };
        Self { segments: self.segments.iter().filter(is_kept).cloned().collect() }
    }

    /// RFC 6793 §4.2.3: this path of an old speaker with the numbers that `wide` (AS4_PATH) has of
    /// its end. A `wide` that is longer is ignored.
    #[must_use]
    pub(super) fn widened(&self, wide: &Self) -> Self {
        let Some(mut ahead) = self.length().checked_sub(wide.length()) else {
            return self.clone();
        };
        let mut segments = Vec::new();
        for segment in &self.segments {
            if ahead == 0 && segment.weight() > 0 {
                break;
            }
            match segment {
                AsPathSegment::Sequence(asns) if asns.len() > ahead => {
                    segments
                        .push(AsPathSegment::Sequence(asns.iter().take(ahead).copied().collect()));
                    ahead = 0;
                }
                other => {
                    ahead -= other.weight();
                    segments.push(other.clone());
                }
            }
        }
        let mut path = Self { segments };
        path.segments.extend(wide.segments.iter().cloned());
        path
    }
}

impl fmt::Display for AsPath {
    /// As looking glasses write it: `64500 64501 {64502,64503}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |asns: &[u32], separator: &str| {
            asns.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
        };
        let words = self.segments.iter().map(|segment| match segment {
            AsPathSegment::Sequence(asns) => join(asns, " "),
            AsPathSegment::Set(asns) => format!("{{{}}}", join(asns, ",")),
            AsPathSegment::ConfedSequence(asns) => format!("({})", join(asns, " ")),
            AsPathSegment::ConfedSet(asns) => format!("[{}]", join(asns, ",")),
        });
        f.pad(&words.collect::<Vec<_>>().join(" "))
    }
}
