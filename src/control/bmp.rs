//! BMP in the control plane: what stations are told of BGP.
//!
//! Owns [`Bmp`]. A station's connection and queue are `proto::bmp`'s, the octets of messages
//! `wire::bmp`'s, TCP the driver's, by the same orders as BGP's. Here are the tables: what has
//! changed becomes names for every station, and names become octets when the station has room, in
//! slices. A station that comes up, or has fallen behind, hears who the peers are, then each table
//! from its beginning; news that come meanwhile go before what is left of it.
//!
//! *Invariants*: a station that does not read costs its queue and nothing else, and one that reads
//! is never cut off for what BGP has to say. Who is up is said before any of its routes. What holds
//! when a name has its turn is told, not what held when it came; what is told again is other than
//! before.
//! *Standards*: RFC 7854 §3 and §5, RFC 9069 §4 and §5.
//! Gap: RFC 7854 §4.10: ports of a session are not known here, but for the one that BGP listens on.

mod encode;

use super::action::Action;
use super::feed::{self, Sockets};
use super::plane::ControlPlane;
use super::report;
use crate::base::cursor::Writer;
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::config::schema::{BmpStation, BmpView};
use crate::proto::bgp::action::{DownReason, StateChange};
use crate::proto::bgp::fsm::State as SessionState;
use crate::proto::bgp::input::Initiator;
use crate::proto::bgp::ribs::{PathChange, PeerId, Table, Watched};
use crate::proto::bgp::speaker::Speaker;
use crate::proto::bgp::transport::{BGP_PORT, Order, Report, SocketId};
use crate::proto::bmp::limits::{NAMES_PER_SLICE_MAX, SLICE_OCTETS_MAX};
use crate::proto::bmp::{self, Failure, Item, Name, PathName, Station};
use crate::wire::bgp::{AddressFamily, Agreement, Capability, Nlri, Open};
use crate::wire::bmp as wire;
use core::net::Ipv6Addr;
use encode::Encoder;
use std::collections::{BTreeMap, VecDeque};

/// Hold time of an OPEN that nobody sent (RFC 9069 §4.4).
const HOLD_TIME_S: u16 = 0;
/// How UPDATEs to stations are written.
const PLAIN: Agreement = Agreement {
    has_four_octet_asn: true,
    has_path_ids: false,
    has_extended_messages: true,
    is_external: false,
};

/// What makes a station the same station.
type StationId = (Ipv6Addr, u16);

/// A session that is up, as stations know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Neighbor {
    peer: wire::Peer,
    /// RFC 7911: whether its routes have Path Identifiers.
    has_path_ids: bool,
}

impl Neighbor {
    const fn agreement(&self) -> Agreement {
        Agreement { has_path_ids: self.has_path_ids, ..PLAIN }
    }
}

/// How far a station is with tables that it is told from the beginning.
#[derive(Clone, Debug)]
struct Dump {
    views: VecDeque<BmpView>,
    from: u32,
}

/// A station and what is known of it.
#[derive(Debug)]
struct Told {
    settings: BmpStation,
    station: Station,
    socket: Option<SocketId>,
    dump: Option<Dump>,
}

impl Told {
    fn watches(&self, view: BmpView) -> bool {
        self.settings.monitor.contains(&view)
    }

    fn watches_paths(&self) -> bool {
        self.watches(BmpView::PrePolicy) || self.watches(BmpView::PostPolicy)
    }

    fn has_work(&self) -> bool {
        self.station.has_room() && (self.dump.is_some() || !self.station.is_drained())
    }
}

/// All stations; one exists, in the control plane.
#[derive(Debug)]
pub(super) struct Bmp {
    stations: BTreeMap<StationId, Told>,
    neighbors: BTreeMap<PeerId, Neighbor>,
    /// This router, while it has a Loc-RIB.
    router: Option<wire::Peer>,
    sockets: Sockets,
    statistics_at: Option<Instant>,
    /// Since when there is work.
    busy_since: Option<Instant>,
}

impl Bmp {
    /// Without stations; `seed` begins the numbers of sockets.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            stations: BTreeMap::new(),
            neighbors: BTreeMap::new(),
            router: None,
            sockets: Sockets::new(feed::STATIONS, seed),
            statistics_at: None,
            busy_since: None,
        }
    }

    /// Whether a socket is one to a station.
    pub(super) const fn has(&self, socket: SocketId) -> bool {
        self.sockets.has(socket)
    }

    /// When there is work.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let stations = self.stations.values().filter_map(|told| told.station.next_deadline());
        stations.chain(self.statistics_at).chain(self.busy_since).min()
    }

    /// The stations, for `show`.
    pub(super) fn stations(&self) -> impl Iterator<Item = (&BmpStation, &Station, bool)> {
        self.stations.values().map(|told| (&told.settings, &told.station, told.dump.is_some()))
    }

    /// A station, for tests of what it does when much waits for it.
    #[cfg(test)]
    pub(super) fn station_mut(&mut self, id: StationId) -> Option<&mut Station> {
        self.stations.get_mut(&id).map(|told| &mut told.station)
    }

    fn station_of(&self, socket: SocketId) -> Option<StationId> {
        self.stations.iter().find(|(_, told)| told.socket == Some(socket)).map(|(id, _)| *id)
    }

    /// Tells all stations that hear of sessions.
    fn tell_of_peers(&mut self, now: Instant, octets: &[u8]) {
        for told in self.stations.values_mut().filter(|told| told.watches_paths()) {
            told.station.push_message(now, octets.to_vec());
        }
    }

    /// Tells all stations that hear of the Loc-RIB.
    fn tell_of_loc_rib(&mut self, now: Instant, octets: &[u8]) {
        for told in self.stations.values_mut().filter(|told| told.watches(BmpView::LocRib)) {
            told.station.push_message(now, octets.to_vec());
        }
    }

    /// A path is another one: what it is will be told to all stations that have use for it.
    fn note_path(&mut self, path: PathName, change: PathChange) {
        for told in self.stations.values_mut() {
            if change == PathChange::Received && told.watches(BmpView::PrePolicy) {
                told.station.push_name(Name::Received(path));
            }
            if told.watches(BmpView::PostPolicy) {
                told.station.push_name(Name::Imported(path));
            }
        }
    }

    fn note_best(&mut self, prefix: Ipv6Prefix) {
        for told in self.stations.values_mut().filter(|told| told.watches(BmpView::LocRib)) {
            told.station.push_name(Name::Best(prefix));
        }
    }

    /// What of the tables has to be noted.
    fn watched(&self) -> Watched {
        let is_any = |view| {
            let mut up = self.stations.values().filter(|told| told.station.is_up());
            up.any(|told| told.watches(view))
        };
        Watched {
            has_received: is_any(BmpView::PrePolicy),
            has_imported: is_any(BmpView::PostPolicy),
            has_best: is_any(BmpView::LocRib),
        }
    }
}

impl ControlPlane {
    /// Takes the stations of the configuration.
    pub(super) fn review_bmp(&mut self, now: Instant) {
        let settings = self.config.bmp.clone().unwrap_or_default();
        let interval = settings.statistics_interval;
        let wanted: BTreeMap<StationId, BmpStation> =
            settings.stations.into_iter().map(|one| ((one.address, one.port), one)).collect();
        let is_timed = !interval.is_zero() && !wanted.is_empty();
        self.bmp.statistics_at = is_timed.then_some(now + interval);
        let gone = |(id, told): (&StationId, &Told)| {
            (wanted.get(id) != Some(&told.settings)).then_some(*id)
        };
        let gone: Vec<StationId> = self.bmp.stations.iter().filter_map(gone).collect();
        for id in gone {
            self.end_station(now, id);
        }
        for (id, settings) in wanted {
            self.bmp.stations.entry(id).or_insert_with(|| {
                let mut station = Station::new(now);
                station.handle(now, bmp::Input::Start);
                Told { settings, station, socket: None, dump: None }
            });
        }
        self.deliver_bmp(now);
    }

    fn end_station(&mut self, now: Instant, id: StationId) {
        let Some(told) = self.bmp.stations.get_mut(&id) else { return };
        let mut writer = Writer::default();
        wire::put_termination(&mut writer);
        told.station.handle(now, bmp::Input::Stop(writer.into_vec()));
        self.carry_out_bmp(now, id);
        self.bmp.stations.remove(&id);
    }

    /// Every station hears that the router ends.
    pub(super) fn leave_bmp(&mut self, now: Instant) {
        let ids: Vec<StationId> = self.bmp.stations.keys().copied().collect();
        ids.into_iter().for_each(|id| self.end_station(now, id));
        self.bmp.statistics_at = None;
        self.deliver_bmp(now);
    }

    /// TCP says something of the connection to a station.
    pub(super) fn bmp_report(&mut self, now: Instant, report: Report) {
        let (socket, input) = match report {
            Report::Connected { socket, .. } => (socket, bmp::Input::Connected),
            Report::Failed { socket, .. } => (socket, bmp::Input::ConnectFailed),
            Report::Closed { socket, .. } => (socket, bmp::Input::Closed),
            Report::Sent { socket, count } => {
                let octet_count = usize::try_from(count).unwrap_or(usize::MAX);
                (socket, bmp::Input::Sent { octet_count })
            }
            Report::Received { socket, .. } => {
                // §3.2: "the monitored router MUST NOT" be sent anything; it is thrown away.
                return self.actions.push_back(Action::Bgp(Order::Taken { socket }));
            }
            Report::Accepted { .. } | Report::Deaf { .. } => return,
        };
        let Some(id) = self.bmp.station_of(socket) else { return };
        let Some(told) = self.bmp.stations.get_mut(&id) else { return };
        if matches!(input, bmp::Input::ConnectFailed | bmp::Input::Closed) {
            told.socket = None;
        }
        told.station.handle(now, input);
        self.deliver_bmp(now);
    }

    /// A session of BGP is in another state.
    pub(super) fn bmp_session(&mut self, now: Instant, peer: PeerId, change: &StateChange) {
        if change.to == SessionState::Established {
            let Some(neighbor) = self.bmp_neighbor(peer) else { return };
            self.bmp.neighbors.insert(peer, neighbor);
            if let Some(octets) = self.peer_up(peer) {
                self.bmp.tell_of_peers(now, &octets);
            }
        } else if change.from == SessionState::Established
            && let Some(neighbor) = self.bmp.neighbors.remove(&peer)
        {
            let reason = match &change.reason {
                Some(DownReason::NotificationSent(notification)) => {
                    wire::DownReason::LocalNotification(notification)
                }
                Some(DownReason::NotificationReceived(notification)) => {
                    wire::DownReason::RemoteNotification(notification)
                }
                Some(DownReason::ConnectionLost | DownReason::PeerRestarted) => {
                    wire::DownReason::Remote
                }
                None => wire::DownReason::Local,
            };
            let mut writer = Writer::default();
            wire::put_peer_down(&mut writer, &neighbor.peer, reason);
            self.bmp.tell_of_peers(now, &writer.into_vec());
        }
    }

    fn bmp_neighbor(&self, peer: PeerId) -> Option<Neighbor> {
        let (_, address) = self.bgp.ends(peer)?;
        let negotiated = self.bgp.speaker()?.session(peer)?.negotiated()?;
        let (asn, router_id) = (negotiated.peer_asn, negotiated.peer_identifier);
        let has_path_ids = negotiated.receive.has_path_ids;
        Some(Neighbor { peer: wire::Peer { address, asn, router_id }, has_path_ids })
    }

    fn peer_up(&self, peer: PeerId) -> Option<Vec<u8>> {
        let neighbor = self.bmp.neighbors.get(&peer)?;
        let (local, _) = self.bgp.ends(peer)?;
        let session = self.bgp.speaker()?.session(peer)?;
        let (sent, received) = session.opens()?;
        let is_outgoing = session.view().initiator == Some(Initiator::Local);
        let port = |is_known: bool| if is_known { BGP_PORT } else { 0 };
        let (local_port, remote_port) = (port(!is_outgoing), port(is_outgoing));
        let session = wire::Session { local, local_port, remote_port, sent, received };
        let mut writer = Writer::default();
        wire::put_peer_up(&mut writer, &neighbor.peer, &session);
        Some(writer.into_vec())
    }

    /// A slice of work, where some is due.
    pub(super) fn work_bmp(&mut self, now: Instant) {
        if self.bmp.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        for told in self.bmp.stations.values_mut() {
            if told.station.next_deadline().is_some_and(|at| at <= now) {
                told.station.handle_timeout(now);
            }
        }
        if self.bmp.statistics_at.is_some_and(|at| at <= now) {
            self.tell_statistics(now);
        }
        self.deliver_bmp(now);
        let ids: Vec<StationId> = self.bmp.stations.keys().copied().collect();
        for id in ids {
            self.pump(now, id);
            self.carry_out_bmp(now, id);
        }
        self.note_bmp_work(now);
    }

    fn note_bmp_work(&mut self, now: Instant) {
        let has_work = self.bmp.stations.values().any(Told::has_work);
        self.bmp.busy_since = has_work.then_some(now);
    }

    fn tell_statistics(&mut self, now: Instant) {
        let interval = self.config.bmp.as_ref().map(|bmp| bmp.statistics_interval);
        self.bmp.statistics_at = interval.map(|interval| now + interval);
        let Some(speaker) = self.bgp.speaker() else { return };
        let mut writer = Writer::default();
        for (peer, neighbor) in &self.bmp.neighbors {
            let counts = speaker.ribs().peer_counts(*peer);
            let session = speaker.session(*peer).map(|session| session.view().counters);
            let treated = session.map_or(0, |counters| counters.updates_treated_as_withdraw);
            let statistics = wire::Statistics {
                adj_rib_in: (counts.received - counts.stale).into(),
                treated_as_withdraw: u32::try_from(treated).unwrap_or(u32::MAX),
            };
            wire::put_statistics(&mut writer, &neighbor.peer, statistics);
        }
        let octets = writer.into_vec();
        let mut of_best = Writer::default();
        if let Some(router) = &self.bmp.router {
            let count = speaker.ribs().prefix_count() as u64;
            wire::put_loc_rib_statistics(&mut of_best, router, count);
        }
        self.bmp.tell_of_peers(now, &octets);
        self.bmp.tell_of_loc_rib(now, &of_best.into_vec());
    }

    /// Carries on what has changed; at the end of every input.
    pub(super) fn deliver_bmp(&mut self, now: Instant) {
        self.review_loc_rib(now);
        let watched = self.bmp.watched();
        if let Some((speaker, _)) = self.bgp.parts() {
            let ribs = speaker.ribs_mut();
            while let Some((peer, Nlri { prefix, path_id }, change)) = ribs.poll_path() {
                self.bmp.note_path(PathName { peer: peer.0, prefix, path_id }, change);
            }
            while let Some(prefix) = ribs.poll_best() {
                self.bmp.note_best(prefix);
            }
            ribs.watch(watched);
        }
        let ids: Vec<StationId> = self.bmp.stations.keys().copied().collect();
        for id in ids {
            self.carry_out_bmp(now, id);
        }
        if self.bmp.busy_since.is_none() {
            self.note_bmp_work(now);
        }
    }

    /// The Loc-RIB comes and goes with the speaker.
    fn review_loc_rib(&mut self, now: Instant) {
        let router = self.bgp.identity().map(|(asn, router_id)| wire::Peer {
            address: Ipv6Addr::UNSPECIFIED,
            asn,
            router_id,
        });
        let before = core::mem::replace(&mut self.bmp.router, router);
        if before == router {
            return;
        }
        let mut writer = Writer::default();
        if let Some(before) = before {
            wire::put_loc_rib_down(&mut writer, &before);
        }
        if let Some(router) = router {
            wire::put_loc_rib_up(&mut writer, &router, &open_of(&router));
        }
        self.bmp.tell_of_loc_rib(now, &writer.into_vec());
    }

    fn carry_out_bmp(&mut self, now: Instant, id: StationId) {
        while let Some(told) = self.bmp.stations.get_mut(&id)
            && let Some(action) = told.station.poll_action()
        {
            match action {
                bmp::Action::Connect => {
                    let (socket, order) = self.bmp.sockets.connect(id);
                    told.socket = Some(socket);
                    self.actions.push_back(order);
                }
                bmp::Action::Send { octets } => {
                    self.actions.extend(feed::send(told.socket, octets));
                }
                bmp::Action::Close => self.actions.extend(feed::close(&mut told.socket)),
                bmp::Action::Begin => self.begin_station(now, id),
                bmp::Action::Renew => self.renew_station(now, id),
                bmp::Action::End(failure) => {
                    told.dump = None;
                    let label = told.settings.label();
                    // One that is not there is said once, one that was is said each time.
                    let connects_failed = told.station.view().counters.connects_failed;
                    if failure != Failure::Connect || connects_failed == 1 {
                        self.event(report::bmp_station_lost(now, &label, failure));
                    }
                }
            }
        }
    }

    /// A station is up: it hears who is there, then the tables.
    fn begin_station(&mut self, now: Instant, id: StationId) {
        let mut writer = Writer::default();
        let description = concat!("kumiki ", env!("CARGO_PKG_VERSION"));
        wire::put_initiation(&mut writer, &self.config.router.name, description);
        self.put_who_is_there(&mut writer, id);
        self.dump(now, id, writer.into_vec());
        let label = self.bmp.stations.get(&id).map(|told| told.settings.label());
        self.actions.extend(label.map(|label| Action::Event(report::bmp_station_up(now, &label))));
    }

    /// A station has fallen behind: it forgets all that it knows, as RFC 7854 §4.9 has it of peers
    /// that are down, and is told everything on the same connection.
    fn renew_station(&mut self, now: Instant, id: StationId) {
        let Some(told) = self.bmp.stations.get(&id) else { return };
        let label = told.settings.label();
        let mut writer = Writer::default();
        if told.watches_paths() {
            for neighbor in self.bmp.neighbors.values() {
                wire::put_peer_down(&mut writer, &neighbor.peer, wire::DownReason::NotTold);
            }
        }
        if told.watches(BmpView::LocRib)
            && let Some(router) = &self.bmp.router
        {
            wire::put_loc_rib_down(&mut writer, router);
        }
        self.put_who_is_there(&mut writer, id);
        self.dump(now, id, writer.into_vec());
        self.event(report::bmp_station_behind(now, &label));
    }

    fn put_who_is_there(&self, writer: &mut Writer, id: StationId) {
        let Some(told) = self.bmp.stations.get(&id) else { return };
        if told.watches_paths() {
            let peers = self.bmp.neighbors.keys().filter_map(|peer| self.peer_up(*peer));
            peers.for_each(|octets| writer.put(&octets));
        }
        if told.watches(BmpView::LocRib)
            && let Some(router) = &self.bmp.router
        {
            wire::put_loc_rib_up(writer, router, &open_of(router));
        }
    }

    /// The tables are told from their beginning, behind these messages.
    fn dump(&mut self, now: Instant, id: StationId, messages: Vec<u8>) {
        let Some(told) = self.bmp.stations.get_mut(&id) else { return };
        told.dump = Some(Dump { views: told.settings.monitor.iter().copied().collect(), from: 0 });
        told.station.push_message(now, messages);
    }

    /// Makes octets of a slice of what a station is to be told.
    fn pump(&mut self, now: Instant, id: StationId) {
        let Some(told) = self.bmp.stations.get_mut(&id).filter(|told| told.has_work()) else {
            return;
        };
        let (neighbors, router) = (&self.bmp.neighbors, self.bmp.router.as_ref());
        let mut encoder = Encoder::new(self.bgp.speaker(), neighbors, router);
        for _ in 0..NAMES_PER_SLICE_MAX {
            if encoder.len() >= SLICE_OCTETS_MAX {
                break;
            }
            match told.station.pop() {
                Some(Item::Message(octets)) => encoder.put(&octets),
                Some(Item::Name(Name::Received(path))) => encoder.path(BmpView::PrePolicy, path),
                Some(Item::Name(Name::Imported(path))) => encoder.path(BmpView::PostPolicy, path),
                Some(Item::Name(Name::Best(prefix))) => encoder.best(prefix),
                None => break,
            }
        }
        if told.station.is_drained() && encoder.len() < SLICE_OCTETS_MAX {
            let is_over = told.dump.as_mut().is_some_and(|dump| encoder.page(dump));
            if is_over {
                told.dump = None;
            }
        }
        self.counters.bmp_oversized += encoder.oversized_count();
        let octets = encoder.finish();
        told.station.send(now, octets);
    }
}

/// RFC 9069 §4.4: the OPEN of a Loc-RIB is made up: "capabilities MUST include the 4-octet ASN and
/// all necessary capabilities to represent the Loc-RIB Route Monitoring messages".
fn open_of(router: &wire::Peer) -> Open {
    let capabilities = vec![
        Capability::Multiprotocol(AddressFamily::IPV6_UNICAST),
        Capability::FourOctetAsn(router.asn),
    ];
    let (asn, identifier) = (router.asn, router.router_id);
    Open { asn, hold_time_s: HOLD_TIME_S, identifier, capabilities }
}

/// Which table of the speaker a view is.
const fn table_of(view: BmpView) -> (Table, wire::View) {
    match view {
        BmpView::PrePolicy => (Table::Received, wire::View::PrePolicy),
        BmpView::PostPolicy => (Table::Imported, wire::View::PostPolicy),
        BmpView::LocRib => (Table::Best, wire::View::LocRib),
    }
}

/// The speaker, where there is one.
type MaybeSpeaker<'a> = Option<&'a Speaker>;
