//! A packet buffer on the heap, for tests, simulations and devices without DPDK.
//!
//! Behaves as an mbuf does: fixed room in front and behind, one segment.
//!
//! *Invariants*: `start <= end <= room.len()`.

use crate::packet::buf::{FRAME_OCTETS_MAX, HEADROOM_OCTETS, NoRoom, PacketBuf, TooShort};
use crate::packet::meta::PacketMeta;
use crate::packet::port::PacketAlloc;

/// A packet in a heap allocation of fixed size.
#[derive(Clone, Debug)]
pub struct HeapBuf {
    room: Box<[u8]>,
    start: usize,
    end: usize,
    meta: PacketMeta,
}

impl HeapBuf {
    /// A packet with a copy of `bytes` and the usual headroom. Frames above the limit get exactly
    /// the room they need.
    pub fn new(bytes: &[u8]) -> Self {
        Self::with_room(bytes, bytes.len().max(usize::from(FRAME_OCTETS_MAX)))
    }

    /// A packet with a copy of `bytes`, the usual headroom, and nothing behind: a simulation has
    /// millions of small ones.
    pub fn snug(bytes: &[u8]) -> Self {
        Self::with_room(bytes, bytes.len())
    }

    fn with_room(bytes: &[u8], octets: usize) -> Self {
        let start = usize::from(HEADROOM_OCTETS);
        let mut room = vec![0; start + octets].into_boxed_slice();
        let end = start + bytes.len();
        if let Some(place) = room.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        Self { room, start, end, meta: PacketMeta::default() }
    }
}

/// Makes buffers as long as there is memory.
#[derive(Clone, Copy, Debug)]
pub struct HeapAlloc;

impl PacketAlloc<HeapBuf> for HeapAlloc {
    fn alloc(&mut self) -> Option<HeapBuf> {
        Some(HeapBuf::new(&[]))
    }
}

impl PacketBuf for HeapBuf {
    fn data(&self) -> &[u8] {
        self.room.get(self.start..self.end).unwrap_or(&[])
    }

    fn data_mut(&mut self) -> &mut [u8] {
        self.room.get_mut(self.start..self.end).unwrap_or(&mut [])
    }

    fn len(&self) -> u32 {
        u32::try_from(self.end - self.start).unwrap_or(u32::MAX)
    }

    fn headroom(&self) -> u16 {
        u16::try_from(self.start).unwrap_or(u16::MAX)
    }

    fn open_front(&mut self, count: u16) -> Result<(), NoRoom> {
        let missing = usize::from(count.saturating_sub(self.headroom()));
        let room = self.room.len() - self.end;
        if missing > room {
            let room = u16::try_from(self.start + room).unwrap_or(u16::MAX);
            return Err(NoRoom { wanted: count, room });
        }
        self.room.copy_within(self.start..self.end, self.start + missing);
        self.start += missing;
        self.end += missing;
        Ok(())
    }

    fn prepend(&mut self, count: u16) -> Result<&mut [u8], NoRoom> {
        let room = self.headroom();
        self.start =
            self.start.checked_sub(usize::from(count)).ok_or(NoRoom { wanted: count, room })?;
        Ok(self.data_mut().get_mut(..usize::from(count)).unwrap_or(&mut []))
    }

    fn trim_front(&mut self, count: u16) -> Result<(), TooShort> {
        if u32::from(count) > self.len() {
            return Err(TooShort { wanted: count, length: self.len() });
        }
        self.start += usize::from(count);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let room = self.room.len() - self.end;
        let clamp = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let place = self
            .room
            .get_mut(self.end..self.end + bytes.len())
            .ok_or(NoRoom { wanted: clamp(bytes.len()), room: clamp(room) })?;
        place.copy_from_slice(bytes);
        self.end += bytes.len();
        Ok(())
    }

    fn truncate(&mut self, length: u32) {
        self.end = self.end.min(self.start + usize::try_from(length).unwrap_or(usize::MAX));
    }

    fn pull_up(&mut self, count: u16) -> Result<(), TooShort> {
        if u32::from(count) > self.len() {
            return Err(TooShort { wanted: count, length: self.len() });
        }
        Ok(())
    }

    fn meta(&self) -> &PacketMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut PacketMeta {
        &mut self.meta
    }

    fn copy_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.data());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_and_go_in_front() {
        let mut packet = HeapBuf::new(b"payload");
        packet.prepend(4).unwrap().copy_from_slice(b"head");
        assert_eq!(packet.data(), b"headpayload");
        packet.trim_front(4).unwrap();
        packet.append(b"!").unwrap();
        packet.truncate(100);
        assert_eq!((packet.data(), packet.len()), (&b"payload!"[..], 8));
    }

    #[test]
    fn a_snug_packet_has_room_in_front_only() {
        let mut packet = HeapBuf::snug(b"x");
        assert!(packet.append(b"y").is_err() && packet.prepend(128).is_ok());
        assert_eq!(packet.data().last(), Some(&b'x'));
    }

    #[test]
    fn a_packet_moves_back_to_have_room_in_front() {
        let mut packet = HeapBuf::new(b"payload");
        packet.open_front(100).unwrap();
        assert_eq!(packet.headroom(), 128, "there was enough");
        packet.open_front(200).unwrap();
        assert_eq!((packet.headroom(), packet.data()), (200, &b"payload"[..]));
        let room = FRAME_OCTETS_MAX + HEADROOM_OCTETS - 7;
        assert_eq!(packet.open_front(room + 1), Err(NoRoom { wanted: room + 1, room }));
        packet.open_front(room).unwrap();
        assert_eq!((packet.headroom(), packet.data()), (room, &b"payload"[..]));
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_changes_nothing() {
        let mut packet = HeapBuf::new(b"x");
        assert_eq!(packet.prepend(129).unwrap_err(), NoRoom { wanted: 129, room: 128 });
        assert_eq!(packet.trim_front(2), Err(TooShort { wanted: 2, length: 1 }));
        assert_eq!(packet.pull_up(2), Err(TooShort { wanted: 2, length: 1 }));
        assert!(packet.append(&[0; 10_000]).is_err());
        assert_eq!(packet.data(), b"x");
    }
}
