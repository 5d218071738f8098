//! The interface: a cable, its state and what waits to be sent on it.
//!
//! ```text
//!  Down --InterfaceUp--> Point-to-point --InterfaceDown--> Down
//! ```
//!
//! Owns [`Interface`]; RFC 2328 §9.3 has no more for a point-to-point link. Its one neighbour is
//! kept in it.
//!
//! *Standards*: RFC 2328 §9, RFC 5340 §4.1.2.

use super::bfd::Hold;
use super::complaint::Complaint;
use super::input::InterfaceConfig;
use super::neighbor::Neighbor;
use crate::base::ids::{PortId, RouterId};
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::{Lsa, LsaHeader};
use core::net::Ipv6Addr;
use std::collections::BTreeSet;

/// Somebody on the cable whose packets are not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its router-id.
    pub router_id: RouterId,
    /// Its link-local address.
    pub address: Ipv6Addr,
    /// Why not, a sentence.
    pub problem: String,
}

/// The neighbour that an interface had last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its router-id.
    pub router_id: RouterId,
    /// When it said hello last.
    pub heard_at: Instant,
}

/// One interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its port.
    pub port: PortId,
    /// Configuration and carrier.
    pub config: InterfaceConfig,
    /// The router at the other end.
    pub neighbor: Option<Neighbor>,
    /// Somebody who is there as well, or instead.
    pub stranger: Option<Stranger>,
    /// Since when carrier is as it is and no neighbour was there.
    pub(super) lonely_since: Instant,
    /// Who was there before.
    pub(super) gone: Option<Gone>,
    /// BFD said that the way to the neighbour works no more.
    pub(super) hold: Option<Hold>,
    /// Complaints already made; one each until the cause is gone.
    pub complained: BTreeSet<&'static str>,
    /// LSAs that do not fit its MTU.
    pub(super) too_large: Complaint,
    /// Instances to be flooded at the end of this input.
    pub flood: Vec<Lsa>,
    /// Acknowledgments that go at the end of this input.
    pub acks_now: Vec<LsaHeader>,
    /// Acknowledgments that wait for company.
    pub acks_later: Vec<LsaHeader>,
}

impl Interface {
    /// An interface without a neighbour.
    pub fn new(now: Instant, port: PortId, config: InterfaceConfig) -> Self {
        Self {
            port,
            config,
            neighbor: None,
            stranger: None,
            lonely_since: now,
            gone: None,
            hold: None,
            complained: BTreeSet::new(),
            too_large: Complaint::default(),
            flood: Vec::new(),
            acks_now: Vec::new(),
            acks_later: Vec::new(),
        }
    }

    /// Octets of OSPF in one packet: the MTU without the IPv6 header and the OSPF header.
    pub fn room(&self) -> usize {
        let mtu = usize::from(self.config.mtu);
        mtu.saturating_sub(40 + crate::wire::ospf::packet::HEADER_OCTETS)
    }

    /// Who says hello at least so often says it regularly: one may be lost, and the next late.
    pub fn hello_gap_max(&self) -> Duration {
        self.config.hello_interval * 5 / 2
    }

    /// Forgets what waits to be sent.
    pub fn clear(&mut self) {
        self.flood.clear();
        self.acks_now.clear();
        self.acks_later.clear();
    }
}
