//! One TCP connection: octets in become messages, messages out become octets.
//!
//! Owns [`Connection`]: what has come of a message that is not whole, and what the socket has not
//! taken yet. What messages mean is the session's.
//!
//! *Invariants*: of what came, at most one message that is not whole is kept. Of what goes, at most
//! [`SEND_QUEUE_OCTETS_MAX`] and [`SEND_RESERVE_OCTETS_MAX`] wait; the driver is given whole
//! messages only, so that a NOTIFICATION can overtake all that it was not given.
//! *Standards*: RFC 4271 §4.1 and §6.1, RFC 8654 §4, RFC 9687 §3 (what the socket took).

use super::fsm::Event;
use super::input::ConnectionId;
use super::limits::{
    RECEIVE_OCTETS_MAX, RECEIVE_SLICE_OCTETS_MAX, SEND_QUEUE_OCTETS_MAX, SEND_RESERVE_OCTETS_MAX,
    SEND_WINDOW_OCTETS_MAX,
};
use crate::base::cursor::Writer;
use crate::base::time::Instant;
use crate::wire::bgp::message::{
    EXTENDED_OCTETS_MAX, HEADER_OCTETS, MESSAGE_OCTETS_MAX, Message, MessageType, frame,
};
use crate::wire::bgp::{Agreement, Notification};
use std::collections::VecDeque;

/// RFC 4271 §4.5: octets of error code and subcode.
const CODE_OCTETS: usize = 2;

/// Why the RIB half's octets are not sent: an error of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There are more of them than there was room for.
    #[error("more octets than room")]
    NoRoom,
    /// They are not whole messages of a kind that carries routes.
    #[error("not whole messages")]
    NotMessages,
}

/// A message that cannot be read, as the event that it is and the answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// BgpHeaderErr, BgpOpenMsgErr or UpdateMsgErr.
    pub event: Event,
    /// What the peer is told.
    pub notification: Notification,
}

/// A TCP connection; at most two a session, owned by the control thread.
#[derive(Clone, Debug)]
pub struct Connection {
    id: ConnectionId,
    opened_at: Instant,
    /// What came and was not read yet, from `read_count` on.
    received: Vec<u8>,
    read_count: usize,
    /// Whole messages that the driver was not given.
    queue: VecDeque<Vec<u8>>,
    queue_octets: usize,
    /// What the driver was given and the socket has not taken.
    flight_octets: usize,
    /// Lengths of all messages that the socket has not taken whole.
    lengths: VecDeque<u16>,
    /// Of the first of them, what it has taken.
    taken_octets: usize,
}

impl Connection {
    /// A connection that was opened at `now`.
    pub const fn new(id: ConnectionId, now: Instant) -> Self {
        Self {
            id,
            opened_at: now,
            received: Vec::new(),
            read_count: 0,
            queue: VecDeque::new(),
            queue_octets: 0,
            flight_octets: 0,
            lengths: VecDeque::new(),
            taken_octets: 0,
        }
    }

    /// Its name.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// When it was opened.
    pub const fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// Octets came.
    pub fn receive(&mut self, octets: &[u8]) {
        self.received.extend_from_slice(octets);
    }

    /// The next whole message of what came, or what is wrong with it.
    pub fn next_message(&mut self, agreement: Agreement) -> Option<Result<Message, Malformed>> {
        let stream = self.received.get(self.read_count..).unwrap_or_default();
        let framed = match frame(stream, agreement.has_extended_messages) {
            Ok(framed) => framed,
            Err(notification) => {
                return Some(Err(Malformed { event: Event::BgpHeaderErr, notification }));
            }
        };
        let Some(((kind, body), octets)) = framed else {
            self.forget_read();
            return None;
        };
        let message = Message::decode((kind, body), agreement);
        self.read_count += octets;
        Some(message.map_err(|notification| Malformed { event: error_in(kind), notification }))
    }

    /// Keeps only what was not read.
    fn forget_read(&mut self) {
        self.received.drain(..self.read_count.min(self.received.len()));
        self.read_count = 0;
        if self.received.capacity() > RECEIVE_OCTETS_MAX + RECEIVE_SLICE_OCTETS_MAX {
            self.received.shrink_to(RECEIVE_OCTETS_MAX);
        }
    }

    /// Octets that came and are no whole message yet.
    pub fn received_octets(&self) -> usize {
        self.received.len() - self.read_count
    }

    /// Octets that wait, those that the driver was given included.
    pub const fn waiting_octets(&self) -> usize {
        self.queue_octets + self.flight_octets
    }

    /// Messages that the socket has not taken whole.
    pub fn waiting_messages(&self) -> usize {
        self.lengths.len()
    }

    /// Octets of updates that may be added.
    pub const fn room(&self) -> usize {
        SEND_QUEUE_OCTETS_MAX.saturating_sub(self.waiting_octets())
    }

    /// Adds a message of the session itself. One that finds no room is not needed: what waits shows
    /// the peer that we live as well as a KEEPALIVE would.
    pub fn push(&mut self, message: &Message, agreement: Agreement) -> bool {
        let octets = encoded(message, agreement);
        if self.waiting_octets() + octets.len() > SEND_QUEUE_OCTETS_MAX + SEND_RESERVE_OCTETS_MAX {
            return false;
        }
        self.lengths.push_back(u16::try_from(octets.len()).unwrap_or(u16::MAX));
        self.enqueue(octets);
        true
    }

    /// Adds UPDATEs and bounds of refreshes; returns how many messages they were.
    pub fn push_batch(&mut self, octets: Vec<u8>, agreement: Agreement) -> Result<u64, BatchError> {
        if octets.len() > self.room() {
            return Err(BatchError::NoRoom);
        }
        let before = self.lengths.len();
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            let whole = match frame(rest, agreement.has_extended_messages) {
                Ok(Some(((MessageType::Update | MessageType::RouteRefresh, _), whole))) => whole,
                _ => {
                    self.lengths.truncate(before);
                    return Err(BatchError::NotMessages);
                }
            };
            self.lengths.push_back(u16::try_from(whole).unwrap_or(u16::MAX));
            rest = rest.get(whole..).unwrap_or_default();
        }
        if !octets.is_empty() {
            self.enqueue(octets);
        }
        Ok((self.lengths.len() - before) as u64)
    }

    fn enqueue(&mut self, octets: Vec<u8>) {
        self.queue_octets += octets.len();
        self.queue.push_back(octets);
    }

    /// Octets for the driver, as long as the socket takes them.
    pub fn give(&mut self) -> Option<Vec<u8>> {
        let next = self.queue.front()?.len();
        if self.flight_octets > 0 && self.flight_octets + next > SEND_WINDOW_OCTETS_MAX {
            return None;
        }
        let octets = self.queue.pop_front()?;
        self.queue_octets -= octets.len();
        self.flight_octets += octets.len();
        Some(octets)
    }

    /// The socket took octets; returns how many messages it now has whole.
    pub fn sent(&mut self, octet_count: usize) -> usize {
        let octet_count = octet_count.min(self.flight_octets);
        self.flight_octets -= octet_count;
        self.taken_octets += octet_count;
        let mut whole = 0;
        while let Some(length) = self.lengths.front().map(|length| usize::from(*length))
            && length <= self.taken_octets
        {
            self.taken_octets -= length;
            self.lengths.pop_front();
            whole += 1;
        }
        whole
    }

    /// The last octets for the driver: a NOTIFICATION, before all that it was not given.
    pub fn finish(&mut self, notification: &Notification, agreement: Agreement) -> Vec<u8> {
        self.queue.clear();
        self.queue_octets = 0;
        let message_octets_max = match agreement.has_extended_messages {
            true => EXTENDED_OCTETS_MAX,
            false => MESSAGE_OCTETS_MAX,
        };
        let mut notification = notification.clone();
        notification.data.truncate(message_octets_max - HEADER_OCTETS - CODE_OCTETS);
        encoded(&Message::Notification(notification), agreement)
    }
}

/// A message as octets.
pub(super) fn encoded(message: &Message, agreement: Agreement) -> Vec<u8> {
    let mut writer = Writer::default();
    message.encode(agreement, &mut writer);
    writer.into_vec()
}

const fn error_in(kind: MessageType) -> Event {
    match kind {
        MessageType::Open => Event::BgpOpenMsgErr,
        MessageType::Update => Event::UpdateMsgErr,
        MessageType::Notification | MessageType::Keepalive | MessageType::RouteRefresh => {
            Event::BgpHeaderErr
        }
    }
}
