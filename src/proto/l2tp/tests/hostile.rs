//! One end before whoever sends what it likes.

use super::super::limits::{CONNECTIONS_MAX, END_ID_OCTETS_MAX, QUEUE_MAX, SESSIONS_MAX};
use super::super::*;
use super::link::{Path, World, end, secret, session, settings};
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::wire::l2tp::{
    CallConnected, CallIds, CallReply, CallRequest, CircuitStatus, ConnectionId, ControlFrame,
    ControlHeader, Cookie, Disconnect, DisconnectCode, Encoding, ErrorCode, LinkInfo, Message,
    MessageType, PseudowireType, Reason, Sequencing, SessionId, Start, Stop, StopCode, Sublayer,
    decode,
};
use proptest::prelude::*;

/// An end that is asked by hand: everything that it says is kept.
struct Bench {
    world: World,
    /// As it calls the connection.
    connection: Option<ConnectionId>,
    ns: u16,
}

const OURS: Option<ConnectionId> = ConnectionId::new(77);

fn start() -> Start {
    Start {
        host_name: "other".to_owned(),
        router_id: crate::base::ids::RouterId(9),
        connection: OURS.unwrap(),
        capabilities: vec![PseudowireType::ETHERNET],
        nonce: None,
        tie_breaker: None,
        vendor_name: None,
        receive_window: Some(64),
    }
}

fn id(number: u32) -> SessionId {
    SessionId::new(number).unwrap()
}

fn request(local: u32, name: &str) -> CallRequest {
    CallRequest {
        local: id(local),
        serial: 1,
        pseudowire: PseudowireType::ETHERNET,
        remote_end: name.as_bytes().to_vec(),
        circuit: CircuitStatus::NEW_ACTIVE,
        cookie: Cookie::NONE,
        tie_breaker: None,
        sublayer: Sublayer::None,
        sequencing: Sequencing::None,
    }
}

fn connected(local: u32, remote: u32) -> Message {
    Message::Iccn(CallConnected {
        local: id(local),
        remote: SessionId::new(remote),
        circuit: None,
        sublayer: None,
        sequencing: None,
    })
}

impl Bench {
    /// An end that waits.
    fn new() -> Self {
        let passive = Settings { initiative: Initiative::Passive, ..settings(0) };
        let mut world = World::with(1, [passive, settings(1)]);
        world.path.is_cut = true;
        world.input(0, Input::Start);
        Self { world, connection: None, ns: 0 }
    }

    /// One that has a connection with us, and waits for sessions of these circuits, whose ids are
    /// from 100 on.
    fn connected(names: &[&str]) -> Self {
        let mut bench = Self::new();
        for (local, name) in (100..).zip(names) {
            let passive =
                SessionSettings { initiative: Initiative::Passive, ..session(name, local) };
            bench.world.input(0, Input::Session(passive));
        }
        let said = bench.say(&Message::Sccrq(start()));
        let [Message::Sccrp(reply)] = &said[..] else { panic!("{said:?}") };
        bench.connection = Some(reply.connection);
        bench.say(&Message::Scccn);
        assert_eq!(bench.world.peers[0].view().state, ConnectionState::Established);
        bench
    }

    fn hear(&mut self, octets: Vec<u8>) -> Vec<Message> {
        let before = self.world.sent.len();
        self.world.input(0, Input::Received { octets });
        let said = self.world.sent[before..]
            .iter()
            .map(|(_, octets)| decode(&ControlFrame::read(octets).unwrap(), None).unwrap().message);
        said.filter(|message| *message != Message::Ack).collect()
    }

    /// Says something, everything acknowledged; returns the answers.
    fn say(&mut self, message: &Message) -> Vec<Message> {
        let octets = message.encode(&self.header(), &Encoding::default());
        self.ns = self.ns.wrapping_add(u16::from(!message.is_acknowledgement()));
        let mut said = self.hear(octets);
        // Answers that its window has held back.
        for _ in 0..10 {
            let acknowledgement = Message::Ack.encode(&self.header(), &Encoding::default());
            said.extend(self.hear(acknowledgement));
        }
        said
    }

    fn header(&self) -> ControlHeader {
        let sent = self.world.sent.iter().filter_map(|(_, octets)| {
            let frame = ControlFrame::read(octets).unwrap();
            let message = decode(&frame, None).unwrap().message;
            (!message.is_acknowledgement()).then_some(frame.header.ns.wrapping_add(1))
        });
        let nr = if self.connection.is_some() { sent.max().unwrap_or(0) } else { 0 };
        ControlHeader { connection: self.connection, ns: self.ns, nr }
    }

    fn counters(&self) -> Counters {
        *self.world.peers[0].counters()
    }

    /// Says octets behind the right header; returns the answers.
    fn say_octets(&mut self, kind: u16, avps: &[u8]) -> Vec<Message> {
        let mut octets = Message::Ack.encode(&self.header(), &Encoding::default());
        octets[18..20].copy_from_slice(&kind.to_be_bytes());
        octets.extend(avps);
        let length = u16::try_from(octets.len()).unwrap();
        octets[2..4].copy_from_slice(&length.to_be_bytes());
        self.ns += 1;
        self.hear(octets)
    }
}

/// The one CDN among some answers.
fn disconnect(said: &[Message]) -> Disconnect {
    match said {
        [Message::Cdn(disconnect)] => disconnect.clone(),
        other => panic!("{other:?}"),
    }
}

/// What comes, in words and in octets, and where it is counted.
type Hostile = (&'static str, Vec<u8>, fn(&Counters) -> u64);

#[test]
fn each_message_that_is_not_taken_is_counted_by_its_reason() {
    let mut bench = Bench::connected(&["blue"]);
    let hello = |bench: &Bench, change: &dyn Fn(&mut ControlHeader)| {
        let mut header = bench.header();
        change(&mut header);
        Message::Hello.encode(&header, &Encoding::default())
    };
    let good = hello(&bench, &|_| ());
    let other = ConnectionId::new(1);
    let mut old_version = good.clone();
    old_version[1] = 2;
    let table: [Hostile; 9] = [
        ("short", good[..5].to_vec(), |counters| counters.malformed_header),
        ("version", old_version, |counters| counters.wrong_version),
        ("connection", hello(&bench, &|h| h.connection = other), |c| c.unknown_connection),
        ("zero", hello(&bench, &|h| h.connection = None), |c| c.unknown_connection),
        ("nr", hello(&bench, &|h| h.nr += 5), |c| c.nr_wrong),
        ("before", hello(&bench, &|h| h.ns -= 1), |c| c.duplicate),
        ("early", hello(&bench, &|h| h.ns += 1), |c| c.out_of_order),
        ("beyond", hello(&bench, &|h| h.ns += 999), |c| c.out_of_window),
        ("good", good, |c| c.received),
    ];
    for (name, octets, count) in table {
        let before = bench.counters();
        bench.hear(octets);
        assert_eq!(count(&bench.counters()), count(&before) + 1, "{name}");
    }
    assert_eq!(bench.world.peers[0].view().state, ConnectionState::Established);
}

#[test]
fn an_unknown_avp_with_m_ends_the_session_or_the_connection() {
    // §5.2: a CDN or a StopCCN "with a Result Code of 2 and Error Code of 8".
    let mut bench = Bench::connected(&["blue"]);
    bench.say(&Message::Icrq(request(5, "blue")));
    bench.say(&connected(5, 100));
    assert_eq!(bench.world.up_count(0), 1);
    let ids = [0x80, 10, 0, 0, 0, 63, 0, 0, 0, 5, 0x80, 10, 0, 0, 0, 64, 0, 0, 0, 100];
    let unknown = [0x80, 6, 0, 0, 3, 0xe7];
    let said = bench.say_octets(16, &[&ids[..], &unknown].concat());
    let cdn = disconnect(&said);
    assert_eq!(cdn.ids, CallIds { local: SessionId::new(100), remote: SessionId::new(5) });
    assert_eq!(cdn.reason.code, DisconnectCode::GENERAL_ERROR);
    assert_eq!(cdn.reason.error, Some(ErrorCode::UNKNOWN_MANDATORY_AVP));
    assert!(cdn.reason.text().contains("type 999"), "{}", cdn.reason.text());
    assert_eq!(bench.world.up_count(0), 0);
    let optional = [0, 6, 0, 0, 3, 0xe7];
    bench.say_octets(6, &optional);
    assert_eq!(bench.counters().ignored_avps, 1);
    let acknowledgement = Message::Ack.encode(&bench.header(), &Encoding::default());
    bench.hear(acknowledgement);
    let said = bench.say_octets(6, &unknown);
    let [Message::StopCcn(stop)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(stop.reason.code, StopCode::GENERAL_ERROR);
    assert_eq!(stop.reason.error, Some(ErrorCode::UNKNOWN_MANDATORY_AVP));
    assert_eq!(bench.world.peers[0].view().state, ConnectionState::Idle);
}

#[test]
fn an_unknown_message_ends_the_connection_only_with_m() {
    let mut bench = Bench::connected(&[]);
    let mut octets = Message::Hello.encode(&bench.header(), &Encoding::default());
    octets[12] = 0;
    octets[19] = 99;
    bench.ns += 1;
    assert_eq!(bench.hear(octets), []);
    assert_eq!(bench.counters().unknown_type, 1);
    let said = bench.say_octets(99, &[]);
    assert!(matches!(&said[..], [Message::StopCcn(_)]), "{said:?}");
}

#[test]
fn requests_that_cannot_be_are_refused_with_their_reason() {
    let mut bench = Bench::connected(&["blue", "red"]);
    let wrong_type = CallRequest { pseudowire: PseudowireType(7), ..request(5, "blue") };
    let no_place = CallRequest { sequencing: Sequencing::All, ..request(5, "blue") };
    let table = [
        (request(5, "green"), DisconnectCode::NO_FACILITIES_TEMPORARY),
        (request(5, &"x".repeat(END_ID_OCTETS_MAX + 1)), DisconnectCode::NO_FACILITIES_TEMPORARY),
        (wrong_type, DisconnectCode::PSEUDOWIRE_TYPE),
        (no_place, DisconnectCode::SEQUENCING_WITHOUT_SUBLAYER),
    ];
    for (request, code) in table {
        let cdn = disconnect(&bench.say(&Message::Icrq(request)));
        assert_eq!((cdn.reason.code, cdn.ids.remote), (code, SessionId::new(5)));
        // §5.4.4: "a 4-octet non-zero unsigned integer".
        assert!(cdn.ids.local.is_some());
    }
    assert_eq!(bench.world.told[0].len(), 1, "{:?}", bench.world.told[0]);
}

#[test]
fn one_id_for_two_circuits_is_a_collision() {
    let mut bench = Bench::connected(&["blue", "red"]);
    bench.say(&Message::Icrq(request(5, "blue")));
    let cdn = disconnect(&bench.say(&Message::Icrq(request(5, "red"))));
    assert_eq!(cdn.reason.error, Some(ErrorCode::SESSION));
    assert_eq!(bench.counters().session_id_collision, 1);
    bench.say(&connected(5, 100));
    assert_eq!(bench.world.up_count(0), 1);
}

#[test]
fn messages_for_no_session_change_nothing() {
    let mut bench = Bench::connected(&["blue"]);
    bench.say(&Message::Icrq(request(5, "blue")));
    bench.say(&connected(5, 100));
    let ids =
        |local, remote| CallIds { local: SessionId::new(local), remote: SessionId::new(remote) };
    let reason = Reason::new(DisconnectCode::ADMINISTRATIVE);
    let link = |local, remote| LinkInfo {
        local: id(local),
        remote: SessionId::new(remote),
        circuit: Some(CircuitStatus::INACTIVE),
    };
    let strange = [
        Message::Cdn(Disconnect { ids: ids(6, 100), reason: reason.clone() }),
        Message::Cdn(Disconnect { ids: ids(5, 101), reason: reason.clone() }),
        Message::Cdn(Disconnect { ids: ids(0, 0), reason }),
        Message::Sli(link(6, 100)),
        Message::Sli(link(5, 9)),
        Message::Sli(link(9, 0)),
        connected(9, 9),
    ];
    for (count, message) in (1..).zip(&strange) {
        assert_eq!(bench.say(message), []);
        assert_eq!(bench.counters().unknown_session, count, "{message:?}");
    }
    assert_eq!(bench.world.up_count(0), 1);
    // §7.3.2, idle, ICRP: the peer is told that there is nothing.
    let reply = CallReply {
        local: id(8),
        remote: SessionId::new(9),
        circuit: CircuitStatus::ACTIVE,
        cookie: Cookie::NONE,
        sublayer: Sublayer::None,
        sequencing: Sequencing::None,
    };
    let cdn = disconnect(&bench.say(&Message::Icrp(reply)));
    assert_eq!((cdn.ids, cdn.reason.error), (ids(9, 8), Some(ErrorCode::SESSION)));
    // §5.4.4: where the peer does not say our id its own one finds the session.
    bench.say(&Message::Sli(link(5, 0)));
    assert_eq!(bench.world.peers[0].view().sessions[0].is_remote_active, Some(false));
}

#[test]
fn calls_of_the_other_kind_are_counted_and_answered() {
    let mut bench = Bench::connected(&[]);
    let ids = CallIds { local: SessionId::new(5), remote: None };
    let ask = Message::Foreign { kind: MessageType::Ocrq, ids };
    let cdn = disconnect(&bench.say(&ask));
    assert_eq!(cdn.reason.code, DisconnectCode::NO_FACILITIES_PERMANENT);
    assert_eq!(bench.say(&Message::Foreign { kind: MessageType::Wen, ids }), []);
    assert_eq!(bench.counters().unsupported, 2);
    assert_eq!(bench.world.peers[0].view().state, ConnectionState::Established);
}

#[test]
fn a_message_in_a_wrong_state_ends_the_connection() {
    // §7.2, established: "Receive SCCRQ, SCCRP, SCCCN: Send StopCCN, clean up".
    for message in [Message::Sccrq(start()), Message::Sccrp(start()), Message::Scccn] {
        let mut bench = Bench::connected(&[]);
        let said = bench.say(&message);
        assert!(matches!(&said[..], [Message::StopCcn(_)]), "{said:?}");
        assert_eq!(bench.counters().wrong_state, 1);
        assert_eq!(bench.world.peers[0].view().state, ConnectionState::Idle);
    }
}

#[test]
fn the_end_of_a_connection_is_acknowledged_as_often_as_it_is_said() {
    // §3.3.2: "maintain enough control connection state to properly accept StopCCN retransmissions
    // over at least a full retransmission cycle".
    let mut bench = Bench::connected(&["blue"]);
    bench.say(&Message::Icrq(request(5, "blue")));
    let stop = Stop { reason: Reason::new(StopCode::CLEARED), connection: OURS };
    let octets = Message::StopCcn(stop).encode(&bench.header(), &Encoding::default());
    for second in 0..30 {
        let before = bench.counters().acknowledgements;
        bench.hear(octets.clone());
        assert_eq!(bench.counters().acknowledgements, before + 1, "after {second} s");
        bench.world.run(1);
    }
    bench.world.run(10);
    let before = bench.counters().unknown_connection;
    bench.hear(octets);
    assert_eq!(bench.counters().unknown_connection, before + 1);
    assert_eq!(bench.world.peers[0].next_deadline(), None);
}

#[test]
fn an_end_without_a_name_for_the_connection_can_stop_it() {
    // §5.4.3: "the Assigned Control Connection ID AVP that had been sent to the peer earlier … MUST
    // be sent …. This policy allows the peer to … a reverse lookup."
    let mut bench = Bench::new();
    bench.say(&Message::Sccrq(start()));
    let stop = Message::StopCcn(Stop { reason: Reason::new(StopCode::CLEARED), connection: OURS });
    let header = ControlHeader { connection: None, ns: 1, nr: 0 };
    bench.hear(stop.encode(&header, &Encoding::default()));
    assert_eq!(bench.world.peers[0].view().state, ConnectionState::Idle);
    assert_eq!(bench.counters().connections_failed, 1);
}

#[test]
fn equal_tie_breakers_end_both_requests_and_the_next_one_is_another() {
    let mut world = World::new(21);
    world.path.is_cut = true;
    world.input(0, Input::Start);
    let asked = |world: &World, place: usize| {
        let octets = &world.sent[place].1;
        let message = decode(&ControlFrame::read(octets).unwrap(), None).unwrap().message;
        let Message::Sccrq(start) = message else { panic!("{message:?}") };
        start
    };
    let own = asked(&world, 0);
    let same = Message::Sccrq(Start { connection: OURS.unwrap(), ..own.clone() });
    let header = ControlHeader { connection: None, ns: 0, nr: 0 };
    let octets = same.encode(&header, &Encoding::default());
    world.input(0, Input::Received { octets });
    assert_eq!(world.told[0], [Action::ConnectionFailed(ConnectionEnd::Tie)]);
    assert_eq!((world.sent.len(), world.peers[0].counters().ties_equal), (1, 1));
    world.run(5);
    let next = asked(&world, 1);
    assert_ne!((next.tie_breaker, next.connection), (own.tie_breaker, own.connection));
}

#[test]
fn a_flood_of_requests_leaves_room_for_the_peer() {
    let mut bench = Bench::connected(&["blue"]);
    bench.say(&Message::Icrq(request(5, "blue")));
    bench.say(&connected(5, 100));
    for number in 1000..3000 {
        let flood = Start { connection: ConnectionId::new(number).unwrap(), ..start() };
        let header = ControlHeader { connection: None, ns: 0, nr: 0 };
        bench.hear(Message::Sccrq(flood).encode(&header, &Encoding::default()));
    }
    assert!(bench.counters().no_room >= 1990);
    assert!(bench.world.peers[0].connections.len() <= CONNECTIONS_MAX);
    assert_eq!(bench.world.up_count(0), 1);
    assert_eq!(bench.world.peers[0].view().state, ConnectionState::Established);
}

#[test]
fn who_asks_and_never_acknowledges_is_cut_off() {
    let mut bench = Bench::connected(&[]);
    let nr = bench.header().nr;
    for _ in 0..QUEUE_MAX + 10 {
        let header = ControlHeader { nr, ..bench.header() };
        let octets = Message::Icrq(request(5, "blue")).encode(&header, &Encoding::default());
        bench.ns = bench.ns.wrapping_add(1);
        bench.world.sent.clear();
        bench.world.input(0, Input::Received { octets });
    }
    assert_eq!(bench.counters().no_room, 1);
    let down = bench.world.told[0].iter().any(|action| matches!(action, Action::ConnectionDown(_)));
    assert!(down);
}

#[test]
fn there_is_a_most_of_sessions() {
    let mut world = World::new(1);
    for local in 1..=u32::try_from(SESSIONS_MAX).unwrap() + 3 {
        world.input(0, Input::Session(session(&format!("t{local}"), local)));
    }
    assert_eq!(world.peers[0].view().sessions.len(), SESSIONS_MAX);
    assert_eq!(world.peers[0].counters().no_room, 3);
}

#[test]
fn who_has_another_secret_or_none_gets_nowhere() {
    for other in [Some(secret("nails")), None] {
        let own = Settings { authentication: Some(secret("wood")), ..settings(0) };
        let other = Settings { authentication: other, ..settings(1) };
        let mut world = World::with(31, [own, other]);
        world.sessions(&["blue"]);
        world.both(&Input::Start);
        world.run(300);
        for number in [0, 1] {
            assert_eq!(world.peers[number].counters().connections, 0);
            let counters = world.peers[number].counters();
            assert!(counters.digest_wrong + counters.digest_missing > 0);
        }
    }
}

#[test]
fn what_was_recorded_does_nothing_to_another_connection() {
    let own = || {
        [0, 1].map(|number| Settings { authentication: Some(secret("wood")), ..settings(number) })
    };
    let mut world = World::with(41, own());
    world.sessions(&["blue"]);
    world.both(&Input::Start);
    world.run(20);
    let recorded = world.sent.clone();
    world.both(&Input::Stop);
    world.run(60);
    world.both(&Input::Start);
    world.run(20);
    assert!(world.is_whole(1));
    let before = world.told.clone();
    for _ in 0..3 {
        for (from, octets) in &recorded {
            world.input(1 - from, Input::Received { octets: octets.clone() });
        }
        // Its own messages come back to an end as well.
        for (from, octets) in world.sent.clone() {
            world.input(from, Input::Received { octets });
        }
        world.run(30);
    }
    assert_eq!(world.told, before);
    world.run(200);
    assert!(world.is_whole(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_octets_leave_an_end_that_still_works(seed in any::<u64>()) {
        let mut random = Prng::new(seed);
        let mut world = World::new(seed);
        world.path = Path { loss: 10, ..Path::default() };
        world.sessions(&["blue", "red"]);
        world.both(&Input::Start);
        for _ in 0..60 {
            world.run(random.below(3));
            let number = usize::from(random.below(2) == 1);
            let mut octets = match world.sent.is_empty() {
                true => Vec::new(),
                false => {
                    let place = random.below(world.sent.len() as u64);
                    world.sent[usize::try_from(place).unwrap()].1.clone()
                }
            };
            for _ in 0..random.below(4) {
                let place = usize::try_from(random.below(octets.len().max(1) as u64)).unwrap();
                if let Some(octet) = octets.get_mut(place) {
                    *octet = u8::try_from(random.below(256)).unwrap();
                }
            }
            world.input(number, Input::Received { octets });
        }
        world.path = Path::default();
        world.both(&Input::Stop);
        world.run(200);
        world.both(&Input::Start);
        world.run(200);
        prop_assert!(world.is_whole(2), "{:#?}", world.peers[0].view());
    }

    #[test]
    fn any_order_of_inputs_leaves_nothing_behind(seed in any::<u64>()) {
        let mut random = Prng::new(seed);
        let mut world = World::new(seed);
        world.path = Path { loss: 20, doubling: 10, delay: 30, ..Path::default() };
        let names = ["blue", "red", "green"];
        for step in 0..80_u32 {
            let number = usize::from(random.below(2) == 1);
            let name = names[usize::try_from(random.below(3)).unwrap()];
            let circuit = if random.below(2) == 1 { Circuit::Active } else { Circuit::Inactive };
            let input = match random.below(8) {
                0 => Input::Start,
                1 => Input::Stop,
                2 => Input::Settings(Box::new(settings(number))),
                3 | 4 => Input::Session(session(name, 1 + 4 * step)),
                5 => Input::RemoveSession(end(name)),
                6 => Input::Circuit { end: end(name), circuit },
                _ => Input::DataReceived,
            };
            world.input(number, input);
            world.run(random.below(20));
        }
        for (local, name) in (1000..).zip(names) {
            world.input(0, Input::Session(session(name, local)));
            world.input(1, Input::Session(session(name, local + 100)));
        }
        world.path = Path::default();
        world.both(&Input::Start);
        world.run(300);
        prop_assert!(world.is_whole(3), "{:#?}", world.peers[0].view());
        world.both(&Input::Stop);
        world.run(200);
        for number in [0, 1] {
            prop_assert_eq!(world.up_count(number), 0);
            prop_assert_eq!(world.peers[number].next_deadline(), None);
        }
    }
}
