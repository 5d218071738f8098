//! The rest of the world, as a provider hears it: a peer that says what it has and never fails.
//!
//! Owns [`Feed`]: the octets that such a peer says, and a connection without cable between it and
//! the provider's speaker. It is not under test: what it says follows from [`wire`](crate::wire)
//! alone, at once, and it reads nothing.
//!
//! *Invariants*: there is one connection at most; a new one is begun when somebody asks for it.
//! *Standards*: RFC 4271 §4.2 (a hold time of zero), RFC 4760, RFC 6793, RFC 4724 §2.

use crate::base::cursor::Writer;
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::control::bgp_transport::{Order, Report, SocketId};
use crate::sim::edges::{Edges, WORLD_ASN, prefix, world_connection};
use crate::wire::bgp::capability::Capability;
use crate::wire::bgp::update::Announcement;
use crate::wire::bgp::{
    AddressFamily, Agreement, AsPath, GracefulRestart, Message, NextHop, Nlri, Open, Origin,
    PathAttributes, Update,
};
use core::net::SocketAddrV6;
use std::collections::VecDeque;

/// The connections of this peer have numbers that no other will have.
const NUMBERS: u64 = 1 << 40;

/// A peer of a provider; one for each.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The provider's end, and its own.
    ends: (SocketAddrV6, SocketAddrV6),
    prefixes: Vec<Ipv6Prefix>,
    socket: Option<SocketId>,
    count: u64,
    reports: VecDeque<Report>,
}

impl Feed {
    /// The peer of a provider, not connected.
    pub fn new(edges: Edges, provider: usize) -> Self {
        Self {
            ends: world_connection(provider),
            prefixes: edges.prefixes_of(provider).map(prefix).collect(),
            socket: None,
            count: 0,
            reports: VecDeque::new(),
        }
    }

    /// Connects, unless it is connected.
    pub fn connect(&mut self) {
        if self.socket.is_some() {
            return;
        }
        let socket = SocketId::incoming(NUMBERS + self.count);
        self.count += 1;
        self.socket = Some(socket);
        let (local, remote) = self.ends;
        self.reports.push_back(Report::Accepted { socket, local, remote });
        for message in self.messages() {
            let mut writer = Writer::default();
            message.encode(AGREEMENT, &mut writer);
            let octets = writer.into_vec();
            self.reports.push_back(Report::Received { socket, octets });
        }
    }

    /// The speaker is another one, which knows of no connection.
    pub fn forget(&mut self) {
        self.socket = None;
        self.reports.clear();
    }

    /// Takes an order that is about its connection, and gives back any other.
    pub fn order(&mut self, order: Order) -> Option<Order> {
        let is_mine = |socket: &SocketId| self.socket.is_some_and(|own| own == *socket);
        match &order {
            Order::Send { socket, octets } if is_mine(socket) => {
                let count = u32::try_from(octets.len()).unwrap_or(u32::MAX);
                self.reports.push_back(Report::Sent { socket: *socket, count });
            }
            Order::Taken { socket } if is_mine(socket) => {}
            Order::Close { socket } if is_mine(socket) => self.forget(),
            _ => return Some(order),
        }
        None
    }

    /// The oldest report.
    pub fn next_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    fn messages(&self) -> Vec<Message> {
        let open = Open {
            asn: WORLD_ASN,
            hold_time_s: 0,
            identifier: RouterId(0xc633_6401),
            capabilities: vec![
                Capability::Multiprotocol(AddressFamily::IPV6_UNICAST),
                Capability::FourOctetAsn(WORLD_ASN),
                // It keeps nothing, and says when it has said all.
                Capability::GracefulRestart(GracefulRestart::default()),
            ],
        };
        let update = Update {
            announced: Some(Announcement {
                nlri: self.prefixes.iter().copied().map(Nlri::of).collect(),
                next_hop: NextHop { global: Some(*self.ends.1.ip()), link_local: None },
                attributes: PathAttributes {
                    origin: Origin::Igp,
                    as_path: AsPath::sequence(&[WORLD_ASN]),
                    ..PathAttributes::default()
                },
            }),
            ..Update::default()
        };
        let end = Message::Update(Box::new(Update::end_of_rib()));
        vec![Message::Open(open), Message::Keepalive, Message::Update(Box::new(update)), end]
    }
}

/// What both ends can do.
const AGREEMENT: Agreement = Agreement {
    has_four_octet_asn: true,
    has_path_ids: false,
    has_extended_messages: false,
    is_external: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_connects_once_says_all_and_can_begin_anew() {
        let mut feed = Feed::new(Edges::new(2, 4), 0);
        feed.connect();
        feed.connect();
        let reports: Vec<Report> = core::iter::from_fn(|| feed.next_report()).collect();
        let Some(Report::Accepted { socket, .. }) = reports.first() else { panic!("{reports:?}") };
        assert_eq!(reports.len(), 5);
        let other = Order::Close { socket: SocketId::outgoing(1) };
        assert_eq!(feed.order(other.clone()), Some(other));
        assert_eq!(feed.order(Order::Send { socket: *socket, octets: vec![0; 19] }), None);
        assert_eq!(feed.next_report(), Some(Report::Sent { socket: *socket, count: 19 }));
        assert_eq!(feed.order(Order::Close { socket: *socket }), None);
        feed.connect();
        assert!(matches!(feed.next_report(), Some(Report::Accepted { .. })));
    }
}
