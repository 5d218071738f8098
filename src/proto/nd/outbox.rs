//! What all ports of the machine write to: actions, timers, counters.
//!
//! Owns [`Outbox`] and the names of the timers. One exists in each machine; it carries the instant
//! of the input that is being handled.

use super::action::Action;
use super::counters::NdCounters;
use crate::base::ids::{MacAddress, PortId};
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::base::timers::TimerTable;
use crate::wire::ipv6::is_multicast;
use crate::wire::nd::{NdMessage, NdPacket};
use core::net::Ipv6Addr;
use std::collections::VecDeque;

/// Everything that may become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NdTimer {
    /// The state of an entry ends, or it is asked for again.
    Entry(PortId, Ipv6Addr),
    /// The next probe for duplicates of an own address, or the end of probing.
    Probe(PortId, Ipv6Addr),
    /// The next unsolicited advertisement of own addresses.
    Announce(PortId),
    /// The next router advertisement.
    Advertise(PortId),
}

impl NdTimer {
    /// The port it belongs to.
    pub(super) const fn port(self) -> PortId {
        match self {
            Self::Entry(port, _)
            | Self::Probe(port, _)
            | Self::Announce(port)
            | Self::Advertise(port) => port,
        }
    }
}

/// Actions, timers, jitter and counters of the machine.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    pub(super) now: Instant,
    pub(super) actions: VecDeque<Action>,
    pub(super) timers: TimerTable<NdTimer>,
    pub(super) prng: Prng,
    pub(super) counters: NdCounters,
    /// Packets in the queues of all entries.
    pub(super) queued_packets: usize,
}

impl Outbox {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: Instant::ZERO,
            actions: VecDeque::new(),
            timers: TimerTable::default(),
            prng: Prng::new(seed),
            counters: NdCounters::default(),
            queued_packets: 0,
        }
    }

    /// Sets a timer from now.
    pub(super) fn after(&mut self, timer: NdTimer, span: Duration) {
        self.timers.set(timer, self.now + span);
    }

    /// Sends a message; `mac` is where a unicast one goes.
    pub(super) fn send(&mut self, port: PortId, mac: MacAddress, packet: &NdPacket) {
        let is_group = is_multicast(packet.destination.to_bits());
        let group = MacAddress::for_multicast(packet.destination);
        match packet.message {
            NdMessage::NeighborSolicitation(_) => self.counters.solicitations_sent += 1,
            NdMessage::NeighborAdvertisement(_) => self.counters.advertisements_sent += 1,
            NdMessage::RouterAdvertisement(_) => self.counters.router_advertisements_sent += 1,
            NdMessage::RouterSolicitation(_) | NdMessage::Redirect(_) => {}
        }
        self.actions.push_back(Action::Send {
            port,
            destination: if is_group { group } else { mac },
            packet: packet.encode(),
        });
    }
}
