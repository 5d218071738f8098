//! Two machines on one cable, in virtual time, and one machine with made-up messages.

mod advertise;
mod arbitrary;
mod neighbor;
mod own;

use super::*;
use crate::base::ids::{MacAddress, PortId};
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::wire::nd::{NdMessage, NdOption, NdPacket, NeighborAdvertisement, NeighborSolicitation};
use core::net::Ipv6Addr;

const PORT: PortId = PortId(3);
const MAC_A: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xa]);
const MAC_B: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xb]);
const MAC_C: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xc]);

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn local(mac: MacAddress) -> Ipv6Addr {
    mac.link_local()
}

/// An interface with its link-local address, on a LAN.
fn interface(mac: MacAddress) -> NdInterface {
    NdInterface {
        name: "p3".to_owned(),
        mac,
        addresses: vec![local(mac)],
        mtu: 1500,
        is_optimistic: false,
        advertise: None,
    }
}

/// One machine and what it wanted done.
struct Node {
    nd: Nd,
    actions: Vec<Action>,
}

impl Node {
    fn new(seed: u64) -> Self {
        Self { nd: Nd::new(seed), actions: Vec::new() }
    }

    /// A node whose port is up and whose addresses are probed; actions so far are forgotten.
    fn settled(interface: NdInterface) -> (Self, Instant) {
        let mut node = Self::new(7);
        node.up(Instant::ZERO, interface);
        let now = Instant::from_millis(5_000);
        node.run(now);
        node.actions.clear();
        (node, now)
    }

    fn up(&mut self, now: Instant, interface: NdInterface) {
        self.input(now, Input::InterfaceUp { port: PORT, interface: Box::new(interface) });
    }

    fn input(&mut self, now: Instant, input: Input) {
        self.nd.handle(now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.nd.poll_action() {
            self.actions.push(action);
        }
    }

    /// Fires everything due until `until`.
    fn run(&mut self, until: Instant) {
        while let Some(deadline) = self.nd.next_deadline().filter(|due| *due <= until) {
            self.nd.handle_timeout(deadline);
            self.drain();
        }
    }

    fn resolve(&mut self, now: Instant, address: Ipv6Addr, packet: u8) {
        self.input(now, Input::Resolve { port: PORT, address, packet: vec![packet] });
    }

    fn confirm(&mut self, now: Instant, address: Ipv6Addr, mac: MacAddress) {
        self.input(now, Input::Confirmed { port: PORT, address, mac });
    }

    fn used(&mut self, now: Instant, address: Ipv6Addr) {
        self.input(now, Input::Used { port: PORT, address });
    }

    fn message(&mut self, now: Instant, source_mac: MacAddress, packet: &NdPacket) {
        let packet = packet.encode();
        self.input(now, Input::Message { port: PORT, source_mac, packet });
    }

    fn take(&mut self) -> Vec<Action> {
        core::mem::take(&mut self.actions)
    }

    /// Takes the actions and decodes those that send.
    fn take_sent(&mut self) -> Vec<(MacAddress, NdPacket)> {
        let sent = self.take().into_iter().filter_map(|action| match action {
            Action::Send { destination, packet, .. } => {
                Some((destination, NdPacket::decode(&packet).unwrap()))
            }
            _ => None,
        });
        sent.collect()
    }

    fn state(&self, address: Ipv6Addr) -> Option<NdState> {
        let entries = self.nd.entries();
        entries.into_iter().find(|entry| entry.address == address).map(|entry| entry.state)
    }
}

/// Carries what both send to the other until nobody has anything due before `until`.
fn cable(a: &mut Node, b: &mut Node, from: Instant, until: Instant) {
    let mut now = from;
    let mut told = (Vec::new(), Vec::new());
    loop {
        for action in a.take() {
            if let Action::Send { packet, .. } = &action {
                let packet = packet.clone();
                b.input(now, Input::Message { port: PORT, source_mac: MAC_A, packet });
            }
            told.0.push(action);
        }
        for action in b.take() {
            if let Action::Send { packet, .. } = &action {
                let packet = packet.clone();
                a.input(now, Input::Message { port: PORT, source_mac: MAC_B, packet });
            }
            told.1.push(action);
        }
        if !a.actions.is_empty() {
            continue;
        }
        let due = [a.nd.next_deadline(), b.nd.next_deadline()].into_iter().flatten().min();
        let Some(due) = due.filter(|due| *due <= until) else { break };
        now = due;
        for node in [&mut *a, &mut *b] {
            node.nd.handle_timeout(now);
            node.drain();
        }
    }
    (a.actions, b.actions) = told;
}

fn solicitation(source: Ipv6Addr, target: Ipv6Addr, options: Vec<NdOption>) -> NdPacket {
    let destination = crate::wire::ipv6::solicited_node(target);
    let message = NdMessage::NeighborSolicitation(NeighborSolicitation { target, options });
    NdPacket { source, destination, message }
}

/// An advertisement of `target`; `flags` holds R, S and O.
fn advertisement(target: Ipv6Addr, to: Ipv6Addr, flags: &str, mac: MacAddress) -> NdPacket {
    let message = NdMessage::NeighborAdvertisement(NeighborAdvertisement {
        is_router: flags.contains('R'),
        is_solicited: flags.contains('S'),
        is_override: flags.contains('O'),
        target,
        options: vec![NdOption::TargetLinkLayer(mac)],
    });
    NdPacket { source: target, destination: to, message }
}

const SECOND: Duration = Duration::from_secs(1);
