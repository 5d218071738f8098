//! Pools of packet buffers, each big enough for a jumbo frame in one segment.
//!
//! Owns the sizes: room for data with headroom, the cache of
//! each thread. [`MbufAlloc`] is what a worker takes empty buffers from.
//!
//! *Invariants*: a pool is never freed, so every [`Mbuf`] may return at any time, on any thread.

use super::eal::{Eal, EalThread};
use super::failure::Failure;
use super::mbuf::Mbuf;
use crate::packet::PacketAlloc;
use crate::packet::buf::{FRAME_OCTETS_MAX, HEADROOM_OCTETS};
use core::ptr::NonNull;
use std::ffi::CString;

/// Octets of a slot in an AF_PACKET ring: the largest frame, the kernel's header and its alignment.
pub const RING_FRAME_OCTETS: u16 = 10_240;

/// Octets of a buffer, headroom included: the AF_PACKET driver wants room for a whole slot of its
/// ring.
pub const DATA_ROOM_OCTETS: u16 = RING_FRAME_OCTETS + 256;

/// Octets of a buffer in a pool for AF_XDP: with its headers it may not be larger than a page, or
/// the kernel refuses to share it (`XDP_UMEM_REG`).
pub const PAGE_ROOM_OCTETS: u16 = 4096 - 64 - 128 - 32 - 64;

/// Octets of such a buffer that the kernel may fill, its own headroom included.
pub const PAGE_FILL_OCTETS: u16 = PAGE_ROOM_OCTETS - PAGE_HEADROOM_OCTETS;

/// `RTE_PKTMBUF_HEADROOM`, as the assertion below sees to.
const PAGE_HEADROOM_OCTETS: u16 = 128;

/// Octets of the private area: what is known of a packet lies in the mbuf's own fields.
const PRIVATE_OCTETS: u16 = 0;

/// Buffers each thread keeps in its cache.
const CACHE_COUNT: u32 = 256;

/// Buffers [`MbufAlloc`] fetches at once.
const ALLOC_BULK: u32 = 32;

/// Smallest pool: less than one cache and a burst is of no use.
pub const BUFFERS_MIN: u32 = 1024;

const _: () = {
    assert!(HEADROOM_OCTETS as u32 <= dpdk_sys::RTE_PKTMBUF_HEADROOM);
    assert!(PAGE_HEADROOM_OCTETS as u32 == dpdk_sys::RTE_PKTMBUF_HEADROOM);
    assert!(FRAME_OCTETS_MAX <= RING_FRAME_OCTETS - 128);
    assert!(CACHE_COUNT <= dpdk_sys::RTE_MEMPOOL_CACHE_MAX_SIZE);
    assert!(CACHE_COUNT < BUFFERS_MIN / 2);
};

/// A pool; one for all ports, and one for AF_XDP ports where there are any. A handle, free to copy.
#[derive(Clone, Copy, Debug)]
pub struct Mempool {
    pool: NonNull<dpdk_sys::rte_mempool>,
}

// SAFETY: DPDK's pools may be used by any number of threads at once, and ours are never freed.
unsafe impl Send for Mempool {}
// SAFETY: as above.
unsafe impl Sync for Mempool {}

/// A pool could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a pool of {count} packet buffers: {failure}")]
pub struct MempoolError {
    /// Buffers wanted.
    pub count: u32,
    /// What DPDK said.
    pub failure: Failure,
}

impl Mempool {
    /// A pool of `count` buffers (at least [`BUFFERS_MIN`]) that hold any frame in one segment,
    /// under a name that is unique in the process.
    pub fn create(eal: &Eal, name: &str, count: u32) -> Result<Self, MempoolError> {
        Self::with_room(eal, name, count, DATA_ROOM_OCTETS)
    }

    /// A pool whose buffers fit into a page each, for AF_XDP.
    pub fn create_paged(eal: &Eal, name: &str, count: u32) -> Result<Self, MempoolError> {
        Self::with_room(eal, name, count, PAGE_ROOM_OCTETS)
    }

    fn with_room(_eal: &Eal, name: &str, count: u32, room: u16) -> Result<Self, MempoolError> {
        let count = count.max(BUFFERS_MIN);
        let name = CString::new(name.replace('\0', "_")).unwrap_or_default();
        let any_socket = -1;
        // SAFETY: EAL runs, which `_eal` proves; the name is copied by the callee.
        let pool = unsafe {
            dpdk_sys::rte_pktmbuf_pool_create(
                name.as_ptr(),
                count,
                CACHE_COUNT,
                PRIVATE_OCTETS,
                room,
                any_socket,
            )
        };
        match NonNull::new(pool) {
            Some(pool) => Ok(Self { pool }),
            None => Err(MempoolError { count, failure: Failure::from_errno() }),
        }
    }

    /// MiB that a pool of `count` buffers takes.
    pub fn memory_mib(count: u32) -> u32 {
        // Header of the pool's object, mbuf, data, and what alignment may add.
        let object = 64 + 128 + u64::from(DATA_ROOM_OCTETS) + 64;
        let mib = (u64::from(count.max(BUFFERS_MIN)) * object).div_ceil(1 << 20);
        u32::try_from(mib).unwrap_or(u32::MAX)
    }

    /// Buffers in the pool and in the caches of threads; walks over all caches.
    pub fn free_count(&self) -> u32 {
        // SAFETY: the pool lives for the whole process.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.pool.as_ptr()) }
    }

    /// Buffers that are somewhere else: in rings of ports, in bursts, in queues.
    pub fn in_use_count(&self) -> u32 {
        // SAFETY: the pool lives for the whole process.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.pool.as_ptr()) }
    }

    pub(super) fn as_ptr(self) -> *mut dpdk_sys::rte_mempool {
        self.pool.as_ptr()
    }
}

/// Empty buffers for one worker, fetched in bulk.
#[derive(Debug)]
pub struct MbufAlloc {
    pool: Mempool,
    ready: Vec<Mbuf>,
}

impl MbufAlloc {
    /// For the thread that the proof speaks for.
    pub fn new(pool: Mempool, _thread: &EalThread) -> Self {
        Self { pool, ready: Vec::with_capacity(ALLOC_BULK as usize) }
    }

    /// Fetches a bulk; nothing when the pool has fewer.
    #[cold]
    fn refill(&mut self) {
        let mut raw = [core::ptr::null_mut(); ALLOC_BULK as usize];
        // SAFETY: `raw` has room for the pointers asked for.
        let result = unsafe {
            dpdk_sys::kumiki_alloc_bulk(self.pool.as_ptr(), raw.as_mut_ptr(), ALLOC_BULK)
        };
        if result == 0 {
            // SAFETY: on success every pointer is a fresh mbuf of ours alone.
            let fresh = raw.into_iter().filter_map(|raw| unsafe { Mbuf::from_raw(raw) });
            self.ready.extend(fresh);
        }
    }
}

impl PacketAlloc<Mbuf> for MbufAlloc {
    fn alloc(&mut self) -> Option<Mbuf> {
        if self.ready.is_empty() {
            self.refill();
        }
        self.ready.pop()
    }
}
