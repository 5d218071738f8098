//! The TCP under BGP: what the speaker asks of it, and what it hears.
//!
//! Owns [`Order`] and [`Report`], the two ways between the control thread and the host thread,
//! whose kernel has the connections. Octets flow against credit in both directions: the host thread
//! reads on only when what it read was taken ([`Order::Taken`]), the speaker sends on as far as it
//! was told that octets went ([`Report::Sent`]). A peer that does not read, or a speaker that is
//! busy, stops the other end by TCP and nothing grows.
//!
//! *Invariants*: the number of a socket is never used again; whoever begins it gives it, so that
//! both threads can without asking.
//! *Standards*: RFC 4271 §8.2.1 (port 179, two connections at once), RFC 5082, RFC 2385.

use crate::base::prefix::Ipv6Prefix;
use core::fmt;
use core::net::{Ipv6Addr, SocketAddrV6};
use serde::{Deserialize, Serialize};

/// The port of BGP (RFC 4271 §8.2.1).
pub const BGP_PORT: u16 = 179;

/// A TCP socket that is or shall be connected. Those that the speaker begins have even numbers,
/// those that come in odd ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SocketId(pub u64);

impl SocketId {
    /// The `n`th connection that the speaker begins.
    pub const fn outgoing(n: u64) -> Self {
        Self(n << 1)
    }

    /// The `n`th connection that comes in.
    pub const fn incoming(n: u64) -> Self {
        Self(n << 1 | 1)
    }

    /// Whether the speaker began it.
    pub const fn is_outgoing(self) -> bool {
        self.0 & 1 == 0
    }
}

/// A key of RFC 2385, never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Key(pub Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} octets)", self.0.len())
    }
}

/// What packets of a connection must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Hop limit of packets sent: 255 with GTSM, 1 to a neighbour on the link, `None` as the system
    /// has it.
    pub hop_limit_sent: Option<u8>,
    /// The least hop limit of packets received; zero for any.
    pub hop_limit_least: u8,
    /// The key that signs every segment; `None` without TCP-MD5.
    pub key: Option<Key>,
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// One address, or the prefix of dynamic neighbours.
    pub peers: Ipv6Prefix,
    /// How their packets must look.
    pub security: Security,
}

/// Where connections are awaited, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Own address and port; the scope is that of a link-local one.
    pub local: SocketAddrV6,
    /// Everybody else is turned away.
    pub peers: Vec<Expected>,
}

/// To the host thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Listen there and nowhere else. Connections that stand are not touched.
    Listen(Vec<Listener>),
    /// Connect.
    Connect {
        /// The number to be used.
        socket: SocketId,
        /// Own address; the kernel chooses the port.
        local: Ipv6Addr,
        /// The peer.
        remote: SocketAddrV6,
        /// How packets must look.
        security: Security,
    },
    /// Send these octets after all that were given before.
    Send {
        /// Where.
        socket: SocketId,
        /// The octets.
        octets: Vec<u8>,
    },
    /// What one [`Report::Received`] brought was taken in.
    Taken {
        /// On which connection.
        socket: SocketId,
    },
    /// Close, when what was given has been sent or the peer is gone. Nothing is reported any more.
    Close {
        /// Which one.
        socket: SocketId,
    },
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// Nobody listens there.
    Refused,
    /// The peer reset it.
    Reset,
    /// Nobody answered.
    TimedOut,
    /// No route leads there.
    Unreachable,
    /// Own address is not there.
    AddressAbsent,
    /// Not even a socket could be had: too many, or an option that the kernel does not know. The
    /// number is errno of Linux.
    System(i32),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("nobody listens there"),
            Self::Reset => f.write_str("the peer reset it"),
            Self::TimedOut => f.write_str("nobody answered"),
            Self::Unreachable => f.write_str("no route leads there"),
            Self::AddressAbsent => f.write_str("the router has not got the local address"),
            Self::System(errno) => write!(f, "the kernel refused (errno {errno})"),
        }
    }
}

/// From the host thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Somebody who is expected connected.
    Accepted {
        /// The new number.
        socket: SocketId,
        /// Own end.
        local: SocketAddrV6,
        /// The peer.
        remote: SocketAddrV6,
    },
    /// A connection that was asked for stands.
    Connected {
        /// Which one.
        socket: SocketId,
        /// Own end.
        local: SocketAddrV6,
    },
    /// It does not, and its number is no more.
    Failed {
        /// Which one.
        socket: SocketId,
        /// Why.
        failure: Failure,
    },
    /// Octets came.
    Received {
        /// Where.
        socket: SocketId,
        /// The octets.
        #[serde(with = "crate::base::hex")]
        octets: Vec<u8>,
    },
    /// The kernel took octets.
    Sent {
        /// Where.
        socket: SocketId,
        /// How many since the last such report.
        count: u32,
    },
    /// The peer closed it or it failed; its number is no more.
    Closed {
        /// Which one.
        socket: SocketId,
        /// Why, where it failed.
        failure: Option<Failure>,
    },
    /// Connections cannot be awaited at an address.
    Deaf {
        /// Which.
        local: SocketAddrV6,
        /// Why.
        failure: Failure,
    },
}

impl Report {
    /// Of which connection; `None` where it is about none.
    pub const fn socket(&self) -> Option<SocketId> {
        match self {
            Self::Accepted { socket, .. }
            | Self::Connected { socket, .. }
            | Self::Failed { socket, .. }
            | Self::Received { socket, .. }
            | Self::Sent { socket, .. }
            | Self::Closed { socket, .. } => Some(*socket),
            Self::Deaf { .. } => None,
        }
    }
}
