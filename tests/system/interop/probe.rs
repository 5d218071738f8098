//! A stream of numbered packets from one peer to another and back.
//!
//! Owns [`Probe`]: two threads, one that sends and hears the answers, one that answers. A packet
//! is lost when no answer has come two seconds after the last one was sent.

use super::world::World;
use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(5);
const LAST_WAIT: Duration = Duration::from_secs(2);
const PORT: u16 = 20_000;

/// A stream; it runs until [`Probe::finish`].
pub struct Probe {
    ends: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    sender: JoinHandle<(u32, BTreeSet<u32>)>,
    echo: JoinHandle<BTreeSet<u32>>,
}

/// What became of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub sent_count: u32,
    pub lost: Vec<u32>,
    /// Of the lost ones, those whose answer the far host's own kernel had no route for.
    pub unroutable: Vec<u32>,
}

fn socket(world: &World, place: &str, address: Ipv6Addr, port: u16) -> UdpSocket {
    let open = || UdpSocket::bind(SocketAddrV6::new(address, port, 0, 0)).unwrap();
    let socket = world.space(place).run(open).unwrap();
    socket.set_read_timeout(Some(INTERVAL)).unwrap();
    socket
}

fn hear(socket: &UdpSocket, answered: &mut BTreeSet<u32>, until: Instant) {
    let mut octets = [0; 4];
    while Instant::now() < until {
        if let Ok((4, _)) = socket.recv_from(&mut octets) {
            answered.insert(u32::from_be_bytes(octets));
        }
    }
}

impl Probe {
    /// Begins; `from` and `to` are peers and their addresses.
    pub fn start(world: &World, from: (&str, Ipv6Addr), to: (&str, Ipv6Addr)) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (near, far) = (socket(world, from.0, from.1, 0), socket(world, to.0, to.1, PORT));
        let target = SocketAddrV6::new(to.1, PORT, 0, 0);
        let (is_over, sent) = (Arc::clone(&ends), Arc::<AtomicU32>::default());
        let counter = Arc::clone(&sent);
        let sender = std::thread::spawn(move || {
            let (mut count, mut answered) = (0_u32, BTreeSet::new());
            while !is_over.load(Ordering::Relaxed) {
                // What cannot be sent is lost as well.
                let _ = near.send_to(&count.to_be_bytes(), target);
                count += 1;
                counter.store(count, Ordering::Relaxed);
                hear(&near, &mut answered, Instant::now() + INTERVAL);
            }
            let until = Instant::now() + LAST_WAIT;
            while answered.len() < count as usize && Instant::now() < until {
                hear(&near, &mut answered, Instant::now() + INTERVAL);
            }
            (count, answered)
        });
        let is_over = Arc::clone(&ends);
        let echo = std::thread::spawn(move || {
            let (mut octets, mut unroutable) = ([0; 4], BTreeSet::new());
            let mut until = None;
            while until.is_none_or(|until| Instant::now() < until) {
                if is_over.load(Ordering::Relaxed) {
                    until.get_or_insert(Instant::now() + LAST_WAIT);
                }
                if let Ok((4, source)) = far.recv_from(&mut octets)
                    && far.send_to(&octets, source).is_err()
                {
                    unroutable.insert(u32::from_be_bytes(octets));
                }
            }
            unroutable
        });
        Self { ends, sent, sender, echo }
    }

    /// How many packets were sent so far.
    pub fn sent_count(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub fn finish(self) -> Outcome {
        self.ends.store(true, Ordering::Relaxed);
        let (sent_count, answered) = self.sender.join().unwrap();
        let unroutable = self.echo.join().unwrap().into_iter().collect();
        let lost = (0..sent_count).filter(|number| !answered.contains(number)).collect();
        Outcome { sent_count, lost, unroutable }
    }
}
