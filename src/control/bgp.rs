//! BGP in the control plane: the speaker, its configuration, and what its routes become.
//!
//! Owns [`Bgp`]. The speaker says which next hops it wants resolved, what its groups of exits are
//! and which prefix has which; the RIB resolves, and answers with costs. TCP is the driver's.
//!
//! What goes from here into OSPF is `redistribute`'s. Of OSPF the speaker learns one thing:
//! whether the cluster can be reached, for the aggregates that it announces. A route of OSPF
//! cannot be given to it.
//!
//! *Invariants*: a configuration that changes nothing for a neighbour leaves its session alone. A
//! neighbour's number and the number of a policy stay while their blocks do.
//! *Standards*: RFC 4271 §9.1.2.1 (next hops), RFC 4724 §4.1 (restarts), RFC 9003 (shutdown).

use super::action::Action;
use super::bgp_deaf::Deaf;
use super::bgp_dynamic::Dynamic;
use super::bgp_link::{LinkNeighbors, scope_of};
use super::bgp_listing::Listing;
use super::bgp_settings::{
    ActiveNeighbor, Inactive, Link, Neighbor, NeighborId, PeerNumbers, PolicyTable, Site,
    dynamic_listeners, dynamic_neighbors, link_listeners, neighbors, rib_settings,
};
use super::plane::ControlPlane;
use super::port::PortState;
use super::redistribute::Redistributed;
use super::report;
use crate::base::ids::{PortId, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{ExitGateway, ExitsId, RouteBody, RouteSource, RouteTarget, RouteUpdate};
use crate::base::time::Instant;
use crate::config::Config;
use crate::proto::bgp::action::{DownReason, StateChange};
use crate::proto::bgp::input::{Cease, Input as SessionInput, Start};
use crate::proto::bgp::policy::Vrps;
use crate::proto::bgp::ribs::limits::NEXT_HOPS_MAX;
use crate::proto::bgp::ribs::{
    Change, ExitGroupId, Gateway, PeerId, PeerKind, PolicyId, Resolution, RibSettings, Route,
    RouteExits,
};
use crate::proto::bgp::speaker::{Action as SpeakerAction, Speaker};
use crate::proto::bgp::transport::{BGP_PORT, Expected, Listener, Order, Report};
use crate::proto::bgp::{Session, State};
use crate::rib::table::EXIT_GATEWAYS_MAX;
use crate::wire::bgp::PathAttributes;
use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::{BTreeMap, BTreeSet};

/// The RIB resolves every next hop that BGP has.
const _: () = assert!(NEXT_HOPS_MAX <= EXIT_GATEWAYS_MAX);

/// What is known of a next hop that the RIB resolves.
#[derive(Clone, Debug, Default)]
struct Tracked {
    /// The speaker's names for it: the global addresses beside one link-local address may differ.
    names: BTreeSet<Gateway>,
    /// What the RIB said last.
    resolution: Resolution,
}

/// The speaker and all around it; one exists, in the control plane.
#[derive(Debug)]
pub(super) struct Bgp {
    seed: u64,
    speaker: Option<Running>,
    policies: PolicyTable,
    numbers: PeerNumbers,
    neighbors: Vec<Neighbor>,
    pub(super) listeners: Vec<Listener>,
    tracked: BTreeMap<ExitGateway, Tracked>,
    /// From where the exits of each group were learned.
    kinds: BTreeMap<ExitGroupId, PeerKind>,
    /// What is announced of the cluster now.
    aggregates: BTreeSet<Ipv6Prefix>,
    /// Whether a control plane before this one forwards on, until the restart is over.
    has_restarted: bool,
    pub(super) restart: Option<BgpRestart>,
    pub(super) redistribution: Redistributed,
    /// What somebody lists.
    pub(super) listing: Listing,
    /// Where nobody can connect.
    pub(super) deaf: Deaf,
    /// What neighbours were called before the last change of them: events of those that left.
    names_before: BTreeMap<PeerId, String>,
    /// Neighbours that came by themselves.
    pub(super) dynamic: Dynamic,
    /// Neighbours over link-local addresses.
    pub(super) links: LinkNeighbors,
}

/// RFC 4724 §4.1: routes of before are kept until every neighbour has sent its own again.
#[derive(Debug)]
pub(super) struct BgpRestart {
    /// At the latest then.
    until: Instant,
    /// All have, or the time is over.
    is_over: bool,
    /// Neighbours are told of everything again.
    has_released: bool,
    /// Those that have.
    heard: BTreeSet<PeerId>,
}

/// A speaker, and what it was made with.
#[derive(Debug)]
struct Running {
    speaker: Speaker,
    identity: (u32, RouterId, RouterId),
    /// Without neighbours from now on, until its tables are empty.
    is_ending: bool,
}

impl Bgp {
    /// Without a speaker; `seed` keys the hashes of its tables.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            speaker: None,
            policies: PolicyTable::default(),
            numbers: PeerNumbers::default(),
            neighbors: Vec::new(),
            listeners: Vec::new(),
            tracked: BTreeMap::new(),
            kinds: BTreeMap::new(),
            aggregates: BTreeSet::new(),
            has_restarted: false,
            restart: None,
            redistribution: Redistributed::default(),
            listing: Listing::default(),
            deaf: Deaf::default(),
            names_before: BTreeMap::new(),
            dynamic: Dynamic::default(),
            links: LinkNeighbors::default(),
        }
    }

    /// When there is work.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        // Without a speaker nothing is awaited.
        let speaker = self.speaker.as_ref()?.speaker.next_deadline();
        let restart = self.restart.as_ref().filter(|restart| !restart.is_over);
        let restart = restart.map(|restart| restart.until);
        let damped = self.redistribution.next_deadline();
        let others = [restart, damped, self.deaf.retry_at(), self.dynamic.review_at()];
        speaker.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// The speaker and the policies, while BGP is configured.
    pub(super) fn parts(&mut self) -> Option<(&mut Speaker, &PolicyTable)> {
        Some((&mut self.speaker.as_mut()?.speaker, &self.policies))
    }

    /// What the RPKI says; also where BGP is not configured.
    pub(super) const fn vrps_mut(&mut self) -> &mut Vrps {
        self.policies.engine_mut().vrps_mut()
    }

    /// The policies.
    pub(super) const fn policies(&self) -> &PolicyTable {
        &self.policies
    }

    /// The speaker, while BGP is configured.
    pub(super) fn speaker(&self) -> Option<&Speaker> {
        self.speaker.as_ref().map(|running| &running.speaker)
    }

    /// Its BGP identifier, while it runs.
    pub(super) fn router_id(&self) -> Option<RouterId> {
        self.speaker.as_ref().map(|running| running.identity.1)
    }

    /// Its AS and its BGP identifier, while it runs.
    pub(super) fn identity(&self) -> Option<(u32, RouterId)> {
        self.speaker.as_ref().map(|running| (running.identity.0, running.identity.1))
    }

    /// Both addresses of a session.
    pub(super) fn ends(&self, peer: PeerId) -> Option<(Ipv6Addr, Ipv6Addr)> {
        let (_, active) = self.active().find(|(id, _)| *id == peer)?;
        Some((active.settings.local, *active.settings.remote.ip()))
    }

    /// What is announced of the cluster now.
    pub(super) fn aggregates(&self) -> impl Iterator<Item = Ipv6Prefix> {
        self.aggregates.iter().copied()
    }

    /// The neighbours of the configuration, as they are here.
    pub(super) fn neighbors(&self) -> &[Neighbor] {
        &self.neighbors
    }

    /// The number of a neighbour.
    pub(super) fn number(&self, id: &NeighborId) -> Option<PeerId> {
        self.numbers.number(id)
    }

    /// What a neighbour is called.
    pub(super) fn name(&self, peer: PeerId) -> String {
        let number = |neighbor: &&Neighbor| self.numbers.number(&neighbor.id) == Some(peer);
        let found = self.neighbors.iter().find(number).map(|neighbor| &neighbor.name);
        let found = found.or_else(|| self.names_before.get(&peer));
        found.cloned().unwrap_or_else(|| format!("neighbour {peer}"))
    }

    /// A control plane before this one failed: its sessions are to be had again, and packets were
    /// forwarded meanwhile.
    ///
    /// Where that one had not ended a restart of its own, its time runs on: a control plane that
    /// fails again and again does not forward by an old world for ever.
    pub(super) fn note_restart(&mut self, now: Instant, config: &Config, until: Option<Instant>) {
        self.has_restarted = true;
        if let Some(bgp) = &config.bgp {
            let until = until.unwrap_or(now + bgp.restart_time);
            let heard = BTreeSet::new();
            self.restart = Some(BgpRestart { until, is_over: false, has_released: false, heard });
        }
    }

    /// When the restart ends at the latest, while one goes on.
    pub(super) fn restarts_until(&self) -> Option<Instant> {
        self.restart.as_ref().filter(|restart| !restart.is_over).map(|restart| restart.until)
    }

    /// Whether neighbours have still to send what they sent to a control plane before this one, or
    /// it is not decided yet.
    pub(super) fn is_restarting(&self, now: Instant) -> bool {
        self.restart.as_ref().filter(|restart| !restart.is_over).is_some_and(|restart| {
            restart.until > now && self.is_behind(restart, Speaker::ends_its_table)
        })
    }

    /// RFC 4724 §4.1: whether neighbours are not told of routes of others yet. Those that have
    /// restarted themselves may wait for that, so it does not wait for them.
    fn is_deferring(&self, now: Instant) -> bool {
        self.restart.as_ref().filter(|restart| !restart.has_released).is_some_and(|restart| {
            restart.until > now && self.is_behind(restart, Speaker::is_awaited)
        })
    }

    /// Whether a neighbour that is waited for has not sent everything, or it is not decided yet.
    fn is_behind(
        &self,
        restart: &BgpRestart,
        is_awaited: impl Fn(&Speaker, PeerId) -> bool,
    ) -> bool {
        let Some(speaker) = self.speaker() else { return false };
        let is_heard = |peer| restart.heard.contains(&peer) || !is_awaited(speaker, peer);
        // Who was on a link before is found again.
        let is_sought = |it: &Neighbor| it.state == Err(Inactive::NobodyHeard);
        let are_found = !self.neighbors.iter().any(is_sought);
        !(speaker.is_settled() && are_found && self.active().all(|(peer, _)| is_heard(peer)))
    }

    fn start(&self) -> Start {
        match self.has_restarted {
            true => Start::Restarted { has_kept_forwarding: true },
            false => Start::Fresh,
        }
    }

    /// How the neighbours are reached that may connect, by own address.
    fn wanted_listeners(&self, unnamed: Vec<(SocketAddrV6, Expected)>) -> Vec<Listener> {
        let mut expected: BTreeMap<SocketAddrV6, Vec<Expected>> = BTreeMap::new();
        for (_, ActiveNeighbor { settings, .. }) in self.active() {
            // Whoever came by itself is expected where its block is.
            if self.dynamic.addresses().any(|address| address == *settings.remote.ip()) {
                continue;
            }
            let local = SocketAddrV6::new(settings.local, BGP_PORT, 0, settings.remote.scope_id());
            // So is whoever was found on a link.
            if local.scope_id() != 0 && unnamed.iter().any(|(at, _)| *at == local) {
                continue;
            }
            let peers = Ipv6Prefix::host(*settings.remote.ip());
            let security = settings.security.clone();
            expected.entry(local).or_default().push(Expected { peers, security });
        }
        for (local, peers) in unnamed {
            expected.entry(local).or_default().push(peers);
        }
        expected.into_iter().map(|(local, peers)| Listener { local, peers }).collect()
    }

    /// What is configured of one of them.
    pub(super) fn active_of(&self, peer: PeerId) -> Option<&ActiveNeighbor> {
        self.active().find(|(other, _)| *other == peer).map(|(_, active)| active)
    }

    /// Those on the link of a port, of this address where one is said.
    pub(super) fn on_link(
        &self,
        port: PortId,
        address: Option<Ipv6Addr>,
    ) -> impl Iterator<Item = (PeerId, &ActiveNeighbor)> {
        self.active().filter(move |(_, active)| {
            let settings = &active.settings;
            settings.port == Some(port) && address.is_none_or(|it| it == *settings.remote.ip())
        })
    }

    /// The neighbours that shall have a session.
    pub(super) fn active(&self) -> impl Iterator<Item = (PeerId, &ActiveNeighbor)> {
        let active = |neighbor: &Neighbor| neighbor.state.is_ok();
        self.neighbors.iter().filter(move |neighbor| active(neighbor)).filter_map(|neighbor| {
            let active = neighbor.state.as_ref().ok().filter(|active| active.shutdown.is_none())?;
            Some((self.numbers.number(&neighbor.id)?, &**active))
        })
    }
}

impl ControlPlane {
    /// The policies of the configuration hold from now on.
    pub(super) fn take_policies(&mut self, now: Instant) {
        let changed = self.bgp.policies.apply(&self.config);
        let imports: Vec<(PeerId, Option<PolicyId>)> =
            self.bgp.active().map(|(peer, active)| (peer, active.settings.import)).collect();
        let Some(running) = &mut self.bgp.speaker else { return };
        for policy in &changed {
            running.speaker.ribs_mut().reexport(*policy);
        }
        for (peer, import) in imports {
            if import.is_some_and(|import| changed.contains(&import)) {
                running.speaker.ribs_mut().reimport(peer, import);
            }
        }
        running.speaker.touch(now);
        self.review_redistribution(now, &changed);
    }

    /// Brings the speaker up to date with configuration and ports.
    pub(super) fn review_bgp(&mut self, now: Instant) {
        if self.is_leaving || (self.config.bgp.is_none() && self.bgp.speaker.is_none()) {
            return;
        }
        let links = self.bgp_links();
        let loopback = self.identity.loopback;
        let router_id = self.identity.router_id.unwrap_or(RouterId(0));
        let site = Site { router_id, loopback, links: &links };
        self.forget_unwanted();
        let Some(settings) = &self.config.bgp else { return self.end_bgp(now) };
        let mut after = neighbors(settings, &site, &self.bgp.policies);
        let came = self.bgp.dynamic.addresses();
        after.extend(dynamic_neighbors(settings, &site, &self.bgp.policies, came));
        let mut unnamed = dynamic_listeners(settings, &site);
        unnamed.extend(link_listeners(settings, &site));
        let made_with = rib_settings(settings, &site, self.bgp.seed);
        if !self.run_bgp(now, made_with) {
            return;
        }
        if self.bgp.neighbors != after {
            self.replace_neighbors(now, after);
            self.review_bgp_watches(now);
        }
        self.review_redistribution(now, &[]);
        let listeners = self.bgp.wanted_listeners(unnamed);
        if listeners != self.bgp.listeners {
            self.bgp.listeners.clone_from(&listeners);
            self.bgp.deaf.forget();
            self.actions.push_back(Action::Bgp(Order::Listen(listeners)));
        }
        self.review_aggregates(now);
    }

    /// Sees to it that there is a speaker of this AS and identifier; whether there is, which takes
    /// its time while one of another name ends.
    fn run_bgp(&mut self, now: Instant, settings: RibSettings) -> bool {
        let identity = (settings.asn, settings.router_id, settings.cluster_id);
        let mut speaker = match &self.bgp.speaker {
            Some(old) if old.identity == identity && !old.is_ending => return true,
            Some(old) => Speaker::after(settings, &old.speaker),
            None => Speaker::new(settings),
        };
        self.end_bgp(now);
        if self.bgp.speaker.is_some() {
            return false;
        }
        if self.bgp.restart.as_ref().is_some_and(|restart| !restart.has_released) {
            speaker.begin_restart();
        }
        self.bgp.speaker = Some(Running { speaker, identity, is_ending: false });
        true
    }

    /// BGP is configured no more, or under another name: neighbours hear of it now, and the tables
    /// are emptied slice by slice before the speaker goes.
    fn end_bgp(&mut self, now: Instant) {
        self.replace_neighbors(now, Vec::new());
        for prefix in core::mem::take(&mut self.bgp.aggregates) {
            self.forget_aggregate(now, prefix);
        }
        if !self.bgp.listeners.is_empty() {
            self.bgp.listeners.clear();
            self.actions.push_back(Action::Bgp(Order::Listen(Vec::new())));
        }
        self.deliver_bgp(now);
        let Some(running) = &mut self.bgp.speaker else { return };
        running.is_ending = true;
        if running.speaker.is_empty() {
            self.bgp.speaker = None;
            self.review_redistribution(now, &[]);
        }
    }

    /// Begins and ends sessions where neighbours are others than before.
    fn replace_neighbors(&mut self, now: Instant, after: Vec<Neighbor>) {
        if self.bgp.neighbors == after {
            return;
        }
        let before: BTreeMap<PeerId, ActiveNeighbor> =
            self.bgp.active().map(|(peer, active)| (peer, active.clone())).collect();
        let stopped: Vec<(NeighborId, String)> = after.iter().filter_map(shutdown).collect();
        let stopped: BTreeMap<PeerId, String> = stopped
            .into_iter()
            .filter_map(|(id, text)| Some((self.bgp.numbers.number(&id)?, text)))
            .collect();
        let names = self.bgp.neighbors.iter().map(|old| (&old.id, &old.name));
        let names =
            names.filter_map(|(id, name)| Some((self.bgp.numbers.number(id)?, name.clone())));
        self.bgp.names_before = names.collect();
        self.bgp.numbers.assign(&after);
        self.bgp.neighbors = after;
        let after: BTreeMap<PeerId, ActiveNeighbor> =
            self.bgp.active().map(|(peer, active)| (peer, active.clone())).collect();
        let start = self.bgp.start();
        let Some(Running { speaker, .. }) = &mut self.bgp.speaker else { return };
        let mut kept = BTreeSet::new();
        for (peer, old) in &before {
            let new = after.get(peer);
            let goes_on = new.is_some_and(|new| {
                let settings = &new.settings;
                *settings == old.settings
                    || speaker.change_peer(now, *peer, settings.clone()).is_ok()
            });
            if goes_on {
                kept.insert(*peer);
                continue;
            }
            let why = match stopped.get(peer) {
                Some(text) => Cease::AdministrativeShutdown { text: text.clone() },
                None if new.is_some() => Cease::ConfigurationChange,
                None => Cease::PeerDeConfigured,
            };
            speaker.remove_peer(now, *peer, why, self.bgp.policies.engine());
            // Whoever has its number next has said nothing.
            self.bgp.restart.iter_mut().for_each(|restart| {
                restart.heard.remove(peer);
            });
        }
        for (peer, new) in after.into_iter().filter(|(peer, _)| !kept.contains(peer)) {
            speaker.add_peer(now, peer, new.settings, start);
        }
    }

    /// The ports as BGP sees them.
    fn bgp_links(&self) -> Vec<Link> {
        let link = |(port, state): (&PortId, &PortState)| {
            let usable = state.links.iter().filter(|(_, own)| !state.refused.contains(own));
            Link {
                port: *port,
                name: state.attached.settings.name.clone(),
                scope_id: scope_of(*port),
                link_local: state.link_local(),
                found: self.bgp.links.found_on(*port),
                addresses: usable.copied().collect(),
            }
        };
        self.ports.iter().map(link).collect()
    }

    /// TCP says something, of whosesoever connection.
    pub(super) fn tcp_report(&mut self, now: Instant, report: Report) {
        match report.socket() {
            Some(socket) if self.bmp.has(socket) => self.bmp_report(now, report),
            Some(socket) if self.rpki.has(socket) => self.rpki_report(now, report),
            _ => self.bgp_report(now, report),
        }
    }

    /// TCP says something of a neighbour.
    fn bgp_report(&mut self, now: Instant, report: Report) {
        if let Report::Deaf { local, failure } = report {
            return self.bgp_is_deaf(now, local, failure);
        }
        if let Report::Accepted { remote, .. } = &report {
            self.welcome(now, *remote);
        }
        match (&mut self.bgp.speaker, report) {
            (Some(running), report) => {
                running.speaker.report(now, report, self.bgp.policies.engine());
            }
            // It was on its way when BGP ended.
            (None, Report::Accepted { socket, .. }) => {
                self.actions.push_back(Action::Bgp(Order::Close { socket }));
            }
            (None, _) => {}
        }
    }

    /// A slice of work, where some is due.
    pub(super) fn work_bgp(&mut self, now: Instant) {
        self.retry_listening(now);
        self.review_dynamic(now);
        let Some(running) = &mut self.bgp.speaker else { return };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let has_work = is_due(running.speaker.next_deadline());
        if has_work {
            running.speaker.work(now, self.bgp.policies.engine());
        }
        if has_work || is_due(self.bgp.redistribution.next_deadline()) {
            self.redistribute(now);
        }
        if self.bgp.speaker.as_ref().is_some_and(|running| running.is_ending) {
            self.review_bgp(now);
        }
    }

    /// Ends a restart when all is heard and decided; at the end of every input, before what was
    /// inherited is given up.
    pub(super) fn review_bgp_restart(&mut self, now: Instant) {
        let is_restarting = self.bgp.is_restarting(now);
        // Once everything was here, a session that falls begins no other restart.
        let is_deferring = is_restarting && self.bgp.is_deferring(now);
        let Some(restart) = &mut self.bgp.restart else { return };
        restart.is_over = !is_restarting;
        // What OSPF has of the life before is known once its own restart is over.
        if is_deferring || self.ospf.is_restarting() {
            return;
        }
        if !core::mem::replace(&mut restart.has_released, true) {
            self.bgp.has_restarted = false;
            if let Some(running) = &mut self.bgp.speaker {
                running.speaker.end_restart(now);
            }
        }
        if !is_restarting {
            self.bgp.restart = None;
            self.complete_externals(now);
            self.draw_testament();
        }
    }

    /// Carries what the RIB has resolved to the speaker, and what the speaker wants everywhere
    /// else, until both are silent.
    pub(super) fn deliver_bgp(&mut self, now: Instant) {
        while let Some((gateway, cost)) = self.rib.poll_exit() {
            let Some(tracked) = self.bgp.tracked.get_mut(&gateway) else { continue };
            tracked.resolution = match cost {
                Some(cost) => Resolution::Reachable { cost },
                None => Resolution::Unreachable,
            };
            let Some(running) = &mut self.bgp.speaker else { continue };
            for name in &tracked.names {
                running.speaker.resolve(now, *name, tracked.resolution);
            }
        }
        while let Some(action) = self.bgp.speaker.as_mut().and_then(|s| s.speaker.poll_action()) {
            match action {
                SpeakerAction::Transport(order) => self.actions.push_back(Action::Bgp(order)),
                SpeakerAction::Forward(change) => self.forward_bgp(now, change),
                SpeakerAction::Session { peer, change } => self.bgp_changed(now, peer, &change),
                SpeakerAction::EndOfRib { peer } => {
                    if let Some(restart) = &mut self.bgp.restart {
                        restart.heard.insert(peer);
                    }
                }
                SpeakerAction::ManyPaths { peer, count, most } => {
                    let event = report::bgp_many_paths(now, &self.bgp.name(peer), (count, most));
                    self.event(event);
                }
                SpeakerAction::Refused { peer, reason } => {
                    let found = self.bgp.active_of(peer);
                    let back = found.and_then(|active| active.settings.paths_restart);
                    let event = report::bgp_refused(now, &self.bgp.name(peer), (&reason, back));
                    self.event(event);
                }
            }
        }
    }

    /// A session is in another state.
    fn bgp_changed(&mut self, now: Instant, peer: PeerId, change: &StateChange) {
        let is_ours = matches!(change.reason, Some(DownReason::NotificationSent(_)));
        let session = self.bgp.speaker().and_then(|speaker| speaker.session(peer));
        let objection = session.filter(|_| is_ours).and_then(Session::objection);
        let event = report::bgp_session(now, &self.bgp.name(peer), change, objection);
        self.event(event);
        self.bmp_session(now, peer, change);
        let found = self.bgp.active_of(peer);
        let link = found.map(|it| (it.settings.port, *it.settings.remote.ip()));
        if change.to == State::Established
            && let Some((Some(port), address)) = link
        {
            self.watch_bgp(port, address);
        }
        self.testament.bgp_dynamic = self.dynamic_there();
    }

    fn forward_bgp(&mut self, now: Instant, change: Change) {
        match change {
            Change::Track(gateway) => self.track(now, gateway),
            Change::Untrack(gateway) => self.untrack(gateway),
            Change::Group { id, kind, next_hops } => {
                self.bgp.kinds.insert(id, kind);
                let exits = next_hops.into_iter().filter_map(exit_of).collect();
                self.rib.set_exits(ExitsId(id.0), Some(exits));
            }
            Change::GroupGone(id) => {
                self.bgp.kinds.remove(&id);
                self.rib.set_exits(ExitsId(id.0), None);
            }
            Change::Route { prefix, exits } => {
                let (source, target) = match exits {
                    RouteExits::None => (None, RouteTarget::Blackhole),
                    RouteExits::Discard => (Some(RouteSource::Ebgp), RouteTarget::Blackhole),
                    RouteExits::Group(id) => {
                        let is_internal =
                            self.bgp.kinds.get(&id).is_some_and(|kind| kind.is_internal());
                        let source =
                            if is_internal { RouteSource::Ibgp } else { RouteSource::Ebgp };
                        (Some(source), RouteTarget::Exits(ExitsId(id.0)))
                    }
                };
                if source.is_some() {
                    self.take_over(now, prefix);
                }
                let route = source.map(|source| (source, RouteBody::new(0, target)));
                if let Err(error) = self.rib.apply_bgp(prefix, route) {
                    self.note_refusal(now, &error);
                }
                if self.bgp.redistribution.has(prefix) {
                    self.rib.hasten(prefix);
                }
            }
        }
    }

    fn track(&mut self, now: Instant, name: Gateway) {
        let Some(exit) = exit_of(name) else {
            if let Some(running) = &mut self.bgp.speaker {
                running.speaker.resolve(now, name, Resolution::Unreachable);
            }
            return;
        };
        let is_new = !self.bgp.tracked.contains_key(&exit);
        let tracked = self.bgp.tracked.entry(exit).or_default();
        tracked.names.insert(name);
        let resolution = tracked.resolution;
        if is_new {
            self.rib.track_exit(exit);
        } else if let Some(running) = &mut self.bgp.speaker {
            running.speaker.resolve(now, name, resolution);
        }
    }

    fn untrack(&mut self, name: Gateway) {
        let Some(exit) = exit_of(name) else { return };
        let Some(tracked) = self.bgp.tracked.get_mut(&exit) else { return };
        tracked.names.remove(&name);
        if tracked.names.is_empty() {
            self.bgp.tracked.remove(&exit);
            self.rib.untrack_exit(exit);
        }
    }

    /// Announces the aggregates while the cluster behind this edge is really reached, and no
    /// longer.
    pub(super) fn review_aggregates(&mut self, now: Instant) {
        let Some(settings) = self.config.bgp.as_ref().filter(|_| !self.is_leaving) else { return };
        // After a restart what OSPF had found before is what it will most likely find again, and
        // must be announced before a neighbour hears End-of-RIB.
        let sources = [RouteSource::Ospf, RouteSource::Inherited];
        let is_reached = |whole: &Ipv6Prefix| self.rib.has_part(*whole, &sources);
        let wanted: BTreeSet<Ipv6Prefix> =
            settings.aggregates.iter().copied().filter(is_reached).collect();
        if wanted == self.bgp.aggregates {
            return;
        }
        let before = core::mem::replace(&mut self.bgp.aggregates, wanted.clone());
        for prefix in before.difference(&wanted) {
            self.forget_aggregate(now, *prefix);
        }
        for prefix in wanted.difference(&before) {
            let source = RouteSource::Aggregate;
            let route = Some(RouteBody::new(0, RouteTarget::Unreachable));
            self.apply_route(now, RouteUpdate { prefix: *prefix, source, route });
            if let Some(Running { speaker, .. }) = &mut self.bgp.speaker {
                let route = Route { next_hop: None, attributes: PathAttributes::default() };
                let is_taken = speaker.ribs_mut().originate(now, *prefix, &route).is_some();
                speaker.touch(now);
                if !is_taken {
                    self.counters.routes_refused += 1;
                }
            }
        }
    }

    fn forget_aggregate(&mut self, now: Instant, prefix: Ipv6Prefix) {
        let source = RouteSource::Aggregate;
        self.apply_route(now, RouteUpdate { prefix, source, route: None });
        if let Some(Running { speaker, .. }) = &mut self.bgp.speaker {
            speaker.ribs_mut().withdraw_origin(prefix);
            speaker.touch(now);
        }
    }

    /// The router ends: every neighbour hears of it, and keeps no routes.
    pub(super) fn leave_bgp(&mut self, now: Instant) {
        let peers: Vec<PeerId> = self.bgp.active().map(|(peer, _)| peer).collect();
        let Some(running) = &mut self.bgp.speaker else { return };
        for peer in peers {
            let cease = Cease::AdministrativeShutdown { text: "the router ends".to_owned() };
            running.speaker.command(now, peer, SessionInput::Stop(cease));
        }
        running.speaker.work(now, self.bgp.policies.engine());
        self.deliver_bgp(now);
    }
}

/// The reason for which a neighbour is kept down.
fn shutdown(neighbor: &Neighbor) -> Option<(NeighborId, String)> {
    let active = neighbor.state.as_ref().ok()?;
    Some((neighbor.id.clone(), active.shutdown.clone()?))
}

/// What the RIB calls a next hop; `None` for one that has no address to resolve.
fn exit_of(gateway: Gateway) -> Option<ExitGateway> {
    match (gateway.port, gateway.next_hop.link_local, gateway.next_hop.global) {
        (Some(port), Some(address), _) => Some(ExitGateway { address, port: Some(port) }),
        (_, _, Some(address)) => Some(ExitGateway { address, port: None }),
        _ => None,
    }
}
