//! The speaker: sessions, tables and TCP made one.
//!
//! Owns [`Speaker`], one for each router: its peers with their sessions, the tables, and which
//! socket is whose. What a session says of routes goes into the tables; what the tables have for a
//! peer goes out as fast as it reads. Policies are handed in with each call, next hops are resolved
//! and packets forwarded elsewhere.
//!
//! Work comes in slices: what arrived marks prefixes, and each call of [`Speaker::work`] decides
//! [`DECISIONS_PER_SLICE`] of them and writes some megabytes (`write`), for one peer after the
//! other at most what it has room for. Until the tables have caught up no socket gets credit, so
//! that peers wait and not hellos.
//!
//! *Invariants*: a socket belongs to one connection of one session; one that belongs to none is
//! closed. A peer without policies gives and gets nothing over eBGP (RFC 8212).
//! *Standards*: RFC 4271 §3.1 and §9, RFC 4724 §4.1 (restarts) and §4.2 (stale routes), RFC 7313 §4
//! (bounds of a refresh), RFC 4486 §4 (too many prefixes).

use super::action::{Action as SessionAction, Down, Retention, StateChange};
use super::connection::encoded;
use super::input::{Cease, ConnectionId, Initiator, Input as SessionInput, Start};
use super::limits::{DECISIONS_PER_SLICE, EXHAUSTED_RETRY_TIME, STALE_TIME_MAX};
use super::negotiation::{Negotiated, RefreshSupport};
use super::ribs::{
    AsPathMode, Blackhole, Change, ExportSettings, FirstAs, Gateway, MemberSettings, NextHopMode,
    PathsExceeded, PeerId, PeerKind, Policies, PolicyId, Resolution, RibError, RibPeer,
    RibSettings, Ribs, StalePaths, Work,
};
use super::session::Session;
use super::settings::Settings;
use super::transport::{Order, Report, Security, SocketId};
use crate::base::ids::PortId;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::base::timers::TimerTable;
use crate::wire::bgp::{
    Agreement, Message, NextHop, Notification, NotificationCode, RefreshKind, Update,
};
use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::{BTreeMap, VecDeque};

mod hold;
#[cfg(test)]
mod tests;
mod write;

pub use hold::{Clear, ClearError, Held};

/// Of the seed, bits that are left away where it begins the numbers of sockets.
const SEED_BITS_UNUSED: u32 = 8;
/// A peer that had many paths has few again when this share of what was many is gone: one that
/// stays around the mark is not spoken of with each route.
const WARNING_SHARES: u32 = 8;

/// A peer as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// Its address and port.
    pub remote: SocketAddrV6,
    /// Own address on the session.
    pub local: Ipv6Addr,
    /// How packets must look.
    pub security: Security,
    /// How the session runs.
    pub session: Settings,
    /// Where it stands.
    pub kind: PeerKind,
    /// The port of a link that is shared with it.
    pub port: Option<PortId>,
    /// Prefixes of that link, in which its next hops must be; none where it may name any.
    pub on_link: Vec<Ipv6Prefix>,
    /// What it is told as next hop.
    pub own_next_hop: NextHop,
    /// What is done with its paths.
    pub import: Option<PolicyId>,
    /// What is done with paths to it.
    pub export: Option<PolicyId>,
    /// Which next hop it is told.
    pub next_hop: NextHopMode,
    /// Whether this router shows in its paths.
    pub as_path: AsPathMode,
    /// Whether its paths must begin with its AS.
    pub first_as: FirstAs,
    /// What BLACKHOLE on its paths does.
    pub blackhole: Blackhole,
    /// How often this router's AS may be in its paths.
    pub own_as_max: u8,
    /// How many paths it may have.
    pub paths_max: Option<u32>,
    /// With how many that is said beforehand.
    pub paths_warning: Option<u32>,
    /// When a session that ended for too many paths starts again; `None` when it may have more or
    /// is told to.
    pub paths_restart: Option<Duration>,
    /// RFC 7911: paths of each prefix that it is told.
    pub add_paths_max: u8,
}

/// What the speaker wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Of TCP.
    Transport(Order),
    /// Of those who resolve and forward.
    Forward(Change),
    /// A session is in another state.
    Session {
        /// Whose.
        peer: PeerId,
        /// Which and why.
        change: Box<StateChange>,
    },
    /// A peer has sent its whole table, for the first time in this session (RFC 4724 §2).
    EndOfRib {
        /// Which.
        peer: PeerId,
    },
    /// A peer has nearly as many paths as it may.
    ManyPaths {
        /// Which.
        peer: PeerId,
        /// How many.
        count: u32,
        /// How many it may have.
        most: u32,
    },
    /// Routes of a peer were left out, or none taken from it.
    Refused {
        /// Whose.
        peer: PeerId,
        /// Why.
        reason: Refusal,
    },
}

/// A session cannot go on as a peer is configured now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session has to begin anew")]
pub struct NeedsReset;

/// Why routes of a peer are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has more than it may; its session ends.
    #[error(transparent)]
    Paths(#[from] PathsExceeded),
    /// The tables are full.
    #[error(transparent)]
    Tables(#[from] RibError),
}

/// What a speaker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// RFC 4724 §4.2: stale paths of a peer are gone.
    Stale(PeerId),
    /// A session that had too many paths starts again.
    Restart(PeerId),
    /// A peer is asked again for what found no room in the tables.
    Room(PeerId),
}

/// RFC 7313: how far the answer to a refresh is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answer {
    /// Nobody asked.
    #[default]
    None,
    /// Its begin is to be written.
    Asked,
    /// It is on its way.
    Running,
    /// And was asked for again meanwhile: after its end, the next one begins.
    AskedAgain,
}

impl Answer {
    /// The peer asks. A begin without an end would make stale what is on its way.
    const fn asked(self) -> Self {
        match self {
            Self::None | Self::Asked => Self::Asked,
            Self::Running | Self::AskedAgain => Self::AskedAgain,
        }
    }

    /// All was written, and its end.
    const fn told(self) -> Self {
        match self {
            Self::Running | Self::None => Self::None,
            Self::AskedAgain | Self::Asked => Self::Asked,
        }
    }
}

#[derive(Debug)]
struct Peer {
    settings: PeerSettings,
    session: Session,
    sockets: BTreeMap<ConnectionId, SocketId>,
    incoming_count: u32,
    answer: Answer,
    /// Whether it was said that it has many paths.
    is_warned: bool,
    /// Why it is kept down, where it is.
    held: Option<Refusal>,
}

/// A BGP speaker; one per router, owned by the control plane.
#[derive(Debug)]
pub struct Speaker {
    ribs: Ribs,
    settings: RibSettings,
    peers: BTreeMap<PeerId, Peer>,
    owners: BTreeMap<SocketId, (PeerId, ConnectionId)>,
    outgoing_count: u64,
    /// For whom is written first: who was not reached last time.
    next_reader: PeerId,
    /// Sockets whose octets were taken in, to be told when the tables have caught up.
    taken: Vec<SocketId>,
    timers: TimerTable<Timer>,
    /// Since when there is work that no deadline tells of.
    busy_since: Option<Instant>,
    actions: VecDeque<Action>,
}

impl Speaker {
    /// A speaker without peers.
    pub fn new(settings: RibSettings) -> Self {
        Self {
            ribs: Ribs::new(settings),
            settings,
            peers: BTreeMap::new(),
            owners: BTreeMap::new(),
            // A control plane before this one may have been heard of by the same TCP.
            outgoing_count: settings.seed >> SEED_BITS_UNUSED,
            next_reader: PeerId(0),
            taken: Vec::new(),
            timers: TimerTable::default(),
            busy_since: None,
            actions: VecDeque::new(),
        }
    }

    /// The same, after a speaker of this control plane: its sockets are not used again.
    pub fn after(settings: RibSettings, before: &Self) -> Self {
        Self { outgoing_count: before.outgoing_count, ..Self::new(settings) }
    }

    /// Whether nothing is left of routes or of what they need; so it is after the last peer, once
    /// all is decided.
    pub fn is_empty(&self) -> bool {
        let mut next_hops = self.ribs.next_hops();
        let is_led = self.ribs.prefix_count() > 0 || self.ribs.exit_group_count() > 0;
        self.busy_since.is_none() && !is_led && next_hops.next().is_none()
    }

    /// The tables, for `show` and for what this router originates.
    pub const fn ribs(&self) -> &Ribs {
        &self.ribs
    }

    /// The same, to be changed; [`Self::touch`] afterwards.
    pub const fn ribs_mut(&mut self) -> &mut Ribs {
        &mut self.ribs
    }

    /// Something was changed in the tables from outside.
    pub fn touch(&mut self, now: Instant) {
        self.busy_since.get_or_insert(now);
    }

    /// RFC 4724 §4.1: this router has restarted and forwards as before: peers hear of what it
    /// originates, and of everything else when the restart is over.
    pub fn begin_restart(&mut self) {
        self.ribs.defer();
    }

    /// Everything that peers had said before is here again, or its time is over; sessions that
    /// begin later say nothing of a restart.
    pub fn end_restart(&mut self, now: Instant) {
        self.ribs.release();
        self.touch(now);
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.happen(now, id, SessionInput::RestartOver));
    }

    /// RFC 4724 §4.1: whether the end of a restart waits for a peer: those that have restarted
    /// themselves may wait for this router, and those without the capability do not say when they
    /// have sent everything.
    pub fn is_awaited(&self, peer: PeerId) -> bool {
        let negotiated = self.session(peer).and_then(Session::negotiated);
        self.held(peer).is_none()
            && negotiated.is_none_or(|it| it.restart.is_some_and(|restart| !restart.has_restarted))
    }

    /// Whether a peer says when it has sent everything, or may yet come and say that it will. What
    /// was forwarded by its routes before a restart of this router is so until then: one that has
    /// restarted as well sends them late.
    pub fn ends_its_table(&self, peer: PeerId) -> bool {
        let negotiated = self.session(peer).and_then(Session::negotiated);
        self.held(peer).is_none() && negotiated.is_none_or(|it| it.restart.is_some())
    }

    /// How a next hop is reached has changed; what it means for groups of exits is said at once.
    pub fn resolve(&mut self, now: Instant, gateway: Gateway, resolution: Resolution) {
        self.ribs.resolve(gateway, resolution);
        self.forward();
        self.touch(now);
    }

    /// The session of a peer, for `show`.
    pub fn session(&self, peer: PeerId) -> Option<&Session> {
        self.peers.get(&peer).map(|peer| &peer.session)
    }

    /// A new peer, whose session starts.
    pub fn add_peer(&mut self, now: Instant, id: PeerId, settings: PeerSettings, start: Start) {
        let seed = self.settings.seed ^ u64::from(id.0).rotate_left(32);
        let session = Session::new(now, settings.session.clone(), seed);
        let (sockets, answer) = (BTreeMap::new(), Answer::None);
        let (is_warned, held, incoming_count) = (false, None, 0);
        let peer = Peer { settings, session, sockets, incoming_count, answer, is_warned, held };
        self.peers.insert(id, peer);
        self.happen(now, id, SessionInput::Start(start));
    }

    /// A peer that is configured no more: its session ends with a word about why, its routes go.
    pub fn remove_peer(&mut self, now: Instant, id: PeerId, why: Cease, policies: &dyn Policies) {
        self.happen(now, id, SessionInput::Stop(why));
        self.settle(now, policies);
        let Some(peer) = self.peers.remove(&id) else { return };
        peer.sockets.values().for_each(|socket| self.close(*socket));
        self.ribs.peer_down(id, StalePaths::Gone);
        self.timers.clear(Timer::Stale(id));
        self.timers.clear(Timer::Restart(id));
        self.timers.clear(Timer::Room(id));
        self.touch(now);
    }

    /// A peer is configured otherwise. What its session was agreed on stays: then the session goes
    /// on, and what has come and gone over it is judged again. Else nothing happens, and the peer
    /// has to be removed and added; says so.
    pub fn change_peer(
        &mut self,
        now: Instant,
        id: PeerId,
        settings: PeerSettings,
    ) -> Result<(), NeedsReset> {
        let peer = self.peers.get_mut(&id).ok_or(NeedsReset)?;
        if !is_agreed_on_alike(&peer.settings, &settings) {
            return Err(NeedsReset);
        }
        let before = core::mem::replace(&mut peer.settings, settings);
        let settings = &peer.settings;
        if before.session != settings.session {
            let session = Box::new(settings.session.clone());
            peer.session.handle(now, SessionInput::Settings(session));
        }
        peer.is_warned &= before.paths_warning == settings.paths_warning;
        if peer.held.is_some() {
            self.review_hold(now, id, before.paths_restart);
        } else if let Some(negotiated) = peer.session.negotiated() {
            let in_tables = (rib_peer(&before, negotiated), rib_peer(settings, negotiated));
            let told =
                (export_settings(&before, negotiated), export_settings(settings, negotiated));
            let paths_max = settings.paths_max;
            self.judge_anew(now, id, in_tables, told);
            let counts = self.ribs.peer_counts(id);
            if let Some(most) = paths_max.filter(|most| counts.received - counts.stale > *most) {
                self.hold(now, id, PathsExceeded(most).into());
            }
        }
        self.touch(now);
        Ok(())
    }

    /// Tables follow what is configured of a peer whose session goes on.
    fn judge_anew(
        &mut self,
        now: Instant,
        id: PeerId,
        (before, after): (RibPeer, RibPeer),
        (told, to_tell): (ExportSettings, ExportSettings),
    ) {
        let mut taken = Ok(());
        if before != after {
            taken = self.ribs.peer_up(id, after);
        }
        if told != to_tell {
            taken = taken.and_then(|()| self.ribs.move_over(id, to_tell));
        }
        if let Err(error) = taken {
            self.hold(now, id, error.into());
        }
    }

    /// Something that an administrator or BFD wants of a session.
    pub fn command(&mut self, now: Instant, id: PeerId, input: SessionInput) {
        if matches!(input, SessionInput::Start(_) | SessionInput::Stop(_)) {
            self.timers.clear(Timer::Restart(id));
            self.peers.iter_mut().filter(|(it, _)| **it == id).for_each(|(_, it)| it.held = None);
        }
        self.happen(now, id, input);
    }

    /// What TCP says.
    pub fn report(&mut self, now: Instant, report: Report, policies: &dyn Policies) {
        match report {
            Report::Accepted { socket, remote, .. } => self.accept(now, socket, remote),
            Report::Connected { socket, .. } => {
                self.pass_on(now, socket, |connection| SessionInput::Connected { connection });
            }
            Report::Failed { socket, .. } => {
                self.pass_on(now, socket, |connection| SessionInput::ConnectFailed { connection });
                self.forget(socket);
            }
            Report::Received { socket, octets } => {
                self.taken.push(socket);
                self.touch(now);
                self.pass_on(now, socket, |connection| SessionInput::Received {
                    connection,
                    octets,
                });
            }
            Report::Sent { socket, count } => {
                let octet_count = usize::try_from(count).unwrap_or(usize::MAX);
                self.pass_on(now, socket, |connection| SessionInput::Sent {
                    connection,
                    octet_count,
                });
            }
            Report::Closed { socket, .. } => {
                self.pass_on(now, socket, |connection| SessionInput::Closed { connection });
                self.forget(socket);
            }
            // Whoever owns the listeners tries again.
            Report::Deaf { .. } => {}
        }
        self.settle(now, policies);
    }

    /// A slice of work, when [`Self::next_deadline`] says so or at any other time.
    pub fn work(&mut self, now: Instant, policies: &dyn Policies) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Stale(id) => {
                    self.ribs.end_of_stale(id);
                    self.touch(now);
                }
                Timer::Restart(id) => self.release(now, id),
                Timer::Room(id) => self.retry(now, id),
            }
        }
        for peer in self.peers.values_mut() {
            if peer.session.next_deadline().is_some_and(|at| at <= now) {
                peer.session.handle_timeout(now);
            }
        }
        self.settle(now, policies);
        self.ribs.process(DECISIONS_PER_SLICE, policies);
        self.forward();
        let is_read = self.write_all(now);
        self.settle(now, policies);
        // A session that has just ended has left something to do.
        let work = self.ribs.work();
        if work == Work::Done {
            for socket in core::mem::take(&mut self.taken) {
                if self.owners.contains_key(&socket) {
                    self.actions.push_back(Action::Transport(Order::Taken { socket }));
                }
            }
        }
        self.busy_since = (work == Work::More || !is_read).then_some(now);
    }

    /// When [`Self::work`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.peers.values().filter_map(|peer| peer.session.next_deadline());
        sessions.chain(self.timers.next_deadline()).chain(self.busy_since).min()
    }

    /// Whether everything that was heard is decided, with next hops that somebody has resolved.
    pub fn is_settled(&self) -> bool {
        let mut next_hops = self.ribs.next_hops();
        self.busy_since.is_none() && next_hops.all(|(_, found)| found != Resolution::Unknown)
    }

    /// The oldest action not yet taken.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn accept(&mut self, now: Instant, socket: SocketId, remote: SocketAddrV6) {
        let found = self.peers.iter_mut().find(|(_, peer)| {
            let expected = peer.settings.remote;
            expected.ip() == remote.ip() && expected.scope_id() == remote.scope_id()
        });
        let Some((id, peer)) = found else { return self.reject(socket) };
        let id = *id;
        let connection = ConnectionId { initiator: Initiator::Remote, number: peer.incoming_count };
        peer.incoming_count = peer.incoming_count.wrapping_add(1);
        peer.sockets.insert(connection, socket);
        self.owners.insert(socket, (id, connection));
        self.happen(now, id, SessionInput::Connected { connection });
    }

    /// RFC 4486 §4: "if … the peer is not configured locally", it is told that it is not wanted.
    fn reject(&mut self, socket: SocketId) {
        let notification = Notification::new(NotificationCode::CONNECTION_REJECTED);
        let octets = encoded(&Message::Notification(notification), Agreement::default());
        self.actions.push_back(Action::Transport(Order::Send { socket, octets }));
        self.actions.push_back(Action::Transport(Order::Close { socket }));
    }

    fn pass_on(
        &mut self,
        now: Instant,
        socket: SocketId,
        input: impl FnOnce(ConnectionId) -> SessionInput,
    ) {
        if let Some((id, connection)) = self.owners.get(&socket).copied() {
            self.happen(now, id, input(connection));
        }
    }

    fn happen(&mut self, now: Instant, id: PeerId, input: SessionInput) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.session.handle(now, input);
            self.touch(now);
        }
    }

    fn forget(&mut self, socket: SocketId) {
        if let Some((id, connection)) = self.owners.remove(&socket)
            && let Some(peer) = self.peers.get_mut(&id)
        {
            peer.sockets.remove(&connection);
        }
    }

    fn close(&mut self, socket: SocketId) {
        self.forget(socket);
        self.actions.push_back(Action::Transport(Order::Close { socket }));
    }

    /// Carries out what sessions want, until none wants anything.
    fn settle(&mut self, now: Instant, policies: &dyn Policies) {
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            while let Some(action) = self.peers.get_mut(&id).and_then(|p| p.session.poll_action()) {
                self.perform(now, id, action, policies);
            }
        }
        self.forward();
        while let Some(peer) = self.ribs.poll_shortage() {
            let reason = RibError::RoutesExhausted.into();
            self.actions.push_back(Action::Refused { peer, reason });
            self.timers.set(Timer::Room(peer), now + EXHAUSTED_RETRY_TIME);
        }
    }

    /// Asks a peer again for what found no room, if there is some now.
    fn retry(&mut self, now: Instant, id: PeerId) {
        if self.ribs.retry(id) {
            self.happen(now, id, SessionInput::Refresh);
        } else if self.session(id).is_some_and(|session| session.negotiated().is_some()) {
            self.timers.set(Timer::Room(id), now + EXHAUSTED_RETRY_TIME);
        }
    }

    /// Says what the tables want said.
    fn forward(&mut self) {
        while let Some(change) = self.ribs.poll_change() {
            self.actions.push_back(Action::Forward(change));
        }
    }

    fn perform(
        &mut self,
        now: Instant,
        id: PeerId,
        action: SessionAction,
        policies: &dyn Policies,
    ) {
        // What had come when it was too much counts no more; its end is on the way.
        let is_held = self.held(id).is_some();
        match action {
            SessionAction::Update(_) | SessionAction::EndOfRib | SessionAction::Refresh(_)
                if is_held => {}
            SessionAction::Connect { connection } => self.connect(id, connection),
            SessionAction::Close { connection } => {
                if let Some(socket) = self.socket(id, connection) {
                    self.close(socket);
                }
            }
            SessionAction::Send { connection, octets } => {
                if let Some(socket) = self.socket(id, connection) {
                    let order = Order::Send { socket, octets };
                    self.actions.push_back(Action::Transport(order));
                }
            }
            SessionAction::Established(negotiated) => self.establish(now, id, &negotiated),
            SessionAction::Update(update) => self.take_routes(now, id, *update, policies),
            SessionAction::EndOfRib => {
                self.timers.clear(Timer::Stale(id));
                self.ribs.end_of_stale(id);
                self.actions.push_back(Action::EndOfRib { peer: id });
            }
            SessionAction::Refresh(kind) => self.refresh(now, id, kind),
            SessionAction::Room => {}
            SessionAction::Down(Down { retention, .. }) => self.go_down(now, id, retention),
            SessionAction::Changed(change) => {
                let change = Box::new(change);
                self.actions.push_back(Action::Session { peer: id, change });
            }
        }
        self.touch(now);
    }

    fn socket(&self, id: PeerId, connection: ConnectionId) -> Option<SocketId> {
        self.peers.get(&id)?.sockets.get(&connection).copied()
    }

    fn connect(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let socket = SocketId::outgoing(self.outgoing_count);
        self.outgoing_count += 1;
        peer.sockets.insert(connection, socket);
        self.owners.insert(socket, (id, connection));
        let PeerSettings { local, remote, security, .. } = &peer.settings;
        let (local, remote, security) = (*local, *remote, security.clone());
        let order = Order::Connect { socket, local, remote, security };
        self.actions.push_back(Action::Transport(order));
    }

    fn establish(&mut self, now: Instant, id: PeerId, negotiated: &Negotiated) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.answer = Answer::None;
        peer.is_warned = false;
        let settings = &peer.settings;
        let in_tables = rib_peer(settings, negotiated);
        let export = export_settings(settings, negotiated);
        let member =
            MemberSettings { agreement: negotiated.send, own_next_hop: settings.own_next_hop };
        let taken =
            self.ribs.peer_up(id, in_tables).and_then(|()| self.ribs.join(id, export, member));
        if let Err(error) = taken {
            return self.hold(now, id, error.into());
        }
        // RFC 4724 §4.2: what the peer forgot while it restarted is gone at once.
        let restart = negotiated.restart;
        if !restart.is_some_and(|restart| restart.keeps_routes && restart.has_kept_forwarding) {
            self.timers.clear(Timer::Stale(id));
            self.ribs.end_of_stale(id);
        } else if self.timers.is_set(Timer::Stale(id)) {
            self.timers.set(Timer::Stale(id), now + STALE_TIME_MAX);
        }
    }

    fn take_routes(&mut self, now: Instant, id: PeerId, update: Update, policies: &dyn Policies) {
        match self.ribs.receive(now, id, update, policies) {
            Ok(()) => self.warn(id),
            Err(exceeded) => self.hold(now, id, exceeded.into()),
        }
    }

    /// Says once that a peer has many paths, and again when it had fewer in between.
    fn warn(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let (Some(warning), Some(most)) = (peer.settings.paths_warning, peer.settings.paths_max)
        else {
            return;
        };
        let counts = self.ribs.peer_counts(id);
        let count = counts.received - counts.stale;
        if count >= warning && !core::mem::replace(&mut peer.is_warned, true) {
            self.actions.push_back(Action::ManyPaths { peer: id, count, most });
        } else if counts.received < warning / WARNING_SHARES * (WARNING_SHARES - 1) {
            peer.is_warned = false;
        }
    }

    fn refresh(&mut self, now: Instant, id: PeerId, kind: RefreshKind) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match kind {
            RefreshKind::Request => {
                let support = peer.session.negotiated().map(|negotiated| negotiated.refresh);
                match support {
                    Some(RefreshSupport::Enhanced) => peer.answer = peer.answer.asked(),
                    _ => self.ribs.refresh(id),
                }
            }
            RefreshKind::Begin => {
                self.ribs.begin_stale(id);
                self.timers.set(Timer::Stale(id), now + STALE_TIME_MAX);
            }
            RefreshKind::End => {
                self.timers.clear(Timer::Stale(id));
                self.ribs.end_of_stale(id);
            }
            RefreshKind::Other(_) => {}
        }
    }

    fn go_down(&mut self, now: Instant, id: PeerId, retention: Retention) {
        // The next session brings everything.
        self.timers.clear(Timer::Room(id));
        match retention {
            Retention::Drop => {
                self.timers.clear(Timer::Stale(id));
                self.ribs.peer_down(id, StalePaths::Gone);
            }
            Retention::Keep { restart_time } => {
                self.timers.set(Timer::Stale(id), now + restart_time);
                self.ribs.peer_down(id, StalePaths::Kept);
            }
        }
    }
}

/// Whether what two sets of settings differ in can change while a session goes on.
fn is_agreed_on_alike(one: &PeerSettings, other: &PeerSettings) -> bool {
    let session = Settings {
        connect_retry_time: one.session.connect_retry_time,
        send_hold_time: one.session.send_hold_time,
        ..other.session.clone()
    };
    let like_one = PeerSettings {
        session,
        on_link: one.on_link.clone(),
        import: one.import,
        export: one.export,
        next_hop: one.next_hop,
        first_as: one.first_as,
        blackhole: one.blackhole,
        own_as_max: one.own_as_max,
        paths_max: one.paths_max,
        paths_warning: one.paths_warning,
        paths_restart: one.paths_restart,
        ..other.clone()
    };
    like_one == *one
}

/// What a peer is told.
const fn export_settings(settings: &PeerSettings, negotiated: &Negotiated) -> ExportSettings {
    ExportSettings {
        kind: settings.kind,
        role: negotiated.role,
        policy: settings.export,
        next_hop: settings.next_hop,
        as_path: settings.as_path,
        paths_max: if negotiated.send.has_path_ids { settings.add_paths_max } else { 1 },
    }
}

/// A peer as the tables see it.
fn rib_peer(settings: &PeerSettings, negotiated: &Negotiated) -> RibPeer {
    RibPeer {
        kind: settings.kind,
        asn: negotiated.peer_asn,
        router_id: negotiated.peer_identifier,
        address: *settings.remote.ip(),
        port: settings.port,
        on_link: settings.on_link.clone(),
        role: negotiated.role,
        import: settings.import,
        own_as_max: settings.own_as_max,
        first_as: settings.first_as,
        blackhole: settings.blackhole,
        paths_max: settings.paths_max,
    }
}
