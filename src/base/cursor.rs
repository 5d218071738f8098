//! Reading and writing big-endian fields without indexing.
//!
//! Owns [`Reader`] and [`Writer`]; the meaning of the fields belongs to `wire`.
//!
//! *Invariants*: a reader never moves past its end, a failed read leaves it where it was.

use core::net::Ipv6Addr;

/// The bytes ended before the field did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("truncated: {wanted} octets wanted at offset {offset}, {left} left")]
pub struct Truncated {
    /// Where the field starts, in octets from the start of the reader.
    pub offset: usize,
    /// How long the field is.
    pub wanted: usize,
    /// How many octets there were.
    pub left: usize,
}

/// Takes fields off the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Octets not yet read.
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Octets read so far.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Whether everything is read.
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// What is left, without moving.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or(&[])
    }

    /// The next `count` octets.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let taken = self.rest().get(..count).ok_or(Truncated {
            offset: self.offset,
            wanted: count,
            left: self.remaining(),
        })?;
        self.offset += count;
        Ok(taken)
    }

    /// The next `N` octets as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Skips `count` octets.
    pub fn skip(&mut self, count: usize) -> Result<(), Truncated> {
        self.take(count).map(|_| ())
    }

    /// A reader over the next `count` octets.
    pub fn sub(&mut self, count: usize) -> Result<Reader<'a>, Truncated> {
        self.take(count).map(Reader::new)
    }

    /// One octet.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two octets.
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    /// Three octets, in the low 24 bits.
    pub fn u24(&mut self) -> Result<u32, Truncated> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }

    /// Four octets.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight octets.
    pub fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }

    /// Sixteen octets as an address.
    pub fn address(&mut self) -> Result<Ipv6Addr, Truncated> {
        self.array::<16>().map(Ipv6Addr::from)
    }
}

/// Appends fields to a byte vector.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer with room for `capacity` octets.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// Forgets everything written; the memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Octets written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends octets.
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends one octet.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends two octets.
    pub fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Appends the low three octets.
    pub fn u24(&mut self, value: u32) {
        let [_, a, b, c] = value.to_be_bytes();
        self.put(&[a, b, c]);
    }

    /// Appends four octets.
    pub fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Appends eight octets.
    pub fn u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }

    /// Appends sixteen octets.
    pub fn address(&mut self, value: Ipv6Addr) {
        self.put(&value.octets());
    }

    /// Overwrites two octets at `offset`: lengths and checksums that are known last.
    ///
    /// # Panics
    /// When nothing was written there: an error of ours, not of the input.
    pub fn patch_u16(&mut self, offset: usize, value: u16) {
        self.bytes[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
    }

    /// What was written.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written, to change in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// What was written.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_read_leaves_the_reader_in_place() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.u16(), Err(Truncated { offset: 2, wanted: 2, left: 1 }));
        assert_eq!(reader.u8(), Ok(3));
        assert!(reader.is_empty());
    }

    #[test]
    fn written_fields_read_back() {
        let mut writer = Writer::default();
        writer.u8(1);
        writer.u16(2);
        writer.u24(3);
        writer.u32(4);
        writer.u64(5);
        writer.address(Ipv6Addr::LOCALHOST);
        writer.patch_u16(1, 9);
        let mut reader = Reader::new(writer.as_slice());
        assert_eq!((reader.u8(), reader.u16(), reader.u24()), (Ok(1), Ok(9), Ok(3)));
        assert_eq!((reader.u32(), reader.u64()), (Ok(4), Ok(5)));
        assert_eq!(reader.address(), Ok(Ipv6Addr::LOCALHOST));
    }
}
