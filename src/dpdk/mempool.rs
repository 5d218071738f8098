//! Pools of packet buffers, each big enough for the longest frame in one segment.
//!
//! Owns the sizes: room for data with headroom, the cache of each thread. [`MbufAlloc`] is what a
//! worker takes empty buffers from. How many buffers a router needs is the daemon's.
//!
//! *Invariants*: a pool is never freed, so every [`Mbuf`] may return at any time, on any thread. A
//! pool never grows.

use super::eal::{Eal, EalThread};
use super::failure::Failure;
use super::mbuf::Mbuf;
use crate::packet::PacketAlloc;
use crate::packet::buf::{FRAME_OCTETS_MAX, HEADROOM_OCTETS};
use core::ptr::NonNull;
use std::ffi::CString;

/// Octets that a buffer has beyond a slot of an AF_PACKET ring: the headroom, and as much again.
const ROOM_BEYOND_SLOT: u16 = 256;
/// Octets of a slot beside the frame: the kernel's header and its alignment.
const SLOT_HEADER_OCTETS: u16 = 128;
/// What an MTU does not count of a frame: the Ethernet header and a VLAN tag.
const L2_OCTETS: u16 = 14 + 4;
/// Two slots make a block of whole pages.
const SLOT_STEP_OCTETS: u16 = 2048;

/// Octets of a slot in an AF_PACKET ring for frames around packets of `mtu` octets; a buffer has
/// room for a whole slot, as the driver wants it.
pub const fn slot_octets(mtu: u16) -> u16 {
    (mtu + L2_OCTETS + SLOT_HEADER_OCTETS).next_multiple_of(SLOT_STEP_OCTETS)
}

/// Octets of a buffer, headroom included, for packets of `mtu` octets.
pub const fn room_octets(mtu: u16) -> u16 {
    slot_octets(mtu) + ROOM_BEYOND_SLOT
}

/// The largest MTU that a port can have.
pub const MTU_MAX: u16 = FRAME_OCTETS_MAX - L2_OCTETS;

/// Octets of a buffer in a pool for AF_XDP: with its headers it may not be larger than a page, or
/// the kernel refuses to share it (`XDP_UMEM_REG`).
pub const PAGE_ROOM_OCTETS: u16 = 4096 - 64 - 128 - PRIVATE_OCTETS - 64;

/// Octets of such a buffer that the kernel may fill, its own headroom included.
pub const PAGE_FILL_OCTETS: u16 = PAGE_ROOM_OCTETS - PAGE_HEADROOM_OCTETS;

/// `RTE_PKTMBUF_HEADROOM`, as the assertion below sees to.
const PAGE_HEADROOM_OCTETS: u16 = 128;

/// Octets of the private area: what is known of a packet lies in the mbuf's own fields.
const PRIVATE_OCTETS: u16 = 0;

/// Buffers each thread keeps in its cache.
pub const CACHE_COUNT: u32 = 256;

/// Buffers [`MbufAlloc`] fetches at once.
const ALLOC_BULK: u32 = 32;

/// Smallest pool: less than one cache and a burst is of no use.
pub const BUFFERS_MIN: u32 = 1024;

const _: () = {
    assert!(HEADROOM_OCTETS as u32 <= dpdk_sys::RTE_PKTMBUF_HEADROOM);
    assert!(PAGE_HEADROOM_OCTETS as u32 == dpdk_sys::RTE_PKTMBUF_HEADROOM);
    assert!(slot_octets(1500) == 2048 && slot_octets(9000) == slot_octets(MTU_MAX));
    assert!(HEADROOM_OCTETS <= ROOM_BEYOND_SLOT / 2);
    assert!(CACHE_COUNT <= dpdk_sys::RTE_MEMPOOL_CACHE_MAX_SIZE);
    assert!(CACHE_COUNT < BUFFERS_MIN / 2);
};

/// A pool; one for all ports, and one for AF_XDP ports where there are any. A handle, free to copy.
#[derive(Clone, Copy, Debug)]
pub struct Mempool {
    pool: NonNull<dpdk_sys::rte_mempool>,
    mtu: u16,
}

/// What a pool is and holds at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolFacts {
    /// Octets of all its memory.
    pub memory_octets: u64,
    /// Buffers it was made with.
    pub elements: u32,
    /// Octets of one of them, with everything around it.
    pub element_octets: u32,
    /// Buffers that are free, those in the caches of threads included.
    pub available: u32,
    /// Buffers that a thread may keep in its cache.
    pub cache_elements: u32,
    /// Octets that stay free before a frame.
    pub headroom_octets: u16,
    /// Octets of a buffer, headroom included.
    pub data_room_octets: u16,
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
    /// A pool of `count` buffers (at least [`BUFFERS_MIN`]) that hold packets of `mtu` octets in
    /// one segment, under a name that is unique in the process.
    pub fn create(eal: &Eal, name: &str, count: u32, mtu: u16) -> Result<Self, MempoolError> {
        let mtu = mtu.min(MTU_MAX);
        Self::with_room(eal, name, count, room_octets(mtu)).map(|pool| Self { pool, mtu })
    }

    /// A pool whose buffers fit into a page each, for AF_XDP.
    pub fn create_paged(eal: &Eal, name: &str, count: u32) -> Result<Self, MempoolError> {
        let mtu = PAGE_FILL_OCTETS - L2_OCTETS;
        Self::with_room(eal, name, count, PAGE_ROOM_OCTETS).map(|pool| Self { pool, mtu })
    }

    fn with_room(
        _eal: &Eal,
        name: &str,
        count: u32,
        room: u16,
    ) -> Result<NonNull<dpdk_sys::rte_mempool>, MempoolError> {
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
        NonNull::new(pool).ok_or_else(|| MempoolError { count, failure: Failure::from_errno() })
    }

    /// MiB that a pool of `count` buffers for packets of `mtu` octets takes.
    pub fn memory_mib(count: u32, mtu: u16) -> u32 {
        Self::mib(count, room_octets(mtu.min(MTU_MAX)))
    }

    /// MiB that a pool of `count` buffers takes that fit into a page each.
    pub fn paged_memory_mib(count: u32) -> u32 {
        Self::mib(count, PAGE_ROOM_OCTETS)
    }

    fn mib(count: u32, room: u16) -> u32 {
        // Header of the pool's object, mbuf, data, and what alignment may add.
        let object = 64 + 128 + u64::from(room) + 64;
        let mib = (u64::from(count.max(BUFFERS_MIN)) * object).div_ceil(1 << 20);
        u32::try_from(mib).unwrap_or(u32::MAX)
    }

    /// The longest packets that fit into one buffer, Ethernet header and VLAN tag not counted.
    pub const fn mtu(&self) -> u16 {
        self.mtu
    }

    /// What it is and holds; walks over all caches.
    pub fn facts(&self) -> MempoolFacts {
        let mut info = dpdk_sys::kumiki_pool_info::default();
        // SAFETY: the pool lives for the whole process; the shim fills the structure, which lives
        // on this stack.
        unsafe { dpdk_sys::kumiki_pool_describe(self.pool.as_ptr(), &raw mut info) };
        MempoolFacts {
            memory_octets: info.memory_octets,
            elements: info.elements,
            element_octets: info.element_octets,
            available: info.available,
            cache_elements: info.cache_elements,
            headroom_octets: info.headroom_octets,
            data_room_octets: info.data_room_octets,
        }
    }

    /// Buffers in the cache of the thread with this number ([`EalThread::lcore_id`]).
    pub fn cached_count(&self, lcore_id: u32) -> u32 {
        // SAFETY: the pool lives for the whole process; numbers of no thread have no cache.
        unsafe { dpdk_sys::kumiki_pool_cached(self.pool.as_ptr(), lcore_id) }
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

    /// Fetches a bulk, or one where the pool has fewer.
    #[cold]
    fn refill(&mut self) {
        if !self.fetch(ALLOC_BULK) {
            self.fetch(1);
        }
    }

    /// Fetches `count` buffers, at most a bulk, or none of them.
    fn fetch(&mut self, count: u32) -> bool {
        let mut raw = [core::ptr::null_mut(); ALLOC_BULK as usize];
        let count = count.min(ALLOC_BULK);
        // SAFETY: `raw` has room for the pointers asked for.
        let result =
            unsafe { dpdk_sys::kumiki_alloc_bulk(self.pool.as_ptr(), raw.as_mut_ptr(), count) };
        if result == 0 {
            // SAFETY: on success as many pointers are fresh mbufs of ours alone, the others null.
            let fresh = raw.into_iter().filter_map(|raw| unsafe { Mbuf::from_raw(raw) });
            self.ready.extend(fresh);
        }
        result == 0
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
