//! The small works that a packet consists of, each by itself: for criterion and for callgrind.
//!
//! Owns [`Kernel`] and the list of them. A pass does the work for a fixed number of packets; what
//! has to be built for it is built before.
//!
//! *Invariants*: a pass is the same work each time. Vector instructions are left out on purpose:
//! valgrind 3.19 knows no AVX-512, and counts shall not depend on the processor.

use crate::rib::Rib;
use crate::table::group;
use crate::traffic::frame::{Stamp, Template};
use crate::traffic::mix::Mix;
use crate::traffic::stream::{Destinations, Payload, Traffic};
use crate::world::{interfaces, neighbor, own_mac};
use kumiki::base::checksum::ipv6_upper_layer;
use kumiki::base::ids::{GroupId, LcoreId, MacAddress, NextHopId, PortId};
use kumiki::base::prng::Prng;
use kumiki::base::rcu::Publisher;
use kumiki::base::time::Instant;
use kumiki::dataplane::flow::flow_hash;
use kumiki::dataplane::lcore::WorkerRings;
use kumiki::dataplane::{LcoreCounters, PuntRings, PuntSender, Worker, WorkerPort, WorkerSetup};
use kumiki::fib::simd::Level;
use kumiki::fib::table::LOOKUP_BURST_MAX;
use kumiki::fib::{Fib, Forwarding, GroupTable, Liveness, NextHopGroup};
use kumiki::packet::{BURST_MAX, Burst, HeapBuf, PacketBuf, PortRx, PortTx};
use kumiki::wire::icmpv6::update_checksum;
use kumiki::wire::ipv6::Ipv6View;
use std::hint::black_box;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, PoisonError};

/// Packets of a pass: a few bursts.
const PACKETS: usize = 4 * BURST_MAX;
/// Hop limit of forwarded packets, which a pass restores.
const HOP_LIMIT: u8 = 64;

/// A piece of work.
pub struct Kernel {
    /// Its name.
    pub name: &'static str,
    /// Packets of a pass.
    pub packets: u64,
    /// The work.
    pub pass: Box<dyn FnMut()>,
}

/// A name and how to build what it needs.
pub struct Maker {
    /// The name.
    pub name: &'static str,
    make: fn() -> Box<dyn FnMut()>,
}

impl Maker {
    /// The kernel, ready to run.
    pub fn make(&self) -> Kernel {
        Kernel { name: self.name, packets: PACKETS as u64, pass: (self.make)() }
    }
}

/// All there are.
pub const ALL: [Maker; 8] = [
    Maker { name: "lookup, cluster", make: || lookup(&Rib::cluster()) },
    Maker { name: "lookup, 50,000 routes", make: || lookup(&Rib::public_shape(50_000)) },
    Maker { name: "flow hash", make: hash },
    Maker { name: "checksum, 64 octets", make: || checksum(64) },
    Maker { name: "checksum, 1440 octets", make: || checksum(1440) },
    Maker { name: "checksum update", make: update },
    Maker { name: "forward and rewrite", make: forward },
    Maker { name: "test frame, 128 octets", make: frame },
];

/// A pass in a function that callgrind can find by its name.
#[inline(never)]
pub fn counted_pass(kernel: &mut Kernel) {
    (kernel.pass)();
}

fn portable(rib: &Rib) -> Fib {
    let fib = crate::table::build(rib);
    fib.with_level(Level::Portable).unwrap_or(fib)
}

fn addresses(rib: &Rib) -> Vec<u128> {
    let destinations = Destinations::of_rib(rib, PACKETS);
    destinations.addresses.iter().map(|address| address.to_bits()).collect()
}

fn lookup(rib: &Rib) -> Box<dyn FnMut()> {
    let (fib, addresses) = (portable(rib), addresses(rib));
    let mut groups = vec![GroupId(0); addresses.len()];
    Box::new(move || {
        let bursts = addresses.chunks(LOOKUP_BURST_MAX);
        for (addresses, groups) in bursts.zip(groups.chunks_mut(LOOKUP_BURST_MAX)) {
            fib.lookup_burst(addresses, groups);
        }
        black_box(&groups);
    })
}

/// Frames of 128 octets to these addresses.
fn packets(destinations: &[u128]) -> Vec<HeapBuf> {
    let template = Template::new(&traffic(), 128);
    let make = |(sequence, destination): (u32, &u128)| {
        let mut packet = HeapBuf::new(&[]);
        let stamp = Stamp { epoch: 0, stream: 0, sequence, ticks: 0 };
        let filled = template.fill(&mut packet, stamp, &Ipv6Addr::from_bits(*destination));
        assert!(filled.is_ok(), "a buffer holds any frame");
        packet
    };
    (0..).zip(destinations).map(make).collect()
}

fn traffic() -> Traffic {
    Traffic {
        payload: Payload::Udp,
        mix: Mix::of(128),
        source: Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 2),
        destinations: Destinations { name: String::new(), addresses: Vec::new() },
        streams: 1,
        source_mac: MacAddress([2, 0, 0, 0, 9, 9]),
        next_hop_mac: own_mac(0),
        hop_limit: HOP_LIMIT,
    }
}

fn hash() -> Box<dyn FnMut()> {
    let packets = packets(&addresses(&Rib::cluster()));
    Box::new(move || {
        for packet in &packets {
            let view = packet.data().get(14..).and_then(|octets| Ipv6View::new(octets).ok());
            black_box(view.map(|view| flow_hash(&view, 1)));
        }
    })
}

fn checksum(octets: usize) -> Box<dyn FnMut()> {
    let mut random = Prng::new(1);
    let payload: Vec<u8> = (0..octets).map(|_| random.next_u64().to_le_bytes()[0]).collect();
    let address = Ipv6Addr::LOCALHOST;
    Box::new(move || {
        for _ in 0..PACKETS {
            black_box(ipv6_upper_layer(address, address, 17, black_box(&payload)));
        }
    })
}

fn update() -> Box<dyn FnMut()> {
    Box::new(move || {
        for number in 0..PACKETS {
            let old = black_box(number).to_be_bytes();
            black_box(update_checksum(0x1234, &old, &[7; 8]));
        }
    })
}

fn frame() -> Box<dyn FnMut()> {
    let mut packets = packets(&addresses(&Rib::cluster()));
    let template = Template::new(&traffic(), 128);
    let destination = Ipv6Addr::LOCALHOST;
    Box::new(move || {
        for (sequence, packet) in (0..).zip(&mut packets) {
            packet.truncate(0);
            let stamp = Stamp { epoch: 0, stream: 0, sequence, ticks: u64::from(sequence) };
            let _ = black_box(template.fill(packet, stamp, &destination));
        }
    })
}

/// Packets that go round: what the worker sends comes in again.
#[derive(Clone, Default)]
struct Carousel(Arc<Mutex<Vec<HeapBuf>>>);

impl PortRx<HeapBuf> for Carousel {
    fn receive(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = burst.room().min(waiting.len());
        for mut packet in waiting.drain(..count) {
            let data = packet.data_mut();
            data[..6].copy_from_slice(&own_mac(0).0);
            data[21] = HOP_LIMIT;
            burst.extend([packet]);
        }
        count
    }
}

impl PortTx<HeapBuf> for Carousel {
    fn send(&mut self, burst: &mut Burst<HeapBuf>) -> usize {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = burst.len();
        waiting.extend(burst.drain());
        count
    }
}

/// Nobody sends here, and nothing is sent.
struct Silent;

impl PortRx<HeapBuf> for Silent {
    fn receive(&mut self, _: &mut Burst<HeapBuf>) -> usize {
        0
    }
}

impl PortTx<HeapBuf> for Silent {
    fn send(&mut self, _: &mut Burst<HeapBuf>) -> usize {
        0
    }
}

/// Two ports, one neighbour behind the second, and the routes of a cluster.
fn world(rib: &Rib) -> Forwarding {
    let most = rib.prefixes.len();
    let groups = (0..=most).map(|number| group(number).0).max().unwrap_or(0);
    let forward = (0..groups).map(|_| NextHopGroup::forward(vec![NextHopId(0)]));
    let groups: Vec<_> = core::iter::once(NextHopGroup::Unreachable).chain(forward).collect();
    Forwarding {
        table: portable(rib),
        groups: Arc::new(GroupTable::new(groups)),
        next_hops: Arc::new(vec![neighbor(0)]),
        interfaces: Arc::new(interfaces()),
        ..Forwarding::empty(Arc::new(Liveness::new(1)))
    }
}

/// A whole worker over packets on the heap: checks, lookup, rewrite, counters, and the carousel.
fn forward() -> Box<dyn FnMut()> {
    let rib = Rib::cluster();
    let carousel = Carousel::default();
    let mut waiting = packets(&addresses(&rib));
    carousel.0.lock().unwrap_or_else(PoisonError::into_inner).append(&mut waiting);
    let mut publisher = Publisher::new(world(&rib));
    let reader = publisher.reader().unwrap_or_else(|_| unreachable!("the first reader"));
    let port = |number, rx: Box<dyn PortRx<HeapBuf>>, tx: Box<dyn PortTx<HeapBuf>>| {
        WorkerPort::new(PortId(number), Some(rx), tx)
    };
    let mut worker = Worker::new(WorkerSetup {
        lcore: LcoreId(0),
        reader,
        ports: vec![
            port(0, Box::new(carousel.clone()), Box::new(Silent)),
            port(1, Box::new(Silent), Box::new(carousel.clone())),
        ],
        punts: PuntSender::new(PuntRings::new(), Box::new(|| {}), Box::new(|| {})),
        rings: WorkerRings::new(),
        counters: Arc::new(LcoreCounters::new(1)),
        hash_seed: 1,
        cycles: || 0,
    });
    Box::new(move || {
        // The publisher lives as long as its reader.
        let _ = &publisher;
        for _ in 0..PACKETS / BURST_MAX {
            worker.run_once(Instant::ZERO);
        }
        let waiting = carousel.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert!(waiting == PACKETS, "{waiting} of {PACKETS} packets came round");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_runs_again_and_again() {
        for maker in &ALL {
            let mut kernel = maker.make();
            for _ in 0..3 {
                counted_pass(&mut kernel);
            }
        }
    }
}
