//! An ND message in its IPv6 packet: the checks every receiver makes.
//!
//! Owns [`NdPacket`] and [`NdError`]: one error for each check, so that each can be counted.
//!
//! *Invariants*: octets behind the payload length of the IPv6 header (padding of the frame) are not
//! read.
//! *Standards*: RFC 4861 §6.1.1, §6.1.2, §7.1.1, §7.1.2, §8.1; RFC 6980 §5 (fragments); RFC 2464
//! §6 (a link-layer address is that of a station: the group bit and zero are refused).

use super::message::NdMessage;
use crate::base::checksum::ipv6_upper_layer;
use crate::base::cursor::{Reader, Truncated, Writer};
use crate::base::ids::MacAddress;
use crate::wire::ipv6::{
    ChainError, HEADER_OCTETS, HOP_LIMIT_LINK, Ipv6Header, Ipv6HeaderError, NEXT_ICMPV6,
    is_link_local, is_multicast, is_solicited_node, upper_layer,
};
use core::net::Ipv6Addr;

/// A message and the addresses it travels between; hop limit 255 goes without saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NdPacket {
    /// Source of the IPv6 header.
    pub source: Ipv6Addr,
    /// Destination of the IPv6 header.
    pub destination: Ipv6Addr,
    /// What it says.
    pub message: NdMessage,
}

/// Why a packet is not a valid ND message. Each is a silent discard (RFC 4861 §6.1, §7.1, §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NdError {
    /// A field or option reaches beyond the packet.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Not IPv6.
    #[error("version {0}, not 6")]
    Version(u8),
    /// The extension headers cannot be followed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A fragment (RFC 6980 §5).
    #[error("ND message in a fragment")]
    Fragment,
    /// Another protocol than ICMPv6.
    #[error("protocol {0}, not ICMPv6")]
    Protocol(u8),
    /// Another type than 133 to 137.
    #[error("ICMPv6 type {0}, not 133 to 137")]
    Kind(u8),
    /// It may have come through a router.
    #[error("hop limit {0}, not 255")]
    HopLimit(u8),
    /// The sum over pseudo-header and message is not zero.
    #[error("wrong checksum")]
    Checksum,
    /// Not 0.
    #[error("code {0}, not 0")]
    Code(u8),
    /// An option without octets.
    #[error("option {kind} has length 0")]
    OptionLengthZero {
        /// Its type.
        kind: u8,
    },
    /// An option whose length does not fit its type.
    #[error("option {kind} has length {units}")]
    OptionLength {
        /// Its type.
        kind: u8,
        /// Its length in units of 8 octets.
        units: usize,
    },
    /// A prefix longer than an address.
    #[error("prefix of {0} bits")]
    PrefixLength(u8),
    /// A link-layer address that is no station's.
    #[error("link-layer address {0} is not that of a station")]
    LinkLayerAddress(MacAddress),
    /// The source is a group.
    #[error("source is a multicast address")]
    SourceMulticast,
    /// Routers speak from their link-local addresses.
    #[error("source is not link-local")]
    SourceNotLinkLocal,
    /// The target is a group.
    #[error("target is a multicast address")]
    TargetMulticast,
    /// Without source address, but with a link-layer address.
    #[error("source link-layer address without source address")]
    LinkLayerWithoutSource,
    /// A probe for duplicates that is not for a solicited-node group.
    #[error("solicitation without source address is not for a solicited-node group")]
    ProbeDestination,
    /// An answer to one that went to many.
    #[error("solicited advertisement for a multicast address")]
    SolicitedToMulticast,
    /// A redirect for packets to a group.
    #[error("redirect for a multicast destination")]
    RedirectDestinationMulticast,
    /// A redirect to neither a router nor the destination itself.
    #[error("redirect to a target that is neither link-local nor the destination")]
    RedirectTarget,
}

impl From<Ipv6HeaderError> for NdError {
    fn from(error: Ipv6HeaderError) -> Self {
        match error {
            Ipv6HeaderError::Truncated(truncated) => Self::Truncated(truncated),
            Ipv6HeaderError::Version(version) => Self::Version(version),
        }
    }
}

impl NdPacket {
    /// The message in `packet`, which starts with the IPv6 header.
    pub fn decode(packet: &[u8]) -> Result<Self, NdError> {
        let mut reader = Reader::new(packet);
        let header = Ipv6Header::decode(&mut reader)?;
        let payload = reader.take(usize::from(header.payload_length))?;
        let upper = upper_layer(header.next_header, payload)?;
        if upper.fragment.is_some() {
            return Err(NdError::Fragment);
        }
        if upper.protocol != NEXT_ICMPV6 {
            return Err(NdError::Protocol(upper.protocol));
        }
        let octets = payload.get(upper.offset..).unwrap_or(&[]);
        let message = decode_message(&header, octets)?;
        let packet = Self { source: header.source, destination: header.destination, message };
        packet.check()?;
        Ok(packet)
    }

    /// The packet from the IPv6 header on: hop limit 255, traffic class of network control.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Writer::default();
        body.u8(self.message.kind());
        body.u8(0);
        body.u16(0);
        self.message.encode(&mut body);
        let sum = ipv6_upper_layer(self.source, self.destination, NEXT_ICMPV6, body.as_slice());
        body.patch_u16(2, sum);
        let mut writer = Writer::with_capacity(HEADER_OCTETS + body.len());
        let header = Ipv6Header {
            traffic_class: Ipv6Header::CLASS_CONTROL,
            flow_label: 0,
            payload_length: u16::try_from(body.len()).unwrap_or(u16::MAX),
            next_header: NEXT_ICMPV6,
            hop_limit: HOP_LIMIT_LINK,
            source: self.source,
            destination: self.destination,
        };
        header.encode(&mut writer);
        writer.put(body.as_slice());
        writer.into_vec()
    }

    /// What concerns addresses, in the order of the RFC.
    fn check(&self) -> Result<(), NdError> {
        let is_group = |address: Ipv6Addr| is_multicast(address.to_bits());
        let is_local = |address: Ipv6Addr| is_link_local(address.to_bits());
        let refuse = |is_wrong: bool, error: NdError| if is_wrong { Err(error) } else { Ok(()) };
        let is_anonymous = self.source.is_unspecified();
        let names_itself = is_anonymous && self.message.source_mac().is_some();
        refuse(is_group(self.source), NdError::SourceMulticast)?;
        match &self.message {
            NdMessage::RouterSolicitation(_) => {
                refuse(names_itself, NdError::LinkLayerWithoutSource)
            }
            NdMessage::RouterAdvertisement(_) => {
                refuse(!is_local(self.source), NdError::SourceNotLinkLocal)
            }
            NdMessage::NeighborSolicitation(message) => {
                refuse(is_group(message.target), NdError::TargetMulticast)?;
                let is_for_probes = is_solicited_node(self.destination);
                refuse(is_anonymous && !is_for_probes, NdError::ProbeDestination)?;
                refuse(names_itself, NdError::LinkLayerWithoutSource)
            }
            NdMessage::NeighborAdvertisement(message) => {
                refuse(is_group(message.target), NdError::TargetMulticast)?;
                let is_to_many = is_group(self.destination);
                refuse(message.is_solicited && is_to_many, NdError::SolicitedToMulticast)
            }
            NdMessage::Redirect(message) => {
                refuse(!is_local(self.source), NdError::SourceNotLinkLocal)?;
                let is_for_many = is_group(message.destination);
                refuse(is_for_many, NdError::RedirectDestinationMulticast)?;
                let is_right = is_local(message.target) || message.target == message.destination;
                refuse(!is_right, NdError::RedirectTarget)
            }
        }
    }
}

fn decode_message(header: &Ipv6Header, octets: &[u8]) -> Result<NdMessage, NdError> {
    let mut reader = Reader::new(octets);
    let (kind, code) = (reader.u8()?, reader.u8()?);
    reader.skip(2)?;
    if header.hop_limit != HOP_LIMIT_LINK {
        return Err(NdError::HopLimit(header.hop_limit));
    }
    if ipv6_upper_layer(header.source, header.destination, NEXT_ICMPV6, octets) != 0 {
        return Err(NdError::Checksum);
    }
    if code != 0 {
        return Err(NdError::Code(code));
    }
    NdMessage::decode(kind, &mut reader)
}
