//! A cable in memory: two ports, what one sends the other receives.
//!
//! For tests and for the simulation of the data plane; works over any packet buffer.
//!
//! *Invariants*: order is kept; a full cable takes nothing more, as a NIC's ring does, so `send`
//! says so and leaves the rest with the caller.

use crate::packet::{Burst, PortRx, PortTx};
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

/// Packets a cable holds in each direction.
pub const CABLE_PACKETS_MAX: usize = 1024;

/// One direction of the cable.
type Lane<B> = Arc<ArrayQueue<B>>;

/// The receiving half of a port in memory.
#[derive(Clone, Debug)]
pub struct MemoryRx<B>(Lane<B>);

/// The sending half of a port in memory.
#[derive(Clone, Debug)]
pub struct MemoryTx<B>(Lane<B>);

/// A port in memory.
#[derive(Debug)]
pub struct MemoryPort<B> {
    /// Where packets come from.
    pub rx: MemoryRx<B>,
    /// Where packets go to.
    pub tx: MemoryTx<B>,
}

/// Two ports with a cable of `packets_max` packets a direction between them.
pub fn cable<B>(packets_max: usize) -> (MemoryPort<B>, MemoryPort<B>) {
    let lane = || Arc::new(ArrayQueue::new(packets_max.clamp(1, CABLE_PACKETS_MAX)));
    let (there, back) = (lane(), lane());
    let left = MemoryPort { rx: MemoryRx(Arc::clone(&back)), tx: MemoryTx(Arc::clone(&there)) };
    let right = MemoryPort { rx: MemoryRx(there), tx: MemoryTx(back) };
    (left, right)
}

impl<B: Send> PortRx<B> for MemoryRx<B> {
    fn receive(&mut self, burst: &mut Burst<B>) -> usize {
        let mut count = 0;
        while burst.room() > 0 {
            let Some(packet) = self.0.pop() else { break };
            burst.extend([packet]);
            count += 1;
        }
        count
    }
}

impl<B: Send> PortTx<B> for MemoryTx<B> {
    fn send(&mut self, burst: &mut Burst<B>) -> usize {
        // Each direction has one sender, so what is free now stays free until it is used.
        let free = self.0.capacity() - self.0.len();
        let mut count = 0;
        burst.take_front(free, |packet| {
            debug_assert!(!self.0.is_full(), "a second sender on a cable");
            let _ = self.0.push(packet);
            count += 1;
        });
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{HeapBuf, PacketBuf};

    #[test]
    fn what_one_end_sends_the_other_receives_in_order() {
        let (mut left, mut right) = cable(8);
        let mut burst = Burst::new();
        burst.extend([b"a", b"b"].map(|bytes| HeapBuf::new(bytes)));
        assert_eq!(left.tx.send(&mut burst), 2);
        assert_eq!(right.rx.receive(&mut burst), 2);
        assert_eq!(burst.iter().map(PacketBuf::data).collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(left.rx.receive(&mut Burst::new()), 0);
        assert_eq!(right.tx.send(&mut burst), 2);
        assert_eq!(left.rx.receive(&mut Burst::<HeapBuf>::new()), 2);
    }

    #[test]
    fn a_full_cable_leaves_the_rest_in_the_burst() {
        let (mut left, _right) = cable(2);
        let mut burst = Burst::new();
        burst.extend(0..5);
        assert_eq!(left.tx.send(&mut burst), 2);
        assert_eq!(burst.drain().collect::<Vec<_>>(), [2, 3, 4]);
    }
}
