//! Arbitrary octets in arbitrary pieces at arbitrary times.

use super::super::limits::{RECEIVE_OCTETS_MAX, SEND_QUEUE_OCTETS_MAX, SEND_RESERVE_OCTETS_MAX};
use super::*;
use crate::base::prng::Prng;
use crate::wire::bgp::{RefreshKind, RouteRefresh};
use proptest::prelude::*;

/// One thing that the world does.
#[derive(Clone, Debug)]
enum Deed {
    Octets(Vec<u8>),
    Message(u8),
    /// A message with one octet changed.
    Broken(u8, usize, u8),
    Connected,
    OursConnected,
    Failed,
    Closed,
    Sent(usize),
    Pass(u64),
    Start,
    Stop(u8),
    Reset(u8),
    Updates,
    Refresh,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Deed::Octets),
        8 => (0_u8..7).prop_map(Deed::Message),
        3 => (0_u8..7, 0_usize..80, any::<u8>()).prop_map(|(a, b, c)| Deed::Broken(a, b, c)),
        4 => Just(Deed::Connected),
        3 => Just(Deed::OursConnected),
        1 => Just(Deed::Failed),
        1 => Just(Deed::Closed),
        2 => (0_usize..100_000).prop_map(Deed::Sent),
        4 => (0_u64..100_000).prop_map(Deed::Pass),
        1 => Just(Deed::Start),
        1 => any::<u8>().prop_map(Deed::Stop),
        1 => any::<u8>().prop_map(Deed::Reset),
        2 => Just(Deed::Updates),
        1 => Just(Deed::Refresh),
    ]
}

fn cease(number: u8) -> Cease {
    match number % 4 {
        0 => Cease::AdministrativeShutdown { text: "x".repeat(300) },
        1 => Cease::BfdDown,
        2 => Cease::MaximumPrefixes { prefix_count_max: 7 },
        _ => Cease::AdministrativeReset { text: String::new() },
    }
}

fn message(number: u8) -> Message {
    let family = AddressFamily::IPV6_UNICAST;
    match number {
        0 | 1 => Message::Open(peer_open()),
        2 | 3 => Message::Keepalive,
        4 => Message::Update(Box::new(update(1))),
        5 => Message::RouteRefresh(RouteRefresh { family, kind: RefreshKind::Request }),
        _ => Message::Notification(Notification::new(NotificationCode::CEASE)),
    }
}

/// A session in a world that means no good, with what was seen of it.
struct World {
    now: Instant,
    session: Session,
    prng: Prng,
    attempt: Option<ConnectionId>,
    /// Connections that are open, as the driver sees it.
    open: Vec<ConnectionId>,
    /// Those that were fed a whole good OPEN.
    greeted: Vec<ConnectionId>,
    number: u32,
}

impl World {
    fn new(settings: Settings, seed: u64) -> Self {
        let now = Instant::ZERO + SECOND;
        let session = Session::new(now, settings, seed);
        let (open, greeted) = (Vec::new(), Vec::new());
        let prng = Prng::new(seed);
        Self { now, session, prng, attempt: None, open, greeted, number: 0 }
    }

    fn input(&mut self, input: Input) {
        self.session.handle(self.now, input);
        self.collect();
    }

    fn collect(&mut self) {
        let mut count = 0;
        while let Some(action) = self.session.poll_action() {
            count += 1;
            match action {
                Action::Connect { connection } => self.attempt = Some(connection),
                Action::Close { connection } => self.open.retain(|open| *open != connection),
                Action::Send { connection, octets } => {
                    assert!(self.open.contains(&connection), "sends on what is open");
                    assert!(!octets.is_empty());
                }
                Action::Established(_) => {
                    let id = self.session.view().initiator.unwrap();
                    let is_greeted = self.greeted.iter().any(|other| other.initiator == id);
                    assert!(is_greeted, "never Established without an OPEN");
                }
                _ => {}
            }
        }
        assert!(count < 100, "one input makes a bounded number of actions");
        self.check();
    }

    fn check(&self) {
        let connections = [&self.session.local, &self.session.remote];
        for track in connections {
            assert_eq!(track.connection.is_some(), track.state.is_connected());
            assert_eq!(track.attempt.is_some(), track.state == State::Connect);
            assert_eq!(track.negotiated.is_some(), track.state >= State::OpenConfirm);
            let Some(connection) = &track.connection else { continue };
            assert!(self.open.contains(&connection.id()));
            assert!(connection.received_octets() <= RECEIVE_OCTETS_MAX);
            let octets_max = SEND_QUEUE_OCTETS_MAX + SEND_RESERVE_OCTETS_MAX;
            assert!(connection.waiting_octets() <= octets_max);
        }
        let is_up = connections.map(|track| track.state == State::Established);
        assert_ne!(is_up, [true; 2]);
        let state = self.session.state();
        assert_eq!(state == State::Established, self.session.negotiated().is_some());
    }

    /// Feeds octets in pieces to one of the open connections.
    fn feed(&mut self, octets: &[u8]) -> Option<ConnectionId> {
        let count = self.open.len() as u64;
        let pick = usize::try_from(self.prng.below(count)).ok()?;
        let connection = *self.open.get(pick)?;
        let mut rest = octets;
        while !rest.is_empty() {
            let piece = usize::try_from(1 + self.prng.below(rest.len() as u64)).ok()?;
            let octets = rest[..piece].to_vec();
            self.input(Input::Received { connection, octets });
            rest = &rest[piece..];
        }
        Some(connection)
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let mut count = 0;
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            self.collect();
            count += 1;
            assert!(count < 1000, "timers are no loop");
        }
        self.now = until;
    }

    fn connected(&mut self, connection: ConnectionId) {
        self.open.push(connection);
        self.input(Input::Connected { connection });
    }

    fn message(&mut self, number: u8) {
        let message = message(number);
        // It counts as a greeting from the moment on at which it may be read.
        if matches!(message, Message::Open(_)) {
            self.greeted.extend(self.open.iter().copied());
        }
        self.feed(&encoded(&message, Agreement { has_four_octet_asn: true, ..Default::default() }));
    }

    fn updates(&mut self) {
        let Some(agreement) = self.session.negotiated().map(|held| held.send) else { return };
        let one = encoded(&Message::Update(Box::new(update(1))), agreement);
        let room = self.session.room().min(64 * 1024);
        self.input(Input::Updates { octets: one.repeat(room / one.len()) });
        assert_eq!(self.session.counters().batches_refused, 0);
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Octets(octets) => drop(self.feed(&octets)),
            Deed::Message(number) => self.message(number),
            Deed::Broken(number, at, octet) => {
                let mut octets = encoded(&message(number), Agreement::default());
                let at = at % octets.len();
                octets[at] = octet;
                self.greeted.extend(self.open.iter().copied());
                self.feed(&octets);
            }
            Deed::Connected => {
                self.number += 1;
                let initiator = Initiator::Remote;
                self.connected(ConnectionId { initiator, number: self.number });
            }
            Deed::OursConnected => {
                if let Some(connection) = self.attempt.take() {
                    self.connected(connection);
                }
            }
            Deed::Failed => {
                if let Some(connection) = self.attempt.take() {
                    self.input(Input::ConnectFailed { connection });
                }
            }
            Deed::Closed => {
                if let Some(connection) = self.open.pop() {
                    self.input(Input::Closed { connection });
                }
            }
            Deed::Sent(octet_count) => {
                if let Some(connection) = self.open.first().copied() {
                    self.input(Input::Sent { connection, octet_count });
                }
            }
            Deed::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Deed::Start => self.input(Input::Start(Start::Fresh)),
            Deed::Stop(number) => self.input(Input::Stop(cease(number))),
            Deed::Reset(number) => self.input(Input::Reset(cease(number))),
            Deed::Updates => self.updates(),
            Deed::Refresh => self.input(Input::Refresh),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_peer_does_breaks_a_session(
        deeds in proptest::collection::vec(deed(), 0..120),
        seed in any::<u64>(),
        is_passive in any::<bool>(),
        compares in any::<bool>(),
    ) {
        use super::super::settings::EstablishedCollision;
        let mut settings = settings(OURS, THEIRS);
        if is_passive {
            settings.opening = Opening::Passive;
        }
        if compares {
            settings.established_collision = EstablishedCollision::Compare;
        }
        let mut world = World::new(settings, seed);
        world.input(Input::Start(Start::Fresh));
        deeds.into_iter().for_each(|deed| world.act(deed));
    }
}

#[test]
fn the_deeds_reach_every_state() {
    let mut world = World::new(settings(OURS, THEIRS), 1);
    let mut seen = Vec::new();
    let deeds = [
        Deed::Start,
        Deed::Failed,
        Deed::Connected,
        Deed::Message(0),
        Deed::Message(2),
        Deed::Message(4),
    ];
    for deed in deeds {
        seen.push(world.session.state());
        world.act(deed);
    }
    seen.push(world.session.state());
    let mut all = seen.clone();
    all.dedup();
    assert_eq!(all, State::ALL);
    assert_eq!(world.session.counters().updates_in, 1);
}
