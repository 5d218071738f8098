//! A BGP router between a source and a receiver of ours: what it does with a full table.
//!
//! ```text
//!   first  (AS 65001) ═══ d1 router (AS 65010) d3 ═══ sink (AS 65003)
//!   second (AS 65002) ═══ d2
//! ```
//!
//! Read [`table`] (what is announced), then [`session`] (a speaker that is just good enough: what
//! it says is encoded before the clock starts, and what it hears is kept as it came), [`heard`]
//! (what that was, worked out afterwards), [`probe`] (packets that show where the router forwards),
//! [`network`] (namespaces and cables), [`daemon`] (the routers that are compared) and [`course`]
//! (one of them through everything).
//!
//! *Invariants*: every router has the same cables, the same neighbours and the same octets; what is
//! read is judged after the clock has stopped.

pub mod course;
pub mod daemon;
pub mod heard;
pub mod network;
pub mod probe;
pub mod session;
pub mod table;

/// The AS of the router under test.
pub const ROUTER_ASN: u32 = 65010;

/// A neighbour of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// It announces the table.
    First,
    /// It announces the same by longer paths.
    Second,
    /// It hears what the router makes of it.
    Sink,
}

impl Neighbour {
    /// All, in the order of their cables.
    pub const ALL: [Self; 3] = [Self::First, Self::Second, Self::Sink];

    /// The number of its cable.
    pub const fn number(self) -> u16 {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Sink => 3,
        }
    }

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Sink => "sink",
        }
    }

    /// Its AS.
    pub fn asn(self) -> u32 {
        65000 + u32::from(self.number())
    }

    /// Its address on the cable.
    pub fn address(self) -> core::net::Ipv6Addr {
        link_address(self.number(), 2)
    }

    /// The router's address on the cable.
    pub fn router_address(self) -> core::net::Ipv6Addr {
        link_address(self.number(), 1)
    }
}

/// `2001:db8:ffff:LINK::HOST`, in no table of the world.
const fn link_address(link: u16, host: u16) -> core::net::Ipv6Addr {
    core::net::Ipv6Addr::new(0x2001, 0xdb8, 0xffff, link, 0, 0, 0, host)
}
