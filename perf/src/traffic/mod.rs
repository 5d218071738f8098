//! Traffic of our own: made, sent, received and accounted for.
//!
//! Read [`mix`] (sizes of frames) and [`rate`] (how many a second), [`stream`] (what is sent:
//! addresses, ports, tunnels), [`frame`] (octets, and the signature by which a frame is known
//! again), [`pacer`] (when a frame is due), [`ledger`] (what arrived: loss, order, delay),
//! [`neighbour`] (MAC addresses), [`engine`] (the loop), [`report`] (series and plots), and where
//! DPDK is there `bench` (EAL and ports).
//!
//! Everything but the last works over any [`PacketBuf`](kumiki::packet::PacketBuf) and any clock,
//! so that it is tested without devices.

#[cfg(dpdk)]
pub mod bench;
pub mod engine;
pub mod frame;
pub mod ledger;
pub mod mix;
pub mod neighbour;
pub mod pacer;
pub mod rate;
pub mod report;
pub mod stream;
