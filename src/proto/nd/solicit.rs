//! Asking for neighbours: resolution, the queue behind it, and the steps of NUD.
//!
//! Owns the life of an entry from the first packet to the last probe. The table itself is
//! [`super::nud`].
//!
//! *Invariants*: `Resolved` is told of wanted entries only, whenever their MAC changes, and before
//! what waited for it is released; a timer runs for every Incomplete, Reachable, Delay and Probe
//! entry, for no other.
//! *Standards*: RFC 4861 §7.2.2, §7.2.3, §7.3.3; RFC 4429 §2.2, §3.2 (solicitations from
//! optimistic addresses carry no MAC).

use super::action::Action;
use super::cache::NdEntry;
use super::dad::AddressState;
use super::limits::{
    DELAY_FIRST_PROBE_TIME, MULTICAST_SOLICITS_MAX, QUEUE_PACKETS_MAX, QUEUED_PACKETS_MAX,
    REACHABLE_TIME_MAX, REACHABLE_TIME_MIN, RETRANSMIT_TIME, UNICAST_SOLICITS_MAX,
};
use super::nud::{LinkLayer, NudEffect, NudEvent, step};
use super::outbox::{NdTimer, Outbox};
use super::port::NdPort;
use super::view::NdState;
use crate::base::ids::MacAddress;
use crate::wire::ipv6::{is_multicast, solicited_node};
use crate::wire::nd::{NdMessage, NdOption, NdPacket, NeighborSolicitation};
use core::net::Ipv6Addr;

impl NdEntry {
    /// Whether the entry comes from the configuration.
    pub(super) fn is_static(&self) -> bool {
        self.state == NdState::Static
    }

    /// How a MAC in a message compares with the entry's.
    pub(super) fn compare(&self, mac: Option<MacAddress>) -> LinkLayer {
        match mac {
            None => LinkLayer::Absent,
            Some(mac) if self.mac == Some(mac) => LinkLayer::Same,
            Some(_) => LinkLayer::Different,
        }
    }
}

impl NdPort {
    /// A packet needs the MAC of a neighbour.
    pub(super) fn resolve(&mut self, out: &mut Outbox, address: Ipv6Addr, packet: Vec<u8>) {
        let port = self.id;
        if self.interface.is_none() {
            out.counters.port_down += 1;
            out.actions.push_back(Action::Unreachable { port, address, packets: vec![packet] });
            return;
        }
        if !self.may_be_neighbor(address) {
            out.counters.resolve_refused += 1;
            out.actions.push_back(Action::Unreachable { port, address, packets: vec![packet] });
            return;
        }
        let known = self.cache.get(address).and_then(|entry| entry.mac);
        if let Some(mac) = known {
            // The packet was on its way while the answer came, or is the first for who was heard.
            if let Some(entry) = self.cache.get_mut(address) {
                entry.is_wanted = true;
            }
            out.actions.push_back(Action::Resolved { port, address, mac });
            out.actions.push_back(Action::Release { port, mac, packets: vec![packet] });
            self.drive(out, address, NudEvent::Used, None);
            return;
        }
        let is_new = self.cache.get(address).is_none();
        if is_new {
            self.create(out, address);
        }
        self.want(out, address);
        self.enqueue(out, address, packet);
        if is_new {
            self.ask_group(out, address);
        }
    }

    /// RFC 4861 §7.2.2: "When a queue overflows, the new arrival SHOULD replace the oldest entry."
    fn enqueue(&mut self, out: &mut Outbox, address: Ipv6Addr, packet: Vec<u8>) {
        let Some(entry) = self.cache.get_mut(address) else { return };
        if entry.queue.len() < QUEUE_PACKETS_MAX && out.queued_packets >= QUEUED_PACKETS_MAX {
            out.counters.queue_refused += 1;
            return;
        }
        match entry.queue.push_replacing_oldest(packet) {
            Some(_oldest) => out.counters.queue_replaced += 1,
            None => out.queued_packets += 1,
        }
    }

    /// From now on the owner hears of the neighbour's MAC.
    pub(super) fn want(&mut self, out: &mut Outbox, address: Ipv6Addr) {
        let port = self.id;
        let Some(entry) = self.cache.get_mut(address).filter(|entry| !entry.is_wanted) else {
            return;
        };
        entry.is_wanted = true;
        if let Some(mac) = entry.mac {
            out.actions.push_back(Action::Resolved { port, address, mac });
        }
    }

    /// An upper layer heard from a neighbour.
    pub(super) fn confirm(&mut self, out: &mut Outbox, address: Ipv6Addr, mac: MacAddress) {
        if self.interface.is_none() {
            out.counters.port_down += 1;
            return;
        }
        self.hear(out, address, mac);
        self.drive(out, address, NudEvent::Confirmed, None);
    }

    /// An earlier run knew a neighbour; what this one knows already is newer.
    pub(super) fn remember(&mut self, out: &mut Outbox, address: Ipv6Addr, mac: MacAddress) {
        if self.interface.is_some() && self.cache.get(address).is_none() {
            self.hear(out, address, mac);
            self.want(out, address);
        }
    }

    /// A neighbour said its MAC without being asked: an entry is made where there is none.
    pub(super) fn hear(&mut self, out: &mut Outbox, address: Ipv6Addr, mac: MacAddress) {
        if !self.may_be_neighbor(address) || mac.is_multicast() || mac == MacAddress::default() {
            return;
        }
        if self.cache.get(address).is_none() {
            self.create(out, address);
        }
        let Some(entry) = self.cache.get(address) else { return };
        let heard = entry.compare(Some(mac));
        self.drive(out, address, NudEvent::Heard(heard), Some(mac));
    }

    /// The timer of an entry fired.
    pub(super) fn entry_timeout(&mut self, out: &mut Outbox, address: Ipv6Addr) {
        let can_ask = self.source().is_some();
        let Some(entry) = self.cache.get_mut(address) else { return };
        let solicits_max = match entry.state {
            NdState::Reachable if entry.reachable_until > out.now => {
                // Confirmed since the timer was set.
                out.timers.set(NdTimer::Entry(self.id, address), entry.reachable_until);
                return;
            }
            NdState::Delay | NdState::Probe if !can_ask => {
                // What cannot be asked is not taken for dead; the next packet starts anew.
                entry.state = NdState::Stale;
                return;
            }
            NdState::Probe => UNICAST_SOLICITS_MAX,
            _ => MULTICAST_SOLICITS_MAX,
        };
        let is_last = entry.solicits >= solicits_max;
        let event = if is_last { NudEvent::LastTimeout } else { NudEvent::Timeout };
        self.drive(out, address, event, None);
    }

    /// Takes an entry through one step of the table; `mac` is what the message said.
    pub(super) fn drive(
        &mut self,
        out: &mut Outbox,
        address: Ipv6Addr,
        event: NudEvent,
        mac: Option<MacAddress>,
    ) {
        let Some(entry) = self.cache.get_mut(address) else { return };
        let before = entry.state;
        let (after, effect) = step(before, event);
        entry.state = after;
        if before != after {
            entry.solicits = 0;
        }
        let timer = NdTimer::Entry(self.id, address);
        match after {
            NdState::Reachable if event.is_confirmation() => {
                let span = out.prng.between(REACHABLE_TIME_MIN, REACHABLE_TIME_MAX);
                entry.reachable_until = entry.reachable_until.max(out.now + span);
                if before != after {
                    out.timers.set(timer, entry.reachable_until);
                }
                self.cache.confirm(out.now, address);
            }
            NdState::Stale | NdState::Static => out.timers.clear(timer),
            NdState::Delay if before != after => out.after(timer, DELAY_FIRST_PROBE_TIME),
            _ => {}
        }
        match (effect, mac) {
            (NudEffect::Nothing, _) | (NudEffect::Record, None) => {}
            (NudEffect::Record, Some(mac)) => self.record(out, address, mac),
            (NudEffect::Ask, _) => self.ask_group(out, address),
            (NudEffect::AskDirectly, _) => self.ask_directly(out, address),
            (NudEffect::Fail, _) => {
                match before {
                    NdState::Incomplete => out.counters.resolutions_failed += 1,
                    _ => out.counters.probes_failed += 1,
                }
                self.forget(out, address);
            }
        }
        if event.is_confirmation() {
            self.want(out, address);
        }
    }

    /// Takes a MAC, tells it, releases what waited.
    pub(super) fn record(&mut self, out: &mut Outbox, address: Ipv6Addr, mac: MacAddress) {
        let port = self.id;
        let Some(entry) = self.cache.get_mut(address) else { return };
        if entry.mac != Some(mac) {
            out.counters.mac_changed += u64::from(entry.mac.is_some());
            entry.mac = Some(mac);
            if entry.is_wanted {
                out.actions.push_back(Action::Resolved { port, address, mac });
            }
        }
        let packets: Vec<Vec<u8>> = entry.queue.drain().collect();
        if !packets.is_empty() {
            out.queued_packets -= packets.len();
            out.actions.push_back(Action::Release { port, mac, packets });
        }
    }

    /// Asks the solicited-node group (RFC 4861 §7.2.2).
    fn ask_group(&mut self, out: &mut Outbox, address: Ipv6Addr) {
        let group = solicited_node(address);
        self.ask(out, address, group, MacAddress::for_multicast(group));
    }

    /// Asks the neighbour at the MAC that is known (RFC 4861 §7.3.3).
    fn ask_directly(&mut self, out: &mut Outbox, address: Ipv6Addr) {
        let Some(mac) = self.cache.get(address).and_then(|entry| entry.mac) else { return };
        self.ask(out, address, address, mac);
    }

    fn ask(&mut self, out: &mut Outbox, target: Ipv6Addr, destination: Ipv6Addr, mac: MacAddress) {
        if let Some(entry) = self.cache.get_mut(target) {
            entry.solicits = entry.solicits.saturating_add(1);
        }
        out.after(NdTimer::Entry(self.id, target), RETRANSMIT_TIME);
        let (Some(interface), Some((source, state))) = (&self.interface, self.source()) else {
            return;
        };
        let options = match state {
            AddressState::Preferred => vec![NdOption::SourceLinkLayer(interface.mac)],
            _ => Vec::new(),
        };
        let message = NeighborSolicitation { target, options };
        let message = NdMessage::NeighborSolicitation(message);
        out.send(self.id, mac, &NdPacket { source, destination, message });
    }

    /// The address the router asks from: the first that passed its probe, else an optimistic one.
    // Gap: RFC 4861 §7.2.2 would rather have the source of the packet that asks, where it is ours.
    pub(super) fn source(&self) -> Option<(Ipv6Addr, AddressState)> {
        let interface = self.interface.as_ref()?;
        let first = |wanted: AddressState| {
            let is_wanted =
                |address: &&Ipv6Addr| self.own.get(address).is_some_and(|own| own.state == wanted);
            interface.addresses.iter().find(is_wanted).map(|address| (*address, wanted))
        };
        first(AddressState::Preferred).or_else(|| first(AddressState::Optimistic))
    }

    /// After the first own address became usable: who could not be asked is asked now.
    pub(super) fn ask_again(&mut self, out: &mut Outbox) {
        let is_waiting = |entry: &NdEntry| entry.state == NdState::Incomplete;
        let waiting: Vec<Ipv6Addr> = self
            .cache
            .iter()
            .filter(|(_, entry)| is_waiting(entry))
            .map(|(address, _)| address)
            .collect();
        for address in waiting {
            if let Some(entry) = self.cache.get_mut(address) {
                entry.solicits = 0;
            }
            self.ask_group(out, address);
        }
    }

    fn may_be_neighbor(&self, address: Ipv6Addr) -> bool {
        !address.is_unspecified()
            && !address.is_loopback()
            && !is_multicast(address.to_bits())
            && !self.own.contains_key(&address)
    }
}
