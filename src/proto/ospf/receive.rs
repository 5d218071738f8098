//! Packets in: what every packet must fulfil before anybody acts on it.
//!
//! Owns the checks of RFC 5340 §4.2.2 in their order and the hand-over by type. The hop limit is
//! not looked at: there are routers that send acknowledgments with 64.

use super::action::Notice;
use super::machine::Ospf;
use crate::base::ids::{PortId, RouterId};
use crate::base::time::Instant;
use crate::wire::ipv6::is_link_local;
use crate::wire::ospf::packet::{ALL_SPF_ROUTERS, has_valid_checksum};
use crate::wire::ospf::{PacketBody, PacketHeader};
use core::net::Ipv6Addr;

/// What is complained of: two own ports on one cable.
const TOPIC_OWN_PORT: &str = "own port";

/// Who sent a packet, after the checks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub port: PortId,
    pub router_id: RouterId,
    pub address: Ipv6Addr,
}

impl Ospf {
    /// A packet from the IPv6 payload on.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        port: PortId,
        (source, destination): (Ipv6Addr, Ipv6Addr),
        bytes: &[u8],
    ) {
        self.counters.received += 1;
        let interface = self.interfaces.get(&port).filter(|interface| interface.config.is_up);
        let (Some(interface), Some(own_id), false) = (interface, self.router_id, self.is_leaving)
        else {
            self.counters.no_interface += 1;
            return;
        };
        let config = &interface.config;
        if !is_link_local(source.to_bits()) {
            self.counters.bad_source += 1;
            return;
        }
        let Ok(header) = PacketHeader::decode(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        if header.area != config.area {
            self.counters.bad_area += 1;
            return;
        }
        if header.instance_id != config.instance_id {
            self.counters.bad_instance += 1;
            return;
        }
        if !has_valid_checksum(source, destination, &header, bytes) {
            self.counters.bad_checksum += 1;
            return;
        }
        // RFC 5340 §4.2.2: AllDRouters is for the Designated Router of a link, which a cable lacks.
        if destination != ALL_SPF_ROUTERS && destination != config.link_local {
            self.counters.bad_destination += 1;
            return;
        }
        if source == config.link_local {
            self.counters.own_packets += 1;
            return;
        }
        let Ok(body) = PacketBody::decode(&header, bytes) else {
            self.counters.malformed += 1;
            return;
        };
        let sender = Sender { port, router_id: header.router_id, address: source };
        if header.router_id == own_id {
            self.refuse_own_id(now, sender);
            return;
        }
        self.hand_over(now, sender, body);
    }

    fn hand_over(&mut self, now: Instant, sender: Sender, body: PacketBody) {
        let port = sender.port;
        if let PacketBody::Hello(hello) = body {
            self.receive_hello(now, sender, &hello);
            return;
        }
        // RFC 5340 §4.2.2: only hellos make a neighbour. A second port of it is none.
        let is_known = self.neighbor(port).is_some_and(|neighbor| {
            (neighbor.router_id, neighbor.address) == (sender.router_id, sender.address)
        });
        if !is_known {
            if let PacketBody::LinkStateAcknowledgment(ack) = &body
                && self.hear_grace_acks(now, port, &ack.headers)
            {
                return;
            }
            self.counters.no_neighbor += 1;
            return;
        }
        match body {
            PacketBody::DatabaseDescription(dd) => self.receive_description(now, port, &dd),
            PacketBody::LinkStateRequest(request) => self.receive_request(now, port, &request),
            PacketBody::LinkStateUpdate(update) => self.receive_update(now, port, update),
            PacketBody::LinkStateAcknowledgment(ack) => self.receive_acks(now, port, &ack.headers),
            PacketBody::Hello(_) => unreachable!("handed over above"),
        }
    }

    /// Two routers with one id cannot be neighbours, nor two ports of one router.
    fn refuse_own_id(&mut self, now: Instant, sender: Sender) {
        let Sender { port, router_id, address } = sender;
        let mut others = self.interfaces.iter();
        let own = others.find(|(_, interface)| interface.config.link_local == address);
        if let Some((other, interface)) = own {
            let (other, name) = (*other, interface.config.name.clone());
            // The notice names both, so that one of them is enough.
            let is_said = interface.complained.contains(TOPIC_OWN_PORT);
            self.counters.own_ports += 1;
            let problem = format!("this is {name} of this router itself");
            if self.note_stranger(now, sender, problem, TOPIC_OWN_PORT) && !is_said {
                self.notice(Notice::OwnPorts { port, other });
            }
            return;
        }
        self.counters.duplicate_router_id += 1;
        let Some(interface) = self.interface(port) else { return };
        let (ours, theirs) = (interface.config.link_local, address);
        let problem = format!("duplicate router-id {router_id}: {ours} here and {theirs} there");
        if self.note_stranger(now, sender, problem, "duplicate router-id") {
            self.notice(Notice::DuplicateRouterId { port, router_id, ours, theirs });
        }
    }
}
