//! Connections that a control plane opens by itself: to caches of RPKI and to stations of BMP.
//!
//! Owns [`Sockets`], which numbers them so that nobody takes one for another's, and the orders for
//! them. Who is at the other end, and what is said, is its owner's.
//!
//! *Invariants*: a number has the mark of its owner, and of nobody else; two control planes of one
//! router, one after the other, begin at different numbers.

use super::action::Action;
use crate::proto::bgp::transport::{Order, Security, SocketId};
use core::net::{Ipv6Addr, SocketAddrV6};

/// A bit of the number of a socket that only those to caches have; the speaker's are below it.
pub(super) const CACHES: u64 = 1 << 58;
/// A bit that only those to stations have.
pub(super) const STATIONS: u64 = 1 << 59;
/// Of the seed, bits that are left away where it begins the numbers of sockets: they stay below
/// the marks when doubled.
const SEED_BITS_UNUSED: u32 = 8;
/// What of a count makes the number of a socket.
const COUNT_MASK: u64 = (CACHES >> 1) - 1;

const _: () = assert!(STATIONS > CACHES && u64::MAX >> SEED_BITS_UNUSED <= COUNT_MASK);

/// The numbers of the sockets of one owner.
#[derive(Debug)]
pub(super) struct Sockets {
    mark: u64,
    count: u64,
}

impl Sockets {
    /// Those with this mark; `seed` says where they begin.
    pub(super) const fn new(mark: u64, seed: u64) -> Self {
        Self { mark, count: seed >> SEED_BITS_UNUSED }
    }

    /// Whether a socket is one of these.
    pub(super) const fn has(&self, socket: SocketId) -> bool {
        socket.0 & self.mark != 0
    }

    /// Another one, and the order to connect it.
    pub(super) fn connect(&mut self, (address, port): (Ipv6Addr, u16)) -> (SocketId, Action) {
        let socket = SocketId(self.mark | SocketId::outgoing(self.count & COUNT_MASK).0);
        self.count = self.count.wrapping_add(1);
        let remote = SocketAddrV6::new(address, port, 0, 0);
        let (local, security) = (Ipv6Addr::UNSPECIFIED, Security::default());
        (socket, Action::Bgp(Order::Connect { socket, local, remote, security }))
    }
}

/// The order to send octets; none where there is no connection any more.
pub(super) fn send(socket: Option<SocketId>, octets: Vec<u8>) -> Option<Action> {
    socket.map(|socket| Action::Bgp(Order::Send { socket, octets }))
}

/// The order to close a connection, which is forgotten.
pub(super) fn close(socket: &mut Option<SocketId>) -> Option<Action> {
    socket.take().map(|socket| Action::Bgp(Order::Close { socket }))
}
