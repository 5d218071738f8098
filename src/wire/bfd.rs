//! BFD control packets.
//!
//! Owns [`ControlPacket`] with its authentication section and [`Octets`], a packet as it is on the
//! wire. Which values are right in which state, keys and digests belong to `proto::bfd`.
//!
//! *Invariants*: nothing here allocates: packets are made and read by workers. A decoded packet has
//! a multiplier and a discriminator of its sender; one without the discriminator of its receiver
//! says `Down` or `AdminDown`. What is authenticated ends with its authentication section.
//! *Standards*: RFC 5880 §4.1 (packet), §4.2 to §4.4 (authentication), §6.8.6 (what a receiver
//! refuses at sight), RFC 5881 §4 (ports).

use crate::base::cursor::{Reader, Truncated};
use core::fmt;
use serde::{Deserialize, Serialize};

/// RFC 5881 §4: destination port of control packets.
pub const CONTROL_PORT: u16 = 3784;
/// RFC 5881 §4: "The source port MUST be in the range 49152 through 65535."
pub const SOURCE_PORT_MIN: u16 = 49152;
/// The version of RFC 5880.
pub const VERSION: u8 = 1;
/// Octets of the mandatory section.
pub const MANDATORY_OCTETS: usize = 24;
/// Octets of the longest packet: with a SHA1 digest.
pub const OCTETS_MAX: usize = MANDATORY_OCTETS + 28;
/// Octets of a password (§4.2).
pub const PASSWORD_OCTETS_MAX: usize = 16;
/// Octets of the longest digest.
pub const DIGEST_OCTETS_MAX: usize = 20;
/// Octets of an authentication section before password or digest.
const PASSWORD_OFFSET: usize = 3;
const DIGEST_OFFSET: usize = 8;
/// Where a digest stands in a packet.
pub const DIGEST_AT: usize = MANDATORY_OCTETS + DIGEST_OFFSET;

const FLAG_POLL: u8 = 0x20;
const FLAG_FINAL: u8 = 0x10;
const FLAG_CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const FLAG_AUTHENTICATION: u8 = 0x04;
const FLAG_DEMAND: u8 = 0x02;
const FLAG_MULTIPOINT: u8 = 0x01;

/// RFC 5880 §4.1: Sta.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum State {
    /// Switched off by an administrator.
    AdminDown,
    /// Down.
    #[default]
    Down,
    /// It hears the other end.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::AdminDown, Self::Down, Self::Init, Self::Up];

    const fn of(flags: u8) -> Self {
        match flags >> 6 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// RFC 5880 §4.1: Diag, why a session left the state Up last; five bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Diagnostic(pub u8);

impl Diagnostic {
    /// No Diagnostic.
    pub const NONE: Self = Self(0);
    /// Control Detection Time Expired.
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    /// Neighbor Signaled Session Down.
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    /// Administratively Down.
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    /// The name in the RFC.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "no diagnostic",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            _ => "reserved",
        }
    }
}

/// RFC 5880 §4.3 and §4.4: how a digest is made and how fast its sequence number runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestKind {
    /// Keyed MD5.
    KeyedMd5,
    /// Meticulous Keyed MD5.
    MeticulousKeyedMd5,
    /// Keyed SHA1.
    KeyedSha1,
    /// Meticulous Keyed SHA1.
    MeticulousKeyedSha1,
}

impl DigestKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 4] =
        [Self::KeyedMd5, Self::MeticulousKeyedMd5, Self::KeyedSha1, Self::MeticulousKeyedSha1];

    /// Octets of the digest and of its key.
    pub const fn octets(self) -> usize {
        match self {
            Self::KeyedMd5 | Self::MeticulousKeyedMd5 => 16,
            Self::KeyedSha1 | Self::MeticulousKeyedSha1 => DIGEST_OCTETS_MAX,
        }
    }

    /// Whether each packet has a new sequence number.
    pub const fn is_meticulous(self) -> bool {
        matches!(self, Self::MeticulousKeyedMd5 | Self::MeticulousKeyedSha1)
    }

    const fn number(self) -> u8 {
        match self {
            Self::KeyedMd5 => 2,
            Self::MeticulousKeyedMd5 => 3,
            Self::KeyedSha1 => 4,
            Self::MeticulousKeyedSha1 => 5,
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::KeyedMd5),
            3 => Some(Self::MeticulousKeyedMd5),
            4 => Some(Self::KeyedSha1),
            5 => Some(Self::MeticulousKeyedSha1),
            _ => None,
        }
    }
}

/// A password on the wire: 1 to 16 octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password {
    octets: [u8; PASSWORD_OCTETS_MAX],
    length: u8,
}

impl Password {
    /// A password; `None` where it is empty or too long.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let mut octets = [0; PASSWORD_OCTETS_MAX];
        octets.get_mut(..secret.len())?.copy_from_slice(secret);
        let length = u8::try_from(secret.len()).ok().filter(|length| *length > 0)?;
        Some(Self { octets, length })
    }

    /// Its octets.
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Password({} octets)", self.length)
    }
}

/// The authentication section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// §4.2.
    SimplePassword {
        /// Which key.
        key_id: u8,
        /// The key itself.
        password: Password,
    },
    /// §4.3 and §4.4.
    Digest {
        /// How it is made.
        kind: DigestKind,
        /// Which key.
        key_id: u8,
        /// Sequence Number.
        sequence: u32,
        /// The digest, zeros behind it where it is shorter.
        digest: [u8; DIGEST_OCTETS_MAX],
    },
}

impl Authentication {
    fn octets(&self) -> usize {
        match self {
            Self::SimplePassword { password, .. } => PASSWORD_OFFSET + password.as_slice().len(),
            Self::Digest { kind, .. } => DIGEST_OFFSET + kind.octets(),
        }
    }
}

/// RFC 5880 §4.1: a control packet. Intervals are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPacket {
    /// Diag.
    pub diagnostic: Diagnostic,
    /// Sta.
    pub state: State,
    /// P: an answer with F is asked for.
    pub is_poll: bool,
    /// F: this is the answer to a P.
    pub is_final: bool,
    /// C: the session outlives the control plane of the sender.
    pub is_control_plane_independent: bool,
    /// D: the sender is in demand mode.
    pub is_demand: bool,
    /// Detect Mult.
    pub multiplier: u8,
    /// My Discriminator.
    pub my_discriminator: u32,
    /// Your Discriminator; zero where it is not known.
    pub your_discriminator: u32,
    /// Desired Min TX Interval.
    pub desired_min_tx_us: u32,
    /// Required Min RX Interval.
    pub required_min_rx_us: u32,
    /// Required Min Echo RX Interval.
    pub required_min_echo_rx_us: u32,
    /// A and the section behind.
    pub authentication: Option<Authentication>,
}

/// Why octets are no control packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the mandatory section.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Another version than 1.
    #[error("version {0} is not 1")]
    Version(u8),
    /// The length is too short for what is in it, or longer than the datagram.
    #[error("length {0} does not fit")]
    Length(u8),
    /// A multiplier of zero.
    #[error("the detection multiplier is zero")]
    Multiplier,
    /// The M bit, which must be zero.
    #[error("the multipoint bit is set")]
    Multipoint,
    /// No discriminator of the sender.
    #[error("my discriminator is zero")]
    MyDiscriminator,
    /// No discriminator of the receiver, in a state that needs one.
    #[error("your discriminator is zero in state {0}")]
    YourDiscriminator(State),
    /// An authentication section of a kind that RFC 5880 does not have.
    #[error("authentication type {0} is unknown")]
    AuthenticationType(u8),
    /// An authentication section that is not as long as its kind.
    #[error("authentication length {0} does not fit")]
    AuthenticationLength(u8),
}

impl DecodeError {
    /// Whether the packet is right but for the way in which it is authenticated.
    pub const fn is_about_authentication(&self) -> bool {
        matches!(self, Self::AuthenticationType(_) | Self::AuthenticationLength(_))
    }
}

/// A packet as it is on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Octets {
    bytes: [u8; OCTETS_MAX],
    length: usize,
}

impl Octets {
    const EMPTY: Self = Self { bytes: [0; OCTETS_MAX], length: 0 };

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Where the digest stands; empty where there is none.
    pub fn digest_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(DIGEST_AT.min(self.length)..self.length).unwrap_or_default()
    }

    fn of(slice: &[u8]) -> Self {
        let mut octets = Self::EMPTY;
        octets.put(slice);
        octets
    }

    fn put(&mut self, slice: &[u8]) {
        let place = self.bytes.get_mut(self.length..self.length + slice.len());
        debug_assert!(place.is_some(), "longer than the longest packet");
        if let Some(place) = place {
            place.copy_from_slice(slice);
            self.length += slice.len();
        }
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords stand in clear text in them.
        write!(f, "Octets({} octets)", self.length)
    }
}

impl ControlPacket {
    /// The packet at the start of a UDP payload; with it, where it is authenticated, its octets for
    /// the digest. RFC 5880 §6.8.6, its first checks in their order.
    pub fn decode(payload: &[u8]) -> Result<(Self, Octets), DecodeError> {
        let mut reader = Reader::new(payload);
        let [first, flags, multiplier, length] = reader.array()?;
        // "If the version number is not correct (1), the packet MUST be discarded."
        if first >> 5 != VERSION {
            return Err(DecodeError::Version(first >> 5));
        }
        let has_authentication = flags & FLAG_AUTHENTICATION != 0;
        let least = if has_authentication { MANDATORY_OCTETS + 2 } else { MANDATORY_OCTETS };
        let whole = payload.get(..usize::from(length)).filter(|whole| whole.len() >= least);
        let whole = whole.ok_or(DecodeError::Length(length))?;
        if multiplier == 0 {
            return Err(DecodeError::Multiplier);
        }
        if flags & FLAG_MULTIPOINT != 0 {
            return Err(DecodeError::Multipoint);
        }
        let packet = Self {
            diagnostic: Diagnostic(first & 0x1f),
            state: State::of(flags),
            is_poll: flags & FLAG_POLL != 0,
            is_final: flags & FLAG_FINAL != 0,
            is_control_plane_independent: flags & FLAG_CONTROL_PLANE_INDEPENDENT != 0,
            is_demand: flags & FLAG_DEMAND != 0,
            multiplier,
            my_discriminator: reader.u32()?,
            your_discriminator: reader.u32()?,
            desired_min_tx_us: reader.u32()?,
            required_min_rx_us: reader.u32()?,
            required_min_echo_rx_us: reader.u32()?,
            authentication: None,
        };
        if packet.my_discriminator == 0 {
            return Err(DecodeError::MyDiscriminator);
        }
        // "If the Your Discriminator field is zero and the State field is not Down or AdminDown,
        // the packet MUST be discarded."
        if packet.your_discriminator == 0 && packet.state > State::Down {
            return Err(DecodeError::YourDiscriminator(packet.state));
        }
        if !has_authentication {
            return Ok((packet, Octets::EMPTY));
        }
        let section = whole.get(MANDATORY_OCTETS..).unwrap_or_default();
        let authentication = Some(decode_authentication(section)?);
        Ok((Self { authentication, ..packet }, Octets::of(whole)))
    }

    /// The packet on the wire.
    pub fn encode(&self) -> Octets {
        let mut octets = Octets::EMPTY;
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = (self.state as u8) << 6
            | flag(self.is_poll, FLAG_POLL)
            | flag(self.is_final, FLAG_FINAL)
            | flag(self.is_control_plane_independent, FLAG_CONTROL_PLANE_INDEPENDENT)
            | flag(self.authentication.is_some(), FLAG_AUTHENTICATION)
            | flag(self.is_demand, FLAG_DEMAND);
        let section = self.authentication.as_ref().map_or(0, Authentication::octets);
        let length = u8::try_from(MANDATORY_OCTETS + section).unwrap_or(u8::MAX);
        let first = VERSION << 5 | self.diagnostic.0 & 0x1f;
        octets.put(&[first, flags, self.multiplier, length]);
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        ];
        words.into_iter().for_each(|word| octets.put(&word.to_be_bytes()));
        let section = u8::try_from(section).unwrap_or(u8::MAX);
        match &self.authentication {
            None => {}
            Some(Authentication::SimplePassword { key_id, password }) => {
                octets.put(&[1, section, *key_id]);
                octets.put(password.as_slice());
            }
            Some(Authentication::Digest { kind, key_id, sequence, digest }) => {
                octets.put(&[kind.number(), section, *key_id, 0]);
                octets.put(&sequence.to_be_bytes());
                octets.put(digest.get(..kind.octets()).unwrap_or_default());
            }
        }
        octets
    }
}

/// The section that ends the packet.
fn decode_authentication(section: &[u8]) -> Result<Authentication, DecodeError> {
    let mut reader = Reader::new(section);
    let (number, length) = (reader.u8()?, reader.u8()?);
    let wrong_length = DecodeError::AuthenticationLength(length);
    let kind = DigestKind::of(number);
    if kind.is_none() && number != 1 {
        return Err(DecodeError::AuthenticationType(number));
    }
    // A digest is about the whole packet, so that nothing may follow the section.
    if usize::from(length) != section.len() || section.len() <= PASSWORD_OFFSET {
        return Err(wrong_length);
    }
    let key_id = reader.u8()?;
    let Some(kind) = kind else {
        let password = Password::new(reader.rest()).ok_or(wrong_length)?;
        return Ok(Authentication::SimplePassword { key_id, password });
    };
    if section.len() != DIGEST_OFFSET + kind.octets() {
        return Err(wrong_length);
    }
    // Reserved: "MUST be set to zero on transmit, and ignored on receipt."
    reader.skip(1)?;
    let sequence = reader.u32()?;
    let mut digest = [0; DIGEST_OCTETS_MAX];
    for (place, octet) in digest.iter_mut().zip(reader.rest()) {
        *place = *octet;
    }
    Ok(Authentication::Digest { kind, key_id, sequence, digest })
}

#[cfg(test)]
mod tests;
