//! What the machines want becomes actions, or inputs of other machines.
//!
//! Owns the meeting of protocols: OSPF tells the RIB, ND tells the RIB, an OSPF neighbour that is
//! heard confirms its ND entry, and what waited for a MAC goes straight to it.
//!
//! *Invariants*: nothing is left in a machine when [`ControlPlane::deliver`] returns.

use super::action::Action;
use super::frame::{self, Punted};
use super::plane::ControlPlane;
use super::report;
use crate::base::ids::{MacAddress, PortId};
use crate::base::machine::Machine;
use crate::base::route::RouteNextHop;
use crate::base::time::Instant;
use crate::proto::nd;
use crate::proto::ospf::{self, NeighborChange, NeighborState};
use core::net::Ipv6Addr;

impl ControlPlane {
    /// A frame that a worker punted.
    pub(super) fn frame(&mut self, now: Instant, port: PortId, bytes: &[u8]) {
        let Some(state) = self.ports.get(&port) else {
            self.counters.frames_without_port += 1;
            return;
        };
        let has_ospf = state.has_ospf;
        match frame::classify(bytes) {
            Punted::Nd { source_mac, packet } => {
                let packet = packet.to_vec();
                self.nd.handle(now, nd::Input::Message { port, source_mac, packet });
            }
            Punted::Ospf { .. } if !has_ospf => self.counters.ospf_off_port += 1,
            Punted::Ospf { source, destination, source_mac, bytes } => {
                let bytes = bytes.to_vec();
                self.bfd.note_speaker(port, source, source_mac);
                self.ospf.handle(now, ospf::Input::Packet { port, source, destination, bytes });
                self.deliver_ospf(now);
                // RFC 4861 §7.3.1: the upper layer says that the neighbour can be reached.
                if self.ospf_neighbors.contains_key(&(port, source)) {
                    let (address, mac) = (source, source_mac);
                    self.nd.handle(now, nd::Input::Confirmed { port, address, mac });
                }
            }
            Punted::Malformed => self.counters.frames_malformed += 1,
            Punted::Foreign => self.counters.frames_foreign += 1,
        }
    }

    /// Carries actions until every machine is silent.
    pub(super) fn deliver(&mut self, now: Instant) {
        loop {
            self.deliver_ospf(now);
            let Some(action) = self.nd.poll_action() else { break };
            self.deliver_nd(now, action);
        }
    }

    fn deliver_ospf(&mut self, now: Instant) {
        while let Some(action) = self.ospf.poll_action() {
            match action {
                ospf::Action::Send { port, destination, bytes } => {
                    self.send_ospf(now, port, destination, &bytes);
                }
                ospf::Action::Route(update) => self.apply_route(now, update),
                ospf::Action::NeighborChanged(change) => self.neighbor_changed(now, &change),
                ospf::Action::NeighborMoved { port, from, to } => {
                    if let Some(state) = self.ospf_neighbors.remove(&(port, from)) {
                        self.ospf_neighbors.insert((port, to), state);
                        self.draw_testament();
                        self.connect(now);
                        self.bfd_neighbor_moved(port, to);
                    }
                }
                ospf::Action::Opaque(update) => self.hear_membership(now, update),
                ospf::Action::Notice(notice) => {
                    let event = report::notice(now, &notice, &self.ports);
                    self.event(event);
                }
            }
        }
    }

    fn deliver_nd(&mut self, now: Instant, action: nd::Action) {
        match action {
            nd::Action::Send { port, destination, packet } => {
                self.send_frame(port, destination, &packet);
            }
            nd::Action::Resolved { port, address, mac } => {
                let own = self.ports.get(&port).map(|state| state.attached.mac);
                self.rib.set_neighbor(port, address, own.map(|own| (mac, own)));
                self.neighbor_route(now, port, address, true);
                self.set_link_mac(port, address, Some(mac));
                self.watch_bgp(port, address);
            }
            nd::Action::Unresolved { port, address } => {
                self.rib.set_neighbor(port, address, None);
                self.neighbor_route(now, port, address, false);
                self.set_link_mac(port, address, None);
            }
            nd::Action::Release { port, mac, packets } => {
                // They were looked up, measured and lost their hop already. Another lookup could
                // say once more that the neighbour has no MAC, because a full table has no room
                // for it; then they would come back for ever.
                for packet in packets {
                    self.send_frame(port, mac, &packet);
                }
            }
            nd::Action::Unreachable { packets, .. } => {
                for packet in packets {
                    self.complain(now, &packet);
                }
            }
            nd::Action::JoinMulticast { port, group } => {
                self.actions.push_back(Action::JoinMulticast { port, group });
            }
            nd::Action::DuplicateAddress { port, address, mac } => {
                let event = report::duplicate_address(now, (port, address, mac), &self.ports);
                self.event(event);
                self.refuse_address(now, port, address);
            }
            nd::Action::RouterHeard { port, router } => self.router_heard(now, port, router),
            nd::Action::Inconsistent { port, router, field } => {
                let event = report::inconsistent(now, (port, router, field), &self.ports);
                self.event(event);
            }
        }
    }

    fn send_ospf(&mut self, now: Instant, port: PortId, destination: Ipv6Addr, bytes: &[u8]) {
        let Some(state) = self.ports.get(&port) else {
            self.counters.sends_without_port += 1;
            return;
        };
        let packet = frame::ospf_packet(state.link_local(), destination, bytes);
        if destination.is_multicast() {
            self.send_frame(port, MacAddress::for_multicast(destination), &packet);
        } else if let Some(mac) = self.nd.mac_of(port, destination) {
            self.send_frame(port, mac, &packet);
        } else {
            self.nd.handle(now, nd::Input::Resolve { port, address: destination, packet });
        }
    }

    fn send_frame(&mut self, port: PortId, destination: MacAddress, packet: &[u8]) {
        let Some(state) = self.ports.get(&port) else {
            self.counters.sends_without_port += 1;
            return;
        };
        let bytes = frame::in_frame(destination, state.attached.mac, packet);
        self.actions.push_back(Action::SendFrame { port, bytes });
    }

    /// Answers a packet whose neighbour did not answer.
    fn complain(&mut self, now: Instant, packet: &[u8]) {
        let Some(source) = self.own_addresses().first().copied() else {
            self.counters.unreachable_undue += 1;
            return;
        };
        let Some(packet) = frame::address_unreachable(source, packet) else {
            self.counters.unreachable_undue += 1;
            return;
        };
        if self.error_budget.take(now) {
            self.counters.unreachable_sent += 1;
            self.actions.push_back(Action::Forward { packet });
        } else {
            self.counters.unreachable_limited += 1;
        }
    }

    /// A neighbour that is gone takes its next hops along before any SPF has run.
    fn neighbor_changed(&mut self, now: Instant, change: &NeighborChange) {
        let key = (change.port, change.address);
        let is_down = change.to == NeighborState::Down;
        if is_down {
            self.ospf_neighbors.remove(&key);
        } else {
            self.ospf_neighbors.insert(key, (change.router_id, change.to));
        }
        // Neighbours of a router that leaves are as well as before.
        if is_down && !self.is_leaving {
            self.mark_dead(change.port, change.address);
            self.disinherit(RouteNextHop { port: change.port, address: change.address });
        } else if !is_down && change.from == NeighborState::Down {
            self.mark_alive(change.port, change.address);
        }
        self.bfd_neighbor_changed(change);
        self.draw_testament();
        if is_down || change.to == NeighborState::Full || change.from == NeighborState::Full {
            self.connect(now);
        }
        let event = report::neighbor_changed(now, change, &self.ports);
        self.event(event);
    }
}
