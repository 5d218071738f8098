//! The two checksums of the house: the Internet checksum and Fletcher's.
//!
//! Owns the sums; where they are stored and over what they run belongs to `wire`.
//!
//! *Standards*: RFC 1071 (Internet checksum), RFC 8200 §8.1 (pseudo-header), RFC 905 Annex B and
//! RFC 2328 §12.1.7 (Fletcher over an LSA without its age).

use core::net::Ipv6Addr;

/// A running one's-complement sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct InternetSum(u64);

impl InternetSum {
    /// Adds octets; every call starts on an even offset, so only the last may have odd length.
    pub fn plus(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(4);
        for word in &mut words {
            if let [a, b, c, d] = *word {
                self.0 += u64::from(u32::from_be_bytes([a, b, c, d]));
            }
        }
        let tail = match *words.remainder() {
            [a] => u32::from_be_bytes([a, 0, 0, 0]),
            [a, b] => u32::from_be_bytes([a, b, 0, 0]),
            [a, b, c] => u32::from_be_bytes([a, b, c, 0]),
            _ => 0,
        };
        self.0 += u64::from(tail);
        self
    }

    /// Adds the IPv6 pseudo-header (RFC 8200 §8.1).
    pub fn plus_pseudo_header(
        self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        length: u32,
        next_header: u8,
    ) -> Self {
        self.plus(&source.octets()).plus(&destination.octets()).plus(&length.to_be_bytes()).plus(&[
            0,
            0,
            0,
            next_header,
        ])
    }

    /// The complement, as it is stored. Over data that holds a right checksum it is zero.
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap_or(0)
    }
}

/// The checksum of an upper-layer packet over IPv6, as it is stored when the field in `payload` is
/// zero; zero when the field holds the right value.
pub fn ipv6_upper_layer(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next_header: u8,
    payload: &[u8],
) -> u16 {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    InternetSum::default()
        .plus_pseudo_header(source, destination, length, next_header)
        .plus(payload)
        .finish()
}

/// The Fletcher sums of `bytes`, both modulo 255; both zero when a right checksum is inside.
pub fn fletcher_sums(bytes: &[u8]) -> (u32, u32) {
    let (mut c0, mut c1) = (0_u32, 0_u32);
    // 5802 octets fit before a 32-bit sum can overflow (RFC 1146 Appendix II's argument).
    for chunk in bytes.chunks(4096) {
        for byte in chunk {
            c0 += u32::from(*byte);
            c1 += c0;
        }
        c0 %= 255;
        c1 %= 255;
    }
    (c0, c1)
}

/// The two checksum octets for `bytes`, in which they are zero and stand at `offset`.
pub fn fletcher_checksum(bytes: &[u8], offset: usize) -> u16 {
    let (c0, c1) = fletcher_sums(bytes);
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let (c0, c1) = (i64::from(c0), i64::from(c1));
    let x = ((length - offset - 1) * c0 - c1).rem_euclid(255);
    let y = (c1 - (length - offset) * c0).rem_euclid(255);
    let octet = |value: i64| match value {
        0 => 255,
        value => u8::try_from(value).unwrap_or(255),
    };
    u16::from_be_bytes([octet(x), octet(y)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sum_of_the_rfc_1071_example() {
        // RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(InternetSum::default().plus(&bytes).finish(), !0xddf2);
    }

    proptest! {
        #[test]
        fn internet_checksum_verifies(mut bytes in prop::collection::vec(any::<u8>(), 4..200)) {
            bytes[2] = 0;
            bytes[3] = 0;
            let (source, destination) = (Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED);
            let sum = ipv6_upper_layer(source, destination, 89, &bytes);
            bytes[2..4].copy_from_slice(&sum.to_be_bytes());
            prop_assert_eq!(ipv6_upper_layer(source, destination, 89, &bytes), 0);
        }

        #[test]
        fn fletcher_checksum_verifies(mut bytes in prop::collection::vec(any::<u8>(), 18..9000)) {
            bytes[14] = 0;
            bytes[15] = 0;
            let sum = fletcher_checksum(&bytes, 14);
            bytes[14..16].copy_from_slice(&sum.to_be_bytes());
            prop_assert_eq!(fletcher_sums(&bytes), (0, 0));
        }
    }
}
