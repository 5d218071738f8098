//! Sessions alone, against each other and against arbitrary octets.
//!
//! Owns the two benches: [`Lone`], a session with a peer that is octets, and [`Net`], two sessions
//! with a network between them in virtual time.

mod collisions;
mod errors;
mod flow;
mod fuzz;
mod opens;
mod pairs;
mod restarts;
mod table;
mod timers;

use super::action::{Action, Down, DownReason, Retention};
use super::connection::encoded;
use super::fsm::{Event, State};
use super::input::{Cease, ConnectionId, Initiator, Input, Start};
use super::negotiation::Negotiated;
use super::session::Session;
use super::settings::{Opening, RemoteAs, RestartMode, Settings};
use crate::base::ids::RouterId;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::wire::bgp::capability::Capability;
use crate::wire::bgp::message::frame;
use crate::wire::bgp::update::Announcement;
use crate::wire::bgp::{
    AddressFamily, Agreement, AsPath, Message, NextHop, Nlri, Notification, NotificationCode, Open,
    Origin, PathAttributes, Update,
};
use std::collections::BTreeMap;

const SECOND: Duration = Duration::from_secs(1);
const OURS: u32 = 64500;
const THEIRS: u32 = 64501;

fn settings(local: u32, remote: u32) -> Settings {
    Settings::new(local, RouterId(local), RemoteAs::Exactly(remote))
}

/// An OPEN of the usual peer.
fn peer_open() -> Open {
    Open {
        asn: THEIRS,
        hold_time_s: 90,
        identifier: RouterId(THEIRS),
        capabilities: vec![
            Capability::Multiprotocol(AddressFamily::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::EnhancedRouteRefresh,
            Capability::FourOctetAsn(THEIRS),
        ],
    }
}

fn prefix(number: u16) -> Nlri {
    let address = core::net::Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0);
    Nlri::of(Ipv6Prefix::containing(address, 48))
}

/// An UPDATE with one route.
fn update(number: u16) -> Update {
    let attributes = PathAttributes {
        origin: Origin::Igp,
        as_path: AsPath::sequence(&[THEIRS]),
        ..PathAttributes::default()
    };
    let next_hop = NextHop { global: "2001:db8::1".parse().ok(), link_local: None };
    let announced = Some(Announcement { nlri: vec![prefix(number)], next_hop, attributes });
    Update { announced, ..Update::default() }
}

/// Messages in octets that a session sent.
fn messages(octets: &[u8], agreement: Agreement) -> Vec<Message> {
    let (mut rest, mut found) = (octets, Vec::new());
    while let Some((body, whole)) = frame(rest, agreement.has_extended_messages).unwrap() {
        found.push(Message::decode(body, agreement).unwrap());
        rest = &rest[whole..];
    }
    assert!(rest.is_empty(), "only whole messages are given to the driver");
    found
}

fn drain(session: &mut Session) -> Vec<Action> {
    core::iter::from_fn(|| session.poll_action()).collect()
}

/// A session whose peer is octets.
struct Lone {
    now: Instant,
    session: Session,
    id: ConnectionId,
    /// All actions but `Send`.
    actions: Vec<Action>,
    /// What was sent, as messages.
    sent: Vec<Message>,
    /// Whether the socket takes all that it is given.
    takes: bool,
}

impl Lone {
    /// In OpenSent, on a connection that the peer opened.
    fn new(settings: Settings) -> Self {
        let now = Instant::ZERO + SECOND;
        let settings = Settings { opening: Opening::Passive, ..settings };
        let id = ConnectionId { initiator: Initiator::Remote, number: 1 };
        let session = Session::new(now, settings, 7);
        let (actions, sent) = (Vec::new(), Vec::new());
        let mut lone = Self { now, session, id, actions, sent, takes: true };
        lone.input(Input::Start(Start::Fresh));
        lone.input(Input::Connected { connection: id });
        assert_eq!(lone.session.state(), State::OpenSent);
        lone
    }

    /// In OpenConfirm with this OPEN.
    fn confirmed(settings: Settings, open: Open) -> Self {
        let mut lone = Self::new(settings);
        lone.message(&Message::Open(open));
        assert_eq!(lone.session.state(), State::OpenConfirm, "{:?}", lone.sent);
        lone
    }

    /// Established with this OPEN.
    fn established(settings: Settings, open: Open) -> Self {
        let mut lone = Self::confirmed(settings, open);
        lone.message(&Message::Keepalive);
        assert_eq!(lone.session.state(), State::Established);
        lone.actions.clear();
        lone.sent.clear();
        lone
    }

    fn usual() -> Self {
        Self::established(settings(OURS, THEIRS), peer_open())
    }

    fn input(&mut self, input: Input) {
        self.session.handle(self.now, input);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(action) = self.session.poll_action() {
            let Action::Send { connection, octets } = action else {
                self.actions.push(action);
                continue;
            };
            let held = self.session.negotiated().map(|held| held.send);
            self.sent.extend(messages(&octets, held.unwrap_or_default()));
            if self.takes {
                let octet_count = octets.len();
                self.session.handle(self.now, Input::Sent { connection, octet_count });
            }
        }
    }

    fn octets(&mut self, octets: &[u8]) {
        self.input(Input::Received { connection: self.id, octets: octets.to_vec() });
    }

    fn message(&mut self, message: &Message) {
        self.octets(&encoded(message, self.agreement()));
    }

    fn agreement(&self) -> Agreement {
        let negotiated = self.session.negotiated();
        negotiated.map(|held| held.receive).unwrap_or_default()
    }

    /// Time passes, with all timers.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            self.collect();
        }
        self.now = until;
    }

    /// The NOTIFICATION with which the session ended.
    fn notification(&self) -> Option<&Notification> {
        match self.sent.last() {
            Some(Message::Notification(notification)) => Some(notification),
            _ => None,
        }
    }

    /// The connection was ended by this NOTIFICATION and is closed.
    #[track_caller]
    fn assert_ended(&self, code: NotificationCode) {
        let found = self.notification().map(|notification| notification.code);
        assert_eq!(found, Some(code), "{:?}", self.sent);
        let close = Action::Close { connection: self.id };
        assert!(self.actions.contains(&close), "{:?}", self.actions);
        assert!(!self.session.state().is_connected());
    }

    fn downs(&self) -> Vec<Down> {
        downs(&self.actions)
    }
}

/// The ends of Established sessions among actions.
fn downs(actions: &[Action]) -> Vec<Down> {
    let down = |action: &Action| match action {
        Action::Down(down) => Some(down.clone()),
        _ => None,
    };
    actions.iter().filter_map(down).collect()
}

/// What is under way in the network.
#[derive(Clone, Debug)]
enum Flight {
    /// A connection arrives at the other end …
    Syn(usize),
    /// … and is there at the end that opened it.
    Ack(usize),
    /// It could not be opened.
    Refused(ConnectionId),
    Octets(usize, Vec<u8>),
    /// The socket took octets.
    Taken(ConnectionId, usize),
    Closed(usize),
}

/// A TCP connection: its name at both ends; `None` where an end has closed it or has not seen it.
#[derive(Clone, Debug)]
struct Pipe {
    names: [Option<ConnectionId>; 2],
}

/// Two sessions with a network between them.
struct Net {
    now: Instant,
    ends: [Session; 2],
    delay: Duration,
    /// Octets that arrive at once.
    piece: usize,
    pipes: Vec<Pipe>,
    flights: BTreeMap<(Instant, usize), (usize, Flight)>,
    next: usize,
    /// Pieces of octets after which the connection that carries them is lost.
    cut_after: Option<usize>,
    /// Whether the end can be reached by a new connection.
    is_open: [bool; 2],
    actions: [Vec<Action>; 2],
}

impl Net {
    fn new(settings: [Settings; 2]) -> Self {
        let now = Instant::ZERO + SECOND;
        let [a, b] = settings;
        Self {
            now,
            ends: [Session::new(now, a, 1), Session::new(now, b, 2)],
            delay: Duration::from_millis(5),
            piece: usize::MAX,
            pipes: Vec::new(),
            flights: BTreeMap::new(),
            next: 0,
            cut_after: None,
            is_open: [true; 2],
            actions: [Vec::new(), Vec::new()],
        }
    }

    fn usual() -> Self {
        Self::new([settings(OURS, THEIRS), settings(THEIRS, OURS)])
    }

    /// Both are Established.
    fn up(settings: [Settings; 2]) -> Self {
        let mut net = Self::new(settings);
        net.start();
        net.run(30 * SECOND);
        assert_eq!(net.states(), [State::Established; 2]);
        net.actions = [Vec::new(), Vec::new()];
        net
    }

    fn start(&mut self) {
        self.input(0, Input::Start(Start::Fresh));
        self.input(1, Input::Start(Start::Fresh));
    }

    fn input(&mut self, end: usize, input: Input) {
        self.ends[end].handle(self.now, input);
        self.collect(end);
    }

    fn fly(&mut self, after: Duration, end: usize, flight: Flight) {
        self.next += 1;
        self.flights.insert((self.now + after, self.next), (end, flight));
    }

    fn pipe(&self, end: usize, id: ConnectionId) -> Option<usize> {
        self.pipes.iter().position(|pipe| pipe.names[end] == Some(id))
    }

    fn collect(&mut self, end: usize) {
        while let Some(action) = self.ends[end].poll_action() {
            match &action {
                Action::Connect { connection } => self.connect(end, *connection),
                Action::Close { connection } => {
                    if let Some(pipe) = self.pipe(end, *connection) {
                        self.pipes[pipe].names[end] = None;
                        self.fly(self.delay, 1 - end, Flight::Closed(pipe));
                    }
                }
                Action::Send { connection, octets } => {
                    let pipe = self.pipe(end, *connection).expect("sends on what is open");
                    let octets = octets.clone();
                    self.fly(Duration::ZERO, end, Flight::Taken(*connection, octets.len()));
                    self.fly(self.delay, 1 - end, Flight::Octets(pipe, octets));
                }
                _ => {}
            }
            self.actions[end].push(action);
        }
    }

    fn connect(&mut self, end: usize, id: ConnectionId) {
        if !self.is_open[1 - end] {
            self.fly(self.delay, end, Flight::Refused(id));
            return;
        }
        let mut names = [None; 2];
        names[end] = Some(id);
        self.pipes.push(Pipe { names });
        let pipe = self.pipes.len() - 1;
        self.fly(self.delay, 1 - end, Flight::Syn(pipe));
        self.fly(2 * self.delay, end, Flight::Ack(pipe));
    }

    /// The connection is lost for both ends.
    fn cut(&mut self, pipe: usize) {
        for end in 0..2 {
            if let Some(connection) = self.pipes[pipe].names[end].take() {
                self.input(end, Input::Closed { connection });
            }
        }
    }

    fn cut_all(&mut self) {
        (0..self.pipes.len()).for_each(|pipe| self.cut(pipe));
    }

    fn land(&mut self, end: usize, flight: Flight) {
        match flight {
            Flight::Syn(pipe) => {
                if self.pipes[pipe].names[1 - end].is_none() {
                    return;
                }
                let number = u32::try_from(pipe).unwrap();
                let connection = ConnectionId { initiator: Initiator::Remote, number };
                self.pipes[pipe].names[end] = Some(connection);
                self.input(end, Input::Connected { connection });
            }
            Flight::Ack(pipe) => {
                if let Some(connection) = self.pipes[pipe].names[end] {
                    self.input(end, Input::Connected { connection });
                }
            }
            Flight::Refused(connection) => self.input(end, Input::ConnectFailed { connection }),
            Flight::Taken(connection, octet_count) => {
                self.input(end, Input::Sent { connection, octet_count });
            }
            Flight::Closed(pipe) => {
                if let Some(connection) = self.pipes[pipe].names[end].take() {
                    self.input(end, Input::Closed { connection });
                }
            }
            Flight::Octets(pipe, octets) => {
                for piece in octets.chunks(self.piece.min(octets.len())) {
                    if self.cut_after == Some(0) {
                        self.cut_after = None;
                        self.cut(pipe);
                    }
                    let Some(connection) = self.pipes[pipe].names[end] else { return };
                    self.cut_after = self.cut_after.map(|count| count - 1);
                    self.input(end, Input::Received { connection, octets: piece.to_vec() });
                }
            }
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let timers = self.ends.iter().filter_map(Session::next_deadline);
        timers.chain(self.flights.keys().map(|(at, _)| *at)).min()
    }

    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.next_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            while let Some(entry) = self.flights.first_entry()
                && entry.key().0 <= self.now
            {
                let (end, flight) = entry.remove();
                self.land(end, flight);
            }
            for end in 0..2 {
                self.ends[end].handle_timeout(self.now);
                self.collect(end);
            }
        }
        self.now = until;
    }

    fn states(&self) -> [State; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }

    /// Connections that an end holds open.
    fn open_count(&self, end: usize) -> usize {
        self.pipes.iter().filter(|pipe| pipe.names[end].is_some()).count()
    }

    fn downs(&self, end: usize) -> Vec<Down> {
        downs(&self.actions[end])
    }
}
