//! The OSPFv3 machine: everything of one router behind one border.
//!
//! Owns [`Ospf`] and the way of an input through it. The parts are methods of the same value in
//! files of their own: `receive` (packets in), `hello`, `bfd` (who is held back), `helper` and
//! `restart` (graceful restarts, of neighbours and of this router), `exchange` (databases described
//! and fetched), `flood` (LSAs on their way), `retransmission` (those not acknowledged),
//! `originate` (own LSAs), `boundary` (those for routes out of the AS), `opaque` (those that
//! are only carried), `routes` (when is calculated, by `calculate` and `spf`), `show` and `verify`.
//!
//! *Invariants*: what an input entails is queued while it is handled and sent at its end, so that
//! LSAs and acknowledgments share packets; `settle` runs last in `handle` and `handle_timeout`.

use super::action::{Action, NeighborChange, Notice};
use super::backoff::SpfBackoff;
use super::boundary::Boundary;
use super::calculate::RoutingTable;
use super::complaint::Complaint;
use super::helper::HelpEnd;
use super::input::{AdvertisedPrefix, Input, InterfaceConfig, RepairEndpoint, Settings, SpfDelays};
use super::interface::{Gone, Interface};
use super::limits::INTERVAL_MIN;
use super::lsdb::{Lsdb, Place, Scope};
use super::neighbor::{Effect, Neighbor, NeighborEvent, step};
use super::opaque::Opaque;
use super::originate::Origination;
use super::restart::{Restart, RestartEnd};
use super::routes::Turn;
use super::verify::Verification;
use super::view::NeighborState;
use crate::base::ids::{PortId, RouterId};
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::base::timers::TimerTable;
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{Lsa, Packet, PacketBody};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

crate::counters! {
    /// What OSPFv3 counted.
    pub struct OspfCounters {
        @normal received: "packets", "OSPF packets received.";
        @normal sent: "packets", "OSPF packets sent.";
        no_interface: "packets", "For a port without OSPF, or one that is down.";
        bad_source: "packets", "Source is not a link-local address (RFC 5340 §4.2.2).";
        bad_destination: "packets", "Neither to AllSPFRouters nor to this interface.";
        own_packets: "packets", "Own packets that came back: a loop in the cabling.";
        own_ports: "packets", "From another port of this router: the two are cabled together.";
        malformed: "packets", "Version, type, a length or a count is wrong.";
        bad_checksum: "packets", "Wrong checksum.";
        bad_area: "packets", "Another area than that of the interface.";
        bad_instance: "packets", "Another instance than that of the interface.";
        duplicate_router_id: "packets", "From a neighbour with this router's own router-id.";
        hello_mismatch: "packets", "Hellos whose intervals or options differ from ours.";
        second_neighbor: "packets", "From a second router on a point-to-point cable.";
        no_neighbor: "packets", "From a router that has not said hello.";
        wrong_state: "packets", "Not due in the state of the neighbour.";
        mtu_mismatch: "packets", "Descriptions by a neighbour with another MTU.";
        sequence_mismatches: "events", "Exchanges begun anew: SeqNumberMismatch.";
        bad_requests: "events", "Exchanges begun anew: BadLSReq.";
        hellos_held: "packets", "Hellos of neighbours that wait for BFD to be Up again.";
        @normal dd_repeated: "packets", "Descriptions that came twice.";
        lsa_bad_checksum: "LSAs", "LSAs with a wrong checksum.";
        lsa_malformed: "LSAs", "LSAs whose body cannot be read, or whose age or sequence is wrong.";
        requests_refused: "LSAs", "Described LSAs beyond what the database holds.";
        answers_cut: "LSAs", "Requested LSAs beyond what one answer holds.";
        lsa_bad_scope: "LSAs", "LSAs of the reserved scope.";
        repairs_ignored: "LSAs", "Repair-LSAs whose Link State ID is not zero.";
        @normal lsa_too_soon: "LSAs", "Newer instances that had to wait (MinLSArrival).";
        lsa_early_refused: "LSAs", "Newer instances that had to wait and found no room.";
        lsa_older: "LSAs", "Instances older than the one in the database.";
        @normal lsa_repeated: "LSAs", "Instances that are in the database already.";
        lsa_refused: "LSAs", "LSAs refused because the database is full.";
        @normal lsa_installed: "LSAs", "Instances taken into the database.";
        @normal lsa_originated: "LSAs", "Own instances made.";
        lsa_retransmitted: "LSAs", "LSAs sent again for want of an acknowledgment.";
        lsa_too_large: "LSAs", "LSAs left out on a port whose MTU they exceed.";
        opaque_refused: "LSAs", "Own LSAs to carry of a wrong length, or too many.";
        externals_refused: "routes", "Routes out of the AS beyond what this router announces.";
        lsa_expired: "LSAs", "LSAs that nobody refreshed.";
        own_foreign: "LSAs", "Instances of own LSAs that came from elsewhere (RFC 2328 §13.4).";
        own_described: "LSAs", "Own LSAs of an earlier life that a neighbour described as newer.";
        @normal help_begun: "events", "Neighbours that restarted gracefully and were helped.";
        @normal help_completed: "events", "Helped neighbours whose restart was over in time.";
        help_unfinished: "events", "Helped neighbours that were not Full when it was over.";
        help_refused: "events", "Routers that asked for help and did not get it.";
        help_expired: "events", "Helped neighbours whose grace period was over too soon.";
        help_overtaken: "events", "Helped neighbours that were given up: the topology changed.";
        help_lost: "events", "Helped neighbours that went away.";
        @normal restarts_completed: "events", "Graceful restarts of this router that went well.";
        restarts_abandoned: "events", "Graceful restarts of this router that did not.";
        @normal hellos_early: "packets", "Hellos before a graceful restart was announced there.";
        @normal acks_unknown: "LSAs", "Acknowledgments of what is not waited for.";
    }
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Send a hello.
    Hello(PortId),
    /// The neighbour has been silent for RouterDeadInterval.
    Inactivity(PortId),
    /// Send the last description again.
    Description(PortId),
    /// Ask again for what has not come.
    Request(PortId),
    /// Send again what was not acknowledged.
    Retransmit(PortId),
    /// Send the acknowledgments that waited.
    Acknowledge(PortId),
    /// A stranger has been silent for RouterDeadInterval.
    Stranger(PortId),
    /// The grace period of the neighbour is over.
    Help(PortId),
    /// Send the Grace-LSA again, or begin with hellos.
    Grace(PortId),
    /// Look whether the graceful restart of this router is over.
    Restart,
    /// An own LSA that had to wait may be made.
    Originate,
    /// An instance that came too soon may be taken.
    Arrive,
    /// This router's turn in the order of updates.
    Order,
    /// Look at changed AS-external-LSAs.
    Externals,
    /// Make more of the own ones.
    Boundary,
    /// Those of the life before a graceful restart have stayed long enough.
    Kept,
}

/// Statistics of SPF.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SpfRuns {
    pub count: u64,
    pub last: Option<Instant>,
    pub trigger: &'static str,
    /// Looks at changed AS-external-LSAs alone.
    pub external_count: u64,
    pub last_external: Option<Instant>,
}

/// What a calculation must redo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Staleness {
    /// Nothing.
    #[default]
    Fresh,
    /// Prefixes only (RFC 5340 §4.8.3).
    Prefixes,
    /// The tree.
    Topology,
}

/// OSPFv3 of one router; one exists, owned by the control plane.
#[derive(Clone, Debug)]
pub struct Ospf {
    /// Own router-id; `None` before the first settings.
    pub(super) router_id: Option<RouterId>,
    pub(super) interfaces: BTreeMap<PortId, Interface>,
    pub(super) lsdb: Lsdb,
    /// Instances that came too soon, with the ports they came in by; at most `EARLY_MAX`.
    pub(super) early: BTreeMap<Place, (BTreeSet<PortId>, Lsa)>,
    /// The database is full.
    pub(super) full: Complaint,
    /// An LSA cannot be read.
    pub(super) unreadable: Complaint,
    pub(super) origination: Origination,
    pub(super) boundary: Boundary,
    pub(super) opaque: Opaque,
    pub(super) prefixes: Vec<AdvertisedPrefix>,
    pub(super) endpoint: Option<RepairEndpoint>,
    pub(super) turn: Turn,
    pub(super) table: RoutingTable,
    pub(super) backoff: SpfBackoff,
    pub(super) staleness: Staleness,
    pub(super) runs: SpfRuns,
    pub(super) timers: TimerTable<Timer>,
    pub(super) prng: Prng,
    pub(super) counters: OspfCounters,
    /// A look at the routes that is not over.
    pub(super) verification: Option<Verification>,
    /// A graceful restart of this router that is not over.
    pub(super) restart: Option<Restart>,
    /// Whether neighbours that restart gracefully are helped.
    pub(super) helps_restarts: bool,
    /// Whether it asks not to be passed through.
    pub(super) is_stub: bool,
    /// Whether it says nothing more and calculates nothing more.
    pub(super) is_leaving: bool,
    pub(super) actions: VecDeque<Action>,
}

impl Ospf {
    /// A machine that knows nothing yet; `seed` starts its jitter and sequence numbers.
    pub fn new(seed: u64) -> Self {
        let delays = SpfDelays {
            initial: Duration::ZERO,
            short: Duration::from_millis(50),
            long: Duration::from_secs(1),
            time_to_learn: Duration::from_millis(500),
            holddown: Duration::from_secs(3),
        };
        Self {
            router_id: None,
            interfaces: BTreeMap::new(),
            lsdb: Lsdb::default(),
            early: BTreeMap::new(),
            full: Complaint::default(),
            unreadable: Complaint::default(),
            origination: Origination::default(),
            boundary: Boundary::default(),
            opaque: Opaque::default(),
            prefixes: Vec::new(),
            endpoint: None,
            turn: Turn::default(),
            table: RoutingTable::default(),
            backoff: SpfBackoff::new(delays),
            staleness: Staleness::Fresh,
            runs: SpfRuns::default(),
            timers: TimerTable::default(),
            prng: Prng::new(seed),
            counters: OspfCounters::default(),
            verification: None,
            restart: None,
            helps_restarts: true,
            is_stub: false,
            is_leaving: false,
            actions: VecDeque::new(),
        }
    }

    /// What was counted.
    pub const fn counters(&self) -> &OspfCounters {
        &self.counters
    }

    pub(super) fn interface(&mut self, port: PortId) -> Option<&mut Interface> {
        self.interfaces.get_mut(&port)
    }

    pub(super) fn neighbor(&mut self, port: PortId) -> Option<&mut Neighbor> {
        self.interfaces.get_mut(&port)?.neighbor.as_mut()
    }

    /// State of the neighbour on `port`; `Down` where there is none.
    pub(super) fn neighbor_state(&self, port: PortId) -> NeighborState {
        let interface = self.interfaces.get(&port);
        interface.and_then(|i| i.neighbor.as_ref()).map_or(NeighborState::Down, |n| n.state)
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notice(notice));
    }

    /// Sends a packet. On a point-to-point link everything goes to AllSPFRouters (RFC 2328 §8.1).
    pub(super) fn send(&mut self, port: PortId, body: PacketBody) {
        let Some(router_id) = self.router_id else { return };
        let Some(interface) = self.interfaces.get(&port) else { return };
        let InterfaceConfig { area, instance_id, link_local, .. } = interface.config;
        let destination = ALL_SPF_ROUTERS;
        let bytes = Packet { router_id, area, instance_id, body }.encode(link_local, destination);
        self.counters.sent += 1;
        self.actions.push_back(Action::Send { port, destination, bytes });
    }

    /// Lets something happen to the neighbour on `port`, with all that goes with it.
    pub(super) fn neighbor_event(&mut self, now: Instant, port: PortId, event: NeighborEvent) {
        let Some(neighbor) = self.neighbor(port) else { return };
        let (before, told_before) = (neighbor.state, neighbor.told_state());
        let Some((after, effect)) = step(before, event) else { return };
        neighbor.state = after;
        if after == NeighborState::Down {
            self.end_help(now, port, HelpEnd::NeighborLost);
            self.end_restart_with(RestartEnd::NeighborLost);
        }
        let told = self.tell_state(now, port, told_before, event);
        match event {
            NeighborEvent::SeqNumberMismatch => self.counters.sequence_mismatches += 1,
            NeighborEvent::BadLsReq => self.counters.bad_requests += 1,
            _ => {}
        }
        self.carry_out(now, port, effect);
        self.note_adjacency(now, told_before, told);
        if after == NeighborState::Full && before != after {
            if let Some(interface) = self.interface(port) {
                interface.complained.clear();
                if let Some(neighbor) = &mut interface.neighbor {
                    neighbor.problem = None;
                }
            }
            self.stop_exchange(port);
        }
    }

    /// Tells what a neighbour's state is now, where that changed.
    fn tell_state(
        &mut self,
        now: Instant,
        port: PortId,
        before: NeighborState,
        event: NeighborEvent,
    ) -> NeighborState {
        let Some(neighbor) = self.neighbor(port) else { return NeighborState::Down };
        let told = neighbor.told_state();
        if before != told {
            neighbor.since = now;
            let change = NeighborChange {
                port,
                router_id: neighbor.router_id,
                address: neighbor.address,
                from: before,
                to: told,
                event: event.name(),
            };
            self.actions.push_back(Action::NeighborChanged(change));
        }
        told
    }

    /// What follows from a neighbour that is Full now, or is so no more.
    fn note_adjacency(&mut self, now: Instant, before: NeighborState, after: NeighborState) {
        let is_full = |state| state == NeighborState::Full;
        // RFC 2328 §12.4: the router-LSA names the neighbours in Full.
        if is_full(before) != is_full(after) {
            self.origination.is_due = true;
        }
        // The router-LSA may have to wait for its pace; routes over a lost neighbour must not.
        if is_full(before) && !is_full(after) {
            self.needs_calculation(now, Staleness::Topology, "neighbor lost");
        }
        // Where its loss was not yet told, the router-LSA is still right and will not change.
        if is_full(after) && !is_full(before) {
            self.needs_calculation(now, Staleness::Topology, "neighbor found");
        }
    }

    fn carry_out(&mut self, now: Instant, port: PortId, effect: Effect) {
        match effect {
            Effect::Nothing => {}
            Effect::Alive => {
                if let Some(interface) = self.interfaces.get(&port) {
                    let deadline = now + interface.config.dead_interval;
                    self.timers.set(Timer::Inactivity(port), deadline);
                }
            }
            Effect::StartExchange => self.start_exchange(now, port),
            Effect::Describe => self.list_database(now, port),
            Effect::Clear => {
                if let Some(neighbor) = self.neighbor(port) {
                    neighbor.clear();
                }
                self.stop_exchange(port);
            }
            Effect::Remove => {
                if let Some(interface) = self.interface(port) {
                    if let Some(neighbor) = interface.neighbor.take() {
                        let Neighbor { router_id, heard_at, .. } = neighbor;
                        interface.gone = Some(Gone { router_id, heard_at });
                        interface.lonely_since = now;
                    }
                    interface.clear();
                }
                // What the neighbour said of the link goes with it.
                self.lsdb.retain(|(scope, _), entry| *scope != Scope::Link(port) || entry.is_own);
                self.stop_exchange(port);
                self.timers.clear(Timer::Inactivity(port));
                self.timers.clear(Timer::Retransmit(port));
                self.timers.clear(Timer::Acknowledge(port));
            }
        }
    }

    fn stop_exchange(&mut self, port: PortId) {
        self.timers.clear(Timer::Description(port));
        self.timers.clear(Timer::Request(port));
    }

    fn take(&mut self, now: Instant, input: Input) {
        match input {
            Input::Settings(settings) => self.set(now, &settings),
            Input::Restart { until } => self.begin_restart(now, until),
            Input::InterfaceAdded { port, interface }
            | Input::InterfaceChanged { port, interface } => {
                self.set_interface(now, port, *interface);
            }
            Input::InterfaceRemoved { port } => self.remove_interface(now, port),
            Input::Carrier { port, is_up } => self.set_carrier(now, port, is_up),
            Input::Bfd { port, verdict } => self.hear_bfd(now, port, verdict),
            Input::Packet { port, source, destination, bytes } => {
                self.receive(now, port, (source, destination), &bytes);
            }
            Input::Prefixes(prefixes) => {
                self.prefixes = prefixes;
                self.origination.is_due = true;
            }
            Input::Externals(changes) => self.change_externals(now, changes),
            Input::ExternalsComplete => self.drop_kept_externals(),
            Input::Opaque { kind, bodies } => self.change_opaque(kind, bodies),
            Input::StubRouter { is_stub } => {
                self.is_stub = is_stub;
                self.boundary.say_all_again();
                self.origination.is_due = true;
            }
            Input::Shutdown => self.leave(now),
        }
    }

    fn set(&mut self, now: Instant, settings: &Settings) {
        self.backoff.set_delays(settings.spf_delays);
        self.helps_restarts = settings.helps_restarts;
        if (self.turn.step, self.endpoint) != (settings.order_step, settings.endpoint) {
            self.turn.step = settings.order_step;
            self.endpoint = settings.endpoint;
            self.origination.is_due = true;
        }
        if self.router_id == Some(settings.router_id) {
            return;
        }
        if self.router_id.is_some() {
            // What the old router said must go before its name does.
            self.finish_restart(now, RestartEnd::Renamed);
            self.flush_own(now);
            self.send_queued();
            let ports: Vec<PortId> = self.interfaces.keys().copied().collect();
            for port in ports {
                self.part(now, port);
            }
            self.lsdb = Lsdb::default();
            self.table.forget_all();
            self.forget_opaque();
            self.early.clear();
            self.origination = Origination::default();
            self.boundary.rename();
            self.needs_calculation(now, Staleness::Topology, "router-id");
        }
        self.router_id = Some(settings.router_id);
        self.origination.is_due = true;
        let ports: Vec<PortId> = self.interfaces.keys().copied().collect();
        for port in ports {
            self.start_hellos(now, port);
        }
    }

    fn set_interface(&mut self, now: Instant, port: PortId, mut config: InterfaceConfig) {
        config.hello_interval = config.hello_interval.max(INTERVAL_MIN);
        config.dead_interval = config.dead_interval.max(INTERVAL_MIN);
        config.retransmit_interval = config.retransmit_interval.max(INTERVAL_MIN);
        let Some(interface) = self.interfaces.get_mut(&port) else {
            self.interfaces.insert(port, Interface::new(now, port, config));
            self.origination.is_due = true;
            self.start_hellos(now, port);
            return;
        };
        let before = core::mem::replace(&mut interface.config, config.clone());
        if before == config {
            return;
        }
        let is_same_link = before.link_local == config.link_local
            && before.interface_id == config.interface_id
            && before.area == config.area
            && before.instance_id == config.instance_id
            && before.mtu == config.mtu
            && before.is_up == config.is_up;
        let is_same_rhythm = before.hello_interval == config.hello_interval
            && before.dead_interval == config.dead_interval;
        if !is_same_link {
            let event = if config.is_up { NeighborEvent::KillNbr } else { NeighborEvent::LlDown };
            self.neighbor_event(now, port, event);
        }
        if !is_same_link || !is_same_rhythm {
            self.start_hellos(now, port);
        }
        self.origination.is_due = true;
    }

    fn remove_interface(&mut self, now: Instant, port: PortId) {
        self.flush_link(now, port);
        self.send_queued();
        self.part(now, port);
        self.interfaces.remove(&port);
        self.lsdb.retain(|(scope, _), _| *scope != Scope::Link(port));
        self.origination.is_due = true;
    }

    fn set_carrier(&mut self, now: Instant, port: PortId, is_up: bool) {
        let Some(interface) = self.interfaces.get_mut(&port) else { return };
        if interface.config.is_up == is_up {
            return;
        }
        interface.config.is_up = is_up;
        interface.lonely_since = now;
        interface.hold = None;
        interface.stranger = None;
        interface.complained.clear();
        self.origination.is_due = true;
        if is_up {
            self.start_hellos(now, port);
        } else {
            self.timers.clear(Timer::Hello(port));
            self.neighbor_event(now, port, NeighborEvent::LlDown);
        }
    }

    /// Leaves in order: own LSAs go, then a hello that lists nobody. Routes stay as they are.
    fn leave(&mut self, now: Instant) {
        self.is_leaving = true;
        self.finish_restart(now, RestartEnd::Leaving);
        self.flush_own(now);
        self.send_queued();
        let ports: Vec<PortId> = self.interfaces.keys().copied().collect();
        for port in ports {
            self.part(now, port);
        }
    }

    /// Forgets the neighbour on `port` and tells it so with a hello that lists nobody.
    fn part(&mut self, now: Instant, port: PortId) {
        self.neighbor_event(now, port, NeighborEvent::KillNbr);
        self.send_hello(port);
        self.timers.clear(Timer::Hello(port));
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Hello(port) => self.hello_due(now, port),
            Timer::Inactivity(port) => self.fall_silent(now, port),
            Timer::Help(port) => self.help_due(now, port),
            Timer::Grace(port) => self.announce_restart(now, port),
            // The end of every input looks.
            Timer::Restart => {}
            Timer::Description(port) => self.repeat_description(now, port),
            Timer::Request(port) => self.ask_again(now, port),
            Timer::Retransmit(port) => self.retransmit(now, port),
            Timer::Acknowledge(port) => {
                if let Some(interface) = self.interface(port) {
                    let waiting = core::mem::take(&mut interface.acks_later);
                    interface.acks_now.extend(waiting);
                }
            }
            Timer::Stranger(port) => self.forget_stranger(port),
            Timer::Originate => self.origination.is_due = true,
            Timer::Arrive => self.take_early(now),
            Timer::Order => self.calculate(now),
            Timer::Externals => self.calculate_externals(now),
            // The end of every input goes on with them.
            Timer::Boundary => {}
            Timer::Kept => self.drop_kept_externals(),
        }
    }

    /// The end of every input: own LSAs are made, what waits is sent, what died is forgotten.
    fn settle(&mut self, now: Instant) {
        self.review_restart(now);
        // A change of an own LSA ends help, which is another change; each does so once.
        while self.origination.is_due {
            self.originate(now);
        }
        self.bury(now);
        self.originate_externals(now);
        self.send_queued();
    }
}

impl Machine for Ospf {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        self.take(now, input);
        self.settle(now);
        self.calculate_if_due(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let calculation = self.backoff.next_deadline().filter(|_| !self.is_leaving);
        let parts = [self.timers.next_deadline(), self.lsdb.next_deadline(), calculation];
        parts.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            self.fire(now, timer);
        }
        while let Some(place) = self.lsdb.pop_due(now) {
            self.age_out(now, place);
        }
        self.settle(now);
        self.calculate_if_due(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
