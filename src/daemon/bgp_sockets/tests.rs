//! Connections over the loopback, with the test as peer.

use super::*;
use crate::base::prefix::Ipv6Prefix;
use crate::control::bgp_transport::Expected;
use crate::os::poller::Events;

/// More than any wait here takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
const NOW: Instant = Instant::from_millis(1000);
const LOCALHOST: Ipv6Addr = Ipv6Addr::LOCALHOST;

/// The sockets with their poller, and what they said.
struct Bench {
    poller: Poller,
    sockets: BgpSockets,
    counters: DaemonCounters,
    said: Vec<Report>,
    /// Reports that still find room.
    room: usize,
}

impl Bench {
    fn new() -> Self {
        Self {
            poller: Poller::new().unwrap(),
            sockets: BgpSockets::default(),
            counters: DaemonCounters::default(),
            said: Vec::new(),
            room: usize::MAX,
        }
    }

    fn with_say(&mut self, act: impl FnOnce(&mut BgpSockets, &Poller, &DaemonCounters, Say<'_>)) {
        let (said, room) = (&mut self.said, &mut self.room);
        let mut say = |report| match *room {
            0 => Err(report),
            _ => {
                *room -= 1;
                said.push(report);
                Ok(())
            }
        };
        act(&mut self.sockets, &self.poller, &self.counters, &mut say);
    }

    fn order(&mut self, order: Order) {
        self.with_say(|sockets, poller, _, say| sockets.order(poller, (NOW, order), say));
    }

    /// Serves events until `is_enough`.
    fn until(&mut self, is_enough: impl Fn(&Self) -> bool) {
        let start = std::time::Instant::now();
        let mut events = Events::new();
        while !is_enough(self) {
            assert!(start.elapsed() < PATIENCE, "nothing more happens after {:?}", self.said);
            let moment = Duration::from_millis(10);
            self.poller.wait(Some(moment), &mut events).unwrap();
            for event in events.iter() {
                assert!(BgpSockets::is_ours(&event));
                self.with_say(|sockets, poller, counters, say| {
                    sockets.serve(poller, (NOW, event), counters, say);
                });
            }
        }
    }

    fn connect(&mut self, number: u64, port: u16) -> SocketId {
        let socket = SocketId::outgoing(number);
        self.order(Order::Connect {
            socket,
            local: LOCALHOST,
            remote: SocketAddrV6::new(LOCALHOST, port, 0, 0),
            security: Security::default(),
        });
        socket
    }

    fn chunks(&self) -> usize {
        self.said.iter().filter(|report| matches!(report, Report::Received { .. })).count()
    }

    fn received(&self) -> Vec<u8> {
        let octets = self.said.iter().filter_map(|report| match report {
            Report::Received { octets, .. } => Some(octets.as_slice()),
            _ => None,
        });
        octets.collect::<Vec<_>>().concat()
    }

    fn sent(&self) -> usize {
        let counts = self.said.iter().filter_map(|report| match report {
            Report::Sent { count, .. } => usize::try_from(*count).ok(),
            _ => None,
        });
        counts.sum()
    }

    fn has_connected(&self) -> bool {
        self.said.iter().any(|report| matches!(report, Report::Connected { .. }))
    }

    fn is_closed(&self) -> bool {
        self.said.iter().any(|report| matches!(report, Report::Closed { .. }))
    }
}

/// A port that nobody uses.
fn free_port() -> u16 {
    TcpListener::bind((LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A connection that the bench began, and its other end.
fn connected(bench: &mut Bench) -> (SocketId, TcpStream) {
    let listener = TcpListener::bind((LOCALHOST, 0)).unwrap();
    let socket = bench.connect(0, listener.local_addr().unwrap().port());
    bench.until(Bench::has_connected);
    (socket, listener.accept().unwrap().0)
}

fn listener(port: u16, peers: &str) -> Listener {
    let peers: Ipv6Prefix = peers.parse().unwrap();
    Listener {
        local: SocketAddrV6::new(LOCALHOST, port, 0, 0),
        peers: vec![Expected { peers, security: Security::default() }],
    }
}

#[test]
fn octets_go_both_ways() {
    let mut bench = Bench::new();
    let (socket, mut peer) = connected(&mut bench);
    bench.order(Order::Send { socket, octets: b"open".to_vec() });
    let mut octets = [0; 4];
    peer.read_exact(&mut octets).unwrap();
    assert_eq!((&octets, bench.sent()), (b"open", 4));
    peer.write_all(b"keepalive").unwrap();
    bench.until(|bench| bench.received() == b"keepalive");
    drop(peer);
    bench.until(Bench::is_closed);
    assert_eq!(bench.said.last(), Some(&Report::Closed { socket, failure: None }));
}

#[test]
fn nothing_is_read_beyond_what_the_speaker_takes() {
    let mut bench = Bench::new();
    let (socket, peer) = connected(&mut bench);
    let octets: Vec<u8> = (0..1_u32 << 20).map(|n| n.to_le_bytes()[1]).collect();
    let wanted = octets.clone();
    let writer = std::thread::spawn(move || (&peer).write_all(&octets).map(|()| peer));
    bench.until(|bench| bench.chunks() == usize::from(CHUNKS_MAX));
    let mut events = Events::new();
    let moment = Duration::from_millis(50);
    bench.poller.wait(Some(moment), &mut events).unwrap();
    assert!(events.iter().next().is_none(), "it is not even asked for");
    let mut taken = 0;
    while bench.received().len() < wanted.len() {
        for _ in taken..bench.chunks() {
            bench.order(Order::Taken { socket });
        }
        taken = bench.chunks();
        bench.until(|bench| bench.chunks() > taken);
    }
    assert!(bench.received() == wanted);
    drop(writer.join().unwrap());
}

#[test]
fn a_peer_that_does_not_read_takes_no_more_than_the_kernel() {
    let mut bench = Bench::new();
    let (socket, mut peer) = connected(&mut bench);
    let wanted = vec![7; 32 << 20];
    bench.order(Order::Send { socket, octets: wanted.clone() });
    assert!(bench.sent() < wanted.len());
    let reader = std::thread::spawn(move || {
        let mut octets = vec![0; 32 << 20];
        peer.read_exact(&mut octets).map(|()| octets)
    });
    bench.until(|bench| bench.sent() == wanted.len());
    assert!(reader.join().unwrap().unwrap() == wanted);
}

#[test]
fn the_last_word_goes_before_the_connection() {
    let mut bench = Bench::new();
    let (socket, mut peer) = connected(&mut bench);
    peer.write_all(b"not read any more").unwrap();
    bench.order(Order::Send { socket, octets: b"cease".to_vec() });
    bench.order(Order::Close { socket });
    let said = bench.said.len();
    let mut octets = Vec::new();
    let _ = peer.read_to_end(&mut octets);
    assert_eq!(octets, b"cease");
    drop(peer);
    bench.until(|bench| bench.sockets.ends_at().is_none());
    assert_eq!(bench.said.len(), said, "nothing is said of a connection that was closed");
}

#[test]
fn a_peer_that_never_closes_is_not_waited_for() {
    let mut bench = Bench::new();
    let (socket, mut peer) = connected(&mut bench);
    bench.order(Order::Close { socket });
    bench.sockets.end_late(&bench.poller, NOW);
    assert_eq!(bench.sockets.ends_at(), Some(NOW + LINGER));
    bench.sockets.end_late(&bench.poller, NOW + LINGER);
    assert_eq!(bench.sockets.ends_at(), None);
    assert_eq!(peer.read(&mut [0; 8]).unwrap_or_default(), 0);
}

#[test]
fn who_is_expected_comes_in_and_a_stranger_does_not() {
    let mut bench = Bench::new();
    let (open, closed) = (free_port(), free_port());
    bench.order(Order::Listen(vec![listener(open, "::1/128"), listener(closed, "2001:db8::/32")]));
    let mut stranger = TcpStream::connect((LOCALHOST, closed)).unwrap();
    let _expected = TcpStream::connect((LOCALHOST, open)).unwrap();
    let refused = |bench: &Bench| bench.counters.get(DaemonCounter::BgpStranger);
    bench.until(|bench| !bench.said.is_empty() && refused(bench) == 1);
    assert_eq!(stranger.read(&mut [0; 8]).unwrap_or_default(), 0);
    let Some(Report::Accepted { socket, remote, .. }) = bench.said.first() else { panic!() };
    assert!(!socket.is_outgoing());
    assert_eq!(remote.ip(), &LOCALHOST);
}

#[test]
fn who_comes_again_and_again_has_its_share_and_no_more() {
    let (mut bench, port) = (Bench::new(), free_port());
    bench.order(Order::Listen(vec![listener(port, "::1/128")]));
    let connect = || TcpStream::connect((LOCALHOST, port)).unwrap();
    let streams: Vec<TcpStream> = (0..=ACCEPTED_PER_PEER_MAX).map(|_| connect()).collect();
    bench.until(|bench| bench.counters.get(DaemonCounter::BgpStranger) == 1);
    assert_eq!(bench.sockets.sockets.len(), ACCEPTED_PER_PEER_MAX);
    // Who ends one may have another.
    drop(streams);
    bench.until(|bench| bench.sockets.sockets.is_empty());
    let _again = connect();
    bench.until(|bench| bench.sockets.sockets.len() == 1);
}

#[test]
fn listeners_come_and_go_and_connections_stay() {
    let mut bench = Bench::new();
    let port = free_port();
    bench.order(Order::Listen(vec![listener(port, "::1/128")]));
    let mut peer = TcpStream::connect((LOCALHOST, port)).unwrap();
    bench.until(|bench| !bench.said.is_empty());
    bench.order(Order::Listen(Vec::new()));
    assert!(TcpStream::connect((LOCALHOST, port)).is_err());
    peer.write_all(b"still here").unwrap();
    bench.until(|bench| bench.received() == b"still here");
    bench.order(Order::Listen(vec![listener(port, "::1/128")]));
    assert!(TcpStream::connect((LOCALHOST, port)).is_ok());
}

#[test]
fn a_connection_that_does_not_come_about_is_told() {
    let mut bench = Bench::new();
    let port = free_port();
    let socket = bench.connect(7, port);
    bench.until(|bench| !bench.said.is_empty());
    assert_eq!(bench.said, [Report::Failed { socket, failure: Failure::Refused }]);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let mut bench = Bench::new();
    let taken = TcpListener::bind((LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    bench.order(Order::Listen(vec![listener(port, "::1/128")]));
    let local = SocketAddrV6::new(LOCALHOST, port, 0, 0);
    let failure = Failure::System(libc::EADDRINUSE);
    assert_eq!(bench.said, [Report::Deaf { local, failure }]);
}

#[test]
fn what_finds_no_room_is_said_later_in_its_order() {
    let mut bench = Bench::new();
    let (socket, mut peer) = connected(&mut bench);
    bench.said.clear();
    bench.room = 0;
    peer.write_all(b"one").unwrap();
    bench.until(|bench| bench.sockets.must_say());
    bench.order(Order::Send { socket, octets: b"two".to_vec() });
    bench.room = 1;
    bench.with_say(|sockets, _, _, say| sockets.say_rest(say));
    assert_eq!((bench.received().as_slice(), bench.sent()), (b"one".as_slice(), 0));
    bench.room = usize::MAX;
    bench.with_say(|sockets, _, _, say| sockets.say_rest(say));
    assert_eq!(bench.sent(), 3);
    assert!(!bench.sockets.must_say());
}

#[test]
fn nobody_is_accepted_while_the_speaker_is_behind() {
    let mut bench = Bench::new();
    let port = free_port();
    bench.order(Order::Listen(vec![listener(port, "::1/128")]));
    bench.room = 0;
    let peers: Vec<TcpStream> =
        (0..8).map(|_| TcpStream::connect((LOCALHOST, port)).unwrap()).collect();
    bench.until(|bench| bench.sockets.ends_at().is_some());
    assert_eq!(bench.sockets.unsaid.len(), 1);
    let mut events = Events::new();
    bench.poller.wait(Some(Duration::from_millis(50)), &mut events).unwrap();
    assert!(events.iter().next().is_none(), "the listener rests");
    bench.room = usize::MAX;
    assert_eq!(bench.sockets.ends_at(), Some(NOW + ACCEPT_PAUSE));
    bench.with_say(|sockets, poller, _, say| {
        sockets.say_rest(say);
        sockets.end_late(poller, NOW + ACCEPT_PAUSE);
    });
    bench.until(|bench| bench.said.len() == peers.len());
    assert_eq!(bench.sockets.ends_at(), None);
}

#[test]
fn a_listener_that_rests_may_be_kept_or_closed() {
    let mut bench = Bench::new();
    let (port, other) = (free_port(), free_port());
    bench.order(Order::Listen(vec![listener(port, "::1/128")]));
    bench.room = 0;
    let _peers = [(); 2].map(|()| TcpStream::connect((LOCALHOST, port)).unwrap());
    bench.until(|bench| bench.sockets.ends_at().is_some());
    bench.order(Order::Listen(vec![listener(other, "::1/128"), listener(port, "::1/128")]));
    assert_eq!(bench.sockets.ends_at(), Some(NOW + ACCEPT_PAUSE));
    bench.room = usize::MAX;
    bench.with_say(|sockets, poller, _, say| {
        sockets.say_rest(say);
        sockets.end_late(poller, NOW + ACCEPT_PAUSE);
    });
    bench.until(|bench| bench.said.len() == 2);
    bench.order(Order::Listen(Vec::new()));
    assert!(TcpStream::connect((LOCALHOST, port)).is_err());
}

#[test]
fn an_answer_to_a_syn_goes_as_far_as_the_furthest_peer_needs() {
    let hop_limit = |sent: &[Option<u8>]| {
        let with = |sent: &Option<u8>| Expected {
            peers: "::1/128".parse().unwrap(),
            security: Security { hop_limit_sent: *sent, ..Security::default() },
        };
        let peers = sent.iter().map(with).collect();
        let local = SocketAddrV6::new(LOCALHOST, 0, 0, 0);
        let listener = BgpSockets::default().open(&Listener { local, peers }).unwrap();
        rustix::net::sockopt::ipv6_unicast_hops(&listener).unwrap()
    };
    let usual = hop_limit(&[None]);
    assert_eq!(hop_limit(&[Some(1)]), 1);
    assert_eq!(hop_limit(&[Some(1), None]), HOP_LIMIT_USUAL);
    assert_eq!(hop_limit(&[Some(255), None]), 255);
    assert_eq!(hop_limit(&[None, None]), usual);
}

#[test]
fn what_is_thrown_away_of_one_peer_keeps_nobody_waiting() {
    let mut bench = Bench::new();
    let (socket, mut peer) = connected(&mut bench);
    peer.write_all(&vec![0; CHUNK_OCTETS + 9]).unwrap();
    let waits = |bench: &Bench| rustix::io::ioctl_fionread(&bench.sockets.sockets[&socket].stream);
    assert_eq!(waits(&bench).unwrap(), CHUNK_OCTETS as u64 + 9);
    bench.order(Order::Close { socket });
    let token = SOCKET_TOKENS + socket.0;
    let event = Event { token, is_readable: true, is_writable: false, is_broken: false };
    bench.with_say(|sockets, poller, counters, say| {
        sockets.serve(poller, (NOW, event), counters, say);
    });
    assert_eq!(waits(&bench).unwrap(), 9);
}

#[test]
fn a_scope_is_an_interface_of_the_kernel_while_there_is_one() {
    const LOOPBACK: u32 = 1;
    let mut bench = Bench::new();
    let (port, scope) = (free_port(), 7);
    let wanted = Listener {
        local: SocketAddrV6::new(LOCALHOST, port, 0, scope),
        ..listener(port, "::1/128")
    };
    let (local, failure) = (wanted.local, Failure::AddressAbsent);
    bench.order(Order::Listen(vec![wanted.clone()]));
    assert_eq!(bench.said, [Report::Deaf { local, failure }]);
    let socket = SocketId::outgoing(0);
    let remote = SocketAddrV6::new(LOCALHOST, port, 0, scope);
    let security = Security::default();
    bench.order(Order::Connect { socket, local: LOCALHOST, remote, security });
    assert_eq!(bench.said.pop(), Some(Report::Failed { socket, failure }));

    let scopes = Scopes::from([(scope, LOOPBACK)]);
    bench.with_say(|sockets, poller, _, say| sockets.set_scopes(poller, scopes, say));
    let _peer = TcpStream::connect((LOCALHOST, port)).unwrap();
    let accepted = |bench: &Bench| {
        let mut said = bench.said.iter();
        said.find_map(|report| match report {
            Report::Accepted { local, remote, .. } => Some((*local, remote.scope_id())),
            _ => None,
        })
    };
    bench.until(|bench| accepted(bench).is_some());
    assert_eq!(accepted(&bench), Some((local, scope)), "as the speaker knows it");

    bench.said.clear();
    bench.with_say(|sockets, poller, _, say| sockets.set_scopes(poller, Scopes::new(), say));
    assert_eq!(bench.said, [Report::Deaf { local, failure }]);
    assert!(TcpStream::connect((LOCALHOST, port)).is_err());
}
