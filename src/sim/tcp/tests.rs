//! Two hosts, and packets between them that may get lost.

use super::*;
use crate::base::prng::Prng;
use crate::control::bgp_transport::{BGP_PORT, Expected};

const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const SOCKET: SocketId = SocketId::outgoing(0);
const STEP: Duration = Duration::from_millis(1);

struct Bench {
    hosts: [HostTcp; 2],
    said: [Vec<Report>; 2],
    now: Instant,
    loss_percent: u64,
    prng: Prng,
}

impl Bench {
    /// The second host awaits `peers`.
    fn new(peers: &str) -> Self {
        let now = Instant::from_millis(5);
        let mut bench = Self {
            hosts: [1, 2].map(|seed| HostTcp::new(now, seed)),
            said: [Vec::new(), Vec::new()],
            now,
            loss_percent: 0,
            prng: Prng::new(3),
        };
        bench.listen(peers);
        bench
    }

    fn listen(&mut self, peers: &str) {
        let security = Security { hop_limit_sent: Some(255), hop_limit_least: 255, key: None };
        let peers = vec![Expected { peers: peers.parse().unwrap(), security }];
        let local = SocketAddrV6::new(B, BGP_PORT, 0, 0);
        self.hosts[1].order(self.now, Order::Listen(vec![Listener { local, peers }]));
    }

    fn connect(&mut self, hop_limit: u8) {
        let security = Security { hop_limit_sent: Some(hop_limit), ..Security::default() };
        let remote = SocketAddrV6::new(B, BGP_PORT, 0, 0);
        let order = Order::Connect { socket: SOCKET, local: A, remote, security };
        self.hosts[0].order(self.now, order);
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            for place in 0..2 {
                if self.hosts[place].has_work(self.now) {
                    self.hosts[place].poll(self.now);
                }
                while let Some(report) = self.hosts[place].next_report() {
                    if let Report::Received { socket, .. } = &report {
                        self.hosts[place].order(self.now, Order::Taken { socket: *socket });
                    }
                    self.said[place].push(report);
                }
                while let Some(packet) = self.hosts[place].next_packet() {
                    assert!(HostTcp::is_ours(&packet));
                    if self.prng.below(100) >= self.loss_percent {
                        self.hosts[1 - place].receive(packet);
                    }
                }
            }
            self.now += STEP;
        }
    }

    fn accepted(&self) -> SocketId {
        let accepted = |report: &Report| match report {
            Report::Accepted { socket, .. } => Some(*socket),
            _ => None,
        };
        self.said[1].iter().find_map(accepted).unwrap()
    }

    fn received(&self, place: usize) -> Vec<u8> {
        let octets = |report: &Report| match report {
            Report::Received { octets, .. } => octets.clone(),
            _ => Vec::new(),
        };
        self.said[place].iter().flat_map(octets).collect()
    }
}

const SOON: Duration = Duration::from_millis(100);

#[test]
fn octets_go_both_ways_in_order_whatever_is_lost() {
    let mut bench = Bench::new("2001:db8::1/128");
    bench.loss_percent = 20;
    bench.connect(255);
    bench.run(Duration::from_secs(20));
    let peer = bench.accepted();
    assert!(matches!(bench.said[0][0], Report::Connected { socket: SOCKET, .. }));
    let octets: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let now = bench.now;
    bench.hosts[0].order(now, Order::Send { socket: SOCKET, octets: octets.clone() });
    bench.hosts[1].order(now, Order::Send { socket: peer, octets: b"back".to_vec() });
    bench.run(Duration::from_secs(200));
    assert!(bench.received(1) == octets && bench.received(0) == b"back");
    let sent = bench.said[0].iter().map(|report| match report {
        Report::Sent { count, .. } => *count,
        _ => 0,
    });
    assert_eq!(sent.sum::<u32>(), 100_000);
}

#[test]
fn a_handshake_that_loses_packets_ends_with_both_ends_of_one_connection() {
    for seed in 0..40 {
        let mut bench = Bench::new("2001:db8::1/128");
        // One that has ended leaves its place to the socket that waits, before the one that comes.
        bench.connect(255);
        bench.run(SOON);
        for (host, socket) in [SOCKET, bench.accepted()].into_iter().enumerate() {
            bench.hosts[host].order(bench.now, Order::Close { socket });
        }
        bench.run(Duration::from_secs(20));
        (bench.prng, bench.loss_percent) = (Prng::new(seed), 60);
        bench.connect(255);
        bench.run(Duration::from_secs(4));
        bench.loss_percent = 0;
        bench.hosts[0].order(bench.now, Order::Send { socket: SOCKET, octets: b"open".to_vec() });
        bench.run(Duration::from_secs(30));
        assert_eq!(bench.received(1), b"open", "seed {seed}: {:?}", bench.said);
    }
}

#[test]
fn the_last_word_comes_before_the_end_and_nothing_is_said_after_it() {
    let mut bench = Bench::new("2001:db8::1/128");
    bench.connect(255);
    bench.run(SOON);
    let (now, peer) = (bench.now, bench.accepted());
    bench.hosts[0].order(now, Order::Send { socket: SOCKET, octets: b"cease".to_vec() });
    bench.hosts[0].order(now, Order::Close { socket: SOCKET });
    let said = bench.said[0].len();
    bench.run(SOON);
    assert_eq!(bench.received(1), b"cease");
    assert_eq!(bench.said[1].last(), Some(&Report::Closed { socket: peer, failure: None }));
    assert_eq!(bench.said[0].len(), said);
    bench.run(LINGER + SOON);
    assert!(bench.hosts.iter().all(|host| host.ending.is_empty() && host.open.is_empty()));
}

#[test]
fn who_awaits_nobody_refuses_and_a_stranger_is_turned_away() {
    let mut bench = Bench::new("2001:db8:9::/48");
    bench.connect(255);
    bench.run(SOON);
    assert!(bench.said[1].is_empty());
    assert!(matches!(bench.said[0].last(), Some(Report::Closed { .. } | Report::Failed { .. })));
    bench.hosts[1].order(bench.now, Order::Listen(Vec::new()));
    bench.said[0].clear();
    bench.connect(255);
    bench.run(SOON);
    let failure = Failure::Refused;
    assert_eq!(bench.said[0], [Report::Failed { socket: SOCKET, failure }]);
}

#[test]
fn packets_that_came_from_too_far_are_not_heard() {
    let mut bench = Bench::new("2001:db8::1/128");
    bench.connect(254);
    bench.run(Duration::from_secs(5));
    assert!(bench.said[0].is_empty() && bench.said[1].is_empty());
}

#[test]
fn the_next_life_of_a_host_resets_the_connections_of_the_last() {
    let mut bench = Bench::new("2001:db8::1/128");
    bench.connect(255);
    bench.run(SOON);
    bench.hosts[1] = HostTcp::new(bench.now, 9);
    bench.run(Duration::from_secs(30));
    assert_eq!(bench.said[0].len(), 1, "nothing is known before something is sent");
    bench.hosts[0].order(bench.now, Order::Send { socket: SOCKET, octets: vec![0; 19] });
    bench.run(SOON);
    let failure = Some(Failure::Reset);
    assert_eq!(bench.said[0].last(), Some(&Report::Closed { socket: SOCKET, failure }));
}

#[test]
fn whoever_wanted_the_connections_is_gone_and_the_peer_learns_it() {
    let mut bench = Bench::new("2001:db8::1/128");
    bench.connect(255);
    bench.run(SOON);
    let peer = bench.accepted();
    bench.hosts[0].forget_all(bench.now);
    bench.run(SOON);
    assert_eq!(bench.said[1].last(), Some(&Report::Closed { socket: peer, failure: None }));
    // It is awaited again, and comes by another port.
    bench.connect(255);
    bench.run(SOON);
    assert!(matches!(bench.said[1].last(), Some(Report::Accepted { .. })));
}
