//! A BGP session over a socket of the kernel, for who announces and for who listens.
//!
//! Owns [`Session`]: it opens, stays up, says what it is given and keeps what it hears. There is no
//! table and no machine: a router that wants anything else ends the session, and the run with it.
//!
//! *Invariants*: messages of two threads never mix. While a table is being said no KEEPALIVE is, as
//! the table keeps the session up as well; afterwards one a second is, because some routers look at
//! what they have read only when more comes.
//! *Standards*: RFC 4271 §4.2 and §8 (an opener that gives up and comes again), RFC 5492.

use super::heard::{Heard, count};
use super::table::AGREEMENT;
use super::{Neighbour, network::Network};
use kumiki::base::cursor::Writer;
use kumiki::base::ids::RouterId;
use kumiki::wire::bgp::{AddressFamily, Capability, Message, Notification, Open, frame};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddrV6, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const BGP_PORT: u16 = 179;
const HOLD_TIME_S: u16 = 90;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a session may take to come up: routers that have just started listen late.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one try may take.
const TRY_PATIENCE: Duration = Duration::from_secs(5);
const TRY_INTERVAL: Duration = Duration::from_millis(200);
/// Octets that are read at once.
const READ_OCTETS: usize = 1 << 18;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No namespace.
    #[error(transparent)]
    Namespace(#[from] kumiki::os::namespace::NamespaceError),
    /// TCP.
    #[error("{0}")]
    Tcp(#[from] std::io::Error),
    /// What came is no BGP.
    #[error("what the router says is no BGP: {0:?}")]
    Words(Notification),
    /// The router ends it.
    #[error("the router refuses the session: {0:?}")]
    Refused(Notification),
    /// It never came up.
    #[error("the session of the {0} neighbour is not up after {PATIENCE:?}: {1}")]
    Late(&'static str, Box<Self>),
}

/// What becomes of that which is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It stays, with the times.
    All,
    /// It is read and forgotten.
    Nothing,
}

#[derive(Debug, Default)]
struct Shared {
    announced: AtomicUsize,
    octets: AtomicUsize,
    /// Whether the other end has ended it.
    is_lost: AtomicBool,
}

/// A session that is up.
#[derive(Debug)]
pub struct Session {
    stream: Arc<Mutex<TcpStream>>,
    shared: Arc<Shared>,
    reader: JoinHandle<Heard>,
}

impl Session {
    /// Opens one from a neighbour's namespace to the router.
    pub fn open(network: &Network, own: Neighbour, keep: Keep) -> Result<Self, SessionError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match network.space(own).run(|| establish(own))? {
                Ok(opened) => return Ok(Self::start(opened, keep)?),
                Err(error) if Instant::now() > deadline => {
                    return Err(SessionError::Late(own.name(), Box::new(error)));
                }
                Err(_) => std::thread::sleep(TRY_INTERVAL),
            }
        }
    }

    fn start((stream, rest): (TcpStream, Vec<u8>), keep: Keep) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ears = stream.try_clone()?;
        ears.set_read_timeout(Some(KEEPALIVE_INTERVAL / 4))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = Arc::new(Mutex::new(stream));
        let (mouth, seen) = (Arc::clone(&stream), Arc::clone(&shared));
        let reader = std::thread::spawn(move || listen(ears, (rest, keep), &mouth, &seen));
        Ok(Self { stream, shared, reader })
    }

    /// Says whole messages; blocks until TCP has them.
    pub fn say(&self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).write_all(octets)
    }

    /// Prefixes that were announced so far, each time they were.
    pub fn announced_count(&self) -> usize {
        self.shared.announced.load(Ordering::Relaxed)
    }

    /// Octets that were heard so far.
    pub fn octet_count(&self) -> usize {
        self.shared.octets.load(Ordering::Relaxed)
    }

    /// Whether the router has ended it.
    pub fn is_lost(&self) -> bool {
        self.shared.is_lost.load(Ordering::Relaxed)
    }

    /// Ends the connection without a word, as a lost router does; returns what was heard.
    pub fn cut(self) -> Heard {
        let _ = self.stream.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Both);
        self.reader.join().unwrap_or_default()
    }
}

/// Opens the connection and gets it to Established. Returns what came behind.
fn establish(own: Neighbour) -> Result<(TcpStream, Vec<u8>), SessionError> {
    let remote = SocketAddrV6::new(own.router_address(), BGP_PORT, 0, 0);
    let mut stream = TcpStream::connect_timeout(&remote.into(), TRY_PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TRY_PATIENCE))?;
    let capabilities = vec![
        Capability::Multiprotocol(AddressFamily::IPV6_UNICAST),
        Capability::RouteRefresh,
        Capability::FourOctetAsn(own.asn()),
    ];
    let identifier = RouterId(0x0a00_0000 | u32::from(own.number()));
    let open = Open { asn: own.asn(), hold_time_s: HOLD_TIME_S, identifier, capabilities };
    stream.write_all(&encoded(&Message::Open(open)))?;
    let (mut octets, mut has_open) = (Vec::new(), false);
    loop {
        while let Some((whole, length)) = frame(&octets, false).map_err(SessionError::Words)? {
            let message = Message::decode(whole, AGREEMENT).map_err(SessionError::Words)?;
            octets.drain(..length);
            match message {
                Message::Open(_) => {
                    has_open = true;
                    stream.write_all(&encoded(&Message::Keepalive))?;
                }
                Message::Keepalive if has_open => return Ok((stream, octets)),
                Message::Notification(notification) => {
                    return Err(SessionError::Refused(notification));
                }
                _ => {}
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        octets.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut writer = Writer::default();
    message.encode(AGREEMENT, &mut writer);
    writer.into_vec()
}

/// Reads until the connection ends.
fn listen(
    mut stream: TcpStream,
    (rest, keep): (Vec<u8>, Keep),
    mouth: &Mutex<TcpStream>,
    shared: &Shared,
) -> Heard {
    let keepalive = encoded(&Message::Keepalive);
    let mut heard = Heard { octets: rest, marks: Vec::new() };
    heard.marks.push((heard.octets.len(), Instant::now()));
    let mut buffer = vec![0; READ_OCTETS];
    let (mut counted, mut kept_alive) = (0, Instant::now());
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(octets) => {
                let now = Instant::now();
                shared.octets.fetch_add(octets, Ordering::Relaxed);
                if keep == Keep::All {
                    heard.octets.extend_from_slice(buffer.get(..octets).unwrap_or_default());
                    heard.marks.push((heard.octets.len(), now));
                    let (announced, used) = count(heard.octets.get(counted..).unwrap_or_default());
                    counted += used;
                    shared.announced.fetch_add(announced, Ordering::Relaxed);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if kept_alive.elapsed() >= KEEPALIVE_INTERVAL
            && let Ok(mut mouth) = mouth.try_lock()
        {
            kept_alive = Instant::now();
            if mouth.write_all(&keepalive).is_err() {
                break;
            }
        }
    }
    shared.is_lost.store(true, Ordering::Relaxed);
    heard
}
