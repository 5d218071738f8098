//! Packets that show where a router forwards: from behind one neighbour, to prefixes that others
//! have announced.
//!
//! Owns [`Probes`], who sends, and [`Catcher`], who receives. One datagram goes every
//! [`INTERVAL`], to each destination in turn; a route counts as there when the first packet for it
//! has come through.
//!
//! *Invariants*: no answer is sent, so that the router forwards in one direction only. A time is
//! late by at most a round of the destinations and the way of a packet.

use super::{Neighbour, network::Network};
use kumiki::os::namespace::NamespaceError;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two packets.
pub const INTERVAL: Duration = Duration::from_micros(200);
/// Discard (RFC 863).
const UDP_PORT: u16 = 9;
/// How often a thread looks whether it shall end.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Why there are no probes.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// No socket.
    #[error("no socket for probes: {0}")]
    Socket(#[from] std::io::Error),
}

/// Who sends; ends with the value.
#[derive(Debug)]
pub struct Probes {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Probes {
    /// Sends from behind the sink until it is dropped.
    pub fn start(network: &Network, targets: Vec<Ipv6Addr>) -> Result<Self, ProbeError> {
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        let socket = network.space(Neighbour::Sink).run(|| UdpSocket::bind(any))??;
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                for (number, target) in (0_u32..).zip(&targets) {
                    // What the kernel says of earlier packets (no route) is no news here.
                    let to = SocketAddrV6::new(*target, UDP_PORT, 0, 0);
                    let _ = socket.send_to(&number.to_be_bytes(), to);
                    std::thread::sleep(INTERVAL);
                }
            }
        });
        Ok(Self { is_over, thread: Some(thread) })
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        end(&self.is_over, &mut self.thread);
    }
}

#[derive(Debug)]
struct Caught {
    begin: Instant,
    /// Nanoseconds after `begin` at which the first packet for each came; zero for none.
    firsts: Vec<AtomicU64>,
    count: AtomicUsize,
}

/// Who receives; ends with the value.
#[derive(Debug)]
pub struct Catcher {
    caught: Arc<Caught>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Catcher {
    /// Receives behind a neighbour what is sent to `count` destinations.
    pub fn start(network: &Network, at: Neighbour, count: usize) -> Result<Self, ProbeError> {
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, UDP_PORT, 0, 0);
        let socket = network.space(at).run(|| UdpSocket::bind(any))??;
        socket.set_read_timeout(Some(LOOK_INTERVAL))?;
        let firsts = (0..count).map(|_| AtomicU64::new(0)).collect();
        let caught = Caught { begin: Instant::now(), firsts, count: AtomicUsize::new(0) };
        let caught = Arc::new(caught);
        let is_over = Arc::new(AtomicBool::new(false));
        let (ends, catches) = (Arc::clone(&is_over), Arc::clone(&caught));
        let thread = std::thread::spawn(move || {
            let mut packet = [0; 4];
            while !ends.load(Ordering::Relaxed) {
                if let Ok(4) = socket.recv(&mut packet) {
                    catches.take(u32::from_be_bytes(packet));
                }
            }
        });
        Ok(Self { caught, is_over, thread: Some(thread) })
    }

    /// Whether packets to all destinations have come.
    pub fn is_complete(&self) -> bool {
        self.caught.count.load(Ordering::Relaxed) >= self.caught.firsts.len()
    }

    /// How many destinations' packets have come.
    pub fn count(&self) -> usize {
        self.caught.count.load(Ordering::Relaxed)
    }

    /// When the first packet to the last destination came; `None` while one is missing.
    pub fn complete_at(&self) -> Option<Instant> {
        let firsts = self.caught.firsts.iter().map(|first| first.load(Ordering::Relaxed));
        let last = firsts.clone().max()?;
        let is_complete = firsts.min().is_some_and(|least| least > 0);
        is_complete.then(|| self.caught.begin + Duration::from_nanos(last))
    }
}

impl Caught {
    fn take(&self, number: u32) {
        let nanoseconds = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(first) = self.firsts.get(place) else { return };
        let is_first =
            first.compare_exchange(0, nanoseconds, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        self.count.fetch_add(usize::from(is_first), Ordering::Relaxed);
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        end(&self.is_over, &mut self.thread);
    }
}

fn end(is_over: &AtomicBool, thread: &mut Option<JoinHandle<()>>) {
    is_over.store(true, Ordering::Relaxed);
    if let Some(thread) = thread.take() {
        let _ = thread.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_destination_to_be_reached_is_the_one_that_counts() {
        let firsts = (0..2).map(|_| AtomicU64::new(0)).collect();
        let caught = Caught { begin: Instant::now(), firsts, count: AtomicUsize::new(0) };
        let caught = Arc::new(caught);
        let catcher = Catcher {
            caught: Arc::clone(&caught),
            is_over: Arc::new(AtomicBool::new(true)),
            thread: None,
        };
        caught.take(0);
        caught.take(7);
        assert!(!catcher.is_complete() && catcher.complete_at().is_none());
        caught.take(1);
        let complete = catcher.complete_at();
        assert!(catcher.is_complete() && complete.is_some());
        caught.take(0);
        caught.take(1);
        assert_eq!((catcher.complete_at(), catcher.count()), (complete, 2));
    }
}
