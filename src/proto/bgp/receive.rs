//! Octets in: messages of a peer, and what they do to its session.
//!
//! Owns the way of a message to the table of [`super::fsm`], and the resolution of collisions.
//!
//! *Standards*: RFC 4271 §6 (error handling), §6.8 (collisions) with RFC 6286 §2.3, RFC 7606 (an
//! UPDATE that is partly wrong is passed on as what is left of it), RFC 2918 §4, RFC 7313 §4.
//! Deviation from §6.8: a connection in OpenSent counts as well for [`COLLISION_PATIENCE`], because
//! the peer's identifier is known from its other connection. Both ends then keep the same one,
//! where else one end may have closed what the other keeps.

use super::action::Action;
use super::connection::Malformed;
use super::fsm::{Event, State};
use super::input::{ConnectionId, Initiator};
use super::limits::COLLISION_PATIENCE;
use super::negotiation::{Negotiated, RefreshSupport, negotiate, objection};
use super::session::Session;
use super::settings::EstablishedCollision;
use crate::base::time::Instant;
use crate::wire::bgp::{
    AddressFamily, Agreement, Message, Notification, NotificationCode, Open, RefreshKind,
    RouteRefresh, Update,
};

impl Session {
    /// Octets came on a connection.
    pub(super) fn receive(&mut self, now: Instant, id: ConnectionId, octets: &[u8]) {
        let Some(side) = self.side_of(id) else { return };
        if let Some(connection) = &mut self.track_mut(side).connection {
            connection.receive(octets);
        }
        // A message may end the connection, and then no other of it counts.
        while self.side_of(id).is_some() {
            let agreement = self.receive_agreement(side);
            let connection = self.track_mut(side).connection.as_mut();
            match connection.and_then(|connection| connection.next_message(agreement)) {
                Some(Ok(message)) => self.message(now, side, message),
                Some(Err(malformed)) => self.malformed(now, side, malformed),
                None => break,
            }
        }
    }

    /// What the peer on this track is read by.
    fn receive_agreement(&self, side: Initiator) -> Agreement {
        self.track(side).negotiated.as_ref().map(|held| held.receive).unwrap_or_default()
    }

    fn malformed(&mut self, now: Instant, side: Initiator, malformed: Malformed) {
        self.counters.messages_malformed += 1;
        self.happen(now, side, malformed.event, Some(malformed.notification));
    }

    fn message(&mut self, now: Instant, side: Initiator, message: Message) {
        match message {
            Message::Open(open) => {
                self.counters.opens_in += 1;
                self.open_came(now, side, open);
            }
            Message::Keepalive => {
                self.counters.keepalives_in += 1;
                self.happen(now, side, Event::KeepAliveMsg, None);
            }
            Message::Update(update) => {
                self.counters.updates_in += 1;
                self.happen(now, side, Event::UpdateMsg, None);
                if self.track(side).state == State::Established {
                    self.update_came(side, update);
                }
            }
            Message::Notification(notification) => {
                self.counters.notifications_in += 1;
                self.notification_came(now, side, notification);
            }
            Message::RouteRefresh(refresh) => {
                self.counters.refreshes_in += 1;
                self.happen(now, side, Event::RouteRefreshMsg, None);
                if self.track(side).state == State::Established {
                    self.refresh_came(side, refresh);
                }
            }
        }
    }

    fn update_came(&mut self, side: Initiator, update: Box<Update>) {
        use crate::wire::bgp::Reaction;
        let has = |reaction| update.faults.iter().any(|fault| fault.reaction == reaction);
        self.counters.updates_treated_as_withdraw += u64::from(has(Reaction::TreatAsWithdraw));
        self.counters.updates_with_discards += u64::from(has(Reaction::Discard));
        self.counters.foreign_routes += update.foreign_count as u64;
        self.track_mut(side).has_end_of_rib |= update.is_end_of_rib;
        match update.is_end_of_rib {
            true => self.act(Action::EndOfRib),
            false => self.act(Action::Update(update)),
        }
    }

    fn notification_came(&mut self, now: Instant, side: Initiator, notification: Notification) {
        self.spoken.received = Some((now, notification.clone()));
        let event = match notification.code {
            NotificationCode::UNSUPPORTED_VERSION => Event::NotifMsgVerErr,
            _ => Event::NotifMsg,
        };
        self.happen(now, side, event, Some(notification));
    }

    /// RFC 2918 §4: what is of another family, or of a kind that was not agreed on, is ignored. RFC
    /// 7313 §4: so is a begin of one that restarts gracefully and has not sent End-of-RIB: stale
    /// routes of before are waiting for that.
    fn refresh_came(&mut self, side: Initiator, refresh: RouteRefresh) {
        let track = self.track(side);
        let support = track.negotiated.as_ref().map(|held| held.refresh);
        let is_enhanced = support == Some(RefreshSupport::Enhanced);
        let restart = track.negotiated.as_ref().and_then(|held| held.restart);
        let is_known = match refresh.kind {
            RefreshKind::Request => true,
            RefreshKind::Begin => is_enhanced && (track.has_end_of_rib || restart.is_none()),
            RefreshKind::End => is_enhanced,
            RefreshKind::Other(_) => false,
        };
        match is_known && refresh.family == AddressFamily::IPV6_UNICAST {
            true => self.act(Action::Refresh(refresh.kind)),
            false => self.counters.refreshes_ignored += 1,
        }
    }

    fn open_came(&mut self, now: Instant, side: Initiator, open: Open) {
        let track = self.track(side);
        let (State::OpenSent, Some(sent)) = (track.state, &track.sent) else {
            self.happen(now, side, Event::BgpOpen, None);
            return;
        };
        let negotiated = match negotiate(&self.settings, sent, &open) {
            Ok(negotiated) => negotiated,
            Err(notification) => {
                let words = objection(&self.settings, sent, &open, notification.code);
                self.spoken.objection = words.map(|words| (now, words));
                self.counters.opens_refused += 1;
                self.happen(now, side, Event::BgpOpenMsgErr, Some(notification));
                return;
            }
        };
        if !self.wins_collision(now, side, &negotiated) {
            self.counters.collisions += 1;
            self.happen(now, side, Event::OpenCollisionDump, None);
            return;
        }
        let track = self.track_mut(side);
        track.received = Some(open);
        track.negotiated = Some(Box::new(negotiated));
        self.happen(now, side, Event::BgpOpen, None);
    }

    /// RFC 4271 §6.8: whether the connection on which an OPEN came is kept; the other one that is
    /// not is closed.
    fn wins_collision(&mut self, now: Instant, side: Initiator, negotiated: &Negotiated) -> bool {
        let other = self.track(side.other());
        let is_young = |opened_at: Instant| now - opened_at < COLLISION_PATIENCE;
        let does_collide = match other.state {
            // A connection that is not there yet is not needed any more.
            State::Connect => {
                self.happen(now, side.other(), Event::OpenCollisionDump, None);
                return true;
            }
            State::Idle | State::Active => false,
            State::OpenSent => {
                other.connection.as_ref().is_some_and(|other| is_young(other.opened_at()))
            }
            State::OpenConfirm => true,
            State::Established => {
                match self.settings.established_collision {
                    // "causes closing of the newly created connection".
                    EstablishedCollision::KeepEstablished => return false,
                    EstablishedCollision::Compare => true,
                }
            }
        };
        if !does_collide {
            return true;
        }
        // "the connection initiated by the BGP speaker with the higher-valued BGP Identifier"; RFC
        // 6286 §2.3: of equal ones, by the one with the larger AS number.
        let ours = (self.settings.identifier, self.settings.local_asn);
        let theirs = (negotiated.peer_identifier, negotiated.peer_asn);
        let winner = if ours > theirs { Initiator::Local } else { Initiator::Remote };
        if winner == side {
            self.counters.collisions += 1;
            self.happen(now, side.other(), Event::OpenCollisionDump, None);
        }
        winner == side
    }
}
