//! Hellos: who is at the other end, and whether it hears us.
//!
//! Owns sending and receiving of hellos. Beside the regular ones a hello goes out at once when the
//! interface comes up and when a neighbour that does not list this router is heard, so that an
//! adjacency does not wait for the next interval.
//!
//! *Standards*: RFC 5340 §4.2.1.1, §4.2.2.1; RFC 2328 §9.5, §10.5.

use super::action::{Action, Notice};
use super::interface::Stranger;
use super::machine::{Ospf, Staleness, Timer};
use super::neighbor::{Neighbor, NeighborEvent};
use super::receive::Sender;
use super::view::NeighborState;
use crate::base::ids::{PortId, RouterId};
use crate::base::time::{Duration, Instant};
use crate::wire::ospf::{Hello, Options, PacketBody};

/// What is complained of: an MTU, and a second router or port on the cable.
pub(super) const TOPIC_MTU: &str = "mtu";
const TOPIC_SECOND: &str = "second neighbour";

/// Router Priority: nobody is elected on a point-to-point link.
const PRIORITY: u8 = 1;

/// What this router can: IPv6 routing, AS-external LSAs, transit (RFC 5340 §A.2).
pub(super) const OPTIONS: Options = Options::V6.with(Options::E).with(Options::R);

fn whole_seconds(span: Duration) -> u16 {
    u16::try_from(span.as_secs()).unwrap_or(u16::MAX)
}

impl Ospf {
    /// The interface came up or speaks in another rhythm.
    pub(super) fn start_hellos(&mut self, now: Instant, port: PortId) {
        let is_up = self.interfaces.get(&port).is_some_and(|interface| interface.config.is_up);
        if self.router_id.is_none() || !is_up || self.is_leaving {
            self.timers.clear(Timer::Hello(port));
            return;
        }
        if self.announces_restart(now, port) {
            return;
        }
        self.hello_due(now, port);
    }

    pub(super) fn hello_due(&mut self, now: Instant, port: PortId) {
        let Some(interface) = self.interfaces.get(&port) else { return };
        self.timers.set(Timer::Hello(port), now + interface.config.hello_interval);
        self.send_hello(port);
    }

    pub(super) fn send_hello(&mut self, port: PortId) {
        let Some(interface) = self.interfaces.get(&port) else { return };
        let config = &interface.config;
        if !config.is_up {
            return;
        }
        let hello = Hello {
            interface_id: config.interface_id,
            priority: PRIORITY,
            options: OPTIONS,
            hello_interval_s: whole_seconds(config.hello_interval),
            dead_interval_s: whole_seconds(config.dead_interval),
            designated_router: RouterId::default(),
            backup_designated_router: RouterId::default(),
            neighbors: interface.neighbor.iter().map(|neighbor| neighbor.router_id).collect(),
        };
        self.send(port, PacketBody::Hello(hello));
    }

    /// RFC 5340 §4.2.2.1.
    pub(super) fn receive_hello(&mut self, now: Instant, sender: Sender, hello: &Hello) {
        if let Some((field, ours, theirs)) = self.disagreement(sender.port, hello) {
            self.refuse_hello(now, sender, (field, ours, theirs));
            return;
        }
        if self.is_announcing(sender.port) {
            self.counters.hellos_early += 1;
            return;
        }
        if self.is_held(now, sender) || !self.admit(now, sender) {
            return;
        }
        let port = sender.port;
        let own_id = self.router_id;
        let hears_us = hello.neighbors.iter().any(|id| Some(*id) == own_id);
        let is_new = self.neighbor_state(port) == NeighborState::Down;
        self.neighbor_event(now, port, NeighborEvent::HelloReceived);
        self.learn(now, sender, hello);
        if hears_us {
            self.neighbor_event(now, port, NeighborEvent::TwoWayReceived);
        } else {
            self.neighbor_event(now, port, NeighborEvent::OneWayReceived);
            self.send_hello(port);
        }
        if is_new && hears_us {
            self.send_hello(port);
        }
    }

    /// The first field in which a hello differs from the interface.
    fn disagreement(&self, port: PortId, hello: &Hello) -> Option<(&'static str, u32, u32)> {
        let config = &self.interfaces.get(&port)?.config;
        let hello_s = whole_seconds(config.hello_interval);
        let dead_s = whole_seconds(config.dead_interval);
        let has_e = hello.options.contains(Options::E);
        if hello.hello_interval_s != hello_s {
            let theirs = u32::from(hello.hello_interval_s);
            return Some(("hello interval", u32::from(hello_s), theirs));
        }
        if hello.dead_interval_s != dead_s {
            return Some(("dead interval", u32::from(dead_s), u32::from(hello.dead_interval_s)));
        }
        (!has_e).then_some(("E-bit", 1, 0))
    }

    fn refuse_hello(
        &mut self,
        now: Instant,
        sender: Sender,
        (field, ours, theirs): (&'static str, u32, u32),
    ) {
        self.counters.hello_mismatch += 1;
        let Sender { port, router_id, .. } = sender;
        let problem = format!("{field} differs: {ours} here, {theirs} there");
        if self.note_stranger(now, sender, problem, field) {
            self.notice(Notice::HelloMismatch { port, router_id, field, ours, theirs });
        }
    }

    /// Notes somebody on the cable whose packets are not accepted, for a dead interval; whether
    /// `topic` is yet to be complained of.
    pub(super) fn note_stranger(
        &mut self,
        now: Instant,
        sender: Sender,
        problem: String,
        topic: &'static str,
    ) -> bool {
        let Sender { port, router_id, address } = sender;
        let Some(interface) = self.interface(port) else { return false };
        let deadline = now + interface.config.dead_interval;
        interface.stranger = Some(Stranger { router_id, address, problem });
        let is_new = interface.complained.insert(topic);
        self.timers.set(Timer::Stranger(port), deadline);
        is_new
    }

    /// A stranger was silent for a dead interval.
    pub(super) fn forget_stranger(&mut self, port: PortId) {
        let Some(interface) = self.interface(port) else { return };
        interface.stranger = None;
        // What is said of the neighbour itself stays said.
        interface.complained.retain(|topic| *topic == TOPIC_MTU);
    }

    /// Finds or makes the neighbour; false where the cable has another one already.
    fn admit(&mut self, now: Instant, sender: Sender) -> bool {
        let Sender { port, router_id, address } = sender;
        let dd_sequence = self.first_dd_sequence();
        let Some(interface) = self.interface(port) else { return false };
        let patience = interface.hello_gap_max();
        let known = interface.neighbor.as_ref().map(|n| (n.router_id, n.address, n.heard_at));
        match known {
            // It moved, or this is a second port of it. The old address has one hello to lose.
            Some((id, old, heard_at))
                if id == router_id && old != address && now - heard_at < patience =>
            {
                self.counters.second_neighbor += 1;
                let problem = format!("speaks from {old} as well, which is kept");
                self.note_stranger(now, sender, problem, "another address");
                return false;
            }
            Some((id, ..)) if id == router_id => {}
            // The same box under a new name: the old one is gone.
            Some((_, old, _)) if old == address => {
                self.neighbor_event(now, port, NeighborEvent::KillNbr);
            }
            Some((kept, ..)) => {
                self.counters.second_neighbor += 1;
                let problem = format!("second router on the cable; {kept} is kept");
                if self.note_stranger(now, sender, problem, TOPIC_SECOND) {
                    self.notice(Notice::SecondNeighbor { port, kept, ignored: router_id });
                }
                return false;
            }
            None => {}
        }
        let Some(interface) = self.interface(port) else { return false };
        let neighbor = interface
            .neighbor
            .get_or_insert_with(|| Neighbor::new(now, router_id, address, dd_sequence));
        neighbor.heard_at = now;
        self.compare_stranger(sender);
        true
    }

    /// The neighbour spoke: whoever else is on the cable is judged by that.
    fn compare_stranger(&mut self, sender: Sender) {
        let Sender { port, router_id, address } = sender;
        let Some(interface) = self.interface(port) else { return };
        let Some(stranger) = &interface.stranger else { return };
        if stranger.address == address {
            // Who speaks as it should is no stranger any more.
            interface.stranger = None;
            interface.complained.clear();
        } else if stranger.router_id == router_id {
            // Both addresses speak: one router with two ports on this cable.
            let ignored = stranger.address;
            if interface.complained.insert(TOPIC_SECOND) {
                self.notice(Notice::SecondPort { port, router_id, kept: address, ignored });
            }
        }
    }

    fn first_dd_sequence(&mut self) -> u32 {
        // RFC 2328 §10.8: unlike any recent one; the upper bits stay free for counting.
        u32::try_from(self.prng.next_u64() >> 36).unwrap_or_default()
    }

    /// Takes over what a hello says of the neighbour.
    fn learn(&mut self, now: Instant, sender: Sender, hello: &Hello) {
        let Some(neighbor) = self.neighbor(sender.port) else { return };
        let (port, to) = (sender.port, sender.address);
        let from = core::mem::replace(&mut neighbor.address, to);
        let is_moved = from != to;
        let is_renumbered = neighbor.interface_id != hello.interface_id;
        neighbor.interface_id = hello.interface_id;
        let is_full = neighbor.is_adjacent();
        if is_moved {
            self.actions.push_back(Action::NeighborMoved { port, from, to });
        }
        if !is_full {
            return;
        }
        if is_renumbered {
            self.origination.is_due = true;
        }
        if is_moved || is_renumbered {
            self.needs_calculation(now, Staleness::Topology, "neighbor moved");
        }
    }
}
