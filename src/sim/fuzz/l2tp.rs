//! L2TPv3 before arbitrary octets: its packets, and the machine of a peer under any life.
//!
//! Owns [`l2tp`]. *Invariants*: what was read of a control message is written and read again as the
//! same; every message that the machine sends can be read; a session comes up and goes down by
//! turns; after it was stopped and nobody answers, the machine falls silent.

use super::Octets;
use crate::base::ids::RouterId;
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::proto::l2tp::{
    Action, Authentication, Circuit, ConnectionState, CookieHiding, DataFormat, EndId, Initiative,
    Input, Peer, SessionSettings, Settings,
};
use crate::wire::l2tp::{
    ConnectionId, ControlFrame, ControlHeader, Cookie, DataBody, DigestKind, Encapsulation,
    Encoding, Message, Nonces, Packet, PseudowireType, Sequencing, SessionId, SharedSecret, Start,
    Sublayer, check, decode, split,
};
use std::collections::BTreeSet;

/// Things that happen in one life.
const STEPS_MAX: usize = 512;
/// The other end's name of the connection, and ours of its first session.
const THEIRS: u32 = 77;

/// Any packets, then any life of a peer; the first octet says how it begins.
pub fn l2tp(octets: &[u8]) {
    packets(octets);
    let mut octets = Octets(octets);
    let mut life = Life::new(octets.one().unwrap_or(0));
    for _ in 0..STEPS_MAX {
        let (Some(what), Some(how)) = (octets.one(), octets.one()) else { break };
        let some = octets.some(usize::from(what >> 3));
        life.step(what & 7, how, some);
    }
    life.end();
}

/// Octets as a packet in each encapsulation.
fn packets(octets: &[u8]) {
    let secret = SharedSecret::derive(b"fuzz");
    for encapsulation in [Encapsulation::Ip, Encapsulation::Udp] {
        match split(encapsulation, octets) {
            Ok(Packet::Data { rest, .. }) => {
                for cookie_octets in [0, 4, 8] {
                    let body = DataBody::read(rest, cookie_octets, Sublayer::Default);
                    assert!(body.is_err() || rest.len() >= cookie_octets + 4);
                }
            }
            Ok(Packet::Control(message)) => control(message, &secret),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Octets as a control message.
fn control(message: &[u8], secret: &SharedSecret) {
    let Ok(frame) = ControlFrame::read(message) else { return };
    let _ = check(&frame, &[*secret], Nonces::default());
    let read = match decode(&frame, Some(secret)) {
        Ok(read) => read,
        Err(refused) => {
            assert!(!refused.fault.to_string().is_empty());
            return;
        }
    };
    let again = read.message.encode(&frame.header, &Encoding::default());
    let frame = ControlFrame::read(&again);
    let again = frame.ok().and_then(|frame| decode(&frame, None).ok());
    assert_eq!(again.map(|again| again.message), Some(read.message));
}

/// A peer and what is known of it from outside.
struct Life {
    peer: Peer,
    now: Instant,
    /// As it calls the connection.
    connection: Option<ConnectionId>,
    /// Our next number, and the next one that is due from it.
    ns: u16,
    nr: u16,
    up: BTreeSet<EndId>,
    is_authenticated: bool,
}

impl Life {
    fn new(shape: u8) -> Self {
        let mut settings = Settings::new("fuzz", RouterId(1));
        if shape & 1 == 1 {
            settings.initiative = Initiative::Passive;
        }
        let is_authenticated = shape & 2 == 2;
        settings.authentication = is_authenticated.then(|| Authentication {
            secret: SharedSecret::derive(b"fuzz"),
            other_secret: None,
            digest: DigestKind::HmacMd5,
            cookies: if shape & 4 == 4 { CookieHiding::Hidden } else { CookieHiding::Clear },
        });
        Self {
            peer: Peer::new(settings, [shape; 32], u64::from(shape)),
            now: Instant::ZERO,
            connection: None,
            ns: 0,
            nr: 0,
            up: BTreeSet::new(),
            is_authenticated,
        }
    }

    fn step(&mut self, what: u8, how: u8, some: &[u8]) {
        match what {
            0 => {
                self.now += Duration::from_millis(u64::from(how) * 100);
                self.peer.handle_timeout(self.now);
                self.drain();
            }
            1 => self.input(if how & 7 == 0 { Input::Stop } else { Input::Start }),
            2 => self.session(how, some),
            3 => self.input(Input::Received { octets: some.to_vec() }),
            4 => self.begin(how),
            // A message behind a right header.
            5 => self.say_octets(how, some),
            6 => {
                let header = ControlHeader { ns: self.ns, ..self.header() };
                let octets = Message::Ack.encode(&header, &Encoding::default());
                self.input(Input::Received { octets });
            }
            _ => self.input(Input::DataReceived),
        }
    }

    fn input(&mut self, input: Input) {
        self.peer.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.peer.poll_action() {
            match action {
                Action::Send { octets } => self.read(&octets),
                Action::SessionUp(up) => assert!(self.up.insert(up.end.clone()), "{up:?}"),
                Action::SessionDown { end, .. } => {
                    self.up.remove(&end);
                }
                Action::SessionChanged { end, .. } => assert!(self.up.contains(&end), "{end:?}"),
                Action::ConnectionUp(_)
                | Action::ConnectionDown(_)
                | Action::ConnectionFailed(_) => {}
            }
        }
        let view = self.peer.view();
        let is_up = view.state == ConnectionState::Established;
        assert!(is_up || self.up.is_empty(), "{:?} without a connection", self.up);
    }

    /// A message of the machine.
    fn read(&mut self, octets: &[u8]) {
        let secret = SharedSecret::derive(b"fuzz");
        let frame = ControlFrame::read(octets);
        let read = frame.map(|frame| (frame.header, decode(&frame, Some(&secret))));
        let Ok((header, Ok(read))) = read else { panic!("cannot be read: {octets:02x?}") };
        if let Message::Sccrq(start) | Message::Sccrp(start) = &read.message
            && self.connection != Some(start.connection)
        {
            self.connection = Some(start.connection);
            self.ns = u16::from(matches!(read.message, Message::Sccrp(_)));
        }
        if !read.message.is_acknowledgement() {
            self.nr = header.ns.wrapping_add(1);
        }
    }

    fn header(&self) -> ControlHeader {
        ControlHeader { connection: self.connection, ns: self.ns, nr: self.nr }
    }

    /// The three messages of a connection.
    fn begin(&mut self, how: u8) {
        let start = Start {
            host_name: "other".to_owned(),
            router_id: RouterId(2),
            connection: ConnectionId::new(THEIRS + u32::from(how >> 4)).unwrap_or(NAME),
            capabilities: vec![PseudowireType::ETHERNET],
            nonce: self.is_authenticated.then(|| vec![how; 16]),
            tie_breaker: (how & 4 == 4).then_some(u64::MAX),
            vendor_name: None,
            receive_window: Some(u16::from(how)),
        };
        let (header, message) = match how & 3 {
            0 => (ControlHeader { connection: None, ns: 0, nr: 0 }, Message::Sccrq(start)),
            1 => (self.header(), Message::Sccrp(start)),
            2 => (self.header(), Message::Scccn),
            _ => (self.header(), Message::Hello),
        };
        if how & 3 != 0 {
            self.ns = self.ns.wrapping_add(1);
        }
        let octets = message.encode(&header, &Encoding::default());
        self.input(Input::Received { octets });
    }

    fn say_octets(&mut self, kind: u8, avps: &[u8]) {
        let mut octets = Message::Ack.encode(&self.header(), &Encoding::default());
        octets.extend(avps);
        let length = u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes();
        for (at, value) in [(2, length[0]), (3, length[1]), (19, kind)] {
            if let Some(octet) = octets.get_mut(at) {
                *octet = value;
            }
        }
        self.ns = self.ns.wrapping_add(1);
        self.input(Input::Received { octets });
    }

    fn session(&mut self, how: u8, name: &[u8]) {
        let Some(end) = EndId::new(name.get(..name.len().min(1)).unwrap_or_default()) else {
            return;
        };
        let (circuit, initiative) = match how & 1 {
            0 => (Circuit::Active, Initiative::Active),
            _ => (Circuit::Inactive, Initiative::Passive),
        };
        match (how >> 1 & 3, SessionId::new(u32::from(how >> 3))) {
            (0, _) => self.input(Input::RemoveSession(end)),
            (1, _) | (_, None) => self.input(Input::Circuit { end, circuit }),
            (_, Some(local)) => {
                let cookie = Cookie::new(&[how; 4]).unwrap_or_default();
                let sequencing = Sequencing::All;
                let receive = DataFormat { cookie, sublayer: Sublayer::None, sequencing };
                let pseudowire = PseudowireType::ETHERNET;
                let settings =
                    SessionSettings { end, local, pseudowire, receive, initiative, circuit };
                self.input(Input::Session(settings));
            }
        }
    }

    fn end(mut self) {
        self.input(Input::Stop);
        assert!(self.up.is_empty());
        for _ in 0..1000 {
            let Some(deadline) = self.peer.next_deadline() else { return };
            self.now = self.now.max(deadline);
            self.peer.handle_timeout(self.now);
            self.drain();
        }
        panic!("it never falls silent");
    }
}

const NAME: ConnectionId = match ConnectionId::new(THEIRS) {
    Some(id) => id,
    None => unreachable!(),
};
