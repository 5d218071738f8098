//! Tells when a link comes, goes or changes: carrier of devices that do not report it themselves.
//!
//! Owns the multicast socket of `RTNLGRP_LINK`. What a lost carrier means is the caller's business.
//!
//! *Invariants*: [`LinkMonitor::poll`] never blocks. When the kernel had to drop messages, every
//! link is reported again, so that no state stays wrong; a link that vanished meanwhile is not
//! among them, which [`Heard::is_complete`] lets the caller see.

use super::link::Link;
use super::socket::{NetlinkError, RouteSocket, messages};
use crate::base::ids::MacAddress;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage, link::LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The multicast group of link messages.
const LINK_GROUP: u32 = 1;
/// Datagrams read by one `poll`: bounds the time away from the caller's other work.
const POLL_DATAGRAM_MAX: usize = 1024;
/// Octets of kernel memory for messages not read yet: some thousand links.
const RECEIVE_BUFFER_BYTES: u32 = 1 << 20;

/// A link as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEvent {
    /// Interface index.
    pub ifindex: u32,
    /// Name.
    pub name: String,
    /// Enabled and with carrier (`IFF_UP` and `IFF_LOWER_UP`); false once removed.
    pub is_up: bool,
    /// MTU in octets.
    pub mtu: u32,
    /// MAC address.
    pub mac: MacAddress,
    /// The link is gone, or left this namespace.
    pub is_removed: bool,
}

impl LinkEvent {
    fn from_link(link: Link) -> Self {
        Self {
            ifindex: link.ifindex,
            is_up: link.is_up(),
            name: link.name,
            mtu: link.mtu,
            mac: link.mac,
            is_removed: false,
        }
    }
}

/// What was heard of links, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Links that came or changed, and those that went as far as it was told.
    pub links: Vec<LinkEvent>,
    /// Whether every link is among them: any other one is gone.
    pub is_complete: bool,
}

/// Listens for changes of links in one namespace; one for each process, owned by the host I/O
/// thread.
pub struct LinkMonitor {
    socket: Socket,
    requests: RouteSocket,
}

impl LinkMonitor {
    /// Listens in the network namespace of the calling thread.
    pub fn open() -> Result<Self, NetlinkError> {
        let listen = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, 0))?;
            socket.set_rx_buf_sz(RECEIVE_BUFFER_BYTES)?;
            socket.add_membership(LINK_GROUP)?;
            socket.set_non_blocking(true)?;
            Ok(socket)
        };
        let socket = listen().map_err(|e| NetlinkError::new("listen for link changes", e))?;
        Ok(Self { socket, requests: RouteSocket::open()? })
    }

    /// Readable when there is something to [`poll`](Self::poll).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Every link as it is now.
    pub fn snapshot(&mut self) -> Result<Heard, NetlinkError> {
        let links = self.requests.links()?.into_iter().map(LinkEvent::from_link).collect();
        Ok(Heard { links, is_complete: true })
    }

    /// What changed since the last call.
    pub fn poll(&mut self) -> Result<Heard, NetlinkError> {
        let mut heard = Heard::default();
        for _ in 0..POLL_DATAGRAM_MAX {
            match self.socket.recv_from_full() {
                Ok((datagram, _)) => {
                    heard.links.extend(messages(&datagram).into_iter().filter_map(|message| {
                        match message.payload {
                            NetlinkPayload::InnerMessage(inner) => event_of(&inner),
                            _ => None,
                        }
                    }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    heard = self.snapshot()?;
                }
                Err(error) => return Err(NetlinkError::new("read link changes", error)),
            }
        }
        Ok(heard)
    }
}

impl AsRawFd for LinkMonitor {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A bridge repeats the state of its ports under its own family, "removed" included: not meant
/// here.
fn is_about_the_link(message: &LinkMessage) -> bool {
    message.header.interface_family != AddressFamily::Bridge
}

fn event_of(message: &RouteNetlinkMessage) -> Option<LinkEvent> {
    match message {
        RouteNetlinkMessage::NewLink(link) if is_about_the_link(link) => {
            Some(LinkEvent::from_link(Link::from_message(link)))
        }
        RouteNetlinkMessage::DelLink(link) if is_about_the_link(link) => {
            let event = LinkEvent::from_link(Link::from_message(link));
            Some(LinkEvent { is_up: false, is_removed: true, ..event })
        }
        _ => None,
    }
}
