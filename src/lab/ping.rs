//! Echo between hosts: who reaches whom, with which size.
//!
//! Owns one echo socket in each host's namespace. The kernel of the host asked answers.
//!
//! *Invariants*: a size is that of the ICMPv6 data, as `ping -s` counts: 8900 makes a packet of
//! 8948 octets, which passes an MTU of 9000 whole.
//! *Standards*: RFC 4443 §4.1 and §4.2.

use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::layout::{self, Numbering};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Echoes under way from one host.
const IN_FLIGHT_MAX: usize = 16;
/// Their data in octets: what comes back at once must fit the default receive buffer of 208 KiB, in
/// which a packet of 8900 octets takes twice its size.
const IN_FLIGHT_OCTETS_MAX: usize = 64 << 10;
/// Octets of data of an echo to an address outside.
const OUTSIDE_OCTETS: usize = 64;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// Two hosts by index: who asks, who answers.
pub type HostPair = (usize, usize);

/// What one round of echoes found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PingRound {
    /// Round-trip times in microseconds of those that were answered, sorted.
    pub round_trip_us: Vec<u64>,
    /// Pairs without an answer.
    pub missing: Vec<HostPair>,
}

impl PingRound {
    /// Whether everybody answered.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// The median round-trip time in microseconds.
    pub fn median_us(&self) -> Option<u64> {
        self.round_trip_us.get(self.round_trip_us.len() / 2).copied()
    }
}

/// An echo: the two hosts, and the address that is asked. Of an address outside, the second host
/// is the first.
type Echo = (HostPair, Ipv6Addr);

/// Echo sockets of every host; one in a lab, owned by its main thread.
pub struct Pinger {
    sockets: Vec<UdpSocket>,
    numbering: Numbering,
    sequence_number: u16,
}

impl Pinger {
    /// Opens a socket in each host.
    pub fn open(lab: &Lab) -> Result<Self, LabError> {
        let sockets = (0..lab.server_count())
            .map(|host| {
                lab.host(host).run(echo_socket)?.map_err(|source| LabError::Socket {
                    action: format!("open an echo socket in {}", layout::host_name(host)),
                    source,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { sockets, numbering: lab.state.numbering, sequence_number: 0 })
    }

    /// One echo for each pair, with `data_octets` of data; waits up to `wait` for those of one
    /// host.
    pub fn round(&mut self, pairs: &[HostPair], data_octets: usize, wait: Duration) -> PingRound {
        let numbering = self.numbering;
        let echo = |&pair: &HostPair| (pair, numbering.host_address(pair.1));
        self.all(pairs.iter().map(echo).collect(), data_octets, wait)
    }

    /// One echo from each of `hosts` to an address that is no host's.
    pub fn outside(&mut self, hosts: &[usize], to: Ipv6Addr, wait: Duration) -> PingRound {
        let echoes = hosts.iter().map(|&host| ((host, host), to));
        self.all(echoes.collect(), OUTSIDE_OCTETS, wait)
    }

    fn all(&mut self, mut echoes: Vec<Echo>, data_octets: usize, wait: Duration) -> PingRound {
        let mut round = PingRound::default();
        echoes.sort_unstable();
        let in_flight = (IN_FLIGHT_OCTETS_MAX / data_octets.max(1)).clamp(1, IN_FLIGHT_MAX);
        for same_source in echoes.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
            for batch in same_source.chunks(in_flight) {
                self.batch(batch, data_octets, wait, &mut round);
            }
        }
        round.round_trip_us.sort_unstable();
        round
    }

    fn batch(
        &mut self,
        echoes: &[Echo],
        data_octets: usize,
        wait: Duration,
        round: &mut PingRound,
    ) {
        let mut waiting: Vec<(u16, Echo, Instant)> = Vec::new();
        let source = echoes.first().and_then(|(pair, _)| self.sockets.get(pair.0));
        let Some(socket) = source else { return };
        for &echo in echoes {
            self.sequence_number = self.sequence_number.wrapping_add(1);
            let request = echo_request(self.sequence_number, data_octets);
            let to = SocketAddrV6::new(echo.1, 0, 0, 0);
            // A host without a route answers with an error: then nothing comes back either.
            let _ = socket.send_to(&request, to);
            waiting.push((self.sequence_number, echo, Instant::now()));
        }
        let deadline = Instant::now() + wait;
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let Some((from, sequence_number)) = receive_reply(socket, left) else { continue };
            let found = waiting
                .iter()
                .position(|(sequence, (_, to), _)| *sequence == sequence_number && *to == from);
            if let Some(index) = found {
                let (_, _, sent) = waiting.swap_remove(index);
                let elapsed = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
                round.round_trip_us.push(elapsed);
            }
        }
        round.missing.extend(waiting.into_iter().map(|(_, (pair, _), _)| pair));
    }
}

/// Every ordered pair of different hosts of `hosts` for which `is_reachable`.
pub fn pairs_of(hosts: usize, is_reachable: impl Fn(usize, usize) -> bool) -> Vec<HostPair> {
    (0..hosts)
        .flat_map(|from| (0..hosts).map(move |to| (from, to)))
        .filter(|&(from, to)| from != to && is_reachable(from, to))
        .collect()
}

fn echo_socket() -> io::Result<UdpSocket> {
    let socket: OwnedFd = socket_with(
        AddressFamily::INET6,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(ipproto::ICMPV6),
    )?;
    // The standard library's type serves any datagram socket of its address family.
    Ok(UdpSocket::from(socket))
}

/// The kernel fills in identifier and checksum.
fn echo_request(sequence_number: u16, data_octets: usize) -> Vec<u8> {
    let [high, low] = sequence_number.to_be_bytes();
    let mut request = vec![ECHO_REQUEST, 0, 0, 0, 0, 0, high, low];
    request.resize(8 + data_octets, 0x4b);
    request
}

/// The next echo reply: who sent it, and its sequence number.
fn receive_reply(socket: &UdpSocket, wait: Duration) -> Option<(Ipv6Addr, u16)> {
    socket.set_read_timeout(Some(wait)).ok()?;
    let mut buffer = [0; 16];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    let SocketAddr::V6(from) = from else { return None };
    match buffer {
        [ECHO_REPLY, _, _, _, _, _, high, low, ..] if length >= 8 => {
            Some((*from.ip(), u16::from_be_bytes([high, low])))
        }
        _ => None,
    }
}
