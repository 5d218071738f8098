//! What a router owes on every kind of port: the longest packet in one segment, and the right
//! answer to one that is an octet longer.

use crate::router::{Router, error_address, host_address, host_mac, router_mac, send};
use crate::{Bench, add_cable, inside, options};
use kumiki::base::cursor::{Reader, Writer};
use kumiki::dataplane::DropReason;
use kumiki::os::xdp;
use kumiki::packet::{Burst, PacketBuf, PortRx};
use kumiki::ports::DeviceSpec;
use kumiki::ports::dpdk::{OpenPort, open};
use kumiki::wire::ethernet::EthernetHeader;
use kumiki::wire::icmpv6::Icmpv6Message;
use kumiki::wire::ipv6::{Ipv6Header, NEXT_ICMPV6, NEXT_UDP};
use std::time::{Duration, Instant};

const ETHERNET_OCTETS: usize = 14;

/// A frame around a packet of `length` octets from the host of port `from` to that of port `to`.
pub fn frame(from: u8, to: u8, length: usize, seed: u8) -> Vec<u8> {
    let mut writer = Writer::default();
    EthernetHeader::ipv6(router_mac(from), host_mac(from)).encode(&mut writer);
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_length: u16::try_from(length - 40).unwrap(),
        next_header: NEXT_UDP,
        hop_limit: 64,
        source: host_address(from),
        destination: host_address(to),
    };
    writer.put(&header.to_octets());
    let payload: Vec<u8> = (0..length - 40).map(|place| place.to_le_bytes()[0] ^ seed).collect();
    writer.put(&payload);
    writer.into_vec()
}

/// The packet of a frame that the router forwarded, with the hop limit as it was.
fn packet_of(frame: &[u8]) -> Vec<u8> {
    let mut packet = frame[ETHERNET_OCTETS..].to_vec();
    packet[7] += 1;
    packet
}

/// The MTU of the Packet Too Big in a frame, which quotes as much as fits into 1280 octets.
fn too_big(frame: &[u8], refused: &[u8]) -> u32 {
    let mut reader = Reader::new(frame);
    EthernetHeader::decode(&mut reader).unwrap();
    let header = Ipv6Header::decode(&mut reader).unwrap();
    assert_eq!((header.source, header.next_header), (error_address(1), NEXT_ICMPV6));
    let message = Icmpv6Message::decode(header.source, header.destination, reader.rest()).unwrap();
    let Icmpv6Message::PacketTooBig { mtu, quote } = message else { panic!("{message:?}") };
    assert_eq!(quote, refused[ETHERNET_OCTETS..][..1280 - 48]);
    mtu
}

/// Two hosts with a router between them: the host of a port, and the port.
struct Path {
    hosts: [OpenPort; 2],
    router: Router,
}

impl Path {
    /// Packets of exactly `mtu` octets go from the first to the second host, longer ones do not.
    fn carries(&mut self, bench: &mut Bench, mtu: u16) {
        let [near, far] = &mut self.hosts;
        let length = usize::from(mtu);
        let before = self.router.counts().dropped(DropReason::PacketTooBig);
        let fits = frame(1, 2, length, 1);
        send(bench, near, &[fits.clone(), frame(1, 2, length - 1, 2)]);
        let arrived = self.router.deliver(far, 2);
        assert!(packet_of(&arrived[0]) == fits[ETHERNET_OCTETS..], "changed on the way");
        assert_eq!(arrived[1].len(), ETHERNET_OCTETS + length - 1);
        let refused = frame(1, 2, length + 1, 3);
        send(bench, near, &[refused.clone(), fits.clone()]);
        let answer = self.router.deliver(near, 1);
        assert_eq!(too_big(&answer[0], &refused), u32::from(mtu));
        assert!(packet_of(&self.router.deliver(far, 1)[0]) == fits[ETHERNET_OCTETS..]);
        assert_eq!(self.router.counts().dropped(DropReason::PacketTooBig), before + 1);
    }

    /// A packet of `mtu` octets goes from the second host to the first.
    fn carries_back(&mut self, bench: &mut Bench, mtu: u16) {
        let [near, far] = &mut self.hosts;
        let sent = frame(2, 1, usize::from(mtu), 4);
        send(bench, far, core::slice::from_ref(&sent));
        let arrived = self.router.deliver(near, 1);
        assert!(packet_of(&arrived[0]) == sent[ETHERNET_OCTETS..], "changed on the way");
    }
}

fn open_spec(bench: &Bench, spec: &DeviceSpec) -> OpenPort {
    open(&bench.eal, spec, &options(), bench.pool).unwrap()
}

#[test]
fn packets_of_exactly_the_mtu_of_each_port_pass_af_packet() {
    inside("forward::packets_of_exactly_the_mtu_of_each_port_pass_af_packet", || {
        let mut bench = Bench::new();
        add_cable(3);
        for mtu in [1280, 1500, 4000, 8999, 9000] {
            let hosts = ["veth1", "veth4"].map(|name| bench.open(name, 1));
            let ports = [("veth2", 9000), ("veth3", mtu)];
            let router = Router::new(ports.map(|(name, mtu)| (bench.open(name, 1), mtu)));
            let mut path = Path { hosts, router };
            if mtu < 9000 {
                path.carries(&mut bench, mtu);
            } else {
                // Nothing longer comes in by these interfaces.
                let [near, far] = &mut path.hosts;
                send(&mut bench, near, &[frame(1, 2, 9000, 1)]);
                path.router.deliver(far, 1);
            }
            path.carries_back(&mut bench, mtu.max(1500));
        }
        println!("1280, 1500, 4000, 8999 and 9000 octets pass, one more is answered");
    });
}

#[test]
fn a_port_with_a_smaller_mtu_than_9000_answers_what_a_larger_one_lets_in() {
    inside(
        "forward::a_port_with_a_smaller_mtu_than_9000_answers_what_a_larger_one_lets_in",
        || {
            let mut bench = Bench::new();
            add_cable(3);
            for name in ["veth1", "veth2"] {
                crate::ip(&format!("link set {name} mtu 9216"));
            }
            let hosts = ["veth1", "veth4"].map(|name| bench.open(name, 1));
            let ports = [("veth2", 9216), ("veth3", 9000)];
            let router = Router::new(ports.map(|(name, mtu)| (bench.open(name, 1), mtu)));
            let mut path = Path { hosts, router };
            path.carries(&mut bench, 9000);
            path.carries_back(&mut bench, 9000);
        },
    );
}

#[test]
fn memif_forwards_jumbo_packets_in_one_segment() {
    inside("forward::memif_forwards_jumbo_packets_in_one_segment", || {
        let mut bench = Bench::new();
        let name = format!("@kumiki-{}", std::process::id());
        let memif = |role: &str| DeviceSpec::Memif(format!("{name},role={role},id=0"));
        let mut far = open_spec(&bench, &memif("server"));
        let near = bench.open("veth1", 1);
        let port = open_spec(&bench, &memif("client"));
        assert!(port.mtu_max == 0 || port.mtu_max >= 9000, "{}", port.mtu_max);
        let is_up = |port: &OpenPort| port.stats.link().is_some_and(|link| link.is_up);
        let started = Instant::now();
        while !(is_up(&far) && is_up(&port)) && started.elapsed() < crate::router::PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Each end posts the buffers that the other one sends into when it polls.
        far.queues.first_mut().unwrap().rx.receive(&mut Burst::new());
        let mut router = Router::new([(bench.open("veth2", 1), 9000), (port, 8000)]);
        router.run_once();
        let mut path = Path { hosts: [near, far], router };
        path.carries(&mut bench, 8000);
        path.carries_back(&mut bench, 9000);
    });
}

#[test]
fn a_tap_takes_jumbo_packets_and_says_what_it_can_send() {
    inside("forward::a_tap_takes_jumbo_packets_and_says_what_it_can_send", || {
        let mut bench = Bench::new();
        let port = open_spec(&bench, &DeviceSpec::Tap("kumitap0".into()));
        std::fs::write("/proc/sys/net/ipv6/conf/kumitap0/disable_ipv6", "1").unwrap();
        crate::ip("link set kumitap0 mtu 9000 up");
        let far = bench.open("kumitap0", 1);
        // Its driver sends nothing longer than it was made with.
        assert_eq!(port.mtu_max, 1500);
        let mtu = port.mtu_max;
        let hosts = [bench.open("veth1", 1), far];
        let router = Router::new([(bench.open("veth2", 1), 9000), (port, mtu)]);
        let mut path = Path { hosts, router };
        path.carries(&mut bench, mtu);
        path.carries_back(&mut bench, 9000);
    });
}

#[test]
fn af_xdp_forwards_the_longest_packets_that_it_announces() {
    inside("forward::af_xdp_forwards_the_longest_packets_that_it_announces", || {
        let mut bench = Bench::new();
        add_cable(3);
        for name in ["veth3", "veth4"] {
            crate::ip(&format!("link set {name} mtu {}", xdp::FRAME_OCTETS_MAX - 14));
        }
        let spec = DeviceSpec::AfXdp("veth3".into());
        let mut port = match open(&bench.eal, &spec, &options(), bench.pool) {
            Ok(port) => port,
            Err(error) => {
                // Not rootless, and not on every kernel.
                println!("skipped: {error}");
                return;
            }
        };
        let mtu = port.mtu_max;
        assert_eq!(mtu, xdp::MTU_BYTES_MAX);
        port.queues.first_mut().unwrap().rx.receive(&mut Burst::new());
        let hosts = ["veth1", "veth4"].map(|name| bench.open(name, 1));
        let router = Router::new([(bench.open("veth2", 1), 9000), (port, mtu)]);
        let mut path = Path { hosts, router };
        path.carries(&mut bench, mtu);
        path.carries_back(&mut bench, mtu);
    });
}

#[test]
fn buffers_are_as_big_as_the_mtu_asks_and_ports_open_on_them() {
    inside("forward::buffers_are_as_big_as_the_mtu_asks_and_ports_open_on_them", || {
        let mut bench = Bench::new();
        let small = kumiki::dpdk::Mempool::create(&bench.eal, "small", 1024, 1500).unwrap();
        let (small_facts, jumbo_facts) = (small.facts(), bench.pool.facts());
        println!("1500: {small_facts:?}\n9000: {jumbo_facts:?}");
        assert_eq!(small_facts.data_room_octets, 2048 + 256);
        assert_eq!(jumbo_facts.data_room_octets, 10_240 + 256);
        assert!(small_facts.element_octets * 4 < jumbo_facts.element_octets);
        let mut left = bench.open("veth1", 1);
        let spec = DeviceSpec::AfPacket("veth2".into());
        let mut right = open(&bench.eal, &spec, &options(), small).unwrap();
        let sent = frame(1, 2, 1500, 9);
        send(&mut bench, &mut left, core::slice::from_ref(&sent));
        let started = Instant::now();
        let mut burst = Burst::new();
        let pair = right.queues.first_mut().unwrap();
        while burst.is_empty() && started.elapsed() < crate::router::PATIENCE {
            pair.rx.receive(&mut burst);
        }
        assert!(burst.pop().unwrap().data() == sent, "lost or changed");
    });
}
