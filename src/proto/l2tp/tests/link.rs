//! Two peers and the path between them, which loses, doubles, delays and spoils messages.
//!
//! Owns [`World`]. Everything comes from a seed; time goes from one event to the next.

use super::super::*;
use crate::base::ids::RouterId;
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::wire::l2tp::limits::MESSAGE_OCTETS_MAX;
use crate::wire::l2tp::{
    ControlFrame, Cookie, DigestKind, PseudowireType, SessionId, SharedSecret,
};
use std::collections::BTreeMap;

/// What the path does, in percent of messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    pub loss: u64,
    pub doubling: u64,
    /// So many arrive up to two seconds late.
    pub delay: u64,
    /// One bit is another one.
    pub spoiling: u64,
    pub is_cut: bool,
}

/// Two peers; one is 0, the other 1.
pub struct World {
    pub peers: [Peer; 2],
    pub now: Instant,
    pub path: Path,
    /// Everything but what was sent, in order.
    pub told: [Vec<Action>; 2],
    /// Every message that was sent, with its sender.
    pub sent: Vec<(usize, Vec<u8>)>,
    on_the_way: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
    prng: Prng,
}

pub fn settings(number: usize) -> Settings {
    let id = u32::try_from(number).unwrap() + 1;
    Settings::new(&format!("s0{id}"), RouterId(id))
}

pub fn secret(password: &str) -> Authentication {
    Authentication {
        secret: SharedSecret::derive(password.as_bytes()),
        other_secret: None,
        digest: DigestKind::HmacSha1,
        cookies: CookieHiding::Clear,
    }
}

pub fn end(name: &str) -> EndId {
    EndId::new(name.as_bytes()).unwrap()
}

/// A session of one end, for a circuit of this name; its id is the end's.
pub fn session(name: &str, local: u32) -> SessionSettings {
    let cookie = Cookie::new(&u64::from(local).to_be_bytes()).unwrap();
    SessionSettings {
        end: end(name),
        local: SessionId::new(local).unwrap(),
        pseudowire: PseudowireType::ETHERNET,
        receive: DataFormat { cookie, ..DataFormat::default() },
        initiative: Initiative::Active,
        circuit: Circuit::Active,
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, [settings(0), settings(1)])
    }

    pub fn with(seed: u64, settings: [Settings; 2]) -> Self {
        let mut prng = Prng::new(seed);
        let peers = settings.map(|settings| peer(&mut prng, settings));
        Self {
            peers,
            now: Instant::ZERO,
            path: Path::default(),
            told: [Vec::new(), Vec::new()],
            sent: Vec::new(),
            on_the_way: BTreeMap::new(),
            count: 0,
            prng,
        }
    }

    /// An end that was started again: it knows nothing of before.
    pub fn renew(&mut self, number: usize, settings: Settings) {
        self.peers[number] = peer(&mut self.prng, settings);
    }

    pub fn input(&mut self, number: usize, input: Input) {
        self.peers[number].handle(self.now, input);
        self.drain(number);
    }

    pub fn both(&mut self, input: &Input) {
        for number in [0, 1] {
            self.input(number, input.clone());
        }
    }

    /// Sessions with these names at both ends, ids from 100 and from 200 on.
    pub fn sessions(&mut self, names: &[&str]) {
        for (place, name) in (0..).zip(names) {
            self.input(0, Input::Session(session(name, 100 + place)));
            self.input(1, Input::Session(session(name, 200 + place)));
        }
    }

    fn drain(&mut self, number: usize) {
        while let Some(action) = self.peers[number].poll_action() {
            match action {
                Action::Send { octets } => self.send(number, octets),
                other => self.told[number].push(other),
            }
        }
    }

    fn send(&mut self, from: usize, octets: Vec<u8>) {
        assert!(octets.len() <= MESSAGE_OCTETS_MAX, "{} octets", octets.len());
        assert!(ControlFrame::read(&octets).is_ok(), "{octets:02x?}");
        self.sent.push((from, octets.clone()));
        let copies = if self.chance(self.path.doubling) { 2 } else { 1 };
        for _ in 0..copies {
            if self.path.is_cut || self.chance(self.path.loss) {
                continue;
            }
            let mut octets = octets.clone();
            if self.chance(self.path.spoiling) {
                let bit = usize::try_from(self.prng.below(octets.len() as u64 * 8)).unwrap();
                octets[bit / 8] ^= 1 << (bit % 8);
            }
            let most = if self.chance(self.path.delay) { 2000 } else { 10 };
            let delay = self.prng.between(Duration::from_millis(1), Duration::from_millis(most));
            self.count += 1;
            self.on_the_way.insert((self.now + delay, self.count), (1 - from, octets));
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.prng.below(100) < percent
    }

    /// Lets so much time go by.
    pub fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        for _ in 0..1_000_000 {
            let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
            let deadlines = [0, 1].map(|number| self.peers[number].next_deadline());
            let next = deadlines.into_iter().flatten().chain(arrival).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, (to, octets)) = self.on_the_way.pop_first().unwrap();
                self.input(to, Input::Received { octets });
                continue;
            }
            for number in [0, 1] {
                self.peers[number].handle_timeout(self.now);
                self.drain(number);
            }
        }
        panic!("they never fall silent");
    }

    /// Whether both ends have a connection and the same sessions on it, each knowing of the other's
    /// half what the other has said.
    pub fn is_whole(&self, sessions: usize) -> bool {
        let [one, other] = [0, 1].map(|number| self.peers[number].view());
        let is_connected = one.state == ConnectionState::Established
            && other.state == ConnectionState::Established
            && (one.local, one.remote) == (other.remote, other.local);
        let halves = |view: &View| -> Vec<SessionView> {
            let up = |session: &&SessionView| session.state == CallState::Established;
            view.sessions.iter().filter(up).cloned().collect()
        };
        let (ones, others) = (halves(&one), halves(&other));
        let fits = |one: &SessionView| {
            let other = others.iter().find(|other| other.end == one.end);
            other.is_some_and(|other| {
                one.remote == Some(other.local)
                    && other.remote == Some(one.local)
                    && one.transmit == Some(other.receive)
                    && other.transmit == Some(one.receive)
            })
        };
        is_connected
            && ones.len() == sessions
            && others.len() == sessions
            && ones.iter().all(fits)
            && [0, 1].map(|number| self.up_count(number)) == [sessions, sessions]
    }

    /// How many sessions are up by what an end has told.
    pub fn up_count(&self, number: usize) -> usize {
        let mut up = std::collections::BTreeSet::new();
        for action in &self.told[number] {
            match action {
                Action::SessionUp(session) => {
                    assert!(up.insert(session.end.clone()), "{:?} is up already", session.end);
                }
                Action::SessionDown { end, .. } => {
                    up.remove(end);
                }
                Action::SessionChanged { end, .. } => assert!(up.contains(end), "{end:?}"),
                _ => {}
            }
        }
        up.len()
    }
}

fn peer(prng: &mut Prng, settings: Settings) -> Peer {
    let words = [(); 4].map(|()| prng.next_u64().to_be_bytes());
    let mut key = [0; 32];
    for (octet, value) in key.iter_mut().zip(words.iter().flatten()) {
        *octet = *value;
    }
    Peer::new(settings, key, prng.next_u64())
}
