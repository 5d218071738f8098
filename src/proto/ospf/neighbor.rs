//! The neighbour: what is kept of it, and its state machine.
//!
//! ```text
//!  Down --HelloReceived--> Init --2-WayReceived--> ExStart --NegotiationDone--> Exchange
//!                                                     ^                            |
//!        SeqNumberMismatch, BadLSReq (from Exchange,  |                ExchangeDone|
//!        Loading, Full) ------------------------------+        Loading <-----------+
//!                                                                 |  LoadingDone   |
//!        1-WayReceived (from 2-Way up) -> Init                    +-----> Full <---+
//!        KillNbr, LLDown, InactivityTimer, BfdDown -> Down
//! ```
//!
//! Owns [`Neighbor`] and [`step`], the table of RFC 2328 §10.3. What a step entails (packets,
//! lists, LSAs) is done by the machine, from the [`Effect`] that comes with it.
//!
//! *Invariants*: on a point-to-point link every neighbour that hears us becomes adjacent, so
//! `2-Way` is passed through and never rested in.
//! *Standards*: RFC 2328 §10.1 to §10.3, RFC 5340 §4.2.2.

use super::helper::Helped;
use super::retransmission::RetransmissionList;
use super::view::NeighborState;
use crate::base::ids::RouterId;
use crate::base::time::Instant;
use crate::wire::ospf::{DatabaseDescription, LsaHeader, LsaKey, Options};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// RFC 2328 §10.2: what may happen to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborEvent {
    /// A hello from it was accepted.
    HelloReceived,
    /// It lists this router in its hello.
    TwoWayReceived,
    /// Master and sequence number are agreed on.
    NegotiationDone,
    /// Both have described everything; LSAs may still have to be asked for.
    ExchangeDone {
        /// Whether the request list has something.
        has_requests: bool,
    },
    /// Everything asked for has come.
    LoadingDone,
    /// A description does not fit.
    SeqNumberMismatch,
    /// It asks for what is not there, or describes what it does not have.
    BadLsReq,
    /// It no longer lists this router.
    OneWayReceived,
    /// Its interface or this router's identity changed.
    KillNbr,
    /// Nothing was heard for RouterDeadInterval.
    InactivityTimer,
    /// The link lost carrier.
    LlDown,
    /// BFD says that the way to it works no more (RFC 5882 §4.3); as InactivityTimer, but at once.
    BfdDown,
}

impl NeighborEvent {
    /// The RFC's spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HelloReceived => "HelloReceived",
            Self::TwoWayReceived => "2-WayReceived",
            Self::NegotiationDone => "NegotiationDone",
            Self::ExchangeDone { .. } => "ExchangeDone",
            Self::LoadingDone => "LoadingDone",
            Self::SeqNumberMismatch => "SeqNumberMismatch",
            Self::BadLsReq => "BadLSReq",
            Self::OneWayReceived => "1-WayReceived",
            Self::KillNbr => "KillNbr",
            Self::InactivityTimer => "InactivityTimer",
            Self::LlDown => "LLDown",
            Self::BfdDown => "BfdDown",
        }
    }
}

/// What a step entails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing more.
    Nothing,
    /// Restart the inactivity timer.
    Alive,
    /// Forget lists and descriptions, choose a new sequence number, offer to be master.
    StartExchange,
    /// List what the database has, and describe it.
    Describe,
    /// Forget lists and descriptions.
    Clear,
    /// Forget the neighbour.
    Remove,
}

/// RFC 2328 §10.3: the new state and what goes with it; `None` where the event means nothing.
pub const fn step(state: NeighborState, event: NeighborEvent) -> Option<(NeighborState, Effect)> {
    use NeighborEvent as E;
    use NeighborState::{Down, ExStart, Exchange, Full, Init, Loading, TwoWay};
    Some(match (state, event) {
        (Down, E::HelloReceived) => (Init, Effect::Alive),
        (_, E::HelloReceived) => (state, Effect::Alive),
        // §10.4: on a point-to-point link an adjacency is always wanted.
        (Init | TwoWay, E::TwoWayReceived) => (ExStart, Effect::StartExchange),
        (ExStart, E::NegotiationDone) => (Exchange, Effect::Describe),
        (Exchange, E::ExchangeDone { has_requests: true }) => (Loading, Effect::Nothing),
        (Exchange, E::ExchangeDone { has_requests: false }) => (Full, Effect::Nothing),
        (Loading, E::LoadingDone) => (Full, Effect::Nothing),
        (Exchange | Loading | Full, E::SeqNumberMismatch | E::BadLsReq) => {
            (ExStart, Effect::StartExchange)
        }
        (TwoWay | ExStart | Exchange | Loading | Full, E::OneWayReceived) => (Init, Effect::Clear),
        (_, E::KillNbr | E::InactivityTimer | E::LlDown | E::BfdDown) => (Down, Effect::Remove),
        _ => return None,
    })
}

/// RFC 2328 §10: one neighbour; at most one a point-to-point interface.
#[derive(Clone, Debug)]
pub struct Neighbor {
    /// Its router-id.
    pub router_id: RouterId,
    /// Its link-local address.
    pub address: Ipv6Addr,
    /// When a hello from this address was accepted last.
    pub heard_at: Instant,
    /// Its Interface ID.
    pub interface_id: u32,
    /// State.
    pub state: NeighborState,
    /// Since when.
    pub since: Instant,
    /// Whether this router is the master of the exchange.
    pub is_master: bool,
    /// DD sequence number.
    pub dd_sequence: u32,
    /// Its options, from its first description.
    pub options: Options,
    /// Its last description, without headers: repetitions are known by it.
    pub dd_received: Option<DatabaseDescription>,
    /// Own last description, to be repeated.
    pub dd_sent: Option<DatabaseDescription>,
    /// Headers not yet described.
    pub summary: VecDeque<LsaHeader>,
    /// Instances to be asked for.
    pub requests: BTreeMap<LsaKey, LsaHeader>,
    /// Those of `requests` that were asked for and have not come.
    pub asked: BTreeSet<LsaKey>,
    /// Instances it has not acknowledged.
    pub retransmissions: RetransmissionList,
    /// It restarts gracefully and is helped.
    pub helped: Option<Helped>,
    /// What hinders the adjacency, a sentence.
    pub problem: Option<String>,
}

impl Neighbor {
    /// A neighbour just heard of.
    pub fn new(now: Instant, router_id: RouterId, address: Ipv6Addr, dd_sequence: u32) -> Self {
        Self {
            router_id,
            address,
            heard_at: now,
            interface_id: 0,
            state: NeighborState::Down,
            since: now,
            is_master: false,
            dd_sequence,
            options: Options::default(),
            dd_received: None,
            dd_sent: None,
            summary: VecDeque::new(),
            requests: BTreeMap::new(),
            asked: BTreeSet::new(),
            retransmissions: RetransmissionList::default(),
            helped: None,
            problem: None,
        }
    }

    /// What everybody is told of its state: who is helped is Full (RFC 3623 §3).
    pub const fn told_state(&self) -> NeighborState {
        if self.helped.is_some() { NeighborState::Full } else { self.state }
    }

    /// Whether the link to it carries routes.
    pub fn is_adjacent(&self) -> bool {
        self.told_state() == NeighborState::Full
    }

    /// Forgets lists and descriptions.
    pub fn clear(&mut self) {
        self.dd_received = None;
        self.dd_sent = None;
        self.summary.clear();
        self.requests.clear();
        self.asked.clear();
        self.retransmissions = RetransmissionList::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NeighborEvent as E;
    use NeighborState::{Down, ExStart, Exchange, Full, Init, Loading, TwoWay};

    /// RFC 2328 §10.3: a row an event, a column a state from Down to Full; `-` where nothing
    /// happens.
    #[test]
    fn the_whole_table() {
        const STATES: [NeighborState; 7] = [Down, Init, TwoWay, ExStart, Exchange, Loading, Full];
        let no = None;
        let table: [(NeighborEvent, [Option<NeighborState>; 7]); 11] = [
            (E::HelloReceived, [Init, Init, TwoWay, ExStart, Exchange, Loading, Full].map(Some)),
            (E::TwoWayReceived, [no, Some(ExStart), Some(ExStart), no, no, no, no]),
            (E::NegotiationDone, [no, no, no, Some(Exchange), no, no, no]),
            (E::ExchangeDone { has_requests: true }, [no, no, no, no, Some(Loading), no, no]),
            (E::ExchangeDone { has_requests: false }, [no, no, no, no, Some(Full), no, no]),
            (E::LoadingDone, [no, no, no, no, no, Some(Full), no]),
            (E::SeqNumberMismatch, [no, no, no, no, Some(ExStart), Some(ExStart), Some(ExStart)]),
            (E::BadLsReq, [no, no, no, no, Some(ExStart), Some(ExStart), Some(ExStart)]),
            (
                E::OneWayReceived,
                [no, no, Some(Init), Some(Init), Some(Init), Some(Init), Some(Init)],
            ),
            (E::KillNbr, [Some(Down); 7]),
            (E::InactivityTimer, [Some(Down); 7]),
        ];
        for (event, row) in table {
            for (state, expected) in STATES.into_iter().zip(row) {
                let found = step(state, event).map(|(state, _)| state);
                assert_eq!(found, expected, "{} in {state}", event.name());
            }
        }
        assert_eq!(step(Full, E::LlDown), Some((Down, Effect::Remove)));
        assert_eq!(step(Full, E::BfdDown), Some((Down, Effect::Remove)));
    }

    #[test]
    fn a_restarted_exchange_forgets_the_old_one() {
        for event in [E::SeqNumberMismatch, E::BadLsReq] {
            assert_eq!(step(Full, event), Some((ExStart, Effect::StartExchange)));
        }
    }
}
