//! The trait of an owned packet buffer.
//!
//! Owns the contract between nodes and buffers; implemented by [`crate::packet::HeapBuf`] and by
//! `dpdk::Mbuf`.
//!
//! *Invariants*: headers are read from the first segment only; `data()` is that segment, `len()`
//! counts all segments. Dropping a buffer returns its memory.

use crate::packet::burst::Burst;
use crate::packet::meta::PacketMeta;

/// Octets kept free before a received frame: room for Ethernet, a VLAN tag, two IPv6 headers,
/// UDP and L2TPv3 with cookie and sublayer (14+4+40+40+8+20), rounded up. What gets more, a repair
/// around a pseudowire, makes room by [`PacketBuf::open_front`].
pub const HEADROOM_OCTETS: u16 = 128;

/// Largest Ethernet frame without FCS that a port may carry: 9216 octets of MTU, header and VLAN
/// tag.
pub const FRAME_OCTETS_MAX: u16 = 9216 + 14 + 4;

/// The headroom or tailroom does not hold what should be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} octets do not fit into the {room} octets left")]
pub struct NoRoom {
    /// Octets asked for.
    pub wanted: u16,
    /// Octets there were.
    pub room: u16,
}

/// The packet is shorter than what should be read or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} octets wanted, the packet has {length}")]
pub struct TooShort {
    /// Octets asked for.
    pub wanted: u16,
    /// Octets there are.
    pub length: u32,
}

/// An owned packet.
pub trait PacketBuf: Send + Sized {
    /// The first segment.
    fn data(&self) -> &[u8];

    /// The first segment, to change in place.
    fn data_mut(&mut self) -> &mut [u8];

    /// Octets in all segments.
    fn len(&self) -> u32;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets free before the first one.
    fn headroom(&self) -> u16;

    /// Moves the packet back in its buffer until `count` octets are free before it, where the room
    /// behind it allows that. Costs a copy of the packet: for what is rare.
    fn open_front(&mut self, count: u16) -> Result<(), NoRoom>;

    /// Adds `count` octets in front and gives them to be filled.
    fn prepend(&mut self, count: u16) -> Result<&mut [u8], NoRoom>;

    /// Removes `count` octets in front.
    fn trim_front(&mut self, count: u16) -> Result<(), TooShort>;

    /// Adds octets behind the last one.
    fn append(&mut self, bytes: &[u8]) -> Result<(), NoRoom>;

    /// Cuts the packet to `length` octets; longer ones are left alone.
    fn truncate(&mut self, length: u32);

    /// Makes the first `count` octets contiguous in the first segment.
    fn pull_up(&mut self, count: u16) -> Result<(), TooShort>;

    /// What is known of the packet.
    fn meta(&self) -> &PacketMeta;

    /// What is known of the packet, to change.
    fn meta_mut(&mut self) -> &mut PacketMeta;

    /// Appends all octets to `out`; for the way to the control plane.
    fn copy_to(&self, out: &mut Vec<u8>);

    /// Frees all packets of `burst`; buffers of a pool override this to go back in one step.
    fn release(burst: &mut Burst<Self>) {
        burst.drain().for_each(drop);
    }
}
