//! What watches the way to BGP neighbours: BFD, and the carrier of the port that they are on.
//!
//! Owns the meeting of BGP with both. A session of BFD is wanted once the session of BGP was
//! Established, so that a neighbour without BFD holds nothing back, and stays through failures of
//! either, so that it can come back. It ends with the port, or when the configuration wants none.
//! When it fails, the session of BGP ends at once; a neighbour that switches BFD off is no failure.
//!
//! Sessions of an external neighbour end with the carrier of its port, and are tried again with it:
//! what is one cable away has no other way.
//!
//! *Invariants*: what OSPF wants on a fabric port goes first.
//! *Standards*: RFC 5882 §4.1 to §4.3 and §10.2 (BGP), RFC 5881 §6 (addresses), RFC 9384 (what the
//! neighbour is told), RFC 4271 §8.1.2 (AutomaticStop).
//! Gap: one BFD session a port: of several neighbours on one link the first is watched.
//! Gap: RFC 5883: neighbours more than one hop away are not watched.
//! Gap: sessions with BGP neighbours are not authenticated; the key of `[bfd]` is the cluster's.

use super::bfd::SettingsFrom;
use super::bgp_settings::ActiveNeighbor;
use super::plane::ControlPlane;
use super::report;
use crate::base::ids::PortId;
use crate::base::route::PortRole;
use crate::base::time::{Duration, Instant};
use crate::proto::bfd::Settings;
use crate::proto::bgp::State;
use crate::proto::bgp::input::{Cease, Input as SessionInput};
use crate::proto::bgp::ribs::{PeerId, PeerKind};
use core::net::Ipv6Addr;

/// The shortest time between packets that a BGP neighbour is asked for: routers at the other end
/// often run BFD in software, and 300 ms is what FRR asks for.
const INTERVAL_MIN: Duration = Duration::from_millis(300);

impl ControlPlane {
    /// How the session with a BGP neighbour shall run; `None` where there shall be none.
    pub(super) fn bgp_bfd_settings(
        &self,
        port: PortId,
        neighbor: Ipv6Addr,
    ) -> Option<SettingsFrom> {
        let state = self.ports.get(&port).filter(|state| state.is_up)?;
        if !matches!(state.role(), PortRole::Uplink | PortRole::Routed) {
            return None;
        }
        let (_, active) = self.bgp.on_link(port, Some(neighbor)).find(|(_, it)| it.has_bfd)?;
        let interval = self.config.bfd.interval.max(INTERVAL_MIN);
        let settings = Settings {
            is_enabled: true,
            desired_min_tx: interval,
            required_min_rx: interval,
            multiplier: self.config.bfd.multiplier,
            key: None,
        };
        Some(SettingsFrom { settings, local: active.settings.local })
    }

    /// Whether BFD shall watch a BGP neighbour on this port.
    pub(super) fn is_bgp_watched(&self, port: PortId) -> bool {
        self.bgp.on_link(port, None).any(|(_, active)| active.has_bfd)
    }

    /// A session is Established, or a neighbour was resolved: BFD watches from now on.
    pub(super) fn watch_bgp(&mut self, port: PortId, neighbor: Ipv6Addr) {
        let is_up = |peer: PeerId| {
            let session = self.bgp.speaker().and_then(|speaker| speaker.session(peer));
            session.is_some_and(|session| session.state() == State::Established)
        };
        let is_meant = self
            .bgp
            .on_link(port, Some(neighbor))
            .any(|(peer, active)| active.has_bfd && is_up(peer));
        let is_free = self.bfd.clients.get(&port).is_none_or(|it| it.neighbor == neighbor);
        if is_meant && is_free && self.bgp_bfd_settings(port, neighbor).is_some() {
            self.want_bfd(port, neighbor);
        }
    }

    /// Neighbours, or what watches them, are others than before.
    pub(super) fn review_bgp_watches(&mut self, now: Instant) {
        self.tell_bfd(now);
        let near = |(_, active): (PeerId, &ActiveNeighbor)| {
            Some((active.settings.port?, *active.settings.remote.ip()))
        };
        let all: Vec<(PortId, Ipv6Addr)> = self.bgp.active().filter_map(near).collect();
        for (port, neighbor) in all {
            self.watch_bgp(port, neighbor);
        }
    }

    /// BFD says that the way to a neighbour does not work any more.
    pub(super) fn bgp_way_failed(&mut self, now: Instant, port: PortId, neighbor: Ipv6Addr) {
        let found = self.bgp.on_link(port, Some(neighbor));
        let watched: Vec<PeerId> =
            found.filter(|(_, active)| active.has_bfd).map(|(peer, _)| peer).collect();
        self.end_bgp_sessions(now, &watched, &Cease::BfdDown);
    }

    /// The carrier of a port came or went.
    pub(super) fn bgp_carrier(&mut self, now: Instant, port: PortId, is_up: bool) {
        let external =
            |(_, active): &(PeerId, &ActiveNeighbor)| active.settings.kind == PeerKind::External;
        let peers: Vec<PeerId> =
            self.bgp.on_link(port, None).filter(external).map(|(peer, _)| peer).collect();
        if is_up {
            return self.hurry_bgp(now, &peers);
        }
        for peer in self.end_bgp_sessions(now, &peers, &Cease::LinkDown) {
            let event = report::bgp_link_down(now, &self.bgp.name(peer), port, &self.ports);
            self.event(event);
        }
    }

    /// Ends sessions, and connections on their way to one; says whose were Established. They come
    /// up again by themselves.
    fn end_bgp_sessions(&mut self, now: Instant, peers: &[PeerId], cease: &Cease) -> Vec<PeerId> {
        let mut ended = Vec::new();
        let Some((speaker, _)) = self.bgp.parts() else { return ended };
        for peer in peers {
            let state = speaker.session(*peer).map_or(State::Idle, |session| session.state());
            if state.is_connected() {
                speaker.command(now, *peer, SessionInput::Reset(cease.clone()));
            }
            if state == State::Established {
                ended.push(*peer);
            }
        }
        if !ended.is_empty() {
            // Exits die now and not with the next slice.
            self.work_bgp(now);
            self.deliver_bgp(now);
        }
        ended
    }

    /// Sessions that wait to come up do so at once.
    fn hurry_bgp(&mut self, now: Instant, peers: &[PeerId]) {
        let Some((speaker, _)) = self.bgp.parts() else { return };
        for peer in peers {
            let state = speaker.session(*peer).map(|session| session.state());
            if state.is_some_and(|state| !state.is_connected()) {
                speaker.command(now, *peer, SessionInput::Reset(Cease::LinkDown));
            }
        }
    }
}
