//! Messages of others: what each changes and how it is answered.
//!
//! Owns the reactions; the checks were made when the packet was decoded.
//!
//! *Invariants*: a message never changes the entry of an own address; an advertisement never makes
//! an entry.
//! *Standards*: RFC 4861 §6.2.6, §6.2.7, §7.2.3, §7.2.4, §7.2.5, §8.3 (routers ignore redirects),
//! RFC 4862 §5.4.3, §5.4.4, RFC 4429 §3.3.

use super::action::Action;
use super::dad::AddressState;
use super::nud::{LinkLayer, NudEvent};
use super::outbox::Outbox;
use super::port::NdPort;
use super::view::NdState;
use crate::base::ids::MacAddress;
use crate::wire::ipv6::ALL_NODES;
use crate::wire::nd::{NdMessage, NdOption, NdPacket, NeighborAdvertisement, NeighborSolicitation};
use core::net::Ipv6Addr;

impl NdPort {
    /// A valid message came in a frame from `source_mac`.
    pub(super) fn receive(&mut self, out: &mut Outbox, source_mac: MacAddress, packet: &NdPacket) {
        let Some(interface) = &self.interface else {
            out.counters.port_down += 1;
            return;
        };
        if source_mac == interface.mac && !packet.source.is_unspecified() {
            out.counters.looped += 1;
            return;
        }
        match &packet.message {
            NdMessage::RouterSolicitation(_) => {
                out.counters.router_solicitations += 1;
                self.take_source(out, packet);
                // RFC 4861 §6.2.6: who solicits is a host.
                self.set_router(packet.source, RouterFlag::Host);
                self.answer_router_solicitation(out);
            }
            NdMessage::RouterAdvertisement(message) => {
                out.counters.router_advertisements += 1;
                self.take_source(out, packet);
                self.set_router(packet.source, RouterFlag::Router);
                self.compare_advertisement(out, packet.source, message);
                let (port, router) = (self.id, packet.source);
                out.actions.push_back(Action::RouterHeard { port, router });
            }
            NdMessage::NeighborSolicitation(message) => {
                out.counters.neighbor_solicitations += 1;
                self.solicited(out, source_mac, packet, message);
            }
            NdMessage::NeighborAdvertisement(message) => {
                out.counters.neighbor_advertisements += 1;
                self.advertised(out, packet, message);
            }
            NdMessage::Redirect(_) => out.counters.redirects_ignored += 1,
        }
    }

    /// RFC 4861 §7.2.3 and §7.2.4, RFC 4862 §5.4.3.
    fn solicited(
        &mut self,
        out: &mut Outbox,
        source_mac: MacAddress,
        packet: &NdPacket,
        message: &NeighborSolicitation,
    ) {
        let target = message.target;
        let Some(state) = self.own.get(&target).map(|own| own.state) else {
            out.counters.other_target += 1;
            return;
        };
        let is_probe = packet.source.is_unspecified();
        match (state, is_probe) {
            (AddressState::Tentative | AddressState::Optimistic, true) => {
                let nonce = message.options.iter().find_map(|option| match option {
                    NdOption::Nonce(nonce) => Some(*nonce),
                    _ => None,
                });
                self.hear_probe(out, target, nonce, source_mac);
            }
            // Our own probe, late: answering it would be talking to ourselves.
            (AddressState::Preferred, true)
                if self.interface.as_ref().is_some_and(|port| port.mac == source_mac) =>
            {
                out.counters.probe_looped += 1;
            }
            (AddressState::Preferred, true) => {
                let group = MacAddress::for_multicast(ALL_NODES);
                self.advertise_to(out, target, ALL_NODES, group);
            }
            (AddressState::Tentative | AddressState::Duplicate, _) => {
                out.counters.tentative_target += 1;
            }
            (AddressState::Preferred | AddressState::Optimistic, false) => {
                self.take_source(out, packet);
                // Who says no MAC, an optimistic address, is answered where the frame came from.
                let known = self.cache.get(packet.source).and_then(|entry| entry.mac);
                self.advertise_to(out, target, packet.source, known.unwrap_or(source_mac));
            }
        }
    }

    /// RFC 4861 §7.2.5, RFC 4862 §5.4.4.
    fn advertised(&mut self, out: &mut Outbox, packet: &NdPacket, message: &NeighborAdvertisement) {
        let (target, mac) = (message.target, packet.message.target_mac());
        match self.own.get(&target).map(|own| own.state) {
            Some(AddressState::Tentative | AddressState::Optimistic) => {
                self.give_up(out, target, mac);
                return;
            }
            Some(AddressState::Preferred) => {
                // RFC 4862 §5.4.4 leaves this open. Two who insist would talk forever: it is
                // counted, and whoever asks is answered.
                out.counters.address_claimed += 1;
                return;
            }
            Some(AddressState::Duplicate) | None => {}
        }
        let Some(entry) = self.cache.get_mut(target) else {
            out.counters.advertiser_unknown += 1;
            return;
        };
        let link_layer = entry.compare(mac);
        let is_incomplete = entry.state == NdState::Incomplete;
        if is_incomplete && link_layer == LinkLayer::Absent {
            out.counters.advertisement_without_mac += 1;
            return;
        }
        let is_contrary = link_layer == LinkLayer::Different && !message.is_override;
        if is_incomplete || !is_contrary {
            entry.is_router = message.is_router;
        }
        let event = NudEvent::Advertised {
            link_layer,
            is_solicited: message.is_solicited,
            is_override: message.is_override,
        };
        self.drive(out, target, event, mac);
    }

    /// The source link-layer address of a message, where there is one.
    fn take_source(&mut self, out: &mut Outbox, packet: &NdPacket) {
        if let Some(mac) = packet.message.source_mac() {
            self.hear(out, packet.source, mac);
        }
    }

    fn set_router(&mut self, address: Ipv6Addr, flag: RouterFlag) {
        if let Some(entry) = self.cache.get_mut(address) {
            entry.is_router = flag == RouterFlag::Router;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RouterFlag {
    Host,
    Router,
}
