//! UDP over IPv6.
//!
//! Owns [`UdpView`] (the packet path) and [`UdpHeader`] (the control plane). Which port means what
//! belongs to the protocol behind it.
//!
//! *Invariants*: a view exists only over 8 whole octets.
//! *Standards*: RFC 768, RFC 8200 §8.1 (the checksum is not optional; zero is sent as all ones).
//! The zero checksums that RFC 6936 allows tunnels are refused here; whoever uses them reads the
//! view.

use crate::base::checksum::ipv6_upper_layer;
use crate::base::cursor::{Truncated, Writer};
use crate::wire::ipv6::NEXT_UDP;
use core::net::Ipv6Addr;

/// Octets of the header.
pub const HEADER_OCTETS: usize = 8;
const CHECKSUM_OFFSET: usize = 6;

/// A header read in place; the checksum is not looked at.
#[derive(Clone, Copy, Debug)]
pub struct UdpView<'a> {
    head: &'a [u8; HEADER_OCTETS],
    rest: &'a [u8],
}

impl<'a> UdpView<'a> {
    /// The header at the start of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let short = Truncated { offset: 0, wanted: HEADER_OCTETS, left: bytes.len() };
        let (head, rest) = bytes.split_first_chunk().ok_or(short)?;
        Ok(Self { head, rest })
    }

    /// Source port.
    #[inline]
    pub const fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.head[0], self.head[1]])
    }

    /// Destination port.
    #[inline]
    pub const fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.head[2], self.head[3]])
    }

    /// Octets of header and payload, as it claims.
    #[inline]
    pub const fn length(&self) -> u16 {
        u16::from_be_bytes([self.head[4], self.head[5]])
    }

    /// Stored checksum.
    #[inline]
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.head[6], self.head[7]])
    }

    /// Everything in the slice behind the header, whatever the length field says.
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// A header as a value; length and checksum follow from the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpHeader {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// Why a datagram cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UdpError {
    /// Less than 8 octets.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The length field is shorter than the header or longer than the packet.
    #[error("length {0} does not fit the packet")]
    Length(u16),
    /// No checksum (RFC 8200 §8.1 asks for one).
    #[error("no checksum")]
    ChecksumMissing,
    /// The sum over pseudo-header and datagram is not zero.
    #[error("wrong checksum")]
    Checksum,
}

impl UdpHeader {
    /// The header and the payload in `bytes`, which came from `source` for `destination`.
    pub fn decode(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        bytes: &[u8],
    ) -> Result<(Self, &[u8]), UdpError> {
        let view = UdpView::new(bytes)?;
        let wrong = UdpError::Length(view.length());
        let datagram = bytes.get(..usize::from(view.length())).ok_or(wrong)?;
        let payload = datagram.get(HEADER_OCTETS..).ok_or(wrong)?;
        if view.checksum() == 0 {
            return Err(UdpError::ChecksumMissing);
        }
        if ipv6_upper_layer(source, destination, NEXT_UDP, datagram) != 0 {
            return Err(UdpError::Checksum);
        }
        let header =
            Self { source_port: view.source_port(), destination_port: view.destination_port() };
        Ok((header, payload))
    }

    /// The datagram as it goes from `source` to `destination`. A payload that no length field can
    /// say is cut.
    pub fn encode(&self, source: Ipv6Addr, destination: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(HEADER_OCTETS + payload.len()).unwrap_or(u16::MAX);
        let mut writer = Writer::with_capacity(usize::from(length));
        writer.u16(self.source_port);
        writer.u16(self.destination_port);
        writer.u16(length);
        writer.u16(0);
        writer.put(payload.get(..usize::from(length) - HEADER_OCTETS).unwrap_or(payload));
        let sum = match ipv6_upper_layer(source, destination, NEXT_UDP, writer.as_slice()) {
            0 => u16::MAX,
            sum => sum,
        };
        writer.patch_u16(CHECKSUM_OFFSET, sum);
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    const DESTINATION: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(
            ports in any::<(u16, u16)>(),
            payload in prop::collection::vec(any::<u8>(), 0..200),
            padding in 0_usize..8,
        ) {
            let header = UdpHeader { source_port: ports.0, destination_port: ports.1 };
            let mut bytes = header.encode(SOURCE, DESTINATION, &payload);
            bytes.extend(std::iter::repeat_n(0, padding));
            let decoded = UdpHeader::decode(SOURCE, DESTINATION, &bytes);
            prop_assert_eq!(decoded, Ok((header, payload.as_slice())));
        }

        #[test]
        fn any_octets_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = UdpHeader::decode(SOURCE, DESTINATION, &bytes);
        }
    }

    #[test]
    fn a_sum_of_zero_is_sent_as_all_ones() {
        // RFC 8200 §8.1: "if that computation yields a result of zero, it must be changed to hex
        // FFFF". The second port is chosen so that it does.
        let header = UdpHeader { source_port: 0, destination_port: 0 };
        let plain = UdpView::new(&header.encode(SOURCE, DESTINATION, &[])).unwrap().checksum();
        let header = UdpHeader { source_port: 0, destination_port: plain };
        let bytes = header.encode(SOURCE, DESTINATION, &[]);
        assert_eq!(UdpView::new(&bytes).unwrap().checksum(), u16::MAX);
        assert_eq!(UdpHeader::decode(SOURCE, DESTINATION, &bytes), Ok((header, &[][..])));
    }

    #[test]
    fn broken_datagrams_are_named() {
        let header = UdpHeader { source_port: 1, destination_port: 2 };
        let good = header.encode(SOURCE, DESTINATION, &[1, 2, 3]);
        let refused = |at: usize, octets: [u8; 2]| {
            let mut bytes = good.clone();
            bytes[at..at + 2].copy_from_slice(&octets);
            UdpHeader::decode(SOURCE, DESTINATION, &bytes).unwrap_err()
        };
        assert_eq!(refused(4, [0, 7]), UdpError::Length(7));
        assert_eq!(refused(4, [0, 12]), UdpError::Length(12));
        assert_eq!(refused(6, [0, 0]), UdpError::ChecksumMissing);
        assert_eq!(refused(0, [9, 9]), UdpError::Checksum);
        let short = UdpHeader::decode(SOURCE, DESTINATION, &good[..7]).unwrap_err();
        assert_eq!(short, UdpError::Truncated(Truncated { offset: 0, wanted: 8, left: 7 }));
    }
}
