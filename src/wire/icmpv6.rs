//! ICMPv6: error messages, echo, and the frame that ND and MLD share.
//!
//! Owns [`Icmpv6View`] (the packet path), [`Icmpv6Message`] (the control plane), the type numbers,
//! and the incremental checksum. Bodies of ND messages belong to `wire::nd`; when an error may be
//! sent belongs to `dataplane`.
//!
//! *Invariants*: `encode` never makes an error message longer than the minimum MTU (RFC 4443
//! §2.4(c)).
//! *Standards*: RFC 4443 §2.1 (types), §2.3 (checksum), §3 and §4 (messages), RFC 1624 (incremental
//! sum).

use crate::base::checksum::ipv6_upper_layer;
use crate::base::cursor::{Reader, Truncated, Writer};
use crate::wire::ipv6::{HEADER_OCTETS as IPV6_OCTETS, MTU_MIN, NEXT_ICMPV6};
use core::net::Ipv6Addr;

/// Octets before the body: type, code, checksum and four octets of the type's own.
pub const HEADER_OCTETS: usize = 8;
/// Octets of the packet in question that an error message quotes at most.
pub const QUOTE_OCTETS_MAX: usize = MTU_MIN as usize - IPV6_OCTETS - HEADER_OCTETS;

/// Destination Unreachable.
pub const TYPE_DESTINATION_UNREACHABLE: u8 = 1;
/// Packet Too Big.
pub const TYPE_PACKET_TOO_BIG: u8 = 2;
/// Time Exceeded.
pub const TYPE_TIME_EXCEEDED: u8 = 3;
/// Parameter Problem.
pub const TYPE_PARAMETER_PROBLEM: u8 = 4;
/// Echo Request.
pub const TYPE_ECHO_REQUEST: u8 = 128;
/// Echo Reply.
pub const TYPE_ECHO_REPLY: u8 = 129;
/// Multicast Listener Query (RFC 2710, RFC 3810).
pub const TYPE_MLD_QUERY: u8 = 130;
/// Multicast Listener Report (RFC 2710).
pub const TYPE_MLD_REPORT: u8 = 131;
/// Multicast Listener Done (RFC 2710).
pub const TYPE_MLD_DONE: u8 = 132;
/// Router Solicitation (RFC 4861 §4.1).
pub const TYPE_ROUTER_SOLICITATION: u8 = 133;
/// Router Advertisement (RFC 4861 §4.2).
pub const TYPE_ROUTER_ADVERTISEMENT: u8 = 134;
/// Neighbor Solicitation (RFC 4861 §4.3).
pub const TYPE_NEIGHBOR_SOLICITATION: u8 = 135;
/// Neighbor Advertisement (RFC 4861 §4.4).
pub const TYPE_NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// Redirect (RFC 4861 §4.5).
pub const TYPE_REDIRECT: u8 = 137;
/// Multicast Listener Report, version 2 (RFC 3810).
pub const TYPE_MLD_REPORT_V2: u8 = 143;

/// Destination Unreachable: no route.
pub const CODE_NO_ROUTE: u8 = 0;
/// Destination Unreachable: administratively prohibited.
pub const CODE_PROHIBITED: u8 = 1;
/// Destination Unreachable: beyond the scope of the source address.
pub const CODE_BEYOND_SCOPE: u8 = 2;
/// Destination Unreachable: address unreachable.
pub const CODE_ADDRESS_UNREACHABLE: u8 = 3;
/// Destination Unreachable: port unreachable.
pub const CODE_PORT_UNREACHABLE: u8 = 4;
/// Time Exceeded: hop limit.
pub const CODE_HOP_LIMIT: u8 = 0;
/// Parameter Problem: erroneous header field.
pub const CODE_FIELD: u8 = 0;
/// Parameter Problem: unrecognised next header.
pub const CODE_NEXT_HEADER: u8 = 1;
/// Parameter Problem: unrecognised option.
pub const CODE_OPTION: u8 = 2;

/// Whether the type is an error message (RFC 4443 §2.1: high bit clear).
#[inline]
pub const fn is_error(kind: u8) -> bool {
    kind < 128
}

/// Whether the type belongs to Neighbour Discovery.
#[inline]
pub const fn is_neighbor_discovery(kind: u8) -> bool {
    matches!(kind, TYPE_ROUTER_SOLICITATION..=TYPE_REDIRECT)
}

/// Whether the type belongs to Multicast Listener Discovery.
#[inline]
pub const fn is_multicast_listener(kind: u8) -> bool {
    matches!(kind, TYPE_MLD_QUERY..=TYPE_MLD_DONE | TYPE_MLD_REPORT_V2)
}

/// The stored checksum after `old` octets under it became `new` ones (RFC 1624 §3, equation 3).
/// Both start on an even offset of the message and have the same, even length.
pub fn update_checksum(stored: u16, old: &[u8], new: &[u8]) -> u16 {
    let words = |bytes: &[u8], flip: u16| -> u64 {
        let pairs = bytes.chunks_exact(2);
        pairs.map(|pair| u64::from(fold_pair(pair) ^ flip)).sum()
    };
    let mut sum = u64::from(!stored) + words(old, 0xffff) + words(new, 0);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn fold_pair(pair: &[u8]) -> u16 {
    pair.first_chunk().map_or(0, |octets| u16::from_be_bytes(*octets))
}

/// A message read in place; the checksum is not looked at.
#[derive(Clone, Copy, Debug)]
pub struct Icmpv6View<'a> {
    head: &'a [u8; 4],
    body: &'a [u8],
}

impl<'a> Icmpv6View<'a> {
    /// The message at the start of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let (head, body) = bytes.split_first_chunk().ok_or(Truncated {
            offset: 0,
            wanted: 4,
            left: bytes.len(),
        })?;
        Ok(Self { head, body })
    }

    /// Type.
    #[inline]
    pub const fn kind(&self) -> u8 {
        self.head[0]
    }

    /// Code.
    #[inline]
    pub const fn code(&self) -> u8 {
        self.head[1]
    }

    /// Stored checksum.
    #[inline]
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.head[2], self.head[3]])
    }

    /// What follows the checksum.
    #[inline]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}

/// A message as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Icmpv6Message {
    /// Destination Unreachable (RFC 4443 §3.1).
    DestinationUnreachable {
        /// Why.
        code: u8,
        /// Start of the packet in question.
        quote: Vec<u8>,
    },
    /// Packet Too Big (RFC 4443 §3.2).
    PacketTooBig {
        /// The MTU of the next link.
        mtu: u32,
        /// Start of the packet in question.
        quote: Vec<u8>,
    },
    /// Time Exceeded (RFC 4443 §3.3).
    TimeExceeded {
        /// Hop limit or reassembly.
        code: u8,
        /// Start of the packet in question.
        quote: Vec<u8>,
    },
    /// Parameter Problem (RFC 4443 §3.4).
    ParameterProblem {
        /// What is wrong.
        code: u8,
        /// Where, in octets from the start of the packet in question.
        pointer: u32,
        /// Start of the packet in question.
        quote: Vec<u8>,
    },
    /// Echo Request (RFC 4443 §4.1).
    EchoRequest {
        /// Which ping.
        identifier: u16,
        /// Which of its packets.
        sequence: u16,
        /// Anything.
        data: Vec<u8>,
    },
    /// Echo Reply (RFC 4443 §4.2).
    EchoReply {
        /// As in the request.
        identifier: u16,
        /// As in the request.
        sequence: u16,
        /// As in the request.
        data: Vec<u8>,
    },
    /// Every other type; ND is decoded by `wire::nd`.
    Other {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// What follows the checksum.
        body: Vec<u8>,
    },
}

/// Why a message cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Icmpv6Error {
    /// It ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The sum over pseudo-header and message is not zero (RFC 4443 §2.3).
    #[error("wrong checksum")]
    Checksum,
}

impl Icmpv6Message {
    /// The message in `bytes`, which came from `source` for `destination`.
    pub fn decode(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        bytes: &[u8],
    ) -> Result<Self, Icmpv6Error> {
        let mut reader = Reader::new(bytes);
        let (kind, code) = (reader.u8()?, reader.u8()?);
        reader.skip(2)?;
        if ipv6_upper_layer(source, destination, NEXT_ICMPV6, bytes) != 0 {
            return Err(Icmpv6Error::Checksum);
        }
        let known = matches!(
            kind,
            TYPE_DESTINATION_UNREACHABLE
                ..=TYPE_PARAMETER_PROBLEM | TYPE_ECHO_REQUEST | TYPE_ECHO_REPLY
        );
        if !known {
            return Ok(Self::Other { kind, code, body: reader.rest().to_vec() });
        }
        let own: [u8; 4] = reader.array()?;
        let [a, b, c, d] = own;
        let (identifier, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let value = u32::from_be_bytes(own);
        let quote = reader.rest().to_vec();
        Ok(match kind {
            TYPE_DESTINATION_UNREACHABLE => Self::DestinationUnreachable { code, quote },
            TYPE_PACKET_TOO_BIG => Self::PacketTooBig { mtu: value, quote },
            TYPE_TIME_EXCEEDED => Self::TimeExceeded { code, quote },
            TYPE_PARAMETER_PROBLEM => Self::ParameterProblem { code, pointer: value, quote },
            TYPE_ECHO_REQUEST => Self::EchoRequest { identifier, sequence, data: quote },
            _ => Self::EchoReply { identifier, sequence, data: quote },
        })
    }

    /// The message as it goes from `source` to `destination`, checksum included.
    pub fn encode(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        let mut writer = Writer::default();
        let echo =
            |identifier: &u16, sequence: &u16| u32::from(*identifier) << 16 | u32::from(*sequence);
        let (kind, code, own, body) = match self {
            Self::DestinationUnreachable { code, quote } => {
                (TYPE_DESTINATION_UNREACHABLE, *code, Some(0), quote)
            }
            Self::PacketTooBig { mtu, quote } => (TYPE_PACKET_TOO_BIG, 0, Some(*mtu), quote),
            Self::TimeExceeded { code, quote } => (TYPE_TIME_EXCEEDED, *code, Some(0), quote),
            Self::ParameterProblem { code, pointer, quote } => {
                (TYPE_PARAMETER_PROBLEM, *code, Some(*pointer), quote)
            }
            Self::EchoRequest { identifier, sequence, data } => {
                (TYPE_ECHO_REQUEST, 0, Some(echo(identifier, sequence)), data)
            }
            Self::EchoReply { identifier, sequence, data } => {
                (TYPE_ECHO_REPLY, 0, Some(echo(identifier, sequence)), data)
            }
            Self::Other { kind, code, body } => (*kind, *code, None, body),
        };
        writer.u8(kind);
        writer.u8(code);
        writer.u16(0);
        if let Some(own) = own {
            writer.u32(own);
        }
        let length = if is_error(kind) { body.len().min(QUOTE_OCTETS_MAX) } else { body.len() };
        writer.put(body.get(..length).unwrap_or(body));
        let sum = ipv6_upper_layer(source, destination, NEXT_ICMPV6, writer.as_slice());
        writer.patch_u16(2, sum);
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    const DESTINATION: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

    fn message() -> impl Strategy<Value = Icmpv6Message> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..QUOTE_OCTETS_MAX);
        let echo = || (any::<u16>(), any::<u16>(), bytes());
        prop_oneof![
            (any::<u8>(), bytes())
                .prop_map(|(code, quote)| Icmpv6Message::DestinationUnreachable { code, quote }),
            (any::<u32>(), bytes())
                .prop_map(|(mtu, quote)| Icmpv6Message::PacketTooBig { mtu, quote }),
            (any::<u8>(), bytes())
                .prop_map(|(code, quote)| Icmpv6Message::TimeExceeded { code, quote }),
            (any::<u8>(), any::<u32>(), bytes()).prop_map(|(code, pointer, quote)| {
                Icmpv6Message::ParameterProblem { code, pointer, quote }
            }),
            echo().prop_map(|(identifier, sequence, data)| Icmpv6Message::EchoRequest {
                identifier,
                sequence,
                data
            }),
            echo().prop_map(|(identifier, sequence, data)| Icmpv6Message::EchoReply {
                identifier,
                sequence,
                data
            }),
            (130_u8.., any::<u8>(), bytes()).prop_map(|(kind, code, body)| Icmpv6Message::Other {
                kind,
                code,
                body
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(value in message()) {
            let bytes = value.encode(SOURCE, DESTINATION);
            prop_assert!(bytes.len() + IPV6_OCTETS <= usize::from(MTU_MIN));
            prop_assert_eq!(Icmpv6Message::decode(SOURCE, DESTINATION, &bytes), Ok(value));
        }

        #[test]
        fn any_octets_are_read_without_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = Icmpv6Message::decode(SOURCE, DESTINATION, &bytes);
            if bytes.len() >= 4 {
                bytes[2..4].fill(0);
                let sum = ipv6_upper_layer(SOURCE, DESTINATION, NEXT_ICMPV6, &bytes);
                bytes[2..4].copy_from_slice(&sum.to_be_bytes());
                let decoded = Icmpv6Message::decode(SOURCE, DESTINATION, &bytes);
                prop_assert_ne!(decoded, Err(Icmpv6Error::Checksum));
            }
        }

        #[test]
        fn the_incremental_checksum_equals_the_whole_one(
            value in message(),
            new in any::<[u8; 16]>(),
        ) {
            // The destination changes under the sum, as in the reply to a multicast echo.
            let bytes = value.encode(SOURCE, DESTINATION);
            let stored = u16::from_be_bytes([bytes[2], bytes[3]]);
            let mut changed = bytes.clone();
            let updated = update_checksum(stored, &DESTINATION.octets(), &new);
            changed[2..4].copy_from_slice(&updated.to_be_bytes());
            let decoded = Icmpv6Message::decode(SOURCE, Ipv6Addr::from(new), &changed);
            prop_assert_eq!(decoded, Ok(value));
        }
    }

    #[test]
    fn an_error_quotes_as_much_as_the_minimum_mtu_holds() {
        let error = Icmpv6Message::PacketTooBig { mtu: 1500, quote: vec![7; 9000] };
        assert_eq!(error.encode(SOURCE, DESTINATION).len() + IPV6_OCTETS, usize::from(MTU_MIN));
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let ping = Icmpv6Message::EchoRequest { identifier: 1, sequence: 2, data: vec![3] };
        let mut bytes = ping.encode(SOURCE, DESTINATION);
        bytes[8] ^= 1;
        let decoded = Icmpv6Message::decode(SOURCE, DESTINATION, &bytes);
        assert_eq!(decoded, Err(Icmpv6Error::Checksum));
    }

    #[test]
    fn types_fall_into_their_families() {
        assert!(is_error(TYPE_PARAMETER_PROBLEM) && !is_error(TYPE_ECHO_REQUEST));
        assert!((133..=137).all(is_neighbor_discovery) && !is_neighbor_discovery(132));
        assert!([130, 131, 132, 143].into_iter().all(is_multicast_listener));
    }
}
