//! BMP messages, as a router sends them to a monitoring station.
//!
//! Owns the encoders of the messages and their per-peer header. Nothing is read: a station says
//! nothing. The BGP messages within are `wire::bgp`'s.
//!
//! ```text
//! +---------------+-----------------------------------------------+---------------+
//! |  version: 3   |     octets of the whole message (4 octets)    |     type      |
//! +---------------+-----------------------------------------------+---------------+
//! ```
//!
//! *Invariants*: a message is written whole. AS_PATHs within have numbers of four octets.
//! *Standards*: RFC 7854 §4, RFC 9069 §4 (Loc-RIB), RFC 9736 (TLVs of Peer Up).
//! Gap: RFC 7854 §4.7: routes are not mirrored. §4.2: timestamps are zero, "the time is
//! unavailable": the control plane knows no calendar.

use crate::base::cursor::Writer;
use crate::base::ids::RouterId;
use crate::wire::bgp::{Agreement, Message, Notification, Open};
use core::net::Ipv6Addr;

/// §4.1.
const VERSION: u8 = 3;
/// §4.1: types of messages.
mod kind {
    pub const ROUTE_MONITORING: u8 = 0;
    pub const STATISTICS: u8 = 1;
    pub const PEER_DOWN: u8 = 2;
    pub const PEER_UP: u8 = 3;
    pub const INITIATION: u8 = 4;
    pub const TERMINATION: u8 = 5;
}
/// §4.4: information in the first message.
mod information {
    pub const DESCRIPTION: u16 = 1;
    pub const NAME: u16 = 2;
    /// RFC 9069 §5.2 and §5.3, in Peer Up and Peer Down.
    pub const TABLE_NAME: u16 = 3;
}
/// §4.2: the peer has an IPv6 address.
const FLAG_IPV6: u8 = 0x80;
/// §4.2: Adj-RIB-In after policies.
const FLAG_POST_POLICY: u8 = 0x40;
/// §4.2: a peer of the global table.
const PEER_GLOBAL: u8 = 0;
/// RFC 9069 §4.1: no peer, the Loc-RIB.
const PEER_LOC_RIB: u8 = 3;
/// §4.8: routes in Adj-RIBs-In, a gauge.
const STATISTIC_ADJ_RIB_IN: u16 = 7;
/// §4.8: routes in the Loc-RIB, a gauge.
const STATISTIC_LOC_RIB: u16 = 8;
/// §4.8: updates subjected to treat-as-withdraw.
const STATISTIC_TREATED_AS_WITHDRAW: u16 = 11;
/// RFC 9069 §5.3: what the only table is called.
const TABLE_NAME: &str = "global";
/// Where the length stands, from the start of a message.
const LENGTH_AT: usize = 1;

/// How messages of BGP within are written.
const WITHIN: Agreement = Agreement {
    has_four_octet_asn: true,
    has_path_ids: false,
    has_extended_messages: true,
    is_external: false,
};

/// Of which table of a peer a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// Adj-RIB-In before policies.
    PrePolicy,
    /// Adj-RIB-In after policies.
    PostPolicy,
    /// The Loc-RIB, of this router itself.
    LocRib,
}

/// Whom a message is about: a peer, or this router for its Loc-RIB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: Ipv6Addr,
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: RouterId,
}

/// The ends of a session that is up.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Own address.
    pub local: Ipv6Addr,
    /// Own port, zero where it is not known.
    pub local_port: u16,
    /// The peer's port, zero where it is not known.
    pub remote_port: u16,
    /// The OPEN that was sent.
    pub sent: &'a Open,
    /// The OPEN that came.
    pub received: &'a Open,
}

/// §4.9: why a session is down.
#[derive(Clone, Copy, Debug)]
pub enum DownReason<'a> {
    /// This router ended it and said so.
    LocalNotification(&'a Notification),
    /// This router ended it without a word.
    Local,
    /// The peer ended it and said so.
    RemoteNotification(&'a Notification),
    /// The peer ended it without a word, or the connection was lost.
    Remote,
    /// It need not be: the station is told nothing more of it than a Peer Up says again.
    NotTold,
}

/// Counts of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Routes that it has announced.
    pub adj_rib_in: u64,
    /// Its updates that were treated as withdrawals.
    pub treated_as_withdraw: u32,
}

/// Appends the first message: who speaks.
pub fn put_initiation(writer: &mut Writer, name: &str, description: &str) {
    put(writer, kind::INITIATION, |body| {
        put_text(body, information::DESCRIPTION, description);
        put_text(body, information::NAME, name);
    });
}

/// Appends the last message: this router ends, or is configured to speak no more.
pub fn put_termination(writer: &mut Writer) {
    put(writer, kind::TERMINATION, |body| {
        // §4.5: type 1 is a reason; 0 is "session administratively closed".
        body.u16(1);
        body.u16(2);
        body.u16(0);
    });
}

/// Appends that a session is up.
pub fn put_peer_up(writer: &mut Writer, peer: &Peer, session: &Session<'_>) {
    put(writer, kind::PEER_UP, |body| {
        put_peer(body, peer, View::PrePolicy);
        body.address(session.local);
        body.u16(session.local_port);
        body.u16(session.remote_port);
        put_open(body, session.sent);
        put_open(body, session.received);
    });
}

/// Appends that there is a Loc-RIB; RFC 9069 §4.4: the OPENs are made up and equal.
pub fn put_loc_rib_up(writer: &mut Writer, router: &Peer, open: &Open) {
    put(writer, kind::PEER_UP, |body| {
        put_peer(body, router, View::LocRib);
        body.address(Ipv6Addr::UNSPECIFIED);
        body.u16(0);
        body.u16(0);
        put_open(body, open);
        put_open(body, open);
        put_text(body, information::TABLE_NAME, TABLE_NAME);
    });
}

/// Appends that a session is down.
pub fn put_peer_down(writer: &mut Writer, peer: &Peer, reason: DownReason<'_>) {
    put(writer, kind::PEER_DOWN, |body| {
        put_peer(body, peer, View::PrePolicy);
        match reason {
            DownReason::LocalNotification(notification) => {
                body.u8(1);
                put_notification(body, notification);
            }
            DownReason::Local => {
                body.u8(2);
                body.u16(0);
            }
            DownReason::RemoteNotification(notification) => {
                body.u8(3);
                put_notification(body, notification);
            }
            DownReason::Remote => body.u8(4),
            DownReason::NotTold => body.u8(5),
        }
    });
}

/// Appends that there is no Loc-RIB any more.
pub fn put_loc_rib_down(writer: &mut Writer, router: &Peer) {
    put(writer, kind::PEER_DOWN, |body| {
        put_peer(body, router, View::LocRib);
        // RFC 9069 §5.3.
        body.u8(6);
        put_text(body, information::TABLE_NAME, TABLE_NAME);
    });
}

/// Appends an UPDATE of a table; `put_update` writes it, with AS numbers of four octets.
pub fn put_route_monitoring(
    writer: &mut Writer,
    peer: &Peer,
    view: View,
    put_update: impl FnOnce(&mut Writer),
) {
    put(writer, kind::ROUTE_MONITORING, |body| {
        put_peer(body, peer, view);
        put_update(body);
    });
}

/// Appends counts of a peer.
pub fn put_statistics(writer: &mut Writer, peer: &Peer, statistics: Statistics) {
    put(writer, kind::STATISTICS, |body| {
        put_peer(body, peer, View::PrePolicy);
        body.u32(2);
        body.u16(STATISTIC_ADJ_RIB_IN);
        body.u16(8);
        body.u64(statistics.adj_rib_in);
        body.u16(STATISTIC_TREATED_AS_WITHDRAW);
        body.u16(4);
        body.u32(statistics.treated_as_withdraw);
    });
}

/// Appends the count of the Loc-RIB.
pub fn put_loc_rib_statistics(writer: &mut Writer, router: &Peer, route_count: u64) {
    put(writer, kind::STATISTICS, |body| {
        put_peer(body, router, View::LocRib);
        body.u32(1);
        body.u16(STATISTIC_LOC_RIB);
        body.u16(8);
        body.u64(route_count);
    });
}

fn put(writer: &mut Writer, kind: u8, body: impl FnOnce(&mut Writer)) {
    let start = writer.len();
    writer.u8(VERSION);
    writer.u32(0);
    writer.u8(kind);
    body(writer);
    let octets = u32::try_from(writer.len() - start);
    let octets = octets.unwrap_or_else(|_| unreachable!("two messages of BGP at most"));
    let [a, b, c, d] = octets.to_be_bytes();
    writer.patch_u16(start + LENGTH_AT, u16::from_be_bytes([a, b]));
    writer.patch_u16(start + LENGTH_AT + 2, u16::from_be_bytes([c, d]));
}

/// §4.2: the per-peer header.
fn put_peer(writer: &mut Writer, peer: &Peer, view: View) {
    let (peer_type, flags) = match view {
        View::PrePolicy => (PEER_GLOBAL, FLAG_IPV6),
        View::PostPolicy => (PEER_GLOBAL, FLAG_IPV6 | FLAG_POST_POLICY),
        View::LocRib => (PEER_LOC_RIB, 0),
    };
    writer.u8(peer_type);
    writer.u8(flags);
    writer.u64(0);
    writer.address(peer.address);
    writer.u32(peer.asn);
    writer.u32(peer.router_id.0);
    writer.u64(0);
}

fn put_text(writer: &mut Writer, kind: u16, text: &str) {
    let octets = text.as_bytes();
    let cut = octets.get(..usize::from(u16::MAX)).unwrap_or(octets);
    writer.u16(kind);
    writer.u16(u16::try_from(cut.len()).unwrap_or_else(|_| unreachable!("it is cut")));
    writer.put(cut);
}

fn put_open(writer: &mut Writer, open: &Open) {
    Message::Open(open.clone()).encode(WITHIN, writer);
}

fn put_notification(writer: &mut Writer, notification: &Notification) {
    Message::Notification(notification.clone()).encode(WITHIN, writer);
}

#[cfg(test)]
mod tests;
