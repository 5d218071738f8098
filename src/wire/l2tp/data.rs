//! Data messages: the octets between the outer header and the tunnelled frame.
//!
//! Owns [`split`] (data or control), [`DataHeader`] with [`Cookie`] and [`Sublayer`], and
//! [`HeaderTemplate`], the same as octets that are copied before each frame. Which session has
//! which cookie, and what is done about lost numbers, belongs to the tables of the data path.
//!
//! ```text
//! over UDP only:  +---------------------------------------------------------------+
//!                 |0|          flags          |  Ver 3 |         reserved         |
//!                 +---------------------------------------------------------------+
//!                 |                          session id                           |
//!                 +---------------------------------------------------------------+
//!                 |                   cookie: 0, 4 or 8 octets                    |
//!                 +---------------------------------------------------------------+
//! if there is a   |x|S|           |                sequence number                |
//! sublayer:       +---------------------------------------------------------------+
//! ```
//!
//! *Invariants*: nothing here allocates: workers read and write these octets. The session id of a
//! data message is not zero, and a cookie is compared in a time that does not depend on its octets.
//! *Standards*: RFC 3931 §4.1.1 (over IP), §4.1.2 (over UDP), §4.6 (default sublayer); RFC 8159 is
//! the case of IPv6 with a cookie of eight octets and no sublayer.

use super::ids::SessionId;
use crate::base::cursor::{Reader, Truncated};
use core::fmt;
use core::hint::black_box;
use serde::{Deserialize, Serialize};

/// Octets of a session id.
pub const SESSION_ID_OCTETS: usize = 4;
/// Octets of flags, version and reserved field, which stand before the session id over UDP.
pub const UDP_WORD_OCTETS: usize = 4;
/// Octets of the default sublayer.
pub const SUBLAYER_OCTETS: usize = 4;
/// Octets of the longest cookie.
pub const COOKIE_OCTETS_MAX: usize = 8;
/// Octets of the longest header.
pub const HEADER_OCTETS_MAX: usize =
    UDP_WORD_OCTETS + SESSION_ID_OCTETS + COOKIE_OCTETS_MAX + SUBLAYER_OCTETS;
/// Numbers of the default sublayer: it counts to this and begins again.
pub const SEQUENCE_MODULUS: u32 = 1 << 24;

/// §4.1.2.1: T is zero, the version is 3.
const UDP_WORD: u32 = 0x0003_0000;
/// T: this is a control message.
pub(super) const FLAG_CONTROL: u16 = 0x8000;
/// Where the version stands in the first sixteen bits.
pub(super) const VERSION_MASK: u16 = 0x000f;
/// The version of RFC 3931.
pub(super) const VERSION: u16 = 3;
/// S of the default sublayer: the number is one.
const FLAG_SEQUENCE: u32 = 0x4000_0000;

/// What L2TPv3 stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encapsulation {
    /// Directly behind the IP header, protocol 115.
    Ip,
    /// Behind a UDP header.
    Udp,
}

/// What proves that a message belongs to its session: nothing, 4 or 8 octets.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cookie {
    octets: [u8; COOKIE_OCTETS_MAX],
    length: u8,
}

impl Cookie {
    /// No cookie.
    pub const NONE: Self = Self { octets: [0; COOKIE_OCTETS_MAX], length: 0 };

    /// A cookie; `None` where it has another length than 0, 4 or 8 octets.
    pub fn new(cookie: &[u8]) -> Option<Self> {
        let length =
            u8::try_from(cookie.len()).ok().filter(|length| matches!(length, 0 | 4 | 8))?;
        let mut octets = [0; COOKIE_OCTETS_MAX];
        octets.get_mut(..cookie.len())?.copy_from_slice(cookie);
        Some(Self { octets, length })
    }

    /// Its octets.
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len()).unwrap_or_default()
    }

    /// How many octets it has.
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether a message came with this cookie. It takes as long wherever the first wrong octet is,
    /// so that nobody finds a cookie octet by octet.
    #[inline]
    pub fn matches(&self, received: &[u8]) -> bool {
        if received.len() != self.len() {
            return false;
        }
        let mut difference = 0;
        for (own, octet) in self.octets.iter().zip(received) {
            difference |= black_box(own ^ octet);
        }
        difference == 0
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who knows it can put frames into the session.
        write!(f, "Cookie({} octets)", self.length)
    }
}

/// §5.4.4: what stands between cookie and frame.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Sublayer {
    /// Nothing.
    #[default]
    None,
    /// The default L2-specific sublayer.
    Default,
}

impl Sublayer {
    /// How many octets it has.
    pub const fn octets(self) -> usize {
        match self {
            Self::None => 0,
            Self::Default => SUBLAYER_OCTETS,
        }
    }
}

/// What a packet for L2TP holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A data message of the receiver's session.
    Data {
        /// Which.
        session: SessionId,
        /// What follows: cookie, sublayer, frame.
        rest: &'a [u8],
    },
    /// A control message, from its header on.
    Control(&'a [u8]),
}

/// Why octets are no L2TPv3 packet, or no message of the session that they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// They end within the header.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Another version than 3: L2TPv2 or L2F, which use the same UDP port.
    #[error("version {0} is not 3")]
    Version(u16),
    /// Session zero, which is nobody's, over UDP.
    #[error("session id zero in a data message")]
    Session,
}

/// Says what a packet holds; `bytes` begin behind the IP header, or behind the UDP header.
#[inline]
pub fn split(encapsulation: Encapsulation, bytes: &[u8]) -> Result<Packet<'_>, DataError> {
    let mut reader = Reader::new(bytes);
    if encapsulation == Encapsulation::Udp {
        let flags = reader.u16()?;
        if flags & FLAG_CONTROL != 0 {
            // Its version is looked at where its header is read.
            return Ok(Packet::Control(bytes));
        }
        // "it is important that the Ver field be inspected first". The x bits are ignored.
        if flags & VERSION_MASK != VERSION {
            return Err(DataError::Version(flags & VERSION_MASK));
        }
        reader.skip(2)?;
    }
    let number = reader.u32()?;
    match (SessionId::new(number), encapsulation) {
        (Some(session), _) => Ok(Packet::Data { session, rest: reader.rest() }),
        // §4.1.1.2: "the reserved Session ID of zero (0)" stands before control messages.
        (None, Encapsulation::Ip) => Ok(Packet::Control(reader.rest())),
        (None, Encapsulation::Udp) => Err(DataError::Session),
    }
}

/// What follows the session id, cut as the session says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataBody<'a> {
    /// The cookie that came, not yet compared.
    pub cookie: &'a [u8],
    /// The number of the message, where it has one.
    pub sequence: Option<u32>,
    /// The frame.
    pub frame: &'a [u8],
}

impl<'a> DataBody<'a> {
    /// Reads what follows the session id: so many octets of cookie (0, 4 or 8), and a sublayer.
    #[inline]
    pub fn read(
        rest: &'a [u8],
        cookie_octets: usize,
        sublayer: Sublayer,
    ) -> Result<Self, Truncated> {
        let mut reader = Reader::new(rest);
        let cookie = reader.take(cookie_octets)?;
        let sequence = match sublayer {
            Sublayer::None => None,
            Sublayer::Default => {
                let word = reader.u32()?;
                // "If the S bit is set to zero, the Sequence Number contents are undefined and
                // MUST be ignored by the receiver."
                (word & FLAG_SEQUENCE != 0).then_some(word % SEQUENCE_MODULUS)
            }
        };
        Ok(Self { cookie, sequence, frame: reader.rest() })
    }
}

/// Whether `sequence` is behind `last` or the same, as §4.6 counts: among the 2^23 - 1 numbers
/// before it.
pub const fn is_old_sequence(sequence: u32, last: u32) -> bool {
    last.wrapping_sub(sequence) % SEQUENCE_MODULUS < SEQUENCE_MODULUS / 2
}

/// The header of a session towards its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHeader {
    /// What it stands in.
    pub encapsulation: Encapsulation,
    /// The session as the receiver calls it.
    pub session: SessionId,
    /// The cookie that the receiver asks for.
    pub cookie: Cookie,
    /// The sublayer that the receiver asks for.
    pub sublayer: Sublayer,
}

impl DataHeader {
    /// How many octets it adds to a frame, outer headers not counted.
    pub const fn octets(&self) -> usize {
        let word = match self.encapsulation {
            Encapsulation::Ip => 0,
            Encapsulation::Udp => UDP_WORD_OCTETS,
        };
        word + SESSION_ID_OCTETS + self.cookie.len() + self.sublayer.octets()
    }
}

/// A header as it goes before each frame; one a session, in the snapshot that workers read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HeaderTemplate {
    octets: [u8; HEADER_OCTETS_MAX],
    length: u8,
    sublayer: Sublayer,
}

impl HeaderTemplate {
    /// The octets of `header`; in a sublayer S is zero.
    pub fn new(header: &DataHeader) -> Self {
        let mut octets = [0; HEADER_OCTETS_MAX];
        let word = match header.encapsulation {
            Encapsulation::Ip => &[][..],
            Encapsulation::Udp => &UDP_WORD.to_be_bytes(),
        };
        let session = header.session.get().to_be_bytes();
        let parts = word.iter().chain(&session).chain(header.cookie.as_slice());
        for (octet, value) in octets.iter_mut().zip(parts) {
            *octet = *value;
        }
        let length = u8::try_from(header.octets()).unwrap_or_default();
        Self { octets, length, sublayer: header.sublayer }
    }

    /// The octets, without a number.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len()).unwrap_or_default()
    }

    /// How many there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Never: each header has a session id.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Whether messages can be numbered.
    #[inline]
    pub const fn has_sublayer(&self) -> bool {
        matches!(self.sublayer, Sublayer::Default)
    }

    /// Writes the header to `place`, which has exactly its length. A number goes into the
    /// sublayer, its low 24 bits; without a sublayer it is left out.
    #[inline]
    pub fn write(&self, place: &mut [u8], sequence: Option<u32>) -> Result<(), Truncated> {
        let short = Truncated { offset: 0, wanted: self.len(), left: place.len() };
        if place.len() != self.len() {
            return Err(short);
        }
        place.copy_from_slice(self.as_slice());
        if let (Some(sequence), Sublayer::Default) = (sequence, self.sublayer) {
            let word = FLAG_SEQUENCE | (sequence % SEQUENCE_MODULUS);
            let last = place.last_chunk_mut::<SUBLAYER_OCTETS>().ok_or(short)?;
            *last = word.to_be_bytes();
        }
        Ok(())
    }
}

impl fmt::Debug for HeaderTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A cookie stands in it.
        write!(f, "HeaderTemplate({} octets)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> impl Strategy<Value = DataHeader> {
        let cookie = prop_oneof![Just(0_usize), Just(4), Just(8)]
            .prop_flat_map(|octets| prop::collection::vec(any::<u8>(), octets));
        (any::<[bool; 2]>(), 1_u32.., cookie).prop_map(|([is_udp, has_sublayer], id, cookie)| {
            DataHeader {
                encapsulation: if is_udp { Encapsulation::Udp } else { Encapsulation::Ip },
                session: SessionId::new(id).unwrap(),
                cookie: Cookie::new(&cookie).unwrap(),
                sublayer: if has_sublayer { Sublayer::Default } else { Sublayer::None },
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            header in header(),
            sequence in prop::option::of(0..SEQUENCE_MODULUS),
            frame in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let template = HeaderTemplate::new(&header);
            prop_assert_eq!(template.len(), header.octets());
            let mut packet = vec![0xee; template.len()];
            template.write(&mut packet, sequence).unwrap();
            packet.extend(&frame);
            let Packet::Data { session, rest } = split(header.encapsulation, &packet).unwrap()
            else { panic!("a data message") };
            prop_assert_eq!(session, header.session);
            let body = DataBody::read(rest, header.cookie.len(), header.sublayer).unwrap();
            prop_assert!(header.cookie.matches(body.cookie));
            prop_assert_eq!(body.sequence, sequence.filter(|_| template.has_sublayer()));
            prop_assert_eq!(body.frame, frame.as_slice());
        }

        #[test]
        fn any_octets_are_read_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            cookie_octets in 0_usize..9,
        ) {
            for encapsulation in [Encapsulation::Ip, Encapsulation::Udp] {
                if let Ok(Packet::Data { rest, .. }) = split(encapsulation, &bytes) {
                    let _ = DataBody::read(rest, cookie_octets, Sublayer::Default);
                }
            }
        }
    }

    #[test]
    fn octets_on_the_wire_are_those_of_linux() {
        // Seen from `ip l2tp` with a cookie of eight octets: over IP with and without the
        // sublayer, and over UDP.
        let octets = |encapsulation, sublayer| {
            let cookie = Cookie::new(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
            let session = SessionId::new(0x2002).unwrap();
            let header = DataHeader { encapsulation, session, cookie, sublayer };
            HeaderTemplate::new(&header).as_slice().to_vec()
        };
        let session_and_cookie = [0, 0, 0x20, 2, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(octets(Encapsulation::Ip, Sublayer::None), session_and_cookie);
        let with_sublayer = [&session_and_cookie[..], &[0; 4]].concat();
        assert_eq!(octets(Encapsulation::Ip, Sublayer::Default), with_sublayer);
        let with_word = [&[0, 3, 0, 0][..], &session_and_cookie].concat();
        assert_eq!(octets(Encapsulation::Udp, Sublayer::None), with_word);
    }

    #[test]
    fn what_is_no_data_message_is_named() {
        use Encapsulation::{Ip, Udp};
        let short =
            |offset, wanted, left| Err(DataError::Truncated(Truncated { offset, wanted, left }));
        assert_eq!(split(Ip, &[0, 0, 1]), short(0, 4, 3));
        assert_eq!(split(Udp, &[0]), short(0, 2, 1));
        assert_eq!(split(Udp, &[0, 3, 0, 0, 0, 0, 1]), short(4, 4, 3));
        assert_eq!(split(Udp, &[0, 2, 0, 0, 0, 0, 0, 1]), Err(DataError::Version(2)));
        assert_eq!(split(Udp, &[0, 3, 0, 0, 0, 0, 0, 0]), Err(DataError::Session));
        assert_eq!(split(Ip, &[0, 0, 0, 0, 0xc8, 3]), Ok(Packet::Control(&[0xc8, 3])));
        assert_eq!(split(Udp, &[0xc8, 3]), Ok(Packet::Control(&[0xc8, 3])));
        // §4.1.2.1: reserved bits are "ignored on incoming messages".
        let reserved = [0x7f, 0xf3, 9, 9, 0, 0, 0, 1];
        assert!(matches!(split(Udp, &reserved), Ok(Packet::Data { .. })));
        let no_cookie = DataBody::read(&[1, 2, 3], 4, Sublayer::None);
        assert_eq!(no_cookie, Err(Truncated { offset: 0, wanted: 4, left: 3 }));
        let no_sublayer = DataBody::read(&[1, 2, 3, 4, 5], 4, Sublayer::Default);
        assert_eq!(no_sublayer, Err(Truncated { offset: 4, wanted: 4, left: 1 }));
    }

    #[test]
    fn cookies_have_three_lengths_and_match_only_themselves() {
        for length in 0..=9_u8 {
            let octets: Vec<u8> = (1..=length).collect();
            assert_eq!(Cookie::new(&octets).is_some(), [0, 4, 8].contains(&length), "{length}");
        }
        let cookie = Cookie::new(&[1, 2, 3, 4]).unwrap();
        assert!(cookie.matches(&[1, 2, 3, 4]));
        for wrong in [&[0, 2, 3, 4][..], &[1, 2, 3, 5], &[1, 2, 3], &[1, 2, 3, 4, 0], &[]] {
            assert!(!cookie.matches(wrong), "{wrong:?}");
        }
        assert!(Cookie::NONE.matches(&[]));
    }

    #[test]
    fn numbers_are_old_as_the_rfc_counts() {
        // §4.6: "less than or equal to the last received number if its value lies in the range of
        // the last received number and the preceding (2^23-1) values".
        assert!(is_old_sequence(5, 5) && is_old_sequence(4, 5) && !is_old_sequence(6, 5));
        assert!(
            is_old_sequence(SEQUENCE_MODULUS - 1, 0) && !is_old_sequence(0, SEQUENCE_MODULUS - 1)
        );
        let half = SEQUENCE_MODULUS / 2;
        assert!(is_old_sequence(0, half - 1) && !is_old_sequence(0, half));
    }
}
