//! The control plane: every protocol machine and the RIB as one value.
//!
//! Owns [`ControlPlane`] and the way of an input through it: it is handed to the machine that it
//! concerns, and what the machines then want is carried to the others or out. What the RIB has to
//! say waits for [`Input::Flush`], the end of a slice of inputs: a world costs more than most
//! inputs, and whoever can cause inputs must not cause as many worlds. What is published and what
//! is sent keep their order, so that a packet which waited for a neighbour finds it in the
//! forwarding state. Liveness waits for nobody.
//!
//! *Invariants*: after `handle` and `handle_timeout` no machine has an action left; after `Flush`
//! the RIB is compiled, but for what waits in its backlog.

use super::action::Action;
use super::apply::StaticState;
use super::bfd::BfdClients;
use super::bgp::Bgp;
use super::bmp::Bmp;
use super::connected::Connected;
use super::death_mark::DeathMarks;
use super::inherit::{Inheritance, Testament};
use super::input::Input;
use super::port::PortState;
use super::rpki::Rpki;
use super::self_check::SelfCheck;
use super::stub::StubRouter;
use super::tenant::Tenants;
use crate::api::show::ShowReply;
use crate::api::{Event, ShowQuery};
use crate::base::ids::{PortId, RouterId};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::config::{Config, addressing};
use crate::fib::{Forwarding, RepairAddresses};
use crate::proto::nd::{self, Nd};
use crate::proto::ospf::{self, NeighborState, Ospf, RepairEndpoint};
use crate::rib::Rib;
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, VecDeque};

/// Destination Unreachable messages that the control plane makes, a second: neighbours that do not
/// answer (RFC 4443 §2.4 (f)). The workers have a limit of their own.
pub const UNREACHABLE_PER_SECOND_MAX: u32 = 100;

/// A neighbour is a next hop and a group; what the RIB holds back of both for numbers that old
/// worlds still know, and for sets of neighbours, is the rest. Repairs have room of their own.
const _: () = assert!(
    nd::limits::ENTRIES_MAX + crate::rib::table::REPAIRS_MAX < crate::rib::table::NEXT_HOPS_MAX
);
const _: () = assert!(
    nd::limits::ENTRIES_MAX * 2 + crate::rib::table::REPAIRS_MAX < crate::rib::table::GROUPS_MAX
);

crate::counters! {
    /// What the control plane itself counted.
    pub struct ControlCounters {
        frames_without_port: "packets", "Frames from a port that the control plane does not know.";
        sends_without_port: "packets", "Packets of a protocol for a port that is gone.";
        frames_malformed: "packets", "Punted frames that are no IPv6 packet after all.";
        frames_foreign: "packets", "Punted frames of a protocol that nobody here speaks.";
        ospf_off_port: "packets", "OSPF packets on ports that are not in the fabric.";
        routes_refused: "routes", "Routes that the table refused because it is full.";
        @normal unreachable_sent: "packets", "Destination Unreachable sent for silent neighbours.";
        unreachable_limited: "packets", "Destination Unreachable not sent: too many a second.";
        unreachable_undue: "packets", "Packets to silent neighbours that deserve no answer.";
        externals_refused: "routes", "Routes of BGP left out of OSPF: as many as may are there.";
        externals_damped: "routes", "Routes of BGP held back from OSPF because they come and go.";
        bmp_oversized: "routes", "Routes not told to a BMP station: no message can hold them.";
        bgp_strangers: "messages",
            "Signs of a second router on a link whose BGP neighbour is the first one found.";
        addresses_refused: "addresses", "Own addresses that somebody else has as well.";
        @normal self_checks: "checks", "Times the router compared database, routes and forwarding.";
        self_check_faults: "prefixes", "Prefixes that differed then, and were set right.";
    }
}

/// What the driver decides about a control plane.
#[derive(Clone, Copy, Debug)]
pub struct ControlOptions {
    /// Starts every generator of jitter; in the daemon from the system's entropy.
    pub seed: u64,
}

/// Who this router is, as the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub router_id: Option<RouterId>,
    pub loopback: Option<Ipv6Addr>,
    /// The router's adjacency addresses, a /112.
    pub adjacencies: Option<Ipv6Prefix>,
    /// What the whole cluster is numbered from: the ULA, then the global prefix.
    pub cluster: Vec<Ipv6Prefix>,
    /// This router's own /64 of each.
    pub lan: Vec<(Ipv6Prefix, Ipv6Addr)>,
}

impl Identity {
    pub(super) fn of(config: &Config) -> Self {
        let Some(cluster) = &config.cluster else {
            return Self { router_id: config.ospf.router_id, ..Self::default() };
        };
        let number = cluster.number;
        let whole: Vec<Ipv6Prefix> = core::iter::once(cluster.ula).chain(cluster.prefix).collect();
        let lan = |prefix: &Ipv6Prefix| {
            (addressing::lan_prefix(*prefix, number), addressing::lan_address(*prefix, number))
        };
        Self {
            router_id: Some(config.ospf.router_id.unwrap_or(addressing::router_id(number))),
            loopback: Some(addressing::loopback(cluster.ula, number)),
            adjacencies: Some(addressing::adjacency_prefix(cluster.ula, number)),
            lan: whole.iter().map(lan).collect(),
            cluster: whole,
        }
    }

    /// What other routers may use here for their repairs.
    pub(super) fn repair_endpoint(&self) -> Option<RepairEndpoint> {
        Some(RepairEndpoint { address: self.loopback?, adjacencies: self.adjacencies? })
    }

    /// The router's part in the repairs of its cluster.
    pub(super) fn repair_addresses(&self) -> Option<RepairAddresses> {
        Some(RepairAddresses::new(self.loopback?, self.adjacencies?))
    }
}

/// Errors that the control plane may send in the current second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ErrorBudget {
    since: Instant,
    spent: u32,
}

impl ErrorBudget {
    /// Takes one; false when this second has none left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now - self.since >= Duration::from_secs(1) {
            *self = Self { since: now, spent: 0 };
        }
        self.spent += 1;
        self.spent <= UNREACHABLE_PER_SECOND_MAX
    }
}

/// A control plane as its drivers know it: the real one, or a small one in a test.
pub trait Plane: Machine<Input = Input, Action = Action> {
    /// A new one that knows nothing.
    fn start(options: ControlOptions) -> Self;

    /// What its successor shall know, should it fail.
    fn testament(&self) -> Testament;

    /// Neighbours that are Full: who must hear of an end.
    fn full_count(&self) -> usize;

    /// Whether [`Input::Flush`] may have something to publish.
    fn is_dirty(&self) -> bool;

    /// Whether it would publish nothing but more of a table that comes in, which may wait while
    /// there is other work.
    fn is_only_behind(&self) -> bool {
        false
    }

    /// How often it has calculated routes; drivers time the steps in which it does.
    fn calculation_count(&self) -> u64;
}

/// The control plane of one router; one exists, owned by the control thread.
#[derive(Debug)]
pub struct ControlPlane {
    pub(super) config: Config,
    pub(super) identity: Identity,
    pub(super) ports: BTreeMap<PortId, PortState>,
    pub(super) ospf: Ospf,
    pub(super) nd: Nd,
    pub(super) rib: Rib,
    pub(super) connected: Connected,
    pub(super) statics: StaticState,
    /// OSPF neighbours that are not down, with their router-id.
    pub(super) ospf_neighbors: BTreeMap<(PortId, Ipv6Addr), (RouterId, NeighborState)>,
    pub(super) bfd: BfdClients,
    pub(super) bgp: Bgp,
    pub(super) rpki: Rpki,
    pub(super) bmp: Bmp,
    pub(super) death_marks: DeathMarks,
    pub(super) tenants: Tenants,
    pub(super) stub: StubRouter,
    pub(super) self_check: SelfCheck,
    /// Whether the neighbours were told good-bye.
    pub(super) is_leaving: bool,
    /// The last world published; shares everything with the one the workers read.
    pub(super) world: Forwarding,
    pub(super) counters: ControlCounters,
    pub(super) error_budget: ErrorBudget,
    /// What a control plane before this one left, until it is given up.
    pub(super) inheritance: Option<Inheritance>,
    pub(super) testament: Testament,
    pub(super) actions: VecDeque<Action>,
}

impl ControlPlane {
    /// A control plane that knows nothing yet; [`Input::Configure`] comes first.
    pub fn new(options: ControlOptions) -> Self {
        let rib = Rib::default();
        Self {
            config: Config::default(),
            identity: Identity::default(),
            ports: BTreeMap::new(),
            ospf: Ospf::new(options.seed),
            nd: Nd::new(options.seed.rotate_left(32)),
            world: Forwarding::empty(rib.liveness()),
            rib,
            connected: Connected::default(),
            statics: StaticState::default(),
            ospf_neighbors: BTreeMap::new(),
            bfd: BfdClients::default(),
            bgp: Bgp::new(options.seed.rotate_left(16)),
            rpki: Rpki::new(options.seed.rotate_left(24)),
            bmp: Bmp::new(options.seed.rotate_left(40)),
            death_marks: DeathMarks::default(),
            tenants: Tenants::new(options.seed.rotate_left(48)),
            stub: StubRouter::starting(),
            self_check: SelfCheck::default(),
            is_leaving: false,
            counters: ControlCounters::default(),
            error_budget: ErrorBudget::default(),
            inheritance: None,
            testament: Testament::default(),
            actions: VecDeque::new(),
        }
    }

    /// The OSPF machine, for checkers.
    pub const fn ospf(&self) -> &Ospf {
        &self.ospf
    }

    /// The ND machine, for checkers.
    pub const fn nd(&self) -> &Nd {
        &self.nd
    }

    /// The RIB, for checkers.
    pub const fn rib(&self) -> &Rib {
        &self.rib
    }

    /// What the control plane itself counted.
    pub const fn counters(&self) -> &ControlCounters {
        &self.counters
    }

    pub(super) fn event(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }

    /// Publishes what the RIB has to say since the last time.
    pub(super) fn publish(&mut self) {
        if let Some(world) = self.rib.compile() {
            self.tenants.note_world(world.epoch);
            self.world = world.clone();
            self.actions.push_back(Action::Publish(Box::new(world)));
        }
        self.marks_compiled();
    }

    /// The end of every input.
    fn finish(&mut self, now: Instant) {
        self.deliver(now);
        self.deliver_bgp(now);
        self.deliver_bmp(now);
        self.review_bgp_restart(now);
        self.review_inheritance(now);
        self.review_tenants(now);
        if !self.is_leaving {
            self.review_stub(now);
            self.check_self_if_due(now);
        }
    }

    fn take(&mut self, now: Instant, input: Input) {
        match input {
            Input::Configure(config) => self.configure(now, *config),
            Input::Inherit(legacy) => self.inherit(now, *legacy),
            Input::PortAttached(port) => self.attach(now, *port),
            Input::PortDetached(port) => self.detach(now, port),
            Input::Carrier { port, is_up } => self.carrier(now, port, is_up),
            Input::Frame { port, bytes } => self.frame(now, port, &bytes),
            Input::Unresolved { port, address, packet } => {
                self.nd.handle(now, nd::Input::Resolve { port, address, packet });
            }
            Input::Bfd(report) => self.bfd_report(now, &report),
            Input::Bgp(report) => self.tcp_report(now, *report),
            Input::NeighborUsed { port, address } => {
                self.nd.handle(now, nd::Input::Used { port, address });
            }
            Input::Reclaimed { epoch } => {
                self.rib.reclaimed(epoch);
                self.marks_reclaimed(epoch);
                self.tenants_reclaimed(epoch);
            }
            Input::Flush => {
                self.publish();
                self.review_aggregates(now);
            }
            Input::Drain { is_drained } => self.drain(now, is_drained),
            Input::ClearBgp { id, asked } => {
                let reply = Box::new(ShowReply::BgpCleared(self.clear_bgp(now, &asked)));
                self.actions.push_back(Action::Reply { id, reply, rest: None });
            }
            Input::MacMoves { mac, from, to } => self.mac_moves(now, mac, [from, to]),
            Input::ClearTenant { id, name } => {
                let reply =
                    Box::new(ShowReply::TenantCleared(self.clear_tenant(now, name.as_deref())));
                self.actions.push_back(Action::Reply { id, reply, rest: None });
            }
            Input::Shutdown => {
                self.is_leaving = true;
                self.leave_bfd();
                self.leave_membership(now);
                self.leave_rpki(now);
                self.leave_bgp(now);
                self.leave_bmp(now);
                self.ospf.handle(now, ospf::Input::Shutdown);
                self.nd.handle(now, nd::Input::Shutdown);
            }
            Input::Query { id, query, after } => {
                // Which routes are selected is known once they are compiled.
                if after.is_none() {
                    self.publish();
                }
                if query.lists_bgp() {
                    self.list_bgp(now, after);
                }
                let (reply, rest) = match query {
                    ShowQuery::SelfCheck => (ShowReply::SelfCheck(self.check_self(now)), None),
                    _ => self.answer(now, &query, after),
                };
                let reply = Box::new(reply);
                self.actions.push_back(Action::Reply { id, reply, rest });
            }
        }
    }
}

impl Plane for ControlPlane {
    fn start(options: ControlOptions) -> Self {
        Self::new(options)
    }

    fn testament(&self) -> Testament {
        let (is_starting, is_drained) = (self.stub.is_starting(), self.stub.is_drained());
        Testament { is_starting, is_drained, ..self.testament.clone() }
    }

    fn full_count(&self) -> usize {
        let full = |(_, state): &&(_, NeighborState)| *state == NeighborState::Full;
        self.ospf_neighbors.values().filter(full).count()
    }

    fn is_dirty(&self) -> bool {
        self.rib.is_dirty() || self.has_settled_marks()
    }

    fn is_only_behind(&self) -> bool {
        !self.rib.is_urgent() && !self.has_settled_marks()
    }

    fn calculation_count(&self) -> u64 {
        self.ospf.run_count()
    }
}

impl Machine for ControlPlane {
    type Input = Input;
    type Action = Action;

    fn handle(&mut self, now: Instant, input: Input) {
        self.take(now, input);
        self.finish(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let is_staying = !self.is_leaving;
        let inheritance = self.inheritance.as_ref().filter(|_| is_staying);
        let inheritance = inheritance.and_then(Inheritance::deadline);
        let adopted = self.bfd.next_deadline().filter(|_| is_staying);
        let stub = self.stub.deadline().filter(|_| is_staying);
        let (ospf, nd) = (self.ospf.next_deadline(), self.nd.next_deadline());
        let check = self.self_check.deadline().filter(|_| is_staying);
        let (bgp, rpki) = (self.bgp.next_deadline(), self.rpki.next_deadline());
        let bmp = self.bmp.next_deadline();
        let tenants = self.tenants_deadline().filter(|_| is_staying);
        let parts = [ospf, nd, inheritance, adopted, stub, check, bgp, rpki, bmp, tenants];
        parts.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.ospf.handle_timeout(now);
        self.nd.handle_timeout(now);
        self.work_rpki(now);
        self.work_bgp(now);
        self.work_bmp(now);
        if !self.is_leaving {
            self.work_membership(now);
            self.expire_bfd(now);
        }
        self.finish(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
