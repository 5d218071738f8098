//! Prefixes in an UPDATE: a length and as many octets as it needs, with a Path Identifier before
//! them where that was agreed on.
//!
//! *Invariants*: bits beyond the length are cleared: two ways to write a prefix are one prefix.
//! *Standards*: RFC 4271 §4.3, RFC 4760 §5, RFC 7911 §3, RFC 7606 §5.3.

use crate::base::cursor::{Reader, Truncated, Writer};
use crate::base::prefix::Ipv6Prefix;
use core::net::Ipv6Addr;

/// RFC 7606 §5.3: a list of prefixes that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NlriError {
    /// A prefix reaches beyond the list.
    #[error("{0}")]
    Truncated(#[from] Truncated),
    /// A length that no address has.
    #[error("a prefix of {0} bits")]
    Length(u8),
}

/// A prefix, and which of several ways to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// Where packets go.
    pub prefix: Ipv6Prefix,
    /// RFC 7911 §3: Path Identifier; zero where none was agreed on.
    pub path_id: u32,
}

impl Nlri {
    /// The only way to a prefix.
    pub const fn of(prefix: Ipv6Prefix) -> Self {
        Self { prefix, path_id: 0 }
    }

    /// Octets of it in a list.
    pub fn octets(self, has_path_ids: bool) -> usize {
        1 + usize::from(self.prefix.length()).div_ceil(8) + if has_path_ids { 4 } else { 0 }
    }

    pub(super) fn encode(self, has_path_ids: bool, writer: &mut Writer) {
        if has_path_ids {
            writer.u32(self.path_id);
        }
        let length = self.prefix.length();
        writer.u8(length);
        let octets = self.prefix.address().octets();
        writer.put(octets.get(..usize::from(length).div_ceil(8)).unwrap_or(&octets));
    }
}

/// Reads all IPv6 prefixes of a list.
pub(super) fn decode_list(bytes: &[u8], has_path_ids: bool) -> Result<Vec<Nlri>, NlriError> {
    let mut reader = Reader::new(bytes);
    let mut list = Vec::new();
    while !reader.is_empty() {
        let path_id = if has_path_ids { reader.u32()? } else { 0 };
        let (length, octets) = decode_octets::<16>(&mut reader)?;
        let prefix = Ipv6Prefix::containing(Ipv6Addr::from(octets), length);
        list.push(Nlri { prefix, path_id });
    }
    Ok(list)
}

/// Reads past all IPv4 prefixes of a list, of which nothing is kept; how many there were.
pub(super) fn skip_ipv4(bytes: &[u8]) -> Result<usize, NlriError> {
    let mut reader = Reader::new(bytes);
    let mut count = 0;
    while !reader.is_empty() {
        decode_octets::<4>(&mut reader)?;
        count += 1;
    }
    Ok(count)
}

/// A length and its octets, filled up with zeros to an address of `N`.
fn decode_octets<const N: usize>(reader: &mut Reader<'_>) -> Result<(u8, [u8; N]), NlriError> {
    let length = reader.u8()?;
    let count = usize::from(length).div_ceil(8);
    let mut octets = [0; N];
    if usize::from(length) > N * 8 {
        return Err(NlriError::Length(length));
    }
    for (octet, value) in octets.iter_mut().zip(reader.take(count)?) {
        *octet = *value;
    }
    Ok((length, octets))
}
