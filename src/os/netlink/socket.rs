//! One rtnetlink socket: a request goes out, its answer comes back.
//!
//! Owns the socket and the sequence numbers; what a request says belongs to [`super::link`] and
//! [`super::address`].
//!
//! *Invariants*: at most one request is under way; an answer with another sequence number is
//! ignored.
//! *Standards*: RFC 3549 §2.2 (header, ACK, multipart).

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

/// Datagrams read for one answer before it is given up: a dump of 65,536 links fits.
const ANSWER_DATAGRAM_MAX: usize = 65_536;

/// What the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}: {source}")]
pub struct NetlinkError {
    /// What was tried, in words that follow "cannot".
    pub action: String,
    /// The kernel's answer.
    pub source: io::Error,
}

impl NetlinkError {
    /// An error of `action`.
    pub fn new(action: impl Into<String>, source: io::Error) -> Self {
        Self { action: action.into(), source }
    }

    /// The kernel's errno, if it was the kernel that refused.
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// Whether the object is there already.
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }

    /// Whether the object is not (or no longer) there.
    pub fn is_missing(&self) -> bool {
        matches!(self.errno(), Some(libc::ENODEV | libc::ENOENT | libc::ESRCH))
    }
}

/// A request socket; as many as there are namespaces to act in, each owned by one thread.
pub struct RouteSocket {
    socket: Socket,
    sequence_number: u32,
}

impl RouteSocket {
    /// Opens a socket in the network namespace of the calling thread.
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = open_socket().map_err(|e| NetlinkError::new("open a netlink socket", e))?;
        Ok(Self { socket, sequence_number: 0 })
    }

    /// Sends a request and waits for the kernel's acknowledgement.
    pub fn request(
        &mut self,
        action: &str,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), NetlinkError> {
        self.exchange(message, flags | NLM_F_REQUEST | NLM_F_ACK)
            .map(drop)
            .map_err(|e| NetlinkError::new(action, e))
    }

    /// Asks for all objects of a kind.
    pub fn dump(
        &mut self,
        action: &str,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        self.exchange(message, NLM_F_REQUEST | NLM_F_DUMP).map_err(|e| NetlinkError::new(action, e))
    }

    fn exchange(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence_number;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;

        let mut answers = Vec::new();
        for _ in 0..ANSWER_DATAGRAM_MAX {
            let (datagram, _) = self.socket.recv_from_full()?;
            if self.read_answers(&datagram, &mut answers)? {
                return Ok(answers);
            }
        }
        Err(io::Error::other("the kernel's answer does not end"))
    }

    /// Takes the messages of one datagram; true once the answer is complete.
    fn read_answers(
        &self,
        datagram: &[u8],
        answers: &mut Vec<RouteNetlinkMessage>,
    ) -> io::Result<bool> {
        for message in messages(datagram) {
            if message.header.sequence_number != self.sequence_number {
                continue;
            }
            match message.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Overrun(_) => {
                    return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
                }
                NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                _ => {}
            }
        }
        Ok(false)
    }
}

fn open_socket() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// The messages of a datagram. One that this crate cannot read is skipped: newer kernels add
/// attributes.
pub(super) fn messages(datagram: &[u8]) -> Vec<NetlinkMessage<RouteNetlinkMessage>> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while let Some(length) = rest.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < 16 || length > rest.len() {
            break;
        }
        let (one, _) = rest.split_at(length);
        if let Ok(message) = NetlinkMessage::deserialize(one) {
            found.push(message);
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}
