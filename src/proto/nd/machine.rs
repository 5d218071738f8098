//! The Neighbour Discovery machine: all ports of one router behind one border.
//!
//! Owns [`Nd`]: which port an input belongs to, which timer to which port. Everything else belongs
//! to `port` and the files it names.
//!
//! *Invariants*: at most [`PORT_MAX`] ports and [`super::limits::ENTRIES_MAX`] entries; nothing
//! runs while nothing is due.

use super::action::Action;
use super::cache::NdEntry;
use super::counters::NdCounters;
use super::input::Input;
use super::limits::{GUESTS_MAX, STATIC_MAX};
use super::outbox::{NdTimer, Outbox};
use super::port::NdPort;
use super::view::EntryView;
use crate::base::ids::{MacAddress, PORT_MAX, PortId};
use crate::base::machine::Machine;
use crate::base::time::Instant;
use crate::wire::nd::NdPacket;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// Neighbour Discovery of one router; one exists, owned by the control plane.
#[derive(Clone, Debug)]
pub struct Nd {
    ports: BTreeMap<PortId, NdPort>,
    pub(super) out: Outbox,
}

impl Nd {
    /// A machine without ports; `seed` starts its jitter.
    pub fn new(seed: u64) -> Self {
        Self { ports: BTreeMap::new(), out: Outbox::new(seed) }
    }

    /// Every entry, by port and address.
    pub fn entries(&self) -> Vec<EntryView> {
        let of_port = |port: &NdPort| -> Vec<EntryView> {
            let rows = port.cache.iter().map(|(address, entry)| EntryView {
                port: port.id,
                address,
                mac: entry.mac,
                state: entry.state,
                is_router: entry.is_router,
                queued_packets: u32::try_from(entry.queue.len()).unwrap_or(u32::MAX),
            });
            rows.collect()
        };
        self.ports.values().flat_map(of_port).collect()
    }

    /// The MAC of a neighbour where one is known.
    pub fn mac_of(&self, port: PortId, address: Ipv6Addr) -> Option<MacAddress> {
        self.ports.get(&port)?.cache.get(address)?.mac
    }

    /// Whether the owner was told the MAC of a neighbour.
    pub fn is_told(&self, port: PortId, address: Ipv6Addr) -> bool {
        self.ports.get(&port).is_some_and(|port| port.cache.is_told(address))
    }

    /// What was counted.
    pub fn counters(&self) -> &NdCounters {
        &self.out.counters
    }

    /// Lets a port act; `None` where no port can have this number.
    fn port(&mut self, id: PortId) -> Option<(&mut NdPort, &mut Outbox)> {
        if id.index() >= PORT_MAX {
            self.out.counters.port_unknown += 1;
            return None;
        }
        Some((self.ports.entry(id).or_insert_with(|| NdPort::new(id)), &mut self.out))
    }

    fn take(&mut self, input: Input) -> Option<PortId> {
        match input {
            Input::InterfaceUp { port: id, interface } => {
                let (port, out) = self.port(id)?;
                port.up(out, *interface);
                Some(id)
            }
            Input::InterfaceDown { port: id } => {
                let (port, out) = self.port(id)?;
                port.down(out);
                Some(id)
            }
            Input::Resolve { port: id, address, packet } => {
                if id.index() >= PORT_MAX {
                    let packets = vec![packet];
                    self.out.counters.port_unknown += 1;
                    self.out.actions.push_back(Action::Unreachable { port: id, address, packets });
                    return None;
                }
                let (port, out) = self.port(id)?;
                port.resolve(out, address, packet);
                Some(id)
            }
            Input::Used { port: id, address } => {
                let (port, out) = self.port(id)?;
                port.drive(out, address, super::nud::NudEvent::Used, None);
                Some(id)
            }
            Input::Confirmed { port: id, address, mac } => {
                let (port, out) = self.port(id)?;
                port.confirm(out, address, mac);
                Some(id)
            }
            Input::Remembered { port: id, address, mac } => {
                let (port, out) = self.port(id)?;
                port.remember(out, address, mac);
                Some(id)
            }
            Input::StaticEntry { port: id, address, mac } => {
                if !self.may_be_static(id, address) {
                    self.out.counters.static_refused += 1;
                    return None;
                }
                let (port, out) = self.port(id)?;
                port.add_static(out, address, mac);
                Some(id)
            }
            Input::StaticRemoved { port: id, address } => {
                let (port, out) = self.port(id)?;
                port.remove_static(out, address);
                Some(id)
            }
            Input::Message { port: id, source_mac, packet } => {
                self.out.counters.received += 1;
                let (port, out) = self.port(id)?;
                match NdPacket::decode(&packet) {
                    Ok(packet) => port.receive(out, source_mac, &packet),
                    Err(error) => out.counters.count(error),
                }
                Some(id)
            }
            Input::Shutdown => {
                for port in self.ports.values_mut() {
                    port.shut_down(&mut self.out);
                }
                None
            }
        }
    }

    /// Whether there is room for a static entry.
    fn may_be_static(&self, port: PortId, address: Ipv6Addr) -> bool {
        let count: usize = self.ports.values().map(|port| port.cache.static_count()).sum();
        let known = self.ports.get(&port).and_then(|port| port.cache.get(address));
        count < STATIC_MAX || known.is_some_and(NdEntry::is_static)
    }

    /// Gives up entries while there are too many guests, on the port that has most: a scan there
    /// does not push out who lives elsewhere.
    fn shed(&mut self) {
        loop {
            let guests = self.ports.values_mut().filter(|port| !port.is_fabric());
            let counts = guests.map(|port| (port.cache.dynamic_count(), port));
            let (mut sum, mut fullest) = (0, None);
            for (count, port) in counts {
                sum += count;
                if fullest.as_ref().is_none_or(|(most, _)| count > *most) {
                    fullest = Some((count, port));
                }
            }
            match fullest {
                Some((_, port)) if sum > GUESTS_MAX => port.shed(&mut self.out),
                _ => return,
            }
        }
    }

    fn fire(&mut self, timer: NdTimer) {
        let Some(port) = self.ports.get_mut(&timer.port()) else { return };
        match timer {
            NdTimer::Entry(_, address) => port.entry_timeout(&mut self.out, address),
            NdTimer::Probe(_, address) => port.probe_timeout(&mut self.out, address),
            NdTimer::Announce(_) => port.announce(&mut self.out),
            NdTimer::Advertise(_) => port.advertise_timeout(&mut self.out),
        }
    }
}

impl Machine for Nd {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        self.out.now = now;
        if let Some(id) = self.take(input)
            && self.ports.get(&id).is_some_and(NdPort::is_blank)
        {
            self.ports.remove(&id);
        }
        self.shed();
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.out.timers.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.out.now = now;
        while let Some(timer) = self.out.timers.pop_due(now) {
            self.fire(timer);
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.out.actions.pop_front()
    }
}
