//! What the table asks for, done.
//!
//! Owns the meaning of each [`Act`] for a track of a session.
//!
//! *Standards*: RFC 4271 §8.2.2 and §10, RFC 8538 §3.

use super::action::{Action, DownReason, Retention};
use super::fsm::Act;
use super::input::Initiator;
use super::limits::LARGE_HOLD_TIME;
use super::negotiation::{Negotiated, RefreshSupport, open};
use super::session::{Session, Timer};
use crate::base::time::{Duration, Instant};
use crate::wire::bgp::{
    AddressFamily, Agreement, Message, Notification, NotificationCode, RefreshKind, RouteRefresh,
};

impl Session {
    /// Does one thing; returns the NOTIFICATION that was sent.
    pub(super) fn perform(
        &mut self,
        now: Instant,
        side: Initiator,
        act: Act,
        error: Option<&Notification>,
    ) -> Option<Notification> {
        match act {
            Act::ResetRetryCounter => self.failures = 0,
            // While the other connection lives it is not the peer that fails.
            Act::CountRetry if self.track(side.other()).state.is_connected() => {}
            Act::CountRetry => self.failures = self.failures.saturating_add(1),
            Act::StartConnectRetry => self.start_connect_retry(now, side),
            Act::StopConnectRetry => self.stop_connect_retry(side),
            Act::Connect => self.connect(side),
            Act::Drop => self.drop_connection(side),
            Act::Release => self.release(side),
            Act::SendOpen => self.send_open(side),
            Act::StartLargeHold => self.timers.set(Timer::Hold(side), now + LARGE_HOLD_TIME),
            Act::StartHold => self.start(Timer::Hold(side), now, self.hold_time(side)),
            Act::SendKeepalive => {
                if self.push(side, &Message::Keepalive) {
                    self.counters.keepalives_out += 1;
                }
            }
            Act::StartKeepalive => {
                let time = self.track(side).negotiated.as_ref().map(|held| held.keepalive_time);
                let time = self.jittered(time.unwrap_or_default());
                self.start(Timer::Keepalive(side), now, time);
            }
            Act::Notify(code) => return self.notify(now, side, Notification::new(code)),
            Act::NotifyError => {
                let fallback = || Notification::new(NotificationCode::CEASE);
                let notification = error.cloned().unwrap_or_else(fallback);
                return self.notify(now, side, notification);
            }
        }
        None
    }

    /// Starts a timer; a time of zero means never.
    fn start(&mut self, timer: Timer, now: Instant, time: Duration) {
        match time.is_zero() {
            true => self.timers.clear(timer),
            false => self.timers.set(timer, now + time),
        }
    }

    fn hold_time(&self, side: Initiator) -> Duration {
        self.track(side).negotiated.as_ref().map(|held| held.hold_time).unwrap_or_default()
    }

    /// Only we have a connection to try again; for the peer's we listen.
    fn start_connect_retry(&mut self, now: Instant, side: Initiator) {
        if side == Initiator::Local {
            let time = self.jittered(self.settings.connect_retry_time);
            self.timers.set(Timer::ConnectRetry, now + time);
        }
    }

    fn stop_connect_retry(&mut self, side: Initiator) {
        if side == Initiator::Local {
            self.timers.clear(Timer::ConnectRetry);
        }
    }

    fn connect(&mut self, side: Initiator) {
        debug_assert_eq!(side, Initiator::Local, "the peer's connection is waited for");
        let connection = self.next_connection();
        self.local.attempt = Some(connection);
        self.counters.connects += 1;
        self.act(Action::Connect { connection });
    }

    /// The TCP connection, and what was agreed on over it.
    fn drop_connection(&mut self, side: Initiator) {
        let track = self.track_mut(side);
        let connection = track.connection.take().map(|connection| connection.id());
        let attempt = track.attempt.take();
        (track.sent, track.received, track.negotiated) = (None, None, None);
        track.has_end_of_rib = false;
        if let Some(connection) = connection.or(attempt) {
            self.act(Action::Close { connection });
        }
        for timer in [Timer::Hold(side), Timer::Keepalive(side), Timer::SendHold(side)] {
            self.timers.clear(timer);
        }
    }

    fn release(&mut self, side: Initiator) {
        self.drop_connection(side);
        self.stop_connect_retry(side);
    }

    fn send_open(&mut self, side: Initiator) {
        let sent = open(&self.settings, self.own_restart());
        self.track_mut(side).sent = Some(sent.clone());
        if self.push(side, &Message::Open(sent)) {
            self.counters.opens_out += 1;
        }
    }

    /// What the peer on this track is written to by.
    fn send_agreement(&self, side: Initiator) -> Agreement {
        self.track(side).negotiated.as_ref().map(|held| held.send).unwrap_or_default()
    }

    fn push(&mut self, side: Initiator, message: &Message) -> bool {
        let agreement = self.send_agreement(side);
        let connection = self.track_mut(side).connection.as_mut();
        connection.is_some_and(|connection| connection.push(message, agreement))
    }

    /// The last message of a connection; the driver is given it before the connection is closed.
    fn notify(
        &mut self,
        now: Instant,
        side: Initiator,
        notification: Notification,
    ) -> Option<Notification> {
        let agreement = self.send_agreement(side);
        let connection = self.track_mut(side).connection.as_mut()?;
        let id = connection.id();
        let octets = connection.finish(&notification, agreement);
        self.act(Action::Send { connection: id, octets });
        self.counters.notifications_out += 1;
        self.spoken.sent = Some((now, notification.clone()));
        Some(notification)
    }

    /// RFC 2918 §4: the peer is asked for all routes, where it has said that it can.
    pub(super) fn ask_for_routes(&mut self) {
        let Some(side) = self.established() else { return };
        let negotiated = self.track(side).negotiated.as_ref();
        if negotiated.is_none_or(|held| held.refresh == RefreshSupport::None) {
            return;
        }
        let family = AddressFamily::IPV6_UNICAST;
        let request = RouteRefresh { family, kind: RefreshKind::Request };
        if self.push(side, &Message::RouteRefresh(request)) {
            self.counters.refreshes_out += 1;
        }
    }
}

impl Negotiated {
    /// RFC 4724 §4.2 and RFC 8538 §4: what becomes of the peer's routes when the session ends for
    /// this reason.
    pub fn retention(&self, reason: &DownReason) -> Retention {
        let Some(restart) = self.restart.filter(|restart| restart.keeps_routes) else {
            return Retention::Drop;
        };
        let is_graceful = match reason {
            DownReason::ConnectionLost | DownReason::PeerRestarted => true,
            DownReason::NotificationSent(said) | DownReason::NotificationReceived(said) => {
                self.survives_notifications && said.code != NotificationCode::HARD_RESET
            }
        };
        match is_graceful && !restart.restart_time.is_zero() {
            true => Retention::Keep { restart_time: restart.restart_time },
            false => Retention::Drop,
        }
    }
}
