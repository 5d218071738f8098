//! A packet in a DPDK buffer.
//!
//! Owns [`Mbuf`]: reading and changing it, chains of segments included, and its return to the pool.
//! [`free_burst`] returns many at once.
//!
//! *Invariants*: one reference to each buffer (`refcnt` is 1), all of it ours; `data_off +
//! data_len` is within the buffer; `pkt_len` is the sum of the segments; the dynamic fields hold a
//! [`PacketMeta`], for which EAL's start reserves them: they lie in a line that allocating and
//! freeing touch as well.
//! *Standards*: DPDK programmer's guide, "Mbuf library".

use super::failure::Failure;
use crate::packet::{Burst, NoRoom, PacketBuf, PacketMeta, TooShort};
use core::ptr::NonNull;
use dpdk_sys::kumiki_mbuf;

/// An owned packet; as many as the pool has buffers. Freed on drop.
pub struct Mbuf {
    raw: NonNull<kumiki_mbuf>,
}

// SAFETY: a buffer has one owner and is bound to no thread; its pool may be used from any.
unsafe impl Send for Mbuf {}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Mbuf>();
    assert!(size_of::<Option<Mbuf>>() == size_of::<usize>());
    assert!(size_of::<PacketMeta>() <= size_of::<[u32; 9]>());
    assert!(align_of::<PacketMeta>() <= align_of::<u32>());
};

impl core::fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Mbuf").field("len", &self.len()).field("meta", self.meta()).finish()
    }
}

impl Mbuf {
    /// Reserves the fields in which [`PacketMeta`] lies; once, when EAL has started.
    pub(super) fn reserve_meta() -> Result<(), Failure> {
        // SAFETY: EAL runs; a plain number.
        Failure::check(unsafe { dpdk_sys::kumiki_fields_reserve(size_of::<PacketMeta>()) })
    }

    /// Takes over a buffer; `None` for a null pointer.
    ///
    /// # Safety
    /// A pointer that is not null is a valid mbuf of one of our pools that nobody else refers to.
    #[inline]
    pub(super) unsafe fn from_raw(raw: *mut kumiki_mbuf) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw })
    }

    /// Gives the buffer away without freeing it.
    #[inline]
    pub(super) fn into_raw(self) -> *mut kumiki_mbuf {
        let raw = self.as_ptr();
        core::mem::forget(self);
        raw
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *mut kumiki_mbuf {
        self.raw.as_ptr()
    }

    /// The fields of the first segment.
    #[inline]
    pub(super) fn fields(&self) -> &kumiki_mbuf {
        // SAFETY: the pointer is valid and ours (invariant), shared while `self` is borrowed.
        unsafe { self.raw.as_ref() }
    }

    #[inline]
    pub(super) fn fields_mut(&mut self) -> &mut kumiki_mbuf {
        // SAFETY: as in `fields`, exclusive while `self` is borrowed so.
        unsafe { self.raw.as_mut() }
    }

    /// The segments in order.
    fn segments(&self) -> impl Iterator<Item = &kumiki_mbuf> {
        let mut next = Some(self.fields());
        core::iter::from_fn(move || {
            let segment = next?;
            // SAFETY: `next` is null or a valid segment of this packet, which `self` owns.
            next = unsafe { segment.next.as_ref() };
            Some(segment)
        })
    }

    /// Octets free behind the data of a segment.
    fn tailroom(segment: &kumiki_mbuf) -> u16 {
        segment.buf_len.saturating_sub(segment.data_off).saturating_sub(segment.data_len)
    }

    /// The last segment.
    fn last_mut(&mut self) -> &mut kumiki_mbuf {
        let mut last = self.raw;
        loop {
            // SAFETY: `last` is a valid segment of this packet, which is borrowed exclusively.
            match NonNull::new(unsafe { last.as_ref() }.next) {
                Some(next) => last = next,
                // SAFETY: as above.
                None => return unsafe { last.as_mut() },
            }
        }
    }

    /// Moves the first segment's data to the very front of its buffer.
    fn use_headroom(&mut self) {
        let fields = self.fields_mut();
        let start = fields.buf_addr.cast::<u8>();
        // SAFETY: source and destination lie within the buffer (invariant); `copy` allows overlap.
        unsafe {
            core::ptr::copy(
                start.add(usize::from(fields.data_off)),
                start,
                usize::from(fields.data_len),
            );
        }
        fields.data_off = 0;
    }

    /// Moves up to `wanted` octets from the second segment behind the data of the first; says how
    /// many. A segment that got empty is freed.
    fn merge_second(&mut self, wanted: u16) -> u16 {
        let first = self.fields_mut();
        // SAFETY: `next` is null or the second segment of this packet, which is borrowed
        // exclusively.
        let Some(second) = (unsafe { first.next.as_mut() }) else { return 0 };
        let count = wanted.min(second.data_len).min(Self::tailroom(first));
        let end = usize::from(first.data_off) + usize::from(first.data_len);
        // SAFETY: `count` octets are within the data of `second` and the tailroom of `first`, which
        // are different buffers.
        unsafe {
            core::ptr::copy_nonoverlapping(
                second.buf_addr.cast::<u8>().add(usize::from(second.data_off)),
                first.buf_addr.cast::<u8>().add(end),
                usize::from(count),
            );
        }
        first.data_len += count;
        second.data_off += count;
        second.data_len -= count;
        if second.data_len == 0 {
            let empty: *mut kumiki_mbuf = second;
            first.next = second.next;
            first.nb_segs = first.nb_segs.saturating_sub(1);
            second.next = core::ptr::null_mut();
            second.nb_segs = 1;
            // SAFETY: the segment is unlinked; nobody else refers to it.
            unsafe { dpdk_sys::kumiki_free(empty) };
        }
        count
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: ours alone (invariant), and not used again.
        unsafe { dpdk_sys::kumiki_free(self.as_ptr()) }
    }
}

impl PacketBuf for Mbuf {
    #[inline]
    fn data(&self) -> &[u8] {
        let fields = self.fields();
        // SAFETY: `data_off + data_len` is within the buffer (invariant), which is initialised
        // memory and ours while `self` is borrowed.
        unsafe {
            core::slice::from_raw_parts(
                fields.buf_addr.cast::<u8>().add(usize::from(fields.data_off)),
                usize::from(fields.data_len),
            )
        }
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        let fields = self.fields_mut();
        // SAFETY: as in `data`, exclusive while `self` is borrowed so.
        unsafe {
            core::slice::from_raw_parts_mut(
                fields.buf_addr.cast::<u8>().add(usize::from(fields.data_off)),
                usize::from(fields.data_len),
            )
        }
    }

    #[inline]
    fn len(&self) -> u32 {
        self.fields().pkt_len
    }

    #[inline]
    fn headroom(&self) -> u16 {
        self.fields().data_off
    }

    fn open_front(&mut self, count: u16) -> Result<(), NoRoom> {
        let fields = self.fields_mut();
        let missing = count.saturating_sub(fields.data_off);
        if missing == 0 {
            return Ok(());
        }
        // What has several segments would leave a gap between the first and the second.
        let room = if fields.next.is_null() { Self::tailroom(fields) } else { 0 };
        if missing > room {
            return Err(NoRoom { wanted: count, room: fields.data_off.saturating_add(room) });
        }
        let start = fields.buf_addr.cast::<u8>();
        let (from, to) = (usize::from(fields.data_off), usize::from(fields.data_off + missing));
        // SAFETY: source and destination lie within the buffer, because the tailroom holds what is
        // missing; `copy` allows overlap.
        unsafe {
            core::ptr::copy(start.add(from), start.add(to), usize::from(fields.data_len));
        }
        fields.data_off += missing;
        Ok(())
    }

    #[inline]
    fn prepend(&mut self, count: u16) -> Result<&mut [u8], NoRoom> {
        let room = self.headroom();
        let fields = self.fields_mut();
        let (Some(offset), Some(length)) =
            (fields.data_off.checked_sub(count), fields.data_len.checked_add(count))
        else {
            return Err(NoRoom { wanted: count, room });
        };
        fields.data_off = offset;
        fields.data_len = length;
        fields.pkt_len += u32::from(count);
        Ok(self.data_mut().get_mut(..usize::from(count)).unwrap_or(&mut []))
    }

    #[inline]
    fn trim_front(&mut self, count: u16) -> Result<(), TooShort> {
        self.pull_up(count)?;
        let fields = self.fields_mut();
        fields.data_off += count;
        fields.data_len -= count;
        fields.pkt_len -= u32::from(count);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let last = self.last_mut();
        let room = Self::tailroom(last);
        let wanted = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        if usize::from(room) < bytes.len() {
            return Err(NoRoom { wanted, room });
        }
        let end = usize::from(last.data_off) + usize::from(last.data_len);
        // SAFETY: `bytes.len()` octets fit behind `end` in the buffer, which is ours and not where
        // `bytes` lies, as that is borrowed from somewhere else.
        unsafe {
            let place = last.buf_addr.cast::<u8>().add(end);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
        }
        last.data_len += wanted;
        self.fields_mut().pkt_len += u32::from(wanted);
        Ok(())
    }

    fn truncate(&mut self, length: u32) {
        if length >= self.len() {
            return;
        }
        let mut left = length;
        let mut segment = self.raw;
        let mut count = 1;
        let tail = loop {
            // SAFETY: a valid segment of this packet, which is borrowed exclusively.
            let fields = unsafe { segment.as_mut() };
            if left <= u32::from(fields.data_len) {
                fields.data_len = u16::try_from(left).unwrap_or(fields.data_len);
                break core::mem::replace(&mut fields.next, core::ptr::null_mut());
            }
            left -= u32::from(fields.data_len);
            match NonNull::new(fields.next) {
                Some(next) => segment = next,
                None => break core::ptr::null_mut(),
            }
            count += 1;
        };
        self.fields_mut().nb_segs = count;
        self.fields_mut().pkt_len = length;
        if !tail.is_null() {
            // SAFETY: the chain is unlinked; nobody else refers to it.
            unsafe { dpdk_sys::kumiki_free(tail) };
        }
    }

    #[inline]
    fn pull_up(&mut self, count: u16) -> Result<(), TooShort> {
        let fields = self.fields();
        if fields.data_len >= count {
            return Ok(());
        }
        if u32::from(count) > fields.pkt_len || count > fields.buf_len {
            let length = fields.pkt_len.min(u32::from(fields.buf_len));
            return Err(TooShort { wanted: count, length });
        }
        if count - fields.data_len > Self::tailroom(fields) {
            self.use_headroom();
        }
        while let Some(missing) = count.checked_sub(self.fields().data_len).filter(|n| *n > 0) {
            let is_short = self.merge_second(missing) == 0 && self.fields().next.is_null();
            if is_short {
                let length = u32::from(self.fields().data_len);
                return Err(TooShort { wanted: count, length });
            }
        }
        Ok(())
    }

    #[inline]
    fn meta(&self) -> &PacketMeta {
        let fields = &raw const self.fields().dynfield1;
        // SAFETY: the fields are ours (`reserve_meta`), big enough and aligned (asserted), and any
        // octets are a `PacketMeta`, which is plain integers.
        unsafe { &*fields.cast::<PacketMeta>() }
    }

    #[inline]
    fn meta_mut(&mut self) -> &mut PacketMeta {
        // SAFETY: as in `meta`, exclusive while `self` is borrowed so.
        unsafe { &mut *(&raw mut self.fields_mut().dynfield1).cast::<PacketMeta>() }
    }

    fn release(burst: &mut Burst<Self>) {
        free_burst(burst);
    }

    fn copy_to(&self, out: &mut Vec<u8>) {
        for segment in self.segments() {
            // SAFETY: as in `data`, for each segment.
            let data = unsafe {
                core::slice::from_raw_parts(
                    segment.buf_addr.cast::<u8>().add(usize::from(segment.data_off)),
                    usize::from(segment.data_len),
                )
            };
            out.extend_from_slice(data);
        }
    }
}

/// Returns all packets of a burst to their pools at once.
pub fn free_burst(burst: &mut Burst<Mbuf>) {
    let mut raw = [core::ptr::null_mut(); crate::packet::BURST_MAX];
    let mut count = 0;
    for (place, packet) in raw.iter_mut().zip(burst.drain()) {
        *place = packet.into_raw();
        count += 1;
    }
    // SAFETY: the first `count` pointers are buffers whose ownership was given up just now.
    unsafe { dpdk_sys::kumiki_free_bulk(raw.as_mut_ptr(), count) }
}

#[cfg(test)]
mod tests;
