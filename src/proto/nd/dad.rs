//! Own addresses: probes for duplicates, and telling the link about them.
//!
//! ```text
//! Tentative  --- nobody answers ---> Preferred
//! Optimistic --- nobody answers ---> Preferred       either --- somebody does ---> Duplicate
//! ```
//!
//! Owns [`OwnAddress`] and the unsolicited advertisements.
//!
//! *Invariants*: a duplicate address stays one until it goes or its port does, or loses
//! carrier; it is told once.
//! *Standards*: RFC 4862 §5.4, RFC 4429 §3.3, RFC 7527 §4 (nonces). Deviation: optimistic ports,
//! which are cables between two routers, do not wait before the first probe (RFC 4862 §5.4.2
//! wants to spread many nodes).

use super::action::Action;
use super::limits::{
    DUPLICATE_PROBES, DUPLICATE_PROBES_AFTER_LOOP, PROBE_DELAY_MAX, RETRANSMIT_TIME,
};
use super::outbox::{NdTimer, Outbox};
use super::port::NdPort;
use crate::base::ids::MacAddress;
use crate::base::time::Duration;
use crate::wire::ipv6::{ALL_NODES, is_link_local, solicited_node};
use crate::wire::nd::option::NONCE_OCTETS;
use crate::wire::nd::{NdMessage, NdOption, NdPacket, NeighborAdvertisement, NeighborSolicitation};
use core::net::Ipv6Addr;

/// How far an own address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressState {
    /// Being probed, not used.
    Tentative,
    /// Being probed and used already, carefully.
    Optimistic,
    /// Ours.
    Preferred,
    /// Somebody else's.
    Duplicate,
}

/// One own address.
#[derive(Clone, Debug)]
pub(super) struct OwnAddress {
    pub(super) state: AddressState,
    probes_left: u8,
    nonce: [u8; NONCE_OCTETS],
    has_looped: bool,
}

impl OwnAddress {
    /// Whether somebody may still object.
    pub(super) const fn is_probed(&self) -> bool {
        matches!(self.state, AddressState::Tentative | AddressState::Optimistic)
    }
}

impl NdPort {
    /// Begins with an address that is new on this port, in `state`: tentative or optimistic.
    pub(super) fn start_probing(
        &mut self,
        out: &mut Outbox,
        address: Ipv6Addr,
        state: AddressState,
    ) {
        let [a, b, c, d, e, f, ..] = out.prng.next_u64().to_be_bytes();
        let nonce = [a, b, c, d, e, f];
        let own = OwnAddress { state, probes_left: DUPLICATE_PROBES, nonce, has_looped: false };
        self.own.insert(address, own);
        if state == AddressState::Optimistic {
            self.probe_timeout(out, address);
        } else {
            let wait = out.prng.between(Duration::ZERO, PROBE_DELAY_MAX);
            out.after(NdTimer::Probe(self.id, address), wait);
        }
    }

    /// The next probe is due, or nobody answered the last one.
    pub(super) fn probe_timeout(&mut self, out: &mut Outbox, address: Ipv6Addr) {
        let Some(own) = self.own.get_mut(&address).filter(|own| own.is_probed()) else { return };
        if own.probes_left > 0 {
            own.probes_left -= 1;
            let options = vec![NdOption::Nonce(own.nonce)];
            let destination = solicited_node(address);
            let message = NeighborSolicitation { target: address, options };
            let message = NdMessage::NeighborSolicitation(message);
            let packet = NdPacket { source: Ipv6Addr::UNSPECIFIED, destination, message };
            out.send(self.id, MacAddress::for_multicast(destination), &packet);
            out.after(NdTimer::Probe(self.id, address), RETRANSMIT_TIME);
            return;
        }
        let had_source = self.source().is_some();
        if let Some(own) = self.own.get_mut(&address) {
            own.state = AddressState::Preferred;
        }
        self.advertise_address(out, address);
        if !had_source {
            self.ask_again(out);
        }
        let is_local = is_link_local(address.to_bits());
        if is_local && self.router_source() == Some(address) {
            self.start_advertising(out);
        }
    }

    /// Somebody else probes for or has an address that is being probed here. `nonce` is what the
    /// probe carried, `mac` who sent it.
    pub(super) fn hear_probe(
        &mut self,
        out: &mut Outbox,
        address: Ipv6Addr,
        nonce: Option<[u8; NONCE_OCTETS]>,
        mac: MacAddress,
    ) {
        let own_mac = self.interface.as_ref().map(|interface| interface.mac);
        let Some(own) = self.own.get_mut(&address).filter(|own| own.is_probed()) else { return };
        // RFC 7527 §4.2: a probe with the nonce sent is one's own.
        let is_own = match nonce {
            Some(nonce) => nonce == own.nonce,
            None => own_mac == Some(mac),
        };
        if !is_own {
            self.give_up(out, address, Some(mac));
            return;
        }
        out.counters.probe_looped += 1;
        if !own.has_looped {
            own.has_looped = true;
            own.probes_left = DUPLICATE_PROBES_AFTER_LOOP;
        }
    }

    /// RFC 4862 §5.4.5: the address must not be used.
    pub(super) fn give_up(&mut self, out: &mut Outbox, address: Ipv6Addr, mac: Option<MacAddress>) {
        let Some(own) = self.own.get_mut(&address).filter(|own| own.is_probed()) else { return };
        own.state = AddressState::Duplicate;
        out.timers.clear(NdTimer::Probe(self.id, address));
        out.counters.duplicates += 1;
        out.actions.push_back(Action::DuplicateAddress { port: self.id, address, mac });
    }

    /// One round of unsolicited advertisements (RFC 4861 §7.2.6).
    pub(super) fn announce(&mut self, out: &mut Outbox) {
        let is_told = |own: &OwnAddress| {
            matches!(own.state, AddressState::Preferred | AddressState::Optimistic)
        };
        let told: Vec<Ipv6Addr> =
            self.own.iter().filter(|(_, own)| is_told(own)).map(|(address, _)| *address).collect();
        for address in told {
            self.advertise_address(out, address);
        }
        self.announcements_left = self.announcements_left.saturating_sub(1);
        if self.announcements_left > 0 {
            out.after(NdTimer::Announce(self.id), RETRANSMIT_TIME);
        }
    }

    fn advertise_address(&self, out: &mut Outbox, address: Ipv6Addr) {
        let group = MacAddress::for_multicast(ALL_NODES);
        self.advertise_to(out, address, ALL_NODES, group);
    }

    /// Advertises an own address to `destination`; what goes to many is not solicited.
    pub(super) fn advertise_to(
        &self,
        out: &mut Outbox,
        target: Ipv6Addr,
        destination: Ipv6Addr,
        mac: MacAddress,
    ) {
        let (Some(interface), Some(own)) = (&self.interface, self.own.get(&target)) else { return };
        let message = NdMessage::NeighborAdvertisement(NeighborAdvertisement {
            is_router: true,
            is_solicited: destination != ALL_NODES,
            // RFC 4429 §3.3: the override flag is clear while the address is optimistic.
            is_override: own.state == AddressState::Preferred,
            target,
            options: vec![NdOption::TargetLinkLayer(interface.mac)],
        });
        out.send(self.id, mac, &NdPacket { source: target, destination, message });
    }
}
