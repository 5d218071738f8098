//! The database exchange: describing, asking, answering.
//!
//! Owns database description packets and link state requests, from ExStart to Full. Requests go out
//! as soon as something is missing and again as soon as an answer is complete; the timer is only
//! for what was lost.
//!
//! *Standards*: RFC 2328 §10.6 to §10.9, RFC 5340 §4.2.2 (link-local LSAs are part of it).

use super::action::Notice;
use super::hello::{OPTIONS, TOPIC_MTU};
use super::limits::{ANSWER_OCTETS_MAX, REQUESTS_MAX};
use super::lsdb::Scope;
use super::machine::{Ospf, Timer};
use super::neighbor::{Neighbor, NeighborEvent};
use super::view::NeighborState;
use crate::base::ids::PortId;
use crate::base::time::Instant;
use crate::wire::ospf::database_description::FIXED_OCTETS;
use crate::wire::ospf::link_state_request::REQUEST_OCTETS;
use crate::wire::ospf::lsa::LSA_HEADER_OCTETS;
use crate::wire::ospf::{DatabaseDescription, LinkStateRequest, Lsa, LsaKey, PacketBody};
use std::collections::{BTreeSet, VecDeque};

/// What a description means in the state it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Read it and go on.
    Accept,
    /// Came before; the slave repeats its answer.
    Repeated,
    /// Begin anew.
    Mismatch,
    /// Nothing.
    Ignore,
}

impl Ospf {
    /// ExStart: offer to be master with an empty description (RFC 2328 §10.8).
    pub(super) fn start_exchange(&mut self, now: Instant, port: PortId) {
        self.timers.clear(Timer::Request(port));
        self.timers.clear(Timer::Retransmit(port));
        let Some(interface) = self.interface(port) else { return };
        let mtu = interface.config.mtu;
        let Some(neighbor) = interface.neighbor.as_mut() else { return };
        neighbor.clear();
        neighbor.is_master = true;
        neighbor.dd_sequence = neighbor.dd_sequence.wrapping_add(1);
        let offer = DatabaseDescription {
            options: OPTIONS,
            mtu,
            is_init: true,
            has_more: true,
            is_master: true,
            sequence: neighbor.dd_sequence,
            headers: Vec::new(),
        };
        self.describe(now, port, offer);
    }

    fn describe(&mut self, now: Instant, port: PortId, description: DatabaseDescription) {
        let Some(interface) = self.interface(port) else { return };
        let deadline = now + interface.config.retransmit_interval;
        let Some(neighbor) = interface.neighbor.as_mut() else { return };
        neighbor.dd_sent = Some(description.clone());
        // Only the master repeats by itself; in ExStart both think that they are.
        if description.is_master {
            self.timers.set(Timer::Description(port), deadline);
        } else {
            self.timers.clear(Timer::Description(port));
        }
        self.send(port, PacketBody::DatabaseDescription(description));
    }

    pub(super) fn repeat_description(&mut self, now: Instant, port: PortId) {
        let is_exchanging =
            matches!(self.neighbor_state(port), NeighborState::ExStart | NeighborState::Exchange);
        let sent = self.neighbor(port).and_then(|neighbor| neighbor.dd_sent.clone());
        if let Some(description) = sent.filter(|_| is_exchanging) {
            self.describe(now, port, description);
        }
    }

    /// Lists the databases for a description (RFC 2328 §10.3, NegotiationDone). LSAs at MaxAge are
    /// not described but sent; what does not fit the link is not described either, or the
    /// neighbour would ask for it for ever.
    pub(super) fn list_database(&mut self, now: Instant, port: PortId) {
        let all = self.lsdb.iter().filter(|((scope, _), _)| scope.reaches(port));
        let mut summary = VecDeque::new();
        // `queue_for` names what does not fit.
        let mut to_send: Vec<Lsa> = Vec::new();
        for (_, entry) in all {
            let header = entry.header(now);
            if header.is_max_age() || !self.fits(port, entry.as_installed()) {
                to_send.push(entry.lsa(now));
            } else {
                summary.push_back(header);
            }
        }
        if let Some(neighbor) = self.neighbor(port) {
            neighbor.summary = summary;
        }
        for lsa in to_send {
            self.queue_for(now, port, &lsa);
        }
    }

    /// RFC 2328 §10.6.
    pub(super) fn receive_description(
        &mut self,
        now: Instant,
        port: PortId,
        dd: &DatabaseDescription,
    ) {
        if !self.is_mtu_acceptable(port, dd.mtu) {
            return;
        }
        if self.neighbor_state(port) == NeighborState::Init {
            self.neighbor_event(now, port, NeighborEvent::TwoWayReceived);
        }
        match self.judge(port, dd) {
            Verdict::Ignore => self.counters.wrong_state += 1,
            Verdict::Mismatch => {
                self.neighbor_event(now, port, NeighborEvent::SeqNumberMismatch);
            }
            Verdict::Repeated => {
                self.counters.dd_repeated += 1;
                let answer = self.neighbor(port).filter(|n| !n.is_master);
                if let Some(answer) = answer.and_then(|n| n.dd_sent.clone()) {
                    self.send(port, PacketBody::DatabaseDescription(answer));
                }
            }
            Verdict::Accept => {
                if self.neighbor_state(port) == NeighborState::ExStart {
                    self.agree(now, port, dd);
                }
                self.read_description(now, port, dd);
            }
        }
    }

    /// RFC 2328 §10.6 refuses a neighbour that sends larger packets than this interface takes. A
    /// smaller MTU there is refused as well: else this end would stay in Exchange for as long as
    /// the other one refuses, and keep dead LSAs alive (§14). Zero stands for a link without MTU.
    fn is_mtu_acceptable(&mut self, port: PortId, theirs: u16) -> bool {
        let Some(interface) = self.interface(port) else { return false };
        let ours = interface.config.mtu;
        let Some(neighbor) = interface.neighbor.as_mut() else { return false };
        if interface.config.mtu_ignore || theirs == ours || theirs == 0 {
            return true;
        }
        let router_id = neighbor.router_id;
        if neighbor.state < NeighborState::Exchange {
            neighbor.problem = Some(format!("MTU mismatch: {ours} here, {theirs} there"));
            if interface.complained.insert(TOPIC_MTU) {
                self.notice(Notice::MtuMismatch { port, router_id, ours, theirs });
            }
        }
        self.counters.mtu_mismatch += 1;
        false
    }

    fn judge(&self, port: PortId, dd: &DatabaseDescription) -> Verdict {
        let Some(interface) = self.interfaces.get(&port) else { return Verdict::Ignore };
        let Some(neighbor) = &interface.neighbor else { return Verdict::Ignore };
        let is_repeated = neighbor.dd_received.as_ref().is_some_and(|last| {
            (last.is_init, last.has_more, last.is_master, last.options, last.sequence)
                == (dd.is_init, dd.has_more, dd.is_master, dd.options, dd.sequence)
        });
        match neighbor.state {
            NeighborState::ExStart => {
                let own_id = self.router_id.unwrap_or_default();
                let is_offer = dd.is_init && dd.has_more && dd.is_master && dd.headers.is_empty();
                let is_answer = !dd.is_init && !dd.is_master;
                let makes_us_slave = is_offer && neighbor.router_id > own_id;
                let makes_us_master =
                    is_answer && dd.sequence == neighbor.dd_sequence && neighbor.router_id < own_id;
                if makes_us_slave || makes_us_master { Verdict::Accept } else { Verdict::Ignore }
            }
            NeighborState::Exchange if is_repeated => Verdict::Repeated,
            NeighborState::Exchange => {
                let expected = neighbor.dd_sequence.wrapping_add(u32::from(!neighbor.is_master));
                let is_next = dd.sequence == expected
                    && dd.is_master != neighbor.is_master
                    && !dd.is_init
                    && dd.options == neighbor.options;
                if is_next { Verdict::Accept } else { Verdict::Mismatch }
            }
            NeighborState::Loading | NeighborState::Full if is_repeated => Verdict::Repeated,
            NeighborState::Loading | NeighborState::Full => Verdict::Mismatch,
            NeighborState::Down | NeighborState::Init | NeighborState::TwoWay => Verdict::Ignore,
        }
    }

    /// Master and sequence number are agreed on.
    fn agree(&mut self, now: Instant, port: PortId, dd: &DatabaseDescription) {
        let Some(neighbor) = self.neighbor(port) else { return };
        neighbor.is_master = !dd.is_master;
        neighbor.options = dd.options;
        if dd.is_master {
            neighbor.dd_sequence = dd.sequence;
        }
        self.neighbor_event(now, port, NeighborEvent::NegotiationDone);
    }

    /// Notes what is newer there, and answers.
    fn read_description(&mut self, now: Instant, port: PortId, dd: &DatabaseDescription) {
        for header in &dd.headers {
            let Some(scope) = Scope::of(header.ls_type, port) else {
                self.counters.lsa_bad_scope += 1;
                self.neighbor_event(now, port, NeighborEvent::SeqNumberMismatch);
                return;
            };
            let ours = self.lsdb.get(&(scope, header.key())).map(|entry| entry.header(now));
            let is_wanted = ours.is_none_or(|ours| header.compare_age(&ours).is_gt());
            if is_wanted && self.outlive(now, port, (scope, header.key()), header) {
                continue;
            }
            let Some(neighbor) = self.neighbor(port).filter(|_| is_wanted) else { continue };
            if neighbor.requests.len() >= REQUESTS_MAX {
                // Somebody describes without end.
                self.counters.requests_refused += 1;
                self.neighbor_event(now, port, NeighborEvent::SeqNumberMismatch);
                return;
            }
            neighbor.requests.insert(header.key(), *header);
        }
        let Some(neighbor) = self.neighbor(port) else { return };
        neighbor.dd_received = Some(DatabaseDescription { headers: Vec::new(), ..dd.clone() });
        let is_master = neighbor.is_master;
        let said_all =
            neighbor.dd_sent.as_ref().is_some_and(|sent| !sent.is_init && !sent.has_more);
        if is_master {
            neighbor.dd_sequence = neighbor.dd_sequence.wrapping_add(1);
            if said_all && !dd.has_more {
                self.exchange_done(now, port);
            } else {
                self.describe_next(now, port);
            }
        } else {
            neighbor.dd_sequence = dd.sequence;
            let has_more = self.describe_next(now, port);
            if !has_more && !dd.has_more {
                self.exchange_done(now, port);
            }
        }
        self.ask(now, port);
    }

    /// Sends the next part of the summary; says whether more follows.
    fn describe_next(&mut self, now: Instant, port: PortId) -> bool {
        let Some(interface) = self.interface(port) else { return false };
        let mtu = interface.config.mtu;
        let room = interface.room().saturating_sub(FIXED_OCTETS) / LSA_HEADER_OCTETS;
        let Some(neighbor) = interface.neighbor.as_mut() else { return false };
        let count = room.min(neighbor.summary.len());
        let headers = neighbor.summary.drain(..count).collect();
        let has_more = !neighbor.summary.is_empty();
        let description = DatabaseDescription {
            options: OPTIONS,
            mtu,
            is_init: false,
            has_more,
            is_master: neighbor.is_master,
            sequence: neighbor.dd_sequence,
            headers,
        };
        self.describe(now, port, description);
        has_more
    }

    fn exchange_done(&mut self, now: Instant, port: PortId) {
        self.timers.clear(Timer::Description(port));
        let has_requests = self.neighbor(port).is_some_and(|n| !n.requests.is_empty());
        self.neighbor_event(now, port, NeighborEvent::ExchangeDone { has_requests });
    }

    /// Asks for what is missing, one packet at a time (RFC 2328 §10.9).
    pub(super) fn ask(&mut self, now: Instant, port: PortId) {
        if self.neighbor(port).is_some_and(|neighbor| neighbor.asked.is_empty()) {
            self.ask_for_first(now, port);
        }
    }

    /// The timer: what was asked for has not come.
    pub(super) fn ask_again(&mut self, now: Instant, port: PortId) {
        if let Some(neighbor) = self.neighbor(port) {
            neighbor.asked.clear();
        }
        self.ask_for_first(now, port);
    }

    fn ask_for_first(&mut self, now: Instant, port: PortId) {
        let Some(interface) = self.interface(port) else { return };
        let count = interface.room() / REQUEST_OCTETS;
        let deadline = now + interface.config.retransmit_interval;
        let Some(neighbor) = interface.neighbor.as_mut() else { return };
        let keys: Vec<LsaKey> = neighbor.requests.keys().take(count).copied().collect();
        if keys.is_empty() {
            self.timers.clear(Timer::Request(port));
            return;
        }
        neighbor.asked = keys.iter().copied().collect();
        self.timers.set(Timer::Request(port), deadline);
        self.send(port, PacketBody::LinkStateRequest(LinkStateRequest { keys }));
    }

    /// RFC 2328 §10.7.
    pub(super) fn receive_request(
        &mut self,
        now: Instant,
        port: PortId,
        request: &LinkStateRequest,
    ) {
        if self.neighbor_state(port) < NeighborState::Exchange {
            self.counters.wrong_state += 1;
            return;
        }
        let mut answer = Vec::new();
        let mut octets = 0;
        let keys: BTreeSet<&LsaKey> = request.keys.iter().collect();
        for key in keys {
            let place = Scope::of(key.ls_type, port).map(|scope| (scope, *key));
            let entry = place.and_then(|place| self.lsdb.get(&place));
            let fitting = entry.filter(|entry| self.fits(port, entry.as_installed()));
            let Some(entry) = fitting else {
                self.neighbor_event(now, port, NeighborEvent::BadLsReq);
                return;
            };
            let lsa = entry.lsa(now);
            octets += lsa.octets();
            if octets > ANSWER_OCTETS_MAX {
                self.counters.answers_cut += 1;
                continue;
            }
            answer.push(lsa);
        }
        if let Some(interface) = self.interface(port) {
            interface.flood.append(&mut answer);
        }
    }

    /// An instance came that may have been asked for: it is as new as the one described.
    pub(super) fn answered(&mut self, now: Instant, port: PortId, lsa: &Lsa) {
        let Some(neighbor) = self.neighbor(port) else { return };
        if !is_answer(neighbor, lsa) {
            return;
        }
        neighbor.requests.remove(&lsa.key());
        neighbor.asked.remove(&lsa.key());
        if neighbor.asked.is_empty() {
            self.ask_for_first(now, port);
        }
        let is_loaded = self.neighbor(port).is_some_and(|n| n.requests.is_empty());
        if is_loaded {
            self.neighbor_event(now, port, NeighborEvent::LoadingDone);
        }
    }
}

fn is_answer(neighbor: &Neighbor, lsa: &Lsa) -> bool {
    let wanted = neighbor.requests.get(&lsa.key());
    wanted.is_some_and(|wanted| lsa.header.compare_age(wanted).is_ge())
}
