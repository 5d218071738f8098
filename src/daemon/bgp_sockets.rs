//! The sockets of BGP: the kernel's TCP on one side, the speaker in the control plane on the other.
//!
//! Owns every socket and what waits to be written. What is said on a connection, and when one is
//! wanted, is the speaker's; it asks by [`Order`] and hears by [`Report`].
//!
//! *Invariants*: nothing blocks. At most `CHUNKS_MAX` chunks of a connection are on their way to
//! the speaker; until it takes one, nothing more is read and TCP stops the peer. A report that
//! finds no room waits and keeps its place.
//! *Standards*: tcp(7).

use crate::base::time::{Duration, Instant};
use crate::control::bgp_transport::{Failure, Listener, Order, Report, Security, SocketId};
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::link_tuns::Scopes;
use crate::os::poller::{Event, Interest, Poller};
use crate::os::tcp::{self, Accepted, HopLimits, Md5Key};
use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

/// Chunks of one connection on their way to the speaker: enough that it never waits for the kernel.
const CHUNKS_MAX: u8 = 16;
/// Octets of a chunk: a hundred messages, a slice of work for the speaker.
const CHUNK_OCTETS: usize = 1 << 14;
/// Connections at once: those that came, and one of its own for each neighbour, cache and station.
const SOCKETS_MAX: usize = ACCEPTED_MAX + 1536;
/// Connections at once that came from others, two a neighbour; more are turned away.
const ACCEPTED_MAX: usize = 2048;
/// Of those from one address: a collision, and some that were told that they are not wanted.
const ACCEPTED_PER_PEER_MAX: usize = 8;
/// How long a peer is given to read the last word.
const LINGER: Duration = Duration::from_secs(5);
/// Connections that are accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long nobody is accepted when descriptors ran out or the speaker is behind: the kernel keeps
/// `BACKLOG` connections meanwhile, and asking again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Chunks that are thrown away in one turn, of a peer that goes on talking after the last word:
/// others come first, and what is left is heard of again.
const CHUNKS_WASTED_PER_TURN: usize = 1;
/// The hop limit of the system, where nothing else is said: RFC 1700, Linux and BSD.
const HOP_LIMIT_USUAL: u8 = 64;
/// Tokens of the poller from here on are connections, by their number.
const SOCKET_TOKENS: u64 = 1 << 62;
/// And from here on listeners, by their place.
const LISTENER_TOKENS: u64 = 3 << 61;

const _: () = assert!(SOCKET_TOKENS < LISTENER_TOKENS);

/// All sockets; one of these per router, owned by the host thread.
#[derive(Debug, Default)]
pub struct BgpSockets {
    listeners: Vec<Open>,
    sockets: BTreeMap<SocketId, Socket>,
    /// The kernel's interface for each scope of link-local addresses.
    scopes: Scopes,
    /// Connections that came in so far.
    incoming_count: u64,
    /// Reports that found no room, in their order.
    unsaid: VecDeque<Report>,
    buffer: Vec<u8>,
}

/// A listener, and the socket where there is one.
#[derive(Debug)]
struct Open {
    wanted: Listener,
    socket: Option<TcpListener>,
    /// Until when nobody is accepted here; it is not watched then.
    rests_until: Option<Instant>,
}

#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// Who connected, where it was the other end.
    came_from: Option<Ipv6Addr>,
    is_connected: bool,
    /// Chunks that the speaker has not taken in.
    chunk_count: u8,
    /// What the kernel has not taken, and how much it has of the first.
    unsent: VecDeque<Vec<u8>>,
    sent_of_first: usize,
    /// The speaker has no more to say and does not listen. The peer is given until then to read
    /// what was said last and to close its end.
    ends_at: Option<Instant>,
    interest: Option<Interest>,
}

/// Says a report; gives it back where there is no room.
pub type Say<'a> = &'a mut dyn FnMut(Report) -> Result<(), Report>;

impl BgpSockets {
    /// Whether the event is of one of these sockets.
    pub const fn is_ours(event: &Event) -> bool {
        event.token >= SOCKET_TOKENS && event.token != u64::MAX
    }

    /// Whether reports wait for room: then [`Self::say_rest`] is due soon.
    pub fn must_say(&self) -> bool {
        !self.unsaid.is_empty()
    }

    /// Carries an order out.
    pub fn order(&mut self, poller: &Poller, (now, order): (Instant, Order), say: Say<'_>) {
        match order {
            Order::Listen(wanted) => self.listen(poller, wanted, say),
            Order::Connect { socket, local, remote, security } => {
                self.connect(poller, socket, (local, remote), &security, say);
            }
            Order::Send { socket, octets } => {
                let Some(open) = self.sockets.get_mut(&socket) else {
                    // Accepted for a control plane that failed, and taken up by the next one.
                    return self.say(Report::Closed { socket, failure: None }, say);
                };
                open.unsent.push_back(octets);
                self.write(poller, socket, say);
            }
            Order::Taken { socket } => {
                let Some(open) = self.sockets.get_mut(&socket) else { return };
                open.chunk_count = open.chunk_count.saturating_sub(1);
                self.watch(poller, socket, say);
            }
            Order::Close { socket } => {
                let Some(open) = self.sockets.get_mut(&socket) else { return };
                open.ends_at = Some(now + LINGER);
                if open.is_connected {
                    // RFC 4271 §6: the NOTIFICATION goes before the connection does.
                    self.write(poller, socket, say);
                } else {
                    self.forget(poller, socket);
                }
            }
        }
    }

    /// Does what an event asks for.
    pub fn serve(
        &mut self,
        poller: &Poller,
        (now, event): (Instant, Event),
        counters: &DaemonCounters,
        say: Say<'_>,
    ) {
        if event.token >= LISTENER_TOKENS {
            let place = usize::try_from(event.token - LISTENER_TOKENS).unwrap_or(usize::MAX);
            if self.accept(poller, place, counters, say) == Accepting::Rests {
                self.rest(poller, place, now);
            }
            return;
        }
        let socket = SocketId(event.token - SOCKET_TOKENS);
        if self.sockets.get(&socket).is_some_and(|open| !open.is_connected) {
            return self.finish_connect(poller, socket, say);
        }
        if event.is_writable {
            self.write(poller, socket, say);
        }
        if event.is_readable || event.is_broken {
            self.read(poller, socket, say);
        }
    }

    /// The kernel has other interfaces for link-local addresses than before. What listens at one
    /// that is new or gone listens anew; connections over one that is gone fail by themselves.
    pub fn set_scopes(&mut self, poller: &Poller, scopes: Scopes, say: Say<'_>) {
        if scopes == self.scopes {
            return;
        }
        let before = core::mem::replace(&mut self.scopes, scopes);
        for open in &mut self.listeners {
            let scope = open.wanted.local.scope_id();
            if before.get(&scope) != self.scopes.get(&scope)
                && let Some(socket) = open.socket.take()
                && open.rests_until.take().is_none()
            {
                let _ = poller.remove(socket.as_fd());
            }
        }
        let wanted = self.listeners.iter().map(|open| open.wanted.clone()).collect();
        self.listen(poller, wanted, say);
    }

    /// Says what found no room, as far as there is some now.
    pub fn say_rest(&mut self, say: Say<'_>) {
        while let Some(report) = self.unsaid.pop_front() {
            if let Err(report) = say(report) {
                return self.unsaid.push_front(report);
            }
        }
    }

    /// Whoever wanted the connections is no more. They end, and the peers learn it from TCP alone:
    /// who asked for a graceful restart is taken to restart (RFC 4724 §5). Nobody is accepted until
    /// somebody wants it again.
    pub fn forget_all(&mut self, poller: &Poller) {
        let all: Vec<SocketId> = self.sockets.keys().copied().collect();
        all.into_iter().for_each(|socket| self.forget(poller, socket));
        self.unsaid.clear();
        for open in core::mem::take(&mut self.listeners) {
            if let Some(socket) = open.socket.filter(|_| open.rests_until.is_none()) {
                let _ = poller.remove(socket.as_fd());
            }
        }
    }

    /// When [`Self::end_late`] is due.
    pub fn ends_at(&self) -> Option<Instant> {
        let rests = self.listeners.iter().filter_map(|open| open.rests_until);
        self.sockets.values().filter_map(|open| open.ends_at).chain(rests).min()
    }

    /// Ends connections whose peers had time to read the last word, and accepts again where that
    /// rested.
    pub fn end_late(&mut self, poller: &Poller, now: Instant) {
        let late = |(socket, open): (&SocketId, &Socket)| {
            open.ends_at.is_some_and(|at| at <= now).then_some(*socket)
        };
        let late: Vec<SocketId> = self.sockets.iter().filter_map(late).collect();
        late.into_iter().for_each(|socket| self.forget(poller, socket));
        for (place, open) in self.listeners.iter_mut().enumerate() {
            let (Some(socket), Some(until)) = (&open.socket, open.rests_until) else { continue };
            if until > now {
                continue;
            }
            let is_watched = poller.add(socket.as_fd(), LISTENER_TOKENS + place as u64).is_ok();
            open.rests_until = (!is_watched).then_some(now + ACCEPT_PAUSE);
        }
    }

    fn say(&mut self, report: Report, say: Say<'_>) {
        self.say_rest(say);
        match self.unsaid.is_empty() {
            true => self.unsaid.extend(say(report).err()),
            false => self.unsaid.push_back(report),
        }
    }

    /// Listens exactly where it is wanted. A listener that stays keeps its socket, and with it the
    /// connections that wait there, unless its keys or hop limits changed.
    fn listen(&mut self, poller: &Poller, wanted: Vec<Listener>, say: Say<'_>) {
        let mut before: Vec<Open> = core::mem::take(&mut self.listeners);
        for open in before.iter_mut().filter(|open| !wanted.contains(&open.wanted)) {
            if let Some(socket) = open.socket.take()
                && open.rests_until.is_none()
            {
                let _ = poller.remove(socket.as_fd());
            }
        }
        for (place, wanted) in wanted.into_iter().enumerate() {
            let kept = before.iter_mut().find(|open| open.wanted == wanted);
            let rests_until = kept.as_ref().and_then(|open| open.rests_until);
            let kept = kept.and_then(|open| open.socket.take());
            let token = LISTENER_TOKENS + place as u64;
            let is_kept = kept.is_some();
            let opened = kept.map_or_else(|| self.open(&wanted), Ok).and_then(|socket| {
                match (is_kept, rests_until) {
                    (true, Some(_)) => {}
                    (true, None) => poller.change(socket.as_fd(), token, Interest::Readable)?,
                    (false, _) => poller.add(socket.as_fd(), token)?,
                }
                Ok(socket)
            });
            let socket = match opened {
                Ok(socket) => Some(socket),
                Err(error) => {
                    let local = wanted.local;
                    self.say(Report::Deaf { local, failure: failure(&error) }, say);
                    None
                }
            };
            self.listeners.push(Open { wanted, socket, rests_until });
        }
    }

    /// Opens a listener. The least hop limit holds from the first SYN on if it holds for everybody;
    /// the answer to a SYN goes as far as the furthest peer needs.
    fn open(&self, wanted: &Listener) -> io::Result<TcpListener> {
        let security = || wanted.peers.iter().map(|expected| &expected.security);
        let least = security().map(|security| security.hop_limit_least).min().unwrap_or(0);
        let sent =
            security().map(|security| security.hop_limit_sent.unwrap_or(HOP_LIMIT_USUAL)).max();
        let is_usual = security().all(|security| security.hop_limit_sent.is_none());
        let sent = sent.filter(|_| !is_usual);
        let keys: Vec<Md5Key> = wanted
            .peers
            .iter()
            .filter_map(|expected| {
                let prefix = expected.peers;
                md5_key(&expected.security, prefix.address(), prefix.length())
            })
            .collect();
        tcp::listen(self.at_kernel(wanted.local)?, HopLimits { sent, least }, &keys)
    }

    /// An address as the kernel knows it: its scope is an interface there.
    fn at_kernel(&self, address: SocketAddrV6) -> io::Result<SocketAddrV6> {
        let scope = match address.scope_id() {
            0 => 0,
            scope => *self.scopes.get(&scope).ok_or(io::ErrorKind::AddrNotAvailable)?,
        };
        Ok(SocketAddrV6::new(*address.ip(), address.port(), 0, scope))
    }

    /// Accepts nobody at a listener for a while.
    fn rest(&mut self, poller: &Poller, place: usize, now: Instant) {
        let Some(open) = self.listeners.get_mut(place) else { return };
        let Some(socket) = &open.socket else { return };
        if open.rests_until.is_none() && poller.remove(socket.as_fd()).is_ok() {
            open.rests_until = Some(now + ACCEPT_PAUSE);
        }
    }

    fn accept(
        &mut self,
        poller: &Poller,
        place: usize,
        counters: &DaemonCounters,
        say: Say<'_>,
    ) -> Accepting {
        for _ in 0..ACCEPTS_PER_TURN {
            self.say_rest(say);
            if self.must_say() {
                return Accepting::Rests;
            }
            let Some(Open { wanted, socket: Some(listener), .. }) = self.listeners.get(place)
            else {
                return Accepting::GoesOn;
            };
            let came = || self.sockets.values().filter_map(|open| open.came_from);
            let has_room = |peer: Ipv6Addr| {
                came().count() < ACCEPTED_MAX
                    && came().filter(|other| *other == peer).count() < ACCEPTED_PER_PEER_MAX
            };
            let hop_limits = |peer: SocketAddrV6| {
                let security = security_of(wanted, *peer.ip())?;
                has_room(*peer.ip()).then(|| hop_limits(security))
            };
            let (stream, remote) = match tcp::accept(listener, hop_limits) {
                Ok(Some(Accepted::Stream(stream, remote))) => (stream, remote),
                Ok(Some(Accepted::Refused(_))) => {
                    counters.count(DaemonCounter::BgpStranger);
                    continue;
                }
                Ok(None) => return Accepting::GoesOn,
                // Whoever was waiting there is gone; the next may still be there.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                // Too many files, or no memory: the listener would say at once that somebody waits.
                Err(_) => {
                    counters.count(DaemonCounter::BgpAcceptFailed);
                    return Accepting::Rests;
                }
            };
            let local = wanted.local;
            // One listener, one interface: the peer is where the listener is.
            let remote = SocketAddrV6::new(*remote.ip(), remote.port(), 0, local.scope_id());
            let socket = SocketId::incoming(self.incoming_count);
            self.incoming_count += 1;
            if self.add(poller, socket, stream, Phase::Accepted(*remote.ip())) {
                self.say(Report::Accepted { socket, local, remote }, say);
            } else {
                counters.count(DaemonCounter::BgpAcceptFailed);
            }
        }
        Accepting::GoesOn
    }

    fn connect(
        &mut self,
        poller: &Poller,
        socket: SocketId,
        (local, remote): (Ipv6Addr, SocketAddrV6),
        security: &Security,
        say: Say<'_>,
    ) {
        let key = md5_key(security, *remote.ip(), 128);
        let begun = match self.sockets.len() >= SOCKETS_MAX {
            true => Err(io::Error::from_raw_os_error(libc::EMFILE)),
            false => self.at_kernel(remote).and_then(|remote| {
                let local = SocketAddrV6::new(local, 0, 0, remote.scope_id());
                tcp::connect(local, remote, hop_limits(security), key.as_ref())
            }),
        };
        match begun {
            Ok(stream) => {
                if !self.add(poller, socket, stream, Phase::Connecting) {
                    let failure = Failure::System(libc::ENOMEM);
                    self.say(Report::Failed { socket, failure }, say);
                }
            }
            Err(error) => {
                self.say(Report::Failed { socket, failure: failure(&error) }, say);
            }
        }
    }

    fn finish_connect(&mut self, poller: &Poller, socket: SocketId, say: Say<'_>) {
        let Some(open) = self.sockets.get_mut(&socket) else { return };
        let outcome = match open.stream.take_error() {
            Ok(None) => open.stream.peer_addr().and_then(|_| open.stream.local_addr()),
            Ok(Some(error)) | Err(error) => Err(error),
        };
        match outcome {
            // It was ready for another reason.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Ok(SocketAddr::V6(local)) => {
                open.is_connected = true;
                self.say(Report::Connected { socket, local }, say);
                self.write(poller, socket, say);
            }
            Ok(SocketAddr::V4(_)) => {
                self.forget(poller, socket);
                self.say(Report::Failed { socket, failure: Failure::AddressAbsent }, say);
            }
            Err(error) => {
                self.forget(poller, socket);
                self.say(Report::Failed { socket, failure: failure(&error) }, say);
            }
        }
    }

    /// Reads as far as there is credit.
    fn read(&mut self, poller: &Poller, socket: SocketId, say: Say<'_>) {
        self.buffer.resize(CHUNK_OCTETS, 0);
        let mut wasted_count = 0;
        while let Some(open) = self.sockets.get_mut(&socket) {
            let is_ending = open.ends_at.is_some();
            let is_enough = match is_ending {
                true => wasted_count >= CHUNKS_WASTED_PER_TURN,
                false => open.chunk_count >= CHUNKS_MAX,
            };
            if is_enough {
                break;
            }
            let outcome = match (&open.stream).read(&mut self.buffer) {
                Ok(0) => Err(None),
                Ok(count) => Ok(self.buffer.get(..count).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(Some(failure(&error))),
            };
            match outcome {
                // What comes after the last word is thrown away, so that the peer reads that word
                // and no reset.
                Ok(_) if is_ending => wasted_count += 1,
                Ok(octets) => {
                    open.chunk_count += 1;
                    self.say(Report::Received { socket, octets }, say);
                }
                Err(failure) => {
                    self.forget(poller, socket);
                    if !is_ending {
                        self.say(Report::Closed { socket, failure }, say);
                    }
                }
            }
        }
        self.watch(poller, socket, say);
    }

    /// Writes as far as the kernel takes it.
    fn write(&mut self, poller: &Poller, socket: SocketId, say: Say<'_>) {
        let Some(open) = self.sockets.get_mut(&socket) else { return };
        let (count, error) = if open.is_connected { open.flush() } else { (0, None) };
        let is_ending = open.ends_at.is_some();
        if is_ending && open.unsent.is_empty() {
            // The peer reads to the end and closes; its last words are thrown away meanwhile.
            let _ = open.stream.shutdown(Shutdown::Write);
        }
        if count > 0 && !is_ending {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.say(Report::Sent { socket, count }, say);
        }
        if error.is_some() {
            self.forget(poller, socket);
            if !is_ending {
                self.say(Report::Closed { socket, failure: error.as_ref().map(failure) }, say);
            }
            return;
        }
        self.watch(poller, socket, say);
    }

    fn add(&mut self, poller: &Poller, socket: SocketId, stream: TcpStream, phase: Phase) -> bool {
        let came_from = match phase {
            Phase::Connecting => None,
            Phase::Accepted(peer) => Some(peer),
        };
        let is_connected = came_from.is_some();
        let interest = if is_connected { Interest::Readable } else { Interest::Writable };
        let token = SOCKET_TOKENS + socket.0;
        if poller.add_for(stream.as_fd(), token, interest).is_err() {
            return false;
        }
        let open = Socket {
            stream,
            came_from,
            is_connected,
            chunk_count: 0,
            unsent: VecDeque::new(),
            sent_of_first: 0,
            ends_at: None,
            interest: Some(interest),
        };
        self.sockets.insert(socket, open);
        true
    }

    fn forget(&mut self, poller: &Poller, socket: SocketId) {
        if let Some(open) = self.sockets.remove(&socket)
            && open.interest.is_some()
        {
            let _ = poller.remove(open.stream.as_fd());
        }
    }

    /// Waits for what can be done now, and for nothing else. A connection that cannot be waited for
    /// ends: it would be silent for ever.
    fn watch(&mut self, poller: &Poller, socket: SocketId, say: Say<'_>) {
        let Some(open) = self.sockets.get_mut(&socket) else { return };
        let is_ending = open.ends_at.is_some();
        let reads = open.is_connected && (open.chunk_count < CHUNKS_MAX || is_ending);
        let writes = !open.is_connected || !open.unsent.is_empty();
        let interest = match (reads, writes) {
            (true, true) => Some(Interest::Both),
            (true, false) => Some(Interest::Readable),
            (false, true) => Some(Interest::Writable),
            (false, false) => None,
        };
        if interest == open.interest {
            return;
        }
        let (fd, token) = (open.stream.as_fd(), SOCKET_TOKENS + socket.0);
        let changed = match (open.interest, interest) {
            (None, Some(interest)) => poller.add_for(fd, token, interest),
            (Some(_), Some(interest)) => poller.change(fd, token, interest),
            (Some(_), None) => poller.remove(fd),
            (None, None) => Ok(()),
        };
        let Err(error) = changed else {
            open.interest = interest;
            return;
        };
        self.forget(poller, socket);
        if !is_ending {
            self.say(Report::Closed { socket, failure: Some(failure(&error)) }, say);
        }
    }
}

/// Whether a listener is worth another look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    GoesOn,
    Rests,
}

/// How far a connection is when it is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// It came, from this address.
    Accepted(Ipv6Addr),
}

impl Socket {
    /// Gives the kernel what it takes: how many octets, and what went wrong after them.
    fn flush(&mut self) -> (usize, Option<io::Error>) {
        let mut count = 0;
        while let Some(first) = self.unsent.front() {
            let rest = first.get(self.sent_of_first..).unwrap_or_default();
            match (&self.stream).write(rest) {
                Ok(written) => {
                    count += written;
                    self.sent_of_first += written;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return (count, Some(error)),
            }
            if self.sent_of_first >= first.len() {
                self.unsent.pop_front();
                self.sent_of_first = 0;
            }
        }
        (count, None)
    }
}

/// How packets of a peer must look; `None` where nobody expects it.
fn security_of(listener: &Listener, peer: Ipv6Addr) -> Option<&Security> {
    let matches = listener.peers.iter().filter(|expected| expected.peers.contains(peer));
    matches.max_by_key(|expected| expected.peers.length()).map(|expected| &expected.security)
}

fn hop_limits(security: &Security) -> HopLimits {
    HopLimits { sent: security.hop_limit_sent, least: security.hop_limit_least }
}

fn md5_key(security: &Security, peers: Ipv6Addr, prefix_length: u8) -> Option<Md5Key> {
    let key = security.key.as_ref()?;
    Some(Md5Key { peers, prefix_length, key: key.0.clone() })
}

fn failure(error: &io::Error) -> Failure {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::ConnectionRefused, _) => Failure::Refused,
        (io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe, _) => Failure::Reset,
        (io::ErrorKind::TimedOut, _) => Failure::TimedOut,
        (io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable, _) => {
            Failure::Unreachable
        }
        (io::ErrorKind::AddrNotAvailable, _) => Failure::AddressAbsent,
        (_, errno) => Failure::System(errno.unwrap_or(libc::EIO)),
    }
}

#[cfg(test)]
mod tests;
