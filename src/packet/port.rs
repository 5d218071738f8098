//! Where bursts come from and go to: the two halves of a port, as a worker sees them.
//!
//! Owns the traits; `ports` implements them for DPDK queues, TAP devices, captures and memory.
//!
//! *Invariants*: a queue belongs to one worker. `send` takes exactly what the device took from the
//! front of the burst and leaves the rest inside, to be dropped by the caller with a reason.

use crate::packet::burst::Burst;

/// A receive queue.
pub trait PortRx<B>: Send {
    /// Moves waiting packets into `burst`, as many as are there and fit; says how many.
    fn receive(&mut self, burst: &mut Burst<B>) -> usize;
}

/// A transmit queue.
pub trait PortTx<B>: Send {
    /// Hands packets to the device, oldest first; says how many it took.
    fn send(&mut self, burst: &mut Burst<B>) -> usize;

    /// Has the device put a VLAN tag into these packets when they are sent next; false where it
    /// cannot, and nothing is changed then.
    fn insert_tag(&mut self, _burst: &mut Burst<B>, _vlan: u16) -> bool {
        false
    }
}

/// A source of empty buffers.
pub trait PacketAlloc<B>: Send {
    /// An empty buffer with full headroom, or `None` when the pool is dry (the caller counts it).
    fn alloc(&mut self) -> Option<B>;
}
