//! A router of one worker on two real ports, with a host behind each.

use crate::Bench;
use kumiki::base::ids::{GroupId, LcoreId, MacAddress, NextHopId, PortId};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::route::PortRole;
use kumiki::base::time::Instant;
use kumiki::dataplane::lcore::{WorkerRings, WorldReader};
use kumiki::dataplane::{
    LcoreCounters, LcoreSnapshot, PuntRings, PuntSender, Worker, WorkerPort, WorkerSetup,
};
use kumiki::dpdk::Mbuf;
use kumiki::fib::{
    Adjacency, Fib, Forwarding, GroupTable, Interface, InterfaceTable, Liveness, NextHop,
    NextHopGroup,
};
use kumiki::packet::{Burst, PacketAlloc, PacketBuf, PortRx, PortTx};
use kumiki::ports::dpdk::{OpenPort, QueuePair};
use std::net::Ipv6Addr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant as WallClock};

/// Long enough for any frame to arrive.
pub const PATIENCE: Duration = Duration::from_secs(5);

struct Fixed(Forwarding);

impl WorldReader for Fixed {
    fn enter(&mut self) -> impl Deref<Target = Forwarding> + '_ {
        &self.0
    }

    fn park(&mut self) {}
}

/// MAC of the router's port 1 or 2.
pub fn router_mac(port: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, port])
}

/// MAC of the host behind port 1 or 2.
pub fn host_mac(port: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 1, port])
}

/// An address of the host behind port 1 or 2.
pub fn host_address(port: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, u16::from(port), 0, 0, 0, 0, 0x10)
}

/// The address that errors about packets of port 1 or 2 come from.
pub fn error_address(port: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, u16::from(port), 0, 0, 0, 0, 0, 1)
}

/// The router. What came out is read at the hosts.
pub struct Router {
    worker: Worker<Mbuf, Fixed>,
    counters: Arc<LcoreCounters>,
    /// Keeps the devices open.
    _ports: Vec<kumiki::dpdk::Port<kumiki::dpdk::Started>>,
}

impl Router {
    /// A router of these two ports, with an MTU each.
    pub fn new(ports: [(OpenPort, u16); 2]) -> Self {
        let mtus = [ports[0].1, ports[1].1];
        let mut kept = Vec::new();
        let mut worker_ports = Vec::new();
        for (number, (port, _)) in (1..).zip(ports) {
            let OpenPort { port, queues, .. } = port;
            let QueuePair { rx, tx, .. } = queues.into_iter().next().unwrap();
            worker_ports.push(WorkerPort::new(PortId(number), Some(Box::new(rx)), Box::new(tx)));
            kept.push(port);
        }
        let counters = Arc::new(LcoreCounters::new(2));
        let worker = Worker::new(WorkerSetup {
            lcore: LcoreId(0),
            reader: Fixed(world(mtus)),
            ports: worker_ports,
            punts: PuntSender::new(PuntRings::new(), Box::new(|| ()), Box::new(|| ())),
            rings: WorkerRings::new(),
            counters: Arc::clone(&counters),
            hash_seed: 7,
            cycles: || 0,
        });
        Self { worker, counters, _ports: kept }
    }

    /// One loop; says how many packets it took.
    pub fn run_once(&mut self) -> usize {
        let count = self.worker.run_once(Instant::from_millis(1));
        let counts = self.counts();
        assert!(counts.is_conserved(), "{counts:?}");
        count
    }

    /// The counters.
    pub fn counts(&self) -> LcoreSnapshot {
        self.counters.snapshot()
    }

    /// Runs until `host` received `count` frames; each lies in one segment.
    pub fn deliver(&mut self, host: &mut OpenPort, count: usize) -> Vec<Vec<u8>> {
        let started = WallClock::now();
        let mut frames = Vec::new();
        let mut burst = Burst::<Mbuf>::new();
        let pair = host.queues.first_mut().unwrap();
        while frames.len() < count && started.elapsed() < PATIENCE {
            self.run_once();
            pair.rx.receive(&mut burst);
            for packet in burst.drain() {
                assert_eq!(packet.data().len(), packet.len() as usize, "more than one segment");
                frames.push(packet.data().to_vec());
            }
        }
        assert_eq!(frames.len(), count, "{:?}", self.counts());
        frames
    }
}

fn world([first, second]: [u16; 2]) -> Forwarding {
    let interface = |number: u8, mtu| Interface {
        port: PortId(u16::from(number)),
        role: PortRole::Fabric,
        mac: router_mac(number),
        vlan: None,
        mtu,
        repair_mtu: mtu,
        link_local: router_mac(number).link_local(),
        icmp_source: error_address(number),
        is_up: true,
        link_peers: Vec::new(),
    };
    let next_hop = |number: u8| NextHop {
        port: PortId(u16::from(number)),
        address: host_mac(number).link_local(),
        adjacency: Some(Adjacency::ipv6(host_mac(number), router_mac(number))),
        encapsulation: None,
    };
    let mut table = Fib::default();
    let route = |port: u8| {
        let prefix = Ipv6Prefix::containing(host_address(port), 48);
        (prefix, Some(GroupId(u16::from(port))))
    };
    table.apply(&[route(1), route(2)]);
    let mut interfaces = InterfaceTable::default();
    assert!(interfaces.set(interface(1, first)) && interfaces.set(interface(2, second)));
    Forwarding {
        table,
        groups: Arc::new(GroupTable::new(vec![
            NextHopGroup::Unreachable,
            NextHopGroup::forward(vec![NextHopId(0)]),
            NextHopGroup::forward(vec![NextHopId(1)]),
        ])),
        next_hops: Arc::new(vec![next_hop(1), next_hop(2)]),
        interfaces: Arc::new(interfaces),
        ..Forwarding::empty(Arc::new(Liveness::new(2)))
    }
}

/// Sends frames from a host.
pub fn send(bench: &mut Bench, host: &mut OpenPort, frames: &[Vec<u8>]) {
    let mut burst = Burst::<Mbuf>::new();
    for frame in frames {
        let mut packet = bench.alloc.alloc().expect("the pool is big enough");
        packet.append(frame).unwrap();
        burst.push(packet).unwrap();
    }
    let pair = host.queues.first_mut().unwrap();
    assert_eq!(pair.tx.send(&mut burst), frames.len());
}
