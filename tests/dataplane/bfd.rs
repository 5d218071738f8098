//! BFD on a worker: its packets, who may speak to it, and what its failure does at once.

use crate::packets::{address, frame, header, open, packet};
use crate::router::{Router, neighbor_mac, only, own_mac};
use kumiki::base::ids::{NextHopId, PortId};
use kumiki::base::route::PortRole;
use kumiki::base::time::Duration;
use kumiki::dataplane::lcore::{EMPTY_LOOPS_MAX, SLEEP_MAX};
use kumiki::dataplane::{DropReason, IdlePolicy, IdleWait, PuntClass, Ring};
use kumiki::fib::Interface;
use kumiki::proto::bfd::{Key, KeyKind, Order, Report, Settings, Wanted};
use kumiki::wire::bfd::{CONTROL_PORT, ControlPacket, Diagnostic, DigestKind, State};
use kumiki::wire::ipv6::{Ipv6Header, NEXT_UDP};
use kumiki::wire::udp::UdpHeader;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const INTERVAL: Duration = Duration::from_millis(50);

fn wanted(port: u16) -> Wanted {
    Wanted {
        port: PortId(port),
        local: own_mac(port).link_local(),
        neighbor: neighbor_mac(port).link_local(),
        mac: neighbor_mac(port),
        settings: Settings {
            is_enabled: true,
            desired_min_tx: INTERVAL,
            required_min_rx: INTERVAL,
            multiplier: 3,
            key: None,
        },
    }
}

/// A session with the neighbour of a port.
pub fn want(port: u16) -> Order {
    Order::Want(wanted(port))
}

/// The control packet in a frame of the router, every header before it looked at.
fn read(port: u16, sent: &[u8]) -> ControlPacket {
    let (ethernet, ipv6, payload) = open(sent);
    assert_eq!((ethernet.destination, ethernet.source), (neighbor_mac(port), own_mac(port)));
    assert_eq!(ipv6.source, own_mac(port).link_local());
    assert_eq!(ipv6.destination, neighbor_mac(port).link_local());
    // RFC 5881 §5: "MUST be sent with a Time to Live (TTL) or Hop Limit value of 255."
    assert_eq!((ipv6.hop_limit, ipv6.next_header), (255, NEXT_UDP));
    let (udp, payload) = UdpHeader::decode(ipv6.source, ipv6.destination, &payload).unwrap();
    // RFC 5881 §4: "The source port MUST be in the range 49152 through 65535."
    assert!(udp.source_port >= 49152 && udp.destination_port == 3784);
    ControlPacket::decode(payload).unwrap().0
}

/// What the neighbour says in a state.
fn said(to: &ControlPacket, state: State) -> ControlPacket {
    ControlPacket {
        diagnostic: Diagnostic::NONE,
        state,
        is_poll: false,
        is_final: to.is_poll,
        is_control_plane_independent: false,
        is_demand: false,
        multiplier: 3,
        my_discriminator: 77,
        your_discriminator: to.my_discriminator,
        desired_min_tx_us: 50_000,
        required_min_rx_us: 50_000,
        required_min_echo_rx_us: 0,
        authentication: None,
    }
}

/// A frame of the neighbour around a BFD packet; the header may be changed.
fn frame_of(port: u16, bfd: &[u8], change: impl FnOnce(&mut Ipv6Header)) -> Vec<u8> {
    let own = own_mac(port).link_local();
    let mut header = Ipv6Header {
        source: neighbor_mac(port).link_local(),
        hop_limit: 255,
        ..header(&own.to_string(), NEXT_UDP)
    };
    change(&mut header);
    let udp = UdpHeader { source_port: 40_000, destination_port: CONTROL_PORT };
    let datagram = udp.encode(header.source, header.destination, bfd);
    frame(own_mac(port), neighbor_mac(port), &packet(header, &datagram))
}

/// The neighbour's answer to a frame.
pub fn answer_of(port: u16, sent: &[u8], state: State) -> Vec<u8> {
    frame_of(port, said(&read(port, sent), state).encode().as_slice(), |_| ())
}

fn reports(router: &Router) -> Vec<Report> {
    core::iter::from_fn(|| router.bfd.reports.pop()).collect()
}

/// The one frame that was sent by port 1.
fn sole(router: &Router) -> Vec<u8> {
    only(router.sent(1).into_iter().map(|frame| (1, frame)).collect()).1
}

/// A router whose session on port 1 is Up, and what it said last.
fn up() -> (Router, ControlPacket) {
    let mut router = Router::new();
    assert!(router.bfd.orders.push(want(1)).is_ok());
    router.run();
    let mut last = sole(&router);
    for state in [State::Init, State::Up] {
        router.receive(1, &answer_of(1, &last, state));
        router.run();
        if let Some(frame) = router.sent(1).pop() {
            last = frame;
        }
    }
    assert_eq!(reports(&router).last().unwrap().view.state, State::Up);
    (router, read(1, &last))
}

#[test]
fn a_session_speaks_as_rfc_5881_asks() {
    let mut router = Router::new();
    assert!(router.bfd.orders.push(want(1)).is_ok());
    router.run();
    let sent = sole(&router);
    let packet = read(1, &sent);
    assert_eq!((packet.state, packet.your_discriminator), (State::Down, 0));
    assert!(packet.is_control_plane_independent, "C: it outlives the control plane");
    assert_eq!(reports(&router).len(), 1);
    let counts = router.counts();
    assert_eq!((counts.originated, counts.bfd(PortId(1)).sent), (1, 1));
}

#[test]
fn each_session_has_a_discriminator_and_a_source_port_of_its_own() {
    let mut router = Router::new();
    for port in [1, 2] {
        assert!(router.bfd.orders.push(want(port)).is_ok());
    }
    router.run();
    let [one, two] = [1, 2].map(|port| router.sent(port).pop().unwrap());
    assert_ne!(read(1, &one).my_discriminator, read(2, &two).my_discriminator);
    let source_port = |frame: &[u8]| frame[54..56].to_vec();
    assert_ne!(source_port(&one), source_port(&two));
}

#[test]
fn a_silent_neighbour_loses_its_next_hops_in_the_loop_in_which_it_is_found_out() {
    let (mut router, _) = up();
    let started = router.now;
    while router.liveness.is_alive(NextHopId(0)) {
        router.now += Duration::from_millis(1);
        router.run_once();
        assert!(router.now - started <= INTERVAL * 3 + Duration::from_millis(1));
    }
    assert!(router.now - started >= INTERVAL * 3);
    // Only those of its port.
    assert!([1, 2, 3].into_iter().all(|number| router.liveness.is_alive(NextHopId(number))));
    let report = *reports(&router).last().unwrap();
    assert!(report.view.is_failed && report.port == PortId(1));
    assert_eq!(report.view.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
}

#[test]
fn packets_that_wait_are_read_before_a_timer_expires() {
    let (mut router, last) = up();
    // The worker was away for longer than the detection time; the packet came in time.
    router.receive(1, &frame_of(1, said(&last, State::Up).encode().as_slice(), |_| ()));
    router.now += INTERVAL * 4;
    router.run_once();
    assert!(router.liveness.is_alive(NextHopId(0)));
    assert_eq!(router.counts().bfd(PortId(1)).late_extensions, 0);
}

#[test]
fn a_worker_that_was_away_gives_the_neighbour_more_time_and_counts_it() {
    let (mut router, _) = up();
    router.now += INTERVAL * 6;
    router.run_once();
    assert!(router.liveness.is_alive(NextHopId(0)));
    assert_eq!(router.counts().bfd(PortId(1)).late_extensions, 1);
}

#[test]
fn a_session_that_comes_back_gives_its_next_hops_back() {
    let (mut router, _) = up();
    for _ in 0..16 {
        router.now += Duration::from_millis(10);
        router.run_once();
    }
    assert!(!router.liveness.is_alive(NextHopId(0)));
    let last = read(1, &router.sent(1).pop().unwrap());
    for state in [State::Down, State::Up] {
        router.receive(1, &frame_of(1, said(&last, state).encode().as_slice(), |_| ()));
        router.run();
    }
    assert!(router.liveness.is_alive(NextHopId(0)));
}

#[test]
fn what_bfd_says_is_not_undone_by_the_control_thread() {
    let (mut router, _) = up();
    for _ in 0..16 {
        router.now += Duration::from_millis(10);
        router.run_once();
    }
    router.liveness.set(NextHopId(0), true);
    assert!(!router.liveness.is_alive(NextHopId(0)));
    // The session ends: nobody says it any more.
    assert!(router.bfd.orders.push(Order::End { port: PortId(1) }).is_ok());
    router.run();
    assert!(router.liveness.is_alive(NextHopId(0)));
}

#[test]
fn who_is_not_on_the_link_is_not_heard() {
    let (mut router, last) = up();
    let bfd = said(&last, State::Down).encode();
    let bfd = bfd.as_slice();
    // RFC 5881 §5 (GTSM).
    let far = frame_of(1, bfd, |header| header.hop_limit = 254);
    router.refuses(&far, DropReason::BfdHopLimit);
    let far = frame_of(1, bfd, |header| header.source = address("2001:db8:1::10"));
    router.refuses(&far, DropReason::BfdSource);
    let stranger = frame_of(1, bfd, |header| header.source = address("fe80::99"));
    router.refuses(&stranger, DropReason::BfdNoSession);
    assert_eq!(router.counts().bfd(PortId(1)).refused, 2);
    assert!(reports(&router).is_empty(), "the session has not noticed");
    // To an address that can be reached from further off it is the host's: RFC 5883, for example.
    let sent = frame_of(1, bfd, |header| header.destination = address("fd00:1::1"));
    assert_eq!(router.pass(&sent), []);
    assert_eq!(router.punted().pop().unwrap().class, PuntClass::Host);
}

/// A router whose port 1 leads to another network.
fn edge(role: PortRole) -> Router {
    Router::with(|world| {
        let interfaces = Arc::make_mut(&mut world.interfaces);
        let port = interfaces.get(PortId(1)).unwrap().clone();
        assert!(interfaces.set(Interface { role, ..port }));
    })
}

#[test]
fn a_bgp_neighbor_is_watched_from_address_to_address_and_kills_no_one_else() {
    let mut router = edge(PortRole::Uplink);
    let (local, neighbor) = (address("fd00:1::1"), address("fd00:1::2"));
    let order = Order::Want(Wanted { local, neighbor, ..wanted(1) });
    assert!(router.bfd.orders.push(order).is_ok());
    router.run();
    let answer = |sent: &[u8], state| {
        let (_, ipv6, payload) = open(sent);
        assert_eq!((ipv6.source, ipv6.destination), (local, neighbor));
        let (_, payload) = UdpHeader::decode(ipv6.source, ipv6.destination, &payload).unwrap();
        let last = ControlPacket::decode(payload).unwrap().0;
        frame_of(1, said(&last, state).encode().as_slice(), |header| {
            (header.source, header.destination) = (neighbor, local);
        })
    };
    let mut last = sole(&router);
    for state in [State::Init, State::Up] {
        router.receive(1, &answer(&last, state));
        router.run();
        last = router.sent(1).pop().unwrap_or(last);
    }
    assert!(reports(&router).iter().any(|report| report.view.state == State::Up));
    router.receive(1, &answer(&last, State::Down));
    router.run();
    assert!(reports(&router).iter().any(|report| report.view.is_failed));
    assert!(router.liveness.is_alive(NextHopId(0)), "others may be on the link");
}

#[test]
fn bfd_for_the_host_stays_the_hosts_where_no_bgp_neighbor_can_be() {
    for (role, hop_limit) in [(PortRole::Lan, 255), (PortRole::Uplink, 254)] {
        let mut router = edge(role);
        let sent = frame_of(1, &[0; 24], |header| {
            (header.destination, header.hop_limit) = (address("fd00:1::1"), hop_limit);
        });
        assert_eq!(router.pass(&sent), []);
        assert_eq!(router.punted().pop().unwrap().class, PuntClass::Host);
    }
}

#[test]
fn bfd_to_a_link_local_address_is_not_heard_on_a_lan() {
    edge(PortRole::Lan).refuses(&frame_of(1, &[0; 24], |_| ()), DropReason::BfdPort);
}

#[test]
fn a_bgp_neighbor_is_watched_over_link_local_addresses() {
    let mut router = edge(PortRole::Uplink);
    assert!(router.bfd.orders.push(Order::Want(wanted(1))).is_ok());
    router.run();
    let mut last = sole(&router);
    for state in [State::Init, State::Up] {
        let payload = open(&last).2;
        let (own, neighbor) = (own_mac(1).link_local(), neighbor_mac(1).link_local());
        let (_, payload) = UdpHeader::decode(own, neighbor, &payload).unwrap();
        let heard = ControlPacket::decode(payload).unwrap().0;
        router.receive(1, &frame_of(1, said(&heard, state).encode().as_slice(), |_| ()));
        router.run();
        last = router.sent(1).pop().unwrap_or(last);
    }
    assert!(reports(&router).iter().any(|report| report.view.state == State::Up));
}

#[test]
fn broken_packets_are_counted_by_what_is_wrong() {
    let (mut router, last) = up();
    let good = said(&last, State::Up);
    let octets = good.encode();
    let mut sum = frame_of(1, octets.as_slice(), |_| ());
    *sum.last_mut().unwrap() ^= 1;
    router.refuses(&sum, DropReason::BfdUdp);
    let mut version = octets.as_slice().to_vec();
    version[0] = 0x40;
    router.refuses(&frame_of(1, &version, |_| ()), DropReason::BfdMalformed);
    router.refuses(&frame_of(1, &octets.as_slice()[..23], |_| ()), DropReason::BfdMalformed);
    let other = ControlPacket { your_discriminator: last.my_discriminator ^ 1, ..good };
    let other = frame_of(1, other.encode().as_slice(), |_| ());
    router.refuses(&other, DropReason::BfdDiscriminator);
    let key = Key::new(KeyKind::Digest(DigestKind::KeyedSha1), 1, b"key");
    let mut wanted = wanted(1);
    wanted.settings.key = key;
    assert!(router.bfd.orders.push(Order::Want(wanted)).is_ok());
    router.run();
    router.sent(1);
    let plain = frame_of(1, octets.as_slice(), |_| ());
    router.refuses(&plain, DropReason::BfdAuthentication);
}

#[test]
fn a_session_that_is_wanted_as_it_is_goes_on_untouched() {
    let (mut router, last) = up();
    // A control plane that starts again orders what its predecessor had.
    for order in [Order::Describe, want(1)] {
        assert!(router.bfd.orders.push(order).is_ok());
        router.run();
        let report = *reports(&router).last().unwrap();
        assert_eq!(report.view.state, State::Up);
        assert_eq!(report.view.discriminator, last.my_discriminator);
    }
    assert_eq!(router.sent(1).len(), 0);
}

#[test]
fn many_orders_and_polls_at_once_lose_nothing() {
    let (mut router, last) = up();
    for multiplier in 1..=20 {
        let mut wanted = wanted(1);
        wanted.settings.multiplier = multiplier;
        assert!(router.bfd.orders.push(Order::Want(wanted)).is_ok());
    }
    let poll = ControlPacket { is_poll: true, ..said(&last, State::Up) };
    for _ in 0..64 {
        router.receive(1, &frame_of(1, poll.encode().as_slice(), |_| ()));
    }
    router.run();
    let sent: Vec<_> = router.sent(1).iter().map(|frame| read(1, frame)).collect();
    assert!(sent.iter().any(|packet| packet.is_final && packet.multiplier == 20));
    assert_eq!(reports(&router).last().unwrap().view.multiplier, 20);
}

#[test]
fn a_router_that_leaves_says_admin_down() {
    let (mut router, _) = up();
    assert!(router.bfd.orders.push(Order::Leave).is_ok());
    router.run();
    let packet = read(1, &router.sent(1).pop().unwrap());
    assert_eq!(packet.state, State::AdminDown);
    assert_eq!(packet.diagnostic, Diagnostic::ADMINISTRATIVELY_DOWN);
    assert!(router.liveness.is_alive(NextHopId(0)), "no failure of the way");
    // Nothing brings it up any more.
    assert!(router.bfd.orders.push(want(1)).is_ok());
    router.run();
    assert_eq!(reports(&router).last().unwrap().view.state, State::AdminDown);
}

/// What the router says on port 1 within a time, and when.
fn said_within(router: &mut Router, span: Duration) -> Vec<(Duration, ControlPacket)> {
    let started = router.now;
    let mut said = Vec::new();
    while router.now - started < span {
        router.now += Duration::from_millis(10);
        router.run_once();
        let now = router.now - started;
        said.extend(router.sent(1).iter().map(|frame| (now, read(1, frame))));
    }
    said
}

#[test]
fn a_session_that_ends_says_admin_down_for_a_detection_time_and_is_gone_then() {
    let (mut router, last) = up();
    assert!(router.bfd.orders.push(Order::End { port: PortId(1) }).is_ok());
    router.run();
    assert_eq!(read(1, &sole(&router)).state, State::AdminDown);
    // Nor does another order to end it make this longer, and who asks does not hear of it.
    let first = said_within(&mut router, Duration::from_secs(2));
    for order in [Order::End { port: PortId(1) }, Order::Describe] {
        assert!(router.bfd.orders.push(order).is_ok());
    }
    let more = said_within(&mut router, Duration::from_secs(8));
    assert!(more.iter().all(|(at, _)| *at <= Duration::from_secs(1)), "not longer than that");
    let all: Vec<&ControlPacket> = first.iter().chain(&more).map(|(_, packet)| packet).collect();
    // §6.8.3: at the slow rate, of which a detection time has three.
    assert!((3..=4).contains(&all.len()), "{}", all.len());
    assert!(all.iter().all(|packet| packet.state == State::AdminDown));
    assert!(all.iter().all(|packet| packet.my_discriminator == last.my_discriminator));
    assert!(reports(&router).is_empty());
    let late = frame_of(1, said(&last, State::Down).encode().as_slice(), |_| ());
    router.refuses(&late, DropReason::BfdNoSession);
}

#[test]
fn a_session_that_is_wanted_while_the_one_before_says_goodbye_begins_at_once() {
    let (mut router, last) = up();
    assert!(router.bfd.orders.push(Order::End { port: PortId(1) }).is_ok());
    router.run();
    router.sent(1);
    said_within(&mut router, Duration::from_millis(500));
    assert!(router.bfd.orders.push(want(1)).is_ok());
    router.run();
    let mut frame = sole(&router);
    let first = read(1, &frame);
    assert_eq!((first.state, first.your_discriminator), (State::Down, 0));
    assert_ne!(
        first.my_discriminator, last.my_discriminator,
        "the control thread tells them apart"
    );
    for state in [State::Init, State::Up] {
        router.receive(1, &answer_of(1, &frame, state));
        router.run();
        if let Some(newer) = router.sent(1).pop() {
            frame = newer;
        }
    }
    let report = *reports(&router).last().unwrap();
    assert_eq!((report.view.state, report.view.discriminator), (State::Up, first.my_discriminator));
    // Nothing ends it when the time of the other one is over.
    for _ in 0..100 {
        router.receive(1, &answer_of(1, &frame, State::Up));
        let sent = said_within(&mut router, INTERVAL);
        assert!(sent.iter().all(|(_, packet)| packet.state == State::Up));
    }
}

#[test]
fn a_session_with_another_neighbour_takes_the_port_at_once() {
    let (mut router, last) = up();
    let other = Wanted { neighbor: address("fe80::99"), ..wanted(1) };
    assert!(router.bfd.orders.push(Order::Want(other)).is_ok());
    router.run();
    let sent = router.sent(1);
    let [goodbye, hello] = sent.as_slice() else { unreachable!("{} packets", sent.len()) };
    let goodbye = read(1, goodbye);
    assert_eq!(goodbye.state, State::AdminDown);
    assert_eq!(goodbye.my_discriminator, last.my_discriminator);
    assert_eq!(open(hello).1.destination, address("fe80::99"));
    assert_eq!(reports(&router).last().unwrap().neighbor, address("fe80::99"));
}

/// Notes how long the worker would sleep.
#[derive(Default)]
struct Waiter(Vec<Duration>);

impl IdleWait for Waiter {
    fn wait(&mut self, at_most: Duration) {
        self.0.push(at_most);
    }
}

#[test]
fn an_idle_worker_sleeps_until_the_next_packet_is_due_and_no_longer() {
    let (mut router, _) = up();
    let mut waiter = Waiter::default();
    let stop = AtomicBool::new(false);
    router.run_loop(IdlePolicy::Adaptive, EMPTY_LOOPS_MAX + 4, &stop, &mut waiter);
    let slept = waiter.0[0];
    // §6.8.7: an interval less 0 to 25 %.
    assert!(slept >= INTERVAL * 3 / 4 && slept <= INTERVAL && INTERVAL < SLEEP_MAX, "{slept:?}");
}

/// Wants something else of the session whenever the worker sleeps, which makes it send.
struct Meddler {
    orders: Arc<Ring<Order>>,
    waits: u8,
}

impl IdleWait for Meddler {
    fn wait(&mut self, _: Duration) {
        self.waits += 1;
        let mut wanted = wanted(1);
        wanted.settings.multiplier = 3 + self.waits;
        assert!(self.orders.push(Order::Want(wanted)).is_ok());
    }
}

#[test]
fn packets_of_bfd_do_not_keep_a_worker_awake() {
    let (mut router, _) = up();
    let mut meddler = Meddler { orders: Arc::clone(&router.bfd.orders), waits: 0 };
    let stop = AtomicBool::new(false);
    // Empty loops once; then for each sleep a loop with a packet and two looks.
    router.run_loop(IdlePolicy::Adaptive, EMPTY_LOOPS_MAX + 40, &stop, &mut meddler);
    assert!(meddler.waits >= 10, "{}", meddler.waits);
}
