//! Prefixes within LSAs (RFC 5340 §A.4.1): length, options, 16 bits that depend on the LSA, and as
//! many 32-bit words of address as the length needs.

use super::error::{DecodeError, Fault};
use super::options::PrefixOptions;
use crate::base::cursor::{Reader, Writer};
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;

/// Octets of a prefix without address.
pub const PREFIX_OCTETS_MIN: usize = 4;

/// Octets of `prefix` within an LSA.
pub const fn prefix_octets(prefix: Ipv6Prefix) -> usize {
    PREFIX_OCTETS_MIN + address_octets(prefix.length())
}

const fn address_octets(length: u8) -> usize {
    (length as usize).div_ceil(32) * 4
}

/// A prefix, its options and the 16 bits after them. Bits beyond the length are cleared.
pub(super) fn decode_prefix(
    reader: &mut Reader<'_>,
) -> Result<(Ipv6Prefix, PrefixOptions, u16), DecodeError> {
    let offset = reader.offset();
    let length = reader.u8()?;
    if length > 128 {
        return Err(DecodeError::new(Fault::PrefixLength, offset));
    }
    let options = PrefixOptions::from_bits(reader.u8()?);
    let word = reader.u16()?;
    let mut octets = [0; 16];
    let written = reader.take(address_octets(length))?;
    for (octet, value) in octets.iter_mut().zip(written) {
        *octet = *value;
    }
    Ok((Ipv6Prefix::containing(Ipv6Addr::from(octets), length), options, word))
}

pub(super) fn encode_prefix(
    writer: &mut Writer,
    prefix: Ipv6Prefix,
    options: PrefixOptions,
    word: u16,
) {
    writer.u8(prefix.length());
    writer.u8(options.bits());
    writer.u16(word);
    let octets = prefix.address().octets();
    writer.put(octets.get(..address_octets(prefix.length())).unwrap_or(&octets));
}
