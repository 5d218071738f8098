//! What a BGP session shows of itself.
//!
//! Owns [`View`], a plain copy for `show bgp neighbor`, and [`Counters`]. Routes are counted by the
//! RIB half.
//!
//! *Standards*: RFC 9003 §3 (the word of a shutdown is shown), RFC 8538 §3 (a hard reset shows what
//! it is about).

use super::action::DownReason;
use super::fsm::State;
use super::input::Initiator;
use super::negotiation::Negotiated;
use super::session::{Administration, Session, Timer};
use super::settings::Opening;
use crate::base::ids::RouterId;
use crate::base::time::Instant;
use crate::wire::bgp::capability::Capability;
use crate::wire::bgp::{Notification, NotificationCode, Open};
use serde::{Deserialize, Serialize};

crate::counters! {
    /// What a session counted since it was made.
    pub struct Counters {
        @normal opens_in: "messages", "OPENs received.";
        @normal opens_out: "messages", "OPENs sent.";
        @normal updates_in: "messages", "UPDATEs received.";
        @normal updates_out: "messages", "UPDATEs and bounds of route refreshes sent.";
        @normal keepalives_in: "messages", "KEEPALIVEs received.";
        @normal keepalives_out: "messages", "KEEPALIVEs sent.";
        @normal refreshes_in: "messages", "ROUTE-REFRESHes received.";
        @normal refreshes_out: "messages", "Requests for all routes sent.";
        notifications_in: "messages", "NOTIFICATIONs received.";
        notifications_out: "messages", "NOTIFICATIONs sent.";
        @normal established: "sessions", "Times the session became Established.";
        lost: "sessions", "Times the session was Established and ended.";
        @normal connects: "connections", "TCP connections that were tried.";
        connects_failed: "connections", "TCP connections that could not be opened.";
        connections_refused: "connections", "TCP connections that came and were not wanted.";
        collisions: "connections", "TCP connections closed because another one was kept.";
        opens_refused: "messages", "OPENs that could be read and were not accepted.";
        messages_malformed: "messages", "Messages that ended the session because of their form.";
        updates_treated_as_withdraw: "messages", "UPDATEs with a fault that withdrew their routes.";
        updates_with_discards: "messages", "UPDATEs of which an attribute was discarded.";
        foreign_routes: "routes", "Routes of address families that were not agreed on.";
        refreshes_ignored: "messages", "ROUTE-REFRESHes not agreed on, or too early.";
        batches_refused: "batches", "Batches of updates without room or form: an error of ours.";
    }
}

/// What was said last when things ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Spoken {
    pub sent: Option<(Instant, Notification)>,
    pub received: Option<(Instant, Notification)>,
    pub down: Option<(Instant, DownReason)>,
    /// Why an OPEN was refused, in words.
    pub objection: Option<(Instant, String)>,
}

/// A NOTIFICATION in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// When it was sent or came.
    pub at: Instant,
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// Both in words; of a hard reset, what it is about.
    pub words: String,
    /// RFC 9003: what the administrator had to say.
    pub text: Option<String>,
    /// What it is about: of a refused OPEN, what it says and what it would have to say.
    pub detail: Option<String>,
}

impl ErrorView {
    fn of((at, notification): &(Instant, Notification)) -> Self {
        let inner = notification.inner();
        let code = notification.code;
        let words = match inner.code == code {
            true => code.to_string(),
            false => format!("{code}: {}", inner.code),
        };
        let (text, detail) = (inner.text(), None);
        Self { at: *at, code: code.code, subcode: code.subcode, words, text, detail }
    }
}

/// A capability, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityView {
    /// Its code.
    pub code: u8,
    /// In words.
    pub name: String,
    /// It stands in our OPEN.
    pub is_sent: bool,
    /// It stands in the peer's.
    pub is_received: bool,
}

/// A session at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// RFC 4271 §8.2.2.
    pub state: State,
    /// Since when; of an Established session, how long it is up.
    pub since: Instant,
    /// Whether it shall be up.
    pub is_started: bool,
    /// Whether it only listens.
    pub is_passive: bool,
    /// Our AS.
    pub local_asn: u32,
    /// Our BGP identifier.
    pub identifier: RouterId,
    /// Who opened the connection; `None` where there is none.
    pub initiator: Option<Initiator>,
    /// What was agreed on: from OpenConfirm on.
    pub negotiated: Option<Negotiated>,
    /// What both OPENs say, from OpenConfirm on.
    pub capabilities: Vec<CapabilityView>,
    /// The last NOTIFICATION sent.
    pub last_sent: Option<ErrorView>,
    /// The last NOTIFICATION that came.
    pub last_received: Option<ErrorView>,
    /// When and why the session was last Established no more.
    pub last_down: Option<(Instant, DownReason)>,
    /// RFC 4271 §8.1.1: ConnectRetryCounter, failures in a row.
    pub failures: u32,
    /// Connections of ours, one after the other, that were neither taken nor refused.
    pub unanswered: u32,
    /// When it tries again, where it waits to.
    pub retry_at: Option<Instant>,
    /// Octets that the socket has not taken.
    pub queue_octets: usize,
    /// Messages that the socket has not taken whole.
    pub queue_messages: usize,
    /// What was counted.
    pub counters: Counters,
}

impl Session {
    /// The OPENs of the session that is up: ours, then the peer's.
    pub fn opens(&self) -> Option<(&Open, &Open)> {
        let tracks = [self.track(Initiator::Local), self.track(Initiator::Remote)];
        let up = tracks.into_iter().find(|track| track.state == State::Established)?;
        Some((up.sent.as_ref()?, up.received.as_ref()?))
    }

    /// Why the OPEN was refused for which the last NOTIFICATION was sent; `None` where that was
    /// about something else.
    pub fn objection(&self) -> Option<&str> {
        let (at, words) = self.spoken.objection.as_ref()?;
        let (sent_at, _) = self.spoken.sent.as_ref()?;
        (at == sent_at).then_some(words.as_str())
    }

    fn last_sent(&self) -> Option<ErrorView> {
        let sent = self.spoken.sent.as_ref().map(ErrorView::of)?;
        Some(ErrorView { detail: self.objection().map(str::to_owned), ..sent })
    }

    /// The peer does not say what it found wrong with our OPEN; of the AS it is plain.
    fn last_received(&self) -> Option<ErrorView> {
        let received = self.spoken.received.as_ref()?;
        let is_as = received.1.code == NotificationCode::BAD_PEER_AS;
        let detail = is_as.then(|| format!("we say that we are in AS {}", self.settings.local_asn));
        Some(ErrorView { detail, ..ErrorView::of(received) })
    }

    /// What it shows.
    pub fn view(&self) -> View {
        let further = match self.local.state > self.remote.state {
            true => Initiator::Local,
            false => Initiator::Remote,
        };
        let track = self.track(further);
        let connection = track.connection.as_ref();
        let waits = [Timer::ConnectRetry, Timer::IdleHold(Initiator::Local)]
            .map(|t| self.timers.deadline(t));
        View {
            state: self.state(),
            since: self.since,
            is_started: self.administration == Administration::Started,
            is_passive: self.settings.opening == Opening::Passive,
            local_asn: self.settings.local_asn,
            identifier: self.settings.identifier,
            initiator: connection.map(|connection| connection.id().initiator),
            negotiated: track.negotiated.as_deref().cloned(),
            capabilities: capabilities(track.sent.as_ref(), track.received.as_ref()),
            last_sent: self.last_sent(),
            last_received: self.last_received(),
            last_down: self.spoken.down.clone(),
            failures: self.failures,
            unanswered: self.unanswered,
            retry_at: waits.into_iter().flatten().min(),
            queue_octets: connection.map_or(0, |connection| connection.waiting_octets()),
            queue_messages: connection.map_or(0, |connection| connection.waiting_messages()),
            counters: self.counters,
        }
    }
}

/// The capabilities of both OPENs, by code.
fn capabilities(sent: Option<&Open>, received: Option<&Open>) -> Vec<CapabilityView> {
    let (Some(sent), Some(received)) = (sent, received) else { return Vec::new() };
    let named = |open: &Open| -> Vec<(u8, String)> {
        open.capabilities.iter().map(|capability| (capability.code(), name(capability))).collect()
    };
    let (ours, theirs) = (named(sent), named(received));
    let mut all: Vec<(u8, String)> = ours.iter().chain(&theirs).cloned().collect();
    all.sort();
    all.dedup();
    let view = |(code, name): (u8, String)| CapabilityView {
        is_sent: ours.iter().any(|(other, words)| (*other, words) == (code, &name)),
        is_received: theirs.iter().any(|(other, words)| (*other, words) == (code, &name)),
        code,
        name,
    };
    all.into_iter().map(view).collect()
}

/// A capability in words.
fn name(capability: &Capability) -> String {
    match capability {
        Capability::Multiprotocol(family) => family.to_string(),
        Capability::RouteRefresh => "route refresh".into(),
        Capability::EnhancedRouteRefresh => "enhanced route refresh".into(),
        Capability::ExtendedMessage => "extended messages".into(),
        Capability::Role(_) => "role".into(),
        Capability::GracefulRestart(_) => "graceful restart".into(),
        Capability::FourOctetAsn(_) => "four-octet AS numbers".into(),
        Capability::AddPath(_) => "additional paths".into(),
        Capability::Unknown { code, .. } => format!("capability {code}"),
    }
}
