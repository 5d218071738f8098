//! One control connection: its names, its secrets, what it sends and when.
//!
//! Owns [`Connection`]. Which connection is in use and what messages do to it is
//! [`super::peer`]'s and [`super::receive`]'s.
//!
//! *Invariants*: a message that goes again has the same number and a fresh Nr; whatever was taken
//! from the peer is acknowledged before the input that brought it is done with.
//! *Standards*: RFC 3931 §4.2 (delivery), §4.3 and §5.4.1 (digests and their nonces), §4.4 (HELLO).
//! Where a StopCCN answers an SCCRQ the other nonce is not known, which the RFC does not treat: it
//! counts as empty.

use super::action::PeerIdentity;
use super::counters::Counters;
use super::entropy::Entropy;
use super::input::{Authentication, CookieHiding, Settings};
use super::limits::{HELLO_JITTER_PERCENT, SETUP_TIME_MAX};
use super::state::ConnectionState;
use super::transport::{Attempt, Full, Transport};
use crate::base::prng::Prng;
use crate::base::time::Instant;
use crate::base::timers::TimerTable;
use crate::wire::l2tp::digest::{is_signed, nonce};
use crate::wire::l2tp::{
    ConnectionId, ControlFrame, ControlHeader, DigestError, Encoding, Message, Nonces,
    PseudowireType, Received, Refused, SharedSecret, Signer, Start, check,
};
use std::collections::BTreeMap;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// §4.2: its first message is acknowledged.
    Retransmit,
    /// §4.4: the peer says anything.
    Hello,
    /// It is established.
    Setup,
    /// §3.3.2: nobody repeats the StopCCN any more.
    Linger,
}

/// How a connection is, its end included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It lives.
    Live(ConnectionState),
    /// We have sent a StopCCN, which is not acknowledged.
    Closing,
    /// The peer has sent one, and may not have heard that we know.
    Lingering,
}

/// Who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Initiator,
    Responder,
}

/// A message, or what is wrong with it.
pub(super) type Decoded = Result<Received, Box<Refused>>;

/// One control connection; a few a peer.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// As the peer calls it.
    pub local: ConnectionId,
    /// As we call it towards the peer; `None` before it has said how.
    pub remote: Option<ConnectionId>,
    pub role: Role,
    pub phase: Phase,
    pub since: Instant,
    /// Of an own SCCRQ.
    pub tie_breaker: u64,
    pub authentication: Option<Authentication>,
    pub own_nonce: Vec<u8>,
    pub remote_nonce: Vec<u8>,
    pub transport: Transport,
    /// Messages that came before one that was sent earlier, by their number; fewer than our window.
    pub early: BTreeMap<u16, Decoded>,
    pub timers: TimerTable<Timer>,
    pub identity: Option<PeerIdentity>,
    pub capabilities: Vec<PseudowireType>,
}

impl Connection {
    /// A connection that begins at `now` with an SCCRQ or an SCCRP.
    pub(super) fn new(
        now: Instant,
        role: Role,
        settings: &Settings,
        entropy: &mut Entropy,
    ) -> Self {
        let state = match role {
            Role::Initiator => ConnectionState::WaitCtlReply,
            Role::Responder => ConnectionState::WaitCtlConn,
        };
        let own_nonce = match settings.authentication {
            Some(_) => entropy.nonce().to_vec(),
            None => Vec::new(),
        };
        let mut timers = TimerTable::default();
        timers.set(Timer::Setup, now + SETUP_TIME_MAX);
        Self {
            local: entropy.connection_id(),
            remote: None,
            role,
            phase: Phase::Live(state),
            since: now,
            tie_breaker: entropy.number(),
            authentication: settings.authentication,
            own_nonce,
            remote_nonce: Vec::new(),
            transport: Transport::new(),
            early: BTreeMap::new(),
            timers,
            identity: None,
            capabilities: Vec::new(),
        }
    }

    /// Whether it is established.
    pub(super) fn is_established(&self) -> bool {
        self.phase == Phase::Live(ConnectionState::Established)
    }

    /// Whether it lives and is not established.
    pub(super) fn is_being_set_up(&self) -> bool {
        matches!(self.phase, Phase::Live(state) if state != ConnectionState::Established)
    }

    /// What we say of ourselves in an SCCRQ or SCCRP.
    pub(super) fn start(&self, settings: &Settings) -> Start {
        Start {
            host_name: settings.host_name.clone(),
            router_id: settings.router_id,
            connection: self.local,
            capabilities: settings.capabilities.clone(),
            nonce: self.authentication.map(|_| self.own_nonce.clone()),
            tie_breaker: (self.role == Role::Initiator).then_some(self.tie_breaker),
            vendor_name: Some(concat!("Kumiki ", env!("CARGO_PKG_VERSION")).to_owned()),
            receive_window: Some(super::limits::RECEIVE_WINDOW),
        }
    }

    /// Keeps what the peer says of itself.
    pub(super) fn learn(&mut self, start: Start) {
        self.remote = Some(start.connection);
        self.remote_nonce = start.nonce.unwrap_or_default();
        self.transport.set_peer_window(start.receive_window);
        self.capabilities = start.capabilities;
        self.identity = Some(PeerIdentity {
            host_name: start.host_name,
            router_id: start.router_id,
            vendor_name: start.vendor_name,
        });
    }

    /// Another secret, where both ends had one from the start.
    pub(super) fn adopt(&mut self, settings: &Settings) {
        if self.authentication.is_some() && settings.authentication.is_some() {
            self.authentication = settings.authentication;
        }
    }

    /// Appends a message.
    pub(super) fn say(&mut self, message: Message) -> Result<(), Full> {
        self.transport.push(message)
    }

    /// §4.4: the peer is there; it is asked again after a while.
    pub(super) fn heard(&mut self, now: Instant, settings: &Settings, prng: &mut Prng) {
        if self.is_established() {
            let most = settings.hello_time;
            let least = most * (100 - HELLO_JITTER_PERCENT) / 100;
            self.timers.set(Timer::Hello, now + prng.between(least, most));
        }
    }

    /// Checks the digest of a message on this connection. Returns the secret that was right, where
    /// messages are authenticated.
    pub(super) fn check(
        &self,
        frame: &ControlFrame<'_>,
    ) -> Result<Option<SharedSecret>, DigestError> {
        let sender = match self.remote_nonce.as_slice() {
            [] => nonce(frame).unwrap_or_default(),
            known => known,
        };
        // Whoever has no name for the connection has not got our nonce either.
        let receiver = match frame.header.connection {
            Some(_) => self.own_nonce.as_slice(),
            None => &[],
        };
        let nonces = Nonces { sender, receiver };
        check_with(self.authentication.as_ref(), frame, nonces)
    }

    /// Sends what may be sent, and acknowledges what nothing else has.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        entropy: &mut Entropy,
        counters: &mut Counters,
    ) -> Vec<Vec<u8>> {
        let Self { remote, authentication, own_nonce, remote_nonce, transport, .. } = self;
        let mut sealing = Sealing {
            connection: *remote,
            authentication: authentication.as_ref(),
            own_nonce,
            remote_nonce,
            entropy,
        };
        let mut out = Vec::new();
        let nr = transport.expected();
        while let Some((ns, message, attempt)) = transport.take_next() {
            counters.retransmitted += u64::from(attempt == Attempt::Again);
            out.push(sealing.seal(message, ns, nr));
        }
        // Whoever has no name for the connection yet has nothing of ours to wait for.
        if transport.must_acknowledge && out.is_empty() && remote.is_some() {
            counters.acknowledgements += 1;
            out.push(sealing.seal(&Message::Ack, transport.next_number(), nr));
        }
        transport.must_acknowledge = false;
        if transport.is_waiting() {
            self.timers.set_if_idle(Timer::Retransmit, now + self.transport.patience());
        } else {
            self.timers.clear(Timer::Retransmit);
        }
        counters.sent += out.len() as u64;
        out
    }
}

/// What turns a message into octets.
struct Sealing<'a> {
    connection: Option<ConnectionId>,
    authentication: Option<&'a Authentication>,
    own_nonce: &'a [u8],
    remote_nonce: &'a [u8],
    entropy: &'a mut Entropy,
}

impl Sealing<'_> {
    fn seal(&mut self, message: &Message, ns: u16, nr: u16) -> Vec<u8> {
        let header = ControlHeader { connection: self.connection, ns, nr };
        let Some(authentication) = self.authentication else {
            return message.encode(&header, &Encoding::default());
        };
        let nonces = match message {
            // §5.4.1: the nonce "is present within the message itself".
            Message::Sccrq(_) => Nonces::default(),
            _ => Nonces { sender: self.own_nonce, receiver: self.remote_nonce },
        };
        let secret = &authentication.secret;
        let signer = Some(Signer { kind: authentication.digest, secret, nonces });
        let vector = match (authentication.cookies, message) {
            (CookieHiding::Hidden, Message::Icrq(_) | Message::Icrp(_)) => {
                Some(self.entropy.nonce())
            }
            _ => None,
        };
        let hiding = vector.as_ref().map(|vector| (secret, &vector[..]));
        message.encode(&header, &Encoding { signer, hiding })
    }
}

/// Checks a digest with every secret there is. Where messages are not authenticated a digest may be
/// there all the same, to be made with an empty secret and without nonces (§4.3).
pub(super) fn check_with(
    authentication: Option<&Authentication>,
    frame: &ControlFrame<'_>,
    nonces: Nonces<'_>,
) -> Result<Option<SharedSecret>, DigestError> {
    match authentication {
        Some(authentication) => {
            let other = authentication.other_secret.unwrap_or(authentication.secret);
            check(frame, &[authentication.secret, other], nonces).map(|secret| Some(*secret))
        }
        None if is_signed(frame) => {
            check(frame, &[SharedSecret::derive(b"")], Nonces::default()).map(|_| None)
        }
        None => Ok(None),
    }
}
