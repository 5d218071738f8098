//! A stream of numbered packets between two hosts, and what became of them.
//!
//! Owns two threads a stream: one sends a UDP packet each millisecond in the namespace of the
//! source, one receives in that of the sink. Each packet carries its number; both sides note the
//! time. What happened is computed afterwards by [`StreamLog::figures`].
//!
//! *Invariants*: times are nanoseconds since the probe's start on the one clock both threads share.
//! A packet counts for the window in which it was sent.
//! *Standards*: loss-derived outage as RFC 6412 §3.5.4 (longest run, not sum); RFC 4737 §3.3
//! (reordering).

use crate::lab::error::LabError;
use crate::lab::exit_choice::source_via;
use crate::lab::fabric::Lab;
use crate::lab::layout;
use crate::lab::ping::HostPair;
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two packets of a stream: 1000 a second.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(1);
/// First UDP port of sinks, below those that the kernel gives to sources.
const PORT_BASE: u16 = 20_000;
/// Octets of a probe packet's payload.
pub const PAYLOAD_OCTETS: usize = 64;
/// Packets a stream may have: ten minutes.
const PACKET_MAX: usize = 600_000;
/// How often a receiver looks whether it shall end.
const RECEIVE_WAIT: Duration = Duration::from_millis(50);
/// What may still arrive after the last packet was sent.
const DRAIN_WAIT: Duration = Duration::from_millis(200);
/// Octets of receive buffer asked for: a second of packets.
const RECEIVE_BUFFER_BYTES: usize = 2 << 20;

/// What a stream did and what arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamLog {
    /// When each packet was sent, by number.
    pub sent_ns: Vec<u64>,
    /// Number and time of each arrival, in order.
    pub arrivals: Vec<(u64, u64)>,
}

/// What became of the packets of a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Packets sent.
    pub sent_packets: u64,
    /// Never arrived.
    pub lost_packets: u64,
    /// The same of the stream that lost most.
    pub stream_lost_packets: u64,
    /// Arrived more than once.
    pub duplicates: u64,
    /// Arrived after a later one.
    pub reordered: u64,
    /// From the first packet of the longest run of lost ones to the next that arrived.
    pub outage_ns: u64,
    /// The longest time without any arrival.
    pub gap_ns: u64,
}

impl Figures {
    /// Several streams as one: counts add up, times are those of the worst.
    pub fn merge(self, other: Self) -> Self {
        Self {
            sent_packets: self.sent_packets + other.sent_packets,
            lost_packets: self.lost_packets + other.lost_packets,
            stream_lost_packets: self.stream_lost_packets.max(other.stream_lost_packets),
            duplicates: self.duplicates + other.duplicates,
            reordered: self.reordered + other.reordered,
            outage_ns: self.outage_ns.max(other.outage_ns),
            gap_ns: self.gap_ns.max(other.gap_ns),
        }
    }
}

impl StreamLog {
    /// What became of the packets sent in `window`.
    pub fn figures(&self, window: &Range<u64>) -> Figures {
        let mut figures = Figures::default();
        let mut seen = BTreeSet::new();
        let mut highest = 0;
        let mut last_arrival_ns = window.start;
        for &(number, at_ns) in &self.arrivals {
            let is_first = seen.insert(number);
            if window.contains(&self.sent_at(number)) {
                figures.duplicates += u64::from(!is_first);
                figures.reordered += u64::from(is_first && number < highest);
            }
            if window.contains(&at_ns) {
                figures.gap_ns = figures.gap_ns.max(at_ns - last_arrival_ns);
                last_arrival_ns = at_ns;
            }
            highest = highest.max(number);
        }
        figures.gap_ns = figures.gap_ns.max(window.end.saturating_sub(last_arrival_ns));
        let mut run_start_ns = None;
        for (number, &at_ns) in (0_u64..).zip(&self.sent_ns) {
            if !window.contains(&at_ns) {
                continue;
            }
            figures.sent_packets += 1;
            if seen.contains(&number) {
                if let Some(start_ns) = run_start_ns.take() {
                    figures.outage_ns = figures.outage_ns.max(at_ns - start_ns);
                }
            } else {
                figures.lost_packets += 1;
                run_start_ns.get_or_insert(at_ns);
            }
        }
        if let Some(start_ns) = run_start_ns {
            figures.outage_ns = figures.outage_ns.max(window.end.saturating_sub(start_ns));
        }
        figures.stream_lost_packets = figures.lost_packets;
        figures
    }

    /// When a packet was sent; an unknown number counts as never.
    fn sent_at(&self, number: u64) -> u64 {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.sent_ns.get(index).copied().unwrap_or(u64::MAX)
    }
}

struct Stream {
    last_arrival_ns: Arc<AtomicU64>,
    sender: JoinHandle<Vec<u64>>,
    receiver: JoinHandle<Vec<(u64, u64)>>,
}

/// Streams that run; one in a lab, owned by its main thread.
pub struct Probe {
    start: Instant,
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    streams: Vec<Stream>,
}

impl Probe {
    /// Starts a stream for each (source, sink); the same pair twice makes two flows. `exits` are
    /// the edges by which they leave their cluster; those without one go as they will.
    pub fn start(lab: &Lab, pairs: &[HostPair], exits: &[Option<usize>]) -> Result<Self, LabError> {
        let mut sources = Vec::new();
        let exits = exits.iter().copied().chain(core::iter::repeat(None));
        for ((port, &pair), exit) in (PORT_BASE..).zip(pairs).zip(exits) {
            sources.push(match exit {
                Some(edge) => source_via(lab, pair, port, edge)?,
                None => opened(pair.0, lab.host(pair.0).run(source_socket)?)?,
            });
        }
        let mut probe = Self {
            start: Instant::now(),
            stop_sending: Arc::default(),
            stop_receiving: Arc::default(),
            streams: Vec::new(),
        };
        for ((port, &(_, to)), source) in (PORT_BASE..).zip(pairs).zip(sources) {
            match probe.start_stream(lab, port, source, to) {
                Ok(stream) => probe.streams.push(stream),
                Err(error) => {
                    probe.finish();
                    return Err(error);
                }
            }
        }
        Ok(probe)
    }

    /// Nanoseconds since the start.
    pub fn now_ns(&self) -> u64 {
        elapsed_ns(self.start)
    }

    /// Whether something arrived in every stream during the last `within`.
    pub fn is_flowing(&self, within: Duration) -> bool {
        let within_ns = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        self.streams.iter().all(|stream| {
            let last_ns = stream.last_arrival_ns.load(Ordering::Relaxed);
            last_ns > 0 && self.now_ns().saturating_sub(last_ns) <= within_ns
        })
    }

    /// Ends the streams and returns their logs.
    pub fn finish(self) -> Vec<StreamLog> {
        self.stop_sending.store(true, Ordering::Relaxed);
        std::thread::sleep(DRAIN_WAIT);
        self.stop_receiving.store(true, Ordering::Relaxed);
        self.streams
            .into_iter()
            .map(|stream| StreamLog {
                sent_ns: joined(stream.sender),
                arrivals: joined(stream.receiver),
            })
            .collect()
    }

    fn start_stream(
        &self,
        lab: &Lab,
        port: u16,
        source: UdpSocket,
        to: usize,
    ) -> Result<Stream, LabError> {
        let sink = opened(to, lab.host(to).run(|| sink_socket(port))?)?;
        let last_arrival_ns = Arc::new(AtomicU64::new(0));
        let start = self.start;
        let (stop_sending, stop_receiving) =
            (Arc::clone(&self.stop_sending), Arc::clone(&self.stop_receiving));
        let last = Arc::clone(&last_arrival_ns);
        let target = SocketAddrV6::new(lab.state.numbering.host_address(to), port, 0, 0);
        Ok(Stream {
            last_arrival_ns,
            // The sockets are in their namespaces already; the threads need not be.
            sender: std::thread::spawn(move || send(&source, target, start, &stop_sending)),
            receiver: std::thread::spawn(move || receive(&sink, start, &last, &stop_receiving)),
        })
    }
}

/// A socket of a host, or why there is none.
fn opened(host: usize, socket: io::Result<UdpSocket>) -> Result<UdpSocket, LabError> {
    let action = || format!("open a probe socket in {}", layout::host_name(host));
    socket.map_err(|source| LabError::Socket { action: action(), source })
}

fn joined<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn elapsed_ns(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A socket of a source.
pub fn source_socket() -> io::Result<UdpSocket> {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
}

fn sink_socket(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?;
    socket.set_read_timeout(Some(RECEIVE_WAIT))?;
    let size = RECEIVE_BUFFER_BYTES;
    // Beyond the system's limit only root of the first user namespace may ask; else what is
    // allowed.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, size).is_err() {
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, size)?;
    }
    Ok(socket)
}

/// Sends until told to stop; returns when each packet went. One that the kernel refuses counts as
/// sent.
fn send(socket: &UdpSocket, to: SocketAddrV6, start: Instant, stop: &AtomicBool) -> Vec<u64> {
    let mut sent_ns = Vec::new();
    let mut due = Instant::now();
    let mut payload = [0; PAYLOAD_OCTETS];
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) || sent_ns.len() >= PACKET_MAX {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += PROBE_INTERVAL;
        if let Some(slot) = payload.first_chunk_mut() {
            *slot = number.to_be_bytes();
        }
        sent_ns.push(elapsed_ns(start));
        let _ = socket.send_to(&payload, to);
    }
    sent_ns
}

/// Receives until told to stop; returns number and time of each arrival.
fn receive(
    socket: &UdpSocket,
    start: Instant,
    last_arrival_ns: &AtomicU64,
    stop: &AtomicBool,
) -> Vec<(u64, u64)> {
    let mut arrivals = Vec::new();
    let mut buffer = [0; PAYLOAD_OCTETS];
    while !stop.load(Ordering::Relaxed) {
        let Ok((PAYLOAD_OCTETS, _)) = socket.recv_from(&mut buffer) else { continue };
        let now_ns = elapsed_ns(start);
        if let Some(number) = buffer.first_chunk() {
            arrivals.push((u64::from_be_bytes(*number), now_ns));
            last_arrival_ns.store(now_ns, Ordering::Relaxed);
        }
    }
    arrivals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet each 10 ns, arriving 1 ns later unless lost.
    fn log(count: u64, lost: &[u64]) -> StreamLog {
        let arrivals = (0..count).filter(|n| !lost.contains(n)).map(|n| (n, n * 10 + 1)).collect();
        StreamLog { sent_ns: (0..count).map(|n| n * 10).collect(), arrivals }
    }

    #[test]
    fn a_perfect_stream_has_no_outage() {
        let figures = log(100, &[]).figures(&(0..1000));
        let expected = Figures { sent_packets: 100, gap_ns: 10, ..Figures::default() };
        assert_eq!(figures, expected);
    }

    #[test]
    fn the_outage_is_the_longest_run_not_the_sum() {
        let figures = log(100, &[5, 20, 21, 22, 40, 41]).figures(&(0..1000));
        assert_eq!(figures.lost_packets, 6);
        assert_eq!(figures.outage_ns, 30);
        assert_eq!(figures.gap_ns, 40);
    }

    #[test]
    fn a_packet_counts_for_the_window_it_was_sent_in() {
        let log = log(100, &[10, 60]);
        assert_eq!(log.figures(&(0..500)).lost_packets, 1);
        assert_eq!(log.figures(&(500..1000)).lost_packets, 1);
        assert_eq!(log.figures(&(110..590)).lost_packets, 0);
        assert_eq!(log.figures(&(500..1000)).sent_packets, 50);
    }

    #[test]
    fn an_outage_that_does_not_end_lasts_to_the_end_of_the_window() {
        let lost: Vec<u64> = (90..100).collect();
        assert_eq!(log(100, &lost).figures(&(0..1000)).outage_ns, 100);
    }

    #[test]
    fn duplicates_and_reordering_are_told_apart() {
        let mut log = log(10, &[3]);
        log.arrivals.insert(5, (3, 55));
        log.arrivals.push((9, 99));
        let figures = log.figures(&(0..100));
        assert_eq!((figures.lost_packets, figures.duplicates, figures.reordered), (0, 1, 1));
    }
}
