//! The TCP of a simulated host's kernel: what the daemon's sockets of BGP are made of.
//!
//! Owns [`HostTcp`]: connections, listeners, and the small piece of driver that the daemon has
//! between a kernel and the speaker: orders become calls of sockets, what sockets say becomes
//! reports. The TCP itself is smoltcp's. Its segments are IPv6 packets that the real data planes
//! carry, so that a bad, cut or silent cable does to a connection what it does to packets; when a
//! router dies its connections are forgotten, and the next life answers their segments with RST.
//!
//! *Invariants*: after [`HostTcp::poll`] nothing is left to do before [`HostTcp::deadline`] or
//! another packet or order. Nothing is said of a connection that was closed.
//! *Standards*: RFC 9293 (smoltcp), RFC 5082 §3 (hop limits).
//!
//! Gap: RFC 2385, no key signs anything here; and an ICMPv6 error is no word to a connection.

use crate::base::time::{Duration, Instant};
use crate::control::bgp_transport::{Failure, Listener, Order, Report, Security, SocketId};
use crate::wire::ipv6::{HEADER_OCTETS, Ipv6View};
use core::net::{Ipv6Addr, SocketAddrV6};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as TcpInstant;
use smoltcp::wire::{HardwareAddress, IpEndpoint, Ipv6Address};
use std::collections::{BTreeMap, VecDeque};

/// TCP in the field of the next header.
const NEXT_TCP: u8 = 6;
/// The MTU of the host's TUN, which every cable carries.
const MTU: usize = 1500;
/// Octets that a socket keeps each way: more than a table of this world.
const BUFFER_OCTETS: usize = 1 << 15;
/// Chunks on their way to the speaker: fewer than in the daemon, for shorter tables.
const CHUNKS_MAX: u8 = 4;
/// How long a peer is given to read the last word, as in the daemon.
const LINGER: Duration = Duration::from_secs(5);
/// Local ports of connections that begin here (RFC 6335 §6), and how many there are.
const DYNAMIC_PORTS: (u16, u16) = (49152, 16384);

/// The kernel's half of a host, as far as TCP goes; one per node.
pub struct HostTcp {
    interface: Interface,
    tun: Tun,
    sockets: SocketSet<'static>,
    /// Where connections are awaited, each with the socket that waits.
    listeners: Vec<(Listener, SocketHandle)>,
    /// Came to a listener, and stand or not yet.
    arriving: Vec<Arriving>,
    open: BTreeMap<SocketId, Connection>,
    /// Closed by the speaker: what is still to be written, and until when the peer is waited for.
    ending: Vec<Ending>,
    incoming_count: u64,
    /// Connections begun, by which their local ports follow.
    outgoing_count: u16,
    reports: VecDeque<Report>,
    deadline: Option<Instant>,
    is_touched: bool,
}

struct Arriving {
    handle: SocketHandle,
    local: SocketAddrV6,
    /// Who may come, and how packets must look.
    peers: Vec<(crate::base::prefix::Ipv6Prefix, Security)>,
}

struct Connection {
    handle: SocketHandle,
    remote: Ipv6Addr,
    hop_limit_least: u8,
    is_connected: bool,
    /// Chunks that the speaker has not taken in.
    chunk_count: u8,
    unsent: VecDeque<u8>,
}

struct Ending {
    handle: SocketHandle,
    unsent: VecDeque<u8>,
    until: Instant,
}

/// The device under smoltcp: packets in, packets out.
#[derive(Default)]
struct Tun {
    inward: VecDeque<Vec<u8>>,
    outward: VecDeque<Vec<u8>>,
}

struct Inward(Vec<u8>);
struct Outward<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Inward {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Outward<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, octets: usize, write: F) -> R {
        let mut packet = vec![0; octets];
        let result = write(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl Device for Tun {
    type RxToken<'a> = Inward;
    type TxToken<'a> = Outward<'a>;

    fn receive(&mut self, _: TcpInstant) -> Option<(Inward, Outward<'_>)> {
        let packet = self.inward.pop_front()?;
        Some((Inward(packet), Outward(&mut self.outward)))
    }

    fn transmit(&mut self, _: TcpInstant) -> Option<Outward<'_>> {
        Some(Outward(&mut self.outward))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

impl HostTcp {
    /// A host without connections; `seed` gives sequence numbers and ports.
    pub fn new(now: Instant, seed: u64) -> Self {
        let mut tun = Tun::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut tun, when(now));
        // Which addresses are its own is known to the data plane, who hands over nothing else.
        interface.set_any_ip(true);
        let gateway = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let _ = interface.routes_mut().add_default_ipv6_route(gateway);
        Self {
            interface,
            tun,
            sockets: SocketSet::new(Vec::new()),
            listeners: Vec::new(),
            arriving: Vec::new(),
            open: BTreeMap::new(),
            ending: Vec::new(),
            incoming_count: 0,
            outgoing_count: u16::try_from(seed % u64::from(DYNAMIC_PORTS.1)).unwrap_or(0),
            reports: VecDeque::new(),
            deadline: None,
            is_touched: false,
        }
    }

    /// Whether a packet for the host is one for this.
    pub fn is_ours(packet: &[u8]) -> bool {
        Ipv6View::new(packet).is_ok_and(|view| view.next_header() == NEXT_TCP)
    }

    /// A packet came for the host.
    pub fn receive(&mut self, packet: Vec<u8>) {
        let Ok(view) = Ipv6View::new(&packet) else { return };
        if view.hop_limit() < self.hop_limit_least(view.source()) {
            return;
        }
        let client = client_of_syn(view.source(), &packet);
        if client.is_some_and(|client| self.is_arriving(client)) {
            return;
        }
        self.tun.inward.push_back(packet);
        self.is_touched = true;
    }

    /// Whether a connection of this client is on its way. Its SYN that comes again, because nothing
    /// was heard of the first, is for that one, which answers again by itself. smoltcp would give
    /// it to the socket that waits for the next who comes: two ends of one connection.
    fn is_arriving(&self, client: (Ipv6Addr, u16)) -> bool {
        self.arriving.iter().any(|Arriving { handle, .. }| {
            self.state(*handle) == State::SynReceived && self.remote(*handle) == Some(client)
        })
    }

    /// RFC 5082 §3: how far packets of a peer may have come.
    fn hop_limit_least(&self, peer: Ipv6Addr) -> u8 {
        let mut open = self.open.values();
        if let Some(connection) = open.find(|connection| connection.remote == peer) {
            return connection.hop_limit_least;
        }
        let expected = self.listeners.iter().flat_map(|(listener, _)| &listener.peers);
        let of_peer = expected.filter(|expected| expected.peers.contains(peer));
        of_peer.map(|expected| expected.security.hop_limit_least).min().unwrap_or(0)
    }

    /// Carries an order out.
    pub fn order(&mut self, now: Instant, order: Order) {
        self.is_touched = true;
        match order {
            Order::Listen(wanted) => self.listen(wanted),
            Order::Connect { socket, local, remote, security } => {
                self.connect(socket, local, remote, &security);
            }
            Order::Send { socket, octets } => {
                if let Some(connection) = self.open.get_mut(&socket) {
                    connection.unsent.extend(octets);
                }
            }
            Order::Taken { socket } => {
                if let Some(connection) = self.open.get_mut(&socket) {
                    connection.chunk_count = connection.chunk_count.saturating_sub(1);
                }
            }
            Order::Close { socket } => {
                let Some(connection) = self.open.remove(&socket) else { return };
                self.end(now, connection);
            }
        }
    }

    /// Whoever wanted the connections is no more; peers learn it from TCP alone.
    pub fn forget_all(&mut self, now: Instant) {
        self.is_touched = true;
        for connection in core::mem::take(&mut self.open).into_values() {
            self.end(now, connection);
        }
        self.listen(Vec::new());
        self.reports.clear();
    }

    fn end(&mut self, now: Instant, connection: Connection) {
        let Connection { handle, unsent, .. } = connection;
        self.ending.push(Ending { handle, unsent, until: now + LINGER });
    }

    fn add(&mut self) -> SocketHandle {
        let buffer = || SocketBuffer::new(vec![0; BUFFER_OCTETS]);
        self.sockets.add(Socket::new(buffer(), buffer()))
    }

    fn listen(&mut self, wanted: Vec<Listener>) {
        for (listener, handle) in core::mem::take(&mut self.listeners) {
            match wanted.contains(&listener) {
                true => self.listeners.push((listener, handle)),
                false => drop(self.sockets.remove(handle)),
            }
        }
        for listener in wanted {
            if self.listeners.iter().all(|(other, _)| *other != listener) {
                let handle = self.await_one(&listener);
                self.listeners.push((listener, handle));
            }
        }
    }

    /// A socket that the next who comes will have.
    fn await_one(&mut self, listener: &Listener) -> SocketHandle {
        let handle = self.add();
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        let limits = listener.peers.iter().map(|peer| peer.security.hop_limit_sent);
        socket.set_hop_limit(limits.flatten().max());
        let is_listening = socket.listen((*listener.local.ip(), listener.local.port()));
        assert!(is_listening.is_ok(), "a new socket at a port");
        handle
    }

    fn connect(
        &mut self,
        socket: SocketId,
        local: Ipv6Addr,
        remote: SocketAddrV6,
        security: &Security,
    ) {
        let (first, count) = DYNAMIC_PORTS;
        self.outgoing_count = (self.outgoing_count + 1) % count;
        let port = first + self.outgoing_count;
        let handle = self.add();
        let tcp = self.sockets.get_mut::<Socket<'_>>(handle);
        tcp.set_hop_limit(security.hop_limit_sent);
        let (far, near) = ((*remote.ip(), remote.port()), (local, port));
        if tcp.connect(self.interface.context(), far, near).is_err() {
            self.sockets.remove(handle);
            let failure = Failure::AddressAbsent;
            return self.reports.push_back(Report::Failed { socket, failure });
        }
        let connection = Connection {
            handle,
            remote: *remote.ip(),
            hop_limit_least: security.hop_limit_least,
            is_connected: false,
            chunk_count: 0,
            unsent: VecDeque::new(),
        };
        self.open.insert(socket, connection);
    }

    /// Whether [`Self::poll`] has something to do.
    pub fn has_work(&self, now: Instant) -> bool {
        self.is_touched || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// When it has, if nothing comes before.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Lets the sockets do what they can.
    pub fn poll(&mut self, now: Instant) {
        self.is_touched = true;
        while core::mem::take(&mut self.is_touched) {
            self.interface.poll(when(now), &mut self.tun, &mut self.sockets);
            self.accept(now);
            self.serve(now);
            self.finish(now);
        }
        self.interface.poll(when(now), &mut self.tun, &mut self.sockets);
        let of_tcp = self.interface.poll_at(when(now), &self.sockets);
        let of_tcp = of_tcp.map(|at| {
            let micros = u64::try_from(at.total_micros()).unwrap_or(0);
            // What is due by its own reckoning was just done.
            Instant::from_nanos(micros.saturating_mul(1000)).max(now + TICK)
        });
        let of_ends = self.ending.iter().map(|ending| ending.until).min();
        self.deadline = [of_tcp, of_ends].into_iter().flatten().min();
        self.is_touched = false;
    }

    /// The oldest packet that goes out.
    pub fn next_packet(&mut self) -> Option<Vec<u8>> {
        self.tun.outward.pop_front()
    }

    /// The oldest report.
    pub fn next_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Who came to a listener.
    fn accept(&mut self, now: Instant) {
        for place in 0..self.listeners.len() {
            let (listener, handle) = self.listeners[place].clone();
            if self.state(handle) == State::Listen {
                continue;
            }
            let peers = listener.peers.iter();
            let peers = peers.map(|expected| (expected.peers, expected.security.clone()));
            let (local, peers) = (listener.local, peers.collect());
            self.arriving.push(Arriving { handle, local, peers });
            self.listeners[place].1 = self.await_one(&listener);
        }
        for Arriving { handle, local, peers } in core::mem::take(&mut self.arriving) {
            match (self.state(handle), self.remote(handle)) {
                (State::SynReceived, _) => self.arriving.push(Arriving { handle, local, peers }),
                (State::Established | State::CloseWait, Some(remote)) => {
                    let mut expected = peers.iter().filter(|(peers, _)| peers.contains(remote.0));
                    let Some((_, security)) = expected.next() else {
                        self.abort(now, handle);
                        continue;
                    };
                    let hop_limit = security.hop_limit_sent;
                    self.sockets.get_mut::<Socket<'_>>(handle).set_hop_limit(hop_limit);
                    self.admit(handle, (local, remote), security.hop_limit_least);
                }
                _ => drop(self.sockets.remove(handle)),
            }
        }
    }

    fn admit(
        &mut self,
        handle: SocketHandle,
        (local, remote): (SocketAddrV6, (Ipv6Addr, u16)),
        hop_limit_least: u8,
    ) {
        let socket = SocketId::incoming(self.incoming_count);
        self.incoming_count += 1;
        let connection = Connection {
            handle,
            remote: remote.0,
            hop_limit_least,
            is_connected: true,
            chunk_count: 0,
            unsent: VecDeque::new(),
        };
        self.open.insert(socket, connection);
        // One listener, one link: the peer is where the listener is.
        let remote = SocketAddrV6::new(remote.0, remote.1, 0, local.scope_id());
        self.reports.push_back(Report::Accepted { socket, local, remote });
    }

    /// What the sockets of open connections have to say, and what they take.
    fn serve(&mut self, now: Instant) {
        let ids: Vec<SocketId> = self.open.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.open.get_mut(&id) else { continue };
            let socket = self.sockets.get_mut::<Socket<'_>>(connection.handle);
            if !connection.is_connected {
                match socket.state() {
                    State::SynSent | State::SynReceived => continue,
                    State::Closed => {
                        let failure = Failure::Refused;
                        self.reports.push_back(Report::Failed { socket: id, failure });
                        self.forget(id);
                        continue;
                    }
                    _ => {
                        connection.is_connected = true;
                        let local = address(socket.local_endpoint());
                        self.reports.push_back(Report::Connected { socket: id, local });
                    }
                }
            }
            while connection.chunk_count < CHUNKS_MAX && socket.can_recv() {
                let octets = socket.recv(|octets| (octets.len(), octets.to_vec()));
                let octets = octets.unwrap_or_default();
                connection.chunk_count += 1;
                self.is_touched = true;
                self.reports.push_back(Report::Received { socket: id, octets });
            }
            let count = write(socket, &mut connection.unsent);
            if count > 0 {
                self.is_touched = true;
                self.reports.push_back(Report::Sent { socket: id, count });
            }
            let is_read = socket.recv_queue() == 0;
            let failure = match socket.state() {
                State::CloseWait if is_read => None,
                State::Closed if is_read => Some(Failure::Reset),
                _ => continue,
            };
            self.reports.push_back(Report::Closed { socket: id, failure });
            if let Some(connection) = self.open.remove(&id) {
                self.is_touched = true;
                self.end(now, connection);
            }
        }
    }

    fn forget(&mut self, id: SocketId) {
        if let Some(connection) = self.open.remove(&id) {
            self.sockets.remove(connection.handle);
        }
    }

    /// Writes the last words, closes, and forgets what is closed at both ends.
    fn finish(&mut self, now: Instant) {
        for mut ending in core::mem::take(&mut self.ending) {
            let socket = self.sockets.get_mut::<Socket<'_>>(ending.handle);
            // What comes after the last word is thrown away.
            while socket.can_recv() {
                let _ = socket.recv(|octets| (octets.len(), ()));
            }
            self.is_touched |= write(socket, &mut ending.unsent) > 0;
            let before = socket.state();
            if ending.unsent.is_empty() || !socket.may_send() {
                socket.close();
            }
            self.is_touched |= socket.state() != before;
            match socket.state() {
                State::Closed | State::TimeWait => drop(self.sockets.remove(ending.handle)),
                _ if ending.until <= now => self.abort(now, ending.handle),
                _ => self.ending.push(ending),
            }
        }
    }

    /// Ends a connection with a reset, which goes out before the socket is forgotten.
    fn abort(&mut self, now: Instant, handle: SocketHandle) {
        self.sockets.get_mut::<Socket<'_>>(handle).abort();
        self.interface.poll(when(now), &mut self.tun, &mut self.sockets);
        self.sockets.remove(handle);
    }

    fn state(&self, handle: SocketHandle) -> State {
        self.sockets.get::<Socket<'_>>(handle).state()
    }

    fn remote(&self, handle: SocketHandle) -> Option<(Ipv6Addr, u16)> {
        let endpoint = self.sockets.get::<Socket<'_>>(handle).remote_endpoint();
        endpoint.map(|endpoint| {
            let address = address(Some(endpoint));
            (*address.ip(), address.port())
        })
    }
}

/// Who wants a connection, where a packet without extension headers is a SYN (RFC 9293 §3.1).
fn client_of_syn(source: Ipv6Addr, packet: &[u8]) -> Option<(Ipv6Addr, u16)> {
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    let segment = packet.get(HEADER_OCTETS..)?;
    let port = u16::from_be_bytes(*segment.first_chunk()?);
    (segment.get(13)? & (SYN | ACK) == SYN).then_some((source, port))
}

/// A deadline lies at least this far ahead: what smoltcp counts in.
const TICK: Duration = Duration::from_micros(1);

/// Gives the socket what it takes; how many octets.
fn write(socket: &mut Socket<'_>, unsent: &mut VecDeque<u8>) -> u32 {
    let mut count = 0;
    while socket.can_send() && !unsent.is_empty() {
        let (first, _) = unsent.as_slices();
        let Ok(taken) = socket.send_slice(first) else { break };
        unsent.drain(..taken);
        count += taken;
    }
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn when(now: Instant) -> TcpInstant {
    TcpInstant::from_micros(i64::try_from(now.as_nanos() / 1000).unwrap_or(i64::MAX))
}

fn address(endpoint: Option<IpEndpoint>) -> SocketAddrV6 {
    match endpoint.map(core::net::SocketAddr::from) {
        Some(core::net::SocketAddr::V6(address)) => address,
        _ => SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0),
    }
}

#[cfg(test)]
mod tests;
